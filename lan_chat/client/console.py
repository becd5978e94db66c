"""The client's questions on a console: the server, above it the rooms that were found, and the port.

Main thread only; but for `Board.show_new`, which the search calls in its thread, for rooms that appear while a question
stands. `Board.close` ends the search.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import textwrap
import threading
from collections.abc import Callable, Iterable

import protocol
from lan_chat import process
from lan_chat.client.answers import (
    DEFAULT_HOST,
    Address,
    is_yes,
    parse_address,
    parse_choice,
    parse_port_answer,
)
from lan_chat.client.entering import question_before
from lan_chat.client.search import LOOK_S, Search
from lan_chat.client.settings import Settings
from lan_chat.client.words import LANGUAGES, ClientWords
from lan_chat.interfaces import interfaces
from lan_chat.rooms import MAX_ROOMS, PORT, Found, Remembered, usual_room

INSERT_LINE = "\033D\033[A\0337\r\033[L\033[?7l{line}\033[?7h\0338\033[B"
"""What inserts a line above the one with the cursor, which stays where it is in its own line (VT100, VT220).

IND and CUU make room below, also at the bottom of the screen; DECSC; IL; the line, which must not go on in the next one
(DECAWM), be its characters as wide as they are; DECRC; CUD.
"""


class Board:
    """The rooms that stand above the question, with a number each: it means what it meant when it was printed.

    They are searched for from the first question on, if a person is at the console; else there are none.
    """

    def __init__(self, settings: Settings) -> None:
        self._words = LANGUAGES[settings.language]
        self._settings = settings
        self._lock = threading.Lock()
        """Guards all below but the search, and the lines that are printed."""
        self._shown: list[Found] = []
        self._usual: Found | None = None
        """What Enter means; None where that is not clear, or nothing was found."""
        self._is_asked = False
        """Whether the question stands."""
        self._has_explained = False
        """Whether it was told why there may be no rooms."""
        self._can_insert = can_insert_lines()
        self._search: Search | None = None

    def close(self) -> None:
        """End the search."""
        if self._search is not None:
            self._search.close()

    def show(self) -> None:
        """Print the rooms that are known by now, or, once, why there may be none, for a question that follows."""
        udp_port = process.udp_port(PORT)
        if not (udp_port and process.is_console(sys.stdin)):
            return
        if self._search is None:
            self._search = begin_search(self._settings, self.show_new)
        if self._search is None:
            return
        self._search.has_looked.wait(LOOK_S)
        with self._lock:
            self._shown, self._usual = [], None
            lines = self._add(self._search.rooms())
            if not lines and not self._has_explained:
                lines = [self._words.no_rooms.format(port=udp_port), self._words.type_address]
                self._has_explained = True
            if lines:
                print("\n".join(lines), flush=True)
            self._is_asked = True

    def show_new(self) -> None:
        """Print the rooms that are new above the question that stands, where the terminal can."""
        with self._lock:
            if self._search is None or not (self._is_asked and self._can_insert):
                return
            known = {found.room.id for found in self._shown}
            lines = self._add(found for found in self._search.rooms() if found.room.id not in known)
            width = max(20, shutil.get_terminal_size().columns - 1)
            pieces = [piece for line in lines for piece in textwrap.wrap(line, width, subsequent_indent="     ")]
            with contextlib.suppress(OSError, ValueError):  # the terminal has gone; the question will tell
                print("".join(INSERT_LINE.format(line=piece) for piece in pieces), end="", flush=True)

    def note_answer(self) -> None:
        """Note that the question does not stand any more."""
        with self._lock:
            self._is_asked = False

    @property
    def has_rooms(self) -> bool:
        """Whether rooms were printed."""
        with self._lock:
            return bool(self._shown)

    @property
    def usual(self) -> Found | None:
        """The room that Enter means; None where it means none."""
        with self._lock:
            return self._usual

    def numbered(self, number: int) -> Found | None:
        """Return the room with a number, if there is one."""
        with self._lock:
            return self._shown[number - 1] if 1 <= number <= len(self._shown) else None

    def _add(self, new: Iterable[Found]) -> list[str]:
        """Note rooms as shown, and return the lines that show them."""
        rows, is_first = [], not self._shown
        for found in new:
            if len(self._shown) < MAX_ROOMS:
                self._shown.append(found)
                rows.append(self._row(len(self._shown), found))
        if not rows:
            return []
        last = next(iter(self._settings.rooms), None)
        self._usual = usual_room(self._shown, last, interfaces())
        return [*([self._words.rooms_above] if is_first else []), *rows, self._tell_usual()]

    def _row(self, number: int, found: Found) -> str:
        words, room = self._words, found.room
        row = words.room_row.format(number=number, room=room.name, host=found.host, port=room.port, count=room.people)
        return f"{row}, {words.room_code}" if room.needs_code else row

    def _tell_usual(self) -> str:
        if self._usual is None:
            return self._words.no_usual_room
        return self._words.usual_room.format(
            room=self._usual.room.name, host=self._usual.host, port=self._usual.room.port
        )


def can_insert_lines() -> bool:
    """Return whether lines can be inserted above a question while something is typed as its answer.

    Not on Windows: its console edits the line by itself, and does not notice that it has moved.
    """
    has_codes = sys.platform != "win32" and os.environ.get("TERM", "dumb") != "dumb"
    return has_codes and process.is_console(sys.stdin) and process.is_console(sys.stdout)


def known_places(settings: Settings) -> tuple[Remembered, ...]:
    """Return what is asked by its address: the rooms in which the user was, or the last server."""
    if settings.rooms or not settings.host:
        return settings.rooms
    return (Remembered("", "", settings.host, settings.port),)


def begin_search(settings: Settings, ring: Callable[[], object]) -> Search | None:
    """Return a search that has begun; None where this machine has no sockets or threads left for one."""
    try:
        search = Search(known_places(settings), ring)
    except OSError:
        return None
    try:
        search.start()
    except RuntimeError:
        search.close()
        return None
    return search


def ask_host(settings: Settings, board: Board) -> str:
    """Ask for the server, below the rooms that were found; return the answer.

    Enter alone means what stands above the question. Raises EOFError where the input has ended.
    """
    words = LANGUAGES[settings.language]
    board.show()
    if settings.host and not board.has_rooms:
        print(words.last_server.format(host=settings.host, port=settings.port))
    try:
        return input(words.ask_host)
    finally:
        board.note_answer()


def find_address(answer: str, settings: Settings, board: Board) -> Address | None:
    """Return where the server is that an answer means, without a port where that is to be asked.

    None where it means none, or the user does not want to enter: then the host is asked again. Raises EOFError where
    the input has ended.
    """
    words = LANGUAGES[settings.language]
    address = parse_address(answer)
    if board.has_rooms:
        number = parse_choice(answer)
        if number is not None:
            found = board.numbered(number)
            if found is None:
                print(words.no_such_room.format(number=number))
            return None if found is None else enter(found, settings)
        if address == Address(""):  # if none is meant, that stands above the question, and does again
            return None if board.usual is None else enter(board.usual, settings)
    if address is None:
        print(words.bad_port.format(default=protocol.DEFAULT_PORT))
    elif not address.host:
        return Address(settings.host, settings.port) if settings.host else Address(DEFAULT_HOST)
    return address


def enter(found: Found, settings: Settings) -> Address | None:
    """Return where a room is, after a question where it may be another one; None where the user does not want to enter.

    Raises EOFError where the input has ended.
    """
    if question := question_before(found, settings):
        print(question)
        if not is_yes(input(LANGUAGES[settings.language].yes_or_no)):
            return None
    return Address(found.host, found.room.port, found)


def ask_port(words: ClientWords) -> int:
    """Ask for the port until the answer is valid. Raises EOFError where the input has ended."""
    while (port := parse_port_answer(input(words.ask_port))) is None:
        print(words.bad_port.format(default=protocol.DEFAULT_PORT))
    return port


def print_rooms(settings: Settings) -> int:
    """Print one line for each room that is found, for another program; return the exit status."""
    found: list[Found] = []
    if (search := begin_search(settings, lambda: None)) is not None:
        with contextlib.closing(search):
            search.has_looked.wait(LOOK_S)
            found = search.rooms()
    for one in found:
        room = one.room
        print(room.name, one.host, room.port, room.people, "code" if room.needs_code else "open", sep="\t")
    if not found:
        port = process.udp_port(PORT)
        print(LANGUAGES[settings.language].no_rooms.format(port=port), file=sys.stderr)
    return 0 if found else 1
