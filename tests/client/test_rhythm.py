"""The rhythm of the conversation: groups, days, arrivals folded into one, what is drawn of long texts."""

from __future__ import annotations

import time

import pytest

from lan_chat.client.blocks import day_title
from lan_chat.client.entry_layout import SHOWN_COST
from lan_chat.client.words import ENGLISH, ITALIAN, LANGUAGES, ClientWords
from protocol import Joined, Left, Reason
from tests.support.seats import HAS_XDOTOOL, Reader, ReaderSit, said

pytestmark = pytest.mark.screen

MAY_DAY = time.mktime((2024, 5, 1, 12, 34, 56, 0, 0, -1))
MARKER = f"——  {ITALIAN.left_off}  ——"


@pytest.fixture
def sit(reader_sit: ReaderSit) -> ReaderSit:
    """Open windows of somebody who reads."""
    return reader_sit


def drawn_tail(reader: Reader, count: int) -> list[str]:
    return reader.drawn.splitlines()[-count:]


# --- groups -----------------------------------------------------------------------------------------------------------


def test_messages_of_one_person_within_five_minutes_have_the_name_and_the_time_once(sit: ReaderSit) -> None:
    reader = sit()
    reader.hear(said("uno", when=MAY_DAY), said("due", when=MAY_DAY + 299), said("tre", when=MAY_DAY + 301))
    assert drawn_tail(reader, 5) == ["Bob   12:34", "uno", "due", "Bob   12:39", "tre"]
    assert reader.lines[-3:] == ["12:34  Bob: uno", "12:39  Bob: due", "12:39  Bob: tre"]


def test_another_one_a_notice_and_a_day_end_a_group(sit: ReaderSit) -> None:
    reader = sit()
    late = time.mktime((2024, 5, 1, 23, 59, 0, 0, 0, -1))
    reader.hear(said("uno", when=late), said("mio", "Eva", when=late), said("due", when=late))
    reader.hear(Joined(1, late, "Carla"), said("tre", when=late), said("quattro", when=late + 120))
    names = [line.split("   ")[0] for line in drawn_tail(reader, 12)]
    assert names == [
        *("Bob", "uno", "Eva", "mio", "Bob", "due"),
        *("Carla si è unito alla chat!", "Bob", "tre", "— 02/05/2024 —", "Bob", "quattro"),
    ]


def test_ones_own_messages_have_a_tint_from_edge_to_edge(sit: ReaderSit) -> None:
    reader = sit()
    reader.hear(said("suo"), said("mio", "Ada"))
    assert "own" in reader.tags_of("mio")
    assert "own" not in reader.tags_of("suo")
    tint = str(reader.conversation.tag_cget("own", "background"))
    assert str(reader.conversation.tag_cget("own", "lmargincolor")) == tint
    assert str(reader.conversation.tag_cget("own", "rmargincolor")) == tint
    assert "Ada (tu)" in reader.drawn


