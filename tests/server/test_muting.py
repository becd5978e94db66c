"""Who is muted is told at once, and when that ends, in every dialect."""

from __future__ import annotations

import pytest

import protocol
from lan_chat.server.commands import Operator
from lan_chat.server.rules import Rule, RuleKind
from lan_chat.server.server import ChatServer
from lan_chat.server.words import ENGLISH, ITALIAN
from protocol import Joined, Message, Notice
from tests.support.peers import BackPeer, BarePeer, EventPeer, LinePeer
from tests.support.servers import lose, member_of, room
from tests.support.waiting import wait_until

MUTED, QUIET, MAY_WRITE = Notice(protocol.MUTED), Notice(protocol.QUIET), Notice(protocol.MAY_WRITE)
SENTENCES = {MUTED: ITALIAN.now_muted, QUIET: ITALIAN.now_quiet, MAY_WRITE: ITALIAN.may_write}


class Muted:
    """A member of any dialect, and what it is told of its right to write."""

    def __init__(self, peer: LinePeer | BarePeer | EventPeer) -> None:
        self.peer = peer

    def expect(self, notice: Notice) -> None:
        if isinstance(self.peer, EventPeer):
            assert self.peer.expect_event(Notice) == notice
        elif isinstance(self.peer, BarePeer):
            assert self.peer.recv().decode() == SENTENCES[notice]
        else:
            assert self.peer.expect("\n") == f"{SENTENCES[notice]}\n"


@pytest.mark.parametrize("kind", [LinePeer, BarePeer, EventPeer])
def test_a_member_is_told_at_once_that_it_is_muted_and_that_it_no_longer_is(
    server: ChatServer, operator: Operator, kind: type[LinePeer | BarePeer | EventPeer]
) -> None:
    with kind(server.port, "Ada") as peer:
        ada = Muted(peer)
        for command, notice in (
            ("mute Ada", MUTED),
            ("unmute Ada", MAY_WRITE),
            ("mute *", QUIET),
            ("mute ada", MUTED),  # alone, too
            ("unmute ADA", QUIET),
            ("unmute *", MAY_WRITE),
        ):
            operator.answer(command)
            ada.expect(notice)


def test_who_stays_muted_alone_is_not_told_that_everybody_may_write(server: ChatServer, operator: Operator) -> None:
    with EventPeer(server.port, "Ada") as ada, LinePeer(server.port, "Bob") as bob:
        ada.expect_event(protocol.Joined)
        for command in ("mute Ada", "mute *", "unmute *"):
            operator.answer(command)
        bob.expect(f"{ITALIAN.now_quiet}\n{ITALIAN.may_write}\n")
        bob.say("ciao")
        assert ada.expect_event(Notice) == MUTED
        assert ada.expect_event(Message).text == "ciao"


@pytest.mark.parametrize(("command", "notice"), [("mute Ada", MUTED), ("mute *", QUIET)])
def test_who_joins_muted_is_told_so(server: ChatServer, operator: Operator, command: str, notice: Notice) -> None:
    with LinePeer(server.port, "Ada") as first:
        operator.answer(command)
        first.expect(SENTENCES[notice])
    wait_until(lambda: not server.room.members())
    with EventPeer(server.port, "Ada") as ada:
        assert ada.before == [notice]
    wait_until(lambda: not server.room.members())
    with LinePeer(server.port, "Bob") as bob:
        operator.answer("unmute *")
        if notice == QUIET:
            bob.expect(ITALIAN.may_write)


def test_who_comes_back_is_told_what_it_may_have_missed() -> None:
    with room() as server, EventPeer(server.port, "Ada") as ada:
        operator, last = Operator(server, ENGLISH), ada.welcome.last + 1
        lose(server, ada, "Ada")
        operator.answer("mute Ada")
        with BackPeer(server.port, ada.welcome.token, last) as back:
            assert back.expect_event(Notice) == MUTED
            lose(server, back, "Ada")
        operator.answer("unmute Ada")
        for _ in range(2):  # also where that was put to a link that had broken
            with BackPeer(server.port, ada.welcome.token, last) as back:
                assert back.expect_event(Notice) == MAY_WRITE
                lose(server, back, "Ada")


def test_who_comes_back_and_never_was_muted_is_told_nothing() -> None:
    with room() as server, EventPeer(server.port, "Ada") as ada:
        lose(server, ada, "Ada")
        with BackPeer(server.port, ada.welcome.token, ada.welcome.last + 1) as back:
            back.say("ciao")
            assert back.expect_event(Message).text == "ciao"


def test_a_mute_that_was_restored_is_told_to_who_joins() -> None:
    with room() as server:
        server.room.restore_rules([Rule(RuleKind.MUTE, "Ada")])
        with EventPeer(server.port, "Ada") as ada:
            assert ada.before == [MUTED]


@pytest.mark.parametrize(
    ("commands", "answer"),
    [
        (["mute Nessuno"], "There is nobody named Nessuno in the chat."),
        (["unmute Nessuno"], "There is nobody named Nessuno in the chat."),
        (["unmute Ada"], "Ada was not muted."),
        (["mute Ada", "mute ada"], "ada was muted already."),
        (["mute *", "mute *"], "The chat was muted already: only the operator writes."),
        (["unmute *"], "The chat was not muted. With mutes you see who is."),
        (["mute *", "unmute Ada"], ENGLISH.operator_still_quiet.format(name="Ada")),
        (["mute Ada", "mute *", "unmute Ada"], ENGLISH.operator_still_quiet.format(name="Ada")),
        (["mute Ada", "mute *", "unmute *"], "Now everybody can write, but: Ada."),
        (['mute "Ada"', 'unmute "Ada"'], "Ada can write again."),
        (["mutes"], "Everybody can write."),
        (
            ["mute Ada", "mute *", "mutes"],
            "Ada\n*  (everybody but the operator)\nMuted: 2. With unmute they can write again.",
        ),
    ],
    ids=" · ".join,
)
def test_no_command_confirms_what_it_did_not_do(
    server: ChatServer, operator: Operator, commands: list[str], answer: str
) -> None:
    with LinePeer(server.port, "Ada"):
        assert [operator.answer(command) for command in commands][-1] == answer


def test_an_announcement_to_nobody_is_told_so(server: ChatServer, operator: Operator) -> None:
    assert operator.answer("say ciao") == "Announced, but there is nobody in the chat."


def test_quotes_that_belong_to_a_name_are_no_quotes_around_one(server: ChatServer, operator: Operator) -> None:
    with EventPeer(server.port, '"Ada"') as quoted, EventPeer(server.port, "Ada") as ada:
        quoted.expect_event(Joined)
        operator.answer('mute "Ada"')
        assert quoted.expect_event(Notice) == MUTED
        assert not member_of(server, "Ada").is_muted
        operator.answer('unmute "Ada"')
        assert quoted.expect_event(Notice) == MAY_WRITE
        operator.answer("mute Ada")
        assert ada.expect_event(Notice) == MUTED
    assert operator.answer('mute "Bob"') == operator.answer("mute Bob")
