"""The user's settings, kept from one start to the next in a JSON file.

No tkinter. Main thread only; nothing stays open between calls.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import protocol
from lan_chat.client.palette import PALETTES

log = logging.getLogger(__name__)

MIN_FONT_SIZE, MAX_FONT_SIZE = 6, 40
"""In points."""
GEOMETRY = re.compile(r"(\d{2,5})x(\d{2,5})\+(-?\d{1,6})\+(-?\d{1,6})")
"""A window's geometry as Tk writes it: width, height, left and top, in pixels."""


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


def settings_path() -> Path:
    """Return the path of the settings file, in this platform's folder for settings."""
    if sys.platform == "win32":
        folder = Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    elif sys.platform == "darwin":
        folder = Path.home() / "Library" / "Application Support"
    else:
        folder = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return folder / "lan-chat" / "settings.json"


def load_settings(path: Path) -> tuple[Settings, Path | None]:
    """Read the settings; a value that is missing or invalid has its default.

    A file that is no JSON object is renamed; the second value is its new path, else None.
    """
    settings = Settings()
    try:
        found = json.loads(path.read_text("utf-8"))
        if not isinstance(found, dict):
            raise ValueError("no JSON object")
    except OSError:  # there is no file yet, or no permission to read it
        return settings, None
    except (ValueError, RecursionError):
        aside = path.with_suffix(".broken.json")
        with contextlib.suppress(OSError):
            path.replace(aside)
        return settings, aside
    for field in dataclasses.fields(Settings):
        value = found.get(field.name)
        if type(value) is type(getattr(settings, field.name)) and _makes_sense(field.name, value):
            setattr(settings, field.name, value)
    return settings, None


def _makes_sense(name: str, value: Any) -> bool:
    """Return whether a setting of the right type has a value that this program could have written."""
    match name:
        case "host":
            return bool(value.isprintable())  # a lone surrogate is not: it has no UTF-8, and could not be saved
        case "name":
            return value == "" or protocol.parse_name(value) is not None
        case "port":
            return bool(1 <= value <= 65535)
        case "language":
            return value in protocol.LANGUAGES
        case "theme":
            return value in PALETTES
        case "font_size":
            return bool(value == 0 or MIN_FONT_SIZE <= value <= MAX_FONT_SIZE)
        case "geometry":
            return value == "" or GEOMETRY.fullmatch(value) is not None
    return True


def save_settings(settings: Settings, path: Path) -> None:
    """Save the settings; where that fails, the next start has the old ones."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(dataclasses.asdict(settings), indent=2, ensure_ascii=False) + "\n")
    except OSError as error:
        log.debug("The settings could not be saved: %s", error)


def write_whole(path: Path, text: str) -> None:
    """Write a file atomically: whole or not at all. Raises OSError."""
    # The process id in its name, so that two clients never write to the same temporary file.
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
