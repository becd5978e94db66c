"""The numbers of the room's events: which were given out, and which nobody will ever have.

Pure. They count up by one. Where a record may have lost its end, none that people may have seen is given out again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Ranges = list[tuple[int, int]]
"""Of each range the number before it, and the last in it, ascending."""


@dataclass
class Numbering:
    """The sequence of the `id`s."""

    last: int = 0
    """The last number that was given out."""
    holes: Ranges = field(default_factory=list)
    """Numbers that were left out: as far as anybody knows, no event has them."""
    lost: Ranges = field(default_factory=list)
    """Numbers of events that people were shown, and that no record has."""

    def next(self) -> int:
        """Return the number of the next event, which is then taken."""
        self.last += 1
        return self.last

    def count(self, after: int, until: int) -> int:
        """Return how many events have a number above `after`, up to `until`, the lost ones among them."""
        return max(0, until - after) - _overlap(self.holes, after, until)

    def count_lost(self, after: int, until: int) -> int:
        """Return how many of them are lost."""
        return _overlap(self.lost, after, until)

    def before_newest(self, count: int) -> int:
        """Return the number after which there are so many events that are not lost; 0 where there are no more."""
        number = self.last - count
        for before, end in sorted([*self.holes, *self.lost], reverse=True):
            if number >= end:
                break
            number -= end - before
        return max(0, number)


def _overlap(ranges: Ranges, after: int, until: int) -> int:
    return sum(max(0, min(until, end) - max(after, before)) for before, end in ranges)
