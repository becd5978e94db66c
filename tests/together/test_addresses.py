"""Where the server says that it is found, and whether it is, between machines with all kinds of networks."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator

import pytest

from lan_chat.client.session import Session
from lan_chat.interfaces import Interface, interfaces, likeliest_first, outgoing_addresses
from lan_chat.server.words import ITALIAN
from tests.support.namespaces import Machine, machines
from tests.support.peers import GREETING, Peer
from tests.support.programs import TOP, Program

TITLE = ITALIAN.reach_title
HERE = ["127.0.0.1"]


class Server(Program):
    """The server's program, with what it says of where it is found."""

    def __init__(self, host: str, *before: str) -> None:
        command = (
            *before,
            str(TOP / "chat_server.py"),
            "--host",
            host,
            "--port",
            "0",
            "--greeting-wait",
            "0",
            "--web",
            "off",
        )
        super().__init__(*command, stdin=subprocess.DEVNULL)
        self.expect("Waiting for connections...\n")
        banner = self.expect("  porta ")
        self.port = int(self.expect("\n"))
        self.title, _, address = banner.removesuffix("  porta ").rpartition("\n")
        self.first = address.strip()

    def hosts(self, connects_to: str) -> list[str]:
        """Return all hosts that it has printed: those are there before a client is, which here comes to one of them."""
        with Peer(self.port, connects_to) as peer:
            peer.expect(GREETING)
            *lines, _ = self.expect("has connected to the server.").splitlines()
        return [self.first, *(line.removesuffix(f"  porta {self.port}").strip() for line in lines)]


def greeting_at(host: str, port: int) -> str:
    """Return what somebody is greeted with who has typed this host and port into our client, and leaves."""
    with contextlib.closing(Session(host, port, "it")) as session:
        session.connect()
    with Peer(port, host) as peer:
        return peer.expect(GREETING)


@pytest.fixture
def two() -> Iterator[tuple[Machine, Machine]]:
    """Two machines with a cable between `lan0` here and `eth7` there, and no addresses."""
    with machines("near", "far") as (near, far):
        near.plug_in("lan0", far, "eth7")
        yield near, far


def addresses_at(machine: Machine) -> list[Interface]:
    with machine.at():
        return [one for one in interfaces() if not (one.address.version == 6 and one.address.is_link_local)]


@pytest.mark.root
def test_the_interfaces_are_those_that_the_machine_has(two: tuple[Machine, Machine]) -> None:
    near, _ = two
    near.add_address("lan0", "192.168.77.1/22")
    near.add_address("lan0", "fd77::1/64")
    near.ip("address", "add", "10.77.0.1/32", "dev", "lan0", "label", "lan0:1")
    near.ip("tuntap", "add", "tun0", "mode", "tun")
    near.add_address("tun0", "10.8.0.2/24")
    without = addresses_at(near)
    near.ip("link", "set", "tun0", "up")
    with near.at():
        found = {str(one.address): one for one in interfaces()}
    assert "10.8.0.2" not in {str(one.address) for one in without}  # its interface is not up
    lan, second, ipv6, tun = (found[host] for host in ("192.168.77.1", "10.77.0.1", "fd77::1", "10.8.0.2"))
    assert (lan.name, lan.prefix_length, str(lan.broadcast), lan.is_running) == ("lan0", 22, "192.168.79.255", True)
    assert (second.prefix_length, second.broadcast, second.index) == (32, None, lan.index)
    assert (ipv6.prefix_length, ipv6.broadcast, ipv6.index) == (64, None, lan.index)
    assert (tun.name, tun.prefix_length, tun.broadcast, tun.is_point_to_point) == ("tun0", 24, None, True)
    assert not tun.is_running  # nobody is at its other end
    assert found["127.0.0.1"].is_loopback


@pytest.mark.root
@pytest.mark.parametrize(
    ("near_address", "far_address"), [("192.168.77.1/24", "192.168.77.2/24"), ("169.254.7.1/16", "169.254.9.2/16")]
)
def test_without_a_default_route_the_others_are_told_the_address_and_connect(
    two: tuple[Machine, Machine], near_address: str, far_address: str
) -> None:
    near, far = two
    near.add_address("lan0", near_address)
    far.add_address("eth7", far_address)
    with near.at(), Server("") as server:
        assert server.title == TITLE
        with far.at():
            assert server.hosts(server.first) == [near_address.partition("/")[0]]
            assert greeting_at(server.first, server.port) == GREETING


