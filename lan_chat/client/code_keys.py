"""The keys of the codes that the user has entered: for as long as the program runs, and in no file. Pure.

Main thread only.
"""

from __future__ import annotations

from lan_chat.rooms import Remembered


class CodeKeys:
    """Which key a room has, by its `id` and by where it is."""

    def __init__(self) -> None:
        self.given: bytes | None = None
        """The key of the code on the command line: it is tried where no other one is known."""
        self.is_required = False
        """Whether nothing is ever said without TLS, to whatever server: the command line says that there is a code."""
        self._by_id: dict[str, bytes] = {}
        self._by_place: dict[tuple[str, int], bytes] = {}

    def find(self, room_id: str, host: str, port: int) -> bytes | None:
        """Return the key of a room, whose `id` is empty where that is not known; None for none."""
        return self._by_id.get(room_id) or self._by_place.get((host, port)) or self.given

    def keep(self, key: bytes, room: Remembered) -> None:
        """Remember a key that has proved to be the room's."""
        self._by_place[room.place] = self._by_place[room.host, room.port] = key
        if room.id:
            self._by_id[room.id] = key

    def forget(self, key: bytes | None) -> None:
        """Remember a key no more, which a room does not take."""
        self._by_id = {room_id: one for room_id, one in self._by_id.items() if one != key}
        self._by_place = {place: one for place, one in self._by_place.items() if one != key}
