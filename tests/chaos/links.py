"""Links that break in every way, a server that is killed, people who talk: nothing lost, nothing twice, one order.

    python -m tests.chaos.links                                    # 20 members, 5,000 messages, 10 kills, a new seed
    python -m tests.chaos.links --no-history --kills 0 --seed 7    # the same without a file
    python -m tests.chaos.links --grace 0.2                        # many breaks are longer than the grace
    python -m tests.chaos.links --grace 0.2 --losses 6 --kept 100  # the record loses its end, the room keeps little
    python -m tests.chaos.links --grace 0.2 --power-cuts 6         # it loses its end without a trace
    python3.13 -m tests.chaos.links --code                         # the room has a code: all of it in TLS

Each member is a real `Session` behind a network of its own, which ends links in order, resets them, freezes one way or
both, refuses new ones, or breaks off after so many bytes, be it within a `hello`. The server is a process over one
history file, killed with SIGKILL and started again; what was written last is perhaps lost then. At the end the networks
are left in peace, and every member's list has to be the room's, from its arrival on: byte for byte the file's where
there is one; where something is missing, there is a gap that says how much. Whatever somebody said has one end. Exit
status 0, or 1 and what failed. Ends all that it started. Started in the top folder. Not collected as a test;
`test_links.py` does short runs.

Threads: main alone acts; those of the sessions, the proxies and `programs.Program` serve.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lan_chat.client import session as sessions
from lan_chat.client.ledger import Gap
from lan_chat.client.session import Session
from lan_chat.code import key_of
from protocol import Joined, Left
from tests.chaos.members import Breaker, Member
from tests.chaos.records import Loss, RecordFile
from tests.chaos.verdict import Past, check_ends, check_gaps, check_people, check_record, find_past
from tests.support.programs import TOP, ServerProgram
from tests.support.web_link import WebSession

TICK_S = 0.002
"""How long main rests after each round of saying and breaking."""
MEND_S = 60.0
"""How long mending may take at the end, when the networks are in peace."""
CODE = "babacocodidifofo"
LONG_GRACE_S = 600.0
"""A grace that no break is longer than."""
LOSING_MESSAGES = 200
"""The most messages that are said between the beginning of a lost end and the kill."""
SMALL_ROOM = """
import sys
from lan_chat.server import history, timeline
history.KEPT_EVENTS = timeline.KEPT_EVENTS = timeline.SHOWN_EVENTS = {kept}
import chat_server
sys.exit(chat_server.main())
"""
"""A server that keeps, and shows to one who comes back, no more than so many events."""


@dataclass(frozen=True)
class Plan:
    """What is played."""

    members: int = 20
    pages: int = 0
    """How many of them come as a page in a browser does."""
    messages: int = 5000
    kills: int = 10
    losses: int = 0
    """How many kills more there are after which the end of the record is lost, and it is known how much that was."""
    power_cuts: int = 0
    """How many more after which nobody can know."""
    grace_s: float = LONG_GRACE_S
    kept: int = 0
    """How many events the server keeps; 0 for what it usually does."""
    has_history: bool = True
    has_code: bool = False
    seed: int = 0


class Machine:
    """The machine that the server runs on: it is killed there, and its record loses its end."""

    def __init__(self, plan: Plan, folder: Path, stack: contextlib.ExitStack) -> None:
        self.record = RecordFile(folder / "chat.db") if plan.has_history else None
        self.lost: Counter[str] = Counter()
        self._stack = stack
        self._options = ["--rate", "0", "--log-level", "warning"]
        self._options += ["--grace", str(plan.grace_s), "--grace-web", str(plan.grace_s)]
        self._options += ["--history", str(self.record.path)] if self.record else []
        self._options += ["--code", CODE, "--web", "on"] if plan.has_code else []
        self._program = ["-c", SMALL_ROOM.format(kept=plan.kept)] if plan.kept else [TOP / "chat_server.py"]
        self.server = self._start()

    def begin_to_lose(self, loss: Loss) -> None:
        assert self.record is not None
        self.record.begin_to_lose(loss, self.server.process)

    def kill(self, loss: Loss | None, people: list[Member]) -> None:
        """Kill the server, and start the next; what was written last is lost, if that has begun."""
        self.server.process.kill()
        self.server.process.wait()
        if loss is not None and self.record is not None:
            self.lost[loss.value] += 1
            self.record.lose(loss)
        self.server = self._start()
        for member in people:
            member.proxy.lead_to(self.server.port)

    def _start(self) -> ServerProgram:
        return self._stack.enter_context(ServerProgram(*self._options, program=self._program))


def run(plan: Plan) -> str:
    """Play it; gives its figures in words. Raises AssertionError, or OSError, where something was lost."""
    rng = random.Random(plan.seed)
    rest = threading.Event()  # nobody sets it
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        machine = Machine(plan, Path(folder), stack)
        key = key_of(CODE) if plan.has_code else None
        kinds = [WebSession] * plan.pages + [Session] * (plan.members - plan.pages)
        rng.shuffle(kinds)
        people = [Member(f"membro {number}", machine.server.port, key, kind) for number, kind in enumerate(kinds)]
        for member in people:
            stack.callback(member.close)
        breaker = Breaker(rng)
        said = 0
        fate = blows_of_fate(plan, rng)
        due, losing = next(fate), None
        people[0].come(people[0].name)
        present = people[:1]
        while said < plan.messages:
            if len(present) < plan.members and rng.random() < 0.1:
                newcomer = people[len(present)]
                newcomer.come(rng.choice([newcomer.name, *(member.name for member in breaker.broken)]))
                present.append(newcomer)
            for member in rng.sample(present, min(2, len(present))):
                member.say()
                said += 1
            if rng.random() < 0.3:
                breaker.strike(rng.choice(present))
            if said >= due[0]:
                if due[1] is not None and losing is None:
                    losing = due[1]
                    machine.begin_to_lose(losing)
                    due = said + rng.randrange(LOSING_MESSAGES), losing
                else:
                    machine.kill(losing, people)
                    due, losing = next(fate), None
            for member in present:
                member.drain()
            rest.wait(TICK_S)

        if losing is not None:
            machine.kill(losing, people)
        for member in people:
            breaker.leave_in_peace(member)
        quiet_from = time.monotonic()
        while not have_settled(present):
            for member in present:
                member.drain()
                if not member.is_in:
                    member.session.retry()
            assert time.monotonic() < quiet_from + MEND_S, "\n".join(["it never settled:", *map(str, present)])
            rest.wait(TICK_S)
        settled_s = time.monotonic() - quiet_from
        past = check(plan, present, machine.record)
        machine.server.process.kill()
        for member in present:
            member.proxy.refuse()
            member.proxy.cut()
            member.leave()
    blows = f"{sum(breaker.done.values())} blows ({dict(sorted(breaker.done.items()))})"
    ends = Counter(type(end).__name__ for member in present for end in member.ends.values())
    gaps = [event.count for member in present for event in member.shown if isinstance(event, Gap)]
    again = sum(count > 1 for count in past.times.values())
    lefts = sum(isinstance(event, Left) for event in max((member.shown for member in present), key=len))
    return (
        f"{said} messages of {plan.members} members ({dict(ends)}; {again} again), {plan.kills} kills, "
        f"lost: {dict(machine.lost)}, {blows}, {sum(member.mended for member in people)} links mended, {lefts} left, "
        f"{sum(member.refusals for member in people)} refused a name, {len(gaps)} gaps of {sum(gaps)} events; "
        f"all settled {settled_s:.1f} s after the last blow, {time.monotonic() - began:.1f} s in all"
    )


def blows_of_fate(plan: Plan, rng: random.Random) -> Iterator[tuple[int, Loss | None]]:
    """Yield when the server is killed, in messages, or how its record begins to lose its end before that."""
    known = [Loss.COPY, Loss.DISK] if sys.platform == "linux" else [Loss.COPY]
    kinds = [None] * plan.kills + [Loss.POWER] * plan.power_cuts
    kinds += [known[number % len(known)] for number in range(plan.losses)]
    rng.shuffle(kinds)
    yield from zip(sorted(rng.randrange(plan.messages) for _ in kinds), kinds, strict=True)
    yield sys.maxsize, None


def have_settled(people: list[Member]) -> bool:
    """Return whether everybody is in, has an end for whatever it said, and has seen as much as the others."""
    return all(member.is_settled for member in people) and len({member.last_id for member in people}) == 1


def check(plan: Plan, people: list[Member], record: RecordFile | None) -> Past:
    """Hold every member's list against the room's, and what each said against its end. Raises AssertionError."""
    past = find_past(people, record)
    if record is not None:
        check_record(past, record)
    elif not plan.kept:
        # Where the first one's link broke before it heard that it was in, for longer than the grace, nobody was there.
        first = min(member.since for member in people if member.since is not None) + 1
        assert past.seen.keys() == set(range(first, past.last + 1)), "numbers have holes"
    for member in people:
        check_people(member, people)
        check_gaps(member, past)
        check_ends(member, past, is_whole=not (past.lost or past.uncounted or (plan.kept and record is None)))
    if plan.grace_s == LONG_GRACE_S and not (plan.losses or plan.power_cuts):
        assert not [event for event in past.seen.values() if isinstance(event, Left)], "somebody was seen to leave"
        arrivals = Counter(event.name for event in past.seen.values() if isinstance(event, Joined))
        assert plan.kept or arrivals == Counter(member.name for member in people), "others have come, or somebody twice"
        assert not any(member.was_forgotten for member in people), "somebody was made a newcomer"
    return past


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usual = Plan()
    parser.add_argument("--members", type=int, default=usual.members, help="default: %(default)s")
    parser.add_argument("--pages", type=int, default=0, help="members of them by browser (default: none)")
    parser.add_argument("--messages", type=int, default=usual.messages, help="default: %(default)s")
    parser.add_argument("--kills", type=int, default=usual.kills, help="of the server (default: %(default)s)")
    parser.add_argument("--losses", type=int, default=0, help="kills more that lose the record's end (default: 0)")
    parser.add_argument("--power-cuts", type=int, default=0, help="more that lose it without a trace (default: 0)")
    parser.add_argument("--grace", type=float, default=usual.grace_s, metavar="S", help="of the server (default: long)")
    parser.add_argument("--kept", type=int, default=0, metavar="N", help="events that the room keeps (default: usual)")
    parser.add_argument("--no-history", action="store_true", help="keep nothing in a file; needs --kills 0")
    parser.add_argument("--code", action="store_true", help="the room has a code; needs Python 3.13")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32), help="default: a new one")
    given = parser.parse_args(argv)
    if given.no_history and (given.kills or given.losses or given.power_cuts):
        parser.error("a server that is killed keeps nothing without a history: --kills 0")
    plan = Plan(
        given.members,
        given.pages,
        given.messages,
        given.kills,
        given.losses,
        given.power_cuts,
        given.grace,
        given.kept,
        not given.no_history,
        given.code,
        given.seed,
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is ended on the way out
    sessions.MAX_PAUSE_S = 1.0  # nobody wants to wait for a person's patience
    print(f"seed {plan.seed}", flush=True)
    try:
        figures = run(plan)
    except (AssertionError, OSError):
        traceback.print_exc()
        print(f"It did not hold, with --seed {plan.seed}.", flush=True)
        return 1
    print(f"It held: {figures}.", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
