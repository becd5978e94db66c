"""The chat client: a `Session` that talks to the server, and a `ChatWindow` that a person talks to.

Threads:

* main asks the two questions, then belongs to Tk; nobody else touches Tk, and main never waits for the network once
  the window is there;
* receive reads one link after the other, mends what breaks, and closes their sockets;
* send writes to a link, one thread for each;
* connect, where the questions are asked in a window, tries one server and hands over what it found.

The session's threads put what they learn into one queue, `Session.events`; the window empties it a little at a time.

Below: the settings; the session; the look; what the window shows, decided apart from drawing it; the parts of the
window; the window; the two questions, and main.
"""

from __future__ import annotations

import argparse
import bisect
import colorsys
import contextlib
import ctypes
import dataclasses
import errno
import functools
import io
import itertools
import json
import logging
import math
import os
import queue
import random
import re
import secrets
import select
import signal
import socket
import sys
import threading
import time
import traceback
import webbrowser
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Literal

import protocol
from protocol import (
    Announcement,
    Bare,
    Dialect,
    EndConn,
    Error,
    Event,
    Events,
    Greeting,
    Hello,
    Join,
    Joined,
    Left,
    Message,
    Notice,
    Quit,
    Reason,
    Refused,
    Resume,
    Say,
    Welcome,
    Words,
)

try:
    import tkinter as tk
    from tkinter import filedialog, ttk
    from tkinter import font as tkfont

    HAS_TKINTER = True
except ImportError:  # Debian and others leave it out of their Python; `main` says so
    HAS_TKINTER = False

DEFAULT_HOST = "127.0.0.1"
LOOK_UP_S = 0.5
"""How often who waits for a socket looks up: on Windows nobody promises that a shutdown wakes it; wine's does not."""
CONNECT_S = 5.0
"""How long a server may take to answer, and again to greet."""
MAX_PAUSE_S = 15.0
"""The longest pause between two tries to mend a broken link."""
QUIT_S = 1.0
"""How long leaving in order may take, before the connection is cut."""
RECV_BYTES = 64 * 1024

MAX_WAITING_EVENTS = 20_000
"""What may wait for the window before the receive thread reads no further, and TCP holds the server up."""

DRAIN_MS = 30
"""How often the window looks for news; a person does not notice less."""
BUSY_DRAIN_MS = 5
"""The same when there was more than it could show at once: time enough for a key in between."""
DRAIN_S = 0.010
"""How long it reads news at once, so that a flood never keeps it from its user."""
DRAIN_CHARACTERS = 32 * 1024
"""How much text it shows at once, for the same reason."""
MAX_ENTRIES = 12_000
"""What one can scroll back through: messages and notices."""
MAX_CHARACTERS = 16 * 1024 * 1024
"""The same in letters, should people say very long things."""
MAX_FOUND = 1000
"""How many places the search marks at once, the latest; it counts and visits all."""
MAX_RECALL = 200
"""How many of one's own messages Up walks back through."""
CLOSE_MS = 5000
"""How long the window stays after the server's `{end_conn}`; the sentence that announces it says five seconds."""
MAX_BOX_LINES = 5
MIN_PEOPLE_WIDTH, MAX_PEOPLE_WIDTH = 9, 18
"""Of the list of people, in letters."""
MIN_FONT_SIZE, MAX_FONT_SIZE = 6, 40

GEOMETRY = re.compile(r"(\d{2,5})x(\d{2,5})\+(-?\d{1,6})\+(-?\d{1,6})")
BEYOND = re.compile("([\U00010000-\U0010ffff]+)")
"""Letters beyond the basic plane."""
LANGUAGE_NAMES = {"it": "Italiano", "en": "English"}

log = logging.getLogger("chat_client")


# --- the settings ---------------------------------------------------------------------------------------------------


@dataclass
class Settings:
    """What the program remembers of its user, from one start to the next."""

    host: str = ""
    port: int = protocol.DEFAULT_PORT
    name: str = ""
    language: str = protocol.DEFAULT_LANGUAGE
    theme: str = "light"
    font_size: int = 0
    """In points; 0 for the system's own."""
    has_sound: bool = False
    shows_people: bool = True
    geometry: str = ""
    """Size and place of the window, as Tk writes them."""


def settings_path() -> Path:
    """Give the file of the settings, in the folder where this platform keeps such."""
    if sys.platform == "win32":
        folder = Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    elif sys.platform == "darwin":
        folder = Path.home() / "Library" / "Application Support"
    else:
        folder = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return folder / "lan-chat" / "settings.json"


def load_settings(path: Path) -> tuple[Settings, Path | None]:
    """Read the settings; what is missing or makes no sense has its default.

    A file that is no JSON object is set aside; the second value says where.
    """
    settings = Settings()
    try:
        found = json.loads(path.read_text("utf-8"))
        if not isinstance(found, dict):
            raise ValueError("no JSON object")
    except OSError:  # there is none yet, or it may not be read
        return settings, None
    except (ValueError, RecursionError):
        aside = path.with_suffix(".broken.json")
        with contextlib.suppress(OSError):
            path.replace(aside)
        return settings, aside
    for field in dataclasses.fields(Settings):
        value = found.get(field.name)
        if type(value) is type(getattr(settings, field.name)) and _makes_sense(field.name, value):
            setattr(settings, field.name, value)
    return settings, None


def _makes_sense(name: str, value: Any) -> bool:
    """Tell whether a setting of the right type is one that this program could have written."""
    match name:
        case "host":
            return bool(value.isprintable())  # else it could not even be written again: half a letter has no UTF-8
        case "name":
            return value == "" or protocol.parse_name(value) is not None
        case "port":
            return bool(1 <= value <= 65535)
        case "language":
            return value in protocol.LANGUAGES
        case "theme":
            return value in PALETTES
        case "font_size":
            return bool(value == 0 or MIN_FONT_SIZE <= value <= MAX_FONT_SIZE)
        case "geometry":
            return value == "" or GEOMETRY.fullmatch(value) is not None
    return True


def save_settings(settings: Settings, path: Path) -> None:
    """Write the settings; where that cannot be done, the next start has the old ones."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(dataclasses.asdict(settings), indent=2, ensure_ascii=False) + "\n")
    except OSError as error:
        log.debug("The settings could not be saved: %s", error)


def write_whole(path: Path, text: str) -> None:
    """Write a file whole or not at all. Raises OSError."""
    # A name of its own, so that two windows never write into one file.
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise


# --- the session ----------------------------------------------------------------------------------------------------


class UnreachableError(Exception):
    """No chat could be reached; the text is a sentence for the user, with the next step."""


class BannedError(UnreachableError):
    """The chat was reached, and its operator does not let this address in: another try is of no use."""


@dataclass(frozen=True)
class Disconnected(Event):
    """The session is over, and its threads with it; `unsent` is what nobody is known to have got."""

    unsent: tuple[str, ...]


@dataclass(frozen=True)
class Rejected(Event):
    """The server did not accept what one said: an `Error`, with the text that it is about."""

    text: str
    error: Error


@dataclass(frozen=True)
class LinkBroken(Event):
    """The link is broken, and the next try to mend it begins in `wait_s` seconds."""

    wait_s: float


@dataclass(frozen=True)
class LinkRestored(Event):
    """The link is there again, and the session goes on where it was; `names` are those in the room now."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class Gap(Event):
    """So many events of the room are missing here: they were more than it had kept."""

    count: int


@dataclass(frozen=True)
class NotSent(Event):
    """What one said under this nonce was never accepted, as far as anybody knows."""

    nonce: int
    text: str


@dataclass(frozen=True)
class Taken(Event):
    """What one said under this nonce was accepted, and its message is among those that are missing."""

    nonce: int


def tune(sock: socket.socket) -> None:
    """Set what this system knows of `protocol.SOCKET_OPTIONS`. Raises OSError where the peer has gone already."""
    for level, option, value in protocol.SOCKET_OPTIONS:
        if hasattr(socket, option):
            try:
                sock.setsockopt(getattr(socket, level), getattr(socket, option), value)
            except OSError as error:
                if error.errno != errno.ENOPROTOOPT:  # Python knows the name, and the system does not
                    raise


