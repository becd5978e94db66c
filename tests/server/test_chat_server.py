"""The server's rules, over real sockets; the rules are those of DESIGN.md's wire, limits and threads."""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from lan_chat.client.session import Session

import lan_chat.server.server as server_module
import protocol
from lan_chat.server.commands import Operator
from lan_chat.server.listening import lan_addresses, open_listener, where_to_find
from lan_chat.server.server import BURST, ChatServer
from lan_chat.server.terminal import Terminal
from lan_chat.server.words import CLOSING, CLOSING_OTHERWISE, ENGLISH, ITALIAN, WAITING
from lan_chat.sockets import SOCKET_OPTIONS, parse_address
from protocol import EndConn, Error, Join, Joined, Left, Message, Quit, Refused, Resume, Say, Welcome
from tests.support.peers import (
    GREETING,
    ON_WINE,
    TOP,
    BarePeer,
    EventPeer,
    LinePeer,
    Peer,
    Program,
    ServerProgram,
    reset,
    wait_until,
)

TAKEN = ITALIAN.taken
INVALID = ITALIAN.invalid


def talk_to(server: ChatServer) -> Peer:
    """Connect somebody who has only read the greeting."""
    peer = Peer(server.port)
    peer.expect(GREETING)
    return peer


def start(**options: object) -> ChatServer:
    """Start a server that the test stops."""
    server = ChatServer(open_listener("127.0.0.1", 0), **options)  # type: ignore[arg-type]
    server.start()
    return server


# --- choosing a name ------------------------------------------------------------------------------------------------


def test_the_greeting_is_the_originals_and_a_mark(server: ChatServer) -> None:
    with Peer(server.port) as peer:
        assert peer.recv() == "Salve! Digita il tuo Nome seguito dal tasto Invio!\u00a0".encode()


def test_netcat_reads_one_message_a_line(server: ChatServer) -> None:
    with Peer(server.port) as netcat:
        netcat.send("Ada\nciao\n{quit}\n")
        assert netcat.expect_end().replace("\u00a0", "") == (
            "Salve! Digita il tuo Nome seguito dal tasto Invio!\n"
            "Benvenuto Ada! Se vuoi lasciare la Chat, scrivi {quit} per uscire.\n"
            "Ada si è unito alla chat!\n"
            "Ada: ciao\n"
        )


def test_a_last_line_without_its_end_counts(server: ChatServer) -> None:
    with Peer(server.port) as netcat:
        netcat.send("Ada\nciao")
        netcat.sock.shutdown(socket.SHUT_WR)
        assert netcat.expect_end().endswith("Ada: ciao\n")


def test_a_bare_client_has_each_message_as_a_recv_of_its_own(server: ChatServer) -> None:
    with BarePeer(server.port, "Ada") as ada, LinePeer(server.port, "Bob") as bob:
        assert ada.recv() == "Bob si è unito alla chat!".encode()
        bob.send("uno\ndue\ntre\n")
        assert [ada.recv().decode() for _ in range(3)] == ["Bob: uno", "Bob: due", "Bob: tre"]


@pytest.mark.parametrize("name", ["ada", "ADA", " Ada ", "Ａｄａ", "A\u0064a"])
def test_second_of_two_equal_names_is_asked_again(server: ChatServer, name: str) -> None:
    with LinePeer(server.port, "Ada"), talk_to(server) as other:
        other.send(f"{name}\n")
        assert other.expect("diverso:\n") == f"\n{TAKEN}\n"
        other.send("Bea\n")
        other.expect("Benvenuto Bea!")


@pytest.mark.parametrize("name", ["Ada: io", "x" * 33, "｛quit｝", "\u3164"])
def test_what_cannot_be_a_name_is_asked_again(server: ChatServer, name: str) -> None:
    with talk_to(server) as peer:
        peer.send(f"{name}\n")
        peer.expect(INVALID)
        peer.send("Ada\n")
        peer.expect("Benvenuto Ada!")


def test_a_name_with_a_newline_is_refused_in_every_dialect(server: ChatServer) -> None:
    with talk_to(server) as bare, EventPeer(server.port) as events:
        bare.send("Ada\nBob: ciao")
        assert bare.recv().decode() == INVALID
        bare.send("Ada")
        assert bare.recv().decode().startswith("Benvenuto Ada!")
        events.tell(Join("Bea\nBob: ciao"))
        assert events.expect_event(Refused).reason == "invalid"
        events.tell(Join("Bea"))
        assert events.expect_event(Welcome).name == "Bea"


def test_a_name_that_is_given_back_is_free_again(server: ChatServer) -> None:
    for _ in range(20):
        with LinePeer(server.port, "Ada") as ada:
            ada.say("{quit}")
            ada.expect_end()


@pytest.mark.parametrize("word", ["{quit}", "<quit>", "{quit}\n", "{quit}\r\n"])
def test_quit_while_choosing_a_name_closes_the_connection(server: ChatServer, word: str) -> None:
    for _ in range(2):  # the original could do it once
        with talk_to(server) as peer:
            peer.send(word)
            assert peer.expect_end().strip() == ""


def test_who_has_no_name_yet_does_not_read_the_room(server: ChatServer) -> None:
    with talk_to(server) as stranger, LinePeer(server.port, "Ada") as ada:
        ada.say("un segreto")
        ada.expect("Ada: un segreto")
        stranger.send("Bob\n")
        assert stranger.expect("Bob si è unito alla chat!\n").startswith("\nBenvenuto Bob!")


def test_nobody_bears_the_servers_name(server: ChatServer) -> None:
    with talk_to(server) as peer:
        peer.send("SERVER\n")
        peer.expect(TAKEN)


