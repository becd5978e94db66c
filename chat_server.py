"""The chat server: one room for everybody who connects. This file is the program; its rooms are in `lan_chat/server/`.

Threads:

* main waits for a signal, and for what the operator types, which console reads; then it stops everything in order;
* terminal alone writes to the terminal: the log, and the answers to the operator;
* accept takes connections in and starts a thread for each, or turns them away in words;
* one thread per client reads that client alone, and is the one that closes its socket;
* delivery alone numbers what is said, records it, and writes to clients: so there is one order, nobody is shown what is
  not recorded, and no write waits for another.

A client's thread hands what its client did to the delivery thread, and never writes to a socket itself.
"""

from __future__ import annotations

import argparse
import io
import logging
import os
import queue
import signal
import sys
import threading
import traceback
from pathlib import Path

try:
    import protocol
    from lan_chat import __version__
    from lan_chat.process import (
        POLL_S,
        exit_with,
        has_own_console,
        raise_file_limit,
        run_in_background,
        wait_for_enter,
        watch_signals,
    )
    from lan_chat.server.commands import Operator
    from lan_chat.server.delivery import BACKLOG_MESSAGES, GRACE_S
    from lan_chat.server.export import export_history
    from lan_chat.server.history import FILE_ERRORS, KEPT_EVENTS, History
    from lan_chat.server.listening import explain_listen_error, open_listener, where_to_find
    from lan_chat.server.server import MAX_CLIENTS, RATE, ChatServer
    from lan_chat.server.terminal import Terminal, read_console, show
    from lan_chat.server.words import CLOSED, CLOSING, CLOSING_OTHERWISE, LANGUAGES, WAITING, ServerWords
    from protocol import Notice
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] not in ("lan_chat", "protocol"):
        raise
    print(f"Manca {error.name}: copia l'intera cartella / is missing: copy the whole folder.", file=sys.stderr)
    sys.exit(2)


def main(argv: list[str] | None = None) -> int:
    """Run the server until Ctrl+C or SIGTERM; gives the exit status.

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
    """Do what the command line asks for; gives the exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace", line_buffering=True)  # a console may lack a letter
    # A SimpleQueue, because its `put` may interrupt its own `get` in the same thread; an Event's `set` could deadlock.
    requests: queue.SimpleQueue[int | str] = queue.SimpleQueue()
    has_stopped = threading.Event()
    has_stopped.set()  # as long as nothing runs
    watch_signals(requests.put, has_stopped)
    run_in_background()
    raise_file_limit()
    terminal = Terminal()
    try:
        set_up_logging(terminal, arguments.log_level, arguments.log_file)
    except OSError as error:
        print(words.cannot_log.format(file=arguments.log_file, error=error), file=sys.stderr)
        return 2
    if arguments.export is not None:
        return export(arguments, words)
    try:
        listener = open_listener(arguments.host, arguments.port)
    except OSError as error:
        print(explain_listen_error(error, arguments.host, arguments.port, words), file=sys.stderr)
        return 2

    history, notice = open_history(arguments.history, words)
    limits = (arguments.max_clients, arguments.rate, arguments.grace, arguments.backlog)
    server = ChatServer(listener, words, *limits, history, notice)
    has_stopped.clear()
    terminal.start()
    server.start()
    try:
        terminal.show(WAITING)
        terminal.show(where_to_find(arguments.host, server.port, words))
        if sys.stdin is not None and sys.stdin.isatty():
            threading.Thread(target=read_console, args=(requests,), name="console", daemon=True).start()
        operator = Operator(server, words)
        while isinstance(request := wait_for(requests), str) and not operator.is_stop(request):
            terminal.show(operator.answer(request))
        terminal.show(CLOSING if request == signal.SIGINT else CLOSING_OTHERWISE)
    finally:
        server.stop()
        has_stopped.set()
    terminal.show(CLOSED)
    if not terminal.finish():
        os._exit(0)  # it takes nothing, and Python's own end would wait for it
    return 0


def open_history(path: Path | None, words: ServerWords) -> tuple[History | None, Notice | None]:
    """Open the history, if one is wanted, and give what everybody is told of it; where that fails, go on without."""
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


def set_up_logging(terminal: Terminal, level: str, file: str | None) -> None:
    """Write the log to the terminal, in the original's way, and to a file with the time if wanted. Raises OSError."""
    log = logging.getLogger("lan_chat")
    logging.raiseExceptions = False  # a full disk is no reason to stop
    log.addHandler(terminal)
    log.setLevel(level.upper())
    if file is not None:
        handler = logging.FileHandler(file, encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        log.addHandler(handler)


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="The chat server: one room for a local network. Ctrl+C closes it.")
    parser.add_argument("--host", default="", metavar="ADDR", help="listen on this address only (default: all)")
    parser.add_argument("--port", type=int, default=protocol.DEFAULT_PORT, help="default: %(default)s; 0: any")
    parser.add_argument("--lang", choices=sorted(LANGUAGES), default=protocol.DEFAULT_LANGUAGE)
    parser.add_argument("--max-clients", type=int, default=MAX_CLIENTS, metavar="N", help="default: %(default)s")
    rate_help = "messages a second that each may say; 0: no limit (default: %(default)g)"
    parser.add_argument("--rate", type=float, default=RATE, metavar="N", help=rate_help)
    grace_help = "seconds that a member whose link broke may take to come back; 0: none (default: %(default)g)"
    parser.add_argument("--grace", type=float, default=GRACE_S, metavar="S", help=grace_help)
    backlog_help = "messages said before that a newcomer is shown (default: %(default)s)"
    parser.add_argument("--backlog", type=int, default=BACKLOG_MESSAGES, metavar="N", help=backlog_help)
    parser.add_argument("--history", type=Path, metavar="FILE", help="record the room in this file, and go on from it")
    export_help = "write the history as text, or as CSV to a name in .csv, and exit"
    parser.add_argument("--export", type=Path, metavar="FILE", help=export_help)
    parser.add_argument("--attendance", action="store_true", help="with --export: who was there, and when")
    parser.add_argument("--log-file", metavar="FILE", help="write the log to this file too, with the time")
    levels = ("debug", "info", "warning", "error")
    parser.add_argument("--log-level", choices=levels, default="info", help="default: %(default)s")
    parser.add_argument("--version", action="version", version=f"lan-chat {__version__}")
    arguments = parser.parse_args(argv)
    if not 0 <= arguments.port <= 65535:
        parser.error("--port: 0-65535")
    if arguments.max_clients < 1 or not (arguments.rate == 0 or 0.01 <= arguments.rate < float("inf")):
        parser.error("--max-clients: 1 or more; --rate: 0, or 0.01 or more")
    if not 0 <= arguments.grace <= 86_400 or not 0 <= arguments.backlog <= KEPT_EVENTS:
        parser.error(f"--grace: 0 to 86400; --backlog: 0 to {KEPT_EVENTS}")
    if arguments.history is None and (arguments.export is not None or arguments.attendance):
        parser.error("--export and --attendance need --history FILE")
    if arguments.attendance and arguments.export is None:
        parser.error("--attendance needs --export FILE")
    return arguments


if __name__ == "__main__":
    exit_with(main())
