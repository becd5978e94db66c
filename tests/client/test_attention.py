"""What calls a reader who does not look: title, task bar, bell."""

from __future__ import annotations

import ctypes
import time
from typing import TYPE_CHECKING

import pytest

from lan_chat.client.words import ITALIAN
from protocol import Announcement, Joined
from tests.support.seats import ReaderSit, said

try:
    import tkinter as tk
except ImportError:  # what needs it is skipped aloud, for want of a display
    if not TYPE_CHECKING:
        tk = None

pytestmark = pytest.mark.screen


def is_urgent(root: tk.Tk) -> bool:
    """What X11's window manager would read, by Xlib alone."""
    xlib = ctypes.CDLL("libX11.so.6")
    xlib.XOpenDisplay.restype = ctypes.c_void_p
    xlib.XGetWMHints.restype = ctypes.c_void_p
    display = ctypes.c_void_p(xlib.XOpenDisplay(None))
    above, parent, children, count = ctypes.c_ulong(), ctypes.c_ulong(), ctypes.c_void_p(), ctypes.c_uint()
    found = (ctypes.byref(above), ctypes.byref(parent), ctypes.byref(children), ctypes.byref(count))
    xlib.XQueryTree(display, ctypes.c_ulong(root.winfo_id()), *found)
    xlib.XFree(children)
    hints = xlib.XGetWMHints(display, parent)
    flags = ctypes.c_long.from_address(hints).value if hints else 0
    xlib.XFree(ctypes.c_void_p(hints))
    xlib.XCloseDisplay(display)
    return bool(flags & 1 << 8)


@pytest.fixture
def sit(reader_sit: ReaderSit) -> ReaderSit:
    """Open windows of somebody who reads."""
    return reader_sit


def test_the_title_counts_what_was_not_read(sit: ReaderSit) -> None:
    reader = sit()
    reader.hear(said("letto"))
    assert reader.root.title() == "Chat – lan-host"
    reader.look_away()
    reader.hear(said("uno"))
    assert reader.root.title() == "(1) Chat – lan-host"
    reader.hear(said("due"), Announcement(1, time.time(), "tre"), Joined(2, time.time(), "Carla"))
    assert reader.root.title() == "(3) Chat – lan-host"
    reader.look_back()
    assert reader.root.title() == "Chat – lan-host"


def test_a_line_with_ones_own_name_is_marked(sit: ReaderSit) -> None:
    reader = sit()
    reader.hear(said("ehi ada, ci sei?\nrispondi"), said("Adalberto"), said("sono Ada", "Ada"))
    assert "mention" in reader.tags_of("ehi ada")
    assert "mention" in reader.tags_of("rispondi")
    assert not reader.conversation.tag_nextrange("mention", reader.index_of("Adalberto") + " linestart")


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How attention was asked for."""
    calls: list[str] = []
    monkeypatch.setattr("lan_chat.client.attention.ask_for_attention", lambda root: calls.append("attention"))
    monkeypatch.setattr(tk.Misc, "bell", lambda *_: calls.append("bell"))
    return calls


@pytest.mark.parametrize("has_sound", [False, True])
def test_who_is_called_elsewhere_is_asked_to_look_and_hears_a_bell_only_if_wanted(
    sit: ReaderSit, called: list[str], has_sound: bool
) -> None:
    reader = sit(has_sound=has_sound)
    bell = ["bell"] * has_sound
    reader.hear(said("ciao Ada"))
    assert called == bell  # the window has the focus
    reader.look_away()
    reader.hear(said("ciao a tutti"), said("sono io, Ada", "Ada"))
    assert called == bell
    reader.hear(said("Ada?"))
    assert sorted(called) == sorted(["attention", *bell, *bell])


def test_a_flood_of_calls_marks_the_window_once_until_one_looks(sit: ReaderSit, called: list[str]) -> None:
    reader = sit()
    for _ in range(2):
        reader.look_away()
        reader.hear(*(said("Ada?") for _ in range(20)))
        reader.look_back()
    assert called == ["attention"] * 2


def test_the_bell_is_switched_on_in_the_menu(sit: ReaderSit, called: list[str]) -> None:
    reader = sit()
    reader.choose(ITALIAN.menu_sound)
    reader.hear(said("Ada?"))
    assert called == ["bell"]
    assert reader.settings.has_sound


def test_the_task_bar_is_told_until_one_looks(sit: ReaderSit) -> None:
    reader = sit()
    is_x11 = reader.root.tk.call("tk", "windowingsystem") == "x11"
    reader.look_away()
    reader.hear(said("ciao a tutti"))
    assert not (is_x11 and is_urgent(reader.root))
    reader.hear(said("Ada?"))  # elsewhere than on X11 it must at least not fail
    assert is_urgent(reader.root) or not is_x11
    reader.look_back()
    assert not (is_x11 and is_urgent(reader.root))
