"""The chat server: one room for everybody who connects.

Threads:

* main waits for a signal and then stops everything in order;
* accept takes connections in and starts a thread for each;
* one thread per client reads that client alone, and is the one that closes its socket;
* delivery alone numbers what is said and writes to clients, so that there is one order and no write waits for another.

A client's thread hands what its client did to the delivery thread as an order, and never writes to a socket itself.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import io
import logging
import os
import queue
import secrets
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
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
BARE_QUEUE = 50
"""Messages that may wait for a bare peer's pauses (half a second's worth) before some of them share a `send`."""
MAX_WAITING_EVENTS = 64
"""What may wait of one client for the delivery thread before that client is not read any further."""
GATHER_SHARE = 0.3
"""How long the delivery thread of a busy room gathers before it broadcasts, as a share of what broadcasting took."""
MAX_GATHER_S = 0.005
LARGE_ROOM = 200
"""Members from which on arrivals and departures may wait for each other: telling each to all is the room's square."""
NOTICES_S = 0.1
"""How long they may wait in a large room, if nobody says anything meanwhile."""
MERGED_BYTES = 64 * 1024
"""What is put together for one `send` out of many chunks."""
RECV_BYTES = 16 * 1024
BACKLOG = 1024
"""Connections that the system may complete before `accept` takes them; one that is full looks like a dead server."""

IDLE_S = 3600.0
"""How long one `recv` waits where nothing limits it; the number means nothing, but None would block the writer."""
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

    def __init__(self, sock: socket.socket, address: Address, words: Words) -> None:
        self.address = address
        self.thread: threading.Thread | None = None
        # For the client's thread alone.
        self._sock = sock
        self._sock.settimeout(IDLE_S)
        self._words = words
        self._dialect: Dialect = Bare(words)
        self._first_chunks: list[bytes] = []
        self.name_deadline: float | None = time.monotonic() + NAME_S
        self.last_nonce = -1
        self.slowed_until = -SLOW_DOWN_LOG_S
        self.is_told_muted = False
        # Written by the client's thread before the order that needs it, read by the delivery thread after that.
        self.kind: type[Dialect] = Bare
        self.name = ""
        self.joined_at = 0.0
        self.said = 0
        # For the delivery thread alone.
        self.outbox = Outbox(sock)
        self.is_member = False
        self.seen = 0
        # Between the two.
        self._orders: list[Event] = []
        self._taken = threading.Condition()
        """Guards `_orders`, and tells the client's thread that they were taken."""
        self.ending = threading.Event()
        """Set when nothing more that this client says shall count."""
        self.is_lost = False
        """Whether it cannot be written to any more; what it had said still counts, as far as it need not wait."""
        self.dropped = threading.Event()
        """Set by the delivery thread when it will never touch this client again."""
        self.why = ""
        """Why this connection ends, for the log; whoever knows it first writes it, with `end_because`."""
        self.why_left: Reason | None = None
        """The same for the room, where it was not the member's own wish."""
        # Written by the operator, read by the client's thread.
        self.is_muted = False

    def settle(self) -> type[Dialect]:
        """Read until it is known which dialect this client speaks. Raises as `incoming` does."""
        received, kind = b"", None
        while kind is None:
            data = self._receive(protocol.settle_s(received) if received else None)
            if data:
                self._first_chunks.append(data)
                received += data
            kind = protocol.recognise_client(received, is_over=data is None, has_ended=data == b"")
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
        with self._taken:
            while len(self._orders) >= MAX_WAITING_EVENTS and not self.dropped.is_set():
                self._taken.wait(POLL_S)
            is_first = not self._orders
            self._orders += events
            return is_first

    def take_orders(self) -> list[Event]:
        """Take all orders that wait. For the delivery thread."""
        with self._taken:
            orders, self._orders = self._orders, []
            self._taken.notify()
            return orders

    def end_because(self, why: str, why_left: Reason | None = None) -> None:
        """Note why this connection ends, unless that is known already. From any thread."""
        if not self.why:
            self.why, self.why_left = why, why_left

    def cut(self) -> None:
        """Wake the client's thread out of `recv`. From any thread, as often as one likes."""
        with contextlib.suppress(OSError):  # the other side may have been faster
            self._sock.shutdown(socket.SHUT_RDWR)

    def turn_away(self, sentence: str) -> None:
        """Say one sentence and close: for a connection that never got a thread."""
        try:
            self.outbox.push(sentence.encode())
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has gone already
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
        while True:
            wait_s = IDLE_S if limit_s is None else limit_s
            if self.name_deadline is not None:
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
                if wait_s == limit_s:
                    return None


