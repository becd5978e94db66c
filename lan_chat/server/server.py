"""The server: it accepts connections, reads the clients, and decides what their input means.

Threads: accept takes connections in and starts a thread for each client, or turns them away and closes their sockets; a
client's thread reads that client alone, and closes its socket. What a client did goes to the delivery thread, which
writes. Main starts and stops the server, and closes the listener.
"""

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
"""Sustained rate of one client, in messages a second."""
BURST = 100
"""Burst of one client, in messages."""
ACCEPT_PAUSE_S = 1.0
"""How long accepting pauses when the system has no descriptor or thread left."""
JOIN_S = 5.0
"""How long stopping waits for a thread to end."""


class ChatServer:
    """The listener, the accept thread and the clients' threads. Its public methods are for the main thread."""

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
        """The port on which the server listens."""
        return int(self._listener.getsockname()[1])

    def start(self) -> None:
        """Start the delivery thread and the accept thread."""
        self._delivery.start()
        self._accept_thread.start()

    def stop(self) -> None:
        """Send `{end_conn}` to all clients, end all threads and close all sockets. May be called twice."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        with contextlib.suppress(OSError):  # wakes `accept` on Linux; elsewhere it polls
            self._listener.shutdown(socket.SHUT_RDWR)
        self._accept_thread.join(JOIN_S)
        self._listener.close()
        self._delivery.stop(JOIN_S)
        deadline = time.monotonic() + JOIN_S
        connections = self.room.connections()
        for connection in connections:  # those that connected too late for the `{end_conn}`
            connection.end()
            connection.cut()
            connection.drop()
        for connection in connections:
            if connection.thread is not None:
                connection.thread.join(max(0.0, deadline - time.monotonic()))

    def announce(self, text: str) -> None:
        """Send an announcement of the operator to the room."""
        self._delivery.announce(text)

    def kick(self, whom: Member | Connection, reason: Reason = Reason.KICKED, detail: str | None = None) -> None:
        """Disconnect a client, and tell it why; a member without a connection just leaves."""
        connection = self.room.revoke(whom) if isinstance(whom, Member) else whom
        if connection is not None:
            why = self._words.why_banned if reason is Reason.BANNED else self._words.why_kicked
            connection.end_because(f"{why}: {detail}" if detail else why, Reason.KICKED)
            self._delivery.command(connection, [Error(reason.value, detail=detail), EndConn()])
            connection.end()
        if isinstance(whom, Member):
            self._delivery.expel(whom)

    def _accept_connections(self) -> None:
        while not self._stopping.is_set():
            try:
                sock, address = self._listener.accept()
            except (TimeoutError, ConnectionError):  # no client came, or it has already disconnected
                continue
            except OSError as error:
                if not self._stopping.is_set():
                    self._pause_accepting(error)
                continue
            try:
                host, port, *_ = address
                self._take_in(sock, (parse_address(host) or host, port))
            except Exception:
                log.exception("A failure in the accept thread")
                sock.close()

    def _take_in(self, sock: socket.socket, address: Address) -> None:
        """Set up a new connection and its thread, or turn it away with a sentence."""
        try:
            tune(sock)
        except OSError:  # the client has already disconnected
            sock.close()
            return
        connection = Connection(sock, address, self._words)
        try:
            self._start_thread(connection)
        except BaseException:  # the caller closes the socket
            self.room.forget(connection)
            connection.outbox.detach()
            raise

    def _start_thread(self, connection: Connection) -> None:
        if self.room.is_banned(connection.address[0]):
            log.warning(self._words.log_turned_away_banned.format(address=connection.label))
            connection.turn_away(self._words.banned)
            return
        if not self.room.register(connection):
            log.warning(self._words.log_turned_away_full.format(address=connection.label))
            connection.turn_away(self._words.full)
            return
        log.info(HAS_CONNECTED, *connection.address)
        name = f"client {connection.label}"
        connection.thread = threading.Thread(target=self._handle_client, args=(connection,), name=name, daemon=True)
        try:
            connection.thread.start()
        except RuntimeError as error:
            connection.thread = None
            self.room.forget(connection)
            connection.turn_away(self._words.full)
            log.warning(self._words.log_turned_away_no_thread.format(address=connection.label))
            self._pause_accepting(error)

    def _pause_accepting(self, error: Exception) -> None:
        """Accept nothing for a while: the system has no descriptor or thread left."""
        log.warning(self._words.log_accept_paused.format(pause=ACCEPT_PAUSE_S, error=error))
        self._stopping.wait(ACCEPT_PAUSE_S)

    def _handle_client(self, connection: Connection) -> None:
        """Serve one client, from the greeting to the closed socket. Runs in that client's thread."""
        last_command: Event = LinkLost()
        words = self._words
        try:
            if self._process_input(connection):
                last_command = Quit()
        except TooLateError:
            connection.end_because(words.why_no_name)
            self._delivery.command(connection, [Refused(Reason.TOO_LATE.value), EndConn()])
        except OSError as error:
            connection.end_because(words.why_failed.format(error=error))
        except Exception:
            log.exception("A failure in the thread of %s", connection.label)
            connection.end_because(words.why_server_failed)
        finally:
            connection.end_because(words.why_server_stops if self._stopping.is_set() else words.why_ended)
            self._delivery.command(connection, [last_command])
            connection.wait_for_drop()
            if connection.member and self._stopping.is_set():  # the room was closed before this client left it
                self.room.release(connection.member, connection)
            connection.close()
            log.info(words.log_left.format(who=connection.label, why=connection.why))
            log.info(HAS_LEFT, *connection.address)
            self.room.forget(connection)  # last: `stop` waits for the connections in the registry

    def _process_input(self, connection: Connection) -> bool:
        """Process a client's input until it quits or disconnects, and return whether it quit."""
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
                    connection.end_because(self._words.why_quit)
                    return True
            if connection.is_ending:
                break
        return False

    def _grant(self, connection: Connection, allowance: Allowance, events: list[Event]) -> Iterator[list[Event]]:
        """Yield a client's events as its rate allows. Its own thread waits meanwhile, and TCP slows the sender down."""
        if not self._rate:
            yield events
            return
        granted: list[Event] = []
        charged: list[Event | None] = [*events] or [None]  # input without an event is work, too
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
        """Wait, and return whether the connection goes on. Raises TooLateError if that is past `name_deadline`."""
        now = time.monotonic()
        if now > connection.slowed_until + SLOW_DOWN_LOG_S:
            log.warning(self._words.log_slowed_down.format(address=connection.label))
        connection.slowed_until = now + wait_s
        if connection.member is None and connection.slowed_until > connection.name_deadline:
            raise TooLateError
        return not connection.wait_for_end(wait_s) and not connection.is_lost

    def _decide(self, connection: Connection, events: list[Event]) -> tuple[list[Event], bool]:
        """Return the commands that a client's events mean, and whether it quits after them."""
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
                        commands.append(self._claim_name(connection, text))
                case Join() | Resume() if connection.member is not None:
                    commands.append(self._refuse(connection, Fault(Reason.ALREADY_JOINED)))
                case Join(name, token) if token and self.room.reclaim(connection, token, name):
                    commands.append(Resume(token, 0))  # its first link broke before it received its `Welcome`
                case Join(name, token):
                    commands.append(self._claim_name(connection, name, token))
                case Resume(token):
                    is_known = self.room.reclaim(connection, token)
                    if not is_known:
                        log.info(self._words.log_token_refused.format(address=connection.label))
                    commands.append(event if is_known else Refused(Reason.UNKNOWN_TOKEN.value))
                case Fault():
                    commands.append(self._refuse(connection, event))
                case Quit():
                    return commands, True
                case _:  # a `hello`, or an event that only a server sends
                    pass
        return commands, False

    def _refuse_muted(self, connection: Connection, nonce: int | None, muting: tuple[int, int]) -> list[Event]:
        """Return the refusal for a muted member: once for each muting, or for each message where it has a nonce."""
        is_told, connection.told_muting = connection.told_muting == muting, muting
        return [] if is_told and nonce is None else [self._refuse(connection, Fault(Reason.MUTED, nonce))]

    def _refuse(self, connection: Connection, fault: Fault) -> Error:
        """Return the answer to input that is not accepted; log each reason once for each client."""
        if fault.reason not in connection.refused:
            connection.refused |= {fault.reason}
            why = self._words.why_refused(fault.reason)
            log.info(self._words.log_message_refused.format(address=connection.label, why=why))
        return fault.answer()

    def _claim_name(self, connection: Connection, raw_name: str, token: str | None = None) -> Event:
        reason = self.room.claim(connection, raw_name, token)
        if reason is not None:
            why = self._words.why_refused(reason)
            log.info(self._words.log_name_refused.format(address=connection.label, why=why))
            return Refused(reason.value)
        assert connection.member is not None
        name = connection.member.name
        log.info(self._words.log_joined.format(address=connection.label, name=name))
        return Join(name)
