"""The message input: keys, paste, what one said before, names, its menu."""

from __future__ import annotations

import sys

import pytest

import protocol
from lan_chat.client import message_input
from lan_chat.client.words import ITALIAN
from lan_chat.server.server import ChatServer
from tests.support.peers import EventPeer
from tests.support.seats import HAS_XDOTOOL, Sit, labels

pytestmark = pytest.mark.screen


# --- the box ----------------------------------------------------------------------------------------------------------


def test_the_cursor_stands_still_some_time_after_the_last_key(sit: Sit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message_input, "BLINKS_FOR_MS", 1)
    seat = sit()
    for key in "ab":
        seat.type(key)
        seat.wait(lambda: str(seat.message_input["insertofftime"]) == "0")


def test_return_sends_and_empties_the_box(sit: Sit) -> None:
    seat = sit()
    seat.enter("ciao a tutti")
    assert (seat.said, seat.draft) == (["ciao a tutti"], "")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows: Tk calls both keys Return there, and knows no KP_Enter")
def test_enter_of_the_number_block_sends_too(sit: Sit) -> None:
    seat = sit()
    seat.type("ciao")
    seat.press("KP_Enter")
    assert (seat.said, seat.draft) == (["ciao"], "")


def test_shift_and_return_break_the_line(sit: Sit) -> None:
    seat = sit()
    seat.type("uno")
    seat.press("Shift-Return")
    seat.type("due")
    assert (seat.said, seat.draft) == ([], "uno\ndue")
    seat.press("Return")
    assert (seat.said, seat.draft) == (["uno\ndue"], "")


def test_the_button_sends(sit: Sit) -> None:
    seat = sit()
    seat.type("ciao")
    seat.click(seat.window.button)
    assert (seat.said, seat.draft) == (["ciao"], "")


@pytest.mark.parametrize("blank", ["", "   ", "\n\n", " \t\n"])
def test_nothing_to_say_is_not_said(sit: Sit, blank: str) -> None:
    seat = sit()
    seat.write(blank)
    seat.press("Return")
    assert (seat.said, seat.draft) == ([], "")


def test_the_box_grows_to_five_lines_and_shrinks(sit: Sit) -> None:
    seat = sit()
    heights = [int(seat.message_input["height"])]
    for _ in range(6):
        seat.press("Shift-Return")
        heights.append(int(seat.message_input["height"]))
    assert heights == [1, 2, 3, 4, 5, 5, 5]
    assert seat.message_input.bbox("insert"), "the cursor is out of sight"
    for _ in range(6):
        seat.press("BackSpace")
    assert int(seat.message_input["height"]) == 1


def test_the_box_grows_with_a_line_that_wraps(sit: Sit) -> None:
    seat = sit()
    seat.write("parola " * 60)
    assert int(seat.message_input["height"]) > 1
    seat.press("Return")
    assert int(seat.message_input["height"]) == 1


def test_the_whole_box_is_to_be_seen_at_every_height(sit: Sit) -> None:
    seat = sit()
    seat.root.geometry("360x240")
    seat.write("\n" * 9)
    seat.wait(lambda: seat.root.winfo_height() == 240)
    bottom = seat.message_input.winfo_rooty() + seat.message_input.winfo_height()
    assert bottom <= seat.root.winfo_rooty() + seat.root.winfo_height()


def test_the_hint_is_there_while_the_box_is_empty_and_is_no_text(sit: Sit) -> None:
    seat = sit()
    assert seat.window.message_input.placeholder["text"] == ITALIAN.placeholder
    seat.wait(seat.window.message_input.placeholder.winfo_viewable)
    seat.press("Return")
    assert seat.said == []
    seat.type("a")
    seat.wait(lambda: not seat.window.message_input.placeholder.winfo_viewable())
    seat.press("BackSpace")
    seat.wait(seat.window.message_input.placeholder.winfo_viewable)


# --- paste ------------------------------------------------------------------------------------------------------------


def test_a_paste_of_many_lines_stays_one_message(sit: Sit) -> None:
    seat = sit()
    seat.paste("uno\r\ndue\n\ntre\n")
    assert seat.said == []
    seat.press("Return")
    assert seat.said == ["uno\ndue\n\ntre"]


