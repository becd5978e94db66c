"""What helps to write a message, decided apart from the box that it is written in."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable

import protocol

MAX_INPUT_HISTORY = 200
"""How many of one's own messages Up walks back through."""


def completions(before: str, names: Iterable[str]) -> tuple[int, list[str]]:
    """Give how many characters before the cursor begin a name, and the names that they begin, sorted."""
    tail = before[-protocol.MAX_NAME_CHARACTERS :].rpartition("\n")[2]
    starts = [0, *(match.end() for match in re.finditer(r"\s", tail))]
    for start in starts:  # the longest first: a name may have blanks in it
        wanted = tail[start:].casefold()
        found = sorted((name for name in names if wanted and name.casefold().startswith(wanted)), key=str.casefold)
        if found:
            return len(tail) - start, found
    return 0, []


class InputHistory:
    """What one said before, to walk back through; the unsent draft is where the walk begins."""

    def __init__(self) -> None:
        self._said: deque[str] = deque(maxlen=MAX_INPUT_HISTORY)
        self._draft = ""
        self._back = 0

    def add(self, text: str) -> None:
        """Note what was said, and go back to the present."""
        if not self._said or self._said[-1] != text:
            self._said.append(text)
        self._back = 0

    def older(self, current: str) -> str | None:
        """Give what was said before `current`; None where nothing was. Once changed, it is a new draft."""
        if self._back and current != self._said[-self._back]:
            self._back = 0
        if self._back == len(self._said):
            return None
        if not self._back:
            self._draft = current
        self._back += 1
        return self._said[-self._back]

    def newer(self, current: str) -> str | None:
        """Give what was said after `current`, at last the draft; None where one is there already."""
        if not self._back or current != self._said[-self._back]:
            return None
        self._back -= 1
        return self._said[-self._back] if self._back else self._draft


BEYOND = re.compile("([\U00010000-\U0010ffff]+)")
"""Letters beyond the basic plane."""


def whole_letters(text: str) -> str:
    """Mend what Tk hands out: a letter beyond the basic plane may come in two halves."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def without_beyond(text: str) -> str:
    """Put a box in the place of each letter beyond the basic plane."""
    return BEYOND.sub(lambda match: "□" * len(match[0]), text)
