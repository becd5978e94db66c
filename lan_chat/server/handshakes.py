"""Whose turn it is to do a handshake, in a room with a code: not too many at once, and not too many of one address.

Each client's thread waits for its turn; the thread whose handshake has ended calls the next one, and wakes no other.
One more thread does what all of them have to compute.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from lan_chat.process import POLL_S
from lan_chat.secure import SecureError

MAX_HANDSHAKES, MAX_HANDSHAKES_PER_HOST = 200, 8
"""How many handshakes there may be at once, and of one address: each takes a millisecond, if the client does its part.
If all of an address are wrong codes, the next one waits for MAX_HANDSHAKES_PER_HOST / GUESS_RATE seconds."""
LONG_HANDSHAKE_S = 1.0
"""How long one may take while others wait for it."""
HANDSHAKE_WAIT_S = 5.0
"""How long a client waits for its turn."""

Cut = Callable[[], object]


class HandshakeThread:
    """The thread that computes: else the stack and the memory for a handshake would stay with each client's thread.

    Main starts and stops it; `compute` is for any thread.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "handshakes")

    def start(self) -> None:
        """Start it now, while there is a thread to be had."""
        self._executor.submit(int).result()

    def stop(self) -> None:
        """End it, when nothing more has to be computed."""
        self._executor.shutdown()

    def compute(self, step: Callable[[bytes], bytes], data: bytes) -> bytes:
        """Do a step of a handshake there, and return its result, or raise what it raised.

        Raises SecureError where the thread has ended.
        """
        try:
            result = self._executor.submit(step, data)
        except RuntimeError:
            raise SecureError("the server stops") from None
        try:
            return result.result()
        finally:
            del result  # it has the error, whose traceback has this frame: a cycle


@dataclass(eq=False)
class Turn:
    """One client's handshake."""

    address: str
    cut: Cut
    """Ends the connection."""
    has_come: threading.Event = field(default_factory=threading.Event)
    came_at: float = 0.0


class Handshakes:
    """The handshakes that are under way, and those that wait. Any thread."""

    def __init__(self, are_hosts_limited: bool) -> None:
        self._are_hosts_limited = are_hosts_limited
        self._lock = threading.Lock()
        """Guards all that follows."""
        self._under_way: dict[Turn, None] = {}
        """The one that has taken longest is first."""
        self._count_of: Counter[str] = Counter()
        """How many are under way of each address that has any."""
        self._waiting: deque[Turn] = deque()

    def __len__(self) -> int:
        return len(self._under_way)

    def begin(self, address: str, cut: Cut, is_over: Callable[[], bool]) -> Turn | None:
        """Wait for the turn of one more handshake, and return it, or None where it does not come.

        `cut` ends the connection, which happens if others wait while its handshake takes long; `is_over` ends the wait.
        """
        turn, until = Turn(address, cut), time.monotonic() + HANDSHAKE_WAIT_S
        with self._lock:
            self._waiting.append(turn)
            self._call_next()
        while not turn.has_come.is_set():
            self._end_a_long_one(address)
            if not turn.has_come.wait(POLL_S) and (is_over() or time.monotonic() > until):
                with self._lock:
                    if not turn.has_come.is_set():
                        self._waiting.remove(turn)
                        return None
        return turn

    def end(self, turn: Turn) -> None:
        """Count a handshake that is over."""
        with self._lock:
            self._remove(turn)
            self._call_next()

    def _call_next(self) -> None:
        """Let those begin that have waited longest, and for which there is a place."""
        passed_over = []
        while self._waiting and len(self._under_way) < MAX_HANDSHAKES:
            turn = self._waiting.popleft()
            if self._is_full(turn.address):
                passed_over.append(turn)
                continue
            self._under_way[turn] = None
            self._count_of[turn.address] += 1
            turn.came_at = time.monotonic()
            turn.has_come.set()
        self._waiting.extendleft(reversed(passed_over))

    def _end_a_long_one(self, address: str) -> None:
        """End the one that has taken longest, if it is in the way of this address and has taken long.

        One at a time: each that waits comes by here, and if many ended at once, the room would feel it.
        """
        with self._lock:
            if len(self._under_way) >= MAX_HANDSHAKES:
                turn = next(iter(self._under_way), None)
            elif self._is_full(address):
                turn = next(turn for turn in self._under_way if turn.address == address)
            else:
                return
            if turn is None or turn.came_at > time.monotonic() - LONG_HANDSHAKE_S:
                return
            self._remove(turn)
            self._call_next()
        turn.cut()

    def _is_full(self, address: str) -> bool:
        """Return whether an address has as many under way as it may."""
        return self._are_hosts_limited and self._count_of[address] >= MAX_HANDSHAKES_PER_HOST

    def _remove(self, turn: Turn) -> None:
        """Take one out, unless it was taken out before."""
        if turn in self._under_way:
            del self._under_way[turn]
            self._count_of[turn.address] -= 1
            if not self._count_of[turn.address]:
                del self._count_of[turn.address]
