"""What the server remembers, held against broken links, kills and spoilt files.

Members whose link breaks, what was said before somebody came, and the history's file: over real sockets, from the
server's side. What the window makes of it is tested with the client.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import random
import re
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import chat_server
import protocol
from lan_chat.server.commands import Operator
from lan_chat.server.connection import Connection, Member, token_key
from lan_chat.server.delivery import Delivery
from lan_chat.server.export import export_history
from lan_chat.server.history import History, row_of_event
from lan_chat.server.listening import open_listener
from lan_chat.server.outbox import Outbox
from lan_chat.server.server import ChatServer
from lan_chat.server.words import ENGLISH, ITALIAN
from protocol import (
    Announcement,
    EndConn,
    Error,
    Event,
    Join,
    Joined,
    Left,
    Message,
    Notice,
    Quit,
    Refused,
    Resume,
    Say,
    Welcome,
)
from tests.support.peers import TOP, BarePeer, EventPeer, LinePeer, Peer, Program, ServerProgram, reset, wait_until

IT = ITALIAN
RECORDING = ("--grace", "60", "--backlog", "50", "--history")
TOKEN = "un-gettone-di-prova"
UNKNOWN = Refused("unknown token")


class BackPeer(EventPeer):
    """A member on a new link."""

    def __init__(self, port: int, token: str = "", last: int = 0) -> None:
        super().__init__(port)
        if token:
            self.come_back(token, last)

    def come_back(self, token: str, last: int = 0) -> None:
        self.tell(Resume(token, last))
        self.welcome = self.expect_event(Welcome)
        self.nonce = self.welcome.nonce or 0

    def missed(self) -> list[Event]:
        """All that was said while the link was broken; something must have been."""
        events = [self.next_event()]
        while number_of(events[-1]) < self.welcome.last:
            events.append(self.next_event())
        return events


def number_of(event: Event) -> int:
    assert isinstance(event, Message | Announcement | Joined | Left), event
    return event.id


def texts_of(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Message | Announcement)]


@contextlib.contextmanager
def room(
    grace_s: float = 60.0,
    backlog: int = 0,
    rate: float = 0.0,
    history: History | None = None,
    notice: Notice | None = None,
) -> Iterator[ChatServer]:
    """A server in this process."""
    listener = open_listener("127.0.0.1", 0)
    server = ChatServer(listener, IT, 100, rate, grace_s, backlog, history, notice)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def member_of(server: ChatServer, name: str) -> Member:
    member = server.room.find(name)
    assert member is not None
    return member


def is_away(server: ChatServer, name: str) -> bool:
    client = member_of(server, name).connection
    return client is None or client.is_dropped


def lose(server: ChatServer, peer: Peer, name: str) -> None:
    """Break a member's link, and wait until the server knows."""
    reset(peer.sock)
    wait_until(lambda: is_away(server, name))


def answer_to(port: int, event: Event) -> Event:
    """What a new connection is answered."""
    with EventPeer(port) as peer:
        peer.tell(event)
        return peer.next_event()


def drain(peer: Peer) -> bytes:
    """Read up to the end of a connection, in whichever way it ends."""
    with contextlib.suppress(ConnectionError):
        while data := peer.sock.recv(65536):
            peer.received += data
    return peer.received


# --- coming back ----------------------------------------------------------------------------------------------------


def test_who_comes_back_hears_exactly_what_it_missed_and_the_room_sees_nothing() -> None:
    with room() as server, LinePeer(server.port, "Bob") as bob:
        ada = EventPeer(server.port, "Ada")
        ada.say("prima")
        last = number_of(ada.events_until("prima")[-1])
        lose(server, ada, "Ada")
        bob.send("uno\ndue\n")
        bob.expect("Bob: due\n")
        server.announce("tre")
        with EventPeer(server.port, "Eva") as eva:
            eva.tell(Quit())
            drain(eva)
        with BackPeer(server.port, ada.welcome.token, last) as back:
            assert (back.welcome.name, back.welcome.token) == ("Ada", ada.welcome.token)
            assert set(back.welcome.names) == {"Bob", "Ada"}
            assert (back.welcome.nonce, back.welcome.room) == (1, ada.welcome.room)
            missed = back.missed()
            assert [number_of(event) for event in missed] == list(range(last + 1, back.welcome.last + 1))
            assert texts_of(missed) == ["uno", "due", "tre"]
            assert [type(event) for event in missed[-2:]] == [Joined, Left]
            back.say("eccomi")
            assert "Ada " not in bob.expect("Ada: eccomi\n")
            assert number_of(back.next_event()) == back.welcome.last + 1


def test_after_the_grace_the_room_sees_one_leave_and_the_name_is_free() -> None:
    with room(grace_s=0.05) as server, EventPeer(server.port, "Bob") as bob, EventPeer(server.port, "Ada") as ada:
        bob.expect_event(Joined)
        reset(ada.sock)
        left = bob.expect_event(Left)
        assert (left.name, left.reason) == ("Ada", None)
        assert answer_to(server.port, Resume(ada.welcome.token, 1)) == UNKNOWN
        with EventPeer(server.port, "Ada") as again:
            assert again.welcome.token != ada.welcome.token
            again.say("nuova")
            assert [type(event) for event in bob.events_until("nuova")] == [Joined, Message]


def test_without_a_grace_whose_link_breaks_has_left_at_once() -> None:
    with room(grace_s=0.0) as server, EventPeer(server.port, "Bob") as bob, EventPeer(server.port, "Ada") as ada:
        bob.expect_event(Joined)
        reset(ada.sock)
        assert bob.expect_event(Left).name == "Ada"
        assert answer_to(server.port, Resume(ada.welcome.token, 1)) == UNKNOWN


