"""The port that the server listens on, and where the others find it."""

from __future__ import annotations

import pytest

from lan_chat.server.listening import lan_addresses, open_listener, where_to_find
from lan_chat.server.server import ChatServer
from lan_chat.server.words import ITALIAN
from tests.support.peers import LinePeer


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
