"""From one room into another one, in the same window: what is left behind, and what is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from lan_chat.client.connect_dialog import ConnectDialog
from lan_chat.client.words import ITALIAN
from lan_chat.rooms import Found, Room
from lan_chat.server.listening import open_listener
from lan_chat.server.server import ChatServer
from tests.support.fake_search import FakeSearch
from tests.support.peers import LinePeer
from tests.support.played_server import Play
from tests.support.seats import answer
from tests.support.servers import limits
from tests.support.session_seats import SessionSeat, SessionSit

pytestmark = pytest.mark.screen


@pytest.fixture
def other() -> Iterator[ChatServer]:
    """A second server, whose room has a name."""
    server = ChatServer(open_listener("127.0.0.1", 0), limits(rate=0, grace_s=0.0, backlog=0, room="Aula 3"))
    server.start()
    yield server
    server.stop()


def ask_for_another(seat: SessionSeat, act: Callable[[ConnectDialog], object]) -> None:
    """Press the key for another room, do something with the dialog, and wait until that is closed."""
    done: list[object] = []

    def act_soon() -> None:
        if seat.window._connect_dialog is None:
            seat.root.after(10, act_soon)
        else:
            done.append(act(seat.window._connect_dialog))

    seat.root.after(10, act_soon)
    seat.root.after_idle(seat.window.connect)
    seat.wait(lambda: done and seat.window._connect_dialog is None and seat.window._dialogs == 0)


def go(seat: SessionSeat, server: ChatServer) -> None:
    ask_for_another(seat, lambda dialog: answer(dialog, "127.0.0.1", str(server.port)))
    seat.wait(lambda: seat.window.session.port == server.port and seat.window.membership.name)


def leave(seat: SessionSeat) -> None:
    seat.close_window()
    seat.window.session.close()


def test_who_goes_into_another_room_leaves_the_first_one_and_takes_the_draft_along(
    session_sit: SessionSit, server: ChatServer, other: ChatServer
) -> None:
    with LinePeer(server.port, "Bob") as bob, LinePeer(other.port, "Cleo") as cleo:
        ada = session_sit(server, join="Ada")
        bob.expect("Ada si è unito alla chat!\n")
        ada.window.message_input.draft = "a metà"
        go(ada, other)
        bob.expect("Ada ha abbandonato la Chat.\n")
        cleo.expect("Ada si è unito alla chat!\n")
        ada.wait(lambda: ada.people == ["Ada", "Cleo"])
        ada.see(ITALIAN.has_left.format(room="127.0.0.1"))
        assert ada.window.message_input.draft == "a metà"
        assert ada.root.title() == "Chat – Aula 3"
        assert ada.window._layout.header.room["text"] == "Aula 3"
        assert ada.window.settings.rooms[0].name == "Aula 3"
        ada.window.submit()
        cleo.expect("Ada: a metà\n")
        leave(ada)
        cleo.expect("Ada ha abbandonato la Chat.\n")


def test_who_thinks_better_of_it_has_left_nothing(session_sit: SessionSit, server: ChatServer) -> None:
    with LinePeer(server.port, "Bob") as bob:
        ada = session_sit(server, join="Ada")
        session = ada.window.session
        seen: list[str] = []

        def look_and_cancel(dialog: ConnectDialog) -> None:
            seen.append(str(dialog.problem["text"]))
            dialog.cancel()

        ask_for_another(ada, look_and_cancel)
        assert seen == [ITALIAN.leaving.format(room="127.0.0.1")]
        assert ada.window.session is session
        ada.wait(lambda: str(ada.root.tk.call("focus")) == str(ada.window.message_input.text))
        ada.enter("sono ancora qui")
        bob.expect("Ada: sono ancora qui\n")
        leave(ada)


def test_the_room_in_which_one_is_is_not_entered_a_second_time(
    session_sit: SessionSit, server: ChatServer, searches: list[FakeSearch]
) -> None:
    ada = session_sit(server, join="Ada")
    room_id = ada.window.membership.room.id
    assert room_id
    told: list[str] = []

    def try_both(dialog: ConnectDialog) -> None:
        answer(dialog, "127.0.0.1", str(server.port))
        told.append(str(dialog.problem["text"]))
        searches[-1].end_look(Found(Room(room_id, "Aula", server.port, 1), "192.0.2.4"))
        dialog._show_rooms()
        dialog.rooms.step(1)
        dialog.submit()
        told.append(str(dialog.problem["text"]))
        dialog.cancel()

    ask_for_another(ada, try_both)
    assert told == 2 * [ITALIAN.already_here.format(room="127.0.0.1")]
    leave(ada)


def test_what_was_not_accepted_in_the_first_room_comes_along(
    session_sit: SessionSit, play: Play, other: ChatServer
) -> None:
    played = play()
    ada = session_sit(played, join="Ada")
    ada.enter("uno")
    played.peer.expect("uno")
    with LinePeer(other.port, "Cleo") as cleo:
        go(ada, other)
        played.close()
        ada.wait(lambda: ada.tail == "Ada: uno  (non inviato)  Invia di nuovo  Scarta")
        ada.window.membership.send_again()
        cleo.expect("Ada: uno\n")
        ada.wait(lambda: ada.tail == "")
        leave(ada)


def test_a_room_whose_connection_ends_while_one_looks_for_another_can_be_entered_again(
    session_sit: SessionSit, server: ChatServer, other: ChatServer
) -> None:
    ada = session_sit(server, join="Ada")

    def end_and_answer(dialog: ConnectDialog) -> None:
        server.stop()
        ada.wait(lambda: not ada.window.membership.is_connected)
        assert dialog._current is None
        assert dialog.problem["text"] == ""
        answer(dialog, "127.0.0.1", str(other.port))

    ask_for_another(ada, end_and_answer)
    ada.wait(lambda: ada.window.session.port == other.port and ada.people == ["Ada"])
    assert ITALIAN.has_left.format(room="127.0.0.1") not in ada.shown
    leave(ada)
