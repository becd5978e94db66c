"""The allowance of each client: burst, rate, and what a message costs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lan_chat.server.rate import Allowance, cost
from protocol import Event, Join, Quit, Say
from tests.support.wire import anything_goes


def test_a_burst_goes_at_once_and_then_the_rate_counts() -> None:
    allowance = Allowance(rate=20, burst=100)
    assert [allowance.take(1, 0.0) for _ in range(100)] == [0.0] * 100
    assert [allowance.take(1, 0.0) for _ in range(2)] == pytest.approx([0.05, 0.1])
    assert allowance.take(1, 0.1) == pytest.approx(0.05)
    assert allowance.take(17, 10.0) == 0.0


def test_silence_fills_up_the_burst_and_no_more() -> None:
    allowance = Allowance(rate=20, burst=100)
    assert allowance.take(100, 0.0) == 0.0
    assert allowance.take(100, 3600.0) == 0.0
    assert allowance.take(1, 3600.0) == pytest.approx(0.05)


def test_nothing_costs_more_than_a_burst() -> None:
    allowance = Allowance(rate=20, burst=100)
    assert allowance.take(10_000, 0.0) == 0.0
    assert allowance.take(10_000, 0.0) == pytest.approx(5.0)


def test_a_rate_of_0_is_no_limit() -> None:
    assert Allowance(rate=0, burst=1).take(1_000_000, 0.0) == 0.0


@anything_goes
@given(st.floats(0.1, 1000), st.integers(1, 20), st.lists(st.tuples(st.integers(1, 30), st.floats(0, 10))))
def test_nobody_who_waits_as_told_says_more_than_burst_and_rate(
    rate: float, burst: int, said: list[tuple[int, float]]
) -> None:
    allowance, now, granted = Allowance(rate, burst), 0.0, 0
    for wanted, pause_s in said:
        now += pause_s
        now += allowance.take(wanted, now)
        granted += min(wanted, burst)
        assert granted <= burst + rate * now + 1e-3


@pytest.mark.parametrize(
    ("event", "count"),
    [(Say("ciao"), 1), (Say("a\nb\nc"), 3), (Say("x" * 4096), 5), (Quit(), 1), (Join("x" * 4096), 1)],
)
def test_a_long_text_counts_for_several_messages(event: Event, count: int) -> None:
    assert cost(event) == count
