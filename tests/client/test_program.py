"""The client's program: questions on a console, command line, what it remembers."""

from __future__ import annotations

import builtins
import gc
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import chat_client
import protocol
from lan_chat.client import words as client_words
from lan_chat.client.connect_dialog import ConnectDialog
from lan_chat.client.palette import PALETTES
from lan_chat.client.session import Session
from lan_chat.client.settings import MIN_FONT_SIZE, Settings, load_settings
from lan_chat.client.window import ChatWindow
from lan_chat.client.words import ENGLISH, ITALIAN
from lan_chat.rooms import Found, Room
from lan_chat.server.server import ChatServer
from protocol import EndConn
from tests.support.fake_search import FakeSearch
from tests.support.peers import LinePeer
from tests.support.played_server import Play
from tests.support.programs import TOP, Program
from tests.support.seats import Hands, Seat, answer
from tests.support.waiting import DEADLINE_S, wait_until

try:
    import tkinter as tk
    from tkinter import font as tkfont
except ImportError:  # what needs it is skipped aloud, for want of a display
    if not TYPE_CHECKING:
        tk = None


# --- the two questions on a console -----------------------------------------------------------------------------------


def answer_console(monkeypatch: pytest.MonkeyPatch, *answers: str, then: type[BaseException] = EOFError) -> list[str]:
    """Answer what `input` asks, and give the list that its questions will be in."""
    questions: list[str] = []
    rest = iter(answers)

    def ask(question: str) -> str:
        questions.append(question)
        if (given := next(rest, None)) is None:
            raise then
        return given

    monkeypatch.setattr(builtins, "input", ask)
    return questions


