"""The header of the window: which room, who the user is, how many are here, how the link is. Main thread only."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from dataclasses import dataclass
from tkinter import font as tkfont
from tkinter import ttk

import protocol
from lan_chat.client.fitting import shortened
from lan_chat.client.palette import PALETTES, Palette
from lan_chat.client.theme import SMALL, SMALL_BOLD, TITLE, dot_picture, person_picture, pixels
from lan_chat.client.words import ITALIAN, ClientWords


@dataclass(frozen=True)
class Situation:
    """What the header shows."""

    is_connected: bool
    """Whether the session goes on, also while it reconnects."""
    is_broken: bool
    name: str
    """The user's own; empty before there is one."""
    standing: str
    """Whether the user may write, as a `Notice` says it."""
    people: int
    """How many are in the room; 0 where that is not known."""


class Header:
    """The room at the left; the link, the user and the button for the list of people at the right."""

    def __init__(self, parent: ttk.Frame, address: tuple[str, int], toggle_people: Callable[[], object]) -> None:
        self._host, self._port = address
        self._room = ""
        self._words = ITALIAN
        self._palette = PALETTES["light"]
        self._situation = Situation(True, False, "", protocol.MAY_WRITE, 0)
        self.frame = frame = ttk.Frame(parent, padding=(pixels(parent, 16), pixels(parent, 8)))
        frame.columnconfigure(0, weight=1)
        self.room = ttk.Label(frame, style="Title.TLabel")
        self.address = ttk.Label(frame, style="Quiet.TLabel")
        self.link = ttk.Label(frame, style="Quiet.TLabel", compound="left")
        self._user = ttk.Frame(frame)
        self._user_label = ttk.Label(self._user, style="Quiet.TLabel")
        self.user = ttk.Label(self._user, style="QuietBold.TLabel")
        self._standing = ttk.Label(self._user, style="Quiet.TLabel")
        for column, label in enumerate((self._user_label, self.user, self._standing)):
            label.grid(row=0, column=column)
        self.people = ttk.Button(frame, style="People.TButton", compound="left", command=toggle_people)
        self.room.grid(row=0, column=0, sticky="w")
        self.address.grid(row=1, column=0, sticky="w")
        self.link.grid(row=0, column=1, sticky="e", padx=(pixels(frame, 12), 0))
        self._user.grid(row=1, column=1, sticky="e", padx=(pixels(frame, 12), 0))
        self.people.grid(row=0, column=2, rowspan=2, padx=(pixels(frame, 12), 0))
        frame.bind("<Configure>", self._on_configure)

    def set_server(self, host: str, port: int) -> None:
        """Change the server."""
        self._host, self._port = host, port
        self._draw()

    def set_room(self, room: str) -> None:
        """Change the room's name; where it is empty, the host stands in its place."""
        self._room = room
        self._draw()

    def set_language(self, words: ClientWords) -> None:
        """Change the language."""
        self._words = words
        self._draw()

    def apply_theme(self, palette: Palette) -> None:
        """Apply the colours of a theme, and the current font sizes."""
        self._palette = palette
        self.people.configure(image=person_picture(self.frame, palette))
        self._draw()

    def show(self, situation: Situation) -> None:
        """Show how things are. Cheap where nothing has changed: it is called often while the link is broken."""
        if situation != self._situation:
            self._situation = situation
            self._draw()

    def _draw(self) -> None:
        situation = self._situation
        words, palette = self._words, self._palette
        if not situation.is_connected:
            state, colour = words.link_ended, palette.quiet
        elif situation.is_broken:
            state, colour = words.link_state_broken, palette.broken
        else:
            state, colour = words.link_works, palette.connected
        self.link.configure(text=f" {state}", image=dot_picture(self.frame, colour))
        self.people.configure(text=f" {situation.people}")
        if situation.people:
            self.people.grid()
        else:
            self.people.grid_remove()
        self._fit(self.frame.winfo_width())

    def _on_configure(self, event: tk.Event[ttk.Frame]) -> None:
        self._fit(event.width)

    def _fit(self, width: int) -> None:
        """Shorten what does not fit into a width; it may be 1, where the window is not drawn yet."""
        if width <= 1:
            width = self.frame.winfo_toplevel().winfo_screenwidth()
        situation, words = self._situation, self._words
        margin = pixels(self.frame, 16)
        room = width - 2 * margin
        if situation.people:
            room -= self.people.winfo_reqwidth() + margin
        muting = {protocol.MUTED: words.status_muted, protocol.QUIET: words.status_quiet}.get(situation.standing, "")
        self._user_label.configure(text=words.you_are if situation.name else "")
        standing = self._short(f" · {muting}" if muting and situation.name else "", SMALL, room // 3)
        self._standing.configure(text=standing)
        if standing:
            self._standing.grid()
        else:
            self._standing.grid_remove()  # an empty label is not without width
        taken = self._user_label.winfo_reqwidth() + (self._standing.winfo_reqwidth() if standing else 0)
        self.user.configure(text=self._short(situation.name, SMALL_BOLD, max(room // 2 - taken, room // 8)))
        room -= max(self.link.winfo_reqwidth(), taken + self.user.winfo_reqwidth()) + margin
        self.room.configure(text=self._short(self._room or self._host, TITLE, room))
        self.address.configure(
            text=self._short(words.address.format(host=self._host, port=self._port), SMALL, room),
        )

    def _short(self, text: str, font: str, width: int) -> str:
        return shortened(text, width, tkfont.nametofont(font, root=self.frame).measure) if text else ""
