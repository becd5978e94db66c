"""The window as its user meets it: writing, the question for the server, settings, the look, and the menus.

Keys and clicks are real ones where `xdotool` can make them, and else events that Tk makes for the widget in question.
"""

from __future__ import annotations

import dataclasses
import gc
import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chat_client
import protocol
from lan_chat.client import words as client_words
from lan_chat.client.connect_dialog import ConnectDialog
from lan_chat.client.palette import MIN_CONTRAST, PALETTES, contrast
from lan_chat.client.session import Attempt, Disconnected, Rejected, Session
from lan_chat.client.settings import MAX_FONT_SIZE, MIN_FONT_SIZE, Settings, load_settings, save_settings, settings_path
from lan_chat.client.window import ChatWindow
from lan_chat.client.words import ENGLISH, ITALIAN, ClientWords
from lan_chat.server.server import ChatServer
from protocol import Error, Event, Greeting, Joined, Message, Reason, Refused, Welcome
from tests.support.peers import DEADLINE_S, EventPeer, wait_until

try:
    import tkinter as tk
    from tkinter import font as tkfont
    from tkinter import ttk
except ImportError:  # what needs it is skipped aloud, for want of a display
    if not TYPE_CHECKING:
        tk = None

HAS_XDOTOOL = sys.platform == "linux" and shutil.which("xdotool") is not None
XDOTOOL_MODIFIERS = {"Control": "ctrl", "Shift": "shift"}
LANGUAGES = pytest.mark.parametrize("language", ["it", "en"])


# --- helpers --------------------------------------------------------------------------------------------------------


class FakeSession:
    """A session without a network: it notes what the window wants, and the test says what comes."""

    def __init__(self) -> None:
        self.host, self.port, self.is_bare = "lan-host", 53000, False
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.said: list[str] = []
        self.joined: list[str] = []
        self.has_quit = self.is_over = False
        self.retries = 0

    def join(self, name: str) -> None:
        self.joined.append(name)

    def say(self, text: str) -> int | None:
        if self.is_over:
            return None
        self.said.append(text)
        return len(self.said)

    def retry(self) -> None:
        self.retries += 1

    def quit(self) -> None:
        self.has_quit = True

    def tell(self, *events: Event) -> None:
        for event in events:
            self.events.put(event)


class Hands:
    """Somebody's hands at a keyboard and a mouse, in front of one root."""

    def __init__(self, root: tk.Tk) -> None:
        self.root = root

    @property
    def is_open(self) -> bool:
        try:
            return bool(self.root.winfo_exists())
        except tk.TclError:
            return False

    @property
    def focus(self) -> str:
        """The path of the widget that has the focus."""
        return str(self.root.tk.call("focus"))

    def tell(self) -> str:
        """What there is to see, for a test that gives up."""
        return ", ".join(texts_of(self.root)) if self.is_open else "a closed window"

    def wait(self, condition: Callable[[], object]) -> None:
        """Run the window until something has come true."""

        def run_and_look() -> object:
            if self.is_open:
                self.root.update()
            return condition()

        wait_until(run_and_look, self.tell)

    def press(self, *keys: str) -> None:
        """Press keys, in Tk's names (`Control-r`), where the focus is."""
        self.root.update()
        if not self.root.tk.call("focus"):
            self.root.focus_force()
        for key in keys:
            *modifiers, name = key.split("-")
            if HAS_XDOTOOL:
                parts = [XDOTOOL_MODIFIERS[modifier] for modifier in modifiers]
                self._xdotool("key", "+".join([*parts, name]))
            elif name == "Escape" and Seat.posted:
                Seat.posted.clear()
            else:
                sequence = "-".join([*modifiers, "KeyPress", name])
                self.root.nametowidget(self.focus).event_generate(f"<{sequence}>")
                if self.is_open:
                    self.root.update()

    def type(self, text: str) -> None:
        """Type a text of plain letters."""
        self.root.update()
        if HAS_XDOTOOL:
            self._xdotool("type", "--delay", "1", "--", text)
        else:
            for letter in text:
                keysym = {" ": "space", "{": "braceleft", "}": "braceright", ":": "colon"}.get(letter, letter)
                self.press(keysym)

    def click(self, widget: tk.Misc, x: int = 5, y: int = 5, button: int = 1) -> None:
        """Click on a place of a widget, or of what lies on it there."""
        self.root.update()
        at_x, at_y = widget.winfo_rootx() + x, widget.winfo_rooty() + y
        if HAS_XDOTOOL:
            self._xdotool("mousemove", str(at_x), str(at_y), "click", str(button))
            return
        above = self.root.winfo_containing(at_x, at_y) or widget
        x, y = at_x - above.winfo_rootx(), at_y - above.winfo_rooty()
        for step in ("Enter", "Motion", f"ButtonPress-{button}", f"ButtonRelease-{button}"):
            if self.is_open:
                above.event_generate(f"<{step}>", x=x, y=y, rootx=at_x, rooty=at_y)
                self.root.update()

    def _xdotool(self, *arguments: str) -> None:
        """Have it done, and wait until Tk has seen all of it, unless that closed the window.

        xdotool ends when the X server has done what it asked for, and the server's answer to a question of ours comes
        after all that this caused. The release of a key would be no sign: a menu that closes may be where it goes.
        """
        process = subprocess.Popen(["xdotool", *arguments])
        self.wait(lambda: process.poll() is not None)
        for _ in range(2):  # the second time for what Tk asked of the server because of the first
            if self.is_open:
                self.root.winfo_pointerxy()
                self.root.update()


