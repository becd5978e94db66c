"""A search for rooms that asks nobody: the test says what is found."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from lan_chat.rooms import Found, Remembered


class FakeSearch:
    """What a `Search` is to those who use it."""

    def __init__(self, remembered: Sequence[Remembered], ring: Callable[[], object]) -> None:
        self.remembered = tuple(remembered)
        self.has_looked = threading.Event()
        self.is_started = self.is_closed = False
        self._ring = ring
        self._found: list[Found] = []

    def start(self) -> None:
        self.is_started = True

    def close(self) -> None:
        self.is_closed = True

    def rooms(self) -> list[Found]:
        return self._found

    def refuse(self, host: str, port: int) -> None:
        """Nobody is believed any less."""

    def find(self, *found: Found) -> None:
        """Have exactly these rooms be found by now."""
        self._found = list(found)
        self._ring()

    def end_look(self, *found: Found) -> None:
        """Have the first second be over, and these rooms found in it."""
        self.has_looked.set()
        self.find(*found)
