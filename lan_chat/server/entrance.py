"""Every way into the room: what a client that connects is told, who comes in, and what it is shown first.

Delivery thread only. One verb for each transition of the states; docs/ARCHITECTURE.md has the picture.
"""

from __future__ import annotations

import logging
import time

import protocol
from lan_chat.server.broadcast import REPLAY_EVENTS
from lan_chat.server.exits import Exits
from lan_chat.server.mail import Connected, NameProposed, Settled, Strange, TurnAway
from lan_chat.server.membership import ConnectionState, FormerMember, Member, MemberState, Recipient
from lan_chat.server.parts import Parts
from lan_chat.server.turned_away import refuse_stranger
from protocol import Bare, Join, Notice, Reason, Refused, Resume, Say, Stranger, Web, Welcome

log = logging.getLogger(__name__)


class Entrance:
    """Greets connections, refuses some, and lets members in."""

    def __init__(self, parts: Parts, exits: Exits) -> None:
        self._exits = exits
        self._room = parts.room
        self._hosts = parts.hosts
        self._options = parts.options
        self._words = parts.words
        self._timeline = parts.timeline
        self._broadcast = parts.broadcast
        self._greeted = parts.greeted
        self._places = parts.places
        self._former = parts.former
        self._heartbeats = parts.heartbeats

    # Before a name.

    def greet(self, recipient: Recipient, connected: Connected) -> None:
        """Greet a connection, whose client may then choose a name."""
        if recipient.state is not ConnectionState.NEW:  # it was banned meanwhile
            return
        recipient.state = ConnectionState.CHOOSING
        self._greeted.add(recipient)
        if connected.kind is None:
            self._broadcast.tell(recipient, protocol.Greeting())
        else:
            recipient.kind, recipient.is_settled = connected.kind, True
            self._broadcast.answer(recipient, connected.greeting)

    def settle(self, recipient: Recipient, settled: Settled) -> None:
        """Note which dialect a client speaks: from now on it is written to in that."""
        recipient.kind, recipient.is_settled = settled.kind, True
        recipient.outbox.is_paced = settled.kind is Bare
        if issubclass(settled.kind, protocol.Lines) and recipient.state is ConnectionState.CHOOSING:
            self._broadcast.tell(recipient, protocol.LineEnd())

    def send_away(self, recipient: Recipient, strange: Strange) -> None:
        """Answer a client of another protocol in that, unless it was greeted and knows by now where it is."""
        if recipient.has_left:
            return
        stranger, is_greeted = strange.stranger, recipient.state is ConnectionState.CHOOSING
        kind = self._words.other_protocol if stranger is Stranger.OTHER else stranger.value
        log.info(self._words.log_stranger.format(address=recipient, kind=kind))
        recipient.end_because(self._words.why_stranger)
        if not is_greeted or stranger is Stranger.OTHER:
            has_code = self._options.code_key is not None
            refusal = refuse_stranger(stranger, self._words, is_full=strange.is_full, has_code=has_code)
            self._broadcast.answer(recipient, refusal)
        self._exits.dismiss(recipient)

    def turn_away(self, recipient: Recipient, turned_away: TurnAway) -> None:
        """Have a client leave that found no place, or has lost it, or has not the code."""
        if recipient.has_left:
            return
        is_full = turned_away.reason is Reason.FULL
        if is_full:
            log.warning(self._words.log_turned_away_full.format(address=recipient))
        recipient.end_because(self._words.why_no_place if is_full else self._words.why_no_code)
        self._exits.tell_and_dismiss(recipient, Refused(turned_away.reason.value))

    def make_room(self) -> bool:
        """Have the client leave that has been silent for the longest, and return whether there was one."""
        recipient = self._greeted.longest_silent()
        if recipient is not None:
            self.turn_away(recipient, TurnAway())
        return recipient is not None

    # Who comes in.

    def take_name(self, recipient: Recipient, proposed: NameProposed) -> None:
        """Let a client in under a name, or as the member that it was; or refuse it."""
        said = proposed.said
        token = said.token if isinstance(said, Join) else None
        last = self._last_seen(said)
        member = self._room.member_with(token)
        if member is not None and not member.has_later_link_than(recipient):
            if member.name == proposed.name:  # a link broke before it heard that it was let in
                self._resume(recipient, member, last or 0, token)
                return
            if recipient.kind is Web:  # a link broke before its goodbye came; a page has one token
                log.info(self._words.log_left.format(who=member.name, why=self._words.why_quit))
                self._exits.supersede(member)
                self._exits.leave(member)
        former = self._former.find(token) if last is not None else None
        admitted = self._room.admit(proposed.name, proposed.key, token, recipient)
        if isinstance(admitted, Reason):
            why = self._words.why_refused(admitted)
            log.info(self._words.log_name_refused.format(address=recipient, why=why))
            self._broadcast.tell(recipient, Refused(admitted.value))
        else:
            self._former.discard(admitted.token_key)
            self._admit(recipient, admitted, former, last or 0)

    def take_token(self, recipient: Recipient, resume: Resume) -> None:
        """Let a client in as the member that it was; or refuse it."""
        member = self._room.member_with(resume.token)
        if member is None:
            self._hosts.ask(recipient.address[0])
            log.info(self._words.log_token_refused.format(address=recipient))
            if error := self._room.why_not_back(resume.token):
                recipient.end_because(self._words.why_kicked)
                self._exits.tell_and_dismiss(recipient, error)
            else:
                self._broadcast.tell(recipient, Refused(Reason.UNKNOWN_TOKEN.value))
        elif member.has_later_link_than(recipient):
            recipient.end_because(self._words.why_superseded)
            self._exits.dismiss(recipient)
        else:
            self._resume(recipient, member, self._last_seen(resume) or 0, resume.token)

    def tell_standing(self, member: Member, is_back: bool = False) -> None:
        """Tell a member whether it may write, if that has changed; if it is back, also what it may have missed."""
        standing, recipient = self._room.standing_of(member), member.recipient
        is_known = standing == (member.told_standing or protocol.MAY_WRITE) and not (is_back and member.told_standing)
        if not is_known and recipient is not None and recipient.state is ConnectionState.MEMBER:
            member.told_standing = standing
            self._broadcast.tell(recipient, Notice(standing))

    def _last_seen(self, said: Say | Join | Resume) -> int | None:
        """Return the last event of this room that a client has seen, 0 for none; None if it was not here before."""
        if isinstance(said, Say) or said.room not in (None, self._timeline.room_id):
            return None
        return said.last

    def _admit(self, recipient: Recipient, member: Member, former: FormerMember | None, seen: int) -> None:
        """Let a client in, and show it what was said before: to one that was here before, all that it has missed."""
        log.info(self._words.log_joined.format(address=recipient, name=member.name))
        if former is not None:
            self._take_up(recipient, member, former, seen)
            return
        backlog = self._timeline.backlog(self._options.backlog if recipient.kind is not Bare else 0)
        last = self._timeline.last_id
        member.replay_from = backlog[0].id - 1 if backlog else last
        heard = self._broadcast.batch_size
        self._tell_arrival(member)
        member.first_id = member.joined_id
        self._timeline.note_arrival(member)
        self._welcome(recipient, member, last)
        if self._broadcast.notice:
            self._broadcast.tell(recipient, self._broadcast.notice)
        self.tell_standing(member)
        self._broadcast.show_backlog(recipient, backlog)
        self._broadcast.add(recipient, heard)  # what follows it hears with the others

    def _take_up(self, recipient: Recipient, member: Member, former: FormerMember, seen: int) -> None:
        """Let one in that has left and comes back, as whom it likes, after all that it has missed."""
        member.replay_from = min(max(seen, former.first_id - 1), self._timeline.last_id)
        member.first_id, member.last_nonce = former.first_id, former.last_nonce
        self._tell_arrival(member)
        self._timeline.note_arrival(member)
        self._show_missed(recipient, member, min(seen, member.replay_from), is_new=True)

    def _tell_arrival(self, member: Member) -> None:
        member.joined_id = self._timeline.next_id()
        self._broadcast.tell_room(protocol.Joined(member.joined_id, self._timeline.now, member.name))

    def _resume(self, recipient: Recipient, member: Member, last: int, token: str | None) -> None:
        """Let a member hear the room over another connection, after all that it has missed."""
        self._exits.supersede(member)
        self._places.give_up(member)
        member.state, member.recipient, member.linked_at = MemberState.PRESENT, recipient, time.monotonic()
        recipient.token = token or ""
        log.info(self._words.log_resumed.format(address=recipient, name=member.name))
        self._show_missed(recipient, member, last, is_new=not last)  # then it never heard that it was let in

    def _show_missed(self, recipient: Recipient, member: Member, last: int, is_new: bool) -> None:
        """Welcome a member that was here before, and show it what came after `last`; its address pays for that."""
        self._broadcast.record()  # which may fail, and then memory has less
        seen = min(max(last, member.replay_from), self._timeline.last_id)
        start, missing = self._timeline.first_shown(seen)
        if last:  # it may have been here before it was this member
            missing += self._timeline.count(last, seen)
        self._welcome(recipient, member, self._timeline.last_id, missing)
        if self._broadcast.notice and is_new:
            self._broadcast.tell(recipient, self._broadcast.notice)
        self.tell_standing(member, is_back=True)
        self._hosts.ask(recipient.address[0], self._timeline.count(start) / REPLAY_EVENTS)
        self._broadcast.replay(recipient, start)

    def _welcome(self, recipient: Recipient, member: Member, last: int, missing: int | None = None) -> None:
        self._greeted.note_named(recipient)
        recipient.state, recipient.member = ConnectionState.MEMBER, member
        recipient.mailbox.is_joined = True
        if recipient.kind is Web:
            self._heartbeats.add(recipient)
        self._broadcast.record()  # a token that was given away works whatever happens to the server
        names = tuple(present.name for present in self._room.members())
        nonce = member.last_nonce if member.last_nonce >= 0 else None
        room_id, title, web = self._timeline.room_id, self._options.room or None, self._options.web or None
        welcome = Welcome(member.name, recipient.token, names, last, nonce, room_id, missing, title, web)
        self._broadcast.tell(recipient, welcome)
