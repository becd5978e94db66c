"""The connections that were greeted and are not leaving, and those of them without a name. Delivery thread only."""

from __future__ import annotations

import time
from collections.abc import Iterator

from lan_chat.server.membership import Recipient

NAME_S = 300.0
"""How long a client may take to choose a name."""
SILENT_S = 30.0
"""How long a client in a full room must have said nothing before another one may take its place."""


class Greeted:
    """The greeted connections, in the order in which they were; which have no name yet."""

    def __init__(self) -> None:
        self._all: dict[Recipient, None] = {}
        """A dict for its order."""
        self._choosing: dict[Recipient, None] = {}
        """Those that have no name yet; the first to run out of time is first."""

    def __iter__(self) -> Iterator[Recipient]:
        return iter(self._all)

    @property
    def next_deadline(self) -> float | None:
        """When the time of the next client to choose a name is over, on the monotonic clock."""
        return next((recipient.deadline for recipient in self._choosing), None)

    def add(self, recipient: Recipient) -> None:
        """Add a connection that is greeted: its client has NAME_S to choose a name."""
        recipient.deadline = time.monotonic() + NAME_S
        self._all[recipient] = self._choosing[recipient] = None

    def note_named(self, recipient: Recipient) -> None:
        """Note that the client of a connection has a name."""
        self._choosing.pop(recipient, None)

    def remove(self, recipient: Recipient) -> None:
        """Remove a connection that leaves."""
        self._all.pop(recipient, None)
        self._choosing.pop(recipient, None)

    def overdue(self, now: float) -> Recipient | None:
        """Return the next connection whose client has not chosen a name in time."""
        recipient = next(iter(self._choosing), None)
        return recipient if recipient is not None and recipient.deadline <= now else None

    def longest_silent(self) -> Recipient | None:
        """Return the connection whose client has said nothing for the longest, if that is at least SILENT_S."""
        for recipient in self._choosing:
            if time.monotonic() < recipient.deadline - NAME_S + SILENT_S:
                break
            if not recipient.is_settled:
                return recipient
        return None
