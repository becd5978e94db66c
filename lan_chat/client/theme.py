"""Colours and font sizes of the theme, applied to ttk's styles and Tk's named fonts. Main thread only."""

from __future__ import annotations

import tkinter as tk
from tkinter import font as tkfont
from tkinter import ttk

from lan_chat.client.palette import Palette
from lan_chat.client.settings import MIN_FONT_SIZE

FONTS = ("TkDefaultFont", "TkTextFont", "TkMenuFont", "TkHeadingFont")
"""Tk's named fonts that the client uses."""


def usual_font_sizes(root: tk.Tk) -> dict[str, int]:
    """Return the system's own font sizes, in points, by font name."""
    # `actual`, since a size may be set in pixels, as a negative number.
    return {name: int(tkfont.nametofont(name, root=root).actual("size")) for name in FONTS}


def set_font_sizes(root: tk.Tk, usual: dict[str, int], size: int) -> None:
    """Set the size of text, in points, and change all other fonts by as much; 0 for the system's own sizes."""
    step = size - usual["TkTextFont"] if size else 0
    for name, points in usual.items():
        tkfont.nametofont(name, root=root).configure(size=max(MIN_FONT_SIZE, points + step))


def style_widgets(root: tk.Tk, theme: str, palette: Palette) -> None:
    """Apply a theme to ttk's widgets."""
    style = ttk.Style(root)
    # The native ttk themes cannot be dark, and X11 has none: Tk's default theme there is of 1990.
    native = {"win32": "vista", "aqua": "aqua"}.get(str(root.tk.call("tk", "windowingsystem")))
    is_native = theme == "light" and native in style.theme_names()
    style.theme_use(native if is_native and native else "clam")
    root.configure(background=style.lookup("TFrame", "background") if is_native else palette.window)
    style.configure("Status.TLabel", foreground=palette.quiet)
    if is_native:
        return
    style.configure(
        ".",
        background=palette.window,
        foreground=palette.text,
        fieldbackground=palette.paper,
        insertcolor=palette.text,
        bordercolor=palette.border,
        lightcolor=palette.window,
        darkcolor=palette.window,
        troughcolor=palette.window,
        arrowcolor=palette.text,
        selectbackground=palette.accent,
        selectforeground=palette.paper,
    )
    style.map(".", foreground=[("disabled", palette.quiet)], background=[("active", palette.border)])
    style.map("TButton", bordercolor=[("focus", palette.accent)], background=[("active", palette.border)])
    style.map("TEntry", bordercolor=[("focus", palette.accent)])
    style.configure("TScrollbar", background=palette.border, gripcount=0)
