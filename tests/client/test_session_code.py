"""A session in a room with a code: nothing is said but in TLS, and what is wrong is said in words."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

import protocol
from lan_chat import secure
from lan_chat.client.ledger import LinkRestored
from lan_chat.client.link import CodeError, CodeFault, UnreachableError
from lan_chat.client.session import CodeTrouble, Disconnected, LinkBroken, Session
from lan_chat.client.whereabouts import AddressChanged, RoomMoved
from lan_chat.client.words import ENGLISH, ITALIAN
from lan_chat.code import key_of, make_code, parse_code
from lan_chat.server.server import ChatServer
from protocol import EndConn, Event, Greeting, Hello, Joined, Message, Reason, Refused, Welcome
from tests.support.coded_front import CodedFront, found_at
from tests.support.peers import GREETING
from tests.support.played_server import Play
from tests.support.searches import Searches
from tests.support.sessions import Meet, come_in, events_until, next_event
from tests.support.waiting import wait_until

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
ALERT = bytes.fromhex("15030300020228")

Front = Callable[..., CodedFront]


@pytest.fixture
def front(server: ChatServer) -> Iterator[Front]:
    """Make fronts with TLS before the server."""
    with contextlib.ExitStack() as stack:
        yield lambda key=KEY, port=0: stack.enter_context(contextlib.closing(CodedFront(server.port, key, port)))


@pytest.fixture
def enter() -> Iterator[Callable[..., Session]]:
    """Connect sessions with a key."""
    with contextlib.ExitStack() as stack:

        def enter(port: int, key: bytes | None = KEY, new_search: Searches | None = None) -> Session:
            session = Session("127.0.0.1", port, "it", key, new_search=new_search)
            stack.callback(session.close)
            session.connect()
            session.start()
            return session

        yield enter


Enter = Callable[..., Session]


def fault_at(port: int, key: bytes | None = KEY, language: str = "it") -> CodeError:
    """Why the code does not let in there."""
    session = Session("127.0.0.1", port, language, key)
    with pytest.raises(CodeError) as caught:
        session.connect()
    session.close()
    return caught.value


def come_in_here(enter: Enter, port: int, name: str = "Ada", new_search: Searches | None = None) -> Session:
    session = enter(port, new_search=new_search)
    session.join(name)
    events_until(session, Joined)
    return session


def texts(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Message)]


@pytest.mark.psk
def test_who_has_the_code_is_in_the_room_and_nothing_of_it_can_be_read_on_the_wire(front: Front, enter: Enter) -> None:
    room = front()
    ada, bob = come_in_here(enter, room.port), come_in_here(enter, room.port, "Bob")
    ada.say("il segreto è questo")
    assert texts(events_until(bob, Message)) == ["il segreto è questo"]
    assert room.links == 2
    for word in ("segreto", "Ada", "Bob", "hello", "join"):
        assert word.encode() not in room.heard


@pytest.mark.psk
@pytest.mark.parametrize("words", [ITALIAN, ENGLISH])
def test_a_wrong_code_is_said_in_words(front: Front, words: object) -> None:
    room = front()
    error = fault_at(room.port, OTHER_KEY, "it" if words is ITALIAN else "en")
    assert error.fault is CodeFault.WRONG
    assert str(error) == (ITALIAN if words is ITALIAN else ENGLISH).code_wrong.format(host="127.0.0.1", port=room.port)
    assert room.links == 0


@pytest.mark.psk
@pytest.mark.parametrize("greeting", [ALERT, ITALIAN.greeting, "SSH-2.0-x\r\n", GREETING], ids=repr)
def test_a_client_with_a_code_says_nothing_to_a_server_without_tls(play: Play, greeting: str | bytes) -> None:
    server = play(greeting)
    error = fault_at(server.port)
    assert (error.fault, str(error)) == (
        CodeFault.NONE,
        ITALIAN.code_not_here.format(host="127.0.0.1", port=server.port),
    )
    assert server.peer.sock.recv(5)[:3] == b"\x16\x03\x01"
    server.peer.sock.setblocking(False)
    assert b"hello" not in server.peer.sock.recv(4096)


@pytest.mark.psk
def test_a_server_that_greets_before_it_hears_tls_is_tried_again_at_once(front: Front, enter: Enter) -> None:
    room = front()
    room.greets_first = 2
    come_in_here(enter, room.port)
    assert room.links == 1


@pytest.mark.psk
def test_a_server_that_is_no_chat_or_ends_within_the_handshake_does_not_prove_the_code(play: Play) -> None:
    server = play("")

    def end() -> None:
        server.peer.sock.recv(3)
        server.peer.sock.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=end)
    thread.start()
    assert fault_at(server.port).fault is CodeFault.UNPROVED
    thread.join()


@pytest.mark.psk
def test_a_room_with_a_code_refuses_in_words_who_has_none(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lan_chat.client.link.REFUSAL_S", 5.0)
    error = fault_at(front().port, None)
    assert (error.fault, str(error)) == (CodeFault.NEEDED, ITALIAN.code_needed)


def test_a_refusal_that_is_late_ends_the_session_in_words(play: Play, meet: Meet) -> None:
    server = play()
    session = meet(server)
    assert next_event(session) == Greeting()
    assert server.peer.next_event() == Hello(protocol.VERSION, "it")
    server.peer.tell(Refused(Reason.CODE.value))
    server.peer.end()
    assert [type(event) for event in events_until(session, Disconnected)] == [Refused, EndConn, Disconnected]


def test_a_room_that_has_a_code_now_refuses_who_comes_back_without(play: Play, meet: Meet) -> None:
    server, session = come_in(play, meet)
    server.peer.break_off()
    peer = server.next_peer()
    peer.expect_resume(server.peer.token, 1)
    peer.tell(Refused(Reason.CODE.value))
    peer.end()
    assert Refused(Reason.CODE.value) in events_until(session, Disconnected)


@pytest.mark.psk
def test_a_session_comes_back_in_tls_and_misses_nothing(front: Front, enter: Enter, server: ChatServer) -> None:
    room = front()
    ada, bob = come_in_here(enter, room.port), come_in_here(enter, room.port, "Bob")
    for number in range(5):
        ada.say(f"prima {number}")
        bob.say(f"pure {number}")
        room.cut()
        ada.say(f"dopo {number}")
    wanted = {f"{word} {number}" for number in range(5) for word in ("prima", "dopo", "pure")}
    heard: list[str] = []
    while not wanted <= set(heard):
        heard += texts(events_until(bob, Message))
    assert len([text for text in heard if text in wanted]) == len(wanted)  # and nothing twice
    assert b"hello" not in room.heard


@pytest.mark.psk
@pytest.mark.usefixtures("long_pauses")
def test_a_room_whose_code_has_changed_is_told_once_and_tried_again(front: Front, enter: Enter) -> None:
    room = front()
    session = come_in_here(enter, room.port)
    room.key = OTHER_KEY
    room.cut()
    trouble = events_until(session, CodeTrouble)[-1]
    assert trouble == CodeTrouble(ITALIAN.code_wrong.format(host="127.0.0.1", port=room.port), wants_code=True)
    session.retry()
    events_until(session, LinkBroken)
    room.key = KEY
    session.retry()
    assert not any(isinstance(event, CodeTrouble) for event in events_until(session, Welcome | LinkRestored))  # type: ignore[arg-type]


@pytest.mark.psk
@pytest.mark.usefixtures("long_pauses")
def test_a_room_that_is_open_now_is_not_gone_back_to(front: Front, enter: Enter, play: Play) -> None:
    room = front()
    session = come_in_here(enter, room.port)
    impostor = play(GREETING)
    room.close()
    session.port = impostor.port  # as if it had taken the room's address
    session.retry()
    trouble = events_until(session, CodeTrouble)[-1]
    assert isinstance(trouble, CodeTrouble)
    assert not trouble.wants_code
    data = impostor.next_peer().sock.recv(4096)
    assert data.startswith(b"\x16\x03")


def room_id_of(session: Session) -> str:
    return session._room.id


@pytest.mark.psk
@pytest.mark.usefixtures("long_pauses")
def test_a_room_that_has_moved_proves_itself_by_its_code_and_needs_no_question(front: Front, enter: Enter) -> None:
    sought, room, new_place = Searches(), front(), front()
    session = come_in_here(enter, room.port, new_search=sought)
    room_id = room_id_of(session)
    room.close()
    sought.next().hear(found_at(new_place.port, room_id=room_id))
    seen = events_until(session, AddressChanged)
    assert not any(isinstance(event, RoomMoved) for event in seen)
    assert (session.host, session.port) == ("127.0.0.1", new_place.port)
    changed = seen[-1]
    assert isinstance(changed, AddressChanged)
    assert changed.room.had_code


@pytest.mark.psk
@pytest.mark.usefixtures("long_pauses")
def test_a_liar_that_claims_the_room_cannot_prove_it_and_the_room_itself_is_found(front: Front, enter: Enter) -> None:
    sought, room, liar, new_place = Searches(), front(), front(OTHER_KEY), front()
    session = come_in_here(enter, room.port, new_search=sought)
    room_id = room_id_of(session)
    room.close()
    search = sought.next()
    search.hear(found_at(liar.port, room_id=room_id))
    wait_until(lambda: liar.heard)
    search.hear(found_at(liar.port, needs_code=False, room_id=room_id))
    wait_until(lambda: not search.rooms())  # it is believed no more
    search.hear(found_at(new_place.port, room_id=room_id))
    seen = events_until(session, AddressChanged)
    assert not any(isinstance(event, RoomMoved | CodeTrouble) for event in seen)
    assert liar.links == 0


@pytest.mark.psk
@pytest.mark.usefixtures("long_pauses")
def test_an_open_room_that_claims_the_id_is_not_even_asked_about(front: Front, enter: Enter, play: Play) -> None:
    sought, room, liar = Searches(), front(), play()
    session = come_in_here(enter, room.port, new_search=sought)
    room_id = room_id_of(session)
    room.close()
    sought.next().hear(found_at(liar.port, needs_code=False, room_id=room_id))
    session.quit()
    assert not any(isinstance(event, RoomMoved) for event in events_until(session, Disconnected))
    assert liar.is_alone


def test_before_python_3_13_it_is_said_what_is_needed(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secure, "IS_AVAILABLE", False)
    server = play()
    session = Session("127.0.0.1", server.port, code_key=KEY)
    with pytest.raises(UnreachableError, match=r"serve Python 3\.13"):
        session.connect()
    session.close()
    server.stop_listening()
    assert server.is_alone  # nobody was connected to


@pytest.mark.psk
def test_the_key_of_a_code_opens_the_room_however_it_was_typed(front: Front, enter: Enter) -> None:
    code = make_code()
    room = front(key_of(parse_code(code) or ""))
    typed = parse_code(f"  {code.upper().replace('-', ' – ')} ")
    assert typed is not None
    session = enter(room.port, key_of(typed))
    assert next_event(session) == Greeting()
