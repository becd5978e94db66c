"""The search for rooms on the LAN: asks by UDP where they are, again and again, and lists those that answer.

Thread "search" owns the sockets: it opens, uses and closes them. Thread "search-names" resolves the names among the
remembered hosts, as that may take long. No question needs a firewall rule here: each answer comes back to the port
that has asked. It is asked by broadcast on each interface, by multicast of IPv6, and one by one the rooms that are
remembered or were found. Some firewalls let in only who was asked by its own address; so where nobody else has
answered a broadcast, each address of a small network is asked, once.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import math
import sched
import secrets
import selectors
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from lan_chat import process
from lan_chat.interfaces import Interface, interfaces
from lan_chat.rooms import (
    GROUP,
    MAX_DATAGRAM_BYTES,
    PORT,
    Found,
    Remembered,
    Rooms,
    broadcasts,
    decode_answer,
    encode_question,
    is_here,
    may_be_answered,
    neighbours,
)
from lan_chat.sockets import peer_address

log = logging.getLogger(__name__)

ROUND_S, LATER_ROUND_S = 2.0, 8.0
"""How often everybody is asked: in the first QUICK_ROUNDS, and then, as a search may go on for hours."""
QUICK_ROUNDS = 30
LOOK_S, SHORT_LOOK_S = 1.0, 0.5
"""How long the user waits for the first list, at most, and where another machine has answered a broadcast; a laptop on
Wi-Fi that saves power may hear of it 0.3 s late."""
MULTICAST_AFTER_S = 0.1
"""How much later is asked by IPv6, so that a room is listed by the address that people know, if it has one."""
BROADCAST_WAIT_S = 0.3
"""How long an answer to a broadcast may take, until each address is asked by itself."""
SWEEP_S, SWEEP_STEP_S = 0.5, 0.01
"""Over how long these questions are spread, and how often some of them are sent."""
SEND_BUFFER_BYTES = 1024 * 1024
"""Linux keeps a datagram in here for 3 s while nobody has the address that it is for; one takes 1,280 bytes."""
READ_AT_ONCE = 64
"""How many datagrams of one socket are read before the clock is looked at again."""
NONCES_KEPT_ROUNDS = 2
"""An answer may be late, to the round before."""

IP_BOUND_IF = 25
"""The option of macOS's <netinet/in.h> that Python has no name for: the one interface that a socket sends through."""
EVERYWHERE = (("0.0.0.0", 0), ("::", 0, 0, 0))
"""What a socket is bound to that asks hosts by their addresses: the system chooses the interface."""


