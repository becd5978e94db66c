"""The wire protocol: events, dialects, framing, valid texts and names, and the sentences for users.

Pure: bytes in, events out; events in, bytes out. No socket, no tkinter and no clock: the caller has them, and closes
them. Server and client share this module, so that both keep the same rules. Any thread may call its functions; a
decoder belongs to one thread at a time.

One TCP connection carries one conversation, in one of four dialects:

* bare, of the original's two scripts: no framing, a message is what one `recv` returned;
* lines, of netcat, telnet and scripts: a message is a line; what a telnet negotiates (RFC 854) is taken out;
* events, of our own client and server: a line is one JSON object;
* web, of a page in a browser: these objects as Server-Sent Events; what it says comes by requests of their own.

In the first three a control word (`{quit}`, `{end_conn}`) stands alone as a whole message, and is just text anywhere
else.
"""

from __future__ import annotations

import codecs
import dataclasses
import json
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, NamedTuple, Protocol

DEFAULT_PORT = 53000
VERSION = 1
"""The version of the events dialect, sent in `hello`."""

MAX_MESSAGE_BYTES = 16 * 1024
"""The longest text of one message, in bytes of UTF-8."""
MAX_MESSAGE_LINES = 500
"""The most lines that one message may have: to bare and line peers each has the name in front."""
MAX_NAME_CHARACTERS = 32
MAX_NAME_INPUT = 8 * MAX_NAME_CHARACTERS
"""Characters of the longest input that is parsed as a name: NFKC can shorten it, though hardly from more than this."""
MAX_LINE_BYTES = 6 * MAX_MESSAGE_BYTES + 1024
"""The longest line that a server reads: a full message whose every byte is written as `\\u0000`, and its wrapping."""
MAX_HELLO_BYTES = 1024
"""The longest line that is parsed as a `hello`, which takes 50: it is parsed again with each `recv`."""
MAX_NAMES = 5_000
"""The most names that a client takes from one `welcome`; the others of the room are not listed."""
MAX_SERVER_LINE_BYTES = 4 * 1024 * 1024
"""The longest line that a client reads: a `welcome` with 10,000 names of 32 four-byte characters takes 1.3 MB."""
MAX_LINE_PARTS = 200_000
"""The most commas, lists and objects in a line: a `welcome` with 5,000 names of 32 commas has 165,000. Python's parser
of JSON holds up all threads, the window's too, and takes longest for these: 0.3 s for a line that is full of lists."""
MAX_LINE_COLONS = 1_000
"""The most colons in a line of that length: names have none, and objects take the longest."""
MAX_LABEL_CHARACTERS = 128
"""The longest `reason`, `about`, `token`, `room` or `language`: our own have up to 64."""
MAX_DETAIL_CHARACTERS = 1024
"""The longest explanation of the operator that a client shows."""
MAX_NUMBER = 2**53 - 1
"""The largest `id` or `nonce`: beyond it, not every reader of JSON keeps an integer whole (RFC 8259, section 6)."""
MAX_TIME = 32_503_680_000
"""The latest `time` in epoch seconds: the year 3000, up to which Windows can write a date."""

BARE_RECV_BYTES = 1024
"""The size of the original's `recv`: the longest message that its two scripts receive as one."""
BARE_PAUSE_S = 0.010
"""Between two sends to a bare peer, so that each arrives as a separate `recv`."""
BARE_SHORTEST_PAUSE_S = 0.002
"""Between two `send`s to a bare peer for which much waits: with less, one `recv` is cut inside a character."""
BARE_FAREWELL_S = 0.100
"""Before a control word to a bare peer: merged with a message it would not be recognised."""
SETTLE_S = 0.3
"""How long to wait for more of a first packet that may have been split, before the dialect is settled."""
DOUBT_S = 2.0
"""How long a line peer's first message may lack its newline, before the peer is taken for a bare one."""
HELLO_SETTLE_S = 75.0
"""How long to wait for the rest of a first packet that begins as a JSON object does: no name begins so, and a broken
link may cut a `hello`. As long as it takes until such a link is noticed: a peer that is still connected is a person."""


MARK = "\N{NO-BREAK SPACE}"
"""Ends the greeting of a server that knows all dialects; blank on the screen of one that does not."""

RECORDED = "recorded"
"""What a `Notice` is about: this room is recorded in a file."""
NOT_RECORDED = "not recorded"
"""What a `Notice` is about: this room was to be recorded, and cannot be."""
MUTED = "muted"
"""What a `Notice` is about: the operator has muted this member."""
QUIET = "quiet"
"""What a `Notice` is about: only the operator may write."""
MAY_WRITE = "may write"
"""What a `Notice` is about: this member may write again."""

SERVER_NAME = "Server"
"""The name in front of the operator's announcements, in the original's form; no member may have it."""


# --- events ---------------------------------------------------------------------------------------------------------


class Reason(str, Enum):
    """Why something was refused, as it stands on the wire."""

    TAKEN = "taken"
    INVALID = "invalid"
    FULL = "full"
    UNKNOWN_TOKEN = "unknown token"
    TOO_LONG = "too long"
    TOO_MANY_LINES = "too many lines"
    EMPTY = "empty"
    MALFORMED = "malformed"
    NOT_JOINED = "not joined"
    ALREADY_JOINED = "already joined"
    TOO_LATE = "too late"
    TOO_SLOW = "too slow"
    MUTED = "muted"
    KICKED = "kicked"
    BANNED = "banned"
    CODE = "code"
    SUPERSEDED = "superseded"


LIMITS = {Reason.TOO_LONG: MAX_MESSAGE_BYTES, Reason.TOO_MANY_LINES: MAX_MESSAGE_LINES}
"""The limit that a message is over, told with the reason."""


class Event:
    """Base of what one side sends to the other: dataclasses, treated as immutable.

    All are frozen but `Say` and `Message`, which are created for each message: frozen, they take three times as long to
    create, and a full room is a tenth slower.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]


@dataclass(frozen=True)
class Greeting(Event):
    """The server asks for a name; the first thing on every connection, and the same in every dialect."""


@dataclass(frozen=True)
class LineEnd(Event):
    """The server ends the line that its greeting began, once it knows that the client reads lines."""


@dataclass(frozen=True)
class Quit(Event):
    """`{quit}`, client to server: I leave."""

    waits: bool = dataclasses.field(default=False, compare=False)
    """Whether it was `<quit>`, at which the original's client does not close by itself."""


@dataclass(frozen=True)
class EndConn(Event):
    """`{end_conn}`, server to client: I close. From a client it means `<quit>`."""


@dataclass(frozen=True)
class Hello(Event):
    """Client to server, first: I speak events, and my user reads this language."""

    version: int
    language: str


@dataclass(frozen=True)
class Join(Event):
    """Client to server: let me in under this name.

    `token` is the client's own proposal for the token, so that it can `resume` even if the `welcome` never arrives. One
    that was here before, and has left since, says with `last` which `id` it saw last, and with `room` of which room.
    """

    name: str
    token: str | None = None
    last: int | None = None
    room: str | None = None


@dataclass(frozen=True)
class Resume(Event):
    """Client to server: the member with this token is back; `last` is the last `id` that it saw, 0 for none.

    `room` is the one that it saw it of: if that is another, it has seen nothing of this one.
    """

    token: str
    last: int
    room: str | None = None


@dataclass
class Say(Event):
    """Client to server: a text for all members; `nonce` is the client's counter, None in the bare and line dialects.

    In these two dialects everything but a control word is a `Say`, in either direction: also the name that the user
    chooses, and all that an original server writes.
    """

    text: str
    nonce: int | None = None


