"""A room with a code, for the client's tests: a front with TLS before a real server, whose links the test can cut."""

from __future__ import annotations

import contextlib
import select
import socket
import threading

from lan_chat.rooms import Found, Room
from lan_chat.secure import Channel
from protocol import EndConn, Events, Reason, Refused
from tests.support.peers import GREETING, bind, reset

CODE, OTHER_CODE = "babacocodidifofo", "babacocodidifofi"
"""The room's code, and one that a person may have heard instead."""
LOOK_S = 0.02
GREETING_WAIT_S = 0.05


class CodedFront:
    """Takes links for a server: in TLS with the key, and refuses those that are not."""

    def __init__(self, to_port: int, key: bytes, port: int = 0) -> None:
        self.key = key
        """What the next link has to prove."""
        self.heard = b""
        """All bytes that came, as they were on the wire."""
        self.links = 0
        """How many links proved the key."""
        self.greets_first = 0
        """How many of the next links are greeted in plain, as if their first packet had been lost."""
        self._to_port = to_port
        self._listener = bind(port)
        self._listener.listen()
        self.port: int = self._listener.getsockname()[1]
        self._is_closing = False
        self._cuts = 0
        self._threads = [threading.Thread(target=self._accept, name="front")]
        self._threads[0].start()

    def cut(self) -> None:
        """Break all links that there are."""
        self._cuts += 1

    def close(self) -> None:
        """Take no more links, and break those that there are. May be called twice."""
        if not self._is_closing:
            self._is_closing = True
            for thread in self._threads:
                thread.join()
            self._listener.close()

    def _accept(self) -> None:
        while not self._is_closing:
            if select.select([self._listener], [], [], LOOK_S)[0]:
                sock, _ = self._listener.accept()
                self._threads.append(threading.Thread(target=self._serve, args=(sock,), name="front link"))
                self._threads[-1].start()

    def _serve(self, sock: socket.socket) -> None:
        greets_first, self.greets_first = self.greets_first > 0, max(0, self.greets_first - 1)
        with sock, contextlib.suppress(OSError):
            if greets_first or not select.select([sock], [], [], GREETING_WAIT_S)[0]:
                sock.sendall(GREETING.encode())
            first = sock.recv(4096)
            self.heard += first
            if first.startswith(b"\x16\x03"):
                if not greets_first:
                    self._serve_secretly(sock, first)
            elif first:
                sock.sendall(Events().encode(Refused(Reason.CODE.value)) + Events().encode(EndConn()))
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(4096):
                    pass

    def _serve_secretly(self, sock: socket.socket, first: bytes) -> None:
        channel, cuts = Channel(self.key, is_server=True), self._cuts
        with socket.create_connection(("127.0.0.1", self._to_port)) as inner:
            data = first
            while not self._is_closing and cuts == self._cuts:
                was_open = channel.is_open
                try:
                    said = channel.receive(data) if data else b""
                finally:
                    sock.sendall(channel.take_outgoing())
                self.links += channel.is_open and not was_open
                inner.sendall(said)
                data = b""
                for ready in select.select([sock, inner] if channel.is_open else [sock], [], [], LOOK_S)[0]:
                    more = ready.recv(65536)
                    if not more:
                        return
                    if ready is sock:
                        self.heard += more
                        data = more
                    else:
                        sock.sendall(channel.encrypt(more))
            reset(sock)


def found_at(port: int, needs_code: bool = True, room_id: str = "a") -> Found:
    """Return a room as a search finds it on this machine."""
    return Found(Room(room_id, "Aula 3", port, 2, needs_code), "127.0.0.1")
