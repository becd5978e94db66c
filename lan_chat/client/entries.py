"""The entries of a conversation: their kinds, their form in a text file, their links and mentions.

Pure: no tkinter, no thread; the window draws what is decided here.
"""

from __future__ import annotations

import re
import time
import unicodedata
from dataclasses import dataclass
from enum import Enum

from lan_chat.client.composing import UNSPACED

_END = (
    r"\s<>\"`\u0589\u060c\u061b\u061c\u061f\u06d4\u0964\u0965\u1362\u17d4\u200b\u200e\u200f\u2060\ufeff"
    r"\u3000-\u3002\u3008-\u3011\u3014-\u301f\uff01\uff08\uff09\uff0c\uff1a\uff1b\uff1f\uff3b\uff3d\uff5b-\uff60"
)
"""What a link never contains: blanks, also invisible ones, and punctuation of scripts that need no blank after it."""
LINK = re.compile(
    rf"(?P<scheme>https?://)(?:(?![,;|]+https?://)[^{_END}])+"
    rf"|(?<![\w.@/-])(?P<www>www\.)[^{_END}.@][^{_END}@]*\.[^{_END}@]+"
    r"|(?<![\w.+@/:-])(?P<mail>[\w.+-]{1,64}@)(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}[^\W\d_]{2,24}(?![\w@])",
    re.IGNORECASE,
)
_AFTER_LINK = ".,;:!?'»”’…)]}*«“‘„‚‹›|—–"
"""Punctuation that does not belong to the link before it."""
_OPENING = {")": "(", "]": "[", "}": "{"}
MAX_MARKS = 16
"""How many combining marks of one letter are compared: the time to bring them in order grows with their square."""
_OTHER_MARKS = "\u0f73\u0f75\u0f81\uff9e\uff9f"
"""What becomes combining marks only when it is taken apart, by NFKD."""


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
    is_own: bool = False
    arrived: str = ""
    """Who has come in, where that is all that the entry says."""
    departed: str = ""
    """Who has left, where that is all that the entry says."""

    def as_copied(self) -> str:
        """Return the entry for the clipboard, with its time and its speaker."""
        speaker = f"{self.speaker}: " if self.speaker else ""
        return f"{time.strftime('%H:%M', time.localtime(self.time))}  {speaker}{self.text}"

    def as_lines(self) -> str:
        """Return the entry for a text file: one line with its date, further lines of its text indented."""
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.time))
        what = f"{self.speaker}: {self.text}" if self.speaker else self.text
        mark = "* "
        if self.kind is Kind.MESSAGE:
            mark = "\\" if what.startswith("*") else ""  # or a name that begins with * would look like a notice
        return f"{when} {mark}{what}".replace("\n", "\n    ") + "\n"


def find_links(text: str) -> list[tuple[int, int]]:
    """Return the spans of the links in a text, without the punctuation around them."""
    if "://" not in text and "@" not in text and "www." not in text.lower():
        return []
    places = []
    for match in LINK.finditer(text):
        start, end = match.span()
        least = next(match.end(kind) for kind in ("scheme", "www", "mail") if match[kind])
        unopened = {closing: match[0].count(closing) - match[0].count(opening) for closing, opening in _OPENING.items()}
        while end > least and (
            text[end - 1] in _AFTER_LINK or (text[end - 1] in "_~" and text[start - 1 : start] == text[end - 1])
        ):
            last = text[end - 1]
            if last in unopened:
                if unopened[last] <= 0:
                    break
                unopened[last] -= 1
            end -= 1
        if end > least:
            places.append((start, end))
    return places


def target_of(link: str) -> str:
    """Return what a link that stands in a text opens."""
    if link.lower().startswith(("http://", "https://")):
        return link
    return f"mailto:{link}" if "@" in link else f"http://{link}"


def mentions(text: str, name: str) -> bool:
    """Return whether a text contains a name as a whole word, whatever its case and however its accents are written."""
    wanted = _folded(name)
    if not wanted:
        return False
    said = _folded(text)
    start = said.find(wanted)
    while start >= 0:
        end = start + len(wanted)
        if _is_apart(said[start - 1 : start], wanted[0]) and _is_apart(said[end : end + 1], wanted[-1]):
            return True
        start = said.find(wanted, start + 1)
    return False


def initial_of(name: str) -> str:
    """Return the letter that stands for a name."""
    letters = [letter for letter in name if letter.isalnum() and letter <= "\uffff"]
    return letters[0].upper()[:1] if letters else "•"


def _is_apart(neighbour: str, edge: str) -> bool:
    """Return whether a character beside a name does not make it a part of a longer word."""
    if not neighbour or not re.match(r"\w", neighbour):
        return not (neighbour and unicodedata.combining(neighbour))
    return bool(UNSPACED.match(neighbour) or UNSPACED.match(edge))


def _folded(text: str) -> str:
    """Return a text in a form in which it can be compared."""
    if text.isascii():
        return text.casefold()
    kept, marks = [], 0
    for character in text:
        is_mark = unicodedata.combining(character) or character in _OTHER_MARKS
        marks = marks + 1 if is_mark else 0
        if marks <= MAX_MARKS:
            kept.append(character)
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", "".join(kept)).casefold())
