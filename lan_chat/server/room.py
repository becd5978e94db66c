"""Who is here, and who may be: the registries of the room.

The delivery thread alone decides over names and members. Connections register themselves, from the accept thread and
their own. Other threads that look in take the lock.
"""

from __future__ import annotations

import secrets
import threading

import protocol
from lan_chat.server.connection import Connection
from lan_chat.server.membership import Member, Recipient, token_key
from lan_chat.sockets import Address, address_forms, parse_address
from protocol import Reason

MAX_EXTRA = 32
"""How many more may come to a full room and be heard for a moment: one that speaks may take a silent one's place."""


class Room:
    """The registries `addresses` and `names`, and what the operator has forbidden."""

    def __init__(self, max_clients: int) -> None:
        self._max_clients = max_clients
        self._lock = threading.Lock()
        """Guards all that follows. Nothing is sent and nothing else is locked while it is held."""
        self.addresses: dict[Connection, Address] = {}
        self.names: dict[str, Member] = {}
        """The members by `protocol.name_key`, in the order in which they joined."""
        self._tokens: dict[bytes, Member] = {}
        """The members by `token_key`."""
        self.is_quiet = False
        """Whether only the operator may write."""
        self._quietings = 0
        self._muted: set[str] = set()
        """Keys of the names that may not write."""
        self._banned: dict[str, str] = {}
        """Keys of the names and IP addresses that may not come in, and what goes with each: the name's address."""

    # Connections.

    def register(self, connection: Connection) -> bool:
        """Note a new connection, and return whether there was a place for it, or it may be heard for a moment."""
        with self._lock:
            count = len(self.addresses)
            if count >= self._max_clients + MAX_EXTRA:
                return False
            connection.is_extra = count >= self._max_clients
            self.addresses[connection] = connection.address
            return True

    def forget(self, connection: Connection) -> None:
        """Strike out a connection that is closed."""
        with self._lock:
            self.addresses.pop(connection, None)

    def connections(self) -> list[Connection]:
        """Return all connections, as a copy."""
        with self._lock:
            return list(self.addresses)

    # Members. Decided in the delivery thread.

    def admit(self, name: str | None, key: str, token: str | None, recipient: Recipient) -> Member | Reason:
        """Make a connection the member with the name that it asks for, or return why not."""
        if name is None:
            return Reason.INVALID
        with self._lock:
            if key in self._banned or self._is_host_banned(recipient.address[0]):  # it may have come before the ban
                return Reason.BANNED
            if key in self.names or key in protocol.RESERVED_KEYS:
                return Reason.TAKEN
            if token is None or not protocol.TOKEN.fullmatch(token) or token_key(token) in self._tokens:
                token = secrets.token_urlsafe(16)
            member = Member(name, token_key(token), recipient)
            member.is_muted = key in self._muted
            self.names[key] = self._tokens[member.token_key] = member
        recipient.token = token
        return member

    def member_with(self, token: str | None) -> Member | None:
        """Return the member whose token this is."""
        if token is None or not protocol.TOKEN.fullmatch(token):
            return None
        with self._lock:
            return self._tokens.get(token_key(token))

    def restore(self, members: list[Member]) -> None:
        """Give those their names back who were here when the server ended without a goodbye."""
        with self._lock:
            for member in members:
                self.names[protocol.name_key(member.name)] = self._tokens[member.token_key] = member

    def release(self, member: Member) -> None:
        """Make the name of a member free for others."""
        with self._lock:
            del self.names[protocol.name_key(member.name)]
            self._tokens.pop(member.token_key, None)

    def revoke(self, member: Member) -> None:
        """Let nobody come back as this member any more."""
        with self._lock:
            self._tokens.pop(member.token_key, None)

    def members(self) -> list[Member]:
        """Return all members, in the order in which they joined, as a copy."""
        with self._lock:
            return list(self.names.values())

    def find(self, name: str) -> Member | None:
        """Return the member with this name."""
        with self._lock:
            return self.names.get(protocol.name_key(name))

    # What the operator has forbidden.

    def mute(self, name: str, is_muted: bool) -> str | None:
        """Let a member write, or not, also when it comes back.

        Returns its name; None where no member has it, or no muting of it is known that could be lifted.
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
        """Let only the operator write, or everybody."""
        with self._lock:
            self._quietings += is_quiet and not self.is_quiet
            self.is_quiet = is_quiet

    def muting_of(self, member: Member) -> tuple[int, int] | None:
        """Return which muting, of the room's and its own, keeps a member from writing; None where it may write."""
        return (self._quietings, member.mutings) if member.is_muted or self.is_quiet else None

    def ban(self, what: str) -> tuple[list[Member], list[Recipient]]:
        """Keep out a name, with the address that it comes from, or an address.

        Returns the members and the connections without a name that have to go.
        """
        key = protocol.name_key(what)
        with self._lock:
            member = None if parse_address(what) else self.names.get(key)
            address = member.recipient.address[0] if member and member.recipient else ""
            self._banned[key] = address or self._banned.get(key, "")
            if member:
                if address:
                    self._banned.setdefault(address, "")
                return [member], []
            members = [
                one for one in self.names.values() if one.recipient and key in address_forms(one.recipient.address[0])
            ]
            theirs = {one.recipient for one in members}
            recipients = [one.recipient for one in self.addresses if key in address_forms(one.address[0])]
            return members, [one for one in recipients if one not in theirs]

    def unban(self, what: str) -> bool:
        """Let a name, with its address, or an address in again; return whether it was banned."""
        with self._lock:
            address = self._banned.pop(protocol.name_key(what), None)
            if address:
                self._banned.pop(address, None)
            return address is not None

    def is_banned(self, host: str) -> bool:
        """Return whether an IP address may not come in."""
        with self._lock:
            return self._is_host_banned(host)

    def _is_host_banned(self, host: str) -> bool:
        return not address_forms(host).isdisjoint(self._banned)
