"""Socket options on both sides, and how addresses are read."""

from __future__ import annotations

import errno
import socket
import sys

import pytest

from lan_chat.client.session import Session
from lan_chat.server.server import ChatServer
from lan_chat.sockets import SOCKET_OPTIONS, address_label, parse_address, peer_address
from tests.support.peers import LinePeer
from tests.support.servers import start


@pytest.mark.parametrize(
    ("text", "address"),
    [
        *(("10.0.0.1", "10.0.0.1"), ("10.0.0.1:53000", "10.0.0.1"), ("::FFFF:10.0.0.1", "10.0.0.1")),
        *(("::ffff:10.0.0.1:4000", "10.0.0.1"), ("FE80::1", "fe80::1"), ("10.0.0", None), ("Bob", None), ("", None)),
        *(("[fd00::5]:4000", "fd00::5"), ("[fd00::5]", "fd00::5"), ("fd00::5:50000", "fd00::5"), ("[Bob]", None)),
        # With its interface's number, which stays the same in whatever way a name is compared.
        *(("fe80::1%7", "fe80::1%7"), ("[FE80::1%07]:4000", "fe80::1%7"), ("fe80::1%eth9", "fe80::1%9")),
        *(("[fe80::1%eth9]:4000", "fe80::1%9"), ("fe80::1%tap", None), ("fe80::1%", None), ("fd00::5%7", "fd00::5")),
    ],
)
def test_an_address_is_read_as_the_list_shows_it(
    text: str, address: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def index_of(name: str) -> int:
        if name != "eth9":
            raise OSError("no interface with this name")
        return 9

    monkeypatch.setattr(socket, "if_nametoindex", index_of)
    assert parse_address(text) == address


@pytest.mark.parametrize(
    ("accepted", "host", "label"),
    [
        (("10.0.0.1", 4000), "10.0.0.1", "10.0.0.1:4000"),
        (("::ffff:10.0.0.1", 4000, 0, 0), "10.0.0.1", "10.0.0.1:4000"),
        (("fd00::5", 4000, 0, 0), "fd00::5", "[fd00::5]:4000"),
        (("fd00::5", 4000, 0, 7), "fd00::5", "[fd00::5]:4000"),
        (("fe80::5", 4000, 9, 7), "fe80::5%7", "[fe80::5%7]:4000"),
        (("fe80::5%7", 4000, 0, 7), "fe80::5%7", "[fe80::5%7]:4000"),  # as some systems write it
    ],
)
def test_a_peer_has_one_address_and_what_is_shown_of_it_can_be_typed(
    accepted: tuple[str | int, ...], host: str, label: str
) -> None:
    assert peer_address(accepted) == (host, 4000)
    assert address_label((host, 4000)) == label
    assert parse_address(label) == host


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
