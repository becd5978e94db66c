"""The sentences on the wire: the original's words, in both languages."""

from __future__ import annotations

import dataclasses
import string

import pytest

import protocol
from lan_chat.client import words as client_words
from lan_chat.server import words as server_words
from lan_chat.server.words import CLOSED, CLOSING, HAS_CONNECTED, HAS_LEFT, WAITING
from protocol import (
    ENGLISH,
    ITALIAN,
    LANGUAGES,
    Announcement,
    Bare,
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
    Quit,
    Reason,
    Refused,
    Resume,
    Say,
    Welcome,
    Words,
    in_words,
)

# --- events in the words of the original ------------------------------------------------------------------------------

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


# --- the sentences themselves -----------------------------------------------------------------------------------------


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
