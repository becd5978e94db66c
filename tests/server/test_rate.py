"""The allowance of each client: burst, rate, and what a message costs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lan_chat.server.mail import Silence
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


def test_a_debt_is_waited_off_in_full() -> None:
    allowance = Allowance(rate=20, burst=100)
    assert allowance.take(10_000, 0.0) == pytest.approx(495.0)
    assert allowance.take(1, 495.0) == pytest.approx(0.05)


def test_a_debt_may_have_a_limit() -> None:
    allowance = Allowance(rate=5, burst=100, max_debt=150)
    assert allowance.take(10_000, 0.0) == pytest.approx(30.0)
    assert allowance.take(10_000, 10.0) == pytest.approx(30.0)
    assert allowance.take(1, 40.0) == pytest.approx(0.2)


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
        granted += wanted
        assert granted <= burst + rate * now + 1e-3


@pytest.mark.parametrize(
    ("event", "units"),
    [
        *((Say("ciao"), 1), (Say("a\nb\nc"), 1), (Say("a\n" * 499 + "a"), 50), (Say("x" * 4096), 4)),
        *((Say("è" * 4096), 8), (Say("😀" * 4096), 16), (Quit(), 1), (Join("x" * 4096), 1), (None, 1)),
        *((Silence(1), 1), (Silence(16 * 1024), 16)),
    ],
)
def test_a_text_costs_what_it_costs_the_others(event: Event | None, units: float) -> None:
    assert cost(event) == units
