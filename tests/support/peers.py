"""Who talks in the tests: clients over raw sockets in each dialect, and the programs as processes.

Every read has a deadline, and says what it had got by then when it gives up.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import queue
import select
import signal
import socket
import struct
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
TOP = Path(__file__).resolve().parent.parent.parent
ORIGINAL = TOP / "tests" / "original"
GREETING = protocol.ITALIAN.greeting + protocol.MARK
ON_WINE = sys.platform == "win32" and hasattr(ctypes.windll.ntdll, "wine_get_version")
"""Whether this Windows is wine, of which some of its own faults are known; a test that meets one says which."""

Wanted = TypeVar("Wanted", bound=Event)
SomePeer = TypeVar("SomePeer", bound="Peer")
SomeProgram = TypeVar("SomeProgram", bound="Program")
SomeProxy = TypeVar("SomeProxy", bound="Proxy")


def wait_until(condition: Callable[[], object], tell: Callable[[], object] = lambda: "") -> None:
    """Poll for something that gives no event of its own; `tell` says what there was instead."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"it never came true; instead: {tell()}")
        time.sleep(0.005)


def bind(port: int = 0) -> socket.socket:
    """Take a port of this machine, without listening yet: whoever asks for a connection is refused."""
    sock = socket.socket()
    if sys.platform != "win32":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    return sock


def reset(sock: socket.socket) -> None:
    """Break a connection without a goodbye."""
    linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    sock.close()


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
            self.before: list[Event] = []
            """The notice and the backlog that it was shown on arrival."""
            while not isinstance(event := self.next_event(), protocol.Joined):
                self.before.append(event)

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


