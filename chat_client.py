"""The chat client: a `Session` that talks to the server, and a `ChatWindow` that a person talks to.

Threads:

* main asks the two questions, then belongs to Tk; nobody else touches Tk, and main never waits for the network once
  the window is there;
* receive reads the socket and closes it;
* send writes to it;
* connect, where the questions are asked in a window, tries one server and hands over what it found.

The session's threads put what they learn into one queue, `Session.events`; the window empties it a little at a time.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import queue
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

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
    Quit,
    Refused,
    Say,
    Welcome,
    Words,
)

try:
    import tkinter as tk
    from tkinter import font as tkfont
    from tkinter import ttk

    HAS_TKINTER = True
except ImportError:  # Debian and others leave it out of their Python; `main` says so
    HAS_TKINTER = False

DEFAULT_HOST = "127.0.0.1"
CONNECT_S = 5.0
"""How long a server may take to answer, and again to greet."""
QUIT_S = 1.0
"""How long leaving in order may take, before the connection is cut."""
RECV_BYTES = 64 * 1024

DRAIN_MS = 30
"""How often the window looks for news; a person does not notice less."""
DRAIN_EVENTS = 200
"""How many it shows at once, so that a flood never keeps it from its user for long."""
CLOSE_MS = 5000
"""How long the window stays after the server's `{end_conn}`; the sentence that announces it says five seconds."""
MAX_BOX_LINES = 5

log = logging.getLogger("chat_client")


# --- the session ----------------------------------------------------------------------------------------------------


class UnreachableError(Exception):
    """No chat could be reached; the text is a sentence for the user, with the next step."""


@dataclass(frozen=True)
class Disconnected(Event):
    """The connection is over, and both threads of the session with it; `unsent` is what nobody is known to have got."""

    unsent: tuple[str, ...]


@dataclass(frozen=True)
class Rejected(Event):
    """The server did not accept what one said: an `Error`, with the text that it is about."""

    text: str
    error: Error


