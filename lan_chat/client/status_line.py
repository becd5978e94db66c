"""The banner under the header: what has happened to the link, where the room is by now, and what there is to do.

Main thread only.
"""

from __future__ import annotations

import math
import time
import tkinter as tk
from collections.abc import Callable
from dataclasses import dataclass
from tkinter import ttk

import protocol
from lan_chat.client.theme import pixels
from lan_chat.client.words import ITALIAN, ClientWords


@dataclass(frozen=True)
class Ways:
    """What the buttons of the banner call."""

    retry: Callable[[], object]
    follow: Callable[[], object]
    """Go where the room is by now."""
    refuse: Callable[[], object]


class BannerRow:
    """A sentence and buttons, which stand below it where it would be in many rows beside them."""

    def __init__(self, banner: ttk.Frame, number: int, *commands: Callable[[], object]) -> None:
        self._margin = pixels(banner, 16)
        self.frame = ttk.Frame(banner, style="Banner.TFrame")
        self.frame.grid(row=number, column=0, sticky="ew", pady=(self._margin // 2 if number else 0, 0))
        self.frame.columnconfigure(0, weight=1)
        self.label = ttk.Label(self.frame, style="Banner.TLabel")
        self.label.grid(row=0, column=0, sticky="ew")
        self.buttons = [ttk.Button(self.frame, style="Banner.TButton", command=command) for command in commands]
        for column, button in enumerate(self.buttons, start=1):
            button.grid(row=0, column=column, padx=(self._margin, 0))
            for key in ("<Return>", "<KP_Enter>"):
                button.bind(key, lambda event, button=button: button.invoke())

    def fit(self, width: int) -> None:
        """Wrap the sentence between words where it does not fit into a width."""
        shown = [button for button in self.buttons if button.winfo_manager()]
        taken = sum(button.winfo_reqwidth() + self._margin for button in shown)
        is_narrow = taken > width // 3
        self.label.configure(wraplength=max(1, width if is_narrow else width - taken))
        self.label.grid(columnspan=1 + len(self.buttons) if is_narrow else 1)
        for button in shown:
            button.grid(row=1 if is_narrow else 0, sticky="e", pady=(self._margin // 4 if is_narrow else 0, 0))


class StatusLine:
    """A sentence that says how the link to a server is; seen while the link is broken, or ended.

    Below it, where the room is by now, if that is somewhere else. The one who makes it puts its frame into a grid.
    """

    def __init__(self, parent: ttk.Frame, host: str, port: int, ways: Ways) -> None:
        self._host = host
        self._port = port
        self._room = ""
        self._words = ITALIAN
        self.offer: tuple[str, str, int] | None = None
        """Which room is where by now, as the user is asked: its name, and the address."""
        self._tried: tuple[str, int] | None = None
        """Another address, at which the link is tried, as the user wants it."""
        self._retry_at: float | None = None
        """When the next attempt to reconnect begins, on the monotonic clock; None while the link works."""
        self._shown_parts: tuple[bool, bool, bool] | None = None
        """Whether the button is shown, the offer, and the banner itself."""
        margin = pixels(parent, 16)
        self.frame = ttk.Frame(parent, style="Banner.TFrame", padding=(margin, margin // 2))
        self.frame.columnconfigure(0, weight=1)
        self._link_row = BannerRow(self.frame, 0, ways.retry)
        self._offer_row = BannerRow(self.frame, 1, ways.follow, ways.refuse)
        self.label, (self.button,) = self._link_row.label, self._link_row.buttons
        self.offer_label, (self.follow_button, self.refuse_button) = self._offer_row.label, self._offer_row.buttons
        self.frame.bind("<Configure>", self._on_configure)

    @property
    def is_broken(self) -> bool:
        """Whether the link is broken, as far as it has been told."""
        return self._retry_at is not None

    @property
    def changes_in_ms(self) -> int:
        """In how many milliseconds the line counts another second; 0 where it does not."""
        left_ms = 0 if self._retry_at is None else math.ceil((self._retry_at - time.monotonic()) * 1000)
        return (left_ms % 1000 or 1000) if left_ms > 0 else 0

    def note_broken(self, wait_s: float, place: tuple[str, int] | None = None) -> None:
        """Note that the link is broken, and when the next attempt to reconnect begins, at another address or not."""
        self._retry_at, self._tried = time.monotonic() + wait_s, place

    def note_linked(self) -> None:
        """Note that the link works."""
        self._retry_at = self._tried = self.offer = None

    def set_server(self, host: str, port: int) -> None:
        """Change the server, which there is a link to; `show` draws it."""
        self._host, self._port = host, port
        self.note_linked()

    def set_room(self, room: str) -> None:
        """Change the room's name, empty where it is not known; `show` draws it."""
        self._room = room

    def set_language(self, words: ClientWords) -> None:
        """Change the language; `show` draws it."""
        self._words = words
        for button, text in (
            (self.button, words.retry),
            (self.follow_button, words.go_there),
            (self.refuse_button, words.stay_here),
        ):
            button.configure(text=text)

    def show(self, is_connected: bool, people: int, standing: str) -> None:
        """Show how the link is; `is_connected`: the session goes on, also while it reconnects.

        `standing`: whether the user may write, as a `Notice` says it.
        """
        words = self._words
        wait_s = 0 if self._retry_at is None else math.ceil(self._retry_at - time.monotonic())
        is_reconnecting = is_connected and self.is_broken
        if not is_connected:
            sentence = words.status_not_connected
        elif not is_reconnecting:
            sentence = words.status_connected
        else:
            sentence = words.status_waiting if wait_s > 0 else words.status_retrying
        host, port = self._host, self._port
        if is_reconnecting and self._tried is not None:
            sentence, (host, port) = words.connecting, self._tried
        if self._room:
            host = words.named_host.format(room=self._room, host=host)
        status = sentence.format(host=host, port=port, wait=wait_s)
        muting = {protocol.MUTED: words.status_muted, protocol.QUIET: words.status_quiet}.get(standing)
        if is_connected and not is_reconnecting and muting is not None:
            status += f" · {muting}"
        if is_connected and not is_reconnecting and people:
            status += " · " + words.status_people.format(count=people)
        if is_reconnecting:
            status += f"{'.' if wait_s > 0 else ''} {words.status_kept}"
        if status != self.label["text"]:
            self.label.configure(text=status)
        offer = self.offer if is_reconnecting and self._tried is None else None
        if offer is not None:
            name, host, port = offer
            self.offer_label.configure(text=words.room_elsewhere.format(name=name, host=host, port=port))
        self._show_parts(is_reconnecting, offer is not None, is_reconnecting or not is_connected)

    def _show_parts(self, has_button: bool, has_offer: bool, is_shown: bool) -> None:
        if (has_button, has_offer, is_shown) == self._shown_parts:
            return
        self._shown_parts = (has_button, has_offer, is_shown)
        parts = (self.button, self._offer_row.frame, self.frame)
        for part, is_wanted in zip(parts, self._shown_parts, strict=True):
            if is_wanted:
                part.grid()
            else:
                part.grid_remove()
        self._fit(self.frame.winfo_width())

    def _on_configure(self, event: tk.Event[ttk.Frame]) -> None:
        self._fit(event.width)

    def _fit(self, width: int) -> None:
        margin = pixels(self.frame, 16)
        for row in (self._link_row, self._offer_row):
            row.fit(width - 2 * margin)
