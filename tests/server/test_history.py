"""The history in a file: what was shown is in it, whatever happens to the server."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

import protocol
from lan_chat.server.history import Changes, History, HistoryError, RoomEvent, row_of_event
from lan_chat.server.membership import token_key
from lan_chat.server.outbox import Outbox
from lan_chat.server.server import ChatServer
from lan_chat.server.words import ITALIAN
from protocol import Announcement, Event, Join, Joined, Left, Message, Notice, Refused, Resume, Say, Welcome
from tests.support.histories import chatter, rows_of
from tests.support.peers import (
    BackPeer,
    EventPeer,
    LinePeer,
    Peer,
    answer_to,
    come_back,
    drain,
    number_of,
    reset,
    texts,
    texts_of,
)
from tests.support.programs import ServerProgram
from tests.support.servers import Serve, held, lose, recorded_room, room
from tests.support.waiting import wait_until

IT = ITALIAN
RECORDING = ("--grace", "60", "--backlog", "50", "--history")
TOKEN = "un-gettone-di-prova"
UNKNOWN = Refused("unknown token")


# --- what is shown is in the file -------------------------------------------------------------------------------------


def as_rows(events: list[Event]) -> set[tuple[int, str, str | None, str | None]]:
    rows = (row_of_event(event) for event in events if not isinstance(event, Notice))
    return {(row[0], row[2], row[3], row[4]) for row in rows}


@pytest.mark.parametrize(("is_possible", "about"), [(True, "recorded"), (False, "not recorded")])
def test_everybody_is_told_on_arrival_whether_the_room_is_recorded(file: Path, is_possible: bool, about: str) -> None:
    if not is_possible:
        file.mkdir()
    sentence = {"recorded": IT.recorded, "not recorded": IT.not_recorded}[about]
    with recorded_room(file, backlog=5) as server, EventPeer(server.port, "Eva") as eva:
        assert eva.before == [Notice(about)]
        with Peer(server.port) as netcat:
            netcat.send("Lia\n")
            assert netcat.expect("Lia si è unito alla chat!\n").split("\n")[2] == sentence
        with Peer(server.port) as bare:
            bare.recv()
            bare.send("Ugo")
            assert bare.expect(sentence) == IT.welcome.format(name="Ugo") + sentence


def test_who_was_let_in_on_a_link_that_broke_is_told_of_the_recording_on_the_next() -> None:
    with room(notice=Notice("recorded")) as server, EventPeer(server.port, "Bob") as bob:
        first = EventPeer(server.port)
        first.tell(Join("Ada", TOKEN))
        bob.expect_event(Joined)
        with BackPeer(server.port, TOKEN) as back:
            assert back.expect_event(Notice) == Notice("recorded")
            assert back.expect_event(Joined).name == "Ada"
        first.close()


def test_a_room_that_nobody_wanted_recorded_says_nothing_of_it() -> None:
    with room() as server, EventPeer(server.port, "Eva") as eva:
        assert eva.before == []
        assert server is not None


def test_a_killed_server_goes_on_where_it_was(file: Path) -> None:
    with ServerProgram(*RECORDING, str(file)) as first:
        ada, lia = EventPeer(first.port, "Ada"), LinePeer(first.port, "Lia")
        ada.say("uno")
        ada.say("due «ñ» \U0001f600\nriga")
        seen = ada.events_until("due «ñ» \U0001f600\nriga")
        lia.say("tre")
        seen += ada.events_until("tre")
        first.process.kill()
        first.process.wait()
        drain(ada)
    assert as_rows(seen) <= set(rows_of(file))
    last = number_of(seen[-1])

    with ServerProgram(*RECORDING, str(file)) as second, EventPeer(second.port, "Bob") as bob:
        assert bob.welcome.last == last
        assert texts_of(bob.before) == ["uno", "due «ñ» \U0001f600\nriga", "tre"]
        assert bob.welcome.room == ada.welcome.room
        assert set(bob.welcome.names) == {"Ada", "Lia", "Bob"}
        for name in ("Ada", "Lia"):  # kept for them
            assert answer_to(second.port, Join(name)) == Refused("taken")
        back = BackPeer(second.port, ada.welcome.token, last - 1)
        assert texts_of(back.missed()[:1]) == ["tre"]
        assert (back.welcome.nonce, back.welcome.name) == (2, "Ada")
        back.tell(Say("due", 2))
        back.say("quattro")
        heard = bob.events_until("quattro")
        assert [type(event) for event in heard] == [Message]
        assert [number_of(event) for event in heard] == [last + 2]  # after that Bob has joined
        second.process.kill()
        second.process.wait()

    with ServerProgram("--history", str(file), "--grace", "0") as third:  # now nobody comes back in time
        wait_until(lambda: len([row for row in rows_of(file) if row[1] == "left"]) == 3, lambda: rows_of(file))
        assert [row[0] for row in rows_of(file)] == list(range(1, last + 6))
        with EventPeer(third.port, "Ada") as again:
            assert again.welcome.names == ("Ada",)
        third.interrupt()
        assert third.expect_end()[0] == 0
    for peer in (ada, lia, back):
        peer.close()


def test_after_a_goodbye_nobody_is_waited_for(file: Path) -> None:
    with recorded_room(file) as server, EventPeer(server.port, "Ada") as ada:
        ada.say("uno")
        ada.events_until("uno")
        lose(server, EventPeer(server.port, "Eva"), "Eva")
    with recorded_room(file) as server:
        assert server.room.members() == []
        assert answer_to(server.port, Resume(ada.welcome.token, 2)) == UNKNOWN
        with EventPeer(server.port, "Ada") as again:
            assert again.welcome.last == 3
            assert again.welcome.room == ada.welcome.room


def test_whatever_is_shown_is_in_the_file_before(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also what is sent ahead of the others: answers, to those who come, and to those who come back."""
    early: list[str] = []
    checks: Counter[str] = Counter()
    push = Outbox.push

    def push_and_look(self: Outbox, chunk: bytes) -> None:
        rows = {row[0] for row in rows_of(file)}
        keys = {key for (key,) in readers.execute("SELECT token_key FROM members")}
        for line in chunk.splitlines():
            event = json.loads(line) if line.startswith(b"{") and line != b"{end_conn}" else {}
            checks[event.get("type", "")] += 1
            is_in = event.get("id", min(rows, default=0)) in rows or "id" not in event
            if event.get("type") == "welcome":
                is_in = token_key(event["token"]) in keys and event["last"] in rows | {0}
            if not is_in:
                early.append(line.decode())
        push(self, chunk)

    with recorded_room(file, backlog=5) as server:
        readers = sqlite3.connect(file, check_same_thread=False)
        monkeypatch.setattr(Outbox, "push", push_and_look)
        with contextlib.closing(readers), EventPeer(server.port, "Bob") as bob:
            for number in range(10):
                ada = EventPeer(server.port, f"Ada {number}")
                # A message, what cannot be said, and a goodbye in one go: the answers go out ahead of the batch.
                bob.tell(Say(f"a {number}", None))
                bob.send(bob.decoder.encode(Say("uno", None)) + b"{}\n")
                reset(ada.sock)
                with BackPeer(server.port, ada.welcome.token, ada.welcome.last) as back:
                    back.send(back.decoder.encode(Say(f"b {number}", 1)) + b'{"type":"join","name":"x"}\n{quit}\n')
                    drain(back)
            bob.say("fine")
            bob.events_until("fine")
        monkeypatch.setattr(Outbox, "push", push)
    assert early == []
    assert min(checks[kind] for kind in ("message", "joined", "welcome", "left", "error")) > 5, checks


