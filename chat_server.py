"""The chat server: one room for everybody who connects.

Threads:

* main waits for a signal, and for what the operator types, which console reads; then it stops everything in order;
* terminal alone writes to the terminal: the log, and the answers to the operator;
* accept takes connections in and starts a thread for each, or turns them away in words;
* one thread per client reads that client alone, and is the one that closes its socket;
* delivery alone numbers what is said, records it, and writes to clients: so there is one order, nobody is shown what is
  not recorded, and no write waits for another.

A client's thread hands what its client did to the delivery thread as an order, and never writes to a socket itself.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import errno
import hashlib
import io
import ipaddress
import itertools
import logging
import math
import os
import queue
import secrets
import signal
import socket
import sqlite3
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import protocol
from protocol import (
    Allowance,
    Announcement,
    Bare,
    Dialect,
    EndConn,
    Error,
    Event,
    Events,
    Fault,
    Greeting,
    Join,
    Joined,
    Left,
    LineEnd,
    Lines,
    Message,
    Notice,
    Quit,
    Reason,
    Refused,
    Resume,
    Say,
    Welcome,
    Words,
)

MAX_CLIENTS = 1000
RATE = 20.0
"""Messages a second that one client may say on and on."""
BURST = 100
"""Messages that one client may say at once after a silence."""
NAME_S = 300.0
"""Time to choose a name, in seconds."""
MAX_UNSENT_BYTES = 8 * 1024 * 1024
"""What may wait for one client that reads too slowly."""
GRACE_S = 60.0
"""How long a member whose link broke may take to come back before the room sees it leave."""
MAX_AWAY = 1000
"""How many the room waits for at once: coming and breaking off costs nothing."""
BACKLOG_MESSAGES = 50
"""How much of what was said before a newcomer is shown."""
KEPT_EVENTS = 10_000
"""How many of its last events the room keeps for those whose link breaks."""
KEPT_CHARACTERS = 1024 * 1024
"""The same in letters: written as JSON they have to fit into MAX_UNSENT_BYTES."""
HISTORY_LOCK_S = 2.0
"""How long writing the history waits for somebody else who has locked its file."""
MAX_TIME = 32_503_593_600.0
"""The last time that every system can write as a date, in the year 2999; a recorded one beyond is damaged."""
BARE_QUEUE = 50
"""Messages that may wait for a bare peer's pauses (half a second's worth) before some of them share a `send`."""
MAX_WAITING_EVENTS = 64
"""What may wait of one client for the delivery thread before that client is not read any further."""
GATHER_SHARE = 3.0
"""How long after a turn the delivery thread may wait for as many clients again, as a share of what the turn took."""
MAX_GATHER_S = 0.005
LARGE_ROOM = 200
"""Members from which on arrivals and departures may wait for each other: telling each to all is the room's square."""
NOTICES_S = 0.1
"""How long they may wait in a large room, if nobody says anything meanwhile."""
MAX_WAITING_LINES = 1000
"""What may wait for a terminal that takes nothing, of the log and of the answers to the operator."""
MERGED_BYTES = 64 * 1024
"""What is put together for one `send` out of many chunks."""
RECV_BYTES = 16 * 1024
MAX_FIRST_CHUNKS = protocol.MAX_HELLO_BYTES
"""How many times `recv` may give something before a client's dialect is settled: no `hello` has more bytes."""
LISTEN_BACKLOG = 1024
"""Connections that the system may complete before `accept` takes them; one that is full looks like a dead server."""

IDLE_S = 0.5 if sys.platform == "win32" else 3600.0
"""How long one `recv` waits where nothing limits it; the number means nothing, but None would block the writer.

On Windows nobody promises that a shutdown wakes a reader, and wine's does not: there it looks up by itself.
"""
POLL_S = 0.2
"""How often the main and the accept thread look up from a wait that nothing can break on Windows."""
TICK_S = protocol.BARE_PAUSE_S
"""How often the delivery thread looks at the clients that are behind."""
ACCEPT_PAUSE_S = 1.0
"""How long accepting rests when the system has no descriptor or thread left."""
FLUSH_S = 1.0
"""How long a client that leaves, or is told that the server stops, may take to read the rest."""
LINGER_S = 0.5
"""How long a client may take to close its side after us; closing earlier could destroy what it has not read."""
SLOW_DOWN_LOG_S = 60.0
"""How long somebody has to talk slowly enough before being slowed down is news again."""
JOIN_S = 5.0
"""How long stopping waits for a thread to end."""

Address = tuple[str, int]

SAID = (Message, Announcement)
"""What somebody said, and not who came or went."""

log = logging.getLogger("chat_server")


class Outbox:
    """What is on its way to one client. Belongs to the delivery thread; no write blocks.

    A chunk goes out at once if the socket takes it. What it does not take waits for `flush`. For a bare peer a chunk
    is one message: each has a `send` of its own, BARE_PAUSE_S apart. When BARE_QUEUE of them wait, as many whole ones
    as fit into its `recv` go together: cut anywhere else, somebody's text could begin a row, and look like another's.
    """

    def __init__(self, sock: socket.socket) -> None:
        # A second view of the same descriptor: the client's thread reads with a time limit, we write with none.
        self._sock = socket.socket(sock.family, sock.type, sock.proto, fileno=sock.fileno())
        self._sock.setblocking(False)
        self._chunks: deque[bytes | memoryview] = deque()
        self._next_at = 0.0
        self.is_paced = True
        """Whether this is a bare peer; everybody is, until the client's thread finds another dialect."""
        self.unsent_bytes = 0

    def detach(self) -> None:
        """Give up the descriptor, which somebody else closes; call it before that."""
        self._sock.detach()

    def push(self, chunk: bytes) -> None:
        """Send a chunk, or keep what the socket does not take. Raises OSError where the connection has failed."""
        if not self._chunks and not self.is_paced:
            sent = self._send(chunk)
            if sent == len(chunk):
                return
            self._keep(memoryview(chunk)[sent:])
        else:
            self._keep(chunk)
            if self.is_paced:
                self.flush()

    def flush(self) -> bool:
        """Send what is due and tell whether nothing is left. Raises OSError where the connection has failed."""
        while self._chunks:
            if self.is_paced:
                if time.monotonic() < self._next_at:
                    return False
                if len(self._chunks) > BARE_QUEUE:
                    self._merge(protocol.BARE_RECV_BYTES)
            else:
                self._merge(MERGED_BYTES)
            chunk = self._chunks.popleft()
            sent = self._send(chunk)
            self._next_at = time.monotonic() + protocol.BARE_PAUSE_S
            self.unsent_bytes -= sent
            if sent < len(chunk):
                self._chunks.appendleft(memoryview(chunk)[sent:])
                return False
        return True

    def clear(self) -> None:
        """Forget what was not sent."""
        self._chunks.clear()
        self.unsent_bytes = 0

    def _merge(self, max_bytes: int) -> None:
        """Make one chunk of the first ones, as many whole ones as fit."""
        merged = [self._chunks.popleft()]
        size = len(merged[0])
        while self._chunks and size + len(self._chunks[0]) <= max_bytes:
            merged.append(self._chunks.popleft())
            size += len(merged[-1])
        self._chunks.appendleft(b"".join(merged) if len(merged) > 1 else merged[0])

    def _keep(self, chunk: bytes | memoryview) -> None:
        self._chunks.append(chunk)
        self.unsent_bytes += len(chunk)

    def _send(self, chunk: bytes | memoryview) -> int:
        try:
            return self._sock.send(chunk)
        except (BlockingIOError, InterruptedError):
            return 0


class TooLateError(Exception):
    """A client did not choose a name in time."""


class Client:
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
        self._orders: list[Event] = []
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
            while len(self._orders) >= MAX_WAITING_EVENTS and not self.is_dropped:
                self._changed.wait(POLL_S)
            is_first = not self._orders
            self._orders += events
            return is_first

    def take_orders(self) -> list[Event]:
        """Take all orders that wait. For the delivery thread."""
        with self._changed:
            orders, self._orders = self._orders, []
            self._changed.notify_all()
            return orders

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

    def __init__(self, name: str, token_key: bytes, client: Client | None) -> None:
        self.name = name
        self.token_key = token_key
        self.client = client
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


def parse_address(text: str) -> str | None:
    """Read an IP address, alone or with its port as the log has it, or give None. IPv4 within IPv6 is IPv4."""
    for host in (text, text.rpartition(":")[0]):
        with contextlib.suppress(ValueError):
            address = ipaddress.ip_address(host)
            return str(getattr(address, "ipv4_mapped", None) or address)
    return None


