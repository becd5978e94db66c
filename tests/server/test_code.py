"""A room with a code: who has it comes in and is heard by nobody else; who has it not is told so, in its own way."""

from __future__ import annotations

import gc
import queue
import socket
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import protocol
from lan_chat.code import key_of, parse_code
from lan_chat.secure import Channel, TurnedAwayError, WrongCodeError
from lan_chat.server import broadcast, handshakes, hosts, server
from lan_chat.server.handshakes import Handshakes, Turn
from lan_chat.server.hosts import Hosts
from lan_chat.server.options import Options
from lan_chat.server.server import ChatServer
from protocol import EndConn, Error, Events, Hello, Join, Left, Message, Refused
from tests.support.peers import GREETING, EventPeer, Peer, drain, reset
from tests.support.programs import PATIENT, TOP, Program, ServerProgram
from tests.support.secure_peers import (
    KEY,
    OTHER_KEY,
    SecureBackPeer,
    SecureBarePeer,
    SecureEventPeer,
    SecureLinePeer,
    SecurePeer,
    SecureSocket,
)
from tests.support.sends import Sends
from tests.support.servers import IT, SPEAK_S, have_patience, is_away, limits, member_of, start, talk_to
from tests.support.waiting import wait_until

pytestmark = pytest.mark.psk

SENTENCE = protocol.ITALIAN.needs_code


@pytest.fixture
def room() -> Iterator[ChatServer]:
    """A room with a code."""
    chat = start(limits(rate=0, grace_s=60.0, backlog=0, code_key=KEY, greeting_wait_s=SPEAK_S))
    yield chat
    chat.stop()


def test_all_dialects_work_inside_tls(room: ChatServer) -> None:
    with SecureLinePeer(room.port, "Ada") as ada, SecureEventPeer(room.port, "Bob") as bob:
        with SecureBarePeer(room.port, "Carla") as carla:
            ada.expect("Carla si è unito alla chat!\n")
            bob.say("ciao")
            ada.expect("Bob: ciao\n")
            carla.expect("Bob: ciao")
            carla.say("a tutti")
            ada.expect("Carla: a tutti\n")
        assert ada.expect("Carla ha abbandonato la Chat.\n") == "Carla ha abbandonato la Chat.\n"
        ada.send("{quit}\n")
        assert ada.expect_end() == ""


def test_our_client_may_say_hello_first_and_all_together(room: ChatServer) -> None:
    with Peer(room.port) as peer:
        channel, events = Channel(KEY, is_server=False), Events()
        peer.send(channel.take_outgoing())
        channel.receive(peer.sock.recv(65536))
        first = channel.encrypt(events.encode(Hello(protocol.VERSION, "it")) + events.encode(Join("Ada")))
        peer.send(channel.take_outgoing() + first)
        said = b""
        while b"welcome" not in said:
            said += channel.receive(peer.sock.recv(65536))
        assert said.startswith(GREETING.encode())


def test_handshake_that_comes_byte_by_byte_is_one(room: ChatServer) -> None:
    with Peer(room.port) as peer:
        channel = Channel(KEY, is_server=False)
        for byte in channel.take_outgoing():
            peer.send(bytes([byte]))
        while not channel.is_open:
            channel.receive(peer.sock.recv(65536))
        for byte in channel.take_outgoing() + channel.encrypt(b"Ada\nciao\n"):
            peer.send(bytes([byte]))
        said = b""
        while b"Ada: ciao\n" not in said:
            said += channel.receive(peer.sock.recv(65536))


def test_silent_client_inside_tls_is_greeted(room: ChatServer) -> None:
    with SecurePeer(room.port) as peer:
        peer.expect(GREETING)


def test_member_comes_back_after_a_broken_link(room: ChatServer) -> None:
    with SecureEventPeer(room.port, "Ada") as ada, SecureLinePeer(room.port, "Bob") as bob:
        sock = ada.sock
        assert isinstance(sock, SecureSocket)
        reset(sock.raw)
        wait_until(lambda: is_away(room, "Ada"))
        bob.say("where are you?")
        bob.expect("Bob: where are you?\n")
        with SecureBackPeer(room.port, ada.welcome.token, ada.welcome.last) as back:
            assert [event.text for event in back.missed() if isinstance(event, Message)] == ["where are you?"]


