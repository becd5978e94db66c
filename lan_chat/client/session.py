"""A member's session with a server, over as many links as it takes. No tkinter.

Threads: the caller's, usually main, calls the public methods; the receive thread reads one link after the other,
reconnects, and closes each link; each link has its own send thread; an `Attempt` connects in a thread of its own.
Everything that the session learns is put into one queue, `Session.events`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import queue
import random
import secrets
import threading
from dataclasses import dataclass

import protocol
from lan_chat.client.link import BannedError, Link, UnreachableError
from lan_chat.client.words import LANGUAGES
from protocol import (
    Announcement,
    EndConn,
    Error,
    Event,
    Hello,
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

log = logging.getLogger(__name__)

MAX_PAUSE_S = 15.0
"""The longest pause between two attempts to reconnect."""
QUIT_S = 1.0
"""How long `close` waits for a clean end, before it cuts the connection."""
BEHIND_S = 0.03
"""How often the receive thread checks whether the window has caught up."""
MAX_WAITING_EVENTS = 20_000
"""The most events that may wait for the window; beyond it the receive thread stops reading, and TCP flow control holds
the server up."""


@dataclass(frozen=True)
class Disconnected(Event):
    """The session and its threads have ended; `unsent` are the texts that the server has not confirmed."""

    unsent: tuple[str, ...]


@dataclass(frozen=True)
class Rejected(Event):
    """The server did not accept a message of the user: its `Error`, with the text that it is about."""

    text: str
    error: Error


@dataclass(frozen=True)
class LinkBroken(Event):
    """The link is broken, and the next attempt to reconnect begins in `wait_s` seconds."""

    wait_s: float


@dataclass(frozen=True)
class LinkRestored(Event):
    """The link is restored, and the session resumed; `names` are the people in the room now.

    `names` is empty where the user has not asked for a name yet.
    """

    names: tuple[str, ...]


@dataclass(frozen=True)
class Gap(Event):
    """`count` events of the room are missing here: it no longer kept them."""

    count: int


@dataclass(frozen=True)
class NotSent(Event):
    """The user's message with this nonce was not accepted, as far as the client can know."""

    nonce: int
    text: str


@dataclass(frozen=True)
class Taken(Event):
    """The user's message with this nonce was accepted, and is among the events that are missing here."""

    nonce: int


