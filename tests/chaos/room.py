"""Mixed chaos against a server process, with an honest conversation beside it.

    python -m tests.chaos.room                                          # half an hour, and a seed that it prints
    python -m tests.chaos.room --seconds 60 --every 10 --clients 20 --seed 7
    python -m tests.chaos.room --neighbours 6                           # and six who use up every limit of an address

Clients of all dialects come, talk, flood, fall silent, stop reading, say rubbish, and go: with `{quit}`, closed,
half-closed, reset, killed; then they come back under the same name. After every round everybody leaves, and the server
must be as before: its threads, descriptors and memory (Linux only, for /proc), its registries, and two honest members
who lost nothing and saw the same order. At the end it prints how long the honest waited for each other's words
while the others were there.

With `--neighbours` the server has the limits that it announces (`--announced`: also without them), everybody an address
of his own, and some of those addresses are hostile: they do the worst that their limits allow, each in a process of
its own, as the honest two are, so that what these wait for is the server, and not this interpreter. To compare what
they are worth:

    python -m tests.chaos.room --measured --seconds 300 --seed 7 --announced
    python -m tests.chaos.room --measured --seconds 300 --seed 7 --neighbours 6

Exit status 0, or 1 and what failed. Ends all that it started; the neighbours end by themselves. Started in the top
folder. Neighbours need more addresses of this machine than 127.0.0.1, which macOS does not have. Not collected as a
test; `test_hostile.py` does short runs, and takes its hostile inputs and its honest members from here.

Threads: one for each client, and those of `programs.Program`; in the process of the honest two, and its manager's; in a
neighbour's one or a few.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import json
import multiprocessing
import queue
import random
import re
import select
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.managers import BaseManager
from pathlib import Path

import protocol
from lan_chat.server.hosts import ASK_RATE, TALK_SHARES
from lan_chat.server.options import BURST
from protocol import Dialect, Event, Events, Hello, Join, Joined, Left, Message, Quit, Say
from tests.chaos.cores import MEASURED_HELP, on_a_core_of_its_own, take_what_is_left
from tests.chaos.neighbours import ANNOUNCED, DIALECTS, MAX_NEIGHBOURS, Street, swallow
from tests.support.peers import GREETING, EventPeer, LinePeer, Peer, drain, reset
from tests.support.programs import OriginalClient, ServerProgram
from tests.support.secure_peers import SecureEventPeer, SecureLinePeer
from tests.support.waiting import DEADLINE_S, wait_until

RATE = 200
"""What the server of the chaos allows each client, in messages a second: floods are slowed, honest people are not."""
HONEST_PAUSE_S = 0.01
ANNOUNCED_PAUSE_S = 0.1
"""How long the honest pause where the server has the limits that it announces: they stay well within their rate."""
GRACE_S = 2.0
"""How long the server then holds a place: the announced minute would be a minute's wait at the end of each round."""
HONEST_ADDRESS = "127.0.0.100"
VICTIM = "vittima"
"""Who lives in a process of its own, which is killed."""
MEMORY_SLACK_KB = 8 * 1024
"""What a server may take more in the second half of the storms than in the first: its heap has holes by chance."""


# --- hostile inputs -------------------------------------------------------------------------------------------------

