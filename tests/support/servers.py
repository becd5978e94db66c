"""Servers in the process of the test, and what they know of their members."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import chat_server
from lan_chat.server.connection import Member
from lan_chat.server.history import History
from lan_chat.server.listening import open_listener
from lan_chat.server.server import ChatServer
from lan_chat.server.words import ITALIAN
from protocol import Notice
from tests.support.peers import GREETING, Peer, reset
from tests.support.waiting import wait_until

IT = ITALIAN

Serve = Callable[..., ChatServer]


def talk_to(server: ChatServer) -> Peer:
    """Connect somebody who has only read the greeting."""
    peer = Peer(server.port)
    peer.expect(GREETING)
    return peer


def start(**options: object) -> ChatServer:
    """Start a server that the test stops."""
    server = ChatServer(open_listener("127.0.0.1", 0), **options)  # type: ignore[arg-type]
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
    server = ChatServer(listener, IT, 100, rate, grace_s, backlog, history, notice)
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
    client = member_of(server, name).connection
    return client is None or client.is_dropped


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