def test_paste_replaces_what_is_selected(sit: Sit) -> None:
    seat = sit()
    seat.write("prima mezzo dopo")
    seat.message_input.tag_add("sel", "1.6", "1.11")
    seat.paste("MEZZO")
    assert seat.draft == "prima MEZZO dopo"


def test_paste_of_letters_beyond_the_basic_plane_keeps_them(sit: Sit) -> None:
    seat = sit()
    seat.paste("a😀è𝄞z")
    seat.press("Return")
    assert seat.said == ["a😀è𝄞z"]


def test_paste_from_an_empty_clipboard_changes_nothing(sit: Sit) -> None:
    seat = sit()
    seat.root.clipboard_clear()
    seat.write("ciao")
    seat.press("Control-v")
    assert seat.draft == "ciao"


NASTY = {
    "one line of 400 kB": "a" * 400_000,
    "long lines": ("parola " * 5000 + "\n") * 30,
    "10 MB": "riga di testo\n" * 700_000,
    "10,000 lines": "\n" * 10_000,
    "emoji": "\N{GRINNING FACE}" * 50_000,
    "marks": "a" + "\u0301\u0323" * 30_000,
}


@pytest.mark.parametrize("text", ["a" + "中" * 5000, "\N{GRINNING FACE}" * 4000 + "z"], ids=["Han", "emoji"])
def test_a_long_paste_has_no_wrong_letter_where_tk_reads_it_in_pieces(sit: Sit, text: str) -> None:
    seat = sit()
    seat.paste(text)
    assert seat.draft == text
    assert not seat.window.message_input.is_kept_aside


@pytest.mark.parametrize("pasted", NASTY.values(), ids=NASTY)
def test_a_paste_that_no_message_can_hold_is_not_laid_out_and_no_letter_of_it_is_lost(sit: Sit, pasted: str) -> None:
    seat = sit()
    seat.type("prima dopo")
    seat.message_input.mark_set("insert", "1.6")
    seat.paste(pasted)
    assert seat.draft == f"prima {pasted}dopo"
    assert seat.message_input.get("1.0", "end-1c") == "prima dopo"
    note = seat.window.message_input.note
    seat.wait(note.winfo_viewable)
    size = len(seat.draft.encode())
    for figure in (size, 1 + pasted.count("\n"), protocol.MAX_MESSAGE_BYTES, protocol.MAX_MESSAGE_LINES):
        assert str(figure) in note["text"]
    seat.press("Return")
    seat.see(str(size) if size > protocol.MAX_MESSAGE_BYTES else str(1 + pasted.count("\n")))
    assert (seat.said, seat.draft) == ([], f"prima {pasted}dopo")
    seat.press("Control-a", "Control-c")
    assert seat.clipboard == seat.draft
    seat.press("Control-z")
    assert seat.draft == "prima dopo"
    assert seat.message_input.index("insert") == "1.6"
    assert not seat.message_input.tag_ranges("sel")
    seat.wait(lambda: not note.winfo_viewable())
    seat.press("Control-y")
    assert seat.draft == f"prima {pasted}dopo"
    seat.press("Control-x")
    assert (seat.draft, seat.clipboard) == ("", f"prima {pasted}dopo")


FAMILIES = "\N{MAN}\u200d\N{WOMAN}\u200d\N{GIRL}" * 300


def test_a_paste_of_countless_emoji_is_not_laid_out_and_can_be_sent(sit: Sit) -> None:
    seat = sit()
    seat.paste(f"{FAMILIES}\r\n\x1b")
    assert seat.message_input.get("1.0", "end-1c") == ""
    note = seat.window.message_input.note
    seat.wait(note.winfo_viewable)
    assert note["text"].startswith("Troppi simboli")
    seat.press("Return")
    assert (seat.said, seat.draft) == ([FAMILIES], "")


@pytest.mark.parametrize("undrawn", ["\u2b50\u26a1\u2705" * 100, "".join(map(chr, range(0x1F300, 0x1F400)))])
def test_a_message_of_countless_emoji_comes_back_whole_and_is_not_laid_out(sit: Sit, undrawn: str) -> None:
    seat = sit()
    seat.window.message_input.give_back(undrawn)
    assert seat.window.message_input.is_kept_aside
    assert seat.draft == undrawn