class Link:
    """One connection: its socket, what is spoken on it, and the thread that writes to it."""

    def __init__(self, host: str, port: int, words: Words, note_sent: Callable[[Say], object]) -> None:
        """Connect, and find out which dialect the server speaks. Waits; raises UnreachableError."""
        self._host, self._port, self._words = host, port, words
        self._note_sent = note_sent
        """Told what has been written to an original server, which confirms nothing."""
        self._sock = sock = self._open()
        try:
            received = self._read_greeting(sock)
            tune(sock)
            sock.setblocking(False)  # `incoming` and `_send_all` wait, each for itself
        except OSError as error:
            sock.close()
            raise UnreachableError(self._explain(words.unreachable_network, error)) from error
        except UnreachableError:
            sock.close()
            raise
        self.is_bare = protocol.recognise_server(received, is_over=True) is not Events
        self._dialect: Dialect = Bare(words) if self.is_bare else Events(protocol.MAX_SERVER_LINE_BYTES)
        self.greeting: list[Event] = self._dialect.feed(received) if self.is_bare else [Greeting()]
        """What the server said first."""
        self._is_cut = False
        """Whether nothing more is to be read."""
        self._outgoing: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._send, name="send", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def put(self, event: Event) -> None:
        """Write an event, after all that were put before it. From any thread; never waits."""
        self._outgoing.put(event)

    def incoming(self) -> Iterator[Event]:
        """Yield what the server says until the connection ends. Raises OSError."""
        while not self._is_cut:
            is_in_doubt = self._dialect.is_waiting
            if select.select([self._sock], [], [], protocol.SETTLE_S if is_in_doubt else LOOK_UP_S)[0]:
                try:
                    data = self._sock.recv(RECV_BYTES)
                except BlockingIOError:  # `select` may announce what then is not there
                    continue
                if not data:
                    break
                yield from self._dialect.feed(data)
            elif is_in_doubt:
                yield from self._dialect.flush()
        yield from self._dialect.finish()

    def cut(self) -> None:
        """Wake both threads out of whatever they wait for. From any thread."""
        self._is_cut = True
        with contextlib.suppress(OSError):  # it may be closed already
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End the thread and close the socket. May be called twice, by one thread: the one that reads."""
        self.cut()
        self._outgoing.put(None)
        if self._thread.ident is not None:
            self._thread.join()
        self._sock.close()

    def _open(self) -> socket.socket:
        words = self._words
        try:
            return socket.create_connection((self._host, self._port), CONNECT_S)
        except (socket.gaierror, UnicodeError, ValueError) as error:  # the latter two: no name of a host at all
            raise UnreachableError(self._explain(words.unreachable_unknown, error)) from error
        except ConnectionRefusedError as error:
            raise UnreachableError(self._explain(words.unreachable_refused, error)) from error
        except TimeoutError as error:
            raise UnreachableError(self._explain(words.unreachable_silent, error)) from error
        except OSError as error:
            raise UnreachableError(self._explain(words.unreachable_network, error)) from error

    def _read_greeting(self, sock: socket.socket) -> bytes:
        """Read what the server says first, until it is known what it speaks. Raises OSError, UnreachableError."""
        received, is_over = b"", False
        deadline = time.monotonic() + CONNECT_S
        while protocol.recognise_server(received, is_over) is None and not is_over:
            left_s = deadline - time.monotonic()
            sock.settimeout(max(0.001, min(left_s, protocol.SETTLE_S) if received else left_s))
            try:
                data = sock.recv(RECV_BYTES)
            except TimeoutError:
                data = b""
            received += data
            is_over = not data
        if not received or protocol.is_stranger(received):
            raise UnreachableError(self._explain(self._words.unreachable_stranger))
        for words in protocol.LANGUAGES.values():
            if received == words.full.encode():
                raise UnreachableError(self._words.full)
            if received == words.banned.encode():
                raise BannedError(self._words.banned)
        return received

    def _explain(self, sentence: str, error: Exception | None = None) -> str:
        return sentence.format(host=self._host, port=self._port, error=error)

    def _send(self) -> None:
        """Write what is to be written, in its order. Runs in the send thread."""
        try:
            while (event := self._outgoing.get()) is not None:
                self._write(event)
                if isinstance(event, Quit):
                    break
        except OSError as error:
            log.debug("Sending failed: %s", error)
            self.cut()
        except Exception:
            log.exception("A failure in the send thread")
            self.cut()

    def _write(self, event: Event) -> None:
        if not self.is_bare:
            self._send_all(self._dialect.encode(event))
        else:
            # The original's server takes one `recv` for one message, and never ends a client whose `{quit}` merged.
            for part in protocol.bare_parts(event):
                time.sleep(protocol.BARE_FAREWELL_S if isinstance(event, Quit) else protocol.BARE_PAUSE_S)
                self._send_all(self._dialect.encode(part))
            if isinstance(event, Say):
                self._note_sent(event)
        if isinstance(event, Quit):
            self._sock.shutdown(socket.SHUT_WR)

    def _send_all(self, data: bytes) -> None:
        """Write all of it, as the server takes it. Raises OSError, also where the link is cut meanwhile."""
        rest = memoryview(data)
        while rest:
            if self._is_cut:
                raise ConnectionAbortedError(errno.ECONNABORTED, "the link was cut")
            if select.select([], [self._sock], [], LOOK_UP_S)[1]:
                with contextlib.suppress(BlockingIOError):
                    rest = rest[self._sock.send(rest) :]


class Session:
    """A member's conversation with a server, over as many links as it takes; knows nothing of Tk.

    Life cycle: `connect`, `start`, then any of `join`, `say`, `retry` and `quit`, at last `close`. These are called
    from one thread, and but for `connect` and `close` none of them waits for the network.

    A link that breaks without `{end_conn}` is replaced by another one, unless the server is an original one. The
    server knows this session again by its token, and says what was missed; what it has not confirmed is said again
    under the same nonce, which it does not take twice.
    """

    def __init__(self, host: str, port: int, language: str = protocol.DEFAULT_LANGUAGE) -> None:
        self.host = host
        self.port = port
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        """What the server said and what became of the link, then one `Disconnected`."""
        self.is_bare = False
        """Whether the server is an original one."""
        self._language = language
        self._words = protocol.LANGUAGES[language]
        self._thread = threading.Thread(target=self._live, name="receive", daemon=True)
        self._is_closing = threading.Event()
        """Set when nobody looks into `events` any more."""
        self._wake = threading.Event()
        """Set to end the pause before the next try."""
        self._lock = threading.Lock()
        """Guards all that follows up to the next comment; nothing is sent while it is held."""
        self._link: Link | None = None
        self._is_linked = False
        """Whether what is put to `_link` may go out: there is one, and it is greeted."""
        self._is_open = False
        """Whether what is said goes out at once: to an original server always, to ours once it has welcomed us on this
        link, and told what it took on the last one."""
        self._wanted_name = ""
        self._is_resuming = False
        """Whether the server has been asked to know us again, and has not answered."""
        self._unconfirmed: dict[int, str] = {}
        self._last_nonce = 0
        self._put_nonce = 0
        """The last one that went to any link."""
        self._is_quitting = False
        self._is_over = False
        # For the receive thread alone.
        self._token = secrets.token_urlsafe(16)
        self._name = ""
        """As what we are known to the server; nothing where it has forgotten us, and not let us in again yet."""
        self._room_id: str | None = None
        self._last_id = 0
        """The last event that was seen; 0 for none."""
        self._tries = 0
        """How many new links have been tried since the server last let us in."""
        self._shown_until = 0
        """Up to this `id` a newcomer is shown some messages of before, and not all that happened."""
        self._was_away = False
        """Whether the next event shows if some are missing since the link broke."""
        self._settled_at = 0
        """The `id` with which everything has come that the link's breaking held up."""
        self._doubtful: dict[int, bool] = {}
        """Nonces that the server has dealt with, or may have; by then their messages should have come, too.

        True where it has known us again, and said so; where it had forgotten us, nobody knows that.
        """
        self._may_be_in_gap = False
        """Whether a doubtful one that has not come may be among the events that are missing."""
        self._has_ended = False
        """Whether the server has said `{end_conn}`."""

    def connect(self) -> None:
        """Connect, and find out which dialect the server speaks. Waits; raises UnreachableError."""
        self._link = Link(self.host, self.port, self._words, self._confirm)
        self.is_bare = self._link.is_bare
        for event in self._link.greeting:
            self.events.put(event)
        if not self.is_bare:
            self._link.put(Hello(protocol.VERSION, self._language))
        self._is_linked = True
        self._is_open = self.is_bare

    def start(self) -> None:
        """Begin to receive and to send."""
        assert self._link is not None
        self._link.start()
        self._thread.start()

    def join(self, name: str) -> None:
        """Ask for a name; while the link is broken, as soon as it is there again."""
        with self._lock:
            self._wanted_name = name
            if self._link is not None and self._is_linked and not self._is_resuming:
                self._link.put(Say(name) if self.is_bare else Join(name, self._token))

    def say(self, text: str) -> int | None:
        """Say something to everybody, and give its nonce; None where it is too late: the session is over.

        Before one is a member, and while the link is broken, it waits until one is, and the link is there again.
        """
        with self._lock:
            if self._is_over:
                return None
            self._last_nonce += 1
            self._unconfirmed[self._last_nonce] = text
            if self._link is not None and self._is_open:
                self._put_nonce = self._last_nonce
                self._link.put(Say(text, self._last_nonce))
            return self._last_nonce

    def retry(self) -> None:
        """Try at once to mend a broken link."""
        self._wake.set()

    def quit(self) -> None:
        """Leave in order: what was said before goes out first. May be called twice."""
        with self._lock:
            if not self._is_quitting and self._link is not None:
                if self._is_linked and self._wanted_name:  # asked for, and perhaps not answered yet
                    for nonce, text in self._unconfirmed.items():
                        if self._is_resuming or nonce > self._put_nonce:  # who knows us again takes none twice
                            self._link.put(Say(text, nonce))
                self._link.put(Quit())
            self._is_quitting = True
        self._wake.set()

    def close(self) -> None:
        """Leave, and wait until the threads have ended and the socket is closed.

        A try to mend the link that is under way ends by itself; nobody waits for that.
        """
        self._is_closing.set()
        if self._thread.ident is None:  # never started
            if self._link is not None:
                self._link.close()
            return
        self.quit()
        self._thread.join(QUIT_S)
        with self._lock:
            link, is_linked = self._link, self._is_linked
        if link is not None:
            link.cut()
        if is_linked:
            self._thread.join()

    # Below: in the receive thread, which owns the links.

    def _live(self) -> None:
        """Listen to one link after the other, until there is no more reason to."""
        link = self._link
        try:
            while link is not None:
                self._listen(link)
                with self._lock:
                    self._is_open = self._is_linked = False
                    is_last = self.is_bare or self._has_ended or self._is_quitting
                link.close()
                link = None if is_last else self._mend()
        except Exception:
            log.exception("A failure in the receive thread")
            with self._lock:
                self._is_linked = False
            if link is not None:
                link.close()
        finally:
            with self._lock:
                self._is_over = True
                unsent = tuple(self._unconfirmed.values())
            self.events.put(Disconnected(unsent))

    def _listen(self, link: Link) -> None:
        try:
            for event in link.incoming():
                while self.events.qsize() > MAX_WAITING_EVENTS and not self._is_closing.wait(DRAIN_MS / 1000):
                    pass  # the window is behind: TCP holds the server up
                self._take(link, event)
        except OSError as error:
            log.debug("The connection failed: %s", error)

    def _mend(self) -> Link | None:
        """Try for a new link, with growing pauses, until there is one; None where it is not wanted any more."""
        while True:
            tries, self._tries = self._tries, self._tries + 1
            pause_s = min(MAX_PAUSE_S, 2 ** (tries - 2)) * random.uniform(0.5, 1.0) if tries else 0.0
            self.events.put(LinkBroken(pause_s))
            self._wake.wait(pause_s)
            with self._lock:
                self._wake.clear()
                if self._is_quitting:
                    break
            try:
                link = Link(self.host, self.port, self._words, self._confirm)
            except BannedError:
                self.events.put(Error(Reason.BANNED.value))
                self.events.put(EndConn())
                break
            except UnreachableError as error:
                log.debug("No link: %s", error)
                continue
            if link.is_bare:  # another program is at that port now
                link.close()
            else:
                return link if self._greet(link) else None
        return None

    def _greet(self, link: Link) -> bool:
        """Take up a new link, and say who we are; False where it is not wanted any more."""
        with self._lock:
            is_wanted = not self._is_quitting
            if is_wanted:
                self._link = link
                self._is_linked = True
                link.put(Hello(protocol.VERSION, self._language))
                self._is_resuming = bool(self._wanted_name)
                if self._is_resuming:
                    link.put(Resume(self._token, self._last_id if self._name else 0))
            is_resuming = self._is_resuming
        if not is_wanted:
            link.close()
            return False
        if not is_resuming:
            self.events.put(LinkRestored(()))
        link.start()
        return True

    def _take(self, link: Link, event: Event) -> None:
        """Note what an event means for the session, and hand on what there is to show."""
        match event:
            case Welcome():
                self._settle_in(link, event)
                return
            case Refused(Reason.UNKNOWN_TOKEN) if self._is_resuming:
                # The grace is over, or the server has begun anew: come in again, as a newcomer of the same name.
                self._name = ""
                with self._lock:
                    # What ever went out is in doubt, also if this link breaks before its `Welcome`.
                    self._doubtful = {nonce: False for nonce in self._unconfirmed if nonce <= self._put_nonce}
                    self._is_resuming = False
                    link.put(Join(self._wanted_name, self._token))
                return
            case Refused():
                with self._lock:
                    self._wanted_name = ""
                    self._is_resuming = False
            case Error(nonce=nonce) if nonce is not None and (text := self._strike_out(nonce)):
                event = Rejected(text, event)
            case Message() | Announcement() | Joined() | Left():
                if event.id <= self._last_id:
                    return
                self._note_gap(event.id)
                self._last_id = event.id
                if isinstance(event, Message) and event.nonce is not None and event.name == self._name:
                    if event.id > self._shown_until or self._is_in_doubt(event):
                        self._strike_out(event.nonce)
                    else:  # whoever had this name before counted, too
                        event = dataclasses.replace(event, nonce=None)
                elif isinstance(event, Joined) and event.name == self._name:
                    self._may_be_in_gap = False  # all that one said comes after it
            case EndConn():
                self._has_ended = True
        self.events.put(event)
        if self._doubtful and self._last_id >= self._settled_at:
            self._settle_doubts()

    def _settle_in(self, link: Link, welcome: Welcome) -> None:
        """Begin, or go on, as a member: say what was not confirmed, and what was said since the link broke."""
        self._tries = 0
        is_known = self._is_resuming
        is_back = is_known and bool(self._name)  # or else it was let in just before the link broke, and not told
        if not is_back:
            if welcome.room != self._room_id or welcome.room is None:
                self._last_id = 0  # the numbers of another room
            self._shown_until = welcome.last
        self._was_away, self._may_be_in_gap = bool(self._last_id), is_known and not is_back
        self._settled_at = welcome.last
        self._name, self._room_id = welcome.name, welcome.room
        with self._lock:
            self._is_resuming = False
            self._wanted_name = welcome.name  # whatever else was asked for has been refused
            if not self._is_open:
                # The server knows what it took; where it does not know us, all that ever went out is in doubt.
                taken = welcome.nonce if is_known else self._put_nonce
                self._doubtful = {
                    nonce: self._doubtful.get(nonce, is_known)
                    for nonce in self._unconfirmed
                    if nonce in self._doubtful or (taken is not None and nonce <= taken)
                }
                for nonce, text in self._unconfirmed.items():
                    if nonce not in self._doubtful:
                        link.put(Say(text, nonce))
                        self._put_nonce = max(self._put_nonce, nonce)
                self._is_open = True
        self.events.put(LinkRestored(welcome.names) if is_back else welcome)
        if is_back and self._last_id >= self._settled_at:
            self._settle_doubts()

    def _note_gap(self, number: int) -> None:
        """Tell how much is missing before the event of this number, if anything is."""
        before = self._last_id if self._was_away else max(self._last_id, self._shown_until)
        self._was_away = False
        if before and number > before + 1:
            self._may_be_in_gap = True
            self.events.put(Gap(number - before - 1))

    def _is_in_doubt(self, message: Message) -> bool:
        """Tell whether a message of before is one of those in doubt, and not of a namesake who counted, too."""
        nonce = message.nonce
        with self._lock:
            text = self._unconfirmed.get(nonce, "") if nonce in self._doubtful else ""
        return bool(text) and protocol.clean_text(text) == message.text

    def _settle_doubts(self) -> None:
        """Deal with what the server should have brought by now: it refused it, or it is among what is missing."""
        doubtful, self._doubtful = self._doubtful, {}
        for nonce, is_dealt_with in sorted(doubtful.items()):
            if text := self._strike_out(nonce):
                may_be_in_gap = is_dealt_with and self._may_be_in_gap
                self.events.put(Taken(nonce) if may_be_in_gap else NotSent(nonce, text))

    def _confirm(self, said: Say) -> None:
        """Strike out what went to an original server. Called from the send thread."""
        if said.nonce is not None:
            self._strike_out(said.nonce)

    def _strike_out(self, nonce: int) -> str:
        with self._lock:
            return self._unconfirmed.pop(nonce, "")


