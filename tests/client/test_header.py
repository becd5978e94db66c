"""The header, the banner of a broken link, the state before one has a name, a narrow window."""

from __future__ import annotations

import time

import pytest

import protocol
from lan_chat.client.session import Disconnected, LinkBroken
from lan_chat.client.words import ENGLISH, ITALIAN, LANGUAGES
from protocol import Greeting, Joined, Notice, Refused, Welcome
from tests.support.seats import ReaderSit, Sit

pytestmark = pytest.mark.screen


def test_the_header_says_where_one_is_who_one_is_and_how_many_are_here(sit: Sit) -> None:
    seat = sit("Bob")
    header = seat.window._layout.header
    seat.wait(lambda: str(header.people["text"]).strip() == "2")
    assert header.room["text"] == "lan-host"
    assert header.address["text"] == "lan-host · porta 53000"
    assert header.user["text"] == "Ada"
    assert str(header.link["text"]).strip() == ITALIAN.link_works
    assert seat.root.title() == "Chat – lan-host"
    seat.choose("English")
    assert header.address["text"] == "lan-host · port 53000"
    assert str(header.link["text"]).strip() == ENGLISH.link_works


def test_the_rooms_name_stands_in_header_title_and_banner_with_the_address_below_it(sit: Sit) -> None:
    seat = sit("Bob", name="")
    header = seat.window._layout.header
    seat.fake.tell(Greeting(), Welcome("Ada", "token", ("Ada",), 0, room="id-1", title="Aula 3"))
    seat.wait(lambda: header.room["text"] == "Aula 3")
    assert header.address["text"] == "lan-host · porta 53000"
    assert seat.root.title() == "Chat – Aula 3"
    seat.fake.tell(LinkBroken(1000.0))
    seat.wait(lambda: "«Aula 3», lan-host, porta 53000" in seat.window.status["text"])
    seat.choose("English")
    assert "“Aula 3”, lan-host, port 53000" in seat.window.status["text"]
    assert seat.settings.rooms[0].name == "Aula 3"