def test_a_group_whose_beginning_is_dropped_shows_its_name_again(
    sit: ReaderSit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lan_chat.client.conversation.MAX_ENTRIES", 5)
    reader = sit()
    reader.hear_many(20)
    first, second, *_ = reader.drawn.splitlines()
    assert first.startswith("Bob   ")
    assert second == "riga 15"
    assert [line.partition("  ")[2] for line in reader.lines] == [f"Bob: riga {number}" for number in range(15, 20)]


def test_a_disc_with_the_initial_stands_beside_each_name_in_view(sit: ReaderSit) -> None:
    reader = sit()
    for name in ("Bob", "carla", "Ωmega", "42", "..."):
        reader.hear(said("ciao", name))

    def initials() -> list[str]:
        labels = [child for child in reader.conversation.winfo_children() if child.winfo_class() == "Label"]
        shown = [label for label in labels if label.winfo_ismapped() and str(label.cget("image"))]
        return [str(label.cget("text")) for label in sorted(shown, key=lambda label: label.winfo_y())]

    reader.wait(lambda: initials() == ["B", "C", "Ω", "4", "•"])
    reader.hear_many(300)
    reader.wait(lambda: initials() == [])


@pytest.mark.skipif(not HAS_XDOTOOL, reason="moves a real pointer")
def test_the_time_of_a_message_is_shown_at_the_pointer(sit: ReaderSit) -> None:
    reader = sit()
    reader.hear(said("uno", when=MAY_DAY), said("due", when=MAY_DAY + 120))
    x, y = reader.place_of("due")
    reader._xdotool("mousemove", str(reader.conversation.winfo_rootx() + x), str(reader.conversation.winfo_rooty() + y))
    label = reader.window.conversation._time
    reader.wait(lambda: label.winfo_ismapped() and str(label["text"]) == "12:36")


# --- days -------------------------------------------------------------------------------------------------------------


def labels_on(reader: Reader) -> list[str]:
    """The texts of the labels that lie on the conversation."""
    labels = [child for child in reader.conversation.winfo_children() if child.winfo_class() == "Label"]
    return [str(label.cget("text")) for label in labels if label.winfo_ismapped()]


def test_a_day_stands_in_words_and_is_copied_as_a_date(sit: ReaderSit) -> None:
    reader = sit()
    reader.hear(said("uno", when=MAY_DAY))
    reader.wait(lambda: "mercoledì 1 maggio 2024" in labels_on(reader))
    assert "— 01/05/2024 —" in reader.shown
    reader.hear_many(300)
    reader.wait(lambda: "mercoledì 1 maggio 2024" not in labels_on(reader))


def test_the_line_that_shows_how_far_one_had_read_lies_between_two_lines(sit: ReaderSit) -> None:
    reader = sit()
    reader.hear(said("letto"))
    reader.look_away()
    reader.hear(said("nuovo"))
    reader.wait(lambda: ITALIAN.left_off in labels_on(reader))


@pytest.mark.parametrize(
    ("words", "day"), [(ITALIAN, "domenica 29 febbraio 2032"), (ENGLISH, "Sunday 29 February 2032")]
)
def test_a_day_is_named_in_the_language_of_the_window(words: ClientWords, day: str) -> None:
    assert day_title(time.mktime((2032, 2, 29, 12, 0, 0, 0, 0, -1)), words) == day


def test_each_language_has_a_name_for_each_day_and_month() -> None:
    for words in LANGUAGES.values():
        assert len(set(words.weekdays.split())) == 7
        assert len(set(words.months.split())) == 12


# --- arrivals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["Anna"], "Anna si è unito alla chat!"),
        (["Anna", "Bruno"], "Anna e Bruno sono entrati"),
        (["Anna", "Bruno", "Carla", "Dario"], "Anna, Bruno, Carla e Dario sono entrati"),
        ([*("Anna", "Bruno", "Carla"), *map(str, range(9))], "Anna, Bruno, Carla e altre 9 persone sono entrate"),
    ],
)
@pytest.mark.parametrize("is_at_once", [True, False])
def test_arrivals_in_a_row_are_one_line_and_none_is_lost(
    sit: ReaderSit, names: list[str], sentence: str, is_at_once: bool
) -> None:
    reader = sit()
    events = [Joined(number, MAY_DAY, name) for number, name in enumerate(names, 1)]
    if is_at_once:
        reader.hear(*events)
    else:
        for event in events:
            reader.hear(event)
    assert drawn_tail(reader, 1) == [sentence]
    assert reader.tags_of(sentence) == {"notice"}
    told = [f"12:34  {name} si è unito alla chat!" for name in names]
    assert reader.lines[-len(names) :] == told
    reader.window.conversation.select_all()
    assert reader.window.conversation.selected().splitlines()[-len(names) :] == told
    saved = reader.window.conversation.as_text()
    assert all(f"* {name} si è unito alla chat!" in saved for name in names)


