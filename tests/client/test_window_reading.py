"""The window as its user meets it: reading, who is there, and what one can scroll back through.

Keys and clicks are made as in `test_window_writing`, whose helpers these tests share.
"""

from __future__ import annotations

import ctypes
import random
import re
import time
import webbrowser
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import protocol
from lan_chat.client.composing import whole_letters
from lan_chat.client.conversation import MAX_ENTRIES, Conversation
from lan_chat.client.desktop import open_link
from lan_chat.client.entries import Entry, Kind, find_links, mentions
from lan_chat.client.palette import HUES, MIN_CONTRAST, PALETTES, contrast, hue_of, name_colour
from lan_chat.client.session import Session
from lan_chat.client.settings import Settings
from lan_chat.client.words import ITALIAN
from lan_chat.server.server import ChatServer
from protocol import Announcement, Error, Event, Joined, Left, Message, Reason, Welcome
from tests.client.test_window_writing import HAS_XDOTOOL, FakeSession, Seat

try:
    import tkinter as tk
    from tkinter import filedialog, ttk
except ImportError:  # what needs it is skipped aloud, for want of a display
    if not TYPE_CHECKING:
        tk = None

THEMES = pytest.mark.parametrize("theme", sorted(PALETTES))
MAY_DAY = time.mktime((2024, 5, 1, 12, 34, 56, 0, 0, -1))
DAY_S = 24 * 60 * 60
OTHER_STYLES = {"notice", "error", "announcement", "day", "marker", "pending", "time", "action"}
"""The styles of what is no person's message."""
MARKER = f"——  {ITALIAN.left_off}  ——"
EMOJI = "\N{GRINNING FACE}"
FAMILY = "👨‍👩‍👧"
SCRIPTS = (
    "Ελληνικά, Кириллица, עברית, العربية, हिन्दी, বাংলা, தமிழ், ไทย, ქართული, 中文, 日本語, 한국어, ᚠᚢᚦ, ∮ ∑ √",
    f"😀 👍🏽 {FAMILY} 🇮🇹 ❤️ 1️⃣ 𝒳𝔸 𐍈 𠜎 \U0010fffd \ue000 \ufffd \uffff",
    "e\u0301 a" + "\u0300" * 40 + " \u200d\u200c ﷽ \u0e33 ﬁ İ ı ß ẞ",
)


# --- helpers --------------------------------------------------------------------------------------------------------


class Reader(Seat):
    """Somebody who reads: Ada, unless the test says otherwise."""

    other: tk.Tk | None = None

    def hear(self, *events: Event) -> None:
        """Have the server say something, and wait until it is drawn."""
        self.fake.tell(*events)
        self.wait(self.fake.events.empty)  # what the window takes, it draws before it lets go

    def hear_many(self, count: int, first: int = 0) -> None:
        self.hear(*(said(f"riga {number}") for number in range(first, first + count)))

    @property
    def lines(self) -> list[str]:
        return self.shown.splitlines()

    @property
    def top(self) -> str:
        """The first line in sight."""
        return self.conversation.get("@0,0 linestart", "@0,0 lineend")

    @property
    def news(self) -> str:
        """What the button says that leads to the end; empty where there is none."""
        button = self.window.conversation.button
        return str(button["text"]) if button.winfo_ismapped() else ""

    @property
    def clipboard(self) -> str:
        return str(self.root.clipboard_get())

    def index_of(self, text: str) -> str:
        """Where a text of plain letters stands, the last time that it does."""
        before = self.shown[: self.shown.rindex(text)]
        return f"{before.count(chr(10)) + 1}.{len(before) - before.rfind(chr(10)) - 1}"

    def tags_of(self, text: str) -> set[str]:
        """All tags that a letter of a text has."""
        start = self.index_of(text)
        return {tag for number in range(len(text)) for tag in self.conversation.tag_names(f"{start}+{number}c")}

    def look_of(self, text: str, option: str) -> str:
        """What the one tag of a text's first letter that sets this option sets it to."""
        start = self.index_of(text)
        looks = [str(self.conversation.tag_cget(tag, option)) for tag in self.conversation.tag_names(start)]
        return "".join(looks)

    def place_of(self, text: str) -> tuple[int, int]:
        """Where the first letter of a text is to be seen, a little inside of it."""
        box = self.conversation.bbox(self.index_of(text))
        assert box is not None, f"{text!r} is out of sight: {self.tell()}"
        return box[0] + 1, box[1] + box[3] // 2

    def click_on(self, text: str, button: int = 1) -> None:
        self.click(self.conversation, *self.place_of(text), button)

    def drag_over(self, text: str) -> None:
        """Select a text on one row with the mouse."""
        (x1, y), (x2, _) = self.place_of(text), self.place_of(text[-1])
        last = self.conversation.bbox(f"{self.index_of(text)}+{len(text) - 1}c")
        assert last is not None
        x2 = last[0] + last[2]
        left, top = self.conversation.winfo_rootx(), self.conversation.winfo_rooty()
        if HAS_XDOTOOL:
            moves = [("mousemove", str(left + x), str(top + y)) for x in (x1, x2 - 3, x2)]
            self._xdotool(*moves[0], "mousedown", "1", *moves[1], *moves[2], "mouseup", "1")
        else:
            for event, x in (("ButtonPress-1", x1), ("B1-Motion", x2 - 3), ("B1-Motion", x2), ("ButtonRelease-1", x2)):
                self.conversation.event_generate(f"<{event}>", x=x, y=y)
        self.wait(lambda: self.conversation.tag_ranges("sel"))

    def look_away(self) -> None:
        """Give the focus to another program, or what is one to Tk."""
        self.other = self.other or tk.Tk()
        self.other.geometry("80x40+1180+840")
        self.other.update()
        self.other.focus_force()
        self.wait(lambda: not self.root.tk.call("focus", "-displayof", self.root))

    def look_back(self) -> None:
        self.root.focus_force()
        self.wait(lambda: self.root.tk.call("focus", "-displayof", self.root) and "(" not in self.root.title())

    def find(self, text: str) -> str:
        """Type what to find, and Return; gives what the line says then."""
        self.press("Control-f")
        self.wait(lambda: self.focus == str(self.window.find_bar.entry))
        self.type(text)
        self.press("Return")
        return self.found

    @property
    def found(self) -> str:
        return str(self.window.find_bar.count["text"])

    @property
    def current(self) -> str:
        """The place that the search is at."""
        return self.conversation.get(*self.conversation.tag_ranges("current"))

    @property
    def current_line(self) -> str:
        return self.conversation.get("current.first linestart", "current.first lineend")

    @property
    def people_list(self) -> tk.Listbox:
        return self.window.people.list

    @property
    def people(self) -> list[str]:
        return list(self.people_list.get(0, "end"))

    def click_on_name(self, name: str) -> None:
        box = self.people_list.bbox(self.people.index(name))
        assert box is not None, self.people
        self.click(self.people_list, box[0] + 3, box[1] + 3)


