"""Fixtures of the server's tests: servers with a memory, the operator, the path of a history."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

import protocol
from lan_chat.server.commands import Operator
from lan_chat.server.history import History
from lan_chat.server.listening import open_listener
from lan_chat.server.server import ChatServer
from lan_chat.server.words import ENGLISH
from protocol import Notice
from tests.support.sends import Sends
from tests.support.servers import Serve, limits
from tests.support.waiting import DEADLINE_S


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers with the room's memory as a test wants it."""
    with contextlib.ExitStack() as stack:

        def serve(grace_s: float = 60.0, backlog: int = 0, history: History | None = None) -> ChatServer:
            notice = Notice(protocol.RECORDED) if history else None
            server = ChatServer(
                open_listener("127.0.0.1", 0),
                limits(rate=0, grace_s=grace_s, backlog=backlog),
                history=history,
                notice=notice,
            )
            server.start()
            stack.callback(server.stop)
            return server

        yield serve


@pytest.fixture
def operator(server: ChatServer) -> Operator:
    return Operator(server, ENGLISH)


@pytest.fixture
def sends(monkeypatch: pytest.MonkeyPatch) -> Sends:
    """All that servers send from here on."""
    return Sends(monkeypatch)


@pytest.fixture
def bare_texts_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a bare text that ends in a goodbye wait for what follows for as long as a test does; a name settles as ever.

    It is a text when nothing has followed, and a client that is held up before it closes must not be too late.
    """
    settle_s = protocol.SETTLE_S
    monkeypatch.setattr(protocol, "settle_s", lambda _: settle_s)
    monkeypatch.setattr(protocol, "SETTLE_S", DEADLINE_S)


@pytest.fixture
def file(own_settings: Path) -> Path:
    return own_settings / "storia è.db"


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """Restore the log as it was: `chat_server.main` sets its level and adds handlers."""
    log = logging.getLogger("lan_chat")
    level, handlers = log.level, log.handlers[:]
    yield
    log.setLevel(level)
    log.handlers[:] = handlers
