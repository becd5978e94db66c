"""The rooms of a LAN: how a client asks where they are, what a server answers, and what is believed of it.

Pure: no sockets, no threads, no clock. A question and an answer are one datagram each, a JSON object; a question is
padded, so that no answer is longer than what was asked with (nobody can be flooded with our answers).
"""

from __future__ import annotations

import ipaddress
import json
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import protocol
from lan_chat.interfaces import Interface, IPAddress

PORT = protocol.DEFAULT_PORT
"""The UDP port on which every server is asked, whatever its TCP port."""
GROUP = "ff12::6c61:6e63:6861:7400"
"""The IPv6 multicast group, of link-local scope: transient (RFC 4291, 2.7), as it is assigned by nobody."""
QUESTION_BYTES = 512
"""The length of a question, and the most that an answer has; below what every IPv4 host has to take (RFC 791, 576)."""
MAX_DATAGRAM_BYTES = 2048
"""What is read of a datagram: more than one of ours has."""
MAX_ROOMS, MAX_ROOMS_AT_ONE_HOST = 50, 10
"""The most rooms that a client lists, and of one address: a liar fills the list with no more of them."""
SILENT_ROUNDS = 3
"""For how many rounds of questions a room may be silent before it is listed no more: datagrams get lost."""
MAX_ROOM_NAME_CHARACTERS = 40
MAX_PEOPLE = 100_000
SWEPT_PREFIX = 24
"""The largest networks of which each address is asked by itself."""
MAX_SWEPT_NETWORKS = 4
"""Of how many of this machine's networks: each is 254 datagrams at most."""
QUESTION, ANSWER = "where", "here"

_ID = re.compile(r"[\w-]{1,64}", re.ASCII)
_ASKERS = tuple(
    ipaddress.ip_network(network)
    for network in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8", "100.64.0.0/10"),
        *("::1/128", "fe80::/10", "fc00::/7"),
    )
)
"""Private (RFC 1918, RFC 4193), link-local, loopback, and shared addresses (RFC 6598): no answer leaves a site."""


@dataclass(frozen=True)
class Room:
    """What a server says of its room."""

    id: str
    """What tells it from others: `Welcome.room`."""
    name: str
    port: int
    """The TCP port."""
    people: int
    needs_code: bool = False


@dataclass(frozen=True)
class Found:
    """A room, and where it was found."""

    room: Room
    host: str
    """The address that answered, as one writes it; a link-local one of IPv6 with its interface."""


@dataclass(frozen=True)
class Remembered:
    """A room in which the user was before."""

    id: str
    """Empty where the server did not say it."""
    name: str
    host: str
    port: int
    had_code: bool = False
    address: str = ""
    """The IP address that was reached, where `host` is a name."""

    @property
    def place(self) -> tuple[str, int]:
        """The IP address, as far as it is known, and the port."""
        return self.address or self.host, self.port


def room_name(text: str) -> str:
    """Return a text as the name of a room: one line, bounded; empty where nothing of it can be seen."""
    line = _with_few_marks(protocol.clean_line(text, MAX_ROOM_NAME_CHARACTERS)).strip()
    return line if protocol.without_invisible(line).strip() else ""


def _with_few_marks(text: str) -> str:
    """Return a text with at most MAX_MARKS combining marks in a row, and none where there is nothing to mark."""
    kept, count = "", protocol.MAX_MARKS
    for character in text:
        count = count + 1 if unicodedata.category(character) in ("Mn", "Me") else 0
        if count <= protocol.MAX_MARKS:
            kept += character
    return kept


def is_id(text: str) -> bool:
    """Return whether a text may be the `id` of a room: empty where a server has not said any."""
    return not text or _ID.fullmatch(text) is not None


def encode_question(nonce: str) -> bytes:
    """Return the datagram that asks for rooms; `nonce` comes back in the answers."""
    return json.dumps({"lan-chat": QUESTION, "nonce": nonce}).encode().ljust(QUESTION_BYTES)


