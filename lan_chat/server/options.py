"""What the server may be told by its command line, with the defaults. No thread."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """The limits of a room."""

    max_clients: int = 1000
    """Connections at the same time."""
    rate: float = 20.0
    """Sustained rate of one client, in messages a second; 0 for no limit."""
    grace_s: float = 60.0
    """How long a member whose link broke may take to come back, in seconds; 0 for not at all."""
    backlog: int = 50
    """How many of the last messages a newcomer is shown."""
