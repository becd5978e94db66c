"""What the operator has forbidden: who may not come in, and who may not write. Pure: no lock, no thread, no socket."""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

EVERYBODY = "*"
"""In place of a name: everybody but the operator. No member can be called so."""
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_IN_BRACKETS = re.compile(r"\[([^]]*:[^]]*)\](?::\d+)?")
"""An IPv6 address in brackets, perhaps with a port (RFC 5952, section 6)."""
_SCOPE = re.compile(r"%[^/]*")
"""The interface that a link-local address is reached through: a ban is for all of them."""


class RuleKind(str, Enum):
    """What is forbidden; the values are what a file keeps."""

    BAN = "ban"
    MUTE = "mute"


@dataclass(frozen=True)
class Rule:
    """One thing that the operator has forbidden."""

    kind: RuleKind
    what: str
    """A name as its member writes it, an address or a network as `network_text` writes it; of a mute also EVERYBODY."""
    address: str = ""
    """The address that a banned name came from, and that is banned with it; empty where it is not known."""
    reason: str = ""
    """The operator's own explanation of a ban."""


def parse_network(text: str) -> Network | None:
    """Return the addresses that a text means: one, alone or with a port as in the log, or a network; None for none.

    IPv4 within IPv6 becomes IPv4, as in the addresses of connections.
    """
    bracketed = _IN_BRACKETS.fullmatch(text)
    host, _, port = text.rpartition(":")
    for candidate in [bracketed[1]] if bracketed else [text, *([host] if port.isdecimal() else [])]:
        with contextlib.suppress(ValueError):
            unscoped = _SCOPE.sub("", candidate) if ":" in candidate else candidate  # only IPv6 has scopes
            return _without_mapping(ipaddress.ip_network(unscoped, strict=False))
    return None


def network_text(network: Network) -> str:
    """Return a network as the operator writes it; one address without its length."""
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def is_within(host: str, networks: Iterable[Network]) -> bool:
    """Return whether an IP address is in one of these networks."""
    address = ipaddress.ip_address(host)
    return any(address in network for network in networks)


def is_part_of(network: Network, other: Network) -> bool:
    """Return whether all addresses of a network are in another one."""
    return network.network_address in other and network.prefixlen >= other.prefixlen


def _without_mapping(network: Network) -> Network:
    first = network.network_address
    mapped = first.ipv4_mapped if isinstance(first, ipaddress.IPv6Address) else None
    return network if mapped is None else ipaddress.IPv4Network((int(mapped), max(0, network.prefixlen - 96)), False)