# --- the look -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Palette:
    """The colours of a theme."""

    window: str
    paper: str
    text: str
    quiet: str
    error: str
    accent: str
    mention: str
    found: str
    border: str


PALETTES = {
    "light": Palette(
        *("#f0f0f0", "#ffffff", "#1f1f1f", "#5f6368", "#b3261e", "#0b57d0", "#fff4d1", "#ffd54f", "#c4c7c5"),
    ),
    "dark": Palette(
        *("#2b2b2b", "#1e1e1e", "#e3e3e3", "#a0a4a8", "#ff8a80", "#8ab4f8", "#3f3722", "#7a5c00", "#4a4d51"),
    ),
}
HUES = 72
"""How many colours there are for names."""
MIN_CONTRAST = 4.5
"""Between a name and what it stands on, as WCAG 2.1 asks for text (success criterion 1.4.3)."""


def hue_of(name: str) -> int:
    """Give the number of a name's colour: the same for that name in every window."""
    return zlib.crc32(protocol.name_key(name).encode()) % HUES


@functools.lru_cache(maxsize=4 * HUES)
def name_colour(hue: int, paper: str) -> str:
    """Give the colour of a hue, light or dark enough to be read on the paper."""
    is_dark = luminance(paper) < 0.2
    lightness = 0.6 if is_dark else 0.45
    while contrast(colour := hls_colour(hue / HUES, lightness, 0.75), paper) < MIN_CONTRAST:
        lightness += 0.02 if is_dark else -0.02
    return colour


def hls_colour(hue: float, lightness: float, saturation: float) -> str:
    """Write a colour as Tk reads it; each part from 0 to 1."""
    return "#{:02x}{:02x}{:02x}".format(
        *(round(255 * part) for part in colorsys.hls_to_rgb(hue, lightness, saturation))
    )


def contrast(one: str, other: str) -> float:
    """Give the contrast of two colours, 1 to 21 (WCAG 2.1, "contrast ratio")."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    """Give how bright a colour of the form `#rrggbb` is, 0 to 1 (WCAG 2.1, "relative luminance")."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def draws_every_letter(root: tk.Misc) -> bool:
    """Tell whether this Tk can draw what lies beyond the basic plane, such as most emoji.

    Tcl before 8.6.10 refuses it. On X11 a libXft before 2.3.5 ends the process at the first letter out of a coloured
    font (its release notes; Tk's ticket 79595c21ae).
    """
    version = tuple(int(part) for part in re.findall(r"\d+", str(root.tk.call("info", "patchlevel"))))
    if version < (8, 6, 10):
        return False
    if root.tk.call("tk", "windowingsystem") == "x11":
        try:
            return bool(ctypes.CDLL("libXft.so.2").XftGetVersion() >= 20305)
        except (OSError, AttributeError):
            pass  # a Tk without it draws boxes
    return True


def ask_for_attention(root: tk.Tk) -> None:
    """Have the task bar show that something in this window concerns its user, until the user looks."""
    if sys.platform == "win32":
        flash = _FlashInfo(ctypes.sizeof(_FlashInfo), int(root.wm_frame(), 16), FLASHW_TRAY_UNTIL_FOREGROUND, 0, 0)
        ctypes.windll.user32.FlashWindowEx(ctypes.byref(flash))
    elif root.tk.call("tk", "windowingsystem") == "x11":
        set_urgency(root, is_urgent=True)


if sys.platform == "win32":
    FLASHW_TRAY_UNTIL_FOREGROUND = 0x2 | 0xC

    class _FlashInfo(ctypes.Structure):
        """FLASHWINFO, as the documentation of FlashWindowEx has it."""

        _fields_ = (
            ("cbSize", ctypes.c_uint),
            ("hwnd", ctypes.c_void_p),
            ("dwFlags", ctypes.c_uint),
            ("uCount", ctypes.c_uint),
            ("dwTimeout", ctypes.c_uint),
        )


class _WmHints(ctypes.Structure):
    """XWMHints, as Xlib's manual has it (section 14.1.6)."""

    _fields_ = (
        ("flags", ctypes.c_long),
        ("input", ctypes.c_int),
        ("initial_state", ctypes.c_int),
        ("icon_pixmap", ctypes.c_ulong),
        ("icon_window", ctypes.c_ulong),
        ("icon_x", ctypes.c_int),
        ("icon_y", ctypes.c_int),
        ("icon_mask", ctypes.c_ulong),
        ("window_group", ctypes.c_ulong),
    )


X_URGENCY_HINT = 1 << 8


def set_urgency(root: tk.Tk, is_urgent: bool) -> None:
    """Set or clear the hint by which X11's window managers mark a window that wants to be looked at (ICCCM 4.1.2.4)."""
    try:
        xlib = ctypes.CDLL("libX11.so.6")
    except OSError:
        return  # the title's count has to do
    xlib.XOpenDisplay.restype = ctypes.c_void_p
    xlib.XGetWMHints.restype = ctypes.POINTER(_WmHints)
    display = ctypes.c_void_p(xlib.XOpenDisplay(str(root.winfo_screen()).encode()))
    if not display:
        return
    # Tk wraps each window in one of its own, which is what the window manager knows.
    above, wrapper, count = ctypes.c_ulong(), ctypes.c_ulong(), ctypes.c_uint()
    children = ctypes.c_void_p()
    found = (ctypes.byref(above), ctypes.byref(wrapper), ctypes.byref(children), ctypes.byref(count))
    if xlib.XQueryTree(display, ctypes.c_ulong(root.winfo_id()), *found):
        xlib.XFree(children)
        hints = xlib.XGetWMHints(display, wrapper)
        if hints:
            flags = hints.contents.flags
            hints.contents.flags = flags | X_URGENCY_HINT if is_urgent else flags & ~X_URGENCY_HINT
            xlib.XSetWMHints(display, wrapper, hints)
            xlib.XFree(hints)
    xlib.XCloseDisplay(display)


# --- what the window shows, decided apart from drawing it ------------------------------------------------------------


class Kind(Enum):
    """How a piece of the conversation is set apart; the value is the name of its style."""

    MESSAGE = "text"
    NOTICE = "notice"
    ERROR = "error"
    ANNOUNCEMENT = "announcement"


@dataclass(frozen=True)
class Entry:
    """One piece of the conversation; `time` is in seconds since the epoch."""

    time: float
    kind: Kind
    text: str
    speaker: str = ""
    is_mention: bool = False

    def as_lines(self) -> str:
        """Write it for a text file: with its date, one line, and further lines of its text indented."""
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.time))
        what = f"{self.speaker}: {self.text}" if self.speaker else self.text
        mark = "* "
        if self.kind is Kind.MESSAGE:
            mark = "\\" if what.startswith("*") else ""  # or a name that begins so would look like a notice
        return f"{when} {mark}{what}".replace("\n", "\n    ") + "\n"


LINK = re.compile(r"(https?://)[^\s<>\"]+", re.IGNORECASE)
_AFTER_LINK = ".,;:!?'»”’…)]}"


def find_links(text: str) -> list[tuple[int, int]]:
    """Give the places of the links in a text. Punctuation behind one does not count, nor a bracket it did not open."""
    places = []
    for match in LINK.finditer(text):
        start, end = match.span()
        unopened = match[0].count(")") - match[0].count("(")
        while text[end - 1] in _AFTER_LINK and (text[end - 1] != ")" or unopened > 0):
            unopened -= text[end - 1] == ")"
            end -= 1
        if end > match.end(1):
            places.append((start, end))
    return places


def mentions(text: str, name: str) -> bool:
    """Tell whether a text says a name, as a word of its own."""
    said, wanted = text.casefold(), name.casefold()
    return bool(wanted) and re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", said) is not None


def completions(before: str, names: Iterable[str]) -> tuple[int, list[str]]:
    """Give how many characters before the cursor begin a name, and the names that they begin, sorted."""
    tail = before[-protocol.MAX_NAME_CHARACTERS :].rpartition("\n")[2]
    starts = [0, *(match.end() for match in re.finditer(r"\s", tail))]
    for start in starts:  # the longest first: a name may have blanks in it
        wanted = tail[start:].casefold()
        found = sorted((name for name in names if wanted and name.casefold().startswith(wanted)), key=str.casefold)
        if found:
            return len(tail) - start, found
    return 0, []


class Recall:
    """What one said before, to walk back through; the unsent draft is where the walk begins."""

    def __init__(self) -> None:
        self._said: deque[str] = deque(maxlen=MAX_RECALL)
        self._draft = ""
        self._back = 0

    def add(self, text: str) -> None:
        """Note what was said, and go back to the present."""
        if not self._said or self._said[-1] != text:
            self._said.append(text)
        self._back = 0

    def older(self, current: str) -> str | None:
        """Give what was said before `current`; None where nothing was. Once changed, it is a new draft."""
        if self._back and current != self._said[-self._back]:
            self._back = 0
        if self._back == len(self._said):
            return None
        if not self._back:
            self._draft = current
        self._back += 1
        return self._said[-self._back]

    def newer(self, current: str) -> str | None:
        """Give what was said after `current`, at last the draft; None where one is there already."""
        if not self._back or current != self._said[-self._back]:
            return None
        self._back -= 1
        return self._said[-self._back] if self._back else self._draft


# --- the parts of the window ----------------------------------------------------------------------------------------


