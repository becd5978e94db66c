"""The listener, the accept thread and the clients' threads around a room."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Iterator

from lan_chat.process import POLL_S
from lan_chat.server.connection import SLOW_DOWN_LOG_S, Connection, LinkLost, Member, TooLateError
from lan_chat.server.delivery import BACKLOG_MESSAGES, GRACE_S, Delivery
from lan_chat.server.history import History
from lan_chat.server.rate import Allowance, cost
from lan_chat.server.room import Room
from lan_chat.server.words import HAS_CONNECTED, HAS_LEFT, ITALIAN, ServerWords
from lan_chat.sockets import Address, parse_address, tune
from protocol import (
    EndConn,
    Error,
    Event,
    Events,
    Fault,
    Greeting,
    Join,
    LineEnd,
    Lines,
    Notice,
    Quit,
    Reason,
    Refused,
    Resume,
    Say,
)

log = logging.getLogger(__name__)

MAX_CLIENTS = 1000
RATE = 20.0
"""Messages a second that one client may say on and on."""
BURST = 100
"""Messages that one client may say at once after a silence."""
ACCEPT_PAUSE_S = 1.0
"""How long accepting rests when the system has no descriptor or thread left."""
JOIN_S = 5.0
"""How long stopping waits for a thread to end."""


class ChatServer:
    """The listener, the accept thread and the clients' threads around a room."""

    def __init__(
        self,
        listener: socket.socket,
        words: ServerWords = ITALIAN,
        max_clients: int = MAX_CLIENTS,
        rate: float = RATE,
        grace_s: float = GRACE_S,
        backlog: int = BACKLOG_MESSAGES,
        history: History | None = None,
        notice: Notice | None = None,
    ) -> None:
        self._listener = listener
        self._listener.settimeout(POLL_S)
        self._words = words
        self._rate = rate
        self.room = Room(max_clients)
        self._delivery = Delivery(words, self.room.release, grace_s, backlog, history, notice)
        if history is not None:
            self.room.restore(history.record.members)
            self._delivery.restore(history.record)
        self._stopping = threading.Event()
        self._accept_thread = threading.Thread(target=self._accept_connections, name="accept", daemon=True)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._listener.getsockname()[1])

    def start(self) -> None:
        """Start to deliver and to accept."""
        self._delivery.start()
        self._accept_thread.start()

    def stop(self) -> None:
        """Say `{end_conn}` to everybody, end every thread and close every socket. May be called twice."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        with contextlib.suppress(OSError):  # wakes `accept` on Linux; elsewhere it looks up by itself
            self._listener.shutdown(socket.SHUT_RDWR)
        self._accept_thread.join(JOIN_S)
        self._listener.close()
        self._delivery.stop(JOIN_S)
        deadline = time.monotonic() + JOIN_S
        connections = self.room.connections()
        for connection in connections:  # those who came too late to be told
            connection.end()
            connection.cut()
            connection.drop()
        for connection in connections:
            if connection.thread is not None:
                connection.thread.join(max(0.0, deadline - time.monotonic()))

    def announce(self, text: str) -> None:
        """Say something to the room as the operator."""
        self._delivery.announce(text)

    def kick(self, whom: Member | Connection, reason: Reason = Reason.KICKED, detail: str | None = None) -> None:
        """Tell a client that it has to go, and why, and close its connection; a member without one just leaves."""
        connection = self.room.revoke(whom) if isinstance(whom, Member) else whom
        if connection is not None:
            connection.end_because(f"{reason.value} by the operator" + (f": {detail}" if detail else ""), Reason.KICKED)
            self._delivery.command(connection, [Error(reason.value, detail=detail), EndConn()])
            connection.end()
        if isinstance(whom, Member):
            self._delivery.expel(whom)

    def _accept_connections(self) -> None:
        while not self._stopping.is_set():
            try:
                sock, address = self._listener.accept()
            except (TimeoutError, ConnectionError):  # nobody came; or whoever came has gone again
                continue
            except OSError as error:
                if not self._stopping.is_set():
                    self._rest(error)
                continue
            try:
                host, port, *_ = address
                self._take_in(sock, (parse_address(host) or host, port))
            except Exception:
                log.exception("A failure in the accept thread")
                sock.close()

    def _take_in(self, sock: socket.socket, address: Address) -> None:
        """Register a new connection and start its thread, or turn it away in words."""
        try:
            tune(sock)
        except OSError:  # it has gone already
            sock.close()
            return
        connection = Connection(sock, address, self._words)
        try:
            self._start_thread(connection)
        except BaseException:  # whoever called closes the socket
            self.room.forget(connection)
            connection.outbox.detach()
            raise

    def _start_thread(self, connection: Connection) -> None:
        if self.room.is_banned(connection.address[0]):
            log.warning("%s:%s was turned away: its address is banned.", *connection.address)
            connection.turn_away(self._words.banned)
            return
        if not self.room.register(connection):
            log.warning("%s:%s was turned away: the room is full.", *connection.address)
            connection.turn_away(self._words.full)
            return
        log.info(HAS_CONNECTED, *connection.address)
        name = "client {}:{}".format(*connection.address)
        connection.thread = threading.Thread(target=self._handle_client, args=(connection,), name=name, daemon=True)
        try:
            connection.thread.start()
        except RuntimeError as error:
            connection.thread = None
            self.room.forget(connection)
            connection.turn_away(self._words.full)
            log.warning("%s:%s was turned away: no thread is left for it.", *connection.address)
            self._rest(error)

    def _rest(self, error: Exception) -> None:
        """Accept nothing for a while, because the system has nothing left to do it with."""
        log.warning("Accepting pauses for %g s: %s", ACCEPT_PAUSE_S, error)
        self._stopping.wait(ACCEPT_PAUSE_S)

    def _handle_client(self, connection: Connection) -> None:
        """Live one client's life, from the greeting to the closed socket. Runs in that client's thread."""
        farewell: Event = LinkLost()
        try:
            if self._converse(connection):
                farewell = Quit()
        except TooLateError:
            connection.end_because("it chose no name in time")
            self._delivery.command(connection, [Refused(Reason.TOO_LATE.value), EndConn()])
        except OSError as error:
            connection.end_because(f"the connection failed: {error}")
        except Exception:
            log.exception("A failure in the thread of %s:%s", *connection.address)
            connection.end_because("a failure of the server's own")
        finally:
            connection.end_because("the server stops" if self._stopping.is_set() else "it ended the connection")
            self._delivery.command(connection, [farewell])
            connection.wait_for_drop()
            if connection.member and self._stopping.is_set():  # the room was closed before this client could leave it
                self.room.release(connection.member, connection)
            connection.close()
            log.info("%s:%s leaves: %s.", *connection.address, connection.why)
            log.info(HAS_LEFT, *connection.address)
            self.room.forget(connection)  # last: stopping waits for those who are still in the registry

    def _converse(self, connection: Connection) -> bool:
        """Hear a client out, and tell whether it said goodbye."""
        allowance = Allowance(self._rate, BURST)
        self._delivery.command(connection, [Greeting()])
        if connection.settle() is Lines:
            self._delivery.command(connection, [LineEnd()])
        for events in connection.incoming():
            for granted in self._grant(connection, allowance, events):
                commands, is_quitting = self._decide(connection, granted)
                if commands:
                    self._delivery.command(connection, commands)
                if is_quitting:
                    connection.end_because("it quit")
                    return True
            if connection.is_ending:
                break
        return False

    def _grant(self, connection: Connection, allowance: Allowance, events: list[Event]) -> Iterator[list[Event]]:
        """Yield what a client said as fast as it may say it. Its own thread waits, and TCP slows the sender down."""
        if not self._rate:
            yield events
            return
        granted: list[Event] = []
        charged: list[Event | None] = [*events] or [None]  # what comes to nothing was work, too
        for event in charged:
            wait_s = allowance.take(cost(event), time.monotonic())
            if wait_s:
                yield granted
                granted = []
                if not self._slow_down(connection, wait_s):
                    return
            if event is not None:
                granted.append(event)
        yield granted

    def _slow_down(self, connection: Connection, wait_s: float) -> bool:
        """Wait, and tell whether there is still somebody to wait for. Raises TooLateError past `name_deadline`."""
        now = time.monotonic()
        if now > connection.slowed_until + SLOW_DOWN_LOG_S:
            log.warning("%s:%s talks too fast, and is slowed down.", *connection.address)
        connection.slowed_until = now + wait_s
        if connection.member is None and connection.slowed_until > connection.name_deadline:
            raise TooLateError
        return not connection.wait_for_end(wait_s) and not connection.is_lost

    def _decide(self, connection: Connection, events: list[Event]) -> tuple[list[Event], bool]:
        """Tell what is to be ordered for what a client said, and whether it quits after that."""
        commands: list[Event] = []
        for event in events:
            match event:
                case Say(nonce=nonce) if connection.member is not None:
                    muting = self.room.muting_of(connection.member)
                    if muting is not None:
                        commands += self._refuse_muted(connection, nonce, muting)
                    else:
                        connection.member.said += 1
                        commands.append(event)
                case Say(text, nonce):
                    if connection.kind is Events:
                        commands.append(self._refuse(connection, Fault(Reason.NOT_JOINED, nonce)))
                    else:
                        commands.append(self._let_in(connection, text))
                case Join() | Resume() if connection.member is not None:
                    commands.append(self._refuse(connection, Fault(Reason.ALREADY_JOINED)))
                case Join(name, token) if token and self.room.reclaim(connection, token, name):
                    commands.append(Resume(token, 0))  # it was let in by a link that broke before it heard so
                case Join(name, token):
                    commands.append(self._let_in(connection, name, token))
                case Resume(token):
                    is_known = self.room.reclaim(connection, token)
                    if not is_known:
                        log.info("%s:%s was refused a place: its token is unknown.", *connection.address)
                    commands.append(event if is_known else Refused(Reason.UNKNOWN_TOKEN.value))
                case Fault():
                    commands.append(self._refuse(connection, event))
                case Quit():
                    return commands, True
                case _:  # a hello, or what only a server says
                    pass
        return commands, False

    def _refuse_muted(self, connection: Connection, nonce: int | None, muting: tuple[int, int]) -> list[Event]:
        """Tell a muted speaker once each time; whoever counts what it says is told always, and keeps the text."""
        is_told, connection.told_muting = connection.told_muting == muting, muting
        return [] if is_told and nonce is None else [self._refuse(connection, Fault(Reason.MUTED, nonce))]

    def _refuse(self, connection: Connection, fault: Fault) -> Error:
        """Give the answer to something that is not accepted; the log has each reason once for each client."""
        if fault.reason not in connection.refused:
            connection.refused |= {fault.reason}
            log.info("%s:%s was refused a message: %s.", *connection.address, fault.reason.value)
        return fault.answer()

    def _let_in(self, connection: Connection, raw_name: str, token: str | None = None) -> Event:
        reason = self.room.claim(connection, raw_name, token)
        if reason is not None or connection.member is None:
            log.info("%s:%s was refused a name: %s.", *connection.address, reason.value if reason else "")
            return Refused((reason or Reason.INVALID).value)
        log.info("%s:%s joins as %s.", *connection.address, connection.member.name)
        return Join(connection.member.name)
