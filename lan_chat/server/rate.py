"""How much one client may say: a token bucket."""

from __future__ import annotations

from protocol import Event, Say


def cost(event: Event | None) -> int:
    """Tell for how many messages an event counts: one, and one more for each further line and each KiB of text.

    To bare and line peers a line is a message of its own, with the name in front.
    """
    return 1 + event.text.count("\n") + len(event.text) // 1024 if isinstance(event, Say) else 1


class Allowance:
    """How much somebody may say: `rate` messages a second, and `burst` at once after a silence (a token bucket)."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._left = float(burst)
        self._filled_at: float | None = None

    def take(self, wanted: int, now: float) -> float:
        """Take `wanted` messages, but never more than a burst, and tell in how many seconds they may go.

        `now` is in seconds on any clock that never goes back. A rate of 0 means no limit.
        """
        if not self._rate:
            return 0.0
        if self._filled_at is not None:
            self._left = min(self._burst, self._left + (now - self._filled_at) * self._rate)
        self._filled_at = now
        self._left -= min(wanted, self._burst)
        return max(0.0, -self._left / self._rate)
