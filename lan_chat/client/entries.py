"""What the window shows, decided apart from drawing it."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """How a piece of the conversation is set apart; the value is the name of its style."""

    MESSAGE = "text"
    NOTICE = "notice"
    ERROR = "error"
    ANNOUNCEMENT = "announcement"


@dataclass(frozen=True)
class Entry:
    """One piece of the conversation; `time` is in seconds since the epoch."""

    time: float
    kind: Kind
    text: str
    speaker: str = ""
    is_mention: bool = False

    def as_lines(self) -> str:
        """Write it for a text file: with its date, one line, and further lines of its text indented."""
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.time))
        what = f"{self.speaker}: {self.text}" if self.speaker else self.text
        mark = "* "
        if self.kind is Kind.MESSAGE:
            mark = "\\" if what.startswith("*") else ""  # or a name that begins so would look like a notice
        return f"{when} {mark}{what}".replace("\n", "\n    ") + "\n"


LINK = re.compile(r"(https?://)[^\s<>\"]+", re.IGNORECASE)
_AFTER_LINK = ".,;:!?'»”’…)]}"


def find_links(text: str) -> list[tuple[int, int]]:
    """Give the places of the links in a text. Punctuation behind one does not count, nor a bracket it did not open."""
    places = []
    for match in LINK.finditer(text):
        start, end = match.span()
        unopened = match[0].count(")") - match[0].count("(")
        while text[end - 1] in _AFTER_LINK and (text[end - 1] != ")" or unopened > 0):
            unopened -= text[end - 1] == ")"
            end -= 1
        if end > match.end(1):
            places.append((start, end))
    return places


def mentions(text: str, name: str) -> bool:
    """Tell whether a text says a name, as a word of its own."""
    said, wanted = text.casefold(), name.casefold()
    return bool(wanted) and re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", said) is not None
