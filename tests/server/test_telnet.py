"""Telnets: what they negotiate is nobody's name and no message, and real ones work."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import time

import pytest

from lan_chat.server.commands import Operator
from lan_chat.server.server import ChatServer
from lan_chat.server.words import ITALIAN
from protocol import Error, Joined
from tests.support.peers import GREETING, EventPeer, LinePeer, Peer, drain
from tests.support.servers import limits, start, talk_to
from tests.support.waiting import DEADLINE_S, wait_until
from tests.support.wire import PUTTY, REFUSED, SIZE

WELCOME = ITALIAN.welcome.format(name="Ada")
JOINED = ITALIAN.joined.format(name="Ada")


@pytest.mark.parametrize("is_greeted", [False, True])
@pytest.mark.parametrize("first", [b"", b"A"])
def test_a_telnet_that_negotiates_is_a_member_like_any_other(
    server: ChatServer, first: bytes, is_greeted: bool
) -> None:
    with LinePeer(server.port, "Bob") as bob, Peer(server.port) as ada:
        heard = ada.expect(GREETING).encode() if is_greeted else b""
        ada.send(first + PUTTY)
        for byte in b"Ada\r\n"[len(first) :]:
            ada.send(bytes([byte]))
        assert bob.expect("chat!\n") == f"{JOINED}\n"
        ada.send(SIZE + b"cia\xff\xf1o\r\0")
        assert bob.expect("Ada: ciao\n") == "Ada: ciao\n"
        ada.send(b"mez\xff\xf4\xff\xfd\x06")  # Ctrl+C
        assert bob.expect("Chat.\n") == "Ada ha abbandonato la Chat.\n"
        heard += drain(ada)
        assert REFUSED in heard
        words = heard.replace(REFUSED, b"").replace(b"\xff\xfc\x06", b"").decode()
        assert words == f"{GREETING}\r\n{WELCOME}\r\n{JOINED}\r\nAda: ciao\r\n{{end_conn}}\r\n"


def test_the_operator_sees_who_came_by_telnet(server: ChatServer) -> None:
    with LinePeer(server.port, "Bob") as bob, Peer(server.port) as ada:
        ada.send(PUTTY + b"Ada\r\n")
        bob.expect("Ada si è unito alla chat!\n")
        assert "telnet" in Operator(server, ITALIAN).answer("who")


def test_a_netcat_that_begins_to_negotiate_later_is_answered_and_goes_on(server: ChatServer) -> None:
    with LinePeer(server.port, "Ada") as ada:
        ada.send(b"\xff\xfd\x06uno\n")
        assert ada.received + ada.sock.recv(3) == b"\xff\xfc\x06"
        ada.expect("Ada: uno\n")


def test_keys_that_a_telnet_sends_while_choosing_a_name_leave(server: ChatServer) -> None:
    with talk_to(server) as ada:
        ada.send(PUTTY + b"Ad\xff\xf4")
        assert drain(ada).replace(REFUSED, b"") == b"\r\n{end_conn}\r\n"
    wait_until(lambda: not server.room.connections())


def test_the_negotiation_of_others_changes_nothing(server: ChatServer) -> None:
    with EventPeer(server.port, "Eva") as eva, Peer(server.port) as bare:
        assert bare.recv().decode() == GREETING
        bare.send("Ugo")
        bare.expect("Ugo si è unito alla chat!")
        eva.expect_event(Joined)
        eva.send(b"\xff\xfd\x06\n")
        assert eva.expect_event(Error).reason == "malformed"
        eva.say("ciao")
        bare.expect("Eva: ciao")


def test_a_telnet_that_meets_a_full_room_reads_why() -> None:
    server = start(limits(max_clients=1))
    with LinePeer(server.port, "Bob"), Peer(server.port) as ada:
        ada.send(PUTTY)
        assert drain(ada).endswith(f"{ITALIAN.full}{{end_conn}}".encode())
    server.stop()


# --- the programs themselves ------------------------------------------------------------------------------------------

if sys.platform == "linux":  # whose `setsid` makes a terminal of its own

    class Terminal:
        """A program at a terminal of its own, where keys are typed."""

        def __init__(self, *command: str) -> None:
            self._terminal, end = os.openpty()
            self.process = subprocess.Popen(["setsid", "--ctty", *command], stdin=end, stdout=end, stderr=end)
            os.close(end)
            self.shown = b""

        def __enter__(self) -> Terminal:
            return self

        def __exit__(self, *_: object) -> None:
            self.process.kill()
            self.process.wait()
            os.close(self._terminal)

        def type(self, keys: str) -> None:
            os.write(self._terminal, keys.encode())

        def expect(self, words: str) -> None:
            """Read what is shown up to some words."""
            deadline = time.monotonic() + DEADLINE_S
            while words.encode() not in self.shown:
                is_there = select.select([self._terminal], [], [], max(0.0, deadline - time.monotonic()))[0]
                assert is_there, f"{words!r} was not shown; instead: {self.shown!r}"
                try:
                    self.shown += os.read(self._terminal, 65536)
                except OSError as error:  # the program has ended
                    raise AssertionError(f"{words!r} was not shown; instead: {self.shown!r}") from error
            self.shown = self.shown[self.shown.index(words.encode()) + len(words.encode()) :]

    @pytest.mark.skipif(not shutil.which("telnet"), reason="there is no telnet (Debian: apt install inetutils-telnet)")
    def test_a_person_talks_with_telnet_and_ctrl_c_leaves(server: ChatServer) -> None:
        with LinePeer(server.port, "Bob") as bob, Terminal("telnet", "127.0.0.1", str(server.port)) as telnet:
            telnet.expect(ITALIAN.greeting)
            telnet.type("Adz\x7fa\r")
            bob.expect(f"{JOINED}\n")
            telnet.expect(f"{JOINED}\r\n")
            telnet.type("perché no?\r")
            assert bob.expect("no?\n") == "Ada: perché no?\n"
            telnet.expect("Ada: perché no?\r\n")
            telnet.type("mezza frase\x03")
            assert bob.expect("Chat.\n") == "Ada ha abbandonato la Chat.\n"
            assert telnet.process.wait(DEADLINE_S) in (0, 1)

    @pytest.mark.skipif(not shutil.which("plink"), reason="there is no plink (Debian: apt install putty-tools)")
    @pytest.mark.parametrize("types_first", [False, True])
    def test_a_person_talks_with_putty(server: ChatServer, types_first: bool) -> None:
        command = ("plink", "-telnet", "-P", str(server.port), "127.0.0.1")
        with LinePeer(server.port, "Bob") as bob, Terminal(*command) as putty:
            if not types_first:
                putty.expect(ITALIAN.greeting)
            putty.type("Ada\r")
            bob.expect(f"{JOINED}\n")
            putty.expect(f"{JOINED}\r")
            putty.type("perché no?\r")
            assert bob.expect("no?\n") == "Ada: perché no?\n"
            bob.say("perché sì")
            putty.expect("Bob: perché sì\r")
            putty.type("{quit}\r")
            assert bob.expect("Chat.\n") == "Bob: perché sì\nAda ha abbandonato la Chat.\n"
            assert putty.process.wait(DEADLINE_S) == 0