def test_the_time_to_choose_a_name_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lan_chat.server.connection.NAME_S", 0.2)
    server = start()
    with Peer(server.port) as silent, Peer(server.port) as undecided:
        undecided.send("Ada: x\n")
        assert ITALIAN.too_late in silent.expect_end()
        assert ITALIAN.too_late in undecided.expect_end()
    server.stop()


def test_who_has_a_name_may_be_silent(monkeypatch: pytest.MonkeyPatch, server: ChatServer) -> None:
    monkeypatch.setattr("lan_chat.server.connection.IDLE_S", 0.02)
    monkeypatch.setattr("lan_chat.server.connection.NAME_S", 0.5)
    with LinePeer(server.port, "Ada") as ada, Peer(server.port) as silent:
        silent.expect(ITALIAN.too_late)  # the time is up, for those without a name
        ada.say("ci sono")
        ada.expect("Ada: ci sono\n")


# --- talking --------------------------------------------------------------------------------------------------------


def test_everybody_sees_the_same_messages_in_the_same_order(server: ChatServer) -> None:
    lines = [LinePeer(server.port, f"lines{number}") for number in range(3)]
    bares = [BarePeer(server.port, f"bare{number}") for number in range(3)]
    events = [EventPeer(server.port, f"events{number}") for number in range(3)]
    count = 60

    def talk(peer: LinePeer | BarePeer | EventPeer, word: str) -> None:
        for number in range(count):
            peer.say(f"[{word} {number}]")
            if isinstance(peer, BarePeer):
                peer.expect(f"[{word} {number}]")  # or its messages would merge

    talkers = [lines[0], bares[0], events[0]]
    threads = [threading.Thread(target=talk, args=(peer, type(peer).__name__)) for peer in talkers]
    transcripts = {}
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines[2].say("[fine]")
    for peer in [*lines[1:], *bares[1:]]:
        text = peer.expect("[fine]")
        transcripts[peer] = [part.split("]")[0] for part in text.split("[")[1:]]
    for peer in events[1:]:
        heard = [event for event in peer.events_until("[fine]") if isinstance(event, Message)]
        transcripts[peer] = [event.text.strip("[]") for event in heard]
        ids = [event.id for event in heard]
        assert ids == list(range(ids[0], ids[0] + len(ids)))
    first, *others = transcripts.values()
    assert len(first) == 3 * count + 1
    assert all(other == first for other in others)
    for word in ("LinePeer", "BarePeer", "EventPeer"):
        assert [entry for entry in first if entry.startswith(word)] == [f"{word} {number}" for number in range(count)]
    for peer in [*lines, *bares, *events]:
        peer.close()


def test_an_event_tells_who_said_what_when_and_as_which_number(server: ChatServer) -> None:
    with EventPeer(server.port, "Ada") as ada, EventPeer(server.port, "Bob") as bob:
        joined = ada.expect_event(Joined)
        bob.tell(Say("ciao", 7))
        message = ada.expect_event(Message)
        assert (message.name, message.text, message.nonce) == ("Bob", "ciao", 7)
        assert message.id == joined.id + 1
        assert message.time >= joined.time > 1_700_000_000
        assert bob.welcome.names == ("Ada", "Bob")
        assert bob.welcome.last == joined.id - 1
        assert bob.welcome.token != ada.welcome.token
        bob.tell(Quit())
        left = ada.expect_event(Left)
        assert (left.name, left.id) == ("Bob", message.id + 1)


def test_a_repeated_nonce_is_not_said_twice(server: ChatServer) -> None:
    with EventPeer(server.port, "Ada") as ada:
        for nonce in (0, 0, 1, 1, 2, 1, 0, 2, 3):
            ada.tell(Say(f"numero {nonce}", nonce))
        heard = ada.events_until("numero 3")
        assert [event.nonce for event in heard if isinstance(event, Message)] == [0, 1, 2, 3]


@pytest.mark.parametrize("nothing", ["", " ", "\t ", "\x07", "\r"])
def test_an_empty_message_is_not_said(server: ChatServer, nothing: str) -> None:
    with LinePeer(server.port, "Ada") as ada:
        ada.say(nothing)
        ada.say("fine")
        assert ada.expect("fine\n") == "Ada: fine\n"


def test_bye_and_quit_in_one_packet_say_bye_and_quit(server: ChatServer) -> None:
    with LinePeer(server.port, "Bob") as bob:
        lines, bare = LinePeer(server.port, "Lia"), BarePeer(server.port, "Ugo")
        bob.expect("Ugo si è unito alla chat!\n")
        lines.send("bye\n{quit}\n")
        assert bob.expect("Lia ha abbandonato la Chat.\n") == "Lia: bye\nLia ha abbandonato la Chat.\n"
        bare.send("bye{quit}")
        bare.close()
        assert bob.expect("Ugo ha abbandonato la Chat.\n") == "Ugo: bye\nUgo ha abbandonato la Chat.\n"
        lines.close()


def test_what_was_said_before_a_reset_was_said(server: ChatServer) -> None:
    with LinePeer(server.port, "Bob") as bob:
        for _ in range(10):
            ugo = BarePeer(server.port, "Ugo")
            bob.expect("Ugo si è unito alla chat!\n")
            ugo.send("ciao{quit}")
            bob.say("x")  # Ugo will not have read it
            bob.expect("Bob: x\n")
            ugo.close()
            assert bob.expect("Ugo ha abbandonato la Chat.\n") == "Ugo: ciao\nUgo ha abbandonato la Chat.\n"


def test_a_control_word_inside_a_message_is_text(server: ChatServer) -> None:
    with LinePeer(server.port, "Lia") as lines, BarePeer(server.port, "Ugo") as bare:
        bare.say("per uscire scrivi {quit}")
        lines.expect("Ugo: per uscire scrivi {quit}\n")
        lines.say("{quit} oppure <quit>")
        lines.expect("Lia: {quit} oppure <quit>\n")


