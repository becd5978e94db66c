"""The server's program: signals, errors on the command line, languages."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys

import pytest

import chat_server
from lan_chat import secure
from lan_chat.server.words import CLOSING, CLOSING_OTHERWISE, ENGLISH, ITALIAN, WAITING, ServerWords
from tests.support.peers import LinePeer, Peer
from tests.support.programs import TOP, Program, ServerProgram
from tests.support.waiting import wait_until


def test_ctrl_c_closes_the_server_in_the_originals_words() -> None:
    with ServerProgram() as program, LinePeer(program.port, "Ada") as ada:
        program.interrupt()
        assert ada.expect_end() == "{end_conn}\n"
        status, output = program.expect_end()
        assert status == 0
        closing = CLOSING if sys.platform != "win32" else CLOSING_OTHERWISE
        host, port = ada.sock.getsockname() if ada.sock.fileno() >= 0 else ("", 0)
        assert output == (
            f"{host}:{port} has connected to the server.\n"
            f"{host}:{port} entra come Ada.\n"
            f"{closing}\n"
            f"{host}:{port} esce: il server si chiude.\n"
            f"{host}:{port} has left the server.\n"
            "Server successfully closed.\n"
        )


@pytest.mark.skipif(sys.platform == "win32", reason="it is a POSIX pipe that breaks")
def test_an_output_that_has_gone_keeps_nobody_from_being_told() -> None:
    read_end, write_end = os.pipe()
    with ServerProgram() as started, LinePeer(started.port, "Ada"):
        started.interrupt()
        started.expect_end()
        port = started.port
    command = [sys.executable, str(TOP / "chat_server.py"), "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(command, stdout=write_end, stderr=write_end, stdin=subprocess.DEVNULL) as process:
        os.close(write_end)
        wait_until(lambda: WAITING.encode() in os.read(read_end, 1000))
        os.close(read_end)
        with LinePeer(port, "Ada") as ada:
            process.send_signal(signal.SIGINT)
            assert ada.expect_end() == "{end_conn}\n"
        assert process.wait(10) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM that a program could catch")
@pytest.mark.parametrize("number", ["SIGTERM", "SIGHUP"])
def test_other_signals_close_it_too(number: str) -> None:
    with ServerProgram() as program, LinePeer(program.port, "Ada") as ada:
        program.process.send_signal(getattr(signal, number))
        assert ada.expect_end() == "{end_conn}\n"
        status, output = program.expect_end()
        assert (status, output.splitlines()[-1]) == (0, "Server successfully closed.")


def test_many_ctrl_c_in_a_row_are_one() -> None:
    with ServerProgram() as program:
        for _ in range(5):
            program.interrupt()
        assert program.expect_end()[0] == 0


def test_a_port_in_use_is_one_sentence_and_status_2() -> None:
    with ServerProgram() as program:
        with Program(TOP / "chat_server.py", "--host", "127.0.0.1", "--port", str(program.port)) as second:
            assert second.expect_end() == (2, ITALIAN.port_in_use.format(port=program.port) + "\n")
        program.interrupt()
        program.expect_end()


def test_an_address_that_is_not_ours_is_one_sentence_and_status_2() -> None:
    for host in ("192.0.2.77", "nessuno.invalid"):
        with Program(TOP / "chat_server.py", "--host", host, "--lang", "en", "--port", "0") as program:
            assert program.expect_end() == (2, ENGLISH.host_not_here.format(host=host) + "\n")


@pytest.mark.parametrize("options", [["--port", "70000"], ["--port", "x"], ["--max-clients", "0"], ["--rate", "-1"]])
def test_options_that_cannot_work_are_explained(options: list[str]) -> None:
    with Program(TOP / "chat_server.py", *options) as program:
        status, output = program.expect_end()
        assert status == 2
        assert options[0] in output
        assert "Traceback" not in output


def test_the_server_speaks_english_if_told() -> None:
    with ServerProgram("--lang", "en") as program, Peer(program.port) as peer:
        peer.send("Ada\n{quit}\n")
        assert peer.expect_end() == (
            "Welcome! Type your name and press Enter!\u00a0\n"
            "Welcome Ada! To leave the chat, type {quit}.\n"
            "Ada has joined the chat!\n"
        )
        program.interrupt()
        program.expect_end()


def test_importing_the_module_does_nothing() -> None:
    code = "import chat_server, chat_client, threading; print(threading.active_count())"
    with Program("-c", code, PYTHONPATH=str(TOP)) as program:
        assert program.expect_end() == (0, "1\n")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--attendance=5"], "argomento --attendance: non prende un valore: '5'"),
        (["--port", "x"], "argomento --port: non è un numero intero: 'x'"),
        (["--log-level", "loud"], "argomento --log-level: valore non previsto: 'loud'"),
        (["pippo"], "argomenti sconosciuti: pippo"),
    ],
)
def test_what_argparse_says_by_itself_is_in_the_rooms_language_too(options: list[str], sentence: str) -> None:
    with Program(TOP / "chat_server.py", *options) as program:
        status, output = program.expect_end()
        assert status == 2
        assert output.splitlines()[-1].startswith(f"chat_server.py: errore: {sentence}")


@pytest.mark.parametrize("words", [ITALIAN, ENGLISH])
def test_python_that_can_have_no_code_says_what_is_needed(
    words: ServerWords, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(secure, "IS_AVAILABLE", False)
    with pytest.raises(SystemExit) as ended:
        chat_server.parse_arguments(["--code", "--lang", "en" if words is ENGLISH else "it"])
    assert ended.value.code == 2
    assert words.code_needs_python.format(version=platform.python_version()) in capsys.readouterr().err
