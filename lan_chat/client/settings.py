"""The user's settings, kept from one start to the next in a JSON file.

No tkinter. Main thread only; nothing stays open between calls.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import logging
import os
import re
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import protocol
from lan_chat import rooms
from lan_chat.client.code_keys import CodeKeys
from lan_chat.client.palette import THEMES
from lan_chat.rooms import Remembered

log = logging.getLogger(__name__)

MIN_FONT_SIZE, MAX_FONT_SIZE = 6, 40
"""In points."""
MAX_HOST_CHARACTERS = 1000
"""The longest host that is asked for: what is not in the file of this program's making may be as large as the file."""
GEOMETRY = re.compile(r"(\d{2,5})x(\d{2,5})\+(-?\d{1,6})\+(-?\d{1,6})")
"""A window's geometry as Tk writes it: width, height, left and top, in pixels."""
MAX_REMEMBERED, MAX_REMEMBERED_AT_ONE_PLACE = 10, 3
"""How many rooms are remembered, and of one address: a server that is another room at each start, or says so, makes no
other one forgotten; but the same address may be another server's in another network."""


@dataclass
class Settings:
    """The user's settings, with their defaults."""

    host: str = ""
    port: int = protocol.DEFAULT_PORT
    name: str = ""
    language: str = protocol.DEFAULT_LANGUAGE
    theme: str = "light"
    font_size: int = 0
    """In points; 0 for the system's own size."""
    has_sound: bool = False
    shows_people: bool = True
    geometry: str = ""
    """Size and position of the window, as Tk writes them (`GEOMETRY`); empty for the default."""
    rooms: tuple[Remembered, ...] = ()
    """The rooms in which the user was, the last one first; of a code only that there was one."""

    def __post_init__(self) -> None:
        self._path: Path | None = None
        """Where they are kept; None where they are not."""
        self.code_keys = CodeKeys()
        """No setting: these are kept nowhere."""
        self._kept = _defaults()
        """The values that the file has, as far as this program knows: what differs has been changed here."""

    def remember(self, room: Remembered) -> None:
        """Have a room be the last one in which the user was, and keep that."""
        self.host, self.port = room.host, room.port
        kept = [room]
        for one in self.rooms:
            at_place = sum(other.place == one.place for other in kept)
            if _key(one) != _key(room) and at_place < MAX_REMEMBERED_AT_ONE_PLACE:
                kept.append(one)
        self.rooms = tuple(kept[:MAX_REMEMBERED])
        self.save()

    def save(self) -> None:
        """Keep what has changed, where these settings were loaded from: to be called after every change."""
        if self._path is not None:
            save_settings(self, self._path)


def settings_path() -> Path | None:
    """Return the path of the settings file, in this platform's folder for settings; None where the user has none."""
    try:
        return _settings_folder() / "lan-chat" / "settings.json"
    except RuntimeError:  # there is no home folder
        return None


def _settings_folder() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")


def _defaults() -> dict[str, Any]:
    return {field.name: field.default for field in dataclasses.fields(Settings)}


def load_settings(path: Path | None) -> tuple[Settings, Path | None]:
    """Read the settings; a value that is missing or invalid has its default.

    A file that is no JSON object is renamed; the second value is where it is then, else None. Without a path there is
    nothing to read, and `save` keeps nothing.
    """
    settings = Settings()
    settings._path = path
    if path is None:
        return settings, None
    try:
        found = _read(path)
    except OSError:  # there is no file yet, or no permission to read it
        return settings, None
    except (ValueError, RecursionError):
        aside = path.with_suffix(".broken.json")
        try:
            path.replace(aside)
        except OSError:  # the folder cannot be written to
            return settings, path
        return settings, aside
    for field in dataclasses.fields(Settings):
        value = found.get(field.name)
        if field.name == "rooms":
            value = _parse_rooms(value)
        if type(value) is type(getattr(settings, field.name)) and _makes_sense(field.name, value):
            setattr(settings, field.name, value)
    settings._kept = dataclasses.asdict(settings)
    return settings, None


def _read(path: Path) -> dict[str, Any]:
    """Return the object in a settings file. Raises OSError, or ValueError or RecursionError where it has none."""
    found = json.loads(path.read_text("utf-8-sig"))  # some editors of Windows put the mark of UTF-8 in front
    if not isinstance(found, dict):
        raise ValueError("no JSON object")
    return found


def _parse_rooms(value: Any) -> tuple[Remembered, ...]:
    """Return the rooms in a list of a settings file, without those that this program could not have written."""
    parsed = []
    for found in value[:MAX_REMEMBERED] if isinstance(value, list) else ():
        try:
            room = Remembered(**found)
        except TypeError:  # no object, or with other fields than ours
            continue
        types = {field.name: type(getattr(room, field.name)).__name__ for field in dataclasses.fields(Remembered)}
        is_ours = types == {field.name: field.type for field in dataclasses.fields(Remembered)}
        has_place = all(_makes_sense("host", host) for host in (room.host, room.address))
        if is_ours and rooms.is_id(room.id) and has_place and _makes_sense("port", room.port):
            parsed.append(dataclasses.replace(room, name=rooms.room_name(room.name)))
    return tuple(parsed)


def _key(room: Remembered) -> object:
    return room.id or (room.host, room.port)


def _makes_sense(name: str, value: Any) -> bool:
    """Return whether a setting of the right type has a value that this program could have written."""
    match name:
        case "host":
            # A lone surrogate is not printable: it has no UTF-8, and could not be saved.
            return len(value) <= MAX_HOST_CHARACTERS and bool(value.isprintable())
        case "name":
            return value == "" or protocol.parse_name(value) is not None
        case "port":
            return bool(1 <= value <= 65535)
        case "language":
            return value in protocol.LANGUAGES
        case "theme":
            return value in THEMES
        case "font_size":
            return bool(value == 0 or MIN_FONT_SIZE <= value <= MAX_FONT_SIZE)
        case "geometry":
            return value == "" or GEOMETRY.fullmatch(value) is not None
    return True


def save_settings(settings: Settings, path: Path) -> None:
    """Save the settings that were changed since they were loaded or saved; where that fails, the file stays as it is.

    All others keep what the file has by now: another window may have changed them, or a later version know more.
    """
    values = dataclasses.asdict(settings)
    changed = {name: value for name, value in values.items() if value != settings._kept[name]}
    if not changed and settings._path == path:
        return
    kept: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError, RecursionError):
        kept = _read(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps({**values, **kept, **changed}, indent=2, ensure_ascii=False) + "\n")
    except OSError as error:
        log.debug("The settings could not be saved: %s", error)
    else:
        settings._kept = values


def write_whole(path: Path, text: str) -> None:
    """Write a file atomically: whole or not at all. What a link points to is replaced, and keeps its mode.

    Raises:
        OSError: the file could not be written, or the path is that of something else than a file.
    """
    path = Path(os.path.realpath(path))
    mode = None
    with contextlib.suppress(FileNotFoundError):
        mode = path.stat().st_mode
    if mode is not None and not stat.S_ISREG(mode):
        number = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
        raise OSError(number, os.strerror(number), str(path))
    # A name of its own, as the file's may have no room for an ending; with the process id, so that two clients never
    # write to the same temporary file.
    draft = path.with_name(f".lan-chat.{os.getpid()}.tmp")
    try:
        draft.unlink(missing_ok=True)  # of a program that was killed, or a trap
        with draft.open("x", encoding="utf-8", errors="replace") as file:
            if mode is not None and sys.platform != "win32":  # before there is anything to read in it
                draft.chmod(stat.S_IMODE(mode))
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
