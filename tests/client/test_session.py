"""The session over real sockets: talking, leaving, and with an original server."""

from __future__ import annotations

import gc
import select
import socket
import threading
from typing import Any

import pytest

import protocol
from lan_chat.client.ledger import Rejected
from lan_chat.client.session import Disconnected, LinkBroken, Session, State
from lan_chat.client.words import ITALIAN, LANGUAGES
from lan_chat.server.server import ChatServer
from protocol import EndConn, Error, Greeting, Hello, Joined, Message, Refused, Say, Welcome
from tests.support.pace import Pace
from tests.support.peers import GREETING, LinePeer
from tests.support.played_server import Play, PlayedServer, message
from tests.support.sessions import Meet, arrows_in_picture, come_in, events_until, next_event, why_not
from tests.support.waiting import wait_until

ORIGINAL_GREETING = ITALIAN.greeting
MORE_THAN_BUFFERS_HOLD = ["x" * protocol.MAX_MESSAGE_BYTES] * 512
"""Texts of 8 MiB: a played server takes in little by itself, and no system keeps so much for the sender."""


# --- talking ----------------------------------------------------------------------------------------------------------


def test_a_name_is_asked_for_and_given(server: ChatServer, meet: Meet) -> None:
    session = meet(server)
    with LinePeer(server.port, "Ada"):
        session.join("ada")
        assert events_until(session, Refused)[-1] == Refused("taken")
        session.join("Bea")
        welcome, joined = events_until(session, Joined)[-2:]
        assert isinstance(welcome, Welcome)
        assert isinstance(joined, Joined)
        assert (welcome.name, welcome.names, joined.name) == ("Bea", ("Ada", "Bea"), "Bea")


def test_what_one_says_comes_back_and_is_confirmed(server: ChatServer, meet: Meet) -> None:
    session = meet(server)
    session.join("Ada")
    assert session.say("uno") == 1
    assert session.say("due") == 2
    assert [getattr(event, "text", "") for event in events_until(session, Message)][-1] == "uno"
    assert [getattr(event, "text", "") for event in events_until(session, Message)][-1] == "due"
    session.close()
    assert next_event(session) == Disconnected(())


def test_what_was_said_before_a_name_was_chosen_is_said_once_one_is_in(server: ChatServer, meet: Meet) -> None:
    session = meet(server)
    session.say("ciao")
    session.join("Ada")
    message = events_until(session, Message)[-1]
    assert isinstance(message, Message)
    assert (message.name, message.text, message.nonce) == ("Ada", "ciao", 1)


def test_a_banned_address_is_told_so_and_tries_no_more(play: Play, meet: Meet) -> None:
    for words in LANGUAGES.values():
        assert why_not(play(words.banned).port) == ITALIAN.banned
    server, session = come_in(play, meet)
    server.greeting = ITALIAN.banned.encode()
    server.peer.break_off()
    last_words = [Error("banned"), EndConn(), Disconnected(())]
    assert events_until(session, Disconnected) == [LinkBroken(0.0), *last_words]


@pytest.mark.parametrize("reason", ["kicked", "banned"])
def test_who_is_sent_away_tries_no_more_also_where_the_end_was_not_heard(play: Play, meet: Meet, reason: str) -> None:
    server, session = come_in(play, meet)
    server.peer.tell(Error(reason, detail="troppo rumore"))
    server.peer.close()
    assert events_until(session, Disconnected) == [Error(reason, detail="troppo rumore"), Disconnected(())]


def test_a_text_that_is_too_long_is_rejected_with_its_text(server: ChatServer, meet: Meet) -> None:
    session = meet(server)
    session.join("Ada")
    session.say("x" * 20_000)
    assert events_until(session, Rejected)[-1] == Rejected("x" * 20_000, Error("too long", 16384, 1))


def test_an_error_about_nothing_that_was_said_stays_an_error(play: Play, meet: Meet) -> None:
    server = play()
    session = meet(server)
    server.peer.tell(Error("too long", 16384, 7), Error("malformed"))
    assert [next_event(session) for _ in range(3)] == [Greeting(), Error("too long", 16384, 7), Error("malformed")]


