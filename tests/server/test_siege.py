"""A short run of the siege of a room with a code, with real processes; `tests/chaos/siege.py` does the long ones."""

from __future__ import annotations

import sys

import pytest

from tests.support.programs import hold

pytestmark = [pytest.mark.psk, pytest.mark.slow]


@pytest.mark.skipif(sys.platform == "darwin", reason="this machine has no loopback address but 127.0.0.1")
def test_nobody_without_the_code_gets_in_and_who_has_it_talks_on() -> None:
    hold("tests.chaos.siege", "--guesses", "0", "--seconds", "3", "--seed", "7")
