"""The menus and their keys."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lan_chat.client import words as client_words
from lan_chat.client.palette import PALETTES
from lan_chat.client.words import ENGLISH, ITALIAN, ClientWords
from tests.support.seats import HAS_XDOTOOL, Hands, Seat, Sit, labels, message, text_size

try:
    import tkinter as tk
except ImportError:  # what needs it is skipped aloud, for want of a display
    if not TYPE_CHECKING:
        tk = None

LANGUAGES = pytest.mark.parametrize("language", ["it", "en"])


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
        (words.menu_copy, lambda: seat.root.clipboard_get() == "bozza"),
        (words.menu_cut, lambda: seat.draft == ""),
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
    "F": lambda seat: seat.focus == str(seat.window.find_bar.entry),
    "T": lambda seat: seat.fake.retries == 1,
    "L": lambda seat: seat.window.conversation.last_link in opened_links,
    "Q": lambda seat: not seat.is_open,
}
"""What each letter with Ctrl does, by what is to be seen of it."""
opened_links: list[str] = []


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
    accelerators = {menu.entrycget(index, "accelerator") for menu, index in entries.values()} - {""}
    prefix = "⌘" if sys.platform == "darwin" else "Ctrl+"
    letters = {text.removeprefix(prefix) for text in accelerators if text.startswith(prefix)}
    assert letters == {*ACCELERATORS, "+", "−", "0"}
    assert {text for text in accelerators if not text.startswith(prefix)} == {"Esc", "F6", "F9"}


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
def test_the_menu_bar_works_with_the_mouse(sit: Sit) -> None:
    seat = sit("Bob")
    seat.put_on_clipboard("incollato")
    shown_edit = path_on_screen(seat, 1)
    shown_bar = shown_edit.rpartition(".")[0]
    bar_x, bar_y = (int(seat.root.tk.call("winfo", f"root{axis}", shown_bar)) for axis in "xy")
    edit_x = bar_x + next(x for x in range(0, 400, 3) if seat.root.tk.call(shown_bar, "index", f"@{x},5") == 1) + 10
    seat._xdotool("mousemove", str(edit_x), str(bar_y + 8), "click", "1")
    seat.wait(lambda: int(seat.root.tk.call("winfo", "viewable", shown_edit)))
    x, y = (int(seat.root.tk.call("winfo", f"root{axis}", shown_edit)) for axis in "xy")
    y += int(seat.root.tk.call(shown_edit, "yposition", labels(seat.menu(1)).index(ITALIAN.menu_paste)))
    seat._xdotool("mousemove", str(x + 20), str(y + 5))  # a hand does not jump
    seat._xdotool("mousemove", str(x + 21), str(y + 6))
    seat._xdotool("click", "1")
    seat.wait(lambda: seat.draft == "incollato")
    assert seat.focus == str(seat.message_input)