class Session:
    """One connection to a server and the two threads that serve it; knows nothing of Tk.

    Life cycle: `connect`, `start`, then any of `join`, `say` and `quit`, at last `close`. These are called from one
    thread, and but for `connect` and `close` none of them waits for the network.
    """

    def __init__(self, host: str, port: int, language: str = protocol.DEFAULT_LANGUAGE) -> None:
        self.host = host
        self.port = port
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        """What the server said, then one `Disconnected`."""
        self.is_bare = False
        """Whether the server is an original one."""
        self._language = language
        self._words = protocol.LANGUAGES[language]
        self._dialect: Dialect = Bare(self._words)
        self._sock: socket.socket | None = None
        self._outgoing: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._is_quitting = False
        self._receive_thread = threading.Thread(target=self._receive, name="receive", daemon=True)
        self._send_thread = threading.Thread(target=self._send, name="send", daemon=True)
        self._lock = threading.Lock()
        """Guards `_unconfirmed`, which the caller's thread fills and the two others empty, and `_is_over`."""
        self._unconfirmed: dict[int, str] = {}
        self._is_over = False
        self._last_nonce = 0
        self._name = ""

    def connect(self) -> None:
        """Connect, and find out which dialect the server speaks. Waits; raises UnreachableError."""
        sock = self._open()
        try:
            received = self._read_greeting(sock)
            for level, option, value in protocol.SOCKET_OPTIONS:
                if hasattr(socket, option):
                    sock.setsockopt(getattr(socket, level), getattr(socket, option), value)
            sock.settimeout(None)
        except OSError as error:
            sock.close()
            raise UnreachableError(self._explain(self._words.unreachable_network, error)) from error
        except UnreachableError:
            sock.close()
            raise
        self._sock = sock
        if protocol.recognise_server(received, is_over=True) is Events:
            self._dialect = Events(protocol.MAX_SERVER_LINE_BYTES)
            self._outgoing.put(Hello(protocol.VERSION, self._language))
            self.events.put(Greeting())
        else:
            self.is_bare = True
            for event in self._dialect.feed(received):
                self.events.put(event)

    def start(self) -> None:
        """Begin to receive and to send."""
        self._send_thread.start()  # first: the receive thread may end at once, and waits for this one then
        self._receive_thread.start()

    def join(self, name: str) -> None:
        """Ask for a name."""
        self._outgoing.put(Say(name) if self.is_bare else Join(name))

    def say(self, text: str) -> bool:
        """Say something to everybody; False where it is too late: the connection is over."""
        with self._lock:
            if self._is_over:
                return False
            self._last_nonce += 1
            self._unconfirmed[self._last_nonce] = text
            self._outgoing.put(Say(text, self._last_nonce))
            return True

    def quit(self) -> None:
        """Leave in order: what was said before goes out first. May be called twice."""
        if not self._is_quitting:
            self._is_quitting = True
            self._outgoing.put(Quit())

    def close(self) -> None:
        """Leave, and wait until both threads have ended and the socket is closed."""
        if self._receive_thread.ident is None:  # never started
            if self._sock is not None:
                self._sock.close()
            return
        self.quit()
        self._send_thread.join(QUIT_S)
        self._receive_thread.join(QUIT_S)
        self._cut()
        self._send_thread.join()
        self._receive_thread.join()

    def _open(self) -> socket.socket:
        try:
            return socket.create_connection((self.host, self.port), CONNECT_S)
        except (socket.gaierror, UnicodeError, ValueError) as error:  # the latter two: no name of a host at all
            raise UnreachableError(self._explain(self._words.unreachable_unknown, error)) from error
        except ConnectionRefusedError as error:
            raise UnreachableError(self._explain(self._words.unreachable_refused, error)) from error
        except TimeoutError as error:
            raise UnreachableError(self._explain(self._words.unreachable_silent, error)) from error
        except OSError as error:
            raise UnreachableError(self._explain(self._words.unreachable_network, error)) from error

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
        if received in [words.full.encode() for words in protocol.LANGUAGES.values()]:
            raise UnreachableError(self._words.full)
        return received

    def _explain(self, sentence: str, error: Exception | None = None) -> str:
        return sentence.format(host=self.host, port=self.port, error=error)

    def _receive(self) -> None:
        """Read until the connection ends. Runs in the receive thread, which owns the socket."""
        assert self._sock is not None
        try:
            for event in self._incoming(self._sock):
                self.events.put(self._confirm(event))
        except OSError as error:
            log.debug("The connection failed: %s", error)
        except Exception:
            log.exception("A failure in the receive thread")
        finally:
            self._cut()
            self._outgoing.put(None)
            self._send_thread.join()
            self._sock.close()
            with self._lock:
                self._is_over = True
                unsent = tuple(self._unconfirmed.values())
            self.events.put(Disconnected(unsent))

    def _incoming(self, sock: socket.socket) -> Iterator[Event]:
        while True:
            # Not `settimeout`: it would hold for the send thread too, and give up on a server that is only slow.
            if self._dialect.is_waiting and not select.select([sock], [], [], protocol.SETTLE_S)[0]:
                yield from self._dialect.flush()
            data = sock.recv(RECV_BYTES)
            if not data:
                break
            yield from self._dialect.feed(data)
        yield from self._dialect.finish()

    def _confirm(self, event: Event) -> Event:
        """Strike out what the server has taken or refused, and give the event to show."""
        if isinstance(event, Error) and event.nonce is not None and (text := self._strike_out(event.nonce)):
            return Rejected(text, event)
        if isinstance(event, Welcome):
            self._name = event.name
        elif isinstance(event, Message) and event.nonce is not None and event.name == self._name:
            self._strike_out(event.nonce)
        return event

    def _strike_out(self, nonce: int) -> str:
        with self._lock:
            return self._unconfirmed.pop(nonce, "")

    def _send(self) -> None:
        """Write what is to be written, in its order. Runs in the send thread."""
        try:
            while (event := self._outgoing.get()) is not None:
                self._write(event)
                if isinstance(event, Quit):
                    break
        except OSError as error:
            log.debug("Sending failed: %s", error)
            self._cut()
        except Exception:
            log.exception("A failure in the send thread")
            self._cut()

    def _write(self, event: Event) -> None:
        assert self._sock is not None
        if not self.is_bare:
            self._sock.sendall(self._dialect.encode(event))
        else:
            # The original's server takes one `recv` for one message, and never ends a client whose `{quit}` merged.
            for part in protocol.bare_parts(event):
                time.sleep(protocol.BARE_FAREWELL_S if isinstance(event, Quit) else protocol.BARE_PAUSE_S)
                self._sock.sendall(self._dialect.encode(part))
            if isinstance(event, Say) and event.nonce is not None:
                self._strike_out(event.nonce)
        if isinstance(event, Quit):
            self._sock.shutdown(socket.SHUT_WR)

    def _cut(self) -> None:
        """Wake both threads out of whatever they wait for. From any thread."""
        assert self._sock is not None
        with contextlib.suppress(OSError):  # it may be closed already
            self._sock.shutdown(socket.SHUT_RDWR)


