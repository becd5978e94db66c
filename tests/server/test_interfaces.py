"""This machine's addresses: what the systems' structures say, as each of them lays them out, and what this one says."""

from __future__ import annotations

import ctypes
import ipaddress
import socket
import struct
import sys
from dataclasses import dataclass, field
from typing import Any

import pytest

from lan_chat import interfaces as room
from lan_chat.interfaces import (
    AdapterAddresses,
    IfAddrs,
    Interface,
    SockaddrLayout,
    UnicastAddress,
    from_adapters,
    from_ifaddrs,
    interfaces,
    outgoing_addresses,
)

LINUX, MACOS, WINDOWS = SockaddrLayout(False, 10), SockaddrLayout(True, 30), SockaddrLayout(False, 23)
UP_ETHERNET, UP_LOOPBACK, UP_TUNNEL = 0x1 | 0x2 | 0x40, 0x1 | 0x8 | 0x40, 0x1 | 0x10 | 0x40


def sockaddr(layout: SockaddrLayout, address: str, length: int | None = None, family: int | None = None) -> bytes:
    """A `struct sockaddr_in` or `sockaddr_in6`, up to a length where the system cuts it."""
    packed = ipaddress.ip_address(address).packed
    family = family if family is not None else 2 if len(packed) == 4 else layout.inet6
    rest = b"\0\0" + packed + bytes(8) if len(packed) == 4 else bytes(6) + packed + bytes(4)
    whole = 2 + len(rest) if length is None else length
    head = bytes([whole, family]) if layout.has_length else struct.pack("=H", family)
    return (head + rest)[: max(whole, 1)]


@dataclass
class Memory:
    """Structures that point to each other, kept as long as a test needs them."""

    kept: list[object] = field(default_factory=list)

    def keep(self, thing: Any) -> int:
        self.kept.append(thing)
        return ctypes.addressof(thing)

    def put(self, data: bytes) -> int:
        # Filled up with what is no part of it, and must not be read.
        return self.keep(ctypes.create_string_buffer(data + b"\xff" * 28))

    def ifaddrs(self, *entries: tuple[bytes, int, bytes | None, bytes | None]) -> int:
        """What `getifaddrs` returns: for each entry its name, flags, address and netmask."""
        following = 0
        for name, flags, address, netmask in reversed(entries):
            pointers = [self.put(data) if data is not None else None for data in (address, netmask)]
            following = self.keep(IfAddrs(following or None, name, flags, *pointers))
        return following

    def adapters(self, *adapters: tuple[dict[str, Any], list[tuple[str, int, int]]]) -> int:
        """What `GetAdaptersAddresses` returns: for each adapter its fields and its addresses, prefixes and states."""
        following = 0
        for fields, addresses in reversed(adapters):
            unicast = 0
            for address, prefix_length, dad_state in reversed(addresses):
                entry = UnicastAddress(next=unicast or None, prefix_length=prefix_length, dad_state=dad_state)
                entry.address.sockaddr = self.put(sockaddr(WINDOWS, address))
                unicast = self.keep(entry)
            following = self.keep(AdapterAddresses(next=following or None, first_unicast=unicast or None, **fields))
        return following


