"""The conversation as it is read: styles, wrapping, copying, links, days."""

from __future__ import annotations

import re
import time

import pytest

import protocol
from lan_chat.client.desktop import open_link
from lan_chat.client.palette import HUES, MIN_CONTRAST, PALETTES, contrast, hue_of
from lan_chat.client.words import ITALIAN
from lan_chat.server.server import ChatServer
from protocol import Announcement, Error, Joined, Left, Reason
from tests.support.seats import ReaderSit, said

THEMES = pytest.mark.parametrize("theme", sorted(PALETTES))
MAY_DAY = time.mktime((2024, 5, 1, 12, 34, 56, 0, 0, -1))
DAY_S = 24 * 60 * 60
OTHER_STYLES = {"notice", "error", "announcement", "day", "marker", "pending", "time", "action"}
"""The styles of what is no person's message."""
MARKER = f"——  {ITALIAN.left_off}  ——"


@pytest.fixture
def sit(reader_sit: ReaderSit) -> ReaderSit:
    """Open windows of somebody who reads."""
    return reader_sit


# --- the time, the name, the text -------------------------------------------------------------------------------------


@pytest.mark.screen
def test_a_message_is_shown_with_its_time_its_name_and_its_text(sit: ReaderSit) -> None:
    reader = sit()
    reader.hear(said("ciao a tutti", when=MAY_DAY))
    assert reader.last_line == "12:34  Bob: ciao a tutti"
    assert "time" in reader.tags_of("12:34")
    assert f"hue-{hue_of('Bob')}" in reader.tags_of("Bob")
    assert reader.tags_of("ciao a tutti") == {"text"}


@pytest.mark.screen
def test_a_name_has_its_colour_in_every_message_and_in_the_list(sit: ReaderSit) -> None:
    reader = sit("Bob", "Carla")
    colours = {}
    for name in ("Bob", "Carla", "Ada"):
        reader.hear(said("uno", name), Joined(1, time.time(), "Eva"), said("due", name))
        tag = f"hue-{hue_of(name)}"
        ranges = [str(place) for place in reader.conversation.tag_ranges(tag)]
        assert [reader.conversation.get(*ranges[at : at + 2]).split(" ")[0] for at in (0, 2)] == [name, name]
        colours[name] = str(reader.conversation.tag_cget(tag, "foreground"))
        assert reader.window.people.colours_of(name)[1] == colours[name]
    assert len(set(colours.values())) == 3


@pytest.mark.screen
@THEMES
def test_every_name_can_be_read_on_its_background_also_where_a_line_is_marked(sit: ReaderSit, theme: str) -> None:
    text = sit(theme=theme).conversation
    backgrounds = [str(text["background"]), str(text.tag_cget("mention", "background"))]
    for hue in range(HUES):
        colour = str(text.tag_cget(f"hue-{hue}", "foreground"))
        assert all(contrast(colour, background) >= MIN_CONTRAST for background in backgrounds), hue


@pytest.mark.screen
@THEMES
def test_what_the_search_has_marked_can_be_read(sit: ReaderSit, theme: str) -> None:
    text = sit(theme=theme).conversation
    for tag in ("found", "current", "sel"):
        colours = [str(text.tag_cget(tag, option)) for option in ("foreground", "background")]
        assert all(colours), tag
        assert contrast(*colours) >= MIN_CONTRAST, tag


@pytest.mark.screen
def test_notices_announcements_and_errors_are_set_apart(sit: ReaderSit) -> None:
    reader = sit()
    reader.hear(Joined(1, time.time(), "Bob"), said("un testo"), Announcement(2, time.time(), "un annuncio"))
    reader.hear(Error(Reason.MUTED.value, 5, None), Left(3, time.time(), "Bob"))
    looks = {
        reader.look_of(text, "foreground")
        for text in ("Bob si è unito", "un testo", "un annuncio", ITALIAN.explain("muted", 5))
    }
    assert len(looks) == 4
    palette = PALETTES["light"]
    assert reader.look_of("Bob si è unito", "foreground") == palette.quiet
    assert reader.look_of(ITALIAN.tell_left("Bob", None), "foreground") == palette.quiet


FORGED = (
    "12:00  Bob si è unito alla chat!",
    "— 01/05/2024 —",
    MARKER,
    "Server: la chat chiude",
    ITALIAN.connection_error,
    "* Carla ha lasciato la chat.",
)


