"""The rooms above the question on the console, and what its answers mean."""

from __future__ import annotations

import builtins
import contextlib
import os
import re
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

import chat_client
from lan_chat.client import console
from lan_chat.client.console import INSERT_LINE, Board, ask_host, find_address
from lan_chat.client.settings import Settings
from lan_chat.client.words import ENGLISH, ITALIAN
from lan_chat.process import UDP_PORT_VARIABLE
from lan_chat.rooms import Found, Remembered, Room
from tests.support.programs import TOP, Program
from tests.support.responder import Responder
from tests.support.waiting import DEADLINE_S

Q_HOST, Q_PORT = "Inserire il Server host: ", "Inserire la porta del server host: "


def found(room_id: str, host: str = "192.168.1.30", *, port: int = 53000, code: bool = False) -> Found:
    return Found(Room(room_id, f"Aula {room_id}", port, 4, code), host)


class StillSearch:
    """A search that finds what the test says, and asks nobody."""

    def __init__(self, remembered: Sequence[Remembered], ring: Callable[[], object]) -> None:
        self.remembered = tuple(remembered)
        self.has_looked = threading.Event()
        self.has_looked.set()
        self.found: list[Found] = []
        self.is_open = False
        self._ring = ring

    def start(self) -> None:
        self.is_open = True

    def close(self) -> None:
        self.is_open = False

    def rooms(self) -> list[Found]:
        return list(self.found)

    def find(self, *more: Found) -> None:
        """Find rooms while the question stands."""
        self.found += more
        self._ring()


