"""The keyboard: editing keys that are the same on every system, letters with Control on any layout, bounded pastes.

Main thread only. What belongs to all windows of a root is prepared once for each root, by `prepare_editing`.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import tkinter as tk
from collections.abc import Callable, Mapping

from lan_chat.client.composing import MAX_EMOJI_LAID_OUT, has_many_emoji

LETTER_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
X11_FIRST_KEYCODES = (24, 38, 52)
"""The keycodes of Q, A and Z, from which the rest of each row counts on: <AD01>, <AC01> and <AB01> in `keycodes/evdev`
and `keycodes/xfree86` of xkeyboard-config."""
X11_LETTERS = {
    first + place: letter
    for first, row in zip(X11_FIRST_KEYCODES, LETTER_ROWS, strict=True)
    for place, letter in enumerate(row)
}
WINDOWS_LETTERS = {ord(letter.upper()): letter for row in LETTER_ROWS for letter in row}
"""The virtual-key codes of letters are those of the capitals, on every layout."""
AQUA_LETTERS = {
    place: letter for place, letter in enumerate("asdfhgzxcv bqweryt             ou ip lj k    nm") if letter != " "
}
"""kVK_ANSI_A to kVK_ANSI_M of Carbon's HIToolbox/Events.h."""
EDITING = {"x": "<<Cut>>", "c": "<<Copy>>", "v": "<<Paste>>", "z": "<<Undo>>", "y": "<<Redo>>", "a": "<<SelectAll>>"}
"""The virtual events of letters with Control, on macOS with Command."""
FIELDS = ("Entry", "TEntry", "TCombobox", "Spinbox", "TSpinbox")
"""The classes of widgets that always take what is typed."""
MAX_FIELD_CHARACTERS = 1000
"""The most that a paste puts into a field of one line, which Tk lays out whole."""
SHIFT, CONTROL, X11_ALT, X11_SUPER, AQUA_COMMAND, WINDOWS_ALT = 0x1, 0x4, 0x8, 0x40, 0x8, 0x20000


def prepare_editing(root: tk.Tk) -> None:
    """Make the editing keys the same in all text fields of a root, and bound what a paste puts into them."""
    if _system(root) == "x11":
        # There, as in Emacs, Ctrl+A goes to the start of the line, Ctrl+F on by a character, and Ctrl+Y pastes.
        root.event_delete("<<LineStart>>", "<Control-Key-a>", "<Control-Lock-Key-A>")
        root.event_delete("<<NextChar>>", "<Control-Key-f>", "<Control-Lock-Key-F>")
        root.event_delete("<<Paste>>", "<Control-Key-y>", "<Control-Lock-Key-Y>")
        root.event_add("<<SelectAll>>", "<Control-Key-a>", "<Control-Lock-Key-A>")
        root.event_add("<<Redo>>", "<Control-Key-y>", "<Control-Lock-Key-Y>")
        root.bind_all("<Alt-KeyPress>", functools.partial(_open_menu, root))
    elif _system(root) == "aqua":
        root.event_add("<<Redo>>", "<Command-Key-y>", "<Command-Lock-Key-Y>")
    root.bind_class("TEntry", "<<Paste>>", _paste_into_field)
    bind_letters(root, {})


def bind_letters(root: tk.Tk, calls: Mapping[str, Callable[[], object]]) -> None:
    """Have letters with Control work on layouts without Latin letters, by the place of the key.

    `calls`: what a letter does in the root window, where it does not edit. Where the layout has Latin letters nothing
    happens here, as Tk's and the window's own bindings see the letter.
    """
    system = _system(root)
    alt = {"win32": WINDOWS_ALT, "x11": X11_ALT}.get(system, 0)

    def act(event: tk.Event[tk.Misc]) -> str | None:
        if int(event.state) & alt:  # AltGr, or another command
            return None
        letter = _unwritten_letter(event, root, system)
        where = str(event.widget)  # only a path for widgets that Tcl made, such as those of a file dialog
        if letter in calls and str(root.tk.call("winfo", "toplevel", where)) == str(root):
            calls[letter]()
        elif letter in EDITING:
            edit = "<<Redo>>" if letter == "z" and int(event.state) & SHIFT else EDITING[letter]
            root.tk.call("event", "generate", where, edit)
        else:
            return None
        return "break"

    root.bind_all(f"<{'Command' if system == 'aqua' else 'Control'}-KeyPress>", act)


