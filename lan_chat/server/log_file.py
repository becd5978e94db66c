"""The log as a file, which may as well be a pipe, a terminal or a slow disk: it holds up nobody."""

from __future__ import annotations

import contextlib
import logging
import os
from io import FileIO
from pathlib import Path

from lan_chat.server.words import ServerWords
from lan_chat.server.writer import Writer

MAX_WAITING_RECORDS = 10_000
"""Log records that may wait for a blocked file: some two megabytes."""


class LogFile(Writer):
    """Appends the log to a file, with the time. What cannot be written is counted, and told when something can."""

    def __init__(self, path: Path, words: ServerWords) -> None:
        """Open the file. Raises OSError."""
        super().__init__("log file", MAX_WAITING_RECORDS)
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        self._words = words
        self._file = open_log(path)
        # Used by the writer's thread alone.
        self._failed = 0
        """How many texts could not be written since the last that was."""
        self._is_torn = False
        """Whether the last line lacks its end."""

    def write(self, text: str) -> None:
        lines = [self.explain_missing(self._failed)] if self._failed else []
        data = os.linesep.join([*[""] * self._is_torn, *lines, text, ""]).encode(errors="replace")
        written = 0
        try:
            while written < len(data):
                written += self._file.write(data[written:])
            self._failed, self._is_torn = 0, False
        except OSError:  # a full disk is no reason to stop
            self._failed += 1
            self._is_torn = self._is_torn or written > 0

    def explain_missing(self, count: int) -> str:
        sentence = self._words.lines_not_logged.format(count=count)
        return self.format(logging.LogRecord(__name__, logging.WARNING, "", 0, sentence, None, None))

    def _run(self) -> None:
        with self._file:
            super()._run()


def open_log(path: Path) -> FileIO:
    """Open a log file to append to it, without waiting for the reader of a pipe. Raises OSError."""
    if path.is_fifo():
        # Opened for reading, too, a pipe needs no reader: it keeps what it can hold for the next one.
        with contextlib.suppress(PermissionError):
            return os.fdopen(os.open(path, os.O_RDWR), "wb", buffering=0)
    return path.open("ab", buffering=0)
