"""After the server's end: the window closes in five seconds, unless it is needed, and goes on with a new server."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lan_chat.client.end_banner import State
from lan_chat.client.ledger import NotSent
from lan_chat.client.session import Disconnected
from lan_chat.client.words import ENGLISH, ITALIAN
from lan_chat.server import words as server_words
from lan_chat.server.commands import Operator
from lan_chat.server.server import ChatServer
from protocol import EndConn
from tests.support.peers import LinePeer
from tests.support.played_server import Play
from tests.support.seats import Seat, Sit, answer, said
from tests.support.servers import start
from tests.support.session_seats import SessionSeat, SessionSit
from tests.support.waiting import wait_until

try:
    import tkinter as tk
    from tkinter import filedialog
except ImportError:  # what needs it is skipped aloud, for want of a display
    if not TYPE_CHECKING:
        tk = filedialog = None

pytestmark = pytest.mark.screen


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the five seconds pass at once, and what holds them up looked at often."""
    monkeypatch.setattr("lan_chat.client.window.CLOSE_MS", 20)
    monkeypatch.setattr("lan_chat.client.end_banner.LOOK_MS", 10)


def state_of(seat: Seat | SessionSeat) -> State:
    return seat.window._end_banner.state


def label_of(seat: Seat | SessionSeat) -> str:
    return str(seat.window._end_banner.label["text"])


def end(seat: Seat, unsent: tuple[str, ...] = ()) -> None:
    """Have the server end."""
    seat.fake.tell(EndConn(), Disconnected(unsent))


