"""The delivery thread: it alone decides what happens in the room, and in which order, and it alone writes to clients.

What the clients said comes in their mailboxes, what the operator wants as calls, both through one queue. Each turn of
the thread takes all that waits, decides it, numbers and records it, and sends it to everybody in one batch.

Who comes in is decided in `entrance`, who goes in `exits`; here are the loop, what members say, and the operator.
"""

from __future__ import annotations

import logging
import queue
import socket
import threading
import time
from collections.abc import Callable

import protocol
from lan_chat.server.broadcast import Broadcast
from lan_chat.server.entrance import Entrance
from lan_chat.server.exits import Exits
from lan_chat.server.former_members import FormerMembers
from lan_chat.server.greeted import Greeted
from lan_chat.server.heartbeats import Heartbeats
from lan_chat.server.hosts import Hosts
from lan_chat.server.leaving import TICK_S, Leaving
from lan_chat.server.mail import Connected, Ended, NameProposed, Settled, Strange, TelnetAnswer, TurnAway
from lan_chat.server.membership import ConnectionState, Member, MemberState, Recipient
from lan_chat.server.options import Options
from lan_chat.server.parts import Parts
from lan_chat.server.places import Places
from lan_chat.server.room import Room
from lan_chat.server.timeline import Timeline
from lan_chat.server.turned_away import Doorstep
from lan_chat.server.words import ServerWords
from lan_chat.server.work import Collector, Result, Work, call
from lan_chat.sockets import Address
from protocol import EndConn, Error, Event, Events, Fault, Join, Notice, Quit, Reason, Resume, Say

GATHER_SHARE = 3.0
"""How long after a turn the thread may wait for as many clients again, as a share of what the turn took."""
MAX_GATHER_S = 0.005

log = logging.getLogger(__name__)