class Seat(Hands):
    """Somebody in front of a chat window."""

    posted: ClassVar[list[tk.Menu]] = []
    """Context menus that would be on the screen; there is no closing a real one without a real mouse."""

    def __init__(self, session: FakeSession | Session, settings: Settings, name: str = "") -> None:
        super().__init__(tk.Tk())
        self.session = session
        self.settings = settings
        self.words = client_words.LANGUAGES[settings.language]
        self.window = ChatWindow(self.root, cast(Session, session), settings, name)
        self.message_input = self.window.message_input.text
        self.conversation = self.window.conversation.text
        self.root.update()
        self.message_input.focus_force()
        self.wait(lambda: self.focus == str(self.message_input))

    @property
    def fake(self) -> FakeSession:
        assert isinstance(self.session, FakeSession)
        return self.session

    @property
    def said(self) -> list[str]:
        return self.fake.said

    @property
    def shown(self) -> str:
        """What stands in the conversation."""
        return self.conversation.get("1.0", "end-1c")

    @property
    def last_line(self) -> str:
        return self.shown.rstrip("\n").rpartition("\n")[2]

    @property
    def draft(self) -> str:
        """What stands in the box."""
        return self.window.message_input.draft

    @property
    def is_at_end(self) -> bool:
        return self.conversation.yview()[1] == 1.0

    @property
    def popup(self) -> tk.Menu | None:
        """The context menu that is to be seen."""
        if not HAS_XDOTOOL:
            return self.posted[-1] if self.posted else None
        bar = str(self.root["menu"])
        menus = [child for child in self.root.winfo_children() if isinstance(child, tk.Menu) and str(child) != bar]
        seen = [menu for menu in menus if menu.winfo_viewable()]
        return seen[0] if seen else None

    def tell(self) -> str:
        if not self.is_open:
            return "a closed window"
        return f"{self.shown}\n[box] {self.draft!r} [all] {super().tell()}"

    def see(self, text: str) -> None:
        self.wait(lambda: text in self.shown)

    def enter(self, text: str) -> None:
        """Type a text, and Return."""
        self.type(text)
        self.press("Return")

    def put_on_clipboard(self, text: str) -> None:
        self.root.clipboard_clear()
        self.root.clipboard_append(text)

    def paste(self, text: str) -> None:
        self.put_on_clipboard(text)
        self.press("Control-v")

    def write(self, text: str) -> None:
        """Put a text that was not said into the box, in place of what is there."""
        self.message_input.delete("1.0", "end")
        self.message_input.insert("1.0", text)
        self.root.update()

    def click_on_text(self, tag: str) -> None:
        """Click on what has a tag in the conversation."""
        self.wait(lambda: self.conversation.tag_ranges(tag))
        place = self.conversation.bbox(f"{tag}.first+1c")
        assert place is not None, tag
        self.click(self.conversation, place[0] + 2, place[1] + 2)

    def menu(self, number: int) -> tk.Menu:
        """A menu of the bar, by its place."""
        bar = self.root.nametowidget(self.root["menu"])
        return cast(tk.Menu, self.root.nametowidget(bar.entrycget(number, "menu")))

    def menus(self) -> list[tk.Menu]:
        bar = self.root.nametowidget(self.root["menu"])
        return [self.menu(number) for number in range(bar.index("end") + 1)]

    def entries(self) -> dict[str, tuple[tk.Menu, int]]:
        """Every command of the menu bar, by its label."""
        return {
            menu.entrycget(index, "label"): (menu, index)
            for menu in self.menus()
            for index in range(cast(int, menu.index("end")) + 1)
            if menu.type(index) != "separator"
        }

    def choose(self, label: str) -> None:
        """Choose something in the menu bar."""
        menu, index = self.entries()[label]
        menu.invoke(index)
        if self.is_open:
            self.root.update()

    def choose_in_popup(self, label: str) -> None:
        """Choose something in the context menu, with the mouse."""
        self.wait(lambda: self.popup)
        menu = self.popup
        assert menu is not None
        index = labels(menu).index(label)
        if HAS_XDOTOOL:
            self.click(menu, 20, menu.yposition(index) + 6)
        else:
            menu.invoke(index)
            self.posted.clear()
        self.wait(lambda: self.popup is None)


class DialogHands(Hands):
    """Somebody in front of the question for the server."""

    def __init__(self, settings: Settings, host: str, port: str) -> None:
        super().__init__(tk.Tk())
        self.dialog = ConnectDialog(self.root, settings, host, port)
        self.root.update()
        self.dialog.host.focus_force()
        self.wait(lambda: self.focus == str(self.dialog.host))

    @property
    def problem(self) -> str:
        return str(self.dialog.problem["text"])

    @property
    def answers(self) -> tuple[str, str]:
        return self.dialog.host.get(), self.dialog.port.get()

    @property
    def is_busy(self) -> bool:
        return bool(self.dialog.button.instate(["disabled"]))

    def fill(self, host: str, port: int | str) -> None:
        for entry, text in ((self.dialog.host, host), (self.dialog.port, str(port))):
            entry.delete(0, "end")
            entry.insert(0, text)

    def focus_on(self, widget: tk.Misc) -> None:
        widget.focus_force()
        self.wait(lambda: self.focus == str(widget))


def labels(menu: tk.Menu) -> list[str]:
    """What can be chosen in a menu; separators have none."""
    count = cast(int, menu.index("end")) + 1
    return [menu.entrycget(index, "label") if menu.type(index) != "separator" else "" for index in range(count)]


def everything_in(widget: tk.Misc) -> Iterator[tk.Misc]:
    yield widget
    for child in widget.winfo_children():
        yield from everything_in(child)


def texts_of(root: tk.Tk) -> list[str]:
    """What stands on labels and buttons, and in entries."""
    texts = [str(widget["text"]) for widget in everything_in(root) if isinstance(widget, (ttk.Label, ttk.Button))]
    return texts + [widget.get() for widget in everything_in(root) if isinstance(widget, ttk.Entry)]


def message(number: int, text: str, name: str = "Bob", nonce: int | None = None) -> Message:
    return Message(number, time.time(), name, text, nonce)


Sit = Callable[..., Seat]
Ask = Callable[..., DialogHands]


@pytest.fixture
def sit(display: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sit]:
    """Open windows in which Ada is in the room already; `others` are there too."""
    seats: list[Seat] = []
    if not HAS_XDOTOOL:
        monkeypatch.setattr(tk.Menu, "tk_popup", lambda menu, *_: Seat.posted.append(menu))

    def sit(*others: str, server: ChatServer | None = None, name: str = "Ada", **settings: Any) -> Seat:
        if server is None:
            session: FakeSession | Session = FakeSession()
        else:
            session = Session("127.0.0.1", server.port)
            session.connect()
        seat = Seat(session, Settings(**settings))
        seats.append(seat)
        if isinstance(session, Session):
            session.start()
            seat.wait(lambda: seat.words.greeting in seat.shown)
            if name:
                seat.enter(name)
        elif name:
            session.tell(Greeting(), Welcome(name, "token", (*others, name), 0))
        if name:
            seat.see(seat.words.welcome.format(name=name))
            seat.write("")
        return seat

    yield sit
    for seat in seats:
        if seat.is_open:
            seat.window.close()
        if isinstance(seat.session, Session):
            seat.session.close()
    seats.clear()
    Seat.posted.clear()
    gc.collect()  # here: an interpreter of Tcl that another thread frees ends the process


