"""What is on its way, was refused, or was never accepted."""

from __future__ import annotations

import pytest

import protocol
from lan_chat.client.composing import whole_letters
from lan_chat.client.ledger import Rejected
from lan_chat.client.session import Disconnected
from lan_chat.client.words import ITALIAN
from lan_chat.server.server import ChatServer
from protocol import Error, Greeting, Reason, Refused
from tests.support.seats import HAS_XDOTOOL, Sit, labels, message

pytestmark = pytest.mark.screen


# --- what cannot be said ----------------------------------------------------------------------------------------------


def test_a_text_over_the_limit_stays_in_the_box_with_the_count(sit: Sit) -> None:
    seat = sit()
    limit = protocol.MAX_MESSAGE_BYTES
    text = "è" * (limit // 2) + "abc"
    seat.paste(text)
    seat.press("Return")
    seat.see(ITALIAN.draft_too_long.format(size=limit + 3, over=3, limit=limit))
    assert (seat.said, seat.draft) == ([], text)
    seat.press("BackSpace", "BackSpace", "BackSpace", "Return")
    assert (seat.said, seat.draft) == ([text[:-3]], "")


def test_what_the_server_refuses_is_back_in_the_box_with_the_reason(sit: Sit, server: ChatServer) -> None:
    seat = sit(server=server)
    server.room.is_quiet = True
    seat.enter("ciao")
    seat.see(ITALIAN.muted)
    assert seat.draft == "ciao"
    assert "Ada: ciao" not in seat.shown
    server.room.is_quiet = False
    seat.press("Return")
    seat.wait(lambda: seat.last_line.endswith("Ada: ciao"))
    assert seat.draft == ""


def test_who_is_muted_alone_is_told_so(sit: Sit, server: ChatServer) -> None:
    seat = sit(server=server)
    server.room.mute("Ada", is_muted=True)
    seat.enter("ciao")
    seat.see(ITALIAN.muted)
    assert seat.draft == "ciao"


@pytest.mark.parametrize(("since", "draft"), [("", "uno\ndue"), ("tre", "uno\ndue\ntre"), ("uno", "uno\ndue\nuno")])
def test_what_is_refused_late_keeps_its_order_before_what_was_written_since(sit: Sit, since: str, draft: str) -> None:
    seat = sit()
    for text in ("uno", "due"):
        seat.enter(text)
    seat.write(since)
    for nonce, text in enumerate(seat.said[:], 1):
        seat.fake.tell(Rejected(text, Error(Reason.MUTED.value, nonce=nonce)))
    seat.wait(lambda: seat.shown.count(ITALIAN.muted) == 2)
    assert seat.draft == draft


def test_a_refused_name_is_back_in_the_box_ready_to_be_typed_over(sit: Sit) -> None:
    seat = sit(name="")
    seat.fake.tell(Greeting())
    seat.enter("Bob")
    assert (seat.fake.joined, seat.draft) == (["Bob"], "")
    seat.fake.tell(Refused(Reason.TAKEN.value))
    seat.see(ITALIAN.taken)
    assert seat.draft == "Bob"
    seat.type("Rob")
    assert seat.draft == "Rob"


# --- on its way -------------------------------------------------------------------------------------------------------


def test_what_one_says_shows_at_once_and_becomes_final_in_the_order_of_the_room(sit: Sit) -> None:
    seat = sit("Bob")
    seat.enter("uno")
    seat.enter("due")
    seat.wait(lambda: seat.last_line.endswith("Ada: due …"))
    assert "Ada: uno …" in seat.shown
    seat.fake.tell(message(1, "prima di voi"), message(2, "uno", "Ada", 1), message(3, "in mezzo"))
    seat.see("in mezzo")
    seat.fake.tell(message(4, "due", "Ada", 2))
    seat.wait(lambda: "…" not in seat.shown)
    order = [line.partition("  ")[2] for line in seat.shown.rstrip("\n").split("\n")]
    assert order[-4:] == ["Bob: prima di voi", "Ada: uno", "Bob: in mezzo", "Ada: due"]


def test_another_ones_message_with_the_same_nonce_does_not_confirm_mine(sit: Sit) -> None:
    seat = sit("Bob")
    seat.enter("mio")
    seat.fake.tell(message(1, "suo", "Bob", 1))
    seat.see("Bob: suo")
    assert seat.last_line.endswith("Ada: mio …")


def test_what_was_never_accepted_is_marked_and_each_can_be_discarded_by_mouse(sit: Sit) -> None:
    seat = sit()
    seat.enter("uno")
    seat.enter("due")
    seat.fake.tell(Disconnected(("uno", "due")))
    seat.wait(lambda: seat.shown.count(f"({ITALIAN.not_sent})") == 2)
    assert "…" not in seat.shown
    seat.click_on_text("discard-0")
    seat.wait(lambda: "Ada: uno" not in seat.shown)
    assert f"Ada: due  ({ITALIAN.not_sent})" in seat.shown
    seat.click_on_text("discard-0")
    seat.wait(lambda: ITALIAN.not_sent not in seat.shown)


def test_what_was_never_accepted_can_be_sent_again_by_mouse_and_by_key(sit: Sit) -> None:
    seat = sit()
    seat.fake.tell(Disconnected(("uno", "due", "tre")))
    seat.see(ITALIAN.not_sent)
    seat.window.membership.is_connected = True  # what a session that came back would bring about
    seat.click_on_text("again-1")
    seat.wait(lambda: seat.said == ["due"])
    seat.wait(lambda: seat.last_line.endswith("due …"))
    seat.press("Control-r")
    seat.wait(lambda: seat.said == ["due", "uno", "tre"])
    seat.wait(lambda: ITALIAN.not_sent not in seat.shown)


def test_sending_again_without_a_connection_says_so_and_loses_nothing(sit: Sit) -> None:
    seat = sit()
    seat.fake.tell(Disconnected(("uno",)))
    seat.see(ITALIAN.not_sent)
    seat.press("Control-r")
    seat.wait(lambda: seat.shown.count(ITALIAN.restart) == 2)
    assert f"uno  ({ITALIAN.not_sent})" in seat.shown


def test_what_was_never_accepted_can_be_discarded_by_keys_alone(sit: Sit) -> None:
    seat = sit()
    seat.fake.tell(Disconnected(("uno", "due")))
    seat.see(ITALIAN.not_sent)
    seat.press("F6", "Shift-F10")
    seat.wait(lambda: seat.popup)
    menu = seat.popup
    assert menu is not None
    assert labels(menu)[-2:] == [ITALIAN.send_again, ITALIAN.discard]
    if HAS_XDOTOOL:
        seat.press("Up", "Return")  # the last entry
    else:
        seat.choose_in_popup(ITALIAN.discard)
    seat.wait(lambda: ITALIAN.not_sent not in seat.shown)


def test_a_broken_connection_keeps_the_draft(sit: Sit) -> None:
    seat = sit()
    seat.type("bozza")
    seat.fake.tell(Disconnected(()))
    seat.see(ITALIAN.restart)
    seat.press("Return")
    seat.wait(lambda: seat.shown.count(ITALIAN.restart) == 2)
    assert (seat.said, seat.draft) == ([], "bozza")


def test_what_is_said_at_the_moment_of_the_end_stays_in_the_box(sit: Sit) -> None:
    seat = sit()
    seat.fake.is_over = True  # the session knows, and the window not yet
    seat.enter("troppo tardi")
    assert (seat.said, seat.draft) == ([], "troppo tardi")


def test_of_an_expensive_message_on_its_way_the_beginning_is_drawn_and_all_is_copied(sit: Sit) -> None:
    seat = sit()
    text = "".join(map(chr, range(0x1F300, 0x1F600)))
    seat.window.message_input.insert(text)
    seat.press("Return")
    seat.wait(lambda: ITALIAN.sending in seat.drawn)
    assert 0 < sum(letter > "\uffff" for letter in whole_letters(seat.drawn)) < 50
    assert text in whole_letters(seat.shown)