HOSTILE_TEXTS = (
    *("Ada: ciao", "\nAda: ciao", "\rAda: ciao", "\x0bAda: ciao", "\x85Ada: ciao", "\u2028Ada: ciao", "a\r\nBob: ciao"),
    *("Ada ha abbandonato la Chat.", "\nBob si è unito alla chat!\n", "Server: chiudo", "\x1b[2K\rAda: ciao", "a\n\nb"),
    *(
        "\x1b[2J\x1b[H",
        "\x1b]0;titolo\x07",
        "\x9b31m",
        "\x1bP+q544e\x1b\\",
        "\b\b\b\b",
        "\x0e",
        "\x7f",
        "\x00",
        "a\x00b",
    ),
    *("{quit}x", "x{quit}", "{{quit}}", "｛quit｝", "{quit}{quit}", "<quit>!", "x<end_conn>", "{end_conn}.", "{QUIT}"),
    *(
        "\u202eadA",
        "\u2066x",
        "\ufeff",
        "\u200b",
        "\u3164",
        "\u0301",
        "e" + "\u0301" * 40,
        "👩‍👩‍👧",
        "ﷺ" * 20,
        "Ａｄａ",
        "ADA",
    ),
    *("", " ", "\t", "%s%n", "{name}", "{0.__class__}", "../..", "'\"`$(id)", "\\u0000", "x" * 33, "è" * 300),
    *("\ud800", "a\udfffb", "\udc00\ud800"),  # halves of letters: only JSON's escapes can write them
)
HOSTILE_BYTES = (
    *(b"\xff\xfd\x18\xff\xfb\x1f", b"\xff\xf6\xff\xfd\x06", b"\xff" * 9, b"\xff\xfa\x18\x00xterm\xff\xf0"),  # telnet
    *(b"\xc3(", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\xc0\xaf", b"\xf0\x9f\x98", b"\x80", b"\xc3"),  # no UTF-8
    *(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"SSH-2.0-x\r\n"),
    *(b"\0" * 100, b"\r", b"\r\n", b"\n\r", b"\r\r\n\n", b"\x1a", b"\x04"),
)
LINE_ENDS = (b"\n", b"\r\n", b"\r", b"\n\r", b"\r\r\n", b"\n\n", b"\0\n")
GOOD_EVENTS: tuple[dict[str, object], ...] = (
    {"type": "hello", "version": 1, "language": "it"},
    {"type": "join", "name": "x"},
    {"type": "resume", "token": "x", "last": 0},
    {"type": "say", "text": "x", "nonce": 1},
    {"type": "message", "id": 1, "time": 1.5, "name": "Ada", "text": "x"},
    {"type": "welcome", "name": "Ada", "token": "x", "names": ["Ada"], "last": 1},
    {"type": "left", "id": 1, "time": 1, "name": "Ada"},
    {"type": "announcement", "id": 1, "time": 1, "text": "x"},
    {"type": "notice", "about": "x"},
)
WRONG_VALUES: tuple[object, ...] = (-1, -1.5, 2**53, 10**30, float("nan"), float("-inf"), True, {}, [5], [["x"]])
"""Wrong in every field of every event."""
NOTHINGS = ("", " ", "\n\n", "\x1b", "\u202e", "\ud800", "\r", "\x00")
NO_EVENTS = (
    *(b"{]", b"[1]", b'"x"', b"null", b"7", b"NaN", b"{}", b"{" * 99, b"'x'", b"\0", b"~", b"{'type':'say'}"),
    *(b'{"type":5}', b'{"type":null}', b'{"type":["say"]}', b'{"Type":"say"}', b'{"type":"say"}', b'{"type":"join"}'),
    *(b'{quit}{"type":"say"}', b'"{quit}"', b"{quit}x", b"{ quit }", b"<quit", b'{"type":"say","text":"x\x1b"}'),
    *(b'\xef\xbb\xbf{"type":"typing"}', b'{"type":"typing"}{"type":"typing"}', b'{"type":"say","text":"\xff"}'),
    b'{"type":"say","text":"x","nonce":' + b"9" * 5000 + b"}",
)
LARGE_NO_EVENTS: tuple[bytes, ...] = (
    *(b"[" * 30_000, b'{"a":' * 15_000, b'{"type":"say","extra":' + b"[" * 30_000),
    *(b"x" * protocol.MAX_LINE_BYTES, b"y" * (protocol.MAX_LINE_BYTES + 1), b"\0" * 60_000),
    b'{"type":"say","text":"' + b"x" * (protocol.MAX_MESSAGE_BYTES + 1) + b'"}',
    b'{"type":"say","text":"' + b"\\u00e8" * (protocol.MAX_MESSAGE_BYTES // 2 + 1) + b'"}',
)


def to_json(fields: dict[str, object]) -> bytes:
    return json.dumps(fields).encode()


class Rubbish:
    """Hostile inputs, as many as one likes, out of one random generator."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.nonce = 0

    def text(self) -> str:
        """What somebody may say, or call himself, to harm others."""
        rng = self.rng
        if rng.random() < 0.2:
            end = rng.choice((0x80, 0x3000, 0x110000))
            return "".join(chr(rng.randrange(end)) for _ in range(rng.randrange(20)))
        return rng.choice(HOSTILE_TEXTS) + (rng.choice(HOSTILE_TEXTS) if rng.random() < 0.3 else "")

    def raw(self) -> bytes:
        """What somebody may send who speaks bare or lines."""
        rng, kind = self.rng, self.rng.random()
        if kind < 0.005:
            body = b"x" * (protocol.MAX_MESSAGE_BYTES + rng.randrange(-1, 3))
        elif kind < 0.2:
            body = rng.choice(HOSTILE_BYTES)
        elif kind < 0.35:
            body = self.random_bytes(rng.randrange(60))
        elif kind < 0.45:
            body = self.no_event()
        else:
            body = self.text().encode("utf-8", "surrogatepass")
        return body + rng.choice(LINE_ENDS)

    def random_bytes(self, count: int) -> bytes:
        """Bytes at random, but no commands of a telnet's: it would leave, or have what follows skipped."""
        return bytes(byte if byte < 0xEC else byte & 0x7F for byte in self.rng.randbytes(count))

    def no_event(self) -> bytes:
        """A line of the events dialect, without its end, to which the answer must be an error."""
        rng, kind = self.rng, self.rng.random()
        if kind < 0.003:
            return rng.choice(LARGE_NO_EVENTS)
        if kind < 0.3:
            return rng.choice(NO_EVENTS)
        if kind < 0.5:
            line = b"~" + self.text().encode("utf-8", "surrogatepass") + rng.choice(HOSTILE_BYTES)
            line += self.random_bytes(20)
            return line.replace(b"\n", b"")
        if kind < 0.55:
            return to_json({"type": "say", "text": rng.choice(NOTHINGS), "nonce": rng.randrange(9)})
        fields = dict(rng.choice(GOOD_EVENTS))
        if kind < 0.75:
            fields[rng.choice(list(fields))] = rng.choice(WRONG_VALUES)
        elif kind < 0.85:
            del fields[rng.choice([name for name in fields if name != "nonce"])]
        else:
            line = to_json(fields)
            return line[: rng.randrange(1, len(line))]
        return to_json(fields)

    def out_of_turn(self) -> bytes:
        """A line of the events dialect, without its end, that is an event, though perhaps of the wrong moment."""
        rng = self.rng
        self.nonce += 1
        nonce = rng.choice((self.nonce, self.nonce, self.nonce, 0, 10**9 + self.nonce))
        say: dict[str, object] = {"type": "say", "text": "x" + self.text(), "nonce": nonce}
        kind = rng.random()
        if kind < 0.005:
            say["text"] = "x" * protocol.MAX_MESSAGE_BYTES
        if kind < 0.6:
            return to_json(say)
        if kind < 0.75:
            return to_json({"type": "join", "name": self.text(), "name\n": [{}]})
        if kind < 0.8:
            return to_json({"type": "resume", "token": self.text(), "last": rng.choice((0, 7, 2**53 - 1))})
        if kind < 0.9:
            return to_json({"type": self.text() + "!", "text": self.text(), "id": -1})
        return rng.choice((*map(to_json, GOOD_EVENTS), b"", b" \t\r"))


def send_in_cuts(sock: socket.socket, data: bytes, rng: random.Random) -> None:
    while data:
        size = rng.choice((1, 3, 40, 1000, 5000))
        sock.sendall(data[:size])
        data = data[size:]


# --- the honest -----------------------------------------------------------------------------------------------------

FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What must never reach a screen: it steers a terminal, begins a line, or turns the direction."""


def rows_of(event: Event) -> list[str]:
    """The lines that somebody who speaks lines must see for an event, written down once more for the tests."""
    match event:
        case Message(name=name, text=text):
            return [f"{name}: {line}" for line in text.split("\n")]
        case Joined(name=name):
            return [f"{name} si è unito alla chat!"]
        case Left(name=name):
            return [f"{name} ha abbandonato la Chat."]
    raise AssertionError(f"an honest member was told {event}")


class AtHonestAddress(Peer):
    """Somebody whose address nobody shares but the other honest one."""

    def __init__(self, port: int, host: str = "127.0.0.1", source: str = HONEST_ADDRESS) -> None:
        super().__init__(port, host, source)


class HonestLinePeer(LinePeer, AtHonestAddress):
    pass


class HonestEventPeer(EventPeer, AtHonestAddress):
    pass


class HonestSecureLinePeer(SecureLinePeer, AtHonestAddress):
    pass


class HonestSecureEventPeer(SecureEventPeer, AtHonestAddress):
    def __init__(self, port: int, name: str, key: bytes) -> None:
        self.key = key
        super().__init__(port, name)


class Ear:
    """What an honest member hears: it is searched for a word, and read when all is over.

    So what it costs to read what others say is no part of how long the word took.
    """

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._heard = bytearray(peer.received)
        self._searched = 0
        """Up to where there is no more to be found."""

    def listen(self, seconds: float) -> None:
        """Hear what is said for so long."""
        until = time.perf_counter() + seconds
        while (left_s := until - time.perf_counter()) > 0 and select.select([self._peer.sock], [], [], left_s)[0]:
            self._read()

    def wait_for(self, pattern: re.Pattern[bytes]) -> re.Match[bytes]:
        """Listen until there is a match of a regular expression, which ends with the line."""
        while (found := pattern.search(self._heard, self._searched)) is None:
            self._searched = self._heard.rfind(b"\n") + 1
            self._read()
        self._searched = found.end()
        return found

    def take(self) -> bytes:
        """Return all up to what was found last; the rest is for the next time."""
        taken = bytes(self._heard[: self._searched])
        del self._heard[: self._searched]
        self._searched = 0
        return taken

    def _read(self) -> None:
        data = self._peer.sock.recv(65536)
        assert data, f"the server closed the connection after {bytes(self._heard[-1000:])!r}"
        self._heard += data


class Conversation:
    """Two honest members who count together, Ada in lines and Bob in events, and what each saw of the room.

    With the key of the room's code they speak in TLS, from an address of their own.
    """

    def __init__(self, port: int, is_limited: bool = False, key: bytes | None = None) -> None:
        self.count = 0
        self.waits_s: list[float] = []
        """How long it took from each word to when the other one had it."""
        self.strangers: set[str] = set()
        """Who else was ever in the room."""
        self._pause_s = ANNOUNCED_PAUSE_S if is_limited else HONEST_PAUSE_S
        self._ada: LinePeer
        self._bob: EventPeer
        if key is not None:
            self._ada, self._bob = HonestSecureLinePeer(port, "Ada", key), HonestSecureEventPeer(port, "Bob", key)
        else:
            self._ada = (HonestLinePeer if is_limited else LinePeer)(port, "Ada")
            self._bob = (HonestEventPeer if is_limited else EventPeer)(port, "Bob")
        self._ada.expect("Bob si è unito alla chat!\n")
        self._said_at = 0.0
        """When the last word was said, by whichever of them; on `time.perf_counter`."""
        self._present = {"ada", "bob"}
        self._last_id = self._bob.welcome.last + 1
        self._over = threading.Event()
        self._threads = ThreadPoolExecutor(2, "honest")
        self._ada_ear, self._bob_ear = Ear(self._ada), Ear(self._bob)
        self._heard: Future[bytes]
        self._seen: Future[bytes]

    def __enter__(self) -> Conversation:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Break off."""
        self._over.set()
        self._threads.shutdown()
        self._ada.close()
        self._bob.close()

    def begin(self) -> None:
        """Start to talk, and go on until `check`."""
        self._over.clear()
        self._seen = self._threads.submit(self._be_bob)
        self._heard = self._threads.submit(self._be_ada, self.count)

    def waits_so_far_s(self) -> list[float]:
        """Return how long each word has taken so far."""
        return [*self.waits_s]

    def seen_strangers(self) -> set[str]:
        """Return who else was ever in the room, as far as was checked."""
        return {*self.strangers}

    def check(self) -> int:
        """Stop talking, and return how many exchanges there have been.

        Fails unless both saw all that was said in one order, and nobody spoke for somebody else.
        """
        self._over.set()
        events, heard = self._bob.decoder.feed(self._seen.result()), self._heard.result().decode()
        before, self.count = (
            self.count,
            self.count + heard.count("\nBob: numero "),
        )
        rows = heard.removesuffix("\n").split("\n")
        for row, expected in zip(rows, [row for event in events for row in rows_of(event)], strict=True):
            assert row == expected, f"Ada saw {row!r}, Bob {expected!r}"
            assert not FORBIDDEN.search(row), f"control characters: {row!r}"
        for name, last_words in (("Ada", [f"basta {self.count}"]), ("Bob", [])):
            said = [event.text for event in events if isinstance(event, Message) and event.name == name]
            numbers = range(before + 1, self.count + 1)
            assert said == [f"numero {number} di {name}" for number in numbers] + last_words, f"{name}: {said}"
        for event in events:
            self._follow(event)
        return self.count

    def _be_ada(self, number: int) -> bytes:
        ear, answer = self._ada_ear, re.compile(rb"^Bob: numero .*\n", re.MULTILINE)
        while not self._over.is_set():
            ear.listen(self._pause_s)
            number += 1
            self._said_at = time.perf_counter()
            self._ada.say(f"numero {number} di Ada")
            ear.wait_for(answer)
            self.waits_s.append(time.perf_counter() - self._said_at)
        self._ada.say(f"basta {number}")
        ear.wait_for(re.compile(rb"^Ada: basta .*\n", re.MULTILINE))
        return ear.take()

    def _be_bob(self) -> bytes:
        ear, word_of_ada = self._bob_ear, re.compile(rb'"name":"Ada","text":"(numero|basta) (\d+).*\n')
        while True:
            word, number = ear.wait_for(word_of_ada).groups()
            if word == b"basta":
                return ear.take()
            self.waits_s.append(time.perf_counter() - self._said_at)
            self._said_at = time.perf_counter()
            self._bob.say(f"numero {int(number)} di Bob")

    def _follow(self, event: Event) -> None:
        """Fail where an event is out of order, or about somebody who cannot have done it."""
        assert isinstance(event, Message | Joined | Left)
        assert event.id == self._last_id + 1, f"after {self._last_id} came {event}"
        self._last_id = event.id
        key = protocol.name_key(event.name)
        assert protocol.parse_name(event.name) == event.name, event
        if isinstance(event, Joined):
            assert key not in self._present, f"twice in the room: {event}"
            self._present.add(key)
            self.strangers.add(event.name)
        else:
            assert key in self._present, f"not in the room: {event}"
            if isinstance(event, Left):
                self._present.remove(key)


class Apart(BaseManager):
    """A process of its own for a conversation: what the honest wait for must not be the players' interpreter."""

    Conversation: Callable[[int, bool, bytes | None], Conversation]


Apart.register("Conversation", Conversation)


@contextlib.contextmanager
def conversation_apart(port: int, is_limited: bool, key: bytes | None = None) -> Iterator[Conversation]:
    """Have the honest in a process of their own, with the public methods of `Conversation`."""
    with Apart(ctx=multiprocessing.get_context("spawn")) as process:
        honest = process.Conversation(port, is_limited, key)
        try:
            yield honest
        finally:
            honest.close()


def quantiles_of(waits_s: list[float]) -> str:
    """Return the median, the 99th percentile and the longest of some waits, in words."""
    ordered = sorted(waits_s)
    p50, p99 = (1000 * ordered[int(share * (len(ordered) - 1))] for share in (0.5, 0.99))
    return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, longest {1000 * ordered[-1]:.1f} ms"


# --- the server, seen from outside ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Figures:
    """What a process holds; all 0 where there is no /proc."""

    threads: int = 0
    descriptors: int = 0
    memory_kb: int = 0
    peak_kb: int = 0


def figures_of(pid: int) -> Figures:
    if sys.platform != "linux":
        return Figures()
    proc = Path("/proc", str(pid))
    fields = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
    threads, memory_kb, peak_kb = (int(fields[name].split()[0]) for name in ("Threads", "VmRSS", "VmHWM"))
    return Figures(threads, len(list((proc / "fd").iterdir())), memory_kb, peak_kb)


def wait_until_all_left(server: ServerProgram, base: Figures, patience_s: float = 0.0) -> Figures:
    """Wait until the server has no more threads and descriptors than it had, and no stranger in the room.

    `patience_s` is how much longer than usual that may take where the server has limits: whoever has spoken, or asked
    to be let in, faster than an address may is dealt with when its turn comes, and places are held for a while.
    """
    patient_until = time.monotonic() + patience_s

    def is_as_before() -> bool:
        now = figures_of(server.process.pid)
        return (now.threads, now.descriptors) == (base.threads, base.descriptors)

    while time.monotonic() < patient_until and not is_as_before():
        time.sleep(0.05)
    wait_until(is_as_before, lambda: f"{figures_of(server.process.pid)}, before it was {base}")
    with EventPeer(server.port, "Controllo") as peer:
        strangers = {*peer.welcome.names} - {"Ada", "Bob", "Controllo"}
        while strangers:
            assert time.monotonic() < patient_until, f"still in the room: {strangers}"
            if isinstance(event := peer.next_event(), Left):
                strangers.discard(event.name)
        peer.tell(Quit())  # or its place would be held, too
        drain(peer)
    wait_until(is_as_before, lambda: f"{figures_of(server.process.pid)}, before it was {base}")
    return figures_of(server.process.pid)


def end_in_order(server: ServerProgram) -> None:
    """Stop the server; fail if it had died, or had anything to say about a failure of its own."""
    assert server.process.poll() is None, f"the server has ended: {server.expect_end()}"
    server.interrupt()
    status, output = server.expect_end()
    assert status == 0, f"the server ended with status {status}: {output[-2000:]}"
    look_for_failures(output)


def look_for_failures(output: str) -> None:
    for word in ("Traceback", "errore interno"):
        assert word not in output, output[output.index(word) :][:3000]


def look_through_output(server: ServerProgram) -> None:
    """Fail if the server has had anything to say about a failure of its own, and forget the rest, which is much."""
    chunks = [server.output.encode()]
    with contextlib.suppress(queue.Empty):
        while True:
            chunk = server._chunks.get_nowait()
            assert chunk, f"the server has ended: {b''.join(chunks)[-3000:].decode(errors='replace')}"
            chunks.append(chunk)
    output = b"".join(chunks).decode(errors="replace")
    look_for_failures(output)
    server.output = output[-100:]  # a word may have been cut in two


# --- the chaos ------------------------------------------------------------------------------------------------------


class Guest(Peer):
    """Somebody of any dialect, who asks for his name until it is free."""

    def __init__(self, port: int, name: str, dialect: Dialect, source: str = "") -> None:
        super().__init__(port, source=source)
        self.dialect = dialect
        self.name = name
        self.nonce = 0
        try:
            self.expect(GREETING)
            if isinstance(dialect, Events):
                self.tell(Hello(protocol.VERSION, "it"))
            wait_until(self._is_let_in, lambda: f"{name!r} was never free: {self.received.decode(errors='replace')}")
        except BaseException:
            self.close()
            raise

    def tell(self, event: Event) -> None:
        self.send(self.dialect.encode(event))

    def say(self, text: str) -> None:
        self.nonce += 1
        self.tell(Say(text, self.nonce))

    def _is_let_in(self) -> bool:
        """Ask for the name and read the answer."""
        self.tell(Join(self.name))
        self.received = b""
        while True:
            data = self.recv()
            assert data, f"{self.name!r} was turned away: {self.received.decode(errors='replace')}"
            self.received += data
            if b"Benvenuto" in self.received or b'"welcome"' in self.received:
                return True
            if b"diverso:" in self.received or b'"taken"' in self.received:
                return False


@dataclass(frozen=True)
class Player:
    """One of those who live again and again, and where from."""

    port: int
    name: str
    source: str
    rng: random.Random


def live(player: Player, pause: threading.Event) -> None:
    """One life of one client: come, do this and that, go in one way or another."""
    name, rng = player.name, player.rng
    with Guest(player.port, name, rng.choice(DIALECTS), player.source) as guest, contextlib.suppress(OSError):
        guest.sock.settimeout(1.0)  # a flood that is slowed ends here
        is_reading = rng.random() < 0.8
        rubbish = Rubbish(rng)
        for _ in range(rng.randrange(8)):
            match rng.choice(("talk", "talk", "flood", "silence", "rubbish", "half")):
                case "talk":
                    guest.say(f"{name} dice {rng.random()}")
                case "flood":
                    for _ in range(300):
                        guest.say("a fiumi " * rng.randrange(1, 20))
                case "silence":
                    pause.wait(rng.random())
                case "rubbish":
                    make = rubbish.no_event if isinstance(guest.dialect, Events) else rubbish.raw
                    send_in_cuts(guest.sock, b"\n".join(make() for _ in range(30)), rng)
                case "half":
                    guest.send("perché".encode()[:-1])
            if is_reading:
                swallow(guest.sock)
        match rng.choice(("quit", "close", "reset", "half-close", "silence")):
            case "quit":
                guest.tell(Quit())
                read_to_end(guest, pause)
            case "half-close":
                guest.sock.shutdown(socket.SHUT_WR)
                read_to_end(guest, pause)
            case "reset":
                reset(guest.sock)
            case "silence":
                pause.wait(rng.random())


def read_to_end(peer: Peer, pause: threading.Event) -> None:
    """Read what is left, which may take long: a flood is slowed, and all of it is said."""
    while not pause.is_set() and peer.sock.recv(65536):
        pass


def knock(player: Player) -> None:
    """Come and go without ever having a name."""
    with Peer(player.port, source=player.source) as peer, contextlib.suppress(OSError):
        rubbish = Rubbish(player.rng)
        for _ in range(player.rng.randrange(3)):
            send_in_cuts(peer.sock, rubbish.raw()[:500], player.rng)
        if player.rng.random() < 0.5:
            reset(peer.sock)


def be_killed(player: Player, pause: threading.Event) -> None:
    """One life of the original's client as a process that is killed while it talks."""
    name, rng = player.name, player.rng
    with OriginalClient(player.port) as client:  # whose end is to be killed
        client.expect("Salve!")
        client.expect("\n")
        deadline = time.monotonic() + DEADLINE_S
        client.type_row(name)
        while "Benvenuto" not in (answer := client.expect("\n")):
            assert time.monotonic() < deadline, f"{name!r} was never free: {answer}"
            pause.wait(0.05)
            client.type_row(name)
        for number in range(rng.randrange(20)):
            client.type_row(f"{name} dice {number}")
        pause.wait(0.2 * rng.random())


def keep_living(player: Player, pause: threading.Event) -> int:
    """One client's lives, one after the other; gives how many they were."""
    lives = 0
    while not pause.is_set():
        lives += 1
        if player.name == VICTIM:
            be_killed(player, pause)
        elif player.rng.random() < 0.2:
            knock(player)
        else:
            live(player, pause)
    return lives


# --- the rounds -----------------------------------------------------------------------------------------------------


def take_name(player: Player) -> None:
    """Fail unless the name of somebody who has gone is free."""
    Guest(player.port, player.name, DIALECTS[0], player.source).close()


@dataclass(frozen=True)
class Plan:
    """What is played."""

    seconds: float
    every: float
    clients: int
    neighbours: int
    is_limited: bool
    """Whether the server has the limits that it announces."""
    is_measured: bool
    """Whether the server has a core for itself, and on the others the honest come first."""
    seed: int

    @property
    def names(self) -> list[str]:
        return [VICTIM, *(f"ospite {number}" for number in range(1, self.clients))]

    @property
    def server_options(self) -> list[str]:
        if not self.is_limited:
            return ["--rate", str(RATE), "--grace", "0"]
        usual = ANNOUNCED
        limits = ["--rate", f"{usual.rate:g}", "--max-per-host", str(usual.max_per_host), "--grace", f"{GRACE_S:g}"]
        return [*limits, "--backlog", str(usual.backlog), "--greeting-wait", f"{usual.greeting_wait_s:g}"]

    @property
    def patience_s(self) -> float:
        """How long the server may take to deal with all that came from one address faster than that may speak.

        Each connection may have asked to be let in, and have said a burst.
        """
        one_s = 1 / ASK_RATE + BURST / (TALK_SHARES * ANNOUNCED.rate)
        return ANNOUNCED.max_per_host * one_s if self.is_limited else 0.0

    def players(self, port: int, seed: str) -> list[Player]:
        """Return those who live in a round, each at an address of his own if that has limits."""
        return [
            Player(
                port, name, f"127.0.1.{1 + number % 250}" if self.is_limited else "", random.Random(f"{seed}/{name}")
            )
            for number, name in enumerate(self.names)
        ]


def play_round(players: list[Player], seconds: float) -> int:
    """Let everybody live for a while, and wait until they have gone; gives how many lives there were."""
    pause = threading.Event()
    with ThreadPoolExecutor(len(players), "client") as threads:
        lives = [threads.submit(keep_living, player, pause) for player in players]
        try:
            concurrent.futures.wait(lives, seconds, FIRST_EXCEPTION)
        finally:
            pause.set()
    return sum(life.result() for life in lives)


def run(plan: Plan) -> None:
    """Play rounds. Raises AssertionError, or OSError, where the server did not hold."""
    deadline = time.monotonic() + plan.seconds
    with contextlib.ExitStack() as stack:
        with on_a_core_of_its_own() if plan.is_measured else contextlib.nullcontext():
            server = stack.enter_context(ServerProgram(*plan.server_options))
        honest = stack.enter_context(conversation_apart(server.port, plan.is_limited))
        if plan.is_measured:
            take_what_is_left()
        street = stack.enter_context(Street(server.port, plan.neighbours))
        base = figures_of(server.process.pid)
        memory_kb: list[int] = []
        waits_s: list[float] = []
        while time.monotonic() < deadline:
            number, seconds = len(memory_kb) + 1, min(plan.every, deadline - time.monotonic())
            seed, waited = f"{plan.seed}/{number}", len(honest.waits_so_far_s())
            honest.begin()
            street.let_loose(number, seed, seconds)
            players = plan.players(server.port, seed)
            lives = play_round(players, seconds)
            done = street.wait()
            waited_s, ended = honest.waits_so_far_s()[waited:], time.monotonic()
            waits_s += waited_s
            now = wait_until_all_left(server, base, plan.patience_s)
            settled_s = time.monotonic() - ended
            with ThreadPoolExecutor(len(players), "check") as threads:
                list(threads.map(take_name, players))
            exchanges = honest.check()
            look_through_output(server)
            print(f"round {number}: {lives} lives, {exchanges} honest exchanges so far, {now}", flush=True)
            if plan.is_limited:
                print(f"    the honest waited: {quantiles_of(waited_s)}", flush=True)
                print(f"    all had left after {settled_s:.1f} s; neighbours' connections: {done}", flush=True)
            memory_kb.append(now.memory_kb)
        half = (len(memory_kb) + 1) // 2
        first_kb, second_kb = max(memory_kb[:half]), max(memory_kb[half:], default=0)
        print(f"memory: at most {first_kb} KB in the first half, {second_kb} KB in the second")
        print(f"the honest waited {len(waits_s)} times, while it lasted: {quantiles_of(waits_s)}", flush=True)
        assert second_kb <= first_kb + MEMORY_SLACK_KB, "memory grows"
        wait_until_all_left(server, base, plan.patience_s)
        end_in_order(server)


def hold(play: Callable[[], object], seed: int) -> int:
    """Play a chaos, say whether it held, and return the exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is ended on the way out
    print(f"seed {seed}", flush=True)
    try:
        play()
    except (AssertionError, OSError):
        traceback.print_exc()
        print(f"It did not hold, with --seed {seed}.", flush=True)
        return 1
    print("It held.", flush=True)
    return 0


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1800.0, help="default: %(default)g")
    parser.add_argument("--every", type=float, default=30.0, help="seconds from check to check (default: %(default)g)")
    parser.add_argument("--clients", type=int, default=30, help="default: %(default)s")
    parser.add_argument("--neighbours", type=int, default=0, help="hostile addresses (default: none)")
    parser.add_argument("--announced", action="store_true", help="the server's announced limits, as with --neighbours")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32), help="default: a new one")
    parser.add_argument("--measured", action="store_true", help=MEASURED_HELP)
    arguments = parser.parse_args(argv)
    if not 0 <= arguments.neighbours <= MAX_NEIGHBOURS:
        parser.error(f"from 0 to {MAX_NEIGHBOURS} neighbours")
    is_limited = arguments.announced or arguments.neighbours > 0
    times, people = (arguments.seconds, arguments.every), (arguments.clients, arguments.neighbours)
    plan = Plan(*times, *people, is_limited, arguments.measured, arguments.seed)
    return hold(lambda: run(plan), plan.seed)


if __name__ == "__main__":
    sys.exit(main())
