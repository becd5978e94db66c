"""Tk's file dialogs: where they begin, and which language they speak. Main thread only.

On Windows and macOS the dialogs are the system's own, in the system's language; elsewhere they are Tk's.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import sys
import time
import tkinter as tk
from pathlib import Path
from tkinter import filedialog

from lan_chat.client.words import ClientWords

XDG_DOCUMENTS = re.compile(r'^XDG_DOCUMENTS_DIR="(\$HOME/|/)(.*)"$', re.MULTILINE)
"""The line of user-dirs.dirs that names the documents (user-dirs.dirs(5))."""
if sys.platform == "win32":
    FOLDERID_DOCUMENTS = (ctypes.c_ubyte * 16)(*bytes.fromhex("d09ad3fd8f23af46adb46c85480369c7"))
    """{FDD39AD0-238F-46AF-ADB4-6C85480369C7}, as it lies in memory."""


def choose_file_to_save(root: tk.Tk, words: ClientWords, folder: Path | None) -> Path | None:
    """Ask for a file to save the conversation to, beginning in a folder, or in the user's documents."""
    begins_in = folder if folder is not None and folder.is_dir() else documents_folder()
    chosen = filedialog.asksaveasfilename(
        parent=root,
        defaultextension=".txt",
        initialdir="" if begins_in is None else str(begins_in),
        initialfile=time.strftime("chat-%Y-%m-%d.txt"),
        filetypes=[(words.text_files, "*.txt")],
    )
    return Path(chosen) if chosen else None


def set_dialog_language(root: tk.Tk, language: str) -> None:
    """Have Tk's own dialogs speak a language, as far as this Tk has its messages."""
    with contextlib.suppress(tk.TclError):  # a Tk without msgcat or without messages speaks English
        root.tk.call("package", "require", "msgcat")
        root.tk.call("::msgcat::mclocale", language)
        root.tk.eval("namespace eval ::tk { ::msgcat::mcload [file join $::tk_library msgs] }")
    # Tk keeps a dialog that was open, with its labels, for the next time.
    with contextlib.suppress(tk.TclError):
        root.tk.call("destroy", ".__tk_filedialog")


def documents_folder() -> Path | None:
    """Return the user's folder of documents, or the home folder; None where there is neither."""
    found = None
    with contextlib.suppress(OSError, RuntimeError, ValueError):  # no home folder; no UTF-8
        if sys.platform == "win32":
            found = _known_folder()
        elif sys.platform != "darwin":
            found = _xdg_documents()
        for folder in (found, Path.home() / "Documents", Path.home()):
            if folder is not None and folder.is_dir():
                return folder
    return None


def _xdg_documents() -> Path | None:
    """Return the folder of documents that the desktop has told the user's programs; None where it has told none."""
    if told := os.environ.get("XDG_DOCUMENTS_DIR"):
        return Path(told)
    settings = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "user-dirs.dirs"
    if not settings.is_file():
        return None
    named = XDG_DOCUMENTS.search(settings.read_text("utf-8"))
    if named is None:
        return None
    within = re.sub(r"\\(.)", r"\1", named[2])
    return Path.home() / within if named[1] == "$HOME/" else Path("/") / within


if sys.platform == "win32":

    def _known_folder() -> Path | None:
        """Return the folder of documents that Windows knows, which may be moved, as into OneDrive."""
        found = ctypes.c_void_p()
        get = ctypes.windll.shell32.SHGetKnownFolderPath
        if get(ctypes.byref(FOLDERID_DOCUMENTS), 0, None, ctypes.byref(found)) or found.value is None:
            return None
        try:
            return Path(ctypes.wstring_at(found.value))
        finally:
            ctypes.windll.ole32.CoTaskMemFree(found)
