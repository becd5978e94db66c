"""The window while its room is somewhere else by now: what the banner asks, and what the answers do."""

from __future__ import annotations

from pathlib import Path

import pytest

from lan_chat.client.ledger import LinkRestored
from lan_chat.client.session import Disconnected, LinkBroken
from lan_chat.client.settings import load_settings, settings_path
from lan_chat.client.whereabouts import AddressChanged, OfferWithdrawn, RoomMoved
from lan_chat.client.words import ENGLISH, ITALIAN
from lan_chat.rooms import Remembered
from tests.support.seats import Seat, Sit

pytestmark = pytest.mark.screen

MOVED = RoomMoved("Aula 3", "192.168.1.30", 53000)
QUESTION = ITALIAN.room_elsewhere.format(name="Aula 3", host="192.168.1.30", port=53000)
TRIED = ITALIAN.connecting.format(host="192.168.1.30", port=53000)
WAITING = ITALIAN.status_waiting.partition("{wait}")[0].format(host="lan-host", port=53000)


def offer(seat: Seat, moved: RoomMoved = MOVED) -> None:
    """Break the link, and find the room elsewhere."""
    seat.fake.tell(LinkBroken(1000.0), moved)
    seat.wait(lambda: is_asked(seat))


def is_asked(seat: Seat) -> bool:
    return bool(seat.window._status_line.offer_label.winfo_ismapped())


def test_the_banner_asks_and_yes_goes_there_and_the_settings_know_it(sit: Sit, own_settings: Path) -> None:
    seat = sit("Bob")
    seat.window.settings._path = settings_path()
    line = seat.window._status_line
    offer(seat)
    assert line.offer_label["text"] == QUESTION
    assert line.follow_button["text"] == "Vai lì"
    assert seat.window.status["text"].startswith(WAITING)  # attempts where it was go on
    assert seat.window.retry_button.winfo_ismapped()
    seat.click(line.follow_button)
    assert seat.fake.followed == [MOVED]
    seat.wait(lambda: not is_asked(seat))
    assert seat.window.status["text"].startswith(TRIED)
    room = Remembered("room", "Aula 3", "192.168.1.30", 53000)
    seat.fake.tell(LinkBroken(0.0, ("192.168.1.30", 53000)), AddressChanged(room), LinkRestored(("Ada", "Bob")))
    seat.see(ITALIAN.link_restored)
    assert seat.shown.count(ITALIAN.link_broken) == 1
    assert not line.frame.winfo_ismapped()
    assert seat.window._layout.header.address["text"] == "192.168.1.30 · porta 53000"
    assert seat.root.title() == "Chat – 192.168.1.30"
    settings, _ = load_settings(settings_path())
    assert (settings.host, settings.port, settings.rooms[0]) == ("192.168.1.30", 53000, room)
    assert Path(own_settings).exists()


def test_no_is_asked_no_more_and_changes_nothing(sit: Sit) -> None:
    seat = sit("Bob")
    offer(seat)
    seat.click(seat.window._status_line.refuse_button)
    assert (seat.fake.refused, seat.fake.followed) == ([MOVED], [])
    seat.wait(lambda: not is_asked(seat))
    assert seat.window.status["text"].startswith(WAITING)
    assert seat.window.retry_button.winfo_ismapped()


def test_an_address_where_nobody_was_is_asked_about_again(sit: Sit) -> None:
    seat = sit("Bob")
    offer(seat)
    seat.window._status_line.follow_button.invoke()
    seat.fake.tell(LinkBroken(0.0, ("192.168.1.30", 53000)), LinkBroken(1000.0))
    seat.wait(lambda: is_asked(seat))
    assert seat.window.status["text"].startswith(WAITING)


def test_the_question_goes_when_the_room_is_back_or_gone(sit: Sit) -> None:
    seat = sit("Bob")
    offer(seat)
    seat.fake.tell(OfferWithdrawn())
    seat.wait(lambda: not is_asked(seat))
    assert seat.window.retry_button.winfo_ismapped()
    offer(seat)
    seat.fake.tell(LinkRestored(("Ada", "Bob")))
    seat.wait(lambda: not is_asked(seat))
    seat.fake.tell(LinkBroken(1000.0))  # another break knows nothing of it
    seat.wait(seat.window.retry_button.winfo_ismapped)
    assert not is_asked(seat)
    offer(seat)
    seat.fake.tell(Disconnected(()))
    seat.wait(lambda: not is_asked(seat))


def test_another_address_takes_the_place_of_the_first_and_that_is_the_one_gone_to(sit: Sit) -> None:
    seat = sit("Bob")
    offer(seat)
    other = RoomMoved("Aula 3", "fe80::1%2", 53001)
    seat.fake.tell(other)
    seat.wait(lambda: "fe80::1%2" in str(seat.window._status_line.offer_label["text"]))
    seat.window._status_line.follow_button.invoke()
    assert seat.fake.followed == [other]


def test_the_question_is_asked_in_the_language_of_the_menu(sit: Sit) -> None:
    seat = sit("Bob")
    offer(seat)
    seat.choose("English")
    line = seat.window._status_line
    assert line.offer_label["text"] == ENGLISH.room_elsewhere.format(name="Aula 3", host="192.168.1.30", port=53000)
    assert (line.follow_button["text"], line.refuse_button["text"]) == ("Go there", "No")


@pytest.mark.parametrize("key", ["Return", "space"])
def test_the_answers_are_reached_and_given_by_keys(sit: Sit, key: str) -> None:
    seat = sit("Bob")
    offer(seat)
    line = seat.window._status_line
    assert seat.focus == str(seat.window.message_input.text)  # what is typed meanwhile answers nothing
    line.follow_button.focus_force()
    seat.press(key)
    assert seat.fake.followed == [MOVED]
    assert seat.focus == str(seat.window.message_input.text)


def test_in_a_narrow_window_the_answers_stand_below_the_question(sit: Sit) -> None:
    seat = sit("Bob")
    seat.root.geometry("360x400")
    offer(seat, RoomMoved("W" * 40, "fe80::1234:5678:9abc:def0%12", 53000))
    line = seat.window._status_line
    seat.wait(lambda: line.follow_button.winfo_rooty() > line.offer_label.winfo_rooty())
    for button in (line.follow_button, line.refuse_button, seat.window.retry_button):
        edge = button.winfo_rootx() - seat.root.winfo_rootx() + button.winfo_width()
        assert edge <= seat.root.winfo_width()
    assert line.follow_button.winfo_rootx() < line.refuse_button.winfo_rootx()
