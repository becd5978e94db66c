"""The colours of the themes and of the names.

Pure: no tkinter, no thread; colours are strings of the form `#rrggbb`.
"""

from __future__ import annotations

import functools
import math
import zlib
from dataclasses import dataclass

import protocol


@dataclass(frozen=True)
class Palette:
    """The colours of a theme."""

    is_dark: bool
    window: str
    """The background of the window, the menus and the list of people."""
    paper: str
    """The background of what is read and written; also what is written on `accent`."""
    hover: str
    """A button, and what is under the pointer."""
    text: str
    quiet: str
    """Text that matters less: times, notices, hints."""
    line: str
    """Lines between the parts of the window."""
    border: str
    """The outline of fields and buttons, and the thumb of a scrollbar."""
    accent: str
    """What can be done next: the main button, the focus, links."""
    own: str
    """The background of one's own messages."""
    mention: str
    """The background of a message that mentions the user, and of the banner."""
    mention_bar: str
    connected: str
    """The dot of a link that works; no text has this colour."""
    broken: str
    """The dot of a link that is broken."""
    error: str
    found: str
    """The background of what a search has found."""


PALETTES = {
    "light": Palette(
        is_dark=False,
        window="#f5f6f8",
        paper="#ffffff",
        hover="#f0f2f5",
        text="#1b1f24",
        quiet="#5f6975",
        line="#e1e4e8",
        border="#c9ced5",
        accent="#2962d9",
        own="#eef3fe",
        mention="#fff5d6",
        mention_bar="#e0a100",
        connected="#1a9c53",
        broken="#c0362c",
        error="#c0362c",
        found="#ffd54f",
    ),
    "dark": Palette(
        is_dark=True,
        window="#17191c",
        paper="#1e2124",
        hover="#26292e",
        text="#e6e8ea",
        quiet="#a0aab5",
        line="#2d3136",
        border="#444a52",
        accent="#7aa7f7",
        own="#222c3d",
        mention="#3a331f",
        mention_bar="#d7a93b",
        connected="#4cc07f",
        broken="#ff8a80",
        error="#ff8a80",
        found="#7a5c00",
    ),
}
SYSTEM_THEME = "system"
THEMES = (*PALETTES, SYSTEM_THEME)
"""What the user may choose: a palette, or the one that fits the rest of the desktop."""
HUES = 16
"""The number of colours for names: as many as can be told apart; the initials tell apart names of one hue."""
MIN_CONTRAST = 4.5
"""The contrast ratio of a text and its background, as WCAG 2.1 requires it (success criterion 1.4.3)."""


@dataclass(frozen=True)
class Tone:
    """A lightness (0 to 1) and a chroma in OKLCH; with a hue they are a colour."""

    lightness: float
    chroma: float


@dataclass(frozen=True)
class NameTones:
    """The tones of a name, of its disc, and of the initial on the disc."""

    name: Tone
    disc: Tone
    initial: Tone


LIGHT_TONES = NameTones(name=Tone(0.50, 0.14), disc=Tone(0.88, 0.07), initial=Tone(0.38, 0.12))
DARK_TONES = NameTones(name=Tone(0.78, 0.11), disc=Tone(0.42, 0.08), initial=Tone(0.90, 0.06))


def palette_of(theme: str, is_system_dark: bool = False) -> Palette:
    """Return the palette of a theme; `is_system_dark` decides for the theme that is as the system."""
    if theme == SYSTEM_THEME:
        theme = "dark" if is_system_dark else "light"
    return PALETTES[theme]


def hue_of(name: str) -> int:
    """Return the number of a name's hue: the same for that name in every window."""
    return zlib.crc32(protocol.name_key(name).encode()) % HUES


def name_colour(hue: int, palette: Palette) -> str:
    """Return the colour of names of a hue, which can be read on every background of messages and lists."""
    return oklch_colour((DARK_TONES if palette.is_dark else LIGHT_TONES).name, hue / HUES)


def disc_colours(hue: int, palette: Palette) -> tuple[str, str]:
    """Return the colour of the disc beside names of a hue, and that of the initial on it."""
    tones = DARK_TONES if palette.is_dark else LIGHT_TONES
    return oklch_colour(tones.disc, hue / HUES), oklch_colour(tones.initial, hue / HUES)


@functools.lru_cache(maxsize=8 * HUES)
def oklch_colour(tone: Tone, hue: float) -> str:
    """Return a colour of OKLCH, its hue from 0 to 1; with less chroma where a screen (sRGB) cannot show as much.

    The lightness is kept, so that what can be read in one hue can be read in all.
    """
    chroma = tone.chroma
    parts = _linear_rgb(tone.lightness, chroma, hue)
    while chroma > 0 and not all(-0.0005 <= part <= 1.0005 for part in parts):
        chroma = max(0.0, chroma - 0.001)
        parts = _linear_rgb(tone.lightness, chroma, hue)
    return "#" + "".join(f"{round(255 * _with_gamma(min(1.0, max(0.0, part)))):02x}" for part in parts)


def mixed(one: str, other: str, share: float) -> str:
    """Return a colour between two, with a share of the other one, from 0 to 1."""
    return "#" + "".join(
        f"{round(int(one[at : at + 2], 16) * (1 - share) + int(other[at : at + 2], 16) * share):02x}"
        for at in (1, 3, 5)
    )


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, 1 to 21 (WCAG 2.1, "contrast ratio")."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour, 0 to 1 (WCAG 2.1, "relative luminance")."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear_rgb(lightness: float, chroma: float, hue: float) -> tuple[float, float, float]:
    """Return a colour of OKLCH in linear sRGB (Björn Ottosson, "A perceptual color space for image processing")."""
    a, b = chroma * math.cos(math.tau * hue), chroma * math.sin(math.tau * hue)
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )


def _with_gamma(part: float) -> float:
    """Return a part of linear light as sRGB stores it (IEC 61966-2-1)."""
    return 12.92 * part if part <= 0.0031308 else 1.055 * part ** (1 / 2.4) - 0.055
