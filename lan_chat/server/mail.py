"""The server's own events: what a client's thread tells the delivery thread about its connection.

They are never on the wire. A name that is asked for is checked before it is handed over.
"""

from __future__ import annotations

from dataclasses import dataclass

import protocol
from protocol import Dialect, Event, Join, Reason, Say, Stranger


@dataclass(frozen=True)
class Connected(Event):
    """The connection is there, and wants to be greeted."""

    kind: type[Dialect] | None = None
    """The dialect that the client speaks, where it is not to be found out."""
    greeting: bytes = b""
    """What it is greeted with then."""


@dataclass(frozen=True)
class Settled(Event):
    """The client speaks this dialect."""

    kind: type[Dialect]


@dataclass(frozen=True)
class Strange(Event):
    """The client speaks another protocol."""

    stranger: Stranger
    is_full: bool = False
    """Whether there is no place for it in any case."""


@dataclass(frozen=True)
class TurnAway(Event):
    """There is no place for this client, or it has not the room's code."""

    reason: Reason = Reason.FULL


@dataclass(frozen=True)
class NameProposed(Event):
    """What may be the name that a client asks for, folded and checked, with what it said."""

    said: Say | Join
    name: str | None
    """None where it cannot be a name."""
    key: str


@dataclass(frozen=True)
class TelnetAnswer(Event):
    """What this client's telnet has to be sent, as it is."""

    data: bytes


@dataclass(frozen=True)
class Silence(Event):
    """So many bytes of a client that have said nothing: blank lines, a telnet's commands, objects of unknown types."""

    size: int


@dataclass(frozen=True)
class Ended(Event):
    """Nothing more will be read from this client, which had not said goodbye."""

    why: str
    is_failure: bool = False
    """Whether the server's own failure is the reason."""


def as_proposal(event: Event, names_may_be_said: bool) -> Event:
    """Prepare what may be a name, which is costly, so that the delivery thread need not; all else stays as it is."""
    match event:
        case Join(name=raw):
            pass
        case Say(text=raw) if names_may_be_said:
            pass
        case _:
            return event
    name = protocol.parse_name(raw)
    return NameProposed(event, name, protocol.name_key(name) if name is not None else "")
