"""The record of a room that is played with: the ends that it can lose, and what it holds at last.

Main thread only.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import subprocess
import sys
from enum import Enum
from pathlib import Path

from protocol import Announcement, Event, Joined, Left, Message

Ranges = list[tuple[int, int]]
"""Of each range of numbers the one before it, and the last in it."""


class Loss(Enum):
    """How a record loses its end."""

    DISK = "a full disk"  # on Linux only
    POWER = "a power cut"
    COPY = "an older copy"


class RecordFile:
    """A record, with the file beside it that knows the last number; none of it needs the program that writes it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Path(f"{path}.lock")
        self._copy = path.with_name("copy.db")

    def begin_to_lose(self, loss: Loss, server: subprocess.Popen[bytes]) -> None:
        """Let the end begin that will be lost; the server goes on until it is killed."""
        if loss is not Loss.DISK:
            self._copy.unlink(missing_ok=True)
            with self._open() as file, contextlib.closing(sqlite3.connect(self._copy)) as copy:
                file.backup(copy)
        elif sys.platform == "linux":
            import resource

            # No file grows any more; the one that knows the last number need not.
            _, hard = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (self._lock.stat().st_size, hard))

    def lose(self, loss: Loss) -> None:
        """Lose the end, once the server was killed."""
        if loss is Loss.DISK:
            return
        if loss is Loss.POWER and self._reserved(self._copy) != self._reserved(self.path):
            return  # it was written to the disk meanwhile, so no power cut can lose it any more
        for ending in ("-wal", "-shm"):
            Path(f"{self.path}{ending}").unlink(missing_ok=True)
        shutil.copyfile(self._copy, self.path)
        if loss is Loss.POWER:
            with contextlib.closing(sqlite3.connect(self._lock, isolation_level=None)) as lock:
                lock.execute("UPDATE given SET boot = 'another'")

    def events(self) -> list[Event]:
        """Return what the record holds, without the help of the program that wrote it."""
        events: list[Event] = []
        with self._open() as file:
            for number, when, kind, name, text, nonce, reason in file.execute(
                "SELECT id, time, type, name, text, nonce, reason FROM events ORDER BY id"
            ):
                if kind == "message":
                    events.append(Message(number, when, name, text, nonce))
                elif kind == "announcement":
                    events.append(Announcement(number, when, text))
                else:
                    events.append(Joined(number, when, name) if kind == "joined" else Left(number, when, name, reason))
        return events

    def holes(self, was_given: bool) -> Ranges:
        """Return the numbers that no event of the record has, and that people may have seen, or that nobody counts."""
        with self._open() as file:
            return file.execute("SELECT after_id, until_id FROM holes WHERE was_given = ?", (was_given,)).fetchall()

    def _open(self) -> contextlib.closing[sqlite3.Connection]:
        return contextlib.closing(sqlite3.connect(self.path))

    @staticmethod
    def _reserved(path: Path) -> int:
        with contextlib.closing(sqlite3.connect(path)) as file:
            (reserved,) = file.execute("SELECT reserved_id FROM room").fetchone()
        return int(reserved)
