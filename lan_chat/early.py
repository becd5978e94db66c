"""The first moments of a program, when nothing runs that would have to be ended in order. Main thread only.

Imports next to nothing: what is imported before `end_on_signals` was called can be interrupted with a traceback. So can
Python's own start, before any line of ours.
"""

from __future__ import annotations

import importlib
import os
import signal
from collections.abc import Callable
from types import FrameType

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
"""By which the user or the system asks a program to end; no system has all of them."""


def end_on_signals() -> None:
    """Have Ctrl+C and other termination signals end this program at once, without a word.

    Also within a call that blocks, and where an exception could not be raised: during an import, Python would report
    one and go on.
    """
    _handle(_end)


def leave_on_signals() -> None:
    """Have them raise SystemExit instead, so that what was begun is cleared away. The next one waits for nothing."""
    _handle(_leave)


def run_server() -> int:
    """Run the server, and return the exit status: the installed command `chat-server`."""
    return _run("chat_server")


def run_client() -> int:
    """Run the client, and return the exit status: the installed command `chat-client`."""
    return _run("chat_client")


def _run(program: str) -> int:
    end_on_signals()
    return int(importlib.import_module(program).main())


def _handle(handler: Callable[[int, FrameType | None], object]) -> None:
    for name in SIGNALS:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), handler)


def _leave(number: int, frame: FrameType | None) -> None:
    end_on_signals()
    raise SystemExit(128 + number)


def _end(number: int, frame: FrameType | None) -> None:
    os._exit(128 + number)  # as the shell counts a program that a signal has ended
