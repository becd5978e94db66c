"""The conversation: a read-only text of all entries, to read, select, copy and search.

Main thread only. Entries are collected by `add` and drawn by `flush`, a batch with one call of Tk.
"""

from __future__ import annotations

import bisect
import itertools
import re
import time
import tkinter as tk
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from tkinter import font as tkfont
from tkinter import ttk
from typing import Any

from lan_chat.client.composing import BEYOND, whole_letters, without_beyond
from lan_chat.client.desktop import draws_every_letter
from lan_chat.client.entries import Entry, Kind, find_links
from lan_chat.client.palette import HUES, Palette, hue_of, name_colour
from lan_chat.client.words import ClientWords

MAX_ENTRIES = 12_000
"""The most entries that are kept, messages and notices; the oldest are dropped."""
MAX_CHARACTERS = 16 * 1024 * 1024
"""The most characters of entries that are kept, for the case of very long messages."""
MAX_LINES = 100_000
"""The most lines to scroll back through: each takes some 200 bytes, however short it is."""
MAX_FOUND = 1000
"""How many matches a search highlights at once, the latest ones; it counts and visits all."""

PLACE_MS = 30
"""How long after the view has changed it is looked at whether the end is in view."""


@dataclass
class Block:
    """How much of the text one entry, rule or left-off marker takes up."""

    lines: int
    characters: int
    is_entry: bool


