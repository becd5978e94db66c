"""What a server may say is bounded and cleaned where it is decoded: before anything draws, compares or stores it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import protocol
from protocol import (
    MAX_DETAIL_CHARACTERS,
    MAX_LABEL_CHARACTERS,
    MAX_NAME_CHARACTERS,
    MAX_NAME_INPUT,
    MAX_NAMES,
    MAX_SERVER_LINE_BYTES,
    MAX_TIME,
    Bare,
    EndConn,
    Error,
    Event,
    Events,
    Fault,
    Join,
    Message,
    Reason,
    Say,
    Welcome,
    clean_line,
    clean_name,
    is_too_long,
    name_key,
    parse_name,
)
from tests.support.wire import BYTE_BY_BYTE, anything_goes, feed, is_harmless, raw_texts, valid_names

ACCENTS = "\u0301\u0323" * 100_000
"""Two accents in turn: to put them into the order of NFKC takes time that grows with the square of their number."""
NASTY = {
    "accents": f"a{ACCENTS}",
    "long": "x" * 900_000,
    "lone surrogate": "Ada\ud800",
    "only a surrogate": "\ud800",
    "lines": "Ada\nBob: ciao\r\n\u2028Carla",
    "escapes": "\x1b]0;titolo\x07\x1b[2J",
    "override": "\u202eadA\u2066",
    "nothing": "",
    "blanks": " \t\u00a0 ",
    "invisible": "\u200b\u2060\ufeff",
    "a tower of emoji": "👩\u200d" * 5000,
}


def decode(kind: str, **fields: Any) -> Event:
    """Return what the client makes of an event, written as any server may: with escapes."""
    wire = json.dumps({"type": kind, **fields}).encode() + b"\n"
    [event] = Events(len(wire)).feed(wire)
    return event


def is_clean(text: str, max_characters: int) -> bool:
    return len(text) <= max_characters and is_harmless(text) and "\n" not in text and "\t" not in text


@pytest.mark.parametrize("name", NASTY.values(), ids=NASTY)
@pytest.mark.parametrize("kind", ["message", "joined", "left", "welcome"])
def test_a_name_that_cannot_be_believed_is_cut_and_cleaned(kind: str, name: str) -> None:
    event: Any = decode(
        kind, id=1, time=1.5, name=name, text="ciao", token="t", names=[name, "Bob"], last=0, reason=name
    )
    assert event.name
    assert not event.name.isspace()
    assert is_clean(event.name, MAX_NAME_CHARACTERS)
    assert event.name.encode()
    if isinstance(event, Welcome):
        assert event.names == (event.name, "Bob")


@anything_goes
@given(valid_names)
def test_a_valid_name_is_not_touched(name: str) -> None:
    assert clean_name(name) == name


@anything_goes
@given(raw_texts | st.text())
def test_a_name_is_cleaned_once_and_for_all(raw: str) -> None:
    name = clean_name(raw)
    assert name
    assert is_clean(name, MAX_NAME_CHARACTERS)
    assert clean_name(name) == name


@anything_goes
@given(raw_texts | st.text(), st.integers(1, 20))
def test_a_line_of_another_program_is_one_line(raw: str, max_characters: int) -> None:
    line = clean_line(raw, max_characters)
    assert is_clean(line, max_characters)
    assert clean_line(line, max_characters) == line


def test_a_name_that_was_cut_says_so() -> None:
    assert clean_name("x" * 33) == "x" * 31 + "…"
    assert clean_line("due\nrighe\te più", 12) == "due righe e…"


def test_of_a_text_that_is_no_name_only_the_beginning_is_compared() -> None:
    assert name_key(NASTY["accents"]) == name_key(NASTY["accents"][:MAX_NAME_INPUT])
    assert parse_name(NASTY["accents"]) is None


@pytest.mark.parametrize("raw", NASTY.values(), ids=NASTY)
@pytest.mark.parametrize(
    ("kind", "field", "bound"),
    [
        ("refused", "reason", MAX_LABEL_CHARACTERS),
        ("left", "reason", MAX_LABEL_CHARACTERS),
        ("error", "reason", MAX_LABEL_CHARACTERS),
        ("error", "detail", MAX_DETAIL_CHARACTERS),
        ("notice", "about", MAX_LABEL_CHARACTERS),
        ("welcome", "token", MAX_LABEL_CHARACTERS),
        ("welcome", "room", MAX_LABEL_CHARACTERS),
        ("welcome", "title", MAX_LABEL_CHARACTERS),
        ("hello", "language", MAX_LABEL_CHARACTERS),
        ("join", "token", MAX_LABEL_CHARACTERS),
        ("join", "room", MAX_LABEL_CHARACTERS),
        ("resume", "token", MAX_LABEL_CHARACTERS),
    ],
)
def test_every_other_text_is_one_line_of_bounded_length(kind: str, field: str, bound: int, raw: str) -> None:
    fields = {"id": 1, "time": 1.5, "name": "Ada", "reason": "x", "token": "t", "names": [], "last": 0, "version": 1}
    value = getattr(decode(kind, **{**fields, "language": "it", field: raw}), field)
    assert is_clean(value, bound)
    assert value.encode() is not None


def test_a_name_that_is_asked_for_is_judged_and_not_mended() -> None:
    event = decode("join", name="Ada\x1b")
    assert event == Join("Ada\x1b")
    asked = decode("join", name=NASTY["accents"])
    assert isinstance(asked, Join)
    assert len(asked.name) == MAX_NAME_INPUT + 1
    assert parse_name(asked.name) is None


def test_a_room_has_no_more_names_than_can_be_shown() -> None:
    event = decode("welcome", name="Ada", token="t", names=[f"n{number}" for number in range(150_000)], last=0)
    assert isinstance(event, Welcome)
    assert event.names == tuple(f"n{number}" for number in range(MAX_NAMES))


@pytest.mark.parametrize("part", ['"",', "[],", "{},", "1,", "[[],", '{"a":1},', '"a":1,'])
def test_a_line_of_countless_parts_is_not_parsed(part: str) -> None:
    wire = f'{{"type":"welcome","name":"Ada","token":"t","last":0,"names":[{part * 1_000_000}""]}}\n'.encode()
    assert Events(len(wire)).feed(wire + b"{end_conn}\n") == [Fault(Reason.MALFORMED), EndConn()]


def test_a_full_room_of_the_longest_names_fits_into_a_line() -> None:
    names = tuple(f"{number:04}" + "😀" * 28 for number in range(MAX_NAMES))
    wire = Events().encode(Welcome(names[0], "t" * 64, names, 7, 9, "r" * 32, 5))
    [event] = Events(MAX_SERVER_LINE_BYTES).feed(wire)
    assert isinstance(event, Welcome)
    assert event.names == names


@pytest.mark.parametrize("when", [2**53 - 1, 9e15, MAX_TIME + 1])
@pytest.mark.parametrize("kind", ["message", "joined", "left", "announcement"])
def test_a_time_that_no_calendar_has_is_the_latest_that_one_has(kind: str, when: float) -> None:
    event: Any = decode(kind, id=1, time=when, name="Ada", text="ciao")
    assert event.time == MAX_TIME


def test_a_text_of_megabytes_is_a_fault_without_being_cleaned() -> None:
    assert decode("message", id=1, time=1.5, name="Ada", text="\x00" * 500_000) == Fault(Reason.TOO_LONG)
    assert decode("announcement", id=1, time=1.5, text="\x00" * 500_000) == Fault(Reason.TOO_LONG)


@pytest.mark.parametrize(
    "text", ["ciao\ud83d", "\ud800ciao", "\u202eciao", "\x1bciao", "ciao\u2066", "\ufeffciao"], ids=ascii
)
def test_a_text_has_no_lone_surrogate_and_nothing_that_turns_it_round(text: str) -> None:
    message = decode("message", id=1, time=1.5, name="Ada", text=text, nonce=3)
    assert message == Message(1, 1.5, "Ada", "ciao", 3)


@pytest.mark.parametrize("limit", [-1, 2**53, 1.5, "x", True, 10**400])
def test_a_number_that_is_out_of_range_is_a_fault(limit: object) -> None:
    assert decode("error", reason="too long", limit=limit) == Fault(Reason.MALFORMED)
    assert decode("error", reason="too long", limit=7) == Error("too long", 7)


def test_a_line_without_an_end_is_dropped_whole_and_in_drips() -> None:
    dialect = Events(10_000)
    assert feed(dialect, b"x" * 50_000 + b"\n{end_conn}\n", [7]) == [Fault(Reason.TOO_LONG), EndConn()]
    line = Events().encode(Error("kicked", detail="perché"))
    assert feed(dialect, line * 3, BYTE_BY_BYTE) == [Error("kicked", detail="perché")] * 3


def test_what_an_original_server_sends_is_cut_and_cleaned_as_well() -> None:
    dialect = Bare(protocol.ITALIAN)
    says = dialect.feed((f"\x1b[2JAda: {ACCENTS}\u202e\n" + "x\n" * 9000).encode()) + dialect.finish()
    assert says
    for said in says:
        assert isinstance(said, Say)
        assert is_harmless(said.text)
        assert not is_too_long(said.text)
