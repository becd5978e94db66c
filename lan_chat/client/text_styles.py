"""How the conversation's text looks: the options of each tag.

Pure: no tkinter, no thread; fonts are given by their names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lan_chat.client.palette import HUES, Palette, name_colour

WRAPPED = ("text", "announcement", "pending", "failed")
"""The tags of texts whose rows are no longer than can be read, however wide the window is."""

HEADER_AIR, RULE_AIR, NOTICE_AIR = 10, 12, 4
"""What is left free above a name, a day or rule, and a notice, in 18ths of a row's height."""


@dataclass(frozen=True)
class Fonts:
    """The names of the fonts."""

    name: str
    small: str


def text_styles(palette: Palette, fonts: Fonts, unit: float) -> dict[str, dict[str, Any]]:
    """Return the options of each tag, from the one that counts least on; `unit` is an 18th of a row's height."""
    left, air = round(56 * unit), max(1, round(unit))
    # What is selected or found does not colour the margin, where the discs are.
    margin: dict[str, Any] = {"lmargincolor": palette.paper}
    body = {"lmargin1": left, "lmargin2": left, "spacing1": air, "spacing3": air, "spacing2": 2 * air, **margin}
    side = round(16 * unit)
    centred = {"justify": "center", "lmargin1": side, "lmargin2": side, "rmargin": side, "font": fonts.small, **margin}
    centred |= {"spacing1": round(NOTICE_AIR * unit), "spacing3": round(NOTICE_AIR * unit)}
    rule = {"spacing1": round(RULE_AIR * unit), "spacing3": round(RULE_AIR * unit / 2)}
    return {
        "header": {
            "lmargin1": left,
            "lmargin2": left,
            "font": fonts.name,
            "spacing1": round(HEADER_AIR * unit),
            **margin,
        },
        **{f"hue-{hue}": {"foreground": name_colour(hue, palette)} for hue in range(HUES)},
        "time": {"foreground": palette.quiet, "font": fonts.small},
        "text": {"foreground": palette.text, **body},
        "pending": {"foreground": palette.quiet, **body},
        "failed": {"foreground": palette.error, **body},
        "unsent": {"foreground": palette.error, "font": fonts.name},
        "sending": {"foreground": palette.quiet, "font": fonts.small},
        "notice": {"foreground": palette.quiet, **centred},
        "error": {"foreground": palette.error, **centred, "font": "TkTextFont"},
        "announcement": {"foreground": palette.accent, **body},
        "day": {"foreground": palette.quiet, **centred, **rule},
        "marker": {"foreground": palette.error, **centred, **rule},
        "own": _tinted(palette.own),
        "mention": _tinted(palette.mention),
        "link": {"foreground": palette.accent, "underline": True},
        "action": {"foreground": palette.accent, "underline": True},
        "found": {"background": palette.found, "foreground": palette.text},
        "current": {"background": palette.accent, "foreground": palette.paper},
    }


def _tinted(colour: str) -> dict[str, str]:
    """Return the style of messages with a background from edge to edge."""
    return {"background": colour, "lmargincolor": colour, "rmargincolor": colour}
