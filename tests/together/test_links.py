"""Short runs of the chaos of links, with real processes; `links.py` does the long ones."""

from __future__ import annotations

import random

import pytest

from tests.chaos import links

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("kills", "has_history"), [(3, True), (0, False)], ids=["killed", "in memory"])
def test_nothing_is_lost_and_nothing_comes_twice_whatever_breaks(
    kills: int, has_history: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lan_chat.client.session.MAX_PAUSE_S", 0.5)
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    print(links.run(members=8, messages=800, kills=kills, seed=seed, has_history=has_history))