@dataclass(frozen=True)
class Welcome(Event):
    """Server to client: you are in, as `name`; `names` are those in the room, `last` the `id` of its latest event.

    `nonce` is the highest that the room has accepted from this member, where it was here before. The events that follow
    with an `id` up to `last` are older: the backlog for a newcomer, the missed ones for a member that comes back; of
    those the room no longer has `missing`, the oldest. `missing` is None for a newcomer. `room` identifies the sequence
    of `id`s: in another room, no `id` from before means anything. `title` is the room's name for people. `web` is
    whether browsers may come in, at the same address and port.
    """

    name: str
    token: str
    names: tuple[str, ...]
    last: int
    nonce: int | None = None
    room: str | None = None
    missing: int | None = None
    title: str | None = None
    web: bool | None = None


@dataclass(frozen=True)
class Refused(Event):
    """Server to client: not let in, for this reason; another try is welcome."""

    reason: str


@dataclass(frozen=True)
class Error(Event):
    """Server to client: a request was not accepted; `limit` is the limit that it exceeded, `nonce` identifies it.

    `detail` is the operator's own explanation.
    """

    reason: str
    limit: int | None = None
    nonce: int | None = None
    detail: str | None = None


@dataclass
class Message(Event):
    """Server to client: a member said this; `id` is its place in the room's order, `time` in epoch seconds."""

    id: int
    time: float
    name: str
    text: str
    nonce: int | None = None


@dataclass(frozen=True)
class Joined(Event):
    """Server to client: a member joined."""

    id: int
    time: float
    name: str


@dataclass(frozen=True)
class Left(Event):
    """Server to client: a member left; `reason` says why, unless it was the member's own wish."""

    id: int
    time: float
    name: str
    reason: str | None = None


@dataclass(frozen=True)
class Announcement(Event):
    """Server to client: the operator speaks."""

    id: int
    time: float
    text: str


@dataclass(frozen=True)
class Notice(Event):
    """Server to client: something about this room, or about itself, that a member has to know."""

    about: str


@dataclass(frozen=True)
class Fault(Event):
    """Never on the wire: a decoder's result for input that cannot be accepted; the answer is an `Error`."""

    reason: Reason
    nonce: int | None = None

    def answer(self) -> Error:
        """Return the `Error` to send to the peer."""
        return Error(self.reason.value, LIMITS.get(self.reason), self.nonce)


CONTROL_WORDS: dict[str, Event] = {
    "{quit}": Quit(),
    "{end_conn}": EndConn(),
    "<quit>": Quit(waits=True),
    "<end_conn>": EndConn(),
}
"""The control words that are understood; only those in braces are sent."""
_CONTROL_BYTES = frozenset(word.encode() for word in CONTROL_WORDS)


# --- sentences for users --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Words:
    """The sentences on the wire, in one language, with `{}` placeholders.

    The server sends them to bare and line peers, our client shows them to its own user.
    """

    greeting: str
    taken: str
    invalid: str
    full: str
    host_full: str
    stranger: str
    needs_code: str
    superseded: str
    too_slow: str
    unknown_token: str
    welcome: str
    joined: str
    left: str
    too_long: str
    too_many_lines: str
    empty: str
    malformed: str
    not_joined: str
    already_joined: str
    too_late: str
    muted: str
    kicked: str
    banned: str
    left_too_slow: str
    left_kicked: str
    refused: str
    recorded: str
    not_recorded: str
    now_muted: str
    now_quiet: str
    may_write: str

    def explain(self, reason: str, limit: int | None = None, detail: str | None = None) -> str:
        """Return the sentence for a refusal, also for a reason that only a newer server knows."""
        sentences: dict[str, str] = {
            Reason.TAKEN: self.taken,
            Reason.INVALID: self.invalid,
            Reason.FULL: self.full,
            Reason.TOO_SLOW: self.too_slow,
            Reason.UNKNOWN_TOKEN: self.unknown_token,
            Reason.TOO_LONG: self.too_long,
            Reason.TOO_MANY_LINES: self.too_many_lines,
            Reason.EMPTY: self.empty,
            Reason.MALFORMED: self.malformed,
            Reason.NOT_JOINED: self.not_joined,
            Reason.ALREADY_JOINED: self.already_joined,
            Reason.TOO_LATE: self.too_late,
            Reason.MUTED: self.muted,
            Reason.KICKED: self.kicked,
            Reason.BANNED: self.banned,
            Reason.CODE: self.needs_code,
            Reason.SUPERSEDED: self.superseded,
        }
        sentence = sentences.get(reason, self.refused)
        if limit is None:
            limit = LIMITS.get(Reason.TOO_MANY_LINES if reason == Reason.TOO_MANY_LINES else Reason.TOO_LONG)
        explained = sentence.format(reason=reason, limit=limit)
        return f"{explained} {detail}" if detail else explained

    def tell_notice(self, about: str) -> str | None:
        """Return the sentence of a `Notice`; None for one that only a newer server knows."""
        return {
            RECORDED: self.recorded,
            NOT_RECORDED: self.not_recorded,
            MUTED: self.now_muted,
            QUIET: self.now_quiet,
            MAY_WRITE: self.may_write,
        }.get(about)

    def tell_left(self, name: str, reason: str | None) -> str:
        """Return the sentence for a member that left, with the reason where there is one."""
        why = self.why_left(reason)
        return self.left.format(name=name) + (f" ({why})" if why else "")

    def why_left(self, reason: str | None) -> str:
        """Return why a member left; empty where that was its own wish, or the reason is not known here."""
        reasons: dict[str | None, str] = {Reason.TOO_SLOW: self.left_too_slow, Reason.KICKED: self.left_kicked}
        return reasons.get(reason, "")


ITALIAN = Words(
    greeting="Salve! Digita il tuo Nome seguito dal tasto Invio!",
    taken="Il nome scelto è già assegnato, inserire un nome diverso:",
    invalid="Il nome scelto non è valido (da 1 a 32 caratteri visibili, senza i due punti), inserire un nome diverso:",
    full="La chat è al completo, riprova più tardi.",
    host_full="Troppi collegamenti da questo indirizzo, riprova più tardi.",
    stranger="Qui risponde una chat: si entra con chat_client, o con netcat.",
    needs_code="Per entrare in questa stanza serve un codice: chiedilo a chi l'ha aperta, e collegati con "
    "chat_client, che te lo domanda.",
    superseded="Sei in questa chat da un'altra scheda o finestra.",
    too_slow="Collegamento chiuso: ricevevi troppo lentamente.",
    unknown_token="Il server non ricorda più questa connessione, inserire di nuovo il nome:",
    welcome="Benvenuto {name}! Se vuoi lasciare la Chat, scrivi {{quit}} per uscire.",
    joined="{name} si è unito alla chat!",
    left="{name} ha abbandonato la Chat.",
    too_long="Messaggio non inviato: supera il limite di {limit} byte. Dividilo in più parti.",
    too_many_lines="Messaggio non inviato: supera il limite di {limit} righe. Dividilo in più parti.",
    empty="Messaggio non inviato: è vuoto.",
    malformed="Messaggio non inviato: il server non lo ha capito.",
    not_joined="Messaggio non inviato: prima scegli un nome.",
    already_joined="Hai già un nome in questa chat.",
    too_late="Il tempo per scegliere un nome è scaduto: collegati di nuovo quando vuoi.",
    muted="Messaggio non inviato: per ora l'operatore non ti permette di scrivere.",
    kicked="L'operatore ti ha allontanato dalla chat.",
    banned="L'operatore non ti permette di entrare in questa chat.",
    left_too_slow="riceveva troppo lentamente",
    left_kicked="allontanato dall'operatore",
    refused="Il server ha rifiutato la richiesta ({reason}).",
    recorded="Quello che si dice in questa chat viene registrato.",
    not_recorded="Questa chat doveva essere registrata, ma non è possibile: nulla viene conservato.",
    now_muted="Sei stato silenziato dall'operatore: per ora non puoi scrivere.",
    now_quiet="Per ora in questa chat scrive solo l'operatore.",
    may_write="Puoi scrivere di nuovo.",
)