class Room:
    """Who is here, and who may be: the registries that all threads share."""

    def __init__(self, max_clients: int) -> None:
        self._max_clients = max_clients
        self.is_quiet = False
        """Whether only the operator may write; main writes it, and everybody reads it, as the number that follows."""
        self._quietings = 0
        self._lock = threading.Lock()
        """Guards all that follows. Nothing is sent and nothing else is locked while it is held."""
        self.addresses: dict[Client, Address] = {}
        self.names: dict[str, Member] = {}
        """Who has which name, by `protocol.name_key`."""
        self._tokens: dict[bytes, Member] = {}
        """The same by `token_key`."""
        self._muted: set[str] = set()
        """Keys of the names that may not write."""
        self._banned: dict[str, str] = {}
        """Keys of the names and IP addresses that may not come in, and what goes with each: the name's address."""

    def register(self, client: Client) -> bool:
        """Note a new connection, or give False where there are too many."""
        with self._lock:
            if len(self.addresses) >= self._max_clients:
                return False
            self.addresses[client] = client.address
            return True

    def forget(self, client: Client) -> None:
        """Strike out a connection that is closed."""
        with self._lock:
            self.addresses.pop(client, None)

    def clients(self) -> list[Client]:
        """Give everybody who is connected, as a copy."""
        with self._lock:
            return list(self.addresses)

    def claim(self, client: Client, raw_name: str, token: str | None = None) -> Reason | None:
        """Make a client the member with the name that it asks for, or say why not."""
        name = protocol.parse_name(raw_name)
        if name is None:
            return Reason.INVALID
        if token is None or not protocol.TOKEN.fullmatch(token):
            token = secrets.token_urlsafe(16)
        key = protocol.name_key(name)
        with self._lock:
            if key in self._banned or client.address[0] in self._banned:  # it may have come before the ban
                return Reason.BANNED
            if key in self.names or key in protocol.RESERVED_KEYS:
                return Reason.TAKEN
            if token_key(token) in self._tokens:  # somebody else's
                token = secrets.token_urlsafe(16)
            member = Member(name, token_key(token), client)
            member.is_muted = key in self._muted
            self.names[key] = self._tokens[member.token_key] = member
        client.token = token
        client.member = member
        return None

    def reclaim(self, client: Client, token: str, name: str | None = None) -> bool:
        """Make a client the member with this token, whose link broke; False where there is none.

        Who asks to join under a name and is that member already, as its token tells, has not heard of it. A link that
        is older than the member's own asks too late, though: what it says was held up on its way.
        """
        if not protocol.TOKEN.fullmatch(token):
            return False
        with self._lock:
            member = self._tokens.get(token_key(token))
            if member is None:
                return False
            if name is not None:
                is_late = member.client is not None and member.client.number > client.number
                if is_late or protocol.parse_name(name) != member.name:
                    return False
            member.client = client
        client.token = token
        client.member = member
        return True

    def restore(self, members: list[Member]) -> None:
        """Give those their names back who were here when the server ended without a goodbye."""
        with self._lock:
            for member in members:
                self.names[protocol.name_key(member.name)] = self._tokens[member.token_key] = member

    def release(self, member: Member, client: Client | None) -> bool:
        """Make a name free for others; False where the member has another connection by now, or has gone."""
        key = protocol.name_key(member.name)
        with self._lock:
            if self.names.get(key) is not member or member.client is not client:
                return False
            del self.names[key]
            self._tokens.pop(member.token_key, None)
            return True

    def revoke(self, member: Member) -> Client | None:
        """Let nobody come back as this member any more, and give the connection that it has by now, or had."""
        with self._lock:
            self._tokens.pop(member.token_key, None)
            return member.client

    def members(self) -> list[Member]:
        """Give everybody who has a name, by name."""
        with self._lock:
            return [self.names[key] for key in sorted(self.names)]

    def find(self, name: str) -> Member | None:
        """Give whoever has this name."""
        with self._lock:
            return self.names.get(protocol.name_key(name))

    def mute(self, name: str, is_muted: bool) -> str | None:
        """Let a member write, or not, also when it comes back; give its name, None where nobody is, or is muted, so."""
        key = protocol.name_key(name)
        with self._lock:
            member = self.names.get(key)
            if member is None:
                if is_muted or key not in self._muted:
                    return None
            else:
                member.mutings += is_muted and not member.is_muted
                member.is_muted, name = is_muted, member.name
            (self._muted.add if is_muted else self._muted.discard)(key)
            return name

    def hush(self, is_quiet: bool) -> None:
        """Let only the operator write, or everybody."""
        self._quietings += is_quiet and not self.is_quiet
        self.is_quiet = is_quiet

    def muting_of(self, member: Member) -> tuple[int, int] | None:
        """Tell which muting keeps a member from writing, of the room's and of its own; None where it may write."""
        return (self._quietings, member.mutings) if member.is_muted or self.is_quiet else None

    def ban(self, what: str) -> list[Member | Client]:
        """Keep out a name, with the address that it comes from, or an address; give those who have to go."""
        key = protocol.name_key(what)
        with self._lock:
            member = None if parse_address(what) else self.names.get(key)
            address = member.client.address[0] if member and member.client else ""
            self._banned[key] = address or self._banned.get(key, "")
            if member:
                if address:
                    self._banned.setdefault(address, "")
                return [member]
            members = [member for member in self.names.values() if member.client and member.client.address[0] == key]
            theirs = {member.client for member in members}
            others = [client for client in self.addresses if client.address[0] == key and client not in theirs]
            return [*members, *others]

    def unban(self, what: str) -> bool:
        """Let a name, with the address that was banned with it, or an address come in again; False if it could."""
        with self._lock:
            address = self._banned.pop(protocol.name_key(what), None)
            if address:
                self._banned.pop(address, None)
            return address is not None

    def is_banned(self, host: str) -> bool:
        """Tell whether an IP address may not come in."""
        with self._lock:
            return host in self._banned


class HistoryError(ValueError):
    """A file that cannot be a history; the text says why."""


FILE_ERRORS = (OSError, sqlite3.Error, ValueError)
"""What a file can do to us: of a damaged one not even the errors' own texts are always UTF-8."""


@dataclass(frozen=True)
class Record:
    """What a history's file knows of the room, as the server that begins needs it."""

    room_id: str
    last_id: int
    events: list[Message | Announcement | Joined | Left]
    """The last ones, at most KEPT_EVENTS."""
    members: list[Member]
    """Who was in the room when its server ended without a goodbye."""


class History:
    """The record of the room, in a file of SQLite. Belongs to the delivery thread, but for its making.

    A batch is one transaction. Written ahead (WAL), it survives the end of this process, but the last ones not always
    that of the machine; others may read the file meanwhile.
    """

    APPLICATION_ID = 0x4C43_6861
    """Marks the file as ours (`PRAGMA application_id`)."""
    TABLES = """
        CREATE TABLE IF NOT EXISTS events (
            id INTEGER PRIMARY KEY, time REAL NOT NULL, type TEXT NOT NULL, name TEXT, text TEXT, nonce INTEGER,
            reason TEXT);
        CREATE TABLE IF NOT EXISTS members (
            joined_id INTEGER PRIMARY KEY, name TEXT NOT NULL, token_key BLOB NOT NULL, replay_from INTEGER NOT NULL,
            left_id INTEGER);
        CREATE TABLE IF NOT EXISTS room (id TEXT NOT NULL);
    """

    WHO_WAS_HERE = """
        SELECT joined_id, members.name, token_key, replay_from, coalesce(max(nonce), -1), count(events.id)
        FROM members LEFT JOIN events ON type = 'message' AND events.name = members.name AND events.id > joined_id
        WHERE left_id IS NULL GROUP BY joined_id ORDER BY joined_id"""

    def __init__(self, path: Path, words: Words) -> None:
        """Open or make the file, and read what is needed of it. Raises FILE_ERRORS."""
        self.path = path
        # An own file for the lock, so that an export may read the other; the system lifts it when this process ends.
        self._lock = sqlite3.connect(f"{path}.lock", timeout=0.0, check_same_thread=False, isolation_level=None)
        self._file: sqlite3.Connection | None = None
        try:
            try:
                self._lock.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                raise HistoryError(words.history_in_use if "locked" in str(error) else str(error)) from error
            self._file = sqlite3.connect(
                path.absolute(), timeout=HISTORY_LOCK_S, check_same_thread=False, isolation_level=None
            )
            self._prepare(self._file)
            self.record = self._read(self._file)
        except BaseException:
            self.close()
            raise

    def write(self, events: list[Event], arrivals: list[Member], departures: list[tuple[int, int]]) -> None:
        """Write a batch, and who came and went with it: all of it, or, with one of FILE_ERRORS, nothing."""
        assert self._file is not None
        with self._file as file:
            file.execute("BEGIN IMMEDIATE")
            file.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)", map(_as_row, events))
            rows = ((member.joined_id, member.name, member.token_key, member.replay_from) for member in arrivals)
            file.executemany("INSERT INTO members VALUES (?, ?, ?, ?, NULL)", rows)
            file.executemany("UPDATE members SET left_id = ? WHERE joined_id = ?", departures)

    def say_goodbye(self, last_id: int) -> None:
        """Note that the room was closed in order: nobody of those who are here will come back."""
        assert self._file is not None
        self._file.execute("UPDATE members SET left_id = ? WHERE left_id IS NULL", (last_id,))

    def close(self) -> None:
        """Give the file back. May be called twice."""
        for file in (self._file, self._lock):
            if file is not None:
                with contextlib.suppress(sqlite3.Error):
                    file.close()

    @classmethod
    def check_application(cls, file: sqlite3.Connection) -> None:
        """Look for the mark of ours. Raises HistoryError."""
        (application,) = file.execute("PRAGMA application_id").fetchone()
        if application != cls.APPLICATION_ID:
            raise HistoryError("no chat history")

    def _prepare(self, file: sqlite3.Connection) -> None:
        (objects,) = file.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if objects:
            self.check_application(file)
        (verdict,) = file.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise HistoryError(str(verdict))
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("PRAGMA synchronous = NORMAL")
        file.execute(f"PRAGMA application_id = {self.APPLICATION_ID}")
        file.executescript(self.TABLES)
        file.execute("INSERT INTO room SELECT ? WHERE NOT EXISTS (SELECT * FROM room)", (secrets.token_hex(8),))

    def _read(self, file: sqlite3.Connection) -> Record:
        (room_id,) = file.execute("SELECT id FROM room").fetchone()
        (last_id,) = file.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()
        rows = file.execute("SELECT * FROM events ORDER BY id DESC LIMIT ?", (KEPT_EVENTS,)).fetchall()
        members = []
        for joined_id, name, key, replay_from, last_nonce, said in file.execute(self.WHO_WAS_HERE):
            if not (isinstance(name, str) and isinstance(key, bytes) and isinstance(replay_from, int)):
                raise HistoryError(f"member {joined_id} is damaged")
            member = Member(name, key, None)
            member.joined_id, member.replay_from = joined_id, replay_from
            member.last_nonce, member.said = last_nonce, said
            members.append(member)
        return Record(room_id, last_id, [_from_row(row) for row in reversed(rows)], members)


