"""Links that break in every way, a server that is killed, people who talk: nothing lost, nothing twice, one order.

    python -m tests.chaos.links                                    # 20 members, 5,000 messages, 10 kills, a new seed
    python -m tests.chaos.links --no-history --kills 0 --seed 7    # the same without a file

Each member is a real `Session` behind a network of its own, which ends links in order, resets them, freezes one way or
both, refuses new ones, or breaks off after so many bytes, be it within a `hello`. The server is a process over one
history file, killed with SIGKILL and started again. At the end the networks are left in peace, and every member's list
has to be the room's, from its arrival on: byte for byte the file's where there is one, that of the first member where
there is none. Exit status 0, or 1 and what failed. Ends all that it started. Started in the top folder. Not collected
as a test; `test_links.py` does short runs.

Threads: main alone acts; those of the sessions, the proxies and `programs.Program` serve.
"""

from __future__ import annotations

import argparse
import contextlib
import queue
import random
import signal
import sqlite3
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from pathlib import Path

from lan_chat.client import session as sessions
from lan_chat.client.ledger import Gap, LinkRestored, NotSent, Rejected, Taken
from lan_chat.client.session import Disconnected, Session
from protocol import Event, Joined, Left, Message, Refused, Welcome
from tests.support.programs import ServerProgram
from tests.support.proxy import Proxy

TICK_S = 0.002
"""How long main rests after each round of saying and breaking."""
MEND_S = 60.0
"""How long mending may take at the end, when the networks are in peace."""
HELLO_BYTES = 300
"""More than a `hello` and a `resume` have: so far into a new link one may break."""


class Member:
    """Somebody who talks through a network that breaks, and what it was shown."""

    def __init__(self, name: str, port: int) -> None:
        self.name = name
        self.proxy = Proxy(port)
        self.session = Session("127.0.0.1", self.proxy.port)
        self.shown: list[Event] = []
        """The room's events, from its own arrival on."""
        self.texts: dict[int, str] = {}
        """What it said, by nonce."""
        self.unconfirmed: set[int] = set()
        self.is_in = False
        self.mended = 0

    def __str__(self) -> str:
        return f"{self.name}: in: {self.is_in}, shown: {len(self.shown)}, unconfirmed: {sorted(self.unconfirmed)}"

    def come(self) -> None:
        """Connect and ask for the name."""
        self.session.connect()
        self.session.start()
        self.session.join(self.name)

    def say(self) -> None:
        text = f"{len(self.texts) + 1} di {self.name}"
        nonce = self.session.say(text)
        assert nonce is not None, f"{self} is at its end"
        self.texts[nonce] = text
        self.unconfirmed.add(nonce)

    def drain(self) -> None:
        """Look at what came. Raises AssertionError for what must never be shown."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._take(self.session.events.get_nowait())

    def close(self) -> None:
        self.proxy.close()
        self.session.close()

    def _take(self, event: Event) -> None:
        match event:
            case Welcome():
                assert not self.is_in, f"{self} was made a newcomer"
                self.is_in = True
            case LinkRestored():
                self.mended += 1
            case Message() | Joined() | Left():
                self.shown.append(event)
                if isinstance(event, Message) and event.name == self.name and event.nonce is not None:
                    self.unconfirmed.remove(event.nonce)
            case Gap() | NotSent() | Rejected() | Taken() | Refused() | Disconnected():
                raise AssertionError(f"{self} was told {event}")


class Breaker:
    """Breaks networks at random; counts how."""

    def __init__(self, rng: random.Random) -> None:
        self.done: Counter[str] = Counter()
        self._rng = rng
        self._broken: set[Member] = set()
        """Whose network lets nothing through, or nobody in."""

    def strike(self, member: Member) -> None:
        """Do something to a member's network; what was frozen or shut is opened again first."""
        rng, proxy = self._rng, member.proxy
        if member in self._broken:
            self.leave_in_peace(member)
            return
        how = rng.choice(("end", "reset", "freeze", "freeze one way", "freeze and cut", "refuse", "within a hello"))
        self.done[how] += 1
        match how:
            case "end" | "reset":
                proxy.cut(resets=how == "reset")
            case "within a hello":
                proxy.cut()
                proxy.cut_after(rng.randrange(1, HELLO_BYTES))
            case "freeze":
                proxy.freeze()
            case "freeze one way":
                from_clients = rng.random() < 0.5
                proxy.freeze(from_clients, not from_clients)
            case "freeze and cut":  # a new link meets the silence, perhaps in the middle of its `hello`
                proxy.cut()
                proxy.cut_after(rng.randrange(1, HELLO_BYTES))
                proxy.freeze(from_clients=rng.random() < 0.5, from_server=True)
            case "refuse":
                proxy.refuse()
                proxy.cut()
        if how.startswith("freeze") or how == "refuse":
            self._broken.add(member)

    def leave_in_peace(self, member: Member) -> None:
        self._broken.discard(member)
        member.proxy.thaw()
        member.proxy.allow()


