"""Texts that are shortened to fit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lan_chat.client.fitting import ELLIPSIS, shortened


def test_what_fits_stays_as_it_is() -> None:
    assert shortened("192.168.1.20 · porta 53000", 26, len) == "192.168.1.20 · porta 53000"


def test_a_text_is_cut_between_words() -> None:
    assert shortened("192.168.1.20 · porta 53000", 24, len) == "192.168.1.20 · porta…"
    assert shortened("192.168.1.20 · porta 53000", 19, len) == "192.168.1.20…"


def test_a_single_long_word_is_cut_between_characters() -> None:
    assert shortened("W" * 32, 10, len) == "W" * 9 + ELLIPSIS


def test_a_very_long_text_is_measured_only_in_part() -> None:
    measured = []
    shortened("a" * 4_000_000, 50, lambda text: measured.append(len(text)) or len(text))  # type: ignore[func-returns-value]
    assert max(measured) <= 401
    assert len(measured) < 20


@given(st.text(max_size=600), st.integers(1, 80))
def test_what_is_shown_fits_and_is_the_beginning(text: str, width: int) -> None:
    shown = shortened(text, width, len)
    assert shown == text or (shown.endswith(ELLIPSIS) and text.startswith(shown[: -len(ELLIPSIS)]))
    assert len(shown) <= width
