"""A connection or a member that changes its state just as something else happens to it."""

from __future__ import annotations

import logging
import queue
import threading
from typing import Any

import pytest

from lan_chat.server import broadcast, leaving
from lan_chat.server.leaving import Leaving
from lan_chat.server.listening import open_listener
from lan_chat.server.mail import Ended
from lan_chat.server.mailbox import Mailbox
from lan_chat.server.membership import ConnectionState, MemberState, Recipient
from lan_chat.server.server import ChatServer
from lan_chat.server.words import ITALIAN
from protocol import EndConn, Error, Event, Join, Joined, Left, Message, Quit, Resume, Welcome
from tests.support.peers import EventPeer, LinePeer, Peer, answer_to, drain, reset
from tests.support.servers import held, limits, lose, member_of, room, start
from tests.support.waiting import DEADLINE_S, wait_until


def kick(server: ChatServer, name: str) -> None:
    server.call(lambda: server.delivery.kick(member_of(server, name)))


def test_who_is_kicked_just_as_its_link_breaks_has_left() -> None:
    with room() as server, EventPeer(server.port, "Bob") as bob, EventPeer(server.port, "Ada") as ada:
        bob.expect_event(Joined)
        caller = threading.Thread(target=kick, args=(server, "Ada"))
        with held(server) as waiting:
            waiting.start_call(caller)
            reset(ada.sock)
            waiting.expect_mail(Ended)
        caller.join()
        assert [member.name for member in server.room.members()] == ["Bob"]
        left = bob.expect_event(Left)
        assert (left.name, left.reason) == ("Ada", "kicked")
        assert answer_to(server.port, Resume(ada.welcome.token, 0)) == Error("kicked")


def test_who_is_kicked_after_its_link_has_broken_leaves_with_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with room() as server, EventPeer(server.port, "Bob") as bob, EventPeer(server.port, "Ada") as ada:
        bob.expect_event(Joined)
        member = member_of(server, "Ada")

        def break_and_kick() -> None:
            assert member.recipient is not None
            server.delivery._parts.broadcast.break_off(member.recipient, "a broken pipe")
            assert member.recipient.state is ConnectionState.BROKEN
            server.delivery.kick(member, detail="troppo rumore")

        server.call(break_and_kick)
        left = bob.expect_event(Left)
        assert (left.name, left.reason) == ("Ada", "kicked")
        assert "Ada esce: allontanato dall'operatore: troppo rumore." in caplog.text
        assert answer_to(server.port, Resume(ada.welcome.token, 0)) == Error("kicked", detail="troppo rumore")


def test_who_is_kicked_has_left_although_its_link_breaks_in_the_middle_of_that(monkeypatch: pytest.MonkeyPatch) -> None:
    with room() as server, EventPeer(server.port, "Bob") as bob, EventPeer(server.port, "Ada") as ada:
        bob.expect_event(Joined)
        member = member_of(server, "Ada")
        take = Mailbox.take

        def take_and_break(self: Mailbox) -> list[Event]:
            said = take(self)
            if ada.sock.fileno() >= 0:
                reset(ada.sock)
                wait_until(lambda: any(isinstance(event, Ended) for event in self._said))
            return said

        def break_and_kick() -> None:
            with monkeypatch.context() as patch:
                patch.setattr(Mailbox, "take", take_and_break)
                server.delivery.kick(member)

        server.call(break_and_kick)
        left = bob.expect_event(Left)
        assert (left.name, left.reason) == ("Ada", "kicked")
        assert member.state is MemberState.GONE
        assert answer_to(server.port, Resume(ada.welcome.token, 0)) == Error("kicked")


@pytest.mark.parametrize("breaks", [False, True], ids=["leaves", "breaks, and no place is held"])
def test_who_is_kicked_just_as_it_leaves_cannot_take_that_up_again(breaks: bool) -> None:
    with room(grace_s=0.0) as server, EventPeer(server.port, "Bob") as bob, EventPeer(server.port, "Ada") as ada:
        bob.expect_event(Joined)
        caller = threading.Thread(target=kick, args=(server, "Ada"))
        with held(server) as waiting:
            waiting.start_call(caller)
            if breaks:
                reset(ada.sock)
                waiting.expect_mail(Ended)
            else:
                ada.tell(Quit())
                waiting.expect_mail(Quit)
        caller.join()
        assert bob.expect_event(Left).name == "Ada"
        bob.say("senza di lei")
        assert bob.expect_event(Message).text == "senza di lei"
        assert answer_to(server.port, Resume(ada.welcome.token, 0)) == Error("kicked")
        with EventPeer(server.port) as eva:
            eva.tell(Join("Eva", ada.welcome.token, ada.welcome.last, ada.welcome.room))
            assert eva.expect_event(Welcome).missing is None


