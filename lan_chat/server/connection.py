"""One connection, as its own thread has it: it reads and frames what the client says, and closes the socket.

What it read it hands over in a `Mailbox`; it knows nothing of the room. It writes only what goes out before the
delivery thread is told of the connection: a handshake, or the answer to a browser's request.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus

import protocol
from lan_chat.secure import RECORD_BYTES, SecureError
from lan_chat.server.http_request import HttpError, Request, RequestReader
from lan_chat.server.mail import Silence, TelnetAnswer
from lan_chat.server.mailbox import Mailbox
from lan_chat.server.membership import Recipient
from lan_chat.server.outbox import Outbox
from lan_chat.server.secured import Secured
from lan_chat.sockets import Address
from protocol import Bare, Dialect, Event, Events, Lines, Stranger, Telnet, Words

RECV_BYTES = 16 * 1024
SECURED_RECV_BYTES, LARGE_RECV_BYTES = 1024, 4 * 1024
"""What is read at once in a room with a code, where no piece of the stream is a message: a thread that waits in `recv`
holds as much memory, and a thousand of them a thousand times that. Whose record was not whole gets the larger one."""
MAX_UNSAID_BYTES = 4 * RECORD_BYTES
"""How much may come in TLS without anything being said: a record comes whole before it counts."""
MAX_FIRST_CHUNKS = protocol.MAX_HELLO_BYTES
"""How many times `recv` may return something before a client's dialect is settled: no `hello` has more bytes."""
MAX_FIRST_BYTES = protocol.MAX_MESSAGE_BYTES
"""How much may come before that: all of it is looked through each time, and no first line is longer."""
IDLE_S = 0.5 if sys.platform == "win32" else None
"""How long one `recv` waits where nothing limits it, in seconds; None: until something comes.

On Windows nobody promises that a shutdown wakes a reader, and wine's does not: there it looks up by itself.
"""
RECORD_HEADER_BYTES = 5
"""How long the header of a TLS record is; its last two bytes say how long the rest is."""
LINGER_S = 1.0
"""How long a client may take to close its side after us; closing earlier could destroy what it has not read."""


