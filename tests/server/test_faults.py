"""A failure of our own, or of the system, ends no room."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Iterator

import pytest

import lan_chat.server.server as server_module
import protocol
from lan_chat.server.server import ChatServer
from lan_chat.server.words import ITALIAN
from protocol import Message
from tests.support.peers import LinePeer, Peer
from tests.support.servers import talk_to
from tests.support.waiting import wait_until


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
                assert unlucky.expect_end() == ITALIAN.full + "{end_conn}"
        wait_until(lambda: "can't start new thread" in caplog.text)
        with LinePeer(server.port, "Bob"):
            ada.expect("Bob si è unito alla chat!\n")