@pytest.mark.root
def test_beside_a_vpn_that_takes_all_traffic_the_lan_comes_first(two: tuple[Machine, Machine]) -> None:
    near, far = two
    near.ip("tuntap", "add", "tun0", "mode", "tun")
    near.add_address("tun0", "10.8.0.2/24")
    near.ip("link", "set", "tun0", "up")
    near.ip("route", "add", "default", "dev", "tun0")
    near.add_address("lan0", "192.168.77.1/24")
    far.add_address("eth7", "192.168.77.2/24")
    with near.at(), Server("") as server:
        assert [str(address) for address in outgoing_addresses()] == ["10.8.0.2"]
        with far.at():
            assert server.hosts("192.168.77.1") == ["192.168.77.1", "10.8.0.2"]


@pytest.mark.root
def test_a_network_that_comes_later_lets_the_others_in(two: tuple[Machine, Machine]) -> None:
    near, far = two
    near.ip("link", "set", "lan0", "down")
    with near.at(), Server("") as server:
        assert server.title == ITALIAN.reach_nowhere
        assert server.hosts("127.0.0.1") == HERE
        near.add_address("lan0", "192.168.77.1/24")
        near.ip("link", "set", "lan0", "up")
        far.add_address("eth7", "192.168.77.2/24")
        with far.at():
            assert greeting_at("192.168.77.1", server.port) == GREETING


@pytest.mark.root
def test_a_server_on_both_kinds_of_addresses_is_reached_at_each_that_it_prints(two: tuple[Machine, Machine]) -> None:
    near, far = two
    for card, machine, number in (("lan0", near, 1), ("eth7", far, 2)):
        for address in (f"192.168.77.{number}/24", f"fd77::{number}/64", f"fe80::{number}/64"):
            machine.add_address(card, address)
    with near.at(), Server("::") as server, far.at():
        hosts = server.hosts(server.first)
        assert (server.title, hosts) == (TITLE, ["192.168.77.1", "fd77::1"])
        for host in hosts:
            assert greeting_at(host, server.port) == GREETING
        assert "192.168.77.2:" in server.expect("has left the server.")
        assert "[fd77::2]:" in server.expect("[fd77::2]:")


@pytest.mark.root
def test_a_link_local_address_is_listened_on_and_reached_through_each_machines_own_interface(
    two: tuple[Machine, Machine],
) -> None:
    near, far = two
    near.add_address("lan0", "fe80::1/64")
    far.add_address("eth7", "fe80::2/64")
    with near.at():
        index = next(one.index for one in interfaces() if str(one.address) == "fe80::1")
        for host in ("fe80::1%lan0", f"fe80::1%{index}", "fe80::1"):
            with Server(host) as server:
                assert (server.title, server.first) == (TITLE, "fe80::1%lan0")
                assert server.hosts("fe80::1%lan0") == ["fe80::1%lan0", ITALIAN.reach_scope]
                with far.at():
                    assert greeting_at("fe80::1%eth7", server.port) == GREETING
                assert f"[fe80::2%{index}]:" in server.expect("[fe80::2%") + server.expect("has left")


@pytest.mark.wine
@pytest.mark.slow
def test_on_windows_a_server_on_both_kinds_of_addresses_takes_both_in_and_prints_its_own() -> None:
    from tools import windows

    if missing := windows.packages_missing():
        pytest.skip(f"there is no wine (Debian: apt install --no-install-recommends {' '.join(missing)})")
    with Server("::", str(TOP / "tools" / "windows.py"), "python") as server:
        try:
            shown = {str(one.address) for one in likeliest_first(interfaces(), outgoing_addresses())}
            assert sorted(server.hosts("127.0.0.1")) == sorted(shown or HERE)
            for one in interfaces():
                if one.address.version == 4 or not one.address.is_link_local:
                    assert greeting_at(str(one.address), server.port) == GREETING
        finally:
            server.process.terminate()  # windows.py ends what it has started
            server.expect_end()
