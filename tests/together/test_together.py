"""Both programs, and both ways with the original's: whole conversations, as people have them."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

import protocol
from lan_chat.client.session import Disconnected, Session
from lan_chat.server.server import ChatServer
from protocol import EndConn, Event, Greeting, Joined, Left, Message, Refused, Say, Welcome
from tests.support.pace import Pace, held_pauses
from tests.support.peers import GREETING, LinePeer
from tests.support.programs import OriginalClient, OriginalServer, ServerProgram
from tests.support.waiting import wait_until


class Member:
    """Our client without its window: a session, and what it has told so far."""

    def __init__(self, port: int) -> None:
        self.session = Session("127.0.0.1", port)
        self.session.connect()
        self.session.start()

    def expect(self, is_wanted: Callable[[Event], bool]) -> list[Event]:
        """Read events up to the one that is wanted."""
        events = [self.session.events.get(timeout=10)]
        while not is_wanted(events[-1]):
            assert not isinstance(events[-1], Disconnected), events
            events.append(self.session.events.get(timeout=10))
        return events

    def expect_text(self, text: str) -> None:
        """Read rows of an original server up to one that ends with this; rows may merge there."""
        self.expect(lambda event: isinstance(event, Say) and event.text.endswith(text))

    def close(self) -> None:
        self.session.close()


# --- the original's client on our server ----------------------------------------------------------------------------


def test_a_whole_conversation_of_the_original_client_on_our_server() -> None:
    with ServerProgram() as server, LinePeer(server.port, "Bob") as bob, OriginalClient(server.port) as ada:
        ada.expect_row(GREETING)
        ada.type_row("BOB")
        ada.expect_row("Il nome scelto è già assegnato, inserire un nome diverso:")
        ada.type_row("Ada")
        ada.expect("Benvenuto Ada! Se vuoi lasciare la Chat, scrivi {quit} per uscire.")
        ada.expect("Ada si \\u00e8 unito alla chat!")  # perhaps in one row with the welcome
        bob.expect("Ada si è unito alla chat!\n")
        ada.type_row("perché no? 😀 ж 中文")
        ada.expect_row("Ada: perché no? 😀 ж 中文")
        bob.expect("Ada: perché no? 😀 ж 中文\n")
        bob.say("così è")
        ada.expect_row("Bob: così è")
        ada.type_row("{quit}")
        assert ada.expect_end()[0] == 0
        bob.expect("Ada ha abbandonato la Chat.\n")


def test_the_original_client_quits_while_choosing_a_name(server: ChatServer) -> None:
    for _ in range(2):
        with OriginalClient(server.port) as ada:
            ada.expect_row(GREETING)
            ada.type_row("{quit}")
            assert ada.expect_end()[0] == 0
    wait_until(lambda: not server.room.addresses)


def test_the_original_clients_window_closes_in_order_on_our_server(server: ChatServer) -> None:
    with LinePeer(server.port, "Bob") as bob, OriginalClient(server.port) as ada:
        ada.expect_row(GREETING)
        ada.type_row("Ada")
        bob.expect("Ada si è unito alla chat!\n")
        ada.end_input()  # which closes its window
        bob.expect("Ada ha abbandonato la Chat.\n")
        ada.expect_end()


@pytest.mark.slow
def test_a_name_pasted_with_its_newline_does_not_silence_the_original_client(server: ChatServer) -> None:
    with LinePeer(server.port, "Bob") as bob, OriginalClient(server.port) as ada:
        ada.expect_row(GREETING)
        ada.type_row("Ada\n")
        bob.expect("Ada si è unito alla chat!\n")
        for text in ("ciao", "come stai?"):
            ada.type_row(text)
            bob.expect(f"Ada: {text}\n")
        ada.type_row("{quit}")
        bob.expect("Ada ha abbandonato la Chat.\n")


def test_the_original_client_understands_our_end() -> None:
    with ServerProgram() as server, OriginalClient(server.port, "--close-after", "0") as ada:
        ada.expect_row(GREETING)
        ada.type_row("Ada")
        ada.expect("Ada si \\u00e8 unito alla chat!")  # perhaps in one row with the welcome
        server.interrupt()
        ada.expect_row("Il server si è disconnesso.")
        ada.expect_row("La finestra si chiuderà tra 5 secondi.")
        assert ada.expect_end() == (0, "")


def shown_in_a_conversation(port: int) -> str:
    """Have two original clients talk, and give all that Ada's window showed; where rows merge is up to the network."""
    texts = ["ciao", "è così 😀", " spazi  in mezzo ", "{quit} no", "<b>&amp;", "x" * 700]
    with OriginalClient(port) as ada:
        shown = ada.expect("Salve!") + ada.expect("\n")
        ada.type_row("Ada")
        shown += ada.expect("Ada si \\u00e8 unito alla chat!")
        with OriginalClient(port) as bob:
            bob.expect("Salve!")
            bob.type_row("Ada")
            bob.expect("diverso:")
            bob.type_row("Bob")
            bob.expect("Bob si \\u00e8 unito alla chat!")
            for number, text in enumerate(texts):
                (ada, bob)[number % 2].type_row(text)
                for reader in (ada, bob):
                    rows = reader.expect(json.dumps(text).strip('"'))
                    shown += rows if reader is ada else ""
            bob.type_row("{quit}")
            shown += ada.expect("Bob ha abbandonato la Chat.")
    return shown.split("Salve!")[1].replace('"', "").replace("\n", "")


