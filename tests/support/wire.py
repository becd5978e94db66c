"""Dialects to feed with bytes cut in any way, and what hypothesis makes up of texts, names and events."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st

from protocol import (
    ITALIAN,
    MAX_DETAIL_CHARACTERS,
    MAX_LABEL_CHARACTERS,
    MAX_NUMBER,
    MAX_TIME,
    Announcement,
    Bare,
    Dialect,
    EndConn,
    Error,
    Event,
    Events,
    Hello,
    Join,
    Joined,
    Left,
    Lines,
    Message,
    Notice,
    Quit,
    Refused,
    Resume,
    Say,
    Welcome,
    clean_line,
    clean_text,
    parse_name,
)

anything_goes = settings(deadline=None)  # no test asserts a time

NEW_DIALECT: dict[str, Callable[[], Dialect]] = {
    "bare": lambda: Bare(ITALIAN),
    "lines": lambda: Lines(ITALIAN),
    "events": Events,
}
FRAMED = ["lines", "events"]

WHOLE = [1 << 30]
BYTE_BY_BYTE = [1]
some_sizes = st.lists(st.integers(1, 40), min_size=1, max_size=10)


def cut(wire: bytes, sizes: list[int]) -> list[bytes]:
    """Cut bytes as TCP may: into chunks of these sizes, over and over."""
    chunks, size = [], itertools.cycle(sizes)
    while wire:
        end = next(size)
        chunks.append(wire[:end])
        wire = wire[end:]
    return chunks


def feed(dialect: Dialect, wire: bytes, sizes: list[int]) -> list[Event]:
    """Return what a dialect makes of these bytes, while the stream goes on."""
    return [event for chunk in cut(wire, sizes) for event in dialect.feed(chunk)]


def read(dialect: Dialect, wire: bytes, sizes: list[int]) -> list[Event]:
    """Return what a dialect makes of these bytes and the end of the stream."""
    return feed(dialect, wire, sizes) + dialect.finish()


HARMLESS = "ab {}<>:\t\nè€😀\u00a0\u200f"
HARMFUL = "\r\x00\x07\x0b\x0c\x1b\x1c\x7f\x85\x9b\u2028\u2029\u202e\u2066\ufeff\ud800\udfff"
raw_lines = st.text(st.sampled_from(HARMLESS + HARMFUL) | st.characters(), max_size=20)
raw_texts = st.lists(raw_lines, max_size=4).map("\n".join)
texts = raw_texts.map(lambda raw: clean_text(raw) if clean_text(raw).strip() else "ciao")
one_line_texts = texts.map(lambda text: text.replace("\n", " "))
raw_names = st.text(st.sampled_from("abÈ😀 {}<>'") | st.characters(categories=["L", "M", "N", "P", "S"]), max_size=40)
valid_names = raw_names.map(lambda raw: parse_name(raw) or "Ada")
numbers = st.integers(0, MAX_NUMBER)
times = st.floats(0, MAX_TIME)
labels = st.text().map(lambda raw: clean_line(raw, MAX_LABEL_CHARACTERS))
details = st.text().map(lambda raw: clean_line(raw, MAX_DETAIL_CHARACTERS))

messages = st.builds(Message, numbers, times, valid_names, texts, st.none() | numbers)
announcements = st.builds(Announcement, numbers, times, texts)

WIRE_EVENTS: dict[type[Event], st.SearchStrategy[Event]] = {
    Hello: st.builds(Hello, numbers, labels),
    Join: st.builds(Join, st.text(max_size=200), st.none() | labels),
    Resume: st.builds(Resume, labels, numbers),
    Say: st.builds(Say, texts, st.none() | numbers),
    Welcome: st.builds(
        *(Welcome, valid_names, labels, st.lists(valid_names).map(tuple), numbers),
        *(st.none() | numbers, st.none() | labels),
    ),
    Notice: st.builds(Notice, labels),
    Refused: st.builds(Refused, labels),
    Error: st.builds(Error, labels, st.none() | numbers, st.none() | numbers, st.none() | details),
    Message: messages,
    Joined: st.builds(Joined, numbers, times, valid_names),
    Left: st.builds(Left, numbers, times, valid_names, st.none() | labels),
    Announcement: announcements,
    Quit: st.just(Quit()),
    EndConn: st.just(EndConn()),
}


def is_harmless(text: str) -> bool:
    """Tell it in another way than protocol.py does: no control, no half letter, no override, no foreign line break."""
    overrides = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
    return all(
        letter in "\n\t"
        or (
            unicodedata.category(letter) not in {"Cc", "Cs", "Zl", "Zp"}
            and unicodedata.bidirectional(letter) not in overrides
            and letter != "\ufeff"
        )
        for letter in text
    )


PUTTY = bytes.fromhex("fffb1f fffb20 fffb18 fffb27 fffd01 fffb03 fffd03")
"""What PuTTY says first as a telnet, whatever the port."""
REFUSED = bytes.fromhex("fffe1f fffe20 fffe18 fffe27 fffc01 fffe03 fffc03")
"""What it is answered."""
SIZE = b"\xff\xfa\x1f\x00\x50\x00\x0a\xff\xf0"
"""A window of 80 times 10: its height is a newline."""
SAY = b'{"type":"say","text":"ciao","nonce":1}\n'