# --- the window -----------------------------------------------------------------------------------------------------


class ChatWindow:
    """The window: what was said above, the box to write in below, and who is there at the side. For main alone."""

    def __init__(self, root: tk.Tk, session: Session, words: Words, name: str = "") -> None:
        self.wants_to_close = False
        """Set by a signal's handler, which must not touch Tk."""
        self._root = root
        self._session = session
        self._words = words
        self._offered_name = protocol.clean_text(name)  # the command line may hold anything
        """The name from the command line, until it has been offered."""
        self._asked_name = ""
        """The name that was asked for, until there is an answer."""
        self._name = ""
        self._people: set[str] = set()
        self._has_new_people = False
        self._is_connected = True
        self._is_ending = False
        self._is_at_end = True
        self._build()
        self._drain_id = root.after(DRAIN_MS, self._drain)
        self._end_id = ""

    def close(self) -> None:
        """Leave the chat and close the window; `Session.close` waits for the rest."""
        self._session.quit()
        self._root.after_cancel(self._drain_id)
        if self._end_id:
            self._root.after_cancel(self._end_id)
        self._root.destroy()

    def _build(self) -> None:
        root = self._root
        root.title("Chat")
        root.minsize(360, 240)
        if root.tk.call("tk", "windowingsystem") == "x11":
            ttk.Style(root).theme_use("clam")  # X11 has no look of its own, and Tk's default one is of 1990
        background = ttk.Style(root).lookup("TFrame", "background")
        self._name_font = tkfont.Font(root, font="TkTextFont")
        self._name_font.configure(weight="bold")
        root.protocol("WM_DELETE_WINDOW", self.close)
        root.columnconfigure(0, weight=1)
        root.rowconfigure(0, weight=1)
        frame = ttk.Frame(root, padding=8)
        frame.grid(sticky="nsew")
        frame.columnconfigure(0, weight=1)
        frame.rowconfigure(0, weight=1)

        self.messages = tk.Text(frame, width=80, height=25, wrap="word", state="disabled", takefocus=False)
        self.messages.configure(font="TkTextFont", relief="flat", borderwidth=0, padx=8, pady=6, spacing3=3)
        self.messages.tag_configure("name", font=self._name_font)
        self.messages.tag_configure("notice", foreground="#5f6368")
        self.messages.tag_configure("error", foreground="#b3261e")
        self.messages.tag_raise("sel")
        self.messages.bind("<Button-1>", lambda event: self.messages.focus_set())  # or Ctrl+C would copy nothing
        self.messages.bind("<Configure>", lambda event: self._follow())
        scrollbar = ttk.Scrollbar(frame, command=self.messages.yview)
        self.messages.configure(yscrollcommand=scrollbar.set)
        self.messages.grid(row=0, column=0, sticky="nsew")
        scrollbar.grid(row=0, column=1, sticky="ns")

        # Who is in the room; an original server does not tell, so it appears with the first name.
        self._side = ttk.Frame(frame, padding=(8, 0, 0, 0))
        self._side.rowconfigure(1, weight=1)
        self.people_title = ttk.Label(self._side)
        self.people_title.grid(row=0, column=0, sticky="w")
        self.people = tk.Listbox(self._side, width=18, relief="flat", borderwidth=0, highlightthickness=0)
        self.people.configure(background=background, takefocus=False, activestyle="none", exportselection=False)
        people_scrollbar = ttk.Scrollbar(self._side, command=self.people.yview)
        self.people.configure(yscrollcommand=people_scrollbar.set)
        self.people.grid(row=1, column=0, sticky="nsew")
        people_scrollbar.grid(row=1, column=1, sticky="ns")

        bottom = ttk.Frame(frame, padding=(0, 8, 0, 0))
        bottom.grid(row=1, column=0, columnspan=3, sticky="ew")
        bottom.columnconfigure(0, weight=1)
        self.box = tk.Text(bottom, height=1, width=50, wrap="word", undo=True, padx=6, pady=5)
        self.box.configure(font="TkTextFont", relief="flat", borderwidth=0, highlightthickness=1)
        self.box.grid(row=0, column=0, sticky="ew")
        self.box.bind("<Return>", self._on_return)
        self.box.bind("<KP_Enter>", self._on_return)
        self.box.bind("<Tab>", self._on_tab)
        self.box.bind("<<Modified>>", self._on_modified)
        self.box.bind("<Configure>", lambda event: self._fit_box())
        self.placeholder = tk.Label(self.box, text=self._words.placeholder, background=self.box["background"])
        self.placeholder.configure(font="TkTextFont", foreground="#757575", cursor="xterm")
        self.placeholder.configure(padx=0, pady=0, borderwidth=0)
        self.placeholder.bind("<Button-1>", lambda event: self.box.focus_set())
        self.button = ttk.Button(bottom, text=self._words.send, command=self.submit)
        self.button.grid(row=0, column=1, sticky="n", padx=(8, 0))
        self._show_placeholder()
        self.box.focus_set()

    # What the user does.

    def submit(self) -> None:
        """Do what the box says: choose a name, say something, or leave. What cannot be sent stays in the box."""
        # Tk may hand out a letter beyond the basic plane in two halves.
        typed = self.box.get("1.0", "end-1c").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        text = protocol.clean_text(typed)
        if isinstance(protocol.CONTROL_WORDS.get(text), Quit):
            self.close()
        elif not text.strip():
            self.set_draft("")
        elif not self._is_connected:
            self._show_disconnected()
            self.messages.see("end")  # wherever the user was reading, this is the answer
        elif protocol.is_too_long(text):
            size = len(text.encode())
            self._show(self._words.draft_too_long.format(size=size, limit=protocol.MAX_MESSAGE_BYTES), "error")
            self.messages.see("end")
        elif self._name or self._session.is_bare:
            if self._session.say(text):  # or else it stays, and the drain is about to say why
                self.set_draft("")
        elif not self._asked_name:  # or else it is not known yet whether this is a name or a message
            self.set_draft("")
            self._ask_for(text)

    def set_draft(self, text: str) -> None:
        """Put a text into the box, in place of what is there."""
        self.box.delete("1.0", "end")
        self.box.insert("1.0", text)
        self._show_placeholder()

    def _on_return(self, event: tk.Event[tk.Text]) -> str | None:
        if int(event.state) & 0x1:  # Shift breaks the line
            return None
        self.submit()
        return "break"

    def _on_tab(self, event: tk.Event[tk.Text]) -> str:
        self.button.focus_set()
        return "break"

    def _on_modified(self, event: tk.Event[tk.Text]) -> None:
        self.box.edit_modified(False)
        self._show_placeholder()
        self._fit_box()

    def _show_placeholder(self) -> None:
        """Show the hint while the box is empty; it is no part of what is written there."""
        if self.box.compare("end-1c", "==", "1.0"):
            self.placeholder.place(x=0, rely=0.5, anchor="w")
        else:
            self.placeholder.place_forget()

    def _fit_box(self) -> None:
        """Give the box as many lines as its text needs, up to MAX_BOX_LINES."""
        counted = self.box.count("1.0", "end", "displaylines")
        # A tuple of one, or None; from Python 3.13 on a plain number is possible too.
        lines = counted[0] if isinstance(counted, tuple) else counted
        height = min(MAX_BOX_LINES, max(1, int(lines or 1)))
        if height != int(self.box["height"]):
            self.box.configure(height=height)

    # What the server does.

    def _drain(self) -> None:
        """Show what has come, a bounded number at a time, and come back."""
        self._note_place()
        try:
            with contextlib.suppress(queue.Empty):
                for _ in range(DRAIN_EVENTS):
                    self._handle(self._session.events.get_nowait())
        finally:  # what cannot be shown must not keep the rest from being shown
            self._drain_id = self._root.after(DRAIN_MS, self._drain)
        self._follow()
        if self._has_new_people:
            self._show_people()
        if self.wants_to_close:
            self.close()

    def _handle(self, event: Event) -> None:
        words = self._words
        match event:
            case Greeting():
                self._show(words.greeting, "notice")
                self._offer_name()
            case Welcome(name, _, names):
                self._name = name
                self._asked_name = ""
                self._people = set(names)
                self._has_new_people = True
                self._show(words.welcome.format(name=name), "notice")
            case Refused(reason):
                self._show(words.explain(reason), "error")
                self._give_back(self._asked_name, is_selected=True)
                self._asked_name = ""
            case Message(name=name, text=text):
                self._show(text, speaker=name)
            case Say(text):
                self._show(text)
                self._offer_name()
            case Joined(name=name):
                self._people.add(name)
                self._has_new_people = True
                self._show(words.joined.format(name=name), "notice")
            case Left(name=name, reason=reason):
                self._people.discard(name)
                self._has_new_people = True
                self._show(words.tell_left(name, reason), "notice")
            case Announcement(text=text):
                self._show(text, speaker=protocol.SERVER_NAME)
            case Error(reason=reason, limit=limit, detail=detail):
                self._show(words.explain(reason, limit, detail), "error")
            case Rejected(text, error):
                self._show(words.explain(error.reason, error.limit, error.detail), "error")
                self._give_back(text)
            case EndConn() if not self._is_ending:
                self._end()
            case Disconnected(unsent):
                self._is_connected = False
                if not self._is_ending:
                    self._show_disconnected()
                if unsent:
                    self._show(words.not_sent, "error")
                    self._give_back("\n".join(unsent))
                if self._asked_name:
                    self._give_back(self._asked_name)
                    self._asked_name = ""

    def _offer_name(self) -> None:
        """Give the name from the command line, once, when the server has asked for one."""
        name, self._offered_name = self._offered_name, ""
        if name and not self._asked_name:
            self._ask_for(name)

    def _ask_for(self, name: str) -> None:
        self._asked_name = name
        self._session.join(name)

    def _give_back(self, text: str, is_selected: bool = False) -> None:
        """Put a text that was not accepted back into the box, before what has been written since."""
        draft = self.box.get("1.0", "end-1c")
        self.set_draft(f"{text}\n{draft}" if draft and not is_selected else draft or text)
        if is_selected and not draft:
            self.box.tag_add("sel", "1.0", "end-1c")

    def _end(self) -> None:
        """Announce the end that the server wants, and close after CLOSE_MS."""
        self._is_ending = True
        self._is_connected = False
        self._show(self._words.disconnected, "notice")
        self._show(self._words.closing_soon, "notice")
        self._end_id = self._root.after(CLOSE_MS, self.close)

    def _show_disconnected(self) -> None:
        self._show(self._words.connection_error, "error")
        self._show(self._words.restart, "error")

    def _show(self, text: str, tag: str = "", speaker: str = "") -> None:
        """Add a line at the end. Further lines of a text are indented, so that none looks like somebody else's."""
        self.messages.configure(state="normal")
        if self.messages.compare("end-1c", "!=", "1.0"):
            self.messages.insert("end", "\n")
        if speaker:
            self.messages.insert("end", f"{speaker}: ", "name")
        self.messages.insert("end", text.replace("\n", "\n    "), tag)
        self.messages.configure(state="disabled")

    def _note_place(self) -> None:
        """Note whether the reader is at the end. After a change of width `yview` would not know it for a while."""
        if self.messages.winfo_viewable():
            last_line = self.messages.dlineinfo("end-1c")
            self._is_at_end = last_line is not None and last_line[1] + last_line[3] <= self.messages.winfo_height()

    def _follow(self) -> None:
        """Keep the end in sight, unless the reader has gone back."""
        if self._is_at_end:
            self.messages.see("end")

    def _show_people(self) -> None:
        self._has_new_people = False
        self._side.grid(row=0, column=2, sticky="ns")
        self.people_title.configure(text=self._words.people.format(count=len(self._people)))
        top = self.people.yview()[0]
        self.people.delete(0, "end")
        self.people.insert("end", *sorted(self._people, key=str.casefold))
        self.people.yview_moveto(top)