def test_the_seconds_are_counted_down_where_one_sees_them(sit: Sit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lan_chat.client.window.CLOSE_MS", 2000)
    monkeypatch.setattr("lan_chat.client.end_banner.LOOK_MS", 1000)
    seat = sit()
    assert not seat.window._end_banner.frame.winfo_ismapped()
    end(seat)
    seat.wait(seat.window._end_banner.frame.winfo_ismapped)
    assert label_of(seat) == "La finestra si chiude tra 2 s."
    seat.wait(lambda: label_of(seat) == "La finestra si chiude tra 1 s.")
    seat.wait(lambda: not seat.is_open)


@pytest.mark.parametrize("unsent", ["draft", "pending", "failed"])
def test_the_window_waits_for_what_is_not_sent_and_closes_when_nothing_is_left(
    sit: Sit, soon: None, unsent: str
) -> None:
    seat = sit()
    match unsent:
        case "draft":
            seat.write("a metà")
        case "pending":
            seat.enter("in viaggio")
        case "failed":
            seat.fake.tell(NotSent(1, "non partito"))
            seat.see(ITALIAN.not_sent)
    seat.fake.tell(EndConn())
    seat.see(ITALIAN.closing_soon)
    seat.wait(lambda: state_of(seat) is State.WAITING)
    assert label_of(seat) == ITALIAN.end_waiting
    if unsent == "pending":
        seat.fake.tell(Disconnected(("in viaggio",)))
        seat.see(ITALIAN.not_sent)
        assert state_of(seat) is State.WAITING
    seat.write("")
    seat.window.membership.discard()
    seat.wait(lambda: not seat.is_open)


def test_a_name_that_was_only_suggested_holds_nothing_up(sit: Sit, soon: None) -> None:
    seat = Seat(sit().fake, sit().settings)
    seat.settings.name = "Ada"
    seat.write("Ada")
    end(seat)
    seat.wait(lambda: not seat.is_open)


def test_an_open_dialog_holds_the_end_up_and_what_it_chooses_is_saved(
    sit: Sit, soon: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seat = sit("Bob")
    path = tmp_path / "chat.txt"

    def choose(**_: object) -> str:
        end(seat)
        seat.wait(lambda: state_of(seat) is State.WAITING)
        return str(path)

    monkeypatch.setattr(filedialog, "asksaveasfilename", choose)
    seat.fake.tell(said("da tenere"))
    seat.see("da tenere")
    seat.press("Control-s")
    seat.wait(lambda: not seat.is_open)
    assert "Bob: da tenere\n" in path.read_text("utf-8")


def test_a_window_that_is_closed_while_a_dialog_is_open_ends_without_a_traceback(sit: Sit) -> None:
    seat = sit()
    seat.root.after(50, lambda: setattr(seat.window, "wants_to_close", True))
    seat.root.after(50, lambda: seat.fake.tell(said("si chiude")))
    seat.root.tk.call("after", "idle", seat.root.register(seat.window.save))  # Tk's own dialog
    seat.wait(lambda: not seat.is_open)


@pytest.mark.parametrize("way", ["key", "button"])
def test_who_stays_reads_copies_and_saves(sit: Sit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    monkeypatch.setattr(filedialog, "asksaveasfilename", lambda **_: str(tmp_path / "chat.txt"))
    seat = sit("Bob")
    seat.fake.tell(said("da tenere"))
    end(seat)
    seat.wait(lambda: state_of(seat) is State.CLOSING)
    if way == "key":
        seat.press("Escape")
    else:
        seat.window._end_banner.stay_button.invoke()
    assert state_of(seat) is State.STAYING
    assert not seat.window._end_banner._look_id  # nothing will close it
    assert label_of(seat) == ITALIAN.end_staying
    seat.window._end_banner.save_button.invoke()
    seat.wait(lambda: "Bob: da tenere" in (tmp_path / "chat.txt").read_text("utf-8"))
    seat.window.conversation.select_all()
    seat.window.conversation.copy()
    assert "da tenere" in seat.root.clipboard_get()


def test_the_banner_speaks_the_language_of_the_window(sit: Sit) -> None:
    seat = sit()
    end(seat)
    seat.wait(lambda: state_of(seat) is State.CLOSING)
    seat.choose("English")
    assert label_of(seat).startswith("The window closes in")
    assert seat.window._end_banner.stay_button["text"] == ENGLISH.end_stay


def test_a_second_end_does_nothing(sit: Sit) -> None:
    seat = sit()
    end(seat)
    seat.wait(lambda: state_of(seat) is State.CLOSING)
    seat.press("Escape")
    seat.fake.tell(EndConn(), said("fine"))
    seat.see("fine")
    assert state_of(seat) is State.STAYING
    assert seat.shown.count(ITALIAN.disconnected) == 1


def reconnect(seat: SessionSeat, port: int) -> None:
    """Press the key to connect again, and answer the dialog."""
    seat.root.after_idle(seat.window.connect)
    answer_dialog(seat, port)
    seat.wait(lambda: seat.window.session.port == port and seat.window.membership.is_connected)


def answer_dialog(seat: SessionSeat, port: int) -> None:
    def fill() -> None:
        dialog = seat.window._connect_dialog
        if dialog is None:
            seat.root.after(10, fill)
        else:
            answer(dialog, "127.0.0.1", str(port))

    seat.root.after(10, fill)


def test_who_stays_connects_again_to_a_server_that_was_started_again_in_the_same_window(
    session_sit: SessionSit,
) -> None:
    server = start()
    ada = session_sit(server, join="Ada")
    old = [thread for thread in threading.enumerate() if thread.name in ("receive", "send")]
    server.stop()
    ada.see(ITALIAN.closing_soon)
    ada.press("Escape")
    other = start()
    try:
        with LinePeer(other.port, "Bob") as bob:
            reconnect(ada, other.port)
            ada.wait(lambda: ada.people == ["Ada", "Bob"])
            bob.expect("Ada si è unito alla chat!\n")
            assert state_of(ada) is State.HIDDEN
            assert not ada.window._end_banner.frame.winfo_ismapped()
            wait_until(lambda: not any(thread.is_alive() for thread in old))
            ada.enter("di nuovo qui")
            bob.expect("Ada: di nuovo qui\n")
            ada.see("Ada: di nuovo qui")
            assert ada.window.settings.port == other.port
            ada.close_window()
            bob.expect("Ada ha abbandonato la Chat.\n")
    finally:
        ada.window.session.close()
        other.stop()


def test_what_was_not_sent_before_the_end_can_be_sent_to_the_next_server(
    session_sit: SessionSit, play: Play, server: ChatServer
) -> None:
    played = play()
    ada = session_sit(played, join="Ada")
    ada.enter("uno")
    played.peer.expect("uno")
    played.peer.end()
    ada.wait(lambda: ada.tail == "Ada: uno  (non inviato)  Invia di nuovo  Scarta")
    ada.press("Escape")
    with LinePeer(server.port, "Bob") as bob:
        reconnect(ada, server.port)
        ada.wait(lambda: ada.people == ["Ada", "Bob"])
        ada.window.membership.send_again()
        bob.expect("Ada: uno\n")
        ada.wait(lambda: ada.tail == "")
        ada.close_window()
        ada.window.session.close()


def test_a_window_that_is_closed_while_a_new_server_is_looked_for_ends_without_a_traceback(
    session_sit: SessionSit, play: Play
) -> None:
    played = play()
    ada = session_sit(played, join="Ada")
    played.peer.end()
    ada.see(ITALIAN.closing_soon)
    ada.press("Escape")
    ada.root.after_idle(ada.window.connect)
    ada.root.after(100, ada.close_window)
    ada.wait(lambda: not ada.is_open)


def test_a_window_that_is_closed_while_a_save_dialog_holds_up_a_new_session_closes_that_too(
    session_sit: SessionSit, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    played, other = play(), play()
    ada = session_sit(played, join="Ada")
    played.peer.end()
    ada.see(ITALIAN.closing_soon)
    ada.press("Escape")

    def choose(**_: object) -> str:
        """Have the attempt succeed beneath this dialog, and the window closed."""
        dialog = ada.window._connect_dialog
        assert dialog is not None
        answer(dialog, "127.0.0.1", str(other.port))
        ada.wait(lambda: dialog.session)
        ada.close_window()
        return ""

    monkeypatch.setattr(filedialog, "asksaveasfilename", choose)
    ada.root.after_idle(ada.window.connect)
    ada.root.after(50, ada.window.save)
    ada.wait(lambda: not ada.is_open)
    other.next_peer().expect_end()


def test_who_gives_the_dialog_up_stays_as_before(session_sit: SessionSit, play: Play) -> None:
    played = play()
    ada = session_sit(played, join="Ada")
    session = ada.window.session
    played.peer.end()
    ada.see(ITALIAN.closing_soon)
    ada.press("Escape")
    ada.root.after_idle(ada.window.connect)

    def cancel() -> None:
        dialog = ada.window._connect_dialog
        if dialog is None:
            ada.root.after(10, cancel)
        else:
            dialog.cancel()

    ada.root.after(10, cancel)
    ada.wait(lambda: ada.window._connect_dialog is None and ada.window._dialogs == 0)
    assert ada.window.session is session
    assert state_of(ada) is State.STAYING


def test_who_is_sent_away_may_stay_and_is_not_closed(server: ChatServer, session_sit: SessionSit, soon: None) -> None:
    ada = session_sit(server, join="Ada")
    Operator(server, server_words.ITALIAN).answer("kick Ada")
    ada.see(ITALIAN.kicked)
    ada.wait(lambda: state_of(ada) is State.STAYING)
    reconnect(ada, server.port)
    ada.wait(lambda: ada.shown.count("Ada si è unito alla chat!") == 2)
    ada.close_window()
    ada.window.session.close()


@pytest.mark.parametrize("size", ["400x300", "960x640"])
def test_sentence_and_buttons_are_whole_in_a_small_window_and_a_large_one(sit: Sit, size: str) -> None:
    seat = sit("Bob")
    seat.root.geometry(size)
    seat.write("a metà")
    end(seat)
    banner = seat.window._end_banner
    seat.wait(lambda: state_of(seat) is State.WAITING and banner.stay_button.winfo_viewable())
    for state in (State.WAITING, State.STAYING):
        if state is State.STAYING:
            banner.stay()
        shown = [widget for widget in (banner.label, *banner._buttons) if widget.winfo_manager()]
        seat.wait(lambda shown=shown: all(is_whole(widget, banner.frame) for widget in shown))  # type: ignore[misc]


def is_whole(widget: tk.Misc, frame: tk.Misc) -> bool:
    """Whether a widget has the room that it needs, within a frame."""
    right = widget.winfo_rootx() - frame.winfo_rootx() + widget.winfo_width()
    return widget.winfo_width() >= widget.winfo_reqwidth() and right <= frame.winfo_width()
