"""The chat window: it connects the widgets with each other and with the session.

Main thread only, the one that runs Tk. Every DRAIN_MS the window takes the session's events out of their queue, for a
bounded time. `close` leaves the chat and destroys the root window; `Session.close`, called by the program, ends the
threads and the socket.
"""

from __future__ import annotations

import contextlib
import math
import queue
import time
import tkinter as tk
from collections.abc import Callable, Iterable
from pathlib import Path
from tkinter import filedialog, ttk
from typing import Literal

import protocol
from lan_chat.client.conversation import Conversation
from lan_chat.client.desktop import ask_for_attention, is_aqua, open_link, restore_geometry, set_urgency
from lan_chat.client.entries import Entry, Kind, mentions
from lan_chat.client.find_bar import FindBar
from lan_chat.client.message_input import MessageInput
from lan_chat.client.palette import PALETTES
from lan_chat.client.people import PeopleList
from lan_chat.client.session import Disconnected, Gap, LinkBroken, LinkRestored, NotSent, Rejected, Session, Taken
from lan_chat.client.settings import MAX_FONT_SIZE, MIN_FONT_SIZE, Settings, write_whole
from lan_chat.client.theme import set_font_sizes, style_widgets, usual_font_sizes
from lan_chat.client.words import LANGUAGES
from protocol import (
    Announcement,
    EndConn,
    Error,
    Event,
    Greeting,
    Joined,
    Left,
    Message,
    Notice,
    Quit,
    Refused,
    Say,
    Welcome,
)

DRAIN_MS = 30
"""How often the window polls for events; a person does not notice less."""
BUSY_DRAIN_MS = 5
"""The pause where more events wait than one drain may show: enough for a key in between."""
DRAIN_S = 0.010
"""The longest time that one drain takes events, so that a flood never freezes the window."""
DRAIN_CHARACTERS = 32 * 1024
"""The most text that one drain shows, since Tk takes long to lay text out."""
CLOSE_MS = 5000
"""How long the window stays after the server's `{end_conn}`; the sentence that announces it says five seconds."""
LANGUAGE_NAMES = {"it": "Italiano", "en": "English"}
"""Each language's own name, for the menu."""


