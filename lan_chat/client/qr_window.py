"""The window with the QR code by which a phone comes into the room, and the address in it. Main thread only."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from itertools import groupby
from tkinter import ttk

from lan_chat.client.palette import Palette
from lan_chat.client.settings import Settings
from lan_chat.client.side_window import SideWindow
from lan_chat.client.theme import pixels, set_title_bar
from lan_chat.client.words import LANGUAGES
from lan_chat.qr import QUIET_ZONE, Matrix, qr_code

SIDE = 420
"""The code's side, in pixels at 100 %, and at most."""
SCREEN_SHARE = 0.6
"""The most that the code takes of the screen's width and height."""
DARK, LIGHT = "#000000", "#ffffff"
"""In every theme: not every reader takes a code with light and dark exchanged."""


class QrWindow(SideWindow):
    """A window with a code, large, and its text to read and copy."""

    def __init__(self, root: tk.Tk, settings: Settings, palette: Callable[[], Palette]) -> None:
        super().__init__(root)
        self._settings = settings
        self._palette = palette
        self._shown = ("", False)

    def show(self, link: str, *, is_in_clear: bool = False) -> None:
        """Show the code of a link, and whether to come in by it leaves the protection of the room's code behind."""
        self._shown = (link, is_in_clear)
        words, palette = LANGUAGES[self._settings.language], self._palette()
        window = self._open(words.menu_phones.removesuffix("..."), palette.window)
        set_title_bar(window, palette)
        window.resizable(False, False)
        gap = pixels(window, 12)
        frame = ttk.Frame(window, padding=gap)
        frame.grid(sticky="nsew")
        side = min(
            pixels(window, SIDE), int(SCREEN_SHARE * min(window.winfo_screenwidth(), window.winfo_screenheight()))
        )
        canvas = draw_code(frame, qr_code(link), side)
        canvas.grid(row=0)
        texts = [words.phones_how, *([words.phones_in_clear] if is_in_clear else [])]
        width = max(side, pixels(window, SIDE))
        for row, text in enumerate(texts, 1):
            label = ttk.Label(frame, text=text, wraplength=width, justify="center", anchor="center")
            label.grid(row=row, pady=(gap, 0))
        address = ttk.Entry(frame, width=len(link) + 2, justify="center")
        address.insert(0, link)
        address.configure(state="readonly")
        address.grid(row=len(texts) + 1, pady=(gap, 0))
        button = ttk.Button(frame, text=words.close, command=self.close, style="Side.TButton")
        button.grid(row=len(texts) + 2, sticky="e", pady=(gap, 0))
        button.bind("<Return>", lambda event: self.close())
        address.selection_range(0, "end")
        address.focus_set()

    def refresh(self) -> None:
        """Show the open window in the language and the theme of the settings."""
        if self.window is not None:
            link, is_in_clear = self._shown
            self.show(link, is_in_clear=is_in_clear)


def draw_code(parent: tk.Misc, code: Matrix, side: int) -> tk.Canvas:
    """Return a canvas with a code and its quiet zone, as large as fits; each module has a whole number of pixels."""
    modules = len(code) + 2 * QUIET_ZONE
    scale = max(1, side // modules)
    canvas = tk.Canvas(parent, width=modules * scale, height=modules * scale, background=LIGHT)
    canvas.configure(highlightthickness=0, borderwidth=0)
    for number, row in enumerate(code, QUIET_ZONE):
        column = QUIET_ZONE
        for is_dark, run in groupby(row):
            end = column + len(list(run))
            if is_dark:
                corners = (column * scale, number * scale, end * scale, (number + 1) * scale)
                canvas.create_rectangle(*corners, fill=DARK, outline="", width=0)
            column = end
    return canvas
