"""Ctrl+C and its like before anything runs: they end the program at once, without a traceback."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from lan_chat import __version__
from lan_chat.server.server import ChatServer
from lan_chat.server.words import CLOSED, CLOSING
from tests.support.histories import make_history
from tests.support.interrupts import NOW, InterruptedProgram
from tests.support.peers import bind
from tests.support.pipes import fill
from tests.support.programs import TOP, Program
from tests.support.waiting import wait_until

SERVER = TOP / "chat_server.py"
CLIENT = TOP / "chat_client.py"
MOMENTS = range(1, 900, 50)
"""Audit events of Python; both programs have about 800 until they are in the midst of it."""
SIGNALS = ["SIGINT"] if sys.platform == "win32" else ["SIGINT", "SIGTERM", "SIGHUP"]


@pytest.mark.slow
def test_ctrl_c_while_the_server_starts_ends_it_without_a_traceback(tmp_path: Path) -> None:
    statuses = []
    for moment in MOMENTS:
        command = (SERVER, "--host", "192.0.2.77", "--port", "0")
        with InterruptedProgram(tmp_path, moment, "SIGINT", *command) as program:
            status, output = program.expect_end()
            assert "Traceback" not in output
            statuses.append(status)
    assert statuses[0] == 130
    assert set(statuses) <= {130, 2}, "2: it has ended before, for want of that address"


@pytest.mark.slow
def test_ctrl_c_while_the_client_starts_ends_it_without_a_traceback(tmp_path: Path) -> None:
    statuses = []
    with bind() as nobody:
        port = nobody.getsockname()[1]
        for moment in MOMENTS:
            with InterruptedProgram(tmp_path, moment, "SIGINT", CLIENT, "127.0.0.1", str(port)) as program:
                program.end_input()
                status, output = program.expect_end()
                assert "Traceback" not in output
                statuses.append(status)
    assert statuses[0] == 130
    assert set(statuses) <= {130, 2}, "2: it has ended before, for want of a server"


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("program", [SERVER, CLIENT])
def test_each_signal_ends_a_program_that_starts(tmp_path: Path, program: Path, number: str) -> None:
    with InterruptedProgram(tmp_path, "import argparse", number, program) as started:
        assert started.expect_end() == (128 + getattr(signal, number), "")


@pytest.mark.parametrize("name", ["run_server", "run_client"])
def test_the_installed_commands_end_as_quietly(tmp_path: Path, name: str) -> None:
    code = f"import sys, lan_chat.early\nsys.exit(lan_chat.early.{name}())"
    for moment, ends in (("import argparse", (130, "")), ("never", (0, f"lan-chat {__version__}\n"))):
        with InterruptedProgram(tmp_path, moment, "SIGINT", "-c", code, "--version") as program:
            assert program.expect_end() == ends


@pytest.mark.parametrize("moment", ["socket.bind", "sqlite3.connect"])
def test_ctrl_c_before_the_server_runs_ends_it_at_once(tmp_path: Path, moment: str) -> None:
    command = (SERVER, "--host", "127.0.0.1", "--port", "0", "--history", str(tmp_path / "chat.db"))
    with InterruptedProgram(tmp_path, moment, "SIGINT", *command) as program:
        assert program.expect_end() == (130, "")


def test_ctrl_c_when_the_server_runs_closes_it_in_order(tmp_path: Path) -> None:
    """It looks for this machine's addresses when it has begun to accept."""
    with InterruptedProgram(tmp_path, "socket.connect", "SIGINT", SERVER, "--port", "0") as program:
        status, output = program.expect_end()
        assert (status, output.splitlines()[-2:]) == (0, [CLOSING, CLOSED])


