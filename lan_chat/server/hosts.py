"""What one address may do, however many clients it has: connecting, talking, asking to be let in. Any thread.

Many people can be behind one address, so the operator is told when one meets a limit. A machine may own many IPv6
addresses: these limits do not bind it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from lan_chat.server.handshakes import Handshakes
from lan_chat.server.options import BURST, Options
from lan_chat.server.rate import Allowance
from lan_chat.server.words import ServerWords

TALK_SHARES = 5
"""For how many members' worth of talking an address is good, also over reconnections."""
ASK_RATE, ASK_BURST = 5.0, 100.0
"""How often an address may ask to be let in: sustained rate, in units a second, and burst."""
MAX_ASK_WAIT_S = 30.0
"""How long it waits for that at most, whatever its members have missed: a page gives up after 40 s of silence."""
CONNECT_RATE, CONNECT_BURST = 100.0, 400.0
"""How many connections an address may make, of which a browser makes one for each request: sustained rate, in
connections a second, and burst."""
MAX_CONNECT_WAIT_S = 3.0
"""How long a connection waits for that at most: our client gives up after 5 s."""
GUESS_RATE, GUESS_BURST = 2.0, 20.0
"""How many wrong codes an address may try: sustained rate, in tries a second, and burst."""
FAILURE_RATE, FAILURE_BURST = 200.0, 50.0
"""How many handshakes of all addresses may fail, so that the members do not feel it: sustained rate, in handshakes a
second, and burst."""
FORGET_S = 60.0
"""How often the addresses that have nobody here any more are looked through."""

log = logging.getLogger(__name__)


class Host:
    """One address."""

    def __init__(self, rate: float) -> None:
        self.connections = 0
        self.talking = Allowance(TALK_SHARES * rate, TALK_SHARES * BURST)
        self.asking = Allowance(ASK_RATE, ASK_BURST, ASK_RATE * MAX_ASK_WAIT_S)
        self.connecting = Allowance(CONNECT_RATE, CONNECT_BURST, CONNECT_RATE * MAX_CONNECT_WAIT_S)
        self.guessing = Allowance(GUESS_RATE, GUESS_BURST)
        self.told: set[str] = set()
        """The limits that the operator was told of."""


class Hosts:
    """The addresses that have, or had a moment ago, a connection here."""

    def __init__(self, options: Options, words: ServerWords) -> None:
        self._options = options
        self._words = words
        self.handshakes = Handshakes(self.are_limited)
        self._failing = Allowance(FAILURE_RATE, FAILURE_BURST)
        self._lock = threading.Lock()
        """Guards all that follows, and a Host's `connections` and `told`; an allowance has a lock of its own."""
        self._hosts: dict[str, Host] = {}
        self._looked_at = time.monotonic()

    @property
    def are_limited(self) -> bool:
        """Whether there are limits for an address."""
        return self._options.max_per_host > 0

    def enter(self, address: str) -> bool:
        """Count a new connection, and return whether there was a place for it."""
        with self._lock:
            self._forget_idle()
            host = self._host(address)
            is_full = self.are_limited and host.connections >= self._options.max_per_host
            if not is_full:
                host.connections += 1
        if is_full:
            self.tell(address, self._words.limit_connections.format(count=self._options.max_per_host))
        return not is_full

    def leave(self, address: str) -> None:
        """Count a connection that is closed."""
        with self._lock:
            self._host(address).connections -= 1

    def connect(self, address: str) -> float:
        """Charge an address with a connection, and return how many seconds that has to wait, in one of its places."""
        return self._charge(address, 1.0, lambda host: host.connecting, limit=self._words.limit_connecting)

    def talk(self, address: str, units: float) -> float:
        """Charge an address with what it said, and return how many seconds that has to wait."""
        return self._charge(address, units, lambda host: host.talking, limit=self._words.limit_talking)

    def ask(self, address: str, units: float = 1.0) -> float:
        """Charge an address with asking to be let in, and return how many seconds that has to wait."""
        return self._charge(address, units, lambda host: host.asking, limit=self._words.limit_asking)

    def guess(self, address: str, units: float) -> float:
        """Charge an address with wrong codes, and return how many seconds its next handshake has to wait."""
        return self._charge(address, units, lambda host: host.guessing, limit=self._words.limit_guessing)

    def fail(self) -> float:
        """Count a handshake that has failed, of any address, and return how many seconds its answer has to wait."""
        return self._failing.take(1.0, time.monotonic())

    def tell(self, address: str, limit: str) -> None:
        """Tell the operator, once for each address and limit, and how to lift it."""
        with self._lock:
            host = self._host(address)
            if limit in host.told:
                return
            host.told.add(limit)
        log.warning(self._words.log_host_limit.format(host=address, limit=limit))

    def _charge(self, address: str, units: float, allowance_of: Callable[[Host], Allowance], *, limit: str) -> float:
        """Take units from one of the allowances of an address, and return how many seconds they have to wait.

        Where they have to, the operator is told which limit was met.
        """
        if not self.are_limited:
            return 0.0
        with self._lock:
            host = self._host(address)
        wait_s = allowance_of(host).take(units, time.monotonic())
        if wait_s:
            self.tell(address, limit)
        return wait_s

    def _host(self, address: str) -> Host:
        host = self._hosts.get(address)
        if host is None:
            host = self._hosts[address] = Host(self._options.rate)
        return host

    def _forget_idle(self) -> None:
        """Forget the addresses of which nothing would be known better."""
        now = time.monotonic()
        if now < self._looked_at + FORGET_S:
            return
        self._looked_at = now
        for address, host in list(self._hosts.items()):
            allowances = (host.talking, host.asking, host.connecting, host.guessing)
            if not host.connections and all(allowance.is_full(now) for allowance in allowances):
                del self._hosts[address]
