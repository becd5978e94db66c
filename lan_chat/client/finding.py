"""Searching the conversation, a bounded time at once. Main thread only."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from lan_chat.client.blocks import Block
from lan_chat.client.drawn_text import DrawnText
from lan_chat.client.entry_layout import WHOLE

MAX_FOUND = 1000
"""How many matches a search highlights at once, the latest ones; it counts and visits all."""
MAX_FOUND_IN_ENTRY = 100
"""How many of one entry, as each is a piece of its own for Tk."""
MARK_S = 0.02
"""The longest time that matches are highlighted, from the latest on."""
FIND_S = 0.02
"""The longest time that one call searches; the next one goes on."""


@dataclass(frozen=True)
class Found:
    """How far a search has come."""

    number: int
    """Which match is shown, from the oldest on; 0 for none."""
    count: int
    is_complete: bool


class Finder:
    """The search for one text at a time, from the latest block to the oldest."""

    def __init__(self, drawn: DrawnText) -> None:
        self._drawn = drawn
        self._wanted = ""
        self._pattern: re.Pattern[str] | None = None
        self._search = 0
        """The number of the search, which each block keeps with its count of matches."""
        self._current: tuple[Block, int] | None = None
        """The match that is shown: its block, and which one of the block's it is."""

    def find(self, wanted: str, is_backwards: bool | None) -> tuple[Found, str]:
        """Search, for a bounded time, and highlight what is found; go to the next match in a direction, if any.

        Returns how far it has come, and the index of the match that it went to, empty for none.
        """
        if wanted != self._wanted:
            self._wanted, self._search = wanted, self._search + 1
            # Not with Tk's own search: Tk 8.6.13 crashes in a case-insensitive search where there are emoji.
            self._pattern = re.compile(re.escape(wanted), re.IGNORECASE) if wanted else None
        self.unmark()
        if self._pattern is None:
            return Found(0, 0, is_complete=True), ""
        blocks = list(self._drawn.blocks)
        is_complete = self._count(blocks)
        index = ""
        if is_backwards is not None:
            index = self._step(blocks, is_backwards)
        self._mark(blocks)
        return Found(self._number(blocks), sum(self._matches(block) for block in blocks), is_complete), index

    def unmark(self) -> None:
        """Remove the highlights."""
        for tag in ("found", "current"):
            self._drawn.text.tag_remove(tag, "1.0", "end")

    def forget(self) -> None:
        """Forget where the search is."""
        self._current = None

    def _matches(self, block: Block) -> int:
        return block.matches if block.searched == self._search else 0

    def _count(self, blocks: list[Block]) -> bool:
        """Count the matches of the blocks that this search has not seen; return whether that is all."""
        pattern = self._pattern
        assert pattern is not None
        deadline = time.perf_counter() + FIND_S
        for number, block in enumerate(reversed(blocks)):
            if block.searched != self._search:
                block.searched = self._search
                block.matches = sum(1 for _ in pattern.finditer(block.searchable)) if block.entries else 0
                if time.perf_counter() > deadline:
                    return number == len(blocks) - 1
        return True

    def _step(self, blocks: list[Block], is_backwards: bool) -> str:
        """Go to the next match in a direction, from the last one around to the first; return its index."""
        found = [number for number, block in enumerate(blocks) if self._matches(block)]
        if not found:
            self._current = None
            return ""
        at, which = self._where(blocks)
        if is_backwards:
            if at >= 0 and 0 < which <= blocks[at].matches:
                number, which = at, which - 1
            else:
                number = next((number for number in reversed(found) if at < 0 or number < at), found[-1])
                which = blocks[number].matches - 1
        elif at >= 0 and which + 1 < self._matches(blocks[at]):
            number, which = at, which + 1
        else:
            number, which = next((number for number in found if number > at), found[0]), 0
        self._current = (blocks[number], which)
        block = blocks[number]
        spans = self._spans(block)
        if block.lines and not self._drawn.spans_of(block, [spans[which]]):
            block.budget = WHOLE
            self._drawn.redraw(block)
        return next((start for start, _ in self._drawn.spans_of(block, [spans[which]])), "")

    def _where(self, blocks: list[Block]) -> tuple[int, int]:
        """Return where the current match is; (-1, -1) where there is none any more."""
        if self._current is None:
            return -1, -1
        block, which = self._current
        return next(((number, which) for number, other in enumerate(blocks) if other is block), (-1, -1))

    def _number(self, blocks: list[Block]) -> int:
        at, which = self._where(blocks)
        if at < 0 or which >= self._matches(blocks[at]):
            return 0
        return sum(self._matches(block) for block in blocks[:at]) + which + 1

    def _spans(self, block: Block) -> list[tuple[int, int]]:
        assert self._pattern is not None
        return [match.span() for match in self._pattern.finditer(block.searchable)]

    def _mark(self, blocks: list[Block]) -> None:
        left, deadline = MAX_FOUND, time.perf_counter() + MARK_S
        for block in reversed(blocks):
            if left <= 0 or time.perf_counter() > deadline:
                break
            if self._matches(block):
                spans = self._spans(block)[: min(left, MAX_FOUND_IN_ENTRY)]
                left -= len(spans)
                self._highlight("found", block, spans)
        if self._current is not None and self._current[1] < self._matches(self._current[0]):
            block, which = self._current
            self._highlight("current", block, [self._spans(block)[which]])

    def _highlight(self, tag: str, block: Block, spans: list[tuple[int, int]]) -> None:
        places = self._drawn.spans_of(block, spans)
        if places:
            self._drawn.text.tag_add(tag, *(index for place in places for index in place))
