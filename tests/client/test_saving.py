"""Saving the conversation in a file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lan_chat.client.words import ITALIAN
from protocol import Announcement, Joined
from tests.support.seats import ReaderSit, said

try:
    from tkinter import filedialog
except ImportError:  # what needs it is skipped aloud, for want of a display
    if not TYPE_CHECKING:
        filedialog = None

pytestmark = pytest.mark.screen

MAY_DAY = time.mktime((2024, 5, 1, 12, 34, 56, 0, 0, -1))
EMOJI = "\N{GRINNING FACE}"


@pytest.fixture
def sit(reader_sit: ReaderSit) -> ReaderSit:
    """Open windows of somebody who reads."""
    return reader_sit


def choose_file(monkeypatch: pytest.MonkeyPatch, path: Path | str) -> None:
    """Answer the question where to save."""
    monkeypatch.setattr(filedialog, "asksaveasfilename", lambda **_: str(path))


def test_a_key_saves_one_message_a_line_with_its_date(
    sit: ReaderSit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = sit()
    path = tmp_path / "chat.txt"
    choose_file(monkeypatch, path)
    reader.hear(said(f"perché {EMOJI}", when=MAY_DAY), said("uno\ndue\n\ntre", "Zoë", MAY_DAY + 1))
    reader.hear(Joined(1, MAY_DAY + 2, "Carla"), Announcement(2, MAY_DAY + 3, "chiudo\nsubito"))
    reader.press("Control-s")
    reader.see(ITALIAN.saved.format(file=path))
    lines = path.read_bytes().decode("utf-8").replace("\r\n", "\n").split("\n")
    assert lines[1:] == [  # the welcome is first
        f"2024-05-01 12:34:56 Bob: perché {EMOJI}",
        "2024-05-01 12:34:57 Zoë: uno",
        "    due",
        "    ",
        "    tre",
        "2024-05-01 12:34:58 * Carla si è unito alla chat!",
        "2024-05-01 12:34:59 * Server: chiudo",
        "    subito",
        "",
    ]


@pytest.mark.parametrize("place", ["no/such/folder/chat.txt", "a folder"])
def test_what_cannot_be_saved_is_told_in_a_sentence(
    sit: ReaderSit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "a folder").mkdir()
    reader = sit()
    choose_file(monkeypatch, tmp_path / place)
    reader.hear(said("ciao"))
    reader.press("Control-s")
    reader.see(f"Non è possibile salvare in {tmp_path / place} (")
    assert "error" in reader.tags_of("Non è possibile salvare")
    assert [path.name for path in tmp_path.iterdir()] == ["a folder"]


def test_who_chooses_no_file_saves_nothing(sit: ReaderSit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = sit()
    choose_file(monkeypatch, "")
    before = reader.shown
    reader.press("Control-s")
    assert reader.shown == before


def test_an_existing_file_is_replaced_whole(sit: ReaderSit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = sit()
    path = tmp_path / "chat.txt"
    path.write_text("vecchio" * 1000)
    choose_file(monkeypatch, path)
    reader.press("Control-s")
    reader.see("Conversazione salvata")
    assert "vecchio" not in path.read_text("utf-8")
    assert list(tmp_path.iterdir()) == [path]
