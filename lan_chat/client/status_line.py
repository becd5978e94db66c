"""The status line: how the link is, and the button that tries a broken one at once. Main thread only."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from tkinter import ttk

import protocol
from lan_chat.client.words import ITALIAN, ClientWords


class StatusLine:
    """A label that says how the link to a server is, and a button that is there while the link is broken.

    The one who makes it puts both into its grid.
    """

    def __init__(self, parent: ttk.Frame, host: str, port: int, retry: Callable[[], object]) -> None:
        self._host = host
        self._port = port
        self._words = ITALIAN
        self._retry_at: float | None = None
        """When the next attempt to reconnect begins, on the monotonic clock; None while the link works."""
        self.label = ttk.Label(parent, style="Status.TLabel")
        self.button = ttk.Button(parent, command=retry)

    @property
    def is_broken(self) -> bool:
        """Whether the link is broken, as far as it has been told."""
        return self._retry_at is not None

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
        if status != self.label["text"]:
            self.label.configure(text=status)
        if is_reconnecting:
            self.button.grid()
        else:
            self.button.grid_remove()
