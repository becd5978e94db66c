"""The keyboard: letters with Control on any layout, editing keys, typing where nothing can be written."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lan_chat.client.composing import whole_letters
from lan_chat.client.keyboard import LETTER_ROWS, letter_at
from lan_chat.client.settings import Settings
from lan_chat.client.words import ITALIAN
from tests.support.seats import HAS_XDOTOOL, DialogHands, Hands, Seat, Sit, message

try:
    import tkinter as tk
except ImportError:  # what needs it is skipped aloud, for want of a display
    if not TYPE_CHECKING:
        tk = None

Lay = Callable[..., None]
KEYCODES = {"q": 24, "y": 29, "a": 38, "s": 39, "f": 41, "z": 52, "x": 53, "c": 54, "v": 55}
"""Where these letters are on a US keyboard, as X11 numbers its keys."""
CONTROL, SHIFT_KEY, CAPS_LOCK, ALT = 37, 50, 66, 64


@pytest.fixture
def lay(display: None) -> Iterator[Lay]:
    """Change the keyboard's layout, until the end of the test."""
    if not HAS_XDOTOOL:
        pytest.skip("no layouts without xdotool")

    def lay(layout: str, *options: str) -> None:
        subprocess.run(["setxkbmap", layout, "-option", "", *options], check=True)

    yield lay
    lay("us")


def press_at(hands: Hands, keycode: int, *modifiers: int) -> None:
    """Press a key by its place, whatever is on it."""
    downs = [argument for modifier in modifiers for argument in ("keydown", str(modifier))]
    ups = [argument for modifier in modifiers for argument in ("keyup", str(modifier))]
    hands._xdotool(*downs, "key", str(keycode), *ups)


@pytest.mark.parametrize("system", ["x11", "win32", "aqua"])
def test_every_letter_has_its_place_on_each_system(system: str) -> None:
    places = range(256) if system != "aqua" else [place << 24 | 0x43F for place in range(256)]
    found = [letter for place in places if (letter := letter_at(system, place))]
    assert sorted(found) == sorted("".join(LETTER_ROWS))


def test_letters_are_where_the_systems_say() -> None:
    assert [letter_at("x11", place) for place in (24, 33, 38, 46, 52, 58)] == ["q", "p", "a", "l", "z", "m"]
    assert letter_at("win32", 0x43) == "c"
    # kVK_ANSI_A, C, Q, P, M
    assert [letter_at("aqua", place << 24) for place in (0x00, 0x08, 0x0C, 0x23, 0x2E)] == ["a", "c", "q", "p", "m"]


EFFECTS: dict[str, Callable[[Seat], object]] = {
    "c": lambda seat: seat.root.clipboard_get() == "bozza",
    "x": lambda seat: (seat.draft, seat.root.clipboard_get()) == ("", "bozza"),
    "v": lambda seat: seat.draft == "incollato",
    "z": lambda seat: seat.draft == "",
    "a": lambda seat: len(seat.message_input.tag_ranges("sel")) == 2,
    "s": lambda seat: ITALIAN.saved.split("{")[0] in seat.shown,
    "f": lambda seat: seat.focus == str(seat.window.find_bar.entry),
    "q": lambda seat: not seat.is_open,
}


