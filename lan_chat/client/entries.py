"""The entries of a conversation: their kinds, their form in a text file, their links and mentions.

Pure: no tkinter, no thread; the window draws what is decided here.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from enum import Enum

LINK = re.compile(r"(https?://)[^\s<>\"]+", re.IGNORECASE)
_AFTER_LINK = ".,;:!?'»”’…)]}"
"""Punctuation that does not belong to the link before it."""


class Kind(Enum):
    """What an entry is; the value is the name of its text style."""

    MESSAGE = "text"
    NOTICE = "notice"
    ERROR = "error"
    ANNOUNCEMENT = "announcement"


@dataclass(frozen=True)
class Entry:
    """One entry of the conversation; `time` is in seconds since the epoch."""

    time: float
    kind: Kind
    text: str
    speaker: str = ""
    is_mention: bool = False

    def as_lines(self) -> str:
        """Return the entry for a text file: one line with its date, further lines of its text indented."""
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.time))
        what = f"{self.speaker}: {self.text}" if self.speaker else self.text
        mark = "* "
        if self.kind is Kind.MESSAGE:
            mark = "\\" if what.startswith("*") else ""  # or a name that begins with * would look like a notice
        return f"{when} {mark}{what}".replace("\n", "\n    ") + "\n"


def find_links(text: str) -> list[tuple[int, int]]:
    """Return the spans of the links in a text, without trailing punctuation or an unmatched closing parenthesis."""
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
    """Return whether a text contains a name as a whole word, whatever its case."""
    said, wanted = text.casefold(), name.casefold()
    return bool(wanted) and re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", said) is not None
