"""The delivery thread: it alone decides what happens in the room, and in which order, and it alone writes to clients.

What the clients said comes in their mailboxes, what the operator wants as calls, both through one queue. Each turn of
the thread takes all that waits, decides it, numbers and records it, and sends it to everybody in one batch.
"""

from __future__ import annotations

import itertools
import logging
import queue
import socket
import threading
import time
from collections.abc import Callable

import protocol
from lan_chat.server.broadcast import REPLAY_EVENTS, Broadcast
from lan_chat.server.connection import Connected, Ended, NameProposed, Settled, Strange, TelnetAnswer, TurnAway
from lan_chat.server.former_members import FormerMembers
from lan_chat.server.heartbeats import Heartbeats
from lan_chat.server.history import Departure, event_time
from lan_chat.server.hosts import Hosts
from lan_chat.server.leaving import TICK_S, Leaving
from lan_chat.server.membership import ConnectionState, FormerMember, Member, MemberState, Recipient
from lan_chat.server.options import Options
from lan_chat.server.places import Places
from lan_chat.server.room import Room
from lan_chat.server.timeline import Timeline
from lan_chat.server.turned_away import Doorstep, refuse_stranger
from lan_chat.server.words import ServerWords
from lan_chat.server.work import Collector, Result, Work, call
from lan_chat.sockets import Address
from protocol import (
    Bare,
    EndConn,
    Error,
    Event,
    Events,
    Fault,
    Join,
    Notice,
    Quit,
    Reason,
    Refused,
    Resume,
    Say,
    Stranger,
    Web,
    Welcome,
)

NAME_S = 300.0
"""How long a client may take to choose a name."""
SILENT_S = 30.0
"""How long a client in a full room must have said nothing before another one may take its place."""
GATHER_SHARE = 3.0
"""How long after a turn the thread may wait for as many clients again, as a share of what the turn took."""
MAX_GATHER_S = 0.005
FLUSH_S = 1.0
"""How long a client that leaves, or is told that the server stops, may take to read the rest."""

log = logging.getLogger(__name__)


