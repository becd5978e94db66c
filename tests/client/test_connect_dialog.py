"""The dialog that asks for the server."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

import protocol
from lan_chat.client.attempt import Attempt
from lan_chat.client.connect_dialog import ConnectDialog
from lan_chat.client.desktop import open_root
from lan_chat.client.session import Session
from lan_chat.client.settings import Settings
from lan_chat.client.theme import usual_font_sizes
from lan_chat.client.window import ChatWindow
from lan_chat.client.words import ENGLISH, ITALIAN
from lan_chat.server.server import ChatServer
from protocol import Hello
from tests.support.peers import GREETING
from tests.support.played_server import Play
from tests.support.seats import Ask, answer, texts_of
from tests.support.waiting import DEADLINE_S, wait_until

try:
    import tkinter as tk
except ImportError:  # what needs it is skipped aloud, for want of a display
    if not TYPE_CHECKING:
        tk = None


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A port where connections arrive and nobody says anything, unless the test does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(DEADLINE_S)
        yield listener


# --- on a root of somebody else ---------------------------------------------------------------------------------------


@pytest.fixture
def dialog(root: tk.Tk) -> Iterator[ConnectDialog]:
    dialog = ConnectDialog(root, Settings())
    yield dialog
    if dialog.session is not None:
        dialog.session.close()
    with contextlib.suppress(tk.TclError):  # it may have been closed already
        dialog.close()


def wait_for_problem(dialog: ConnectDialog, root: tk.Tk, sentence: str) -> None:
    def shown() -> str:
        root.update()
        return str(dialog.problem["text"])

    wait_until(lambda: shown() == sentence, shown)


@pytest.mark.screen
def test_the_field_is_there_before_the_first_key_is_looked_at(display: None) -> None:
    """Tk gives keys to the window as long as the widget that is to have the focus is not shown."""
    root = open_root(ITALIAN)
    assert root is not None
    dialog = ConnectDialog(root, Settings())
    is_there: dict[str, bool] = {}
    """Whether the field was, when Tk was done with what it was told of each widget."""
    root.bind_all("<Map>", lambda event: is_there.setdefault(str(event.widget), bool(dialog.host.winfo_ismapped())))

    def run_and_look() -> bool:
        root.update()
        return "." in is_there

    wait_until(run_and_look)
    dialog.close()
    assert is_there["."]


@pytest.mark.screen
def test_the_dialog_explains_what_cannot_work_and_lets_one_correct_it(
    root: tk.Tk, dialog: ConnectDialog, server: ChatServer, nobody_port: int
) -> None:
    answer(dialog, "127.0.0.1", "abc")
    assert dialog.problem["text"] == ITALIAN.bad_port.format(default=53000)
    answer(dialog, "127.0.0.1", str(nobody_port))
    sentence = ITALIAN.unreachable_refused.format(host="127.0.0.1", port=nobody_port)
    wait_for_problem(dialog, root, sentence)
    answer(dialog, " 127.0.0.1 ", str(server.port))
    dialog.submit()  # a second Return while it connects does nothing
    session = dialog.run()
    assert session is dialog.session is not None
    assert not root.winfo_children()


@pytest.mark.screen
@pytest.mark.parametrize("size", [8, 40])
def test_the_dialog_fits_the_screen_at_any_size_of_text(root: tk.Tk, size: int) -> None:
    dialog = ConnectDialog(root, Settings(font_size=size))
    answer(dialog, "127.0.0.1", "abc")
    root.update()
    assert root.winfo_reqwidth() <= root.winfo_screenwidth()
    assert root.winfo_reqheight() <= root.winfo_screenheight()
    assert str(dialog.problem["style"]) == "Problem.TLabel"
    dialog.close()


@pytest.mark.screen
def test_the_dialog_takes_nothing_for_this_machine_and_the_usual_port(
    root: tk.Tk, dialog: ConnectDialog, server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "DEFAULT_PORT", server.port)
    dialog.port.focus_force()
    root.update()
    dialog.port.event_generate("<Return>")
    assert dialog.run() is not None


@pytest.mark.screen
def test_the_dialog_can_be_cancelled(root: tk.Tk, dialog: ConnectDialog) -> None:
    dialog.host.focus_force()
    root.update()
    root.after(1, lambda: dialog.host.event_generate("<Escape>"))
    assert dialog.run() is None


@pytest.mark.screen
def test_cancel_ends_an_attempt_and_lets_one_correct_the_address(
    root: tk.Tk, dialog: ConnectDialog, play: Play, server: ChatServer
) -> None:
    silent = play("")
    answer(dialog, "127.0.0.1", str(silent.port))
    assert dialog.button.instate(["disabled"])
    dialog.cancel_button.invoke()
    assert dialog.problem["text"] == ITALIAN.cancelled
    assert dialog.button.instate(["!disabled"])
    answer(dialog, "127.0.0.1", str(server.port))  # while the first thread may still wait
    session = dialog.run()
    assert session is not None
    assert session.port == server.port
    silent.peer.close()


@pytest.mark.screen
def test_a_second_cancel_closes_the_dialog(root: tk.Tk, dialog: ConnectDialog, play: Play) -> None:
    silent = play("")
    answer(dialog, "127.0.0.1", str(silent.port))
    for _ in range(2):
        root.after(1, dialog.cancel)
    assert dialog.run() is None
    silent.peer.close()


@pytest.mark.screen
@pytest.mark.parametrize("leave", ["cancel", "close"])
@pytest.mark.parametrize("is_greeted_first", [True, False])
def test_a_connection_that_is_found_after_the_user_gave_up_is_closed(
    root: tk.Tk, dialog: ConnectDialog, play: Play, is_greeted_first: bool, leave: str
) -> None:
    server = play("")
    answer(dialog, "127.0.0.1", str(server.port))
    if is_greeted_first:
        server.peer.send(GREETING)
        wait_until(lambda: "connect" not in [thread.name for thread in threading.enumerate()])
        getattr(dialog, leave)()
    else:
        server.peer.send(GREETING[:5])
        getattr(dialog, leave)()
        server.peer.send(GREETING[5:])
    assert server.peer.next_event() == Hello(protocol.VERSION, "it")
    assert server.peer.expect_end() == ""


@pytest.mark.screen
def test_the_usual_size_of_letters_is_the_systems_also_after_the_dialog(root: tk.Tk, server: ChatServer) -> None:
    usual = usual_font_sizes(root)
    settings = Settings(font_size=30)
    dialog = ConnectDialog(root, settings)
    assert usual_font_sizes(root)["TkTextFont"] == 30
    answer(dialog, "127.0.0.1", str(server.port))
    session = dialog.run()
    assert session is not None
    with contextlib.closing(session):
        window = ChatWindow(root, session, settings)
        assert usual_font_sizes(root)["TkTextFont"] == 30
        window.change_font_size(0)
        assert usual_font_sizes(root) == usual
        window.close()


@pytest.mark.screen
def test_a_signal_cancels_the_dialog(root: tk.Tk, dialog: ConnectDialog) -> None:
    dialog.wants_to_close = True
    assert dialog.run() is None


# --- with keys and clicks ---------------------------------------------------------------------------------------------


@pytest.mark.screen
def test_the_dialog_connects(ask: Ask, server: ChatServer) -> None:
    hands = ask()
    hands.fill("127.0.0.1", server.port)
    hands.click(hands.dialog.button)
    hands.wait(lambda: hands.dialog.session is not None)
    assert hands.is_open


@pytest.mark.screen
@pytest.mark.parametrize("key", ["Return", "KP_Enter"])
@pytest.mark.parametrize("widget", ["host", "port", "button"])
def test_return_connects_from_every_widget(ask: Ask, server: ChatServer, widget: str, key: str) -> None:
    hands = ask()
    hands.fill("127.0.0.1", server.port)
    hands.focus_on(getattr(hands.dialog, widget))
    hands.press(key)
    hands.wait(lambda: hands.dialog.session is not None)


@pytest.mark.screen
@pytest.mark.parametrize("widget", ["host", "port", "button", "cancel_button"])
def test_escape_gives_up_from_every_widget(ask: Ask, widget: str) -> None:
    hands = ask()
    hands.focus_on(getattr(hands.dialog, widget))
    hands.press("Escape")
    assert not hands.is_open
    assert hands.dialog.session is None


@pytest.mark.screen
@pytest.mark.parametrize("key", ["Return", "KP_Enter", "space"])
def test_a_key_on_cancel_gives_up(ask: Ask, key: str) -> None:
    hands = ask()
    hands.focus_on(hands.dialog.cancel_button)
    hands.press(key)
    assert not hands.is_open


@pytest.mark.screen
def test_the_dialog_shows_that_it_connects_and_can_be_cancelled(ask: Ask, listener: socket.socket) -> None:
    hands, port = ask(), listener.getsockname()[1]
    hands.fill("127.0.0.1", port)
    hands.press("Return")
    hands.wait(lambda: hands.problem == ITALIAN.connecting.format(host="127.0.0.1", port=port))
    assert hands.is_busy
    hands.press("Return")  # once is enough
    hands.press("Escape")
    hands.wait(lambda: hands.problem == ITALIAN.cancelled)
    assert hands.answers == ("127.0.0.1", str(port))
    assert not hands.is_busy
    hands.press("Escape")
    assert not hands.is_open


@pytest.mark.screen
def test_after_a_cancelled_try_another_server_can_be_reached(
    ask: Ask, listener: socket.socket, server: ChatServer
) -> None:
    hands = ask()
    hands.fill("127.0.0.1", listener.getsockname()[1])
    hands.press("Return")
    hands.wait(lambda: hands.is_busy)
    hands.click(hands.dialog.cancel_button)
    hands.wait(lambda: not hands.is_busy)
    hands.fill("127.0.0.1", server.port)
    hands.press("Return")
    hands.wait(lambda: hands.dialog.session is not None)
    assert hands.dialog.session is not None
    assert hands.dialog.session.port == server.port


@pytest.mark.screen
def test_the_dialog_can_be_closed_while_it_connects(ask: Ask, listener: socket.socket) -> None:
    hands = ask()
    hands.fill("127.0.0.1", listener.getsockname()[1])
    hands.press("Return")
    hands.wait(lambda: hands.is_busy)
    hands.root.tk.call(hands.root.protocol("WM_DELETE_WINDOW"))
    assert not hands.is_open


def test_a_connection_found_after_giving_up_is_closed(server: ChatServer) -> None:
    session = Session("127.0.0.1", server.port)
    attempt = Attempt(session)
    attempt.give_up()
    wait_until(lambda: not server.room.connections())
    assert attempt.take() is None


@pytest.mark.screen
def test_the_dialog_says_that_nobody_listens(ask: Ask, nobody_port: int) -> None:
    hands = ask()
    hands.fill("127.0.0.1", nobody_port)
    hands.press("Return")
    hands.wait(lambda: hands.problem == ITALIAN.unreachable_refused.format(host="127.0.0.1", port=nobody_port))
    assert hands.answers == ("127.0.0.1", str(nobody_port))
    assert not hands.is_busy


@pytest.mark.screen
def test_the_dialog_says_that_there_is_no_answer(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    def stay_silent(*_: object) -> socket.socket:
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", stay_silent)
    hands = ask()
    hands.fill("10.1.2.3", 53000)
    hands.press("Return")
    hands.wait(lambda: hands.problem == ITALIAN.unreachable_silent.format(host="10.1.2.3", port=53000))


@pytest.mark.screen
@pytest.mark.parametrize("host", ["no..name", "a" * 70, "due parole"])
def test_the_dialog_says_that_there_is_no_such_host(ask: Ask, host: str) -> None:
    hands = ask()
    hands.fill(host, 53000)
    hands.press("Return")
    hands.wait(lambda: hands.problem == ITALIAN.unreachable_unknown.format(host=host, port=53000))
    assert hands.answers == (host, "53000")


@pytest.mark.screen
@pytest.mark.parametrize("greeting", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\xff\xfe\0\x01", b""])
def test_the_dialog_says_that_it_is_no_chat(ask: Ask, listener: socket.socket, greeting: bytes) -> None:
    hands, port = ask(), listener.getsockname()[1]
    hands.fill("127.0.0.1", port)
    hands.press("Return")
    with listener.accept()[0] as sock:
        sock.sendall(greeting)
    hands.wait(lambda: hands.problem == ITALIAN.unreachable_stranger.format(host="127.0.0.1", port=port))


@pytest.mark.screen
@pytest.mark.parametrize("port", ["0", "65536", "x", "-1", "53000 1"])
def test_the_dialog_says_that_it_is_no_port(ask: Ask, port: str) -> None:
    hands = ask()
    hands.fill("lan-host", port)
    hands.press("Return")
    hands.wait(lambda: hands.problem == ITALIAN.bad_port.format(default=protocol.DEFAULT_PORT))
    assert hands.answers == ("lan-host", port)
    assert hands.focus == str(hands.dialog.port)


@pytest.mark.screen
@pytest.mark.parametrize("pasted", ["127.0.0.1  porta {port}", "http://127.0.0.1:{port}/", "127,0,0,1:{port}"])
def test_the_dialog_takes_an_address_with_its_port(ask: Ask, nobody_port: int, pasted: str) -> None:
    hands = ask(Settings("pc-7", 5555))
    hands.fill(pasted.format(port=nobody_port), 5555)
    hands.press("Return")
    hands.wait(lambda: hands.problem == ITALIAN.unreachable_refused.format(host="127.0.0.1", port=nobody_port))
    assert hands.answers == ("127.0.0.1", str(nobody_port))


@pytest.mark.screen
def test_the_dialog_says_that_a_pasted_port_is_none(ask: Ask) -> None:
    hands = ask()
    hands.fill("127.0.0.1:99999", 53000)
    hands.press("Return")
    hands.wait(lambda: hands.problem == ITALIAN.bad_port.format(default=protocol.DEFAULT_PORT))
    assert hands.focus == str(hands.dialog.host)


@pytest.mark.screen
@pytest.mark.parametrize(
    ("host", "port", "saved", "answers"),
    [
        ("", "", Settings(), ("", "")),
        ("", "", Settings("pc-7", 5555), ("pc-7", "5555")),
        ("pc-8", "", Settings("pc-7", 5555), ("pc-8", "5555")),
        ("pc-8", "1", Settings("pc-7", 5555), ("pc-8", "1")),
    ],
)
def test_the_dialog_offers_what_was_given_or_saved(
    ask: Ask, host: str, port: str, saved: Settings, answers: tuple[str, str]
) -> None:
    assert ask(saved, host, port).answers == answers


@pytest.mark.screen
def test_the_dialog_speaks_the_language_of_the_settings(ask: Ask) -> None:
    hands = ask(Settings(language="en"))
    assert {ENGLISH.connect, ENGLISH.cancel, ENGLISH.ask_host, ENGLISH.ask_port} <= set(texts_of(hands.root))


@pytest.mark.screen
def test_a_signal_closes_the_dialog(ask: Ask) -> None:
    hands = ask()
    hands.dialog.wants_to_close = True
    hands.wait(lambda: not hands.is_open)


@pytest.mark.screen
def test_a_signal_at_the_moment_of_success_closes_the_dialog_too(ask: Ask, server: ChatServer) -> None:
    hands = ask()
    hands.fill("127.0.0.1", server.port)
    hands.dialog.submit()
    wait_until(server.room.connections)  # without the window, which has not looked yet
    hands.dialog.wants_to_close = True
    hands.wait(lambda: not hands.is_open)
    assert hands.dialog.session is None
