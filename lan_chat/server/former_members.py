"""The ended memberships that are still known: who comes back with its token is shown what it missed.

Delivery thread only.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import protocol
from lan_chat.server.history import MAX_FORMER
from lan_chat.server.membership import FormerMember, token_key

KNOWN_S = 24 * 60 * 60.0
"""How long an ended membership is known where nothing is recorded."""


class FormerMembers:
    """The newest ended memberships, by the key of their token."""

    def __init__(self, recorded: Iterable[FormerMember] = (), is_recorded: bool = False) -> None:
        self._is_recorded = is_recorded
        self._members: dict[bytes, tuple[FormerMember, float]] = {}
        """Each with the time of its end on the monotonic clock, oldest first."""
        for former in recorded:
            self.add(former)

    def add(self, former: FormerMember) -> None:
        """Note a membership that has just ended."""
        now = time.monotonic()
        self._members.pop(former.token_key, None)
        self._members[former.token_key] = former, now
        while len(self._members) > MAX_FORMER or not self._is_known(next(iter(self._members.values()))[1], now):
            del self._members[next(iter(self._members))]

    def find(self, token: str | None) -> FormerMember | None:
        """Return the ended membership whose token this is."""
        if token is None or not protocol.TOKEN.fullmatch(token):
            return None
        former, ended_at = self._members.get(token_key(token), (None, 0.0))
        return former if self._is_known(ended_at, time.monotonic()) else None

    def discard(self, key: bytes) -> None:
        """Forget the membership with this key of a token, if it is known."""
        self._members.pop(key, None)

    def forget_name(self, name_key: str) -> list[bytes]:
        """Forget the memberships under a name, by `protocol.name_key`; return the keys of their tokens."""
        keys = [key for key, (former, _) in self._members.items() if protocol.name_key(former.name) == name_key]
        for key in keys:
            del self._members[key]
        return keys

    def _is_known(self, ended_at: float, now: float) -> bool:
        return self._is_recorded or now < ended_at + KNOWN_S