class Connection:
    """The reading half of one connection. Its own thread only, except where a method says otherwise."""

    _numbers = itertools.count(1)

    def __init__(
        self,
        sock: socket.socket,
        address: Address,
        words: Words,
        *,
        announce: Callable[[Recipient], object],
        code_key: bytes | None = None,
    ) -> None:
        self.address = address
        self.thread: threading.Thread | None = None
        self.mailbox = Mailbox(lambda: announce(self.recipient))
        self._secured = None if code_key is None else Secured(code_key)
        outbox = Outbox(sock, self._secured)
        self.recipient = Recipient(address, next(self._numbers), outbox, self.mailbox, self.cut)
        """The other half, which belongs to the delivery thread."""
        self._sock = sock
        self._sock.settimeout(IDLE_S)
        self._secured_bytes = SECURED_RECV_BYTES
        self._silent_bytes = 0
        """What TLS has taken for itself, of which nothing was said."""
        self._words = words
        self._dialect: Dialect = Bare(words)
        self.accepted_at = time.monotonic()
        self._received = b""
        """The first bytes, as long as the dialect is not settled."""
        self._first_chunks: list[bytes] = []
        self._has_ended = False
        """Whether the client has ended its stream before the dialect was settled."""
        self.slowed_until = -math.inf
        """When this client, which was too fast, may speak again (monotonic clock); a guest's requests write it, too."""
        self.is_extra = False
        """Whether it came when the room was full; written by the accept thread before this one starts."""
        self.is_browser = False
        """Whether a browser has made it for a request; those are many, and not in the log."""
        self.is_logged = False
        """Whether the log says that it has connected."""
        self.is_cut = False
        """Whether nothing more is to be read; set from any thread."""

    def wait_to_be_spoken_to(self, wait_s: float) -> None:
        """Wait for the first bytes, which a browser and a TLS client send at once.

        Raises OSError where the connection fails.
        """
        until = time.monotonic() + wait_s
        while not self._received or protocol.may_become_strange(self._received):
            data = self._receive(until - time.monotonic())
            self._note_first(data)
            if not data:
                break

    def begin_handshake(self) -> None:
        """Have everything encrypted from here on. Nothing more can be sent before `shake_hands` has been successful."""
        assert self._secured is not None
        self._secured.begin()

    def shake_hands(self, limit_s: float, compute: Callable[[Callable[[bytes], bytes], bytes], bytes]) -> None:
        """Do the handshake that the client has begun with. What is to be told of its failure is not sent yet.

        `compute` calls a function with its argument, in a thread made for that.

        Raises:
            WrongCodeError: The client has another code.
            SecureError: The client is no client of this room.
            OSError: The connection fails, or ends within the handshake, or that takes longer than `limit_s`.
        """
        assert self._secured is not None
        until = time.monotonic() + limit_s
        received, self._received = self._received, b""
        self._first_chunks.clear()
        while not holds_record(received):  # what drips is kept here, which costs less than TLS
            received += self._read_handshake(until)
        while True:
            said = compute(self._secured.receive, received)
            self.answer_handshake(limit_s)
            if self._secured.is_open:
                break
            received = self._read_handshake(until)
        self._note_first(said or None)

    def answer_handshake(self, limit_s: float) -> None:
        """Send what the handshake has to send. Raises OSError where the connection fails."""
        assert self._secured is not None
        if outgoing := self._secured.take_outgoing():  # the delivery thread sends nothing before it is over
            self._sock.settimeout(limit_s)
            self._sock.sendall(outgoing)

    def settle(self) -> type[Dialect] | Stranger:
        """Read until it is known which dialect this client speaks, or which other protocol.

        Raises OSError where the connection fails.
        """
        is_over = False
        while True:
            stranger = protocol.stranger_in(self._received)
            if stranger is not None:
                return stranger
            is_over = is_over or len(self._first_chunks) >= MAX_FIRST_CHUNKS or len(self._received) > MAX_FIRST_BYTES
            kind = protocol.recognise_client(self._received, is_over, self._has_ended)
            if kind is not None:
                break
            data = self._receive(protocol.settle_s(self._received) if self._received else None)
            is_over = data is None
            self._note_first(data)
        if kind is Lines and protocol.begins_as_telnet(self._received):
            kind = Telnet
        self._received = b""
        self._dialect = Events() if issubclass(kind, Events) else kind(self._words)
        return kind

    @property
    def asks_by_http(self) -> bool:
        """Whether the first bytes are those of an HTTP request."""
        is_plain = self._secured is None or not self._secured.is_begun
        return is_plain and protocol.stranger_in(self._received) is Stranger.WEB

    def read_request(self, limit_s: float) -> Request | None:
        """Return the HTTP request that the client has begun with; None where its stream ends before.

        Raises HttpError where it is none that is served, or takes longer than `limit_s`; OSError.
        """
        until = time.monotonic() + limit_s
        reader, received = RequestReader(), self._received
        self._received = b""
        self._first_chunks.clear()
        while received:
            if (request := reader.feed(received)) is not None:
                return request
            more = self._read(until - time.monotonic())
            if more is None:
                raise HttpError(HTTPStatus.REQUEST_TIMEOUT)
            received = more
        return None

    def first_request(self) -> Request | None:
        """Return the HTTP request that the first bytes are, None where they are not all of it. Raises HttpError."""
        return RequestReader().feed(self._received)

    def answer(self, pieces: Iterable[bytes], piece_s: float) -> None:
        """Send the answer to a request. No other thread writes to such a connection: see `Mailbox.is_request`.

        Raises OSError, also where it takes nothing for `piece_s`.
        """
        self._sock.settimeout(piece_s)
        for piece in pieces:
            self._sock.sendall(piece)

    def set_dialect(self, dialect: Dialect) -> None:
        """Read what the client says from here on in this dialect."""
        self._dialect = dialect

    @property
    def begins_handshake(self) -> bool:
        """Whether the first bytes are a handshake's, in a room with a code; perhaps only the first of them has come."""
        is_plain = self._secured is not None and not self._secured.is_begun
        return is_plain and bool(self._received) and protocol.TLS_HANDSHAKE.startswith(self._received[:2])

    @property
    def may_come_in(self) -> bool:
        """Whether the client has the room's code, if that has one."""
        return self._secured is None or self._secured.is_open

    @property
    def is_silent(self) -> bool:
        """Whether nothing has come, and it is not at its end."""
        return not self._received and not self._has_ended

    @property
    def has_spoken(self) -> bool:
        """Whether first bytes have come that are no other protocol's."""
        is_shaken = self._secured is not None and self._secured.is_open
        return is_shaken or (bool(self._received) and not self.is_strange)

    @property
    def is_strange(self) -> bool:
        """Whether the first bytes are another protocol's."""
        return protocol.stranger_in(self._received) is not None

    def _note_first(self, data: bytes | None) -> None:
        if data:
            self._first_chunks.append(bytes(memoryview(data)))  # a copy: `recv` got its bytes in a block of 16 KiB
            self._received += data
        elif data == b"":
            self._has_ended = True

    def incoming(self) -> Iterator[list[Event]]:
        """Yield what the client says, whenever something came, until it ends its stream.

        Raises OSError where the connection fails.
        """
        for chunk in self._first_chunks:  # one by one: to a bare client each `recv` was a message
            yield self._feed(chunk)
        self._first_chunks.clear()
        doubt_s = protocol.SETTLE_S if isinstance(self._dialect, Bare) else protocol.DOUBT_S
        try:
            while (data := self._receive(doubt_s if self._dialect.is_waiting else None)) != b"":
                yield self._dialect.flush() if data is None else self._feed(data)
        except OSError:  # no goodbye, but what was said was said
            yield self._dialect.finish()
            raise
        yield self._dialect.finish()

    def cut(self) -> None:
        """Wake this connection's thread out of `recv`. From any thread, any number of times."""
        self.is_cut = True
        with contextlib.suppress(OSError):  # the other side may have been faster
            self._sock.shutdown(socket.SHUT_RDWR)

    def give_up(self) -> socket.socket:
        """Return the socket to the caller, for a connection that never got a thread."""
        self.recipient.outbox.detach()
        return self._sock

    def close(self) -> None:
        """Say that we are done, let the other side read that, close. When the mailbox is done."""
        self.recipient.outbox.detach()
        self.recipient.forget_connection()  # or the two would keep each other until the garbage collector comes
        if self._secured is not None:
            self._secured.forget()
        with self._sock as sock:
            try:
                sock.shutdown(socket.SHUT_WR)
                sock.settimeout(LINGER_S)
                deadline = time.monotonic() + LINGER_S
                while sock.recv(RECV_BYTES) and time.monotonic() < deadline:
                    pass
            except OSError:
                pass  # it is gone, or does not care

    def _feed(self, data: bytes) -> list[Event]:
        """Return what was said, how much said nothing, and what the client's telnet has to be sent."""
        events = self._dialect.feed(data)
        if isinstance(self._dialect, Lines) and (answer := self._dialect.take_answer()):
            events = [TelnetAnswer(answer), *events]
        if silent := self._dialect.take_silent() + self._silent_bytes:
            self._silent_bytes = 0
            events = [Silence(silent), *events]
        return events

    def _receive(self, limit_s: float | None) -> bytes | None:
        """Return what the client says: b"" at the end of the stream, None where nothing came for `limit_s`."""
        if self._secured is None:
            return self._read(limit_s)
        if not self._secured.is_begun:
            return self._read(limit_s, SECURED_RECV_BYTES)
        until = math.inf if limit_s is None else time.monotonic() + limit_s
        unsaid_bytes = 0
        while not self._secured.has_ended:
            data = self._read(None if limit_s is None else until - time.monotonic(), self._secured_bytes)
            if not data:
                return data
            if said := self._secured.receive(data):
                self._silent_bytes += max(0, unsaid_bytes - len(said))
                return said
            unsaid_bytes += len(data)
            if unsaid_bytes > MAX_UNSAID_BYTES:
                raise SecureError("nothing was said in all that came")
            self._secured_bytes = LARGE_RECV_BYTES  # this client says so much at once
        return b""

    def _read_handshake(self, until: float) -> bytes:
        more = self._read(until - time.monotonic(), SECURED_RECV_BYTES)
        if not more:
            raise ConnectionAbortedError("no end of the handshake")
        return more

    def _read(self, limit_s: float | None, max_bytes: int = RECV_BYTES) -> bytes | None:
        """Read what there is: b"" at the end of the stream, None where nothing came for `limit_s`."""
        until = math.inf if limit_s is None else time.monotonic() + limit_s
        while True:
            wait_s = IDLE_S
            if limit_s is not None:
                left_s = until - time.monotonic()
                if left_s <= 0:
                    return None
                wait_s = left_s if wait_s is None else min(wait_s, left_s)
            if wait_s != self._sock.gettimeout():
                self._sock.settimeout(wait_s)
            try:
                return self._sock.recv(max_bytes)
            except TimeoutError as error:
                if error.errno is not None:  # the system gave the connection up; ours has no number
                    raise
                if self.is_cut:
                    return b""


def holds_record(data: bytes) -> bool:
    """Return whether these bytes hold a whole TLS record, or none that can be one."""
    size = int.from_bytes(data[3:5], "big")
    return len(data) >= RECORD_HEADER_BYTES and (len(data) >= RECORD_HEADER_BYTES + size or size > RECORD_BYTES)