class Conversation:
    """The text of all entries, with the pending messages at its end."""

    def __init__(self, parent: ttk.Frame, words: ClientWords, open_link: Callable[[str], object]) -> None:
        self._words = words
        self._open_link = open_link
        self._entries: deque[Entry] = deque()
        self._blocks: deque[Block] = deque()
        """The blocks of the text, from its first line on."""
        self._marker = Block(0, 0, is_entry=False)
        self._characters = 0
        self._lines = 0
        self._waiting: list[str | tuple[str, ...]] = []
        """What `flush` will insert: texts and their tags, alternating."""
        self.waiting_characters = 0
        """How many characters of entries `flush` will insert."""
        self._pending: list[tuple[str, str, bool]] = []
        self._is_pending_stale = False
        self._last_day = time.strftime("%Y-%m-%d")
        self._unseen = 0
        self._undrawn: dict[str, str] = {}
        """The characters that this Tk cannot draw, by the tag of the □ drawn instead, oldest first."""
        self._undrawn_numbers = itertools.count()
        self._is_at_end = True
        self.last_link = ""

        self.frame = ttk.Frame(parent)
        self.frame.columnconfigure(0, weight=1)
        self.frame.rowconfigure(0, weight=1)
        self.text = tk.Text(self.frame, width=80, height=25, wrap="word", state="disabled")
        self.text.configure(font="TkTextFont", relief="flat", borderwidth=0, padx=8, pady=6, spacing3=3)
        self.text.mark_set("pending", "1.0")
        self._can_draw_all = draws_every_letter(self.text.winfo_toplevel())
        self._counts_halves = int(self.text.tk.call("string", "length", "\U0001f600")) == 2
        """Whether this Tk counts a non-BMP character as two, as before Tk 9."""
        self._scrollbar = scrollbar = ttk.Scrollbar(self.frame, command=self.text.yview)
        self._place_id = ""
        self.text.configure(yscrollcommand=self._on_view)
        self.text.bind("<Destroy>", lambda event: self.text.after_cancel(self._place_id) if self._place_id else None)
        self.text.grid(row=0, column=0, sticky="nsew")
        scrollbar.grid(row=0, column=1, sticky="ns")
        self.button = ttk.Button(self.text, command=self.show_latest, takefocus=False, style="New.TButton")
        self.name_font = tkfont.Font(self.text, font="TkTextFont")

        # A disabled text takes no focus by itself, and Ctrl+C would copy nothing.
        self.text.bind("<Button-1>", lambda event: self.text.focus_set())
        self.text.bind("<Configure>", lambda event: self._follow())
        self.text.bind("<<Copy>>", self._on_copy)
        self.text.tag_bind("link", "<ButtonRelease-1>", self._on_link)
        for tag in ("link", "action"):
            self.text.tag_bind(tag, "<Enter>", lambda event: self.text.configure(cursor="hand2"))
            self.text.tag_bind(tag, "<Leave>", lambda event: self.text.configure(cursor="xterm"))

    def apply_theme(self, palette: Palette) -> None:
        """Apply the colours of a theme, and the current font sizes."""
        text = self.text
        self.name_font.configure(**tkfont.nametofont("TkTextFont", root=text).actual())
        self.name_font.configure(weight="bold")
        indent = tkfont.nametofont("TkTextFont", root=text).measure("00:00  ")
        text.configure(background=palette.paper, foreground=palette.text, insertbackground=palette.text)
        text.configure(
            selectbackground=palette.accent, selectforeground=palette.paper, inactiveselectbackground=palette.accent
        )
        text.configure(highlightthickness=1, highlightbackground=palette.paper, highlightcolor=palette.accent)
        for hue in range(HUES):
            colour = name_colour(hue, palette)
            text.tag_configure(f"hue-{hue}", foreground=colour, font=self.name_font, lmargin2=indent)
        styles: dict[str, dict[str, Any]] = {
            "time": {"foreground": palette.quiet, "lmargin2": indent},
            "text": {"foreground": palette.text, "lmargin1": indent, "lmargin2": indent},
            "notice": {"foreground": palette.quiet, "lmargin1": indent, "lmargin2": indent},
            "error": {"foreground": palette.error, "lmargin1": indent, "lmargin2": indent},
            "announcement": {
                "foreground": palette.accent,
                "font": self.name_font,
                "lmargin1": indent,
                "lmargin2": indent,
            },
            "pending": {"foreground": palette.quiet, "lmargin1": indent, "lmargin2": indent},
            "day": {"foreground": palette.quiet, "justify": "center"},
            "marker": {"foreground": palette.error, "justify": "center"},
            "mention": {"background": palette.mention},
            "link": {"foreground": palette.accent, "underline": True},
            "action": {"foreground": palette.accent, "underline": True, "lmargin2": indent},
            "found": {"background": palette.found, "foreground": palette.text},
            "current": {"background": palette.accent, "foreground": palette.paper},
        }
        for name, style in styles.items():
            text.tag_configure(name, **style)
        for name in ("link", "action", "found", "current", "sel"):  # of two styles on one text the later one counts
            text.tag_raise(name)

    def set_language(self, words: ClientWords) -> None:
        """Change the language; entries that were added keep theirs."""
        self._words = words
        self._is_pending_stale = True
        self._show_unseen()

    # Adding and showing.

    def add(self, entry: Entry, is_news: bool = False) -> None:
        """Add an entry, drawn by the next `flush`; news counts as unseen while the user has scrolled up."""
        local = time.localtime(entry.time)
        day = time.strftime("%Y-%m-%d", local)
        lines, size = 1 + entry.text.count("\n"), len(entry.text)
        if day != self._last_day:
            self._last_day = day
            self._waiting += [f"— {time.strftime(self._words.day, local)} —\n", ("day",)]
            lines += 1
        marked = ("mention",) if entry.is_mention else ()
        self._waiting += [f"{time.strftime('%H:%M', local)}  ", ("time", *marked)]
        if entry.speaker:
            style = f"hue-{hue_of(entry.speaker)}" if entry.kind is Kind.MESSAGE else entry.kind.value
            self._add_text(f"{entry.speaker}: ", style, *marked)
        if "://" in entry.text:
            self._add_linked(entry.text, entry.kind.value, *marked)
        else:
            self._add_text(entry.text, entry.kind.value, *marked)
        self._waiting += ["\n", (entry.kind.value, *marked)]
        self._entries.append(entry)
        self._blocks.append(Block(lines, size, is_entry=True))
        self._characters += size
        self._lines += lines
        self.waiting_characters += size
        if is_news and not self._is_at_end:
            self._unseen += 1

    def add_rule(self, text: str) -> None:
        """Add a rule: a centred line with a text."""
        self._waiting += [f"— {text} —\n", ("day",)]
        self._blocks.append(Block(1, 0, is_entry=False))

    def mark_left_off(self) -> None:
        """Move the left-off marker, the line that shows how far the user has read, to the end."""
        self.flush()
        self._change(self._remove_marker)
        self._marker = Block(1, 0, is_entry=False)
        self._blocks.append(self._marker)
        self._waiting += [f"——  {self._words.left_off}  ——\n", ("marker",)]

    def set_pending(self, pending: list[tuple[str, str, bool]]) -> None:
        """Set the pending messages, shown at the end: speaker, text, and whether the message has failed.

        Failed ones have tags `again-N` and `discard-N`, N their index in the list, for `pending_action_at`.
        """
        self._pending = pending
        self._is_pending_stale = True

    def flush(self) -> None:
        """Draw the entries added since the last time, all with one call of Tk."""
        if self._waiting or self._is_pending_stale:
            self._change(self._draw)
        self._follow()
        self._show_unseen()

    def note_place(self) -> None:
        """Note whether the end is in view. Not by `yview`: after a change of width it is wrong for a while."""
        if self.text.winfo_viewable():
            last_line = self.text.dlineinfo("end-2c")
            self._is_at_end = last_line is not None and last_line[1] + last_line[3] <= self.text.winfo_height()
        if self._is_at_end and self._unseen:
            self._unseen = 0
            self._show_unseen()

    def show_latest(self) -> None:
        """Scroll to the end, and follow it from now on."""
        self._is_at_end = True
        self._unseen = 0
        self._follow()
        self._show_unseen()

    # Reading, selecting and searching.

    def as_text(self) -> str:
        """Return all entries as the content of a text file."""
        return "".join(entry.as_lines() for entry in self._entries)

    def selected(self) -> str:
        """Return the selected text, with the characters that could not be drawn; empty without a selection."""
        return self._read("sel.first", "sel.last") if self.text.tag_ranges("sel") else ""

    def copy(self) -> None:
        """Copy the selected text to the clipboard."""
        if selected := self.selected():
            self.text.clipboard_clear()
            self.text.clipboard_append(selected)

    def select_all(self) -> None:
        """Select everything."""
        self.text.tag_add("sel", "1.0", "end-1c")
        self.text.focus_set()

    def find(self, wanted: str, is_backwards: bool) -> tuple[int, int]:
        """Highlight a text's matches, show the next one in a direction; return its number and how many there are."""
        self.forget_found()
        # Not with Tk's own search: Tk 8.6.13 crashes in a case-insensitive search where there are emoji.
        shown = whole_letters(self.text.get("1.0", "end-1c"))
        places = [match.span() for match in re.finditer(re.escape(wanted), shown, re.IGNORECASE)] if wanted else []
        if not places:
            return 0, 0
        for start, end in self._indices(shown, places[-MAX_FOUND:]):
            self.text.tag_add("found", start, end)
        number = -1 if is_backwards else 0
        if self._has_place():
            place = len(whole_letters(self.text.get("1.0", "place")))
            if is_backwards:
                number = bisect.bisect_left(places, (place,)) - 1
            else:
                number = bisect.bisect_left(places, (place + 1,))
        number %= len(places)  # before the first match comes the last
        start, end = next(self._indices(shown, [places[number]]))
        self.text.mark_set("place", start)
        self.text.tag_add("current", start, end)
        self._is_at_end = False
        self.text.see(start)
        return number + 1, len(places)

    def forget_found(self, is_over: bool = False) -> None:
        """Remove the highlights of `find`; where the search is over, also its position."""
        self.text.tag_remove("found", "1.0", "end")
        self.text.tag_remove("current", "1.0", "end")
        if is_over and self._has_place():
            self.text.mark_unset("place")

    def link_at(self, index: str) -> str:
        """Return the link at an index of the text; empty where there is none."""
        if "link" not in self.text.tag_names(index):
            return ""
        return self._read(*self.text.tag_prevrange("link", f"{index}+1c"))

    def pending_action_at(self, index: str) -> tuple[str, int] | None:
        """Return the action at an index, `again` or `discard`, and the number of its pending message; None for none."""
        for tag in self.text.tag_names(index):
            action, _, number = tag.partition("-")
            if action in ("again", "discard"):
                return action, int(number)
        return None

    def _add_linked(self, text: str, *tags: str) -> None:
        end = 0
        for start, stop in find_links(text):
            self._add_text(text[end:start], *tags)
            self._add_text(text[start:stop], *tags, "link")
            self.last_link = text[start:stop]
            end = stop
        self._add_text(text[end:], *tags)

    def _add_text(self, text: str, *tags: str) -> None:
        if self._can_draw_all or text.isascii() or not BEYOND.search(text):
            self._waiting += [text, tags]
            return
        for piece in BEYOND.split(text):
            if piece and ord(piece[0]) > 0xFFFF:
                name = f"undrawn-{next(self._undrawn_numbers)}"
                self._undrawn[name] = piece
                self._waiting += [without_beyond(piece), (*tags, name)]
            else:
                self._waiting += [piece, tags]

    def _change(self, step: Callable[[], None]) -> None:
        """Run a step that changes the text, which is read-only otherwise."""
        self.text.configure(state="normal")
        try:
            step()
        finally:
            self.text.configure(state="disabled")

    def _remove_marker(self) -> None:
        for first in self.text.tag_ranges("marker")[:1]:
            self.text.delete(first, f"{first} lineend+1c")
        self._marker.lines = 0

    def _draw(self) -> None:
        text = self.text
        text.delete("pending", "end-1c")
        waiting, self._waiting, self.waiting_characters = self._waiting, [], 0
        if waiting:
            text.insert("pending", *waiting)  # type: ignore[arg-type]  # texts and tags, alternating
        self._drop_oldest()
        place = text.index("pending")
        self._is_pending_stale = False
        when = time.strftime("%H:%M  ")
        for number, (speaker, said, has_failed) in enumerate(self._pending):
            pending = f"{speaker}: {said}"
            pending = pending if self._can_draw_all else without_beyond(pending)
            text.insert("end-1c", when, ("time",), pending, ("pending",))
            if has_failed:
                again, discard = ("action", f"again-{number}"), ("action", f"discard-{number}")
                text.insert("end-1c", f"  ({self._words.not_sent})  ", ("error",), self._words.send_again, again)
                text.insert("end-1c", "  ", ("error",), self._words.discard, discard)
            else:
                text.insert("end-1c", " …", ("pending",))
            text.insert("end-1c", "\n", ("pending",))
        text.mark_set("pending", place)

    @property
    def _is_too_large(self) -> bool:
        return self._characters > MAX_CHARACTERS or self._lines > MAX_LINES

    def _drop_oldest(self) -> None:
        lines = 0
        while len(self._entries) > MAX_ENTRIES or (self._is_too_large and len(self._entries) > 1):
            block = self._blocks.popleft()
            lines += block.lines
            self._characters -= block.characters
            if block.is_entry:
                self._entries.popleft()
                self._lines -= block.lines
        if lines:
            self.text.delete("1.0", f"{lines + 1}.0")
            for name in list(itertools.takewhile(lambda name: not self.text.tag_ranges(name), self._undrawn)):
                self.text.tag_delete(name)
                del self._undrawn[name]

    def _follow(self) -> None:
        """Keep the end in view, unless the user has scrolled up."""
        if self._is_at_end:
            self.text.see("end")

    def _show_unseen(self) -> None:
        if self._unseen:
            count = self._words.new_message if self._unseen == 1 else self._words.new_messages
            self.button.configure(text=count.format(count=self._unseen))
            self.button.place(relx=0.5, rely=1.0, y=-8, anchor="s")
        else:
            self.button.place_forget()

    def _read(self, first: str, last: str) -> str:
        """Return a part of the text, with the characters that could not be drawn in place of their □."""
        parts = []
        undrawn, begun = "", 0  # a part may begin and end within a run of □
        for name in self.text.tag_names(first):
            if name in self._undrawn:
                undrawn, begun = self._undrawn[name], len(self.text.get(self.text.tag_ranges(name)[0], first))
        for kind, value, _ in self.text.dump(first, last, tag=True, text=True):
            if kind == "tagon" and value in self._undrawn:
                undrawn, begun = self._undrawn[value], 0
            elif kind == "tagoff" and value in self._undrawn:
                undrawn = ""
            elif kind == "text":
                parts.append(undrawn[begun : begun + len(value)] if undrawn else value)
                begun += len(value)
        return whole_letters("".join(parts))

    def _indices(self, shown: str, places: Iterable[tuple[int, int]]) -> Iterator[tuple[str, str]]:
        """Yield spans of the shown text as Tk's indices; the spans are in order, and none contains a line break."""
        line, begun = 1, 0
        for start, end in places:
            line += shown.count("\n", begun, start)
            begun = max(begun, shown.rfind("\n", begun, start) + 1)
            before, found = shown[begun:start], shown[start:end]
            if self._counts_halves:
                first, length = len(before.encode("utf-16-le")) // 2, len(found.encode("utf-16-le")) // 2
            else:
                first, length = len(before), len(found)
            yield f"{line}.{first}", f"{line}.{first + length}"

    def _on_view(self, first: float, last: float) -> None:
        """Note the place a moment after the view has changed: not within a change of what is to be followed."""
        self._scrollbar.set(first, last)
        if not self._place_id:
            self._place_id = self.text.after(PLACE_MS, self._on_place)

    def _on_place(self) -> None:
        self._place_id = ""
        self.note_place()

    def _has_place(self) -> bool:
        return "place" in self.text.mark_names()

    def _on_copy(self, event: tk.Event[tk.Text]) -> str:
        self.copy()
        return "break"

    def _on_link(self, event: tk.Event[tk.Text]) -> None:
        link = self.link_at(f"@{event.x},{event.y}")
        if link and not self.text.tag_ranges("sel"):  # the user may select a link without opening it
            self._open_link(link)
