"""A socket whose bytes go through TLS, with the key of a room's code.

Threads: the one that connects calls `shake_hands`, `sendall` and `recv`, before any other; then the receive thread
calls `decrypt` and the send thread `encrypt`, which send and receive by themselves. The lock is for the TLS object, of
which one thread at a time may make use; nothing is sent or waited for while it is held. Who made the socket closes it.
"""

from __future__ import annotations

import socket
import threading
import time

from lan_chat.secure import Channel

MAX_TIMEOUT_S = 10.0
"""How long each step of the handshake may take: a server has an address wait that has tried wrong codes."""
RECV_BYTES = 64 * 1024
MAX_KEPT_BYTES = 1024
"""How much of the handshake is kept, to see whether the server has greeted in plain."""


class SecureStream:
    """A socket whose bytes go through TLS, with the key of a room's code."""

    def __init__(self, sock: socket.socket, key: bytes) -> None:
        self._sock = sock
        self._lock = threading.Lock()
        self._channel = Channel(key, is_server=False)
        self._timeout_s = MAX_TIMEOUT_S
        self._said = b""
        """What the server said in TLS, and nobody has read yet."""
        self.received = b""
        """The first bytes that came, as they were on the wire."""

    def shake_hands(self, deadline_s: float) -> None:
        """Prove the code to each other, until a time of the monotonic clock.

        Raises OSError; of that, SecureError where the server has not the code, and ConnectionAbortedError where the
        connection ends before that is known.
        """
        self._sock.sendall(self._channel.take_outgoing())
        while not self._channel.is_open:
            self._sock.settimeout(max(0.001, min(MAX_TIMEOUT_S, deadline_s - time.monotonic())))
            data = self._sock.recv(RECV_BYTES)
            if not data:
                raise ConnectionAbortedError("the server has closed the connection")
            self.received = (self.received + data)[:MAX_KEPT_BYTES]
            self._said += self._channel.receive(data)
            self._sock.sendall(self._channel.take_outgoing())

    def settimeout(self, timeout_s: float) -> None:
        """Have `recv` and `sendall` wait no longer."""
        self._timeout_s = timeout_s
        self._sock.settimeout(timeout_s)

    def sendall(self, data: bytes) -> None:
        """Say something. Raises OSError."""
        self._sock.sendall(self.encrypt(data))

    def recv(self, size: int) -> bytes:
        """Return what the server says next, nothing where it has ended. Raises OSError."""
        said, self._said = self._said, b""
        until = time.monotonic() + self._timeout_s  # for a record, which may come in pieces
        while not said and not self.has_ended:
            self._sock.settimeout(max(0.001, until - time.monotonic()))
            data = self._sock.recv(size)
            if not data:
                break
            said = self.decrypt(data)
        return said

    @property
    def has_ended(self) -> bool:
        """Whether the server has said that nothing more comes."""
        return self._channel.has_ended

    def decrypt(self, data: bytes) -> bytes:
        """Return what the server says by these bytes. Raises SecureError."""
        with self._lock:
            return self._channel.receive(data)

    def encrypt(self, data: bytes) -> bytes:
        """Return the bytes that say this, after what reading made necessary. Raises SecureError."""
        with self._lock:
            return self._channel.encrypt(data)
