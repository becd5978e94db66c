"""The list of the rooms that were found, of which one can be selected. Main thread only.

A canvas, as each row has two lines whose parts look different. Only the rows in sight are drawn, once whatever changes
meanwhile, as anybody in the LAN may change them often. Where there is no room, a text stands in their place.
"""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from tkinter import font as tkfont
from tkinter import ttk

from lan_chat.client.desktop import drawable
from lan_chat.client.fitting import shortened
from lan_chat.client.theme import BOLD, SMALL, lock_picture, palette_in_use, person_picture, pixels, show_focus
from lan_chat.client.words import ClientWords
from lan_chat.rooms import Found

USUAL_ROWS = 4
"""How many rows are in sight, as long as they take no more than SCREEN_SHARE of the screen's height."""
SCREEN_SHARE = 0.25
PAGE = 4
"""How many rows Page Up and Page Down go."""


@dataclass(frozen=True)
class RoomCalls:
    """What the list calls."""

    on_select: Callable[[], object]
    """The user has selected another room."""
    on_enter: Callable[[], object]
    """The user wants to enter the room that is selected."""


class RoomList:
    """The rooms, in the order in which they were found: a new one comes last, and moves nothing.

    What is selected stays so, by the `id` of the room, also while it moves or is silent for a while.
    """

    def __init__(self, parent: ttk.Frame, words: ClientWords, calls: RoomCalls) -> None:
        self._words = words
        self._calls = calls
        self._found: list[Found] = []
        self._selected_id = self._current_id = ""
        self._under_pointer: int | None = None
        self._draw_id = ""
        self._drawn_part: tuple[float, float] | None = None
        self._palette = palette_in_use(parent)
        self.text = ""
        """What stands in the place of rooms, where there are none."""
        self.frame = ttk.Frame(parent, style="Field.TFrame", padding=pixels(parent, 3))
        self.frame.columnconfigure(0, weight=1)
        self.frame.rowconfigure(0, weight=1)
        self.list = tk.Canvas(self.frame, width=1, highlightthickness=0, borderwidth=0, takefocus=True)
        self._scrollbar = ttk.Scrollbar(self.frame, command=self.list.yview)
        self.list.configure(yscrollcommand=self._on_scrolled, confine=True)
        self.list.grid(row=0, column=0, sticky="nsew")
        self._scrollbar.grid(row=0, column=1, sticky="ns")
        show_focus(self.frame, self.list)
        self._bind()
        self._apply_theme()

    def _bind(self) -> None:
        rows = self.list
        rows.bind("<Configure>", lambda event: self._changed())
        rows.bind("<<ThemeChanged>>", lambda event: self._apply_theme())
        rows.bind("<FocusIn>", lambda event: self._changed(), add="+")
        rows.bind("<FocusOut>", lambda event: self._changed(), add="+")
        rows.bind("<Destroy>", lambda event: self._on_destroy())
        rows.bind("<Button-1>", self._on_click)
        rows.bind("<Double-Button-1>", self._on_double_click)
        rows.bind("<Motion>", lambda event: self._point_at(self._row_at(event.y)))
        rows.bind("<Leave>", lambda event: self._point_at(None))
        for key in ("<Return>", "<KP_Enter>", "<space>"):
            rows.bind(key, self._on_key)
        steps = {"Up": -1, "Down": 1, "Prior": -PAGE, "Next": PAGE, "Home": -(10**6), "End": 10**6}
        for key, step in steps.items():
            rows.bind(f"<{key}>", lambda event, step=step: self.step(step))  # type: ignore[misc]
        if rows.tk.call("tk", "windowingsystem") == "x11":
            rows.bind("<Button-4>", lambda event: rows.yview_scroll(-1, "units"))
            rows.bind("<Button-5>", lambda event: rows.yview_scroll(1, "units"))
        rows.bind("<MouseWheel>", lambda event: rows.yview_scroll(-1 if event.delta > 0 else 1, "units"))

    @property
    def selected(self) -> Found | None:
        """The room that is selected; None also while that is not in the list."""
        place = self._selected_place()
        return None if place is None else self._found[place]

    @property
    def row_height(self) -> int:
        """The height of a row, in pixels."""
        return 2 * pixels(self.list, 7) + self._line_height(BOLD) + self._line_height(SMALL)

    @property
    def usual_height(self) -> int:
        """The height of the rows that are in sight as a rule, in pixels."""
        most = int(SCREEN_SHARE * self.list.winfo_screenheight())
        return max(1, min(USUAL_ROWS, most // self.row_height)) * self.row_height

    def show(self, found: Sequence[Found], text: str) -> None:
        """Show these rooms, and where there are none a text in their place."""
        before = self._selected_place()
        top = None if before is None else before * self.row_height - self._offset()
        self._found, self.text = list(found), text
        place = self._selected_place()
        self._changed()
        if self._found:
            self._set_region(len(self._found) * self.row_height)
        if top is not None and place is not None and place != before:  # one above it has gone
            self._scroll_to(place * self.row_height - top)

    def set_current(self, room_id: str) -> None:
        """Note in which room the user is, which its row says; empty for none."""
        self._current_id = room_id
        self._changed()

    def select(self, room_id: str) -> None:
        """Select a room, or with an empty `id` none."""
        self._selected_id = room_id
        self._changed()
        self._see_selected()

    def step(self, count: int) -> str:
        """Select the room so many rows further down, as the user wants; a text in their place is scrolled."""
        if not self._found:
            self.list.yview_scroll(1 if count > 0 else -1, "units")
            return "break"
        place = self._selected_place()
        if place is None:  # from above the first one down, or from below the last one up
            place = -1 if count > 0 else len(self._found)
        self._select_place(max(0, min(place + count, len(self._found) - 1)))
        return "break"

    def place_of(self, room_id: str) -> tuple[int, int]:
        """Return a place within a room's row, in pixels of `list`."""
        ids = [one.room.id for one in self._found]
        return self.row_height // 2, ids.index(room_id) * self.row_height - self._offset() + self.row_height // 2

    # Drawing.

    def _apply_theme(self) -> None:
        """Apply the colours of the theme, and the current font sizes."""
        self._palette = palette = palette_in_use(self.list)
        self.list.configure(background=palette.paper, yscrollincrement=max(1, self.row_height // 2))
        self._changed()

    def _changed(self) -> None:
        """Draw the list as soon as there is time, however much changes until then."""
        if not self._draw_id:
            self._draw_id = self.list.after_idle(self._draw)

    def _draw(self) -> None:
        self._draw_id = ""
        rows = self.list
        rows.delete("all")
        if self._found:
            self._set_region(len(self._found) * self.row_height)
            first = self._offset() // self.row_height
            count = rows.winfo_height() // self.row_height + 2
            for place, found in enumerate(self._found[first : first + count], first):
                self._draw_row(place, found)
        else:
            gap = pixels(rows, 8)
            text = rows.create_text(gap, gap, anchor="nw", text=self.text, font="TkDefaultFont")
            rows.itemconfigure(text, fill=self._palette.quiet, width=max(1, self._width() - 2 * gap))
            self._set_region(rows.bbox(text)[3] + gap)

    def _draw_row(self, place: int, found: Found) -> None:
        rows, palette, room = self.list, self._palette, found.room
        top, width, gap = place * self.row_height, self._width(), pixels(self.list, 8)
        first = top + pixels(rows, 7) + self._line_height(BOLD) // 2
        second = top + pixels(rows, 7) + self._line_height(BOLD) + self._line_height(SMALL) // 2
        is_selected = room.id == self._selected_id
        if is_selected or place == self._under_pointer:
            fill = palette.own if is_selected else palette.hover
            rows.create_rectangle(0, top, width, top + self.row_height, fill=fill, outline="")
        if is_selected:
            rows.create_rectangle(0, top, pixels(rows, 3), top + self.row_height, fill=palette.accent, outline="")
        count = self._draw_sign(width - gap, first, str(room.people), person_picture(rows, palette))
        code = width - gap
        if room.id and room.id == self._current_id:
            code = self._draw_sign(code, second, self._words.you_are_here)
        elif room.needs_code:
            code = self._draw_sign(code, second, self._words.room_code, lock_picture(rows, palette))
        name = self._short(drawable(rows, room.name), BOLD, count - 3 * gap)
        rows.create_text(2 * gap, first, anchor="w", text=name, font=BOLD, fill=palette.text)
        address = self._words.address.format(host=found.host, port=room.port)
        address = self._short(address, SMALL, code - 3 * gap)
        rows.create_text(2 * gap, second, anchor="w", text=address, font=SMALL, fill=palette.quiet)

    def _draw_sign(self, right: int, middle: int, text: str, picture: str = "") -> int:
        """Draw a text, and a sign before it, which end at `right`; return where they begin."""
        text_id = self.list.create_text(right, middle, anchor="e", text=text, font=SMALL, fill=self._palette.quiet)
        left = self.list.bbox(text_id)[0] - pixels(self.list, 4)
        if not picture:
            return left
        image_id = self.list.create_image(left, middle, anchor="e", image=picture)
        return self.list.bbox(image_id)[0]

    def _short(self, text: str, font: str, width: int) -> str:
        return shortened(text, max(1, width), tkfont.nametofont(font, root=self.list).measure)

    def _line_height(self, font: str) -> int:
        return int(tkfont.nametofont(font, root=self.list).metrics("linespace"))

    def _width(self) -> int:
        return int(self.list.winfo_width())

    # Scrolling.

    def _set_region(self, height: int) -> None:
        self.list.configure(scrollregion=(0, 0, self._width(), max(height, 1)))

    def _offset(self) -> int:
        return int(self.list.canvasy(0))

    def _scroll_to(self, offset: int) -> None:
        self.list.yview_moveto(max(0, offset) / max(1, len(self._found) * self.row_height))

    def _see_selected(self) -> None:
        place = self._selected_place()
        if place is None:
            return
        top, height = place * self.row_height, self.list.winfo_height()
        if top < self._offset():
            self._scroll_to(top)
        elif top + self.row_height > self._offset() + height > 1:  # 1 before it is shown
            self._scroll_to(top + self.row_height - height)

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

    def _on_destroy(self) -> None:
        if self._draw_id:
            self.list.after_cancel(self._draw_id)

    # What the user does.

    def _selected_place(self) -> int | None:
        places = (place for place, one in enumerate(self._found) if one.room.id == self._selected_id)
        return next(places, None)

    def _select_place(self, place: int) -> None:
        self.select(self._found[place].room.id)
        self._calls.on_select()

    def _row_at(self, y: int) -> int | None:
        """Return the row at a height within the list; None below the last one."""
        place = (y + self._offset()) // self.row_height
        return place if 0 <= place < len(self._found) else None

    def _point_at(self, place: int | None) -> None:
        if place != self._under_pointer:
            self._under_pointer = place
            self.list.configure(cursor="" if place is None else "hand2")
            self._changed()

    def _on_click(self, event: tk.Event[tk.Canvas]) -> str:
        self.list.focus_set()
        place = self._row_at(event.y)
        if place is not None:
            self._select_place(place)
        return "break"

    def _on_double_click(self, event: tk.Event[tk.Canvas]) -> str:
        """Enter the room that the first click has selected, if it is the one that the second one is on."""
        place = self._row_at(event.y)
        if place is not None and place == self._selected_place():
            self._calls.on_enter()
        return "break"

    def _on_key(self, event: tk.Event[tk.Canvas]) -> str:
        if self.selected is None:
            self.step(1)
        else:
            self._calls.on_enter()
        return "break"
