"""Socket options and addresses, for both programs. No thread of its own; the caller closes the sockets."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
from typing import Any

SOCKET_OPTIONS = (
    ("IPPROTO_TCP", "TCP_NODELAY", 1),  # small messages go out at once
    ("SOL_SOCKET", "SO_KEEPALIVE", 1),
    ("SOL_SOCKET", "SO_OOBINLINE", 1),  # a telnet sends parts of its commands as urgent data
    ("IPPROTO_TCP", "TCP_KEEPIDLE", 30),  # seconds; Linux, Windows 10 from 1709
    ("IPPROTO_TCP", "TCP_KEEPALIVE", 30),  # macOS has TCP_KEEPIDLE under this name
    ("IPPROTO_TCP", "TCP_KEEPINTVL", 10),
    ("IPPROTO_TCP", "TCP_KEEPCNT", 3),
    ("IPPROTO_TCP", "TCP_USER_TIMEOUT", 60_000),  # milliseconds; Linux. Windows gives up by itself after about 20 s
)
"""What both sides set, where the system knows the option: a pulled cable is noticed within a minute, by three
keepalives without an answer, or by sent data that is not acknowledged."""

WATCHING_OPTIONS = (
    ("IPPROTO_TCP", "TCP_KEEPIDLE", 4),
    ("IPPROTO_TCP", "TCP_KEEPALIVE", 4),
    ("IPPROTO_TCP", "TCP_KEEPINTVL", 1),
    ("IPPROTO_TCP", "TCP_KEEPCNT", 4),
    ("IPPROTO_TCP", "TCP_USER_TIMEOUT", 8_000),
)
"""What a client sets besides, so that it sees within some eight seconds that its server is not there any more (it has
another address, its machine sleeps): a member that comes back misses nothing, so to be mistaken costs nothing."""

Address = tuple[str, int]
"""A host and a port. The host is an IP address in the form of `parse_address`: one peer, one form."""


def parse_address(text: str) -> str | None:
    """Return the IP address in a text, alone or with a port as in the log, or None. IPv4 within IPv6 becomes IPv4.

    A link-local address keeps its scope, the interface that it is reached through, as the system's number for that.
    """
    for host in (text, text.rpartition(":")[0]):
        with contextlib.suppress(ValueError, OSError):  # no address; no interface of this machine
            address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
            if isinstance(address, ipaddress.IPv4Address):
                return str(address)
            return str(address.ipv4_mapped) if address.ipv4_mapped else _with_numbered_scope(address)
    return None


def _with_numbered_scope(address: ipaddress.IPv6Address) -> str:
    """Return the one form of an IPv6 address, whichever way its scope was written. Raises OSError."""
    host, scope = str(address).partition("%")[0], address.scope_id
    if scope is None or not address.is_link_local:
        return host
    return f"{host}%{int(scope) if scope.isdecimal() else socket.if_nametoindex(scope)}"


def peer_address(address: tuple[Any, ...]) -> Address:
    """Return the host and the port out of what `accept` returns, with an IPv6 address's scope in the host."""
    host, port, *more = address
    text = f"{host}%{more[1]}" if more and more[1] and "%" not in host else host
    return parse_address(text) or host, port


def host_label(host: str) -> str:
    """Return a host as it is written in front of a port: `10.0.0.1`, `[fe80::1%2]`."""
    return f"[{host}]" if ":" in host else host


def address_label(address: Address) -> str:
    """Return a host and a port as they are written: `10.0.0.1:53000`, `[fe80::1%2]:53000`."""
    return f"{host_label(address[0])}:{address[1]}"


def tune(sock: socket.socket, *, is_watching: bool = False) -> None:
    """Set the options that this system knows, the `SOCKET_OPTIONS` and for a client the `WATCHING_OPTIONS`.

    Raises OSError where the peer has already disconnected.
    """
    for level, option, value in (*SOCKET_OPTIONS, *(WATCHING_OPTIONS if is_watching else ())):
        if hasattr(socket, option):
            try:
                sock.setsockopt(getattr(socket, level), getattr(socket, option), value)
            except OSError as error:
                if error.errno != errno.ENOPROTOOPT:  # Python knows the option, the system does not
                    raise