class Delivery:
    """The thread that decides and writes. Public methods are for any thread, except where it says otherwise."""

    def __init__(
        self,
        room: Room,
        hosts: Hosts,
        timeline: Timeline,
        *,
        options: Options,
        words: ServerWords,
        notice: Notice | None,
    ) -> None:
        self._words = words
        self._greeting_wait_s = options.greeting_wait_s
        self._queue: queue.SimpleQueue[Work] = queue.SimpleQueue()
        """Connections whose mailbox has something, each at most once, and calls."""
        self._thread = threading.Thread(target=self._run, name="delivery", daemon=True)
        # All that follows belongs to the delivery thread.
        self._collector = Collector(self._queue)
        self._doorstep = Doorstep(options.code_key is not None)
        broadcast = Broadcast(timeline, words, notice)
        self._parts = parts = Parts(
            room=room,
            hosts=hosts,
            options=options,
            words=words,
            timeline=timeline,
            broadcast=broadcast,
            greeted=Greeted(),
            places=Places(options.grace_s, hosts, words, grace_web_s=options.grace_web_s),
            former=FormerMembers(timeline.former, is_recorded=timeline.path is not None),
            leaving=Leaving(broadcast),
            heartbeats=Heartbeats(broadcast),
        )
        self._broadcast = broadcast
        self._exits = Exits(parts)
        self._entrance = Entrance(parts, self._exits)
        self._is_over = False
        self._handlers: dict[type[Event], Callable[..., None]] = {
            Connected: self._entrance.greet,
            Settled: self._entrance.settle,
            Strange: self._entrance.send_away,
            TurnAway: self._entrance.turn_away,
            NameProposed: self._take_proposal,
            Resume: self._take_proposal,
            Join: self._take_join,
            Say: self._take_say,
            TelnetAnswer: self._answer_telnet,
            Fault: self._refuse,
            Quit: self._take_quit,
            EndConn: self._take_quit,
            Ended: self._take_end,
        }
        """What is done with each event that a client's thread hands over; all others mean nothing to a server."""
        for member in room.members():  # who was here when the server ended without a goodbye
            parts.places.hold(member)
        if timeline.is_end_doubtful:
            self.announce(words.record_lacks_its_end)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Tell everybody `{end_conn}`, after all that was said, and end the thread."""
        self._queue.put(self._close_room)
        self._thread.join(timeout_s)

    def note_mail(self, recipient: Recipient) -> None:
        """Note that a mailbox has something."""
        self._queue.put(recipient)

    def call(self, action: Callable[[], Result]) -> Result:
        """Do something in the delivery thread, and return its result, or raise what it raised.

        Raises RuntimeError where that thread has ended.
        """
        return call(self._queue, self._thread, action)

    def turn_away(self, sock: socket.socket, address: Address, sentence: str) -> None:
        """Turn a connection away that has no thread, and close it."""
        self._queue.put(lambda: self._doorstep.add(sock, address, sentence, self._greeting_wait_s))

    # What the operator does, and what a full room needs. Delivery thread only: through `call`.

    def announce(self, text: str) -> None:
        """Say something to the room as the operator."""
        timeline = self._parts.timeline
        self._broadcast.tell_room(protocol.Announcement(timeline.next_id(), timeline.now, text))

    def kick(self, member: Member, reason: Reason = Reason.KICKED, detail: str | None = None) -> None:
        """Have a member leave, and tell it why."""
        recipient = member.recipient
        if recipient is not None:
            self._carry_out_all(recipient)  # what was said before counts, and whether the link is broken
        self._parts.room.revoke(member, Error(reason.value, detail=detail) if reason is Reason.KICKED else None)
        if member.state is MemberState.GONE:  # it said goodbye just before, and may not take that up again
            self._parts.former.discard(member.token_key)
            self._parts.timeline.forget([member.token_key])
        if member.state is MemberState.AWAY or (recipient and recipient.state is ConnectionState.BROKEN):
            why = self._exits.why_expelled(reason, detail)
            log.info(self._words.log_left.format(who=member.name, why=why))
        if member.state is MemberState.AWAY:
            self._exits.leave(member, Reason.KICKED)
        elif recipient is not None:  # what has come into its mailbox since then does not count
            self._exits.expel(recipient, reason, detail)

    def ban(self, what: str, detail: str | None = None) -> None:
        """Keep out a name, an address or a network, and disconnect the clients that it is about."""
        members, others = self._parts.room.ban(what, detail or "")
        self._parts.timeline.forget(self._parts.former.forget_name(protocol.name_key(what)))
        for member in members:
            self.kick(member, Reason.BANNED, detail)
        for recipient in others:
            self._expel(recipient, Reason.BANNED, detail)
        log.info(self._words.log_banned.format(what=what))

    def leave(self, token: str) -> bool:
        """Have the member with this token leave, as it wishes; return whether there was one."""
        member = self._parts.room.member_with(token)
        if member is None:
            return False
        recipient = member.recipient
        if recipient is not None:
            self._carry_out_all(recipient)  # what was said before counts
        if member.state is MemberState.AWAY:
            log.info(self._words.log_left.format(who=member.name, why=self._words.why_quit))
            self._exits.leave(member)
        elif recipient is not None:
            recipient.end_because(self._words.why_quit)
            self._exits.dismiss(recipient)
        return True

    def tell_standing(self, member: Member) -> None:
        """Tell a member whether it may write, if that has changed."""
        self._entrance.tell_standing(member)

    def make_room(self) -> bool:
        """Have the client leave that has been silent for the longest, and return whether there was one."""
        return self._entrance.make_room()

    def _expel(self, recipient: Recipient, reason: Reason = Reason.KICKED, detail: str | None = None) -> None:
        """Close a connection, and tell its client why."""
        self._carry_out_all(recipient)  # what was said before counts
        self._exits.expel(recipient, reason, detail)

    # The loop.

    def _run(self) -> None:
        parts, took_s = self._parts, 0.0
        while True:
            work = self._collector.collect(min(MAX_GATHER_S, GATHER_SHARE * took_s), self._limit_s())
            started, began = time.perf_counter(), time.monotonic()
            parts.timeline.begin_turn()
            for item in work:
                if isinstance(item, Recipient):
                    self._carry_out_all(item)
                else:
                    self._attempt(item)
                if self._is_over:
                    return  # what has come since then finds a room that is closed
            # What was said until the turn began has been heard, however long it took: it counts as in time.
            self._attempt(self._exits.end_overdue, began)
            self._attempt(self._broadcast.send, started)
            self._attempt(self._broadcast.catch_up)
            self._attempt(self._exits.let_slow_ones_go)
            self._attempt(self._doorstep.proceed)
            self._attempt(parts.leaving.proceed)
            self._attempt(parts.heartbeats.proceed)
            self._collector.note(work)
            took_s = time.perf_counter() - started

    def _attempt(self, step: Callable[..., object], *arguments: object) -> None:
        """Do one step; a failure of ours in it is logged, and ends neither the thread nor the other steps."""
        try:
            step(*arguments)
        except Exception:
            log.exception(self._words.log_failure.format(thread="delivery"))

    def _limit_s(self) -> float | None:
        """Return how long nothing will be due, in seconds; None for ever."""
        parts = self._parts
        times = (parts.greeted.next_deadline, parts.places.next_deadline, parts.heartbeats.next_at)
        now = time.monotonic()
        idles_s = [max(TICK_S, at - now) for at in times if at is not None]
        for idle_s in (self._broadcast.idle_s, parts.leaving.idle_s, self._doorstep.idle_s):
            if idle_s is not None:
                idles_s.append(idle_s)
        return min(idles_s, default=None)

    def _carry_out_all(self, recipient: Recipient) -> None:
        """Do what a client said; a failure of ours in one thing is logged, and the others are done."""
        for event in recipient.mailbox.take():
            handler = self._handlers.get(type(event))
            if handler is None or self._is_over:
                continue
            try:
                handler(recipient, event)
            except Exception:
                log.exception(self._words.log_failure.format(thread="delivery"))

    def _close_room(self) -> None:
        """Close the room, as the last thing that this thread does."""
        self._is_over = True
        self._exits.close_room()
        self._doorstep.close()

    # What a client said.

    def _take_proposal(self, recipient: Recipient, proposed: NameProposed | Resume) -> None:
        """Let a client in, as who it was or under a name; where it has one, what it said may be a message."""
        said = proposed.said if isinstance(proposed, NameProposed) else proposed
        try:
            if isinstance(said, Say) and (recipient.speaks or issubclass(recipient.kind, Events)):
                self._take_say(recipient, said)
            elif recipient.speaks:
                self._refuse(recipient, Fault(Reason.ALREADY_JOINED))
            elif recipient.state is ConnectionState.CHOOSING:
                if isinstance(proposed, NameProposed):
                    self._entrance.take_name(recipient, proposed)
                else:
                    self._entrance.take_token(recipient, proposed)
        finally:
            recipient.mailbox.note_decided()

    def _take_join(self, recipient: Recipient, _: Join) -> None:
        """Refuse a name to a client that has one; without one it comes as a `NameProposed`."""
        self._refuse(recipient, Fault(Reason.ALREADY_JOINED))

    def _take_say(self, recipient: Recipient, say: Say) -> None:
        member = recipient.member
        if member is None or not recipient.speaks:
            if recipient.state is ConnectionState.CHOOSING:
                self._refuse(recipient, Fault(Reason.NOT_JOINED, say.nonce))
            return
        muting = self._parts.room.muting_of(member)
        if muting is not None:
            is_told, recipient.told_muting = recipient.told_muting == muting, muting
            # Told once each time; a client that counts what it says is told always, and keeps the text.
            if say.nonce is not None or not is_told:
                self._refuse(recipient, Fault(Reason.MUTED, say.nonce))
            return
        member.said += 1
        if say.nonce is not None:
            if say.nonce <= member.last_nonce:  # said again, because nothing had confirmed it
                return
            member.last_nonce = say.nonce
        timeline = self._parts.timeline
        message = protocol.Message(timeline.next_id(), timeline.now, member.name, say.text, say.nonce)
        self._broadcast.tell_room(message)

    def _refuse(self, recipient: Recipient, fault: Fault) -> None:
        """Answer to something that is not accepted; the log has each reason once for each connection."""
        if recipient.state not in (ConnectionState.CHOOSING, ConnectionState.MEMBER):
            return
        if fault.reason not in recipient.refused:
            recipient.refused.add(fault.reason)
            why = self._words.why_refused(fault.reason)
            log.info(self._words.log_message_refused.format(address=recipient, why=why))
        self._broadcast.tell(recipient, fault.answer())

    def _answer_telnet(self, recipient: Recipient, answer: TelnetAnswer) -> None:
        if recipient.state in (ConnectionState.CHOOSING, ConnectionState.MEMBER):
            self._broadcast.answer(recipient, answer.data)

    def _take_quit(self, recipient: Recipient, goodbye: Quit | EndConn) -> None:
        if recipient.has_left:
            return
        recipient.end_because(self._words.why_quit)
        closes_itself = isinstance(goodbye, Quit) and not goodbye.waits
        if not closes_itself and not issubclass(recipient.kind, Events):
            self._broadcast.tell_last(recipient, EndConn())
        self._exits.dismiss(recipient)

    def _take_end(self, recipient: Recipient, ended: Ended) -> None:
        """Hold the place of a member whose link broke; have any other leave."""
        recipient.is_read = False
        recipient.end_because(ended.why)
        member = recipient.member
        may_come_back = recipient.speaks and issubclass(recipient.kind, Events) and not recipient.why_left
        if member is not None and may_come_back and self._parts.places.has_one_for(member):
            self._exits.hold_place(recipient, member)
        else:
            if ended.is_failure and recipient.state in (ConnectionState.CHOOSING, ConnectionState.MEMBER):
                self._broadcast.tell_last(recipient, EndConn())
            self._exits.dismiss(recipient)
