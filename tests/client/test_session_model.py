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
import selectors
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from enum import Enum

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
from lan_chat.client.session import Disconnected, Gap, LinkBroken, LinkRestored, NotSent, Rejected, Session, Taken
from protocol import (
    Announcement,
    EndConn,
    Error,
    Event,
    Events,
    Join,
    Joined,
    Left,
    Message,
    Quit,
    Reason,
    Refused,
    Resume,
    Say,
    Welcome,
)
from tests.support.peers import DEADLINE_S, GREETING, wait_until

KEPT_EVENTS = 5
"""How many events the played room keeps for those who come back: few, so that some are missing."""
NO_CHAT = (b"", b"SSH-2.0-x\r\n", protocol.ITALIAN.full.encode(), protocol.ITALIAN.greeting.encode())
"""What a link that is turned away gets to read: nothing, a stranger, a room that is full, an original server."""


class Cut(Enum):
    """How a link ends."""

    ENDED = "ended"
    HALF = "half"  # the server says no more, and takes what still comes
    RESET = "reset"


class Loss(Enum):
    """What else is gone with a link."""

    NOTHING = "nothing"
    MEMBER = "the member"
    ROOM = "the room"


# --- the played server ----------------------------------------------------------------------------------------------


class Wire:
    """One connection, as the server sees it."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.decoder = Events()
        self.held = b""
        """What it was told, and has not been sent yet."""
        self.is_deaf = False
        """Whether what it says gets lost on its way."""
        self.is_cut = False
        self.is_welcomed = False
        """Whether a member's `welcome` has been sent, and so whatever is said has to arrive."""
        self.member: Player | None = None


class Player:
    """A member of the played room, from its `join` until it leaves or is forgotten."""

    def __init__(self, name: str, token: str, wire: Wire) -> None:
        self.name = name
        self.token = token
        self.wire: Wire | None = wire
        self.last_nonce = -1
        self.replay_from = 0
        self.taken: set[int] = set()


