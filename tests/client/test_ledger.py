"""The ledger: what was said and seen, without a socket, a thread or a clock."""

from __future__ import annotations

from collections import Counter
from enum import Enum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lan_chat.client.ledger import Gap, Ledger, LinkRestored, NotSent, Rejected, Taken
from protocol import (
    Announcement,
    Error,
    Event,
    Greeting,
    Join,
    Joined,
    Left,
    Message,
    Refused,
    Resume,
    Say,
    Welcome,
)


def message(number: int, text: str, name: str = "Bob", nonce: int | None = None) -> Message:
    return Message(number, 0.0, name, text, nonce)


def welcome(last: int, nonce: int | None = None, room: str | None = "room", name: str = "Ada") -> Welcome:
    return Welcome(name, "token", (name, "Bob"), last, nonce, room)


def returned(last: int, nonce: int | None = None, missing: int = 0, name: str = "Ada") -> Welcome:
    """The answer to one that had left, and that the room still knows."""
    return Welcome(name, "token", (name, "Bob"), last, nonce, "room", missing)


def last_seen(ledger: Ledger) -> int:
    return ledger.ask_to_resume("token").last


def come_in(*texts: str) -> Ledger:
    """The ledger of Ada, who is in the room and has seen event 1; these texts went out, and nobody confirmed them."""
    ledger = Ledger()
    ledger.settle_in(welcome(0), is_known=False, is_first=True)
    ledger.take(Joined(1, 0.0, "Ada"))
    for text in texts:
        ledger.say(text, is_put=True)
    return ledger


# --- talking ----------------------------------------------------------------------------------------------------------


def test_nonces_count_what_was_said_and_what_is_not_confirmed_is_unsent() -> None:
    ledger = Ledger()
    assert [ledger.say(text, is_put=False) for text in ("uno", "due")] == [Say("uno", 1), Say("due", 2)]
    assert list(ledger.unsent) == ["uno", "due"]
    assert (ledger.confirm(1), ledger.confirm(1), ledger.confirm(7)) == ("uno", "", "")
    assert list(ledger.unsent) == ["due"]


def test_ones_own_message_confirms_what_was_said_and_anothers_does_not() -> None:
    ledger = come_in("uno")
    assert ledger.take(message(2, "uno", "Bob", 1)) == [message(2, "uno", "Bob", 1)]
    assert list(ledger.unsent) == ["uno"]
    assert ledger.take(message(3, "uno", "Ada", 1)) == [message(3, "uno", "Ada", 1)]
    assert not ledger.unsent


def test_an_error_about_something_said_has_its_text_and_any_other_is_shown_as_it_is() -> None:
    ledger = come_in("uno")
    muted = Error("muted", nonce=1)
    assert ledger.take(muted) == [Rejected("uno", muted)]
    for error in (muted, Error("malformed"), Error("muted", nonce=9)):
        assert ledger.take(error) == [error]
    assert not ledger.unsent


@pytest.mark.parametrize(
    "event", [message(2, "x"), Joined(2, 0.0, "Bob"), Left(2, 0.0, "Bob", None), Announcement(2, 0.0, "x")]
)
def test_what_was_seen_is_not_shown_again(event: Event) -> None:
    ledger = come_in()
    assert [ledger.take(event), ledger.take(event), ledger.take(message(1, "x"))] == [[event], [], []]
    assert last_seen(ledger) == 2


def test_an_event_that_has_no_number_is_only_shown() -> None:
    ledger = come_in()
    assert ledger.take(Greeting()) == [Greeting()]
    assert last_seen(ledger) == 1


def test_what_was_said_before_the_welcome_is_said_after_it() -> None:
    ledger = Ledger()
    ledger.say("uno", is_put=False)
    assert ledger.settle_in(welcome(0), is_known=False, is_first=True) == ([Say("uno", 1)], [welcome(0)])


def test_a_second_welcome_on_one_link_says_nothing_again() -> None:
    ledger = come_in("uno")
    assert ledger.settle_in(welcome(1), is_known=False, is_first=False) == ([], [welcome(1)])
    ledger.take(message(2, "uno", "Ada", 1))
    assert not ledger.unsent


