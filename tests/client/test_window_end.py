"""A window on a real session: how it ends."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from lan_chat.client.words import ITALIAN, LANGUAGES
from lan_chat.server import words as server_words
from lan_chat.server.commands import Operator
from lan_chat.server.server import ChatServer
from protocol import EndConn, Error, Event, Reason, Refused, Welcome
from tests.support.peers import LinePeer
from tests.support.played_server import Play, message
from tests.support.session_seats import SessionSit
from tests.support.waiting import wait_until

try:
    import tkinter as tk
except ImportError:  # what needs it is skipped aloud, for want of a display
    if not TYPE_CHECKING:
        tk = None

pytestmark = pytest.mark.screen

ORIGINAL_GREETING = ITALIAN.greeting


@pytest.fixture
def sit(session_sit: SessionSit) -> SessionSit:
    """Open windows on real sessions."""
    return session_sit


def test_quit_leaves_and_closes_the_window(server: ChatServer, sit: SessionSit) -> None:
    with LinePeer(server.port, "Bob") as bob:
        ada = sit(server, join="Ada")
        ada.enter("{quit}")
        assert not ada.is_open
        bob.expect("Ada ha abbandonato la Chat.\n")


def test_quit_closes_the_window_also_while_a_name_is_chosen(server: ChatServer, sit: SessionSit) -> None:
    ada = sit(server)
    ada.type("{quit}")
    ada.click(ada.window.button)
    assert not ada.is_open
    wait_until(lambda: not server.room.connections())


def test_closing_the_window_leaves_in_order(server: ChatServer, sit: SessionSit) -> None:
    with LinePeer(server.port, "Bob") as bob:
        ada = sit(server, join="Ada")
        ada.enter("ciao")
        ada.close_window()
        assert not ada.is_open
        bob.expect("Ada: ciao\nAda ha abbandonato la Chat.\n")


def test_end_conn_is_told_in_two_lines_and_closes_the_window(
    server: ChatServer, sit: SessionSit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lan_chat.client.window.CLOSE_MS", 200)
    ada = sit(server, join="Ada")
    banner = ada.window._end_banner
    choices, shown = banner._choices, [""]

    def note_and_close() -> None:
        ada.window._drain()
        shown.append(ada.shown)
        choices.close()

    banner._choices = dataclasses.replace(choices, close=note_and_close)
    server.stop()
    wait_until(lambda: not ada.session._thread.is_alive())  # all is there that the window can be told
    ada.wait(lambda: not ada.is_open)
    assert "\nIl server si è disconnesso.\nLa finestra si chiuderà tra 5 secondi." in shown[-1]
    assert ITALIAN.connection_error not in shown[-1]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("command", ["kick", "ban"])
def test_who_is_sent_away_reads_that_and_why_and_not_that_the_server_has_gone(
    server: ChatServer, sit: SessionSit, monkeypatch: pytest.MonkeyPatch, command: str, language: str
) -> None:
    monkeypatch.setattr("lan_chat.client.window.CLOSE_MS", 0)
    words = LANGUAGES[language]
    ada = sit(server, language=language)
    ada.enter("Ada")
    ada.see(words.joined.format(name="Ada"))
    Operator(server, server_words.ITALIAN).answer(f"{command} Ada troppo rumore")
    farewell = f"{words.kicked if command == 'kick' else words.banned} troppo rumore"
    ada.see(farewell)
    ada.wait(lambda: not ada.session._thread.is_alive() and ada.session.events.empty())
    ada.wait(lambda: ada.window.status["text"].startswith(words.status_not_connected.partition("{")[0]))
    assert ada.is_open
    assert ada.shown.endswith(f"\n{farewell}")
    assert words.disconnected not in ada.shown
    ada.enter("ciao")
    again = f"\n{farewell}\n{farewell}" + (f"\n{words.restart}" if command == "kick" else "")
    ada.wait(lambda: ada.shown.endswith(again))
    assert words.connection_error not in ada.shown
    assert ada.draft == "ciao"


@pytest.mark.parametrize(
    ("events", "sentence"),
    [
        ([Refused(Reason.TOO_LATE.value), EndConn()], ITALIAN.too_late),
        ([Refused(Reason.FULL.value), EndConn()], ITALIAN.full),
        ([Error(Reason.TOO_SLOW.value), EndConn()], ITALIAN.too_slow),
    ],
)
def test_another_reason_of_the_end_stands_as_the_last_sentence_too(
    play: Play, sit: SessionSit, events: list[Event], sentence: str
) -> None:
    server = play()
    ada = sit(server)
    server.peer.tell(*events)
    server.peer.close()
    ada.see(sentence)
    ada.wait(lambda: not ada.session._thread.is_alive() and ada.session.events.empty())
    assert ada.shown.endswith(f"\n{sentence}")


def test_a_name_that_is_banned_is_no_end_and_the_servers_end_is_told_after_it(play: Play, sit: SessionSit) -> None:
    server = play()
    ada = sit(server)
    server.peer.tell(Refused(Reason.BANNED.value), EndConn())
    ada.see(f"\n{ITALIAN.banned}\n{ITALIAN.disconnected}\n{ITALIAN.closing_soon}")


@pytest.mark.parametrize("farewell", [Refused(Reason.FULL.value), Error(Reason.TOO_SLOW.value)])
def test_who_was_let_in_after_all_is_told_of_the_servers_end(play: Play, sit: SessionSit, farewell: Event) -> None:
    server = play()
    ada = sit(server)
    server.peer.tell(farewell, Welcome("Ada", "token", ("Ada",), 0), EndConn())
    ada.see(f"\n{ITALIAN.disconnected}\n{ITALIAN.closing_soon}")


def test_end_conn_said_twice_is_told_once(play: Play, sit: SessionSit) -> None:
    server = play()
    ada = sit(server, join="Ada")
    server.peer.tell(EndConn(), EndConn(), message(2, "fine"))
    ada.see("Bob: fine")
    assert ada.shown.count(ITALIAN.disconnected) == 1


def test_a_window_that_is_closed_by_hand_after_end_conn_is_not_closed_again(
    play: Play, sit: SessionSit, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lan_chat.client.window.CLOSE_MS", 10**7)  # so that it is closed by hand
    monkeypatch.setattr("lan_chat.client.end_banner.LOOK_MS", 50)
    server = play()
    ada = sit(server, join="Ada")
    server.peer.tell(EndConn())
    ada.see(ITALIAN.closing_soon)
    ada.close_window()
    is_later: list[bool] = []
    other = tk.Tk()
    other.after(100, lambda: is_later.append(True))  # a countdown that was not stopped would have counted on before
    wait_until(lambda: other.update() or is_later)  # type: ignore[func-returns-value]
    other.destroy()
    assert capfd.readouterr().err == ""


def test_a_broken_link_is_told_and_what_was_not_delivered_stands_at_the_end(play: Play, sit: SessionSit) -> None:
    server = play()
    ada = sit(server, join="Ada")
    ada.enter("uno")
    ada.enter("due")
    server.peer.expect("due")
    ada.type("tre")
    ada.wait(lambda: ada.tail == "Ada: uno …\nAda: due …")
    server.stop_listening()
    server.peer.break_off()
    ada.see(f"\n{ITALIAN.link_broken}")
    assert ada.tail == "Ada: uno …\nAda: due …"
    assert ada.draft == "tre"


def test_what_is_said_while_the_link_is_broken_waits_at_the_end(play: Play, sit: SessionSit) -> None:
    server = play()
    ada = sit(server, join="Ada")
    server.stop_listening()
    server.peer.break_off()
    ada.see(ITALIAN.link_broken)
    ada.enter("ciao")
    ada.wait(lambda: ada.tail == "Ada: ciao …")
    assert ada.draft == ""
    ada.enter("{quit}")
    assert not ada.is_open


def test_what_a_server_that_ends_has_not_taken_stands_at_the_end(play: Play, sit: SessionSit) -> None:
    server = play()
    ada = sit(server, join="Ada")
    ada.enter("uno")
    server.peer.expect("uno")
    server.peer.end()
    ada.wait(lambda: ada.tail == "Ada: uno  (non inviato)  Invia di nuovo  Scarta")


def test_a_text_that_is_sent_when_the_session_is_over_stays_in_the_box(play: Play, sit: SessionSit) -> None:
    server = play(ORIGINAL_GREETING)
    ada = sit(server)
    server.peer.close()
    ada.see(f"\n{ITALIAN.connection_error}\n{ITALIAN.restart}")
    ada.enter("ciao")
    ada.wait(lambda: ada.shown.count(ITALIAN.connection_error) == 2)
    assert ada.draft == "ciao"
    assert ada.tail == ""
