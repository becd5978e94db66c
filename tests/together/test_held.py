"""The server as a process of its own, held against load, slow peers, dead links and a system that runs out.

Each test is one row of the table of promises in docs/MEASUREMENTS.md; the figures that it came to are printed (`pytest
-rP` shows them). What generates hostile input, and the long chaos, have files of their own.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import protocol
from lan_chat.server.broadcast import MAX_UNSENT_BYTES
from lan_chat.server.history import KEPT_EVENTS
from lan_chat.server.words import ITALIAN
from tests.support.namespaces import Machine, machines
from tests.support.peers import GREETING, BarePeer, EventPeer, LinePeer, Peer, reset
from tests.support.programs import TOP, Program, ServerProgram
from tests.support.waiting import DEADLINE_S, wait_until

if sys.platform != "win32":
    import fcntl
    import resource

pytestmark = pytest.mark.slow

FULL = ITALIAN.full + "{end_conn}"

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="what the server uses is read from Linux's /proc")


class PreparedServer(Program):
    """The server's program, started by a few lines that change something in it first."""

    def __init__(self, preparation: str, *options: str, host: str = "127.0.0.1", **environment: str) -> None:
        code = f"import sys, chat_server\n{preparation}\nsys.exit(chat_server.main())"
        limits = ("--max-per-host", "0", "--greeting-wait", "0")
        arguments = ("-c", code, "--host", host, "--port", "0", *limits, *options)
        super().__init__(*arguments, stdin=subprocess.DEVNULL, PYTHONPATH=str(TOP), **environment)
        self.expect("porta ")
        self.port = int(self.expect("\n"))


@dataclass(frozen=True)
class Use:
    """What a process takes of its machine."""

    threads: int
    descriptors: int
    memory: int
    """Bytes."""
    peak_memory: int
    """The most bytes that it ever took."""


def use_of(program: Program) -> Use:
    """Look up what a program takes now. Linux only."""
    process = Path("/proc", str(program.process.pid))
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    kib = {field: int(status[field].split()[0]) for field in ("VmRSS", "VmHWM")}
    descriptors = len(list((process / "fd").iterdir()))
    return Use(int(status["Threads"]), descriptors, kib["VmRSS"] * 1024, kib["VmHWM"] * 1024)


def wait_until_as_before(program: Program, before: Use) -> None:
    """Wait until a program has no more threads and descriptors than it had."""
    wait_until(
        lambda: (use_of(program).threads, use_of(program).descriptors) == (before.threads, before.descriptors),
        lambda: f"{use_of(program)}, before {before}",
    )


