"""The finder: answers who asks by UDP where the room is (`lan_chat.rooms`). Nothing is sent unasked.

Threads: finder reads and answers. Main opens the sockets when it makes a Finder, starts and stops it, and closes them.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import selectors
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from lan_chat.interfaces import Interface, IPAddress, interfaces
from lan_chat.rooms import (
    GROUP,
    MAX_DATAGRAM_BYTES,
    QUESTION_BYTES,
    Room,
    decode_question,
    encode_answer,
    may_be_answered,
    network_of,
    room_name,
)
from lan_chat.server.listening import is_ipv6_alone
from lan_chat.server.rate import Allowance
from lan_chat.server.words import ServerWords

LOOPBACK_BROADCAST = "127.255.255.255"
INTERFACES_S = 5.0
"""How often this machine's interfaces are looked at again: one that has come is asked on as well."""
ASKER_RATE, ASKER_BURST = 50.0, 200.0
"""How often one address may ask: so many a second sustained, and at once. A client asks a few times in two seconds."""
MAX_ASKERS = 1024
"""For how many addresses that is counted: those that have asked last."""
ANSWER_RATE, ANSWER_BURST = 500.0, 1000.0
"""How many answers all together get."""
READ_RATE, READ_BURST = 5000.0, 5000.0
"""How many datagrams are looked at, so that a flood of them takes no time from the room; the system drops the rest."""
FAILED_READ_UNITS = 50.0
"""As how many datagrams a failure to read counts: one that stays may not keep the thread busy."""
FAILURE_PAUSE_S = 1.0
"""How long the thread pauses after an error of our own."""
JOIN_S = 5.0

log = logging.getLogger(__name__)


def host_name() -> str:
    """Return the name that a room has if it is given none: this machine's, without its domain."""
    try:
        return room_name(socket.gethostname().partition(".")[0]) or "Chat"
    except (OSError, UnicodeError):  # a name that the system cannot tell, or that is no text
        return "Chat"


@dataclass(frozen=True)
class Ear:
    """A socket that hears questions, and the one that answers them: an answer comes from where clients connect to."""

    hearing: socket.socket
    answering: socket.socket


class Askers:
    """How often each address has asked, and how many answers all together have got."""

    def __init__(self, are_limited: bool = True) -> None:
        self._are_limited = are_limited
        """Whether there is a limit for each address, besides the one for all together."""
        self._each: dict[IPAddress, Allowance] = {}
        """Who has asked, the one that was silent for the longest time first."""
        self._all = Allowance(ANSWER_RATE, ANSWER_BURST)

    def may_ask(self, asker: IPAddress, now: float) -> bool:
        """Count that an address asks, and return whether it may."""
        if not self._are_limited:
            return True
        allowance = self._each.pop(asker, None) or Allowance(ASKER_RATE, ASKER_BURST)
        if len(self._each) >= MAX_ASKERS:
            del self._each[next(iter(self._each))]
        self._each[asker] = allowance
        return allowance.take_now(1.0, now)

    def may_be_answered(self, now: float) -> bool:
        """Count an answer, and return whether there may be one."""
        return self._all.take_now(1.0, now)


