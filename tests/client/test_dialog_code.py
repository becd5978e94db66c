"""The dialog and the window, and a room with a code: the field for it, a wrong one, a room that is open now."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from lan_chat import secure
from lan_chat.client.ledger import LinkRestored
from lan_chat.client.session import CodeTrouble
from lan_chat.client.settings import Settings
from lan_chat.client.words import ENGLISH, ITALIAN
from lan_chat.code import key_of
from lan_chat.rooms import Remembered
from lan_chat.server.server import ChatServer
from protocol import Reason, Refused
from tests.support.coded_front import CODE, OTHER_CODE, CodedFront, found_at
from tests.support.fake_search import FakeSearch
from tests.support.played_server import Play
from tests.support.seats import Ask, DialogHands
from tests.support.session_seats import SessionSit

pytestmark = pytest.mark.screen

HERE = "127.0.0.1"


def has_field(hands: DialogHands) -> bool:
    hands.root.update()
    return bool(hands.dialog.code_field.winfo_ismapped())


def enter_code(hands: DialogHands, code: str) -> None:
    hands.dialog.code_field.delete(0, "end")
    hands.dialog.code_field.insert(0, code)
    hands.dialog.submit()


def code_at(hands: DialogHands) -> str:
    return hands.dialog.code_field.get()


@pytest.mark.psk
def test_the_field_for_the_code_is_there_only_when_the_room_needs_one(ask: Ask, searches: list[FakeSearch]) -> None:
    hands = ask()
    assert not has_field(hands)
    searches[0].end_look(found_at(9), found_at(10, needs_code=False, room_id="b"))
    hands.wait(lambda: not hands.dialog._has_news.is_set())
    hands.dialog.rooms.select("a")
    hands.dialog._on_select()
    assert has_field(hands)
    hands.dialog.rooms.select("b")
    hands.dialog._on_select()
    assert not has_field(hands)


@pytest.mark.psk
def test_a_typed_server_that_wants_a_code_gets_the_field_and_a_wrong_code_stays_in_it(
    ask: Ask, coded_front: CodedFront
) -> None:
    hands = ask()
    hands.fill(HERE, coded_front.port)
    hands.dialog.submit()
    hands.wait(lambda: hands.problem == ITALIAN.code_needed)
    assert has_field(hands)
    hands.wait(lambda: hands.focus == str(hands.dialog.code_field))
    enter_code(hands, "my code")
    assert hands.problem == ITALIAN.code_form
    enter_code(hands, OTHER_CODE)
    hands.wait(lambda: hands.problem == ITALIAN.code_wrong.format(host=HERE, port=coded_front.port))
    assert code_at(hands) == OTHER_CODE
    assert has_field(hands)
    assert not hands.is_busy
    enter_code(hands, " Baba-COCO didi fofo")
    hands.wait(lambda: hands.dialog.session is not None)
    assert hands.dialog.session is not None
    assert hands.dialog.session.code_key == coded_front.key


@pytest.mark.psk
def test_an_empty_code_is_asked_for_and_nothing_is_said_to_the_room(
    ask: Ask, searches: list[FakeSearch], coded_front: CodedFront
) -> None:
    hands = ask()
    searches[0].end_look(found_at(coded_front.port))
    hands.wait(lambda: has_field(hands))
    hands.dialog.submit()
    assert hands.problem == ITALIAN.code_needed
    enter_code(hands, CODE)
    hands.wait(lambda: hands.dialog.session is not None)
    assert b"hello" not in coded_front.heard


@pytest.mark.psk
def test_the_key_is_not_made_in_the_thread_of_the_window(
    ask: Ask, coded_front: CodedFront, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[str] = []

    def make(code: str) -> bytes:
        threads.append(threading.current_thread().name)
        return key_of(code)

    monkeypatch.setattr("lan_chat.client.attempt.key_of", make)
    hands = ask(None, HERE, str(coded_front.port), why_code=ITALIAN.code_needed)
    assert hands.problem == ITALIAN.code_needed
    enter_code(hands, CODE)
    hands.wait(lambda: hands.dialog.session is not None)
    assert threads == ["connect"]


@pytest.mark.psk
def test_a_room_whose_code_is_known_needs_no_field(
    ask: Ask, searches: list[FakeSearch], coded_front: CodedFront
) -> None:
    settings = Settings()
    settings.code_keys.keep(coded_front.key, Remembered("a", "Aula 3", HERE, coded_front.port, had_code=True))
    hands = ask(settings)
    searches[0].end_look(found_at(coded_front.port))
    hands.wait(lambda: hands.dialog.rooms.selected is not None)
    assert not has_field(hands)
    hands.dialog.submit()
    hands.wait(lambda: hands.dialog.session is not None)


@pytest.mark.psk
def test_a_code_that_a_room_takes_no_more_is_asked_for_again(
    ask: Ask, searches: list[FakeSearch], coded_front: CodedFront
) -> None:
    settings = Settings()
    settings.code_keys.keep(key_of(OTHER_CODE), Remembered("a", "Aula 3", HERE, coded_front.port, had_code=True))
    hands = ask(settings)
    searches[0].end_look(found_at(coded_front.port))
    hands.wait(lambda: hands.dialog.rooms.selected is not None)
    hands.dialog.submit()
    hands.wait(lambda: hands.problem == ITALIAN.code_wrong.format(host=HERE, port=coded_front.port))
    assert has_field(hands)
    assert settings.code_keys.find("a", HERE, coded_front.port) is None


@pytest.mark.psk
@pytest.mark.parametrize("words", [ITALIAN, ENGLISH])
def test_an_open_server_at_the_address_of_a_room_with_a_code_is_entered_only_after_a_question(
    ask: Ask, server: ChatServer, words: Any
) -> None:
    known = (Remembered("a", "Aula 3", HERE, server.port, had_code=True),)
    hands = ask(Settings(rooms=known, language="it" if words is ITALIAN else "en"), HERE, str(server.port))
    assert has_field(hands)
    enter_code(hands, CODE)
    hands.wait(lambda: hands.problem == words.room_open.format(room="Aula 3"))
    hands.wait(lambda: not server.room.connections())
    assert not hands.is_busy
    hands.dialog.submit()
    hands.wait(lambda: hands.dialog.session is not None)
    assert hands.dialog.session is not None
    assert hands.dialog.session.code_key is None


@pytest.mark.psk
@pytest.mark.parametrize("room_id", ["a", "new"])
def test_an_open_room_that_is_found_in_the_place_of_one_with_a_code_is_asked_about(
    ask: Ask, searches: list[FakeSearch], server: ChatServer, room_id: str
) -> None:
    hands = ask(Settings(rooms=(Remembered("a", "Aula 3", HERE, server.port, had_code=True),)))
    searches[0].end_look(found_at(server.port, needs_code=False, room_id=room_id))
    hands.wait(lambda: hands.dialog.rooms.selected is not None)
    assert not has_field(hands)
    hands.dialog.submit()
    assert hands.problem == ITALIAN.room_open.format(room="Aula 3")
    hands.wait(lambda: not server.room.connections())
    hands.dialog.submit()
    hands.wait(lambda: hands.dialog.session is not None)


@pytest.mark.psk
def test_with_a_code_to_be_given_the_field_is_there_and_no_open_server_is_entered(ask: Ask, server: ChatServer) -> None:
    settings = Settings()
    settings.code_keys.is_required = True
    hands = ask(settings, HERE, str(server.port))
    assert has_field(hands)
    enter_code(hands, CODE)
    sentence = ITALIAN.code_not_here.format(host=HERE, port=server.port)
    hands.wait(lambda: hands.problem == sentence)
    assert hands.dialog._asked is None


@pytest.mark.psk
@pytest.mark.parametrize("had_code", [True, False])
def test_with_a_code_to_be_given_no_question_leads_into_an_open_room(
    ask: Ask, searches: list[FakeSearch], server: ChatServer, had_code: bool
) -> None:
    """Neither where the room had a code, nor where it has moved."""
    settings = Settings(rooms=(Remembered("a", "Aula 3", HERE, server.port if had_code else 9, had_code=had_code),))
    settings.code_keys.is_required = True
    hands = ask(settings)
    searches[0].end_look(found_at(server.port, needs_code=False))
    hands.wait(lambda: hands.dialog.rooms.selected is not None)
    assert has_field(hands)
    for _ in range(2):
        hands.dialog.submit()
        assert hands.problem == ITALIAN.code_needed
        assert not hands.is_busy
    enter_code(hands, CODE)
    hands.wait(lambda: hands.problem == ITALIAN.code_not_here.format(host=HERE, port=server.port))
    assert hands.dialog.session is None


def test_before_python_3_13_the_dialog_says_what_is_needed_and_asks_for_no_code(
    ask: Ask, searches: list[FakeSearch], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secure, "IS_AVAILABLE", False)
    hands = ask()
    searches[0].end_look(found_at(9))
    hands.wait(lambda: hands.dialog.rooms.selected is not None)
    assert not has_field(hands)
    hands.dialog.submit()
    assert "serve Python 3.13" in hands.problem
    assert not has_field(hands)


@pytest.mark.psk
@pytest.mark.parametrize("size", [8, 40])
def test_the_dialog_with_its_field_fits_the_screen(ask: Ask, size: int) -> None:
    why = ITALIAN.code_unproved.format(host="fe80::1234:5678:9abc:def0%enx001122334455", port=53000)
    hands = ask(Settings(font_size=size), HERE, "9", why_code=why)
    assert has_field(hands)
    assert hands.root.winfo_reqheight() <= hands.root.winfo_screenheight()
    assert hands.root.winfo_reqwidth() <= hands.root.winfo_screenwidth()
    for widget in (hands.dialog.code_field, hands.dialog.button):
        assert widget.winfo_height() >= widget.winfo_reqheight()


@pytest.mark.psk
def test_the_window_asks_for_the_code_that_the_room_wants_and_goes_on_in_it(
    session_sit: SessionSit, play: Play, coded_front: CodedFront
) -> None:
    played = play()
    seat = session_sit(played)
    seen: list[object] = []

    def enter() -> None:
        dialog = seat.window._connect_dialog
        if dialog is None:
            seat.root.after(10, enter)
            return
        seen.append((dialog.problem["text"], dialog.host.get(), dialog.port.get(), dialog._has_code_field))
        for field, text in ((dialog.port, str(coded_front.port)), (dialog.code_field, CODE)):
            field.delete(0, "end")
            field.insert(0, text)
        dialog.submit()  # the field has gone with the address, and comes with the refusal
        enter_again()

    def enter_again() -> None:
        dialog = seat.window._connect_dialog
        assert dialog is not None
        if dialog.problem["text"] == ITALIAN.code_needed:
            dialog.submit()
        else:
            seat.root.after(10, enter_again)

    played.peer.next_event()
    seat.root.after(10, enter)
    played.peer.tell(Refused(Reason.CODE.value))
    played.peer.end()
    session = seat.session
    seat.wait(lambda: seat.window.session.code_key == coded_front.key)
    assert seen == [(ITALIAN.code_needed, HERE, str(played.port), True)]
    assert ITALIAN.code_needed in seat.shown
    seat.session = seat.window.session
    session.close()
    seat.enter("Ada")
    seat.see("Ada si è unito alla chat!")
    settings = seat.window.settings
    assert settings.rooms[0].had_code
    assert settings.code_keys.find("", HERE, coded_front.port) == coded_front.key
    seat.close_window()
    seat.window.session.close()


@pytest.mark.psk
def test_a_code_that_was_put_off_is_asked_for_until_the_room_is_reached(session_sit: SessionSit, play: Play) -> None:
    """Somebody closes the dialog to ask what the new code is; and the trouble may come while another is open."""
    seat = session_sit(play())
    window, trouble = seat.window, CodeTrouble("Il codice non va.", wants_code=True)
    seen: list[object] = []

    def look(then_hears: bool = False) -> None:
        dialog = window._connect_dialog
        if dialog is None:
            seat.root.after(10, look, then_hears)
            return
        seen.append((dialog.problem["text"] == trouble.sentence, dialog._has_code_field, dialog._current is None))
        if then_hears:
            window.membership.hear(trouble)
            seat.root.after(50, look)
        else:
            dialog.close()

    seat.root.after(10, look)
    window.membership.hear(trouble)
    seat.wait(lambda: len(seen) == 1)
    seat.root.after(10, look)
    window.connect()
    assert seen == [(True, True, True)] * 2
    window.membership.hear(LinkRestored(()))
    seat.root.after(10, look, True)
    window.connect()
    assert seen[2][2] is False  # type: ignore[index]
    assert seen[3][2] is True  # type: ignore[index]
    assert window.membership.code_trouble is trouble
    window.membership.hear(CodeTrouble("Non ha più un codice.", wants_code=False))
    seat.root.after(10, look)
    window.connect()
    assert seen[4] == (False, False, True), "it may be entered after a question"
