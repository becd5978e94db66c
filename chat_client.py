"""The chat client: a `Session` with the server, and a `ChatWindow` for the user.

This file is the program; its modules are in `lan_chat/client/`. Threads:

* main asks for host and port, then runs Tk; no other thread touches Tk, and main never waits for the network while
  the window is open;
* receive reads one link after the other, reconnects, and closes their sockets;
* send writes to a link, one thread for each link;
* connect, where host and port are asked for in a window, tries one server and hands over the result.

The session's threads put events into one queue, `Session.events`; the window empties it a little at a time. `run`
closes the session.
"""

from __future__ import annotations

import sys

try:
    from lan_chat.early import end_on_signals

    if __name__ == "__main__":
        end_on_signals()  # first: to import the rest takes a while, and Ctrl+C would end it with a traceback

    import argparse
    import contextlib
    import io
    import threading
    import traceback
    from pathlib import Path
    from types import TracebackType

    import protocol
    from lan_chat import secure
    from lan_chat.client.answers import DEFAULT_HOST, parse_address, parse_port
    from lan_chat.client.console import Board, ask_host, ask_port, find_address, print_rooms
    from lan_chat.client.console_code import ask_code, reach
    from lan_chat.client.link import UnreachableError, code_needs_python
    from lan_chat.client.session import Session
    from lan_chat.client.settings import Settings, load_settings, settings_path
    from lan_chat.client.words import LANGUAGES
    from lan_chat.code import ASK, key_of, parse_code
    from lan_chat.command_line import CommandLine, language_of
    from lan_chat.process import (
        exit_with,
        has_own_console,
        interrupt_once,
        restore_library_path,
        show_console,
        wait_for_enter,
        watch_signals,
    )
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] not in ("lan_chat", "protocol"):
        raise
    print(f"Manca {error.name}: copia l'intera cartella / is missing: copy the whole folder.", file=sys.stderr)
    sys.exit(2)

try:
    import tkinter as tk
except ImportError:  # Debian and others package it apart from Python; `run` prints what to install
    HAS_TKINTER = False
else:
    HAS_TKINTER = True
    from lan_chat.client.connect_dialog import ConnectDialog
    from lan_chat.client.desktop import open_root
    from lan_chat.client.window import ChatWindow


def main(argv: list[str] | None = None) -> int:
    """Run the client; return the exit status.

    A console that closes with the program stays open until the user has read an error, or the help.
    """
    words, status = LANGUAGES[protocol.DEFAULT_LANGUAGE], 1
    try:
        settings, set_aside = load_settings(settings_path())
        words = LANGUAGES[settings.language]
        arguments = parse_arguments(argv, settings.language)
        settings.language = arguments.lang or settings.language
        words = LANGUAGES[settings.language]
        status = run(arguments, settings, set_aside)
    except Exception:
        traceback.print_exc()
    finally:
        if status not in (0, 130) and has_own_console():
            wait_for_enter(words.press_enter)
    return status


def run(arguments: argparse.Namespace, settings: Settings, set_aside: Path | None) -> int:
    """Connect, show the chat window, and save the settings; return the exit status."""
    words = LANGUAGES[settings.language]
    if hasattr(sys, "frozen"):
        restore_library_path()
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A console may lack a character, and a pipe may hold invalid ones.
            stream.reconfigure(errors="replace", line_buffering=stream is not sys.stdin)
    if arguments.find:
        return print_rooms(settings)
    if not HAS_TKINTER:
        print(words.no_tkinter, file=sys.stderr)
        return 2
    if set_aside is not None and sys.stderr is not None:
        print(words.settings_broken.format(file=set_aside), file=sys.stderr)
    session: Session | None = None
    name = arguments.name
    try:
        interrupt_once()
        settings.code_keys.is_required = arguments.code is not None
        if arguments.code not in (None, ASK):
            settings.code_keys.given = key_of(arguments.code)
        if not arguments.dialog and (arguments.code != ASK or ask_given_code(settings)):
            session = connect_by_console(arguments.host, arguments.port, settings)
        end_on_signals()  # until there is a window to close: an exception within Tk would be shown, and nothing else
        root = open_root(words)
        if root is None:
            return 2
        if session is None:
            session, name = connect_by_dialog(root, arguments, settings)
        if session is not None:
            settings.host, settings.port = session.host, session.port
            settings.save()
            session = run_window(root, session, settings, name)
            settings.save()
    except EOFError:
        return 2
    except KeyboardInterrupt:
        print()
        return 130
    finally:
        if session is not None:
            session.close()
    return 0


