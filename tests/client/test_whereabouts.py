"""The session while its link is broken, and the room is somewhere else by now: what is asked, and who is believed."""

from __future__ import annotations

import contextlib
import queue
import threading

import pytest

from lan_chat.client.inbox import Inbox
from lan_chat.client.ledger import LinkRestored
from lan_chat.client.session import Disconnected, LinkBroken, Session
from lan_chat.client.whereabouts import AddressChanged, OfferWithdrawn, RoomMoved, Whereabouts, room_of
from lan_chat.rooms import Remembered
from protocol import EndConn, Event, Greeting, Message, Say, Welcome
from tests.support.played_server import Play, PlayedServer, ServerPeer, message
from tests.support.searches import FakeSearch, Searches, answer
from tests.support.sessions import Meet, come_in, events_until, next_event

TITLE = "Aula 3"


def back_in(last: int, nonce: int | None = None, room: str | None = "room") -> Welcome:
    return Welcome("Ada", "token", ("Ada", "Bob"), last, nonce, room, title=TITLE)


def come_in_here(play: Play, meet: Meet, sought: Searches, room: str | None = "room") -> tuple[PlayedServer, Session]:
    """A member of a room that says its `id`, who has seen nothing yet."""
    server = play()
    session = meet(server, new_search=sought)
    session.join("Ada")
    server.peer.expect('"token":"')
    server.peer.token = server.peer.expect('"}\n').removesuffix('"}\n')
    server.peer.tell(back_in(0, room=room))
    assert events_until(session, Welcome)
    return server, session


def lose(server: PlayedServer, session: Session) -> list[Event]:
    """Break the link, and let no other one be made; return what the session says until it has tried in vain once."""
    server.stop_listening()
    server.last_peer.break_off()
    return events_until(session, LinkBroken) + events_until(session, LinkBroken)


def moved_to(server: PlayedServer, name: str = TITLE) -> RoomMoved:
    return RoomMoved(name, "127.0.0.1", server.port)


def resumed(peer: ServerPeer, token: str, last: int = 0) -> ServerPeer:
    peer.expect_resume(token, last, "room")
    return peer


@pytest.fixture
def sought() -> Searches:
    return Searches()


def test_a_search_begins_when_an_attempt_has_failed_and_ends_with_the_link(
    play: Play, meet: Meet, sought: Searches, long_pauses: None
) -> None:
    server, session = come_in_here(play, meet, sought)
    server.peer.break_off()
    link = resumed(server.next_peer(), server.peer.token)
    link.tell(back_in(0))
    assert events_until(session, LinkRestored)[0] == LinkBroken(0.0)
    assert not sought.made  # the first attempt has succeeded
    lose(server, session)
    search = sought.next()
    assert search.remembered == (Remembered("room", TITLE, "127.0.0.1", server.port),)
    session.retry()
    assert isinstance(next_event(session), LinkBroken)  # another attempt in vain
    server.listen()
    session.retry()
    resumed(server.next_peer(), server.peer.token).tell(back_in(0))
    events_until(session, LinkRestored)
    assert not search.is_open
    assert sought.made == [search]


def test_a_room_elsewhere_is_gone_to_when_the_user_says_so_with_nothing_missing_and_nothing_twice(
    play: Play, meet: Meet, sought: Searches, long_pauses: None
) -> None:
    server, session = come_in_here(play, meet, sought)
    server.peer.tell(message(1, "uno"))
    events_until(session, Message)
    session.say("due")
    server.peer.expect("due")
    lose(server, session)
    session.say("tre")
    new = play()
    sought.next().hear(answer(9, "another"), answer(new.port))
    moved = next_event(session)
    assert moved == moved_to(new)
    assert new.is_alone  # nobody goes there unasked
    session.follow(moved)
    link = resumed(new.next_peer(), server.peer.token, 1)
    assert next_event(session) == LinkBroken(0.0, ("127.0.0.1", new.port))
    link.tell(back_in(3, nonce=1), message(2, "due", "Ada", 1), message(3, "intanto"))
    assert link.next_event() == Say("tre", 2)
    link.tell(message(4, "tre", "Ada", 2))
    link.end()
    assert events_until(session, Disconnected) == [
        OfferWithdrawn(),
        AddressChanged(Remembered("room", TITLE, "127.0.0.1", new.port)),
        LinkRestored(("Ada", "Bob")),
        message(2, "due", "Ada", 1),
        message(3, "intanto"),
        message(4, "tre", "Ada", 2),
        EndConn(),
        Disconnected(()),
    ]
    assert (session.host, session.port) == ("127.0.0.1", new.port)