# --- leaving ----------------------------------------------------------------------------------------------------------


def test_last_words_are_what_never_went_out_and_all_where_a_resume_is_not_answered() -> None:
    ledger = come_in("uno")
    ledger.say("due", is_put=False)
    assert ledger.last_words(is_resuming=False) == [Say("due", 2)]
    assert ledger.last_words(is_resuming=True) == [Say("uno", 1), Say("due", 2)]


# --- a link that broke ------------------------------------------------------------------------------------------------


def test_who_comes_back_says_what_it_saw_of_which_room_and_a_stranger_nothing() -> None:
    ledger = come_in()
    for _ in range(2):
        assert ledger.ask_to_resume("token") == Resume("token", 1, "room")
        assert ledger.ask_for("Ada", "token") == Join("Ada", "token", 1, "room")
        ledger.forget_membership()
    assert Ledger().ask_to_resume("token") == Resume("token", 0)
    assert Ledger().ask_for("Ada", "token") == Join("Ada", "token")


def test_only_what_the_server_has_not_taken_is_said_again_under_the_same_nonce() -> None:
    ledger = come_in("uno", "due")
    ledger.say("tre", is_put=False)
    says, shown = ledger.settle_in(welcome(2, nonce=1), is_known=True, is_first=True)
    assert says == [Say("due", 2), Say("tre", 3)]
    assert shown == [LinkRestored(("Ada", "Bob"))]
    assert ledger.last_words(is_resuming=False) == []


def test_what_the_server_took_and_did_not_bring_was_not_sent() -> None:
    ledger = come_in("uno", "due")
    ledger.settle_in(welcome(2, nonce=2), is_known=True, is_first=True)
    due = message(2, "due", "Ada", 2)
    assert ledger.take(due) == [due, NotSent(1, "uno")]
    assert not ledger.unsent


def test_what_the_server_took_is_settled_at_once_where_nothing_was_missed() -> None:
    ledger = come_in("uno")
    _, shown = ledger.settle_in(welcome(1, nonce=1), is_known=True, is_first=True)
    assert shown == [LinkRestored(("Ada", "Bob")), NotSent(1, "uno")]


def test_what_the_server_took_and_may_be_in_a_gap_counts_as_taken() -> None:
    ledger = come_in("uno")
    ledger.settle_in(welcome(9, nonce=1), is_known=True, is_first=True)
    assert ledger.take(message(9, "nove")) == [Gap(7), message(9, "nove"), Taken(1)]


def test_nothing_is_missing_before_what_a_newcomer_is_not_shown() -> None:
    ledger = Ledger()
    ledger.settle_in(welcome(10), is_known=False, is_first=True)
    for event in (message(3, "tre"), message(7, "sette"), Joined(11, 0.0, "Ada")):
        assert ledger.take(event) == [event]
    assert ledger.take(message(13, "tredici")) == [Gap(1), message(13, "tredici")]


@pytest.mark.parametrize("room", ["another", None])
def test_the_numbers_of_another_room_begin_anew(room: str | None) -> None:
    ledger = come_in()
    ledger.take(message(2, "due"))
    ledger.forget_membership()
    ledger.settle_in(welcome(0, room=room), is_known=False, is_first=True)
    assert ledger.take(Joined(1, 0.0, "Ada")) == [Joined(1, 0.0, "Ada")]


# --- a server that does not know the token ----------------------------------------------------------------------------


def test_what_went_out_to_a_server_that_forgot_was_not_sent_and_the_rest_is_said() -> None:
    ledger = come_in("uno")
    ledger.say("due", is_put=False)
    ledger.forget_membership()
    says, shown = ledger.settle_in(welcome(0, room="another"), is_known=False, is_first=True)
    assert (says, shown) == ([Say("due", 2)], [welcome(0, room="another")])
    joined = Joined(1, 0.0, "Ada")
    assert ledger.take(joined) == [joined, NotSent(1, "uno")]