def send_typing_to(root: tk.Tk, box: tk.Text, insert: Callable[[str], object]) -> None:
    """Have what is typed, pasted or undone where nothing can be written go to a text, which gets the focus.

    `insert` is what inserts it; also where that text itself is disabled.
    """
    system = _system(root)

    def on_key(event: tk.Event[tk.Misc]) -> str | None:
        if not types(event, system) or _takes_text(event.widget):
            return None
        if event.char == " " and event.widget.winfo_class() != "Text":  # there it presses or chooses
            return None
        box.focus_set()
        insert(event.char)
        return "break"

    def pass_on(event_name: str, event: tk.Event[tk.Misc]) -> str | None:
        if event.widget is box or _takes_text(event.widget):
            return None
        box.focus_set()
        box.event_generate(event_name)
        return "break"

    root.bind("<KeyPress>", on_key)
    for event_name in ("<<Paste>>", "<<Undo>>", "<<Redo>>"):
        root.bind(event_name, functools.partial(pass_on, event_name))


def select_all(root: tk.Tk, box: tk.Text, otherwise: Callable[[], object]) -> None:
    """Select all of the field that has the focus, the box or one of a single line; call `otherwise` without one."""
    focused = root.focus_lastfor()  # also while a menu has it
    if focused is not None and (focused is box or _takes_text(focused)):
        focused.event_generate("<<SelectAll>>")
    else:
        otherwise()


def types(event: tk.Event[tk.Misc], system: str) -> bool:
    """Return whether a key writes something: a printable character, without a modifier that makes a command of it."""
    state = int(event.state)
    if system == "win32":  # AltGr is Control and Alt
        is_command = bool(state & CONTROL) != bool(state & WINDOWS_ALT)
    elif system == "aqua":
        is_command = bool(state & (CONTROL | AQUA_COMMAND))
    else:
        is_command = bool(state & (CONTROL | X11_ALT | X11_SUPER))
    return bool(event.char) and event.char.isprintable() and not is_command


def letter_at(system: str, keycode: int) -> str:
    """Return the letter of a US keyboard at a key, by Tk's keycode on a window system; empty for other keys."""
    if system == "win32":
        return WINDOWS_LETTERS.get(keycode, "")
    if system == "aqua":  # the virtual key code is in the highest byte (Tk's tkMacOSXPrivate.h, MacKeycode)
        return AQUA_LETTERS.get(keycode >> 24 & 0xFF, "")
    return X11_LETTERS.get(keycode, "")


def _unwritten_letter(event: tk.Event[tk.Misc], root: tk.Tk, system: str) -> str:
    """Return the letter at the place of a key, on a layout that has no Latin letters; else nothing."""
    letter = letter_at(system, int(event.keycode))
    if not letter or (len(event.keysym) == 1 and event.keysym.isascii() and event.keysym.isalpha()):
        return ""
    if system == "x11" and _has_latin_letters(root, int(event.state) >> 13 & 3):
        return ""
    if system == "aqua" and event.char.isascii():
        return ""
    return letter


def _open_menu(root: tk.Tk, event: tk.Event[tk.Misc]) -> None:
    """Open the menu whose underlined letter is pressed with Alt, as Tk does on X11, on any layout."""
    letter = _unwritten_letter(event, root, "x11") or event.char
    root.tk.call("tk::TraverseToMenu", str(event.widget), letter)


def _has_latin_letters(root: tk.Tk, group: int) -> bool:
    """Return whether the X11 layout in a group (XKB: bits 13 and 14 of a key's state) has Latin letters.

    By the keys of letters together: a Hebrew layout has a slash at Q, as a Dvorak layout has an apostrophe there.
    """
    try:
        xlib = ctypes.CDLL("libX11.so.6")
    except OSError:
        return True
    xlib.XOpenDisplay.restype = ctypes.c_void_p
    xlib.XkbKeycodeToKeysym.restype = ctypes.c_ulong
    display = ctypes.c_void_p(xlib.XOpenDisplay(str(root.winfo_screen()).encode()))
    if not display:
        return True
    keysyms = [xlib.XkbKeycodeToKeysym(display, ctypes.c_ubyte(code), group, 0) for code in X11_LETTERS]
    xlib.XCloseDisplay(display)
    return any(ord("a") <= keysym <= ord("z") for keysym in keysyms)


def _takes_text(widget: tk.Misc) -> bool:
    kind = widget.winfo_class()
    return kind in FIELDS or (kind == "Text" and str(widget["state"]) == "normal")


def _paste_into_field(event: tk.Event[tk.Misc]) -> None:
    """Paste over the selection of a field of one line, as one line of bounded length."""
    field = event.widget
    with contextlib.suppress(tk.TclError):  # nothing to paste
        pasted: str = field.selection_get(selection="CLIPBOARD")  # type: ignore[no-untyped-call]
        line = pasted.strip("\r\n")[:MAX_FIELD_CHARACTERS].replace("\n", " ")
        if has_many_emoji(line):
            line = line[:MAX_EMOJI_LAID_OUT]
        root = field.tk
        with contextlib.suppress(tk.TclError):  # nothing selected
            root.call(str(field), "delete", "sel.first", "sel.last")
        root.call(str(field), "insert", "insert", line)
        root.call("ttk::entry::See", str(field), "insert")


def _system(root: tk.Tk) -> str:
    return str(root.tk.call("tk", "windowingsystem"))
