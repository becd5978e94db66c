"""What has to be true at the end of the chaos of links: of what each member was shown, and of what each said."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lan_chat.client.ledger import Gap, NotSent, Taken
from lan_chat.server.words import ITALIAN
from protocol import Event, Message
from tests.chaos.members import Member, number_of
from tests.chaos.records import Ranges, RecordFile


@dataclass(frozen=True)
class Past:
    """What has happened in a room, as its record and its members know it."""

    events: dict[int, Event]
    """By number, what the record holds; without a record, what anybody has seen."""
    seen: dict[int, Event]
    """And what the record has lost."""
    lost: frozenset[int]
    """Numbers that people may have seen, and that the record has lost."""
    uncounted: frozenset[int]
    """Numbers that people may have seen, and nobody knows which: the record lost its end without a trace."""
    last: int

    @property
    def times(self) -> Counter[str]:
        """How often each text was said, as far as anybody has seen it."""
        return Counter(event.text for event in self.seen.values() if isinstance(event, Message))

    @property
    def forgotten(self) -> set[str]:
        """The texts that the record has lost without a trace."""
        return {getattr(event, "text", "") for number, event in self.seen.items() if number in self.uncounted}


def find_past(people: Sequence[Member], record: RecordFile | None) -> Past:
    """Return what has happened. Raises AssertionError where two do not agree on it."""
    events = {number_of(event): _plain(event) for event in record.events()} if record else {}
    lost, uncounted = (_numbers_in(record.holes(True)), _numbers_in(record.holes(False))) if record else (set(), set())
    seen = dict(events)
    for member in people:
        for event in member.shown:
            if not isinstance(event, Gap):
                known = seen.setdefault(number_of(event), _plain(event))
                assert _plain(event) == known, f"{member} saw {event}, and it was {known}"
    seen = dict(sorted(seen.items()))
    return Past(events if record else seen, seen, frozenset(lost), frozenset(uncounted), people[0].last_id)


def check_record(past: Past, record: RecordFile) -> None:
    """Check that a record knows which numbers it has lost, and that the room was told where it does not."""
    unknown = set(range(1, past.last + 1)) - past.events.keys()
    assert unknown == past.lost | past.uncounted, "the record's numbers have holes that it does not know"
    for _, until in record.holes(False):
        after = next((event for number, event in past.events.items() if number > until), None)
        assert getattr(after, "text", "") == ITALIAN.record_lacks_its_end, f"after {until} came {after}"


def check_gaps(member: Member, past: Past) -> None:
    """Check that what is missing from a member's list is as much as its gaps say, each where it says so.

    Where the record has lost its end without a trace, they may say more: what was lost then was told before, perhaps.
    """
    assert member.since is not None
    before = member.since
    missed = set(range(before + 1, past.last + 1)) - past.uncounted
    missing = told = 0
    for event in member.shown:
        if isinstance(event, Gap):
            missing += event.count
            continue
        number = number_of(event)
        skipped = number - before - 1
        is_right = missing == skipped or (missing < skipped and past.uncounted)
        assert is_right, f"{member} misses {skipped} before {event}, and was told {missing}"
        missed.discard(number)
        before, told, missing = number, told + missing, 0
    is_right = told == len(missed) or (told > len(missed) and past.uncounted)
    assert is_right, f"{member} misses {missed}, and counts {told}"


def check_ends(member: Member, past: Past, is_whole: bool) -> None:
    """Check that whatever a member said is in the room once, in order, or it was told otherwise.

    Only what a record has lost without a trace may have been said again.

    `is_whole` is whether nothing was said but what somebody has seen.
    """
    said = [event.text for event in past.events.values() if isinstance(event, Message)]
    nonces = {text: nonce for nonce, text in member.texts.items()}
    own = [nonces[text] for text in said if text in nonces]
    assert own == sorted(set(own)), f"{member}'s messages are not in order, or were said twice: {own}"
    times = past.times
    for text in nonces.keys() - past.forgotten:
        assert times[text] <= 1, f"{text} was said again"
    for nonce, text in member.texts.items():
        end = member.ends[nonce]
        if isinstance(end, NotSent):
            assert text not in said, f"{text} was said, and ended as {end}"
        elif isinstance(end, Message | Taken) and is_whole:
            assert times[text], f"{text} was not said, and ended as {end}"


def check_people(member: Member, people: Sequence[Member]) -> None:
    """Check that a member's list of people has all who are there, and nobody else."""
    names = sorted(one.name for one in people)
    assert sorted(member.names) == names, f"{member} sees {sorted(member.names)}, and there are {names}"


def _numbers_in(ranges: Ranges) -> set[int]:
    return {number for before, until in ranges for number in range(before + 1, until + 1)}


def _plain(event: Event) -> Event:
    """Return an event without the nonce, which only its author is told."""
    return dataclasses.replace(event, nonce=None) if isinstance(event, Message) else event