def test_who_says_goodbye_is_not_waited_for() -> None:
    with room() as server, EventPeer(server.port, "Bob") as bob, EventPeer(server.port, "Ada") as ada:
        bob.expect_event(Joined)
        ada.tell(Quit())
        assert bob.expect_event(Left).name == "Ada"
        assert answer_to(server.port, Resume(ada.welcome.token, 1)) == UNKNOWN


@pytest.mark.parametrize("kind", [LinePeer, BarePeer])
def test_who_has_no_token_is_not_waited_for(kind: type[LinePeer | BarePeer]) -> None:
    with room() as server, EventPeer(server.port, "Bob") as bob:
        reset(kind(server.port, "Ada").sock)
        assert [type(bob.next_event()), type(bob.next_event())] == [Joined, Left]


def test_what_was_said_on_the_old_link_is_not_said_twice_on_the_new_one() -> None:
    with room() as server, EventPeer(server.port, "Bob") as bob, EventPeer(server.port, "Ada") as ada:
        bob.expect_event(Joined)
        ada.say("uno")
        ada.say("due")
        assert texts_of(bob.events_until("due")) == ["uno", "due"]
        reset(ada.sock)
        with BackPeer(server.port, ada.welcome.token, ada.welcome.last) as back:
            assert back.welcome.nonce == 2
            for nonce, text in ((1, "uno"), (2, "due"), (3, "tre"), (3, "tre"), (4, "quattro")):
                back.tell(Say(text, nonce))
            assert texts_of(bob.events_until("quattro")) == ["tre", "quattro"]


def test_what_the_old_link_still_holds_is_said_once_and_in_order() -> None:
    # Each link may say a hundred at once; the rest of the old one's waits in its thread when the new one takes over.
    with room(rate=1.0) as server, EventPeer(server.port, "Bob") as bob, EventPeer(server.port, "Ada") as ada:
        bob.expect_event(Joined)
        for nonce in range(150):
            ada.tell(Say(f"numero {nonce}", nonce))
        bob.events_until("numero 90")
        with BackPeer(server.port, ada.welcome.token, ada.welcome.last) as back:
            assert back.welcome.nonce is not None
            for nonce in range(back.welcome.nonce + 1, 150):
                back.tell(Say(f"numero {nonce}", nonce))
            heard = bob.events_until("numero 149")
            assert texts_of(heard) == [f"numero {number}" for number in range(91, 150)]
            wait_until(lambda: len(server.room.connections()) == 2)  # its thread waits no longer for its turn to speak


def test_a_link_that_nobody_noticed_to_be_dead_is_taken_over_and_hears_no_more() -> None:
    with room() as server, LinePeer(server.port, "Bob") as bob, EventPeer(server.port, "Ada") as old:
        with BackPeer(server.port, old.welcome.token, old.welcome.last + 1) as new:
            bob.say("per la nuova")
            assert texts_of(new.events_until("per la nuova")) == ["per la nuova"]
            assert drain(old) == b""
            new.say("sempre Ada")
            assert "abbandonato" not in bob.expect("Ada: sempre Ada\n")
        assert member_of(server, "Ada").said == 1


def test_of_many_links_that_come_back_at_once_one_is_the_member_and_the_others_are_closed() -> None:
    with room() as server, LinePeer(server.port, "Bob") as bob:
        alive = EventPeer(server.port, "Ada")
        token = alive.welcome.token
        for number in range(15):
            rivals = [EventPeer(server.port) for _ in range(3)]
            start = threading.Barrier(len(rivals))

            def resume(rival: EventPeer, start: threading.Barrier = start) -> None:
                start.wait()
                rival.tell(Resume(token, 0))

            threads = [threading.Thread(target=resume, args=(rival,)) for rival in rivals]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            wait_until(lambda: len(server.room.connections()) == 2, server.room.connections)
            wanted = f'"text":"giro {number}"'.encode()
            bob.say(f"giro {number}")
            winners = []
            for peer in [alive, *rivals]:
                with contextlib.suppress(ConnectionError):
                    while wanted not in peer.received and (data := peer.sock.recv(65536)):
                        peer.received += data
                if wanted in peer.received:
                    winners.append(peer)
                else:
                    peer.close()
            (alive,) = winners
            alive.tell(Say("io", number))
            alive.expect(f'"nonce":{number}}}\n')
        bob.say("fine")
        heard = bob.expect("Bob: fine\n")
        assert heard.count("Ada: io\n") == 15
        assert "Ada ha" not in heard
        alive.close()


def test_who_comes_back_just_when_the_grace_ends_has_not_left(monkeypatch: pytest.MonkeyPatch) -> None:
    resuming = threading.Event()
    give_up = Delivery._give_up

    def give_up_late(self: Delivery, member: Member, now: float) -> None:
        lost = member.connection
        resuming.set()
        wait_until(lambda: member.connection is not lost)
        give_up(self, member, now)

    with room(grace_s=0.05) as server, LinePeer(server.port, "Bob") as bob:
        ada = EventPeer(server.port, "Ada")
        monkeypatch.setattr(Delivery, "_give_up", give_up_late)
        with BackPeer(server.port) as back:
            reset(ada.sock)
            assert resuming.wait(10)
            back.come_back(ada.welcome.token, ada.welcome.last + 1)
            back.say("ancora qui")
            assert "abbandonato" not in bob.expect("Ada: ancora qui\n")
            with Peer(server.port) as other:
                other.send("Ada\n")
                other.expect(IT.taken)
            monkeypatch.setattr(Delivery, "_give_up", give_up)


