"""Rooms are found between machines with all kinds of networks and firewalls, by our programs at their real ports."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lan_chat import rooms
from lan_chat.client.search import Search
from lan_chat.client.words import ITALIAN
from lan_chat.interfaces import Interface, interfaces
from lan_chat.rooms import Remembered
from tests.support.lan import NO_IPV6, NO_UDP, ONLY_REPLIES, Lan, lan, set_firewall
from tests.support.peers import GREETING
from tests.support.programs import TOP, Program
from tests.support.waiting import wait_until
from tests.together.test_addresses import greeting_at

pytestmark = pytest.mark.root


@pytest.fixture
def three_rooms() -> Iterator[Lan]:
    with lan() as made:
        yield made


def found_by(lan: Lan, *remembered: Remembered, count: int = 3) -> dict[str, str]:
    """Search on a machine until that many rooms are listed; return their addresses by their names."""
    with lan.here.at(), contextlib.closing(Search(remembered, lambda: None, udp_port=rooms.PORT)) as search:
        search.start()
        wait_until(lambda: len(search.rooms()) >= count, search.rooms)
        return {found.room.name: found.host for found in search.rooms()}


def find(lan: Lan) -> tuple[int, str]:
    """Run `chat_client.py --find` on a machine; return its exit status, and what it has printed."""
    with lan.here.at():
        program = Program(TOP / "chat_client.py", "--find", stdin=subprocess.DEVNULL, LAN_CHAT_UDP_PORT=str(rooms.PORT))
    with program:
        return program.expect_end()


def test_rooms_on_all_networks_are_found_without_a_default_route(three_rooms: Lan) -> None:
    assert found_by(three_rooms) == three_rooms.rooms


def test_the_program_lists_them(three_rooms: Lan) -> None:
    expected = (0, "".join(sorted(f"{name}\t{host}\t53000\t0\topen\n" for name, host in three_rooms.rooms.items())))

    def listed() -> tuple[int, str]:
        status, output = find(three_rooms)
        return status, "".join(sorted(output.splitlines(keepends=True)))

    wait_until(lambda: listed() == expected, listed)


def test_behind_a_firewall_that_lets_in_only_replies_they_are_found(three_rooms: Lan) -> None:
    """No answer to a broadcast comes through: each address has to be asked, and the highest one, too."""
    set_firewall(three_rooms.here, ONLY_REPLIES)
    assert found_by(three_rooms) == three_rooms.rooms


def test_behind_such_a_firewall_they_stay_in_the_list(three_rooms: Lan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Although each address is asked but once."""
    set_firewall(three_rooms.here, ONLY_REPLIES)
    monkeypatch.setattr("lan_chat.client.search.ROUND_S", 0.5)
    looks: list[int] = []

    def look_up() -> list[Interface]:
        looks.append(len(looks))
        return interfaces()

    with three_rooms.here.at():
        search = Search((), lambda: None, udp_port=rooms.PORT, look_up=look_up)
        with contextlib.closing(search):
            search.start()
            wait_until(lambda: len(search.rooms()) == 3, search.rooms)
            rounds = len(looks)
            wait_until(lambda: len(looks) > rounds + rooms.SILENT_ROUNDS + 2, search.rooms)
            assert {found.room.name for found in search.rooms()} == set(three_rooms.rooms)


def test_a_room_that_is_remembered_is_found_beyond_a_router(three_rooms: Lan) -> None:
    """No broadcast gets there."""
    here, (server, router, _) = three_rooms.here, three_rooms.servers
    for machine, addresses in ((server, ["172.16.9.1/24"]), (router, ["172.16.9.2/24", "192.168.78.2/24"])):
        machine.ip("address", "flush", "dev", "lan0", "scope", "global")
        for address in addresses:
            machine.add_address("lan0", address)
    here.ip("address", "flush", "dev", "lan0", "scope", "global")
    here.add_address("lan0", "192.168.78.1/24")
    here.ip("route", "add", "172.16.9.0/24", "via", "192.168.78.2")
    server.ip("route", "add", "192.168.78.0/24", "via", "172.16.9.2")
    with router.at():
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    set_firewall(server, NO_IPV6)  # or it would be found by that
    assert found_by(three_rooms, Remembered("", "", "172.16.9.1", 53000))["One"] == "172.16.9.1"


def test_without_udp_nothing_is_found_and_an_address_works(three_rooms: Lan) -> None:
    set_firewall(three_rooms.here, NO_UDP)
    assert find(three_rooms) == (1, ITALIAN.no_rooms.format(port=rooms.PORT) + "\n")
    with three_rooms.here.at():
        assert greeting_at("192.168.77.2", 53000) == GREETING


def test_without_any_network_nothing_is_found(three_rooms: Lan) -> None:
    for card in ("lan0", "lan1", "lo"):
        three_rooms.here.ip("link", "set", card, "down")
    assert find(three_rooms) == (1, ITALIAN.no_rooms.format(port=rooms.PORT) + "\n")
