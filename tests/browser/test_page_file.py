"""The page as a file: its size, what it never does, and its sentences, which are the window's."""

from __future__ import annotations

import dataclasses
import re

import pytest

from lan_chat.client import words
from lan_chat.server.web import PAGE

MAX_BYTES = 30_000
TEXT = PAGE.read_text("utf-8")
FORBIDDEN = (
    *("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "DOMParser"),
    *("crypto.subtle", "randomUUID", "navigator.clipboard", "navigator.locks", "serviceWorker", "EventSource"),
    *(" style=", " onclick=", " onload=", "javascript:", "import(", "cookie"),
)
SENTENCE = re.compile(r"^(\w+)\|(.+)\|(.+)$", re.MULTILINE)


def sentences() -> dict[str, tuple[str, str]]:
    found = {key: (italian, english) for key, italian, english in SENTENCE.findall(TEXT)}
    assert len(found) > 40
    return found


def test_the_page_is_small() -> None:
    assert len(TEXT.encode()) <= MAX_BYTES


@pytest.mark.parametrize("word", FORBIDDEN)
def test_the_page_does_without_what_is_dangerous_or_needs_https(word: str) -> None:
    assert word not in TEXT


def test_every_sentence_that_the_window_has_too_is_the_same() -> None:
    for key, said in sentences().items():
        for text, language in zip(said, (words.ITALIAN, words.ENGLISH), strict=True):
            if key in {field.name for field in dataclasses.fields(language)}:
                assert text == getattr(language, key).replace("{{quit}}", "{quit}"), key


def test_both_languages_have_the_same_fields() -> None:
    for key, (italian, english) in sentences().items():
        assert set(re.findall(r"{(\w+)}", italian)) == set(re.findall(r"{(\w+)}", english)), key


def test_every_sentence_is_used() -> None:
    made = {f"{kind}_{many}" for kind in ("joined", "left") for many in ("few", "many")}
    by_reason = {"taken", "invalid", "muted", "kicked", "banned", "superseded", "joined", "left"}
    by_notice = {"recorded", "not_recorded"}
    for key in sentences().keys() - made - by_reason - by_notice:
        assert f'"{key}"' in TEXT, key