Sit = Callable[..., Reader]


@pytest.fixture
def sit(display: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sit]:
    """Open windows in which Ada is in the room already; `others` are there too."""
    readers: list[Reader] = []
    if not HAS_XDOTOOL:
        monkeypatch.setattr(tk.Menu, "tk_popup", lambda menu, *_: Seat.posted.append(menu))

    def sit(*others: str, server: ChatServer | None = None, name: str = "Ada", **settings: Any) -> Reader:
        if server is None:
            readers.append(Reader(FakeSession(), Settings(**settings)))
            readers[-1].hear(Welcome(name, "token", (*others, name), 0))
        else:
            session = Session("127.0.0.1", server.port)
            session.connect()
            readers.append(Reader(session, Settings(**settings), name))
            session.start()
            readers[-1].see(ITALIAN.welcome.format(name=name))
        return readers[-1]

    yield sit
    for reader in readers:
        if reader.is_open:
            reader.window.close()
        if isinstance(reader.session, Session):
            reader.session.close()
        if reader.other is not None:
            reader.other.destroy()
    Seat.posted.clear()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The links that a browser was asked to open."""
    links: list[str] = []
    monkeypatch.setattr(webbrowser, "open", links.append)
    return links


def said(text: str, name: str = "Bob", when: float | None = None, nonce: int | None = None) -> Message:
    return Message(1, time.time() if when is None else when, name, text, nonce)


def is_urgent(root: tk.Tk) -> bool:
    """What X11's window manager would read, by Xlib alone."""
    xlib = ctypes.CDLL("libX11.so.6")
    xlib.XOpenDisplay.restype = ctypes.c_void_p
    xlib.XGetWMHints.restype = ctypes.c_void_p
    display = ctypes.c_void_p(xlib.XOpenDisplay(None))
    above, parent, children, count = ctypes.c_ulong(), ctypes.c_ulong(), ctypes.c_void_p(), ctypes.c_uint()
    found = (ctypes.byref(above), ctypes.byref(parent), ctypes.byref(children), ctypes.byref(count))
    xlib.XQueryTree(display, ctypes.c_ulong(root.winfo_id()), *found)
    xlib.XFree(children)
    hints = xlib.XGetWMHints(display, parent)
    flags = ctypes.c_long.from_address(hints).value if hints else 0
    xlib.XFree(ctypes.c_void_p(hints))
    xlib.XCloseDisplay(display)
    return bool(flags & 1 << 8)


names = st.text(min_size=1, max_size=12).map(protocol.parse_name).filter(bool)
texts = st.text(max_size=200).map(protocol.clean_text)


# --- reading: the time, the name, the text --------------------------------------------------------------------------


def test_a_message_is_shown_with_its_time_its_name_and_its_text(sit: Sit) -> None:
    reader = sit()
    reader.hear(said("ciao a tutti", when=MAY_DAY))
    assert reader.last_line == "12:34  Bob: ciao a tutti"
    assert "time" in reader.tags_of("12:34")
    assert f"hue-{hue_of('Bob')}" in reader.tags_of("Bob: ")
    assert reader.tags_of("ciao a tutti") == {"text"}


def test_a_name_has_its_colour_in_every_message_and_in_the_list(sit: Sit) -> None:
    reader = sit("Bob", "Carla")
    colours = {}
    for name in ("Bob", "Carla", "Ada"):
        reader.hear(said("uno", name), said("due", name))
        colours[name] = reader.look_of(f"{name}: uno", "foreground")
        assert reader.look_of(f"{name}: due", "foreground") == colours[name]
        assert reader.people_list.itemcget(reader.people.index(name), "foreground") == colours[name]
    assert len(set(colours.values())) == 3


def test_a_name_has_the_same_hue_however_it_is_written() -> None:
    assert hue_of("Bob") == hue_of("BOB") == hue_of("bob")
    assert hue_of("José") == hue_of("Jose\u0301")


@given(names)
def test_every_name_has_a_hue(name: str) -> None:
    assert 0 <= hue_of(name) < HUES
    assert hue_of(name) == hue_of(name.upper().lower()) or protocol.name_key(name) != protocol.name_key(
        name.upper().lower()
    )


def test_hues_are_spread_over_names() -> None:
    assert len({hue_of(f"utente{number}") for number in range(1000)}) == HUES


@THEMES
def test_every_name_can_be_read_on_its_background_also_where_a_line_is_marked(sit: Sit, theme: str) -> None:
    text = sit(theme=theme).conversation
    backgrounds = [str(text["background"]), str(text.tag_cget("mention", "background"))]
    for hue in range(HUES):
        colour = str(text.tag_cget(f"hue-{hue}", "foreground"))
        assert all(contrast(colour, background) >= MIN_CONTRAST for background in backgrounds), hue


@THEMES
def test_what_the_search_has_marked_can_be_read(sit: Sit, theme: str) -> None:
    text = sit(theme=theme).conversation
    for tag in ("found", "current", "sel"):
        colours = [str(text.tag_cget(tag, option)) for option in ("foreground", "background")]
        assert all(colours), tag
        assert contrast(*colours) >= MIN_CONTRAST, tag


@given(st.integers(0, HUES - 1), st.integers(0, 0xFFFFFF).map("#{:06x}".format))
def test_a_colour_is_found_for_every_hue_on_every_very_light_or_dark_paper(hue: int, paper: str) -> None:
    black, white = contrast("#000000", paper), contrast("#ffffff", paper)
    if max(black, white) >= 14:
        assert contrast(name_colour(hue, paper), paper) >= MIN_CONTRAST


