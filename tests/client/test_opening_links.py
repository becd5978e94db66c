"""Opening a link: aside, at most so many at once, and told where nothing could."""

from __future__ import annotations

import sys
import threading
import webbrowser
from collections.abc import Iterator
from pathlib import Path

import pytest

from lan_chat.client.desktop import MAX_OPENING
from lan_chat.client.words import ITALIAN
from tests.support.seats import ReaderSit, said

pytestmark = pytest.mark.screen

LINK = "http://example.org/a"


@pytest.fixture
def slow_browser(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A browser that starts only when the test is over; gives what it was asked to open."""
    asked: list[str] = []
    has_started = threading.Event()

    def start(link: str) -> bool:
        asked.append(link)
        return has_started.wait()

    monkeypatch.setattr(webbrowser, "open", start)
    yield asked
    has_started.set()


def test_a_browser_that_does_not_start_holds_the_window_up_for_nothing(
    reader_sit: ReaderSit, slow_browser: list[str]
) -> None:
    reader = reader_sit("Bob")
    reader.hear(said(LINK))
    reader.click_on(LINK)
    reader.wait(lambda: slow_browser == [LINK])
    reader.hear(said("e si va avanti"))
    reader.see("e si va avanti")


def test_browsers_that_never_end_are_no_more_than_so_many(reader_sit: ReaderSit, slow_browser: list[str]) -> None:
    reader = reader_sit("Bob")
    reader.hear(said(LINK))
    for _ in range(MAX_OPENING + 1):
        reader.window._open_last_link()
    reader.see(ITALIAN.link_not_opened.format(link=LINK))
    reader.wait(lambda: len(slow_browser) == MAX_OPENING)


def refuse(link: str) -> bool:
    return False


def raise_error(link: str) -> bool:
    raise webbrowser.Error("could not locate runnable browser")


def raise_oddity(link: str) -> bool:
    raise ValueError("No closing quotation")  # what `shlex` says of an odd $BROWSER


@pytest.mark.parametrize("browse", [refuse, raise_error, raise_oddity])
def test_a_link_that_nothing_can_open_is_told(
    reader_sit: ReaderSit, monkeypatch: pytest.MonkeyPatch, browse: object
) -> None:
    monkeypatch.setattr(webbrowser, "open", browse)
    reader = reader_sit("Bob")
    reader.hear(said(LINK))
    reader.click_on(LINK)
    reader.see(ITALIAN.link_not_opened.format(link=LINK))
    assert "error" in reader.tags_of("Nessun browser")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no $BROWSER")
def test_a_program_of_browser_that_waits_is_started_and_not_waited_for(
    reader_sit: ReaderSit, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The real module, with a program that it does not know."""
    going, opened = tmp_path / "go", tmp_path / "opened"
    going.touch()
    program = tmp_path / "odd-browser"
    program.write_text(f'#!/bin/sh\necho "$1" >"{opened}"\nwhile [ -e "{going}" ]; do sleep 0.05; done\n')
    program.chmod(0o755)
    monkeypatch.setattr(webbrowser, "_tryorder", None)
    monkeypatch.setattr(webbrowser, "_browsers", {})
    monkeypatch.setenv("BROWSER", str(program))
    reader = reader_sit("Bob")
    reader.hear(said(LINK))
    try:
        reader.click_on(LINK)
        reader.wait(lambda: opened.exists() and opened.read_text() == f"{LINK}\n")
        reader.hear(said("e si va avanti"))
        reader.see("e si va avanti")
    finally:
        going.unlink()
