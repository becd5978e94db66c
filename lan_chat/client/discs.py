"""What lies on the conversation: discs with initials, days and rules, bars beside mentions, the edges of tints.

Main thread only. Tk cannot draw a letter into an image, so a disc is a label with an image, placed where its name is in
view; there are never more labels than fit the window.
"""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from dataclasses import dataclass
from tkinter import font as tkfont
from typing import TypeVar

from lan_chat.client.blocks import Block, day_title
from lan_chat.client.drawn_text import DrawnText
from lan_chat.client.entries import Entry, Kind, initial_of
from lan_chat.client.palette import PALETTES, Palette, disc_colours, hue_of
from lan_chat.client.pictures import Layer, rounded
from lan_chat.client.text_styles import HEADER_AIR, RULE_AIR
from lan_chat.client.theme import picture

DISC_LEFT, DISC_TOP = 14, 1
"""Where a disc is: from the left edge, and below the air above the name; in 18ths of a row's height, as all here."""
MARGIN = 16
"""Between the edges and a rule."""
PILL_PADDING = (10, 3)
"""Around a day, in width and height."""
EDGE = 3
"""How much of a message's tint is above its first and below its last row."""
BAR_WIDTH = 4

Widget = TypeVar("Widget", tk.Label, tk.Frame)


@dataclass(frozen=True)
class Disc:
    """A disc in view."""

    y: int
    hue: int
    initial: str
    background: str


@dataclass(frozen=True)
class Bar:
    """A rectangle in view."""

    x: int
    y: int
    width: int
    height: int
    colour: str


@dataclass(frozen=True)
class Plate:
    """A text in the middle of a row, in the place of that row's own text; on a pill, or on paper."""

    y: int
    width: int
    height: int
    covered: int
    """The width of the row's own text."""
    text: str
    colour: str
    is_pill: bool


