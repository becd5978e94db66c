"""Helpers for writing a message: name completion, input history, and text as Tk can take it.

Pure: no tkinter and no thread. An `InputHistory` belongs to the message input, so to the main thread.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable

import protocol

MAX_INPUT_HISTORY = 200
"""How many sent messages the input history keeps."""
BEYOND = re.compile("([\U00010000-\U0010ffff]+)")
"""Runs of non-BMP characters."""
WITHOUT_BLANKS = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]"
)
"""Letters of scripts that put no blank between words, or write endings right after a name."""


def whole_letters(text: str) -> str:
    """Return a text that Tk returned with its surrogate pairs joined: Tk may split a non-BMP character in two."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def without_beyond(text: str) -> str:
    """Return the text with □ in the place of each non-BMP character."""
    return BEYOND.sub(lambda match: "□" * len(match[0]), text)


def completions(before: str, names: Iterable[str]) -> tuple[int, list[str]]:
    """Return how many characters before the cursor are the prefix of a name, and the names with it, sorted."""
    searched = before[-protocol.MAX_NAME_CHARACTERS :].rpartition("\n")[2]
    starts = [0, *(end + 1 for end, letter in enumerate(searched) if letter.isspace() or WITHOUT_BLANKS.match(letter))]
    for start in starts:  # the longest prefix first: a name may contain spaces
        prefix = searched[start:].casefold()
        found = sorted((name for name in names if prefix and name.casefold().startswith(prefix)), key=str.casefold)
        if found:
            return len(searched) - start, found
    return 0, []


class InputHistory:
    """The messages that the user sent, to step back and forward through; the unsent draft is the newest step."""

    def __init__(self) -> None:
        self._said: deque[str] = deque(maxlen=MAX_INPUT_HISTORY)
        self._draft = ""
        self._back = 0
        """How many steps back the message input is; 0 at the draft."""

    def add(self, text: str) -> None:
        """Add a sent message, and return to the newest step."""
        if not self._said or self._said[-1] != text:
            self._said.append(text)
        self._back = 0

    def older(self, current: str) -> str | None:
        """Return the message before `current`, None where there is none. A message that was edited is a new draft."""
        if self._back and current != self._said[-self._back]:
            self._back = 0
        if self._back == len(self._said):
            return None
        if not self._back:
            self._draft = current
        self._back += 1
        return self._said[-self._back]

    def newer(self, current: str) -> str | None:
        """Return the message after `current`, or the draft after the last one; None where `current` is the draft."""
        if not self._back or current != self._said[-self._back]:
            return None
        self._back -= 1
        return self._said[-self._back] if self._back else self._draft
