"""The listener, the accept thread and the clients' threads around a room."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Iterator

from lan_chat.process import POLL_S
from lan_chat.server.connection import SLOW_DOWN_LOG_S, Client, LinkLost, Member, TooLateError
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
        clients = self.room.clients()
        for client in clients:  # those who came too late to be told
            client.end()
            client.cut()
            client.drop()
        for client in clients:
            if client.thread is not None:
                client.thread.join(max(0.0, deadline - time.monotonic()))

    def announce(self, text: str) -> None:
        """Say something to the room as the operator."""
        self._delivery.announce(text)

    def kick(self, whom: Member | Client, reason: Reason = Reason.KICKED, detail: str | None = None) -> None:
        """Tell a client that it has to go, and why, and close its connection; a member without one just leaves."""
        client = self.room.revoke(whom) if isinstance(whom, Member) else whom
        if client is not None:
            client.end_because(f"{reason.value} by the operator" + (f": {detail}" if detail else ""), Reason.KICKED)
            self._delivery.order(client, [Error(reason.value, detail=detail), EndConn()])
            client.end()
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
        client = Client(sock, address, self._words)
        try:
            self._start_thread(client)
        except BaseException:  # whoever called closes the socket
            self.room.forget(client)
            client.outbox.detach()
            raise

    def _start_thread(self, client: Client) -> None:
        if self.room.is_banned(client.address[0]):
            log.warning("%s:%s was turned away: its address is banned.", *client.address)
            client.turn_away(self._words.banned)
            return
        if not self.room.register(client):
            log.warning("%s:%s was turned away: the room is full.", *client.address)
            client.turn_away(self._words.full)
            return
        log.info(HAS_CONNECTED, *client.address)
        name = "client {}:{}".format(*client.address)
        client.thread = threading.Thread(target=self._handle_client, args=(client,), name=name, daemon=True)
        try:
            client.thread.start()
        except RuntimeError as error:
            client.thread = None
            self.room.forget(client)
            client.turn_away(self._words.full)
            log.warning("%s:%s was turned away: no thread is left for it.", *client.address)
            self._rest(error)

    def _rest(self, error: Exception) -> None:
        """Accept nothing for a while, because the system has nothing left to do it with."""
        log.warning("Accepting pauses for %g s: %s", ACCEPT_PAUSE_S, error)
        self._stopping.wait(ACCEPT_PAUSE_S)

    def _handle_client(self, client: Client) -> None:
        """Live one client's life, from the greeting to the closed socket. Runs in that client's thread."""
        farewell: Event = LinkLost()
        try:
            if self._converse(client):
                farewell = Quit()
        except TooLateError:
            client.end_because("it chose no name in time")
            self._delivery.order(client, [Refused(Reason.TOO_LATE.value), EndConn()])
        except OSError as error:
            client.end_because(f"the connection failed: {error}")
        except Exception:
            log.exception("A failure in the thread of %s:%s", *client.address)
            client.end_because("a failure of the server's own")
        finally:
            client.end_because("the server stops" if self._stopping.is_set() else "it ended the connection")
            self._delivery.order(client, [farewell])
            client.wait_for_drop()
            if client.member and self._stopping.is_set():  # the room was closed before this client could leave it
                self.room.release(client.member, client)
            client.close()
            log.info("%s:%s leaves: %s.", *client.address, client.why)
            log.info(HAS_LEFT, *client.address)
            self.room.forget(client)  # last: stopping waits for those who are still in the registry

    def _converse(self, client: Client) -> bool:
        """Hear a client out, and tell whether it said goodbye."""
        allowance = Allowance(self._rate, BURST)
        self._delivery.order(client, [Greeting()])
        if client.settle() is Lines:
            self._delivery.order(client, [LineEnd()])
        for events in client.incoming():
            for granted in self._grant(client, allowance, events):
                orders, is_quitting = self._decide(client, granted)
                if orders:
                    self._delivery.order(client, orders)
                if is_quitting:
                    client.end_because("it quit")
                    return True
            if client.is_ending:
                break
        return False

    def _grant(self, client: Client, allowance: Allowance, events: list[Event]) -> Iterator[list[Event]]:
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
                if not self._slow_down(client, wait_s):
                    return
            if event is not None:
                granted.append(event)
        yield granted

    def _slow_down(self, client: Client, wait_s: float) -> bool:
        """Wait, and tell whether there is still somebody to wait for. Raises TooLateError past `name_deadline`."""
        now = time.monotonic()
        if now > client.slowed_until + SLOW_DOWN_LOG_S:
            log.warning("%s:%s talks too fast, and is slowed down.", *client.address)
        client.slowed_until = now + wait_s
        if client.member is None and client.slowed_until > client.name_deadline:
            raise TooLateError
        return not client.wait_for_end(wait_s) and not client.is_lost

    def _decide(self, client: Client, events: list[Event]) -> tuple[list[Event], bool]:
        """Tell what is to be ordered for what a client said, and whether it quits after that."""
        orders: list[Event] = []
        for event in events:
            match event:
                case Say(nonce=nonce) if client.member is not None:
                    muting = self.room.muting_of(client.member)
                    if muting is not None:
                        orders += self._refuse_muted(client, nonce, muting)
                    else:
                        client.member.said += 1
                        orders.append(event)
                case Say(text, nonce):
                    if client.kind is Events:
                        orders.append(self._refuse(client, Fault(Reason.NOT_JOINED, nonce)))
                    else:
                        orders.append(self._let_in(client, text))
                case Join() | Resume() if client.member is not None:
                    orders.append(self._refuse(client, Fault(Reason.ALREADY_JOINED)))
                case Join(name, token) if token and self.room.reclaim(client, token, name):
                    orders.append(Resume(token, 0))  # it was let in by a link that broke before it heard so
                case Join(name, token):
                    orders.append(self._let_in(client, name, token))
                case Resume(token):
                    is_known = self.room.reclaim(client, token)
                    if not is_known:
                        log.info("%s:%s was refused a place: its token is unknown.", *client.address)
                    orders.append(event if is_known else Refused(Reason.UNKNOWN_TOKEN.value))
                case Fault():
                    orders.append(self._refuse(client, event))
                case Quit():
                    return orders, True
                case _:  # a hello, or what only a server says
                    pass
        return orders, False

    def _refuse_muted(self, client: Client, nonce: int | None, muting: tuple[int, int]) -> list[Event]:
        """Tell a muted speaker once each time; whoever counts what it says is told always, and keeps the text."""
        is_told, client.told_muting = client.told_muting == muting, muting
        return [] if is_told and nonce is None else [self._refuse(client, Fault(Reason.MUTED, nonce))]

    def _refuse(self, client: Client, fault: Fault) -> Error:
        """Give the answer to something that is not accepted; the log has each reason once for each client."""
        if fault.reason not in client.refused:
            client.refused |= {fault.reason}
            log.info("%s:%s was refused a message: %s.", *client.address, fault.reason.value)
        return fault.answer()

    def _let_in(self, client: Client, raw_name: str, token: str | None = None) -> Event:
        reason = self.room.claim(client, raw_name, token)
        if reason is not None or client.member is None:
            log.info("%s:%s was refused a name: %s.", *client.address, reason.value if reason else "")
            return Refused((reason or Reason.INVALID).value)
        log.info("%s:%s joins as %s.", *client.address, client.member.name)
        return Join(client.member.name)
