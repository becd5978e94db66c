"""Where the dialog to save begins, and which language it speaks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lan_chat.client.file_dialogs import documents_folder
from tests.support.seats import Reader, ReaderSit

try:
    import tkinter as tk
    from tkinter import filedialog
except ImportError:  # what needs it is skipped aloud, for want of a display
    if not TYPE_CHECKING:
        tk = filedialog = None

NOT_XDG = pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="Windows and macOS have no user-dirs.dirs")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of the test's own, in which the desktop has told nothing."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / ".config"))
    monkeypatch.delenv("XDG_DOCUMENTS_DIR", raising=False)
    (tmp_path / ".config").mkdir()
    return tmp_path


@NOT_XDG
@pytest.mark.parametrize(
    ("line", "folder"),
    [
        ('XDG_DOCUMENTS_DIR="$HOME/Documenti"', "Documenti"),
        ('XDG_DOCUMENTS_DIR="$HOME/I \\"miei\\" testi"', 'I "miei" testi'),
        ('XDG_DOCUMENTS_DIR="$HOME/"', ""),
    ],
)
def test_the_documents_are_where_the_desktop_has_told(home: Path, line: str, folder: str) -> None:
    (home / folder).mkdir(exist_ok=True)
    text = f'# user-dirs.dirs\nXDG_DESKTOP_DIR="$HOME/Scrivania"\n{line}\n'
    (home / ".config" / "user-dirs.dirs").write_text(text, "utf-8")
    assert documents_folder() == home / folder


@NOT_XDG
def test_the_environment_comes_first_and_a_folder_that_is_not_there_is_none(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / ".config" / "user-dirs.dirs").write_text('XDG_DOCUMENTS_DIR="/no/such/folder"\n', "utf-8")
    assert documents_folder() == home
    (home / "Documents").mkdir()
    assert documents_folder() == home / "Documents"
    (home / "altrove").mkdir()
    monkeypatch.setenv("XDG_DOCUMENTS_DIR", str(home / "altrove"))
    assert documents_folder() == home / "altrove"


@NOT_XDG
@pytest.mark.parametrize("content", [b"\xff\xfe", b"", b"XDG_DOCUMENTS_DIR=$HOME\n"])
def test_damaged_settings_of_the_desktop_end_nothing(home: Path, content: bytes) -> None:
    (home / ".config" / "user-dirs.dirs").write_bytes(content)
    assert documents_folder() in (home, None)


def test_without_a_home_folder_there_is_none(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    if sys.platform == "win32":
        assert documents_folder() is None or documents_folder().is_dir()  # type: ignore[union-attr]
        return
    monkeypatch.setenv("HOME", str(home / "no such"))
    assert documents_folder() is None


@pytest.mark.screen
def test_the_dialog_begins_in_the_documents_and_then_where_one_has_saved(
    reader_sit: ReaderSit, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "Documents").mkdir()
    begun: list[str] = []

    def choose(**options: Any) -> str:
        begun.append(options["initialdir"])
        return str(home / "chat.txt")

    monkeypatch.setattr(filedialog, "asksaveasfilename", choose)
    reader = reader_sit()
    for _ in range(2):
        reader.window.save()
    assert Path(begun[0]) == documents_folder()
    assert Path(begun[1]) == home


def labels_of_dialog(reader: Reader) -> list[str]:
    """Open Tk's own dialog, and give what stands on its buttons."""
    found: list[str] = []

    def look() -> None:
        path = ".__tk_filedialog"
        if not int(reader.root.tk.call("winfo", "exists", path)):
            reader.root.after(10, look)
            return
        tops = [path]
        for top in tops:
            tops += reader.root.tk.splitlist(reader.root.tk.call("winfo", "children", top))
        for widget in tops:
            if reader.root.tk.call("winfo", "class", widget) == "TButton":
                found.append(str(reader.root.tk.call(widget, "cget", "-text")))
        reader.press("Escape")

    reader.root.after(10, look)
    reader.window.save()
    return found


@pytest.mark.screen
@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="Windows and macOS have dialogs of their own")
def test_tks_own_dialog_speaks_the_language_of_the_window(reader_sit: ReaderSit) -> None:
    reader = reader_sit()
    assert "Salva" in labels_of_dialog(reader)
    reader.choose("English")
    assert "Save" in labels_of_dialog(reader)
