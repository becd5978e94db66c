"""The connect dialog: the rooms that are found, or an address that is typed, and the name to come in with.

Main thread only; the rooms are looked for in the threads of a `Search`, and each connection is tried in a thread of its
own, by an `Attempt`. The dialog ends the search, and gives up an attempt that it does not wait for any more; the caller
closes the session that `run` returns.
"""

from __future__ import annotations

import threading
import time
import tkinter as tk
from collections.abc import Collection
from tkinter import font as tkfont
from tkinter import ttk

import protocol
from lan_chat import secure
from lan_chat.client import entering
from lan_chat.client.answers import DEFAULT_HOST, parse_address, parse_port_answer
from lan_chat.client.attempt import Attempt
from lan_chat.client.console import begin_search
from lan_chat.client.desktop import drawable
from lan_chat.client.entering import Place, Target
from lan_chat.client.keyboard import prepare_editing
from lan_chat.client.link import CodeError, CodeFault, UnreachableError, code_needs_python
from lan_chat.client.palette import palette_of
from lan_chat.client.room_list import RoomCalls, RoomList
from lan_chat.client.search import search_after_break
from lan_chat.client.session import Session
from lan_chat.client.settings import Settings
from lan_chat.client.theme import pixels, set_font_sizes, style_widgets, usual_font_sizes
from lan_chat.client.words import LANGUAGES
from lan_chat.code import parse_code
from lan_chat.interfaces import interfaces
from lan_chat.rooms import PORT, Found, Remembered, usual_room

LOOK_MS = 30
"""How often the dialog polls its attempt for a result, and its search for news."""
SHOW_PAUSE_S = 0.2
"""The least time between two times that news are shown: a liar may change names often, and emoji are slow to draw."""
SCREEN_SHARE, HEIGHT_SHARE = 0.8, 0.92
"""The most that the dialog takes of the screen's width and height."""
ROW_LETTERS = 55
"""How long a row of a sentence may be, in digits of the font."""


