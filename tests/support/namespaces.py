"""Machines beside this one, and the cables between them: network namespaces. Needs root and Linux."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest


def run_ip(*arguments: str) -> None:
    """Run `ip`. Raises CalledProcessError."""
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


def enter_namespace(path: Path) -> None:
    """Go over into a network namespace, with this thread and what it starts. Raises OSError. Linux only."""
    with path.open() as namespace:
        if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), 0x40000000):  # CLONE_NEWNET
            raise OSError(ctypes.get_errno(), f"setns: {os.strerror(ctypes.get_errno())}")


class Machine:
    """A network of its own, with nothing but `lo` at first."""

    def __init__(self, name: str) -> None:
        self.name = f"chat-{name}-{os.getpid()}"

    def make(self) -> None:
        """Make it. Raises OSError, CalledProcessError."""
        run_ip("netns", "add", self.name)
        self.ip("link", "set", "lo", "up")
        with self.at():  # whether this process may go there
            pass

    def remove(self) -> None:
        """Remove it, and the cables that end there, if it is there."""
        subprocess.run(["ip", "netns", "delete", self.name], capture_output=True)

    def ip(self, *arguments: str) -> None:
        """Run `ip` there. Raises CalledProcessError."""
        run_ip("-n", self.name, *arguments)

    def plug_in(self, card: str, other: Machine, other_card: str) -> None:
        """Lay a cable from a new network card of this machine to one of another. Raises CalledProcessError."""
        self.ip("link", "add", card, "type", "veth", "peer", "name", other_card, "netns", other.name)
        self.ip("link", "set", card, "up")
        other.ip("link", "set", other_card, "up")

    def add_address(self, card: str, address: str) -> None:
        """Add an address to a card, which counts at once. Raises CalledProcessError."""
        self.ip("address", "add", address, "dev", card, *(["nodad"] if ":" in address else []))

    @contextlib.contextmanager
    def at(self) -> Iterator[None]:
        """Start programs and open sockets there; they stay there."""
        home = Path("/proc/self/task", str(threading.get_native_id()), "ns", "net")
        with home.open() as here:
            enter_namespace(Path("/run/netns", self.name))
            try:
                yield
            finally:
                enter_namespace(Path("/proc/self/fd", str(here.fileno())))


@contextlib.contextmanager
def machines(*names: str) -> Iterator[list[Machine]]:
    """Make machines, or skip the test aloud where this process may not."""
    if sys.platform != "linux" or not shutil.which("ip"):
        pytest.skip("a cable that can be pulled needs Linux and its `ip` (Debian: apt install iproute2)")
    made = [Machine(name) for name in names]
    try:
        try:
            for machine in made:
                machine.make()
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no network namespaces here, root makes them: {getattr(error, 'stderr', '') or error}")
        yield made
    finally:
        for machine in made:
            machine.remove()
