"""One connection: greeting, dialects, and events that come out of turn."""

from __future__ import annotations

import json
import socket

import pytest

from lan_chat.server.server import ChatServer
from lan_chat.server.words import ITALIAN
from protocol import Error, Join, Joined, Message, Refused, Resume, Say, Welcome
from tests.support.peers import GREETING, BarePeer, EventPeer, LinePeer, Peer
from tests.support.sends import Sends
from tests.support.servers import talk_to

TAKEN = ITALIAN.taken


def test_the_greeting_is_the_originals_and_a_mark(server: ChatServer) -> None:
    with Peer(server.port) as peer:
        assert peer.recv() == "Salve! Digita il tuo Nome seguito dal tasto Invio!\u00a0".encode()


def test_netcat_reads_one_message_a_line(server: ChatServer) -> None:
    with Peer(server.port) as netcat:
        netcat.send("Ada\nciao\n{quit}\n")
        assert netcat.expect_end().replace("\u00a0", "") == (
            "Salve! Digita il tuo Nome seguito dal tasto Invio!\n"
            "Benvenuto Ada! Se vuoi lasciare la Chat, scrivi {quit} per uscire.\n"
            "Ada si è unito alla chat!\n"
            "Ada: ciao\n"
        )


def test_a_last_line_without_its_end_counts(server: ChatServer) -> None:
    with Peer(server.port) as netcat:
        netcat.send("Ada\nciao")
        netcat.sock.shutdown(socket.SHUT_WR)
        assert netcat.expect_end().endswith("Ada: ciao\n")


def test_a_bare_client_has_each_message_as_a_send_of_its_own(server: ChatServer, sends: Sends) -> None:
    """So that each is a `recv` of its own, unless the client's machine is busy for longer than the pause."""
    with BarePeer(server.port, "Ada") as ada, LinePeer(server.port, "Bob") as bob:
        bob.send("uno\ndue\ntre\n")
        ada.expect("Bob: tre")
        received = [data.decode() for data in sends.recvs(ada)]
        assert received[-4:] == ["Bob si è unito alla chat!", "Bob: uno", "Bob: due", "Bob: tre"]


@pytest.mark.parametrize("name", ["ada", "ADA", " Ada ", "Ａｄａ", "A\u0064a"])
def test_second_of_two_equal_names_is_asked_again(server: ChatServer, name: str) -> None:
    with LinePeer(server.port, "Ada"), talk_to(server) as other:
        other.send(f"{name}\n")
        assert other.expect("diverso:\n") == f"\n{TAKEN}\n"
        other.send("Bea\n")
        other.expect("Benvenuto Bea!")


NO_EVENTS = ["{]", "[1]", '"testo"', '{"type":5}', '{"type":"say","nonce":1}', "[" * 50_000, "\xff"]


@pytest.mark.parametrize("line", NO_EVENTS, ids=lambda line: line[:30])
def test_what_is_no_event_is_answered_with_an_error(server: ChatServer, line: str) -> None:
    with EventPeer(server.port, "Eva") as events:
        events.send(line.encode("latin-1") + b"\n")
        assert events.expect_event(Error).reason == "malformed"
        events.say("ancora qui")
        assert events.expect_event(Message).text == "ancora qui"


def test_unknown_types_and_fields_are_passed_over(server: ChatServer) -> None:
    with EventPeer(server.port, "Eva") as events:
        events.send(json.dumps({"type": "typing", "since": 3}) + "\n")
        events.send(json.dumps({"type": "welcome", "name": "x", "token": "", "names": [], "last": 0}) + "\n")
        events.send(json.dumps({"type": "say", "text": "ciao", "nonce": 1, "colour": "red"}) + "\n")
        assert events.expect_event(Message).text == "ciao"


def test_events_out_of_turn_are_refused(server: ChatServer) -> None:
    with EventPeer(server.port) as events:
        events.tell(Say("troppo presto", 1))
        assert events.expect_event(Error) == Error("not joined", nonce=1)
        events.tell(Resume("un altro", 5))
        assert events.expect_event(Refused).reason == "unknown token"
        events.tell(Join("Eva"))
        events.expect_event(Welcome)
        events.expect_event(Joined)
        events.tell(Join("Eva"))
        assert events.expect_event(Error).reason == "already joined"


def test_the_greeting_comes_first_also_for_who_does_not_wait_for_it(server: ChatServer) -> None:
    for _ in range(30):
        with Peer(server.port) as peer:
            peer.send('{"type":"hello","version":1,"language":"it"}\n{"type":"join","name":"Eva"}\n{quit}\n')
            assert peer.expect_end().startswith(GREETING + '{"type":"welcome","name":"Eva"')


def test_a_hello_may_come_in_pieces(server: ChatServer) -> None:
    with talk_to(server) as peer:
        for letter in '{"type":"hello","version":1,"language":"it"}\n{"type":"join","name":"Eva"}\n':
            peer.send(letter)
        peer.expect('{"type":"welcome","name":"Eva"')
