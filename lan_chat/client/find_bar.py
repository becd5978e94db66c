"""The find bar: a line in which the user searches the conversation. Main thread only."""

from __future__ import annotations

from collections.abc import Callable
from tkinter import ttk

from lan_chat.client.words import ITALIAN, ClientWords


class FindBar:
    """A search field with its count and its buttons; the search itself is the caller's `find`.

    `find` takes the wanted text and whether to go backwards, and returns the number of the match shown and how many
    matches there are; `forget_found` ends the search; `leave` gives the focus back.
    """

    def __init__(
        self,
        parent: ttk.Frame,
        *,
        find: Callable[[str, bool], tuple[int, int]],
        forget_found: Callable[[], object],
        leave: Callable[[], object],
    ) -> None:
        self._find = find
        self._forget_found = forget_found
        self._leave = leave
        self._words = ITALIAN
        self.frame = ttk.Frame(parent, padding=(0, 0, 0, 8))
        self.frame.columnconfigure(1, weight=1)
        self._label = ttk.Label(self.frame)
        self._label.grid(row=0, column=0, padx=(0, 8))
        self.entry = ttk.Entry(self.frame, font="TkTextFont")
        self.entry.grid(row=0, column=1, sticky="ew")
        self.count = ttk.Label(self.frame, width=18)
        self.count.grid(row=0, column=2, padx=8)
        ttk.Button(self.frame, text="↑", width=3, command=lambda: self.step(True)).grid(row=0, column=3)
        ttk.Button(self.frame, text="↓", width=3, command=lambda: self.step(False)).grid(row=0, column=4)
        ttk.Button(self.frame, text="×", width=3, command=self.close).grid(row=0, column=5)
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
        number, count = self._find(self.entry.get(), is_backwards)
        found = self._words.find_count.format(number=number, count=count) if count else self._words.find_nothing
        self.count.configure(text=found)
