"""A room with a code besieged by those who have it not, with an honest conversation in it.

    python -m tests.chaos.siege                                  # 10,000 wrong codes, and a seed that it prints
    python -m tests.chaos.siege --guesses 500 --seconds 4 --seed 7

Rounds in pairs, one of peace and one of war: in war the intruders (`intruders.py`) try wrong codes as fast as the
server takes them, from hundreds of addresses and from one, send garbage that begins as a handshake, leave thousands of
handshakes half-finished, change bits between the server and one who has the code, replay what that has sent, and offer
other kinds of TLS. Nobody may get in, two honest members talk on, newcomers with the code come in and go. After each
round threads and descriptors are as before, and memory does not grow. How long the honest waited for each other's words
in war and in peace is printed; with `--measured` it is the server that they waited for, if no other load runs beside.

The intruders take what the others leave of the machine, each in a process, as do the honest two in theirs. Exit status
0, or 1 and what failed. Ends all that it started. Started in the top folder; needs Python 3.13, and loopback addresses
beside 127.0.0.1, which macOS does not have. Not collected as a test; `tests/server/test_siege.py` does a short run.

Threads: main, one for the newcomers, and those of `programs.Program`; the intruders' and the honest ones' in theirs.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import random
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass

from lan_chat.code import key_of, make_code, parse_code
from lan_chat.server.handshakes import MAX_HANDSHAKES_PER_HOST
from lan_chat.server.hosts import GUESS_BURST, GUESS_RATE
from protocol import Quit
from tests.chaos.cores import MEASURED_HELP, on_a_core_of_its_own, take_what_is_left
from tests.chaos.intruders import IN, KINDS, WRONG, Raid, begin_and_stop, intrude
from tests.chaos.neighbours import ANNOUNCED
from tests.chaos.room import (
    MEMORY_SLACK_KB,
    RATE,
    Conversation,
    Figures,
    HonestSecureEventPeer,
    conversation_apart,
    end_in_order,
    figures_of,
    hold,
    look_through_output,
    quantiles_of,
)
from tests.support.peers import drain
from tests.support.programs import ServerProgram
from tests.support.waiting import wait_until

NEWCOMER = "Nuova"
NEWCOMER_PAUSE_S = 0.3


@dataclass(frozen=True)
class Plan:
    """What is played."""

    guesses: int = 10_000
    """How many wrong codes are tried at least, from many addresses."""
    seconds: float = 20.0
    """How long each round is."""
    seed: int = 0
    kinds: tuple[int, ...] = tuple(range(len(KINDS)))
    """What is tried, by its place in KINDS."""
    is_measured: bool = False
    """Whether the server has a core for itself."""


@dataclass
class Figured:
    """What all rounds came to."""

    counted: Counter[str]
    waits_s: dict[bool, list[float]]
    """What the honest waited, in war and in peace."""
    entries_s: dict[bool, list[float]]
    """What newcomers with the code waited."""
    memory_kb: list[int]
    """After each war."""


def come_and_go(port: int, key: bytes, is_over: threading.Event) -> list[float]:
    """Come in by the code again and again; gives how long each time took."""
    entries_s = []
    while not is_over.wait(NEWCOMER_PAUSE_S):
        began = time.perf_counter()
        with HonestSecureEventPeer(port, NEWCOMER, key) as peer:
            entries_s.append(time.perf_counter() - began)
            peer.tell(Quit())
            drain(peer)
    return entries_s


class Siege:
    """The server, the honest and the intruders."""

    def __init__(self, plan: Plan, server: ServerProgram, honest: Conversation, code: str) -> None:
        self.figured = Figured(Counter(), {True: [], False: []}, {True: [], False: []}, [])
        self._plan = plan
        self._server = server
        self._honest = honest
        self._code = code
        self._key = key_of(code)
        self._base = figures_of(server.process.pid)
        self._wars = 0

    def play(self, intruders: ProcessPoolExecutor, is_war: bool) -> None:
        """Play a round of war or of peace. Raises AssertionError where something did not hold."""
        figured, port = self.figured, self._server.port
        waited, is_over = len(self._honest.waits_so_far_s()), threading.Event()
        self._honest.begin()
        with ThreadPoolExecutor(1, "newcomer") as thread:
            entries = thread.submit(come_and_go, port, self._key, is_over)
            try:
                raids = self._raids() if is_war else []
                futures = [intruders.submit(intrude, raid) for raid in raids]
                is_over.wait(self._plan.seconds)
                waits_s = self._honest.waits_so_far_s()[waited:]
                counted = sum((future.result() for future in futures), Counter[str]())
            finally:
                is_over.set()
            entries_s = entries.result()
        now = self._wait_until_quiet()
        self._honest.check()  # every word came, in one order
        look_through_output(self._server)
        figured.counted += counted
        figured.waits_s[is_war] += waits_s
        figured.entries_s[is_war] += entries_s
        if is_war:
            figured.memory_kb.append(now.memory_kb)
            self._check(counted)
        print(f"{'war' if is_war else 'peace'}: {dict(sorted(counted.items()))}")
        print(f"    waited: {quantiles_of(waits_s)}; to come in: {quantiles_of(entries_s)}; {now}", flush=True)

    def _raids(self) -> list[Raid]:
        """Return who comes: the half-finished handshakes in every second war, as they take the others' places."""
        self._wars += 1
        stops = KINDS.index(begin_and_stop)
        kinds = [kind for kind in self._plan.kinds if kind != stops or self._wars % 2 == 0] or [stops]
        seed, seconds = f"{self._plan.seed}/{self._wars}", self._plan.seconds
        return [Raid(self._server.port, kind, self._code, f"{seed}/{kind}", seconds) for kind in kinds]

    def _check(self, counted: Counter[str]) -> None:
        assert not counted[IN], f"somebody got in: {counted}"
        strangers = self._honest.seen_strangers()
        assert strangers <= {NEWCOMER}, f"in the room were {strangers}"
        slowed = counted[f"{WRONG}, from one address"]
        most = GUESS_BURST + GUESS_RATE * (self._plan.seconds + MAX_HANDSHAKES_PER_HOST) + MAX_HANDSHAKES_PER_HOST
        assert slowed <= most, f"{slowed} wrong codes from one address"

    def _wait_until_quiet(self) -> Figures:
        """Wait until the server has no more threads and descriptors than at first."""

        def is_as_before() -> bool:
            now = figures_of(self._server.process.pid)
            return (now.threads, now.descriptors) == (self._base.threads, self._base.descriptors)

        wait_until(is_as_before, lambda: f"{figures_of(self._server.process.pid)}, before it was {self._base}")
        return figures_of(self._server.process.pid)


