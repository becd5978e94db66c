"""What calls a user who looks elsewhere: the window's title, its mark in the task bar, the bell. Main thread only."""

from __future__ import annotations

import tkinter as tk

from lan_chat.client.desktop import ask_for_attention, set_urgency


class Attention:
    """Whether the program has the focus, and how many news there were since it lost it, which the title shows."""

    def __init__(self, root: tk.Tk, host: str) -> None:
        self._root = root
        self._host, self._room = host, ""
        self._has_focus = True
        self._unread = 0
        self._is_marked = False
        """Whether the window is marked in the task bar: that takes a connection to the X server of its own."""
        for event in ("<FocusIn>", "<FocusOut>"):
            root.bind_all(event, lambda event: self.note_focus(), add="+")
        self._show_title()

    def note_focus(self) -> None:
        """Note whether this program has the focus, which the event does not tell: it may go to another window of it."""
        has_focus = bool(str(self._root.tk.call("focus", "-displayof", self._root)))
        if has_focus and not self._has_focus and self._unread:
            self._unread, self._is_marked = 0, False
            self._show_title()
            if self._root.tk.call("tk", "windowingsystem") == "x11":
                set_urgency(self._root, is_urgent=False)
        self._has_focus = has_focus

    def set_host(self, host: str) -> None:
        """Change the host that the title shows where there is no room's name."""
        self._host = host
        self._show_title()

    def set_room(self, room: str) -> None:
        """Change the room's name, empty where it is not known."""
        self._room = room
        self._show_title()

    def note_news(self) -> bool:
        """Count an entry that the user does not see; return whether it is the first one."""
        if self._has_focus:
            return False
        self._unread += 1
        self._show_title()
        return self._unread == 1

    def call(self, has_sound: bool) -> None:
        """Call the user, whose name was said."""
        if has_sound:
            self._root.bell()
        if not self._has_focus and not self._is_marked:
            self._is_marked = True
            ask_for_attention(self._root)

    def _show_title(self) -> None:
        unread = f"({self._unread}) " if self._unread else ""
        self._root.title(f"{unread}Chat – {self._room or self._host}")
