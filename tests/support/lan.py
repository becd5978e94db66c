"""Three rooms in two networks, and a machine that is in both, without a default route. Needs root and Linux."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from lan_chat import rooms
from tests.support.namespaces import Machine, machines
from tests.support.programs import TOP, Program

ONLY_REPLIES = "chain input { type filter hook input priority 0; policy drop; ct state established,related accept; }"
"""A firewall that lets in only what answers this machine's own questions."""
NO_IPV6 = "chain input { type filter hook input priority 0; meta nfproto ipv6 drop; }"
NO_UDP = "chain output { type filter hook output priority 0; meta l4proto udp drop; }"


@dataclass(frozen=True)
class Lan:
    """The machine of the one who searches, and where its rooms are."""

    here: Machine
    rooms: dict[str, str]
    """The address of each, by the room's name."""
    servers: list[Machine]


@contextlib.contextmanager
def lan() -> Iterator[Lan]:
    """Start the servers, two at a switch and one at a cable; skip the test aloud where that cannot be."""
    names = ("here", "switch", "one", "two", "three")
    with machines(*names) as (here, switch, *servers), contextlib.ExitStack() as stack:
        switch.ip("link", "add", "br0", "type", "bridge", "forward_delay", "0")
        switch.ip("link", "set", "br0", "up")
        for number, machine in enumerate((here, *servers[:2])):
            machine.plug_in("lan0", switch, f"port{number}")
            switch.ip("link", "set", f"port{number}", "master", "br0")
        here.plug_in("lan1", servers[2], "lan0")
        here.add_address("lan0", "192.168.77.1/24")
        here.add_address("lan1", "10.77.0.1/24")
        places = {"One": "192.168.77.2", "Two": "192.168.77.254", "Three": "10.77.0.250"}
        for machine, (name, address) in zip(servers, places.items(), strict=True):
            machine.add_address("lan0", f"{address}/24")
            with machine.at():
                command = (TOP / "chat_server.py", "--room", name)
                server = Program(*command, stdin=subprocess.DEVNULL, LAN_CHAT_UDP_PORT=str(rooms.PORT))
            stack.enter_context(server).expect("Waiting for connections...\n")
        yield Lan(here, places, servers)


def set_firewall(machine: Machine, rules: str) -> None:
    """Set up a firewall on a machine, or skip the test aloud where there is no `nft`. Raises CalledProcessError."""
    if not shutil.which("nft"):
        pytest.skip("a firewall needs Linux and its `nft` (Debian: apt install nftables)")
    with machine.at():
        table = f"flush ruleset\ntable inet guard {{\n{rules}\n}}\n"
        subprocess.run(["nft", "-f", "-"], input=table, check=True, capture_output=True, text=True)