ENGLISH = Words(
    greeting="Welcome! Type your name and press Enter!",
    taken="That name is already taken, enter a different name:",
    invalid="That name is not valid (1 to 32 visible characters, no colon), enter a different name:",
    full="The chat is full, try again later.",
    host_full="Too many connections from this address, try again later.",
    stranger="A chat answers here: come in with chat_client, or with netcat.",
    needs_code="This room needs a code: ask the person who opened it for it, and connect with chat_client, which asks "
    "you for it.",
    superseded="You are in this chat in another tab or window.",
    too_slow="Connection closed: you received too slowly.",
    unknown_token="The server does not remember this connection any more, enter your name again:",
    welcome="Welcome {name}! To leave the chat, type {{quit}}.",
    joined="{name} has joined the chat!",
    left="{name} has left the chat.",
    too_long="Message not sent: it is over the limit of {limit} bytes. Split it up.",
    too_many_lines="Message not sent: it is over the limit of {limit} lines. Split it up.",
    empty="Message not sent: it is empty.",
    malformed="Message not sent: the server did not understand it.",
    not_joined="Message not sent: choose a name first.",
    already_joined="You already have a name in this chat.",
    too_late="The time to choose a name is over: connect again whenever you like.",
    muted="Message not sent: you are muted by the operator.",
    kicked="The operator has removed you from the chat.",
    banned="The operator does not let you into this chat.",
    left_too_slow="received too slowly",
    left_kicked="removed by the operator",
    refused="The server refused this ({reason}).",
    recorded="What is said in this chat is recorded.",
    not_recorded="This chat was to be recorded, but that is not possible: nothing is kept.",
    now_muted="You are muted by the operator: for now you cannot write.",
    now_quiet="For now only the operator writes in this chat.",
    may_write="You can write again.",
)

LANGUAGES = {"it": ITALIAN, "en": ENGLISH}
DEFAULT_LANGUAGE = "it"


# --- valid texts and names ------------------------------------------------------------------------------------------

