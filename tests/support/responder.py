"""A server's side of the search for rooms, on the loopback interface, at a port of the test's own."""

from __future__ import annotations

import ipaddress
import select
import socket
import time
from collections.abc import Callable

from lan_chat import rooms
from lan_chat.interfaces import Interface
from lan_chat.rooms import Room
from tests.support.waiting import DEADLINE_S

LOOPBACK = Interface("lo", 1, ipaddress.ip_address("127.0.0.1"), 8, is_loopback=True)


class Responder:
    """A server's side of the search, which answers when the test says so."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.settimeout(DEADLINE_S)
        self.sock.bind((host, port))
        self.port: int = self.sock.getsockname()[1]

    def question(self) -> tuple[str, tuple[str, int]]:
        """Wait for a question; return its nonce, and who asks."""
        datagram, sender = self.sock.recvfrom(rooms.MAX_DATAGRAM_BYTES)
        nonce = rooms.decode_question(datagram)
        assert nonce is not None
        return nonce, sender

    def answer(self, room: Room) -> str:
        """Answer the next question; return its nonce."""
        nonce, sender = self.question()
        self.sock.sendto(rooms.encode_answer(nonce, room), sender)
        return nonce

    def answer_until(self, room: Room, condition: Callable[[], object]) -> None:
        """Answer every question until something comes true: an answer that comes late is one to no question."""
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline, "no answer was taken"
            if select.select([self.sock], [], [], 0.005)[0]:
                self.answer(room)

    def close(self) -> None:
        self.sock.close()
