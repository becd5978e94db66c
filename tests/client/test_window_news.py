"""A window on a real session: following the conversation, also in a flood."""

from __future__ import annotations

import itertools
import time

import pytest

from lan_chat.client.conversation import Conversation
from lan_chat.client.entry_layout import SHOWN_COST
from lan_chat.client.window import DRAIN_CHARACTERS, DRAIN_S
from lan_chat.server.server import ChatServer
from tests.support.played_server import Play, PlayedServer, message
from tests.support.session_seats import SessionSeat, SessionSit

pytestmark = pytest.mark.screen


@pytest.fixture
def sit(session_sit: SessionSit) -> SessionSit:
    """Open windows on real sessions."""
    return session_sit


def fill(seat: SessionSeat, server: PlayedServer, count: int = 100, words: int = 1) -> None:
    """Have so much said that it does not fit into the window."""
    numbers = seat.event_ids
    server.peer.tell(*(message(next(numbers), f"riga {number} " + "parola " * words) for number in range(count)))
    end = f"fine {len(seat.shown)}"
    server.peer.tell(message(next(numbers), end))
    seat.see(end)
    seat.root.update()


def test_a_reader_at_the_end_sees_what_is_new(play: Play, sit: SessionSit) -> None:
    server = play()
    ada = sit(server, join="Ada")
    fill(ada, server)
    assert ada.is_at_end


def test_a_reader_who_scrolled_back_stays_there(play: Play, sit: SessionSit) -> None:
    server = play()
    ada = sit(server, join="Ada")
    fill(ada, server)
    ada.text.yview_scroll(-30, "units")
    place = ada.text.index("@0,0")
    fill(ada, server)
    assert ada.text.index("@0,0") == place
    ada.text.see("end")
    fill(ada, server)
    assert ada.is_at_end


def test_a_window_that_is_not_on_the_screen_follows_too(play: Play, sit: SessionSit) -> None:
    server = play()
    ada = sit(server, join="Ada")
    ada.root.withdraw()
    fill(ada, server)
    fill(ada, server)
    ada.root.deiconify()
    ada.wait(lambda: ada.text.winfo_viewable() and ada.is_at_end)


def test_the_end_stays_in_sight_when_the_window_changes_its_size(play: Play, sit: SessionSit) -> None:
    server = play()
    ada = sit(server, join="Ada")
    fill(ada, server, 1500, words=60)
    for geometry in ("400x300", "1200x800", "1200x300"):
        ada.resize(geometry)
        assert ada.is_at_end
        ada.session.events.put(message(9, f"now {geometry}"))  # at once: Tk still measures the lines anew
        ada.see(f"now {geometry}")
        assert ada.is_at_end


def test_an_answer_to_oneself_is_seen_wherever_one_reads(play: Play, sit: SessionSit) -> None:
    server = play()
    ada = sit(server, join="Ada")
    fill(ada, server)
    ada.text.yview_moveto(0)
    server.peer.tell(message(900, "nel frattempo"))
    ada.see("nel frattempo")
    assert not ada.is_at_end
    ada.paste("x" * 20_000)
    ada.press("Return")
    ada.see("Messaggio non inviato")
    ada.wait(lambda: ada.is_at_end)


def test_what_was_said_can_be_selected_and_copied_but_not_changed(server: ChatServer, sit: SessionSit) -> None:
    ada = sit(server, join="Ada")
    ada.enter("da copiare")
    ada.see("Ada: da copiare")
    messages = ada.text
    start = messages.bbox(messages.search("da copiare", "1.0"))
    end = messages.bbox("end-3c")  # behind it the line ends, and so does the text
    assert start
    assert end
    messages.event_generate("<ButtonPress-1>", x=start[0], y=start[1] + 5)
    messages.event_generate("<B1-Motion>", x=end[0] + end[2] + 5, y=end[1] + 5)
    messages.event_generate("<ButtonRelease-1>", x=end[0] + end[2] + 5, y=end[1] + 5)
    messages.focus_force()
    ada.root.update()
    messages.event_generate("<Control-c>")
    assert ada.root.clipboard_get() == "da copiare"
    before = ada.shown
    messages.event_generate("<KeyPress>", keysym="x")
    messages.event_generate("<KeyPress>", keysym="BackSpace")
    ada.root.update()
    assert ada.shown == before


@pytest.fixture
def shown_at_once(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list of what the windows show, as much as each does without a pause for keys."""
    shown: list[str] = []
    flush = Conversation.flush

    def flush_and_note(conversation: Conversation) -> None:
        start = conversation.text.index("pending")
        flush(conversation)
        shown.append(conversation.text.get(start, "pending"))

    monkeypatch.setattr(Conversation, "flush", flush_and_note)
    return shown


def test_a_flood_is_shown_a_bounded_number_at_a_time(
    play: Play, sit: SessionSit, monkeypatch: pytest.MonkeyPatch, shown_at_once: list[str]
) -> None:
    clock = itertools.count()
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock) * DRAIN_S / 9.5)
    server = play()
    ada = sit(server, join="Ada")
    fill(ada, server, 1000)
    assert ada.shown.count("\nBob: riga ") == 1000
    assert max(shown.count("riga ") for shown in shown_at_once) == 9  # and then the time is over


def test_a_flood_of_long_texts_is_shown_a_bounded_number_of_letters_at_a_time(
    play: Play, sit: SessionSit, monkeypatch: pytest.MonkeyPatch, shown_at_once: list[str]
) -> None:
    monkeypatch.setattr("lan_chat.client.window.DRAIN_S", 3600.0)
    server = play()
    ada = sit(server, join="Ada")
    text = "x" * (DRAIN_CHARACTERS // 4 + 1)
    for number in range(50):
        ada.session.events.put(message(number, text))
    ada.session.events.put(message(50, "fine"))
    ada.see("\nBob: fine")
    assert ada.shown.count(f"\nBob: {text}") == 50
    assert 0 < max(shown.count("x") for shown in shown_at_once) < DRAIN_CHARACTERS + SHOWN_COST


def test_one_event_that_cannot_be_shown_does_not_stop_the_window(
    server: ChatServer, sit: SessionSit, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = sit(server, join="Ada")
    monkeypatch.setattr(ada.root, "report_callback_exception", lambda *_: None)
    ada.session.events.put(message(9, None))  # type: ignore[arg-type]
    ada.enter("ciao")
    ada.see("Ada: ciao")


def test_what_comes_with_an_event_that_cannot_be_shown_is_drawn_in_the_same_drain(
    server: ChatServer, sit: SessionSit, monkeypatch: pytest.MonkeyPatch, shown_at_once: list[str]
) -> None:
    ada = sit(server, join="Ada")
    failures: list[object] = []
    monkeypatch.setattr(ada.root, "report_callback_exception", lambda *failure: failures.append(failure))
    for event in (message(9, "prima"), message(10, None), message(11, "dopo")):  # type: ignore[arg-type]
        ada.session.events.put(event)
    ada.see("Bob: dopo")
    assert len(failures) == 1
    assert any("prima" in shown and "dopo" in shown for shown in shown_at_once)
