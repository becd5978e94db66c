"""A member's conversation with a server, over as many links as it takes; knows nothing of Tk."""

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
"""The longest pause between two tries to mend a broken link."""
QUIT_S = 1.0
"""How long leaving in order may take, before the connection is cut."""
BEHIND_S = 0.03
"""How often the receive thread looks whether the window has caught up."""
MAX_WAITING_EVENTS = 20_000
"""What may wait for the window before the receive thread reads no further, and TCP holds the server up."""


@dataclass(frozen=True)
class Disconnected(Event):
    """The session is over, and its threads with it; `unsent` is what nobody is known to have got."""

    unsent: tuple[str, ...]


@dataclass(frozen=True)
class Rejected(Event):
    """The server did not accept what one said: an `Error`, with the text that it is about."""

    text: str
    error: Error


@dataclass(frozen=True)
class LinkBroken(Event):
    """The link is broken, and the next try to mend it begins in `wait_s` seconds."""

    wait_s: float


@dataclass(frozen=True)
class LinkRestored(Event):
    """The link is there again, and the session goes on where it was; `names` are those in the room now."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class Gap(Event):
    """So many events of the room are missing here: they were more than it had kept."""

    count: int


@dataclass(frozen=True)
class NotSent(Event):
    """What one said under this nonce was never accepted, as far as anybody knows."""

    nonce: int
    text: str


@dataclass(frozen=True)
class Taken(Event):
    """What one said under this nonce was accepted, and its message is among those that are missing."""

    nonce: int


class Session:
    """A member's conversation with a server, over as many links as it takes; knows nothing of Tk.

    Life cycle: `connect`, `start`, then any of `join`, `say`, `retry` and `quit`, at last `close`. These are called
    from one thread, and but for `connect` and `close` none of them waits for the network.

    A link that breaks without `{end_conn}` is replaced by another one, unless the server is an original one. The
    server knows this session again by its token, and says what was missed; what it has not confirmed is said again
    under the same nonce, which it does not take twice.
    """

    def __init__(self, host: str, port: int, language: str = protocol.DEFAULT_LANGUAGE) -> None:
        self.host = host
        self.port = port
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        """What the server said and what became of the link, then one `Disconnected`."""
        self.is_bare = False
        """Whether the server is an original one."""
        self._language = language
        self._words = LANGUAGES[language]
        self._thread = threading.Thread(target=self._live, name="receive", daemon=True)
        self._is_closing = threading.Event()
        """Set when nobody looks into `events` any more."""
        self._wake = threading.Event()
        """Set to end the pause before the next try."""
        self._lock = threading.Lock()
        """Guards all that follows up to the next comment; nothing is sent while it is held."""
        self._link: Link | None = None
        self._is_linked = False
        """Whether what is put to `_link` may go out: there is one, and it is greeted."""
        self._is_open = False
        """Whether what is said goes out at once: to an original server always, to ours once it has welcomed us on this
        link, and told what it took on the last one."""
        self._wanted_name = ""
        self._is_resuming = False
        """Whether the server has been asked to know us again, and has not answered."""
        self._unconfirmed: dict[int, str] = {}
        self._last_nonce = 0
        self._put_nonce = 0
        """The last one that went to any link."""
        self._is_quitting = False
        self._is_over = False
        # For the receive thread alone.
        self._token = secrets.token_urlsafe(16)
        self._name = ""
        """As what we are known to the server; nothing where it has forgotten us, and not let us in again yet."""
        self._room_id: str | None = None
        self._last_id = 0
        """The last event that was seen; 0 for none."""
        self._tries = 0
        """How many new links have been tried since the server last let us in."""
        self._shown_until = 0
        """Up to this `id` a newcomer is shown some messages of before, and not all that happened."""
        self._was_away = False
        """Whether the next event shows if some are missing since the link broke."""
        self._settled_at = 0
        """The `id` with which everything has come that the link's breaking held up."""
        self._doubtful: dict[int, bool] = {}
        """Nonces that the server has dealt with, or may have; by then their messages should have come, too.

        True where it has known us again, and said so; where it had forgotten us, nobody knows that.
        """
        self._may_be_in_gap = False
        """Whether a doubtful one that has not come may be among the events that are missing."""
        self._has_ended = False
        """Whether the server has said `{end_conn}`."""

    def connect(self) -> None:
        """Connect, and find out which dialect the server speaks. Waits; raises UnreachableError."""
        self._link = Link(self.host, self.port, self._words, self._confirm)
        self.is_bare = self._link.is_bare
        for event in self._link.greeting:
            self.events.put(event)
        if not self.is_bare:
            self._link.put(Hello(protocol.VERSION, self._language))
        self._is_linked = True
        self._is_open = self.is_bare

    def start(self) -> None:
        """Begin to receive and to send."""
        assert self._link is not None
        self._link.start()
        self._thread.start()

    def join(self, name: str) -> None:
        """Ask for a name; while the link is broken, as soon as it is there again."""
        with self._lock:
            self._wanted_name = name
            if self._link is not None and self._is_linked and not self._is_resuming:
                self._link.put(Say(name) if self.is_bare else Join(name, self._token))

    def say(self, text: str) -> int | None:
        """Say something to everybody, and give its nonce; None where it is too late: the session is over.

        Before one is a member, and while the link is broken, it waits until one is, and the link is there again.
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
        """Try at once to mend a broken link."""
        self._wake.set()

    def quit(self) -> None:
        """Leave in order: what was said before goes out first. May be called twice."""
        with self._lock:
            if not self._is_quitting and self._link is not None:
                if self._is_linked and self._wanted_name:  # asked for, and perhaps not answered yet
                    for nonce, text in self._unconfirmed.items():
                        if self._is_resuming or nonce > self._put_nonce:  # who knows us again takes none twice
                            self._link.put(Say(text, nonce))
                self._link.put(Quit())
            self._is_quitting = True
        self._wake.set()

    def close(self) -> None:
        """Leave, and wait until the threads have ended and the socket is closed.

        A try to mend the link that is under way ends by itself; nobody waits for that.
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

    # Below: in the receive thread, which owns the links.

    def _live(self) -> None:
        """Listen to one link after the other, until there is no more reason to."""
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
        """Try for a new link, with growing pauses, until there is one; None where it is not wanted any more."""
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
            if link.is_bare:  # another program is at that port now
                link.close()
            else:
                return link if self._greet(link) else None
        return None

    def _greet(self, link: Link) -> bool:
        """Take up a new link, and say who we are; False where it is not wanted any more."""
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
        """Note what an event means for the session, and hand on what there is to show."""
        match event:
            case Welcome():
                self._settle_in(link, event)
                return
            case Refused(Reason.UNKNOWN_TOKEN) if self._is_resuming:
                # The grace is over, or the server has begun anew: come in again, as a newcomer of the same name.
                self._name = ""
                with self._lock:
                    # What ever went out is in doubt, also if this link breaks before its `Welcome`.
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
                    else:  # whoever had this name before counted, too
                        event = dataclasses.replace(event, nonce=None)
                elif isinstance(event, Joined) and event.name == self._name:
                    self._may_be_in_gap = False  # all that one said comes after it
            case EndConn():
                self._has_ended = True
        self.events.put(event)
        if self._doubtful and self._last_id >= self._settled_at:
            self._settle_doubts()

    def _settle_in(self, link: Link, welcome: Welcome) -> None:
        """Begin, or go on, as a member: say what was not confirmed, and what was said since the link broke."""
        self._tries = 0
        is_known = self._is_resuming
        is_back = is_known and bool(self._name)  # or else it was let in just before the link broke, and not told
        if not is_back:
            if welcome.room != self._room_id or welcome.room is None:
                self._last_id = 0  # the numbers of another room
            self._shown_until = welcome.last
        self._was_away, self._may_be_in_gap = bool(self._last_id), is_known and not is_back
        self._settled_at = welcome.last
        self._name, self._room_id = welcome.name, welcome.room
        with self._lock:
            self._is_resuming = False
            self._wanted_name = welcome.name  # whatever else was asked for has been refused
            if not self._is_open:
                # The server knows what it took; where it does not know us, all that ever went out is in doubt.
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
        """Tell how much is missing before the event of this number, if anything is."""
        before = self._last_id if self._was_away else max(self._last_id, self._shown_until)
        self._was_away = False
        if before and number > before + 1:
            self._may_be_in_gap = True
            self.events.put(Gap(number - before - 1))

    def _is_in_doubt(self, message: Message) -> bool:
        """Tell whether a message of before is one of those in doubt, and not of a namesake who counted, too."""
        nonce = message.nonce
        with self._lock:
            text = self._unconfirmed.get(nonce, "") if nonce in self._doubtful else ""
        return bool(text) and protocol.clean_text(text) == message.text

    def _settle_doubts(self) -> None:
        """Deal with what the server should have brought by now: it refused it, or it is among what is missing."""
        doubtful, self._doubtful = self._doubtful, {}
        for nonce, is_dealt_with in sorted(doubtful.items()):
            if text := self._strike_out(nonce):
                may_be_in_gap = is_dealt_with and self._may_be_in_gap
                self.events.put(Taken(nonce) if may_be_in_gap else NotSent(nonce, text))

    def _confirm(self, said: Say) -> None:
        """Strike out what went to an original server. Called from the send thread."""
        if said.nonce is not None:
            self._strike_out(said.nonce)

    def _strike_out(self, nonce: int) -> str:
        with self._lock:
            return self._unconfirmed.pop(nonce, "")


class Attempt:
    """One try to connect, in a thread of its own that nobody has to wait for."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._found: queue.SimpleQueue[Session | UnreachableError] = queue.SimpleQueue()
        self._has_given_up = threading.Event()
        """Set when nobody looks into `_found` any more."""
        threading.Thread(target=self._connect, name="connect", daemon=True).start()

    def take(self) -> Session | UnreachableError | None:
        """Give what came of it, once; None as long as that is not known."""
        with contextlib.suppress(queue.Empty):
            return self._found.get_nowait()
        return None

    def give_up(self) -> None:
        """Lose interest; a connection that was found, or will be, is closed."""
        self._has_given_up.set()
        found = self.take()
        if isinstance(found, Session):
            found.close()

    def _connect(self) -> None:
        """Try it. Runs in the connect thread."""
        try:
            self._session.connect()
        except UnreachableError as error:
            self._found.put(error)
            return
        self._found.put(self._session)
        if self._has_given_up.is_set():
            self.give_up()