def test_disconnected_comes_once_with_what_was_not_confirmed(play: Play, meet: Meet) -> None:
    server = play()
    session = meet(server)
    session.join("Ada")
    server.peer.welcome("Ada")
    for text in ("uno", "due", "tre"):
        session.say(text)
    server.peer.expect("tre")
    server.peer.tell(message(2, "of another", "Bob", nonce=3), message(3, "due", "Ada", nonce=2))
    server.peer.end()
    assert events_until(session, Disconnected)[-1] == Disconnected(("uno", "tre"))
    session.close()
    assert session.events.empty()


def test_nothing_can_be_said_when_the_connection_is_over(play: Play, meet: Meet) -> None:
    server = play()
    session = meet(server)
    server.peer.end()
    events_until(session, Disconnected)
    assert session.say("ciao") is None


def test_end_conn_of_our_server_is_told_before_the_end(server: ChatServer, meet: Meet) -> None:
    session = meet(server)
    session.join("Ada")
    events_until(session, Joined)
    server.stop()
    assert events_until(session, Disconnected) == [EndConn(), Disconnected(())]


def test_end_conn_of_an_original_server_is_told_before_the_end(play: Play, meet: Meet) -> None:
    server = play(ORIGINAL_GREETING)
    session = meet(server)
    server.peer.send("{end_conn}")
    server.peer.close()
    assert events_until(session, Disconnected)[1:] == [EndConn(), Disconnected(())]


def test_a_link_that_is_reset_is_broken_and_tried_again_at_once(play: Play, meet: Meet) -> None:
    server = play()
    session = meet(server)
    session.join("Ada")
    server.peer.expect("Ada")
    server.peer.break_off()
    assert events_until(session, LinkBroken) == [Greeting(), LinkBroken(0.0)]


