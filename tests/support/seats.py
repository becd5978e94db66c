"""A person in front of a window or dialog: keys and clicks, real ones where `xdotool` can make them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, cast

from lan_chat.client import words as client_words
from lan_chat.client.connect_dialog import ConnectDialog
from lan_chat.client.inbox import Inbox
from lan_chat.client.session import Session
from lan_chat.client.settings import Settings
from lan_chat.client.whereabouts import RoomMoved
from lan_chat.client.window import ChatWindow
from protocol import Event, Message
from tests.support.waiting import wait_until

try:
    import tkinter as tk
    from tkinter import font as tkfont
    from tkinter import ttk
except ImportError:  # what needs it is skipped aloud, for want of a display
    if not TYPE_CHECKING:
        tk = None

HAS_XDOTOOL = sys.platform == "linux" and shutil.which("xdotool") is not None
XDOTOOL_MODIFIERS = {"Control": "ctrl", "Shift": "shift"}


class FakeSession:
    """A session without a network: it notes what the window wants, and the test says what comes."""

    def __init__(self) -> None:
        self.host, self.port, self.is_bare, self.address = "lan-host", 53000, False, ""
        self.code_key: bytes | None = None
        self.takes_browsers: bool | None = None
        self.events = Inbox()
        self.said: list[str] = []
        self.joined: list[str] = []
        self.has_quit = self.is_over = False
        self.retries = 0
        self.followed: list[RoomMoved] = []
        self.refused: list[RoomMoved] = []

    def join(self, name: str) -> None:
        self.joined.append(name)

    def say(self, text: str) -> int | None:
        if self.is_over:
            return None
        self.said.append(text)
        return len(self.said)

    def retry(self) -> None:
        self.retries += 1

    def follow(self, moved: RoomMoved) -> None:
        self.followed.append(moved)

    def refuse(self, moved: RoomMoved) -> None:
        self.refused.append(moved)

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
        """What stands in the conversation, as it is copied: each message with its time and name."""
        return self.window.conversation.read()

    @property
    def drawn(self) -> str:
        """What is drawn of the conversation."""
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

    @property
    def clipboard(self) -> str:
        # Not `clipboard_get`: see `MessageInput._paste`.
        return str(self.root.selection_get(selection="CLIPBOARD"))  # type: ignore[no-untyped-call]

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

    def __init__(self, settings: Settings, host: str, port: str, **more: Any) -> None:
        super().__init__(tk.Tk())
        self.dialog = ConnectDialog(self.root, settings, host, port, **more)
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

    def index_of(self, text: str) -> str:
        """Where a text of plain letters stands, the last time that it does."""
        before = self.drawn[: self.drawn.rindex(text)]
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
        """Move the focus to another program, or what is one to Tk."""
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
    def people_list(self) -> tk.Canvas:
        return self.window.people.list

    @property
    def people(self) -> list[str]:
        return self.window.people.names

    def click_on_name(self, name: str, button: int = 1) -> None:
        self.wait(lambda: self.window.people.bounds_of(name))
        box = self.window.people.bounds_of(name)
        assert box is not None, self.people
        self.click(self.people_list, box[0] + 20, box[1] + 8, button)


ReaderSit = Callable[..., Reader]


def said(text: str, name: str = "Bob", when: float | None = None, nonce: int | None = None) -> Message:
    return Message(1, time.time() if when is None else when, name, text, nonce)


def answer(dialog: ConnectDialog, host: str, port: str) -> None:
    """Fill in both fields, and connect."""
    for entry, text in ((dialog.host, host), (dialog.port, port)):
        entry.delete(0, "end")
        entry.insert(0, text)
    dialog.button.invoke()


def text_size(seat: Seat) -> int:
    return int(tkfont.nametofont("TkTextFont", root=seat.root).actual("size"))