@pytest.mark.screen
@pytest.mark.parametrize("forged", FORGED)
def test_a_message_cannot_be_made_to_look_like_anything_else(sit: ReaderSit, forged: str) -> None:
    reader = sit()
    reader.hear(Joined(1, time.time(), "Carla"), said(f"ciao\n{forged}\nfine"))
    assert reader.lines[-2] == forged
    assert reader.tags_of(forged) == {"text"}
    assert not reader.tags_of(f"ciao\n{forged}\nfine") & (OTHER_STYLES | {"header"})


@pytest.mark.screen
def test_a_notice_about_somebody_is_all_notice(sit: ReaderSit) -> None:
    reader = sit()
    reader.hear(Joined(1, time.time(), "Bob"))
    assert reader.tags_of("Bob si è unito alla chat!") == {"notice"}


@pytest.mark.screen
def test_control_characters_never_reach_the_screen(sit: ReaderSit) -> None:
    reader = sit()
    reader.hear(said(protocol.clean_text("a\x00b\x1b[2Jc\u202ed\re\u2028f")))
    assert reader.last_line == "f"
    assert "ab[2Jcd\ne\nf" in reader.shown


# --- wrapping, selecting, copying -------------------------------------------------------------------------------------


@pytest.mark.screen
def test_long_text_wraps_between_words_and_under_itself(sit: ReaderSit) -> None:
    reader = sit()
    text = " ".join(f"parola{number}" for number in range(60))
    reader.hear(said(text))
    index, rows = reader.index_of(text), []
    while True:
        end = reader.conversation.index(f"{index} display lineend")
        rows.append(reader.conversation.get(index, end).strip())
        box = reader.conversation.bbox(index)
        assert box is not None
        if reader.conversation.compare(end, ">=", f"{index} lineend"):
            break
        index = reader.conversation.index(f"{end}+1c")
        assert reader.conversation.bbox(index) is not None
    assert len(rows) > 1
    assert all(re.fullmatch(r"(parola\d+ ?)+", row) for row in rows), rows
    first_box, last_box = reader.conversation.bbox(f"{index} linestart"), reader.conversation.bbox(index)
    assert first_box is not None
    assert last_box is not None
    assert last_box[0] == first_box[0]


@pytest.mark.screen
def test_what_is_selected_with_the_mouse_is_copied_by_key(sit: ReaderSit) -> None:
    reader = sit()
    reader.hear(said("prima copiami dopo"))
    reader.drag_over("copiami")
    assert reader.focus == str(reader.conversation)
    reader.press("Control-c")
    assert reader.clipboard == "copiami"


@pytest.mark.screen
def test_what_is_selected_is_copied_by_the_menu_of_the_right_button(sit: ReaderSit) -> None:
    reader = sit()
    reader.hear(said("prima copiami dopo"))
    reader.drag_over("copiami")
    reader.click_on("copiami", button=3)
    reader.choose_in_popup(ITALIAN.menu_copy)
    assert reader.clipboard == "copiami"


@pytest.mark.screen
def test_everything_can_be_selected_and_copied(sit: ReaderSit) -> None:
    reader = sit()
    reader.hear(said("uno\ndue", when=MAY_DAY), said("tre", when=MAY_DAY))
    reader.click_on("tre", button=3)
    reader.choose_in_popup(ITALIAN.menu_select_all)
    reader.press("Control-c")
    assert reader.clipboard == reader.shown
    assert reader.clipboard.endswith("12:34  Bob: uno\ndue\n12:34  Bob: tre\n")


@pytest.mark.screen
def test_nothing_selected_leaves_the_clipboard_alone(sit: ReaderSit) -> None:
    reader = sit()
    reader.put_on_clipboard("di prima")
    reader.hear(said("ciao"))
    reader.click_on("ciao")
    reader.press("Control-c")
    assert reader.clipboard == "di prima"


@pytest.mark.screen
def test_news_leaves_the_selection_alone(sit: ReaderSit) -> None:
    reader = sit()
    reader.hear(said("prima copiami dopo"))
    reader.drag_over("copiami")
    reader.hear(said("altro"), Joined(1, time.time(), "Carla"))
    reader.press("Control-c")
    assert reader.clipboard == "copiami"


@pytest.mark.screen
def test_the_conversation_cannot_be_changed_by_its_reader(sit: ReaderSit) -> None:
    reader = sit()
    reader.hear(said("ciao"))
    before = reader.shown
    reader.drag_over("ciao")
    for key in ("x", "BackSpace", "Return", "Control-x", "Control-v", "Delete"):
        reader.press(key)
    assert reader.shown == before


