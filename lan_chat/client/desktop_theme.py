"""Whether the desktop's theme is dark, for the choice "as the system".

Asked once, in a thread that nothing waits for.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import tkinter as tk
from collections.abc import Callable

LOOK_MS, LOOKS = 50, 100
"""How often, and how many times, the window looks whether the desktop has answered."""
ANSWER_S = 4.0
"""How long a program of the desktop may take to answer."""
PROGRAMS = (
    # The interface of the desktops' settings; `dark` is 1 (XDG Desktop Portal, org.freedesktop.appearance).
    (
        *("gdbus", "call", "--session", "--timeout", "2", "--dest", "org.freedesktop.portal.Desktop"),
        *("--object-path", "/org/freedesktop/portal/desktop", "--method", "org.freedesktop.portal.Settings.Read"),
        *("org.freedesktop.appearance", "color-scheme"),
    ),
    ("gsettings", "get", "org.gnome.desktop.interface", "color-scheme"),
)
"""Programs of Linux desktops that know it, the better one first."""


class DesktopTheme:
    """Whether the desktop's theme is dark, once `ask` was called and it has answered; then `note` is called.

    Main thread only, which also closes it: the thread that asks ends by itself.
    """

    def __init__(self, root: tk.Tk, note: Callable[[], object]) -> None:
        self.is_dark = False
        self._root = root
        self._note = note
        self._looks = 0
        self._look_id = ""
        self._answers: list[bool] = []
        """What the thread has found: nothing yet, or the one answer."""

    def ask(self) -> None:
        """Begin to ask the desktop, unless that was done before."""
        if not self._look_id:
            threading.Thread(target=self._ask, name="desktop theme", daemon=True).start()
            self._look_id = self._root.after(LOOK_MS, self._look)

    def close(self) -> None:
        """Stop looking; an answer that comes later is not used."""
        if self._look_id:
            self._root.after_cancel(self._look_id)

    def _ask(self) -> None:
        self._answers.append(is_desktop_dark())

    def _look(self) -> None:
        self._looks += 1
        if self._answers:
            self.is_dark = self._answers[0]
            self._note()
        elif self._looks < LOOKS:
            self._look_id = self._root.after(LOOK_MS, self._look)


def is_desktop_dark() -> bool:
    """Return whether the desktop's theme is dark; False where it does not say. May take seconds; any thread."""
    if sys.platform == "win32":
        import winreg

        path = r"Software\Microsoft\Windows\CurrentVersion\Themes\Personalize"
        with contextlib.suppress(OSError), winreg.OpenKey(winreg.HKEY_CURRENT_USER, path) as key:
            return bool(winreg.QueryValueEx(key, "AppsUseLightTheme")[0] == 0)
        return False
    if sys.platform == "darwin":
        return means_dark(_output_of(("defaults", "read", "-g", "AppleInterfaceStyle")) or "")
    for program in PROGRAMS:
        answer = _output_of(program)
        if answer is not None:
            return means_dark(answer)
    return False


def means_dark(answer: str) -> bool:
    """Return whether an answer of a desktop's program means a dark theme."""
    answer = answer.strip().lower()
    return "dark" in answer or "uint32 1" in answer


def _output_of(command: tuple[str, ...]) -> str | None:
    """Return what a program writes; None where there is none, or it fails."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=ANSWER_S,
            check=True,
            text=True,
            errors="replace",
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
