"""Hostile neighbours: what one address may try within the announced limits, each in a process of its own."""

from __future__ import annotations

import contextlib
import itertools
import math
import multiprocessing
import random
import secrets
import select
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass

import protocol
from lan_chat.server.hosts import TALK_SHARES
from lan_chat.server.options import BURST, Options
from lan_chat.server.rate import cost
from protocol import Bare, Dialect, Events, Hello, Join, Lines, Resume, Say
from tests.chaos.cores import take_what_is_left
from tests.support.peers import Peer, reset

ANNOUNCED = Options()
DIALECTS: tuple[Dialect, ...] = (Lines(protocol.ITALIAN), Bare(protocol.ITALIAN), Events())

MAX_NEIGHBOURS = 90
"""So many addresses there are before the honest one."""
PAUSE_S = 0.01
"""How long a neighbour rests between two connections, so that it does not take a whole core for itself."""
SILENT = 300
"""Three times as many connections as an address may have."""
BOMB = "a\n" * 499 + "a"
"""As many lines as a message may have."""
EMOJI = "😀" * (protocol.MAX_MESSAGE_BYTES // 4)
QUOTES = '"' * protocol.MAX_MESSAGE_BYTES
"""What becomes twice as long in JSON."""
ANIMALS = [chr(number) for number in range(0x1F400, 0x1F43D)]
TLS_HELLO = bytes.fromhex("16030100c8010000c4") + bytes(190)
STRANGERS = (
    *(
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 16\r\n\r\nAda: ciao a te\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        TLS_HELLO,
    ),
    *(
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"OPTIONS rtsp://x/ RTSP/1.0\r\n",
        b"\0\0\0\x54\xffSMB",
        b"EHLO pc\r\n",
        TLS_HELLO[:3],
    ),
    *(
        b"NICK ada\r\nUSER ada 0 * :Ada\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\xff\xfe\x41\x00",
        b"POST / HTTP/1.1\r\n",
    ),
)
SLOW_HEADER = b"POST / HTTP/1.1\r\nX-Slow: "


def swallow(sock: socket.socket) -> bytes:
    """Read what there is by now, without waiting."""
    received = b""
    while select.select([sock], [], [], 0)[0] and (data := sock.recv(1 << 20)):
        received += data
    return received


@dataclass(frozen=True)
class Errand:
    """What a neighbour does in a round."""

    port: int
    source: str
    kind: int
    seed: str
    seconds: float


class Neighbour:
    """Whoever is behind one address, for a while."""

    def __init__(self, errand: Errand, seconds: float) -> None:
        self.rng = random.Random(errand.seed)
        self.connections = itertools.count()
        self._errand = errand
        self._until = time.monotonic() + seconds
        self._never = threading.Event()

    @property
    def goes_on(self) -> bool:
        return time.monotonic() < self._until

    def rest(self, seconds: float = PAUSE_S) -> bool:
        """Do nothing for so long, and return whether there is time for more."""
        self._never.wait(max(0.0, min(seconds, self._until - time.monotonic())))
        return self.goes_on

    def connect(self) -> Peer:
        next(self.connections)
        peer = Peer(self._errand.port, source=self._errand.source)
        peer.sock.settimeout(1.0)
        return peer

    def join(self, dialect: Dialect, name: str = "", token: str | None = None) -> Peer:
        """Ask to be let in, under a name that nobody else has, and wait for the answer only in the bare dialect."""
        peer = self.connect()
        name = name or f"v{self._errand.kind} {self.rng.randrange(2**48):x}"
        try:
            if isinstance(dialect, Bare):
                peer.recv()
                peer.send(name)
                peer.recv()
            else:
                hello = dialect.encode(Hello(protocol.VERSION, "it")) if isinstance(dialect, Events) else b""
                peer.send(hello + dialect.encode(Join(name, token)))
        except BaseException:
            peer.close()
            raise
        return peer

    def resume(self, token: str) -> Peer:
        """Ask for a place on a new link, as if nothing had been seen; reads nothing."""
        peer, events = self.connect(), Events()
        try:
            peer.send(events.encode(Hello(protocol.VERSION, "it")) + events.encode(Resume(token, 0)))
        except BaseException:
            peer.close()
            raise
        return peer

    def talk(self, text: str, dialects: tuple[Dialect, ...]) -> None:
        """Say a text again and again, as often as an address may, under names that are as long as they may be."""
        with contextlib.ExitStack() as stack:
            people = []
            for dialect in itertools.islice(itertools.cycle(dialects), TALK_SHARES):
                name = "".join(self.rng.choices(ANIMALS, k=30))
                people.append((dialect, stack.enter_context(self.join(dialect, name))))
            for nonce in itertools.count(1):
                for dialect, peer in people:
                    peer.send(dialect.encode(Say(text, nonce)))
                    swallow(peer.sock)
                if not self.rest(cost(Say(text)) / ANNOUNCED.rate):
                    return


def throw_bombs(one: Neighbour) -> None:
    one.talk(BOMB, (Events(), Bare(protocol.ITALIAN)))


def fill_screens(one: Neighbour) -> None:
    """Beside a bare client, who reads all the time, and therefore must not be let go."""
    with ThreadPoolExecutor(1) as thread, one.join(DIALECTS[1]) as reader:
        reading = thread.submit(read_on, one, reader)
        with contextlib.suppress(OSError):
            one.talk(EMOJI, (Events(), Lines(protocol.ITALIAN)))
        reading.result()


def read_on(one: Neighbour, reader: Peer) -> None:
    while one.goes_on:
        try:
            data = reader.recv()
        except TimeoutError:
            continue
        except OSError as error:
            raise AssertionError(f"a bare client that reads was let go: {error}") from error
        assert data, "a bare client that reads was let go"


def be_silent(one: Neighbour) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(SILENT):
            stack.enter_context(one.connect())
            if not one.rest(PAUSE_S / 10):
                return
        one.rest(math.inf)


def join_and_break(one: Neighbour) -> None:
    while one.rest():
        peer = one.join(Events())
        if one.rng.random() < 0.5:
            peer.recv()
        reset(peer.sock)


def speak_bursts(one: Neighbour) -> None:
    """In six threads, each of which comes, says what one client may say at once, and goes."""
    with ThreadPoolExecutor(6) as threads:
        for future in [threads.submit(speak_again_and_again, one) for _ in range(6)]:
            future.result()


def speak_again_and_again(one: Neighbour) -> None:
    while one.rest():
        with contextlib.suppress(OSError), one.join(DIALECTS[0]) as peer:
            peer.send("presto\n" * BURST)
            swallow(peer.sock)


def say_quotes(one: Neighbour) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(ANNOUNCED.max_per_host):
            peer = stack.enter_context(one.join(DIALECTS[0]))
            peer.send(QUOTES + "\n")
            if not one.rest():
                return
        one.rest(math.inf)


def join_and_leave(one: Neighbour) -> None:
    while one.rest():
        with one.join(one.rng.choice(DIALECTS)) as peer:
            peer.send("{quit}\n")
            while one.goes_on and peer.recv():
                pass


def read_nothing(one: Neighbour) -> None:
    """Come back as many members, from the beginning, in a loop; nobody reads any of it."""
    tokens = [secrets.token_urlsafe(16) for _ in range(20)]
    for token in tokens:
        with one.join(Events(), token=token) as peer:
            peer.recv()
            reset(peer.sock)
    links: deque[Peer] = deque()
    try:
        for token in itertools.cycle(tokens):
            links.append(one.resume(token))
            if len(links) > ANNOUNCED.max_per_host // 2:
                reset(links.popleft().sock)
            if not one.rest():
                return
    finally:
        for peer in links:
            peer.close()


def hold_a_name(one: Neighbour) -> None:
    """Come back for a moment, again and again, until the place is given up."""
    token = secrets.token_urlsafe(16)
    with one.join(Events(), token=token) as peer:
        is_in = is_let_in(peer)
        reset(peer.sock)
    while is_in and one.rest(5 * PAUSE_S):
        with one.resume(token) as peer:
            is_in = is_let_in(peer)
            reset(peer.sock)


def is_let_in(peer: Peer) -> bool:
    """Read the answer to somebody who speaks events. Raises OSError where none comes."""
    while b'"welcome"' not in peer.received and b'"refused"' not in peer.received:
        data = peer.recv()
        if not data:
            raise ConnectionAbortedError
        peer.received += data
    return b'"welcome"' in peer.received


def be_strange(one: Neighbour) -> None:
    """Speak other protocols and nonsense; meanwhile the headers of some requests come byte by byte."""
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(one.connect()) for _ in range(20)]
        for number in itertools.count():
            for peer in slow:
                with contextlib.suppress(OSError):
                    peer.send(SLOW_HEADER[number : number + 1] or b"x")
            for _ in range(5):
                with contextlib.suppress(OSError), one.connect() as peer:
                    if one.rng.random() < 0.3:
                        peer.recv()
                    peer.send(one.rng.choice(STRANGERS) if one.rng.random() < 0.8 else one.rng.randbytes(300))
                    if one.rng.random() < 0.5:
                        peer.recv()
                if not one.rest():
                    return


