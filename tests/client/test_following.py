"""Following what is new, reading further up, and where one left off."""

from __future__ import annotations

import time

import pytest

from lan_chat.client.words import ITALIAN
from protocol import Announcement, Joined, Left
from tests.support.seats import HAS_XDOTOOL, ReaderSit, said

pytestmark = pytest.mark.screen

MARKER = f"——  {ITALIAN.left_off}  ——"


@pytest.fixture
def sit(reader_sit: ReaderSit) -> ReaderSit:
    """Open windows of somebody who reads."""
    return reader_sit


# --- never pulled down ------------------------------------------------------------------------------------------------


def test_who_reads_at_the_end_stays_there(sit: ReaderSit) -> None:
    reader = sit()
    for first in range(0, 200, 20):
        reader.hear_many(20, first)
        assert reader.is_at_end
        assert reader.news == ""


def test_who_has_scrolled_up_stays_and_is_told_how_much_is_new(sit: ReaderSit) -> None:
    reader = sit()
    reader.hear_many(200)
    reader.press("Prior", "Prior")
    top = reader.top
    reader.hear_many(1, 200)
    assert (reader.top, reader.news) == (top, "1 nuovo messaggio ↓")
    reader.hear_many(49, 201)
    assert (reader.top, reader.news) == (top, "50 nuovi messaggi ↓")
    reader.click(reader.window.conversation.button)
    reader.wait(lambda: reader.is_at_end and reader.news == "")
    reader.hear_many(20, 250)
    assert reader.is_at_end


def test_a_turn_of_the_wheel_is_enough_not_to_be_pulled_down(sit: ReaderSit) -> None:
    reader = sit()
    reader.hear_many(100)
    if HAS_XDOTOOL:
        reader.click(reader.conversation, 50, 50, button=4)
    else:
        reader.conversation.yview_scroll(-3, "units")
    reader.wait(lambda: not reader.is_at_end)
    top = reader.top
    reader.hear_many(50, 100)
    assert reader.top == top


def test_notices_and_ones_own_messages_are_not_counted_as_new(sit: ReaderSit) -> None:
    reader = sit()
    reader.hear_many(100)
    reader.press("Prior")
    reader.hear(Joined(1, time.time(), "Carla"), said("mio", "Ada"), said("suo"), Left(2, time.time(), "Carla"))
    assert reader.news == "1 nuovo messaggio ↓"


def test_an_announcement_is_counted_as_new(sit: ReaderSit) -> None:
    reader = sit()
    reader.hear_many(100)
    reader.press("Prior")
    reader.hear(Announcement(1, time.time(), "si chiude"))
    assert reader.news == "1 nuovo messaggio ↓"


@pytest.mark.parametrize("way", ["keys", "Escape", "saying something"])
def test_who_goes_to_the_end_has_nothing_new_left(sit: ReaderSit, way: str) -> None:
    reader = sit()
    reader.hear_many(100)
    reader.press("Prior")
    reader.hear_many(5, 100)
    if way == "keys":
        reader.press("Next", "Next")
    elif way == "Escape":
        reader.press("Escape")
    else:
        reader.enter("ciao")
    reader.wait(lambda: reader.is_at_end and reader.news == "")


def test_a_reader_further_up_keeps_the_place_when_the_list_is_folded_away(sit: ReaderSit) -> None:
    reader = sit("Bob")
    reader.hear_many(200)
    reader.press("Prior", "Prior")
    top = reader.top
    reader.hear_many(1, 200)
    reader.press("F9", "F9")
    reader.hear_many(5, 201)
    assert reader.top == top


def test_a_reader_further_up_keeps_the_place_while_the_oldest_is_dropped(
    sit: ReaderSit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lan_chat.client.conversation.MAX_ENTRIES", 200)
    reader = sit()
    reader.hear_many(200)
    reader.press("Prior")
    top = reader.top
    for first in range(200, 300, 10):
        reader.hear_many(10, first)
        assert reader.top == top


@pytest.mark.parametrize("sequence", ["<ButtonRelease-1>", "<Motion>"])
def test_after_a_click_during_which_others_talked_the_end_is_followed_again(sit: ReaderSit, sequence: str) -> None:
    """The pointer moves without a button where the release has gone elsewhere, to a menu."""
    reader = sit()
    reader.hear_many(100)
    reader.conversation.event_generate("<ButtonPress-1>", x=50, y=50)
    reader.hear_many(20, 100)
    assert not reader.is_at_end
    reader.conversation.event_generate(sequence, x=50, y=50)
    reader.wait(lambda: reader.is_at_end)
    reader.hear_many(20, 120)
    assert (reader.is_at_end, reader.news) == (True, "")


def test_who_selects_while_others_talk_stays_there(sit: ReaderSit) -> None:
    reader = sit()
    reader.hear_many(100)
    reader.conversation.event_generate("<ButtonPress-1>", x=150, y=50)
    reader.conversation.event_generate("<B1-Motion>", x=200, y=90)
    reader.hear_many(20, 100)
    reader.conversation.event_generate("<ButtonRelease-1>", x=200, y=90)
    reader.root.update()
    assert reader.conversation.tag_ranges("sel")
    assert not reader.is_at_end


# --- where one left off -----------------------------------------------------------------------------------------------


def test_a_line_shows_where_one_left_off(sit: ReaderSit) -> None:
    reader = sit()
    reader.hear(said("letto"))
    reader.look_away()
    reader.hear(said("nuovo uno"), said("nuovo due"))
    tail = [line.partition("Bob: ")[2] or line for line in reader.lines[-4:]]
    assert tail == ["letto", MARKER, "nuovo uno", "nuovo due"]
    assert reader.tags_of(MARKER) == {"marker"}


def test_there_is_one_such_line_and_it_moves_when_one_leaves_again(sit: ReaderSit) -> None:
    reader = sit()
    for round_ in range(3):
        reader.hear(said(f"letto {round_}"))
        reader.look_away()
        reader.hear(said(f"nuovo {round_}"), said(f"altro {round_}"))
        reader.look_back()
        assert reader.shown.count(MARKER) == 1  # it stays for whoever comes back
        assert reader.lines[reader.lines.index(MARKER) + 1].endswith(f"nuovo {round_}")
    reader.hear(said("fine"))
    assert reader.shown.count(MARKER) == 1


def test_such_a_line_is_drawn_for_news_alone(sit: ReaderSit) -> None:
    reader = sit()
    reader.hear(said("con gli occhi qui"))
    reader.look_away()
    reader.hear(Joined(1, time.time(), "Carla"), said("mio, da altrove", "Ada"))
    assert MARKER not in reader.shown
    assert reader.root.title() == "Chat – lan-host"
