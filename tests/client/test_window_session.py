"""A window on a real session: choosing a name, talking, who is there."""

from __future__ import annotations

import pytest

from lan_chat.client.message_input import MAX_INPUT_LINES
from lan_chat.client.words import ITALIAN
from lan_chat.server.server import ChatServer
from protocol import Announcement, Error, Joined, Left, Refused
from tests.support.peers import LinePeer
from tests.support.played_server import Play
from tests.support.session_seats import TIME, SessionSeat, SessionSit

pytestmark = pytest.mark.screen

ORIGINAL_GREETING = ITALIAN.greeting


@pytest.fixture
def sit(session_sit: SessionSit) -> SessionSit:
    """Open windows on real sessions."""
    return session_sit


# --- choosing a name --------------------------------------------------------------------------------------------------


def test_the_hint_is_no_text_and_goes_when_somebody_types(server: ChatServer, sit: SessionSit) -> None:
    ada = sit(server)
    hint = ada.window.message_input.placeholder
    assert hint["text"] == "Il tuo nome"
    assert hint.winfo_ismapped()
    assert ada.draft == ""
    ada.press("Return")
    ada.type("A")
    assert not hint.winfo_ismapped()
    ada.press("BackSpace")
    assert hint.winfo_ismapped()
    ada.enter("Ada")  # had the hint or nothing at all been sent before, it would be refused or the name
    ada.see("Benvenuto Ada!")
    assert hint.winfo_ismapped()
    assert hint["text"] == "Scrivi qui i tuoi messaggi."
    assert ITALIAN.invalid not in ada.shown


def test_a_click_on_the_hint_is_a_click_into_the_box(server: ChatServer, sit: SessionSit) -> None:
    ada = sit(server)
    ada.window.button.focus_force()
    ada.root.update()
    ada.click(ada.window.message_input.placeholder)
    ada.wait(lambda: ada.root.focus_get() is ada.window.message_input.text)


def test_a_name_is_chosen_in_the_box(server: ChatServer, sit: SessionSit) -> None:
    ada = sit(server)
    ada.see(ITALIAN.greeting)
    ada.enter("Ada")
    ada.wait(lambda: ada.people == ["Ada"])
    assert ada.root.title() == "Chat – 127.0.0.1"
    assert ada.draft == ""
    assert ada.shown == (
        "Salve! Digita il tuo Nome seguito dal tasto Invio!\n"
        "Benvenuto Ada! Se vuoi lasciare la Chat, scrivi {quit} per uscire.\n"
        "Ada si è unito alla chat!"
    )
    assert len(TIME.findall(ada.window.conversation.read())) == 3


def test_a_name_that_was_refused_comes_back_selected(server: ChatServer, sit: SessionSit) -> None:
    with LinePeer(server.port, "Ada"):
        bea = sit(server)
        bea.enter("Ada")
        bea.see(ITALIAN.taken)
        assert bea.draft == "Ada"
        assert bea.window.message_input.text.get("sel.first", "sel.last") == "Ada"
        bea.enter("Bea")  # typed over the selection
        bea.see("Benvenuto Bea!")


def test_a_name_that_was_refused_does_not_overwrite_what_was_typed_since(play: Play, sit: SessionSit) -> None:
    server = play()
    bea = sit(server)
    bea.enter("Ada")
    server.peer.expect("Ada")
    bea.type("Bea")
    server.peer.tell(Refused("taken"))
    bea.see(ITALIAN.taken)
    assert bea.draft == "Bea"


def test_what_is_sent_while_a_name_is_asked_for_waits_in_the_box(play: Play, sit: SessionSit) -> None:
    server = play()
    ada = sit(server)
    ada.enter("Ada")
    ada.enter("ciao")
    assert ada.draft == "ciao"
    server.peer.welcome("Ada")
    ada.see("Benvenuto Ada!")
    ada.press("Return")
    assert ada.draft == ""
    assert server.peer.expect("ciao").endswith('{"type":"say","text":"ciao')


def test_the_name_from_the_command_line_is_offered(server: ChatServer, sit: SessionSit) -> None:
    ada = sit(server, name="Ada")
    ada.see("Benvenuto Ada!")
    bea = sit(server, name="ada")
    bea.see(ITALIAN.taken)
    assert bea.draft == "ada"


