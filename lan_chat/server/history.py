"""The history of the room, in an SQLite file.

Main opens it, before the delivery thread starts; from then on that thread alone uses it, and closes it.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import protocol
from lan_chat.server.history_lock import LOCK_ERRORS, HistoryLock
from lan_chat.server.membership import FormerMember, Member
from lan_chat.server.numbering import Numbering
from lan_chat.server.rules import Rule, RuleKind
from lan_chat.server.words import ServerWords
from protocol import Announcement, Event, Joined, Left, Message

KEPT_EVENTS = 12_000
"""Last events that the room keeps in memory, for members that come back: what a window shows."""
KEPT_CHARACTERS = 8 * 1024 * 1024
"""How many characters of what was said are kept: more than one address may say in the minute that a link may break."""
MAX_FORMER = 10_000
"""The newest ended memberships that are known, so that what was missed can be shown to who comes back."""
RESERVED_IDS = 1_000
"""How many numbers are reserved ahead, each time with a write that survives a power cut."""
HISTORY_LOCK_S = 2.0
"""How long a write waits for another process that has locked the file."""
MAX_TIME = 32_503_593_600.0
"""The last time that every system can format as a date, in the year 2999."""


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
    numbering: Numbering
    """No greater number was given out before than its last."""
    is_end_doubtful: bool
    """Whether the file may have lost its end without a trace, as in a power cut."""
    events: list[Message | Announcement | Joined | Left]
    """The last events, at most KEPT_EVENTS."""
    members: list[Member]
    """The members who were in the room when its server ended without closing it."""
    former: list[FormerMember]
    """The newest ended memberships that may be taken up again, oldest first; at most MAX_FORMER."""
    rules: list[Rule]
    """What the operator has forbidden."""

    @property
    def last_id(self) -> int:
        """The last number that may have been given out."""
        return self.numbering.last


@dataclass(frozen=True)
class Departure:
    """The end of a membership, as the file has it."""

    member: Member
    left_id: int
    is_final: bool = False
    """Whether nobody may take it up again: after a kick or a ban."""


@dataclass(kw_only=True)
class Changes:
    """What has happened in the room that the file does not know yet."""

    events: list[RoomEvent] = field(default_factory=list)
    arrivals: list[Member] = field(default_factory=list)
    departures: list[Departure] = field(default_factory=list)
    forgotten: list[bytes] = field(default_factory=list)
    """The keys of tokens that are worth nothing any more."""
    rules: Sequence[Rule] | None = None
    """All that the operator has forbidden, if that has changed."""

    def __bool__(self) -> bool:
        return bool(self.events or self.arrivals or self.departures or self.forgotten) or self.rules is not None


class History:
    """The history of the room, in an SQLite file. Delivery thread only, except for `__init__`.

    A batch is one transaction. With WAL it survives the end of this process, but the last ones may be lost in a power
    cut, and where the disk is full, the room goes on without its file. What people may have seen is never numbered
    again: `HistoryLock` knows the last number, until a power cut, and the file reserves numbers ahead, with a write
    that survives that. Other processes may read the file meanwhile.
    """

    APPLICATION_ID = 0x4C43_6861
    """Marks the file as ours (`PRAGMA application_id`)."""
    TABLES = """
        CREATE TABLE IF NOT EXISTS events (
            id INTEGER PRIMARY KEY, time REAL NOT NULL, type TEXT NOT NULL, name TEXT, text TEXT, nonce INTEGER,
            reason TEXT);
        CREATE INDEX IF NOT EXISTS messages_by_name ON events (name, nonce, type) WHERE type = 'message';
        CREATE TABLE IF NOT EXISTS holes (
            after_id INTEGER PRIMARY KEY, until_id INTEGER NOT NULL, was_given INTEGER NOT NULL);
        CREATE TABLE IF NOT EXISTS members (
            joined_id INTEGER PRIMARY KEY, name TEXT NOT NULL, token_key BLOB NOT NULL, replay_from INTEGER NOT NULL,
            left_id INTEGER, first_id INTEGER NOT NULL, last_nonce INTEGER NOT NULL);
        CREATE INDEX IF NOT EXISTS members_by_token ON members (token_key);
        CREATE TABLE IF NOT EXISTS rules (
            kind TEXT NOT NULL, what TEXT NOT NULL, address TEXT NOT NULL, reason TEXT NOT NULL);
        CREATE TABLE IF NOT EXISTS room (id TEXT NOT NULL, reserved_id INTEGER NOT NULL);
        INSERT INTO room (id, reserved_id) SELECT lower(hex(randomblob(8))), 0 WHERE NOT EXISTS (SELECT * FROM room);
    """
    """The newest version."""
    FIRST_TABLES = """
        CREATE TABLE IF NOT EXISTS members (
            joined_id INTEGER PRIMARY KEY, name TEXT NOT NULL, token_key BLOB NOT NULL, replay_from INTEGER NOT NULL,
            left_id INTEGER);
        CREATE TABLE IF NOT EXISTS room (id TEXT NOT NULL);
        INSERT INTO room (id) SELECT lower(hex(randomblob(8))) WHERE NOT EXISTS (SELECT * FROM room);
    """
    """Version 1, besides the table `events`; the first files have not all of it, and bear no version."""
    MIGRATIONS = (
        """
        CREATE INDEX messages_by_name ON events (name, nonce, type) WHERE type = 'message';
        CREATE INDEX members_by_token ON members (token_key);
        CREATE TABLE rules (kind TEXT NOT NULL, what TEXT NOT NULL, address TEXT NOT NULL, reason TEXT NOT NULL);
        CREATE TABLE holes (after_id INTEGER PRIMARY KEY, until_id INTEGER NOT NULL, was_given INTEGER NOT NULL);
        INSERT INTO holes SELECT before, id - 1, 0
            FROM (SELECT id, lag(id, 1, 0) OVER (ORDER BY id) AS before FROM events) WHERE id > before + 1;
        ALTER TABLE room ADD COLUMN reserved_id INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE members ADD COLUMN first_id INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE members ADD COLUMN last_nonce INTEGER NOT NULL DEFAULT -1;
        UPDATE members SET first_id = joined_id, last_nonce = coalesce((SELECT max(nonce) FROM events WHERE type =
            'message' AND events.name = members.name AND id BETWEEN joined_id AND coalesce(left_id, joined_id)), -1);
        """,
    )
    """The steps from version 1 to 2, from 2 to 3, and so on."""
    VERSION = 1 + len(MIGRATIONS)
    """Of the file (`PRAGMA user_version`)."""

    WHO_WAS_HERE = """
        SELECT joined_id, first_id, members.name, token_key, replay_from, max(last_nonce, coalesce(max(nonce), -1)),
            count(events.id)
        FROM members LEFT JOIN events ON type = 'message' AND events.name = members.name AND events.id > joined_id
        WHERE left_id IS NULL GROUP BY joined_id ORDER BY joined_id"""
    WHO_WAS_HERE_BEFORE = """
        SELECT name, token_key, first_id, last_nonce FROM members WHERE left_id IS NOT NULL AND token_key <> x''
        ORDER BY left_id DESC, joined_id DESC LIMIT ?"""

    def __init__(self, path: Path, words: ServerWords) -> None:
        """Open or create the file, and read `record` from it. Raises FILE_ERRORS."""
        self.path = path
        self._words = words
        self._reserved_id = 0
        try:
            path = path.resolve()  # two names of one file have one lock
        except RuntimeError as error:  # links in a circle, before Python 3.13
            raise HistoryError(str(error)) from error
        if path.is_file() and path.stat().st_nlink > 1:
            raise HistoryError(words.history_linked)
        self._file: sqlite3.Connection | None = None
        lock_path = path.with_name(f"{path.name}.lock")
        try:
            self._lock = HistoryLock(lock_path)
        except LOCK_ERRORS as error:
            raise HistoryError(words.history_in_use if "locked" in str(error) else str(error)) from error
        try:
            self._file = sqlite3.connect(path, timeout=HISTORY_LOCK_S, check_same_thread=False, isolation_level=None)
            self._prepare(self._file, words)
            self.record = self._read(self._file, words)
            self._places = [(place, place.stat()) for place in (path, lock_path)]
            self._room_id, last_id = self.record.room_id, self.record.numbering.last
            self._reserve(self._file, last_id + RESERVED_IDS)
            self._lock.note(self._room_id, last_id)
        except BaseException:
            self.close()
            raise

    def write(self, changes: Changes) -> None:
        """Write what has changed, in one transaction. Raises FILE_ERRORS."""
        assert self._file is not None
        self._check_places()
        with self._file as file:
            file.execute("BEGIN IMMEDIATE")
            file.executemany(
                f"INSERT INTO events ({EVENT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", map(row_of_event, changes.events)
            )
            file.executemany(
                "INSERT INTO members (joined_id, first_id, name, token_key, replay_from, last_nonce) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                map(_row_of_member, changes.arrivals),
            )
            taken_up = [(new.token_key, new.joined_id) for new in changes.arrivals if new.first_id < new.joined_id]
            file.executemany("UPDATE members SET token_key = x'' WHERE token_key = ? AND joined_id < ?", taken_up)
            ends = [(end.left_id, end.member.last_nonce, end.member.joined_id) for end in changes.departures]
            file.executemany("UPDATE members SET left_id = ?, last_nonce = ? WHERE joined_id = ?", ends)
            keys = [*changes.forgotten, *(end.member.token_key for end in changes.departures if end.is_final)]
            file.executemany("UPDATE members SET token_key = x'' WHERE token_key = ?", ((key,) for key in keys))
            if changes.rules is not None:
                file.execute("DELETE FROM rules")
                rows = [(rule.kind.value, rule.what, rule.address, rule.reason) for rule in changes.rules]
                file.executemany("INSERT INTO rules (kind, what, address, reason) VALUES (?, ?, ?, ?)", rows)
        if changes.events:
            last_id = changes.events[-1].id
            if last_id > self._reserved_id - RESERVED_IDS // 2:
                self._reserve(file, last_id + RESERVED_IDS)
            self._lock.note(self._room_id, last_id)

    def read_after(self, last: int, count: int) -> Iterator[RoomEvent]:
        """Yield the first events after a number, so many at most, each as it is read. Raises FILE_ERRORS."""
        assert self._file is not None
        command = f"SELECT {EVENT_COLUMNS} FROM events WHERE id > ? ORDER BY id LIMIT ?"
        with contextlib.closing(self._file.execute(command, (last, count))) as rows:
            yield from (event_from_row(row, self._words) for row in rows)

    def note_given(self, last_id: int, is_over: bool = False) -> None:
        """Note the last number that was given out, where the file takes no events any more, or none will follow.

        Raises FILE_ERRORS.
        """
        is_durable = is_over or last_id > self._reserved_id - RESERVED_IDS // 2
        self._lock.note(self._room_id, last_id, is_durable, is_over)
        if is_durable:
            self._reserved_id = last_id + RESERVED_IDS  # as `_number` has it

    def say_goodbye(self, last_id: int, members: Sequence[Member]) -> None:
        """Record that the room was closed: its members have left, and no greater number will be given out."""
        self.write(Changes(departures=[Departure(member, last_id) for member in members]))
        assert self._file is not None
        self._reserve(self._file, last_id)

    def close(self) -> None:
        """Close the files. May be called twice."""
        if self._file is not None:
            with contextlib.suppress(sqlite3.Error):
                self._file.close()
        self._lock.close()

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
        is_old = objects and version < self.VERSION
        steps = [self.FIRST_TABLES, *self.MIGRATIONS[max(version, 1) - 1 :]] if is_old else [self.TABLES]
        file.executescript(f"BEGIN IMMEDIATE; {' '.join(steps)} PRAGMA user_version = {self.VERSION}; COMMIT")

    def _read(self, file: sqlite3.Connection, words: ServerWords) -> Record:
        room_id, reserved_id = file.execute("SELECT id, reserved_id FROM room").fetchone()
        if not (isinstance(room_id, str) and _is_number(reserved_id)):
            raise HistoryError(words.history_damaged.format(what="room"))
        numbering, is_end_doubtful = self._number(file, room_id, reserved_id)
        events: deque[RoomEvent] = deque()
        characters = 0
        newest = f"SELECT {EVENT_COLUMNS} FROM events ORDER BY id DESC LIMIT ?"
        with contextlib.closing(file.execute(newest, (KEPT_EVENTS,))) as rows:
            for row in rows:
                events.appendleft(event_from_row(row, words))
                characters += len(row[4] or "")
                if characters > KEPT_CHARACTERS:
                    break
        members = []
        for joined_id, first_id, name, key, replay_from, last_nonce, said in file.execute(self.WHO_WAS_HERE):
            numbers = all(map(_is_number, (joined_id, first_id, replay_from))) and isinstance(last_nonce, int)
            if not (isinstance(name, str) and isinstance(key, bytes) and numbers):
                raise HistoryError(words.history_damaged.format(what=f"members, {joined_id}"))
            member = Member(name, key, None)
            member.joined_id, member.first_id, member.replay_from = joined_id, first_id, replay_from
            member.last_nonce, member.said = last_nonce, said
            members.append(member)
        former = [
            FormerMember(*row)
            for row in file.execute(self.WHO_WAS_HERE_BEFORE, (MAX_FORMER,))
            if list(map(type, row)) == [str, bytes, int, int]
        ]
        kinds = {kind.value: kind for kind in RuleKind}
        rules = [
            Rule(kinds[kind], *map(str, texts))
            for kind, *texts in file.execute("SELECT kind, what, address, reason FROM rules")
            if kind in kinds
        ]
        return Record(room_id, numbering, is_end_doubtful, list(events), members, former[::-1], rules)

    def _number(self, file: sqlite3.Connection, room_id: str, reserved_id: int) -> tuple[Numbering, bool]:
        """Return the numbers of the room, after all that may have been given out, and whether that is in doubt."""
        (recorded,) = file.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()
        numbering = Numbering(recorded)
        for after, until, was_given in file.execute(
            "SELECT after_id, until_id, was_given FROM holes ORDER BY after_id"
        ):
            if not (_is_number(after) and _is_number(until)):
                raise HistoryError(self._words.history_damaged.format(what="holes"))
            (numbering.lost if was_given else numbering.holes).append((after, until))
            numbering.last = max(numbering.last, until)  # nothing may have been recorded since
        given = self._lock.given_id if self._lock.room_id == room_id else 0
        is_known = given > 0 and self._lock.is_last
        if is_known:
            until = given
        elif given and given > reserved_id - RESERVED_IDS // 2:  # the room went on without its file
            until = given + RESERVED_IDS
        else:
            until = reserved_id
        if until > numbering.last:
            file.execute("INSERT INTO holes VALUES (?, ?, ?)", (numbering.last, until, is_known))
            (numbering.lost if is_known else numbering.holes).append((numbering.last, until))
            numbering.last = until
        return numbering, any(until > recorded for _, until in numbering.holes)  # else the room was told

    def _check_places(self) -> None:
        """Check that the files are where the next server will look for them. Raises HistoryError, or OSError."""
        for place, found in self._places:
            now = place.stat()
            if (now.st_dev, now.st_ino) != (found.st_dev, found.st_ino):
                raise HistoryError(self._words.history_replaced.format(file=place))

    def _reserve(self, file: sqlite3.Connection, until: int) -> None:
        """Have the file know that greater numbers were not given out, whatever happens from now on."""
        file.execute("PRAGMA synchronous = FULL")
        try:
            file.execute("UPDATE room SET reserved_id = ?", (until,))
        finally:
            file.execute("PRAGMA synchronous = NORMAL")
        self._reserved_id = until


RoomEvent = Message | Announcement | Joined | Left
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
    """Return the event of the room in a row, with a time that can be shown. Raises HistoryError for a damaged row."""
    number, when, kind, name, text, nonce, reason = row
    texts = [kind] + [value for value in (name, text, reason) if value is not None]
    is_sound = isinstance(when, float) and _is_number(number) and (nonce is None or _is_number(nonce))
    if not is_sound or not all(isinstance(value, str) for value in texts):
        raise HistoryError(words.history_damaged.format(what=f"events, {number}"))
    when = clamp_time(when)
    if kind == "message":
        return Message(number, when, name or "", text or "", nonce)
    if kind == "announcement":
        return Announcement(number, when, text or "")
    if kind == "joined":
        return Joined(number, when, name or "")
    return Left(number, when, name or "", reason)


def clamp_time(when: float) -> float:
    """Return a time that every system can format as a date, in seconds since the epoch: a clock may have been wrong."""
    return min(max(0.0, when), MAX_TIME)


def event_time() -> float:
    """Return the time in seconds since the epoch, as events carry it."""
    return clamp_time(round(time.time(), 3))


def _is_number(value: object) -> bool:
    return isinstance(value, int) and 0 <= value <= protocol.MAX_NUMBER


def _row_of_member(member: Member) -> tuple[int, int, str, bytes, int, int]:
    return member.joined_id, member.first_id, member.name, member.token_key, member.replay_from, member.last_nonce
