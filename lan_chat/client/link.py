"""One connection to a server: its socket, its dialect, and the thread that writes to it.

Threads: the one that creates a `Link` connects and waits for the greeting; then the session's receive thread reads
(`incoming`), and the link's own send thread writes. The receive thread closes the link and its socket (`close`); where
the session was never started, `Session.close` does. Any thread may call `put` and `cut`. No lock: events go to the
send thread through a queue.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import queue
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator

import protocol
from lan_chat.client.words import ClientWords
from lan_chat.sockets import peer_address, tune
from protocol import Bare, Dialect, Event, Events, Greeting, Quit, Say

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
RECV_BYTES = 64 * 1024


class UnreachableError(Exception):
    """No chat server could be reached; the text is a sentence for the user, with the next step."""


class BannedError(UnreachableError):
    """The chat server was reached, and its operator has banned this address: retrying is of no use."""


class Link:
    """One connection to a server: its socket, its dialect, and the thread that writes to it."""

    def __init__(
        self,
        host: str,
        port: int,
        words: ClientWords,
        note_sent: Callable[[Say], object],
        first: Event | None = None,
    ) -> None:
        """Connect, and find out which dialect the server speaks. Blocks.

        `first` is said before the greeting, to a server that is known to speak events: it need not wait for it then.

        Raises:
            UnreachableError: no chat server could be reached.
        """
        self._host, self._port, self._words = host, port, words
        self._note_sent = note_sent
        """Called in the send thread with what was written to an original server, which confirms nothing."""
        self._sock = sock = self._open(CONNECT_S if first is None else RETURN_S)
        try:
            if first is not None:
                sock.sendall(Events().encode(first))
            received = self._read_greeting(sock)
            tune(sock, is_watching=True)
            self.peer, _ = peer_address(sock.getpeername())
            """The server's IP address."""
            sock.setblocking(False)  # `incoming` and `_send_all` wait with `select`, each in its thread
        except OSError as error:
            sock.close()
            raise UnreachableError(self._explain(words.unreachable_network, error)) from error
        except UnreachableError:
            sock.close()
            raise
        self._early = protocol.behind_greeting(received) if first is not None else None
        """What the server said right behind its greeting; None where it was not spoken to first."""
        self.place = (host, port)
        """The server's address, as it was asked for."""
        self.is_bare = self._early is None and protocol.recognise_server(received, is_over=True) is not Events
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
                yield from self._dialect.feed(data)
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

    def _read_greeting(self, sock: socket.socket) -> bytes:
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
        rest = memoryview(data)
        while rest:
            if self._is_cut:
                raise ConnectionAbortedError(errno.ECONNABORTED, "the link was cut")
            if select.select([], [self._sock], [], LOOK_UP_S)[1]:
                with contextlib.suppress(BlockingIOError):
                    rest = rest[self._sock.send(rest) :]
