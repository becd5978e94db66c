"""Completing names."""

from __future__ import annotations

import pytest

from lan_chat.client.composing import completions

NAMES = ("Ada", "Ada Maria", "Bob", "小明", "민수")

COMPLETIONS = [
    ("ad", 2, ["Ada", "Ada Maria"]),
    ("ciao ad", 2, ["Ada", "Ada Maria"]),
    ("Ada m", 5, ["Ada Maria"]),
    ("nevad", 0, []),
    ("你好小", 1, ["小明"]),
    ("你好Ad", 2, ["Ada", "Ada Maria"]),
    ("안녕민", 1, ["민수"]),
    ("riga\nbo", 2, ["Bob"]),
    ("ciao ", 0, []),
]


@pytest.mark.parametrize(("before", "length", "names"), COMPLETIONS)
def test_a_name_is_completed_after_a_blank_or_a_letter_of_a_script_without_blanks(
    before: str, length: int, names: list[str]
) -> None:
    assert completions(before, NAMES) == (length, names)
