"""A member's session with a server, over as many links as it takes. No tkinter.

Threads: the caller's, usually main, calls the public methods; the receive thread reads one link after the other,
reconnects, and closes each link; each link has its own send thread.
Everything that the session learns is put into one queue, `Session.events`.
"""

from __future__ import annotations

import logging
import random
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar

import protocol
from lan_chat.client.inbox import Inbox
from lan_chat.client.ledger import Ledger, LinkRestored
from lan_chat.client.link import BannedError, CodeError, CodeFault, Link, UnreachableError
from lan_chat.client.whereabouts import AddressChanged, NewSearch, RoomMoved, Whereabouts, room_of
from lan_chat.client.words import LANGUAGES
from lan_chat.rooms import Remembered
from lan_chat.sockets import Address
from protocol import (
    Announcement,
    EndConn,
    Error,
    Event,
    Hello,
    Message,
    Quit,
    Reason,
    Refused,
    Say,
    Welcome,
)

log = logging.getLogger(__name__)

MAX_PAUSE_S = 15.0
"""The longest pause between two attempts to reconnect."""
HELD_S = 10.0
"""How long a link has to hold after its `Welcome`, or the pauses grow: a server may let in and close at once."""
FORGIVEN_LINKS = 2
"""How many links in a row may hold for less than that, and are replaced at once: bad luck, and no server's fault."""
QUIT_S = 1.0
"""How long `close` waits for a clean end, before it cuts the connection."""
BEHIND_S = 0.03
"""How often the receive thread checks whether the window has caught up."""
MAX_WAITING_EVENTS = 20_000
"""The most events that may wait for the window; beyond it the receive thread stops reading, and TCP flow control holds
the server up."""
WAITING_CHARACTERS = 256
"""An event with more text, or more names, counts as several of these: a hostile server must not fill the memory."""


@dataclass(frozen=True)
class Disconnected(Event):
    """The session and its threads have ended; `unsent` are the texts that the server has not confirmed."""

    unsent: tuple[str, ...]


@dataclass(frozen=True)
class LinkBroken(Event):
    """The link is broken, and the next attempt to reconnect begins in `wait_s` seconds."""

    wait_s: float
    place: Address | None = None
    """Where that is tried, if it is another address, to which the user wants to follow the room."""


@dataclass(frozen=True)
class CodeTrouble(Event):
    """The server was reached again, and has not the code of this session any more; that goes on trying."""

    sentence: str
    wants_code: bool
    """Whether the server has a code, or another one, which the user may know."""


class State(Enum):
    """How a session stands with its server; docs/ARCHITECTURE.md has the picture.

    That the user leaves is no state: what still arrives is treated as before, until the link ends.
    """

    NEW = "new"
    """There is no link yet."""
    CHOOSING = "choosing"
    """There is a link, and the server has not let the user in on it: no name was asked for, or none was granted yet."""
    RESUMING = "resuming"
    """There is a new link, and the server has not answered its `Resume` yet."""
    JOINED = "joined"
    """There is a link, and messages go out at once: in the room of our server after the `Welcome` on this link, which
    tells what it accepted on the last one; with an original server, which does not say who is in, from the start."""
    BROKEN = "broken"
    """The link has ended; the receive thread tries for a new one, unless it was the last."""
    OVER = "over"
    """The receive thread has ended; nothing can be said any more."""


def _weight(event: Event) -> int:
    """Return as how many events one counts, among those that wait for the window."""
    if isinstance(event, Welcome):
        return 1 + len(event.names)
    return 1 + len(event.text) // WAITING_CHARACTERS if isinstance(event, Message | Announcement | Say) else 1


EXPELLED = (Reason.KICKED, Reason.BANNED)
"""The reasons of an `Error` after which the user is not wanted back, `{end_conn}` or not."""
LINKED = frozenset({State.CHOOSING, State.RESUMING, State.JOINED})
"""The states in which events may be put to the link."""


