"""Long and many-lined texts, in parts that every peer can take."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given

import protocol
from protocol import (
    BARE_RECV_BYTES,
    CONTROL_WORDS,
    ITALIAN,
    MAX_NAME_CHARACTERS,
    Announcement,
    Bare,
    Event,
    Joined,
    Lines,
    Message,
    Quit,
    Refused,
    Say,
    Welcome,
    bare_parts,
    in_words,
)
from tests.support.wire import announcements, anything_goes, messages

ADA = Message(1, 0.0, "Ada", "ciao")


@anything_goes
@given(messages)
def test_a_second_line_cannot_be_put_in_anothers_mouth(message: Message) -> None:
    speaker = f"{message.name}: "
    *lines, end = Lines(ITALIAN).encode(message).decode().split("\n")
    assert end == ""
    assert all(line.startswith(speaker) and len(line.splitlines()) == 1 for line in lines)
    assert "\n".join(line.removeprefix(speaker) for line in lines) == message.text

    for part in bare_parts(message):
        assert (in_words(part, ITALIAN) or "").splitlines() == [in_words(part, ITALIAN)]
        assert isinstance(part, Message)
        assert dataclasses.replace(part, text=message.text) == message


@anything_goes
@given(announcements)
def test_a_second_line_of_the_operator_bears_the_operators_name_too(announcement: Announcement) -> None:
    lines = Lines(ITALIAN).encode(announcement).decode().splitlines()
    assert [line.removeprefix("Server: ") for line in lines] == announcement.text.split("\n")
    assert all(line.startswith("Server: ") for line in lines)


@pytest.mark.parametrize("word", CONTROL_WORDS)
@pytest.mark.parametrize("name", ["A", "Ada", "😀" * 16, "x" * 32])
def test_no_recv_of_a_bare_peer_ends_in_a_control_word_that_somebody_said(name: str, word: str) -> None:
    """A peer that is behind reads what waits in pieces of its own: what is left of a message must be none either."""
    for before in ("", "x", "a" * 891, "a\n"):
        stream = b"".join(Bare(ITALIAN).encode_parts(Message(1, 0.0, name, f"{before}{word}")))
        rests = {stream[start:] for start in range(len(stream))}
        assert rests.isdisjoint(one.encode() for one in CONTROL_WORDS)


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
@given(announcements)
def test_the_operators_words_are_written_part_by_part_as_a_members_are(announcement: Announcement) -> None:
    parts = bare_parts(announcement)
    assert Bare(ITALIAN).encode_parts(announcement) == [Bare(ITALIAN).encode(part) for part in parts]


@anything_goes
@given(messages)
def test_each_bare_part_is_at_most_one_recv_and_none_is_lost(message: Message) -> None:
    parts = bare_parts(long := dataclasses.replace(message, text=message.text * 40))
    assert Bare(ITALIAN).encode_parts(long) == [Bare(ITALIAN).encode(part) for part in parts]
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
    assert bare_parts(event) == [event]
    assert Bare(ITALIAN).encode_parts(event) == [Bare(ITALIAN).encode(event)]


def test_what_our_client_says_to_an_original_server_goes_line_by_line() -> None:
    assert bare_parts(Say("uno\nBob: due", 7)) == [Say("uno", 7), Say("Bob: due", 7)]


@pytest.mark.parametrize("word", ["{quit}", "{end_conn}"])
@pytest.mark.parametrize("before", ["x" * size for size in range(880, 900)] + ["ciao\n"], ids=len)
def test_no_part_of_a_text_becomes_a_control_word(before: str, word: str) -> None:
    """The original server would take it as one, and close the connection of somebody who only pasted a long text."""
    sent = [Bare(ITALIAN).encode(part).decode() for part in bare_parts(Say(before + word))]
    assert not set(sent) & set(protocol.CONTROL_WORDS)
