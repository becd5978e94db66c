"""Parsing of the user's answers to the client's two questions, host and port.

Pure: no I/O, no state; for the console, the connect dialog and the command line alike. Whatever a server shows of where
it is can be pasted: a whole line of its banner, an address in the log's form, the link for a browser.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

import protocol
from lan_chat.rooms import Found

DEFAULT_HOST = "127.0.0.1"
"""The host where the user enters none: this computer."""
MAX_ANSWER_CHARACTERS = 1000
"""The longest answer that is looked through; a name of the DNS has 253 characters at most."""

_BLANKS = re.compile(r"\s+")
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_LINK = re.compile(r"\b[a-z][a-z0-9+.-]*://([^\s/]+)", re.IGNORECASE)
_ESCAPED_PERCENT = re.compile(r"%25(?=\w)")
"""The sign before the zone of an IPv6 address in a link (RFC 6874)."""
_QUOTES = " \"'`<>()*«»‹›“”„‘’‚"
"""What may stand around an address in a text."""
_PORT_WORD = r"(?:porta|port)\b"
_NAMED_PORT = re.compile(
    r"(?<!\S)\[?(?=[^\s\]]*\w)(?P<host>[^\s,;\[\]]*[^\s,;:\[\]])\]?"
    rf"(?:\s*[,;:]\s*|\s+){_PORT_WORD}[\s:]*(?P<port>\d+)",
    re.IGNORECASE,
)
"""`10.0.0.1 porta 53000`, as the server's banner and the client itself write it, anywhere in a pasted text."""
_PORT_LABEL = re.compile(rf"\A({_PORT_WORD})?[\s:]*", re.IGNORECASE)
_HOST_AND_PORT = (
    re.compile(r"\[(?P<host>[^\s\[\]]+)\](?:\s*[:,]\s*|\s+)(?P<port>\d+)[\s.,;]*"),  # [::1]:53000
    re.compile(r"(?P<host>[^\s:,\[\]]+)\s*:\s*(?P<port>\d+)[\s.,;]*"),  # 10.0.0.1:53000, and no IPv6 address
    re.compile(r"(?P<host>[^\s,\[\]]+)(?:\s*,\s*|\s+)(?P<port>\d+)[\s.,;]*"),  # 10.0.0.1 53000
)
_COMMAS = re.compile(r"(?<![\d.,])\d{1,3}(?:[,.]\d{1,3}){3}(?!\d)")
"""An IPv4 address, also as one types it on a keypad that has a comma in the place of the point."""


_ANYWHERE = re.compile(
    rf"(?<![\w.-])(?P<host>\d{{1,3}}(?:\.\d{{1,3}}){{3}})(?![\w-]|\.\w)"
    rf"(?:[^\w\s]?\s?[^\w\s]?\s?(?:{_PORT_WORD})?[\s:=]*(?P<port>\d+)(?![\d.]*\d))?",
    re.IGNORECASE,
)
"""An IPv4 address among words, and the port behind it."""


_CHOICE = re.compile(r"[\[(#]?0*(\d{1,2})[\]).:]?", re.ASCII)
"""The number of a room, also as it stands in the list. No host is called so."""
_YES = {"s", "si", "sì", "y", "yes"}
"""In both languages, as some people answer in the other one."""


@dataclass(frozen=True)
class Address:
    """Where an answer says that the server is: `host` is empty and `port` None where it says nothing of them."""

    host: str
    port: int | None = None
    found: Found | None = None
    """The room there, where one was chosen that was found."""


def parse_address(answer: str) -> Address | None:
    """Return the address in an answer to the first question; None where it names a port that is none."""
    text = unicodedata.normalize("NFKC", _visible(answer))  # digits and colons may be those of a Chinese keyboard
    if link := _LINK.search(text):
        text = _ESCAPED_PERCENT.sub("%", link[1].rpartition("@")[2])  # without a user
    text = text.partition("/")[0].strip(_QUOTES)
    text = _COMMAS.sub(lambda match: match[0].replace(",", "."), text, count=1)
    found = _NAMED_PORT.search(text) or next(filter(None, (form.fullmatch(text) for form in _HOST_AND_PORT)), None)
    if found is None and not text.replace(".", "").isdigit():
        found = _ANYWHERE.search(text)
        if found is not None and found["port"] is None:
            return Address(found["host"])
    if found is None:
        text = text.rstrip(" ,;")
        in_brackets = text.startswith("[") and text.endswith("]")
        return Address(text[1:-1] if in_brackets else text)
    port = parse_port(found["port"])
    return None if port is None else Address(found["host"], port)


def parse_choice(answer: str) -> int | None:
    """Return the number in an answer that is nothing else; None where it is something else."""
    found = _CHOICE.fullmatch(unicodedata.normalize("NFKC", _visible(answer)))
    return None if found is None else int(found[1])


def is_yes(answer: str) -> bool:
    """Return whether an answer says yes."""
    return unicodedata.normalize("NFKC", _visible(answer)).casefold() in _YES


def parse_port(text: str) -> int | None:
    """Return the port that a text names, 1 to 65535, also with the word in front; None where it names none."""
    text = _PORT_LABEL.sub("", _visible(text), count=1)
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        return None
    port = int(text)
    return port if 1 <= port <= 65535 else None


def parse_port_answer(answer: str) -> int | None:
    """Return the port that the user entered, the default port for an empty answer; None where it is no port."""
    return parse_port(answer) if _visible(answer) else protocol.DEFAULT_PORT


def _visible(answer: str) -> str:
    """Return an answer without what is invisible in it, and with single spaces for all blanks."""
    text = _HALF_CHARACTER.sub("\N{REPLACEMENT CHARACTER}", answer[:MAX_ANSWER_CHARACTERS])  # it names no host
    return _BLANKS.sub(" ", protocol.without_invisible(protocol.clean_text(text))).strip()
