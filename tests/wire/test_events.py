"""The events dialect: a line is one JSON object, and what is none is a fault."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

import protocol
from protocol import (
    MAX_MESSAGE_BYTES,
    MAX_NUMBER,
    MAX_SERVER_LINE_BYTES,
    Announcement,
    EndConn,
    Error,
    Event,
    Events,
    Fault,
    Hello,
    Join,
    Joined,
    Left,
    Message,
    Quit,
    Reason,
    Refused,
    Resume,
    Say,
    Welcome,
)
from tests.support.wire import BYTE_BY_BYTE, SAY, WHOLE, WIRE_EVENTS, anything_goes, feed, some_sizes

FULL = "x" * MAX_MESSAGE_BYTES
EVENTS: dict[str, tuple[bytes, list[Event]]] = {
    "hello": (b'{"type":"hello","version":1,"language":"it"}\n', [Hello(1, "it")]),
    "join": ('{"type":"join","name":"Nicolò"}\n'.encode(), [Join("Nicolò")]),
    "resume": (b'{"type":"resume","token":"abc","last":7}\n', [Resume("abc", 7)]),
    "resume in a room": (b'{"type":"resume","token":"abc","last":7,"room":"6d"}\n', [Resume("abc", 7, "6d")]),
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