def test_the_original_client_shows_no_character_that_its_own_server_would_not_have_shown(server: ChatServer) -> None:
    with OriginalServer() as original:
        expected = shown_in_a_conversation(original.port)
    shown = shown_in_a_conversation(server.port)
    assert shown.replace("\\u00a0", "", 1) == expected  # the greeting's mark is blank on every screen


# --- our client on the original's server ----------------------------------------------------------------------------


@pytest.fixture
def pace(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pace]:
    """The pauses before what our client writes to the original server; the next one ends when the last was read."""
    with held_pauses(monkeypatch) as pace:
        yield pace


def test_a_whole_conversation_of_our_client_on_the_original_server(pace: Pace) -> None:
    with OriginalServer() as server, OriginalClient(server.port) as bob:
        bob.expect("Invio!")
        ada = Member(server.port)
        assert ada.session.is_bare
        bob.type_row("Bob")
        ada.expect_text("Bob si è unito alla chat!")
        ada.session.join("Bob")
        pace.end_pause()
        ada.expect_text("Il nome scelto è già assegnato, inserire un nome diverso:")
        ada.session.join("Ada")
        pace.end_pause()
        ada.expect_text("Ada si è unito alla chat!")
        bob.expect("Ada si \\u00e8 unito alla chat!")
        ada.session.say("perché no? 😀 ж 中文")
        pace.end_pause()
        ada.expect_text("Ada: perché no? 😀 ж 中文")
        bob.expect_row("Ada: perché no? 😀 ж 中文")
        bob.type_row("così è")
        ada.expect_text("Bob: così è")
        bob.expect_row("Bob: così è")
        ada.session.say("uno")
        ada.session.say("due")
        ada.session.quit()
        for heard in ("Ada: uno", "Ada: due", "Ada ha abbandonato la Chat."):
            pace.end_pause()
            bob.expect_row(heard)
        ada.close()


@pytest.mark.slow
def test_our_client_quits_the_original_server_while_choosing_a_name() -> None:
    with OriginalServer() as server:
        for _ in range(2):  # at the second time the original finds the name {quit} taken, and does not close
            ada = Member(server.port)
            ada.session.quit()
            ada.close()


def test_our_client_understands_the_original_servers_end() -> None:
    with OriginalServer() as server:
        ada = Member(server.port)
        ada.session.join("Ada")
        ada.expect_text("Ada si è unito alla chat!")
        server.interrupt()
        events = ada.expect(lambda event: isinstance(event, EndConn))
        assert isinstance(events[-1], EndConn)
        ada.close()


def test_what_our_client_says_at_once_is_not_merged_on_the_original_server(pace: Pace) -> None:
    with OriginalServer() as server:
        ada = Member(server.port)
        ada.session.join("Ada")
        pace.end_pause()
        ada.expect_text("Ada si è unito alla chat!")
        for number in range(20):
            ada.session.say(f"numero {number}")
        heard: list[Event] = []
        for _ in range(20):
            pace.end_pause()
            heard += ada.expect(lambda event: isinstance(event, Say))
        assert heard == [Say(f"Ada: numero {number}") for number in range(20)]
        pace.let_go()
        ada.close()


