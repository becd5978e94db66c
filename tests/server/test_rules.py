"""What the operator has forbidden: what a text means as addresses, and what a room keeps of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import protocol
from lan_chat.server.membership import Member
from lan_chat.server.room import MAX_REMEMBERED, Room
from lan_chat.server.rules import Rule, RuleKind, network_text, parse_network
from tests.support.wire import anything_goes, valid_names

BAN, MUTE = RuleKind.BAN, RuleKind.MUTE


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("10.0.0.5", "10.0.0.5"),
        ("10.0.0.5:51234", "10.0.0.5"),
        ("10.0.0.0/24", "10.0.0.0/24"),
        ("10.0.0.5/24", "10.0.0.0/24"),
        ("10.0.0.0/255.255.255.0", "10.0.0.0/24"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("::1", "::1"),
        ("::1:51234", "::1"),
        ("[::1]", "::1"),
        ("[::1]:5123", "::1"),
        ("FE80::A", "fe80::a"),
        ("fe80::a%eth0", "fe80::a"),
        ("fe80::a%eth0:51234", "fe80::a"),
        ("[fe80::a%2]:51234", "fe80::a"),
        ("fe80::%eth0/64", "fe80::/64"),
        ("::ffff:10.0.0.5", "10.0.0.5"),
        ("::ffff:10.0.0.0/120", "10.0.0.0/24"),
    ],
)
def test_an_address_is_understood_as_the_log_shows_it(text: str, network: str) -> None:
    found = parse_network(text)
    assert found is not None
    assert network_text(found) == network


@pytest.mark.parametrize(
    "text",
    [
        *("10.0.0.999", "10.0.0", "127.0.0.*", "10.0.0.0/33", "10.0.0.0/", "10.0.0.5:", "10.0.0.5:abc", "010.0.0.1"),
        *("0.0.0.0%/0", "10.0.0.5%a", "192.168.1.0%/24"),
        *("10", "", ":", "::g", "[::1", "[10.0.0.5]", "[10.0.0.5]:7", "Ada", "Ada:7", "10.0.0.5 ", "*"),
    ],
)
def test_what_is_no_address_means_none(text: str) -> None:
    assert parse_network(text) is None


@pytest.mark.parametrize(
    "text",
    [
        *("10.0.0.5", "10.0.0.0/24", "10.0.0.0/255.255.255.0"),
        *("0.0.0.0%/0", "10.0.0.5%a", "192.168.1.0%/24", "10.0.0.5% Ada"),
    ],
)
def test_no_name_can_be_mistaken_for_an_address_or_a_network(text: str) -> None:
    assert protocol.parse_name(text) is None


@anything_goes
@given(valid_names | st.from_regex(r"[0-9.]{7,12}[%/ a-f0-9]{0,6}", fullmatch=True))
def test_nothing_that_can_be_a_name_means_an_address(text: str) -> None:
    assert protocol.parse_name(text) is None or parse_network(text) is None


RULES = [
    Rule(BAN, "Bob", "10.0.0.5", "troppo rumore"),
    Rule(BAN, "10.1.0.0/16"),
    Rule(MUTE, "Lia"),
    Rule(MUTE, "*"),
]


def test_what_is_forbidden_is_forbidden_in_another_room_that_is_given_it() -> None:
    room = Room(10)
    room.restore_rules(RULES)
    assert room.rules() == RULES
    assert [host for host in ("10.0.0.5", "10.1.2.3", "10.0.0.6", "::1") if room.is_banned(host)] == [
        "10.0.0.5",
        "10.1.2.3",
    ]
    assert room.has_ban("BOB")
    assert room.is_muted("LIA")
    assert room.is_quiet
    assert room.unban("bob")
    assert not room.is_banned("10.0.0.5")


@pytest.mark.parametrize("members_are_first", [True, False])
def test_a_member_of_an_earlier_server_is_muted_as_it_was(members_are_first: bool) -> None:
    room, lia = Room(10), Member("Lia", b"key")
    if members_are_first:
        room.restore([lia])
    room.restore_rules(RULES)
    if not members_are_first:
        room.restore([lia])
    assert room.standing_of(lia) == protocol.MUTED
    assert room.muting_of(lia) is not None


def test_two_members_of_an_earlier_server_whose_names_are_one_now_do_not_break_each_other() -> None:
    room, maria, other = Room(10), Member("Maria", b"1"), Member("Mari\u0307a", b"2")
    room.restore([maria, other])
    assert room.members() == [maria]
    room.release(other)
    assert room.find("Maria") is maria
    room.release(maria)
    assert room.members() == []


def test_each_change_of_the_rules_is_noted_once_and_nothing_else_is() -> None:
    room = Room(10)
    room.restore([Member("Lia", b"key")])
    noted: list[list[Rule]] = []
    room.on_rules_changed = lambda: noted.append(room.rules())
    room.restore_rules([Rule(MUTE, "Ada")])
    for change in (
        lambda: room.ban("10.0.0.5", "rumore"),
        lambda: room.mute("Lia", True),
        lambda: room.mute("LIA", True),
        lambda: room.mute("Nessuno", True),
        lambda: room.mute_all(True),
        lambda: room.mute_all(True),
        lambda: room.mute_all(False),
        lambda: room.mute("Lia", False),
        lambda: room.unban("10.0.0.6"),
        lambda: room.unban("10.0.0.5"),
    ):
        change()
    ban, ada, lia, everybody = (
        Rule(BAN, "10.0.0.5", reason="rumore"),
        Rule(MUTE, "Ada"),
        Rule(MUTE, "Lia"),
        Rule(MUTE, "*"),
    )
    assert noted == [[ban, ada], [ban, ada, lia], [ban, ada, lia, everybody], [ban, ada, lia], [ban, ada], [ada]]


def test_a_room_remembers_no_more_than_the_newest_of_those_who_left() -> None:
    room = Room(10)
    members = [Member(f"Ada{number}", b"%d" % number) for number in range(MAX_REMEMBERED + 1)]
    for member in members:
        room.restore([member])
        room.release(member)
    assert not room.knows("Ada0")
    assert room.knows("ada1")
    assert room.knows(members[-1].name)
