"""The dialog's list of rooms: what appears in it, what is selected, and where Enter goes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import protocol
from lan_chat.client.settings import Settings
from lan_chat.client.words import ENGLISH, ITALIAN
from lan_chat.rooms import MAX_ROOMS, PORT, Found, Remembered, Room
from lan_chat.server.server import ChatServer
from tests.support.fake_search import FakeSearch
from tests.support.seats import Ask, DialogHands

pytestmark = pytest.mark.screen

AULA = Found(Room("a", "Aula 3", 53000, 12), "192.0.2.20")
LAB = Found(Room("b", "Laboratorio", 53000, 4, True), "192.0.2.7")
OFFICE = Found(Room("c", "Ufficio", 53001, 0), "192.0.2.9")
KNOWN = Remembered("a", "Aula 3", "192.0.2.20", 53000)


def knows_aula() -> Settings:
    return Settings(host="192.0.2.20", rooms=(KNOWN,), name="Ada")


def show(hands: DialogHands, search: FakeSearch, *found: Found, is_over: bool = True) -> None:
    """Have these rooms be found, and shown; perhaps after the first second."""
    (search.end_look if is_over else search.find)(*found)
    hands.wait(lambda: not hands.dialog._has_news.is_set())


def selected(hands: DialogHands) -> str:
    room = hands.dialog.rooms.selected
    return "" if room is None else room.room.name


def drawn(hands: DialogHands) -> list[str]:
    """The texts in the list."""
    hands.root.update()
    canvas = hands.dialog.rooms.list
    texts = [item for item in canvas.find_all() if str(canvas.tk.call(canvas, "type", item)) == "text"]
    return [str(canvas.tk.call(canvas, "itemcget", item, "-text")) for item in texts]


def at(found: Found, server: ChatServer) -> Found:
    return Found(replace(found.room, port=server.port, needs_code=False), "127.0.0.1")


def test_each_room_is_shown_with_name_people_address_and_whether_a_code_is_needed(
    ask: Ask, searches: list[FakeSearch]
) -> None:
    hands = ask()
    show(hands, searches[0], AULA, LAB)
    texts = [text for text in drawn(hands) if text]
    assert set(texts[:3]) == {"Aula 3", "12", "192.0.2.20 · porta 53000"}
    assert set(texts[3:]) == {"Laboratorio", "4", "192.0.2.7 · porta 53000", ITALIAN.room_code}


@pytest.mark.parametrize("words", [ITALIAN, ENGLISH])
def test_where_nothing_is_found_it_is_said_what_may_be_wrong_and_the_search_goes_on(
    ask: Ask, searches: list[FakeSearch], words: Any
) -> None:
    hands = ask(Settings(language="it" if words is ITALIAN else "en"))
    nothing = f"{words.no_rooms.format(port=PORT)}\n{words.search_goes_on}"
    assert drawn(hands) == [words.rooms_searching]
    show(hands, searches[0])
    assert drawn(hands) == [nothing]
    show(hands, searches[0], AULA)
    assert "Aula 3" in drawn(hands)
    show(hands, searches[0])  # it has gone again
    assert drawn(hands) == [nothing]


def test_the_last_room_is_selected_as_soon_as_it_is_found_and_another_one_after_the_first_second(
    ask: Ask, searches: list[FakeSearch]
) -> None:
    hands = ask(knows_aula())
    show(hands, searches[0], LAB, is_over=False)
    assert selected(hands) == ""
    show(hands, searches[0], LAB, AULA, is_over=False)
    assert selected(hands) == "Aula 3"
    stranger = ask()
    show(stranger, searches[1], LAB, is_over=False)
    assert selected(stranger) == ""
    show(stranger, searches[1], LAB)
    assert selected(stranger) == "Laboratorio"


def test_of_several_rooms_that_are_all_new_none_is_selected(ask: Ask, searches: list[FakeSearch]) -> None:
    hands = ask()
    show(hands, searches[0], LAB, OFFICE)
    assert selected(hands) == ""


def test_after_a_server_that_is_no_known_room_its_address_is_what_enter_means(
    ask: Ask, searches: list[FakeSearch]
) -> None:
    hands = ask(Settings(host="pc-7", rooms=(KNOWN,)))
    show(hands, searches[0], AULA)
    assert selected(hands) == ""
    assert hands.answers == ("pc-7", "53000")


def test_what_comes_and_goes_moves_no_selection(ask: Ask, searches: list[FakeSearch]) -> None:
    hands = ask()
    show(hands, searches[0], LAB, OFFICE)
    hands.press("Down", "Down")
    assert selected(hands) == "Ufficio"
    show(hands, searches[0], LAB, OFFICE, AULA)
    assert selected(hands) == "Ufficio"
    show(hands, searches[0], OFFICE, AULA)
    assert selected(hands) == "Ufficio"
    show(hands, searches[0], AULA)
    assert selected(hands) == ""
    show(hands, searches[0], AULA, OFFICE)
    assert selected(hands) == "Ufficio"


def test_a_row_in_sight_stays_where_it_is_when_one_above_it_goes(ask: Ask, searches: list[FakeSearch]) -> None:
    hands = ask()
    many = [replace(AULA, room=replace(AULA.room, id=str(number))) for number in range(MAX_ROOMS)]
    show(hands, searches[0], *many)
    for _ in range(20):
        hands.dialog.rooms.step(1)
    before = hands.dialog.rooms.place_of("19")
    show(hands, searches[0], *many[1:])
    assert hands.dialog.rooms.place_of("19") == before


def test_enter_in_the_field_of_the_address_goes_to_the_room_that_is_selected(
    ask: Ask, searches: list[FakeSearch], server: ChatServer
) -> None:
    aula = at(AULA, server)
    settings = Settings(host="127.0.0.1", port=server.port, rooms=(replace(KNOWN, host="127.0.0.1", port=server.port),))
    hands = ask(settings)
    show(hands, searches[0], aula)
    hands.press("Return")
    hands.wait(lambda: hands.dialog.session is not None)
    assert searches[0].is_closed


def test_a_double_click_enters(ask: Ask, searches: list[FakeSearch], server: ChatServer) -> None:
    hands = ask()
    show(hands, searches[0], OFFICE, at(AULA, server))
    place = hands.dialog.rooms.place_of("a")
    hands.click(hands.dialog.rooms.list, *place)
    assert selected(hands) == "Aula 3"
    hands.click(hands.dialog.rooms.list, *place)
    if hands.dialog._attempt is None:  # without xdotool no click is a double one
        hands.dialog.rooms.list.event_generate("<Double-Button-1>", x=place[0], y=place[1])
    hands.wait(lambda: hands.dialog.session is not None)


def test_what_is_typed_wins_over_the_list_and_is_not_lost(
    ask: Ask, searches: list[FakeSearch], nobody_port: int
) -> None:
    hands = ask(knows_aula())
    show(hands, searches[0], AULA, is_over=False)
    hands.dialog.host.delete(0, "end")
    hands.type("127.0.0.1")
    assert selected(hands) == ""
    hands.fill("127.0.0.1", nobody_port)
    show(hands, searches[0], AULA, LAB)  # selects nothing any more
    assert selected(hands) == ""
    hands.press("Return")
    hands.wait(lambda: hands.problem == ITALIAN.unreachable_refused.format(host="127.0.0.1", port=nobody_port))
    hands.click(hands.dialog.rooms.list, *hands.dialog.rooms.place_of("b"))
    assert selected(hands) == "Laboratorio"
    assert hands.answers == ("127.0.0.1", str(nobody_port))
    hands.focus_on(hands.dialog.host)  # back to what was typed
    assert selected(hands) == ""


def test_a_refused_room_is_told_and_can_be_tried_again(ask: Ask, searches: list[FakeSearch], nobody_port: int) -> None:
    hands = ask()
    show(hands, searches[0], Found(replace(AULA.room, port=nobody_port), "127.0.0.1"))
    hands.press("Return")
    hands.wait(lambda: hands.problem == ITALIAN.unreachable_refused.format(host="127.0.0.1", port=nobody_port))
    assert selected(hands) == "Aula 3"
    assert hands.focus == str(hands.dialog.rooms.list)
    hands.dialog.problem.configure(text="")
    hands.press("Return")
    hands.wait(lambda: hands.problem == ITALIAN.unreachable_refused.format(host="127.0.0.1", port=nobody_port))


def test_everything_can_be_reached_by_keyboard_with_the_focus_seen(ask: Ask, searches: list[FakeSearch]) -> None:
    hands = ask()
    dialog = hands.dialog
    show(hands, searches[0], AULA, LAB)
    stops = [dialog.port, dialog.name_field, dialog.button, dialog.cancel_button, dialog.rooms.list, dialog.host]
    for stop in stops:
        hands.press("Tab")
        hands.wait(lambda stop=stop: hands.focus == str(stop))  # type: ignore[misc]
        assert dialog.rooms.frame.instate(["focus"]) is (stop is dialog.rooms.list)


@pytest.mark.parametrize(
    ("known", "sentence"),
    [
        (replace(KNOWN, host="192.0.2.99"), ITALIAN.room_moved),
        (replace(KNOWN, host="127.0.0.1", had_code=True), ITALIAN.room_open),
    ],
)
def test_a_room_that_may_be_another_one_is_entered_only_after_a_question(
    ask: Ask, searches: list[FakeSearch], server: ChatServer, known: Remembered, sentence: str
) -> None:
    hands = ask(Settings(host=known.host, port=known.port, rooms=(known,)))
    show(hands, searches[0], at(AULA, server))
    question = sentence.format(
        room="Aula 3", host="127.0.0.1", port=server.port, old=f"{known.host} · porta {known.port}"
    )
    hands.press("Return")
    hands.wait(lambda: hands.problem == question)
    assert hands.dialog.button["text"] == ITALIAN.enter_anyway
    hands.press("Return")  # once more, without having read it
    assert hands.problem == ""
    assert hands.dialog.button["text"] == ITALIAN.connect
    assert not hands.is_busy
    hands.press("Return")
    hands.wait(lambda: hands.problem == question)
    hands.click(hands.dialog.button)
    hands.wait(lambda: hands.dialog.session is not None)


def test_a_question_is_withdrawn_with_escape_or_by_another_choice(ask: Ask, searches: list[FakeSearch]) -> None:
    hands = ask(Settings(host="192.0.2.99", rooms=(replace(KNOWN, host="192.0.2.99"),)))
    show(hands, searches[0], AULA, LAB)
    for key in ("Escape", "Down"):
        hands.dialog.rooms.select("a")
        hands.focus_on(hands.dialog.rooms.list)
        hands.press("Return")
        hands.wait(lambda: hands.dialog.button["text"] == ITALIAN.enter_anyway)
        hands.focus_on(hands.dialog.rooms.list)
        hands.press(key)
        hands.wait(lambda: hands.dialog.button["text"] == ITALIAN.connect)
        assert hands.is_open
        assert hands.problem == ""


def test_the_name_is_the_last_one_and_another_one_must_be_one(
    ask: Ask, searches: list[FakeSearch], server: ChatServer
) -> None:
    hands = ask(Settings(name="Ada"))
    assert hands.dialog.name_field.get() == "Ada"
    hands.fill("127.0.0.1", server.port)
    hands.focus_on(hands.dialog.name_field)
    hands.dialog.name_field.insert("end", ":")
    hands.press("Return")
    assert hands.problem == ITALIAN.explain(protocol.Reason.INVALID)
    assert hands.dialog.name_field.get() == "Ada:"
    hands.press("BackSpace", "Return")
    hands.wait(lambda: hands.dialog.session is not None)
    assert hands.dialog.name == "Ada"


def test_the_room_in_which_one_is_can_not_be_entered_again(ask: Ask, searches: list[FakeSearch]) -> None:
    hands = ask(knows_aula(), current=KNOWN)
    assert hands.problem == ITALIAN.leaving.format(room="Aula 3")
    assert hands.answers == ("", "")
    show(hands, searches[0], replace(AULA, host="127.0.0.1"))
    assert selected(hands) == ""
    assert ITALIAN.you_are_here in drawn(hands)
    hands.press("Down", "Return")
    assert hands.problem == ITALIAN.already_here.format(room="Aula 3")
    hands.dialog.note_end()
    assert hands.problem == ""
    assert ITALIAN.you_are_here not in drawn(hands)
    hands.press("Return")
    hands.wait(lambda: hands.problem.startswith("«Aula 3» ora risponde da 127.0.0.1"))


def test_what_may_be_wrong_can_be_read_to_its_end_with_the_keys(ask: Ask, searches: list[FakeSearch]) -> None:
    hands = ask(Settings(font_size=40))
    show(hands, searches[0])
    rooms = hands.dialog.rooms.list
    hands.focus_on(rooms)
    for _ in range(30):
        hands.dialog.rooms.step(1)
        hands.root.update()
    assert rooms.yview()[0] > 0
    assert rooms.yview()[1] == 1
    show(hands, searches[0])  # drawn again
    hands.root.update()
    assert rooms.yview()[1] == 1


def test_a_row_that_is_scrolled_to_is_drawn(ask: Ask, searches: list[FakeSearch]) -> None:
    hands = ask()
    show(hands, searches[0], *(replace(AULA, room=replace(AULA.room, id=str(n), name=f"PC-{n}")) for n in range(50)))
    assert "PC-0" in drawn(hands)
    assert "PC-49" not in drawn(hands)
    hands.focus_on(hands.dialog.rooms.list)
    hands.press("End")
    assert "PC-49" in drawn(hands)
    assert "PC-0" not in drawn(hands)
    hands.dialog.rooms.list.yview_moveto(0)
    hands.wait(lambda: "PC-0" in drawn(hands))


def test_a_tk_that_cannot_draw_every_letter_is_not_given_any_that_ends_it(
    ask: Ask, searches: list[FakeSearch], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lan_chat.client.desktop.draws_every_letter", lambda _: False)
    party = replace(KNOWN, name="Festa 🎉")
    hands = ask(Settings(rooms=(party,)), current=party)
    show(hands, searches[0], replace(AULA, room=replace(AULA.room, name="Festa 🎉")))
    assert not any(ord(character) > 0xFFFF for text in (*drawn(hands), hands.problem) for character in text)
    assert "Festa" in hands.problem


def test_where_no_search_can_be_made_an_address_can_be_typed(
    ask: Ask, server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lan_chat.client.connect_dialog.begin_search", lambda *_: None)
    hands = ask()
    assert drawn(hands)[0].startswith(ITALIAN.no_rooms.format(port=PORT))
    hands.fill("127.0.0.1", server.port)
    hands.press("Return")
    hands.wait(lambda: hands.dialog.session is not None)


@pytest.mark.parametrize("leave", ["cancel", "close"])
def test_the_search_ends_with_the_dialog(ask: Ask, searches: list[FakeSearch], leave: str) -> None:
    hands = ask()
    assert searches[0].is_started
    getattr(hands.dialog, leave)()
    assert searches[0].is_closed


@pytest.mark.parametrize("size", [8, 40])
def test_dialog_and_rooms_fit_the_screen_with_the_longest_names_and_sentences(
    ask: Ask, searches: list[FakeSearch], size: int
) -> None:
    hands = ask(Settings(host="192.0.2.99", rooms=(replace(KNOWN, host="192.0.2.99"),), font_size=size))
    long = replace(AULA, room=replace(AULA.room, name="W" * 40), host="fe80::1234:5678:9abc:def0%enx001122334455")
    show(hands, searches[0], long, LAB)
    canvas = hands.dialog.rooms.list
    hands.wait(lambda: canvas.winfo_width() > 100)
    for item in canvas.find_all():
        box = canvas.bbox(item)
        assert -1 <= box[0] < box[2] <= canvas.winfo_width() + 1
    hands.dialog.submit()
    hands.root.update()
    assert hands.problem
    assert hands.root.winfo_reqheight() <= hands.root.winfo_screenheight()
    assert hands.root.winfo_reqwidth() <= hands.root.winfo_screenwidth()
    buttons = [hands.dialog.button, hands.dialog.cancel_button, *hands.dialog._fields]
    assert all(widget.winfo_height() >= widget.winfo_reqheight() for widget in buttons)