def test_what_the_backlog_of_the_same_room_shows_was_sent_and_a_former_members_is_another() -> None:
    ledger = come_in("uno", "due")
    ledger.forget_membership()
    ledger.settle_in(welcome(3), is_known=False, is_first=True)
    assert ledger.take(message(2, "uno", "Ada", 1)) == [message(2, "uno", "Ada", 1)]
    assert ledger.take(message(3, "altro", "Ada", 2)) == [message(3, "altro", "Ada"), NotSent(2, "due")]


def test_what_is_in_doubt_stays_so_where_the_link_breaks_again_before_the_welcome() -> None:
    ledger = come_in("uno")
    ledger.forget_membership()
    says, shown = ledger.settle_in(welcome(2, nonce=None, room="another"), is_known=True, is_first=True)
    assert (says, shown) == ([], [welcome(2, room="another")])  # it became a member, and its `Welcome` was lost
    joined = Joined(2, 0.0, "Ada")
    assert ledger.take(joined) == [joined, NotSent(1, "uno")]


def test_what_came_before_ones_own_arrival_holds_nothing_that_one_said() -> None:
    ledger = Ledger()
    ledger.settle_in(welcome(0), is_known=True, is_first=True)  # the first `Welcome` was lost
    ledger.take(Joined(1, 0.0, "Ada"))
    ledger.say("uno", is_put=True)
    ledger.settle_in(welcome(2, nonce=1), is_known=True, is_first=True)
    assert ledger.take(Left(2, 0.0, "Bob", None))[1:] == [NotSent(1, "uno")]


# --- a room that one has left, and that knows one ---------------------------------------------------------------------

BACK = LinkRestored(("Ada", "Bob"))


def leave(*texts: str) -> Ledger:
    """The ledger of `come_in`, after the grace was over."""
    ledger = come_in(*texts)
    ledger.forget_membership()
    return ledger


@pytest.mark.parametrize("is_welcome_lost", [False, True])
def test_who_returns_is_told_what_was_taken_and_says_only_the_rest(is_welcome_lost: bool) -> None:
    """Also where the link broke on which it was let in: then it is the answer to a `Resume`."""
    ledger = leave("uno", "due")
    ledger.say("tre", is_put=False)
    says, shown = ledger.settle_in(returned(4, nonce=1), is_known=is_welcome_lost, is_first=True)
    assert (says, shown) == ([Say("due", 2), Say("tre", 3)], [BACK])
    events = [message(2, "uno", "Ada", 1), Left(3, 0.0, "Ada"), Joined(4, 0.0, "Ada"), message(5, "due", "Ada", 2)]
    assert [shown for event in events for shown in ledger.take(event)] == events
    assert list(ledger.unsent) == ["tre"]


def test_what_was_taken_and_does_not_come_again_was_not_sent_or_is_missing() -> None:
    for missing, end in ((0, NotSent(1, "uno")), (2, Taken(1))):
        ledger = leave("uno")
        ledger.settle_in(returned(5, nonce=1, missing=missing), is_known=False, is_first=True)
        assert ledger.take(Joined(5, 0.0, "Ada"))[-1] == end


def test_what_went_out_is_not_said_twice_where_the_room_has_lost_what_it_took() -> None:
    """The nonce is that of its record: what it took after that is among what is missing, or it took nothing."""
    ledger = come_in("uno", "due")
    ledger.say("tre", is_put=False)
    says, _ = ledger.settle_in(returned(6, nonce=1, missing=3), is_known=True, is_first=True)
    assert says == [Say("tre", 3)]
    events = [message(2, "uno", "Ada", 1), message(6, "x")]
    assert [shown for event in events for shown in ledger.take(event)] == [
        events[0],
        Gap(3),
        events[1],
        NotSent(2, "due"),
    ]


def test_who_returns_under_another_name_finds_there_what_it_said_under_the_first() -> None:
    ledger = leave("uno", "due")
    refused = Refused("taken")
    assert ledger.take(refused) == [refused]  # nothing is settled before it is in
    assert list(ledger.unsent) == ["uno", "due"]
    welcome = returned(4, nonce=1, name="Ada Due")
    says, shown = ledger.settle_in(welcome, is_known=False, is_first=True)
    assert (says, shown) == ([Say("due", 2)], [welcome])
    uno = message(2, "uno", "Ada", 1)
    assert ledger.take(uno) == [uno, Taken(1)]
    assert ledger.take(message(3, "due", "Ada", 2)) == [message(3, "due", "Ada", 2)]  # of who has that name now
    assert list(ledger.unsent) == ["due"]


