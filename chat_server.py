"""The chat server: one room for everybody who connects. This file is the program; its rooms are in `lan_chat/server/`.

Threads:

* main waits for a signal, and for what the operator types, which console reads; then it stops everything in order;
* terminal alone writes to the terminal: the log, and the answers to the operator; log file to the file of `--log-file`;
* accept takes connections in and starts a thread for each, or turns them away in words;
* one thread per client reads that client alone, and is the one that closes its socket; a browser's request it answers;
* handshakes does what those of a room with a code have to compute;
* sum reads the client's program that is offered for download, and shows its SHA-256;
* finder answers who asks by UDP where the room is;
* delivery alone numbers what is said, records it, and writes to clients: so there is one order, nobody is shown what is
  not recorded, and no write waits for another.

A client's thread hands what its client did to the delivery thread. It writes to a socket only what goes out before the
delivery thread knows of it: a handshake, or the answer to a request.
"""

from __future__ import annotations

import sys

try:
    from lan_chat.early import end_on_signals, leave_on_signals

    if __name__ == "__main__":
        end_on_signals()  # first: to import the rest takes a while, and Ctrl+C would end it with a traceback

    import argparse
    import contextlib
    import io
    import logging
    import os
    import platform
    import queue
    import re
    import signal
    import threading
    import traceback
    from functools import partial
    from pathlib import Path
    from typing import Any

    import protocol
    from lan_chat import rooms, secure
    from lan_chat.code import ASK, format_code, key_of, make_code, parse_code
    from lan_chat.command_line import CommandLine, language_of
    from lan_chat.process import (
        POLL_S,
        exit_with,
        freeze_startup_objects,
        has_own_console,
        raise_file_limit,
        run_in_background,
        udp_port,
        wait_for_enter,
        watch_signals,
    )
    from lan_chat.server.commands import Operator
    from lan_chat.server.export import export_history
    from lan_chat.server.finder import host_name
    from lan_chat.server.history import FILE_ERRORS, History
    from lan_chat.server.invitation import Invitation, client_beside_this, sum_of
    from lan_chat.server.listening import explain_listen_error, links_to_find, open_listener, where_to_find
    from lan_chat.server.log_file import LogFile
    from lan_chat.server.log_limit import LogLimit
    from lan_chat.server.options import MAX_BACKLOG, Options
    from lan_chat.server.server import ChatServer
    from lan_chat.server.terminal import Terminal, is_terminal, read_console, show
    from lan_chat.server.web import CLIENT_NAME
    from lan_chat.server.words import CLOSED, CLOSING, CLOSING_OTHERWISE, LANGUAGES, WAITING, ServerWords
    from lan_chat.server.writer import Writer
    from protocol import Notice
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] not in ("lan_chat", "protocol"):
        raise
    print(f"Manca {error.name}: copia l'intera cartella / is missing: copy the whole folder.", file=sys.stderr)
    sys.exit(2)


HOST_NAME = re.compile(r"(?!.{254})[\w-]{1,63}(\.[\w-]{1,63})*", re.ASCII)
"""A name as a browser sends it, without a port; the underscore is no host's by the RFCs, but Windows has some."""


def main(argv: list[str] | None = None) -> int:
    """Run the server until Ctrl+C or SIGTERM, and return the exit status.

    A console that closes with the program stays until an error, or the help, was read.
    """
    words, status = LANGUAGES[protocol.DEFAULT_LANGUAGE], 1
    try:
        arguments = parse_arguments(argv)
        words = LANGUAGES[arguments.lang]
        status = run(arguments, words)
    except Exception:
        traceback.print_exc()
    finally:
        if status != 0 and has_own_console():
            wait_for_enter(words.press_enter)
    return status


