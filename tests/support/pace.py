"""The pauses before what a client writes to an original server, which last until the test ends them."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.waiting import DEADLINE_S


class Pace:
    """Stands in for `time` in `lan_chat.client.link`: no machine is so busy that two parts arrive as one `recv`."""

    monotonic = staticmethod(time.monotonic)

    def __init__(self) -> None:
        self._pauses: queue.SimpleQueue[float] = queue.SimpleQueue()
        self._ends = threading.Semaphore(0)
        self._is_over = False

    def sleep(self, seconds: float) -> None:
        """Wait until the test ends this pause. Called in the send thread."""
        if not self._is_over:
            self._pauses.put(seconds)
            assert self._ends.acquire(timeout=DEADLINE_S), "no test has ended this pause"

    def end_pause(self) -> float:
        """Wait for the next pause, end it, and return how many seconds it would have taken."""
        try:
            seconds = self._pauses.get(timeout=DEADLINE_S)
        except queue.Empty:
            raise AssertionError("the client did not pause before what it wrote") from None
        self._ends.release()
        return seconds

    def let_go(self) -> None:
        """End the pause that there is, and have no other one."""
        self._is_over = True
        self._ends.release()


@contextmanager
def held_pauses(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pace]:
    """Hold the pauses of all clients of this process."""
    pace = Pace()
    monkeypatch.setattr("lan_chat.client.link.time", pace)
    yield pace
    pace.let_go()
