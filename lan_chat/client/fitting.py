"""Texts that have to fit a width: shortened with an ellipsis. Pure: what measures a text is the caller's."""

from __future__ import annotations

from collections.abc import Callable

ELLIPSIS = "…"
MAX_MEASURED = 400
"""The most characters that are measured: no label of ours is wider, and a measure takes time for each."""


def shortened(text: str, width: int, measure: Callable[[str], int]) -> str:
    """Return a text, or its beginning and an ellipsis, no wider than `width`; cut between words where one word fits.

    Of what has no blanks, such as most names, it is cut between characters.
    """
    if len(text) <= MAX_MEASURED and measure(text) <= width:
        return text
    fits, too_long = 0, min(len(text), MAX_MEASURED) + 1
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if measure(_ended(text[:middle])) <= width:
            fits = middle
        else:
            too_long = middle
    cut = text[:fits]
    if fits < len(text) and not text[fits].isspace() and " " in cut.strip():
        cut = cut.rpartition(" ")[0]
    return _ended(cut)


def _ended(cut: str) -> str:
    return cut.rstrip(" ·,:") + ELLIPSIS
