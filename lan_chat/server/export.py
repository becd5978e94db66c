"""Export of a history as text or CSV, so that it can be believed. Main thread only.

Nobody can write a row in another's or the operator's name: an event is one row of a table, and in the text all lines of
a message but its first are marked, and so are names that could be taken for something else. No cell is a formula,
whatever a spreadsheet takes for the separator or the quotation mark.
"""

from __future__ import annotations

import bisect
import csv
import dataclasses
import functools
import re
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import protocol
from lan_chat.server.export_files import check_target, open_record, open_target
from lan_chat.server.history import EVENT_COLUMNS, HistoryError, RoomEvent, event_from_row
from lan_chat.server.words import ServerWords
from protocol import Announcement, Joined, Left, Message

FURTHER_LINE = "\n    | "
"""In front of each further line of a message in the text: a line without it begins with a time of ours."""
LINE_SIGN, TAB_SIGN = " \u21b5 ", " \u21e5 "
"""What stands for a line break and for a tab in a cell."""
_FORMULA = re.compile(
    "(?<![^\\W_\u115f\u1160\u3164\uffa0])([=+\\-@%\u207a-\u207c\u208a-\u208c\u2212\u2a75\u2a76\ufb29\ufe62\ufe63\ufe66"
    "\ufe6a\ufe6b\uff05\uff0b\uff0d\uff1d\uff20])\\1*"
)
"""What a formula begins with, in every form that Unicode has for it (NFKC), unless a letter or a digit that one can see
is in front: no cell can begin there, for nobody separates cells by a letter. `%` begins no formula that we know of, and
is on the lists of tools that look for cells like these."""
_WIDE = str.maketrans({mark: chr(ord(mark) + 0xFEE0) for mark in ',;|"'})
"""What could cut a name in two, as a wide character: NFKC has none of those, so no name has."""


def export_history(source: Path, target: Path, wants_attendance: bool, words: ServerWords) -> int:
    """Write a history, or its attendance, as text, or as CSV to a name in .csv; return the number of lines.

    A server may write to the history meanwhile. The target is not touched before all was read. Raises FILE_ERRORS.
    """
    with open_record(source, words) as file:
        check_target(target, source, words)
        rows = list(_attendance_rows(file, words) if wants_attendance else _history_rows(file, words))
    if target.suffix.lower() == ".csv":
        # With the byte order mark by which Excel recognises UTF-8. A line `sep=;` would make it overlook the mark, and
        # be a row to all others; so the separator is that of the language's own spreadsheets.
        with open_target(target, words, encoding="utf-8-sig", newline="") as out:
            table = csv.writer(out, delimiter=words.table_separator, quoting=csv.QUOTE_ALL)
            table.writerows(cells for cells, _ in rows)
    else:
        with open_target(target, words, encoding="utf-8") as out:
            out.writelines(f"{line}\n" for _, line in rows if line)
    return len(rows) - 1  # without the heading


def _history_rows(file: sqlite3.Connection, words: ServerWords) -> Iterator[tuple[list[str], str]]:
    """Yield a heading and each event of a history: as cells, and as a line of text."""
    kinds = {
        Message: words.type_message,
        Announcement: words.type_announcement,
        Joined: words.type_joined,
        Left: words.type_left,
    }
    headings = ["id", words.heading_time, words.heading_type, words.heading_name, words.heading_text]
    yield headings, ""
    for event in _events(file, words):
        when, name, text = _local_time(event.time), "", ""
        if isinstance(event, Message | Announcement):
            text = event.text
        elif isinstance(event, Left) and event.reason:
            text = words.why_left(event.reason) or event.reason
        if not isinstance(event, Announcement):
            name = event.name
        cells = [str(event.id), when, kinds[type(event)], _name_in_table(name), text]
        yield [harmless(cell) for cell in cells], f"{when} {_in_text(event, words)}"


def _events(file: sqlite3.Connection, words: ServerWords) -> Iterator[RoomEvent]:
    for row in file.execute(f"SELECT {EVENT_COLUMNS} FROM events ORDER BY id"):
        yield event_from_row(row, words)


def _in_text(event: RoomEvent, words: ServerWords) -> str:
    """Return an event as it stands behind its time. What begins with `*` is said by the server, and no member."""
    if isinstance(event, Message | Announcement):
        event = dataclasses.replace(event, text=protocol.clean_text(event.text))
    if not isinstance(event, Announcement):
        event = dataclasses.replace(event, name=_name_in_text(event.name))
    said = (protocol.in_words(event, words) or "").replace("\n", FURTHER_LINE)
    return said if isinstance(event, Message) else f"* {said}"


@functools.lru_cache
def _name_in_text(name: str) -> str:
    """Return a name as it is, or in quotation marks where it is none or does not begin with a letter or a digit."""
    is_plain = protocol.name_key(name)[:1].isalnum() and protocol.parse_name(name) == name
    return name if is_plain else '"{}"'.format(_on_one_line(name).replace('"', "\uff02"))


@functools.lru_cache
def _name_in_table(name: str) -> str:
    """Return a name without what could separate cells."""
    return _on_one_line(name).translate(_WIDE)


def _on_one_line(name: str) -> str:
    """Return a name, which in an old file may be anything, without line breaks and tabs."""
    return " ".join(re.split("[\n\t]", protocol.clean_text(name)))


def _attendance_rows(file: sqlite3.Connection, words: ServerWords) -> Iterator[tuple[list[str], str]]:
    """Yield a heading and each name that was in the room, with first seen, last seen and messages: as cells and a line.

    Last seen is what the record proves: what a member said, or the end of its time in the room. Of one who still is
    there, or was when the server was killed, that is what it last did.
    """
    headings = [words.heading_name, words.heading_first_seen, words.heading_last_seen, words.heading_messages]
    yield headings, "\t".join(headings)
    seen: dict[str, tuple[str, float, float, int]] = {}

    def note(name: str, when: float, messages: int) -> None:
        known, first, last, count = seen.get(protocol.name_key(name), (name, when, when, 0))
        seen[protocol.name_key(name)] = known, first, max(last, when), count + messages

    ids, times = [], []
    for event in _events(file, words):
        ids.append(event.id)
        times.append(event.time)
        if isinstance(event, Message | Joined):
            note(event.name, event.time, isinstance(event, Message))
    for name, left_id in file.execute("SELECT name, left_id FROM members WHERE left_id IS NOT NULL"):
        if not (isinstance(name, str) and isinstance(left_id, int)):
            raise HistoryError(words.history_damaged.format(what=f"members, {name!r}"))
        if place := bisect.bisect_right(ids, left_id):
            note(name, times[place - 1], 0)
    for _, (name, first, last, count) in sorted(seen.items()):
        cells = [harmless(cell) for cell in (_name_in_table(name), _local_time(first), _local_time(last), str(count))]
        yield cells, "\t".join(cells)


def _local_time(when: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(when))


def harmless(cell: str) -> str:
    """Return a cell on one line, in which no spreadsheet finds a formula, wherever it cuts it.

    The sign in front is `'`, but within a cell it is the typographic one: a reader can be told that `'` is the
    quotation mark, and would take it away.
    """
    line = protocol.clean_text(cell).replace("\n", LINE_SIGN).replace("\t", TAB_SIGN)
    return _FORMULA.sub(lambda found: ("\u2019" if found.start() else "'") + found[0], line)