def test_long_texts_and_many_of_them_come_whole_and_in_order(room: ChatServer) -> None:
    with SecureEventPeer(room.port, "Ada") as ada, SecureEventPeer(room.port, "Bob") as bob:
        texts = [f"{number} " + "x" * 15_000 for number in range(300)]  # more than the sockets hold
        for text in texts:
            ada.say(text)
        heard = [event.text for event in bob.events_until(texts[-1]) if isinstance(event, Message)]
        assert heard == texts
        assert [event.text for event in ada.events_until(texts[-1]) if isinstance(event, Message)] == texts


def test_client_that_reads_too_slowly_is_told_and_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcast, "MAX_UNSENT_BYTES", 200_000)
    chat = start(limits(rate=0, code_key=KEY, greeting_wait_s=SPEAK_S))
    try:
        with SecureLinePeer(chat.port, "Lento") as slow, SecureEventPeer(chat.port, "Ada") as ada:
            ada.say("x" * 15_000)
            while not isinstance(ada.next_event(), Left):
                ada.say("x" * 15_000)
            received = slow.expect_end()  # every record is whole, or this raises
            assert protocol.ITALIAN.too_slow in received
            assert received.endswith("{end_conn}\n")
    finally:
        chat.stop()


def test_server_that_stops_says_so_inside_tls(room: ChatServer) -> None:
    with SecureLinePeer(room.port, "Ada") as ada, SecureEventPeer(room.port, "Bob") as bob:
        ada.expect("Bob si è unito alla chat!\n")
        room.stop()
        assert ada.expect_end() == "{end_conn}\n"
        assert isinstance(bob.next_event(), EndConn)


# Who has not the code.


def test_events_without_tls_are_refused(room: ChatServer) -> None:
    with EventPeer(room.port) as peer:
        assert peer.expect_event(Refused).reason == "code"
        assert isinstance(peer.next_event(), EndConn)
        assert drain(peer) == b""


def test_lines_without_tls_read_what_is_needed(room: ChatServer) -> None:
    with talk_to(room) as peer:
        peer.send("Ada\n")
        assert peer.expect_end() == f"\n{SENTENCE}\n{{end_conn}}\n"


def test_bare_without_tls_reads_what_is_needed_and_its_control_word_alone(room: ChatServer, sends: Sends) -> None:
    with talk_to(room) as peer:
        peer.send("Ada")
        assert drain(peer).decode() == SENTENCE + "{end_conn}"
        assert sends.recvs(peer)[-2:] == [SENTENCE.encode(), b"{end_conn}"]


def test_browser_reads_what_is_needed(room: ChatServer) -> None:
    with Peer(room.port) as peer:
        peer.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = peer.expect_end()
        assert answer.startswith("HTTP/1.1 403 Forbidden\r\n")
        assert answer.endswith(f"\r\n\r\n{SENTENCE}\n")


def test_another_protocol_reads_what_is_needed(room: ChatServer) -> None:
    with Peer(room.port) as peer:
        peer.send("SSH-2.0-OpenSSH_9.2\r\n")
        assert peer.expect_end() == f"{SENTENCE}\r\n"


def test_nothing_that_was_said_plainly_is_done(room: ChatServer) -> None:
    with SecureEventPeer(room.port, "Ada") as ada:
        for first in (
            b"Eve\nI am in\n",
            b'{"type":"hello","version":1,"language":"it"}\n{"type":"join","name":"Eve"}\n',
        ):
            with Peer(room.port) as eve:
                eve.send(first)
                assert "Eve" not in drain(eve).decode()
        ada.say("alone")
        assert [type(event) for event in ada.events_until("alone")] == [Message]
        assert room.room.find("Eve") is None


def test_silent_client_gets_the_ordinary_greeting(room: ChatServer) -> None:
    with Peer(room.port) as peer:
        peer.expect(GREETING)
        assert peer.received == b""


