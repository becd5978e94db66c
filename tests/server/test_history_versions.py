"""The history's file of every version so far, and of one to come."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest

from lan_chat.server.export import export_history
from lan_chat.server.history import Changes, History, HistoryError
from lan_chat.server.words import ITALIAN
from protocol import Joined, Left, Message

OLD_FILES = sorted((Path(__file__).parent / "data").glob("history-*.db"))


def version_of(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(path)) as file:
        return int(file.execute("PRAGMA user_version").fetchone()[0])


@pytest.fixture(params=OLD_FILES, ids=[path.stem for path in OLD_FILES])
def old_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return Path(shutil.copy(request.param, tmp_path / "chat.db"))


def test_a_file_of_an_older_version_is_brought_up_to_date_and_loses_nothing(old_file: Path) -> None:
    history = History(old_file, ITALIAN)
    try:
        record = history.record
        assert version_of(old_file) == History.VERSION
        assert record.last_id == 6
        assert [event.id for event in record.events] == [1, 2, 3, 4, 5, 6]
        assert isinstance(record.events[0], Joined)
        assert isinstance(record.events[4], Message)
        assert record.events[4].name == "Bob"
        assert (record.events[4].text, record.events[4].nonce) == ("anch'io\ndue righe", 1)
        assert isinstance(record.events[5], Left)
        assert [(member.name, member.joined_id, member.last_nonce) for member in record.members] == [("Bob", 4, 1)]
        history.write(Changes(events=[Message(7, 1795679600.0, "Bob", "e ora")]))
    finally:
        history.close()
    again = History(old_file, ITALIAN)
    again.close()
    assert (again.record.last_id, again.record.room_id) == (7, record.room_id)


def test_a_file_of_an_older_version_is_exported_as_it_is(old_file: Path, tmp_path: Path) -> None:
    before = version_of(old_file)
    assert export_history(old_file, tmp_path / "chat.txt", False, ITALIAN) == 6
    assert "Bob: anch'io\n    | due righe\n" in (tmp_path / "chat.txt").read_text("utf-8")
    assert version_of(old_file) == before


def test_a_new_file_has_the_newest_version(tmp_path: Path) -> None:
    History(tmp_path / "chat.db", ITALIAN).close()
    assert version_of(tmp_path / "chat.db") == History.VERSION


def test_a_file_of_a_newer_version_is_refused_in_words_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    History(path, ITALIAN).close()
    with contextlib.closing(sqlite3.connect(path)) as file:
        file.execute(f"PRAGMA user_version = {History.VERSION + 1}")
    with pytest.raises(HistoryError, match=ITALIAN.history_too_new):
        History(path, ITALIAN)
    assert version_of(path) == History.VERSION + 1


def test_a_column_of_another_program_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    history = History(path, ITALIAN)
    history.write(Changes(events=[Message(1, 1795679600.0, "Bob", "ciao")]))
    history.close()
    with contextlib.closing(sqlite3.connect(path)) as file:
        file.execute("ALTER TABLE events ADD COLUMN more")
    again = History(path, ITALIAN)
    again.close()
    assert again.record.events == [Message(1, 1795679600.0, "Bob", "ciao")]
    assert export_history(path, tmp_path / "chat.txt", False, ITALIAN) == 1