def test_what_comes_after_a_connection_has_left_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaving, "LINGER_S", 0.05)
    with room() as server, EventPeer(server.port, "Bob") as bob, LinePeer(server.port, "Ada") as ada:
        bob.expect_event(Joined)
        recipient = member_of(server, "Ada").recipient
        assert recipient is not None
        ada.send("ciao\n<quit>")  # it is read as a goodbye when the connection ends
        assert bob.expect_event(Message).text == "ciao"
        kick(server, "Ada")
        assert bob.expect_event(Left).reason == "kicked"
        with EventPeer(server.port, "Ada") as again:
            bob.expect_event(Joined)
            wait_until(lambda: len(server.room.connections()) == 2)
            again.say("sono io")
            assert bob.expect_event(Message).text == "sono io"
        assert recipient.state is ConnectionState.CLOSED
        assert drain(ada).decode().count("{end_conn}") == 1


def test_who_is_kicked_as_it_reads_too_slowly_is_told_one_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcast, "MAX_UNSENT_BYTES", 1)
    with room() as server, LinePeer(server.port, "Ada") as ada:
        member = member_of(server, "Ada")

        def be_slow_and_kicked() -> None:
            for _ in range(500):  # more than the system takes at once
                server.delivery.announce("x" * 16000)
            server.delivery.kick(member)
            assert member.recipient in server.delivery._parts.broadcast.too_slow

        server.call(be_slow_and_kicked)
        assert drain(ada).decode().count("{end_conn}") == 1


def test_who_is_banned_before_it_was_greeted_is_not_greeted_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    may_go_on, has_gone_on = threading.Event(), threading.Event()
    hand_over = Mailbox.hand_over

    def hand_over_late(self: Mailbox, events: list[Event]) -> None:
        assert may_go_on.wait(DEADLINE_S)
        hand_over(self, events)
        has_gone_on.set()

    monkeypatch.setattr(Mailbox, "hand_over", hand_over_late)
    with room() as server, Peer(server.port) as peer:
        wait_until(server.room.connections)
        (connection,) = server.room.connections()
        server.call(lambda: server.delivery.ban("127.0.0.1"))
        assert connection.recipient in server.delivery._parts.leaving
        may_go_on.set()
        assert has_gone_on.wait(DEADLINE_S)
        assert server.call(lambda: connection.recipient.state) in (ConnectionState.LEAVING, ConnectionState.CLOSED)
        assert list(server.delivery._parts.greeted) == []
        assert drain(peer).decode() == ITALIAN.banned + "{end_conn}"
        peer.close()
        wait_until(lambda: not server.room.connections())
        assert connection.recipient.state is ConnectionState.CLOSED


def test_a_grace_that_ends_just_as_the_server_stops_ends_once() -> None:
    with room() as server, EventPeer(server.port, "Bob") as bob, EventPeer(server.port, "Ada") as ada:
        bob.expect_event(Joined)
        lose(server, ada, "Ada")
        member = member_of(server, "Ada")
        stop = threading.Thread(target=server.stop)
        with held(server) as waiting:
            waiting.start_call(stop)
            waiting.end_grace()
        bob.expect_event(EndConn)
        stop.join()
        assert member.state is MemberState.GONE
        assert server.room.members() == []


def test_who_comes_to_a_full_room_as_the_server_stops_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    flush_all = Leaving._flush_all
    server = start(limits(max_clients=1, greeting_wait_s=DEADLINE_S))
    with Peer(server.port) as ada, Peer(server.port) as extra:
        ada.send("Ada\n")
        ada.expect("Benvenuto Ada!")
        wait_until(lambda: len(server.room.connections()) == 2)

        def flush_late(self: Leaving, recipients: list[Recipient], deadline: float) -> list[Recipient]:
            extra.send("Bea\n")  # it has spoken, and asks for a place
            wait_until(lambda: not server.delivery._queue.empty())
            return flush_all(self, recipients, deadline)

        monkeypatch.setattr(Leaving, "_flush_all", flush_late)
        server.stop()
        assert server.room.connections() == []


def test_what_was_done_just_before_the_room_closed_was_done() -> None:
    class LateQueue(queue.SimpleQueue[Any]):
        """Goes on only when the room is closed."""

        def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
            super().put(item)
            if item != delivery._close_room:
                delivery.stop(DEADLINE_S)

    server = ChatServer(open_listener("127.0.0.1", 0), limits())
    delivery = server.delivery
    delivery._queue = delivery._collector._works = LateQueue()
    server.start()
    assert server.call(lambda: "done") == "done"
    with pytest.raises(RuntimeError):
        server.call(lambda: "too late")
    server.stop()
