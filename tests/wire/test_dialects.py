"""The bare and the line dialect, and the bound on a line."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import protocol
from protocol import (
    ITALIAN,
    MAX_LINE_BYTES,
    MAX_MESSAGE_BYTES,
    Bare,
    EndConn,
    Event,
    Events,
    Fault,
    Lines,
    Quit,
    Reason,
    Say,
    is_too_long,
)
from tests.support.wire import (
    BYTE_BY_BYTE,
    FRAMED,
    NEW_DIALECT,
    SAY,
    WHOLE,
    anything_goes,
    feed,
    one_line_texts,
    read,
    some_sizes,
    texts,
)

FULL = "x" * MAX_MESSAGE_BYTES


# --- the bare dialect -------------------------------------------------------------------------------------------------


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


# --- the line dialect -------------------------------------------------------------------------------------------------

TOO_MANY = Fault(Reason.TOO_MANY_LINES)
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
    "breaks that are no newline": (b"a\r" * 501 + "b\u2028".encode() * 501 + b"\nciao\n", [TOO_MANY, Say("ciao")]),
    "as many of them as may be": (b"a\r" * 499 + b"a\n", [Say("a\n" * 499 + "a")]),
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


# --- the bound on a line ----------------------------------------------------------------------------------------------

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
