"""A window whose user may not write for a while: it says so, and when that ends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import protocol
from lan_chat.client.words import ITALIAN, LANGUAGES
from lan_chat.server import words as server_words
from lan_chat.server.commands import Operator
from lan_chat.server.server import ChatServer
from protocol import Joined, Notice, Welcome
from tests.support.played_server import Play
from tests.support.servers import room
from tests.support.session_seats import SessionSeat, SessionSit
from tests.support.waiting import wait_until

pytestmark = pytest.mark.screen


@pytest.fixture
def sit(session_sit: SessionSit) -> SessionSit:
    """Open windows on real sessions."""
    return session_sit


@pytest.fixture
def patient_server() -> Iterator[ChatServer]:
    """A server that waits for who has lost its link."""
    with room() as server:
        yield server


def status(seat: SessionSeat) -> str:
    return str(seat.window.status["text"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_window_says_that_its_user_is_muted_and_when_that_ends(
    server: ChatServer, sit: SessionSit, language: str
) -> None:
    words = LANGUAGES[language]
    operator = Operator(server, server_words.ITALIAN)
    ada = sit(server, language=language)
    ada.enter("Ada")
    ada.see(words.joined.format(name="Ada"))
    for command, sentence, state in (
        ("mute Ada", words.now_muted, [words.status_muted]),
        ("unmute Ada", words.may_write, []),
        ("mute *", words.now_quiet, [words.status_quiet]),
        ("unmute *", words.may_write, []),
    ):
        operator.answer(command)
        ada.wait(lambda sentence=sentence: ada.shown.endswith(f"\n{sentence}"))  # type: ignore[misc]
        ada.wait(lambda state=state: status(ada).split(" · ")[1:-1] == state)  # type: ignore[misc]


def test_what_was_written_meanwhile_stays_in_the_box(server: ChatServer, sit: SessionSit) -> None:
    ada = sit(server, join="Ada")
    ada.type("ci")
    operator = Operator(server, server_words.ITALIAN)
    operator.answer("mute Ada")
    ada.see(ITALIAN.now_muted)
    assert ada.draft == "ci"
    ada.enter("ao")
    ada.see(ITALIAN.muted)
    ada.wait(lambda: ada.draft == "ciao")
    operator.answer("unmute Ada")
    ada.see(ITALIAN.may_write)
    ada.press("Return")
    ada.see("Ada: ciao")


def test_a_window_that_comes_back_muted_shows_that_once(patient_server: ChatServer, sit: SessionSit) -> None:
    ada = sit(patient_server, join="Ada")
    operator = Operator(patient_server, server_words.ITALIAN)
    operator.answer("mute Ada")
    ada.see(ITALIAN.now_muted)
    (connection,) = patient_server.room.connections()
    connection.cut()
    ada.see(ITALIAN.link_restored)
    operator.answer("unmute Ada")
    ada.see(ITALIAN.may_write)
    assert ada.shown.count(ITALIAN.now_muted) == 1


def test_an_unmuting_that_was_missed_is_told_when_the_link_is_back(
    patient_server: ChatServer, sit: SessionSit, long_pauses: None
) -> None:
    ada = sit(patient_server, join="Ada")
    operator = Operator(patient_server, server_words.ITALIAN)
    operator.answer("mute Ada")
    ada.see(ITALIAN.now_muted)
    (connection,) = patient_server.room.connections()
    connection.cut()
    wait_until(lambda: connection not in patient_server.room.connections())
    operator.answer("unmute Ada")
    ada.window.session.retry()
    ada.see(ITALIAN.may_write)
    assert ITALIAN.status_muted not in status(ada)


def test_a_newcomer_is_not_muted_because_its_user_was_before(play: Play, sit: SessionSit) -> None:
    server = play()
    ada = sit(server, join="Ada")
    server.peer.tell(Notice(protocol.MUTED))
    ada.see(ITALIAN.now_muted)
    server.peer.tell(Welcome("Ada", "token", ("Ada",), 5), Joined(6, 0.0, "Ada"), Notice(protocol.MUTED))
    ada.wait(lambda: ada.shown.count(ITALIAN.now_muted) == 2)


def test_a_notice_of_a_newer_server_is_passed_over(play: Play, sit: SessionSit) -> None:
    server = play()
    ada = sit(server, join="Ada")
    before = ada.shown
    server.peer.tell(Notice("the moon"), Notice(protocol.QUIET))
    ada.see(ITALIAN.now_quiet)
    assert ada.shown == f"{before}\n{ITALIAN.now_quiet}"
