"""What is drawn of a text: bounded, and every letter can still be told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import protocol
from lan_chat.client.entry_layout import (
    EMOJI_COST,
    LINE_COST,
    LINK_COST,
    MAX_LINKS,
    MAX_TABS,
    SHOWN_COST,
    TAB_COST,
    WHOLE,
    Layout,
    lay_out,
)

NASTY = {
    "links": "http://a. " * 1638,
    "one link": "http://a.it/" + "x" * 16_000,
    "letter and emoji": "a😀" * 3276,
    "joiners": "👩‍💻🏳️‍🌈🇮🇹" * 300,
    "one word": "x" * 16_384,
    "lines": "riga\n" * 499,
    "tabs": "\t" * 16_384,
    "marks": "a\u0301" * 5_000,
    "one letter with marks": "a" + "\u0301\u0323" * 4_000,
    "right to left": "ש" * 8_000,
    "words": "parola " * 2_340,
}
texts = st.lists(
    st.sampled_from(["a", "b c ", "x" * 900, "\t" * 70, "\n", "😀" * 9, "http://a.it ", "www.a.it,", "é", "中" * 200]),
    max_size=60,
).map("".join)


def without_breaks(layout: Layout) -> str:
    drawn = layout.drawn
    return "".join(letter for place, letter in enumerate(drawn) if place not in layout.breaks)


@pytest.mark.parametrize("draws_all", [True, False])
@pytest.mark.parametrize("name", NASTY)
def test_no_text_has_an_expensive_line_and_of_a_long_one_only_the_beginning_is_drawn(
    name: str, draws_all: bool
) -> None:
    text = protocol.clean_text(NASTY[name])
    layout = lay_out(text, draws_all=draws_all)
    assert layout.cost <= SHOWN_COST + LINE_COST
    assert 0 < layout.shown < len(text)
    for is_whole in (False, True):
        layout = lay_out(text, draws_all=draws_all, budget=WHOLE if is_whole else SHOWN_COST)
        pieces = sum(is_link for _, is_link in layout.pieces)
        assert pieces <= MAX_LINKS
        for line in layout.drawn.split("\n"):
            assert line.count("\t") <= LINE_COST // TAB_COST
            assert line.count("http") <= MAX_LINKS  # beyond MAX_LINKS they are text as any other
            if name != "one letter with marks":
                assert len(line) <= LINE_COST
        assert len(layout.pieces) <= 2 * MAX_LINKS + 1
        assert layout.drawn.count("\t") <= MAX_TABS
    assert layout.shown == len(text)


def test_a_line_has_few_links() -> None:
    layout = lay_out(NASTY["links"], draws_all=True)
    links = 0
    for piece, is_link in layout.pieces:
        links = links * ("\n" not in piece) + is_link
        assert links <= LINE_COST // LINK_COST


def test_where_emoji_are_pictures_few_are_drawn_at_first() -> None:
    assert lay_out("😀" * 4096, draws_all=True).shown <= SHOWN_COST // EMOJI_COST
    assert lay_out("😀" * 30, draws_all=True).shown == 30
    assert set(lay_out("😀" * 100, draws_all=False).drawn) == {"□"}


def test_a_usual_message_is_drawn_as_it_is() -> None:
    for text in ("ciao", "", "due\nrighe", "a\tb", "un paragrafo di molte parole " * 40):
        layout = lay_out(text, draws_all=True)
        assert (layout.drawn, layout.breaks, layout.shown) == (text, (), len(text))


def test_long_prose_is_broken_at_a_blank() -> None:
    layout = lay_out("parola " * 2_340, draws_all=True, budget=WHOLE)
    assert layout.breaks
    assert all(layout.drawn[place - 1] == " " for place in layout.breaks)


@given(texts, st.booleans(), st.sampled_from([SHOWN_COST, WHOLE]))
def test_every_letter_is_drawn_or_left_for_later_and_its_place_is_known(
    text: str, draws_all: bool, budget: int
) -> None:
    layout = lay_out(text, draws_all=draws_all, budget=budget)
    shown = without_breaks(layout)
    assert len(shown) == layout.shown
    assert all(drawn in (letter, "□", " ") for drawn, letter in zip(shown, text, strict=False))
    for offset in range(0, layout.shown, 7):
        assert layout.text_offset(layout.drawn_offset(offset)) == offset
        assert layout.drawn[layout.drawn_offset(offset)] in (text[offset], "□", " ")
