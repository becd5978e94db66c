"""Wait for what gives no event of its own, up to a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable

DEADLINE_S = 10.0


def wait_until(condition: Callable[[], object], tell: Callable[[], object] = lambda: "") -> None:
    """Poll for something that gives no event of its own; `tell` says what there was instead."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"it never came true; instead: {tell()}")
        time.sleep(0.005)
