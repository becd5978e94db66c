"""How work comes to the delivery thread: mail of the clients' threads and calls of others, through one queue."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from lan_chat.process import POLL_S
from lan_chat.server.membership import Recipient

Work = Recipient | Callable[[], object]
"""A connection whose mailbox has something, or a call."""
Result = TypeVar("Result")


def collect(works: queue.SimpleQueue[Work], expected: int, gather_s: float, limit_s: float | None) -> list[Work]:
    """Wait for work, no longer than `limit_s`, and take all that is there. Delivery thread only.

    Where several clients talk without a pause, wait until as much has come as the last time, if `gather_s` is not over
    by then: the clients' threads have the interpreter to themselves meanwhile, and all share one broadcast.
    """
    taken: list[Work] = []
    gathers_until = time.perf_counter() + gather_s
    try:
        taken.append(works.get(timeout=limit_s))
        while len(taken) < expected:
            taken.append(works.get(timeout=max(0.0, gathers_until - time.perf_counter())))
        while True:
            taken.append(works.get_nowait())
    except queue.Empty:
        return taken


def call(works: queue.SimpleQueue[Work], thread: threading.Thread, action: Callable[[], Result]) -> Result:
    """Have a thread do something that takes its work from a queue, and return the result, or raise what it raised.

    Raises RuntimeError where that thread has ended. Never in that thread itself, which would wait for itself.
    """
    outcomes: queue.SimpleQueue[Result | Exception] = queue.SimpleQueue()

    def act() -> None:
        try:
            outcomes.put(action())
        except Exception as error:
            outcomes.put(error)

    works.put(act)
    is_alive = True
    while is_alive:
        is_alive = thread.is_alive()  # asked first: it may have done this, and ended
        with contextlib.suppress(queue.Empty):
            outcome = outcomes.get(timeout=POLL_S if is_alive else 0.0)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome
    raise RuntimeError("the room is closed")
