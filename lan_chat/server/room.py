"""The registries that all threads of the server share: connections, names, tokens, mutes, bans.

Each method may be called from any thread, and takes the room's lock. Sockets are closed elsewhere.
"""

from __future__ import annotations

import secrets
import threading

import protocol
from lan_chat.server.connection import Connection, Member, token_key
from lan_chat.sockets import Address, parse_address
from protocol import Reason


class Room:
    """The registries of connections, names, tokens, mutes and bans. From any thread."""

    def __init__(self, max_clients: int) -> None:
        self._max_clients = max_clients
        self.is_quiet = False
        """Whether everybody but the operator is muted; written by the main thread, read by any, without the lock."""
        self._room_mutings = 0
        """How many times everybody was muted; written by the main thread, read by any, without the lock."""
        self._lock = threading.Lock()
        """Guards all that follows. Nothing is sent, and no other lock is taken, while it is held."""
        self.addresses: dict[Connection, Address] = {}
        self.names: dict[str, Member] = {}
        """The members by `protocol.name_key` of their names."""
        self._tokens: dict[bytes, Member] = {}
        """The members by `token_key` of their tokens; a kick takes the token away and leaves the name."""
        self._muted: set[str] = set()
        """Keys of the muted names."""
        self._banned: dict[str, str] = {}
        """The banned keys of names and IP addresses; the value is the address that was banned with a name, or empty."""

    def register(self, connection: Connection) -> bool:
        """Add a new connection; return False where there are too many."""
        with self._lock:
            if len(self.addresses) >= self._max_clients:
                return False
            self.addresses[connection] = connection.address
            return True

    def forget(self, connection: Connection) -> None:
        """Remove a closed connection."""
        with self._lock:
            self.addresses.pop(connection, None)

    def connections(self) -> list[Connection]:
        """Return a copy of the list of all connections."""
        with self._lock:
            return list(self.addresses)

    def claim(self, connection: Connection, raw_name: str, token: str | None = None) -> Reason | None:
        """Make a client the member with the name that it asks for; return the reason where that is refused."""
        name = protocol.parse_name(raw_name)
        if name is None:
            return Reason.INVALID
        if token is None or not protocol.TOKEN.fullmatch(token):
            token = secrets.token_urlsafe(16)
        key = protocol.name_key(name)
        with self._lock:
            if key in self._banned or connection.address[0] in self._banned:  # it may have connected before the ban
                return Reason.BANNED
            if key in self.names or key in protocol.RESERVED_KEYS:
                return Reason.TAKEN
            if token_key(token) in self._tokens:  # another member's
                token = secrets.token_urlsafe(16)
            member = Member(name, token_key(token), connection)
            member.is_muted = key in self._muted
            self.names[key] = self._tokens[member.token_key] = member
        connection.token = token
        connection.member = member
        return None

    def reclaim(self, connection: Connection, token: str, name: str | None = None) -> bool:
        """Make a client the member with this token, whose link broke; return False where there is none.

        With a `name`: for a `Join` whose token belongs to that member, which has not received its `Welcome`. False if
        this connection is older than the member's current one: its `Join` was delayed on the way.
        """
        if not protocol.TOKEN.fullmatch(token):
            return False
        with self._lock:
            member = self._tokens.get(token_key(token))
            if member is None:
                return False
            if name is not None:
                is_late = member.connection is not None and member.connection.number > connection.number
                if is_late or protocol.parse_name(name) != member.name:
                    return False
            member.connection = connection
        connection.token = token
        connection.member = member
        return True

    def restore(self, members: list[Member]) -> None:
        """Add the members who were in the room when the server ended without closing it."""
        with self._lock:
            for member in members:
                self.names[protocol.name_key(member.name)] = self._tokens[member.token_key] = member

    def release(self, member: Member, connection: Connection | None) -> bool:
        """Free a member's name; return False where the member has another connection by now, or has left already."""
        key = protocol.name_key(member.name)
        with self._lock:
            if self.names.get(key) is not member or member.connection is not connection:
                return False
            del self.names[key]
            self._tokens.pop(member.token_key, None)
            return True

    def revoke(self, member: Member) -> Connection | None:
        """Remove a member's token, so that nobody can resume it; return its current connection, or its last."""
        with self._lock:
            self._tokens.pop(member.token_key, None)
            return member.connection

    def members(self) -> list[Member]:
        """Return all members, sorted by name."""
        with self._lock:
            return [self.names[key] for key in sorted(self.names)]

    def find(self, name: str) -> Member | None:
        """Return the member with this name, or None."""
        with self._lock:
            return self.names.get(protocol.name_key(name))

    def mute(self, name: str, is_muted: bool) -> str | None:
        """Mute a name or unmute it, also for when it joins again; return the name, or None.

        None: there is no member of this name, and, to unmute it, it is not muted either.
        """
        key = protocol.name_key(name)
        with self._lock:
            member = self.names.get(key)
            if member is None:
                if is_muted or key not in self._muted:
                    return None
            else:
                member.mutings += is_muted and not member.is_muted
                member.is_muted, name = is_muted, member.name
            (self._muted.add if is_muted else self._muted.discard)(key)
            return name

    def mute_all(self, is_quiet: bool) -> None:
        """Mute everybody but the operator, or lift that. Main thread only."""
        self._room_mutings += is_quiet and not self.is_quiet
        self.is_quiet = is_quiet

    def muting_of(self, member: Member) -> tuple[int, int] | None:
        """Return the numbers of the muting that a member is under, the room's and its own; None where it may write."""
        return (self._room_mutings, member.mutings) if member.is_muted or self.is_quiet else None

    def ban(self, what: str) -> list[Member | Connection]:
        """Ban an address, or a name with its current address; return who has to be kicked."""
        key = protocol.name_key(what)
        with self._lock:
            member = None if parse_address(what) else self.names.get(key)
            address = member.connection.address[0] if member and member.connection else ""
            self._banned[key] = address or self._banned.get(key, "")
            if member:
                if address:
                    self._banned.setdefault(address, "")
                return [member]
            members = [
                member for member in self.names.values() if member.connection and member.connection.address[0] == key
            ]
            theirs = {member.connection for member in members}
            others = [
                connection for connection in self.addresses if connection.address[0] == key and connection not in theirs
            ]
            return [*members, *others]

    def unban(self, what: str) -> bool:
        """Lift the ban of an address, or of a name with its address; return False where there was none."""
        with self._lock:
            address = self._banned.pop(protocol.name_key(what), None)
            if address:
                self._banned.pop(address, None)
            return address is not None

    def is_banned(self, host: str) -> bool:
        """Return whether an IP address is banned."""
        with self._lock:
            return host in self._banned
