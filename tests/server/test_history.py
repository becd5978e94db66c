"""What the room keeps: members whose link broke, what was said before, and the record in a file."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import chat_server
import protocol
from lan_chat.server.commands import Operator
from lan_chat.server.connection import Member
from lan_chat.server.history import History, HistoryError
from lan_chat.server.listening import open_listener
from lan_chat.server.server import ChatServer
from lan_chat.server.words import ITALIAN
from protocol import Announcement, Event, Joined, Left, Message, Notice, Refused, Resume, Say, Welcome
from tests.support.peers import BarePeer, EventPeer, LinePeer, ServerProgram, wait_until

Serve = Callable[..., ChatServer]
UNKNOWN = Refused("unknown token")


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers with the room's memory as a test wants it."""
    with contextlib.ExitStack() as stack:

        def serve(grace_s: float = 60.0, backlog: int = 0, history: History | None = None) -> ChatServer:
            notice = Notice(protocol.RECORDED) if history else None
            server = ChatServer(
                open_listener("127.0.0.1", 0),
                rate=0,
                grace_s=grace_s,
                backlog=backlog,
                history=history,
                notice=notice,
            )
            server.start()
            stack.callback(server.stop)
            return server

        yield serve


def come_back(port: int, token: str, last: int) -> tuple[EventPeer, Event]:
    """Ask for an old place on a new link; gives the answer, too."""
    peer = EventPeer(port)
    peer.tell(Resume(token, last))
    return peer, peer.next_event()


def texts(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Message)]


# --- coming back ----------------------------------------------------------------------------------------------------


def test_who_comes_back_has_its_name_and_hears_what_it_missed_and_nobody_saw_it_leave(serve: Serve) -> None:
    server = serve()
    with EventPeer(server.port, "Ada") as ada, EventPeer(server.port, "Bob") as bob:
        token = ada.welcome.token
        ada.expect_event(Joined)
        ada.close()
        for number in range(5):
            bob.say(f"riga {number}")
        bob.events_until("riga 4")
        again, welcome = come_back(server.port, token, 2)
        with again:
            assert isinstance(welcome, Welcome)
            assert (welcome.name, welcome.names, welcome.last) == ("Ada", ("Ada", "Bob"), 7)
            missed = again.events_until("riga 4")
            assert [event.id for event in missed if isinstance(event, Message)] == [3, 4, 5, 6, 7]
            again.tell(Say("eccomi", 1))
            said = bob.events_until("eccomi")[-1]
            assert isinstance(said, Message)
            assert dataclasses.replace(said, time=0.0) == Message(8, 0.0, "Ada", "eccomi", 1)


def test_what_is_said_again_under_the_same_nonce_is_said_once(serve: Serve) -> None:
    server = serve()
    with EventPeer(server.port, "Ada") as ada, EventPeer(server.port, "Bob") as bob:
        token = ada.welcome.token
        ada.say("uno")
        bob.events_until("uno")
        again, welcome = come_back(server.port, token, 3)
        with again:
            assert isinstance(welcome, Welcome)
            assert welcome.nonce == 1
            again.tell(Say("uno", 1))
            again.tell(Say("due", 2))
            assert texts(bob.events_until("due")) == ["due"]


def test_a_link_that_nobody_noticed_to_be_dead_is_taken_over(serve: Serve) -> None:
    server = serve()
    with EventPeer(server.port, "Ada") as ada:
        again, _ = come_back(server.port, ada.welcome.token, 1)
        with again:
            ada.expect_end()
            again.tell(Say("ciao", 1))
            assert texts(again.events_until("ciao")) == ["ciao"]


def test_who_does_not_come_back_in_time_has_left(serve: Serve) -> None:
    server = serve(grace_s=0.2)
    with EventPeer(server.port, "Ada") as ada, EventPeer(server.port, "Bob") as bob:
        ada.close()
        assert bob.expect_event(Left).name == "Ada"
        again, answer = come_back(server.port, ada.welcome.token, 2)
        again.close()
        assert answer == UNKNOWN
        EventPeer(server.port, "Ada").close()


