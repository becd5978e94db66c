"""One connection to a server: its socket, its dialect, and the thread that writes to it.

Threads: the one that creates a `Link` connects and waits for the greeting; then the session's receive thread reads
(`incoming`), and the link's own send thread writes. The receive thread closes the link and its socket (`close`); where
the session was never started, `Session.close` does. Any thread may call `put` and `cut`. No lock: events go to the
send thread through a queue; TLS, in a room with a code, has the lock of its `SecureStream`.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import platform
import queue
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from enum import Enum

import protocol
from lan_chat import secure
from lan_chat.client.secure_stream import SecureStream
from lan_chat.client.words import ClientWords
from lan_chat.secure import PlainError, SecureError, TurnedAwayError, WrongCodeError
from lan_chat.sockets import peer_address, tune
from protocol import Bare, Dialect, Event, Events, Greeting, Hello, Quit, Reason, Refused, Say

log = logging.getLogger(__name__)

LOOK_UP_S = 0.5
"""How often a thread that waits for the socket checks whether the link was cut: on Windows it is not documented that a
shutdown wakes `select`, and under wine it does not."""
CONNECT_S = 5.0
"""Timeout for connecting, for the greeting to begin, and for the rest of one that has begun."""
RETURN_S = 2.0
"""Timeout for connecting to a server that was there before: who is away is tried again, and may be elsewhere."""
GREETING_S = 30.0
"""How long a greeting may take in all, however slowly it drips."""
REFUSAL_S = 0.2
"""How long a room may take to say that it needs a code, where it was not known; later it is told as an event."""
SECURE_TRIES = 3
"""How often TLS is tried with a server that greets in plain: it may not have heard us in time, as packets get lost."""
RECV_BYTES = 64 * 1024


class UnreachableError(Exception):
    """No chat server could be reached; the text is a sentence for the user, with the next step."""


class BannedError(UnreachableError):
    """The chat server was reached, and its operator has banned this address: retrying is of no use."""


class CodeFault(Enum):
    """What is wrong with the code that a client has, or has not."""

    NEEDED = "needed"
    """The room needs one."""
    WRONG = "wrong"
    """The room has another one."""
    NONE = "none"
    """The room has none: what is said there can be read, and it may be another server."""
    UNPROVED = "unproved"
    """The server did not prove that it knows the code: a certificate proves nothing here."""


class CodeError(UnreachableError):
    """A server was reached, and its room not entered, since the client has not the code of it."""

    def __init__(self, sentence: str, fault: CodeFault) -> None:
        super().__init__(sentence)
        self.fault = fault


def code_needs_python(words: ClientWords) -> str:
    """Return the sentence that this Python is too old for a room with a code."""
    return words.code_needs_python.format(python=platform.python_version())


class Link:
    """One connection to a server: its socket, its dialect, and the thread that writes to it."""

    def __init__(
        self,
        host: str,
        port: int,
        words: ClientWords,
        note_sent: Callable[[Say], object],
        hello: Hello,
        *,
        is_known: bool = False,
        code_key: bytes | None = None,
    ) -> None:
        """Connect, find out which dialect the server speaks, and say `hello` if that is events. Blocks.

        `is_known`: the server is known to speak events, and is spoken to before it greets. With a `code_key` nothing is
        said but in TLS, which proves that the server has it, too.

        Raises:
            CodeError: a room was reached that has not this code.
            UnreachableError: no chat server could be reached.
        """
        self._host, self._port, self._words = host, port, words
        self._note_sent = note_sent
        """Called in the send thread with what was written to an original server, which confirms nothing."""
        self._secure: SecureStream | None = None
        if code_key is not None and not secure.IS_AVAILABLE:
            raise UnreachableError(code_needs_python(words))
        self._early: bytes | None = None
        """What the server said behind its greeting; None where it does not speak events."""
        self._sock = self._open(RETURN_S if is_known else CONNECT_S)
        try:
            received = self._meet(hello, is_known, code_key)
            tune(self._sock, is_watching=True)
            self.peer, _ = peer_address(self._sock.getpeername())
            """The server's IP address."""
            self._sock.setblocking(False)  # `incoming` and `_send_all` wait with `select`, each in its thread
        except OSError as error:
            self._sock.close()
            raise UnreachableError(self._explain(words.unreachable_network, error)) from error
        except UnreachableError:
            self._sock.close()
            raise
        self.place = (host, port)
        """The server's address, as it was asked for."""
        self.is_bare = self._early is None
        if self.is_bare and self._secure is not None:
            self._sock.close()
            raise UnreachableError(self._explain(words.unreachable_stranger))
        self._dialect: Dialect = Bare(words) if self.is_bare else Events(protocol.MAX_SERVER_LINE_BYTES)
        self.greeting: list[Event] = self._dialect.feed(received) if self.is_bare else [Greeting()]
        """The events that the server sent first."""
        self._is_cut = False
        """Set by `cut`: nothing more is read or written."""
        self._outgoing: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._send, name="send", daemon=True)

    def start(self) -> None:
        """Start the send thread."""
        self._thread.start()

    def cut(self) -> None:
        """Shut the socket down, which wakes both threads. From any thread."""
        self._is_cut = True
        with contextlib.suppress(OSError):  # it may be closed already
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End the send thread and close the socket. May be called twice, both times by the thread that reads."""
        self.cut()
        self._outgoing.put(None)
        if self._thread.ident is not None:
            self._thread.join()
        self._sock.close()

    def put(self, event: Event) -> None:
        """Queue an event for the send thread. From any thread; never blocks."""
        self._outgoing.put(event)

    def incoming(self) -> Iterator[Event]:
        """Yield the server's events until the connection ends. Receive thread only. Raises OSError."""
        if self._early:
            yield from self._dialect.feed(self._early)
        while not self._is_cut:
            is_in_doubt = self._dialect.is_waiting
            if select.select([self._sock], [], [], protocol.SETTLE_S if is_in_doubt else LOOK_UP_S)[0]:
                try:
                    data = self._sock.recv(RECV_BYTES)
                except BlockingIOError:  # `select` may report data that then is not there
                    continue
                if not data:
                    break
                yield from self._dialect.feed(data if self._secure is None else self._secure.decrypt(data))
                if self._secure is not None and self._secure.has_ended:
                    break
            elif is_in_doubt:
                yield from self._dialect.flush()
        yield from self._dialect.finish()

    def _open(self, timeout_s: float) -> socket.socket:
        words = self._words
        try:
            sock = socket.create_connection((self._host, self._port), timeout_s)
            sock.settimeout(CONNECT_S)
            return sock
        except (socket.gaierror, UnicodeError, ValueError) as error:  # the latter two: not a valid host name
            raise UnreachableError(self._explain(words.unreachable_unknown, error)) from error
        except ConnectionRefusedError as error:
            raise UnreachableError(self._explain(words.unreachable_refused, error)) from error
        except TimeoutError as error:
            raise UnreachableError(self._explain(words.unreachable_silent, error)) from error
        except OSError as error:
            raise UnreachableError(self._explain(words.unreachable_network, error)) from error

    def _meet(self, hello: Hello, is_known: bool, code_key: bytes | None) -> bytes:
        """Shake hands in a room with a code, say `hello` to a server that speaks events, and return its greeting.

        Raises OSError, CodeError, UnreachableError.
        """
        if code_key is not None:
            self._secure = self._shake_hands(code_key, is_known)
        stream = self._secure or self._sock
        is_known = is_known or self._secure is not None
        if is_known:
            stream.sendall(Events().encode(hello))
        received = self._read_greeting(stream)
        if is_known:
            self._early = protocol.behind_greeting(received)
        elif protocol.recognise_server(received, is_over=True) is Events:
            stream.sendall(Events().encode(hello))
            self._early = self._read_refusal(self._sock)
        self._check_refusal(self._early or b"")
        return received

    def _shake_hands(self, key: bytes, is_known: bool) -> SecureStream:
        """Return the connection in TLS, perhaps a new one. Raises OSError, CodeError, UnreachableError."""
        words = self._words
        for _ in range(SECURE_TRIES):
            stream = SecureStream(self._sock, key)
            try:
                stream.shake_hands(time.monotonic() + GREETING_S)
            except WrongCodeError as error:
                raise CodeError(self._explain(words.code_wrong), CodeFault.WRONG) from error
            except PlainError as error:
                # A room with a code greets the silent, too, and then takes no TLS on that connection.
                if protocol.behind_greeting(stream.received) is None:
                    raise CodeError(self._explain(words.code_not_here), CodeFault.NONE) from error
            except TurnedAwayError as error:
                raise UnreachableError(self._explain(words.code_turned_away)) from error
            except SecureError as error:
                raise CodeError(self._explain(words.code_unproved), CodeFault.UNPROVED) from error
            except ConnectionAbortedError as error:
                if is_known:  # a link that breaks is no reason to doubt a room that was entered before
                    raise
                raise CodeError(self._explain(words.code_unproved), CodeFault.UNPROVED) from error
            else:
                return stream
            self._sock.close()
            self._sock = self._open(CONNECT_S)
        raise CodeError(self._explain(words.code_not_here), CodeFault.NONE)

    @staticmethod
    def _read_refusal(sock: socket.socket) -> bytes:
        """Return what the server says at once to a `hello`, most often nothing. Raises OSError."""
        sock.settimeout(REFUSAL_S)
        try:
            return sock.recv(RECV_BYTES)
        except TimeoutError:
            return b""
        except (KeyboardInterrupt, SystemExit):  # Ctrl+C: the server knows us by now
            with contextlib.suppress(OSError):
                sock.sendall(Events().encode(Quit()))
            raise

    def _check_refusal(self, said: bytes) -> None:
        """Look whether the server has said at once that its room needs a code. Raises CodeError."""
        for event in Events(protocol.MAX_SERVER_LINE_BYTES).feed(said):
            if isinstance(event, Refused) and event.reason == Reason.CODE:
                raise CodeError(self._words.code_needed, CodeFault.NEEDED)

    def _read_greeting(self, sock: socket.socket | SecureStream) -> bytes:
        """Return the first bytes of the server, as soon as they show its dialect. Raises OSError, UnreachableError."""
        received, is_over, longest_gap_s = b"", False, 0.0
        began = last = time.monotonic()
        while protocol.recognise_server(received, is_over) is None and not is_over:
            is_whole = protocol.is_greeting(received)
            # An original's greeting has no mark. On a link that drips, the mark may come as slowly as the rest.
            wait_s = max(protocol.SETTLE_S, 4 * longest_gap_s) if is_whole else CONNECT_S
            left_s = began + GREETING_S - last
            sock.settimeout(max(0.001, min(wait_s, left_s)))
            try:
                data = sock.recv(RECV_BYTES)
            except TimeoutError:
                if left_s < wait_s:
                    raise UnreachableError(self._explain(self._words.unreachable_silent)) from None
                data = b""
            now = time.monotonic()
            longest_gap_s, last = max(longest_gap_s, now - last if received else 0.0), now
            received += data
            is_over = not data
        if not received or protocol.is_stranger(received):
            raise UnreachableError(self._explain(self._words.unreachable_stranger))
        sentence = received.removesuffix(b"{end_conn}").decode(errors="replace")
        for words in protocol.LANGUAGES.values():
            if sentence == words.full:
                raise UnreachableError(self._words.full)
            if sentence == words.host_full:
                raise UnreachableError(self._words.host_full)
            if sentence == words.banned:
                raise BannedError(self._words.banned)
        return received

    def _explain(self, sentence: str, error: Exception | None = None) -> str:
        return sentence.format(host=self._host, port=self._port, error=error)

    def _send(self) -> None:
        """Write the queued events in order, until `Quit` or the end of the link. Runs in the send thread."""
        try:
            while (event := self._outgoing.get()) is not None:
                self._write(event)
                if isinstance(event, Quit):
                    break
        except OSError as error:
            log.debug("Sending failed: %s", error)
            self.cut()
        except Exception:
            log.exception("A failure in the send thread")
            self.cut()

    def _write(self, event: Event) -> None:
        if not self.is_bare:
            self._send_all(self._dialect.encode(event))
        else:
            # The original server takes one `recv` for one message, and never ends a client whose `{quit}` was merged.
            for part in protocol.bare_parts(event):
                time.sleep(protocol.BARE_FAREWELL_S if isinstance(event, Quit) else protocol.BARE_PAUSE_S)
                self._send_all(self._dialect.encode(part))
            if isinstance(event, Say):
                self._note_sent(event)
        if isinstance(event, Quit):
            self._sock.shutdown(socket.SHUT_WR)

    def _send_all(self, data: bytes) -> None:
        """Write all of the data, as the server takes it. Raises OSError, also where the link is cut meanwhile."""
        rest = memoryview(data if self._secure is None else self._secure.encrypt(data))
        while rest:
            if self._is_cut:
                raise ConnectionAbortedError(errno.ECONNABORTED, "the link was cut")
            if select.select([], [self._sock], [], LOOK_UP_S)[1]:
                with contextlib.suppress(BlockingIOError):
                    rest = rest[self._sock.send(rest) :]
