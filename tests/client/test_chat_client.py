"""The client: its session over real sockets, its window on a real display, and how it finds a server."""

from __future__ import annotations

import builtins
import contextlib
import errno
import gc
import itertools
import queue
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import chat_client
import protocol
from lan_chat.client.connect_dialog import ConnectDialog
from lan_chat.client.conversation import Conversation
from lan_chat.client.link import Link, UnreachableError
from lan_chat.client.message_input import MAX_INPUT_LINES
from lan_chat.client.session import (
    MAX_PAUSE_S,
    Disconnected,
    Gap,
    LinkBroken,
    LinkRestored,
    NotSent,
    Rejected,
    Session,
    Taken,
)
from lan_chat.client.settings import Settings
from lan_chat.client.theme import usual_font_sizes
from lan_chat.client.window import DRAIN_CHARACTERS, DRAIN_S, ChatWindow
from lan_chat.client.words import ITALIAN, LANGUAGES
from lan_chat.server.listening import open_listener
from lan_chat.server.server import ChatServer
from protocol import (
    Announcement,
    EndConn,
    Error,
    Event,
    Events,
    Greeting,
    Hello,
    Join,
    Joined,
    Left,
    Message,
    Quit,
    Refused,
    Resume,
    Say,
    Welcome,
)
from tests.support.peers import DEADLINE_S, GREETING, TOP, LinePeer, Peer, Program, Proxy, bind, reset, wait_until

try:
    import tkinter as tk
except ImportError:  # what needs it is skipped aloud, for want of a display
    tk = None  # type: ignore[assignment]

ORIGINAL_GREETING = ITALIAN.greeting
MORE_THAN_BUFFERS_HOLD = ["x" * protocol.MAX_MESSAGE_BYTES] * 512
"""Texts of 8 MiB: a played server takes in little by itself, and no system keeps so much for the sender."""
KEYS = {" ": "space", "{": "braceleft", "}": "braceright", ".": "period"}
TIME = re.compile(r"^\d\d:\d\d  ", re.MULTILINE)
"""What each piece of the conversation begins with."""
DIVIDER = re.compile(r"^—.*—\n", re.MULTILINE)
"""The lines that the window draws in between: a new day, and how far one had read."""


# --- helpers: a server whose part the test plays --------------------------------------------------------------------


class ServerPeer(Peer):
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.sock.settimeout(DEADLINE_S)
        self.received = b""

    def tell(self, *events: Event) -> None:
        self.send(b"".join(Events().encode(event) for event in events))

    def welcome(self, name: str, *others: str) -> None:
        """Let the client in that asks for this name."""
        self.expect(f'{{"type":"join","name":"{name}","token":"')
        self.token = self.expect('"}\n').removesuffix('"}\n')
        self.tell(Welcome(name, "token", (*others, name), 0), Joined(1, 0.0, name))

    def next_event(self) -> Event:
        """What the client says next."""
        (event,) = Events().feed(self.expect("\n").encode())
        return event

    def expect_resume(self, token: str, last: int) -> None:
        """Read the beginning of a link by which a member comes back."""
        assert self.next_event() == Hello(protocol.VERSION, "it")
        assert self.next_event() == Resume(token, last)

    def end(self) -> None:
        """Close as a server that stops does."""
        self.tell(EndConn())
        self.close()

    def break_off(self) -> None:
        """Close as a crash would: with a reset."""
        reset(self.sock)


