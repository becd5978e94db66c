"""Our client and our server in a room with a code."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from lan_chat.client.ledger import LinkRestored
from lan_chat.client.link import CodeError, CodeFault, UnreachableError
from lan_chat.client.session import CodeTrouble, Disconnected, Session
from lan_chat.client.words import ITALIAN
from lan_chat.server.server import ChatServer
from protocol import EndConn, Joined, Message
from tests.support.proxy import Proxy
from tests.support.secure_peers import KEY, OTHER_KEY
from tests.support.servers import SPEAK_S, limits, start
from tests.support.sessions import events_until
from tests.support.waiting import DEADLINE_S

pytestmark = pytest.mark.psk

Enter = Callable[..., Session]


@pytest.fixture
def coded() -> Iterator[ChatServer]:
    server = start(limits(rate=0, grace_s=30.0, backlog=0, code_key=KEY, greeting_wait_s=SPEAK_S))
    yield server
    server.stop()


@pytest.fixture
def enter() -> Iterator[Enter]:
    with contextlib.ExitStack() as stack:

        def enter(port: int, name: str, key: bytes | None = KEY) -> Session:
            session = Session("127.0.0.1", port, "it", key)
            stack.callback(session.close)
            session.connect()
            session.start()
            session.join(name)
            events_until(session, Joined)
            return session

        yield enter


def test_who_has_the_code_talks_and_sees_the_end(coded: ChatServer, enter: Enter) -> None:
    ada, bob = enter(coded.port, "Ada"), enter(coded.port, "Bob")
    ada.say("ciao " * 3000)
    (said,) = [event for event in events_until(bob, Message) if isinstance(event, Message)]
    assert said.text.split() == ["ciao"] * 3000
    coded.stop()
    assert any(isinstance(event, EndConn) for event in events_until(bob, Disconnected))


@pytest.mark.parametrize(("key", "fault"), [(OTHER_KEY, CodeFault.WRONG), (None, CodeFault.NEEDED)])
def test_who_has_another_code_or_none_is_told_so(
    coded: ChatServer, enter: Enter, monkeypatch: pytest.MonkeyPatch, key: bytes | None, fault: CodeFault
) -> None:
    monkeypatch.setattr("lan_chat.client.link.REFUSAL_S", DEADLINE_S)
    with pytest.raises(CodeError) as caught:
        enter(coded.port, "Ada", key)
    assert caught.value.fault is fault


def test_a_server_without_a_code_is_not_entered_with_one(server: ChatServer, enter: Enter) -> None:
    with pytest.raises(CodeError) as caught:
        enter(server.port, "Ada")
    assert caught.value.fault is CodeFault.NONE


def test_who_is_banned_is_told_that_it_is_not_the_code(coded: ChatServer, enter: Enter) -> None:
    coded.room.ban("127.0.0.1", "")
    sentence = ITALIAN.code_turned_away.format(host="127.0.0.1", port=coded.port)
    with pytest.raises(UnreachableError) as caught:
        enter(coded.port, "Ada")
    assert str(caught.value) == sentence


def test_a_broken_link_comes_back_with_nothing_missing_and_nothing_twice(coded: ChatServer, enter: Enter) -> None:
    with Proxy(coded.port) as proxy:
        ada, bob = enter(proxy.port, "Ada"), enter(proxy.port, "Bob")
        for number in range(20):
            if number % 5 == 2:
                proxy.cut_after(50 * number)
            ada.say(f"numero {number}")
        heard: list[str] = []
        while not heard or heard[-1] != "numero 19":
            heard += [event.text for event in events_until(bob, Message) if isinstance(event, Message)]
        assert heard == [f"numero {number}" for number in range(20)]
        ada.close()
        bob.close()


@pytest.mark.parametrize("size", [1, 100, 400])
def test_a_link_that_breaks_within_the_handshake_says_nothing_against_the_room(
    coded: ChatServer, enter: Enter, size: int
) -> None:
    with Proxy(coded.port) as proxy:
        ada = enter(proxy.port, "Ada")
        proxy.cut()
        proxy.cut_after(size)
        assert not [event for event in events_until(ada, LinkRestored) if isinstance(event, CodeTrouble)]
        ada.close()