def decode_question(datagram: bytes) -> str | None:
    """Return the nonce of a question; None for everything else, also for one that has no room for an answer."""
    found = _decode(datagram, QUESTION) if len(datagram) >= QUESTION_BYTES else None
    nonce = found.get("nonce") if found is not None else None
    return nonce if isinstance(nonce, str) and _ID.fullmatch(nonce) else None


def encode_answer(nonce: str, room: Room) -> bytes:
    """Return the datagram that answers a question, of QUESTION_BYTES at most."""
    fields = {"id": room.id, "name": room_name(room.name), "port": room.port, "people": room.people}
    answer = {"lan-chat": ANSWER, "nonce": nonce, **fields, "code": room.needs_code}
    return json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace")


def decode_answer(datagram: bytes, nonces: Collection[str]) -> Room | None:
    """Return the room in an answer to a question with one of these nonces; None for what is none, or makes no sense."""
    found = _decode(datagram, ANSWER) if len(datagram) <= QUESTION_BYTES else None
    if found is None:
        return None
    match found:
        case {"nonce": str(nonce), "id": str(room_id), "name": str(raw), "port": int(port), "people": int(people)}:
            name, code = room_name(raw), found.get("code", False)
            is_sound = bool(_ID.fullmatch(room_id) and name) and type(port) is type(people) is int
            if nonce in nonces and is_sound and 1 <= port <= 65535 and people >= 0 and isinstance(code, bool):
                return Room(room_id, name, port, min(people, MAX_PEOPLE), code)
    return None


def _decode(datagram: bytes, kind: str) -> dict[str, Any] | None:
    try:
        found = json.loads(datagram)
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
        return None
    return found if isinstance(found, dict) and found.get("lan-chat") == kind else None


def may_be_answered(asker: IPAddress, here: Iterable[Interface]) -> bool:
    """Return whether an address is one of a LAN, or of this machine's own networks."""
    if isinstance(asker, ipaddress.IPv6Address):
        asker = asker.ipv4_mapped or ipaddress.IPv6Address(asker.packed)  # without its scope
    if any(asker in network for network in _ASKERS if network.version == asker.version):
        return True
    own = [network_of(one) for one in here if one.address.version == asker.version]
    return any(asker in network for network in own if network.prefixlen)  # a tunnel's may be the whole Internet


def network_of(one: Interface) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """Return the network that an interface's address is in."""
    return ipaddress.ip_network((one.address.packed, one.prefix_length), strict=False)


