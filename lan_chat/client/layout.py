"""The parts of the chat window, and where they are: header, banner, conversation, list of people, message input.

Main thread only. What the parts do with each other and with the session is the window's.
"""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from tkinter import font as tkfont
from tkinter import ttk

from lan_chat.client.conversation import Conversation
from lan_chat.client.end_banner import Choices, EndBanner
from lan_chat.client.find_bar import FindBar
from lan_chat.client.header import Header, Situation
from lan_chat.client.message_input import MessageInput
from lan_chat.client.naming import NamingPanel
from lan_chat.client.palette import Palette
from lan_chat.client.people import PeopleList
from lan_chat.client.status_line import StatusLine, Ways
from lan_chat.client.theme import pixels, show_focus
from lan_chat.client.words import ClientWords

MIN_WIDTH, MIN_HEIGHT = 360, 240
"""The smallest window, in pixels at 100 %."""
NARROW = 560
"""Below which width, in pixels at 100 %, the list of people is folded away until the user asks for it."""
NARROW_LETTERS = 56
"""The same in digits of the font: the larger of the two counts."""
MARGIN = 8
"""In pixels at 100 %."""
HEADER_ROW, BANNER_ROW, FIND_ROW, CONVERSATION_ROW, NAMING_ROW, END_ROW, INPUT_ROW = 0, 2, 3, 4, 5, 6, 8


@dataclass(frozen=True)
class Calls:
    """What the parts of the window call."""

    submit: Callable[[], object]
    ways: Ways
    toggle_people: Callable[[], object]
    address: Callable[[str], object]
    focus_input: Callable[[], object]
    leave_input: Callable[[], object]
    other_names: Callable[[], Iterable[str]]
    open_link: Callable[[str], object]