Row = tuple[int, float, str, str | None, str | None, int | None, str | None]


def _as_row(event: Event) -> Row:
    """Write an event of the room as a row of the table `events`."""
    match event:
        case Message(id=number, time=when, name=name, text=text, nonce=nonce):
            return number, when, "message", name, text, nonce, None
        case Announcement(id=number, time=when, text=text):
            return number, when, "announcement", None, text, None, None
        case Joined(id=number, time=when, name=name):
            return number, when, "joined", name, None, None, None
        case Left(id=number, time=when, name=name, reason=reason):
            return number, when, "left", name, None, None, reason
    raise TypeError(f"no event of the room: {event!r}")


def _from_row(row: Row) -> Message | Announcement | Joined | Left:
    """Read an event of the room out of a row. Raises HistoryError where the file is damaged."""
    number, when, kind, name, text, nonce, reason = row
    texts = [kind] + [value for value in (name, text, reason) if value is not None]
    is_sound = _is_time(when) and isinstance(nonce, int | None)
    if not is_sound or not all(isinstance(value, str) for value in texts):
        raise HistoryError(f"row {number} is damaged")
    if kind == "message":
        return Message(number, when, name or "", text or "", nonce)
    if kind == "announcement":
        return Announcement(number, when, text or "")
    if kind == "joined":
        return Joined(number, when, name or "")
    return Left(number, when, name or "", reason)


def _is_time(value: object) -> bool:
    """Tell whether a value out of a file is a time that every system can write as a date."""
    return isinstance(value, float) and 0 <= value <= MAX_TIME


def export_history(source: Path, target: Path, wants_attendance: bool, words: Words) -> int:
    """Write a history, or who attended, as text, or as CSV to a name that ends so; gives the number of lines.

    Also while a server writes on. The other file is not touched before all has been read. Raises
    FILE_ERRORS.
    """
    if not source.exists():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    if target.exists() and target.samefile(source):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    with contextlib.closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)) as file:
        History.check_application(file)
        rows = list(_attendance_rows(file) if wants_attendance else _history_rows(file, words))
    is_csv = target.suffix.lower() == ".csv"
    # With the mark by which Excel knows UTF-8.
    with target.open("w", encoding="utf-8-sig" if is_csv else "utf-8", newline="" if is_csv else None) as out:
        table = csv.writer(out)
        for cells, line in rows:
            if is_csv:
                table.writerow([_harmless(cell) for cell in cells])
            elif line:
                out.write(line.replace("\n", "\n    ") + "\n")
    return len(rows) - 1  # the heading is no line of what was asked for


def _history_rows(file: sqlite3.Connection, words: Words) -> Iterator[tuple[list[str], str]]:
    """Give a heading, and each event of a history: as cells, and as a line."""
    yield ["id", "time", "type", "name", "text"], ""
    for row in file.execute("SELECT * FROM events ORDER BY id"):
        event, when = _from_row(row), _local_time(row[1])
        said = protocol.in_words(event, words) or ""
        mark = "" if isinstance(event, Message) else "* "
        yield [str(row[0]), when, row[2], row[3] or "", row[4] or row[6] or ""], f"{when} {mark}{said}"


def _attendance_rows(file: sqlite3.Connection) -> Iterator[tuple[list[str], str]]:
    """The same of everybody who was there: first and last seen, and messages.

    Whoever was there when the room was closed, or still is, was seen until then.
    """
    heading = ["name", "first seen", "last seen", "messages"]
    yield heading, "\t".join(heading)
    seen: dict[str, tuple[str, float, float, int]] = {}
    stayed = """
        SELECT name, '', coalesce((SELECT time FROM events WHERE id = left_id),
            (SELECT time FROM events ORDER BY id DESC LIMIT 1)) FROM members"""
    told = "SELECT name, type, time FROM events WHERE name IS NOT NULL ORDER BY id"
    file.execute("BEGIN")  # or a server could write between the two
    for name, kind, when in [*file.execute(told), *file.execute(stayed)]:
        if not (isinstance(name, str) and _is_time(when)):
            raise HistoryError(f"what it has of {name!r} is damaged")
        known, first, last, messages = seen.get(protocol.name_key(name), (name, when, when, 0))
        seen[protocol.name_key(name)] = (known, first, max(last, when), messages + (kind == "message"))
    for _, (name, first, last, messages) in sorted(seen.items()):
        cells = [name, _local_time(first), _local_time(last), str(messages)]
        yield cells, "\t".join(cells)


def _local_time(when: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(when))


