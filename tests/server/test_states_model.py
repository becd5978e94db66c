"""The server against clients that do what they like: each name has one owner, and each member that joined leaves once.

A hypothesis state machine connects, asks for names, breaks links, comes back, kicks and bans, in any order. The server
is the real one, and so are the sockets. A watcher, from an address of its own, hears all and is never touched.

`hold` holds the delivery thread up: what is done from there on until `release` comes to it at once, and what the
operator wants stands in its queue before, between or behind what the clients want.

STATES_MODEL_EXAMPLES and STATES_MODEL_STEPS make it run longer, each time with another seed.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import sys
import threading
import time
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

import protocol
from lan_chat.server.connection import Connection
from lan_chat.server.greeted import NAME_S
from lan_chat.server.listening import open_listener
from lan_chat.server.mail import Ended
from lan_chat.server.membership import ConnectionState, Member, MemberState, Recipient
from lan_chat.server.server import ChatServer
from protocol import Bare, Dialect, Error, Events, Lines, Reason
from tests.support.guests import Guest, Watcher
from tests.support.servers import Held, held, limits
from tests.support.waiting import DEADLINE_S, wait_until

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("STATES_MODEL_EXAMPLES", "0"))
"""How many examples to run; 0 for the usual ones, which are the same each time."""
STEPS = int(os.environ.get("STATES_MODEL_STEPS", "30"))
MAX_GUESTS = 7
GRACE_S = 60.0

HAS_ADDRESSES = sys.platform != "darwin"
"""Whether a client may choose its address: on macOS this machine has but one."""
WATCHERS_HOST = "127.0.0.9" if HAS_ADDRESSES else ""
HOSTS = ["127.0.0.1", "127.0.0.2"] if HAS_ADDRESSES else [""]
TOKENS = [f"un-gettone-di-prova-{number}" for number in range(3)]

NAMES = st.sampled_from(["Ada", "Bea", "ADA"])
PLACES = st.integers(0, MAX_GUESTS - 1)
KINDS = st.sampled_from([Events, Events, Events, Lines, Bare])
OPERATORS = st.sampled_from(["kick", "kick", "ban", "ban the address", "end the grace", "stop"])
CLIENTS = st.sampled_from(["cut", "cut", "resume", "ask", "connect", "say", "quit", "half_close"])
SWITCH = st.booleans()


class Log(logging.Handler):
    """What the server logs as an error, which is always a bug, and of whom it warns."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.errors: list[str] = []
        self.warnings: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        (self.errors if record.levelno >= logging.ERROR else self.warnings).append(self.format(record))


