"""The room's past without a room: numbers, what is kept of it, and when it is recorded."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import pytest

from lan_chat.server import timeline as module
from lan_chat.server.history import KEPT_EVENTS, Changes, Departure, History, Record, RoomEvent
from lan_chat.server.membership import Member
from lan_chat.server.numbering import Numbering
from lan_chat.server.timeline import Timeline
from protocol import Announcement, Joined, Left, Message

ALL = 10 * KEPT_EVENTS


class PlayedHistory:
    """A history that notes what it is given, and fails when it is told to."""

    path = Path("history.db")

    def __init__(self, last_id: int = 0, events: Sequence[RoomEvent] = (), members: Sequence[Member] = ()) -> None:
        self.record = Record("the room", Numbering(last_id), False, list(events), list(members), [], [])
        self.written: list[Changes] = []
        self.goodbyes: list[int] = []
        self.given: list[int] = []
        self._past = list(events)
        self.failure: Exception | None = None
        self.closed = 0

    def write(self, changes: Changes) -> None:
        if self.failure is not None:
            raise self.failure
        self.written.append(changes)

    def read_after(self, last: int, count: int) -> list[RoomEvent]:
        if self.failure is not None:
            raise self.failure
        past = [*self._past, *(event for changes in self.written for event in changes.events)]
        return [event for event in past if event.id > last][:count]

    def note_given(self, last_id: int, is_over: bool = False) -> None:
        self.given.append(last_id)

    def say_goodbye(self, last_id: int, members: Sequence[Member]) -> None:
        if self.failure is not None:
            raise self.failure
        self.goodbyes.append(last_id)

    def close(self) -> None:
        self.closed += 1


def timeline_with(history: PlayedHistory) -> Timeline:
    return Timeline(cast("History", history))


def member(joined_id: int) -> Member:
    one = Member("Ada", b"key")
    one.joined_id = joined_id
    return one


def say(timeline: Timeline, text: str) -> Message:
    message = Message(timeline.next_id(), 0.0, "Ada", text)
    timeline.add(message)
    return message


def add(timeline: Timeline, kind: Callable[[int, float, str], RoomEvent], text: str) -> RoomEvent:
    event = kind(timeline.next_id(), 0.0, text)
    timeline.add(event)
    return event


def kept(timeline: Timeline) -> list[RoomEvent]:
    return timeline.since(0, ALL)


# --- numbers ----------------------------------------------------------------------------------------------------------


def test_a_new_room_counts_from_one_without_gaps() -> None:
    timeline = Timeline()
    assert timeline.last_id == 0
    assert [timeline.next_id() for _ in range(1000)] == list(range(1, 1001))
    assert timeline.last_id == 1000


def test_each_room_that_is_not_recorded_is_another_room() -> None:
    assert Timeline().room_id != Timeline().room_id
    assert Timeline().path is None


def test_a_recorded_room_goes_on_where_its_record_ends() -> None:
    events: list[RoomEvent] = [Message(6, 0.0, "Ada", "before"), Left(7, 0.0, "Ada")]
    timeline = timeline_with(PlayedHistory(7, events))
    assert (timeline.room_id, timeline.last_id, timeline.next_id()) == ("the room", 7, 8)
    assert kept(timeline) == events
    assert timeline.path == PlayedHistory.path


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_since_returns_what_came_after_a_number_in_order() -> None:
    timeline = Timeline()
    said = [say(timeline, str(number)) for number in range(5)]
    assert timeline.since(0, ALL) == said
    assert timeline.since(2, ALL) == said[2:]
    assert timeline.since(2, 2) == said[2:4]
    assert timeline.since(2, 0) == []
    assert timeline.since(5, ALL) == timeline.since(1000, ALL) == []
    assert Timeline().since(0, ALL) == []


def test_since_also_finds_its_place_between_numbers_that_nobody_has() -> None:
    before = Message(8, 0.0, "Ada", "before")
    history = PlayedHistory(20, [before])
    history.record.numbering.holes.append((8, 20))
    timeline = timeline_with(history)
    behind = say(timeline, "behind")
    assert (before.id, behind.id) == (8, 21)
    assert timeline.since(8, ALL) == timeline.since(15, ALL) == timeline.since(20, ALL) == [behind]


def test_pieces_of_since_put_together_are_the_whole() -> None:
    timeline = Timeline()
    said = [say(timeline, str(number)) for number in range(100)]
    pieces: list[RoomEvent] = []
    while piece := timeline.since(pieces[-1].id if pieces else 0, 7):
        pieces += piece
    assert pieces == said


def test_no_more_than_so_many_events_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_EVENTS", 3)
    timeline = Timeline()
    events = [add(timeline, kind, "x") for kind in (Joined, Announcement, Left, Joined, Left)]
    assert kept(timeline) == events[-3:]


def test_no_more_than_so_many_characters_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_CHARACTERS", 10)
    timeline = Timeline()
    say(timeline, "x" * 4)
    second, third = say(timeline, "y" * 4), say(timeline, "z" * 6)
    assert kept(timeline) == [second, third]  # exactly as many as may be
    fourth = say(timeline, "1")
    assert kept(timeline) == [third, fourth]


def test_who_came_and_left_does_not_count_among_the_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_CHARACTERS", 10)
    timeline = Timeline()
    events = [add(timeline, kind, "a long name, longer than ten") for kind in (Joined, Left, Joined)]
    assert kept(timeline) == events


def test_what_is_longer_than_all_that_is_kept_leaves_nothing_and_the_next_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "KEPT_CHARACTERS", 10)
    timeline = Timeline()
    say(timeline, "before")
    say(timeline, "x" * 11)
    assert kept(timeline) == []
    assert kept(timeline) == [] == timeline.backlog(5)
    after = say(timeline, "y" * 10)
    assert kept(timeline) == [after]


def test_of_a_long_record_no_more_is_kept_than_of_a_long_talk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_EVENTS", 3)
    events = [Message(number, 0.0, "Ada", "x") for number in range(1, 11)]
    assert timeline_with(PlayedHistory(10, events)).backlog(ALL) == events[-3:]


def test_the_backlog_is_the_last_that_was_said_oldest_first() -> None:
    timeline = Timeline()
    first = say(timeline, "first")
    add(timeline, Joined, "Bea")
    second = add(timeline, Announcement, "second")
    add(timeline, Left, "Bea")
    third = say(timeline, "third")
    assert timeline.backlog(2) == [second, third]
    assert timeline.backlog(10) == [first, second, third]
    assert timeline.backlog(0) == []
    assert Timeline().backlog(10) == []


# --- what one who comes back is shown ---------------------------------------------------------------------------------


def recorded(count: int, kept_events: int, monkeypatch: pytest.MonkeyPatch) -> tuple[Timeline, PlayedHistory]:
    """Return the timeline of a room in which so much was said, and of which memory keeps so little."""
    monkeypatch.setattr(module, "KEPT_EVENTS", kept_events)
    history = PlayedHistory()
    timeline = timeline_with(history)
    for number in range(count):
        say(timeline, str(number))
    timeline.record()
    return timeline, history


def test_what_memory_has_forgotten_comes_out_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    timeline, _ = recorded(50, 5, monkeypatch)
    assert timeline.first_shown(10) == (10, 0)
    shown, last = [], 10
    while events := timeline.since(last, 7):
        shown += [event.id for event in events]
        last = shown[-1]
    assert shown == list(range(11, 51))


def test_without_a_file_what_memory_has_forgotten_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_EVENTS", 5)
    timeline = Timeline()
    for number in range(50):
        say(timeline, str(number))
    assert timeline.first_shown(10) == (45, 35)
    assert timeline.first_shown(47) == (47, 0)


def test_a_file_that_cannot_be_read_leaves_what_memory_has(monkeypatch: pytest.MonkeyPatch) -> None:
    timeline, history = recorded(50, 5, monkeypatch)
    history.failure = sqlite3.OperationalError("disk I/O error")
    assert [event.id for event in timeline.since(10, 99)] == [46, 47, 48, 49, 50]
    assert timeline.first_shown(10) == (45, 35)


def test_no_more_is_shown_than_a_window_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    timeline, _ = recorded(50, 5, monkeypatch)
    monkeypatch.setattr(module, "SHOWN_EVENTS", 20)
    assert timeline.first_shown(10) == (30, 20)


def test_lost_numbers_are_missing_and_left_out_ones_are_not() -> None:
    history = PlayedHistory(40)
    history.record.numbering.holes.append((10, 20))
    history.record.numbering.lost.append((30, 35))
    timeline = timeline_with(history)
    assert timeline.first_shown(5) == (5, 5)
    assert timeline.first_shown(32) == (32, 3)
    assert timeline.first_shown(38) == (38, 0)


def test_after_the_record_has_failed_each_number_is_still_noted() -> None:
    history = PlayedHistory()
    timeline = timeline_with(history)
    history.failure = sqlite3.OperationalError("database or disk is full")
    say(timeline, "one")
    with pytest.raises(sqlite3.OperationalError):
        timeline.record()
    say(timeline, "two")
    timeline.record()
    assert history.given[0] == 1
    assert history.given[-1] == 2


# --- the record -------------------------------------------------------------------------------------------------------


def test_each_event_is_recorded_once_with_who_came_and_left() -> None:
    history = PlayedHistory()
    timeline = timeline_with(history)
    ada = member(1)
    joined = add(timeline, Joined, "Ada")
    timeline.note_arrival(ada)
    said = say(timeline, "hello")
    timeline.record()
    timeline.record()
    left = add(timeline, Left, "Ada")
    timeline.note_departure(Departure(ada, left.id))
    timeline.record()
    timeline.record()
    assert history.written == [
        Changes(events=[joined, said], arrivals=[ada]),
        Changes(events=[left], departures=[Departure(ada, 3)]),
    ]


def test_what_the_record_held_already_is_not_recorded_again() -> None:
    history = PlayedHistory(1, [Message(1, 0.0, "Ada", "before")])
    timeline_with(history).record()
    assert history.written == []


def test_a_room_without_a_record_collects_nothing_for_it() -> None:
    timeline = Timeline()
    say(timeline, "hello")
    timeline.note_arrival(member(1))
    timeline.note_departure(Departure(member(1), 2))
    timeline.record()
    assert timeline._unrecorded == Changes()
    timeline.close()


@pytest.mark.parametrize("failure", [OSError("disk"), sqlite3.OperationalError("full"), ValueError("no UTF-8")])
def test_a_record_that_fails_says_so_once_and_the_room_goes_on_without(failure: Exception) -> None:
    history = PlayedHistory()
    timeline = timeline_with(history)
    history.failure = failure
    first = say(timeline, "first")
    timeline.note_arrival(member(1))
    with pytest.raises(type(failure)):
        timeline.record()
    assert history.closed == 0  # it still notes the numbers
    history.failure = None
    second = say(timeline, "second")
    timeline.record()
    timeline.close()
    assert kept(timeline) == [first, second]
    assert (history.written, history.goodbyes, history.closed) == ([], [], 1)
    assert timeline._unrecorded == Changes()
    assert timeline.path == PlayedHistory.path


def test_closing_says_goodbye_once_with_the_last_number() -> None:
    history = PlayedHistory()
    timeline = timeline_with(history)
    say(timeline, "hello")
    timeline.record()
    timeline.close()
    timeline.close()
    assert (history.goodbyes, history.closed) == ([1], 1)
    say(timeline, "shown to nobody")
    timeline.record()
    assert len(history.written) == 1


def test_a_goodbye_that_cannot_be_written_closes_the_record_all_the_same() -> None:
    history = PlayedHistory()
    timeline = timeline_with(history)
    history.failure = OSError("disk")
    timeline.close()
    assert history.closed == 1