class Search:
    """A search for rooms that goes on until `close`. All methods are for any thread but "search"."""

    def __init__(
        self,
        remembered: Sequence[Remembered],
        ring: Callable[[], object],
        *,
        udp_port: int | None = None,
        look_up: Callable[[], Iterable[Interface]] = interfaces,
        asks_each: bool = True,
    ) -> None:
        """Prepare a search. `ring` is called in its thread when the list has changed, and when `has_looked` is set.

        `udp_port` is where servers are asked, the usual one if None, and nobody is asked if it is 0. `look_up` returns
        the interfaces on which that is done. `asks_each`: whether each address of a small network may be asked.
        """
        self.has_looked = threading.Event()
        """Set when everybody had time to answer, LOOK_S after the start at the latest."""
        self._remembered = tuple(remembered)
        self._ring = ring
        self._udp_port = process.udp_port(PORT) if udp_port is None else udp_port
        self._look_up = look_up
        self._asks_each = asks_each
        self._lock = threading.Lock()
        """Guards `_rooms` and `_resolved`."""
        self._rooms = Rooms(self._remembered)
        self._resolved: set[Any] = set()
        """Where the remembered hosts with names are, as far as that is known by now."""
        self._is_closed = False
        self._wake, self._waking = socket.socketpair()
        self._waking.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="search", daemon=True)
        # From here on for the thread "search" only.
        self._schedule = sched.scheduler(time.monotonic)
        self._selector = selectors.DefaultSelector()
        self._sockets: dict[Any, socket.socket] = {}
        """By the address that each is bound to."""
        self._rounds = 0
        """How many there have been."""
        self._here: list[Interface] = []
        self._broadcast_nonces: deque[str] = deque(maxlen=NONCES_KEPT_ROUNDS)
        self._other_nonces: deque[str] = deque(maxlen=3 * NONCES_KEPT_ROUNDS)
        self._unicast_question = b""
        """The question of this round to those whose addresses are known."""
        self._is_broadcast_answered = False
        """Whether another machine has answered a broadcast of this round."""
        self._swept: set[frozenset[str]] = set()
        """The networks of which each address has been asked: all hosts of each."""
        self._to_sweep: deque[tuple[str, str]] = deque()
        """Who is to be asked yet in this way: from which address of this machine, and whom."""
        self._sweep_question = b""
        self._sweep_ends = 0.0

    def start(self) -> None:
        """Begin to ask."""
        if self._udp_port:
            self._thread.start()
        else:
            self.has_looked.set()

    def close(self) -> None:
        """End the search at once. May be called twice, and without a start."""
        self._is_closed = True
        self._wake_up()
        if self._thread.ident is not None:
            self._thread.join()
        for end in (self._wake, self._waking):
            end.close()
        self._selector.close()

    def rooms(self) -> list[Found]:
        """Return the rooms that are known by now, in the order in which they were found."""
        with self._lock:
            return list(self._rooms)

    def refuse(self, host: str, port: int) -> None:
        """Believe this address no more: another one that has the same `id` is listed when it answers next."""
        with self._lock:
            self._rooms.refuse(host, port)

    def _wake_up(self) -> None:
        with contextlib.suppress(OSError):  # full of other bytes, or closed
            self._waking.send(b"\0")

    def _run(self) -> None:
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._schedule.enter(LOOK_S, 0, self._end_look)
        self._schedule.enter(SHORT_LOOK_S, 0, self._end_short_look)
        try:
            self._begin_resolving()
            self._begin_round()
            while not self._is_closed:
                wait_s = self._schedule.run(blocking=False)
                self._read(self._selector.select(wait_s))
        except Exception:
            log.exception("The search for rooms failed")
        finally:
            self._keep_sockets(set())
            self.has_looked.set()

    def _read(self, ready: Iterable[tuple[selectors.SelectorKey, int]]) -> None:
        """Read what has come, and take the answers in it."""
        has_changed = False
        for key, _ in ready:
            if key.fileobj is self._wake:
                self._wake.recv(4096)
                if not self._is_closed:  # a name was resolved
                    self._ask_known()
                continue
            for datagram, sender in _datagrams(self._sockets[key.data]):
                has_changed = self._take(datagram, sender) or has_changed
        if has_changed:
            self._ring()

    def _take(self, datagram: bytes, sender: tuple[Any, ...]) -> bool:
        """Take an answer, and return whether it changed the list."""
        host, _ = peer_address(sender)
        if not may_be_answered(ipaddress.ip_address(host.partition("%")[0]), self._here):
            return False  # no server there would answer us
        room = decode_answer(datagram, self._broadcast_nonces)
        if room is not None and not is_here(host, self._here):
            self._is_broadcast_answered = True
        room = room or decode_answer(datagram, self._other_nonces)
        if room is None:
            return False
        with self._lock:
            return self._rooms.add(Found(room, host))

    # What is asked.

    def _begin_round(self) -> None:
        """Ask everybody again, on the interfaces that there are now."""
        self._rounds += 1
        self._schedule.enter(ROUND_S if self._rounds <= QUICK_ROUNDS else LATER_ROUND_S, 0, self._begin_round)
        self._here = list(self._look_up())
        asked = dict(broadcasts(self._here))
        own = {*asked, *(address for address, _ in neighbours(self._here))}
        self._keep_sockets({*EVERYWHERE, *((address, 0) for address in own), *_link_local(self._here)})
        with self._lock:
            has_changed = self._rooms.begin_round()
        self._is_broadcast_answered = False
        question = self._new_question(self._broadcast_nonces)
        for address, targets in asked.items():
            for target in targets:
                self._send((address, 0), question, (target, self._udp_port))
        self._unicast_question = self._new_question(self._other_nonces)
        self._ask_known()
        self._schedule.enter(MULTICAST_AFTER_S, 0, self._ask_groups)
        self._schedule.enter(BROADCAST_WAIT_S, 0, self._begin_sweep)
        if has_changed:
            self._ring()

    def _ask_known(self) -> None:
        """Ask the rooms that are remembered or were found, at the port of each and at the usual one."""
        places = {
            (host, port)
            for one in self._remembered
            for host in {one.host, one.place[0]}
            for port in (one.port, self._udp_port)
        }
        with self._lock:
            places |= {(one.host, port) for one in self._rooms for port in (one.room.port, self._udp_port)}
            targets = set(self._resolved)
        for host, port in places:
            with contextlib.suppress(OSError, UnicodeError):  # a name
                targets.update(_socket_addresses(host, port, socket.AI_NUMERICHOST))
        for target in targets:
            self._send(EVERYWHERE[len(target) > 2], self._unicast_question, target)

    def _ask_groups(self) -> None:
        question = self._new_question(self._other_nonces)
        for address in _link_local(self._here):
            self._send(address, question, (GROUP, self._udp_port, 0, address[3]))

    def _begin_sweep(self) -> None:
        """Ask each address of the small networks that were not asked so, if nobody else has answered a broadcast."""
        is_sweeping = bool(self._to_sweep)
        if self._asks_each and not self._is_broadcast_answered:
            self._sweep_question = self._new_question(self._other_nonces)
            self._sweep_ends = time.monotonic() + SWEEP_S
            for own, others in neighbours(self._here):
                hosts = frozenset((own, *others))
                if hosts not in self._swept:
                    self._swept.add(hosts)
                    self._to_sweep.extend((own, other) for other in others)
        if self._to_sweep and not is_sweeping:
            self._sweep_on()

    def _sweep_on(self) -> None:
        steps = max(1, math.floor((self._sweep_ends - time.monotonic()) / SWEEP_STEP_S))
        for _ in range(math.ceil(len(self._to_sweep) / steps)):
            own, other = self._to_sweep.popleft()
            self._send((own, 0), self._sweep_question, (other, self._udp_port))
        if self._to_sweep:
            self._schedule.enter(SWEEP_STEP_S, 0, self._sweep_on)

    def _end_short_look(self) -> None:
        if self._is_broadcast_answered:
            self._end_look()

    def _end_look(self) -> None:
        if not self.has_looked.is_set():
            self.has_looked.set()
            self._ring()

    def _new_question(self, nonces: deque[str]) -> bytes:
        nonces.append(secrets.token_hex(8))
        return encode_question(nonces[-1])

    # Names.

    def _begin_resolving(self) -> None:
        names = [one for one in self._remembered if not _is_literal(one.host)]
        if names:
            threading.Thread(target=self._resolve, args=(names,), name="search-names", daemon=True).start()

    def _resolve(self, names: Iterable[Remembered]) -> None:
        for one in names:
            for port in {one.port, self._udp_port}:
                with contextlib.suppress(OSError, UnicodeError):  # nobody knows it; it cannot be a name
                    found = _socket_addresses(one.host, port)
                    with self._lock:
                        self._resolved.update(found)
                    self._wake_up()
                if self._is_closed:
                    return

    # Sockets.

    def _keep_sockets(self, addresses: set[Any]) -> None:
        """Have one socket at each of these addresses of this machine, where the system lets us, and no other."""
        for address in self._sockets.keys() - addresses:
            sock = self._sockets.pop(address)
            self._selector.unregister(sock)
            sock.close()
        indexes = {str(one.address): one.index for one in self._here}
        for address in addresses - self._sockets.keys():
            with contextlib.suppress(OSError):  # no IPv6; an address that is not usable yet, or no longer
                sock = _open(address, indexes.get(address[0], 0))
                self._sockets[address] = sock
                self._selector.register(sock, selectors.EVENT_READ, address)

    def _send(self, source: Any, question: bytes, target: Any) -> None:
        """Send a question from the socket at an address. What cannot be sent is lost, as datagrams may be."""
        sock = self._sockets.get(source)
        if sock is None:
            return
        for _ in range(2):
            try:
                sock.sendto(question, target)
            except ConnectionResetError:  # Windows tells here that nobody listened to an earlier question
                continue
            except OSError:  # no route; a firewall that forbids it; a full buffer
                pass
            return


