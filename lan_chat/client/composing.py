"""Helpers for writing a message: name completion, input history, and text as Tk can take it.

Pure: no tkinter and no thread. An `InputHistory` belongs to the message input, so to the main thread.
"""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from collections.abc import Iterable

import protocol

MAX_INPUT_HISTORY = 200
"""How many sent messages the input history keeps."""
BEYOND = re.compile("([\U00010000-\U0010ffff]+)")
"""Runs of non-BMP characters."""
BOX_FACTOR = 4
"""How many times the size and the lines of a message the message input lays out, to be cut down there."""
MAX_BOX_LINE_BYTES = protocol.MAX_MESSAGE_BYTES * 3 // 2
"""The longest line that it lays out: the time that Tk takes grows with the square of it."""
EMOJI = re.compile(
    "[\u231a\u231b\u23e9-\u23f3\u25fd\u25fe\u2600-\u27bf\u2b1b\u2b1c\u2b50\u2b55\u3030\u303d\u3297\u3299"
    "\U00010000-\U0010ffff]"
)
"""What may be drawn out of a coloured font: Unicode's Emoji_Presentation and what is beside it, non-BMP characters."""
MAX_EMOJI_LAID_OUT = 32
"""How many of them a field lays out: different ones take up to two milliseconds each, and one at the next key."""
IGNORED = re.compile("[\u034f\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f\ufeff]")
"""Characters that are not seen, which a person does not type: joiners, variation selectors and their like."""
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3100-\u312f\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
)
"""Characters of scripts that put no blank between a name and what stands before it: Han, kana, Thai, Lao, Khmer,
Burmese, Hangul."""


def whole_letters(text: str) -> str:
    """Return a text that Tk returned with its surrogate pairs joined: Tk may split a non-BMP character in two."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def without_beyond(text: str) -> str:
    """Return the text with □ in the place of each non-BMP character."""
    return BEYOND.sub(lambda match: "□" * len(match[0]), text)


def completions(before: str, names: Iterable[str]) -> tuple[int, list[str]]:
    """Return how many characters before the cursor are the prefix of a name, and the names with it, sorted."""
    keys = {name: _completion_key(name) for name in names}
    first = max(0, len(before) - 2 * protocol.MAX_NAME_CHARACTERS)  # a name may be typed with marks of their own
    first = max(first, before.rfind("\n") + 1)
    for start in range(first, len(before)):  # the longest prefix first: a name may contain spaces
        if not _may_begin(before, start):
            continue
        prefix = _completion_key(before[start:])
        found = sorted((name for name, key in keys.items() if prefix and key.startswith(prefix)), key=str.casefold)
        if found:
            return len(before) - start, found
    return 0, []


def _completion_key(text: str) -> str:
    """Return a text as names are compared: whatever its case, its composition, and characters that are not seen."""
    return IGNORED.sub("", unicodedata.normalize("NFKC", text)).casefold()


def _may_begin(text: str, start: int) -> bool:
    """Return whether a name may begin at a place: not within a word, unless its script has no blanks between words."""
    if start == 0 or text[start - 1].isspace():
        return not text[start].isspace()
    before, after = text[start - 1], text[start]
    if IGNORED.match(after) or unicodedata.combining(after) or IGNORED.match(before):
        return False
    return not (_is_of_word(before) and _is_of_word(after)) or bool(UNSPACED.match(before) or UNSPACED.match(after))


def _is_of_word(character: str) -> bool:
    return character.isalnum() or character == "_" or unicodedata.category(character).startswith("M")


def has_many_emoji(text: str) -> bool:
    """Return whether a field would take long to lay out the emoji in a text; one that is repeated is cheap."""
    if text.isascii():
        return False
    emoji = EMOJI.findall(text[: BOX_FACTOR * protocol.MAX_MESSAGE_BYTES])
    return len(emoji) > MAX_EMOJI_LAID_OUT and len(set(emoji)) > 1


def fits_box(text: str) -> bool:
    """Return whether the message input can lay a text out without a pause."""
    if has_many_emoji(text):
        return False
    if 4 * len(text) <= MAX_BOX_LINE_BYTES and text.count("\n") < BOX_FACTOR * protocol.MAX_MESSAGE_LINES:
        return True
    if len(text) > BOX_FACTOR * protocol.MAX_MESSAGE_BYTES:
        return False
    lines = text.split("\n")
    return len(lines) <= BOX_FACTOR * protocol.MAX_MESSAGE_LINES and all(
        len(line.encode("utf-8", "surrogatepass")) <= MAX_BOX_LINE_BYTES for line in lines
    )


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
