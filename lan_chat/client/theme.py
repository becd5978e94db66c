"""The look of ttk's widgets: colours, fonts, and rounded fields and buttons, drawn at the screen's own scale.

Main thread only. A theme of ttk's is made for each palette when it is first used; its pictures stay with the root.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
import tkinter as tk
from tkinter import font as tkfont
from tkinter import ttk
from typing import Any

from lan_chat.client.palette import PALETTES, Palette, mixed
from lan_chat.client.pictures import Layer, lock, mark, person, pill, rounded
from lan_chat.client.settings import MIN_FONT_SIZE

FONTS = ("TkDefaultFont", "TkTextFont", "TkMenuFont", "TkHeadingFont")
"""Tk's named fonts that the client uses."""
BOLD, SMALL, SMALL_BOLD, TITLE, LARGE = "ChatBold", "ChatSmall", "ChatSmallBold", "ChatTitle", "ChatLarge"
"""Named fonts of ours, made from `TkTextFont`."""
OWN_FONTS = {BOLD: (0, "bold"), SMALL: (-1, ""), SMALL_BOLD: (-1, "bold"), TITLE: (+1, "bold"), LARGE: (+4, "")}
"""How many points they are larger, and their weight; where none is given, the system's."""
LIGHT_THEME, DARK_THEME = "chat-light", "chat-dark"
"""The themes of ttk's that are made here."""
RADIUS = 8
"""Of the corners of fields and buttons, in pixels at 100 %."""
MIDDLE = (256, 48)
"""How many pixels there are between the corners of a picture: enough for a button, and a few make a field."""
SCROLLBAR_WIDTH, THUMB_INSET = 12, 3
"""In pixels at 100 %; the thumb is as much narrower on each side."""
MENU_PADDING = 8
"""Before the label of a menu's entry, and half of it above and below; in pixels at 100 %."""
MARK_SHIFT = 3
"""In pixels, at any scale (seen with Tk 8.6 on X11)."""
DWMWA_USE_IMMERSIVE_DARK_MODE = 20
"""Of DwmSetWindowAttribute, from Windows 10 20H1 on; 19 before."""


def scale_of(widget: tk.Misc) -> float:
    """Return the screen's scale: 1 at 96 pixels an inch, and on macOS, which scales by itself."""
    if widget.tk.call("tk", "windowingsystem") == "aqua":
        return 1.0
    return max(1.0, float(widget.tk.call("tk", "scaling")) * 72 / 96)


def pixels(widget: tk.Misc, count: float) -> int:
    """Return so many pixels at 100 % in pixels of this screen."""
    return round(count * scale_of(widget))


def usual_font_sizes(root: tk.Tk) -> dict[str, int]:
    """Return the system's own font sizes, in points, by font name."""
    # `actual`, since a size may be set in pixels, as a negative number.
    return {name: int(tkfont.nametofont(name, root=root).actual("size")) for name in FONTS}


def set_font_sizes(root: tk.Tk, usual: dict[str, int], size: int) -> None:
    """Set the size of text, in points, and change all other fonts by as much; 0 for the system's own sizes."""
    step = size - usual["TkTextFont"] if size else 0
    for name, points in usual.items():
        tkfont.nametofont(name, root=root).configure(size=max(MIN_FONT_SIZE, points + step))
    text = tkfont.nametofont("TkTextFont", root=root).actual()
    made = root.tk.splitlist(root.tk.call("font", "names"))
    for name, (larger, weight) in OWN_FONTS.items():
        points = max(MIN_FONT_SIZE, text["size"] + larger)
        options = ("-family", text["family"], "-size", points, "-weight", weight or text["weight"])
        root.tk.call("font", "configure" if name in made else "create", name, *options)


def picture(root: tk.Misc, name: str, data: bytes) -> str:
    """Return a picture of Tk's with this name, made of PNG data if there is none yet; it stays until the root ends."""
    # By Tcl, since an object of Python's would take the picture along when it is freed.
    if name not in root.tk.splitlist(root.tk.call("image", "names")):
        root.tk.call("image", "create", "photo", name, "-data", data)
    return name


def person_picture(root: tk.Misc, palette: Palette) -> str:
    """Return the sign for people, as high as small text."""
    side = tkfont.nametofont(SMALL, root=root).metrics("ascent") + pixels(root, 1)
    return picture(root, f"chat-person-{side}-{palette.quiet}", person(side, palette.quiet))


def lock_picture(root: tk.Misc, palette: Palette) -> str:
    """Return the sign for a code, as high as small text."""
    side = tkfont.nametofont(SMALL, root=root).metrics("ascent") + pixels(root, 1)
    return picture(root, f"chat-lock-{side}-{palette.quiet}", lock(side, palette.quiet))


