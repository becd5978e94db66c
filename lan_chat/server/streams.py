"""The streams by which guests by browser hear the room.

A guest is a member as any other. It hears the room over a stream of its own, which is one connection with its thread;
what it says comes by other connections, whose threads hand it over in the stream's name.
"""

from __future__ import annotations

import threading

from lan_chat.server.connection import Connection
from lan_chat.server.options import BURST
from lan_chat.server.rate import Allowance


class Stream:
    """What a guest hears the room by, and how much it may say."""

    def __init__(self, connection: Connection, rate: float) -> None:
        self.connection = connection
        self.allowance = Allowance(rate, BURST)


class Streams:
    """Who has a stream open. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        """Guards the streams."""
        self._streams: dict[str, list[Stream]] = {}
        """By the guest's token, the latest last; one that is about to come in is already there."""

    def open(self, token: str, stream: Stream) -> None:
        """Note that a guest has opened a stream."""
        with self._lock:
            self._streams.setdefault(token, []).append(stream)

    def close(self, token: str, stream: Stream) -> None:
        """Note that a stream has ended."""
        with self._lock:
            self._streams[token].remove(stream)
            if not self._streams[token]:
                del self._streams[token]

    def find(self, token: str) -> Stream | None:
        """Return the stream by which the guest with this token hears the room, or None."""
        with self._lock:
            streams = list(self._streams.get(token, ()))
        for stream in reversed(streams):
            if stream.connection.mailbox.is_joined and not stream.connection.mailbox.is_shut:
                return stream
        return None
