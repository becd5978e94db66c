"""Colours: hues of names, and text that can be read in every theme."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import protocol
from lan_chat.client.palette import HUES, MIN_CONTRAST, PALETTES, contrast, hue_of, name_colour

names = st.text(min_size=1, max_size=12).map(protocol.parse_name).filter(bool)


@pytest.mark.parametrize("theme", sorted(PALETTES))
def test_text_can_be_read_in_every_theme(theme: str) -> None:
    palette = PALETTES[theme]
    for text, ground in (
        (palette.text, palette.paper),
        (palette.text, palette.window),
        (palette.quiet, palette.paper),
        (palette.quiet, palette.window),
        (palette.error, palette.paper),
        (palette.accent, palette.paper),
        (palette.text, palette.mention),
        (palette.text, palette.found),
        (palette.paper, palette.accent),
    ):
        assert contrast(text, ground) >= MIN_CONTRAST, (text, ground)


def test_a_name_has_the_same_hue_however_it_is_written() -> None:
    assert hue_of("Bob") == hue_of("BOB") == hue_of("bob")
    assert hue_of("José") == hue_of("Jose\u0301")


@given(names)
def test_every_name_has_a_hue(name: str) -> None:
    assert 0 <= hue_of(name) < HUES
    assert hue_of(name) == hue_of(name.upper().lower()) or protocol.name_key(name) != protocol.name_key(
        name.upper().lower()
    )


def test_hues_are_spread_over_names() -> None:
    assert len({hue_of(f"utente{number}") for number in range(1000)}) == HUES


@given(st.integers(0, HUES - 1), st.integers(0, 0xFFFFFF).map("#{:06x}".format))
def test_a_colour_is_found_for_every_hue_on_every_very_light_or_dark_paper(hue: int, paper: str) -> None:
    black, white = contrast("#000000", paper), contrast("#ffffff", paper)
    if max(black, white) >= 14:
        assert contrast(name_colour(hue, paper), paper) >= MIN_CONTRAST