def test_nothing_that_was_shown_is_gone_after_a_kill(file: Path) -> None:
    lot = random.Random(2)
    last = 0
    for turn in range(3):
        with ServerProgram("--history", str(file), "--rate", "0") as program:
            peers = [EventPeer(program.port, f"u{turn}.{number}") for number in range(4)]
            talks = [threading.Thread(target=chatter, args=(peer, number)) for number, peer in enumerate(peers)]
            for talk in talks:
                talk.start()
            seen: list[Event] = []
            for _ in range(lot.randrange(200, 2000)):
                seen.append(peers[0].next_event())
            program.process.kill()
            program.process.wait()
            streams = [drain(peer).decode() for peer in peers[1:]]
            for talk in talks:
                talk.join()
            for peer, stream in zip(peers[1:], streams, strict=True):
                seen += peer.decoder.feed(stream.encode())
                peer.close()
            peers[0].close()
        rows = rows_of(file)
        assert as_rows(seen) <= set(rows)
        assert [row[0] for row in rows] == list(range(1, len(rows) + 1))
        assert len(rows) > last
        last = len(rows)


def test_two_killed_in_a_row_keep_numbers_names_and_tokens(file: Path) -> None:
    token, last = "", 0
    for number in range(4):
        with ServerProgram(*RECORDING, str(file)) as program:
            if not token:
                ada = EventPeer(program.port, "Ada")
                token = ada.welcome.token
            else:
                ada = BackPeer(program.port, token, last)
                assert ada.welcome.last == last
            ada.tell(Say(f"{number}", number))
            last = number_of(ada.events_until(f"{number}")[-1])
            program.process.kill()
            program.process.wait()
            ada.close()
    assert [row[0] for row in rows_of(file)] == [1, 2, 3, 4, 5]


