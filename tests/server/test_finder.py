"""The finder: who asks by UDP is told where the room is, and nobody is flooded with that."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import select
import socket
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

import chat_server
from lan_chat import rooms
from lan_chat.interfaces import interfaces
from lan_chat.rooms import Room, decode_answer, encode_question
from lan_chat.server import finder as module
from lan_chat.server.finder import Askers, Ear, Finder
from lan_chat.server.listening import open_listener
from lan_chat.server.server import ChatServer
from lan_chat.server.words import ITALIAN
from tests.support.namespaces import Machine, machines
from tests.support.peers import LinePeer, Peer
from tests.support.programs import ON_WINE, TOP, Program
from tests.support.servers import limits
from tests.support.waiting import DEADLINE_S, wait_until

ALL_HERE = "127.255.255.255"
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has a broadcast address for loopback")
WITH_OTHER_LOOPBACKS = pytest.mark.skipif(
    sys.platform == "darwin", reason="Linux and Windows have more than one loopback address"
)
NOT_ON_WINE = pytest.mark.skipif(ON_WINE, reason="wine sends from 127.0.0.1, whatever loopback address is bound")
NONCE = "5d41402abc4b2a76"


@pytest.fixture
def udp_port() -> int:
    """A UDP port that nobody uses."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextlib.contextmanager
def serving(
    udp_port: int, host: str = "127.0.0.1", name: str = "Aula 3", port: int = 0, max_per_host: int = 100
) -> Iterator[ChatServer]:
    """A server that is found on this UDP port."""
    options = limits(room=name, udp_port=udp_port, max_per_host=max_per_host)
    server = ChatServer(open_listener(host, port), options)
    server.start()
    try:
        yield server
    finally:
        server.stop()


class Asker:
    """A client's socket at an address of its own."""

    def __init__(self, host: str = "127.0.0.1", family: int = socket.AF_INET) -> None:
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self.sock.bind((host, 0))

    def __enter__(self) -> Asker:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def ask(self, *to: Any, nonce: str = NONCE) -> None:
        self.sock.sendto(encode_question(nonce), to)

    def hear(self, wait_s: float = DEADLINE_S) -> tuple[Room, str] | None:
        """Return the next answer, and where it came from; None where none comes."""
        if not select.select([self.sock], [], [], wait_s)[0]:
            return None
        datagram, (host, *_) = self.sock.recvfrom(rooms.MAX_DATAGRAM_BYTES)
        room = decode_answer(datagram, {NONCE})
        assert room is not None, datagram
        return room, host

    def hear_all(self, count: int) -> list[tuple[str, str]]:
        """Return the name and the address of so many answers."""
        heard: list[tuple[str, str]] = []
        for _ in range(count):
            answer = self.hear()
            assert answer is not None, f"only {heard}"
            heard.append((answer[0].name, answer[1]))
        return sorted(heard)

    def ask_until_answered(self, *to: Any) -> tuple[Room, str]:
        """Ask again and again: a datagram may be lost, or come too early."""
        deadline = time.monotonic() + DEADLINE_S
        while (answer := self.hear(0.05)) is None:
            assert time.monotonic() < deadline, "nobody has answered"
            self.ask(*to)
        return answer


@pytest.mark.parametrize("to", ["127.0.0.1", pytest.param(ALL_HERE, marks=ON_LINUX)])
def test_who_asks_is_told_what_the_room_is(udp_port: int, to: str) -> None:
    with serving(udp_port) as server, Asker() as asker, LinePeer(server.port, "Ada"), LinePeer(server.port, "Bob"):
        asker.ask(to, udp_port)
        assert asker.hear() == (Room(server._timeline.room_id, "Aula 3", server.port, 2, needs_code=False), "127.0.0.1")


def test_a_member_is_told_the_same_id_and_name(udp_port: int) -> None:
    with serving(udp_port) as server, Asker() as asker, Peer(server.port) as peer:
        peer.send('{"type":"hello","version":1,"language":"it"}\n{"type":"join","name":"Ada"}\n')
        room, _ = asker.ask_until_answered("127.0.0.1", udp_port)
        assert f'"room":"{room.id}"' in peer.expect(f'"title":"{room.name}"')


