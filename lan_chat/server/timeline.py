"""The room's past: its events in their one order, numbered, kept for those who come back, and recorded.

No socket and no thread: it belongs to the delivery thread.
"""

from __future__ import annotations

import bisect
import contextlib
import itertools
import logging
import secrets
from collections import deque
from collections.abc import Iterable, Sequence

from lan_chat.server.history import (
    FILE_ERRORS,
    KEPT_CHARACTERS,
    KEPT_EVENTS,
    Changes,
    Departure,
    History,
    RoomEvent,
    event_time,
)
from lan_chat.server.membership import Member
from lan_chat.server.numbering import Numbering
from lan_chat.server.rules import Rule
from protocol import Announcement, Message

SHOWN_EVENTS = KEPT_EVENTS
"""The most events that one who comes back is shown: what a window shows."""
SAID = (Message, Announcement)
"""What was said, and not who came or left."""


log = logging.getLogger(__name__)


class Timeline:
    """Numbers the room's events, keeps the last ones, and records them where there is a history."""

    def __init__(self, history: History | None = None) -> None:
        self._history = history
        self.path = history.path if history is not None else None
        """The file of the record, also where that has ended."""
        self._kept: deque[RoomEvent] = deque()
        """The last events, for members that come back and newcomers."""
        self._kept_characters = 0
        self._unrecorded = Changes()
        self._is_recording = self._can_read = history is not None
        """Whether the file takes what happens, and whether it has what memory does not keep."""
        self.now = event_time()
        """The time that events bear, in seconds since the epoch: one for each turn of the delivery thread."""
        self.room_id = secrets.token_hex(8)
        self._numbering = Numbering()
        self.recorded_before = 0
        """The last `id` that an earlier server has given out."""
        self.former = history.record.former if history is not None else []
        """The ended memberships that the record knows."""
        self.is_end_doubtful = history is not None and history.record.is_end_doubtful
        """Whether the record may have lost its end without a trace."""
        if history is not None:
            self.room_id, self._numbering = history.record.room_id, history.record.numbering
            self.recorded_before = self._numbering.last
            for event in history.record.events:
                self._keep(event)
            history.record.events.clear()  # they are kept here, and not for ever

    def begin_turn(self) -> None:
        """Note the time, for the events of this turn of the delivery thread."""
        self.now = event_time()

    @property
    def last_id(self) -> int:
        """The number of the last event."""
        return self._numbering.last

    def next_id(self) -> int:
        """Return the number of the next event, which is then taken."""
        return self._numbering.next()

    def add(self, event: RoomEvent) -> None:
        """Add an event that bears the last number."""
        if self._history is not None:
            self._unrecorded.events.append(event)
        self._keep(event)

    def note_arrival(self, member: Member) -> None:
        """Have the record know a new member, with its next entry."""
        self._unrecorded.arrivals.append(member)

    def note_departure(self, departure: Departure) -> None:
        """Have the record know that a member has left, with its next entry."""
        self._unrecorded.departures.append(departure)

    def forget(self, token_keys: Sequence[bytes]) -> None:
        """Have the record know, with its next entry, that nobody may take up these ended memberships."""
        self._unrecorded.forgotten += token_keys

    def note_rules(self, rules: Sequence[Rule]) -> None:
        """Have the record know, with its next entry, all that the operator has forbidden."""
        self._unrecorded.rules = rules

    def first_shown(self, last: int) -> tuple[int, int]:
        """Return after which number one is shown everything that has seen it up to `last`, and how many it lacks then.

        It is shown all that memory or the file has, but no more than SHOWN_EVENTS.
        """
        before = self._numbering.before_newest(SHOWN_EVENTS)
        if not self._can_read:
            before = max(before, self._before_kept)
        start = max(last, before)
        return start, self.count(last, start) + self._numbering.count_lost(start, self.last_id)

    def count(self, after: int, until: int | None = None) -> int:
        """Return how many events there have been after a number, up to another, or to the last."""
        return self._numbering.count(after, self.last_id if until is None else until)

    def has_all_since(self, last: int) -> bool:
        """Return whether `since` has all events after a number, but for those that the record has lost."""
        before = self._before_kept
        return self._can_read or self.count(last, before) == self._numbering.count_lost(last, before)

    def since(self, last: int, count: int, characters: int = KEPT_CHARACTERS) -> list[RoomEvent]:
        """Return the first events after a number that memory or the file has, so many at most.

        It is one event at least, if there is one, and no more than it takes to exceed so many characters. Out of the
        file only what is recorded: call `record` before.
        """
        if self._history is not None and self._can_read and self.count(last, self._before_kept):
            try:
                return _up_to(characters, self._history.read_after(last, count))
            except FILE_ERRORS as error:
                log.warning("%s: %s", self.path, error)
                self._can_read = False  # what memory does not keep is missing from now on
        start = bisect.bisect_right(self._kept, last, key=lambda event: event.id)
        return _up_to(characters, itertools.islice(self._kept, start, start + count))

    def backlog(self, count: int) -> list[Message | Announcement]:
        """Return the last things that were said, oldest first."""
        said = (event for event in reversed(self._kept) if isinstance(event, SAID))
        return [*itertools.islice(said, count)][::-1]

    def record(self) -> None:
        """Write what is not recorded yet. Raises FILE_ERRORS; then it goes on without a record."""
        changes, self._unrecorded = self._unrecorded, Changes()
        if self._history is None:
            return
        try:
            if self._is_recording and changes:
                self._history.write(changes)
        except FILE_ERRORS:
            self._is_recording = self._can_read = False
            raise
        finally:
            if not self._is_recording:
                with contextlib.suppress(*FILE_ERRORS):
                    self._history.note_given(self.last_id)

    def close(self, members: Sequence[Member] = ()) -> None:
        """End the record in order; those who are here have left. May be called twice."""
        if self._history is not None:
            with contextlib.suppress(*FILE_ERRORS):  # then those who were here may resume
                if self._is_recording:
                    self._history.say_goodbye(self.last_id, members)
                self._history.note_given(self.last_id, is_over=True)
            self._history.close()
            self._history = None  # what is still said is shown to nobody
            self._is_recording = self._can_read = False

    @property
    def _before_kept(self) -> int:
        """The number before the first event in memory."""
        return self._kept[0].id - 1 if self._kept else self.last_id

    def _keep(self, event: RoomEvent) -> None:
        """Keep an event, and forget the oldest where there are too many."""
        kept = self._kept
        kept.append(event)
        if isinstance(event, SAID):
            self._kept_characters += len(event.text)
        while len(kept) > KEPT_EVENTS or self._kept_characters > KEPT_CHARACTERS:
            oldest = kept.popleft()
            if isinstance(oldest, SAID):
                self._kept_characters -= len(oldest.text)


def _up_to(characters: int, events: Iterable[RoomEvent]) -> list[RoomEvent]:
    """Return the first events, up to the one with which they exceed so many characters."""
    taken = []
    for event in events:
        taken.append(event)
        characters -= len(event.text) if isinstance(event, SAID) else 0
        if characters < 0:
            break
    return taken
