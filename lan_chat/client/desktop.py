"""The desktop and its window system: opening windows and links, what Tk can draw, asking for attention.

Main thread only, as Tk is; a link is opened in a thread of its own.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import re
import sys
import threading
import tkinter as tk
import webbrowser
from collections.abc import Callable

from lan_chat.client.composing import without_beyond
from lan_chat.client.icon import ICONS
from lan_chat.client.settings import GEOMETRY
from lan_chat.client.words import ClientWords

log = logging.getLogger(__name__)

MAX_OPENING = 16
"""How many links may be on their way to a browser: one that is waited for until it ends takes a thread."""
_opening = threading.BoundedSemaphore(MAX_OPENING)
WINDOW_CLASS = "lan-chat"
"""By which a desktop tells this program's windows from others; Tk writes it `Lan-chat`."""
FLASHW_TRAY_UNTIL_FOREGROUND = 0x2 | 0xC
"""FLASHW_TRAY | FLASHW_TIMERNOFG: flash the task bar's button until the window comes to the foreground."""
X_URGENCY_HINT = 1 << 8
"""XUrgencyHint in the flags of XWMHints."""


if sys.platform == "win32":

    class _FlashInfo(ctypes.Structure):
        """FLASHWINFO, as in the documentation of FlashWindowEx."""

        _fields_ = (
            ("cbSize", ctypes.c_uint),
            ("hwnd", ctypes.c_void_p),
            ("dwFlags", ctypes.c_uint),
            ("uCount", ctypes.c_uint),
            ("dwTimeout", ctypes.c_uint),
        )


class _WmHints(ctypes.Structure):
    """XWMHints, as in Xlib's manual (section 14.1.6)."""

    _fields_ = (
        ("flags", ctypes.c_long),
        ("input", ctypes.c_int),
        ("initial_state", ctypes.c_int),
        ("icon_pixmap", ctypes.c_ulong),
        ("icon_window", ctypes.c_ulong),
        ("icon_x", ctypes.c_int),
        ("icon_y", ctypes.c_int),
        ("icon_mask", ctypes.c_ulong),
        ("window_group", ctypes.c_ulong),
    )


def open_root(words: ClientWords) -> tk.Tk | None:
    """Open and return the root window; where there is no display, print why and return None."""
    if sys.platform == "win32":
        # Or Windows scales the window as a picture, and all text is blurred. From Windows 8.1 on.
        with contextlib.suppress(OSError, AttributeError):
            ctypes.windll.shcore.SetProcessDpiAwareness(1)
    try:
        root = tk.Tk(className=WINDOW_CLASS)
    except tk.TclError as error:
        print(words.no_display.format(error=error), file=sys.stderr)
        return None
    if sys.platform == "win32" and hasattr(sys, "frozen"):
        with contextlib.suppress(tk.TclError):
            root.tk.call("wm", "iconbitmap", ".", "-default", sys.executable)  # or the window has Tk's icon
    else:
        pictures = [root.tk.call("image", "create", "photo", "-data", data) for data in ICONS]
        root.tk.call("wm", "iconphoto", ".", "-default", *pictures)
    root.bind("<Map>", lambda event: _focus_at_once(root))
    return root


def _focus_at_once(root: tk.Tk) -> None:
    """Have the widget that is to have the focus shown, and so have it, before the first key is looked at.

    Tk shows what is in a window when it has nothing else to do, and gives keys that have come by then to the window.
    Windows may take a quarter of a second to open one.
    """
    if str(root.tk.call("focus")) in ("", "."):
        root.update_idletasks()
    else:
        root.unbind("<Map>")


def restore_geometry(root: tk.Tk, geometry: str) -> None:
    """Set the window to its last size and position, as far as they fit the screens that there are now."""
    found = GEOMETRY.fullmatch(geometry)
    if found is None:
        root.update_idletasks()
        # A fixed size, or a larger font would make the window larger than the screen.
        width, height = (min(root.winfo_reqwidth() + 180, root.winfo_screenwidth()), root.winfo_reqheight())
        root.geometry(f"{width}x{min(height, root.winfo_screenheight() - 80)}")
        return
    width, height, left, top = (int(number) for number in found.groups())
    width, height = min(width, root.winfo_screenwidth()), min(height, root.winfo_screenheight())
    right, bottom = root.winfo_vrootx() + root.winfo_vrootwidth(), root.winfo_vrooty() + root.winfo_vrootheight()
    is_visible = root.winfo_vrootx() - width // 2 <= left < right - 50 and root.winfo_vrooty() <= top < bottom - 50
    left, top = min(left, max(right - width, root.winfo_vrootx())), min(top, max(bottom - height, root.winfo_vrooty()))
    root.geometry(f"{width}x{height}+{left}+{top}" if is_visible else f"{width}x{height}")


