"""What passes between a connection's thread and the delivery thread; neither touches anything else of the other."""

from __future__ import annotations

import threading
from collections.abc import Callable

from lan_chat.process import POLL_S
from protocol import Event

MAX_WAITING_EVENTS = 64
"""What may wait of one client for the delivery thread before its own thread reads no further."""


class Mailbox:
    """What one client said that the delivery thread has not taken yet, and whether the connection is at its end."""

    def __init__(self, announce: Callable[[], object]) -> None:
        self._announce = announce
        """Tells the delivery thread that there is something to take; called once until it was taken."""
        self._changed = threading.Condition()
        """Guards all that follows, and wakes the thread that waits for it; one for all saves memory per connection."""
        self._said: list[Event] = []
        self._is_decided = True
        """Whether the delivery thread has decided about the last thing that was to be decided."""
        self._is_shut = False
        self._is_done = False
        self.is_joined = False
        """Whether this client is a member; written by the delivery thread, read by the other without the lock."""
        self.is_request = False
        """Whether this is a browser's request, which its own thread answers, unless it opens a stream; written by that
        before it does, read by the delivery thread without the lock."""

    # The connection's thread; `hand_over` also those of a guest's requests.

    def hand_over(self, events: list[Event]) -> None:
        """Hand over what the client said. Waits while too much waits: a client faster than the room is not read."""
        with self._changed:
            while len(self._said) >= MAX_WAITING_EVENTS and not self._is_done:
                self._changed.wait(POLL_S)
            is_first = not self._said
            self._said += events
        if is_first:
            self._announce()

    def propose(self, event: Event) -> None:
        """Hand over what has to be decided before more is said, and wait for that; not for ever, if the room ends."""
        with self._changed:
            self._is_decided = False
        self.hand_over([event])
        with self._changed:
            self._changed.wait_for(lambda: self._is_decided or self._is_shut)

    @property
    def is_shut(self) -> bool:
        """Whether nothing more that this client says counts."""
        return self._is_shut

    def wait_until_shut(self, timeout_s: float) -> bool:
        """Wait until nothing more counts, and return whether that came within the time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._is_shut, min(timeout_s, threading.TIMEOUT_MAX))

    def wait_until_done(self) -> None:
        """Wait until the delivery thread will never touch this connection again."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_done)

    def forget_connection(self) -> None:
        """Keep nothing of the connection, when that is closed."""
        self._announce = lambda: None

    # The delivery thread, and the server where that has ended.

    def take(self) -> list[Event]:
        """Take all that waits."""
        with self._changed:
            said, self._said = self._said, []
            if len(said) >= MAX_WAITING_EVENTS:  # else no thread waits in `hand_over`, and one in `propose` sleeps on
                self._changed.notify_all()
            return said

    def note_decided(self) -> None:
        """Let the client's thread go on that has proposed something."""
        with self._changed:
            self._is_decided = True
            self._changed.notify_all()

    def shut(self) -> None:
        """Let nothing more count that this client says. May be called twice."""
        with self._changed:
            self._is_shut = True
            self._changed.notify_all()

    def finish(self) -> None:
        """Hand the connection back to its own thread, which closes it. May be called twice."""
        with self._changed:
            self._is_shut = self._is_done = True
            self._changed.notify_all()
