"""Servers in the process of the test, and what they know of their members."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import chat_server
from lan_chat.server.history import History
from lan_chat.server.listening import open_listener
from lan_chat.server.membership import Member, MemberState
from lan_chat.server.options import Options
from lan_chat.server.server import ChatServer
from lan_chat.server.words import ITALIAN
from protocol import Event, Notice
from tests.support.peers import GREETING, Peer, reset
from tests.support.waiting import DEADLINE_S, wait_until

IT = ITALIAN

Serve = Callable[..., ChatServer]


SPEAK_S = 0.25
"""How long a server waits for clients that speak first, where a test has them: on a busy machine they take longer than
0.02 s for their first word, would be greeted, and then not be understood."""


def limits(**given: object) -> Options:
    """The limits of a server for tests: nobody waits long for its greeting, and all come from one address."""
    return Options(**{"greeting_wait_s": 0.02, "max_per_host": 0, **given})  # type: ignore[arg-type]


def have_patience(server: ChatServer) -> None:
    """Wait from now on for a client's first word for as long as a test waits: on a busy machine it comes late."""
    server._options = dataclasses.replace(server._options, greeting_wait_s=DEADLINE_S)
    server.delivery._greeting_wait_s = DEADLINE_S


def talk_to(server: ChatServer) -> Peer:
    """Connect somebody who has only read the greeting."""
    peer = Peer(server.port)
    peer.expect(GREETING)
    return peer


def start(options: Options | None = None) -> ChatServer:
    """Start a server that the test stops."""
    server = ChatServer(open_listener("127.0.0.1", 0), options or limits())
    server.start()
    return server


@contextlib.contextmanager
def room(
    grace_s: float = 60.0,
    backlog: int = 0,
    rate: float = 0.0,
    history: History | None = None,
    notice: Notice | None = None,
) -> Iterator[ChatServer]:
    """A server in this process."""
    listener = open_listener("127.0.0.1", 0)
    server = ChatServer(
        listener, limits(max_clients=100, rate=rate, grace_s=grace_s, backlog=backlog), IT, history, notice
    )
    server.start()
    try:
        yield server
    finally:
        server.stop()


def member_of(server: ChatServer, name: str) -> Member:
    member = server.room.find(name)
    assert member is not None
    return member


def is_away(server: ChatServer, name: str) -> bool:
    return member_of(server, name).state is MemberState.AWAY


class Held:
    """What a delivery thread that is held up will find when it goes on."""

    def __init__(self, server: ChatServer) -> None:
        self._server = server

    def expect_mail(self, kind: type[Event]) -> None:
        """Wait until a client has said this."""
        connections = self._server.room.connections  # also one that comes meanwhile
        wait_until(lambda: any(isinstance(event, kind) for one in connections() for event in one.mailbox._said))

    def end_grace(self) -> None:
        """Have the time be over in which those who are away may come back; this turn began before that."""
        places = self._server.delivery._parts.places
        ends_at = time.monotonic() + 0.01
        for _, _, member in places._deadlines:
            member.deadline = ends_at
        places._deadlines = [(ends_at, number, member) for _, number, member in places._deadlines]
        wait_until(lambda: time.monotonic() > ends_at)

    def start_call(self, caller: threading.Thread) -> None:
        """Start a thread that calls the delivery thread, and wait until it has."""
        queue = self._server.delivery._queue
        before = queue.qsize()
        caller.start()
        wait_until(lambda: queue.qsize() > before)


@contextlib.contextmanager
def held(server: ChatServer) -> Iterator[Held]:
    """Hold the delivery thread up, so that all that comes meanwhile comes at once."""
    is_held, may_go_on = threading.Event(), threading.Event()

    def wait() -> None:
        is_held.set()
        assert may_go_on.wait(DEADLINE_S)

    caller = threading.Thread(target=server.call, args=(wait,))
    caller.start()
    assert is_held.wait(DEADLINE_S)
    try:
        yield Held(server)
    finally:
        may_go_on.set()
        caller.join()


def lose(server: ChatServer, peer: Peer, name: str) -> None:
    """Break a member's link, and wait until the server knows."""
    reset(peer.sock)
    wait_until(lambda: is_away(server, name))


@contextlib.contextmanager
def recorded_room(file: Path, **options: float) -> Iterator[ChatServer]:
    """A server in this process that records, or should."""
    history, notice = chat_server.open_history(file, IT)
    with room(history=history, notice=notice, **options) as server:  # type: ignore[arg-type]
        yield server
