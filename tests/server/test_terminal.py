"""The operator's terminal: typing at it, and one that takes nothing."""

from __future__ import annotations

import logging
import os
import re
import select
import signal
import socket
import subprocess
import sys

import pytest

from lan_chat.server.finder import host_name
from lan_chat.server.terminal import Terminal
from lan_chat.server.words import ITALIAN, LANGUAGES, WAITING, ServerWords
from tests.support.peers import LinePeer
from tests.support.programs import TOP, Program, ServerProgram
from tests.support.waiting import DEADLINE_S, wait_until


def test_a_server_without_a_terminal_says_the_originals_lines_and_the_addresses_alone() -> None:
    with Program(TOP / "chat_server.py", "--host", "127.0.0.1", "--port", "0") as program:
        opening = program.expect("porta ")
        port = program.expect("\n")
        browsers = program.expect("/\n")
        program.interrupt()
        status, closing = program.expect_end()
    assert opening + port == f"Waiting for connections...\n{ITALIAN.reach_here}\n    127.0.0.1  porta {int(port)}\n"
    assert browsers == f"{ITALIAN.web_title}\n    http://127.0.0.1:{int(port)}/\n"
    assert (status, closing.splitlines()[1:]) == (0, ["Server successfully closed."])


if sys.platform != "win32":  # which has no pseudo-terminals in Python
    import pty

    class TerminalProgram:
        """`python chat_server.py` at a terminal of its own, whose every byte is kept; its input may be another one."""

        def __init__(self, *options: str, stdin: int | None = None, **environment: str) -> None:
            self._terminal, inside = pty.openpty()
            command = [sys.executable, str(TOP / "chat_server.py"), "--host", "127.0.0.1", "--port", "0", *options]
            self.process = subprocess.Popen(
                command,
                stdin=inside if stdin is None else stdin,
                stdout=inside,
                stderr=inside,
                env={**os.environ, "PYTHONIOENCODING": "utf-8", "TERM": "xterm", **environment},
            )
            os.close(inside)
            self.output = b""

        def __enter__(self) -> TerminalProgram:
            return self

        def __exit__(self, *_: object) -> None:
            if self.process.poll() is None:
                self.process.kill()
            self.process.wait()
            os.close(self._terminal)

        def type(self, text: str) -> None:
            os.write(self._terminal, text.encode())

        def expect(self, pattern: bytes) -> re.Match[bytes]:
            """Read up to what a pattern finds in all that was written."""
            while (found := re.search(pattern, self.output)) is None:
                ready, _, _ = select.select([self._terminal], [], [], DEADLINE_S)
                assert ready, self.output
                self.output += os.read(self._terminal, 65536)
            return found

    @pytest.mark.parametrize("words", LANGUAGES.values(), ids=LANGUAGES)
    def test_who_sits_at_the_terminal_is_told_how_to_go_on_and_the_window_bears_the_address(words: ServerWords) -> None:
        language = next(name for name, those in LANGUAGES.items() if those is words)
        with TerminalProgram("--lang", language) as program:
            port = program.expect(rb"127\.0\.0\.1  port\w? (\d+)\r\n")[1].decode()
            address = words.reach_line.format(host="127.0.0.1", port=port)
            title = f"\033]0;{words.console_title.format(address=address.strip())}\a"
            room = words.room_hidden.format(room=host_name())
            browsers = [words.web_title, f"    http://127.0.0.1:{port}/"]
            lines = [WAITING, words.reach_here, address, *browsers, room, words.banner, words.banner_console + title]
            opening = "".join(f"{line}\r\n" for line in lines).encode()
            program.expect(re.escape(opening[-20:]))
            assert program.output == opening
            program.type("help\n")
            program.expect(re.escape(words.operator_help.partition("{")[0].encode()))
            program.type("qr\n")
            program.expect(re.escape(words.qr_only_here.format(link=f"http://127.0.0.1:{port}/").encode()))
            program.type("stop\n")
            assert program.process.wait(DEADLINE_S) == 0
            program.expect(rb"\033\]0;\a$")

    def test_who_sits_at_the_terminal_is_told_how_the_room_is_called() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            udp_port = sock.getsockname()[1]
        with TerminalProgram("--room", "Aula 3", LAN_CHAT_UDP_PORT=str(udp_port)) as program:
            program.expect(re.escape(ITALIAN.room_found.format(room="Aula 3").encode()) + b"\r\n")
        with TerminalProgram("--room", "Aula 3", "--hidden", LAN_CHAT_UDP_PORT=str(udp_port)) as program:
            program.expect(re.escape(ITALIAN.room_hidden.format(room="Aula 3").encode()) + b"\r\n")

    def test_the_originals_lines_at_a_terminal_are_its_own_byte_for_byte() -> None:
        with TerminalProgram() as program:
            assert program.expect(rb"^Waiting for connections\.\.\.\r\n").start() == 0
            port = int(program.expect(rb"porta (\d+)\r\n")[1])
            with LinePeer(port, "Ada") as ada:
                own = str(ada.sock.getsockname()[1]).encode()
                program.expect(rb"\r\n127\.0\.0\.1:%s has connected to the server\.\r\n" % own)
                ada.say("{quit}")
                program.expect(rb"\r\n127\.0\.0\.1:%s has left the server\.\r\n" % own)
            program.process.send_signal(signal.SIGINT)
            program.expect(rb"\r\nCTRL\+C pressed\. Closing the server\.\.\.\r\nServer successfully closed\.\r\n")

    def test_who_cannot_type_there_is_not_told_to_and_a_dumb_terminal_gets_no_title() -> None:
        with TerminalProgram(stdin=subprocess.DEVNULL, TERM="dumb") as program:
            program.expect(re.escape(ITALIAN.banner_end.encode()) + b"\r\n")
            assert ITALIAN.banner.encode() in program.output
            assert b"\033" not in program.output
            assert b"help" not in program.output

    def test_the_operator_types_at_the_terminal() -> None:
        terminal, stdin = pty.openpty()
        with ServerProgram(stdin=stdin) as program, LinePeer(program.port, "Ada") as ada:
            os.close(stdin)
            os.write(terminal, b"who\n")
            program.expect("Nella chat: 1. Connessioni: 1.\n")
            os.write(terminal, "say è ora\n".encode())
            program.expect("Annunciato a 1.\n")
            ada.expect("Server: è ora\n")
            os.write(terminal, b"\x04")  # Ctrl+D
            os.write(terminal, b"stop perch\xe8 s\xec\n")  # as from a terminal that is set to Latin-1
            program.expect("Uso: stop\n")
            os.write(terminal, b" STOP\n")
            assert ada.expect_end() == "{end_conn}\n"
            assert program.expect_end()[0] == 0
        os.close(terminal)


def test_a_terminal_that_takes_nothing_is_told_later_how_much_it_has_missed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lan_chat.server.terminal.MAX_WAITING_LINES", 3)
    terminal = Terminal()
    for number in range(5):
        terminal.show(f"riga {number}")
    terminal.start()
    wait_until(terminal._texts.empty)
    terminal.emit(logging.makeLogRecord({"msg": "dopo"}))
    assert terminal.finish()
    assert capsys.readouterr().out == (
        "riga 0\nriga 1\nriga 2\n(2 righe non mostrate: il terminale era fermo.)\ndopo\n"
    )
