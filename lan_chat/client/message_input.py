"""The message input: the field in which the user writes. Main thread only.

A text that Tk could not lay out without a pause is kept aside whole, with a note in its place; what stood in the field
before it stays beneath the note, untouched, and undo goes back to it.
"""

from __future__ import annotations

import contextlib
import functools
import tkinter as tk
from collections.abc import Callable, Iterable
from tkinter import font as tkfont
from tkinter import ttk

import protocol
from lan_chat.client.actions import ACTIONS
from lan_chat.client.composing import InputHistory, completions, fits_box, whole_letters
from lan_chat.client.desktop import is_aqua
from lan_chat.client.palette import Palette
from lan_chat.client.words import ITALIAN, ClientWords

MAX_INPUT_LINES = 5
"""The most lines that the message input grows to."""
NOTE_MARGINS = 16
"""Pixels at both sides of the note in the message input, the borders of both counted in."""
BLINK_ON_MS, BLINK_OFF_MS = 800, 600
BLINKS_FOR_MS = 10_000
"""How long the cursor blinks after the last key, as in GTK: blinking is most of what an idle window would do."""


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
        self._words = ITALIAN
        self._aside: tuple[str, str] | None = None
        """A draft that is kept aside: what is before the cursor and what is after it."""
        self._undone: tuple[str, str] | None = None
        """A draft that was kept aside, until undo; redo brings it back."""
        self.text = text = tk.Text(parent, height=1, width=50, wrap="word", undo=True, padx=6, pady=5)
        text.configure(font="TkTextFont", relief="flat", borderwidth=0, highlightthickness=0)
        self._still_id = ""
        for event_name in ("<FocusIn>", "<KeyPress>", "<ButtonPress-1>"):
            text.bind(event_name, lambda event: self._blink(), add=True)
        text.bind("<Destroy>", self._on_destroy)
        self.placeholder = tk.Label(text, font="TkTextFont", cursor="xterm", padx=0, pady=0, borderwidth=0)
        self.placeholder.bind("<Button-1>", lambda event: text.focus_set())
        self.note = tk.Label(text, font="TkTextFont", justify="left", anchor="nw", padx=0, pady=0, borderwidth=0)
        """What stands in the place of a text that is kept aside."""
        self.note.bind("<Button-1>", lambda event: text.focus_set())
        for step in ("<ButtonPress-2>", "<ButtonRelease-2>", "<ButtonPress-3>", "<Control-ButtonPress-1>"):
            for label in (self.placeholder, self.note):
                label.bind(step, functools.partial(self._on_label, step))
        text.bind("<Return>", self._on_return)
        text.bind("<KP_Enter>", self._on_return)
        text.bind("<Tab>", self._on_tab)
        text.bind("<Shift-Tab>", lambda event: None)  # moves the focus back; or it would be a Tab on Windows
        text.bind("<Up>", self._on_up)
        text.bind("<Down>", self._on_down)
        text.bind("<<Modified>>", self._on_modified)
        text.bind("<<Paste>>", lambda event: self._paste("CLIPBOARD"))
        text.bind("<<PasteSelection>>", self._on_paste_selection)
        text.bind("<Insert>", lambda event: self._paste("PRIMARY"))
        for event_name in ("<<Undo>>", "<BackSpace>", "<Delete>"):
            text.bind(event_name, self._on_undo)
        text.bind("<<Redo>>", self._on_redo)
        text.bind("<<Cut>>", lambda event: self._on_copy(is_cut=True))
        text.bind("<<Copy>>", lambda event: self._on_copy(is_cut=False))
        text.bind("<<SelectAll>>", lambda event: "break" if self.is_kept_aside else None)
        text.bind("<Configure>", lambda event: self.fit())
        self._show_placeholder()

    @property
    def draft(self) -> str:
        """The text in the message input."""
        if self._aside is not None:
            return "".join(self._aside)
        return whole_letters(self.text.get("1.0", "end-1c"))

    @draft.setter
    def draft(self, draft: str) -> None:
        self._returned = ""
        self._keep_aside(None)
        self.text.delete("1.0", "end")
        if fits_box(draft):
            self.text.insert("1.0", draft)
            self.text.see("insert")
        else:
            self._keep_aside((draft, ""))
        self._show_placeholder()

    @property
    def is_kept_aside(self) -> bool:
        """Whether the draft is kept aside, as it is far larger than a message may be."""
        return self._aside is not None

    @property
    def has_selection(self) -> bool:
        """Whether there is something to copy; a draft that is kept aside is copied whole."""
        return self.is_kept_aside or bool(self.text.tag_ranges("sel"))

    def set_language(self, words: ClientWords) -> None:
        """Change the language."""
        self._words = words
        self.placeholder.configure(text=words.placeholder)
        self._show_note()

    def insert(self, new: str) -> None:
        """Insert a text at the cursor, over the selection; what would be too large is kept aside."""
        text, new = self.text, whole_letters(new)
        if self._aside is not None:
            before, after = self._aside
            self._keep_aside((before + new, after))
            return
        first, last = text.tag_ranges("sel")[:2] if text.tag_ranges("sel") else ("insert", "insert")
        before, after = (whole_letters(text.get(*span)) for span in (("1.0", first), (last, "end-1c")))
        if not fits_box(new) or not fits_box(before + new + after):
            self._keep_aside((before + new, after))
            return
        text.configure(autoseparators=False)  # one step for undo, with what it replaces
        text.edit_separator()
        text.mark_set("insert", first)
        text.delete(first, last)
        text.insert("insert", new)
        text.edit_separator()
        text.configure(autoseparators=True)
        text.see("insert")

    def apply_theme(self, palette: Palette) -> None:
        """Apply the colours of a theme."""
        text = self.text
        text.configure(background=palette.paper, foreground=palette.text, insertbackground=palette.text)
        text.configure(selectbackground=palette.accent, selectforeground=palette.paper)
        self.placeholder.configure(background=palette.paper, foreground=palette.quiet)
        self.note.configure(background=palette.paper, foreground=palette.error)

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
        if self._aside is not None:
            self.insert(f"{name}: ")
        else:
            self.text.insert("1.0" if not self.draft.strip() else "insert", f"{name}: ")
        self.text.focus_set()

    def fit(self) -> None:
        """Set the height to the lines that the text needs, up to MAX_INPUT_LINES."""
        if self._aside is not None:
            line = tkfont.nametofont("TkTextFont", root=self.text).metrics("linespace")
            self.note.configure(wraplength=max(1, self.text.winfo_width() - NOTE_MARGINS))
            height = max(1, min(MAX_INPUT_LINES, self.note.winfo_reqheight() // line))
        else:
            # Not counted to the end: that takes Tk a time that grows with the square of a line's length.
            rows = self.text.count("1.0", f"1.0 + {MAX_INPUT_LINES} display lines", "displaylines")
            counted = rows[0] if isinstance(rows, tuple) else rows  # from Python 3.13 on a plain number
            height = max(1, int(counted or 0))
        if height != int(self.text["height"]):
            self.text.configure(height=height)
            self.text.see("insert")

    def _show_placeholder(self) -> None:
        """Show the placeholder while the message input is empty; it is never part of the text."""
        if self.text.compare("end-1c", "==", "1.0"):
            self.placeholder.place(x=int(str(self.text["insertwidth"])), rely=0.5, anchor="w")  # right of the cursor
        else:
            self.placeholder.place_forget()

    def _keep_aside(self, aside: tuple[str, str] | None) -> None:
        """Keep a draft aside, in place of the one that was; None for none, with what is in the field editable again."""
        if aside is None and self._aside is None:
            return
        self._aside, self._undone = aside, None
        self.text.configure(state="normal" if aside is None else "disabled")
        self._show_note()

    def _show_note(self) -> None:
        """Show the note in the place of a draft that is kept aside: how large it is, and what one can do."""
        if self._aside is None:
            self.note.place_forget()
        else:
            size = sum(len(part.encode("utf-8", "surrogatepass")) for part in self._aside)
            count = 1 + sum(part.count("\n") for part in self._aside)
            undo = next(action.key for action in ACTIONS if action.name == "menu_undo" and action.key is not None)
            limits = {
                "undo": undo.accelerator(is_aqua(self.text)),
                "limit": protocol.MAX_MESSAGE_BYTES,
                "lines": protocol.MAX_MESSAGE_LINES,
            }
            can_be_sent = size <= protocol.MAX_MESSAGE_BYTES and count <= protocol.MAX_MESSAGE_LINES
            note = self._words.draft_not_drawn if can_be_sent else self._words.draft_aside
            self.note.configure(text=note.format(size=size, count=count, **limits))
            self.note.place(x=0, y=0, relwidth=1, relheight=1)
        self.fit()

    def _blink(self) -> None:
        """Have the cursor blink for a while."""
        if self._still_id:
            self.text.after_cancel(self._still_id)
        else:  # not at each key: Tk lays the text out anew
            self.text.configure(insertontime=BLINK_ON_MS, insertofftime=BLINK_OFF_MS)
        self._still_id = self.text.after(BLINKS_FOR_MS, self._stop_blinking)

    def _on_destroy(self, event: tk.Event[tk.Misc]) -> None:
        if self._still_id:
            self.text.after_cancel(self._still_id)

    def _stop_blinking(self) -> None:
        self._still_id = ""
        self.text.configure(insertofftime=0)

    def _on_label(self, step: str, event: tk.Event[tk.Label]) -> None:
        """Pass a click on a label to the text field beneath it, which pastes or shows its menu."""
        x, y = event.x + event.widget.winfo_x(), event.y + event.widget.winfo_y()
        self.text.event_generate(step, x=x, y=y, rootx=event.x_root, rooty=event.y_root)

    def _on_return(self, event: tk.Event[tk.Text]) -> str | None:
        if int(event.state) & 0x1:  # Shift+Return inserts a line break
            return None
        self._submit()
        return "break"

    def _on_tab(self, event: tk.Event[tk.Text]) -> str:
        """Complete a name, with the next candidate when pressed again; an empty message input hands the focus on."""
        if self._aside is not None:
            self._leave()
            return "break"
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
        if self._aside is not None:
            return "break"
        if int(event.state) & 0x1 or self.text.compare("insert display linestart", ">", "1.0"):
            return None
        return self._show_from_history(self._history.older(self.draft))

    def _on_down(self, event: tk.Event[tk.Text]) -> str | None:
        if self._aside is not None:
            return "break"
        if int(event.state) & 0x1 or self.text.compare("insert display lineend", "<", "end-1c"):
            return None
        return self._show_from_history(self._history.newer(self.draft))

    def _show_from_history(self, found: str | None) -> str:
        if found is not None:
            self.draft = found
        return "break"

    def _on_modified(self, event: tk.Event[tk.Text]) -> None:
        self.text.edit_modified(False)
        self._undone = None
        self._show_placeholder()
        self.fit()

    def _paste(self, selection: str) -> str:
        """Paste over the selection, which Tk does not do on X11."""
        # Not `clipboard_get`: Tk 8.6 reads in pieces of 4,000 bytes there, and breaks the character between two pieces.
        with contextlib.suppress(tk.TclError):  # nothing to paste
            pasted: str = self.text.selection_get(selection=selection)  # type: ignore[no-untyped-call]
            self.insert(pasted.replace("\r\n", "\n"))
        return "break"

    def _on_paste_selection(self, event: tk.Event[tk.Text]) -> str:
        """Paste what is selected anywhere on X11 where the user clicks, unless the mouse has moved to scroll."""
        moved = self.text.tk.eval("expr {[info exists tk::Priv(mouseMoved)] && $tk::Priv(mouseMoved)}")
        if self.text.getboolean(moved):
            return "break"
        with contextlib.suppress(tk.TclError):  # nothing to paste
            pasted: str = self.text.selection_get(selection="PRIMARY")  # type: ignore[no-untyped-call]
            self.text.tag_remove("sel", "1.0", "end")  # the text may be selected here: it is pasted, not replaced
            self.text.mark_set("insert", f"@{event.x},{event.y}")
            self.insert(pasted.replace("\r\n", "\n"))
        self.text.focus_set()
        return "break"

    def _on_undo(self, event: tk.Event[tk.Text]) -> str | None:
        """Take a draft that is kept aside away; what was written before it is still there."""
        if self._aside is None:
            return None
        undone = self._aside
        self._keep_aside(None)
        self._undone = undone
        self._show_placeholder()
        return "break"

    def _on_redo(self, event: tk.Event[tk.Text]) -> str | None:
        if self._undone is None:
            return None
        self._keep_aside(self._undone)
        return "break"

    def _on_copy(self, is_cut: bool) -> str | None:
        """Copy a draft that is kept aside, whole; Tk copies what is selected otherwise."""
        if self._aside is None:
            return None
        self.text.clipboard_clear()
        self.text.clipboard_append(self.draft)
        if is_cut:
            self.draft = ""
        return "break"
