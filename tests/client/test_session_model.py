"""The session against a played server: whatever happens to its links, each thing said has one end, and no other.

A hypothesis state machine says, cuts, refuses, forgets and leaves in any order. The server is played here, over real
sockets, because it has to do what the real one does only by bad luck: break a link after it took what was said and
before anybody heard of it, in the middle of an answer, or between two of them.

Nobody waits for time. Rules do not wait for each other either, unless they say so: what one thread does while another
is at work must not matter.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from lan_chat.client.ledger import Gap, LinkRestored, NotSent, Rejected, Taken
from lan_chat.client.session import Disconnected, LinkBroken, Session, State
from lan_chat.client.whereabouts import RoomMoved
from protocol import Announcement, Error, Event, Joined, Left, Message, Refused, Welcome
from tests.support.played_room import KEPT_EVENTS, NO_CHAT, Cut, Loss, PlayedRoom
from tests.support.sessions import arrows_in_picture
from tests.support.waiting import DEADLINE_S, wait_until

pytestmark = pytest.mark.slow


class StatefulSession(Session):
    """A session that notes its transitions."""

    def __setattr__(self, name: str, value: object) -> None:
        if isinstance(value, State):
            before = getattr(self, name, value)
            if value is not before:
                self.transitions.add((before.name, value.name))
        super().__setattr__(name, value)

    def __init__(self, host: str, port: int) -> None:
        self.transitions: set[tuple[str, str]] = set()
        self.goes_to = 0
        """The port to which its user follows the room, as soon as a link breaks; 0: the user stays."""
        super().__init__(host, port)

    def _break(self, has_ended: bool) -> bool:
        is_last = super()._break(has_ended)
        if self.goes_to:
            self.follow(RoomMoved("", "127.0.0.1", self.goes_to))
        return is_last


class Watcher:
    """Reads a session's events as its window does, and objects to whatever it must not say."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.seen: list[Event] = []
        self.texts: dict[int, str] = {}
        """What was said, by nonce."""
        self.ends: dict[int, list[Event]] = {}
        """What became of it."""
        self.is_in = False
        """Whether it is a member, as far as it has been told."""
        self.must_ask = True
        """Whether the server waits for a name."""
        self.is_over = False
        self.room: str | None = None
        self.last_id = 0
        self._name = ""
        self._shown_until = 0
        self._missing = 0

    def __str__(self) -> str:
        return "\n".join(map(str, [*self.seen, f"said: {self.texts}", f"without an end: {self.open_nonces}"]))

    @property
    def open_nonces(self) -> list[int]:
        return [nonce for nonce in self.texts if nonce not in self.ends]

    def say(self) -> int | None:
        text = f"text {len(self.texts) + 1}"
        nonce = self._session.say(text)
        if nonce is not None:
            assert nonce not in self.texts
            self.texts[nonce] = text
        return nonce

    def drain(self) -> None:
        """Take the events that are there."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._take(self._session.events.get_nowait())

    def take_one(self) -> None:
        """Wait for an event, and take it."""
        try:
            event = self._session.events.get(timeout=DEADLINE_S)
        except queue.Empty:
            raise AssertionError(f"nothing more came; until then:\n{self}") from None
        self._take(event)

    def _take(self, event: Event) -> None:
        assert not self.is_over, f"{event} came after the end:\n{self}"
        self.seen.append(event)
        match event:
            case Welcome(name=name, last=last, room=room, missing=missing):
                if room != self.room or missing is None:
                    self._shown_until = last
                if room != self.room:
                    self.room, self.last_id = room, 0
                self._name = name
                self.is_in, self.must_ask = True, False
            case LinkRestored(names):
                self.is_in = bool(names)
            case LinkBroken():
                self.is_in = False
            case Refused():
                self.is_in, self.must_ask = False, True
            case Gap(count):
                assert count > 0, self
                assert not self._missing, self
                self._missing = count
            case Message() | Joined() | Left() | Announcement():
                self._note_number(event.id)
                if isinstance(event, Joined) and event.name == self._name:
                    self._shown_until = min(self._shown_until, event.id)  # nothing is held back after that
                if isinstance(event, Message) and event.name == self._name and event.nonce is not None:
                    assert event.text == self.texts.get(event.nonce), f"another's {event} passed for one's own:\n{self}"
                    self._note_end(event.nonce, event)
            case Rejected(text, Error(nonce=int(nonce))) | NotSent(nonce, text):
                assert text == self.texts[nonce], self
                self._note_end(nonce, event)
            case Taken(nonce):
                self._note_end(nonce, event)
            case Disconnected(unsent):
                self.is_over, self.is_in = True, False
                numbers = {text: nonce for nonce, text in self.texts.items()}
                for text in unsent:
                    self._note_end(numbers[text], event)

    def _note_number(self, number: int) -> None:
        assert number > self.last_id, f"{number} came again:\n{self}"
        if self._missing:
            before = self.last_id or self._shown_until  # a newcomer misses nothing of what was before it
            assert number == before + self._missing + 1, f"the gap before {number} is of another size:\n{self}"
        elif number > self._shown_until:
            expected = max(self.last_id, self._shown_until) + 1
            assert number == expected, f"{number} came, and not {expected}:\n{self}"
        self._missing, self.last_id = 0, number

    def _note_end(self, nonce: int, event: Event) -> None:
        assert nonce not in self.ends, f"text {nonce} has two ends, {self.ends[nonce]} and {event}:\n{self}"
        self.ends[nonce] = [event]


NAMES = st.sampled_from(["Ada", "Bea"])
CUTS = st.sampled_from(Cut)
PARTS = st.sampled_from([0.0, 0.3, 0.5, 0.8, 1.0])
SWITCH = st.booleans()


class SessionModel(RuleBasedStateMachine):
    """Everything that can happen to a session, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.before = set(threading.enumerate())
        self.steps = 0
        self.stays_for = 0
        self.has_left = False

    @initialize(
        backlog=st.sampled_from([0, 3]),
        names_to_refuse=st.sampled_from([0, 1]),
        names=st.sampled_from([["Ada"], ["Ada", "Bea"], []]),
        stays_for=st.sampled_from([30, 10, 0]),
    )
    def connect(self, backlog: int, names_to_refuse: int, names: list[str], stays_for: int) -> None:
        self.stays_for = stays_for
        self.server = PlayedRoom(backlog)
        self.server.names_to_refuse = names_to_refuse
        self.session = StatefulSession("127.0.0.1", self.server.port)
        self.watcher = Watcher(self.session)
        self.session.connect()
        self.session.start()
        if names:
            self.name(names)

    # What its user does.

    @rule(names=st.lists(NAMES, min_size=1, max_size=2))
    def name(self, names: list[str]) -> None:
        """Ask for a name, perhaps for another one before the answer."""
        self.watcher.must_ask = False
        for name in names:
            self.session.join(name)

    @rule(count=st.integers(1, 3), is_muting=SWITCH, waits=SWITCH)
    def say(self, count: int, is_muting: bool, waits: bool) -> None:
        """Say some things; perhaps wait until the server has read them, where it must."""
        self.server.is_muting = is_muting
        wire = self.server.wire
        for _ in range(count):
            nonce = self.watcher.say()
            assert (nonce is None) <= self.has_left, self.watcher
        if waits and wire is not None and wire.is_welcomed and not wire.is_deaf and not self.has_left:
            said = set(self.watcher.texts)

            def is_read() -> bool:
                self.watcher.drain()  # what is in doubt may end there, and never reach the server
                return said <= self.server.heard | set(self.watcher.ends) or self.server.wire is not wire

            wait_until(is_read, lambda: self.watcher)

    @rule()
    def retry(self) -> None:
        self.session.retry()

    @precondition(lambda self: self.steps > self.stays_for)
    @rule(closes=SWITCH)
    def leave(self, closes: bool) -> None:
        self.has_left = True
        (self.session.close if closes else self.session.quit)()

    @precondition(lambda self: self.steps > self.stays_for and not self.has_left)
    @rule(count=st.integers(0, 3))
    def leave_in_order(self, count: int) -> None:
        """Nothing is in doubt where no link breaks."""
        self.settle()
        if self.watcher.is_over:
            return
        said = [self.watcher.say() for _ in range(count)]
        self.has_left = True
        self.session.quit()
        self.take_until(lambda: self.watcher.is_over)
        for nonce in said:
            assert nonce is not None
            assert isinstance(self.watcher.ends[nonce][0], Message | Rejected), self.watcher

    # What the server and the network do.

    @rule(
        settles=SWITCH,
        is_deaf=SWITCH,
        count=st.integers(0, 3),
        is_muting=SWITCH,
        loss=st.sampled_from([Loss.NOTHING, Loss.NOTHING, Loss.MEMBER, Loss.MEMBER, Loss.MEMORY, Loss.ROOM]),
        how=CUTS,
        part=PARTS,
        holds=SWITCH,
        others=st.sampled_from([0, 2, KEPT_EVENTS + 2]),
        names_to_refuse=st.sampled_from([0, 0, 1]),
        place=st.integers(0, 2),
    )
    def lose_the_link(
        self,
        settles: bool,
        is_deaf: bool,
        count: int,
        is_muting: bool,
        loss: Loss,
        how: Cut,
        part: float,
        holds: bool,
        others: int,
        names_to_refuse: int,
        place: int,
    ) -> None:
        """Break the link while things are said: before the server hears of them, or before anybody hears of its answer.

        `part` of the answers gets through, and before the next link there are so many messages of `others`. `holds`
        keeps back the answers on that one, too, which may break in its turn. Somebody else may have the name then. Its
        user may follow the room to another place.
        """
        self.session.goes_to = (0, self.server.port, self.server.other_port)[place]
        if settles:
            self.settle()
        self.server.hold()
        if is_deaf:
            self.server.deafen()
        if count:
            self.say(count, is_muting, waits=True)
        self.server.names_to_refuse = names_to_refuse
        self.server.lose(loss, how, part, holds, others)
        self.watcher.is_in = False

    @rule(count=st.integers(0, 2))
    def refuse_names(self, count: int) -> None:
        self.server.names_to_refuse = count

    @rule(openings=st.lists(st.sampled_from(NO_CHAT), min_size=1, max_size=3))
    def turn_away(self, openings: list[bytes]) -> None:
        self.server.turned_away = openings

    @rule(name=NAMES, nonce=st.integers(1, 3))
    def speak(self, name: str, nonce: int) -> None:
        self.server.speak(name, nonce)

    @precondition(lambda self: self.steps > self.stays_for)
    @rule(how=CUTS, part=PARTS)
    def end(self, how: Cut, part: float) -> None:
        """Say `{end_conn}`, which perhaps does not get through."""
        self.has_left = True
        self.server.end(how, part)
        self.watcher.is_in = False

    # What must be true.

    @rule()
    def settle(self) -> None:
        """Leave it in peace: it comes in, or ends, and whatever was said has its end."""
        self.server.release()
        if not self.watcher.is_over and not self.has_left:
            self.take_until(lambda: self.watcher.is_over or (self.watcher.is_in and not self.watcher.open_nonces))
            number, room = self.server.speak("Bob", 1), f"room {len(self.server.rooms)}"
            self.take_until(lambda: self.watcher.room == room and self.watcher.last_id >= number)

    @invariant()
    def is_consistent(self) -> None:
        self.steps += 1
        if self.steps > 1:
            self.watcher.drain()

    def take_until(self, condition: Callable[[], bool]) -> None:
        """Take events until something is true; who is asked for a name gives one."""
        while not condition():
            if self.watcher.must_ask and not self.watcher.is_over and self.session.events.empty():
                self.name(["Ada" if self.steps % 2 else "Bea"])
            self.watcher.take_one()

    def teardown(self) -> None:
        if not hasattr(self, "watcher"):
            return
        try:
            self.session.close()
            self.server.release()  # a try to mend a link may wait for an answer
            self.take_until(lambda: self.watcher.is_over)
        finally:
            self.session.close()
            self.server.stop()
            threads = set(threading.enumerate()) - self.before
            for thread in threads:
                thread.join(DEADLINE_S)
        assert not [thread for thread in threads if thread.is_alive()], self.watcher
        for late_call in (self.session.retry, self.session.quit, self.session.close):
            late_call()
        assert self.session.say("too late") is None
        self.session.join("Ada")
        assert self.session.events.empty(), self.watcher
        self.check_ends()
        assert self.session.transitions <= arrows_in_picture().keys(), self.watcher

    def check_ends(self) -> None:
        server, watcher = self.server, self.watcher
        own = set(watcher.texts.values())
        said = [event for room in server.rooms for event in room if isinstance(event, Message) and event.text in own]
        nonces = [event.nonce for event in said if event.nonce is not None]
        assert nonces == sorted(nonces), f"not in the order of saying: {said}\n{watcher}"
        times = Counter(nonces)
        forgotten = {nonce for player in server.gone for nonce in player.taken}
        for nonce, text in watcher.texts.items():
            assert nonce in watcher.ends, f"{text} has no end:\n{watcher}"
            (end,) = watcher.ends[nonce]
            assert times[nonce] <= 1, f"{text} was said twice:\n{watcher}"
            is_there = times[nonce] == 1
            match end:
                case Message():
                    assert is_there, f"{text} is not in the room:\n{watcher}"
                case Taken():  # or it was refused, and nobody can know any more
                    assert is_there or nonce in server.refused, f"{text} is not in the room:\n{watcher}"
                case Rejected():
                    assert not is_there, f"{text} was rejected, and is in the room:\n{watcher}"
                case NotSent():
                    assert not is_there or nonce in forgotten, f"{text} was not sent, and is in the room:\n{watcher}"


def test_each_thing_said_has_one_end_whatever_happens_to_the_link(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lan_chat.client.session.MAX_PAUSE_S", 0.005)
    monkeypatch.setattr("lan_chat.client.session.QUIT_S", 0.05)
    run_state_machine_as_test(
        SessionModel,
        settings=settings(
            max_examples=150,
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