def test_the_name_from_the_command_line_is_offered_to_an_original_server_once(play: Play, sit: SessionSit) -> None:
    server = play(ORIGINAL_GREETING)
    ada = sit(server, name="Ada")
    ada.see(ORIGINAL_GREETING)
    assert server.peer.expect("Ada") == "Ada"
    server.peer.send("Benvenuto Ada!")
    ada.see("Benvenuto Ada!")
    ada.enter("ciao")
    assert server.peer.expect("ciao") == "ciao"


def test_what_is_no_letter_in_the_name_from_the_command_line_is_taken_out(server: ChatServer, sit: SessionSit) -> None:
    sit(server, name="A\udcffda\n").see("Benvenuto Ada!")


# --- talking ----------------------------------------------------------------------------------------------------------


def test_two_windows_talk(server: ChatServer, sit: SessionSit) -> None:
    ada, bob = sit(server, join="Ada"), sit(server, join="Bob")
    ada.see("Bob si è unito alla chat!")
    ada.enter("ciao bob")
    bob.see("\nAda: ciao bob")
    bob.enter("ciao ada")
    ada.see("\nAda: ciao bob\nBob: ciao ada")
    bob.see("\nAda: ciao bob\nBob: ciao ada")
    assert ada.draft == bob.draft == ada.tail == bob.tail == ""


def test_the_button_and_the_other_enter_key_send(server: ChatServer, sit: SessionSit) -> None:
    ada = sit(server, join="Ada")
    assert ada.window.button["text"] == "Invio"
    ada.type("uno")
    ada.click(ada.window.button)
    ada.see("\nAda: uno")
    ada.type("due")
    ada.press("KP_Enter")
    ada.see("\nAda: due")
    assert ada.draft == ""


def test_tab_goes_to_the_button_and_space_presses_it(server: ChatServer, sit: SessionSit) -> None:
    ada = sit(server, join="Ada")
    ada.type("ciao")
    ada.press("Tab")  # which would complete a name
    assert ada.root.focus_get() is ada.window.message_input.text
    assert ada.draft == "ciao"
    ada.press("Control-Home", "Tab")  # there is nothing to complete
    assert ada.root.focus_get() is ada.window.button
    ada.window.button.event_generate("<space>")
    ada.see("\nAda: ciao")


def left_edge(seat: SessionSeat, index: str) -> int:
    """Where a letter begins, in pixels."""
    box = seat.text.bbox(index)
    assert box, index
    return box[0]


def test_shift_and_return_break_the_line_and_further_lines_are_indented(server: ChatServer, sit: SessionSit) -> None:
    ada, bob = sit(server, join="Ada"), sit(server, join="Bob")
    ada.type("uno")
    ada.press("Shift-Return")
    ada.type("Bob. due")
    assert ada.draft == "uno\nBob. due"
    ada.press("Return")
    for seat in (ada, bob):
        seat.see("\nAda: uno\nBob. due")
        place = seat.text.search("Bob. due", "1.0")
        assert place.endswith(".0")  # a line of its own, below the first
        assert left_edge(seat, place) == left_edge(seat, f"{place}-1l")


def test_the_box_grows_with_its_text_and_shrinks_again(server: ChatServer, sit: SessionSit) -> None:
    ada = sit(server, join="Ada")
    ada.paste("a\nb\nc")
    ada.wait(lambda: ada.window.message_input.text["height"] == 3)
    ada.paste("a\n" * 20)
    ada.wait(lambda: ada.window.message_input.text["height"] == MAX_INPUT_LINES)
    ada.press("Return")
    ada.wait(lambda: ada.window.message_input.text["height"] == 1)


def test_a_text_of_blanks_is_not_sent_and_goes(server: ChatServer, sit: SessionSit) -> None:
    ada = sit(server, join="Ada")
    ada.enter("   ")
    assert ada.draft == ""
    ada.enter("ciao")
    ada.see("si è unito alla chat!\nAda: ciao")


def test_a_text_that_is_too_long_stays_in_the_box_and_is_told(server: ChatServer, sit: SessionSit) -> None:
    ada = sit(server, join="Ada")
    ada.paste("è" * 8193)
    ada.press("Return")
    ada.see(ITALIAN.draft_too_long.format(size=16386, over=2, limit=16384))
    assert ada.draft == "è" * 8193


