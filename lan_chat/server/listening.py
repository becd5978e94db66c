"""The listener, and the addresses where clients find it. Main thread only; `ChatServer` closes the listener."""

from __future__ import annotations

import contextlib
import errno
import socket
import sys

from lan_chat.server.words import ServerWords

LISTEN_BACKLOG = 1024
"""Connections that the system may complete before `accept`; with a full backlog the server looks dead."""


def open_listener(host: str, port: int) -> socket.socket:
    """Return a socket that listens on a port of one address of this machine, or of all for an empty host.

    A port that another server uses is refused, one in TIME_WAIT is not. Raises OSError.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform == "win32":
            # On Windows, SO_REUSEADDR would let two servers share a port, and each gets some of the clients.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(LISTEN_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def lan_addresses() -> list[str]:
    """Return the IPv4 addresses where others may reach this machine, the likeliest first."""
    found: list[str] = []
    # The source addresses towards the Internet and the usual private networks; nothing is sent.
    for target in ("192.0.2.1", "192.168.0.1", "10.0.0.1", "172.16.0.1"):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((target, 9))
                found.append(probe.getsockname()[0])
            except OSError:
                pass  # no route
    with contextlib.suppress(OSError, UnicodeError):  # some machines do not know their own name, or it is too long
        found += socket.gethostbyname_ex(socket.gethostname())[2]
    usable = [address for address in dict.fromkeys(found) if not address.startswith(("127.", "0."))]
    # 169.254.x.x is link-local: what a machine gives itself without a DHCP server.
    return sorted(usable, key=lambda address: address.startswith("169.254."))


def explain_listen_error(error: OSError, host: str, port: int, words: ServerWords) -> str:
    """Return the sentence for a failure of `open_listener`: what happened, and what to do."""
    sentence = {
        errno.EADDRINUSE: words.port_in_use,
        errno.EACCES: words.port_forbidden,
        errno.EADDRNOTAVAIL: words.host_not_here,
    }.get(error.errno or 0, words.cannot_listen)
    if isinstance(error, socket.gaierror):
        sentence = words.host_not_here
    return sentence.format(host=host, port=port, error=error)


def where_to_find(host: str, port: int, words: ServerWords) -> str:
    """Return the lines that say where clients find this server."""
    everywhere = host in ("", "0.0.0.0", "::")
    addresses = lan_addresses() if everywhere else [host]
    is_alone = not addresses or host == "localhost" or host.startswith("127.") or host == "::1"
    lines = [words.reach_line.format(host=address, port=port) for address in addresses or ["127.0.0.1"]]
    return "\n".join([words.reach_here if is_alone else words.reach_title, *lines])