def _harmless(cell: str) -> str:
    """Keep a spreadsheet from taking what somebody said for a formula."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def write_events(writer: Dialect, events: list[Event]) -> list[bytes]:
    """Write events in a dialect, as the chunks that an Outbox takes."""
    if isinstance(writer, Bare):
        return [writer.encode(part) for event in events for part in protocol.bare_parts(event)]
    whole = b"".join([writer.encode(event) for event in events])
    return [whole] if whole else []


def write_backlog(writer: Dialect, events: list[Event]) -> list[bytes]:
    """Write what was said before for a newcomer: in the line dialect with its time, in the bare one not at all."""
    if isinstance(writer, Bare):
        return []
    if isinstance(writer, Events):
        return write_events(writer, events)
    lines = []
    for event in events:
        when = time.strftime("%H:%M ", time.localtime(getattr(event, "time", 0.0))).encode()
        lines += [when + writer.encode(part) for part in protocol.one_line_each(event)]
    return [b"".join(lines)]


class Delivery:
    """The one thread that numbers what happens in the room and writes to clients.

    An order is an event that a client's thread read: `Say`, `Join` and `Resume` (under a name that the client holds),
    `Quit` and `LinkLost` concern the room; every other event is an answer to this client alone.
    """

    def __init__(
        self,
        words: Words,
        release: Callable[[Member, Client | None], bool],
        grace_s: float = 0.0,
        backlog: int = 0,
        history: History | None = None,
        notice: Notice | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._words = words
        self._release = release
        """Makes a member's name free, unless it has another connection by now; tells whether it did."""
        self._grace_s = grace_s
        self._backlog = backlog
        self._clock = clock
        self._writers: dict[type[Dialect], Dialect] = {Bare: Bare(words), Lines: Lines(words), Events: Events()}
        self._orders: queue.SimpleQueue[Client | Member | Announcement | None] = queue.SimpleQueue()
        """Clients with orders, each at most once; members to expel; what the operator says; None to stop."""
        self._thread = threading.Thread(target=self._run, name="delivery", daemon=True)
        # All that follows belongs to the delivery thread.
        self._clients: dict[Client, None] = {}
        """Everybody who was greeted and has not left; a dict for its order."""
        self._members: dict[Client, None] = {}
        """Those of them who hear the room."""
        self._present: dict[Member, Client | None] = {}
        """Who is in the room, and by which connection it hears; None where the link is broken."""
        self._away: dict[Member, tuple[float, Client | None]] = {}
        """Those whose link is broken: until when they may come back, and that link; the first to go is first."""
        self._behind: set[Client] = set()
        """Those who have not been sent all that they should."""
        self._leaving: dict[Client, float] = {}
        """Those who are going, and until when they may read the rest."""
        self._expelled: set[Client] = set()
        """Those of them whose own threads do not know it yet."""
        self._batch: list[Event] = []
        """What has happened in the room and not been sent to all."""
        self._notices_until: float | None = None
        """Until when the batch, which holds nothing but arrivals and departures, may wait for more of them."""
        self._ahead: list[Client] = []
        """Those who have been sent a part of the batch before the others (`Client.seen` says how much)."""
        self._kept: deque[Message | Announcement | Joined | Left] = deque()
        """The last events, for those who come back and those who come."""
        self._kept_characters = 0
        self._history = history
        self._recorded = 0
        """How much of the batch is in the history's file."""
        self._arrivals: list[Member] = []
        self._departures: list[tuple[int, int]] = []
        """What the file does not know yet: who came, and of those who went the `id`s of their leaving and joining."""
        self._notice = notice
        """What a newcomer is told about the recording."""
        self._room_id = secrets.token_hex(8)
        self._last_id = 0
        self._may_lack_until = 0
        """The last `id` that people may have been shown though the record, which had no proper end, does not have it: a
        power cut takes the last events along."""
        self._is_over = False

    def restore(self, record: Record) -> None:
        """Begin where a recorded room has ended. Before `start`."""
        self._last_id, self._room_id = record.last_id, record.room_id
        self._may_lack_until = record.last_id + KEPT_EVENTS if record.members else 0
        for event in record.events:
            self._keep(event)
        for member in record.members:
            self._present[member] = None
            self._away[member] = time.monotonic() + self._grace_s, None

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Tell everybody `{end_conn}`, after all that was said, and end the thread."""
        self._orders.put(None)
        self._thread.join(timeout_s)

    def order(self, client: Client, events: list[Event]) -> None:
        """Hand over what a client did, or what it is to be told. May wait; never for the delivery thread itself."""
        if client.hand_over(events):
            self._orders.put(client)

    def announce(self, text: str) -> None:
        """Say something to the room as the operator. From any thread."""
        self._orders.put(Announcement(0, 0.0, text))

    def expel(self, member: Member) -> None:
        """Have a member leave whose link is broken; nothing where it is not. From any thread."""
        self._orders.put(member)

    def _run(self) -> None:
        clients: list[Client | Member | Announcement | None] = []
        took_s = 0.0
        while not self._is_over:
            clients = self._collect(len(clients), min(MAX_GATHER_S, GATHER_SHARE * took_s))
            started = time.perf_counter()
            now = round(self._clock(), 3)
            for client in clients:
                if client is None:
                    self._attempt(self._close_room)
                elif isinstance(client, Announcement):
                    self._tell_room(Announcement(self._next_id(), now, client.text))
                elif isinstance(client, Member):
                    self._attempt(self._give_up, client, now, Reason.KICKED)
                else:
                    self._carry_out_all(client, now)
            self._attempt(self._give_up_overdue, now)
            if self._notices_until is None or started > self._notices_until:
                self._attempt(self._broadcast)
            self._attempt(self._catch_up)
            took_s = time.perf_counter() - started

    def _attempt(self, step: Callable[..., None], *arguments: object) -> None:
        """Do one step; a failure of ours in it is logged, and ends neither the thread nor the other steps."""
        try:
            step(*arguments)
        except Exception:
            log.exception("A failure in the delivery thread")

    def _collect(self, expected: int, gather_s: float) -> list[Client | Member | Announcement | None]:
        """Wait for clients with orders, no longer than a tick when somebody is behind, and take all that are there.

        Where several talk without a pause, wait until as many have come as the last time, if `gather_s` is not over by
        then: the clients' threads have the interpreter to themselves meanwhile, and all share one broadcast.
        """
        clients = []
        gathers_until = time.perf_counter() + gather_s
        limit_s = TICK_S if self._batch or self._behind or self._leaving else None
        if limit_s is None and self._away:
            deadline, _ = next(iter(self._away.values()))
            limit_s = max(TICK_S, deadline - time.monotonic())
        with contextlib.suppress(queue.Empty):
            clients.append(self._orders.get(timeout=limit_s))
            while len(clients) < expected:
                clients.append(self._orders.get(timeout=max(0.0, gathers_until - time.perf_counter())))
            while True:
                clients.append(self._orders.get_nowait())
        return clients

    def _carry_out_all(self, client: Client, now: float) -> None:
        """Carry out what a client ordered; a failure of ours in one order is logged, and the others are carried out."""
        for event in client.take_orders():
            try:
                self._carry_out(client, event, now)
            except Exception:
                log.exception("A failure in the delivery thread")

    def _carry_out(self, client: Client, event: Event, now: float) -> None:
        if isinstance(event, Say):
            if client.is_member:
                self._say(client, event, now)
        elif self._is_over or client in self._leaving or client.is_dropped:
            if isinstance(event, Join | Resume):  # after its end: nobody else would make its name free
                self._depart(client, now)
        elif isinstance(event, Join):
            self._admit(client, now)
        elif isinstance(event, Resume):
            self._admit_again(client, event.last, now)
        elif isinstance(event, LinkLost) and self._may_come_back(client):
            self._miss(client)
        elif isinstance(event, Quit | LinkLost):
            self._dismiss(client, now)
        elif isinstance(event, EndConn):
            self._tell(client, event)
            self._expelled.add(client)
            self._dismiss(client, now)
        else:
            self._clients[client] = None
            self._tell(client, event)

    def _say(self, client: Client, event: Say, now: float) -> None:
        member = client.member
        assert member is not None
        if event.nonce is not None:
            if event.nonce <= member.last_nonce:  # said again, because nobody had confirmed it
                return
            member.last_nonce = event.nonce
        self._tell_room(Message(self._next_id(), now, member.name, event.text, event.nonce))

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _tell_room(self, event: Message | Announcement | Joined | Left) -> None:
        if isinstance(event, SAID):
            self._notices_until = None
        elif not self._batch and len(self._members) >= LARGE_ROOM:
            self._notices_until = time.perf_counter() + NOTICES_S
        self._batch.append(event)
        self._keep(event)

    def _keep(self, event: Message | Announcement | Joined | Left) -> None:
        """Keep an event, and forget the oldest where there are too many."""
        kept = self._kept
        kept.append(event)
        if isinstance(event, SAID):
            self._kept_characters += len(event.text)
        while len(kept) > KEPT_EVENTS or self._kept_characters > KEPT_CHARACTERS:
            oldest = kept.popleft()
            if isinstance(oldest, SAID):
                self._kept_characters -= len(oldest.text)

    def _tell(self, client: Client, event: Event) -> None:
        """Write to one client, after all that it should have heard by now."""
        self._hear(client)
        kind = Bare if isinstance(event, Greeting) else client.kind  # it is the same for all, whoever answers first
        self._write(client, write_events(self._writers[kind], [event]))

    def _admit(self, client: Client, now: float) -> None:
        """Let a newcomer in, and show it what was said before."""
        member = client.member
        assert member is not None
        if member.client is not client:
            self._supersede(client)
            return
        said = (event for event in reversed(self._kept) if isinstance(event, SAID))
        backlog = [*itertools.islice(said, self._backlog if client.kind is not Bare else 0)][::-1]
        last = self._last_id
        member.replay_from = backlog[0].id - 1 if backlog else last
        member.joined_id = self._next_id()
        seen = len(self._batch)
        self._tell_room(Joined(member.joined_id, now, member.name))
        self._arrivals.append(member)
        self._record()  # a token that was given away works whatever happens to the server
        writer = self._writers[client.kind]
        told = write_events(writer, [self._notice]) if self._notice else []
        self._welcome(client, member, last, told + write_backlog(writer, [*backlog]))
        client.seen = seen  # what follows it hears with the others

    def _admit_again(self, client: Client, last: int, now: float) -> None:
        """Let a member whose link broke hear the room again, after all that it has missed."""
        member = client.member
        assert member is not None
        if member not in self._present:  # its `Join` is still on its way, on the broken link
            self._admit(client, now)
            return
        if member.client is not client:
            self._supersede(client)
            return
        old = self._present[member]
        if old is not None:  # a link that nobody has noticed to be dead
            self._supersede(old)
        self._away.pop(member, None)
        if self._last_id < last <= self._may_lack_until:
            self._last_id = last  # or new events would bear numbers that this member takes for seen
        log.info("%s:%s is %s, whose link was broken.", *client.address, member.name)
        self._record()
        seen = max(last, member.replay_from)
        missed = [event for event in self._kept if event.id > seen]
        told = [self._notice] if self._notice and not last else []  # it never heard that it was let in
        self._welcome(client, member, self._last_id, write_events(self._writers[client.kind], [*told, *missed]))

    def _supersede(self, client: Client) -> None:
        """Close a connection whose member came back on another one."""
        client.end_because("its member came back on another connection")
        client.end()
        self._expelled.add(client)
        self._stop_hearing(client)

    def _welcome(self, client: Client, member: Member, last: int, chunks: list[bytes]) -> None:
        self._present[member] = client
        names = tuple(present.name for present in self._present)
        nonce = member.last_nonce if member.last_nonce >= 0 else None
        self._tell(client, Welcome(member.name, client.token, names, last, nonce, self._room_id))
        self._write(client, chunks)
        self._mark_as_seen(client)
        client.is_member = True
        self._members[client] = None

    def _may_come_back(self, client: Client) -> bool:
        """Tell whether a client's member is kept in the room without a link."""
        is_sent_away = client.why_left is not None
        has_room = self._grace_s > 0 and len(self._away) < MAX_AWAY
        return client.is_member and client.kind is Events and not is_sent_away and has_room

    def _miss(self, client: Client) -> None:
        """Keep the place of a member whose link is broken."""
        member = client.member
        assert member is not None
        log.info("%s:%s has lost its link; %s may come back.", *client.address, member.name)
        self._stop_hearing(client)
        self._present[member] = None
        self._away[member] = time.monotonic() + self._grace_s, client

    def _stop_hearing(self, client: Client) -> None:
        """Write nothing more to a client, whose member stays."""
        self._clients.pop(client, None)
        self._members.pop(client, None)
        client.is_member = False
        client.outbox.clear()
        self._leaving[client] = 0.0

    def _give_up(self, member: Member, now: float, reason: Reason | None = None) -> None:
        """Have a member leave that has no link, unless it is just coming back."""
        if member in self._away:
            _, client = self._away.pop(member)  # not `member.client`, which may be back by now
            if self._leave(member, client, now, reason):
                log.info("%s leaves: %s.", member.name, "it did not come back" if reason is None else reason.value)

    def _give_up_overdue(self, now: float) -> None:
        while self._away:
            member, (deadline, _) = next(iter(self._away.items()))
            if time.monotonic() < deadline:
                break
            self._give_up(member, now)

    def _dismiss(self, client: Client, now: float) -> None:
        self._clients.pop(client, None)
        self._leaving[client] = time.monotonic() + FLUSH_S
        self._hear(client)
        self._members.pop(client, None)
        self._depart(client, now)

    def _depart(self, client: Client, now: float) -> None:
        """Let the member go whose connection ends; not where it has another one by now."""
        client.is_member = False
        if client.member in self._present:
            self._leave(client.member, client, now, client.why_left)
        elif client.member is not None:
            self._release(client.member, client)

    def _leave(self, member: Member, client: Client | None, now: float, reason: Reason | None) -> bool:
        """Let the room know that a member has left, and make its name free; False where it is back already."""
        if not self._release(member, client):
            if self._present[member] is client:
                self._present[member] = None  # its `Resume` is among the orders that wait
            return False
        heard = self._present.pop(member)
        if heard is not None and heard is not client:  # the link that it had before its `Resume`, still on its way
            self._supersede(heard)
        self._away.pop(member, None)
        left = Left(self._next_id(), now, member.name, reason.value if reason else None)
        self._departures.append((left.id, member.joined_id))
        self._tell_room(left)
        return True

    def _hear(self, client: Client) -> None:
        """Send a member its part of the batch now, ahead of the others."""
        if client in self._members and client.seen < len(self._batch):
            self._record()
            chunks = write_events(self._writers[client.kind], self._batch[client.seen :])
            self._mark_as_seen(client)
            self._write(client, chunks)

    def _mark_as_seen(self, client: Client) -> None:
        client.seen = len(self._batch)
        self._ahead.append(client)

    def _record(self) -> None:
        """Write what has happened into the history's file, before anybody is told. Where that fails, go on without."""
        events = self._batch[self._recorded :]
        arrivals, self._arrivals = self._arrivals, []
        departures, self._departures = self._departures, []
        self._recorded = len(self._batch)
        if self._history is None or not (events or arrivals or departures):
            return
        try:
            self._history.write(events, arrivals, departures)
        except FILE_ERRORS as error:
            log.warning(self._words.history_failed.format(file=self._history.path, error=error))
            self._history.close()
            self._history = None
            self._notice = Notice(protocol.NOT_RECORDED)
            self._tell_room(Announcement(self._next_id(), round(self._clock(), 3), self._words.recording_failed))
            self._recorded = len(self._batch)

    def _broadcast(self) -> None:
        """Send the batch to every member, written once for each dialect, and begin the next."""
        self._record()
        batch, self._batch, self._recorded = self._batch, [], 0
        self._notices_until = None
        try:
            self._send_to_all(batch)
        finally:
            for client in self._ahead:
                client.seen = 0
            self._ahead.clear()

    def _send_to_all(self, batch: list[Event]) -> None:
        kinds = {client.kind for client in self._members}
        whole = {kind: write_events(self._writers[kind], batch) for kind in kinds}
        for client in list(self._members) if batch else ():
            if client.seen:
                self._write(client, write_events(self._writers[client.kind], batch[client.seen :]))
            else:
                self._write(client, whole[client.kind])

    def _write(self, client: Client, chunks: list[bytes]) -> None:
        outbox = client.outbox
        try:
            for chunk in chunks:
                outbox.push(chunk)
        except OSError as error:
            client.end_because(f"the connection failed: {error}")
            self._lose(client)
            return
        if outbox.unsent_bytes:
            self._behind.add(client)
            if outbox.unsent_bytes > MAX_UNSENT_BYTES:
                log.warning(
                    "%s:%s reads too slowly: %d bytes are waiting for it.", *client.address, outbox.unsent_bytes
                )
                client.end_because("it read too slowly", Reason.TOO_SLOW)
                client.end()
                self._lose(client)

    def _lose(self, client: Client) -> None:
        """Write no more to a client, and wake its thread, which will let the room know that it left."""
        self._members.pop(client, None)
        self._behind.discard(client)
        client.outbox.clear()
        client.is_lost = True
        client.cut()

    def _catch_up(self) -> None:
        """Send those who are behind what they take by now, and drop those who are leaving and have it all."""
        for client in list(self._behind):
            if self._flush(client):
                self._behind.discard(client)
        for client, deadline in list(self._leaving.items()):
            if self._flush(client) or time.monotonic() > deadline:
                del self._leaving[client]
                self._behind.discard(client)
                if client in self._expelled:
                    self._expelled.discard(client)
                    client.cut()
                client.drop()

    def _flush(self, client: Client) -> bool:
        """Send a client what it takes, and tell whether nothing is left that it could be sent."""
        try:
            return client.outbox.flush()
        except OSError as error:
            client.end_because(f"the connection failed: {error}")
            self._lose(client)
            return True

    def _close_room(self) -> None:
        """Tell everybody that the server closes, whatever dialect it speaks, and drop it."""
        self._broadcast()
        deadline = time.monotonic() + FLUSH_S
        bare = [client for client in self._clients if client.kind is Bare]
        for client in self._clients:
            if client.kind is not Bare:
                self._write(client, [self._writers[client.kind].encode(EndConn())])
        if bare:
            self._flush_all(bare, deadline - FLUSH_S / 2)
            time.sleep(protocol.BARE_FAREWELL_S)  # or the control word merges with the last message
            for client in bare:
                self._write(client, [self._writers[Bare].encode(EndConn())])
        everybody = [*self._clients, *self._leaving]
        self._flush_all(everybody, deadline)
        for member in self._present:
            self._release(member, member.client)
        if self._history is not None:
            with contextlib.suppress(*FILE_ERRORS):  # then those who were here may resume, and find nobody
                self._history.say_goodbye(self._last_id)
            self._history.close()
            self._history = None  # what is still said is shown to nobody
        self._clients.clear()
        self._members.clear()
        self._present.clear()
        self._away.clear()
        self._behind.clear()
        self._leaving.clear()
        for client in everybody:
            client.end()
            client.cut()
            client.drop()
        self._is_over = True

    def _flush_all(self, clients: list[Client], deadline: float) -> None:
        """Send clients the rest, as far as they take it until the deadline."""
        while (clients := [client for client in clients if not self._flush(client)]) and time.monotonic() < deadline:
            time.sleep(TICK_S)


