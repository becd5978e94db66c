"""Finding text in the conversation."""

from __future__ import annotations

import pytest

from lan_chat.client.composing import whole_letters
from lan_chat.client.words import ITALIAN
from tests.support.seats import ReaderSit, said

pytestmark = pytest.mark.screen

EMOJI = "\N{GRINNING FACE}"
FAMILY = "👨‍👩‍👧"


@pytest.fixture
def sit(reader_sit: ReaderSit) -> ReaderSit:
    """Open windows of somebody who reads."""
    return reader_sit


def test_finding_counts_and_goes_both_ways_and_around(sit: ReaderSit) -> None:
    reader = sit()
    reader.hear(*(said(text) for text in ("gatto uno", "cane", "due GATTO", "tre gatto")))
    assert reader.find("gatto") == "3 di 3"  # from the news backwards
    assert reader.current_line.endswith("tre gatto")
    reader.press("Return")
    assert (reader.found, reader.current) == ("2 di 3", "GATTO")
    reader.press("Up")
    assert reader.found == "1 di 3"
    reader.press("F3")
    assert reader.found == "3 di 3"
    for key, found in (("Shift-Return", "1 di 3"), ("Down", "2 di 3"), ("Shift-F3", "3 di 3"), ("Down", "1 di 3")):
        reader.press(key)
        assert reader.found == found
    assert reader.current_line.endswith("gatto uno")
    assert len(reader.conversation.tag_ranges("found")) == 6


def test_what_is_nowhere_is_not_found(sit: ReaderSit) -> None:
    reader = sit()
    reader.hear(said("ciao"))
    assert reader.find("xyzzy") == ITALIAN.find_nothing
    assert not reader.conversation.tag_ranges("found")
    reader.wait(lambda: reader.is_at_end)


def test_the_field_has_room_at_the_largest_font(sit: ReaderSit) -> None:
    reader = sit(geometry="960x640+0+0", font_size=40)
    reader.hear(said("ciao"))
    assert reader.find("xyzzy") == ITALIAN.find_nothing
    bar = reader.window.find_bar
    reader.wait(lambda: not bar._label.winfo_ismapped() and bar.entry.winfo_width() > 80)


def test_nothing_to_find_finds_nothing(sit: ReaderSit) -> None:
    assert sit().find("") == ITALIAN.find_nothing


@pytest.mark.parametrize("wanted", [".*", "-all", "[a", "\\"])
def test_what_to_find_is_no_pattern_and_no_option(sit: ReaderSit, wanted: str) -> None:
    reader = sit()
    reader.hear(said(f"prima {wanted} dopo"))
    reader.press("Control-f")
    reader.window.find_bar.entry.insert(0, wanted)
    reader.press("Return")
    assert (reader.found, reader.current) == ("1 di 1", wanted)


def test_escape_puts_the_line_away_and_its_marks(sit: ReaderSit) -> None:
    reader = sit()
    reader.hear(said("gatto"))
    reader.find("gatto")
    reader.press("Escape")
    assert not reader.window.find_bar.frame.winfo_ismapped()
    assert not reader.conversation.tag_ranges("found")
    assert not reader.conversation.tag_ranges("current")
    assert reader.focus == str(reader.message_input)


def test_what_was_found_is_in_sight_and_stays_there(sit: ReaderSit) -> None:
    reader = sit()
    reader.hear(said("ago"))
    reader.hear_many(200)
    reader.find("ago")
    assert reader.conversation.bbox("current.first") is not None
    reader.hear_many(50, 200)
    assert reader.conversation.bbox("current.first") is not None
    assert reader.news == "50 nuovi messaggi ↓"


def test_the_line_opens_by_menu_too_and_again_with_what_was_looked_for(sit: ReaderSit) -> None:
    reader = sit()
    reader.hear(said("gatto cane"))
    reader.choose(ITALIAN.menu_find)
    reader.type("gatto")
    reader.press("Return", "Escape")
    reader.find("cane")  # typed over it
    assert (reader.found, reader.current) == ("1 di 1", "cane")