def test_at_the_end_of_the_grace_one_is_back_or_has_left_and_never_both() -> None:
    lot = random.Random(1)
    came_back = 0
    with room(grace_s=0.03) as server, EventPeer(server.port, "Bob") as bob:
        for number in range(120):
            ada = EventPeer(server.port, "Ada")
            bob.expect_event(Joined)
            with EventPeer(server.port) as back:
                reset(ada.sock)
                # Nothing is waited for here: some shall come before the end of the grace and some after it.
                threading.Event().wait(lot.uniform(0.02, 0.04))
                back.tell(Resume(ada.welcome.token, ada.welcome.last + 1))
                answer = back.next_event()
                if isinstance(answer, Welcome):
                    came_back += 1
                    back.tell(Say(f"{number}", 1))
                    assert [type(event) for event in bob.events_until(f"{number}")] == [Message]
                    back.tell(Quit())
                else:
                    assert answer == UNKNOWN
                assert bob.expect_event(Left).name == "Ada"
        assert [member.name for member in server.room.members()] == ["Bob"]
        assert [member.name for member in server._delivery._present] == ["Bob"]
    print(f"{came_back} of 120 came back")


def test_who_comes_back_before_its_join_was_heard_is_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    joining = threading.Event()
    admit = Delivery._admit

    def admit_late(self: Delivery, client: Connection, now: float) -> None:
        if not joining.is_set():
            joining.set()
            wait_until(lambda: client.member and client.member.connection is not client)
        admit(self, client, now)

    with room(backlog=5) as server, EventPeer(server.port, "Bob") as bob, EventPeer(server.port) as ada:
        bob.say("prima di Ada")
        bob.events_until("prima di Ada")
        monkeypatch.setattr(Delivery, "_admit", admit_late)
        with BackPeer(server.port) as back:
            ada.tell(Join("Ada", TOKEN))
            assert joining.wait(10)
            back.come_back(TOKEN)
            assert back.welcome.token == TOKEN
            assert texts_of([back.next_event()]) == ["prima di Ada"]
            assert back.expect_event(Joined).name == "Ada"
            assert drain(ada) == b""
            back.say("dentro")
            assert [type(event) for event in bob.events_until("dentro")] == [Joined, Message]


def test_a_join_that_nobody_saw_answered_ends_in_one_member() -> None:
    with room() as server, EventPeer(server.port, "Bob") as bob:
        for number in range(40):
            name, token = f"Ada {number}", f"{TOKEN}-{number}"
            first = EventPeer(server.port)
            first.tell(Join(name, token))
            reset(first.sock)
            with EventPeer(server.port) as second:
                answer: Event = UNKNOWN
                for attempt in range(1000):
                    second.tell(Join(name, token) if attempt % 2 else Resume(token, 0))
                    answer = second.next_event()
                    if isinstance(answer, Welcome):
                        break
                    assert answer == UNKNOWN
                assert isinstance(answer, Welcome)
                assert answer.token == token
                second.tell(Say(f"{number}", 1))
                heard = bob.events_until(f"{number}")
                hers = [type(event) for event in heard if getattr(event, "name", "") == name]
                assert hers == [Joined, Message]
                second.tell(Quit())


def test_who_was_let_in_on_a_link_that_broke_is_no_stranger_to_its_own_name() -> None:
    with room() as server, EventPeer(server.port, "Bob") as bob:
        first, second = EventPeer(server.port), EventPeer(server.port)
        with second:
            second.tell(Resume(TOKEN, 0))
            assert second.expect_event(Refused) == UNKNOWN
            first.tell(Join("Ada", TOKEN))  # held up on its way until now
            bob.expect_event(Joined)
            second.tell(Join("Ada", TOKEN))
            assert second.expect_event(Welcome).name == "Ada"
            assert first.expect_event(Welcome).name == "Ada"
            second.say("io")
            assert bob.expect_event(Message).text == "io"
        first.close()


def test_a_join_that_was_held_up_takes_nothing_from_the_newer_link() -> None:
    with room() as server, EventPeer(server.port) as first, EventPeer(server.port) as second:
        second.tell(Join("Ada", TOKEN))
        second.expect_event(Welcome)
        first.tell(Join("Ada", TOKEN))
        assert first.expect_event(Refused) == Refused("taken")
        second.say("sempre qui")
        assert second.events_until("sempre qui")


@pytest.mark.parametrize(
    "token",
    ["", "a", "A" * 16, "A" * 65, "A" * 10_000, "\ud800" * 16, "\x00" * 16, "à" * 16, "A" * 16 + "\n", "{quit}"],
    ids=ascii,
)
def test_a_token_that_is_nobodys_is_refused_and_one_may_still_join(token: str) -> None:
    with room() as server, EventPeer(server.port, "Bob") as bob, EventPeer(server.port) as peer:
        peer.send(json.dumps({"type": "resume", "token": token, "last": 0}) + "\n")
        assert peer.expect_event(Refused) == UNKNOWN
        peer.send(json.dumps({"type": "join", "name": "Ada", "token": token}) + "\n")
        is_proposed_well = protocol.TOKEN.fullmatch(token) is not None
        assert (peer.expect_event(Welcome).token == token) == is_proposed_well
        assert bob.expect_event(Joined).name == "Ada"


@pytest.mark.parametrize("line", ['{"type":"resume"}', '{"type":"resume","token":1,"last":0}'])
def test_a_malformed_resume_is_answered_with_an_error(line: str) -> None:
    with room() as server, EventPeer(server.port) as peer:
        peer.send(line + "\n")
        assert peer.expect_event(Error) == Error("malformed")


def test_what_the_server_keeps_of_a_token_opens_nothing() -> None:
    with room() as server, EventPeer(server.port, "Ada") as ada:
        key = member_of(server, "Ada").token_key
        for token in (key.hex(), ada.welcome.token[:-1], ada.welcome.token + "A", ada.welcome.token.swapcase()):
            assert answer_to(server.port, Resume(token, 0)) == UNKNOWN


def test_to_propose_somebody_elses_token_gives_nothing_of_that_member() -> None:
    with room() as server, EventPeer(server.port) as ada, EventPeer(server.port) as mallory:
        ada.tell(Join("Ada", TOKEN))
        assert ada.expect_event(Welcome).token == TOKEN
        mallory.tell(Join("Mallory", TOKEN))
        assert mallory.expect_event(Welcome).token != TOKEN
        with BackPeer(server.port, TOKEN) as back:
            assert back.welcome.name == "Ada"
            mallory.say("io")
            assert [event.name for event in back.events_until("io") if isinstance(event, Message)] == ["Mallory"]