class Session:
    """A member's session with a server, over as many links as it takes.

    Life cycle: `connect`, `start`, then any of `join`, `say`, `retry`, `follow`, `refuse` and `quit`, finally `close`.
    Call them from one thread; only `connect` and `close` block.

    A link that breaks without `{end_conn}` is replaced by a new one, unless the server is an original one. The server
    recognises the session by its token, and sends what was missed; what it has not confirmed is sent again with the
    same nonce, which it does not accept twice. While that fails, the room is looked for with a search of `new_search`,
    if there is one: a server may have another address by now.

    With the key of a room's code, all of that is in TLS, and nothing is ever said without it. Such a room is followed
    to another address unasked: it proves there by the code that it is the same.
    """

    def __init__(
        self,
        host: str,
        port: int,
        language: str = protocol.DEFAULT_LANGUAGE,
        code_key: bytes | None = None,
        *,
        new_search: NewSearch | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.code_key = code_key
        """The key of the room's code, not changed after `connect`; None for a room without one."""
        self.address = ""
        """The server's IP address; empty before it has let the user in."""
        self.takes_browsers: bool | None = None
        """Whether guests by browser may come in, too; None before the server has let the user in."""
        self.events = Inbox()
        """The server's events and those of the link, and as the last one a `Disconnected`."""
        self.is_bare = False
        """Whether the server is an original one, which speaks the bare dialect."""
        self._words = LANGUAGES[language]
        self._thread = threading.Thread(target=self._live, name="receive", daemon=True)
        # Signals of the caller to the receive thread.
        self._is_closing = threading.Event()
        """Set when the caller no longer reads `events`."""
        self._is_leaving = threading.Event()
        """Set, with the lock held, when the user leaves: the link is the last one."""
        self._wake = threading.Event()
        """Set to end the pause before the next attempt to reconnect."""
        self._lock = threading.Lock()
        """Guards the attributes below, `_state` to `_followed`. Nothing is sent while it is held, only queued."""
        self._state = State.NEW
        self._link: Link | None = None
        self._wanted_name = ""
        """The name that was asked for, or is held; empty for none."""
        self._ledger = Ledger()
        self._followed: Address | None = None
        """Where the next attempt to reconnect is made instead, as the user wants to follow the room there."""
        self._whereabouts = Whereabouts(new_search, self.events)
        self._hello = Hello(protocol.VERSION, language)
        # Receive thread only, without the lock; `_token`, which `join` reads too, never changes.
        self._token = secrets.token_urlsafe(16)
        self._tries = 0
        """How many attempts to reconnect there were since the last `Welcome`, or as many as links that did not hold."""
        self._short_links = 0
        """How many links in a row, each with its `Welcome`, have held for less than HELD_S."""
        self._welcomed_at: float | None = None
        """When the current link had its first `Welcome`; None before."""
        self._room = Remembered("", "", host, port)
        """The room of the last `Welcome`, and the IP address where it was."""
        self._told_fault: CodeFault | None = None
        """What is wrong with the code since the link broke, as the user was told."""

    def connect(self) -> None:
        """Connect, and find out which dialect the server speaks. Blocks.

        Raises:
            CodeError: a room was reached that has not the code of this session.
            UnreachableError: no chat server could be reached.
        """
        if self.code_key is not None:
            self._whereabouts.try_there = self._wake.set
        self._link = Link(self.host, self.port, self._words, self._confirm, self._hello, code_key=self.code_key)
        self.is_bare = self._link.is_bare
        for event in self._link.greeting:
            self.events.put(event)
        self._state = State.JOINED if self.is_bare else State.CHOOSING

    def start(self) -> None:
        """Start the receive thread and the send thread."""
        assert self._link is not None
        self._link.start()
        self._thread.start()

    def quit(self) -> None:
        """Leave; messages that wait go out first. May be called twice."""
        with self._lock:
            if not self._is_leaving.is_set() and self._link is not None:
                if self._state in LINKED and self._wanted_name:  # requested, and perhaps not answered yet
                    for said in self._ledger.last_words(is_resuming=self._state is State.RESUMING):
                        self._link.put(said)
                self._link.put(Quit())
            self._is_leaving.set()
        self._wake.set()

    def close(self) -> None:
        """Leave, and wait until the threads have ended and the socket is closed. Blocks.

        An attempt to reconnect that is under way is not waited for; its thread ends by itself.
        """
        self._is_closing.set()
        self._whereabouts.close()
        if self._thread.ident is None:  # never started
            if self._link is not None:
                self._link.close()
            return
        self.quit()
        self._thread.join(QUIT_S)
        with self._lock:
            link, is_linked = self._link, self._state in LINKED
        if link is not None:
            link.cut()
        if is_linked:
            self._thread.join()

    def join(self, name: str) -> None:
        """Ask for a name; while the link is broken, as soon as it is restored."""
        with self._lock:
            self._wanted_name = name
            if self._link is not None and self._state in (State.CHOOSING, State.JOINED):
                self._link.put(Say(name) if self.is_bare else self._ledger.ask_for(name, self._token))

    def say(self, text: str) -> int | None:
        """Send a message to everybody in the room; return its nonce, or None where the session is over.

        Before the first `Welcome`, and while the link is broken, the message is kept and sent later.
        """
        with self._lock:
            if self._state is State.OVER:
                return None
            said = self._ledger.say(text, is_put=self._state is State.JOINED)
            if self._link is not None and self._state is State.JOINED:
                self._link.put(said)
            return said.nonce

    def retry(self) -> None:
        """Try to reconnect now, without the rest of the pause."""
        self._wake.set()

    def follow(self, moved: RoomMoved) -> None:
        """Try to reconnect now, where the room was found: the user knows that it is there."""
        with self._lock:
            if self._state is State.BROKEN:
                self._followed = (moved.host, moved.port)
        self._wake.set()

    def refuse(self, moved: RoomMoved) -> None:
        """Stay where the room was: the user does not believe that it is there, and is not asked again."""
        self._whereabouts.refuse(moved)

    def _confirm(self, said: Say) -> None:
        """Count a message that was written to an original server as confirmed. Called in the send thread."""
        if said.nonce is not None:
            with self._lock:
                self._ledger.confirm(said.nonce)

    # Below: in the receive thread, which owns the links.

    def _live(self) -> None:
        """Read one link after the other, until the session is over. Runs in the receive thread."""
        link = self._link
        try:
            while link is not None:
                has_ended = self._listen(link)
                is_last = self._break(has_ended)
                link.close()
                link = None if is_last else self._mend()
        except Exception:
            log.exception("A failure in the receive thread")
            self._break(has_ended=True)
            if link is not None:
                link.close()
        finally:
            self._end()

    def _listen(self, link: Link) -> bool:
        """Take what the server says until the link ends; return whether the server ended it in words."""
        has_ended = False
        try:
            for event in link.incoming():
                most = MAX_WAITING_EVENTS // _weight(event)
                while self.events.qsize() > most and not self._is_closing.wait(BEHIND_S):
                    pass  # the window is behind: TCP holds the server up
                has_ended = has_ended or isinstance(event, EndConn)
                has_ended = has_ended or (isinstance(event, Error) and event.reason in EXPELLED)
                self._take(link, event)
        except OSError as error:
            log.debug("The connection failed: %s", error)
        return has_ended

    def _break(self, has_ended: bool) -> bool:
        """Note that the link has ended, perhaps in words; return whether it was the last one."""
        with self._lock:
            self._state = State.BROKEN
            return has_ended or self.is_bare or self._is_leaving.is_set()

    def _end(self) -> None:
        """End the session: nothing can be said any more, and `Disconnected` is the last event."""
        self._whereabouts.close()
        with self._lock:
            self._state = State.OVER
            unsent = self._ledger.unsent
        self.events.put(Disconnected(unsent))

    def _mend(self) -> Link | None:
        """Return a new link, tried for with growing pauses; None where the user leaves, or is banned."""
        if self._welcomed_at is not None:
            has_held = time.monotonic() - self._welcomed_at >= HELD_S
            self._short_links = 0 if has_held else self._short_links + 1
            self._tries = max(0, self._short_links - FORGIVEN_LINKS)
            self._welcomed_at = None
        while True:
            tries, self._tries = self._tries, self._tries + 1
            pause_s = min(MAX_PAUSE_S, 2 ** (tries - 2)) * random.uniform(0.5, 1.0) if tries else 0.0
            self.events.put(LinkBroken(pause_s))
            self._wake.wait(pause_s)
            with self._lock:
                self._wake.clear()
                if self._is_leaving.is_set():
                    break
                followed, self._followed = self._followed, None
            if followed is not None:
                self.events.put(LinkBroken(0.0, followed))
            places = [followed or (self.host, self.port)]
            if followed is None and (proposed := self._whereabouts.proposed):
                places.insert(0, proposed)
            try:
                link = next(filter(None, map(self._reach, places)), None)
            except BannedError:
                self.events.put(Error(Reason.BANNED.value))
                self.events.put(EndConn())
                break
            if link is not None:
                self._whereabouts.stop()
                return link if self._resume(link) else None
            self._whereabouts.look_for(self._room)
        return None

    def _reach(self, place: Address) -> Link | None:
        """Return a link to a server that may be the room's; None where there is none. Raises BannedError."""
        try:
            link = Link(*place, self._words, self._confirm, self._hello, is_known=True, code_key=self.code_key)
        except BannedError:
            raise
        except CodeError as error:
            if place != (self.host, self.port):
                self._whereabouts.refuse(RoomMoved("", *place))
            elif error.fault is not self._told_fault:
                self._told_fault = error.fault
                self.events.put(CodeTrouble(str(error), error.fault in (CodeFault.NEEDED, CodeFault.WRONG)))
        except UnreachableError as error:
            log.debug("No link: %s", error)
        else:
            if not link.is_bare:
                return link
            link.close()  # another server is at that port now
        return None

    def _resume(self, link: Link) -> bool:
        """Take a new link into use, and ask to resume; False where the user is leaving, and the link is closed."""
        with self._lock:
            is_wanted, is_member = not self._is_leaving.is_set(), bool(self._wanted_name)
            if is_wanted:
                self._link, self._followed = link, None
                self._state = State.RESUMING if is_member else State.CHOOSING
                if is_member:
                    link.put(self._ledger.ask_to_resume(self._token))
        if not is_wanted:
            link.close()
            return False
        if not is_member:
            self.events.put(LinkRestored(()))
        link.start()
        return True

    def _take(self, link: Link, event: Event) -> None:
        """Update the session by an event of the server, and put what is to be shown into `events`."""
        handler = self._HANDLERS.get(type(event), Session._on_other)
        with self._lock:
            shown = handler(self, link, event)
        for news in shown:
            self.events.put(news)

    # The handlers: with the lock held, they return what is to be shown.

    def _on_welcome(self, link: Link, welcome: Welcome) -> list[Event]:
        """Be in the room: send what was not confirmed, and what was said since the link broke."""
        if self._welcomed_at is None:
            self._welcomed_at = time.monotonic()
        is_known, is_first = self._state is State.RESUMING, self._state is not State.JOINED
        says, shown = self._ledger.settle_in(welcome, is_known, is_first)
        self.address, self.takes_browsers = link.peer, bool(welcome.web)
        self._room = room_of(welcome, link.place, link.peer, has_code=self.code_key is not None)
        self._told_fault = None
        if link.place != (self.host, self.port):
            self.host, self.port = link.place
            shown = [AddressChanged(self._room), *shown]
        for said in says:
            link.put(said)
        self._wanted_name = welcome.name  # any other name that was asked for has been refused
        self._state = State.JOINED
        return shown

    def _on_refused(self, link: Link, refused: Refused) -> list[Event]:
        """Join again where the server does not know the token; else let the user choose another name."""
        is_resuming = self._state is State.RESUMING
        if is_resuming:
            self._state = State.CHOOSING
        if is_resuming and refused.reason == Reason.UNKNOWN_TOKEN:
            # The grace period is over, or the server was restarted: join again, and say what was seen.
            self._ledger.forget_membership()
            link.put(self._ledger.ask_for(self._wanted_name, self._token))
            return []
        self._wanted_name = ""
        return self._ledger.take(refused)

    def _on_other(self, link: Link, event: Event) -> list[Event]:
        return self._ledger.take(event)

    _HANDLERS: ClassVar[dict[type[Event], Callable[[Session, Link, Any], list[Event]]]] = {
        Welcome: _on_welcome,
        Refused: _on_refused,
    }
    """What an event changes in the session; all others are for the ledger."""
