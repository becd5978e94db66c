"""The listener, and the addresses where clients find it. Main thread only; `ChatServer` closes the listener."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import socket
import sys
from typing import Any

from lan_chat.interfaces import IPAddress, interfaces, likeliest_first, outgoing_addresses
from lan_chat.server.words import ServerWords
from lan_chat.sockets import address_label

BROADCAST = ipaddress.IPv4Address("255.255.255.255")
LISTEN_BACKLOG = 1024
"""Connections that the system may complete before `accept`; with a full backlog the server looks dead."""
NOT_HERE_ERRORS = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL, errno.ENODEV, errno.ENXIO}
"""How systems say that an address, its family or its interface is not one of theirs."""


def open_listener(host: str, port: int) -> socket.socket:
    """Return a socket that listens on a port of one address of this machine, or of all.

    An empty host stands for all IPv4 addresses, `::` for these and all IPv6 ones. A name may have several addresses:
    the first one that is this machine's counts, of IPv4 before IPv6. A port that another server uses is refused, one in
    TIME_WAIT is not. Raises OSError.
    """
    *others, last = addresses_of(host, port)
    for family, address in others:
        try:
            return _listen_at(family, address)
        except OSError as error:
            if error.errno not in NOT_HERE_ERRORS:
                raise
    return _listen_at(*last)


def addresses_of(host: str, port: int) -> list[tuple[int, tuple[Any, ...]]]:
    """Return the families and socket addresses that a host stands for: at least one, IPv4 first. Raises OSError."""
    try:
        found = socket.getaddrinfo(with_scope(host) or "0.0.0.0", port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # it cannot be a name: too long, or with an empty part
        raise socket.gaierror(socket.EAI_NONAME, str(error)) from error
    return sorted(((family, address) for family, _, _, _, address in found), key=lambda one: one[0] != socket.AF_INET)


def with_scope(host: str) -> str:
    """Return a host as `getaddrinfo` understands it, with the number of its interface behind a link-local address."""
    try:
        address = ipaddress.IPv6Address(host.removeprefix("[").removesuffix("]"))
    except ValueError:  # a name, or of IPv4
        return host
    for one in interfaces() if address.is_link_local else ():
        if address.scope_id in (None, one.name) and address.packed == one.address.packed:
            return f"{one.address}%{one.index}"
    return str(address.ipv4_mapped or address)


def _listen_at(family: int, address: tuple[Any, ...]) -> socket.socket:
    bound = ipaddress.ip_address(address[0].partition("%")[0])
    if bound.is_multicast or bound in (BROADCAST, *(one.broadcast for one in interfaces())):
        raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))  # Linux would listen, and nobody comes
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform == "win32":
            # On Windows, SO_REUSEADDR would let two servers share a port, and each gets some of the clients.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # `::` takes IPv4 in, too; Windows needs to be told, and Linux may be set up otherwise.
            with contextlib.suppress(OSError):
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(address)
        listener.listen(LISTEN_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def explain_listen_error(error: OSError, host: str, port: int, words: ServerWords) -> str:
    """Return the sentence for a failure of `open_listener`: what happened, and what to do."""
    sentence = {
        errno.EADDRINUSE: words.port_in_use,
        errno.EACCES: words.port_forbidden,
        **dict.fromkeys(NOT_HERE_ERRORS, words.host_not_here),
    }.get(error.errno or 0, words.cannot_listen)
    if isinstance(error, socket.gaierror):
        sentence = words.host_not_here
    return sentence.format(host=host, port=port, error=error)


def where_to_find(listener: socket.socket, words: ServerWords) -> str:
    """Return the lines that say where clients find the server that listens there."""
    title, hosts, port = _reached_at(listener, words)
    lines = [words.reach_line.format(host=host, port=port) for host in hosts]
    notes = [words.reach_scope] if any("%" in host for host in hosts) else []
    return "\n".join([title, *lines, *notes])


def links_to_find(listener: socket.socket, words: ServerWords) -> list[str]:
    """Return the links under which browsers find the server that listens there, the likeliest first.

    None is to a link-local address of IPv6: no browser takes its interface.
    """
    _, hosts, port = _reached_at(listener, words)
    return [f"http://{address_label((host, port))}/" for host in hosts if "%" not in host]


def _reached_at(listener: socket.socket, words: ServerWords) -> tuple[str, list[str], int]:
    """Return what is said above the addresses where a listener is reached, these, and its port."""
    host, port, *more = listener.getsockname()
    bound = ipaddress.ip_address(host.partition("%")[0])
    if bound.is_unspecified:
        versions = {4} if bound.version == 4 else {6} if is_ipv6_alone(listener) else {4, 6}
        here = [one for one in interfaces() if one.address.version in versions]
        hosts = [written(one.address, one.index) for one in likeliest_first(here, outgoing_addresses())]
        title = words.reach_title if hosts else words.reach_nowhere
        hosts = hosts or ["127.0.0.1" if 4 in versions else "::1"]
    else:
        title = words.reach_here if bound.is_loopback else words.reach_title
        hosts = [written(bound, more[1] if more else 0)]
    return title, list(dict.fromkeys(hosts)), port


def is_ipv6_alone(listener: socket.socket) -> bool:
    """Return whether a listener of IPv6 takes no IPv4 in."""
    return bool(listener.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY))


def written(address: IPAddress, index: int) -> str:
    """Return an address as one writes it on this machine: a link-local one of IPv6 with its interface behind it."""
    if address.version == 4 or not address.is_link_local:
        return str(address)
    scope = str(index)
    if sys.platform != "win32":  # where it is the number that people see
        with contextlib.suppress(OSError):
            scope = socket.if_indextoname(index)
    return f"{address}%{scope}"
