"""A client's connection, and the member whose connection it is.

The client's own thread reads the connection, and is the one that closes its socket. The delivery thread writes to it.
Any thread may end it, or wake its reader.
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
"""Commands of one client that may wait for the delivery thread, before the client is not read any further."""
RECV_BYTES = 16 * 1024
MAX_FIRST_CHUNKS = protocol.MAX_HELLO_BYTES
"""Calls of `recv` before a client's dialect is decided by what there is: no `hello` has more bytes."""
IDLE_S = 0.5 if sys.platform == "win32" else 3600.0
"""The time limit of one `recv` where no other applies: with None the descriptor would block, also for the writer.

On Windows it is not documented that a shutdown wakes a reader, and wine's does not: there the reader polls.
"""
LINGER_S = 0.5
"""How long a client may take to close its side after us: if we closed earlier, it could lose what it has not read."""
SLOW_DOWN_LOG_S = 60.0
"""How long a client has to keep below its rate before the log says again that it is slowed down."""


@dataclass(frozen=True)
class LinkLost(Event):
    """Never on the wire: a command of a client's thread. The connection has ended, without a `{quit}`."""


def token_key(token: str) -> bytes:
    """Return the hash of a token. Only that is stored: who reads the memory or the file cannot resume as a member."""
    return hashlib.sha256(token.encode()).digest()


class TooLateError(Exception):
    """A client did not choose a name in time."""


class Member:
    """A name in the room. It outlives its connection, where that breaks and another one resumes it."""

    def __init__(self, name: str, token_key: bytes, connection: Connection | None) -> None:
        self.name = name
        self.token_key = token_key
        self.connection = connection
        """The current connection, or the last; written under the room's lock."""
        self.joined_at = time.time()
        self.said = 0
        self.is_muted = False
        self.mutings = 0
        """How many times it was muted; both are written under the room's lock."""
        # Delivery thread only.
        self.joined_id = 0
        self.replay_from = 0
        """The `id` after which it may see every event: that before its joining, or before its backlog."""
        self.last_nonce = -1