def dot_picture(root: tk.Misc, colour: str) -> str:
    """Return a small disc of a colour."""
    radius = max(pixels(root, 5), tkfont.nametofont(SMALL, root=root).metrics("ascent") // 3)
    return picture(root, f"chat-dot-{radius}-{colour}", rounded(radius, (Layer(0, colour),)))


def palette_in_use(widget: tk.Misc) -> Palette:
    """Return the palette that `style_widgets` has applied last."""
    return PALETTES["dark" if ttk.Style(widget).theme_use() == DARK_THEME else "light"]


def style_widgets(root: tk.Tk, palette: Palette) -> None:
    """Apply a palette to ttk's widgets, and to the window's title bar."""
    style = ttk.Style(root)
    theme = DARK_THEME if palette.is_dark else LIGHT_THEME
    if theme in style.theme_names():
        style.theme_use(theme)
    else:
        style.theme_create(theme, parent="clam")
        style.theme_use(theme)
        _ThemeMaker(root, style, palette).make()
    root.configure(background=palette.paper)
    set_title_bar(root, palette)


def set_title_bar(window: tk.Tk | tk.Toplevel, palette: Palette) -> None:
    """Have Windows draw a window's title bar dark or light, once there is one."""
    if sys.platform == "win32":
        window.after_idle(_set_title_bar, window, palette.is_dark)


def _blank(root: tk.Misc, width: int, height: int) -> str:
    """Return an empty picture."""
    name = f"chat-blank-{width}x{height}"
    if name not in root.tk.splitlist(root.tk.call("image", "names")):
        root.tk.call("image", "create", "photo", name, "-width", width, "-height", height)
    return name


def style_menu(menu: tk.Menu, palette: Palette, is_bar: bool = False) -> None:
    """Apply a palette to a menu; on X11, where Tk draws it, also a border, padding and marks at the screen's scale.

    To be called again when entries are added. On macOS and Windows the menu bar keeps its look.
    """
    ground = palette.window if is_bar else palette.paper
    menu.configure(background=ground, foreground=palette.text, disabledforeground=palette.quiet)
    menu.configure(activebackground=palette.accent, activeforeground=palette.paper, activeborderwidth=0)
    menu.configure(selectcolor=palette.text)
    if menu.tk.call("tk", "windowingsystem") != "x11":
        return
    # A raised edge is in two shades of the background; a solid border would be black.
    menu.configure(relief="flat" if is_bar else "raised", borderwidth=pixels(menu, 4 if is_bar else 1))
    last = menu.index("end")
    entries = [] if last is None else [(index, menu.type(index)) for index in range(last + 1)]
    has_marks = any(kind in ("checkbutton", "radiobutton") for _, kind in entries)
    font, padding = tkfont.nametofont("TkMenuFont", root=menu), pixels(menu, MENU_PADDING)
    side, height = font.metrics("ascent"), font.metrics("linespace") + (0 if is_bar else padding)
    size = (2 * padding + side if has_marks else padding, height)
    # Tk puts the label of an entry with a mark further to the right, by so much.
    blank, wider = _blank(menu, *size), _blank(menu, size[0] + (MARK_SHIFT if has_marks else 0), size[1])
    for index, kind in entries:
        if kind == "separator":
            continue
        accelerator = str(menu.entrycget(index, "accelerator")).rstrip()
        menu.entryconfigure(index, image=wider, compound="left", accelerator=f"{accelerator}  " if accelerator else "")
        if kind in ("checkbutton", "radiobutton"):
            menu.entryconfigure(index, image=blank)
            is_dot = kind == "radiobutton"
            name = f"chat-mark-{size[0]}x{size[1]}-{is_dot}-{palette.text}"
            chosen = picture(menu, name, mark(size, (padding, side), palette.text, is_dot))
            menu.entryconfigure(index, indicatoron=False, selectimage=chosen)


def show_focus(field: ttk.Frame, text: tk.Misc) -> None:
    """Have a frame in the style of a field show whether the text in it has the focus."""
    text.bind("<FocusIn>", lambda event: field.state(["focus"]), add="+")
    text.bind("<FocusOut>", lambda event: field.state(["!focus"]), add="+")


class _ThemeMaker:
    """The elements and styles of one theme, which is in use."""

    def __init__(self, root: tk.Tk, style: ttk.Style, palette: Palette) -> None:
        self._root = root
        self._style = style
        self._palette = palette
        self._scale = scale_of(root)

    def make(self) -> None:
        """Make all of it."""
        self._set_colours()
        self._make_fields()
        self._make_buttons()
        self._make_scrollbar()

    def _set_colours(self) -> None:
        palette, configure = self._palette, self._style.configure
        configure(
            ".",
            background=palette.paper,
            foreground=palette.text,
            fieldbackground=palette.paper,
            insertcolor=palette.text,
            bordercolor=palette.border,
            lightcolor=palette.paper,
            darkcolor=palette.paper,
            troughcolor=palette.paper,
            arrowcolor=palette.text,
            focuscolor=palette.accent,
            selectbackground=palette.accent,
            selectforeground=palette.paper,
            font="TkDefaultFont",
        )
        self._style.map(".", foreground=[("disabled", palette.quiet)])
        inside: Any = ("Label.padding", {"sticky": "nsew", "children": [("Label.label", {"sticky": "nsew"})]})
        self._style.layout("TLabel", [inside])  # without clam's border, which would move each text by two pixels
        configure("TLabel", padding=(0, self._pixels(1)))
        configure("Line.TFrame", background=palette.line)
        configure("Title.TLabel", font=TITLE)
        configure("Large.TLabel", font=LARGE)
        configure("Heading.TLabel", font=BOLD)
        configure("Quiet.TLabel", font=SMALL, foreground=palette.quiet)
        configure("QuietBold.TLabel", font=SMALL_BOLD, foreground=palette.text)
        configure("Problem.TLabel", foreground=palette.error)
        configure("Count.TLabel", foreground=palette.quiet)
        configure("Side.TFrame", background=palette.window)
        configure("Side.TLabel", background=palette.window, foreground=palette.quiet, font=SMALL_BOLD)
        configure("Banner.TFrame", background=palette.mention)
        configure("Banner.TLabel", background=palette.mention)

    def _make_fields(self) -> None:
        palette, style = self._palette, self._style
        looks = {
            "": (palette.border, 1.0, palette.paper),
            "focus": (palette.accent, 2.0, palette.paper),
            "disabled": (palette.line, 1.0, palette.window),
            "background": (palette.border, 1.0, palette.window),
        }
        # ttk sets `background` itself, where the whole window is inactive: ours is `alternate`, for a broken link.
        self._element(
            "Field.body",
            [
                ("", *looks[""]),
                ("disabled", *looks["disabled"]),
                ("alternate focus", palette.accent, 2.0, palette.window),
                ("alternate", *looks["background"]),
                ("focus", *looks["focus"]),
            ],
        )
        style.layout("Field.TFrame", [("Field.body", {"sticky": "nsew"})])
        inside: Any = ("Entry.padding", {"sticky": "nsew", "children": [("Entry.textarea", {"sticky": "nsew"})]})
        style.layout("TEntry", [("Field.body", {"sticky": "nsew", "children": [inside]})])
        style.configure("TEntry", padding=self._pixels(7))

    def _make_buttons(self) -> None:
        palette, style = self._palette, self._style
        ring = 1.0
        self._element(
            "Button.body",
            [
                ("", palette.border, ring, palette.paper),
                ("disabled", palette.line, ring, palette.paper),
                ("pressed", palette.border, ring, palette.line),
                ("focus active", palette.accent, 2.0, palette.hover),
                ("focus", palette.accent, 2.0, palette.paper),
                ("active", palette.border, ring, palette.hover),
            ],
        )
        lighter, darker = mixed(palette.accent, palette.paper, 0.15), mixed(palette.accent, palette.text, 0.15)
        pale = mixed(palette.accent, palette.paper, 0.55)
        self._element(
            "Primary.body",
            [
                ("", palette.accent, ring, palette.accent),
                ("disabled", pale, ring, pale),
                ("pressed", darker, ring, darker),
                # A ring of the paper's colour within: one of the accent's would not be seen on the accent.
                ("focus", palette.accent, 2.0, palette.paper, 3.5, palette.accent),
                ("active", lighter, ring, lighter),
            ],
        )
        for name, body in (("TButton", "Button.body"), ("Primary.TButton", "Primary.body")):
            label = ("Button.label", {"sticky": "nsew"})
            padding: Any = ("Button.padding", {"sticky": "nsew", "children": [label]})
            style.layout(name, [(body, {"sticky": "nsew", "children": [padding]})])
        style.configure("TButton", padding=(self._pixels(12), self._pixels(6)), anchor="center", relief="flat")
        style.configure("TButton", shiftrelief=0, background=palette.paper)
        style.map("TButton", foreground=[("disabled", palette.quiet)])
        style.configure("Primary.TButton", font=BOLD, foreground=palette.paper)
        style.configure("Primary.TButton", padding=(self._pixels(16), self._pixels(8)))
        style.map("Primary.TButton", foreground=[("disabled", palette.paper)])
        style.layout("New.TButton", style.layout("Primary.TButton"))
        style.configure("New.TButton", font=SMALL_BOLD, foreground=palette.paper)
        style.configure("Banner.TButton", background=palette.mention)
        style.configure("Side.TButton", background=palette.window)
        style.configure("Tool.TButton", padding=(self._pixels(4), self._pixels(4)), width=2)
        # Of Tk's own dialogs on X11.
        arrow = ("Menubutton.indicator", {"side": "right", "sticky": ""})
        content: Any = {"sticky": "nsew", "children": [arrow, ("Menubutton.label", {"side": "left", "sticky": ""})]}
        padding = ("Menubutton.padding", content)
        style.layout("TMenubutton", [("Button.body", {"sticky": "nsew", "children": [padding]})])
        style.configure("TMenubutton", padding=(self._pixels(8), self._pixels(6)), arrowsize=self._pixels(5))
        style.configure("People.TButton", font=SMALL, padding=(self._pixels(10), self._pixels(6)))

    def _make_scrollbar(self) -> None:
        palette, style = self._palette, self._style
        width, inset = self._pixels(SCROLLBAR_WIDTH), self._pixels(THUMB_INSET)
        for name, ground in (("Vertical.TScrollbar", palette.paper), ("Side.Vertical.TScrollbar", palette.window)):
            element = name.replace("TScrollbar", "Scrollbar")
            looks: list[Any] = []
            colours = {
                "": palette.border,
                "disabled": ground,  # which ttk's scrollbar is where there is nothing to scroll
                "pressed": mixed(palette.border, palette.text, 0.4),
                "active": mixed(palette.border, palette.text, 0.3),
            }
            for state, colour in colours.items():
                thumb = f"{element}-{palette.is_dark}-{width}-{state}"
                looks.append((state, picture(self._root, thumb, pill((width, 2 * width + MIDDLE[0]), inset, colour))))
            (_, usual), *others = looks
            # Twice the border is the least height of the thumb, however much there is to scroll.
            style.element_create(
                f"{element}.thumb",
                "image",
                usual,
                *others,
                border=(0, width),
                width=width,
                height=2 * width,
                sticky="nsew",
            )
            thumb_node: Any = (f"{element}.thumb", {"expand": "1", "sticky": "nsew"})
            style.layout(name, [("Vertical.Scrollbar.trough", {"sticky": "ns", "children": [thumb_node]})])
            style.configure(name, background=ground, troughcolor=ground, bordercolor=ground, arrowsize=width)

        flat = {"background": palette.border, "lightcolor": palette.border, "darkcolor": palette.border}
        style.configure("Horizontal.TScrollbar", **flat, troughcolor=palette.paper, gripcount=0, arrowsize=width)
        style.map("Horizontal.TScrollbar", background=[("disabled", palette.paper)])

    def _element(self, name: str, looks: list[tuple[str | float, ...]]) -> None:
        """Make a rounded element: for each state a colour, then inset and colour of each layer on it."""
        radius, made = self._pixels(RADIUS), []
        for state, *drawn in looks:
            layers = [Layer(0.0, str(drawn[0]))]
            layers += [
                Layer(float(inset) * self._scale, str(colour))
                for inset, colour in zip(drawn[1::2], drawn[2::2], strict=True)
            ]
            key = f"chat-{self._palette.is_dark}-{radius}-{name}-{state}"
            made.append((str(state), picture(self._root, key, rounded(radius, tuple(layers), MIDDLE))))
        (_, usual), *others = made
        states: list[Any] = [(*state.split(), image) for state, image in others]
        self._style.element_create(
            name, "image", usual, *states, border=radius, padding=0, width=2 * radius, height=2 * radius, sticky="nsew"
        )

    def _pixels(self, count: float) -> int:
        return round(count * self._scale)


def _set_title_bar(window: tk.Tk | tk.Toplevel, is_dark: bool) -> None:
    if sys.platform == "win32" and window.winfo_exists():
        handle, value = int(window.wm_frame(), 16), ctypes.c_int(is_dark)
        for attribute in (DWMWA_USE_IMMERSIVE_DARK_MODE, DWMWA_USE_IMMERSIVE_DARK_MODE - 1):
            with contextlib.suppress(OSError, AttributeError):
                answer = ctypes.windll.dwmapi.DwmSetWindowAttribute(
                    ctypes.c_void_p(handle), attribute, ctypes.byref(value), ctypes.sizeof(value)
                )
                if answer == 0:  # S_OK
                    return