def allow_descriptors(count: int) -> None:
    """Let this process open as many files, or skip aloud where it may not."""
    if sys.platform != "win32":
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < count:
            pytest.skip(f"this test needs {count} open files, the system allows {hard}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))


def converse(ada: LinePeer, bob: LinePeer, count: int) -> str:
    """Let two members talk, each waiting for what the other said; gives all that Bob heard."""
    heard = ""
    for number in range(count):
        ada.say(f"domanda {number}")
        heard += bob.expect(f"Ada: domanda {number}\n")
        bob.say(f"risposta {number}")
        ada.expect(f"Bob: risposta {number}\n")
    return heard


# --- slow and fast members ------------------------------------------------------------------------------------------


MEMBERS, ROUNDS, SAID_A_ROUND = 50, 50, 8
TEXT_BYTES = 1000
"""20,000 messages of this size are 20 MB: the limit, and what the kernel's buffers take (4 MiB to send), and more."""


def read_messages(peer: Peer, count: int) -> bytes:
    """Read up to the end of the last of `count` messages, each of which has one `|`, at its end."""
    pieces = [peer.received]
    seen = peer.received.count(b"|")
    while seen < count:
        pieces.append(peer.sock.recv(2**18))
        assert pieces[-1], f"it ended after {seen} of {count} messages: {b''.join(pieces)[-100:]!r}"
        seen += pieces[-1].count(b"|")
    whole = b"".join(pieces)
    end = whole.rindex(b"|") + 1
    peer.received = whole[end:]
    return whole[:end]


def say_all(members: list[LinePeer], first: int) -> bytes:
    """Have each say SAID_A_ROUND numbers from one on, and return what all have heard, which is the same."""
    for member in members:
        numbers = range(first, first + SAID_A_ROUND)
        member.send("".join(f"{number:03} ".ljust(TEXT_BYTES - 1, "x") + "|\n" for number in numbers))
    streams = {read_messages(member, len(members) * SAID_A_ROUND) for member in members}
    assert len(streams) == 1  # all have heard the same, in the same order
    return streams.pop()


@linux_only
def test_who_stops_reading_is_let_go_at_the_limit_and_fifty_others_lose_nothing() -> None:
    with contextlib.ExitStack() as stack:
        program = stack.enter_context(ServerProgram("--rate", "0"))
        others = [stack.enter_context(LinePeer(program.port, f"u{number:02}")) for number in range(MEMBERS)]
        others[0].say("ecco")
        for other in others:
            other.expect("u00: ecco\n")
        for first in range(0, KEPT_EVENTS // MEMBERS, SAID_A_ROUND):  # what the room keeps is no growth
            say_all(others, first)
        slow = stack.enter_context(LinePeer(program.port, "Lento"))
        others[0].say("via")
        for other in others:
            other.expect("u00: via\n")
        before = use_of(program)

        transcript = b"".join([say_all(others, first) for first in range(0, ROUNDS * SAID_A_ROUND, SAID_A_ROUND)])
        growth = use_of(program).peak_memory - before.peak_memory

        said: dict[str, list[int]] = {f"u{number:02}": [] for number in range(MEMBERS)}
        for name, number in re.findall(r"^(u\d\d): (\d{3}) x+\|$", transcript.decode(), re.MULTILINE):
            said[name].append(int(number))
        assert all(numbers == list(range(ROUNDS * SAID_A_ROUND)) for numbers in said.values())

        left = f"\n{ITALIAN.tell_left('Lento', protocol.Reason.TOO_SLOW)}\n".encode()
        assert transcript.count(left) == 1
        with contextlib.suppress(ConnectionError):
            while data := slow.sock.recv(2**18):
                slow.received += data
        _, _, taken = slow.received.partition(b"u00: via\n")
        taken, _, _ = taken.partition(ITALIAN.too_slow.encode())  # which it is told if it reads in time
        assert transcript.startswith(taken)
        waiting = transcript.index(left) - len(taken)
        print(f"let go when {waiting:,} bytes were waiting for it and the system had taken {len(taken):,}")
        print(f"the server's memory grew by {growth:,} bytes at most, to {use_of(program).peak_memory:,}")
        # The system may take a little more between the look at the limit and the end.
        assert 0.9 * MAX_UNSENT_BYTES < waiting < 2 * MAX_UNSENT_BYTES
        assert growth < 2 * MAX_UNSENT_BYTES

        host, port = slow.sock.getsockname()
        log = program.expect(f"{host}:{port} has left the server.")
        lines = [line for line in log.splitlines() if f"{host}:{port}" in line and "troppo lentamente" in line]
        assert lines, log
        print(*lines, sep="\n")


def test_a_flood_is_slowed_and_loses_nothing_and_the_others_talk_meanwhile() -> None:
    with (
        ServerProgram("--rate", "2000") as program,
        LinePeer(program.port, "Ada") as ada,
        LinePeer(program.port, "Bob") as bob,
        LinePeer(program.port, "Flo") as flo,
    ):
        texts = [f"{number:03} ".ljust(8000, "x") for number in range(1000)]
        flood = threading.Thread(target=flo.send, args=("".join(f"{text}\n" for text in texts),))
        flood.start()
        heard = converse(ada, bob, 100)
        assert f"Flo: {texts[-1]}\n" not in heard  # the conversation is over, the flood is not
        print(f"{heard.count('Flo: ')} of {len(texts)} messages of the flood came during the conversation")
        for text in texts[99::100]:
            if f"Flo: {text}\n" not in heard:
                heard += bob.expect(f"Flo: {text}\n")
        flood.join()
        assert [line for line in heard.splitlines() if line.startswith("Flo: ")] == [f"Flo: {text}" for text in texts]


GATED_TIME = """
import os
from lan_chat.server import greeted
greeted.NAME_S, greeted.SILENT_S = 10.0, 1000.0
overdue, is_up = greeted.Greeted.overdue, os.environ["TIME_IS_UP"]
greeted.Greeted.overdue = lambda self, now: overdue(self, now) if os.path.exists(is_up) else None
"""
"""Who says nothing has ten seconds, or as long as the test needs to fill the room, if that is longer."""


@linux_only
def test_a_thousand_that_say_nothing_fill_the_room_until_their_time_is_up(tmp_path: Path) -> None:
    allow_descriptors(1200)
    time_is_up = tmp_path / "time_is_up"
    with contextlib.ExitStack() as stack:
        program = stack.enter_context(PreparedServer(GATED_TIME, TIME_IS_UP=str(time_is_up)))
        with Peer(program.port) as first:
            first.expect(GREETING)  # so all threads of the server have begun
            used = use_of(program)
        before = replace(used, threads=used.threads - 1, descriptors=used.descriptors - 1)
        wait_until_as_before(program, before)
        silent = []
        for _ in range(1000):
            silent.append(stack.enter_context(Peer(program.port)))
            silent[-1].expect(GREETING)  # one after the other, or the backlog is full and the system waits
        full = use_of(program)
        print(f"a silent connection takes {(full.memory - before.memory) // len(silent):,} bytes of the server")
        assert full.descriptors == before.descriptors + len(silent)
        with Peer(program.port) as one_more:
            assert one_more.expect_end() == FULL
        time_is_up.touch()
        for peer in silent:
            assert peer.expect_end() == ITALIAN.too_late + "{end_conn}"
        # They keep their side open, but that keeps nobody out.
        wait_until_as_before(program, before)
        with LinePeer(program.port, "Ada") as ada, LinePeer(program.port, "Bob") as bob:
            converse(ada, bob, 10)


# --- dead links -----------------------------------------------------------------------------------------------------


SHORT_TIMES = """
times = {"TCP_KEEPIDLE": 1, "TCP_KEEPINTVL": 1, "TCP_KEEPCNT": 2, "TCP_USER_TIMEOUT": 2000}
import lan_chat.sockets
lan_chat.sockets.SOCKET_OPTIONS = tuple(
    (level, option, times.get(option, value)) for level, option, value in lan_chat.sockets.SOCKET_OPTIONS
)
"""
"""What takes a minute otherwise takes two or three seconds."""


class Cable:
    """Two machines and the cable between them."""

    near_host, far_host = "10.53.0.1", "10.53.0.2"

    def __init__(self, near: Machine, far: Machine) -> None:
        self.near, self.far = near, far
        near.plug_in("veth0", far, "veth0")
        near.add_address("veth0", f"{self.near_host}/24")
        far.add_address("veth0", f"{self.far_host}/24")

    def pull(self) -> None:
        """Pull it out at the far end: the near one has no carrier any more."""
        self.far.ip("link", "set", "veth0", "down")


@pytest.fixture
def cable() -> Iterator[Cable]:
    """Lay a cable that can be pulled.

    A proxy that swallows everything is no stand-in for one: its own system goes on to acknowledge what it is sent, and
    answers keepalives.
    """
    with machines("near", "far") as (near, far):
        yield Cable(near, far)


def unacknowledged(program: Program, host: str) -> int:
    """Return how many bytes a program's machine has sent to a host without an answer. Linux only."""
    address = socket.inet_aton(host)[::-1].hex().upper()
    rows = Path("/proc", str(program.process.pid), "net", "tcp").read_text().splitlines()[1:]
    return sum(int(row.split()[4].split(":")[0], 16) for row in rows if row.split()[2].startswith(f"{address}:"))


@pytest.mark.root
@pytest.mark.parametrize("is_written_to", [False, True], ids=["idle", "written to"])
def test_a_pulled_cable_is_noticed_and_the_name_is_free_again(cable: Cable, is_written_to: bool) -> None:
    with contextlib.ExitStack() as stack:
        with cable.near.at():
            program = stack.enter_context(PreparedServer(SHORT_TIMES, host="0.0.0.0"))
            bob = stack.enter_context(LinePeer(program.port, "Bob"))
        with cable.far.at():
            ada = stack.enter_context(Peer(program.port, cable.near_host))
        ada.expect(GREETING)
        ada.send("Ada\n")
        ada.expect("Ada si è unito alla chat!\n")
        bob.expect("Ada si è unito alla chat!\n")
        wait_until(lambda: not unacknowledged(program, cable.far_host))

        cable.pull()
        pulled_at = time.monotonic()
        if is_written_to:
            bob.say("mi senti?")
            bob.expect("Bob: mi senti?\n")
            wait_until(lambda: unacknowledged(program, cable.far_host) > 0)  # Bob may have been written to first
        assert bob.expect("Chat.\n") == "Ada ha abbandonato la Chat.\n"
        print(f"noticed after {time.monotonic() - pulled_at:.1f} s, with the times made shorter")
        program.expect(f"{cable.far_host}:{ada.sock.getsockname()[1]} has left the server.")
        with cable.near.at(), LinePeer(program.port, "Ada"):
            bob.expect("Ada si è unito alla chat!\n")


@linux_only
def test_a_peer_that_takes_nothing_any_more_is_noticed_long_before_the_limit() -> None:
    """As one that sleeps while its network card is awake. Elsewhere the limit of unsent bytes holds alone."""
    with PreparedServer(SHORT_TIMES, "--rate", "0") as program, LinePeer(program.port, "Bob") as bob:
        with LinePeer(program.port, "Ada") as ada:
            bob.expect("Ada si è unito alla chat!\n")
            ada.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            heard = ""
            for _ in range(100):  # more than her window, less than the limit
                bob.say("x" * 8000)
                heard += bob.expect("x\n")
            left = "Ada ha abbandonato la Chat.\n"
            if f"\n{left}" not in heard:  # where that took long, it came in between
                assert bob.expect("Chat.\n") == left
        LinePeer(program.port, "Ada").close()


# --- sudden ends ----------------------------------------------------------------------------------------------------


@linux_only
def test_whoever_breaks_off_has_left_and_takes_nothing_along() -> None:
    with (
        ServerProgram("--grace", "0") as program,
        LinePeer(program.port, "Ada") as ada,
        LinePeer(program.port, "Bob") as bob,
    ):
        converse(ada, bob, 1)
        before = use_of(program)
        for kind in (LinePeer, BarePeer, EventPeer):
            peers = [kind(program.port, f"u{number}") for number in range(6)]
            for number, peer in enumerate(peers):
                if number % 2:  # in the middle of something
                    peer.send('{"type":"say","te' if kind is EventPeer else b"perch\xc3")
                reset(peer.sock)
            for _ in peers:
                bob.expect(" ha abbandonato la Chat.\n")
            for number in range(len(peers)):  # the names are free again
                reset(kind(program.port, f"U{number}").sock)
            for _ in peers:
                bob.expect(" ha abbandonato la Chat.\n")
        wait_until_as_before(program, before)
        converse(ada, bob, 10)


@linux_only
def test_a_half_closed_member_hears_its_last_words_and_is_let_go() -> None:
    with (
        ServerProgram("--rate", "500") as program,
        LinePeer(program.port, "Ada") as ada,
        LinePeer(program.port, "Bob") as bob,
    ):
        converse(ada, bob, 1)
        before = use_of(program)
        with LinePeer(program.port, "Lia") as half:
            bob.expect("Lia si è unito alla chat!\n")
            texts = [f"numero {number}" for number in range(500)]  # some of it when she has long closed
            half.send("".join(f"{text}\n" for text in texts))
            half.sock.shutdown(socket.SHUT_WR)
            expected = "".join(f"Lia: {text}\n" for text in texts)
            assert half.expect_end() == expected
            assert bob.expect("Chat.\n") == expected + "Lia ha abbandonato la Chat.\n"
            # Her side is open, as far as it can be.
            wait_until_as_before(program, before)
            LinePeer(program.port, "LIA").close()


@pytest.mark.parametrize(
    ("kind", "half", "heard"),
    [
        (BarePeer, b"perch\xc3", "Ugo: perch\n"),
        (LinePeer, b"uno\nperch\xc3", "Ugo: uno\n"),
        (EventPeer, b'{"type":"say","nonce":1,"text":"perch\xc3', ""),
        (EventPeer, b'{"type":"say","nonce":1,"text":"uno"}\n{"type":"sa', "Ugo: uno\n"),
    ],
    ids=["bare letter", "line letter", "event letter", "event line"],
)
def test_a_client_killed_in_the_middle_has_left(kind: type[Peer], half: bytes, heard: str) -> None:
    code = f"import sys; from tests.support.peers import {kind.__name__} as Kind\n"
    code += f"peer = Kind(int(sys.argv[1]), 'Ugo'); peer.send({half!r})\n"
    code += "print('sent'); sys.stdin.read()"
    with ServerProgram("--grace", "0") as program, LinePeer(program.port, "Bob") as bob:
        with Program("-c", code, str(program.port), PYTHONPATH=str(TOP)) as client:
            bob.expect("Ugo si è unito alla chat!\n")
            client.expect("sent")
            if heard:
                assert bob.expect(heard) == heard
            client.process.kill()
            # A last line without its end may be said; half a letter at its end is not pinned down here.
            rest = bob.expect("Ugo ha abbandonato la Chat.\n").removesuffix("Ugo ha abbandonato la Chat.\n")
            assert re.fullmatch("(Ugo: perch\ufffd?\n)?" if kind is LinePeer else "", rest), rest
        with LinePeer(program.port, "Ugo"):
            bob.expect("Ugo si è unito alla chat!\n")


# --- a system that runs out -----------------------------------------------------------------------------------------


def limit_files(soft: int | str, hard: int | str) -> str:
    """Write the lines that limit a server's open files; `limit` in them is the hard limit before."""
    return (
        f"import resource as r; limit = r.getrlimit(r.RLIMIT_NOFILE)[1]; r.setrlimit(r.RLIMIT_NOFILE, ({soft}, {hard}))"
    )


@linux_only
def test_a_first_word_that_never_ends_takes_no_more_memory_the_smaller_its_pieces() -> None:
    with contextlib.ExitStack() as stack:
        program = stack.enter_context(ServerProgram())
        slow = [stack.enter_context(Peer(program.port)) for _ in range(20)]
        for peer in slow:
            peer.expect(GREETING)
            peer.send('{"type":')
        before = use_of(program)
        for _ in range(8000):
            for peer in slow:
                with contextlib.suppress(ConnectionError):
                    peer.send("ab")
        after = use_of(program)
        print(f"memory + {(after.memory - before.memory) / 1e6:.1f} MB")
        assert after.memory < before.memory + 8_000_000
        LinePeer(program.port, "Ada").close()


@linux_only
def test_a_terminal_that_takes_nothing_holds_up_nobody() -> None:
    read_end, write_end = os.pipe()
    if sys.platform == "linux":
        fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 4096)
    command = [sys.executable, "-u", str(TOP / "chat_server.py"), "--host", "127.0.0.1", "--port", "0"]
    command += ["--greeting-wait", "0.02", "--max-per-host", "0"]  # else the many who join would wait
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=write_end) as program:
        os.close(write_end)
        try:
            output = b""
            while not (found := re.search(rb"porta (\d+)\n", output)):
                output += os.read(read_end, 1000)
            port = int(found[1])
            with EventPeer(port, "Eva") as eva, LinePeer(port, "Ada") as ada:  # from here on nobody reads
                for number in range(400):
                    LinePeer(port, f"ospite {number}").close()
                reset(eva.sock)  # the delivery thread has something for the log
                ada.say("ci siete?")
                ada.expect("Ada: ci siete?\n")
                program.terminate()
                assert ada.expect_end().endswith("{end_conn}\n")
            assert program.wait(DEADLINE_S) == 0
        finally:
            program.kill()
        os.close(read_end)


