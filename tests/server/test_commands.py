"""The operator's commands, for those who are connected."""

from __future__ import annotations

import logging

import pytest

import protocol
from lan_chat.server.commands import Operator
from lan_chat.server.server import ChatServer
from lan_chat.server.words import ITALIAN
from protocol import EndConn, Error, Notice, Say
from tests.support.peers import BarePeer, EventPeer, LinePeer, Peer, drain
from tests.support.sends import Sends
from tests.support.servers import limits, start, talk_to
from tests.support.waiting import wait_until


def test_the_operator_speaks_to_everybody_under_a_name_that_nobody_else_has(
    server: ChatServer, operator: Operator
) -> None:
    lines, bare, events = LinePeer(server.port, "Lia"), BarePeer(server.port, "Ugo"), EventPeer(server.port, "Eva")
    with lines, bare, events:
        bare.expect("Eva si è unito alla chat!")
        assert operator.answer("say fra cinque minuti si chiude\n") == "Announced to 3."
        lines.expect("Server: fra cinque minuti si chiude\n")
        assert bare.recv().decode() == "Server: fra cinque minuti si chiude"
        announcement = events.expect_event(protocol.Announcement)
        assert (announcement.text, announcement.id) == ("fra cinque minuti si chiude", events.welcome.last + 2)


HELP = (
    "Commands: help · who · say TEXT · kick NAME [REASON] · ban NAME|ADDRESS [REASON] · unban NAME|ADDRESS · bans · "
    "mute NAME|* · unmute NAME|* · mutes · qr · stop"
)


