"""What a guest's stream is sent now and then, so that its page knows that it is alive. Delivery thread only."""

from __future__ import annotations

import time

from lan_chat.server.broadcast import Broadcast
from lan_chat.server.membership import ConnectionState, Recipient
from protocol import Web

HEARTBEAT_S = 15.0
"""How long a stream is left without a word; its page waits for several times as long before it opens another."""


class Heartbeats:
    """The streams, and when each is due."""

    def __init__(self, broadcast: Broadcast) -> None:
        self._broadcast = broadcast
        self._due: dict[Recipient, float] = {}
        """On the monotonic clock; the first to be due is first."""

    @property
    def next_at(self) -> float | None:
        """When the next one is due, on the monotonic clock."""
        return next(iter(self._due.values()), None)

    def add(self, recipient: Recipient) -> None:
        """Have a stream get a heartbeat from here on, as long as it hears the room."""
        self._due[recipient] = time.monotonic() + HEARTBEAT_S

    def proceed(self) -> None:
        """Send those that are due a heartbeat, unless they have something to read anyway."""
        now = time.monotonic()
        while self._due and next(iter(self._due.values())) <= now:
            recipient = next(iter(self._due))
            del self._due[recipient]
            if recipient.state is ConnectionState.MEMBER:
                if not recipient.outbox.unsent_bytes:
                    self._broadcast.answer(recipient, Web.HEARTBEAT)
                self.add(recipient)
