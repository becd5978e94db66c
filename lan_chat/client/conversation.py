"""The conversation: a read-only text of all entries, to read, select, copy and search.

Main thread only. Entries are collected by `add` and drawn by `flush`, a batch with one call of Tk.
"""

from __future__ import annotations

import time
import tkinter as tk
from collections.abc import Callable
from tkinter import font as tkfont
from tkinter import ttk

from lan_chat.client.blocks import Block, belongs_to, can_fold, day_of, pending_blocks
from lan_chat.client.desktop import draws_every_letter
from lan_chat.client.discs import Overlay, ground_of
from lan_chat.client.drawn_text import DrawnText
from lan_chat.client.entries import Entry, find_links, target_of
from lan_chat.client.entry_layout import MAX_LINKS
from lan_chat.client.finding import Finder, Found
from lan_chat.client.palette import PALETTES, Palette
from lan_chat.client.text_styles import WRAPPED, Fonts, text_styles
from lan_chat.client.words import ClientWords

MAX_ENTRIES = 12_000
"""The most entries that are kept, messages and notices; the oldest are dropped."""
MAX_CHARACTERS = 16 * 1024 * 1024
"""The most characters of entries that are kept, for the case of very long messages."""
MAX_LINES = 100_000
"""The most lines to scroll back through: each takes some 200 bytes, however short it is."""
EXPAND_COST, EXPAND_MS = 8_000, 20
"""How much more of a long text is drawn at once where the user wants all of it, and the pause before the next part."""
BUSY_COST, BUSY_DECORATE_MS = 1_500, 200
"""How much at once is a flood, in which the discs follow the text a little later: moving them keeps X busy."""
PLACE_MS = 30
"""How long after the view has changed it is looked at whether the end is in view."""
MAX_ROW_CHARACTERS = 90
"""How long a row of text may be in a wide window: longer ones are hard to read."""