def test_wrong_code_is_told_and_logged(room: ChatServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with pytest.raises(WrongCodeError):
        SecurePeer(room.port, OTHER_KEY)
    wait_until(lambda: IT.why_wrong_code in caplog.text)
    with SecureLinePeer(room.port, "Ada"):
        pass
    assert KEY.hex() not in caplog.text


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\xff\xff" + bytes(100), b"\x16\x03hello\n"])
def test_garbage_in_place_of_a_handshake_is_closed(room: ChatServer, garbage: bytes) -> None:
    with Peer(room.port) as peer:
        peer.send(garbage)
        if garbage[3:5] == b"\xff\xff":
            peer.sock.shutdown(socket.SHUT_WR)  # half of a record: more might come
        answer = drain(peer)
        assert answer == b"" or answer[0] == 0x15  # an alert
    with SecureLinePeer(room.port, "Ada"):
        pass


def test_handshake_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HANDSHAKE_S", 0.2)
    chat = start(limits(code_key=KEY, greeting_wait_s=SPEAK_S))
    try:
        with Peer(chat.port) as peer:
            peer.send(Channel(KEY, is_server=False).take_outgoing()[:50])
            assert drain(peer) == b""
    finally:
        chat.stop()


def test_what_is_changed_on_the_way_breaks_the_link_and_nothing_more(room: ChatServer) -> None:
    with SecureEventPeer(room.port, "Ada") as ada, SecureLinePeer(room.port, "Bob") as bob:
        sock = ada.sock
        assert isinstance(sock, SecureSocket)
        said = sock.channel.encrypt(ada.decoder.encode(protocol.Say("pay 10", 1)))
        sock.raw.sendall(said[:-1] + bytes([said[-1] ^ 1]))
        wait_until(lambda: is_away(room, "Ada"))
        bob.say("still here")
        assert bob.expect("still here\n") == "Bob: still here\n"
        with SecureBackPeer(room.port, ada.welcome.token, ada.welcome.last):
            pass


def test_tls_after_the_greeting_is_closed_without_an_answer(room: ChatServer) -> None:
    with talk_to(room) as peer:
        peer.send(Channel(KEY, is_server=False).take_outgoing())
        assert drain(peer) == b""


# Limits.


def test_wrong_codes_slow_their_address_down_and_the_operator_is_told(caplog: pytest.LogCaptureFixture) -> None:
    counted = Hosts(Options(), IT)
    for _ in range(int(hosts.GUESS_BURST)):
        assert counted.guess("10.0.0.1", 1.0) == 0.0
    assert counted.guess("10.0.0.1", 0.0) == 0.0
    assert counted.guess("10.0.0.1", 1.0) > 0.0
    assert counted.guess("10.0.0.1", 0.0) > 0.0  # whatever its next code is
    assert counted.guess("10.0.0.2", 0.0) == 0.0
    assert [IT.limit_guessing in record.getMessage() for record in caplog.records] == [True]


def test_who_has_tried_wrong_codes_waits_before_the_next_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "GUESS_BURST", 1.0)
    monkeypatch.setattr(hosts, "GUESS_RATE", 1e-6)
    chat = start(Options(greeting_wait_s=SPEAK_S, code_key=KEY))
    try:
        for _ in range(2):
            with pytest.raises(WrongCodeError):
                SecurePeer(chat.port, OTHER_KEY)
        wait_until(lambda: chat.hosts.guess("127.0.0.1", 0.0))  # the alert is sent before its try is counted
        with Peer(chat.port) as peer:
            peer.send(Channel(KEY, is_server=False).take_outgoing())
            wait_until(lambda: len(chat.hosts.handshakes) == 1)
            chat.stop()  # does not wait for it
            assert drain(peer) == b""
    finally:
        chat.stop()


