"""Socket options and addresses, the same for both programs."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket

SOCKET_OPTIONS = (
    ("IPPROTO_TCP", "TCP_NODELAY", 1),  # small messages go out at once
    ("SOL_SOCKET", "SO_KEEPALIVE", 1),
    ("IPPROTO_TCP", "TCP_KEEPIDLE", 30),  # seconds; Linux, Windows 10 from 1709
    ("IPPROTO_TCP", "TCP_KEEPALIVE", 30),  # the same on macOS
    ("IPPROTO_TCP", "TCP_KEEPINTVL", 10),
    ("IPPROTO_TCP", "TCP_KEEPCNT", 3),
    ("IPPROTO_TCP", "TCP_USER_TIMEOUT", 60_000),  # milliseconds; Linux. Windows gives up by itself after about 20 s
)
"""What both sides set, where the system knows the name, so that a cable that was pulled is noticed in a minute: by
three keepalives without an answer, or by what was sent and not acknowledged."""
Address = tuple[str, int]


def parse_address(text: str) -> str | None:
    """Read an IP address, alone or with its port as the log has it, or give None. IPv4 within IPv6 is IPv4."""
    for host in (text, text.rpartition(":")[0]):
        with contextlib.suppress(ValueError):
            address = ipaddress.ip_address(host)
            return str(getattr(address, "ipv4_mapped", None) or address)
    return None


def tune(sock: socket.socket) -> None:
    """Set what this system knows of `SOCKET_OPTIONS`. Raises OSError where the peer has gone already."""
    for level, option, value in SOCKET_OPTIONS:
        if hasattr(socket, option):
            try:
                sock.setsockopt(getattr(socket, level), getattr(socket, option), value)
            except OSError as error:
                if error.errno != errno.ENOPROTOOPT:  # Python knows the name, and the system does not
                    raise
