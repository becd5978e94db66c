"""What is said reaches everybody once, whole and in one order, in every dialect."""

from __future__ import annotations

import threading

import pytest

import protocol
from lan_chat.server.server import ChatServer
from lan_chat.server.words import ITALIAN
from protocol import Error, Joined, Left, Message, Quit, Say
from tests.support.peers import BarePeer, EventPeer, LinePeer
from tests.support.sends import Sends
from tests.support.servers import talk_to


@pytest.mark.slow
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


@pytest.mark.usefixtures("bare_texts_wait")
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


@pytest.mark.slow
@pytest.mark.usefixtures("bare_texts_wait")
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


@pytest.mark.slow
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


def test_a_second_line_stays_under_its_authors_name(server: ChatServer, sends: Sends) -> None:
    lines, bare, events = LinePeer(server.port, "Lia"), BarePeer(server.port, "Ugo"), EventPeer(server.port, "Eva")
    with lines, bare, events:
        lines.expect("Eva si è unito alla chat!\n")
        events.say("uno\nLia: due\u2028Ugo: tre")
        assert lines.expect("tre\n") == "Eva: uno\nEva: Lia: due\nEva: Ugo: tre\n"
        bare.expect("Eva: Ugo: tre")
        assert sends.recvs(bare)[-3:] == [b"Eva: uno", b"Eva: Lia: due", b"Eva: Ugo: tre"]


def test_what_a_bare_client_gets_fits_its_recv_and_cuts_no_letter(server: ChatServer, sends: Sends) -> None:
    text = "è😀" * 1000
    with BarePeer(server.port, "Ugo") as bare, LinePeer(server.port, "Lia") as lines:
        bare.expect("Lia si è unito alla chat!")
        lines.say(text)
        lines.say("fine")
        bare.expect("Lia: fine")
        received = sends.recvs(bare)
        assert max(map(len, received)) <= protocol.BARE_RECV_BYTES
        rows = [data.decode() for data in received]  # fails on half a letter, as the original does
        *pieces, last = rows[rows.index("Lia si è unito alla chat!") + 1 :]
        assert all(piece.startswith("Lia: ") for piece in pieces)
        assert "".join(piece.removeprefix("Lia: ") for piece in pieces) == text
        assert last == "Lia: fine"


def test_no_burst_makes_a_bare_client_show_a_row_that_nobody_said(server: ChatServer, sends: Sends) -> None:
    names = ("Ugo: ", "Mal: ")
    with BarePeer(server.port, "Ugo") as victim, LinePeer(server.port, "Mal") as mallory:
        victim.expect("Mal si è unito alla chat!")
        forged = "x" * 11 + "Alice: vi odio tutti{end_conn}"
        mallory.send("".join(f"{forged}\n" for _ in range(200)) + "fine\n")
        victim.expect("Mal: fine")
        received = sends.recvs(victim, protocol.BARE_SHORTEST_PAUSE_S)
        assert max(map(len, received)) <= protocol.BARE_RECV_BYTES
        rows = [data.decode() for data in received]
        rows = rows[rows.index("Mal si è unito alla chat!") + 1 :]
        assert all(row.startswith(names) for row in rows)
        assert "".join(rows).count(forged) == 200
        assert rows[-1].endswith("fine")


def test_kindness_to_a_bare_client_never_makes_it_fall_behind(server: ChatServer) -> None:
    with BarePeer(server.port, "Ugo") as bare, LinePeer(server.port, "Lia") as lines:
        lines.send("".join(f"messaggio {number}\n" for number in range(2000)))
        assert bare.expect("messaggio 1999").count("Lia: ") == 2000


def test_nothing_that_steers_a_terminal_gets_through(server: ChatServer) -> None:
    with LinePeer(server.port, "Lia") as lines, EventPeer(server.port, "Eva") as events:
        lines.expect("Eva si è unito alla chat!\n")
        events.say("a\x1b[2J\x07b\u202ec\x85d\x00e\tf")
        assert lines.expect("\n") == "Eva: a[2Jbcde\tf\n"
