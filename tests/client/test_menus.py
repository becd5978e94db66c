"""The menus and their keys."""

from __future__ import annotations

import dataclasses
import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

import lan_chat
from lan_chat.client import words as client_words
from lan_chat.client.actions import ACTIONS
from lan_chat.client.connect_dialog import ConnectDialog
from lan_chat.client.desktop import is_aqua
from lan_chat.client.palette import PALETTES, contrast
from lan_chat.client.theme import MENU_PADDING
from lan_chat.client.words import ENGLISH, ITALIAN, ClientWords
from tests.support.programs import TOP
from tests.support.seats import HAS_XDOTOOL, Hands, Seat, Sit, everything_in, labels, message, text_size

try:
    import tkinter as tk
    from tkinter import font as tkfont
    from tkinter import ttk
except ImportError:  # what needs it is skipped aloud, for want of a display
    if not TYPE_CHECKING:
        tk = None

LANGUAGES = pytest.mark.parametrize("language", ["it", "en"])


def help_text(seat: Seat) -> str:
    """What stands in the help window."""
    assert seat.window._help.window is not None
    texts = [child for child in seat.window._help.window.winfo_children() if isinstance(child, tk.Text)]
    return texts[0].get("1.0", "end-1c")


@pytest.mark.screen
@LANGUAGES
def test_every_command_of_the_menus_works(
    sit: Sit, language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved, opened, words = tmp_path / "chat.txt", list[str](), client_words.LANGUAGES[language]
    monkeypatch.setattr("tkinter.filedialog.asksaveasfilename", lambda **_: str(saved))
    monkeypatch.setattr("webbrowser.open", opened.append)
    seat = sit("Bob", language=language)
    seat.fake.tell(message(1, "guarda http://example.org/a"))
    seat.see("guarda")
    usual = text_size(seat)

    def is_focused(widget: tk.Misc) -> Callable[[], object]:
        return lambda: seat.focus == str(widget)

    box, window = seat.message_input, seat.window
    effects: list[tuple[str, Callable[[], object]]] = [
        (words.menu_save, lambda: "guarda" in saved.read_text("utf-8")),
        (words.menu_send_again, lambda: True),
        (words.retry, lambda: seat.fake.retries == 1),
        (words.menu_rooms, lambda: asked_rooms == ["Ada"]),
        (words.menu_phones, lambda: words.phones_wait in seat.shown),
        (words.menu_copy, lambda: seat.root.clipboard_get() == "bozza"),
        (words.menu_cut, lambda: seat.draft == ""),
        (words.menu_undo, lambda: seat.draft == "bozza"),
        (words.menu_redo, lambda: seat.draft == ""),
        (words.menu_paste, lambda: seat.draft == "bozza"),
        (words.menu_focus, is_focused(seat.conversation)),
        (words.menu_latest, lambda: seat.is_at_end),
        (words.menu_select_all, lambda: "guarda" in window.conversation.selected()),
        (words.menu_find, is_focused(window.find_bar.entry)),
        (words.menu_last_link, lambda: opened == ["http://example.org/a"]),
        (words.menu_people, lambda: not window.people.frame.winfo_ismapped()),
        (words.menu_sound, lambda: seat.settings.has_sound),
        (words.menu_dark, lambda: box["background"] == PALETTES["dark"].paper),
        (words.menu_system, lambda: seat.settings.theme == "system"),
        (words.menu_light, lambda: box["background"] == PALETTES["light"].paper),
        (words.menu_larger, lambda: text_size(seat) == usual + 1),
        (words.menu_smaller, lambda: text_size(seat) == usual),
        (words.menu_normal_size, lambda: seat.settings.font_size == 0),
        (words.menu_keys, lambda: "F9" in help_text(seat)),
        (words.menu_about, lambda: lan_chat.__version__ in help_text(seat)),
        ("English", lambda: window.button["text"] == ENGLISH.send),
        ("Italiano", lambda: window.button["text"] == ITALIAN.send),
    ]
    assert {label for label, _ in effects} | {words.menu_quit} == set(seat.entries())
    seat.write("bozza")
    box.tag_add("sel", "1.0", "end-1c")
    for label, effect in effects:
        if label == "Italiano":
            assert seat.window.button["text"] == ENGLISH.send
        seat.choose(label)
        seat.wait(effect)
    seat.choose(ITALIAN.menu_quit)
    assert not seat.is_open


def test_every_command_has_a_label_of_its_own_in_each_language() -> None:
    for words in (ITALIAN, ENGLISH):
        names = [
            getattr(words, field.name) for field in dataclasses.fields(ClientWords) if field.name.startswith("menu_")
        ]
        assert all(names)


ACCELERATORS: dict[str, Callable[[Seat], object]] = {
    "S": lambda seat: "saved" in seat.shown or ITALIAN.saved.split("{")[0] in seat.shown,
    "R": lambda seat: ITALIAN.restart in seat.shown,
    "X": lambda seat: seat.draft == "",
    "C": lambda seat: seat.root.clipboard_get() == "bozza",
    "V": lambda seat: seat.draft == "incollato",
    "A": lambda seat: seat.message_input.tag_ranges("sel"),
    "Z": lambda seat: seat.draft == "",
    "Y": lambda seat: seat.draft == "bozza e altro",
    "F": lambda seat: seat.focus == str(seat.window.find_bar.entry),
    "T": lambda seat: seat.fake.retries == 1,
    "L": lambda seat: seat.window.conversation.last_link in opened_links,
    "N": lambda seat: asked_rooms == ["Ada"],
    "Q": lambda seat: not seat.is_open,
}
"""What each letter with Ctrl does, by what is to be seen of it."""
opened_links: list[str] = []
asked_rooms: list[str] = []
"""The name in each dialog that asked for another room."""


@pytest.fixture(autouse=True)
def no_other_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the dialog that asks for another room be closed at once."""

    def note_and_close(dialog: ConnectDialog) -> None:
        asked_rooms.append(dialog.name_field.get())
        dialog.close()

    asked_rooms.clear()
    monkeypatch.setattr(ConnectDialog, "run", note_and_close)


@pytest.fixture
def caps_lock() -> Iterator[Callable[[Hands], None]]:
    """Press Caps Lock, and again at the end."""
    pressed: list[Hands] = []

    def press(hands: Hands) -> None:
        hands.press("Caps_Lock")
        pressed.append(hands)

    yield press
    for _ in pressed:
        subprocess.run(["xdotool", "key", "Caps_Lock"], check=True)


@pytest.mark.screen
def test_every_accelerator_is_a_key_that_works(sit: Sit) -> None:
    seat = sit()
    entries = seat.entries()
    accelerators = {menu.entrycget(index, "accelerator").strip() for menu, index in entries.values()} - {""}
    prefix = "⌘" if sys.platform == "darwin" else "Ctrl+"
    letters = {text.removeprefix(prefix) for text in accelerators if text.startswith(prefix)}
    assert letters == {*ACCELERATORS, "+", "−", "0"}
    assert {text for text in accelerators if not text.startswith(prefix)} == {"Esc", "F1", "F6", "F9"}


@pytest.mark.screen
@pytest.mark.skipif(sys.platform == "darwin", reason="the keys are others there")
@pytest.mark.parametrize("has_caps_lock", [False, True], ids=["", "Caps Lock"])
@pytest.mark.parametrize("letter", sorted(ACCELERATORS))
def test_the_letters_of_the_menus_work(
    sit: Sit,
    letter: str,
    has_caps_lock: bool,
    caps_lock: Callable[[Hands], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tkinter.filedialog.asksaveasfilename", lambda **_: str(tmp_path / "chat.txt"))
    monkeypatch.setattr("webbrowser.open", lambda link: opened_links.append(link) or True)  # type: ignore[func-returns-value]
    opened_links.clear()
    seat = sit("Bob")
    seat.fake.tell(message(1, "guarda http://example.org/a"))
    seat.see("guarda")
    seat.write("bozza")
    seat.message_input.tag_add("sel", "1.0", "end-1c")
    seat.put_on_clipboard("incollato")
    if letter == "A":
        seat.message_input.tag_remove("sel", "1.0", "end")
    if letter == "Y":
        seat.window.message_input.draft = "bozza"
        seat.message_input.edit_reset()
        seat.window.message_input.insert(" e altro")
        seat.message_input.edit_undo()
        assert seat.draft == "bozza"
    if letter == "R":
        seat.window.membership.failed.append("non partito")
        seat.window.membership.is_connected = False
    if has_caps_lock and HAS_XDOTOOL:
        caps_lock(seat)
        seat.press(f"Control-{letter.lower()}")  # the lock itself makes the capital
    else:
        seat.press(f"Control-{letter.lower()}")
    seat.wait(lambda: ACCELERATORS[letter](seat))


@pytest.mark.screen
@LANGUAGES
def test_the_help_has_every_key_of_the_table_can_be_copied_and_closes_by_escape(sit: Sit, language: str) -> None:
    seat = sit(language=language)
    seat.press("F1")
    for action in ACTIONS:
        if action.key is not None:
            label = getattr(seat.words, action.name).removesuffix("...")
            assert f"{action.key.accelerator(is_aqua(seat.root))}\t{label}" in help_text(seat).split("\n")
    assert seat.window._help.window is not None
    (text,) = (child for child in seat.window._help.window.winfo_children() if isinstance(child, tk.Text))
    text.focus_force()
    seat.press("Control-a", "Control-c")
    assert seat.clipboard.strip() == help_text(seat)
    seat.press("x")
    assert "F9" in help_text(seat)
    assert seat.draft == ""
    seat.press("Escape")
    seat.wait(lambda: seat.window._help.window is None)
    seat.wait(lambda: seat.focus == str(seat.message_input))


@pytest.mark.screen
def test_an_open_help_follows_language_and_theme(sit: Sit) -> None:
    seat = sit(language="it")
    seat.choose(ITALIAN.menu_keys)
    seat.choose("English")
    assert ENGLISH.key_send in help_text(seat)
    seat.choose(ENGLISH.menu_dark)
    assert seat.window._help.window is not None
    assert seat.window._help.window["background"] == PALETTES["dark"].window


@pytest.mark.screen
@pytest.mark.parametrize("theme", sorted(PALETTES))
def test_menus_have_a_border_padding_and_readable_disabled_entries_on_x11(sit: Sit, theme: str) -> None:
    seat = sit(theme=theme)
    if seat.root.tk.call("tk", "windowingsystem") != "x11":
        pytest.skip("X11 alone draws its menus as we say")
    line = tkfont.nametofont("TkMenuFont", root=seat.root).metrics("linespace")
    for menu in seat.menus():
        assert contrast(str(menu["disabledforeground"]), str(menu["background"])) >= 4.5
        assert contrast(str(menu["activeforeground"]), str(menu["activebackground"])) >= 4.5
        assert int(str(menu["borderwidth"])) > 0
        assert menu.yposition(1) - menu.yposition(0) >= line + MENU_PADDING


@pytest.mark.screen
def test_the_marks_of_menus_grow_with_the_font_on_x11(sit: Sit) -> None:
    heights = []
    for size in (8, 40):
        seat = sit(font_size=size)
        if seat.root.tk.call("tk", "windowingsystem") != "x11":
            pytest.skip("X11 alone draws its menus as we say")
        menu, index = seat.entries()[seat.words.menu_light]
        mark, blank = (str(menu.entrycget(index, option)) for option in ("selectimage", "image"))
        size_of_mark = [int(seat.root.tk.call("image", kind, mark)) for kind in ("width", "height")]
        assert size_of_mark == [int(seat.root.tk.call("image", kind, blank)) for kind in ("width", "height")]
        heights.append(size_of_mark[1])
    assert heights[1] > 3 * heights[0]


@pytest.mark.screen
@pytest.mark.parametrize("size", [8, 12, 24, 40])
def test_no_letter_is_clipped_at_any_size(sit: Sit, size: int) -> None:
    seat = sit("Bob", "Anna Luisa", font_size=size)
    seat.root.geometry(f"{seat.root.winfo_screenwidth() - 10}x{seat.root.winfo_screenheight() - 80}+0+0")
    seat.root.update()
    seat.window.find_bar.open()
    seat.root.update()
    line = tkfont.nametofont("TkTextFont", root=seat.root).metrics("linespace")
    menu_line = tkfont.nametofont("TkMenuFont", root=seat.root).metrics("linespace")
    for widget in everything_in(seat.root):
        if isinstance(widget, (ttk.Label, ttk.Button, ttk.Entry, tk.Label)) and widget.winfo_viewable():
            assert widget.winfo_height() >= max(line, widget.winfo_reqheight()), widget
            if isinstance(widget, ttk.Button):
                assert widget.winfo_width() >= widget.winfo_reqwidth(), widget
    assert seat.message_input.winfo_height() >= line + 2 * int(str(seat.message_input["pady"]))
    assert seat.window.people._row_height >= line
    is_x11 = seat.root.tk.call("tk", "windowingsystem") == "x11"  # elsewhere the system draws its menus
    for menu in seat.menus() if is_x11 else ():
        rows = [menu.yposition(index) for index in range(cast(int, menu.index("end")) + 1)]
        kinds = [menu.type(index) for index in range(len(rows))]
        heights = [below - above for above, below in itertools.pairwise(rows)]
        assert all(height >= menu_line for height, kind in zip(heights, kinds, strict=False) if kind != "separator")
    seat.choose(seat.words.menu_keys)
    seat.root.update()
    assert seat.window._help.window is not None
    assert seat.window._help.window.winfo_reqheight() <= seat.root.winfo_screenheight()
    assert seat.window._help.window.winfo_reqwidth() <= seat.root.winfo_screenwidth()


@pytest.mark.screen
def test_tab_goes_from_the_box_to_the_button_the_conversation_the_list_and_back(sit: Sit) -> None:
    seat = sit("Bob")
    window = seat.window
    header = window._layout.header.people
    stops = [seat.message_input, window.button, header, window.conversation.text, window.people.list]
    for stop in [*stops[1:], stops[0]]:
        seat.press("Tab")
        assert seat.focus == str(stop)
    for stop in [*reversed(stops)]:
        seat.press("Shift-Tab")
        assert seat.focus == str(stop)


@pytest.mark.screen
def test_f9_hides_and_shows_the_list(sit: Sit) -> None:
    seat = sit("Bob")
    assert seat.window.people.frame.winfo_ismapped()
    seat.press("F9")
    seat.wait(lambda: not seat.window.people.frame.winfo_ismapped())
    assert not seat.settings.shows_people
    seat.press("F9")
    seat.wait(seat.window.people.frame.winfo_ismapped)


def path_on_screen(seat: Seat, number: int) -> str:
    """The copy of a menu that X11 shows; the bar's, by its place."""
    bar, menu = str(seat.root["menu"]), str(seat.menu(number))
    return f".{bar.replace('.', '#')}.{menu.replace('.', '#')}"


@pytest.mark.screen
@pytest.mark.skipif(not HAS_XDOTOOL, reason="a menu bar is opened by real keys")
@LANGUAGES
def test_the_menu_bar_works_with_the_keyboard(sit: Sit, language: str) -> None:
    seat = sit("Bob", language=language)
    seat.put_on_clipboard("incollato")
    # Away from where an earlier test has left it: Tk goes wrong where it lies on a menu that the next key leaves.
    seat._xdotool("mousemove", str(seat.root.winfo_screenwidth() - 1), str(seat.root.winfo_screenheight() - 1))
    seat.press("F10", "Right", "Escape", "Escape")  # one for the menu, one for the bar
    assert seat.focus == str(seat.message_input)
    seat.press("F10", "Right")
    shown_edit = path_on_screen(seat, 1)
    seat.wait(lambda: seat.focus == shown_edit)
    for _ in labels(seat.menu(1)):  # Tk begins at the first entry or before it
        if seat.root.tk.call(shown_edit, "entrycget", "active", "-label") != seat.words.menu_paste:
            seat.press("Down")
    seat.press("Return")
    seat.wait(lambda: seat.draft == "incollato")
    assert seat.focus == str(seat.message_input)


@pytest.mark.screen
@pytest.mark.skipif(not HAS_XDOTOOL, reason="a menu bar is opened by a real mouse")
def test_the_menu_bar_works_with_the_mouse() -> None:
    alone = Path(__file__).with_name("alone_menu_by_mouse.py")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(alone)]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
