"""The connections that are open for their clients: who was greeted, and who has no name yet. Delivery thread only."""

from __future__ import annotations

import time
from collections.abc import Iterator

from lan_chat.server.membership import Recipient

NAME_S = 300.0
"""How long a client may take to choose a name."""
SILENT_S = 30.0
"""How long a client in a full room must have said nothing before another one may take its place."""


class Lobby:
    """The connections that were greeted and have not left, and which of them have no name."""

    def __init__(self) -> None:
        self._greeted: dict[Recipient, None] = {}
        """A dict for its order."""
        self._choosing: dict[Recipient, None] = {}
        """Those that have no name yet; the first to run out of time is first."""

    def __iter__(self) -> Iterator[Recipient]:
        return iter(self._greeted)

    @property
    def next_deadline(self) -> float | None:
        """When the time of the next client to choose a name is over, on the monotonic clock."""
        return next((recipient.deadline for recipient in self._choosing), None)

    def add(self, recipient: Recipient) -> None:
        """Add a connection that is greeted, whose client has so long to choose a name."""
        recipient.deadline = time.monotonic() + NAME_S
        self._greeted[recipient] = self._choosing[recipient] = None

    def note_named(self, recipient: Recipient) -> None:
        """Note that the client of a connection has a name."""
        self._choosing.pop(recipient, None)

    def remove(self, recipient: Recipient) -> None:
        """Remove a connection that leaves."""
        self._greeted.pop(recipient, None)
        self._choosing.pop(recipient, None)

    def overdue(self, now: float) -> Recipient | None:
        """Return the next connection whose client has not chosen a name in time."""
        recipient = next(iter(self._choosing), None)
        return recipient if recipient is not None and recipient.deadline <= now else None

    def longest_silent(self) -> Recipient | None:
        """Return the connection whose client has said nothing for the longest, and so long that it may be ended."""
        for recipient in self._choosing:
            if time.monotonic() < recipient.deadline - NAME_S + SILENT_S:
                break
            if not recipient.is_settled:
                return recipient
        return None
