"""Stopping: everybody is told, and no thread is left."""

from __future__ import annotations

import pytest

from lan_chat.server.server import ChatServer
from protocol import EndConn
from tests.support.peers import BarePeer, EventPeer, LinePeer, Peer, drain
from tests.support.programs import ON_WINE
from tests.support.sends import Sends
from tests.support.servers import start, talk_to


@pytest.mark.slow
def test_stopping_tells_everybody_whatever_they_speak(server: ChatServer, sends: Sends) -> None:
    silent = [talk_to(server) for _ in range(5)]
    bares = [BarePeer(server.port, f"bare{number}") for number in range(20)]
    lines = [LinePeer(server.port, f"lines{number}") for number in range(15)]
    events = [EventPeer(server.port, f"events{number}") for number in range(10)]
    for bare in bares:
        bare.expect("events9 si è unito alla chat!")
    for number in range(3):
        lines[0].say(f"ultima {number}")
    lines[0].expect("ultima 2\n")
    server.stop()
    for bare in bares:
        assert drain(bare).decode().endswith("ultima 2{end_conn}")
        assert sends.recvs(bare)[-1] == b"{end_conn}"
    assert lines[0].expect_end() == "{end_conn}\n"
    for line_peer in lines[1:]:
        assert line_peer.expect_end().endswith("ultima 2\n{end_conn}\n")
    for member in events:
        while not isinstance(member.next_event(), EndConn):
            pass
    for nameless in silent:
        assert nameless.expect_end() == "{end_conn}"
    for peer in [*silent, *bares, *lines, *events]:
        peer.close()
    assert not server.room.addresses
    assert not server.room.names


def test_stopping_twice_is_stopping_once(server: ChatServer) -> None:
    server.stop()
    server.stop()


@pytest.mark.slow
def test_stopping_in_the_middle_of_everything_leaves_no_thread() -> None:
    for _ in range(30 if not ON_WINE else 3):  # where no reader wakes when its socket is shut down
        server = start()
        peers = [Peer(server.port) for _ in range(4)]
        for number, peer in enumerate(peers[1:]):
            peer.send(f"nome{number}\nciao\n" * 3)
        server.stop()
        for peer in peers:
            peer.close()