class ConnectDialog:
    """The two questions in a window, for where there is no console to ask them on. For main alone."""

    def __init__(self, root: tk.Tk, words: Words, language: str, host: str, port: str) -> None:
        self.wants_to_close = False
        """Set by a signal's handler, which must not touch Tk."""
        self.session: Session | None = None
        self._root = root
        self._words = words
        self._language = language
        self._found: queue.SimpleQueue[Session | UnreachableError] = queue.SimpleQueue()
        self._has_given_up = threading.Event()
        """Set when nobody looks into `_found` any more."""
        self._look_id = root.after(DRAIN_MS, self._look)
        root.title("Chat")
        self._frame = frame = ttk.Frame(root, padding=16)
        frame.grid(sticky="nsew")
        frame.columnconfigure(1, weight=1)
        ttk.Label(frame, text=words.ask_host).grid(row=0, column=0, sticky="w", pady=4)
        ttk.Label(frame, text=words.ask_port).grid(row=1, column=0, sticky="w", pady=4)
        self.host = ttk.Entry(frame, width=30)
        self.port = ttk.Entry(frame, width=30)
        self.host.insert(0, host)
        self.port.insert(0, port)
        self.host.grid(row=0, column=1, sticky="ew", padx=(8, 0))
        self.port.grid(row=1, column=1, sticky="ew", padx=(8, 0))
        self.problem = ttk.Label(frame, wraplength=440)
        self.problem.grid(row=2, column=0, columnspan=2, sticky="w", pady=8)
        buttons = ttk.Frame(frame)
        buttons.grid(row=3, column=0, columnspan=2, sticky="e")
        self.button = ttk.Button(buttons, text=words.connect, command=self.submit)
        self.button.grid(row=0, column=0)
        ttk.Button(buttons, text=words.cancel, command=self.cancel).grid(row=0, column=1, padx=(8, 0))
        for widget in (self.host, self.port, self.button):
            widget.bind("<Return>", lambda event: self.submit())
            widget.bind("<Escape>", lambda event: self.cancel())
        root.protocol("WM_DELETE_WINDOW", self.cancel)
        self.host.focus_set()

    def run(self) -> Session | None:
        """Wait until there is a connection, and leave an empty root; None if the user gave up, and root is gone."""
        self._root.wait_window(self._frame)
        return self.session

    def submit(self) -> None:
        """Try what was entered; a thread waits for the network, not the window."""
        if self.button.instate(["disabled"]):
            return
        host = self.host.get().strip() or DEFAULT_HOST
        port = parse_port_answer(self.port.get())
        if port is None:
            self.problem.configure(text=self._words.bad_port.format(default=protocol.DEFAULT_PORT))
            return
        self.problem.configure(text=self._words.connecting.format(host=host, port=port))
        self.button.state(["disabled"])
        session = Session(host, port, self._language)
        threading.Thread(target=self._connect, args=(session,), name="connect", daemon=True).start()

    def cancel(self) -> None:
        """Give up; a connection that is found too late is closed."""
        self._has_given_up.set()
        found = self._take()
        if isinstance(found, Session):
            found.close()
        self._root.after_cancel(self._look_id)
        self._root.destroy()

    def _connect(self, session: Session) -> None:
        """Try one server. Runs in the connect thread."""
        try:
            session.connect()
        except UnreachableError as error:
            self._found.put(error)
            return
        self._found.put(session)
        if self._has_given_up.is_set():
            session.close()

    def _take(self) -> Session | UnreachableError | None:
        with contextlib.suppress(queue.Empty):
            return self._found.get_nowait()
        return None

    def _look(self) -> None:
        """See whether the thread has found something."""
        found = self._take()
        if isinstance(found, Session):
            self.session = found
            self._frame.destroy()
            return
        if found is not None:
            self.problem.configure(text=str(found))
            self.button.state(["!disabled"])
        self._look_id = self._root.after(DRAIN_MS, self._look)
        if self.wants_to_close:
            self.cancel()