MISCHIEFS: tuple[tuple[Callable[[Neighbour], None], ...], ...] = (
    (throw_bombs,),
    (fill_screens,),
    (be_silent, join_and_break, speak_bursts, say_quotes, join_and_leave),
    (read_nothing,),
    (hold_a_name,),
    (be_strange,),
)
"""What a neighbour may be up to in a round: one of these rows, and what stands in it one after the other."""


def harass(errand: Errand) -> dict[str, int]:
    """Do one's worst for a while; gives the number of connections for each kind. Runs in a process of its own."""
    counted = {}
    row = MISCHIEFS[errand.kind]
    for mischief in row:
        one = Neighbour(errand, errand.seconds / len(row))
        while one.goes_on:
            with contextlib.suppress(OSError):  # the server has closed the connection, as it may
                mischief(one)
            one.rest()
        counted[mischief.__name__] = next(one.connections)
    return counted


class Street:
    """The neighbours, each in a process and at an address of its own."""

    def __init__(self, port: int, count: int) -> None:
        self._port = port
        self._count = count
        self._errands: list[Future[dict[str, int]]] = []
        self._processes: ProcessPoolExecutor | None = None
        if count:
            self._processes = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), take_what_is_left)

    def __enter__(self) -> Street:
        return self

    def __exit__(self, *_: object) -> None:
        if self._processes is not None:
            self._processes.shutdown(cancel_futures=True)

    def let_loose(self, turn: int, seed: str, seconds: float) -> None:
        """Have each do something else than in the turn before, for so long."""
        if self._processes is None:
            return
        for number in range(self._count):
            source, kind = f"127.0.0.{2 + number}", (number + turn) % len(MISCHIEFS)
            errand = Errand(self._port, source, kind, f"{seed}/{source}", seconds)
            self._errands.append(self._processes.submit(harass, errand))

    def wait(self) -> dict[str, int]:
        """Wait until all are done; gives how many connections each kind of mischief took."""
        counted: Counter[str] = Counter()
        while self._errands:
            counted.update(self._errands.pop().result())
        return dict(sorted(counted.items()))
