"""The banner under the header: what has happened to the link, and the button that tries it at once.

Main thread only.
"""

from __future__ import annotations

import math
import time
import tkinter as tk
from collections.abc import Callable
from tkinter import ttk

import protocol
from lan_chat.client.theme import pixels
from lan_chat.client.words import ITALIAN, ClientWords


class StatusLine:
    """A sentence that says how the link to a server is; seen while the link is broken, or ended.

    The one who makes it puts its frame into a grid.
    """

    def __init__(self, parent: ttk.Frame, host: str, port: int, retry: Callable[[], object]) -> None:
        self._host = host
        self._port = port
        self._words = ITALIAN
        self._retry_at: float | None = None
        """When the next attempt to reconnect begins, on the monotonic clock; None while the link works."""
        self._shown_parts: tuple[bool, bool] | None = None
        """Whether the button is shown, and the banner itself."""
        margin = pixels(parent, 16)
        self.frame = ttk.Frame(parent, style="Banner.TFrame", padding=(margin, margin // 2))
        self.frame.columnconfigure(0, weight=1)
        self.label = ttk.Label(self.frame, style="Banner.TLabel")
        self.button = ttk.Button(self.frame, style="Banner.TButton", command=retry)
        self.label.grid(row=0, column=0, sticky="ew")
        self.button.grid(row=0, column=1, padx=(margin, 0))
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

    def note_broken(self, wait_s: float) -> None:
        """Note that the link is broken, and when the next attempt to reconnect begins."""
        self._retry_at = time.monotonic() + wait_s

    def note_linked(self) -> None:
        """Note that the link works."""
        self._retry_at = None

    def set_server(self, host: str, port: int) -> None:
        """Change the server, which there is a link to; `show` draws it."""
        self._host, self._port, self._retry_at = host, port, None

    def set_language(self, words: ClientWords) -> None:
        """Change the language; `show` draws it."""
        self._words = words
        self.button.configure(text=words.retry)

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
        status = sentence.format(host=self._host, port=self._port, wait=wait_s)
        muting = {protocol.MUTED: words.status_muted, protocol.QUIET: words.status_quiet}.get(standing)
        if is_connected and not is_reconnecting and muting is not None:
            status += f" · {muting}"
        if is_connected and not is_reconnecting and people:
            status += " · " + words.status_people.format(count=people)
        if is_reconnecting:
            status += f"{'.' if wait_s > 0 else ''} {words.status_kept}"
        if status != self.label["text"]:
            self.label.configure(text=status)
        self._show_parts(is_reconnecting, is_reconnecting or not is_connected)

    def _show_parts(self, has_button: bool, is_shown: bool) -> None:
        if (has_button, is_shown) == self._shown_parts:
            return
        self._shown_parts = (has_button, is_shown)
        if has_button:
            self.button.grid()
            self._fit(self.frame.winfo_width())
        else:
            self.button.grid_remove()
        if is_shown:
            self.frame.grid()
        else:
            self.frame.grid_remove()

    def _on_configure(self, event: tk.Event[ttk.Frame]) -> None:
        self._fit(event.width)

    def _fit(self, width: int) -> None:
        """Wrap the sentence between words where it does not fit, above the button where it would be in many rows."""
        margin = pixels(self.frame, 16)
        button = self.button.winfo_reqwidth() + margin if self.button.winfo_manager() else 0
        width -= 2 * margin
        is_narrow = bool(button) and button > width // 3
        self.label.configure(wraplength=max(1, width if is_narrow else width - button))
        self.label.grid(columnspan=2 if is_narrow else 1)
        if button:
            self.button.grid(row=1 if is_narrow else 0, sticky="e", pady=(margin // 4 if is_narrow else 0, 0))
