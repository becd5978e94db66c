"""The list of who is there."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from lan_chat.client.palette import hue_of
from lan_chat.client.words import ITALIAN
from protocol import Joined, Left
from tests.support.seats import ReaderSit

try:
    from tkinter import ttk
except ImportError:  # what needs it is skipped aloud, for want of a display
    if not TYPE_CHECKING:
        ttk = None

pytestmark = pytest.mark.screen


@pytest.fixture
def sit(reader_sit: ReaderSit) -> ReaderSit:
    """Open windows of somebody who reads."""
    return reader_sit


def test_the_list_is_sorted_and_counted(sit: ReaderSit) -> None:
    reader = sit("zoe", "Bob", "anna", "Carla")
    assert reader.people == ["Ada", "anna", "Bob", "Carla", "zoe"]
    assert reader.window.people.title["text"] == ITALIAN.people.format(count=5)


def test_who_comes_and_goes_is_added_and_taken_away(sit: ReaderSit) -> None:
    reader = sit("Bob")
    reader.hear(Joined(1, 0.0, "carla"), Joined(2, 0.0, "Abe"), Joined(3, 0.0, "Bob"))
    assert reader.people == ["Abe", "Ada", "Bob", "carla"]
    reader.hear(Left(4, 0.0, "Bob"), Left(5, 0.0, "nessuno"))
    assert reader.people == ["Abe", "Ada", "carla"]
    assert reader.window.people.title["text"] == ITALIAN.people.format(count=3)


def test_people_who_come_and_go_at_random_are_listed_as_they_are(sit: ReaderSit) -> None:
    reader = sit()
    chance, here = random.Random(2), {"Ada"}
    for number in range(300):
        name = f"{chance.choice('aAbBzZéÉ')}{chance.randrange(20)}"
        if chance.random() < 0.5:
            here.add(name)
            reader.fake.tell(Joined(number, 0.0, name))
        else:
            here.discard(name)
            reader.fake.tell(Left(number, 0.0, name))
    reader.hear()
    assert reader.people == sorted(here, key=lambda name: (name.casefold(), name))
    assert reader.people == reader.window.people.names
    for name in reader.people:
        assert reader.window.people.colours_of(name)[1] == reader.conversation.tag_cget(
            f"hue-{hue_of(name)}", "foreground"
        )


def test_the_list_is_folded_away_and_back_by_key_and_menu(sit: ReaderSit) -> None:
    reader = sit("Bob")
    frame = reader.window.people.frame
    reader.wait(frame.winfo_ismapped)
    wide = reader.conversation.winfo_width()
    reader.press("F9")
    reader.wait(lambda: not frame.winfo_ismapped() and reader.conversation.winfo_width() > wide)
    assert not reader.settings.shows_people
    reader.choose(ITALIAN.menu_people)
    reader.wait(lambda: frame.winfo_ismapped() and reader.conversation.winfo_width() == wide)
    reader.choose(ITALIAN.menu_people)
    reader.hear(Joined(1, 0.0, "Carla"))
    assert not frame.winfo_ismapped()
    reader.press("F9")
    reader.wait(frame.winfo_ismapped)
    assert reader.people == ["Ada", "Bob", "Carla"]


def test_a_list_that_was_folded_away_stays_so_at_the_next_start(sit: ReaderSit) -> None:
    reader = sit("Bob", shows_people=False)
    assert not reader.window.people.frame.winfo_ismapped()


def test_a_click_on_a_name_begins_a_message_to_them(sit: ReaderSit) -> None:
    reader = sit("Bob", "Carla Maria")
    reader.click_on_name("Carla Maria")
    assert reader.draft == "Carla Maria: "
    assert reader.focus == str(reader.message_input)
    reader.type("ciao")
    reader.press("Return")
    assert reader.said == ["Carla Maria: ciao"]


def test_a_click_on_a_name_keeps_what_is_written(sit: ReaderSit) -> None:
    reader = sit("Bob")
    reader.type("chiedi a ")
    reader.click_on_name("Bob")
    assert reader.draft == "chiedi a Bob: "


def test_a_click_below_the_names_does_nothing(sit: ReaderSit) -> None:
    reader = sit("Bob")
    reader.click(reader.people_list, 20, reader.people_list.winfo_height() - 10)
    assert reader.draft == ""


@pytest.mark.parametrize("key", ["Return", "space"])
def test_a_key_on_a_name_begins_a_message_to_them(sit: ReaderSit, key: str) -> None:
    reader = sit("Bob", "Carla")
    reader.press("F6", "F6")
    assert reader.focus == str(reader.people_list)
    reader.press("Down", "Down", key)
    assert reader.draft == "Carla: "
    assert reader.focus == str(reader.message_input)


def test_the_list_has_a_scrollbar_only_when_needed(sit: ReaderSit) -> None:
    reader = sit("Bob")
    (scrollbar,) = (child for child in reader.window.people.frame.winfo_children() if isinstance(child, ttk.Scrollbar))
    assert not scrollbar.winfo_ismapped()
    reader.hear(*(Joined(number, 0.0, f"u{number}") for number in range(100)))
    reader.wait(scrollbar.winfo_ismapped)
    reader.hear(*(Left(number, 0.0, f"u{number}") for number in range(100)))
    reader.wait(lambda: not scrollbar.winfo_ismapped())
