"""What a newcomer is shown of what was said before."""

from __future__ import annotations

import re

import protocol
from lan_chat.server.broadcast import MAX_BACKLOG_BYTES
from lan_chat.server.words import ITALIAN
from protocol import Joined, Message, Welcome
from tests.support.peers import BarePeer, EventPeer, LinePeer, Peer, number_of, texts_of
from tests.support.servers import Serve, room

IT = ITALIAN


def test_a_newcomer_is_shown_the_last_that_was_said() -> None:
    with room(backlog=3) as server, LinePeer(server.port, "Bob") as bob:
        bob.send("uno\ndue\n")
        bob.expect("Bob: due\n")
        server.call(lambda: server.delivery.announce("tre"))
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


def test_what_a_newcomer_is_shown_has_a_limit_that_the_last_piece_keeps() -> None:
    with room(backlog=20) as server, EventPeer(server.port, "Bob") as bob:
        for number in range(20):
            bob.say(f"{'a' * 25}\n" * 499 + f"{number}")
        bob.events_until(f"{'a' * 25}\n" * 499 + "19")
        with Peer(server.port) as netcat:
            netcat.send("Lia\n")
            shown = netcat.expect("Lia si è unito alla chat!\n")
            assert "Bob: 19\n" in shown
            assert MAX_BACKLOG_BYTES / 2 < len(shown) < MAX_BACKLOG_BYTES + 1000


def test_without_a_backlog_nothing_is_shown() -> None:
    with room(backlog=0) as server, LinePeer(server.port, "Bob") as bob:
        bob.say("prima")
        bob.expect("Bob: prima\n")
        with EventPeer(server.port, "Ada") as ada, Peer(server.port) as netcat:
            assert ada.before == []
            netcat.send("Lia\n")
            assert "prima" not in netcat.expect("Lia si è unito alla chat!\n")


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