def test_a_text_that_the_server_rejects_comes_back_before_the_draft(play: Play, sit: SessionSit) -> None:
    server = play()
    ada = sit(server, join="Ada")
    ada.enter("uno")
    server.peer.expect("uno")
    ada.type("due")
    server.peer.tell(Error("too long", 100, 1))
    ada.see(ITALIAN.too_long.format(limit=100))
    assert ada.draft == "uno\ndue"
    assert ada.tail == ""


def test_what_else_a_server_may_say_is_shown(play: Play, sit: SessionSit) -> None:
    server = play()
    ada = sit(server, join="Ada")
    server.peer.tell(Announcement(2, 0.0, "tra poco si chiude"), Error("already joined"), Error("not in the mood"))
    ada.see("\nServer: tra poco si chiude")
    ada.see(ITALIAN.already_joined)
    ada.see("not in the mood")


@pytest.mark.parametrize("text", ["👩‍👩‍👧 😀", "日本語で話す", "שלום مرحبا", "e\u0301 ñ Ω ﷽"])
def test_any_script_is_written_and_read(server: ChatServer, sit: SessionSit, text: str) -> None:
    with LinePeer(server.port, "Bob") as bob:
        ada = sit(server, join="Ada")
        ada.paste(text)
        ada.press("Return")
        bob.expect(f"Ada: {text}\n")
        bob.say(text[::-1])
        ada.see(f"\nBob: {text[::-1]}")


def test_a_letter_that_tk_hands_out_in_two_halves_arrives_whole(
    server: ChatServer, sit: SessionSit, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LinePeer(server.port, "Bob") as bob:
        ada = sit(server, join="Ada")
        monkeypatch.setattr(ada.window.message_input.text, "get", lambda *_: "\ud83d\ude00")
        ada.window.submit()
        bob.expect("Ada: 😀\n")


def test_a_window_can_speak_english(server: ChatServer, sit: SessionSit) -> None:
    ada = sit(server, language="en")
    ada.see("Welcome! Type your name and press Enter!")
    assert (ada.window.button["text"], ada.window.message_input.placeholder["text"]) == (
        "Send",
        "Your name",
    )
    ada.enter("Ada")
    ada.see("Ada has joined the chat!")
    assert ada.window.message_input.placeholder["text"] == "Type your messages here."
    ada.wait(lambda: ada.window.people.title["text"] == "In the chat: 1")


def test_with_an_original_server_a_window_shows_what_it_says(play: Play, sit: SessionSit) -> None:
    server = play(ORIGINAL_GREETING)
    ada = sit(server)
    ada.see(ORIGINAL_GREETING)
    ada.enter("Ada")
    assert server.peer.recv() == b"Ada"
    server.peer.send("Benvenuto Ada!")
    ada.see("\nBenvenuto Ada!")
    ada.enter("ciao")
    assert server.peer.recv() == b"ciao"
    assert not ada.window.people.frame.winfo_ismapped()  # it does not tell who is there


# --- who is there -----------------------------------------------------------------------------------------------------


def test_the_list_shows_who_is_there(server: ChatServer, sit: SessionSit) -> None:
    with LinePeer(server.port, "bea"), LinePeer(server.port, "Zoe") as zoe:
        ada = sit(server, join="Ada")
        ada.wait(lambda: ada.people == ["Ada", "bea", "Zoe"])
        assert ada.window.people.title["text"] == "Nella chat: 3"
        zoe.say("{quit}")
        ada.see("Zoe ha abbandonato la Chat.")
        ada.wait(lambda: ada.people == ["Ada", "bea"])
        assert ada.window.people.title["text"] == "Nella chat: 2"


def test_the_list_stays_where_it_was_scrolled_to(play: Play, sit: SessionSit) -> None:
    server = play()
    ada = sit(server, join="Ada")
    server.peer.tell(*(Joined(2 + number, 0.0, f"Tizio {number:03}") for number in range(200)))
    ada.wait(lambda: len(ada.people) == 201)
    ada.window.people.list.yview_moveto(0.5)
    middle = ada.window.people.first_in_sight()
    server.peer.tell(Left(900, 0.0, "Tizio 199"))
    ada.wait(lambda: len(ada.people) == 200)
    assert abs(ada.window.people.first_in_sight() - middle) <= 1
