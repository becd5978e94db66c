"""Socket options and addresses, for both programs. No thread of its own; the caller closes the sockets."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket

SOCKET_OPTIONS = (
    ("IPPROTO_TCP", "TCP_NODELAY", 1),  # small messages go out at once
    ("SOL_SOCKET", "SO_KEEPALIVE", 1),
    ("IPPROTO_TCP", "TCP_KEEPIDLE", 30),  # seconds; Linux, Windows 10 from 1709
    ("IPPROTO_TCP", "TCP_KEEPALIVE", 30),  # macOS has TCP_KEEPIDLE under this name
    ("IPPROTO_TCP", "TCP_KEEPINTVL", 10),
    ("IPPROTO_TCP", "TCP_KEEPCNT", 3),
    ("IPPROTO_TCP", "TCP_USER_TIMEOUT", 60_000),  # milliseconds; Linux. Windows gives up by itself after about 20 s
)
"""What both sides set, where the system knows the option: a pulled cable is noticed within a minute, by three
keepalives without an answer, or by sent data that is not acknowledged."""

Address = tuple[str, int]


def parse_address(text: str) -> str | None:
    """Return the IP address in a text, alone or with a port as in the log, or None. IPv4 within IPv6 becomes IPv4."""
    for host in (text, text.rpartition(":")[0]):
        with contextlib.suppress(ValueError):
            address = ipaddress.ip_address(host)
            return str(getattr(address, "ipv4_mapped", None) or address)
    return None


def tune(sock: socket.socket) -> None:
    """Set the `SOCKET_OPTIONS` that this system knows. Raises OSError where the peer has already disconnected."""
    for level, option, value in SOCKET_OPTIONS:
        if hasattr(socket, option):
            try:
                sock.setsockopt(getattr(socket, level), getattr(socket, option), value)
            except OSError as error:
                if error.errno != errno.ENOPROTOOPT:  # Python knows the option, the system does not
                    raise