def test_a_room_is_asked_on_the_number_of_its_own_port_too(udp_port: int) -> None:
    with serving(udp_port) as server, Asker() as asker:
        assert asker.ask_until_answered("127.0.0.1", server.port)[0].port == server.port


@ON_LINUX
def test_all_rooms_of_a_machine_answer_a_broadcast(udp_port: int) -> None:
    with serving(udp_port, name="Aula"), serving(udp_port, name="Lab"), Asker() as asker:
        asker.ask(ALL_HERE, udp_port)
        assert asker.hear_all(2) == [("Aula", "127.0.0.1"), ("Lab", "127.0.0.1")]


@WITH_OTHER_LOOPBACKS
@NOT_ON_WINE
def test_one_that_asks_too_often_gets_no_more_answers_and_others_do(
    udp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ASKER_RATE", 1e-9)
    monkeypatch.setattr(module, "ASKER_BURST", 5.0)
    with serving(udp_port), Asker() as greedy, Asker("127.0.0.2") as other:
        for _ in range(50):
            greedy.ask("127.0.0.1", udp_port)
        other.ask("127.0.0.1", udp_port)
        assert other.hear() is not None  # what was asked before has been read
        assert len(greedy.hear_all(5)) == 5
        assert greedy.hear(0) is None


def test_where_no_address_has_limits_one_may_ask_for_many(udp_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ASKER_RATE", 1e-9)
    monkeypatch.setattr(module, "ASKER_BURST", 5.0)
    with serving(udp_port, max_per_host=0), Asker() as asker:
        for _ in range(20):
            asker.ask_until_answered("127.0.0.1", udp_port)


@WITH_OTHER_LOOPBACKS
@NOT_ON_WINE
def test_all_together_get_no_more_answers_than_there_may_be(udp_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_RATE", 1e-9)
    monkeypatch.setattr(module, "ANSWER_BURST", 7.0)
    with serving(udp_port) as server, contextlib.ExitStack() as stack:
        askers = [stack.enter_context(Asker(f"127.0.0.{number}")) for number in range(2, 22)]
        for asker in askers:
            asker.ask("127.0.0.1", udp_port)
        assert server.finder is not None
        counted = server.finder._askers
        wait_until(lambda: len(counted._each) == len(askers))
        server.stop()
        assert sum(asker.hear(0) is not None for asker in askers) == 7


def test_no_more_addresses_are_counted_than_there_is_room_for() -> None:
    askers = Askers()
    first, *others = [ipaddress.ip_address(f"10.0.{number // 256}.{number % 256}") for number in range(5000)]
    for address in others[:500]:
        assert askers.may_ask(address, 0.0)
    while askers.may_ask(first, 0.0):
        pass
    for address in others:
        askers.may_ask(first, 0.0)
        assert askers.may_ask(address, 0.0)
        assert len(askers._each) <= module.MAX_ASKERS
    assert not askers.may_ask(first, 0.0)  # it has gone on asking, and is not forgotten


@WITH_OTHER_LOOPBACKS
@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\0",
        os.urandom(600),
        b"[" * 2000,
        b" " * 60_000,
        encode_question(NONCE)[:-1],
        encode_question("à"),
        rooms.encode_answer(NONCE, Room("a", "b", 1, 1)).ljust(rooms.QUESTION_BYTES),
    ],
    ids=["empty", "byte", "random", "brackets", "long", "short", "nonce", "answer"],
)
def test_garbage_by_the_thousand_gets_no_answer_and_keeps_nobody_from_one(udp_port: int, garbage: bytes) -> None:
    with serving(udp_port), Asker("127.0.0.3") as stranger, Asker() as asker:
        for _ in range(3000):
            with contextlib.suppress(OSError):
                stranger.sock.sendto(garbage, ("127.0.0.1", udp_port))
        asker.ask_until_answered("127.0.0.1", udp_port)
        assert stranger.hear(0) is None


def test_a_server_that_is_not_to_be_found_hears_nobody() -> None:
    server = ChatServer(open_listener("127.0.0.1", 0), limits())
    server.start()
    assert server.finder is None
    server.stop()


@pytest.mark.parametrize("option", [[], ["--hidden"]])
def test_a_program_is_found_unless_it_is_hidden(udp_port: int, option: list[str]) -> None:
    command = [str(TOP / "chat_server.py"), "--host", "127.0.0.1", "--port", "0", "--room", " Aula\t3 ", *option]
    with Program(*command, LAN_CHAT_UDP_PORT=str(udp_port)) as program, Asker() as asker:
        program.expect("porta ")
        port = int(program.expect("\n"))
        if option:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.bind(("127.0.0.1", udp_port))  # nobody else has it
        else:
            room, _ = asker.ask_until_answered("127.0.0.1", udp_port)
            assert (room.name, room.port) == ("Aula 3", port)


def test_stopping_ends_the_thread_and_gives_the_ports_back(udp_port: int) -> None:
    with serving(udp_port) as server, Asker() as asker:
        asker.ask_until_answered("127.0.0.1", udp_port)
        finder, tcp_port = server.finder, server.port
        assert finder is not None
        server.stop()
        server.stop()
        finder.stop()
        assert not finder._thread.is_alive()
        for port in (udp_port, tcp_port):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.bind(("127.0.0.1", port))


def test_stopping_does_not_wait_for_a_flood_to_be_over(udp_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READ_RATE", 1e-6)
    monkeypatch.setattr(module, "READ_BURST", 1.0)
    with serving(udp_port) as server, Asker() as asker:
        for _ in range(3):
            asker.ask("127.0.0.1", udp_port)
        assert asker.hear() is not None
        assert server.finder is not None
        finder = server.finder
        server.stop()
        assert not finder._thread.is_alive()


def make(host: str = "127.0.0.1", udp_port: int = 0) -> Finder:
    """A finder that is not started."""
    with open_listener(host, 0) as listener:
        return Finder(lambda: Room("a", "Aula", 1, 1), listener, udp_port, words=ITALIAN)


def test_a_finder_that_was_never_started_can_be_stopped() -> None:
    make().stop()


def test_a_port_that_another_program_has_is_told_and_the_server_goes_on(udp_port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        if sys.platform == "win32":
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        taken.bind(("127.0.0.1", udp_port))
        command = [str(TOP / "chat_server.py"), "--host", "127.0.0.1", "--port", "0"]
        with Program(*command, LAN_CHAT_UDP_PORT=str(udp_port)) as program, Asker() as asker:
            program.expect("porta ")
            port = int(program.expect("\n"))
            sentence, _, _ = ITALIAN.room_unfound.format(
                room=module.host_name(), port=udp_port, error="ERROR"
            ).partition("ERROR")
            program.expect(sentence)
            with LinePeer(port, "Ada"):
                assert asker.ask_until_answered("127.0.0.1", port)[0].people == 1


class Broken:
    """A socket whose calls fail, as the system's do when interfaces go or somebody does not listen any more."""

    def __init__(self, *errors: OSError) -> None:
        self.errors = list(errors)

    def recvfrom(self, size: int) -> tuple[bytes, tuple[str, int]]:
        if self.errors:
            raise self.errors.pop(0)
        return encode_question(NONCE), ("127.0.0.1", 9)

    def sendto(self, datagram: bytes, to: object) -> None:
        raise OSError(errno.EHOSTUNREACH, "no way there")


@pytest.mark.parametrize("number", [errno.ECONNRESET, errno.ENOBUFS, errno.ENETDOWN, errno.EAGAIN, errno.EMSGSIZE])
def test_what_the_system_cannot_read_or_send_is_passed_over(number: int) -> None:
    finder = make()
    try:
        sock: Any = Broken(OSError(number, "failed"))
        finder._hear(Ear(sock, sock))
        finder._hear(Ear(sock, sock))
        assert not sock.errors
    finally:
        finder.stop()


def test_a_read_that_always_fails_does_not_keep_the_thread_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    finder = make()
    waits: list[float] = []
    monkeypatch.setattr(finder._is_stopping, "wait", waits.append)
    try:
        count = 2 * int(module.READ_BURST / module.FAILED_READ_UNITS)
        sock: Any = Broken(*[OSError(errno.ENETDOWN, "down")] * count)
        for _ in range(count):
            finder._hear(Ear(sock, sock))
        assert waits
    finally:
        finder.stop()


def test_an_error_of_our_own_is_logged_and_answering_goes_on(
    udp_port: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "FAILURE_PAUSE_S", 0.0)
    with serving(udp_port) as server, Asker() as asker:
        assert server.finder is not None
        failures = iter([ZeroDivisionError("injected")])
        describe = server.finder._describe

        def describe_or_fail() -> Room:
            for error in failures:
                raise error
            return describe()

        monkeypatch.setattr(server.finder, "_describe", describe_or_fail)
        asker.ask_until_answered("127.0.0.1", udp_port)
    assert "ZeroDivisionError: injected" in caplog.text
    caplog.clear()


def test_only_who_can_reach_a_room_on_this_machine_alone_is_answered() -> None:
    finder = make()
    try:
        finder._look_around()
        for ear in finder._ears:
            assert finder._is_for(ipaddress.ip_address("127.0.0.1"), ear)
            assert not finder._is_for(ipaddress.ip_address("192.168.1.2"), ear)
            assert not finder._is_for(ipaddress.ip_address("8.8.8.8"), ear)
    finally:
        finder.stop()


@pytest.mark.root
def test_a_room_on_ipv6_alone_is_asked_there(udp_port: int) -> None:
    with (
        machines("one") as (one,),
        one.at(),
        serving(udp_port, "::1") as server,
        Asker("::1", socket.AF_INET6) as asker,
        Asker() as other,
    ):
        room, host = asker.ask_until_answered("::1", udp_port)
        assert (room.port, host) == (server.port, "::1")
        other.ask("127.0.0.1", udp_port)
        assert asker.ask_until_answered("::1", udp_port)[0] == room
        assert other.hear(0) is None


# --- its name -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("pc-di-ada", "pc-di-ada"),
        ("PC1.lab.example.org", "PC1"),
        ("", "Chat"),
        (".local", "Chat"),
        ("\x1b\x07", "Chat"),
        ("x" * 80, "x" * 39 + "…"),
        (OSError("unknown"), "Chat"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no text"), "Chat"),
    ],
    ids=repr,
)
def test_a_room_without_a_name_has_this_machines(
    said: str | Exception, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gethostname() -> str:
        if isinstance(said, Exception):
            raise said
        return said

    monkeypatch.setattr(socket, "gethostname", gethostname)
    assert module.host_name() == name


@pytest.mark.parametrize("name", ["", "  ", "\t\n", "\u200b\u2060", "\x1b", "\udcff"])
def test_a_name_that_nobody_can_see_is_explained(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        chat_server.parse_arguments(["--room", name])
    assert ended.value.code == 2
    assert ITALIAN.bad_room in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a" * 500, "Aula \udcff\udcfe", "riga\nriga", "évil\u202egnp", "🙂" * 90])
def test_any_other_name_is_cleaned_and_fits_an_answer(name: str) -> None:
    arguments = chat_server.parse_arguments(["--room", name])
    cleaned = rooms.room_name(arguments.room)
    answer = rooms.encode_answer("f" * 64, Room("0" * 64, cleaned, 65535, rooms.MAX_PEOPLE))
    found = decode_answer(answer, {"f" * 64})
    assert found is not None
    assert len(found.name) <= rooms.MAX_ROOM_NAME_CHARACTERS


# --- between machines -----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def bridge(*names: str) -> Iterator[list[Machine]]:
    """Machines at one switch, each with a card `lan0`."""
    with machines(*names, "switch") as (*ends, switch):
        switch.ip("link", "add", "br0", "type", "bridge", "forward_delay", "0")
        switch.ip("link", "set", "br0", "up")
        for number, machine in enumerate(ends):
            plug_in(machine, "lan0", switch, f"port{number}")
        yield [*ends, switch]


def plug_in(machine: Machine, card: str, switch: Machine, port: str) -> None:
    machine.plug_in(card, switch, port)
    switch.ip("link", "set", port, "master", "br0")


@pytest.mark.root
def test_three_servers_answer_a_broadcast_from_each_of_two_interfaces() -> None:
    with bridge("one", "two", "three", "client") as (*servers, client, switch), contextlib.ExitStack() as stack:
        for number, machine in enumerate(servers, start=1):
            machine.add_address("lan0", f"10.1.0.{number}/24")
            machine.add_address("lan0", f"10.2.0.{number}/24")
        plug_in(client, "lan1", switch, "second")
        client.add_address("lan0", "10.1.0.9/24")
        client.add_address("lan1", "10.2.0.9/24")
        for number, machine in enumerate(servers, start=1):
            with machine.at():
                stack.enter_context(serving(rooms.PORT, "", f"Aula {number}", 53000 + number))
        with client.at():
            for network in ("10.1.0", "10.2.0"):
                for everybody in (f"{network}.255", "255.255.255.255"):
                    with Asker(f"{network}.9") as asker:
                        asker.ask(everybody, rooms.PORT)
                        heard = asker.hear_all(3)
                assert heard == [(f"Aula {number}", f"{network}.{number}") for number in (1, 2, 3)]


@pytest.mark.root
def test_a_room_at_one_address_answers_from_there_and_only_who_can_come() -> None:
    with machines("near", "far") as (near, far):
        near.plug_in("lan0", far, "eth0")
        near.plug_in("lan1", far, "eth1")
        for machine, cards, number in ((near, ("lan0", "lan1"), 1), (far, ("eth0", "eth1"), 2)):
            machine.add_address(cards[0], f"10.1.0.{number}/24")
            machine.add_address(cards[1], f"10.2.0.{number}/24")
        with near.at(), serving(rooms.PORT, "10.1.0.1"):
            with Asker("10.1.0.1") as here:
                assert here.ask_until_answered("255.255.255.255", rooms.PORT)[1] == "10.1.0.1"
            with far.at(), Asker("10.1.0.2") as neighbour, Asker("10.2.0.2") as other:
                other.ask("10.2.0.255", rooms.PORT)
                for to in ("10.1.0.255", "255.255.255.255", "10.1.0.1"):
                    assert neighbour.ask_until_answered(to, rooms.PORT)[1] == "10.1.0.1"
                assert other.hear(0) is None
                # It has asked at the very address, so it has a way there.
                assert other.ask_until_answered("10.1.0.1", rooms.PORT)[1] == "10.1.0.1"


@pytest.mark.root
def test_two_rooms_of_one_machine_answer_a_neighbours_broadcast() -> None:
    with machines("near", "far") as (near, far):
        near.plug_in("lan0", far, "eth0")
        near.add_address("lan0", "192.168.7.1/24")
        far.add_address("eth0", "192.168.7.2/24")
        aula, lab = serving(rooms.PORT, "", "Aula", 53000), serving(rooms.PORT, "", "Lab", 53001)
        with near.at(), aula, lab, far.at(), Asker("192.168.7.2") as asker:
            asker.ask("192.168.7.255", rooms.PORT)
            assert asker.hear_all(2) == [("Aula", "192.168.7.1"), ("Lab", "192.168.7.1")]
            assert asker.ask_until_answered("192.168.7.1", 53001)[0].name == "Lab"


@pytest.mark.root
def test_nobody_beyond_the_lan_is_answered() -> None:
    with machines("near", "far") as (near, far):
        near.plug_in("lan0", far, "eth0")
        near.add_address("lan0", "192.168.7.1/24")
        far.add_address("eth0", "192.168.7.2/24")
        far.add_address("eth0", "198.51.100.2/24")
        near.ip("route", "add", "default", "via", "192.168.7.2")
        with (
            near.at(),
            serving(rooms.PORT, ""),
            far.at(),
            Asker("198.51.100.2") as stranger,
            Asker("192.168.7.2") as asker,
        ):
            stranger.ask("192.168.7.1", rooms.PORT)
            asker.ask_until_answered("192.168.7.1", rooms.PORT)
            assert stranger.hear(0) is None


@pytest.mark.root
@pytest.mark.parametrize("host", ["::", "fe80::1%lan0"])
def test_the_ipv6_group_is_heard_on_an_interface_that_comes_later(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INTERFACES_S", 0.05)
    with machines("near", "far") as (near, far):
        if host != "::":
            near.plug_in("lan0", far, "eth0")
            near.add_address("lan0", "fe80::1/64")
            far.add_address("eth0", "fe80::2/64")
        with near.at(), serving(rooms.PORT, host):
            if host == "::":
                near.plug_in("lan0", far, "eth0")
                near.add_address("lan0", "fe80::1/64")
                far.add_address("eth0", "fe80::2/64")
            with far.at(), Asker("::", socket.AF_INET6) as asker:
                index = next(one.index for one in interfaces() if str(one.address) == "fe80::2")
                _, answered = asker.ask_until_answered(rooms.GROUP, rooms.PORT, 0, index)
                assert answered.partition("%")[0] == "fe80::1"
