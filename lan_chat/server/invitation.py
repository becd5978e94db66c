"""How guests by browser are invited: the links to the room, the first one as a QR code, the client to download.

Main thread, but `sum_of`, which may take a while: any thread. Nothing to close.
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import os
import sys
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from lan_chat.process import white_on_black
from lan_chat.qr import QUIET_ZONE, Matrix, qr_code
from lan_chat.server.terminal import is_terminal
from lan_chat.server.web import CLIENT_NAME
from lan_chat.server.web_words import WebWords

BLOCKS = {(False, False): "█", (False, True): "▀", (True, False): "▄", (True, True): " "}
"""How two modules, one above the other, are drawn: the light ones are filled, as most terminals are dark."""
ROWS_BELOW = 3
"""How many rows of the terminal stay free for what is written below a code."""
SUM_PIECE_BYTES = 1024 * 1024


class Invitation:
    """Where browsers find the room, as the operator is told it."""

    def __init__(self, links: list[str], words: WebWords) -> None:
        self.links = links
        """The likeliest first."""
        self._words = words

    def banner(self) -> str:
        """Return the lines that say where browsers find the room, and the code if the terminal shows it."""
        title = self._words.web_title if self.links else self._words.web_no_link
        code = [] if self._explain_no_code() else [self._code_and_link()]
        return "\n".join([title, *(f"    {link}" for link in self.links), *code])

    def answer(self) -> str:
        """Return the code, or why there is none and what to type instead."""
        return self._explain_no_code() or self._code_and_link()

    def _explain_no_code(self) -> str:
        words, link = self._words, next(iter(self.links), "")
        if not link:
            return words.web_no_link
        if ipaddress.ip_address(urlsplit(link).hostname or "").is_loopback:
            return words.qr_only_here.format(link=link)
        if not is_terminal(sys.stdout) or not can_write("".join(BLOCKS.values()), sys.stdout.encoding):
            return words.qr_not_shown.format(link=link)
        columns, rows = len(self._code[0]), len(self._code) + ROWS_BELOW
        with contextlib.suppress(OSError):
            size = os.get_terminal_size(sys.stdout.fileno())
            if size.columns >= columns and size.lines >= rows:
                return ""
        return words.qr_too_small.format(link=link, columns=columns, rows=rows)

    def _code_and_link(self) -> str:
        return "\n".join([*map(white_on_black, self._code), self._words.qr_below.format(link=self.links[0])])

    @cached_property
    def _code(self) -> list[str]:
        return half_blocks(qr_code(self.links[0]))


def half_blocks(code: Matrix) -> list[str]:
    """Return the lines of a code with its quiet zone, two rows of modules in each."""
    side = len(code) + 2 * QUIET_ZONE
    sides, empty = [False] * QUIET_ZONE, [[False] * side] * QUIET_ZONE
    rows = [*empty, *([*sides, *row, *sides] for row in code), *empty]
    rows.append([True] * side)  # the last line's lower half, of which there is nothing
    return ["".join(map(BLOCKS.__getitem__, zip(*rows[at : at + 2], strict=True))) for at in range(0, side, 2)]


def can_write(text: str, encoding: str) -> bool:
    """Return whether an encoding has all of a text's characters."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def client_beside_this() -> Path | None:
    """Return the client's program for Windows that stands beside this executable; None where there is none."""
    if hasattr(sys, "frozen"):  # beside a script there may be anything
        client = Path(sys.executable).with_name(CLIENT_NAME)
        with contextlib.suppress(OSError):
            client.open("rb").close()
            return client
    return None


def sum_of(file: Path) -> str:
    """Return a file's SHA-256 in hexadecimal. Raises OSError."""
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while piece := opened.read(SUM_PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()
