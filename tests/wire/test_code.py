"""The code of a room: its form, what a person may type for it, and its key."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lan_chat.code import CONSONANTS, VOWELS, format_code, key_of, make_code, parse_code
from tests.support.wire import anything_goes

LETTERS = "babacocodidifofo"

codes = st.lists(st.tuples(st.sampled_from(CONSONANTS), st.sampled_from(VOWELS)), min_size=8, max_size=8).map(
    lambda pairs: "".join(map("".join, pairs))
)
passed_over = st.text(st.sampled_from(" -–—‐‑−\u00a0\u200b\u00ad\u2060\ufeff\t\r\n"), max_size=3)


def test_made_code_has_the_form_and_is_another_each_time() -> None:
    made = {make_code() for _ in range(100)}
    assert len(made) == 100
    for code in made:
        assert re.fullmatch(r"(?:[bcdfgklmnprstv][aeiou]){2}(?:-(?:[bcdfgklmnprstv][aeiou]){2}){3}", code)
        assert format_code(parse_code(code) or "") == code


@anything_goes
@given(codes, st.data())
def test_case_blanks_hyphens_and_invisible_characters_do_not_matter(code: str, data: st.DataObject) -> None:
    typed = "".join(
        data.draw(passed_over) + (letter.upper() if data.draw(st.booleans()) else letter) for letter in code
    )
    assert parse_code(typed + data.draw(passed_over)) == code


@pytest.mark.parametrize(
    "typed",
    [
        "baba-coco-didi-fofo",
        "Codice della stanza: BABA-COCO-DIDI-FOFO",
        "ｂａｂａ－ｃｏｃｏ－ｄｉｄｉ－ｆｏｆｏ",
        *(
            "«baba-coco-didi-fofo».",
            '"baba-coco-didi-fofo"',
            "„baba-coco-didi-fofo“",
            "baba\u2043coco\u2043didi\u2043fofo",
        ),
        "BABA COCO DİDİ FOFO",  # a Turkish keyboard's capital letter
    ],
)
def test_what_is_pasted_or_typed_on_another_keyboard_is_understood(typed: str) -> None:
    assert parse_code(typed) == LETTERS


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "baba-coco-didi",
        "baba-coco-didi-fofo-baba",
        "baba-coco-didi-fof0",
        "abab-coco-didi-fofo",
        "baba-coco-didi-fofh",
        "baba-coco-didi-haha",  # no h: it is not spoken in Italian
        "baba_coco_didi_fofo",
        "baba-coco-didi-fоfо",  # Cyrillic
        "baba-coco-didi-fofo " * 100,
        "\ud800",
    ],
)
def test_what_has_not_the_form_is_no_code(typed: str) -> None:
    assert parse_code(typed) is None


def test_key_is_scrypt_of_the_letters() -> None:
    assert key_of(LETTERS).hex() == "9a350afaa0b9f858a41e391133be9f1f470de2bb507a06d3f8b415e776857c1d"
