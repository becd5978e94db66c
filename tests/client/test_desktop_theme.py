"""The theme "as the system"."""

from __future__ import annotations

import sys

import pytest

from lan_chat.client import desktop_theme
from lan_chat.client.palette import PALETTES
from lan_chat.client.words import ITALIAN
from tests.support.seats import Sit


@pytest.mark.parametrize(
    ("answer", "is_dark"),
    [
        ("'prefer-dark'\n", True),
        ("'default'\n", False),
        ("'prefer-light'\n", False),
        ("(<<uint32 1>>,)\n", True),
        ("(<<uint32 0>>,)\n", False),
        ("(<<uint32 2>>,)\n", False),
        ("Dark\n", True),
        ("", False),
    ],
)
def test_the_answers_of_the_desktops_are_understood(answer: str, is_dark: bool) -> None:
    assert desktop_theme.means_dark(answer) == is_dark


def test_a_desktop_that_says_nothing_is_light(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desktop_theme, "_output_of", lambda command: None)
    monkeypatch.setattr(sys, "platform", "linux")
    assert not desktop_theme.is_desktop_dark()


@pytest.mark.screen
@pytest.mark.parametrize("is_dark", [False, True])
def test_the_window_becomes_as_the_system_is(sit: Sit, monkeypatch: pytest.MonkeyPatch, is_dark: bool) -> None:
    monkeypatch.setattr(desktop_theme, "is_desktop_dark", lambda: is_dark)
    seat = sit("Bob", theme="system")
    wanted = PALETTES["dark" if is_dark else "light"]
    seat.wait(lambda: seat.window._desktop_theme._answers and str(seat.conversation["background"]) == wanted.paper)
    seat.choose(ITALIAN.menu_light)
    assert str(seat.conversation["background"]) == PALETTES["light"].paper
    seat.choose(ITALIAN.menu_system)
    assert str(seat.conversation["background"]) == wanted.paper
    seat.choose(ITALIAN.menu_keys)
    help_window = seat.window._help.window
    assert help_window is not None
    assert help_window["background"] == wanted.window