def test_ctrl_c_while_the_client_connects_ends_it_without_a_traceback(tmp_path: Path, server: ChatServer) -> None:
    command = (CLIENT, "127.0.0.1", str(server.port))
    with InterruptedProgram(tmp_path, "socket.connect", "SIGINT", *command) as program:
        status, output = program.expect_end()
        assert status == 130
        assert "Traceback" not in output
    wait_until(lambda: not server.room.connections())


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("moment", ["sqlite3.connect", "os.rename"])
def test_a_signal_during_an_export_leaves_the_last_one_and_nothing_beside_it(
    tmp_path: Path, own_settings: Path, moment: str, number: str
) -> None:
    history, target = own_settings / "chat.db", tmp_path / "di ieri.txt"
    make_history(history)
    target.write_text("di ieri")
    command = (SERVER, "--history", str(history), "--export", str(target))
    with InterruptedProgram(own_settings, moment, number, *command) as program:
        assert program.expect_end() == (128 + getattr(signal, number), "")
    assert [path.name for path in tmp_path.iterdir()] == [target.name]
    assert target.read_text() == "di ieri"


WINDOW = """
import signal, sys, chat_client
open_window = chat_client.{name}

def open_and_interrupt(*arguments):
    {before}
    window = open_window(*arguments)
    {after}
    return window

chat_client.{name} = open_and_interrupt
sys.exit(chat_client.main())
"""
CTRL_C = "signal.raise_signal(signal.SIGINT)"


@pytest.mark.screen
@pytest.mark.parametrize("name", ["open_root", "ChatWindow"])
@pytest.mark.parametrize(("before", "after"), [(CTRL_C, ""), ("", CTRL_C)])
def test_ctrl_c_while_the_window_opens_ends_the_client(
    display: None, server: ChatServer, name: str, before: str, after: str
) -> None:
    code = WINDOW.format(name=name, before=before or "pass", after=after or "pass")
    with Program("-c", code, "127.0.0.1", str(server.port), "--lang", "en", PYTHONPATH=str(TOP)) as program:
        assert program.expect_end() == (130, f"Connecting to 127.0.0.1, port {server.port}...\n")
    wait_until(lambda: not server.room.connections())


# --- a file that blocks -----------------------------------------------------------------------------------------------

if sys.platform != "win32":  # which has no pipes among its files

    def wait_until_blocked(program: Program) -> None:
        """Wait until a program is in a call that does not return; only Linux tells."""
        program.expect(NOW)
        if sys.platform == "linux":
            stat = Path(f"/proc/{program.process.pid}/stat")
            wait_until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "S")

    @pytest.fixture
    def pipe(tmp_path: Path) -> Path:
        path = tmp_path / "pipe.txt"
        os.mkfifo(path)
        return path

    @pytest.mark.parametrize("number", SIGNALS)
    @pytest.mark.parametrize("is_read", [False, True])
    def test_a_signal_ends_an_export_into_a_pipe_that_takes_nothing(
        tmp_path: Path, pipe: Path, number: str, is_read: bool
    ) -> None:
        """Without a reader the pipe is not even opened; a reader who sleeps lets it fill."""
        history = tmp_path / "chat.db"
        make_history(history)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK) if is_read else None
        if reader is not None:
            fill(pipe)
        command = (SERVER, "--history", str(history), "--export", str(pipe))
        with InterruptedProgram(tmp_path, f"open {pipe}", "", *command) as program:
            wait_until_blocked(program)
            program.process.send_signal(getattr(signal, number))
            assert program.expect_end() == (128 + getattr(signal, number), "")
        if reader is not None:
            os.close(reader)

    def test_a_signal_ends_a_server_whose_log_file_cannot_be_opened_yet(tmp_path: Path, pipe: Path) -> None:
        """As a serial line may wait for its other side: here a pipe, which is taken for no pipe."""
        hide = "import pathlib, runpy, sys\npathlib.Path.is_fifo = lambda self: False\nsys.argv.pop(0)\n"
        code = hide + "runpy.run_path(sys.argv[0], run_name='__main__')"
        command = ("-c", code, str(SERVER), "--port", "0", "--log-file", str(pipe))
        with InterruptedProgram(tmp_path, f"open {pipe}", "", *command) as program:
            wait_until_blocked(program)
            program.process.terminate()
            assert program.expect_end() == (143, "")
