"""The end banner: what there is to do after the session has ended, and when the window closes. Main thread only."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from tkinter import ttk

from lan_chat.client.theme import pixels
from lan_chat.client.words import ITALIAN, ClientWords

LOOK_MS = 1000
"""How often a countdown looks at whether the user is in the middle of something."""


class State(Enum):
    """How the window stands after the end of its session."""

    HIDDEN = auto()
    """The session goes on."""
    CLOSING = auto()
    """The window closes in some seconds."""
    WAITING = auto()
    """The window would close, but the user is in the middle of something."""
    STAYING = auto()
    """The window stays until the user closes it."""


@dataclass(frozen=True)
class Choices:
    """What the banner calls, filled in by the window."""

    save: Callable[[], object]
    connect: Callable[[], object]
    close: Callable[[], object]
    is_busy: Callable[[], bool]
    """Whether the user is in the middle of something, which closing the window would lose."""


class EndBanner:
    """A line with a sentence and buttons. The one who makes it puts its frame into a grid."""

    def __init__(self, parent: ttk.Frame, choices: Choices) -> None:
        self.state = State.HIDDEN
        self._choices = choices
        self._words = ITALIAN
        self._duration_s = 0.0
        self._closes_at: float | None = None
        """When the window closes, on the monotonic clock; None while that is not certain."""
        self._look_id = ""
        self._margin = pixels(parent, 8)
        self.frame = frame = ttk.Frame(parent, style="Banner.TFrame", padding=(2 * self._margin, self._margin))
        frame.columnconfigure(0, weight=1)
        self.label = ttk.Label(frame, style="Banner.TLabel")
        self.label.grid(row=0, column=0, sticky="ew")
        frame.bind("<Configure>", self._fit)
        self.save_button = ttk.Button(frame, style="Banner.TButton", command=choices.save)
        self.stay_button = ttk.Button(frame, style="Banner.TButton", command=self.stay)
        self.connect_button = ttk.Button(frame, style="Banner.TButton", command=choices.connect)
        self._buttons = (self.save_button, self.stay_button, self.connect_button)
        for column, button in enumerate(self._buttons, start=1):
            button.grid(row=0, column=column, padx=(self._margin, 0))
            for key in ("<Return>", "<KP_Enter>"):
                button.bind(key, lambda event, button=button: button.invoke())

    @property
    def is_shown(self) -> bool:
        """Whether the banner is seen."""
        return self.state is not State.HIDDEN

    @property
    def is_counting(self) -> bool:
        """Whether the window closes by itself, now or when the user has finished."""
        return self.state in (State.CLOSING, State.WAITING)

    def set_language(self, words: ClientWords) -> None:
        """Change the language."""
        self._words = words
        self.save_button.configure(text=words.end_save)
        self.stay_button.configure(text=words.end_stay)
        self.connect_button.configure(text=words.end_connect)
        self._show()

    def count_down(self, duration_ms: int) -> None:
        """Close the window after this time; while the user is in the middle of something the time does not begin."""
        self.cancel()
        self._duration_s, self._closes_at = duration_ms / 1000, None
        self.frame.grid()
        self.stay_button.grid()
        self._look()

    def stay(self) -> None:
        """Have the window stay until the user closes it."""
        self.cancel()
        self.state = State.STAYING
        self.frame.grid()
        self.stay_button.grid_remove()
        self._show()

    def hide(self) -> None:
        """Hide the banner, since there is a new session."""
        self.cancel()
        self.state = State.HIDDEN
        self.frame.grid_remove()

    def cancel(self) -> None:
        """Stop the countdown, before the window is destroyed, or for another state."""
        if self._look_id:
            self.frame.after_cancel(self._look_id)
            self._look_id = ""

    def _look(self) -> None:
        """Count on, begin again, or close the window."""
        self._look_id = ""
        now = time.monotonic()
        if self._choices.is_busy():
            self.state, self._closes_at, pause_ms = State.WAITING, None, LOOK_MS
        else:
            if self._closes_at is None:
                self._closes_at = now + self._duration_s
            left_ms = math.ceil((self._closes_at - now) * 1000)
            if left_ms <= 0:
                self._choices.close()
                return
            self.state, pause_ms = State.CLOSING, left_ms % LOOK_MS or LOOK_MS
        self._show()
        self._look_id = self.frame.after(pause_ms, self._look)

    def _show(self) -> None:
        match self.state:
            case State.CLOSING:
                left_s = 0.0 if self._closes_at is None else self._closes_at - time.monotonic()
                self.label.configure(text=self._words.end_closing.format(seconds=math.ceil(left_s)))
            case State.WAITING:
                self.label.configure(text=self._words.end_waiting)
            case State.STAYING:
                self.label.configure(text=self._words.end_staying)
        self._fit(None)

    def _fit(self, event: object) -> None:
        """Put the sentence beside the buttons, or above them where there is no room for both."""
        width = self.frame.winfo_width() - 4 * self._margin
        buttons = sum(button.winfo_reqwidth() + self._margin for button in self._buttons if button.winfo_manager())
        self.label.configure(wraplength=max(120, width))
        is_narrow = self.label.winfo_reqwidth() + buttons > width
        self.label.grid(columnspan=4 if is_narrow else 1)
        for button in self._buttons:
            if button.winfo_manager():
                button.grid(row=1 if is_narrow else 0)