def run(plan: Plan) -> None:
    """Play rounds. Raises AssertionError, or OSError, where the server did not hold."""
    rng = random.Random(plan.seed)
    code = parse_code(make_code())
    assert code is not None
    limits = ["--rate", str(RATE), "--max-per-host", str(ANNOUNCED.max_per_host)]
    limits += ["--greeting-wait", f"{ANNOUNCED.greeting_wait_s:g}"]
    spawn = multiprocessing.get_context("spawn")
    with contextlib.ExitStack() as stack:
        with on_a_core_of_its_own() if plan.is_measured else contextlib.nullcontext():
            server = stack.enter_context(ServerProgram("--code", code, *limits))
        honest = stack.enter_context(conversation_apart(server.port, is_limited=False, key=key_of(code)))
        intruders = stack.enter_context(ProcessPoolExecutor(len(KINDS), spawn, take_what_is_left))
        list(intruders.map(abs, range(len(KINDS))))  # they are there before anything is measured
        siege = Siege(plan, server, honest, code)
        figured = siege.figured
        wars = 0
        while wars < 2 or wars % 2 or figured.counted[WRONG] < plan.guesses:
            for is_war in rng.sample((True, False), 2):
                siege.play(intruders, is_war)
            wars += 1
        half = max(2, wars // 2)  # with one war of each kind
        first_kb, second_kb = max(figured.memory_kb[:half]), max(figured.memory_kb[half:], default=0)
        print(f"all: {dict(sorted(figured.counted.items()))}")
        print(f"memory after each war: {figured.memory_kb} KB")
        for is_war, what in ((False, "peace"), (True, "war")):
            print(f"{what}: waited {len(figured.waits_s[is_war])} times: {quantiles_of(figured.waits_s[is_war])}")
            print(f"    came in {len(figured.entries_s[is_war])} times: {quantiles_of(figured.entries_s[is_war])}")
        assert second_kb <= first_kb + MEMORY_SLACK_KB, "memory grows"
        end_in_order(server)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usual = Plan()
    parser.add_argument("--guesses", type=int, default=usual.guesses, help="wrong codes (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=usual.seconds, help="of each round (default: %(default)g)")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32), help="default: a new one")
    names = [kind.__name__ for kind in KINDS]
    parser.add_argument("--only", choices=names, nargs="+", default=names, help="kinds of intruders (default: all)")
    parser.add_argument("--measured", action="store_true", help=MEASURED_HELP)
    given = parser.parse_args(argv)
    kinds = tuple(names.index(name) for name in given.only)
    plan = Plan(given.guesses, given.seconds, given.seed, kinds, given.measured)
    return hold(lambda: run(plan), plan.seed)


if __name__ == "__main__":
    sys.exit(main())
