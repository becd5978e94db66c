"""What the user is in the room, and what each event of the session changes in it; what is drawn, the window draws.

Main thread only, but for `leave`, and without Tk: a `Membership` calls a `Screen` to have something shown.
"""

from __future__ import annotations

import contextlib
import queue
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import protocol
from lan_chat.client.entries import Entry, Kind, mentions
from lan_chat.client.ledger import Gap, LinkRestored, NotSent, Rejected, Taken
from lan_chat.client.session import CodeTrouble, Disconnected, LinkBroken, Session
from lan_chat.client.settings import Settings
from lan_chat.client.whereabouts import AddressChanged, OfferWithdrawn, RoomMoved, room_of
from lan_chat.client.words import LANGUAGES, ClientWords
from lan_chat.rooms import Remembered
from protocol import (
    Announcement,
    EndConn,
    Error,
    Event,
    Greeting,
    Joined,
    Left,
    Message,
    Notice,
    Reason,
    Refused,
    Say,
    Welcome,
)

FAREWELLS: dict[type[Event], tuple[Reason, ...]] = {
    Error: (Reason.KICKED, Reason.BANNED, Reason.TOO_SLOW),
    Refused: (Reason.TOO_LATE, Reason.FULL, Reason.CODE),
}
"""With which reasons a server ends this user's connection alone, and goes on itself."""


@dataclass(frozen=True)
class LinkNotOpened(Event):
    """No browser could be started for a link that the user wanted to open."""

    link: str


@dataclass(frozen=True)
class LeftBehind(Event):
    """The session before this one has ended, and these texts of the user were not accepted in it."""

    texts: tuple[str, ...]


@dataclass(frozen=True)
class Screen:
    """What a membership calls to have something shown, filled in by the window."""

    show: Callable[[Entry, bool], object]
    """Show an entry, and whether it is news."""
    show_rule: Callable[[str], object]
    show_pending: Callable[[], object]
    show_status: Callable[[], object]
    show_broken: Callable[[LinkBroken], bool]
    """Show that the link is broken, and when and where there is a new try; return whether that was known."""
    show_moved: Callable[[RoomMoved | None], object]
    """Show where the room is by now, while the link is broken; None: nowhere else."""
    show_address: Callable[[str, int], object]
    """Show that the server has another address by now."""
    show_linked: Callable[[Iterable[str] | None], object]
    """Show that the link works, and who is there; None where that has not changed."""
    show_room: Callable[[str], object]
    """Show the room's name; empty where the server has not said it."""
    add_person: Callable[[str], object]
    remove_person: Callable[[str], object]
    call_user: Callable[[], object]
    """Call the user, whose name was said."""
    draft: Callable[[], str]
    give_back: Callable[[str, bool], object]
    """Put a text back into the message input, perhaps selected."""
    ask_code: Callable[[str], object]
    """Ask for the code of this room, and tell why."""
    show_end: Callable[[bool], object]
    """Show that the session has ended, and whether the window closes soon."""


def leave(old: Session, new: Session) -> None:
    """Close a session whose events nobody takes any more; what was not accepted in it goes into the next one's. Blocks.

    For a thread of its own.
    """
    old.close()
    texts: list[str] = []
    with contextlib.suppress(queue.Empty):
        while True:
            match old.events.get_nowait():
                case Rejected(text=text) | NotSent(text=text):
                    texts.append(text)
                case Disconnected(unsent):
                    texts += unsent
    if texts:
        new.events.put(LeftBehind(tuple(texts)))


