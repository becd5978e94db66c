"""A virtual screen for programs that open windows: Xvfb, ended with what used it. X11 only."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator


def is_there() -> bool:
    """Return whether this system has Xvfb."""
    return shutil.which("Xvfb") is not None


@contextlib.contextmanager
def virtual_screen(size: str = "1280x900x24", dpi: int = 96) -> Iterator[None]:
    """Have this process and those that it starts draw on a screen of their own, also where there is a real one."""
    before = os.environ.get("DISPLAY")
    read_end, write_end = os.pipe()
    command = ["Xvfb", "-displayfd", str(write_end), "-screen", "0", size, "-dpi", str(dpi), "-nolisten", "tcp"]
    process = subprocess.Popen(command, pass_fds=[write_end], stderr=subprocess.DEVNULL)
    os.close(write_end)
    try:
        with os.fdopen(read_end) as number:
            os.environ["DISPLAY"] = f":{number.readline().strip()}"
        yield
    finally:
        if before is None:
            del os.environ["DISPLAY"]
        else:
            os.environ["DISPLAY"] = before
        process.terminate()
        process.wait()