class ConnectDialog:
    """A dialog that asks for a room until it is reached or the user cancels. Main thread only.

    What is selected in the list is where one goes; what is typed as an address takes the selection away.
    """

    def __init__(
        self,
        root: tk.Tk | tk.Toplevel,
        settings: Settings,
        host: str = "",
        port: str = "",
        *,
        name: str = "",
        current: Remembered | None = None,
        why_code: str = "",
    ) -> None:
        """Show the dialog, with these answers in its fields. `current` is the room in which the user is.

        `why_code`: why a code is needed there, if that is known.
        """
        self.wants_to_close = False
        """Set by a signal handler, which must not touch Tk."""
        self.session: Session | None = None
        self.name = ""
        """The name that the user wants; empty for none."""
        self._root = root
        self._settings = settings
        self._words = LANGUAGES[settings.language]
        self._current = current
        self._attempt: Attempt | None = None
        self._tried: Target | None = None
        """The room, or the address, that the attempt is for."""
        self._coded = {(host, int(port))} if why_code else set[Place]()
        """Where a code is needed, or another one than was tried."""
        self._asked: Target | None = None
        """The room, or the address, that there is a question about, which the user has not answered."""
        self._has_chosen = bool(host)
        """Whether there was a choice, by the user or for the user: no room is selected unasked any more."""
        self._has_code_field = False
        self._is_typed = False
        """Whether an address was typed."""
        self._has_news = threading.Event()
        """Set by the search."""
        self._shows_at = 0.0
        """From when on news of the search may be shown, on the monotonic clock."""
        self._look_id = root.after(LOOK_MS, self._look)
        root.title("Chat")
        if isinstance(root, tk.Tk):  # else the chat window, which this one stands above, has done so
            prepare_editing(root)
            self._usual_sizes = usual_font_sizes(root)
            set_font_sizes(root, self._usual_sizes, settings.font_size)
            style_widgets(root, palette_of(settings.theme))
        self._frame = ttk.Frame(root, padding=2 * pixels(root, 8))
        self._build()
        if current is None:
            self.host.insert(0, host or settings.host)
            self.port.insert(0, port or str(settings.port if settings.host else ""))
        self.name_field.insert(0, name or settings.name)
        for answer in self._answers:
            answer.trace_add("write", lambda *_: self._on_typed())
        self._bind()
        self.host.focus_set()
        self.host.selection_range(0, "end")
        self.rooms.set_current("" if current is None else current.id)
        self._search = begin_search(settings, self._has_news.set)
        self._show_rooms()
        self._show_code_field()
        self._tell("" if current is None else self._words.leaving.format(room=current.name or current.host))
        if why_code:
            self._ask_for_code(why_code)

    def run(self) -> Session | None:
        """Return the connected session, the root window empty again; None if the user gave up, the root destroyed."""
        self._root.wait_window(self._frame)
        return self.session

    def close(self) -> None:
        """Abandon the attempt and destroy the root window; a connection that succeeds later is closed."""
        if self._attempt is not None:
            self._attempt.give_up()
        if self._search is not None:
            self._search.close()
        self._root.after_cancel(self._look_id)
        self._root.destroy()

    def focus(self) -> None:
        """Have the user see the dialog, and type into it."""
        self._root.lift()
        (self.rooms.list if self.rooms.selected else self.host).focus_force()

    def note_end(self, coded: entering.Place | None = None, why_code: str = "") -> None:
        """Note that the user is in no room any more: the connection has ended, or its room wants another code."""
        if coded is not None:
            self._coded.add(coded)
        if self._current is not None:
            self._current = None
            self.rooms.set_current("")
            if self._attempt is None and self._asked is None:
                self._tell(why_code, is_problem=bool(why_code))
                self._show_code_field()

    def submit(self) -> None:
        """Try to enter the room that was chosen; a thread waits for the network, not the window."""
        if self._attempt is not None:
            return
        name = self.name_field.get()
        if name.strip() and protocol.parse_name(name) is None:
            self._tell(self._words.explain(protocol.Reason.INVALID), is_problem=True)
            self.name_field.focus_set()
            return
        found = self.rooms.selected
        place = self._typed_place() if found is None else (found.host, found.room.port)
        if place is None:
            return
        current = self._current
        if current is not None and (place == (current.host, current.port) or (found and found.room.id == current.id)):
            self._tell(self._words.already_here.format(room=current.name or current.host), is_problem=True)
            return
        target: Target = place if found is None else found
        if target != self._asked and (question := entering.question_before(target, self._settings)):
            self._ask(target, question)
            return
        key, code = self._settings.code_keys.given, ""
        is_open = target == self._asked and entering.may_be_open(target, self._settings)
        if not is_open:  # else the user enters without a code, where there was one
            key = entering.key_for(target, self._settings)
            if self._lacks_code(target):
                code = parse_code(self.code_field.get()) or ""
                if not (code and secure.IS_AVAILABLE):
                    is_blank = not self.code_field.get().strip()
                    self._ask_for_code(self._words.code_needed if is_blank else self._words.code_form)
                    return
        self._withdraw_question()
        host, port = place
        self._tell(self._words.connecting.format(host=host, port=port))
        self.button.state(["disabled"])
        self.name = name.strip()
        self._tried = target
        session = Session(host, port, self._settings.language, key, new_search=search_after_break)
        self._attempt = Attempt(session, code)

    def cancel(self) -> None:
        """Withdraw a question, or stop the attempt, so that the user can choose again; else close the dialog."""
        if self._asked is not None:
            self._withdraw_question()
            self._ask_again("")
        elif self._attempt is not None:
            self._attempt.give_up()
            self._attempt = None
            self._ask_again(self._words.cancelled)
        else:
            self.close()

    # Widgets.

    def _build(self) -> None:
        root, frame, words = self._root, self._frame, self._words
        gap = pixels(root, 8)
        root.columnconfigure(0, weight=1)
        root.rowconfigure(0, weight=1)
        frame.grid(sticky="nsew")
        frame.columnconfigure(1, weight=1)
        frame.rowconfigure(1, weight=1)
        title = ttk.Label(frame, text=words.rooms_title, style="Title.TLabel")
        title.grid(row=0, columnspan=2, sticky="w")
        self.rooms = RoomList(frame, words, RoomCalls(on_select=self._on_select, on_enter=self.submit))
        self.rooms.frame.grid(row=1, columnspan=2, sticky="nsew", pady=gap // 2)
        heading = ttk.Label(frame, text=words.rooms_address, style="Heading.TLabel")
        heading.grid(row=2, columnspan=2, sticky="w", pady=(gap, 0))
        self._answers = tuple(tk.StringVar(root) for _ in range(2))
        self.host = ttk.Entry(frame, width=30, font="TkTextFont", textvariable=self._answers[0])
        self.port = ttk.Entry(frame, width=30, font="TkTextFont", textvariable=self._answers[1])
        self.name_field = ttk.Entry(frame, width=12, font="TkTextFont")
        self.code_field = ttk.Entry(frame, width=30, font="TkTextFont")
        self._fields = (self.host, self.port, self.name_field)
        questions = (words.ask_host, words.ask_port, words.ask_name, words.ask_code)
        labels = [ttk.Label(frame, text=question) for question in questions]
        widest = max(label.winfo_reqwidth() for label in labels) + self.host.winfo_reqwidth()
        is_wide = widest < SCREEN_SHARE * root.winfo_screenwidth()  # else these questions are above their fields
        for row, (label, field) in enumerate(zip(labels, (*self._fields, self.code_field), strict=True)):
            above = (2 * gap if field is self.name_field else gap // 2, 0)
            is_beside = is_wide or field is self.name_field
            label.grid(row=3 + 2 * row, column=0, columnspan=1 if is_beside else 2, sticky="w", pady=above)
            if is_beside:
                field.grid(row=3 + 2 * row, column=1, sticky="ew", padx=(gap, 0), pady=above)
            else:
                field.grid(row=4 + 2 * row, column=0, columnspan=2, sticky="ew")
        self._luxuries = (
            (heading,),
            (title,),
            (self.rooms.frame,),
            (labels[2], self.name_field),
            (labels[1], self.port),
        )
        """What is left out, first to last, while a long sentence in large letters takes its room on the screen."""
        letters = ROW_LETTERS * tkfont.nametofont("TkDefaultFont", root=root).measure("0")
        longest = min(max(pixels(root, 440), letters), int(SCREEN_SHARE * root.winfo_screenwidth()))
        self.problem = ttk.Label(frame, wraplength=longest)
        self._code_row = (labels[3], self.code_field)
        self.problem.grid(row=11, column=0, columnspan=2, sticky="w", pady=1.5 * gap)
        self._buttons = buttons = ttk.Frame(frame)
        buttons.grid(row=12, column=0, columnspan=2, sticky="e")
        self.button = ttk.Button(buttons, text=words.connect, command=self.submit, style="Primary.TButton")
        self.button.grid(row=0, column=0, sticky="ns")
        self.cancel_button = ttk.Button(buttons, text=words.cancel, command=self.cancel)
        self.cancel_button.grid(row=0, column=1, sticky="ns", padx=(gap, 0))

    def _bind(self) -> None:
        for key in ("<Return>", "<KP_Enter>"):
            for widget in (*self._fields, self.code_field, self.button):
                widget.bind(key, lambda event: self.submit())
            self.cancel_button.bind(key, lambda event: self.cancel())
        for key, step in (("<Up>", -1), ("<Down>", 1)):
            for field in (*self._fields, self.code_field):
                field.bind(key, lambda event, step=step: self.rooms.step(step))  # type: ignore[misc]
        for field in (self.host, self.port):
            field.bind("<FocusIn>", lambda event: self._on_address_focused(), add="+")
        self._escape_id = self._root.bind("<Escape>", lambda event: self.cancel())
        self._root.protocol("WM_DELETE_WINDOW", self.close)
        self._frame.bind("<<ThemeChanged>>", lambda event: self._fit())

    def _fit(self) -> None:
        """Make the list as high as the screen lets it be, and leave out what is needed least where that is too low."""
        most, usual = int(HEIGHT_SHARE * self._root.winfo_screenheight()), self.rooms.usual_height
        for widgets in self._luxuries:
            for widget in widgets:
                widget.grid()
        for widget in self._code_row:
            (widget.grid if self._has_code_field else widget.grid_remove)()
        for widgets in self._luxuries:
            needed = self._needed_height()
            least = needed - usual + self.rooms.row_height if self.rooms.frame.winfo_manager() else needed
            if least <= most:
                break
            for widget in widgets:
                widget.grid_remove()
        self.rooms.list.configure(height=max(1, min(usual, most - self._needed_height() + usual)))

    def _needed_height(self) -> int:
        """Return the height of all that is shown, as its widgets ask for it."""
        heights: dict[int, int] = {}
        for widget in self._frame.grid_slaves():
            row = int(widget.grid_info()["row"])
            heights[row] = max(heights.get(row, 0), self._height_in_grid(widget))
        return sum(heights.values()) + 4 * pixels(self._root, 8)

    def _height_in_grid(self, widget: tk.Widget) -> int:
        """Return the height that a widget takes; that of a frame is not known before it is shown."""
        padding = widget.grid_info()["pady"]
        if widget is self.rooms.frame:
            height = self.rooms.usual_height + 2 * pixels(self._root, 3)
        else:
            height = (self.button if widget is self._buttons else widget).winfo_reqheight()
        return int(height + (sum(padding) if isinstance(padding, tuple) else 2 * padding))

    # The choice.

    def _typed_place(self) -> tuple[str, int] | None:
        """Return host and port as they are typed; None where they cannot work, which is told."""
        address = parse_address(self.host.get())
        if address is not None and address.port is not None:  # pasted with its port: shown as it is understood
            for field, value in ((self.host, address.host), (self.port, str(address.port))):
                field.delete(0, "end")
                field.insert(0, value)
        port = parse_port_answer(self.port.get())
        if address is None or port is None:
            self._tell(self._words.bad_port.format(default=protocol.DEFAULT_PORT), is_problem=True)
            (self.host if address is None else self.port).focus_set()
            return None
        return address.host or DEFAULT_HOST, port

    def _on_typed(self) -> None:
        """Go where the address says that is typed, and no more to the room that was selected."""
        self._is_typed = self._has_chosen = True
        self._on_address_focused()

    def _on_address_focused(self) -> None:
        if self._is_typed:
            self.rooms.select("")
            self._withdraw_question()
            self._show_code_field()

    def _on_select(self) -> None:
        self._has_chosen = True
        self._show_code_field()
        if self._asked is not None and self._asked != self.rooms.selected:
            self._withdraw_question()

    def _show_rooms(self) -> None:
        """Show the rooms that are known by now; select one where the user has not chosen yet."""
        words, search = self._words, self._search
        found, has_looked = ([], True) if search is None else (search.rooms(), search.has_looked.is_set())
        nothing = f"{words.no_rooms.format(port=PORT)}\n{words.search_goes_on}"
        self.rooms.show(found, nothing if has_looked else words.rooms_searching)
        usual = None if self._has_chosen else self._usual(found, has_looked)
        if usual is not None:
            self._has_chosen = True
            self.rooms.select(usual.room.id)
        self._show_code_field()

    def _usual(self, found: Collection[Found], has_looked: bool) -> Found | None:
        """Return the room that is meant where the user chooses none: the last one, at once; others after a while."""
        settings, current = self._settings, self._current
        last = settings.rooms[0] if settings.rooms else None
        if settings.host and (last is None or (last.host, last.port) != (settings.host, settings.port)):
            # The last server did not say which room it is, and its address is in the fields.
            usual = [one for one in found if (one.host, one.room.port) == (settings.host, settings.port)]
            return usual[0] if usual else None
        if not has_looked and not any(last is not None and one.room.id == last.id for one in found):
            return None
        room = usual_room(found, last, interfaces())
        return None if room is None or (current is not None and room.room.id == current.id) else room

    # The code.

    def _lacks_code(self, target: Target) -> bool:
        return entering.place_of(target) in self._coded or entering.lacks_code(target, self._settings)

    def _show_code_field(self) -> None:
        """Show the field for the code as long as where the user wants to go needs one."""
        target: Target | None = self.rooms.selected
        if target is None and (address := parse_address(self.host.get())) is not None:
            port = address.port or parse_port_answer(self.port.get())
            target = None if port is None else (address.host or DEFAULT_HOST, port)
        was_shown, is_needed = self._has_code_field, target and self._lacks_code(target)
        self._has_code_field = secure.IS_AVAILABLE and bool(is_needed)
        if self._has_code_field != was_shown:
            self._fit()

    def _ask_for_code(self, why: str) -> None:
        """Have the user enter a code, or correct it: what was typed stays in the field."""
        self._show_code_field()
        self._ask_again(why if secure.IS_AVAILABLE else code_needs_python(self._words), is_problem=True)
        self.code_field.focus_set()
        self.code_field.selection_range(0, "end")

    def _on_failed(self, attempt: Attempt, error: UnreachableError) -> None:
        """Tell why a room was not reached; ask for its code, or whether to enter without one where there was one."""
        target, fault = self._tried, error.fault if isinstance(error, CodeError) else None
        if target and fault in (CodeFault.NEEDED, CodeFault.WRONG):
            self._settings.code_keys.forget(attempt.session.code_key)
            self._coded.add(entering.place_of(target))
            self._ask_for_code(str(error))
        elif target and fault is CodeFault.NONE and entering.may_be_open(target, self._settings):
            self._ask(target, entering.question_open(target, self._settings))
            self.button.state(["!disabled"])
        else:
            self._ask_again(str(error), is_problem=True)

    # Questions.

    def _ask(self, target: Target, question: str) -> None:
        """Ask whether the user wants to enter a room, where to press Enter once more means no."""
        self._tell(question, is_problem=True)
        self._asked = target
        self.button.configure(text=self._words.enter_anyway)
        self.cancel_button.focus_set()

    def _withdraw_question(self) -> None:
        if self._asked is not None:
            self._asked = self._tried = None
            self._tell("")
            self.button.configure(text=self._words.connect)

    # What happens.

    def _look(self) -> None:
        """Show what the search has found; poll the attempt, and show or take its result."""
        if self.wants_to_close:  # first: a connection that has just succeeded is not wanted any more
            self.close()
            return
        if (attempt := self._attempt) is not None and (found := attempt.take()) is not None:
            if isinstance(found, Session):
                self._finish(found)
                return
            self._attempt = None
            self._on_failed(attempt, found)
        if self._has_news.is_set() and time.monotonic() >= self._shows_at:
            self._shows_at = time.monotonic() + SHOW_PAUSE_S
            self._has_news.clear()  # before: what comes from now on sets it again
            self._show_rooms()
        self._look_id = self._root.after(LOOK_MS, self._look)

    def _finish(self, session: Session) -> None:
        """Take a session, and leave an empty root window."""
        self.session = session
        if self._search is not None:
            self._search.close()
        self._root.unbind("<Escape>", self._escape_id)
        if isinstance(self._root, tk.Tk):
            # Or the chat window would take the larger sizes for the system's own.
            set_font_sizes(self._root, self._usual_sizes, 0)
        self._frame.destroy()

    def _tell(self, sentence: str, is_problem: bool = False) -> None:
        self.problem.configure(text=drawable(self._root, sentence), style="Problem.TLabel" if is_problem else "TLabel")
        self._fit()

    def _ask_again(self, sentence: str, is_problem: bool = False) -> None:
        self._tell(sentence, is_problem)
        self.button.state(["!disabled"])
        (self.rooms.list if self.rooms.selected else self.host).focus_set()
