"""A server that greets whoever connects, and whose answers the test plays by hand."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from collections.abc import Callable

import protocol
from protocol import EndConn, Event, Events, Hello, Joined, Message, Resume, Welcome
from tests.support.peers import GREETING, Peer, bind, reset
from tests.support.waiting import DEADLINE_S


class ServerPeer(Peer):
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.sock.settimeout(DEADLINE_S)
        self.received = b""

    def tell(self, *events: Event) -> None:
        self.send(b"".join(Events().encode(event) for event in events))

    def welcome(self, name: str, *others: str) -> None:
        """Let the client in that asks for this name."""
        self.expect(f'{{"type":"join","name":"{name}","token":"')
        self.token = self.expect('"}\n').removesuffix('"}\n')
        self.tell(Welcome(name, "token", (*others, name), 0), Joined(1, 0.0, name))

    def next_event(self) -> Event:
        """What the client says next."""
        (event,) = Events().feed(self.expect("\n").encode())
        return event

    def expect_resume(self, token: str, last: int, room: str | None = None) -> None:
        """Read the beginning of a link by which a member comes back."""
        assert self.next_event() == Hello(protocol.VERSION, "it")
        assert self.next_event() == Resume(token, last, room)

    def end(self) -> None:
        """Close as a server that stops does."""
        self.tell(EndConn())
        self.close()

    def break_off(self) -> None:
        """Close as a crash would: with a reset."""
        reset(self.sock)


class PlayedServer:
    """A server that greets whoever comes, and leaves the rest to the test."""

    def __init__(self, greeting: str | bytes = GREETING) -> None:
        self.greeting = greeting.encode() if isinstance(greeting, str) else greeting
        """What the next one is greeted with."""
        self._listener = bind()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        self.port: int = self._listener.getsockname()[1]
        self._peers: queue.SimpleQueue[ServerPeer] = queue.SimpleQueue()
        self._taken: list[ServerPeer] = []
        self._is_listening = False
        self.listen()

    def listen(self) -> None:
        """Take links, also after `stop_listening`."""
        self._is_listening = True
        self._listener.listen()
        self._thread = threading.Thread(target=self._accept, name="played server")
        self._thread.start()

    def _accept(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            if not self._is_listening:  # this is what `stop_listening` wakes us with, or somebody who came too late
                sock.close()
                break
            with contextlib.suppress(OSError):
                sock.sendall(self.greeting)
            self._peers.put(ServerPeer(sock))

    @property
    def peer(self) -> ServerPeer:
        """The first link."""
        return self._taken[0] if self._taken else self.next_peer()

    @property
    def last_peer(self) -> ServerPeer:
        """The last link that a test has asked for."""
        return self._taken[-1]

    @property
    def is_alone(self) -> bool:
        """Whether nobody has come that no test has asked for."""
        return self._peers.empty()

    def next_peer(self) -> ServerPeer:
        """The next link that nobody has asked for yet."""
        self._taken.append(self._peers.get(timeout=DEADLINE_S))
        return self._taken[-1]

    def stop_listening(self) -> None:
        """Refuse who comes from now on."""
        if self._is_listening:
            self._is_listening = False
            with socket.create_connection(("127.0.0.1", self.port), DEADLINE_S):
                self._thread.join()
            self._listener.close()
            self._listener = bind(self.port)

    def close(self) -> None:
        self.stop_listening()
        self._listener.close()
        with contextlib.suppress(queue.Empty):
            while True:
                self._taken.append(self._peers.get_nowait())
        for peer in self._taken:
            peer.close()


Play = Callable[..., PlayedServer]


def message(number: int, text: str, name: str = "Bob", nonce: int | None = None) -> Message:
    return Message(number, 0.0, name, text, nonce)
