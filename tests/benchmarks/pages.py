"""The load of guests by browser: each hears by a stream, and says by a request for each message, one at a time."""

from __future__ import annotations

import contextlib
import selectors
import socket
from collections import deque

from tests.support.web_guests import request_bytes


class Talker:
    """What one guest says: the requests that wait, and the one that is under way. No call blocks."""

    def __init__(self, port: int, source: str, token: str, selector: selectors.BaseSelector) -> None:
        self._port, self._source, self._token = port, source, token
        self._selector = selector
        self._waiting: deque[bytes] = deque()
        self._sock: socket.socket | None = None
        self._unsent = b""
        self._answer = b""

    def say(self, body: bytes) -> None:
        """Have a message said after those that wait."""
        self._waiting.append(body)
        if self._sock is None:
            self._begin()

    def proceed(self) -> None:
        """Go on with the request, for which the socket is ready."""
        assert self._sock is not None
        with contextlib.suppress(BlockingIOError):
            if self._unsent:
                self._unsent = self._unsent[self._sock.send(self._unsent) :]
                if not self._unsent:
                    self._selector.modify(self._sock, selectors.EVENT_READ, self)
                return
            data = self._sock.recv(65536)
            self._answer += data
            if not data:
                self._end()

    def _begin(self) -> None:
        self._answer, headers = b"", {"Lan-Chat-Token": self._token}
        self._unsent = request_bytes(self._port, "POST", "/say", headers, self._waiting.popleft())
        self._sock = socket.socket()
        self._sock.setblocking(False)
        self._sock.bind((self._source, 0))
        self._sock.connect_ex(("127.0.0.1", self._port))
        self._selector.register(self._sock, selectors.EVENT_WRITE, self)

    def _end(self) -> None:
        assert self._sock is not None
        if not self._answer.startswith(b"HTTP/1.1 204 "):
            raise SystemExit(f"a request was answered {self._answer[:100]!r}")
        self._selector.unregister(self._sock)
        self._sock.close()
        self._sock = None
        if self._waiting:
            self._begin()
