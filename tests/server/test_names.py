"""Choosing a name: who is let in, and who is asked again."""

from __future__ import annotations

import pytest

from lan_chat.server.server import ChatServer
from lan_chat.server.words import ITALIAN
from protocol import Join, Refused, Welcome
from tests.support.peers import EventPeer, LinePeer, Peer
from tests.support.servers import start, talk_to

TAKEN = ITALIAN.taken
INVALID = ITALIAN.invalid


@pytest.mark.parametrize("name", ["Ada: io", "x" * 33, "｛quit｝", "\u3164"])
def test_what_cannot_be_a_name_is_asked_again(server: ChatServer, name: str) -> None:
    with talk_to(server) as peer:
        peer.send(f"{name}\n")
        peer.expect(INVALID)
        peer.send("Ada\n")
        peer.expect("Benvenuto Ada!")


def test_a_name_with_a_newline_is_refused_in_every_dialect(server: ChatServer) -> None:
    with talk_to(server) as bare, EventPeer(server.port) as events:
        bare.send("Ada\nBob: ciao")
        assert bare.recv().decode() == INVALID
        bare.send("Ada")
        assert bare.recv().decode().startswith("Benvenuto Ada!")
        events.tell(Join("Bea\nBob: ciao"))
        assert events.expect_event(Refused).reason == "invalid"
        events.tell(Join("Bea"))
        assert events.expect_event(Welcome).name == "Bea"


def test_a_name_that_is_given_back_is_free_again(server: ChatServer) -> None:
    for _ in range(20):
        with LinePeer(server.port, "Ada") as ada:
            ada.say("{quit}")
            ada.expect_end()


@pytest.mark.parametrize("word", ["{quit}", "<quit>", "{quit}\n", "{quit}\r\n"])
def test_quit_while_choosing_a_name_closes_the_connection(server: ChatServer, word: str) -> None:
    for _ in range(2):  # the original could do it once
        with talk_to(server) as peer:
            peer.send(word)
            # At `<quit>` the original's client does not close by itself.
            assert peer.expect_end().strip() == ("{end_conn}" if word == "<quit>" else "")


def test_who_has_no_name_yet_does_not_read_the_room(server: ChatServer) -> None:
    with talk_to(server) as stranger, LinePeer(server.port, "Ada") as ada:
        ada.say("un segreto")
        ada.expect("Ada: un segreto")
        stranger.send("Bob\n")
        assert stranger.expect("Bob si è unito alla chat!\n").startswith("\nBenvenuto Bob!")


def test_nobody_bears_the_servers_name(server: ChatServer) -> None:
    with talk_to(server) as peer:
        peer.send("SERVER\n")
        peer.expect(TAKEN)


def test_the_time_to_choose_a_name_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lan_chat.server.greeted.NAME_S", 0.2)
    server = start()
    with Peer(server.port) as silent, Peer(server.port) as undecided:
        undecided.send("Ada: x\n")
        assert ITALIAN.too_late in silent.expect_end()
        assert ITALIAN.too_late in undecided.expect_end()
    server.stop()


def test_who_has_a_name_may_be_silent(monkeypatch: pytest.MonkeyPatch, server: ChatServer) -> None:
    monkeypatch.setattr("lan_chat.server.connection.IDLE_S", 0.02)
    monkeypatch.setattr("lan_chat.server.greeted.NAME_S", 0.5)
    with LinePeer(server.port, "Ada") as ada, Peer(server.port) as silent:
        silent.expect(ITALIAN.too_late)  # the time is up, for those without a name
        ada.say("ci sono")
        ada.expect("Ada: ci sono\n")
