"""The room's past: its events in their one order, numbered, kept for those who come back, and recorded.

No socket and no thread: it belongs to the delivery thread.
"""

from __future__ import annotations

import bisect
import contextlib
import itertools
import secrets
from collections import deque

from lan_chat.server.history import FILE_ERRORS, KEPT_EVENTS, History
from lan_chat.server.membership import Member
from protocol import Announcement, Joined, Left, Message

RoomEvent = Message | Announcement | Joined | Left

KEPT_CHARACTERS = 1024 * 1024
"""How many characters of what was said are kept: written as JSON they have to fit into an outbox."""
SAID = (Message, Announcement)
"""What was said, and not who came or left."""


class Timeline:
    """Numbers the room's events, keeps the last ones, and records them where there is a history."""

    def __init__(self, history: History | None = None) -> None:
        self._history = history
        self.path = history.path if history is not None else None
        """The file of the record, also where that has ended."""
        self._kept: deque[RoomEvent] = deque()
        """The last events, for members that come back and newcomers."""
        self._kept_characters = 0
        self._unrecorded: list[RoomEvent] = []
        self._arrivals: list[Member] = []
        self._departures: list[tuple[int, int]] = []
        """What the file does not know yet: who came, and of those who left the `id`s of their leaving and joining."""
        self.room_id = secrets.token_hex(8)
        self.last_id = 0
        self._may_lack_until = 0
        """The last `id` that people may have been shown though the record, which had no proper end, does not have it: a
        power cut takes the last events along."""
        if history is not None:
            record = history.record
            self.last_id, self.room_id = record.last_id, record.room_id
            self._may_lack_until = record.last_id + KEPT_EVENTS if record.members else 0
            for event in record.events:
                self._keep(event)

    def next_id(self) -> int:
        """Return the number of the next event, which is then taken."""
        self.last_id += 1
        return self.last_id

    def skip_to(self, last: int) -> None:
        """Give out no number that a member has seen, where the record may have lost its end."""
        if self.last_id < last <= self._may_lack_until:
            self.last_id = last

    def add(self, event: RoomEvent) -> None:
        """Add an event that bears the last number."""
        if self._history is not None:
            self._unrecorded.append(event)
        self._keep(event)

    def note_arrival(self, member: Member) -> None:
        """Have the record know a new member, with its next entry."""
        self._arrivals.append(member)

    def note_departure(self, member: Member, left_id: int) -> None:
        """Have the record know that a member has left, with its next entry."""
        self._departures.append((left_id, member.joined_id))

    def since(self, last: int, count: int) -> list[RoomEvent]:
        """Return the first kept events after a number, so many at most."""
        start = bisect.bisect_right(self._kept, last, key=lambda event: event.id)
        return list(itertools.islice(self._kept, start, start + count))

    def count_since(self, last: int) -> int:
        """Return how many of the kept events come after a number."""
        return len(self._kept) - bisect.bisect_right(self._kept, last, key=lambda event: event.id)

    def backlog(self, count: int) -> list[Message | Announcement]:
        """Return the last things that were said, oldest first."""
        said = (event for event in reversed(self._kept) if isinstance(event, SAID))
        return [*itertools.islice(said, count)][::-1]

    def record(self) -> None:
        """Write what is not recorded yet. Raises FILE_ERRORS; then it goes on without a record."""
        events, self._unrecorded = self._unrecorded, []
        arrivals, self._arrivals = self._arrivals, []
        departures, self._departures = self._departures, []
        if self._history is None or not (events or arrivals or departures):
            return
        try:
            self._history.write(events, arrivals, departures)
        except FILE_ERRORS:
            self._history.close()
            self._history = None
            raise

    def close(self) -> None:
        """End the record in order: nobody of those who are here will come back. May be called twice."""
        if self._history is not None:
            with contextlib.suppress(*FILE_ERRORS):  # then those who were here may resume, and find nobody
                self._history.say_goodbye(self.last_id)
            self._history.close()
            self._history = None  # what is still said is shown to nobody

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
