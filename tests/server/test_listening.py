"""The port that the server listens on, and where the others find it."""

from __future__ import annotations

import ipaddress
import logging
import socket
from collections.abc import Iterator

import pytest

from lan_chat.interfaces import Interface, interfaces, likeliest_first
from lan_chat.server import listening
from lan_chat.server.commands import Operator
from lan_chat.server.listening import addresses_of, links_to_find, open_listener, where_to_find
from lan_chat.server.server import ChatServer
from lan_chat.server.words import ENGLISH, ITALIAN
from tests.support.peers import LinePeer, Peer
from tests.support.servers import limits
from tests.support.waiting import wait_until


def test_the_port_can_be_used_again_at_once() -> None:
    listener = open_listener("127.0.0.1", 0)
    port = listener.getsockname()[1]
    for _ in range(2):
        server = ChatServer(listener)
        server.start()
        with LinePeer(port, "Ada"):
            server.stop()  # the server closes first, so the system remembers the connection for a minute
        listener = open_listener("127.0.0.1", port)
    listener.close()


# --- where the others find it ---------------------------------------------------------------------------------------


def one(name: str, address: str, prefix_length: int = 24, **more: object) -> Interface:
    return Interface(name, 2, ipaddress.ip_address(address), prefix_length, **more)  # type: ignore[arg-type]


LO = one("lo", "127.0.0.1", 8, is_loopback=True)
LO6 = one("lo", "::1", 128, is_loopback=True)
LAN = one("eth0", "192.168.1.20")
WIFI = one("wlan0", "10.0.0.3")
CAMPUS = one("eth1", "130.192.5.5")
SELF_GIVEN = one("eth2", "169.254.7.7", 16)
IPV6 = one("eth0", "fd00::20", 64)
LINK_LOCAL = one("eth0", "fe80::20", 64)
TUN = one("tun0", "10.8.0.2", is_point_to_point=True)
TAP = one("Ethernet 3", "10.9.0.2", description="TAP-Windows Adapter V9")
DOCKER = one("docker0", "172.17.0.1", 16)
UNPLUGGED = one("eth3", "192.168.9.9", is_running=False)
HYPER_V = one("vEthernet (External)", "192.168.3.3", description="Hyper-V Virtual Ethernet Adapter")
WSL = one("vEthernet (WSL)", "172.28.0.1", description="Hyper-V Virtual Ethernet Adapter #2")


@pytest.mark.parametrize(
    ("found", "outgoing", "shown"),
    [
        ([LO, LAN, WIFI], [LAN], [LAN, WIFI]),
        ([LO, LAN, WIFI], [WIFI], [WIFI, LAN]),
        ([LO, LAN, WIFI], [], [LAN, WIFI]),
        ([LO, SELF_GIVEN], [], [SELF_GIVEN]),
        ([SELF_GIVEN, CAMPUS, LAN], [CAMPUS], [LAN, CAMPUS, SELF_GIVEN]),
        ([TUN, LAN], [TUN], [LAN, TUN]),  # a VPN that takes all traffic
        ([TAP, LAN], [TAP], [LAN, TAP]),
        ([TUN, SELF_GIVEN], [TUN], [SELF_GIVEN, TUN]),
        ([LO, TUN], [TUN], [TUN]),
        ([DOCKER, SELF_GIVEN], [], [SELF_GIVEN, DOCKER]),
        ([TUN, DOCKER, LAN], [LAN], [LAN, DOCKER, TUN]),
        ([UNPLUGGED, DOCKER, LAN], [], [LAN, DOCKER, UNPLUGGED]),
        ([WSL, HYPER_V], [HYPER_V], [HYPER_V, WSL]),
        ([WSL, LAN], [LAN], [LAN, WSL]),
        ([LO6, LINK_LOCAL, IPV6, LAN], [LAN, IPV6], [LAN, IPV6]),
        ([LO6, LINK_LOCAL], [], [LINK_LOCAL]),
        ([LO, LO6, one("lo", "10.255.255.254", 32, is_loopback=True)], [], []),
    ],
)
def test_the_likeliest_address_comes_first(
    found: list[Interface], outgoing: list[Interface], shown: list[Interface]
) -> None:
    assert likeliest_first(found, [one.address for one in outgoing]) == shown


@pytest.mark.parametrize(
    "name",
    [
        *(
            "br-0123456789ab",
            "bridge100",
            "docker0",
            "lxdbr0",
            "podman1",
            "vboxnet0",
            "veth1a2b3c4",
            "virbr0",
            "vmnet8",
        ),
        *("ppp0", "tap0", "tun1", "utun3", "wg0", "ztabcdefgh", "ProtonVPN", "Tailscale"),
    ],
)
def test_bridges_and_vpns_come_after_a_card(name: str) -> None:
    assert likeliest_first([one(name, "10.1.1.1"), SELF_GIVEN], []) == [SELF_GIVEN, one(name, "10.1.1.1")]


