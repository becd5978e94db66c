"""Fixtures of the client's tests: played servers, sessions, windows, ports where nobody listens."""

from __future__ import annotations

import contextlib
import gc
import random
import webbrowser
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from lan_chat.client.console import known_places
from lan_chat.client.session import Session
from lan_chat.client.settings import Settings
from lan_chat.client.whereabouts import NewSearch
from lan_chat.client.words import ITALIAN
from lan_chat.code import key_of
from lan_chat.server.server import ChatServer
from protocol import Greeting, Welcome
from tests.support.coded_front import CODE, CodedFront
from tests.support.fake_search import FakeSearch
from tests.support.pace import Pace, held_pauses
from tests.support.peers import GREETING, bind
from tests.support.played_server import Play, PlayedServer
from tests.support.seats import HAS_XDOTOOL, Ask, DialogHands, FakeSession, Reader, ReaderSit, Seat, Sit
from tests.support.session_seats import SessionSeat, SessionSit
from tests.support.sessions import Meet
from tests.support.waiting import DEADLINE_S

try:
    import tkinter as tk
except ImportError:  # what needs it is skipped aloud, for want of a display
    if not TYPE_CHECKING:
        tk = None


@pytest.fixture(autouse=True)
def searches(monkeypatch: pytest.MonkeyPatch) -> list[FakeSearch]:
    """The searches of the dialogs that were opened, none of which asks anybody."""
    made: list[FakeSearch] = []

    def begin_search(settings: Settings, ring: Callable[[], object]) -> FakeSearch:
        made.append(FakeSearch(known_places(settings), ring))
        made[-1].start()
        return made[-1]

    monkeypatch.setattr("lan_chat.client.connect_dialog.begin_search", begin_search)
    monkeypatch.setattr("lan_chat.client.connect_dialog.search_after_break", FakeSearch)
    return made


@pytest.fixture(autouse=True)
def no_late_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have nobody wait long for a played server to say that a code is needed."""
    monkeypatch.setattr("lan_chat.client.link.REFUSAL_S", 0.02)


@pytest.fixture
def coded_front(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[CodedFront]:
    """A room with the code CODE, which says for sure at once that one is needed."""
    monkeypatch.setattr("lan_chat.client.link.REFUSAL_S", DEADLINE_S)
    with contextlib.closing(CodedFront(server.port, key_of(CODE))) as front:
        yield front


@pytest.fixture
def play() -> Iterator[Play]:
    """Make servers that the test plays; the greeting is ours if it says nothing else."""
    with contextlib.ExitStack() as stack:

        def play(greeting: str | bytes = GREETING) -> PlayedServer:
            return stack.enter_context(contextlib.closing(PlayedServer(greeting)))

        yield play


@pytest.fixture
def nobody_port() -> Iterator[int]:
    """A port that nobody listens on, and nobody else can take."""
    with bind() as sock:
        yield sock.getsockname()[1]


@pytest.fixture
def meet() -> Iterator[Meet]:
    """Open sessions with servers."""
    with contextlib.ExitStack() as stack:

        def meet(
            server: ChatServer | PlayedServer, language: str = "it", new_search: NewSearch | None = None
        ) -> Session:
            session = Session("127.0.0.1", server.port, language, new_search=new_search)
            stack.callback(session.close)
            if isinstance(server, PlayedServer):
                stack.callback(server.close)  # first, or the session would wait for its answer to `{quit}`
            session.connect()
            session.start()
            return session

        yield meet


@pytest.fixture
def ask(display: None) -> Iterator[Ask]:
    """Open the question for the server in a window."""
    asked: list[DialogHands] = []

    def ask(settings: Settings | None = None, host: str = "", port: str = "", **more: Any) -> DialogHands:
        asked.append(DialogHands(settings or Settings(), host, port, **more))
        return asked[-1]

    yield ask
    for hands in asked:
        if hands.is_open and hands.dialog.session is None:
            hands.dialog.close()
        elif hands.is_open:
            hands.root.destroy()
        if hands.dialog.session is not None:
            hands.dialog.session.close()
    asked.clear()
    gc.collect()


@pytest.fixture
def session_sit(display: None) -> Iterator[SessionSit]:
    """Open windows; with `join`, somebody of that name has come in already."""
    seats: list[SessionSeat] = []

    def session_sit(server: ChatServer | PlayedServer, join: str = "", **options: str) -> SessionSeat:
        seat = SessionSeat(server, **options)
        seats.append(seat)
        if join:
            seat.enter(join)
            if isinstance(server, PlayedServer):
                server.peer.welcome(join)
            seat.see(f"{join} si è unito alla chat!")
        return seat

    yield session_sit
    for seat in seats:
        if isinstance(seat.server, PlayedServer):
            seat.server.close()
        if seat.is_open:
            seat.close_window()
        seat.session.close()


@pytest.fixture
def sit(display: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sit]:
    """Open windows in which Ada is in the room already; `others` are there too."""
    seats: list[Seat] = []
    if not HAS_XDOTOOL:
        monkeypatch.setattr(tk.Menu, "tk_popup", lambda menu, *_: Seat.posted.append(menu))

    def sit(*others: str, server: ChatServer | None = None, name: str = "Ada", **settings: Any) -> Seat:
        if server is None:
            session: FakeSession | Session = FakeSession()
        else:
            session = Session("127.0.0.1", server.port)
            session.connect()
        seat = Seat(session, Settings(**settings))
        seats.append(seat)
        if isinstance(session, Session):
            session.start()
            seat.wait(lambda: seat.words.greeting in seat.shown)
            if name:
                seat.enter(name)
        elif name:
            session.tell(Greeting(), Welcome(name, "token", (*others, name), 0))
        if name:
            seat.see(seat.words.welcome.format(name=name))
            seat.write("")
        return seat

    yield sit
    for seat in seats:
        if seat.is_open:
            seat.window.close()
        if isinstance(seat.session, Session):
            seat.session.close()
    seats.clear()
    Seat.posted.clear()
    gc.collect()  # here: an interpreter of Tcl that another thread frees ends the process


@pytest.fixture
def reader_sit(display: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[ReaderSit]:
    """Open windows in which Ada is in the room already; `others` are there too."""
    readers: list[Reader] = []
    if not HAS_XDOTOOL:
        monkeypatch.setattr(tk.Menu, "tk_popup", lambda menu, *_: Seat.posted.append(menu))

    def reader_sit(*others: str, server: ChatServer | None = None, name: str = "Ada", **settings: Any) -> Reader:
        if server is None:
            readers.append(Reader(FakeSession(), Settings(**settings)))
            readers[-1].hear(Welcome(name, "token", (*others, name), 0))
        else:
            session = Session("127.0.0.1", server.port)
            session.connect()
            readers.append(Reader(session, Settings(**settings), name))
            session.start()
            readers[-1].see(ITALIAN.welcome.format(name=name))
        return readers[-1]

    yield reader_sit
    for reader in readers:
        if reader.is_open:
            reader.window.close()
        if isinstance(reader.session, Session):
            reader.session.close()
        if reader.other is not None:
            reader.other.destroy()
    Seat.posted.clear()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The links that a browser was asked to open."""
    links: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda link: links.append(link) or True)  # type: ignore[func-returns-value]
    return links


@pytest.fixture
def long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses that only `retry` can end within a test."""
    monkeypatch.setattr(random, "uniform", lambda *_: 1000.0)


@pytest.fixture
def pace(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pace]:
    """The pauses before what is written to an original server, which the test ends."""
    with held_pauses(monkeypatch) as pace:
        yield pace
