"""Who runs where, so that what is measured is the server: in the real world everybody has a machine of his own.

Here all share this one. What others take of it, as when they make the server wait for a core until their time slice is
over, is not the server's fault: two processes that only count, and talk to nobody, make an honest word take five times
as long. So the server has a core for itself, and on the others come first those who are measured; whoever else there is
takes what they leave. Linux; elsewhere, and with one core, all share what there is.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

MEASURED_HELP = "for figures: the server has a core for itself, and on the others the honest come first"


@contextlib.contextmanager
def on_a_core_of_its_own() -> Iterator[None]:
    """Start within it what has the first core for itself; this process, and what it starts later, have the others."""
    if sys.platform != "linux":
        yield
        return
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[:1])
    try:
        yield
    finally:
        for thread in Path("/proc/self/task").iterdir():  # also one that reads what was started
            with contextlib.suppress(ProcessLookupError):  # it has ended
                os.sched_setaffinity(int(thread.name), cores[1:] or cores)


def take_what_is_left() -> None:
    """Run from here on only when nobody else wants to: this thread, and what it starts; on macOS this process."""
    if sys.platform == "linux":
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    elif hasattr(os, "nice"):
        os.nice(19)
