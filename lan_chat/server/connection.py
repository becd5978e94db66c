"""One connection of the server, and the member who speaks over it.

The client's own thread reads and closes a connection; the delivery thread writes to it.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import math
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import protocol
from lan_chat.process import POLL_S
from lan_chat.server.outbox import Outbox
from lan_chat.sockets import Address
from protocol import Bare, Dialect, Event, Events, Reason, Words

NAME_S = 300.0
"""Time to choose a name, in seconds."""
MAX_WAITING_EVENTS = 64
"""What may wait of one client for the delivery thread before that client is not read any further."""
RECV_BYTES = 16 * 1024
MAX_FIRST_CHUNKS = protocol.MAX_HELLO_BYTES
"""How many times `recv` may give something before a client's dialect is settled: no `hello` has more bytes."""
IDLE_S = 0.5 if sys.platform == "win32" else 3600.0
"""How long one `recv` waits where nothing limits it; the number means nothing, but None would block the writer.

On Windows nobody promises that a shutdown wakes a reader, and wine's does not: there it looks up by itself.
"""
LINGER_S = 0.5
"""How long a client may take to close its side after us; closing earlier could destroy what it has not read."""
SLOW_DOWN_LOG_S = 60.0
"""How long somebody has to talk slowly enough before being slowed down is news again."""


class TooLateError(Exception):
    """A client did not choose a name in time."""


