"""The colours of the themes and of the names.

Pure: no tkinter, no thread; colours are strings of the form `#rrggbb`.
"""

from __future__ import annotations

import colorsys
import functools
import zlib
from dataclasses import dataclass

import protocol


@dataclass(frozen=True)
class Palette:
    """The colours of a theme."""

    window: str
    paper: str
    text: str
    quiet: str
    error: str
    accent: str
    mention: str
    found: str
    border: str


PALETTES = {
    "light": Palette(
        *("#f0f0f0", "#ffffff", "#1f1f1f", "#5f6368", "#b3261e", "#0b57d0", "#fff4d1", "#ffd54f", "#c4c7c5"),
    ),
    "dark": Palette(
        *("#2b2b2b", "#1e1e1e", "#e3e3e3", "#a0a4a8", "#ff8a80", "#8ab4f8", "#3f3722", "#7a5c00", "#4a4d51"),
    ),
}
HUES = 72
"""The number of colours for names."""
MIN_CONTRAST = 4.5
"""The contrast ratio of a name and its background, as WCAG 2.1 requires it for text (success criterion 1.4.3)."""


def hue_of(name: str) -> int:
    """Return the number of a name's hue: the same for that name in every window."""
    return zlib.crc32(protocol.name_key(name).encode()) % HUES


@functools.lru_cache(maxsize=4 * HUES)
def name_colour(hue: int, paper: str) -> str:
    """Return the colour of a hue, with at least MIN_CONTRAST on the background `paper`."""
    is_dark = luminance(paper) < 0.2
    lightness = 0.6 if is_dark else 0.45
    while contrast(colour := hls_colour(hue / HUES, lightness, 0.75), paper) < MIN_CONTRAST:
        lightness += 0.02 if is_dark else -0.02
    return colour


def hls_colour(hue: float, lightness: float, saturation: float) -> str:
    """Return a colour as Tk reads it, `#rrggbb`; each argument is from 0 to 1."""
    return "#{:02x}{:02x}{:02x}".format(
        *(round(255 * part) for part in colorsys.hls_to_rgb(hue, lightness, saturation))
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
