"""Which dialect the other side speaks, told by its first bytes."""

from __future__ import annotations

import pytest

import protocol
from protocol import (
    BARE_RECV_BYTES,
    ENGLISH,
    HELLO_SETTLE_S,
    ITALIAN,
    LANGUAGES,
    MARK,
    MAX_HELLO_BYTES,
    MAX_LINE_BYTES,
    SETTLE_S,
    Bare,
    Dialect,
    Events,
    Greeting,
    Hello,
    Lines,
    Stranger,
    Words,
    is_stranger,
    parse_name,
    recognise_client,
    recognise_server,
    settle_s,
)

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


@pytest.mark.parametrize(
    "received",
    [
        *(b"*1\r\n$4\r\nPING\r\n", b"\x01default\n", b"\x02lp\n", b"\x1b%-12345X@PJL INFO ID\r\n", b"@PJL INFO ID\r\n"),
        *(b"HTTP/1.1 200 OK\r\n\r\nciao", b"EHLO\r\n", b"lhlo pc\r\n", b"a001 CAPABILITY\r\n", b"RFB 003.008\n"),
        *(b"JDWP-Handshake", b"\x05\x01\x02"),
    ],
)
def test_what_other_programs_begin_with_is_no_name(received: bytes) -> None:
    assert protocol.stranger_in(received) is Stranger.OTHER


@pytest.mark.parametrize("line", ["POST http://192.168.1.5/{} HTTP/1.1\r\n", "PROPFIND /{} HTTP/1.1\r\n", "GET /{}"])
def test_a_request_is_one_however_long_its_line_is(line: str) -> None:
    whole = line.format("a" * 3 * MAX_HELLO_BYTES).encode()
    assert all(protocol.stranger_in(whole[:size]) is Stranger.WEB for size in range(300, len(whole), 100))


@pytest.mark.parametrize(
    "name", ["* Ada", "*Ada*", "Ada HTTP", "HELO", "Helo\r", "Capability", "@Ada", "\x08Ada", "\x1b[AAda"]
)
def test_what_looks_a_little_like_another_program_may_be_a_name(name: str) -> None:
    assert protocol.stranger_in(f"{name}\n".encode()) is None


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


@pytest.mark.parametrize("request_line", [b"GET /events HTTP/1.1", b"POST /say HTTP/1.1"])
def test_a_request_that_a_broken_link_has_cut_is_nothing_and_no_name(request_line: bytes) -> None:
    for length in range(1, len(request_line)):
        begun = request_line[:length]
        is_nobody = protocol.stranger_in(begun) is not None or recognise_client(begun, True, has_ended=True) is Events
        assert is_nobody, begun
        assert Events().feed(begun) == Events().finish() == []


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
