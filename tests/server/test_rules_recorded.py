"""What the operator has forbidden outlives the server where the room is recorded, and only there."""

from __future__ import annotations

from pathlib import Path

import protocol
from lan_chat.server.commands import Operator
from lan_chat.server.words import ENGLISH
from protocol import Error, Join, Notice, Refused, Say
from tests.support.peers import EventPeer, Peer, answer_to
from tests.support.servers import recorded_room, room


def test_bans_and_mutes_outlive_the_server(file: Path) -> None:
    with recorded_room(file) as server, EventPeer(server.port, "Eva") as eva:
        operator = Operator(server, ENGLISH)
        for command in ('ban "Mallory" spam', "ban 10.1.2.0/24", "ban 10.9.9.9", "unban 10.9.9.9", "mute Eva"):
            operator.answer(command)
        listed = operator.answer("bans"), operator.answer("mutes")
    with recorded_room(file) as server:
        operator = Operator(server, ENGLISH)
        assert (operator.answer("bans"), operator.answer("mutes")) == listed
        assert "10.9.9.9" not in listed[0]
        assert answer_to(server.port, Join("MALLORY")) == Refused("banned")
        with EventPeer(server.port, "Eva") as eva:
            assert Notice(protocol.MUTED) in eva.before
            eva.tell(Say("posso?", 1))
            assert eva.expect_event(Error).reason == "muted"
        operator.answer("unmute Eva")
        operator.answer("unban Mallory")
    with recorded_room(file) as server, EventPeer(server.port, "Mallory"), EventPeer(server.port, "Eva") as eva:
        eva.say("ora si")
        eva.events_until("ora si")


def test_a_banned_address_is_turned_away_by_the_next_server(file: Path) -> None:
    with recorded_room(file) as server, EventPeer(server.port, "Eva"):
        Operator(server, ENGLISH).answer("ban 127.0.0.1")
    with recorded_room(file) as server, Peer(server.port) as peer:
        assert server.room.is_banned("127.0.0.1")
        peer.expect("{end_conn}")


def test_the_whole_room_stays_muted(file: Path) -> None:
    with recorded_room(file) as server:
        Operator(server, ENGLISH).answer("mute *")
    with recorded_room(file) as server, EventPeer(server.port, "Eva") as eva:
        assert Notice(protocol.QUIET) in eva.before
        Operator(server, ENGLISH).answer("unmute *")
    with recorded_room(file) as server:
        assert not server.room.is_quiet


def test_without_a_file_nothing_is_forbidden_by_an_earlier_server() -> None:
    with room() as server:
        Operator(server, ENGLISH).answer('ban "Mallory"')
    with room() as server, EventPeer(server.port, "Mallory"):
        assert server.room.rules() == []
