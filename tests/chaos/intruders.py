"""Intruders: what is tried against a room with a code by those who have it not, each kind in a process of its own.

What comes of each try is counted; `IN` is what must never be. Each kind has many addresses, so that the limit of one
slows nobody down, but for `guess_from_one_address`.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import socket
import ssl
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import protocol
from lan_chat.code import key_of
from lan_chat.secure import IDENTITY, Channel, SecureError, WrongCodeError
from protocol import Events, Hello, Join
from tests.support.peers import Peer, reset
from tests.support.secure_peers import SecureSocket
from tests.support.waiting import DEADLINE_S

IN, WRONG = "got in", "wrong code"
NAME = "intruso"
"""Under which every intruder asks to be let in."""
ADDRESSES = 250
"""How many addresses a kind has."""
THREADS = 8
"""How many guess in one process; from one address more than may do a handshake at once."""
MOST_SILENT = 300
"""Half-finished handshakes that are held at a time: more than may be under way at once."""
READ_S = 0.2
"""How long an intruder waits for an answer that may never come."""
HEADER_BYTES = 5
ENTRY = Events().encode(Hello(protocol.VERSION, "it")) + Events().encode(Join(NAME))
WRONG_KEYS = [bytes([number]) * 32 for number in range(256)]
"""Of no code of this room; to make each of a code would take 0.1 s, which who guesses can have done before."""


@dataclass(frozen=True)
class Raid:
    """What an intruder does in a round."""

    port: int
    kind: int
    code: str
    """The room's, for the honest client whose bytes are relayed or recorded."""
    seed: str
    seconds: float


class Intruder:
    """Whoever tries one kind of thing for a while."""

    def __init__(self, raid: Raid) -> None:
        self.rng = random.Random(raid.seed)
        self.counted: Counter[str] = Counter()
        self.key = key_of(raid.code)
        self._raid = raid
        self._until = time.monotonic() + raid.seconds
        self._sources = itertools.count(self.rng.randrange(ADDRESSES))
        self._never = threading.Event()

    @property
    def goes_on(self) -> bool:
        return time.monotonic() < self._until

    def rest(self, seconds: float) -> None:
        self._never.wait(max(0.0, min(seconds, self._until - time.monotonic())))

    def connect(self, address: int | None = None) -> Peer:
        number = next(self._sources) % ADDRESSES if address is None else address
        peer = Peer(self._raid.port, source=f"127.0.{10 + self._raid.kind}.{1 + number}")
        peer.sock.settimeout(READ_S)
        return peer

    def guess(self, address: int | None = None) -> None:
        """Try a code that is not the room's."""
        with self.connect(address) as peer:
            peer.sock.settimeout(DEADLINE_S)
            try:
                SecureSocket(peer.sock, Channel(self.rng.choice(WRONG_KEYS), is_server=False))
                self.counted[IN] += 1
            except WrongCodeError:
                self.counted[WRONG] += 1
            except (SecureError, OSError) as error:
                self.counted[f"guess: {type(error).__name__}"] += 1

    def send(self, what: str, *chunks: bytes) -> None:
        """Send bytes, and count an answer that says anything but that something is wrong."""
        with self.connect() as peer:
            heard = b""
            with contextlib.suppress(OSError):
                for chunk in chunks:
                    peer.send(chunk)
                if self.rng.random() < 0.5:
                    peer.sock.shutdown(socket.SHUT_WR)
                while data := peer.recv():
                    heard += data
            self.counted[what] += 1
            if heard[:1] not in (b"", b"\x15", b"\x16"):  # no alert, and no begin of a handshake
                self.counted[IN] += 1

    def hello(self) -> bytes:
        """Return how one begins who has the code."""
        return Channel(self.key, is_server=False).take_outgoing()


def guess_from_many_addresses(one: Intruder) -> None:
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(lambda _: guess_on(one, None), range(THREADS)))


def guess_from_one_address(one: Intruder) -> None:
    with ThreadPoolExecutor(2 * THREADS) as threads:
        list(threads.map(lambda _: guess_on(one, 0), range(2 * THREADS)))


def guess_on(one: Intruder, address: int | None) -> None:
    while one.goes_on:
        one.guess(address)


def send_garbage(one: Intruder) -> None:
    """Send what begins as a handshake does."""
    rng = one.rng
    while one.goes_on:
        noise, hello = rng.randbytes(rng.randrange(2000)), one.hello()
        at = rng.randrange(5, len(hello))
        garbage: list[tuple[bytes, ...]] = [
            (b"\x16\x03" + noise,),
            (b"\x16", b"\x03", noise),
            (b"\x16\x03\x01" + len(noise).to_bytes(2, "big") + noise,),
            (b"\x16\x03\x01\xff\xff" + bytes(100_000),),  # a record that is too large
            (b"\x16\x03\x01\x40\x00" + b"\x01\xff\xff\xff" + bytes(16_380),) * 3,  # a hello without an end
            (b"\x16\x03\x01\x00\x00" * 1000,),
            (b"\x16\x03\x01\x00\x01\x01" * 200,),
            (hello[:at] + bytes([hello[at] ^ 1 << rng.randrange(8)]) + hello[at + 1 :], ENTRY),
            (hello[:at] + noise,),
            (hello, hello),
            (hello, ENTRY),
            (hello, b"\x14\x03\x03\x00\x01\x01" * 100, ENTRY),
            (hello, b"\x17\x03\x03" + len(noise).to_bytes(2, "big") + noise),
        ]
        one.send("garbage", *rng.choice(garbage))


