"""The file beside a history that keeps other servers out of it, and knows how far the numbers of its room have come.

Main opens it with the history; from then on it belongs to the delivery thread.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from lan_chat.process import boot_id
from protocol import MAX_NUMBER

LOCK_ERRORS = (OSError, sqlite3.Error)
OVER = "over"
"""In place of the start of the system: the room was closed in order, and the number stands whatever happens."""


class HistoryLock:
    """An SQLite file of its own, locked for as long as this process lives, so that others may read the history.

    It is written in place and not waited for: that succeeds on a full disk, too, and survives the end of this process,
    but no power cut. So it is the whole truth only as long as the system runs that it was written under.
    """

    def __init__(self, path: Path) -> None:
        """Create or take over the file. Raises LOCK_ERRORS: `OperationalError`, `locked`, where a server has it."""
        self.room_id, self.given_id = "", 0
        """A number that an earlier server gave out, and in which room."""
        self.is_last = False
        """Whether it gave out no greater one."""
        try:
            self._open(path)
        except sqlite3.OperationalError as error:
            if "UTF-8" not in str(error):
                raise
            self._begin_anew(path)
        except sqlite3.DatabaseError:  # damaged, as by a power cut
            self._begin_anew(path)

    def note(self, room_id: str, given_id: int, is_durable: bool = False, is_over: bool = False) -> None:
        """Note the last number that was given out; `is_over`: no other will be. Raises LOCK_ERRORS.

        `is_durable`: survive a power cut.
        """
        if is_durable:
            self._file.execute("PRAGMA synchronous = FULL")
        try:
            boot = OVER if is_over else self._boot
            self._file.execute("UPDATE given SET boot = ?, room = ?, id = ?", (boot, room_id, given_id))
        finally:
            if is_durable:
                self._file.execute("PRAGMA synchronous = OFF")

    def close(self) -> None:
        """Let another server have the history. May be called twice."""
        with contextlib.suppress(sqlite3.Error):
            self._file.close()

    def _begin_anew(self, path: Path) -> None:
        with path.open("r+b") as file:  # not another file: a server that starts now must not find this one gone
            file.truncate(0)
        self._open(path)

    def _open(self, path: Path) -> None:
        self._boot = boot_id()
        self._file = sqlite3.connect(path, timeout=0.0, check_same_thread=False, isolation_level=None)
        try:
            self._file.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._file.execute("PRAGMA journal_mode = MEMORY")
            self._file.execute("PRAGMA synchronous = OFF")
            self._file.execute("BEGIN EXCLUSIVE")  # kept from now on
            self._file.execute("CREATE TABLE IF NOT EXISTS given (boot TEXT, room TEXT, id INTEGER)")
            found = self._file.execute("SELECT boot, room, id FROM given").fetchone()
            self._file.execute("DELETE FROM given")  # a file that may only be read fails here: it locks nothing
            is_sound = found is not None and list(map(type, found)) == [str, str, int] and 0 <= found[2] <= MAX_NUMBER
            boot, self.room_id, self.given_id = found if is_sound else ("", "", 0)
            self._file.execute("INSERT INTO given VALUES (?, ?, ?)", (boot, self.room_id, self.given_id))
            self._file.execute("COMMIT")
        except BaseException:
            self._file.close()
            raise
        self.is_last = boot in (self._boot, OVER)