def whole_letters(text: str) -> str:
    """Mend what Tk hands out: a letter beyond the basic plane may come in two halves."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def without_beyond(text: str) -> str:
    """Put a box in the place of each letter beyond the basic plane."""
    return BEYOND.sub(lambda match: "□" * len(match[0]), text)


@dataclass
class Block:
    """What one entry, or the mark where the reader left off, takes up in the text."""

    lines: int
    characters: int
    is_entry: bool


class Conversation:
    """What was said: a text to read, select and search, with what is still on its way at its end."""

    def __init__(self, parent: ttk.Frame, words: Words, open_link: Callable[[str], object]) -> None:
        self._words = words
        self._open_link = open_link
        self._entries: deque[Entry] = deque()
        self._blocks: deque[Block] = deque()
        """What the text consists of, from its first line on."""
        self._marker = Block(0, 0, is_entry=False)
        self._characters = 0
        self._waiting: list[str | tuple[str, ...]] = []
        """What `flush` will insert: texts and their tags, by turns."""
        self.waiting_characters = 0
        self._tail: list[tuple[str, str, bool]] = []
        self._is_tail_stale = False
        self._last_day = time.strftime("%Y-%m-%d")
        self._unseen = 0
        self._undrawn: dict[str, str] = {}
        """What stands behind each mark for letters that this Tk cannot draw, by the mark's tag, oldest first."""
        self._undrawn_numbers = itertools.count()
        self._is_at_end = True
        self.last_link = ""

        self.frame = ttk.Frame(parent)
        self.frame.columnconfigure(0, weight=1)
        self.frame.rowconfigure(0, weight=1)
        self.text = tk.Text(self.frame, width=80, height=25, wrap="word", state="disabled")
        self.text.configure(font="TkTextFont", relief="flat", borderwidth=0, padx=8, pady=6, spacing3=3)
        self.text.mark_set("tail", "1.0")
        self._can_draw_all = draws_every_letter(self.text.winfo_toplevel())
        self._counts_halves = int(self.text.tk.call("string", "length", "\U0001f600")) == 2
        """Whether a letter beyond the basic plane is two to this Tk (before 9)."""
        scrollbar = ttk.Scrollbar(self.frame, command=self.text.yview)
        self.text.configure(yscrollcommand=scrollbar.set)
        self.text.grid(row=0, column=0, sticky="nsew")
        scrollbar.grid(row=0, column=1, sticky="ns")
        self.button = ttk.Button(self.text, command=self.show_latest, takefocus=False, style="New.TButton")
        self.name_font = tkfont.Font(self.text, font="TkTextFont")

        self.text.bind("<Button-1>", lambda event: self.text.focus_set())  # or Ctrl+C would copy nothing
        self.text.bind("<Configure>", lambda event: self._follow())
        self.text.bind("<<Copy>>", self._on_copy)
        self.text.tag_bind("link", "<ButtonRelease-1>", self._on_link)
        for tag in ("link", "action"):
            self.text.tag_bind(tag, "<Enter>", lambda event: self.text.configure(cursor="hand2"))
            self.text.tag_bind(tag, "<Leave>", lambda event: self.text.configure(cursor="xterm"))

    def paint(self, palette: Palette) -> None:
        """Take on the colours of a theme, and the sizes of the fonts."""
        text = self.text
        self.name_font.configure(**tkfont.nametofont("TkTextFont", root=text).actual())
        self.name_font.configure(weight="bold")
        indent = tkfont.nametofont("TkTextFont", root=text).measure("00:00  ")
        text.configure(background=palette.paper, foreground=palette.text, insertbackground=palette.text)
        text.configure(
            selectbackground=palette.accent, selectforeground=palette.paper, inactiveselectbackground=palette.accent
        )
        text.configure(highlightthickness=1, highlightbackground=palette.border, highlightcolor=palette.accent)
        for hue in range(HUES):
            colour = name_colour(hue, palette.mention)  # on the paper it can be read even better
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
        for name in ("link", "action", "found", "current", "sel"):  # what counts where two of them meet, at last
            text.tag_raise(name)

    def speak(self, words: Words) -> None:
        """Change the language of what comes from now on."""
        self._words = words
        self._is_tail_stale = True
        self._show_unseen()

    # What comes in.

    def add(self, entry: Entry, is_news: bool = False) -> None:
        """Note an entry for the next `flush`; news is counted for a reader who has scrolled up."""
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
        self.waiting_characters += size
        if is_news and not self._is_at_end:
            self._unseen += 1

    def add_rule(self, text: str) -> None:
        """Draw a line across, with a text."""
        self._waiting += [f"— {text} —\n", ("day",)]
        self._blocks.append(Block(1, 0, is_entry=False))

    def mark_left_off(self) -> None:
        """Draw the line that shows how far the reader had read; there is one at most."""
        self.flush()
        self._change(self._remove_marker)
        self._marker = Block(1, 0, is_entry=False)
        self._blocks.append(self._marker)
        self._waiting += [f"——  {self._words.left_off}  ——\n", ("marker",)]

    def set_tail(self, tail: list[tuple[str, str, bool]]) -> None:
        """Show these at the end, as what was not yet or never accepted: the speaker, the text, and whether it failed.

        Failed ones have tags `again-N` and `discard-N`, N their place in the list, for `tail_action_at`.
        """
        self._tail = tail
        self._is_tail_stale = True

    def flush(self) -> None:
        """Draw what was added since the last time, with one call of Tk for all."""
        if self._waiting or self._is_tail_stale:
            self._change(self._draw)
        self._follow()
        self._show_unseen()

    def note_place(self) -> None:
        """Note whether the reader is at the end. After a change of width `yview` would not know it for a while."""
        if self.text.winfo_viewable():
            last_line = self.text.dlineinfo("end-2c")
            self._is_at_end = last_line is not None and last_line[1] + last_line[3] <= self.text.winfo_height()
        if self._is_at_end and self._unseen:
            self._unseen = 0
            self._show_unseen()

    def show_latest(self) -> None:
        """Go to the end, and stay there."""
        self._is_at_end = True
        self._unseen = 0
        self._follow()
        self._show_unseen()

    # What the reader does.

    def as_text(self) -> str:
        """Write it all for a text file."""
        return "".join(entry.as_lines() for entry in self._entries)

    def selected(self) -> str:
        """Give what is selected, also what could not be drawn."""
        return self._read("sel.first", "sel.last") if self.text.tag_ranges("sel") else ""

    def copy(self) -> None:
        """Put what is selected on the clipboard."""
        if selected := self.selected():
            self.text.clipboard_clear()
            self.text.clipboard_append(selected)

    def select_all(self) -> None:
        """Select everything."""
        self.text.tag_add("sel", "1.0", "end-1c")
        self.text.focus_set()

    def find(self, wanted: str, is_backwards: bool) -> tuple[int, int]:
        """Mark all places of a text, show the next one in a direction, and give its number and how many there are."""
        self.forget_found()
        # Not with Tk's own search: Tk 8.6.13 crashes where there are emoji and the case of letters is not to count.
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
        number %= len(places)  # before the first one comes the last
        start, end = next(self._indices(shown, [places[number]]))
        self.text.mark_set("place", start)
        self.text.tag_add("current", start, end)
        self._is_at_end = False
        self.text.see(start)
        return number + 1, len(places)

    def forget_found(self, is_over: bool = False) -> None:
        """Take the marks of `find` away; at its end also the place where it was."""
        self.text.tag_remove("found", "1.0", "end")
        self.text.tag_remove("current", "1.0", "end")
        if is_over and self._has_place():
            self.text.mark_unset("place")

    def link_at(self, index: str) -> str:
        """Give the link at a place of the text; empty where there is none."""
        if "link" not in self.text.tag_names(index):
            return ""
        return self._read(*self.text.tag_prevrange("link", f"{index}+1c"))

    def tail_action_at(self, index: str) -> tuple[str, int] | None:
        """Give what a click at a place wants done with which of the tail: `again` or `discard`."""
        for tag in self.text.tag_names(index):
            action, _, number = tag.partition("-")
            if action in ("again", "discard"):
                return action, int(number)
        return None

    # Below: the reading and the drawing.

    def _read(self, first: str, last: str) -> str:
        """Give a part of the text, with what stands behind the marks in it."""
        parts = []
        undrawn, begun = "", 0  # a part may begin and end within a mark
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

    def _indices(self, shown: str, places: Iterable[tuple[int, int]]) -> Iterator[tuple[str, str]]:
        """Give places of what is shown, in their order and none with a line break in it, as Tk's indices."""
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

    def _change(self, step: Callable[[], None]) -> None:
        """Do something to the text, which its reader must not."""
        self.text.configure(state="normal")
        try:
            step()
        finally:
            self.text.configure(state="disabled")

    def _draw(self) -> None:
        text = self.text
        text.delete("tail", "end-1c")
        waiting, self._waiting, self.waiting_characters = self._waiting, [], 0
        if waiting:
            text.insert("tail", *waiting)  # type: ignore[arg-type]  # a text and its tags, again and again
        self._drop_oldest()
        place = text.index("tail")
        self._is_tail_stale = False
        when = time.strftime("%H:%M  ")
        for number, (speaker, said, has_failed) in enumerate(self._tail):
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
        text.mark_set("tail", place)

    def _drop_oldest(self) -> None:
        lines = 0
        while len(self._entries) > MAX_ENTRIES or (self._characters > MAX_CHARACTERS and len(self._entries) > 1):
            block = self._blocks.popleft()
            lines += block.lines
            self._characters -= block.characters
            if block.is_entry:
                self._entries.popleft()
        if lines:
            self.text.delete("1.0", f"{lines + 1}.0")
            for name in list(itertools.takewhile(lambda name: not self.text.tag_ranges(name), self._undrawn)):
                self.text.tag_delete(name)
                del self._undrawn[name]

    def _remove_marker(self) -> None:
        for first in self.text.tag_ranges("marker")[:1]:
            self.text.delete(first, f"{first} lineend+1c")
        self._marker.lines = 0

    def _follow(self) -> None:
        """Keep the end in sight, unless the reader has gone back."""
        if self._is_at_end:
            self.text.see("end")

    def _show_unseen(self) -> None:
        if self._unseen:
            count = self._words.new_message if self._unseen == 1 else self._words.new_messages
            self.button.configure(text=count.format(count=self._unseen))
            self.button.place(relx=0.5, rely=1.0, y=-8, anchor="s")
        else:
            self.button.place_forget()

    def _has_place(self) -> bool:
        return "place" in self.text.mark_names()

    def _on_copy(self, event: tk.Event[tk.Text]) -> str:
        self.copy()
        return "break"

    def _on_link(self, event: tk.Event[tk.Text]) -> None:
        link = self.link_at(f"@{event.x},{event.y}")
        if link and not self.text.tag_ranges("sel"):  # whoever selects a link does not want to go there
            self._open_link(link)


