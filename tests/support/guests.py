"""Clients that read only when they are told to, remember all that they were told, and object to what cannot be."""

from __future__ import annotations

import contextlib
import re
import select
import socket

import protocol
from lan_chat.server.connection import Connection
from lan_chat.server.words import ITALIAN
from protocol import (
    Announcement,
    Dialect,
    EndConn,
    Error,
    Event,
    Events,
    Hello,
    Join,
    Joined,
    Left,
    Lines,
    Message,
    Quit,
    Refused,
    Resume,
    Say,
    Welcome,
)
from tests.support.peers import GREETING, Peer, reset

WELCOMED = ITALIAN.welcome.partition("{")[0]
ANSWERS = (WELCOMED, ITALIAN.taken, ITALIAN.invalid, ITALIAN.banned)
"""What a client without events may be told when it has said a name."""
TEXT = re.compile(r"t(\d+)-(\d+);")
"""What guests say: their number, and a count. A bare one's texts may arrive as one message."""


class Guest:
    """A client of any dialect over a raw socket."""

    def __init__(self, number: int, port: int, kind: type[Dialect], host: str = "") -> None:
        self.number = number
        self.kind = kind
        self.host = host
        self.connection: Connection | None = None
        """The server's end; None where the guest was turned away."""
        self.events: list[Event] = []
        self.heard = b""
        """All that it has read; where it speaks no events, since the last time that its name was refused."""
        self.ids: list[int] = []
        self.waits_for: list[Join | Resume] = []
        """What it asked and was not answered."""
        self.last_asked: Join | None = None
        self.name = ""
        """Its name, as far as it was told."""
        self.token = ""
        self.said = 0
        self.is_lost = False
        """Whether its socket is closed: it reads nothing more."""
        self.is_leaving = False
        """Whether it says nothing more."""
        self.has_ended = False
        """Whether it has read the end of the stream."""
        self.was_told_the_end = False
        self._decoder = Events(protocol.MAX_SERVER_LINE_BYTES)
        self._resumed_after = 0
        self._peer = Peer(port, source=host)
        self.address: tuple[str, int] = self._peer.sock.getsockname()
        if kind is Events:
            self.tell(Hello(protocol.VERSION, "it"))

    def __str__(self) -> str:
        heard = "\n  ".join(map(str, self.events)) if self.kind is Events else repr(self.heard.decode(errors="replace"))
        return f"guest {self.number}, {self.kind.name}, {self.address}, {self.state}:\n  {heard}"

    @property
    def state(self) -> str:
        """What the server makes of it."""
        if self.connection is None:
            return "turned away"
        recipient = self.connection.recipient
        return f"{recipient.state}, member {recipient.member and recipient.member.state}, {recipient.why!r}"

    @property
    def is_open(self) -> bool:
        return not self.is_lost and not self.has_ended

    @property
    def may_speak(self) -> bool:
        return not self.is_lost and not self.is_leaving

    # What it does.

    def tell(self, event: Event) -> None:
        self._send(self._decoder.encode(event))

    def ask(self, name: str, token: str | None) -> None:
        """Ask for a name."""
        self.last_asked = Join(name, token)
        self.waits_for.append(self.last_asked)
        if self.kind is Events:
            self.tell(Join(name, token))
        else:
            self._write(name)

    def resume(self, token: str, last: int) -> None:
        self.waits_for.append(Resume(token, last))
        self.tell(Resume(token, last))

    def say(self, nonce: int) -> str:
        """Say the next text, and return it."""
        self.said += 1
        text = f"t{self.number}-{self.said};"
        if self.kind is Events:
            self.tell(Say(text, nonce))
        else:
            self._write(text)
        return text

    def knock(self) -> None:
        """Ask for an answer that says nothing; in events only."""
        self._send(b"[]\n")

    def quit(self) -> None:
        self.is_leaving = True
        if self.kind is Events:
            self.tell(Quit())
        else:
            self._write("{quit}")

    def half_close(self) -> None:
        """Say nothing more, and go on reading."""
        self.is_leaving = True
        with contextlib.suppress(OSError):  # the server may have been faster
            self._peer.sock.shutdown(socket.SHUT_WR)

    def lose(self, is_reset: bool = True) -> None:
        """Break the link, or close it in order, without a goodbye in either case."""
        if is_reset and self.is_open:
            reset(self._peer.sock)
        self._peer.close()
        self.is_lost = self.is_leaving = True

    def _write(self, text: str) -> None:
        self._send((text + "\n" * (self.kind is Lines)).encode())

    def _send(self, data: bytes) -> None:
        with contextlib.suppress(OSError):  # the server may have ended it
            self._peer.send(data)

    # What it reads.

    def read_what_is_there(self) -> None:
        while self.is_open and select.select([self._peer.sock], [], [], 0)[0]:
            self.read()

    def read(self) -> None:
        """Wait for something, and take it."""
        try:
            data = self._peer.sock.recv(65536)
        except ConnectionError:
            data = b""
        except TimeoutError:
            raise AssertionError(f"nothing came to {self}") from None
        if not data:
            self.has_ended = True
            self._peer.close()
            return
        self.heard += data
        if self.kind is not Events:
            self._take_text()
        elif GREETING.encode() in self.heard:
            is_first = not self._decoder_has_begun
            self._decoder_has_begun = True
            for event in self._decoder.feed(self.heard.partition(GREETING.encode())[2] if is_first else data):
                self.take(event)

    _decoder_has_begun = False

    def _take_text(self) -> None:
        if self.waits_for and any(answer.encode() in self.heard for answer in ANSWERS):
            self.waits_for.clear()
            _, is_welcomed, rest = self.heard.partition(WELCOMED.encode())
            if is_welcomed:
                self.name = rest.partition(b"!")[0].decode()
            else:
                self.heard = b""

    def take(self, event: Event) -> None:
        """Take an event, and check that it may come now."""
        assert not self.was_told_the_end, f"{event} came after the end to {self}"
        self.events.append(event)
        match event:
            case Welcome(name=name, token=token):
                assert not self.name, f"two welcomes for {self}"
                self.name, self.token = name, token
                asked = self.waits_for.pop(0)
                self._resumed_after = asked.last if isinstance(asked, Resume) else 0
            case Refused() | Error(reason="already joined") if self.waits_for:
                self.waits_for.pop(0)
            case EndConn():
                self.was_told_the_end = True
            case Message() | Announcement() | Joined() | Left():
                assert self.name, f"{event} came to no member: {self}"
                self._note_number(event)

    def _note_number(self, event: Message | Announcement | Joined | Left) -> None:
        if self.ids:
            assert event.id == self.ids[-1] + 1, f"{event} came after {self.ids[-1]} to {self}"
        elif not (isinstance(event, Joined) and event.name == self.name):
            assert event.id == self._resumed_after + 1, f"{event} is the first after {self._resumed_after} for {self}"
        self.ids.append(event.id)


class Watcher(Guest):
    """A member that nobody touches: it hears all, and objects to an order of events that cannot be."""

    def __init__(self, port: int, host: str) -> None:
        super().__init__(0, port, Events, host)
        self.present: dict[str, str] = {}
        """Who is there: the names by their keys."""
        self.joined = self.left = 0
        self.last_said: dict[int, int] = {}
        """The count of the last text of each guest."""
        self.names_of: dict[int, set[str]] = {}
        """Under which names each guest has spoken."""

    def take(self, event: Event) -> None:
        super().take(event)
        match event:
            case Joined(name=name):
                key = protocol.name_key(name)
                assert key not in self.present, f"{name} joined twice: {self}"
                self.present[key] = name
                self.joined += 1
            case Left(name=name):
                assert self.present.pop(protocol.name_key(name), None) == name, f"{name} was not there: {self}"
                self.left += 1
            case Message(name=name, text=text):
                assert self.present.get(protocol.name_key(name)) == name, f"{name} speaks, and is not there: {self}"
                for found in TEXT.findall(text):
                    number, count = map(int, found)
                    assert self.last_said.get(number, 0) < count, f"{text} came again, or too late: {self}"
                    self.last_said[number] = count
                    self.names_of.setdefault(number, set()).add(name)
