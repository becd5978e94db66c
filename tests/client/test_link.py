"""Connecting: what answers at an address, and why nothing does."""

from __future__ import annotations

import errno
import socket
from typing import Any

import pytest

from lan_chat.client.link import Link, UnreachableError
from lan_chat.client.session import Session
from lan_chat.client.words import ITALIAN
from lan_chat.server.listening import open_listener
from lan_chat.server.server import ChatServer
from protocol import Greeting, Say
from tests.support.peers import GREETING, LinePeer
from tests.support.played_server import Play, PlayedServer
from tests.support.servers import limits
from tests.support.sessions import Meet, next_event, why_not
from tests.support.waiting import DEADLINE_S

ORIGINAL_GREETING = ITALIAN.greeting


def test_our_server_is_recognised_by_its_mark(server: ChatServer, meet: Meet) -> None:
    session = meet(server)
    assert not session.is_bare
    assert next_event(session) == Greeting()


def test_a_greeting_without_the_mark_is_an_originals(play: Play, meet: Meet) -> None:
    session = meet(play(ORIGINAL_GREETING))
    assert session.is_bare
    assert next_event(session) == Say(ORIGINAL_GREETING)


@pytest.mark.parametrize(("greeting", "is_bare"), [(GREETING, False), (ORIGINAL_GREETING, True)], ids=["ours", "bare"])
def test_a_greeting_cut_into_bytes_is_recognised(
    play: Play, meet: Meet, monkeypatch: pytest.MonkeyPatch, greeting: str, is_bare: bool
) -> None:
    monkeypatch.setattr("lan_chat.client.link.RECV_BYTES", 1)
    assert meet(play(greeting)).is_bare == is_bare


class Interrupted:
    """A socket that is being read when the user presses Ctrl+C."""

    def __init__(self) -> None:
        self.sent = b""

    def settimeout(self, _: float) -> None:
        pass

    def recv(self, _: int) -> bytes:
        raise KeyboardInterrupt

    def sendall(self, data: bytes) -> None:
        self.sent += data


def test_ctrl_c_right_after_the_hello_says_goodbye() -> None:
    sock: Any = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        Link._read_refusal(sock)
    assert sock.sent == b"{quit}\n"


class Drip:
    """A socket on which one byte comes at a time, after a pause on the clock that `time.monotonic` reads here."""

    def __init__(self, greeting: bytes, pause_s: float) -> None:
        self.greeting, self.pause_s = greeting, pause_s
        self.now = self.timeout = 0.0

    def settimeout(self, timeout: float) -> None:
        assert timeout > 0
        self.timeout = timeout

    def recv(self, _: int) -> bytes:
        pause_s = self.pause_s if self.greeting else 1000.0
        self.now += min(pause_s, self.timeout)
        if pause_s >= self.timeout:
            raise TimeoutError
        piece, self.greeting = self.greeting[:1], self.greeting[1:]
        return piece


def drip(greeting: str, pause_s: float, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Return what a link takes for the greeting of a server that drips."""
    sock: Any = Drip(greeting.encode(), pause_s)
    monkeypatch.setattr("lan_chat.client.link.time", sock)
    sock.monotonic = lambda: sock.now
    link = Link.__new__(Link)
    link._host, link._port, link._words = "pc-7", 53000, ITALIAN
    return link._read_greeting(sock)


@pytest.mark.parametrize("pause_s", [0.0, 0.1, 0.35, 0.5])
@pytest.mark.parametrize("greeting", [GREETING, ORIGINAL_GREETING], ids=["ours", "bare"])
def test_a_greeting_that_drips_is_waited_for_with_its_mark(
    monkeypatch: pytest.MonkeyPatch, greeting: str, pause_s: float
) -> None:
    assert drip(greeting, pause_s, monkeypatch) == greeting.encode()


def test_a_greeting_that_drips_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnreachableError, match="non risponde"):
        drip(GREETING, 0.9, monkeypatch)


def test_a_greeting_that_is_the_beginning_of_ours_is_an_originals(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drip(GREETING[:6], 0.0, monkeypatch) == GREETING[:6].encode()


def test_what_an_original_server_says_right_after_its_greeting_is_not_lost(play: Play, meet: Meet) -> None:
    session = meet(play(f"{ORIGINAL_GREETING}Bob: ciao"))
    assert session.is_bare
    assert next_event(session) == Say(f"{ORIGINAL_GREETING}Bob: ciao")


@pytest.mark.parametrize("banner", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\x00\x00\x00\x12", b"\xff\xfb\x01"])
def test_what_is_no_chat_is_named_so(play: Play, banner: bytes) -> None:
    server = play(banner)
    assert why_not(server.port) == ITALIAN.unreachable_stranger.format(host="127.0.0.1", port=server.port)


def test_a_server_that_never_greets_is_no_chat(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lan_chat.client.link.CONNECT_S", 0.05)
    assert "non è un server di chat" in why_not(play("").port)


def test_a_server_that_breaks_off_before_it_greets_is_a_network_failure(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = play("")
    session = Session("127.0.0.1", server.port)
    monkeypatch.setattr(Link, "_open", lambda *_: open_and(server))
    with pytest.raises(UnreachableError, match="non riuscita"):
        session.connect()


def open_and(server: PlayedServer) -> socket.socket:
    """Connect to a server, and have it break off at once."""
    sock = socket.create_connection(("127.0.0.1", server.port), DEADLINE_S)
    server.peer.break_off()
    return sock


def test_a_port_where_nobody_listens_is_named_so(nobody_port: int) -> None:
    assert why_not(nobody_port) == ITALIAN.unreachable_refused.format(host="127.0.0.1", port=nobody_port)


@pytest.mark.parametrize("host", ["a..b", "a" * 64, "\udcff", "a\0b"])
def test_what_can_be_no_host_is_named_so(host: str) -> None:
    assert why_not(53000, host) == ITALIAN.unreachable_unknown.format(host=host)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), ITALIAN.unreachable_unknown),
        (TimeoutError("timed out"), ITALIAN.unreachable_silent),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), ITALIAN.unreachable_network),
    ],
)
def test_each_failure_to_connect_has_its_sentence(
    monkeypatch: pytest.MonkeyPatch, error: OSError, sentence: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(socket, "create_connection", fail)
    assert why_not(53000, "pc-di-ada") == sentence.format(host="pc-di-ada", port=53000, error=error)


def test_a_full_server_is_named_so() -> None:
    server = ChatServer(open_listener("127.0.0.1", 0), limits(max_clients=1))
    server.start()
    try:
        with LinePeer(server.port, "Ada"):
            assert why_not(server.port) == ITALIAN.full
    finally:
        server.stop()
