"""How a client says goodbye: `{quit}`, and `{end_conn}`, which from a client means the same."""

from __future__ import annotations

import logging

import pytest

from lan_chat.server.server import ChatServer
from lan_chat.server.words import ITALIAN
from protocol import Events, Hello
from tests.support.peers import GREETING, BarePeer, EventPeer, LinePeer, Peer, drain
from tests.support.programs import OriginalClient
from tests.support.servers import talk_to
from tests.support.waiting import wait_until

MEMBERS = {"bare": BarePeer, "lines": LinePeer, "events": EventPeer}
ENDS = {"bare": "", "lines": "\n", "events": "\n"}
LAST_WORDS = {"bare": "{end_conn}", "lines": "{end_conn}\n", "events": ""}
"""What the server says to it: an original client does not close by itself."""
WORDS = pytest.mark.parametrize("word", ["{end_conn}", "<end_conn>"])


@WORDS
@pytest.mark.parametrize("dialect", MEMBERS)
def test_end_conn_from_a_member_means_quit(
    server: ChatServer, dialect: str, word: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with LinePeer(server.port, "Bob") as bob, MEMBERS[dialect](server.port, "Ada") as ada:
        bob.expect("Ada si è unito alla chat!\n")
        ada.send(word + ENDS[dialect])
        assert bob.expect("Chat.\n") == "Ada ha abbandonato la Chat.\n"
        assert drain(ada).decode().endswith(LAST_WORDS[dialect])
        LinePeer(server.port, "Ada").close()  # the name is free, and no place was held
        wait_until(lambda: f"esce: {ITALIAN.why_quit}." in caplog.text)


@WORDS
@pytest.mark.parametrize("dialect", MEMBERS)
def test_end_conn_while_choosing_a_name_closes_the_connection_and_is_no_name(
    server: ChatServer, dialect: str, word: str
) -> None:
    with LinePeer(server.port, "Bob") as bob:
        for _ in range(2):
            with talk_to(server) as peer:
                if dialect == "events":
                    peer.send(Events().encode(Hello(1, "it")))
                peer.send(word + ENDS[dialect])
                assert peer.expect_end().lstrip("\n") == LAST_WORDS[dialect]
        bob.say("solo io")
        assert bob.expect("solo io\n") == "Bob: solo io\n"


def test_what_follows_end_conn_does_not_count(server: ChatServer) -> None:
    with LinePeer(server.port, "Bob") as bob, Peer(server.port) as ada:
        ada.send("Ada\nciao\n{end_conn}\nancora\n")
        assert ada.expect_end().endswith("Ada: ciao\n{end_conn}\n")
        assert bob.expect("Chat.\n") == "Ada si è unito alla chat!\nAda: ciao\nAda ha abbandonato la Chat.\n"


def test_the_original_client_that_says_end_conn_closes(server: ChatServer) -> None:
    with LinePeer(server.port, "Bob") as bob, OriginalClient(server.port, "--close-after", "0") as ada:
        ada.expect(GREETING.split("!")[0])
        ada.type_row("Ada")
        bob.expect("Ada si è unito alla chat!\n")
        ada.expect("Ada si \\u00e8 unito alla chat!")  # it has read all: the control word comes by itself
        ada.type_row("{end_conn}")
        assert bob.expect("Chat.\n") == "Ada ha abbandonato la Chat.\n"
        ada.expect_row("Il server si è disconnesso.")
        assert ada.expect_end()[0] == 0


@pytest.mark.usefixtures("bare_texts_wait")
@pytest.mark.parametrize("word", ["{quit}", "<quit>", "{end_conn}"])
def test_bye_and_a_goodbye_that_a_bare_client_sent_together_count_when_its_stream_ends(
    server: ChatServer, word: str
) -> None:
    with LinePeer(server.port, "Bob") as bob, BarePeer(server.port, "Ugo") as ugo:
        bob.expect("Ugo si è unito alla chat!\n")
        ugo.send(f"bye{word}")
        ugo.close()
        assert bob.expect("Chat.\n") == "Ugo: bye\nUgo ha abbandonato la Chat.\n"


@pytest.mark.parametrize("word", ["{quit}", "<quit>", "{end_conn}"])
def test_a_bare_text_that_ends_in_a_goodbye_is_text_while_its_stream_goes_on(server: ChatServer, word: str) -> None:
    """Nothing tells `bye` and `<quit>` that came together from a message about `<quit>`: the client stays."""
    with LinePeer(server.port, "Bob") as bob, BarePeer(server.port, "Ugo") as ugo:
        bob.expect("Ugo si è unito alla chat!\n")
        ugo.send(f"bye{word}")
        assert bob.expect(f"bye{word}\n") == f"Ugo: bye{word}\n"
        ugo.send(word)
        assert bob.expect("Chat.\n") == "Ugo ha abbandonato la Chat.\n"
