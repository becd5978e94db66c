"""A record that has lost its end: what people have seen is not numbered again, and nobody is skipped without a word."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import sys
from pathlib import Path

import pytest

from lan_chat.server.broadcast import Broadcast
from lan_chat.server.history import RESERVED_IDS, History, HistoryError
from lan_chat.server.numbering import Numbering
from lan_chat.server.server import ChatServer
from lan_chat.server.timeline import Timeline
from lan_chat.server.words import ITALIAN
from protocol import MAX_NUMBER, Announcement, Join, Message, Notice, Welcome
from tests.support.peers import BackPeer, EventPeer, LinePeer, number_of, texts_of
from tests.support.servers import recorded_room
from tests.support.waiting import wait_until


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
    history = server.delivery._parts.timeline._history
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
        bob.say("fine")  # after the sentence that the recording has stopped
        last = number_of(ada.events_until("fine")[-1])
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


@pytest.mark.parametrize("is_closed", [False, True], ids=["killed", "closed in order"])
def test_what_was_said_on_a_full_disk_is_not_numbered_again_after_a_restart_of_the_system(
    file: Path, is_closed: bool
) -> None:
    with recorded_room(file) as server, LinePeer(server.port, "Bob") as bob, EventPeer(server.port, "Ada") as ada:
        say_up_to(bob, 2, 20)
        server.call(lambda: full_disk(server))
        say_up_to(bob, 20, 3_000)
        bob.say("fine")
        last = number_of(ada.events_until("fine")[-1])
        copy = copy_as_killed(file, "killed.db")
    copy = file if is_closed else copy
    if not is_closed:
        set_boot(copy, "another")
    with recorded_room(copy) as server, EventPeer(server.port, "Lia") as lia:
        assert lia.welcome.last >= last


def test_the_announcement_that_nothing_is_kept_has_a_number_that_is_not_given_again(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    history = History(file, ITALIAN)
    timeline = Timeline(history)
    broadcast = Broadcast(timeline, ITALIAN, None)
    broadcast.tell_room(Message(timeline.next_id(), 0.0, "Ada", "ciao"))
    monkeypatch.setattr(history, "write", fail)
    broadcast.record()
    assert timeline.last_id == 2
    history.close()  # as killed, before anything else has happened
    history = History(file, ITALIAN)
    assert history.record.last_id == 2
    history.close()


def test_what_is_lost_between_two_pieces_of_a_replay_does_not_break_the_link(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lan_chat.server.broadcast.REPLAY_EVENTS", 10)
    with recorded_room(file) as server, LinePeer(server.port, "Bob") as bob, EventPeer(server.port, "Ada") as ada:
        say_up_to(bob, 2, 22)
        last = number_of(ada.events_until("numero 22")[-1])
        copy = copy_as_killed(file, "older.db")
        say_up_to(bob, 22, 30)
        ada.events_until("numero 30")
        shutil.copy(f"{file}.lock", f"{copy}.lock")
    with recorded_room(copy) as server, LinePeer(server.port, "Eva") as eva:
        eva.say("dopo")
        eva.expect("Eva: dopo\n")
        with BackPeer(server.port, ada.welcome.token, last - 20) as back:
            assert back.welcome.missing == 8
            numbers = [number_of(event) for event in back.missed()]
            assert numbers == [*range(last - 19, last + 1), 31, 32]
            back.say("ci sono")
            assert texts_of(back.events_until("ci sono")) == ["ci sono"]


def test_a_server_that_nobody_came_to_leaves_the_record_as_usable(file: Path) -> None:
    with recorded_room(file) as server, EventPeer(server.port, "Ada") as ada:
        ada.say("ciao")
        last = number_of(ada.events_until("ciao")[-1])
        copy = copy_as_killed(file, "killed.db")
    Path(f"{copy}.lock").unlink()
    for name in ("once.db", "twice.db", "thrice.db"):
        history = History(copy, ITALIAN)
        history._lock.close()  # as killed, when nobody had come yet
        copy = copy_as_killed(copy, name)
        history.close()
    with recorded_room(copy) as server, EventPeer(server.port, "Lia") as lia:
        assert lia.before[0] == Notice("recorded")
        assert lia.welcome.last > last
        assert ITALIAN.record_lacks_its_end in texts_of(server.delivery._parts.timeline.backlog(99))  # type: ignore[arg-type]


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


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="POSIX permissions: Windows has others")
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


@pytest.mark.parametrize(
    "damage",
    [
        "id = NULL",
        "id = 'x'",
        "room = x'ff'",
        "room = CAST(x'ff41' AS TEXT)",
        "boot = 7",
        f"id = {MAX_NUMBER + 1}",
        "id = -1",
    ],
)
def test_a_mark_that_makes_no_sense_is_none(file: Path, damage: str) -> None:
    with recorded_room(file) as server, EventPeer(server.port, "Ada") as ada:
        ada.say("ciao")
        last = number_of(ada.events_until("ciao")[-1])
        copy = copy_as_killed(file, "killed.db")
    with contextlib.closing(sqlite3.connect(f"{copy}.lock", isolation_level=None)) as opened:
        opened.execute(f"UPDATE given SET {damage}")
    for _ in range(2):
        with recorded_room(copy) as server, EventPeer(server.port, "Lia") as lia:
            assert lia.before[0] == Notice("recorded")
            assert lia.welcome.last > last


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE room SET reserved_id = 'x'",
        "UPDATE room SET id = x'00'",
        f"UPDATE room SET reserved_id = {MAX_NUMBER + 1}",
        "INSERT INTO holes VALUES (2, 'x', 0)",
        f"UPDATE events SET id = {MAX_NUMBER + 1} WHERE id = 2",
        "UPDATE members SET left_id = NULL, last_nonce = 'x'",
        "UPDATE members SET left_id = NULL, first_id = 'x'",
        "UPDATE rules SET kind = 7",
    ],
)
def test_a_record_whose_numbers_make_no_sense_is_refused_or_goes_on(
    file: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with recorded_room(file) as server, EventPeer(server.port, "Ada") as ada:
        ada.say("ciao")
        ada.events_until("ciao")
    with contextlib.closing(sqlite3.connect(file)) as opened:
        opened.execute(damage)
        opened.commit()
    with recorded_room(file) as server, EventPeer(server.port, "Lia") as lia:
        is_recorded = lia.before[0] == Notice("recorded")
        lia.say("si parla")
        lia.events_until("si parla")
    assert is_recorded != (str(file) in capsys.readouterr().out)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows lets nobody take a file away that is open")
@pytest.mark.parametrize("ending", ["", ".lock"])
def test_a_file_that_is_taken_away_or_replaced_ends_the_recording_aloud(file: Path, ending: str) -> None:
    with recorded_room(file) as server, EventPeer(server.port, "Ada") as ada:
        Path(f"{file}{ending}").rename(f"{file}{ending}.away")
        if ending:
            Path(f"{file}{ending}").touch()
        ada.say("ciao")
        ada.events_until("ciao")
        with EventPeer(server.port, "Lia") as lia:
            assert lia.before[0] == Notice("not recorded")


def test_a_record_with_a_second_name_is_refused(file: Path) -> None:
    History(file, ITALIAN).close()
    os.link(file, file.with_name("altro.db"))
    with pytest.raises(HistoryError, match="hard link"):
        History(file, ITALIAN)


def test_who_was_kicked_after_a_restart_cannot_come_back_as_whom_it_was_before(file: Path) -> None:
    with recorded_room(file, grace_s=0) as server:
        with EventPeer(server.port, "Ada") as ada:
            pass
        wait_until(lambda: server.room.find("Ada") is None)
        with BackPeer(server.port) as eva:
            eva.tell(Join("Eva", ada.welcome.token, 1, ada.welcome.room))
            assert eva.expect_event(Welcome).missing == 0
            copy = copy_as_killed(file, "killed.db")
    with recorded_room(copy) as server:
        member = server.room.find("Eva")
        assert member is not None
        server.call(lambda: server.delivery.kick(member))
        with BackPeer(server.port) as lia:
            lia.tell(Join("Lia", ada.welcome.token, 1, ada.welcome.room))
            assert lia.expect_event(Welcome).missing is None


def test_of_one_that_comes_back_again_and_again_one_membership_is_known(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lan_chat.server.history.MAX_FORMER", 3)
    with recorded_room(file, grace_s=0) as server:
        peers = [EventPeer(server.port, name) for name in ("Ada", "Bea", "Eva")]
        for peer, name in zip(peers, ("Ada", "Bea", "Eva"), strict=True):
            peer.close()
            wait_until(lambda name=name: server.room.find(name) is None)  # type: ignore[misc]
        for _ in range(5):
            with BackPeer(server.port) as back:
                back.tell(Join("Eva", peers[2].welcome.token, 1, peers[2].welcome.room))
                back.expect_event(Welcome)
            wait_until(lambda: server.room.find("Eva") is None)
    history = History(file, ITALIAN)
    assert {former.name for former in history.record.former} == {"Ada", "Bea", "Eva"}
    history.close()
