"""Who talks in the chaos of links, over networks that break, and what its window would show.

Threads: main alone; those of the sessions and the proxies serve.
"""

from __future__ import annotations

import contextlib
import queue
import random
from collections import Counter

from lan_chat.client.ledger import Gap, LinkRestored, NotSent, Rejected, Taken
from lan_chat.client.session import CodeTrouble, Disconnected, LinkBroken, Session
from lan_chat.client.words import ITALIAN
from protocol import Announcement, Event, Joined, Left, Message, Reason, Refused, Welcome
from tests.support.proxy import Proxy

WITHOUT_CODE = ITALIAN.code_not_here
END_S = 60.0
"""How long the end of a session may take."""
HELLO_BYTES = 300
"""More than a `hello` and a `resume` have: so far into a new link one may break."""


def number_of(event: Event) -> int:
    """Return the number of an event of the room."""
    return int(getattr(event, "id", 0))


class Member:
    """Somebody who talks through a network that breaks, and what its window would show."""

    def __init__(self, author: str, port: int, key: bytes | None = None, kind: type[Session] = Session) -> None:
        self.author = author
        """What its texts bear, whatever name it comes under."""
        self.name = author
        self.proxy = Proxy(port)
        self.session = kind("127.0.0.1", self.proxy.port, code_key=key)
        self.since: int | None = None
        """The number before its arrival; None until it has come in."""
        self.shown: list[Event] = []
        """The room's events, from its own arrival on, and the gaps in them."""
        self.texts: dict[int, str] = {}
        """What it said, by nonce."""
        self.ends: dict[int, Event] = {}
        """What became of it."""
        self.names: set[str] = set()
        """Who is there, as its list of people says."""
        self.is_in = False
        self.was_forgotten = False
        """Whether it was made a newcomer once more."""
        self.mended = 0
        self.refusals = 0
        self._room: str | None = None

    def __str__(self) -> str:
        open_nonces = [nonce for nonce in self.texts if nonce not in self.ends]
        return f"{self.author} as {self.name}: in: {self.is_in}, shown: {len(self.shown)}, no end: {open_nonces}"

    @property
    def last_id(self) -> int:
        return next((number_of(event) for event in reversed(self.shown) if not isinstance(event, Gap)), 0)

    @property
    def is_settled(self) -> bool:
        """Whether it is in, and whatever it said has its end."""
        return self.is_in and bool(self.shown) and self.ends.keys() == self.texts.keys()

    def come(self, name: str) -> None:
        """Connect and ask for a name."""
        self.session.connect()
        self.session.start()
        self.name = name
        self.session.join(name)

    def say(self) -> None:
        text = f"{len(self.texts) + 1} di {self.author}"
        nonce = self.session.say(text)
        assert nonce is not None, f"{self} is at its end"
        self.texts[nonce] = text

    def drain(self) -> None:
        """Look at what came. Raises AssertionError for what must never be shown."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._take(self.session.events.get_nowait())

    def leave(self) -> None:
        """Say something while nobody hears it, and leave: it stays unsent."""
        self.say()
        self.session.quit()
        while not isinstance(event := self.session.events.get(timeout=END_S), Disconnected):
            assert isinstance(event, LinkBroken), f"{self} was told {event}"
        assert event.unsent == (list(self.texts.values())[-1],), f"{self} was told {event}"

    def close(self) -> None:
        self.proxy.close()
        self.session.close()

    def _take(self, event: Event) -> None:
        match event:
            case Welcome(name=name, last=last, room=room):
                assert room == self._room or self._room is None, f"{self} came into another room"
                self.name, self._room, self.is_in, self.names = name, room, True, set(event.names)
                if event.missing is None and self.since is not None:
                    self.was_forgotten = True
                self.since = self.since if self.shown and self.since is not None else last
            case LinkRestored(names):
                self.is_in, self.names = bool(names), set(names)
                self.mended += 1
            case LinkBroken():
                self.is_in = False
            case Refused(reason):
                assert reason == Reason.TAKEN.value, f"{self} was told {event}"
                self.refusals += 1
                self.session.join(f"{self.author} {self.refusals}")  # another each time: any of them may be taken
            case Gap():
                self.shown.append(event)
            case Message() | Announcement() | Joined() | Left():
                assert number_of(event) > self.last_id, f"{self} saw {event} after {self.last_id}"
                assert self.since is not None, f"{self} saw {event} before it had come in"
                if not self.shown and number_of(event) <= self.since:  # it never heard of the link that let it in
                    self.since = number_of(event) - 1
                self.shown.append(event)
                if isinstance(event, Joined):
                    self.names.add(event.name)
                elif isinstance(event, Left):
                    self.names.discard(event.name)
                if isinstance(event, Message) and event.name == self.name and event.nonce is not None:
                    assert event.text == self.texts[event.nonce], f"{self} takes {event} for its own"
                    self._end(event.nonce, event)
            case NotSent(nonce) | Taken(nonce):
                self._end(nonce, event)
            case CodeTrouble(sentence):  # the room had not heard the `hello`, and has greeted it as a silent client
                assert sentence == WITHOUT_CODE.format(host="127.0.0.1", port=self.proxy.port), (
                    f"{self} was told {event}"
                )
            case Rejected() | Disconnected():
                raise AssertionError(f"{self} was told {event}")

    def _end(self, nonce: int, event: Event) -> None:
        assert nonce not in self.ends, f"{self}: {nonce} has two ends, {self.ends[nonce]} and {event}"
        self.ends[nonce] = event


class Breaker:
    """Breaks networks at random; counts how."""

    def __init__(self, rng: random.Random) -> None:
        self.done: Counter[str] = Counter()
        self._rng = rng
        self.broken: set[Member] = set()
        """Whose network lets nothing through, or nobody in."""

    def strike(self, member: Member) -> None:
        """Do something to a member's network; what was frozen or shut is opened again first."""
        rng, proxy = self._rng, member.proxy
        if member in self.broken:
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
            self.broken.add(member)

    def leave_in_peace(self, member: Member) -> None:
        self.broken.discard(member)
        member.proxy.thaw()
        member.proxy.allow()
