"""The events of a session on their way to the window. No tkinter."""

from __future__ import annotations

import queue
from collections.abc import Callable

from protocol import Event


def _nobody() -> None:
    """Ring for nobody: there is no window yet, or none any more."""


class Inbox(queue.SimpleQueue[Event]):
    """A queue that calls `ring`, in the thread that puts, after each event that was put into it."""

    ring: Callable[[], None] = staticmethod(_nobody)

    def put(self, item: Event, block: bool = True, timeout: float | None = None) -> None:
        """Put an event into the queue, which has no bound, and tell the window. From any thread."""
        super().put(item)
        self.ring()
