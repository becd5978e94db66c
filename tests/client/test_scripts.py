"""Every script and emoji, and characters that Tk cannot draw."""

from __future__ import annotations

import random
import time

import pytest

import protocol
from lan_chat.client.composing import whole_letters
from protocol import Announcement, Joined, Left, Welcome
from tests.support.seats import ReaderSit, said

pytestmark = pytest.mark.screen

EMOJI = "\N{GRINNING FACE}"
FAMILY = "👨‍👩‍👧"
SCRIPTS = (
    "Ελληνικά, Кириллица, עברית, العربية, हिन्दी, বাংলা, தமிழ், ไทย, ქართული, 中文, 日本語, 한국어, ᚠᚢᚦ, ∮ ∑ √",
    f"😀 👍🏽 {FAMILY} 🇮🇹 ❤️ 1️⃣ 𝒳𝔸 𐍈 𠜎 \U0010fffd \ue000 \ufffd \uffff",
    "e\u0301 a" + "\u0300" * 40 + " \u200d\u200c ﷽ \u0e33 ﬁ İ ı ß ẞ",
)


@pytest.fixture
def sit(reader_sit: ReaderSit) -> ReaderSit:
    """Open windows of somebody who reads."""
    return reader_sit


@pytest.mark.parametrize("text", SCRIPTS)
def test_every_script_is_shown_copied_and_saved(sit: ReaderSit, text: str) -> None:
    reader = sit()
    reader.hear(said(text, name=text[:10]), Joined(1, time.time(), text[:10]), Announcement(2, time.time(), text))
    assert text in whole_letters(reader.shown)
    reader.window.conversation.select_all()
    assert text in reader.window.conversation.selected()
    assert text in reader.window.conversation.as_text()
    assert text[:10] in [whole_letters(name) for name in reader.people]


def test_no_letter_at_all_is_an_error(sit: ReaderSit) -> None:
    reader = sit()
    letters = random.Random(1)
    for _ in range(20):
        text = "".join(chr(letters.randrange(0x20, 0x110000)) for _ in range(30))
        text = protocol.clean_text(text)  # as everything that comes from the network
        reader.hear(said(text))
        reader.see("Bob: ")
        assert text in reader.window.conversation.as_text()


@pytest.fixture
def boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have Tk be one that cannot draw everything."""
    for room in ("conversation", "people"):
        monkeypatch.setattr(f"lan_chat.client.{room}.draws_every_letter", lambda _: False)


def has_beyond(text: str) -> bool:
    return any(ord(letter) > 0xFFFF for letter in whole_letters(text))


def test_what_cannot_be_drawn_is_a_box_but_copied_and_saved_whole(sit: ReaderSit, boxes: None) -> None:
    reader = sit()
    reader.hear(said(f"a{EMOJI}{EMOJI}b è {FAMILY}", name=f"Bob{EMOJI}"))
    assert not has_beyond(reader.drawn)
    assert "Bob□" in reader.drawn
    assert "\na□□b è □\u200d□\u200d□\n" in reader.drawn
    assert f"Bob{EMOJI}: a{EMOJI}{EMOJI}b è {FAMILY}\n" in reader.window.conversation.as_text()
    reader.window.conversation.select_all()
    reader.press("Control-c")
    assert reader.clipboard.endswith(f"Bob{EMOJI}: a{EMOJI}{EMOJI}b è {FAMILY}\n")


@pytest.mark.parametrize(
    ("first", "length", "selected"),
    [(0, 2, "a😀"), (1, 1, "😀"), (2, 1, "👍"), (2, 2, "👍🎉"), (2, 3, "👍🎉b"), (1, 3, "😀👍🎉"), (3, 2, "🎉b")],
)
@pytest.mark.parametrize("is_searched", [False, True])
def test_a_part_of_what_cannot_be_drawn_is_copied_exactly(
    sit: ReaderSit, boxes: None, first: int, length: int, selected: str, is_searched: bool
) -> None:
    reader = sit()
    reader.hear(said("a😀👍🎉b"))
    start = reader.index_of("a□□□b")
    if is_searched:
        reader.conversation.tag_add("found", f"{start}+2c", f"{start}+3c")
    reader.conversation.tag_add("sel", f"{start}+{first}c", f"{start}+{first + length}c")
    assert reader.window.conversation.selected() == selected


def test_a_link_with_what_cannot_be_drawn_is_opened_whole(sit: ReaderSit, boxes: None, opened: list[str]) -> None:
    reader = sit()
    reader.hear(said(f"vedi https://example.org/{EMOJI}/x ora"))
    assert not has_beyond(reader.drawn)
    reader.click_on("example.org")
    reader.press("Control-l")
    reader.wait(lambda: opened == [f"https://example.org/{EMOJI}/x"] * 2)


def test_names_and_what_is_on_its_way_are_drawn_with_boxes_too(sit: ReaderSit, boxes: None) -> None:
    reader = sit(f"Bob{EMOJI}")
    reader.hear(Welcome(f"Ada{EMOJI}", "token", (f"Ada{EMOJI}", f"Bob{EMOJI}"), 0), Joined(1, 0.0, f"Eva{EMOJI}"))
    people = reader.window.people
    assert [people._as_drawn(name) for name in people.names] == ["Ada□", "Bob□", "Eva□"]
    reader.window.conversation.set_pending([(f"Ada{EMOJI}", f"ciao {EMOJI}{EMOJI}", True)])
    reader.window.conversation.flush()
    reader.wait(lambda: "\nciao □□" in reader.drawn)
    assert "\nAda□ (tu)" in reader.drawn
    assert not has_beyond(reader.drawn)
    reader.hear(Left(2, 0.0, f"Bob{EMOJI}"))
    assert [people._as_drawn(name) for name in people.names] == ["Ada□", "Eva□"]


def test_what_stands_behind_the_boxes_is_forgotten_with_them(
    sit: ReaderSit, boxes: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lan_chat.client.conversation.MAX_ENTRIES", 20)
    reader = sit()
    usual = len(reader.conversation.tag_names())
    for first in range(0, 200, 10):
        reader.hear(*(said(f"{EMOJI}{number}") for number in range(first, first + 10)))
    assert len(reader.conversation.tag_names()) - usual <= 20
    reader.window.conversation.select_all()
    assert reader.window.conversation.selected().count(EMOJI) == 20
