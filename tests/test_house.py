"""The house: who may import whom, no circles, no room that is too large. The rules are docs/ARCHITECTURE.md's."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent
PROGRAMS = {"chat_server", "chat_client"}
MAX_LINES = 600
USUAL_LINES = 450
LARGE = {"lan_chat.client.window"}
"""Rooms that are above the usual size. No other may be, and none may be above MAX_LINES."""

SHARED = {
    "lan_chat",
    "lan_chat.code",
    "lan_chat.command_line",
    "lan_chat.early",
    "lan_chat.interfaces",
    "lan_chat.process",
    "lan_chat.qr",
    "lan_chat.rooms",
    "lan_chat.secure",
    "lan_chat.sockets",
}
WIDGETS = {
    "lan_chat.client." + room
    for room in (
        "attention",
        "conversation",
        "end_banner",
        "find_bar",
        "header",
        "help_window",
        "menus",
        "message_input",
        "naming",
        "people",
        "qr_window",
        "room_list",
        "status_line",
    )
}
WINDOWS = {"lan_chat.client.window", "lan_chat.client.layout", "lan_chat.client.connect_dialog"}
ON_TK = {
    "lan_chat.client." + room
    for room in ("desktop", "desktop_theme", "file_dialogs", "keyboard", "side_window", "theme", "wakeup")
}
"""Rooms that know Tk and no widget of ours."""
PARTS = {"lan_chat.client." + room for room in ("discs", "drawn_text", "finding")}
"""What the conversation is made of: they know each other, and no widget."""
PURE = {
    "lan_chat.client." + room
    for room in (
        "actions",
        "answers",
        "blocks",
        "code_keys",
        "composing",
        "console_words",
        "entering",
        "entries",
        "entry_layout",
        "fitting",
        "icon",
        "ledger",
        "palette",
        "pictures",
        "room_words",
        "settings",
        "text_styles",
        "words",
    )
}
"""Rooms of the client that know neither Tk nor the network."""
NOT_ON_THE_WIRE = {
    "socket",
    "select",
    "selectors",
    "threading",
    "queue",
    "time",
    "asyncio",
    "ssl",
    "tkinter",
    "lan_chat",
}


def modules() -> dict[str, ast.Module]:
    paths = [TOP / "protocol.py", *(TOP / f"{name}.py" for name in PROGRAMS), *sorted((TOP / "lan_chat").rglob("*.py"))]
    return {name_of(path): ast.parse(path.read_text("utf-8")) for path in paths}


def name_of(path: Path) -> str:
    parts = path.relative_to(TOP).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


HOUSE = modules()


def imported(module: ast.Module) -> Iterator[str]:
    """Each module that is imported anywhere in a module, by its whole name."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import"
            assert node.module is not None
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in HOUSE else node.module


ARROWS = {name: {other for other in imported(module) if other in HOUSE} for name, module in HOUSE.items()}


def may_know(room: str) -> set[str]:
    server = {name for name in HOUSE if name.startswith("lan_chat.server.")}
    client = {name for name in HOUSE if name.startswith("lan_chat.client.")}
    if room == "protocol" or room in SHARED or room in ("lan_chat.server", "lan_chat.client"):
        if room == "lan_chat.rooms":
            return {"lan_chat", "lan_chat.interfaces", "protocol"}
        return {"lan_chat", "lan_chat.early", "protocol"} - {room} if room in SHARED else set()
    if room in PROGRAMS:
        return set(HOUSE) - PROGRAMS
    base = {"protocol", *SHARED}
    if room in server:
        return base | server
    if room in WIDGETS:
        return base | PURE | ON_TK | PARTS
    if room in PARTS:
        return base | PURE | ON_TK | PARTS
    if room in WINDOWS:
        return base | client
    if room in ON_TK:
        return base | PURE
    if room in PURE:
        return {"protocol", "lan_chat.rooms"} | PURE
    return base | client - WIDGETS - WINDOWS - ON_TK - PARTS


@pytest.mark.parametrize("room", sorted(HOUSE))
def test_a_room_knows_only_those_that_it_may_know(room: str) -> None:
    assert ARROWS[room] - {room} <= may_know(room)


def test_nothing_imports_a_program() -> None:
    assert {room for room, known in ARROWS.items() if known & PROGRAMS} == set()


def test_there_are_no_circles() -> None:
    settled: set[str] = set()
    while free := {room for room, known in ARROWS.items() if room not in settled and known - {room} <= settled}:
        settled |= free
    assert set(HOUSE) - settled == set()


def test_the_wire_is_pure() -> None:
    known = {name.partition(".")[0] for name in imported(HOUSE["protocol"])}
    assert known & NOT_ON_THE_WIRE == set()
    assert known <= sys.stdlib_module_names


@pytest.mark.parametrize("program", sorted(PROGRAMS))
def test_a_program_imports_nothing_before_signals_end_it_quietly(program: str) -> None:
    first, *_ = [name for name in imported(HOUSE[program]) if name not in ("__future__", "sys")]
    assert first == "lan_chat.early"
    light = {"__future__", "collections.abc", "importlib", "os", "signal", "types"}
    assert set(imported(HOUSE["lan_chat.early"])) <= light


@pytest.mark.parametrize("room", sorted(set(HOUSE) - PROGRAMS - WIDGETS - WINDOWS - ON_TK - PARTS))
def test_tk_is_known_only_where_something_is_drawn(room: str) -> None:
    assert not any(name.partition(".")[0] == "tkinter" for name in imported(HOUSE[room]))


def test_only_the_standard_library_is_needed() -> None:
    known = {name.partition(".")[0] for module in HOUSE.values() for name in imported(module)}
    assert known - sys.stdlib_module_names == {"protocol", "lan_chat"}


@pytest.mark.parametrize("room", sorted(set(HOUSE)))
def test_nothing_is_handed_on(room: str) -> None:
    """What is imported from a room is defined there, and not imported into it from another one."""
    for node in ast.walk(HOUSE[room]):
        if isinstance(node, ast.ImportFrom) and node.module in HOUSE:
            handed_on = {
                alias.asname or alias.name
                for inner in ast.walk(HOUSE[node.module])
                if isinstance(inner, ast.Import | ast.ImportFrom)
                for alias in inner.names
            }
            taken = {alias.name for alias in node.names if f"{node.module}.{alias.name}" not in HOUSE}
            assert taken & handed_on == set(), node.module


@pytest.mark.parametrize("room", sorted(set(HOUSE) - {"protocol"}))
def test_a_room_can_be_read_at_a_sitting(room: str) -> None:
    path = TOP / (room.replace(".", "/") + ".py")
    lines = len(
        (path if path.exists() else TOP / room.replace(".", "/") / "__init__.py").read_text("utf-8").splitlines()
    )
    assert lines <= (MAX_LINES if room in LARGE else USUAL_LINES)


def test_every_package_is_installed() -> None:
    packages = sorted(name_of(path) for path in (TOP / "lan_chat").rglob("__init__.py"))
    settings = (TOP / "pyproject.toml").read_text("utf-8")
    assert f"packages = {packages}".replace("'", '"') in settings


def test_everything_in_the_packages_is_installed() -> None:
    kept = [path for path in (TOP / "lan_chat").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    data = {f'"{name_of(path.parent)}" = ["{path.name}"]' for path in kept if path.suffix != ".py"}
    settings = (TOP / "pyproject.toml").read_text("utf-8")
    assert f"package-data = {{ {', '.join(sorted(data))} }}" in settings