class FindBar:
    """The line to look for something in the conversation with."""

    def __init__(self, parent: ttk.Frame, conversation: Conversation, leave: Callable[[], object]) -> None:
        self._conversation = conversation
        self._leave = leave
        self._words = protocol.ITALIAN
        self.frame = ttk.Frame(parent, padding=(0, 0, 0, 8))
        self.frame.columnconfigure(1, weight=1)
        self._label = ttk.Label(self.frame)
        self._label.grid(row=0, column=0, padx=(0, 8))
        self.entry = ttk.Entry(self.frame, font="TkTextFont")
        self.entry.grid(row=0, column=1, sticky="ew")
        self.count = ttk.Label(self.frame, width=18)
        self.count.grid(row=0, column=2, padx=8)
        ttk.Button(self.frame, text="↑", width=3, command=lambda: self.step(True)).grid(row=0, column=3)
        ttk.Button(self.frame, text="↓", width=3, command=lambda: self.step(False)).grid(row=0, column=4)
        ttk.Button(self.frame, text="×", width=3, command=self.close).grid(row=0, column=5)
        self.entry.bind("<Return>", lambda event: self.step(True))
        self.entry.bind("<Shift-Return>", lambda event: self.step(False))
        self.entry.bind("<Up>", lambda event: self.step(True))
        self.entry.bind("<Down>", lambda event: self.step(False))

    def speak(self, words: Words) -> None:
        """Change the language."""
        self._words = words
        self._label.configure(text=words.find)
        self.count.configure(text="")

    def open(self) -> None:
        """Show the line, and write in it."""
        self.frame.grid()
        self.entry.focus_set()
        self.entry.selection_range(0, "end")

    def step(self, is_backwards: bool) -> None:
        """Go to the next place in a direction; back in time first, since the news is at the end."""
        if not self.frame.winfo_viewable():
            self.open()
        number, count = self._conversation.find(self.entry.get(), is_backwards)
        found = self._words.find_count.format(number=number, count=count) if count else self._words.find_nothing
        self.count.configure(text=found)

    def close(self) -> None:
        """Put the line away."""
        self.frame.grid_remove()
        self.count.configure(text="")
        self._conversation.forget_found(is_over=True)
        self._leave()


class Box:
    """The box to write in: it grows with its text, remembers what was said, and completes names."""

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
        self._recall = Recall()
        self._candidates: list[str] = []
        self._completed = ""
        """The text up to the cursor as the last completion left it."""
        self._returned = ""
        """What `give_back` has put at the beginning, for the next to stand behind it."""
        self.text = text = tk.Text(parent, height=1, width=50, wrap="word", undo=True, padx=6, pady=5)
        text.configure(font="TkTextFont", relief="flat", borderwidth=0, highlightthickness=1)
        self.placeholder = tk.Label(text, font="TkTextFont", cursor="xterm", padx=0, pady=0, borderwidth=0)
        self.placeholder.bind("<Button-1>", lambda event: text.focus_set())
        for step in ("<ButtonPress-2>", "<ButtonRelease-2>", "<ButtonPress-3>", "<Control-ButtonPress-1>"):
            self.placeholder.bind(step, functools.partial(self._on_placeholder, step))
        text.bind("<Return>", self._on_return)
        text.bind("<KP_Enter>", self._on_return)
        text.bind("<Tab>", self._on_tab)
        text.bind("<Shift-Tab>", lambda event: None)  # goes back, as everywhere; or it would be a Tab on Windows
        text.bind("<Up>", self._on_up)
        text.bind("<Down>", self._on_down)
        text.bind("<<Modified>>", self._on_modified)
        text.bind("<<Paste>>", self._on_paste)
        text.bind("<Configure>", lambda event: self.fit())
        self._show_placeholder()

    @property
    def draft(self) -> str:
        """What is in the box."""
        return whole_letters(self.text.get("1.0", "end-1c"))

    @draft.setter
    def draft(self, draft: str) -> None:
        self._returned = ""
        self.text.delete("1.0", "end")
        self.text.insert("1.0", draft)
        self.text.see("insert")
        self._show_placeholder()

    def paint(self, palette: Palette) -> None:
        """Take on the colours of a theme."""
        text = self.text
        text.configure(background=palette.paper, foreground=palette.text, insertbackground=palette.text)
        text.configure(selectbackground=palette.accent, selectforeground=palette.paper)
        text.configure(highlightbackground=palette.border, highlightcolor=palette.accent)
        self.placeholder.configure(background=palette.paper, foreground=palette.quiet)

    def add_said(self, text: str) -> None:
        """Note what was said, for the walk with Up and Down, and empty the box."""
        self._recall.add(text)
        self.draft = ""

    def give_back(self, text: str, is_selected: bool = False) -> None:
        """Put a text that was not accepted back, before what has been written since."""
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
        """Begin what one says with somebody's name."""
        self.text.insert("1.0" if not self.draft.strip() else "insert", f"{name}: ")
        self.text.focus_set()

    def fit(self) -> None:
        """Give the box as many lines as its text needs, up to MAX_BOX_LINES."""
        height = min(MAX_BOX_LINES, max(1, self._rows("1.0", "end")))
        if height != int(self.text["height"]):
            self.text.configure(height=height)
            self.text.see("insert")

    def _show_placeholder(self) -> None:
        """Show the hint while the box is empty; it is no part of what is written there."""
        if self.text.compare("end-1c", "==", "1.0"):
            self.placeholder.place(x=0, rely=0.5, anchor="w")
        else:
            self.placeholder.place_forget()

    def _on_placeholder(self, step: str, event: tk.Event[tk.Label]) -> None:
        """Hand a click on the hint to the box beneath it, which pastes or shows its menu."""
        x, y = event.x + self.placeholder.winfo_x(), event.y + self.placeholder.winfo_y()
        self.text.event_generate(step, x=x, y=y, rootx=event.x_root, rooty=event.y_root)

    def _on_return(self, event: tk.Event[tk.Text]) -> str | None:
        if int(event.state) & 0x1:  # Shift breaks the line
            return None
        self._submit()
        return "break"

    def _on_modified(self, event: tk.Event[tk.Text]) -> None:
        self.text.edit_modified(False)
        self._show_placeholder()
        self.fit()

    def _on_paste(self, event: tk.Event[tk.Text]) -> str:
        """Replace what is selected, on X11 too, as everybody expects by now."""
        with contextlib.suppress(tk.TclError):  # nothing to paste
            pasted = self.text.clipboard_get()
            if self.text.tag_ranges("sel"):
                self.text.mark_set("insert", "sel.first")
                self.text.delete("sel.first", "sel.last")
            self.text.insert("insert", pasted.replace("\r\n", "\n"))
            self.text.see("insert")
        return "break"

    def _on_up(self, event: tk.Event[tk.Text]) -> str | None:
        # Within the text it moves the cursor, as everywhere; from the first row it goes back in time. With Shift it
        # selects.
        if int(event.state) & 0x1 or self._rows("1.0", "insert"):
            return None
        return self._show_recalled(self._recall.older(self.draft))

    def _on_down(self, event: tk.Event[tk.Text]) -> str | None:
        if int(event.state) & 0x1 or self._rows("insert", "end-1c"):
            return None
        return self._show_recalled(self._recall.newer(self.draft))

    def _rows(self, first: str, last: str) -> int:
        """Count the ends of rows, as they are shown, between two places."""
        counted = self.text.count(first, last, "displaylines")
        # A tuple of one, or None; from Python 3.13 on a plain number is possible too.
        return int((counted[0] if isinstance(counted, tuple) else counted) or 0)

    def _show_recalled(self, recalled: str | None) -> str:
        if recalled is not None:
            self.draft = recalled
        return "break"

    def _on_tab(self, event: tk.Event[tk.Text]) -> str:
        """Complete a name, the next one when pressed again; leave the box where there is none to complete."""
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