def test_who_gives_way_while_it_waits_for_its_try_is_gone_and_has_tried_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each of them waited its time and was counted as a try; with 100 of them their address could wait for a minute."""
    monkeypatch.setattr(hosts, "GUESS_BURST", 1.0)
    monkeypatch.setattr(hosts, "GUESS_RATE", 1e-6)
    monkeypatch.setattr(handshakes, "MAX_HANDSHAKES_PER_HOST", 1)
    monkeypatch.setattr(handshakes, "LONG_HANDSHAKE_S", 0.0)
    chat = start(Options(greeting_wait_s=SPEAK_S, code_key=KEY))
    try:
        chat.hosts.guess("127.0.0.1", 2.0)
        with Peer(chat.port) as first, Peer(chat.port) as second:
            first.send(Channel(OTHER_KEY, is_server=False).take_outgoing())
            wait_until(lambda: len(chat.hosts.handshakes) == 1)
            second.send(Channel(OTHER_KEY, is_server=False).take_outgoing())
            assert drain(first) == b""
            first.close()
            wait_until(lambda: len(chat.room.connections()) == 1)
        assert chat.hosts.guess("127.0.0.1", 0.0) <= 1e6
    finally:
        chat.stop()


def test_handshakes_at_once_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handshakes, "MAX_HANDSHAKES_PER_HOST", 2)
    chat = start(Options(greeting_wait_s=SPEAK_S, code_key=KEY))
    begun = Channel(KEY, is_server=False).take_outgoing()
    try:
        with Peer(chat.port) as first, Peer(chat.port) as second, Peer(chat.port) as third:
            for peer in (first, second):
                peer.send(begun[:20])
            wait_until(lambda: len(chat.hosts.handshakes) == 2)
            channel = Channel(KEY, is_server=False)
            third.send(channel.take_outgoing())
            first.close()
            channel.receive(third.sock.recv(65536))
            assert channel.is_open
            assert len(chat.hosts.handshakes) <= 2
    finally:
        chat.stop()
    assert len(chat.hosts.handshakes) == 0


def test_handshake_that_takes_long_gives_way_to_one_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handshakes, "MAX_HANDSHAKES", 2)
    monkeypatch.setattr(handshakes, "LONG_HANDSHAKE_S", 0.0)
    chat = start(limits(code_key=KEY, greeting_wait_s=SPEAK_S))
    begun = Channel(KEY, is_server=False).take_outgoing()
    try:
        with Peer(chat.port) as first, Peer(chat.port) as second:
            first.send(begun[:20])
            wait_until(lambda: len(chat.hosts.handshakes) == 1)
            second.send(begun[:20])
            wait_until(lambda: len(chat.hosts.handshakes) == 2)
            with SecureLinePeer(chat.port, "Ada"):
                assert drain(first) == b""  # the oldest
                second.send(begun[20:])
                assert second.recv()[0] == 0x16
    finally:
        chat.stop()


def test_turns_come_in_order_and_an_address_that_has_its_share_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(handshakes, "MAX_HANDSHAKES", 3)
    monkeypatch.setattr(handshakes, "MAX_HANDSHAKES_PER_HOST", 2)
    counted, came = Handshakes(are_hosts_limited=True), queue.SimpleQueue[str]()

    def wait_for_turn(address: str) -> Turn | None:
        turn = counted.begin(address, lambda: None, lambda: False)
        came.put(address)
        return turn

    first, second = (counted.begin("10.0.0.1", lambda: None, lambda: False) for _ in range(2))
    assert first
    assert second
    with ThreadPoolExecutor(2) as threads:
        third = threads.submit(wait_for_turn, "10.0.0.1")
        wait_until(lambda: len(counted._waiting) == 1)
        other = wait_for_turn("10.0.0.2")
        assert other
        fourth = threads.submit(wait_for_turn, "10.0.0.3")
        wait_until(lambda: len(counted._waiting) == 2)
        counted.end(other)
        assert fourth.result()
        assert not third.done()
        counted.end(first)
        assert third.result()
    assert [came.get() for _ in range(3)] == ["10.0.0.2", "10.0.0.3", "10.0.0.1"]
    assert len(counted) == 3


def test_wait_for_a_turn_ends_with_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handshakes, "MAX_HANDSHAKES", 0)
    counted = Handshakes(are_hosts_limited=True)
    assert counted.begin("10.0.0.1", lambda: None, lambda: True) is None
    assert not counted._waiting


def test_handshakes_that_fail_wait_for_their_answer_whatever_their_address() -> None:
    counted = Hosts(limits(), IT)
    for _ in range(int(hosts.FAILURE_BURST)):
        assert counted.fail() == 0.0
    assert counted.fail() > 0.0


def test_nothing_of_a_connection_is_left_for_the_garbage_collector(room: ChatServer) -> None:
    """Thousands that wait for it, each with a thread and buffers, were tens of megabytes."""
    gc.disable()
    try:
        with SecureLinePeer(room.port, "Ada"), pytest.raises(WrongCodeError):
            SecurePeer(room.port, OTHER_KEY)
        with Peer(room.port) as peer:
            peer.send(b"\x16\x03")
        kept = [weakref.ref(connection) for connection in room.room.connections()]
        wait_until(lambda: not room.room.connections())
        wait_until(lambda: not any(connection() for connection in kept))
    finally:
        gc.enable()


def test_handshake_whose_turn_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handshakes, "MAX_HANDSHAKES", 0)
    monkeypatch.setattr(handshakes, "HANDSHAKE_WAIT_S", 0.0)
    chat = start(limits(code_key=KEY, greeting_wait_s=SPEAK_S))
    try:
        with Peer(chat.port) as peer:
            peer.send(Channel(KEY, is_server=False).take_outgoing())
            assert drain(peer) == b""
    finally:
        chat.stop()


def test_client_of_a_full_room_is_told_inside_tls() -> None:
    chat = start(limits(max_clients=1, code_key=KEY, greeting_wait_s=SPEAK_S))
    try:
        with SecureLinePeer(chat.port, "Ada"), SecurePeer(chat.port) as peer:
            assert protocol.ITALIAN.full in peer.expect_end()
    finally:
        chat.stop()


def test_plain_client_takes_nobodys_place_in_a_full_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lan_chat.server.greeted.SILENT_S", 0.0)
    chat = start(limits(max_clients=1, code_key=KEY, greeting_wait_s=SPEAK_S))
    try:
        with SecurePeer(chat.port) as silent, Peer(chat.port) as peer:
            silent.expect(GREETING)
            peer.send("Eve\n")
            drain(peer)
            silent.send("Ada\n")
            silent.expect("Ada si è unito alla chat!\n")
    finally:
        chat.stop()


def test_client_that_is_turned_away_knows_that_its_code_is_not_the_reason() -> None:
    chat = start(Options(max_per_host=1, greeting_wait_s=0.2, code_key=KEY))
    try:
        with SecureLinePeer(chat.port, "Ada"), pytest.raises(TurnedAwayError):
            SecurePeer(chat.port)
    finally:
        chat.stop()


def test_kicked_member_is_told_inside_tls(room: ChatServer) -> None:
    with SecureEventPeer(room.port, "Ada") as ada:
        member = member_of(room, "Ada")
        room.call(lambda: room.delivery.kick(member))
        assert ada.expect_event(Error).reason == "kicked"
        assert isinstance(ada.next_event(), EndConn)


def test_who_asks_where_the_room_is_is_told_that_it_needs_a_code(room: ChatServer, server: ChatServer) -> None:
    assert room._describe().needs_code
    assert not server._describe().needs_code


def test_room_without_a_code_answers_tls_as_ever(server: ChatServer) -> None:
    have_patience(server)
    with Peer(server.port) as peer:
        peer.send(Channel(KEY, is_server=False).take_outgoing())
        assert drain(peer) == protocol.TLS_ALERT


# The program.


def test_program_makes_a_code_and_shows_it_to_its_operator_alone(tmp_path: Path) -> None:
    log, record = tmp_path / "log", tmp_path / "record"
    options = ("--code", "--log-file", str(log), "--log-level", "debug", "--history", str(record), *PATIENT)
    with ServerProgram(*options) as program:
        program.expect(IT.room_code.format(code=""))
        written = program.expect("\n").strip()
        code = parse_code(written)
        assert code is not None
        with SecureLinePeer(program.port, "Ada", key_of(code), speaks_first=True) as ada:
            ada.say(f"one says {'no'} code aloud")
            ada.expect("aloud\n")
        with pytest.raises(WrongCodeError):
            SecurePeer(program.port, OTHER_KEY)
        output = program.expect(IT.why_wrong_code)
        program.interrupt()
        output += program.expect_end()[1]
    for where in (output, log.read_text("utf-8"), record.read_bytes().decode("latin-1")):
        for secret in (code, written, key_of(code).hex()):
            assert secret not in where


@pytest.mark.parametrize("typed", ["Baba coco, no: BABACOCO didi-fofo\n", "no code\nbaba-coco-didi-fofo\n"])
def test_program_asks_for_a_code_that_no_command_line_shows(typed: str) -> None:
    command = ("--host", "127.0.0.1", "--port", "0", "--code", "-", *PATIENT)
    with Program(TOP / "chat_server.py", *command) as program:
        program.type(typed)
        program.expect(IT.code_prompt)
        program.expect("127.0.0.1  porta ")
        port = int(program.expect("\n"))
        program.expect(IT.room_code.format(code="baba-coco-didi-fofo"))
        with SecureLinePeer(port, "Ada", key_of("babacocodidifofo"), speaks_first=True):
            pass


@pytest.mark.parametrize(
    ("options", "typed"), [(("--code", "password"), ""), (("--code", ""), ""), (("--code", "-"), "password\n")]
)
def test_what_has_not_the_form_of_a_code_is_not_taken(options: tuple[str, ...], typed: str) -> None:
    with Program(TOP / "chat_server.py", "--port", "0", *options) as program:
        program.type(typed)
        program.end_input()
        status, output = program.expect_end()
    assert status == 2
    assert IT.bad_code.partition(" come ")[0] in output
    assert "password" not in output
    assert (IT.code_not_given in output) == bool(typed)


def test_options_do_not_show_the_key() -> None:
    assert "code_key" not in repr(limits(code_key=KEY))
