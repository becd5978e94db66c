"""The settings file: where it is, what is in it, and whatever else may be."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

import protocol
from lan_chat.client import words as client_words
from lan_chat.client.palette import PALETTES
from lan_chat.client.settings import (
    MAX_FONT_SIZE,
    MIN_FONT_SIZE,
    Settings,
    load_settings,
    save_settings,
    settings_path,
    write_whole,
)
from lan_chat.rooms import Remembered


@pytest.mark.parametrize(
    ("platform", "environment", "folder"),
    [
        ("linux", {"XDG_CONFIG_HOME": "/cfg"}, "/cfg"),
        ("linux", {"XDG_CONFIG_HOME": ""}, "/home/ada/.config"),
        ("win32", {"APPDATA": "/roaming"}, "/roaming"),
        ("win32", {"APPDATA": ""}, "/home/ada/AppData/Roaming"),
        ("darwin", {}, "/home/ada/Library/Application Support"),
    ],
)
def test_the_settings_are_in_the_users_folder(
    monkeypatch: pytest.MonkeyPatch, platform: str, environment: dict[str, str], folder: str
) -> None:
    for name in ("XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/ada"))
    monkeypatch.setattr(sys, "platform", platform)
    assert settings_path() == Path(folder) / "lan-chat" / "settings.json"


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_settings_are_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    path = tmp_path / "settings.json"
    save_settings(Settings(host="prima"), path)
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*((os, "fsync", fail) if broken == "fsync" else (Path, "replace", fail)))
    save_settings(Settings(host="dopo"), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["settings.json"]


def test_without_a_home_folder_nothing_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", fail)
    assert settings_path() is None
    settings, aside = load_settings(None)
    assert (settings, aside) == (Settings(), None)
    settings.theme = "dark"
    settings.save()


def test_the_mark_of_utf_8_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(b'\xef\xbb\xbf{"host": "caff\xc3\xa8"}\r\n')
    assert load_settings(path) == (Settings(host="caffè"), None)
    path.write_bytes(b"\xef\xbb\xbf")
    assert load_settings(path)[1] is not None


# --- kept when they are made ------------------------------------------------------------------------------------------


def test_a_change_is_kept_when_it_is_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "settings.json"
    settings, _ = load_settings(path)
    settings.theme = "dark"
    settings.save()
    assert load_settings(path) == (Settings(theme="dark"), None)
    settings.theme = "light"
    settings.save()
    assert load_settings(path) == (Settings(), None)


def test_what_has_not_changed_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "settings.json"
    settings, _ = load_settings(path)
    settings.name = "Ada"
    settings.save()
    monkeypatch.setattr(os, "fsync", lambda _: 1 / 0)
    settings.save()


def test_of_two_windows_each_keeps_what_the_other_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    save_settings(Settings(host="pc-7", name="Ada"), path)
    (one, _), (other, _) = load_settings(path), load_settings(path)
    one.theme, one.name = "dark", "Bea"
    one.save()
    other.language, other.name = "en", "Carla"
    other.save()
    one.has_sound = True
    one.save()
    assert load_settings(path)[0] == Settings(host="pc-7", name="Carla", theme="dark", language="en", has_sound=True)


def test_what_a_later_version_remembers_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text('{"host": "pc-7", "colour": "blue"}')
    settings, _ = load_settings(path)
    settings.host = "pc-8"
    settings.save()
    assert {"host": "pc-8", "colour": "blue"}.items() <= json.loads(path.read_text()).items()


def test_a_save_that_failed_is_made_up_for_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "settings.json"
    settings, _ = load_settings(path)
    settings.name = "Ada"
    with monkeypatch.context() as patch:

        def fail(*_: object) -> None:
            raise OSError(28, "No space left on device")

        patch.setattr(os, "fsync", fail)
        settings.save()
    settings.theme = "dark"
    settings.save()
    assert load_settings(path)[0] == Settings(name="Ada", theme="dark")


# --- writing a file whole ---------------------------------------------------------------------------------------------

needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has other links, and other modes")


@needs_posix
@pytest.mark.parametrize("is_there", [True, False], ids=["to a file", "to nothing yet"])
def test_a_save_over_a_link_goes_where_it_points_to(tmp_path: Path, is_there: bool) -> None:
    target, link = tmp_path / "elsewhere" / "chat.txt", tmp_path / "chat.txt"
    target.parent.mkdir()
    if is_there:
        target.write_text("prima")
    link.symlink_to(target)
    write_whole(link, "dopo")
    assert link.is_symlink()
    assert target.read_text() == "dopo"
    assert [file.name for file in target.parent.iterdir()] == ["chat.txt"]


@needs_posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o444, 0o755], ids=oct)
def test_a_file_that_is_replaced_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "chat.txt"
    path.write_text("prima")
    path.chmod(mode)
    write_whole(path, "dopo")
    assert path.read_text() == "dopo"
    assert path.stat().st_mode & 0o7777 == mode


@pytest.mark.parametrize("length", [200, 250, 255])
def test_a_name_as_long_as_the_system_allows_can_be_saved_to(tmp_path: Path, length: int) -> None:
    if sys.platform == "win32":
        length = min(length, 250 - len(str(tmp_path)))  # a whole path has 260 characters there
    path = tmp_path / ("x" * (length - len(".txt")) + ".txt")
    write_whole(path, "ciao")
    assert [file.read_text() for file in tmp_path.iterdir()] == ["ciao"]


def test_a_half_character_is_no_reason_not_to_save(tmp_path: Path) -> None:
    write_whole(tmp_path / "chat.txt", "Ada\ud800: perché\n")
    assert (tmp_path / "chat.txt").read_text("utf-8") == "Ada?: perché\n"


@needs_posix
def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    if sys.platform != "win32":
        os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path(os.devnull)):
        with pytest.raises(OSError, match=re.escape(str(path))):
            write_whole(path, "ciao")
    assert [file.name for file in tmp_path.iterdir()] == ["pipe"]


@needs_posix
def test_a_link_that_lies_in_wait_for_the_draft_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / f".lan-chat.{os.getpid()}.tmp").symlink_to(victim)
    write_whole(tmp_path / "chat.txt", "ciao")
    assert victim.read_text() == "mine"


@pytest.mark.skipif(sys.platform == "win32", reason="a folder that may not be made is another thing there")
def test_where_settings_cannot_be_written_the_program_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    save_settings(Settings(), tmp_path / "file" / "settings.json")
    assert load_settings(tmp_path / "file" / "settings.json") == (Settings(), None)


@pytest.mark.parametrize(
    "content",
    [b"", b"no JSON", b"[1, 2]", b"null", b'"text"', b"[" * 100_000, b'{"a":' * 100_000, b"\0" * 500, b"\xff\xfe{"],
    ids=["empty", "text", "list", "null", "string", "deep list", "deep object", "NULs", "bytes"],
)
def test_a_broken_settings_file_is_set_aside_and_not_fatal(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(content)
    settings, aside = load_settings(path)
    assert settings == Settings()
    assert aside is not None
    assert aside.read_bytes() == content
    assert not path.exists()
    save_settings(Settings(host="nuovo"), path)
    assert load_settings(path) == (Settings(host="nuovo"), None)


def test_a_broken_settings_file_that_cannot_be_set_aside_is_said_to_be_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, target: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "replace", refuse)  # as in a folder that cannot be written to
    path = tmp_path / "settings.json"
    path.write_text("no JSON")
    assert load_settings(path) == (Settings(), path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("host", 7),
        ("host", None),
        ("host", "a\nb"),
        ("host", "\ud800"),
        ("host", "x" * 5000),
        ("port", "53000"),
        ("port", 0),
        ("port", 65536),
        ("port", True),
        ("port", 1.5),
        ("name", ["Ada"]),
        ("name", "\ud800"),
        ("name", "x" * 5000),
        ("name", "due\nrighe"),
        ("language", "xx"),
        ("theme", "pink"),
        ("theme", {}),
        ("font_size", 1),
        ("font_size", 10**9),
        ("font_size", -3),
        ("has_sound", 1),
        ("shows_people", "no"),
        ("geometry", "big"),
        ("geometry", "800x600"),
        ("geometry", "-1x-1+0+0"),
        ("geometry", 3),
    ],
)
def test_a_setting_that_makes_no_sense_has_its_default(tmp_path: Path, field: str, value: object) -> None:
    path = tmp_path / "settings.json"
    others: dict[str, Any] = {"host": "pc-7", "name": "Ada"}
    others.pop(field, None)
    path.write_text(json.dumps({**others, field: value}))
    settings, aside = load_settings(path)
    assert (settings, aside) == (Settings(**others), None)
    save_settings(settings, path)
    assert load_settings(path) == (settings, None)


def test_settings_of_a_later_version_are_read_as_far_as_they_are_known(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text('{"host": "pc-7", "colour": "blue"}')
    assert load_settings(path) == (Settings(host="pc-7"), None)


@hypothesis.settings(deadline=None)
@given(
    host=st.text(st.characters(categories=["L", "N"], include_characters=".-:"), max_size=60),
    port=st.integers(1, 65535),
    name=st.text(st.characters(categories=["L"]), max_size=20).map(lambda name: protocol.parse_name(name) or ""),
    language=st.sampled_from(sorted(client_words.LANGUAGES)),
    theme=st.sampled_from(sorted(PALETTES)),
    font_size=st.just(0) | st.integers(MIN_FONT_SIZE, MAX_FONT_SIZE),
    has_sound=st.booleans(),
    shows_people=st.booleans(),
    geometry=st.just("") | st.builds("{}x{}+{}+{}".format, *[st.integers(10, 9999)] * 2, *[st.integers(-9, 9999)] * 2),
)
def test_settings_come_back_as_they_were(**values: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a" / "b" / "settings.json"
        save_settings(Settings(**values), path)
        assert load_settings(path) == (Settings(**values), None)


@hypothesis.settings(deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists), st.data())
def test_any_value_in_any_field_is_read_and_can_be_written_again(value: object, data: st.DataObject) -> None:
    field = data.draw(st.sampled_from([field.name for field in dataclasses.fields(Settings)]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "settings.json"
        path.write_text(json.dumps({field: value}))
        settings, aside = load_settings(path)
        assert aside is None
        save_settings(settings, path)
        assert load_settings(path) == (settings, None)


# --- rooms ------------------------------------------------------------------------------------------------------------

AULA = Remembered("0a1b", "Aula 3", "192.168.1.20", 53000)


def test_the_rooms_are_kept_the_last_one_first_and_each_once(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    settings, _ = load_settings(path)
    lab = Remembered("77", "Lab", "10.0.0.9", 53001, had_code=True)
    moved = replace(AULA, host="192.168.1.30")
    typed = Remembered("", "", "chat.local", 53000, address="fe80::1%2")
    for room in (AULA, lab, typed, moved, typed):
        settings.remember(room)
    again, _ = load_settings(path)
    assert again.rooms == (typed, moved, lab)
    assert (again.host, again.port) == ("chat.local", 53000)


def test_no_more_than_ten_rooms_are_kept(tmp_path: Path) -> None:
    settings, _ = load_settings(tmp_path / "settings.json")
    for number in range(15):
        settings.remember(replace(AULA, id=str(number), host=f"192.168.1.{number}"))
    assert [room.id for room in settings.rooms] == [str(number) for number in range(14, 4, -1)]


@pytest.mark.parametrize("host", ["192.168.1.66", "a-name"])
def test_a_server_that_is_another_room_each_time_makes_no_other_one_forgotten(tmp_path: Path, host: str) -> None:
    settings, _ = load_settings(tmp_path / "settings.json")
    settings.remember(AULA)
    for number in range(15):
        settings.remember(Remembered(str(number), "x", host, 53000, address="192.168.1.66"))
    assert [room.id for room in settings.rooms] == ["14", "13", "12", AULA.id]


@pytest.mark.parametrize(
    "damaged",
    [
        7,
        {"id": "a"},
        ["a"],
        [{"id": "a", "name": "n", "host": "h", "port": "53000", "had_code": False}],
        [{"id": "a b", "name": "n", "host": "h", "port": 1, "had_code": False}],
        [{"id": "a", "name": "n", "host": "h", "port": 0, "had_code": False}],
        [{"id": "a", "name": "n", "host": "\ud800", "port": 1, "had_code": False}],
        [{"id": "a", "name": "n", "host": "h", "port": True, "had_code": False}],
        [{"id": "a", "name": "n", "host": "h", "port": 1, "had_code": "yes"}],
        [{"id": "a", "name": "n", "host": "h", "port": 1, "code": "baba"}],
    ],
    ids=str,
)
def test_rooms_that_this_program_did_not_write_are_left_out(damaged: object, tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    rows = [dataclasses.asdict(AULA), *damaged] if isinstance(damaged, list) else damaged
    path.write_text(json.dumps({"rooms": rows, "name": "Ada"}))
    settings, aside = load_settings(path)
    assert aside is None
    assert settings.name == "Ada"
    assert settings.rooms == ((AULA,) if isinstance(damaged, list) else ())