def test_what_another_said_meanwhile_under_ones_name_is_not_ones_own() -> None:
    ledger = leave("uno", "due")
    ledger.settle_in(returned(6, nonce=1), is_known=False, is_first=True)
    assert ledger.take(message(3, "altro", "Ada", 1)) == [message(3, "altro", "Ada")]
    assert ledger.take(message(4, "due", "Ada", 2)) == [message(4, "due", "Ada")]
    ledger.settle_in(returned(7, nonce=1), is_known=True, is_first=True)  # nor after one more break
    assert ledger.take(message(5, "due", "Ada", 2)) == [message(5, "due", "Ada")]
    assert list(ledger.unsent) == ["uno", "due"]


def test_what_is_missing_is_told_where_it_is_missing_and_numbers_that_nobody_has_are_not() -> None:
    ledger = leave()
    ledger.settle_in(returned(100, missing=6), is_known=False, is_first=True)
    for event, count in (
        (message(4, "x"), 2),
        (message(5, "x"), 0),
        (Joined(100, 0.0, "Ada"), 4),
        (message(103, "x"), 2),
    ):
        assert ledger.take(event) == [*([Gap(count)] if count else []), event]


def test_what_is_missing_is_told_once_whenever_the_link_breaks() -> None:
    ledger = leave()
    ledger.settle_in(returned(20, missing=7), is_known=False, is_first=True)  # and nothing comes of it
    ledger.settle_in(returned(20, missing=7), is_known=True, is_first=True)
    assert ledger.take(message(5, "x")) == [Gap(3), message(5, "x")]
    ledger.settle_in(returned(21, missing=4), is_known=True, is_first=True)
    assert ledger.take(message(6, "x")) == [message(6, "x")]
    assert ledger.take(message(11, "x")) == [Gap(4), message(11, "x")]
    ledger.settle_in(returned(22, missing=0), is_known=True, is_first=True)
    assert ledger.take(message(12, "x")) == [message(12, "x")]


def test_where_all_is_missing_that_is_told_at_once() -> None:
    ledger = come_in("uno")
    _, shown = ledger.settle_in(returned(9, nonce=1, missing=8), is_known=True, is_first=True)
    assert shown == [BACK, Gap(8), Taken(1)]
    assert last_seen(ledger) == 9
    assert ledger.take(message(10, "x")) == [message(10, "x")]


def test_who_never_heard_that_it_was_let_in_misses_nothing_before_that_and_all_after_it() -> None:
    ledger = Ledger()
    ledger.settle_in(returned(20, missing=4), is_known=True, is_first=True)
    assert ledger.take(message(3, "dal registro")) == [message(3, "dal registro")]
    assert ledger.take(Joined(8, 0.0, "Ada")) == [Joined(8, 0.0, "Ada")]
    assert ledger.take(message(13, "x")) == [Gap(4), message(13, "x")]


def test_in_another_room_one_is_a_newcomer_whatever_that_counts() -> None:
    ledger = leave("uno")
    welcome = Welcome("Ada", "token", ("Ada",), 5, 1, "another", 3)
    says, shown = ledger.settle_in(welcome, is_known=False, is_first=True)
    assert (says, shown) == ([], [welcome])
    assert ledger.take(Joined(6, 0.0, "Ada")) == [Joined(6, 0.0, "Ada"), NotSent(1, "uno")]
    assert ledger.ask_to_resume("token") == Resume("token", 6, "another")


def test_a_record_that_ends_before_what_one_has_seen_hides_nothing() -> None:
    ledger = come_in()
    ledger.take(message(2, "due"))
    for number in range(3, 10):
        ledger.take(message(number, "x"))
    ledger.forget_membership()
    ledger.settle_in(returned(5), is_known=False, is_first=True)
    assert last_seen(ledger) == 5
    assert ledger.take(message(6, "un altro sei")) == [message(6, "un altro sei")]


