"""Who is in the room, and over which connection, as the delivery thread sees it: it owns everything here.

docs/ARCHITECTURE.md has a picture of both states and of the verbs that change them: most are in `entrance` and `exits`.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from lan_chat.server.mailbox import Mailbox
from lan_chat.server.outbox import Outbox
from lan_chat.sockets import Address, address_label
from protocol import Bare, Dialect, Reason


class ConnectionState(Enum):
    """How far a connection has come."""

    NEW = "new"
    """Accepted, and not greeted yet."""
    CHOOSING = "choosing"
    """Greeted, and without a name."""
    MEMBER = "member"
    """It hears the room."""
    BROKEN = "broken"
    """It cannot be written to any more; what was said before still counts, until its thread has met the end."""
    LEAVING = "leaving"
    """Nothing that it says counts any more; it may read the rest until a deadline."""
    CLOSED = "closed"
    """The delivery thread is done with it; its own thread closes the socket."""


class MemberState(Enum):
    """How far a member has come."""

    PRESENT = "present"
    """It hears the room over a connection, or that has just broken."""
    AWAY = "away"
    """Its link is broken, and its place held, until a deadline."""
    GONE = "gone"
    """It has left, and its name is free."""


class Recipient:
    """One connection, as the delivery thread has it: it writes there, and decides what becomes of it."""

    def __init__(
        self, address: Address, number: int, outbox: Outbox, mailbox: Mailbox, cut: Callable[[], object]
    ) -> None:
        self.address = address
        self.number = number
        """A later connection has a larger one."""
        self.outbox = outbox
        self.mailbox = mailbox
        self.cut = cut
        """Wakes the connection's thread out of `recv`."""
        self.state = ConnectionState.NEW
        self.kind: type[Dialect] = Bare
        self.member: Member | None = None
        """The member that speaks here; one that has another connection by now speaks here no more."""
        self.token = ""
        self.is_read = True
        """Whether its own thread may still be reading."""
        self.seen = 0
        """How much of the batch that goes to everybody it was sent ahead of the others."""
        self.heard_in_turn = -math.inf
        """In which turn of the delivery thread something of it was last dealt with, as `work` counts them."""
        self.deadline = 0.0
        """Until when it may choose a name, or read the rest; on the monotonic clock."""
        self.is_settled = False
        """Whether it has said what shows its dialect."""
        self.is_shut_down = False
        """Whether our side is closed, and the other may read the rest."""
        self.told_muting: tuple[int, int] | None = None
        """The last muting that this client was told of, as `Room.muting_of` returns it."""
        self.refused: set[Reason] = set()
        """Why something that it said was refused, as far as the log has it."""
        self.why = ""
        """Why this connection ends, for the log: the first reason that was known."""
        self.why_left: Reason | None = None
        """Why its member leaves, for the room, where that was not the member's own wish."""

    def __str__(self) -> str:
        return address_label(self.address)

    @property
    def speaks(self) -> bool:
        """Whether a member speaks over this connection."""
        is_in = self.state is ConnectionState.MEMBER or self.state is ConnectionState.BROKEN
        return is_in and self.member is not None and self.member.recipient is self

    @property
    def has_left(self) -> bool:
        """Whether nothing that its client says counts any more."""
        return self.state is ConnectionState.LEAVING or self.state is ConnectionState.CLOSED

    @property
    def answers_itself(self) -> bool:
        """Whether its own thread is sending an answer, and no other may write between."""
        return self.state is ConnectionState.NEW and self.mailbox.is_request

    def forget_connection(self) -> None:
        """Keep nothing of the connection, when that is closed: a member that is away keeps this until it comes back."""
        self.cut = lambda: None
        self.mailbox.forget_connection()

    def end_because(self, why: str, why_left: Reason | None = None) -> None:
        """Note why this connection ends, unless a reason is known already."""
        if not self.why:
            self.why, self.why_left = why, why_left


class Member:
    """A name in the room. It outlives a connection that breaks, and goes on over the one that resumes it."""

    def __init__(self, name: str, token_key: bytes, recipient: Recipient | None = None) -> None:
        self.name = name
        self.token_key = token_key
        self.recipient = recipient
        """Its connection, or the last that it had; None where it had that on an earlier server."""
        self.state = MemberState.PRESENT
        self.joined_at = time.time()
        self.joined_id = self.first_id = 0
        """The `id`s of its joining, and of the first where it had left and has come back since."""
        self.replay_from = 0
        """The `id` after which it has a right to every event: before it came, except for what it was shown."""
        self.last_nonce = -1
        self.said = 0
        self.is_muted = False
        self.mutings = 0
        self.told_standing: str | None = None
        """What it was last told of whether it may write, as a `Notice`; None where it was never told."""
        self.deadline = 0.0
        """Until when it may come back; on the monotonic clock."""
        self.grace_left_s = math.inf
        """What was left of the time to come back when it did."""
        self.linked_at = time.monotonic()
        """Since when it has its connection."""

    def has_later_link_than(self, recipient: Recipient) -> bool:
        """Return whether the member's connection is newer than this one, whose messages then came late."""
        return self.recipient is not None and self.recipient.number > recipient.number


@dataclass(frozen=True)
class FormerMember:
    """A membership that has ended, and that whoever has its token may take up again."""

    name: str
    token_key: bytes
    first_id: int
    """The `id` of its first joining."""
    last_nonce: int


def token_key(token: str) -> bytes:
    """Return what the server keeps of a token: a thief of its memory or its file cannot come back as anybody."""
    return hashlib.sha256(token.encode()).digest()