def search_after_break(remembered: Sequence[Remembered], ring: Callable[[], object]) -> Search:
    """Return a search for a room whose links broke, maybe those of all its clients at once.

    So it asks no address by itself but the known ones: hundreds that ask each address of a network would flood it.
    """
    return Search(remembered, ring, asks_each=False)


def _open(address: Any, interface: int) -> socket.socket:
    """Return a socket that asks from an address, perhaps one of an interface with this index. Raises OSError."""
    sock = socket.socket(socket.AF_INET6 if len(address) > 2 else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        if sock.family == socket.AF_INET:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            if sys.platform == "darwin" and interface:  # it may send elsewhere, whatever the socket is bound to
                sock.setsockopt(socket.IPPROTO_IP, IP_BOUND_IF, interface)
        elif interface:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, interface)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock


def _datagrams(sock: socket.socket) -> Iterator[tuple[bytes, tuple[Any, ...]]]:
    """Yield what has come, and from where."""
    for _ in range(READ_AT_ONCE):
        try:
            yield sock.recvfrom(MAX_DATAGRAM_BYTES)
        except BlockingIOError:
            return
        except OSError:  # on Windows also one that is too long, or the word that nobody listens where was asked
            continue


def _link_local(here: Iterable[Interface]) -> list[tuple[str, int, int, int]]:
    """Return the addresses from which a group of link-local scope can be asked, one for each interface."""
    by_index = {
        one.index: (str(one.address), 0, 0, one.index)
        for one in here
        if one.address.version == 6 and one.address.is_link_local and one.index
    }
    return list(by_index.values())


def _is_literal(host: str) -> bool:
    try:
        return bool(_socket_addresses(host, 0, socket.AI_NUMERICHOST))
    except (OSError, UnicodeError):
        return False


def _socket_addresses(host: str, port: int, flags: int = 0) -> set[Any]:
    """Return what a socket is given to send to a host: two fields for IPv4, four for IPv6.

    Raises:
        OSError: there is no such host.
        UnicodeError: it cannot be the name of one.
    """
    return {found[4] for found in socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=flags)}