def test_a_half_character_on_the_clipboard_is_no_error(sit: Sit) -> None:
    seat = sit()
    seat.window.message_input.insert(FAMILIES + "\ud83d")
    seat.press("Return")
    assert seat.said == [f"{FAMILIES}\N{REPLACEMENT CHARACTER}"]


@pytest.mark.parametrize(("width", "size"), [(400, 8), (400, 12), (960, 24)])
def test_the_note_of_a_draft_that_is_kept_aside_is_to_be_read_whole(sit: Sit, width: int, size: int) -> None:
    seat = sit(font_size=size)
    seat.root.geometry(f"{width}x640")
    seat.wait(lambda: seat.root.winfo_width() == width)
    seat.paste("x" * 400_000)
    note = seat.window.message_input.note
    seat.wait(lambda: note.winfo_viewable() and note.winfo_height() >= note.winfo_reqheight())
    assert note.winfo_width() >= note.winfo_reqwidth()


def test_what_one_types_into_a_draft_that_is_kept_aside_is_kept_with_it(sit: Sit) -> None:
    seat = sit("Bob")
    seat.type("ab")
    seat.message_input.mark_set("insert", "1.1")
    seat.paste("x" * 100_000)
    seat.type("yz")
    seat.paste("w")
    seat.window.message_input.address("Bob")
    assert seat.draft == "a" + "x" * 100_000 + "yzwBob: b"
    seat.press("BackSpace")
    assert seat.draft == "ab"


def test_a_text_that_is_given_back_is_kept_whole_however_large(sit: Sit) -> None:
    seat = sit()
    seat.type("bozza")
    for number in range(20):
        seat.window.message_input.give_back(f"{number}" * 16_000)
    assert seat.draft == "\n".join([*(f"{number}" * 16_000 for number in range(20)), "bozza"])


def test_the_largest_message_is_shown_walked_through_and_sent(sit: Sit) -> None:
    seat = sit()
    largest = "a" * protocol.MAX_MESSAGE_BYTES
    seat.type("vecchio")
    seat.press("Return")
    seat.paste(largest)
    assert not seat.window.message_input.is_kept_aside
    seat.press("Up", "Down")
    assert seat.draft == largest
    seat.press("Return")
    assert seat.said == ["vecchio", largest]


def test_one_undo_takes_a_paste_over_a_selection_back(sit: Sit) -> None:
    seat = sit()
    seat.type("prima dopo")
    seat.press("Control-a")
    seat.paste("altro")
    assert seat.draft == "altro"
    seat.press("Control-z")
    assert seat.draft == "prima dopo"


@pytest.mark.skipif(not HAS_XDOTOOL, reason="the middle button pastes on X11 alone")
def test_the_middle_button_pastes_what_is_selected_bounded_too(sit: Sit) -> None:
    seat = sit()
    seat.type("ciao")
    selected = "x" * 400_000
    seat.root.selection_handle(
        lambda offset, size: selected[int(offset) : int(offset) + int(size)], selection="PRIMARY"
    )
    seat.root.selection_own(selection="PRIMARY")
    seat.click(seat.message_input, 300, 10, button=2)
    assert seat.draft == f"ciao{selected}"
    assert seat.window.message_input.is_kept_aside


# --- what one said before ---------------------------------------------------------------------------------------------


def test_up_and_down_walk_through_what_one_said_and_back_to_the_draft(sit: Sit) -> None:
    seat = sit()
    for text in ("uno", "due", "due", "tre"):
        seat.enter(text)
    seat.type("bozza")
    walked = []
    for key in ("Up", "Up", "Up", "Up", "Down", "Down", "Down", "Down"):
        seat.press(key)
        walked.append(seat.draft)
    assert walked == ["tre", "due", "uno", "uno", "due", "tre", "bozza", "bozza"]


def test_inside_a_text_of_many_lines_up_and_down_move_the_cursor(sit: Sit) -> None:
    seat = sit()
    seat.enter("prima")
    seat.write("uno\ndue\ntre")
    lines = []
    for key in ("Up", "Up", "Down", "Down"):
        seat.press(key)
        lines.append(seat.message_input.index("insert").split(".")[0])
        assert seat.draft == "uno\ndue\ntre"
    assert lines == ["2", "1", "2", "3"]
    seat.press("Up", "Up", "Up")
    assert seat.draft == "prima"
    seat.press("Down")
    assert seat.draft == "uno\ndue\ntre"


