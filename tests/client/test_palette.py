"""Colours: hues of names, and text that can be read in every theme."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import protocol
from lan_chat.client.palette import (
    DARK_TONES,
    HUES,
    LIGHT_TONES,
    MIN_CONTRAST,
    PALETTES,
    SYSTEM_THEME,
    THEMES,
    Palette,
    Tone,
    contrast,
    disc_colours,
    hue_of,
    luminance,
    mixed,
    name_colour,
    oklch_colour,
    palette_of,
)

names = st.text(min_size=1, max_size=12).map(protocol.parse_name).filter(bool)


palettes = pytest.mark.parametrize("palette", PALETTES.values(), ids=PALETTES)


def grounds(palette: Palette) -> tuple[str, ...]:
    """Where text and names stand."""
    return palette.paper, palette.window, palette.hover, palette.own, palette.mention


@palettes
def test_text_can_be_read_in_every_theme(palette: Palette) -> None:
    for ground in grounds(palette):
        for text in (palette.text, palette.quiet, palette.error, palette.accent):
            assert contrast(text, ground) >= MIN_CONTRAST, (text, ground)
    assert contrast(palette.text, palette.found) >= MIN_CONTRAST
    assert contrast(palette.paper, palette.accent) >= MIN_CONTRAST


@palettes
def test_the_dot_of_the_link_and_the_focus_can_be_seen_in_every_theme(palette: Palette) -> None:
    for colour in (palette.connected, palette.broken, palette.accent):  # no text: 3:1 (WCAG 2.1, 1.4.11)
        assert contrast(colour, palette.paper) >= 3
        assert contrast(colour, palette.window) >= 3


@palettes
@pytest.mark.parametrize("hue", range(HUES))
def test_a_name_can_be_read_on_every_ground(palette: Palette, hue: int) -> None:
    for ground in grounds(palette):
        assert contrast(name_colour(hue, palette), ground) >= MIN_CONTRAST, ground
    assert contrast(*disc_colours(hue, palette)) >= MIN_CONTRAST


@palettes
def test_no_name_is_brighter_than_another(palette: Palette) -> None:
    # Equal in OKLCH, which is close to equal in contrast, and so in how far a name stands out.
    contrasts = [contrast(name_colour(hue, palette), palette.paper) for hue in range(HUES)]
    assert max(contrasts) / min(contrasts) < 1.2


@palettes
def test_every_hue_has_a_colour_and_a_disc_of_its_own(palette: Palette) -> None:
    assert len({name_colour(hue, palette) for hue in range(HUES)}) == HUES
    assert len({disc_colours(hue, palette) for hue in range(HUES)}) == HUES


def test_known_colours_of_oklch() -> None:
    assert oklch_colour(Tone(1.0, 0.0), 0.0) == "#ffffff"
    assert oklch_colour(Tone(0.0, 0.0), 0.5) == "#000000"
    assert oklch_colour(Tone(0.628, 0.2577), 29.23 / 360) == "#ff0000"
    assert oklch_colour(Tone(0.452, 0.3132), 264.05 / 360) == "#0000ff"


@given(st.floats(0, 1), st.floats(0, 0.4), st.floats(0, 1))
def test_what_no_screen_can_show_becomes_a_colour_of_that_lightness(
    lightness: float, chroma: float, hue: float
) -> None:
    grey = luminance(oklch_colour(Tone(lightness, 0.0), hue))
    assert abs(luminance(oklch_colour(Tone(lightness, chroma), hue)) - grey) < 0.25  # OKLCH is no luminance


def test_each_theme_has_tones_for_its_ground() -> None:
    assert LIGHT_TONES.name.lightness < 0.6 < DARK_TONES.name.lightness
    assert [palette.is_dark for palette in PALETTES.values()] == [luminance(p.paper) < 0.2 for p in PALETTES.values()]


def test_a_mixed_colour_lies_between_two() -> None:
    assert mixed("#000000", "#ffffff", 0.0) == "#000000"
    assert mixed("#000000", "#ff8000", 0.5) == "#804000"
    assert mixed("#000000", "#ffffff", 1.0) == "#ffffff"


def test_the_theme_as_the_system_is_the_one_that_the_system_has() -> None:
    assert set(THEMES) == {*PALETTES, SYSTEM_THEME}
    assert palette_of("dark") is palette_of(SYSTEM_THEME, is_system_dark=True) is PALETTES["dark"]
    assert palette_of("light", is_system_dark=True) is palette_of(SYSTEM_THEME) is PALETTES["light"]


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