def run(members: int, messages: int, kills: int, seed: int, has_history: bool) -> str:
    """Play it; gives its figures in words. Raises AssertionError, or OSError, where something was lost."""
    rng = random.Random(seed)
    rest = threading.Event()  # nobody sets it
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        history = Path(folder, "chat.db")
        options = ["--grace", "600", "--rate", "0", "--log-level", "warning"]
        options += ["--history", str(history)] if has_history else []
        server = stack.enter_context(ServerProgram(*options))
        people = [Member(f"membro {number}", server.port) for number in range(members)]
        for member in people:
            stack.callback(member.close)
        breaker = Breaker(rng)
        said = 0
        due_kills = sorted(rng.randrange(messages) for _ in range(kills))
        people[0].come()
        present = people[:1]
        while said < messages:
            if len(present) < members and rng.random() < 0.1:
                newcomer = people[len(present)]
                newcomer.come()
                present.append(newcomer)
            for member in rng.sample(present, min(2, len(present))):
                member.say()
                said += 1
            if rng.random() < 0.3:
                breaker.strike(rng.choice(present))
            if due_kills and said >= due_kills[0]:
                due_kills.pop(0)
                server.process.kill()
                server = stack.enter_context(ServerProgram(*options))
                for member in people:
                    member.proxy.lead_to(server.port)
            for member in present:
                member.drain()
            rest.wait(TICK_S)

        for member in people:
            breaker.leave_in_peace(member)
        quiet_from = time.monotonic()
        while not has_settled(present):
            for member in present:
                member.drain()
                member.session.retry()
            assert time.monotonic() < quiet_from + MEND_S, "\n".join(["it never settled:", *map(str, present)])
            rest.wait(TICK_S)
        settled_s = time.monotonic() - quiet_from
        # Who came in first has seen all; that is not always the first who knocked, whose link may have been struck.
        compare(people, recorded(history) if has_history else max((member.shown for member in people), key=len))
    blows = f"{sum(breaker.done.values())} blows ({dict(sorted(breaker.done.items()))})"
    return (
        f"{said} messages of {members} members, {kills} kills, {blows}, "
        f"{sum(member.mended for member in people)} links mended; all settled {settled_s:.1f} s after the last blow, "
        f"{time.monotonic() - began:.1f} s in all"
    )


def has_settled(people: list[Member]) -> bool:
    """Tell whether everybody is in, is confirmed, and has seen as much as the others."""
    if any(member.unconfirmed or not member.shown or not member.is_in for member in people):
        return False
    return len({getattr(member.shown[-1], "id", 0) for member in people}) == 1


def recorded(history: Path) -> list[Event]:
    """Read what the file holds, without the help of the program that wrote it."""
    events: list[Event] = []
    with contextlib.closing(sqlite3.connect(history)) as file:
        for number, when, kind, name, text, nonce, reason in file.execute("SELECT * FROM events ORDER BY id"):
            if kind == "message":
                events.append(Message(number, when, name, text, nonce))
            else:
                events.append(Joined(number, when, name) if kind == "joined" else Left(number, when, name, reason))
    return events


def compare(people: list[Member], room: list[Event]) -> None:
    """Hold every member's list against the room's. Raises AssertionError."""
    numbers = [getattr(event, "id", 0) for event in room]
    assert numbers == list(range(1, len(room) + 1)), "the room's numbers have holes, or come twice"
    for member in people:
        start = room.index(member.shown[0])
        assert isinstance(room[start], Joined), f"{member} begins with {room[start]}"
        for seen, happened in zip(member.shown, room[start:], strict=True):
            assert seen == happened, f"{member} saw {seen}, and it was {happened}"
        texts = [event.text for event in room if isinstance(event, Message) and event.name == member.name]
        assert texts == list(member.texts.values()), f"{member} said {member.texts}, and the room has {texts}"
    assert not [event for event in room if isinstance(event, Left)], "somebody was seen to leave"
    assert Counter(event.name for event in room if isinstance(event, Joined)) == Counter(
        member.name for member in people
    ), "others have come, or somebody twice"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=20, help="default: %(default)s")
    parser.add_argument("--messages", type=int, default=5000, help="default: %(default)s")
    parser.add_argument("--kills", type=int, default=10, help="of the server, at random moments (default: %(default)s)")
    parser.add_argument("--no-history", action="store_true", help="keep nothing in a file; needs --kills 0")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32), help="default: a new one")
    arguments = parser.parse_args(argv)
    if arguments.no_history and arguments.kills:
        parser.error("a server that is killed keeps nothing without a history: --kills 0")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is ended on the way out
    sessions.MAX_PAUSE_S = 1.0  # nobody wants to wait for a person's patience
    print(f"seed {arguments.seed}", flush=True)
    try:
        figures = run(arguments.members, arguments.messages, arguments.kills, arguments.seed, not arguments.no_history)
    except (AssertionError, OSError):
        traceback.print_exc()
        print(f"It did not hold, with --seed {arguments.seed}.", flush=True)
        return 1
    print(f"It held: {figures}.", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