def test_the_grace_and_the_coming_back_may_meet(serve: Serve) -> None:
    server = serve(grace_s=0.02)
    with EventPeer(server.port, "Bob") as bob:
        for number in range(200):
            name = f"Ada {number}"
            ada = EventPeer(server.port, name)
            ada.close()
            again, answer = come_back(server.port, ada.welcome.token, 0)
            with again:
                if isinstance(answer, Welcome):  # then it is here, and is heard
                    again.tell(Say(name, 1))
                    bob.events_until(name)
                else:
                    assert answer == UNKNOWN
        wait_until(lambda: [member.name for member in server.room.members()] == ["Bob"])


@pytest.mark.parametrize("token", ["", "x", "x" * 22, "è" * 30, "\n", "x" * 20_000])
def test_a_token_that_nobody_has_is_refused(serve: Serve, token: str) -> None:
    server = serve()
    with EventPeer(server.port, "Ada"):
        peer, answer = come_back(server.port, token, 0)
        peer.close()
        assert answer == UNKNOWN


def test_who_was_sent_away_does_not_come_back(serve: Serve) -> None:
    server = serve()
    with EventPeer(server.port, "Ada") as ada:
        member = server.room.find("Ada")
        assert member is not None
        server.kick(member)
        ada.expect_end()
        peer, answer = come_back(server.port, ada.welcome.token, 0)
        peer.close()
        assert answer == UNKNOWN


def test_the_operator_may_send_away_who_has_no_link(serve: Serve) -> None:
    server = serve()
    with EventPeer(server.port, "Ada") as ada, EventPeer(server.port, "Bob") as bob:
        member = server.room.find("Ada")
        assert member is not None
        client = member.connection
        assert client is not None
        ada.close()
        wait_until(lambda: client.is_dropped)
        operator = Operator(server, ITALIAN)
        assert ITALIAN.operator_absent in operator.answer("who")
        assert operator.answer("kick Ada") == ITALIAN.operator_kicked.format(name="Ada")
        left = bob.expect_event(Left)
        assert (left.name, left.reason) == ("Ada", "kicked")


# --- what was said before -------------------------------------------------------------------------------------------


def test_a_newcomer_is_shown_the_last_messages(serve: Serve) -> None:
    server = serve(backlog=2)
    with LinePeer(server.port, "Ada") as ada:
        for text in ("uno", "due", "tre"):
            ada.say(text)
        ada.expect("Ada: tre\n")
        peer = EventPeer(server.port)
        with peer:
            peer.tell(protocol.Join("Eva"))
            welcome = peer.expect_event(Welcome)
            assert [peer.expect_event(Message).text for _ in range(2)] == ["due", "tre"]
            assert peer.expect_event(Joined).id == welcome.last + 1


def test_netcat_is_shown_them_as_lines_with_their_time_and_the_original_is_not(serve: Serve) -> None:
    server = serve(backlog=5)
    with EventPeer(server.port, "Ada") as ada:
        ada.say("uno\ndue")
        ada.events_until("uno\ndue")
        with LinePeer(server.port, "Bob") as bob:
            bob.say("x")
        with LinePeer.__new__(LinePeer) as raw:
            super(LinePeer, raw).__init__(server.port)
            raw.send("Eva\n")
            shown = raw.expect("Eva si è unito")
        assert [line[5:] for line in shown.splitlines() if "Ada:" in line] == [" Ada: uno", " Ada: due"]
        BarePeer(server.port, "Ugo").close()  # hears its welcome and its own arrival, and nothing between them


# --- the record in a file -------------------------------------------------------------------------------------------


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


def make_damaged(path: Path) -> None:
    path.write_bytes(b"no database at all" * 1000)