class Proxy:
    """The network between a client and a server: it hands on what each says, until somebody pulls the plug.

    One thread owns all its sockets. What is public may be called from any other one, and has happened when it returns.
    """

    def __init__(self, to_port: int) -> None:
        self.links = 0
        """How many there have been, those included that did not come through to the server."""
        self._to_port = to_port
        self._listener = bind()
        self.port: int = self._listener.getsockname()[1]
        self._listener.listen()
        self._is_open = True
        self._peer_of: dict[socket.socket, socket.socket] = {}
        """The other end of each link's two sockets."""
        self._clients: set[socket.socket] = set()
        """Those of them that a client is at."""
        self._unsent: dict[socket.socket, bytes] = {}
        self._ended: set[socket.socket] = set()
        """Those that will say no more."""
        self._frozen_ways: tuple[bool, bool] = (False, False)
        """Whether nothing passes from the clients, and from the server."""
        self._bytes_left: int | None = None
        """After how many more bytes from the clients the links break; None: never."""
        self._orders: queue.SimpleQueue[tuple[Callable[[], object], threading.Event]] = queue.SimpleQueue()
        self._bell, self._ear = socket.socketpair()
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="proxy")
        self._thread.start()

    def __enter__(self: SomeProxy) -> SomeProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def cut(self, resets: bool = False) -> None:
        """Break all links that there are, and lose what was on its way; both sides see an end, or a reset."""
        self._order(lambda: self._break_all(resets))

    def cut_after(self, count: int) -> None:
        """Break all links once the clients have said so many bytes more, be it on a link that is not there yet."""
        self._order(lambda: setattr(self, "_bytes_left", count))

    def lead_to(self, port: int) -> None:
        """Lead new links to another server."""
        self._order(lambda: setattr(self, "_to_port", port))

    def freeze(self, from_clients: bool = True, from_server: bool = True) -> None:
        """Let nothing through, as behind a cable that was pulled; nobody is told. New links are taken, in silence."""
        self._order(lambda: setattr(self, "_frozen_ways", (from_clients, from_server)))

    def thaw(self) -> None:
        """Let everything through again, and what was held up first."""
        self._order(lambda: setattr(self, "_frozen_ways", (False, False)))

    def refuse(self) -> None:
        """Take no more links: who asks for one is refused. Those that there are go on."""
        self._order(self._shut)

    def allow(self) -> None:
        """Take links again, at the same port."""
        self._order(self._open)

    def close(self) -> None:
        """Break everything, and end the thread. May be called twice."""
        if self._thread.is_alive():
            self._order(lambda: setattr(self, "_is_closing", True))
            self._thread.join()

    def _order(self, action: Callable[[], object]) -> None:
        done = threading.Event()
        self._orders.put((action, done))
        self._bell.send(b"!")
        assert done.wait(DEADLINE_S), "the proxy does not answer"

    # Below: in the proxy's thread.

    def _run(self) -> None:
        try:
            while not self._is_closing:
                self._pass_on()
        finally:
            self._break_all()
            for sock in (self._listener, self._bell, self._ear):
                sock.close()

    def _pass_on(self) -> None:
        moving = [sock for sock in self._peer_of if not self._frozen_ways[sock not in self._clients]]
        readers = [sock for sock in moving if sock not in self._ended and not self._unsent[self._peer_of[sock]]]
        writers = [self._peer_of[sock] for sock in moving if self._unsent[self._peer_of[sock]]]
        doors = [self._listener] if self._is_open else []
        readable, writable, _ = select.select([self._ear, *doors, *readers], writers, [])
        for sock in writable:
            self._write(sock)
        for sock in readable:
            if sock is self._listener:
                self._accept()
            elif sock is not self._ear and sock in self._peer_of:  # or it was broken a moment ago
                self._read(sock)
        if self._ear in readable:  # last: it may close any of the others
            self._ear.recv(1)
            action, done = self._orders.get()
            action()
            done.set()

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        self.links += 1
        try:
            server = socket.create_connection(("127.0.0.1", self._to_port), DEADLINE_S)
        except OSError:  # as behind a router: there is a network, and nobody at home
            client.close()
            return
        for sock, peer in ((client, server), (server, client)):
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._peer_of[sock], self._unsent[sock] = peer, b""
        self._clients.add(client)

    def _read(self, sock: socket.socket) -> None:
        try:
            data = sock.recv(65536)
        except OSError:
            self._break(sock)
            return
        peer = self._peer_of[sock]
        if self._bytes_left is not None and sock in self._clients:
            data = data[: self._bytes_left]
            self._bytes_left -= len(data)
        if data:
            self._unsent[peer] = data
            self._write(peer)
            if self._bytes_left == 0:
                self._bytes_left = None
                self._break_all()
            return
        self._ended.add(sock)
        if peer in self._ended:
            self._break(sock)
        else:
            with contextlib.suppress(OSError):
                peer.shutdown(socket.SHUT_WR)

    def _write(self, sock: socket.socket) -> None:
        try:
            sent = sock.send(self._unsent[sock])
        except BlockingIOError:
            return
        except OSError:
            self._break(sock)
            return
        self._unsent[sock] = self._unsent[sock][sent:]

    def _break(self, sock: socket.socket, resets: bool = False) -> None:
        for end in (sock, self._peer_of.get(sock, sock)):
            if resets:
                reset(end)
            end.close()
            self._peer_of.pop(end, None)
            self._unsent.pop(end, None)
            self._clients.discard(end)
            self._ended.discard(end)

    def _break_all(self, resets: bool = False) -> None:
        for sock in list(self._clients):
            self._break(sock, resets)

    def _shut(self) -> None:
        if self._is_open:
            self._is_open = False
            self._listener.close()
            self._listener = bind(self.port)  # and not `listen`: nobody else gets the port meanwhile

    def _open(self) -> None:
        if not self._is_open:
            self._is_open = True
            self._listener.listen()


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
        while data := self._chunks.get():
            self.output += data.decode(errors="replace").replace("\r\n", "\n")
        return status, self.output


class ServerProgram(Program):
    """`python chat_server.py` on a port that was free; whose link breaks has left, unless `options` say otherwise."""

    def __init__(self, *options: str, stdin: int = subprocess.DEVNULL) -> None:
        usual = ("--host", "127.0.0.1", "--port", "0", "--grace", "0", "--backlog", "0")
        super().__init__(TOP / "chat_server.py", *usual, *options, stdin=stdin)
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