def test_who_is_in_the_room_cannot_become_another() -> None:
    with room() as server, EventPeer(server.port, "Ada") as ada, EventPeer(server.port, "Bob") as bob:
        bob.tell(Resume(ada.welcome.token, 0))
        assert bob.expect_event(Error) == Error("already joined")
        ada.say("sempre io")
        assert [event.name for event in bob.events_until("sempre io") if isinstance(event, Message)] == ["Ada"]


def test_a_token_reaches_its_owner_alone() -> None:
    with room(backlog=10) as server, contextlib.ExitStack() as stack:
        kinds: list[type[LinePeer | BarePeer | EventPeer]] = [LinePeer, BarePeer, EventPeer]
        watchers = [stack.enter_context(kind(server.port, kind.__name__)) for kind in kinds]
        ada = EventPeer(server.port, "Ada")
        token = ada.welcome.token
        ada.say("ciao")
        ada.events_until("ciao")
        lose(server, ada, "Ada")
        with BackPeer(server.port, token, ada.welcome.last) as back, LinePeer(server.port, "Nuovo") as newcomer:
            back.say("fine")
            for watcher in [*watchers, newcomer]:
                assert token not in watcher.expect("fine")
            assert token not in Operator(server, IT).answer("who")


def test_no_more_than_so_many_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lan_chat.server.delivery.MAX_AWAY", 2)
    with room() as server, EventPeer(server.port, "Bob") as bob:
        peers = []
        for number in range(3):
            peers.append(EventPeer(server.port, f"u{number}"))
            bob.expect_event(Joined)
            if number < 2:
                lose(server, peers[-1], f"u{number}")
        reset(peers[2].sock)
        assert bob.expect_event(Left).name == "u2"
        assert answer_to(server.port, Resume(peers[2].welcome.token, 0)) == UNKNOWN
        with BackPeer(server.port, peers[0].welcome.token) as back:
            assert back.welcome.names == ("Bob", "u0", "u1")


def test_stopping_does_not_wait_for_those_who_are_away() -> None:
    with room() as server, EventPeer(server.port, "Bob") as bob:
        lose(server, EventPeer(server.port, "Ada"), "Ada")
        bob.expect_event(Joined)
        server.stop()
        bob.expect_event(EndConn)
        assert server.room.members() == []


