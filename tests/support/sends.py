"""What a server sends, send by send. What one `recv` returns depends on how late the client is; this does not."""

from __future__ import annotations

import contextlib
import math
import socket
import time
from dataclasses import dataclass

import pytest

import protocol
from lan_chat.server.outbox import Outbox
from lan_chat.server.turned_away import TurnedAway
from tests.support.peers import Peer


@dataclass
class Send:
    """One send: to which address, what the socket took, and when it began, on the monotonic clock."""

    address: object
    data: bytes
    at: float


class Sends:
    """All that the servers in this process send while a test runs. Any thread."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._sends: list[Send] = []
        send_now, send = Outbox._send_now, TurnedAway._send

        def note_and_send_now(outbox: Outbox, data: bytes | memoryview) -> int:
            noted = self._note(outbox._sock, data)
            sent = send_now(outbox, data)
            noted.data = noted.data[:sent]
            return sent

        def note_and_send(turned_away: TurnedAway, data: bytes) -> None:
            self._note(turned_away._sock, data)
            send(turned_away, data)

        monkeypatch.setattr(Outbox, "_send_now", note_and_send_now)
        monkeypatch.setattr(TurnedAway, "_send", note_and_send)

    def recvs(self, peer: Peer, pause_s: float = protocol.BARE_PAUSE_S) -> list[bytes]:
        """Return what each `recv` of an original client returns that is never late.

        What is sent less than a pause after something else is one with it; a control word needs a longer pause.
        """
        received: list[bytes] = []
        address, last_at = peer.sock.getsockname(), -math.inf
        for send in self._sends:
            if send.address != address or not send.data:
                continue
            needed_s = protocol.BARE_FAREWELL_S if send.data == b"{end_conn}" else pause_s
            if send.at < last_at + needed_s:
                received[-1] += send.data
            else:
                received.append(send.data)
            last_at = send.at
        return received

    def _note(self, sock: socket.socket, data: bytes | memoryview) -> Send:
        address = None
        with contextlib.suppress(OSError):  # it has gone
            address = sock.getpeername()
        noted = Send(address, bytes(data), time.monotonic())
        self._sends.append(noted)  # before it is sent: the client may read it at once
        return noted
