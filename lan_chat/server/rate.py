"""How much a client may say, and an address with all its clients: token buckets."""

from __future__ import annotations

import math
import threading

from lan_chat.server.mail import Silence
from protocol import Event, Say

BYTES_PER_UNIT = 1024
LINES_PER_UNIT = 10
"""What a text costs follows what it costs the others: to bare and line peers each line has the name in front."""


def cost(event: Event | None) -> float:
    """Return for how many units an event counts: the most of one, its KiB of UTF-8, and a tenth of its lines.

    What says nothing is read like what does, and counts by its KiB.
    """
    if isinstance(event, Silence):
        return max(1.0, event.size / BYTES_PER_UNIT)
    if not isinstance(event, Say):
        return 1.0
    text = event.text
    size = len(text) if text.isascii() else len(text.encode())
    if size <= BYTES_PER_UNIT and "\n" not in text:
        return 1.0
    return max(1.0, size / BYTES_PER_UNIT, (1 + text.count("\n")) / LINES_PER_UNIT)


class Allowance:
    """A token bucket: `rate` units a second sustained, `burst` at once. What is taken beyond is a debt, up to a limit.

    Any thread.
    """

    def __init__(self, rate: float, burst: float, max_debt: float = math.inf) -> None:
        self._rate = rate
        self._burst = burst
        self._max_debt = max_debt
        self._lock = threading.Lock()
        """Guards the two that follow."""
        self._left = burst
        self._filled_at: float | None = None

    def take(self, wanted: float, now: float) -> float:
        """Take so many units, and return how many seconds they have to wait.

        `now` is in seconds of a monotonic clock. A rate of 0 means no limit.
        """
        if not self._rate:
            return 0.0
        with self._lock:
            self._fill(now)
            self._left = max(self._left - wanted, -self._max_debt)
            return max(0.0, -self._left / self._rate)

    def take_now(self, wanted: float, now: float) -> bool:
        """Take so many units if they are there, and return whether they were."""
        with self._lock:
            self._fill(now)
            if self._left < wanted:
                return False
            self._left -= wanted
            return True

    def is_full(self, now: float) -> bool:
        """Return whether nothing is owed or missing: forgetting this one and making another changes nothing."""
        self.take(0.0, now)
        return self._left >= self._burst or not self._rate

    def _fill(self, now: float) -> None:
        if self._filled_at is not None:
            self._left = min(self._burst, self._left + (now - self._filled_at) * self._rate)
        self._filled_at = now
