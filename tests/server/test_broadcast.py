"""What everybody hears is written once for each dialect, and what one has missed a piece at a time."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator

import pytest

import protocol
from lan_chat.server import broadcast as module
from lan_chat.server.broadcast import MAX_UNSENT_BYTES, REPLAY_BYTES, REPLAY_EVENTS, Batch, Broadcast
from lan_chat.server.mailbox import Mailbox
from lan_chat.server.membership import ConnectionState, Recipient
from lan_chat.server.outbox import LONGEST_STALL_S, STALL_S, Outbox
from lan_chat.server.timeline import Timeline
from lan_chat.server.words import ITALIAN
from protocol import Bare, Dialect, Event, Events, Joined, Lines, Message


class CountingLines(Lines):
    """Lines that note what they have written."""

    def __init__(self) -> None:
        super().__init__(ITALIAN)
        self.written: list[Event] = []

    def encode(self, event: Event) -> bytes:
        self.written.append(event)
        return super().encode(event)


def test_an_event_is_written_once_for_each_dialect_however_many_hear_it_ahead_of_the_others() -> None:
    lines = CountingLines()
    writers: dict[type[Dialect], Dialect] = {Lines: lines, Bare: Bare(ITALIAN), Events: Events()}
    batch = Batch(writers)
    events = [Joined(number, 1.0, f"a{number}") for number in range(1, 5)]
    for number, event in enumerate(events):
        batch.add(event)
        assert batch.chunks(Lines, number) == [Lines(ITALIAN).encode(event)]
    assert batch.chunks(Lines) == [b"".join(map(Lines(ITALIAN).encode, events))]
    assert batch.chunks(Lines, len(events)) == []
    assert lines.written == events
    assert batch.chunks(Bare, 2) == [Bare(ITALIAN).encode(event) for event in events[2:]]
    assert batch.chunks(Events, 3) == [Events().encode(events[3])]


class Reader:
    """A member that comes back, and reads what it has missed."""

    def __init__(self) -> None:
        ours, self._sock = socket.socketpair()
        self.recipient = Recipient(("127.0.0.1", 1), 1, Outbox(ours), Mailbox(lambda: None), lambda: None)
        self.recipient.kind, self.recipient.state = Events, ConnectionState.MEMBER
        self.recipient.outbox.is_paced = False
        self._ours = ours
        self._decoder = Events()

    def read(self) -> list[int]:
        """Return the numbers of the events that have come by now."""
        self._sock.setblocking(False)
        heard: list[Event] = []
        try:
            while data := self._sock.recv(1 << 20):
                heard += self._decoder.feed(data)
        except BlockingIOError:
            pass
        return [event.id for event in heard if isinstance(event, Message)]

    def skip(self) -> None:
        """Read what has come, whatever it is."""
        self._sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while self._sock.recv(1 << 20):
                pass

    def close(self) -> None:
        self.recipient.outbox.detach()
        self._ours.close()
        self._sock.close()


@pytest.fixture
def readers() -> Iterator[list[Reader]]:
    both = [Reader(), Reader()]
    yield both
    for reader in both:
        reader.close()


def room_of(texts: list[str]) -> tuple[Timeline, Broadcast]:
    timeline = Timeline()
    for text in texts:
        timeline.add(Message(timeline.next_id(), 1.0, "Ada", text))
    return timeline, Broadcast(timeline, ITALIAN, None)


def test_a_turn_writes_no_more_of_what_was_missed_than_its_time_allows_and_everybody_has_a_piece_in_turn(
    readers: list[Reader], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REPLAY_S", 0.0)
    _, broadcast = room_of(["ciao"] * (2 * REPLAY_EVENTS))
    ada, bob = readers
    for reader in readers:
        broadcast.replay(reader.recipient, 0)
    heard: dict[Reader, list[int]] = {ada: [], bob: []}
    for turn in range(4):
        assert broadcast.idle_s == 0.0, "there is more to write, and those who were written to take it"
        broadcast.catch_up()
        pieces = {reader: reader.read() for reader in readers}
        assert [len(pieces[reader]) for reader in readers] == (
            [REPLAY_EVENTS, 0] if turn % 2 == 0 else [0, REPLAY_EVENTS]
        )
        for reader in readers:
            heard[reader] += pieces[reader]
    assert heard[ada] == heard[bob] == list(range(1, 2 * REPLAY_EVENTS + 1))
    broadcast.catch_up()
    broadcast.catch_up()
    assert broadcast.idle_s is None, "both hear the room now"


def test_a_piece_of_long_messages_is_no_larger_than_a_piece_may_be(
    readers: list[Reader], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REPLAY_S", 0.0)
    _, broadcast = room_of(["x" * 10_000] * REPLAY_EVENTS)
    broadcast.replay(readers[0].recipient, 0)
    broadcast.catch_up()
    assert len(readers[0].read()) == REPLAY_BYTES // 10_000 + 1


def test_who_reads_nothing_is_not_tried_again_in_each_turn(readers: list[Reader]) -> None:
    _, broadcast = room_of([])
    ada = readers[0]
    for reader in readers:
        broadcast.add(reader.recipient, 0)
    long = "x" * REPLAY_BYTES
    number = 0
    while not ada.recipient.outbox.unsent_bytes:
        number += 1
        broadcast.tell_room(Message(number, 1.0, "Ada", long))
        broadcast.send_now()
    unsent = ada.recipient.outbox.unsent_bytes
    ada.recipient.outbox.due_at = float("inf")
    ada.read()
    broadcast.catch_up()
    assert ada.recipient.outbox.unsent_bytes == unsent
    ada.recipient.outbox.due_at = 0.0
    broadcast.catch_up()
    assert ada.recipient.outbox.unsent_bytes < unsent


def test_one_without_a_name_that_does_not_read_has_no_more_waiting_than_a_member(readers: list[Reader]) -> None:
    _, broadcast = room_of([])
    ada = readers[0].recipient
    ada.state = ConnectionState.CHOOSING
    while ada.state is ConnectionState.CHOOSING:
        assert ada.outbox.unsent_bytes <= MAX_UNSENT_BYTES
        broadcast.answer(ada, b"x" * 25_000)
    assert ada.state is ConnectionState.BROKEN
    assert ada.outbox.unsent_bytes == 0


class ScriptedSocket:
    """Takes of each `send` as many bytes as the next number says, and of what it has no number for nothing."""

    def __init__(self, *takes: int) -> None:
        self._takes = list(takes)

    def send(self, data: bytes, _: int) -> int:
        taken = min(len(data), self._takes.pop(0)) if self._takes else 0
        if data and not taken:
            raise BlockingIOError
        return taken


def pauses_s(outbox: Outbox, count: int) -> list[float]:
    """Try so often to send what waits; gives how long the socket is left alone after each time."""
    pauses = []
    for _ in range(count):
        outbox.due_at, earliest = 0.0, time.monotonic()
        has_all, latest = outbox.flush(), time.monotonic()
        pauses.append(outbox._stall_s)
        assert has_all or earliest + pauses[-1] <= outbox.due_at <= latest + pauses[-1]
    return pauses


def test_who_reads_nothing_is_tried_more_and_more_rarely_until_it_reads(readers: list[Reader]) -> None:
    outbox = readers[0].recipient.outbox
    real, outbox._sock = outbox._sock, ScriptedSocket(3, 0, 0, 0, 0, 0, 4, 0, 99)  # type: ignore[assignment]
    outbox.push(b"x" * 10)
    some = [2 * STALL_S, 4 * STALL_S, LONGEST_STALL_S, LONGEST_STALL_S, LONGEST_STALL_S, STALL_S, 2 * STALL_S, 0.0]
    assert pauses_s(outbox, 8) == some
    outbox.push(b"x" * 10)
    assert pauses_s(outbox, 3) == [2 * STALL_S, 4 * STALL_S, LONGEST_STALL_S], "what was taken whole began it anew"
    outbox._sock = real


def test_the_thread_sleeps_until_one_that_is_behind_is_due(readers: list[Reader]) -> None:
    _, broadcast = room_of([])
    ada = readers[0].recipient
    broadcast.add(ada, 0)
    number = 0
    while not ada.outbox.unsent_bytes:
        number += 1
        broadcast.tell_room(Message(number, 1.0, "Ada", "x" * REPLAY_BYTES))
        broadcast.send_now()
    ada.outbox.due_at = time.monotonic() + 3600.0
    idle_s = broadcast.idle_s
    assert idle_s is not None
    assert 60.0 < idle_s <= 3600.0
    ada.outbox.due_at = 0.0
    assert broadcast.idle_s == protocol.BARE_SHORTEST_PAUSE_S