@pytest.fixture
def ask(display: None) -> Iterator[Ask]:
    """Open the question for the server."""
    asked: list[DialogHands] = []

    def ask(settings: Settings | None = None, host: str = "", port: str = "") -> DialogHands:
        asked.append(DialogHands(settings or Settings(), host, port))
        return asked[-1]

    yield ask
    for hands in asked:
        if hands.is_open and hands.dialog.session is None:
            hands.dialog.close()
        elif hands.is_open:
            hands.root.destroy()
        if hands.dialog.session is not None:
            hands.dialog.session.close()
    asked.clear()
    gc.collect()


@pytest.fixture
def nobody_port() -> Iterator[int]:
    """A port that nobody listens on, and nobody else can take."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A port where connections arrive and nobody says anything, unless the test does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(DEADLINE_S)
        yield listener


# --- writing: the box -----------------------------------------------------------------------------------------------


def test_return_sends_and_empties_the_box(sit: Sit) -> None:
    seat = sit()
    seat.enter("ciao a tutti")
    assert (seat.said, seat.draft) == (["ciao a tutti"], "")


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


# --- writing: paste -------------------------------------------------------------------------------------------------


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


# --- writing: what one said before ----------------------------------------------------------------------------------


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


# --- writing: names -------------------------------------------------------------------------------------------------

ROOM = ("Bob", "bea", "Anna Luisa", "Anna Maria", "Zoe")


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
    place = seat.window.people.list.bbox(seat.window.people.names.index("Bob"))
    assert place is not None
    seat.click(seat.window.people.list, place[0] + 3, place[1] + 3)
    assert seat.draft == "Bob: "
    assert seat.focus == str(seat.message_input)


# --- writing: what cannot be said -----------------------------------------------------------------------------------


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


# --- writing: on its way --------------------------------------------------------------------------------------------


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
    seat.window._is_connected = True  # what a session that came back would bring about
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


# --- writing: control words -----------------------------------------------------------------------------------------


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


# --- writing: the menu of the box -----------------------------------------------------------------------------------


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


# --- writing: the keyboard alone ------------------------------------------------------------------------------------


def test_f6_goes_from_box_to_conversation_to_list_and_back(sit: Sit) -> None:
    seat = sit("Bob")
    stops = []
    for _ in range(4):
        seat.press("F6")
        stops.append(seat.focus)
    box, conversation, people = map(str, (seat.message_input, seat.conversation, seat.window.people.list))
    assert stops == [conversation, people, box, conversation]
    seat.choose(ITALIAN.menu_people)
    seat.message_input.focus_set()
    seat.press("F6", "F6")
    assert seat.focus == box


def test_hiding_the_list_does_not_take_the_focus_along(sit: Sit) -> None:
    seat = sit("Bob")
    seat.press("F6", "F6")
    assert seat.focus == str(seat.window.people.list)
    seat.press("F9")
    seat.wait(lambda: not seat.window.people.frame.winfo_ismapped())
    assert seat.focus == str(seat.message_input)


@pytest.mark.parametrize("key", ["Return", "space"])
def test_somebody_in_the_list_is_addressed_by_key(sit: Sit, key: str) -> None:
    seat = sit("Bob", "Cleo")
    seat.press("F6", "F6", "Down", key)
    assert seat.draft == "Bob: "
    assert seat.focus == str(seat.message_input)


def test_pages_turn_from_the_box_and_escape_goes_to_the_latest(sit: Sit) -> None:
    seat = sit("Bob")
    seat.fake.tell(*(message(number, f"riga {number}") for number in range(1, 201)))
    seat.see("riga 200")
    seat.wait(lambda: seat.is_at_end)
    seat.type("bozza")
    seat.press("Prior")
    assert not seat.is_at_end
    higher = seat.conversation.yview()[0]
    seat.press("Prior")
    assert seat.conversation.yview()[0] < higher
    seat.press("Next", "Next")
    assert seat.is_at_end
    seat.press("Prior", "Prior", "F6", "Escape")
    seat.wait(lambda: seat.is_at_end)
    assert (seat.focus, seat.draft) == (str(seat.message_input), "bozza")


def test_one_can_go_back_to_the_box_from_everywhere_by_escape(sit: Sit) -> None:
    seat = sit("Bob")
    for widget in (seat.conversation, seat.window.people.list, seat.window.button):
        widget.focus_force()
        seat.press("Escape")
        assert seat.focus == str(seat.message_input)
    seat.press("Control-f")
    assert seat.focus == str(seat.window.find_bar.entry)
    seat.press("Escape")
    assert seat.focus == str(seat.message_input)
    assert not seat.window.find_bar.frame.winfo_ismapped()


# --- around: the question for the server ----------------------------------------------------------------------------


def test_the_dialog_connects(ask: Ask, server: ChatServer) -> None:
    hands = ask()
    hands.fill("127.0.0.1", server.port)
    hands.click(hands.dialog.button)
    hands.wait(lambda: hands.dialog.session is not None)
    assert hands.is_open


@pytest.mark.parametrize("key", ["Return", "KP_Enter"])
@pytest.mark.parametrize("widget", ["host", "port", "button"])
def test_return_connects_from_every_widget(ask: Ask, server: ChatServer, widget: str, key: str) -> None:
    hands = ask()
    hands.fill("127.0.0.1", server.port)
    hands.focus_on(getattr(hands.dialog, widget))
    hands.press(key)
    hands.wait(lambda: hands.dialog.session is not None)


@pytest.mark.parametrize("widget", ["host", "port", "button", "cancel_button"])
def test_escape_gives_up_from_every_widget(ask: Ask, widget: str) -> None:
    hands = ask()
    hands.focus_on(getattr(hands.dialog, widget))
    hands.press("Escape")
    assert not hands.is_open
    assert hands.dialog.session is None


@pytest.mark.parametrize("key", ["Return", "KP_Enter", "space"])
def test_a_key_on_cancel_gives_up(ask: Ask, key: str) -> None:
    hands = ask()
    hands.focus_on(hands.dialog.cancel_button)
    hands.press(key)
    assert not hands.is_open


def test_the_dialog_shows_that_it_connects_and_can_be_cancelled(ask: Ask, listener: socket.socket) -> None:
    hands, port = ask(), listener.getsockname()[1]
    hands.fill("127.0.0.1", port)
    hands.press("Return")
    hands.wait(lambda: hands.problem == ITALIAN.connecting.format(host="127.0.0.1", port=port))
    assert hands.is_busy
    hands.press("Return")  # once is enough
    hands.press("Escape")
    hands.wait(lambda: hands.problem == ITALIAN.cancelled)
    assert hands.answers == ("127.0.0.1", str(port))
    assert not hands.is_busy
    hands.press("Escape")
    assert not hands.is_open


def test_after_a_cancelled_try_another_server_can_be_reached(
    ask: Ask, listener: socket.socket, server: ChatServer
) -> None:
    hands = ask()
    hands.fill("127.0.0.1", listener.getsockname()[1])
    hands.press("Return")
    hands.wait(lambda: hands.is_busy)
    hands.click(hands.dialog.cancel_button)
    hands.wait(lambda: not hands.is_busy)
    hands.fill("127.0.0.1", server.port)
    hands.press("Return")
    hands.wait(lambda: hands.dialog.session is not None)
    assert hands.dialog.session is not None
    assert hands.dialog.session.port == server.port


def test_the_dialog_can_be_closed_while_it_connects(ask: Ask, listener: socket.socket) -> None:
    hands = ask()
    hands.fill("127.0.0.1", listener.getsockname()[1])
    hands.press("Return")
    hands.wait(lambda: hands.is_busy)
    hands.root.tk.call(hands.root.protocol("WM_DELETE_WINDOW"))
    assert not hands.is_open


def test_a_connection_found_after_giving_up_is_closed(server: ChatServer) -> None:
    session = Session("127.0.0.1", server.port)
    attempt = Attempt(session)
    attempt.give_up()
    wait_until(lambda: not server.room.connections())
    assert attempt.take() is None


def test_the_dialog_says_that_nobody_listens(ask: Ask, nobody_port: int) -> None:
    hands = ask()
    hands.fill("127.0.0.1", nobody_port)
    hands.press("Return")
    hands.wait(lambda: hands.problem == ITALIAN.unreachable_refused.format(host="127.0.0.1", port=nobody_port))
    assert hands.answers == ("127.0.0.1", str(nobody_port))
    assert not hands.is_busy


def test_the_dialog_says_that_there_is_no_answer(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    def stay_silent(*_: object) -> socket.socket:
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", stay_silent)
    hands = ask()
    hands.fill("10.1.2.3", 53000)
    hands.press("Return")
    hands.wait(lambda: hands.problem == ITALIAN.unreachable_silent.format(host="10.1.2.3", port=53000))


@pytest.mark.parametrize("host", ["no..name", "a" * 70, "due parole"])
def test_the_dialog_says_that_there_is_no_such_host(ask: Ask, host: str) -> None:
    hands = ask()
    hands.fill(host, 53000)
    hands.press("Return")
    hands.wait(lambda: hands.problem == ITALIAN.unreachable_unknown.format(host=host, port=53000))
    assert hands.answers == (host, "53000")


@pytest.mark.parametrize("greeting", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\xff\xfe\0\x01", b""])
def test_the_dialog_says_that_it_is_no_chat(ask: Ask, listener: socket.socket, greeting: bytes) -> None:
    hands, port = ask(), listener.getsockname()[1]
    hands.fill("127.0.0.1", port)
    hands.press("Return")
    with listener.accept()[0] as sock:
        sock.sendall(greeting)
    hands.wait(lambda: hands.problem == ITALIAN.unreachable_stranger.format(host="127.0.0.1", port=port))


@pytest.mark.parametrize("port", ["0", "65536", "x", "-1", "53000 1"])
def test_the_dialog_says_that_it_is_no_port(ask: Ask, port: str) -> None:
    hands = ask()
    hands.fill("lan-host", port)
    hands.press("Return")
    hands.wait(lambda: hands.problem == ITALIAN.bad_port.format(default=protocol.DEFAULT_PORT))
    assert hands.answers == ("lan-host", port)
    assert hands.focus == str(hands.dialog.port)


@pytest.mark.parametrize(
    ("host", "port", "saved", "answers"),
    [
        ("", "", Settings(), ("", "")),
        ("", "", Settings("pc-7", 5555), ("pc-7", "5555")),
        ("pc-8", "", Settings("pc-7", 5555), ("pc-8", "5555")),
        ("pc-8", "1", Settings("pc-7", 5555), ("pc-8", "1")),
    ],
)
def test_the_dialog_offers_what_was_given_or_saved(
    ask: Ask, host: str, port: str, saved: Settings, answers: tuple[str, str]
) -> None:
    assert ask(saved, host, port).answers == answers


def test_the_dialog_speaks_the_language_of_the_settings(ask: Ask) -> None:
    hands = ask(Settings(language="en"))
    assert {ENGLISH.connect, ENGLISH.cancel, ENGLISH.ask_host, ENGLISH.ask_port} <= set(texts_of(hands.root))


def test_a_signal_closes_the_dialog(ask: Ask) -> None:
    hands = ask()
    hands.dialog.wants_to_close = True
    hands.wait(lambda: not hands.is_open)


def test_a_signal_at_the_moment_of_success_closes_the_dialog_too(ask: Ask, server: ChatServer) -> None:
    hands = ask()
    hands.fill("127.0.0.1", server.port)
    hands.dialog.submit()
    wait_until(server.room.connections)  # without the window, which has not looked yet
    hands.dialog.wants_to_close = True
    hands.wait(lambda: not hands.is_open)
    assert hands.dialog.session is None


# --- around: the status line ----------------------------------------------------------------------------------------


def test_the_status_tells_where_how_many_and_whether_connected(sit: Sit) -> None:
    seat = sit("Bob")
    assert seat.window.status["text"] == "Connesso a lan-host, porta 53000 · persone nella chat: 2"
    seat.fake.tell(Joined(1, time.time(), "Cleo"))
    seat.wait(lambda: seat.window.status["text"].endswith(": 3"))
    seat.fake.tell(protocol.Left(2, time.time(), "Bob", None), protocol.Left(3, time.time(), "Cleo", None))
    seat.wait(lambda: seat.window.status["text"].endswith(": 1"))
    seat.fake.tell(Disconnected(()))
    seat.wait(lambda: seat.window.status["text"] == "Non connesso a lan-host, porta 53000")


# --- around: settings -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("platform", "environment", "folder"),
    [
        ("linux", {"XDG_CONFIG_HOME": "/cfg"}, "/cfg"),
        ("linux", {"XDG_CONFIG_HOME": ""}, "/home/ada/.config"),
        ("win32", {"APPDATA": "/roaming"}, "/roaming"),
        ("win32", {"APPDATA": ""}, "/home/ada/AppData/Roaming"),
        ("darwin", {}, "/home/ada/Library/Application Support"),
    ],
)
def test_the_settings_are_in_the_users_folder(
    monkeypatch: pytest.MonkeyPatch, platform: str, environment: dict[str, str], folder: str
) -> None:
    for name in ("XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/ada"))
    monkeypatch.setattr(sys, "platform", platform)
    assert settings_path() == Path(folder) / "lan-chat" / "settings.json"


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_settings_are_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    path = tmp_path / "settings.json"
    save_settings(Settings(host="prima"), path)
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*((os, "fsync", fail) if broken == "fsync" else (Path, "replace", fail)))
    save_settings(Settings(host="dopo"), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["settings.json"]


@pytest.mark.skipif(sys.platform == "win32", reason="a folder that may not be made is another thing there")
def test_where_settings_cannot_be_written_the_program_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    save_settings(Settings(), tmp_path / "file" / "settings.json")
    assert load_settings(tmp_path / "file" / "settings.json") == (Settings(), None)


@pytest.mark.parametrize(
    "content",
    [b"", b"no JSON", b"[1, 2]", b"null", b'"text"', b"[" * 100_000, b'{"a":' * 100_000, b"\0" * 500, b"\xff\xfe{"],
    ids=["empty", "text", "list", "null", "string", "deep list", "deep object", "NULs", "bytes"],
)
def test_a_broken_settings_file_is_set_aside_and_not_fatal(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(content)
    settings, aside = load_settings(path)
    assert settings == Settings()
    assert aside is not None
    assert aside.read_bytes() == content
    assert not path.exists()
    save_settings(Settings(host="nuovo"), path)
    assert load_settings(path) == (Settings(host="nuovo"), None)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("host", 7),
        ("host", None),
        ("host", "a\nb"),
        ("host", "\ud800"),
        ("port", "53000"),
        ("port", 0),
        ("port", 65536),
        ("port", True),
        ("port", 1.5),
        ("name", ["Ada"]),
        ("name", "\ud800"),
        ("name", "x" * 5000),
        ("name", "due\nrighe"),
        ("language", "xx"),
        ("theme", "pink"),
        ("theme", {}),
        ("font_size", 1),
        ("font_size", 10**9),
        ("font_size", -3),
        ("has_sound", 1),
        ("shows_people", "no"),
        ("geometry", "big"),
        ("geometry", "800x600"),
        ("geometry", "-1x-1+0+0"),
        ("geometry", 3),
    ],
)
def test_a_setting_that_makes_no_sense_has_its_default(tmp_path: Path, field: str, value: object) -> None:
    path = tmp_path / "settings.json"
    others: dict[str, Any] = {"host": "pc-7", "name": "Ada"}
    others.pop(field, None)
    path.write_text(json.dumps({**others, field: value}))
    settings, aside = load_settings(path)
    assert (settings, aside) == (Settings(**others), None)
    save_settings(settings, path)
    assert load_settings(path) == (settings, None)


def test_settings_of_a_later_version_are_read_as_far_as_they_are_known(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text('{"host": "pc-7", "colour": "blue"}')
    assert load_settings(path) == (Settings(host="pc-7"), None)


@hypothesis.settings(deadline=None)
@given(
    host=st.text(st.characters(categories=["L", "N"], include_characters=".-:"), max_size=60),
    port=st.integers(1, 65535),
    name=st.text(st.characters(categories=["L"]), max_size=20).map(lambda name: protocol.parse_name(name) or ""),
    language=st.sampled_from(sorted(client_words.LANGUAGES)),
    theme=st.sampled_from(sorted(PALETTES)),
    font_size=st.just(0) | st.integers(MIN_FONT_SIZE, MAX_FONT_SIZE),
    has_sound=st.booleans(),
    shows_people=st.booleans(),
    geometry=st.just("") | st.builds("{}x{}+{}+{}".format, *[st.integers(10, 9999)] * 2, *[st.integers(-9, 9999)] * 2),
)
def test_settings_come_back_as_they_were(**values: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a" / "b" / "settings.json"
        save_settings(Settings(**values), path)
        assert load_settings(path) == (Settings(**values), None)


@hypothesis.settings(deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists), st.data())
def test_any_value_in_any_field_is_read_and_can_be_written_again(value: object, data: st.DataObject) -> None:
    field = data.draw(st.sampled_from([field.name for field in dataclasses.fields(Settings)]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "settings.json"
        path.write_text(json.dumps({field: value}))
        settings, aside = load_settings(path)
        assert aside is None
        save_settings(settings, path)
        assert load_settings(path) == (settings, None)


# --- around: what a real run remembers ------------------------------------------------------------------------------

Scenario = Callable[[Seat], Generator[Callable[[], object], None, None]]
"""What somebody does in a window that `main` opened; it yields what to wait for."""


@pytest.fixture
def run_main(display: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., int]]:
    """Run the client's `main` with a folder of settings of its own, and do something in its window meanwhile."""
    monkeypatch.setattr(chat_client, "settings_path", lambda: tmp_path / "settings.json")
    signals = {
        name: signal.getsignal(getattr(signal, name))
        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
        if hasattr(signal, name)
    }

    def run_main(scenario: Scenario, *arguments: str) -> int:
        original = ChatWindow
        failures: list[str] = []

        def open_window(root: tk.Tk, session: Session, settings: Settings, name: str) -> ChatWindow:
            window = original(root, session, settings, name)
            seat = Seat.__new__(Seat)
            Hands.__init__(seat, root)
            seat.session, seat.settings, seat.window = session, settings, window
            seat.words = client_words.LANGUAGES[settings.language]
            seat.message_input, seat.conversation = window.message_input.text, window.conversation.text
            steps = scenario(seat)
            deadline = time.monotonic() + DEADLINE_S

            def look(condition: Callable[[], object] = lambda: True) -> None:
                try:
                    while condition():
                        condition = next(steps)
                except StopIteration:
                    if seat.is_open:
                        window.close()
                    return
                if time.monotonic() > deadline:
                    failures.append(seat.tell())
                    window.close()
                elif seat.is_open:
                    root.after(10, look, condition)

            root.after(10, look)
            return window

        monkeypatch.setattr(chat_client, "ChatWindow", open_window)
        status = chat_client.main(list(arguments))
        monkeypatch.setattr(chat_client, "ChatWindow", original)
        gc.collect()
        assert not failures, f"it never came true; instead: {failures[0]}"
        return status

    yield run_main
    for name, handler in signals.items():
        signal.signal(getattr(signal, name), handler)
    gc.collect()


