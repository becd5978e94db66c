"""A search for rooms that finds what the test says."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence

from lan_chat.rooms import Found, Remembered, Room, Rooms
from tests.support.waiting import DEADLINE_S


class FakeSearch:
    """A search without a network; what it calls is called in a thread of its own, as with the real one."""

    def __init__(self, remembered: Sequence[Remembered], ring: Callable[[], object]) -> None:
        self.remembered = tuple(remembered)
        self.has_looked = threading.Event()
        self._ring = ring
        self._lock = threading.Lock()
        self._rooms = Rooms(remembered)
        self._turns: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._turned = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, name="search")

    @property
    def is_open(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._turns.put(False)
        self._thread.join()

    def rooms(self) -> list[Found]:
        with self._lock:
            return list(self._rooms)

    def refuse(self, host: str, port: int) -> None:
        with self._lock:
            self._rooms.refuse(host, port)

    def hear(self, *answers: Found, forgets: bool = False) -> None:
        """Have rooms answer, perhaps those alone, and wait until the one who is told of it has looked."""
        with self._lock:
            if forgets:
                self._rooms = Rooms(self.remembered)
            for answer in answers:
                self._rooms.add(answer)
        self.ring()

    def ring(self) -> None:
        self._turns.put(True)
        assert self._turned.acquire(timeout=DEADLINE_S)

    def _run(self) -> None:
        while self._turns.get():
            self._ring()
            self._turned.release()


class Searches:
    """All searches that a session has made."""

    def __init__(self) -> None:
        self.made: list[FakeSearch] = []
        self._new: queue.SimpleQueue[FakeSearch] = queue.SimpleQueue()

    def __call__(self, remembered: Sequence[Remembered], ring: Callable[[], object]) -> FakeSearch:
        search = FakeSearch(remembered, ring)
        self.made.append(search)
        self._new.put(search)
        return search

    def next(self) -> FakeSearch:
        """Wait for the next search, and until it has looked."""
        search = self._new.get(timeout=DEADLINE_S)
        search.has_looked.set()
        return search


def answer(port: int, room_id: str = "room", host: str = "127.0.0.1", name: str = "Aula 3") -> Found:
    return Found(Room(room_id, name, port, people=2), host)
