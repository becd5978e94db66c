"""A network between a client and a server that the test can cut, freeze and refuse."""

from __future__ import annotations

import contextlib
import queue
import select
import socket
import threading
from collections.abc import Callable
from typing import TypeVar

from tests.support.peers import bind, reset
from tests.support.waiting import DEADLINE_S

SomeProxy = TypeVar("SomeProxy", bound="Proxy")


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
            if sock in self._peer_of:  # or its other end has just broken
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