class Connection:
    """One connection. Its own thread reads and closes it; the delivery thread writes to it."""

    _numbers = itertools.count(1)

    def __init__(self, sock: socket.socket, address: Address, words: Words) -> None:
        self.address = address
        self.number = next(self._numbers)
        """Who came later has a larger one."""
        self.thread: threading.Thread | None = None
        # For the client's thread alone.
        self._sock = sock
        self._sock.settimeout(IDLE_S)
        self._words = words
        self._dialect: Dialect = Bare(words)
        self._first_chunks: list[bytes] = []
        self.name_deadline = time.monotonic() + NAME_S
        self.slowed_until = -SLOW_DOWN_LOG_S
        self.told_muting: tuple[int, int] | None = None
        """The last muting that this client was told of, as `Room.muting_of` gives it."""
        self.refused: frozenset[Reason] = frozenset()
        """Why something that it said was refused, as far as the log has it."""
        # Written by the client's thread before the order that needs it, read by the delivery thread after that.
        self.kind: type[Dialect] = Bare
        self.member: Member | None = None
        """Who speaks here, from the moment that the name is this client's."""
        self.token = ""
        # For the delivery thread alone.
        self.outbox = Outbox(sock)
        self.is_member = False
        self.seen = 0
        # Between the two.
        self._is_cut = False
        """Whether nothing more is to be read."""
        self._changed = threading.Condition()
        """Guards the five that follow, and tells whoever waits for one of them; three of its own would be dear."""
        self._commands: list[Event] = []
        self.is_ending = False
        """Whether nothing more that this client says shall count."""
        self.is_dropped = False
        """Whether the delivery thread will never touch this client again."""
        self.why = ""
        """Why this connection ends, for the log; whoever knows it first writes it, with `end_because`."""
        self.why_left: Reason | None = None
        """The same for the room, where it was not the member's own wish."""
        self.is_lost = False
        """Whether it cannot be written to any more; what it had said still counts, as far as it need not wait."""

    def settle(self) -> type[Dialect]:
        """Read until it is known which dialect this client speaks. Raises as `incoming` does."""
        received, kind = b"", None
        while kind is None:
            data = self._receive(protocol.settle_s(received) if received else None)
            if data:
                self._first_chunks.append(bytes(memoryview(data)))  # a copy: `recv` got its bytes in a block of 16 KiB
                received += data
            is_over = data is None or len(self._first_chunks) == MAX_FIRST_CHUNKS
            kind = protocol.recognise_client(received, is_over, has_ended=data == b"")
        self.kind = kind
        self._dialect = Events() if issubclass(kind, Events) else kind(self._words)
        self.outbox.is_paced = kind is Bare
        return kind

    def incoming(self) -> Iterator[list[Event]]:
        """Yield what the client says, whenever something came, until it ends its stream.

        Raises TooLateError past `name_deadline`, OSError where the connection fails.
        """
        for chunk in self._first_chunks:  # one by one: to a bare client each `recv` was a message
            yield self._dialect.feed(chunk)
        self._first_chunks.clear()
        doubt_s = protocol.SETTLE_S if self.kind is Bare else protocol.DOUBT_S
        try:
            while (data := self._receive(doubt_s if self._dialect.is_waiting else None)) != b"":
                yield self._dialect.flush() if data is None else self._dialect.feed(data)
        except OSError:  # no goodbye, but what was said was said
            yield self._dialect.finish()
            raise
        yield self._dialect.finish()

    def hand_over(self, events: list[Event]) -> bool:
        """Add to the orders that wait for the delivery thread; True where it has to be told that there are some.

        Waits while there are too many: a client that is faster than the room is not read any further.
        """
        with self._changed:
            while len(self._commands) >= MAX_WAITING_EVENTS and not self.is_dropped:
                self._changed.wait(POLL_S)
            is_first = not self._commands
            self._commands += events
            return is_first

    def take_commands(self) -> list[Event]:
        """Take all orders that wait. For the delivery thread."""
        with self._changed:
            commands, self._commands = self._commands, []
            self._changed.notify_all()
            return commands

    def end(self) -> None:
        """Let nothing more count that this client says. From any thread."""
        with self._changed:
            self.is_ending = True
            self._changed.notify_all()

    def drop(self) -> None:
        """Give the client back to its own thread, which closes it: the delivery thread is done with it."""
        with self._changed:
            self.is_dropped = True
            self._changed.notify_all()

    def wait_for_end(self, timeout_s: float) -> bool:
        """Wait, and tell whether it ends."""
        with self._changed:
            return self._changed.wait_for(lambda: self.is_ending, min(timeout_s, threading.TIMEOUT_MAX))

    def wait_for_drop(self) -> None:
        """Wait until nobody else touches this client any more."""
        with self._changed:
            self._changed.wait_for(lambda: self.is_dropped)

    def end_because(self, why: str, why_left: Reason | None = None) -> None:
        """Note why this connection ends, unless that is known already. From any thread."""
        with self._changed:
            if not self.why:
                self.why, self.why_left = why, why_left

    def cut(self) -> None:
        """Wake the client's thread out of `recv`. From any thread, as often as one likes."""
        self._is_cut = True
        with contextlib.suppress(OSError):  # the other side may have been faster
            self._sock.shutdown(socket.SHUT_RDWR)

    def turn_away(self, sentence: str) -> None:
        """Say one sentence and close: for a connection that never got a thread."""
        try:
            self.outbox.push(sentence.encode())
            self._sock.shutdown(socket.SHUT_WR)
            self._sock.setblocking(False)
            self._sock.recv(RECV_BYTES)  # closed before this is read, it could destroy the sentence
        except OSError:
            pass  # it has gone already, or has said nothing
        self.outbox.detach()
        self._sock.close()

    def close(self) -> None:
        """Say that we are done, let the other side read that, close. For the client's thread, when it is dropped."""
        self.outbox.detach()
        with self._sock as sock:
            try:
                sock.shutdown(socket.SHUT_WR)
                sock.settimeout(LINGER_S)
                deadline = time.monotonic() + LINGER_S
                while sock.recv(RECV_BYTES) and time.monotonic() < deadline:
                    pass
            except OSError:
                pass  # it is gone, or does not care

    def _receive(self, limit_s: float | None) -> bytes | None:
        """Read what there is: b"" at the end of the stream, None where nothing came for `limit_s`."""
        until = math.inf if limit_s is None else time.monotonic() + limit_s
        while True:
            wait_s = IDLE_S
            if limit_s is not None:
                wait_s = min(wait_s, until - time.monotonic())
                if wait_s <= 0:
                    return None
            if self.member is None:
                wait_s = min(wait_s, self.name_deadline - time.monotonic())
                if wait_s <= 0:
                    raise TooLateError
            if wait_s != self._sock.gettimeout():
                self._sock.settimeout(wait_s)
            try:
                return self._sock.recv(RECV_BYTES)
            except TimeoutError as error:
                if error.errno is not None:  # the system gave the connection up; ours has no number
                    raise
                if self._is_cut:
                    return b""


@dataclass(frozen=True)
class LinkLost(Event):
    """Never on the wire: an order of a client's thread. The connection is over, and nobody said goodbye."""


class Member:
    """Somebody with a name in the room. It outlives the connection, where that breaks and another one resumes it."""

    def __init__(self, name: str, token_key: bytes, connection: Connection | None) -> None:
        self.name = name
        self.token_key = token_key
        self.connection = connection
        """Its connection, or the last that it had; written under the room's lock."""
        self.joined_at = time.time()
        self.said = 0
        self.is_muted = False
        self.mutings = 0
        # For the delivery thread alone.
        self.joined_id = 0
        self.replay_from = 0
        """The `id` after which this member has a right to every event: before it came, but for what it was shown."""
        self.last_nonce = -1


def token_key(token: str) -> bytes:
    """Give what the server keeps of a token: who reads its memory or its file cannot come back as anybody."""
    return hashlib.sha256(token.encode()).digest()
