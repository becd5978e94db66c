"""The search for rooms, on the loopback interface, at a port of the test's own."""

from __future__ import annotations

import contextlib
import ipaddress
import queue
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest

from lan_chat import rooms
from lan_chat.client import search as search_module
from lan_chat.client.search import Search
from lan_chat.interfaces import Interface
from lan_chat.process import UDP_PORT_VARIABLE
from lan_chat.rooms import Found, Remembered, Room
from tests.support.programs import ON_WINE
from tests.support.responder import LOOPBACK, Responder
from tests.support.waiting import DEADLINE_S, wait_until

ROOM = Room("a1", "Aula 3", 53000, 7)
needs_loopback_addresses = pytest.mark.skipif(
    sys.platform == "darwin", reason="needs a second loopback address, as Linux and Windows have"
)


@pytest.fixture
def responder() -> Iterator[Responder]:
    with closing(Responder()) as responder:
        yield responder


@contextmanager
def searching(
    port: int, *remembered: Remembered, here: tuple[Interface, ...] = (LOOPBACK,)
) -> Iterator[tuple[Search, queue.SimpleQueue[str]]]:
    """Search at a port, on these interfaces only; yield the search, and the names of the threads that called `ring`."""
    rings: queue.SimpleQueue[str] = queue.SimpleQueue()
    search = Search(remembered, lambda: rings.put(threading.current_thread().name), udp_port=port, look_up=lambda: here)
    with closing(search):
        search.start()
        yield search, rings


def test_a_room_that_answers_is_listed_with_its_address(responder: Responder) -> None:
    with searching(responder.port) as (search, rings):
        responder.answer(ROOM)
        assert rings.get(timeout=DEADLINE_S) == "search"
        assert search.rooms() == [Found(ROOM, "127.0.0.1")]


@pytest.mark.parametrize("host", ["8.8.8.8", "2001:db8::9"])
def test_an_answer_from_beyond_the_lan_is_not_believed(host: str) -> None:
    with closing(Search((), lambda: None, udp_port=1)) as search:
        search._new_question(search._broadcast_nonces)
        answer = rooms.encode_answer(search._broadcast_nonces[-1], ROOM)
        assert not search._take(answer, (host, 53000))
        assert search._take(answer, ("192.168.1.20", 53000))


def test_who_searches_for_long_asks_less_often(responder: Responder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_module, "ROUND_S", 0.01)
    monkeypatch.setattr(search_module, "LATER_ROUND_S", 1000.0)
    monkeypatch.setattr(search_module, "QUICK_ROUNDS", 3)
    with searching(responder.port) as (search, _):
        wait_until(lambda: search._rounds == 4)
        after = time.monotonic() + 500
        wait_until(
            lambda: any(one.action == search._begin_round and one.time > after for one in search._schedule.queue)
        )
        assert search._rounds == 4


def test_an_address_that_is_not_believed_is_listed_no_more(responder: Responder) -> None:
    with searching(responder.port) as (search, rings):
        responder.answer(ROOM)
        assert rings.get(timeout=DEADLINE_S)
        search.refuse("127.0.0.1", ROOM.port)
        responder.answer(ROOM)
        responder.answer(replace(ROOM, id="b2", port=53001))
        wait_until(lambda: [one.room.id for one in search.rooms()] == ["b2"])


def test_a_list_that_is_the_same_rings_no_more(responder: Responder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_module, "ROUND_S", 0.05)
    monkeypatch.setattr(search_module, "LOOK_S", 1000.0)
    monkeypatch.setattr(search_module, "BROADCAST_WAIT_S", 1000.0)
    monkeypatch.setattr(search_module.Search, "_ask_known", lambda _: None)  # one question a round, answers in order
    monkeypatch.setattr(rooms, "SILENT_ROUNDS", 10**6)  # however late the answers are
    with searching(responder.port) as (search, rings):
        responder.answer_until(ROOM, search.rooms)
        for _ in range(3):
            responder.answer(ROOM)
        more = replace(ROOM, people=8)
        responder.answer_until(more, lambda: [found.room for found in search.rooms()] == [more])
    assert rings.qsize() == 2


def test_everybody_is_asked_again_with_another_nonce(responder: Responder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_module, "ROUND_S", 0.05)
    with searching(responder.port):
        nonces: set[str] = set()
        while len(nonces) < 4:
            nonces.add(responder.question()[0])