class ChatServer:
    """The listener, the accept thread and the clients' threads around a room."""

    def __init__(
        self,
        listener: socket.socket,
        words: Words = protocol.ITALIAN,
        max_clients: int = MAX_CLIENTS,
        rate: float = RATE,
        grace_s: float = GRACE_S,
        backlog: int = BACKLOG_MESSAGES,
        history: History | None = None,
        notice: Notice | None = None,
    ) -> None:
        self._listener = listener
        self._listener.settimeout(POLL_S)
        self._words = words
        self._rate = rate
        self.room = Room(max_clients)
        self._delivery = Delivery(words, self.room.release, grace_s, backlog, history, notice)
        if history is not None:
            self.room.restore(history.record.members)
            self._delivery.restore(history.record)
        self._stopping = threading.Event()
        self._accept_thread = threading.Thread(target=self._accept_connections, name="accept", daemon=True)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._listener.getsockname()[1])

    def start(self) -> None:
        """Start to deliver and to accept."""
        self._delivery.start()
        self._accept_thread.start()

    def stop(self) -> None:
        """Say `{end_conn}` to everybody, end every thread and close every socket. May be called twice."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        with contextlib.suppress(OSError):  # wakes `accept` on Linux; elsewhere it looks up by itself
            self._listener.shutdown(socket.SHUT_RDWR)
        self._accept_thread.join(JOIN_S)
        self._listener.close()
        self._delivery.stop(JOIN_S)
        deadline = time.monotonic() + JOIN_S
        clients = self.room.clients()
        for client in clients:  # those who came too late to be told
            client.end()
            client.cut()
            client.drop()
        for client in clients:
            if client.thread is not None:
                client.thread.join(max(0.0, deadline - time.monotonic()))

    def announce(self, text: str) -> None:
        """Say something to the room as the operator."""
        self._delivery.announce(text)

    def kick(self, whom: Member | Client, reason: Reason = Reason.KICKED, detail: str | None = None) -> None:
        """Tell a client that it has to go, and why, and close its connection; a member without one just leaves."""
        client = self.room.revoke(whom) if isinstance(whom, Member) else whom
        if client is not None:
            client.end_because(f"{reason.value} by the operator" + (f": {detail}" if detail else ""), Reason.KICKED)
            self._delivery.order(client, [Error(reason.value, detail=detail), EndConn()])
            client.end()
        if isinstance(whom, Member):
            self._delivery.expel(whom)

    def _accept_connections(self) -> None:
        while not self._stopping.is_set():
            try:
                sock, address = self._listener.accept()
            except (TimeoutError, ConnectionError):  # nobody came; or whoever came has gone again
                continue
            except OSError as error:
                if not self._stopping.is_set():
                    self._rest(error)
                continue
            try:
                host, port, *_ = address
                self._take_in(sock, (parse_address(host) or host, port))
            except Exception:
                log.exception("A failure in the accept thread")
                sock.close()

    def _take_in(self, sock: socket.socket, address: Address) -> None:
        """Register a new connection and start its thread, or turn it away in words."""
        try:
            tune(sock)
        except OSError:  # it has gone already
            sock.close()
            return
        client = Client(sock, address, self._words)
        try:
            self._start_thread(client)
        except BaseException:  # whoever called closes the socket
            self.room.forget(client)
            client.outbox.detach()
            raise

    def _start_thread(self, client: Client) -> None:
        if self.room.is_banned(client.address[0]):
            log.warning("%s:%s was turned away: its address is banned.", *client.address)
            client.turn_away(self._words.banned)
            return
        if not self.room.register(client):
            log.warning("%s:%s was turned away: the room is full.", *client.address)
            client.turn_away(self._words.full)
            return
        log.info(protocol.HAS_CONNECTED, *client.address)
        name = "client {}:{}".format(*client.address)
        client.thread = threading.Thread(target=self._handle_client, args=(client,), name=name, daemon=True)
        try:
            client.thread.start()
        except RuntimeError as error:
            client.thread = None
            self.room.forget(client)
            client.turn_away(self._words.full)
            log.warning("%s:%s was turned away: no thread is left for it.", *client.address)
            self._rest(error)

    def _rest(self, error: Exception) -> None:
        """Accept nothing for a while, because the system has nothing left to do it with."""
        log.warning("Accepting pauses for %g s: %s", ACCEPT_PAUSE_S, error)
        self._stopping.wait(ACCEPT_PAUSE_S)

    def _handle_client(self, client: Client) -> None:
        """Live one client's life, from the greeting to the closed socket. Runs in that client's thread."""
        farewell: Event = LinkLost()
        try:
            if self._converse(client):
                farewell = Quit()
        except TooLateError:
            client.end_because("it chose no name in time")
            self._delivery.order(client, [Refused(Reason.TOO_LATE.value), EndConn()])
        except OSError as error:
            client.end_because(f"the connection failed: {error}")
        except Exception:
            log.exception("A failure in the thread of %s:%s", *client.address)
            client.end_because("a failure of the server's own")
        finally:
            client.end_because("the server stops" if self._stopping.is_set() else "it ended the connection")
            self._delivery.order(client, [farewell])
            client.wait_for_drop()
            if client.member and self._stopping.is_set():  # the room was closed before this client could leave it
                self.room.release(client.member, client)
            client.close()
            log.info("%s:%s leaves: %s.", *client.address, client.why)
            log.info(protocol.HAS_LEFT, *client.address)
            self.room.forget(client)  # last: stopping waits for those who are still in the registry

    def _converse(self, client: Client) -> bool:
        """Hear a client out, and tell whether it said goodbye."""
        allowance = Allowance(self._rate, BURST)
        self._delivery.order(client, [Greeting()])
        if client.settle() is Lines:
            self._delivery.order(client, [LineEnd()])
        for events in client.incoming():
            for granted in self._grant(client, allowance, events):
                orders, is_quitting = self._decide(client, granted)
                if orders:
                    self._delivery.order(client, orders)
                if is_quitting:
                    client.end_because("it quit")
                    return True
            if client.is_ending:
                break
        return False

    def _grant(self, client: Client, allowance: Allowance, events: list[Event]) -> Iterator[list[Event]]:
        """Yield what a client said as fast as it may say it. Its own thread waits, and TCP slows the sender down."""
        if not self._rate:
            yield events
            return
        granted: list[Event] = []
        charged: list[Event | None] = [*events] or [None]  # what comes to nothing was work, too
        for event in charged:
            wait_s = allowance.take(protocol.cost(event), time.monotonic())
            if wait_s:
                yield granted
                granted = []
                if not self._slow_down(client, wait_s):
                    return
            if event is not None:
                granted.append(event)
        yield granted

    def _slow_down(self, client: Client, wait_s: float) -> bool:
        """Wait, and tell whether there is still somebody to wait for. Raises TooLateError past `name_deadline`."""
        now = time.monotonic()
        if now > client.slowed_until + SLOW_DOWN_LOG_S:
            log.warning("%s:%s talks too fast, and is slowed down.", *client.address)
        client.slowed_until = now + wait_s
        if client.member is None and client.slowed_until > client.name_deadline:
            raise TooLateError
        return not client.wait_for_end(wait_s) and not client.is_lost

    def _decide(self, client: Client, events: list[Event]) -> tuple[list[Event], bool]:
        """Tell what is to be ordered for what a client said, and whether it quits after that."""
        orders: list[Event] = []
        for event in events:
            match event:
                case Say(nonce=nonce) if client.member is not None:
                    muting = self.room.muting_of(client.member)
                    if muting is not None:
                        orders += self._refuse_muted(client, nonce, muting)
                    else:
                        client.member.said += 1
                        orders.append(event)
                case Say(text, nonce):
                    if client.kind is Events:
                        orders.append(self._refuse(client, Fault(Reason.NOT_JOINED, nonce)))
                    else:
                        orders.append(self._let_in(client, text))
                case Join() | Resume() if client.member is not None:
                    orders.append(self._refuse(client, Fault(Reason.ALREADY_JOINED)))
                case Join(name, token) if token and self.room.reclaim(client, token, name):
                    orders.append(Resume(token, 0))  # it was let in by a link that broke before it heard so
                case Join(name, token):
                    orders.append(self._let_in(client, name, token))
                case Resume(token):
                    is_known = self.room.reclaim(client, token)
                    if not is_known:
                        log.info("%s:%s was refused a place: its token is unknown.", *client.address)
                    orders.append(event if is_known else Refused(Reason.UNKNOWN_TOKEN.value))
                case Fault():
                    orders.append(self._refuse(client, event))
                case Quit():
                    return orders, True
                case _:  # a hello, or what only a server says
                    pass
        return orders, False

    def _refuse_muted(self, client: Client, nonce: int | None, muting: tuple[int, int]) -> list[Event]:
        """Tell a muted speaker once each time; whoever counts what it says is told always, and keeps the text."""
        is_told, client.told_muting = client.told_muting == muting, muting
        return [] if is_told and nonce is None else [self._refuse(client, Fault(Reason.MUTED, nonce))]

    def _refuse(self, client: Client, fault: Fault) -> Error:
        """Give the answer to something that is not accepted; the log has each reason once for each client."""
        if fault.reason not in client.refused:
            client.refused |= {fault.reason}
            log.info("%s:%s was refused a message: %s.", *client.address, fault.reason.value)
        return fault.answer()

    def _let_in(self, client: Client, raw_name: str, token: str | None = None) -> Event:
        reason = self.room.claim(client, raw_name, token)
        if reason is not None or client.member is None:
            log.info("%s:%s was refused a name: %s.", *client.address, reason.value if reason else "")
            return Refused((reason or Reason.INVALID).value)
        log.info("%s:%s joins as %s.", *client.address, client.member.name)
        return Join(client.member.name)


class Terminal(logging.Handler):
    """Shows the log and the answers to commands, in the order in which they came.

    In a thread of its own: a terminal that takes nothing, as after Ctrl+S or a click into the Windows console, holds up
    nobody else.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(message)s"))
        self._texts: queue.Queue[str | None] = queue.Queue(MAX_WAITING_LINES)
        self._missing_lock = threading.Lock()
        self._missing = 0
        """How many texts found no place since the last that did; guarded by the lock."""
        self._thread = threading.Thread(target=self._run, name="terminal", daemon=True)

    def start(self) -> None:
        """Start to show what waits and what comes."""
        self._thread.start()

    def finish(self) -> bool:
        """Show the rest, if that does not take too long, and tell whether it was shown."""
        with contextlib.suppress(queue.Full):
            self._texts.put(None, timeout=FLUSH_S)
            self._thread.join(FLUSH_S)
        return not self._thread.is_alive()

    def emit(self, record: logging.LogRecord) -> None:
        """Show a line of the log. From any thread."""
        self.show(self.format(record))

    def show(self, text: str) -> None:
        """Show a text soon, or count it where too many wait. From any thread."""
        with self._missing_lock, contextlib.suppress(queue.Full):
            self._missing += 1
            if self._missing > 1:
                self._texts.put_nowait(f"({self._missing - 1} lines were not shown: the terminal took nothing.)")
                self._missing = 1
            self._texts.put_nowait(text)
            self._missing = 0

    def _run(self) -> None:
        while (text := self._texts.get()) is not None:
            show(text)


