"""The bytes that wait to be sent to one client.

Delivery thread only. The socket is closed elsewhere, by the client's own thread.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections import deque
from collections.abc import Sequence

import protocol
from lan_chat.server.secured import Secured

NO_WAIT: int = getattr(socket, "MSG_DONTWAIT", 0)
"""Has a `send` not block on a socket that does; 0 on Windows, which has no such flag: there the socket must not block.

A socket that blocks has its reader wait in one system call instead of two, so the reader asks for the interpreter once.
"""
BARE_QUEUE = 50
"""Messages that may wait for a bare peer's pauses (half a second's worth) before some of them share a `send`."""
MERGED_BYTES = 64 * 1024
"""Bytes that are merged for one `send`, out of many chunks."""
STALL_S, LONGEST_STALL_S = 0.005, 0.040
"""How long a socket that took not all is left alone: twice as long each time that it takes nothing, and at most."""


class Outbox:
    """The bytes that wait to be sent to one client. Delivery thread only; no write blocks.

    A chunk is sent at once as far as the socket takes it; the rest waits for `flush`. For a bare peer a chunk is one
    message, and each has its own `send`, BARE_PAUSE_S apart. When more than BARE_QUEUE wait, as many whole ones as fit
    into its `recv` share a `send`: cut anywhere else, a text could begin a row, and look like another member's message.
    The more waits, the shorter is the pause: it is ours, so it must not count against the peer.

    A socket that takes no more is left alone for a while: many that read nothing, tried in each turn, cost the others.

    In a room with a code a chunk is encrypted when it is its turn; from then on nothing of it can be discarded.
    """

    def __init__(self, sock: socket.socket, secured: Secured | None = None) -> None:
        # A second socket object of the same descriptor: the client's thread may read with a time limit, we never block.
        self._sock = socket.socket(sock.family, sock.type, sock.proto, fileno=sock.fileno())
        if not NO_WAIT:
            self._sock.setblocking(False)
        self._secured = secured
        self._sealed = memoryview(b"")
        """What was encrypted, and waits to be sent before all else."""
        self._chunks: deque[bytes | memoryview] = deque()
        self._chunks_bytes = 0
        self.due_at = 0.0
        """Before this `flush` has nothing to do; on `time.monotonic`."""
        self._stall_s = 0.0
        """How long the socket is left alone for what it did not take; 0 where it took all."""
        self._sent_at = 0.0
        """When a bare peer's last chunk was tried."""
        self._farewell = b""
        """The control word that a bare peer is sent last."""
        self.is_paced = True
        """Whether this is a bare peer, as each is until the client's thread recognises another dialect."""

    @property
    def unsent_bytes(self) -> int:
        """How much waits to be sent."""
        return self._chunks_bytes + len(self._sealed)

    def detach(self) -> None:
        """Release the descriptor. Has to be called before the connection closes its socket."""
        self._sock.detach()

    def shut_down(self) -> None:
        """Tell the other side that nothing more will come."""
        with contextlib.suppress(OSError):  # it has gone
            self.say_end()
            self._sock.shutdown(socket.SHUT_WR)

    def say_end(self) -> None:
        """Say in TLS that nothing more comes, if all was sent: without that, an end may be forged."""
        with contextlib.suppress(OSError):
            if self._secured is not None and not self._chunks and self._send_sealed():
                self._sealed = memoryview(self._secured.close())
                self._send_sealed()

    def push_all(self, chunks: Sequence[bytes]) -> None:
        """Send chunks, and keep what the socket does not take. Raises OSError where the connection has failed."""
        if self.is_paced:  # of many only the first may be due: one look at the clock is enough
            self._chunks.extend(chunks)
            self._chunks_bytes += sum(map(len, chunks))
            self.flush()
        else:
            for chunk in chunks:
                self.push(chunk)

    def push(self, chunk: bytes) -> None:
        """Send a chunk to a peer that is not bare, and keep what the socket does not take. Raises OSError."""
        if self._chunks or self._sealed:
            self._keep(chunk)
            return
        sent = self._send(chunk)
        if sent < len(chunk):
            self._keep(memoryview(chunk)[sent:])

    def flush(self) -> bool:
        """Send what is due, and return whether nothing is left. Raises OSError where the connection has failed."""
        if self.unsent_bytes and time.monotonic() < self.due_at:
            return False
        if not self._send_sealed() or not self._flush_chunks():
            return False
        if self._farewell:
            if time.monotonic() < self._sent_at + protocol.BARE_FAREWELL_S:
                self.due_at = self._sent_at + protocol.BARE_FAREWELL_S
                return False
            self._farewell = self._farewell[self._send(self._farewell) :]
        return not (self._farewell or self._sealed)

    def _flush_chunks(self) -> bool:
        while self._chunks:
            if self.is_paced:
                if time.monotonic() < self.due_at:
                    return False
                if len(self._chunks) > BARE_QUEUE:
                    self._merge(protocol.BARE_RECV_BYTES)
            else:
                self._merge(MERGED_BYTES)
            chunk = self._chunks.popleft()
            sent = self._send(chunk)
            if self.is_paced:
                self._sent_at = time.monotonic()
                self.due_at = max(self.due_at, self._sent_at + self._pause_s())
            self._chunks_bytes -= sent
            if sent < len(chunk):
                self._chunks.appendleft(memoryview(chunk)[sent:])
                return False
            if self._sealed:
                return False
        return True

    def clear(self) -> None:
        """Discard what was not sent."""
        self._chunks.clear()
        self._farewell = b""
        self._chunks_bytes = 0

    @property
    def is_crowded(self) -> bool:
        """Whether so much waits for a bare peer that the pauses are shorter."""
        return self.is_paced and len(self._chunks) > BARE_QUEUE

    def push_last(self, control_word: bytes) -> None:
        """Send a control word after all else; to a bare peer as a `recv` of its own: merged, it means nothing to it.

        Raises OSError where the connection has failed.
        """
        if self.is_paced:
            self._farewell = control_word
            self.flush()
        else:
            self.push(control_word)

    def keep_first(self) -> None:
        """Discard what was not sent, but for the rest of a chunk that was begun."""
        begun = self._chunks[0] if self._chunks and isinstance(self._chunks[0], memoryview) else None
        self.clear()
        if begun is not None:
            self._keep(begun)

    def skip_to_farewell(self) -> bool:
        """Discard what waits before a control word, and return whether there was something and one to send."""
        if not (self._farewell and self._chunks):
            return False
        farewell = self._farewell
        self.keep_first()
        has_skipped = not self._chunks
        self._farewell = farewell
        return has_skipped

    def _pause_s(self) -> float:
        """Return how long a bare peer is left alone after a `send`."""
        pause_s = protocol.BARE_PAUSE_S * BARE_QUEUE / max(BARE_QUEUE, len(self._chunks))
        return max(protocol.BARE_SHORTEST_PAUSE_S, pause_s)

    def _merge(self, max_bytes: int) -> None:
        """Replace the first chunks by one: as many whole ones as fit into `max_bytes`."""
        merged = [self._chunks.popleft()]
        size = len(merged[0])
        while self._chunks and size + len(self._chunks[0]) <= max_bytes:
            merged.append(self._chunks.popleft())
            size += len(merged[-1])
        self._chunks.appendleft(b"".join(merged) if len(merged) > 1 else merged[0])

    def _keep(self, chunk: bytes | memoryview) -> None:
        self._chunks.append(chunk)
        self._chunks_bytes += len(chunk)

    def _send(self, chunk: bytes | memoryview) -> int:
        """Send what the socket takes of a chunk, and return how much that is; what is encrypted counts as sent."""
        if self._secured is None:
            return self._send_now(chunk)
        taken = 0
        while taken < len(chunk) and self._send_sealed():
            piece = chunk[taken : taken + MERGED_BYTES]
            sealed = self._secured.encrypt(piece)
            taken += len(piece)
            sent = self._send_now(sealed)
            if sent < len(sealed):
                self._sealed = memoryview(sealed)[sent:]
        return taken

    def _send_sealed(self) -> bool:
        """Send what is encrypted already, and return whether nothing of that is left."""
        if self._sealed:
            self._sealed = self._sealed[self._send_now(self._sealed) :]
        return not self._sealed

    def _send_now(self, data: bytes | memoryview) -> int:
        try:
            sent = self._sock.send(data, NO_WAIT)
        except (BlockingIOError, InterruptedError):
            sent = 0
        if sent == len(data):
            self._stall_s = 0.0
        else:
            self._stall_s = STALL_S if sent else min(max(STALL_S, 2 * self._stall_s), LONGEST_STALL_S)
            self.due_at = time.monotonic() + self._stall_s
        return sent