def test_everything_is_remembered_from_one_run_to_the_next(
    run_main: Callable[..., int], server: ChatServer, tmp_path: Path
) -> None:
    def change_everything(seat: Seat) -> Generator[Callable[[], object], None, None]:
        yield lambda: ITALIAN.greeting in seat.shown
        seat.write("Ada")
        seat.window.submit()
        yield lambda: ITALIAN.joined.format(name="Ada") in seat.shown
        seat.root.geometry("700x500+40+60")
        yield lambda: (seat.root.winfo_width(), seat.root.winfo_height()) == (700, 500)
        seat.choose(ITALIAN.menu_dark)
        seat.choose(ITALIAN.menu_sound)
        seat.choose(ITALIAN.menu_people)
        seat.choose(ITALIAN.menu_larger)
        seat.choose("English")

    assert run_main(change_everything, "127.0.0.1", str(server.port)) == 0
    saved, _ = load_settings(tmp_path / "settings.json")
    assert saved.font_size > MIN_FONT_SIZE
    assert saved == Settings(
        "127.0.0.1", server.port, "Ada", "en", "dark", saved.font_size, True, False, saved.geometry
    )
    assert saved.geometry.startswith("700x500")
    wait_until(lambda: not server.room.members())
    seen: list[object] = []

    def look_around(seat: Seat) -> Generator[Callable[[], object], None, None]:
        yield lambda: ENGLISH.greeting in seat.shown
        seen.append(seat.draft)
        seen.append(seat.message_input["background"])
        seen.append(tkfont.nametofont("TkTextFont", root=seat.root).actual("size"))
        seen.append((seat.root.winfo_width(), seat.root.winfo_height()))
        seat.window.submit()
        yield lambda: ENGLISH.joined.format(name="Ada") in seat.shown
        seen.append(seat.window.people.frame.winfo_ismapped())

    assert run_main(look_around, "127.0.0.1", str(server.port)) == 0
    assert seen == ["Ada", PALETTES["dark"].paper, saved.font_size, (700, 500), 0]