class Conversation:
    """The text of all entries, with the pending messages at its end."""

    def __init__(self, parent: ttk.Frame, words: ClientWords, open_link: Callable[[str], object]) -> None:
        self._words = words
        self._open_link = open_link
        self._palette = PALETTES["light"]
        self._entries = 0
        self._characters = 0
        self._lines = 0
        self._changed: list[Block] = []
        """Drawn blocks to which an arrival or a departure was added since."""
        self._marker: Block | None = None
        self.waiting_characters = 0
        """What `flush` will draw, by what that costs; one unit is what a plain character takes."""
        self._pending: list[tuple[str, str, bool]] = []
        self._is_pending_stale = False
        self._last_day = time.strftime("%Y-%m-%d")
        self._unseen = 0
        self._is_at_end = True
        self._is_busy = False
        """Whether so much comes that what lies on the text follows later."""
        self._is_held = False
        """Whether the user holds a button of the mouse down here."""
        self._was_at_end = False
        """Whether the end was in view when the button went down, and is to be again."""
        self._unit = 1.0
        self._right = 0
        self._later_ids: dict[str, str] = {}
        """What Tk is to call later, for which the window may be gone by then."""

        self.frame = ttk.Frame(parent)
        self.frame.columnconfigure(0, weight=1)
        self.frame.rowconfigure(0, weight=1)
        self.text = tk.Text(self.frame, width=80, height=25, wrap="word", state="disabled")
        self.text.configure(font="TkTextFont", relief="flat", borderwidth=0, padx=0, pady=0)
        self._scrollbar = ttk.Scrollbar(self.frame, command=self.text.yview)
        self.text.configure(yscrollcommand=self._on_scrolled)
        self.text.grid(row=0, column=0, sticky="nsew")
        self._scrollbar.grid(row=0, column=1, sticky="ns")
        self.button = ttk.Button(self.text, command=self.show_latest, takefocus=False, style="New.TButton")
        self.name_font = tkfont.Font(self.text, font="TkTextFont")
        self.small_font = tkfont.Font(self.text, font="TkTextFont")
        self._drawn = DrawnText(self.text, words, draws_all=draws_every_letter(self.text.winfo_toplevel()))
        self._finder = Finder(self._drawn)
        self._overlay = Overlay(self.text, self._drawn)
        self._time = tk.Label(self.text, borderwidth=0, padx=4, pady=0)
        """The time of the message under the pointer."""

        # A disabled text takes no focus by itself, and Ctrl+C would copy nothing.
        self.text.bind("<ButtonPress-1>", self._on_press)
        self.text.bind("<ButtonRelease-1>", self._on_release)
        self.text.bind("<Configure>", self._on_configure)
        self.text.bind("<Visibility>", lambda event: self._decorate_later())
        self.text.bind("<<Copy>>", self._on_copy)
        self.text.bind("<Motion>", self._on_motion)
        self.text.bind("<Destroy>", self._on_destroy)
        self.text.bind("<Leave>", lambda event: self._time.place_forget())
        self.text.tag_bind("link", "<ButtonRelease-1>", self._on_link)
        self.text.tag_bind("expand", "<ButtonRelease-1>", self._on_expand)
        for tag in ("link", "action"):
            self.text.tag_bind(tag, "<Enter>", lambda event: self.text.configure(cursor="hand2"))
            self.text.tag_bind(tag, "<Leave>", lambda event: self.text.configure(cursor="xterm"))

    def apply_theme(self, palette: Palette) -> None:
        """Apply the colours of a theme, and the current font sizes."""
        self._palette = palette
        text = self.text
        usual = tkfont.nametofont("TkTextFont", root=text)
        for font in (self.name_font, self.small_font):
            font.configure(**usual.actual())
        self.name_font.configure(weight="bold")
        self.small_font.configure(size=max(8, int(usual.actual("size")) - 2))
        row = min(usual.metrics("linespace"), self.name_font.metrics("linespace"))
        self._unit = unit = row / 18
        text.configure(background=palette.paper, foreground=palette.text, insertbackground=palette.text)
        text.configure(
            selectbackground=palette.accent, selectforeground=palette.paper, inactiveselectbackground=palette.accent
        )
        text.configure(highlightthickness=1, highlightbackground=palette.paper, highlightcolor=palette.accent)
        for name, style in text_styles(palette, Fonts(str(self.name_font), str(self.small_font)), unit).items():
            text.tag_configure(name, **style)
            text.tag_raise(name)  # of two styles on one text the later one counts
        text.tag_raise("sel")
        self._time.configure(font=self.small_font, foreground=palette.quiet, background=palette.paper)
        fonts_on_top = str(self.name_font), str(self.small_font)
        self._overlay.apply_theme(palette, diameter=round(1.75 * row), unit=unit, fonts=fonts_on_top)
        self._bound_rows()
        self._decorate()

    def set_language(self, words: ClientWords) -> None:
        """Change the language; entries that were added keep theirs."""
        self._words = self._drawn.words = words
        self._is_pending_stale = True
        self._show_unseen()

    # Adding and showing.

    def add(self, entry: Entry, is_news: bool = False) -> None:
        """Add an entry, drawn by the next `flush`; news counts as unseen while the user has scrolled up."""
        if entry.is_own:
            self._remove_marker()
        day = day_of(entry)
        before = self._drawn.blocks[-1] if self._drawn.blocks else None
        block = Block([entry])
        if day != self._last_day:
            self._last_day = day
            block.day = f"— {time.strftime(self._words.day, time.localtime(entry.time))} —"
        elif before is not None and can_fold(entry, before):
            before.entries.append(entry)
            before.searched = 0
            if before.lines and before not in self._changed:
                self._changed.append(before)
            block = before
        if entry.speaker and block is not before:
            block.has_header = bool(block.day) or not belongs_to(entry, before)
            block.group_time = entry.time if block.has_header or before is None else before.group_time
        if block is not before:
            self._drawn.append(block)
            self.waiting_characters += block.cost(self._drawn.draws_all)
        self._entries += 1
        self._characters += len(entry.text)
        self._lines += 1 + entry.text.count("\n")
        if is_news and not self._is_at_end:
            self._unseen += 1

    def add_rule(self, text: str) -> None:
        """Add a rule: a centred line with a text."""
        self._drawn.append(Block(rule=f"— {text} —"))

    def mark_left_off(self) -> None:
        """Move the left-off marker, the line that shows how far the user has read, to the end."""
        self._remove_marker()
        self._marker = Block(rule=f"——  {self._words.left_off}  ——", is_marker=True)
        self._drawn.append(self._marker)

    def set_pending(self, pending: list[tuple[str, str, bool]]) -> None:
        """Set the pending messages, shown at the end: speaker, text, and whether the message has failed.

        Failed ones have tags `again-N` and `discard-N`, N their index in the list, for `pending_action_at`.
        """
        if len(pending) > len(self._pending):
            self._remove_marker()
        self._pending = pending
        self._is_pending_stale = True

    def flush(self) -> None:
        """Draw the entries added since the last time, all with one call of Tk."""
        if self._drawn.has_undrawn or self._is_pending_stale or self._changed:
            for block in self._changed:
                self._drawn.redraw(block)
            self._changed.clear()
            self._drop_oldest()
            self._drawn.draw()
            self._is_busy = self.waiting_characters > BUSY_COST
            self.waiting_characters = 0
            if self._is_pending_stale or self._drawn.pending:
                self._show_pending()
            self._decorate_later()
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
        return "".join(entry.as_lines() for block in self._drawn.blocks for entry in block.entries)

    def read(self, first: str = "1.0", last: str = "end-1c") -> str:
        """Return what is between two indices as it is copied: each message with its time and name, and whole."""
        return self._drawn.read(first, last)

    def selected(self) -> str:
        """Return the selected text as it is copied; empty without a selection."""
        return self.read("sel.first", "sel.last") if self.text.tag_ranges("sel") else ""

    def copy(self) -> None:
        """Copy the selected text to the clipboard."""
        if selected := self.selected():
            self.text.clipboard_clear()
            self.text.clipboard_append(selected)

    def select_all(self) -> None:
        """Select everything."""
        self.text.tag_add("sel", "1.0", "end-1c")
        self.text.focus_set()

    def find(self, wanted: str, is_backwards: bool | None) -> Found:
        """Highlight a text's matches, and show the next one in a direction, if any; for a bounded time.

        Where the search is not complete, the next call with the same text goes on.
        """
        found, index = self._finder.find(wanted, is_backwards)
        if index:
            self._is_at_end = False
            self.text.see(index)
        return found

    def forget_found(self, is_over: bool = False) -> None:
        """Remove the highlights of `find`; where the search is over, also its position."""
        self._finder.unmark()
        if is_over:
            self._finder.forget()

    def link_at(self, index: str) -> str:
        """Return what the link at an index of the text opens; empty where there is none."""
        block = self._drawn.block_at(index) if "link" in self.text.tag_names(index) else None
        if block is None:
            return ""
        offset = self._drawn.text_offset(block, index)
        links = find_links(block.entry.text)[:MAX_LINKS]
        return next((target_of(block.entry.text[start:end]) for start, end in links if start <= offset < end), "")

    @property
    def last_link(self) -> str:
        """What the last link of the conversation opens; empty where there is none."""
        for block in reversed(self._drawn.blocks):
            for entry in reversed(block.entries):
                if links := find_links(entry.text):
                    start, end = links[-1]
                    return target_of(entry.text[start:end])
        return ""

    def pending_action_at(self, index: str) -> tuple[str, int] | None:
        """Return the action at an index, `again` or `discard`, and the number of its pending message; None for none."""
        for tag in self.text.tag_names(index):
            action, _, number = tag.partition("-")
            if action in ("again", "discard"):
                return action, int(number)
        return None

    def _remove_marker(self) -> None:
        if self._marker is not None:
            marker, self._marker = self._marker, None
            self._drawn.draw()
            self._drawn.remove(marker)

    def _show_pending(self) -> None:
        """Draw the pending messages, if anything about them has changed."""
        before = self._drawn.blocks[-1] if self._drawn.blocks else None
        pending, actions = pending_blocks(self._pending, before, self._words)
        if self._is_pending_stale or [block.has_header for block in pending] != [
            block.has_header for block in self._drawn.pending
        ]:
            self._drawn.show_pending(pending, actions)
        self._is_pending_stale = False

    def _drop_oldest(self) -> None:
        count = 0
        blocks = iter(self._drawn.blocks)
        while self._entries > MAX_ENTRIES or (
            self._entries > 1 and (self._characters > MAX_CHARACTERS or self._lines > MAX_LINES)
        ):
            block = next(blocks)
            count += 1
            for entry in block.entries:
                self._entries -= 1
                self._characters -= len(entry.text)
                self._lines -= 1 + entry.text.count("\n")
            if block is self._marker:
                self._marker = None
        if count:
            self._drawn.drop(count)

    def _follow(self) -> None:
        """Keep the end in view, unless the user has scrolled up, or is about to select something."""
        if self._is_at_end and not self._is_held:
            self.text.see("end")

    def _show_unseen(self) -> None:
        if self._unseen:
            count = self._words.new_message if self._unseen == 1 else self._words.new_messages
            self.button.configure(text=count.format(count=self._unseen))
            self.button.place(relx=0.5, rely=1.0, y=-round(8 * self._unit), anchor="s")
        else:
            self.button.place_forget()

    # What depends on what is in view.

    def _bound_rows(self) -> None:
        """Keep rows of text short enough to be read, however wide the window is."""
        unit = self._unit
        longest = round(56 * unit) + MAX_ROW_CHARACTERS * tkfont.nametofont("TkTextFont", root=self.text).measure("n")
        right = max(round(16 * unit), self.text.winfo_width() - longest)
        if right != self._right:
            self._right = right
            for tag in WRAPPED:
                self.text.tag_configure(tag, rmargin=right)

    def _decorate_later(self) -> None:
        if "decorate" not in self._later_ids:
            self._later_ids["decorate"] = self.text.after(BUSY_DECORATE_MS if self._is_busy else "idle", self._decorate)

    def _decorate(self) -> None:
        """Show what lies on the text in view."""
        self._later_ids.pop("decorate", None)
        if not self.text.winfo_viewable():
            return
        self._overlay.show()

    def _on_scrolled(self, first: float, last: float) -> None:
        self._scrollbar.set(first, last)
        self._time.place_forget()
        self._decorate_later()
        if "place" not in self._later_ids:  # not within a change of what is to be followed
            self._later_ids["place"] = self.text.after(PLACE_MS, self._on_place)

    def _on_place(self) -> None:
        self._later_ids.pop("place", None)
        self.note_place()

    def _on_configure(self, event: tk.Event[tk.Text]) -> None:
        self._bound_rows()
        self._follow()
        self._decorate_later()

    def _on_motion(self, event: tk.Event[tk.Text]) -> None:
        """Show the time of the message under the pointer."""
        if self._is_held and not int(event.state) & 0x100:  # the button is up: its release went elsewhere, to a menu
            self._on_release(event)
        index = self.text.index(f"@{event.x},{event.y}")
        block, row = self._drawn.block_at(index), self.text.dlineinfo(index)
        if block is None or row is None or not block.entries or not row[1] <= event.y < row[1] + row[3]:
            self._time.place_forget()
            return
        when = time.strftime("%H:%M", time.localtime(block.entry.time))
        self._time.configure(text=when, background=ground_of(block.entry, self._palette))
        self._time.place(relx=1.0, x=-4, y=row[1], height=row[3], anchor="ne", bordermode="outside")

    def _on_destroy(self, event: tk.Event[tk.Text]) -> None:
        for later_id in self._later_ids.values():
            self.text.after_cancel(later_id)
        self._later_ids.clear()

    def _on_press(self, event: tk.Event[tk.Text]) -> None:
        self._is_held, self._was_at_end = True, self._is_at_end
        self.text.focus_set()

    def _on_release(self, event: tk.Event[tk.Text]) -> None:
        self._is_held = False
        if self._was_at_end and "release" not in self._later_ids:  # not before what is clicked has been looked at
            self._later_ids["release"] = self.text.after_idle(self._follow_again)

    def _follow_again(self) -> None:
        """Follow the end again after a click that selected nothing, whatever has come while the button was held."""
        self._later_ids.pop("release", None)
        if self._was_at_end and not self.text.tag_ranges("sel"):
            self.show_latest()

    def _on_copy(self, event: tk.Event[tk.Text]) -> str:
        self.copy()
        return "break"

    def _on_link(self, event: tk.Event[tk.Text]) -> None:
        link = self.link_at(f"@{event.x},{event.y}")
        if link and not self.text.tag_ranges("sel"):  # the user may select a link without opening it
            self._open_link(link)

    def _on_expand(self, event: tk.Event[tk.Text]) -> None:
        block = self._drawn.block_at(f"@{event.x},{event.y}")
        if block is not None and block.entries:
            self._is_at_end = self._was_at_end = False  # the reader goes on from there
            self._expand(block)

    def _expand(self, block: Block) -> None:
        """Draw more of a block, a bounded amount at once, until all of it is drawn."""
        if not block.lines:
            return  # dropped meanwhile
        block.budget += EXPAND_COST
        self._drawn.redraw(block)
        self._decorate_later()
        if block.layout(self._drawn.draws_all).shown < len(block.entry.text):
            self._later_ids["expand"] = self.text.after(EXPAND_MS, self._expand, block)
