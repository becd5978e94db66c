"""Members whose link breaks and who come back."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import random
import threading

import pytest

import protocol
from lan_chat.server.commands import Operator
from lan_chat.server.mail import NameProposed
from lan_chat.server.words import ITALIAN
from protocol import EndConn, Error, Event, Join, Joined, Left, Message, Quit, Refused, Resume, Say, Welcome
from tests.support.peers import (
    BackPeer,
    BarePeer,
    EventPeer,
    LinePeer,
    Peer,
    answer_to,
    come_back,
    drain,
    number_of,
    reset,
    texts,
    texts_of,
)
from tests.support.servers import Serve, held, lose, member_of, room
from tests.support.waiting import wait_until

IT = ITALIAN
TOKEN = "un-gettone-di-prova"
UNKNOWN = Refused("unknown token")


def test_who_comes_back_hears_exactly_what_it_missed_and_the_room_sees_nothing() -> None:
    with room() as server, LinePeer(server.port, "Bob") as bob:
        ada = EventPeer(server.port, "Ada")
        ada.say("prima")
        last = number_of(ada.events_until("prima")[-1])
        lose(server, ada, "Ada")
        bob.send("uno\ndue\n")
        bob.expect("Bob: due\n")
        server.call(lambda: server.delivery.announce("tre"))
        with EventPeer(server.port, "Eva") as eva:
            eva.tell(Quit())
            drain(eva)
        with BackPeer(server.port, ada.welcome.token, last) as back:
            assert (back.welcome.name, back.welcome.token) == ("Ada", ada.welcome.token)
            assert set(back.welcome.names) == {"Bob", "Ada"}
            assert (back.welcome.nonce, back.welcome.room) == (1, ada.welcome.room)
            missed = back.missed()
            assert [number_of(event) for event in missed] == list(range(last + 1, back.welcome.last + 1))
            assert texts_of(missed) == ["uno", "due", "tre"]
            assert [type(event) for event in missed[-2:]] == [Joined, Left]
            back.say("eccomi")
            assert "Ada " not in bob.expect("Ada: eccomi\n")
            assert number_of(back.next_event()) == back.welcome.last + 1


def test_after_the_grace_the_room_sees_one_leave_and_the_name_is_free() -> None:
    with room(grace_s=0.05) as server, EventPeer(server.port, "Bob") as bob, EventPeer(server.port, "Ada") as ada:
        bob.expect_event(Joined)
        reset(ada.sock)
        left = bob.expect_event(Left)
        assert (left.name, left.reason) == ("Ada", None)
        assert answer_to(server.port, Resume(ada.welcome.token, 1)) == UNKNOWN
        with EventPeer(server.port, "Ada") as again:
            assert again.welcome.token != ada.welcome.token
            again.say("nuova")
            assert [type(event) for event in bob.events_until("nuova")] == [Joined, Message]


def test_without_a_grace_whose_link_breaks_has_left_at_once() -> None:
    with room(grace_s=0.0) as server, EventPeer(server.port, "Bob") as bob, EventPeer(server.port, "Ada") as ada:
        bob.expect_event(Joined)
        reset(ada.sock)
        assert bob.expect_event(Left).name == "Ada"
        assert answer_to(server.port, Resume(ada.welcome.token, 1)) == UNKNOWN


def test_who_says_goodbye_is_not_waited_for() -> None:
    with room() as server, EventPeer(server.port, "Bob") as bob, EventPeer(server.port, "Ada") as ada:
        bob.expect_event(Joined)
        ada.tell(Quit())
        assert bob.expect_event(Left).name == "Ada"
        assert answer_to(server.port, Resume(ada.welcome.token, 1)) == UNKNOWN


@pytest.mark.parametrize("kind", [LinePeer, BarePeer])
def test_who_has_no_token_is_not_waited_for(kind: type[LinePeer | BarePeer]) -> None:
    with room() as server, EventPeer(server.port, "Bob") as bob:
        reset(kind(server.port, "Ada").sock)
        assert [type(bob.next_event()), type(bob.next_event())] == [Joined, Left]


def test_what_was_said_on_the_old_link_is_not_said_twice_on_the_new_one() -> None:
    with room() as server, EventPeer(server.port, "Bob") as bob, EventPeer(server.port, "Ada") as ada:
        bob.expect_event(Joined)
        ada.say("uno")
        ada.say("due")
        assert texts_of(bob.events_until("due")) == ["uno", "due"]
        reset(ada.sock)
        with BackPeer(server.port, ada.welcome.token, ada.welcome.last) as back:
            assert back.welcome.nonce == 2
            for nonce, text in ((1, "uno"), (2, "due"), (3, "tre"), (3, "tre"), (4, "quattro")):
                back.tell(Say(text, nonce))
            assert texts_of(bob.events_until("quattro")) == ["tre", "quattro"]


def test_what_the_old_link_still_holds_is_said_once_and_in_order() -> None:
    # Each link may say a hundred at once; the rest of the old one's waits in its thread when the new one takes over.
    with room(rate=1.0) as server, EventPeer(server.port, "Bob") as bob, EventPeer(server.port, "Ada") as ada:
        bob.expect_event(Joined)
        for nonce in range(150):
            ada.tell(Say(f"numero {nonce}", nonce))
        bob.events_until("numero 90")
        with BackPeer(server.port, ada.welcome.token, ada.welcome.last) as back:
            assert back.welcome.nonce is not None
            for nonce in range(back.welcome.nonce + 1, 150):
                back.tell(Say(f"numero {nonce}", nonce))
            heard = bob.events_until("numero 149")
            assert texts_of(heard) == [f"numero {number}" for number in range(91, 150)]
            wait_until(lambda: len(server.room.connections()) == 2)  # its thread waits no longer for its turn to speak


def test_a_link_that_nobody_noticed_to_be_dead_is_taken_over_and_hears_no_more() -> None:
    with room() as server, LinePeer(server.port, "Bob") as bob, EventPeer(server.port, "Ada") as old:
        with BackPeer(server.port, old.welcome.token, old.welcome.last + 1) as new:
            bob.say("per la nuova")
            assert texts_of(new.events_until("per la nuova")) == ["per la nuova"]
            assert drain(old) == b""
            new.say("sempre Ada")
            assert "abbandonato" not in bob.expect("Ada: sempre Ada\n")
        assert member_of(server, "Ada").said == 1


@pytest.mark.slow
def test_of_many_links_that_come_back_at_once_one_is_the_member_and_the_others_are_closed() -> None:
    with room() as server, LinePeer(server.port, "Bob") as bob:
        alive = EventPeer(server.port, "Ada")
        token = alive.welcome.token
        for number in range(15):
            rivals = [EventPeer(server.port) for _ in range(3)]
            start = threading.Barrier(len(rivals))

            def resume(rival: EventPeer, start: threading.Barrier = start) -> None:
                start.wait()
                rival.tell(Resume(token, 0))

            threads = [threading.Thread(target=resume, args=(rival,)) for rival in rivals]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            wait_until(lambda: len(server.room.connections()) == 2, server.room.connections)
            wanted = f'"text":"giro {number}"'.encode()
            bob.say(f"giro {number}")
            winners = []
            for peer in [alive, *rivals]:
                with contextlib.suppress(ConnectionError):
                    while wanted not in peer.received and (data := peer.sock.recv(65536)):
                        peer.received += data
                if wanted in peer.received:
                    winners.append(peer)
                else:
                    peer.close()
            (alive,) = winners
            alive.tell(Say("io", number))
            alive.expect(f'"nonce":{number}}}\n')
        bob.say("fine")
        heard = bob.expect("Bob: fine\n")
        assert heard.count("Ada: io\n") == 15
        assert "Ada ha" not in heard
        alive.close()


def test_who_comes_back_just_when_the_grace_ends_has_not_left() -> None:
    with room() as server, LinePeer(server.port, "Bob") as bob:
        ada = EventPeer(server.port, "Ada")
        with BackPeer(server.port) as back:
            lose(server, ada, "Ada")
            with held(server) as waiting:
                back.tell(Resume(ada.welcome.token, ada.welcome.last + 1))
                waiting.expect_mail(Resume)
                waiting.end_grace()
            back.expect_event(Welcome)
            back.say("ancora qui")
            assert "abbandonato" not in bob.expect("Ada: ancora qui\n")
            with Peer(server.port) as other:
                other.send("Ada\n")
                other.expect(IT.taken)


@pytest.mark.slow
def test_at_the_end_of_the_grace_one_is_back_or_has_left_and_never_both() -> None:
    lot = random.Random(1)
    came_back = 0
    with room(grace_s=0.03) as server, EventPeer(server.port, "Bob") as bob:
        for number in range(120):
            ada = EventPeer(server.port, "Ada")
            bob.expect_event(Joined)
            with EventPeer(server.port) as back:
                reset(ada.sock)
                # Nothing is waited for here: some shall come before the end of the grace and some after it.
                threading.Event().wait(lot.uniform(0.02, 0.04))
                back.tell(Resume(ada.welcome.token, ada.welcome.last + 1))
                answer = back.next_event()
                if isinstance(answer, Welcome):
                    came_back += 1
                    back.tell(Say(f"{number}", 1))
                    assert [type(event) for event in bob.events_until(f"{number}")] == [Message]
                    back.tell(Quit())
                else:
                    assert answer == UNKNOWN
                assert bob.expect_event(Left).name == "Ada"
        assert [member.name for member in server.room.members()] == ["Bob"]
    print(f"{came_back} of 120 came back")


def test_who_comes_back_before_its_join_was_answered_is_let_in() -> None:
    with room(backlog=5) as server, EventPeer(server.port, "Bob") as bob, EventPeer(server.port) as ada:
        bob.say("prima di Ada")
        bob.events_until("prima di Ada")
        with BackPeer(server.port) as back:
            ada.settle()
            back.settle()
            with held(server) as waiting:
                ada.tell(Join("Ada", TOKEN))
                waiting.expect_mail(NameProposed)
                back.tell(Resume(TOKEN, 0))
                waiting.expect_mail(Resume)
            assert back.expect_event(Welcome).token == TOKEN
            assert texts_of([back.next_event()]) == ["prima di Ada"]
            assert back.expect_event(Joined).name == "Ada"
            drain(ada)
            back.say("dentro")
            assert [type(event) for event in bob.events_until("dentro")] == [Joined, Message]


def test_a_join_that_comes_after_its_resume_ends_in_one_member() -> None:
    with (
        room() as server,
        EventPeer(server.port, "Bob") as bob,
        EventPeer(server.port) as ada,
        EventPeer(server.port) as back,
    ):
        ada.settle()
        back.settle()
        with held(server) as waiting:
            back.tell(Resume(TOKEN, 0))
            waiting.expect_mail(Resume)
            ada.tell(Join("Ada", TOKEN))
            waiting.expect_mail(NameProposed)
        assert back.expect_event(Refused) == UNKNOWN
        back.tell(Join("Ada", TOKEN))  # as the session does
        assert back.expect_event(Welcome).names == ("Bob", "Ada")
        drain(ada)
        back.say("dentro")
        assert [type(event) for event in bob.events_until("dentro")] == [Joined, Message]


def test_a_join_that_nobody_saw_answered_ends_in_one_member() -> None:
    with room() as server, EventPeer(server.port, "Bob") as bob:
        for number in range(40):
            name, token = f"Ada {number}", f"{TOKEN}-{number}"
            first = EventPeer(server.port)
            first.tell(Join(name, token))
            reset(first.sock)
            with EventPeer(server.port) as second:
                answer: Event = UNKNOWN
                for attempt in range(1000):
                    second.tell(Join(name, token) if attempt % 2 else Resume(token, 0))
                    answer = second.next_event()
                    if isinstance(answer, Welcome):
                        break
                    assert answer == UNKNOWN
                assert isinstance(answer, Welcome)
                assert answer.token == token
                second.tell(Say(f"{number}", 1))
                heard = bob.events_until(f"{number}")
                hers = [type(event) for event in heard if getattr(event, "name", "") == name]
                assert hers == [Joined, Message]
                second.tell(Quit())


def test_who_was_let_in_on_a_link_that_broke_is_no_stranger_to_its_own_name() -> None:
    with room() as server, EventPeer(server.port, "Bob") as bob:
        first, second = EventPeer(server.port), EventPeer(server.port)
        with second:
            second.tell(Resume(TOKEN, 0))
            assert second.expect_event(Refused) == UNKNOWN
            first.tell(Join("Ada", TOKEN))  # held up on its way until now
            bob.expect_event(Joined)
            second.tell(Join("Ada", TOKEN))
            assert second.expect_event(Welcome).name == "Ada"
            assert first.expect_event(Welcome).name == "Ada"
            second.say("io")
            assert bob.expect_event(Message).text == "io"
        first.close()


def test_a_join_that_was_held_up_takes_nothing_from_the_newer_link() -> None:
    with room() as server, EventPeer(server.port) as first, EventPeer(server.port) as second:
        second.tell(Join("Ada", TOKEN))
        second.expect_event(Welcome)
        first.tell(Join("Ada", TOKEN))
        assert first.expect_event(Refused) == Refused("taken")
        second.say("sempre qui")
        assert second.events_until("sempre qui")


@pytest.mark.parametrize(
    "token",
    ["", "a", "A" * 16, "A" * 65, "A" * 10_000, "\ud800" * 16, "\x00" * 16, "à" * 16, "A" * 16 + "\n", "{quit}"],
    ids=ascii,
)
def test_a_token_that_is_nobodys_is_refused_and_one_may_still_join(token: str) -> None:
    with room() as server, EventPeer(server.port, "Bob") as bob, EventPeer(server.port) as peer:
        peer.send(json.dumps({"type": "resume", "token": token, "last": 0}) + "\n")
        assert peer.expect_event(Refused) == UNKNOWN
        peer.send(json.dumps({"type": "join", "name": "Ada", "token": token}) + "\n")
        is_proposed_well = protocol.TOKEN.fullmatch(token) is not None
        assert (peer.expect_event(Welcome).token == token) == is_proposed_well
        assert bob.expect_event(Joined).name == "Ada"


@pytest.mark.parametrize("line", ['{"type":"resume"}', '{"type":"resume","token":1,"last":0}'])
def test_a_malformed_resume_is_answered_with_an_error(line: str) -> None:
    with room() as server, EventPeer(server.port) as peer:
        peer.send(line + "\n")
        assert peer.expect_event(Error) == Error("malformed")


def test_what_the_server_keeps_of_a_token_opens_nothing() -> None:
    with room() as server, EventPeer(server.port, "Ada") as ada:
        key = member_of(server, "Ada").token_key
        for token in (key.hex(), ada.welcome.token[:-1], ada.welcome.token + "A", ada.welcome.token.swapcase()):
            assert answer_to(server.port, Resume(token, 0)) == UNKNOWN


def test_to_propose_somebody_elses_token_gives_nothing_of_that_member() -> None:
    with room() as server, EventPeer(server.port) as ada, EventPeer(server.port) as mallory:
        ada.tell(Join("Ada", TOKEN))
        assert ada.expect_event(Welcome).token == TOKEN
        mallory.tell(Join("Mallory", TOKEN))
        assert mallory.expect_event(Welcome).token != TOKEN
        with BackPeer(server.port, TOKEN) as back:
            assert back.welcome.name == "Ada"
            mallory.say("io")
            assert [event.name for event in back.events_until("io") if isinstance(event, Message)] == ["Mallory"]


def test_who_is_in_the_room_cannot_become_another() -> None:
    with room() as server, EventPeer(server.port, "Ada") as ada, EventPeer(server.port, "Bob") as bob:
        bob.tell(Resume(ada.welcome.token, 0))
        assert bob.expect_event(Error) == Error("already joined")
        ada.say("sempre io")
        assert [event.name for event in bob.events_until("sempre io") if isinstance(event, Message)] == ["Ada"]


def test_a_token_reaches_its_owner_alone() -> None:
    with room(backlog=10) as server, contextlib.ExitStack() as stack:
        kinds: list[type[LinePeer | BarePeer | EventPeer]] = [LinePeer, BarePeer, EventPeer]
        watchers = [stack.enter_context(kind(server.port, kind.__name__)) for kind in kinds]
        ada = EventPeer(server.port, "Ada")
        token = ada.welcome.token
        ada.say("ciao")
        ada.events_until("ciao")
        lose(server, ada, "Ada")
        with BackPeer(server.port, token, ada.welcome.last) as back, LinePeer(server.port, "Nuovo") as newcomer:
            back.say("fine")
            for watcher in [*watchers, newcomer]:
                assert token not in watcher.expect("fine")
            assert token not in Operator(server, IT).answer("who")


def test_no_more_than_so_many_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lan_chat.server.places.MAX_AWAY", 2)
    with room() as server, EventPeer(server.port, "Bob") as bob:
        peers = []
        for number in range(3):
            peers.append(EventPeer(server.port, f"u{number}"))
            bob.expect_event(Joined)
            if number < 2:
                lose(server, peers[-1], f"u{number}")
        reset(peers[2].sock)
        assert bob.expect_event(Left).name == "u2"
        assert answer_to(server.port, Resume(peers[2].welcome.token, 0)) == UNKNOWN
        with BackPeer(server.port, peers[0].welcome.token) as back:
            assert back.welcome.names == ("Bob", "u0", "u1")


def test_stopping_does_not_wait_for_those_who_are_away() -> None:
    with room() as server, EventPeer(server.port, "Bob") as bob:
        lose(server, EventPeer(server.port, "Ada"), "Ada")
        bob.expect_event(Joined)
        server.stop()
        bob.expect_event(EndConn)
        assert server.room.members() == []


@pytest.mark.parametrize("bound", ["KEPT_EVENTS", "KEPT_CHARACTERS"])
def test_what_is_kept_is_bounded_and_a_longer_gap_shows_in_the_numbers(
    monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(f"lan_chat.server.timeline.{bound}", 20 if bound == "KEPT_EVENTS" else 20 * 100 + 50)
    with room(backlog=1000) as server, LinePeer(server.port, "Bob") as bob:
        ada = EventPeer(server.port, "Ada")
        lose(server, ada, "Ada")
        bob.expect("Ada si è unito alla chat!\n")
        for number in range(100):
            bob.say(f"{number:03}".ljust(100, "x"))
        bob.expect("Bob: 099".ljust(105, "x"))
        assert len(server.delivery._parts.timeline._kept) == 20
        assert server.delivery._parts.timeline._kept_characters == 20 * 100
        with BackPeer(server.port, ada.welcome.token, ada.welcome.last + 1) as back:
            missed = back.missed()
            assert [text[:3] for text in texts_of(missed)] == [f"{number:03}" for number in range(80, 100)]
            assert number_of(missed[0]) > ada.welcome.last + 2  # something is missing, and it shows
        server.call(lambda: server.delivery.announce("y" * 3000))  # longer than all that is kept
        bob.expect("y" * 3000)
        with EventPeer(server.port, "Eva") as eva:
            assert len(eva.before) <= 20


def test_who_came_later_is_not_shown_what_was_said_before_it_by_coming_back() -> None:
    with room(backlog=2) as server, LinePeer(server.port, "Bob") as bob:
        bob.send("segreto\nuno\ndue\n")
        bob.expect("Bob: due\n")
        with EventPeer(server.port, "Ada") as ada:
            assert texts_of(ada.before) == ["uno", "due"]
            with BackPeer(server.port, ada.welcome.token, 0) as back:
                missed = back.missed()
                assert texts_of(missed) == ["uno", "due"]
                assert isinstance(missed[-1], Joined)


def test_who_comes_back_has_its_name_and_hears_what_it_missed_and_nobody_saw_it_leave(serve: Serve) -> None:
    server = serve()
    with EventPeer(server.port, "Ada") as ada, EventPeer(server.port, "Bob") as bob:
        token = ada.welcome.token
        ada.expect_event(Joined)
        ada.close()
        for number in range(5):
            bob.say(f"riga {number}")
        bob.events_until("riga 4")
        again, welcome = come_back(server.port, token, 2)
        with again:
            assert isinstance(welcome, Welcome)
            assert (welcome.name, welcome.names, welcome.last) == ("Ada", ("Ada", "Bob"), 7)
            missed = again.events_until("riga 4")
            assert [event.id for event in missed if isinstance(event, Message)] == [3, 4, 5, 6, 7]
            again.tell(Say("eccomi", 1))
            said = bob.events_until("eccomi")[-1]
            assert isinstance(said, Message)
            assert dataclasses.replace(said, time=0.0) == Message(8, 0.0, "Ada", "eccomi", 1)


def test_what_is_said_again_under_the_same_nonce_is_said_once(serve: Serve) -> None:
    server = serve()
    with EventPeer(server.port, "Ada") as ada, EventPeer(server.port, "Bob") as bob:
        token = ada.welcome.token
        ada.say("uno")
        bob.events_until("uno")
        again, welcome = come_back(server.port, token, 3)
        with again:
            assert isinstance(welcome, Welcome)
            assert welcome.nonce == 1
            again.tell(Say("uno", 1))
            again.tell(Say("due", 2))
            assert texts(bob.events_until("due")) == ["due"]


def test_a_link_that_nobody_noticed_to_be_dead_is_taken_over(serve: Serve) -> None:
    server = serve()
    with EventPeer(server.port, "Ada") as ada:
        again, _ = come_back(server.port, ada.welcome.token, 1)
        with again:
            ada.expect_end()
            again.tell(Say("ciao", 1))
            assert texts(again.events_until("ciao")) == ["ciao"]


def test_who_does_not_come_back_in_time_has_left(serve: Serve) -> None:
    server = serve(grace_s=0.2)
    with EventPeer(server.port, "Ada") as ada, EventPeer(server.port, "Bob") as bob:
        ada.close()
        assert bob.expect_event(Left).name == "Ada"
        again, answer = come_back(server.port, ada.welcome.token, 2)
        again.close()
        assert answer == UNKNOWN
        EventPeer(server.port, "Ada").close()


@pytest.mark.slow
def test_the_grace_and_the_coming_back_may_meet(serve: Serve) -> None:
    server = serve(grace_s=0.02)
    with EventPeer(server.port, "Bob") as bob:
        for number in range(200):
            name = f"Ada {number}"
            ada = EventPeer(server.port, name)
            ada.close()
            again, answer = come_back(server.port, ada.welcome.token, 0)
            with again:
                if isinstance(answer, Welcome):  # then it is here, and is heard
                    again.tell(Say(name, 1))
                    bob.events_until(name)
                else:
                    assert answer == UNKNOWN
        wait_until(lambda: [member.name for member in server.room.members()] == ["Bob"])


@pytest.mark.parametrize("token", ["", "x", "x" * 22, "è" * 30, "\n", "x" * 20_000])
def test_a_token_that_nobody_has_is_refused(serve: Serve, token: str) -> None:
    server = serve()
    with EventPeer(server.port, "Ada"):
        peer, answer = come_back(server.port, token, 0)
        peer.close()
        assert answer == UNKNOWN
