"""The connections that are leaving: what is still written to each, and when it is given back. Delivery thread only.

Why one leaves is decided in `exits`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import protocol
from lan_chat.server.broadcast import Broadcast
from lan_chat.server.membership import ConnectionState, Recipient

LINGER_S = 1.0
"""How long a client may take to read the rest after our side was closed."""
TICK_S = protocol.BARE_PAUSE_S
"""How often the thread looks how far those are that leave."""
FAREWELL_S = 2 * protocol.BARE_FAREWELL_S
"""How long a control word may take after that, for a bare peer that is too far behind for the rest."""


class Leaving:
    """Sends the connections that leave the rest, and gives them back to their threads, which close the sockets."""

    def __init__(self, broadcast: Broadcast) -> None:
        self._broadcast = broadcast
        self._recipients: dict[Recipient, None] = {}

    def __iter__(self) -> Iterator[Recipient]:
        return iter(self._recipients)

    def __bool__(self) -> bool:
        return bool(self._recipients)

    @property
    def idle_s(self) -> float | None:
        """How long nothing will be due, in seconds; None for ever, as there is nobody."""
        return TICK_S if self else None

    def add(self, recipient: Recipient, flush_s: float) -> None:
        """Have a connection leave, which may take so long to read the rest."""
        recipient.state = ConnectionState.LEAVING
        recipient.deadline = time.monotonic() + flush_s
        recipient.mailbox.shut()
        self._recipients[recipient] = None

    def proceed(self) -> None:
        """Hand the connections back that are done.

        Each has first been sent the rest, then our side is closed, then it has read that and closed its own, or has had
        its time.
        """
        now = time.monotonic()
        for recipient in list(self._recipients):
            if now > recipient.deadline and recipient.outbox.skip_to_farewell():
                recipient.deadline = now + FAREWELL_S
            if not (recipient.is_shut_down or self._broadcast.flush(recipient)) and now <= recipient.deadline:
                continue
            if recipient.is_read and not recipient.is_shut_down:
                recipient.outbox.shut_down()
                recipient.is_shut_down, recipient.deadline = True, now + LINGER_S
            elif not recipient.is_read or now > recipient.deadline:
                del self._recipients[recipient]
                self.close(recipient)

    def close(self, recipient: Recipient) -> None:
        """Hand a connection back to its thread, whatever it lacks."""
        recipient.outbox.say_end()
        self._broadcast.forget(recipient)
        recipient.state = ConnectionState.CLOSED
        if recipient.is_read:
            recipient.cut()
        recipient.mailbox.finish()

    def close_all(self, others: list[Recipient], flush_s: float, why: str) -> None:
        """Send these and other connections the rest, as far as they take it in time, and close them."""
        everybody = [*others, *self._recipients]
        deadline = time.monotonic() + flush_s
        for recipient in self._flush_all(everybody, deadline):
            recipient.outbox.skip_to_farewell()
        self._flush_all(everybody, deadline + FAREWELL_S)
        for recipient in everybody:
            recipient.is_read = True
            recipient.end_because(why)
            self.close(recipient)

    def _flush_all(self, recipients: list[Recipient], deadline: float) -> list[Recipient]:
        """Send connections the rest until the deadline; return those that still lack some."""
        while recipients := [recipient for recipient in recipients if not self._broadcast.flush(recipient)]:
            if time.monotonic() > deadline:
                break
            time.sleep(min(self._broadcast.idle_s or TICK_S, TICK_S))
        return recipients