class Membership:
    """The user's name, standing, and messages on their way, in one session. Main thread only."""

    def __init__(self, session: Session, settings: Settings, screen: Screen, offered_name: str = "") -> None:
        self.name = ""
        self.asked_name = ""
        """The name that was asked for, until the server answers."""
        self.pending: dict[int, str] = {}
        """Messages that the server has not confirmed yet, by nonce."""
        self.failed: list[str] = []
        """Messages that were not accepted, to be sent again or discarded by the user."""
        self.room = Remembered("", "", session.host, session.port)
        """Where the user is, as far as the server has said it."""
        self.is_connected = True
        """Whether the session goes on, also while it reconnects."""
        self.code_trouble: CodeTrouble | None = None
        """What is wrong with the code, as long as the room is not reached for that."""
        self.standing = protocol.MAY_WRITE
        """Whether the user may write, as a `Notice` says it."""
        self._session = session
        self._settings = settings
        self._screen = screen
        self._offered_name = offered_name
        """The name from the command line, until it has been asked for."""
        self._was_here = self._has_said = False
        """Whether the user had a name before; whether something was sent, which to an original server is the name."""
        self._arrived_at = 0
        """The `id` of the last event before the user joined."""
        self._has_said_before = False
        """Whether events from before the user joined are shown, and the rule after them is not yet."""
        self._is_ending = False
        self._farewell: Error | Refused | None = None
        """Why the server has ended this user's connection alone."""

    @property
    def words(self) -> ClientWords:
        """The texts in the user's language."""
        return LANGUAGES[self._settings.language]

    @property
    def has_unsent(self) -> bool:
        """Whether messages are on their way, or were not accepted."""
        return bool(self.pending or self.failed)

    @property
    def is_naming(self) -> bool:
        """Whether the user has to choose a name."""
        return self.is_connected and not (self.name or (self._session.is_bare and self._has_said))

    @property
    def has_history(self) -> bool:
        """Whether there may be something to read in the conversation."""
        return bool(self._arrived_at or self._session.is_bare or self._was_here)

    # What the user does.

    def say(self, text: str) -> bool:
        """Send a message; return whether the session goes on."""
        nonce = self._session.say(text)
        if not self._has_said:
            self._has_said = True
            self._screen.show_status()
        if nonce is not None and not self._session.is_bare:  # an original server has no way to confirm
            self.pending[nonce] = text
            self._screen.show_pending()
        return nonce is not None

    def ask_for(self, name: str) -> None:
        """Ask for a name."""
        self.asked_name = "" if self._session.is_bare else name  # an original server does not answer
        self._session.join(name)

    def send_again(self, number: int | None = None) -> None:
        """Send the failed messages again, or the one with this number."""
        chosen = self.failed[:] if number is None else self.failed[number : number + 1]
        for text in chosen:
            if not self.is_connected or not self.say(text):
                self.show_disconnected()
                break
            self.failed.remove(text)
        self._screen.show_pending()

    def discard(self, number: int | None = None) -> None:
        """Discard the failed messages, or the one with this number."""
        del self.failed[slice(None) if number is None else slice(number, number + 1)]
        self._screen.show_pending()

    def show_disconnected(self) -> None:
        """Show why nothing can be sent any more, and what to do."""
        farewell = self._farewell
        if farewell is not None and farewell.reason == Reason.CODE:
            self._tell(self.words.code_needed, Kind.ERROR)
            return
        why = self.words.connection_error if farewell is None else protocol.in_words(farewell, self.words)
        self._tell(why or "", Kind.ERROR)
        if farewell is None or farewell.reason != Reason.BANNED:
            self._tell(self.words.restart, Kind.ERROR)

    # What the session says.

    def hear(self, event: Event) -> None:
        """Handle an event of the session."""
        if isinstance(event, Message | Announcement | Joined | Left):
            self._note_arrival(event.id)
        handler = self._HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event)

    def _on_greeting(self, greeting: Greeting) -> None:
        self._tell(self.words.greeting)
        self._offer_name()

    def _on_welcome(self, welcome: Welcome) -> None:
        self.name = welcome.name
        if protocol.parse_name(welcome.name):  # not `{quit}`, with which the next Return would leave
            self._settings.name = welcome.name
        self._was_here = True
        self._farewell = self.code_trouble = None
        self._note_room(welcome)
        self.asked_name = ""
        self._arrived_at = welcome.last
        self.standing = protocol.MAY_WRITE  # of a newcomer: else it is told so
        self._screen.show_linked(welcome.names)
        self._tell(self.words.welcome.format(name=welcome.name))

    def _on_link_broken(self, broken: LinkBroken) -> None:
        if not self._screen.show_broken(broken):
            self._tell(self.words.link_broken, Kind.ERROR)

    def _on_room_moved(self, moved: RoomMoved) -> None:
        self._screen.show_moved(moved)

    def _on_offer_withdrawn(self, _: OfferWithdrawn) -> None:
        self._screen.show_moved(None)

    def _on_address_changed(self, changed: AddressChanged) -> None:
        self.room = changed.room
        self._settings.remember(changed.room)
        self._screen.show_address(changed.room.host, changed.room.port)

    def _on_link_restored(self, restored: LinkRestored) -> None:
        self._farewell = self.code_trouble = None
        self._screen.show_linked(restored.names or None)
        self._tell(self.words.link_restored)

    def _on_gap(self, gap: Gap) -> None:
        self._tell(self.words.gap.format(count=gap.count), Kind.ERROR)

    def _on_notice(self, notice: Notice) -> None:
        if notice.about in (protocol.MUTED, protocol.QUIET, protocol.MAY_WRITE):
            if notice.about == self.standing:  # told again, after a broken link
                return
            self.standing = notice.about
            self._screen.show_status()
        if sentence := self.words.tell_notice(notice.about):
            self._tell(sentence, Kind.ERROR if notice.about in (protocol.MUTED, protocol.QUIET) else Kind.NOTICE)

    def _on_code_trouble(self, trouble: CodeTrouble) -> None:
        self.code_trouble = trouble
        self._tell(trouble.sentence, Kind.ERROR)
        if trouble.wants_code:
            self._screen.ask_code(trouble.sentence)

    def _on_refused(self, refused: Refused) -> None:
        self._note_farewell(refused)
        if refused.reason == Reason.CODE:
            self._tell(self.words.code_needed, Kind.ERROR)
            self._screen.ask_code(self.words.code_needed)
        else:
            self._tell(self.words.explain(refused.reason), Kind.ERROR)
        self._screen.give_back(self.asked_name or protocol.parse_name(self.name) or "", True)
        self.asked_name = self.name = ""
        self._screen.show_linked(())

    def _on_message(self, message: Message) -> None:
        name, nonce = message.name, message.nonce
        is_own, is_old = name == self.name, message.id <= self._arrived_at
        if is_own and nonce is not None and self.pending.pop(nonce, None) is not None:
            self._screen.show_pending()
        is_mention = not is_own and not is_old and mentions(message.text, self.name)
        entry = Entry(message.time, Kind.MESSAGE, message.text, name, is_mention, is_own)
        self._screen.show(entry, not is_own and not is_old)
        if is_mention:
            self._screen.call_user()

    def _on_bare_text(self, said: Say) -> None:
        """Show what an original server sent, which does not say who speaks."""
        self._screen.show(Entry(time.time(), Kind.MESSAGE, said.text), True)
        self._offer_name()

    def _on_joined(self, joined: Joined) -> None:
        self._screen.add_person(joined.name)
        sentence = self.words.joined.format(name=joined.name)
        self._screen.show(Entry(joined.time, Kind.NOTICE, sentence, arrived=joined.name), False)

    def _on_left(self, left: Left) -> None:
        self._screen.remove_person(left.name)
        # Why somebody was made to leave is told of each.
        departed = "" if self.words.why_left(left.reason) else left.name
        sentence = self.words.tell_left(left.name, left.reason)
        self._screen.show(Entry(left.time, Kind.NOTICE, sentence, departed=departed), False)

    def _on_announcement(self, announcement: Announcement) -> None:
        entry = Entry(announcement.time, Kind.ANNOUNCEMENT, announcement.text, protocol.SERVER_NAME)
        self._screen.show(entry, announcement.id > self._arrived_at)

    def _on_error(self, error: Error) -> None:
        self._note_farewell(error)
        self._tell(self.words.explain(error.reason, error.limit, error.detail), Kind.ERROR)

    def _on_rejected(self, rejected: Rejected) -> None:
        self._on_error(rejected.error)
        if rejected.error.nonce is not None:
            self.pending.pop(rejected.error.nonce, None)
            self._screen.show_pending()
        self._screen.give_back(rejected.text, False)

    def _on_taken(self, taken: Taken) -> None:
        self.pending.pop(taken.nonce, None)
        self._screen.show_pending()

    def _on_not_sent(self, not_sent: NotSent) -> None:
        self.pending.pop(not_sent.nonce, None)
        self.failed.append(not_sent.text)
        self._screen.show_pending()

    def _on_end_conn(self, end: EndConn) -> None:
        """Announce that the server has ended; a farewell stays as it is."""
        if self._is_ending:
            return
        self._is_ending = True
        self.is_connected = False
        self._screen.show_status()
        if self._farewell is None:
            self._tell(self.words.disconnected)
            self._tell(self.words.closing_soon)
        self._screen.show_end(self._farewell is None)

    def _on_disconnected(self, disconnected: Disconnected) -> None:
        self.is_connected = False
        self._screen.show_status()
        if not self._is_ending:
            if self._farewell is None:
                self.show_disconnected()
            self._screen.show_end(False)
        self.pending.clear()
        self.failed += disconnected.unsent
        self._screen.show_pending()
        if self.asked_name:
            self._screen.give_back(self.asked_name, False)
            self.asked_name = ""

    def _on_link_not_opened(self, failed: LinkNotOpened) -> None:
        self._tell(self.words.link_not_opened.format(link=failed.link), Kind.ERROR)

    def _on_left_behind(self, left: LeftBehind) -> None:
        self.failed += left.texts
        self._screen.show_pending()

    _HANDLERS: ClassVar[dict[type[Event], Callable[[Membership, Any], None]]] = {
        Greeting: _on_greeting,
        Welcome: _on_welcome,
        LinkBroken: _on_link_broken,
        CodeTrouble: _on_code_trouble,
        RoomMoved: _on_room_moved,
        OfferWithdrawn: _on_offer_withdrawn,
        AddressChanged: _on_address_changed,
        LinkRestored: _on_link_restored,
        Gap: _on_gap,
        Notice: _on_notice,
        Refused: _on_refused,
        Message: _on_message,
        Say: _on_bare_text,
        Joined: _on_joined,
        Left: _on_left,
        Announcement: _on_announcement,
        Error: _on_error,
        Rejected: _on_rejected,
        Taken: _on_taken,
        NotSent: _on_not_sent,
        EndConn: _on_end_conn,
        Disconnected: _on_disconnected,
        LinkNotOpened: _on_link_not_opened,
        LeftBehind: _on_left_behind,
    }
    """What each event of the session does."""

    def _note_arrival(self, number: int) -> None:
        """Add a rule after the last event from before the user joined."""
        if number <= self._arrived_at:
            self._has_said_before = True
        elif self._has_said_before:
            self._has_said_before = False
            self._screen.show_rule(self.words.said_before)

    def _offer_name(self) -> None:
        """Ask for the name from the command line, once, when the server wants a name; or suggest the last name used."""
        name, self._offered_name = self._offered_name, ""
        if name and not self.asked_name:
            self.ask_for(name)
        elif self._settings.name and not self.name and not self._screen.draft() and not self._session.is_bare:
            self._screen.give_back(self._settings.name, True)

    def _note_room(self, welcome: Welcome) -> None:
        """Show and remember which room this is."""
        session = self._session
        place, has_code = (session.host, session.port), session.code_key is not None
        self.room = room_of(welcome, place, session.address, has_code=has_code)
        if session.code_key is not None:
            self._settings.code_keys.keep(session.code_key, self.room)
        self._settings.remember(self.room)
        self._screen.show_room(self.room.name)

    def _note_farewell(self, event: Error | Refused) -> None:
        if event.reason in FAREWELLS[type(event)]:
            self._farewell = event

    def _tell(self, text: str, kind: Kind = Kind.NOTICE) -> None:
        """Show a sentence of the client itself."""
        self._screen.show(Entry(time.time(), kind, text), False)