def test_inside_a_line_that_wraps_up_moves_the_cursor(sit: Sit) -> None:
    seat = sit()
    seat.enter("prima")
    long = ("parola " * 60).strip()
    seat.write(long)
    seat.press("Up")
    assert seat.draft == long
    assert seat.message_input.compare("insert", "<", "end-1c")


def test_a_new_draft_written_over_an_old_text_is_kept_too(sit: Sit) -> None:
    seat = sit()
    seat.enter("uno")
    seat.enter("due")
    seat.press("Up")
    seat.write("bozza nuova")
    seat.press("Up")
    assert seat.draft == "due"
    seat.press("Down")
    assert seat.draft == "bozza nuova"


def test_an_old_text_that_was_changed_is_not_lost_by_down(sit: Sit) -> None:
    seat = sit()
    seat.enter("uno")
    seat.press("Up")
    seat.type(" e mezzo")
    seat.press("Down")
    assert seat.draft == "uno e mezzo"


def test_shift_and_up_select_and_do_not_walk(sit: Sit) -> None:
    seat = sit()
    seat.enter("uno")
    seat.type("bozza")
    seat.press("Shift-Up")
    assert seat.draft == "bozza"


# --- names ------------------------------------------------------------------------------------------------------------

ROOM = ("Bob", "bea", "Anna Luisa", "Anna Maria", "Zoe", "小明", "小红", "👩\u200d💻Eva", "Niccolò")


@pytest.mark.parametrize(
    ("typed", "tabs", "draft"),
    [
        ("zo", 1, "Zoe: "),
        ("ZO", 1, "Zoe: "),
        ("ciao zo", 1, "ciao Zoe "),
        ("b", 1, "bea: "),
        ("b", 2, "Bob: "),
        ("b", 3, "bea: "),
        ("dico a b", 2, "dico a Bob "),
        ("an", 1, "Anna Luisa: "),
        ("an", 2, "Anna Maria: "),
        ("anna m", 1, "Anna Maria: "),
        ("ciao anna m", 1, "ciao Anna Maria "),
        ("x", 1, "x"),
        ("ciao ", 1, "ciao "),
        ("ad", 1, "ad"),  # nobody speaks to themselves
        ("你好小", 1, "你好小明 "),
        ("你好小", 2, "你好小红 "),
        ("小", 3, "小明: "),
        ("你好，小红", 1, "你好，小红 "),
        ("ciao小", 1, "ciao小明 "),
        ("(zo", 1, "(Zoe "),
        ("l'an", 2, "l'Anna Maria "),
        ("pazzo", 1, "pazzo"),
        ("ecco👩", 1, "ecco👩\u200d💻Eva "),
        ("👩\u200d💻e", 1, "👩\u200d💻Eva: "),
        ("Niccolo\u0300", 1, "Niccolò: "),
        ("ANNA L", 1, "Anna Luisa: "),
    ],
)
def test_tab_completes_a_name_and_again_the_next(sit: Sit, typed: str, tabs: int, draft: str) -> None:
    seat = sit(*ROOM)
    seat.write(typed)
    seat.press(*["Tab"] * tabs)
    assert seat.draft == draft
    assert seat.focus == str(seat.message_input)


def test_tab_completes_where_the_cursor_is(sit: Sit) -> None:
    seat = sit(*ROOM)
    seat.write("zo e bo")
    seat.message_input.mark_set("insert", "1.2")
    seat.press("Tab")
    assert seat.draft == "Zoe:  e bo"
    seat.write("uno\nzo")
    seat.press("Tab")
    assert seat.draft == "uno\nZoe "


def test_tab_completes_behind_and_in_letters_beyond_the_basic_plane(sit: Sit) -> None:
    seat = sit("😀Zed", "😀Zoe")
    seat.write("😀 😀z")
    seat.press("Tab")
    assert seat.draft == "😀 😀Zed "
    seat.press("Tab")
    assert seat.draft == "😀 😀Zoe "


