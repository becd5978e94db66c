"""Who talks without a pause shares a turn of the delivery thread, and nobody else waits for that."""

from __future__ import annotations

import queue
import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from lan_chat.server.mailbox import Mailbox
from lan_chat.server.membership import ConnectionState, Recipient
from lan_chat.server.outbox import Outbox
from lan_chat.server.work import TALKER_TURNS, Collector, Work
from tests.support.waiting import DEADLINE_S, wait_until

FOR_EVER_S = 1000.0


@pytest.fixture
def members() -> Iterator[list[Recipient]]:
    """Return three members, of which nothing is read or written."""
    with socket.socket() as sock:
        boxes = [(Outbox(sock), Mailbox(lambda: None)) for _ in range(3)]
        recipients = [Recipient(("127.0.0.1", 1), 1, outbox, mailbox, lambda: None) for outbox, mailbox in boxes]
        for recipient in recipients:
            recipient.state = ConnectionState.MEMBER
        yield recipients
        for recipient in recipients:
            recipient.outbox.detach()


class Turn:
    """A collector in a thread of its own, as it waits for one turn's work."""

    def __init__(self, before: Sequence[Sequence[Work]]) -> None:
        self.works: queue.SimpleQueue[Work] = queue.SimpleQueue()
        self._collector = Collector(self.works)
        for work in before:
            self._collector.note([*work])

    def with_(self, *puts: Work) -> list[Work]:
        """Return what it takes of what comes one after the other, as long as it waits for more."""
        with ThreadPoolExecutor(1) as thread:
            taken = thread.submit(self._collector.collect, FOR_EVER_S, FOR_EVER_S)
            for work in puts:
                self.works.put(work)
                wait_until(self.works.empty)
            try:
                return taken.result(DEADLINE_S)
            finally:
                self.works.put(print)  # ends the turn where it still waits


def test_those_who_talk_without_a_pause_share_a_turn(members: list[Recipient]) -> None:
    ada, bob, _ = members
    turn = Turn([[ada, bob]] * 2)
    assert turn.with_(bob, ada) == [bob, ada]


def test_nobody_waits_for_those_who_talk_without_a_pause(members: list[Recipient]) -> None:
    ada, bob, eve = members
    assert Turn([[ada, bob]] * 2).with_(eve) == [eve]


def test_who_has_paused_is_not_one_of_them_any_more(members: list[Recipient]) -> None:
    ada, bob, eve = members
    assert Turn([[ada, bob, eve]] * 2 + [[ada, bob]] * (TALKER_TURNS + 1)).with_(ada, eve) == [ada, eve]


def test_a_turn_is_not_kept_waiting_for_those_who_have_come_once(members: list[Recipient]) -> None:
    ada, bob, eve = members
    assert Turn([[ada, bob, eve]]).with_(ada) == [ada]


def test_those_who_are_no_members_are_not_waited_for(members: list[Recipient]) -> None:
    ada, bob, eve = members
    ada.state = bob.state = ConnectionState.CHOOSING
    assert Turn([[ada, bob, eve, print]] * 2).with_(eve) == [eve]
