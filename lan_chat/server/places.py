"""The places that are held for members whose link broke, and until when. Delivery thread only."""

from __future__ import annotations

import heapq
import itertools
import logging
import time
from collections import Counter
from collections.abc import Iterator

from lan_chat.server.hosts import Hosts
from lan_chat.server.membership import Member, MemberState
from lan_chat.server.options import Options
from lan_chat.server.words import ServerWords
from protocol import Web

MAX_AWAY, MAX_AWAY_PER_HOST = 1000, 100
"""How many places the room holds at once, and for one address: coming and breaking off costs nothing."""
BRIEF_LINK_S, LONG_LINK_S = 10.0, 60.0
"""A link that breaks so soon does not add to the time to come back; one that lasted so long restores all of it."""
SPARE_ENTRIES = 100
"""How many entries that mean nothing may be kept beside one for each member that is away."""

Entry = tuple[float, int, Member]
"""A deadline on the monotonic clock, the number of this entry, and whose it is."""
log = logging.getLogger(__name__)


class Places:
    """Which members are away, and how long each may be."""

    def __init__(
        self, grace_s: float, hosts: Hosts, words: ServerWords, *, grace_web_s: float = Options.grace_web_s
    ) -> None:
        self._grace_s = grace_s
        self._grace_web_s = grace_web_s
        self._hosts = hosts
        self._words = words
        self._away: dict[Member, int] = {}
        """Who is away, and the number of its entry among the deadlines."""
        self._deadlines: list[Entry] = []
        """Until when they may come back, as a heap; the entry of a member that came back means nothing."""
        self._numbers = itertools.count()
        self._away_of: Counter[str] = Counter()
        """How many places are held for each address."""
        self._is_told = False
        """Whether the operator knows that all places are taken; told again when none had been held meanwhile."""

    def __len__(self) -> int:
        return len(self._away)

    @property
    def next_deadline(self) -> float | None:
        """When the next place may have to be given up, on the monotonic clock."""
        while self._deadlines and not self._counts(self._deadlines[0]):
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else None

    def has_one_for(self, member: Member) -> bool:
        """Return whether one more place may be held, for an address that has not too many."""
        host = _host_of(member)
        if self._hosts.are_limited and self._away_of[host] >= MAX_AWAY_PER_HOST:
            self._hosts.tell(host, self._words.limit_places.format(count=MAX_AWAY_PER_HOST))
            return False
        if len(self._away) >= MAX_AWAY:
            if not self._is_told:
                log.warning(self._words.log_no_place_left.format(count=MAX_AWAY))
            self._is_told = True
            return False
        return self._grace_of(member) > 0

    def hold(self, member: Member) -> None:
        """Hold the place of a member whose link broke, for what it has left of the time to come back."""
        now, grace_s = time.monotonic(), self._grace_of(member)
        linked_s = now - member.linked_at
        if linked_s >= LONG_LINK_S:
            member.grace_left_s = grace_s
        elif linked_s >= BRIEF_LINK_S:
            member.grace_left_s += linked_s
        member.state = MemberState.AWAY
        member.deadline = now + min(grace_s, member.grace_left_s)
        self._away[member] = next(self._numbers)
        self._away_of[_host_of(member)] += 1
        heapq.heappush(self._deadlines, (member.deadline, self._away[member], member))
        if len(self._deadlines) > 2 * len(self._away) + SPARE_ENTRIES:  # members that come and break off for hours
            self._deadlines = [entry for entry in self._deadlines if self._counts(entry)]
            heapq.heapify(self._deadlines)

    def give_up(self, member: Member) -> None:
        """Hold the place of a member no more, be it back or gone. May be called for any member."""
        if member in self._away:
            del self._away[member]
            self._is_told = self._is_told and bool(self._away)
            member.grace_left_s = max(0.0, member.deadline - time.monotonic())
            host = _host_of(member)
            self._away_of[host] -= 1
            if not self._away_of[host]:
                del self._away_of[host]

    def overdue(self, now: float) -> Iterator[Member]:
        """Yield the members that did not come back in time."""
        while self._deadlines and self._deadlines[0][0] <= now:
            entry = heapq.heappop(self._deadlines)
            if self._counts(entry):
                yield entry[-1]

    def _grace_of(self, member: Member) -> float:
        """Return how long a member may take to come back: a guest by browser longer, as phones sleep."""
        is_web = member.recipient is not None and member.recipient.kind is Web
        return self._grace_web_s if is_web else self._grace_s

    def _counts(self, entry: Entry) -> bool:
        """Return whether an entry's member has not come back since."""
        _, number, member = entry
        return self._away.get(member) == number


def _host_of(member: Member) -> str:
    return member.recipient.address[0] if member.recipient is not None else ""
