"""The rules of the wire, without a socket: bytes in, events out, and back."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import string
import sys
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import protocol
from lan_chat.client import words as client_words
from lan_chat.client.answers import parse_port
from lan_chat.server import words as server_words
from lan_chat.server.rate import Allowance, cost
from lan_chat.server.words import CLOSED, CLOSING, HAS_CONNECTED, HAS_LEFT, WAITING
from protocol import (
    BARE_RECV_BYTES,
    ENGLISH,
    HELLO_SETTLE_S,
    ITALIAN,
    LANGUAGES,
    MARK,
    MAX_HELLO_BYTES,
    MAX_LINE_BYTES,
    MAX_MESSAGE_BYTES,
    MAX_NAME_CHARACTERS,
    MAX_NUMBER,
    MAX_SERVER_LINE_BYTES,
    RESERVED_KEYS,
    SETTLE_S,
    Announcement,
    Bare,
    Dialect,
    EndConn,
    Error,
    Event,
    Events,
    Fault,
    Greeting,
    Hello,
    Join,
    Joined,
    Left,
    LineEnd,
    Lines,
    Message,
    Notice,
    Quit,
    Reason,
    Refused,
    Resume,
    Say,
    Welcome,
    Words,
    bare_parts,
    clean_text,
    in_words,
    is_stranger,
    is_too_long,
    name_key,
    one_line_each,
    parse_name,
    recognise_client,
    recognise_server,
    settle_s,
    split_text,
)

anything_goes = settings(deadline=None)  # no test asserts a time
FULL = "x" * MAX_MESSAGE_BYTES

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
    """Give what a dialect makes of these bytes, while the stream goes on."""
    return [event for chunk in cut(wire, sizes) for event in dialect.feed(chunk)]


def read(dialect: Dialect, wire: bytes, sizes: list[int]) -> list[Event]:
    """Give what a dialect makes of these bytes and the end of the stream."""
    return feed(dialect, wire, sizes) + dialect.finish()


# --- what hypothesis makes up ---------------------------------------------------------------------------------------

HARMLESS = "ab {}<>:\t\nè€😀\u00a0\u200f"
HARMFUL = "\r\x00\x07\x0b\x0c\x1b\x1c\x7f\x85\x9b\u2028\u2029\u202e\u2066\ufeff\ud800\udfff"
raw_lines = st.text(st.sampled_from(HARMLESS + HARMFUL) | st.characters(), max_size=20)
raw_texts = st.lists(raw_lines, max_size=4).map("\n".join)
texts = raw_texts.map(lambda raw: clean_text(raw) if clean_text(raw).strip() else "ciao")
one_line_texts = texts.map(lambda text: text.replace("\n", " "))
raw_names = st.text(st.sampled_from("abÈ😀 {}<>'") | st.characters(categories=["L", "M", "N", "P", "S"]), max_size=40)
valid_names = raw_names.map(lambda raw: parse_name(raw) or "Ada")
numbers = st.integers(0, MAX_NUMBER)
times = st.floats(0, MAX_NUMBER)

messages = st.builds(Message, numbers, times, valid_names, texts, st.none() | numbers)
announcements = st.builds(Announcement, numbers, times, texts)

WIRE_EVENTS: dict[type[Event], st.SearchStrategy[Event]] = {
    Hello: st.builds(Hello, numbers, st.text()),
    Join: st.builds(Join, st.text(), st.none() | st.text()),
    Resume: st.builds(Resume, st.text(), numbers),
    Say: st.builds(Say, texts, st.none() | numbers),
    Welcome: st.builds(
        *(Welcome, st.text(), st.text(), st.lists(st.text()).map(tuple), numbers),
        *(st.none() | numbers, st.none() | st.text()),
    ),
    Notice: st.builds(Notice, st.text()),
    Refused: st.builds(Refused, st.text()),
    Error: st.builds(Error, st.text(), st.none() | numbers, st.none() | numbers),
    Message: messages,
    Joined: st.builds(Joined, numbers, times, st.text()),
    Left: st.builds(Left, numbers, times, st.text()),
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


# --- what may be said -----------------------------------------------------------------------------------------------


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


# --- by which name --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("Ada", "Ada"),
        ("  Ada Lovelace ", "Ada Lovelace"),
        ("\u00a0Ada\u3000Lovelace\u3000", "Ada Lovelace"),
        ("Ａｄａ", "Ada"),
        ("Nicolo\u0300", "Nicolò"),
        ("李雷", "李雷"),
        ("😀", "😀"),
        ("x" * 32, "x" * 32),
        ("😀" * 32, "😀" * 32),
        ("o\u0300" * 32, "ò" * 32),
        (" " * 50 + "x" * 32, "x" * 32),
        ("{Ada}", "{Ada}"),
        ("quit", "quit"),
        ("a {quit}", "a {quit}"),
    ],
)
def test_a_name_is_taken_in_nfkc_and_trimmed(raw: str, name: str) -> None:
    assert parse_name(raw) == name


@pytest.mark.parametrize("raw", ["", " ", "\u3000 ", "x" * 33, "ﷺ" * 2, "x" * 10_000])
def test_a_name_has_1_to_32_characters(raw: str) -> None:
    assert parse_name(raw) is None


@pytest.mark.parametrize(
    "raw",
    [
        *("Ada\nBob", "Ada\n", "\nAda", "Ada\rBob", "Ada\tBob", "Ada\x0bBob", "Ada\x85Bob", "Ada\u2028Bob"),
        *("\x1b[31mAda", "Ada\x00", "Ada\x7f", "Ada\u202eBob", "Ada\u2066", "\ud800", "\ufeffAda"),
        *("Ada\u200b", "Ada\u200d", "Ada\u00ad", "\U000e0041"),
    ],
)
def test_a_name_is_all_printable(raw: str) -> None:
    assert parse_name(raw) is None


@pytest.mark.parametrize("raw", ["Alice: ciao", "Alice:", ":", "Alice： ciao", "Alice︓ ciao", "Alice﹕", "⩴"])
def test_a_name_has_no_colon_however_it_is_written(raw: str) -> None:
    assert parse_name(raw) is None


@pytest.mark.parametrize("word", ["{quit}", "{end_conn}", "<quit>", "<end_conn>"])
@pytest.mark.parametrize("form", ["{}", " {} ", "\u3000{}"])
def test_a_name_is_no_control_word_however_it_is_written(word: str, form: str) -> None:
    wide = "".join(chr(ord(letter) + 0xFEE0) for letter in word)
    for written in (word, word.upper(), word.title(), wide, wide.upper()):
        assert parse_name(form.format(written)) is None, written


@pytest.mark.parametrize("raw", ["\u3164", "\u2800\u2800", "\u115f \u1160", "\uffa0", "\u034f", "\ufe0f"])
def test_a_name_has_something_to_see(raw: str) -> None:
    assert parse_name(raw) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada", "ADA"),
        ("Ada", "Ａｄａ"),
        ("Straße", "STRASSE"),
        ("fin", "ﬁn"),
        ("Hal", "ℋal"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("Nicolò", "NICOLO\u0300"),
        ("Ada Lovelace", " Ada\u00a0 \u3000Lovelace "),
        ("Ada", "A\u034fd\ufe0fa\u3164"),
        ("Nicolò", "Nicolo\u034f\u0300"),  # a letter without a shape between a letter and its accent
    ],
)
def test_two_names_that_look_the_same_are_the_same(one: str, other: str) -> None:
    assert name_key(one) == name_key(other) != ""


@pytest.mark.parametrize(("one", "other"), [("Ada", "Ado"), ("Ada B", "AdaB"), ("Nicolò", "Nicolo"), ("Ada", "Ada1")])
def test_two_names_that_differ_are_two(one: str, other: str) -> None:
    assert name_key(one) != name_key(other)


@anything_goes
@given(valid_names)
def test_a_name_keeps_its_rules_and_its_key_when_it_is_read_again(name: str) -> None:
    assert parse_name(name) == name
    assert 1 <= len(name) <= MAX_NAME_CHARACTERS
    assert ":" not in name
    assert len(name.splitlines()) == 1
    assert name_key(name.casefold()) == name_key(name) != ""


@pytest.mark.parametrize("raw", ["Server", "server", " SERVER ", "Ｓｅｒｖｅｒ", "Ser\u034fver"])
def test_nobody_bears_the_operators_name(raw: str) -> None:
    assert name_key(raw) in RESERVED_KEYS


# --- ports and manners ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "port"),
    [
        *(
            ("53000", 53000),
            (" 1\n", 1),
            ("65535", 65535),
            ("00080", 80),
            ("0", None),
            ("65536", None),
            ("99999", None),
        ),
        *(
            (text, None)
            for text in ("", " ", "-1", "+80", "80.0", "53_000", "0x50", "５３０００", "²", "http", "8" * 5000)
        ),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_port_is_a_number_from_1_to_65535(text: str, port: int | None) -> None:
    assert parse_port(text) == port


def test_a_burst_goes_at_once_and_then_the_rate_counts() -> None:
    allowance = Allowance(rate=20, burst=100)
    assert [allowance.take(1, 0.0) for _ in range(100)] == [0.0] * 100
    assert [allowance.take(1, 0.0) for _ in range(2)] == pytest.approx([0.05, 0.1])
    assert allowance.take(1, 0.1) == pytest.approx(0.05)
    assert allowance.take(17, 10.0) == 0.0


def test_silence_fills_up_the_burst_and_no_more() -> None:
    allowance = Allowance(rate=20, burst=100)
    assert allowance.take(100, 0.0) == 0.0
    assert allowance.take(100, 3600.0) == 0.0
    assert allowance.take(1, 3600.0) == pytest.approx(0.05)


def test_nothing_costs_more_than_a_burst() -> None:
    allowance = Allowance(rate=20, burst=100)
    assert allowance.take(10_000, 0.0) == 0.0
    assert allowance.take(10_000, 0.0) == pytest.approx(5.0)


def test_a_rate_of_0_is_no_limit() -> None:
    assert Allowance(rate=0, burst=1).take(1_000_000, 0.0) == 0.0


@anything_goes
@given(st.floats(0.1, 1000), st.integers(1, 20), st.lists(st.tuples(st.integers(1, 30), st.floats(0, 10))))
def test_nobody_who_waits_as_told_says_more_than_burst_and_rate(
    rate: float, burst: int, said: list[tuple[int, float]]
) -> None:
    allowance, now, granted = Allowance(rate, burst), 0.0, 0
    for wanted, pause_s in said:
        now += pause_s
        now += allowance.take(wanted, now)
        granted += min(wanted, burst)
        assert granted <= burst + rate * now + 1e-3


@pytest.mark.parametrize(
    ("event", "count"),
    [(Say("ciao"), 1), (Say("a\nb\nc"), 3), (Say("x" * 4096), 5), (Quit(), 1), (Join("x" * 4096), 1)],
)
def test_a_long_text_counts_for_several_messages(event: Event, count: int) -> None:
    assert cost(event) == count


@pytest.mark.parametrize(
    "name",
    [
        "Ada ha abbandonato la Chat. Bo",
        "Ada si è unito alla chat! Bo",
        "Al HAS LEFT THE CHAT. Bo",
        "Ada\ua789 ciao",
        "Ad\ufffd",
    ],
)
def test_a_name_that_reads_like_a_notice_or_a_message_is_none(name: str) -> None:
    assert parse_name(name) is None


# --- control words --------------------------------------------------------------------------------------------------

CONTROL_WORDS = [("{quit}", Quit()), ("<quit>", Quit()), ("{end_conn}", EndConn()), ("<end_conn>", EndConn())]


@pytest.mark.parametrize("kind", NEW_DIALECT)
@pytest.mark.parametrize(("word", "event"), CONTROL_WORDS)
def test_a_control_word_is_a_whole_message(kind: str, word: str, event: Event) -> None:
    end = "" if kind == "bare" else "\n"
    assert NEW_DIALECT[kind]().feed(f"{word}{end}".encode()) == [event]
    assert NEW_DIALECT[kind]().feed(f"{word}\r\n".encode()) == [event]
    assert read(NEW_DIALECT[kind](), word.encode(), WHOLE) == [event], "also as the last, without an end"


@pytest.mark.parametrize("kind", NEW_DIALECT)
def test_the_control_words_in_braces_are_what_we_send(kind: str) -> None:
    end = b"" if kind == "bare" else b"\n"
    assert NEW_DIALECT[kind]().encode(Quit()) == b"{quit}" + end
    assert NEW_DIALECT[kind]().encode(EndConn()) == b"{end_conn}" + end


@pytest.mark.parametrize(("word", "event"), CONTROL_WORDS)
@pytest.mark.parametrize("form", ["ciao {}", "{} ciao", "scrivi {} per uscire", "{}{}", "{}.", "uno\t{}"])
def test_inside_a_message_a_control_word_is_text(form: str, word: str, event: Event) -> None:
    text = form.replace("{}", word)
    assert Lines(ITALIAN).feed(f"{text}\n".encode()) == [Say(text)]
    assert Events().feed(json.dumps({"type": "say", "text": text}).encode() + b"\n") == [Say(text)]
    bare = Bare(ITALIAN)
    assert bare.feed(text.encode()) + bare.flush() == [Say(text)]


@pytest.mark.parametrize(("word", "event"), CONTROL_WORDS)
def test_a_control_word_that_is_the_text_of_an_object_is_text(word: str, event: Event) -> None:
    assert Events().feed(json.dumps({"type": "say", "text": word}).encode() + b"\n") == [Say(word)]


@pytest.mark.parametrize("text", ["{QUIT}", "{ quit }", "{quit", "quit", "/quit", "{}", "｛quit｝"])
def test_what_is_only_like_a_control_word_is_text(text: str) -> None:
    bare = Bare(ITALIAN)
    assert bare.feed(text.encode()) + bare.flush() == [Say(text)]
    assert Lines(ITALIAN).feed(f"{text}\n".encode()) == [Say(text)]


@pytest.mark.parametrize(("word", "event"), CONTROL_WORDS)
def test_a_bare_control_word_that_merged_with_a_text_counts_if_the_stream_ends(word: str, event: Event) -> None:
    bare = Bare(ITALIAN)
    assert bare.feed(f"bye{word}".encode()) == []
    assert bare.is_waiting
    assert bare.finish() == [Say("bye"), event]
    assert not bare.is_waiting
    assert bare.finish() == []


@pytest.mark.parametrize(("word", "event"), CONTROL_WORDS)
def test_a_bare_control_word_at_the_end_of_a_text_is_text_if_the_stream_goes_on(word: str, event: Event) -> None:
    bare = Bare(ITALIAN)
    bare.feed(f"bye{word}".encode())
    assert bare.flush() == [Say(f"bye{word}")]
    assert not bare.is_waiting
    assert bare.flush() == bare.finish() == []

    bare.feed(f"bye{word}".encode())
    assert bare.feed(b"and more") == [Say(f"bye{word}"), Say("and more")]
    assert bare.finish() == []


def test_a_bare_control_word_with_half_a_letter_behind_it_is_no_whole_message() -> None:
    bare = Bare(ITALIAN)
    first, rest = cut("{quit}è solo una parola".encode(), [7, 100])
    events = [*bare.feed(first), *bare.feed(rest), *bare.flush()]
    assert Quit() not in events
    assert "".join(event.text for event in events if isinstance(event, Say)) == "{quit}è solo una parola"


@pytest.mark.parametrize("kind", FRAMED)
def test_where_messages_have_an_end_nothing_is_held_back(kind: str) -> None:
    dialect = NEW_DIALECT[kind]()
    dialect.feed(b"Ada\nciao\n")
    assert dialect.feed(b"bye{quit}") == []
    assert not dialect.is_waiting
    assert dialect.flush() == []


def test_one_line_alone_may_have_been_a_pasted_name_so_what_follows_needs_no_end() -> None:
    lines = Lines(ITALIAN)
    assert lines.feed(b"Ada\n") == [Say("Ada")]
    for text in ("ciao", "come stai?"):
        assert lines.feed(text.encode()) == []
        assert lines.is_waiting
        assert lines.flush() == [Say(text)]
    assert lines.feed(b"{quit}") == []
    assert lines.flush() == [Quit()]


def test_a_long_bare_text_is_cut_into_clean_pieces() -> None:
    for text in (b"\xff" * 5461 + b"\nx", b"x" * 16383 + b"\n\n\nx"):
        said = [event.text for event in Bare(ITALIAN).feed(text) if isinstance(event, Say)]
        assert said == [piece.strip("\n") for piece in said]


# --- the bare dialect -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chunks", "said"),
    [
        ([b"ciao"], ["ciao"]),
        ([b"ciao", b"Bob"], ["ciao", "Bob"]),
        ([b"uno\ndue\n"], ["uno\ndue"]),
        ([b"ciao\r\n"], ["ciao"]),
        ([b" "], []),
        ([b"\n", b"\x00"], []),
        ([b"\x1b[2Jciao"], ["[2Jciao"]),
        ([b"perch\xc3", b"\xa9?"], ["perch", "é?"]),
        ([b"\xf0", b"\x9f", b"\x98", b"\x80"], ["😀"]),
        ([b"\xff ciao"], ["\ufffd ciao"]),
        ([b"\xc3", b"ciao"], ["\ufffdciao"]),
    ],
)
def test_what_one_recv_gave_is_one_bare_message(chunks: list[bytes], said: list[str]) -> None:
    bare = Bare(ITALIAN)
    assert [event for chunk in chunks for event in bare.feed(chunk)] == [Say(text) for text in said]


@anything_goes
@given(st.lists(texts))
def test_bare_messages_come_out_as_they_were_said_one_by_one(said: list[str]) -> None:
    assume(not set(said) & set(protocol.CONTROL_WORDS))
    bare = Bare(ITALIAN)
    events = [event for text in said for event in (*bare.feed(bare.encode(Say(text))), *bare.flush())]
    assert events == [Say(text) for text in said]


@anything_goes
@given(
    st.text(st.sampled_from("aè€😀{q") | st.characters(exclude_categories=["C", "Z"], exclude_characters="}>")),
    some_sizes,
)
def test_a_bare_text_survives_any_cut(text: str, sizes: list[int]) -> None:
    for how in (sizes, WHOLE, BYTE_BY_BYTE):
        events = read(Bare(ITALIAN), text.encode(), how)
        assert "".join(event.text for event in events if isinstance(event, Say)) == text


def test_a_bare_text_over_the_limit_is_cut_once_more_and_not_lost() -> None:
    text = "è" * MAX_MESSAGE_BYTES
    said = [event.text for event in Bare(ITALIAN).feed(text.encode()) if isinstance(event, Say)]
    assert "".join(said) == text
    assert not any(is_too_long(piece) for piece in said)


# --- the line dialect -----------------------------------------------------------------------------------------------

LINES: dict[str, tuple[bytes, list[Event]]] = {
    "a newline ends a message": (b"ciao\n", [Say("ciao")]),
    "a CR before it is dropped": (b"ciao\r\n", [Say("ciao")]),
    "a line is a message": (b"uno\ndue\r\n", [Say("uno"), Say("due")]),
    "a blank line is none": (b"\n\r\n \t \nciao\n", [Say("ciao")]),
    "spaces are kept": (b"  ciao \n", [Say("  ciao ")]),
    "letters of any length": ("perché € 😀\n".encode(), [Say("perché € 😀")]),
    "what is no UTF-8": (b"ci\xff\xe2\x82\nao\xf0\x9f\n", [Say("ci\ufffd\ufffd"), Say("ao\ufffd")]),
    "control characters": (b"\x1b[31mciao\x00\tBob\x7f\n", [Say("[31mciao\tBob")]),
    "a CR inside is a line break": (b"ciao\rBob: ciao\n", [Say("ciao\nBob: ciao")]),
    "a line separator is a line break": ("ciao\u2028Bob: ciao\n".encode(), [Say("ciao\nBob: ciao")]),
    "control words": (b"ciao\n{quit}\n<end_conn>\r\n", [Say("ciao"), Quit(), EndConn()]),
    "text around a control word": (b"{quit}?\n {quit}\n", [Say("{quit}?"), Say(" {quit}")]),
    "a full message": (f"{FULL}\n".encode(), [Say(FULL)]),
    "one byte more": (f"{FULL}x\nciao\n".encode(), [Fault(Reason.TOO_LONG), Say("ciao")]),
    "an object is text": (b'{"type":"say"}\n', [Say('{"type":"say"}')]),
}


@pytest.mark.parametrize("sizes", [WHOLE, BYTE_BY_BYTE, [2, 3, 5]], ids=["whole", "byte by byte", "in pieces"])
@pytest.mark.parametrize(("wire", "events"), LINES.values(), ids=LINES)
def test_a_line_is_a_message(wire: bytes, events: list[Event], sizes: list[int]) -> None:
    assert feed(Lines(ITALIAN), wire, sizes) == events


@pytest.mark.parametrize("sizes", [WHOLE, BYTE_BY_BYTE, [1000]], ids=["whole", "byte by byte", "in pieces"])
def test_lines_that_run_together_are_the_same_messages(sizes: list[int]) -> None:
    wire = b"".join(wire for wire, _ in LINES.values())
    assert feed(Lines(ITALIAN), wire, sizes) == [event for _, events in LINES.values() for event in events]


@anything_goes
@given(st.lists(st.builds(Say, one_line_texts) | st.sampled_from([Quit(), EndConn()])), some_sizes)
def test_the_cuts_of_a_stream_of_lines_do_not_matter(events: list[Event], sizes: list[int]) -> None:
    assume(not any(isinstance(event, Say) and event.text in protocol.CONTROL_WORDS for event in events))
    wire = b"".join(map(Lines(ITALIAN).encode, events))
    for how in (sizes, WHOLE, BYTE_BY_BYTE):
        assert feed(Lines(ITALIAN), wire, how) == events


@pytest.mark.parametrize(
    ("rest", "events"),
    [
        (b"ciao", [Say("ciao")]),
        (b"ciao\r", [Say("ciao")]),
        (b"ci\xc3", [Say("ci\ufffd")]),
        (b"{quit}", [Quit()]),
        (b"", []),
    ],
)
def test_a_last_line_without_its_end_counts(rest: bytes, events: list[Event]) -> None:
    lines = Lines(ITALIAN)
    assert lines.feed(b"prima\n" + rest) == [Say("prima")]
    assert lines.finish() == events
    assert lines.finish() == []


# --- the events dialect ---------------------------------------------------------------------------------------------

SAY = b'{"type":"say","text":"ciao","nonce":1}\n'
EVENTS: dict[str, tuple[bytes, list[Event]]] = {
    "hello": (b'{"type":"hello","version":1,"language":"it"}\n', [Hello(1, "it")]),
    "join": ('{"type":"join","name":"Nicolò"}\n'.encode(), [Join("Nicolò")]),
    "resume": (b'{"type":"resume","token":"abc","last":7}\n', [Resume("abc", 7)]),
    "say": (SAY, [Say("ciao", 1)]),
    "welcome": (
        b'{"type":"welcome","name":"Ada","token":"t","names":["Ada","Bob"],"last":0}\n',
        [Welcome("Ada", "t", ("Ada", "Bob"), 0)],
    ),
    "refused": (b'{"type":"refused","reason":"taken"}\n', [Refused("taken")]),
    "error": (b'{"type":"error","reason":"too long","limit":9,"nonce":3}\n', [Error("too long", 9, 3)]),
    "message": (
        b'{"type":"message","id":5,"time":1.5,"name":"Ada","text":"ciao","nonce":2}\n',
        [Message(5, 1.5, "Ada", "ciao", 2)],
    ),
    "joined": (b'{"type":"joined","id":5,"time":1,"name":"Ada"}\n', [Joined(5, 1, "Ada")]),
    "left": (b'{"type":"left","id":5,"time":1,"name":"Ada"}\n', [Left(5, 1, "Ada")]),
    "announcement": (b'{"type":"announcement","id":5,"time":1,"text":"ciao"}\n', [Announcement(5, 1, "ciao")]),
    "control words": (b"{quit}\n<end_conn>\r\n", [Quit(), EndConn()]),
    "blanks around": (b' \t{ "type" : "join", "name" : " x " } \r\n', [Join(" x ")]),
    "blank lines": (b"\n\r\n \t\n" + SAY, [Say("ciao", 1)]),
    "what may be missing": (b'{"type":"say","text":"ciao"}\n', [Say("ciao")]),
    "null for what may be missing": (b'{"type":"say","text":"ciao","nonce":null}\n', [Say("ciao")]),
    "unknown fields": (b'{"type":"join","name":"x","color":[{}],"id":NaN}\n', [Join("x")]),
    "unknown types": (b'{"type":"typing","name":1}\n{"type":"quit"}\n{"type":"Say"}\n{"type":""}\n', []),
    "escaped letters": (rb'{"type":"say","text":"perch\u00e9 \ud83d\ude00\nciao"}' + b"\n", [Say("perché 😀\nciao")]),
    "letters as they are": ('{"type":"say","text":"perché €😀\u2028x"}\n'.encode(), [Say("perché €😀\nx")]),
    "lone surrogates": (rb'{"type":"say","text":"\ud83d ciao \ude00"}' + b"\n", [Say(" ciao ")]),
    "control characters": (rb'{"type":"say","text":"\u001b[2Jciao\u0000\u202e\r\n"}' + b"\n", [Say("[2Jciao")]),
    "the last of two fields": (b'{"type":"join","name":"x","name":"y"}\n', [Join("y")]),
    "the largest numbers": (b'{"type":"say","text":"x","nonce":9007199254740991}\n', [Say("x", MAX_NUMBER)]),
    "not an object": (b"ciao\n", [Fault(Reason.MALFORMED)]),
}


@pytest.mark.parametrize("sizes", [WHOLE, BYTE_BY_BYTE, [2, 3, 5]], ids=["whole", "byte by byte", "in pieces"])
@pytest.mark.parametrize(("wire", "events"), EVENTS.values(), ids=EVENTS)
def test_a_line_is_one_object_or_a_control_word(wire: bytes, events: list[Event], sizes: list[int]) -> None:
    assert feed(Events(), wire, sizes) == events


@pytest.mark.parametrize("sizes", [WHOLE, BYTE_BY_BYTE, [1000]], ids=["whole", "byte by byte", "in pieces"])
def test_objects_that_run_together_are_the_same_events(sizes: list[int]) -> None:
    wire = b"".join(wire for wire, _ in EVENTS.values())
    assert feed(Events(), wire, sizes) == [event for _, events in EVENTS.values() for event in events]


def test_every_event_on_the_wire_is_made_up_here() -> None:
    assert set(WIRE_EVENTS) == {*protocol.EVENT_TYPES.values(), Quit, EndConn}


@pytest.mark.parametrize("kind", WIRE_EVENTS)
@anything_goes
@given(data=st.data(), sizes=some_sizes)
def test_every_event_comes_out_as_it_went_in(kind: type[Event], data: st.DataObject, sizes: list[int]) -> None:
    event = data.draw(WIRE_EVENTS[kind])
    wire = Events().encode(event)
    assert wire.count(b"\n") == 1
    assert wire.endswith(b"\n")
    assert feed(Events(), wire, sizes) == [event]


@anything_goes
@given(st.lists(st.one_of(*WIRE_EVENTS.values()), max_size=5), some_sizes)
def test_the_cuts_of_a_stream_of_events_do_not_matter(events: list[Event], sizes: list[int]) -> None:
    wire = b"".join(map(Events().encode, events))
    for how in (sizes, WHOLE, BYTE_BY_BYTE):
        assert feed(Events(), wire, how) == events


def test_an_event_is_written_without_what_it_does_not_need() -> None:
    assert Events().encode(Say("perché 😀")) == '{"type":"say","text":"perché 😀"}\n'.encode()


@pytest.mark.parametrize(
    "line",
    [
        *(b"ciao", b"[]", b"null", b"1", b'"say"', b"{}", b"NaN", b"{quit} ciao", b"{'type':'say'}", b"\xef\xbb\xbf{}"),
        *(b'{"type":1}', b'{"type":null}', b'{"type":["say"]}', b'{"text":"ciao"}', b'{"type":"say","text":"ci'),
        *(b"\xff", b"{quit}\xff", b'{"type":"say","text":"\xff"}', b'{"type":"say","text":"\xed\xa0\x80"}'),
        *(b'{"type":"say"}', b'{"type":"say","text":1}', b'{"type":"say","text":null}', b'{"type":"say","text":["x"]}'),
        *(b'{"type":"hello"}', b'{"type":"hello","version":1}', b'{"type":"hello","version":"1","language":"it"}'),
        *(b'{"type":"hello","version":true,"language":"it"}', b'{"type":"hello","version":1.0,"language":"it"}'),
        *(b'{"type":"hello","version":1,"language":null}', b'{"type":"join"}', b'{"type":"join","name":7}'),
        *(b'{"type":"resume","token":"x"}', b'{"type":"resume","token":"x","last":-1}'),
        *(b'{"type":"resume","token":"x","last":false}', b'{"type":"error","reason":"x","limit":"1"}'),
        *(
            b'{"type":"welcome","name":"x","token":"x","last":0,"names":' + names + b"}"
            for names in (b'"x"', b"[1]", b'["x",null]', b"{}", b"null")
        ),
        *(
            b'{"type":"joined","id":1,"name":"x","time":' + time + b"}"
            for time in (b"true", b'"now"', b"null", b"-1", b"NaN", b"Infinity", b"-Infinity", b"1e400", b"1e17")
        ),
    ],
)
def test_what_is_no_event_is_one_fault_and_the_next_line_is_read(line: bytes) -> None:
    assert Events().feed(line + b"\n" + SAY) == [Fault(Reason.MALFORMED), Say("ciao", 1)]


@pytest.mark.parametrize(
    "nonce",
    [
        *(b"true", b"-1", b"9007199254740992", b"1.0", b"1e3", b'"1"', b"[1]", b"{}", b"NaN", b"Infinity"),
        *(b"9" * 400, b"9" * 5000),
    ],
    ids=lambda nonce: nonce[:20].decode(),
)
def test_a_nonce_is_a_whole_number_in_range(nonce: bytes) -> None:
    line = b'{"type":"say","text":"ciao","nonce":' + nonce + b"}\n"
    assert Events().feed(line + SAY) == [Fault(Reason.MALFORMED), Say("ciao", 1)]


@pytest.mark.parametrize("start", [b"[", b'{"a":', b'{"type":"say","text":'], ids=["lists", "objects", "texts"])
def test_what_is_nested_100_000_deep_is_one_fault(start: bytes) -> None:
    dialect = Events(MAX_SERVER_LINE_BYTES)
    assert dialect.feed(start * 100_000 + b"\n" + SAY) == [Fault(Reason.MALFORMED), Say("ciao", 1)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f'"{FULL}x"', Reason.TOO_LONG),
        (f'"{"😀" * (MAX_MESSAGE_BYTES // 4 + 1)}"', Reason.TOO_LONG),
        *(
            (f'"{text}"', Reason.EMPTY)
            for text in ("", " ", "\u00a0", r"\n", r"\t \r\n", r"\u0000", r"\u202e", r"\ud800")
        ),
        *((text, Reason.MALFORMED) for text in ("1", "null", "[]", "true")),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_refused_text_is_refused_with_its_nonce(text: str, reason: Reason) -> None:
    line = f'{{"type":"say","text":{text},"nonce":7}}\n'
    assert Events().feed(line.encode() + SAY) == [Fault(reason, 7), Say("ciao", 1)]


def test_a_missing_text_is_refused_with_its_nonce() -> None:
    assert Events().feed(b'{"type":"say","nonce":7}\n') == [Fault(Reason.MALFORMED, 7)]


@pytest.mark.parametrize("letter", ["x", "è", "€", "😀", '"', "\\"])
def test_a_full_message_fits_into_a_line_however_it_is_escaped(letter: str) -> None:
    text = letter * (MAX_MESSAGE_BYTES // len(letter.encode()))
    escaped = re.sub("....", r"\\u\g<0>", text.encode("utf-16-be").hex())
    for line in (Events().encode(Say(text, MAX_NUMBER)), f'{{"type":"say","nonce":1,"text":"{escaped}"}}\n'.encode()):
        [event] = feed(Events(), line, [1000])
        assert isinstance(event, Say)
        assert event.text == text


@pytest.mark.parametrize(
    ("rest", "events"),
    [(b"{quit}", [Quit()]), (b"<quit>\r", [Quit()]), (SAY[:-1], []), (SAY[:9], []), (b"ciao", []), (b"", [])],
)
def test_half_an_object_at_the_end_is_nothing(rest: bytes, events: list[Event]) -> None:
    dialect = Events()
    assert dialect.feed(SAY + rest) == [Say("ciao", 1)]
    assert dialect.finish() == events
    assert dialect.finish() == []


def test_a_fault_is_answered_with_its_reason_its_limit_and_its_nonce() -> None:
    assert Fault(Reason.TOO_LONG, 7).answer() == Error("too long", MAX_MESSAGE_BYTES, 7)
    assert Fault(Reason.EMPTY).answer() == Error("empty", None, None)


# --- the bound on a line --------------------------------------------------------------------------------------------

CHUNKS = pytest.mark.parametrize(
    "sizes", [WHOLE, [MAX_LINE_BYTES], [16 * 1024], [1000]], ids=["whole", "the bound", "16 KiB", "1000 bytes"]
)
NEXT = {"lines": (b"ciao\n", Say("ciao")), "events": (SAY, Say("ciao", 1))}


@CHUNKS
@pytest.mark.parametrize("kind", FRAMED)
@pytest.mark.parametrize("times", [1, 2, 10])
def test_a_line_over_the_bound_is_one_fault_and_the_next_line_is_read(kind: str, times: int, sizes: list[int]) -> None:
    wire, event = NEXT[kind]
    fault, *rest = feed(NEW_DIALECT[kind](), b"x" * (MAX_LINE_BYTES * times + 1) + b"\n" + wire, sizes)
    assert isinstance(fault, Fault)
    assert rest == [event]


LONG_LINES = {
    "lines, letters": ("lines", b"x" * 2 * MAX_LINE_BYTES + b"\n"),
    "lines, what is taken out": ("lines", b"\x00" * 2 * MAX_LINE_BYTES + b"ciao\n"),
    "events, no object": ("events", b"x" * 2 * MAX_LINE_BYTES + b"\n"),
    "events, a long text": ("events", b'{"type":"say","nonce":1,"text":"%s"}\n' % (b"x" * 2 * MAX_LINE_BYTES)),
    "events, an unknown field": ("events", b'{"type":"say","text":"x","pad":"%s"}\n' % (b"x" * 2 * MAX_LINE_BYTES)),
}


@CHUNKS
@pytest.mark.parametrize(("kind", "line"), LONG_LINES.values(), ids=LONG_LINES)
def test_a_line_over_the_bound_is_too_long_however_it_was_cut(kind: str, line: bytes, sizes: list[int]) -> None:
    assert feed(NEW_DIALECT[kind](), line, sizes) == [Fault(Reason.TOO_LONG)]


@CHUNKS
def test_a_line_as_long_as_the_bound_is_read(sizes: list[int]) -> None:
    line = SAY[:-2] + b',"pad":"%s"}'
    line %= b"x" * (MAX_LINE_BYTES - len(line % b""))
    assert len(line) == MAX_LINE_BYTES
    assert feed(Events(), line + b"\n", sizes) == [Say("ciao", 1)]


@pytest.mark.parametrize("dialect", [Lines(ITALIAN), Events()], ids=FRAMED)
def test_what_never_ends_is_one_fault_and_takes_no_memory(dialect: Lines | Events) -> None:
    chunk, events = b"x" * 16 * 1024, []
    for _ in range(10 * MAX_LINE_BYTES // len(chunk)):
        events += dialect.feed(chunk)
        assert len(dialect._buffer) <= MAX_LINE_BYTES
    assert events == [Fault(Reason.TOO_LONG)]
    assert dialect.finish() == []


# --- which dialect the other side speaks ----------------------------------------------------------------------------

HELLO = Events().encode(Hello(1, "it"))


@pytest.mark.parametrize("is_over", [False, True])
@pytest.mark.parametrize(
    "received",
    [
        *(HELLO, HELLO.replace(b"\n", b"\r\n"), HELLO + b'{"type":"join","name":"Ada"}\n', HELLO + b'{"ty'),
        b'{ "language": "fr", "version": 99, "type": "hello", "new": [] }\n',
    ],
)
def test_a_client_that_says_hello_speaks_events(received: bytes, is_over: bool) -> None:
    assert recognise_client(received, is_over) is Events


@pytest.mark.parametrize("is_over", [False, True])
@pytest.mark.parametrize(
    "received",
    [
        *(b"Ada\n", b"Ada\r\n", b"\n", b"{quit}\n", b"Ada\nciao\n", b"\xff\n", b"Ada\n" + HELLO, b"{}\n"),
        *(b'{"type":"join","name":"Ada"}\n', b'{"type":"hello"}\n', b'["hello"]\n', b"x" * 5000 + b"\n"),
        HELLO[:-2] + b',"more":"' + b"x" * MAX_HELLO_BYTES + b'"}\n',
    ],
)
def test_a_client_whose_first_words_end_in_a_newline_speaks_lines(received: bytes, is_over: bool) -> None:
    assert recognise_client(received, is_over) is Lines


@pytest.mark.parametrize(
    "received",
    [
        *(b"", b"Ada", "Nicolò".encode(), b"\xc3", b"{quit", b"{quit}?", b"Ada\r", HELLO[:-1]),
        *(b"Ada\nBob", b"Ada\r\nBob", b"Ada\n" + b"x" * (BARE_RECV_BYTES - 4)),  # a name that was pasted
    ],
)
def test_a_client_whose_first_words_have_no_newline_at_the_end_speaks_bare(received: bytes) -> None:
    assert recognise_client(received, is_over=False) is None
    assert recognise_client(received, is_over=True) is Bare


@pytest.mark.parametrize(
    ("received", "dialect"),
    [(b"", Bare), (b"Ada", Bare), (b"{Ada", Bare), (b"Ada\nciao", Lines), (b"Ada\n", Lines), (HELLO, Events)],
)
def test_a_client_that_has_ended_its_stream_is_waited_for_no_longer(received: bytes, dialect: type[Dialect]) -> None:
    assert recognise_client(received, is_over=False, has_ended=True) is dialect
    assert recognise_client(received, is_over=True, has_ended=True) is dialect


def test_a_hello_that_a_broken_link_has_cut_is_nothing_and_no_name() -> None:
    for size in range(1, len(HELLO)):
        dialect = recognise_client(HELLO[:size], is_over=False, has_ended=True)
        assert dialect is Events
        decoder = dialect()
        assert decoder.feed(HELLO[:size]) + decoder.finish() == []


@pytest.mark.parametrize("raw", ['{"type', '{"', ' {"type', '｛"x'])
def test_what_is_left_of_a_cut_event_is_no_name(raw: str) -> None:
    assert parse_name(raw) is None


def test_a_script_cut_short_speaks_lines() -> None:
    received = b"Ada\n" + b"x" * (BARE_RECV_BYTES - 3)
    assert recognise_client(received, is_over=False) is None
    assert recognise_client(received, is_over=True) is Lines


def test_a_hello_that_was_cut_is_waited_for() -> None:
    assert {recognise_client(HELLO[:size], is_over=False) for size in range(len(HELLO))} == {None}
    assert {settle_s(HELLO[:size]) for size in range(2, len(HELLO))} == {HELLO_SETTLE_S}


@pytest.mark.parametrize(("first", "dialect"), [(b"x", Bare), (b"Ada\nx", Lines), (b'{"type":"hello",', Bare)])
def test_what_is_too_long_for_a_hello_is_not_waited_for(first: bytes, dialect: type[Dialect]) -> None:
    """No client may take memory without bound, also not before it is known what it speaks."""
    assert recognise_client(first + b"x" * MAX_LINE_BYTES, is_over=False) is dialect


@pytest.mark.parametrize("word", protocol.CONTROL_WORDS)
def test_a_client_that_says_only_a_control_word_is_not_waited_for(word: str) -> None:
    assert recognise_client(word.encode(), is_over=False) is Bare


@pytest.mark.parametrize("received", [b"", b"Ada", b"{quit}", b"{Ada}", b'"Ada"', b'Ada {"type":'])
def test_what_does_not_begin_as_an_object_is_not_waited_for_longer(received: bytes) -> None:
    assert settle_s(received) == SETTLE_S < HELLO_SETTLE_S


@pytest.mark.parametrize("words", LANGUAGES.values(), ids=LANGUAGES)
def test_a_server_whose_greeting_bears_the_mark_speaks_events(words: Words) -> None:
    greeting = Bare(words).encode(Greeting())
    assert recognise_server(greeting, is_over=False) is Events
    assert recognise_server(greeting, is_over=True) is Events
    for size in range(len(greeting)):
        assert recognise_server(greeting[:size], is_over=False) is None, "it may be split anywhere"
        assert recognise_server(greeting[:size], is_over=True) is Bare


@pytest.mark.parametrize("is_over", [False, True])
@pytest.mark.parametrize(
    "received",
    [
        ITALIAN.greeting + "Bob: ciao",
        ITALIAN.greeting + f"Bob: ciao{MARK}",
        ITALIAN.greeting + MARK + "Bob: ciao",
        ITALIAN.greeting + MARK + MARK,
        ITALIAN.greeting + " ",
        ITALIAN.greeting + MARK + "\n",
        MARK + ITALIAN.greeting,
        "Ciao! Come ti chiami?" + MARK,
        MARK,
        "SSH-2.0-OpenSSH_9.6\r\n",
    ],
)
def test_a_server_with_another_greeting_or_text_behind_it_speaks_bare(received: str, is_over: bool) -> None:
    assert recognise_server(received.encode(), is_over) is Bare


@pytest.mark.parametrize(
    "received",
    [
        *(b"SSH-2.0-OpenSSH_9.6\r\n", b"220 mail.example.org ESMTP\r\n", b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n"),
        *(b"\xff\xfd\x18", b"J\x00\x00\x00\n8.0.36\x00", b"\x15\x03\x01\x00\x02\x02\x46", b"Salve \xe8!"),
    ],
)
def test_what_no_chat_says_first_is_a_stranger(received: bytes) -> None:
    assert is_stranger(received)


@pytest.mark.parametrize(
    "received",
    [
        *(ITALIAN.greeting, ENGLISH.greeting + MARK, ITALIAN.greeting + "Bob: perché?\n"),
        *("Ciao, come ti chiami?\n", ITALIAN.full),
    ],
)
def test_what_a_chat_says_first_is_no_stranger_wherever_it_is_cut(received: str) -> None:
    data = received.encode()
    assert not any(is_stranger(data[:size]) for size in range(len(data) + 1))


@pytest.mark.parametrize("behind", [b"Bob: ciao\r\n", b"Bob: perch\xe8?", b"Bob: \x00"])
def test_a_greeting_that_we_know_is_no_strangers_whatever_people_say_behind_it(behind: bytes) -> None:
    """An original server sends what the room says also to those who have no name yet, in the same packet."""
    assert not is_stranger(ITALIAN.greeting.encode() + behind)


# --- what people read -----------------------------------------------------------------------------------------------

ADA = Message(1, 0.0, "Ada", "ciao")


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (ADA, "Ada: ciao"),
        (Say("ciao", 1), "ciao"),
        (Join("Ada"), "Ada"),
        (Joined(1, 0.0, "Ada"), "Ada si è unito alla chat!"),
        (Left(1, 0.0, "Ada"), "Ada ha abbandonato la Chat."),
        (Announcement(1, 0.0, "si chiude"), "Server: si chiude"),
        (Welcome("Ada", "t", ("Ada",), 0), "Benvenuto Ada! Se vuoi lasciare la Chat, scrivi {quit} per uscire."),
        (Refused("taken"), "Il nome scelto è già assegnato, inserire un nome diverso:"),
        (Error("empty", None, 7), ITALIAN.empty),
        (Error("too long", 99), "Messaggio non inviato: supera il limite di 99 byte. Dividilo in più parti."),
        (Greeting(), "Salve! Digita il tuo Nome seguito dal tasto Invio!\u00a0"),
        (Quit(), "{quit}"),
        (EndConn(), "{end_conn}"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_event_reads_as_in_the_original(event: Event, text: str) -> None:
    assert in_words(event, ITALIAN) == text
    assert Bare(ITALIAN).encode(event) == text.encode()
    assert Lines(ITALIAN).encode(event) == text.encode() + (b"" if isinstance(event, Greeting) else b"\n")


@pytest.mark.parametrize("event", [Hello(1, "it"), Resume("t", 0), LineEnd(), Fault(Reason.EMPTY)])
def test_what_the_original_has_no_words_for_is_not_told(event: Event) -> None:
    assert in_words(event, ITALIAN) is None
    assert Bare(ITALIAN).encode(event) == b""
    assert Lines(ITALIAN).encode(event) == (b"\n" if isinstance(event, LineEnd) else b"")


@pytest.mark.parametrize("event", [LineEnd(), Fault(Reason.EMPTY)])
def test_what_is_no_event_of_the_wire_is_not_written_as_one(event: Event) -> None:
    assert Events().encode(event) == b""


def test_a_name_in_braces_is_shown_as_it_is() -> None:
    assert in_words(Joined(1, 0.0, "{name}"), ITALIAN) == "{name} si è unito alla chat!"


@anything_goes
@given(messages)
def test_a_second_line_cannot_be_put_in_anothers_mouth(message: Message) -> None:
    speaker = f"{message.name}: "
    *lines, end = Lines(ITALIAN).encode(message).decode().split("\n")
    assert end == ""
    assert all(line.startswith(speaker) and len(line.splitlines()) == 1 for line in lines)
    assert "\n".join(line.removeprefix(speaker) for line in lines) == message.text

    for part in one_line_each(message) + bare_parts(message):
        assert (in_words(part, ITALIAN) or "").splitlines() == [in_words(part, ITALIAN)]
        assert isinstance(part, Message)
        assert dataclasses.replace(part, text=message.text) == message


@anything_goes
@given(announcements)
def test_a_second_line_of_the_operator_bears_the_operators_name_too(announcement: Announcement) -> None:
    lines = Lines(ITALIAN).encode(announcement).decode().splitlines()
    assert [line.removeprefix("Server: ") for line in lines] == announcement.text.split("\n")
    assert all(line.startswith("Server: ") for line in lines)


LONG = "perché € 😀 " * 300
LONG_EVENTS = [
    Message(1, 0.0, "Ada", LONG),
    Message(1, 0.0, "😀" * 32, f"{LONG}\n{LONG}"),
    Announcement(1, 0.0, LONG),
    Say(LONG, 7),
]


@pytest.mark.parametrize("event", LONG_EVENTS, ids=["short name", "long name, two lines", "operator", "say"])
def test_a_long_text_reaches_a_bare_peer_whole_in_parts_that_it_can_take(event: Message | Announcement | Say) -> None:
    parts = bare_parts(event)
    sizes = [len(Bare(ITALIAN).encode(part)) for part in parts]
    if isinstance(event, Say):
        # The original server puts the name in front.
        sizes = [size + 4 * MAX_NAME_CHARACTERS + len(": ") for size in sizes]
    assert max(sizes) <= BARE_RECV_BYTES
    said = [part.text for part in parts if isinstance(part, Message | Announcement | Say)]
    assert "".join(said) == event.text.replace("\n", "")


@anything_goes
@given(messages)
def test_each_bare_part_is_at_most_one_recv_and_none_is_lost(message: Message) -> None:
    parts = bare_parts(dataclasses.replace(message, text=message.text * 40))
    assert all(len(Bare(ITALIAN).encode(part)) <= BARE_RECV_BYTES for part in parts)
    said = [getattr(part, "text", "") for part in parts]
    expected = (message.text * 40).replace("\n", "")
    if any(text.removesuffix(" ") in protocol.CONTROL_WORDS for text in said):  # a blank keeps it from being one
        assert "".join(said).replace(" ", "") == expected.replace(" ", "")
    else:
        assert "".join(said) == expected


@pytest.mark.parametrize(
    "event", [Joined(1, 0.0, "Ada"), Welcome("Ada", "t", ("Ada",), 0), Quit(), Refused("taken"), ADA, Say("x", 7)]
)
def test_what_fits_is_not_cut(event: Event) -> None:
    assert one_line_each(event) == bare_parts(event) == [event]


def test_what_our_client_says_to_an_original_server_goes_line_by_line() -> None:
    assert bare_parts(Say("uno\nBob: due", 7)) == [Say("uno", 7), Say("Bob: due", 7)]


@pytest.mark.parametrize("word", ["{quit}", "{end_conn}"])
@pytest.mark.parametrize("before", ["x" * size for size in range(880, 900)] + ["ciao\n"], ids=len)
def test_no_part_of_a_text_becomes_a_control_word(before: str, word: str) -> None:
    """The original server would take it as one, and close the connection of somebody who only pasted a long text."""
    sent = [Bare(ITALIAN).encode(part).decode() for part in bare_parts(Say(before + word))]
    assert not set(sent) & set(protocol.CONTROL_WORDS)


# --- the words ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "original"),
    [
        (ITALIAN.greeting, "Salve! Digita il tuo Nome seguito dal tasto Invio!"),
        (ITALIAN.taken, "Il nome scelto è già assegnato, inserire un nome diverso:"),
        (ITALIAN.welcome.format(name="NAME"), "Benvenuto NAME! Se vuoi lasciare la Chat, scrivi {quit} per uscire."),
        (ITALIAN.joined.format(name="NAME"), "NAME si è unito alla chat!"),
        (ITALIAN.left.format(name="NAME"), "NAME ha abbandonato la Chat."),
        (client_words.ITALIAN.ask_host, "Inserire il Server host: "),
        (client_words.ITALIAN.ask_port, "Inserire la porta del server host: "),
        (client_words.ITALIAN.placeholder, "Scrivi qui i tuoi messaggi."),
        (client_words.ITALIAN.send, "Invio"),
        (client_words.ITALIAN.disconnected, "Il server si è disconnesso."),
        (client_words.ITALIAN.closing_soon, "La finestra si chiuderà tra 5 secondi."),
        (client_words.ITALIAN.connection_error, "ERRORE: Si è verificato un errore di connessione con il server."),
        (WAITING, "Waiting for connections..."),
        (HAS_CONNECTED % ("10.0.0.1", 5), "10.0.0.1:5 has connected to the server."),
        (HAS_LEFT % ("10.0.0.1", 5), "10.0.0.1:5 has left the server."),
        (CLOSING, "CTRL+C pressed. Closing the server..."),
        (CLOSED, "Server successfully closed."),
    ],
)
def test_the_words_are_the_originals_byte_for_byte(ours: str, original: str) -> None:
    assert ours.encode() == original.encode()


def test_italian_is_the_default() -> None:
    assert LANGUAGES[protocol.DEFAULT_LANGUAGE] is ITALIAN


def test_the_mark_is_one_no_break_space_behind_the_originals_greeting() -> None:
    greeting = b"Salve! Digita il tuo Nome seguito dal tasto Invio!\xc2\xa0"
    assert Bare(ITALIAN).encode(Greeting()) == Lines(ITALIAN).encode(Greeting()) == greeting


def own_fields(cls: type[Words]) -> tuple[dataclasses.Field[str], ...]:
    """What a program says besides the sentences of the wire."""
    return dataclasses.fields(cls)[len(dataclasses.fields(Words)) :]


@pytest.mark.parametrize(
    ("italian", "english", "field"),
    [
        pytest.param(*pair, field.name, id=field.name)
        for pair, fields in (
            ((ITALIAN, ENGLISH), dataclasses.fields(Words)),
            ((server_words.ITALIAN, server_words.ENGLISH), own_fields(server_words.ServerWords)),
            ((client_words.ITALIAN, client_words.ENGLISH), own_fields(client_words.ClientWords)),
        )
        for field in fields
    ],
)
def test_both_languages_say_the_same(italian: Words, english: Words, field: str) -> None:
    def placeholders(words: Words) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(getattr(words, field)) if name is not None}

    assert getattr(italian, field).strip()
    assert getattr(english, field).strip()
    assert placeholders(italian) == placeholders(english)


@pytest.mark.parametrize("words", LANGUAGES.values(), ids=LANGUAGES)
def test_every_reason_has_a_sentence_of_its_own(words: Words) -> None:
    reasons = set(Reason) - {Reason.TOO_SLOW}  # which the room is told, not the one who reads too slowly
    sentences = {words.explain(reason.value) for reason in reasons}
    assert len(sentences) == len(reasons)
    assert not any(set("{}") & set(sentence) for sentence in sentences)
    assert not sentences & {words.refused.format(reason=reason.value) for reason in reasons}


@pytest.mark.parametrize("words", LANGUAGES.values(), ids=LANGUAGES)
def test_a_reason_of_a_newer_server_is_shown_as_it_is(words: Words) -> None:
    assert words.explain("moon {phase}") == words.refused.replace("{reason}", "moon {phase}")


@pytest.mark.parametrize("words", LANGUAGES.values(), ids=LANGUAGES)
def test_the_limit_is_told(words: Words) -> None:
    assert " 16384 " in words.explain("too long")
    assert " 99 " in words.explain("too long", 99)
    assert " 0 " in words.explain("too long", 0)


# --- whatever comes -------------------------------------------------------------------------------------------------

FRAGMENTS = [
    *(b"\n", b"\r\n", b" ", "è😀".encode(), b"\xf0\x9f", b"\x1b[", b"\xe2\x80\xae", b"{quit}", b"<end_conn>"),
    *(SAY, b'{"type":"say","text":"', rb"\u001b\ud800", b'","nonce":9}\n'),
]
json_leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("\ud800") | raw_texts
json_values: st.SearchStrategy[object] = st.deferred(
    lambda: (
        json_leaves | st.lists(json_values, max_size=3) | st.dictionaries(st.text(max_size=3), json_values, max_size=3)
    )
)
FIELD_NAMES = sorted({field.name for kind in protocol.EVENT_TYPES.values() for field in dataclasses.fields(kind)})
objects = st.dictionaries(st.sampled_from(FIELD_NAMES), json_values)


def check(events: list[Event]) -> None:
    for event in events:
        assert isinstance(event, Event)
        text = getattr(event, "text", "x")
        assert text.strip()
        assert is_harmless(text)
        assert not is_too_long(text)


@pytest.mark.parametrize("kind", NEW_DIALECT)
@settings(anything_goes, max_examples=300)
@given(chunks=st.lists(st.tuples(st.binary(min_size=1) | st.sampled_from(FRAGMENTS), st.booleans())))
def test_no_bytes_raise_or_let_anything_harmful_through(kind: str, chunks: list[tuple[bytes, bool]]) -> None:
    dialect = NEW_DIALECT[kind]()
    for chunk, is_followed_by_silence in chunks:
        check(dialect.feed(chunk))
        if is_followed_by_silence and dialect.is_waiting:
            check(dialect.flush())
            assert not dialect.is_waiting
    check(dialect.finish())


@pytest.mark.parametrize("kind", FRAMED)
@anything_goes
@given(pieces=st.lists(st.binary() | st.sampled_from(FRAGMENTS)), sizes=some_sizes)
def test_no_cut_of_any_bytes_matters(kind: str, pieces: list[bytes], sizes: list[int]) -> None:
    wire = b"".join(pieces)
    assert read(NEW_DIALECT[kind](), wire, sizes) == read(NEW_DIALECT[kind](), wire, WHOLE)


@anything_goes
@given(st.sampled_from([*protocol.EVENT_TYPES, "unknown"]), objects)
def test_an_object_with_any_fields_is_its_event_or_a_fault(kind: str, fields: dict[str, Any]) -> None:
    events = Events().feed(json.dumps({**fields, "type": kind}).encode() + b"\n")
    check(events)
    assert [type(event) for event in events] in ([], [Fault], [protocol.EVENT_TYPES.get(kind)])
    assert bool(events) == (kind in protocol.EVENT_TYPES)


@anything_goes
@given(st.binary(), st.booleans(), st.booleans())
def test_no_first_bytes_raise(received: bytes, is_over: bool, has_ended: bool) -> None:
    assert recognise_client(received, is_over, has_ended) in {Events, Lines, Bare, None}
    assert recognise_server(received, is_over) in {Events, Bare, None}
    assert settle_s(received) > 0
    assert is_stranger(received) in {True, False}
