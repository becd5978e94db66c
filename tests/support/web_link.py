"""A session that speaks as a page in a browser does: it hears by a stream, and says by a request for each message.

`Session` decides what is said, and when again; here is only how that gets to the server.

Threads of a link: the session's receive thread reads the stream (`incoming`), the link's own makes the requests.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from collections.abc import Iterator
from typing import Any

from lan_chat.client.session import Session, State
from protocol import EndConn, Event, Events, Greeting, Join, Quit, Refused, Resume, Say
from tests.support.web_guests import Answer, Guest, request_bytes

REQUEST_S = 5.0
"""How long a request may take."""


class WebLink:
    """What a page has of a server, with the methods of a `Link`."""

    is_bare = False

    def __init__(self, host: str, port: int) -> None:
        """Look whether there is a server. Raises OSError."""
        self.place = (host, port)
        self.peer = host
        self._token = ""
        self._is_cut = False
        self._outgoing: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._streams: queue.SimpleQueue[Guest | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        """Guards the sockets that `cut` shuts down."""
        self._socks: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._work, name="requests", daemon=True)
        if self._ask("HEAD", "/").status != 200:
            raise ConnectionError("no page")

    def start(self) -> None:
        self._thread.start()

    def put(self, event: Event) -> None:
        self._outgoing.put(event)

    def cut(self) -> None:
        with self._lock:
            self._is_cut = True
            for sock in self._socks:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        self._streams.put(None)

    def close(self) -> None:
        self.cut()
        self._outgoing.put(None)
        if self._thread.ident is not None:
            self._thread.join()
        while not self._streams.empty():  # opened as the link was cut, and read by nobody
            if (guest := self._streams.get()) is not None:
                guest.close()
        self._streams.put(None)  # `incoming` may still wait for it

    def incoming(self) -> Iterator[Event]:
        """Yield what the streams say, one after the other: one on which something was refused is not the last."""
        while (guest := self._streams.get()) is not None:
            last: Event | None = None
            try:
                guest.begin()
                while True:
                    last = guest.next_event()
                    yield last
                    if isinstance(last, EndConn):
                        return
            except AssertionError as error:  # it has ended
                if not isinstance(last, Refused):
                    raise ConnectionAbortedError(str(error)) from error
            finally:
                self._forget(guest.sock)
                guest.close()

    def _work(self) -> None:
        """Make the requests, one after the other. Runs in the link's thread."""
        try:
            while (event := self._outgoing.get()) is not None:
                self._make(event)
                if isinstance(event, Quit):
                    break
        except (OSError, AssertionError):
            self.cut()

    def _make(self, event: Event) -> None:
        match event:
            case Join() | Resume():
                self._token = event.token or ""
                guest = Guest(self.place[1], event)
                try:
                    self._note(guest.sock)
                except ConnectionAbortedError:
                    guest.close()
                    raise
                self._streams.put(guest)
            case Say():
                body = Events().encode(event)
                try:
                    answer = self._post("/say", body)
                except (OSError, AssertionError):  # as a spare connection that was greeted: once more, with its nonce
                    answer = self._post("/say", body)
                if answer.status != 204:
                    raise ConnectionError(f"{answer.status}")
            case Quit():
                self._post("/leave")

    def _post(self, target: str, body: bytes = b"") -> Answer:
        return self._ask("POST", target, {"Lan-Chat-Token": self._token}, body)

    def _ask(self, method: str, target: str, headers: dict[str, str | None] | None = None, body: bytes = b"") -> Answer:
        with socket.create_connection(self.place, REQUEST_S) as sock:
            self._note(sock)
            try:
                sock.sendall(request_bytes(self.place[1], method, target, headers, body))
                data = b""
                while more := sock.recv(65536):
                    data += more
            finally:
                self._forget(sock)
        return Answer(data)

    def _note(self, sock: socket.socket) -> None:
        with self._lock:
            if self._is_cut:
                raise ConnectionAbortedError("the link was cut")
            self._socks.add(sock)

    def _forget(self, sock: socket.socket) -> None:
        with self._lock:
            self._socks.discard(sock)


class WebSession(Session):
    """A session over such links."""

    def connect(self) -> None:
        link: Any = WebLink(self.host, self.port)
        self._link = link
        self.events.put(Greeting())
        self._state = State.CHOOSING

    def _reach(self, place: tuple[str, int]) -> Any:
        try:
            return WebLink(*place)
        except (OSError, AssertionError):
            return None
