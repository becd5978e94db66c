"""The list of the people in the room. Main thread only.

A canvas on which only the rows in sight are drawn, so that a thousand names cost as little as ten.
"""

from __future__ import annotations

import bisect
import tkinter as tk
from collections.abc import Callable, Iterable
from tkinter import font as tkfont
from tkinter import ttk

from lan_chat.client.composing import without_beyond
from lan_chat.client.desktop import draws_every_letter, is_aqua
from lan_chat.client.entries import initial_of
from lan_chat.client.fitting import shortened
from lan_chat.client.palette import PALETTES, Palette, disc_colours, hue_of, name_colour
from lan_chat.client.pictures import Layer, rounded
from lan_chat.client.theme import SMALL, SMALL_BOLD, picture, pixels, style_menu
from lan_chat.client.words import ITALIAN, ClientWords
from protocol import MAX_NAMES

LIST_WIDTH = 200
"""Width of the list, in pixels at 100 %; it grows with the font, and is at most a third of the window."""
DISC_RADIUS = 10
"""In pixels at 100 %; a larger font has a larger disc."""


class PeopleList:
    """The names of the people in the room, sorted, with their number.

    A click on a name calls `address`; a secondary click opens a menu. Nothing stays selected: only the row under the
    pointer is marked, and the one that the keys act on while the list has the focus.
    """

    def __init__(self, parent: ttk.Frame, address: Callable[[str], object]) -> None:
        self._address = address
        self._keys: list[tuple[str, str]] = []
        """Sort key and name of each row."""
        self._own_name = ""
        self._away: frozenset[str] = frozenset()
        self._is_stale = False
        """Whether the link is broken, so that nobody knows who is there now."""
        self._active = 0
        """The row that the keys act on."""
        self._under_pointer: int | None = None
        self._row_height = self._radius = 1
        self._draw_id = ""
        self._drawn_part: tuple[float, float] | None = None
        self._menu: tk.Menu | None = None
        self._words = ITALIAN
        self._palette = PALETTES["light"]
        self._can_draw_all = draws_every_letter(parent)
        self.frame = ttk.Frame(parent, style="Side.TFrame")
        self.frame.rowconfigure(1, weight=1)
        self.frame.columnconfigure(0, weight=1)
        margin = pixels(parent, 12)
        self.title = ttk.Label(self.frame, style="Side.TLabel", padding=(margin, margin, margin, pixels(parent, 4)))
        self.title.configure(width=1)  # or a large font would make the list wider than it may be
        self.title.grid(row=0, column=0, columnspan=2, sticky="ew")
        self.list = tk.Canvas(self.frame, width=1, height=1, highlightthickness=1, borderwidth=0, takefocus=True)
        self._scrollbar = ttk.Scrollbar(self.frame, command=self.list.yview, style="Side.Vertical.TScrollbar")
        self.list.configure(yscrollcommand=self._on_scrolled, confine=True)
        self.list.grid(row=1, column=0, sticky="nsew")
        self._scrollbar.grid(row=1, column=1, sticky="ns")
        self._bind()

    def _bind(self) -> None:
        names = self.list
        names.bind("<Configure>", lambda event: self._changed())
        names.bind("<ButtonRelease-1>", self._on_click)
        for click in ("<Button-2>", "<Control-Button-1>") if is_aqua(names.winfo_toplevel()) else ("<Button-3>",):
            names.bind(click, self._on_secondary_click)
        names.bind("<Motion>", lambda event: self._point_at(self._row_at(event.y)))
        names.bind("<Leave>", lambda event: self._point_at(None))
        for key in ("<Return>", "<KP_Enter>", "<space>"):
            names.bind(key, self._on_key)
        for key in ("<Menu>", "<App>", "<Shift-F10>"):
            try:
                names.bind(key, self._on_menu_key)
            except tk.TclError:  # a key that another system has
                continue
        for key, step in (("Up", -1), ("Down", 1), ("Prior", -10), ("Next", 10), ("Home", -(10**9)), ("End", 10**9)):
            names.bind(f"<{key}>", lambda event, step=step: self._move(step))  # type: ignore[misc]
        names.bind("<FocusIn>", lambda event: self._changed())
        names.bind("<FocusOut>", lambda event: self._changed())
        if names.tk.call("tk", "windowingsystem") == "x11":
            names.bind("<Button-4>", lambda event: names.yview_scroll(-3, "units"))
            names.bind("<Button-5>", lambda event: names.yview_scroll(3, "units"))
        names.bind("<MouseWheel>", lambda event: names.yview_scroll(-3 if event.delta > 0 else 3, "units"))

    @property
    def names(self) -> list[str]:
        """The names of the people in the room, sorted."""
        return [name for _, name in self._keys]

    def set(self, names: Iterable[str]) -> None:
        """Replace the list by these names."""
        self._keys = sorted((name.casefold(), name) for name in set(names))
        self._active = 0
        self._changed()

    def add(self, name: str) -> None:
        """Add a name, unless it is in the list, or that is full: only a hostile server names more."""
        key = (name.casefold(), name)
        place = bisect.bisect_left(self._keys, key)
        if self._keys[place : place + 1] != [key] and len(self._keys) < MAX_NAMES:
            self._keys.insert(place, key)
            self._keep_place(place, 1)

    def remove(self, name: str) -> None:
        """Remove a name, if it is in the list."""
        key = (name.casefold(), name)
        place = bisect.bisect_left(self._keys, key)
        if self._keys[place : place + 1] == [key]:
            del self._keys[place]
            self._keep_place(place, -1)

    def set_own_name(self, name: str) -> None:
        """Note which name is the user's own, which the list says."""
        if name != self._own_name:
            self._own_name = name
            self._changed()

    def set_away(self, names: Iterable[str]) -> None:
        """Note who has lost the link to the server; these names are greyed, and say so by an empty disc."""
        self._away = frozenset(names)
        self._changed()

    def set_stale(self, is_stale: bool) -> None:
        """Grey the list, while the link is broken and nobody knows who is there now."""
        if is_stale != self._is_stale:
            self._is_stale = is_stale
            self._changed()

    def apply_theme(self, palette: Palette) -> None:
        """Apply the colours of a theme, and the current font sizes."""
        self._palette = palette
        # The ring of the focus is there always, or the list would move when it comes.
        self.list.configure(background=palette.window, highlightbackground=palette.window)
        self.list.configure(highlightcolor=palette.accent)
        line = tkfont.nametofont("TkTextFont", root=self.list).metrics("linespace")
        self._radius = max(pixels(self.list, DISC_RADIUS), round(line * 0.6))
        self._row_height = 2 * self._radius + pixels(self.list, 8)
        self.list.configure(yscrollincrement=max(1, self._row_height // 3))
        self._changed()

    def set_language(self, words: ClientWords) -> None:
        """Change the language."""
        self._words = words
        self._changed()

    def fit(self, window_width: int) -> None:
        """Take at most a third of the window's width, which is in pixels."""
        usual = max(pixels(self.list, LIST_WIDTH), tkfont.nametofont("TkTextFont", root=self.list).measure("0" * 18))
        width = max(1, min(usual, window_width // 3))
        if width != int(self.list["width"]):
            self.list.configure(width=width)
            self._count()

    def bounds_of(self, name: str) -> tuple[int, int, int, int] | None:
        """Return left, top, width and height of a name's row within `list`, as far as it is in sight."""
        place = self.names.index(name)
        top = self._top(place)
        if not 0 <= top + self._row_height // 2 < self.list.winfo_height():
            return None
        return 0, top, self.list.winfo_width(), self._row_height

    def colours_of(self, name: str) -> tuple[str, str]:
        """Return the colours of a name's disc and of the name itself."""
        palette, hue = self._palette, hue_of(name)
        if self._is_stale or name in self._away:
            return palette.line, palette.quiet
        return disc_colours(hue, palette)[0], name_colour(hue, palette)

    def first_in_sight(self) -> int:
        """Return the number of the uppermost row in sight, also where it is half hidden."""
        return max(0, self._offset() // self._row_height)

    # Drawing.

    def _changed(self) -> None:
        """Draw the list as soon as there is time, however much changes until then."""
        self._count()
        if not self._draw_id:
            self._draw_id = self.list.after_idle(self._draw)

    def _keep_place(self, place: int, step: int) -> None:
        """Keep in sight what is, where a row was added or removed above it."""
        if place < self._active:
            self._active += step
        self._active = max(0, min(self._active, len(self._keys) - 1))
        first = self.first_in_sight()
        self._changed()
        if self._offset() > 0 and place < first:
            self._set_region()
            self._scroll_to(self._offset() + step * self._row_height)

    def _count(self) -> None:
        measure = tkfont.nametofont(SMALL_BOLD, root=self.list).measure
        width = int(self.list["width"]) - pixels(self.list, 16)
        count = shortened(self._words.people.format(count=len(self._keys)), width, measure)
        if count != self.title["text"]:
            self.title.configure(text=count)

    def _draw(self) -> None:
        self._draw_id = ""
        names = self.list
        self._set_region()
        names.delete("all")
        first = self.first_in_sight()
        count = names.winfo_height() // self._row_height + 2
        has_focus = str(names.tk.call("focus")) == str(names)
        for place, (_, name) in enumerate(self._keys[first : first + count], first):
            self._draw_row(place, name, has_focus and place == self._active)

    def _draw_row(self, place: int, name: str, is_active: bool) -> None:
        names, palette = self.list, self._palette
        top, width = place * self._row_height, names.winfo_width()
        middle = top + self._row_height // 2
        if is_active or place == self._under_pointer:
            edge, inset = palette.accent if is_active else palette.line, pixels(names, 4)
            right, bottom = width - inset - 1, top + self._row_height - 1
            names.create_rectangle(inset, top, right, bottom, fill=palette.hover, outline=edge)
        fill, colour = self.colours_of(name)
        initial = palette.quiet if fill == palette.line else disc_colours(hue_of(name), palette)[1]
        radius, left = self._radius, pixels(names, 12)
        layers = [Layer(0.0, fill)]
        if name in self._away:  # not by the colour alone
            layers = [Layer(0.0, palette.quiet), Layer(pixels(names, 1.5), palette.window)]
        key = f"chat-disc-{radius}-{'-'.join(layer.colour for layer in layers)}"
        disc = picture(names, key, rounded(radius, tuple(layers)))
        names.create_image(left, middle, image=disc, anchor="w")
        names.create_text(left + radius, middle, text=initial_of(name), fill=initial, font=SMALL)
        text = left + 2 * radius + pixels(names, 8)
        measure = tkfont.nametofont("TkTextFont", root=names).measure
        drawn, room = self._as_drawn(name), width - text - pixels(names, 12)
        if name == self._own_name:
            you = self._words.you.format(name="")
            shown = shortened(drawn, room - measure(you), measure) + you
        else:
            shown = shortened(drawn, room, measure)
        names.create_text(text, middle, text=shown, fill=colour, font="TkTextFont", anchor="w", tags=(f"row-{place}",))

    def _as_drawn(self, name: str) -> str:
        return name if self._can_draw_all else without_beyond(name)

    # Scrolling.

    def _set_region(self) -> None:
        height = len(self._keys) * self._row_height
        self.list.configure(scrollregion=(0, 0, self.list.winfo_width(), max(height, 1)))

    def _offset(self) -> int:
        return int(self.list.canvasy(0))

    def _top(self, place: int) -> int:
        return place * self._row_height - self._offset()

    def _scroll_to(self, offset: int) -> None:
        height = len(self._keys) * self._row_height
        if height:
            self.list.yview_moveto(max(0, offset) / height)

    def _on_scrolled(self, first: float, last: float) -> None:
        """Show the scrollbar only where there is something to scroll."""
        self._scrollbar.set(first, last)
        if float(first) <= 0.0 and float(last) >= 1.0:
            self._scrollbar.grid_remove()
        else:
            self._scrollbar.grid()
        if (first, last) != self._drawn_part:  # else drawing, which sets the region, would cause drawing for ever
            self._drawn_part = (first, last)
            self._changed()

    # What the user does.

    def _row_at(self, y: int) -> int | None:
        """Return the row at a height within the list; None below the last one."""
        place = (y + self._offset()) // self._row_height
        return place if 0 <= place < len(self._keys) else None

    def _point_at(self, place: int | None) -> None:
        if place != self._under_pointer:
            self._under_pointer = place
            self.list.configure(cursor="" if place is None else "hand2")
            self._changed()

    def _on_click(self, event: tk.Event[tk.Canvas]) -> None:
        place = self._row_at(event.y)
        if place is not None and 0 <= event.x < self.list.winfo_width():
            self._address(self._keys[place][1])

    def _on_key(self, event: tk.Event[tk.Canvas]) -> str:
        if self._active < len(self._keys):
            self._address(self._keys[self._active][1])
        return "break"

    def _move(self, step: int) -> str:
        self._active = max(0, min(self._active + step, len(self._keys) - 1))
        top, height = self._top(self._active), self.list.winfo_height()
        if top < 0:
            self._scroll_to(self._offset() + top)
        elif top + self._row_height > height:
            self._scroll_to(self._offset() + top + self._row_height - height)
        self._changed()
        return "break"

    def _on_secondary_click(self, event: tk.Event[tk.Canvas]) -> str:
        place = self._row_at(event.y)
        if place is not None:
            self._pop_up(place, event.x_root, event.y_root)
        return "break"

    def _on_menu_key(self, event: tk.Event[tk.Canvas]) -> str:
        if self._active < len(self._keys):
            top = self._top(self._active) + self._row_height
            self._pop_up(self._active, self.list.winfo_rootx() + pixels(self.list, 12), self.list.winfo_rooty() + top)
        return "break"

    def _pop_up(self, place: int, x: int, y: int) -> None:
        """Open the menu of a name."""
        name, palette = self._keys[place][1], self._palette
        if self._menu is not None:
            self._menu.destroy()
        # Kept: a menu without a reference is destroyed before it is seen. A child of the window, as the other menus.
        self._menu = menu = tk.Menu(self.list.winfo_toplevel(), tearoff=False)
        short = shortened(self._as_drawn(name), pixels(menu, 240), tkfont.nametofont("TkMenuFont", root=menu).measure)
        menu.add_command(label=self._words.people_address.format(name=short), command=lambda: self._address(name))
        menu.add_command(label=self._words.people_copy, command=lambda: self._copy(name))
        style_menu(menu, palette)
        menu.tk_popup(x, y)

    def _copy(self, name: str) -> None:
        self.list.clipboard_clear()
        self.list.clipboard_append(name)
