"""A person in front of a window whose session talks to a real or played server."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from lan_chat.client.session import Session
from lan_chat.client.settings import Settings
from lan_chat.client.window import ChatWindow
from lan_chat.client.words import ITALIAN
from lan_chat.server.server import ChatServer
from tests.support.played_server import PlayedServer
from tests.support.proxy import Proxy
from tests.support.waiting import wait_until

try:
    import tkinter as tk
except ImportError:  # what needs it is skipped aloud, for want of a display
    if not TYPE_CHECKING:
        tk = None

KEYS = {" ": "space", "{": "braceleft", "}": "braceright", ".": "period"}
TIME = re.compile(r"^\d\d:\d\d  ", re.MULTILINE)
"""What each piece of the conversation begins with."""
DIVIDER = re.compile(r"^—.*—\n", re.MULTILINE)
"""The lines that the window draws in between: a new day, and how far one had read."""


class SessionSeat:
    """Somebody in front of a window: what they see, and what they do with keys and buttons."""

    def __init__(self, server: ChatServer | PlayedServer | Proxy, name: str = "", language: str = "it") -> None:
        self.server = server
        self.event_ids = itertools.count(2)
        self.session = Session("127.0.0.1", server.port, language)
        self.session.connect()
        self.root = tk.Tk()
        self.window = ChatWindow(self.root, self.session, Settings(language=language), name)
        self.session.start()
        self.root.update()

    @property
    def is_open(self) -> bool:
        try:
            return bool(self.root.winfo_exists())
        except tk.TclError:
            return False

    @property
    def text(self) -> tk.Text:
        """Where the conversation stands."""
        return self.window.conversation.text

    @property
    def shown(self) -> str:
        """What was said and told: without the times, and without what has not come back from the server."""
        return TIME.sub("", DIVIDER.sub("", self.window.conversation.read("1.0", "pending"))).removesuffix("\n")

    @property
    def tail(self) -> str:
        """What stands below that: what is on its way, or was never accepted."""
        return TIME.sub("", self.window.conversation.read("pending", "end-1c")).removesuffix("\n")

    @property
    def draft(self) -> str:
        """What stands in the box."""
        return self.window.message_input.draft

    @property
    def people(self) -> list[str]:
        return self.window.people.names

    @property
    def is_at_end(self) -> bool:
        """Whether the last line is in sight, as a whole."""
        line = self.text.dlineinfo("end-2c")
        return line is not None and line[1] + line[3] <= self.text.winfo_height()

    def tell(self) -> str:
        """The whole window, for a test that gives up."""
        if not self.is_open:
            return "a closed window"
        title = self.window.people.title["text"]
        return f"{self.shown}\n[tail] {self.tail!r} [box] {self.draft!r} [people] {title!r} {self.people}"

    def wait(self, condition: Callable[[], object]) -> None:
        """Run this window until something has come true."""

        def run_and_look() -> object:
            if self.is_open:
                self.root.update()
            return condition()

        wait_until(run_and_look, self.tell)

    def see(self, text: str) -> None:
        """Wait until a text stands above."""
        self.wait(lambda: text in self.shown)

    def press(self, *keysyms: str) -> None:
        """Press keys in the box."""
        for keysym in keysyms:
            self.window.message_input.text.focus_force()
            self.root.update()
            modifiers, _, key = keysym.rpartition("-")
            self.window.message_input.text.event_generate(f"<{modifiers}{'-' * bool(modifiers)}KeyPress>", keysym=key)
            if self.is_open:
                self.root.update()

    def type(self, text: str) -> None:
        """Type a text letter by letter."""
        self.press(*(KEYS.get(letter, letter) for letter in text))

    def enter(self, text: str) -> None:
        """Type a text, and Return."""
        self.type(text)
        self.press("Return")

    def paste(self, text: str) -> None:
        """Put a text into the box that no keyboard of the tests has letters for."""
        self.window.message_input.text.insert("insert", text)
        self.root.update()

    def click(self, widget: tk.Misc) -> None:
        for event in ("<Enter>", "<ButtonPress-1>", "<ButtonRelease-1>"):
            widget.event_generate(event, x=5, y=5)
        if self.is_open:
            self.root.update()

    def choose(self, number: int, label: str) -> None:
        """Choose something in a menu of the bar, by the menu's place."""
        bar = self.root.nametowidget(self.root["menu"])
        menu = self.root.nametowidget(bar.entrycget(number, "menu"))
        menu.invoke(menu.index(label))

    def resize(self, geometry: str) -> None:
        self.root.geometry(geometry)
        self.wait(lambda: f"{self.root.winfo_width()}x{self.root.winfo_height()}" == geometry)

    def close_window(self) -> None:
        """Click on the X of the window, as a window manager tells it."""
        self.root.tk.call(self.root.protocol("WM_DELETE_WINDOW"))


SessionSit = Callable[..., SessionSeat]


class LinkedSeat(SessionSeat):
    """Somebody in front of a window whose network the test can pull apart."""

    @property
    def status(self) -> str:
        return str(self.window.status["text"])

    @property
    def has_retry_button(self) -> bool:
        return bool(self.window.retry_button.winfo_ismapped())

    def expect_status(self, sentence: str) -> None:
        self.wait(lambda: self.status.startswith(sentence.format(host="127.0.0.1", port=self.server.port, wait="")))

    def expect_working_link(self, count: int) -> None:
        """Wait until all looks as if nothing had ever happened to the link."""
        self.expect_status(ITALIAN.status_connected)
        self.wait(lambda: self.status.endswith(ITALIAN.status_people.format(count=count)))
        self.wait(lambda: not self.has_retry_button)

    def expect_pause(self) -> None:
        """Wait until the link is broken, and the next try a while away."""
        waiting = ITALIAN.status_waiting.partition("{wait}")[0]
        self.expect_status(waiting)
        self.wait(lambda: self.has_retry_button)

    @property
    def said(self) -> list[str]:
        """What stands above after one's own arrival."""
        return self.shown.partition("Ada si è unito alla chat!\n")[2].splitlines()


LinkedSit = Callable[..., LinkedSeat]