def begin_and_stop(one: Intruder) -> None:
    """Begin handshakes and be silent, or go on byte by byte; the oldest are closed before they have ended."""
    silent: deque[tuple[Peer, bytes]] = deque()
    try:
        while one.goes_on:
            hello = one.hello()
            at = one.rng.choice((1, 2, 5, len(hello) // 2, len(hello)))
            peer = one.connect()
            silent.append((peer, hello[at:]))
            with contextlib.suppress(OSError):
                peer.send(hello[:at])
            one.counted["half-finished"] += 1
            for _ in range(3):
                drip(silent)
            if len(silent) > MOST_SILENT:
                end(one, silent.popleft()[0])
            one.rest(0.001)
    finally:
        for peer, _ in silent:
            peer.close()


def drip(silent: deque[tuple[Peer, bytes]]) -> None:
    """Send one more byte of the oldest hello, which goes to the end of the row."""
    peer, rest = silent.popleft()
    with contextlib.suppress(OSError):
        peer.send(rest[:1])
    silent.append((peer, rest[1:]))


def end(one: Intruder, peer: Peer) -> None:
    if one.rng.random() < 0.5:
        reset(peer.sock)
    else:
        peer.close()


def relay_and_flip(one: Intruder) -> None:
    """Stand between the server and who has the code, and change one bit on the way, until the handshake has ended."""
    while one.goes_on:
        with one.connect() as peer:
            channel, is_clients = Channel(one.key, is_server=False), one.rng.random() < 0.5
            at = one.rng.randrange(400)
            with contextlib.suppress(OSError):  # a SecureError is one
                sent = bytearray(channel.take_outgoing())
                while not channel.is_open:
                    at = at if not is_clients else flip(sent, at)
                    peer.send(bytes(sent))
                    came = bytearray(peer.recv())
                    if not came:
                        break
                    at = at if is_clients else flip(came, at)
                    channel.receive(bytes(came))
                    sent = bytearray(channel.take_outgoing())
                if channel.is_open:  # what came was as it was sent, or this would have raised
                    sent += channel.encrypt(ENTRY)
                    if not is_clients:
                        at = 0
                    flip(sent, min(at, len(sent) - HEADER_BYTES - 1))
                    peer.send(bytes(sent))
                    if channel.receive(peer.recv()):
                        one.counted[IN] += 1
            one.counted["man in the middle"] += 1


def flip(data: bytearray, skip: int) -> int:
    """Change a bit of a record's body, after so many bytes of bodies; return how many are to be skipped yet."""
    at = 0
    while at + HEADER_BYTES < len(data):
        size = int.from_bytes(data[at + 3 : at + 5], "big")
        if 0 <= skip < size:
            data[at + HEADER_BYTES + skip] ^= 1
            return -1
        skip -= size
        at += HEADER_BYTES + size
    return skip


def replay(one: Intruder) -> None:
    """Send again what one with the code has sent, and what that would have said."""
    while one.goes_on:
        with one.connect() as peer, contextlib.suppress(OSError):
            peer.sock.settimeout(DEADLINE_S)
            channel = Channel(one.key, is_server=False)
            hello = channel.take_outgoing()
            peer.send(hello)
            while not channel.is_open:
                channel.receive(peer.recv())
            rest = channel.take_outgoing()
            peer.send(rest)
            words = channel.encrypt(ENTRY)
            for _ in range(20):
                one.send("replay", hello, rest + words)


def offer_another_tls(one: Intruder) -> None:
    """Offer TLS 1.2 with the key of the code, TLS 1.3 without one, and one's own idea of who one is."""
    for context in itertools.cycle(other_contexts(one.key)):
        if not one.goes_on:
            return
        with one.connect() as peer:
            try:
                with context.wrap_socket(peer.sock) as sock:
                    sock.sendall(ENTRY)
                    if sock.recv(100):
                        one.counted[IN] += 1
            except (OSError, ValueError):
                pass
            one.counted["another TLS"] += 1


def other_contexts(key: bytes) -> list[ssl.SSLContext]:
    contexts = [ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) for _ in range(4)]
    for context in contexts:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    old, old_without, _without, other_name = contexts
    old.maximum_version = old_without.maximum_version = ssl.TLSVersion.TLSv1_2
    old.set_ciphers("PSK:@SECLEVEL=0")
    if sys.version_info >= (3, 13):
        old.set_psk_client_callback(lambda _hint: (IDENTITY, key))
        other_name.set_psk_client_callback(lambda _hint: ("admin", key))
    return contexts


KINDS: tuple[Callable[[Intruder], None], ...] = (
    guess_from_many_addresses,
    guess_from_one_address,
    send_garbage,
    begin_and_stop,
    relay_and_flip,
    replay,
    offer_another_tls,
)


def intrude(raid: Raid) -> Counter[str]:
    """Try one kind of thing for a while; gives what came of it. Runs in a process of its own."""
    one = Intruder(raid)
    while one.goes_on:
        with contextlib.suppress(OSError):  # the server has turned the connection away, as it may
            KINDS[raid.kind](one)
        one.rest(0.01)
    if raid.kind == KINDS.index(guess_from_one_address):
        return Counter({f"{what}, from one address": count for what, count in one.counted.items()})
    return one.counted