@pytest.fixture
def indexes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine has these interfaces, whatever it really has."""

    def index_of(name: str) -> int:
        try:
            return {"lo": 1, "eth0": 2, "en0": 4, "tun0": 7}[name]
        except KeyError as error:
            raise OSError("no such interface") from error

    monkeypatch.setattr(socket, "if_nametoindex", index_of)


def ip(text: str) -> Any:
    return ipaddress.ip_address(text)


@pytest.mark.usefixtures("indexes")
def test_linux_says_what_its_interfaces_are() -> None:
    memory = Memory()
    list_ = memory.ifaddrs(
        (b"eth0", UP_ETHERNET, struct.pack("=H", 17) + bytes(18), None),  # AF_PACKET: its hardware address
        (b"lo", UP_LOOPBACK, sockaddr(LINUX, "127.0.0.1"), sockaddr(LINUX, "255.0.0.0")),
        (b"eth0", UP_ETHERNET, sockaddr(LINUX, "192.168.1.20"), sockaddr(LINUX, "255.255.255.0")),
        (b"eth0:1", UP_ETHERNET & ~0x40, sockaddr(LINUX, "10.0.0.3"), sockaddr(LINUX, "255.255.255.254")),
        (b"eth1", 0x2, sockaddr(LINUX, "10.1.0.1"), sockaddr(LINUX, "255.0.0.0")),  # not up
        (b"tun0", UP_TUNNEL, sockaddr(LINUX, "10.8.0.2"), sockaddr(LINUX, "255.255.255.255")),
        (b"wlan0", UP_ETHERNET, None, None),
        (b"gone", UP_ETHERNET, sockaddr(LINUX, "fe80::1"), sockaddr(LINUX, "ffff:ffff:ffff:ffff::")),
    )
    assert list(from_ifaddrs(list_, LINUX)) == [
        Interface("lo", 1, ip("127.0.0.1"), 8, is_loopback=True),
        Interface("eth0", 2, ip("192.168.1.20"), 24, ip("192.168.1.255")),
        Interface("eth0:1", 2, ip("10.0.0.3"), 31, is_running=False),
        Interface("tun0", 7, ip("10.8.0.2"), 32, is_point_to_point=True),
        Interface("gone", 0, ip("fe80::1"), 64),
    ]


@pytest.mark.usefixtures("indexes")
def test_macos_says_what_its_interfaces_are() -> None:
    memory = Memory()
    list_ = memory.ifaddrs(
        (b"en0", UP_ETHERNET, bytes([20, 18]) + bytes(18), None),  # AF_LINK: its hardware address
        # A netmask ends with its last byte that is not 0, and may have no family.
        (b"lo", UP_LOOPBACK, sockaddr(MACOS, "127.0.0.1"), sockaddr(MACOS, "255.0.0.0", length=5)),
        (b"en0", UP_ETHERNET, sockaddr(MACOS, "192.168.1.20"), sockaddr(MACOS, "255.255.255.0", length=7, family=0)),
        (b"en0", UP_ETHERNET, sockaddr(MACOS, "fe80::20"), sockaddr(MACOS, "ffff:ffff:ffff:ffff::", length=16)),
        (b"tun0", UP_TUNNEL, sockaddr(MACOS, "10.8.0.2"), sockaddr(MACOS, "255.255.255.255")),
        (b"tun0", UP_TUNNEL, sockaddr(MACOS, "10.9.0.2"), sockaddr(MACOS, "0.0.0.0", length=0)),
    )
    assert list(from_ifaddrs(list_, MACOS)) == [
        Interface("lo", 1, ip("127.0.0.1"), 8, is_loopback=True),
        Interface("en0", 4, ip("192.168.1.20"), 24, ip("192.168.1.255")),
        Interface("en0", 4, ip("fe80::20"), 64),
        Interface("tun0", 7, ip("10.8.0.2"), 32, is_point_to_point=True),
        Interface("tun0", 7, ip("10.9.0.2"), 0, is_point_to_point=True),
    ]


def test_windows_says_what_its_adapters_are() -> None:
    memory = Memory()
    ethernet = {"index": 5, "ipv6_index": 6, "friendly_name": "Ethernet", "description": "Realtek", "if_type": 6}
    vpn = {"index": 9, "ipv6_index": 9, "friendly_name": "wg", "description": "WireGuard Tunnel", "if_type": 53}
    loopback = {"index": 1, "ipv6_index": 1, "friendly_name": "Loopback", "if_type": 24}
    list_ = memory.adapters(
        # 1: not yet known whether another machine has that address; 2: one has it.
        (ethernet | {"oper_status": 1}, [("192.168.1.20", 24, 4), ("fe80::20", 64, 4), ("10.0.0.1", 8, 1)]),
        (ethernet | {"oper_status": 2}, [("192.168.2.20", 24, 4)]),  # its cable is out
        (vpn | {"oper_status": 1}, [("10.8.0.2", 255, 4), ("10.8.0.9", 32, 2)]),
        (loopback | {"oper_status": 1}, [("127.0.0.1", 8, 4)]),
        ({"index": 0, "ipv6_index": 8, "if_type": 71, "oper_status": 1}, [("fd00::8", 64, 3)]),
    )
    assert list(from_adapters(list_, WINDOWS)) == [
        Interface("Ethernet", 5, ip("192.168.1.20"), 24, ip("192.168.1.255"), description="Realtek"),
        Interface("Ethernet", 6, ip("fe80::20"), 64, description="Realtek"),
        Interface("wg", 9, ip("10.8.0.2"), 32, is_point_to_point=True, description="WireGuard Tunnel"),
        Interface("Loopback", 1, ip("127.0.0.1"), 8, is_loopback=True),
        Interface("", 8, ip("fd00::8"), 64),
    ]


@pytest.mark.skipif(ctypes.sizeof(ctypes.c_void_p) != 8, reason="Windows on 32 bits has other offsets")
def test_the_structures_are_those_of_windows_headers() -> None:
    """The offsets that <iptypes.h> has on 64 bits."""
    wanted = {
        "next": 8,
        "first_unicast": 24,
        "friendly_name": 72,
        "if_type": 100,
        "oper_status": 104,
        "ipv6_index": 108,
    }
    assert {name: getattr(AdapterAddresses, name).offset for name in wanted} == wanted
    wanted = {"next": 8, "address": 16, "prefix_origin": 32, "dad_state": 40, "prefix_length": 56}
    assert {name: getattr(UnicastAddress, name).offset for name in wanted} == wanted


def test_this_machine_has_itself() -> None:
    found = interfaces()
    (here,) = [one for one in found if str(one.address) == "127.0.0.1"]
    assert (here.prefix_length, here.broadcast, here.is_loopback, here.is_running) == (8, None, True, True)
    for one in found:
        assert one.name
        assert one.index > 0
        assert 0 < one.prefix_length <= one.address.max_prefixlen
        if one.broadcast is not None:
            network = ipaddress.ip_network(f"{one.address}/{one.prefix_length}", strict=False)
            assert one.broadcast == network.broadcast_address
    assert {str(address) for address in outgoing_addresses()} <= {str(one.address) for one in found}


def test_every_ipv4_address_can_be_bound() -> None:
    for one in interfaces():
        if one.address.version == 4:  # an IPv6 address may still be tentative
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.bind((str(one.address), 0))


@pytest.mark.parametrize("error", [OSError("refused"), AttributeError("getifaddrs")])
def test_without_the_system_the_addresses_on_the_default_routes_are_known(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse() -> list[Interface]:
        raise error

    monkeypatch.setattr(room, "_ask_system", refuse)
    monkeypatch.setattr(room, "outgoing_addresses", lambda: [ip("192.168.1.20"), ip("fd00::2")])
    assert interfaces() == [Interface("", 0, ip("192.168.1.20"), 32), Interface("", 0, ip("fd00::2"), 128)]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no getifaddrs")
def test_a_list_that_cannot_be_had_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Library:
        freeifaddrs = ctypes.CFUNCTYPE(None)()

        def getifaddrs(self, _: object) -> int:
            ctypes.set_errno(105)
            return -1

    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: Library())
    monkeypatch.setattr(room, "outgoing_addresses", list)
    assert interfaces() == []