class PeopleList:
    """Who is in the room, sorted, with their number."""

    def __init__(self, parent: ttk.Frame, address: Callable[[str], object]) -> None:
        self._address = address
        self._keys: list[tuple[str, str]] = []
        """What the list is sorted by, and the name."""
        self._words = protocol.ITALIAN
        self._paper = "#ffffff"
        self._can_draw_all = draws_every_letter(parent)
        self.frame = ttk.Frame(parent, padding=(8, 0, 0, 0))
        self.frame.rowconfigure(1, weight=1)
        self.title = ttk.Label(self.frame)
        self.title.grid(row=0, column=0, columnspan=2, sticky="w")
        self.list = tk.Listbox(self.frame, width=MAX_PEOPLE_WIDTH, relief="flat", borderwidth=4, highlightthickness=1)
        self.list.configure(font="TkTextFont", activestyle="dotbox", exportselection=False)
        self._scrollbar = ttk.Scrollbar(self.frame, command=self.list.yview)
        self.list.configure(yscrollcommand=self._on_scrolled)
        self.list.grid(row=1, column=0, sticky="nsew")
        self._scrollbar.grid(row=1, column=1, sticky="ns")
        self.list.bind("<ButtonRelease-1>", self._on_click)
        self.list.bind("<Return>", self._on_key)
        self.list.bind("<space>", self._on_key)

    @property
    def names(self) -> list[str]:
        """Everybody who is here."""
        return [name for _, name in self._keys]

    def paint(self, palette: Palette) -> None:
        """Take on the colours of a theme."""
        self._paper = palette.mention  # as in the conversation
        self.list.configure(background=palette.paper, foreground=palette.text)
        self.list.configure(selectbackground=palette.accent, selectforeground=palette.paper)
        self.list.configure(highlightbackground=palette.border, highlightcolor=palette.accent)
        for place, name in enumerate(self.names):
            self._colour(place, name)

    def speak(self, words: Words) -> None:
        """Change the language."""
        self._words = words
        self._count()

    def fit(self, window_width: int) -> None:
        """Take no more than a third of the window's width, in pixels."""
        letter = tkfont.nametofont("TkTextFont", root=self.list).measure("0")
        width = max(MIN_PEOPLE_WIDTH, min(MAX_PEOPLE_WIDTH, window_width // 3 // letter))
        if width != int(self.list["width"]):
            self.list.configure(width=width)

    def set(self, names: Iterable[str]) -> None:
        """Show these and nobody else."""
        self._keys = sorted((name.casefold(), name) for name in set(names))
        self.list.delete(0, "end")
        self.list.insert("end", *map(self._as_drawn, self.names))
        self.list.activate(0)  # where the keyboard begins; Tk would have it at the end
        for place, name in enumerate(self.names):
            self._colour(place, name)
        self._count()

    def add(self, name: str) -> None:
        """Show one more."""
        key = (name.casefold(), name)
        place = bisect.bisect_left(self._keys, key)
        if self._keys[place : place + 1] != [key]:
            self._keys.insert(place, key)
            self.list.insert(place, self._as_drawn(name))
            self._colour(place, name)
            self._count()

    def remove(self, name: str) -> None:
        """Show one less."""
        key = (name.casefold(), name)
        place = bisect.bisect_left(self._keys, key)
        if self._keys[place : place + 1] == [key]:
            del self._keys[place]
            self.list.delete(place)
            self._count()

    def _as_drawn(self, name: str) -> str:
        return name if self._can_draw_all else without_beyond(name)

    def _colour(self, place: int, name: str) -> None:
        self.list.itemconfigure(place, foreground=name_colour(hue_of(name), self._paper))

    def _count(self) -> None:
        self.title.configure(text=self._words.people.format(count=len(self._keys)))

    def _on_scrolled(self, first: float, last: float) -> None:
        """Show the scrollbar where there is something to scroll."""
        self._scrollbar.set(first, last)
        if float(first) <= 0.0 and float(last) >= 1.0:
            self._scrollbar.grid_remove()
        else:
            self._scrollbar.grid()

    def _on_click(self, event: tk.Event[tk.Listbox]) -> None:
        place = self.list.index(f"@{event.x},{event.y}")
        box = self.list.bbox(place) if place >= 0 else None
        if box and box[1] <= event.y <= box[1] + box[3]:  # not the empty room below the last one
            self._address(self._keys[place][1])

    def _on_key(self, event: tk.Event[tk.Listbox]) -> str:
        place = self.list.index("active")
        if 0 <= place < len(self._keys):
            self._address(self._keys[place][1])
        return "break"


# --- the window -----------------------------------------------------------------------------------------------------


class ChatWindow:
    """The window: the conversation above, the box to write in below, and who is there at the side. For main alone."""

    def __init__(self, root: tk.Tk, session: Session, settings: Settings, name: str = "") -> None:
        self.wants_to_close = False
        """Set by a signal's handler, which must not touch Tk."""
        self.settings = settings
        self._root = root
        self._session = session
        self._words = protocol.LANGUAGES[settings.language]
        self._offered_name = protocol.clean_text(name)  # the command line may hold anything
        """The name from the command line, until it has been offered."""
        self._asked_name = ""
        """The name that was asked for, until there is an answer."""
        self._name = ""
        self._pending: dict[int, str] = {}
        """What was said and has not come back from the server, by its nonce."""
        self._failed: list[str] = []
        """What never was accepted, and waits for its author."""
        self._arrived_at = 0
        """What has an `id` up to this one was said before this window's user came."""
        self._has_said_before = False
        self._is_connected = True
        """Whether the session goes on, if need be over another link."""
        self._retry_at: float | None = None
        """When the next try to mend a broken link begins, on the monotonic clock; None where it is not broken."""
        self._is_ending = False
        self._has_focus = True
        self._unread = 0
        self._build()
        self._drain_id = root.after(DRAIN_MS, self._drain)
        self._end_id = ""

    def close(self) -> None:
        """Leave the chat and close the window; `Session.close` waits for the rest."""
        self._session.quit()
        self._root.after_cancel(self._drain_id)
        if self._end_id:
            self._root.after_cancel(self._end_id)
        if self._root.state() == "normal":  # maximized, it would come back as large and not be so
            self.settings.geometry = self._root.geometry()
        self._root.destroy()

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
        self.conversation.text.tag_bind("action", "<ButtonRelease-1>", self._on_tail_action)
        self.find_bar = FindBar(frame, self.conversation, self._focus_box)
        self.find_bar.frame.grid(row=0, column=0, columnspan=2, sticky="ew")
        self.find_bar.frame.grid_remove()
        # An original server does not tell who is in the room, so the list appears with the first name.
        self.people = PeopleList(frame, self._address)
        frame.bind("<Configure>", lambda event: self.people.fit(event.width))

        bottom = ttk.Frame(frame, padding=(0, 8, 0, 0))
        bottom.grid(row=2, column=0, columnspan=2, sticky="ew")
        bottom.columnconfigure(0, weight=1)
        self.box = Box(
            bottom, self.submit, self._leave_box, lambda: [name for name in self.people.names if name != self._name]
        )
        self.box.text.grid(row=0, column=0, sticky="ew")
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
        self._speak()
        self._paint()
        self._bind_keys()
        restore_geometry(root, self.settings.geometry)
        self.box.text.focus_set()

    # What the user does.

    def submit(self) -> None:
        """Do what the box says: choose a name, say something, or leave. What cannot be sent stays in the box."""
        text = protocol.clean_text(self.box.draft)
        if isinstance(protocol.CONTROL_WORDS.get(text), Quit):
            self.close()
        elif not text.strip():
            self.box.draft = ""
        elif not self._is_connected:
            self._show_disconnected()
            self.conversation.show_latest()  # wherever the user was reading, this is the answer
        elif protocol.is_too_long(text):
            size, limit = len(text.encode()), protocol.MAX_MESSAGE_BYTES
            self._tell(self._words.draft_too_long.format(size=size, over=size - limit, limit=limit), Kind.ERROR)
            self.conversation.show_latest()
        elif self._name or self._session.is_bare:
            if self._say(text):  # or else it stays, and the drain is about to say why
                self.box.add_said(text)
                self.conversation.show_latest()
        elif not self._asked_name:  # or else it is not known yet whether this is a name or a message
            self.box.draft = ""
            self._ask_for(text)

    def save(self) -> None:
        """Ask for a file, and write the conversation into it."""
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
        """Write the conversation into a file, and tell how that went."""
        try:
            write_whole(path, self.conversation.as_text())
            self._tell(self._words.saved.format(file=path))
        except OSError as error:
            self._tell(self._words.cannot_save.format(file=path, error=error.strerror or error), Kind.ERROR)
        self.conversation.show_latest()

    def send_again(self, number: int | None = None) -> None:
        """Say what was not sent, or one of it, once more."""
        chosen = self._failed[:] if number is None else self._failed[number : number + 1]
        for text in chosen:
            if not self._is_connected or not self._say(text):
                self._show_disconnected()
                break
            self._failed.remove(text)
        self._show_tail()

    def discard(self, number: int | None = None) -> None:
        """Forget what was not sent, or one of it."""
        del self._failed[slice(None) if number is None else slice(number, number + 1)]
        self._show_tail()

    def change_font_size(self, step: int) -> None:
        """Make all text larger or smaller by so many points; 0 for the system's own size."""
        size = self.settings.font_size or self._usual_sizes["TkTextFont"]
        self.settings.font_size = max(MIN_FONT_SIZE, min(MAX_FONT_SIZE, size + step)) if step else 0
        self._paint()

    def _say(self, text: str) -> bool:
        nonce = self._session.say(text)
        if nonce is not None and not self._session.is_bare:  # an original server has no way to confirm
            self._pending[nonce] = text
            self._show_tail()
        return nonce is not None

    def _address(self, name: str) -> None:
        self.box.address(name)

    def _focus_box(self) -> None:
        self.box.text.focus_set()

    def _leave_box(self) -> None:
        self.button.focus_set()

    def _focus_next(self) -> str:
        """Go from the box to the conversation, to the list, and back to the box."""
        stops: list[tk.Widget] = [self.box.text, self.conversation.text]
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
            self._focus_box()

    def _on_page(self, pages: int) -> str:
        self.conversation.text.yview_scroll(pages, "pages")
        return "break"

    def _on_tail_action(self, event: tk.Event[tk.Text]) -> None:
        action = self.conversation.tail_action_at(f"@{event.x},{event.y}")
        if action is not None:
            (self.send_again if action[0] == "again" else self.discard)(action[1])

    def _open_last_link(self) -> None:
        if self.conversation.last_link:
            open_link(self.conversation.last_link)

    # The menus and their keys.

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
        # On X11 Ctrl+F also moves the cursor, as in Emacs, and what was selected would be no more.
        root.event_delete("<<NextChar>>", "<Control-Key-f>", "<Control-Lock-Key-F>")
        for plus in ("plus", "equal", "KP_Add"):
            keys[f"<{key}-{plus}>"] = lambda: self.change_font_size(+1)
        for minus in ("minus", "KP_Subtract"):
            keys[f"<{key}-{minus}>"] = lambda: self.change_font_size(-1)
        for zero in ("0", "KP_0"):
            keys[f"<{key}-Key-{zero}>"] = lambda: self.change_font_size(0)
        for text in (self.box.text, self.conversation.text):
            text.bindtags((str(text), str(root), "Text", "all"))  # before Tk's own keys of the same names
        for sequence, action in keys.items():
            self._bind_key(sequence, action)
            letter = sequence[-2]
            if letter.islower() and sequence[-3] == "-":  # the same with Caps Lock
                self._bind_key(f"{sequence[:-2]}{letter.upper()}>", action)
        self.box.text.bind("<Prior>", lambda event: self._on_page(-1))
        self.box.text.bind("<Next>", lambda event: self._on_page(+1))
        self._bind_menu(self.conversation.text, self._conversation_menu)
        self._bind_menu(self.box.text, self._box_menu)

    def _bind_key(self, sequence: str, action: Callable[[], object]) -> None:
        def act(event: tk.Event[tk.Misc]) -> str:
            action()
            return "break"

        self._root.bind(sequence, act)

    def _bind_menu(self, text: tk.Text, fill: Callable[[tk.Menu, str], None]) -> None:
        """Show a menu where somebody clicks with the other button, or presses the key for it."""
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
        if self._failed:  # also for whom the keyboard brings here: all of it, unless the place tells which
            action = self.conversation.tail_action_at(index)
            number = None if action is None else action[1]
            menu.add_separator()
            menu.add_command(label=words.send_again, command=lambda: self.send_again(number))
            menu.add_command(label=words.discard, command=lambda: self.discard(number))

    def _box_menu(self, menu: tk.Menu, index: str) -> None:
        words, text = self._words, self.box.text
        state: Literal["normal", "disabled"] = "normal" if text.tag_ranges("sel") else "disabled"
        menu.add_command(label=words.menu_cut, command=lambda: text.event_generate("<<Cut>>"), state=state)
        menu.add_command(label=words.menu_copy, command=lambda: text.event_generate("<<Copy>>"), state=state)
        menu.add_command(label=words.menu_paste, command=lambda: text.event_generate("<<Paste>>"))
        menu.add_command(label=words.menu_select_all, command=lambda: text.tag_add("sel", "1.0", "end-1c"))

    def _pop_up(self, fill: Callable[[tk.Menu, str], None], event: tk.Event[tk.Text], index: str) -> str:
        event.widget.focus_set()
        if self._popup is not None:
            self._popup.destroy()
        self._popup = tk.Menu(self._root, tearoff=False)  # kept: a menu that nobody holds is gone before it is seen
        fill(self._popup, index)
        self._color_menus()
        if index == "insert":
            left, top, _, height = event.widget.bbox("insert") or (0, 0, 0, 0)
            at = (event.widget.winfo_rootx() + left, event.widget.winfo_rooty() + top + height)
        else:
            at = (event.x_root, event.y_root)
        # Without `grab_release`, often seen behind it: on X11 a click elsewhere would not close the menu any more.
        self._popup.tk_popup(*at)
        return "break"

    def _edit(self, event: str) -> None:
        """Do what a key of the Edit menu does, to whatever has the focus."""
        focused = self._root.focus_get()
        if focused is not None:
            focused.event_generate(event)

    def _toggle_people(self) -> None:
        self._menu_choices["shows_people"].set(not self.settings.shows_people)
        self._choose()

    def _choose(self) -> None:
        """Do what was chosen in a menu."""
        for name, choice in self._menu_choices.items():
            setattr(self.settings, name, choice.get())  # type: ignore[no-untyped-call]
        if self._words is not protocol.LANGUAGES[self.settings.language]:
            self._words = protocol.LANGUAGES[self.settings.language]
            self._speak()
        self._paint()
        self._show_people()

    def _speak(self) -> None:
        """Put everything that has words into the language of the settings."""
        words = self._words
        self._build_menus()
        self.conversation.speak(words)
        self.find_bar.speak(words)
        self.people.speak(words)
        self.button.configure(text=words.send)
        self.retry_button.configure(text=words.retry)
        self.box.placeholder.configure(text=words.placeholder)
        self._show_status()
        self._show_title()

    def _paint(self) -> None:
        """Give everything the colours and the size of the settings."""
        palette = PALETTES[self.settings.theme]
        set_font_sizes(self._root, self._usual_sizes, self.settings.font_size)
        style_widgets(self._root, self.settings.theme, palette)
        self.conversation.paint(palette)
        self.box.paint(palette)
        self.people.paint(palette)
        self.box.fit()
        self._color_menus()

    def _color_menus(self) -> None:
        """Menus are no ttk widgets; on macOS and Windows the bar has the system's look in any case."""
        palette = PALETTES[self.settings.theme]
        for menu in (*self._menus, *([self._popup] if self._popup else [])):
            menu.configure(background=palette.window, foreground=palette.text, selectcolor=palette.text)
            menu.configure(activebackground=palette.accent, activeforeground=palette.paper, borderwidth=0)
            menu.configure(disabledforeground=palette.border)

    # What the server does.

    def _drain(self) -> None:
        """Show what has come, for a bounded time, and come back."""
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
        finally:  # what cannot be shown must not keep the rest from being shown
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
                self.box.give_back(self._asked_name or self._name, is_selected=True)
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
                    self._show_tail()
                self.box.give_back(text)
            case Taken(nonce):
                self._pending.pop(nonce, None)
                self._show_tail()
            case NotSent(nonce, text):
                self._pending.pop(nonce, None)
                self._failed.append(text)
                self._show_tail()
            case EndConn() if not self._is_ending:
                self._end()
            case Disconnected(unsent):
                self._is_connected = False
                self._show_status()
                if not self._is_ending:
                    self._show_disconnected()
                self._pending.clear()
                self._failed += unsent
                self._show_tail()
                if self._asked_name:
                    self.box.give_back(self._asked_name)
                    self._asked_name = ""

    def _show_message(self, message: Message) -> None:
        name, nonce = message.name, message.nonce
        is_own, is_old = name == self._name, message.id <= self._arrived_at
        if is_own and nonce is not None and self._pending.pop(nonce, None) is not None:
            self._show_tail()
        is_mention = not is_own and not is_old and mentions(message.text, self._name)
        entry = Entry(message.time, Kind.MESSAGE, message.text, name, is_mention)
        self._show(entry, is_news=not is_own and not is_old)
        if is_mention:
            if self.settings.has_sound:
                self._root.bell()
            if not self._has_focus:
                ask_for_attention(self._root)

    def _note_arrival(self, number: int) -> None:
        """Draw a line below what was said before one came."""
        if number <= self._arrived_at:
            self._has_said_before = True
        elif self._has_said_before:
            self._has_said_before = False
            self.conversation.add_rule(self._words.said_before)

    def _offer_name(self) -> None:
        """Give the name from the command line, once, when the server has asked for one; or suggest the last one."""
        name, self._offered_name = self._offered_name, ""
        if name and not self._asked_name:
            self._ask_for(name)
        elif self.settings.name and not self._name and not self.box.draft and not self._session.is_bare:
            self.box.give_back(self.settings.name, is_selected=True)

    def _ask_for(self, name: str) -> None:
        self._asked_name = name
        self._session.join(name)

    def _end(self) -> None:
        """Announce the end that the server wants, and close after CLOSE_MS."""
        self._is_ending = True
        self._is_connected = False
        self._show_status()
        self._tell(self._words.disconnected)
        self._tell(self._words.closing_soon)
        self._end_id = self._root.after(CLOSE_MS, self.close)

    def _show_disconnected(self) -> None:
        self._tell(self._words.connection_error, Kind.ERROR)
        self._tell(self._words.restart, Kind.ERROR)

    # What is seen.

    def _tell(self, text: str, kind: Kind = Kind.NOTICE) -> None:
        """Show a sentence of this program's own."""
        self._show(Entry(time.time(), kind, text))

    def _show(self, entry: Entry, is_news: bool = False) -> None:
        if is_news and not self._has_focus:
            if not self._unread:
                self.conversation.mark_left_off()
            self._unread += 1
            self._show_title()
        self.conversation.add(entry, is_news)

    def _show_tail(self) -> None:
        speaker = self._name or "–"
        waiting = [(speaker, text, False) for text in self._pending.values()]
        self.conversation.set_tail([*((speaker, text, True) for text in self._failed), *waiting])

    def _show_people(self) -> None:
        if self.settings.shows_people and self.people.names:
            self.people.frame.grid(row=1, column=1, sticky="ns")
        else:
            if str(self._root.tk.call("focus")) == str(self.people.list):  # what is hidden hears no key
                self._focus_box()
            self.people.frame.grid_remove()

    def _show_linked(self, names: Iterable[str]) -> None:
        self._retry_at = None
        self.people.set(names)
        self._show_people()
        self._show_status()

    def _show_status(self) -> None:
        words = self._words
        wait_s = 0 if self._retry_at is None else math.ceil(self._retry_at - time.monotonic())
        is_mending = self._is_connected and self._retry_at is not None
        if not self._is_connected:
            sentence = words.status_not_connected
        elif not is_mending:
            sentence = words.status_connected
        else:
            sentence = words.status_waiting if wait_s > 0 else words.status_retrying
        status = sentence.format(host=self._session.host, port=self._session.port, wait=wait_s)
        if self._is_connected and not is_mending and self.people.names:
            status += " · " + words.status_people.format(count=len(self.people.names))
        if status != self.status["text"]:
            self.status.configure(text=status)
        if is_mending:
            self.retry_button.grid()
        else:
            self.retry_button.grid_remove()

    def _show_title(self) -> None:
        unread = f"({self._unread}) " if self._unread else ""
        self._root.title(f"{unread}Chat – {self._session.host}")

    def _note_focus(self) -> None:
        """See whether this program has the focus; asked, since a move between two widgets looks like a loss."""
        has_focus = bool(str(self._root.tk.call("focus", "-displayof", self._root)))
        if has_focus and not self._has_focus and self._unread:
            self._unread = 0
            self._show_title()
            if self._root.tk.call("tk", "windowingsystem") == "x11":
                set_urgency(self._root, is_urgent=False)
        self._has_focus = has_focus


def open_link(link: str) -> None:
    """Open a link in the browser; http and https alone."""
    if link.lower().startswith(("http://", "https://")):
        webbrowser.open(link)


def is_aqua(root: tk.Tk) -> bool:
    """Tell whether this is macOS's own window system."""
    return bool(root.tk.call("tk", "windowingsystem") == "aqua")


FONTS = ("TkDefaultFont", "TkTextFont", "TkMenuFont", "TkHeadingFont")


def usual_font_sizes(root: tk.Tk) -> dict[str, int]:
    """Give the system's own sizes of the fonts, in points."""
    # `actual`, since a font may be given in pixels, as a negative number.
    return {name: int(tkfont.nametofont(name, root=root).actual("size")) for name in FONTS}


def set_font_sizes(root: tk.Tk, usual: dict[str, int], size: int) -> None:
    """Set all fonts so that text has so many points, 0 for the system's own."""
    step = size - usual["TkTextFont"] if size else 0
    for name, points in usual.items():
        tkfont.nametofont(name, root=root).configure(size=max(MIN_FONT_SIZE, points + step))


def style_widgets(root: tk.Tk, theme: str, palette: Palette) -> None:
    """Give ttk's widgets the colours of a theme."""
    style = ttk.Style(root)
    # The systems' own looks cannot be dark, and X11 has none: Tk's default one is of 1990.
    native = {"win32": "vista", "aqua": "aqua"}.get(str(root.tk.call("tk", "windowingsystem")))
    is_native = theme == "light" and native in style.theme_names()
    style.theme_use(native if is_native and native else "clam")
    root.configure(background=style.lookup("TFrame", "background") if is_native else palette.window)
    style.configure("Status.TLabel", foreground=palette.quiet)
    if is_native:
        return
    style.configure(
        ".",
        background=palette.window,
        foreground=palette.text,
        fieldbackground=palette.paper,
        insertcolor=palette.text,
        bordercolor=palette.border,
        lightcolor=palette.window,
        darkcolor=palette.window,
        troughcolor=palette.window,
        arrowcolor=palette.text,
        selectbackground=palette.accent,
        selectforeground=palette.paper,
    )
    style.map(".", foreground=[("disabled", palette.quiet)], background=[("active", palette.border)])
    style.map("TButton", bordercolor=[("focus", palette.accent)], background=[("active", palette.border)])
    style.map("TEntry", bordercolor=[("focus", palette.accent)])
    style.configure("TScrollbar", background=palette.border, gripcount=0)


def restore_geometry(root: tk.Tk, geometry: str) -> None:
    """Give the window the size and place that it had, as far as they are on a screen of now."""
    found = GEOMETRY.fullmatch(geometry)
    if found is None:
        root.update_idletasks()
        # Fixed, or larger letters would make the window larger than the screen.
        width, height = (min(root.winfo_reqwidth() + 180, root.winfo_screenwidth()), root.winfo_reqheight())
        root.geometry(f"{width}x{min(height, root.winfo_screenheight() - 80)}")
        return
    width, height, left, top = (int(number) for number in found.groups())
    width, height = min(width, root.winfo_screenwidth()), min(height, root.winfo_screenheight())
    right, bottom = root.winfo_vrootx() + root.winfo_vrootwidth(), root.winfo_vrooty() + root.winfo_vrootheight()
    is_visible = root.winfo_vrootx() - width // 2 <= left < right - 50 and root.winfo_vrooty() <= top < bottom - 50
    left, top = min(left, max(right - width, root.winfo_vrootx())), min(top, max(bottom - height, root.winfo_vrooty()))
    root.geometry(f"{width}x{height}+{left}+{top}" if is_visible else f"{width}x{height}")


class ConnectDialog:
    """The two questions in a window, for where there is no console to ask them on. For main alone."""

    def __init__(self, root: tk.Tk, settings: Settings, host: str = "", port: str = "") -> None:
        self.wants_to_close = False
        """Set by a signal's handler, which must not touch Tk."""
        self.session: Session | None = None
        self._root = root
        self._words = words = protocol.LANGUAGES[settings.language]
        self._language = settings.language
        self._attempt: Attempt | None = None
        self._look_id = root.after(DRAIN_MS, self._look)
        root.title("Chat")
        self._usual_sizes = usual_font_sizes(root)
        set_font_sizes(root, self._usual_sizes, settings.font_size)
        style_widgets(root, settings.theme, PALETTES[settings.theme])
        self._frame = frame = ttk.Frame(root, padding=16)
        frame.grid(sticky="nsew")
        frame.columnconfigure(1, weight=1)
        ttk.Label(frame, text=words.ask_host).grid(row=0, column=0, sticky="w", pady=4)
        ttk.Label(frame, text=words.ask_port).grid(row=1, column=0, sticky="w", pady=4)
        self.host = ttk.Entry(frame, width=30, font="TkTextFont")
        self.port = ttk.Entry(frame, width=30, font="TkTextFont")
        self.host.insert(0, host or settings.host)
        self.port.insert(0, port or str(settings.port if settings.host else ""))
        self.host.grid(row=0, column=1, sticky="ew", padx=(8, 0))
        self.port.grid(row=1, column=1, sticky="ew", padx=(8, 0))
        self.problem = ttk.Label(frame, wraplength=440)
        self.problem.grid(row=2, column=0, columnspan=2, sticky="w", pady=8)
        buttons = ttk.Frame(frame)
        buttons.grid(row=3, column=0, columnspan=2, sticky="e")
        self.button = ttk.Button(buttons, text=words.connect, command=self.submit)
        self.button.grid(row=0, column=0)
        self.cancel_button = ttk.Button(buttons, text=words.cancel, command=self.cancel)
        self.cancel_button.grid(row=0, column=1, padx=(8, 0))
        for key in ("<Return>", "<KP_Enter>"):
            for widget in (self.host, self.port, self.button):
                widget.bind(key, lambda event: self.submit())
            self.cancel_button.bind(key, lambda event: self.cancel())
        self._escape_id = root.bind("<Escape>", lambda event: self.cancel())
        root.protocol("WM_DELETE_WINDOW", self.close)
        self.host.focus_set()
        self.host.selection_range(0, "end")

    def run(self) -> Session | None:
        """Wait until there is a connection, and leave an empty root; None if the user gave up, and root is gone."""
        self._root.wait_window(self._frame)
        return self.session

    def submit(self) -> None:
        """Try what was entered; a thread waits for the network, not the window."""
        if self._attempt is not None:
            return
        host = self.host.get().strip() or DEFAULT_HOST
        port = parse_port_answer(self.port.get())
        if port is None:
            self.problem.configure(text=self._words.bad_port.format(default=protocol.DEFAULT_PORT))
            self.port.focus_set()
            return
        self.problem.configure(text=self._words.connecting.format(host=host, port=port))
        self.button.state(["disabled"])
        self._attempt = Attempt(Session(host, port, self._language))

    def cancel(self) -> None:
        """Stop trying, and let the user correct the address; where nothing is being tried, give up."""
        if self._attempt is None:
            self.close()
            return
        self._attempt.give_up()
        self._attempt = None
        self._ask_again(self._words.cancelled)

    def close(self) -> None:
        """Give up; a connection that is found too late is closed."""
        if self._attempt is not None:
            self._attempt.give_up()
        self._root.after_cancel(self._look_id)
        self._root.destroy()

    def _look(self) -> None:
        """See whether the attempt has come to something."""
        if self.wants_to_close:  # first: a connection that is found at this moment is not wanted any more
            self.close()
            return
        found = self._attempt.take() if self._attempt else None
        if isinstance(found, Session):
            self.session = found
            self._root.unbind("<Escape>", self._escape_id)
            set_font_sizes(self._root, self._usual_sizes, 0)  # which the chat's window takes for the system's own
            self._frame.destroy()
            return
        if found is not None:
            self._attempt = None
            self._ask_again(str(found))
        self._look_id = self._root.after(DRAIN_MS, self._look)

    def _ask_again(self, sentence: str) -> None:
        self.problem.configure(text=sentence)
        self.button.state(["!disabled"])
        self.host.focus_set()


class Attempt:
    """One try to connect, in a thread of its own that nobody has to wait for."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._found: queue.SimpleQueue[Session | UnreachableError] = queue.SimpleQueue()
        self._has_given_up = threading.Event()
        """Set when nobody looks into `_found` any more."""
        threading.Thread(target=self._connect, name="connect", daemon=True).start()

    def take(self) -> Session | UnreachableError | None:
        """Give what came of it, once; None as long as that is not known."""
        with contextlib.suppress(queue.Empty):
            return self._found.get_nowait()
        return None

    def give_up(self) -> None:
        """Lose interest; a connection that was found, or will be, is closed."""
        self._has_given_up.set()
        found = self.take()
        if isinstance(found, Session):
            found.close()

    def _connect(self) -> None:
        """Try it. Runs in the connect thread."""
        try:
            self._session.connect()
        except UnreachableError as error:
            self._found.put(error)
            return
        self._found.put(self._session)
        if self._has_given_up.is_set():
            self.give_up()


# --- the two questions, and main ------------------------------------------------------------------------------------


def parse_port_answer(answer: str) -> int | None:
    """Read the answer to the second question: nothing means the default; None where it is no port."""
    return protocol.parse_port(answer) if answer.strip() else protocol.DEFAULT_PORT


def ask_port(words: Words) -> int:
    """Ask for the port until the answer is one. Raises EOFError where nobody answers."""
    while (port := parse_port_answer(input(words.ask_port))) is None:
        print(words.bad_port.format(default=protocol.DEFAULT_PORT))
    return port


def connect_by_console(host: str | None, port: int | None, settings: Settings) -> Session | None:
    """Ask on the console for what is not given, until a server is reached; None where there is nobody to ask.

    Raises EOFError where the answers have ended, and there were some, or an address was given and it did not work.
    """
    words = protocol.LANGUAGES[settings.language]
    has_failed = False
    while True:
        try:
            if host is None:
                if settings.host and not has_failed and can_ask():
                    print(words.last_server.format(host=settings.host, port=settings.port))
                host = input(words.ask_host).strip() or DEFAULT_HOST
                has_failed = True  # until it has worked
            if port is None:
                port = ask_port(words)
        except RuntimeError:  # the program has no console at all
            return None
        except EOFError:
            print()
            if has_failed:
                raise
            return None
        print(words.connecting.format(host=host, port=port))
        session = Session(host, port, settings.language)
        try:
            session.connect()
        except UnreachableError as error:
            print(error)
            host = port = None
            has_failed = True
        else:
            return session


def can_ask() -> bool:
    """Tell whether there is a console with somebody at it."""
    return sys.stdin is not None and sys.stdin.isatty()


def open_root(words: Words) -> tk.Tk | None:
    """Open the window that all others are part of; None, and a sentence, where there is no screen."""
    if sys.platform == "win32":
        # Or Windows enlarges the picture of the window, and all letters are blurred. From Windows 8.1 on.
        with contextlib.suppress(OSError, AttributeError):
            ctypes.windll.shcore.SetProcessDpiAwareness(1)
    try:
        root = tk.Tk()
    except tk.TclError as error:
        print(words.no_display.format(error=error), file=sys.stderr)
        return None
    if sys.platform == "win32" and hasattr(sys, "frozen"):
        with contextlib.suppress(tk.TclError):
            root.tk.call("wm", "iconbitmap", ".", "-default", sys.executable)  # or the window has that of Tk
    return root


def connect_by_dialog(root: tk.Tk, arguments: argparse.Namespace, settings: Settings) -> Session | None:
    """Ask in a window; None where the user gives up."""
    dialog = ConnectDialog(root, settings, arguments.host or "", str(arguments.port or ""))
    close_on_signal(dialog)
    return dialog.run()


def run_window(root: tk.Tk, session: Session, settings: Settings, name: str) -> None:
    """Show the chat until its window is closed, and leave in order."""
    window = ChatWindow(root, session, settings, name)
    close_on_signal(window)
    session.start()
    if has_own_console():
        root.report_callback_exception = report_on_console
        root.update_idletasks()  # which shows the window: now it takes the console's place
        show_console(False)
        window.box.text.focus_force()
    root.mainloop()


def report_on_console(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
    """Show what failed in the window; it goes on."""
    show_console(True)
    traceback.print_exception(kind, error, where)


def restore_library_path() -> None:
    """Have the browser find its own libraries, and not those that a one-file program unpacked for itself on Linux."""
    before = os.environ.pop("LD_LIBRARY_PATH_ORIG", "")
    os.environ.pop("LD_LIBRARY_PATH", None)
    if before:
        os.environ["LD_LIBRARY_PATH"] = before


def interrupt_once() -> None:
    """Have Ctrl+C raise KeyboardInterrupt, but not again while the first one is dealt with."""

    def note_signal(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, lambda number, frame: None)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, note_signal)


def close_on_signal(window: ChatWindow | ConnectDialog) -> None:
    """Have Ctrl+C and its like close a window, the next time that it looks for news."""

    def note_signal(number: int, frame: FrameType | None) -> None:
        window.wants_to_close = True

    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), note_signal)
    if sys.platform == "win32":
        close_with_console(window)


if sys.platform == "win32":
    SW_HIDE, SW_SHOW = 0, 5
    CONSOLE_CLOSES_S = 5.0
    """How long Windows lets a program live whose console is closed (HandlerRoutine's documentation)."""
    console_handlers: list[object] = []
    """Kept, or they would be freed while Windows may call them."""

    def close_with_console(window: ChatWindow | ConnectDialog) -> None:
        """Have the console's window close it too, which is no signal to Python.

        Windows ends the process when the handler returns: so it does not, and the program ends by itself.
        """
        closing_events = (2, 5, 6)  # CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT

        @ctypes.WINFUNCTYPE(ctypes.c_int, ctypes.c_uint)  # type: ignore[untyped-decorator]
        def note_closing(event: int) -> int:
            if event not in closing_events:
                return 0  # Ctrl+C and Ctrl+Break are Python's own
            window.wants_to_close = True
            time.sleep(CONSOLE_CLOSES_S)
            return 1

        console_handlers.append(note_closing)
        ctypes.windll.kernel32.SetConsoleCtrlHandler(note_closing, 1)

    def has_own_console() -> bool:
        """Tell whether nobody else is at this console: it was opened for this program, and closes with it.

        A script that another program has started, be it Python's own launcher, is not taken for alone.
        """
        processes = (ctypes.c_uint * 3)()
        count = ctypes.windll.kernel32.GetConsoleProcessList(processes, len(processes))
        return 0 < int(count) <= (2 if hasattr(sys, "frozen") else 1)  # a one-file program is two processes

    def show_console(is_shown: bool) -> None:
        """Hide the console's window, or bring it back. Windows Terminal minimizes it, and leaves it so."""
        ctypes.windll.user32.ShowWindow(ctypes.windll.kernel32.GetConsoleWindow(), SW_SHOW if is_shown else SW_HIDE)

else:

    def has_own_console() -> bool:
        """Tell whether the console closes with this program: elsewhere than on Windows it does not."""
        return False

    def show_console(is_shown: bool) -> None:
        """Hide the console's window, or bring it back: elsewhere than on Windows it is somebody else's."""


def wait_for_enter(words: Words) -> None:
    """Leave the time to read what is on the console."""
    show_console(True)
    with contextlib.suppress(EOFError, KeyboardInterrupt, OSError, RuntimeError, ValueError):  # there is nobody
        input(words.press_enter)


def main(argv: list[str] | None = None) -> int:
    """Ask, connect, and show the chat; gives the exit status.

    A console that closes with the program stays until an error, or the help, was read.
    """
    words, status = protocol.LANGUAGES[protocol.DEFAULT_LANGUAGE], 1
    try:
        arguments = parse_arguments(argv)
        settings, set_aside = load_settings(settings_path())
        settings.language = arguments.lang or settings.language
        words = protocol.LANGUAGES[settings.language]
        status = run(arguments, settings, set_aside)
    except Exception:
        traceback.print_exc()
    finally:
        if status not in (0, 130) and has_own_console():
            wait_for_enter(words)
    return status


def run(arguments: argparse.Namespace, settings: Settings, set_aside: Path | None) -> int:
    """Do what the command line asks for; gives the exit status."""
    words, path = protocol.LANGUAGES[settings.language], settings_path()
    if hasattr(sys, "frozen"):
        restore_library_path()
    interrupt_once()
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A console may lack a letter, and a pipe may bring what is none.
            stream.reconfigure(errors="replace", line_buffering=stream is not sys.stdin)
    if not HAS_TKINTER:
        print(words.no_tkinter, file=sys.stderr)
        return 2
    if set_aside is not None and sys.stderr is not None:
        print(words.settings_broken.format(file=set_aside), file=sys.stderr)
    session = None
    try:
        session = connect_by_console(arguments.host, arguments.port, settings)
        root = open_root(words)
        if root is None:
            return 2
        session = session or connect_by_dialog(root, arguments, settings)
        if session is not None:
            settings.host, settings.port = session.host, session.port
            save_settings(settings, path)
            run_window(root, session, settings, arguments.name)
            save_settings(settings, path)
    except EOFError:
        return 2
    except KeyboardInterrupt:
        print()
        return 130
    finally:
        if session is not None:
            session.close()
    return 0


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="The chat window. Asks for the host and the port it was not given.")
    parser.add_argument("host", nargs="?", metavar="HOST")
    parser.add_argument("port", nargs="?", metavar="PORT", help=f"usually {protocol.DEFAULT_PORT}")
    parser.add_argument("--name", default="", help="the name to ask for")
    lang_help = "default: the last one used, at first Italian"
    parser.add_argument("--lang", choices=sorted(protocol.LANGUAGES), help=lang_help)
    arguments = parser.parse_args(argv)
    if arguments.port is not None:
        words = protocol.LANGUAGES[arguments.lang or protocol.DEFAULT_LANGUAGE]
        arguments.port = protocol.parse_port(arguments.port) or parser.error(
            words.bad_port.format(default=protocol.DEFAULT_PORT)
        )
    return arguments


if __name__ == "__main__":
    exit_status = main()
    # One more Ctrl+C would find the end of Python, and be the exit status. A one-file program on Linux gets each twice.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(exit_status)
