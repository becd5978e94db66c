"""Guests by browser, as the server has them: members like any other, by requests that only our own page can make."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from http.client import HTTPMessage
from pathlib import Path
from typing import Any

import pytest

import protocol
from lan_chat.code import key_of, make_code, parse_code
from lan_chat.server import heartbeats, spares
from lan_chat.server import server as server_module
from lan_chat.server.commands import Operator
from lan_chat.server.http_request import HttpError, Request
from lan_chat.server.leaving import Leaving
from lan_chat.server.options import Options
from lan_chat.server.server import ChatServer
from lan_chat.server.spares import LOAD_BURST, LOAD_KEPT_S, LOAD_RATE, Spares
from lan_chat.server.web import FILE_PIECE_BYTES, WebRoom, said_in
from lan_chat.server.web import Answer as WebAnswer
from lan_chat.server.words import ENGLISH, ITALIAN
from protocol import EndConn, Error, Event, Join, Joined, Message, Refused, Resume, Welcome
from tests.support.peers import GREETING, BarePeer, EventPeer, LinePeer, Peer, drain
from tests.support.servers import SPEAK_S, have_patience, held, is_away, lose, start
from tests.support.servers import limits as usual_limits
from tests.support.waiting import DEADLINE_S, wait_until
from tests.support.web_guests import Answer, Guest, ask, ask_raw, come_in, request_bytes, token_for

NEVER = {"Lan-Chat-Token": token_for("Nobody")}
SAY = b'{"type":"say","text":"ciao","nonce":0}'


def limits(**given: object) -> Options:
    return usual_limits(**{"web": True, "room": "Aula 3", "greeting_wait_s": SPEAK_S, **given})


@pytest.fixture
def room() -> Iterator[ChatServer]:
    """A server that lets browsers in."""
    server = start(limits())
    yield server
    server.stop()


def events_of(guest: Guest, count: int) -> list[Event]:
    return [guest.next_event() for _ in range(count)]


# --- what is there ----------------------------------------------------------------------------------------------------


def test_the_page_is_there_and_may_do_nothing_but_talk_to_this_server(room: ChatServer) -> None:
    answer = ask(room.port, "GET", "/?from=a%20link")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "Aula 3" in answer.text
    assert "{{" not in answer.text
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["connect-src"] == "'self'"
    nonce = policy["script-src"].removeprefix("'nonce-").removesuffix("'")
    assert f'<script nonce="{nonce}">' in answer.text
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert nonce not in ask(room.port, "GET", "/").text


def test_a_head_is_a_get_without_the_body(room: ChatServer) -> None:
    whole, head = ask(room.port, "GET", "/"), ask(room.port, "HEAD", "/")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == whole.headers["Content-Length"]
    assert ask(room.port, "HEAD", "/nothing").body == b""


def test_a_rooms_name_is_text_in_the_page() -> None:
    server = start(limits(room='<img src=x onerror="alert(1)">'))
    try:
        assert "<img" not in ask(server.port, "GET", "/").text
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("method", "target", "status", "allowed"),
    [
        ("GET", "/nothing", 404, None),
        ("GET", "/chat_client.exe", 404, None),
        ("GET", "/../chat_server.py", 404, None),
        ("POST", "/", 405, "GET, HEAD"),
        ("GET", "/say", 405, "POST"),
        ("HEAD", "/events", 405, "GET"),
        ("OPTIONS", "/say", 405, "POST"),
        ("OPTIONS", "*", 404, None),
        ("BREW", "/", 501, None),
    ],
)
def test_what_is_not_there_is_answered_as_http_has_it(
    room: ChatServer, method: str, target: str, status: int, allowed: str | None
) -> None:
    answer = ask(room.port, method, target)
    assert (answer.status, answer.headers.get("Allow")) == (status, allowed)
    assert answer.text.endswith(".\n") is (method != "HEAD")


def test_the_client_for_windows_is_given_away_whole_where_there_is_one(tmp_path: Path) -> None:
    file = tmp_path / "chat_client.exe"
    file.write_bytes(bytes(range(256)) * 4000)
    server = start(limits(client_file=file))
    try:
        answer = ask_bytes(server.port, request_bytes(server.port, "GET", "/chat_client.exe"))
        head, _, body = answer.partition(b"\r\n\r\n")
        assert body == file.read_bytes()
        assert b'Content-Disposition: attachment; filename="chat_client.exe"' in head
        assert b"Content-Length: 1024000" in head
        file.unlink()
        assert ask(server.port, "GET", "/chat_client.exe").status == 404
    finally:
        server.stop()


@pytest.mark.parametrize("ends", ["banned", "stopped"])
def test_nothing_stands_in_the_middle_of_a_download_that_ends_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    file = tmp_path / "chat_client.exe"
    file.write_bytes(bytes(range(256)) * 4000)
    has_ended, is_whole = threading.Event(), threading.Event()
    download = WebRoom._download

    def download_slowly(self: WebRoom, request: Request) -> WebAnswer:
        answer = download(self, request)

        def pieces() -> Iterator[bytes]:
            yield next(answer.pieces)
            yield next(answer.pieces)
            assert has_ended.wait(DEADLINE_S)
            yield from answer.pieces
            is_whole.set()

        return WebAnswer(answer.status, pieces())

    monkeypatch.setattr(WebRoom, "_download", download_slowly)
    server = start(limits(client_file=file))
    stop = threading.Thread(target=server.stop)
    try:
        with Peer(server.port) as peer:
            peer.send(request_bytes(server.port, "GET", "/chat_client.exe"))
            peer.expect("\r\n\r\n")
            while len(peer.received) < FILE_PIECE_BYTES:
                peer.received += peer.sock.recv(65536)
            if ends == "banned":
                server.call(lambda: server.delivery.ban("127.0.0.1"))
            else:
                close_all = Leaving.close_all

                def close_later(self: Leaving, *arguments: Any) -> None:
                    has_ended.set()
                    assert is_whole.wait(DEADLINE_S)  # the download goes on meanwhile
                    close_all(self, *arguments)

                monkeypatch.setattr(Leaving, "close_all", close_later)
                stop.start()
            has_ended.set()
            body = drain(peer)
        assert file.read_bytes().startswith(body)
    finally:
        server.stop()
        if stop.ident is not None:
            stop.join()


def ask_bytes(port: int, request: bytes) -> bytes:
    answer = b""
    with Peer(port) as peer:
        peer.send(request)
        while data := peer.sock.recv(65536):
            answer += data
    return answer


# --- who may ask ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "192.168.1.20:53000", "[::1]:53000", "[fe80::1]", "localhost:1", "LOCALHOST", "10.0.0.1"]
)
def test_an_address_is_a_name_of_this_server(room: ChatServer, host: str) -> None:
    assert ask(room.port, "GET", "/", {"Host": host}).status == 200


@pytest.mark.parametrize("suffix", ["", ".local", ".lan", ".home", ".local:53000"])
def test_this_hosts_own_name_is_one(monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "Aula-PC.scuola.example")
    server = start(limits(web_name="chat.scuola.example"))
    try:
        assert ask(server.port, "GET", "/", {"Host": f"aula-pc{suffix}"}).status == 200
        assert ask(server.port, "GET", "/", {"Host": f"chat.scuola.example{suffix[6:]}"}).status == 200
    finally:
        server.stop()


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "aula.pc.local", "", ":53000", "a b"),
        *("[::1", "127.0.0.1:x", "127.0.0.1@evil.example", "[localhost]", "2130706433.example", "127.0.0.1:1:2"),
    ],
)
def test_a_name_that_may_be_anothers_is_not(room: ChatServer, host: str) -> None:
    for method, target in (("GET", "/"), ("GET", "/events"), ("POST", "/say")):
        answer = ask(room.port, method, target, {"Host": host, "Origin": f"http://{host}", **NEVER}, SAY)
        assert answer.status == 421
        assert answer.text == f"{ITALIAN.web_wrong_host}\n"


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:{port}", "http://127.0.0.1", ""])
def test_a_page_of_another_origin_can_neither_say_nor_hear_anything(room: ChatServer, origin: str) -> None:
    foreign = {"Origin": origin.format(port=room.port)}
    with come_in(room.port, "Ada") as ada:
        assert ada.post("/say", SAY, Origin=foreign["Origin"]).status == 403
        assert ada.post("/leave", Origin=foreign["Origin"]).status == 403
        answer = ask(room.port, "GET", "/events", {**foreign, "Lan-Chat-Token": ada.token, "Lan-Chat-Name": "Eva"})
        assert answer.status == 403
        ada.say("sono sempre qui")
        assert isinstance(ada.next_event(), Message)


def test_a_post_needs_its_origin_and_a_header_that_a_form_cannot_send(room: ChatServer) -> None:
    with come_in(room.port, "Ada") as ada:
        assert ada.post("/say", SAY, Origin=None).status == 403
        assert ada.post("/say", SAY, **{"Lan-Chat-Token": None}).status == 403
        assert ada.post("/say", SAY, **{"Lan-Chat-Token": "short"}).status == 403
        assert ask(room.port, "GET", "/events", {"Lan-Chat-Name": "Eva"}).status == 403
        assert ada.post("/say", SAY).status == 204


# --- a guest is a member ----------------------------------------------------------------------------------------------


def test_a_guest_and_all_others_hear_the_same_in_the_same_order(room: ChatServer) -> None:
    with (
        LinePeer(room.port, "Lia") as lia,
        come_in(room.port, "Zoé") as zoe,
        EventPeer(room.port, "Eva") as eva,
        BarePeer(room.port, "Ugo"),
    ):
        assert zoe.welcome is not None
        assert (zoe.welcome.name, zoe.welcome.title, zoe.welcome.web) == ("Zoé", "Aula 3", True)
        assert set(zoe.welcome.names) == {"Lia", "Zoé"}
        assert zoe.say("uno\ndue <b>").status == 204
        lia.say("tre")
        eva.say("quattro")
        assert zoe.say("fine").status == 204
        heard = zoe.events_until("fine")
        assert heard[2:] == eva.events_until("fine")[1:]  # she came before Ugo
        assert [event.name for event in heard[:2] if isinstance(event, Joined)] == ["Eva", "Ugo"]
        said = [event for event in heard if isinstance(event, Message) and event.name == "Zoé"]
        assert [(event.text, event.nonce) for event in said] == [("uno\ndue <b>", 0), ("fine", 1)]
        assert "Zoé: uno\nZoé: due <b>\n" in lia.expect("Zoé: fine\n")


def test_the_operator_sees_who_came_by_browser(room: ChatServer) -> None:
    with come_in(room.port, "Zoé"):
        assert "  web  " in Operator(room, ENGLISH).answer("who")


@pytest.mark.parametrize(
    ("name", "reason"), [("lia", "taken"), ("a:b", "invalid"), ("", "invalid"), ("x" * 40, "invalid"), ("%", "invalid")]
)
def test_a_name_that_is_refused_ends_the_stream_and_another_is_welcome(
    room: ChatServer, name: str, reason: str
) -> None:
    with LinePeer(room.port, "Lia"), Guest(room.port, Join(name or " ", token_for("Zoe"))) as guest:
        guest.begin()
        if name == "%":  # a name as any other, once it is written as it has to be
            assert isinstance(guest.next_event(), Welcome)
            return
        assert guest.next_event() == Refused(reason)
        assert guest.expect_end() == ""
        with come_in(room.port, "Zoe"):
            pass


def test_what_is_said_again_with_its_nonce_is_said_once(room: ChatServer) -> None:
    with come_in(room.port, "Zoe") as zoe:
        for _ in range(3):
            assert zoe.say("una volta", nonce=0).status == 204
        assert zoe.say("fine", nonce=1).status == 204
        assert [event.text for event in zoe.events_until("fine") if isinstance(event, Message)] == ["una volta", "fine"]


def test_what_is_refused_is_told_on_the_stream_with_its_nonce(room: ChatServer) -> None:
    with come_in(room.port, "Zoe") as zoe:
        assert zoe.say("x" * 16385, nonce=0).status == 204
        assert zoe.next_event() == Error("too long", protocol.MAX_MESSAGE_BYTES, 0)
        Operator(room, ITALIAN).answer("mute Zoe")
        assert zoe.next_event() == protocol.Notice("muted")
        assert zoe.say("posso?", nonce=1).status == 204
        assert zoe.next_event() == Error("muted", nonce=1)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"ciao", b"{}", b"[]", b"{quit}", b'{"type":"say","text":"x"}', b'{"type":"say","text":"x","nonce":-1}'),
        *(b'{"type":"join","name":"Bob"}', SAY + b"\n" + SAY, b'{"type":"say","text":\n"x","nonce":0}', b"\xff", b"["),
        *(b"[" * 90_000, b'{"type":"hello","version":1,"language":"it"}', b"\0"),
    ],
)
def test_what_is_no_message_is_refused_and_changes_nothing(room: ChatServer, body: bytes) -> None:
    with come_in(room.port, "Zoe") as zoe:
        assert zoe.post("/say", body).status == 400
        zoe.say("ancora qui")
        assert isinstance(zoe.next_event(), Message)


def test_a_body_that_no_message_has_is_refused_before_it_is_read(room: ChatServer) -> None:
    with come_in(room.port, "Zoe") as zoe, Peer(room.port) as peer:
        request = request_bytes(room.port, "POST", "/say", {"Lan-Chat-Token": zoe.token, "Content-Length": "200000"})
        peer.send(request)
        assert Answer(peer.expect_end().encode()).status == 413


def test_who_leaves_has_left(room: ChatServer) -> None:
    with LinePeer(room.port, "Lia") as lia, come_in(room.port, "Zoe") as zoe:
        assert zoe.post("/leave").status == 204
        assert lia.expect("Chat.\n").endswith("Zoe ha abbandonato la Chat.\n")
        assert zoe.expect_end() == ""
        assert zoe.say("ancora?").status == 409


def test_who_leaves_while_its_stream_is_broken_has_left(room: ChatServer) -> None:
    with LinePeer(room.port, "Lia") as lia:
        zoe = come_in(room.port, "Zoe")
        lose(room, zoe, "Zoe")
        assert zoe.post("/leave").status == 204
        assert lia.expect("Chat.\n").endswith("Zoe ha abbandonato la Chat.\n")
        assert zoe.post("/leave").status == 409


def test_who_leaves_just_as_a_new_stream_takes_over_has_left(room: ChatServer) -> None:
    statuses: list[int] = []
    with LinePeer(room.port, "Lia") as lia, come_in(room.port, "Zoe") as zoe:
        leaver = threading.Thread(target=lambda: statuses.append(zoe.post("/leave").status))
        with held(room) as waiting, Guest(room.port, Resume(zoe.token, 0)):
            waiting.expect_mail(Resume)
            waiting.start_call(leaver)
        leaver.join()
        assert statuses == [204]
        assert lia.expect("Chat.\n").endswith("Zoe ha abbandonato la Chat.\n")


def test_what_a_guest_that_was_too_fast_said_before_it_left_is_said() -> None:
    server = start(limits(rate=40.0))
    statuses: list[int] = []
    last = "y" * 16000
    talker = threading.Thread(target=lambda: statuses.append(zoe.say(last).status))
    try:
        with LinePeer(server.port, "Lia") as lia, come_in(server.port, "Zoe") as zoe:
            for _ in range(6):
                zoe.say("x" * 16000)
            talker.start()
            wait_until(lambda: any(connection.slowed_until > 0 for connection in server.room.connections()))
            assert zoe.post("/leave").status == 204
            talker.join()
            assert statuses == [204]
            assert f"Zoe: {last}\n" in lia.expect("Zoe ha abbandonato la Chat.\n")
    finally:
        server.stop()


def test_who_has_no_stream_says_nothing(room: ChatServer) -> None:
    answer = ask(room.port, "POST", "/say", NEVER, SAY)
    assert (answer.status, answer.text) == (409, f"{ITALIAN.web_no_stream}\n")


def test_a_guest_that_talks_too_fast_waits_and_loses_nothing() -> None:
    server = start(limits(rate=200.0))
    try:
        with come_in(server.port, "Zoe") as zoe:
            for number in range(130):
                assert zoe.say(str(number)).status == 204
            heard = [event.text for event in zoe.events_until("129") if isinstance(event, Message)]
            assert heard == [str(number) for number in range(130)]
    finally:
        server.stop()


# --- the link breaks --------------------------------------------------------------------------------------------------


def test_a_guest_that_comes_back_hears_exactly_what_it_missed(room: ChatServer) -> None:
    with LinePeer(room.port, "Lia") as lia:
        zoe = come_in(room.port, "Zoe")
        zoe.say("prima")
        last = zoe.events_until("prima")[-1]
        assert isinstance(last, Message)
        assert zoe.welcome is not None
        lose(room, zoe, "Zoe")
        lia.say("durante")
        lia.expect("Lia: durante\n")
        with Guest(room.port, Resume(zoe.token, last.id, zoe.welcome.room)) as back:
            back.begin()
            welcome = back.next_event()
            assert isinstance(welcome, Welcome)
            assert (welcome.name, welcome.nonce, welcome.missing) == ("Zoe", 0, 0)
            missed = back.next_event()
            assert isinstance(missed, Message)
            assert (missed.text, missed.id) == ("durante", last.id + 1)
            assert back.say("dopo", nonce=1).status == 204
            assert isinstance(back.next_event(), Message)
        assert "Zoe ha abbandonato" not in lia.expect("Zoe: dopo\n")


@pytest.mark.parametrize("is_known_to_be_away", [True, False])
def test_who_comes_back_as_another_has_left_as_the_first_though_no_goodbye_has_come(
    room: ChatServer, is_known_to_be_away: bool
) -> None:
    with LinePeer(room.port, "Lia") as lia, come_in(room.port, "Zoe") as zoe:
        assert zoe.welcome is not None
        if is_known_to_be_away:
            lose(room, zoe, "Zoe")
        lia.say("intanto")
        with Guest(room.port, Join("Ada", zoe.token, zoe.welcome.last + 1, zoe.welcome.room)) as ada:
            ada.begin()
            welcome = ada.next_event()
            assert isinstance(welcome, Welcome)
            assert (welcome.name, welcome.token, welcome.names) == ("Ada", zoe.token, ("Lia", "Ada"))
            assert "intanto" in [getattr(event, "text", "") for event in ada.events_until("intanto")]
            lia.expect("Zoe ha abbandonato la Chat.\nAda si è unito alla chat!\n")
            ada.say("sono Ada")
            ada.events_until("sono Ada")
            lose(room, ada, "Ada")
        with Guest(room.port, Resume(zoe.token, 0)) as ada:
            ada.begin()
            welcome = ada.next_event()
            assert isinstance(welcome, Welcome)
            assert welcome.name == "Ada"


def test_a_token_that_is_not_known_is_refused(room: ChatServer) -> None:
    with Guest(room.port, Resume(token_for("Zoe"), 7)) as guest:
        guest.begin()
        assert guest.next_event() == Refused("unknown token")
        assert guest.expect_end() == ""


def test_a_stream_that_another_one_supersedes_is_told_so(room: ChatServer) -> None:
    with come_in(room.port, "Zoe") as old, Guest(room.port, Resume(token_for("Zoe"), 1)) as new:
        new.begin()
        assert isinstance(new.next_event(), Welcome)
        assert old.next_event() == Error("superseded")
        assert old.expect_end() == ""
        assert old.say("per la stessa", nonce=0).status == 204  # the guest, whichever of its tabs says it
        assert isinstance(new.next_event(), Message)


def test_a_guest_may_be_away_for_longer_than_others() -> None:
    server = start(limits(grace_s=0.05, grace_web_s=600.0))
    try:
        with LinePeer(server.port, "Lia") as lia:
            zoe, eva = come_in(server.port, "Zoe"), EventPeer(server.port, "Eva")
            lose(server, zoe, "Zoe")
            eva.close()
            assert "Zoe ha abbandonato" not in lia.expect("Eva ha abbandonato la Chat.\n")
            assert is_away(server, "Zoe")
            assert "away" in Operator(server, ENGLISH).answer("who")
    finally:
        server.stop()


def test_a_stream_on_which_nothing_is_said_has_a_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeats, "HEARTBEAT_S", 0.02)
    server = start(limits())
    try:
        with come_in(server.port, "Zoe") as zoe, come_in(server.port, "Eva") as eva:
            for guest in (zoe, eva, zoe):
                assert guest.expect(":\n\n").endswith(":\n\n")
            eva.close()
            zoe.say("viva")
            assert isinstance(zoe.events_until("viva")[-1], Message)
    finally:
        server.stop()


def test_who_is_kicked_is_told_why(room: ChatServer) -> None:
    with come_in(room.port, "Zoe") as zoe:
        Operator(room, ITALIAN).answer("kick Zoe basta")
        assert events_of(zoe, 2) == [Error("kicked", detail="basta"), EndConn()]
        assert zoe.expect_end() == ""
        with Guest(room.port, Resume(zoe.token, 1)) as back:
            back.begin()
            assert back.next_event() == Error("kicked", detail="basta")


def test_the_servers_end_is_told(room: ChatServer) -> None:
    with come_in(room.port, "Zoe") as zoe:
        room.stop()
        assert zoe.next_event() == EndConn()
        assert zoe.expect_end() == ""


# --- what a browser is not -------------------------------------------------------------------------------------------


def test_a_spare_connection_that_was_greeted_carries_nothing_out(room: ChatServer) -> None:
    with come_in(room.port, "Zoe") as zoe, Peer(room.port) as spare:
        spare.expect(GREETING)
        spare.send(request_bytes(room.port, "POST", "/say", {"Lan-Chat-Token": zoe.token}, SAY))
        assert spare.expect_end() == ""
        zoe.say("di nuovo", nonce=0)
        message = zoe.next_event()
        assert isinstance(message, Message)
        assert message.text == "di nuovo"


def hold_two_spares(monkeypatch: pytest.MonkeyPatch) -> threading.Barrier:
    """Return where two silent connections meet the test before the server looks for a load beside them, and again.

    Whatever is loaded between the two is beside them, however late.
    """
    barrier, take = threading.Barrier(3, timeout=DEADLINE_S), Spares.take

    def take_late(self: Spares, host: str, accepted_at: float) -> bool:
        barrier.wait()
        barrier.wait()
        return take(self, host, accepted_at)

    monkeypatch.setattr(spares, "LOAD_S", 3 * DEADLINE_S)
    monkeypatch.setattr(Spares, "take", take_late)
    return barrier


def test_connections_that_a_browser_opens_as_it_loads_a_page_are_not_greeted_and_load_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spares_wait = hold_two_spares(monkeypatch)
    server = start(limits())
    try:
        with Peer(server.port) as first, Peer(server.port) as second:
            spares_wait.wait()
            have_patience(server)
            assert ask(server.port, "GET", "/").status == 200
            spares_wait.wait()
            load_the_next(server, first, second)
    finally:
        server.stop()


def load_the_next(server: ChatServer, *opened_beside: Peer) -> None:
    """Wait until these were taken for what a browser has opened beside a load, and load a page over each."""
    web = server._web
    assert web is not None
    wait_until(lambda: web.spares._loads.get("127.0.0.1") == [])
    for peer in opened_beside:
        peer.send(request_bytes(server.port, "GET", "/nothing"))
        assert Answer(peer.expect_end().encode()).status == 404


def test_who_connects_a_little_before_or_after_a_page_is_loaded_is_greeted() -> None:
    seen = Spares()
    seen.note_load("10.0.0.9", now=100.0)
    assert not seen.take("10.0.0.9", 99.8)
    assert not seen.take("10.0.0.9", 100.2)
    assert not seen.take("10.0.0.8", 100.0)
    assert [seen.take("10.0.0.9", 100.0 + later) for later in (-0.05, 0.05, 0.0)] == [True, True, False]
    for number in range(1000):
        seen.note_load(f"10.0.{number % 250}.1", now=200.0 + number)
        seen.note_load("10.0.0.9", now=200.0 + number)
    assert len(seen._loads) <= 2 + LOAD_KEPT_S
    assert len(seen._allowances) <= 2 + LOAD_BURST / LOAD_RATE


def test_an_address_that_loads_the_page_in_a_loop_keeps_nobody_from_the_greeting() -> None:
    seen = Spares()
    for number in range(1000):
        seen.note_load("10.0.0.9", now=100.0 + number / 100)
    assert not any(seen.take("10.0.0.9", 105.0 + number / 100) for number in range(400))
    seen.note_load("10.0.0.9", now=200.0)  # a person, a while later
    assert seen.take("10.0.0.9", 200.0)


def test_a_load_is_remembered_until_its_spare_connections_are_asked_about_whoever_else_loads() -> None:
    seen = Spares()
    seen.note_load("10.0.0.9", now=100.0)
    seen.note_load("10.0.0.8", now=100.0 + 2 * Options.greeting_wait_s)
    assert seen.take("10.0.0.9", 100.0)


def test_who_tries_a_page_again_that_met_a_greeted_connection_is_not_met_by_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = start(limits())
    try:
        with Peer(server.port) as greeted:
            greeted.expect(GREETING)
            spares_wait = hold_two_spares(monkeypatch)
            with Peer(server.port) as first, Peer(server.port) as second:
                spares_wait.wait()
                greeted.send(request_bytes(server.port, "GET", "/"))
                assert greeted.expect_end() == ""
                spares_wait.wait()
                load_the_next(server, first, second)
    finally:
        server.stop()


def test_who_connects_as_its_machine_asks_for_what_is_no_page_is_greeted(room: ChatServer) -> None:
    for target, headers in (("/nothing", {}), ("/", {"Host": "evil.example"})):
        with Peer(room.port) as silent:
            assert ask(room.port, "GET", target, headers).status in (404, 421)
            silent.expect(GREETING)


def test_the_rest_of_a_request_may_come_later(room: ChatServer) -> None:
    request = request_bytes(room.port, "GET", "/")
    for cut in (1, 3, 4, 10, len(request) - 1):
        with Peer(room.port) as peer:
            peer.send(request[:cut])
            peer.send(request[cut:])
            assert peer.expect("\r\n").startswith("HTTP/1.1 200")


def test_a_request_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch, room: ChatServer) -> None:
    monkeypatch.setattr(server_module, "REQUEST_S", 0.05)
    for data in (b"GET / HTTP/1.1\r\nHost: a", b"POST /say HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n"):
        assert ask_raw(room.port, data).status == 408


def test_what_a_guest_sends_on_its_stream_is_nothing(room: ChatServer) -> None:
    with LinePeer(room.port, "Lia") as lia, come_in(room.port, "Zoe") as zoe:
        zoe.send(b"ciao\n{quit}\nPOST /say HTTP/1.1\r\n\r\n")
        zoe.say("fine")
        assert "ciao" not in lia.expect("Zoe: fine\n")


def test_requests_are_not_in_the_operators_log_and_guests_are(
    room: ChatServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "lan_chat")
    ask(room.port, "GET", "/")
    with come_in(room.port, "Zoe") as zoe:
        zoe.say("ciao")
        zoe.post("/leave")
        wait_until(lambda: caplog.text.count("has left the server.") == 1)
    assert caplog.text.count("has connected to the server.") == 1
    wait_until(lambda: not room.room.connections())
    assert caplog.text.count("esce") == 1


def test_in_a_full_room_those_who_are_in_go_on_talking() -> None:
    server = start(limits(max_clients=2))
    try:
        with come_in(server.port, "Zoe") as zoe, LinePeer(server.port, "Lia") as lia:
            assert zoe.say("ci sono").status == 204
            lia.expect("Zoe: ci sono\n")
            assert ask(server.port, "GET", "/").status == 200
            entry = {"Lan-Chat-Token": token_for("Eva"), "Lan-Chat-Name": "Eva"}
            answer = ask(server.port, "GET", "/events", entry)
            assert (answer.status, answer.text) == (503, f"{ITALIAN.full}\n")
    finally:
        server.stop()


def test_without_the_web_a_browser_reads_what_this_is(server: ChatServer) -> None:
    with EventPeer(server.port, "Eva") as eva:
        assert eva.welcome.web is None
    have_patience(server)
    answer = ask(server.port, "GET", "/")
    assert (answer.status, answer.text) == (501, f"{ITALIAN.stranger}\n")


@pytest.mark.psk
def test_a_room_with_a_code_lets_browsers_in_where_the_operator_wants_it() -> None:
    key = key_of(parse_code(make_code()) or "")
    server = start(limits(code_key=key))
    try:
        with come_in(server.port, "Zoe") as zoe, Peer(server.port) as lines:
            zoe.say("in chiaro")
            assert isinstance(zoe.next_event(), Message)
            lines.send("Lia\n")
            assert ITALIAN.needs_code in lines.expect_end()
    finally:
        server.stop()


def test_many_things_said_at_once_are_refused_before_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    body = b"a\n" * 49_500
    monkeypatch.setattr(protocol, "_parse_event", lambda _: pytest.fail("a page says one thing at a time"))
    with pytest.raises(HttpError):
        said_in(Request("POST", "/say", HTTPMessage(), body))