@pytest.mark.parametrize("kind", [LinePeer, BarePeer, EventPeer])
def test_who_is_kicked_is_told_why_and_so_is_the_room(
    server: ChatServer,
    operator: Operator,
    kind: type[LinePeer | BarePeer | EventPeer],
    sends: Sends,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    with LinePeer(server.port, "Ada") as ada, kind(server.port, "Bob il Grande") as bob:
        assert operator.answer("kick bob il grande troppo rumore") == "Bob il Grande was removed."
        if isinstance(bob, EventPeer):
            assert bob.expect_event(Error) == Error("kicked", detail="troppo rumore")
            bob.expect_event(EndConn)
        elif isinstance(bob, BarePeer):
            assert drain(bob).decode() == f"{ITALIAN.kicked} troppo rumore{{end_conn}}"
            assert sends.recvs(bob)[-2:] == [f"{ITALIAN.kicked} troppo rumore".encode(), b"{end_conn}"]
        else:
            assert bob.expect_end() == f"{ITALIAN.kicked} troppo rumore\n{{end_conn}}\n"
        ada.expect("Bob il Grande ha abbandonato la Chat. (allontanato dall'operatore)\n")
        wait_until(lambda: "esce: allontanato dall'operatore: troppo rumore." in caplog.text)
        LinePeer(server.port, "Bob il Grande").close()


def test_who_is_kicked_in_mid_flood_is_silent_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    server = start(limits(rate=1.0))
    with LinePeer(server.port, "Ada") as ada, LinePeer(server.port, "Bob") as bob:
        bob.send("".join(f"numero {number}\n" for number in range(1000)))
        ada.expect("numero 50\n")
        Operator(server, ITALIAN).answer("kick Bob")
        ada.expect("Bob ha abbandonato la Chat. (allontanato dall'operatore)\n")
        bob.expect("{end_conn}\n")
    server.stop()


def test_a_banned_name_stays_out_with_its_address_until_it_is_unbanned(server: ChatServer, operator: Operator) -> None:
    with LinePeer(server.port, "Bob") as bob:
        assert operator.answer("ban BOB") == "BOB cannot come in any more."
        assert ITALIAN.banned in bob.expect_end()
    with Peer(server.port) as again:
        assert again.expect_end() == ITALIAN.banned + "{end_conn}"
    assert operator.answer("unban Bob") == "Bob can come in again."
    assert operator.answer("unban Bob") == "Bob was not banned."
    LinePeer(server.port, "Bob").close()


def test_a_ban_reaches_who_has_come_from_that_address_and_chosen_no_name_yet(
    server: ChatServer, operator: Operator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with talk_to(server) as spare, LinePeer(server.port, "Bob") as bob:
        operator.answer("ban Bob")
        bob.expect_end()
        spare.send("Bob bis\n")
        spare.expect(ITALIAN.banned)
    with Peer(server.port) as again:
        again.expect_end()
    assert ": nome rifiutato, escluso dall'operatore." in caplog.text
    assert "respinto: il suo indirizzo è escluso." in caplog.text


def test_a_name_cannot_be_mistaken_for_an_address_that_is_banned(server: ChatServer, operator: Operator) -> None:
    with talk_to(server) as bad, LinePeer(server.port, "Ada") as good:
        bad.send("127.0.0.9\n")
        bad.expect(ITALIAN.invalid)
        assert operator.answer("ban 127.0.0.9") == "127.0.0.9 cannot come in any more."
        good.say("resto")
        good.expect("Ada: resto\n")


def test_an_address_may_be_banned_as_the_list_shows_it(server: ChatServer, operator: Operator) -> None:
    with LinePeer(server.port, "Ada") as ada:
        address = operator.answer("who").split()[1]
        assert operator.answer(f"ban {address}") == "127.0.0.1 cannot come in any more."
        assert ITALIAN.banned in ada.expect_end()
    assert operator.answer(f"unban {address}") == "127.0.0.1 can come in again."
    LinePeer(server.port, "Ada").close()


def test_a_name_can_be_banned_before_it_comes(server: ChatServer, operator: Operator) -> None:
    assert operator.answer('ban "Mallory"') == "Mallory cannot come in any more."
    with talk_to(server) as mallory:
        mallory.send("MALLORY\n")
        mallory.expect(ITALIAN.banned)
        mallory.send("Alice\n")
        mallory.expect("Benvenuto Alice!")


def test_a_banned_address_sends_home_all_who_come_from_it(server: ChatServer, operator: Operator) -> None:
    with LinePeer(server.port, "Ada") as ada, talk_to(server) as nameless:
        operator.answer("ban 127.0.0.1")
        assert ITALIAN.banned in ada.expect_end()
        assert ITALIAN.banned in nameless.expect_end()
    operator.answer("unban 127.0.0.1")
    LinePeer(server.port, "Ada").close()


def test_a_muted_speaker_is_told_once_and_whoever_counts_keeps_the_text(server: ChatServer, operator: Operator) -> None:
    with LinePeer(server.port, "Lia") as lines, EventPeer(server.port, "Eva") as events:
        lines.expect("Eva si è unito alla chat!\n")
        assert operator.answer("mute Lia") == "Lia cannot write any more."
        lines.send("uno\ndue\n")
        lines.expect(ITALIAN.muted)
        assert operator.answer("mute *") == "Now only the operator writes, with say."
        assert events.expect_event(Notice) == Notice(protocol.QUIET)
        for nonce in (1, 2):
            events.tell(Say("tre", nonce))
            assert events.expect_event(Error) == Error("muted", nonce=nonce)
        operator.answer("say silenzio")
        assert lines.expect("Server: silenzio\n") == "\nServer: silenzio\n"
        assert operator.answer("unmute *") == "Now everybody can write, but: Lia."
        events.tell(Say("tre", 2))  # the refused one, said again
        lines.expect("Eva: tre\n")
        lines.say("{quit}")
        lines.expect_end()
        with LinePeer(server.port, "LIA") as again:  # a name that was muted stays so
            again.say("quattro")
            again.expect(ITALIAN.muted)
            assert operator.answer("unmute Lia") == "LIA can write again."
            again.say("cinque")
            again.expect("LIA: cinque\n")
            for muting in ("mute Lia", "mute *"):
                for _ in range(2):
                    operator.answer(muting)
                    again.say("sei")
                    again.expect(ITALIAN.muted)  # each time
                    operator.answer(f"un{muting}")
            operator.answer("mute Lia")
            again.say("{quit}")
            again.expect_end()
        wait_until(lambda: operator.answer("who").split()[0] == "Eva")
        assert operator.answer("unmute Lia") == "Lia can write again."
        assert operator.answer("unmute Lia") == "There is nobody named Lia in the chat."
        with LinePeer(server.port, "Lia") as again:
            again.say("sette")
            again.expect("Lia: sette\n")


def test_who_lists_everybody_in_the_room(server: ChatServer, operator: Operator) -> None:
    with LinePeer(server.port, "Lia") as lines, BarePeer(server.port, "Ugo"), EventPeer(server.port, "Eva"):
        lines.say("ciao")
        lines.expect("Lia: ciao\n")
        operator.answer("mute Ugo")
        *members, count = operator.answer("who").splitlines()
        assert [member.split()[0] for member in members] == ["Eva", "Lia", "Ugo"]
        assert [member.split()[2] for member in members] == ["events", "lines", "bare"]
        assert "messages: 1 (1 a minute)  bytes waiting: 0" in members[1]
        assert members[2].endswith("muted")
        assert count == "In the chat: 3. Connections: 3."


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("", HELP),
        ("help\n", HELP),
        ("HELP", HELP),
        ("vai via", "Unknown command: vai. With help you see them all."),
        ("kick", "Usage: kick NAME [REASON]"),
        ("who is there", "Usage: who"),
        ("kick Nessuno di qui", "There is nobody named Nessuno in the chat."),
        ("mute Nessuno", "There is nobody named Nessuno in the chat."),
        ("who", "In the chat: 0. Connections: 0."),
    ],
)
def test_every_line_of_the_operator_has_an_answer(operator: Operator, line: str, answer: str) -> None:
    assert operator.answer(line) == answer


def test_a_failure_in_a_command_does_not_end_the_room(
    operator: Operator, server: ChatServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server.room, "members", lambda: 1 / 0)
    assert "ZeroDivisionError" in operator.answer("who")
    caplog.clear()
