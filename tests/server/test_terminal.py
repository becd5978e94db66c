"""The operator's terminal: typing at it, and one that takes nothing."""

from __future__ import annotations

import logging
import os
import sys

import pytest

from lan_chat.server.terminal import Terminal
from tests.support.peers import LinePeer
from tests.support.programs import ServerProgram
from tests.support.waiting import wait_until

if sys.platform != "win32":  # which has no pseudo-terminals in Python
    import pty

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