@pytest.mark.screen
@pytest.mark.parametrize(
    ("layout", "letter", "keycode"),
    [(layout, letter, KEYCODES[letter]) for layout in ("ru", "gr", "il", "ua", "ara", "ge", "us") for letter in EFFECTS]
    + [("fr", "c", KEYCODES["c"]), ("fr", "a", KEYCODES["q"]), ("dvorak", "c", 31), ("dvorak", "x", 56)],
)
def test_letters_with_control_work_on_any_layout(
    sit: Sit, lay: Lay, layout: str, letter: str, keycode: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tkinter.filedialog.asksaveasfilename", lambda **_: str(tmp_path / "chat.txt"))
    seat = sit("Bob")
    seat.message_input.edit_reset()
    seat.type("bozza")
    seat.put_on_clipboard("incollato")
    if letter in "cxv":
        seat.message_input.tag_add("sel", "1.0", "end-1c")
    lay(layout)
    press_at(seat, keycode, CONTROL)
    seat.wait(lambda: EFFECTS[letter](seat))


@pytest.mark.screen
def test_a_mark_at_the_place_of_q_ends_nothing_where_the_layout_has_letters(sit: Sit, lay: Lay) -> None:
    seat = sit()
    lay("dvorak")
    press_at(seat, KEYCODES["q"], CONTROL)  # Ctrl+' there
    seat.type("ancora")
    assert seat.is_open


@pytest.mark.screen
def test_a_second_layout_counts_while_it_is_on(sit: Sit, lay: Lay) -> None:
    seat = sit()
    seat.write("bozza")
    seat.message_input.tag_add("sel", "1.0", "end-1c")
    lay("us,il", "-option", "grp:caps_toggle")
    press_at(seat, CAPS_LOCK)
    press_at(seat, KEYCODES["c"], CONTROL)
    seat.wait(lambda: seat.root.clipboard_get() == "bozza")
    press_at(seat, KEYCODES["q"], CONTROL)  # a slash
    seat.wait(lambda: not seat.is_open)


@pytest.mark.screen
def test_control_shift_z_is_redo_on_a_cyrillic_layout(sit: Sit, lay: Lay) -> None:
    seat = sit()
    seat.message_input.edit_reset()
    seat.type("bozza")
    lay("ru")
    press_at(seat, KEYCODES["z"], CONTROL)
    seat.wait(lambda: seat.draft == "")
    press_at(seat, KEYCODES["z"], CONTROL, SHIFT_KEY)
    seat.wait(lambda: seat.draft == "bozza")


@pytest.mark.screen
@pytest.mark.parametrize("layout", ["us", "ru", "il"])
def test_alt_opens_a_menu_by_its_letter_on_any_layout(sit: Sit, lay: Lay, layout: str) -> None:
    seat = sit()
    lay(layout)
    press_at(seat, 58, ALT)  # M for Modifica
    seat.wait(lambda: seat.focus.endswith(str(seat.menu(1)).replace(".", "#")))
    lay("us")
    seat.press("Escape", "Escape")
    seat.wait(lambda: seat.focus == str(seat.message_input))


# --- the fields of a single line --------------------------------------------------------------------------------------


@pytest.fixture
def hands(display: None) -> Iterator[DialogHands]:
    hands = DialogHands(Settings(), "vecchio", "53000")
    yield hands
    if hands.is_open:
        hands.dialog.close()


@pytest.mark.screen
@pytest.mark.parametrize("layout", ["us", "ru"])
def test_control_a_selects_all_in_the_dialog_and_what_is_typed_replaces_it(
    hands: DialogHands, layout: str, request: pytest.FixtureRequest
) -> None:
    if layout != "us":
        request.getfixturevalue("lay")(layout)
    hands.dialog.host.selection_clear()
    if HAS_XDOTOOL:
        press_at(hands, KEYCODES["a"], CONTROL)
    else:
        hands.press("Control-a")
    hands.wait(hands.dialog.host.selection_present)
    if layout != "us":
        request.getfixturevalue("lay")("us")
    hands.type("nuovo")
    assert hands.answers[0] == "nuovo"


@pytest.mark.screen
def test_a_paste_into_a_field_of_one_line_is_one_line_and_bounded(hands: DialogHands) -> None:
    hands.root.clipboard_clear()
    hands.root.clipboard_append("192.168.1.20 porta\n53000\n" + "x" * 1_000_000)
    hands.dialog.host.selection_range(0, "end")
    hands.press("Control-v")
    assert hands.answers[0].startswith("192.168.1.20 porta 53000 x")
    assert len(hands.answers[0]) == 1000


@pytest.mark.screen
def test_a_paste_of_countless_emoji_into_a_field_is_cut(hands: DialogHands) -> None:
    hands.root.clipboard_clear()
    hands.root.clipboard_append("".join(map(chr, range(0x1F300, 0x1F600))))
    hands.dialog.host.selection_range(0, "end")
    hands.press("Control-v")
    assert 0 < len(whole_letters(hands.answers[0])) <= 100


# --- typing where nothing can be written ------------------------------------------------------------------------------


@pytest.mark.screen
def test_what_one_types_after_a_click_into_the_conversation_goes_to_the_box(sit: Sit) -> None:
    seat = sit("Bob")
    seat.fake.tell(message(1, "ciao"))
    seat.see("ciao")
    seat.type("a")
    seat.click(seat.conversation, 50, 50)
    seat.wait(lambda: seat.focus == str(seat.conversation))
    seat.type("Bc d")
    assert seat.draft == "aBc d"
    assert seat.focus == str(seat.message_input)
    seat.click(seat.conversation, 50, 50)
    seat.paste(" incollato")
    assert seat.draft == "aBc d incollato"
    assert seat.focus == str(seat.message_input)


@pytest.mark.screen
def test_a_letter_typed_at_the_list_or_the_button_goes_to_the_box_and_a_blank_presses(sit: Sit) -> None:
    seat = sit("Bob")
    for widget in (seat.window.people.list, seat.window.button):
        widget.focus_force()
        seat.type("x")
        assert seat.focus == str(seat.message_input)
    assert seat.draft == "xx"
    seat.window.button.focus_force()
    seat.press("space")
    assert seat.said == ["xx"]


@pytest.mark.screen
def test_keys_that_write_nothing_stay_in_the_conversation(sit: Sit) -> None:
    seat = sit()
    seat.conversation.focus_force()
    seat.press("Down", "Home", "Control-c", "Shift-Right")
    assert (seat.focus, seat.draft) == (str(seat.conversation), "")
    seat.window.find_bar.open()
    seat.type("cerca")
    assert (seat.window.find_bar.entry.get(), seat.draft) == ("cerca", "")


@pytest.mark.screen
@pytest.mark.skipif(sys.platform == "darwin", reason="the keys are others there")
def test_select_all_is_for_what_has_the_focus(sit: Sit) -> None:
    seat = sit("Bob")
    seat.fake.tell(message(1, "ciao"))
    seat.see("ciao")
    seat.type("bozza")

    def select(is_by_key: bool) -> None:
        if is_by_key:
            seat.press("Control-a")
        else:
            seat.choose(ITALIAN.menu_select_all)

    def selected() -> tuple[str, str]:
        box = seat.message_input
        drafted = box.get("sel.first", "sel.last").strip() if box.tag_ranges("sel") else ""
        return drafted, seat.window.conversation.selected()

    for is_by_key in (True, False):
        seat.message_input.focus_force()
        select(is_by_key)
        seat.wait(lambda: selected()[0] == "bozza")
        assert selected()[1] == ""
        seat.message_input.tag_remove("sel", "1.0", "end")
        seat.conversation.focus_force()
        select(is_by_key)
        seat.wait(lambda: "ciao" in selected()[1])
        assert selected()[0] == ""
        seat.conversation.tag_remove("sel", "1.0", "end")
    seat.window.find_bar.open()
    seat.type("ciao")
    seat.press("Control-a")
    seat.type("x")
    assert seat.window.find_bar.entry.get() == "x"