class Session:
    """A member's session with a server, over as many links as it takes.

    Life cycle: `connect`, `start`, then any of `join`, `say`, `retry` and `quit`, finally `close`. Call them from one
    thread; only `connect` and `close` block.

    A link that breaks without `{end_conn}` is replaced by a new one, unless the server is an original one. The server
    recognises the session by its token, and sends what was missed; what it has not confirmed is sent again with the
    same nonce, which it does not accept twice.
    """

    def __init__(self, host: str, port: int, language: str = protocol.DEFAULT_LANGUAGE) -> None:
        self.host = host
        self.port = port
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        """The server's events and those of the link, and as the last one a `Disconnected`."""
        self.is_bare = False
        """Whether the server is an original one, which speaks the bare dialect."""
        self._language = language
        self._words = LANGUAGES[language]
        self._thread = threading.Thread(target=self._live, name="receive", daemon=True)
        self._is_closing = threading.Event()
        """Set when the caller no longer reads `events`."""
        self._wake = threading.Event()
        """Set to end the pause before the next attempt to reconnect."""
        self._lock = threading.Lock()
        """Guards the attributes below, `_link` to `_is_over`. Nothing is sent while it is held, only queued."""
        self._link: Link | None = None
        self._is_linked = False
        """Whether there is a link, and its dialect is known, so that events may be put to it."""
        self._is_open = False
        """Whether messages go out at once: to an original server always; to ours once it has sent its `Welcome` on this
        link, which tells what it accepted on the last one."""
        self._wanted_name = ""
        """The name that was asked for, or is held; empty for none."""
        self._is_resuming = False
        """Whether a `Resume` was sent on this link, and has not been answered."""
        self._unconfirmed: dict[int, str] = {}
        """The texts that the server has not confirmed, by nonce."""
        self._last_nonce = 0
        self._put_nonce = 0
        """The highest nonce that was put to any link."""
        self._is_quitting = False
        self._is_over = False
        # Receive thread only, without the lock; `_token`, which `join` reads too, never changes.
        self._token = secrets.token_urlsafe(16)
        self._name = ""
        """The member's name; empty before the first `Welcome`, and where the server no longer knows the token."""
        self._room_id: str | None = None
        self._last_id = 0
        """The `id` of the last event received; 0 for none."""
        self._tries = 0
        """How many attempts to reconnect there were since the last `Welcome`."""
        self._shown_until = 0
        """Up to this `id` a newcomer gets only the backlog, not every event."""
        self._was_away = False
        """Whether the next event is the first after a broken link: its `id` tells how many are missing."""
        self._settled_at = 0
        """The `id` of the last event that the broken link may have held back."""
        self._doubtful: dict[int, bool] = {}
        """Nonces that the server has handled or may have handled; their messages should arrive up to `_settled_at`.

        True where the server resumed the session and so confirmed it; False where it had forgotten the token.
        """
        self._may_be_in_gap = False
        """Whether a doubtful message that has not arrived may be among the events that are missing."""
        self._has_ended = False
        """Whether the server has sent `{end_conn}`."""

    def connect(self) -> None:
        """Connect, and find out which dialect the server speaks. Blocks.

        Raises:
            UnreachableError: no chat server could be reached.
        """
        self._link = Link(self.host, self.port, self._words, self._confirm)
        self.is_bare = self._link.is_bare
        for event in self._link.greeting:
            self.events.put(event)
        if not self.is_bare:
            self._link.put(Hello(protocol.VERSION, self._language))
        self._is_linked = True
        self._is_open = self.is_bare

    def start(self) -> None:
        """Start the receive thread and the send thread."""
        assert self._link is not None
        self._link.start()
        self._thread.start()

    def quit(self) -> None:
        """Leave; messages that wait go out first. May be called twice."""
        with self._lock:
            if not self._is_quitting and self._link is not None:
                if self._is_linked and self._wanted_name:  # requested, and perhaps not answered yet
                    for nonce, text in self._unconfirmed.items():
                        if (
                            self._is_resuming or nonce > self._put_nonce
                        ):  # a server that resumes us accepts no nonce twice
                            self._link.put(Say(text, nonce))
                self._link.put(Quit())
            self._is_quitting = True
        self._wake.set()

    def close(self) -> None:
        """Leave, and wait until the threads have ended and the socket is closed. Blocks.

        An attempt to reconnect that is under way is not waited for; its thread ends by itself.
        """
        self._is_closing.set()
        if self._thread.ident is None:  # never started
            if self._link is not None:
                self._link.close()
            return
        self.quit()
        self._thread.join(QUIT_S)
        with self._lock:
            link, is_linked = self._link, self._is_linked
        if link is not None:
            link.cut()
        if is_linked:
            self._thread.join()

    def join(self, name: str) -> None:
        """Ask for a name; while the link is broken, as soon as it is restored."""
        with self._lock:
            self._wanted_name = name
            if self._link is not None and self._is_linked and not self._is_resuming:
                self._link.put(Say(name) if self.is_bare else Join(name, self._token))

    def say(self, text: str) -> int | None:
        """Send a message to everybody in the room; return its nonce, or None where the session is over.

        Before the first `Welcome`, and while the link is broken, the message is kept and sent later.
        """
        with self._lock:
            if self._is_over:
                return None
            self._last_nonce += 1
            self._unconfirmed[self._last_nonce] = text
            if self._link is not None and self._is_open:
                self._put_nonce = self._last_nonce
                self._link.put(Say(text, self._last_nonce))
            return self._last_nonce

    def retry(self) -> None:
        """Try to reconnect now, without the rest of the pause."""
        self._wake.set()

    # Below: in the receive thread, which owns the links.

    def _live(self) -> None:
        """Read one link after the other, until the session is over. Runs in the receive thread."""
        link = self._link
        try:
            while link is not None:
                self._listen(link)
                with self._lock:
                    self._is_open = self._is_linked = False
                    is_last = self.is_bare or self._has_ended or self._is_quitting
                link.close()
                link = None if is_last else self._mend()
        except Exception:
            log.exception("A failure in the receive thread")
            with self._lock:
                self._is_linked = False
            if link is not None:
                link.close()
        finally:
            with self._lock:
                self._is_over = True
                unsent = tuple(self._unconfirmed.values())
            self.events.put(Disconnected(unsent))

    def _listen(self, link: Link) -> None:
        try:
            for event in link.incoming():
                while self.events.qsize() > MAX_WAITING_EVENTS and not self._is_closing.wait(BEHIND_S):
                    pass  # the window is behind: TCP holds the server up
                self._take(link, event)
        except OSError as error:
            log.debug("The connection failed: %s", error)

    def _mend(self) -> Link | None:
        """Return a new link, tried for with growing pauses; None where the user leaves, or is banned."""
        while True:
            tries, self._tries = self._tries, self._tries + 1
            pause_s = min(MAX_PAUSE_S, 2 ** (tries - 2)) * random.uniform(0.5, 1.0) if tries else 0.0
            self.events.put(LinkBroken(pause_s))
            self._wake.wait(pause_s)
            with self._lock:
                self._wake.clear()
                if self._is_quitting:
                    break
            try:
                link = Link(self.host, self.port, self._words, self._confirm)
            except BannedError:
                self.events.put(Error(Reason.BANNED.value))
                self.events.put(EndConn())
                break
            except UnreachableError as error:
                log.debug("No link: %s", error)
                continue
            if link.is_bare:  # another server is at that port now
                link.close()
            else:
                return link if self._greet(link) else None
        return None

    def _greet(self, link: Link) -> bool:
        """Take a new link into use, and ask to resume; False where the user is leaving, and the link is closed."""
        with self._lock:
            is_wanted = not self._is_quitting
            if is_wanted:
                self._link = link
                self._is_linked = True
                link.put(Hello(protocol.VERSION, self._language))
                self._is_resuming = bool(self._wanted_name)
                if self._is_resuming:
                    link.put(Resume(self._token, self._last_id if self._name else 0))
            is_resuming = self._is_resuming
        if not is_wanted:
            link.close()
            return False
        if not is_resuming:
            self.events.put(LinkRestored(()))
        link.start()
        return True

    def _take(self, link: Link, event: Event) -> None:
        """Update the session by an event of the server, and put what is to be shown into `events`."""
        match event:
            case Welcome():
                self._settle_in(link, event)
                return
            case Refused(Reason.UNKNOWN_TOKEN) if self._is_resuming:
                # The grace period is over, or the server was restarted: join again, as a newcomer of the same name.
                self._name = ""
                with self._lock:
                    # Everything that went out is in doubt, also if this link breaks before its `Welcome`.
                    self._doubtful = {nonce: False for nonce in self._unconfirmed if nonce <= self._put_nonce}
                    self._is_resuming = False
                    link.put(Join(self._wanted_name, self._token))
                return
            case Refused():
                with self._lock:
                    self._wanted_name = ""
                    self._is_resuming = False
            case Error(nonce=nonce) if nonce is not None and (text := self._strike_out(nonce)):
                event = Rejected(text, event)
            case Message() | Announcement() | Joined() | Left():
                if event.id <= self._last_id:
                    return
                self._note_gap(event.id)
                self._last_id = event.id
                if isinstance(event, Message) and event.nonce is not None and event.name == self._name:
                    if event.id > self._shown_until or self._is_in_doubt(event):
                        self._strike_out(event.nonce)
                    else:  # a former member of this name used the same nonce
                        event = dataclasses.replace(event, nonce=None)
                elif isinstance(event, Joined) and event.name == self._name:
                    self._may_be_in_gap = False  # everything that the member said comes after it
            case EndConn():
                self._has_ended = True
        self.events.put(event)
        if self._doubtful and self._last_id >= self._settled_at:
            self._settle_doubts()

    def _settle_in(self, link: Link, welcome: Welcome) -> None:
        """Begin or resume as a member: send what was not confirmed, and what was said since the link broke."""
        self._tries = 0
        is_known = self._is_resuming
        # Without a name, it became a member just before the link broke, and its `Welcome` was lost.
        is_back = is_known and bool(self._name)
        if not is_back:
            if welcome.room != self._room_id or welcome.room is None:
                self._last_id = 0  # the `id`s were those of another room
            self._shown_until = welcome.last
        self._was_away, self._may_be_in_gap = bool(self._last_id), is_known and not is_back
        self._settled_at = welcome.last
        self._name, self._room_id = welcome.name, welcome.room
        with self._lock:
            self._is_resuming = False
            self._wanted_name = welcome.name  # any other name that was asked for has been refused
            if not self._is_open:
                # The server tells what it accepted; where it does not know us, everything that went out is in doubt.
                taken = welcome.nonce if is_known else self._put_nonce
                self._doubtful = {
                    nonce: self._doubtful.get(nonce, is_known)
                    for nonce in self._unconfirmed
                    if nonce in self._doubtful or (taken is not None and nonce <= taken)
                }
                for nonce, text in self._unconfirmed.items():
                    if nonce not in self._doubtful:
                        link.put(Say(text, nonce))
                        self._put_nonce = max(self._put_nonce, nonce)
                self._is_open = True
        self.events.put(LinkRestored(welcome.names) if is_back else welcome)
        if is_back and self._last_id >= self._settled_at:
            self._settle_doubts()

    def _note_gap(self, number: int) -> None:
        """Report how many events are missing before the one with this `id`, if any are."""
        before = self._last_id if self._was_away else max(self._last_id, self._shown_until)
        self._was_away = False
        if before and number > before + 1:
            self._may_be_in_gap = True
            self.events.put(Gap(number - before - 1))

    def _is_in_doubt(self, message: Message) -> bool:
        """Return whether a message from the backlog is a doubtful one of ours, and not of a former member of this name.

        Both may have the same nonce; the text decides.
        """
        nonce = message.nonce
        with self._lock:
            text = self._unconfirmed.get(nonce, "") if nonce in self._doubtful else ""
        return bool(text) and protocol.clean_text(text) == message.text

    def _settle_doubts(self) -> None:
        """Settle the doubtful messages that have not arrived: each was not accepted, or is among the missing events."""
        doubtful, self._doubtful = self._doubtful, {}
        for nonce, is_dealt_with in sorted(doubtful.items()):
            if text := self._strike_out(nonce):
                may_be_in_gap = is_dealt_with and self._may_be_in_gap
                self.events.put(Taken(nonce) if may_be_in_gap else NotSent(nonce, text))

    def _confirm(self, said: Say) -> None:
        """Count a message that was written to an original server as confirmed. Called in the send thread."""
        if said.nonce is not None:
            self._strike_out(said.nonce)

    def _strike_out(self, nonce: int) -> str:
        with self._lock:
            return self._unconfirmed.pop(nonce, "")


class Attempt:
    """One attempt to connect a session, in a thread of its own that need not be waited for.

    The result belongs to the one who takes it; `give_up` closes a session that was not taken.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._found: queue.SimpleQueue[Session | UnreachableError] = queue.SimpleQueue()
        self._has_given_up = threading.Event()
        """Set when the result is not wanted any more."""
        threading.Thread(target=self._connect, name="connect", daemon=True).start()

    def take(self) -> Session | UnreachableError | None:
        """Return the result, once: the connected session or the error; None as long as there is none."""
        with contextlib.suppress(queue.Empty):
            return self._found.get_nowait()
        return None

    def give_up(self) -> None:
        """Discard the result; a connection that was made, or will be, is closed."""
        self._has_given_up.set()
        found = self.take()
        if isinstance(found, Session):
            found.close()

    def _connect(self) -> None:
        """Connect. Runs in the connect thread."""
        try:
            self._session.connect()
        except UnreachableError as error:
            self._found.put(error)
            return
        self._found.put(self._session)
        if self._has_given_up.is_set():
            self.give_up()
