"""Clients that have the code of a room: the same as in `peers`, in TLS."""

from __future__ import annotations

import socket

from lan_chat.secure import Channel
from tests.support.peers import BackPeer, BarePeer, EventPeer, LinePeer, Peer

KEY, OTHER_KEY = bytes(range(32)), bytes(32)
"""The key of the room's code, and of another one."""


class SecureSocket:
    """As much of a socket as peers use; what goes through it is encrypted from the handshake on."""

    def __init__(self, sock: socket.socket, channel: Channel) -> None:
        self.raw = sock
        self.channel = channel
        self._said = b""
        self.raw.sendall(self.channel.take_outgoing())
        while not self.channel.is_open:
            data = sock.recv(65536)
            if not data:
                raise ConnectionAbortedError("the server closed the connection")
            self._said += self.channel.receive(data)
            self.raw.sendall(self.channel.take_outgoing())

    def sendall(self, data: bytes) -> None:
        self.raw.sendall(self.channel.encrypt(data))

    def recv(self, size: int) -> bytes:
        while not (self._said or self.channel.has_ended):
            data = self.raw.recv(65536)
            if not data:
                raise ConnectionAbortedError("an end that nobody said")
            self._said += self.channel.receive(data)
        said, self._said = self._said[:size], self._said[size:]
        return said

    def fileno(self) -> int:
        return self.raw.fileno()

    def close(self) -> None:
        self.raw.close()


class SecurePeer(Peer):
    """A client that has the code."""

    key = KEY

    def __init__(self, port: int, key: bytes | None = None) -> None:
        channel = Channel(key or self.key, is_server=False)  # slow: before the server waits for its first bytes
        super().__init__(port)
        try:
            self.sock = SecureSocket(self.sock, channel)  # type: ignore[assignment]
        except BaseException:
            self.sock.close()
            raise


class SecureLinePeer(LinePeer, SecurePeer):
    """A member that speaks lines in TLS."""

    def __init__(self, port: int, name: str, key: bytes = KEY, *, speaks_first: bool = False) -> None:
        self.key = key
        super().__init__(port, name, speaks_first=speaks_first)


class SecureBarePeer(BarePeer, SecurePeer):
    """A member that speaks bare in TLS."""


class SecureEventPeer(EventPeer, SecurePeer):
    """A client that speaks events in TLS."""


class SecureBackPeer(BackPeer, SecureEventPeer):
    """A member on a new link in TLS."""