def test_f3_looks_for_the_last_one_again(sit: ReaderSit) -> None:
    reader = sit()
    reader.hear(said("gatto"))
    reader.hear_many(200)
    reader.find("gatto")
    reader.press("Escape", "Escape")
    reader.wait(lambda: reader.is_at_end)
    reader.press("F3")
    assert (reader.found, reader.current) == ("1 di 1", "gatto")
    reader.wait(reader.window.find_bar.frame.winfo_ismapped)
    reader.hear_many(1)
    assert reader.conversation.bbox("current.first") is not None


@pytest.mark.parametrize("wanted", [EMOJI, f"{EMOJI}b", "b", "è"])
def test_finding_works_among_emoji(sit: ReaderSit, wanted: str) -> None:
    # Tk 8.6.13's own search ends the process here.
    reader = sit()
    reader.hear(said(f"{EMOJI}{EMOJI}b è İ{EMOJI}B {EMOJI}"), said(f"{FAMILY} niente"), said(f"poi {EMOJI}b È"))
    reader.press("Control-f")
    reader.window.find_bar.entry.insert(0, wanted)
    shown = whole_letters(reader.drawn).lower()
    for _ in range(3):
        reader.press("Return")
        marked = reader.conversation.tag_ranges("found")
        pieces = [reader.conversation.get(*marked[start : start + 2]) for start in range(0, len(marked), 2)]
        assert "".join(pieces).lower() == wanted * shown.count(wanted)
        assert reader.current.lower() == wanted
    assert reader.found.endswith(f" di {shown.count(wanted)}")


def test_finding_does_not_move_the_cursor_in_the_box_nor_unselect(sit: ReaderSit) -> None:
    reader = sit()
    reader.hear(said("gatto"))
    reader.write("abc")
    reader.message_input.mark_set("insert", "1.1")
    reader.press("Control-f", "Escape")
    assert reader.message_input.index("insert") == "1.1"
    reader.drag_over("gatto")
    reader.press("Control-f")
    assert reader.conversation.tag_ranges("sel")


def test_only_the_latest_places_are_marked_but_all_are_counted(sit: ReaderSit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lan_chat.client.finding.MAX_FOUND", 3)
    reader = sit()
    reader.hear_many(10)
    assert reader.find("riga") == "10 di 10"
    ranges = reader.conversation.tag_ranges("found")
    assert len(ranges) == 6
    assert reader.conversation.get(ranges[0], f"{ranges[0]} lineend") == "riga 7"


def test_what_is_typed_is_marked_and_counted_at_once(sit: ReaderSit) -> None:
    reader = sit()
    reader.hear(*(said(text) for text in ("gatto uno", "cane", "due GATTO")))
    top = reader.top
    reader.press("Control-f")
    reader.wait(lambda: reader.focus == str(reader.window.find_bar.entry))
    for letters, count in (("ga", 2), ("tto u", 1), ("x", 0)):
        reader.type(letters)
        text = ITALIAN.find_total.format(count=count) if count else ITALIAN.find_nothing
        reader.wait(lambda text=text: reader.found == text)  # type: ignore[misc]
        assert len(reader.conversation.tag_ranges("found")) == 2 * count
    assert reader.top == top


def test_a_long_search_goes_on_while_the_window_lives(sit: ReaderSit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lan_chat.client.finding.FIND_S", 0.0)
    reader = sit()
    reader.hear_many(300)
    reader.press("Control-f")
    reader.window.find_bar.entry.insert(0, "riga")
    reader.press("Return")
    reader.wait(lambda: reader.found == "300 di 300")


def test_many_matches_of_one_message_are_counted_and_some_are_marked(sit: ReaderSit) -> None:
    reader = sit()
    reader.hear(said("z " * 8000))
    assert reader.find("z") == "8000 di 8000"
    assert len(reader.conversation.tag_ranges("found")) <= 2 * 100