def test_a_rooms_name_is_drawn_as_this_tk_can_draw_it(sit: Sit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lan_chat.client.desktop.draws_every_letter", lambda _: False)
    seat = sit(name="")
    seat.fake.tell(Greeting(), Welcome("Ada", "token", ("Ada",), 0, title="Festa 🎉"))
    seat.wait(lambda: str(seat.window._layout.header.room["text"]).startswith("Festa"))
    assert "🎉" not in str(seat.window._layout.header.room["text"])
    assert seat.window.membership.room.name == "Festa 🎉"


@pytest.mark.parametrize("title", ["", "\u202e", "  ", "W" * 500])
def test_a_rooms_name_that_is_none_or_too_long_harms_nothing(sit: Sit, title: str) -> None:
    seat = sit(name="")
    header = seat.window._layout.header
    seat.fake.tell(Greeting(), Welcome("Ada", "token", ("Ada",), 0, title=title))
    seat.see(ITALIAN.welcome.format(name="Ada"))
    shown = seat.window.membership.room.name or "lan-host"
    assert seat.root.title() == f"Chat – {shown}"
    assert len(shown) <= 40
    assert header.room["text"].rstrip("…") in shown


def test_the_state_of_the_link_is_a_word_and_a_dot(sit: Sit) -> None:
    seat = sit("Bob")
    header = seat.window._layout.header
    looks = {(str(header.link["text"]), str(header.link["image"]))}
    seat.fake.tell(LinkBroken(1000.0))
    seat.wait(lambda: str(header.link["text"]).strip() == ITALIAN.link_state_broken)
    looks.add((str(header.link["text"]), str(header.link["image"])))
    seat.fake.tell(Disconnected(()))
    seat.wait(lambda: str(header.link["text"]).strip() == ITALIAN.link_ended)
    looks.add((str(header.link["text"]), str(header.link["image"])))
    assert len({word for word, _ in looks}) == len({dot for _, dot in looks}) == 3


def test_the_banner_is_there_while_the_link_is_broken(sit: Sit) -> None:
    seat = sit("Bob")
    banner = seat.window._status_line.frame
    assert not banner.winfo_ismapped()
    seat.fake.tell(LinkBroken(1000.0))
    seat.wait(banner.winfo_ismapped)
    assert seat.window.status["text"].endswith(f"s. {ITALIAN.status_kept}")
    seat.click(seat.window.retry_button)
    assert seat.fake.retries == 1
    palette = seat.window._palette
    assert seat.window.people.colours_of("Bob") == (palette.line, palette.quiet)
    seat.fake.tell(protocol.Message(1, time.time(), "Bob", "ciao", None))
    seat.fake.tell(Welcome("Ada", "token", ("Ada", "Bob"), 0))
    seat.wait(lambda: not banner.winfo_ismapped())
    assert seat.window.people.colours_of("Bob") != (palette.line, palette.quiet)


def test_the_header_says_that_the_user_is_muted(sit: Sit) -> None:
    seat = sit("Bob")
    seat.fake.tell(Notice(protocol.MUTED))
    seat.wait(lambda: ITALIAN.status_muted in str(seat.window._layout.header._standing["text"]))


@pytest.mark.parametrize("language", LANGUAGES)
def test_nobody_takes_the_field_for_the_name_for_that_of_messages(sit: Sit, language: str) -> None:
    seat = sit(name="", language=language)
    window, words, naming = seat.window, LANGUAGES[language], seat.window._layout.naming
    seat.fake.tell(Greeting())
    seat.see(words.greeting)
    seat.wait(naming.frame.winfo_ismapped)
    assert window.message_input.placeholder["text"] == words.placeholder_name
    assert naming.request["text"] == words.greeting
    assert window.button["text"] == words.send
    seat.enter("Ada")
    seat.fake.tell(Refused(protocol.Reason.TAKEN))
    seat.wait(lambda: naming.problem["text"] == words.explain(protocol.Reason.TAKEN))
    seat.fake.tell(Welcome("Ada", "token", ("Ada",), 0))
    seat.wait(lambda: not naming.frame.winfo_ismapped())
    assert window.message_input.placeholder["text"] == words.placeholder


def test_a_name_that_has_to_be_chosen_again_hides_nothing(sit: Sit) -> None:
    seat = sit("Bob")
    seat.fake.tell(Refused(protocol.Reason.TAKEN))
    naming = seat.window._layout.naming
    seat.wait(naming.frame.winfo_ismapped)
    seat.root.update()
    assert naming.frame.winfo_rooty() >= seat.conversation.winfo_rooty() + seat.conversation.winfo_height()


def test_in_a_narrow_window_the_list_is_folded_away_until_it_is_wanted(sit: Sit) -> None:
    seat = sit("Bob", geometry="400x300+0+0")
    people, header = seat.window.people.frame, seat.window._layout.header
    seat.wait(lambda: seat.root.winfo_width() == 400 and not people.winfo_ismapped())
    seat.click(header.people)
    seat.wait(people.winfo_ismapped)
    assert seat.settings.shows_people
    seat.click(header.people)
    seat.wait(lambda: not people.winfo_ismapped())
    seat.press("F9")
    seat.wait(people.winfo_ismapped)
    seat.root.geometry("900x500")
    seat.wait(lambda: seat.root.winfo_width() == 900 and people.winfo_ismapped())


def test_in_a_narrow_window_nothing_of_the_header_is_cut(sit: Sit) -> None:
    name = "una persona con un nome lungo"
    seat = sit("Bob", name="", geometry="400x300+0+0")
    seat.fake.tell(Greeting(), Welcome(name, "token", (name, "Bob"), 0))
    header = seat.window._layout.header
    seat.wait(lambda: header.user["text"])
    seat.root.update()
    labels = (header.room, header.address, header.link, header.user, header.people)
    for label in labels:
        assert label.winfo_width() >= label.winfo_reqwidth(), label["text"]
        assert label.winfo_rootx() + label.winfo_width() <= seat.root.winfo_rootx() + 400
    bottom = seat.root.winfo_rooty() + seat.root.winfo_height()
    assert seat.window.button.winfo_rooty() + seat.window.button.winfo_height() <= bottom


def test_at_the_largest_font_a_banner_leaves_the_field_whole(sit: Sit) -> None:
    seat = sit("Bob", geometry="960x640+0+0", font_size=40)
    seat.fake.tell(LinkBroken(1000.0))
    seat.wait(lambda: seat.window.retry_button.winfo_ismapped() and seat.root.winfo_height() == 640)
    seat.root.update()
    bottom = seat.root.winfo_rooty() + seat.root.winfo_height()
    for widget in (seat.message_input, seat.window.button):
        assert widget.winfo_rooty() + widget.winfo_height() <= bottom
        assert widget.winfo_height() >= widget.winfo_reqheight()
    assert not seat.window.people.frame.winfo_ismapped()  # which would leave no room for what is said


def test_the_button_is_as_high_as_the_field(sit: Sit) -> None:
    for size in (8, 10, 40):
        seat = sit("Bob", font_size=size)
        seat.root.update()
        field = seat.window._layout._field
        assert abs(field.winfo_height() - seat.window.button.winfo_height()) <= 1


def test_the_list_says_which_name_is_ones_own_and_shortens_long_ones(reader_sit: ReaderSit) -> None:
    reader = reader_sit("W" * 32, "Bob")
    texts: list[str] = []

    def drawn() -> list[str]:
        names = reader.people_list
        texts[:] = [
            str(names.tk.call(names, "itemcget", item, "-text"))
            for item in names.find_all()
            if str(names.type(item)) == "text"
        ]
        return texts

    reader.wait(lambda: "Ada (tu)" in drawn())
    assert "Bob" in texts
    assert any(text.startswith("WWW") and text.endswith("…") for text in texts)


def test_a_secondary_click_on_a_name_opens_a_menu(reader_sit: ReaderSit) -> None:
    reader = reader_sit("Bob")
    reader.click_on_name("Bob", button=3)
    reader.choose_in_popup(ITALIAN.people_copy)
    assert reader.clipboard == "Bob"
    assert reader.draft == ""
    reader.click_on_name("Bob", button=3)
    reader.choose_in_popup(ITALIAN.people_address.format(name="Bob"))
    assert reader.draft == "Bob: "


def test_only_the_names_in_sight_are_drawn(reader_sit: ReaderSit) -> None:
    reader = reader_sit()
    reader.hear(*(Joined(number, 0.0, f"persona {number:04}") for number in range(1000)))
    reader.wait(lambda: 0 < len(reader.people_list.find_all()) < 300)
    reader.people_list.yview_moveto(1.0)
    reader.wait(lambda: reader.window.people.bounds_of("persona 0999"))


def test_who_is_away_is_told_apart_by_more_than_a_colour(reader_sit: ReaderSit) -> None:
    reader = reader_sit("Bob", "Bea")

    def discs() -> list[str]:
        names = reader.people_list
        reader.root.update()
        return [
            str(names.tk.call(names, "itemcget", item, "-image"))
            for item in names.find_all()
            if str(names.type(item)) == "image"
        ]

    reader.wait(lambda: len(discs()) == 3)
    before = discs()
    reader.window.people.set_away(["Bob"])
    reader.wait(lambda: discs() != before)
    assert reader.window.people.colours_of("Bob")[1] == reader.window._palette.quiet


def test_a_button_is_as_large_as_its_text_and_not_as_its_picture(sit: Sit) -> None:
    seat = sit("Bob")
    assert seat.window.button.winfo_reqwidth() < 200
    assert seat.window.button.winfo_reqheight() < 60