# --- the two questions, and main ------------------------------------------------------------------------------------


def parse_port_answer(answer: str) -> int | None:
    """Read the answer to the second question: nothing means the default; None where it is no port."""
    return protocol.parse_port(answer) if answer.strip() else protocol.DEFAULT_PORT


def ask_port(words: Words) -> int:
    """Ask for the port until the answer is one. Raises EOFError where nobody answers."""
    while (port := parse_port_answer(input(words.ask_port))) is None:
        print(words.bad_port.format(default=protocol.DEFAULT_PORT))
    return port


def connect_by_console(host: str | None, port: int | None, language: str) -> Session | None:
    """Ask on the console for what is not given, until a server is reached; None where there is nobody to ask.

    Raises EOFError where the answers have ended, and there were some, or an address was given and it did not work.
    """
    words = protocol.LANGUAGES[language]
    has_failed = False
    while True:
        try:
            if host is None:
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
        session = Session(host, port, language)
        try:
            session.connect()
        except UnreachableError as error:
            print(error)
            host = port = None
            has_failed = True
        else:
            return session


def open_root(words: Words) -> tk.Tk | None:
    """Open the window that all others are part of; None, and a sentence, where there is no screen."""
    try:
        return tk.Tk()
    except tk.TclError as error:
        print(words.no_display.format(error=error), file=sys.stderr)
        return None


