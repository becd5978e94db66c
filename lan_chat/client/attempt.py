"""One attempt to connect, for a window that must not wait for it. No tkinter."""

from __future__ import annotations

import contextlib
import queue
import threading

from lan_chat.client.link import UnreachableError
from lan_chat.client.session import Session
from lan_chat.code import key_of


class Attempt:
    """One attempt to connect a session, in a thread of its own that need not be waited for.

    The result belongs to the one who takes it; `give_up` closes a session that was not taken.
    """

    def __init__(self, session: Session, code: str = "") -> None:
        """Begin to connect, with the key of a room's code if there is one: to make it takes a while."""
        self.session = session
        self._code = code
        self._found: queue.SimpleQueue[Session | UnreachableError] = queue.SimpleQueue()
        self._has_given_up = threading.Event()
        """Set when the result is not wanted any more."""
        threading.Thread(target=self._connect, name="connect", daemon=True).start()

    def take(self) -> Session | UnreachableError | None:
        """Return the result, once: the connected session or the error; None as long as there is none."""
        with contextlib.suppress(queue.Empty):
            return self._found.get_nowait()
        return None

    def give_up(self) -> None:
        """Discard the result; a connection that was made, or will be, is closed."""
        self._has_given_up.set()
        found = self.take()
        if isinstance(found, Session):
            found.close()

    def _connect(self) -> None:
        """Connect. Runs in the connect thread."""
        try:
            if self._code:
                self.session.code_key = key_of(self._code)
            self.session.connect()
        except UnreachableError as error:
            self._found.put(error)
            return
        self._found.put(self.session)
        if self._has_given_up.is_set():
            self.give_up()