class Room:
    """Who is here, and who may be: the registries that all threads share."""

    def __init__(self, max_clients: int) -> None:
        self._max_clients = max_clients
        self._lock = threading.Lock()
        """Guards all that follows. Nothing is sent and nothing else is locked while it is held."""
        self.addresses: dict[Client, Address] = {}
        self.names: dict[str, Client] = {}
        """Who has which name, by `protocol.name_key`."""
        self._muted: set[str] = set()
        """Keys of the names that may not write."""
        self._banned: dict[str, str] = {}
        """Keys of the names and IP addresses that may not come in, and what goes with each: the name's address."""
        self.is_quiet = False
        """Whether only the operator may write."""

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

    def claim(self, client: Client, raw_name: str) -> Reason | None:
        """Give a client the name that it asks for, or say why not."""
        name = protocol.parse_name(raw_name)
        if name is None:
            return Reason.INVALID
        key = protocol.name_key(name)
        with self._lock:
            if key in self._banned:
                return Reason.BANNED
            if key in self.names or key in protocol.RESERVED_KEYS:
                return Reason.TAKEN
            self.names[key] = client
            client.is_muted = key in self._muted
        client.name = name
        return None

    def release(self, client: Client) -> None:
        """Make a client's name free for others, if it has one."""
        key = protocol.name_key(client.name)
        with self._lock:
            if self.names.get(key) is client:
                del self.names[key]

    def members(self) -> list[Client]:
        """Give everybody who has a name, by name."""
        with self._lock:
            return [self.names[key] for key in sorted(self.names)]

    def find(self, name: str) -> Client | None:
        """Give whoever has this name."""
        with self._lock:
            return self.names.get(protocol.name_key(name))

    def mute(self, client: Client, is_muted: bool) -> None:
        """Let a member write, or not; also when it comes back under its name."""
        with self._lock:
            client.is_muted = is_muted
            (self._muted.add if is_muted else self._muted.discard)(protocol.name_key(client.name))

    def ban(self, what: str) -> list[Client]:
        """Keep out a name, with the address that it comes from, or an address; give those who have to go."""
        key = protocol.name_key(what)
        with self._lock:
            member = self.names.get(key)
            address = member.address[0] if member else ""
            self._banned[key] = address or self._banned.get(key, "")
            if member:
                self._banned.setdefault(address, "")
                return [member]
            return [client for client in self.addresses if client.address[0] == what]

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


def write_events(writer: Dialect, events: list[Event]) -> list[bytes]:
    """Write events in a dialect, as the chunks that an Outbox takes."""
    if isinstance(writer, Bare):
        return [writer.encode(part) for event in events for part in protocol.bare_parts(event)]
    whole = b"".join([writer.encode(event) for event in events])
    return [whole] if whole else []