class PlayedServer:
    """A server that greets whoever comes, and leaves the rest to the test."""

    def __init__(self, greeting: str | bytes = GREETING) -> None:
        self.greeting = greeting.encode() if isinstance(greeting, str) else greeting
        """What the next one is greeted with."""
        self._listener = bind()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        self.port: int = self._listener.getsockname()[1]
        self._peers: queue.SimpleQueue[ServerPeer] = queue.SimpleQueue()
        self._taken: list[ServerPeer] = []
        self._is_listening = False
        self.listen()

    def listen(self) -> None:
        """Take links, also after `stop_listening`."""
        self._is_listening = True
        self._listener.listen()
        self._thread = threading.Thread(target=self._accept, name="played server")
        self._thread.start()

    def _accept(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            if not self._is_listening:  # this is what `stop_listening` wakes us with, or somebody who came too late
                sock.close()
                break
            with contextlib.suppress(OSError):
                sock.sendall(self.greeting)
            self._peers.put(ServerPeer(sock))

    @property
    def peer(self) -> ServerPeer:
        """The first link."""
        return self._taken[0] if self._taken else self.next_peer()

    def next_peer(self) -> ServerPeer:
        """The next link that nobody has asked for yet."""
        self._taken.append(self._peers.get(timeout=DEADLINE_S))
        return self._taken[-1]

    def stop_listening(self) -> None:
        """Refuse who comes from now on."""
        if self._is_listening:
            self._is_listening = False
            with socket.create_connection(("127.0.0.1", self.port), DEADLINE_S):
                self._thread.join()
            self._listener.close()
            self._listener = bind(self.port)

    def close(self) -> None:
        self.stop_listening()
        self._listener.close()
        with contextlib.suppress(queue.Empty):
            while True:
                self._taken.append(self._peers.get_nowait())
        for peer in self._taken:
            peer.close()


Play = Callable[..., PlayedServer]


@pytest.fixture
def play() -> Iterator[Play]:
    """Make servers that the test plays; the greeting is ours if it says nothing else."""
    with contextlib.ExitStack() as stack:

        def play(greeting: str | bytes = GREETING) -> PlayedServer:
            return stack.enter_context(contextlib.closing(PlayedServer(greeting)))

        yield play


@pytest.fixture
def nobody_port() -> Iterator[int]:
    """A port that nobody listens on, and nobody else can take."""
    with bind() as sock:
        yield sock.getsockname()[1]


# --- helpers: a session ---------------------------------------------------------------------------------------------


Meet = Callable[..., Session]


@pytest.fixture
def meet() -> Iterator[Meet]:
    """Open sessions with servers."""
    with contextlib.ExitStack() as stack:

        def meet(server: ChatServer | PlayedServer, language: str = "it") -> Session:
            session = Session("127.0.0.1", server.port, language)
            stack.callback(session.close)
            if isinstance(server, PlayedServer):
                stack.callback(server.close)  # first, or the session would wait for its answer to `{quit}`
            session.connect()
            session.start()
            return session

        yield meet


def next_event(session: Session) -> Event:
    return session.events.get(timeout=DEADLINE_S)


def events_until(session: Session, kind: type[Event]) -> list[Event]:
    """All events up to one of this kind, that included."""
    events = [next_event(session)]
    while not isinstance(events[-1], kind):
        events.append(next_event(session))
    return events


def why_not(port: int, host: str = "127.0.0.1") -> str:
    """Why there is no chat at this address."""
    session = Session(host, port)
    with pytest.raises(UnreachableError) as caught:
        session.connect()
    session.close()
    return str(caught.value)


# --- helpers: a window ----------------------------------------------------------------------------------------------


class Seat:
    """Somebody in front of a window: what they see, and what they do with keys and buttons."""

    def __init__(self, server: ChatServer | PlayedServer | Proxy, name: str = "", language: str = "it") -> None:
        self.server = server
        self.event_ids = itertools.count(2)
        self.session = Session("127.0.0.1", server.port, language)
        self.session.connect()
        self.root = tk.Tk()
        self.window = ChatWindow(self.root, self.session, Settings(language=language), name)
        self.session.start()
        self.root.update()

    @property
    def is_open(self) -> bool:
        try:
            return bool(self.root.winfo_exists())
        except tk.TclError:
            return False

    @property
    def text(self) -> tk.Text:
        """Where the conversation stands."""
        return self.window.conversation.text

    @property
    def shown(self) -> str:
        """What was said and told: without the times, and without what has not come back from the server."""
        return TIME.sub("", DIVIDER.sub("", self.text.get("1.0", "pending"))).removesuffix("\n")

    @property
    def tail(self) -> str:
        """What stands below that: what is on its way, or was never accepted."""
        return TIME.sub("", self.text.get("pending", "end-1c")).removesuffix("\n")

    @property
    def draft(self) -> str:
        """What stands in the box."""
        return self.window.message_input.draft

    @property
    def people(self) -> list[str]:
        return list(self.window.people.list.get(0, "end"))

    @property
    def is_at_end(self) -> bool:
        """Whether the last line is in sight, as a whole."""
        line = self.text.dlineinfo("end-2c")
        return line is not None and line[1] + line[3] <= self.text.winfo_height()

    def tell(self) -> str:
        """The whole window, for a test that gives up."""
        if not self.is_open:
            return "a closed window"
        title = self.window.people.title["text"]
        return f"{self.shown}\n[tail] {self.tail!r} [box] {self.draft!r} [people] {title!r} {self.people}"

    def wait(self, condition: Callable[[], object]) -> None:
        """Run this window until something has come true."""

        def run_and_look() -> object:
            if self.is_open:
                self.root.update()
            return condition()

        wait_until(run_and_look, self.tell)

    def see(self, text: str) -> None:
        """Wait until a text stands above."""
        self.wait(lambda: text in self.shown)

    def press(self, *keysyms: str) -> None:
        """Press keys in the box."""
        for keysym in keysyms:
            self.window.message_input.text.focus_force()
            self.root.update()
            modifiers, _, key = keysym.rpartition("-")
            self.window.message_input.text.event_generate(f"<{modifiers}{'-' * bool(modifiers)}KeyPress>", keysym=key)
            if self.is_open:
                self.root.update()

    def type(self, text: str) -> None:
        """Type a text letter by letter."""
        self.press(*(KEYS.get(letter, letter) for letter in text))

    def enter(self, text: str) -> None:
        """Type a text, and Return."""
        self.type(text)
        self.press("Return")

    def paste(self, text: str) -> None:
        """Put a text into the box that no keyboard of the tests has letters for."""
        self.window.message_input.text.insert("insert", text)
        self.root.update()

    def click(self, widget: tk.Misc) -> None:
        for event in ("<Enter>", "<ButtonPress-1>", "<ButtonRelease-1>"):
            widget.event_generate(event, x=5, y=5)
        if self.is_open:
            self.root.update()

    def resize(self, geometry: str) -> None:
        self.root.geometry(geometry)
        self.wait(lambda: f"{self.root.winfo_width()}x{self.root.winfo_height()}" == geometry)

    def close_window(self) -> None:
        """Click on the X of the window, as a window manager tells it."""
        self.root.tk.call(self.root.protocol("WM_DELETE_WINDOW"))


Sit = Callable[..., Seat]


@pytest.fixture
def sit(display: None) -> Iterator[Sit]:
    """Open windows; with `join`, somebody of that name has come in already."""
    seats: list[Seat] = []

    def sit(server: ChatServer | PlayedServer, join: str = "", **options: str) -> Seat:
        seat = Seat(server, **options)
        seats.append(seat)
        if join:
            seat.enter(join)
            if isinstance(server, PlayedServer):
                server.peer.welcome(join)
            seat.see(f"{join} si è unito alla chat!")
        return seat

    yield sit
    for seat in seats:
        if isinstance(seat.server, PlayedServer):
            seat.server.close()
        if seat.is_open:
            seat.close_window()
        seat.session.close()


def message(number: int, text: str, name: str = "Bob", nonce: int | None = None) -> Message:
    return Message(number, 0.0, name, text, nonce)


# --- the session: what answers there --------------------------------------------------------------------------------


def test_our_server_is_recognised_by_its_mark(server: ChatServer, meet: Meet) -> None:
    session = meet(server)
    assert not session.is_bare
    assert next_event(session) == Greeting()


def test_a_greeting_without_the_mark_is_an_originals(play: Play, meet: Meet) -> None:
    session = meet(play(ORIGINAL_GREETING))
    assert session.is_bare
    assert next_event(session) == Say(ORIGINAL_GREETING)


@pytest.mark.parametrize(("greeting", "is_bare"), [(GREETING, False), (ORIGINAL_GREETING, True)], ids=["ours", "bare"])
def test_a_greeting_cut_into_bytes_is_recognised(
    play: Play, meet: Meet, monkeypatch: pytest.MonkeyPatch, greeting: str, is_bare: bool
) -> None:
    monkeypatch.setattr("lan_chat.client.link.RECV_BYTES", 1)
    assert meet(play(greeting)).is_bare == is_bare


def test_what_an_original_server_says_right_after_its_greeting_is_not_lost(play: Play, meet: Meet) -> None:
    session = meet(play(f"{ORIGINAL_GREETING}Bob: ciao"))
    assert session.is_bare
    assert next_event(session) == Say(f"{ORIGINAL_GREETING}Bob: ciao")


@pytest.mark.parametrize("banner", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\x00\x00\x00\x12", b"\xff\xfb\x01"])
def test_what_is_no_chat_is_named_so(play: Play, banner: bytes) -> None:
    server = play(banner)
    assert why_not(server.port) == ITALIAN.unreachable_stranger.format(host="127.0.0.1", port=server.port)


def test_a_server_that_never_greets_is_no_chat(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lan_chat.client.link.CONNECT_S", 0.05)
    assert "non è una chat" in why_not(play("").port)


def test_a_server_that_breaks_off_before_it_greets_is_a_network_failure(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = play("")
    session = Session("127.0.0.1", server.port)
    monkeypatch.setattr(Link, "_open", lambda _: open_and(server))
    with pytest.raises(UnreachableError, match="non riuscita"):
        session.connect()


def open_and(server: PlayedServer) -> socket.socket:
    """Connect to a server, and have it break off at once."""
    sock = socket.create_connection(("127.0.0.1", server.port), DEADLINE_S)
    server.peer.break_off()
    return sock


def test_a_port_where_nobody_listens_is_named_so(nobody_port: int) -> None:
    assert why_not(nobody_port) == ITALIAN.unreachable_refused.format(host="127.0.0.1", port=nobody_port)


@pytest.mark.parametrize("host", ["a..b", "a" * 64, "\udcff", "a\0b"])
def test_what_can_be_no_host_is_named_so(host: str) -> None:
    assert why_not(53000, host) == ITALIAN.unreachable_unknown.format(host=host)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), ITALIAN.unreachable_unknown),
        (TimeoutError("timed out"), ITALIAN.unreachable_silent),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), ITALIAN.unreachable_network),
    ],
)
def test_each_failure_to_connect_has_its_sentence(
    monkeypatch: pytest.MonkeyPatch, error: OSError, sentence: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(socket, "create_connection", fail)
    assert why_not(53000, "pc-di-ada") == sentence.format(host="pc-di-ada", port=53000, error=error)


def test_a_full_server_is_named_so() -> None:
    server = ChatServer(open_listener("127.0.0.1", 0), max_clients=1)
    server.start()
    try:
        with LinePeer(server.port, "Ada"):
            assert why_not(server.port) == ITALIAN.full
    finally:
        server.stop()


# --- the session: talking -------------------------------------------------------------------------------------------


def test_a_name_is_asked_for_and_given(server: ChatServer, meet: Meet) -> None:
    session = meet(server)
    with LinePeer(server.port, "Ada"):
        session.join("ada")
        assert events_until(session, Refused)[-1] == Refused("taken")
        session.join("Bea")
        welcome, joined = events_until(session, Joined)[-2:]
        assert isinstance(welcome, Welcome)
        assert isinstance(joined, Joined)
        assert (welcome.name, welcome.names, joined.name) == ("Bea", ("Ada", "Bea"), "Bea")


def test_what_one_says_comes_back_and_is_confirmed(server: ChatServer, meet: Meet) -> None:
    session = meet(server)
    session.join("Ada")
    assert session.say("uno") == 1
    assert session.say("due") == 2
    assert [getattr(event, "text", "") for event in events_until(session, Message)][-1] == "uno"
    assert [getattr(event, "text", "") for event in events_until(session, Message)][-1] == "due"
    session.close()
    assert next_event(session) == Disconnected(())


def test_what_was_said_before_a_name_was_chosen_is_said_once_one_is_in(server: ChatServer, meet: Meet) -> None:
    session = meet(server)
    session.say("ciao")
    session.join("Ada")
    message = events_until(session, Message)[-1]
    assert isinstance(message, Message)
    assert (message.name, message.text, message.nonce) == ("Ada", "ciao", 1)


def test_a_banned_address_is_told_so_and_tries_no_more(play: Play, meet: Meet) -> None:
    for words in LANGUAGES.values():
        assert why_not(play(words.banned).port) == ITALIAN.banned
    server, session = come_in(play, meet)
    server.greeting = ITALIAN.banned.encode()
    server.peer.break_off()
    last_words = [Error("banned"), EndConn(), Disconnected(())]
    assert events_until(session, Disconnected) == [LinkBroken(0.0), *last_words]


def test_a_text_that_is_too_long_is_rejected_with_its_text(server: ChatServer, meet: Meet) -> None:
    session = meet(server)
    session.join("Ada")
    session.say("x" * 20_000)
    assert events_until(session, Rejected)[-1] == Rejected("x" * 20_000, Error("too long", 16384, 1))


def test_an_error_about_nothing_that_was_said_stays_an_error(play: Play, meet: Meet) -> None:
    server = play()
    session = meet(server)
    server.peer.tell(Error("too long", 16384, 7), Error("malformed"))
    assert [next_event(session) for _ in range(3)] == [Greeting(), Error("too long", 16384, 7), Error("malformed")]


def test_disconnected_comes_once_with_what_was_not_confirmed(play: Play, meet: Meet) -> None:
    server = play()
    session = meet(server)
    session.join("Ada")
    server.peer.welcome("Ada")
    for text in ("uno", "due", "tre"):
        session.say(text)
    server.peer.expect("tre")
    server.peer.tell(message(2, "of another", "Bob", nonce=3), message(3, "due", "Ada", nonce=2))
    server.peer.end()
    assert events_until(session, Disconnected)[-1] == Disconnected(("uno", "tre"))
    session.close()
    assert session.events.empty()


def test_nothing_can_be_said_when_the_connection_is_over(play: Play, meet: Meet) -> None:
    server = play()
    session = meet(server)
    server.peer.end()
    events_until(session, Disconnected)
    assert session.say("ciao") is None


def test_end_conn_of_our_server_is_told_before_the_end(server: ChatServer, meet: Meet) -> None:
    session = meet(server)
    session.join("Ada")
    events_until(session, Joined)
    server.stop()
    assert events_until(session, Disconnected) == [EndConn(), Disconnected(())]


def test_end_conn_of_an_original_server_is_told_before_the_end(play: Play, meet: Meet) -> None:
    server = play(ORIGINAL_GREETING)
    session = meet(server)
    server.peer.send("{end_conn}")
    server.peer.close()
    assert events_until(session, Disconnected)[1:] == [EndConn(), Disconnected(())]


def test_a_link_that_is_reset_is_broken_and_tried_again_at_once(play: Play, meet: Meet) -> None:
    server = play()
    session = meet(server)
    session.join("Ada")
    server.peer.expect("Ada")
    server.peer.break_off()
    assert events_until(session, LinkBroken) == [Greeting(), LinkBroken(0.0)]


def test_a_failure_of_our_own_in_reading_is_logged_and_ends_the_session(
    play: Play, meet: Meet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = play()
    session = meet(server)
    server.peer.expect("hello")
    assert session._link is not None
    monkeypatch.setattr(session._link._dialect, "feed", lambda _: 1 / 0)
    session.say("ciao")
    server.peer.tell(message(1, "ciao"))
    assert events_until(session, Disconnected)[-1] == Disconnected(("ciao",))
    assert "ZeroDivisionError" in caplog.text
    caplog.clear()


def test_a_socket_that_is_announced_and_has_nothing_to_read_breaks_no_link(
    play: Play, meet: Meet, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, session = come_in(play, meet)
    select_of_the_system, false_alarms = select.select, [1, 2, 3]

    def announce(readers: list[socket.socket], *rest: Any) -> Any:
        if readers and false_alarms:
            false_alarms.pop()
            return readers, [], []
        return select_of_the_system(readers, *rest)

    monkeypatch.setattr(select, "select", announce)
    server.peer.tell(message(2, "uno"), message(3, "due"))
    assert events_until(session, Message) == [message(2, "uno")]
    assert events_until(session, Message) == [message(3, "due")]
    wait_until(lambda: not false_alarms)
    server.peer.tell(message(4, "tre"))
    assert events_until(session, Message) == [message(4, "tre")]


def test_a_failure_of_our_own_in_writing_is_logged_and_breaks_the_link(
    play: Play, meet: Meet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = play()
    session = meet(server)
    server.peer.expect("hello")
    assert session._link is not None
    monkeypatch.setattr(session._link._dialect, "encode", lambda _: 1 / 0)
    session.join("Ada")
    events_until(session, LinkBroken)
    assert "ZeroDivisionError" in caplog.text
    caplog.clear()


# --- the session: a link that breaks --------------------------------------------------------------------------------

NOTHING_SAID = Disconnected(())


def come_in(play: Play, meet: Meet) -> tuple[PlayedServer, Session]:
    """A member of a played room, whose last event has the `id` 1."""
    server = play()
    session = meet(server)
    session.join("Ada")
    server.peer.welcome("Ada")
    events_until(session, Joined)
    return server, session


def pull(server: PlayedServer, session: Session) -> None:
    """Break the link, and let no other one be made, until `put_back`."""
    server.stop_listening()
    server.peer.break_off()
    events_until(session, LinkBroken)


def put_back(server: PlayedServer, session: Session) -> ServerPeer:
    """Let the session come back, and give the server's end of its new link."""
    server.listen()
    session.retry()
    return server.next_peer()


def without_breaks(events: list[Event]) -> list[Event]:
    """Leave out how often a link was tried."""
    return [event for event in events if not isinstance(event, LinkBroken)]


def back_in(last: int, nonce: int | None = None, room: str | None = None) -> Welcome:
    return Welcome("Ada", "token", ("Ada", "Bob"), last, nonce, room)


@pytest.fixture
def long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses that only `retry` can end within a test."""
    monkeypatch.setattr(random, "uniform", lambda *_: 1000.0)


def test_the_second_link_begins_with_the_proposed_token_and_the_last_event_seen(play: Play, meet: Meet) -> None:
    server, session = come_in(play, meet)
    server.peer.tell(message(2, "uno"), message(3, "due"))
    events_until(session, Message), events_until(session, Message)
    server.peer.break_off()
    link = server.next_peer()
    assert link.expect("\n") == '{"type":"hello","version":1,"language":"it"}\n'
    assert link.expect("\n") == f'{{"type":"resume","token":"{server.peer.token}","last":3}}\n'
    link.tell(back_in(4), message(4, "tre"))
    assert events_until(session, Message) == [LinkBroken(0.0), LinkRestored(("Ada", "Bob")), message(4, "tre")]


def test_only_what_the_server_has_not_taken_is_said_again_under_the_same_nonce(
    play: Play, meet: Meet, long_pauses: None
) -> None:
    server, session = come_in(play, meet)
    for text in ("uno", "due", "tre"):
        session.say(text)
    server.peer.expect("tre")
    pull(server, session)
    assert session.say("quattro") == 4
    link = put_back(server, session)
    link.expect_resume(server.peer.token, 1)
    link.tell(back_in(3, nonce=2), message(2, "uno", "Ada", 1), message(3, "due", "Ada", 2))
    assert [link.next_event(), link.next_event()] == [Say("tre", 3), Say("quattro", 4)]
    session.say("cinque")
    assert link.next_event() == Say("cinque", 5)
    link.tell(*(message(1 + nonce, "x", "Ada", nonce) for nonce in (3, 4, 5)))
    link.end()
    events = without_breaks(events_until(session, Disconnected))
    assert [type(event) for event in events] == [LinkRestored, *[Message] * 5, EndConn, Disconnected]
    assert events[-1] == NOTHING_SAID


def test_where_the_server_took_nothing_all_is_said_again(play: Play, meet: Meet) -> None:
    server, session = come_in(play, meet)
    session.say("uno")
    server.peer.expect("uno")
    server.peer.break_off()
    link = server.next_peer()
    link.expect_resume(server.peer.token, 1)
    link.tell(back_in(1))
    assert link.next_event() == Say("uno", 1)


def test_what_the_server_dealt_with_and_did_not_bring_was_not_sent(play: Play, meet: Meet) -> None:
    """It had answered with an `Error`, which was lost with the link."""
    server, session = come_in(play, meet)
    session.say("uno")
    session.say("due")
    server.peer.expect("due")
    server.peer.break_off()
    link = server.next_peer()
    link.expect_resume(server.peer.token, 1)
    link.tell(back_in(2, nonce=2), message(2, "due", "Ada", 2))
    assert events_until(session, NotSent)[-2:] == [message(2, "due", "Ada", 2), NotSent(1, "uno")]


def test_what_the_server_dealt_with_and_was_all_that_happened_was_not_sent(play: Play, meet: Meet) -> None:
    server, session = come_in(play, meet)
    session.say("uno")
    server.peer.expect("uno")
    server.peer.break_off()
    link = server.next_peer()
    link.expect_resume(server.peer.token, 1)
    link.tell(back_in(1, nonce=1))
    assert events_until(session, NotSent)[-1] == NotSent(1, "uno")


def test_a_gap_is_counted_and_what_may_be_in_it_counts_as_taken(play: Play, meet: Meet) -> None:
    server, session = come_in(play, meet)
    session.say("uno")
    session.say("due")
    server.peer.expect("due")
    server.peer.break_off()
    link = server.next_peer()
    link.expect_resume(server.peer.token, 1)
    link.tell(back_in(10, nonce=2), message(8, "otto"), message(9, "due", "Ada", 2), message(10, "dieci"))
    events = events_until(session, Taken)
    assert events[2:] == [
        Gap(6),
        message(8, "otto"),
        message(9, "due", "Ada", 2),
        message(10, "dieci"),
        Taken(1),
    ]


def test_what_was_seen_before_is_not_told_again(play: Play, meet: Meet) -> None:
    server, session = come_in(play, meet)
    server.peer.tell(message(2, "due"), message(2, "due"), message(3, "tre"))
    assert events_until(session, Message) + events_until(session, Message) == [message(2, "due"), message(3, "tre")]
    server.peer.break_off()
    link = server.next_peer()
    link.expect_resume(server.peer.token, 3)
    link.tell(back_in(4), *(message(number, "di nuovo") for number in (1, 2, 3, 4)))
    assert events_until(session, Message)[-1] == message(4, "di nuovo")


def test_what_a_newcomer_is_not_shown_is_no_gap(play: Play, meet: Meet) -> None:
    server = play()
    session = meet(server)
    session.join("Ada")
    server.peer.expect("Ada")
    said_before = (message(3, "tre"), message(7, "sette"), Joined(11, 0.0, "Ada"))
    server.peer.tell(back_in(10), *said_before)
    assert events_until(session, Joined) == [Greeting(), back_in(10), *said_before]


def test_a_server_that_does_not_know_the_token_is_joined_under_the_same_name(
    play: Play, meet: Meet, long_pauses: None
) -> None:
    server, session = come_in(play, meet)
    session.say("uno")
    session.say("due")
    server.peer.expect("due")
    pull(server, session)
    session.say("tre")
    link = put_back(server, session)
    link.expect_resume(server.peer.token, 1)
    link.tell(Refused("unknown token"))
    assert link.next_event() == Join("Ada", server.peer.token)
    link.tell(back_in(0, room="another"))
    assert link.next_event() == Say("tre", 3)  # it never went out before: there is no doubt about it
    link.tell(Joined(1, 0.0, "Ada"), message(2, "tre", "Ada", 3))
    assert without_breaks(events_until(session, Message)) == [
        back_in(0, room="another"),
        Joined(1, 0.0, "Ada"),
        NotSent(1, "uno"),
        NotSent(2, "due"),
        message(2, "tre", "Ada", 3),
    ]
    link.end()
    assert events_until(session, Disconnected)[-1] == NOTHING_SAID


def test_what_the_backlog_of_the_same_room_shows_was_sent(play: Play, meet: Meet) -> None:
    """The grace was over, but the room is the same, so that its numbers go on."""
    server = play()
    session = meet(server)
    session.join("Ada")
    server.peer.expect('"token":"')
    token = server.peer.expect('"}\n').removesuffix('"}\n')
    server.peer.tell(back_in(0, room="the same"), Joined(1, 0.0, "Ada"))
    events_until(session, Joined)
    session.say("uno")
    session.say("due")
    server.peer.expect("due")
    server.peer.break_off()
    link = server.next_peer()
    link.expect_resume(token, 1)
    link.tell(Refused("unknown token"), back_in(3, room="the same"))
    link.tell(message(2, "uno", "Ada", 1), Joined(4, 0.0, "Ada"))
    assert events_until(session, NotSent)[-3:] == [
        message(2, "uno", "Ada", 1),
        Joined(4, 0.0, "Ada"),
        NotSent(2, "due"),
    ]


@pytest.mark.parametrize("reason", ["taken", "a new reason"])
@pytest.mark.parametrize("is_known", [False, True])
def test_who_is_not_let_in_again_may_choose_another_name(play: Play, meet: Meet, reason: str, is_known: bool) -> None:
    server, session = come_in(play, meet)
    server.peer.break_off()
    link = server.next_peer()
    link.expect_resume(server.peer.token, 1)
    if not is_known:
        link.tell(Refused("unknown token"))
        assert link.next_event() == Join("Ada", server.peer.token)
    link.tell(Refused(reason))
    assert events_until(session, Refused) == [LinkBroken(0.0), Refused(reason)]
    session.say("ciao")
    session.join("Bea")
    assert link.next_event() == Join("Bea", server.peer.token)
    link.tell(Welcome("Bea", "token", ("Bea",), 1))
    assert link.next_event() == Say("ciao", 1)


def test_a_link_that_breaks_before_a_name_was_chosen_is_just_another_one(play: Play, meet: Meet) -> None:
    server = play()
    session = meet(server)
    server.peer.break_off()
    link = server.next_peer()
    assert events_until(session, LinkRestored) == [Greeting(), LinkBroken(0.0), LinkRestored(())]
    session.join("Ada")
    assert isinstance(link.next_event(), Hello)
    assert isinstance(link.next_event(), Join)


def test_a_name_that_is_chosen_while_the_link_is_broken_is_asked_for_when_it_is_back(
    play: Play, meet: Meet, long_pauses: None
) -> None:
    server = play()
    session = meet(server)
    pull(server, session)
    session.join("Ada")
    link = put_back(server, session)
    assert isinstance(link.next_event(), Hello)
    resume = link.next_event()
    assert isinstance(resume, Resume)
    link.tell(Refused("unknown token"))
    assert link.next_event() == Join("Ada", resume.token)
    link.tell(back_in(0))
    assert without_breaks(events_until(session, Welcome)) == [back_in(0)]


@pytest.mark.parametrize("has_come_in", [False, True])
def test_a_link_that_breaks_before_the_welcome_leads_to_it_all_the_same(
    play: Play, meet: Meet, has_come_in: bool
) -> None:
    server = play()
    session = meet(server)
    session.join("Ada")
    server.peer.expect('"token":"')
    token = server.peer.expect('"}\n').removesuffix('"}\n')
    server.peer.break_off()
    link = server.next_peer()
    link.expect_resume(token, 0)
    if not has_come_in:
        link.tell(Refused("unknown token"))
        assert link.next_event() == Join("Ada", token)
    link.tell(back_in(1), Joined(1, 0.0, "Ada"))
    assert events_until(session, Joined) == [Greeting(), LinkBroken(0.0), back_in(1), Joined(1, 0.0, "Ada")]


def test_who_leaves_before_it_is_known_again_has_said_all_before(play: Play, meet: Meet) -> None:
    server, session = come_in(play, meet)
    session.say("uno")
    assert server.peer.next_event() == Say("uno", 1)  # and nobody confirms it
    server.peer.break_off()
    link = server.next_peer()
    link.expect_resume(server.peer.token, 1)
    session.say("due")
    session.quit()
    assert [link.next_event() for _ in range(3)] == [Say("uno", 1), Say("due", 2), Quit()]


def test_who_is_in_under_a_second_name_comes_back_under_that_one(play: Play, meet: Meet) -> None:
    server = play()
    session = meet(server)
    session.join("Ada")
    session.join("Bea")  # before the answer to the first
    server.peer.expect('"token":"')
    token = server.peer.expect('"}\n').removesuffix('"}\n')
    server.peer.tell(Refused("taken"), Welcome("Bea", token, ("Bea",), 0), Joined(1, 0.0, "Bea"))
    events_until(session, Joined)
    server.peer.break_off()
    server.next_peer().expect_resume(token, 1)


def test_pauses_grow_up_to_a_limit_and_no_two_sessions_make_the_same(nobody_port: int) -> None:
    class CountedPauses(threading.Event):
        def __init__(self, session: Session) -> None:
            super().__init__()
            self.session = session
            self.pauses: list[float] = []

        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None
            self.pauses.append(timeout)
            if len(self.pauses) == 12:
                self.session.quit()
            return True

    both = []
    for _ in range(2):
        session = Session("127.0.0.1", nobody_port)
        session._wake = wake = CountedPauses(session)
        assert session._mend() is None
        told = [session.events.get_nowait() for _ in range(12)]
        assert told == [LinkBroken(pause_s) for pause_s in wake.pauses]
        assert wake.pauses[0] == 0
        for number, pause_s in enumerate(wake.pauses[1:]):
            longest_s = min(MAX_PAUSE_S, 0.5 * 2**number)
            assert longest_s / 2 <= pause_s <= longest_s
        both.append(wake.pauses)
    assert both[0] != both[1]


def test_a_link_that_breaks_again_before_one_is_let_in_is_tried_after_a_pause(play: Play, meet: Meet) -> None:
    server, session = come_in(play, meet)
    server.peer.break_off()
    server.next_peer().break_off()
    first, second = events_until(session, LinkBroken)[-1], events_until(session, LinkBroken)[-1]
    assert isinstance(second, LinkBroken)
    assert first == LinkBroken(0.0)
    assert second.wait_s > 0
    link = server.next_peer()
    link.expect_resume(server.peer.token, 1)
    link.tell(back_in(1))
    events_until(session, LinkRestored)
    link.break_off()
    assert next_event(session) == LinkBroken(0.0)


def test_retry_ends_a_pause(play: Play, meet: Meet, long_pauses: None) -> None:
    server, session = come_in(play, meet)
    pull(server, session)
    for _ in range(3):
        pause = next_event(session)
        assert isinstance(pause, LinkBroken)
        assert pause.wait_s > DEADLINE_S
        session.retry()
    next_event(session)
    link = put_back(server, session)
    link.expect_resume(server.peer.token, 1)
    link.tell(back_in(1))
    events_until(session, LinkRestored)


def test_a_link_that_is_whole_is_not_tried_again(play: Play, meet: Meet) -> None:
    server, session = come_in(play, meet)
    session.retry()
    session.say("ciao")
    assert server.peer.next_event() == Say("ciao", 1)
    server.peer.end()
    assert events_until(session, Disconnected) == [EndConn(), Disconnected(("ciao",))]


@pytest.mark.parametrize("leave", ["quit", "close"])
def test_who_leaves_in_a_pause_waits_for_nothing(play: Play, meet: Meet, long_pauses: None, leave: str) -> None:
    server, session = come_in(play, meet)
    pull(server, session)
    events_until(session, LinkBroken)
    session.say("ciao")
    getattr(session, leave)()
    assert events_until(session, Disconnected) == [Disconnected(("ciao",))]


@pytest.mark.parametrize("leave", ["quit", "close"])
def test_a_link_that_is_found_after_one_has_left_is_closed_without_a_word(
    play: Play, meet: Meet, monkeypatch: pytest.MonkeyPatch, leave: str
) -> None:
    monkeypatch.setattr("lan_chat.client.session.QUIT_S", 0.05)
    server, session = come_in(play, meet)
    server.greeting = b""
    server.peer.break_off()
    link = server.next_peer()  # which the session waits to be greeted on
    getattr(session, leave)()
    link.send(GREETING)
    assert link.expect_end() == ""
    assert events_until(session, Disconnected) == [LinkBroken(0.0), NOTHING_SAID]


@pytest.mark.parametrize("leave", ["quit", "close"])
def test_who_leaves_while_it_asks_to_be_let_in_again_says_goodbye(
    play: Play, meet: Meet, monkeypatch: pytest.MonkeyPatch, leave: str
) -> None:
    monkeypatch.setattr("lan_chat.client.session.QUIT_S", 0.05)
    server, session = come_in(play, meet)
    server.peer.break_off()
    link = server.next_peer()
    link.expect_resume(server.peer.token, 1)
    getattr(session, leave)()
    assert link.expect_end() == "{quit}\n"
    link.close()
    assert events_until(session, Disconnected) == [LinkBroken(0.0), NOTHING_SAID]


@pytest.mark.parametrize("is_second", [False, True])
def test_after_end_conn_no_other_link_is_made(play: Play, meet: Meet, is_second: bool) -> None:
    server, session = come_in(play, meet)
    link = server.peer
    if is_second:
        link.break_off()
        link = server.next_peer()
        link.expect_resume(server.peer.token, 1)
        link.tell(back_in(1))
        events_until(session, LinkRestored)
    link.end()
    assert events_until(session, Disconnected) == [EndConn(), NOTHING_SAID]


def test_an_original_servers_end_is_the_end(play: Play, meet: Meet) -> None:
    server = play(ORIGINAL_GREETING)
    session = meet(server)
    server.peer.break_off()
    assert events_until(session, Disconnected) == [Say(ORIGINAL_GREETING), NOTHING_SAID]


@pytest.mark.parametrize("greeting", [ORIGINAL_GREETING, ITALIAN.full, "SSH-2.0-OpenSSH_9.2\r\n"])
def test_what_else_answers_at_the_port_is_not_talked_to(
    play: Play, meet: Meet, long_pauses: None, greeting: str
) -> None:
    server, session = come_in(play, meet)
    session.say("segreto")
    server.peer.expect("segreto")
    server.greeting = greeting.encode()
    server.peer.break_off()
    assert server.next_peer().expect_end() == ""
    assert events_until(session, LinkBroken) == [LinkBroken(0.0)]
    server.greeting = GREETING.encode()
    session.retry()
    server.next_peer().expect_resume(server.peer.token, 1)


# --- the session: leaving -------------------------------------------------------------------------------------------


def test_quit_twice_says_it_once(play: Play, meet: Meet) -> None:
    server = play()
    session = meet(server)
    session.quit()
    session.quit()
    assert server.peer.expect_end().endswith('"it"}\n{quit}\n')


def test_what_was_said_before_quit_goes_out_first(server: ChatServer, meet: Meet) -> None:
    session = meet(server)
    with LinePeer(server.port, "Bob") as bob:
        session.join("Ada")
        session.say("ciao")
        session.close()
        assert bob.expect("Ada ha abbandonato la Chat.\n") == (
            "Ada si è unito alla chat!\nAda: ciao\nAda ha abbandonato la Chat.\n"
        )


def test_close_leaves_no_thread_and_no_socket(play: Play, meet: Meet) -> None:
    server = play()
    before = set(threading.enumerate())
    session = meet(server)
    server.peer.close()
    session.close()
    session.close()
    assert set(threading.enumerate()) <= before
    del session
    gc.collect()  # a socket that was left open would warn now, and a warning is an error here


def test_a_session_that_never_started_closes_its_socket(play: Play) -> None:
    server = play()
    session = Session("127.0.0.1", server.port)
    session.connect()
    session.close()
    assert server.peer.expect_end() == ""


@pytest.mark.parametrize("greeting", [GREETING, ORIGINAL_GREETING], ids=["events", "bare"])
def test_close_does_not_wait_for_a_server_that_never_reads(
    play: Play, meet: Meet, monkeypatch: pytest.MonkeyPatch, greeting: str
) -> None:
    monkeypatch.setattr("lan_chat.client.session.QUIT_S", 0.05)
    monkeypatch.setattr(protocol, "BARE_PAUSE_S", 0)
    session = meet(play(greeting))
    for text in MORE_THAN_BUFFERS_HOLD:
        session.say(text)
    session.close()
    end = events_until(session, Disconnected)[-1]
    assert isinstance(end, Disconnected)
    assert end.unsent


# --- the session: with an original server ---------------------------------------------------------------------------


@pytest.fixture
def slow_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses that even a busy machine does not lose, so that each send is a recv."""
    monkeypatch.setattr(protocol, "BARE_PAUSE_S", 0.15)
    monkeypatch.setattr(protocol, "BARE_FAREWELL_S", 0.15)


def test_to_an_original_server_each_text_is_a_recv_of_its_own(play: Play, meet: Meet, slow_pace: None) -> None:
    server = play(ORIGINAL_GREETING)
    session = meet(server)
    session.join("Ada")
    session.say("perché no?")
    session.say("due\nrighe")
    session.quit()
    assert [server.peer.recv().decode() for _ in range(6)] == ["Ada", "perché no?", "due", "righe", "{quit}", ""]


def test_a_long_text_reaches_an_original_server_in_pieces_that_it_can_read(
    play: Play, meet: Meet, slow_pace: None
) -> None:
    server = play(ORIGINAL_GREETING)
    session = meet(server)
    session.say("è" * 700)
    session.quit()
    pieces = [server.peer.recv() for _ in range(3)]
    assert pieces.pop() == b"{quit}"
    assert b"".join(pieces).decode() == "è" * 700


def test_a_control_word_at_the_end_of_somebodys_text_is_text(play: Play, meet: Meet) -> None:
    server = play(ORIGINAL_GREETING)
    session = meet(server)
    server.peer.send("Bob: digita {end_conn}")
    assert [next_event(session) for _ in range(2)][1] == Say("Bob: digita {end_conn}")
    server.peer.send("Bob: ci sei?")
    assert next_event(session) == Say("Bob: ci sei?")


def test_a_slow_server_is_waited_for_also_while_a_text_is_held_in_doubt(
    play: Play, meet: Meet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "BARE_PAUSE_S", 0)
    server = play(ORIGINAL_GREETING)
    session = meet(server)
    next_event(session)
    for text in MORE_THAN_BUFFERS_HOLD:
        session.say(text)
    for _ in range(3):  # each is held for longer than the server has not been reading
        server.peer.send("Bob: digita {end_conn}")
        assert next_event(session) == Say("Bob: digita {end_conn}")
    session.quit()
    received = b"".join(iter(lambda: server.peer.sock.recv(65536), b""))
    assert received.decode() == "".join(MORE_THAN_BUFFERS_HOLD) + "{quit}"


# --- the window: choosing a name ------------------------------------------------------------------------------------


def test_the_hint_is_no_text_and_goes_when_somebody_types(server: ChatServer, sit: Sit) -> None:
    ada = sit(server)
    hint = ada.window.message_input.placeholder
    assert hint["text"] == "Scrivi qui i tuoi messaggi."
    assert hint.winfo_ismapped()
    assert ada.draft == ""
    ada.press("Return")
    ada.type("A")
    assert not hint.winfo_ismapped()
    ada.press("BackSpace")
    assert hint.winfo_ismapped()
    ada.enter("Ada")  # had the hint or nothing at all been sent before, it would be refused or the name
    ada.see("Benvenuto Ada!")
    assert hint.winfo_ismapped()
    assert ITALIAN.invalid not in ada.shown


def test_a_click_on_the_hint_is_a_click_into_the_box(server: ChatServer, sit: Sit) -> None:
    ada = sit(server)
    ada.window.button.focus_force()
    ada.root.update()
    ada.click(ada.window.message_input.placeholder)
    ada.wait(lambda: ada.root.focus_get() is ada.window.message_input.text)


def test_a_name_is_chosen_in_the_box(server: ChatServer, sit: Sit) -> None:
    ada = sit(server)
    ada.see(ITALIAN.greeting)
    ada.enter("Ada")
    ada.wait(lambda: ada.people == ["Ada"])
    assert ada.root.title() == "Chat – 127.0.0.1"
    assert ada.draft == ""
    assert ada.shown == (
        "Salve! Digita il tuo Nome seguito dal tasto Invio!\n"
        "Benvenuto Ada! Se vuoi lasciare la Chat, scrivi {quit} per uscire.\n"
        "Ada si è unito alla chat!"
    )
    assert len(TIME.findall(ada.text.get("1.0", "end"))) == 3


def test_a_name_that_was_refused_comes_back_selected(server: ChatServer, sit: Sit) -> None:
    with LinePeer(server.port, "Ada"):
        bea = sit(server)
        bea.enter("Ada")
        bea.see(ITALIAN.taken)
        assert bea.draft == "Ada"
        assert bea.window.message_input.text.get("sel.first", "sel.last") == "Ada"
        bea.enter("Bea")  # typed over the selection
        bea.see("Benvenuto Bea!")


def test_a_name_that_was_refused_does_not_overwrite_what_was_typed_since(play: Play, sit: Sit) -> None:
    server = play()
    bea = sit(server)
    bea.enter("Ada")
    server.peer.expect("Ada")
    bea.type("Bea")
    server.peer.tell(Refused("taken"))
    bea.see(ITALIAN.taken)
    assert bea.draft == "Bea"


def test_what_is_sent_while_a_name_is_asked_for_waits_in_the_box(play: Play, sit: Sit) -> None:
    server = play()
    ada = sit(server)
    ada.enter("Ada")
    ada.enter("ciao")
    assert ada.draft == "ciao"
    server.peer.welcome("Ada")
    ada.see("Benvenuto Ada!")
    ada.press("Return")
    assert ada.draft == ""
    assert server.peer.expect("ciao").endswith('{"type":"say","text":"ciao')


def test_the_name_from_the_command_line_is_offered(server: ChatServer, sit: Sit) -> None:
    ada = sit(server, name="Ada")
    ada.see("Benvenuto Ada!")
    bea = sit(server, name="ada")
    bea.see(ITALIAN.taken)
    assert bea.draft == "ada"


def test_the_name_from_the_command_line_is_offered_to_an_original_server_once(
    play: Play, sit: Sit, slow_pace: None
) -> None:
    server = play(ORIGINAL_GREETING)
    ada = sit(server, name="Ada")
    ada.see(ORIGINAL_GREETING)
    assert server.peer.expect("Ada") == "Ada"
    server.peer.send("Benvenuto Ada!")
    ada.see("Benvenuto Ada!")
    ada.enter("ciao")
    assert server.peer.expect("ciao") == "ciao"


def test_what_is_no_letter_in_the_name_from_the_command_line_is_taken_out(server: ChatServer, sit: Sit) -> None:
    sit(server, name="A\udcffda\n").see("Benvenuto Ada!")


# --- the window: talking --------------------------------------------------------------------------------------------


def test_two_windows_talk(server: ChatServer, sit: Sit) -> None:
    ada, bob = sit(server, join="Ada"), sit(server, join="Bob")
    ada.see("Bob si è unito alla chat!")
    ada.enter("ciao bob")
    bob.see("\nAda: ciao bob")
    bob.enter("ciao ada")
    ada.see("\nAda: ciao bob\nBob: ciao ada")
    bob.see("\nAda: ciao bob\nBob: ciao ada")
    assert ada.draft == bob.draft == ada.tail == bob.tail == ""


def test_the_button_and_the_other_enter_key_send(server: ChatServer, sit: Sit) -> None:
    ada = sit(server, join="Ada")
    assert ada.window.button["text"] == "Invio"
    ada.type("uno")
    ada.click(ada.window.button)
    ada.see("\nAda: uno")
    ada.type("due")
    ada.press("KP_Enter")
    ada.see("\nAda: due")
    assert ada.draft == ""


def test_tab_goes_to_the_button_and_space_presses_it(server: ChatServer, sit: Sit) -> None:
    ada = sit(server, join="Ada")
    ada.type("ciao")
    ada.press("Tab")  # which would complete a name
    assert ada.root.focus_get() is ada.window.message_input.text
    assert ada.draft == "ciao"
    ada.press("Control-Home", "Tab")  # there is nothing to complete
    assert ada.root.focus_get() is ada.window.button
    ada.window.button.event_generate("<space>")
    ada.see("\nAda: ciao")


def left_edge(seat: Seat, index: str) -> int:
    """Where a letter begins, in pixels."""
    box = seat.text.bbox(index)
    assert box, index
    return box[0]


def test_shift_and_return_break_the_line_and_further_lines_are_indented(server: ChatServer, sit: Sit) -> None:
    ada, bob = sit(server, join="Ada"), sit(server, join="Bob")
    ada.type("uno")
    ada.press("Shift-Return")
    ada.type("Bob. due")
    assert ada.draft == "uno\nBob. due"
    ada.press("Return")
    for seat in (ada, bob):
        seat.see("\nAda: uno\nBob. due")
        place = seat.text.search("Bob. due", "1.0")
        assert place.endswith(".0")  # a line of its own, and not so far to the left as each that somebody says
        assert left_edge(seat, place) > left_edge(seat, f"{place}-1l") == left_edge(seat, "1.0")


def test_the_box_grows_with_its_text_and_shrinks_again(server: ChatServer, sit: Sit) -> None:
    ada = sit(server, join="Ada")
    ada.paste("a\nb\nc")
    ada.wait(lambda: ada.window.message_input.text["height"] == 3)
    ada.paste("a\n" * 20)
    ada.wait(lambda: ada.window.message_input.text["height"] == MAX_INPUT_LINES)
    ada.press("Return")
    ada.wait(lambda: ada.window.message_input.text["height"] == 1)


def test_a_text_of_blanks_is_not_sent_and_goes(server: ChatServer, sit: Sit) -> None:
    ada = sit(server, join="Ada")
    ada.enter("   ")
    assert ada.draft == ""
    ada.enter("ciao")
    ada.see("si è unito alla chat!\nAda: ciao")


def test_a_text_that_is_too_long_stays_in_the_box_and_is_told(server: ChatServer, sit: Sit) -> None:
    ada = sit(server, join="Ada")
    ada.paste("è" * 8193)
    ada.press("Return")
    ada.see(ITALIAN.draft_too_long.format(size=16386, over=2, limit=16384))
    assert ada.draft == "è" * 8193


def test_a_text_that_the_server_rejects_comes_back_before_the_draft(play: Play, sit: Sit) -> None:
    server = play()
    ada = sit(server, join="Ada")
    ada.enter("uno")
    server.peer.expect("uno")
    ada.type("due")
    server.peer.tell(Error("too long", 100, 1))
    ada.see(ITALIAN.too_long.format(limit=100))
    assert ada.draft == "uno\ndue"
    assert ada.tail == ""


def test_what_else_a_server_may_say_is_shown(play: Play, sit: Sit) -> None:
    server = play()
    ada = sit(server, join="Ada")
    server.peer.tell(Announcement(2, 0.0, "tra poco si chiude"), Error("already joined"), Error("not in the mood"))
    ada.see("\nServer: tra poco si chiude")
    ada.see(ITALIAN.already_joined)
    ada.see("not in the mood")


@pytest.mark.parametrize("text", ["👩‍👩‍👧 😀", "日本語で話す", "שלום مرحبا", "e\u0301 ñ Ω ﷽"])
def test_any_script_is_written_and_read(server: ChatServer, sit: Sit, text: str) -> None:
    with LinePeer(server.port, "Bob") as bob:
        ada = sit(server, join="Ada")
        ada.paste(text)
        ada.press("Return")
        bob.expect(f"Ada: {text}\n")
        bob.say(text[::-1])
        ada.see(f"\nBob: {text[::-1]}")


def test_a_letter_that_tk_hands_out_in_two_halves_arrives_whole(
    server: ChatServer, sit: Sit, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LinePeer(server.port, "Bob") as bob:
        ada = sit(server, join="Ada")
        monkeypatch.setattr(ada.window.message_input.text, "get", lambda *_: "\ud83d\ude00")
        ada.window.submit()
        bob.expect("Ada: 😀\n")


def test_a_window_can_speak_english(server: ChatServer, sit: Sit) -> None:
    ada = sit(server, language="en")
    ada.see("Welcome! Type your name and press Enter!")
    assert (ada.window.button["text"], ada.window.message_input.placeholder["text"]) == (
        "Send",
        "Type your messages here.",
    )
    ada.enter("Ada")
    ada.see("Ada has joined the chat!")
    ada.wait(lambda: ada.window.people.title["text"] == "In the chat: 1")


def test_with_an_original_server_a_window_shows_what_it_says(play: Play, sit: Sit, slow_pace: None) -> None:
    server = play(ORIGINAL_GREETING)
    ada = sit(server)
    ada.see(ORIGINAL_GREETING)
    ada.enter("Ada")
    assert server.peer.recv() == b"Ada"
    server.peer.send("Benvenuto Ada!")
    ada.see("\nBenvenuto Ada!")
    ada.enter("ciao")
    assert server.peer.recv() == b"ciao"
    assert not ada.window.people.frame.winfo_ismapped()  # it does not tell who is there


# --- the window: who is there ---------------------------------------------------------------------------------------


def test_the_list_shows_who_is_there(server: ChatServer, sit: Sit) -> None:
    with LinePeer(server.port, "bea"), LinePeer(server.port, "Zoe") as zoe:
        ada = sit(server, join="Ada")
        ada.wait(lambda: ada.people == ["Ada", "bea", "Zoe"])
        assert ada.window.people.title["text"] == "Nella chat: 3"
        zoe.say("{quit}")
        ada.see("Zoe ha abbandonato la Chat.")
        ada.wait(lambda: ada.people == ["Ada", "bea"])
        assert ada.window.people.title["text"] == "Nella chat: 2"


def test_the_list_stays_where_it_was_scrolled_to(play: Play, sit: Sit) -> None:
    server = play()
    ada = sit(server, join="Ada")
    server.peer.tell(*(Joined(2 + number, 0.0, f"Tizio {number:03}") for number in range(200)))
    ada.wait(lambda: len(ada.people) == 201)
    ada.window.people.list.yview_moveto(0.5)
    middle = ada.window.people.list.index("@0,0")
    server.peer.tell(Left(900, 0.0, "Tizio 199"))
    ada.wait(lambda: len(ada.people) == 200)
    assert abs(ada.window.people.list.index("@0,0") - middle) <= 1


# --- the window: reading --------------------------------------------------------------------------------------------


def fill(seat: Seat, server: PlayedServer, count: int = 100, words: int = 1) -> None:
    """Have so much said that it does not fit into the window."""
    numbers = seat.event_ids
    server.peer.tell(*(message(next(numbers), f"riga {number} " + "parola " * words) for number in range(count)))
    end = f"fine {len(seat.shown)}"
    server.peer.tell(message(next(numbers), end))
    seat.see(end)
    seat.root.update()


def test_a_reader_at_the_end_sees_what_is_new(play: Play, sit: Sit) -> None:
    server = play()
    ada = sit(server, join="Ada")
    fill(ada, server)
    assert ada.is_at_end


def test_a_reader_who_scrolled_back_stays_there(play: Play, sit: Sit) -> None:
    server = play()
    ada = sit(server, join="Ada")
    fill(ada, server)
    ada.text.yview_scroll(-30, "units")
    place = ada.text.index("@0,0")
    fill(ada, server)
    assert ada.text.index("@0,0") == place
    ada.text.see("end")
    fill(ada, server)
    assert ada.is_at_end


def test_a_window_that_is_not_on_the_screen_follows_too(play: Play, sit: Sit) -> None:
    server = play()
    ada = sit(server, join="Ada")
    ada.root.withdraw()
    fill(ada, server)
    fill(ada, server)
    ada.root.deiconify()
    ada.wait(lambda: ada.text.winfo_viewable() and ada.is_at_end)


def test_the_end_stays_in_sight_when_the_window_changes_its_size(play: Play, sit: Sit) -> None:
    server = play()
    ada = sit(server, join="Ada")
    fill(ada, server, 1500, words=60)
    for geometry in ("400x300", "1200x800", "1200x300"):
        ada.resize(geometry)
        assert ada.is_at_end
        ada.session.events.put(message(9, f"now {geometry}"))  # at once: Tk still measures the lines anew
        ada.see(f"now {geometry}")
        assert ada.is_at_end


def test_an_answer_to_oneself_is_seen_wherever_one_reads(play: Play, sit: Sit) -> None:
    server = play()
    ada = sit(server, join="Ada")
    fill(ada, server)
    ada.text.yview_moveto(0)
    server.peer.tell(message(900, "nel frattempo"))
    ada.see("nel frattempo")
    assert not ada.is_at_end
    ada.paste("x" * 20_000)
    ada.press("Return")
    ada.see("Messaggio non inviato")
    ada.wait(lambda: ada.is_at_end)


def test_what_was_said_can_be_selected_and_copied_but_not_changed(server: ChatServer, sit: Sit) -> None:
    ada = sit(server, join="Ada")
    ada.enter("da copiare")
    ada.see("Ada: da copiare")
    messages = ada.text
    start = messages.bbox(messages.search("Ada: da copiare", "1.0"))
    end = messages.bbox("end-3c")  # behind it the line ends, and so does the text
    assert start
    assert end
    messages.event_generate("<ButtonPress-1>", x=start[0], y=start[1] + 5)
    messages.event_generate("<B1-Motion>", x=end[0] + end[2] + 5, y=end[1] + 5)
    messages.event_generate("<ButtonRelease-1>", x=end[0] + end[2] + 5, y=end[1] + 5)
    messages.focus_force()
    ada.root.update()
    messages.event_generate("<Control-c>")
    assert ada.root.clipboard_get() == "Ada: da copiare"
    before = ada.shown
    messages.event_generate("<KeyPress>", keysym="x")
    messages.event_generate("<KeyPress>", keysym="BackSpace")
    ada.root.update()
    assert ada.shown == before


@pytest.fixture
def shown_at_once(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the list of what the windows show, as much as each does without a pause for keys."""
    shown: list[str] = []
    flush = Conversation.flush

    def flush_and_note(conversation: Conversation) -> None:
        start = conversation.text.index("pending")
        flush(conversation)
        shown.append(conversation.text.get(start, "pending"))

    monkeypatch.setattr(Conversation, "flush", flush_and_note)
    return shown


def test_a_flood_is_shown_a_bounded_number_at_a_time(
    play: Play, sit: Sit, monkeypatch: pytest.MonkeyPatch, shown_at_once: list[str]
) -> None:
    clock = itertools.count()
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock) * DRAIN_S / 9.5)
    server = play()
    ada = sit(server, join="Ada")
    fill(ada, server, 1000)
    assert ada.shown.count("\nBob: riga ") == 1000
    assert max(shown.count("riga ") for shown in shown_at_once) == 9  # and then the time is over


def test_a_flood_of_long_texts_is_shown_a_bounded_number_of_letters_at_a_time(
    play: Play, sit: Sit, monkeypatch: pytest.MonkeyPatch, shown_at_once: list[str]
) -> None:
    monkeypatch.setattr("lan_chat.client.window.DRAIN_S", 3600.0)
    server = play()
    ada = sit(server, join="Ada")
    text = "x" * (DRAIN_CHARACTERS // 4 + 1)
    for number in range(50):
        ada.session.events.put(message(number, text))
    ada.session.events.put(message(50, "fine"))
    ada.see("\nBob: fine")
    assert ada.shown.count(f"\nBob: {text}") == 50
    assert max(shown.count("x" * 1000) for shown in shown_at_once) == 4 * (len(text) // 1000)


def test_one_event_that_cannot_be_shown_does_not_stop_the_window(
    server: ChatServer, sit: Sit, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = sit(server, join="Ada")
    monkeypatch.setattr(ada.root, "report_callback_exception", lambda *_: None)
    ada.session.events.put(message(9, None))  # type: ignore[arg-type]
    ada.enter("ciao")
    ada.see("Ada: ciao")


# --- the window: the end --------------------------------------------------------------------------------------------


def test_quit_leaves_and_closes_the_window(server: ChatServer, sit: Sit) -> None:
    with LinePeer(server.port, "Bob") as bob:
        ada = sit(server, join="Ada")
        ada.enter("{quit}")
        assert not ada.is_open
        bob.expect("Ada ha abbandonato la Chat.\n")


def test_quit_closes_the_window_also_while_a_name_is_chosen(server: ChatServer, sit: Sit) -> None:
    ada = sit(server)
    ada.type("{quit}")
    ada.click(ada.window.button)
    assert not ada.is_open
    wait_until(lambda: not server.room.connections())


def test_closing_the_window_leaves_in_order(server: ChatServer, sit: Sit) -> None:
    with LinePeer(server.port, "Bob") as bob:
        ada = sit(server, join="Ada")
        ada.enter("ciao")
        ada.close_window()
        assert not ada.is_open
        bob.expect("Ada: ciao\nAda ha abbandonato la Chat.\n")


def test_end_conn_is_told_in_two_lines_and_closes_the_window(
    server: ChatServer, sit: Sit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lan_chat.client.window.CLOSE_MS", 200)
    ada = sit(server, join="Ada")
    server.stop()
    ada.see("\nIl server si è disconnesso.\nLa finestra si chiuderà tra 5 secondi.")
    ada.wait(lambda: ada.session.events.empty())
    assert ITALIAN.connection_error not in ada.shown
    ada.wait(lambda: not ada.is_open)


def test_end_conn_said_twice_is_told_once(play: Play, sit: Sit) -> None:
    server = play()
    ada = sit(server, join="Ada")
    server.peer.tell(EndConn(), EndConn(), message(2, "fine"))
    ada.see("Bob: fine")
    assert ada.shown.count(ITALIAN.disconnected) == 1


def test_a_window_that_is_closed_by_hand_after_end_conn_is_not_closed_again(
    play: Play, sit: Sit, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lan_chat.client.window.CLOSE_MS", 50)
    server = play()
    ada = sit(server, join="Ada")
    server.peer.tell(EndConn())
    ada.see(ITALIAN.closing_soon)
    ada.close_window()
    is_later: list[bool] = []
    other = tk.Tk()
    other.after(100, lambda: is_later.append(True))
    wait_until(lambda: other.update() or is_later)  # type: ignore[func-returns-value]
    other.destroy()
    assert capfd.readouterr().err == ""


def test_a_broken_link_is_told_and_what_was_not_delivered_stands_at_the_end(play: Play, sit: Sit) -> None:
    server = play()
    ada = sit(server, join="Ada")
    ada.enter("uno")
    ada.enter("due")
    server.peer.expect("due")
    ada.type("tre")
    ada.wait(lambda: ada.tail == "Ada: uno …\nAda: due …")
    server.stop_listening()
    server.peer.break_off()
    ada.see(f"\n{ITALIAN.link_broken}")
    assert ada.tail == "Ada: uno …\nAda: due …"
    assert ada.draft == "tre"


def test_what_is_said_while_the_link_is_broken_waits_at_the_end(play: Play, sit: Sit) -> None:
    server = play()
    ada = sit(server, join="Ada")
    server.stop_listening()
    server.peer.break_off()
    ada.see(ITALIAN.link_broken)
    ada.enter("ciao")
    ada.wait(lambda: ada.tail == "Ada: ciao …")
    assert ada.draft == ""
    ada.enter("{quit}")
    assert not ada.is_open


def test_what_a_server_that_ends_has_not_taken_stands_at_the_end(play: Play, sit: Sit) -> None:
    server = play()
    ada = sit(server, join="Ada")
    ada.enter("uno")
    server.peer.expect("uno")
    server.peer.end()
    ada.wait(lambda: ada.tail == "Ada: uno  (non inviato)  Invia di nuovo  Scarta")


def test_a_text_that_is_sent_when_the_session_is_over_stays_in_the_box(play: Play, sit: Sit) -> None:
    server = play(ORIGINAL_GREETING)
    ada = sit(server)
    server.peer.close()
    ada.see(f"\n{ITALIAN.connection_error}\n{ITALIAN.restart}")
    ada.enter("ciao")
    ada.wait(lambda: ada.shown.count(ITALIAN.connection_error) == 2)
    assert ada.draft == "ciao"
    assert ada.tail == ""


# --- the two questions in a window ----------------------------------------------------------------------------------


@pytest.fixture
def dialog(root: tk.Tk) -> Iterator[ConnectDialog]:
    dialog = ConnectDialog(root, Settings())
    yield dialog
    if dialog.session is not None:
        dialog.session.close()
    with contextlib.suppress(tk.TclError):  # it may have been closed already
        dialog.close()


def answer(dialog: ConnectDialog, host: str, port: str) -> None:
    """Fill in both fields, and connect."""
    for entry, text in ((dialog.host, host), (dialog.port, port)):
        entry.delete(0, "end")
        entry.insert(0, text)
    dialog.button.invoke()


def wait_for_problem(dialog: ConnectDialog, root: tk.Tk, sentence: str) -> None:
    def shown() -> str:
        root.update()
        return str(dialog.problem["text"])

    wait_until(lambda: shown() == sentence, shown)


def test_the_dialog_explains_what_cannot_work_and_lets_one_correct_it(
    root: tk.Tk, dialog: ConnectDialog, server: ChatServer, nobody_port: int
) -> None:
    answer(dialog, "127.0.0.1", "abc")
    assert dialog.problem["text"] == ITALIAN.bad_port.format(default=53000)
    answer(dialog, "127.0.0.1", str(nobody_port))
    sentence = ITALIAN.unreachable_refused.format(host="127.0.0.1", port=nobody_port)
    wait_for_problem(dialog, root, sentence)
    answer(dialog, " 127.0.0.1 ", str(server.port))
    dialog.submit()  # a second Return while it connects does nothing
    session = dialog.run()
    assert session is dialog.session is not None
    assert not root.winfo_children()


def test_the_dialog_takes_nothing_for_this_machine_and_the_usual_port(
    root: tk.Tk, dialog: ConnectDialog, server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "DEFAULT_PORT", server.port)
    dialog.port.focus_force()
    root.update()
    dialog.port.event_generate("<Return>")
    assert dialog.run() is not None


def test_the_dialog_can_be_cancelled(root: tk.Tk, dialog: ConnectDialog) -> None:
    dialog.host.focus_force()
    root.update()
    root.after(1, lambda: dialog.host.event_generate("<Escape>"))
    assert dialog.run() is None


def test_cancel_ends_an_attempt_and_lets_one_correct_the_address(
    root: tk.Tk, dialog: ConnectDialog, play: Play, server: ChatServer
) -> None:
    silent = play("")
    answer(dialog, "127.0.0.1", str(silent.port))
    assert dialog.button.instate(["disabled"])
    dialog.cancel_button.invoke()
    assert dialog.problem["text"] == ITALIAN.cancelled
    assert dialog.button.instate(["!disabled"])
    answer(dialog, "127.0.0.1", str(server.port))  # while the first thread may still wait
    session = dialog.run()
    assert session is not None
    assert session.port == server.port
    silent.peer.close()


def test_a_second_cancel_closes_the_dialog(root: tk.Tk, dialog: ConnectDialog, play: Play) -> None:
    silent = play("")
    answer(dialog, "127.0.0.1", str(silent.port))
    for _ in range(2):
        root.after(1, dialog.cancel)
    assert dialog.run() is None
    silent.peer.close()


@pytest.mark.parametrize("leave", ["cancel", "close"])
@pytest.mark.parametrize("is_greeted_first", [True, False])
def test_a_connection_that_is_found_after_the_user_gave_up_is_closed(
    root: tk.Tk, dialog: ConnectDialog, play: Play, is_greeted_first: bool, leave: str
) -> None:
    server = play("")
    answer(dialog, "127.0.0.1", str(server.port))
    if is_greeted_first:
        server.peer.send(GREETING)
        wait_until(lambda: "connect" not in [thread.name for thread in threading.enumerate()])
        getattr(dialog, leave)()
    else:
        server.peer.send(GREETING[:5])
        getattr(dialog, leave)()
        server.peer.send(GREETING[5:])
    assert server.peer.expect_end() == ""


def test_the_usual_size_of_letters_is_the_systems_also_after_the_dialog(root: tk.Tk, server: ChatServer) -> None:
    usual = usual_font_sizes(root)
    settings = Settings(font_size=30)
    dialog = ConnectDialog(root, settings)
    assert usual_font_sizes(root)["TkTextFont"] == 30
    answer(dialog, "127.0.0.1", str(server.port))
    session = dialog.run()
    assert session is not None
    with contextlib.closing(session):
        window = ChatWindow(root, session, settings)
        assert usual_font_sizes(root)["TkTextFont"] == 30
        window.change_font_size(0)
        assert usual_font_sizes(root) == usual
        window.close()


def test_a_signal_cancels_the_dialog(root: tk.Tk, dialog: ConnectDialog) -> None:
    dialog.wants_to_close = True
    assert dialog.run() is None


# --- the two questions on a console ---------------------------------------------------------------------------------


def answer_console(monkeypatch: pytest.MonkeyPatch, *answers: str, then: type[BaseException] = EOFError) -> list[str]:
    """Answer what `input` asks, and give the list that its questions will be in."""
    questions: list[str] = []
    rest = iter(answers)

    def ask(question: str) -> str:
        questions.append(question)
        if (given := next(rest, None)) is None:
            raise then
        return given

    monkeypatch.setattr(builtins, "input", ask)
    return questions


def test_the_questions_are_the_originals(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    questions = answer_console(monkeypatch, "127.0.0.1", str(server.port))
    session = chat_client.connect_by_console(None, None, Settings())
    assert session is not None
    session.close()
    assert questions == ["Inserire il Server host: ", "Inserire la porta del server host: "]


def test_enter_at_both_questions_means_this_machine_and_the_usual_port(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "DEFAULT_PORT", server.port)
    answer_console(monkeypatch, "", "")
    session = chat_client.connect_by_console(None, None, Settings())
    assert session is not None
    session.close()
    assert (session.host, session.port) == ("127.0.0.1", server.port)


@pytest.mark.parametrize("then", [EOFError, RuntimeError])
def test_where_nobody_answers_nobody_was_there(monkeypatch: pytest.MonkeyPatch, then: type[Exception]) -> None:
    answer_console(monkeypatch, then=then)
    assert chat_client.connect_by_console(None, None, Settings()) is None


def test_without_a_console_a_server_that_is_not_reached_leads_to_the_dialog(
    monkeypatch: pytest.MonkeyPatch, nobody_port: int
) -> None:
    answer_console(monkeypatch, then=RuntimeError)
    assert chat_client.connect_by_console("127.0.0.1", nobody_port, Settings()) is None


# --- the program ----------------------------------------------------------------------------------------------------

CLIENT = TOP / "chat_client.py"


@pytest.fixture
def own_signals() -> Iterator[None]:
    """Give the signals that the client takes for itself back to the tests."""
    names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]
    before = {name: signal.getsignal(getattr(signal, name)) for name in names}
    yield
    for name, handler in before.items():
        signal.signal(getattr(signal, name), handler)


def test_where_nobody_answers_a_dialog_asks(
    display: None, own_signals: None, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lan_chat.client.window.CLOSE_MS", 1)
    monkeypatch.setattr("lan_chat.client.session.QUIT_S", 0.1)  # the played server does not answer to `{quit}`
    answer_console(monkeypatch)
    server = play()
    run = ConnectDialog.run

    def answer_and_run(dialog: ConnectDialog) -> Session | None:
        assert dialog.host.get() == "localhost"  # from the command line
        answer(dialog, "127.0.0.1", str(server.port))
        session = run(dialog)
        server.peer.tell(EndConn())  # which closes the window that follows
        return session

    monkeypatch.setattr(ConnectDialog, "run", answer_and_run)
    assert chat_client.main(["localhost"]) == 0
    assert server.peer.expect_end().endswith("{quit}\n")


def test_whoever_cancels_the_dialog_ends_the_program(
    display: None, own_signals: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_console(monkeypatch)
    run = ConnectDialog.run

    def cancel_and_run(dialog: ConnectDialog) -> Session | None:
        dialog.button.after(1, dialog.cancel)
        return run(dialog)

    monkeypatch.setattr(ConnectDialog, "run", cancel_and_run)
    assert chat_client.main([]) == 0


def test_ctrl_c_at_a_question_ends_the_program_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    answer_console(monkeypatch, then=KeyboardInterrupt)
    assert chat_client.main([]) == 130


def test_the_program_asks_until_a_server_is_reached(display: None, server: ChatServer, nobody_port: int) -> None:
    with LinePeer(server.port, "Bob") as bob, Program(CLIENT, "--name", "Ada") as ada:
        ada.expect("Inserire il Server host: ")
        ada.type("127.0.0.1\n")
        ada.expect("Inserire la porta del server host: ")
        ada.type("cinquantatremila\n")
        ada.expect(ITALIAN.bad_port.format(default=53000))
        ada.expect("Inserire la porta del server host: ")
        ada.type(f"{nobody_port}\n")
        ada.expect(ITALIAN.unreachable_refused.format(host="127.0.0.1", port=nobody_port))
        ada.expect("Inserire il Server host: ")
        ada.type(f"127.0.0.1\n{server.port}\n")
        ada.expect(f"Connessione a 127.0.0.1, porta {server.port}...\n")
        bob.expect("Ada si è unito alla chat!\n")
        ada.interrupt()
        assert ada.expect_end() == (0, "")
        bob.expect("Ada ha abbandonato la Chat.\n")


def test_a_program_that_was_given_all_asks_nothing(display: None, server: ChatServer) -> None:
    command = (CLIENT, "127.0.0.1", str(server.port), "--name", "Ada", "--lang", "en")
    with LinePeer(server.port, "Bob") as bob, Program(*command) as ada:
        bob.expect("Ada si è unito alla chat!\n")
        ada.interrupt()
        assert ada.expect_end() == (0, f"Connecting to 127.0.0.1, port {server.port}...\n")


@pytest.mark.parametrize("answers", ["127.0.0.1\n", "127.0.0.1\n{port}\n", "127.0.0.1\nabc\n"])
def test_answers_that_end_before_a_server_is_reached_are_an_error(nobody_port: int, answers: str) -> None:
    with Program(CLIENT) as program:
        program.type(answers.format(port=nobody_port))
        program.end_input()
        status, output = program.expect_end()
        assert status == 2
        assert "Traceback" not in output


def test_an_answer_that_is_no_text_is_explained(nobody_port: int) -> None:
    with Program(CLIENT) as program:
        assert program.process.stdin is not None
        program.process.stdin.write(b"pc-\xe8\xff\n\n")
        program.end_input()
        status, output = program.expect_end()
        assert status == 2
        assert "non esiste" in output


def test_an_address_on_the_command_line_that_does_not_answer_is_an_error(nobody_port: int) -> None:
    with Program(CLIENT, "127.0.0.1", str(nobody_port), stdin=subprocess.DEVNULL) as program:
        status, output = program.expect_end()
        assert status == 2
        assert ITALIAN.unreachable_refused.format(host="127.0.0.1", port=nobody_port) in output
        assert "Traceback" not in output


def test_a_port_on_the_command_line_that_is_none_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        chat_client.parse_arguments(["127.0.0.1", "65536"])
    assert caught.value.code == 2
    assert ITALIAN.bad_port.format(default=53000) in capsys.readouterr().err


def test_without_tkinter_the_program_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "tkinter.py").write_text("raise ImportError('No module named _tkinter')\n")
    with Program(CLIENT, PYTHONPATH=str(tmp_path)) as program:
        status, output = program.expect_end()
        assert (status, output) == (2, ITALIAN.no_tkinter + "\n")


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="there is a screen, whatever the environment says")
def test_without_a_screen_the_program_says_so(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    with Program(CLIENT, "127.0.0.1", str(server.port)) as program:
        status, output = program.expect_end()
        assert status == 2
        assert "Avvia il programma da una sessione grafica." in output
        assert "Traceback" not in output
    wait_until(lambda: not server.room.connections())


def xdotool(*command: str) -> str:
    return subprocess.run(["xdotool", *command], check=True, capture_output=True, text=True, timeout=30).stdout


@pytest.mark.skipif(
    not shutil.which("xdotool"), reason="there is no xdotool to type with (Debian: apt install xdotool)"
)
def test_the_program_is_used_with_a_real_keyboard(display: None, server: ChatServer) -> None:
    with LinePeer(server.port, "Bob") as bob, Program(CLIENT) as ada:
        ada.type(f"127.0.0.1\n{server.port}\n")
        window = xdotool(
            "search", "--sync", "--onlyvisible", "--pid", str(ada.process.pid), "--name", "^Chat .* 127.0.0.1$"
        ).split()[0]
        xdotool("windowfocus", "--sync", window)
        xdotool("type", "Ada")
        xdotool("key", "Return")
        bob.expect("Ada si è unito alla chat!\n")
        xdotool("type", "ciao, sono io!")
        xdotool("key", "Return")
        bob.expect("Ada: ciao, sono io!\n")
        ada.interrupt()
        assert ada.expect_end()[0] == 0
        bob.expect("Ada ha abbandonato la Chat.\n")
