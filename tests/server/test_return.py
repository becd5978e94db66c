"""A member that has left comes back with its token: what it missed meanwhile is shown to it, and nobody else's past."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from lan_chat.server.server import ChatServer
from protocol import Event, Join, Joined, Left, Message, Quit, Refused, Resume, Say, Welcome
from tests.support.peers import BackPeer, EventPeer, LinePeer, answer_to, drain, number_of, reset, texts_of
from tests.support.servers import lose, recorded_room, room
from tests.support.waiting import wait_until


def leave(server: ChatServer, peer: EventPeer, name: str) -> None:
    """Break a link, and wait until the grace is over, which lasts for a moment here."""
    reset(peer.sock)
    wait_until(lambda: server.room.find(name) is None)


def join_again(port: int, token: str, last: int, room_id: str | None, name: str = "Ada") -> BackPeer:
    back = BackPeer(port)
    back.tell(Join(name, token, last, room_id))
    back.welcome = back.expect_event(Welcome)
    back.nonce = back.welcome.nonce or 0
    return back


def say_many(bob: LinePeer, count: int, size: int = 10) -> list[str]:
    texts = [f"{number} ".ljust(size, "x") for number in range(count)]
    bob.send("".join(f"{text}\n" for text in texts))
    bob.expect(f"Bob: {texts[-1]}\n")
    return texts


@pytest.mark.parametrize("is_recorded", [False, True], ids=["in memory", "in a file"])
def test_who_comes_back_after_the_grace_is_shown_all_that_it_missed(is_recorded: bool, file: Path) -> None:
    opened = recorded_room(file, grace_s=0, backlog=5) if is_recorded else room(grace_s=0, backlog=5)
    with opened as server, LinePeer(server.port, "Bob") as bob, EventPeer(server.port, "Ada") as ada:
        ada.say("ciao")
        last = number_of(ada.events_until("ciao")[-1])
        leave(server, ada, "Ada")
        texts = say_many(bob, 80)
        assert answer_to(server.port, Resume(ada.welcome.token, last)) == Refused("unknown token")
        with join_again(server.port, ada.welcome.token, last, ada.welcome.room) as back:
            assert (back.welcome.nonce, back.welcome.missing, back.welcome.name) == (1, 0, "Ada")
            if is_recorded:
                back.next_event()  # the notice
            missed = back.missed()
            assert [number_of(event) for event in missed] == list(range(last + 1, back.welcome.last + 1))
            assert isinstance(missed[0], Left)
            assert isinstance(missed[-1], Joined)
            assert texts_of(missed) == texts
            back.tell(Say("ciao", 1))  # it was said before
            back.say("eccomi")
            assert [number_of(event) for event in back.events_until("eccomi")] == [back.welcome.last + 1]


def test_more_than_memory_keeps_comes_out_of_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lan_chat.server.timeline.KEPT_EVENTS", 20)
    monkeypatch.setattr("lan_chat.server.timeline.KEPT_CHARACTERS", 2_000)
    with recorded_room(file) as server, LinePeer(server.port, "Bob") as bob, EventPeer(server.port, "Ada") as ada:
        lose(server, ada, "Ada")
        texts = say_many(bob, 1_000, size=1_000)
        with BackPeer(server.port, ada.welcome.token, ada.welcome.last) as back:
            assert back.welcome.missing == 0
            assert texts_of(back.missed()) == texts


def test_a_file_that_fails_while_what_was_missed_is_read_leaves_nothing_out_in_silence(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lan_chat.server.timeline.KEPT_EVENTS", 20)
    with recorded_room(file) as server, LinePeer(server.port, "Bob") as bob, EventPeer(server.port, "Ada") as ada:
        lose(server, ada, "Ada")
        texts = say_many(bob, 100)

        def fail(*_: object) -> None:
            raise sqlite3.OperationalError("disk I/O error")

        monkeypatch.setattr("lan_chat.server.history.History.read_after", fail)
        with BackPeer(server.port, ada.welcome.token, ada.welcome.last + 1) as back:
            assert back.welcome.missing == 0
            assert drain(back) == b""  # it is let go, and not shown the rest as if that were all
        with BackPeer(server.port, ada.welcome.token, ada.welcome.last + 1) as back:
            assert back.welcome.missing == 80
            assert texts_of(back.missed()) == texts[-20:]


def test_who_was_here_as_somebody_that_nobody_knows_any_more_is_told_how_much_it_lacks() -> None:
    with room(grace_s=60) as server, LinePeer(server.port, "Bob") as bob, EventPeer(server.port, "Ada") as ada:
        last = ada.welcome.last + 1
        say_many(bob, 5)
        newcomer = EventPeer(server.port, "Eva")  # in this room before, up to `last`, under a token that is forgotten
        lose(server, newcomer, "Eva")
        with BackPeer(server.port, newcomer.welcome.token, last) as back:
            assert back.welcome.missing == 5
            assert [type(event) for event in back.missed()] == [Joined]


@pytest.mark.parametrize("is_gone", [False, True], ids=["in its grace", "after it"])
def test_what_it_saw_of_another_room_means_nothing_here(is_gone: bool) -> None:
    with room(grace_s=0 if is_gone else 60) as server, EventPeer(server.port, "Ada") as ada:
        (leave if is_gone else lose)(server, ada, "Ada")
        with BackPeer(server.port) as back:
            token = ada.welcome.token
            back.tell(Join("Ada", token, 500, "another") if is_gone else Resume(token, 500, "another"))
            back.welcome = back.expect_event(Welcome)
            assert isinstance(back.next_event(), Joined)


def test_who_saw_nothing_after_its_welcome_is_known_when_it_comes_back() -> None:
    with room(grace_s=0) as server, EventPeer(server.port, "Bob") as bob, EventPeer(server.port, "Ada") as ada:
        ada.say("detto")
        bob.events_until("detto")
        leave(server, ada, "Ada")
        with join_again(server.port, ada.welcome.token, 0, ada.welcome.room) as back:
            assert (back.welcome.nonce, back.welcome.missing) == (1, 0)
            assert [type(event) for event in back.missed()] == [Joined, Message, Left, Joined]


def test_without_a_file_what_is_missing_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lan_chat.server.timeline.KEPT_EVENTS", 20)
    with room(grace_s=0) as server, LinePeer(server.port, "Bob") as bob, EventPeer(server.port, "Ada") as ada:
        leave(server, ada, "Ada")
        texts = say_many(bob, 100)
        with join_again(server.port, ada.welcome.token, ada.welcome.last + 1, ada.welcome.room) as back:
            missed = back.missed()
            assert texts_of(missed) == texts[-19:]
            assert back.welcome.missing == number_of(missed[0]) - ada.welcome.last - 2


def test_no_more_is_shown_than_a_window_holds(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lan_chat.server.timeline.SHOWN_EVENTS", 30)
    with recorded_room(file) as server, LinePeer(server.port, "Bob") as bob, EventPeer(server.port, "Ada") as ada:
        lose(server, ada, "Ada")
        texts = say_many(bob, 100)
        with BackPeer(server.port, ada.welcome.token, ada.welcome.last + 1) as back:
            assert texts_of(back.missed()) == texts[-30:]
            assert back.welcome.missing == 70


def test_it_comes_back_under_another_name_and_what_it_said_is_not_said_twice() -> None:
    with room(grace_s=0) as server, EventPeer(server.port, "Bob") as bob, EventPeer(server.port, "Ada") as ada:
        ada.say("una volta")
        last = number_of(ada.events_until("una volta")[-1])
        leave(server, ada, "Ada")
        with EventPeer(server.port, "Ada"):
            again = BackPeer(server.port)
            again.tell(Join("Ada", ada.welcome.token, last, ada.welcome.room))
            assert again.expect_event(Refused).reason == "taken"
            again.tell(Join("Ada Due", ada.welcome.token, last, ada.welcome.room))
            assert again.expect_event(Welcome).nonce == 1
            again.tell(Say("una volta", 1))
            again.tell(Say("altra volta", 2))
            heard = bob.events_until("altra volta")
            assert texts_of(heard) == ["una volta", "altra volta"]
            again.close()


def test_it_is_shown_nothing_from_before_it_came_first() -> None:
    with room(grace_s=0) as server, LinePeer(server.port, "Bob") as bob:
        bob.say("prima")
        bob.expect("Bob: prima\n")
        with EventPeer(server.port, "Ada") as ada:
            leave(server, ada, "Ada")
        bob.say("dopo")
        bob.expect("Bob: dopo\n")
        with join_again(server.port, ada.welcome.token, 0, ada.welcome.room) as back:
            assert texts_of(back.missed()) == ["dopo"]
            leave(server, back, "Ada")
        bob.say("ancora")
        bob.expect("Bob: ancora\n")
        with join_again(server.port, ada.welcome.token, 0, None) as back:
            assert texts_of(back.missed()) == ["dopo", "ancora"]


def test_a_number_that_is_too_high_hides_nothing_from_others() -> None:
    with room(grace_s=0) as server, LinePeer(server.port, "Bob") as bob, EventPeer(server.port, "Ada") as ada:
        leave(server, ada, "Ada")
        with join_again(server.port, ada.welcome.token, 2**40, ada.welcome.room) as liar:
            assert liar.welcome.missing == 0
            assert [type(event) for event in liar.missed()] == [Joined]
            bob.say("ciao")
            assert number_of(liar.events_until("ciao")[-1]) == liar.welcome.last + 1


def ask(port: int, token: str, last: int | None, room_id: str | None, name: str = "Ada") -> list[Event]:
    """Return the answer to a request for a name, and all that is shown up to a barrier."""
    with EventPeer(port) as peer:
        peer.tell(Join(name, token, last, room_id))
        peer.tell(Say("barriera", 2**40))
        return peer.events_until("barriera")


@pytest.mark.parametrize(
    "change", ["another token", "no last", "another room", "kicked", "banned and let in again"], ids=str
)
def test_who_is_not_known_gets_the_backlog_as_any_newcomer(change: str, file: Path) -> None:
    for is_recorded in (False, True):
        opened = recorded_room(file, grace_s=0, backlog=2) if is_recorded else room(grace_s=0, backlog=2)
        with opened as server, LinePeer(server.port, "Bob") as bob, EventPeer(server.port, "Ada") as ada:
            if change == "kicked":
                member = server.room.find("Ada")
                assert member is not None
                server.call(lambda: server.delivery.kick(member))  # noqa: B023 - called here
                wait_until(lambda: server.room.find("Ada") is None)
            else:
                leave(server, ada, "Ada")
            if change.startswith("banned"):
                server.call(lambda: server.delivery.ban("Ada"))
                server.room.unban("Ada")
            say_many(bob, 10)
            token = "x" * 22 if change == "another token" else ada.welcome.token
            last = None if change == "no last" else ada.welcome.last + 1
            room_id = "0123456789abcdef" if change == "another room" else ada.welcome.room
            welcome, *shown = ask(server.port, token, last, room_id)
            assert isinstance(welcome, Welcome)
            assert welcome.missing is None
            said = [event.text for event in shown if isinstance(event, Message)]
            assert said == ["8 xxxxxxxx", "9 xxxxxxxx", "barriera"]


def test_an_ended_membership_outlives_the_server_with_a_file(file: Path) -> None:
    with recorded_room(file, grace_s=0) as server, LinePeer(server.port, "Bob") as bob:
        left = EventPeer(server.port, "Ada")
        left.say("uno")
        last = number_of(left.events_until("uno")[-1])
        left.tell(Quit())
        wait_until(lambda: server.room.find("Ada") is None)
        kicked = EventPeer(server.port, "Eva")
        member = server.room.find("Eva")
        assert member is not None
        server.call(lambda: server.delivery.kick(member))
        with EventPeer(server.port, "Lia") as stayed:
            bob.say("due")
            stayed_last = number_of(stayed.events_until("due")[-1])
    for is_first in (True, False):
        with recorded_room(file, grace_s=0, backlog=1) as server:
            with join_again(server.port, left.welcome.token, last, left.welcome.room) as back:
                assert (back.welcome.nonce, back.welcome.missing) == (1, 0)
                back.next_event()  # the notice
                assert "due" in texts_of(back.missed())
            with join_again(server.port, stayed.welcome.token, stayed_last, left.welcome.room, "Lia") as back:
                assert back.welcome.missing == 0
            welcome = ask(server.port, kicked.welcome.token, 1, left.welcome.room, "Eva")[0]
            assert isinstance(welcome, Welcome)
            assert (welcome.missing is None) == is_first  # then the token is that of a new membership
    for peer in (left, kicked):
        peer.close()


def test_only_so_many_ended_memberships_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lan_chat.server.former_members.MAX_FORMER", 3)
    with room(grace_s=0) as server:
        peers = []
        for number in range(5):
            peers.append(EventPeer(server.port, f"u{number}"))
            leave(server, peers[-1], f"u{number}")
        known = []
        for number, peer in enumerate(peers):
            welcome = ask(server.port, peer.welcome.token, 1, peer.welcome.room, f"v{number}")[0]
            assert isinstance(welcome, Welcome)
            known.append(welcome.missing is not None)
        assert known.count(True) <= 3
        assert known[:2] == [False, False]
