"""What passes between a connection's thread and the delivery thread: in order, once, and nobody waits for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from lan_chat.server import mailbox as module
from lan_chat.server.mailbox import MAX_WAITING_EVENTS, Mailbox
from protocol import Event, Join, Say
from tests.support.waiting import DEADLINE_S, wait_until

TIMES = 1000


class Announcements:
    """How often the delivery thread was told that there is something to take."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


def say(*texts: str) -> list[Event]:
    return [Say(text) for text in texts]


def is_waiting(mailbox: Mailbox) -> bool:
    """Whether a thread waits for a change."""
    return bool(mailbox._changed._waiters)  # type: ignore[attr-defined]


def start(target: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=target)
    thread.start()
    return thread


def end(thread: threading.Thread) -> None:
    thread.join(DEADLINE_S)
    assert not thread.is_alive(), "it waits for ever"


def full() -> Mailbox:
    mailbox = Mailbox(Announcements())
    mailbox.hand_over(say(*["x"] * MAX_WAITING_EVENTS))
    return mailbox


def test_what_was_handed_over_is_taken_once_and_in_order() -> None:
    mailbox = Mailbox(Announcements())
    mailbox.hand_over(say("one", "two"))
    mailbox.hand_over(say("three"))
    assert mailbox.take() == say("one", "two", "three")
    assert mailbox.take() == []


def test_the_delivery_thread_is_told_once_until_it_has_taken() -> None:
    announce = Announcements()
    mailbox = Mailbox(announce)
    assert announce.count == 0
    mailbox.hand_over(say("one"))
    mailbox.hand_over(say("two"))
    assert announce.count == 1
    mailbox.take()
    mailbox.take()
    assert announce.count == 1
    mailbox.hand_over(say("three"))
    assert announce.count == 2


def test_the_mail_is_there_when_the_delivery_thread_is_told() -> None:
    taken: list[Event] = []
    mailbox = Mailbox(lambda: taken.extend(mailbox.take()))
    mailbox.hand_over(say("one"))
    mailbox.hand_over(say("two"))
    assert taken == say("one", "two")


def test_a_full_mailbox_waits_until_something_was_taken() -> None:
    mailbox = full()
    thread = start(lambda: mailbox.hand_over(say("one more")))
    wait_until(lambda: is_waiting(mailbox))
    assert len(mailbox.take()) == MAX_WAITING_EVENTS
    end(thread)
    assert mailbox.take() == say("one more")


def test_more_than_a_mailbox_holds_may_be_handed_over_at_once() -> None:
    mailbox = Mailbox(Announcements())
    mailbox.hand_over(say(*["x"] * (MAX_WAITING_EVENTS - 1)))
    mailbox.hand_over(say(*["y"] * MAX_WAITING_EVENTS))
    assert len(mailbox.take()) == 2 * MAX_WAITING_EVENTS - 1


def test_a_full_mailbox_lets_its_client_go_on_when_the_connection_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_S", DEADLINE_S * 2)  # it has to be woken
    mailbox = full()
    thread = start(lambda: mailbox.hand_over(say("the end")))
    wait_until(lambda: is_waiting(mailbox))
    mailbox.finish()
    end(thread)


def test_taking_wakes_who_waits_at_a_full_mailbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_S", DEADLINE_S * 2)
    mailbox = full()
    thread = start(lambda: mailbox.hand_over(say("one more")))
    wait_until(lambda: is_waiting(mailbox))
    mailbox.take()
    end(thread)


@pytest.mark.parametrize("ends", [Mailbox.shut, Mailbox.finish])
def test_shutting_and_finishing_wake_who_waits_for_its_turn_to_speak(ends: Callable[[Mailbox], None]) -> None:
    mailbox = Mailbox(Announcements())
    outcomes: list[bool] = []
    assert not mailbox.is_shut
    assert mailbox.wait_until_shut(0.0) is False
    thread = start(lambda: outcomes.append(mailbox.wait_until_shut(float("inf"))))
    wait_until(lambda: is_waiting(mailbox))
    ends(mailbox)
    end(thread)
    assert outcomes == [True]
    assert mailbox.is_shut
    assert mailbox.wait_until_shut(0.0) is True


def test_finishing_wakes_who_waits_to_close_and_shutting_does_not() -> None:
    mailbox = Mailbox(Announcements())
    thread = start(mailbox.wait_until_done)
    wait_until(lambda: is_waiting(mailbox))
    mailbox.shut()
    wait_until(lambda: is_waiting(mailbox))
    assert thread.is_alive()
    mailbox.finish()
    end(thread)
    mailbox.wait_until_done()


def test_shutting_and_finishing_twice_change_nothing() -> None:
    mailbox = Mailbox(Announcements())
    for change in (mailbox.shut, mailbox.shut, mailbox.finish, mailbox.finish, mailbox.shut):
        change()
    assert mailbox.is_shut
    mailbox.wait_until_done()


def test_what_is_handed_over_at_the_end_can_still_be_taken() -> None:
    mailbox = Mailbox(Announcements())
    mailbox.shut()
    mailbox.hand_over(say("one"))
    mailbox.finish()
    mailbox.hand_over(say("two"))
    assert mailbox.take() == say("one", "two")


@pytest.mark.parametrize("ends", [Mailbox.note_decided, Mailbox.shut, Mailbox.finish])
def test_who_proposes_waits_until_that_is_decided_or_nothing_counts_any_more(ends: Callable[[Mailbox], None]) -> None:
    mailbox = Mailbox(Announcements())
    thread = start(lambda: mailbox.propose(Join("Ada")))
    wait_until(lambda: is_waiting(mailbox))
    assert mailbox.take() == [Join("Ada")]
    wait_until(lambda: is_waiting(mailbox))
    assert thread.is_alive()
    ends(mailbox)
    end(thread)


def test_what_is_decided_as_it_is_proposed_is_not_waited_for() -> None:
    mailbox = Mailbox(lambda: mailbox.note_decided())
    end(start(lambda: mailbox.propose(Join("Ada"))))


def test_two_threads_hand_over_and_take_a_thousand_times() -> None:
    may_take = threading.Semaphore(0)
    mailbox = Mailbox(may_take.release)
    given = [Say(str(number)) for number in range(TIMES)]

    def hand_over() -> None:
        for event in given:
            mailbox.hand_over([event])
        mailbox.wait_until_done()

    thread = start(hand_over)
    taken: list[Event] = []
    while len(taken) < TIMES:
        assert may_take.acquire(timeout=DEADLINE_S), f"nobody told of {taken[-1:]}"
        taken += mailbox.take()
    mailbox.finish()
    end(thread)
    assert taken == given


def test_a_thousand_proposals_are_each_decided_before_the_next() -> None:
    may_take = threading.Semaphore(0)
    mailbox = Mailbox(may_take.release)

    def propose() -> None:
        for number in range(TIMES):
            mailbox.propose(Join(str(number)))

    thread = start(propose)
    for number in range(TIMES):
        assert may_take.acquire(timeout=DEADLINE_S)
        assert mailbox.take() == [Join(str(number))]
        mailbox.note_decided()
    end(thread)


def test_a_thousand_ends_wake_whoever_waits_just_then() -> None:
    for number in range(TIMES):
        mailbox = full()

        def live(mailbox: Mailbox = mailbox) -> None:
            mailbox.hand_over(say("the end"))
            mailbox.wait_until_done()

        thread = start(live)
        if number % 2:
            mailbox.shut()
        mailbox.finish()
        end(thread)
