"""The theme and the size of the text, in every widget."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lan_chat.client.settings import MAX_FONT_SIZE, MIN_FONT_SIZE
from lan_chat.client.words import ITALIAN
from tests.support.seats import HAS_XDOTOOL, Seat, Sit, text_size

try:
    from tkinter import ttk
except ImportError:  # what needs it is skipped aloud, for want of a display
    if not TYPE_CHECKING:
        ttk = None

pytestmark = pytest.mark.screen


def colours(seat: Seat) -> dict[str, tuple[str, ...]]:
    """The colours of every widget that has some, menus and their copies on the screen too."""
    found = {}
    paths = ["."]
    for path in paths:
        paths += map(str, seat.root.tk.splitlist(seat.root.tk.call("winfo", "children", path)))
        kind = str(seat.root.tk.call("winfo", "class", path))
        if kind.startswith("T") and kind not in ("Text", "Tk"):  # one of ttk's: its style has the colours
            style = ttk.Style(seat.root)
            found[path] = tuple(str(style.lookup(kind, option)) for option in ("background", "foreground"))
            continue
        options = ["background"] + (["foreground"] if kind not in ("Tk", "Canvas", "Frame", "Toplevel") else [])
        found[path] = tuple(str(seat.root.tk.call(path, "cget", f"-{option}")) for option in options)
    return found


def test_a_theme_changes_the_colours_of_every_widget_at_once(sit: Sit) -> None:
    seat = sit("Bob")
    seat.press("Control-f")
    seat.click(seat.conversation, 100, 100, button=3)
    seat.wait(lambda: seat.popup)
    seat.press("Escape")
    light = colours(seat)
    tags = {tag: seat.conversation.tag_cget(tag, "foreground") for tag in ("text", "hue-3", "error", "link")}
    seat.choose(ITALIAN.menu_dark)
    dark = colours(seat)
    same = [path for path, look in light.items() if path in dark and set(look) & set(dark[path])]
    assert not same, {path: (light[path], dark[path]) for path in same}
    assert not [tag for tag, colour in tags.items() if seat.conversation.tag_cget(tag, "foreground") == colour]
    seat.choose(ITALIAN.menu_light)
    assert {path: look for path, look in colours(seat).items() if path in light} == light


@pytest.mark.parametrize(
    ("larger", "smaller", "normal"),
    [
        ("Control-plus", "Control-minus", "Control-0"),
        ("Control-equal", "Control-KP_Subtract", "Control-KP_0" if HAS_XDOTOOL else "Control-0"),
    ],
)
def test_keys_change_the_size_of_the_text(sit: Sit, larger: str, smaller: str, normal: str) -> None:
    seat = sit("Bob")
    usual = text_size(seat)
    seat.press(larger, larger)
    assert text_size(seat) == usual + 2 == seat.settings.font_size
    seat.press(smaller)
    assert text_size(seat) == usual + 1
    seat.press(normal)
    assert (text_size(seat), seat.settings.font_size) == (usual, 0)


def test_the_size_of_the_text_has_bounds(sit: Sit) -> None:
    seat = sit("Bob")
    for _ in range(2 * MAX_FONT_SIZE):
        seat.window.change_font_size(+1)
    assert text_size(seat) == MAX_FONT_SIZE == seat.settings.font_size
    seat.root.update()
    bottom = seat.message_input.winfo_rooty() + seat.message_input.winfo_height()
    assert bottom <= seat.root.winfo_rooty() + seat.root.winfo_height(), "the box is out of the window"
    for _ in range(2 * MAX_FONT_SIZE):
        seat.window.change_font_size(-1)
    assert text_size(seat) == MIN_FONT_SIZE == seat.settings.font_size
