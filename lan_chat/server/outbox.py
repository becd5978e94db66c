"""What is on its way to one client. Belongs to the delivery thread."""

from __future__ import annotations

import socket
import time
from collections import deque

import protocol

BARE_QUEUE = 50
"""Messages that may wait for a bare peer's pauses (half a second's worth) before some of them share a `send`."""
MERGED_BYTES = 64 * 1024
"""What is put together for one `send` out of many chunks."""


class Outbox:
    """What is on its way to one client. Belongs to the delivery thread; no write blocks.

    A chunk goes out at once if the socket takes it. What it does not take waits for `flush`. For a bare peer a chunk
    is one message: each has a `send` of its own, BARE_PAUSE_S apart. When BARE_QUEUE of them wait, as many whole ones
    as fit into its `recv` go together: cut anywhere else, somebody's text could begin a row, and look like another's.
    """

    def __init__(self, sock: socket.socket) -> None:
        # A second view of the same descriptor: the client's thread reads with a time limit, we write with none.
        self._sock = socket.socket(sock.family, sock.type, sock.proto, fileno=sock.fileno())
        self._sock.setblocking(False)
        self._chunks: deque[bytes | memoryview] = deque()
        self._next_at = 0.0
        self.is_paced = True
        """Whether this is a bare peer; everybody is, until the client's thread finds another dialect."""
        self.unsent_bytes = 0

    def detach(self) -> None:
        """Give up the descriptor, which somebody else closes; call it before that."""
        self._sock.detach()

    def push(self, chunk: bytes) -> None:
        """Send a chunk, or keep what the socket does not take. Raises OSError where the connection has failed."""
        if not self._chunks and not self.is_paced:
            sent = self._send(chunk)
            if sent == len(chunk):
                return
            self._keep(memoryview(chunk)[sent:])
        else:
            self._keep(chunk)
            if self.is_paced:
                self.flush()

    def flush(self) -> bool:
        """Send what is due and tell whether nothing is left. Raises OSError where the connection has failed."""
        while self._chunks:
            if self.is_paced:
                if time.monotonic() < self._next_at:
                    return False
                if len(self._chunks) > BARE_QUEUE:
                    self._merge(protocol.BARE_RECV_BYTES)
            else:
                self._merge(MERGED_BYTES)
            chunk = self._chunks.popleft()
            sent = self._send(chunk)
            self._next_at = time.monotonic() + protocol.BARE_PAUSE_S
            self.unsent_bytes -= sent
            if sent < len(chunk):
                self._chunks.appendleft(memoryview(chunk)[sent:])
                return False
        return True

    def clear(self) -> None:
        """Forget what was not sent."""
        self._chunks.clear()
        self.unsent_bytes = 0

    def _merge(self, max_bytes: int) -> None:
        """Make one chunk of the first ones, as many whole ones as fit."""
        merged = [self._chunks.popleft()]
        size = len(merged[0])
        while self._chunks and size + len(self._chunks[0]) <= max_bytes:
            merged.append(self._chunks.popleft())
            size += len(merged[-1])
        self._chunks.appendleft(b"".join(merged) if len(merged) > 1 else merged[0])

    def _keep(self, chunk: bytes | memoryview) -> None:
        self._chunks.append(chunk)
        self.unsent_bytes += len(chunk)

    def _send(self, chunk: bytes | memoryview) -> int:
        try:
            return self._sock.send(chunk)
        except (BlockingIOError, InterruptedError):
            return 0
