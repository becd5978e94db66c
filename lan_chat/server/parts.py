"""What the delivery thread decides by, all in one hand. `Delivery` makes it, once."""

from __future__ import annotations

from dataclasses import dataclass

from lan_chat.server.broadcast import Broadcast
from lan_chat.server.former_members import FormerMembers
from lan_chat.server.heartbeats import Heartbeats
from lan_chat.server.hosts import Hosts
from lan_chat.server.leaving import Leaving
from lan_chat.server.lobby import Lobby
from lan_chat.server.options import Options
from lan_chat.server.places import Places
from lan_chat.server.room import Room
from lan_chat.server.timeline import Timeline
from lan_chat.server.words import ServerWords


@dataclass(frozen=True)
class Parts:
    """The room and what is kept about it. All but the room and the hosts belongs to the delivery thread."""

    room: Room
    hosts: Hosts
    options: Options
    words: ServerWords
    timeline: Timeline
    broadcast: Broadcast
    lobby: Lobby
    places: Places
    former: FormerMembers
    leaving: Leaving
    heartbeats: Heartbeats