def test_who_leaves_or_speaks_ends_a_row_of_arrivals(sit: ReaderSit) -> None:
    reader = sit()
    reader.hear(Joined(1, MAY_DAY, "Anna"), Joined(2, MAY_DAY, "Bruno"), Left(3, MAY_DAY, "Anna"))
    reader.hear(Joined(4, MAY_DAY, "Carla"))
    assert drawn_tail(reader, 3) == [
        "Anna e Bruno sono entrati",
        ITALIAN.tell_left("Anna", None),
        "Carla si è unito alla chat!",
    ]


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["Anna", "Bruno"], "Anna e Bruno sono usciti"),
        (["Anna", "Bruno", "Carla", "Dario"], "Anna, Bruno, Carla e Dario sono usciti"),
        ([*("Anna", "Bruno", "Carla"), *map(str, range(9))], "Anna, Bruno, Carla e altre 9 persone sono uscite"),
    ],
)
@pytest.mark.parametrize("is_at_once", [True, False])
def test_departures_in_a_row_are_one_line_and_none_is_lost(
    sit: ReaderSit, names: list[str], sentence: str, is_at_once: bool
) -> None:
    reader = sit()
    events = [Left(number, MAY_DAY, name) for number, name in enumerate(names, 1)]
    if is_at_once:
        reader.hear(*events)
    else:
        for event in events:
            reader.hear(event)
    assert drawn_tail(reader, 1) == [sentence]
    assert reader.tags_of(sentence) == {"notice"}
    told = [f"12:34  {name} ha abbandonato la Chat." for name in names]
    assert reader.lines[-len(names) :] == told
    saved = reader.window.conversation.as_text()
    assert all(f"* {name} ha abbandonato la Chat." in saved for name in names)


def test_arrivals_and_departures_stay_in_the_order_of_the_room(sit: ReaderSit) -> None:
    reader = sit()
    rows = [
        ("-", "Anna"),
        ("-", "Bruno"),
        ("+", "Anna"),
        ("+", "Carla"),
        ("+", "Bruno"),
        ("-", "Carla"),
        ("+", "Carla"),
    ]
    for number, (sign, name) in enumerate(rows, 1):
        reader.hear((Joined if sign == "+" else Left)(number, MAY_DAY, name))
    assert drawn_tail(reader, 4) == [
        "Anna e Bruno sono usciti",
        "Anna, Carla e Bruno sono entrati",
        ITALIAN.tell_left("Carla", None),
        "Carla si è unito alla chat!",
    ]


def test_a_row_that_goes_on_and_another_that_begins_at_once_are_both_whole(sit: ReaderSit) -> None:
    reader = sit()
    reader.hear(Joined(1, MAY_DAY, "Anna"))
    reader.hear(
        *(Joined(2, MAY_DAY, "Bruno"), Left(3, MAY_DAY, "Anna")),
        *(Left(4, MAY_DAY, "Bruno"), Joined(5, MAY_DAY, "Carla"), Joined(6, MAY_DAY, "Dario")),
    )
    assert drawn_tail(reader, 3) == [
        "Anna e Bruno sono entrati",
        "Anna e Bruno sono usciti",
        "Carla e Dario sono entrati",
    ]


def test_why_somebody_was_made_to_leave_is_told_of_each(sit: ReaderSit) -> None:
    reader = sit()
    kicked = Left(2, MAY_DAY, "Bruno", Reason.KICKED)
    reader.hear(Left(1, MAY_DAY, "Anna"), kicked, Left(3, MAY_DAY, "Carla"), Left(4, MAY_DAY, "Dario"))
    assert drawn_tail(reader, 3) == [
        ITALIAN.tell_left("Anna", None),
        ITALIAN.tell_left("Bruno", Reason.KICKED),
        "Carla e Dario sono usciti",
    ]


# --- where one left off -----------------------------------------------------------------------------------------------