class StatesModel(RuleBasedStateMachine):
    """Everything that clients and the operator can do to the room, in any order.

    What the rules choose from depends on nothing that a thread decides, or hypothesis could not repeat it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.before = set(threading.enumerate())
        self.log = Log()
        logging.getLogger("lan_chat").addHandler(self.log)
        self.guests: list[Guest] = []
        self.gone: list[Guest] = []
        self.numbers = itertools.count(1)
        self.steps = 0
        self.stays_for = 0
        self.holding = contextlib.ExitStack()
        self.hold_up: Held | None = None
        self.callers: list[threading.Thread] = []
        self.stopper: threading.Thread | None = None
        self.failures: list[BaseException] = []
        self.newest: dict[Member, int] = {}
        """The number of the newest connection that each member had."""

    @initialize(
        grace_s=st.sampled_from([GRACE_S, GRACE_S, 0.03, 0.0]),
        kinds=st.lists(KINDS, min_size=1, max_size=3),
        stays_for=st.sampled_from([1000, 1000, 1000, 15, 0]),
        ends_in_disorder=SWITCH,
        greeting_wait_s=st.sampled_from([0.01, 0.03]),
    )
    def start(
        self,
        grace_s: float,
        kinds: list[type[Dialect]],
        stays_for: int,
        ends_in_disorder: bool,
        greeting_wait_s: float,
    ) -> None:
        self.stays_for = stays_for
        self.ends_in_disorder = ends_in_disorder
        self.grace_s = grace_s
        listener = open_listener("127.0.0.1", 0)
        self.server = ChatServer(listener, limits(rate=0, grace_s=grace_s, backlog=0, greeting_wait_s=greeting_wait_s))
        self.room, self.delivery = self.server.room, self.server.delivery
        self.parts = self.delivery._parts
        self.server.start()
        self.watcher = Watcher(self.server.port, WATCHERS_HOST)
        self.find_connection(self.watcher)
        self.watcher.ask("Watcher", None)
        self.read_until(self.watcher, lambda: self.watcher.ids)
        for kind in kinds:
            self.connect(kind, HOSTS[0])

    # What clients do.

    @precondition(lambda self: self.stopper is None)
    @rule(kind=KINDS, host=st.sampled_from(HOSTS), name=NAMES, token=st.sampled_from(TOKENS))
    def arrive(self, kind: type[Dialect], host: str, name: str, token: str) -> None:
        self.connect(kind, host)
        self.ask(-1, name, token)

    @precondition(lambda self: self.stopper is None)
    @rule(kind=KINDS, host=st.sampled_from(HOSTS))
    def connect(self, kind: type[Dialect], host: str) -> None:
        if len(self.guests) == MAX_GUESTS:
            self.gone.append(self.guests.pop(0))
            self.gone[-1].lose(is_reset=False)
        guest = Guest(next(self.numbers), self.server.port, kind, host)
        self.guests.append(guest)
        self.find_connection(guest)

    @rule(place=PLACES, name=NAMES, token=st.sampled_from([*TOKENS, *TOKENS, None]))
    def ask(self, place: int, name: str, token: str | None) -> None:
        """Ask for a name; with a token that has been used already, perhaps for the same."""
        guest = self.guest_at(place)
        if guest.may_speak and (guest.kind is Events or not (guest.name or guest.waits_for)):
            guest.ask(name, token)
            self.let_it_read_the_answer(guest)

    @precondition(lambda self: self.hold_up is None and self.stopper is None)
    @rule(place=PLACES, name=NAMES, token=st.sampled_from(TOKENS), kinds=st.lists(KINDS, min_size=2, max_size=2))
    def ask_at_once(self, place: int, name: str, token: str, kinds: list[type[Dialect]]) -> None:
        """Have two newcomers and a guest ask for one name at once."""
        self.hold()
        for kind in kinds:
            self.connect(kind, HOSTS[0])
        for chosen in (-1, place, -2):
            self.ask(chosen, name, token)
        self.release(False)

    @rule(place=PLACES, token=st.sampled_from(TOKENS), has_seen=SWITCH)
    def resume(self, place: int, token: str, has_seen: bool) -> None:
        """Come back, on a link that is newer or older than the one that the member has."""
        guest = self.guest_at(place)
        if guest.may_speak and guest.kind is Events:
            seen = [one.ids[-1] for one in [*self.gone, *self.guests] if one.token == token and one.ids]
            guest.resume(token, max(seen, default=0) if has_seen else 0)

    @rule(place=PLACES, count=st.integers(1, 3))
    def say(self, place: int, count: int) -> None:
        guest = self.guest_at(place)
        if guest.may_speak and (guest.kind is Events or guest.name):
            for _ in range(count):
                guest.say(next(self.numbers))

    @rule(place=PLACES)
    def quit(self, place: int) -> None:
        guest = self.guest_at(place)
        if guest.may_speak and not (guest.kind is not Events and guest.waits_for):
            guest.quit()

    @rule(place=PLACES)
    def half_close(self, place: int) -> None:
        guest = self.guest_at(place)
        if guest.may_speak:
            guest.half_close()

    @rule(place=PLACES, is_reset=SWITCH, waits=SWITCH)
    def cut(self, place: int, is_reset: bool, waits: bool) -> None:
        """Break a link, and perhaps wait until the server has noticed."""
        guest = self.guest_at(place)
        if guest.is_lost:
            return
        guest.lose(is_reset)
        connection = guest.connection
        if waits and connection is not None and self.stopper is None:
            wait_until(lambda: self.is_known_to_end(connection))

    @rule(place=PLACES, token=st.sampled_from(TOKENS), name=NAMES, says_more=SWITCH)
    def come_back(self, place: int, token: str, name: str, says_more: bool) -> None:
        """Join, lose the link with no regard to the answer, and come back over another one."""
        first = self.guest_at(place)
        if self.stopper is not None or not first.may_speak or first.kind is not Events:
            return
        first.ask(name, token)
        if says_more:
            first.say(next(self.numbers))
        self.cut(place, True, False)
        self.connect(Events, HOSTS[0])
        self.resume(-1, token, False)
        self.ask(-1, name, token)

    @precondition(lambda self: self.stopper is None)
    @rule(name=NAMES, token=st.sampled_from(TOKENS))
    def come_back_late(self, name: str, token: str) -> None:
        """Come back on a link that is older than the one that the member has."""
        for _ in range(2):
            self.connect(Events, HOSTS[0])
        self.ask(-1, name, token)
        if self.hold_up is None:
            self.read_until(self.guests[-1], lambda: not self.guests[-1].waits_for)
        self.resume(-2, token, True)

    @precondition(lambda self: self.hold_up is None and self.stopper is None)
    @rule(place=PLACES, deeds=st.lists(OPERATORS | CLIENTS, min_size=2, max_size=4), waits=SWITCH)
    def meet(self, place: int, deeds: list[str], waits: bool) -> None:
        """Have several things happen to one guest at once."""
        those = [guest for guest in self.guests if guest.may_speak and guest.is_open and guest.name] or self.guests
        guest = those[place % len(those)]
        asked = guest.last_asked
        self.read_until(guest, lambda: not guest.waits_for)
        self.hold()
        for deed in deeds:
            match deed:
                case "kick" | "ban" if asked is not None:
                    getattr(self, deed)(asked.name)
                case "ban the address":
                    self.ban(guest.host)
                case "connect":  # and say nothing, so that it is not greeted for a moment
                    self.connect(Bare, guest.host)
                case "resume" | "ask" if asked is not None and asked.token is not None:
                    self.connect(Events, HOSTS[0])
                    if deed == "ask":
                        self.ask(-1, asked.name, asked.token)
                    else:
                        self.resume(-1, asked.token, True)
                case "cut" if guest in self.guests:
                    self.cut(self.guests.index(guest), True, True)
                case "say" | "quit" | "half_close" if guest in self.guests:
                    getattr(self, deed)(self.guests.index(guest), *([1] if deed == "say" else []))
                case "end the grace":
                    self.end_the_grace(False)
                case "stop" if self.steps > self.stays_for:
                    self.stop()
                    break
        self.release(waits)
        if guest.may_speak and guest.name:  # it may have lost its place, and not have read so
            guest.say(next(self.numbers))
        self.unban()

    @precondition(lambda self: self.hold_up is None and self.stopper is None)
    @rule(place=PLACES, by_operator=OPERATORS, by_client=CLIENTS, is_first=SWITCH, waits=SWITCH)
    def cross(self, place: int, by_operator: str, by_client: str, is_first: bool, waits: bool) -> None:
        """Have the operator do something to a guest just as it does something itself."""
        self.meet(place, [by_operator, by_client] if is_first else [by_client, by_operator], waits)

    # What the operator does.

    @rule(name=NAMES)
    def kick(self, name: str) -> None:
        def act() -> None:
            member = self.room.find(name)
            if member is not None:
                self.delivery.kick(member)
                assert member.state is MemberState.GONE, f"{name} was kicked, and is {member.state}"
                assert self.room.find(name) is None

        self.operate(act)

    @rule(what=st.sampled_from(["Ada", "Bea", *HOSTS]))
    def ban(self, what: str) -> None:
        if not HAS_ADDRESSES:  # the watcher would be banned, too
            return

        def act() -> None:
            self.delivery.ban(what)
            for member in self.room.members():
                host = member.recipient.address[0] if member.recipient else ""
                assert what not in (host, member.name), f"{member.name} is banned, and {member.state}"

        self.operate(act)

    @rule()
    def unban(self) -> None:
        self.operate(lambda: [self.room.unban(what) for what in ("Ada", "Bea", *HOSTS)])

    @rule(what=st.sampled_from(["Ada", "Bea", "*"]), is_muted=SWITCH)
    def mute(self, what: str, is_muted: bool) -> None:
        def act() -> None:
            if what == "*":
                self.room.mute_all(is_muted)
            else:
                self.room.mute(what, is_muted)
            for member in self.room.members():
                self.delivery.tell_standing(member)

        self.operate(act)

    @rule()
    def announce(self) -> None:
        self.operate(lambda: self.delivery.announce("attention"))

    # Time.

    @rule(also_naming=SWITCH)
    def end_the_grace(self, also_naming: bool) -> None:
        """Let the time pass in which one may come back, and perhaps that in which one may choose a name."""

        def act() -> None:
            now = time.monotonic() + (NAME_S if also_naming else GRACE_S) + 1.0
            self.delivery._exits.end_overdue(now)
            assert all(member.state is MemberState.PRESENT for member in self.room.members())

        self.operate(act)

    @precondition(lambda self: self.hold_up is None and self.stopper is None)
    @rule()
    def hold(self) -> None:
        """Hold the delivery thread up."""
        self.hold_up = self.holding.enter_context(held(self.server))

    @precondition(lambda self: self.hold_up is not None)
    @rule(waits=SWITCH)
    def release(self, waits: bool) -> None:
        """Let the delivery thread go on, perhaps just when the grace of those who are away is over."""
        if waits and 0 < self.grace_s < 1:
            until = max((member.deadline for member in self.room.members()), default=0.0)
            wait_until(lambda: time.monotonic() > until)
        self.hold_up = None
        self.holding.close()
        for caller in self.callers:
            caller.join(DEADLINE_S)
            assert not caller.is_alive(), "an operator's call has no end"
        self.callers.clear()
        for guest in self.guests:
            self.let_it_read_the_answer(guest)

    @precondition(lambda self: self.steps > self.stays_for and self.stopper is None)
    @rule()
    def stop(self) -> None:
        self.stopper = threading.Thread(target=self.server.stop)
        if self.hold_up is None:
            self.stopper.start()
        else:
            self.hold_up.start_call(self.stopper)

    # What must be true.

    @invariant()
    def is_sound(self) -> None:
        self.steps += 1
        if self.steps == 1:
            return
        assert not self.log.errors, "\n".join(self.log.errors)
        assert not self.failures, self.failures
        for guest in [self.watcher, *self.guests]:
            guest.read_what_is_there()
        if self.hold_up is None and self.stopper is None:
            self.server.call(self.check_states)

    def check_states(self) -> None:
        """Check the states of all connections and members against each other. Delivery thread."""
        parts, room = self.parts, self.room
        members = room.members()
        assert list(room.names) == [protocol.name_key(member.name) for member in members]
        assert len({member.recipient for member in members if member.recipient}) == len(members)
        assert set(room._tokens.values()) <= set(members)
        assert len(parts.places) == sum(member.state is MemberState.AWAY for member in members)
        for member in members:
            self.check_member(member)
        for guest in [self.watcher, *self.gone, *self.guests]:
            if guest.connection is not None:
                self.check_recipient(guest.connection.recipient)
        hearing = [*parts.broadcast._members, *parts.broadcast._replays]
        assert len(hearing) == len(set(hearing))
        assert set(hearing) <= set(parts.greeted)
        assert set(parts.greeted._choosing) <= set(parts.greeted)

    def check_member(self, member: Member) -> None:
        recipient = member.recipient
        assert recipient is not None
        assert recipient.number >= self.newest.get(member, 0), f"an older link has taken {member.name} over"
        self.newest[member] = recipient.number
        assert member.token_key in self.room._tokens, f"{member.name} has no token"
        if member.state is MemberState.AWAY:
            assert recipient.state in (ConnectionState.LEAVING, ConnectionState.CLOSED), recipient.state
        else:
            assert member.state is MemberState.PRESENT, f"{member.name} has a name, and is {member.state}"
            assert recipient.speaks, f"{member.name} is here, and its connection {recipient.state}"
            assert recipient.member is member

    def check_recipient(self, recipient: Recipient) -> None:
        parts, broadcast, state = self.parts, self.parts.broadcast, recipient.state
        hears = recipient in broadcast._members or recipient in broadcast._replays
        is_greeted, is_leaving = recipient in parts.greeted, recipient in parts.leaving
        what = f"{recipient}, {state}, {recipient.why}"
        is_in = state in (ConnectionState.CHOOSING, ConnectionState.MEMBER, ConnectionState.BROKEN)
        assert is_greeted == is_in, what
        assert is_leaving == (state is ConnectionState.LEAVING), what
        assert recipient.mailbox.is_shut == (state in (ConnectionState.LEAVING, ConnectionState.CLOSED)), what
        assert recipient.mailbox._is_done == (state is ConnectionState.CLOSED), what
        assert hears or state is not ConnectionState.MEMBER, what
        if state is ConnectionState.CHOOSING:
            assert recipient in parts.greeted._choosing, what
            assert recipient.member is None, what
        if state is ConnectionState.MEMBER:
            assert recipient not in parts.greeted._choosing, what
            assert recipient.member is not None, what
            assert recipient.member.recipient is recipient, what
            assert recipient.member in self.room.members(), what
            told = recipient.member.told_standing or protocol.MAY_WRITE
            assert told == self.room.standing_of(recipient.member), what
        if state is ConnectionState.CLOSED:
            assert recipient not in broadcast._behind, what

    @precondition(lambda self: self.stopper is None)
    @rule()
    def settle(self) -> None:
        """Let everything come to rest: nobody is stuck, and what the clients were told is what the room holds."""
        if self.hold_up is not None:
            self.release(False)
        for guest in self.guests:
            self.knock(guest)
        self.knock(self.watcher)
        wait_until(
            lambda: len(self.room.addresses) == 1 + sum(self.is_served(guest) for guest in self.guests),
            lambda: "\n".join(map(str, [*self.room.addresses.values(), *self.guests])),
        )
        if self.grace_s < GRACE_S:
            wait_until(lambda: all(member.state is MemberState.PRESENT for member in self.room.members()))
        text = f"everybody hears this, {next(self.numbers)}"
        number = self.server.call(lambda: self.announce_numbered(text))
        for guest in [self.watcher, *self.guests]:
            if guest.name and guest.is_open and not guest.is_leaving:
                has_it = self.hears(guest, text, number)
                self.read_until(guest, has_it)
                assert has_it() or not self.is_served(guest), f"it never heard {text!r}: {guest}"
        self.server.call(self.check_states)
        members = self.room.members()
        assert self.watcher.present == {protocol.name_key(one.name): one.name for one in members}, self.watcher
        for guest in self.guests:
            if self.is_served(guest):
                assert guest.connection is not None
                assert self.watcher.names_of.get(guest.number, {guest.name}) == {guest.name}
                member = guest.connection.recipient.member
                assert guest.name == (member.name if member is not None else ""), guest

    def announce_numbered(self, text: str) -> int:
        self.delivery.announce(text)
        return self.parts.timeline.last_id

    def hears(self, guest: Guest, text: str, number: int) -> Callable[[], bool]:
        if guest.kind is Events:
            return lambda: bool(guest.ids) and guest.ids[-1] >= number
        return lambda: text.encode() in guest.heard

    def knock(self, guest: Guest) -> None:
        """Have a guest get an answer to something, or meet its end."""
        if not guest.is_open:
            return
        if guest.is_leaving or guest.connection is None:
            self.read_until(guest, lambda: False)
        elif guest.kind is Events:
            count = self.count_answers(guest)
            guest.knock()
            self.read_until(guest, lambda: self.count_answers(guest) > count)
        elif guest.name:
            member = guest.connection.recipient.member
            assert member is not None, guest
            if self.room.muting_of(member) is None:
                text = guest.say(next(self.numbers)).encode()
                self.read_until(guest, lambda: text in guest.heard)

    @staticmethod
    def count_answers(guest: Guest) -> int:
        return sum(isinstance(event, Error) and event.reason == Reason.MALFORMED for event in guest.events)

    def teardown(self) -> None:
        logging.getLogger("lan_chat").removeHandler(self.log)
        if not hasattr(self, "server"):
            return
        try:
            if self.stopper is None and self.ends_in_disorder:
                self.stop_while_they_are_away()
            elif self.stopper is None:
                self.let_all_leave()
                self.stop()
            elif self.hold_up is not None:
                self.release(False)
            self.check_the_end()
        finally:
            self.holding.close()
            self.server.stop()
            for guest in [self.watcher, *self.guests]:
                guest.lose(is_reset=False)
            if self.stopper is not None:
                self.stopper.join()
        assert not self.log.errors, "\n".join(self.log.errors)
        assert not self.failures, self.failures
        threads = set(threading.enumerate()) - self.before
        for thread in threads:
            thread.join(DEADLINE_S)
        assert not [thread for thread in threads if thread.is_alive()]

    def stop_while_they_are_away(self) -> None:
        """Stop the server just when the grace ends of all whose link broke."""
        if self.hold_up is not None:
            self.release(False)
        for place in range(len(self.guests)):
            self.cut(place, True, True)
        self.hold()
        self.stop()
        self.release(True)

    def let_all_leave(self) -> None:
        """Have all leave but the watcher: nothing is left of them."""
        self.settle()
        for guest in self.guests:
            guest.lose()
        parts, room, connection = self.parts, self.room, self.watcher.connection
        assert connection is not None
        watcher = connection.recipient
        wait_until(lambda: list(room.addresses) == [connection], lambda: room.addresses)
        self.end_the_grace(True)
        self.settle()
        assert self.watcher.joined == self.watcher.left + 1
        assert list(room.names) == ["watcher"]
        assert [*room._tokens.values()] == [watcher.member]
        for registry in (parts.greeted, parts.broadcast._members):
            assert list(registry) == [watcher]
        broadcast = parts.broadcast
        for left in (parts.greeted._choosing, parts.leaving, parts.places, broadcast._behind, broadcast._replays):
            assert not left, left
        assert broadcast.too_slow == []
        assert sum(host.connections for host in self.server.hosts._hosts.values()) == 1

    def check_the_end(self) -> None:
        """Check that the server's stop ends everybody and everything."""
        assert self.stopper is not None
        for guest in [self.watcher, *self.guests]:
            self.read_until(guest, lambda: False)
        assert self.watcher.was_told_the_end
        self.stopper.join(DEADLINE_S)
        assert not self.stopper.is_alive()
        for registry in (self.room.addresses, self.room.names, self.room._tokens):
            assert not registry, registry
        assert not len(self.parts.places)

    # The means.

    def guest_at(self, place: int) -> Guest:
        return self.guests[place % len(self.guests) if place >= 0 else place]

    def find_connection(self, guest: Guest) -> None:
        """Wait until the server has taken a guest in, or turned it away."""

        def is_found() -> bool:
            for connection in self.room.connections():
                if connection.address == guest.address:
                    guest.connection = connection
            was_turned_away = any(text.startswith("{}:{} ".format(*guest.address)) for text in self.log.warnings)
            return guest.connection is not None or was_turned_away

        wait_until(is_found, lambda: guest)

    @staticmethod
    def is_known_to_end(connection: Connection) -> bool:
        """Return whether the delivery thread knows that a link is broken, or will when it goes on."""
        mailbox = connection.mailbox
        is_told = any(isinstance(event, Ended) for event in list(mailbox._said))
        return is_told or not connection.recipient.is_read or not mailbox._is_decided

    def operate(self, action: Callable[[], object]) -> None:
        """Do something as the operator; while the delivery thread is held up, it waits its turn."""
        if self.stopper is not None:
            return
        if self.hold_up is None:
            self.server.call(action)
            return

        def act() -> None:
            try:
                self.server.call(action)
            except BaseException as error:
                self.failures.append(error)

        self.callers.append(threading.Thread(target=act))
        self.hold_up.start_call(self.callers[-1])

    def let_it_read_the_answer(self, guest: Guest) -> None:
        """Have a guest without events read what becomes of its name: it can say nothing else before that."""
        if self.hold_up is None and guest.kind is not Events:
            self.read_until(guest, lambda: not guest.waits_for)

    def read_until(self, guest: Guest, condition: Callable[[], object]) -> None:
        """Read until something is true, or up to the end of the stream."""
        guest.read_what_is_there()
        while guest.is_open and not condition():
            guest.read()

    def is_served(self, guest: Guest) -> bool:
        return guest.is_open and guest.connection is not None


def test_each_name_has_one_owner_and_who_joined_leaves_once_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("protocol.SETTLE_S", 0.02)
    monkeypatch.setattr("protocol.BARE_FAREWELL_S", 0.02)
    run_state_machine_as_test(
        StatesModel,
        settings=settings(
            max_examples=EXAMPLES or 120,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=not EXAMPLES,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
