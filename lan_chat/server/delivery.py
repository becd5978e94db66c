"""The delivery thread: it alone numbers what happens in the room, records it, and writes to clients.

Other threads hand their commands over by a queue, and never write themselves. The sockets are closed by the clients'
threads, once this one has dropped them; the history is closed here.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import queue
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable

import protocol
from lan_chat.server.connection import Connection, LinkLost, Member
from lan_chat.server.history import FILE_ERRORS, KEPT_EVENTS, History, Record
from lan_chat.server.words import ServerWords
from protocol import (
    Announcement,
    Bare,
    Dialect,
    EndConn,
    Event,
    Events,
    Greeting,
    Join,
    Joined,
    Left,
    Lines,
    Message,
    Notice,
    Quit,
    Reason,
    Resume,
    Say,
    Welcome,
)

log = logging.getLogger(__name__)

GRACE_S = 60.0
"""How long a member whose link broke may take to resume before it leaves the room."""
MAX_UNSENT_BYTES = 8 * 1024 * 1024
"""Unsent bytes of one client; a client with more reads too slowly, and is disconnected."""
MAX_AWAY = 1000
"""Members whose place is held at once: anyone can join and break off, any number of times."""
BACKLOG_MESSAGES = 50
"""Earlier messages that a newcomer is shown."""
KEPT_CHARACTERS = 1024 * 1024
"""Characters of the last events that the room keeps: as JSON they have to fit into MAX_UNSENT_BYTES."""
GATHER_SHARE = 3.0
"""How long the delivery thread may wait for as many commands as in its last turn, as a multiple of that turn's time."""
MAX_GATHER_S = 0.005
"""The upper bound of that wait."""
LARGE_ROOM = 200
"""Members from which on arrivals and departures are batched: n arrivals to n members is O(n²)."""
NOTICES_S = 0.1
"""How long arrivals and departures may wait in a large room, if no message comes meanwhile."""
TICK_S = protocol.BARE_PAUSE_S
"""How often the delivery thread writes to the clients that are behind."""
FLUSH_S = 1.0
"""How long a client may take to read the rest, when it leaves or the server stops."""
SAID = (Message, Announcement)
"""The events with a text, as opposed to arrivals and departures."""


def write_events(writer: Dialect, events: list[Event]) -> list[bytes]:
    """Return events encoded in a dialect, as the chunks that an Outbox takes."""
    if isinstance(writer, Bare):
        return [writer.encode(part) for event in events for part in protocol.bare_parts(event)]
    whole = b"".join([writer.encode(event) for event in events])
    return [whole] if whole else []


