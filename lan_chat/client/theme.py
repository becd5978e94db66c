"""How Tk's widgets get the colours and sizes of the settings."""

from __future__ import annotations

import tkinter as tk
from tkinter import font as tkfont
from tkinter import ttk

from lan_chat.client.palette import Palette
from lan_chat.client.settings import MIN_FONT_SIZE

FONTS = ("TkDefaultFont", "TkTextFont", "TkMenuFont", "TkHeadingFont")


def usual_font_sizes(root: tk.Tk) -> dict[str, int]:
    """Give the system's own sizes of the fonts, in points."""
    # `actual`, since a font may be given in pixels, as a negative number.
    return {name: int(tkfont.nametofont(name, root=root).actual("size")) for name in FONTS}


def set_font_sizes(root: tk.Tk, usual: dict[str, int], size: int) -> None:
    """Set all fonts so that text has so many points, 0 for the system's own."""
    step = size - usual["TkTextFont"] if size else 0
    for name, points in usual.items():
        tkfont.nametofont(name, root=root).configure(size=max(MIN_FONT_SIZE, points + step))


def style_widgets(root: tk.Tk, theme: str, palette: Palette) -> None:
    """Give ttk's widgets the colours of a theme."""
    style = ttk.Style(root)
    # The systems' own looks cannot be dark, and X11 has none: Tk's default one is of 1990.
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
