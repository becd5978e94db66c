"""The server: it accepts connections, and reads what their clients say, no faster than they may speak.

Threads: accept takes connections in and starts a thread for each client; a client's thread reads that client alone,
hands what it said to the delivery thread, and closes its socket. A browser's request has such a thread, too, which
answers it. In a room with a code, one thread does what all handshakes have to compute. Main starts and stops the server
with its finder, and closes the listener.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import TypeVar

from lan_chat import rooms
from lan_chat.process import POLL_S
from lan_chat.secure import SecureError, WrongCodeError
from lan_chat.server.connection import Connection
from lan_chat.server.delivery import Delivery
from lan_chat.server.finder import Finder
from lan_chat.server.handshakes import HandshakeThread
from lan_chat.server.history import History
from lan_chat.server.hosts import Hosts
from lan_chat.server.http_request import HttpError, Request
from lan_chat.server.mail import Connected, Ended, NameProposed, Settled, Silence, Strange, TurnAway, as_proposal
from lan_chat.server.options import BURST, Options
from lan_chat.server.rate import Allowance, cost
from lan_chat.server.room import Room
from lan_chat.server.streams import Stream
from lan_chat.server.timeline import Timeline
from lan_chat.server.web import STREAM_HEAD, WebRoom, entry_of, no_content, said_in, token_of
from lan_chat.server.words import HAS_CONNECTED, HAS_LEFT, ITALIAN, ServerWords
from lan_chat.sockets import Address, address_label, host_label, peer_address, tune
from protocol import EndConn, Event, Events, Notice, Quit, Reason, Resume, Stranger, Web

ACCEPT_PAUSE_S = 1.0
"""How long accepting pauses when the system has no descriptor or thread left."""
JOIN_S = 5.0
"""How long stopping waits for a thread to end."""
REQUEST_S, BUSY_REQUEST_S = 10.0, 1.0
"""How long a browser may take for a request, and where the room is full."""
SPARE_S = 90.0
"""How long a connection that a browser has opened in advance may be silent before it is greeted as any other."""
ANSWER_S = 30.0
"""How long a browser may take nothing of an answer."""
HANDSHAKE_S = 5.0
"""How long a client may take for the handshake of a room with a code."""
SLOW_DOWN_LOG_S = 60.0
"""How long a client has to stay within its rate before slowing it down is news again."""
GOODBYES = frozenset({Quit, EndConn})
"""What a client says last."""

Result = TypeVar("Result")
log = logging.getLogger(__name__)


class ChatServer:
    """The listener, the accept thread and the clients' threads. Its public methods are for the main thread."""

    def __init__(
        self,
        listener: socket.socket,
        options: Options | None = None,
        words: ServerWords = ITALIAN,
        history: History | None = None,
        notice: Notice | None = None,
    ) -> None:
        self._listener = listener
        self._listener.settimeout(POLL_S)
        self._options = options or Options()
        self._words = words
        self.room = Room(self._options.max_clients)
        if history is not None:
            self.room.restore(history.record.members, (former.name for former in history.record.former))
            self.room.restore_rules(history.record.rules)
        self.hosts = Hosts(self._options, words)
        self._timeline = timeline = Timeline(history)
        self.room.on_rules_changed = lambda: timeline.note_rules(self.room.rules())
        self.delivery = Delivery(self.room, self.hosts, timeline, options=self._options, words=words, notice=notice)
        self.finder: Finder | None = None
        """None where nobody is told where the room is."""
        if self._options.udp_port:
            limited = self.hosts.are_limited
            self.finder = Finder(
                self._describe, listener, self._options.udp_port, words=words, are_askers_limited=limited
            )
        self._web = WebRoom(self._options, words) if self._options.web else None
        """None where no browser may come in."""
        self._handshake_thread = HandshakeThread()
        self._stopping = threading.Event()
        self._accept_thread = threading.Thread(target=self._accept_connections, name="accept", daemon=True)

    @property
    def port(self) -> int:
        """The port on which the server listens."""
        return int(self._listener.getsockname()[1])

    @property
    def room_name(self) -> str:
        """The room's name for people."""
        return self._options.room

    def start(self) -> None:
        """Start the delivery thread, the accept thread and the finder."""
        self.delivery.start()
        if self._options.code_key is not None:
            self._handshake_thread.start()
        self._accept_thread.start()
        if self.finder is not None:
            self.finder.start()

    def stop(self) -> None:
        """Send `{end_conn}` to all clients, end all threads and close all sockets. May be called twice."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        if self.finder is not None:
            self.finder.stop()
        with contextlib.suppress(OSError):  # wakes `accept` on Linux; elsewhere it polls
            self._listener.shutdown(socket.SHUT_RDWR)
        self._accept_thread.join(JOIN_S)
        self._listener.close()
        self.delivery.stop(JOIN_S)
        deadline = time.monotonic() + JOIN_S
        connections = self.room.connections()
        for connection in connections:  # those that connected too late for the `{end_conn}`
            connection.cut()
            connection.mailbox.finish()
        for connection in connections:
            if connection.thread is not None:
                connection.thread.join(max(0.0, deadline - time.monotonic()))
        self._handshake_thread.stop()

    def call(self, action: Callable[[], Result]) -> Result:
        """Do something to the room in the delivery thread, and return its result, or raise what it raised."""
        return self.delivery.call(action)

    def _describe(self) -> rooms.Room:
        """Return what is told of the room to who asks where it is. Any thread."""
        people, has_code = self.room.count_members(), self._options.code_key is not None
        return rooms.Room(self._timeline.room_id, self.room_name, self.port, people, has_code)

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
                self._take_in(sock, peer_address(address))
            except Exception:
                log.exception(self._words.log_failure.format(thread="accept"))
                sock.close()
            time.sleep(0)  # of a thousand that come at once, the others get the interpreter between any two

    def _take_in(self, sock: socket.socket, address: Address) -> None:
        """Set up a new connection and its thread, or turn it away with a sentence."""
        try:
            tune(sock)
        except OSError:  # the client has already disconnected
            sock.close()
            return
        words, label = self._words, address_label(address)
        if self.room.is_banned(address[0]):
            log.warning(words.log_turned_away_banned.format(address=label))
            self.delivery.turn_away(sock, address, words.banned)
        elif not self.hosts.enter(address[0]):
            log.warning(words.log_turned_away_host.format(address=label))
            self.delivery.turn_away(sock, address, words.host_full)
        else:
            try:
                announce, code_key = self.delivery.note_mail, self._options.code_key
                connection = Connection(sock, address, words, announce=announce, code_key=code_key)
            except BaseException:  # the caller closes the socket
                self.hosts.leave(address[0])
                raise
            self._start_thread(connection)

    def _start_thread(self, connection: Connection) -> None:
        words, address = self._words, connection.address
        is_started = False
        try:
            if not self.room.register(connection):
                log.warning(words.log_turned_away_full.format(address=connection.recipient))
                return
            name = f"client {connection.recipient}"
            thread = threading.Thread(target=self._handle_client, args=(connection,), name=name, daemon=True)
            connection.thread = thread
            thread.start()
            is_started = True
        except RuntimeError as error:
            connection.thread = None
            log.warning(words.log_turned_away_no_thread.format(address=connection.recipient))
            self._pause_accepting(error)
        finally:
            if not is_started:
                self.room.forget(connection)
                self.hosts.leave(address[0])
                self.delivery.turn_away(connection.give_up(), address, words.full)

    def _pause_accepting(self, error: Exception) -> None:
        """Accept nothing for a while: the system has no descriptor or thread left."""
        log.warning(self._words.log_accept_paused.format(pause=ACCEPT_PAUSE_S, error=error))
        self._stopping.wait(ACCEPT_PAUSE_S)

    def _handle_client(self, connection: Connection) -> None:
        """Serve one client, from the greeting to the closed socket. Runs in that client's thread."""
        words, recipient = self._words, connection.recipient
        why, is_failure = words.why_ended, False
        try:
            if self._process_input(connection):
                why = words.why_quit
        except WrongCodeError:
            why = words.why_wrong_code
        except SecureError as error:
            why = words.why_not_secure.format(error=error)
        except OSError as error:
            why = words.why_failed.format(error=error)
        except Exception:
            log.exception(words.log_failure.format(thread=recipient))
            why, is_failure = words.why_server_failed, True
        finally:
            why = words.why_server_stops if self._stopping.is_set() else why
            connection.mailbox.hand_over([Ended(why, is_failure)])
            connection.mailbox.wait_until_done()
            connection.close()
            if not connection.is_browser:
                self._note_connected(connection)
            if connection.is_logged:
                log.info(words.log_left.format(who=recipient, why=recipient.why or words.why_server_stops))
                log.info(HAS_LEFT, host_label(connection.address[0]), connection.address[1])
            self.hosts.leave(connection.address[0])
            self.room.forget(connection)  # last: `stop` waits for the connections in the registry

    def _process_input(self, connection: Connection) -> bool:
        """Process a client's input until it quits or disconnects, and return whether it quit."""
        mailbox, host = connection.mailbox, connection.address[0]
        if mailbox.wait_until_shut(self.hosts.connect(host)):
            return False
        connection.wait_to_be_spoken_to(self._options.greeting_wait_s)
        web, may_wait = self._web, connection.is_silent and not connection.is_extra
        if web is not None and may_wait and web.spares.take(host, connection.accepted_at):
            connection.wait_to_be_spoken_to(SPARE_S)
        if web is not None and connection.asks_by_http and not mailbox.is_shut:  # then it was banned, and told so
            connection.is_browser = mailbox.is_request = True
            self._serve_browser(connection, web)
            return False
        self._note_connected(connection)
        if connection.begins_handshake:
            self._shake_hands(connection)
            connection.wait_to_be_spoken_to(self._options.greeting_wait_s)
        if not connection.is_strange:  # who speaks another protocol is answered in that, and not greeted
            may_come_in = connection.has_spoken and connection.may_come_in
            if connection.is_extra and not (may_come_in and self._make_room()):
                mailbox.hand_over([TurnAway()])
                return False
            mailbox.hand_over([Connected()])
        kind = connection.settle()
        if kind is Stranger.WEB and web is not None:
            self._note_try(connection, web)
        if isinstance(kind, Stranger):
            mailbox.hand_over([Strange(kind, connection.is_extra)])
            return False
        mailbox.hand_over([Settled(kind)])
        if not connection.may_come_in:
            mailbox.hand_over([TurnAway(Reason.CODE)])
            return False
        allowance = Allowance(self._options.rate, BURST)
        for events in connection.incoming():
            for granted in self._grant(connection, allowance, events):
                said = granted
                while said and not (mailbox.is_joined or mailbox.is_shut or connection.is_cut):
                    said = self._ask_to_join(connection, said, names_may_be_said=kind is not Events)
                if said:
                    mailbox.hand_over(said)
                if not GOODBYES.isdisjoint(map(type, granted)):
                    return True
            if mailbox.is_shut:
                break
        return False

    @staticmethod
    def _note_connected(connection: Connection) -> None:
        if not connection.is_logged:
            connection.is_logged = True
            log.info(HAS_CONNECTED, host_label(connection.address[0]), connection.address[1])

    @staticmethod
    def _note_try(connection: Connection, web: WebRoom) -> None:
        """Note a page that was asked for where we had greeted: its user tries again, on one opened beside it."""
        with contextlib.suppress(HttpError):
            request = connection.first_request()
            if request is not None:
                web.check(request)
                web.note_load(connection.address[0], request)

    def _serve_browser(self, connection: Connection, web: WebRoom) -> None:
        """Answer a browser's request, or have it hear the room. Raises OSError where the connection fails."""
        request = None
        try:
            request = connection.read_request(BUSY_REQUEST_S if connection.is_extra else REQUEST_S)
            if request is None:
                return
            web.check(request)
            web.note_load(connection.address[0], request)
            if request.path == "/events":
                self._serve_guest(connection, web, request)
                return
            if request.method != "POST":
                answer = web.get(request)
            elif self._take_from_guest(connection, web, request):
                answer = no_content()
            else:
                raise HttpError(HTTPStatus.CONFLICT)
        except HttpError as error:
            answer = web.refuse(error, is_head=request is not None and request.is_head)
        log.debug("%s: %s: %s", connection.recipient, request, answer.status)
        connection.answer(answer.pieces, ANSWER_S)

    def _serve_guest(self, connection: Connection, web: WebRoom, request: Request) -> None:
        """Have a guest hear the room until its stream ends. Raises HttpError, OSError."""
        entry, mailbox = entry_of(request), connection.mailbox
        if connection.is_extra and not self._make_room():
            raise HttpError(HTTPStatus.SERVICE_UNAVAILABLE)
        self._note_connected(connection)
        connection.set_dialect(Web())
        mailbox.hand_over([Connected(Web, STREAM_HEAD)])
        token, stream = token_of(request), Stream(connection, self._options.rate)
        web.streams.open(token, stream)
        try:
            self._ask_to_join(connection, [entry], names_may_be_said=False)
            if not mailbox.is_joined:
                return
            for events in connection.incoming():  # a page says nothing here; whatever comes costs the guest
                for _ in self._grant(connection, stream.allowance, events):
                    pass
                if mailbox.is_shut:
                    break
        finally:
            web.streams.close(token, stream)

    def _take_from_guest(self, connection: Connection, web: WebRoom, request: Request) -> bool:
        """Take what a guest says, no faster than it may, and return whether it is a member. Raises HttpError."""
        token, said = token_of(request), said_in(request)
        stream, granted = web.streams.find(token), []
        if stream is not None:
            granted = [event for events in self._grant(stream.connection, stream.allowance, said) for event in events]
        if request.path == "/leave":  # its stream may be broken, or about to be replaced by a new one
            return self._have_leave(connection, token)
        if stream is not None:
            stream.connection.mailbox.hand_over(granted)
        return granted == said

    def _have_leave(self, connection: Connection, token: str) -> bool:
        """Have the guest with this token leave, and return whether it was a member; who guesses tokens waits here."""
        with contextlib.suppress(RuntimeError):  # the server has stopped meanwhile
            if self.call(lambda: self.delivery.leave(token)):
                return True
        connection.mailbox.wait_until_shut(self.hosts.ask(connection.address[0]))
        return False

    def _shake_hands(self, connection: Connection) -> None:
        """Do the handshake with a client when it is its turn, which after wrong codes of its address takes a while.

        Raises SecureError where the client has not the code, and OSError where the connection fails.
        """
        host, mailbox = connection.address[0], connection.mailbox
        connection.begin_handshake()

        def give_up() -> None:
            mailbox.shut()  # nothing was said yet that could count
            connection.cut()

        turn = self.hosts.handshakes.begin(host, give_up, lambda: mailbox.is_shut)
        if turn is None:
            raise SecureError("too many handshakes at once")
        try:
            wait_s = self.hosts.guess(host, 0.0)
            if wait_s and mailbox.wait_until_shut(wait_s):
                raise ConnectionAbortedError("no end of the handshake")
            connection.shake_hands(HANDSHAKE_S, self._handshake_thread.compute)
        except SecureError as error:
            if isinstance(error, WrongCodeError):
                self.hosts.guess(host, 1.0)
            mailbox.wait_until_shut(self.hosts.fail())
            connection.answer_handshake(HANDSHAKE_S)
            raise
        finally:
            self.hosts.handshakes.end(turn)

    def _make_room(self) -> bool:
        """Return whether a client that was silent has left for one that has come to the full room."""
        try:
            return self.call(self.delivery.make_room)
        except RuntimeError:  # the server has stopped meanwhile
            return False

    def _ask_to_join(self, connection: Connection, events: list[Event], names_may_be_said: bool) -> list[Event]:
        """Have the first thing decided that a client without a name says, and return the rest.

        An address that asks too often waits here. What does not ask for anything is just handed over.
        """
        event, *rest = events
        proposal = as_proposal(event, names_may_be_said)
        if isinstance(proposal, NameProposed | Resume):
            units = 1.0 if isinstance(proposal, NameProposed) else 0.0  # a known token costs what it brings
            wait_s = self.hosts.ask(connection.address[0], units)
            if wait_s and connection.mailbox.wait_until_shut(wait_s):
                return []
        if isinstance(proposal, NameProposed | Resume):
            connection.mailbox.propose(proposal)
        else:
            connection.mailbox.hand_over([event])
        return rest

    def _grant(self, connection: Connection, allowance: Allowance, events: list[Event]) -> Iterator[list[Event]]:
        """Yield a client's events as its rate allows. Its own thread waits meanwhile, and TCP slows the sender down."""
        if not self._options.rate:
            yield events
            return
        granted: list[Event] = []
        charged: list[Event | None] = [*events] or [None]  # input without an event is work, too
        for event in charged:
            units = cost(event)
            wait_s = max(allowance.take(units, time.monotonic()), self.hosts.talk(connection.address[0], units))
            if wait_s:
                yield granted
                granted = []
                if not self._slow_down(connection, wait_s):
                    return
            if event is not None and not isinstance(event, Silence):
                granted.append(event)
        yield granted

    def _slow_down(self, connection: Connection, wait_s: float) -> bool:
        """Wait, and return whether the connection goes on."""
        now = time.monotonic()
        if now > connection.slowed_until + SLOW_DOWN_LOG_S:
            log.warning(self._words.log_slowed_down.format(address=connection.recipient))
        connection.slowed_until = now + wait_s
        return not connection.mailbox.wait_until_shut(wait_s) and not connection.is_cut
