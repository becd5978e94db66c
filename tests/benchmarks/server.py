"""How fast the room is: a load from one process on a server in another, beside other servers in the same run.

    python -m tests.benchmarks.server                                   # the table of docs/MEASUREMENTS.md
    python -m tests.benchmarks.server --loads 100,10,1 --seconds 5      # members, talkers, messages in flight for each
    python -m tests.benchmarks.server --dialects lines,events --rate 50 # 50 messages a second in all, not flat out
    python -m tests.benchmarks.server --dialects lines,web --rate 50    # guests by browser, a request for each message
    python3.13 -m tests.benchmarks.server --dialects lines,lines+front,lines+code --others ""    # what a code costs
    python3.13 -m tests.benchmarks.server --dialects lines,lines+code --others "" --loads 1000,10,1 --rate 100  # memory

Members join one room, the first of them talk. A message is done when every member has it; its latency is the time from
`send` to that moment, so it is the slowest member's. One member's stream is looked through for what is lost, repeated
or out of order, and the others' are compared with it, byte by byte, where the server has one stream for all; where it
has not, they are counted. Any such error makes the exit status 1. Machines are noisy: the ratios in one run count.

Servers: ours; the stand-in for the original; ngircd and inspircd where they are installed (Debian packages), without
their flood limits; and any program given with --yardstick, which is started with a port and speaks the line dialect.
With `+code` our server wants a code, and a small program in C (`tls_front.c`, which needs cc and libssl-dev) stands
between it and the load and does the load's part of TLS; with `+front` it stands there and does nothing, so that the
ratio of the two is what TLS costs. Linux only, for /proc. Not collected as a test.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import selectors
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

if sys.platform == "win32":
    raise SystemExit("The benchmark reads /proc, which Windows does not have.")
import resource

from lan_chat.code import key_of, make_code, parse_code
from tests.benchmarks.pages import Talker
from tests.support.web_guests import request_bytes

TOP = Path(__file__).resolve().parent.parent.parent
LOADS = "10,10,1 100,10,1 100,10,20 500,10,20"
READY_S = 300.0
DRAIN_S = 20.0
TOKEN = re.compile(rb"\^(\d{5})(\d{9})")
"""In every message: who said it, and which of theirs it is. It ends in a `|`, which nothing else contains."""


@dataclass
class Load:
    """What one run does to one server."""

    dialect: str
    port: int
    members: int
    talkers: int
    window: int
    size: int
    seconds: float
    rate: float


@dataclass
class Result:
    """What came of it; times in seconds."""

    messages: int
    took: float
    p50: float
    p99: float
    slowest: float
    lost: int
    repeated: int
    disordered: int
    differing: int
    """Members whose stream is not that of the others."""
    cpu: float = 0.0
    memory: float = 0.0

    @property
    def deliveries_a_second(self) -> float:
        return self.messages * self.members / self.took

    members: int = 0


# --- the load, in a process of its own ------------------------------------------------------------------------------


class Wire:
    """How one kind of server is joined and spoken to."""

    has_echo = True
    is_one_stream = True
    joining = 20
    """Members that join at once: to be greeted takes 0.25 s, at inspircd a second. The original breaks of it."""

    def __init__(self, size: int) -> None:
        self.size = size

    def join(self, sock: socket.socket, number: int) -> None:
        read_until(sock, b"Invio!")
        sock.sendall(b"u%d\n" % number)
        read_until(sock, b"uscire.")

    def message(self, talker: int, number: int) -> bytes:
        return self.text(talker, number) + b"\n"

    def text(self, talker: int, number: int) -> bytes:
        return (b"^%05d%09d" % (talker, number)).ljust(self.size - 1, b"x") + b"|"


class Bare(Wire):
    joining = 1
    is_one_stream = False  # the original's threads each send in an order of their own

    def join(self, sock: socket.socket, number: int) -> None:
        read_until(sock, b"Invio!")
        sock.sendall(b"u%d" % number)
        read_until(sock, b"uscire.")

    def message(self, talker: int, number: int) -> bytes:
        return self.text(talker, number)


class EventWire(Wire):
    def join(self, sock: socket.socket, number: int) -> None:
        read_until(sock, b"Invio!")
        sock.sendall(b'{"type":"hello","version":1,"language":"it"}\n{"type":"join","name":"u%d"}\n' % number)
        read_until(sock, b'"welcome"')

    def message(self, talker: int, number: int) -> bytes:
        return b'{"type":"say","text":"%s","nonce":%d}\n' % (self.text(talker, number), number + 1)


class WebWire(EventWire):
    """Guests by browser: what they hear is not byte for byte the same, as a silent stream has a heartbeat."""

    is_one_stream = False

    def join(self, sock: socket.socket, number: int) -> None:
        headers = {"Lan-Chat-Token": self.token(number), "Lan-Chat-Name": f"u{number}"}
        sock.sendall(request_bytes(sock.getpeername()[1], "GET", "/events", headers))
        read_until(sock, b'"welcome"')

    @staticmethod
    def token(number: int) -> str:
        return f"u{number:019d}"


class Irc(Wire):
    has_echo = False
    is_one_stream = False

    def join(self, sock: socket.socket, number: int) -> None:
        sock.sendall(b"NICK u%d\r\nUSER u%d 0 * :u\r\n" % (number, number))
        text = read_until(sock, b" 001 ", b"PING ")
        if b" 001 " not in text:
            answer = text[text.index(b"PING ") + 5 :].split()[0] if b"\r\n" in text else b""
            sock.sendall(b"PONG %s\r\n" % answer)
            read_until(sock, b" 001 ")
        sock.sendall(b"JOIN #c\r\n")
        read_until(sock, b" 366 ")

    def message(self, talker: int, number: int) -> bytes:
        return b"PRIVMSG #c :" + self.text(talker, number) + b"\r\n"


WIRES = {"lines": Wire, "bare": Bare, "events": EventWire, "web": WebWire, "irc": Irc}


def read_until(sock: socket.socket, *words: bytes) -> bytes:
    """Read up to one of these words."""
    data = b""
    while not any(word in data for word in words):
        more = sock.recv(65536)
        if not more:
            raise SystemExit(f"the server closed a connection: {data[-200:]!r}")
        data += more
    return data


class Driver:
    """Joins the members, talks, and checks what everybody gets."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.wire = WIRES[load.dialect](load.size)
        self.selector = selectors.DefaultSelector()
        self.socks: list[socket.socket] = []
        self.counts = [0] * load.members
        self.positions = [0] * load.members
        self.stream = bytearray()
        self.unread = b""
        self.differing: set[int] = set()
        self.heard = [0] * load.talkers
        self.repeated = self.disordered = 0
        self.sent_at: dict[tuple[int, int], float] = {}
        self.order: list[float] = []
        self.sent = [0] * load.talkers
        self.outgoing = [bytearray() for _ in range(load.talkers)]
        self.pages: list[Talker] = []
        """What says the talkers' messages where those do not go over what they hear by."""

    def run(self) -> Result:
        self._join()
        latencies, done, messages, turn = [], 0, 0, 0
        start = time.perf_counter()
        end, next_at = start + self.load.seconds, start
        window = self.load.talkers * self.load.window
        while True:
            now = time.perf_counter()
            if now < end:
                while next_at <= now if self.load.rate else messages - done < window:
                    self._say(turn % self.load.talkers)
                    turn, messages, next_at = turn + 1, messages + 1, next_at + 1 / (self.load.rate or 1)
                self._flush()
            elif done == messages or now > end + DRAIN_S:
                break
            self._read(0.001 if self.load.rate else 0.01)
            now = time.perf_counter()
            newly_done = min(self.counts)
            while done < newly_done:
                latencies.append(now - self.order[done] if done < len(self.order) else 0.0)
                done += 1
        took = time.perf_counter() - start
        lost = sum(max(0, messages - count) for count in self.counts)
        repeated = self.repeated + sum(max(0, count - messages) for count in self.counts)
        cuts = statistics.quantiles(latencies or [0.0, 0.0], n=100)
        slowest = max(latencies, default=0.0)
        errors = (lost, repeated, self.disordered, len(self.differing))
        return Result(messages, took, cuts[49], cuts[98], slowest, *errors, members=self.load.members)

    def _join(self) -> None:
        deadline = time.monotonic() + READY_S
        with ThreadPoolExecutor(self.wire.joining) as pool:
            for first in range(0, self.load.members, 20):
                block = range(first, min(first + 20, self.load.members))
                for number, sock in zip(block, pool.map(self._connect, block), strict=True):
                    self.socks.append(sock)
                    self.selector.register(sock, selectors.EVENT_READ, number)
                self._swallow(0.0)
                assert time.monotonic() < deadline, f"only {len(self.socks)} joined in {READY_S} s"
        while self._swallow(1.0):
            pass
        if isinstance(self.wire, WebWire):
            talkers = enumerate(self.socks[: self.load.talkers])
            self.pages = [
                Talker(self.load.port, sock.getsockname()[0], self.wire.token(number), self.selector)
                for number, sock in talkers
            ]

    def _connect(self, number: int) -> socket.socket:
        """Connect a member, and see it join. From a thread of the pool."""
        sock = socket.socket()
        sock.bind((f"127.0.0.{2 + number // 200}", 0))  # many addresses: limits by address stay out of the way
        sock.settimeout(READY_S)
        sock.connect(("127.0.0.1", self.load.port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.wire.join(sock, number)
        sock.setblocking(False)
        return sock

    def _swallow(self, wait_s: float) -> bool:
        """Throw away what the joining makes the server say."""
        ready = self.selector.select(wait_s)
        for key, _ in ready:
            with contextlib.suppress(BlockingIOError):
                self.socks[key.data].recv(1 << 20)
        return bool(ready)

    def _say(self, talker: int) -> None:
        number = self.sent[talker]
        self.sent[talker] += 1
        self.sent_at[talker, number] = time.perf_counter()
        if self.pages:
            self.pages[talker].say(self.wire.message(talker, number))
        else:
            self.outgoing[talker] += self.wire.message(talker, number)
        if not self.wire.has_echo:
            self.counts[talker] += 1

    def _flush(self) -> None:
        for talker, data in enumerate(self.outgoing):
            if data:
                with contextlib.suppress(BlockingIOError):
                    del data[: self.socks[talker].send(data)]

    def _read(self, wait_s: float) -> None:
        for key, _ in self.selector.select(wait_s):
            if isinstance(key.data, Talker):
                key.data.proceed()
                continue
            number = key.data
            data = self.socks[number].recv(1 << 17)
            if not data:
                raise SystemExit("the server closed a connection")
            self.counts[number] += data.count(b"|")
            position = self.positions[number]
            self.positions[number] = position + len(data)
            if self.wire.is_one_stream:
                known = len(self.stream) - position
                if not self.stream.startswith(data[:known], position):
                    self.differing.add(number)
                if known < len(data):
                    self._extend(data[known:])
            elif number == self.load.members - 1:
                self._extend(data)

    def _extend(self, data: bytes) -> None:
        """Note the order in which messages arrive, from whoever gets them first: each talker's has to be its own."""
        self.stream += data
        whole, bar, self.unread = (self.unread + data).rpartition(b"|")
        for talker, number in (map(int, token) for token in TOKEN.findall(whole + bar)):
            self.order.append(self.sent_at.pop((talker, number), 0.0))
            self.repeated += number < self.heard[talker]
            self.disordered += number > self.heard[talker]
            self.heard[talker] = max(self.heard[talker], number) + 1


# --- the servers ----------------------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextlib.contextmanager
def running(command: list[str], port: int, **environment: str) -> Iterator[int]:
    """Run a server until it has been measured; gives its process id once it listens."""
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | environment
    )
    listening = f":{port:04X} 00000000:0000 0A "  # looked up, not tried: a connection more would be a peer more
    try:
        deadline = time.monotonic() + 10
        while listening not in Path("/proc/net/tcp").read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        yield process.pid
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def front_of(port: int, folder: Path, **environment: str) -> Iterator[int]:
    """Put the program between the load and a server; gives the port for the load. Raises CalledProcessError."""
    program = folder / "tls_front"
    source = Path(__file__).with_name("tls_front.c")
    subprocess.run(["cc", "-O2", "-o", str(program), str(source), "-lssl", "-lcrypto"], check=True)
    front = free_port()
    with running([str(program), str(front), str(port)], front, **environment):
        yield front


NGIRCD = """[Global]
Name = irc.test
Info = benchmark
Listen = 127.0.0.1
Ports = {port}
[Limits]
MaxConnections = 0
MaxConnectionsIP = 0
MaxJoins = 0
MaxPenaltyTime = 0
[Options]
DNS = no
Ident = no
PAM = no
"""
INSPIRCD = """<server name="irc.test" description="benchmark" network="Test">
<admin name="a" nick="a" email="a@irc.test">
<bind address="127.0.0.1" port="{port}" type="clients">
<connect allow="*" timeout="60" flood="0" fakelag="no" threshold="1000000" commandrate="1000000000" recvq="16M"
 hardsendq="64M" softsendq="64M" localmax="20000" globalmax="20000" pingfreq="600" resolvehostnames="no"
 maxconnwarn="no">
<performance netbuffersize="10240" somaxconn="1024" softlimit="20000" quietbursts="yes">
<security maxtargets="20"><log method="file" target="/dev/null" type="* -USERINPUT -USEROUTPUT" level="default">
<pid file="{folder}/inspircd.pid"><options syntaxhints="no">
"""


@contextlib.contextmanager
def server_of(kind: str, yardstick: str) -> Iterator[tuple[str, int, int]]:
    """Start a server; gives its dialect, port and process id."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        config = Path(folder) / "server.conf"
        kind, _, addition = kind.partition("+")
        dialect = {"ngircd": "irc", "inspircd": "irc", "original": "bare", "yardstick": "lines"}.get(kind, kind)
        options = ["--host", "127.0.0.1", "--port", str(port)]
        command = [
            sys.executable,
            str(TOP / "chat_server.py"),
            *options,
            "--hidden",
            "--rate",
            "0",
            "--max-per-host",
            "0",
            "--max-clients",
            "20000",
        ]
        if addition == "history":
            command += ["--history", str(Path(folder) / "chat.db")]
        code = make_code()
        if addition == "code":
            command += ["--code", code]
        if kind == "original":
            command = [sys.executable, str(TOP / "tests" / "original" / "chat_server.py"), *options]
        elif kind == "yardstick":
            command = [yardstick, str(port)]
        elif kind == "ngircd":
            config.write_text(NGIRCD.format(port=port))
            command = [shutil.which("ngircd") or "ngircd", "-n", "-f", str(config)]
        elif kind == "inspircd":
            config.write_text(INSPIRCD.format(port=port, folder=folder))
            command = [shutil.which("inspircd") or "inspircd", "--runasroot", "--nofork", "--config", str(config)]
        pid = stack.enter_context(running(command, port))
        if addition == "front":
            port = stack.enter_context(front_of(port, Path(folder)))
        elif addition == "code":
            key = key_of(parse_code(code) or "")
            port = stack.enter_context(front_of(port, Path(folder), KEY=key.hex()))
        yield dialect, port, pid


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_kb(pid: int) -> float:
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return float(found[1]) if found else 0.0


def measure(kind: str, arguments: argparse.Namespace, members: int, talkers: int, window: int) -> Result:
    """Start a server, put one load on it from another process, and stop it."""
    with server_of(kind, arguments.yardstick) as (dialect, port, pid):
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # what a key took while it was made is not the members'
        memory, cpu = memory_kb(pid), cpu_s(pid)
        load = Load(dialect, port, members, talkers, window, arguments.size, arguments.seconds, arguments.rate)
        command = [sys.executable, "-m", "tests.benchmarks.server", "--drive", json.dumps(asdict(load))]
        limit_s = READY_S + arguments.seconds + 2 * DRAIN_S
        driver = subprocess.run(command, cwd=TOP, stdout=subprocess.PIPE, text=True, check=False, timeout=limit_s)
        if driver.returncode:
            raise RuntimeError(f"the load ended with status {driver.returncode}")
        result = Result(**json.loads(driver.stdout))
        result.cpu = cpu_s(pid) - cpu
        result.memory = (memory_kb(pid) - memory) / members
        return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--loads", default=LOADS, help="members,talkers,window, in a quoted list (default: %(default)s)"
    )
    dialects_help = "of our server; +history: it records in a file; +code, +front: see above (default: %(default)s)"
    parser.add_argument("--dialects", default="lines,events,lines+history,events+history", help=dialects_help)
    parser.add_argument("--others", default="original,ngircd,inspircd", help="other servers, where installed")
    parser.add_argument("--yardstick", default="", metavar="PROGRAM", help="takes a port, speaks the line dialect")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--size", type=int, default=64, help="bytes a message (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=0.0, help="messages/s in all; 0: flat out")
    parser.add_argument("--drive", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if arguments.drive:
        print(json.dumps(asdict(Driver(Load(**json.loads(arguments.drive))).run())))
        return
    kinds = [kind for kind in arguments.dialects.split(",") if kind]
    kinds += [kind for kind in arguments.others.split(",") if kind == "original" or shutil.which(kind)]
    if arguments.yardstick:
        kinds.insert(0, "yardstick")
    print(
        "| N, K, W | server | messages/s | deliveries/s | ratio | p50 ms | p99 ms | max ms | CPU s | KB each | errors |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    errors = 0
    for text in arguments.loads.split():
        members, talkers, window = map(int, text.split(","))
        base = 0.0
        for kind in kinds:
            try:
                result = measure(kind, arguments, members, talkers, window)
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                print(f"| {text} | {kind} | {error} |", flush=True)
                continue
            speed = result.deliveries_a_second
            base = base or speed
            print(
                f"| {text} | {kind} | {result.messages / result.took:,.0f} | {speed:,.0f} | {speed / base:.2f} "
                f"| {result.p50 * 1e3:.2f} | {result.p99 * 1e3:.2f} | {result.slowest * 1e3:.1f} | {result.cpu:.1f} "
                f"| {result.memory:.1f} | {result.lost} lost, {result.repeated} repeated, "
                f"{result.disordered} out of order, {result.differing} differ |",
                flush=True,
            )
            errors += result.lost + result.repeated + result.disordered + result.differing
    raise SystemExit(errors > 0)


if __name__ == "__main__":
    main()
