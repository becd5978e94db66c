"""The ledger: what was said and seen, without a socket, a thread or a clock."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lan_chat.client.ledger import Gap, Ledger, LinkRestored, NotSent, Rejected, Taken
from protocol import Announcement, Error, Event, Greeting, Joined, Left, Message, Say, Welcome


def message(number: int, text: str, name: str = "Bob", nonce: int | None = None) -> Message:
    return Message(number, 0.0, name, text, nonce)


def welcome(last: int, nonce: int | None = None, room: str | None = "room", name: str = "Ada") -> Welcome:
    return Welcome(name, "token", (name, "Bob"), last, nonce, room)


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
    assert ledger.resumes_after == 2


def test_an_event_that_has_no_number_is_only_shown() -> None:
    ledger = come_in()
    assert ledger.take(Greeting()) == [Greeting()]
    assert ledger.resumes_after == 1


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


def test_a_member_resumes_after_the_last_event_and_a_stranger_from_the_beginning() -> None:
    ledger = come_in()
    assert (ledger.resumes_after, Ledger().resumes_after) == (1, 0)
    ledger.forget_membership()
    assert ledger.resumes_after == 0


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


# --- in any order -----------------------------------------------------------------------------------------------------


class Play:
    """A ledger and a room, with two queues between them that a break of the link empties."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.room: list[Event] = []
        self.says: list[Say] = []
        """On their way to the room."""
        self.events: list[Event] = []
        """On their way to the ledger."""
        self.highest: int | None = None
        """The highest nonce that the room has taken from this member; None where it does not know it."""
        self.is_member = False
        self.is_muted = False
        self.was_forgotten = False
        self.texts: dict[int, str] = {}
        self.ends: list[tuple[int, type[Event]]] = []
        self.link()

    def link(self) -> None:
        """Make a new link, and be let in."""
        self.says.clear()
        self.events.clear()
        last, after, is_known = len(self.room), self.ledger.resumes_after, self.is_member
        if is_known:
            missed = self.room[after:]
        else:
            self.ledger.forget_membership()
            self.is_member, self.highest, missed = True, None, []
        answer = Welcome("Ada", "token", ("Ada",), last, self.highest, "room")
        says, shown = self.ledger.settle_in(answer, is_known, is_first=True)
        self.says += says
        self.note(shown)
        self.events += missed
        if not is_known:
            self.tell(Joined(len(self.room) + 1, 0.0, "Ada"))

    def tell(self, event: Event) -> None:
        self.room.append(event)
        self.events.append(event)

    def say(self) -> None:
        said = self.ledger.say(f"text {len(self.texts) + 1}", is_put=True)
        assert said.nonce is not None
        self.texts[said.nonce] = said.text
        self.says.append(said)

    def say_unlinked(self) -> None:
        """Say something while there is no link, and make one."""
        said = self.ledger.say(f"text {len(self.texts) + 1}", is_put=False)
        assert said.nonce is not None
        self.texts[said.nonce] = said.text
        self.link()

    def take(self) -> None:
        """Have the room take what comes next."""
        if self.says:
            said = self.says.pop(0)
            assert said.nonce is not None
            if self.is_muted:
                self.events.append(Error("muted", nonce=said.nonce))
            elif self.highest is None or said.nonce > self.highest:
                self.tell(message(len(self.room) + 1, said.text, "Ada", said.nonce))
            self.highest = max(said.nonce, self.highest or 0)

    def show(self) -> None:
        """Have the member see what comes next."""
        if self.events:
            self.note(self.ledger.take(self.events.pop(0)))

    def speak(self) -> None:
        self.tell(message(len(self.room) + 1, "x"))

    def mute(self) -> None:
        self.is_muted = not self.is_muted

    def forget(self) -> None:
        """Lose the member's token, and the link."""
        self.is_member, self.was_forgotten = False, True
        self.link()

    def note(self, shown: list[Event]) -> None:
        for event in shown:
            match event:
                case Message(name="Ada", nonce=int(nonce)) | NotSent(nonce=nonce) | Taken(nonce=nonce):
                    self.ends.append((nonce, type(event)))
                case Rejected(error=Error(nonce=int(nonce))):
                    self.ends.append((nonce, Rejected))


STEPS = (Play.say, Play.say_unlinked, Play.take, Play.show, Play.speak, Play.mute, Play.link, Play.forget)


@given(st.lists(st.sampled_from(STEPS), max_size=60))
def test_each_thing_said_has_one_end_whatever_is_lost(steps: list[object]) -> None:
    play = Play()
    for step in steps:
        assert callable(step)
        step(play)
    play.speak()
    while play.says or play.events:
        play.take()
        play.show()
    assert not play.ledger.unsent
    assert sorted(nonce for nonce, _ in play.ends) == sorted(play.texts)
    said = Counter(event.nonce for event in play.room if isinstance(event, Message) and event.name == "Ada")
    for nonce, end in play.ends:
        assert said[nonce] <= 1
        if end in (NotSent, Rejected):
            assert not said[nonce] or (end is NotSent and play.was_forgotten)
        elif end is Message:
            assert said[nonce]