# --- in any order -----------------------------------------------------------------------------------------------------


class Standing(Enum):
    """How a room knows a member."""

    UNKNOWN = "unknown"
    IN = "in"
    FORMER = "former"


class Play:
    """A ledger and a room, with two queues between them that a break of the link empties."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.room: list[Message | Joined | Left] = []
        self.last = 0
        """The last number that was given out, perhaps to nothing."""
        self.dropped: set[int] = set()
        """The numbers of events that the room has no more."""
        self.says: list[Say] = []
        """On their way to the room."""
        self.events: list[Event] = []
        """On their way to the ledger."""
        self.standing = Standing.UNKNOWN
        self.name = ""
        self.highest: int | None = None
        """The highest nonce that the room has taken from this member."""
        self.first = self.replay_from = 0
        self.is_muted = False
        self.is_name_taken = False
        self.was_forgotten = False
        self.texts: dict[int, str] = {}
        self.ends: list[tuple[int, type[Event]]] = []
        self.shown: list[Event] = []
        self.shown_name = ""
        self.link()

    # Links.

    def link(self) -> None:
        """Make a new link, and be let in."""
        self.says.clear()
        self.events.clear()
        is_known = self.standing is Standing.IN
        seen = self.ledger.ask_to_resume("token").last
        if not is_known:
            seen = self.ask_to_join()
        is_newcomer = self.highest is None and not is_known and self.standing is Standing.UNKNOWN
        if is_newcomer:
            answer = Welcome(self.name, "token", (self.name,), self.last, None, "room")
            self.replay_from = self.last
        elif not is_known:
            self.replay_from = max(seen, self.first - 1)
        if not is_known:
            self.let_in()
        start = max(seen, self.replay_from)
        if not is_newcomer:
            lost = {number for number in self.dropped if number > start}
            uncounted = {event.id for event in self.room if 0 < seen < event.id <= start}
            answer = Welcome(
                self.name, "token", (self.name,), self.last, self.highest, "room", len(lost) + len(uncounted)
            )
        says, shown = self.ledger.settle_in(answer, is_known, is_first=True)
        self.says += says
        self.note(shown)
        self.events = [event for event in self.room if event.id > start and event.id not in self.dropped]

    def link_and_lose_the_welcome(self) -> None:
        """Be let in by a link that breaks at once."""
        if self.standing is not Standing.IN:
            seen = self.ask_to_join()
            self.replay_from = self.last if self.standing is Standing.UNKNOWN else max(seen, self.first - 1)
            self.let_in()
        self.link()

    def ask_to_join(self) -> int:
        self.ledger.forget_membership()
        if self.is_name_taken:
            self.note(self.ledger.take(Refused("taken")))
        self.name = "Ada Due" if self.is_name_taken else "Ada"
        return self.ledger.ask_for(self.name, "token").last or 0

    def let_in(self) -> None:
        if self.standing is Standing.UNKNOWN:
            self.first, self.highest = self.last + 1, None
        self.standing = Standing.IN
        self.tell(Joined(self.last + 1, 0.0, self.name))

    # The room.

    def tell(self, event: Message | Joined | Left) -> None:
        self.last = event.id
        self.room.append(event)
        if self.standing is Standing.IN:
            self.events.append(event)

    def take(self) -> None:
        """Have the room take what comes next."""
        if self.says:
            said = self.says.pop(0)
            assert said.nonce is not None
            if self.is_muted:
                self.events.append(Error("muted", nonce=said.nonce))
            elif self.highest is None or said.nonce > self.highest:
                self.tell(message(self.last + 1, said.text, self.name, said.nonce))
            self.highest = max(said.nonce, self.highest or 0)

    def speak(self) -> None:
        self.tell(message(self.last + 1, "x"))

    def mute(self) -> None:
        self.is_muted = not self.is_muted

    def let_leave(self) -> None:
        """Have the grace end."""
        if self.standing is Standing.IN:
            self.break_link()
            self.standing = Standing.FORMER
            self.tell(Left(self.last + 1, 0.0, self.name))

    def forget(self) -> None:
        """Lose the member's token, and the link."""
        self.break_link()
        self.standing, self.was_forgotten = Standing.UNKNOWN, True
        self.highest = None

    def break_link(self) -> None:
        self.says.clear()
        self.events.clear()

    def take_the_name(self) -> None:
        """Have another one come, say something, and stay or leave, under the name of who is not there."""
        if self.standing is not Standing.IN:
            for nonce in (1, 2):
                self.tell(message(self.last + 1, "another's", "Ada", nonce))
            self.is_name_taken = not self.is_name_taken

    def drop(self) -> None:
        """Lose what has happened last, and the link."""
        self.dropped |= {event.id for event in self.room[-3:]}
        self.link()

    def leave_numbers_out(self) -> None:
        """Use up some numbers for nothing, after the link was lost."""
        self.last += 5
        self.link()

    # The member.

    def say(self) -> None:
        self._say(is_put=self.standing is Standing.IN)

    def say_unlinked(self) -> None:
        """Say something while there is no link, and make one."""
        self._say(is_put=False)
        self.link()

    def _say(self, is_put: bool) -> None:
        said = self.ledger.say(f"text {len(self.texts) + 1}", is_put)
        assert said.nonce is not None
        self.texts[said.nonce] = said.text
        if is_put:
            self.says.append(said)

    def show(self) -> None:
        """Have the member see what comes next."""
        if self.events:
            self.note(self.ledger.take(self.events.pop(0)))

    def note(self, shown: list[Event]) -> None:
        for event in shown:
            self.shown.append(event)
            match event:
                case Welcome(name=name):
                    self.shown_name = name
                case Message(name=name, nonce=int(nonce), text=text) if name == self.shown_name:
                    assert text == self.texts[nonce]
                    self.ends.append((nonce, Message))
                case NotSent(nonce=nonce) | Taken(nonce=nonce):
                    self.ends.append((nonce, type(event)))
                case Rejected(error=Error(nonce=int(nonce))):
                    self.ends.append((nonce, Rejected))


