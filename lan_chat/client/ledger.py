"""What was said and is not confirmed, what was seen, and what is in doubt after a broken link.

Pure: no socket, no thread, no lock, no clock. `Session` calls every method with its lock held, puts the `Say`s that a
method returns to the link, and the other events into the queue of the window.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import protocol
from protocol import Announcement, Error, Event, Join, Joined, Left, Message, Refused, Resume, Say, Welcome

MAX_OWN_NAMES = 1000


@dataclass(frozen=True)
class Rejected(Event):
    """The server did not accept a message of the user: its `Error`, with the text that it is about."""

    text: str
    error: Error


@dataclass(frozen=True)
class LinkRestored(Event):
    """The link is restored, and the session resumed; `names` are the people in the room now.

    `names` is empty where the user has not asked for a name yet.
    """

    names: tuple[str, ...]


@dataclass(frozen=True)
class Gap(Event):
    """`count` events of the room are missing here: it no longer has them, or does not show so many."""

    count: int


@dataclass(frozen=True)
class NotSent(Event):
    """The user's message with this nonce was not accepted, as far as the client can know."""

    nonce: int
    text: str


@dataclass(frozen=True)
class Taken(Event):
    """The user's message with this nonce was accepted: it is missing here, or was shown under an earlier name."""

    nonce: int