def connect_by_dialog(root: tk.Tk, arguments: argparse.Namespace) -> Session | None:
    """Ask in a window; None where the user gives up."""
    words = protocol.LANGUAGES[arguments.lang]
    dialog = ConnectDialog(root, words, arguments.lang, arguments.host or "", str(arguments.port or ""))
    close_on_signal(dialog)
    return dialog.run()


def run_window(root: tk.Tk, session: Session, words: Words, name: str) -> None:
    """Show the chat until its window is closed, and leave in order."""
    window = ChatWindow(root, session, words, name)
    close_on_signal(window)
    session.start()
    root.mainloop()


def close_on_signal(window: ChatWindow | ConnectDialog) -> None:
    """Have Ctrl+C and its like close a window, the next time that it looks for news."""

    def note_signal(number: int, frame: FrameType | None) -> None:
        window.wants_to_close = True

    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), note_signal)


def main(argv: list[str] | None = None) -> int:
    """Ask, connect, and show the chat; gives the exit status."""
    arguments = parse_arguments(argv)
    words = protocol.LANGUAGES[arguments.lang]
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A console may lack a letter, and a pipe may bring what is none.
            stream.reconfigure(errors="replace", line_buffering=stream is not sys.stdin)
    if not HAS_TKINTER:
        print(words.no_tkinter, file=sys.stderr)
        return 2
    session = None
    try:
        session = connect_by_console(arguments.host, arguments.port, arguments.lang)
        root = open_root(words)
        if root is None:
            return 2
        session = session or connect_by_dialog(root, arguments)
        if session is not None:
            run_window(root, session, words, arguments.name)
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
    parser.add_argument("--lang", choices=sorted(protocol.LANGUAGES), default=protocol.DEFAULT_LANGUAGE)
    arguments = parser.parse_args(argv)
    if arguments.port is not None:
        words = protocol.LANGUAGES[arguments.lang]
        arguments.port = protocol.parse_port(arguments.port) or parser.error(
            words.bad_port.format(default=protocol.DEFAULT_PORT)
        )
    return arguments


if __name__ == "__main__":
    sys.exit(main())
