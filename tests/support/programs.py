"""The programs, ours and the original's, as processes; what they print is read up to a deadline."""

from __future__ import annotations

import codecs
import ctypes
import io
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from lan_chat.process import UDP_PORT_VARIABLE
from tests.support.waiting import DEADLINE_S

TOP = Path(__file__).resolve().parent.parent.parent
ORIGINAL = TOP / "tests" / "original"
ON_WINE = sys.platform == "win32" and hasattr(ctypes.windll.ntdll, "wine_get_version")
"""Whether this Windows is wine, of which some of its own faults are known; a test that meets one says which."""
PATIENT = ("--greeting-wait", str(DEADLINE_S))
"""The options of a server that waits for a client's first word for as long as a test waits: all have to speak first."""
SomeProgram = TypeVar("SomeProgram", bound="Program")


class Program:
    """One of the programs as a process; what it prints is collected by a thread."""

    def __init__(self, *command: str | Path, stdin: int | None = subprocess.PIPE, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-u", *map(str, command)],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={UDP_PORT_VARIABLE: "0", **os.environ, "PYTHONIOENCODING": "utf-8", **environment},
            creationflags=0x200 if sys.platform == "win32" else 0,  # CREATE_NEW_PROCESS_GROUP, for `interrupt`
        )
        self._start_reading()

    def __enter__(self: SomeProgram) -> SomeProgram:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()
        if self.process.stdin is not None:
            self.process.stdin.close()

    def _start_reading(self) -> None:
        self.output = ""
        self._chunks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        # A chunk may end inside a character, or between CR and LF.
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._decoder = io.IncrementalNewlineDecoder(decoder, translate=False)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        while data := os.read(self.process.stdout.fileno(), 65536):
            self._chunks.put(data)
        self._chunks.put(b"")

    def _decode(self, data: bytes, is_last: bool = False) -> str:
        return self._decoder.decode(data, is_last).replace("\r\n", "\n")

    def type(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def type_row(self, text: str) -> None:
        """Type into the original's client, which reads JSON."""
        self.type(json.dumps(text) + "\n")

    def end_input(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def expect(self, word: str) -> str:
        """Read what it prints up to a word, and give all up to its end."""
        deadline = time.monotonic() + DEADLINE_S
        searched = 0
        while self.output.find(word, searched) < 0:
            try:
                data = self._chunks.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                data = b""
            if not data:
                raise AssertionError(f"{word!r} was not printed; instead: {self.output!r}")
            searched = max(0, len(self.output) - len(word))
            self.output += self._decode(data)
        end = self.output.index(word) + len(word)
        text, self.output = self.output[:end], self.output[end:]
        return text

    def expect_row(self, row: str) -> None:
        """Read up to a row that the original's client shows."""
        self.expect(json.dumps(row) + "\n")

    def interrupt(self) -> None:
        """Press Ctrl+C; on Windows, where a process group has no Ctrl+C, Ctrl+Break."""
        if ON_WINE:
            import pytest  # which the scripts do without

            pytest.skip("wine sends no Ctrl+Break to a process group: WinError 6 or 12, with a console and without")
        if sys.platform == "win32":
            self.process.send_signal(signal.CTRL_BREAK_EVENT)
        else:
            self.process.send_signal(signal.SIGINT)

    def expect_end(self) -> tuple[int, str]:
        """Wait for its end, and give its exit status and the rest of its output."""
        status = self.process.wait(DEADLINE_S)
        self._reader.join()
        rest = b"".join(iter(self._chunks.get, b""))
        self.output += self._decode(rest, is_last=True)
        return status, self.output


class ServerProgram(Program):
    """`python chat_server.py` on a port that was free; whose link breaks has left, unless `options` say otherwise."""

    def __init__(
        self,
        *options: str,
        stdin: int = subprocess.DEVNULL,
        program: Sequence[str | Path] = (TOP / "chat_server.py",),
    ) -> None:
        usual = [*("--host", "127.0.0.1", "--port", "0", "--grace", "0", "--backlog", "0")]
        usual += ["--greeting-wait", "0.02", "--max-per-host", "0"]
        # One heap for all threads: else the C library gives each some of its own, and who measures whether memory grows
        # measures by chance which of them has which holes.
        super().__init__(*program, *usual, *options, stdin=stdin, MALLOC_ARENA_MAX="1")
        self.expect("127.0.0.1  port")
        self.port = int(self.expect("\n").split()[-1])
        if not {"--web", "--code"} & set(options):
            self.expect(f"http://127.0.0.1:{self.port}/\n")


class OriginalServer(Program):
    """The stand-in for the original's server, on a port that was free."""

    def __init__(self) -> None:
        super().__init__(ORIGINAL / "chat_server.py", "--port", "0")
        self.expect("Port: ")
        self.port = int(self.expect("\n"))


class OriginalClient(Program):
    """The stand-in for the original's client, without its window."""

    def __init__(self, port: int, *options: str) -> None:
        super().__init__(ORIGINAL / "chat_client.py", "--headless", *options)
        self.type(f"127.0.0.1\n{port}\n")


def hold(module: str, *options: str) -> None:
    """Run a chaos program, and fail where it did not hold, with what it printed."""
    chaos = subprocess.run(
        [sys.executable, "-m", module, *options],
        cwd=TOP,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=180,
    )
    assert chaos.returncode == 0, chaos.stdout
    assert chaos.stdout.endswith("It held.\n")
