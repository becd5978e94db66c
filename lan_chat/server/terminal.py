"""The server's terminal: the terminal thread alone writes to it, the console thread reads what the operator types.

Any thread may log or show a text. Main starts both threads, and finishes the first; nothing has to be closed.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import queue
import sys
import threading
import time
from typing import TextIO

from lan_chat.process import POLL_S, console_title, title_console
from lan_chat.server.words import ITALIAN, ServerWords

FINISH_S = 1.0
"""How long the end of the program waits for a blocked terminal."""
MAX_WAITING_LINES = 1000
"""Texts that may wait for a blocked terminal: log records, and answers to the operator."""


class Terminal(logging.Handler):
    """Shows the log and the answers to commands, in the order in which they came.

    A thread of its own writes: a terminal that is blocked, as after Ctrl+S or a click into the Windows console, blocks
    no other thread.
    """

    def __init__(self, words: ServerWords = ITALIAN) -> None:
        super().__init__()
        self._words = words
        self.setFormatter(logging.Formatter("%(message)s"))
        self._texts: queue.Queue[str | None] = queue.Queue(MAX_WAITING_LINES)
        """What is to be written, as it is; None for the end."""
        self._missing_lock = threading.Lock()
        """Guards `_missing`, and the sequence of the texts around the sentence that tells it."""
        self._missing = 0
        """How many texts were dropped since the last that was queued."""
        self._title_before: str | None = None
        """The title of the terminal's window before it got ours; None as long as it has not. Main thread only."""
        self._thread = threading.Thread(target=self._run, name="terminal", daemon=True)

    def start(self) -> None:
        """Start the terminal thread, which also shows what waits already."""
        self._thread.start()

    def finish(self) -> bool:
        """Show the rest, for at most about twice FINISH_S, and return whether all was shown."""
        with contextlib.suppress(queue.Full):
            if self._title_before is not None:
                self._texts.put(title_console(self._title_before), timeout=FINISH_S)
            self._texts.put(None, timeout=FINISH_S)
            self._thread.join(FINISH_S)
        return not self._thread.is_alive()

    def emit(self, record: logging.LogRecord) -> None:
        """Show a log record. From any thread."""
        self.show(self.format(record))

    def show(self, text: str) -> None:
        """Queue a text for the terminal, or count it as dropped where too many wait. From any thread."""
        with self._missing_lock, contextlib.suppress(queue.Full):
            self._missing += 1
            if self._missing > 1:
                self._texts.put_nowait(self._words.lines_not_shown.format(count=self._missing - 1) + "\n")
                self._missing = 1
            self._texts.put_nowait(text + "\n")
            self._missing = 0

    def introduce(self, address: str) -> None:
        """Tell a person at a terminal how to go on, and have its window bear the server's address. Main thread only."""
        words = self._words
        if is_terminal(sys.stdout):
            self._title_before = console_title()
            title = title_console(words.console_title.format(address=address))  # at the end of a line of our own
            self.show(words.banner)
            self.show((words.banner_console if is_terminal(sys.stdin) else words.banner_end) + title)

    def _run(self) -> None:
        while (text := self._texts.get()) is not None:
            show(text, end="")


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
