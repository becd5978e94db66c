"""Whoever leaves, in whichever way, leaves nothing behind in the room."""

from __future__ import annotations

import socket
import threading

import pytest

from lan_chat.server.server import ChatServer
from protocol import Joined, Left
from tests.support.peers import BarePeer, EventPeer, LinePeer, Peer, reset
from tests.support.waiting import wait_until


@pytest.mark.parametrize("kind", [LinePeer, BarePeer, EventPeer])
@pytest.mark.parametrize("leave", [Peer.close, lambda peer: reset(peer.sock)], ids=["close", "reset"])
def test_who_vanishes_has_left_and_its_name_is_free(server: ChatServer, kind: type[Peer], leave: object) -> None:
    with LinePeer(server.port, "Bob") as bob:
        ada = kind(server.port, "Ada")
        bob.expect("Ada si è unito alla chat!\n")
        leave(ada)  # type: ignore[operator]
        assert bob.expect("Chat.\n") == "Ada ha abbandonato la Chat.\n"
        kind(server.port, "ADA").close()


def test_nobody_joins_under_a_name_whose_bearer_has_not_left(server: ChatServer) -> None:
    def come_and_go(count: int) -> None:
        for _ in range(count):
            with Peer(server.port) as peer:
                # Asked for twice: the refusal of the first is still on its way when the name becomes free.
                peer.send("Ada\nAda\n{quit}\n")
                peer.expect_end()

    with EventPeer(server.port, "Eva") as watcher:
        threads = [threading.Thread(target=come_and_go, args=(60,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with LinePeer(server.port, "Lia") as lia:
            lia.say("fine")
        present = False
        for event in watcher.events_until("fine"):
            if isinstance(event, Joined | Left) and event.name == "Ada":
                assert isinstance(event, Left) is present
                present = not present


def test_whoever_comes_and_goes_leaves_nothing_in_the_registries(server: ChatServer) -> None:
    for number in range(100):
        peer = Peer(server.port)
        if number % 3:
            peer.send("Ada\n" if number % 2 else '{"type":"hello","version":1,"language":"it"}\n{"type":"join","na')
        if number % 5 == 0:
            reset(peer.sock)
        peer.close()
    wait_until(lambda: not server.room.addresses, lambda: server.room.addresses)
    assert not server.room.names


def test_a_half_closed_client_still_gets_the_rest(server: ChatServer) -> None:
    with Peer(server.port) as peer:
        peer.send("Ada\n" + "parola " * 1000 + "\nultima\n")
        peer.sock.shutdown(socket.SHUT_WR)
        assert peer.expect_end().endswith("Ada: ultima\n")