def test_what_tab_completed_is_said_as_it_stands(sit: Sit) -> None:
    seat = sit(*ROOM)
    seat.type("zo")
    seat.press("Tab")
    seat.enter("ciao")
    assert seat.said == ["Zoe: ciao"]


def test_tab_in_an_empty_box_goes_on_to_the_button(sit: Sit) -> None:
    seat = sit(*ROOM)
    seat.press("Tab")
    assert seat.focus == str(seat.window.button)


def test_a_click_in_the_list_addresses_somebody(sit: Sit) -> None:
    seat = sit(*ROOM)
    place = seat.window.people.bounds_of("Bob")
    assert place is not None
    seat.click(seat.window.people.list, place[0] + 3, place[1] + 3)
    assert seat.draft == "Bob: "
    assert seat.focus == str(seat.message_input)


# --- control words ----------------------------------------------------------------------------------------------------


def test_quit_leaves(sit: Sit) -> None:
    seat = sit()
    seat.enter("{quit}")
    assert not seat.is_open
    assert (seat.said, seat.fake.has_quit) == ([], True)


@pytest.mark.parametrize("text", ["{", "{help}", "{quit} ora", "{QUIT}", "{quit", "{end_conn}", '{"type":"say"}'])
def test_anything_else_with_a_brace_is_text(sit: Sit, server: ChatServer, text: str) -> None:
    with EventPeer(server.port, "Bob") as bob:
        seat = sit(server=server)
        seat.write(text)
        seat.press("Return")
        seat.wait(lambda: seat.last_line.endswith(f"Ada: {text}"))
        bob.events_until(text)


# --- the menu of the box ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("x", [8, 300])
def test_a_right_click_pastes_also_on_the_hint(sit: Sit, x: int) -> None:
    seat = sit()
    seat.put_on_clipboard("incollato")
    seat.click(seat.message_input, x, 10, button=3)
    seat.choose_in_popup(ITALIAN.menu_paste)
    seat.wait(lambda: seat.draft == "incollato")
    assert seat.focus == str(seat.message_input)


def test_the_boxs_menu_cuts_copies_and_selects(sit: Sit) -> None:
    seat = sit()
    seat.write("prima dopo")
    seat.click(seat.message_input, 20, 10, button=3)
    seat.wait(lambda: seat.popup)
    menu = seat.popup
    assert menu is not None
    states = {label: menu.entrycget(index, "state") for index, label in enumerate(labels(menu))}
    assert states == {"Taglia": "disabled", "Copia": "disabled", "Incolla": "normal", "Seleziona tutto": "normal"}
    seat.choose_in_popup(ITALIAN.menu_select_all)
    seat.click(seat.message_input, 20, 10, button=3)
    seat.choose_in_popup(ITALIAN.menu_copy)
    assert seat.root.clipboard_get() == "prima dopo"
    seat.root.clipboard_clear()
    seat.click(seat.message_input, 20, 10, button=3)
    seat.choose_in_popup(ITALIAN.menu_cut)
    seat.wait(lambda: seat.draft == "")
    assert seat.root.clipboard_get() == "prima dopo"


@pytest.mark.skipif(not HAS_XDOTOOL, reason="only a real mouse closes a menu")
def test_a_context_menu_closes_by_escape_and_by_a_click_elsewhere(sit: Sit) -> None:
    seat = sit()
    for where in (seat.message_input, seat.conversation):
        seat.click(where, 300, 10, button=3)
        seat.wait(lambda: seat.popup)
        seat.press("Escape")
        seat.wait(lambda: seat.popup is None)
        seat.click(where, 300, 10, button=3)
        seat.wait(lambda: seat.popup)
        seat.click(seat.conversation, 100, 200)
        seat.wait(lambda: seat.popup is None)


@pytest.mark.parametrize("key", ["Shift-F10", "Menu"] if sys.platform != "win32" else ["Shift-F10"])
def test_the_context_menu_opens_by_key(sit: Sit, key: str) -> None:
    seat = sit()
    seat.press(key)
    seat.wait(lambda: seat.popup)
    seat.press("Escape")
    seat.wait(lambda: seat.popup is None)
    seat.type("x")
    assert seat.draft == "x"
