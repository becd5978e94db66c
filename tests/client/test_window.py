"""The window as a whole: the keyboard alone, status, language, place on the screen."""

from __future__ import annotations

import time

import pytest

import protocol
from lan_chat.client.desktop import open_root
from lan_chat.client.icon import ICONS
from lan_chat.client.session import Disconnected
from lan_chat.client.words import ENGLISH, ITALIAN
from protocol import Joined
from tests.support.seats import Sit, everything_in, labels, message, texts_of

pytestmark = pytest.mark.screen


def test_f6_goes_from_box_to_conversation_to_list_and_back(sit: Sit) -> None:
    seat = sit("Bob")
    stops = []
    for _ in range(4):
        seat.press("F6")
        stops.append(seat.focus)
    box, conversation, people = map(str, (seat.message_input, seat.conversation, seat.window.people.list))
    assert stops == [conversation, people, box, conversation]
    seat.choose(ITALIAN.menu_people)
    seat.message_input.focus_set()
    seat.press("F6", "F6")
    assert seat.focus == box


def test_hiding_the_list_does_not_take_the_focus_along(sit: Sit) -> None:
    seat = sit("Bob")
    seat.press("F6", "F6")
    assert seat.focus == str(seat.window.people.list)
    seat.press("F9")
    seat.wait(lambda: not seat.window.people.frame.winfo_ismapped())
    assert seat.focus == str(seat.message_input)


@pytest.mark.parametrize("key", ["Return", "space"])
def test_somebody_in_the_list_is_addressed_by_key(sit: Sit, key: str) -> None:
    seat = sit("Bob", "Cleo")
    seat.press("F6", "F6", "Down", key)
    assert seat.draft == "Bob: "
    assert seat.focus == str(seat.message_input)


def test_pages_turn_from_the_box_and_escape_goes_to_the_latest(sit: Sit) -> None:
    seat = sit("Bob")
    seat.fake.tell(*(message(number, f"riga {number}") for number in range(1, 201)))
    seat.see("riga 200")
    seat.wait(lambda: seat.is_at_end)
    seat.type("bozza")
    seat.press("Prior")
    assert not seat.is_at_end
    higher = seat.conversation.yview()[0]
    seat.press("Prior")
    assert seat.conversation.yview()[0] < higher
    seat.press("Next", "Next")
    assert seat.is_at_end
    seat.press("Prior", "Prior", "F6", "Escape")
    seat.wait(lambda: seat.is_at_end)
    assert (seat.focus, seat.draft) == (str(seat.message_input), "bozza")


def test_one_can_go_back_to_the_box_from_everywhere_by_escape(sit: Sit) -> None:
    seat = sit("Bob")
    for widget in (seat.conversation, seat.window.people.list, seat.window.button):
        widget.focus_force()
        seat.press("Escape")
        assert seat.focus == str(seat.message_input)
    seat.press("Control-f")
    assert seat.focus == str(seat.window.find_bar.entry)
    seat.press("Escape")
    assert seat.focus == str(seat.message_input)
    assert not seat.window.find_bar.frame.winfo_ismapped()


def test_the_status_tells_where_how_many_and_whether_connected(sit: Sit) -> None:
    seat = sit("Bob")
    assert seat.window.status["text"] == "Connesso a lan-host, porta 53000 · persone nella chat: 2"
    seat.fake.tell(Joined(1, time.time(), "Cleo"))
    seat.wait(lambda: seat.window.status["text"].endswith(": 3"))
    seat.fake.tell(protocol.Left(2, time.time(), "Bob", None), protocol.Left(3, time.time(), "Cleo", None))
    seat.wait(lambda: seat.window.status["text"].endswith(": 1"))
    seat.fake.tell(Disconnected(()))
    seat.wait(lambda: seat.window.status["text"] == "Non connesso a lan-host, porta 53000")


def test_the_language_changes_at_once(sit: Sit) -> None:
    seat = sit("Bob")
    seat.press("Control-f")
    seat.choose("English")
    window = seat.window
    assert window.button["text"] == ENGLISH.send
    assert window.message_input.placeholder["text"] == ENGLISH.placeholder
    assert window.status["text"] == "Connected to lan-host, port 53000 · people in the chat: 2"
    assert window.people.title["text"] == "In the chat: 2"
    assert ENGLISH.find in texts_of(seat.root)
    bar = seat.root.nametowidget(seat.root["menu"])
    names = ("menu_chat", "menu_edit", "menu_view", "menu_language", "menu_help")
    assert labels(bar) == [getattr(ENGLISH, name) for name in names]
    seat.fake.tell(Joined(1, time.time(), "Cleo"))
    seat.see(ENGLISH.joined.format(name="Cleo"))
    italian = [text for text in texts_of(seat.root) if text in (ITALIAN.send, ITALIAN.find)]
    assert not italian
    seat.choose("Italiano")
    assert window.button["text"] == ITALIAN.send


def test_changing_the_language_back_and_forth_leaves_no_menus_behind(sit: Sit) -> None:
    seat = sit("Bob")

    def count() -> int:
        seat.root.update()
        return len(list(everything_in(seat.root)))

    seat.choose("English")
    before = count()
    for language in ("Italiano", "English") * 3:
        seat.choose(language)
        seat.click(seat.conversation, 100, 100, button=3)
        seat.wait(lambda: seat.popup)
        seat.press("Escape")
        seat.wait(lambda: seat.popup is None)
    assert count() <= before + 1  # the last context menu


@pytest.mark.parametrize(
    "geometry",
    [
        "",
        "800x600+100+50",
        "800x600+5000+50",
        "800x600+100+5000",
        "800x600+-5000+50",
        "800x600+100+-5000",
        "800x600+100+-20",
        "99999x99999+0+0",
        "99999x99999+900+700",
        "10x10+0+0",
        "800x600+999999+999999",
        "nonsense",
    ],
)
def test_a_window_comes_back_on_the_screen(sit: Sit, geometry: str) -> None:
    seat = sit(geometry=geometry)
    seat.root.update()
    width, height = seat.root.winfo_width(), seat.root.winfo_height()
    left, top = seat.root.winfo_rootx(), seat.root.winfo_rooty()
    assert 360 <= width <= seat.root.winfo_screenwidth()
    assert 240 <= height <= seat.root.winfo_screenheight()
    seen_width = min(left + width, seat.root.winfo_screenwidth()) - max(left, 0)
    assert seen_width >= width // 2, (left, width)
    assert 0 <= top <= seat.root.winfo_screenheight() - 50, top


def test_a_desktop_knows_the_windows_by_class_and_icon(display: None) -> None:
    root = open_root(ITALIAN)
    assert root is not None
    try:
        assert root.winfo_class() == "Lan-chat"
        assert len([name for name in root.image_names() if "image" in name]) >= len(ICONS)
    finally:
        root.destroy()
