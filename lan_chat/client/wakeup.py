"""How other threads, and signals, have the window look for news, so that an idle one need not poll.

No thread but main calls anything of Tk. `ring`, which any thread calls, only makes Tk's own loop wake up: on X11 and
macOS a byte in a pair of sockets, which Tk waits for (`createfilehandler`); on Windows, where Tk cannot, a posted
WM_CLOSE to a window that is never shown, for which Tk calls the protocol WM_DELETE_WINDOW. Not used: `event_generate`
of another thread, which waits for main and may hang at the end; Tcl's own `socket` on Windows, which works, but takes
a port. A signal's handler runs in main only when Python runs there: on X11 and macOS its number comes as a byte, too
(`set_wakeup_fd`), on Windows the window looks twice a second.
"""

from __future__ import annotations

import contextlib
import ctypes
import signal
import socket
import sys
import time
import tkinter as tk
from collections.abc import Callable
from typing import Any

PAUSE_MS = 30
"""The least time between two looks, so that a flood is drawn in batches; a person does not notice less."""
BUSY_PAUSE_MS = 5
"""The pause where there is more than one look may take: enough for a key in between."""
TICK_MS = 500
"""How often the window looks unasked, where a signal wakes up nobody."""
WM_CLOSE = 0x10


class Wakeup:
    """Calls `look` in the main thread soon after any thread has called `ring`.

    `look` returns whether there is more to do. All else is for main; `close` ends it, before the root is destroyed.
    """

    def __init__(self, root: tk.Tk, look: Callable[[], bool]) -> None:
        self._root = root
        self._look = look
        self._is_rung = False
        """Whether there was a ring since the last look. Set by any thread, and cleared by main before it looks."""
        self._look_id = ""
        """The one look that is planned."""
        self._is_looking = self._is_requested = False
        """Whether a look is under way, and whether one more was asked for meanwhile."""
        self._tick_id = ""
        self._looked_at = 0.0
        """When the last look ended, on the monotonic clock."""
        self._is_closed = False
        self._sockets: tuple[socket.socket, socket.socket] | None = None
        self._window: tk.Toplevel | None = None
        self._handle = 0
        if sys.platform != "win32":
            self._sockets = reading, writing = socket.socketpair()
            for end in (reading, writing):
                end.setblocking(False)
            root.createfilehandler(reading, tk.READABLE, self._on_bytes)
            self._others_fd = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
        else:
            self._window = tk.Toplevel(root)
            self._window.withdraw()
            self._window.protocol("WM_DELETE_WINDOW", self.request)
            self._handle = self._window.winfo_id()
            self._tick()

    def ring(self) -> None:
        """Have main look for news. From any thread, any number of times."""
        if self._is_rung or self._is_closed:
            return
        self._is_rung = True
        if self._sockets is not None:
            with contextlib.suppress(OSError):  # full of other bytes, or closed
                self._sockets[1].send(b"\0")
        elif sys.platform == "win32":
            _post_message(self._handle, WM_CLOSE, 0, 0)

    def request(self) -> None:
        """Have the window look soon, but no sooner than PAUSE_MS after it has looked last."""
        if self._is_looking:
            self._is_requested = True
        elif not self._look_id and not self._is_closed:
            since_ms = int((time.monotonic() - self._looked_at) * 1000)
            self._look_id = self._root.after(min(PAUSE_MS, max(0, PAUSE_MS - since_ms)), self._run)

    def close(self) -> None:
        """Call `look` no more, and wake up nobody."""
        self._is_closed = True
        for waiting in (self._look_id, self._tick_id):
            if waiting:
                self._root.after_cancel(waiting)
        if sys.platform != "win32" and self._sockets is not None:
            own_fd = self._sockets[1].fileno()
            if (current := signal.set_wakeup_fd(-1)) != own_fd:  # a later window's
                signal.set_wakeup_fd(current, warn_on_full_buffer=False)
            self._root.deletefilehandler(self._sockets[0])
            for end in self._sockets:
                end.close()

    def _on_bytes(self, file: Any, mask: int) -> None:
        assert self._sockets is not None
        with contextlib.suppress(OSError):
            self._sockets[0].recv(4096)
        self.request()

    def _tick(self) -> None:
        self._tick_id = self._root.after(TICK_MS, self._tick)
        self.request()

    def _run(self) -> None:
        self._look_id = ""
        self._is_rung = False  # before: what comes from now on rings again
        self._is_looking, self._is_requested = True, False
        has_more = is_done = False
        try:
            has_more = self._look()
            is_done = True
        finally:  # what fails once must stop nothing
            self._is_looking = False
            self._looked_at = time.monotonic()
            if has_more and not self._is_closed:
                self._look_id = self._root.after(BUSY_PAUSE_MS, self._run)
            elif self._is_requested or not is_done:
                self.request()


if sys.platform == "win32":
    _post_message = ctypes.WinDLL("user32").PostMessageW
    _post_message.argtypes = (ctypes.c_void_p, ctypes.c_uint, ctypes.c_size_t, ctypes.c_ssize_t)