class Operator:
    """What the person at the server's terminal may do to the room: one line in, one answer out. For main alone."""

    def __init__(self, server: ChatServer, words: Words) -> None:
        self._server = server
        self._room = server.room
        self._words = words
        self._commands: dict[str, tuple[Callable[[str], str], str]] = {
            "help": (self._help, ""),
            "who": (self._who, ""),
            "say": (self._say, "TEXT"),
            "kick": (self._kick, "NAME [REASON]"),
            "ban": (self._ban, "NAME|ADDRESS"),
            "unban": (self._unban, "NAME|ADDRESS"),
            "mute": (self._mute, "NAME|*"),
            "unmute": (self._unmute, "NAME|*"),
            "stop": (self._help, ""),  # alone on its line it does not come here: `is_stop`
        }

    def is_stop(self, line: str) -> bool:
        """Tell whether a line is the one command that is for whoever runs the server to carry out."""
        return protocol.clean_text(line).strip().lower() == "stop"

    def answer(self, line: str) -> str:
        """Carry out a command, and say what came of it."""
        word, _, rest = protocol.clean_text(line).strip().partition(" ")
        if not word:
            return self._help("")
        if word.lower() not in self._commands:
            return self._words.operator_unknown.format(word=word)
        command, usage = self._commands[word.lower()]
        if bool(rest.strip()) != bool(usage):
            return self._words.operator_usage.format(usage=f"{word.lower()} {usage}".strip())
        try:
            return command(rest.strip())
        except Exception as error:  # a failure of ours in a command must not end the room
            log.exception("A failure in the operator's command")
            return repr(error)

    def _help(self, _: str) -> str:
        return self._words.operator_help

    def _who(self, _: str) -> str:
        members = self._room.members()
        count = self._words.operator_count.format(count=len(members), connections=len(self._room.clients()))
        return "\n".join([*map(self._describe, members), count])

    def _describe(self, member: Member) -> str:
        client, words = member.client, self._words
        minutes = max(1.0, (time.time() - member.joined_at) / 60)
        is_absent = client is None or client.is_dropped
        return words.operator_member.format(
            name=member.name,
            address="{}:{}".format(*client.address) if client else "–",
            dialect=words.operator_absent if is_absent or client is None else client.kind.name,
            since=time.strftime("%H:%M:%S", time.localtime(member.joined_at)),
            said=member.said,
            rate=round(member.said / minutes),
            unsent=client.outbox.unsent_bytes if client else 0,
            muted="  mute" if member.is_muted else "",
        )

    def _say(self, text: str) -> str:
        self._server.announce(text)
        return self._words.operator_said.format(count=len(self._room.members()))

    def _kick(self, rest: str) -> str:
        # A name may have blanks in it: the longest beginning that is somebody's name counts.
        words = rest.split(" ")
        for length in range(len(words), 0, -1):
            member = self._room.find(" ".join(words[:length]))
            if member is not None:
                self._server.kick(member, detail=" ".join(words[length:]) or None)
                return self._words.operator_kicked.format(name=member.name)
        return self._words.operator_nobody.format(name=words[0])

    def _ban(self, what: str) -> str:
        what = parse_address(what) or what
        for member_or_client in self._room.ban(what):
            self._server.kick(member_or_client, Reason.BANNED)
        log.info("%s is banned by the operator.", what)
        return self._words.operator_banned.format(what=what)

    def _unban(self, what: str) -> str:
        what, words = parse_address(what) or what, self._words
        return (words.operator_unbanned if self._room.unban(what) else words.operator_not_banned).format(what=what)

    def _mute(self, name: str) -> str:
        return self._set_muted(name, is_muted=True)

    def _unmute(self, name: str) -> str:
        return self._set_muted(name, is_muted=False)

    def _set_muted(self, name: str, is_muted: bool) -> str:
        words = self._words
        if name == "*":
            self._room.hush(is_muted)
            return words.operator_quiet if is_muted else words.operator_not_quiet
        found = self._room.mute(name, is_muted)
        if found is None:
            return words.operator_nobody.format(name=name)
        return (words.operator_muted if is_muted else words.operator_unmuted).format(name=found)