STEPS = (
    *(Play.say, Play.say_unlinked, Play.take, Play.show, Play.speak, Play.mute, Play.link, Play.forget, Play.let_leave),
    *(Play.link_and_lose_the_welcome, Play.take_the_name, Play.drop, Play.leave_numbers_out),
)


@given(st.lists(st.sampled_from(STEPS), max_size=60))
def test_each_thing_said_has_one_end_and_nothing_is_missing_in_silence_whatever_is_lost(steps: list[object]) -> None:
    play = Play()
    for step in steps:
        assert callable(step)
        step(play)
    if play.standing is not Standing.IN:
        play.link()
    play.speak()
    while play.says or play.events:
        play.take()
        play.show()
    if play.dropped or play.last != len(play.room):
        play.speak()  # what was told last may be lost
        play.show()
    assert not play.ledger.unsent
    assert sorted(nonce for nonce, _ in play.ends) == sorted(play.texts)
    own = set(play.texts.values())
    said = Counter(event.nonce for event in play.room if isinstance(event, Message) and event.text in own)
    for nonce, end in play.ends:
        assert said[nonce] <= 1
        if end in (NotSent, Rejected):
            assert not said[nonce] or (end is NotSent and play.was_forgotten)
        elif end is Message:
            assert said[nonce]
    check_what_is_missing(play)


def check_what_is_missing(play: Play) -> None:
    """Check that the gaps count all that has happened since the arrival and was not shown, and numbers rise."""
    numbers = [event.id for event in play.shown if isinstance(event, Message | Joined | Left)]
    assert numbers == sorted(set(numbers))
    arrived_at = numbers[0]
    if not play.was_forgotten:
        arrived_at = min(arrived_at, next(event.last for event in play.shown if isinstance(event, Welcome)))
    missed = {event.id for event in play.room if event.id > arrived_at} - set(numbers)
    counted = sum(event.count for event in play.shown if isinstance(event, Gap))
    assert counted == len(missed) or (counted > len(missed) and play.was_forgotten)