def test_a_letter_cut_in_half_is_put_together(server: ChatServer) -> None:
    with LinePeer(server.port, "Lia") as lines, BarePeer(server.port, "Ugo") as bare:
        start_, end = "perché 😀".encode()[:-2], "perché 😀".encode()[-2:]
        bare.send(start_)
        lines.expect("Ugo: perché ")
        bare.send(end)
        lines.expect("Ugo: 😀\n")
        lines.send(start_)
        lines.send(end + b"\n")
        lines.expect("Lia: perché 😀\n")


def test_a_crlf_client_is_read_without_its_cr(server: ChatServer) -> None:
    with talk_to(server) as telnet:
        telnet.send("Ada\r\n")
        telnet.expect("Benvenuto Ada!")
        telnet.send("ciao\r\n")
        telnet.expect("Ada: ciao\n")


def test_64_kb_pasted_in_pieces_arrive_whole(server: ChatServer) -> None:
    pasted = "".join(f"riga {number:05} è così\n" for number in range(3400))
    assert len(pasted.encode()) > 64 * 1024
    with LinePeer(server.port, "Lia") as lines, BarePeer(server.port, "Ugo") as bare:
        lines.expect("Ugo si è unito alla chat!\n")
        for start_ in range(0, len(pasted), 777):
            lines.send(pasted[start_ : start_ + 777])
        lines.say("fine")
        assert lines.expect("Lia: fine\n").replace("Lia: ", "") == pasted + "fine\n"
        bare.expect("Lia: fine")
        text = pasted.replace("\n", " ")
        bare.send(text)
        heard = ""
        while len(heard) < len(text):
            heard += lines.expect("\n").removeprefix("Ugo: ").removesuffix("\n")
        assert heard == text


def test_a_message_over_the_limit_is_refused_to_its_author_alone(server: ChatServer) -> None:
    longest = "x" * protocol.MAX_MESSAGE_BYTES
    with LinePeer(server.port, "Lia") as lines, EventPeer(server.port, "Eva") as events:
        lines.expect("Eva si è unito alla chat!\n")
        events.tell(Say(longest + "x", 1))
        assert events.expect_event(Error) == Error("too long", protocol.MAX_MESSAGE_BYTES, 1)
        lines.say(longest + "x")
        assert lines.expect("\n").strip() == ITALIAN.explain("too long")
        lines.say(longest)
        assert lines.expect("\n") == f"Lia: {longest}\n"
        assert events.expect_event(Message).text == longest


def test_a_second_line_stays_under_its_authors_name(server: ChatServer) -> None:
    lines, bare, events = LinePeer(server.port, "Lia"), BarePeer(server.port, "Ugo"), EventPeer(server.port, "Eva")
    with lines, bare, events:
        lines.expect("Eva si è unito alla chat!\n")
        bare.expect("Eva si è unito alla chat!")
        events.say("uno\nLia: due\u2028Ugo: tre")
        assert lines.expect("tre\n") == "Eva: uno\nEva: Lia: due\nEva: Ugo: tre\n"
        assert [bare.recv().decode() for _ in range(3)] == ["Eva: uno", "Eva: Lia: due", "Eva: Ugo: tre"]


def test_what_a_bare_client_gets_fits_its_recv_and_cuts_no_letter(server: ChatServer) -> None:
    text = "è😀" * 1000
    with BarePeer(server.port, "Ugo") as bare, LinePeer(server.port, "Lia") as lines:
        assert bare.recv().decode() == "Lia si è unito alla chat!"
        lines.say(text)
        heard = ""
        while len(heard) < len(text):
            piece = bare.recv().decode()  # fails on half a letter, as the original does
            assert piece.startswith("Lia: ")
            heard += piece.removeprefix("Lia: ")
        assert heard == text


def test_no_burst_makes_a_bare_client_show_a_row_that_nobody_said(server: ChatServer) -> None:
    names = ("Ugo: ", "Mal: ")
    with BarePeer(server.port, "Ugo") as victim, LinePeer(server.port, "Mal") as mallory:
        assert victim.recv().decode() == "Mal si è unito alla chat!"
        forged = "x" * 11 + "Alice: vi odio tutti{end_conn}"
        mallory.send("".join(f"{forged}\n" for _ in range(200)) + "fine\n")
        rows = [victim.recv().decode()]
        while not rows[-1].endswith("fine"):
            rows.append(victim.recv().decode())
        assert all(row.startswith(names) for row in rows)
        assert "".join(rows).count(forged) == 200


def test_kindness_to_a_bare_client_never_makes_it_fall_behind(server: ChatServer) -> None:
    with BarePeer(server.port, "Ugo") as bare, LinePeer(server.port, "Lia") as lines:
        lines.send("".join(f"messaggio {number}\n" for number in range(2000)))
        assert bare.expect("messaggio 1999").count("Lia: ") == 2000


def test_nothing_that_steers_a_terminal_gets_through(server: ChatServer) -> None:
    with LinePeer(server.port, "Lia") as lines, EventPeer(server.port, "Eva") as events:
        lines.expect("Eva si è unito alla chat!\n")
        events.say("a\x1b[2J\x07b\u202ec\x85d\x00e\tf")
        assert lines.expect("\n") == "Eva: a[2Jbcde\tf\n"


# --- events: what is out of turn ------------------------------------------------------------------------------------


NO_EVENTS = ["{]", "[1]", '"testo"', '{"type":5}', '{"type":"say","nonce":1}', "[" * 50_000, "\xff"]


@pytest.mark.parametrize("line", NO_EVENTS, ids=lambda line: line[:30])
def test_what_is_no_event_is_answered_with_an_error(server: ChatServer, line: str) -> None:
    with EventPeer(server.port, "Eva") as events:
        events.send(line.encode("latin-1") + b"\n")
        assert events.expect_event(Error).reason == "malformed"
        events.say("ancora qui")
        assert events.expect_event(Message).text == "ancora qui"


