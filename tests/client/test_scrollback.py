"""How much of a conversation is kept, and what is dropped."""

from __future__ import annotations

import random
import time

import pytest

from lan_chat.client.conversation import MAX_ENTRIES, Conversation
from lan_chat.client.entries import Entry, Kind
from lan_chat.client.words import ITALIAN
from tests.support.seats import ReaderSit, said

pytestmark = pytest.mark.screen

DAY_S = 24 * 60 * 60
MARKER = f"——  {ITALIAN.left_off}  ——"


@pytest.fixture
def sit(reader_sit: ReaderSit) -> ReaderSit:
    """Open windows of somebody who reads."""
    return reader_sit


class Scrollback:
    """What a conversation ought to show: its pieces from the oldest on, each with its lines."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self.pieces: list[tuple[str, list[str]]] = []
        self.day = time.strftime("%Y-%m-%d")

    def add(self, entry: Entry) -> None:
        local = time.localtime(entry.time)
        day = time.strftime("%Y-%m-%d", local)
        lines = [f"— {time.strftime(ITALIAN.day, local)} —"] if day != self.day else []
        self.day = day
        speaker = f"{entry.speaker}: " if entry.speaker else ""
        lines += f"{time.strftime('%H:%M', local)}  {speaker}{entry.text}".split("\n")
        self.pieces.append((entry.text, lines))
        self.conversation.add(entry)

    def mark(self) -> None:
        self.pieces = [piece for piece in self.pieces if piece[1] != [MARKER]]
        self.pieces.append(("", [MARKER]))
        self.conversation.mark_left_off()

    def answer(self) -> None:
        """Say something, which shows that all was read."""
        self.pieces = [piece for piece in self.pieces if piece[1] != [MARKER]]

    def drop(self, max_entries: int, max_characters: int) -> None:
        """Drop the oldest as the rule has it."""

        def kept() -> list[str]:
            return [text for text, lines in self.pieces if lines != [MARKER]]

        while len(kept()) > max_entries or (sum(map(len, kept())) > max_characters and len(kept()) > 1):
            del self.pieces[0]

    @property
    def lines(self) -> list[str]:
        return [line for _, lines in self.pieces for line in lines]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("max_entries", "max_characters"), [(25, 10**6), (10**6, 400), (15, 300)])
def test_what_is_dropped_is_dropped_line_for_line(
    sit: ReaderSit, monkeypatch: pytest.MonkeyPatch, seed: int, max_entries: int, max_characters: int
) -> None:
    reader = sit()
    conversation = reader.window.conversation
    welcome = reader.lines
    chance, when = random.Random(seed), time.time()
    scrollback = Scrollback(conversation)
    scrollback.pieces = [(welcome[0].partition("  ")[2], welcome)]
    monkeypatch.setattr("lan_chat.client.conversation.MAX_ENTRIES", max_entries)
    monkeypatch.setattr("lan_chat.client.conversation.MAX_CHARACTERS", max_characters)
    pending = 0
    for step in range(300):
        what = chance.random()
        if what < 0.08:
            scrollback.mark()
        elif what < 0.14:
            failed = chance.random() < 0.5
            count = chance.randrange(3)
            if count > pending:
                scrollback.answer()
            pending = count
            conversation.set_pending([("Ada", f"in volo\n{step}", failed)] * count)
        elif what < 0.2:
            when += DAY_S * chance.choice((1, 1, -2))
        else:
            text = "\n".join("x" * chance.randrange(20) for _ in range(chance.choice((1, 1, 2, 5)))) or "."
            kind = chance.choice(list(Kind))
            speaker = "" if kind is Kind.NOTICE else "Bob"
            scrollback.add(Entry(when, kind, text, speaker, chance.random() < 0.1))
        if chance.random() < 0.3:
            conversation.flush()
            scrollback.drop(max_entries, max_characters)
            shown = conversation.read("1.0", "pending").splitlines()
            assert shown == scrollback.lines, f"step {step}"
            assert conversation.read("pending", "end").count("in volo") == reader.shown.count("in volo")


def test_at_least_ten_thousand_messages_are_kept_and_not_all(sit: ReaderSit) -> None:
    reader = sit()
    conversation = reader.window.conversation
    count = MAX_ENTRIES + 500
    for number in range(count):
        conversation.add(Entry(time.time(), Kind.MESSAGE, f"riga {number}", "Bob"))
    conversation.flush()
    assert MAX_ENTRIES >= 10_000
    assert len(reader.lines) == MAX_ENTRIES
    assert reader.lines[0].endswith("riga 500")
    assert reader.last_line.endswith(f"riga {count - 1}")
    assert conversation.as_text().count("\n") == MAX_ENTRIES


def test_a_message_over_the_bound_of_letters_is_kept_alone(sit: ReaderSit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lan_chat.client.conversation.MAX_CHARACTERS", 100)
    reader = sit()
    reader.hear(said("prima"), said("x" * 200))
    assert reader.lines[-1].endswith("x" * 200)
    assert len(reader.lines) == 1
    reader.hear(said("dopo"))
    assert [line.partition("Bob: ")[2] for line in reader.lines] == ["dopo"]


def test_what_is_on_its_way_is_not_dropped(sit: ReaderSit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lan_chat.client.conversation.MAX_ENTRIES", 5)
    reader = sit()
    reader.window.conversation.set_pending([("Ada", "in volo", False)])
    reader.hear_many(50)
    assert len(reader.lines) == 6
    assert "Ada: in volo …" in reader.last_line
