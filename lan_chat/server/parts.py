"""What `Delivery`, `Entrance` and `Exits` share."""

from __future__ import annotations

from dataclasses import dataclass

from lan_chat.server.broadcast import Broadcast
from lan_chat.server.former_members import FormerMembers
from lan_chat.server.greeted import Greeted
from lan_chat.server.heartbeats import Heartbeats
from lan_chat.server.hosts import Hosts
from lan_chat.server.leaving import Leaving
from lan_chat.server.options import Options
from lan_chat.server.places import Places
from lan_chat.server.room import Room
from lan_chat.server.timeline import Timeline
from lan_chat.server.words import ServerWords


@dataclass(frozen=True)
class Parts:
    """What the delivery thread decides by, made once, by `Delivery`. From `timeline` on it belongs to that thread."""

    room: Room
    hosts: Hosts
    options: Options
    words: ServerWords
    timeline: Timeline
    broadcast: Broadcast
    greeted: Greeted
    places: Places
    former: FormerMembers
    leaving: Leaving
    heartbeats: Heartbeats
