"""A record that has lost its end: what people have seen is not numbered again, and nobody is skipped without a word."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from lan_chat.server.history import RESERVED_IDS, History, HistoryError
from lan_chat.server.numbering import Numbering
from lan_chat.server.server import ChatServer
from lan_chat.server.words import ITALIAN
from protocol import Announcement
from tests.support.peers import BackPeer, EventPeer, LinePeer, number_of, texts_of
from tests.support.servers import recorded_room


def copy_as_killed(file: Path, name: str) -> Path:
    """Copy a record as a server that is killed now would leave it."""
    copy = file.with_name(name)
    for ending in ("", "-wal", ".lock"):
        with contextlib.suppress(FileNotFoundError):
            shutil.copy(f"{file}{ending}", f"{copy}{ending}")
    return copy


def say_up_to(bob: LinePeer, last: int, number: int) -> None:
    """Have Bob say something with each number from the next one up to this."""
    texts = [f"numero {count}" for count in range(last + 1, number + 1)]
    bob.send("".join(f"{text}\n" for text in texts))
    bob.expect(f"Bob: {texts[-1]}\n")


def full_disk(server: ChatServer) -> None:
    history = server.delivery._timeline._history
    assert history is not None
    assert history._file is not None
    pages = history._file.execute("PRAGMA page_count").fetchone()[0]
    history._file.execute(f"PRAGMA max_page_count = {pages}")


def set_boot(copy: Path, boot: str) -> None:
    with contextlib.closing(sqlite3.connect(f"{copy}.lock", isolation_level=None)) as lock:
        lock.execute("UPDATE given SET boot = ?", (boot,))


def test_on_a_full_disk_the_room_goes_on_and_the_next_server_knows_how_far(file: Path) -> None:
    with recorded_room(file) as server, LinePeer(server.port, "Bob") as bob, EventPeer(server.port, "Ada") as ada:
        say_up_to(bob, 2, 20)
        server.call(lambda: full_disk(server))
        say_up_to(bob, 20, 150)
        last = number_of(ada.events_until("numero 150")[-1])
        copy = copy_as_killed(file, "killed.db")
    with contextlib.closing(sqlite3.connect(copy)) as opened:
        (recorded,) = opened.execute("SELECT max(id) FROM events").fetchone()
    assert recorded < last - 50
    with recorded_room(copy) as server:
        with BackPeer(server.port, ada.welcome.token, last) as saw_all, LinePeer(server.port, "Eva") as eva:
            assert (saw_all.welcome.last, saw_all.welcome.missing) == (last, 0)
            eva.say("si va avanti")
            assert [number_of(event) for event in saw_all.events_until("si va avanti")] == [last + 1, last + 2]
        with BackPeer(server.port, ada.welcome.token, recorded - 5) as saw_less:
            assert saw_less.welcome.missing == last - recorded
            shown = [number_of(event) for event in saw_less.missed()]
            assert shown[:6] == [*range(recorded - 4, recorded + 1), last + 1]
        with BackPeer(server.port, ada.welcome.token, last - 10) as saw_most:
            assert saw_most.welcome.missing == 10
    with recorded_room(copy) as server, EventPeer(server.port, "Lia") as lia:  # and after that it is known
        assert lia.welcome.last > last


@pytest.mark.parametrize("boot", ["another", "the same"])
def test_an_older_copy_of_the_record_does_not_number_anything_again(file: Path, boot: str) -> None:
    """After a power cut the file may be older than what people have seen."""
    with recorded_room(file) as server, LinePeer(server.port, "Bob") as bob, EventPeer(server.port, "Ada") as ada:
        say_up_to(bob, 2, 20)
        ada.events_until("numero 20")
        copy = copy_as_killed(file, "older.db")
        say_up_to(bob, 20, 80)
        last = number_of(ada.events_until("numero 80")[-1])
        shutil.copy(f"{file}.lock", f"{copy}.lock")
    if boot == "another":
        set_boot(copy, boot)
    with recorded_room(copy) as server, BackPeer(server.port, ada.welcome.token, last) as back:
        assert back.welcome.missing == 0
        assert back.welcome.last >= last
        if boot == "another":  # nobody knows how much is lost, so everybody is told
            assert back.welcome.last <= last + RESERVED_IDS + 1
            assert ITALIAN.record_lacks_its_end in texts_of(back.missed())
            with BackPeer(server.port, ada.welcome.token, 10) as older:
                missed = older.missed()
                assert older.welcome.missing == 0
                assert isinstance(missed[-1], Announcement)
        else:
            assert back.welcome.last == last


@pytest.mark.parametrize("damage", ["gone", "empty", "no database", "another room"])
def test_without_the_mark_of_the_last_number_those_reserved_are_left_out(file: Path, damage: str) -> None:
    with recorded_room(file) as server, EventPeer(server.port, "Ada") as ada:
        ada.say("ciao")
        last = number_of(ada.events_until("ciao")[-1])
        copy = copy_as_killed(file, "killed.db")
    lock = Path(f"{copy}.lock")
    if damage == "gone":
        lock.unlink()
    elif damage == "another room":
        with contextlib.closing(sqlite3.connect(lock, isolation_level=None)) as opened:
            opened.execute("UPDATE given SET room = 'x', id = 1")
    else:
        lock.write_bytes(b"" if damage == "empty" else b"no database at all" * 400)
    with recorded_room(copy) as server, BackPeer(server.port, ada.welcome.token, last) as back:
        assert back.welcome.last > last
        assert texts_of(back.missed()) == [ITALIAN.record_lacks_its_end]
    with recorded_room(copy) as server, EventPeer(server.port, "Eva") as eva:
        assert eva.welcome.last == back.welcome.last  # nothing more is in doubt


def test_a_room_that_was_closed_in_order_leaves_no_number_out(file: Path) -> None:
    with recorded_room(file) as server, EventPeer(server.port, "Ada") as ada:
        last = ada.welcome.last + 1
    Path(f"{file}.lock").unlink()
    with recorded_room(file) as server, EventPeer(server.port, "Ada") as ada:
        assert ada.welcome.last == last


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permissions are another matter on Windows")
def test_a_lock_that_may_only_be_read_is_a_sentence(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    History(file, ITALIAN).close()
    lock = f"{file}.lock"
    connect = sqlite3.connect

    def connect_read_only(path: str | Path, **options: object) -> sqlite3.Connection:
        if str(path) == lock:
            return connect(f"file:{path}?mode=ro", uri=True, **options)  # type: ignore[call-overload, no-any-return]
        return connect(path, **options)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr("lan_chat.server.history_lock.sqlite3.connect", connect_read_only)
    with pytest.raises(HistoryError, match="readonly"):
        History(file, ITALIAN)


def test_one_file_under_two_names_is_recorded_in_once(file: Path) -> None:
    other = file.with_name("altro.db")
    file.touch()
    try:
        other.symlink_to(file)
    except OSError:
        pytest.skip("no symbolic links here")
    if other.resolve() != file.resolve():
        pytest.skip("wine does not resolve its symbolic links")
    history = History(file, ITALIAN)
    with pytest.raises(HistoryError, match=ITALIAN.history_in_use):
        History(other, ITALIAN)
    history.close()


@pytest.mark.parametrize(
    ("holes", "after", "until", "count"),
    [([], 0, 10, 10), ([(3, 6)], 0, 10, 7), ([(3, 6)], 4, 10, 4), ([(3, 6), (8, 9)], 2, 9, 3)],
)
def test_numbers_that_were_left_out_are_not_counted(
    holes: list[tuple[int, int]], after: int, until: int, count: int
) -> None:
    numbering = Numbering(until, holes)
    assert numbering.count(after, until) == count
    assert numbering.count(numbering.before_newest(count), until) == count
