"""The find bar: a line in which the user searches the conversation. Main thread only."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from tkinter import font as tkfont
from tkinter import ttk

from lan_chat.client.finding import Found
from lan_chat.client.theme import pixels
from lan_chat.client.words import ITALIAN, ClientWords

NARROW_LETTERS = 40
"""Below how many digits of the font in width the bar does without its label."""
PAUSE_MS = 10
"""How long a long search lets the window do other things before it goes on."""


class FindBar:
    """A search field with its count and its buttons; the search itself is the caller's `find`.

    `find` takes the wanted text and whether to go backwards, None to go nowhere; it searches for a bounded time, and
    goes on when it is called again. `forget_found` ends the search; `leave` gives the focus back.
    """

    def __init__(
        self,
        parent: ttk.Frame,
        *,
        find: Callable[[str, bool | None], Found],
        forget_found: Callable[[], object],
        leave: Callable[[], object],
    ) -> None:
        self._find = find
        self._forget_found = forget_found
        self._leave = leave
        self._words = ITALIAN
        self.frame = ttk.Frame(parent)
        self.frame.columnconfigure(1, weight=1)
        self._label = ttk.Label(self.frame)
        gap = pixels(parent, 4)
        self._label.grid(row=0, column=0, padx=(0, 2 * gap))
        self.entry = ttk.Entry(self.frame, font="TkTextFont")
        self.entry.grid(row=0, column=1, sticky="ew")
        self.count = ttk.Label(self.frame, style="Count.TLabel")
        self.count.grid(row=0, column=2, padx=gap)
        steps = (("↑", lambda: self.step(True)), ("↓", lambda: self.step(False)), ("×", self.close))
        for column, (sign, command) in enumerate(steps, 3):
            button = ttk.Button(self.frame, text=sign, command=command, style="Tool.TButton")
            button.grid(row=0, column=column, sticky="ns", padx=(gap, 0))
        self.frame.bind("<Configure>", self._on_configure)
        self._searched = ""
        self._next_id = ""
        self.entry.bind("<KeyRelease>", lambda event: self._look())
        self.entry.bind("<Return>", lambda event: self.step(True))
        self.entry.bind("<Shift-Return>", lambda event: self.step(False))
        self.entry.bind("<Up>", lambda event: self.step(True))
        self.entry.bind("<Down>", lambda event: self.step(False))

    def open(self) -> None:
        """Show the find bar, and give its field the focus."""
        self.frame.grid()
        self.entry.focus_set()
        self.entry.selection_range(0, "end")

    def close(self) -> None:
        """Hide the find bar, and end the search."""
        if self._next_id:
            self.entry.after_cancel(self._next_id)
            self._next_id = ""
        self._searched = ""
        self.frame.grid_remove()
        self.count.configure(text="")
        self._forget_found()
        self._leave()

    def set_language(self, words: ClientWords) -> None:
        """Change the language."""
        self._words = words
        self._label.configure(text=words.find)
        self.count.configure(text="")

    def step(self, is_backwards: bool) -> None:
        """Go to the next match in a direction. Return and Up go backwards, since the latest messages are at the end."""
        if not self.frame.winfo_viewable():
            self.open()
        self._search(is_backwards)

    def _on_configure(self, event: tk.Event[ttk.Frame]) -> None:
        """Leave the label out where the field needs its room."""
        if event.width < NARROW_LETTERS * tkfont.nametofont("TkTextFont", root=self.frame).measure("0"):
            self._label.grid_remove()
        else:
            self._label.grid()

    def _look(self) -> None:
        """Mark and count what the user is typing."""
        if self.entry.get() != self._searched:
            self._search(None)

    def _search(self, is_backwards: bool | None) -> None:
        if self._next_id:
            self.entry.after_cancel(self._next_id)
            self._next_id = ""
        self._searched = self.entry.get()
        found = self._find(self._searched, is_backwards)
        if not found.count:
            text = self._words.find_nothing if self._searched or is_backwards is not None else ""
        elif found.number:
            text = self._words.find_count.format(number=found.number, count=found.count)
        else:
            text = self._words.find_total.format(count=found.count)
        self.count.configure(text=text if found.is_complete else f"{found.count}…")
        if not found.is_complete:
            self._next_id = self.entry.after(PAUSE_MS, self._search, None)