# --- links ------------------------------------------------------------------------------------------------------------


@pytest.mark.screen
def test_a_click_on_a_link_opens_it(sit: ReaderSit, opened: list[str]) -> None:
    reader = sit()
    reader.hear(said("leggi https://example.org/a_(b). Poi dimmi"))
    assert "link" not in reader.tags_of(". Poi dimmi")
    reader.click_on("https://example.org")
    reader.wait(lambda: opened == ["https://example.org/a_(b)"])
    reader.click_on("Poi dimmi")
    reader.click_on("leggi")
    assert len(opened) == 1


@pytest.mark.screen
def test_a_link_that_is_selected_is_not_opened(sit: ReaderSit, opened: list[str]) -> None:
    reader = sit()
    reader.hear(said("https://example.org/lungo"))
    reader.drag_over("https://example.org")
    assert opened == []
    reader.press("Control-c")
    assert reader.clipboard == "https://example.org"


@pytest.mark.screen
def test_each_of_two_links_opens_itself(sit: ReaderSit, opened: list[str]) -> None:
    reader = sit()
    reader.hear(said("http://uno.it\nhttp://due.it http://tre.it"), said("http://quattro.it"))
    for name in ("uno", "due", "tre", "quattro"):
        reader.click_on(f"{name}.it")
        reader.wait(lambda name=name: opened and opened[-1] == f"http://{name}.it")  # type: ignore[misc]
    reader.wait(lambda: opened == ["http://uno.it", "http://due.it", "http://tre.it", "http://quattro.it"])


@pytest.mark.screen
def test_the_menu_of_the_right_button_opens_a_link(sit: ReaderSit, opened: list[str]) -> None:
    reader = sit()
    reader.hear(said("qui http://uno.it"))
    reader.click_on("uno.it", button=3)
    reader.choose_in_popup(ITALIAN.menu_open_link)
    reader.wait(lambda: opened == ["http://uno.it"])


@pytest.mark.screen
def test_a_key_opens_the_last_link(sit: ReaderSit, opened: list[str]) -> None:
    reader = sit()
    reader.press("Control-l")
    reader.hear(said("http://uno.it http://due.it"), said("niente"))
    reader.press("Control-l")
    reader.wait(lambda: opened == ["http://due.it"])


@pytest.mark.parametrize("link", ["file:///etc/passwd", "javascript:alert(1)", "ftp://a.it", "httpx://a.it", ""])
def test_nothing_but_http_and_https_is_opened(opened: list[str], link: str) -> None:
    open_link(link, opened.append)
    assert opened == []


# --- days -------------------------------------------------------------------------------------------------------------


@pytest.mark.screen
def test_a_line_tells_where_another_day_begins(sit: ReaderSit) -> None:
    reader = sit()
    reader.hear(said("oggi"))
    assert not reader.conversation.tag_ranges("day")
    reader.hear(said("uno", when=MAY_DAY), said("due", when=MAY_DAY), said("tre", when=MAY_DAY + DAY_S))
    assert reader.lines[-5:] == [
        "— 01/05/2024 —",
        "12:34  Bob: uno",
        "12:34  Bob: due",
        "— 02/05/2024 —",
        "12:34  Bob: tre",
    ]
    assert reader.tags_of("— 02/05/2024 —") == {"day"}


# --- with a real server -----------------------------------------------------------------------------------------------


@pytest.mark.screen
def test_a_real_conversation_is_read_by_two(server: ChatServer, sit: ReaderSit) -> None:
    ada, bob = (sit(server=server, name=name) for name in ("Ada", "Bob"))
    ada.wait(lambda: ada.people == ["Ada", "Bob"])
    bob.message_input.focus_force()
    bob.enter("ciao ada")
    for reader in (ada, bob):
        reader.see("Bob: ciao ada\n")
    assert "mention" in ada.tags_of("ciao ada")
    assert "mention" not in bob.tags_of("ciao ada")
    assert "own" in bob.tags_of("ciao ada")
    tag = f"hue-{hue_of('Bob')}"
    assert ada.conversation.tag_ranges(tag)
    assert bob.conversation.tag_ranges(tag)
    ada.wait(lambda: ada.root.title().startswith("(1) "))
    assert not bob.root.title().startswith("(")