class Finder:
    """The sockets, and the thread that answers. Its public methods are for the main thread."""

    def __init__(
        self,
        describe: Callable[[], Room],
        listener: socket.socket,
        udp_port: int,
        *,
        words: ServerWords,
        are_askers_limited: bool = True,
        look_up: Callable[[], Iterable[Interface]] = interfaces,
    ) -> None:
        """Open the sockets: on `udp_port`, where clients ask all rooms, and on the number of the room's TCP port.

        `describe` is called in the finder thread for each answer, `look_up` returns the interfaces of this machine, and
        `are_askers_limited` says whether there is a limit for each address.
        """
        self.failure: tuple[int, OSError] | None = None
        """The UDP port that could not be had, and why."""
        self._describe = describe
        self._words = words
        self._look_up = look_up
        host, port, *_ = listener.getsockname()
        bound = ipaddress.ip_address(host.partition("%")[0])
        self._bound = None if bound.is_unspecified else bound
        """The one address that the room's clients connect to; None for all."""
        self._sockets: list[socket.socket] = []
        self._ears: list[Ear] = []
        self._in_group: list[socket.socket] = []
        """The sockets that are to hear what is sent to the IPv6 group."""
        for number in dict.fromkeys((udp_port, port)):
            try:
                self._open(listener, number)
            except OSError as error:
                self.failure = self.failure or (number, error)
        self._is_stopping = threading.Event()
        self._woken, self._waker = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="finder", daemon=True)
        # From here on for the finder thread only.
        self._here: list[Interface] = []
        self._look_at = time.monotonic()
        """When the interfaces are looked at again."""
        self._askers = Askers(are_askers_limited)
        self._reading = Allowance(READ_RATE, READ_BURST)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread at once, and close the sockets. May be called twice, and without a start."""
        if self._is_stopping.is_set():
            return
        self._is_stopping.set()
        self._waker.send(b"\0")
        if self._thread.ident is not None:
            self._thread.join(JOIN_S)
        for sock in (*self._sockets, self._woken, self._waker):
            sock.close()

    # Sockets. Main thread.

    def _open(self, listener: socket.socket, port: int) -> None:
        """Open what hears questions on a port, where the listener takes connections. Raises OSError."""
        is_ipv6 = listener.family == socket.AF_INET6
        if self._bound is None:
            if not is_ipv6 or not is_ipv6_alone(listener):
                everywhere = self._bind(socket.AF_INET, ("0.0.0.0", port))
                self._ears.append(Ear(everywhere, everywhere))
            if is_ipv6:
                everywhere = self._bind(socket.AF_INET6, ("::", port, 0, 0))
                self._ears.append(Ear(everywhere, everywhere))
                self._in_group.append(everywhere)
            return
        host, _, *scope = listener.getsockname()
        own = self._bind(listener.family, (host.partition("%")[0], port, *scope))
        self._ears.append(Ear(own, own))
        if not self._bound.is_loopback:  # what is sent to all reaches only a socket for all
            everywhere = self._bind(listener.family, ("::", port, 0, 0) if is_ipv6 else ("0.0.0.0", port))
            self._ears.append(Ear(everywhere, own))
            self._in_group += [everywhere] if is_ipv6 else []
        elif not is_ipv6:  # or one for that alone, which no firewall asks about; on Windows there is none
            with contextlib.suppress(OSError):
                self._ears.append(Ear(self._bind(socket.AF_INET, (LOOPBACK_BROADCAST, port)), own))

    def _bind(self, family: int, address: tuple[Any, ...]) -> socket.socket:
        """Return a new socket at an address, which other servers of this machine may use too. Raises OSError.

        What is sent to all reaches each of them, what is sent to one address only one.
        """
        sock = socket.socket(family, socket.SOCK_DGRAM)
        self._sockets.append(sock)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sys.platform == "darwin":  # where the former is for multicast only; Linux would ask for the same user
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setblocking(False)
        sock.bind(address)
        return sock

    # Answers. Finder thread.

    def _run(self) -> None:
        while not self._is_stopping.is_set():
            try:
                self._answer_questions()
            except Exception:
                log.exception(self._words.log_failure.format(thread="finder"))
                self._is_stopping.wait(FAILURE_PAUSE_S)

    def _answer_questions(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._woken, selectors.EVENT_READ)
            for ear in self._ears:
                selector.register(ear.hearing, selectors.EVENT_READ, ear)
            while not self._is_stopping.is_set():
                now = time.monotonic()
                if now >= self._look_at:
                    self._look_at = now + INTERFACES_S
                    self._look_around()
                for key, _ in selector.select(max(0.0, self._look_at - now)):
                    if key.data is not None:
                        self._hear(key.data)

    def _look_around(self) -> None:
        """Learn what this machine's addresses are, and hear the IPv6 group on each of its interfaces."""
        self._here = list(self._look_up())
        hosts = [one for one in self._here if one.address.version == 6 and self._bound in (None, one.address)]
        for index in {one.index for one in hosts}:
            request = socket.inet_pton(socket.AF_INET6, GROUP) + struct.pack("@I", index)
            for sock in self._in_group:
                with contextlib.suppress(OSError):  # it hears it there already; the interface has gone, or has none
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)

    def _hear(self, ear: Ear) -> None:
        """Read one datagram, and take it; wait where too many come."""
        units = 1.0
        try:
            datagram, sender = ear.hearing.recvfrom(MAX_DATAGRAM_BYTES)
        except (BlockingIOError, ConnectionResetError):  # it was damaged; Windows: nobody took an earlier answer
            pass
        except OSError:  # no memory, no network; Windows: it was too long
            units = FAILED_READ_UNITS
        else:
            self._take(datagram, sender, ear)
        wait_s = self._reading.take(units, time.monotonic())
        if wait_s:
            self._is_stopping.wait(wait_s)

    def _take(self, datagram: bytes, sender: tuple[Any, ...], ear: Ear) -> None:
        """Answer a datagram, if it is a question that may be answered."""
        now, asker = time.monotonic(), ipaddress.ip_address(sender[0].partition("%")[0])
        # Who asks too often is not decoded either: that takes longest.
        if len(datagram) < QUESTION_BYTES or not self._is_for(asker, ear) or not self._askers.may_ask(asker, now):
            return
        nonce = decode_question(datagram)
        if nonce is not None and self._askers.may_be_answered(now):
            with contextlib.suppress(OSError):  # no way to the asker, no memory: it asks again
                ear.answering.sendto(encode_answer(nonce, self._describe()), (str(asker), *sender[1:]))

    def _is_for(self, asker: IPAddress, ear: Ear) -> bool:
        """Return whether an address may be answered, and can reach the room."""
        if not may_be_answered(asker, self._here):
            return False
        if self._bound is None:
            return True
        if self._bound.is_loopback:
            return asker.is_loopback
        if ear.hearing is ear.answering:  # it was asked at the very address
            return True
        return asker.is_loopback or any(
            asker == one.address or (one.address == self._bound and asker in network_of(one)) for one in self._here
        )
