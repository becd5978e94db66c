"""What the server may be told by its command line, with the defaults. No thread."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

BURST = 100
"""Burst of one client, in units."""
MAX_BACKLOG = 10_000
"""The most messages that a newcomer may be shown."""


@dataclass(frozen=True)
class Options:
    """The limits of a room."""

    max_clients: int = 1000
    """Connections at the same time."""
    rate: float = 20.0
    """Sustained rate of one client, in units a second (`rate.cost`); 0 for no limit."""
    grace_s: float = 60.0
    """How long a member whose link broke may take to come back, in seconds; 0 for not at all."""
    backlog: int = 50
    """How many of the last messages a newcomer is shown."""
    max_per_host: int = 100
    """Connections from one address; 0 lifts all limits of an address."""
    greeting_wait_s: float = 0.25
    """How long a client may take to speak first, before it is greeted, in seconds."""
    room: str = ""
    """The room's name for people; empty for none."""
    udp_port: int = 0
    """On which UDP port it is told where the room is; 0 for not at all."""
    web: bool = False
    """Whether browsers may come in."""
    web_name: str = ""
    """One more name by which browsers may ask for this host; empty for none."""
    grace_web_s: float = 600.0
    """How long a guest by browser whose link broke may take to come back, in seconds: phones sleep."""
    client_file: Path | None = None
    """The client's program for Windows, which the page offers; None where there is none."""
    code_key: bytes | None = field(default=None, repr=False)
    """The key of the code without which nobody comes in (`lan_chat.code`); None where everybody may."""
