"""A window beside the chat's, to read something in; Escape closes it. Main thread only."""

from __future__ import annotations

import tkinter as tk


class SideWindow:
    """One window at a time, filled in by its kind."""

    def __init__(self, root: tk.Tk) -> None:
        self._root = root
        self.window: tk.Toplevel | None = None

    def close(self) -> None:
        """Close the window, if it is open."""
        if self.window is not None:
            self.window.destroy()
            self.window = None
            last = self._root.focus_lastfor()
            if last is not None:  # not every window manager gives the focus back
                last.focus_set()

    def _open(self, title: str, background: str) -> tk.Toplevel:
        """Return a new window, in place of the one that is open."""
        self.close()
        self.window = window = tk.Toplevel(self._root, background=background)
        window.title(title)
        window.transient(self._root)
        window.protocol("WM_DELETE_WINDOW", self.close)
        window.bind("<Escape>", lambda event: self.close())
        window.columnconfigure(0, weight=1)
        window.rowconfigure(0, weight=1)
        return window