def test_unknown_types_and_fields_are_passed_over(server: ChatServer) -> None:
    with EventPeer(server.port, "Eva") as events:
        events.send(json.dumps({"type": "typing", "since": 3}) + "\n")
        events.send(json.dumps({"type": "welcome", "name": "x", "token": "", "names": [], "last": 0}) + "\n")
        events.send(json.dumps({"type": "say", "text": "ciao", "nonce": 1, "colour": "red"}) + "\n")
        assert events.expect_event(Message).text == "ciao"


def test_events_out_of_turn_are_refused(server: ChatServer) -> None:
    with EventPeer(server.port) as events:
        events.tell(Say("troppo presto", 1))
        assert events.expect_event(Error) == Error("not joined", nonce=1)
        events.tell(Resume("un altro", 5))
        assert events.expect_event(Refused).reason == "unknown token"
        events.tell(Join("Eva"))
        events.expect_event(Welcome)
        events.expect_event(Joined)
        events.tell(Join("Eva"))
        assert events.expect_event(Error).reason == "already joined"
        events.tell(EndConn())
        events.say("ancora qui")
        assert events.expect_event(Message).text == "ancora qui"


def test_the_greeting_comes_first_also_for_who_does_not_wait_for_it(server: ChatServer) -> None:
    for _ in range(30):
        with Peer(server.port) as peer:
            peer.send('{"type":"hello","version":1,"language":"it"}\n{"type":"join","name":"Eva"}\n{quit}\n')
            assert peer.expect_end().startswith(GREETING + '{"type":"welcome","name":"Eva"')


def test_a_hello_may_come_in_pieces(server: ChatServer) -> None:
    with talk_to(server) as peer:
        for letter in '{"type":"hello","version":1,"language":"it"}\n{"type":"join","name":"Eva"}\n':
            peer.send(letter)
        peer.expect('{"type":"welcome","name":"Eva"')


# --- leaving --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [LinePeer, BarePeer, EventPeer])
@pytest.mark.parametrize("leave", [Peer.close, lambda peer: reset(peer.sock)], ids=["close", "reset"])
def test_who_vanishes_has_left_and_its_name_is_free(server: ChatServer, kind: type[Peer], leave: object) -> None:
    with LinePeer(server.port, "Bob") as bob:
        ada = kind(server.port, "Ada")
        bob.expect("Ada si è unito alla chat!\n")
        leave(ada)  # type: ignore[operator]
        assert bob.expect("Chat.\n") == "Ada ha abbandonato la Chat.\n"
        kind(server.port, "ADA").close()