def make_foreign(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as file:
        file.execute("CREATE TABLE recipes (name TEXT)")


@pytest.mark.parametrize("make", [make_damaged, make_foreign, Path.mkdir])
def test_a_file_that_cannot_be_used_is_told_and_the_room_goes_on(
    make: Callable[[Path], object], tmp_path: Path
) -> None:
    path = tmp_path / "chat.db"
    make(path)
    with ServerProgram("--history", str(path)) as program:
        peer = EventPeer(program.port)
        with peer:
            peer.tell(protocol.Join("Ada"))
            peer.expect_event(Welcome)
            assert peer.expect_event(Notice) == Notice(protocol.NOT_RECORDED)
        program.interrupt()
        status, output = program.expect_end()
        assert status == 0
        assert "Traceback" not in output


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


# --- export ---------------------------------------------------------------------------------------------------------


def test_a_history_is_exported_as_text_as_csv_and_as_attendance_while_a_server_writes(
    serve: Serve, tmp_path: Path
) -> None:
    path = tmp_path / "chat.db"
    server = serve(grace_s=0.0, history=History(path, ITALIAN))
    with LinePeer.__new__(LinePeer) as ada:
        super(LinePeer, ada).__init__(server.port)
        ada.send("Ada\n")
        ada.expect(ITALIAN.recorded)
        ada.send("=1+1\nperché 😀\n")
        ada.expect("😀\n")
        server.announce("attenzione")
        ada.expect("Server: attenzione\n")
        assert chat_server.main(["--history", str(path), "--export", str(tmp_path / "a.txt")]) == 0
        command = ["--history", str(path), "--export", str(tmp_path / "a.csv")]
        assert chat_server.main(command) == 0
        assert chat_server.main([*command[:-1], str(tmp_path / "b.csv"), "--attendance"]) == 0
    lines = (tmp_path / "a.txt").read_text("utf-8").splitlines()
    said = ["* Ada si è unito alla chat!", "Ada: =1+1", "Ada: perché 😀", "* Server: attenzione"]
    assert [line[20:] for line in lines] == said
    with (tmp_path / "a.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    assert [row[2:] for row in rows[1:3]] == [["joined", "Ada", ""], ["message", "Ada", "'=1+1"]]
    with (tmp_path / "b.csv").open(encoding="utf-8-sig", newline="") as file:
        (_, row) = csv.reader(file)
    assert (row[0], row[3]) == ("Ada", "2")


def test_who_only_listened_was_seen_until_it_left_or_the_room_was_closed(tmp_path: Path) -> None:
    path, table = tmp_path / "chat.db", tmp_path / "a.csv"
    times = {"joined": 100.0, "left": 200.0, "message": 300.0}
    history = History(path, ITALIAN)
    members = [Member("Ada", b"1", None), Member("Bob", b"2", None)]
    members[0].joined_id, members[1].joined_id = 1, 2
    events: list[Event] = [Joined(1, times["joined"], "Ada"), Joined(2, times["joined"], "Bob")]
    history.write(events, members, [])
    history.write([Left(3, times["left"], "Ada")], [], [(3, 1)])
    history.write([Announcement(4, times["message"], "basta")], [], [])
    history.say_goodbye(4)
    history.close()
    assert chat_server.main(["--history", str(path), "--export", str(table), "--attendance"]) == 0
    with table.open(encoding="utf-8-sig", newline="") as file:
        last_seen = {row["name"]: row["last seen"] for row in csv.DictReader(file)}
    as_written = {name: time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(when)) for name, when in times.items()}
    assert last_seen == {"Ada": as_written["left"], "Bob": as_written["message"]}


@pytest.mark.parametrize("arguments", [["--export", "x"], ["--attendance"], ["--history", "x", "--attendance"]])
def test_options_that_need_others_say_so(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        chat_server.main(arguments)
    assert caught.value.code == 2
    assert "need" in capsys.readouterr().err


def test_what_cannot_be_exported_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_damaged(tmp_path / "bad.db")
    for name in ("nothing.db", "bad.db"):
        arguments = ["--history", str(tmp_path / name), "--export", str(tmp_path / "out.txt")]
        assert chat_server.main(arguments) == 2
        assert "Non è possibile esportare" in capsys.readouterr().err


def test_every_event_of_a_room_comes_out_of_the_file_as_it_went_in(tmp_path: Path) -> None:
    history = History(tmp_path / "chat.db", ITALIAN)
    events: list[Event] = [
        Joined(1, 1.5, "Ada"),
        Message(2, 2.0, "Ada", "due\nrighe \"'😀", 7),
        Message(3, 2.0, "Ada", "{quit} no", None),
        Announcement(4, 3.0, "attenzione"),
        Left(5, 4.0, "Ada", "kicked"),
    ]
    history.write(events, [], [])
    history.close()
    again = History(tmp_path / "chat.db", ITALIAN)
    assert list[Event](again.record.events) == events
    again.close()
