"""The settings file: where it is, what is in it, and whatever else may be."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

import protocol
from lan_chat.client import words as client_words
from lan_chat.client.palette import PALETTES
from lan_chat.client.settings import MAX_FONT_SIZE, MIN_FONT_SIZE, Settings, load_settings, save_settings, settings_path


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


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("host", 7),
        ("host", None),
        ("host", "a\nb"),
        ("host", "\ud800"),
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
