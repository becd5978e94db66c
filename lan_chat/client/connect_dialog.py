"""The connect dialog: asks for host and port in a window, where there is no console to ask on.

Main thread only; each connection is tried in a thread of its own, by an `Attempt`. The dialog gives up an attempt that
it does not wait for any more; the caller closes the session that `run` returns.
"""

from __future__ import annotations

import tkinter as tk
from tkinter import font as tkfont
from tkinter import ttk

import protocol
from lan_chat.client.answers import DEFAULT_HOST, parse_address, parse_port_answer
from lan_chat.client.keyboard import prepare_editing
from lan_chat.client.palette import palette_of
from lan_chat.client.search import Search
from lan_chat.client.session import Attempt, Session
from lan_chat.client.settings import Settings
from lan_chat.client.theme import pixels, set_font_sizes, style_widgets, usual_font_sizes
from lan_chat.client.words import LANGUAGES

LOOK_MS = 30
"""How often the dialog polls its attempt for a result."""
SCREEN_SHARE = 0.8
"""The most that the dialog takes of the screen's width."""
ROW_LETTERS = 55
"""How long a row of a sentence may be, in digits of the font."""


class ConnectDialog:
    """A dialog that asks for host and port until a server is reached or the user cancels. Main thread only."""

    def __init__(self, root: tk.Tk | tk.Toplevel, settings: Settings, host: str = "", port: str = "") -> None:
        self.wants_to_close = False
        """Set by a signal handler, which must not touch Tk."""
        self.session: Session | None = None
        self._root = root
        self._words = words = LANGUAGES[settings.language]
        self._language = settings.language
        self._attempt: Attempt | None = None
        self._look_id = root.after(LOOK_MS, self._look)
        root.title("Chat")
        if isinstance(root, tk.Tk):  # else the chat window, which this one stands above, has done so
            prepare_editing(root)
            self._usual_sizes = usual_font_sizes(root)
            set_font_sizes(root, self._usual_sizes, settings.font_size)
            style_widgets(root, palette_of(settings.theme))
        gap = pixels(root, 8)
        self._frame = frame = ttk.Frame(root, padding=2 * gap)
        frame.grid(sticky="nsew")
        frame.columnconfigure(1, weight=1)
        self.host = ttk.Entry(frame, width=30, font="TkTextFont")
        self.port = ttk.Entry(frame, width=30, font="TkTextFont")
        self.host.insert(0, host or settings.host)
        self.port.insert(0, port or str(settings.port if settings.host else ""))
        labels = [ttk.Label(frame, text=question) for question in (words.ask_host, words.ask_port)]
        widest = max(label.winfo_reqwidth() for label in labels) + self.host.winfo_reqwidth()
        is_wide = widest < SCREEN_SHARE * root.winfo_screenwidth()  # else each question is above its field
        for row, (label, field) in enumerate(zip(labels, (self.host, self.port), strict=True)):
            above = (gap if row else 0, 0)
            label.grid(row=2 * row, column=0, sticky="w", pady=above)
            if is_wide:
                field.grid(row=2 * row, column=1, sticky="ew", padx=(gap, 0), pady=above)
            else:
                field.grid(row=2 * row + 1, column=0, columnspan=2, sticky="ew")
        letters = ROW_LETTERS * tkfont.nametofont("TkDefaultFont", root=root).measure("0")
        longest = min(max(pixels(root, 440), letters), int(SCREEN_SHARE * root.winfo_screenwidth()))
        self.problem = ttk.Label(frame, wraplength=longest)
        self.problem.grid(row=4, column=0, columnspan=2, sticky="w", pady=1.5 * gap)
        buttons = ttk.Frame(frame)
        buttons.grid(row=5, column=0, columnspan=2, sticky="e")
        self.button = ttk.Button(buttons, text=words.connect, command=self.submit, style="Primary.TButton")
        self.button.grid(row=0, column=0, sticky="ns")
        self.cancel_button = ttk.Button(buttons, text=words.cancel, command=self.cancel)
        self.cancel_button.grid(row=0, column=1, sticky="ns", padx=(gap, 0))
        for key in ("<Return>", "<KP_Enter>"):
            for widget in (self.host, self.port, self.button):
                widget.bind(key, lambda event: self.submit())
            self.cancel_button.bind(key, lambda event: self.cancel())
        self._escape_id = root.bind("<Escape>", lambda event: self.cancel())
        root.protocol("WM_DELETE_WINDOW", self.close)
        self.host.focus_set()
        self.host.selection_range(0, "end")

    def run(self) -> Session | None:
        """Return the connected session, the root window empty again; None if the user gave up, the root destroyed."""
        self._root.wait_window(self._frame)
        return self.session

    def close(self) -> None:
        """Give up and destroy the root window; a connection that succeeds later is closed."""
        if self._attempt is not None:
            self._attempt.give_up()
        self._root.after_cancel(self._look_id)
        self._root.destroy()

    def submit(self) -> None:
        """Try to connect to the address entered; a thread waits for the network, not the window."""
        if self._attempt is not None:
            return
        address = parse_address(self.host.get())
        if address is not None and address.port is not None:  # pasted with its port: shown as it is understood
            for field, value in ((self.host, address.host), (self.port, str(address.port))):
                field.delete(0, "end")
                field.insert(0, value)
        port = parse_port_answer(self.port.get())
        if address is None or port is None:
            self._tell(self._words.bad_port.format(default=protocol.DEFAULT_PORT), is_problem=True)
            (self.host if address is None else self.port).focus_set()
            return
        host = address.host or DEFAULT_HOST
        self._tell(self._words.connecting.format(host=host, port=port))
        self.button.state(["disabled"])
        self._attempt = Attempt(Session(host, port, self._language, new_search=Search))

    def cancel(self) -> None:
        """Stop the attempt, so that the user can correct the address; without an attempt, close the dialog."""
        if self._attempt is None:
            self.close()
            return
        self._attempt.give_up()
        self._attempt = None
        self._ask_again(self._words.cancelled)

    def _look(self) -> None:
        """Poll the attempt, and show or take its result."""
        if self.wants_to_close:  # first: a connection that has just succeeded is not wanted any more
            self.close()
            return
        found = self._attempt.take() if self._attempt else None
        if isinstance(found, Session):
            self.session = found
            self._root.unbind("<Escape>", self._escape_id)
            if isinstance(self._root, tk.Tk):
                # Or the chat window would take the larger sizes for the system's own.
                set_font_sizes(self._root, self._usual_sizes, 0)
            self._frame.destroy()
            return
        if found is not None:
            self._attempt = None
            self._ask_again(str(found), is_problem=True)
        self._look_id = self._root.after(LOOK_MS, self._look)

    def _tell(self, sentence: str, is_problem: bool = False) -> None:
        self.problem.configure(text=sentence, style="Problem.TLabel" if is_problem else "TLabel")

    def _ask_again(self, sentence: str, is_problem: bool = False) -> None:
        self._tell(sentence, is_problem)
        self.button.state(["!disabled"])
        self.host.focus_set()
