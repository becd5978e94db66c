"""Who is here, and who may be: the registries that all threads of the server share."""

from __future__ import annotations

import secrets
import threading

import protocol
from lan_chat.server.connection import Connection, Member, token_key
from lan_chat.sockets import Address, parse_address
from protocol import Reason


class Room:
    """Who is here, and who may be: the registries that all threads share."""

    def __init__(self, max_clients: int) -> None:
        self._max_clients = max_clients
        self.is_quiet = False
        """Whether only the operator may write; main writes it, and everybody reads it, as the number that follows."""
        self._quietings = 0
        self._lock = threading.Lock()
        """Guards all that follows. Nothing is sent and nothing else is locked while it is held."""
        self.addresses: dict[Connection, Address] = {}
        self.names: dict[str, Member] = {}
        """Who has which name, by `protocol.name_key`."""
        self._tokens: dict[bytes, Member] = {}
        """The same by `token_key`."""
        self._muted: set[str] = set()
        """Keys of the names that may not write."""
        self._banned: dict[str, str] = {}
        """Keys of the names and IP addresses that may not come in, and what goes with each: the name's address."""

    def register(self, connection: Connection) -> bool:
        """Note a new connection, or give False where there are too many."""
        with self._lock:
            if len(self.addresses) >= self._max_clients:
                return False
            self.addresses[connection] = connection.address
            return True

    def forget(self, connection: Connection) -> None:
        """Strike out a connection that is closed."""
        with self._lock:
            self.addresses.pop(connection, None)

    def connections(self) -> list[Connection]:
        """Give everybody who is connected, as a copy."""
        with self._lock:
            return list(self.addresses)

    def claim(self, connection: Connection, raw_name: str, token: str | None = None) -> Reason | None:
        """Make a client the member with the name that it asks for, or say why not."""
        name = protocol.parse_name(raw_name)
        if name is None:
            return Reason.INVALID
        if token is None or not protocol.TOKEN.fullmatch(token):
            token = secrets.token_urlsafe(16)
        key = protocol.name_key(name)
        with self._lock:
            if key in self._banned or connection.address[0] in self._banned:  # it may have come before the ban
                return Reason.BANNED
            if key in self.names or key in protocol.RESERVED_KEYS:
                return Reason.TAKEN
            if token_key(token) in self._tokens:  # somebody else's
                token = secrets.token_urlsafe(16)
            member = Member(name, token_key(token), connection)
            member.is_muted = key in self._muted
            self.names[key] = self._tokens[member.token_key] = member
        connection.token = token
        connection.member = member
        return None

    def reclaim(self, connection: Connection, token: str, name: str | None = None) -> bool:
        """Make a client the member with this token, whose link broke; False where there is none.

        Who asks to join under a name and is that member already, as its token tells, has not heard of it. A link that
        is older than the member's own asks too late, though: what it says was held up on its way.
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
        """Give those their names back who were here when the server ended without a goodbye."""
        with self._lock:
            for member in members:
                self.names[protocol.name_key(member.name)] = self._tokens[member.token_key] = member

    def release(self, member: Member, connection: Connection | None) -> bool:
        """Make a name free for others; False where the member has another connection by now, or has gone."""
        key = protocol.name_key(member.name)
        with self._lock:
            if self.names.get(key) is not member or member.connection is not connection:
                return False
            del self.names[key]
            self._tokens.pop(member.token_key, None)
            return True

    def revoke(self, member: Member) -> Connection | None:
        """Let nobody come back as this member any more, and give the connection that it has by now, or had."""
        with self._lock:
            self._tokens.pop(member.token_key, None)
            return member.connection

    def members(self) -> list[Member]:
        """Give everybody who has a name, by name."""
        with self._lock:
            return [self.names[key] for key in sorted(self.names)]

    def find(self, name: str) -> Member | None:
        """Give whoever has this name."""
        with self._lock:
            return self.names.get(protocol.name_key(name))

    def mute(self, name: str, is_muted: bool) -> str | None:
        """Let a member write, or not, also when it comes back; give its name, None where nobody is, or is muted, so."""
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
        """Let only the operator write, or everybody."""
        self._quietings += is_quiet and not self.is_quiet
        self.is_quiet = is_quiet

    def muting_of(self, member: Member) -> tuple[int, int] | None:
        """Tell which muting keeps a member from writing, of the room's and of its own; None where it may write."""
        return (self._quietings, member.mutings) if member.is_muted or self.is_quiet else None

    def ban(self, what: str) -> list[Member | Connection]:
        """Keep out a name, with the address that it comes from, or an address; give those who have to go."""
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
        """Let a name, with the address that was banned with it, or an address come in again; False if it could."""
        with self._lock:
            address = self._banned.pop(protocol.name_key(what), None)
            if address:
                self._banned.pop(address, None)
            return address is not None

    def is_banned(self, host: str) -> bool:
        """Tell whether an IP address may not come in."""
        with self._lock:
            return host in self._banned
