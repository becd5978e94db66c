"""What the window shows while its user has no name yet: the server's request, large, above the field.

Main thread only.
"""

from __future__ import annotations

import tkinter as tk
from tkinter import font as tkfont
from tkinter import ttk

from lan_chat.client.theme import LARGE, pixels

MAX_TEXT_WIDTH = 520
"""In pixels at 100 %: wider lines of large text are hard to read."""
MAX_LETTERS = 36
"""The same in digits of the font: the larger of the two counts."""


class NamingPanel:
    """The request for a name, and below it why the last one could not be taken, or what else has happened.

    It covers what lies in its cell of the grid while there is nothing to be read there.
    """

    def __init__(self, parent: ttk.Frame) -> None:
        self._shown: tuple[str, int | None] = ("", None)
        self.frame = ttk.Frame(parent, padding=pixels(parent, 16))
        self.frame.columnconfigure(0, weight=1)
        self.frame.rowconfigure((0, 3), weight=1)
        self.request = ttk.Label(self.frame, style="Large.TLabel", anchor="center", justify="center")
        self.problem = ttk.Label(self.frame, style="Problem.TLabel", anchor="center", justify="center")
        self.request.grid(row=1, column=0)
        self.problem.grid(row=2, column=0, pady=(pixels(parent, 12), 0))
        self.frame.bind("<Configure>", self._on_configure)

    def show(self, request: str, row: int | None) -> None:
        """Show the request in a row of the grid; None for not at all."""
        if (request, row) == self._shown:
            return
        self._shown = (request, row)
        self.request.configure(text=request)
        if row is None:
            self.frame.grid_remove()
        else:
            self.frame.grid(row=row, column=0, sticky="nsew")
            self.frame.lift()

    def tell(self, problem: str) -> None:
        """Show what has happened; empty for nothing."""
        self.problem.configure(text=problem)

    def _on_configure(self, event: tk.Event[ttk.Frame]) -> None:
        letters = MAX_LETTERS * tkfont.nametofont(LARGE, root=self.frame).measure("0")
        longest = max(pixels(self.frame, MAX_TEXT_WIDTH), letters)
        width = max(1, min(event.width - 2 * pixels(self.frame, 16), longest))
        for label in (self.request, self.problem):
            label.configure(wraplength=width)
