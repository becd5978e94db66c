"""A server that keeps the real one's rules by itself, and breaks its links when it is told to."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
from collections.abc import Callable
from enum import Enum

import protocol
from protocol import (
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
from tests.support.peers import GREETING
from tests.support.waiting import DEADLINE_S

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
    MEMBER = "the member"  # it has left, and the room knows that it was there
    MEMORY = "all that is known of the member"
    ROOM = "the room"


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
        self.first_id = self.replay_from = 0
        self.taken: set[int] = set()


class PlayedRoom:
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
        self.former: dict[str, Player] = {}
        """Who was, and may come back to what was missed, by token."""
        self.gone: list[Player] = []
        """Who was, and is not known any more."""
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
        self._listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        self._waker, self._woken = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        for listener in self._listeners:
            self._selector.register(listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self.port, self.other_port = (int(listener.getsockname()[1]) for listener in self._listeners)
        """Where it is found, and where it may be found by then."""
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
        for sock in (*self._listeners, self._waker, self._woken):
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
        """Be as good as a server can: tell what was held back, turn nobody away; some names may still be taken."""
        with self._changed:
            self._is_holding = False
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
            if loss in (Loss.MEMBER, Loss.MEMORY):
                for player in list(self.players.values()):
                    self._leave(player)
                if loss is Loss.MEMORY:
                    self._forget_former()
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
        self._forget_former()
        self._deafen_all()

    def _forget_former(self) -> None:
        self.gone += self.former.values()
        self.former.clear()

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
        self.former[player.token] = player
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
                    if key.fileobj in self._listeners:
                        self._accept(self._listeners[key.fileobj is self._listeners[1]])
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

    def _accept(self, listener: socket.socket) -> None:
        sock, _ = listener.accept()
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
            case Join(name, token) if token in self.players and self.players[token].name == name:
                self._let_in_again(self.players[token], wire, self._seen(event) or 0)
            case Join(name, token):
                assert token is not None
                if self.names_to_refuse or any(name == player.name for player in self.players.values()):
                    self.names_to_refuse = max(0, self.names_to_refuse - 1)
                    self._tell(wire, Refused(Reason.TAKEN.value))
                else:
                    player = Player(name, token if token not in self.players else "another token", wire)
                    former, seen = self.former.pop(player.token, None), self._seen(event)
                    if former is not None and seen is not None:
                        self._let_return(player, former, seen)
                    else:
                        self.gone += [former] if former is not None else []
                        self._let_in(player)
            case Resume(token):
                if token in self.players:
                    self._let_in_again(self.players[token], wire, self._seen(event) or 0)
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
        player.first_id = self.last_id + 1
        self._welcome(player, wire, None, None)
        for event in backlog:
            self._tell(wire, event)
        self._tell_room(Joined(self.last_id + 1, 1.0, player.name))

    def _let_in_again(self, player: Player, wire: Wire, last: int) -> None:
        self._detach(player)
        player.wire, wire.member = wire, player
        self._show_missed(player, wire, last)

    def _let_return(self, player: Player, former: Player, last: int) -> None:
        """Let one in that has left, after all that it has missed."""
        wire = player.wire
        assert wire is not None
        player.first_id, player.last_nonce, player.taken = former.first_id, former.last_nonce, former.taken
        player.replay_from = max(last, former.first_id - 1)
        self._tell_room(Joined(self.last_id + 1, 1.0, player.name))
        self.players[player.token], wire.member = player, player
        self._show_missed(player, wire, last)

    def _show_missed(self, player: Player, wire: Wire, last: int) -> None:
        seen = max(last, player.replay_from)
        start = max(seen, self.last_id - KEPT_EVENTS)
        nonce = player.last_nonce if player.last_nonce >= 0 else None
        self._welcome(player, wire, nonce, start - (last or seen))
        for event in self.rooms[-1][start:]:
            self._tell(wire, event)

    def _seen(self, asked: Join | Resume) -> int | None:
        """Return the last event that a client has seen, 0 for none; None if that was in another room, or in none."""
        return asked.last if asked.room in (None, self._room_id) else None

    @property
    def _room_id(self) -> str:
        return f"room {len(self.rooms)}"

    def _welcome(self, player: Player, wire: Wire, nonce: int | None, missing: int | None) -> None:
        names = tuple(present.name for present in self.players.values())
        self._tell(wire, Welcome(player.name, player.token, names, self.last_id, nonce, self._room_id, missing))