class Connection:
    """A client's connection. The client's own thread reads and closes it; the delivery thread writes to it."""

    _numbers = itertools.count(1)

    def __init__(self, sock: socket.socket, address: Address, words: Words) -> None:
        self.address = address
        self.number = next(self._numbers)
        """A later connection has a larger number."""
        self.thread: threading.Thread | None = None
        # Client thread only, except that `cut` shuts the socket down.
        self._sock = sock
        self._sock.settimeout(IDLE_S)
        self._words = words
        self._dialect: Dialect = Bare(words)
        self._first_chunks: list[bytes] = []
        self.name_deadline = time.monotonic() + NAME_S
        self.slowed_until = -SLOW_DOWN_LOG_S
        self.told_muting: tuple[int, int] | None = None
        """The last muting that this client was told of, as `Room.muting_of` returns it."""
        self.refused: frozenset[Reason] = frozenset()
        """Why messages of this client were refused; each reason is logged once."""
        # Written by the client's thread before the command that needs it, read by the delivery thread after that.
        self.kind: type[Dialect] = Bare
        self.member: Member | None = None
        """The member whose connection this is, once it has a name."""
        self.token = ""
        # Delivery thread only.
        self.outbox = Outbox(sock)
        self.is_member = False
        """Whether it gets what happens in the room."""
        self.seen = 0
        """How many events of the delivery thread's batch it has been sent ahead of the others."""
        # Set once, without a lock.
        self._is_cut = False
        """Whether nothing more is to be read; any thread sets it."""
        self.is_lost = False
        """Whether it cannot be written to any more; the delivery thread sets it.

        What the client has sent still counts, as far as its rate allows it without waiting.
        """
        # Shared by the client's thread and the delivery thread.
        self._changed = threading.Condition()
        """Guards what follows, and signals a change of it; one condition for all saves memory per client."""
        self._commands: list[Event] = []
        self.is_ending = False
        """Whether further input of this client is ignored."""
        self.is_dropped = False
        """Whether the delivery thread will not use this connection again."""
        self.why = ""
        """Why this connection ends, for the log: the first reason that `end_because` was given."""
        self.why_left: Reason | None = None
        """Why this connection ends, for the members, where it was not the member's own wish."""

    @property
    def label(self) -> str:
        """Its address and port, as the log shows them."""
        return "{}:{}".format(*self.address)

    def settle(self) -> type[Dialect]:
        """Read until the client's dialect is known, and return it.

        Raises TooLateError past `name_deadline`, OSError where the connection fails.
        """
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
        """Yield the client's events, as they come, until it ends its stream.

        Raises TooLateError past `name_deadline`, OSError where the connection fails.
        """
        for chunk in self._first_chunks:  # one by one: to a bare client each `recv` was a message
            yield self._dialect.feed(chunk)
        self._first_chunks.clear()
        doubt_s = protocol.SETTLE_S if self.kind is Bare else protocol.DOUBT_S
        try:
            while (data := self._receive(doubt_s if self._dialect.is_waiting else None)) != b"":
                yield self._dialect.flush() if data is None else self._dialect.feed(data)
        except OSError:  # what was received before still counts
            yield self._dialect.finish()
            raise
        yield self._dialect.finish()

    def hand_over(self, events: list[Event]) -> bool:
        """Add to the commands that wait for the delivery thread; return whether it has to be told that there are some.

        Blocks while too many wait: a client that is faster than the room is not read any further.
        """
        with self._changed:
            while len(self._commands) >= MAX_WAITING_EVENTS and not self.is_dropped:
                self._changed.wait(POLL_S)
            is_first = not self._commands
            self._commands += events
            return is_first

    def take_commands(self) -> list[Event]:
        """Return and remove all commands that wait. Delivery thread only."""
        with self._changed:
            commands, self._commands = self._commands, []
            self._changed.notify_all()
            return commands

    def end(self) -> None:
        """Ignore all further input of this client. From any thread."""
        with self._changed:
            self.is_ending = True
            self._changed.notify_all()

    def drop(self) -> None:
        """Return the connection to its own thread, which closes it. From the delivery thread, or after its end."""
        with self._changed:
            self.is_dropped = True
            self._changed.notify_all()

    def wait_for_end(self, timeout_s: float) -> bool:
        """Wait at most so long for the end of the connection, and return whether it came."""
        with self._changed:
            return self._changed.wait_for(lambda: self.is_ending, min(timeout_s, threading.TIMEOUT_MAX))

    def wait_for_drop(self) -> None:
        """Wait until no other thread uses this connection."""
        with self._changed:
            self._changed.wait_for(lambda: self.is_dropped)

    def end_because(self, why: str, why_left: Reason | None = None) -> None:
        """Record why this connection ends, unless a reason is known already. From any thread."""
        with self._changed:
            if not self.why:
                self.why, self.why_left = why, why_left

    def cut(self) -> None:
        """Wake the client's thread out of `recv`. From any thread, any number of times."""
        self._is_cut = True
        with contextlib.suppress(OSError):  # the peer may have disconnected first
            self._sock.shutdown(socket.SHUT_RDWR)

    def turn_away(self, sentence: str) -> None:
        """Send one sentence and close the socket: for a connection that has no thread. Accept thread only."""
        try:
            self.outbox.push(sentence.encode())
            self._sock.shutdown(socket.SHUT_WR)
            self._sock.setblocking(False)
            self._sock.recv(RECV_BYTES)  # if we closed before reading this, the peer could lose the sentence
        except OSError:
            pass  # it has already disconnected, or sent nothing
        self.outbox.detach()
        self._sock.close()

    def close(self) -> None:
        """End our stream, wait for the peer to end its own, close the socket. Client thread only, when dropped."""
        self.outbox.detach()
        with self._sock as sock:
            try:
                sock.shutdown(socket.SHUT_WR)
                sock.settimeout(LINGER_S)
                deadline = time.monotonic() + LINGER_S
                while sock.recv(RECV_BYTES) and time.monotonic() < deadline:
                    pass
            except OSError:
                pass  # it has disconnected, or does not end its stream

    def _receive(self, limit_s: float | None) -> bytes | None:
        """Return what there is to read: b"" at the end of the stream, None where nothing came for `limit_s`.

        Raises TooLateError past `name_deadline`, OSError where the connection fails.
        """
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
                if error.errno is not None:  # the system gave up the connection; our own time limit has no number
                    raise
                if self._is_cut:
                    return b""
