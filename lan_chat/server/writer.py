"""What writes texts for the operator, each in a thread of its own: the terminal and the log file.

Any thread may log or show a text. Main starts and finishes a writer; nothing has to be closed.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading

FINISH_S = 1.0
"""How long the end of the program waits for a blocked writer."""


class Writer(logging.Handler):
    """Writes the log and other texts in the order in which they came.

    A thread of its own writes: what takes nothing for a while, such as a terminal after Ctrl+S or a pipe that nobody
    reads, blocks no other thread.
    """

    def __init__(self, name: str, max_waiting: int) -> None:
        super().__init__()
        self._texts: queue.Queue[str | None] = queue.Queue(max_waiting)
        self._missing_lock = threading.Lock()
        """Guards `_missing`, and the sequence of the texts around the sentence that tells it."""
        self._missing = 0
        """How many texts were dropped since the last that was queued."""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread, which also writes what waits already."""
        self._thread.start()

    def finish(self) -> bool:
        """Write the rest, for at most about twice FINISH_S, and return whether all was written."""
        with contextlib.suppress(queue.Full):
            self.put(None, FINISH_S)
            self._thread.join(FINISH_S)
        return not self._thread.is_alive()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a log record. From any thread."""
        self.show(self.format(record))

    def show(self, text: str) -> None:
        """Queue a text, or count it as dropped where too many wait. From any thread."""
        with self._missing_lock, contextlib.suppress(queue.Full):
            self._missing += 1
            if self._missing > 1:
                self._texts.put_nowait(self.explain_missing(self._missing - 1))
                self._missing = 1
            self._texts.put_nowait(text)
            self._missing = 0

    def put(self, text: str | None, timeout_s: float) -> None:
        """Queue a text, or None for the end, for which a place has to come free in time. Raises queue.Full."""
        self._texts.put(text, timeout=timeout_s)

    def write(self, text: str) -> None:
        """Write a text. Runs in the writer's thread, and may block."""
        raise NotImplementedError

    def explain_missing(self, count: int) -> str:
        """Return the text that stands where so many are missing."""
        raise NotImplementedError

    def _run(self) -> None:
        while (text := self._texts.get()) is not None:
            self.write(text)