class Ledger:
    """What a member said and saw, over as many links as it takes: each message said gets one end, and no other.

    The end of a message is its `Message`, a `Rejected`, a `NotSent` or a `Taken`; or it stays in `unsent`.
    """

    def __init__(self) -> None:
        self._unconfirmed: dict[int, str] = {}
        """The texts that the server has not confirmed, by nonce."""
        self._last_nonce = 0
        self._put_nonce = 0
        """The highest nonce that was put to any link."""
        self._forgotten_nonce = 0
        """The highest that may have been put as a member that the server no longer knows."""
        self._name = ""
        """The member's name; empty before the first `Welcome`, and where the server no longer knows the token."""
        self._shown_name = ""
        """The name that the window shows the user under; empty where the user has to choose one."""
        self._names: set[str] = set()
        """The names that the member has had, the first MAX_OWN_NAMES of them."""
        self._is_unwelcomed = False
        """Whether the server has let the user in before on a link that broke before its `Welcome`."""
        self._room_id: str | None = None
        self._last_id = 0
        """The `id` of the last event received; 0 for none."""
        self._shown_until = 0
        """Up to this `id` a newcomer gets only the backlog, not every event."""
        self._others_until = 0
        """Up to this `id` messages under the member's name may be those of others, who had it before or meanwhile."""
        self._was_away = False
        """Whether the next event is the first after a broken link: its `id` tells how many are missing."""
        self._counted_until = 0
        """Up to this `id` the server has counted itself what is missing: there, some numbers are no event's."""
        self._missing = 0
        """How many of those the window has not been told of yet."""
        self._settled_at = 0
        """The `id` of the last event that the broken link may have held back."""
        self._doubtful: dict[int, bool] = {}
        """Nonces that the server has handled or may have handled; their messages should arrive up to `_settled_at`.

        True where the server resumed the session and so confirmed it; False where it had forgotten the token, or may
        have lost the message.
        """
        self._may_be_in_gap = False
        """Whether a doubtful message that has not arrived may be among the events that are missing."""

    @property
    def unsent(self) -> tuple[str, ...]:
        """The texts that the server has not confirmed, in the order in which they were said."""
        return tuple(self._unconfirmed.values())

    def ask_for(self, name: str, token: str) -> Join:
        """Return the request for a name, which says what was seen of which room."""
        if self._room_id is None:
            return Join(name, token)
        return Join(name, token, self._last_id, self._room_id)

    def ask_to_resume(self, token: str) -> Resume:
        """Return the request to go on as the same member, which says what was seen of which room.

        Where it is not known of which, that is nothing for one whose token the last server did not know.
        """
        last_id = self._last_id if self._name or self._room_id is not None else 0
        return Resume(token, last_id, self._room_id)

    # What the user does.

    def say(self, text: str, is_put: bool) -> Say:
        """Note a message, and whether it is put to the link at once; return it with its nonce."""
        self._last_nonce += 1
        self._unconfirmed[self._last_nonce] = text
        if is_put:
            self._put_nonce = self._last_nonce
        return Say(text, self._last_nonce)

    def confirm(self, nonce: int) -> str:
        """Note that a message has its end; return its text, empty where no such message is unconfirmed."""
        return self._unconfirmed.pop(nonce, "")

    def last_words(self, is_resuming: bool) -> list[Say]:
        """Return what has to be said before the user leaves: all that was never put to a link.

        Where the server has yet to answer a `Resume`, everything: it accepts no nonce twice.
        """
        return [Say(text, nonce) for nonce, text in self._unconfirmed.items() if is_resuming or nonce > self._put_nonce]

    # What the server says.

    def forget_membership(self) -> None:
        """Note that the server does not know the token: everything that went out is in doubt.

        It stays in doubt also if this link breaks before its `Welcome`.
        """
        self._name = ""
        self._doubtful = {nonce: False for nonce in self._unconfirmed if nonce <= self._put_nonce}

    def settle_in(self, welcome: Welcome, is_known: bool, is_first: bool) -> tuple[list[Say], list[Event]]:
        """Begin or resume as a member; return what to say now, and what to show.

        `is_known`: the server answers a `Resume`. `is_first`: no `Welcome` has come on this link before.
        """
        was_here = welcome.room == self._room_id is not None
        # One that has left and joins again may be known as well; without a name, the `Welcome` of that was lost.
        has_returned = was_here and welcome.missing is not None and not (is_known and self._name)
        # Without a name, it became a member just before the link broke, and its `Welcome` was lost.
        is_back = (is_known and bool(self._name)) or has_returned
        if not is_back or (is_known and not self._name and welcome.nonce is None):
            self._forgotten_nonce = self._put_nonce
        if has_returned:  # what it took as this member the server tells
            self._doubtful = {nonce: False for nonce in self._doubtful if nonce <= self._forgotten_nonce}
        is_known = is_known or has_returned
        if is_known and welcome.missing:
            # Where a record has lost its end, the rest of what went out may be in there, and `nonce` does not say so.
            taken = welcome.nonce or 0
            self._doubtful |= {nonce: False for nonce in self._unconfirmed if taken < nonce <= self._put_nonce}
        if not is_back:
            if not was_here:
                self._last_id = 0  # the `id`s were those of another room
            self._shown_until = welcome.last
        if not is_back or has_returned:
            self._others_until = welcome.last
        self._last_id = min(self._last_id, welcome.last)  # else the record has lost its end, and more than that
        self._counted_until = welcome.last if welcome.missing is not None else 0
        self._missing = welcome.missing or 0
        self._was_away = bool(self._last_id)
        self._may_be_in_gap = bool(self._missing) or (is_known and not is_back)
        self._settled_at = welcome.last
        self._is_unwelcomed = is_known and not is_back
        is_shown = is_back and welcome.name == self._shown_name
        if len(self._names) < MAX_OWN_NAMES:  # only a hostile server gives more
            self._names.add(welcome.name)
        self._name, self._shown_name, self._room_id = welcome.name, welcome.name, welcome.room
        says = self._sort_out(welcome.nonce if is_known else self._put_nonce, is_known) if is_first else []
        shown: list[Event] = [LinkRestored(welcome.names) if is_shown else welcome]
        if is_back and 0 < self._missing == welcome.last - self._last_id:  # nothing else has happened
            shown += self._note_id(welcome.last + 1)
            self._last_id = welcome.last
        return says, [*shown, *self._settle_doubts()] if is_back else shown

    def take(self, event: Event) -> list[Event]:
        """Note any other event of the server; return what is to be shown in its place."""
        handler = self._HANDLERS.get(type(event))
        shown = handler(self, event) if handler is not None else [event]
        return [*shown, *self._settle_doubts()] if shown else []

    def _sort_out(self, taken: int | None, is_known: bool) -> list[Say]:
        """Note what is in doubt: what the server took, up to this nonce, and what was in doubt before; return the rest.

        Where it does not know the member, that is everything that went out; else it tells what it accepted.
        """
        self._doubtful = {
            nonce: self._doubtful.get(nonce, is_known)
            for nonce in self._unconfirmed
            if nonce in self._doubtful or (taken is not None and nonce <= taken)
        }
        says = [Say(text, nonce) for nonce, text in self._unconfirmed.items() if nonce not in self._doubtful]
        self._put_nonce = max([self._put_nonce, *self._unconfirmed.keys() - self._doubtful.keys()])
        return says

    def _take_error(self, error: Error) -> list[Event]:
        text = "" if error.nonce is None else self.confirm(error.nonce)
        return [Rejected(text, error) if text else error]

    def _take_refused(self, refused: Refused) -> list[Event]:
        self._shown_name = ""
        return [refused]

    def _take_message(self, message: Message) -> list[Event]:
        if message.id <= self._last_id:
            return []
        gap = self._note_id(message.id)
        if message.nonce is not None and message.name in self._names - {self._name}:
            if self._is_in_doubt(message):  # said before the member came back under another name
                self.confirm(message.nonce)
                return [*gap, message, Taken(message.nonce)]
        elif message.nonce is not None and message.name == self._name:
            if message.id > self._others_until or self._is_in_doubt(message):
                self.confirm(message.nonce)
            else:  # another member of this name used the same nonce
                message = dataclasses.replace(message, nonce=None)
        return [*gap, message]

    def _take_joined(self, joined: Joined) -> list[Event]:
        if joined.id <= self._last_id:
            return []
        gap = self._note_id(joined.id)
        if joined.name == self._name and self._is_unwelcomed:
            self._may_be_in_gap = False  # everything that the member said comes after it
            self._shown_until = joined.id  # and nothing that comes after it is held back
        return [*gap, joined]

    def _take_numbered(self, event: Left | Announcement) -> list[Event]:
        return [] if event.id <= self._last_id else [*self._note_id(event.id), event]

    def _note_id(self, number: int) -> list[Event]:
        """Note the `id` of the latest event; return how many are missing before it, if any are."""
        before = self._last_id if self._was_away else max(self._last_id, self._shown_until)
        counted = min(self._missing, max(0, min(number - 1, self._counted_until) - before))
        before = max(before, self._counted_until)
        missing = counted + (max(0, number - before - 1) if before else 0)
        self._missing -= counted
        self._was_away = False
        self._last_id = number
        if not missing:
            return []
        self._may_be_in_gap = True
        return [Gap(missing)]

    def _is_in_doubt(self, message: Message) -> bool:
        """Return whether a message from the backlog is a doubtful one of ours, and not of a former member of this name.

        Both may have the same nonce; the text decides.
        """
        nonce = message.nonce
        text = self._unconfirmed.get(nonce, "") if nonce in self._doubtful else ""
        return bool(text) and protocol.clean_text(text) == message.text

    def _settle_doubts(self) -> list[Event]:
        """Settle the doubtful messages, once the user is in the room and all that may bring them has come.

        Each that has not arrived was not accepted, or is among the missing events.
        """
        if not self._doubtful or not self._name or self._last_id < self._settled_at:
            return []
        settled: list[Event] = []
        doubtful, self._doubtful = self._doubtful, {}
        for nonce, is_dealt_with in sorted(doubtful.items()):
            if text := self.confirm(nonce):
                settled.append(Taken(nonce) if is_dealt_with and self._may_be_in_gap else NotSent(nonce, text))
        return settled

    _HANDLERS: ClassVar[dict[type[Event], Callable[[Ledger, Any], list[Event]]]] = {
        Error: _take_error,
        Refused: _take_refused,
        Message: _take_message,
        Joined: _take_joined,
        Left: _take_numbered,
        Announcement: _take_numbered,
    }
    """What is noted of each event; all others are only shown."""
