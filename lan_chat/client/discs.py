"""What lies on the conversation: the discs with the initials, and the bars beside messages that mention the user.

Main thread only. Tk cannot draw a letter into an image, so a disc is a label with an image, placed where its name is in
view; there are never more labels than fit the window.
"""

from __future__ import annotations

import math
import struct
import tkinter as tk
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from lan_chat.client.palette import Palette, disc_colours


@dataclass(frozen=True)
class Disc:
    """A disc in view."""

    y: int
    hue: int
    initial: str
    background: str


@dataclass(frozen=True)
class Bar:
    """A bar in view."""

    y: int
    height: int


class Overlay:
    """The discs and bars on a text."""

    def __init__(self, text: tk.Text) -> None:
        self._text = text
        self._palette: Palette | None = None
        self._diameter = 0
        self._x = 0
        self._images: dict[int, tk.PhotoImage] = {}
        self._labels: list[tk.Label] = []
        self._bars: list[tk.Frame] = []
        self._shown: tuple[tuple[Disc, ...], tuple[Bar, ...]] = ((), ())

    def apply_theme(self, palette: Palette, *, diameter: int, x: int, font: str) -> None:
        """Apply the colours of a theme; sizes are in pixels."""
        self._palette, self._x = palette, x
        self._diameter = diameter
        self._images.clear()
        self._shown = ((), ())
        for label in self._labels:
            label.configure(image="", font=font)
            label.place_forget()
        for bar in self._bars:
            bar.configure(background=palette.mention_bar)
            bar.place_forget()
        self._font = font

    def show(self, discs: Iterable[Disc], bars: Iterable[Bar]) -> None:
        """Show these, and no others."""
        shown = (tuple(discs), tuple(bars))
        if shown == self._shown or self._palette is None:
            return
        self._shown = shown
        while len(self._labels) < len(shown[0]):
            self._labels.append(self._new_label())
        while len(self._bars) < len(shown[1]):
            self._bars.append(tk.Frame(self._text, background=self._palette.mention_bar, width=4))
        for label, disc in zip(self._labels, shown[0], strict=False):
            fill = disc_colours(disc.hue, self._palette)[1]
            image = self._image(disc.hue)
            label.configure(image=image, text=disc.initial, foreground=fill, background=disc.background)
            label.place(x=self._x, y=disc.y, width=self._diameter, height=self._diameter, bordermode="outside")
        for bar, place in zip(self._bars, shown[1], strict=False):
            bar.place(x=0, y=place.y, height=place.height, bordermode="outside")
        for unused in (*self._labels[len(shown[0]) :], *self._bars[len(shown[1]) :]):
            unused.place_forget()

    def _new_label(self) -> tk.Label:
        label = tk.Label(self._text, compound="center", borderwidth=0, padx=0, pady=0, font=self._font, cursor="arrow")
        for wheel in ("<MouseWheel>", "<Button-4>", "<Button-5>"):
            label.bind(wheel, self._on_wheel)
        return label

    def _image(self, hue: int) -> tk.PhotoImage:
        if hue not in self._images:
            assert self._palette is not None
            fill = disc_colours(hue, self._palette)[0]
            self._images[hue] = tk.PhotoImage(master=self._text, data=disc_png(fill, self._diameter))
        return self._images[hue]

    def _on_wheel(self, event: tk.Event[tk.Misc]) -> None:
        if event.num in (4, 5):
            self._text.event_generate(f"<Button-{event.num}>", x=1, y=1)
        else:
            self._text.event_generate("<MouseWheel>", delta=event.delta, x=1, y=1)


def disc_png(colour: str, diameter: int) -> bytes:
    """Return a disc as a PNG image: its only colour in a palette, the transparency of each pixel as the index."""
    radius = diameter / 2
    rows = bytearray()
    for y in range(diameter):
        rows.append(0)  # the row's filter: none
        for x in range(diameter):
            distance = math.hypot(x + 0.5 - radius, y + 0.5 - radius)
            rows.append(round(255 * min(1.0, max(0.0, radius - distance))))
    red_green_blue = bytes(int(colour[at : at + 2], 16) for at in (1, 3, 5))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">IIBBBBB", diameter, diameter, 8, 3, 0, 0, 0)),
            chunk(b"PLTE", red_green_blue * 256),
            chunk(b"tRNS", bytes(range(256))),
            chunk(b"IDAT", zlib.compress(bytes(rows))),
            chunk(b"IEND", b""),
        )
    )
