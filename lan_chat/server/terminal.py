"""The server's terminal: the terminal thread alone writes to it, the console thread reads what the operator types.

Any thread may log or show a text. Main starts both threads, and finishes the first; nothing has to be closed.
"""

from __future__ import annotations

import contextlib
import io
import os
import queue
import sys
import time
from typing import TextIO

from lan_chat.process import POLL_S, console_title, title_console
from lan_chat.server.words import ITALIAN, ServerWords
from lan_chat.server.writer import FINISH_S, Writer

MAX_WAITING_LINES = 1000
"""Texts that may wait for a blocked terminal: log records, and answers to the operator."""


class Terminal(Writer):
    """Shows the log and the answers to commands, in the order in which they came."""

    def __init__(self, words: ServerWords = ITALIAN) -> None:
        super().__init__("terminal", MAX_WAITING_LINES)
        self._words = words
        self._title_before: str | None = None
        """The title of the terminal's window before it got ours; None as long as it has not. Main thread only."""

    def introduce(self, address: str, room: str) -> None:
        """Tell a person at a terminal of the room and how to go on; its window bears the address. Main thread only.

        `room` is a line, or empty.
        """
        words = self._words
        if is_terminal(sys.stdout):
            self._title_before = console_title()
            title = title_console(words.console_title.format(address=address))  # at the end of a line of our own
            if room:
                self.show(room)
            self.show(words.banner)
            self.show((words.banner_console if is_terminal(sys.stdin) else words.banner_end) + title)

    def finish(self) -> bool:
        """Restore the window's title, and show the rest, as `Writer.finish` does."""
        if self._title_before is not None:
            with contextlib.suppress(queue.Full):
                self.put(title_console(self._title_before), FINISH_S)
        return super().finish()

    def write(self, text: str) -> None:
        show(text, end="")

    def show(self, text: str) -> None:
        """Queue a line, or count it as dropped where too many wait. From any thread."""
        super().show(f"{text}\n")

    def explain_missing(self, count: int) -> str:
        return self._words.lines_not_shown.format(count=count) + "\n"


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a person is at a stream; a program without a console has none."""
    return stream is not None and stream.isatty()


def show(text: str, end: str = "\n") -> None:
    """Print for the operator; where the terminal is gone, the room goes on without."""
    try:
        print(text, end=end, flush=True)
    except (OSError, ValueError):
        # Otherwise the rest of the buffer would fail at exit, and change the exit status.
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)


def read_console(requests: queue.SimpleQueue[int | str]) -> None:
    """Queue what the operator types. Runs in the console thread, which ends with the terminal or the program."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")  # an invalid byte must not end the reading
    with contextlib.suppress(OSError, ValueError):
        while sys.stdin.isatty():  # until the terminal is gone
            with contextlib.suppress(OSError):  # as in the background, where it cannot be read
                for line in sys.stdin:
                    requests.put(line)
            time.sleep(POLL_S)  # after Ctrl+D, or in the foreground again, more may come