def test_a_cut_does_not_make_a_control_word_on_the_original_server(pace: Pace) -> None:
    with OriginalServer() as server, OriginalClient(server.port) as bob:
        bob.expect("Invio!")
        ada = Member(server.port)
        ada.session.join("Ada")
        pace.end_pause()
        ada.expect_text("Ada si è unito alla chat!")
        ada.session.say("x" * 894 + "{quit}\n{quit}")
        ada.session.say("ancora qui")
        heard: list[Event] = []
        while Say("Ada: ancora qui") not in heard:
            pace.end_pause()
            heard += ada.expect(lambda event: isinstance(event, Say))
        bob.expect("Ada: ancora qui")
        pace.let_go()
        ada.close()


@pytest.mark.parametrize("talk", [b"Bob: ciao\r\n", b"Bob: perch\xe9", b"Bob: \0"])
def test_what_people_say_behind_the_greeting_does_not_make_a_server_a_stranger(talk: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                client.sendall(protocol.ITALIAN.greeting.encode() + talk)
                assert client.recv(protocol.BARE_RECV_BYTES) == b"{quit}"

        thread = threading.Thread(target=serve)
        thread.start()
        Member(listener.getsockname()[1]).close()
        thread.join()


# --- our client on our server ---------------------------------------------------------------------------------------


def test_a_whole_conversation_of_our_own() -> None:
    with ServerProgram() as server:
        ada, bob = Member(server.port), Member(server.port)
        assert not ada.session.is_bare
        ada.session.join("Ada")
        assert [type(event) for event in ada.expect(lambda event: isinstance(event, Joined))] == [
            Greeting,
            Welcome,
            Joined,
        ]
        bob.session.join("ADA")
        (_, refused) = bob.expect(lambda event: isinstance(event, Refused))
        assert refused == Refused("taken")
        bob.session.join("Bob")
        bob.expect(lambda event: isinstance(event, Welcome))
        ada.session.say("perché no? 😀\nseconda riga")
        (*_, heard) = bob.expect(lambda event: isinstance(event, Message))
        assert isinstance(heard, Message)
        assert (heard.name, heard.text) == ("Ada", "perché no? 😀\nseconda riga")
        bob.session.say("ultime parole")
        bob.session.quit()
        events = ada.expect(lambda event: isinstance(event, Left))
        assert [event.text for event in events if isinstance(event, Message)] == [heard.text, "ultime parole"]
        bob.close()
        server.interrupt()
        ada.expect(lambda event: isinstance(event, EndConn))
        ada.close()


def test_sessions_of_all_kinds_see_one_order(server: ChatServer) -> None:
    members = [Member(server.port) for _ in range(3)]
    for number, member in enumerate(members):
        member.session.join(f"sessione{number}")
        member.expect(lambda event: isinstance(event, Joined))
    with LinePeer(server.port, "Lia") as lia:
        for number in range(100):
            for member in members[:2]:
                member.session.say(f"numero {number}")
        said = [lia.expect("\n") for _ in range(200)]
        for member in members:
            heard = [member.expect(lambda event: isinstance(event, Message))[-1] for _ in range(200)]
            assert [f"{event.name}: {event.text}\n" for event in heard if isinstance(event, Message)] == said
    for member in members:
        member.close()


@pytest.mark.parametrize("merged", ["", "Bob: ciao"])
def test_an_end_that_merged_with_a_message_is_understood(merged: str) -> None:
    """An original server that closes in the middle of a conversation."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                client.sendall(protocol.ITALIAN.greeting.encode())
                client.recv(protocol.BARE_RECV_BYTES)
                client.sendall(f"{merged}{{end_conn}}".encode())

        thread = threading.Thread(target=serve)
        thread.start()
        ada = Member(listener.getsockname()[1])
        ada.session.join("Ada")
        events = ada.expect(lambda event: isinstance(event, EndConn))
        assert events == [Say(protocol.ITALIAN.greeting), *([Say(merged)] if merged else []), EndConn()]
        ada.close()
        thread.join()