def test_notices_announcements_and_errors_are_set_apart(sit: Sit) -> None:
    reader = sit()
    reader.hear(Joined(1, time.time(), "Bob"), said("un testo"), Announcement(2, time.time(), "un annuncio"))
    reader.hear(Error(Reason.MUTED.value, 5, None), Left(3, time.time(), "Bob"))
    looks = {
        reader.look_of(text, "foreground")
        for text in ("Bob si è unito", "un testo", "Server: un annuncio", ITALIAN.explain("muted", 5))
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


@pytest.mark.parametrize("forged", FORGED)
def test_a_message_cannot_be_made_to_look_like_anything_else(sit: Sit, forged: str) -> None:
    reader = sit()
    reader.hear(Joined(1, time.time(), "Carla"), said(f"ciao\n{forged}\nfine"))
    assert reader.lines[-2] == forged
    assert reader.tags_of(forged) == {"text"}
    assert not reader.tags_of(f"ciao\n{forged}\nfine") & OTHER_STYLES
    real, lie = (reader.conversation.bbox(f"end-{number}l linestart") for number in (5, 3))
    assert real is not None
    assert lie is not None
    assert lie[0] > real[0]  # what is really new begins further to the left


def test_a_notice_about_somebody_is_all_notice(sit: Sit) -> None:
    reader = sit()
    reader.hear(Joined(1, time.time(), "Bob"))
    assert reader.tags_of("Bob si è unito alla chat!") == {"notice"}


def test_control_characters_never_reach_the_screen(sit: Sit) -> None:
    reader = sit()
    reader.hear(said(protocol.clean_text("a\x00b\x1b[2Jc\u202ed\re\u2028f")))
    assert reader.last_line == "f"
    assert "ab[2Jcd\ne\nf" in reader.shown


@pytest.mark.parametrize("name", ["* Server", "*", "** Ada"])
def test_a_saved_message_cannot_look_like_a_saved_notice(name: str) -> None:
    assert protocol.parse_name(name) == name
    notice = Entry(MAY_DAY, Kind.ANNOUNCEMENT, "la chat chiude", "Server").as_lines()
    message = Entry(MAY_DAY, Kind.MESSAGE, "la chat chiude", name).as_lines()
    assert notice == "2024-05-01 12:34:56 * Server: la chat chiude\n"
    assert not message.startswith("2024-05-01 12:34:56 *")


# --- reading: wrapping, selecting, copying --------------------------------------------------------------------------


def test_long_text_wraps_between_words_and_under_itself(sit: Sit) -> None:
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
    time_box, last_box = reader.conversation.bbox(f"{index} linestart"), reader.conversation.bbox(index)
    assert time_box is not None
    assert last_box is not None
    assert last_box[0] > time_box[0]


def test_what_is_selected_with_the_mouse_is_copied_by_key(sit: Sit) -> None:
    reader = sit()
    reader.hear(said("prima copiami dopo"))
    reader.drag_over("copiami")
    assert reader.focus == str(reader.conversation)
    reader.press("Control-c")
    assert reader.clipboard == "copiami"


def test_what_is_selected_is_copied_by_the_menu_of_the_right_button(sit: Sit) -> None:
    reader = sit()
    reader.hear(said("prima copiami dopo"))
    reader.drag_over("copiami")
    reader.click_on("copiami", button=3)
    reader.choose_in_popup(ITALIAN.menu_copy)
    assert reader.clipboard == "copiami"


def test_everything_can_be_selected_and_copied(sit: Sit) -> None:
    reader = sit()
    reader.hear(said("uno\ndue", when=MAY_DAY), said("tre", when=MAY_DAY))
    reader.click_on("tre", button=3)
    reader.choose_in_popup(ITALIAN.menu_select_all)
    reader.press("Control-c")
    assert reader.clipboard == reader.shown
    assert reader.clipboard.endswith("12:34  Bob: uno\ndue\n12:34  Bob: tre\n")


def test_nothing_selected_leaves_the_clipboard_alone(sit: Sit) -> None:
    reader = sit()
    reader.put_on_clipboard("di prima")
    reader.hear(said("ciao"))
    reader.click_on("ciao")
    reader.press("Control-c")
    assert reader.clipboard == "di prima"


def test_news_leaves_the_selection_alone(sit: Sit) -> None:
    reader = sit()
    reader.hear(said("prima copiami dopo"))
    reader.drag_over("copiami")
    reader.hear(said("altro"), Joined(1, time.time(), "Carla"))
    reader.press("Control-c")
    assert reader.clipboard == "copiami"


def test_the_conversation_cannot_be_changed_by_its_reader(sit: Sit) -> None:
    reader = sit()
    reader.hear(said("ciao"))
    before = reader.shown
    reader.drag_over("ciao")
    for key in ("x", "BackSpace", "Return", "Control-x", "Control-v", "Delete"):
        reader.press(key)
    assert reader.shown == before


# --- reading: links -------------------------------------------------------------------------------------------------


LINKS = [
    ("http://example.org", ["http://example.org"]),
    ("HTTPS://Example.ORG/A", ["HTTPS://Example.ORG/A"]),
    ("vedi http://a.it/x, poi https://b.it.", ["http://a.it/x", "https://b.it"]),
    ("(http://a.it/x)", ["http://a.it/x"]),
    ("http://a.it/wiki/X_(y)", ["http://a.it/wiki/X_(y)"]),
    ("(http://a.it/wiki/X_(y))", ["http://a.it/wiki/X_(y)"]),
    ("«http://a.it» “http://b.it” ‘http://c.it’", ["http://a.it", "http://b.it", "http://c.it"]),
    ("<http://a.it> \"http://b.it\" 'http://c.it'", ["http://a.it", "http://b.it", "http://c.it"]),
    ("http://a.it/?q=1&r=%20#s!", ["http://a.it/?q=1&r=%20#s"]),
    ("http://a.it//", ["http://a.it//"]),
    ("http://a.it/…", ["http://a.it/"]),
    ("http://a.it/è/中文", ["http://a.it/è/中文"]),
    ("http://[::1]:8000/", ["http://[::1]:8000/"]),
    ("uno\nhttp://a.it\ndue", ["http://a.it"]),
    ("http://", []),
    ("http://...", []),
    ("http://)))", []),
    ("javascript:alert(1) file:///etc ftp://a.it mailto:a@b.it", []),
    ("www.example.org", []),
]


@pytest.mark.parametrize(("text", "links"), LINKS)
def test_links_are_found_without_the_punctuation_around_them(text: str, links: list[str]) -> None:
    assert [text[start:end] for start, end in find_links(text)] == links


@given(st.lists(st.sampled_from(["http://", "https://", "a", ".", ")", "(", " ", "/", "»", "\n", "è", EMOJI, '"'])))
def test_links_are_in_order_apart_and_without_blanks(pieces: list[str]) -> None:
    text = "".join(pieces)
    end_before = 0
    for start, end in find_links(text):
        link = text[start:end]
        assert start >= end_before
        assert re.fullmatch(r"https?://\S+", link)
        assert link[-1] not in ".,»"
        end_before = end


def test_a_click_on_a_link_opens_it(sit: Sit, opened: list[str]) -> None:
    reader = sit()
    reader.hear(said("leggi https://example.org/a_(b). Poi dimmi"))
    assert "link" not in reader.tags_of(". Poi dimmi")
    reader.click_on("https://example.org")
    assert opened == ["https://example.org/a_(b)"]
    reader.click_on("Poi dimmi")
    reader.click_on("leggi")
    assert len(opened) == 1


def test_a_link_that_is_selected_is_not_opened(sit: Sit, opened: list[str]) -> None:
    reader = sit()
    reader.hear(said("https://example.org/lungo"))
    reader.drag_over("https://example.org")
    assert opened == []
    reader.press("Control-c")
    assert reader.clipboard == "https://example.org"


def test_each_of_two_links_opens_itself(sit: Sit, opened: list[str]) -> None:
    reader = sit()
    reader.hear(said("http://uno.it\nhttp://due.it http://tre.it"), said("http://quattro.it"))
    for name in ("uno", "due", "tre", "quattro"):
        reader.click_on(f"{name}.it")
    assert opened == ["http://uno.it", "http://due.it", "http://tre.it", "http://quattro.it"]


def test_the_menu_of_the_right_button_opens_a_link(sit: Sit, opened: list[str]) -> None:
    reader = sit()
    reader.hear(said("qui http://uno.it"))
    reader.click_on("uno.it", button=3)
    reader.choose_in_popup(ITALIAN.menu_open_link)
    assert opened == ["http://uno.it"]


def test_a_key_opens_the_last_link(sit: Sit, opened: list[str]) -> None:
    reader = sit()
    reader.press("Control-l")
    reader.hear(said("http://uno.it http://due.it"), said("niente"))
    reader.press("Control-l")
    assert opened == ["http://due.it"]


@pytest.mark.parametrize("link", ["file:///etc/passwd", "javascript:alert(1)", "ftp://a.it", "httpx://a.it", ""])
def test_nothing_but_http_and_https_is_opened(opened: list[str], link: str) -> None:
    open_link(link)
    assert opened == []


# --- reading: days --------------------------------------------------------------------------------------------------


def test_a_line_tells_where_another_day_begins(sit: Sit) -> None:
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


# --- reading: never pulled down -------------------------------------------------------------------------------------


def test_who_reads_at_the_end_stays_there(sit: Sit) -> None:
    reader = sit()
    for first in range(0, 200, 20):
        reader.hear_many(20, first)
        assert reader.is_at_end
        assert reader.news == ""


def test_who_has_scrolled_up_stays_and_is_told_how_much_is_new(sit: Sit) -> None:
    reader = sit()
    reader.hear_many(200)
    reader.press("Prior", "Prior")
    top = reader.top
    reader.hear_many(1, 200)
    assert (reader.top, reader.news) == (top, "1 nuovo messaggio ↓")
    reader.hear_many(49, 201)
    assert (reader.top, reader.news) == (top, "50 nuovi messaggi ↓")
    reader.click(reader.window.conversation.button)
    reader.wait(lambda: reader.is_at_end and reader.news == "")
    reader.hear_many(20, 250)
    assert reader.is_at_end


def test_a_turn_of_the_wheel_is_enough_not_to_be_pulled_down(sit: Sit) -> None:
    reader = sit()
    reader.hear_many(100)
    if HAS_XDOTOOL:
        reader.click(reader.conversation, 50, 50, button=4)
    else:
        reader.conversation.yview_scroll(-3, "units")
    reader.wait(lambda: not reader.is_at_end)
    top = reader.top
    reader.hear_many(50, 100)
    assert reader.top == top


def test_notices_and_ones_own_messages_are_not_counted_as_new(sit: Sit) -> None:
    reader = sit()
    reader.hear_many(100)
    reader.press("Prior")
    reader.hear(Joined(1, time.time(), "Carla"), said("mio", "Ada"), said("suo"), Left(2, time.time(), "Carla"))
    assert reader.news == "1 nuovo messaggio ↓"


def test_an_announcement_is_counted_as_new(sit: Sit) -> None:
    reader = sit()
    reader.hear_many(100)
    reader.press("Prior")
    reader.hear(Announcement(1, time.time(), "si chiude"))
    assert reader.news == "1 nuovo messaggio ↓"


@pytest.mark.parametrize("way", ["keys", "Escape", "saying something"])
def test_who_goes_to_the_end_has_nothing_new_left(sit: Sit, way: str) -> None:
    reader = sit()
    reader.hear_many(100)
    reader.press("Prior")
    reader.hear_many(5, 100)
    if way == "keys":
        reader.press("Next", "Next")
    elif way == "Escape":
        reader.press("Escape")
    else:
        reader.enter("ciao")
    reader.wait(lambda: reader.is_at_end and reader.news == "")


def test_a_reader_further_up_keeps_the_place_when_the_list_is_folded_away(sit: Sit) -> None:
    reader = sit("Bob")
    reader.hear_many(200)
    reader.press("Prior", "Prior")
    top = reader.top
    reader.hear_many(1, 200)
    reader.press("F9", "F9")
    reader.hear_many(5, 201)
    assert reader.top == top


def test_a_reader_further_up_keeps_the_place_while_the_oldest_is_dropped(
    sit: Sit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lan_chat.client.conversation.MAX_ENTRIES", 200)
    reader = sit()
    reader.hear_many(200)
    reader.press("Prior")
    top = reader.top
    for first in range(200, 300, 10):
        reader.hear_many(10, first)
        assert reader.top == top


# --- reading: where one left off ------------------------------------------------------------------------------------


def test_a_line_shows_where_one_left_off(sit: Sit) -> None:
    reader = sit()
    reader.hear(said("letto"))
    reader.look_away()
    reader.hear(said("nuovo uno"), said("nuovo due"))
    tail = [line.partition("Bob: ")[2] or line for line in reader.lines[-4:]]
    assert tail == ["letto", MARKER, "nuovo uno", "nuovo due"]
    assert reader.tags_of(MARKER) == {"marker"}


def test_there_is_one_such_line_and_it_moves_when_one_leaves_again(sit: Sit) -> None:
    reader = sit()
    for round_ in range(3):
        reader.hear(said(f"letto {round_}"))
        reader.look_away()
        reader.hear(said(f"nuovo {round_}"), said(f"altro {round_}"))
        reader.look_back()
        assert reader.shown.count(MARKER) == 1  # it stays for whoever comes back
        assert reader.lines[reader.lines.index(MARKER) + 1].endswith(f"nuovo {round_}")
    reader.hear(said("fine"))
    assert reader.shown.count(MARKER) == 1


def test_such_a_line_is_drawn_for_news_alone(sit: Sit) -> None:
    reader = sit()
    reader.hear(said("con gli occhi qui"))
    reader.look_away()
    reader.hear(Joined(1, time.time(), "Carla"), said("mio, da altrove", "Ada"))
    assert MARKER not in reader.shown
    assert reader.root.title() == "Chat – lan-host"


# --- reading: not looking -------------------------------------------------------------------------------------------


def test_the_title_counts_what_was_not_read(sit: Sit) -> None:
    reader = sit()
    reader.hear(said("letto"))
    assert reader.root.title() == "Chat – lan-host"
    reader.look_away()
    reader.hear(said("uno"))
    assert reader.root.title() == "(1) Chat – lan-host"
    reader.hear(said("due"), Announcement(1, time.time(), "tre"), Joined(2, time.time(), "Carla"))
    assert reader.root.title() == "(3) Chat – lan-host"
    reader.look_back()
    assert reader.root.title() == "Chat – lan-host"


def test_a_line_with_ones_own_name_is_marked(sit: Sit) -> None:
    reader = sit()
    reader.hear(said("ehi ada, ci sei?\nrispondi"), said("Adalberto"), said("sono Ada", "Ada"))
    assert "mention" in reader.tags_of("ehi ada")
    assert "mention" in reader.tags_of("rispondi")
    assert not reader.conversation.tag_nextrange("mention", reader.index_of("Adalberto") + " linestart")


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How attention was asked for."""
    calls: list[str] = []
    monkeypatch.setattr("lan_chat.client.window.ask_for_attention", lambda root: calls.append("attention"))
    monkeypatch.setattr(tk.Misc, "bell", lambda *_: calls.append("bell"))
    return calls


@pytest.mark.parametrize("has_sound", [False, True])
def test_who_is_called_elsewhere_is_asked_to_look_and_hears_a_bell_only_if_wanted(
    sit: Sit, called: list[str], has_sound: bool
) -> None:
    reader = sit(has_sound=has_sound)
    bell = ["bell"] * has_sound
    reader.hear(said("ciao Ada"))
    assert called == bell  # the window has the focus
    reader.look_away()
    reader.hear(said("ciao a tutti"), said("sono io, Ada", "Ada"))
    assert called == bell
    reader.hear(said("Ada?"))
    assert sorted(called) == sorted(["attention", *bell, *bell])


def test_the_bell_is_switched_on_in_the_menu(sit: Sit, called: list[str]) -> None:
    reader = sit()
    reader.choose(ITALIAN.menu_sound)
    reader.hear(said("Ada?"))
    assert called == ["bell"]
    assert reader.settings.has_sound


def test_the_task_bar_is_told_until_one_looks(sit: Sit) -> None:
    reader = sit()
    is_x11 = reader.root.tk.call("tk", "windowingsystem") == "x11"
    reader.look_away()
    reader.hear(said("ciao a tutti"))
    assert not (is_x11 and is_urgent(reader.root))
    reader.hear(said("Ada?"))  # elsewhere than on X11 it must at least not fail
    assert is_urgent(reader.root) or not is_x11
    reader.look_back()
    assert not (is_x11 and is_urgent(reader.root))


MENTIONS = [
    ("ciao Ada", "Ada", True),
    ("ADA!", "ada", True),
    ("(ada)", "Ada", True),
    ("Ada's", "Ada", True),
    ("Adalberto", "Ada", False),
    ("la Nevada", "Ada", False),
    ("Ada_2", "Ada", False),
    ("uso C++ e C", "C++", True),
    ("Ada Maria!", "Ada Maria", True),
    ("STRASSE", "Straße", True),
    ("", "Ada", False),
    ("ciao", "", False),
    ("a.b", "a+b", False),
]


@pytest.mark.parametrize(("text", "name", "is_said"), MENTIONS)
def test_a_name_is_said_as_a_word_of_its_own(text: str, name: str, is_said: bool) -> None:
    assert mentions(text, name) == is_said


@given(names, st.sampled_from([" ", "\n", "(", ", ", "«"]), st.sampled_from([" ", "\n", ")", ", ", "»", "?", ""]))
def test_every_name_can_be_said(name: str, before: str, after: str) -> None:
    assert mentions(f"ciao{before}{name}{after}", name)


# --- finding --------------------------------------------------------------------------------------------------------


def test_finding_counts_and_goes_both_ways_and_around(sit: Sit) -> None:
    reader = sit()
    reader.hear(*(said(text) for text in ("gatto uno", "cane", "due GATTO", "tre gatto")))
    assert reader.find("gatto") == "3 di 3"  # from the news backwards
    assert reader.current_line.endswith("tre gatto")
    reader.press("Return")
    assert (reader.found, reader.current) == ("2 di 3", "GATTO")
    reader.press("Up")
    assert reader.found == "1 di 3"
    reader.press("F3")
    assert reader.found == "3 di 3"
    for key, found in (("Shift-Return", "1 di 3"), ("Down", "2 di 3"), ("Shift-F3", "3 di 3"), ("Down", "1 di 3")):
        reader.press(key)
        assert reader.found == found
    assert reader.current_line.endswith("gatto uno")
    assert len(reader.conversation.tag_ranges("found")) == 6


def test_what_is_nowhere_is_not_found(sit: Sit) -> None:
    reader = sit()
    reader.hear(said("ciao"))
    assert reader.find("xyzzy") == ITALIAN.find_nothing
    assert not reader.conversation.tag_ranges("found")
    reader.wait(lambda: reader.is_at_end)


def test_nothing_to_find_finds_nothing(sit: Sit) -> None:
    assert sit().find("") == ITALIAN.find_nothing


@pytest.mark.parametrize("wanted", [".*", "-all", "[a", "\\"])
def test_what_to_find_is_no_pattern_and_no_option(sit: Sit, wanted: str) -> None:
    reader = sit()
    reader.hear(said(f"prima {wanted} dopo"))
    reader.press("Control-f")
    reader.window.find_bar.entry.insert(0, wanted)
    reader.press("Return")
    assert (reader.found, reader.current) == ("1 di 1", wanted)


def test_escape_puts_the_line_away_and_its_marks(sit: Sit) -> None:
    reader = sit()
    reader.hear(said("gatto"))
    reader.find("gatto")
    reader.press("Escape")
    assert not reader.window.find_bar.frame.winfo_ismapped()
    assert not reader.conversation.tag_ranges("found")
    assert not reader.conversation.tag_ranges("current")
    assert reader.focus == str(reader.message_input)


def test_what_was_found_is_in_sight_and_stays_there(sit: Sit) -> None:
    reader = sit()
    reader.hear(said("ago"))
    reader.hear_many(200)
    reader.find("ago")
    assert reader.conversation.bbox("current.first") is not None
    reader.hear_many(50, 200)
    assert reader.conversation.bbox("current.first") is not None
    assert reader.news == "50 nuovi messaggi ↓"


def test_the_line_opens_by_menu_too_and_again_with_what_was_looked_for(sit: Sit) -> None:
    reader = sit()
    reader.hear(said("gatto cane"))
    reader.choose(ITALIAN.menu_find)
    reader.type("gatto")
    reader.press("Return", "Escape")
    reader.find("cane")  # typed over it
    assert (reader.found, reader.current) == ("1 di 1", "cane")


def test_f3_looks_for_the_last_one_again(sit: Sit) -> None:
    reader = sit()
    reader.hear(said("gatto"))
    reader.hear_many(200)
    reader.find("gatto")
    reader.press("Escape", "Escape")
    reader.wait(lambda: reader.is_at_end)
    reader.press("F3")
    assert (reader.found, reader.current) == ("1 di 1", "gatto")
    reader.wait(reader.window.find_bar.frame.winfo_ismapped)
    reader.hear_many(1)
    assert reader.conversation.bbox("current.first") is not None


@pytest.mark.parametrize("wanted", [EMOJI, f"{EMOJI}b", "b", "è"])
def test_finding_works_among_emoji(sit: Sit, wanted: str) -> None:
    # Tk 8.6.13's own search ends the process here.
    reader = sit()
    reader.hear(said(f"{EMOJI}{EMOJI}b è İ{EMOJI}B {EMOJI}"), said(f"{FAMILY} niente"), said(f"poi {EMOJI}b È"))
    reader.press("Control-f")
    reader.window.find_bar.entry.insert(0, wanted)
    shown = reader.shown.lower()
    for _ in range(3):
        reader.press("Return")
        marked = reader.conversation.tag_ranges("found")
        pieces = [reader.conversation.get(*marked[start : start + 2]) for start in range(0, len(marked), 2)]
        assert "".join(pieces).lower() == wanted * shown.count(wanted)
        assert reader.current.lower() == wanted
    assert reader.found.endswith(f" di {shown.count(wanted)}")


def test_finding_does_not_move_the_cursor_in_the_box_nor_unselect(sit: Sit) -> None:
    reader = sit()
    reader.hear(said("gatto"))
    reader.write("abc")
    reader.message_input.mark_set("insert", "1.1")
    reader.press("Control-f", "Escape")
    assert reader.message_input.index("insert") == "1.1"
    reader.drag_over("gatto")
    reader.press("Control-f")
    assert reader.conversation.tag_ranges("sel")


def test_only_the_latest_places_are_marked_but_all_are_counted(sit: Sit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lan_chat.client.conversation.MAX_FOUND", 3)
    reader = sit()
    reader.hear_many(10)
    assert reader.find("riga") == "10 di 10"
    ranges = reader.conversation.tag_ranges("found")
    assert len(ranges) == 6
    assert reader.conversation.get(ranges[0], f"{ranges[0]} lineend") == "riga 7"


# --- saving ---------------------------------------------------------------------------------------------------------


def choose_file(monkeypatch: pytest.MonkeyPatch, path: Path | str) -> None:
    """Answer the question where to save."""
    monkeypatch.setattr(filedialog, "asksaveasfilename", lambda **_: str(path))


def test_a_key_saves_one_message_a_line_with_its_date(
    sit: Sit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = sit()
    path = tmp_path / "chat.txt"
    choose_file(monkeypatch, path)
    reader.hear(said(f"perché {EMOJI}", when=MAY_DAY), said("uno\ndue\n\ntre", "Zoë", MAY_DAY + 1))
    reader.hear(Joined(1, MAY_DAY + 2, "Carla"), Announcement(2, MAY_DAY + 3, "chiudo\nsubito"))
    reader.press("Control-s")
    reader.see(ITALIAN.saved.format(file=path))
    lines = path.read_bytes().decode("utf-8").replace("\r\n", "\n").split("\n")
    assert lines[1:] == [  # the welcome is first
        f"2024-05-01 12:34:56 Bob: perché {EMOJI}",
        "2024-05-01 12:34:57 Zoë: uno",
        "    due",
        "    ",
        "    tre",
        "2024-05-01 12:34:58 * Carla si è unito alla chat!",
        "2024-05-01 12:34:59 * Server: chiudo",
        "    subito",
        "",
    ]


@pytest.mark.parametrize("place", ["no/such/folder/chat.txt", "a folder"])
def test_what_cannot_be_saved_is_told_in_a_sentence(
    sit: Sit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "a folder").mkdir()
    reader = sit()
    choose_file(monkeypatch, tmp_path / place)
    reader.hear(said("ciao"))
    reader.press("Control-s")
    reader.see(f"Non è possibile salvare in {tmp_path / place} (")
    assert "error" in reader.tags_of("Non è possibile salvare")
    assert [path.name for path in tmp_path.iterdir()] == ["a folder"]


def test_who_chooses_no_file_saves_nothing(sit: Sit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = sit()
    choose_file(monkeypatch, "")
    before = reader.shown
    reader.press("Control-s")
    assert reader.shown == before


def test_an_existing_file_is_replaced_whole(sit: Sit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = sit()
    path = tmp_path / "chat.txt"
    path.write_text("vecchio" * 1000)
    choose_file(monkeypatch, path)
    reader.press("Control-s")
    reader.see("Conversazione salvata")
    assert "vecchio" not in path.read_text("utf-8")
    assert list(tmp_path.iterdir()) == [path]


@given(texts, names, st.sampled_from(Kind))
def test_what_is_saved_of_one_entry_can_be_told_from_the_next(text: str, name: str, kind: Kind) -> None:
    first, *rest = Entry(MAY_DAY, kind, text, name).as_lines().removesuffix("\n").split("\n")
    assert first.startswith("2024-05-01 12:34:56 ")
    assert first.startswith("2024-05-01 12:34:56 * ") == (kind is not Kind.MESSAGE)
    assert all(line.startswith("    ") for line in rest)
    assert "\n".join([first.partition(": ")[2], *(line[4:] for line in rest)]) == text


# --- emoji and every script -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", SCRIPTS)
def test_every_script_is_shown_copied_and_saved(sit: Sit, text: str) -> None:
    reader = sit()
    reader.hear(said(text, name=text[:10]), Joined(1, time.time(), text[:10]), Announcement(2, time.time(), text))
    assert text in whole_letters(reader.shown)
    reader.window.conversation.select_all()
    assert text in reader.window.conversation.selected()
    assert text in reader.window.conversation.as_text()
    assert text[:10] in [whole_letters(name) for name in reader.people]


def test_no_letter_at_all_is_an_error(sit: Sit) -> None:
    reader = sit()
    letters = random.Random(1)
    for _ in range(20):
        text = "".join(chr(letters.randrange(0x20, 0x110000)) for _ in range(30))
        text = protocol.clean_text(text)  # as everything that comes from the network
        reader.hear(said(text))
        reader.see("Bob: ")
        assert text in reader.window.conversation.as_text()


@pytest.fixture
def boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have Tk be one that cannot draw everything."""
    for room in ("conversation", "people"):
        monkeypatch.setattr(f"lan_chat.client.{room}.draws_every_letter", lambda _: False)


def has_beyond(text: str) -> bool:
    return any(ord(letter) > 0xFFFF for letter in whole_letters(text))


def test_what_cannot_be_drawn_is_a_box_but_copied_and_saved_whole(sit: Sit, boxes: None) -> None:
    reader = sit()
    reader.hear(said(f"a{EMOJI}{EMOJI}b è {FAMILY}", name=f"Bob{EMOJI}"))
    assert not has_beyond(reader.shown)
    assert "Bob□: a□□b è □\u200d□\u200d□" in reader.shown
    assert f"Bob{EMOJI}: a{EMOJI}{EMOJI}b è {FAMILY}\n" in reader.window.conversation.as_text()
    reader.window.conversation.select_all()
    reader.press("Control-c")
    assert reader.clipboard.endswith(f"Bob{EMOJI}: a{EMOJI}{EMOJI}b è {FAMILY}\n")


@pytest.mark.parametrize(
    ("first", "length", "selected"),
    [(0, 2, "a😀"), (1, 1, "😀"), (2, 1, "👍"), (2, 2, "👍🎉"), (2, 3, "👍🎉b"), (1, 3, "😀👍🎉"), (3, 2, "🎉b")],
)
@pytest.mark.parametrize("is_searched", [False, True])
def test_a_part_of_what_cannot_be_drawn_is_copied_exactly(
    sit: Sit, boxes: None, first: int, length: int, selected: str, is_searched: bool
) -> None:
    reader = sit()
    reader.hear(said("a😀👍🎉b"))
    start = reader.index_of("a□□□b")
    if is_searched:
        reader.conversation.tag_add("found", f"{start}+2c", f"{start}+3c")
    reader.conversation.tag_add("sel", f"{start}+{first}c", f"{start}+{first + length}c")
    assert reader.window.conversation.selected() == selected


def test_a_link_with_what_cannot_be_drawn_is_opened_whole(sit: Sit, boxes: None, opened: list[str]) -> None:
    reader = sit()
    reader.hear(said(f"vedi https://example.org/{EMOJI}/x ora"))
    assert not has_beyond(reader.shown)
    reader.click_on("example.org")
    reader.press("Control-l")
    assert opened == [f"https://example.org/{EMOJI}/x"] * 2


def test_names_and_what_is_on_its_way_are_drawn_with_boxes_too(sit: Sit, boxes: None) -> None:
    reader = sit(f"Bob{EMOJI}")
    reader.hear(Welcome(f"Ada{EMOJI}", "token", (f"Ada{EMOJI}", f"Bob{EMOJI}"), 0), Joined(1, 0.0, f"Eva{EMOJI}"))
    assert reader.people == ["Ada□", "Bob□", "Eva□"]
    reader.window.conversation.set_pending([(f"Ada{EMOJI}", f"ciao {EMOJI}{EMOJI}", True)])
    reader.see("Ada□: ciao □□")
    assert not has_beyond(reader.shown)
    reader.hear(Left(2, 0.0, f"Bob{EMOJI}"))
    assert reader.people == ["Ada□", "Eva□"]


def test_what_stands_behind_the_boxes_is_forgotten_with_them(
    sit: Sit, boxes: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lan_chat.client.conversation.MAX_ENTRIES", 20)
    reader = sit()
    usual = len(reader.conversation.tag_names())
    for first in range(0, 200, 10):
        reader.hear(*(said(f"{EMOJI}{number}") for number in range(first, first + 10)))
    assert len(reader.conversation.tag_names()) - usual <= 20
    assert len(reader.window.conversation._undrawn) <= 20
    reader.window.conversation.select_all()
    assert reader.window.conversation.selected().count(EMOJI) == 20


# --- who is there ---------------------------------------------------------------------------------------------------


def test_the_list_is_sorted_and_counted(sit: Sit) -> None:
    reader = sit("zoe", "Bob", "anna", "Carla")
    assert reader.people == ["Ada", "anna", "Bob", "Carla", "zoe"]
    assert reader.window.people.title["text"] == ITALIAN.people.format(count=5)


def test_who_comes_and_goes_is_added_and_taken_away(sit: Sit) -> None:
    reader = sit("Bob")
    reader.hear(Joined(1, 0.0, "carla"), Joined(2, 0.0, "Abe"), Joined(3, 0.0, "Bob"))
    assert reader.people == ["Abe", "Ada", "Bob", "carla"]
    reader.hear(Left(4, 0.0, "Bob"), Left(5, 0.0, "nessuno"))
    assert reader.people == ["Abe", "Ada", "carla"]
    assert reader.window.people.title["text"] == ITALIAN.people.format(count=3)


def test_people_who_come_and_go_at_random_are_listed_as_they_are(sit: Sit) -> None:
    reader = sit()
    chance, here = random.Random(2), {"Ada"}
    for number in range(300):
        name = f"{chance.choice('aAbBzZéÉ')}{chance.randrange(20)}"
        if chance.random() < 0.5:
            here.add(name)
            reader.fake.tell(Joined(number, 0.0, name))
        else:
            here.discard(name)
            reader.fake.tell(Left(number, 0.0, name))
    reader.hear()
    assert reader.people == sorted(here, key=lambda name: (name.casefold(), name))
    assert reader.people == reader.window.people.names
    for place, name in enumerate(reader.people):
        assert reader.people_list.itemcget(place, "foreground") == reader.conversation.tag_cget(
            f"hue-{hue_of(name)}", "foreground"
        )


def test_the_list_is_folded_away_and_back_by_key_and_menu(sit: Sit) -> None:
    reader = sit("Bob")
    frame = reader.window.people.frame
    reader.wait(frame.winfo_ismapped)
    wide = reader.conversation.winfo_width()
    reader.press("F9")
    reader.wait(lambda: not frame.winfo_ismapped() and reader.conversation.winfo_width() > wide)
    assert not reader.settings.shows_people
    reader.choose(ITALIAN.menu_people)
    reader.wait(lambda: frame.winfo_ismapped() and reader.conversation.winfo_width() == wide)
    reader.choose(ITALIAN.menu_people)
    reader.hear(Joined(1, 0.0, "Carla"))
    assert not frame.winfo_ismapped()
    reader.press("F9")
    reader.wait(frame.winfo_ismapped)
    assert reader.people == ["Ada", "Bob", "Carla"]


def test_a_list_that_was_folded_away_stays_so_at_the_next_start(sit: Sit) -> None:
    reader = sit("Bob", shows_people=False)
    assert not reader.window.people.frame.winfo_ismapped()


def test_a_click_on_a_name_begins_a_message_to_them(sit: Sit) -> None:
    reader = sit("Bob", "Carla Maria")
    reader.click_on_name("Carla Maria")
    assert reader.draft == "Carla Maria: "
    assert reader.focus == str(reader.message_input)
    reader.type("ciao")
    reader.press("Return")
    assert reader.said == ["Carla Maria: ciao"]


def test_a_click_on_a_name_keeps_what_is_written(sit: Sit) -> None:
    reader = sit("Bob")
    reader.type("chiedi a ")
    reader.click_on_name("Bob")
    assert reader.draft == "chiedi a Bob: "


def test_a_click_below_the_names_does_nothing(sit: Sit) -> None:
    reader = sit("Bob")
    reader.click(reader.people_list, 20, reader.people_list.winfo_height() - 10)
    assert reader.draft == ""


@pytest.mark.parametrize("key", ["Return", "space"])
def test_a_key_on_a_name_begins_a_message_to_them(sit: Sit, key: str) -> None:
    reader = sit("Bob", "Carla")
    reader.press("F6", "F6")
    assert reader.focus == str(reader.people_list)
    reader.press("Down", "Down", key)
    assert reader.draft == "Carla: "
    assert reader.focus == str(reader.message_input)


def test_the_list_has_a_scrollbar_only_when_needed(sit: Sit) -> None:
    reader = sit("Bob")
    (scrollbar,) = (child for child in reader.window.people.frame.winfo_children() if isinstance(child, ttk.Scrollbar))
    assert not scrollbar.winfo_ismapped()
    reader.hear(*(Joined(number, 0.0, f"u{number}") for number in range(100)))
    reader.wait(scrollbar.winfo_ismapped)
    reader.hear(*(Left(number, 0.0, f"u{number}") for number in range(100)))
    reader.wait(lambda: not scrollbar.winfo_ismapped())


# --- what one can scroll back through -------------------------------------------------------------------------------


class Scrollback:
    """What a conversation ought to show: its pieces from the oldest on, each with its lines."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self.pieces: list[tuple[str, list[str]]] = []
        self.day = time.strftime("%Y-%m-%d")

    def add(self, entry: Entry) -> None:
        local = time.localtime(entry.time)
        day = time.strftime("%Y-%m-%d", local)
        lines = [f"— {time.strftime(ITALIAN.day, local)} —"] if day != self.day else []
        self.day = day
        speaker = f"{entry.speaker}: " if entry.speaker else ""
        lines += f"{time.strftime('%H:%M', local)}  {speaker}{entry.text}".split("\n")
        self.pieces.append((entry.text, lines))
        self.conversation.add(entry)

    def mark(self) -> None:
        self.pieces = [piece for piece in self.pieces if piece[1] != [MARKER]]
        self.pieces.append(("", [MARKER]))
        self.conversation.mark_left_off()

    def drop(self, max_entries: int, max_characters: int) -> None:
        """Drop the oldest as the rule has it."""

        def kept() -> list[str]:
            return [text for text, lines in self.pieces if lines != [MARKER]]

        while len(kept()) > max_entries or (sum(map(len, kept())) > max_characters and len(kept()) > 1):
            del self.pieces[0]

    @property
    def lines(self) -> list[str]:
        return [line for _, lines in self.pieces for line in lines]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("max_entries", "max_characters"), [(25, 10**6), (10**6, 400), (15, 300)])
def test_what_is_dropped_is_dropped_line_for_line(
    sit: Sit, monkeypatch: pytest.MonkeyPatch, seed: int, max_entries: int, max_characters: int
) -> None:
    reader = sit()
    conversation = reader.window.conversation
    welcome = reader.lines
    chance, when = random.Random(seed), time.time()
    scrollback = Scrollback(conversation)
    scrollback.pieces = [(welcome[0].partition("  ")[2], welcome)]
    monkeypatch.setattr("lan_chat.client.conversation.MAX_ENTRIES", max_entries)
    monkeypatch.setattr("lan_chat.client.conversation.MAX_CHARACTERS", max_characters)
    for step in range(300):
        what = chance.random()
        if what < 0.08:
            scrollback.mark()
        elif what < 0.14:
            failed = chance.random() < 0.5
            conversation.set_pending([("Ada", f"in volo\n{step}", failed)] * chance.randrange(3))
        elif what < 0.2:
            when += DAY_S * chance.choice((1, 1, -2))
        else:
            text = "\n".join("x" * chance.randrange(20) for _ in range(chance.choice((1, 1, 2, 5)))) or "."
            kind = chance.choice(list(Kind))
            speaker = "" if kind is Kind.NOTICE else "Bob"
            scrollback.add(Entry(when, kind, text, speaker, chance.random() < 0.1))
        if chance.random() < 0.3:
            conversation.flush()
            scrollback.drop(max_entries, max_characters)
            shown = conversation.text.get("1.0", "pending").splitlines()
            assert shown == scrollback.lines, f"step {step}"
            assert conversation.text.get("pending", "end").count("in volo") == reader.shown.count("in volo")


def test_at_least_ten_thousand_messages_are_kept_and_not_all(sit: Sit) -> None:
    reader = sit()
    conversation = reader.window.conversation
    count = MAX_ENTRIES + 500
    for number in range(count):
        conversation.add(Entry(time.time(), Kind.MESSAGE, f"riga {number}", "Bob"))
    conversation.flush()
    assert MAX_ENTRIES >= 10_000
    assert len(reader.lines) == MAX_ENTRIES
    assert reader.lines[0].endswith("riga 500")
    assert reader.last_line.endswith(f"riga {count - 1}")
    assert conversation.as_text().count("\n") == MAX_ENTRIES


def test_a_message_over_the_bound_of_letters_is_kept_alone(sit: Sit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lan_chat.client.conversation.MAX_CHARACTERS", 100)
    reader = sit()
    reader.hear(said("prima"), said("x" * 200))
    assert reader.lines[-1].endswith("x" * 200)
    assert len(reader.lines) == 1
    reader.hear(said("dopo"))
    assert [line.partition("Bob: ")[2] for line in reader.lines] == ["dopo"]


def test_what_is_on_its_way_is_not_dropped(sit: Sit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lan_chat.client.conversation.MAX_ENTRIES", 5)
    reader = sit()
    reader.window.conversation.set_pending([("Ada", "in volo", False)])
    reader.hear_many(50)
    assert len(reader.lines) == 6
    assert "Ada: in volo …" in reader.last_line


# --- with a real server ---------------------------------------------------------------------------------------------


def test_a_real_conversation_is_read_by_two(server: ChatServer, sit: Sit) -> None:
    ada, bob = (sit(server=server, name=name) for name in ("Ada", "Bob"))
    ada.wait(lambda: ada.people == ["Ada", "Bob"])
    bob.message_input.focus_force()
    bob.enter("ciao ada")
    for reader in (ada, bob):
        reader.see("Bob: ciao ada\n")
    assert "mention" in ada.tags_of("ciao ada")
    assert "mention" not in bob.tags_of("ciao ada")
    assert ada.look_of("Bob: ciao", "foreground") == bob.look_of("Bob: ciao", "foreground")
    ada.wait(lambda: ada.root.title().startswith("(1) "))
    assert not bob.root.title().startswith("(")
