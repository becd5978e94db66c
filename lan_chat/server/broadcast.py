"""How what happens in the room reaches each connection: written once per dialect, in one order, without waiting.

It belongs to the delivery thread.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterable, Sequence

import protocol
from lan_chat.server.history import FILE_ERRORS, RoomEvent
from lan_chat.server.membership import ConnectionState, Recipient
from lan_chat.server.timeline import SAID, Timeline
from lan_chat.server.words import ServerWords
from protocol import Announcement, Bare, Dialect, Event, Events, Greeting, Lines, Notice, Reason, Telnet, Web

MAX_UNSENT_BYTES = 8 * 1024 * 1024
"""What may wait for one client that reads too slowly."""
MAX_BACKLOG_BYTES = 256 * 1024
"""The most that a newcomer is shown of what was said before, as it is written in its dialect."""
REPLAY_BYTES, REPLAY_EVENTS = 64 * 1024, 200
"""What is written at once of all that a member has missed, about: more follows when it has taken that."""
REPLAY_S = 0.001
"""How long a turn goes on with that before it is the turn of what was said meanwhile."""
LARGE_ROOM = 200
"""Members from which on arrivals and departures may wait for each other: n of them to n members is O(n²), so batch."""
NOTICES_S = 0.1
"""How long they may wait in a large room, if nobody says anything meanwhile."""

log = logging.getLogger(__name__)


def write_events(writer: Dialect, events: Iterable[Event]) -> list[bytes]:
    """Write events in a dialect, as the chunks that an Outbox takes."""
    if isinstance(writer, Bare):
        return [part for event in events for part in writer.encode_parts(event)]
    whole = b"".join([writer.encode(event) for event in events])
    return [whole] if whole else []


def write_backlog(writer: Dialect, events: Sequence[RoomEvent]) -> list[bytes]:
    """Write what was said before for a newcomer: in the line dialect with its time, in the bare one not at all."""
    if isinstance(writer, Bare):
        return []
    if isinstance(writer, Events):
        return write_events(writer, events)
    lines = []
    for event in events:
        when = time.strftime("%H:%M ", time.localtime(event.time)).encode()
        lines += [when + line + b"\n" for line in writer.encode(event).removesuffix(b"\n").split(b"\n")]
    return [b"".join(lines)]


class Batch:
    """What has happened in the room and was not sent to all, each event written once for each dialect."""

    def __init__(self, writers: dict[type[Dialect], Dialect]) -> None:
        self._writers = writers
        self._events: list[RoomEvent] = []
        self._written: dict[type[Dialect], list[list[bytes]]] = {}
        """The chunks of each event, as far as somebody was to be sent them."""

    def __len__(self) -> int:
        return len(self._events)

    def add(self, event: RoomEvent) -> None:
        """Add what has happened."""
        self._events.append(event)

    def chunks(self, kind: type[Dialect], start: int = 0) -> list[bytes]:
        """Return the events from one on, in a dialect, as the chunks that an Outbox takes."""
        written = self._written.setdefault(kind, [])
        written += [write_events(self._writers[kind], [event]) for event in self._events[len(written) :]]
        chunks = [chunk for event in written[start:] for chunk in event]
        return chunks if kind is Bare or not chunks else [b"".join(chunks)]


class Broadcast:
    """Writes the room's events, batch by batch, to the members, and answers to one."""

    def __init__(self, timeline: Timeline, words: ServerWords, notice: Notice | None) -> None:
        self.too_slow: list[Recipient] = []
        """Those that read too slowly and can be told so; the delivery thread takes them out."""
        self.notice = notice
        """What a newcomer is told about the recording."""
        self._timeline = timeline
        self._words = words
        writers: tuple[Dialect, ...] = (Bare(words), Lines(words), Telnet(words), Events(), Web())
        self._writers = {type(writer): writer for writer in writers}
        self._members: dict[Recipient, None] = {}
        """The connections that hear the room; a dict for its order."""
        self._behind: set[Recipient] = set()
        """Those that have not been sent all that they should."""
        self._batch = Batch(self._writers)
        self._notices_until: float | None = None
        """Until when the batch, which holds nothing but arrivals and departures, may wait for more of them."""
        self._replays: dict[Recipient, int] = {}
        """The members that are still being shown what they missed, and the last `id` that was written. Whose turn it is
        to be written the next piece is first."""
        self._ahead: list[Recipient] = []
        """Those that were sent a part of the batch before the others; `Recipient.seen` says how much."""

    @property
    def idle_s(self) -> float | None:
        """How long nothing will be due, in seconds; None for ever, as nothing waits to be sent."""
        if not (self._batch or self._behind or self._replays):
            return None
        if any(map(self._may_go_on, self._replays)):
            return 0.0
        dues_at = [recipient.outbox.due_at for recipient in self._behind]
        wait_s = min(dues_at) - time.monotonic() if dues_at else protocol.BARE_PAUSE_S
        if self._batch:
            wait_s = min(wait_s, protocol.BARE_PAUSE_S)
        return max(wait_s, protocol.BARE_SHORTEST_PAUSE_S)

    # Who hears the room.

    def add(self, recipient: Recipient, seen: int) -> None:
        """Have a connection hear the room, from so far in the batch on."""
        recipient.seen = seen
        self._ahead.append(recipient)
        self._members[recipient] = None

    def remove(self, recipient: Recipient) -> None:
        """Have a connection hear nothing more of the room."""
        self._members.pop(recipient, None)
        self._replays.pop(recipient, None)

    def forget(self, recipient: Recipient) -> None:
        """Write nothing more to a connection, not even what waits for it."""
        self.remove(recipient)
        self._behind.discard(recipient)
        recipient.outbox.clear()

    # What is told.

    @property
    def batch_size(self) -> int:
        """How much of the room's events waits for the next `send`."""
        return len(self._batch)

    def tell_room(self, event: RoomEvent) -> None:
        """Tell everybody, with the next `send`."""
        if isinstance(event, SAID):
            self._notices_until = None
        elif not self._batch and len(self._members) >= LARGE_ROOM:
            self._notices_until = time.perf_counter() + NOTICES_S
        self._batch.add(event)
        self._timeline.add(event)

    def tell(self, recipient: Recipient, event: Event) -> None:
        """Tell one connection, after all that it should have heard by now."""
        self.hear(recipient)
        kind = Bare if isinstance(event, Greeting) else recipient.kind  # it is the same for all, whoever answers first
        self._write(recipient, write_events(self._writers[kind], [event]))

    def tell_last(self, recipient: Recipient, event: Event) -> None:
        """Tell one connection a control word after all else, to a bare peer as a `recv` of its own."""
        self.hear(recipient)
        try:
            recipient.outbox.push_last(self._writers[recipient.kind].encode(event))
        except OSError as error:
            self.break_off(recipient, self._words.why_failed.format(error=error))

    def make_way(self, recipient: Recipient) -> None:
        """Discard what waits for a bare peer, if that is more than it can be sent before its last sentence."""
        if recipient.outbox.is_crowded:
            recipient.outbox.keep_first()

    def answer(self, recipient: Recipient, data: bytes) -> None:
        """Write bytes as they are, of another protocol or to a telnet."""
        recipient.outbox.is_paced = False
        self._write(recipient, [data])

    def show_backlog(self, recipient: Recipient, backlog: Sequence[RoomEvent]) -> None:
        """Show a newcomer what was said before, as much of the end of it as fits into MAX_BACKLOG_BYTES."""
        writer = self._writers[recipient.kind]
        written: list[bytes] = []
        size = 0
        for event in reversed(backlog):
            piece = b"".join(write_backlog(writer, [event]))
            size += len(piece)
            if size > MAX_BACKLOG_BYTES:
                break
            written.append(piece)
        self._write(recipient, [b"".join(reversed(written))] if size else [])

    def replay(self, recipient: Recipient, last: int) -> None:
        """Show a member all that happened after a number, a piece at a time with `catch_up`; then it hears the room."""
        self._replays[recipient] = last

    def _continue_replays(self) -> None:
        """Write each member that takes it the next piece, one after the other, but no longer than REPLAY_S."""
        ready = deque(filter(self._may_go_on, self._replays))
        until = time.perf_counter() + REPLAY_S
        while ready:
            recipient = ready.popleft()
            self._continue_replay(recipient)
            if recipient in self._replays:
                self._replays[recipient] = self._replays.pop(recipient)
                if self._may_go_on(recipient):
                    ready.append(recipient)
            if time.perf_counter() >= until:
                break

    @staticmethod
    def _may_go_on(recipient: Recipient) -> bool:
        """Return whether a member has taken so much that it can be written the next piece."""
        return recipient.outbox.unsent_bytes < REPLAY_BYTES

    def _continue_replay(self, recipient: Recipient) -> None:
        """Write a member the next piece. Each is one `send`; only what is kept is read."""
        self.record()  # or the file would not have all yet
        last = self._replays[recipient]
        events = self._timeline.since(last, REPLAY_EVENTS, REPLAY_BYTES)
        if not self._timeline.has_all_since(last):
            # The room forgets faster than this one reads, or cannot read its record any more: the client comes back,
            # and is told what it lacks.
            self.break_off(recipient, self._words.why_too_slow)
        elif not events:
            self.remove(recipient)
            self.add(recipient, len(self._batch))
        else:
            self._replays[recipient] = events[-1].id
            self._write(recipient, write_events(self._writers[recipient.kind], events))

    def hear(self, recipient: Recipient) -> None:
        """Send a member its part of the batch now, ahead of the others."""
        if recipient in self._members and recipient.seen < len(self._batch):
            self.record()
            chunks = self._batch.chunks(recipient.kind, recipient.seen)
            recipient.seen = len(self._batch)
            self._ahead.append(recipient)
            self._write(recipient, chunks)

    def record(self) -> None:
        """Record what has happened, before anybody is told. Where that fails, the room goes on without, and is told."""
        try:
            self._timeline.record()
        except FILE_ERRORS as error:
            log.warning(self._words.history_failed.format(file=self._timeline.path, error=error))
            self.notice = Notice(protocol.NOT_RECORDED)
            self.tell_room(Announcement(self._timeline.next_id(), self._timeline.now, self._words.recording_failed))
            self._timeline.record()  # that its number was given, too, is noted before anybody is told

    def send(self, now: float) -> None:
        """Send the batch to every member, unless it may wait; `now` is on `time.perf_counter`."""
        if self._notices_until is None or now > self._notices_until:
            self.send_now()

    def send_now(self) -> None:
        """Send the batch to every member, written once for each dialect, and begin the next."""
        self.record()
        batch, self._batch = self._batch, Batch(self._writers)
        self._notices_until = None
        try:
            if batch:
                self._send_to_all(batch)
        finally:
            for recipient in self._ahead:
                recipient.seen = 0
            self._ahead.clear()

    def _send_to_all(self, batch: Batch) -> None:
        kinds = {recipient.kind for recipient in self._members}
        whole = {kind: batch.chunks(kind) for kind in kinds}
        for recipient in list(self._members):
            if recipient.seen:
                self._write(recipient, batch.chunks(recipient.kind, recipient.seen))
            else:
                self._write(recipient, whole[recipient.kind])

    # Writing. No write blocks.

    def _write(self, recipient: Recipient, chunks: list[bytes]) -> None:
        outbox = recipient.outbox
        try:
            outbox.push_all(chunks)
        except OSError as error:
            self.break_off(recipient, self._words.why_failed.format(error=error))
            return
        if outbox.unsent_bytes:
            self._behind.add(recipient)
            if outbox.unsent_bytes > MAX_UNSENT_BYTES and recipient.state is ConnectionState.MEMBER:
                self._give_up(recipient)
            elif outbox.unsent_bytes > MAX_UNSENT_BYTES and recipient.state is ConnectionState.CHOOSING:
                self.break_off(recipient, self._words.why_too_slow)

    def _give_up(self, recipient: Recipient) -> None:
        """Write no more to a connection that reads too slowly.

        Our own client comes back by itself when its link breaks; any other is told, and let go.
        """
        log.warning(self._words.log_reads_too_slowly.format(address=recipient, unsent=recipient.outbox.unsent_bytes))
        recipient.mailbox.shut()
        if issubclass(recipient.kind, Events):
            self.break_off(recipient, self._words.why_too_slow, Reason.TOO_SLOW)
        else:
            recipient.end_because(self._words.why_too_slow, Reason.TOO_SLOW)
            recipient.outbox.keep_first()
            self.remove(recipient)
            self.too_slow.append(recipient)

    def break_off(self, recipient: Recipient, why: str, why_left: Reason | None = None) -> None:
        """Write no more to a connection, and wake its thread, which meets the end and hands that over."""
        recipient.end_because(why, why_left)
        if not recipient.has_left:
            recipient.state = ConnectionState.BROKEN
        self.forget(recipient)
        recipient.cut()

    def catch_up(self) -> None:
        """Send those that are behind what they take by now."""
        now = time.monotonic()
        for recipient in [one for one in self._behind if now >= one.outbox.due_at]:
            self.flush(recipient)
        self._continue_replays()

    def flush(self, recipient: Recipient) -> bool:
        """Send a connection what it takes, and return whether nothing is left that it could be sent."""
        try:
            has_all = recipient.outbox.flush()
        except OSError as error:
            self.break_off(recipient, self._words.why_failed.format(error=error))
            return True
        if has_all:
            self._behind.discard(recipient)
        return has_all