def broadcasts(here: Iterable[Interface]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the IPv4 addresses of this machine, each with the addresses that reach everybody from there.

    255.255.255.255 besides a network's own broadcast address, as the server may think that its network is another one.
    """
    for one in here:
        if one.address.version == 4 and one.is_loopback:
            yield str(one.address), ("127.255.255.255", str(one.address))  # the first one reaches all rooms here
        elif one.broadcast is not None:
            yield str(one.address), (str(one.broadcast), "255.255.255.255")


def neighbours(here: Iterable[Interface]) -> Iterator[tuple[str, list[str]]]:
    """Yield addresses of this machine, each with all others of its network, where that is small enough to ask each."""
    networks: set[ipaddress.IPv4Network | ipaddress.IPv6Network] = set()
    for one in here:
        network = network_of(one)
        is_small = network.version == 4 and SWEPT_PREFIX <= network.prefixlen < 32
        if is_small and not one.is_loopback and network not in networks and len(networks) < MAX_SWEPT_NETWORKS:
            networks.add(network)
            yield str(one.address), [str(host) for host in network.hosts() if host != one.address]


class Rooms:
    """The rooms that were found, in the order in which they were, with the address that answered first.

    A room that the user knows has its row with the address where it was, once that answers. Who claims the `id` of
    another room can add a row where there is none, and never take one over.
    """

    def __init__(self, remembered: Iterable[Remembered] = ()) -> None:
        self._known = {one.id: one.place for one in remembered if one.id}
        self._rows: dict[str, Found] = {}
        self._round = 0
        self._heard: dict[str, int] = {}
        """In which round each row's own address has answered last."""
        self._refused: set[tuple[str, int]] = set()

    def __iter__(self) -> Iterator[Found]:
        return iter(self._rows.values())

    def __len__(self) -> int:
        return len(self._rows)

    def begin_round(self) -> bool:
        """Note that all are asked again, remove those that are silent, and return whether there were any."""
        self._round += 1
        silent = [room_id for room_id, heard in self._heard.items() if self._round - heard > SILENT_ROUNDS]
        for room_id in silent:
            del self._rows[room_id], self._heard[room_id]
        return bool(silent)

    def refuse(self, host: str, port: int) -> None:
        """Believe this address no more, which the user does not: another one that has the same `id` is listed then."""
        self._refused.add((host, port))
        for room_id in [room_id for room_id, found in self._rows.items() if _place(found) == (host, port)]:
            del self._rows[room_id], self._heard[room_id]

    def add(self, found: Found) -> bool:
        """Take an answer, and return whether that changed anything that is shown."""
        if _place(found) in self._refused:
            return False
        room_id = found.room.id
        before = self._rows.get(room_id)
        if before is None:
            if not self._make_room_for(found):
                return False
        elif _place(found) != _place(before) and (self._is_known(before) or not self._is_known(found)):
            return False
        self._rows[room_id] = found
        self._heard[room_id] = self._round
        return found != before

    def _make_room_for(self, found: Found) -> bool:
        """Return whether there is a row for one that is new: if all are taken, a room that the user knows gets one."""
        if sum(one.host == found.host for one in self) >= MAX_ROOMS_AT_ONE_HOST and not self._is_known(found):
            return False
        if len(self._rows) >= MAX_ROOMS:
            strangers = [room_id for room_id in self._rows if room_id not in self._known]
            if found.room.id not in self._known or not strangers:
                return False
            del self._rows[strangers[-1]], self._heard[strangers[-1]]
        return True

    def _is_known(self, found: Found) -> bool:
        return self._known.get(found.room.id) == _place(found)


def _place(found: Found) -> tuple[str, int]:
    return found.host, found.room.port


def is_here(host: str, here: Iterable[Interface]) -> bool:
    """Return whether an address is one of this machine."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:  # a name
        return False
    return address.is_loopback or any(address == one.address for one in here)


def usual_room(rooms: Iterable[Found], last: Remembered | None, here: Collection[Interface]) -> Found | None:
    """Return the room that is meant where the user chooses none: the last one, or this machine's, or the only one.

    None where nothing is found, or several without one that is likelier than the others.
    """
    found = list(rooms)
    if last is not None:
        # At its place is the last room, too, where its server has begun a new one: it keeps no record.
        again = [one for one in found if last.id == one.room.id] or [one for one in found if last.place == _place(one)]
        if again:
            return again[0]
    own = [one for one in found if is_here(one.host, here)]
    for few in (own, found):
        if few:
            return few[0] if len(few) == 1 else None
    return None


def needs_question(found: Found, remembered: Mapping[str, Remembered]) -> bool:
    """Return whether the user is to be asked before a room is entered, since another server may pose as it.

    So it is where a room that had a code has none now, or a server without one is in its place; or where one without a
    code answers from another address than before. One that had none, and says that it has one now, proves nothing by
    that.
    """
    known = remembered.get(found.room.id)
    if not found.room.needs_code and had_code(*_place(found), remembered.values()):
        return True
    if known is None or (known.had_code and found.room.needs_code):
        return False
    return known.had_code or known.place != _place(found)


def room_at(host: str, port: int, remembered: Iterable[Remembered]) -> Remembered | None:
    """Return the last room that the user was in at an address, or by a host's name; None for none."""
    return next((one for one in remembered if (host, port) in (one.place, (one.host, one.port))), None)


def had_code(host: str, port: int, remembered: Iterable[Remembered]) -> bool:
    """Return whether the last room that the user was in at an address had a code."""
    room = room_at(host, port, remembered)
    return room is not None and room.had_code
