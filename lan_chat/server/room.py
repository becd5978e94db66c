"""Who is here, and who may be: the registries of the room.

The delivery thread alone decides over names and members. Connections register themselves, from the accept thread and
their own. Other threads that look in take the lock.
"""

from __future__ import annotations

import dataclasses
import secrets
import threading
from collections.abc import Callable, Iterable
from typing import TypeGuard, TypeVar

import protocol
from lan_chat.server.connection import Connection
from lan_chat.server.membership import Member, Recipient, token_key
from lan_chat.server.rules import (
    EVERYBODY,
    Network,
    Rule,
    RuleKind,
    is_part_of,
    is_within,
    network_text,
    parse_network,
)
from lan_chat.sockets import Address
from protocol import Error, Reason

MAX_EXTRA = 32
"""How many more may come to a full room and be heard for a moment: one that speaks may take a silent one's place."""
MAX_REMEMBERED = 1000
"""How many of those who left, and of those who were kicked, the room remembers: the newest."""

Key = TypeVar("Key")
Value = TypeVar("Value")


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
        self._gone: dict[str, tuple[str, str]] = {}
        """Those who left, by `protocol.name_key`: the name, and the address that it came from or an empty text."""
        self._kicked: dict[bytes, Error] = {}
        """What those who were kicked are told if they come back, by `token_key`."""
        self.is_quiet = False
        """Whether only the operator may write."""
        self._quietings = 0
        self._muted: dict[str, str] = {}
        """The names that may not write, by `protocol.name_key`."""
        self._bans: dict[str, Rule] = {}
        """What may not come in, by `_ban_key`."""
        self._shut_out: list[Network] = []
        """The addresses that may not come in, out of `_bans`."""
        self.on_rules_changed: Callable[[], object] = lambda: None
        """Called in the delivery thread after each change of what `rules` returns, without the lock."""

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
            if key in self._bans or is_within(recipient.address[0], self._shut_out):  # it may have come before the ban
                return Reason.BANNED
            if key in self.names or key in protocol.RESERVED_KEYS:
                return Reason.TAKEN
            if not _is_token(token) or token_key(token) in self._tokens:
                token = secrets.token_urlsafe(16)
            member = Member(name, token_key(token), recipient)
            member.is_muted = key in self._muted
            self.names[key] = self._tokens[member.token_key] = member
            self._kicked.pop(member.token_key, None)
        recipient.token = token
        return member

    def member_with(self, token: str | None) -> Member | None:
        """Return the member whose token this is."""
        if not _is_token(token):
            return None
        with self._lock:
            return self._tokens.get(token_key(token))

    def restore(self, members: list[Member], names_gone: Iterable[str] = ()) -> None:
        """Restore the members who were here when the server ended without a goodbye, and know who had left."""
        with self._lock:
            for name in names_gone:
                _remember(self._gone, protocol.name_key(name), (name, ""))
            for member in members:
                key = protocol.name_key(member.name)
                if key in self.names:  # an older server took these for two names: one is asked for anew
                    continue
                self.names[key] = self._tokens[member.token_key] = member
                member.is_muted = key in self._muted

    def release(self, member: Member) -> None:
        """Make the name of a member free for others."""
        key = protocol.name_key(member.name)
        with self._lock:
            if self.names.get(key) is member:
                del self.names[key]
            self._tokens.pop(member.token_key, None)
            _remember(self._gone, key, (member.name, member.recipient.address[0] if member.recipient else ""))

    def revoke(self, member: Member, error: Error | None = None) -> None:
        """Let nobody come back as this member any more; `error` is what they are told who try."""
        with self._lock:
            self._tokens.pop(member.token_key, None)
            if error is not None:
                _remember(self._kicked, member.token_key, error)

    def why_not_back(self, token: str) -> Error | None:
        """Return what somebody is told that comes back with the token of a member that was kicked."""
        with self._lock:
            return self._kicked.get(token_key(token)) if _is_token(token) else None

    def members(self) -> list[Member]:
        """Return all members, in the order in which they joined, as a copy."""
        with self._lock:
            return list(self.names.values())

    def count_members(self) -> int:
        """Return how many members there are, also those whose link broke."""
        with self._lock:
            return len(self.names)

    def find(self, name: str) -> Member | None:
        """Return the member with this name."""
        with self._lock:
            return self.names.get(protocol.name_key(name))

    def knows(self, name: str) -> bool:
        """Return whether somebody of this name is or was here, as far as the room remembers, or is banned."""
        key = protocol.name_key(name)
        with self._lock:
            return key in self.names or key in self._gone or key in self._bans

    # What the operator has forbidden. Changed in the delivery thread.

    def rules(self) -> list[Rule]:
        """Return all that is forbidden, the bans first, as a copy."""
        with self._lock:
            mutes = [*self._muted.values(), *([EVERYBODY] if self.is_quiet else [])]
            return [*self._bans.values(), *(Rule(RuleKind.MUTE, what) for what in mutes)]

    def restore_rules(self, rules: Iterable[Rule]) -> None:
        """Forbid again what an earlier server has recorded. Before anybody comes, and before or after `restore`."""
        with self._lock:
            for rule in rules:
                if rule.kind is RuleKind.BAN:
                    self._bans[_ban_key(rule.what)] = rule
                elif rule.what == EVERYBODY:
                    self.is_quiet, self._quietings = True, 1
                else:
                    self._muted[protocol.name_key(rule.what)] = rule.what
            for key, member in self.names.items():
                member.is_muted = key in self._muted
            self._find_shut_out()

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
            is_new = is_muted != (key in self._muted)
            if is_muted:
                self._muted[key] = name
            else:
                self._muted.pop(key, None)
        if is_new:
            self.on_rules_changed()
        return name

    def mute_all(self, is_quiet: bool) -> None:
        """Let only the operator write, or everybody."""
        with self._lock:
            is_new = is_quiet != self.is_quiet
            self._quietings += is_quiet and is_new
            self.is_quiet = is_quiet
        if is_new:
            self.on_rules_changed()

    def is_muted(self, name: str) -> bool:
        """Return whether a name may not write, be it here or not."""
        with self._lock:
            return protocol.name_key(name) in self._muted

    def muting_of(self, member: Member) -> tuple[int, int] | None:
        """Return which muting, of the room's and its own, keeps a member from writing; None where it may write."""
        return (self._quietings, member.mutings) if member.is_muted or self.is_quiet else None

    def standing_of(self, member: Member) -> str:
        """Return whether a member may write, as a `Notice` says it."""
        if member.is_muted:
            return protocol.MUTED
        return protocol.QUIET if self.is_quiet else protocol.MAY_WRITE

    def ban(self, what: str, reason: str = "") -> tuple[list[Member], list[Recipient]]:
        """Keep out a name, with the address that it comes or came from, or an address, or a network.

        Returns the members and the connections without a name that have to go.
        """
        network, key = parse_network(what), _ban_key(what)
        members: list[Member] = []
        others: list[Recipient] = []
        with self._lock:
            if network is None:
                name, host = self._gone.get(key, (what, ""))
                member = self.names.get(key)
                if member is not None:
                    members, name, host = [member], member.name, member.recipient.address[0] if member.recipient else ""
                address = _address_text(host) or (self._bans[key].address if key in self._bans else "")
                self._bans[key] = Rule(RuleKind.BAN, name, address, reason)
            else:
                self._bans[key] = Rule(RuleKind.BAN, network_text(network), reason=reason)
                present = [one for one in self.names.values() if one.recipient]
                members = [one for one in present if one.recipient and is_within(one.recipient.address[0], [network])]
                theirs = {one.recipient for one in members}
                there = [one.recipient for one in self.addresses if is_within(one.address[0], [network])]
                others = [one for one in there if one not in theirs]
            self._find_shut_out()
        self.on_rules_changed()
        return members, others

    def unban(self, what: str) -> bool:
        """Let a name, with its address, or an address or a network in again; return whether it was banned."""
        key = _ban_key(what)
        with self._lock:
            is_lifted = self._bans.pop(key, None) is not None
            for name, rule in self._bans.items():
                if rule.address == key:
                    self._bans[name] = dataclasses.replace(rule, address="")
                    is_lifted = True
            self._find_shut_out()
        if is_lifted:
            self.on_rules_changed()
        return is_lifted

    def has_ban(self, what: str) -> bool:
        """Return whether there is a ban of just this name, address or network."""
        with self._lock:
            return _ban_key(what) in self._bans

    def bans_of(self, what: str) -> list[Rule]:
        """Return the bans that keep out a name, or all of an address or a network."""
        network = parse_network(what)
        with self._lock:
            if network is None:
                return [rule for key, rule in self._bans.items() if key == _ban_key(what)]
            banned = [(rule, parse_network(rule.address or rule.what)) for rule in self._bans.values()]
            return [rule for rule, other in banned if other is not None and is_part_of(network, other)]

    def is_banned(self, host: str) -> bool:
        """Return whether an IP address may not come in."""
        with self._lock:
            return is_within(host, self._shut_out)

    def _find_shut_out(self) -> None:
        """Note which addresses the bans keep out. With the lock held."""
        networks = (parse_network(rule.address or rule.what) for rule in self._bans.values())
        self._shut_out = [network for network in networks if network is not None]


def _is_token(token: str | None) -> TypeGuard[str]:
    return token is not None and protocol.TOKEN.fullmatch(token) is not None


def _ban_key(what: str) -> str:
    """Return what `_bans` has a name, an address or a network under."""
    network = parse_network(what)
    return protocol.name_key(what) if network is None else network_text(network)


def _remember(memory: dict[Key, Value], key: Key, value: Value) -> None:
    """Note something as the newest, and forget the oldest where there is too much."""
    memory.pop(key, None)
    memory[key] = value
    if len(memory) > MAX_REMEMBERED:
        del memory[next(iter(memory))]


def _address_text(host: str) -> str:
    network = parse_network(host)
    return "" if network is None else network_text(network)
