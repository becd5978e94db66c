"""A short run of the siege of a room with a code, with real processes; `tests/chaos/siege.py` does the long ones."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.programs import TOP

pytestmark = [pytest.mark.psk, pytest.mark.slow]


@pytest.mark.skipif(sys.platform == "darwin", reason="this machine has no loopback address but 127.0.0.1")
def test_nobody_without_the_code_gets_in_and_who_has_it_talks_on() -> None:
    siege = subprocess.run(
        [sys.executable, "-m", "tests.chaos.siege", "--guesses", "0", "--seconds", "3", "--seed", "7"],
        cwd=TOP,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=180,
    )
    assert siege.returncode == 0, siege.stdout
    assert siege.stdout.endswith("It held.\n")