def test_the_server_is_remembered_even_if_the_window_is_never_closed_in_order(
    run_main: Callable[..., int], server: ChatServer, tmp_path: Path
) -> None:
    def look_at_the_file(seat: Seat) -> Generator[Callable[[], object], None, None]:
        saved, _ = load_settings(tmp_path / "settings.json")
        seen.append((saved.host, saved.port))
        yield lambda: True

    seen: list[tuple[str, int]] = []
    run_main(look_at_the_file, "127.0.0.1", str(server.port))
    assert seen == [("127.0.0.1", server.port)]


def test_a_broken_settings_file_does_not_keep_the_program_from_starting(
    run_main: Callable[..., int], server: ChatServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def see_the_greeting(seat: Seat) -> Generator[Callable[[], object], None, None]:
        yield lambda: ITALIAN.greeting in seat.shown

    (tmp_path / "settings.json").write_bytes(b"\0" * 100)
    assert run_main(see_the_greeting, "127.0.0.1", str(server.port)) == 0
    assert str(tmp_path / "settings.broken.json") in capsys.readouterr().err
    assert load_settings(tmp_path / "settings.json")[0].host == "127.0.0.1"


# --- around: the look -----------------------------------------------------------------------------------------------


def colours(seat: Seat) -> dict[str, tuple[str, ...]]:
    """The colours of every widget that has some, menus and their copies on the screen too."""
    found = {}
    paths = ["."]
    for path in paths:
        paths += map(str, seat.root.tk.splitlist(seat.root.tk.call("winfo", "children", path)))
        kind = str(seat.root.tk.call("winfo", "class", path))
        if kind.startswith("T") and kind not in ("Text", "Tk"):  # one of ttk's: its style has the colours
            style = ttk.Style(seat.root)
            found[path] = tuple(str(style.lookup(kind, option)) for option in ("background", "foreground"))
            continue
        options = ["background"] + (["foreground"] if kind not in ("Tk", "Frame", "Toplevel") else [])
        found[path] = tuple(str(seat.root.tk.call(path, "cget", f"-{option}")) for option in options)
    return found


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="the light theme is the system's own there")
def test_a_theme_changes_the_colours_of_every_widget_at_once(sit: Sit) -> None:
    seat = sit("Bob")
    seat.press("Control-f")
    seat.click(seat.conversation, 100, 100, button=3)
    seat.wait(lambda: seat.popup)
    seat.press("Escape")
    light = colours(seat)
    tags = {tag: seat.conversation.tag_cget(tag, "foreground") for tag in ("text", "hue-3", "error", "link")}
    seat.choose(ITALIAN.menu_dark)
    dark = colours(seat)
    same = [path for path, look in light.items() if path in dark and set(look) & set(dark[path])]
    assert not same, {path: (light[path], dark[path]) for path in same}
    assert not [tag for tag, colour in tags.items() if seat.conversation.tag_cget(tag, "foreground") == colour]
    seat.choose(ITALIAN.menu_light)
    assert {path: look for path, look in colours(seat).items() if path in light} == light


