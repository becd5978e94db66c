"""The places that are held for members whose link broke."""

from __future__ import annotations

import time

import pytest

from lan_chat.server.hosts import Hosts
from lan_chat.server.membership import Member
from lan_chat.server.options import Options
from lan_chat.server.places import SPARE_ENTRIES, Places
from lan_chat.server.words import ENGLISH

GRACE_S = 60.0


@pytest.fixture
def places() -> Places:
    return Places(GRACE_S, Hosts(Options(), ENGLISH), ENGLISH)


def member(name: str) -> Member:
    return Member(name, b"")


def hold_all(places: Places, members: list[Member]) -> list[bool]:
    """Have these members lose their links; gives for which of them a place was held."""
    held = []
    for one in members:
        held.append(places.has_one_for(one))
        if held[-1]:
            places.hold(one)
    return held


def told(caplog: pytest.LogCaptureFixture) -> int:
    return caplog.messages.count(ENGLISH.log_no_place_left.format(count=3))


def test_the_operator_is_told_once_when_all_places_are_taken(
    places: Places, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("lan_chat.server.places.MAX_AWAY", 3)
    members = [member(f"a{number}") for number in range(6)]
    assert hold_all(places, members) == [True] * 3 + [False] * 3
    assert told(caplog) == 1
    places.give_up(members[0])
    assert hold_all(places, members[4:]) == [True, False]
    assert told(caplog) == 1, "it is the same crowd"
    for one in members:
        places.give_up(one)
    assert hold_all(places, members) == [True] * 3 + [False] * 3
    assert told(caplog) == 2


def test_without_a_grace_there_is_no_place_and_nothing_to_tell(caplog: pytest.LogCaptureFixture) -> None:
    places = Places(0.0, Hosts(Options(), ENGLISH), ENGLISH)
    assert not places.has_one_for(member("Ada"))
    assert not caplog.messages


def test_a_member_that_comes_and_breaks_off_for_hours_takes_no_memory(places: Places) -> None:
    ada, bob = member("Ada"), member("Bob")
    places.hold(bob)
    for _ in range(100 * SPARE_ENTRIES):
        places.hold(ada)
        places.give_up(ada)
        assert len(places._deadlines) <= 2 * 2 + SPARE_ENTRIES
    places.hold(ada)
    assert sorted(one.name for one in places.overdue(time.monotonic() + 2 * GRACE_S)) == ["Ada", "Bob"]


def test_a_member_that_came_back_has_no_deadline(places: Places) -> None:
    ada, bob = member("Ada"), member("Bob")
    places.hold(ada)
    places.hold(bob)
    places.give_up(ada)
    assert places.next_deadline == bob.deadline
    places.give_up(bob)
    assert places.next_deadline is None
    assert not places._deadlines