class Delivery:
    """The one thread that numbers what happens in the room and writes to clients.

    An order is an event that a client's thread read: `Say`, `Join` (under a name that the client holds) and `Quit`
    concern the room; every other event is an answer to this client alone.
    """

    def __init__(self, words: Words, release: Callable[[Client], None], clock: Callable[[], float] = time.time) -> None:
        self._release = release
        """Makes a client's name free; called between telling the room that it left and whatever comes after that."""
        self._clock = clock
        self._writers: dict[type[Dialect], Dialect] = {Bare: Bare(words), Lines: Lines(words), Events: Events()}
        self._orders: queue.SimpleQueue[Client | Announcement | None] = queue.SimpleQueue()
        """Clients with orders, each at most once; what the operator says; None to stop."""
        self._thread = threading.Thread(target=self._run, name="delivery", daemon=True)
        # All that follows belongs to the delivery thread.
        self._clients: dict[Client, None] = {}
        """Everybody who was greeted and has not left; a dict for its order."""
        self._members: dict[Client, None] = {}
        """Those of them who hear the room."""
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
        self._last_id = 0
        self._is_over = False

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

    def _run(self) -> None:
        gather_s = 0.0
        while not self._is_over:
            clients = self._collect(gather_s)
            started = time.perf_counter()
            now = round(self._clock(), 3)
            for client in clients:
                if client is None:
                    self._attempt(self._close_room)
                elif isinstance(client, Announcement):
                    self._tell_room(Announcement(self._next_id(), now, client.text))
                else:
                    for event in client.take_orders():
                        self._attempt(self._carry_out, client, event, now)
            if self._notices_until is None or started > self._notices_until:
                self._attempt(self._broadcast)
            self._attempt(self._catch_up)
            took_s = time.perf_counter() - started
            gather_s = min(MAX_GATHER_S, GATHER_SHARE * took_s) if len(clients) > 1 else 0.0

    def _attempt(self, step: Callable[..., None], *arguments: object) -> None:
        """Do one step; a failure of ours in it is logged, and ends neither the thread nor the other steps."""
        try:
            step(*arguments)
        except Exception:
            log.exception("A failure in the delivery thread")

    def _collect(self, gather_s: float) -> list[Client | Announcement | None]:
        """Wait for clients with orders, no longer than a tick when somebody is behind, and take all that are there.

        Where the last turn had several, wait a moment longer: the clients' threads have the interpreter to themselves
        meanwhile, and what more they hand over shares the broadcast.
        """
        clients = []
        has_work = self._batch or self._behind or self._leaving
        with contextlib.suppress(queue.Empty):
            clients.append(self._orders.get(timeout=TICK_S if has_work else None))
            if gather_s:
                time.sleep(gather_s)
            while True:
                clients.append(self._orders.get_nowait())
        return clients

    def _carry_out(self, client: Client, event: Event, now: float) -> None:
        if isinstance(event, Say):
            if client.is_member:
                self._tell_room(Message(self._next_id(), now, client.name, event.text, event.nonce))
        elif self._is_over or client in self._leaving or client.dropped.is_set():
            pass  # what comes after its end
        elif isinstance(event, Join):
            self._admit(client, now)
        elif isinstance(event, Quit):
            self._dismiss(client, now)
        elif isinstance(event, EndConn):
            self._tell(client, event)
            self._expelled.add(client)
            self._dismiss(client, now)
        else:
            self._clients[client] = None
            self._tell(client, event)

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _tell_room(self, event: Event) -> None:
        if not isinstance(event, Joined | Left):
            self._notices_until = None
        elif not self._batch and len(self._members) >= LARGE_ROOM:
            self._notices_until = time.perf_counter() + NOTICES_S
        self._batch.append(event)

    def _tell(self, client: Client, event: Event) -> None:
        """Write to one client, after all that it should have heard by now."""
        self._hear(client)
        kind = Bare if isinstance(event, Greeting) else client.kind  # it is the same for all, whoever answers first
        self._write(client, write_events(self._writers[kind], [event]))

    def _admit(self, client: Client, now: float) -> None:
        names = (*(member.name for member in self._members), client.name)
        self._tell(client, Welcome(client.name, secrets.token_urlsafe(16), names, self._last_id))
        self._mark_as_seen(client)
        client.is_member = True
        self._members[client] = None
        self._tell_room(Joined(self._next_id(), now, client.name))

    def _dismiss(self, client: Client, now: float) -> None:
        self._clients.pop(client, None)
        self._leaving[client] = time.monotonic() + FLUSH_S
        self._hear(client)
        self._members.pop(client, None)
        if client.is_member:
            client.is_member = False
            reason = client.why_left.value if client.why_left else None
            self._tell_room(Left(self._next_id(), now, client.name, reason))
        self._release(client)

    def _hear(self, client: Client) -> None:
        """Send a member its part of the batch now, ahead of the others."""
        if client in self._members:
            chunks = write_events(self._writers[client.kind], self._batch[client.seen :])
            self._mark_as_seen(client)
            self._write(client, chunks)

    def _mark_as_seen(self, client: Client) -> None:
        client.seen = len(self._batch)
        self._ahead.append(client)

    def _broadcast(self) -> None:
        """Send the batch to every member, written once for each dialect, and begin the next."""
        batch, self._batch = self._batch, []
        ahead, self._ahead = self._ahead, []
        self._notices_until = None
        kinds = {client.kind for client in self._members}
        whole = {kind: write_events(self._writers[kind], batch) for kind in kinds}
        for client in list(self._members) if batch else ():
            if client.seen:
                self._write(client, write_events(self._writers[client.kind], batch[client.seen :]))
            else:
                self._write(client, whole[client.kind])
        for client in ahead:
            client.seen = 0

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
                client.ending.set()
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
                client.dropped.set()

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
        self._clients.clear()
        self._members.clear()
        self._behind.clear()
        self._leaving.clear()
        for client in everybody:
            client.ending.set()
            client.cut()
            client.dropped.set()
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
    ) -> None:
        self._listener = listener
        self._listener.settimeout(POLL_S)
        self._words = words
        self._rate = rate
        self.room = Room(max_clients)
        self._delivery = Delivery(words, self.room.release)
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
            client.ending.set()
            client.cut()
            client.dropped.set()
        for client in clients:
            if client.thread is not None:
                client.thread.join(max(0.0, deadline - time.monotonic()))

    def announce(self, text: str) -> None:
        """Say something to the room as the operator."""
        self._delivery.announce(text)

    def kick(self, client: Client, reason: Reason = Reason.KICKED, detail: str | None = None) -> None:
        """Tell a client that it has to go, and why, and close its connection."""
        client.end_because(f"{reason.value} by the operator" + (f": {detail}" if detail else ""), Reason.KICKED)
        self._delivery.order(client, [Error(reason.value, detail=detail), EndConn()])
        client.ending.set()

    def _accept_connections(self) -> None:
        while not self._stopping.is_set():
            try:
                sock, address = self._listener.accept()
            except (TimeoutError, ConnectionAbortedError):
                continue
            except OSError as error:
                if not self._stopping.is_set():
                    self._rest(error)
                continue
            self._take_in(sock, address[:2])

    def _take_in(self, sock: socket.socket, address: Address) -> None:
        """Register a new connection and start its thread, or turn it away in words."""
        try:
            tune(sock)
        except OSError:  # it has gone already
            sock.close()
            return
        client = Client(sock, address, self._words)
        if self.room.is_banned(address[0]):
            log.warning("%s:%s was turned away: its address is banned.", *address)
            client.turn_away(self._words.banned)
            return
        if not self.room.register(client):
            log.warning("%s:%s was turned away: the room is full.", *address)
            client.turn_away(self._words.full)
            return
        log.info(protocol.HAS_CONNECTED, *address)
        name = "client {}:{}".format(*address)
        client.thread = threading.Thread(target=self._handle_client, args=(client,), name=name, daemon=True)
        try:
            client.thread.start()
        except RuntimeError as error:
            client.thread = None
            self.room.forget(client)
            client.turn_away(self._words.full)
            self._rest(error)

    def _rest(self, error: Exception) -> None:
        """Accept nothing for a while, because the system has nothing left to do it with."""
        log.warning("Accepting pauses for %g s: %s", ACCEPT_PAUSE_S, error)
        self._stopping.wait(ACCEPT_PAUSE_S)

    def _handle_client(self, client: Client) -> None:
        """Live one client's life, from the greeting to the closed socket. Runs in that client's thread."""
        try:
            self._converse(client)
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
            self._delivery.order(client, [Quit()])
            client.dropped.wait()
            self.room.release(client)  # it has been, but where the room was closed before this client could leave it
            client.close()
            log.info("%s:%s leaves: %s.", *client.address, client.why)
            log.info(protocol.HAS_LEFT, *client.address)
            self.room.forget(client)  # last: stopping waits for those who are still in the registry

    def _converse(self, client: Client) -> None:
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
                    return
            if client.ending.is_set():
                return

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
        if client.name_deadline is not None and client.slowed_until > client.name_deadline:
            raise TooLateError
        return not client.ending.wait(min(wait_s, IDLE_S)) and not client.is_lost

    def _decide(self, client: Client, events: list[Event]) -> tuple[list[Event], bool]:
        """Tell what is to be ordered for what a client said, and whether it quits after that."""
        orders: list[Event] = []
        for event in events:
            match event:
                case Say(text, nonce) if client.name:
                    if client.is_muted or self.room.is_quiet:
                        orders += self._refuse_muted(client, nonce)
                    elif nonce is None:
                        client.said += 1
                        orders.append(event)
                    elif nonce > client.last_nonce:
                        client.last_nonce = nonce
                        client.said += 1
                        orders.append(event)
                case Say(text, nonce):
                    if client.kind is Events:
                        orders.append(Error(Reason.NOT_JOINED.value, nonce=nonce))
                    else:
                        orders.append(self._let_in(client, text))
                case Join() | Resume() if client.name:
                    orders.append(Error(Reason.ALREADY_JOINED.value))
                case Join(name):
                    orders.append(self._let_in(client, name))
                case Resume():
                    orders.append(Refused(Reason.UNKNOWN_TOKEN.value))
                case Fault():
                    orders.append(event.answer())
                case Quit():
                    return orders, True
                case _:  # a hello, or what only a server says
                    pass
        return orders, False

    def _refuse_muted(self, client: Client, nonce: int | None) -> list[Event]:
        """Tell a muted speaker once; whoever counts what it says is told each time, and keeps the text."""
        is_told, client.is_told_muted = client.is_told_muted, True
        return [] if is_told and nonce is None else [Error(Reason.MUTED.value, nonce=nonce)]

    def _let_in(self, client: Client, raw_name: str) -> Event:
        reason = self.room.claim(client, raw_name)
        if reason is not None:
            log.info("%s:%s was refused a name: %s.", *client.address, reason.value)
            return Refused(reason.value)
        client.name_deadline = None
        client.joined_at = time.time()
        log.info("%s:%s joins as %s.", *client.address, client.name)
        return Join(client.name)


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
        }

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

    def _describe(self, member: Client) -> str:
        minutes = max(1.0, (time.time() - member.joined_at) / 60)
        return self._words.operator_member.format(
            name=member.name,
            address="{}:{}".format(*member.address),
            dialect=member.kind.name,
            since=time.strftime("%H:%M:%S", time.localtime(member.joined_at)),
            said=member.said,
            rate=round(member.said / minutes),
            unsent=member.outbox.unsent_bytes,
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
        for client in self._room.ban(what):
            self._server.kick(client, Reason.BANNED)
        log.info("%s is banned by the operator.", what)
        return self._words.operator_banned.format(what=what)

    def _unban(self, what: str) -> str:
        words = self._words
        return (words.operator_unbanned if self._room.unban(what) else words.operator_not_banned).format(what=what)

    def _mute(self, name: str) -> str:
        return self._set_muted(name, is_muted=True)

    def _unmute(self, name: str) -> str:
        return self._set_muted(name, is_muted=False)

    def _set_muted(self, name: str, is_muted: bool) -> str:
        words = self._words
        if name == "*":
            self._room.is_quiet = is_muted
            return words.operator_quiet if is_muted else words.operator_not_quiet
        member = self._room.find(name)
        if member is None:
            return words.operator_nobody.format(name=name)
        self._room.mute(member, is_muted)
        return (words.operator_muted if is_muted else words.operator_unmuted).format(name=member.name)


def tune(sock: socket.socket) -> None:
    """Set what this system knows of `protocol.SOCKET_OPTIONS`. Raises OSError where the peer has gone already."""
    for level, option, value in protocol.SOCKET_OPTIONS:
        if hasattr(socket, option):
            sock.setsockopt(getattr(socket, level), getattr(socket, option), value)


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
        listener.listen(BACKLOG)
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
    with contextlib.suppress(OSError):  # some machines do not know their own name
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


def show_addresses(host: str, port: int, words: Words) -> None:
    """Print where the others find this server."""
    everywhere = host in ("", "0.0.0.0", "::")
    addresses = lan_addresses() if everywhere else [host]
    is_alone = not addresses or host == "localhost" or host.startswith("127.") or host == "::1"
    show(words.reach_here if is_alone else words.reach_title)
    for address in addresses or ["127.0.0.1"]:
        show(words.reach_line.format(host=address, port=port))


def main(argv: list[str] | None = None) -> int:
    """Run the server until Ctrl+C or SIGTERM; gives the exit status."""
    arguments = parse_arguments(argv)
    words = protocol.LANGUAGES[arguments.lang]
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace", line_buffering=True)  # a console may lack a letter
    # A SimpleQueue, because its `put` may interrupt its own `get` in the same thread; an Event's `set` could deadlock.
    requests: queue.SimpleQueue[int | str] = queue.SimpleQueue()
    has_stopped = threading.Event()
    watch_signals(requests, has_stopped)
    raise_file_limit()
    try:
        set_up_logging(arguments.log_level, arguments.log_file)
    except OSError as error:
        print(words.cannot_log.format(file=arguments.log_file, error=error), file=sys.stderr)
        return 2
    try:
        listener = open_listener(arguments.host, arguments.port)
    except OSError as error:
        print(explain_listen_error(error, arguments.host, arguments.port, words), file=sys.stderr)
        return 2

    server = ChatServer(listener, words, arguments.max_clients, arguments.rate)
    server.start()
    try:
        show(protocol.WAITING)
        show_addresses(arguments.host, server.port, words)
        if sys.stdin is not None and sys.stdin.isatty():
            threading.Thread(target=read_console, args=(requests,), name="console", daemon=True).start()
        operator = Operator(server, words)
        while isinstance(request := wait_for(requests), str) and request.strip().lower() != "stop":
            show(operator.answer(request))
        show(protocol.CLOSING if request == signal.SIGINT else protocol.CLOSING_OTHERWISE)
    finally:
        server.stop()
        has_stopped.set()
    show(protocol.CLOSED)
    return 0


def show(text: str) -> None:
    """Print for the person at the terminal; where that has gone, the room goes on without."""
    try:
        print(f"{text}\n", end="", flush=True)  # in one piece, or the log could write between
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


def read_console(requests: queue.SimpleQueue[int | str]) -> None:
    """Hand on what the operator types. Runs in a thread of its own, which ends with the input or with the program."""
    with contextlib.suppress(OSError, ValueError):  # the terminal has gone
        for line in sys.stdin:
            requests.put(line)


def raise_file_limit() -> None:
    """Let this process open as many files as the system allows it: each client needs one."""
    if sys.platform != "win32":  # Windows has no such limit
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        for limit in (hard, 10_240):  # macOS says that there is none, and takes no more than this
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
                return


def set_up_logging(level: str, file: str | None) -> None:
    """Write the log to the terminal, in the original's way, and to a file with the time if wanted. Raises OSError."""
    logging.raiseExceptions = False  # a terminal that has gone, or a full disk, is no reason to stop
    terminal = logging.StreamHandler(sys.stdout)
    terminal.setFormatter(logging.Formatter("%(message)s"))
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
    parser.add_argument("--log-file", metavar="FILE", help="write the log to this file too, with the time")
    levels = ("debug", "info", "warning", "error")
    parser.add_argument("--log-level", choices=levels, default="info", help="default: %(default)s")
    arguments = parser.parse_args(argv)
    if not 0 <= arguments.port <= 65535:
        parser.error("--port: 0-65535")
    if arguments.max_clients < 1 or not (arguments.rate == 0 or 0.01 <= arguments.rate < float("inf")):
        parser.error("--max-clients: 1 or more; --rate: 0, or 0.01 or more")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