class Layout:
    """All parts of the window; each is an attribute."""

    def __init__(
        self, root: tk.Tk, address: tuple[str, int], words: ClientWords, calls: Calls, choices: Choices
    ) -> None:
        self._root = root
        self._is_narrow = self._is_unfolded = False
        """Whether the window is too narrow for the list of people, and whether it is shown nevertheless."""
        self._wants_people = True
        root.minsize(pixels(root, MIN_WIDTH), pixels(root, MIN_HEIGHT))
        root.columnconfigure(0, weight=1)
        root.rowconfigure(0, weight=1)
        self.frame = frame = ttk.Frame(root)
        frame.grid(sticky="nsew")
        frame.columnconfigure(0, weight=1)
        frame.rowconfigure(CONVERSATION_ROW, weight=1)
        self.header = Header(frame, address, calls.toggle_people)
        self.header.frame.grid(row=HEADER_ROW, column=0, columnspan=3, sticky="ew")
        self.status_line = StatusLine(frame, *address, calls.ways)
        self.status_line.frame.grid(row=BANNER_ROW, column=0, columnspan=3, sticky="ew")
        self.conversation = Conversation(frame, words, calls.open_link)
        self.conversation.frame.grid(row=CONVERSATION_ROW, column=0, sticky="nsew")
        self.find_bar = FindBar(
            frame,
            find=self.conversation.find,
            forget_found=lambda: self.conversation.forget_found(is_over=True),
            leave=calls.focus_input,
        )
        self.find_bar.frame.configure(padding=(pixels(root, 2 * MARGIN), pixels(root, MARGIN)))
        self.find_bar.frame.grid(row=FIND_ROW, column=0, columnspan=3, sticky="ew")
        self.find_bar.frame.grid_remove()
        self.naming = NamingPanel(frame)
        self.end_banner = EndBanner(frame, choices)
        self.end_banner.frame.grid(row=END_ROW, column=0, columnspan=3, sticky="ew")
        self.end_banner.frame.grid_remove()
        # An original server does not send the names in the room, so the list appears with the first name.
        self.people = PeopleList(frame, calls.address)
        self._people_line = ttk.Frame(frame, style="Line.TFrame", width=pixels(root, 1))
        frame.bind("<Configure>", lambda event: self.fit())
        for row in (HEADER_ROW + 1, INPUT_ROW - 1):
            ttk.Frame(frame, style="Line.TFrame", height=pixels(root, 1)).grid(
                row=row, column=0, columnspan=3, sticky="ew"
            )
        self._build_input(calls)

    def _build_input(self, calls: Calls) -> None:
        margin = pixels(self._root, MARGIN)
        bottom = ttk.Frame(self.frame, padding=(2 * margin, margin))
        bottom.grid(row=INPUT_ROW, column=0, columnspan=3, sticky="ew")
        bottom.columnconfigure(0, weight=1)
        self._field = ttk.Frame(bottom, style="Field.TFrame", padding=margin // 2)
        self._field.grid(row=0, column=0, sticky="ew")
        self._field.columnconfigure(0, weight=1)
        self.message_input = MessageInput(self._field, calls.submit, calls.leave_input, calls.other_names)
        self.message_input.text.configure(padx=pixels(self._root, 6), pady=pixels(self._root, 5))
        self.message_input.text.grid(row=0, column=0, sticky="ew")
        show_focus(self._field, self.message_input.text)
        self.button = ttk.Button(bottom, command=calls.submit, style="Primary.TButton")
        self.button.grid(row=0, column=1, sticky="s", padx=(margin, 0))

    def set_language(self, words: ClientWords) -> None:
        """Change the language of all parts."""
        self.conversation.set_language(words)
        self.find_bar.set_language(words)
        self.people.set_language(words)
        self.status_line.set_language(words)
        self.header.set_language(words)
        self.end_banner.set_language(words)
        self.message_input.set_language(words)
        self.button.configure(text=words.send)

    def set_server(self, host: str, port: int) -> None:
        """Change the server."""
        self.status_line.set_server(host, port)
        self.header.set_server(host, port)

    def set_room(self, room: str) -> None:
        """Change the room's name, empty where it is not known."""
        self.status_line.set_room(room)
        self.header.set_room(room)

    def apply_theme(self, palette: Palette) -> None:
        """Apply the colours of a theme, and the current font sizes, to what is no ttk widget."""
        self.conversation.apply_theme(palette)
        self.message_input.apply_theme(palette)
        self.header.apply_theme(palette)
        self.people.apply_theme(palette)
        self.message_input.fit()
        self._fit_button()
        self.fit()

    def fit(self) -> None:
        """Adapt to the window's width."""
        width = self.frame.winfo_width()
        self.people.fit(width)
        letters = NARROW_LETTERS * tkfont.nametofont("TkTextFont", root=self._root).measure("0")
        is_narrow = 1 < width < max(pixels(self._root, NARROW), letters)
        if is_narrow != self._is_narrow:
            self._is_narrow, self._is_unfolded = is_narrow, False
            self._show_people()

    def _fit_button(self) -> None:
        """Make the button as high as a field of one row, so that they stand in line."""
        text = self.message_input.text
        row = tkfont.nametofont("TkTextFont", root=text).metrics("linespace") + 2 * int(str(text["pady"]))
        field = row + 2 * (pixels(self._root, MARGIN) // 2)
        self.button.grid(ipady=max(0, field - self.button.winfo_reqheight()) / 2)

    def fold_people(self, wants_people: bool) -> bool:
        """Show the list of people, as the setting says that was changed or not; return what the setting is then.

        In a narrow window the list is folded away at first, and each change of the setting shows or folds it.
        """
        if self._is_narrow and wants_people != self._wants_people:
            self._is_unfolded = not self._is_unfolded
            wants_people = self._is_unfolded
        self._wants_people = wants_people
        self._show_people()
        return wants_people

    def _show_people(self) -> None:
        if self.people.names and (self._is_unfolded if self._is_narrow else self._wants_people):
            self._people_line.grid(row=CONVERSATION_ROW, column=1, rowspan=2, sticky="ns")
            self.people.frame.grid(row=CONVERSATION_ROW, column=2, rowspan=2, sticky="ns")
        else:
            if str(self._root.tk.call("focus")) == str(self.people.list):  # a hidden widget gets no key
                self.message_input.text.focus_set()
            self._people_line.grid_remove()
            self.people.frame.grid_remove()

    def show(self, situation: Situation) -> None:
        """Show how things are in all parts. Cheap where nothing has changed."""
        self.status_line.show(situation.is_connected, situation.people, situation.standing)
        if self.end_banner.is_shown:  # which says more
            self.status_line.frame.grid_remove()
        self.header.show(situation)
        self.people.set_own_name(situation.name)
        self.people.set_stale(situation.is_broken or not situation.is_connected)
        if situation.is_broken != self._field.instate(["alternate"]):
            self._field.state(["alternate" if situation.is_broken else "!alternate"])

    def show_naming(self, is_naming: bool, has_history: bool, words: ClientWords) -> None:
        """Show that the user has to choose a name, over the conversation, or below it where something is to be read."""
        hint = words.placeholder_name if is_naming else words.placeholder
        if hint != self.message_input.placeholder["text"]:
            self.message_input.placeholder.configure(text=hint)
        row = NAMING_ROW if has_history else CONVERSATION_ROW
        self.naming.show(words.greeting, row if is_naming else None)