def test_the_questions_are_the_originals(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    questions = answer_console(monkeypatch, "127.0.0.1", str(server.port))
    session = chat_client.connect_by_console(None, None, Settings())
    assert session is not None
    session.close()
    assert questions == ["Inserire il Server host: ", "Inserire la porta del server host: "]


def test_enter_at_both_questions_means_this_machine_and_the_usual_port(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "DEFAULT_PORT", server.port)
    answer_console(monkeypatch, "", "")
    session = chat_client.connect_by_console(None, None, Settings())
    assert session is not None
    session.close()
    assert (session.host, session.port) == ("127.0.0.1", server.port)


@pytest.mark.parametrize(
    "answer",
    ["127.0.0.1 porta {port}", "    127.0.0.1  port {port}", "http://127.0.0.1:{port}/", "\ufeff127,0,0,1:{port}"],
)
def test_an_answer_with_its_port_needs_no_second_one(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    questions = answer_console(monkeypatch, answer.format(port=server.port))
    session = chat_client.connect_by_console(None, None, Settings())
    assert session is not None
    session.close()
    assert (session.host, session.port) == ("127.0.0.1", server.port)
    assert questions == ["Inserire il Server host: "]


def test_enter_means_the_last_server_which_stands_above_the_question(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    questions = answer_console(monkeypatch, " \u200b")
    session = chat_client.connect_by_console(None, None, Settings("127.0.0.1", server.port))
    assert session is not None
    session.close()
    assert (session.host, session.port) == ("127.0.0.1", server.port)
    assert questions == ["Inserire il Server host: "]
    assert capsys.readouterr().out.startswith(ITALIAN.last_server.format(host="127.0.0.1", port=server.port) + "\n")


def test_an_answer_with_a_port_that_is_none_is_explained_and_asked_again(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    questions = answer_console(monkeypatch, "127.0.0.1:99999", f"127.0.0.1:{server.port}")
    session = chat_client.connect_by_console(None, None, Settings())
    assert session is not None
    session.close()
    assert questions == ["Inserire il Server host: "] * 2
    assert ITALIAN.bad_port.format(default=53000) in capsys.readouterr().out


@pytest.mark.parametrize("then", [EOFError, RuntimeError])
def test_where_nobody_answers_nobody_was_there(monkeypatch: pytest.MonkeyPatch, then: type[Exception]) -> None:
    answer_console(monkeypatch, then=then)
    assert chat_client.connect_by_console(None, None, Settings()) is None


def test_without_a_console_a_server_that_is_not_reached_leads_to_the_dialog(
    monkeypatch: pytest.MonkeyPatch, nobody_port: int
) -> None:
    answer_console(monkeypatch, then=RuntimeError)
    assert chat_client.connect_by_console("127.0.0.1", nobody_port, Settings()) is None


# --- the command line, and from the questions to the window -----------------------------------------------------------

CLIENT = TOP / "chat_client.py"


@pytest.fixture
def own_signals() -> Iterator[None]:
    """Restore the signals that the client takes for itself."""
    names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]
    before = {name: signal.getsignal(getattr(signal, name)) for name in names}
    yield
    for name, handler in before.items():
        signal.signal(getattr(signal, name), handler)


@pytest.mark.screen
def test_where_nobody_answers_a_dialog_asks(
    display: None, own_signals: None, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lan_chat.client.window.CLOSE_MS", 1)
    monkeypatch.setattr("lan_chat.client.session.QUIT_S", DEADLINE_S)
    answer_console(monkeypatch)
    server = play()
    run = ConnectDialog.run
    heard: list[str] = []

    def hear_goodbye() -> None:
        heard.append(server.peer.expect_end())
        server.peer.close()

    hearing = threading.Thread(target=hear_goodbye)

    def answer_and_run(dialog: ConnectDialog) -> Session | None:
        assert dialog.host.get() == "localhost"  # from the command line
        answer(dialog, "127.0.0.1", str(server.port))
        session = run(dialog)
        server.peer.tell(EndConn())  # which closes the window that follows
        hearing.start()
        return session

    monkeypatch.setattr(ConnectDialog, "run", answer_and_run)
    assert chat_client.main(["localhost"]) == 0
    hearing.join()
    assert heard[0].endswith("{quit}\n")


@pytest.mark.screen
def test_whoever_cancels_the_dialog_ends_the_program(
    display: None, own_signals: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_console(monkeypatch)
    run = ConnectDialog.run

    def cancel_and_run(dialog: ConnectDialog) -> Session | None:
        dialog.button.after(1, dialog.cancel)
        return run(dialog)

    monkeypatch.setattr(ConnectDialog, "run", cancel_and_run)
    assert chat_client.main([]) == 0


@pytest.mark.screen
def test_with_dialog_nothing_is_asked_on_the_console_and_the_name_is_the_dialogs(
    display: None, own_signals: None, play: Play, searches: list[FakeSearch], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lan_chat.client.window.CLOSE_MS", 1)
    monkeypatch.setattr("lan_chat.client.session.QUIT_S", 0.1)  # the played server does not answer to `{quit}`
    questions = answer_console(monkeypatch)
    server = play()
    run = ConnectDialog.run

    def choose_and_run(dialog: ConnectDialog) -> Session | None:
        assert dialog.name_field.get() == "Bob"  # from the command line
        dialog.name_field.delete(0, "end")
        dialog.name_field.insert(0, "Ada")
        searches[0].end_look(Found(Room("id-1", "Aula 3", server.port, 2), "127.0.0.1"))
        dialog._show_rooms()
        dialog.submit()
        return run(dialog)

    def answer_and_end() -> None:
        server.peer.expect('"Ada"')
        server.peer.tell(EndConn())  # which closes the window

    monkeypatch.setattr(ConnectDialog, "run", choose_and_run)
    thread = threading.Thread(target=answer_and_end)
    thread.start()
    assert chat_client.main(["--dialog", "--name", "Bob"]) == 0
    thread.join()
    assert questions == []


def test_ctrl_c_at_a_question_ends_the_program_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    answer_console(monkeypatch, then=KeyboardInterrupt)
    assert chat_client.main([]) == 130


@pytest.mark.screen
def test_the_program_asks_until_a_server_is_reached(display: None, server: ChatServer, nobody_port: int) -> None:
    with LinePeer(server.port, "Bob") as bob, Program(CLIENT, "--name", "Ada") as ada:
        ada.expect("Inserire il Server host: ")
        ada.type("127.0.0.1\n")
        ada.expect("Inserire la porta del server host: ")
        ada.type("cinquantatremila\n")
        ada.expect(ITALIAN.bad_port.format(default=53000))
        ada.expect("Inserire la porta del server host: ")
        ada.type(f"{nobody_port}\n")
        ada.expect(ITALIAN.unreachable_refused.format(host="127.0.0.1", port=nobody_port))
        ada.expect("Inserire il Server host: ")
        ada.type(f"127.0.0.1\n{server.port}\n")
        ada.expect(f"Connessione a 127.0.0.1, porta {server.port}...\n")
        bob.expect("Ada si è unito alla chat!\n")
        ada.interrupt()
        assert ada.expect_end() == (0, "")
        bob.expect("Ada ha abbandonato la Chat.\n")


@pytest.mark.screen
def test_a_program_that_was_given_all_asks_nothing(display: None, server: ChatServer) -> None:
    command = (CLIENT, "127.0.0.1", str(server.port), "--name", "Ada", "--lang", "en")
    with LinePeer(server.port, "Bob") as bob, Program(*command) as ada:
        bob.expect("Ada si è unito alla chat!\n")
        ada.interrupt()
        assert ada.expect_end() == (0, f"Connecting to 127.0.0.1, port {server.port}...\n")


@pytest.mark.parametrize("answers", ["127.0.0.1\n", "127.0.0.1\n{port}\n", "127.0.0.1\nabc\n"])
def test_answers_that_end_before_a_server_is_reached_are_an_error(nobody_port: int, answers: str) -> None:
    with Program(CLIENT) as program:
        program.type(answers.format(port=nobody_port))
        program.end_input()
        status, output = program.expect_end()
        assert status == 2
        assert "Traceback" not in output


def test_an_answer_that_is_no_text_is_explained(nobody_port: int) -> None:
    with Program(CLIENT) as program:
        assert program.process.stdin is not None
        program.process.stdin.write(b"pc-\xe8\xff\n\n")
        program.end_input()
        status, output = program.expect_end()
        assert status == 2
        assert "non esiste" in output


def test_an_address_on_the_command_line_that_does_not_answer_is_an_error(nobody_port: int) -> None:
    with Program(CLIENT, "127.0.0.1", str(nobody_port), stdin=subprocess.DEVNULL) as program:
        status, output = program.expect_end()
        assert status == 2
        assert ITALIAN.unreachable_refused.format(host="127.0.0.1", port=nobody_port) in output
        assert "Traceback" not in output


def test_a_port_on_the_command_line_that_is_none_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        chat_client.parse_arguments(["127.0.0.1", "65536"])
    assert caught.value.code == 2
    assert ITALIAN.bad_port.format(default=53000) in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["10.0.0.7", "53001"],
        ["10.0.0.7:53001"],
        ["10.0.0.7", "porta", "53001"],
        ["10.0.0.7,", "port", "53001"],
        ["10.0.0.7  porta 53001"],
        ["http://10.0.0.7:53001/"],
        ["10,0,0,7", ":53001"],
        ["10.0.0.7:1", "53001"],
    ],
    ids=" ".join,
)
def test_what_a_server_shows_can_be_pasted_on_the_command_line(arguments: list[str]) -> None:
    parsed = chat_client.parse_arguments([*arguments, "--name", "Ada"])
    assert (parsed.host, parsed.port, parsed.name) == ("10.0.0.7", 53001, "Ada")


@pytest.mark.parametrize("arguments", [["10.0.0.7:0"], ["10.0.0.7", "porta"], ["10.0.0.7", "1", "2"]], ids=" ".join)
def test_what_names_no_port_on_the_command_line_is_an_error(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        chat_client.parse_arguments(arguments)
    assert ITALIAN.bad_port.format(default=53000) in capsys.readouterr().err


def test_without_tkinter_the_program_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "tkinter.py").write_text("raise ImportError('No module named _tkinter')\n")
    with Program(CLIENT, PYTHONPATH=str(tmp_path)) as program:
        status, output = program.expect_end()
        assert (status, output) == (2, ITALIAN.no_tkinter + "\n")


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="there is a screen, whatever the environment says")
def test_without_a_screen_the_program_says_so(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    with Program(CLIENT, "127.0.0.1", str(server.port)) as program:
        status, output = program.expect_end()
        assert status == 2
        assert "Avvia il programma da una sessione grafica." in output
        assert "Traceback" not in output
    wait_until(lambda: not server.room.connections())


def xdotool(*command: str) -> str:
    return subprocess.run(["xdotool", *command], check=True, capture_output=True, text=True, timeout=30).stdout


@pytest.mark.screen
@pytest.mark.skipif(
    not shutil.which("xdotool"), reason="there is no xdotool to type with (Debian: apt install xdotool)"
)
def test_the_program_is_used_with_a_real_keyboard(display: None, server: ChatServer) -> None:
    with LinePeer(server.port, "Bob") as bob, Program(CLIENT) as ada:
        ada.type(f"127.0.0.1\n{server.port}\n")
        window = xdotool(
            "search", "--sync", "--onlyvisible", "--pid", str(ada.process.pid), "--name", "^Chat .* 127.0.0.1$"
        ).split()[0]
        xdotool("windowfocus", "--sync", window)
        xdotool("type", "Ada")
        xdotool("key", "Return")
        bob.expect("Ada si è unito alla chat!\n")
        xdotool("type", "ciao, sono io!")
        xdotool("key", "Return")
        bob.expect("Ada: ciao, sono io!\n")
        ada.interrupt()
        assert ada.expect_end()[0] == 0
        bob.expect("Ada ha abbandonato la Chat.\n")


# --- what a real run remembers ----------------------------------------------------------------------------------------

Scenario = Callable[[Seat], Generator[Callable[[], object], None, None]]
"""What somebody does in a window that `main` opened; it yields what to wait for."""


@pytest.fixture
def run_main(display: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., int]]:
    """Run the client's `main` with a folder of settings of its own, and do something in its window meanwhile."""
    monkeypatch.setattr(chat_client, "settings_path", lambda: tmp_path / "settings.json")
    signals = {
        name: signal.getsignal(getattr(signal, name))
        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
        if hasattr(signal, name)
    }

    def run_main(scenario: Scenario, *arguments: str) -> int:
        original = ChatWindow
        failures: list[str] = []

        def open_window(root: tk.Tk, session: Session, settings: Settings, name: str) -> ChatWindow:
            window = original(root, session, settings, name)
            seat = Seat.__new__(Seat)
            Hands.__init__(seat, root)
            seat.session, seat.settings, seat.window = session, settings, window
            seat.words = client_words.LANGUAGES[settings.language]
            seat.message_input, seat.conversation = window.message_input.text, window.conversation.text
            steps = scenario(seat)
            deadline = time.monotonic() + DEADLINE_S

            def look(condition: Callable[[], object] = lambda: True) -> None:
                try:
                    while condition():
                        condition = next(steps)
                except StopIteration:
                    if seat.is_open:
                        window.close()
                    return
                if time.monotonic() > deadline:
                    failures.append(seat.tell())
                    window.close()
                elif seat.is_open:
                    root.after(10, look, condition)

            root.after(10, look)
            return window

        monkeypatch.setattr(chat_client, "ChatWindow", open_window)
        status = chat_client.main(list(arguments))
        monkeypatch.setattr(chat_client, "ChatWindow", original)
        gc.collect()
        assert not failures, f"it never came true; instead: {failures[0]}"
        return status

    yield run_main
    for name, handler in signals.items():
        signal.signal(getattr(signal, name), handler)
    gc.collect()


@pytest.mark.screen
def test_everything_is_remembered_from_one_run_to_the_next(
    run_main: Callable[..., int], server: ChatServer, tmp_path: Path
) -> None:
    def change_everything(seat: Seat) -> Generator[Callable[[], object], None, None]:
        yield lambda: ITALIAN.greeting in seat.shown
        seat.write("Ada")
        seat.window.submit()
        yield lambda: ITALIAN.joined.format(name="Ada") in seat.shown
        seat.root.geometry("700x500+40+60")
        yield lambda: (seat.root.winfo_width(), seat.root.winfo_height()) == (700, 500)
        seat.choose(ITALIAN.menu_dark)
        seat.choose(ITALIAN.menu_sound)
        seat.choose(ITALIAN.menu_people)
        seat.choose(ITALIAN.menu_larger)
        seat.choose("English")

    assert run_main(change_everything, "127.0.0.1", str(server.port)) == 0
    saved, _ = load_settings(tmp_path / "settings.json")
    assert saved.font_size > MIN_FONT_SIZE
    assert [(room.host, room.port) for room in saved.rooms] == [("127.0.0.1", server.port)]
    assert saved == Settings(
        "127.0.0.1", server.port, "Ada", "en", "dark", saved.font_size, True, False, saved.geometry, saved.rooms
    )
    assert saved.geometry.startswith("700x500")
    wait_until(lambda: not server.room.members())
    seen: list[object] = []

    def look_around(seat: Seat) -> Generator[Callable[[], object], None, None]:
        yield lambda: ENGLISH.greeting in seat.shown
        yield lambda: (seat.root.winfo_width(), seat.root.winfo_height()) == (700, 500)
        seen.append(seat.draft)
        seen.append(seat.message_input["background"])
        seen.append(tkfont.nametofont("TkTextFont", root=seat.root).actual("size"))
        seen.append((seat.root.winfo_width(), seat.root.winfo_height()))
        seat.window.submit()
        yield lambda: ENGLISH.joined.format(name="Ada") in seat.shown
        seen.append(seat.window.people.frame.winfo_ismapped())

    assert run_main(look_around, "127.0.0.1", str(server.port)) == 0
    assert seen == ["Ada", PALETTES["dark"].paper, saved.font_size, (700, 500), 0]


@pytest.mark.screen
def test_each_change_is_kept_when_it_is_made(run_main: Callable[..., int], server: ChatServer, tmp_path: Path) -> None:
    def saved() -> Settings:
        return load_settings(tmp_path / "settings.json")[0]

    def change_one_after_the_other(seat: Seat) -> Generator[Callable[[], object], None, None]:
        yield lambda: ITALIAN.greeting in seat.shown
        seat.write("Ada")
        seat.window.submit()
        yield lambda: ITALIAN.joined.format(name="Ada") in seat.shown
        seen.append(saved().name)
        seat.choose(ITALIAN.menu_dark)
        seen.append(saved().theme)
        seat.choose(ITALIAN.menu_sound)
        seen.append(saved().has_sound)
        seat.choose(ITALIAN.menu_people)
        seen.append(saved().shows_people)
        seat.choose(ITALIAN.menu_larger)
        seen.append(saved().font_size == seat.settings.font_size > 0)
        seat.choose("English")
        seen.append(saved().language)

    seen: list[object] = []
    assert run_main(change_one_after_the_other, "127.0.0.1", str(server.port)) == 0
    assert seen == ["Ada", "dark", True, False, True, "en"]


@pytest.mark.screen
def test_the_name_of_the_command_line_is_no_draft_when_an_original_server_dies(
    run_main: Callable[..., int], play: Play
) -> None:
    def see_the_end(seat: Seat) -> Generator[Callable[[], object], None, None]:
        yield lambda: ITALIAN.greeting in seat.shown
        server.peer.expect("Ada")  # the name is asked for at once, by another thread
        server.peer.close()
        yield lambda: ITALIAN.connection_error in seat.shown
        seen.append(seat.draft)

    seen: list[str] = []
    server = play(ITALIAN.greeting)
    assert run_main(see_the_end, "127.0.0.1", str(server.port), "--name", "Ada") == 0
    assert seen == [""]


@pytest.mark.screen
def test_the_server_is_remembered_even_if_the_window_is_never_closed_in_order(
    run_main: Callable[..., int], server: ChatServer, tmp_path: Path
) -> None:
    def look_at_the_file(seat: Seat) -> Generator[Callable[[], object], None, None]:
        saved, _ = load_settings(tmp_path / "settings.json")
        seen.append((saved.host, saved.port))
        yield lambda: True

    seen: list[tuple[str, int]] = []
    run_main(look_at_the_file, "127.0.0.1", str(server.port))
    assert seen == [("127.0.0.1", server.port)]


@pytest.mark.screen
def test_a_broken_settings_file_does_not_keep_the_program_from_starting(
    run_main: Callable[..., int], server: ChatServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def see_the_greeting(seat: Seat) -> Generator[Callable[[], object], None, None]:
        yield lambda: ITALIAN.greeting in seat.shown

    (tmp_path / "settings.json").write_bytes(b"\0" * 100)
    assert run_main(see_the_greeting, "127.0.0.1", str(server.port)) == 0
    assert str(tmp_path / "settings.broken.json") in capsys.readouterr().err
    assert load_settings(tmp_path / "settings.json")[0].host == "127.0.0.1"