_LINE_BREAK = re.compile("\r\n|[\r\u2028\u2029]")
_UNWANTED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""Control characters, direction overrides and isolates, byte order marks, lone surrogates; also all line breaks but
`\\n`. None of them is printable (`str.isprintable`)."""

_NOT_IN_NAMES = re.compile(
    "[:\u01c3\u02d0\u02f8\u0589\u05c3\u0703\u0704\u0903\u0a83\u16ec\u1803\u1809\u205a\u2236\u2d51\ua4fd\ua789\ufe30]"
    "|[\u1361\u17c8\u1b5d\u2237\u2803\u2805\u2806\u29f4\U0001d108\ufffc\ufffd]"
)
"""The colon behind a name, what looks like it or like the `!` that ends a notice (Unicode's table of confusables, UTS
#39, and some that are not in it), and what stands for a character that is not there."""
_COLON_WORDS = re.compile(r"\b(COLON|VISARGA)\b")
"""What the Unicode name of any other sign says that looks like a colon."""
_DOTTED = re.compile("([iıjȷɉɨʝϳіјᶖ][\u0300-\u0306\u0308-\u036f]*)\u0307+")
"""A letter whose own dot gives way to a combining one, in NFD (Unicode's Soft_Dotted), or that has none: either way it
looks as if nothing was combined."""
_DOTLESS = str.maketrans("ıȷ", "ij")
MAX_MARKS = 4
"""How many combining marks may follow each other in a name: more would be drawn over other rows."""
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\U00013441\U00013442\U00016fe4\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Characters without a glyph: with them two names can look the same, or a name look empty. Unicode's
Default_Ignorable_Code_Point, and what is drawn as nothing."""
_JOINERS = "\u200c\u200d"
"""What joins or parts two characters: part of Persian and Indic words, and of emoji."""
_EMOJI_STYLE = "\ufe0f"
"""Asks for the coloured form of the character before, and counts as part of it."""
_EMOJI = re.compile("[\U0001f000-\U0001faff]")
"""The blocks of Unicode that are emoji and other pictures; a Python that is older than one takes it for unprintable."""
_DOTS = str.maketrans("。·・٫", "....")
"""What stands for the dot of an address elsewhere, or looks like it."""
_ADDRESS = re.compile(r"(?<![\w.])(0x[\da-f]+|\d{1,3})( ?\. ?(0x[\da-f]+|\d{1,3}|\*)){3}(?!\w|\.\d)")
"""What can be taken for an IPv4 address or network, wherever it stands in a name; an IPv6 address has colons."""
_REQUEST = re.compile(r"[A-Z-]{3,20} [/*]|(?i:.* HTTP/\d)|SSH-|PROXY ")
"""The first line of another protocol's client."""
_LETTERS = re.compile(r"[^\W_]")
_LOOK_ALIKES = str.maketrans(
    "10@$35|iıłøđаеорсухіјѕһԁтнкмαειοτυρνκ",
    "loasesllllodaeopcyxljshdthkmaelotupvk",
)
"""What looks like a Latin letter, and that letter; an i counts as an l, which its capital looks like."""
_STARS = "*\u066d\u204e\u2217\u2731\U0001031f "
"""What looks like the `*` that means everybody."""


def clean_text(text: str) -> str:
    """Remove what must never reach a screen, make every line break a newline, and strip newlines at both ends."""
    if text.isprintable():  # as most messages are
        return text
    return _UNWANTED.sub("", _LINE_BREAK.sub("\n", text)).strip("\n")


def clean_line(text: str, max_characters: int) -> str:
    """Return a text of another program as one line of bounded length, with nothing in it that must not be drawn."""
    if len(text) <= max_characters and text.isprintable():
        return text
    # Cut first: what cleaning costs has to be bounded as well.
    line = clean_text(text[: 2 * max_characters]).replace("\n", " ").replace("\t", " ")
    return line if len(line) <= max_characters else f"{line[: max_characters - 1]}…"


def clean_name(name: str) -> str:
    """Return a name that a server has sent, as it can be shown, compared and stored: a valid one unchanged.

    No member of our server has any other; what another program calls a name is cleaned and cut, and never empty.
    """
    if len(name) <= MAX_NAME_CHARACTERS and name.isprintable() and not name.isspace() and name:
        return name
    cleaned = clean_line(name, MAX_NAME_CHARACTERS).strip()
    return cleaned if without_invisible(cleaned).strip() else "?"


def without_invisible(text: str) -> str:
    """Remove what is drawn as nothing, and comes along where a text is copied out of another program."""
    return _INVISIBLE.sub("", text)


def is_too_long(text: str) -> bool:
    """Return whether a text is longer than MAX_MESSAGE_BYTES."""
    if 4 * len(text) <= MAX_MESSAGE_BYTES:
        return False
    return len(text) > MAX_MESSAGE_BYTES or len(text.encode()) > MAX_MESSAGE_BYTES


def fault_of(text: str) -> Reason | None:
    """Return why a cleaned text cannot be said, or None if it can."""
    if is_too_long(text):
        return Reason.TOO_LONG
    if text.count("\n") >= MAX_MESSAGE_LINES:
        return Reason.TOO_MANY_LINES
    return None if text.strip() else Reason.EMPTY


def split_lines(text: str, max_lines: int) -> list[str]:
    """Cut a text into pieces of so many lines at most."""
    lines = text.split("\n")
    return ["\n".join(lines[start : start + max_lines]) for start in range(0, len(lines), max_lines)]


def split_text(text: str, max_bytes: int) -> list[str]:
    """Cut a text into pieces of at most `max_bytes` of UTF-8 (4 or more), never inside a character."""
    if 4 * len(text) <= max_bytes:  # the most frequent case
        return [text]
    data = text.encode()
    pieces = []
    while len(data) > max_bytes:
        end = max_bytes
        while data[end] & 0xC0 == 0x80:  # a continuation byte: the character began before
            end -= 1
        pieces.append(data[:end].decode())
        data = data[end:]
    return [*pieces, data.decode()]


def parse_name(raw: str) -> str | None:
    """Return a name in NFKC and trimmed, or None if it is not valid."""
    if len(raw) > MAX_NAME_INPUT:
        return None
    name = unicodedata.normalize("NFKC", raw).strip(" ")
    key = name_key(name)
    valid = (
        0 < len(name) <= MAX_NAME_CHARACTERS
        and _EMOJI.sub("", _without_joiners(name)).isprintable()
        and not any(_is_like_colon(one) and _is_foreign_mark(name, place) for place, one in enumerate(name))
        and not _has_tower(name)
        and not name.startswith('{"')  # the beginning of an event that was cut
        and not any(notice in _letters_of(name) for notice in _NOTICES)
        and not _looks_reserved(key)
        and unicodedata.category(key[0] if key else " ") not in ("Mn", "Me")  # an accent without a base character
        and not _ADDRESS.search(key.translate(_DOTS))
        and not _REQUEST.match(name)
        and key.strip(_STARS) not in ("", *CONTROL_WORDS)
    )
    return name if valid else None


def _without_joiners(name: str) -> str:
    """Remove the joiners that stand between two visible characters: letters, marks or symbols."""
    kept = []
    for place, character in enumerate(name):
        if character in _JOINERS:
            before, after = name[:place].rstrip(_EMOJI_STYLE)[-1:], name[place + 1 : place + 2]
            if all(_EMOJI.match(one) or unicodedata.category(one or " ")[0] in "LMS" for one in (before, after)):
                continue
        kept.append(character)
    return "".join(kept)


def _is_like_colon(character: str) -> bool:
    """Return whether a character may be taken for a colon, or must not be in a name for another reason."""
    if character.isalnum() or character == " ":
        return _NOT_IN_NAMES.match(character) is not None
    is_sign = unicodedata.category(character) != "Sc"  # the colón is money
    named = is_sign and _COLON_WORDS.search(unicodedata.name(character, ""))
    return bool(named or _NOT_IN_NAMES.match(character))


def _has_tower(name: str) -> bool:
    """Return whether more than MAX_MARKS combining marks follow each other."""
    count = 0
    for character in name:
        count = count + 1 if unicodedata.category(character) in ("Mn", "Me") else 0
        if count > MAX_MARKS:
            return True
    return False


def _is_foreign_mark(name: str, place: int) -> bool:
    """Return whether what looks like a colon is no sign of the script that it stands in, as a visarga is."""
    if unicodedata.category(name[place])[0] != "M" or not place:
        return True
    script, before = (unicodedata.name(name[at], "").partition(" ")[0] for at in (place, place - 1))
    return script != before


def _letters_of(text: str) -> str:
    """Return the letters and digits of a text, folded, without accents, and what looks alike as one."""
    return "".join(_LETTERS.findall(unicodedata.normalize("NFKD", name_key(text)).translate(_LOOK_ALIKES)))


def _looks_reserved(key: str) -> bool:
    """Return whether a name, by its key, is no reserved one and is written with look-alikes of all its letters."""
    letters = _letters_of(key)
    return key not in RESERVED_KEYS and len(letters) == len(key) and letters in _RESERVED_LETTERS


def name_key(name: str) -> str:
    """Return a key that is the same for two names which look the same; empty if nothing of the name is visible.

    NFKC and casefold; besides, runs of spaces count as one, and characters without a glyph do not count, nor a dot that
    is combined with a letter which has one anyway. Of a text that is too long to be a name, only the beginning counts:
    NFKC takes time that grows with the square of its accents.
    """
    visible = without_invisible(unicodedata.normalize("NFKC", name[:MAX_NAME_INPUT]))
    folded = unicodedata.normalize("NFKC", visible.casefold())
    if "\u0307" in folded:
        plain = _DOTTED.sub(lambda match: match[1].translate(_DOTLESS), unicodedata.normalize("NFD", folded))
        folded = unicodedata.normalize("NFKC", plain)
    return " ".join(folded.split())


_NOTICES = (
    *(_letters_of(notice.format(name="")) for words in LANGUAGES.values() for notice in (words.joined, words.left)),
    _letters_of("si è unita alla chat"),  # of a woman, as a reader expects it
)
"""What a name must not contain, or its notices would read like another member's; letters alone, so that no blank or
full stop makes a difference."""

TOKEN = re.compile(r"[0-9A-Za-z_-]{16,64}")
"""What a client may propose as its token; `secrets.token_urlsafe` creates such."""

RESERVED_KEYS = frozenset({name_key(SERVER_NAME)})
"""Keys (`name_key`) of names that no member may take."""
_RESERVED_LETTERS = frozenset(map(_letters_of, RESERVED_KEYS))
"""The same as `_letters_of` returns them: nor what looks like one of them, letter by letter."""


# --- telnet ---------------------------------------------------------------------------------------------------------

MAX_SUBNEGOTIATION_BYTES = 1024
"""The longest subnegotiation of an option that is skipped: we agree to none, so nobody has to send one."""
MAX_TELNET_ANSWER_BYTES = 256
"""The most that is answered to what comes at once: a telnet offers and demands a dozen options."""

_IAC, _DONT, _DO, _WONT, _WILL, _SB, _AYT, _SE = 0xFF, 0xFE, 0xFD, 0xFC, 0xFB, 0xFA, 0xF6, 0xF0
_FIRST_COMMAND = 0xEC
"""The lowest byte that is a command behind an IAC: EOF, of RFC 1184."""
_REFUSALS = {_WILL: _DONT, _DO: _WONT}
"""What is answered to an offer and to a demand; WONT and DONT change nothing and need no answer (RFC 854)."""
_ERASE_CHARACTER, _ERASE_LINE = b"\xff\xf7", b"\xff\xf8"
_DATA_BYTE = b"\xfe"
"""Stands for an IAC that was sent as data: like that it is part of no character of UTF-8, but begins no command."""
_LEAVE = _ERASE_LINE + b"\n<quit>\n"
"""What is read for Ctrl+C, Ctrl+\\ and Ctrl+D in a telnet: they leave, as in netcat, and what was not ended is not
said. Not `{quit}`: the telnet stays until we close."""
_MEANINGS = {
    0xEC: _LEAVE,  # EOF
    0xEE: _LEAVE,  # abort
    0xF3: _LEAVE,  # break
    0xF4: _LEAVE,  # interrupt process
    0xF7: _ERASE_CHARACTER,
    0xF8: _ERASE_LINE,
    _IAC: _DATA_BYTE,
}
"""Commands of one byte, and what is read for them; nothing for all others, such as NOP and the data mark."""
_ERASURES = re.compile(b"(%s|%s)" % (_ERASE_CHARACTER, _ERASE_LINE))


class _TelnetState(Enum):
    """What the next byte of a telnet is part of."""

    TEXT = "text"
    COMMAND = "command"
    OPTION = "option"
    SUBNEGOTIATION = "subnegotiation"
    COMMAND_WITHIN = "command within a subnegotiation"


class TelnetFilter:
    """Takes the commands of a telnet out of a stream, and answers those that need it.

    No UTF-8 has a byte 0xFF, with which each of them begins. What comes out is the stream of a client that sends lines,
    with the two erasing commands still in it (`erase`). Text in another encoding stays as it is: there an 0xFF is
    followed by no command. Takes next to no memory, however long a subnegotiation is.
    """

    def __init__(self) -> None:
        self._state = _TelnetState.TEXT
        self._verb = 0
        self._left = 0
        """How many bytes of a subnegotiation may still come."""
        self._ends_in_cr = False
        self._answer = b""
        self.has_spoken = False
        """Whether there was a command, which shows that this is a telnet."""

    @property
    def is_in_doubt(self) -> bool:
        """Whether the next byte decides if there was a command."""
        return self._state is _TelnetState.COMMAND

    def has_work(self, data: bytes) -> bool:
        """Return whether there is anything to take out of the data, byte by byte."""
        return self._state is not _TelnetState.TEXT or _IAC in data

    def feed(self, data: bytes) -> bytes:
        """Return what is left of the data: lines, and erasures in them."""
        if self.has_work(data):
            data = self._take_out(data)
        if self._ends_in_cr and data.startswith(b"\0"):
            data = b"\n" + data[1:]
        if data:
            self._ends_in_cr = data.endswith(b"\r")
        return data.replace(b"\r\0", b"\r\n")  # both are the end of a line (RFC 1123, section 3.3.1)

    def take_answer(self) -> bytes:
        """Return what the other side has to be sent, and forget it."""
        answer, self._answer = self._answer, b""
        return answer

    def _take_out(self, data: bytes) -> bytes:
        kept = bytearray()
        place = 0
        while place < len(data):
            if self._state is _TelnetState.TEXT:
                end = data.find(_IAC, place)
                kept += data[place : end if end >= 0 else len(data)]
                if end < 0:
                    break
                self._state, place = _TelnetState.COMMAND, end + 1
            else:
                kept += self._take_byte(data[place])
                place += 1
        return bytes(kept)

    def _take_byte(self, byte: int) -> bytes:
        """Take one byte that is not text, and return what is read for it."""
        state, self._state = self._state, _TelnetState.TEXT
        match state:
            case _TelnetState.COMMAND if byte < _FIRST_COMMAND:
                return bytes((_IAC, byte))
            case _TelnetState.COMMAND:
                return self._take_command(byte)
            case _TelnetState.OPTION:
                if self._verb in _REFUSALS:
                    self._reply(bytes((_IAC, _REFUSALS[self._verb], byte)))
            case _TelnetState.COMMAND_WITHIN if byte == _SE:
                pass
            case _:
                self._left -= 1
                is_command = byte == _IAC and state is _TelnetState.SUBNEGOTIATION
                if self._left:
                    self._state = _TelnetState.COMMAND_WITHIN if is_command else _TelnetState.SUBNEGOTIATION
        return b""

    def _take_command(self, byte: int) -> bytes:
        self.has_spoken = self.has_spoken or byte != _IAC
        if byte in (_WILL, _WONT, _DO, _DONT):
            self._state, self._verb = _TelnetState.OPTION, byte
        elif byte == _SB:
            self._state, self._left = _TelnetState.SUBNEGOTIATION, MAX_SUBNEGOTIATION_BYTES
        elif byte == _AYT:
            self._reply(b"[OK]\r\n")
        return _MEANINGS.get(byte, b"")

    def _reply(self, answer: bytes) -> None:
        if len(self._answer) + len(answer) <= MAX_TELNET_ANSWER_BYTES:
            self._answer += answer


def erase(data: bytes) -> bytes:
    """Do what the erasing commands in the output of a `TelnetFilter` say; none reaches beyond its line."""
    kept = bytearray()
    for piece in _ERASURES.split(data):
        if piece == _ERASE_LINE:
            del kept[kept.rfind(b"\n") + 1 :]
        elif piece == _ERASE_CHARACTER:
            while kept and kept[-1:] != b"\n" and kept.pop() & 0xC0 == 0x80:
                pass  # a continuation byte: the character began before
        else:
            kept += piece
    return bytes(kept)


# --- the dialects ---------------------------------------------------------------------------------------------------


class Dialect(Protocol):
    """Encoder and incremental decoder of one dialect. One thread at a time."""

    name: ClassVar[str]

    def feed(self, data: bytes) -> list[Event]:
        """Add what one `recv` returned, and return the events that are complete; never raises, whatever the bytes."""

    def flush(self) -> list[Event]:
        """Return what was held back, when `is_waiting` and nothing came for SETTLE_S (lines: DOUBT_S)."""

    def finish(self) -> list[Event]:
        """Return the events in the rest: the other side has ended its stream."""

    def take_silent(self) -> int:
        """Return how many bytes since the last time have said nothing, or took as long to read as if they had not."""

    @property
    def is_waiting(self) -> bool:
        """Whether complete input is held back until it is known what follows it."""

    def encode(self, event: Event) -> bytes:
        """Return an event as bytes; empty where this dialect cannot express it."""


def in_words(event: Event, words: Words) -> str | None:
    """Return an event as one text in the original's words, or None where the original says nothing."""
    match event:
        case Message(name=name, text=text):
            return f"{name}: {text}"
        case Say(text=text):
            return text
        case Join(name=name):
            return name
        case Joined(name=name):
            return words.joined.format(name=name)
        case Left(name=name, reason=reason):
            return words.tell_left(name, reason)
        case Announcement(text=text):
            return f"{SERVER_NAME}: {text}"
        case Welcome(name=name):
            return words.welcome.format(name=name)
        case Refused(reason=reason):
            return words.explain(reason)
        case Error(reason=reason, limit=limit, detail=detail):
            return words.explain(reason, limit, detail)
        case Notice(about=about):
            return words.tell_notice(about)
        case Greeting():
            return words.greeting + MARK
        case Quit():
            return "{quit}"
        case EndConn():
            return "{end_conn}"
    return None


def in_lines(event: Event, words: Words) -> str | None:
    """Return an event as `in_words`, but each line of a text with its speaker's name.

    Otherwise a line peer would show the second line without a name, as if another member had said it.
    """
    text = in_words(event, words)
    if isinstance(event, Message | Announcement) and text is not None and "\n" in text:
        return text.replace("\n", f"\n{_speaker_of(event)}: ")
    return text


def bare_parts(event: Event) -> list[Event]:
    """Split an event into parts that the original can `recv` whole: one line, at most BARE_RECV_BYTES with the name."""
    if isinstance(event, Message | Announcement | Say):
        return [dataclasses.replace(event, text=text) for text in _bare_texts(event)]
    return [event]


def _bare_texts(event: Message | Announcement | Say) -> list[str]:
    """Return the texts of `bare_parts`; a text may have hundreds of lines, and to make an event of each takes long.

    Each line is a part, which bears its speaker's name: see `in_lines`.
    """
    # Four bytes a character are left for the name even of a `Say`: the original server puts it in front.
    room = BARE_RECV_BYTES - max(len(_speaker_of(event).encode()), 4 * MAX_NAME_CHARACTERS) - len(":  ")
    texts = [piece for line in event.text.split("\n") for piece in split_text(line, room)]
    # Nothing that ends one `recv` must be a control word, be it a piece of a longer line, or what was left of a message
    # when the `recv` before had enough: a blank behind it prevents that.
    return [f"{text} " if text.endswith(tuple(CONTROL_WORDS)) else text for text in texts]


def _speaker_of(event: Message | Announcement | Say) -> str:
    return event.name if isinstance(event, Message) else SERVER_NAME


class Bare:
    """The original's dialect, without framing: one `recv` is one message, and one `encode` has to be one `send`."""

    name: ClassVar[str] = "bare"

    def __init__(self, words: Words) -> None:
        self._words = words
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")  # keeps half a character for the next `feed`
        self._held = ""

    def feed(self, data: bytes) -> list[Event]:
        events = self.flush()
        text = clean_text(self._decoder.decode(data))
        is_whole = not self._decoder.getstate()[0]  # the last character is complete
        if text in CONTROL_WORDS and is_whole:
            return [*events, CONTROL_WORDS[text]]
        if text.endswith(tuple(CONTROL_WORDS)):
            self._held = text
            return events
        return events + self._say(text)

    @property
    def is_waiting(self) -> bool:
        return bool(self._held)

    def flush(self) -> list[Event]:
        text, self._held = self._held, ""
        return self._say(text)

    def finish(self) -> list[Event]:
        """Return the events in the rest; a control word at its end was a message of its own, merged with another."""
        for word, event in CONTROL_WORDS.items():
            if self._held.endswith(word):
                text, self._held = self._held.removesuffix(word), ""
                return [*self._say(clean_text(text)), event]
        return []

    def take_silent(self) -> int:
        return 0

    def encode(self, event: Event) -> bytes:
        return (in_words(event, self._words) or "").encode()

    def encode_parts(self, event: Event) -> list[bytes]:
        """Return the parts of an event, each of which has to be one `send`; see `bare_parts`."""
        if isinstance(event, Message | Announcement):
            speaker = _speaker_of(event)
            return [f"{speaker}: {text}".encode() for text in _bare_texts(event)]
        return [self.encode(part) for part in bare_parts(event)]

    @staticmethod
    def _say(text: str) -> list[Event]:
        # A bare stream is cut anywhere by the network, so one more cut loses nothing.
        pieces = (
            piece for part in split_text(text, MAX_MESSAGE_BYTES) for piece in split_lines(part, MAX_MESSAGE_LINES)
        )
        return [Say(piece.strip("\n")) for piece in pieces if piece.strip()]


class _Framed:
    """Splits a stream into lines of bounded length; a subclass parses them."""

    def __init__(self, max_line_bytes: int) -> None:
        self._max_line_bytes = max_line_bytes
        self._buffer = bytearray()
        """What has come of a line that has not ended; it grows in place, so that no drip makes it costly."""
        self._skipping = False  # inside a line that is over the bound, until its newline
        self._silent_bytes = 0

    def feed(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        if self._skipping:
            _, end, data = data.partition(b"\n")
            self._skipping = not end
        head, end, tail = data.rpartition(b"\n")
        if end and self._buffer:
            head, self._buffer = bytes(self._buffer + head), bytearray()
        self._buffer += tail
        if end and len(head) <= self._max_line_bytes:
            events = self._parse(head)
        elif end:
            for line in head.split(b"\n"):
                is_within = len(line) <= self._max_line_bytes
                events += self._parse(line) if is_within else [Fault(Reason.TOO_LONG)]
        if len(self._buffer) > self._max_line_bytes:
            self._buffer = bytearray()
            self._skipping = True
            events.append(Fault(Reason.TOO_LONG))
        return events

    def take_silent(self) -> int:
        silent, self._silent_bytes = self._silent_bytes, 0
        return silent

    @property
    def is_waiting(self) -> bool:
        return False

    def flush(self) -> list[Event]:
        return []

    def _take_rest(self) -> bytes:
        rest, self._buffer = bytes(self._buffer), bytearray()
        return rest

    def _parse(self, whole_lines: bytes) -> list[Event]:
        raise NotImplementedError


def _is_cut(data: bytes | bytearray) -> bool:
    """Return whether data ends in the middle of a character."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    decoder.decode(data)
    return bool(decoder.getstate()[0])


class Lines(_Framed):
    """The line dialect: a message is a line, LF ends it, a CR before that is dropped.

    A first line may also be a name that was pasted with its newline into the original's window, which ends no further
    line: until a second line has ended, text without a newline is held back, and is a message if nothing follows.

    What a telnet says to its like is no part of a line. A telnet may well send each character by itself.
    """

    name: ClassVar[str] = "lines"

    def __init__(self, words: Words) -> None:
        super().__init__(MAX_LINE_BYTES)
        self._words = words
        self._telnet = TelnetFilter()
        self._ended_lines = 0

    def feed(self, data: bytes) -> list[Event]:
        if self._telnet.has_work(data):
            self._silent_bytes += len(data)
        data = self._telnet.feed(data)
        self._ended_lines += data.count(b"\n")
        return super().feed(data)

    def take_answer(self) -> bytes:
        """Return what a telnet at the other side has to be sent, as it is, and forget it."""
        return self._telnet.take_answer()

    @property
    def is_waiting(self) -> bool:
        may_be_pasted = self._ended_lines < 2 and not self._telnet.has_spoken
        return bool(self._buffer) and may_be_pasted and not _is_cut(self._buffer)

    def flush(self) -> list[Event]:
        return self.finish() if self.is_waiting else []

    def finish(self) -> list[Event]:
        """Return the events in the rest; a last line without a newline counts, as `printf 'ciao' | netcat` sends it."""
        return self._parse(self._take_rest())

    def encode(self, event: Event) -> bytes:
        if isinstance(event, Message) and "\n" not in event.text:  # the most frequent case
            return f"{event.name}: {event.text}\n".encode()
        if isinstance(event, Greeting):
            return (self._words.greeting + MARK).encode()
        if isinstance(event, LineEnd):
            return b"\n"
        text = in_lines(event, self._words)
        return b"" if text is None else f"{text}\n".encode()

    def _parse(self, whole_lines: bytes) -> list[Event]:
        text = (erase(whole_lines) if _IAC in whole_lines else whole_lines).decode("utf-8", "replace")
        events: list[Event] = []
        for raw in text.split("\n"):
            line = clean_text(raw)
            if line in CONTROL_WORDS:
                events.append(CONTROL_WORDS[line])
            elif is_too_long(line):
                events.append(Fault(Reason.TOO_LONG))
            elif line is not raw and line.count("\n") >= MAX_MESSAGE_LINES:  # of other breaks: `\r`, U+2028
                events.append(Fault(Reason.TOO_MANY_LINES))
            elif line and not line.isspace():
                events.append(Say(line))
            else:
                self._silent_bytes += 1 + len(raw)
        return events


class Telnet(Lines):
    """The line dialect of a client that has begun as a telnet: its screen needs CR LF to begin a line at the left."""

    name: ClassVar[str] = "telnet"

    def encode(self, event: Event) -> bytes:
        return super().encode(event).replace(b"\n", b"\r\n")


EVENT_TYPES: dict[str, type[Event]] = {
    "hello": Hello,
    "join": Join,
    "resume": Resume,
    "say": Say,
    "welcome": Welcome,
    "refused": Refused,
    "error": Error,
    "message": Message,
    "joined": Joined,
    "left": Left,
    "announcement": Announcement,
    "notice": Notice,
}
"""The `type` of a JSON object on the wire, and the event that it holds."""
_SAID_BY_CLIENTS = frozenset((Hello, Join, Resume, Say, Quit, EndConn))
"""What means something to a server."""

_TYPE_NAMES = {cls: name for name, cls in EVENT_TYPES.items()}
_JSON_TYPES: dict[str, Callable[[Any], bool]] = {
    "str": lambda value: isinstance(value, str),
    "int": lambda value: type(value) is int and 0 <= value <= MAX_NUMBER,  # True is an int to Python, not on the wire
    "bool": lambda value: isinstance(value, bool),
    "float": lambda value: type(value) in (int, float) and 0 <= value <= MAX_NUMBER,
    "tuple[str, ...]": lambda value: isinstance(value, list) and all(isinstance(item, str) for item in value),
}
"""Validators of JSON values, by the annotation of the event's field."""
_OPTIONAL = " | None"


def _clean_label(value: str) -> str:
    return clean_line(value, MAX_LABEL_CHARACTERS)


_CLEANERS: dict[str, Callable[[Any], Any]] = {
    "name": clean_name,
    "names": lambda names: tuple(map(clean_name, names[:MAX_NAMES])),
    "time": lambda time: min(time, MAX_TIME),
    "detail": lambda detail: clean_line(detail, MAX_DETAIL_CHARACTERS),
    **dict.fromkeys(("reason", "about", "token", "room", "title", "language"), _clean_label),
}
"""What bounds and cleans the value of a field, whoever sends it; `text` has rules of its own, numbers their range."""
_CLEANERS_OF_JOIN = {**_CLEANERS, "name": lambda raw: raw[: MAX_NAME_INPUT + 1]}
"""A name that a client asks for is judged by `parse_name`, and not mended."""


class _Field(NamedTuple):
    name: str
    is_valid: Callable[[Any], bool]
    is_optional: bool
    clean: Callable[[Any], Any] | None


def _fields_of(cls: type[Event]) -> list[_Field]:
    """Return an event's fields, and what their values have to be."""
    kinds = [(field.name, str(field.type)) for field in dataclasses.fields(cls)]
    cleaners = _CLEANERS_OF_JOIN if cls is Join else _CLEANERS
    return [
        _Field(name, _JSON_TYPES[kind.removesuffix(_OPTIONAL)], kind.endswith(_OPTIONAL), cleaners.get(name))
        for name, kind in kinds
    ]


_FIELDS = {cls: _fields_of(cls) for cls in _TYPE_NAMES}
_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_from_json = json.JSONDecoder().raw_decode
_quote = json.encoder.encode_basestring


class Events(_Framed):
    """The events dialect: a line holds one JSON object or a control word. Unknown fields and types are ignored."""

    name: ClassVar[str] = "events"

    def __init__(self, max_line_bytes: int = MAX_LINE_BYTES) -> None:
        super().__init__(max_line_bytes)

    def finish(self) -> list[Event]:
        """Return the events in the rest; half an object is ignored, a control word without a newline counts."""
        return [event for event in self._parse(self._take_rest()) if isinstance(event, Quit | EndConn)]

    def encode(self, event: Event) -> bytes:
        if isinstance(event, Message):  # the most frequent case: formatted by hand, four times as fast
            nonce = "" if event.nonce is None else f',"nonce":{event.nonce}'
            head = f'{{"type":"message","id":{event.id},"time":{event.time!r},"name":{_quote(event.name)}'
            return f'{head},"text":{_quote(event.text)}{nonce}}}\n'.encode()
        kind = _TYPE_NAMES.get(type(event))
        if kind is None:
            control_word = isinstance(event, Quit | EndConn)
            return f"{in_words(event, ITALIAN)}\n".encode() if control_word else b""
        fields = {name: value for name, value in vars(event).items() if value is not None}
        return (_to_json({"type": kind, **fields}) + "\n").encode()

    def _parse(self, whole_lines: bytes) -> list[Event]:
        events = []
        for line in whole_lines.split(b"\n"):
            event = _parse_event(line)
            if type(event) not in _SAID_BY_CLIENTS:
                self._silent_bytes += 1 + len(line)
            if event is not None:
                events.append(event)
        return events


class Web(Events):
    """What a page in a browser reads: the events dialect in the format of Server-Sent Events. It says nothing here.

    https://html.spec.whatwg.org/multipage/server-sent-events.html
    """

    name: ClassVar[str] = "web"
    HEARTBEAT = b":\n\n"
    """A comment, which means nothing but that the stream is alive."""

    def feed(self, data: bytes) -> list[Event]:
        return []

    def finish(self) -> list[Event]:
        return []

    def encode(self, event: Event) -> bytes:
        said = super().encode(event).rstrip(b"\n")
        if isinstance(event, Quit | EndConn):
            said = b'{"type":"end_conn"}'
        number = getattr(event, "id", None)
        head = b"" if number is None else b"id: %d\n" % number
        return b"%sdata: %s\n\n" % (head, said) if said else b""


def _parse_event(line: bytes) -> Event | None:
    """Return the event in one line of the events dialect; None if the line is empty, or of an unknown type."""
    line = line.strip(b" \t\r")
    if not line:
        return None
    if len(line) > MAX_LINE_PARTS and (
        line.count(b":") > MAX_LINE_COLONS or sum(map(line.count, (b",", b"[", b"{"))) > MAX_LINE_PARTS
    ):
        return Fault(Reason.MALFORMED)
    try:
        text = line.decode()
        if text in CONTROL_WORDS:
            return CONTROL_WORDS[text]
        found, end = _from_json(text)
    except (ValueError, RecursionError):  # no UTF-8, no JSON, a number of 5,000 digits; nested too deeply
        return Fault(Reason.MALFORMED)
    if end != len(text) or not isinstance(found, dict) or not isinstance(found.get("type"), str):
        return Fault(Reason.MALFORMED)
    cls = EVENT_TYPES.get(found["type"])
    return None if cls is None else _build_event(cls, found)


def _build_event(cls: type[Event], found: dict[str, Any]) -> Event:
    """Return the event in a JSON object, or a Fault where a field is missing, of the wrong type or out of range.

    What the other side may have made too long, or harmful to draw, is cut and cleaned here: nothing behind it has to.
    """
    text = found.get("text")
    if type(text) is str and 4 * len(text) <= MAX_MESSAGE_BYTES and text.isprintable() and text and not text.isspace():
        nonce = _nonce_of(found)  # the most frequent cases, without the checks below
        if cls is Say and nonce is not None:
            return Say(text, nonce)
        if cls is Message and (message := _plain_message(found, text, nonce)) is not None:
            return message
    values: dict[str, Any] = {}
    for name, is_valid, is_optional, clean in _FIELDS[cls]:
        value = found.get(name)
        if value is None and is_optional:
            continue
        if not is_valid(value):
            return Fault(Reason.MALFORMED, _nonce_of(found))
        if name == "text":
            value = str(value)
            value = clean_text(value) if len(value) <= MAX_LINE_BYTES else value
            reason = fault_of(value)
            if reason is not None and (reason is not Reason.TOO_MANY_LINES or cls is Say):  # a server has other limits
                return Fault(reason, _nonce_of(found))
        values[name] = value if clean is None else clean(value)
    return cls(**values)


def _plain_message(found: dict[str, Any], text: str, nonce: int | None) -> Message | None:
    """Return the message in a JSON object whose text needs no cleaning; None where another field may need it."""
    number, when, name = found.get("id"), found.get("time"), found.get("name")
    is_plain = (
        (type(number) is int and 0 <= number <= MAX_NUMBER)
        and (type(when) is float and 0 <= when <= MAX_TIME)
        and (type(name) is str and 0 < len(name) <= MAX_NAME_CHARACTERS and name.isprintable() and not name.isspace())
        and (nonce is not None or found.get("nonce") is None)
    )
    return Message(number, when, name, text, nonce) if is_plain else None  # type: ignore[arg-type]


def _nonce_of(found: dict[str, Any]) -> int | None:
    nonce = found.get("nonce")
    return nonce if type(nonce) is int and 0 <= nonce <= MAX_NUMBER else None


# --- recognising the dialect ----------------------------------------------------------------------------------------


def _begins_as_event(received: bytes) -> bool:
    return received[:2] in (b"{", b'{"')


def settle_s(received: bytes) -> float:
    """Return how many seconds to wait for more, while `recognise_client` returns None."""
    if _begins_as_event(received):
        return HELLO_SETTLE_S
    return DOUBT_S if may_become_strange(received) else SETTLE_S


def may_become_strange(received: bytes) -> bool:
    """Return whether the first bytes may be a request's that comes byte by byte, which must not become a name."""
    return bool(received) and any(prefix.startswith(received) for prefix in _PREFIXES)


class Stranger(Enum):
    """What a client speaks that has come to the wrong program."""

    WEB = "web"
    TLS = "tls"
    OTHER = "other"


_WEB_METHODS = (b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"CONNECT ", b"OPTIONS ", b"TRACE ", b"PATCH ")
_WEB_LINE = re.compile(
    rb"(%s)([/*]|(?i:https?://))|(?i:[A-Z-]{1,20} [^\r\n]* HTTP/1\.)|[A-Z]{3,20} (/|https?://)[^ \r\n]{200}"
    % b"|".join(_WEB_METHODS)
)
"""How a request begins (RFC 9112, section 3), also one whose line comes in pieces: nobody is called `GET /`."""
_OTHER_LINE = re.compile(
    rb"SSH-|PROXY (TCP|UNKNOWN)|[A-Z-]{1,20} [^\r\n]* [A-Z]{2,10}/\d|HTTP/\d|(?i:(EHLO|HELO|LHLO) |(EHLO|LHLO)\r)"
    rb"|CAP LS|(NICK|USER|PASS) [^\r\n]*\r\n|\w{1,8} CAPABILITY\r\n|\*\d+\r\n|RFB \d{3}\.\d{3}\n|JDWP-Handshake"
    rb"|[\x01-\x05]|\x1b%-12345X|@PJL "
)
"""How some other programs begin: SSH, a load balancer, RTSP, SIP and HTTP/2, a web server, SMTP, IRC, IMAP, Redis, VNC,
a debugger, and what is sent to printers (LPD, PJL) or through a proxy (SOCKS)."""
TLS_HANDSHAKE = b"\x16\x03"
"""How TLS begins: the type of the record and the version (RFC 8446, section 5.1)."""
_PREFIXES = (*_WEB_METHODS, b"SSH-", TLS_HANDSHAKE, bytes((_IAC, _WILL)))
MAX_LOOKED_AT = 2 * MAX_HELLO_BYTES
"""How much of the first bytes is looked through for another protocol, or a telnet: it is done more than once."""
_BEFORE = b"\r\n\xef\xbb\xbf"
"""What may stand before a first line: empty lines, and the mark of UTF-8."""


def stranger_in(received: bytes) -> Stranger | None:
    """Return which other protocol the first bytes of a client belong to; None where they may be of a chat's client."""
    if received.startswith(TLS_HANDSHAKE):
        return Stranger.TLS
    received = erase(TelnetFilter().feed(received[:MAX_LOOKED_AT]))
    line = received.lstrip(_BEFORE)[:MAX_HELLO_BYTES]  # the expressions go back over it
    if _WEB_LINE.match(line):
        return Stranger.WEB
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(received)
    except UnicodeDecodeError:
        return Stranger.OTHER
    return Stranger.OTHER if b"\0" in received or _OTHER_LINE.match(line) else None


def answer_stranger(stranger: Stranger, status: int, phrase: str, sentence: str) -> bytes:
    """Write a sentence in the protocol that a stranger understands; `status` and `phrase` are HTTP's."""
    if stranger is Stranger.TLS:
        return TLS_ALERT
    if stranger is Stranger.OTHER:
        return f"{sentence}\r\n".encode()
    body = f"{sentence}\n".encode()
    lines = (f"HTTP/1.1 {status} {phrase}", "Content-Type: text/plain; charset=utf-8", f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


TLS_ALERT = bytes.fromhex("15030300020228")
"""A fatal alert, `handshake_failure` (RFC 8446, section 6)."""
TLS_TURNED_AWAY = bytes.fromhex("15030300020231")
"""A fatal alert, `access_denied`: in a room with a code, whatever the client's is."""


def recognise_client(received: bytes, is_over: bool, has_ended: bool = False) -> type[Events | Lines | Bare] | None:
    """Return a client's dialect by the first bytes that it sends, or None while they do not decide it.

    `is_over`: no more has come for `settle_s`. `has_ended`: no more will come, the client has ended its stream.
    """
    first_line, newline, _ = received.partition(b"\n")
    if newline and len(first_line) <= MAX_HELLO_BYTES and isinstance(_parse_event(first_line), Hello):
        return Events
    telnet = TelnetFilter()
    if begins_as_telnet(received) or telnet.feed(received).endswith(b"\n") or telnet.has_spoken:
        return Lines
    if received in _CONTROL_BYTES:  # a client that leaves at once need not wait
        return Bare
    if has_ended and not newline and _begins_as_event(received):
        return Events  # a link that broke within its `hello`: half an object is ignored, and is no name
    if not is_over and not has_ended and len(received) <= MAX_LINE_BYTES:
        return None
    if telnet.is_in_doubt:
        return Lines
    if has_ended and may_become_strange(received):
        return Events  # it broke within its request: likewise
    # A newline inside is either from a script, or a name that was pasted into the original's window; the latter fits
    # into the one `recv` with which the original reads a name, and does not end the stream.
    return Lines if newline and (has_ended or len(received) > BARE_RECV_BYTES) else Bare


def begins_as_telnet(received: bytes) -> bool:
    """Return whether the first bytes of a client that sends lines have a telnet's command in them."""
    telnet = TelnetFilter()
    telnet.feed(received[:MAX_LOOKED_AT])
    return telnet.has_spoken


def recognise_server(received: bytes, is_over: bool) -> type[Events | Bare] | None:
    """Return a server's dialect by its greeting, or None while the received bytes do not decide it.

    Only a known greeting with nothing behind its mark means events: on an original server what people say may arrive in
    the same packet, and end in anything. `is_over`: no more has come for SETTLE_S.
    """
    for words in LANGUAGES.values():
        marked = (words.greeting + MARK).encode()
        if received == marked:
            return Events
        if marked.startswith(received) and not is_over:
            return None
    return Bare


def is_greeting(received: bytes) -> bool:
    """Return whether a server has said its greeting, and nothing behind it: the mark may still come."""
    return any(received == words.greeting.encode() for words in LANGUAGES.values())


def behind_greeting(received: bytes) -> bytes | None:
    """Return what a server that speaks events has said behind its greeting; None where that is not whole."""
    for words in LANGUAGES.values():
        marked = (words.greeting + MARK).encode()
        if received.startswith(marked):
            return received[len(marked) :]
    return None


def is_stranger(received: bytes) -> bool:
    """Return whether the first bytes of a server show that it is not a chat server.

    Text protocols of the Internet (SSH, SMTP, FTP, …) end their first line in CRLF, binary ones are not UTF-8; the
    original's greeting is UTF-8 without CRLF, whatever people say behind it.
    """
    if received.startswith(tuple(words.greeting.encode() for words in LANGUAGES.values())):
        return False
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        text = decoder.decode(received)
    except UnicodeDecodeError:
        return True
    return "\r\n" in text or "\0" in text
