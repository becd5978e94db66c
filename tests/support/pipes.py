"""Pipes in the file system, which Windows has not."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path


def fill(pipe: Path) -> None:
    """Write into a pipe that has a reader until it takes no more."""
    if sys.platform != "win32":
        descriptor = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(descriptor, b"x" * 512)
        os.close(descriptor)
