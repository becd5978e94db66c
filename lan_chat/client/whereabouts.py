"""Where the room of a session is by now: a search for its `id` while the link is broken, and the offer to go there.

Threads: the receive thread begins and ends the search; the search's own thread calls `_look`; the caller's, usually
main, refuses an offer. One lock guards all attributes; with it held, events are put, and nothing blocks. Nobody waits
for the search's thread with the lock held.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from lan_chat import rooms
from lan_chat.client.inbox import Inbox
from lan_chat.rooms import Found, Remembered
from lan_chat.sockets import Address, parse_address
from protocol import Event, Welcome

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RoomMoved(Event):
    """The room answers from another address, as far as its `id` tells: is the user sure that it is there?

    Anybody can claim an `id`, and who is followed is told the token: so it is asked, and never done unasked.
    """

    name: str
    host: str
    port: int


@dataclass(frozen=True)
class OfferWithdrawn(Event):
    """What the last `RoomMoved` said is over: the room answers where it was, or nowhere."""


@dataclass(frozen=True)
class AddressChanged(Event):
    """The session goes on with its room at another address, to which the user has followed it."""

    room: Remembered


class AnySearch(Protocol):
    """A search for the rooms of a LAN, as `lan_chat.client.search` makes it, or a test."""

    has_looked: threading.Event

    def start(self) -> None:
        """Start the search's thread."""

    def close(self) -> None:
        """End the search's thread, and wait for it."""

    def rooms(self) -> list[Found]:
        """Return the rooms that answer, each `id` once."""

    def refuse(self, host: str, port: int) -> None:
        """Believe this address no more: the same `id` may be found elsewhere."""


NewSearch = Callable[[Sequence[Remembered], Callable[[], object]], AnySearch]
"""What makes a search: the rooms to ask besides all others, and what to call, in its own thread and without its lock,
whenever there is something new."""


def room_of(welcome: Welcome, place: Address, address: str, *, has_code: bool = False) -> Remembered:
    """Return the room that a server has let the user into: where that was asked for, and its IP address."""
    room_id, title = welcome.room or "", rooms.room_name(welcome.title or "")
    return Remembered(
        room_id if rooms.is_id(room_id) else "", title, *place, has_code, address if address != place[0] else ""
    )


class Whereabouts:
    """Looks where a room is by now, and puts what there is to ask the user into a session's events."""

    def __init__(self, new_search: NewSearch | None, events: Inbox) -> None:
        self._new_search = new_search
        """None: nobody is ever asked."""
        self.try_there: Callable[[], object] | None = None
        """Called, in place of asking the user, where the room may be `proposed`: it proves by its code that it is the
        same. Not changed once a search has begun."""
        self._events = events
        self._lock = threading.Lock()
        self._search: AnySearch | None = None
        self._room = Remembered("", "", "", 0)
        """The room that is looked for, and where it was."""
        self._offer: RoomMoved | None = None
        """What the user has been asked last, and it still is so."""
        self._refused: set[Address] = set()
        self._is_closed = False

    def look_for(self, room: Remembered) -> None:
        """Begin to look for a room that has an `id`, if that is not being done."""
        with self._lock:
            if self._new_search is None or self._search is not None or self._is_closed or not room.id:
                return
            self._room = room
            try:
                self._search = self._new_search((room,), self._look)
            except OSError as error:  # there are no sockets left
                log.debug("No search: %s", error)
                return
            for place in self._refused:
                self._search.refuse(*place)
            self._search.start()

    def stop(self) -> None:
        """End the search: there is a link. Waits for the search's thread. May be called twice."""
        with self._lock:
            search, self._search = self._search, None
            if self._offer is not None:
                self._offer = None
                self._tell(None)
        if search is not None:
            search.close()

    @property
    def proposed(self) -> Address | None:
        """Where the room may be by now, and has to prove it by its code."""
        with self._lock:
            return None if self._offer is None or self.try_there is None else (self._offer.host, self._offer.port)

    def close(self) -> None:
        """End the search for good. Waits for the search's thread. May be called twice."""
        with self._lock:
            self._is_closed = True
        self.stop()

    def refuse(self, moved: RoomMoved) -> None:
        """Note that the user does not believe this: it is not offered again."""
        place = (moved.host, moved.port)
        with self._lock:
            self._refused.add(place)
            if self._offer is not None and (self._offer.host, self._offer.port) == place:
                self._offer = None
            if self._search is not None:
                self._search.refuse(*place)

    def _look(self) -> None:
        """Look where the room is, and tell what has changed. Called in the search's thread."""
        with self._lock:
            if self._search is None or not self._search.has_looked.is_set():  # its old address has a second to answer
                return
            offer = next((self._moved(found) for found in self._search.rooms() if found.room.id == self._room.id), None)
            if (offer and (offer.host, offer.port)) != (self._offer and (self._offer.host, self._offer.port)):
                self._offer = offer
                self._tell(offer)

    def _tell(self, offer: RoomMoved | None) -> None:
        """Tell where the room is by now, as far as that is known: the user, or the one who tries it there."""
        if self.try_there is None:
            self._events.put(offer or OfferWithdrawn())
        elif offer is not None:
            self.try_there()

    def _moved(self, found: Found) -> RoomMoved | None:
        """Return what there is to ask about a room that was found; None where it is where it was, or was refused."""
        host, port = found.host, found.room.port
        if self.try_there is not None and not found.room.needs_code:  # it could not prove anything
            return None
        is_old_place = (parse_address(host) or host, port) == self._room.place
        if is_old_place or (host, port) in self._refused:
            return None
        return RoomMoved(self._room.name or found.room.name, host, port)
