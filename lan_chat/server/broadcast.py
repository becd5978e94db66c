"""How what happens in the room reaches each connection: written once per dialect, in one order, without waiting.

It belongs to the delivery thread.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence

import protocol
from lan_chat.server.history import FILE_ERRORS, RoomEvent
from lan_chat.server.membership import ConnectionState, Recipient
from lan_chat.server.timeline import SAID, Timeline
from lan_chat.server.words import ServerWords
from protocol import Announcement, Bare, Dialect, Event, Events, Greeting, Lines, Notice, Reason, Telnet

MAX_UNSENT_BYTES = 8 * 1024 * 1024
"""What may wait for one client that reads too slowly."""
MAX_BACKLOG_BYTES = 256 * 1024
"""The most that a newcomer is shown of what was said before, as it is written in its dialect."""
REPLAY_BYTES, REPLAY_EVENTS = 64 * 1024, 200
"""What is written at once of all that a member has missed, about: more follows when it has taken that."""
REPLAY_S = 0.010
"""How long one turn may write what members have missed; the others wait meanwhile."""
LARGE_ROOM = 200
"""Members from which on arrivals and departures may wait for each other: n of them to n members is O(n²), so batch."""
NOTICES_S = 0.1
"""How long they may wait in a large room, if nobody says anything meanwhile."""

log = logging.getLogger(__name__)


def write_events(writer: Dialect, events: Iterable[Event]) -> list[bytes]:
    """Write events in a dialect, as the chunks that an Outbox takes."""
    if isinstance(writer, Bare):
        return [writer.encode(part) for event in events for part in protocol.bare_parts(event)]
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
        lines += [when + writer.encode(part) for part in protocol.one_line_each(event)]
    return [b"".join(lines)]


class Broadcast:
    """Writes the room's events, batch by batch, to the members, and answers to one."""

    def __init__(self, timeline: Timeline, words: ServerWords, notice: Notice | None) -> None:
        self.too_slow: list[Recipient] = []
        """Those that read too slowly and can be told so; the delivery thread takes them out."""
        self.notice = notice
        """What a newcomer is told about the recording."""
        self._timeline = timeline
        self._words = words
        writers: tuple[Dialect, ...] = (Bare(words), Lines(words), Telnet(words), Events())
        self._writers = {type(writer): writer for writer in writers}
        self._members: dict[Recipient, None] = {}
        """The connections that hear the room; a dict for its order."""
        self._behind: set[Recipient] = set()
        """Those that have not been sent all that they should."""
        self._batch: list[RoomEvent] = []
        """What has happened in the room and was not sent to all."""
        self._notices_until: float | None = None
        """Until when the batch, which holds nothing but arrivals and departures, may wait for more of them."""
        self._replays: dict[Recipient, int] = {}
        """The members that are still being shown what they missed, and the last `id` that was written."""
        self._can_replay = False
        """Whether one of them would take more at once."""
        self._ahead: list[Recipient] = []
        """Those that were sent a part of the batch before the others; `Recipient.seen` says how much."""

    @property
    def tick_s(self) -> float | None:
        """How long nothing will be due, in seconds; None where nothing waits to be sent."""
        if self._can_replay:
            return 0.0
        if not (self._batch or self._behind or self._replays):
            return None
        is_crowded = any(recipient.outbox.is_crowded for recipient in self._behind)
        return protocol.BARE_SHORTEST_PAUSE_S if is_crowded else protocol.BARE_PAUSE_S

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
        self._batch.append(event)
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
        for event in reversed(backlog):
            written = write_backlog(writer, [event]) + written
            if sum(map(len, written)) > MAX_BACKLOG_BYTES:
                break
        self._write(recipient, [b"".join(written)] if written else [])

    def replay(self, recipient: Recipient, last: int) -> None:
        """Show a member all that happened after a number, a piece at a time (`catch_up`); then it hears the room."""
        self._replays[recipient] = last

    def hear(self, recipient: Recipient) -> None:
        """Send a member its part of the batch now, ahead of the others."""
        if recipient in self._members and recipient.seen < len(self._batch):
            self.record()
            chunks = write_events(self._writers[recipient.kind], self._batch[recipient.seen :])
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
            now = round(time.time(), 3)
            self.tell_room(Announcement(self._timeline.next_id(), now, self._words.recording_failed))

    def send(self, now: float) -> None:
        """Send the batch to every member, unless it may wait; `now` is on `time.perf_counter`."""
        if self._notices_until is None or now > self._notices_until:
            self.send_now()

    def send_now(self) -> None:
        """Send the batch to every member, written once for each dialect, and begin the next."""
        self.record()
        batch, self._batch = self._batch, []
        self._notices_until = None
        try:
            if batch:
                self._send_to_all(batch)
        finally:
            for recipient in self._ahead:
                recipient.seen = 0
            self._ahead.clear()

    def _send_to_all(self, batch: list[RoomEvent]) -> None:
        kinds = {recipient.kind for recipient in self._members}
        whole = {kind: write_events(self._writers[kind], batch) for kind in kinds}
        for recipient in list(self._members):
            if recipient.seen:
                self._write(recipient, write_events(self._writers[recipient.kind], batch[recipient.seen :]))
            else:
                self._write(recipient, whole[recipient.kind])

    # Writing. No write blocks.

    def _write(self, recipient: Recipient, chunks: list[bytes]) -> None:
        outbox = recipient.outbox
        try:
            for chunk in chunks:
                outbox.push(chunk)
        except OSError as error:
            self.break_off(recipient, self._words.why_failed.format(error=error))
            return
        if outbox.unsent_bytes:
            self._behind.add(recipient)
            if outbox.unsent_bytes > MAX_UNSENT_BYTES and recipient.state is ConnectionState.MEMBER:
                self._give_up(recipient)

    def _give_up(self, recipient: Recipient) -> None:
        """Write no more to a connection that reads too slowly.

        Our own client comes back by itself when its link breaks; any other is told, and let go.
        """
        log.warning(self._words.log_reads_too_slowly.format(address=recipient, unsent=recipient.outbox.unsent_bytes))
        recipient.mailbox.shut()
        if recipient.kind is Events:
            self.break_off(recipient, self._words.why_too_slow, Reason.TOO_SLOW)
        else:
            recipient.end_because(self._words.why_too_slow, Reason.TOO_SLOW)
            recipient.outbox.keep_first()
            self.remove(recipient)
            self.too_slow.append(recipient)

    def break_off(self, recipient: Recipient, why: str, why_left: Reason | None = None) -> None:
        """Write no more to a connection, and wake its thread, which meets the end and hands that over."""
        recipient.end_because(why, why_left)
        if recipient.state is not ConnectionState.LEAVING:
            recipient.state = ConnectionState.BROKEN
        self.forget(recipient)
        recipient.cut()

    def catch_up(self) -> None:
        """Send those that are behind what they take by now."""
        for recipient in list(self._behind):
            if self.flush(recipient):
                self._behind.discard(recipient)
        self._continue_replays()

    def _continue_replays(self) -> None:
        """Write the members that are shown what they missed a piece each, in turn, until REPLAY_S is over."""
        until = time.perf_counter() + REPLAY_S
        self._can_replay = True
        while self._can_replay and time.perf_counter() < until:
            self.record()  # or the file would not have all yet
            takes = [one for one in self._replays if one.outbox.unsent_bytes < REPLAY_BYTES]
            self._can_replay = bool(takes)
            for recipient in takes:
                if time.perf_counter() > until:
                    break
                self._write_piece(recipient)

    def _write_piece(self, recipient: Recipient) -> None:
        """Write one piece of what a member missed, or have it hear the room where nothing is left."""
        last = self._replays.pop(recipient)  # the next turn begins with those that wait longer
        events = self._timeline.since(last, REPLAY_EVENTS, REPLAY_BYTES)
        if not self._timeline.has_all_since(last):
            # The room forgets faster than this one reads, or cannot read its record any more: the client comes back,
            # and is told what it lacks.
            self.break_off(recipient, self._words.why_too_slow)
        elif not events:
            self.add(recipient, len(self._batch))
        else:
            self._replays[recipient] = events[-1].id
            self._write(recipient, write_events(self._writers[recipient.kind], events))

    def flush(self, recipient: Recipient) -> bool:
        """Send a connection what it takes, and return whether nothing is left that it could be sent."""
        try:
            return recipient.outbox.flush()
        except OSError as error:
            self.break_off(recipient, self._words.why_failed.format(error=error))
            return True
