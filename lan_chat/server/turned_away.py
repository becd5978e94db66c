"""Connections that are turned away: they get no thread, and wait with the delivery thread's timers."""

from __future__ import annotations

import contextlib
import socket
import time
from collections import Counter
from enum import Enum

import protocol
from lan_chat.server.words import ServerWords
from lan_chat.sockets import Address
from protocol import Stranger

MAX_WAITING, MAX_WAITING_PER_HOST = 64, 8
"""How many may wait at once, and of one address; more are closed without a word."""
LINGER_S = 1.0
"""How long one may take to read its sentence after we have closed our side."""
PAUSE_S = 0.020
"""How long they are left alone after they were looked through."""
RECV_BYTES = 16 * 1024


def refuse_stranger(stranger: Stranger, words: ServerWords, *, is_full: bool, has_code: bool) -> bytes:
    """Return what a client of another protocol is answered, in that: why it may not come in."""
    if is_full:
        return protocol.answer_stranger(stranger, 503, "Service Unavailable", words.full)
    if has_code:
        return protocol.answer_stranger(stranger, 403, "Forbidden", words.needs_code)
    return protocol.answer_stranger(stranger, 501, "Not Implemented", words.stranger)


class Stage(Enum):
    """How far a connection has been turned away."""

    HEARD = "heard"
    """Its first bytes are waited for, which tell what it understands."""
    TOLD = "told"
    """It has its sentence; `{end_conn}` follows by itself."""
    ENDED = "ended"
    """Our side is closed; it may read the rest."""
    CLOSED = "closed"


class TurnedAway:
    """One connection that is told why, then `{end_conn}`, and then closed. No call blocks."""

    def __init__(self, sock: socket.socket, address: Address, sentence: str, *, wait_s: float, has_code: bool) -> None:
        self.address = address
        self.stage = Stage.HEARD
        self._sock = sock
        self._sock.setblocking(False)
        self._sentence = sentence
        self._has_code = has_code
        self._received = b""
        self._next_at = time.monotonic() + wait_s

    def proceed(self) -> None:
        """Do what is due."""
        try:
            self._read()
            is_due = time.monotonic() >= self._next_at
            if self.stage is Stage.HEARD and (is_due or self._received):
                self._tell()
            elif self.stage is Stage.TOLD and is_due:
                self._send(b"{end_conn}")
                self._end()
            elif self.stage is Stage.ENDED and is_due:
                self.close()
        except OSError:  # it has gone
            self.close()

    def end_at_once(self) -> None:
        """Send `{end_conn}` where it was not sent, and close the socket."""
        if self.stage in (Stage.HEARD, Stage.TOLD) and protocol.stranger_in(self._received) is None:
            with contextlib.suppress(OSError):
                self._send(b"{end_conn}")
        self.close()

    def close(self) -> None:
        """Close the socket at once."""
        self.stage = Stage.CLOSED
        self._sock.close()

    def _read(self) -> None:
        """Read what is there, or it would destroy the sentence at the end. Raises OSError at the end of the stream."""
        with contextlib.suppress(BlockingIOError):
            data = self._sock.recv(RECV_BYTES)
            if not data:
                raise ConnectionAbortedError
            self._received = (self._received + data)[: protocol.MAX_HELLO_BYTES]

    def _tell(self) -> None:
        stranger = protocol.stranger_in(self._received)
        if stranger is Stranger.TLS and self._has_code:
            self._send(protocol.TLS_TURNED_AWAY)
            self._end()
        elif stranger is not None:
            self._send(protocol.answer_stranger(stranger, 503, "Service Unavailable", self._sentence))
            self._end()
        else:
            self._send(self._sentence.encode())
            self.stage, self._next_at = Stage.TOLD, time.monotonic() + protocol.BARE_FAREWELL_S

    def _end(self) -> None:
        self._sock.shutdown(socket.SHUT_WR)
        self.stage, self._next_at = Stage.ENDED, time.monotonic() + LINGER_S

    def _send(self, data: bytes) -> None:
        self._sock.send(data)  # the first bytes on this connection: the system takes them


class Doorstep:
    """All that are being turned away. Delivery thread only."""

    def __init__(self, has_code: bool) -> None:
        """`has_code`: whether this room has one, so that a TLS client is told why it may not come in."""
        self._has_code = has_code
        self._waiting: list[TurnedAway] = []
        self._proceed_at = 0.0

    @property
    def idle_s(self) -> float | None:
        """How long nothing will be due, in seconds; None for ever, as there is nobody."""
        return max(0.0, self._proceed_at - time.monotonic()) if self._waiting else None

    def add(self, sock: socket.socket, address: Address, sentence: str, wait_s: float) -> None:
        """Turn a connection away, without a word where too many are."""
        hosts = Counter(one.address[0] for one in self._waiting)
        if len(self._waiting) >= MAX_WAITING or hosts[address[0]] >= MAX_WAITING_PER_HOST:
            sock.close()
            return
        self._waiting.append(TurnedAway(sock, address, sentence, wait_s=wait_s, has_code=self._has_code))

    def proceed(self) -> None:
        """Do what is due for each, but not in each turn: that would be a system call for each of them."""
        now = time.monotonic()
        if now < self._proceed_at:
            return
        self._proceed_at = now + PAUSE_S
        for one in self._waiting:
            one.proceed()
        self._waiting = [one for one in self._waiting if one.stage is not Stage.CLOSED]

    def close(self) -> None:
        """Close them all at once."""
        for one in self._waiting:
            one.end_at_once()
        self._waiting.clear()