def is_aqua(root: tk.Misc) -> bool:
    """Return whether the window system is that of macOS (Aqua)."""
    return bool(root.tk.call("tk", "windowingsystem") == "aqua")


def draws_every_letter(root: tk.Misc) -> bool:
    """Return whether this Tk can draw non-BMP characters, such as most emoji.

    Tcl before 8.6.10 refuses them. On X11 a libXft before 2.3.5 crashes at the first character of a coloured font (its
    release notes; Tk's ticket 79595c21ae).
    """
    version = tuple(int(part) for part in re.findall(r"\d+", str(root.tk.call("info", "patchlevel"))))
    if version < (8, 6, 10):
        return False
    if root.tk.call("tk", "windowingsystem") == "x11":
        try:
            return bool(ctypes.CDLL("libXft.so.2").XftGetVersion() >= 20305)
        except (OSError, AttributeError):
            pass  # a Tk without libXft draws boxes, and does not crash
    return True


def drawable(root: tk.Misc, text: str) -> str:
    """Return a text as this Tk can draw it."""
    return text if text.isascii() or draws_every_letter(root) else without_beyond(text)


def set_urgency(root: tk.Tk, is_urgent: bool) -> None:
    """Set or clear the urgency hint, by which an X11 window manager marks the window (ICCCM 4.1.2.4)."""
    try:
        xlib = ctypes.CDLL("libX11.so.6")
    except OSError:
        return  # the count in the title has to be enough
    xlib.XOpenDisplay.restype = ctypes.c_void_p
    xlib.XGetWMHints.restype = ctypes.POINTER(_WmHints)
    display = ctypes.c_void_p(xlib.XOpenDisplay(str(root.winfo_screen()).encode()))
    if not display:
        return
    # Tk puts each window into a wrapper window, and the window manager knows only that one.
    above, wrapper, count = ctypes.c_ulong(), ctypes.c_ulong(), ctypes.c_uint()
    children = ctypes.c_void_p()
    found = (ctypes.byref(above), ctypes.byref(wrapper), ctypes.byref(children), ctypes.byref(count))
    if xlib.XQueryTree(display, ctypes.c_ulong(root.winfo_id()), *found):
        xlib.XFree(children)
        hints = xlib.XGetWMHints(display, wrapper)
        if hints:
            flags = hints.contents.flags
            hints.contents.flags = flags | X_URGENCY_HINT if is_urgent else flags & ~X_URGENCY_HINT
            xlib.XSetWMHints(display, wrapper, hints)
            xlib.XFree(hints)
    xlib.XCloseDisplay(display)


def ask_for_attention(root: tk.Tk) -> None:
    """Mark the window in the task bar as one that wants attention, until the user looks at it."""
    if sys.platform == "win32":
        flash = _FlashInfo(ctypes.sizeof(_FlashInfo), int(root.wm_frame(), 16), FLASHW_TRAY_UNTIL_FOREGROUND, 0, 0)
        ctypes.windll.user32.FlashWindowEx(ctypes.byref(flash))
    elif root.tk.call("tk", "windowingsystem") == "x11":
        set_urgency(root, is_urgent=True)


def open_link(link: str, tell_failed: Callable[[str], object]) -> None:
    """Open a link in the browser, in a thread that nobody waits for; only http, https and mailto.

    A browser may take seconds to start, and an unknown program in $BROWSER is waited for until it ends. `tell_failed`
    is called with the link where nothing could open it, in that thread; in this one where MAX_OPENING have not ended.
    """
    if not link.lower().startswith(("http://", "https://", "mailto:")):
        return
    if _opening.acquire(blocking=False):
        threading.Thread(target=_open, args=(link, tell_failed), name="open", daemon=True).start()
    else:
        tell_failed(link)


def _open(link: str, tell_failed: Callable[[str], object]) -> None:
    """Open a link. Runs in a thread of its own."""
    try:
        if sys.platform == "win32":
            # As ShellExecute's documentation wants it: COINIT_APARTMENTTHREADED | COINIT_DISABLE_OLE1DDE.
            ctypes.windll.ole32.CoInitializeEx(None, 0x2 | 0x4)
        if not webbrowser.open(link):
            tell_failed(link)
    except Exception as error:  # webbrowser runs whatever $BROWSER says
        log.debug("A link could not be opened: %s", error)
        tell_failed(link)
    finally:
        _opening.release()
