"""Requests that mean no good, by the thousand: the room goes on, and nothing is left of them.

The seed is printed, and can be set: `HOSTILE_SEED=7 pytest tests/server/test_web_hostile.py`.
"""

from __future__ import annotations

import contextlib
import os
import random
import socket
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from lan_chat.server.http_request import MAX_BODY_BYTES, MAX_HEAD_BYTES
from tests.chaos.room import MEMORY_SLACK_KB, Conversation, end_in_order, figures_of, wait_until_all_left
from tests.support.peers import Peer, reset
from tests.support.programs import ServerProgram
from tests.support.web_guests import request_bytes, token_for

pytestmark = pytest.mark.slow

SEED = os.environ.get("HOSTILE_SEED") or str(random.randrange(2**32))
WARM_UP_REQUESTS, REQUESTS = 3_000, 10_000
ATTACKERS = 6
SLOW = 900
"""Connections at once whose request never ends: nearly as many as a room takes."""
PIECES = (b"\r\n", b"\n", b"\r", b"\0", b" ", b":", b"\t", b"\xff", b"{quit}", b"HTTP/1.1", b"Ada: ciao\n", b"x" * 3000)


class Attacker:
    """Makes requests that are none, or none that are served, from one seed."""

    def __init__(self, port: int, number: int) -> None:
        self.port = port
        self.rng = random.Random(f"{SEED}/{number}")

    def request(self) -> bytes:
        """Return a request with something wrong in it."""
        rng = self.rng
        token: dict[str, str | None] = {"Lan-Chat-Token": token_for("Ada")}
        body = rng.choice((b"{}", b"[" * 1000, b'{"type":"say","text":"ostile","nonce":0}', b"\0" * 100, b""))
        whole = request_bytes(self.port, "POST", "/say", token, body)
        wrong: Callable[[], bytes] = rng.choice(
            (
                lambda: whole,  # for one who has no stream
                lambda: whole.replace(b"127.0.0.1", rng.choice((b"evil.example", b"", b"[", b"127.0.0.1.evil"))),
                lambda: whole.replace(b"Content-Length: ", b"Content-Length: " + rng.choice((b"-", b"9" * 30, b"x"))),
                lambda: whole.replace(b"\r\n", rng.choice(PIECES), rng.randrange(1, 5)),
                lambda: self.cut_somewhere(whole, rng.choice(PIECES)),
                lambda: self.cut_somewhere(request_bytes(self.port, "GET", "/events", token), rng.choice(PIECES)),
                lambda: b"GET /" + bytes(rng.randrange(0x21, 0x7F) for _ in range(200)) + b" HTTP/1.1\r\n\r\n",
                lambda: b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * rng.randrange(90, 3000) + b"\r\n",
                lambda: b"GET / HTTP/1.1\r\nA: " + b"a" * rng.randrange(MAX_HEAD_BYTES, 2 * MAX_HEAD_BYTES),
                lambda: b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n" + body,
            )
        )
        return wrong()

    def cut_somewhere(self, data: bytes, piece: bytes) -> bytes:
        at = self.rng.randrange(len(data))
        return data[:at] + piece + data[at + self.rng.randrange(3) :]

    def attack(self) -> str:
        """Make one, and return what the answer began with."""
        heard = b""
        with Peer(self.port) as peer, contextlib.suppress(ConnectionError):
            peer.send(self.request())
            if self.rng.random() < 0.2:
                reset(peer.sock)
                return "reset"
            peer.sock.shutdown(socket.SHUT_WR)  # what is not whole ends here
            while data := peer.sock.recv(65536):
                heard += data
        if not heard.startswith(b"HTTP/"):
            return "something else"  # what begins with a short line is a netcat's, and may come in under that name
        assert b"ostile" not in heard
        return heard[:12].decode()


def storm(port: int, first: int, count: int) -> Counter[str]:
    """Make so many requests; gives what they were answered."""
    with ThreadPoolExecutor(ATTACKERS, "attacker") as threads:
        return Counter(threads.map(lambda number: Attacker(port, number).attack(), range(first, first + count)))


def test_ten_thousand_requests_that_are_none_harm_nobody() -> None:
    print(f"HOSTILE_SEED={SEED}")
    with (
        ServerProgram("--rate", "0", "--grace", "0", "--max-per-host", "0") as server,
        Conversation(server.port) as two,
    ):
        base = figures_of(server.process.pid)
        two.begin()
        storm(server.port, 0, WARM_UP_REQUESTS)
        before = wait_until_all_left(server, base)
        answers = storm(server.port, WARM_UP_REQUESTS, REQUESTS)
        after = wait_until_all_left(server, base)
        two.check()
        print(f"{answers}; before: {before}; after: {after}")
        end_in_order(server)
    assert answers["HTTP/1.1 400"] > REQUESTS // 10
    assert answers["HTTP/1.1 204"] == 0
    assert after.memory_kb <= before.memory_kb + MEMORY_SLACK_KB, f"memory grew from {before} to {after}"


HEAD = b"POST /say HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://127.0.0.1\r\nLan-Chat-Token: " + b"a" * 20
BODY = HEAD + b"\r\nContent-Length: %d\r\n\r\n" % MAX_BODY_BYTES


@pytest.mark.parametrize(("begun", "more"), [(HEAD, b"a"), (BODY, b"[" * 50)], ids=["headers", "bodies"])
def test_requests_without_an_end_by_the_thousand_keep_nobody_from_talking(begun: bytes, more: bytes) -> None:
    with (
        ServerProgram("--rate", "0", "--grace", "0", "--max-per-host", "0") as server,
        Conversation(server.port) as two,
    ):
        base = figures_of(server.process.pid)
        two.begin()
        for _ in range(2):
            with contextlib.ExitStack() as stack:
                slow = [stack.enter_context(Peer(server.port)) for _ in range(SLOW)]
                for data in (begun, *[more] * 5):
                    for peer in slow:
                        peer.send(data)
                for peer in slow:
                    reset(peer.sock)
            after = wait_until_all_left(server, base)
        assert two.check() > 0
        end_in_order(server)
    # A thread that has ended leaves some of its memory with the allocator, and there were SLOW of them at once.
    assert after.memory_kb <= base.memory_kb + 2 * MEMORY_SLACK_KB, f"memory grew from {base} to {after}"


def test_what_comes_behind_a_request_is_not_kept() -> None:
    with (
        ServerProgram("--rate", "0", "--grace", "0", "--max-per-host", "0") as server,
        Conversation(server.port) as two,
    ):
        base = figures_of(server.process.pid)
        two.begin()
        with Peer(server.port) as peer, contextlib.suppress(ConnectionError):
            peer.send(request_bytes(server.port, "GET", "/nothing"))
            for _ in range(1600):
                peer.send(b"x" * 65536)
        after = wait_until_all_left(server, base)
        two.check()
        end_in_order(server)
    assert after.peak_kb <= base.peak_kb + MEMORY_SLACK_KB, f"memory grew from {base} to {after}"