def run(arguments: argparse.Namespace, words: ServerWords) -> int:
    """Do what the command line asks for, and return the exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace", line_buffering=True)  # a console may lack a letter
    # A SimpleQueue, because its `put` may interrupt its own `get` in the same thread; an Event's `set` could deadlock.
    requests: queue.SimpleQueue[int | str] = queue.SimpleQueue()
    run_in_background()
    raise_file_limit()
    terminal = Terminal(words)
    writers: list[Writer] = [terminal]
    try:
        if arguments.log_file is not None:
            writers.append(LogFile(arguments.log_file, words))
    except OSError as error:
        print(words.cannot_log.format(file=arguments.log_file, error=error), file=sys.stderr)
        return 2
    set_up_logging(writers, arguments.log_level, LogLimit(words) if arguments.max_per_host else None)
    if arguments.export is not None:
        return export(arguments, words)
    code = ask_code(words) if arguments.code == ASK else arguments.code and parse_code(arguments.code)
    if code is None and arguments.code is not None:
        print(f"\n{words.code_not_given}", file=sys.stderr)
        return 2
    try:
        listener = open_listener(arguments.host, arguments.port)
    except OSError as error:
        print(explain_listen_error(error, arguments.host, arguments.port, words), file=sys.stderr)
        return 2

    history, notice = open_history(arguments.history, words)
    options = options_of(arguments, code)
    server = ChatServer(listener, options, words, history, notice)
    has_stopped = threading.Event()
    watch_signals(requests.put, has_stopped)  # until here a signal ends the program at once
    for writer in writers:
        writer.start()
    invitation = Invitation(links_to_find(listener, words), words) if options.web else None
    terminal.show(WAITING)
    addresses = [where_to_find(listener, words), *([invitation.banner()] if invitation is not None else [])]
    show_where(terminal, server, "\n".join(addresses), words)
    if code is not None:
        terminal.show(words.room_code.format(code=format_code(code)))  # no log has it
        if options.web:
            terminal.show(words.web_in_clear)
    freeze_startup_objects()
    server.start()
    try:
        if options.client_file is not None and invitation is not None and invitation.links:
            link = f"{invitation.links[0]}{CLIENT_NAME}"
            show_sum = partial(show_client, terminal, options.client_file, link, words)
            # It may take a while, as from a USB stick.
            threading.Thread(target=show_sum, name="sum", daemon=True).start()
        operate(Operator(server, words, invitation), terminal, requests)
    finally:
        server.stop()
        has_stopped.set()
    terminal.show(CLOSED)
    is_all_written = [writer.finish() for writer in writers]
    if False in is_all_written:
        os._exit(0)  # one takes nothing, and Python's own end would wait for it
    return 0


def operate(operator: Operator, terminal: Terminal, requests: queue.SimpleQueue[int | str]) -> None:
    """Answer the operator's commands until a signal or `stop` ends the server."""
    if is_terminal(sys.stdin):
        threading.Thread(target=read_console, args=(requests,), name="console", daemon=True).start()
    while isinstance(request := wait_for(requests), str) and not operator.is_stop(request):
        terminal.show(operator.answer(request))
    terminal.show(CLOSING if request == signal.SIGINT else CLOSING_OTHERWISE)


def options_of(arguments: argparse.Namespace, code: str | None) -> Options:
    """Return the room's options, with the key of its code, if it has one: to make that takes 0.1 s."""
    is_web = arguments.web == "on" if code is not None else arguments.web != "off"
    return Options(
        max_clients=arguments.max_clients,
        max_per_host=arguments.max_per_host,
        rate=arguments.rate,
        grace_s=arguments.grace,
        backlog=arguments.backlog,
        greeting_wait_s=arguments.greeting_wait,
        room=rooms.room_name(arguments.room) if arguments.room is not None else host_name(),
        udp_port=0 if arguments.hidden else udp_port(rooms.PORT),
        web=is_web,
        web_name=arguments.web_name,
        grace_web_s=arguments.grace_web,
        client_file=client_beside_this() if is_web else None,
        code_key=key_of(code) if code is not None else None,
    )


def show_where(terminal: Terminal, server: ChatServer, addresses: str, words: ServerWords) -> None:
    """Show where the room is: its addresses, its name, and whether it is found by that."""
    terminal.show(addresses)
    room = (words.room_hidden if server.finder is None else words.room_found).format(room=server.room_name)
    if server.finder is not None and server.finder.failure is not None:
        port, failure = server.finder.failure
        terminal.show(words.room_unfound.format(room=server.room_name, port=port, error=failure))
        room = ""
    terminal.introduce(addresses.splitlines()[1].strip(), room)


def show_client(terminal: Terminal, client: Path, link: str, words: ServerWords) -> None:
    """Show where the client's program is downloaded from, and its sum. Runs in a thread of its own."""
    with contextlib.suppress(OSError):  # it is not offered any more
        terminal.show(words.web_client.format(link=link, digest=sum_of(client)))


