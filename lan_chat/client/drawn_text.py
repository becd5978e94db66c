"""The text that Tk draws, and which block stands where in it.

Main thread only. Lines are counted from the first that was ever drawn, so that dropping the oldest renumbers nothing.
"""

from __future__ import annotations

import bisect
import time
import tkinter as tk
from collections import deque
from collections.abc import Callable, Iterator

from lan_chat.client.blocks import Block, Pieces, fold_sentence
from lan_chat.client.composing import whole_letters, without_beyond
from lan_chat.client.entries import Entry, Kind
from lan_chat.client.entry_layout import lay_out
from lan_chat.client.palette import hue_of
from lan_chat.client.words import ClientWords

PENDING_COST = 1_000
"""How much is drawn of a message that is not in the conversation yet, by what that costs."""

Place = tuple[int, int]
"""A line's number and a column."""


class DrawnText:
    """A read-only text that consists of blocks, with the pending messages at its end."""

    def __init__(self, text: tk.Text, words: ClientWords, *, draws_all: bool) -> None:
        self.text = text
        self.words = words
        self.blocks: deque[Block] = deque()
        """All blocks, from the oldest on; the latest ones may not be drawn yet."""
        self.pending: list[Block] = []
        self.draws_all = draws_all
        """Whether this Tk draws non-BMP characters."""
        self._undrawn: deque[Block] = deque()
        self._dropped = 0
        self._next = 1
        """The number of the line where the next block will be drawn."""
        self._counts_halves = int(text.tk.call("string", "length", "\U0001f600")) == 2
        """Whether this Tk counts a non-BMP character as two, as before Tk 9."""
        text.mark_set("pending", "1.0")

    @property
    def has_undrawn(self) -> bool:
        """Whether `draw` has something to do."""
        return bool(self._undrawn)

    # Changing.

    def append(self, block: Block) -> None:
        """Add a block, which `draw` draws."""
        self.blocks.append(block)
        self._undrawn.append(block)

    def draw(self) -> None:
        """Draw the blocks that are not drawn yet, with one call of Tk."""
        pieces: Pieces = []
        first = self._next
        for block in self._undrawn:
            block.start = self._next
            self._next += self._add_pieces(block, pieces)
        self._undrawn.clear()
        for block in self.pending:
            block.start += self._next - first
        if pieces:
            self._change(lambda: self.text.insert("pending", *pieces))  # type: ignore[arg-type]  # alternating

    def redraw(self, block: Block) -> None:
        """Draw a block again, which has changed."""
        if block.lines:
            pieces: Pieces = []
            before, start = block.lines, f"{self.line_of(block.start)}.0"
            end = f"{self.line_of(block.start + before)}.0"
            self._add_pieces(block, pieces)

            def replace() -> None:
                self.text.delete(start, end)
                self.text.insert(start, *pieces)  # type: ignore[arg-type]  # alternating

            self._change(replace)
            self._move_later(block, block.lines - before)

    def remove(self, block: Block) -> None:
        """Remove a block that is drawn."""
        start, end = f"{self.line_of(block.start)}.0", f"{self.line_of(block.start + block.lines)}.0"
        self._change(lambda: self.text.delete(start, end))
        self._move_later(block, -block.lines)
        self.blocks.remove(block)

    def drop(self, count: int) -> None:
        """Remove the oldest blocks, so many of them."""
        lines = 0
        for _ in range(count):
            block = self.blocks.popleft()
            lines += block.lines
            if not block.lines:
                self._undrawn.popleft()
            block.lines = 0
        if lines:
            self._change(lambda: self.text.delete("1.0", f"{lines + 1}.0"))
            self._dropped += lines
        first = self.blocks[0] if count and self.blocks else None
        if first is not None and first.group_time and not first.has_header:  # its name was above it
            first.has_header, first.group_time = True, first.entry.time
            if first.lines:
                pieces: Pieces = []
                self._add_header(first, pieces)
                first.lines += 1
                first.start -= 1
                self._dropped -= 1
                place = f"{1 + bool(first.day)}.0"
                self._change(lambda: self.text.insert(place, *pieces))  # type: ignore[arg-type]  # alternating

    def show_pending(self, pending: list[Block], actions: list[Pieces]) -> None:
        """Replace the pending messages, and what stands behind each."""
        self.pending = pending
        pieces: Pieces = []
        number = self._next
        for block, action in zip(pending, actions, strict=True):
            block.start = number
            number += self._add_pieces(block, pieces, action)
        place = self.text.index("pending")

        def replace() -> None:
            self.text.delete("pending", "end-1c")
            if pieces:
                self.text.insert("end-1c", *pieces)  # type: ignore[arg-type]  # alternating
            self.text.mark_set("pending", place)

        self._change(replace)

    # Looking.

    def line_of(self, number: int) -> int:
        """Return Tk's number of a line."""
        return number - self._dropped

    def block_at(self, index: str) -> Block | None:
        """Return the block at an index of the text; None below all."""
        line, _ = self._place(index)
        return next(self._between(line, line), None)

    def visible(self) -> Iterator[Block]:
        """Yield the blocks of which something is in view."""
        first, last = self._place("@0,0")[0], self._place(f"@0,{self.text.winfo_height()}")[0]
        return self._between(first, last)

    def read(self, first: str, last: str) -> str:
        """Return a part of the conversation: whole blocks with time and name, and every letter of what is not drawn."""
        begin, end = self._place(first), self._place(last)
        # What ends at the beginning of a line has nothing of that line.
        blocks = list(self._between(begin[0], end[0] if end[1] else max(begin[0], end[0] - 1)))
        return "".join(self._read_block(block, begin, end, is_only=len(blocks) == 1) for block in blocks)

    def text_offset(self, block: Block, index: str) -> int:
        """Return which character of a block's text an index is at; negative where it is above the text."""
        place = self._place(index)
        if place[0] < block.body_start:
            return -1
        layout = block.layout(self.draws_all)
        return min(layout.shown, layout.text_offset(self._drawn_length(block, place)))

    def spans_of(self, block: Block, spans: list[tuple[int, int]]) -> list[tuple[str, str]]:
        """Return where spans of a block's `searchable`, which are in order, are drawn; without those that are not."""
        if not block.lines:
            return []
        if block.is_fold:
            line = self.line_of(block.body_start)
            return [(f"{line}.0", f"{line}.0 lineend")]
        places = []
        layout = block.layout(self.draws_all)
        drawn, text_from = layout.drawn, block.text_from
        line, begun = self.line_of(block.body_start), 0
        for start, end in spans:
            if end <= text_from:
                name = block.entry.speaker
                places.append((f"{line - 1}.{self._length(name[:start])}", f"{line - 1}.{self._length(name[:end])}"))
            elif start >= text_from and end - text_from <= layout.shown:
                first, last = layout.drawn_offset(start - text_from), layout.drawn_offset(end - text_from)
                line += drawn.count("\n", begun, first)
                begun = max(begun, drawn.rfind("\n", begun, first) + 1)
                column = self._length(drawn[begun:first])
                found = drawn[first:last]
                breaks = found.count("\n")
                ends = (0 if breaks else column) + self._length(found[found.rfind("\n") + 1 :])
                places.append((f"{line}.{column}", f"{line + breaks}.{ends}"))
        return places

    def _change(self, step: Callable[[], object]) -> None:
        """Run a step that changes the text, which is read-only otherwise."""
        self.text.configure(state="normal")
        try:
            step()
        finally:
            self.text.configure(state="disabled")

    def _move_later(self, block: Block, lines: int) -> None:
        self._next += lines
        for later in reversed(self.blocks):
            if later is block:
                break
            if later.lines:
                later.start += lines
        for later in self.pending:
            later.start += lines

    def _add_pieces(self, block: Block, pieces: Pieces, action: Pieces | None = None) -> int:
        """Add what is drawn of a block, and return how many lines that is."""
        begun = len(pieces)
        if block.day:
            pieces += [f"{block.day}\n", ("day",)]
        if not block.entries:
            pieces += [f"{block.rule}\n", ("marker" if block.is_marker else "day",)]
        elif block.is_fold:
            pieces += [self._drawable(fold_sentence(block.entries, self.words)) + "\n", ("notice",)]
        else:
            if block.has_header:
                self._add_header(block, pieces)
            if action is None:
                self._add_text(block, pieces)
            else:
                text = block.entry.text
                layout = lay_out(text, draws_all=self.draws_all, budget=PENDING_COST)
                cut = "…" if layout.shown < len(text) else ""
                pieces += [layout.drawn + cut, action[1], *action, "\n", action[1]]
        block.lines = sum(piece.count("\n") for piece in pieces[begun::2])
        return block.lines

    def _add_header(self, block: Block, pieces: Pieces) -> None:
        entry = block.entry
        marks = _marks_of(entry)
        name = self.words.you.format(name=entry.speaker) if entry.is_own else entry.speaker
        style = f"hue-{hue_of(entry.speaker)}" if entry.kind is Kind.MESSAGE else entry.kind.value
        when = time.strftime("%H:%M", time.localtime(entry.time))
        pieces += [self._drawable(name), ("header", style, *marks), f"   {when}\n", ("time", "header", *marks)]

    def _add_text(self, block: Block, pieces: Pieces) -> None:
        entry = block.entry
        style = (entry.kind.value, *_marks_of(entry))
        layout = block.layout(self.draws_all)
        for text, is_link in layout.pieces:
            if text:
                pieces += [text, (*style, "link") if is_link else style]
        if layout.shown < len(entry.text):
            pieces += [" … ", style, self.words.show_all, (*style, "action", "expand")]
        pieces += ["\n", style]

    def _drawable(self, text: str) -> str:
        return text if self.draws_all or text.isascii() else without_beyond(text)

    def _between(self, first: int, last: int) -> Iterator[Block]:
        """Yield the blocks that have a line between two numbers."""
        drawn = len(self.blocks) - len(self._undrawn)
        place = bisect.bisect_right(self.blocks, first, hi=drawn, key=lambda block: block.start) - 1
        for number in range(max(0, place), drawn):
            block = self.blocks[number]
            if block.start > last:
                return
            if block.start + block.lines > first:
                yield block
        for block in self.pending:
            if block.start <= last and block.start + block.lines > first:
                yield block

    def _read_block(self, block: Block, begin: Place, end: Place, *, is_only: bool) -> str:
        start, after = (block.start, 0), (block.start + block.lines, 0)
        body = (block.body_start, 0)
        is_to_end = end >= after or end >= self._place(f"{self.line_of(after[0] - 1)}.0 lineend")
        newline = "\n" if end >= after else ""
        if begin <= start and is_to_end and (newline or not is_only or begin < body):
            return block.as_copied() + newline
        if not block.entries or block.is_fold or block.suffix or end <= body:
            return self._raw(max(begin, start), min(end, after)) if is_only or end > body else ""
        text = block.entry.text
        first = 0 if begin <= body else self.text_offset(block, self._index(begin))
        last = len(text) if is_to_end else self.text_offset(block, self._index(end))
        if begin < body or (begin == body and not is_only):
            return block.entry.as_copied().removesuffix(text) + text[:last] + newline
        return text[first:last] + newline

    def _raw(self, begin: Place, end: Place) -> str:
        return whole_letters(self.text.get(self._index(begin), self._index(end)))

    def _place(self, index: str) -> Place:
        line, column = self.text.index(index).split(".")
        return int(line) + self._dropped, int(column)

    def _index(self, place: Place) -> str:
        return f"{self.line_of(place[0])}.{place[1]}"

    def _drawn_length(self, block: Block, place: Place) -> int:
        return len(self._raw((block.body_start, 0), place))

    def _length(self, text: str) -> int:
        """Return how many characters Tk counts."""
        if self._counts_halves and not text.isascii():
            return len(text.encode("utf-16-le", "surrogatepass")) // 2
        return len(text)


def _marks_of(entry: Entry) -> tuple[str, ...]:
    """Return the tag of the background of a message."""
    if entry.is_own:
        return ("own",)
    return ("mention",) if entry.is_mention else ()