def test_a_failure_of_our_own_in_reading_is_logged_and_ends_the_session(
    play: Play, meet: Meet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = play()
    session = meet(server)
    server.peer.expect("hello")
    assert session._link is not None
    monkeypatch.setattr(session._link._dialect, "feed", lambda _: 1 / 0)
    session.say("ciao")
    server.peer.tell(message(1, "ciao"))
    assert events_until(session, Disconnected)[-1] == Disconnected(("ciao",))
    assert "ZeroDivisionError" in caplog.text
    caplog.clear()


def test_a_socket_that_is_announced_and_has_nothing_to_read_breaks_no_link(
    play: Play, meet: Meet, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, session = come_in(play, meet)
    select_of_the_system, false_alarms = select.select, [1, 2, 3]

    def announce(readers: list[socket.socket], *rest: Any) -> Any:
        if readers and false_alarms:
            false_alarms.pop()
            return readers, [], []
        return select_of_the_system(readers, *rest)

    monkeypatch.setattr(select, "select", announce)
    server.peer.tell(message(2, "uno"), message(3, "due"))
    assert events_until(session, Message) == [message(2, "uno")]
    assert events_until(session, Message) == [message(3, "due")]
    wait_until(lambda: not false_alarms)
    server.peer.tell(message(4, "tre"))
    assert events_until(session, Message) == [message(4, "tre")]


def test_a_failure_of_our_own_in_writing_is_logged_and_breaks_the_link(
    play: Play, meet: Meet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = play()
    session = meet(server)
    server.peer.expect("hello")
    assert session._link is not None
    monkeypatch.setattr(session._link._dialect, "encode", lambda _: 1 / 0)
    session.join("Ada")
    events_until(session, LinkBroken)
    assert "ZeroDivisionError" in caplog.text
    caplog.clear()


# --- states -----------------------------------------------------------------------------------------------------------


def test_the_picture_of_the_states_names_each_state_and_each_method() -> None:
    arrows = arrows_in_picture()
    assert {state for arrow in arrows for state in arrow} == {state.name for state in State}
    assert all(callable(getattr(Session, verb)) for verb in arrows.values())


# --- leaving ----------------------------------------------------------------------------------------------------------


def test_quit_twice_says_it_once(play: Play, meet: Meet) -> None:
    server = play()
    session = meet(server)
    session.quit()
    session.quit()
    assert server.peer.expect_end().endswith('"it"}\n{quit}\n')


def test_what_was_said_before_quit_goes_out_first(server: ChatServer, meet: Meet) -> None:
    session = meet(server)
    with LinePeer(server.port, "Bob") as bob:
        session.join("Ada")
        session.say("ciao")
        session.close()
        assert bob.expect("Ada ha abbandonato la Chat.\n") == (
            "Ada si è unito alla chat!\nAda: ciao\nAda ha abbandonato la Chat.\n"
        )


def test_close_leaves_no_thread_and_no_socket(play: Play, meet: Meet) -> None:
    server = play()
    before = set(threading.enumerate())
    session = meet(server)
    server.peer.close()
    session.close()
    session.close()
    assert set(threading.enumerate()) <= before
    del session
    gc.collect()  # a socket that was left open would warn now, and a warning is an error here


def test_a_session_that_never_started_closes_its_socket(play: Play) -> None:
    server = play()
    session = Session("127.0.0.1", server.port)
    session.connect()
    session.close()
    assert server.peer.next_event() == Hello(protocol.VERSION, "it")
    assert server.peer.expect_end() == ""


@pytest.mark.parametrize("greeting", [GREETING, ORIGINAL_GREETING], ids=["events", "bare"])
def test_close_does_not_wait_for_a_server_that_never_reads(
    play: Play, meet: Meet, monkeypatch: pytest.MonkeyPatch, greeting: str
) -> None:
    monkeypatch.setattr("lan_chat.client.session.QUIT_S", 0.05)
    monkeypatch.setattr(protocol, "BARE_PAUSE_S", 0)
    session = meet(play(greeting))
    for text in MORE_THAN_BUFFERS_HOLD:
        session.say(text)
    session.close()
    end = events_until(session, Disconnected)[-1]
    assert isinstance(end, Disconnected)
    assert end.unsent


# --- with an original server ------------------------------------------------------------------------------------------


def received_with_pauses(server: PlayedServer, pace: Pace, count: int) -> tuple[list[bytes], list[float]]:
    """Return what an original server receives first, with one `recv` after each pause; and the pauses, in seconds."""
    received, pauses = [], []
    for _ in range(count):
        pauses.append(pace.end_pause())
        received.append(server.peer.recv())
    return received, pauses


def test_to_an_original_server_each_text_is_a_recv_of_its_own(play: Play, meet: Meet, pace: Pace) -> None:
    server = play(ORIGINAL_GREETING)
    session = meet(server)
    session.join("Ada")
    session.say("perché no?")
    session.say("due\nrighe")
    session.quit()
    received, pauses = received_with_pauses(server, pace, 5)
    assert [data.decode() for data in received] == ["Ada", "perché no?", "due", "righe", "{quit}"]
    assert pauses == [protocol.BARE_PAUSE_S] * 4 + [protocol.BARE_FAREWELL_S]
    assert server.peer.expect_end() == ""


def test_a_long_text_reaches_an_original_server_in_pieces_that_it_can_read(play: Play, meet: Meet, pace: Pace) -> None:
    server = play(ORIGINAL_GREETING)
    session = meet(server)
    session.say("è" * 700)
    session.quit()
    pieces, _ = received_with_pauses(server, pace, 3)
    assert pieces.pop() == b"{quit}"
    assert b"".join(pieces).decode() == "è" * 700
    assert all(piece.decode() for piece in pieces)  # no character is cut


def test_a_control_word_at_the_end_of_somebodys_text_is_text(play: Play, meet: Meet) -> None:
    server = play(ORIGINAL_GREETING)
    session = meet(server)
    server.peer.send("Bob: digita {end_conn}")
    assert [next_event(session) for _ in range(2)][1] == Say("Bob: digita {end_conn}")
    server.peer.send("Bob: ci sei?")
    assert next_event(session) == Say("Bob: ci sei?")


@pytest.mark.slow
def test_a_slow_server_is_waited_for_also_while_a_text_is_held_in_doubt(
    play: Play, meet: Meet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "BARE_PAUSE_S", 0)
    server = play(ORIGINAL_GREETING)
    session = meet(server)
    next_event(session)
    for text in MORE_THAN_BUFFERS_HOLD:
        session.say(text)
    for _ in range(3):  # each is held for longer than the server has not been reading
        server.peer.send("Bob: digita {end_conn}")
        assert next_event(session) == Say("Bob: digita {end_conn}")
    session.quit()
    received = b"".join(iter(lambda: server.peer.sock.recv(65536), b""))
    assert received.decode() == "".join(MORE_THAN_BUFFERS_HOLD) + "{quit}"
