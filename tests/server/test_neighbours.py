"""One neighbour is one neighbour: what an address, a stranger or a spammer can do within the limits, and what not."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

import protocol
from lan_chat.server.listening import open_listener
from lan_chat.server.membership import MemberState
from lan_chat.server.options import Options
from lan_chat.server.server import ChatServer
from lan_chat.server.words import ITALIAN
from protocol import Error, Event, Join, Joined, Left, Message, Refused, Resume, Say, Welcome
from tests.support.peers import GREETING, BackPeer, BarePeer, EventPeer, LinePeer, Peer, come_back, drain, reset
from tests.support.sends import Sends
from tests.support.servers import have_patience, limits, lose, member_of, start
from tests.support.waiting import DEADLINE_S, wait_until

BOMB = "a\n" * 499 + "a"
"""As many lines as a message may have."""
LONG_NAME = "🐢" * 30


@pytest.fixture
def strict() -> Iterator[ChatServer]:
    """A server with the limits that it announces, but for a short wait before its greeting."""
    server = ChatServer(open_listener("127.0.0.1", 0), Options(greeting_wait_s=0.02))
    server.start()
    yield server
    server.stop()


def peer_from(server: ChatServer, host: str) -> socket.socket:
    """Connect from another address of this machine."""
    return socket.create_connection(("127.0.0.1", server.port), DEADLINE_S, source_address=(host, 0))


# --- what is said costs what it costs the others ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent", [b"\xff\xf1", b"\xff\xf6", b"\xff\xf7", b"\xff\xfa" + b"a" * 1020 + b"\xff\xf0", b"\t\n"]
)
def test_what_says_nothing_costs_what_it_takes_to_read(sent: bytes) -> None:
    server = start(Options(greeting_wait_s=0.02, rate=1.0))  # a busy machine reads more slowly than 20 a second
    with LinePeer(server.port, "Ada") as ada, LinePeer(server.port, "Bob") as bob:
        ada.sock.sendall(sent * (128 * 1024 // len(sent)))
        wait_until(lambda: any(connection.slowed_until > 0 for connection in server.room.connections()))
        bob.say("ciao")
        ada.expect("Bob: ciao\n")
    server.stop()


@pytest.mark.parametrize("lines", [501, 8192])
def test_a_message_has_a_limit_of_lines_and_its_author_is_told(server: ChatServer, lines: int) -> None:
    with EventPeer(server.port, "Eva") as eva, LinePeer(server.port, "Ada") as ada:
        eva.expect_event(Joined)
        eva.tell(Say("a\n" * (lines - 1) + "a", 1))
        assert eva.expect_event(Error) == Error("too many lines", 500, 1)
        eva.tell(Say(BOMB, 2))
        assert eva.expect_event(Message).text == BOMB
        ada.expect("Eva: a\n" * 500)


def test_many_lines_of_a_bare_client_become_several_messages(server: ChatServer) -> None:
    with BarePeer(server.port, "Ugo") as ugo, LinePeer(server.port, "Ada") as ada:
        ugo.say("a\n" * 900 + "a")
        ada.expect("Ugo: a\n" * 901)


def test_a_backlog_of_newline_bombs_keeps_no_newcomer_out() -> None:
    server = start(limits(rate=0, backlog=50))
    with EventPeer(server.port, LONG_NAME) as eva:
        for number in range(1, 51):
            eva.tell(Say(BOMB, number))
        eva.tell(Say("fine", 51))
        eva.events_until("fine")
        for _ in range(3):
            with Peer(server.port) as newcomer:
                newcomer.send("Ada\nciao\n{quit}\n")
                text = newcomer.expect_end()
                assert "Ada: ciao\n" in text
                assert len(text.encode()) < 400_000
    server.stop()


@pytest.mark.slow
def test_what_a_bare_peer_waits_for_because_of_our_pauses_does_not_count_against_it() -> None:
    server = start(limits(rate=0))
    with BarePeer(server.port, "Ugo") as ugo, EventPeer(server.port, "Eva") as eva:
        heard = bytearray()
        for number in range(1, 61):  # 1 MB
            eva.tell(Say("😀" * 4096, number))
        eva.tell(Say("fine", 61))
        largest = 0
        while b"Eva: fine" not in heard:
            data = ugo.recv()
            assert data, "it was let go"
            largest = max(largest, len(data))
            heard += data
        assert heard.count("😀".encode()) == 60 * 4096
        assert largest <= protocol.BARE_RECV_BYTES
    server.stop()


@pytest.mark.slow
def test_a_bare_peer_that_does_not_read_is_let_go_with_its_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lan_chat.server.broadcast.MAX_UNSENT_BYTES", 100_000)
    monkeypatch.setattr("lan_chat.server.exits.FLUSH_S", DEADLINE_S)  # what it lacks waits until it reads here
    server = start(limits(rate=0))
    with BarePeer(server.port, "Ugo") as ugo, EventPeer(server.port, "Eva") as eva:
        number = 0
        left = False
        while not left:
            number += 1
            eva.tell(Say("x" * 16_000, number))
            left = any(isinstance(event, Left) for event in eva.events_until("x" * 16_000))
        heard = drain(ugo)
        assert heard.endswith((ITALIAN.too_slow + "{end_conn}").encode())
    server.stop()


# --- an address -------------------------------------------------------------------------------------------------------


def test_an_address_has_so_many_connections_and_the_others_come_in(strict: ChatServer) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(Peer(strict.port))
        wait_until(lambda: len(strict.room.connections()) == 100)
        with Peer(strict.port) as one_more:
            assert one_more.expect_end() == ITALIAN.host_full + "{end_conn}"
        with peer_from(strict, "127.0.0.2") as other:
            other.sendall(b"Ada\n")
            assert GREETING.encode() in other.recv(4096)
    wait_until(lambda: not strict.room.connections())
    LinePeer(strict.port, "Bob").close()


def test_an_address_that_reconnects_says_no_more_than_its_members_might(strict: ChatServer) -> None:
    """Six threads that come, speak a burst and go: the allowance of their address is the same for all of them."""
    strict_talk = strict.hosts.talk("127.0.0.3", 0)
    assert strict_talk == 0.0
    waits = [strict.hosts.talk("127.0.0.3", 100) for _ in range(6)]
    assert waits[:5] == [0.0] * 5
    assert waits[5] > 0.9
    assert strict.hosts.talk("127.0.0.4", 100) == 0.0


def test_who_asks_too_often_waits_and_is_not_refused(strict: ChatServer) -> None:
    for _ in range(100):
        strict.hosts.ask("127.0.0.1")
    began = strict.hosts.ask("127.0.0.1", 0.0)
    assert began == 0.0 or began < 0.3
    LinePeer(strict.port, "Ada").close()


def test_coming_and_breaking_off_takes_places_of_its_own_address_alone(
    strict: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lan_chat.server.places.MAX_AWAY_PER_HOST", 2)
    peers = [EventPeer(strict.port, f"a{number}") for number in range(3)]
    for number, peer in enumerate(peers):
        reset(peer.sock)
        wait_until(lambda number=number: len(strict.delivery._parts.places) >= min(number + 1, 2))  # type: ignore[misc]
    wait_until(lambda: [member.name for member in strict.room.members()] == ["a0", "a1"])


def test_limits_of_an_address_are_lifted_by_one_option() -> None:
    server = start(Options(max_per_host=0, greeting_wait_s=0.02, rate=1.0))
    assert [server.hosts.talk("127.0.0.1", 1000) for _ in range(10)] == [0.0] * 10
    assert [server.hosts.ask("127.0.0.1") for _ in range(1000)] == [0.0] * 1000
    server.stop()


def test_the_operator_is_told_once_and_how_to_lift_it(strict: ChatServer, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(10):
        strict.hosts.talk("127.0.0.1", 1000)
    told = [record.getMessage() for record in caplog.records if "--max-per-host 0" in record.getMessage()]
    assert len(told) == 1
    assert "127.0.0.1" in told[0]


def test_a_name_is_not_held_for_ever_by_short_resumes() -> None:
    grace_s, away_s = 0.6, 0.05
    server = start(limits(grace_s=grace_s))
    with LinePeer(server.port, "Bob") as bob:
        ada = EventPeer(server.port, "Ada")
        token, member = ada.welcome.token, member_of(server, "Ada")
        bob.expect("Ada si è unito alla chat!\n")
        returns = -1
        answer: Event = ada.welcome
        while isinstance(answer, Welcome):  # each comes back for a moment
            returns += 1
            assert returns * away_s <= grace_s
            reset(ada.sock)
            wait_until(lambda: member.state is not MemberState.PRESENT)
            threading.Event().wait(away_s)
            ada, answer = come_back(server.port, token, 0)
        ada.close()
        bob.expect("Ada ha abbandonato la Chat.\n")
    server.stop()


def test_a_resume_from_an_older_link_takes_nothing_away(server: ChatServer) -> None:
    server = start(limits(grace_s=60.0))
    with EventPeer(server.port, "Bob") as bob, EventPeer(server.port) as old:
        ada = EventPeer(server.port, "Ada")
        bob.expect_event(Joined)
        old.tell(Resume(ada.welcome.token, 0))
        drain(old)
        ada.say("ancora io")
        assert ada.events_until("ancora io")
        assert [type(event) for event in bob.events_until("ancora io")] == [Message]
        ada.close()
    server.stop()


@pytest.mark.slow
def test_replays_that_nobody_reads_take_next_to_no_memory() -> None:
    server = start(limits(rate=0, grace_s=60.0, max_clients=1000))
    with EventPeer(server.port, "Bob") as bob, contextlib.ExitStack() as stack:
        tokens = []
        for number in range(40):
            ada = EventPeer(server.port, f"a{number}")
            tokens.append(ada.welcome.token)
            reset(ada.sock)
        for number in range(1, 65):
            bob.tell(Say("x" * 16_000, number))
        bob.tell(Say("fine", 65))
        bob.events_until("fine")
        for token in tokens:
            back = stack.enter_context(EventPeer(server.port))
            back.tell(Resume(token, 0))
            back.expect_event(Welcome)
        recipients = [connection.recipient for connection in server.room.connections()]
        assert sum(recipient.outbox.unsent_bytes for recipient in recipients) < 40 * 512 * 1024
        bob.tell(Say("e poi", 66))
        with BackPeer(server.port, tokens[0], 0) as reader:  # who reads gets it all, and then what follows
            assert [event.text for event in reader.events_until("e poi") if isinstance(event, Message)][-2:] == [
                "fine",
                "e poi",
            ]
    server.stop()


@pytest.mark.slow
def test_a_replay_that_falls_behind_what_is_kept_never_skips_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lan_chat.server.timeline.KEPT_EVENTS", 500)
    server = start(limits(rate=0, grace_s=60.0))
    with EventPeer(server.port, "Bob") as bob:
        ada = EventPeer(server.port, "Ada")
        lose(server, ada, "Ada")
        for number in range(1, 401):
            bob.tell(Say("x" * 4000, number))
        bob.tell(Say("fine", 401))
        bob.events_until("fine")
        with EventPeer(server.port) as back:
            back.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
            back.tell(Resume(ada.welcome.token, ada.welcome.last + 1))
            last = back.expect_event(Welcome).last
            for number in range(402, 1402):  # it reads nothing meanwhile
                bob.tell(Say("y" * 4000, number))
            bob.tell(Say("ultimo", 1402))
            bob.events_until("ultimo")
            ids: list[int] = []
            with contextlib.suppress(AssertionError, TimeoutError, OSError):
                while len(ids) < 5000:
                    event = back.next_event()
                    ids.append(getattr(event, "id", 0))
                    if getattr(event, "text", "") == "ultimo":
                        break
            assert ids == list(range(ids[0], ids[0] + len(ids)))
            assert last
    server.stop()


def test_a_resume_pays_for_what_it_is_shown_and_not_for_the_age_of_the_room(strict: ChatServer) -> None:
    with EventPeer(strict.port, "Ada") as ada:
        strict.call(lambda: setattr(strict.delivery._parts.timeline._numbering, "last", 10_000_000))
        with EventPeer(strict.port) as back:
            back.tell(Resume(ada.welcome.token, 0))
            assert back.expect_event(Welcome).last == 10_000_000
    assert strict.hosts.ask("127.0.0.1", 0.0) == 0.0


# --- strangers --------------------------------------------------------------------------------------------------------

REQUEST = "POST / HTTP/1.1\r\nHost: 192.168.1.20:53000\r\nContent-Length: 12\r\n\r\nciao a tutti"


@pytest.mark.parametrize(
    "request_line", ["GET / HTTP/1.1", "POST / HTTP/1.0", "HEAD / HTTP/1.1", "OPTIONS * HTTP/1.1", "PUT /x HTTP/1.1"]
)
def test_a_browser_is_answered_in_http_and_is_nobody(server: ChatServer, request_line: str) -> None:
    with LinePeer(server.port, "Ada") as ada:
        have_patience(server)
        with Peer(server.port) as browser:
            browser.send(REQUEST.replace("POST / HTTP/1.1", request_line))
            answer = browser.expect_end()
        head, _, body = answer.partition("\r\n\r\n")
        assert head.startswith("HTTP/1.1 501 Not Implemented\r\n")
        assert body == ITALIAN.stranger + "\n"
        assert f"Content-Length: {len(body.encode())}" in head
        ada.say("solo io")
        assert ada.expect("Ada: solo io\n") == "Ada: solo io\n"


def test_a_request_that_comes_after_the_greeting_is_closed_without_an_answer(server: ChatServer) -> None:
    with LinePeer(server.port, "Ada") as ada, Peer(server.port) as browser:
        browser.expect(GREETING)
        browser.send(REQUEST)
        assert browser.expect_end() == ""
        ada.say("solo io")
        assert ada.expect("Ada: solo io\n") == "Ada: solo io\n"


@pytest.mark.parametrize(
    "first",
    [
        *(b"\r\nGET / HTTP/1.1\r\n\r\n", b"M-SEARCH * HTTP/1.1\r\n\r\n", b"get / http/1.1\r\n\r\n", b"GET / HT"),
        *(b"\xef\xbb\xbfGET / HTTP/1.1\r\n\r\n", b"GET /index.html\r\n"),
    ],
)
def test_an_odd_request_is_a_request(server: ChatServer, first: bytes) -> None:
    have_patience(server)
    with Peer(server.port) as browser:
        browser.send(first)
        assert browser.expect_end().startswith("HTTP/1.1 501 ")


@pytest.mark.slow
@pytest.mark.parametrize("request_bytes", [b"GET / HTTP/1.1\r\n\r\n", b"SSH-2.0-x\r\n"])
def test_a_request_that_comes_byte_by_byte_is_nobody(server: ChatServer, request_bytes: bytes) -> None:
    with LinePeer(server.port, "Ada") as ada, Peer(server.port) as slow, contextlib.suppress(OSError):
        for byte in request_bytes[:4]:
            slow.send(bytes([byte]))
            threading.Event().wait(0.35)
        slow.send(request_bytes[4:])
        assert "Benvenuto" not in slow.expect_end()
        ada.say("solo io")
        assert ada.expect("Ada: solo io\n") == "Ada: solo io\n"


def test_a_tls_client_gets_an_alert(server: ChatServer) -> None:
    have_patience(server)
    with Peer(server.port) as client:
        client.send(bytes.fromhex("16030100c8010000c4") + bytes(190))
        received = b""
        while data := client.sock.recv(4096):
            received += data
        assert received == bytes.fromhex("15030300020228")


@pytest.mark.parametrize(
    "first",
    [
        *(
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"OPTIONS rtsp://192.168.1.20/ RTSP/1.0\r\n",
            b"\0\0\0\x54\xffSMB",
            b"EHLO pc\r\n",
        ),
        *(b"\nSSH-2.0-x\n", b"PROXY UNKNOWN\r\nGET / HTTP/1.1\r\n", b"SSH-", b"ehlo pc\r\n"),
        *(b"\xff\xfe\x41\x00", b"NICK ada\r\nUSER ada 0 * :Ada\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ],
)
@pytest.mark.parametrize("is_greeted", [False, True])
def test_another_protocol_gets_one_sentence_and_is_nobody(server: ChatServer, first: bytes, is_greeted: bool) -> None:
    with LinePeer(server.port, "Ada") as ada:
        if not is_greeted:
            have_patience(server)
        with Peer(server.port) as scanner:
            if is_greeted:
                scanner.expect(GREETING)
            scanner.send(first)
            if not is_greeted and protocol.may_become_strange(first):
                scanner.sock.shutdown(socket.SHUT_WR)  # or the server waits for the rest
            assert scanner.expect_end() == ITALIAN.stranger + "\r\n"
        ada.say("solo io")
        assert ada.expect("Ada: solo io\n") == "Ada: solo io\n"


def test_who_speaks_first_is_answered_at_once() -> None:
    server = start(limits(greeting_wait_s=10.0))
    with Peer(server.port) as peer:
        peer.send("Ada\n")
        peer.expect("Ada si è unito alla chat!\n")
    server.stop()


def test_who_says_nothing_is_greeted_after_the_wait() -> None:
    server = start(Options(max_per_host=0))
    with Peer(server.port) as peer:
        peer.expect(GREETING)
    server.stop()


# --- a full room ------------------------------------------------------------------------------------------------------


def test_who_speaks_takes_the_place_of_the_longest_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lan_chat.server.greeted.SILENT_S", 0.0)
    server = start(limits(max_clients=2))
    with Peer(server.port) as silent, LinePeer(server.port, "Ada"):
        silent.expect(GREETING)
        have_patience(server)
        with Peer(server.port) as speaker:
            speaker.send("Bob\n")
            speaker.expect("Bob si è unito alla chat!\n")
        assert silent.expect_end() == ITALIAN.full + "{end_conn}"
    server.stop()


def test_a_silent_one_is_left_alone_for_a_while(server: ChatServer) -> None:
    server = start(limits(max_clients=1))
    with Peer(server.port) as silent, Peer(server.port) as speaker:
        silent.expect(GREETING)
        speaker.send("Bob\n")
        assert speaker.expect_end().endswith(ITALIAN.full + "{end_conn}")
        silent.send("Ada\n")
        silent.expect("Ada si è unito alla chat!\n")
    server.stop()


def test_a_browser_that_meets_a_full_room_is_answered_in_http() -> None:
    server = start(limits(max_clients=1))
    with LinePeer(server.port, "Ada"):
        have_patience(server)
        with Peer(server.port) as browser:
            browser.send("GET / HTTP/1.1\r\n\r\n")
            assert browser.expect_end().startswith("HTTP/1.1 503 Service Unavailable\r\n")
    server.stop()


def test_one_turned_away_without_a_thread_is_answered_in_its_own_protocol(strict: ChatServer, sends: Sends) -> None:
    strict.room.ban("127.0.0.1")
    with Peer(strict.port) as peer:
        assert drain(peer).decode() == ITALIAN.banned + "{end_conn}"
        assert sends.recvs(peer) == [ITALIAN.banned.encode(), b"{end_conn}"]
    have_patience(strict)
    for first, answer in ((b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 503 "), (b"\x16\x03\x01\0", protocol.TLS_ALERT)):
        with Peer(strict.port) as peer:
            peer.send(first)
            assert peer.recv().startswith(answer)


# --- the end of an original client ------------------------------------------------------------------------------------


def test_who_is_turned_away_gets_its_sentence_and_end_conn_as_two_recvs(sends: Sends) -> None:
    server = start(limits(max_clients=1))
    with LinePeer(server.port, "Ada"), Peer(server.port) as late:
        assert drain(late).decode() == ITALIAN.full + "{end_conn}"
        assert sends.recvs(late) == [ITALIAN.full.encode(), b"{end_conn}"]
    server.stop()


def test_end_conn_comes_by_itself_after_quit_in_angle_brackets_and_when_kicked(
    server: ChatServer, sends: Sends
) -> None:
    with BarePeer(server.port, "Ugo") as ugo, BarePeer(server.port, "Eva") as eva:
        ugo.say("<quit>")
        assert drain(ugo).endswith(b"{end_conn}")
        assert sends.recvs(ugo)[-1] == b"{end_conn}"
        server.call(lambda: server.delivery.kick(member_of(server, "Eva")))
        assert drain(eva).endswith(f"{ITALIAN.kicked}{{end_conn}}".encode())
        assert sends.recvs(eva)[-2:] == [ITALIAN.kicked.encode(), b"{end_conn}"]


@pytest.mark.slow
@pytest.mark.parametrize("end", ["stop", "kick", "<quit>"])
def test_a_bare_client_that_is_far_behind_still_gets_its_end_conn(end: str, sends: Sends) -> None:
    server = start(limits(rate=0))
    with BarePeer(server.port, "Ugo") as ugo, EventPeer(server.port, "Eva") as eva:
        for number in range(1, 41):
            eva.tell(Say("😀" * 4096, number))
        eva.tell(Say("fine", 41))
        eva.events_until("fine")
        if end == "stop":
            stopping = threading.Thread(target=server.stop)
            stopping.start()
        elif end == "kick":
            server.call(lambda: server.delivery.kick(member_of(server, "Ugo")))
        else:
            ugo.say("<quit>")
        heard = drain(ugo)
        assert sends.recvs(ugo)[-1] == b"{end_conn}"
        if end == "stop":
            stopping.join()
        elif end == "kick":
            assert heard.endswith(f"{ITALIAN.kicked}{{end_conn}}".encode())
    server.stop()


def test_who_is_not_greeted_yet_is_told_that_the_server_stops() -> None:
    server = start(limits(greeting_wait_s=10.0))
    with Peer(server.port) as peer:
        wait_until(lambda: server.room.connections())
        server.stop()
        assert drain(peer) == b"{end_conn}"


def test_no_proposal_is_left_without_an_answer(server: ChatServer) -> None:
    """A name, a message and a goodbye in one packet; and many names, of which the first that may be is taken."""
    with LinePeer(server.port, "Ada") as ada, Peer(server.port) as peer:
        peer.send("ada\nADA\nBob\nciao\n{quit}\n")
        assert peer.expect_end().count(ITALIAN.taken) == 2
        assert "Bob: ciao\n" in ada.expect("Bob ha abbandonato la Chat.\n")
        with EventPeer(server.port) as eva:
            eva.tell(Join("Ada"))
            assert eva.expect_event(Refused) == Refused("taken")
