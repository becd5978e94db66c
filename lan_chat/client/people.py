"""The list of the people in the room. Main thread only."""

from __future__ import annotations

import bisect
import tkinter as tk
from collections.abc import Callable, Iterable
from tkinter import font as tkfont
from tkinter import ttk

from lan_chat.client.composing import without_beyond
from lan_chat.client.desktop import draws_every_letter
from lan_chat.client.palette import PALETTES, Palette, hue_of, name_colour
from lan_chat.client.words import ITALIAN, ClientWords

MIN_PEOPLE_WIDTH, MAX_PEOPLE_WIDTH = 9, 18
"""Width of the list, in characters."""


class PeopleList:
    """The names of the people in the room, sorted, with their number; a click on a name calls `address`."""

    def __init__(self, parent: ttk.Frame, address: Callable[[str], object]) -> None:
        self._address = address
        self._keys: list[tuple[str, str]] = []
        """Sort key and name of each row."""
        self._words = ITALIAN
        self._palette = PALETTES["light"]
        self._can_draw_all = draws_every_letter(parent)
        self.frame = ttk.Frame(parent, padding=(8, 0, 0, 0))
        self.frame.rowconfigure(1, weight=1)
        self.title = ttk.Label(self.frame)
        self.title.grid(row=0, column=0, columnspan=2, sticky="w")
        self.list = tk.Listbox(self.frame, width=MAX_PEOPLE_WIDTH, relief="flat", borderwidth=4, highlightthickness=1)
        self.list.configure(font="TkTextFont", activestyle="dotbox", exportselection=False)
        self._scrollbar = ttk.Scrollbar(self.frame, command=self.list.yview)
        self.list.configure(yscrollcommand=self._on_scrolled)
        self.list.grid(row=1, column=0, sticky="nsew")
        self._scrollbar.grid(row=1, column=1, sticky="ns")
        self.list.bind("<ButtonRelease-1>", self._on_click)
        self.list.bind("<Return>", self._on_key)
        self.list.bind("<space>", self._on_key)

    @property
    def names(self) -> list[str]:
        """The names of the people in the room, sorted."""
        return [name for _, name in self._keys]

    def set(self, names: Iterable[str]) -> None:
        """Replace the list by these names."""
        self._keys = sorted((name.casefold(), name) for name in set(names))
        self.list.delete(0, "end")
        self.list.insert("end", *map(self._as_drawn, self.names))
        self.list.activate(0)  # the row where the keyboard starts; by itself it would be the last one
        for place, name in enumerate(self.names):
            self._colour(place, name)
        self._count()

    def add(self, name: str) -> None:
        """Add a name, unless it is in the list."""
        key = (name.casefold(), name)
        place = bisect.bisect_left(self._keys, key)
        if self._keys[place : place + 1] != [key]:
            self._keys.insert(place, key)
            self.list.insert(place, self._as_drawn(name))
            self._colour(place, name)
            self._count()

    def remove(self, name: str) -> None:
        """Remove a name, if it is in the list."""
        key = (name.casefold(), name)
        place = bisect.bisect_left(self._keys, key)
        if self._keys[place : place + 1] == [key]:
            del self._keys[place]
            self.list.delete(place)
            self._count()

    def apply_theme(self, palette: Palette) -> None:
        """Apply the colours of a theme."""
        self._palette = palette
        self.list.configure(background=palette.paper, foreground=palette.text)
        self.list.configure(selectbackground=palette.accent, selectforeground=palette.paper)
        self.list.configure(highlightbackground=palette.border, highlightcolor=palette.accent)
        for place, name in enumerate(self.names):
            self._colour(place, name)

    def set_language(self, words: ClientWords) -> None:
        """Change the language."""
        self._words = words
        self._count()

    def fit(self, window_width: int) -> None:
        """Take at most a third of the window's width, which is in pixels."""
        character_width = tkfont.nametofont("TkTextFont", root=self.list).measure("0")
        width = max(MIN_PEOPLE_WIDTH, min(MAX_PEOPLE_WIDTH, window_width // 3 // character_width))
        if width != int(self.list["width"]):
            self.list.configure(width=width)

    def _as_drawn(self, name: str) -> str:
        return name if self._can_draw_all else without_beyond(name)

    def _colour(self, place: int, name: str) -> None:
        self.list.itemconfigure(place, foreground=name_colour(hue_of(name), self._palette))

    def _count(self) -> None:
        self.title.configure(text=self._words.people.format(count=len(self._keys)))

    def _on_scrolled(self, first: float, last: float) -> None:
        """Show the scrollbar only where there is something to scroll."""
        self._scrollbar.set(first, last)
        if float(first) <= 0.0 and float(last) >= 1.0:
            self._scrollbar.grid_remove()
        else:
            self._scrollbar.grid()

    def _on_click(self, event: tk.Event[tk.Listbox]) -> None:
        place = self.list.index(f"@{event.x},{event.y}")
        bounds = self.list.bbox(place) if place >= 0 else None
        if bounds and bounds[1] <= event.y <= bounds[1] + bounds[3]:  # not the empty space below the last row
            self._address(self._keys[place][1])

    def _on_key(self, event: tk.Event[tk.Listbox]) -> str:
        place = self.list.index("active")
        if 0 <= place < len(self._keys):
            self._address(self._keys[place][1])
        return "break"
