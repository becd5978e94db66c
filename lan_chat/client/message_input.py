"""The message input: the field in which the user writes. Main thread only."""

from __future__ import annotations

import contextlib
import functools
import tkinter as tk
from collections.abc import Callable, Iterable
from tkinter import ttk

from lan_chat.client.composing import InputHistory, completions, whole_letters
from lan_chat.client.palette import Palette

MAX_INPUT_LINES = 5
"""The most lines that the message input grows to."""


class MessageInput:
    """A text field that grows with its text, keeps the input history, completes names, and shows a placeholder."""

    def __init__(
        self,
        parent: ttk.Frame,
        submit: Callable[[], object],
        leave: Callable[[], object],
        names: Callable[[], Iterable[str]],
    ) -> None:
        self._submit = submit
        self._leave = leave
        self._names = names
        self._history = InputHistory()
        self._candidates: list[str] = []
        self._completed = ""
        """The text up to the cursor as the last completion left it."""
        self._returned = ""
        """The texts that `give_back` put at the beginning; the next one goes after them."""
        self.text = text = tk.Text(parent, height=1, width=50, wrap="word", undo=True, padx=6, pady=5)
        text.configure(font="TkTextFont", relief="flat", borderwidth=0, highlightthickness=0)
        text.configure(insertontime=800, insertofftime=600)  # slower than Tk's: it is most of what an idle window does
        self.placeholder = tk.Label(text, font="TkTextFont", cursor="xterm", padx=0, pady=0, borderwidth=0)
        self.placeholder.bind("<Button-1>", lambda event: text.focus_set())
        for step in ("<ButtonPress-2>", "<ButtonRelease-2>", "<ButtonPress-3>", "<Control-ButtonPress-1>"):
            self.placeholder.bind(step, functools.partial(self._on_placeholder, step))
        text.bind("<Return>", self._on_return)
        text.bind("<KP_Enter>", self._on_return)
        text.bind("<Tab>", self._on_tab)
        text.bind("<Shift-Tab>", lambda event: None)  # moves the focus back; or it would be a Tab on Windows
        text.bind("<Up>", self._on_up)
        text.bind("<Down>", self._on_down)
        text.bind("<<Modified>>", self._on_modified)
        text.bind("<<Paste>>", self._on_paste)
        text.bind("<Configure>", lambda event: self.fit())
        self._show_placeholder()

    @property
    def draft(self) -> str:
        """The text in the message input."""
        return whole_letters(self.text.get("1.0", "end-1c"))

    @draft.setter
    def draft(self, draft: str) -> None:
        self._returned = ""
        self.text.delete("1.0", "end")
        self.text.insert("1.0", draft)
        self.text.see("insert")
        self._show_placeholder()

    def apply_theme(self, palette: Palette) -> None:
        """Apply the colours of a theme."""
        text = self.text
        text.configure(background=palette.paper, foreground=palette.text, insertbackground=palette.text)
        text.configure(selectbackground=palette.accent, selectforeground=palette.paper)
        self.placeholder.configure(background=palette.paper, foreground=palette.quiet)

    def add_said(self, text: str) -> None:
        """Add a sent message to the input history, and clear the message input."""
        self._history.add(text)
        self.draft = ""

    def give_back(self, text: str, is_selected: bool = False) -> None:
        """Put back a text that was not accepted, before what the user has written since.

        A selected one, which the user can type over, is put back only into an empty message input.
        """
        draft = self.draft
        if not is_selected:
            before = self._returned
            if before and f"{draft}\n".startswith(f"{before}\n"):
                returned, rest = f"{before}\n{text}", draft[len(before) :]
            else:
                returned, rest = text, f"\n{draft}" if draft else ""
            self.draft = returned + rest
            self._returned = returned
        elif not draft:
            self.draft = text
            self.text.tag_add("sel", "1.0", "end-1c")

    def address(self, name: str) -> None:
        """Insert a member's name, so that the message is addressed to that member."""
        self.text.insert("1.0" if not self.draft.strip() else "insert", f"{name}: ")
        self.text.focus_set()

    def fit(self) -> None:
        """Set the height to the lines that the text needs, up to MAX_INPUT_LINES."""
        height = min(MAX_INPUT_LINES, max(1, self._rows("1.0", "end")))
        if height != int(self.text["height"]):
            self.text.configure(height=height)
            self.text.see("insert")

    def _show_placeholder(self) -> None:
        """Show the placeholder while the message input is empty; it is never part of the text."""
        if self.text.compare("end-1c", "==", "1.0"):
            self.placeholder.place(x=0, rely=0.5, anchor="w")
        else:
            self.placeholder.place_forget()

    def _on_placeholder(self, step: str, event: tk.Event[tk.Label]) -> None:
        """Pass a click on the placeholder to the text field beneath it, which pastes or shows its menu."""
        x, y = event.x + self.placeholder.winfo_x(), event.y + self.placeholder.winfo_y()
        self.text.event_generate(step, x=x, y=y, rootx=event.x_root, rooty=event.y_root)

    def _on_return(self, event: tk.Event[tk.Text]) -> str | None:
        if int(event.state) & 0x1:  # Shift+Return inserts a line break
            return None
        self._submit()
        return "break"

    def _on_tab(self, event: tk.Event[tk.Text]) -> str:
        """Complete a name, with the next candidate when pressed again; an empty message input hands the focus on."""
        before = whole_letters(self.text.get("1.0", "insert"))
        if before != self._completed or not self._candidates:
            length, self._candidates = completions(before, self._names())
            if not self._candidates:
                if not before.strip():
                    self._leave()
                return "break"
        else:
            length = len(self._candidates[-1]) + len(": " if self._is_first(before, self._candidates[-1]) else " ")
        name = self._candidates.pop(0)
        self._candidates.append(name)
        ending = ": " if len(before) == length else " "
        self.text.delete(f"insert-{length}c", "insert")
        self.text.insert("insert", name + ending)
        self._completed = before[: len(before) - length] + name + ending
        return "break"

    @staticmethod
    def _is_first(before: str, name: str) -> bool:
        return before == f"{name}: "

    def _on_up(self, event: tk.Event[tk.Text]) -> str | None:
        # Within the text Up moves the cursor, and with Shift it selects; from the first row it steps back in the input
        # history.
        if int(event.state) & 0x1 or self._rows("1.0", "insert"):
            return None
        return self._show_from_history(self._history.older(self.draft))

    def _on_down(self, event: tk.Event[tk.Text]) -> str | None:
        if int(event.state) & 0x1 or self._rows("insert", "end-1c"):
            return None
        return self._show_from_history(self._history.newer(self.draft))

    def _rows(self, first: str, last: str) -> int:
        """Return how many rows, as displayed, end between two indices."""
        counted = self.text.count(first, last, "displaylines")
        # A tuple of one number, or None; from Python 3.13 on also a plain number.
        return int((counted[0] if isinstance(counted, tuple) else counted) or 0)

    def _show_from_history(self, found: str | None) -> str:
        if found is not None:
            self.draft = found
        return "break"

    def _on_modified(self, event: tk.Event[tk.Text]) -> None:
        self.text.edit_modified(False)
        self._show_placeholder()
        self.fit()

    def _on_paste(self, event: tk.Event[tk.Text]) -> str:
        """Paste over the selection, which Tk does not do on X11."""
        with contextlib.suppress(tk.TclError):  # nothing to paste
            pasted = self.text.clipboard_get()
            if self.text.tag_ranges("sel"):
                self.text.mark_set("insert", "sel.first")
                self.text.delete("sel.first", "sel.last")
            self.text.insert("insert", pasted.replace("\r\n", "\n"))
            self.text.see("insert")
        return "break"
