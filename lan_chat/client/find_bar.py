"""The line to look for something in the conversation with."""

from __future__ import annotations

from collections.abc import Callable
from tkinter import ttk

from lan_chat.client.conversation import Conversation
from lan_chat.client.words import ITALIAN, ClientWords


class FindBar:
    """The line to look for something in the conversation with."""

    def __init__(self, parent: ttk.Frame, conversation: Conversation, leave: Callable[[], object]) -> None:
        self._conversation = conversation
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

    def set_language(self, words: ClientWords) -> None:
        """Change the language."""
        self._words = words
        self._label.configure(text=words.find)
        self.count.configure(text="")

    def open(self) -> None:
        """Show the line, and write in it."""
        self.frame.grid()
        self.entry.focus_set()
        self.entry.selection_range(0, "end")

    def step(self, is_backwards: bool) -> None:
        """Go to the next place in a direction; back in time first, since the news is at the end."""
        if not self.frame.winfo_viewable():
            self.open()
        number, count = self._conversation.find(self.entry.get(), is_backwards)
        found = self._words.find_count.format(number=number, count=count) if count else self._words.find_nothing
        self.count.configure(text=found)

    def close(self) -> None:
        """Put the line away."""
        self.frame.grid_remove()
        self.count.configure(text="")
        self._conversation.forget_found(is_over=True)
        self._leave()