class PlayedServer:
    """A room that keeps the real one's rules, and does everything that can go wrong when it is told to.

    One thread serves all connections and closes their sockets; the test's thread tells it what to do.
    """

    def __init__(self, backlog: int) -> None:
        self._backlog = backlog
        self._changed = threading.Condition()
        """Its lock guards all that follows."""
        self.rooms: list[list[Message | Joined | Left]] = [[]]
        """What happened, in each life of the server."""
        self.players: dict[str, Player] = {}
        """Who is in the room, by token."""
        self.gone: list[Player] = []
        """Who was."""
        self.refused: set[int] = set()
        """Nonces that were refused."""
        self.heard: set[int] = set()
        """Nonces that were read, whatever became of them."""
        self.wire: Wire | None = None
        """The latest connection, until it is cut."""
        self.is_muting = False
        self.names_to_refuse = 0
        self.turned_away: list[bytes] = []
        """What the next connections get to read instead of a greeting."""
        self._is_holding = False
        self._is_stopping = False
        self._wires: set[Wire] = set()
        self._done_with: list[Wire] = []
        """Whose sockets are to be closed."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._waker, self._woken = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._run, name="played server")
        self._thread.start()

    @property
    def last_id(self) -> int:
        return len(self.rooms[-1])

    def wait_for(self, condition: Callable[[], bool]) -> bool:
        with self._changed:
            return self._changed.wait_for(condition, DEADLINE_S)

    def stop(self) -> None:
        with self._changed:
            self._is_stopping = True
        self._waker.send(b"!")
        self._thread.join()
        for sock in (self._listener, self._waker, self._woken):
            sock.close()
        self._selector.close()

    def cut(self, how: Cut, part: float = 1.0) -> None:
        """End the latest link; of what was held back, this part gets through."""
        with self._changed:
            wire, self.wire = self.wire, None
            if wire is None:
                return
            self._let_through(wire, round(part * len(wire.held)))
            wire.is_cut = True
            if how is Cut.RESET:
                wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self._close_soon(wire)
            else:
                with contextlib.suppress(OSError):
                    wire.sock.shutdown(socket.SHUT_WR if how is Cut.HALF else socket.SHUT_RDWR)

    def hold(self) -> None:
        """Keep back, from now on, what is to be told."""
        with self._changed:
            self._is_holding = True

    def deafen(self) -> None:
        """Lose all that comes by the latest link."""
        with self._changed:
            if self.wire is not None:
                self.wire.is_deaf = True

    def release(self) -> None:
        """Be as good as a server can: tell what was held back, let everybody in."""
        with self._changed:
            self._is_holding = False
            self.names_to_refuse = 0
            self.turned_away.clear()
            if self.wire is not None:
                self._let_through(self.wire, len(self.wire.held))
                is_deaf = self.wire.is_deaf
            else:
                is_deaf = False
        if is_deaf:
            self.cut(Cut.ENDED)

    def speak(self, name: str, nonce: int) -> int:
        """Have somebody else say something; gives its `id`. Nobody has the name of a member."""
        with self._changed:
            if any(name == player.name for player in self.players.values()):
                name = "Bob"
            self._tell_room(Message(self.last_id + 1, 1.0, name, "something else", nonce))
            return self.last_id

    def lose(self, loss: Loss, how: Cut, part: float, holds: bool, others: int) -> None:
        """Break the link, let others talk, and hold back what is told on the next one, or not."""
        with self._changed:
            self.cut(how, part)
            self._is_holding = holds
            if loss is Loss.MEMBER:
                for player in list(self.players.values()):
                    self._leave(player)
                self._deafen_all()
            elif loss is Loss.ROOM:
                self._forget_all()
                self.rooms.append([])
            for nonce in range(others):
                self.speak("Ada", nonce)

    def end(self, how: Cut, part: float) -> None:
        """Say `{end_conn}`, and close; of that, too, only a part may get through."""
        with self._changed:
            self._is_holding = True
            if self.wire is not None:
                self._tell(self.wire, EndConn())
            self._forget_all()
            self.cut(how, part)
            self._is_holding = False

    # Below: with the lock held.

    def _forget_all(self) -> None:
        for player in self.players.values():
            self._detach(player)
            self.gone.append(player)
        self.players.clear()
        self._deafen_all()

    def _deafen_all(self) -> None:
        """What is on its way on a link of before does not arrive any more."""
        for wire in self._wires:
            wire.is_deaf = True

    def _detach(self, player: Player) -> None:
        if player.wire is not None:
            player.wire.member = None
            player.wire = None

    def _leave(self, player: Player) -> None:
        del self.players[player.token]
        self.gone.append(player)
        self._detach(player)
        self._tell_room(Left(self.last_id + 1, 1.0, player.name))

    def _tell_room(self, event: Message | Joined | Left) -> None:
        self.rooms[-1].append(event)
        for player in self.players.values():
            if player.wire is not None:
                self._tell(player.wire, event)

    def _tell(self, wire: Wire, event: Event) -> None:
        self._write(wire, wire.decoder.encode(event))

    def _write(self, wire: Wire, data: bytes) -> None:
        wire.held += data
        if not self._is_holding and not wire.is_cut:
            self._let_through(wire, len(wire.held))

    def _let_through(self, wire: Wire, size: int) -> None:
        data, wire.held = wire.held[:size], wire.held[size:]
        with contextlib.suppress(OSError):  # it has gone: its end will be read
            wire.sock.sendall(data)
        wire.is_welcomed = wire.member is not None and not wire.held

    def _close_soon(self, wire: Wire) -> None:
        self._done_with.append(wire)
        self._waker.send(b"!")

    # Below: in its thread.

    def _run(self) -> None:
        while not self._is_stopping:
            ready = self._selector.select()
            with self._changed:
                for key, _ in ready:
                    if key.fileobj is self._listener:
                        self._accept()
                    elif key.fileobj is self._woken:
                        self._woken.recv(100)
                    elif key.data in self._wires and key.data not in self._done_with:
                        self._read(key.data)
                done_with, self._done_with = self._done_with, []
                for wire in done_with:
                    self._close(wire)
                self._changed.notify_all()
        with self._changed:
            for wire in list(self._wires):
                self._close(wire)

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        if self.turned_away:
            with contextlib.suppress(OSError):
                sock.sendall(self.turned_away.pop(0))
            sock.close()
            return
        wire = Wire(sock)
        self._wires.add(wire)
        self._selector.register(sock, selectors.EVENT_READ, wire)
        self.wire = wire
        self._write(wire, GREETING.encode())

    def _read(self, wire: Wire) -> None:
        try:
            data = wire.sock.recv(65536)
        except OSError:
            data = b""
        for event in [] if wire.is_deaf else wire.decoder.feed(data):
            self._hear(wire, event)
        if not data:
            self._close(wire)

    def _close(self, wire: Wire) -> None:
        if wire not in self._wires:
            return
        self._wires.discard(wire)
        self._selector.unregister(wire.sock)
        wire.sock.close()
        if self.wire is wire:
            self.wire = None
        if wire.member is not None:
            self._detach(wire.member)

    def _hear(self, wire: Wire, event: Event) -> None:
        match event:
            case Join() | Resume() if wire.member is not None:
                self._tell(wire, Error(Reason.ALREADY_JOINED.value))
            case Join(name, token):
                assert token is not None
                if self.names_to_refuse or any(name == player.name for player in self.players.values()):
                    self.names_to_refuse = max(0, self.names_to_refuse - 1)
                    self._tell(wire, Refused(Reason.TAKEN.value))
                else:
                    self._let_in(Player(name, token if token not in self.players else "another token", wire))
            case Resume(token, last):
                if token in self.players:
                    self._let_in_again(self.players[token], wire, last)
                else:
                    self._tell(wire, Refused(Reason.UNKNOWN_TOKEN.value))
            case Say(text, nonce):
                assert nonce is not None
                self.heard.add(nonce)
                self._take(wire, text, nonce)
            case Quit():
                if wire.member is not None:
                    self._leave(wire.member)
                self._close_soon(wire)

    def _take(self, wire: Wire, text: str, nonce: int) -> None:
        player = wire.member
        if player is None or self.is_muting:
            self.refused.add(nonce)
            reason = Reason.NOT_JOINED if player is None else Reason.MUTED
            self._tell(wire, Error(reason.value, nonce=nonce))
        elif nonce > player.last_nonce:
            player.last_nonce = nonce
            player.taken.add(nonce)
            self._tell_room(Message(self.last_id + 1, 1.0, player.name, text, nonce))

    def _let_in(self, player: Player) -> None:
        wire = player.wire
        assert wire is not None
        self.players[player.token], wire.member = player, player
        said = [event for event in self.rooms[-1][-KEPT_EVENTS:] if isinstance(event, Message)]
        backlog = said[-self._backlog :] if self._backlog else []
        player.replay_from = backlog[0].id - 1 if backlog else self.last_id
        self._welcome(player, wire, None)
        for event in backlog:
            self._tell(wire, event)
        self._tell_room(Joined(self.last_id + 1, 1.0, player.name))

    def _let_in_again(self, player: Player, wire: Wire, last: int) -> None:
        self._detach(player)
        player.wire, wire.member = wire, player
        self._welcome(player, wire, player.last_nonce if player.last_nonce >= 0 else None)
        for event in self.rooms[-1][-KEPT_EVENTS:]:
            if event.id > max(last, player.replay_from):
                self._tell(wire, event)

    def _welcome(self, player: Player, wire: Wire, nonce: int | None) -> None:
        names = tuple(present.name for present in self.players.values())
        room = f"room {len(self.rooms)}"
        self._tell(wire, Welcome(player.name, player.token, names, self.last_id, nonce, room))


# --- who looks at the session ---------------------------------------------------------------------------------------


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
            case Welcome(name=name, last=last, room=room):
                if room != self.room:
                    self.room, self.last_id = room, 0
                self._name, self._shown_until = name, last
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


# --- the machine ----------------------------------------------------------------------------------------------------

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
        self.server = PlayedServer(backlog)
        self.server.names_to_refuse = names_to_refuse
        self.session = Session("127.0.0.1", self.server.port)
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
        loss=st.sampled_from([Loss.NOTHING, Loss.NOTHING, Loss.MEMBER, Loss.ROOM]),
        how=CUTS,
        part=PARTS,
        holds=SWITCH,
        others=st.sampled_from([0, 2, KEPT_EVENTS + 2]),
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
    ) -> None:
        """Break the link while things are said: before the server hears of them, or before anybody hears of its answer.

        `part` of the answers gets through, and before the next link there are so many messages of `others`. `holds`
        keeps back the answers on that one, too, which may break in its turn.
        """
        if settles:
            self.settle()
        self.server.hold()
        if is_deaf:
            self.server.deafen()
        if count:
            self.say(count, is_muting, waits=True)
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
                self.name(["Ada"])
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