def test_the_line_that_shows_how_far_one_had_read_goes_with_the_answer(sit: ReaderSit) -> None:
    reader = sit()
    reader.hear(said("letto"))
    reader.look_away()
    reader.hear(said("nuovo"))
    assert MARKER in reader.drawn
    reader.look_back()
    reader.message_input.focus_force()
    reader.enter("rispondo")
    reader.wait(lambda: MARKER not in reader.drawn)
    reader.wait(lambda: reader.lines[-1].endswith("Ada: rispondo …"))


# --- long texts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["http://a. " * 1638, "a😀" * 3276, "x" * 16_384, "riga\n" * 499 + "fine", "\ta" * 8000]
)
def test_a_long_text_is_drawn_on_demand_and_copied_saved_and_found_whole(sit: ReaderSit, text: str) -> None:
    reader = sit()
    reader.hear(said(text + "ago"), said("dopo", "Eva"))
    assert len(reader.drawn) < SHOWN_COST + 1000
    assert f"Bob: {text}ago\n" in reader.shown
    assert "ago" not in reader.drawn
    assert reader.window.conversation.find("ago", True).count == 1
    assert "ago" in reader.drawn
    assert reader.conversation.get(*reader.conversation.tag_ranges("current")) == "ago"


def test_a_click_shows_the_rest(sit: ReaderSit) -> None:
    reader = sit()
    reader.hear(said("riga\n" * 499 + "fine"), said("dopo", "Eva"))
    reader.conversation.see("expand.first")
    reader.click_on(ITALIAN.show_all)
    reader.wait(lambda: "\nfine\n" in reader.drawn)
    assert ITALIAN.show_all not in reader.drawn
    assert reader.lines[-1].endswith("Eva: dopo")


def test_rows_are_no_longer_than_can_be_read_in_a_wide_window(sit: ReaderSit) -> None:
    reader = sit()
    for geometry in ("2000x400", "400x300"):
        reader.root.geometry(geometry)
        reader.hear(said(("parola " * 40)[:-1], when=MAY_DAY))
        reader.wait(lambda geometry=geometry: reader.root.winfo_width() == int(geometry.split("x")[0]))  # type: ignore[misc]
        start = reader.index_of("parola " * 39)
        row = reader.conversation.get(start, f"{start} display lineend")
        assert 10 < len(row) < 130


# --- selecting --------------------------------------------------------------------------------------------------------


def test_nothing_moves_while_a_button_is_held(sit: ReaderSit) -> None:
    reader = sit()
    reader.hear_many(100)
    text = reader.conversation
    x, y = reader.place_of("riga 98")
    text.event_generate("<ButtonPress-1>", x=x, y=y)
    top = reader.top
    reader.hear_many(30, 100)
    assert reader.top == top
    last = text.bbox(f"{reader.index_of('riga 99')}+6c")
    assert last is not None
    text.event_generate("<B1-Motion>", x=last[0] + last[2], y=last[1] + 2)
    text.event_generate("<ButtonRelease-1>", x=last[0] + last[2], y=last[1] + 2)
    reader.root.update()
    assert [line.partition("riga ")[2] for line in reader.window.conversation.selected().splitlines()] == ["98", "99"]


@pytest.mark.parametrize(
    ("first", "last", "copied"),
    [
        ("uno", "uno", "uno"),
        ("Bob", "Bob", "Bob"),
        ("uno", "due", "12:34  Bob: uno\n12:35  Bob: due"),
        ("no", "due", "no\n12:35  Bob: due"),
        ("due", "Eva", "12:35  Bob: due\n"),
        ("Bob", "tr", "12:34  Bob: uno\n12:35  Bob: due\n12:36  Eva: tr"),
    ],
)
def test_what_is_selected_over_several_messages_tells_who_said_it_and_when(
    sit: ReaderSit, first: str, last: str, copied: str
) -> None:
    reader = sit()
    reader.hear(said("uno", when=MAY_DAY), said("due", when=MAY_DAY + 60), said("tre", "Eva", when=MAY_DAY + 120))
    start, end = reader.index_of(first), f"{reader.index_of(last)}+{len(last)}c"
    reader.conversation.tag_add("sel", start, end)
    assert reader.window.conversation.selected() == copied
