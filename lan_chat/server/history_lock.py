"""The file beside a history that keeps other servers out of it, and knows how far the numbers of its room have come.

Main opens it with the history; from then on it belongs to the delivery thread.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from lan_chat.process import boot_id

LOCK_ERRORS = (OSError, sqlite3.Error)


class HistoryLock:
    """An SQLite file of its own, locked for as long as this process lives, so that others may read the history.

    It is written in place and not waited for: that succeeds on a full disk, too, and survives the end of this process,
    but no power cut. So it is believed only as long as the system runs that it was written under.
    """

    def __init__(self, path: Path) -> None:
        """Create or take over the file. Raises LOCK_ERRORS: `OperationalError`, `locked`, where a server has it."""
        self.room_id, self.given_id = "", 0
        """The last number that an earlier server gave out under this start of the system, and in which room."""
        try:
            self._open(path)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:  # damaged, as by a power cut
            path.unlink()
            self._open(path)

    def note(self, room_id: str, given_id: int) -> None:
        """Note the last number that was given out. Raises LOCK_ERRORS."""
        self._file.execute("UPDATE given SET boot = ?, room = ?, id = ?", (self._boot, room_id, given_id))

    def close(self) -> None:
        """Let another server have the history. May be called twice."""
        with contextlib.suppress(sqlite3.Error):
            self._file.close()

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
            self._file.execute("INSERT INTO given VALUES (?, ?, ?)", found or ("", "", 0))
            self._file.execute("COMMIT")
        except BaseException:
            self._file.close()
            raise
        if found is not None and found[0] == self._boot:
            self.room_id, self.given_id = found[1], found[2]
