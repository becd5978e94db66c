"""How work comes to the delivery thread: mail of the clients' threads and calls of others, through one queue."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from lan_chat.process import POLL_S
from lan_chat.server.membership import ConnectionState, Recipient

Work = Recipient | Callable[[], object]
"""A connection whose mailbox has something, or a call."""
Result = TypeVar("Result")
TALKER_TURNS = 3
"""Who was heard within so many turns talks without a pause."""


class Collector:
    """Takes the work for each turn of the delivery thread, which it belongs to.

    Where several members talk without a pause, it waits until as many of them as in the last turn have come again: the
    clients' threads have the interpreter to themselves meanwhile, and all share one broadcast. Nobody else has to wait
    for them: with the first thing that is not theirs, the turn begins.
    """

    def __init__(self, works: queue.SimpleQueue[Work]) -> None:
        self._works = works
        self._turn = 0
        self._talkers = 0
        """How many of those who talk without a pause were heard in the last turn."""

    def collect(self, gather_s: float, limit_s: float | None) -> list[Work]:
        """Wait for work, no longer than `limit_s`, and take all that is there; wait for talkers up to `gather_s`."""
        taken: list[Work] = []
        gathers_until = time.perf_counter() + gather_s
        try:
            taken.append(self._works.get(timeout=limit_s))
            while len(taken) < self._talkers and self._is_talker(taken[-1]):
                taken.append(self._works.get(timeout=max(0.0, gathers_until - time.perf_counter())))
            while True:
                taken.append(self._works.get_nowait())
        except queue.Empty:
            return taken

    def note(self, work: list[Work]) -> None:
        """Note whose mail a turn has dealt with."""
        self._turn += 1
        self._talkers = 0
        for item in work:
            if isinstance(item, Recipient) and item.state is ConnectionState.MEMBER:
                self._talkers += self._is_talker(item)
                item.heard_in_turn = self._turn

    def _is_talker(self, item: Work) -> bool:
        return isinstance(item, Recipient) and item.heard_in_turn >= self._turn - TALKER_TURNS


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
