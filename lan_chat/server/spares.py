"""The connections that a browser opens in advance, and may use for the next page that it loads. Any thread.

If one of them were greeted, the browser would take the greeting for the answer to that page, and show its user an
error, however often it is tried again. An original client says nothing, too; it would have to connect in the very
moment in which its own machine loads a page to be taken for one.
"""

from __future__ import annotations

import threading

from lan_chat.server.rate import Allowance

LOAD_S = 0.1
"""How close to the load of a page a browser opens such connections."""
LOAD_KEPT_S = 10.0
"""How long a load is remembered: a connection is asked about only when it has been silent, on a busy machine later."""
SPARES = 2
"""How many of them; Chromium opens one or two, and closes them unused after a minute."""
LOAD_RATE, LOAD_BURST = 0.1, 16.0
"""How many loads of an address count: so many a second sustained, and at once. Any page in a browser can have it load
ours again and again, and then no silent client at that address would be greeted."""


class Spares:
    """When pages were loaded, and which silent connections that explains."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        """Guards all that follows."""
        self._loads: dict[str, list[float]] = {}
        """When a page was loaded, by address, once for each connection that this explains; on the monotonic clock."""
        self._allowances: dict[str, Allowance] = {}
        """How many more loads count, by address."""

    def note_load(self, host: str, now: float) -> None:
        """Note that a browser at an address loads a page, unless that loads them in a loop."""
        with self._lock:
            for other, times in list(self._loads.items()):
                if not times or times[-1] < now - LOAD_KEPT_S:
                    del self._loads[other]
            for other, allowance in list(self._allowances.items()):
                if allowance.is_full(now):
                    del self._allowances[other]
            if self._allowances.setdefault(host, Allowance(LOAD_RATE, LOAD_BURST)).take_now(1.0, now):
                self._loads[host] = [*self._loads.get(host, ()), *[now] * SPARES]

    def take(self, host: str, accepted_at: float) -> bool:
        """Return whether a connection on which nothing has come may be one; each load explains no more than SPARES."""
        with self._lock:
            times = self._loads.get(host, [])
            close = [time for time in times if abs(time - accepted_at) <= LOAD_S]
            if close:
                times.remove(close[0])
        return bool(close)
