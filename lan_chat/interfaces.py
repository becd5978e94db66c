"""The addresses of this machine: those of every interface that is up. Any thread; nothing to close.

Python's library does not know them, so the system is asked by ctypes: `getifaddrs` on Linux and macOS,
`GetAdaptersAddresses` on Windows. The structures are those of <ifaddrs.h>, <netinet/in.h> and <iptypes.h>.
"""

from __future__ import annotations

import contextlib
import ctypes
import ipaddress
import os
import re
import socket
import sys
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

IFF_UP, IFF_BROADCAST, IFF_LOOPBACK, IFF_POINTOPOINT, IFF_RUNNING = 0x1, 0x2, 0x8, 0x10, 0x40
"""Flags of <net/if.h>, the same on Linux and macOS."""

GAA_FLAGS = 0x2 | 0x4 | 0x8
"""GAA_FLAG_SKIP_ANYCAST, GAA_FLAG_SKIP_MULTICAST, GAA_FLAG_SKIP_DNS_SERVER."""
ERROR_BUFFER_OVERFLOW, ERROR_NO_DATA = 111, 232
FIRST_BUFFER_BYTES = 16 * 1024
"""What Microsoft's documentation of `GetAdaptersAddresses` recommends to begin with, rounded up."""
ATTEMPTS = 5
"""How often the buffer may turn out to be too small: an interface may come between two calls."""
OPER_STATUS_UP = 1
IF_TYPE_LOOPBACK = 24
IF_TYPES_POINT_TO_POINT = {23, 28, 53, 131}
"""IF_TYPE_PPP, IF_TYPE_SLIP, IF_TYPE_PROP_VIRTUAL (WireGuard, OpenVPN, Tailscale), IF_TYPE_TUNNEL."""
DAD_STATES_USABLE = {3, 4}
"""IpDadStateDeprecated, IpDadStatePreferred; the others are not yet, or not, this machine's own."""

VIRTUAL = re.compile(
    r"br-[0-9a-f]{12}$|bridge1\d\d$|(cni|docker|incusbr|lxcbr|lxdbr|podman|vboxnet|veth|virbr|vmnet|vnic)"
    r"|.*(hyper-v virtual ethernet|virtualbox host-only|vmware virtual ethernet)",
    re.IGNORECASE,
)
"""Names and descriptions of interfaces to virtual machines and containers on this machine."""
TUNNEL = re.compile(
    r"(ham|ppp|tap|tun|utun|wg)\d|tap_|zt\w{8}$|.*(hamachi|tailscale|tap-windows|vpn|wireguard|zerotier)", re.IGNORECASE
)
"""Names and descriptions of VPNs, some of which look like a network card to the system."""

FAR_AWAY = ("192.0.2.1", "2001:db8::1")
"""Addresses that only the default route leads to; RFC 5737, RFC 3849: nobody has them."""


@dataclass(frozen=True)
class Interface:
    """One address of an interface that is up. An interface with several addresses is there several times."""

    name: str
    """The system's name for it; on Windows the one that its user sees. Empty where it is not known."""
    index: int
    """The system's number for it, which is the scope of its link-local addresses; 0 where it is not known."""
    address: IPAddress
    """Without a scope."""
    prefix_length: int
    broadcast: ipaddress.IPv4Address | None = None
    """None where there is none: IPv6, loopback, point-to-point, or a network of one or two addresses."""
    is_loopback: bool = False
    is_point_to_point: bool = False
    """Whether there is one peer at its other end, as with most VPNs."""
    is_running: bool = True
    """Whether it has a link: False without a cable, or for a bridge to nobody."""
    description: str = ""
    """What the driver calls the device; on Windows only."""


@dataclass(frozen=True)
class SockaddrLayout:
    """How a system lays out a `struct sockaddr`. Where the address is in it is the same everywhere."""

    has_length: bool
    """Whether a byte with its length comes first, as in all BSDs, and the family has only the second byte."""
    inet6: int
    """The number of AF_INET6."""

    def place_of_address(self, family: int) -> tuple[int, int] | None:
        """Return offset and size of the address, in bytes, or None for a family that is neither IPv4 nor IPv6."""
        return {int(socket.AF_INET): (4, 4), self.inet6: (8, 16)}.get(family)

    def family_at(self, pointer: int) -> int:
        """Return the family of the sockaddr in memory there."""
        first, second = ctypes.string_at(pointer, 2)
        return second if self.has_length else int.from_bytes((first, second), sys.byteorder)

    def packed_at(self, pointer: int, family: int) -> bytes | None:
        """Return the address or netmask in a sockaddr in memory there, in network byte order.

        On macOS a netmask ends with its last byte that is not 0, and may have no family.
        """
        place = self.place_of_address(family)
        if not place:
            return None
        start, size = place
        end = start + size
        if self.has_length:
            end = min(end, ctypes.string_at(pointer, 1)[0])
        return ctypes.string_at(pointer, end)[start:].ljust(size, b"\0") if end > start else bytes(size)


