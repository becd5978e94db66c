"""A telnet (RFC 854): what it says to its like is taken out, answered, and never part of a name or a message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import (
    DOUBT_S,
    ITALIAN,
    MARK,
    MAX_SUBNEGOTIATION_BYTES,
    MAX_TELNET_ANSWER_BYTES,
    SETTLE_S,
    Bare,
    EndConn,
    Event,
    Events,
    Greeting,
    Hello,
    LineEnd,
    Lines,
    Message,
    Quit,
    Say,
    Stranger,
    Telnet,
    begins_as_telnet,
    recognise_client,
    settle_s,
    stranger_in,
)
from tests.support.wire import (
    BYTE_BY_BYTE,
    PUTTY,
    REFUSED,
    SIZE,
    WHOLE,
    anything_goes,
    cut,
    feed,
    one_line_texts,
    read,
    some_sizes,
)

COMMANDS = {
    "nothing": b"\xff\xf1",
    "a data mark": b"\xff\xf2",
    "abort output": b"\xff\xf5",
    "are you there": b"\xff\xf6",
    "go ahead": b"\xff\xf9",
    "the end of a record": b"\xff\xef",
    "the end of a subnegotiation that was none": b"\xff\xf0",
    "an offer": b"\xff\xfb\x1f",
    "an offer whose option is a newline": b"\xff\xfb\x0a",
    "a refusal of 255": b"\xff\xfe\xff",
    "a subnegotiation": SIZE,
    "a subnegotiation with data that looks like its end": b"\xff\xfa\x1f\xff\xff\xf0\xff\xff\xff\xf0",
    "what PuTTY says first": PUTTY,
}
sizes = pytest.mark.parametrize("sizes", [WHOLE, BYTE_BY_BYTE, [2], [3, 1]], ids=["whole", "1", "2", "3 and 1"])


# --- what is taken out ------------------------------------------------------------------------------------------------


@sizes
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_command_is_no_part_of_what_is_said(command: bytes, sizes: list[int]) -> None:
    wire = command + b"A" + command + b"da\r" + command + b"\nperch\xc3" + command + b"\xa9?\n"
    assert feed(Lines(ITALIAN), wire, sizes) == [Say("Ada"), Say("perché?")]


@anything_goes
@given(
    st.lists(st.builds(Say, one_line_texts)),
    st.dictionaries(st.integers(0, 200), st.sampled_from([*COMMANDS.values()])),
    some_sizes,
)
def test_commands_between_any_two_bytes_do_not_matter(
    said: list[Event], commands: dict[int, bytes], sizes: list[int]
) -> None:
    plain = b"".join(map(Lines(ITALIAN).encode, said))
    wire = b"".join(commands.get(place, b"") + plain[place : place + 1] for place in range(len(plain) + 1))
    for how in (sizes, WHOLE, BYTE_BY_BYTE):
        assert read(Lines(ITALIAN), wire, how) == read(Lines(ITALIAN), plain, WHOLE)


@sizes
@pytest.mark.parametrize(
    ("wire", "said"),
    [
        (b"ciao\r\0Ada\r\n", ["ciao", "Ada"]),
        (b"ci\xff\xffao\n", ["ci\ufffdao"]),
        (b"\xff ciao\n", ["\ufffd ciao"]),
        ("ÿ è così\n".encode("latin-1"), ["\ufffd \ufffd cos\ufffd"]),
        (b"ciao\0\r\n", ["ciao"]),
        (b"ciaa\xff\xf7o\n", ["ciao"]),
        ("perchè".encode() + b"\xff\xf7" + "é\n".encode(), ["perché"]),
        (b"uno\n\xff\xf7\xff\xf7\xff\xf7due\n", ["uno", "due"]),
        (b"uno\nsbagliato\xff\xf8due\n", ["uno", "due"]),
        (b"\xff\xff\xf7ciao\n", ["\ufffd\ufffdciao"]),
        (b"ciao\xff", ["ciao"]),
        (b"ciao\xff\xfb", ["ciao"]),
    ],
)
def test_a_telnet_is_read_as_its_user_means_it(wire: bytes, said: list[str], sizes: list[int]) -> None:
    assert read(Lines(ITALIAN), wire, sizes) == [Say(text) for text in said]


@sizes
@pytest.mark.parametrize("key", [b"\xff\xf4", b"\xff\xf4\xff\xfd\x06", b"\xff\xee", b"\xff\xf3", b"\xff\xec"])
def test_ctrl_c_leaves_and_what_was_not_ended_is_not_said(key: bytes, sizes: list[int]) -> None:
    events = feed(Lines(ITALIAN), b"Ada\r\nciao\r\nmez" + key, sizes)
    assert events == [Say("Ada"), Say("ciao"), Quit()]
    assert isinstance(events[-1], Quit)
    assert events[-1].waits, "it does not close by itself"


def test_a_subnegotiation_without_an_end_takes_no_memory_and_mutes_nobody() -> None:
    lines = Lines(ITALIAN)
    events = lines.feed(b"Ada\n\xff\xfa\x18")
    for _ in range(1000):
        events += lines.feed(b"\n" * 1024)
        assert len(lines._buffer) <= 1024
    assert events + lines.feed(b"ciao\n") == [Say("Ada"), Say("ciao")]


@pytest.mark.parametrize("data", [b"x", b"\xff", b"\xff\xff", b"\xff\xf1"])
def test_the_bound_of_a_subnegotiation_is_where_it_is_however_it_is_cut(data: bytes) -> None:
    wire = b"\xff\xfa" + data * MAX_SUBNEGOTIATION_BYTES + b"\nciao\n"
    whole = read(Lines(ITALIAN), wire, WHOLE)
    for sizes in (BYTE_BY_BYTE, [7], [1023], [1024, 1]):
        assert read(Lines(ITALIAN), wire, sizes) == whole
    assert whole[-1] == Say("ciao")


# --- what is answered -------------------------------------------------------------------------------------------------


@sizes
def test_every_offer_and_demand_is_refused_and_nothing_else_is_answered(sizes: list[int]) -> None:
    lines = Lines(ITALIAN)
    answers = b""
    for chunk in cut(PUTTY + b"Ada\r\n" + SIZE + b"\xff\xfc\x01\xff\xfe\x03\xff\xf1", sizes):
        lines.feed(chunk)
        answers += lines.take_answer()
    assert answers == REFUSED
    assert lines.take_answer() == b""


def test_are_you_there_is_answered_where_one_can_see_it() -> None:
    lines = Lines(ITALIAN)
    lines.feed(b"\xff\xf6")
    assert lines.take_answer() == b"[OK]\r\n"


@pytest.mark.parametrize("sent", [b"\xff\xf6", b"\xff\xfd\x18", b"\xff\xfb\x1f\xff\xf6"])
def test_however_much_comes_at_once_the_answer_is_short(sent: bytes) -> None:
    lines = Lines(ITALIAN)
    lines.feed(sent * 5000)
    assert 200 < len(lines.take_answer()) <= MAX_TELNET_ANSWER_BYTES
    lines.feed(sent)
    assert lines.take_answer()


@pytest.mark.parametrize(
    ("dialect", "sent", "silent"),
    [
        (Lines(ITALIAN), b"\xff\xf1" * 100, 200),
        (Lines(ITALIAN), b"\xff\xfa" + b"x" * 100 + b"\xff\xf0ciao\n", 109),
        (Lines(ITALIAN), b"\r\n" * 100 + b"ciao\n", 200),
        (Lines(ITALIAN), b" \t\n" * 100, 300),
        (Lines(ITALIAN), b"Ada\nciao\n", 0),
        (Lines(ITALIAN), b"x\xff\xf7" * 100 + b"\n", 302),
        (Lines(ITALIAN), b"\xffA" * 100, 200),
        (Lines(ITALIAN), b"\x01" * 100 + b"\n", 101),
        (Events(), b'{"type":"welcome","name":"a","token":"t","last":0,"names":[]}\n', 62),
        (Events(), b"x" * 99 + b"\n", 100),
        (Events(), b"\n" * 100, 100),
        (Events(), b'{"type":"x"}\n' * 100, 1300),
        (Events(), b'{"type":"say","text":"ciao"}\n', 0),
    ],
)
def test_what_says_nothing_is_counted(dialect: Lines | Events, sent: bytes, silent: int) -> None:
    dialect.feed(sent)
    assert dialect.take_silent() == silent
    assert dialect.take_silent() == 0


# --- recognition ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [PUTTY, b"\xff\xf1", SIZE, b"Ad\xff\xfb\x1fa", b"\xff\xfa" + bytes(1024)])
def test_a_client_that_negotiates_is_a_telnet_and_no_stranger(first: bytes) -> None:
    start = first.index(b"\xff")
    for size in range(start + 2, len(first) + 1):
        assert stranger_in(first[:size]) is None
        assert recognise_client(first[:size], is_over=False) is Lines
        assert begins_as_telnet(first[:size])


@pytest.mark.parametrize("first", [b"\xff", b"Ada\xff"])
def test_half_a_command_is_waited_for_and_is_no_bare_clients(first: bytes) -> None:
    assert stranger_in(first) is None
    assert recognise_client(first, is_over=False) is None
    assert recognise_client(first, is_over=True) is Lines
    assert recognise_client(first, is_over=False, has_ended=True) is Lines
    assert settle_s(b"\xff") == DOUBT_S > SETTLE_S


def test_a_name_that_ends_in_cr_and_nul_is_a_line() -> None:
    assert stranger_in(b"Ada\r\0") is None
    assert recognise_client(b"Ada\r\0", is_over=False) is Lines
    assert not begins_as_telnet(b"Ada\r\0")


@pytest.mark.parametrize(
    ("first", "stranger"),
    [
        (b"\xff\xfeA\0d\0a\0", Stranger.OTHER),  # UTF-16, with its mark
        (b"\xff\xff", Stranger.OTHER),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", Stranger.OTHER),
        (b"\xff\xfb\x90d\0\0\0\0", Stranger.OTHER),  # MP3
        (b"\0\0\0\x54\xffSMB", Stranger.OTHER),
        (b"Ada\xff\n", Stranger.OTHER),
        (b"Ada\0\n", Stranger.OTHER),
        (PUTTY + b"GET / HTTP/1.1\r\n\r\n", Stranger.WEB),
        (b"\x16\x03\x01\xff\xfb\x1f", Stranger.TLS),
    ],
)
def test_what_is_no_telnet_is_what_it_was(first: bytes, stranger: Stranger) -> None:
    assert stranger_in(first) is stranger


def test_who_says_hello_speaks_events_and_who_says_a_name_alone_bare() -> None:
    hello = Events().encode(Hello(1, "it"))
    assert recognise_client(hello, is_over=False) is Events
    assert recognise_client(b"Nicol\xc3\xb2", is_over=True) is Bare


def test_a_telnet_may_send_each_character_by_itself_and_take_its_time() -> None:
    lines = Lines(ITALIAN)
    assert lines.feed(PUTTY) == []
    for letter in b"Ada\r\n":
        assert not lines.is_waiting, "a pause means nothing"
        events = lines.feed(bytes([letter]))
    assert events == [Say("Ada")]


# --- what it is sent --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "sent"),
    [
        (LineEnd(), "\r\n"),
        (Message(1, 2.0, "Bob", "uno\ndue"), "Bob: uno\r\nBob: due\r\n"),
        (Message(1, 2.0, "Bob", "ciao"), "Bob: ciao\r\n"),
        (EndConn(), "{end_conn}\r\n"),
        (Greeting(), ITALIAN.greeting + MARK),
    ],
)
def test_a_telnets_lines_end_in_cr_lf(event: Event, sent: str) -> None:
    assert Telnet(ITALIAN).encode(event) == sent.encode()
