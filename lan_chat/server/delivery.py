"""The one thread that numbers what happens in the room, records it, and writes to clients."""

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
"""How long a member whose link broke may take to come back before the room sees it leave."""
MAX_UNSENT_BYTES = 8 * 1024 * 1024
"""What may wait for one client that reads too slowly."""
MAX_AWAY = 1000
"""How many the room waits for at once: coming and breaking off costs nothing."""
BACKLOG_MESSAGES = 50
"""How much of what was said before a newcomer is shown."""
KEPT_CHARACTERS = 1024 * 1024
"""The same in letters: written as JSON they have to fit into MAX_UNSENT_BYTES."""
GATHER_SHARE = 3.0
"""How long after a turn the delivery thread may wait for as many clients again, as a share of what the turn took."""
MAX_GATHER_S = 0.005
LARGE_ROOM = 200
"""Members from which on arrivals and departures may wait for each other: telling each to all is the room's square."""
NOTICES_S = 0.1
"""How long they may wait in a large room, if nobody says anything meanwhile."""
TICK_S = protocol.BARE_PAUSE_S
"""How often the delivery thread looks at the clients that are behind."""
FLUSH_S = 1.0
"""How long a client that leaves, or is told that the server stops, may take to read the rest."""
SAID = (Message, Announcement)
"""What somebody said, and not who came or went."""


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
        """Makes a member's name free, unless it has another connection by now; tells whether it did."""
        self._grace_s = grace_s
        self._backlog = backlog
        self._clock = clock
        self._writers: dict[type[Dialect], Dialect] = {Bare: Bare(words), Lines: Lines(words), Events: Events()}
        self._commands: queue.SimpleQueue[Connection | Member | Announcement | None] = queue.SimpleQueue()
        """Clients with orders, each at most once; members to expel; what the operator says; None to stop."""
        self._thread = threading.Thread(target=self._run, name="delivery", daemon=True)
        # All that follows belongs to the delivery thread.
        self._connections: dict[Connection, None] = {}
        """Everybody who was greeted and has not left; a dict for its order."""
        self._members: dict[Connection, None] = {}
        """Those of them who hear the room."""
        self._present: dict[Member, Connection | None] = {}
        """Who is in the room, and by which connection it hears; None where the link is broken."""
        self._away: dict[Member, tuple[float, Connection | None]] = {}
        """Those whose link is broken: until when they may come back, and that link; the first to go is first."""
        self._behind: set[Connection] = set()
        """Those who have not been sent all that they should."""
        self._leaving: dict[Connection, float] = {}
        """Those who are going, and until when they may read the rest."""
        self._expelled: set[Connection] = set()
        """Those of them whose own threads do not know it yet."""
        self._batch: list[Event] = []
        """What has happened in the room and not been sent to all."""
        self._notices_until: float | None = None
        """Until when the batch, which holds nothing but arrivals and departures, may wait for more of them."""
        self._ahead: list[Connection] = []
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
        self._commands.put(None)
        self._thread.join(timeout_s)

    def command(self, connection: Connection, events: list[Event]) -> None:
        """Hand over what a client did, or what it is to be told. May wait; never for the delivery thread itself."""
        if connection.hand_over(events):
            self._commands.put(connection)

    def announce(self, text: str) -> None:
        """Say something to the room as the operator. From any thread."""
        self._commands.put(Announcement(0, 0.0, text))

    def expel(self, member: Member) -> None:
        """Have a member leave whose link is broken; nothing where it is not. From any thread."""
        self._commands.put(member)

    def _run(self) -> None:
        connections: list[Connection | Member | Announcement | None] = []
        took_s = 0.0
        while not self._is_over:
            connections = self._collect(len(connections), min(MAX_GATHER_S, GATHER_SHARE * took_s))
            started = time.perf_counter()
            now = round(self._clock(), 3)
            for connection in connections:
                if connection is None:
                    self._attempt(self._close_room)
                elif isinstance(connection, Announcement):
                    self._tell_room(Announcement(self._next_id(), now, connection.text))
                elif isinstance(connection, Member):
                    self._attempt(self._give_up, connection, now, Reason.KICKED)
                else:
                    self._carry_out_all(connection, now)
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

    def _collect(self, expected: int, gather_s: float) -> list[Connection | Member | Announcement | None]:
        """Wait for clients with orders, no longer than a tick when somebody is behind, and take all that are there.

        Where several talk without a pause, wait until as many have come as the last time, if `gather_s` is not over by
        then: the clients' threads have the interpreter to themselves meanwhile, and all share one broadcast.
        """
        connections = []
        gathers_until = time.perf_counter() + gather_s
        limit_s = TICK_S if self._batch or self._behind or self._leaving else None
        if limit_s is None and self._away:
            deadline, _ = next(iter(self._away.values()))
            limit_s = max(TICK_S, deadline - time.monotonic())
        with contextlib.suppress(queue.Empty):
            connections.append(self._commands.get(timeout=limit_s))
            while len(connections) < expected:
                connections.append(self._commands.get(timeout=max(0.0, gathers_until - time.perf_counter())))
            while True:
                connections.append(self._commands.get_nowait())
        return connections

    def _carry_out_all(self, connection: Connection, now: float) -> None:
        """Carry out what a client ordered; a failure of ours in one order is logged, and the others are carried out."""
        for event in connection.take_commands():
            try:
                self._carry_out(connection, event, now)
            except Exception:
                log.exception("A failure in the delivery thread")

    def _carry_out(self, connection: Connection, event: Event, now: float) -> None:
        if isinstance(event, Say):
            if connection.is_member:
                self._say(connection, event, now)
        elif self._is_over or connection in self._leaving or connection.is_dropped:
            if isinstance(event, Join | Resume):  # after its end: nobody else would make its name free
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

    def _tell(self, connection: Connection, event: Event) -> None:
        """Write to one client, after all that it should have heard by now."""
        self._hear(connection)
        kind = Bare if isinstance(event, Greeting) else connection.kind  # it is the same for all, whoever answers first
        self._write(connection, write_events(self._writers[kind], [event]))

    def _admit(self, connection: Connection, now: float) -> None:
        """Let a newcomer in, and show it what was said before."""
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
        self._record()  # a token that was given away works whatever happens to the server
        writer = self._writers[connection.kind]
        told = write_events(writer, [self._notice]) if self._notice else []
        self._welcome(connection, member, last, told + write_backlog(writer, [*backlog]))
        connection.seen = seen  # what follows it hears with the others

    def _admit_again(self, connection: Connection, last: int, now: float) -> None:
        """Let a member whose link broke hear the room again, after all that it has missed."""
        member = connection.member
        assert member is not None
        if member not in self._present:  # its `Join` is still on its way, on the broken link
            self._admit(connection, now)
            return
        if member.connection is not connection:
            self._supersede(connection)
            return
        old = self._present[member]
        if old is not None:  # a link that nobody has noticed to be dead
            self._supersede(old)
        self._away.pop(member, None)
        if self._last_id < last <= self._may_lack_until:
            self._last_id = last  # or new events would bear numbers that this member takes for seen
        log.info("%s:%s is %s, whose link was broken.", *connection.address, member.name)
        self._record()
        seen = max(last, member.replay_from)
        missed = [event for event in self._kept if event.id > seen]
        told = [self._notice] if self._notice and not last else []  # it never heard that it was let in
        self._welcome(connection, member, self._last_id, write_events(self._writers[connection.kind], [*told, *missed]))

    def _supersede(self, connection: Connection) -> None:
        """Close a connection whose member came back on another one."""
        connection.end_because("its member came back on another connection")
        connection.end()
        self._expelled.add(connection)
        self._stop_hearing(connection)

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
        """Tell whether a client's member is kept in the room without a link."""
        is_sent_away = connection.why_left is not None
        has_room = self._grace_s > 0 and len(self._away) < MAX_AWAY
        return connection.is_member and connection.kind is Events and not is_sent_away and has_room

    def hold_place(self, connection: Connection) -> None:
        """Keep the place of a member whose link is broken."""
        member = connection.member
        assert member is not None
        log.info("%s:%s has lost its link; %s may come back.", *connection.address, member.name)
        self._stop_hearing(connection)
        self._present[member] = None
        self._away[member] = time.monotonic() + self._grace_s, connection

    def _stop_hearing(self, connection: Connection) -> None:
        """Write nothing more to a client, whose member stays."""
        self._connections.pop(connection, None)
        self._members.pop(connection, None)
        connection.is_member = False
        connection.outbox.clear()
        self._leaving[connection] = 0.0

    def _give_up(self, member: Member, now: float, reason: Reason | None = None) -> None:
        """Have a member leave that has no link, unless it is just coming back."""
        if member in self._away:
            _, connection = self._away.pop(member)  # not `member.client`, which may be back by now
            if self._leave(member, connection, now, reason):
                log.info("%s leaves: %s.", member.name, "it did not come back" if reason is None else reason.value)

    def _give_up_overdue(self, now: float) -> None:
        while self._away:
            member, (deadline, _) = next(iter(self._away.items()))
            if time.monotonic() < deadline:
                break
            self._give_up(member, now)

    def _dismiss(self, connection: Connection, now: float) -> None:
        self._connections.pop(connection, None)
        self._leaving[connection] = time.monotonic() + FLUSH_S
        self._hear(connection)
        self._members.pop(connection, None)
        self._depart(connection, now)

    def _depart(self, connection: Connection, now: float) -> None:
        """Let the member go whose connection ends; not where it has another one by now."""
        connection.is_member = False
        if connection.member in self._present:
            self._leave(connection.member, connection, now, connection.why_left)
        elif connection.member is not None:
            self._release(connection.member, connection)

    def _leave(self, member: Member, connection: Connection | None, now: float, reason: Reason | None) -> bool:
        """Let the room know that a member has left, and make its name free; False where it is back already."""
        if not self._release(member, connection):
            if self._present[member] is connection:
                self._present[member] = None  # its `Resume` is among the orders that wait
            return False
        heard = self._present.pop(member)
        if heard is not None and heard is not connection:  # the link that it had before its `Resume`, still on its way
            self._supersede(heard)
        self._away.pop(member, None)
        left = Left(self._next_id(), now, member.name, reason.value if reason else None)
        self._departures.append((left.id, member.joined_id))
        self._tell_room(left)
        return True

    def _hear(self, connection: Connection) -> None:
        """Send a member its part of the batch now, ahead of the others."""
        if connection in self._members and connection.seen < len(self._batch):
            self._record()
            chunks = write_events(self._writers[connection.kind], self._batch[connection.seen :])
            self._mark_as_seen(connection)
            self._write(connection, chunks)

    def _mark_as_seen(self, connection: Connection) -> None:
        connection.seen = len(self._batch)
        self._ahead.append(connection)

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
            connection.end_because(f"the connection failed: {error}")
            self._lose(connection)
            return
        if outbox.unsent_bytes:
            self._behind.add(connection)
            if outbox.unsent_bytes > MAX_UNSENT_BYTES:
                log.warning(
                    "%s:%s reads too slowly: %d bytes are waiting for it.", *connection.address, outbox.unsent_bytes
                )
                connection.end_because("it read too slowly", Reason.TOO_SLOW)
                connection.end()
                self._lose(connection)

    def _lose(self, connection: Connection) -> None:
        """Write no more to a client, and wake its thread, which will let the room know that it left."""
        self._members.pop(connection, None)
        self._behind.discard(connection)
        connection.outbox.clear()
        connection.is_lost = True
        connection.cut()

    def _catch_up(self) -> None:
        """Send those who are behind what they take by now, and drop those who are leaving and have it all."""
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
        """Send a client what it takes, and tell whether nothing is left that it could be sent."""
        try:
            return connection.outbox.flush()
        except OSError as error:
            connection.end_because(f"the connection failed: {error}")
            self._lose(connection)
            return True

    def _close_room(self) -> None:
        """Tell everybody that the server closes, whatever dialect it speaks, and drop it."""
        self._broadcast()
        deadline = time.monotonic() + FLUSH_S
        bare = [connection for connection in self._connections if connection.kind is Bare]
        for connection in self._connections:
            if connection.kind is not Bare:
                self._write(connection, [self._writers[connection.kind].encode(EndConn())])
        if bare:
            self._flush_all(bare, deadline - FLUSH_S / 2)
            time.sleep(protocol.BARE_FAREWELL_S)  # or the control word merges with the last message
            for connection in bare:
                self._write(connection, [self._writers[Bare].encode(EndConn())])
        everybody = [*self._connections, *self._leaving]
        self._flush_all(everybody, deadline)
        for member in self._present:
            self._release(member, member.connection)
        if self._history is not None:
            with contextlib.suppress(*FILE_ERRORS):  # then those who were here may resume, and find nobody
                self._history.say_goodbye(self._last_id)
            self._history.close()
            self._history = None  # what is still said is shown to nobody
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
        """Send clients the rest, as far as they take it until the deadline."""
        while (
            connections := [connection for connection in connections if not self._flush(connection)]
        ) and time.monotonic() < deadline:
            time.sleep(TICK_S)
