"""The rate limit of one client: a token bucket. Client thread only; nothing to close."""

from __future__ import annotations

from protocol import Event, Say


def cost(event: Event | None) -> int:
    """Return for how many messages an event counts: one, and one more for each further line and each KiB of text.

    To bare and line peers each line is sent as a message, with the name in front.
    """
    return 1 + event.text.count("\n") + len(event.text) // 1024 if isinstance(event, Say) else 1


class Allowance:
    """A token bucket: `rate` messages a second sustained, `burst` at once."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._left = float(burst)
        self._filled_at: float | None = None

    def take(self, wanted: int, now: float) -> float:
        """Take `wanted` messages, at most a burst, and return how many seconds they have to wait.

        `now` is in seconds of a monotonic clock. A rate of 0 means no limit.
        """
        if not self._rate:
            return 0.0
        if self._filled_at is not None:
            self._left = min(self._burst, self._left + (now - self._filled_at) * self._rate)
        self._filled_at = now
        self._left -= min(wanted, self._burst)
        return max(0.0, -self._left / self._rate)
