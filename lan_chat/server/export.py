"""Export of a history as text or CSV. Main thread only; both files are closed here."""

from __future__ import annotations

import contextlib
import csv
import errno
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import protocol
from lan_chat.server.history import EVENT_COLUMNS, History, HistoryError, clamp_time, event_from_row
from lan_chat.server.words import ServerWords
from protocol import Message


def export_history(source: Path, target: Path, wants_attendance: bool, words: ServerWords) -> int:
    """Write a history, or its attendance, as text, or as CSV to a name in .csv; return the number of lines.

    A server may write to the history meanwhile. The target is not touched before all was read. Raises FILE_ERRORS.
    """
    if not source.exists():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    if target.exists() and target.samefile(source):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    with contextlib.closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)) as file:
        History.check_application(file, words)
        rows = list(_attendance_rows(file, words) if wants_attendance else _history_rows(file, words))
    is_csv = target.suffix.lower() == ".csv"
    # With the byte order mark by which Excel recognises UTF-8.
    with target.open("w", encoding="utf-8-sig" if is_csv else "utf-8", newline="" if is_csv else None) as out:
        table = csv.writer(out)
        for cells, line in rows:
            if is_csv:
                table.writerow([_harmless(cell) for cell in cells])
            elif line:
                out.write(line.replace("\n", "\n    ") + "\n")
    return len(rows) - 1  # without the heading


def _history_rows(file: sqlite3.Connection, words: ServerWords) -> Iterator[tuple[list[str], str]]:
    """Yield a heading and each event of a history: as cells, and as a line of text."""
    yield ["id", "time", "type", "name", "text"], ""
    for row in file.execute(f"SELECT {EVENT_COLUMNS} FROM events ORDER BY id"):
        event = event_from_row(row, words)
        when = _local_time(event.time)
        said = protocol.in_words(event, words) or ""
        mark = "" if isinstance(event, Message) else "* "
        yield [str(row[0]), when, row[2], row[3] or "", row[4] or row[6] or ""], f"{when} {mark}{said}"


def _attendance_rows(file: sqlite3.Connection, words: ServerWords) -> Iterator[tuple[list[str], str]]:
    """Yield a heading and each name that was in the room, with first seen, last seen and messages: as cells and a line.

    A member who was there when the room was closed, or still is, counts as seen until the last event.
    """
    heading = ["name", "first seen", "last seen", "messages"]
    yield heading, "\t".join(heading)
    seen: dict[str, tuple[str, float, float, int]] = {}
    stayed = """
        SELECT name, '', coalesce((SELECT time FROM events WHERE id = left_id),
            (SELECT time FROM events ORDER BY id DESC LIMIT 1)) FROM members"""
    told = "SELECT name, type, time FROM events WHERE name IS NOT NULL ORDER BY id"
    file.execute("BEGIN")  # or a server could write between the two queries
    for name, kind, when in [*file.execute(told), *file.execute(stayed)]:
        if not (isinstance(name, str) and isinstance(when, float)):
            raise HistoryError(words.history_damaged.format(what=f"members, {name!r}"))
        known, first, last, messages = seen.get(protocol.name_key(name), (name, when, when, 0))
        seen[protocol.name_key(name)] = (known, first, max(last, when), messages + (kind == "message"))
    for _, (name, first, last, messages) in sorted(seen.items()):
        cells = [name, _local_time(first), _local_time(last), str(messages)]
        yield cells, "\t".join(cells)


def _local_time(when: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(clamp_time(when)))


def _harmless(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
