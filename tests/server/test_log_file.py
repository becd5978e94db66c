"""`--log-file` into what a user may name: a file, a pipe that nobody reads, a full disk. The room waits for none."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lan_chat.server.log_file import LogFile
from lan_chat.server.words import CLOSED, ITALIAN
from tests.support.peers import LinePeer
from tests.support.pipes import fill
from tests.support.programs import TOP, Program, ServerProgram
from tests.support.waiting import wait_until

LINE = r"\d{4}-\d\d-\d\d [\d:,]+ (INFO|WARNING) "


def log(file: LogFile, *messages: str) -> None:
    for message in messages:
        file.emit(logging.LogRecord("chat", logging.INFO, "", 0, message, None, None))


def missing(count: int) -> str:
    return ITALIAN.lines_not_logged.format(count=count)


def said(content: str) -> list[str]:
    """What the lines of a log say, each behind its time and level."""
    lines = content.splitlines()
    assert all(re.match(LINE, line) for line in lines), lines
    return [re.sub(LINE, "", line) for line in lines]


def test_a_log_file_goes_on_where_it_ended(tmp_path: Path) -> None:
    for number in range(2):
        file = LogFile(tmp_path / "chat.log", ITALIAN)
        log(file, f"è la {number}")
        file.start()
        assert file.finish()
    assert said((tmp_path / "chat.log").read_text("utf-8")) == ["è la 0", "è la 1"]


class FullDisk:
    """A file whose disk takes so many bytes, and then no more until there is room again."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.content = b""

    def __enter__(self) -> FullDisk:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def write(self, data: bytes) -> int:
        if not self.room:
            raise OSError("No space left on device")
        taken = data[: self.room]
        self.content += taken
        self.room -= len(taken)
        return len(taken)


def test_what_a_full_disk_does_not_take_is_counted_and_told(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "chat.log", ITALIAN)
    file._file.close()
    disk = FullDisk(room=50)
    file._file = disk  # type: ignore[assignment]
    for text in ("a", "x" * 100, "b", "c"):
        file.write(f"2026-01-01 12:00:00,000 INFO {text}")
    disk.room = 10_000
    file.write("2026-01-01 12:00:00,000 INFO e poi")
    first, torn, *rest = disk.content.decode().splitlines()
    assert (said(first), said("\n".join(rest))) == (["a"], [missing(3), "e poi"])
    assert len(torn) < 100, "what was cut is a line of its own"


if sys.platform != "win32":  # which has no pipes among its files

    @pytest.fixture
    def pipe(tmp_path: Path) -> Path:
        path = tmp_path / "chat.log"
        os.mkfifo(path)
        return path

    @pytest.fixture
    def reader(pipe: Path) -> Iterator[int]:
        """A reader of that pipe, who reads when the test does."""
        descriptor = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        yield descriptor
        os.close(descriptor)

    def read_all(reader: int, until: str) -> str:
        """Read a pipe up to a word."""
        content = b""

        def is_there() -> bool:
            nonlocal content
            with contextlib.suppress(BlockingIOError):
                content += os.read(reader, 1 << 20)
            return until.encode() in content

        wait_until(is_there, lambda: content[-500:])
        return content.decode()

    def test_a_pipe_that_nobody_reads_holds_up_neither_the_start_nor_the_room_nor_the_end(pipe: Path) -> None:
        with ServerProgram("--log-file", str(pipe)) as program:
            for _ in range(3):
                LinePeer(program.port, "Ada").close()
            program.interrupt()
            assert program.expect_end()[0] == 0

    def test_a_pipe_keeps_the_log_for_a_reader_who_comes_later_and_for_the_next(pipe: Path) -> None:
        with ServerProgram("--log-file", str(pipe)) as program:
            for name in ("Ada", "Bob"):
                LinePeer(program.port, name).close()
                reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
                content = read_all(reader, "has left the server.")
                os.close(reader)
                assert f"entra come {name}." in content
                said(content)
            program.interrupt()
            assert program.expect_end()[0] == 0

    def test_a_reader_who_sleeps_is_told_later_how_much_is_missing(
        pipe: Path, reader: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("lan_chat.server.log_file.MAX_WAITING_RECORDS", 3)
        file = LogFile(pipe, ITALIAN)
        log(file, *(f"riga {number}" for number in range(5)))
        file.start()
        wait_until(file._texts.empty)
        log(file, "dopo")
        assert file.finish()
        assert said(read_all(reader, "dopo\n")) == ["riga 0", "riga 1", "riga 2", missing(2), "dopo"]

    def test_a_full_pipe_holds_up_nobody_who_logs(pipe: Path, reader: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("lan_chat.server.writer.FINISH_S", 0.01)
        fill(pipe)
        file = LogFile(pipe, ITALIAN)
        file.start()
        log(file, *(f"riga {number}" for number in range(300)))
        assert not file.finish()
        assert "riga 299\n" in read_all(reader, "riga 299\n")
        wait_until(lambda: not file._thread.is_alive())

    @pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
    def test_a_server_whose_log_is_blocked_goes_on_and_can_be_stopped(pipe: Path, reader: int, number: str) -> None:
        fill(pipe)
        with ServerProgram("--log-file", str(pipe)) as program:
            with LinePeer(program.port, "Bob") as bob:
                for _ in range(3):
                    with LinePeer(program.port, "Ada") as ada:
                        ada.say("{quit}")
                        ada.expect_end()
                bob.say("ancora qui")
                bob.expect("Bob: ancora qui\n")
                program.process.send_signal(getattr(signal, number))
                bob.expect("{end_conn}\n")
            status, output = program.expect_end()
            assert (status, output.splitlines()[-1]) == (0, CLOSED)

    @pytest.mark.parametrize("file", ["/dev/null", "/dev/stderr", "/dev/full"])
    def test_a_device_works(file: str) -> None:
        if not Path(file).exists():
            pytest.skip("POSIX asks for none of these")
        with ServerProgram("--log-file", file) as program:
            LinePeer(program.port, "Ada").close()
            program.expect("has left the server.\n")
            program.interrupt()
            assert program.expect_end()[0] == 0

    def test_a_socket_is_one_sentence_and_status_2(tmp_path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(str(tmp_path / "log"))
            with Program(TOP / "chat_server.py", "--port", "0", "--log-file", str(tmp_path / "log")) as program:
                status, output = program.expect_end()
                assert (status, output.count("\n")) == (2, 1)
                assert "--log-file" in output
