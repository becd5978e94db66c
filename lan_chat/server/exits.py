"""Every way out of the room: when a connection ends, and what becomes of its member. Delivery thread only.

Here it is decided that something ends; `leaving` sends a connection the rest and gives it back to its thread. One verb
for each transition of the states; docs/ARCHITECTURE.md has the picture.
"""

from __future__ import annotations

import logging

import protocol
from lan_chat.server.history import Departure
from lan_chat.server.membership import ConnectionState, FormerMember, Member, MemberState, Recipient
from lan_chat.server.parts import Parts
from protocol import EndConn, Error, Event, Reason, Refused, Web

FLUSH_S = 1.0
"""How long a client that leaves, or is told that the server stops, may take to read the rest."""

log = logging.getLogger(__name__)


class Exits:
    """Ends connections, holds places, and has members leave."""

    def __init__(self, parts: Parts) -> None:
        self._room = parts.room
        self._words = parts.words
        self._timeline = parts.timeline
        self._broadcast = parts.broadcast
        self._greeted = parts.greeted
        self._places = parts.places
        self._former = parts.former
        self._leaving = parts.leaving

    # Members.

    def hold_place(self, recipient: Recipient, member: Member) -> None:
        """Keep the place of a member whose link is broken."""
        log.info(self._words.log_lost_link.format(address=recipient, name=member.name))
        self._drop(recipient)
        self._places.hold(member)

    def supersede(self, member: Member) -> None:
        """Close the connection of a member that came back over another one, unless that is known to be broken."""
        if (recipient := member.recipient) is None or member.state is not MemberState.PRESENT:
            return
        recipient.end_because(self._words.why_superseded)
        if recipient.kind is Web:  # a page that comes back by itself would take the member away again, and so on
            self._broadcast.tell(recipient, Error(Reason.SUPERSEDED.value))
            self._start_leaving(recipient, FLUSH_S)
        else:
            self._drop(recipient)

    def leave(self, member: Member, reason: Reason | None = None) -> None:
        """Have a member leave: its name is free, and the room is told."""
        self._places.give_up(member)
        member.state = MemberState.GONE
        self._room.release(member)
        why = reason.value if reason else None
        left = protocol.Left(self._timeline.next_id(), self._timeline.now, member.name, why)
        is_final = reason is Reason.KICKED
        if not is_final:
            self._former.add(FormerMember(member.name, member.token_key, member.first_id, member.last_nonce))
        # Of one that an earlier server had and that never came back, the record proves no more than that server's end.
        last_id = left.id if member.recipient is not None else self._timeline.recorded_before
        self._timeline.note_departure(Departure(member, last_id, is_final))
        self._broadcast.tell_room(left)

    # Connections.

    def dismiss(self, recipient: Recipient) -> None:
        """Have a connection leave, and its member with it; it may read the rest."""
        if recipient.has_left:
            return
        leaves = recipient.member if recipient.speaks else None
        self._broadcast.hear(recipient)
        self._start_leaving(recipient, FLUSH_S)
        if leaves is not None:
            self.leave(leaves, recipient.why_left)

    def tell_and_dismiss(self, recipient: Recipient, event: Event) -> None:
        """Have a connection leave, which is told why before its `{end_conn}`."""
        self._broadcast.tell(recipient, event)
        self._broadcast.tell_last(recipient, EndConn())
        self.dismiss(recipient)

    def expel(self, recipient: Recipient, reason: Reason, detail: str | None) -> None:
        """Close a connection because the operator wants it, and tell its client why."""
        if recipient.has_left:
            return
        recipient.end_because(self.why_expelled(reason, detail))
        if recipient.answers_itself:  # a browser's next request is told why
            self._drop(recipient)
            return
        recipient.why_left = Reason.KICKED  # also where its link has broken just before
        self._broadcast.make_way(recipient)
        self.tell_and_dismiss(recipient, Error(reason.value, detail=detail))

    def why_expelled(self, reason: Reason, detail: str | None) -> str:
        """Return what the log says of a client that the operator sends away."""
        why = self._words.why_banned if reason is Reason.BANNED else self._words.why_kicked
        return f"{why}: {detail}" if detail else why

    # Those whose time is over.

    def end_overdue(self, now: float) -> None:
        """Have those leave that did not come back, or did not choose a name, in time; `now` is monotonic."""
        for member in self._places.overdue(now):
            log.info(self._words.log_left.format(who=member.name, why=self._words.why_not_back))
            self.leave(member)
        while (recipient := self._greeted.overdue(now)) is not None:
            recipient.end_because(self._words.why_no_name)
            self.tell_and_dismiss(recipient, Refused(Reason.TOO_LATE.value))

    def let_slow_ones_go(self) -> None:
        """Have those leave that read too slowly, each with its sentence."""
        slow, self._broadcast.too_slow = self._broadcast.too_slow, []
        for recipient in slow:
            if recipient.has_left:  # sent away meanwhile, and told why
                continue
            self.tell_and_dismiss(recipient, Error(Reason.TOO_SLOW.value))

    def close_room(self) -> None:
        """Tell everybody that the server closes, whatever dialect it speaks, and close it."""
        self._broadcast.send_now()
        new = [connection.recipient for connection in self._room.connections()]
        new = [recipient for recipient in new if recipient.state is ConnectionState.NEW]
        everybody = [*self._greeted, *new]
        for recipient in everybody:
            if not recipient.answers_itself:
                self._broadcast.tell_last(recipient, EndConn())
        members = self._room.members()
        for member in members:
            self._places.give_up(member)
            member.state = MemberState.GONE
            self._room.release(member)
        self._leaving.close_all(everybody, FLUSH_S, self._words.why_server_stops)
        self._timeline.close(members)

    # Steps of these.

    def _drop(self, recipient: Recipient) -> None:
        """Have a connection leave at once, whose member stays."""
        self._broadcast.forget(recipient)
        self._start_leaving(recipient, 0.0)

    def _start_leaving(self, recipient: Recipient, flush_s: float) -> None:
        self._greeted.remove(recipient)
        self._broadcast.remove(recipient)
        self._leaving.add(recipient, flush_s)
