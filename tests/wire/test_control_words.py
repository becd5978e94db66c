"""Control words are whole messages and nothing else, in every dialect."""

from __future__ import annotations

import json

import pytest

from protocol import ITALIAN, Bare, EndConn, Event, Events, Lines, Quit, Say
from tests.support.wire import FRAMED, NEW_DIALECT, WHOLE, cut, read

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
