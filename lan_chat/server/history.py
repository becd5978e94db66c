"""The history of the room, in an SQLite file.

Main opens it, before the delivery thread starts; from then on that thread alone uses it, and closes it.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lan_chat.server.membership import Member
from lan_chat.server.words import ServerWords
from protocol import Announcement, Event, Joined, Left, Message

KEPT_EVENTS = 10_000
"""Last events that the room keeps in memory, for members whose link breaks."""
HISTORY_LOCK_S = 2.0
"""How long a write waits for another process that has locked the file."""
MAX_TIME = 32_503_593_600.0
"""The last time that every system can format as a date, in the year 2999; a recorded time after it is damaged."""


EVENT_COLUMNS = "id, time, type, name, text, nonce, reason"
"""Of the table `events`, in the sequence of a `Row`."""


class HistoryError(ValueError):
    """The file cannot be used as a history; the text says why."""


FILE_ERRORS = (OSError, sqlite3.Error, ValueError)
"""What reading or writing a file may raise; ValueError also where the text of an SQLite error is not UTF-8."""


@dataclass(frozen=True)
class Record:
    """The state of a recorded room, from which a server that starts goes on."""

    room_id: str
    last_id: int
    events: list[Message | Announcement | Joined | Left]
    """The last events, at most KEPT_EVENTS."""
    members: list[Member]
    """The members who were in the room when its server ended without closing it."""


class History:
    """The history of the room, in an SQLite file. Delivery thread only, except for `__init__`.

    A batch is one transaction. With WAL it survives the end of this process, but the last ones may be lost in a power
    cut; other processes may read the file meanwhile.
    """

    APPLICATION_ID = 0x4C43_6861
    """Marks the file as ours (`PRAGMA application_id`)."""
    TABLES = """
        CREATE TABLE IF NOT EXISTS events (
            id INTEGER PRIMARY KEY, time REAL NOT NULL, type TEXT NOT NULL, name TEXT, text TEXT, nonce INTEGER,
            reason TEXT);
        CREATE TABLE IF NOT EXISTS members (
            joined_id INTEGER PRIMARY KEY, name TEXT NOT NULL, token_key BLOB NOT NULL, replay_from INTEGER NOT NULL,
            left_id INTEGER);
        CREATE TABLE IF NOT EXISTS room (id TEXT NOT NULL);
        INSERT INTO room (id) SELECT lower(hex(randomblob(8))) WHERE NOT EXISTS (SELECT * FROM room);
    """
    """Version 1, and what the first files had, which bear no version."""
    MIGRATIONS: tuple[str, ...] = ()
    """The steps from version 1 to 2, from 2 to 3, and so on."""
    VERSION = 1 + len(MIGRATIONS)
    """Of the file (`PRAGMA user_version`)."""

    WHO_WAS_HERE = """
        SELECT joined_id, members.name, token_key, replay_from, coalesce(max(nonce), -1), count(events.id)
        FROM members LEFT JOIN events ON type = 'message' AND events.name = members.name AND events.id > joined_id
        WHERE left_id IS NULL GROUP BY joined_id ORDER BY joined_id"""

    def __init__(self, path: Path, words: ServerWords) -> None:
        """Open or create the file, and read `record` from it. Raises FILE_ERRORS."""
        self.path = path
        # The lock is a file of its own, so that an export may read the history; it ends with this process.
        self._lock = sqlite3.connect(f"{path}.lock", timeout=0.0, check_same_thread=False, isolation_level=None)
        self._file: sqlite3.Connection | None = None
        try:
            try:
                self._lock.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                raise HistoryError(words.history_in_use if "locked" in str(error) else str(error)) from error
            self._file = sqlite3.connect(
                path.absolute(), timeout=HISTORY_LOCK_S, check_same_thread=False, isolation_level=None
            )
            self._prepare(self._file, words)
            self.record = self._read(self._file, words)
        except BaseException:
            self.close()
            raise

    def write(self, events: Sequence[Event], arrivals: list[Member], departures: list[tuple[int, int]]) -> None:
        """Write a batch, with the members that joined and left, in one transaction. Raises FILE_ERRORS."""
        assert self._file is not None
        with self._file as file:
            file.execute("BEGIN IMMEDIATE")
            file.executemany(
                f"INSERT INTO events ({EVENT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", map(row_of_event, events)
            )
            rows = ((member.joined_id, member.name, member.token_key, member.replay_from) for member in arrivals)
            file.executemany("INSERT INTO members (joined_id, name, token_key, replay_from) VALUES (?, ?, ?, ?)", rows)
            file.executemany("UPDATE members SET left_id = ? WHERE joined_id = ?", departures)

    def say_goodbye(self, last_id: int) -> None:
        """Record that the room was closed: none of its members can resume."""
        assert self._file is not None
        self._file.execute("UPDATE members SET left_id = ? WHERE left_id IS NULL", (last_id,))

    def close(self) -> None:
        """Close the files. May be called twice."""
        for file in (self._file, self._lock):
            if file is not None:
                with contextlib.suppress(sqlite3.Error):
                    file.close()

    @classmethod
    def check_application(cls, file: sqlite3.Connection, words: ServerWords) -> None:
        """Check that the file is a history of ours. Raises HistoryError."""
        (application,) = file.execute("PRAGMA application_id").fetchone()
        if application != cls.APPLICATION_ID:
            raise HistoryError(words.history_not_ours)

    def _prepare(self, file: sqlite3.Connection, words: ServerWords) -> None:
        (objects,) = file.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if objects:
            self.check_application(file, words)
        (version,) = file.execute("PRAGMA user_version").fetchone()
        if version > self.VERSION:
            raise HistoryError(words.history_too_new)
        (verdict,) = file.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise HistoryError(words.history_damaged.format(what=verdict))
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("PRAGMA synchronous = NORMAL")
        file.execute(f"PRAGMA application_id = {self.APPLICATION_ID}")
        steps = [self.TABLES, *self.MIGRATIONS[max(version, 1) - 1 :]]
        file.executescript(f"BEGIN IMMEDIATE; {' '.join(steps)} PRAGMA user_version = {self.VERSION}; COMMIT")

    def _read(self, file: sqlite3.Connection, words: ServerWords) -> Record:
        (room_id,) = file.execute("SELECT id FROM room").fetchone()
        (last_id,) = file.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()
        rows = file.execute(f"SELECT {EVENT_COLUMNS} FROM events ORDER BY id DESC LIMIT ?", (KEPT_EVENTS,)).fetchall()
        members = []
        for joined_id, name, key, replay_from, last_nonce, said in file.execute(self.WHO_WAS_HERE):
            if not (isinstance(name, str) and isinstance(key, bytes) and isinstance(replay_from, int)):
                raise HistoryError(words.history_damaged.format(what=f"members, {joined_id}"))
            member = Member(name, key, None)
            member.joined_id, member.replay_from = joined_id, replay_from
            member.last_nonce, member.said = last_nonce, said
            members.append(member)
        return Record(room_id, last_id, [event_from_row(row, words) for row in reversed(rows)], members)


Row = tuple[int, float, str, str | None, str | None, int | None, str | None]


def row_of_event(event: Event) -> Row:
    """Return an event of the room as a row of the table `events`."""
    match event:
        case Message(id=number, time=when, name=name, text=text, nonce=nonce):
            return number, when, "message", name, text, nonce, None
        case Announcement(id=number, time=when, text=text):
            return number, when, "announcement", None, text, None, None
        case Joined(id=number, time=when, name=name):
            return number, when, "joined", name, None, None, None
        case Left(id=number, time=when, name=name, reason=reason):
            return number, when, "left", name, None, None, reason
    raise TypeError(f"no event of the room: {event!r}")


def event_from_row(row: Row, words: ServerWords) -> Message | Announcement | Joined | Left:
    """Return the event of the room in a row. Raises HistoryError where the file is damaged."""
    number, when, kind, name, text, nonce, reason = row
    texts = [kind] + [value for value in (name, text, reason) if value is not None]
    is_sound = is_time(when) and isinstance(nonce, int | None)
    if not is_sound or not all(isinstance(value, str) for value in texts):
        raise HistoryError(words.history_damaged.format(what=f"events, {number}"))
    if kind == "message":
        return Message(number, when, name or "", text or "", nonce)
    if kind == "announcement":
        return Announcement(number, when, text or "")
    if kind == "joined":
        return Joined(number, when, name or "")
    return Left(number, when, name or "", reason)


def is_time(value: object) -> bool:
    """Return whether a value out of a file is a time that every system can format as a date."""
    return isinstance(value, float) and 0 <= value <= MAX_TIME