def fill_up(server: ChatServer, file: Path) -> None:
    assert server.delivery._parts.timeline._history is not None
    assert server.delivery._parts.timeline._history._file is not None
    (pages,) = server.delivery._parts.timeline._history._file.execute("PRAGMA page_count").fetchone()
    server.delivery._parts.timeline._history._file.execute(f"PRAGMA max_page_count = {pages}")


def fail_in_the_middle(server: ChatServer, file: Path) -> None:
    """Have the file refuse the departures of a batch whose events it took."""
    history = server.delivery._parts.timeline._history
    assert history is not None
    assert history._file is not None
    history._file.execute(
        "CREATE TEMP TRIGGER stop BEFORE INSERT ON events WHEN new.text LIKE '%7%' BEGIN SELECT 1/0; "
        "SELECT RAISE(FAIL, 'a broken disk'); END"
    )


locks: list[sqlite3.Connection] = []


def lock(server: ChatServer, file: Path) -> None:
    holder = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN EXCLUSIVE")
    locks.append(holder)


def test_numbers_that_a_power_cut_took_out_of_the_file_are_not_given_out_again(file: Path) -> None:
    with ServerProgram(*RECORDING, str(file)) as first, EventPeer(first.port, "Ada") as ada:
        for text in ("uno", "due", "tre"):
            ada.say(text)
        last = number_of(ada.events_until("tre")[-1])
        first.process.kill()
        first.process.wait()
    with contextlib.closing(sqlite3.connect(file)) as opened:
        opened.execute("DELETE FROM events WHERE text = 'tre'")
        opened.commit()
    with recorded_room(file) as server, BackPeer(server.port, ada.welcome.token, last) as back:
        assert (back.welcome.last, back.welcome.nonce) == (last, 2)
        back.tell(Say("tre", 3))  # it is not confirmed, as far as this server knows
        assert number_of(back.events_until("tre")[-1]) == last + 1
        with BackPeer(server.port, ada.welcome.token, 2**40) as liar:
            assert liar.welcome.last == last + 1
    with recorded_room(file) as server, EventPeer(server.port, "Ada") as ada:
        assert ada.welcome.last > last