@pytest.mark.parametrize("theme", sorted(PALETTES))
def test_text_can_be_read_in_every_theme(theme: str) -> None:
    palette = PALETTES[theme]
    for text, ground in (
        (palette.text, palette.paper),
        (palette.text, palette.window),
        (palette.quiet, palette.paper),
        (palette.quiet, palette.window),
        (palette.error, palette.paper),
        (palette.accent, palette.paper),
        (palette.text, palette.mention),
        (palette.text, palette.found),
        (palette.paper, palette.accent),
    ):
        assert contrast(text, ground) >= MIN_CONTRAST, (text, ground)


def text_size(seat: Seat) -> int:
    return int(tkfont.nametofont("TkTextFont", root=seat.root).actual("size"))


@pytest.mark.parametrize(
    ("larger", "smaller", "normal"),
    [
        ("Control-plus", "Control-minus", "Control-0"),
        ("Control-equal", "Control-KP_Subtract", "Control-KP_0" if HAS_XDOTOOL else "Control-0"),
    ],
)
def test_keys_change_the_size_of_the_text(sit: Sit, larger: str, smaller: str, normal: str) -> None:
    seat = sit("Bob")
    usual = text_size(seat)
    seat.press(larger, larger)
    assert text_size(seat) == usual + 2 == seat.settings.font_size
    seat.press(smaller)
    assert text_size(seat) == usual + 1
    seat.press(normal)
    assert (text_size(seat), seat.settings.font_size) == (usual, 0)


