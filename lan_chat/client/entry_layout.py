"""How an entry's text is laid out: which part of it is drawn, where its links are, where a line is broken.

Pure: no tkinter, no thread. What Tk lays out costs time, and a text comes from anybody: so a line has few links and
tabs, an unbroken run is cut at the letter, and of an expensive text only the beginning is drawn until the user asks
for the rest. The text itself stays whole, for copying, saving and searching.
"""

from __future__ import annotations

import bisect
import unicodedata
from dataclasses import dataclass

from lan_chat.client.composing import BEYOND, without_beyond
from lan_chat.client.entries import find_links

SHOWN_COST = 4_000
"""How much of a text is drawn at first. One unit is what a plain letter takes: one to two microseconds."""
WHOLE = 10**9
"""More than any text costs."""
LINE_COST = 2_000
"""How much one line may cost: some systems measure a whole line anew for each of its rows."""
NEAR_END = 300
"""How far before LINE_COST a line is rather broken at a blank."""
TAB_COST, NEW_LINE_COST, LINK_COST, EMOJI_COST, WIDE_COST = 16, 64, 80, 128, 5
"""Each tab and link is a piece of its own, and Tk's work grows with the square of a line's pieces; a coloured font has
its characters drawn as pictures."""
MAX_LINKS = 200
"""How many links of one text can be clicked."""
MAX_EMOJI = 200
"""How many non-BMP characters of one text are drawn; instead of the others □ is, as where Tk can draw none."""

MAX_TABS = 500
"""How many tabs of one text are drawn; instead of the others a blank is."""


@dataclass(frozen=True)
class Layout:
    """What is drawn of a text."""

    pieces: tuple[tuple[str, bool], ...]
    """Texts, and whether each is a link."""
    breaks: tuple[int, ...]
    """Where the line breaks are that were put in, as offsets in what is drawn."""
    shown: int
    """How many characters of the text are drawn."""
    cost: int

    @property
    def drawn(self) -> str:
        """What is drawn."""
        return "".join(piece for piece, _ in self.pieces)

    def text_offset(self, drawn_offset: int) -> int:
        """Return which character of the text an offset in what is drawn is at."""
        return drawn_offset - bisect.bisect_left(self.breaks, drawn_offset)

    def drawn_offset(self, text_offset: int) -> int:
        """Return the offset in what is drawn of a character of the text."""
        return text_offset + bisect.bisect_right(
            [place - count for count, place in enumerate(self.breaks)], text_offset
        )


def layout_cost(text: str, draws_all: bool) -> int:
    """Return what a text costs to lay out, its links aside; `draws_all` is whether Tk draws non-BMP characters."""
    cost = len(text) + (TAB_COST - 1) * text.count("\t") + (NEW_LINE_COST - 1) * text.count("\n")
    if not text.isascii():
        cost += 2 * (len(text.encode("utf-8", "surrogatepass")) - len(text))
        if draws_all:
            cost += EMOJI_COST * sum(map(len, BEYOND.findall(text)))
    return cost


def lay_out(text: str, *, draws_all: bool, budget: int = SHOWN_COST) -> Layout:
    """Return what to draw of a text, of which no more than `budget` is drawn."""
    links = find_links(text[: budget + LINE_COST])[:MAX_LINKS]  # no character costs less than one
    cost = layout_cost(text, draws_all) + LINK_COST * len(links)
    if cost <= LINE_COST:  # nothing has to be cut or broken
        drawn, pieces, end = text if draws_all else without_beyond(text), [], 0
        for start, stop in links:
            pieces += [(drawn[end:start], False), (drawn[start:stop], True)]
            end = stop
        pieces.append((drawn[end:], False))
        return Layout(tuple(pieces), (), len(text), cost)
    return _Walk(draws_all, budget).over(text, links)


class _Walk:
    """One walk over an expensive text, character by character."""

    def __init__(self, draws_all: bool, budget: int) -> None:
        self._emoji_left = MAX_EMOJI if draws_all else 0
        self._tabs_left = MAX_TABS
        self._budget = budget
        self._cost = self._line_cost = self._length = 0
        self._pieces: list[tuple[str, bool]] = []
        self._part: list[str] = []
        self._breaks: list[int] = []

    def over(self, text: str, links: list[tuple[int, int]]) -> Layout:
        starts, ends = {start for start, _ in links}, {end for _, end in links}
        is_link = False
        shown = 0
        for shown, character in enumerate(text):
            if shown in ends:
                self._end_piece(is_link)
                is_link = False
            is_start = shown in starts
            cost = LINK_COST if is_start else self._cost_of(character)
            if self._cost + cost > self._budget:
                break
            if character == "\n":
                self._line_cost = 0
            elif self._line_cost + cost > LINE_COST and not unicodedata.combining(character):
                self._break_line()
            if is_start:
                self._end_piece(is_link)
                is_link = True
            self._add(character, cost)
            if character == " " and self._line_cost > LINE_COST - NEAR_END:
                self._break_line()
        else:
            shown = len(text)
        self._end_piece(is_link)
        return Layout(tuple(self._pieces), tuple(self._breaks), shown, self._cost)

    def _cost_of(self, character: str) -> int:
        if character < "\x80":
            return {"\t": TAB_COST, "\n": NEW_LINE_COST}.get(character, 1)
        if character > "\uffff":
            return EMOJI_COST if self._emoji_left else WIDE_COST
        return 3 if character < "\u0800" else WIDE_COST

    def _add(self, character: str, cost: int) -> None:
        if character > "\uffff":
            if not self._emoji_left:
                character = "□"
            self._emoji_left = max(0, self._emoji_left - 1)
        elif character == "\t":
            if not self._tabs_left:
                character = " "
            self._tabs_left = max(0, self._tabs_left - 1)
        self._part.append(character)
        self._length += 1
        self._cost += cost
        self._line_cost += 0 if character == "\n" else cost

    def _break_line(self) -> None:
        self._breaks.append(self._length)
        self._part.append("\n")
        self._length += 1
        self._cost += NEW_LINE_COST
        self._line_cost = 0

    def _end_piece(self, is_link: bool) -> None:
        if self._part:
            self._pieces.append(("".join(self._part), is_link))
            self._part = []