NATIVE = SockaddrLayout(sys.platform == "darwin", int(socket.AF_INET6))


class IfAddrs(ctypes.Structure):
    """`struct ifaddrs` of <ifaddrs.h>, as Linux and macOS have it."""

    _fields_ = (
        ("next", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("flags", ctypes.c_uint),
        ("address", ctypes.c_void_p),
        ("netmask", ctypes.c_void_p),
        ("other_address", ctypes.c_void_p),
        ("data", ctypes.c_void_p),
    )


class AdapterAddresses(ctypes.Structure):
    """The beginning of `IP_ADAPTER_ADDRESSES_LH` of <iptypes.h>."""

    _fields_ = (
        ("length", ctypes.c_uint32),
        ("index", ctypes.c_uint32),  # of IPv4; 0 without it
        ("next", ctypes.c_void_p),
        ("adapter_name", ctypes.c_char_p),
        ("first_unicast", ctypes.c_void_p),
        ("first_anycast", ctypes.c_void_p),
        ("first_multicast", ctypes.c_void_p),
        ("first_dns_server", ctypes.c_void_p),
        ("dns_suffix", ctypes.c_wchar_p),
        ("description", ctypes.c_wchar_p),
        ("friendly_name", ctypes.c_wchar_p),
        ("physical_address", ctypes.c_ubyte * 8),
        ("physical_address_length", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("mtu", ctypes.c_uint32),
        ("if_type", ctypes.c_uint32),
        ("oper_status", ctypes.c_int),
        ("ipv6_index", ctypes.c_uint32),  # 0 without IPv6
    )


class SocketAddress(ctypes.Structure):
    """`SOCKET_ADDRESS` of <ws2def.h>."""

    _fields_ = (("sockaddr", ctypes.c_void_p), ("length", ctypes.c_int))


class UnicastAddress(ctypes.Structure):
    """`IP_ADAPTER_UNICAST_ADDRESS_LH` of <iptypes.h>."""

    _fields_ = (
        ("length", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("next", ctypes.c_void_p),
        ("address", SocketAddress),
        ("prefix_origin", ctypes.c_int),
        ("suffix_origin", ctypes.c_int),
        ("dad_state", ctypes.c_int),
        ("valid_lifetime", ctypes.c_uint32),
        ("preferred_lifetime", ctypes.c_uint32),
        ("lease_lifetime", ctypes.c_uint32),
        ("prefix_length", ctypes.c_uint8),
    )


def interfaces() -> list[Interface]:
    """Return the addresses of every interface that is up, in the system's order.

    Where the system does not give them: those from which this machine would send, which is all that is known then.
    """
    try:
        return _ask_system()
    except (OSError, AttributeError):  # it refuses; it has no such function
        return [Interface("", 0, address, address.max_prefixlen) for address in outgoing_addresses()]


def outgoing_addresses() -> list[IPAddress]:
    """Return this machine's addresses on its default routes, if it has any: of IPv4, then of IPv6. Sends nothing."""
    found = []
    for target in FAR_AWAY:
        family = socket.AF_INET6 if ":" in target else socket.AF_INET
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:  # no route, no IPv6
            probe.connect((target, 9))
            found.append(ipaddress.ip_address(probe.getsockname()[0].partition("%")[0]))
    return found


def likeliest_first(found: Iterable[Interface], outgoing: Collection[IPAddress]) -> list[Interface]:
    """Return the addresses that others may reach, those first that a neighbour on the LAN is likeliest to reach.

    `outgoing` are the addresses on the default routes. A link-local IPv6 address needs to be written otherwise on each
    machine, so it is there only if there is nothing else.
    """

    def rank(one: Interface) -> tuple[object, ...]:
        texts = (one.name, one.description)
        is_outgoing = one.address in outgoing
        is_tunnel = one.is_point_to_point or any(map(TUNNEL.match, texts))
        # A virtual switch may have taken over the card, and is on the LAN itself then.
        is_virtual = any(map(VIRTUAL.match, texts)) and not is_outgoing
        return (
            *(not one.is_running, is_tunnel, is_virtual),
            *(one.address.is_link_local, one.address.version, not one.address.is_private, not is_outgoing),
        )

    others = [one for one in found if not (one.is_loopback or one.address.is_loopback)]
    routable = [one for one in others if one.address.version == 4 or not one.address.is_link_local]
    return sorted(routable or others, key=rank)


def broadcast_of(address: IPAddress, prefix_length: int) -> ipaddress.IPv4Address | None:
    """Return the broadcast address of the network that an address is in, or None where it has none."""
    network = ipaddress.ip_network((address.packed, prefix_length), strict=False)
    if isinstance(network, ipaddress.IPv4Network) and prefix_length < 31:
        return network.broadcast_address
    return None


def from_ifaddrs(first: int | None, layout: SockaddrLayout = NATIVE) -> Iterator[Interface]:
    """Yield what a list of `IfAddrs` in memory says of interfaces that are up."""
    while first:
        entry = IfAddrs.from_address(first)
        first = entry.next
        if not (entry.flags & IFF_UP and entry.address):
            continue
        family = layout.family_at(entry.address)
        packed = layout.packed_at(entry.address, family)
        if packed is None:
            continue
        address = ipaddress.ip_address(packed)
        netmask = layout.packed_at(entry.netmask, family) if entry.netmask else None
        prefix_length = int.from_bytes(netmask, "big").bit_count() if netmask else address.max_prefixlen
        name = os.fsdecode(entry.name)
        yield Interface(
            name,
            _index_of(name),
            address,
            prefix_length,
            broadcast_of(address, prefix_length) if entry.flags & IFF_BROADCAST else None,
            is_loopback=bool(entry.flags & IFF_LOOPBACK),
            is_point_to_point=bool(entry.flags & IFF_POINTOPOINT),
            is_running=bool(entry.flags & IFF_RUNNING),
        )


def _index_of(name: str) -> int:
    """Return the number of an interface; 0 where it has gone meanwhile."""
    with contextlib.suppress(OSError):
        return socket.if_nametoindex(name.partition(":")[0])  # Linux may call a second address `eth0:1`
    return 0


def from_adapters(first: int | None, layout: SockaddrLayout = NATIVE) -> Iterator[Interface]:
    """Yield what a list of `AdapterAddresses` in memory says of adapters that are up."""
    while first:
        adapter = AdapterAddresses.from_address(first)
        first = adapter.next
        unicast = adapter.first_unicast if adapter.oper_status == OPER_STATUS_UP else None
        while unicast:
            entry = UnicastAddress.from_address(unicast)
            unicast = entry.next
            pointer = entry.address.sockaddr
            packed = layout.packed_at(pointer, layout.family_at(pointer)) if pointer else None
            if packed is None or entry.dad_state not in DAD_STATES_USABLE:
                continue
            address = ipaddress.ip_address(packed)
            prefix_length = min(entry.prefix_length, address.max_prefixlen)  # 255 where Windows does not know it
            is_loopback = adapter.if_type == IF_TYPE_LOOPBACK
            is_point_to_point = adapter.if_type in IF_TYPES_POINT_TO_POINT
            yield Interface(
                adapter.friendly_name or "",
                (adapter.index if address.version == 4 else adapter.ipv6_index) or adapter.index,
                address,
                prefix_length,
                None if is_loopback or is_point_to_point else broadcast_of(address, prefix_length),
                is_loopback=is_loopback,
                is_point_to_point=is_point_to_point,
                description=adapter.description or "",
            )


if sys.platform == "win32":

    def _ask_system() -> list[Interface]:
        """Return what `GetAdaptersAddresses` says. Raises OSError."""
        size = ctypes.c_uint32(FIRST_BUFFER_BYTES)
        for _ in range(ATTEMPTS):
            buffer = ctypes.create_string_buffer(size.value)
            get_addresses = ctypes.windll.iphlpapi.GetAdaptersAddresses
            status = get_addresses(socket.AF_UNSPEC, GAA_FLAGS, None, buffer, ctypes.byref(size))
            if status != ERROR_BUFFER_OVERFLOW:
                break
        if status not in (0, ERROR_NO_DATA):
            raise ctypes.WinError(status)
        return list(from_adapters(ctypes.addressof(buffer))) if status == 0 else []

else:

    def _ask_system() -> list[Interface]:
        """Return what `getifaddrs` says. Raises OSError."""
        library = ctypes.CDLL(None, use_errno=True)
        library.freeifaddrs.argtypes = [ctypes.c_void_p]  # or a pointer would be cut to an int
        first = ctypes.c_void_p()
        if library.getifaddrs(ctypes.byref(first)):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        try:
            return list(from_ifaddrs(first.value))
        finally:
            library.freeifaddrs(first)