@pytest.mark.parametrize("spoil", [fill_up, fail_in_the_middle, lock])
def test_a_file_that_takes_no_more_ends_the_recording_and_not_the_room(
    file: Path,
    spoil: Callable[[ChatServer, Path], None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("lan_chat.server.history.HISTORY_LOCK_S", 0.05)
    with recorded_room(file) as server, LinePeer(server.port, "Bob") as bob, EventPeer(server.port, "Ada") as ada:
        away = EventPeer(server.port, "Eva")
        lose(server, away, "Eva")
        spoil(server, file)
        bob.send("".join(f"{number} ".ljust(8_000, "x") + "\n" for number in range(10)))
        heard = bob.expect(IT.recording_failed)
        bob.say("si va avanti")
        heard += bob.expect("Bob: si va avanti\n")
        assert heard.count("Bob: ") == 11
        assert heard.count(IT.recording_failed) == 1
        events = ada.events_until("si va avanti")
        numbers = [number_of(event) for event in events]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        with BackPeer(server.port, away.welcome.token, away.welcome.last) as back:
            assert IT.recording_failed in texts_of(back.missed())
        with EventPeer(server.port, "Nuova") as newcomer:
            assert newcomer.before == [Notice("not recorded")]
    while locks:
        locks.pop().close()
    sentences = [record.getMessage() for record in caplog.records if str(file) in record.getMessage()]
    assert len(sentences) == 1, sentences
    assert "conserva" in sentences[0]
    texts = [text for _, kind, _, text in rows_of(file) if kind == "message"]
    shown = [event.text for event in events if isinstance(event, Message)]
    assert texts == shown[: len(texts)]  # whole batches, up to the one that failed
    assert len(texts) < 10
    with recorded_room(file) as again, EventPeer(again.port, "Zoe") as zoe:
        assert zoe.before[0] == Notice("recorded")


def test_one_who_comes_back_when_the_recording_fails_hears_of_it(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with recorded_room(file) as server, EventPeer(server.port, "Ada") as ada:
        lose(server, ada, "Ada")
        monkeypatch.setattr(History, "write", fail)
        announce = threading.Thread(target=server.call, args=(lambda: server.delivery.announce("novità"),))
        with BackPeer(server.port) as back:
            back.settle()
            with held(server) as waiting:
                waiting.start_call(announce)
                back.tell(Resume(ada.welcome.token, ada.welcome.last + 1))
                waiting.expect_mail(Resume)
            announce.join()
            back.expect_event(Welcome)
            assert texts_of([back.next_event(), back.next_event()]) == ["novità", IT.recording_failed]


def test_stopping_in_mid_talk_is_no_failure_of_the_recording(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(5):
        with recorded_room(file) as server:
            peers = [EventPeer(server.port, f"u{number}") for number in range(3)]
            talks = [threading.Thread(target=chatter, args=(peer, number)) for peer in peers]
            for talk in talks:
                talk.start()
            peers[0].next_event()
            server.stop()
            for peer, talk in zip(peers, talks, strict=True):
                with contextlib.suppress(OSError):
                    peer.sock.shutdown(socket.SHUT_RDWR)
                talk.join()
                peer.close()
    assert [record.getMessage() for record in caplog.records if str(file) in record.getMessage()] == []


# --- from one server to the next --------------------------------------------------------------------------------------


def test_a_server_that_was_killed_goes_on_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    options = ("--history", str(path), "--grace", "60", "--backlog", "50")
    with ServerProgram(*options) as program, EventPeer.__new__(EventPeer) as ada:
        super(EventPeer, ada).__init__(program.port)
        ada.decoder, ada.waiting, ada.nonce = protocol.Events(2**24), [], 0
        ada.expect(ITALIAN.greeting + protocol.MARK)
        ada.tell(protocol.Hello(1, "it"))
        ada.tell(protocol.Join("Ada"))
        welcome = ada.expect_event(Welcome)
        assert ada.expect_event(Notice) == Notice(protocol.RECORDED)
        ada.expect_event(Joined)
        for number in range(200):
            ada.say(f"riga {number}")
        shown = ada.events_until("riga 120")
        program.process.kill()
        program.process.wait()
    with contextlib.closing(sqlite3.connect(path)) as file:
        kept = [row[0] for row in file.execute("SELECT text FROM events WHERE type = 'message' ORDER BY id")]
    assert kept[: len(shown)] == texts(shown)
    with ServerProgram(*options) as program:
        last = shown[-1]
        assert isinstance(last, Message)
        again, back = come_back(program.port, welcome.token, last.id)
        with again:
            assert isinstance(back, Welcome)
            assert (back.nonce, back.last, back.room) == (len(kept), len(kept) + 1, welcome.room)
            again.tell(Say("ancora", 1000))
            assert texts(again.events_until("ancora")) == [*kept[len(shown) :], "ancora"]


def test_a_room_that_was_closed_in_order_waits_for_nobody(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    server = serve(history=History(path, ITALIAN))
    peer = EventPeer(server.port)
    peer.tell(protocol.Join("Ada"))
    peer.expect("joined")
    server.stop()
    peer.close()
    history = History(path, ITALIAN)
    assert (history.record.last_id, history.record.members) == (1, [])
    history.close()


def test_a_second_server_cannot_record_in_the_same_file(tmp_path: Path) -> None:
    history = History(tmp_path / "chat.db", ITALIAN)
    with pytest.raises(HistoryError, match=ITALIAN.history_in_use):
        History(tmp_path / "chat.db", ITALIAN)
    history.close()
    History(tmp_path / "chat.db", ITALIAN).close()


def test_a_disk_that_is_full_ends_the_recording_and_not_the_room(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    history = History(path, ITALIAN)
    assert history._file is not None
    (pages,) = history._file.execute("PRAGMA page_count").fetchone()
    history._file.execute(f"PRAGMA max_page_count = {pages + 5}")
    server = serve(history=history)
    with LinePeer(server.port, "Ada") as ada:
        for number in range(10):
            ada.say(f"{number} " + "x" * 5000)
        ada.expect(ITALIAN.recording_failed)
        ada.say("si va avanti")
        ada.expect("Ada: si va avanti")
        with LinePeer.__new__(LinePeer) as bob:
            super(LinePeer, bob).__init__(server.port)
            bob.send("Bob\n")
            bob.expect(ITALIAN.not_recorded)
    with contextlib.closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_every_event_of_a_room_comes_out_of_the_file_as_it_went_in(tmp_path: Path) -> None:
    history = History(tmp_path / "chat.db", ITALIAN)
    events: list[RoomEvent] = [
        Joined(1, 1.5, "Ada"),
        Message(2, 2.0, "Ada", "due\nrighe \"'😀", 7),
        Message(3, 2.0, "Ada", "{quit} no", None),
        Announcement(4, 3.0, "attenzione"),
        Left(5, 4.0, "Ada", "kicked"),
    ]
    history.write(Changes(events=events))
    history.close()
    again = History(tmp_path / "chat.db", ITALIAN)
    assert again.record.events == events
    again.close()
