"""Clients over raw sockets, one for each dialect; every read has a deadline, and says what came instead."""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
from typing import TypeVar

import protocol
from protocol import Announcement, Event, Events, Hello, Join, Joined, Left, Message, Resume, Say, Welcome
from tests.support.waiting import DEADLINE_S

GREETING = protocol.ITALIAN.greeting + protocol.MARK

Wanted = TypeVar("Wanted", bound=Event)
SomePeer = TypeVar("SomePeer", bound="Peer")


def bind(port: int = 0) -> socket.socket:
    """Take a port of this machine, without listening yet: whoever asks for a connection is refused."""
    sock = socket.socket()
    if sys.platform != "win32":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    return sock


def reset(sock: socket.socket) -> None:
    """Break a connection without a goodbye."""
    linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    sock.close()


class Peer:
    """A plain TCP client. What it is taken for depends on what it sends."""

    def __init__(self, port: int, host: str = "127.0.0.1", source: str = "") -> None:
        self.sock = socket.create_connection((host, port), DEADLINE_S, (source, 0) if source else None)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""

    def __enter__(self: SomePeer) -> SomePeer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, data: str | bytes) -> None:
        self.sock.sendall(data.encode() if isinstance(data, str) else data)

    def recv(self) -> bytes:
        """What one `recv` gives, as the original's client reads."""
        return self.sock.recv(protocol.BARE_RECV_BYTES)

    def expect(self, word: str) -> str:
        """Read up to a word, and give all up to its end."""
        wanted = word.encode()
        while wanted not in self.received:
            try:
                data = self.sock.recv(65536)
            except TimeoutError:
                data = b""
            if not data:
                raise AssertionError(f"{word!r} did not come; instead: {self.received.decode(errors='replace')!r}")
            self.received += data
        end = self.received.index(wanted) + len(wanted)
        text, self.received = self.received[:end].decode(), self.received[end:]
        return text

    def expect_end(self) -> str:
        """Read up to the end of the stream, and give all of it."""
        while data := self.sock.recv(65536):
            self.received += data
        text, self.received = self.received.decode(), b""
        return text

    def close(self) -> None:
        self.sock.close()


class LinePeer(Peer):
    """A member that speaks lines, as netcat does."""

    def __init__(self, port: int, name: str, *, speaks_first: bool = False) -> None:
        super().__init__(port)
        if not speaks_first:
            self.expect(GREETING)
        self.say(name)
        self.expect(f"{name} si è unito alla chat!\n")

    def say(self, text: str) -> None:
        self.send(text + "\n")


class BarePeer(Peer):
    """A member that speaks bare, as the original's client does; it reads one `recv` at a time."""

    def __init__(self, port: int, name: str) -> None:
        super().__init__(port)
        assert self.recv().decode() == GREETING
        self.send(name)
        wanted = protocol.ITALIAN.welcome.format(name=name) + protocol.ITALIAN.joined.format(name=name)
        heard = b""
        while len(heard) < len(wanted.encode()):  # on a busy machine one `recv` may give both
            data = self.recv()
            assert data, heard
            heard += data
        assert heard.decode() == wanted

    def say(self, text: str) -> None:
        self.send(text)


class HearingPeer(Peer):
    """A client that is told events, in whatever format."""

    def next_event(self) -> Event:
        """Return the next event; fail when the stream ends."""
        raise NotImplementedError

    def expect_event(self, kind: type[Wanted]) -> Wanted:
        """Return the next event, which must be of this kind."""
        event = self.next_event()
        assert isinstance(event, kind), event
        return event

    def events_until(self, last_text: str) -> list[Event]:
        """Return all events up to the message with this text, that included."""
        events = [self.next_event()]
        while getattr(events[-1], "text", None) != last_text:
            events.append(self.next_event())
        return events


class EventPeer(HearingPeer):
    """A client that speaks events; a member if it has a name."""

    def __init__(self, port: int, name: str = "") -> None:
        super().__init__(port)
        self.decoder = Events(protocol.MAX_SERVER_LINE_BYTES)
        self.waiting: list[Event] = []
        self.nonce = 0
        self.expect(GREETING)
        self.tell(Hello(protocol.VERSION, "it"))
        if name:
            self.tell(Join(name))
            self.welcome = self.expect_event(Welcome)
            self.before: list[Event] = []
            """The notice and the backlog that it was shown on arrival."""
            while not isinstance(event := self.next_event(), protocol.Joined):
                self.before.append(event)

    def tell(self, event: Event) -> None:
        self.send(self.decoder.encode(event))

    def say(self, text: str) -> None:
        self.nonce += 1
        self.tell(Say(text, self.nonce))

    def settle(self) -> None:
        """Wait until the server has dealt with all that this client has said."""
        self.send("[]\n")
        assert self.expect_event(protocol.Error).reason == "malformed"

    def next_event(self) -> Event:
        """The next event; fails when the stream ends."""
        while not self.waiting:
            data = self.sock.recv(65536)
            assert data, "the server closed the connection"
            self.waiting = self.decoder.feed(data)
        return self.waiting.pop(0)


class BackPeer(EventPeer):
    """A member on a new link."""

    def __init__(self, port: int, token: str = "", last: int = 0) -> None:
        super().__init__(port)
        if token:
            self.come_back(token, last)

    def come_back(self, token: str, last: int = 0) -> None:
        self.tell(Resume(token, last))
        self.welcome = self.expect_event(Welcome)
        self.nonce = self.welcome.nonce or 0

    def missed(self) -> list[Event]:
        """All that was said while the link was broken; something must have been."""
        events = [self.next_event()]
        while number_of(events[-1]) < self.welcome.last:
            events.append(self.next_event())
        return events


def number_of(event: Event) -> int:
    assert isinstance(event, Message | Announcement | Joined | Left), event
    return event.id


def texts_of(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Message | Announcement)]


def answer_to(port: int, event: Event) -> Event:
    """What a new connection is answered."""
    with EventPeer(port) as peer:
        peer.tell(event)
        return peer.next_event()


def drain(peer: Peer) -> bytes:
    """Read up to the end of a connection, in whichever way it ends."""
    with contextlib.suppress(ConnectionError):
        while data := peer.sock.recv(65536):
            peer.received += data
    return peer.received


def come_back(port: int, token: str, last: int) -> tuple[EventPeer, Event]:
    """Ask for an old place on a new link; gives the answer, too."""
    peer = EventPeer(port)
    peer.tell(Resume(token, last))
    return peer, peer.next_event()


def texts(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Message)]
