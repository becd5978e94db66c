"""The server's terminal: one thread writes to it, another reads what the operator types."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import queue
import sys
import threading
import time

from lan_chat.process import POLL_S

FINISH_S = 1.0
"""How long the end of the program waits for a terminal that takes nothing."""
MAX_WAITING_LINES = 1000
"""What may wait for a terminal that takes nothing, of the log and of the answers to the operator."""


class Terminal(logging.Handler):
    """Shows the log and the answers to commands, in the order in which they came.

    In a thread of its own: a terminal that takes nothing, as after Ctrl+S or a click into the Windows console, holds up
    nobody else.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(message)s"))
        self._texts: queue.Queue[str | None] = queue.Queue(MAX_WAITING_LINES)
        self._missing_lock = threading.Lock()
        self._missing = 0
        """How many texts found no place since the last that did; guarded by the lock."""
        self._thread = threading.Thread(target=self._run, name="terminal", daemon=True)

    def start(self) -> None:
        """Start to show what waits and what comes."""
        self._thread.start()

    def finish(self) -> bool:
        """Show the rest, if that does not take too long, and tell whether it was shown."""
        with contextlib.suppress(queue.Full):
            self._texts.put(None, timeout=FINISH_S)
            self._thread.join(FINISH_S)
        return not self._thread.is_alive()

    def emit(self, record: logging.LogRecord) -> None:
        """Show a line of the log. From any thread."""
        self.show(self.format(record))

    def show(self, text: str) -> None:
        """Show a text soon, or count it where too many wait. From any thread."""
        with self._missing_lock, contextlib.suppress(queue.Full):
            self._missing += 1
            if self._missing > 1:
                self._texts.put_nowait(f"({self._missing - 1} lines were not shown: the terminal took nothing.)")
                self._missing = 1
            self._texts.put_nowait(text)
            self._missing = 0

    def _run(self) -> None:
        while (text := self._texts.get()) is not None:
            show(text)


def show(text: str) -> None:
    """Print for the person at the terminal; where that has gone, the room goes on without."""
    try:
        print(text, flush=True)
    except (OSError, ValueError):
        # What is still in the buffer would fail once more at the end, and spoil the exit status.
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)


def read_console(requests: queue.SimpleQueue[int | str]) -> None:
    """Hand on what the operator types. Runs in a thread of its own, which ends with the terminal or the program."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")  # half a letter is no reason to listen no more
    with contextlib.suppress(OSError, ValueError):
        while sys.stdin.isatty():  # until it has gone
            with contextlib.suppress(OSError):  # as in the background, where it cannot be read
                for line in sys.stdin:
                    requests.put(line)
            time.sleep(POLL_S)  # after Ctrl+D, or in the foreground again, more may come
