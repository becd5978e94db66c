"""The blocks of a conversation: what is drawn together, as a group's next message or as arrivals folded into one.

Pure: no tkinter, no thread.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from lan_chat.client.composing import BEYOND
from lan_chat.client.entries import Entry, Kind
from lan_chat.client.entry_layout import NEW_LINE_COST, SHOWN_COST, Layout, lay_out, layout_cost
from lan_chat.client.words import ClientWords

GROUP_S = 5 * 60
"""How long after the time that is shown with a name messages of that person are shown under it."""
MAX_FOLDED = 100
"""How many arrivals, or departures, are folded into one."""
MAX_NAMED = 4
"""How many people a fold names, at most."""
MAX_PENDING = 50
"""How many pending messages are drawn, the latest ones."""
BLOCK_COST = 8
"""What each block costs to draw, beside its text."""
EMOJI_FACTOR = 3
"""How much more a text with emoji costs than to be laid out: many different ones are each drawn anew."""

Pieces = list[str | tuple[str, ...]]
"""What Tk's `Text.insert` takes: texts and their tags, alternating."""


@dataclass(eq=False)
class Block:
    """What is drawn together: an entry, arrivals or departures that are folded into one, or a rule without an entry."""

    entries: list[Entry] = field(default_factory=list)
    rule: str = ""
    day: str = ""
    """The line above it that tells another day."""
    has_header: bool = False
    """Whether the name and the time are shown above the text."""
    group_time: float = 0.0
    """The time that is shown with the name above it, or above the messages before it."""
    budget: int = SHOWN_COST
    """How much of its text is drawn; more when the user has asked for all of it."""
    is_marker: bool = False
    """Whether it is the line that shows how far the user has read."""
    suffix: str = ""
    """What stands behind the text of a message that is not in the conversation yet."""
    start: int = 0
    """The number of its first line, counted from the first that was ever drawn."""
    lines: int = 0
    """How many lines are drawn of it."""
    matches: int = 0
    """How often the search that has the number `searched` finds something in it."""
    searched: int = 0

    @property
    def entry(self) -> Entry:
        """The first entry."""
        return self.entries[0]

    @property
    def is_fold(self) -> bool:
        """Whether it stands for more than one entry."""
        return len(self.entries) > 1

    @property
    def body_start(self) -> int:
        """The number of the first line of its text."""
        return self.start + bool(self.day) + self.has_header

    @property
    def searchable(self) -> str:
        """What a search looks through: the name where it is shown, and the whole text."""
        text = "\n".join(entry.text for entry in self.entries)
        return f"{self.entry.speaker}\n{text}" if self.has_header else text

    @property
    def text_from(self) -> int:
        """Where the text begins in `searchable`."""
        return len(self.entry.speaker) + 1 if self.has_header else 0

    def cost(self, draws_all: bool) -> int:
        """Return what the block costs to draw."""
        text = self.entry.text if self.entries else ""
        shown = min(SHOWN_COST, layout_cost(text, draws_all))
        if draws_all and not text.isascii() and BEYOND.search(text):
            shown *= EMOJI_FACTOR
        return BLOCK_COST + shown + NEW_LINE_COST * self.has_header

    def layout(self, draws_all: bool) -> Layout:
        """Return how its text is laid out."""
        return lay_out(self.entry.text, draws_all=draws_all, budget=self.budget)

    def as_copied(self) -> str:
        """Return the whole block for the clipboard, with every entry."""
        if not self.entries:
            return self.rule
        copied = "\n".join(entry.as_copied() for entry in self.entries) + self.suffix
        return f"{self.day}\n{copied}" if self.day else copied


def belongs_to(entry: Entry, before: Block | None) -> bool:
    """Return whether a message is shown under the name of the one before it."""
    return (
        before is not None
        and bool(before.entries)
        and entry.kind is Kind.MESSAGE
        and before.entry.kind is Kind.MESSAGE
        and before.entry.speaker == entry.speaker
        and before.entry.is_own == entry.is_own
        and 0 <= entry.time - before.group_time <= GROUP_S
    )


def can_fold(entry: Entry, before: Block | None) -> bool:
    """Return whether an arrival is folded into the arrivals before it, or a departure into the departures."""
    if before is None or not before.entries or len(before.entries) >= MAX_FOLDED:
        return False
    first = before.entry
    return bool(entry.arrived and first.arrived) or bool(entry.departed and first.departed)


def fold_sentence(entries: Sequence[Entry], words: ClientWords) -> str:
    """Return one sentence for several arrivals, or for several departures."""
    names = [entry.arrived or entry.departed for entry in entries]
    few, many = words.joined_few, words.joined_many
    if entries[0].departed:
        few, many = words.left_few, words.left_many
    if len(names) <= MAX_NAMED:
        return few.format(names=", ".join(names[:-1]), last=names[-1])
    named = MAX_NAMED - 1
    return many.format(names=", ".join(names[:named]), count=len(names) - named)


def day_title(when: float, words: ClientWords) -> str:
    """Return the day of a time in words; not by `strftime`, which speaks the system's language."""
    local = time.localtime(when)
    weekday, month = words.weekdays.split()[local.tm_wday], words.months.split()[local.tm_mon - 1]
    return words.long_day.format(weekday=weekday, day=local.tm_mday, month=month, year=local.tm_year)


def day_of(entry: Entry) -> str:
    """Return the day of an entry, in a form to compare."""
    return time.strftime("%Y-%m-%d", time.localtime(entry.time))


def pending_blocks(
    pending: Sequence[tuple[str, str, bool]], before: Block | None, words: ClientWords
) -> tuple[list[Block], list[Pieces]]:
    """Return the blocks of the pending messages below a block, and what stands behind each.

    A pending message is its speaker, its text, and whether it has failed.
    """
    now, blocks, actions = time.time(), list[Block](), list[Pieces]()
    hidden = max(0, len(pending) - MAX_PENDING)
    for number, (speaker, said, has_failed) in enumerate(pending[hidden:], hidden):
        block = Block([Entry(now, Kind.MESSAGE, said, speaker, is_own=True)])
        block.has_header = not belongs_to(block.entry, before)
        block.group_time = now if block.has_header or before is None else before.group_time
        before = block
        blocks.append(block)
        style = ("failed", "own") if has_failed else ("pending", "own")
        if has_failed:
            block.suffix = f"  ({words.not_sent})  {words.send_again}  {words.discard}"
            action: Pieces = ["  ", style, f"({words.not_sent})", (*style, "unsent"), "  ", style]
            action += [words.send_again, (*style, "action", f"again-{number}"), "  ", style]
            actions.append([*action, words.discard, (*style, "action", f"discard-{number}")])
        else:
            block.suffix = " …"
            actions.append([" … ", style, words.sending, (*style, "sending")])
    return blocks, actions
