"""Bans: whom the operator means, what is refused in words, the list, and what lifts them."""

from __future__ import annotations

import logging
import sys

import pytest

from lan_chat.server.commands import Operator
from lan_chat.server.server import ChatServer
from lan_chat.server.words import ENGLISH, ITALIAN
from protocol import EndConn, Error
from tests.support.peers import BarePeer, EventPeer, LinePeer, Peer
from tests.support.servers import talk_to
from tests.support.waiting import wait_until


@pytest.mark.parametrize("what", ["Nessuno", "Nessuno di qui", "tu/io"])
def test_a_name_that_nobody_has_or_had_is_banned_only_in_quotes(operator: Operator, what: str) -> None:
    first = what.split()[0]
    assert operator.answer(f"ban {what}") == ENGLISH.operator_nobody_yet.format(name=first)
    assert operator.answer("bans") == "Nobody is banned."
    assert operator.answer(f'ban "{what}" non si sa mai') == f"{what} cannot come in any more."
    assert operator.answer("bans") == f"{what}  non si sa mai\nBanned: 1. With unban they can come in again."
    assert operator.answer(f"ban {what}") == f"{what} was banned already."
    assert operator.answer(f'unban "{what}"') == f"{what} can come in again."


@pytest.mark.parametrize(
    "what",
    [
        *("10.0.0.999", "10.0.0", "127.0.0.*", "10.0.0.0/33", "10.0.0.1-9", "10.0.x.x", "300.1.1.1:80", "::g"),
        *("1.2.3.4.5", "10.0.0.5:", "fe80::1::2", "10.0.0.0/24/8"),
    ],
)
def test_what_was_meant_as_an_address_and_is_none_is_refused(operator: Operator, what: str) -> None:
    for words, language in ((ENGLISH, operator), (ITALIAN, Operator(operator._server, ITALIAN))):
        assert language.answer(f"ban {what}") == words.operator_no_address.format(what=what)
    assert operator.answer("bans") == "Nobody is banned."


@pytest.mark.parametrize("what", ["*", "Server", '"Server"', '"{quit}"', '"' + "x" * 40 + '"'])
def test_a_name_that_nobody_can_have_is_not_banned(operator: Operator, what: str) -> None:
    assert operator.answer(f"ban {what}") == ENGLISH.operator_no_name.format(name=what.strip('"'))
    assert operator.answer("bans") == "Nobody is banned."


def test_the_longest_beginning_that_is_a_name_is_banned_and_the_rest_is_the_reason(
    server: ChatServer, operator: Operator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with EventPeer(server.port, "Bob il Grande") as bob:
        operator.answer("ban bob il grande troppo rumore")
        assert bob.expect_event(Error) == Error("banned", detail="troppo rumore")
        bob.expect_event(EndConn)
    assert operator.answer("bans").splitlines()[0] == "Bob il Grande  127.0.0.1  troppo rumore"
    wait_until(lambda: "esce: escluso dall'operatore: troppo rumore." in caplog.text)


def test_who_has_just_left_is_banned_with_its_address(server: ChatServer, operator: Operator) -> None:
    with LinePeer(server.port, "Bob") as bob:
        bob.say("{quit}")
        bob.expect_end()
    assert operator.answer("ban Bob era qui") == "Bob cannot come in any more."
    with Peer(server.port) as again:
        assert again.expect_end() == ITALIAN.banned + "{end_conn}"
    assert operator.answer("bans").splitlines()[0] == "Bob  127.0.0.1  era qui"
    assert operator.answer("unban bob") == "bob can come in again."
    LinePeer(server.port, "Bob").close()


def test_a_network_is_banned_with_all_who_are_in_it(server: ChatServer, operator: Operator) -> None:
    with LinePeer(server.port, "Ada") as ada, talk_to(server) as nameless:
        assert operator.answer("ban 127.0.0.9/8 tutti") == "127.0.0.0/8 cannot come in any more."
        assert f"{ITALIAN.banned} tutti" in ada.expect_end()
        assert f"{ITALIAN.banned} tutti" in nameless.expect_end()
    with Peer(server.port) as again:
        assert again.expect_end() == ITALIAN.banned + "{end_conn}"
    assert operator.answer("unban 127.0.0.1") == ENGLISH.operator_still_banned.format(
        what="127.0.0.1", other="127.0.0.0/8"
    )
    assert operator.answer("unban 127.0.0.0/8") == "127.0.0.0/8 can come in again."
    LinePeer(server.port, "Ada").close()


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has no other loopback address")
def test_a_ban_of_one_address_leaves_its_neighbours_alone(server: ChatServer, operator: Operator) -> None:
    operator.answer("ban 127.0.0.3")
    with Peer(server.port, source="127.0.0.3") as banned:
        assert banned.expect_end() == ITALIAN.banned + "{end_conn}"
    LinePeer(server.port, "Ada").close()


def test_what_the_list_shows_can_be_lifted(server: ChatServer, operator: Operator) -> None:
    LinePeer(server.port, "Bob il Grande").close()
    wait_until(lambda: not server.room.members())
    for what in ("10.0.0.7:51234 x", "10.1.0.0/16", "[fe80::1%2]:51234", "Bob il Grande y", '"Mai Visto"'):
        assert operator.answer(f"ban {what}").endswith(" cannot come in any more.")
    *bans, _ = operator.answer("bans").splitlines()
    assert bans == ["10.0.0.7  x", "10.1.0.0/16", "fe80::1", "Bob il Grande  127.0.0.1  y", "Mai Visto"]
    for ban in bans:
        what = ban.split("  ")[0]
        assert operator.answer(f"unban {what}") == f"{what} can come in again."
        assert operator.answer(f"unban {what}") == f"{what} was not banned."
    assert operator.answer("bans") == "Nobody is banned."


def test_who_stays_banned_by_another_ban_is_not_said_to_be_let_in(server: ChatServer, operator: Operator) -> None:
    LinePeer(server.port, "Bob").close()
    wait_until(lambda: not server.room.members())
    operator.answer("ban Bob")
    operator.answer("ban 127.0.0.0/8")
    still = ENGLISH.operator_still_banned.format(what="127.0.0.1", other="127.0.0.0/8")
    assert operator.answer("unban Bob") == f"Bob can come in again.\n{still}"
    operator.answer("ban 127.0.0.1")
    assert operator.answer("unban 127.0.0.1") == still


def test_a_ban_of_what_is_banned_changes_nothing_but_its_reason(operator: Operator) -> None:
    operator.answer("ban 10.0.0.7 uno")
    assert operator.answer("ban 10.0.0.7:1") == "10.0.0.7 was banned already."
    assert operator.answer("bans").splitlines()[0] == "10.0.0.7  uno"
    operator.answer("ban 10.0.0.7 due")
    assert operator.answer("bans").splitlines()[0] == "10.0.0.7  due"


def test_the_operator_of_an_italian_room_reads_italian(server: ChatServer) -> None:
    operator = Operator(server, ITALIAN)
    with EventPeer(server.port, "Eva"), BarePeer(server.port, "Ugo"), LinePeer(server.port, "Lia"):
        kinds = [line.split()[2] for line in operator.answer("who").splitlines()[:-1]]
        assert kinds == ["eventi", "righe", "originale"]
