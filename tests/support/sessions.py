"""A client's session, and how the tests read its events."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from lan_chat.client.link import UnreachableError
from lan_chat.client.session import Session
from protocol import Event, Joined
from tests.support.played_server import Play, PlayedServer
from tests.support.waiting import DEADLINE_S

Meet = Callable[..., Session]
ARCHITECTURE = Path(__file__).resolve().parent.parent.parent / "docs" / "ARCHITECTURE.md"


def arrows_in_picture() -> dict[tuple[str, str], str]:
    """The transitions of a session in the picture of docs/ARCHITECTURE.md: from and to which state, by which method."""
    section = ARCHITECTURE.read_text("utf-8").partition("\n## The states of a session\n")[2].partition("\n## ")[0]
    return {(before, after): verb for before, after, verb in re.findall(r"(\w+) --> (\w+): (\w+)", section)}


def next_event(session: Session) -> Event:
    return session.events.get(timeout=DEADLINE_S)


def events_until(session: Session, kind: type[Event]) -> list[Event]:
    """All events up to one of this kind, that included."""
    events = [next_event(session)]
    while not isinstance(events[-1], kind):
        events.append(next_event(session))
    return events


def why_not(port: int, host: str = "127.0.0.1") -> str:
    """Why there is no chat at this address."""
    session = Session(host, port)
    with pytest.raises(UnreachableError) as caught:
        session.connect()
    session.close()
    return str(caught.value)


def come_in(play: Play, meet: Meet) -> tuple[PlayedServer, Session]:
    """A member of a played room, whose last event has the `id` 1."""
    server = play()
    session = meet(server)
    session.join("Ada")
    server.peer.welcome("Ada")
    events_until(session, Joined)
    return server, session