@pytest.mark.parametrize("bound", ["KEPT_EVENTS", "KEPT_CHARACTERS"])
def test_what_is_kept_is_bounded_and_a_longer_gap_shows_in_the_numbers(
    monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(f"lan_chat.server.delivery.{bound}", 20 if bound == "KEPT_EVENTS" else 20 * 100 + 50)
    with room(backlog=1000) as server, LinePeer(server.port, "Bob") as bob:
        ada = EventPeer(server.port, "Ada")
        lose(server, ada, "Ada")
        bob.expect("Ada si è unito alla chat!\n")
        for number in range(100):
            bob.say(f"{number:03}".ljust(100, "x"))
        bob.expect("Bob: 099".ljust(105, "x"))
        assert len(server._delivery._kept) == 20
        assert server._delivery._kept_characters == 20 * 100
        with BackPeer(server.port, ada.welcome.token, ada.welcome.last + 1) as back:
            missed = back.missed()
            assert [text[:3] for text in texts_of(missed)] == [f"{number:03}" for number in range(80, 100)]
            assert number_of(missed[0]) > ada.welcome.last + 2  # something is missing, and it shows
        server.announce("y" * 3000)  # longer than all that is kept
        bob.expect("y" * 3000)
        with EventPeer(server.port, "Eva") as eva:
            assert len(eva.before) <= 20


def test_who_came_later_is_not_shown_what_was_said_before_it_by_coming_back() -> None:
    with room(backlog=2) as server, LinePeer(server.port, "Bob") as bob:
        bob.send("segreto\nuno\ndue\n")
        bob.expect("Bob: due\n")
        with EventPeer(server.port, "Ada") as ada:
            assert texts_of(ada.before) == ["uno", "due"]
            with BackPeer(server.port, ada.welcome.token, 0) as back:
                missed = back.missed()
                assert texts_of(missed) == ["uno", "due"]
                assert isinstance(missed[-1], Joined)


# --- the operator, and those who are away ---------------------------------------------------------------------------


def test_who_is_kicked_cannot_come_back_from_that_moment_on() -> None:
    with room() as server, EventPeer(server.port, "Bob") as bob:
        operator = Operator(server, IT)
        for number in range(30):
            ada = EventPeer(server.port, "Ada")
            bob.expect_event(Joined)
            with EventPeer(server.port) as back:
                if number % 2:
                    lose(server, ada, "Ada")
                operator.answer("kick Ada")
                back.tell(Resume(ada.welcome.token, 0))
                assert back.expect_event(Refused) == UNKNOWN
                left = bob.expect_event(Left)
                assert (left.name, left.reason) == ("Ada", "kicked")
            ada.close()


def test_who_is_kicked_while_it_comes_back_has_left(monkeypatch: pytest.MonkeyPatch) -> None:
    kicked = threading.Event()
    admit_again = Delivery._admit_again

    def admit_again_late(self: Delivery, client: Connection, last: int, now: float) -> None:
        assert kicked.wait(10)
        admit_again(self, client, last, now)

    with room() as server, EventPeer(server.port, "Bob") as bob, EventPeer(server.port, "Ada") as ada:
        bob.expect_event(Joined)
        monkeypatch.setattr(Delivery, "_admit_again", admit_again_late)
        with EventPeer(server.port) as back:
            old = member_of(server, "Ada").connection
            back.tell(Resume(ada.welcome.token, 0))
            wait_until(lambda: member_of(server, "Ada").connection is not old)
            Operator(server, IT).answer("kick Ada")
            kicked.set()
            left = bob.expect_event(Left)
            assert (left.name, left.reason) == ("Ada", "kicked")
            assert b'"reason":"kicked"' in drain(back)
            drain(ada)
        assert [member.name for member in server.room.members()] == ["Bob"]


def test_who_is_kicked_before_the_room_heard_that_it_is_back_leaves_no_link_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with room() as server, EventPeer(server.port, "Bob") as bob, EventPeer(server.port, "Ada") as ada:
        bob.expect_event(Joined)
        reclaim = server.room.reclaim

        def reclaim_and_be_kicked(client: Connection, token: str) -> bool:
            is_known = reclaim(client, token)
            Operator(server, IT).answer("kick Ada")
            return is_known

        monkeypatch.setattr(server.room, "reclaim", reclaim_and_be_kicked)
        with EventPeer(server.port) as back:
            back.tell(Resume(ada.welcome.token, 0))
            left = bob.expect_event(Left)
            assert (left.name, left.reason) == ("Ada", "kicked")
            drain(back)
            drain(ada)  # the link that had been hers until then
        wait_until(lambda: len(server.room.connections()) == 1)
        bob.say("da solo")
        assert [type(event) for event in bob.events_until("da solo")] == [Message]
        assert [member.name for member in server._delivery._present] == ["Bob"]


@pytest.mark.parametrize("is_in_the_room", [True, False])
def test_who_is_sent_away_by_its_address_as_it_asks_to_come_in_leaves_no_name_behind(
    is_in_the_room: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with room() as server, EventPeer(server.port) as back:
        if is_in_the_room:
            ada = EventPeer(server.port, "Ada")
            token = ada.welcome.token
            lose(server, ada, "Ada")
        (client,) = [client for client in server.room.connections() if not client.is_dropped]
        for method in ("reclaim", "claim"):
            ask = getattr(server.room, method)

            def ask_and_be_sent_away(*arguments: object, ask: Callable[..., object] = ask) -> object:
                server.kick(client)
                wait_until(lambda: client.is_dropped)
                return ask(*arguments)

            monkeypatch.setattr(server.room, method, ask_and_be_sent_away)
        back.tell(Resume(token, 0) if is_in_the_room else Join("Ada", TOKEN))
        drain(back)
        wait_until(lambda: not server.room.connections())
        monkeypatch.undo()
        with EventPeer(server.port, "Ada") as again:
            assert again.welcome.names == ("Ada",)


def test_a_banned_address_keeps_no_place_for_who_has_just_lost_its_link(monkeypatch: pytest.MonkeyPatch) -> None:
    may_close = threading.Event()
    close = Connection.close

    def close_late(self: Connection) -> None:
        assert may_close.wait(10)
        close(self)

    monkeypatch.setattr(Connection, "close", close_late)
    with room() as server, EventPeer(server.port, "Ada") as ada, EventPeer(server.port, "Bob") as bob:
        lose(server, ada, "Ada")
        Operator(server, IT).answer("ban 127.0.0.1")
        wait_until(lambda: not server.room.members(), server.room.members)
        may_close.set()
        assert b'"type":"left"' in drain(bob)
        assert server.room._tokens == {}


def test_a_banned_name_keeps_no_place_while_it_is_away() -> None:
    with room() as server, EventPeer(server.port, "Bob") as bob, EventPeer(server.port, "Ada") as ada:
        bob.expect_event(Joined)
        lose(server, ada, "Ada")
        operator = Operator(server, IT)
        operator.answer("ban Ada")
        assert bob.expect_event(Left).name == "Ada"
        with Peer(server.port) as again:
            assert again.expect_end() == IT.banned
        operator.answer("unban Ada")
        with EventPeer(server.port) as back:
            back.tell(Resume(ada.welcome.token, 0))
            assert back.expect_event(Refused) == UNKNOWN


def test_who_reads_too_slowly_cannot_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lan_chat.server.delivery.MAX_UNSENT_BYTES", 100_000)
    with room() as server, EventPeer(server.port, "Bob") as bob, EventPeer(server.port, "Ada") as ada:
        left: list[Event] = []
        while not left:
            bob.send(bob.decoder.encode(Say("x" * 15_000, None)) * 50)
            bob.say("basta")
            left = [event for event in bob.events_until("basta") if isinstance(event, Left)]
        assert isinstance(left[0], Left)
        assert (left[0].name, left[0].reason) == ("Ada", "too slow")
        assert answer_to(server.port, Resume(ada.welcome.token, 0)) == UNKNOWN


def test_the_operator_sees_and_mutes_who_is_away() -> None:
    with room() as server, EventPeer(server.port, "Ada") as ada:
        operator = Operator(server, ENGLISH)
        lose(server, ada, "Ada")
        who = operator.answer("who")
        assert "Ada" in who
        assert ENGLISH.operator_absent in who
        assert operator.answer("mute Ada") == "Ada cannot write any more."
        with BackPeer(server.port, ada.welcome.token, ada.welcome.last + 1) as back:
            back.say("muta")
            assert back.expect_event(Error) == Error("muted", nonce=1)
            operator.answer("unmute Ada")
            back.say("parlo")
            assert texts_of(back.events_until("parlo")) == ["parlo"]
            assert ENGLISH.operator_absent not in operator.answer("who")


# --- what was said before -------------------------------------------------------------------------------------------


def test_a_newcomer_is_shown_the_last_that_was_said() -> None:
    with room(backlog=3) as server, LinePeer(server.port, "Bob") as bob:
        bob.send("uno\ndue\n")
        bob.expect("Bob: due\n")
        server.announce("tre")
        LinePeer(server.port, "Eva").close()  # nobody is told who came and went before
        bob.say("quattro")
        bob.expect("Bob: quattro\n")
        with EventPeer(server.port, "Ada") as ada:
            assert texts_of(ada.before) == ["due", "tre", "quattro"]
            assert len(ada.before) == 3
            assert all(number_of(event) <= ada.welcome.last for event in ada.before)
            bob.say("cinque")
            assert texts_of(ada.events_until("cinque")) == ["cinque"]


def test_netcat_is_shown_it_with_the_time_in_front_of_each_line() -> None:
    with room(backlog=5) as server, EventPeer(server.port, "Bob") as bob:
        bob.say("uno\nFinto: due")
        bob.events_until("uno\nFinto: due")
        with Peer(server.port) as netcat:
            netcat.send("Lia\n")
            rows = netcat.expect("Lia si è unito alla chat!\n").split("\n")
            assert rows[1] == IT.welcome.format(name="Lia")
            assert [re.sub(r"^\d\d:\d\d ", "HH:MM ", row) for row in rows[2:4]] == [
                "HH:MM Bob: uno",
                "HH:MM Bob: Finto: due",
            ]
            assert rows[4:] == ["Lia si è unito alla chat!", ""]


def test_the_original_is_shown_nothing_of_before() -> None:
    with room(backlog=5) as server, LinePeer(server.port, "Bob") as bob:
        bob.say("prima")
        bob.expect("Bob: prima\n")
        with BarePeer(server.port, "Ada") as ada:  # which reads a welcome and that it has joined
            bob.say("dopo")
            assert ada.recv() == b"Bob: dopo"


def test_without_a_backlog_nothing_is_shown() -> None:
    with room(backlog=0) as server, LinePeer(server.port, "Bob") as bob:
        bob.say("prima")
        bob.expect("Bob: prima\n")
        with EventPeer(server.port, "Ada") as ada, Peer(server.port) as netcat:
            assert ada.before == []
            netcat.send("Lia\n")
            assert "prima" not in netcat.expect("Lia si è unito alla chat!\n")


# --- the file -------------------------------------------------------------------------------------------------------


@pytest.fixture
def file(own_settings: Path) -> Path:
    return own_settings / "storia è.db"


@contextlib.contextmanager
def recorded_room(file: Path, **options: float) -> Iterator[ChatServer]:
    """A server in this process that records, or should."""
    history, notice = chat_server.open_history(file, IT)
    with room(history=history, notice=notice, **options) as server:  # type: ignore[arg-type]
        yield server


def rows_of(file: Path) -> list[tuple[int, str, str | None, str | None]]:
    """What is in a history by now."""
    with contextlib.closing(sqlite3.connect(file)) as opened:
        return opened.execute("SELECT id, type, name, text FROM events ORDER BY id").fetchall()


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
            assert bare.recv().decode() == IT.welcome.format(name="Ugo")
            assert bare.recv().decode() == sentence


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


def chatter(peer: EventPeer, number: int) -> None:
    """Talk until the link breaks."""
    with contextlib.suppress(OSError):
        for nonce in range(10**9):
            peer.send(peer.decoder.encode(Say(f"{number}/{nonce} ciao", nonce)))


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
    assert server._delivery._history is not None
    assert server._delivery._history._file is not None
    (pages,) = server._delivery._history._file.execute("PRAGMA page_count").fetchone()
    server._delivery._history._file.execute(f"PRAGMA max_page_count = {pages}")


def fail_in_the_middle(server: ChatServer, file: Path) -> None:
    """Have the file refuse the departures of a batch whose events it took."""
    history = server._delivery._history
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
        hold = threading.Event()
        admit_again = Delivery._admit_again

        def admit_again_with_news(self: Delivery, client: Connection, last: int, now: float) -> None:
            self._tell_room(Announcement(self._next_id(), now, "novità"))
            admit_again(self, client, last, now)
            hold.set()

        monkeypatch.setattr(Delivery, "_admit_again", admit_again_with_news)
        monkeypatch.setattr(History, "write", fail)
        with BackPeer(server.port, ada.welcome.token, ada.welcome.last + 1) as back:
            assert hold.wait(10)
            assert texts_of(back.missed()) == ["novità", IT.recording_failed]


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


# --- files that cannot be used --------------------------------------------------------------------------------------


def make_history(file: Path) -> bytes:
    """Record something; gives the file's bytes."""
    with recorded_room(file) as server, EventPeer(server.port, "Ada") as ada, LinePeer(server.port, "Bob") as bob:
        for number in range(200):
            ada.say(f"numero {number} ".ljust(60, "x"))
        ada.say("fine")
        ada.events_until("fine")
        bob.expect("fine")
    return file.read_bytes()


def damage_none(file: Path) -> Path:
    return file


def make_random(file: Path) -> Path:
    file.write_bytes(random.Random(3).randbytes(10_000))
    return file


def make_truncated(file: Path) -> Path:
    whole = make_history(file)
    file.write_bytes(whole[: len(whole) // 2])
    return file


def make_anothers(file: Path) -> Path:
    with contextlib.closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE events (id, time, type, name, text, nonce, reason)")
        other.execute("INSERT INTO events VALUES (1, 2.0, 'message', 'Ada', 'un altro programma', 1, NULL)")
        other.commit()
    return file


def make_text(file: Path) -> Path:
    file.write_text("Questa è una lettera.\n" * 100, encoding="utf-8")
    return file


def make_folder(file: Path) -> Path:
    file.mkdir()
    return file


def make_missing(file: Path) -> Path:
    return file.parent / "non c'è" / file.name


@pytest.mark.parametrize("make", [make_random, make_truncated, make_anothers, make_text, make_folder, make_missing])
def test_a_file_that_is_no_history_is_one_sentence_and_left_as_it_is(
    file: Path, make: Callable[[Path], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = make(file)
    before = path.read_bytes() if path.is_file() else None
    with recorded_room(path) as server, EventPeer(server.port, "Ada") as ada:
        assert ada.before == [Notice("not recorded")]
        ada.say("si parla lo stesso")
        ada.events_until("si parla lo stesso")
    output = capsys.readouterr().out
    assert output.count("\n") == 1
    assert str(path) in output
    assert "Traceback" not in output
    assert (path.read_bytes() if path.is_file() else None) == before


def test_the_program_says_it_and_goes_on(file: Path) -> None:
    make_random(file)
    with Program(
        TOP / "chat_server.py", "--host", "127.0.0.1", "--port", "0", "--history", str(file), stdin=subprocess.DEVNULL
    ) as program:
        assert str(file) in program.expect("nulla viene")
        program.expect("127.0.0.1  port")
        with EventPeer(int(program.expect("\n").split()[-1]), "Ada") as ada:
            assert ada.before == [Notice("not recorded")]
            program.interrupt()
            status, output = program.expect_end()
            assert (status, "Traceback" in output) == (0, False)


def test_a_file_that_may_only_be_read_is_a_sentence_and_left_as_it_is(file: Path) -> None:
    before = make_history(file)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy = folder / "sola lettura.db"
        copy.write_bytes(before)
        copy.chmod(0o444)
        folder.chmod(0o555 if sys.platform != "win32" else 0o777)
        # The superuser may write everywhere.
        drop = "os.setuid(65534)" if hasattr(os, "geteuid") and os.geteuid() == 0 else "pass"
        code = (
            "import os, sys, chat_server\nopen_history = chat_server.open_history\n"
            f"def open_as_anybody(*arguments):\n    {drop}\n    return open_history(*arguments)\n"
            "chat_server.open_history = open_as_anybody\nsys.exit(chat_server.main())"
        )
        options = ("--host", "127.0.0.1", "--port", "0", "--history", str(copy))
        with Program("-c", code, *options, stdin=subprocess.DEVNULL, PYTHONPATH=str(TOP)) as program:
            assert str(copy) in program.expect("nulla viene")
            program.expect("127.0.0.1  port")
            with EventPeer(int(program.expect("\n").split()[-1]), "Ada") as ada:
                assert ada.before == [Notice("not recorded")]
                program.interrupt()
                status, output = program.expect_end()
            assert (status, "Traceback" in output) == (0, False)
        assert copy.read_bytes() == before
        folder.chmod(0o777)
        copy.chmod(0o666)


def test_a_locked_file_is_a_sentence(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lan_chat.server.history.HISTORY_LOCK_S", 0.05)
    make_history(file)
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with recorded_room(file) as server, EventPeer(server.port, "Ada") as ada:
            assert ada.before == [Notice("not recorded")]
        assert "locked" in capsys.readouterr().out
    with recorded_room(file) as server, EventPeer(server.port, "Ada") as ada:
        assert ada.before[0] == Notice("recorded")


def test_no_damage_of_a_file_is_more_than_a_sentence(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = make_history(file)
    lot = random.Random(4)
    target = file.with_suffix(".csv")
    answers: Counter[str] = Counter()
    for number in range(150):
        damaged = file.with_name(f"{number}.db")
        content = bytearray(whole)
        for _ in range(lot.choice([1, 3, 30])):
            start = lot.randrange(len(whole))
            content[start : start + lot.choice([1, 4, 500])] = lot.randbytes(lot.choice([1, 4, 500]))
        damaged.write_bytes(content)
        for options in ([], ["--attendance"]):
            status = chat_server.main(["--history", str(damaged), "--export", str(target), *options])
            answers[f"export {status}"] += 1
        history, notice = chat_server.open_history(damaged, IT)
        answers[notice.about if notice else ""] += 1
        if history is None:
            continue
        with room(history=history, notice=notice, backlog=10) as server, EventPeer(server.port, f"u{number}") as peer:
            peer.say("ciao")
            peer.events_until("ciao")
            with BackPeer(server.port, peer.welcome.token, last=1) as back:
                assert texts_of(back.missed())[-1] == "ciao"
    assert len(answers) == 4, answers
    print(answers)
    assert "Traceback" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE events SET time = 'ieri' WHERE id = 7",
        "UPDATE events SET time = 1e300 WHERE id = 7",
        "UPDATE events SET time = -1 WHERE id = 7",
        "UPDATE events SET text = x'ff00' WHERE id = 7",
        "UPDATE events SET text = CAST(x'ff41' AS TEXT) WHERE id = 7",
        "UPDATE events SET nonce = 'uno' WHERE id = 7",
        "UPDATE members SET left_id = NULL, replay_from = 'x'",
        "UPDATE members SET left_id = NULL, token_key = 'x'",
        "DROP TABLE members",
        "ALTER TABLE events ADD COLUMN more",
    ],
)
def test_a_history_with_a_damaged_row_is_a_sentence(
    file: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make_history(file)
    with contextlib.closing(sqlite3.connect(file)) as opened:
        opened.execute(damage)
        opened.commit()
    is_made_again = damage.startswith("DROP")
    with recorded_room(file, backlog=300) as server, EventPeer(server.port, "Zoe") as zoe:
        assert zoe.before[0] == Notice("recorded" if is_made_again else "not recorded")
    assert str(file) in capsys.readouterr().out or is_made_again
    if "events" in damage:
        status, output = export(file, file.with_suffix(".csv"))
        assert (status, output.count("\n"), "Traceback" in output) == (2, 1, False)


def test_a_second_server_on_the_same_file_goes_on_without_it(file: Path) -> None:
    with ServerProgram("--history", str(file)) as first, EventPeer(first.port, "Ada") as ada:
        with Program(TOP / "chat_server.py", "--host", "127.0.0.1", "--port", "0", "--history", str(file)) as second:
            assert IT.history_in_use in second.expect("nulla viene")
            second.expect("127.0.0.1  port")
            with EventPeer(int(second.expect("\n").split()[-1]), "Bob") as bob:
                assert bob.before == [Notice("not recorded")]
                bob.say("non qui")
                bob.events_until("non qui")
                second.interrupt()
                assert second.expect_end()[0] == 0
        ada.say("qui")
        ada.events_until("qui")
        assert [row[3] for row in rows_of(file)] == [None, "qui"]
        first.interrupt()
        first.expect_end()
    with recorded_room(file) as server, EventPeer(server.port, "Ada") as ada:
        assert ada.before[0] == Notice("recorded")


# --- exports --------------------------------------------------------------------------------------------------------

TRICKY = ["=1+1", "+39 06", "-1", "@SUM(A1)", 'a,b;"c"', "due\nrighe", "ñ \U0001f600 「字」", "'già", "\t=1", "=a\n=b"]


def export(file: Path, target: Path, *options: str) -> tuple[int, str]:
    with Program(TOP / "chat_server.py", "--history", str(file), "--export", str(target), *options) as program:
        return program.expect_end()


def test_what_was_said_comes_out_as_it_was_and_no_cell_is_a_formula(file: Path) -> None:
    with ServerProgram("--history", str(file)) as program, EventPeer(program.port, "=Ada") as ada:
        for text in TRICKY:
            ada.say(text)
        said = texts_of(ada.events_until(TRICKY[-1]))
        with EventPeer(program.port, "Bob") as bob:
            bob.tell(Quit())
            drain(bob)
        ada.expect_event(Joined)
        ada.expect_event(Left)

        table, plain = file.with_suffix(".CSV"), file.with_name("storia.txt")
        assert export(file, table) == (0, IT.export_done.format(count=len(TRICKY) + 3, file=table) + "\n")
        assert table.read_bytes().startswith(b"\xef\xbb\xbf")
        with table.open(encoding="utf-8-sig", newline="") as opened:
            cells = list(csv.reader(opened))
        assert cells[0] == ["id", "time", "type", "name", "text"]
        assert [row[0] for row in cells[1:]] == [str(number) for number in range(1, len(TRICKY) + 4)]
        assert not [cell for row in cells for cell in row if cell[:1] in ("=", "+", "-", "@", "\t", "\r")]
        written = [row[4] for row in cells[1:] if row[2] == "message"]
        assert [
            cell[cell.startswith("'") and line[0] in "=+-@\t" :] for cell, line in zip(written, said, strict=True)
        ] == said

        assert export(file, plain)[0] == 0
        content = plain.read_text(encoding="utf-8")
        assert "=Ada: due\n    righe\n" in content
        assert "* Bob ha abbandonato la Chat.\n" in content
        assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d |    ", line) for line in content.splitlines())

        assert export(file, table, "--attendance")[0] == 0
        with table.open(encoding="utf-8-sig", newline="") as opened:
            rows = list(csv.reader(opened))
        assert rows[0] == ["name", "first seen", "last seen", "messages"]
        assert [(row[0], row[3]) for row in rows[1:]] == [("'=Ada", str(len(TRICKY))), ("Bob", "0")]
        ada.say("ancora")  # the server was not held up
        ada.events_until("ancora")
        program.process.kill()
        program.process.wait()
    assert export(file, plain)[1] == IT.export_done.format(count=len(TRICKY) + 4, file=plain) + "\n"  # nor the kill


def test_an_export_while_a_server_writes_is_a_whole_beginning(file: Path) -> None:
    target = file.with_suffix(".csv")
    with ServerProgram("--history", str(file), "--rate", "2000") as program, EventPeer(program.port, "Ada") as ada:
        talk = threading.Thread(target=chatter, args=(ada, 0))
        talk.start()
        reader = threading.Thread(target=drain, args=(ada,))
        reader.start()
        for _ in range(10):
            count = export_history(file, target, False, IT)
            with target.open(encoding="utf-8-sig", newline="") as opened:
                cells = list(csv.reader(opened))[1:]
            assert len(cells) == count
            assert [row[0] for row in cells] == [str(number) for number in range(1, count + 1)]
        program.process.kill()
        program.process.wait()
        talk.join()
        reader.join()


@pytest.mark.parametrize(
    "make", [damage_none, make_random, make_truncated, make_anothers, make_text, make_folder, make_missing]
)
def test_what_cannot_be_exported_is_one_sentence_and_leaves_the_last_export(
    file: Path, make: Callable[[Path], Path]
) -> None:
    path = make(file)
    target = file.with_name("di ieri.txt")
    target.write_text("di ieri")
    before = names_beside(file)
    status, output = export(path, target)
    assert status == 2
    assert output.count("\n") == 1
    assert str(path) in output
    assert target.read_text() == "di ieri"
    assert names_beside(file) == before


def names_beside(file: Path) -> list[str]:
    """What is in the folder, but for what SQLite needs to read a file that another program may be writing."""
    names = (entry.name for entry in file.parent.iterdir())
    return sorted(name for name in names if not name.endswith(("-shm", "-wal")))


def test_a_history_is_not_exported_over_itself(file: Path) -> None:
    before = make_history(file)
    assert export(file, file)[0] == 2
    assert export(file, file.parent / ".." / file.parent.name / file.name)[0] == 2
    assert file.read_bytes() == before


def test_an_export_that_cannot_be_written_is_one_sentence(file: Path) -> None:
    make_history(file)
    for target in (file.parent, file.parent / "non c'è" / "x.csv"):
        status, output = export(file, target)
        assert (status, output.count("\n"), "Traceback" in output) == (2, 1, False)


@pytest.mark.parametrize(
    "options",
    [
        ["--export", "x.txt"],
        ["--attendance"],
        ["--history", "x.db", "--attendance"],
        ["--grace", "-1"],
        ["--grace", "nan"],
        ["--grace", "inf"],
        ["--backlog", "-1"],
        ["--backlog", "10001"],
        ["--history"],
    ],
)
def test_options_that_cannot_work_are_explained(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        chat_server.main(options)
    assert ended.value.code == 2
    assert options[0] in capsys.readouterr().err
