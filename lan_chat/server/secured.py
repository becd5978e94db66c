"""What encrypts one connection in a room with a code, for the two threads that it has.

The client's thread does the handshake, and sends what that takes; from then on it only reads, and the delivery thread
alone sends. Both may call any method here, which takes the lock for as long as the TLS object works, and sends nothing.
"""

from __future__ import annotations

import threading

from lan_chat.secure import Channel, SecureError


class Secured:
    """One connection's encryption: none, as long as the client has not begun with it."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._lock = threading.Lock()
        """Guards the channel, which may be used by one thread at a time."""
        self._channel: Channel | None = None
        """Made when something is received: a client that waits for its turn costs no TLS object."""
        self._is_begun = self._is_over = False

    def __repr__(self) -> str:
        return f"Secured({'TLS' if self._is_begun else 'plain'})"

    def begin(self) -> None:
        """Have everything encrypted from here on; before the handshake is over, nothing can be sent."""
        with self._lock:
            self._is_begun = True

    @property
    def is_begun(self) -> bool:
        """Whether the client has begun with a handshake."""
        return self._is_begun

    @property
    def is_open(self) -> bool:
        """Whether the client has proved that it has the code."""
        return self._channel is not None and self._channel.is_open

    @property
    def has_ended(self) -> bool:
        """Whether the client has said that nothing more comes."""
        return self._channel is not None and self._channel.has_ended

    def receive(self, data: bytes) -> bytes:
        """Take in what came, and return what it says. Raises SecureError where that is not to be believed."""
        with self._lock:
            if self._is_begun and not self._is_over and self._channel is None:
                self._channel = Channel(self._key, is_server=True)
            return data if self._channel is None else self._channel.receive(data)

    def encrypt(self, data: bytes | memoryview) -> bytes | memoryview:
        """Return what has to be sent to say this. Raises SecureError as long as nothing may be said, or no more."""
        with self._lock:
            if self._is_over:
                raise SecureError("the connection is over")
            if self._channel is None and self._is_begun:
                raise SecureError("the handshake is not over")
            return data if self._channel is None else self._channel.encrypt(data)

    def take_outgoing(self) -> bytes:
        """Return what reading has made us send."""
        with self._lock:
            return b"" if self._channel is None else self._channel.take_outgoing()

    def close(self) -> bytes:
        """Say that nothing more comes, and return what has to be sent for it."""
        with self._lock:
            return b"" if self._channel is None else self._channel.close()

    def forget(self) -> None:
        """Free what the encryption takes, which is more than all else of a connection. Nothing can be said any more."""
        with self._lock:
            self._channel, self._is_over = None, True