def test_the_next_break_is_mended_at_the_new_address(
    play: Play, meet: Meet, sought: Searches, long_pauses: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lan_chat.client.session.HELD_S", 0.0)
    server, session = come_in_here(play, meet, sought)
    lose(server, session)
    new = play()
    sought.next().hear(answer(new.port))
    session.follow(moved_to(new))
    resumed(new.next_peer(), server.peer.token).tell(back_in(0))
    events_until(session, LinkRestored)
    new.last_peer.break_off()
    resumed(new.next_peer(), server.peer.token).tell(back_in(0))
    assert [type(event) for event in events_until(session, LinkRestored)] == [LinkBroken, LinkRestored]
    lose(new, session)
    again = sought.next()
    assert again.remembered == (Remembered("room", TITLE, "127.0.0.1", new.port),)
    again.hear(answer(server.port))  # where it was first: that is to be asked as well
    assert next_event(session) == moved_to(server)


def test_attempts_where_it_was_go_on_and_the_offer_goes_when_one_succeeds(
    play: Play, meet: Meet, sought: Searches, long_pauses: None
) -> None:
    server, session = come_in_here(play, meet, sought)
    lose(server, session)
    elsewhere = play()
    sought.next().hear(answer(elsewhere.port))
    moved = next_event(session)
    assert isinstance(moved, RoomMoved)
    server.listen()
    session.retry()
    resumed(server.next_peer(), server.peer.token).tell(back_in(0))
    assert events_until(session, LinkRestored) == [OfferWithdrawn(), LinkRestored(("Ada", "Bob"))]
    session.follow(moved)  # the click came too late: it counts for no later break either
    lose(server, session)
    assert elsewhere.is_alone


def test_a_room_that_answers_where_it_was_is_not_elsewhere(
    play: Play, meet: Meet, sought: Searches, long_pauses: None
) -> None:
    server, session = come_in_here(play, meet, sought)
    lose(server, session)
    search = sought.next()
    search.hear(answer(server.port))
    search.hear(answer(9), answer(server.port), forgets=True)
    session.retry()
    assert isinstance(next_event(session), LinkBroken)  # and nothing before it
    search.hear(answer(9), forgets=True)
    assert next_event(session) == RoomMoved(TITLE, "127.0.0.1", 9)
    search.hear(answer(server.port))
    assert next_event(session) == OfferWithdrawn()
    search.hear(answer(9), forgets=True)
    assert isinstance(next_event(session), RoomMoved)
    search.hear(forgets=True)  # and one that answers nowhere is not, either
    assert next_event(session) == OfferWithdrawn()


def test_its_old_address_has_a_while_to_answer(play: Play, meet: Meet, sought: Searches, long_pauses: None) -> None:
    server, session = come_in_here(play, meet, sought)
    lose(server, session)
    search = sought.next()
    search.has_looked.clear()
    search.hear(answer(9))
    session.retry()
    assert isinstance(next_event(session), LinkBroken)
    search.has_looked.set()
    search.ring()
    assert isinstance(next_event(session), RoomMoved)


def test_an_address_that_was_refused_is_not_offered_again_and_hides_no_other(
    play: Play, meet: Meet, sought: Searches, long_pauses: None
) -> None:
    server, session = come_in_here(play, meet, sought)
    lose(server, session)
    search, liar, real = sought.next(), answer(9), answer(10)
    search.hear(liar)
    moved = next_event(session)
    assert isinstance(moved, RoomMoved)
    search.hear(real)  # the liar was first
    session.refuse(moved)
    search.hear(liar, real)
    assert next_event(session) == RoomMoved(TITLE, "127.0.0.1", 10)
    server.listen()
    session.retry()
    resumed(server.next_peer(), server.peer.token).tell(back_in(0))
    events_until(session, LinkRestored)
    lose(server, session)
    search = sought.next()  # another break: it has not been forgotten
    search.hear(liar)
    search.hear(real)
    assert next_event(session) == RoomMoved(TITLE, "127.0.0.1", 10)


def test_who_is_not_there_where_the_user_has_gone_leaves_the_session_where_it_was(
    play: Play, meet: Meet, sought: Searches, long_pauses: None, nobody_port: int
) -> None:
    server, session = come_in_here(play, meet, sought)
    lose(server, session)
    sought.next().hear(answer(nobody_port))
    moved = next_event(session)
    assert isinstance(moved, RoomMoved)
    session.follow(moved)
    assert next_event(session) == LinkBroken(0.0, ("127.0.0.1", nobody_port))
    assert isinstance(next_event(session), LinkBroken)
    assert session.port == server.port
    server.listen()
    session.retry()
    resumed(server.next_peer(), server.peer.token)


def test_who_hears_the_token_where_the_user_has_gone_and_closes_leaves_the_session_where_it_was(
    play: Play, meet: Meet, sought: Searches, long_pauses: None
) -> None:
    server, session = come_in_here(play, meet, sought)
    lose(server, session)
    liar = play()
    sought.next().hear(answer(liar.port))
    session.follow(moved_to(liar))
    resumed(liar.next_peer(), server.peer.token).break_off()
    kinds = [type(next_event(session)) for _ in range(4)]
    assert kinds == [RoomMoved, LinkBroken, OfferWithdrawn, LinkBroken]
    server.listen()
    session.retry()
    resumed(server.next_peer(), server.peer.token).tell(back_in(0))
    assert events_until(session, LinkRestored) == [LinkRestored(("Ada", "Bob"))]
    assert session.port == server.port


def test_where_no_search_can_be_made_the_session_goes_on(play: Play, meet: Meet, long_pauses: None) -> None:
    def fail(*_: object) -> FakeSearch:
        raise OSError("Too many open files")

    server = play()
    session = meet(server, new_search=fail)
    session.join("Ada")
    server.peer.expect("join")
    server.peer.tell(back_in(0))
    events_until(session, Welcome)
    lose(server, session)
    session.retry()
    assert isinstance(next_event(session), LinkBroken)


def test_the_name_of_the_room_is_the_one_that_its_user_knows(
    play: Play, meet: Meet, sought: Searches, long_pauses: None
) -> None:
    server, session = come_in_here(play, meet, sought)
    lose(server, session)
    sought.next().hear(answer(9, name="Aula 3 (trust me)"))
    assert next_event(session) == RoomMoved(TITLE, "127.0.0.1", 9)


def test_a_liar_whose_name_changes_all_the_time_is_offered_once() -> None:
    sought, events = Searches(), Inbox()
    whereabouts = Whereabouts(sought, events)
    whereabouts.look_for(Remembered("room", "", "127.0.0.1", 8))
    search = sought.next()
    for number in range(5):
        search.hear(answer(9, name=f"Aula {number}"))
    whereabouts.close()
    assert [events.get_nowait(), events.get_nowait()] == [RoomMoved("Aula 0", "127.0.0.1", 9), OfferWithdrawn()]
    assert events.empty()


def test_a_room_that_was_reached_by_a_name_is_known_by_its_address(
    play: Play, sought: Searches, long_pauses: None
) -> None:
    server = play()
    session = Session("localhost", server.port, new_search=sought)
    session.connect()
    with contextlib.closing(session), contextlib.closing(server):
        session.start()
        session.join("Ada")
        server.peer.expect("join")
        server.peer.tell(back_in(0))
        events_until(session, Welcome)
        lose(server, session)
        search = sought.next()
        assert search.remembered == (Remembered("room", TITLE, "localhost", server.port, address="127.0.0.1"),)
        search.hear(answer(server.port))
        search.hear(answer(9), forgets=True)
        assert next_event(session) == RoomMoved(TITLE, "127.0.0.1", 9)  # and nothing before it


@pytest.mark.parametrize("room", [None, "", "no id\N{BULLET}"])
def test_a_room_without_an_id_is_not_looked_for(
    play: Play, meet: Meet, sought: Searches, long_pauses: None, room: str | None
) -> None:
    server, session = come_in_here(play, meet, sought, room)
    lose(server, session)
    session.retry()
    next_event(session)
    assert not sought.made


def test_who_is_not_in_a_room_looks_for_none(play: Play, meet: Meet, sought: Searches, long_pauses: None) -> None:
    server = play()
    session = meet(server, new_search=sought)
    assert next_event(session) == Greeting()
    server.peer.expect("\n")
    lose(server, session)
    assert not sought.made


def test_without_a_search_nothing_is_asked(play: Play, meet: Meet, long_pauses: None) -> None:
    server, session = come_in(play, meet)
    lose(server, session)
    session.refuse(RoomMoved(TITLE, "127.0.0.1", 9))
    session.retry()
    assert isinstance(next_event(session), LinkBroken)


@pytest.mark.parametrize("way", ["close", "quit"])
def test_a_session_that_ends_ends_its_search(
    play: Play, meet: Meet, sought: Searches, long_pauses: None, way: str
) -> None:
    server, session = come_in_here(play, meet, sought)
    lose(server, session)
    search = sought.next()
    search.hear(answer(9))
    (session.close if way == "close" else session.quit)()
    assert [type(event) for event in events_until(session, Disconnected)] == [RoomMoved, OfferWithdrawn, Disconnected]
    assert not search.is_open


def test_a_search_that_is_closed_begins_no_more_and_says_no_more() -> None:
    sought, events = Searches(), Inbox()
    whereabouts = Whereabouts(sought, events)
    room = Remembered("room", TITLE, "127.0.0.1", 8)
    whereabouts.look_for(room)
    whereabouts.look_for(room)
    (search,) = sought.made
    search.has_looked.set()
    threads = [threading.Thread(target=close) for close in (whereabouts.close, whereabouts.stop, whereabouts.close)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whereabouts.look_for(room)
    assert sought.made == [search]
    whereabouts.refuse(RoomMoved(TITLE, "127.0.0.1", 9))
    with pytest.raises(queue.Empty):
        events.get_nowait()


@pytest.mark.parametrize(
    ("was", "found", "is_moved"),
    [
        ("fe80::1%7", "fe80::1%7", False),
        ("192.168.1.20", "::ffff:192.168.1.20", False),
        ("192.168.1.20", "192.168.1.30", True),
        ("fd00::1", "FD00:0::1", False),
    ],
)
def test_one_address_may_be_written_in_two_ways(was: str, found: str, is_moved: bool) -> None:
    sought, events = Searches(), Inbox()
    whereabouts = Whereabouts(sought, events)
    whereabouts.look_for(Remembered("room", "", was, 53000))
    search: FakeSearch = sought.next()
    search.hear(answer(53000, host=found))
    whereabouts.close()
    assert events.empty() is not is_moved


def test_a_room_is_remembered_by_what_may_be_an_id_and_a_name() -> None:
    welcome = Welcome("Ada", "token", (), 0, room="no id", title="\u200b")
    assert room_of(welcome, ("::1", 5), "::1") == Remembered("", "", "::1", 5)
    welcome = Welcome("Ada", "token", (), 0, room="room", title=TITLE)
    assert room_of(welcome, ("pc-aula", 5), "::1") == Remembered("room", TITLE, "pc-aula", 5, address="::1")