def test_nobody_joins_under_a_name_whose_bearer_has_not_left(server: ChatServer) -> None:
    def come_and_go(count: int) -> None:
        for _ in range(count):
            with Peer(server.port) as peer:
                # Asked for twice: the refusal of the first is still on its way when the name becomes free.
                peer.send("Ada\nAda\n{quit}\n")
                peer.expect_end()

    with EventPeer(server.port, "Eva") as watcher:
        threads = [threading.Thread(target=come_and_go, args=(60,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with LinePeer(server.port, "Lia") as lia:
            lia.say("fine")
        present = False
        for event in watcher.events_until("fine"):
            if isinstance(event, Joined | Left) and event.name == "Ada":
                assert isinstance(event, Left) is present
                present = not present


def test_whoever_comes_and_goes_leaves_nothing_in_the_registries(server: ChatServer) -> None:
    for number in range(100):
        peer = Peer(server.port)
        if number % 3:
            peer.send("Ada\n" if number % 2 else '{"type":"hello","version":1,"language":"it"}\n{"type":"join","na')
        if number % 5 == 0:
            reset(peer.sock)
        peer.close()
    wait_until(lambda: not server.room.addresses, lambda: server.room.addresses)
    assert not server.room.names


def test_a_half_closed_client_still_gets_the_rest(server: ChatServer) -> None:
    with Peer(server.port) as peer:
        peer.send("Ada\n" + "parola " * 1000 + "\nultima\n")
        peer.sock.shutdown(socket.SHUT_WR)
        assert peer.expect_end().endswith("Ada: ultima\n")


# --- limits ---------------------------------------------------------------------------------------------------------


def test_one_connection_too_many_is_refused_in_words() -> None:
    server = start(max_clients=2)
    with talk_to(server), talk_to(server) as second, Peer(server.port) as third:
        assert third.expect_end() == ITALIAN.full
        second.close()
        wait_until(lambda: len(server.room.addresses) == 1)
        talk_to(server).close()
    server.stop()


def test_a_flood_is_slowed_and_loses_nothing() -> None:
    server = start(rate=2000.0)
    with LinePeer(server.port, "Ada") as ada, LinePeer(server.port, "Bob") as bob:
        ada.send("".join(f"numero {number}\n" for number in range(1000)))
        heard = bob.expect("Ada: numero 999\n")
        assert heard.splitlines() == [f"Ada: numero {number}" for number in range(1000)]
    server.stop()


def test_a_flood_does_not_hold_up_the_others_nor_the_end() -> None:
    server = start(rate=1.0)
    with LinePeer(server.port, "Ada") as ada, LinePeer(server.port, "Bob") as bob:
        ada.send("".join(f"numero {number}\n" for number in range(1000)))
        bob.expect(f"numero {BURST - 2}\n")  # her name was the first that she said
        bob.say("e io?")
        bob.expect("Bob: e io?\n")
        server.stop()
        ada.expect("{end_conn}")


@pytest.mark.skipif(ON_WINE, reason="wine does not bound SO_RCVBUF: the system takes 30 MB for who does not read")
def test_who_reads_too_slowly_is_let_go_and_the_others_lose_nothing(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lan_chat.server.delivery.MAX_UNSENT_BYTES", 100_000)
    with LinePeer(server.port, "Ada") as ada, LinePeer(server.port, "Bob") as bob:
        slow = LinePeer(server.port, "Lento")
        slow.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        text = "x" * 10_000
        heard = ""
        while "Lento ha abbandonato la Chat." not in heard:
            ada.say(text)
            heard = bob.expect(f"Ada: {text}\n")
            ada.expect(f"Ada: {text}\n")
        ada.say("fine")
        bob.expect("Ada: fine\n")
        slow.close()


def test_a_flood_of_many_lines_in_one_message_is_slowed_too() -> None:
    server = start(rate=1.0)
    with EventPeer(server.port, "Eva") as events, LinePeer(server.port, "Lia") as lines:
        events.tell(Say("a\n" * 1000 + "a", 1))
        lines.expect("Eva: a\n" * 1001)
        events.tell(Say("uno", 2))
        lines.say("io intanto")
        assert lines.expect("Lia: io intanto\n") == "Lia: io intanto\n"
        server.stop()


def test_muting_silences_what_a_flood_has_still_to_say() -> None:
    server = start(rate=1.0)
    with LinePeer(server.port, "Ada") as ada, LinePeer(server.port, "Flo") as flo:
        flo.send("".join(f"numero {number}\n" for number in range(300)))
        ada.expect("numero 50\n")
        Operator(server, ITALIAN).answer("mute Flo")
        ada.say("finalmente")
        ada.expect("Ada: finalmente\n")
        flo.expect(ITALIAN.muted)
        ada.say("silenzio")
        assert ada.expect("silenzio\n") == "Ada: silenzio\n"
    server.stop()


def test_a_name_is_only_taken_by_who_is_let_in() -> None:
    server = start(rate=1.0)
    with EventPeer(server.port) as slow:
        slow.send("[]\n" * 500 + '{"type":"join","name":"Ada"}\n')
        slow.expect_event(Error)
        LinePeer(server.port, "Ada").close()
    server.stop()


# --- faults of our own ----------------------------------------------------------------------------------------------


def test_a_failure_in_one_clients_thread_ends_that_client_alone(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    feed = protocol.Lines.feed

    def feed_or_fail(self: protocol.Lines, data: bytes) -> list[protocol.Event]:
        if b"guasto" in data:
            raise ZeroDivisionError("injected")
        return feed(self, data)

    monkeypatch.setattr(protocol.Lines, "feed", feed_or_fail)
    with LinePeer(server.port, "Ada") as ada, LinePeer(server.port, "Bob") as bob:
        bob.say("guasto")
        bob.expect_end()
        assert ada.expect("Chat.\n").endswith("Bob ha abbandonato la Chat.\n")
        ada.say("ancora qui")
        ada.expect("Ada: ancora qui\n")
    assert "ZeroDivisionError: injected" in caplog.text
    caplog.clear()


def test_a_failure_in_the_delivery_thread_is_logged_and_the_room_goes_on(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    encode = protocol.Lines.encode

    def encode_or_fail(self: protocol.Lines, event: protocol.Event) -> bytes:
        if isinstance(event, Message) and event.text == "guasto":
            raise ZeroDivisionError("injected")
        return encode(self, event)

    monkeypatch.setattr(protocol.Lines, "encode", encode_or_fail)
    with LinePeer(server.port, "Ada") as ada:
        ada.say("guasto")
        wait_until(lambda: "ZeroDivisionError: injected" in caplog.text)
        ada.say("ancora qui")
        ada.expect("Ada: ancora qui\n")
    caplog.clear()


class FailingListener(socket.socket):
    """A listener whose next `accept` fails, once, in a way that the test chooses."""

    failure: OSError | None = None

    def accept(self) -> tuple[socket.socket, tuple[str, int]]:
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure
        return super().accept()


@pytest.fixture
def failing_listener() -> Iterator[FailingListener]:
    listener = FailingListener(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    yield listener
    listener.close()


@pytest.mark.parametrize(("where", "what"), [(server_module, "tune"), (threading.Thread, "start")])
def test_a_failure_in_the_accept_thread_is_logged_and_the_next_one_gets_in(
    server: ChatServer, where: object, what: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch:

        def fail(_: object) -> None:
            raise ZeroDivisionError("injected")

        patch.setattr(where, what, fail)
        with Peer(server.port) as unlucky:
            unlucky.expect_end()
    assert server.room.connections() == []
    LinePeer(server.port, "Ada").close()
    assert "ZeroDivisionError: injected" in caplog.text
    caplog.clear()


def test_accepting_pauses_without_descriptors_and_resumes(
    failing_listener: FailingListener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("lan_chat.server.server.ACCEPT_PAUSE_S", 0.01)
    server = ChatServer(failing_listener)
    failing_listener.failure = OSError(errno.EMFILE, "Too many open files")
    server.start()
    talk_to(server).close()
    assert "Too many open files" in caplog.text
    server.stop()


def test_accepting_pauses_without_threads_and_resumes(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("lan_chat.server.server.ACCEPT_PAUSE_S", 0.01)
    with LinePeer(server.port, "Ada") as ada:
        with monkeypatch.context() as patch:

            def fail(self: threading.Thread) -> None:
                raise RuntimeError("can't start new thread")

            patch.setattr(threading.Thread, "start", fail)
            with Peer(server.port) as unlucky:
                assert unlucky.expect_end() == ITALIAN.full
        wait_until(lambda: "can't start new thread" in caplog.text)
        with LinePeer(server.port, "Bob"):
            ada.expect("Bob si è unito alla chat!\n")


# --- the operator ---------------------------------------------------------------------------------------------------


@pytest.fixture
def operator(server: ChatServer) -> Operator:
    return Operator(server, ENGLISH)


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


@pytest.mark.parametrize("kind", [LinePeer, BarePeer, EventPeer])
def test_who_is_kicked_is_told_why_and_so_is_the_room(
    server: ChatServer,
    operator: Operator,
    kind: type[LinePeer | BarePeer | EventPeer],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    with LinePeer(server.port, "Ada") as ada, kind(server.port, "Bob il Grande") as bob:
        assert operator.answer("kick bob il grande troppo rumore") == "Bob il Grande was removed."
        if isinstance(bob, EventPeer):
            assert bob.expect_event(Error) == Error("kicked", detail="troppo rumore")
            bob.expect_event(EndConn)
        elif isinstance(bob, BarePeer):
            assert bob.recv().decode() == f"{ITALIAN.kicked} troppo rumore"
            assert bob.recv() == b"{end_conn}"
            assert bob.recv() == b""
        else:
            assert bob.expect_end() == f"{ITALIAN.kicked} troppo rumore\n{{end_conn}}\n"
        ada.expect("Bob il Grande ha abbandonato la Chat. (allontanato dall'operatore)\n")
        wait_until(lambda: "leaves: kicked by the operator: troppo rumore." in caplog.text)
        LinePeer(server.port, "Bob il Grande").close()


def test_who_is_kicked_in_mid_flood_is_silent_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    server = start(rate=1.0)
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
        assert again.expect_end() == ITALIAN.banned
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
    assert "was refused a name: banned." in caplog.text
    assert "was turned away: its address is banned." in caplog.text


def test_an_address_is_banned_whoever_has_taken_it_for_a_name(server: ChatServer, operator: Operator) -> None:
    with Peer(server.port) as bad, LinePeer(server.port, "127.0.0.9") as good:
        bad.expect(GREETING)
        assert operator.answer("ban 127.0.0.9") == "127.0.0.9 cannot come in any more."
        good.say("che nome!")
        good.expect("127.0.0.9: che nome!\n")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        *(("10.0.0.1", "10.0.0.1"), ("10.0.0.1:53000", "10.0.0.1"), ("::FFFF:10.0.0.1", "10.0.0.1")),
        *(("::ffff:10.0.0.1:4000", "10.0.0.1"), ("FE80::1", "fe80::1"), ("10.0.0", None), ("Bob", None), ("", None)),
    ],
)
def test_an_address_is_read_as_the_list_shows_it(text: str, address: str | None) -> None:
    assert parse_address(text) == address


def test_an_address_may_be_banned_as_the_list_shows_it(server: ChatServer, operator: Operator) -> None:
    with LinePeer(server.port, "Ada") as ada:
        address = operator.answer("who").split()[1]
        assert operator.answer(f"ban {address}") == "127.0.0.1 cannot come in any more."
        assert ITALIAN.banned in ada.expect_end()
    assert operator.answer(f"unban {address}") == "127.0.0.1 can come in again."
    LinePeer(server.port, "Ada").close()


def test_a_name_can_be_banned_before_it_comes(server: ChatServer, operator: Operator) -> None:
    operator.answer("ban Mallory")
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
        for nonce in (1, 2):
            events.tell(Say("tre", nonce))
            assert events.expect_event(Error) == Error("muted", nonce=nonce)
        operator.answer("say silenzio")
        assert lines.expect("Server: silenzio\n") == "\nServer: silenzio\n"
        assert operator.answer("unmute *") == "Now everybody can write."
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
        assert members[2].endswith("mute")
        assert count == "In the chat: 3. Connections: 3."


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("", ENGLISH.operator_help),
        ("help\n", ENGLISH.operator_help),
        ("HELP", ENGLISH.operator_help),
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


if sys.platform != "win32":  # which has no pseudo-terminals in Python
    import pty

    def test_the_operator_types_at_the_terminal() -> None:
        terminal, stdin = pty.openpty()
        with ServerProgram(stdin=stdin) as program, LinePeer(program.port, "Ada") as ada:
            os.close(stdin)
            os.write(terminal, b"who\n")
            program.expect("Nella chat: 1. Connessioni: 1.\n")
            os.write(terminal, "say è ora\n".encode())
            program.expect("Annunciato a 1.\n")
            ada.expect("Server: è ora\n")
            os.write(terminal, b"\x04")  # Ctrl+D
            os.write(terminal, b"stop perch\xe8 s\xec\n")  # as from a terminal that is set to Latin-1
            program.expect("Uso: stop\n")
            os.write(terminal, b" STOP\n")
            assert ada.expect_end() == "{end_conn}\n"
            assert program.expect_end()[0] == 0
        os.close(terminal)


def test_a_terminal_that_takes_nothing_is_told_later_how_much_it_has_missed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lan_chat.server.terminal.MAX_WAITING_LINES", 3)
    terminal = Terminal()
    for number in range(5):
        terminal.show(f"riga {number}")
    terminal.start()
    wait_until(terminal._texts.empty)
    terminal.emit(logging.makeLogRecord({"msg": "dopo"}))
    assert terminal.finish()
    assert capsys.readouterr().out == (
        "riga 0\nriga 1\nriga 2\n(2 lines were not shown: the terminal took nothing.)\ndopo\n"
    )


def test_the_log_file_has_the_time_and_the_level(tmp_path: Path) -> None:
    file = tmp_path / "chat.log"
    with ServerProgram("--log-file", str(file), "--log-level", "warning", "--max-clients", "1") as program:
        with Peer(program.port) as first, Peer(program.port) as second:
            assert second.expect_end() == ITALIAN.full
            del first
        program.interrupt()
        _, output = program.expect_end()
        assert "has connected" not in output
    assert re.fullmatch(r"\d{4}-\d\d-\d\d [\d:,]+ WARNING 127.0.0.1:\d+ was turned away: .*\n", file.read_text())


def test_a_log_file_that_cannot_be_written_is_one_sentence_and_status_2(tmp_path: Path) -> None:
    with Program(TOP / "chat_server.py", "--port", "0", "--log-file", str(tmp_path)) as program:
        status, output = program.expect_end()
        assert (status, output.count("\n")) == (2, 1)
        assert "--log-file" in output


# --- the end --------------------------------------------------------------------------------------------------------


def test_stopping_tells_everybody_whatever_they_speak(server: ChatServer, caplog: pytest.LogCaptureFixture) -> None:
    silent = [talk_to(server) for _ in range(5)]
    bares = [BarePeer(server.port, f"bare{number}") for number in range(20)]
    lines = [LinePeer(server.port, f"lines{number}") for number in range(15)]
    events = [EventPeer(server.port, f"events{number}") for number in range(10)]
    for bare in bares:
        bare.expect("events9 si è unito alla chat!")
    received: dict[Peer, list[bytes]] = {bare: [] for bare in bares}
    readers = [threading.Thread(target=lambda peer=bare: received[peer].extend(iter(peer.recv, b""))) for bare in bares]
    for reader in readers:
        reader.start()
    for number in range(3):
        lines[0].say(f"ultima {number}")
    lines[0].expect("ultima 2\n")
    server.stop()
    for reader in readers:
        reader.join()
    for bare in bares:
        assert received[bare][-1] == b"{end_conn}"
        assert b"".join(received[bare][:-1]).decode().endswith("ultima 2")
    assert lines[0].expect_end() == "{end_conn}\n"
    for line_peer in lines[1:]:
        assert line_peer.expect_end().endswith("ultima 2\n{end_conn}\n")
    for member in events:
        while not isinstance(member.next_event(), EndConn):
            pass
    for nameless in silent:
        assert nameless.expect_end() == "{end_conn}"
    for peer in [*silent, *bares, *lines, *events]:
        peer.close()
    assert not server.room.addresses
    assert not server.room.names


def test_stopping_twice_is_stopping_once(server: ChatServer) -> None:
    server.stop()
    server.stop()


def test_stopping_in_the_middle_of_everything_leaves_no_thread() -> None:
    for _ in range(30 if not ON_WINE else 3):  # where no reader wakes when its socket is shut down
        server = start()
        peers = [Peer(server.port) for _ in range(4)]
        for number, peer in enumerate(peers[1:]):
            peer.send(f"nome{number}\nciao\n" * 3)
        server.stop()
        for peer in peers:
            peer.close()


# --- the program ----------------------------------------------------------------------------------------------------


def test_ctrl_c_closes_the_server_in_the_originals_words() -> None:
    with ServerProgram() as program, LinePeer(program.port, "Ada") as ada:
        program.interrupt()
        assert ada.expect_end() == "{end_conn}\n"
        status, output = program.expect_end()
        assert status == 0
        closing = CLOSING if sys.platform != "win32" else CLOSING_OTHERWISE
        host, port = ada.sock.getsockname() if ada.sock.fileno() >= 0 else ("", 0)
        assert output == (
            f"{host}:{port} has connected to the server.\n"
            f"{host}:{port} joins as Ada.\n"
            f"{closing}\n"
            f"{host}:{port} leaves: the server stops.\n"
            f"{host}:{port} has left the server.\n"
            "Server successfully closed.\n"
        )


@pytest.mark.skipif(sys.platform == "win32", reason="it is a POSIX pipe that breaks")
def test_an_output_that_has_gone_keeps_nobody_from_being_told() -> None:
    read_end, write_end = os.pipe()
    with ServerProgram() as started, LinePeer(started.port, "Ada"):
        started.interrupt()
        started.expect_end()
        port = started.port
    command = [sys.executable, str(TOP / "chat_server.py"), "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(command, stdout=write_end, stderr=write_end, stdin=subprocess.DEVNULL) as process:
        os.close(write_end)
        wait_until(lambda: WAITING.encode() in os.read(read_end, 1000))
        os.close(read_end)
        with LinePeer(port, "Ada") as ada:
            process.send_signal(signal.SIGINT)
            assert ada.expect_end() == "{end_conn}\n"
        assert process.wait(10) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM that a program could catch")
@pytest.mark.parametrize("number", ["SIGTERM", "SIGHUP"])
def test_other_signals_close_it_too(number: str) -> None:
    with ServerProgram() as program, LinePeer(program.port, "Ada") as ada:
        program.process.send_signal(getattr(signal, number))
        assert ada.expect_end() == "{end_conn}\n"
        status, output = program.expect_end()
        assert (status, output.splitlines()[-1]) == (0, "Server successfully closed.")


def test_many_ctrl_c_in_a_row_are_one() -> None:
    with ServerProgram() as program:
        for _ in range(5):
            program.interrupt()
        assert program.expect_end()[0] == 0


def test_a_port_in_use_is_one_sentence_and_status_2() -> None:
    with ServerProgram() as program:
        with Program(TOP / "chat_server.py", "--host", "127.0.0.1", "--port", str(program.port)) as second:
            assert second.expect_end() == (2, ITALIAN.port_in_use.format(port=program.port) + "\n")
        program.interrupt()
        program.expect_end()


def test_an_address_that_is_not_ours_is_one_sentence_and_status_2() -> None:
    for host in ("192.0.2.77", "nessuno.invalid"):
        with Program(TOP / "chat_server.py", "--host", host, "--lang", "en", "--port", "0") as program:
            assert program.expect_end() == (2, ENGLISH.host_not_here.format(host=host) + "\n")


@pytest.mark.parametrize("options", [["--port", "70000"], ["--port", "x"], ["--max-clients", "0"], ["--rate", "-1"]])
def test_options_that_cannot_work_are_explained(options: list[str]) -> None:
    with Program(TOP / "chat_server.py", *options) as program:
        status, output = program.expect_end()
        assert status == 2
        assert options[0] in output
        assert "Traceback" not in output


def test_the_port_can_be_used_again_at_once() -> None:
    listener = open_listener("127.0.0.1", 0)
    port = listener.getsockname()[1]
    for _ in range(2):
        server = ChatServer(listener)
        server.start()
        with LinePeer(port, "Ada"):
            server.stop()  # the server closes first, so the system remembers the connection for a minute
        listener = open_listener("127.0.0.1", port)
    listener.close()


def test_the_server_speaks_english_if_told() -> None:
    with ServerProgram("--lang", "en") as program, Peer(program.port) as peer:
        peer.send("Ada\n{quit}\n")
        assert peer.expect_end() == (
            "Welcome! Type your name and press Enter!\u00a0\n"
            "Welcome Ada! To leave the chat, type {quit}.\n"
            "Ada has joined the chat!\n"
        )
        program.interrupt()
        program.expect_end()


def test_it_tells_where_the_others_find_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lan_chat.server.listening.lan_addresses", lambda: ["192.168.1.20", "10.0.0.3"])
    title = "Gli altri computer della rete si collegano a:"
    here = "Solo questo computer può collegarsi, a:\n    127.0.0.1  porta 53000"
    words = ITALIAN
    assert where_to_find("", 53000, words) == (f"{title}\n    192.168.1.20  porta 53000\n    10.0.0.3  porta 53000")
    assert where_to_find("127.0.0.1", 53000, words) == here
    monkeypatch.setattr("lan_chat.server.listening.lan_addresses", list)
    assert where_to_find("", 53000, words) == here


def test_addresses_of_this_machine_alone_are_not_shown_to_others() -> None:
    addresses = lan_addresses()
    assert not [address for address in addresses if address.startswith("127.")]
    assert len(addresses) == len(set(addresses))


def test_both_sides_of_a_connection_send_at_once(server: ChatServer) -> None:
    with LinePeer(server.port, "Ada"):
        (client,) = server.room.connections()
        sock = client._sock
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        if sys.platform == "linux":  # who is gone without a word is noticed within a minute, idle or written to
            idle_s, interval_s, count, unanswered_ms = (
                sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
                for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
            )
            assert idle_s + count * interval_s == unanswered_ms / 1000 == 60


def test_who_talks_too_fast_is_slowed_for_as_long_as_it_takes(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    waits: list[float] = []
    with LinePeer(server.port, "Ada"):
        (client,) = server.room.connections()
        with monkeypatch.context() as patched:
            patched.setattr(client, "wait_for_end", waits.append)  # as if nothing had ended meanwhile
            assert server._slow_down(client, 50.0)
    assert waits == [50.0]
    assert "Ada" not in caplog.text
    assert re.search(r"127\.0\.0\.1:\d+ talks too fast, and is slowed down\.", caplog.text)


def test_an_option_that_the_system_does_not_know_keeps_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    # As on wine, and on a Windows older than its Python: the name is there, and `setsockopt` refuses it.
    unknown = ("IPPROTO_TCP", "TCP_NODELAY_OF_TOMORROW", 1)
    monkeypatch.setattr(socket, "TCP_NODELAY_OF_TOMORROW", 0x7FF0, raising=False)
    monkeypatch.setattr("lan_chat.sockets.SOCKET_OPTIONS", (unknown, *SOCKET_OPTIONS))
    with socket.socket() as sock, pytest.raises(OSError, match=r".") as refused:
        sock.setsockopt(socket.IPPROTO_TCP, 0x7FF0, 1)
    assert refused.value.errno == errno.ENOPROTOOPT
    server = start()
    with LinePeer(server.port, "Ada") as ada:
        session = Session("127.0.0.1", server.port, "it")
        session.connect()
        session.close()
        ada.say("ciao")
        ada.expect("Ada: ciao\n")
    server.stop()


def test_importing_the_module_does_nothing() -> None:
    code = "import chat_server, chat_client, threading; print(threading.active_count())"
    with Program("-c", code, PYTHONPATH=str(TOP)) as program:
        assert program.expect_end() == (0, "1\n")


def test_the_log_says_once_for_each_reason_that_something_was_refused(
    server: ChatServer, operator: Operator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with EventPeer(server.port, "Eva") as eva:
        operator.answer("mute Eva")
        for nonce in (1, 2):
            eva.tell(Say("riservato", nonce))
            assert eva.expect_event(Error) == Error("muted", nonce=nonce)
            eva.send('{"riservato"\n')
            assert eva.expect_event(Error) == Error("malformed")
        host, port = eva.sock.getsockname()
    refusals = [record.getMessage() for record in caplog.records if "refused" in record.getMessage()]
    assert refusals == [f"{host}:{port} was refused a message: {reason}." for reason in ("muted", "malformed")]
    assert "riservato" not in caplog.text


def test_the_log_says_who_did_not_come_back(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    server = start(grace_s=0.05)
    with LinePeer(server.port, "Ada") as ada:
        reset(EventPeer(server.port, "Eva").sock)
        ada.expect("Eva ha abbandonato la Chat.\n")
        assert "Eva may come back." in caplog.text
        wait_until(lambda: "Eva leaves: it did not come back." in caplog.text)
    server.stop()


def test_the_log_says_who_comes_and_goes_and_nothing_of_what_people_say(
    server: ChatServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with LinePeer(server.port, "Ada") as ada:
        host, port = ada.sock.getsockname()
        ada.say("riservato")
        ada.say("{quit}")
        ada.expect_end()
        wait_until(lambda: "left" in caplog.text)
    assert [record.getMessage() for record in caplog.records] == [
        f"{host}:{port} has connected to the server.",
        f"{host}:{port} joins as Ada.",
        f"{host}:{port} leaves: it quit.",
        f"{host}:{port} has left the server.",
    ]