class Desk:
    """A person at a console, who answers and is asked; and the search for the rooms there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.questions: list[str] = []
        self.answers: list[str | Callable[[], str]] = []
        """What is answered, one after the other; what is called may have something happen before that."""
        self.rooms: list[Found] = []
        self.searches: list[StillSearch] = []
        monkeypatch.setattr("lan_chat.process.is_console", lambda stream: True)
        monkeypatch.setenv(UDP_PORT_VARIABLE, "53000")
        monkeypatch.setattr(console, "Search", self._make_search)
        monkeypatch.setattr(console, "interfaces", list)
        monkeypatch.setattr(builtins, "input", self._answer)

    def ask(self, settings: Settings) -> tuple[str, int | None] | None:
        """Ask once for the host, as the program does; return where the answer leads."""
        with contextlib.closing(Board(settings)) as board:
            address = find_address(ask_host(settings, board), settings, board)
        return None if address is None else (address.host, address.port)

    def _make_search(self, remembered: Sequence[Remembered], ring: Callable[[], object]) -> StillSearch:
        search = StillSearch(remembered, ring)
        search.found = list(self.rooms)
        self.searches.append(search)
        return search

    def _answer(self, question: str) -> str:
        self.questions.append(question)
        if not self.answers:
            raise EOFError
        answer = self.answers.pop(0)
        return answer if isinstance(answer, str) else answer()


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(monkeypatch)


# --- what stands above the question, and what an answer means ---------------------------------------------------------


def test_the_rooms_stand_above_the_question_with_all_that_is_known(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.rooms = [found("1", "192.168.1.20", code=True), found("2", "fe80::1%2", port=53001)]
    desk.answers = ["2"]
    assert desk.ask(Settings()) == ("fe80::1%2", 53001)
    assert desk.questions == [Q_HOST]
    assert capsys.readouterr().out == (
        "Stanze in questa rete (scrivi un numero, o l'indirizzo di un altro server):\n"
        "  1. Aula 1: 192.168.1.20, porta 53000, persone nella chat: 4, con codice\n"
        "  2. Aula 2: fe80::1%2, porta 53001, persone nella chat: 4\n"
        "Il solo Invio qui non basta: scrivi il numero di una stanza, o un indirizzo.\n"
    )


@pytest.mark.parametrize(
    ("rooms", "remembered", "meant"),
    [
        ([found("1")], (), "192.168.1.30"),
        ([found("1"), found("2", "127.0.0.1")], (), "127.0.0.1"),
        ([found("1"), found("2", "127.0.0.1")], (Remembered("1", "Aula 1", "192.168.1.30", 53000),), "192.168.1.30"),
    ],
)
def test_enter_means_the_room_that_stands_above_the_question(
    desk: Desk,
    capsys: pytest.CaptureFixture[str],
    rooms: list[Found],
    remembered: tuple[Remembered, ...],
    meant: str,
) -> None:
    desk.rooms = rooms
    desk.answers = [" \u200b"]
    assert desk.ask(Settings(rooms=remembered)) == (meant, 53000)
    assert desk.questions == [Q_HOST]
    [room] = [one.room.name for one in rooms if one.host == meant]
    assert capsys.readouterr().out.endswith(f"Con il solo Invio: {room}, {meant}, porta 53000.\n")


def test_enter_alone_is_not_enough_where_several_are_found(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.rooms = [found("1"), found("2")]
    desk.answers = [""]
    assert desk.ask(Settings("10.0.0.9", 53000)) is None
    assert capsys.readouterr().out.endswith(f"{ITALIAN.no_usual_room}\n")


@pytest.mark.parametrize("answer", ["1", " 1. ", "[1]", "\N{FULLWIDTH DIGIT ONE}", "01", "1)"])
def test_a_number_takes_that_room(desk: Desk, answer: str) -> None:
    desk.rooms = [found("1"), found("2")]
    desk.answers = [answer]
    assert desk.ask(Settings()) == ("192.168.1.30", 53000)


@pytest.mark.parametrize("answer", ["0", "3", "99"])
def test_a_number_that_no_room_has_is_explained(desk: Desk, capsys: pytest.CaptureFixture[str], answer: str) -> None:
    desk.rooms = [found("1"), found("2")]
    desk.answers = [answer]
    assert desk.ask(Settings()) is None
    assert capsys.readouterr().out.endswith(f"Non c'è una stanza con il numero {answer}.\n")


@pytest.mark.parametrize(
    ("answer", "address"),
    [("10.0.0.7", ("10.0.0.7", None)), ("10.0.0.7:53001", ("10.0.0.7", 53001)), ("pc-3", ("pc-3", None))],
)
def test_an_address_works_as_ever(desk: Desk, answer: str, address: tuple[str, int | None]) -> None:
    desk.rooms = [found("1")]
    desk.answers = [answer]
    assert desk.ask(Settings()) == address


def test_where_nothing_is_found_the_reasons_are_told_and_enter_means_what_it_meant(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.answers = [""]
    assert desk.ask(Settings("10.0.0.7", 53001)) == ("10.0.0.7", 53001)
    last = ITALIAN.last_server.format(host="10.0.0.7", port=53001)
    assert capsys.readouterr().out == f"{ITALIAN.no_rooms.format(port=53000)}\n{ITALIAN.type_address}\n{last}\n"
    desk.answers = [""]
    assert desk.ask(Settings()) == ("127.0.0.1", None)
    desk.answers = ["7"]  # as ever, whatever it is
    assert desk.ask(Settings()) == ("7", None)


def test_the_reasons_are_told_once(desk: Desk, nobody_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    desk.answers = [f"127.0.0.1:{nobody_port}"] * 3
    with pytest.raises(EOFError):
        chat_client.connect_by_console(None, None, Settings())
    assert capsys.readouterr().out.count(ITALIAN.type_address) == 1


def test_the_last_server_is_asked_by_its_address_also_of_settings_that_know_no_rooms(desk: Desk) -> None:
    desk.answers = ["1"] * 3
    room = Remembered("1", "Aula 1", "10.0.0.8", 53000)
    for settings in (Settings(), Settings("10.0.0.7", 53001), Settings("10.0.0.7", 53001, rooms=(room,))):
        desk.ask(settings)
    assert [search.remembered for search in desk.searches] == [
        (),
        (Remembered("", "", "10.0.0.7", 53001),),
        (room,),
    ]
    assert not any(search.is_open for search in desk.searches)


@pytest.mark.parametrize(
    ("answer", "address"),
    [("sì", ("192.168.1.30", 53000)), ("Y", ("192.168.1.30", 53000)), ("", None), ("no", None), ("1", None)],
)
def test_a_room_that_may_be_another_is_entered_only_if_the_user_says_yes(
    desk: Desk, capsys: pytest.CaptureFixture[str], answer: str, address: tuple[str, int] | None
) -> None:
    desk.rooms = [found("1")]
    desk.answers = ["", answer]
    assert desk.ask(Settings(rooms=(Remembered("1", "Aula 1", "192.168.1.9", 53000),))) == address
    assert desk.questions == [Q_HOST, ITALIAN.yes_or_no]
    assert "«Aula 1» ora risponde da 192.168.1.30, porta 53000, e non più da 192.168.1.9" in capsys.readouterr().out


def test_a_room_that_had_a_code_is_entered_only_if_the_user_says_yes(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.rooms = [found("1")]
    desk.answers = ["1", "s"]
    known = Remembered("1", "Aula 1", "192.168.1.30", 53000, had_code=True)
    assert desk.ask(Settings(rooms=(known,), language="en")) == ("192.168.1.30", 53000)
    assert ENGLISH.room_open.format(room="Aula 1") in capsys.readouterr().out


def test_an_input_that_ends_at_that_question_is_no_yes(desk: Desk) -> None:
    desk.rooms = [found("1")]
    desk.answers = [""]
    with pytest.raises(EOFError):
        chat_client.connect_by_console(None, None, Settings(rooms=(Remembered("1", "Aula 1", "192.168.1.9", 53000),)))


def test_whoever_types_an_address_is_asked_for_the_port_and_who_chooses_a_room_is_not(
    desk: Desk, nobody_port: int
) -> None:
    desk.rooms = [found("1", "127.0.0.1", port=nobody_port)]
    desk.answers = ["1", "", "127.0.0.1", str(nobody_port), f"127.0.0.1:{nobody_port}"]
    with pytest.raises(EOFError):
        chat_client.connect_by_console(None, None, Settings())
    assert desk.questions == [Q_HOST, Q_HOST, Q_HOST, Q_PORT, Q_HOST, Q_HOST]
    assert len(desk.searches) == 1


def test_whoever_gives_an_address_searches_only_when_it_has_failed(desk: Desk, nobody_port: int) -> None:
    with pytest.raises(EOFError):
        chat_client.connect_by_console("127.0.0.1", nobody_port, Settings())
    assert len(desk.searches) == 1
    with contextlib.closing(Board(Settings())):
        pass
    assert len(desk.searches) == 1


def test_where_rooms_are_not_to_be_found_nothing_stands_above_the_question(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(UDP_PORT_VARIABLE, "0")
    desk.answers = [""]
    assert desk.ask(Settings()) == ("127.0.0.1", None)
    assert desk.searches == []
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("step", "error"), [("__init__", OSError), ("start", RuntimeError)])
def test_where_no_search_can_be_made_the_question_is_asked_as_ever(
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    step: str,
    error: type[Exception],
) -> None:
    def fail(*_: object) -> None:
        raise error("there are none left")

    monkeypatch.setattr(StillSearch, step, fail)
    desk.answers = ["10.0.0.7"]
    assert desk.ask(Settings()) == ("10.0.0.7", None)
    assert capsys.readouterr().out == ""
    assert chat_client.main(["--find"]) == 1


# --- rooms that appear while the question stands ----------------------------------------------------------------------


def test_where_the_terminal_cannot_insert_lines_the_question_means_what_stands_above_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console, "can_insert_lines", lambda: False)

    def appear() -> str:
        desk.searches[0].find(found("1"))
        return ""

    desk.answers = [appear]
    assert desk.ask(Settings("10.0.0.7", 53001)) == ("10.0.0.7", 53001)
    assert "Aula 1" not in capsys.readouterr().out


@pytest.mark.parametrize(("answer", "host"), [("1", "192.168.1.31"), ("3", "192.168.1.33"), ("", "192.168.1.31")])
def test_rooms_that_appear_are_numbered_on_and_the_numbers_keep_their_meaning(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: str, host: str
) -> None:
    monkeypatch.setattr(console, "can_insert_lines", lambda: True)
    shown: list[list[str]] = []

    def find(*more: Found) -> None:
        capsys.readouterr()
        desk.searches[0].find(*more)
        shown.append(re.findall(r"  \d\. Aula \d", capsys.readouterr().out))

    def appear() -> str:
        find(found("2"))
        desk.searches[0].found.pop(0)  # which is silent by now
        find(found("3", "192.168.1.33"))
        find()
        return answer

    desk.rooms, desk.answers = [found("1", "192.168.1.31")], [appear]
    assert desk.ask(Settings(rooms=(Remembered("1", "Aula 1", "192.168.1.31", 53000),))) == (host, 53000)
    assert shown == [["  2. Aula 2"], ["  3. Aula 3"], []]


def test_before_and_after_the_question_nothing_is_printed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console, "can_insert_lines", lambda: True)
    desk.answers = ["10.0.0.7"]
    settings = Settings()
    with contextlib.closing(Board(settings)) as board:
        ask_host(settings, board)
        capsys.readouterr()
        desk.searches[0].find(found("1"))
        assert capsys.readouterr().out == ""
        board.show()
        assert "  1. Aula 1" in capsys.readouterr().out


class Screen:
    """As much of a VT220 as is written to it here; `rows` are its lines, of `width` columns."""

    def __init__(self, width: int, height: int) -> None:
        self.rows = [""] * height
        self.width, self.x, self.y = width, 0, 0
        self.saved = (0, 0)
        self.wraps = True

    def write(self, text: str) -> None:
        for code in re.findall(r"\033\[\??\d*[A-Zhl]|\033.|[\r\n]|[^\033]", text):
            match code:
                case "\n" | "\033D":
                    self._index()
                    self.x = 0 if code == "\n" else self.x  # the terminal's driver adds CR to LF
                case "\r":
                    self.x = 0
                case "\033[A":
                    self.y = max(0, self.y - 1)
                case "\033[B":
                    self.y = min(len(self.rows) - 1, self.y + 1)
                case "\0337":
                    self.saved = (self.x, self.y)
                case "\0338":
                    self.x, self.y = self.saved
                case "\033[L":
                    self.rows.insert(self.y, "")
                    self.rows.pop()
                case "\033[?7l" | "\033[?7h":
                    self.wraps = code.endswith("h")
                case _:
                    self._put(code)

    def _index(self) -> None:
        if self.y == len(self.rows) - 1:
            self.rows = [*self.rows[1:], ""]
        else:
            self.y += 1

    def _put(self, character: str) -> None:
        assert character.isprintable(), repr(character)
        if self.x == self.width and self.wraps:
            self.x = 0
            self._index()
        x = min(self.x, self.width - 1)
        row = self.rows[self.y].ljust(x)
        self.rows[self.y] = row[:x] + character + row[x + 1 :]
        self.x = x + 1


@pytest.mark.parametrize("empty", [0, 1, 4])
def test_a_line_is_inserted_above_what_is_being_typed(empty: int) -> None:
    screen = Screen(12, 5)
    screen.write("\n" * (4 - empty) + "Host: 10.")
    for line in ("one", "two, which is longer than the screen is wide"):
        screen.write(INSERT_LINE.format(line=line))
    screen.write("0.0")
    assert [row for row in screen.rows if row] == ["one", "two, which e", "Host: 10.0.0"]
    assert screen.rows[screen.y] == "Host: 10.0.0"


LOOPBACK_ALONE = """
import functools, sys, chat_client
from lan_chat.client import console
from tests.support.responder import LOOPBACK
console.Search = functools.partial(console.Search, look_up=lambda: [LOOPBACK])
sys.exit(chat_client.main())
"""
"""The program, which searches nowhere but on the loopback interface."""

if sys.platform != "win32":  # which has no pseudo-terminals in Python
    import pty

    @pytest.fixture
    def responder() -> Iterator[Responder]:
        with contextlib.closing(Responder()) as responder:
            yield responder

    def test_a_room_that_appears_is_shown_and_nothing_typed_is_lost(responder: Responder, nobody_port: int) -> None:
        terminal, inside = pty.openpty()
        environment = {**os.environ, "TERM": "xterm", "PYTHONPATH": str(TOP), UDP_PORT_VARIABLE: str(responder.port)}
        command = [sys.executable, "-c", LOOPBACK_ALONE]
        output = ""
        answering: list[socket.socket] = []

        def expect(text: str) -> None:
            nonlocal output
            while text not in output:
                waiting: list[Any] = [terminal, *answering]
                ready, _, _ = select.select(waiting, [], [], DEADLINE_S)
                assert ready, output
                if terminal in ready:
                    output += os.read(terminal, 65536).decode()
                else:
                    responder.answer(Room("a1", "Aula 3", 53000, 4))

        with subprocess.Popen(command, stdin=inside, stdout=inside, stderr=inside, env=environment) as process:
            os.close(inside)
            try:
                expect(Q_HOST)
                os.write(terminal, b"127.0.")
                expect("127.0.")
                answering = [responder.sock]
                expect("  1. Aula 3: 127.0.0.1, porta 53000, persone nella chat: 4")
                expect(ITALIAN.usual_room.format(room="Aula 3", host="127.0.0.1", port=53000))
                os.write(terminal, f"0.1:{nobody_port}\n".encode())
                expect(ITALIAN.connecting.format(host="127.0.0.1", port=nobody_port))
            finally:
                process.kill()
                os.close(terminal)


def test_with_a_pipe_nobody_is_asked_on_the_network(nobody_port: int) -> None:
    with contextlib.closing(Responder()) as responder:
        with Program("-c", LOOPBACK_ALONE, PYTHONPATH=str(TOP), LAN_CHAT_UDP_PORT=str(responder.port)) as program:
            program.type(f"127.0.0.1\n{nobody_port}\n")
            program.end_input()
            status, output = program.expect_end()
        responder.sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            responder.question()
    refused = ITALIAN.unreachable_refused.format(host="127.0.0.1", port=nobody_port)
    connecting = ITALIAN.connecting.format(host="127.0.0.1", port=nobody_port)
    assert (status, output) == (2, f"{Q_HOST}{Q_PORT}{connecting}\n{refused}\n{Q_HOST}\n")


# --- `--find` ---------------------------------------------------------------------------------------------------------


def test_find_prints_one_line_for_each_room(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.rooms = [found("1", code=True), found("2", "fe80::1%2", port=53001)]
    assert chat_client.main(["--find"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "Aula 1\t192.168.1.30\t53000\t4\tcode\nAula 2\tfe80::1%2\t53001\t4\topen\n"
    assert captured.err == ""
    assert not desk.searches[0].is_open


def test_find_says_what_may_be_wrong_where_nothing_is_found(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert chat_client.main(["--find", "--lang", "en"]) == 1
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", ENGLISH.no_rooms.format(port=53000) + "\n")


def test_find_finds_what_answers() -> None:
    with (
        contextlib.closing(Responder()) as responder,
        Program("-c", LOOPBACK_ALONE, "--find", PYTHONPATH=str(TOP), LAN_CHAT_UDP_PORT=str(responder.port)) as program,
    ):
        responder.answer(Room("a1", "Aula\t3", 53001, 4))
        assert program.expect_end() == (0, "Aula 3\t127.0.0.1\t53001\t4\topen\n")
