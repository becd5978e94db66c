"""The programs' own process: signals, limits, exit status, the console that was opened for it.

A signal handler runs in the main thread, between any two of its instructions; Windows calls a console handler in a new
thread. Nothing here owns anything that has to be closed.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TextIO

from lan_chat.early import SIGNALS

POLL_S = 0.2
"""How often a thread checks for other news, in a wait that nothing can interrupt on Windows."""
UDP_PORT_VARIABLE = "LAN_CHAT_UDP_PORT"
"""Where a user, or a test, keeps our programs from finding rooms, and those here from being found: another UDP port."""
CONSOLE_CLOSES_S = 5.0
"""How long Windows lets a program run on after its console was closed (HandlerRoutine's documentation)."""


def watch_signals(note: Callable[[int], object], has_ended: threading.Event) -> None:
    """Call `note` with the signal's number when the user or the system asks this program to end. Main thread only.

    `note` must be safe in a signal handler and in any thread. Windows ends the process when the handler of a closed
    console returns: it returns when `has_ended` is set.
    """

    def note_signal(number: int, frame: FrameType | None) -> None:
        note(number)

    for name in SIGNALS:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), note_signal)
    if sys.platform == "win32":
        _watch_console_window(note, has_ended)


def udp_port(usual: int) -> int:
    """Return the UDP port on which rooms are found, the usual one unless the environment has another; 0 for none."""
    value = os.environ.get(UDP_PORT_VARIABLE, "")
    return int(value) if value.isascii() and value.isdecimal() and int(value) <= 65535 else usual


def interrupt_once() -> None:
    """Have Ctrl+C raise KeyboardInterrupt, but not again while the first one is handled. Main thread only."""

    def note_signal(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, lambda number, frame: None)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, note_signal)


def run_in_background() -> None:
    """Keep running where the terminal cannot be read, as after a start with `&`. Main thread only."""
    if hasattr(signal, "SIGTTIN"):
        signal.signal(signal.SIGTTIN, signal.SIG_IGN)


def exit_with(status: int) -> None:
    """End this program, and ignore Ctrl+C from now on: it would change the exit status. Main thread only.

    A one-file executable on Linux gets each Ctrl+C twice.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(status)


if sys.platform == "win32":
    import ctypes
    import msvcrt

    _SW_HIDE, _SW_SHOW = 0, 5
    _MAX_TITLE = 1024
    """Characters of a console's title that are kept."""
    _CLOSING_EVENTS = (2, 5, 6)
    """CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT."""
    _console_handlers: list[object] = []
    """References, or the handlers would be freed while Windows may still call them."""

    def _watch_console_window(note: Callable[[int], object], has_ended: threading.Event) -> None:
        """Call `note` with SIGTERM when the console's window is closed, which is no signal to Python."""

        @ctypes.WINFUNCTYPE(ctypes.c_int, ctypes.c_uint)  # type: ignore[untyped-decorator]
        def note_closing(event: int) -> int:
            if event not in _CLOSING_EVENTS:
                return 0  # Ctrl+C and Ctrl+Break are Python's own
            note(int(signal.SIGTERM))
            has_ended.wait(CONSOLE_CLOSES_S)
            return 1

        _console_handlers.append(note_closing)
        ctypes.windll.kernel32.SetConsoleCtrlHandler(note_closing, 1)

    def has_own_console() -> bool:
        """Return whether this console was opened for this program, and closes with it.

        False for a script that another program has started, be it Python's own launcher.
        """
        processes = (ctypes.c_uint * 3)()
        count = ctypes.windll.kernel32.GetConsoleProcessList(processes, len(processes))
        return 0 < int(count) <= (2 if hasattr(sys, "frozen") else 1)  # a one-file executable is two processes

    def is_console(stream: TextIO | None) -> bool:
        """Return whether a person is at a stream. To Windows's C library, NUL is a terminal, too."""
        if stream is None or not stream.isatty():
            return False
        handle, mode = ctypes.c_void_p(msvcrt.get_osfhandle(stream.fileno())), ctypes.c_uint()
        return bool(ctypes.windll.kernel32.GetConsoleMode(handle, ctypes.byref(mode)))

    def show_console(is_shown: bool) -> None:
        """Show the console's window, or hide it. Windows Terminal minimizes it, and does not restore it."""
        window = ctypes.windll.kernel32.GetConsoleWindow()
        ctypes.windll.user32.ShowWindow(window, _SW_SHOW if is_shown else _SW_HIDE)

    def console_title() -> str:
        """Return the title of the console's window, for giving it back."""
        title = ctypes.create_unicode_buffer(_MAX_TITLE)
        ctypes.windll.kernel32.GetConsoleTitleW(title, _MAX_TITLE)
        return title.value

    def title_console(title: str) -> str:
        """Set the title of the console's window; return what has to be written to it for that: nothing."""
        ctypes.windll.kernel32.SetConsoleTitleW(title)
        return ""

    def white_on_black(text: str) -> str:
        """Return a text as it is: a console may not take ANSI's colours, and is dark unless its user wants it light."""
        return text

else:

    def has_own_console() -> bool:
        """Return whether the console closes with this program: never, except on Windows."""
        return False

    def is_console(stream: TextIO | None) -> bool:
        """Return whether a person is at a stream."""
        return stream is not None and stream.isatty()

    def show_console(is_shown: bool) -> None:
        """Do nothing: except on Windows, the console's window is another program's."""

    def console_title() -> str:
        """Return nothing: except on Windows, a terminal does not tell its title, and a shell sets its own again."""
        return ""

    def title_console(title: str) -> str:
        """Return what a terminal takes for the title of its window when that is written to it (xterm's OSC 0)."""
        return "" if os.environ.get("TERM", "dumb") in ("dumb", "linux") else f"\033]0;{title}\a"

    def white_on_black(text: str) -> str:
        """Return a text in these colours, whichever the terminal has, if it takes them (xterm's SGR)."""
        return text if os.environ.get("TERM", "dumb") in ("dumb", "linux") else f"\033[97;40m{text}\033[0m"


def wait_for_enter(prompt: str) -> None:
    """Wait until the user has read the console, and presses Enter."""
    show_console(True)
    with contextlib.suppress(EOFError, KeyboardInterrupt, OSError, RuntimeError, ValueError):  # no user is there
        input(prompt)


def restore_library_path() -> None:
    """Have child processes find their own libraries, not those that a one-file executable unpacked for itself."""
    before = os.environ.pop("LD_LIBRARY_PATH_ORIG", "")
    os.environ.pop("LD_LIBRARY_PATH", None)
    if before:
        os.environ["LD_LIBRARY_PATH"] = before


def boot_id() -> str:
    """Return what this start of the system can be told from others by.

    Where the clock was changed or the system slept, it may be another for the same start.
    """
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text("utf-8").strip()
    return f"minute {round((time.time() - time.monotonic()) / 60)}"


def freeze_startup_objects() -> None:
    """Exempt all objects made so far from garbage collection, which stops all threads for as long as it looks."""
    gc.collect()
    gc.freeze()


def raise_file_limit() -> None:
    """Raise this process's limit of open files as far as the system allows: each connection needs one."""
    if sys.platform != "win32":  # Windows has no such limit
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        for limit in (hard, 10_240):  # macOS reports no limit, and accepts no more than this
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
                return
