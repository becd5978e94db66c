"""How long it takes until the three rooms of `tests.support.lan` are listed, start by start.

    python -m tests.benchmarks.finding                  # the figures of docs/MEASUREMENTS.md
    python -m tests.benchmarks.finding --starts 20

Needs root and Linux with `ip` and `nft`: the machines are network namespaces. The servers are programs; the client is
a `Search`, once with nothing in its way, once behind a firewall that lets in only replies, and once without UDP; then
the program `chat_client.py --find`, from its start to its end. Not collected as a test.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable

from lan_chat import rooms
from lan_chat.client.search import Search
from tests.support.lan import NO_UDP, ONLY_REPLIES, Lan, lan, set_firewall
from tests.support.programs import TOP, Program

STARTS = 100
GIVE_UP_S = 5.0
"""How long a start may take; later than that counts as never."""
NO_FIREWALL = ""


def search_once(lan: Lan) -> float:
    """Start a search; return after how many seconds all rooms were listed, or GIVE_UP_S."""
    news = threading.Event()
    with lan.here.at(), contextlib.closing(Search((), news.set, udp_port=rooms.PORT)) as search:
        began = time.monotonic()
        search.start()
        while (left_s := began + GIVE_UP_S - time.monotonic()) > 0:
            news.wait(left_s)
            news.clear()
            if {found.room.name for found in search.rooms()} == set(lan.rooms):
                return time.monotonic() - began
    return GIVE_UP_S


def wait_once(lan: Lan) -> float:
    """Start a search; return after how many seconds it says that nothing more is waited for, with nothing found."""
    with lan.here.at(), contextlib.closing(Search((), lambda: None, udp_port=rooms.PORT)) as search:
        began = time.monotonic()
        search.start()
        search.has_looked.wait(GIVE_UP_S)
        return GIVE_UP_S if search.rooms() else time.monotonic() - began


def run_once(lan: Lan) -> float:
    """Run `chat_client.py --find`; return its seconds, or GIVE_UP_S where a room was not listed."""
    began = time.monotonic()
    with lan.here.at():
        program = Program(TOP / "chat_client.py", "--find", stdin=subprocess.DEVNULL, LAN_CHAT_UDP_PORT=str(rooms.PORT))
    with program:
        _, output = program.expect_end()
        return time.monotonic() - began if len(output.splitlines()) == len(lan.rooms) else GIVE_UP_S


SCENES: list[tuple[str, str, Callable[[Lan], float], float]] = [
    ("listed, nothing in the way", NO_FIREWALL, search_once, 1.0),
    ("listed behind a firewall that lets in only replies", ONLY_REPLIES, search_once, 2.0),
    ("`--find`, nothing in the way", NO_FIREWALL, run_once, GIVE_UP_S),
    ("`--find` behind such a firewall", ONLY_REPLIES, run_once, GIVE_UP_S),
    ("waited without UDP", NO_UDP, wait_once, 1.1),
]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=STARTS, help="how many starts of each kind")
    starts = parser.parse_args().starts
    are_all_in_time = True
    with lan() as network:
        for title, firewall, measure, limit_s in SCENES:
            set_firewall(network.here, firewall)
            took = sorted(measure(network) for _ in range(starts))
            in_time = sum(seconds < limit_s for seconds in took)
            are_all_in_time = are_all_in_time and in_time == starts
            print(
                f"{title}: {in_time} of {starts} within {limit_s} s; "
                f"median {1000 * statistics.median(took):.0f} ms, longest {1000 * took[-1]:.0f} ms",
                flush=True,
            )
    return 0 if are_all_in_time else 1


if __name__ == "__main__":
    sys.exit(main())
