"""Guests by browser, without a browser: a page's requests over raw sockets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import quote

import protocol
from protocol import Event, Events, Join, Resume, Say, Welcome
from tests.support.peers import HearingPeer, Peer

END = b"\r\n\r\n"


def request_bytes(
    port: int, method: str, target: str, headers: Mapping[str, str | None] | None = None, body: bytes = b""
) -> bytes:
    """Return a request as a page's browser sends it; a header that is None is left out."""
    given: dict[str, str | None] = {"Host": f"127.0.0.1:{port}"}
    if method == "POST":
        given |= {"Origin": f"http://127.0.0.1:{port}", "Content-Length": str(len(body))}
    given |= headers or {}
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items() if value is not None)]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Answer:
    """What a server answered, whole."""

    def __init__(self, data: bytes) -> None:
        head, _, self.body = data.partition(END)
        line, *headers = head.decode("latin-1").split("\r\n")
        assert line.startswith("HTTP/1.1 "), data
        self.status = int(line.split()[1])
        self.headers = dict(header.split(": ", 1) for header in headers)

    @property
    def text(self) -> str:
        return self.body.decode()


def ask(
    port: int, method: str, target: str, headers: Mapping[str, str | None] | None = None, body: bytes = b""
) -> Answer:
    """Make a request on a connection of its own, and return the answer to it."""
    return ask_raw(port, request_bytes(port, method, target, headers, body))


def ask_raw(port: int, data: bytes) -> Answer:
    """Send bytes as they are, and return the answer to them."""
    with Peer(port) as peer:
        peer.send(data)
        return Answer(peer.expect_end().encode())


class Guest(HearingPeer):
    """A page's stream; what it says goes over other connections."""

    def __init__(self, port: int, entry: Join | Resume, source: str = "") -> None:
        super().__init__(port, source=source)
        assert entry.token is not None
        self.port, self.token, self.source = port, entry.token, source
        self.nonce = -1
        self.welcome: Welcome | None = None
        self.before: list[Event] = []
        """What it was shown before the news that it has joined."""
        self.numbers: list[int | None] = []
        """The `id` of each event of the stream, None for one that has none."""
        headers = {"Lan-Chat-Token": entry.token, "Lan-Chat-Room": entry.room}
        headers["Lan-Chat-Last"] = None if entry.last is None else str(entry.last)
        if isinstance(entry, Join):
            headers["Lan-Chat-Name"] = quote(entry.name)
        self.send(request_bytes(port, "GET", "/events", headers))
        self.decoder = Events(protocol.MAX_SERVER_LINE_BYTES)

    def begin(self) -> str:
        """Read the head of the stream."""
        head = self.expect("\r\n\r\n")
        assert head.startswith("HTTP/1.1 200 OK\r\n"), head
        return head

    def next_event(self) -> Event:
        """Return the next event, heartbeats passed over; `end_conn` as what it is in the events dialect."""
        while (block := self.expect("\n\n")).startswith(":"):
            pass
        *first, line = block.rstrip("\n").split("\n")
        self.numbers.append(int(first[0].removeprefix("id: ")) if first else None)
        data = line.removeprefix("data: ")
        if json.loads(data) == {"type": "end_conn"}:
            return protocol.EndConn()
        (event,) = self.decoder.feed(data.encode() + b"\n")
        assert getattr(event, "id", None) == self.numbers[-1]
        return event

    def post(self, target: str, body: bytes = b"", **headers: str | None) -> Answer:
        """Make a request as this guest."""
        given = {"Lan-Chat-Token": self.token, **headers}
        return ask(self.port, "POST", target, given, body)

    def say(self, text: str, nonce: int | None = None) -> Answer:
        """Say something with the next nonce, or with one that was there before."""
        if nonce is None:
            nonce = self.nonce = self.nonce + 1
        return self.post("/say", Events().encode(Say(text, nonce)))


def token_for(name: str) -> str:
    """Return a token that is always the same for a name."""
    return "".join(character for character in name if character.isascii() and character.isalnum()).ljust(20, "0")


def come_in(port: int, name: str, source: str = "") -> Guest:
    """Let a guest in, and read up to the news that it has joined."""
    guest = Guest(port, Join(name, token_for(name)), source)
    guest.begin()
    welcome = guest.next_event()
    assert isinstance(welcome, Welcome), welcome
    guest.welcome = welcome
    guest.before = []
    while not isinstance(event := guest.next_event(), protocol.Joined):
        guest.before.append(event)
    return guest