class Delivery:
    """The thread that decides and writes. Public methods are for any thread, except where it says otherwise."""

    def __init__(
        self,
        room: Room,
        hosts: Hosts,
        timeline: Timeline,
        options: Options,
        words: ServerWords,
        notice: Notice | None,
    ) -> None:
        self._room = room
        self._hosts = hosts
        self._timeline = timeline
        self._options = options
        self._words = words
        self._broadcast = Broadcast(timeline, words, notice)
        self._queue: queue.SimpleQueue[Work] = queue.SimpleQueue()
        """Connections whose mailbox has something, each at most once, and calls."""
        self._thread = threading.Thread(target=self._run, name="delivery", daemon=True)
        self._handlers: dict[type[Event], Callable[..., None]] = {
            Connected: self._greet,
            Settled: self._settle,
            Strange: self._send_away,
            TurnAway: self._turn_away,
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
        # All that follows belongs to the delivery thread.
        self._collector = Collector(self._queue)
        self._greeted: dict[Recipient, None] = {}
        """The connections that were greeted and have not left; a dict for its order."""
        self._choosing: dict[Recipient, None] = {}
        """The connections that have no name yet; the first to run out of time is first."""
        self._places = Places(options.grace_s, hosts, words, grace_web_s=options.grace_web_s)
        self._former = FormerMembers(timeline.former, is_recorded=timeline.path is not None)
        self._leaving = Leaving(self._broadcast)
        self._heartbeats = Heartbeats(self._broadcast)
        self._doorstep = Doorstep(options.code_key is not None)
        self._is_over = False
        self._now = event_time()
        """The time of this turn, in seconds since the epoch."""
        for member in room.members():  # who was here when the server ended without a goodbye
            self._places.hold(member)
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
        wait_s = self._options.greeting_wait_s
        self._queue.put(lambda: self._doorstep.add(sock, address, sentence, wait_s))

    # What the operator does. Delivery thread only: through `call`.

    def announce(self, text: str) -> None:
        """Say something to the room as the operator."""
        self._broadcast.tell_room(protocol.Announcement(self._timeline.next_id(), self._now, text))

    def kick(self, member: Member, reason: Reason = Reason.KICKED, detail: str | None = None) -> None:
        """Have a member leave, and tell it why."""
        self._former.discard(member.token_key)
        self._room.revoke(member, Error(reason.value, detail=detail) if reason is Reason.KICKED else None)
        recipient = member.recipient
        if recipient is not None:
            self._carry_out_all(recipient)  # what was said before counts, and whether the link is broken
        if member.state is MemberState.AWAY or (recipient and recipient.state is ConnectionState.BROKEN):
            log.info(self._words.log_left.format(who=member.name, why=self._why_expelled(reason, detail)))
        if member.state is MemberState.AWAY:
            self._leave(member, Reason.KICKED)
        elif recipient is not None:
            self._expel(recipient, reason, detail)

    def ban(self, what: str, detail: str | None = None) -> None:
        """Keep out a name, an address or a network, and disconnect the clients that it is about."""
        members, others = self._room.ban(what, detail or "")
        self._timeline.forget(self._former.forget_name(protocol.name_key(what)))
        for member in members:
            self.kick(member, Reason.BANNED, detail)
        for recipient in others:
            self._expel(recipient, Reason.BANNED, detail)
        log.info(self._words.log_banned.format(what=what))

    def tell_standing(self, member: Member, is_back: bool = False) -> None:
        """Tell a member whether it may write, if that has changed; if it is back, also what it may have missed."""
        standing, recipient = self._room.standing_of(member), member.recipient
        is_known = standing == (member.told_standing or protocol.MAY_WRITE) and not (is_back and member.told_standing)
        if not is_known and recipient is not None and recipient.state is ConnectionState.MEMBER:
            member.told_standing = standing
            self._broadcast.tell(recipient, Notice(standing))

    def _why_expelled(self, reason: Reason, detail: str | None) -> str:
        why = self._words.why_banned if reason is Reason.BANNED else self._words.why_kicked
        return f"{why}: {detail}" if detail else why

    def _expel(self, recipient: Recipient, reason: Reason = Reason.KICKED, detail: str | None = None) -> None:
        """Close a connection, and tell its client why."""
        self._carry_out_all(recipient)  # what was said before counts
        if recipient.state in (ConnectionState.LEAVING, ConnectionState.CLOSED):
            return
        recipient.end_because(self._why_expelled(reason, detail))
        recipient.why_left = Reason.KICKED  # also where its link has broken just before
        self._broadcast.make_way(recipient)
        self._tell_and_dismiss(recipient, Error(reason.value, detail=detail))

    def make_room(self) -> bool:
        """Have the client leave that has been silent for the longest, and return whether there was one."""
        for recipient in self._choosing:
            if time.monotonic() < recipient.deadline - NAME_S + SILENT_S:
                break
            if not recipient.is_settled:
                self._turn_away(recipient, TurnAway())
                return True
        return False

    # The loop.

    def _run(self) -> None:
        took_s = 0.0
        while True:
            work = self._collector.collect(min(MAX_GATHER_S, GATHER_SHARE * took_s), self._limit_s())
            started, began = time.perf_counter(), time.monotonic()
            self._now = event_time()
            for item in work:
                if isinstance(item, Recipient):
                    self._carry_out_all(item)
                else:
                    self._attempt(item)
                if self._is_over:
                    return  # what has come since then finds a room that is closed
            self._attempt(self._look_at_the_time, began)
            self._attempt(self._broadcast.send, started)
            self._attempt(self._broadcast.catch_up)
            self._attempt(self._let_slow_ones_go)
            self._attempt(self._doorstep.proceed)
            self._attempt(self._leaving.proceed)
            self._attempt(self._heartbeats.proceed)
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
        waits_s = [TICK_S] if self._leaving or self._doorstep else []
        if self._broadcast.tick_s is not None:
            waits_s.append(self._broadcast.tick_s)
        if waits_s:
            return min(waits_s)
        deadlines = [recipient.deadline for recipient in itertools.islice(self._choosing, 1)]
        deadlines += [at for at in (self._places.next_deadline, self._heartbeats.next_at) if at is not None]
        return max(TICK_S, min(deadlines) - time.monotonic()) if deadlines else None

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

    def _look_at_the_time(self, now: float) -> None:
        """Have those leave that did not come back, or did not choose a name, in time.

        `now` is when this turn began: what was said until then has been heard, however long it took.
        """
        for member in self._places.overdue(now):
            log.info(self._words.log_left.format(who=member.name, why=self._words.why_not_back))
            self._leave(member)
        while self._choosing and (recipient := next(iter(self._choosing))).deadline <= now:
            recipient.end_because(self._words.why_no_name)
            self._tell_and_dismiss(recipient, Refused(Reason.TOO_LATE.value))

    # What a client said.

    def _greet(self, recipient: Recipient, connected: Connected) -> None:
        if recipient.state is not ConnectionState.NEW:  # it was banned meanwhile
            return
        recipient.state = ConnectionState.CHOOSING
        recipient.deadline = time.monotonic() + NAME_S
        self._greeted[recipient] = self._choosing[recipient] = None
        if connected.kind is None:
            self._broadcast.tell(recipient, protocol.Greeting())
        else:
            recipient.kind, recipient.is_settled = connected.kind, True
            self._broadcast.answer(recipient, connected.greeting)

    def _settle(self, recipient: Recipient, settled: Settled) -> None:
        recipient.kind, recipient.is_settled = settled.kind, True
        recipient.outbox.is_paced = settled.kind is Bare
        if issubclass(settled.kind, protocol.Lines) and recipient.state is ConnectionState.CHOOSING:
            self._broadcast.tell(recipient, protocol.LineEnd())

    def _answer_telnet(self, recipient: Recipient, answer: TelnetAnswer) -> None:
        if recipient.state in (ConnectionState.CHOOSING, ConnectionState.MEMBER):
            self._broadcast.answer(recipient, answer.data)

    def _send_away(self, recipient: Recipient, strange: Strange) -> None:
        """Answer a client of another protocol in that, unless it was greeted and knows by now where it is."""
        stranger, is_greeted = strange.stranger, recipient.state is ConnectionState.CHOOSING
        kind = self._words.other_protocol if stranger is Stranger.OTHER else stranger.value
        log.info(self._words.log_stranger.format(address=recipient, kind=kind))
        recipient.end_because(self._words.why_stranger)
        if not is_greeted or stranger is Stranger.OTHER:
            has_code = self._options.code_key is not None
            refusal = refuse_stranger(stranger, self._words, is_full=strange.is_full, has_code=has_code)
            self._broadcast.answer(recipient, refusal)
        self._dismiss(recipient)

    def _turn_away(self, recipient: Recipient, turned_away: TurnAway) -> None:
        """Have a client leave that found no place, or has lost it, or has not the code."""
        is_full = turned_away.reason is Reason.FULL
        if is_full:
            log.warning(self._words.log_turned_away_full.format(address=recipient))
        recipient.end_because(self._words.why_no_place if is_full else self._words.why_no_code)
        self._tell_and_dismiss(recipient, Refused(turned_away.reason.value))

    def _take_proposal(self, recipient: Recipient, proposed: NameProposed | Resume) -> None:
        """Let a client in, as who it was or under a name; where it has one, what it said may be a message."""
        try:
            if isinstance(proposed, Resume):
                self._decide_resume(recipient, proposed)
            else:
                self._decide(recipient, proposed)
        finally:
            recipient.mailbox.note_decided()

    def _decide(self, recipient: Recipient, proposed: NameProposed) -> None:
        said = proposed.said
        if isinstance(said, Say) and (self._speaks(recipient) or issubclass(recipient.kind, Events)):
            self._take_say(recipient, said)
        elif self._speaks(recipient):
            self._refuse(recipient, Fault(Reason.ALREADY_JOINED))
        elif recipient.state is ConnectionState.CHOOSING:
            token = said.token if isinstance(said, Join) else None
            last = self._last_seen(said)
            member = self._room.member_with(token)
            if member is not None and not self._is_late(recipient, member):
                if member.name == proposed.name:  # a link broke before it heard that it was let in
                    self._resume(recipient, member, last or 0, token)
                    return
                if recipient.kind is Web:  # a link broke before its goodbye came; a page has one token
                    log.info(self._words.log_left.format(who=member.name, why=self._words.why_quit))
                    self._supersede(member)
                    self._leave(member)
            former = self._former.find(token) if last is not None else None
            admitted = self._room.admit(proposed.name, proposed.key, token, recipient)
            if isinstance(admitted, Reason):
                why = self._words.why_refused(admitted)
                log.info(self._words.log_name_refused.format(address=recipient, why=why))
                self._broadcast.tell(recipient, Refused(admitted.value))
            else:
                self._former.discard(admitted.token_key)
                self._admit(recipient, admitted, former, last or 0)

    def _last_seen(self, said: Say | Join | Resume) -> int | None:
        """Return the last event of this room that a client has seen, 0 for none; None if it was not here before."""
        if isinstance(said, Say) or said.room not in (None, self._timeline.room_id):
            return None
        return said.last

    def _take_join(self, recipient: Recipient, _: Join) -> None:
        """Refuse a name to a client that has one; without one it comes as a `NameProposed`."""
        self._refuse(recipient, Fault(Reason.ALREADY_JOINED))

    def _decide_resume(self, recipient: Recipient, resume: Resume) -> None:
        if self._speaks(recipient):
            self._refuse(recipient, Fault(Reason.ALREADY_JOINED))
            return
        if recipient.state is not ConnectionState.CHOOSING:
            return
        member = self._room.member_with(resume.token)
        if member is None:
            self._hosts.ask(recipient.address[0])
            log.info(self._words.log_token_refused.format(address=recipient))
            if error := self._room.why_not_back(resume.token):
                recipient.end_because(self._words.why_kicked)
                self._tell_and_dismiss(recipient, error)
            else:
                self._broadcast.tell(recipient, Refused(Reason.UNKNOWN_TOKEN.value))
        elif self._is_late(recipient, member):
            recipient.end_because(self._words.why_superseded)
            self._dismiss(recipient)
        else:
            self._resume(recipient, member, self._last_seen(resume) or 0, resume.token)

    def _take_say(self, recipient: Recipient, say: Say) -> None:
        member = recipient.member
        if member is None or not self._speaks(recipient):
            if recipient.state is ConnectionState.CHOOSING:
                self._refuse(recipient, Fault(Reason.NOT_JOINED, say.nonce))
            return
        muting = self._room.muting_of(member)
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
        number = self._timeline.next_id()
        self._broadcast.tell_room(protocol.Message(number, self._now, member.name, say.text, say.nonce))

    def _refuse(self, recipient: Recipient, fault: Fault) -> None:
        """Answer to something that is not accepted; the log has each reason once for each connection."""
        if recipient.state not in (ConnectionState.CHOOSING, ConnectionState.MEMBER):
            return
        if fault.reason not in recipient.refused:
            recipient.refused.add(fault.reason)
            why = self._words.why_refused(fault.reason)
            log.info(self._words.log_message_refused.format(address=recipient, why=why))
        self._broadcast.tell(recipient, fault.answer())

    def _take_quit(self, recipient: Recipient, goodbye: Quit | EndConn) -> None:
        recipient.end_because(self._words.why_quit)
        closes_itself = isinstance(goodbye, Quit) and not goodbye.waits
        if not closes_itself and not issubclass(recipient.kind, Events):
            self._broadcast.tell_last(recipient, EndConn())
        self._dismiss(recipient)

    def _take_end(self, recipient: Recipient, ended: Ended) -> None:
        """Hold the place of a member whose link broke; have any other leave."""
        recipient.is_read = False
        recipient.end_because(ended.why)
        member = recipient.member
        may_come_back = self._speaks(recipient) and issubclass(recipient.kind, Events) and not recipient.why_left
        if member is not None and may_come_back and self._places.has_one_for(member):
            self._hold_place(recipient, member)
        else:
            if ended.is_failure and recipient.state in (ConnectionState.CHOOSING, ConnectionState.MEMBER):
                self._broadcast.tell_last(recipient, EndConn())
            self._dismiss(recipient)

    # The states of a connection and of a member: one verb for each transition.

    def _speaks(self, recipient: Recipient) -> bool:
        """Return whether a member speaks over this connection."""
        member, state = recipient.member, recipient.state
        is_in = state is ConnectionState.MEMBER or state is ConnectionState.BROKEN
        return is_in and member is not None and member.recipient is recipient

    @staticmethod
    def _is_late(recipient: Recipient, member: Member) -> bool:
        """Return whether a connection is older than the one that the member has: what it says was held up."""
        return member.recipient is not None and member.recipient.number > recipient.number

    def _admit(self, recipient: Recipient, member: Member, former: FormerMember | None, seen: int) -> None:
        """Let a client in, and show it what was said before: to one that was here before, all that it has missed."""
        log.info(self._words.log_joined.format(address=recipient, name=member.name))
        if former is not None:
            self._take_up(recipient, member, former, seen)
            return
        backlog = self._timeline.backlog(self._options.backlog if recipient.kind is not Bare else 0)
        last = self._timeline.last_id
        member.replay_from = backlog[0].id - 1 if backlog else last
        member.joined_id = member.first_id = self._timeline.next_id()
        heard = self._broadcast.batch_size
        self._broadcast.tell_room(protocol.Joined(member.joined_id, self._now, member.name))
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
        member.joined_id = self._timeline.next_id()
        self._broadcast.tell_room(protocol.Joined(member.joined_id, self._now, member.name))
        self._timeline.note_arrival(member)
        self._show_missed(recipient, member, min(seen, member.replay_from), is_new=True)

    def _resume(self, recipient: Recipient, member: Member, last: int, token: str | None) -> None:
        """Let a member hear the room over another connection, after all that it has missed."""
        self._supersede(member)
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
        self._choosing.pop(recipient, None)
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

    def _supersede(self, member: Member) -> None:
        """Close the connection of a member that came back over another one, unless that is known to be broken."""
        if (recipient := member.recipient) is None or member.state is not MemberState.PRESENT:
            return
        recipient.end_because(self._words.why_superseded)
        if recipient.kind is Web:  # a page that comes back by itself would take the member away again, and so on
            self._broadcast.tell(recipient, Error(Reason.SUPERSEDED.value))
            self._start_leaving(recipient, FLUSH_S)
        else:
            self._drop(recipient)

    def _hold_place(self, recipient: Recipient, member: Member) -> None:
        """Keep the place of a member whose link is broken."""
        log.info(self._words.log_lost_link.format(address=recipient, name=member.name))
        self._drop(recipient)
        self._places.hold(member)

    def _leave(self, member: Member, reason: Reason | None = None) -> None:
        """Have a member leave: its name is free, and the room is told."""
        self._places.give_up(member)
        member.state = MemberState.GONE
        self._room.release(member)
        left = protocol.Left(self._timeline.next_id(), self._now, member.name, reason.value if reason else None)
        is_final = reason is Reason.KICKED
        if not is_final:
            self._former.add(FormerMember(member.name, member.token_key, member.first_id, member.last_nonce))
        # Of one that an earlier server had and that never came back, the record proves no more than that server's end.
        last_id = left.id if member.recipient is not None else self._timeline.recorded_before
        self._timeline.note_departure(Departure(member, last_id, is_final))
        self._broadcast.tell_room(left)

    def _tell_and_dismiss(self, recipient: Recipient, event: Event) -> None:
        """Have a connection leave, which is told why before its `{end_conn}`."""
        self._broadcast.tell(recipient, event)
        self._broadcast.tell_last(recipient, EndConn())
        self._dismiss(recipient)

    def _dismiss(self, recipient: Recipient) -> None:
        """Have a connection leave, and its member with it; it may read the rest."""
        if recipient.state in (ConnectionState.LEAVING, ConnectionState.CLOSED):
            return
        leaves = recipient.member if self._speaks(recipient) else None
        self._broadcast.hear(recipient)
        self._start_leaving(recipient, FLUSH_S)
        if leaves is not None:
            self._leave(leaves, recipient.why_left)

    def _drop(self, recipient: Recipient) -> None:
        """Have a connection leave at once, whose member stays."""
        self._broadcast.forget(recipient)
        self._start_leaving(recipient, 0.0)

    def _start_leaving(self, recipient: Recipient, flush_s: float) -> None:
        self._greeted.pop(recipient, None)
        self._choosing.pop(recipient, None)
        self._broadcast.remove(recipient)
        self._leaving.add(recipient, flush_s)

    def _let_slow_ones_go(self) -> None:
        """Have those leave that read too slowly, each with its sentence."""
        slow, self._broadcast.too_slow = self._broadcast.too_slow, []
        for recipient in slow:
            self._tell_and_dismiss(recipient, Error(Reason.TOO_SLOW.value))

    # The end.

    def _close_room(self) -> None:
        """Tell everybody that the server closes, whatever dialect it speaks, and close it."""
        self._is_over = True
        self._broadcast.send_now()
        new = [connection.recipient for connection in self._room.connections()]
        new = [recipient for recipient in new if recipient.state is ConnectionState.NEW]
        for recipient in (*self._greeted, *new):
            self._broadcast.tell_last(recipient, EndConn())
        members = self._room.members()
        for member in members:
            self._places.give_up(member)
            member.state = MemberState.GONE
            self._room.release(member)
        self._choosing.clear()
        self._leaving.close_all([*self._greeted, *new], FLUSH_S, self._words.why_server_stops)
        self._timeline.close(members)
        self._doorstep.close()