def ask_given_code(settings: Settings) -> bool:
    """Ask on the console for the code, and return whether it was given; else a window has to ask."""
    try:
        while settings.code_keys.given is None:
            settings.code_keys.given = ask_code(LANGUAGES[settings.language])
    except (EOFError, RuntimeError):  # nobody is there
        print()
    return settings.code_keys.given is not None


def connect_by_console(host: str | None, port: int | None, settings: Settings) -> Session | None:
    """Ask on the console for what is not given, until a server is reached; None where no user is there to answer.

    Raises:
        EOFError: the input ended after at least one answer, or after a given address had failed.
    """
    with contextlib.closing(Board(settings)) as board:
        return ask_and_connect(host, port, settings, board)


def ask_and_connect(host: str | None, port: int | None, settings: Settings, board: Board) -> Session | None:
    """Do what `connect_by_console` does, with the rooms that are found above the questions."""
    words = LANGUAGES[settings.language]
    has_failed = False
    found = None
    while True:
        try:
            if host is None:
                answer = ask_host(settings, board)
                has_failed = True  # until the connection succeeds
                address = find_address(answer, settings, board)
                if address is None:
                    continue
                host, port = address.host, address.port
                found = address.found
            if port is None:
                port = ask_port(words)
            print(words.connecting.format(host=host, port=port))
            session = reach(found or (host, port), settings)
        except RuntimeError:  # the program has no console at all
            return None
        except EOFError:
            print()
            if has_failed:
                raise
            return None
        except UnreachableError as error:
            print(error)
            session = None
        if session is not None:
            return session
        host = port = None
        has_failed = True


def connect_by_dialog(root: tk.Tk, arguments: argparse.Namespace, settings: Settings) -> tuple[Session | None, str]:
    """Ask for a room and a name in a window; return both, None where the user gives up."""
    host, port = arguments.host or "", str(arguments.port or "")
    dialog = ConnectDialog(root, settings, host, port, name=arguments.name)
    close_on_signal(dialog)
    return dialog.run(), dialog.name


def run_window(root: tk.Tk, session: Session, settings: Settings, name: str) -> Session:
    """Show the chat window until it is closed, which also leaves the chat; return its last session."""
    end_on_signals()  # the dialog, if there was one, has gone
    window = ChatWindow(root, session, settings, name)
    close_on_signal(window)
    session.start()
    if has_own_console():
        root.report_callback_exception = report_on_console
        root.update_idletasks()  # shows the window, before the console is hidden
        show_console(False)
        window.message_input.text.focus_force()
    root.mainloop()
    return window.session


def close_on_signal(window: ChatWindow | ConnectDialog) -> None:
    """Have Ctrl+C and other termination signals close a window, the next time that it polls."""

    def note(number: int) -> None:
        window.wants_to_close = True

    watch_signals(note, threading.Event())  # never set: the handler ends with the program


def report_on_console(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
    """Show a traceback of a Tk callback on the console; the window goes on."""
    show_console(True)
    traceback.print_exception(kind, error, where)


def parse_arguments(argv: list[str] | None, usual_language: str = protocol.DEFAULT_LANGUAGE) -> argparse.Namespace:
    """Read the command line, in the language that it asks for. Raises SystemExit, with its sentence printed."""
    language = language_of(argv, usual_language)
    words = LANGUAGES[language]
    parser = CommandLine(words.help_description, language, words.last_language)
    parser.add_argument("host", nargs="?", metavar="HOST", help=words.help_host)
    parser.add_argument("port", nargs="?", metavar="PORT", help=words.help_port.format(default=protocol.DEFAULT_PORT))
    parser.add_argument("rest", nargs="*", help=argparse.SUPPRESS)  # of what a server shows: HOST porta PORT
    parser.add_argument("--name", default="", help=words.help_name)
    parser.add_argument("--code", metavar="CODE", help=words.help_code)
    parser.add_argument("--find", action="store_true", help=words.help_find)
    parser.add_argument("--dialog", action="store_true", help=words.help_dialog)
    arguments = parser.parse_args(argv)
    if arguments.code is not None:
        if not secure.IS_AVAILABLE:
            parser.error(code_needs_python(words))
        if arguments.code != ASK:
            arguments.code = parse_code(arguments.code) or parser.error(words.code_form)
    bad_port = words.bad_port.format(default=protocol.DEFAULT_PORT)
    if arguments.port is not None:
        arguments.port = parse_port(" ".join([arguments.port, *arguments.rest])) or parser.error(bad_port)
    if arguments.host is not None:
        address = parse_address(arguments.host) or parser.error(bad_port)
        arguments.host = address.host or DEFAULT_HOST
        arguments.port = arguments.port or address.port
    return arguments


if __name__ == "__main__":
    exit_with(main())