@pytest.mark.parametrize(
    "name", ["br-lan", "bridge0", "Ethernet", "enp3s0", "en0", "wlan0", "Wi-Fi", "team0", "Tunisia"]
)
def test_a_card_and_a_bridge_to_the_lan_are_not_taken_for_virtual_ones(name: str) -> None:
    assert likeliest_first([SELF_GIVEN, one(name, "10.1.1.1")], []) == [one(name, "10.1.1.1"), SELF_GIVEN]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> list[Interface]:
    """The addresses that this machine is said to have, none at first."""
    found: list[Interface] = []
    monkeypatch.setattr(listening, "interfaces", lambda: found)
    monkeypatch.setattr(listening, "outgoing_addresses", list)
    return found


def banner_at(host: str) -> str:
    """What a server on this address says of where it is found, without its port."""
    with open_listener(host, 0) as listener:
        return where_to_find(listener, ITALIAN).replace(str(listener.getsockname()[1]), "PORT")


def test_it_tells_where_the_others_find_it(machine: list[Interface]) -> None:
    machine += [LO, LAN, one("eth0:1", "192.168.1.20"), WIFI, IPV6]
    title = "Gli altri computer della rete si collegano a:"
    assert banner_at("") == f"{title}\n    192.168.1.20  porta PORT\n    10.0.0.3  porta PORT"
    assert banner_at("::") == (
        f"{title}\n    192.168.1.20  porta PORT\n    10.0.0.3  porta PORT\n    fd00::20  porta PORT"
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::ffff:127.0.0.1"])
def test_only_this_computer_can_connect_where_it_listens_on_loopback_alone(host: str, machine: list[Interface]) -> None:
    machine += [LO, LAN]
    assert banner_at(host) == "Solo questo computer può collegarsi, a:\n    127.0.0.1  porta PORT"


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::"])
def test_without_a_network_it_says_that_and_not_that_nobody_else_can_connect(
    host: str, machine: list[Interface]
) -> None:
    machine += [LO, LO6]
    assert banner_at(host) == f"{ITALIAN.reach_nowhere}\n    127.0.0.1  porta PORT"
    assert "Solo questo computer" not in banner_at(host)


def links_at(host: str) -> list[str]:
    """What a server on this address says of where browsers find it, without its port."""
    with open_listener(host, 0) as listener:
        port = f":{listener.getsockname()[1]}/"
        links = links_to_find(listener, ITALIAN)
    assert all(link.endswith(port) for link in links)
    return [link.removesuffix(port) for link in links]


def test_browsers_find_it_at_the_same_addresses_but_those_that_they_cannot_open(machine: list[Interface]) -> None:
    assert links_at("") == ["http://127.0.0.1"]
    machine += [LO, LINK_LOCAL]
    assert links_at("::") == []
    machine += [LAN, one("eth0:1", "192.168.1.20"), WIFI, IPV6]
    assert links_at("") == ["http://192.168.1.20", "http://10.0.0.3"]
    assert links_at("::") == ["http://192.168.1.20", "http://10.0.0.3", "http://[fd00::20]"]
    assert links_at("127.0.0.1") == ["http://127.0.0.1"]
    assert links_at("::1") == ["http://[::1]"]


def test_a_link_local_address_is_shown_with_what_each_computer_has_to_write_itself(machine: list[Interface]) -> None:
    machine += [LO, one("eth0", "fe80::20", 64)]
    *_, address, note = banner_at("::").splitlines()
    assert address.startswith("    fe80::20%")
    assert note == ITALIAN.reach_scope


def test_addresses_of_this_machine_alone_are_not_shown_to_others() -> None:
    shown = likeliest_first(interfaces(), [])
    assert not [one for one in shown if one.address.is_loopback]
    for host in ("", "::"):
        hosts = [line.split()[0] for line in banner_at(host).splitlines() if line.startswith("    ")]
        assert len(hosts) == len(set(hosts))


# --- what it listens on ---------------------------------------------------------------------------------------------


def test_a_name_stands_for_its_first_address_here_and_ipv4_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    tcp = (socket.SOCK_STREAM, 6, "")
    found = [
        (socket.AF_INET6, *tcp, ("::1", 0, 0, 0)),
        (socket.AF_INET, *tcp, ("192.0.2.77", 0)),  # another machine's
        (socket.AF_INET, *tcp, ("127.0.0.1", 0)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with open_listener("pc-di-ada", 0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
        port = listener.getsockname()[1]
        found[2:] = [(socket.AF_INET, *tcp, ("127.0.0.1", port)), (socket.AF_INET6, *tcp, ("::1", port, 0, 0))]
        with pytest.raises(OSError, match=r".") as refused:  # and not on the next one, where nobody looks for it
            open_listener("pc-di-ada", port)
    assert "53000" in listening.explain_listen_error(refused.value, "pc-di-ada", 53000, ITALIAN)


@pytest.mark.parametrize(
    "host", ["192.0.2.77", "fe80::77%99", "fe80::77%nessuna", "fd00::77", "a..b", "x" * 70, "[Ada]"]
)
def test_a_host_that_is_not_this_machines_is_explained(host: str) -> None:
    with pytest.raises(OSError, match=r".") as refused:
        open_listener(host, 0)
    explained = listening.explain_listen_error(refused.value, host, 0, ENGLISH)
    assert explained == ENGLISH.host_not_here.format(host=host)


@pytest.mark.parametrize("host", ["fe80::20", "fe80::20%eth0", "FE80:0::20%eth0", "[fe80::20%eth0]"])
def test_a_link_local_address_gets_the_number_of_its_interface(host: str, machine: list[Interface]) -> None:
    machine += [one("eth0", "10.0.0.1"), Interface("eth0", 7, ipaddress.ip_address("fe80::20"), 64)]
    assert addresses_of(host, 53000) == [(socket.AF_INET6, ("fe80::20", 53000, 0, 7))]


@pytest.fixture
def server_on_all() -> Iterator[ChatServer]:
    """A server on all addresses of both kinds, where one address may have one connection."""
    server = ChatServer(open_listener("::", 0), limits(rate=0, grace_s=0.0, backlog=0, max_per_host=1), ENGLISH)
    server.start()
    yield server
    server.stop()


def test_all_addresses_of_both_kinds_are_listened_on(server_on_all: ChatServer) -> None:
    here = [one for one in interfaces() if one.is_loopback and one.address.is_loopback]
    assert here
    for one in here:
        with Peer(server_on_all.port, str(one.address)) as peer:
            peer.expect(ENGLISH.greeting)


def test_a_peer_of_ipv4_is_one_whichever_way_it_comes(
    server_on_all: ChatServer, caplog: pytest.LogCaptureFixture
) -> None:
    """On a socket for both kinds its address is `::ffff:127.0.0.1`: log, limits and bans know it as IPv4."""
    caplog.set_level(logging.INFO)
    operator = Operator(server_on_all, ENGLISH)
    with Peer(server_on_all.port) as ada:
        ada.expect(ENGLISH.greeting)
        ada.send("Ada\n")
        ada.expect("Ada has joined the chat!\n")
        host, port = ada.sock.getsockname()
        assert f"127.0.0.1:{port} has connected to the server." in caplog.text
        assert server_on_all.hosts._hosts.keys() == {"127.0.0.1"}
        with Peer(server_on_all.port) as second:
            assert second.expect_end() == ENGLISH.host_full + "{end_conn}"
        assert f"{host}:{port}" in operator.answer("who")
        assert operator.answer("ban ::ffff:127.0.0.1") == "127.0.0.1 cannot come in any more."
        assert ENGLISH.banned in ada.expect_end()
    wait_until(lambda: f"127.0.0.1:{port} has left the server." in caplog.text)
    with Peer(server_on_all.port) as again:
        assert again.expect_end() == ENGLISH.banned + "{end_conn}"
    assert "ffff" not in caplog.text


@pytest.mark.parametrize("place", ["fe80::1%7", "[FE80::1%7]:4000", "fe80::1", "fe80::1%eth9"])
def test_a_peer_of_a_link_local_address_is_banned_as_it_is_shown_at_each_interface(
    server: ChatServer, operator: Operator, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "if_nametoindex", lambda name: 7)
    hosts = {"Ada": "fe80::1%7", "Bob": "fe80::1%8"}
    coming = iter([*hosts.values(), *hosts.values()])
    monkeypatch.setattr("lan_chat.server.server.peer_address", lambda accepted: (next(coming), accepted[1]))
    with LinePeer(server.port, "Ada") as ada, LinePeer(server.port, "Bob") as bob:
        assert f"[fe80::1%7]:{ada.sock.getsockname()[1]}" in operator.answer("who")
        operator.answer(f"ban {place}")
        assert ITALIAN.banned in ada.expect_end()
        with Peer(server.port) as again:
            assert again.expect_end() == ITALIAN.banned + "{end_conn}"
        with Peer(server.port) as other:  # at another interface
            other.expect(ITALIAN.banned)
        assert ITALIAN.banned in bob.expect_end()
        assert "can come in again" in operator.answer(f"unban {place}")