def test_the_size_of_the_text_has_bounds(sit: Sit) -> None:
    seat = sit("Bob")
    for _ in range(2 * MAX_FONT_SIZE):
        seat.window.change_font_size(+1)
    assert text_size(seat) == MAX_FONT_SIZE == seat.settings.font_size
    seat.root.update()
    bottom = seat.message_input.winfo_rooty() + seat.message_input.winfo_height()
    assert bottom <= seat.root.winfo_rooty() + seat.root.winfo_height(), "the box is out of the window"
    for _ in range(2 * MAX_FONT_SIZE):
        seat.window.change_font_size(-1)
    assert text_size(seat) == MIN_FONT_SIZE == seat.settings.font_size


def test_the_language_changes_at_once(sit: Sit) -> None:
    seat = sit("Bob")
    seat.press("Control-f")
    seat.choose("English")
    window = seat.window
    assert window.button["text"] == ENGLISH.send
    assert window.message_input.placeholder["text"] == ENGLISH.placeholder
    assert window.status["text"] == "Connected to lan-host, port 53000 · people in the chat: 2"
    assert window.people.title["text"] == "In the chat: 2"
    assert ENGLISH.find in texts_of(seat.root)
    bar = seat.root.nametowidget(seat.root["menu"])
    assert labels(bar) == [ENGLISH.menu_chat, ENGLISH.menu_edit, ENGLISH.menu_view, ENGLISH.menu_language]
    seat.fake.tell(Joined(1, time.time(), "Cleo"))
    seat.see(ENGLISH.joined.format(name="Cleo"))
    italian = [text for text in texts_of(seat.root) if text in (ITALIAN.send, ITALIAN.find)]
    assert not italian
    seat.choose("Italiano")
    assert window.button["text"] == ITALIAN.send


def test_changing_the_language_back_and_forth_leaves_no_menus_behind(sit: Sit) -> None:
    seat = sit("Bob")

    def count() -> int:
        seat.root.update()
        return len(list(everything_in(seat.root)))

    seat.choose("English")
    before = count()
    for language in ("Italiano", "English") * 3:
        seat.choose(language)
        seat.click(seat.conversation, 100, 100, button=3)
        seat.wait(lambda: seat.popup)
        seat.press("Escape")
        seat.wait(lambda: seat.popup is None)
    assert count() <= before + 1  # the last context menu


@pytest.mark.parametrize(
    "geometry",
    [
        "",
        "800x600+100+50",
        "800x600+5000+50",
        "800x600+100+5000",
        "800x600+-5000+50",
        "800x600+100+-5000",
        "800x600+100+-20",
        "99999x99999+0+0",
        "99999x99999+900+700",
        "10x10+0+0",
        "800x600+999999+999999",
        "nonsense",
    ],
)
def test_a_window_comes_back_on_the_screen(sit: Sit, geometry: str) -> None:
    seat = sit(geometry=geometry)
    seat.root.update()
    width, height = seat.root.winfo_width(), seat.root.winfo_height()
    left, top = seat.root.winfo_rootx(), seat.root.winfo_rooty()
    assert 360 <= width <= seat.root.winfo_screenwidth()
    assert 240 <= height <= seat.root.winfo_screenheight()
    seen_width = min(left + width, seat.root.winfo_screenwidth()) - max(left, 0)
    assert seen_width >= width // 2, (left, width)
    assert 0 <= top <= seat.root.winfo_screenheight() - 50, top


# --- around: the menus ----------------------------------------------------------------------------------------------