@linux_only
def test_the_soft_limit_of_open_files_is_raised_to_the_hard_one() -> None:
    with PreparedServer(limit_files(64, "limit")) as program:
        limits = Path("/proc", str(program.process.pid), "limits").read_text()
        found = re.search(r"Max open files\s+(\S+)\s+(\S+)", limits)
        assert found is not None, limits
        assert found[1] == found[2]


@linux_only
def test_accepting_pauses_without_descriptors_and_resumes_while_the_room_goes_on() -> None:
    with contextlib.ExitStack() as stack:
        program = stack.enter_context(PreparedServer(limit_files(64, 64)))
        ada = stack.enter_context(LinePeer(program.port, "Ada"))
        bob = stack.enter_context(LinePeer(program.port, "Bob"))
        silent = [stack.enter_context(Peer(program.port)) for _ in range(70)]
        program.expect("Nessuna nuova connessione")
        assert "Too many open files" in program.expect("\n")
        converse(ada, bob, 20)
        program.expect("Nessuna nuova connessione")  # it still does
        assert use_of(program).descriptors == 64
        for peer in silent[:30]:
            peer.close()
        silent[-1].expect(GREETING)
        silent[-1].send("Ugo\n")
        ada.expect("Ugo si è unito alla chat!\n")
        bob.expect("Ugo si è unito alla chat!\n")
        converse(ada, bob, 20)


FEW_THREADS = """
import threading
start = threading.Thread.start
def start_or_fail(self):
    if threading.active_count() >= 12:
        raise RuntimeError("can't start new thread")
    start(self)
threading.Thread.start = start_or_fail
"""


def test_accepting_pauses_without_threads_and_resumes_while_the_room_goes_on() -> None:
    with contextlib.ExitStack() as stack:
        program = stack.enter_context(PreparedServer(FEW_THREADS))
        ada = stack.enter_context(LinePeer(program.port, "Ada"))
        bob = stack.enter_context(LinePeer(program.port, "Bob"))

        def first_words() -> str:
            return stack.enter_context(Peer(program.port)).recv().decode()

        greeted = [stack.enter_context(Peer(program.port))]
        while (words := greeted[-1].recv().decode()) == GREETING:
            greeted.append(stack.enter_context(Peer(program.port)))
        assert words == ITALIAN.full  # `{end_conn}` follows by itself
        program.expect("Nessuna nuova connessione")
        assert "can't start new thread" in program.expect("\n")
        converse(ada, bob, 20)
        greeted[0].close()
        wait_until(lambda: first_words() == GREETING)
        converse(ada, bob, 20)