def tune(sock: socket.socket) -> None:
    """Set what this system knows of `protocol.SOCKET_OPTIONS`. Raises OSError where the peer has gone already."""
    for level, option, value in protocol.SOCKET_OPTIONS:
        if hasattr(socket, option):
            try:
                sock.setsockopt(getattr(socket, level), getattr(socket, option), value)
            except OSError as error:
                if error.errno != errno.ENOPROTOOPT:  # Python knows the name, and the system does not
                    raise


def open_listener(host: str, port: int) -> socket.socket:
    """Listen on a port of one address of this machine, or of all for an empty host. Raises OSError.

    A port that another server uses is refused. One that was left a moment ago is not.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform == "win32":
            # There SO_REUSEADDR means that two servers may share a port, and get half of the clients each.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(LISTEN_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def lan_addresses() -> list[str]:
    """Give the IPv4 addresses by which others may reach this machine, the likeliest first."""
    found: list[str] = []
    # The address that the system would use towards the world and the usual private networks; nothing is sent.
    for target in ("192.0.2.1", "192.168.0.1", "10.0.0.1", "172.16.0.1"):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((target, 9))
                found.append(probe.getsockname()[0])
            except OSError:
                pass  # no way there
    with contextlib.suppress(OSError, UnicodeError):  # some machines do not know their own name, or one too long
        found += socket.gethostbyname_ex(socket.gethostname())[2]
    usable = [address for address in dict.fromkeys(found) if not address.startswith(("127.", "0."))]
    # 169.254.x.x is what a machine gives itself when nobody gave it an address.
    return sorted(usable, key=lambda address: address.startswith("169.254."))


def explain_listen_error(error: OSError, host: str, port: int, words: Words) -> str:
    """Say why the server cannot listen, and what to do."""
    sentence = {
        errno.EADDRINUSE: words.port_in_use,
        errno.EACCES: words.port_forbidden,
        errno.EADDRNOTAVAIL: words.host_not_here,
    }.get(error.errno or 0, words.cannot_listen)
    if isinstance(error, socket.gaierror):
        sentence = words.host_not_here
    return sentence.format(host=host, port=port, error=error)


def where_to_find(host: str, port: int, words: Words) -> str:
    """Tell where the others find this server."""
    everywhere = host in ("", "0.0.0.0", "::")
    addresses = lan_addresses() if everywhere else [host]
    is_alone = not addresses or host == "localhost" or host.startswith("127.") or host == "::1"
    lines = [words.reach_line.format(host=address, port=port) for address in addresses or ["127.0.0.1"]]
    return "\n".join([words.reach_here if is_alone else words.reach_title, *lines])


def main(argv: list[str] | None = None) -> int:
    """Run the server until Ctrl+C or SIGTERM; gives the exit status.

    A console that closes with the program stays until an error, or the help, was read.
    """
    words, status = protocol.LANGUAGES[protocol.DEFAULT_LANGUAGE], 1
    try:
        arguments = parse_arguments(argv)
        words = protocol.LANGUAGES[arguments.lang]
        status = run(arguments, words)
    except Exception:
        traceback.print_exc()
    finally:
        if status != 0 and has_own_console():
            wait_for_enter(words)
    return status


def run(arguments: argparse.Namespace, words: Words) -> int:
    """Do what the command line asks for; gives the exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace", line_buffering=True)  # a console may lack a letter
    # A SimpleQueue, because its `put` may interrupt its own `get` in the same thread; an Event's `set` could deadlock.
    requests: queue.SimpleQueue[int | str] = queue.SimpleQueue()
    has_stopped = threading.Event()
    has_stopped.set()  # as long as nothing runs
    watch_signals(requests, has_stopped)
    raise_file_limit()
    terminal = Terminal()
    try:
        set_up_logging(terminal, arguments.log_level, arguments.log_file)
    except OSError as error:
        print(words.cannot_log.format(file=arguments.log_file, error=error), file=sys.stderr)
        return 2
    if arguments.export is not None:
        return export(arguments, words)
    try:
        listener = open_listener(arguments.host, arguments.port)
    except OSError as error:
        print(explain_listen_error(error, arguments.host, arguments.port, words), file=sys.stderr)
        return 2

    history, notice = open_history(arguments.history, words)
    limits = (arguments.max_clients, arguments.rate, arguments.grace, arguments.backlog)
    server = ChatServer(listener, words, *limits, history, notice)
    has_stopped.clear()
    terminal.start()
    server.start()
    try:
        terminal.show(protocol.WAITING)
        terminal.show(where_to_find(arguments.host, server.port, words))
        if sys.stdin is not None and sys.stdin.isatty():
            threading.Thread(target=read_console, args=(requests,), name="console", daemon=True).start()
        operator = Operator(server, words)
        while isinstance(request := wait_for(requests), str) and not operator.is_stop(request):
            terminal.show(operator.answer(request))
        terminal.show(protocol.CLOSING if request == signal.SIGINT else protocol.CLOSING_OTHERWISE)
    finally:
        server.stop()
        has_stopped.set()
    terminal.show(protocol.CLOSED)
    if not terminal.finish():
        os._exit(0)  # it takes nothing, and Python's own end would wait for it
    return 0


