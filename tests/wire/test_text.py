"""Cleaning texts, measuring them and splitting them."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import clean_text, is_too_long, split_text
from tests.support.wire import HARMLESS, anything_goes, is_harmless, raw_texts


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("ciao", "ciao"),
        ("", ""),
        (" due  spazi ", " due  spazi "),
        ("a\tb\nc", "a\tb\nc"),
        ("perché € 😀", "perché € 😀"),
        ("\x1b[31mrosso\x1b[0m", "[31mrosso[0m"),
        ("\x00a\x07b\x7fc\x9bd", "abcd"),
        ("a\x0bb\x0cc\x1cd\x1de\x1ef\x85g", "abcdefg"),
        ("a\r\nb\rc\u2028d\u2029e", "a\nb\nc\nd\ne"),
        ("\u202eoaic\u202c \u2066x\u2069", "oaic x"),
        ("\ufeffciao", "ciao"),
        ("mezza \ud83d", "mezza "),
        ("\r\n\nciao\n\r\n", "ciao"),
        ("a\n\nb", "a\n\nb"),
        ("\u200fשלום\u200e", "\u200fשלום\u200e"),  # marks, not overrides: people who write from the right need them
    ],
)
def test_what_must_not_reach_a_screen_is_taken_out(raw: str, clean: str) -> None:
    assert clean_text(raw) == clean


@anything_goes
@given(raw_texts)
def test_a_cleaned_text_is_harmless_and_stays_as_it_is(raw: str) -> None:
    text = clean_text(raw)
    assert is_harmless(text)
    assert clean_text(text) == text


@anything_goes
@given(st.text(st.sampled_from(HARMLESS) | st.characters().filter(is_harmless)))
def test_of_a_harmless_text_only_newlines_at_the_ends_are_taken(text: str) -> None:
    assert clean_text(text) == text.strip("\n")


def test_nothing_that_is_taken_out_of_a_text_is_printable() -> None:
    """`clean_text` leaves printable texts as they are, whatever version of Unicode this Python knows."""
    letters = map(chr, range(sys.maxunicode + 1))
    assert all(is_harmless(letter) and letter != "\n" for letter in letters if letter.isprintable())


@pytest.mark.parametrize("letter", ["x", "è", "€", "😀"])
def test_a_text_may_have_16_kib_of_utf_8_and_no_more(letter: str) -> None:
    most = letter * (16 * 1024 // len(letter.encode()))
    assert not is_too_long(most)
    assert is_too_long(most + letter)


@anything_goes
@given(st.text(), st.integers(4, 20))
def test_the_pieces_of_a_text_join_to_the_text_and_none_is_too_long(text: str, max_bytes: int) -> None:
    pieces = split_text(text, max_bytes)
    assert "".join(pieces) == text
    assert all(len(piece.encode()) <= max_bytes for piece in pieces)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [("", [""]), ("abcd", ["abcd"]), ("abcde", ["abcd", "e"]), ("aè€😀", ["aè", "€", "😀"]), ("😀😀", ["😀", "😀"])],
)
def test_a_text_is_never_cut_inside_a_letter(text: str, pieces: list[str]) -> None:
    assert split_text(text, 4) == pieces