def write_backlog(writer: Dialect, events: list[Event]) -> list[bytes]:
    """Return the backlog for a newcomer, encoded: with the time in the line dialect, empty in the bare one."""
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
    """The thread that numbers what happens in the room, and writes to clients.

    A command is an event from a client's thread: `Say`, `Join` and `Resume` (under a name that the client has claimed),
    `Quit` and `LinkLost` concern the room; every other event is an answer to this client alone.
    """

    def __init__(
        self,
        words: ServerWords,
        release: Callable[[Member, Connection | None], bool],
        grace_s: float = 0.0,
        backlog: int = 0,
        history: History | None = None,
        notice: Notice | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._words = words
        self._release = release
        """Frees a member's name, unless it has another connection by now; returns whether it did."""
        self._grace_s = grace_s
        self._backlog = backlog
        self._clock = clock
        self._writers: dict[type[Dialect], Dialect] = {Bare: Bare(words), Lines: Lines(words), Events: Events()}
        self._requests: queue.SimpleQueue[Connection | Member | Announcement | None] = queue.SimpleQueue()
        """Connections with commands, each at most once; members to expel; announcements; None to stop."""
        self._thread = threading.Thread(target=self._run, name="delivery", daemon=True)
        # Delivery thread only, from here on.
        self._connections: dict[Connection, None] = {}
        """The connections that were greeted and have not left; a dict as an ordered set."""
        self._members: dict[Connection, None] = {}
        """The connections that get what happens in the room."""
        self._present: dict[Member, Connection | None] = {}
        """The members in the room, each with the connection that gets the events; None where the link is broken."""
        self._away: dict[Member, tuple[float, Connection | None]] = {}
        """The members whose link is broken: until when they may resume, and that link; the first deadline first."""
        self._behind: set[Connection] = set()
        """The connections whose outbox is not empty."""
        self._leaving: dict[Connection, float] = {}
        """The connections that end, and until when they may read the rest."""
        self._expelled: set[Connection] = set()
        """The connections among `_leaving` that the server ends: their threads still read, and have to be woken."""
        self._batch: list[Event] = []
        """The events of the room that have not been sent to all members."""
        self._notices_until: float | None = None
        """Until when the batch may wait for more; None unless it has only arrivals and departures."""
        self._ahead: list[Connection] = []
        """The connections that have been sent a part of the batch before the others (`Connection.seen`)."""
        self._kept: deque[Message | Announcement | Joined | Left] = deque()
        """The last events, for members that resume and for newcomers."""
        self._kept_characters = 0
        self._history = history
        self._recorded = 0
        """How many events of the batch are in the history's file."""
        self._arrivals: list[Member] = []
        """The members that joined, and are not in the file yet."""
        self._departures: list[tuple[int, int]] = []
        """The members that left, and are in the file as present: the `id`s of their `Left` and `Joined`."""
        self._notice = notice
        """What a newcomer is told about the recording, if anything."""
        self._room_id = secrets.token_hex(8)
        self._last_id = 0
        self._may_lack_until = 0
        """The highest `id` that members may have seen and the history does not have: a power cut loses its end."""
        self._is_over = False

    def restore(self, record: Record) -> None:
        """Continue a recorded room. Only before `start`."""
        self._last_id, self._room_id = record.last_id, record.room_id
        self._may_lack_until = record.last_id + KEPT_EVENTS if record.members else 0
        for event in record.events:
            self._keep(event)
        for member in record.members:
            self._present[member] = None
            self._away[member] = time.monotonic() + self._grace_s, None

    def start(self) -> None:
        """Start the delivery thread."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Send `{end_conn}` to everybody, after all that was said, and end the thread."""
        self._requests.put(None)
        self._thread.join(timeout_s)

    def command(self, connection: Connection, events: list[Event]) -> None:
        """Hand over a client's commands, or answers to it. Blocks while too many wait; not from the delivery thread."""
        if connection.hand_over(events):
            self._requests.put(connection)

    def announce(self, text: str) -> None:
        """Send an announcement of the operator to the room. From any thread."""
        self._requests.put(Announcement(0, 0.0, text))

    def expel(self, member: Member) -> None:
        """Have a member leave whose link is broken; does nothing where it is not. From any thread."""
        self._requests.put(member)

    def _run(self) -> None:
        requests: list[Connection | Member | Announcement | None] = []
        took_s = 0.0
        while not self._is_over:
            requests = self._collect(len(requests), min(MAX_GATHER_S, GATHER_SHARE * took_s))
            started = time.perf_counter()
            now = round(self._clock(), 3)
            for request in requests:
                if request is None:
                    self._attempt(self._close_room)
                elif isinstance(request, Announcement):
                    self._tell_room(Announcement(self._next_id(), now, request.text))
                elif isinstance(request, Member):
                    self._attempt(self._give_up, request, now, Reason.KICKED)
                else:
                    self._carry_out_all(request, now)
            self._attempt(self._give_up_overdue, now)
            if self._notices_until is None or started > self._notices_until:
                self._attempt(self._broadcast)
            self._attempt(self._catch_up)
            took_s = time.perf_counter() - started

    def _attempt(self, step: Callable[..., None], *arguments: object) -> None:
        """Do one step; log its failure, a bug of ours, and go on with the next."""
        try:
            step(*arguments)
        except Exception:
            log.exception("A failure in the delivery thread")

    def _collect(self, expected: int, gather_s: float) -> list[Connection | Member | Announcement | None]:
        """Wait for connections with commands, at most a tick while any client is behind, and return all that there are.

        Wait for as many as the last time, but at most `gather_s`: with several clients in full flow, their threads have
        the interpreter to themselves meanwhile, and all share one broadcast.
        """
        requests = []
        gathers_until = time.perf_counter() + gather_s
        limit_s = TICK_S if self._batch or self._behind or self._leaving else None
        if limit_s is None and self._away:
            deadline, _ = next(iter(self._away.values()))
            limit_s = max(TICK_S, deadline - time.monotonic())
        with contextlib.suppress(queue.Empty):
            requests.append(self._requests.get(timeout=limit_s))
            while len(requests) < expected:
                requests.append(self._requests.get(timeout=max(0.0, gathers_until - time.perf_counter())))
            while True:
                requests.append(self._requests.get_nowait())
        return requests

    def _carry_out_all(self, connection: Connection, now: float) -> None:
        """Carry out all commands of a client that wait, also where one of them fails."""
        for event in connection.take_commands():
            self._attempt(self._carry_out, connection, event, now)

    def _carry_out(self, connection: Connection, event: Event, now: float) -> None:
        if isinstance(event, Say):
            if connection.is_member:
                self._say(connection, event, now)
        elif self._is_over or connection in self._leaving or connection.is_dropped:
            if isinstance(event, Join | Resume):  # after its end: otherwise its name would stay taken
                self._depart(connection, now)
        elif isinstance(event, Join):
            self._admit(connection, now)
        elif isinstance(event, Resume):
            self._admit_again(connection, event.last, now)
        elif isinstance(event, LinkLost) and self._may_come_back(connection):
            self.hold_place(connection)
        elif isinstance(event, Quit | LinkLost):
            self._dismiss(connection, now)
        elif isinstance(event, EndConn):
            self._tell(connection, event)
            self._expelled.add(connection)
            self._dismiss(connection, now)
        else:
            self._connections[connection] = None
            self._tell(connection, event)

    def _say(self, connection: Connection, event: Say, now: float) -> None:
        member = connection.member
        assert member is not None
        if event.nonce is not None:
            if event.nonce <= member.last_nonce:  # sent again, because it was not confirmed
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
        """Keep an event, and drop the oldest where there are too many."""
        kept = self._kept
        kept.append(event)
        if isinstance(event, SAID):
            self._kept_characters += len(event.text)
        while len(kept) > KEPT_EVENTS or self._kept_characters > KEPT_CHARACTERS:
            oldest = kept.popleft()
            if isinstance(oldest, SAID):
                self._kept_characters -= len(oldest.text)

    def _tell(self, connection: Connection, event: Event) -> None:
        """Send an event to one client, after all that happened before it."""
        self._send_ahead(connection)
        kind = Bare if isinstance(event, Greeting) else connection.kind  # the client may have sent its `hello` already
        self._write(connection, write_events(self._writers[kind], [event]))

    def _admit(self, connection: Connection, now: float) -> None:
        """Let a newcomer join, and send it the backlog."""
        member = connection.member
        assert member is not None
        if member.connection is not connection:
            self._supersede(connection)
            return
        said = (event for event in reversed(self._kept) if isinstance(event, SAID))
        backlog = [*itertools.islice(said, self._backlog if connection.kind is not Bare else 0)][::-1]
        last = self._last_id
        member.replay_from = backlog[0].id - 1 if backlog else last
        member.joined_id = self._next_id()
        seen = len(self._batch)
        self._tell_room(Joined(member.joined_id, now, member.name))
        self._arrivals.append(member)
        self._record()  # before the client knows its token, which has to work whatever happens to the server
        writer = self._writers[connection.kind]
        told = write_events(writer, [self._notice]) if self._notice else []
        self._welcome(connection, member, last, told + write_backlog(writer, [*backlog]))
        connection.seen = seen  # it gets what follows with the others

    def _admit_again(self, connection: Connection, last: int, now: float) -> None:
        """Let a member resume, and send it all that it has missed."""
        member = connection.member
        assert member is not None
        if member not in self._present:  # its `Join` is still on its way, on the broken link
            self._admit(connection, now)
            return
        if member.connection is not connection:
            self._supersede(connection)
            return
        old = self._present[member]
        if old is not None:  # a dead link that has not been noticed
            self._supersede(old)
        self._away.pop(member, None)
        if self._last_id < last <= self._may_lack_until:
            self._last_id = last  # or new events would have numbers that this member takes for seen
        log.info(self._words.log_resumed.format(address=connection.label, name=member.name))
        self._record()
        seen = max(last, member.replay_from)
        missed = [event for event in self._kept if event.id > seen]
        told = [self._notice] if self._notice and not last else []  # it did not receive its `Welcome`
        self._welcome(connection, member, self._last_id, write_events(self._writers[connection.kind], [*told, *missed]))

    def _supersede(self, connection: Connection) -> None:
        """Close a connection whose member has resumed on another one."""
        connection.end_because(self._words.why_superseded)
        connection.end()
        self._expelled.add(connection)
        self._stop_sending(connection)

    def _welcome(self, connection: Connection, member: Member, last: int, chunks: list[bytes]) -> None:
        self._present[member] = connection
        names = tuple(present.name for present in self._present)
        nonce = member.last_nonce if member.last_nonce >= 0 else None
        self._tell(connection, Welcome(member.name, connection.token, names, last, nonce, self._room_id))
        self._write(connection, chunks)
        self._mark_as_seen(connection)
        connection.is_member = True
        self._members[connection] = None

    def _may_come_back(self, connection: Connection) -> bool:
        """Return whether a client's member stays in the room without a link."""
        is_sent_away = connection.why_left is not None
        has_room = self._grace_s > 0 and len(self._away) < MAX_AWAY
        return connection.is_member and connection.kind is Events and not is_sent_away and has_room

    def hold_place(self, connection: Connection) -> None:
        """Keep a member in the room whose link is broken, until its grace is over."""
        member = connection.member
        assert member is not None
        log.info(self._words.log_lost_link.format(address=connection.label, name=member.name))
        self._stop_sending(connection)
        self._present[member] = None
        self._away[member] = time.monotonic() + self._grace_s, connection

    def _stop_sending(self, connection: Connection) -> None:
        """End a connection without its `Left`: nothing more is sent, and the member stays."""
        self._connections.pop(connection, None)
        self._members.pop(connection, None)
        connection.is_member = False
        connection.outbox.clear()
        self._leaving[connection] = 0.0

    def _give_up(self, member: Member, now: float, reason: Reason | None = None) -> None:
        """Have a member leave that has no link, unless its `Resume` is among the commands that wait."""
        if member in self._away:
            _, connection = self._away.pop(member)  # not `member.connection`, which may be a new one by now
            if self._leave(member, connection, now, reason):
                why = self._words.why_not_back if reason is None else self._words.why_kicked
                log.info(self._words.log_left.format(who=member.name, why=why))

    def _give_up_overdue(self, now: float) -> None:
        while self._away:
            member, (deadline, _) = next(iter(self._away.items()))
            if time.monotonic() < deadline:
                break
            self._give_up(member, now)

    def _dismiss(self, connection: Connection, now: float) -> None:
        self._connections.pop(connection, None)
        self._leaving[connection] = time.monotonic() + FLUSH_S
        self._send_ahead(connection)
        self._members.pop(connection, None)
        self._depart(connection, now)

    def _depart(self, connection: Connection, now: float) -> None:
        """Have the member leave whose connection ends, unless it has another one by now."""
        connection.is_member = False
        if connection.member in self._present:
            self._leave(connection.member, connection, now, connection.why_left)
        elif connection.member is not None:
            self._release(connection.member, connection)

    def _leave(self, member: Member, connection: Connection | None, now: float, reason: Reason | None) -> bool:
        """Free a member's name, and send its `Left` to the room; return False where it has already resumed."""
        if not self._release(member, connection):
            if self._present[member] is connection:
                self._present[member] = None  # its `Resume` is among the commands that wait
            return False
        previous = self._present.pop(member)
        if previous is not None and previous is not connection:  # the link before its `Resume`, which still waits
            self._supersede(previous)
        self._away.pop(member, None)
        left = Left(self._next_id(), now, member.name, reason.value if reason else None)
        self._departures.append((left.id, member.joined_id))
        self._tell_room(left)
        return True

    def _send_ahead(self, connection: Connection) -> None:
        """Send a member the events of the batch that it lacks, ahead of the others."""
        if connection in self._members and connection.seen < len(self._batch):
            self._record()
            chunks = write_events(self._writers[connection.kind], self._batch[connection.seen :])
            self._mark_as_seen(connection)
            self._write(connection, chunks)

    def _mark_as_seen(self, connection: Connection) -> None:
        connection.seen = len(self._batch)
        self._ahead.append(connection)

    def _record(self) -> None:
        """Write the events into the history, before they are sent. Where that fails, go on without a history."""
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
        """Send the batch to every member, encoded once for each dialect, and begin a new one."""
        self._record()
        batch, self._batch, self._recorded = self._batch, [], 0
        self._notices_until = None
        try:
            self._send_to_all(batch)
        finally:
            for connection in self._ahead:
                connection.seen = 0
            self._ahead.clear()

    def _send_to_all(self, batch: list[Event]) -> None:
        kinds = {connection.kind for connection in self._members}
        whole = {kind: write_events(self._writers[kind], batch) for kind in kinds}
        for connection in list(self._members) if batch else ():
            if connection.seen:
                self._write(connection, write_events(self._writers[connection.kind], batch[connection.seen :]))
            else:
                self._write(connection, whole[connection.kind])

    def _write(self, connection: Connection, chunks: list[bytes]) -> None:
        outbox = connection.outbox
        try:
            for chunk in chunks:
                outbox.push(chunk)
        except OSError as error:
            self._fail(connection, error)
            return
        if outbox.unsent_bytes:
            self._behind.add(connection)
            if outbox.unsent_bytes > MAX_UNSENT_BYTES:
                words = self._words
                log.warning(words.log_reads_too_slowly.format(address=connection.label, unsent=outbox.unsent_bytes))
                connection.end_because(words.why_too_slow, Reason.TOO_SLOW)
                connection.end()
                self._give_up_writing(connection)

    def _fail(self, connection: Connection, error: OSError) -> None:
        connection.end_because(self._words.why_failed.format(error=error))
        self._give_up_writing(connection)

    def _give_up_writing(self, connection: Connection) -> None:
        """Send nothing more to a client, and wake its thread, whose last command has its member leave the room."""
        self._members.pop(connection, None)
        self._behind.discard(connection)
        connection.outbox.clear()
        connection.is_lost = True
        connection.cut()

    def _catch_up(self) -> None:
        """Write to the clients that are behind, and drop those that leave and have everything."""
        for connection in list(self._behind):
            if self._flush(connection):
                self._behind.discard(connection)
        for connection, deadline in list(self._leaving.items()):
            if self._flush(connection) or time.monotonic() > deadline:
                del self._leaving[connection]
                self._behind.discard(connection)
                if connection in self._expelled:
                    self._expelled.discard(connection)
                    connection.cut()
                connection.drop()

    def _flush(self, connection: Connection) -> bool:
        """Send a client what its socket takes, and return whether nothing is left, or can be sent."""
        try:
            return connection.outbox.flush()
        except OSError as error:
            self._fail(connection, error)
            return True

    def _close_room(self) -> None:
        """Send `{end_conn}` to everybody, in each one's dialect, and drop all connections."""
        self._broadcast()
        deadline = time.monotonic() + FLUSH_S
        bare = [connection for connection in self._connections if connection.kind is Bare]
        for connection in self._connections:
            if connection.kind is not Bare:
                self._write(connection, [self._writers[connection.kind].encode(EndConn())])
        if bare:
            self._flush_all(bare, deadline - FLUSH_S / 2)
            time.sleep(protocol.BARE_FAREWELL_S)  # or the control word would merge with the last message
            for connection in bare:
                self._write(connection, [self._writers[Bare].encode(EndConn())])
        everybody = [*self._connections, *self._leaving]
        self._flush_all(everybody, deadline)
        for member in self._present:
            self._release(member, member.connection)
        if self._history is not None:
            with contextlib.suppress(*FILE_ERRORS):  # if this fails, the members may resume after the next start
                self._history.say_goodbye(self._last_id)
            self._history.close()
            self._history = None  # what is still said is sent to nobody
        self._connections.clear()
        self._members.clear()
        self._present.clear()
        self._away.clear()
        self._behind.clear()
        self._leaving.clear()
        for connection in everybody:
            connection.end()
            connection.cut()
            connection.drop()
        self._is_over = True

    def _flush_all(self, connections: list[Connection], deadline: float) -> None:
        """Send clients the rest, as far as their sockets take it until the deadline."""
        while (
            connections := [connection for connection in connections if not self._flush(connection)]
        ) and time.monotonic() < deadline:
            time.sleep(TICK_S)
