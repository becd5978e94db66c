"""The datagrams by which rooms are found, and what is believed of them."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lan_chat import rooms
from lan_chat.interfaces import Interface
from lan_chat.rooms import Found, Remembered, Room, Rooms

ROOM = Room("0a1b2c", "Aula 3", 53000, 21)
NONCE = "5d41402abc4b2a76"


def interface(address: str, **settings: Any) -> Interface:
    net = ipaddress.ip_interface(address)
    broadcast = net.network.broadcast_address if net.version == 4 and net.network.prefixlen < 31 else None
    usual: dict[str, Any] = {"broadcast": broadcast, "is_loopback": net.is_loopback}
    return Interface("eth0", 2, net.ip, net.network.prefixlen, **{**usual, **settings})


LOOPBACK = interface("127.0.0.1/8", broadcast=None)
CARD = interface("192.168.1.20/24")


# --- the datagrams ----------------------------------------------------------------------------------------------------


def test_a_question_is_answered_with_what_the_room_says() -> None:
    nonce = rooms.decode_question(rooms.encode_question(NONCE))
    assert nonce == NONCE
    assert rooms.decode_answer(rooms.encode_answer(nonce, ROOM), {NONCE}) == ROOM
    assert rooms.decode_answer(rooms.encode_answer(nonce, replace(ROOM, needs_code=True)), {NONCE, "other"}) == replace(
        ROOM, needs_code=True
    )


@given(st.text(max_size=300), st.integers(0, 10**9), st.text("0123456789abcdef", min_size=1, max_size=64))
def test_an_answer_is_never_longer_than_its_question(name: str, people: int, nonce: str) -> None:
    answer = rooms.encode_answer(nonce, Room("f" * 64, name, 65535, people))
    assert len(answer) <= len(rooms.encode_question(nonce)) == rooms.QUESTION_BYTES


def test_a_question_without_room_for_an_answer_is_none() -> None:
    assert rooms.decode_question(rooms.encode_question(NONCE)[:-1]) is None


@given(st.binary(max_size=rooms.MAX_DATAGRAM_BYTES))
def test_any_bytes_are_neither_question_nor_answer(datagram: bytes) -> None:
    assert rooms.decode_question(datagram.ljust(rooms.QUESTION_BYTES)) is None
    assert rooms.decode_answer(datagram, {NONCE}) is None


@pytest.mark.parametrize("nonce", ["", "a b", "x" * 65, 5, None, ["a"], "é"])
def test_a_question_with_another_nonce_than_ours_is_none(nonce: object) -> None:
    datagram = json.dumps({"lan-chat": "where", "nonce": nonce}).encode().ljust(rooms.QUESTION_BYTES)
    assert rooms.decode_question(datagram) is None


def test_an_answer_to_another_question_is_not_believed() -> None:
    assert rooms.decode_answer(rooms.encode_answer("other", ROOM), {NONCE}) is None


@pytest.mark.parametrize(
    "lie",
    [
        {"id": ""},
        {"id": "a" * 65},
        {"id": "a\nb"},
        {"id": 7},
        {"name": ""},
        {"name": "\u200b\u2060"},
        {"name": 1},
        {"port": 0},
        {"port": 65536},
        {"port": True},
        {"port": "53000"},
        {"port": 53000.0},
        {"people": -1},
        {"people": True},
        {"people": None},
        {"code": 1},
        {"code": "no"},
        {"nonce": [NONCE]},
        {"lan-chat": "where"},
        {"name": "x" * 600},
    ],
    ids=str,
)
def test_an_answer_that_makes_no_sense_is_none(lie: dict[str, object]) -> None:
    answer = {**json.loads(rooms.encode_answer(NONCE, ROOM)), **lie}
    assert rooms.decode_answer(json.dumps(answer).encode(), {NONCE}) is None


@pytest.mark.parametrize("datagram", [b"[" * 2000, b"[]", b"null", b"{}", b'"where"', b"\xff" * 600, b"1e999"])
def test_json_that_is_no_object_is_none(datagram: bytes) -> None:
    assert rooms.decode_answer(datagram, {NONCE}) is None
    assert rooms.decode_question(datagram.ljust(rooms.QUESTION_BYTES)) is None


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Aula 3\n\tsotto", "Aula 3  sotto"),
        ("\x1b[31mrossa", "[31mrossa"),
        ("evil\u202egnp.exe", "evilgnp.exe"),
        ("x" * 50, "x" * 39 + "…"),
        ("a" + "\u0301" * 30, "a" + "\u0301" * 4),
        ("\u0301\u20ddAula", "Aula"),
        ("שִׁ" * 5 + "ไม่กี่", "שִׁ" * 5 + "ไม่กี่"),
    ],
)
def test_the_name_of_a_room_is_cleaned_and_bounded(said: str, shown: str) -> None:
    answer = {**json.loads(rooms.encode_answer(NONCE, ROOM)), "name": said}
    found = rooms.decode_answer(json.dumps(answer).encode(), {NONCE})
    assert found is not None
    assert found.name == shown


def test_a_count_is_bounded() -> None:
    answer = {**json.loads(rooms.encode_answer(NONCE, ROOM)), "people": 10**40}
    found = rooms.decode_answer(json.dumps(answer).encode(), {NONCE})
    assert found is not None
    assert found.people == rooms.MAX_PEOPLE


def test_a_later_version_may_say_more() -> None:
    answer = {**json.loads(rooms.encode_answer(NONCE, ROOM)), "topic": "news"}
    assert rooms.decode_answer(json.dumps(answer).encode(), {NONCE}) == ROOM


# --- who is asked, and who is answered --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "asker",
    [
        *("10.1.2.3", "172.31.0.1", "192.168.9.9", "169.254.7.7", "127.0.0.1", "100.64.1.1", "fe80::1%eth0", "fd00::1"),
        *("::1", "::ffff:192.168.1.1", "203.0.113.9", "2001:db8:7::9"),
    ],
)
def test_a_lan_is_answered(asker: str) -> None:
    here = [interface("203.0.113.1/24"), interface("2001:db8:7::1/64")]
    assert rooms.may_be_answered(ipaddress.ip_address(asker), here)


@pytest.mark.parametrize(
    "asker", ["8.8.8.8", "172.32.0.1", "100.128.0.1", "203.0.112.9", "2001:db8:8::9", "::ffff:8.8.8.8", "0.0.0.0"]
)
def test_the_rest_of_the_world_is_not_answered(asker: str) -> None:
    here = [interface("203.0.113.1/24"), interface("2001:db8:7::1/64")]
    assert not rooms.may_be_answered(ipaddress.ip_address(asker), here)


def test_a_tunnel_that_leads_everywhere_makes_nobody_a_neighbour() -> None:
    tunnel = [interface("10.8.0.2/0", is_point_to_point=True), interface("fd00::2/0", is_point_to_point=True)]
    assert not rooms.may_be_answered(ipaddress.ip_address("8.8.8.8"), tunnel)
    assert not rooms.may_be_answered(ipaddress.ip_address("2001:db8::9"), tunnel)


def test_each_network_has_its_broadcast_and_this_machine_its_own() -> None:
    here = [LOOPBACK, CARD, interface("10.0.0.1/8"), interface("10.8.0.2/32", broadcast=None), interface("fd00::1/64")]
    assert dict(rooms.broadcasts(here)) == {
        "127.0.0.1": ("127.255.255.255", "127.0.0.1"),
        "192.168.1.20": ("192.168.1.255", "255.255.255.255"),
        "10.0.0.1": ("10.255.255.255", "255.255.255.255"),
    }


def test_each_address_of_small_networks_is_asked_but_ones_own() -> None:
    here = [LOOPBACK, CARD, interface("192.168.1.21/24"), interface("10.0.0.1/16"), interface("10.9.0.1/30")]
    asked = dict(rooms.neighbours(here))
    assert set(asked) == {"192.168.1.20", "10.9.0.1"}
    assert len(asked["192.168.1.20"]) == 253
    assert asked["10.9.0.1"] == ["10.9.0.2"]


def test_no_more_than_four_networks_are_asked_address_by_address() -> None:
    assert len(dict(rooms.neighbours([interface(f"192.168.{number}.1/24") for number in range(9)]))) == 4


# --- what is listed ---------------------------------------------------------------------------------------------------


def found(room_id: str, host: str = "192.168.1.30", **settings: Any) -> Found:
    return Found(Room(**{"id": room_id, "name": room_id, "port": 53000, "people": 1, **settings}), host)


def test_several_answers_of_one_room_are_one_row_with_the_first_address() -> None:
    listed = Rooms()
    assert listed.add(found("a", "127.0.0.1"))
    assert not listed.add(found("a", "192.168.1.20"))
    assert list(listed) == [found("a", "127.0.0.1")]


def test_who_comes_and_goes_is_counted_anew() -> None:
    listed = Rooms()
    listed.add(found("a"))
    assert not listed.add(found("a"))
    assert listed.add(found("a", people=2))
    assert [one.room.people for one in listed] == [2]


def test_a_liar_takes_over_no_row() -> None:
    listed = Rooms([Remembered("b", "b", "192.168.1.30", 53000)])
    listed.add(found("a"))
    listed.add(found("b"))
    for room_id in "ab":
        assert not listed.add(found(room_id, "192.168.1.66", name="mine", people=99))
        assert not listed.add(found(room_id, port=666))
    assert [one.room.port for one in listed] == [53000, 53000]


@pytest.mark.parametrize(("host", "address"), [("192.168.1.30", ""), ("lab-pc", "192.168.1.30")])
def test_the_room_that_one_knows_takes_its_row_back(host: str, address: str) -> None:
    listed = Rooms([Remembered("a", "a", host, 53000, address=address)])
    listed.add(found("a", "192.168.1.66"))
    assert listed.add(found("a"))
    assert not listed.add(found("a", "192.168.1.66"))
    assert list(listed) == [found("a")]


def test_an_address_that_the_user_does_not_believe_is_listed_no_more_and_hides_no_other() -> None:
    listed = Rooms([Remembered("a", "a", "192.168.1.66", 53000)])
    listed.add(found("a", "192.168.1.66"))
    listed.add(found("b", "192.168.1.66", port=53001))
    listed.refuse("192.168.1.66", 53000)
    assert [one.room.id for one in listed] == ["b"]
    assert listed.add(found("a"))
    assert not listed.add(found("a", "192.168.1.66"))
    assert not listed.add(found("c", "192.168.1.66"))
    assert list(listed) == [found("b", "192.168.1.66", port=53001), found("a")]
    listed.refuse("192.168.1.99", 53000)


def test_no_more_than_fifty_rooms_are_listed() -> None:
    listed = Rooms()
    for number in range(80):
        listed.add(found(str(number), f"192.168.1.{number}"))
    assert len(listed) == rooms.MAX_ROOMS
    assert listed.add(found("7", "192.168.1.7", people=3))


def test_one_address_lists_no_more_than_ten_rooms_but_for_those_that_one_knows() -> None:
    listed = Rooms([Remembered("known", "known", "192.168.1.66", 53000)])
    for number in range(80):
        listed.add(found(str(number), "192.168.1.66"))
    assert len(listed) == rooms.MAX_ROOMS_AT_ONE_HOST
    assert listed.add(found("known", "192.168.1.66"))
    assert listed.add(found("another"))


def test_who_fills_the_list_keeps_no_room_out_that_one_knows_wherever_it_is() -> None:
    listed = Rooms([Remembered("a", "a", "192.168.1.30", 53000), Remembered("b", "b", "192.168.1.31", 53000)])
    for number in range(80):
        listed.add(found(str(number), f"192.168.2.{number}"))
    assert listed.add(found("a"))
    assert listed.add(found("b", "192.168.1.40"))
    assert not listed.add(found("c"))
    assert len(listed) == rooms.MAX_ROOMS
    assert [one.room.id for one in listed][-2:] == ["a", "b"]


def test_a_room_that_is_silent_for_some_rounds_is_listed_no_more() -> None:
    listed = Rooms()
    listed.add(found("a"))
    listed.add(found("b"))
    changes = []
    for _ in range(rooms.SILENT_ROUNDS + 1):
        changes.append(listed.begin_round())
        listed.add(found("a"))
        listed.add(found("b", "192.168.1.66"))  # not the address of its row
    assert changes == [False] * rooms.SILENT_ROUNDS + [True]
    assert listed.add(found("b", "192.168.1.66")) is False  # it has the free place by now
    assert {one.room.id: one.host for one in listed} == {"a": "192.168.1.30", "b": "192.168.1.66"}


# --- which one is meant -----------------------------------------------------------------------------------------------

LAST = Remembered("a", "Aula", "192.168.1.30", 53000)
HERE = [LOOPBACK, CARD]


@pytest.mark.parametrize(
    ("listed", "last", "meant"),
    [
        ([], LAST, None),
        ([found("b"), found("a")], LAST, found("a")),
        ([found("b"), found("a", "192.168.1.40")], LAST, found("a", "192.168.1.40")),
        ([found("b", "192.168.1.50"), found("c", "127.0.0.1")], LAST, found("c", "127.0.0.1")),
        ([found("b"), found("c", "192.168.1.20")], None, found("c", "192.168.1.20")),
        ([found("b")], LAST, found("b")),
        ([found("b"), found("c")], None, None),
        ([found("b", "127.0.0.1"), found("c", "127.0.0.1", port=53001)], None, None),
        ([found("b")], replace(LAST, id=""), found("b")),
        ([found("b", "192.168.1.40"), found("c")], LAST, found("c")),
        ([found("b"), found("a", "192.168.1.40")], replace(LAST, id="a"), found("a", "192.168.1.40")),
    ],
)
def test_the_last_room_is_meant_else_this_machines_else_the_only_one(
    listed: list[Found], last: Remembered | None, meant: Found | None
) -> None:
    assert rooms.usual_room(listed, last, HERE) == meant


@pytest.mark.parametrize(
    ("one", "asks"),
    [
        (found("a"), False),
        (found("new"), False),
        (found("a", "192.168.1.40"), True),
        (found("a", port=53001), True),
        (found("a", "192.168.1.40", needs_code=True), True),
        (found("named", "192.168.1.30"), False),
        (found("named", "192.168.1.40"), True),
        (found("coded"), True),
        (found("coded", "192.168.1.40", needs_code=True), False),
    ],
)
def test_a_room_that_may_be_another_is_entered_only_after_a_question(one: Found, asks: bool) -> None:
    coded = Remembered("coded", "Lab", "192.168.1.30", 53000, had_code=True)
    named = Remembered("named", "Lab", "lab-pc", 53000, address="192.168.1.30")
    known = {"a": LAST, "coded": coded, "named": named}
    assert rooms.needs_question(one, known) is asks
