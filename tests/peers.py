"""Who talks in the tests: clients over raw sockets in each dialect, and the programs as processes.

Every read has a deadline, and says what it had got by then when it gives up.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import protocol
from protocol import Event, Events, Hello, Join, Say, Welcome

DEADLINE_S = 10.0
TOP = Path(__file__).resolve().parent.parent
ORIGINAL = TOP / "tests" / "original"
GREETING = protocol.ITALIAN.greeting + protocol.MARK

Wanted = TypeVar("Wanted", bound=Event)
SomePeer = TypeVar("SomePeer", bound="Peer")
SomeProgram = TypeVar("SomeProgram", bound="Program")


def wait_until(condition: Callable[[], object], tell: Callable[[], object] = lambda: "") -> None:
    """Poll for something that gives no event of its own; `tell` says what there was instead."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"it never came true; instead: {tell()}")
        time.sleep(0.005)


class Peer:
    """A plain TCP client. What it is taken for depends on what it sends."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.sock = socket.create_connection((host, port), DEADLINE_S)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""

    def __enter__(self: SomePeer) -> SomePeer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, data: str | bytes) -> None:
        self.sock.sendall(data.encode() if isinstance(data, str) else data)

    def recv(self) -> bytes:
        """What one `recv` gives, as the original's client reads."""
        return self.sock.recv(protocol.BARE_RECV_BYTES)

    def expect(self, word: str) -> str:
        """Read up to a word, and give all up to its end."""
        wanted = word.encode()
        while wanted not in self.received:
            try:
                data = self.sock.recv(65536)
            except TimeoutError:
                data = b""
            if not data:
                raise AssertionError(f"{word!r} did not come; instead: {self.received.decode(errors='replace')!r}")
            self.received += data
        end = self.received.index(wanted) + len(wanted)
        text, self.received = self.received[:end].decode(), self.received[end:]
        return text

    def expect_end(self) -> str:
        """Read up to the end of the stream, and give all of it."""
        while data := self.sock.recv(65536):
            self.received += data
        text, self.received = self.received.decode(), b""
        return text

    def close(self) -> None:
        self.sock.close()


class LinePeer(Peer):
    """A member that speaks lines, as netcat does."""

    def __init__(self, port: int, name: str) -> None:
        super().__init__(port)
        self.expect(GREETING)
        self.say(name)
        self.expect(f"{name} si è unito alla chat!\n")

    def say(self, text: str) -> None:
        self.send(text + "\n")


class BarePeer(Peer):
    """A member that speaks bare, as the original's client does; it reads one `recv` at a time."""

    def __init__(self, port: int, name: str) -> None:
        super().__init__(port)
        assert self.recv().decode() == GREETING
        self.send(name)
        assert self.recv().decode() == protocol.ITALIAN.welcome.format(name=name)
        assert self.recv().decode() == protocol.ITALIAN.joined.format(name=name)

    def say(self, text: str) -> None:
        self.send(text)


class EventPeer(Peer):
    """A client that speaks events; a member if it has a name."""

    def __init__(self, port: int, name: str = "") -> None:
        super().__init__(port)
        self.decoder = Events(protocol.MAX_SERVER_LINE_BYTES)
        self.waiting: list[Event] = []
        self.nonce = 0
        self.expect(GREETING)
        self.tell(Hello(protocol.VERSION, "it"))
        if name:
            self.tell(Join(name))
            self.welcome = self.expect_event(Welcome)
            self.expect_event(protocol.Joined)

    def tell(self, event: Event) -> None:
        self.send(self.decoder.encode(event))

    def say(self, text: str) -> None:
        self.nonce += 1
        self.tell(Say(text, self.nonce))

    def next_event(self) -> Event:
        """The next event; fails when the stream ends."""
        while not self.waiting:
            data = self.sock.recv(65536)
            assert data, "the server closed the connection"
            self.waiting = self.decoder.feed(data)
        return self.waiting.pop(0)

    def expect_event(self, kind: type[Wanted]) -> Wanted:
        """The next event, which must be of this kind."""
        event = self.next_event()
        assert isinstance(event, kind), event
        return event

    def events_until(self, last_text: str) -> list[Event]:
        """All events up to the message with this text, that included."""
        events = [self.next_event()]
        while getattr(events[-1], "text", None) != last_text:
            events.append(self.next_event())
        return events


class Program:
    """One of the programs as a process; what it prints is collected by a thread."""

    def __init__(self, *command: str | Path, stdin: int | None = subprocess.PIPE, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-u", *map(str, command)],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
            creationflags=0x200 if sys.platform == "win32" else 0,  # CREATE_NEW_PROCESS_GROUP, for `interrupt`
        )
        self.output = ""
        self._chunks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

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

    def _read(self) -> None:
        assert self.process.stdout is not None
        while data := os.read(self.process.stdout.fileno(), 65536):
            self._chunks.put(data)
        self._chunks.put(b"")

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
        while word not in self.output:
            try:
                data = self._chunks.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                data = b""
            if not data:
                raise AssertionError(f"{word!r} was not printed; instead: {self.output!r}")
            self.output += data.decode(errors="replace").replace("\r\n", "\n")
        end = self.output.index(word) + len(word)
        text, self.output = self.output[:end], self.output[end:]
        return text

    def expect_row(self, row: str) -> None:
        """Read up to a row that the original's client shows."""
        self.expect(json.dumps(row) + "\n")

    def interrupt(self) -> None:
        """Press Ctrl+C; on Windows, where a process group has no Ctrl+C, Ctrl+Break."""
        if sys.platform == "win32":
            self.process.send_signal(signal.CTRL_BREAK_EVENT)
        else:
            self.process.send_signal(signal.SIGINT)

    def expect_end(self) -> tuple[int, str]:
        """Wait for its end, and give its exit status and the rest of its output."""
        status = self.process.wait(DEADLINE_S)
        self._reader.join()
        while data := self._chunks.get():
            self.output += data.decode(errors="replace").replace("\r\n", "\n")
        return status, self.output


class ServerProgram(Program):
    """`python chat_server.py` on a port that was free."""

    def __init__(self, *options: str, stdin: int = subprocess.DEVNULL) -> None:
        super().__init__(TOP / "chat_server.py", "--host", "127.0.0.1", "--port", "0", *options, stdin=stdin)
        self.expect("127.0.0.1  port")
        self.port = int(self.expect("\n").split()[-1])


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
