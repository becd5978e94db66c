"""Floods, slow readers and a full room, over real sockets."""

from __future__ import annotations

import re
import socket

import pytest

from lan_chat.server import hosts
from lan_chat.server.commands import Operator
from lan_chat.server.options import BURST
from lan_chat.server.server import ChatServer
from lan_chat.server.words import ITALIAN
from protocol import Error, Say
from tests.support.peers import EventPeer, LinePeer, Peer, drain
from tests.support.programs import ON_WINE
from tests.support.servers import limits, start, talk_to
from tests.support.waiting import wait_until


def test_one_connection_too_many_is_refused_in_words() -> None:
    server = start(limits(max_clients=2))
    with talk_to(server), talk_to(server) as second, Peer(server.port) as third:
        assert third.expect_end() == ITALIAN.full + "{end_conn}"
        second.close()
        wait_until(lambda: len(server.room.addresses) == 1)
        talk_to(server).close()
    server.stop()


def test_an_address_that_connects_again_and_again_waits_and_the_operator_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(hosts, "CONNECT_RATE", 0.001)
    monkeypatch.setattr(hosts, "CONNECT_BURST", 3.0)
    server = start(limits(max_per_host=10))
    for _ in range(3):
        talk_to(server).close()
    with Peer(server.port) as late, Peer(server.port, source="127.0.0.2") as bob:
        late.send("Ada\n")
        wait_until(lambda: ITALIAN.limit_connecting in caplog.text)
        bob.send("Bob\n")
        bob.expect("Bob si è unito alla chat!\n")
        assert [member.name for member in server.room.members()] == ["Bob"]
        server.stop()
        assert drain(late) == b"{end_conn}"


def test_a_flood_is_slowed_and_loses_nothing() -> None:
    server = start(limits(rate=2000.0))
    with LinePeer(server.port, "Ada") as ada, LinePeer(server.port, "Bob") as bob:
        ada.send("".join(f"numero {number}\n" for number in range(1000)))
        heard = bob.expect("Ada: numero 999\n")
        assert heard.splitlines() == [f"Ada: numero {number}" for number in range(1000)]
    server.stop()


def test_a_flood_does_not_hold_up_the_others_nor_the_end() -> None:
    server = start(limits(rate=1.0))
    with LinePeer(server.port, "Ada") as ada, LinePeer(server.port, "Bob") as bob:
        ada.send("".join(f"numero {number}\n" for number in range(1000)))
        bob.expect(f"numero {BURST - 2}\n")  # her name was the first that she said
        bob.say("e io?")
        bob.expect("Bob: e io?\n")
        server.stop()
        ada.expect("{end_conn}")


@pytest.mark.skipif(ON_WINE, reason="wine does not bound SO_RCVBUF: the system takes 30 MB for who does not read")
def test_who_reads_too_slowly_is_let_go_and_the_others_lose_nothing(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lan_chat.server.broadcast.MAX_UNSENT_BYTES", 100_000)
    with LinePeer(server.port, "Ada") as ada, LinePeer(server.port, "Bob") as bob:
        slow = LinePeer(server.port, "Lento")
        slow.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        text = "x" * 10_000
        heard = ""
        while "Lento ha abbandonato la Chat." not in heard:
            ada.say(text)
            heard = bob.expect(f"Ada: {text}\n")
            ada.expect(f"Ada: {text}\n")
        ada.say("fine")
        bob.expect("Ada: fine\n")
        slow.close()


@pytest.mark.slow
def test_a_flood_of_many_lines_in_one_message_is_slowed_too() -> None:
    server = start(limits(rate=1.0))
    with EventPeer(server.port, "Eva") as events, LinePeer(server.port, "Lia") as lines:
        for number in range(1, 4):  # fifty units each
            events.tell(Say("a\n" * 499 + "a", number))
        lines.expect("Eva: a\n" * 1000)
        events.tell(Say("uno", 4))
        lines.say("io intanto")
        assert lines.expect("Lia: io intanto\n") == "Lia: io intanto\n"
        server.stop()


def test_muting_silences_what_a_flood_has_still_to_say() -> None:
    server = start(limits(rate=1.0))
    with LinePeer(server.port, "Ada") as ada, LinePeer(server.port, "Flo") as flo:
        flo.send("".join(f"numero {number}\n" for number in range(300)))
        ada.expect("numero 50\n")
        Operator(server, ITALIAN).answer("mute Flo")
        ada.say("finalmente")
        ada.expect("Ada: finalmente\n")
        flo.expect(ITALIAN.muted)
        ada.say("silenzio")
        assert ada.expect("silenzio\n") == "Ada: silenzio\n"
    server.stop()


def test_a_name_is_only_taken_by_who_is_let_in() -> None:
    server = start(limits(rate=1.0))
    with EventPeer(server.port) as slow:
        slow.send("[]\n" * 500 + '{"type":"join","name":"Ada"}\n')
        slow.expect_event(Error)
        LinePeer(server.port, "Ada").close()
    server.stop()


def test_who_talks_too_fast_is_slowed_for_as_long_as_it_takes(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    waits: list[float] = []
    with LinePeer(server.port, "Ada"):
        (client,) = server.room.connections()
        with monkeypatch.context() as patched:
            patched.setattr(client.mailbox, "wait_until_shut", waits.append)  # as if nothing had ended meanwhile
            assert server._slow_down(client, 50.0)
    assert waits == [50.0]
    assert "Ada" not in caplog.text
    assert re.search(r"127\.0\.0\.1:\d+ scrive troppo in fretta e viene rallentato\.", caplog.text)
