"""The operator's commands, for members whose link is broken."""

from __future__ import annotations

import contextlib
import threading

import pytest

import protocol
from lan_chat.server.commands import Operator
from lan_chat.server.connection import Connection
from lan_chat.server.mail import NameProposed
from lan_chat.server.membership import MemberState
from lan_chat.server.words import ENGLISH, ITALIAN
from protocol import EndConn, Error, Event, Join, Joined, Left, Message, Notice, Refused, Resume, Say, Welcome
from tests.support.peers import BackPeer, EventPeer, Peer, answer_to, come_back, drain, texts_of
from tests.support.servers import Serve, held, lose, room
from tests.support.waiting import wait_until

IT = ITALIAN
TOKEN = "un-gettone-di-prova"
UNKNOWN = Refused("unknown token")


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
                assert back.expect_event(Error) == Error("kicked")
                back.expect_event(EndConn)
                left = bob.expect_event(Left)
                assert (left.name, left.reason) == ("Ada", "kicked")
            ada.close()


def test_who_is_kicked_while_it_comes_back_has_left_and_leaves_no_link_behind() -> None:
    with room() as server, EventPeer(server.port, "Bob") as bob, EventPeer(server.port, "Ada") as ada:
        bob.expect_event(Joined)
        kick = threading.Thread(target=Operator(server, IT).answer, args=("kick Ada",))
        with EventPeer(server.port) as back:
            back.settle()
            with held(server) as waiting:
                back.tell(Resume(ada.welcome.token, 0))
                waiting.expect_mail(Resume)
                waiting.start_call(kick)
            left = bob.expect_event(Left)
            assert (left.name, left.reason) == ("Ada", "kicked")
            assert b'"reason":"kicked"' in drain(back)
            drain(ada)  # the link that had been hers until then
        kick.join()
        assert [member.name for member in server.room.members()] == ["Bob"]
        wait_until(lambda: len(server.room.connections()) == 1)
        bob.say("da solo")
        assert [type(event) for event in bob.events_until("da solo")] == [Message]


@pytest.mark.parametrize("is_in_the_room", [True, False])
@pytest.mark.parametrize("asks_first", [True, False])
def test_who_is_sent_away_as_it_asks_to_come_in_leaves_no_name_behind(is_in_the_room: bool, asks_first: bool) -> None:
    with room() as server, contextlib.ExitStack() as stack:
        token = TOKEN
        if is_in_the_room:
            ada = EventPeer(server.port, "Ada")
            token = ada.welcome.token
            lose(server, ada, "Ada")
            wait_until(lambda: not server.room.connections())
        back = stack.enter_context(EventPeer(server.port))
        (connection,) = server.room.connections()
        expel = threading.Thread(target=server.call, args=(lambda: server.delivery._expel(connection.recipient),))
        back.settle()
        with held(server) as waiting:
            for asks in (asks_first, not asks_first):
                if asks:
                    back.tell(Resume(token, 0) if is_in_the_room else Join("Ada", TOKEN))
                    waiting.expect_mail(Resume if is_in_the_room else NameProposed)
                else:
                    waiting.start_call(expel)
        expel.join()
        drain(back)
        wait_until(lambda: not server.room.connections())
        # What it had said counts, in either order: it was a member, and has left.
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
            assert again.expect_end() == IT.banned + "{end_conn}"
        operator.answer("unban Ada")
        with EventPeer(server.port) as back:
            back.tell(Resume(ada.welcome.token, 0))
            assert back.expect_event(Refused) == UNKNOWN


def test_who_reads_too_slowly_cannot_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lan_chat.server.broadcast.MAX_UNSENT_BYTES", 100_000)
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
            assert back.expect_event(Notice) == Notice(protocol.MUTED)
            back.say("muta")
            assert back.expect_event(Error) == Error("muted", nonce=1)
            operator.answer("unmute Ada")
            assert back.expect_event(Notice) == Notice(protocol.MAY_WRITE)
            back.say("parlo")
            assert texts_of(back.events_until("parlo")) == ["parlo"]
            assert ENGLISH.operator_absent not in operator.answer("who")


def test_who_was_sent_away_does_not_come_back(serve: Serve) -> None:
    server = serve()
    with EventPeer(server.port, "Ada") as ada:
        member = server.room.find("Ada")
        assert member is not None
        server.call(lambda: server.delivery.kick(member))
        ada.expect_end()
        peer, answer = come_back(server.port, ada.welcome.token, 0)
        peer.close()
        assert answer == Error("kicked")


def test_who_is_kicked_while_it_is_away_is_told_so_when_it_comes_back_and_may_join_again() -> None:
    with room() as server, EventPeer(server.port, "Ada") as ada:
        lose(server, ada, "Ada")
        Operator(server, IT).answer("kick Ada troppo rumore")
        for _ in range(2):
            peer, answer = come_back(server.port, ada.welcome.token, 0)
            assert answer == Error("kicked", detail="troppo rumore")
            peer.expect_event(EndConn)
            assert drain(peer) == peer.received
            peer.close()
        with EventPeer(server.port) as again:
            again.tell(Join("Ada", ada.welcome.token))
            again.expect_event(Welcome)
            lose(server, again, "Ada")
        with BackPeer(server.port, ada.welcome.token):
            pass


def test_the_operator_may_send_away_who_has_no_link(serve: Serve) -> None:
    server = serve()
    with EventPeer(server.port, "Ada") as ada, EventPeer(server.port, "Bob") as bob:
        member = server.room.find("Ada")
        assert member is not None
        ada.close()
        wait_until(lambda: member.state is MemberState.AWAY)
        operator = Operator(server, ITALIAN)
        assert ITALIAN.operator_absent in operator.answer("who")
        assert operator.answer("kick Ada") == ITALIAN.operator_kicked.format(name="Ada")
        left = bob.expect_event(Left)
        assert (left.name, left.reason) == ("Ada", "kicked")