class Overlay:
    """What lies on a text."""

    def __init__(self, text: tk.Text, drawn: DrawnText) -> None:
        self._text = text
        self._drawn = drawn
        self._palette = PALETTES["light"]
        self._unit = 1.0
        self._diameter = 0
        self._fonts = ("TkTextFont", "TkTextFont")
        """Of names, and of small text."""
        self._discs: list[tk.Label] = []
        self._plates: list[tk.Label] = []
        self._bars: list[tk.Frame] = []
        self._shown: tuple[list[Disc], list[Bar], list[Plate]] = ([], [], [])

    def apply_theme(self, palette: Palette, *, diameter: int, unit: float, fonts: tuple[str, str]) -> None:
        """Apply the colours of a theme, and fonts for names and for small text; sizes are in pixels."""
        self._palette, self._diameter, self._unit, self._fonts = palette, diameter, unit, fonts
        self._shown = ([], [], [])
        for widget in (*self._discs, *self._plates, *self._bars):
            widget.place_forget()

    def show(self) -> None:
        """Show what belongs to the blocks in view, and nothing else."""
        discs, bars, plates = shown = list[Disc](), list[Bar](), list[Plate]()
        blocks = list(self._drawn.visible())
        tint_before = self._palette.paper
        for block, after in zip(blocks, [*blocks[1:], None], strict=False):
            if block.day:
                self._add_rule(block.start, day_title(block.entry.time, self._drawn.words), bars, plates)
            if not block.entries:
                self._add_rule(block.start, block.rule, bars, plates, is_marker=block.is_marker)
                tint_before = self._palette.paper
                continue
            tint = ground_of(block.entry, self._palette)
            if block.has_header and block.entry.kind is Kind.MESSAGE:
                row = self._row(block.body_start - 1)
                if row is not None:
                    y = row[1] + self._pixels(HEADER_AIR + DISC_TOP)
                    discs.append(Disc(y, hue_of(block.entry.speaker), initial_of(block.entry.speaker), tint))
            if tint != self._palette.paper:
                self._add_edges(block, after, tint, bars, is_first=tint_before == self._palette.paper)
            tint_before = tint
        if shown == self._shown:
            return
        self._shown = shown
        self._place(discs, bars, plates)

    # What there is to show.

    def _add_rule(
        self, number: int, text: str, bars: list[Bar], plates: list[Plate], is_marker: bool | None = None
    ) -> None:
        """Add a day, or with `is_marker` a rule: a text between two lines."""
        row, palette = self._row(number), self._palette
        if row is None:
            return
        own_text, text = (
            self._text.get(f"{self._drawn.line_of(number)}.0", f"{self._drawn.line_of(number)}.0 lineend"),
            text.strip("— "),
        )
        font, width = tkfont.nametofont(self._fonts[1], root=self._text), self._text.winfo_width()
        padding = PILL_PADDING if is_marker is None else (8, 0)
        size = (
            font.measure(text) + 2 * self._pixels(padding[0]),
            font.metrics("linespace") + 2 * self._pixels(padding[1]),
        )
        left, right = self._pixels(MARGIN), width - self._pixels(MARGIN)
        if size[0] > right - left:
            return  # wrapped into several rows, as it is
        top = row[1] + self._pixels(RULE_AIR) - self._pixels(padding[1])
        colour = palette.error if is_marker else palette.quiet
        plates.append(Plate(top, *size, font.measure(own_text) + 2, text, colour, is_pill=is_marker is None))
        if is_marker is not None:
            colour = palette.error if is_marker else palette.border
            middle, height, end = top + size[1] // 2, max(1, self._pixels(1)), (width - size[0]) // 2
            bars.append(Bar(left, middle, end - left, height, colour))
            bars.append(Bar(width - end, middle, right - (width - end), height, colour))

    def _add_edges(self, block: Block, after: Block | None, tint: str, bars: list[Bar], *, is_first: bool) -> None:
        """Add what a message with a tint has at its edges: air above its name, more of the tint below, a bar."""
        width = self._text.winfo_width() - 2  # without the ring of the focus
        first, last = (
            self._row(block.body_start - block.has_header),
            self._row(block.start + block.lines - 1, "lineend"),
        )
        top = 0 if first is None else first[1]
        bottom = self._text.winfo_height() if last is None else last[1] + last[3]
        edge, air = self._pixels(EDGE), self._pixels(HEADER_AIR - EDGE)
        if block.has_header and first is not None:
            above = top + (0 if is_first else edge)  # which belongs to the tint before
            top += air
            bars.append(Bar(1, above, width, top - above, self._palette.paper))
        if last is not None and (after is None or after.has_header or after.day or not _is_message(after)):
            bars.append(Bar(1, bottom, width, edge, tint))
            bottom += edge
        if block.entry.is_mention:
            bars.append(Bar(1, top, self._pixels(BAR_WIDTH), bottom - top, self._palette.mention_bar))

    def _row(self, number: int, place: str = "linestart") -> tuple[int, int, int, int, int] | None:
        """Return what Tk tells of the row in which a line begins, or ends; None where it is not in view."""
        return self._text.dlineinfo(f"{self._drawn.line_of(number)}.0 {place}")

    def _pixels(self, count: float) -> int:
        return round(count * self._unit)

    # Showing it.

    def _place(self, discs: list[Disc], bars: list[Bar], plates: list[Plate]) -> None:
        palette = self._palette
        for label, disc in zip(self._pooled(self._discs, len(discs), self._new_label), discs, strict=True):
            fill, colour = disc_colours(disc.hue, palette)
            label.configure(image=self._rounded(self._diameter, self._diameter, fill), font=self._fonts[0])
            label.configure(text=disc.initial, foreground=colour, background=disc.background)
            size = self._diameter
            label.place(x=self._pixels(DISC_LEFT), y=disc.y, width=size, height=size, bordermode="outside")
        for label, plate in zip(self._pooled(self._plates, len(plates), self._new_label), plates, strict=True):
            image = self._rounded(plate.width, plate.height, palette.hover) if plate.is_pill else ""
            label.configure(image=image, text=plate.text, foreground=plate.colour, background=palette.paper)
            label.configure(font=self._fonts[1])
            width = max(plate.width, plate.covered)
            label.place(relx=0.5, y=plate.y, anchor="n", bordermode="outside", width=width, height=plate.height)
        for frame, bar in zip(self._pooled(self._bars, len(bars), self._new_bar), bars, strict=True):
            y = max(1, bar.y)
            frame.configure(background=bar.colour)
            frame.place(x=bar.x, y=y, width=bar.width, height=max(0, bar.y + bar.height - y), bordermode="outside")

    def _pooled(self, pool: list[Widget], count: int, make: Callable[[], Widget]) -> list[Widget]:
        """Return so many widgets of a pool, and hide the others."""
        while len(pool) < count:
            pool.append(make())
        for unused in pool[count:]:
            unused.place_forget()
        return pool[:count]

    def _new_label(self) -> tk.Label:
        label = tk.Label(self._text, compound="center", borderwidth=0, padx=0, pady=0, cursor="arrow")
        label.lower()  # below the button for new messages, and below the lines beside a text
        self._bind_wheel(label)
        return label

    def _new_bar(self) -> tk.Frame:
        bar = tk.Frame(self._text)
        bar.lower()
        if self._plates:
            bar.lift(self._plates[0])  # the others are below it
        self._bind_wheel(bar)
        return bar

    def _bind_wheel(self, widget: tk.Misc) -> None:
        for wheel in ("<MouseWheel>", "<Button-4>", "<Button-5>"):
            widget.bind(wheel, self._on_wheel)

    def _rounded(self, width: int, height: int, colour: str) -> str:
        """Return a picture of Tk's with round ends."""
        radius, rest = height // 2, height % 2
        data = (radius, (Layer(0.0, colour),), (width - 2 * radius, rest))
        return picture(self._text, f"chat-{width}x{height}-{colour}", rounded(*data))

    def _on_wheel(self, event: tk.Event[tk.Misc]) -> None:
        if event.num in (4, 5):
            self._text.event_generate(f"<Button-{event.num}>", x=1, y=1)
        else:
            self._text.event_generate("<MouseWheel>", delta=event.delta, x=1, y=1)


def ground_of(entry: Entry, palette: Palette) -> str:
    """Return the background of an entry."""
    if entry.is_own:
        return palette.own
    return palette.mention if entry.is_mention else palette.paper


def _is_message(block: Block) -> bool:
    return bool(block.entries) and block.entry.kind is Kind.MESSAGE
