"""The help window: all keys, from the table of actions, and what the program is. Main thread only."""

from __future__ import annotations

import platform
import tkinter as tk
from collections.abc import Callable
from tkinter import font as tkfont
from tkinter import ttk

import lan_chat
from lan_chat.client.actions import ACTIONS
from lan_chat.client.desktop import is_aqua
from lan_chat.client.palette import Palette
from lan_chat.client.settings import Settings
from lan_chat.client.side_window import SideWindow
from lan_chat.client.theme import pixels, set_title_bar
from lan_chat.client.words import LANGUAGES, ClientWords

SCREEN_SHARE = 0.7
"""The most that the text takes of the screen's width and height; the rest is scrolled to."""
ROW_GAP = 2
"""Above and below each row, in pixels at 100 %."""


class HelpWindow(SideWindow):
    """A window with a text to read and copy, opened by `show_keys` and `show_about`; Escape closes it."""

    def __init__(self, root: tk.Tk, settings: Settings, palette: Callable[[], Palette]) -> None:
        super().__init__(root)
        self._settings = settings
        self._palette = palette
        self._show_again: Callable[[], object] | None = None
        """What shows the text that the open window has."""

    def show_keys(self) -> None:
        """Show all keys and what they do."""
        words = LANGUAGES[self._settings.language]
        self._show(words.menu_keys, list_keys(words, is_aqua(self._root)), self.show_keys)

    def show_about(self) -> None:
        """Show which program this is, and the versions of what it runs on."""
        words = LANGUAGES[self._settings.language]
        tk_version = self._root.tk.call("info", "patchlevel")
        about = words.about.format(
            version=lan_chat.__version__,
            python=platform.python_version(),
            tk=tk_version,
            system=platform.platform(terse=True),
        )
        self._show(words.menu_about, about, self.show_about)

    def refresh(self) -> None:
        """Show the open window in the language and the theme of the settings."""
        if self.window is not None and self._show_again is not None:
            self._show_again()

    def _show(self, title: str, content: str, show_again: Callable[[], object]) -> None:
        self._show_again = show_again
        palette = self._palette()
        window = self._open(title, palette.window)
        set_title_bar(window, palette)
        lines = content.split("\n")
        font = tkfont.nametofont("TkTextFont", root=self._root)
        key_width = max(font.measure(f"{line.partition(chr(9))[0]}    ") for line in lines) if "\t" in content else 0
        width = max(key_width * ("\t" in line) + font.measure(line.partition("\t")[2] or line) for line in lines)
        row_gap, gap = pixels(window, ROW_GAP), pixels(window, 12)
        row_height = font.metrics("linespace") + 2 * row_gap
        height = min(len(lines), int(SCREEN_SHARE * window.winfo_screenheight()) // row_height)
        columns = 2 + min(width, int(SCREEN_SHARE * window.winfo_screenwidth())) // font.measure("0")
        text = tk.Text(window, height=height, width=columns, wrap="word")
        text.configure(
            font="TkTextFont", relief="flat", borderwidth=0, padx=gap, pady=gap, spacing1=row_gap, spacing3=row_gap
        )
        text.configure(background=palette.paper, foreground=palette.text, inactiveselectbackground=palette.accent)
        text.configure(selectbackground=palette.accent, selectforeground=palette.paper)
        text.configure(highlightthickness=1, highlightbackground=palette.border, highlightcolor=palette.accent)
        if key_width:
            text.configure(tabs=(key_width,))
            text.tag_configure("row", lmargin2=key_width)
        text.insert("1.0", content, ("row",))
        text.configure(state="disabled")
        text.bind("<Button-1>", lambda event: text.focus_set())  # a disabled text takes no focus by itself
        scrollbar = ttk.Scrollbar(window, command=text.yview)
        text.configure(yscrollcommand=scrollbar.set)
        text.grid(row=0, column=0, sticky="nsew")
        if len(lines) > height:
            scrollbar.grid(row=0, column=1, sticky="ns")
        button = ttk.Button(window, text=LANGUAGES[self._settings.language].close, command=self.close)
        button.configure(style="Side.TButton")
        button.grid(row=1, column=0, columnspan=2, sticky="e", padx=gap, pady=gap)

        def on_tab(event: tk.Event[tk.Text]) -> str:
            button.focus_set()
            return "break"

        text.bind("<Tab>", on_tab)
        button.bind("<Return>", lambda event: self.close())
        text.focus_set()


def list_keys(words: ClientWords, aqua: bool) -> str:
    """Return all keys and what they do, a line each, the key before a tab."""
    rows = [(action.key.accelerator(aqua), getattr(words, action.name)) for action in ACTIONS if action.key is not None]
    return "\n".join(f"{key}\t{label.removesuffix('...')}" for key, label in rows)
