"""Short runs of the chaos of links, with real processes; `links.py` does the long ones."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from tests.chaos import links
from tests.chaos.links import Plan

pytestmark = pytest.mark.slow


PLAN = Plan(members=8, messages=800, kills=0, seed=random.randrange(2**32))
PLANS = {
    "killed": replace(PLAN, kills=3),
    "in memory": replace(PLAN, has_history=False),
    "longer than the grace": replace(PLAN, kills=2, grace_s=0.1),
    "longer than the grace, in memory": replace(PLAN, grace_s=0.1, has_history=False),
    "more than is kept": replace(PLAN, kills=1, grace_s=0.1, kept=60),
    "more than is kept, in memory": replace(PLAN, grace_s=0.1, kept=60, has_history=False),
    "a record that loses its end": replace(PLAN, kills=1, losses=4, grace_s=0.1),
    "a record that loses its end without a trace": replace(PLAN, losses=1, power_cuts=3, grace_s=0.1),
}


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_nothing_is_lost_and_nothing_comes_twice_whatever_breaks(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lan_chat.client.session.MAX_PAUSE_S", 0.5)
    print(plan)
    print(links.run(plan))


@pytest.mark.psk
@pytest.mark.parametrize("name", ["killed", "longer than the grace", "longer than the grace, in memory"])
def test_nothing_is_lost_and_nothing_comes_twice_in_a_room_with_a_code(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lan_chat.client.session.MAX_PAUSE_S", 0.5)
    plan = replace(PLANS[name], has_code=True)
    print(plan)
    print(links.run(plan))


@pytest.mark.parametrize("name", ["killed", "in memory", "longer than the grace", "longer than the grace, in memory"])
def test_nothing_is_lost_and_nothing_comes_twice_where_half_of_them_are_guests_by_browser(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lan_chat.client.session.MAX_PAUSE_S", 0.5)
    plan = replace(PLANS[name], pages=4)
    print(plan)
    print(links.run(plan))