def ask_code(words: ServerWords) -> str | None:
    """Ask for the room's code, until one has the form of a code; None where nobody answers any more."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    with contextlib.suppress(EOFError, RuntimeError):  # there is no stdin any more, or none at all
        while (code := parse_code(input(words.code_prompt))) is None:
            print(words.bad_code.format(example=make_code()), file=sys.stderr)
        return code
    return None


def open_history(path: Path | None, words: ServerWords) -> tuple[History | None, Notice | None]:
    """Return the history, if one is wanted, and what everybody is told of it; where that fails, go on without."""
    if path is None:
        return None, None
    try:
        return History(path, words), Notice(protocol.RECORDED)
    except FILE_ERRORS as error:
        show(words.history_unusable.format(file=path, error=error))
        return None, Notice(protocol.NOT_RECORDED)


def export(arguments: argparse.Namespace, words: ServerWords) -> int:
    """Write the history into another file; gives the exit status."""
    source, target = arguments.history, arguments.export
    try:
        if target.is_file() or not target.exists():
            leave_on_signals()  # what is not whole is removed; a pipe would have to take the rest first
        count = export_history(source, target, arguments.attendance, words)
    except FILE_ERRORS as error:
        print(words.cannot_export.format(source=source, file=target, error=error), file=sys.stderr)
        return 2
    show(words.export_done.format(count=count, file=target))
    return 0


def wait_for(requests: queue.SimpleQueue[int | str]) -> int | str:
    """Wait for a signal or a line, in short steps: on Windows Ctrl+C does not break a wait."""
    while True:
        try:
            return requests.get(timeout=POLL_S)
        except queue.Empty:
            pass


def set_up_logging(writers: list[Writer], level: str, limit: LogLimit | None) -> None:
    """Have the log written to the terminal, in the original's way, and to a file with the time if wanted."""
    log = logging.getLogger("lan_chat")
    log.setLevel(level.upper())
    for writer in writers:
        if limit is not None:
            writer.addFilter(limit)
        log.addHandler(writer)


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line. Raises SystemExit, with its sentence printed."""
    usual, language = Options(), language_of(argv, protocol.DEFAULT_LANGUAGE)
    words = LANGUAGES[language]
    parser = CommandLine(words.help_description, language, protocol.DEFAULT_LANGUAGE)
    parser.set_defaults(lang=protocol.DEFAULT_LANGUAGE)

    def add(option: str, help_text: str, default: object = None, **settings: Any) -> None:
        shown = f"{default:g}" if isinstance(default, float) else default
        parser.add_argument(option, default=default, help=help_text.format(default=shown), **settings)

    add("--host", words.help_host, "", metavar="ADDR")
    add("--port", words.help_port, protocol.DEFAULT_PORT, type=int, metavar="N")
    add("--room", words.help_room, metavar="NAME")
    add("--hidden", words.help_hidden, False, action="store_true")
    add("--code", words.help_code, nargs="?", const=make_code(), metavar="CODE")
    add("--max-clients", words.help_max_clients, usual.max_clients, type=int, metavar="N")
    add("--max-per-host", words.help_max_per_host, usual.max_per_host, type=int, metavar="N")
    add("--rate", words.help_rate, usual.rate, type=float, metavar="N")
    add("--grace", words.help_grace, usual.grace_s, type=float, metavar="S")
    add("--backlog", words.help_backlog, usual.backlog, type=int, metavar="N")
    add("--web", words.help_web, choices=("on", "off"))
    add("--web-name", words.help_web_name, "", metavar="NAME")
    add("--grace-web", words.help_grace_web, usual.grace_web_s, type=float, metavar="S")
    add("--greeting-wait", words.help_greeting_wait, usual.greeting_wait_s, type=float, metavar="S")
    add("--history", words.help_history, type=Path, metavar="FILE")
    add("--export", words.help_export, type=Path, metavar="FILE")
    add("--attendance", words.help_attendance, False, action="store_true")
    add("--log-file", words.help_log_file, type=Path, metavar="FILE")
    add("--log-level", words.help_log_level, "info", choices=("debug", "info", "warning", "error"))
    arguments = parser.parse_args(argv)
    if not 0 <= arguments.port <= 65535:
        parser.error(words.bad_port_option)
    if arguments.room is not None and not rooms.room_name(arguments.room):
        parser.error(words.bad_room)
    if arguments.code is not None and not secure.IS_AVAILABLE:
        parser.error(words.code_needs_python.format(version=platform.python_version()))
    if arguments.code not in (None, ASK) and parse_code(arguments.code) is None:
        parser.error(words.bad_code.format(example=make_code()))
    if arguments.max_per_host < 0 or not 0 <= arguments.greeting_wait <= 10:
        parser.error(words.bad_waits)
    if arguments.max_clients < 1 or not (arguments.rate == 0 or 0.01 <= arguments.rate < float("inf")):
        parser.error(words.bad_limits)
    if not 0 <= arguments.grace <= 86_400 or not 0 <= arguments.backlog <= MAX_BACKLOG:
        parser.error(words.bad_memory.format(backlog=MAX_BACKLOG))
    if not 0 <= arguments.grace_web <= 86_400:
        parser.error(words.bad_grace_web)
    if arguments.web_name and not HOST_NAME.fullmatch(arguments.web_name):
        parser.error(words.bad_web_name)
    if arguments.history is None and (arguments.export is not None or arguments.attendance):
        parser.error(words.export_needs_history)
    if arguments.attendance and arguments.export is None:
        parser.error(words.attendance_needs_export)
    return arguments


if __name__ == "__main__":
    exit_with(main())