class ChatWindow:
    """The conversation above, the message input below, and the list of people at the side. Main thread only."""

    def __init__(self, root: tk.Tk, session: Session, settings: Settings, name: str = "") -> None:
        self.wants_to_close = False
        """Set by a signal handler, which must not touch Tk."""
        self.settings = settings
        self._root = root
        self._session = session
        self._words = LANGUAGES[settings.language]
        self._offered_name = protocol.clean_text(name)  # the command line may contain anything
        """The name from the command line, until it has been asked for."""
        self._asked_name = ""
        """The name that was asked for, until the server answers."""
        self._name = ""
        self._pending: dict[int, str] = {}
        """Messages that the server has not confirmed yet, by nonce."""
        self._failed: list[str] = []
        """Messages that were not accepted, to be sent again or discarded by the user."""
        self._arrived_at = 0
        """The `id` of the last event before the user joined."""
        self._has_said_before = False
        """Whether events from before the user joined are shown, and the rule after them is not yet."""
        self._is_connected = True
        """Whether the session goes on, also while it reconnects."""
        self._retry_at: float | None = None
        """When the next attempt to reconnect begins, on the monotonic clock; None while the link works."""
        self._is_ending = False
        self._has_focus = True
        self._unread = 0
        self._build()
        self._drain_id = root.after(DRAIN_MS, self._drain)
        self._end_id = ""

    def close(self) -> None:
        """Leave the chat and destroy the window. Does not wait for the network: `Session.close` does."""
        self._session.quit()
        self._root.after_cancel(self._drain_id)
        if self._end_id:
            self._root.after_cancel(self._end_id)
        if self._root.state() == "normal":  # else it would be restored in the maximized size, but not maximized
            self.settings.geometry = self._root.geometry()
        self._root.destroy()

    def submit(self) -> None:
        """Act on the message input: ask for a name, send a message, or leave. What cannot be sent stays in it."""
        text = protocol.clean_text(self.message_input.draft)
        if isinstance(protocol.CONTROL_WORDS.get(text), Quit):
            self.close()
        elif not text.strip():
            self.message_input.draft = ""
        elif not self._is_connected:
            self._show_disconnected()
            self.conversation.show_latest()  # the answer is there, wherever the user was reading
        elif protocol.is_too_long(text):
            size, limit = len(text.encode()), protocol.MAX_MESSAGE_BYTES
            self._tell(self._words.draft_too_long.format(size=size, over=size - limit, limit=limit), Kind.ERROR)
            self.conversation.show_latest()
        elif self._name or self._session.is_bare:
            if self._say(text):  # else it stays, and an event that waits says why
                self.message_input.add_said(text)
                self.conversation.show_latest()
        elif not self._asked_name:  # else it is not known yet whether this is a name or a message
            self.message_input.draft = ""
            self._ask_for(text)

    def save(self) -> None:
        """Ask for a file, and save the conversation to it."""
        words = self._words
        chosen = filedialog.asksaveasfilename(
            parent=self._root,
            defaultextension=".txt",
            initialfile=time.strftime("chat-%Y-%m-%d.txt"),
            filetypes=[(words.text_files, "*.txt")],
        )
        if chosen:
            self.save_as(Path(chosen))

    def save_as(self, path: Path) -> None:
        """Save the conversation to a file, and show whether that succeeded."""
        try:
            write_whole(path, self.conversation.as_text())
            self._tell(self._words.saved.format(file=path))
        except OSError as error:
            self._tell(self._words.cannot_save.format(file=path, error=error.strerror or error), Kind.ERROR)
        self.conversation.show_latest()

    def send_again(self, number: int | None = None) -> None:
        """Send the failed messages again, or the one with this number."""
        chosen = self._failed[:] if number is None else self._failed[number : number + 1]
        for text in chosen:
            if not self._is_connected or not self._say(text):
                self._show_disconnected()
                break
            self._failed.remove(text)
        self._show_pending()

    def discard(self, number: int | None = None) -> None:
        """Discard the failed messages, or the one with this number."""
        del self._failed[slice(None) if number is None else slice(number, number + 1)]
        self._show_pending()

    def change_font_size(self, step: int) -> None:
        """Change the size of all text by `step` points; 0 for the system's own size."""
        size = self.settings.font_size or self._usual_sizes["TkTextFont"]
        self.settings.font_size = max(MIN_FONT_SIZE, min(MAX_FONT_SIZE, size + step)) if step else 0
        self._apply_theme()

    # Widgets, language and theme.

    def _build(self) -> None:
        root = self._root
        root.minsize(360, 240)
        root.protocol("WM_DELETE_WINDOW", self.close)
        root.columnconfigure(0, weight=1)
        root.rowconfigure(0, weight=1)
        self._frame = frame = ttk.Frame(root, padding=8)
        frame.grid(sticky="nsew")
        frame.columnconfigure(0, weight=1)
        frame.rowconfigure(1, weight=1)

        self.conversation = Conversation(frame, self._words, open_link)
        self.conversation.frame.grid(row=1, column=0, sticky="nsew")
        self.conversation.text.tag_bind("action", "<ButtonRelease-1>", self._on_pending_action)
        self.find_bar = FindBar(
            frame,
            find=self.conversation.find,
            forget_found=lambda: self.conversation.forget_found(is_over=True),
            leave=self._focus_input,
        )
        self.find_bar.frame.grid(row=0, column=0, columnspan=2, sticky="ew")
        self.find_bar.frame.grid_remove()
        # An original server does not send the names in the room, so the list appears with the first name.
        self.people = PeopleList(frame, self._address)
        frame.bind("<Configure>", lambda event: self.people.fit(event.width))

        bottom = ttk.Frame(frame, padding=(0, 8, 0, 0))
        bottom.grid(row=2, column=0, columnspan=2, sticky="ew")
        bottom.columnconfigure(0, weight=1)
        self.message_input = MessageInput(
            bottom, self.submit, self._leave_input, lambda: [name for name in self.people.names if name != self._name]
        )
        self.message_input.text.grid(row=0, column=0, sticky="ew")
        self.button = ttk.Button(bottom, command=self.submit)
        self.button.grid(row=0, column=1, sticky="n", padx=(8, 0))
        self.status = ttk.Label(bottom, style="Status.TLabel")
        self.status.grid(row=1, column=0, sticky="w", pady=(4, 0))
        self.retry_button = ttk.Button(bottom, command=self._session.retry)
        self.retry_button.grid(row=1, column=1, sticky="e", pady=(4, 0))
        self.retry_button.grid_remove()

        self._menu_choices = {
            "language": tk.StringVar(root, self.settings.language),
            "theme": tk.StringVar(root, self.settings.theme),
            "has_sound": tk.BooleanVar(root, self.settings.has_sound),
            "shows_people": tk.BooleanVar(root, self.settings.shows_people),
        }
        self._menus: list[tk.Menu] = []
        self._popup: tk.Menu | None = None
        self._usual_sizes = usual_font_sizes(root)
        self._set_language()
        self._apply_theme()
        self._bind_keys()
        restore_geometry(root, self.settings.geometry)
        self.message_input.text.focus_set()

    def _set_language(self) -> None:
        """Set all texts of the window to the language of the settings."""
        words = self._words
        self._build_menus()
        self.conversation.set_language(words)
        self.find_bar.set_language(words)
        self.people.set_language(words)
        self.button.configure(text=words.send)
        self.retry_button.configure(text=words.retry)
        self.message_input.placeholder.configure(text=words.placeholder)
        self._show_status()
        self._show_title()

    def _apply_theme(self) -> None:
        """Apply the theme and the font size of the settings."""
        palette = PALETTES[self.settings.theme]
        set_font_sizes(self._root, self._usual_sizes, self.settings.font_size)
        style_widgets(self._root, self.settings.theme, palette)
        self.conversation.apply_theme(palette)
        self.message_input.apply_theme(palette)
        self.people.apply_theme(palette)
        self.message_input.fit()
        self._color_menus()

    def _color_menus(self) -> None:
        """Apply the theme to the menus, which are no ttk widgets; on macOS and Windows the menu bar keeps its look."""
        palette = PALETTES[self.settings.theme]
        for menu in (*self._menus, *([self._popup] if self._popup else [])):
            menu.configure(background=palette.window, foreground=palette.text, selectcolor=palette.text)
            menu.configure(activebackground=palette.accent, activeforeground=palette.paper, borderwidth=0)
            menu.configure(disabledforeground=palette.border)

    # Keys and menus.

    def _bind_keys(self) -> None:
        root, key = self._root, "Command" if is_aqua(self._root) else "Control"
        keys: dict[str, Callable[[], object]] = {
            f"<{key}-f>": self.find_bar.open,
            f"<{key}-s>": self.save,
            f"<{key}-q>": self.close,
            f"<{key}-l>": self._open_last_link,
            f"<{key}-r>": self.send_again,
            f"<{key}-t>": self._session.retry,
            "<F3>": lambda: self.find_bar.step(True),
            "<Shift-F3>": lambda: self.find_bar.step(False),
            "<F6>": self._focus_next,
            "<F9>": self._toggle_people,
            "<Escape>": self._on_escape,
        }
        # On X11 Ctrl+F also moves the cursor, as in Emacs, and would clear the selection.
        root.event_delete("<<NextChar>>", "<Control-Key-f>", "<Control-Lock-Key-F>")
        for plus in ("plus", "equal", "KP_Add"):
            keys[f"<{key}-{plus}>"] = lambda: self.change_font_size(+1)
        for minus in ("minus", "KP_Subtract"):
            keys[f"<{key}-{minus}>"] = lambda: self.change_font_size(-1)
        for zero in ("0", "KP_0"):
            keys[f"<{key}-Key-{zero}>"] = lambda: self.change_font_size(0)
        for text in (self.message_input.text, self.conversation.text):
            text.bindtags((str(text), str(root), "Text", "all"))  # before Tk's own bindings of these keys
        for sequence, action in keys.items():
            self._bind_key(sequence, action)
            character = sequence[-2]
            if character.islower() and sequence[-3] == "-":  # also with Caps Lock
                self._bind_key(f"{sequence[:-2]}{character.upper()}>", action)
        self.message_input.text.bind("<Prior>", lambda event: self._on_page(-1))
        self.message_input.text.bind("<Next>", lambda event: self._on_page(+1))
        self._bind_menu(self.conversation.text, self._conversation_menu)
        self._bind_menu(self.message_input.text, self._input_menu)

    def _bind_key(self, sequence: str, action: Callable[[], object]) -> None:
        def act(event: tk.Event[tk.Misc]) -> str:
            action()
            return "break"

        self._root.bind(sequence, act)

    def _bind_menu(self, text: tk.Text, fill: Callable[[tk.Menu, str], None]) -> None:
        """Show a context menu on a secondary click, or on the menu key."""
        system = str(self._root.tk.call("tk", "windowingsystem"))
        for click in ("<Button-2>", "<Control-Button-1>") if system == "aqua" else ("<Button-3>",):
            text.bind(click, lambda event: self._pop_up(fill, event, f"@{event.x},{event.y}"))
        for key in ("<Shift-F10>", "<App>" if system == "win32" else "<Menu>"):
            text.bind(key, lambda event: self._pop_up(fill, event, "insert"))

    def _build_menus(self) -> None:
        root, words, choices = self._root, self._words, self._menu_choices
        key = "⌘" if is_aqua(root) else "Ctrl+"
        bar = tk.Menu(root, tearoff=False)

        def add_menu(label: str) -> tk.Menu:
            menu = tk.Menu(bar, tearoff=False)
            bar.add_cascade(label=label, menu=menu, underline=0)
            return menu

        chat = add_menu(words.menu_chat)
        chat.add_command(label=words.menu_save, accelerator=f"{key}S", command=self.save)
        chat.add_command(label=words.menu_send_again, accelerator=f"{key}R", command=self.send_again)
        chat.add_command(label=words.retry, accelerator=f"{key}T", command=self._session.retry)
        chat.add_separator()
        chat.add_command(label=words.menu_quit, accelerator=f"{key}Q", command=self.close)
        edit = add_menu(words.menu_edit)
        for label, letter, event in (
            (words.menu_cut, "X", "<<Cut>>"),
            (words.menu_copy, "C", "<<Copy>>"),
            (words.menu_paste, "V", "<<Paste>>"),
        ):
            edit.add_command(label=label, accelerator=f"{key}{letter}", command=lambda event=event: self._edit(event))  # type: ignore[misc]
        edit.add_command(label=words.menu_select_all, command=self.conversation.select_all)
        edit.add_separator()
        edit.add_command(label=words.menu_find, accelerator=f"{key}F", command=self.find_bar.open)
        edit.add_command(label=words.menu_last_link, accelerator=f"{key}L", command=self._open_last_link)
        edit.add_command(label=words.menu_latest, accelerator="Esc", command=self.conversation.show_latest)
        edit.add_command(label=words.menu_focus, accelerator="F6", command=self._focus_next)
        view = add_menu(words.menu_view)
        view.add_checkbutton(
            label=words.menu_people, accelerator="F9", variable=choices["shows_people"], command=self._choose
        )
        view.add_checkbutton(label=words.menu_sound, variable=choices["has_sound"], command=self._choose)
        view.add_separator()
        for value, label in (("light", words.menu_light), ("dark", words.menu_dark)):
            view.add_radiobutton(label=label, variable=choices["theme"], value=value, command=self._choose)
        view.add_separator()
        view.add_command(label=words.menu_larger, accelerator=f"{key}+", command=lambda: self.change_font_size(+1))
        view.add_command(label=words.menu_smaller, accelerator=f"{key}−", command=lambda: self.change_font_size(-1))
        view.add_command(label=words.menu_normal_size, accelerator=f"{key}0", command=lambda: self.change_font_size(0))
        languages = add_menu(words.menu_language)
        for value, label in LANGUAGE_NAMES.items():
            languages.add_radiobutton(label=label, variable=choices["language"], value=value, command=self._choose)
        before, self._menus = self._menus[:1], [bar, chat, edit, view, languages]
        self._color_menus()
        root.configure(menu=bar)
        for menu in before:
            menu.destroy()

    def _conversation_menu(self, menu: tk.Menu, index: str) -> None:
        words, link = self._words, self.conversation.link_at(index)
        is_selected = bool(self.conversation.text.tag_ranges("sel"))
        menu.add_command(
            label=words.menu_copy, command=self.conversation.copy, state="normal" if is_selected else "disabled"
        )
        menu.add_command(label=words.menu_select_all, command=self.conversation.select_all)
        menu.add_command(
            label=words.menu_open_link, command=lambda: open_link(link), state="normal" if link else "disabled"
        )
        menu.add_separator()
        menu.add_command(label=words.menu_find, command=self.find_bar.open)
        menu.add_command(label=words.menu_save, command=self.save)
        if self._failed:  # all of them, unless the index, of a click or the cursor, is at one
            action = self.conversation.pending_action_at(index)
            number = None if action is None else action[1]
            menu.add_separator()
            menu.add_command(label=words.send_again, command=lambda: self.send_again(number))
            menu.add_command(label=words.discard, command=lambda: self.discard(number))

    def _input_menu(self, menu: tk.Menu, index: str) -> None:
        words, text = self._words, self.message_input.text
        state: Literal["normal", "disabled"] = "normal" if text.tag_ranges("sel") else "disabled"
        menu.add_command(label=words.menu_cut, command=lambda: text.event_generate("<<Cut>>"), state=state)
        menu.add_command(label=words.menu_copy, command=lambda: text.event_generate("<<Copy>>"), state=state)
        menu.add_command(label=words.menu_paste, command=lambda: text.event_generate("<<Paste>>"))
        menu.add_command(label=words.menu_select_all, command=lambda: text.tag_add("sel", "1.0", "end-1c"))

    def _pop_up(self, fill: Callable[[tk.Menu, str], None], event: tk.Event[tk.Text], index: str) -> str:
        event.widget.focus_set()
        if self._popup is not None:
            self._popup.destroy()
        # Kept: a menu without a reference is destroyed before it is seen.
        self._popup = tk.Menu(self._root, tearoff=False)
        fill(self._popup, index)
        self._color_menus()
        if index == "insert":
            left, top, _, height = event.widget.bbox("insert") or (0, 0, 0, 0)
            at = (event.widget.winfo_rootx() + left, event.widget.winfo_rooty() + top + height)
        else:
            at = (event.x_root, event.y_root)
        # Not followed by `grab_release`, as in many examples: on X11 a click elsewhere would no longer close the menu.
        self._popup.tk_popup(*at)
        return "break"

    def _edit(self, event: str) -> None:
        """Send an event of the Edit menu to the widget that has the focus."""
        focused = self._root.focus_get()
        if focused is not None:
            focused.event_generate(event)

    def _toggle_people(self) -> None:
        self._menu_choices["shows_people"].set(not self.settings.shows_people)
        self._choose()

    def _choose(self) -> None:
        """Apply the choices of the menus to the settings and the window."""
        for name, choice in self._menu_choices.items():
            setattr(self.settings, name, choice.get())  # type: ignore[no-untyped-call]
        if self._words is not LANGUAGES[self.settings.language]:
            self._words = LANGUAGES[self.settings.language]
            self._set_language()
        self._apply_theme()
        self._show_people()

    # Actions of the user.

    def _say(self, text: str) -> bool:
        nonce = self._session.say(text)
        if nonce is not None and not self._session.is_bare:  # an original server has no way to confirm
            self._pending[nonce] = text
            self._show_pending()
        return nonce is not None

    def _address(self, name: str) -> None:
        self.message_input.address(name)

    def _focus_input(self) -> None:
        self.message_input.text.focus_set()

    def _leave_input(self) -> None:
        self.button.focus_set()

    def _focus_next(self) -> str:
        """Move the focus from the message input to the conversation, to the list of people, and back."""
        stops: list[tk.Widget] = [self.message_input.text, self.conversation.text]
        if self.people.frame.winfo_ismapped():
            stops.append(self.people.list)
        focused = str(self._root.tk.call("focus"))
        places = [place for place, stop in enumerate(stops) if str(stop) == focused]
        stops[(places[0] + 1) % len(stops) if places else 0].focus_set()
        return "break"

    def _on_escape(self) -> None:
        if self.find_bar.frame.winfo_ismapped():
            self.find_bar.close()
        else:
            self.conversation.show_latest()
            self._focus_input()

    def _on_page(self, pages: int) -> str:
        self.conversation.text.yview_scroll(pages, "pages")
        return "break"

    def _on_pending_action(self, event: tk.Event[tk.Text]) -> None:
        action = self.conversation.pending_action_at(f"@{event.x},{event.y}")
        if action is not None:
            (self.send_again if action[0] == "again" else self.discard)(action[1])

    def _open_last_link(self) -> None:
        if self.conversation.last_link:
            open_link(self.conversation.last_link)

    # Events of the session.

    def _drain(self) -> None:
        """Handle the events that wait, for a bounded time, and schedule the next drain."""
        self._note_focus()
        self.conversation.note_place()
        if self._retry_at is not None:
            self._show_status()
        pause_ms = DRAIN_MS
        try:
            deadline = time.perf_counter() + DRAIN_S
            with contextlib.suppress(queue.Empty):
                while time.perf_counter() < deadline and self.conversation.waiting_characters < DRAIN_CHARACTERS:
                    self._handle(self._session.events.get_nowait())
                pause_ms = BUSY_DRAIN_MS
        finally:  # an event that cannot be shown must not stop the following ones
            self._drain_id = self._root.after(pause_ms, self._drain)
        self.conversation.flush()
        if self.wants_to_close:
            self.close()

    def _handle(self, event: Event) -> None:
        words = self._words
        if isinstance(event, Message | Announcement | Joined | Left):
            self._note_arrival(event.id)
        match event:
            case Greeting():
                self._tell(words.greeting)
                self._offer_name()
            case Welcome(name=name, names=names, last=last):
                self._name = self.settings.name = name
                self._asked_name = ""
                self._arrived_at = last
                self._show_linked(names)
                self._tell(words.welcome.format(name=name))
            case LinkBroken(wait_s):
                if self._retry_at is None:
                    self._tell(words.link_broken, Kind.ERROR)
                self._retry_at = time.monotonic() + wait_s
                self._show_status()
            case LinkRestored(names):
                self._show_linked(names or self.people.names)
                self._tell(words.link_restored)
            case Gap(count):
                self._tell(words.gap.format(count=count), Kind.ERROR)
            case Notice() if sentence := protocol.in_words(event, words):
                self._tell(sentence)
            case Refused(reason):
                self._tell(words.explain(reason), Kind.ERROR)
                self.message_input.give_back(self._asked_name or self._name, is_selected=True)
                self._asked_name = self._name = ""
                self._show_linked(())
            case Message():
                self._show_message(event)
            case Say(text):
                self._show(Entry(time.time(), Kind.MESSAGE, text), is_news=True)
                self._offer_name()
            case Joined(time=when, name=name):
                self.people.add(name)
                self._show_status()
                self._show(Entry(when, Kind.NOTICE, words.joined.format(name=name)))
            case Left(time=when, name=name, reason=reason):
                self.people.remove(name)
                self._show_status()
                self._show(Entry(when, Kind.NOTICE, words.tell_left(name, reason)))
            case Announcement(time=when, text=text):
                is_news = event.id > self._arrived_at
                self._show(Entry(when, Kind.ANNOUNCEMENT, text, protocol.SERVER_NAME), is_news)
            case Error(reason=reason, limit=limit, detail=detail):
                self._tell(words.explain(reason, limit, detail), Kind.ERROR)
            case Rejected(text, error):
                self._tell(words.explain(error.reason, error.limit, error.detail), Kind.ERROR)
                if error.nonce is not None:
                    self._pending.pop(error.nonce, None)
                    self._show_pending()
                self.message_input.give_back(text)
            case Taken(nonce):
                self._pending.pop(nonce, None)
                self._show_pending()
            case NotSent(nonce, text):
                self._pending.pop(nonce, None)
                self._failed.append(text)
                self._show_pending()
            case EndConn() if not self._is_ending:
                self._end()
            case Disconnected(unsent):
                self._is_connected = False
                self._show_status()
                if not self._is_ending:
                    self._show_disconnected()
                self._pending.clear()
                self._failed += unsent
                self._show_pending()
                if self._asked_name:
                    self.message_input.give_back(self._asked_name)
                    self._asked_name = ""

    def _show_message(self, message: Message) -> None:
        name, nonce = message.name, message.nonce
        is_own, is_old = name == self._name, message.id <= self._arrived_at
        if is_own and nonce is not None and self._pending.pop(nonce, None) is not None:
            self._show_pending()
        is_mention = not is_own and not is_old and mentions(message.text, self._name)
        entry = Entry(message.time, Kind.MESSAGE, message.text, name, is_mention)
        self._show(entry, is_news=not is_own and not is_old)
        if is_mention:
            if self.settings.has_sound:
                self._root.bell()
            if not self._has_focus:
                ask_for_attention(self._root)

    def _note_arrival(self, number: int) -> None:
        """Add a rule after the last event from before the user joined."""
        if number <= self._arrived_at:
            self._has_said_before = True
        elif self._has_said_before:
            self._has_said_before = False
            self.conversation.add_rule(self._words.said_before)

    def _offer_name(self) -> None:
        """Ask for the name from the command line, once, when the server wants a name; or suggest the last name used."""
        name, self._offered_name = self._offered_name, ""
        if name and not self._asked_name:
            self._ask_for(name)
        elif self.settings.name and not self._name and not self.message_input.draft and not self._session.is_bare:
            self.message_input.give_back(self.settings.name, is_selected=True)

    def _ask_for(self, name: str) -> None:
        self._asked_name = name
        self._session.join(name)

    def _end(self) -> None:
        """Announce that the server has closed the connection, and close the window after CLOSE_MS."""
        self._is_ending = True
        self._is_connected = False
        self._show_status()
        self._tell(self._words.disconnected)
        self._tell(self._words.closing_soon)
        self._end_id = self._root.after(CLOSE_MS, self.close)

    def _show_disconnected(self) -> None:
        self._tell(self._words.connection_error, Kind.ERROR)
        self._tell(self._words.restart, Kind.ERROR)

    # What the window shows.

    def _tell(self, text: str, kind: Kind = Kind.NOTICE) -> None:
        """Show a sentence of the client itself."""
        self._show(Entry(time.time(), kind, text))

    def _show(self, entry: Entry, is_news: bool = False) -> None:
        if is_news and not self._has_focus:
            if not self._unread:
                self.conversation.mark_left_off()
            self._unread += 1
            self._show_title()
        self.conversation.add(entry, is_news)

    def _show_pending(self) -> None:
        speaker = self._name or "–"
        waiting = [(speaker, text, False) for text in self._pending.values()]
        self.conversation.set_pending([*((speaker, text, True) for text in self._failed), *waiting])

    def _show_people(self) -> None:
        if self.settings.shows_people and self.people.names:
            self.people.frame.grid(row=1, column=1, sticky="ns")
        else:
            if str(self._root.tk.call("focus")) == str(self.people.list):  # a hidden widget gets no key
                self._focus_input()
            self.people.frame.grid_remove()

    def _show_linked(self, names: Iterable[str]) -> None:
        self._retry_at = None
        self.people.set(names)
        self._show_people()
        self._show_status()

    def _show_status(self) -> None:
        words = self._words
        wait_s = 0 if self._retry_at is None else math.ceil(self._retry_at - time.monotonic())
        is_reconnecting = self._is_connected and self._retry_at is not None
        if not self._is_connected:
            sentence = words.status_not_connected
        elif not is_reconnecting:
            sentence = words.status_connected
        else:
            sentence = words.status_waiting if wait_s > 0 else words.status_retrying
        status = sentence.format(host=self._session.host, port=self._session.port, wait=wait_s)
        if self._is_connected and not is_reconnecting and self.people.names:
            status += " · " + words.status_people.format(count=len(self.people.names))
        if status != self.status["text"]:
            self.status.configure(text=status)
        if is_reconnecting:
            self.retry_button.grid()
        else:
            self.retry_button.grid_remove()

    def _show_title(self) -> None:
        unread = f"({self._unread}) " if self._unread else ""
        self._root.title(f"{unread}Chat – {self._session.host}")

    def _note_focus(self) -> None:
        """Note whether this program has the focus. Polled, since a move between two widgets looks like a loss."""
        has_focus = bool(str(self._root.tk.call("focus", "-displayof", self._root)))
        if has_focus and not self._has_focus and self._unread:
            self._unread = 0
            self._show_title()
            if self._root.tk.call("tk", "windowingsystem") == "x11":
                set_urgency(self._root, is_urgent=False)
        self._has_focus = has_focus