def test_who_has_gone_is_listed_no_more(responder: Responder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_module, "ROUND_S", 0.05)
    with searching(responder.port) as (search, _):
        responder.answer_until(ROOM, search.rooms)
        wait_until(lambda: not search.rooms(), search.rooms)


def test_a_remembered_room_is_asked_by_its_address_at_its_own_port_too(responder: Responder) -> None:
    with closing(Responder()) as usual:
        here = Remembered("a1", "Aula 3", "127.0.0.1", responder.port)
        with searching(usual.port, here, here=()) as (search, _):
            usual.question()
            responder.answer(ROOM)
            wait_until(search.rooms)


def test_a_room_that_was_found_is_asked_by_its_address_from_then_on(
    responder: Responder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or it would be forgotten where no broadcast is answered, once each address has been asked."""
    with closing(Responder()) as usual:
        monkeypatch.setattr(search_module, "ROUND_S", 0.05)
        with searching(usual.port) as (search, _):
            usual.answer_until(replace(ROOM, port=responder.port), search.rooms)
            responder.question()


def test_a_name_is_resolved_aside(responder: Responder) -> None:
    named = Remembered("a1", "Aula 3", "localhost", responder.port)
    with searching(responder.port, named, here=()) as (search, _):
        responder.answer(ROOM)
        wait_until(search.rooms)


def test_a_name_that_takes_long_stops_nothing(responder: Responder, monkeypatch: pytest.MonkeyPatch) -> None:
    is_over = threading.Event()

    def resolve(host: str, port: int, flags: int = 0) -> set[tuple[str, int]]:
        if flags:
            raise OSError("a name")
        is_over.wait(DEADLINE_S)
        return {("127.0.0.1", port)}

    monkeypatch.setattr(search_module, "_socket_addresses", resolve)
    with searching(responder.port, Remembered("", "", "nowhere.example", 53000)) as (search, _):
        responder.answer(ROOM)
        wait_until(search.rooms)
    is_over.set()  # when the search is closed


@pytest.mark.parametrize("host", ["", "..", "x" * 300, "fe80::1%nothing", "\N{SNOWMAN}", "255.255.255.255", "::1"])
def test_a_host_that_cannot_be_asked_stops_nothing(host: str, responder: Responder) -> None:
    with searching(responder.port, Remembered("", "", host, 53000)) as (search, _):
        responder.answer(ROOM)
        wait_until(search.rooms)


def test_what_is_no_answer_of_ours_is_not_listed(responder: Responder) -> None:
    with searching(responder.port) as (search, _):
        nonce, sender = responder.question()
        answer = rooms.encode_answer(nonce, ROOM)
        invented = rooms.encode_answer("0123456789abcdef", replace(ROOM, id="x"))
        for datagram in (b"", b"{", invented, answer.ljust(600), b"\xff" * 1400, bytes(9000)):
            responder.sock.sendto(datagram, sender)
        responder.sock.sendto(answer, sender)
        wait_until(search.rooms)
        assert search.rooms() == [Found(ROOM, "127.0.0.1")]


def test_a_port_where_nobody_listens_stops_nothing(responder: Responder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows tells that the next time that the socket is used."""
    monkeypatch.setattr(search_module, "ROUND_S", 0.05)
    with closing(Responder()) as gone:
        pass
    with searching(gone.port, Remembered("", "", "127.0.0.1", responder.port)) as (search, _):
        for _ in range(3):
            responder.answer(ROOM)
        responder.answer_until(ROOM, search.rooms)


def test_where_nobody_answers_the_user_waits_no_longer(responder: Responder) -> None:
    with searching(responder.port) as (search, rings):
        assert search.has_looked.wait(DEADLINE_S)
        assert rings.get(timeout=DEADLINE_S) == "search"
        assert search.rooms() == []


@needs_loopback_addresses
@pytest.mark.skipif(ON_WINE, reason="wine binds no port twice, at two addresses: WinError 10048")
def test_where_no_broadcast_is_answered_each_address_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_module, "ROUND_S", 0.05)
    monkeypatch.setattr(search_module, "BROADCAST_WAIT_S", 0.02)
    card = Interface("eth0", 2, ipaddress.ip_address("127.0.0.9"), 28)  # its network has 14 addresses
    with closing(Responder("127.0.0.14")) as last, closing(Responder("127.0.0.1", last.port)) as first:
        with searching(last.port, here=(card,)) as (search, _):
            first.question()
            last.answer_until(ROOM, search.rooms)
            assert search.rooms() == [Found(ROOM, "127.0.0.14")]
            for _ in range(5):  # by its address from now on
                last.answer(ROOM)
        first.sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            first.question()