@LANGUAGES
def test_every_command_of_the_menus_works(
    sit: Sit, language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved, opened, words = tmp_path / "chat.txt", list[str](), client_words.LANGUAGES[language]
    monkeypatch.setattr("tkinter.filedialog.asksaveasfilename", lambda **_: str(saved))
    monkeypatch.setattr("webbrowser.open", opened.append)
    seat = sit("Bob", language=language)
    seat.fake.tell(message(1, "guarda http://example.org/a"))
    seat.see("guarda")
    usual = text_size(seat)

    def is_focused(widget: tk.Misc) -> Callable[[], object]:
        return lambda: seat.focus == str(widget)

    box, window = seat.message_input, seat.window
    effects: list[tuple[str, Callable[[], object]]] = [
        (words.menu_save, lambda: "guarda" in saved.read_text("utf-8")),
        (words.menu_send_again, lambda: True),
        (words.retry, lambda: seat.fake.retries == 1),
        (words.menu_copy, lambda: seat.root.clipboard_get() == "bozza"),
        (words.menu_cut, lambda: seat.draft == ""),
        (words.menu_paste, lambda: seat.draft == "bozza"),
        (words.menu_focus, is_focused(seat.conversation)),
        (words.menu_latest, lambda: seat.is_at_end),
        (words.menu_select_all, lambda: "guarda" in window.conversation.selected()),
        (words.menu_find, is_focused(window.find_bar.entry)),
        (words.menu_last_link, lambda: opened == ["http://example.org/a"]),
        (words.menu_people, lambda: not window.people.frame.winfo_ismapped()),
        (words.menu_sound, lambda: seat.settings.has_sound),
        (words.menu_dark, lambda: box["background"] == PALETTES["dark"].paper),
        (words.menu_light, lambda: box["background"] == PALETTES["light"].paper),
        (words.menu_larger, lambda: text_size(seat) == usual + 1),
        (words.menu_smaller, lambda: text_size(seat) == usual),
        (words.menu_normal_size, lambda: seat.settings.font_size == 0),
        ("English", lambda: window.button["text"] == ENGLISH.send),
        ("Italiano", lambda: window.button["text"] == ITALIAN.send),
    ]
    assert {label for label, _ in effects} | {words.menu_quit} == set(seat.entries())
    seat.write("bozza")
    box.tag_add("sel", "1.0", "end-1c")
    for label, effect in effects:
        if label == "Italiano":
            assert seat.window.button["text"] == ENGLISH.send
        seat.choose(label)
        seat.wait(effect)
    seat.choose(ITALIAN.menu_quit)
    assert not seat.is_open


def test_every_command_has_a_label_of_its_own_in_each_language() -> None:
    for words in (ITALIAN, ENGLISH):
        names = [
            getattr(words, field.name) for field in dataclasses.fields(ClientWords) if field.name.startswith("menu_")
        ]
        assert all(names)


ACCELERATORS: dict[str, Callable[[Seat], object]] = {
    "S": lambda seat: "saved" in seat.shown or ITALIAN.saved.split("{")[0] in seat.shown,
    "R": lambda seat: ITALIAN.restart in seat.shown,
    "X": lambda seat: seat.draft == "",
    "C": lambda seat: seat.root.clipboard_get() == "bozza",
    "V": lambda seat: seat.draft == "incollato",
    "F": lambda seat: seat.focus == str(seat.window.find_bar.entry),
    "T": lambda seat: seat.fake.retries == 1,
    "L": lambda seat: seat.window.conversation.last_link in opened_links,
    "Q": lambda seat: not seat.is_open,
}
"""What each letter with Ctrl does, by what is to be seen of it."""
opened_links: list[str] = []


@pytest.fixture
def caps_lock() -> Iterator[Callable[[Hands], None]]:
    """Press Caps Lock, and again at the end."""
    pressed: list[Hands] = []

    def press(hands: Hands) -> None:
        hands.press("Caps_Lock")
        pressed.append(hands)

    yield press
    for _ in pressed:
        subprocess.run(["xdotool", "key", "Caps_Lock"], check=True)


def test_every_accelerator_is_a_key_that_works(sit: Sit) -> None:
    seat = sit()
    entries = seat.entries()
    accelerators = {menu.entrycget(index, "accelerator") for menu, index in entries.values()} - {""}
    prefix = "⌘" if sys.platform == "darwin" else "Ctrl+"
    letters = {text.removeprefix(prefix) for text in accelerators if text.startswith(prefix)}
    assert letters == {*ACCELERATORS, "+", "−", "0"}
    assert {text for text in accelerators if not text.startswith(prefix)} == {"Esc", "F6", "F9"}


@pytest.mark.skipif(sys.platform == "darwin", reason="the keys are others there")
@pytest.mark.parametrize("has_caps_lock", [False, True], ids=["", "Caps Lock"])
@pytest.mark.parametrize("letter", sorted(ACCELERATORS))
def test_the_letters_of_the_menus_work(
    sit: Sit,
    letter: str,
    has_caps_lock: bool,
    caps_lock: Callable[[Hands], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tkinter.filedialog.asksaveasfilename", lambda **_: str(tmp_path / "chat.txt"))
    monkeypatch.setattr("webbrowser.open", opened_links.append)
    opened_links.clear()
    seat = sit("Bob")
    seat.fake.tell(message(1, "guarda http://example.org/a"))
    seat.see("guarda")
    seat.write("bozza")
    seat.message_input.tag_add("sel", "1.0", "end-1c")
    seat.put_on_clipboard("incollato")
    if letter == "R":
        seat.window._failed.append("non partito")
        seat.window._is_connected = False
    if has_caps_lock and HAS_XDOTOOL:
        caps_lock(seat)
        seat.press(f"Control-{letter.lower()}")  # the lock itself makes the capital
    else:
        seat.press(f"Control-{letter.lower()}")
    seat.wait(lambda: ACCELERATORS[letter](seat))


def test_f9_hides_and_shows_the_list(sit: Sit) -> None:
    seat = sit("Bob")
    assert seat.window.people.frame.winfo_ismapped()
    seat.press("F9")
    seat.wait(lambda: not seat.window.people.frame.winfo_ismapped())
    assert not seat.settings.shows_people
    seat.press("F9")
    seat.wait(seat.window.people.frame.winfo_ismapped)


def path_on_screen(seat: Seat, number: int) -> str:
    """The copy of a menu that X11 shows; the bar's, by its place."""
    bar, menu = str(seat.root["menu"]), str(seat.menu(number))
    return f".{bar.replace('.', '#')}.{menu.replace('.', '#')}"


@pytest.mark.skipif(not HAS_XDOTOOL, reason="a menu bar is opened by real keys")
@LANGUAGES
def test_the_menu_bar_works_with_the_keyboard(sit: Sit, language: str) -> None:
    seat = sit("Bob", language=language)
    seat.put_on_clipboard("incollato")
    seat.press("F10", "Right", "Escape", "Escape")  # one for the menu, one for the bar
    assert seat.focus == str(seat.message_input)
    seat.press("F10", "Right")
    shown_edit = path_on_screen(seat, 1)
    seat.wait(lambda: seat.focus == shown_edit)
    for _ in labels(seat.menu(1)):  # Tk begins at the first entry or before it
        if seat.root.tk.call(shown_edit, "entrycget", "active", "-label") != seat.words.menu_paste:
            seat.press("Down")
    seat.press("Return")
    seat.wait(lambda: seat.draft == "incollato")
    assert seat.focus == str(seat.message_input)


@pytest.mark.skipif(not HAS_XDOTOOL, reason="a menu bar is opened by a real mouse")
def test_the_menu_bar_works_with_the_mouse(sit: Sit) -> None:
    seat = sit("Bob")
    seat.put_on_clipboard("incollato")
    shown_edit = path_on_screen(seat, 1)
    shown_bar = shown_edit.rpartition(".")[0]
    bar_x, bar_y = (int(seat.root.tk.call("winfo", f"root{axis}", shown_bar)) for axis in "xy")
    edit_x = bar_x + next(x for x in range(0, 400, 3) if seat.root.tk.call(shown_bar, "index", f"@{x},5") == 1) + 10
    seat._xdotool("mousemove", str(edit_x), str(bar_y + 8), "click", "1")
    seat.wait(lambda: int(seat.root.tk.call("winfo", "viewable", shown_edit)))
    x, y = (int(seat.root.tk.call("winfo", f"root{axis}", shown_edit)) for axis in "xy")
    y += int(seat.root.tk.call(shown_edit, "yposition", labels(seat.menu(1)).index(ITALIAN.menu_paste)))
    seat._xdotool("mousemove", str(x + 20), str(y + 5))  # a hand does not jump
    seat._xdotool("mousemove", str(x + 21), str(y + 6))
    seat._xdotool("click", "1")
    seat.wait(lambda: seat.draft == "incollato")
    assert seat.focus == str(seat.message_input)