def open_history(path: Path | None, words: Words) -> tuple[History | None, Notice | None]:
    """Open the history, if one is wanted, and give what everybody is told of it; where that fails, go on without."""
    if path is None:
        return None, None
    try:
        return History(path, words), Notice(protocol.RECORDED)
    except FILE_ERRORS as error:
        show(words.history_unusable.format(file=path, error=error))
        return None, Notice(protocol.NOT_RECORDED)


def export(arguments: argparse.Namespace, words: Words) -> int:
    """Write the history into another file; gives the exit status."""
    source, target = arguments.history, arguments.export
    try:
        count = export_history(source, target, arguments.attendance, words)
    except FILE_ERRORS as error:
        print(words.cannot_export.format(source=source, file=target, error=error), file=sys.stderr)
        return 2
    show(words.export_done.format(count=count, file=target))
    return 0


def show(text: str) -> None:
    """Print for the person at the terminal; where that has gone, the room goes on without."""
    try:
        print(text, flush=True)
    except (OSError, ValueError):
        # What is still in the buffer would fail once more at the end, and spoil the exit status.
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)


def wait_for(requests: queue.SimpleQueue[int | str]) -> int | str:
    """Wait for a signal or a line, in short steps: on Windows Ctrl+C does not break a wait."""
    while True:
        try:
            return requests.get(timeout=POLL_S)
        except queue.Empty:
            pass


def watch_signals(requests: queue.SimpleQueue[int | str], has_stopped: threading.Event) -> None:
    """Have whatever asks this program to end put its number into the queue."""

    def note_signal(number: int, frame: FrameType | None) -> None:
        requests.put(number)

    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), note_signal)
    if hasattr(signal, "SIGTTIN"):
        signal.signal(
            signal.SIGTTIN, signal.SIG_IGN
        )  # started with `&`: the console cannot be read, the room can go on
    if sys.platform == "win32":
        watch_console_window(requests, has_stopped)


if sys.platform == "win32":
    import ctypes

    def watch_console_window(requests: queue.SimpleQueue[int | str], has_stopped: threading.Event) -> None:
        """Do the same when the console's window is closed, which is no signal to Python.

        Windows ends the process when the handler returns, or after five seconds (HandlerRoutine's documentation).
        """
        closing_events = (2, 5, 6)  # CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT

        @ctypes.WINFUNCTYPE(ctypes.c_int, ctypes.c_uint)  # type: ignore[untyped-decorator]
        def note_closing(event: int) -> int:
            if event not in closing_events:
                return 0  # Ctrl+C and Ctrl+Break are Python's own
            requests.put(int(signal.SIGTERM))
            has_stopped.wait(JOIN_S)
            return 1

        ctypes.windll.kernel32.SetConsoleCtrlHandler(note_closing, 1)
        watch_console_window.handler = note_closing  # type: ignore[attr-defined]  # or it would be freed

    def has_own_console() -> bool:
        """Tell whether nobody else is at this console: it was opened for this program, and closes with it.

        A script that another program has started, be it Python's own launcher, is not taken for alone.
        """
        processes = (ctypes.c_uint * 3)()
        count = ctypes.windll.kernel32.GetConsoleProcessList(processes, len(processes))
        return 0 < int(count) <= (2 if hasattr(sys, "frozen") else 1)  # a one-file program is two processes

else:

    def has_own_console() -> bool:
        """Tell whether the console closes with this program: elsewhere than on Windows it does not."""
        return False


def wait_for_enter(words: Words) -> None:
    """Leave the time to read what is on the console."""
    with contextlib.suppress(EOFError, KeyboardInterrupt, OSError, RuntimeError, ValueError):  # there is nobody
        input(words.press_enter)


def read_console(requests: queue.SimpleQueue[int | str]) -> None:
    """Hand on what the operator types. Runs in a thread of its own, which ends with the terminal or the program."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")  # half a letter is no reason to listen no more
    with contextlib.suppress(OSError, ValueError):
        while sys.stdin.isatty():  # until it has gone
            with contextlib.suppress(OSError):  # as in the background, where it cannot be read
                for line in sys.stdin:
                    requests.put(line)
            time.sleep(POLL_S)  # after Ctrl+D, or in the foreground again, more may come


def raise_file_limit() -> None:
    """Let this process open as many files as the system allows it: each client needs one."""
    if sys.platform != "win32":  # Windows has no such limit
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        for limit in (hard, 10_240):  # macOS says that there is none, and takes no more than this
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
                return


def set_up_logging(terminal: Terminal, level: str, file: str | None) -> None:
    """Write the log to the terminal, in the original's way, and to a file with the time if wanted. Raises OSError."""
    logging.raiseExceptions = False  # a full disk is no reason to stop
    log.addHandler(terminal)
    log.setLevel(level.upper())
    if file is not None:
        handler = logging.FileHandler(file, encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        log.addHandler(handler)


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="The chat server: one room for a local network. Ctrl+C closes it.")
    parser.add_argument("--host", default="", metavar="ADDR", help="listen on this address only (default: all)")
    parser.add_argument("--port", type=int, default=protocol.DEFAULT_PORT, help="default: %(default)s; 0: any")
    parser.add_argument("--lang", choices=sorted(protocol.LANGUAGES), default=protocol.DEFAULT_LANGUAGE)
    parser.add_argument("--max-clients", type=int, default=MAX_CLIENTS, metavar="N", help="default: %(default)s")
    rate_help = "messages a second that each may say; 0: no limit (default: %(default)g)"
    parser.add_argument("--rate", type=float, default=RATE, metavar="N", help=rate_help)
    grace_help = "seconds that a member whose link broke may take to come back; 0: none (default: %(default)g)"
    parser.add_argument("--grace", type=float, default=GRACE_S, metavar="S", help=grace_help)
    backlog_help = "messages said before that a newcomer is shown (default: %(default)s)"
    parser.add_argument("--backlog", type=int, default=BACKLOG_MESSAGES, metavar="N", help=backlog_help)
    parser.add_argument("--history", type=Path, metavar="FILE", help="record the room in this file, and go on from it")
    export_help = "write the history as text, or as CSV to a name in .csv, and exit"
    parser.add_argument("--export", type=Path, metavar="FILE", help=export_help)
    parser.add_argument("--attendance", action="store_true", help="with --export: who was there, and when")
    parser.add_argument("--log-file", metavar="FILE", help="write the log to this file too, with the time")
    levels = ("debug", "info", "warning", "error")
    parser.add_argument("--log-level", choices=levels, default="info", help="default: %(default)s")
    arguments = parser.parse_args(argv)
    if not 0 <= arguments.port <= 65535:
        parser.error("--port: 0-65535")
    if arguments.max_clients < 1 or not (arguments.rate == 0 or 0.01 <= arguments.rate < float("inf")):
        parser.error("--max-clients: 1 or more; --rate: 0, or 0.01 or more")
    if not 0 <= arguments.grace <= 86_400 or not 0 <= arguments.backlog <= KEPT_EVENTS:
        parser.error(f"--grace: 0 to 86400; --backlog: 0 to {KEPT_EVENTS}")
    if arguments.history is None and (arguments.export is not None or arguments.attendance):
        parser.error("--export and --attendance need --history FILE")
    if arguments.attendance and arguments.export is None:
        parser.error("--attendance needs --export FILE")
    return arguments


if __name__ == "__main__":
    exit_status = main()
    # One more Ctrl+C would find the end of Python, and be the exit status. A one-file program on Linux gets each twice.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(exit_status)