@needs_loopback_addresses
@pytest.mark.skipif(ON_WINE, reason="wine binds no port twice, at two addresses: WinError 10048")
def test_clients_whose_links_broke_together_do_not_ask_each_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_module, "ROUND_S", 0.05)
    monkeypatch.setattr(search_module, "BROADCAST_WAIT_S", 0.01)
    card = Interface("eth0", 2, ipaddress.ip_address("127.0.0.9"), 28)
    with closing(Responder("127.0.0.14")) as other, closing(Responder("127.0.0.1", other.port)) as known:
        monkeypatch.setenv(UDP_PORT_VARIABLE, str(other.port))
        room = Remembered("a1", "Aula", "127.0.0.1", other.port)
        with closing(search_module.search_after_break((room,), lambda: None)) as search:
            search._look_up = lambda: [card]
            search.start()
            for _ in range(10):
                known.question()
        other.sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            other.question()


@needs_loopback_addresses
@pytest.mark.skipif(ON_WINE, reason="wine binds no port twice, at two addresses: WinError 10048")
def test_a_network_that_comes_while_others_are_asked_is_asked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_module, "ROUND_S", 0.05)
    monkeypatch.setattr(search_module, "BROADCAST_WAIT_S", 0.01)
    cards = [Interface("eth0", 2, ipaddress.ip_address("127.9.0.9"), 24)]
    with contextlib.ExitStack() as stack:
        last = stack.enter_context(closing(Responder("127.9.1.254")))
        first = stack.enter_context(closing(Responder("127.9.0.1", last.port)))
        search = stack.enter_context(closing(Search((), lambda: None, udp_port=last.port, look_up=lambda: list(cards))))
        search.start()
        first.question()
        cards.append(Interface("eth1", 3, ipaddress.ip_address("127.9.1.9"), 24))
        last.answer_until(ROOM, search.rooms)


@needs_loopback_addresses
@pytest.mark.parametrize("prefix_length", range(24, 31))
def test_a_network_of_any_size_is_asked_up_to_its_last_address(
    prefix_length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_module, "BROADCAST_WAIT_S", 0.01)
    monkeypatch.setattr(search_module, "SWEEP_S", 0.1)
    monkeypatch.setattr(search_module, "LOOK_S", 0.15)
    card = Interface("eth0", 2, ipaddress.ip_address("127.9.0.1"), prefix_length)
    *_, last_host = ipaddress.ip_network(f"127.9.0.0/{prefix_length}").hosts()
    with closing(Responder(str(last_host))) as last, searching(last.port, here=(card,)) as (search, _):
        last.answer(ROOM)
        wait_until(search.rooms)
        assert search.has_looked.wait(DEADLINE_S)


def test_interfaces_are_looked_up_anew(responder: Responder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_module, "ROUND_S", 0.05)
    looks = [0]

    def look_up() -> list[Interface]:
        looks[0] += 1
        gone = Interface("eth9", 9, ipaddress.ip_address("192.0.2.9"), 24, ipaddress.IPv4Address("192.0.2.255"))
        return [LOOPBACK] if looks[0] > 3 else [gone]  # one that cannot be bound to, first

    with closing(Search((), lambda: None, udp_port=responder.port, look_up=look_up)) as search:
        search.start()
        responder.answer_until(ROOM, search.rooms)


def test_a_search_that_was_not_started_can_be_closed_and_one_twice(responder: Responder) -> None:
    search = Search((), lambda: None, udp_port=responder.port, look_up=lambda: ())
    search.close()
    with searching(responder.port) as (search, _):
        search.close()
    assert search.has_looked.is_set()


def test_where_rooms_are_not_to_be_found_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(UDP_PORT_VARIABLE, "0")
    with closing(Search((), lambda: None)) as search:
        search.start()
        assert search.has_looked.is_set()
        assert search.rooms() == []


def test_after_a_failure_of_our_own_nobody_waits(caplog: pytest.LogCaptureFixture) -> None:
    def look_up() -> list[Interface]:
        raise ZeroDivisionError

    with closing(Search((), lambda: None, udp_port=1, look_up=look_up)) as search:
        search.start()
        assert search.has_looked.wait(DEADLINE_S)
        search.close()
    assert "ZeroDivisionError" in caplog.text
    caplog.clear()
