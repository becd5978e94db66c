"""An idle window does nothing, and is woken up by what comes."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from lan_chat.client import message_input
from lan_chat.client.inbox import Inbox
from lan_chat.client.ledger import NotSent
from lan_chat.client.session import LinkBroken
from lan_chat.client.wakeup import Wakeup
from lan_chat.client.words import ITALIAN
from protocol import Greeting
from tests.support.seats import Reader, ReaderSit, Sit, message
from tests.support.waiting import wait_until

try:
    import tkinter as tk
except ImportError:  # what needs it is skipped aloud, for want of a display
    if not TYPE_CHECKING:
        tk = None


def test_each_event_rings_after_it_was_put() -> None:
    inbox, found = Inbox(), []
    inbox.put(Greeting())  # rings for nobody
    inbox.ring = lambda: found.append(inbox.qsize())
    inbox.put(Greeting())
    inbox.put(Greeting())
    assert found == [2, 3]


@pytest.fixture(autouse=True)
def still_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message_input, "BLINKS_FOR_MS", 1)


def run_until_timers_are_over(root: tk.Tk) -> None:
    """Run the window until nothing is planned any more."""
    wait_until(lambda: root.update() or not root.tk.call("after", "info"))  # type: ignore[func-returns-value]


@pytest.mark.screen
@pytest.mark.skipif(sys.platform == "win32", reason="Windows wakes nobody up at Ctrl+C")
def test_an_idle_window_plans_nothing(reader_sit: ReaderSit) -> None:
    reader = reader_sit("Bob")
    reader.hear_many(100)
    run_until_timers_are_over(reader.root)
    reader.hear_many(1, first=100)
    run_until_timers_are_over(reader.root)


@pytest.mark.screen
def test_what_another_thread_puts_wakes_up_a_loop_that_waits(reader_sit: ReaderSit) -> None:
    """Tk's loop waits without a bound, as in the program: nothing but the ring ends it."""
    reader = reader_sit("Bob")
    session = reader.fake
    if sys.platform != "win32":
        run_until_timers_are_over(reader.root)
    threads = [threading.Thread(target=session.tell, args=[message(1, "da fuori")])]
    threads[0].start()
    while "da fuori" not in reader.shown:
        reader.root.tk.dooneevent(0)
    threads[0].join()


@pytest.mark.screen
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals between processes")
def test_a_signal_wakes_up_a_loop_that_waits(reader_sit: ReaderSit) -> None:
    reader = reader_sit("Bob")
    before = signal.signal(signal.SIGTERM, lambda *_: setattr(reader.window, "wants_to_close", True))
    try:
        run_until_timers_are_over(reader.root)
        kill = threading.Thread(target=os.kill, args=[os.getpid(), signal.SIGTERM])
        kill.start()
        while not reader.window._is_closed:
            reader.root.tk.dooneevent(0)
        kill.join()
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.screen
def test_a_ring_before_the_last_one_was_answered_is_no_second_one(root: tk.Tk, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[bool] = []
    wakeup = Wakeup(root, lambda: bool(looked.append(True)))  # type: ignore[func-returns-value]
    for _ in range(100_000):
        wakeup.ring()  # would fill the pair of sockets
    wait_until(lambda: root.update() or looked)  # type: ignore[func-returns-value]
    wakeup.ring()
    wait_until(lambda: root.update() or len(looked) > 1)  # type: ignore[func-returns-value]
    wakeup.close()
    wakeup.ring()
    root.update()
    assert len(looked) == 2 or sys.platform == "win32"


@pytest.mark.screen
def test_there_is_another_look_as_long_as_there_is_more(root: tk.Tk) -> None:
    left = itertools.count(5, -1)
    looks: list[int] = []

    def look() -> bool:
        looks.append(next(left))
        return looks[-1] > 0

    wakeup = Wakeup(root, look)
    wakeup.ring()
    wait_until(lambda: root.update() or looks[-1:] == [0])  # type: ignore[func-returns-value]
    wakeup.close()


@pytest.mark.screen
def test_what_asks_for_a_look_within_one_plans_no_second_one(root: tk.Tk) -> None:
    left = itertools.count(5, -1)
    planned: list[int] = []

    def look() -> bool:
        wakeup.request()  # as what is shown does
        planned.append(len(root.tk.splitlist(root.tk.call("after", "info"))))
        return next(left) > 0

    before = len(root.tk.splitlist(root.tk.call("after", "info")))
    wakeup = Wakeup(root, look)
    before = max(before, len(root.tk.splitlist(root.tk.call("after", "info"))))  # on Windows it ticks
    wakeup.ring()
    wait_until(lambda: root.update() or len(planned) > 7)  # type: ignore[func-returns-value]
    wakeup.close()
    assert set(planned) == {before}


@pytest.mark.screen
def test_two_windows_are_woken_up_in_any_order_of_their_ends(reader_sit: ReaderSit) -> None:
    first, second = reader_sit(), reader_sit()
    first.window.close()
    second.hear(message(1, "ancora qui"))
    second.see("ancora qui")
    if sys.platform != "win32":
        signal.raise_signal(signal.SIGCONT)
    second.window.close()


@pytest.mark.screen
def test_what_the_user_does_is_drawn_without_an_event_of_the_session(sit: Sit) -> None:
    seat = sit()
    seat.fake.tell(NotSent(1, "non partito"))
    seat.see(ITALIAN.not_sent)
    seat.window.membership.discard()
    seat.wait(lambda: ITALIAN.not_sent not in seat.shown)


@pytest.mark.screen
def test_scrolling_is_noted_without_news(reader_sit: ReaderSit) -> None:
    reader: Reader = reader_sit("Bob")
    reader.hear_many(200)
    conversation = reader.window.conversation
    conversation.text.yview_moveto(0.0)
    reader.wait(lambda: not conversation._is_at_end)
    reader.hear_many(1, first=200)
    reader.wait(lambda: reader.news)
    conversation.text.yview_moveto(1.0)
    reader.wait(lambda: not reader.news)


@pytest.mark.screen
def test_a_broken_link_is_counted_by_the_second_and_no_longer_than_that_changes(reader_sit: ReaderSit) -> None:
    reader = reader_sit("Bob")
    status = reader.window._status_line
    reader.hear(LinkBroken(100.0))
    reader.wait(lambda: reader.window._retry_id)
    assert 0 < status.changes_in_ms <= 1000
    reader.hear(LinkBroken(0.2))
    waiting = ITALIAN.status_retrying.partition("{")[0]
    reader.wait(lambda: reader.window.status["text"].startswith(waiting))
    reader.wait(lambda: not reader.window._retry_id)
    reader.hear(LinkBroken(100.0))
    reader.wait(lambda: reader.window._retry_id)
