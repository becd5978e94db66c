"""The wire of the chat: what the bytes mean, and the words that people read.

Pure: bytes in, events out; events in, bytes out. No socket, no thread, no tkinter and no clock: whoever calls hands in
the bytes and the time. Server and client share this module, so that both keep the same rules.

One TCP connection carries one conversation, in one of three dialects:

* bare, of the original's two scripts: no framing, a message is what one `recv` gave;
* lines, of netcat, telnet and scripts: a message is a line;
* events, of our own client and server: a line is one JSON object.

In all three a control word (`{quit}`, `{end_conn}`) stands alone as a whole message, and is just text anywhere else.
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
from typing import Any, ClassVar, Protocol

DEFAULT_PORT = 53000
VERSION = 1
"""The version of the events dialect, told in `hello`."""

MAX_MESSAGE_BYTES = 16 * 1024
"""The longest text that one may say at once, in bytes of UTF-8."""
MAX_NAME_CHARACTERS = 32
MAX_NAME_INPUT = 8 * MAX_NAME_CHARACTERS
"""Characters of what is looked at as a name: NFKC can shorten it, but nobody types more than this by mistake."""
MAX_LINE_BYTES = 6 * MAX_MESSAGE_BYTES + 1024
"""The longest line that a server reads: a full message whose every byte is written as `\\u0000`, and its wrapping."""
MAX_HELLO_BYTES = 1024
"""The longest line that is looked at as a `hello`, which takes 50: it is looked at again whenever more has come."""
MAX_SERVER_LINE_BYTES = 16 * 1024 * 1024
"""The longest line that a client reads: a `welcome` that names 10,000 people of 32 four-byte letters takes 1.3 MB."""
MAX_NUMBER = 2**53 - 1
"""The largest `id` or `nonce`: beyond it, not every reader of JSON keeps an integer whole (RFC 8259, section 6)."""

BARE_RECV_BYTES = 1024
"""What the original's two scripts hand to `recv`: the longest message that they can take as one."""
BARE_PAUSE_S = 0.010
"""Between two sends to a bare peer, so that each is a `recv` of its own."""
BARE_FAREWELL_S = 0.100
"""Before a control word to a bare peer: merged with a message it would not be understood at all."""
SETTLE_S = 0.3
"""How long to wait for more of a first packet that may have been split, before the dialect is settled."""
DOUBT_S = 2.0
"""How long a line peer's first message may lack its end, before it is taken for one of those that never end any."""
HELLO_SETTLE_S = 75.0
"""The same for what began as a JSON object does: no name begins so, and a broken link may cut a `hello`. As long as it
takes until such a link is noticed: what is still silent then is a person."""


MARK = "\N{NO-BREAK SPACE}"
"""Ends the greeting of a server that knows all three dialects; blank on the screen of one that does not."""

SERVER_NAME = "Server"
"""What stands before the operator's announcements in the original's form; nobody else may bear it."""


# --- events ---------------------------------------------------------------------------------------------------------


class Reason(str, Enum):
    """Why something was refused, as it stands on the wire."""

    TAKEN = "taken"
    INVALID = "invalid"
    FULL = "full"
    UNKNOWN_TOKEN = "unknown token"
    TOO_LONG = "too long"
    EMPTY = "empty"
    MALFORMED = "malformed"
    NOT_JOINED = "not joined"
    ALREADY_JOINED = "already joined"
    TOO_LATE = "too late"
    TOO_SLOW = "too slow"
    MUTED = "muted"
    KICKED = "kicked"
    BANNED = "banned"


class Event:
    """Something that one side tells the other: a dataclass, which nobody changes.

    All are frozen but `Say` and `Message`, which are made for everything that is said: frozen, they take three times as
    long to make, and a full room is a tenth slower.
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


@dataclass(frozen=True)
class EndConn(Event):
    """`{end_conn}`, server to client: I close."""


@dataclass(frozen=True)
class Hello(Event):
    """Client to server, first: I speak events, and my reader reads this language."""

    version: int
    language: str


@dataclass(frozen=True)
class Join(Event):
    """Client to server: let me in under this name.

    `token` is the client's own proposal for the token, so that it can `resume` even if the `welcome` never arrives.
    """

    name: str
    token: str | None = None


@dataclass(frozen=True)
class Resume(Event):
    """Client to server: the member with this token is back; `last` is the last `id` that it saw, 0 for none."""

    token: str
    last: int


@dataclass
class Say(Event):
    """Client to server: a text for everybody; `nonce` is the client's own counter, None in the bare and line dialects.

    In these two everything that is no control word is a `Say`, in either direction: the name that one chooses, and
    whatever an original server writes.
    """

    text: str
    nonce: int | None = None


@dataclass(frozen=True)
class Welcome(Event):
    """Server to client: you are in, as `name`; `names` are those in the room, `last` the `id` of its latest event.

    `nonce` is the highest one that the room has taken from this member, where it is back after a broken link. What
    follows with an `id` up to `last` was said before: to a newcomer as a help, to who is back as what it missed.
    `room` tells two rooms apart whose numbers begin anew: another one, and no `id` of before means anything.
    """

    name: str
    token: str
    names: tuple[str, ...]
    last: int
    nonce: int | None = None
    room: str | None = None


@dataclass(frozen=True)
class Refused(Event):
    """Server to client: not let in, for this reason; another try is welcome."""

    reason: str


@dataclass(frozen=True)
class Error(Event):
    """Server to client: what you sent was not accepted; `limit` is the bound it broke, `nonce` tells which it was.

    `detail` is what the operator has to say about it.
    """

    reason: str
    limit: int | None = None
    nonce: int | None = None
    detail: str | None = None


@dataclass
class Message(Event):
    """Server to client: somebody said this; `id` orders the room, `time` is in seconds since the epoch."""

    id: int
    time: float
    name: str
    text: str
    nonce: int | None = None


@dataclass(frozen=True)
class Joined(Event):
    """Server to client: somebody came in."""

    id: int
    time: float
    name: str


@dataclass(frozen=True)
class Left(Event):
    """Server to client: somebody went; `reason` says why, where it was not that person's own wish."""

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
    """Server to client, on arrival: something about this room that each one has to know."""

    about: str


RECORDED = "recorded"
"""What a `Notice` is about: what is said here is written into a file."""
NOT_RECORDED = "not recorded"
"""The same where it should be, and cannot."""


@dataclass(frozen=True)
class Fault(Event):
    """Never on the wire: what a decoder makes of something that cannot be accepted; the answer to it is an `Error`."""

    reason: Reason
    nonce: int | None = None

    def answer(self) -> Error:
        """Put the fault into words that the peer can be sent."""
        limit = MAX_MESSAGE_BYTES if self.reason is Reason.TOO_LONG else None
        return Error(self.reason.value, limit, self.nonce)


CONTROL_WORDS: dict[str, Event] = {
    "{quit}": Quit(),
    "{end_conn}": EndConn(),
    "<quit>": Quit(),
    "<end_conn>": EndConn(),
}
"""The control words that are understood; those in braces are the ones that are sent."""
_CONTROL_BYTES = frozenset(word.encode() for word in CONTROL_WORDS)


# --- the words for people -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Words:
    """The sentences on the wire, in one language; `{}` fields are filled by the one who shows it.

    The server writes them to bare and line peers, our client writes them to its own user.
    """

    greeting: str
    taken: str
    invalid: str
    full: str
    unknown_token: str
    welcome: str
    joined: str
    left: str
    too_long: str
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

    def explain(self, reason: str, limit: int | None = None, detail: str | None = None) -> str:
        """Say why something was refused, also for a reason that a newer server made up."""
        sentences: dict[str, str] = {
            Reason.TAKEN: self.taken,
            Reason.INVALID: self.invalid,
            Reason.FULL: self.full,
            Reason.UNKNOWN_TOKEN: self.unknown_token,
            Reason.TOO_LONG: self.too_long,
            Reason.EMPTY: self.empty,
            Reason.MALFORMED: self.malformed,
            Reason.NOT_JOINED: self.not_joined,
            Reason.ALREADY_JOINED: self.already_joined,
            Reason.TOO_LATE: self.too_late,
            Reason.MUTED: self.muted,
            Reason.KICKED: self.kicked,
            Reason.BANNED: self.banned,
        }
        sentence = sentences.get(reason, self.refused)
        explained = sentence.format(reason=reason, limit=MAX_MESSAGE_BYTES if limit is None else limit)
        return f"{explained} {detail}" if detail else explained

    def tell_left(self, name: str, reason: str | None) -> str:
        """Say that somebody left, and why where there is more to say than the original had."""
        reasons: dict[str | None, str] = {Reason.TOO_SLOW: self.left_too_slow, Reason.KICKED: self.left_kicked}
        why = reasons.get(reason)
        return self.left.format(name=name) + (f" ({why})" if why else "")


ITALIAN = Words(
    greeting="Salve! Digita il tuo Nome seguito dal tasto Invio!",
    taken="Il nome scelto è già assegnato, inserire un nome diverso:",
    invalid="Il nome scelto non è valido (da 1 a 32 caratteri visibili, senza i due punti), inserire un nome diverso:",
    full="La chat è al completo, riprova più tardi.",
    unknown_token="Il server non ricorda più questa connessione, inserire di nuovo il nome:",
    welcome="Benvenuto {name}! Se vuoi lasciare la Chat, scrivi {{quit}} per uscire.",
    joined="{name} si è unito alla chat!",
    left="{name} ha abbandonato la Chat.",
    too_long="Messaggio non inviato: supera il limite di {limit} byte. Dividilo in più parti.",
    empty="Messaggio non inviato: è vuoto.",
    malformed="Messaggio non inviato: il server non lo ha capito.",
    not_joined="Messaggio non inviato: prima scegli un nome.",
    already_joined="Hai già un nome in questa chat.",
    too_late="Il tempo per scegliere un nome è scaduto: collegati di nuovo quando vuoi.",
    muted="Messaggio non inviato: per ora può scrivere solo chi ne ha il permesso dall'operatore.",
    kicked="L'operatore ti ha allontanato dalla chat.",
    banned="L'operatore non ti permette di entrare in questa chat.",
    left_too_slow="riceveva troppo lentamente",
    left_kicked="allontanato dall'operatore",
    refused="Il server ha rifiutato la richiesta ({reason}).",
    recorded="Quello che si dice in questa chat viene registrato.",
    not_recorded="Questa chat doveva essere registrata, ma non è possibile: nulla viene conservato.",
)

ENGLISH = Words(
    greeting="Welcome! Type your name and press Enter!",
    taken="That name is already taken, enter a different name:",
    invalid="That name is not valid (1 to 32 visible characters, no colon), enter a different name:",
    full="The chat is full, try again later.",
    unknown_token="The server does not remember this connection any more, enter your name again:",
    welcome="Welcome {name}! To leave the chat, type {{quit}}.",
    joined="{name} has joined the chat!",
    left="{name} has left the chat.",
    too_long="Message not sent: it is over the limit of {limit} bytes. Split it up.",
    empty="Message not sent: it is empty.",
    malformed="Message not sent: the server did not understand it.",
    not_joined="Message not sent: choose a name first.",
    already_joined="You already have a name in this chat.",
    too_late="The time to choose a name is over: connect again whenever you like.",
    muted="Message not sent: for now only those whom the operator allows may write.",
    kicked="The operator has removed you from the chat.",
    banned="The operator does not let you into this chat.",
    left_too_slow="received too slowly",
    left_kicked="removed by the operator",
    refused="The server refused this ({reason}).",
    recorded="What is said in this chat is recorded.",
    not_recorded="This chat was to be recorded, but that is not possible: nothing is kept.",
)

LANGUAGES = {"it": ITALIAN, "en": ENGLISH}
DEFAULT_LANGUAGE = "it"


# --- what may be said, and by which name ----------------------------------------------------------------------------

_LINE_BREAK = re.compile("\r\n|[\r\u2028\u2029]")
_UNWANTED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""Control characters, direction overrides and isolates, byte order marks, halves of letters; also all line breaks but
`\\n`. None of them is printable (`str.isprintable`)."""

_NOT_IN_NAMES = re.compile("[:\u02d0\u0589\u05c3\u2236\ua789\ufffd]")
"""What looks like the colon that ends a name, or stands for bytes that were none."""
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Letters without a shape: they make two names look the same, or one name like nothing."""


def clean_text(text: str) -> str:
    """Take out what must never reach somebody's screen, make every line break a newline, drop those at either end."""
    if text.isprintable():  # as most of what people say is
        return text
    return _UNWANTED.sub("", _LINE_BREAK.sub("\n", text)).strip("\n")


def is_too_long(text: str) -> bool:
    """Tell whether a text is over MAX_MESSAGE_BYTES."""
    return 4 * len(text) > MAX_MESSAGE_BYTES and len(text.encode()) > MAX_MESSAGE_BYTES


def split_text(text: str, max_bytes: int) -> list[str]:
    """Cut a text into pieces of at most `max_bytes` of UTF-8 (4 or more), never inside a letter."""
    data = text.encode()
    pieces = []
    while len(data) > max_bytes:
        end = max_bytes
        while data[end] & 0xC0 == 0x80:  # a continuation byte: the letter began before
            end -= 1
        pieces.append(data[:end].decode())
        data = data[end:]
    return [*pieces, data.decode()]


def parse_name(raw: str) -> str | None:
    """Give the name that somebody meant, in NFKC and trimmed, or None where it cannot be one."""
    if len(raw) > MAX_NAME_INPUT:
        return None
    name = unicodedata.normalize("NFKC", raw).strip(" ")
    valid = (
        0 < len(name) <= MAX_NAME_CHARACTERS
        and name.isprintable()
        and not _NOT_IN_NAMES.search(name)
        and not name.startswith('{"')  # what is left of an event that was cut
        and not any(notice in name_key(name) for notice in _NOTICES)
        and not unicodedata.combining(name[0])  # an accent on nothing
        and name_key(name) not in ("", *CONTROL_WORDS)
    )
    return name if valid else None


def name_key(name: str) -> str:
    """Fold a name so that two which people would take for the same have the same key; empty if there is nothing to see.

    NFKC and casefold, and further: runs of spaces count as one, letters without a shape do not count.
    """
    visible = _INVISIBLE.sub("", unicodedata.normalize("NFKC", name))
    return " ".join(unicodedata.normalize("NFKC", visible.casefold()).split())


_NOTICES = tuple(
    name_key(notice.format(name="")) for words in LANGUAGES.values() for notice in (words.joined, words.left)
)
"""What a name must not contain, or its notice would read like somebody else's."""

TOKEN = re.compile(r"[0-9A-Za-z_-]{16,64}")
"""What a client may propose as its token; `secrets.token_urlsafe` makes such."""

RESERVED_KEYS = frozenset({name_key(SERVER_NAME)})
"""Keys of names that count as taken from the start."""


# --- the dialects ---------------------------------------------------------------------------------------------------


class Dialect(Protocol):
    """One way to write events, and what has come of the other side's so far. Not for two threads at once."""

    name: ClassVar[str]

    def feed(self, data: bytes) -> list[Event]:
        """Take what one `recv` gave, and give the events that are whole by now; never raises, whatever the bytes."""

    def flush(self) -> list[Event]:
        """Give what was held back in doubt, when `is_waiting` and nothing came for SETTLE_S (lines: DOUBT_S)."""

    def finish(self) -> list[Event]:
        """Give what can still be made of the rest: the other side has ended its stream."""

    @property
    def is_waiting(self) -> bool:
        """Whether something whole is held back until it is known what follows it."""

    def encode(self, event: Event) -> bytes:
        """Write an event; empty where this dialect has no way to tell it."""


def in_words(event: Event, words: Words) -> str | None:
    """Write an event as one text in the original's words, or None where the original says nothing."""
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
            return {RECORDED: words.recorded, NOT_RECORDED: words.not_recorded}.get(about)
        case Greeting():
            return words.greeting + MARK
        case Quit():
            return "{quit}"
        case EndConn():
            return "{end_conn}"
    return None


def one_line_each(event: Event) -> list[Event]:
    """Cut a text of several lines into events of one line, each under its speaker's name.

    Without it a peer of the bare or line dialect would show the second line as if anybody had said it.
    """
    if isinstance(event, Message | Announcement | Say) and "\n" in event.text:
        return [dataclasses.replace(event, text=line) for line in event.text.split("\n")]
    return [event]


def bare_parts(event: Event) -> list[Event]:
    """Cut an event into those that the original can take whole: one line and BARE_RECV_BYTES each, name included."""
    parts: list[Event] = []
    for line in one_line_each(event):
        if isinstance(line, Message | Announcement | Say):
            speaker = line.name if isinstance(line, Message) else SERVER_NAME
            # Four bytes a letter are left for the name even of a `Say`: the original server puts it in front.
            room = BARE_RECV_BYTES - max(len(speaker.encode()), 4 * MAX_NAME_CHARACTERS) - len(": ")
            # What is no control word as a whole must not become one by a cut: a blank keeps it from being one.
            pieces = [f"{piece} " if piece in CONTROL_WORDS else piece for piece in split_text(line.text, room)]
            parts += [dataclasses.replace(line, text=piece) for piece in pieces]
        else:
            parts.append(line)
    return parts


class Bare:
    """The original's own way: no framing. What one `recv` gave is one message, and one `encode` is to be one `send`."""

    name: ClassVar[str] = "bare"

    def __init__(self, words: Words) -> None:
        self._words = words
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")  # keeps a letter cut in half for the next
        self._held = ""

    def feed(self, data: bytes) -> list[Event]:
        events = self.flush()
        text = clean_text(self._decoder.decode(data))
        is_whole = not self._decoder.getstate()[0]  # no half of a letter follows
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
        """As for every dialect; here the end of the stream shows that a trailing control word was a merged message."""
        for word, event in CONTROL_WORDS.items():
            if self._held.endswith(word):
                text, self._held = self._held.removesuffix(word), ""
                return [*self._say(clean_text(text)), event]
        return []

    @staticmethod
    def _say(text: str) -> list[Event]:
        # The cuts of a bare stream mean nothing, so one more loses nothing.
        pieces = (piece.strip("\n") for piece in split_text(text, MAX_MESSAGE_BYTES))
        return [Say(piece) for piece in pieces if piece.strip()]

    def encode(self, event: Event) -> bytes:
        return (in_words(event, self._words) or "").encode()


class _Framed:
    """Cuts a stream into lines, within a bound; what the lines mean is decided by whoever inherits."""

    def __init__(self, max_line_bytes: int) -> None:
        self._max_line_bytes = max_line_bytes
        self._buffer = b""
        self._skipping = False  # inside a line that has outgrown the bound, until its end

    def feed(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        if self._skipping:
            _, end, data = data.partition(b"\n")
            self._skipping = not end
        head, end, tail = (self._buffer + data).rpartition(b"\n")
        self._buffer = tail
        if end and len(head) <= self._max_line_bytes:
            events = self._parse(head)
        elif end:
            for line in head.split(b"\n"):
                is_within = len(line) <= self._max_line_bytes
                events += self._parse(line) if is_within else [Fault(Reason.TOO_LONG)]
        if len(tail) > self._max_line_bytes:
            self._buffer = b""
            self._skipping = True
            events.append(Fault(Reason.TOO_LONG))
        return events

    @property
    def is_waiting(self) -> bool:
        return False

    def flush(self) -> list[Event]:
        return []

    def _parse(self, whole_lines: bytes) -> list[Event]:
        raise NotImplementedError


def _is_cut(data: bytes) -> bool:
    """Tell whether data ends in the middle of a letter."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    decoder.decode(data)
    return bool(decoder.getstate()[0])


class Lines(_Framed):
    """A message is a line: LF ends it, a CR before that is dropped.

    One line alone may also have been a name pasted, with its end, into the original's window, which never ends another:
    until a second line has ended, text without its end is held back in doubt, and is a message if nothing follows.
    """

    name: ClassVar[str] = "lines"

    def __init__(self, words: Words) -> None:
        super().__init__(MAX_LINE_BYTES)
        self._words = words
        self._ended_lines = 0

    def feed(self, data: bytes) -> list[Event]:
        self._ended_lines += data.count(b"\n")
        return super().feed(data)

    @property
    def is_waiting(self) -> bool:
        return bool(self._buffer) and self._ended_lines < 2 and not _is_cut(self._buffer)

    def flush(self) -> list[Event]:
        return self.finish() if self.is_waiting else []

    def _parse(self, whole_lines: bytes) -> list[Event]:
        text = whole_lines.decode("utf-8", "replace")
        events: list[Event] = []
        for line in map(clean_text, text.split("\n")):
            if line in CONTROL_WORDS:
                events.append(CONTROL_WORDS[line])
            elif is_too_long(line):
                events.append(Fault(Reason.TOO_LONG))
            elif line and not line.isspace():
                events.append(Say(line))
        return events

    def finish(self) -> list[Event]:
        """As for every dialect; here a last line without its end counts, as `printf 'ciao'` would have it."""
        rest, self._buffer = self._buffer, b""
        return self._parse(rest)

    def encode(self, event: Event) -> bytes:
        if isinstance(event, Message) and "\n" not in event.text:  # most of all that is ever sent
            return f"{event.name}: {event.text}\n".encode()
        if isinstance(event, Greeting):
            return (self._words.greeting + MARK).encode()
        if isinstance(event, LineEnd):
            return b"\n"
        texts = (in_words(part, self._words) for part in one_line_each(event))
        return "".join(f"{text}\n" for text in texts if text is not None).encode()


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

_TYPE_NAMES = {cls: name for name, cls in EVENT_TYPES.items()}
_JSON_TYPES: dict[str, Callable[[Any], bool]] = {
    "str": lambda value: isinstance(value, str),
    "int": lambda value: type(value) is int and 0 <= value <= MAX_NUMBER,  # True is an int to Python, not on the wire
    "float": lambda value: type(value) in (int, float) and 0 <= value <= MAX_NUMBER,
    "tuple[str, ...]": lambda value: isinstance(value, list) and all(isinstance(item, str) for item in value),
}
"""What a value out of JSON has to be, by the annotation of the event's field."""
_OPTIONAL = " | None"


def _fields_of(cls: type[Event]) -> list[tuple[str, Callable[[Any], bool], bool]]:
    """List an event's fields: the name, what its value has to be, whether it may be missing."""
    kinds = [(field.name, str(field.type)) for field in dataclasses.fields(cls)]
    return [(name, _JSON_TYPES[kind.removesuffix(_OPTIONAL)], kind.endswith(_OPTIONAL)) for name, kind in kinds]


_FIELDS = {cls: _fields_of(cls) for cls in _TYPE_NAMES}
_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_from_json = json.JSONDecoder().raw_decode
_quote = json.encoder.encode_basestring


class Events(_Framed):
    """A line holds one JSON object, or a control word. Fields and types that we do not know are passed over."""

    name: ClassVar[str] = "events"

    def __init__(self, max_line_bytes: int = MAX_LINE_BYTES) -> None:
        super().__init__(max_line_bytes)

    def _parse(self, whole_lines: bytes) -> list[Event]:
        events = (_parse_event(line) for line in whole_lines.split(b"\n"))
        return [event for event in events if event is not None]

    def finish(self) -> list[Event]:
        """As for every dialect; here half an object is nothing, but a control word counts."""
        rest, self._buffer = self._buffer, b""
        return [event for event in self._parse(rest) if isinstance(event, Quit | EndConn)]

    def encode(self, event: Event) -> bytes:
        if isinstance(event, Message):  # most of all that is ever sent: written by hand, four times as fast
            nonce = "" if event.nonce is None else f',"nonce":{event.nonce}'
            head = f'{{"type":"message","id":{event.id},"time":{event.time!r},"name":{_quote(event.name)}'
            return f'{head},"text":{_quote(event.text)}{nonce}}}\n'.encode()
        kind = _TYPE_NAMES.get(type(event))
        if kind is None:
            control_word = isinstance(event, Quit | EndConn)
            return f"{in_words(event, ITALIAN)}\n".encode() if control_word else b""
        fields = {name: value for name, value in vars(event).items() if value is not None}
        return (_to_json({"type": kind, **fields}) + "\n").encode()


def _parse_event(line: bytes) -> Event | None:
    """Read one line of the events dialect; None where there is nothing in it for us."""
    line = line.strip(b" \t\r")
    if not line:
        return None
    try:
        text = line.decode()
        if text in CONTROL_WORDS:
            return CONTROL_WORDS[text]
        found, end = _from_json(text)
    except (ValueError, RecursionError):  # no UTF-8, no JSON, a number of 5,000 digits; nested too deep
        return Fault(Reason.MALFORMED)
    if end != len(text) or not isinstance(found, dict) or not isinstance(found.get("type"), str):
        return Fault(Reason.MALFORMED)
    cls = EVENT_TYPES.get(found["type"])
    return None if cls is None else _build_event(cls, found)


def _build_event(cls: type[Event], found: dict[str, Any]) -> Event:
    """Make an event of a JSON object, or a Fault where a field is missing, of the wrong type or out of range."""
    text = found.get("text")
    if cls is Say and type(text) is str and 4 * len(text) <= MAX_MESSAGE_BYTES and text.isprintable():
        nonce = _nonce_of(found)  # what most lines are, without the questions below
        if nonce is not None and text and not text.isspace():
            return Say(text, nonce)
    values: dict[str, Any] = {}
    for name, is_valid, is_optional in _FIELDS[cls]:
        value = found.get(name)
        if value is None and is_optional:
            continue
        if not is_valid(value):
            return Fault(Reason.MALFORMED, _nonce_of(found))
        if name == "text":
            value = clean_text(str(value))
            if is_too_long(value):
                return Fault(Reason.TOO_LONG, _nonce_of(found))
            if not value.strip():
                return Fault(Reason.EMPTY, _nonce_of(found))
        values[name] = tuple(value) if isinstance(value, list) else value
    return cls(**values)


def _nonce_of(found: dict[str, Any]) -> int | None:
    nonce = found.get("nonce")
    return nonce if type(nonce) is int and 0 <= nonce <= MAX_NUMBER else None


# --- which dialect the other side speaks ----------------------------------------------------------------------------


def _begins_as_event(received: bytes) -> bool:
    return received[:2] in (b"{", b'{"')


def settle_s(received: bytes) -> float:
    """Tell how many seconds to wait for more, when `recognise_client` cannot yet tell."""
    return HELLO_SETTLE_S if _begins_as_event(received) else SETTLE_S


def recognise_client(received: bytes, is_over: bool, has_ended: bool = False) -> type[Events | Lines | Bare] | None:
    """Tell a client's dialect by the first that it says, or None while that could still change.

    `is_over`: no more has come for `settle_s`. `has_ended`: no more will come, the client has ended its stream.
    """
    first_line, newline, _ = received.partition(b"\n")
    if newline and len(first_line) <= MAX_HELLO_BYTES and isinstance(_parse_event(first_line), Hello):
        return Events
    if received.endswith(b"\n"):
        return Lines
    if received in _CONTROL_BYTES:  # whoever leaves already need not wait
        return Bare
    if has_ended and not newline and _begins_as_event(received):
        return Events  # a link that broke within its `hello`: half an object is nothing, and no name
    if not is_over and not has_ended and len(received) <= MAX_LINE_BYTES:
        return None
    # A line break inside is either from a script, or a name that was pasted into the original's window; the latter fits
    # into the one `recv` that the original reads a name with, and is not the end of all that there is to say.
    return Lines if newline and (has_ended or len(received) > BARE_RECV_BYTES) else Bare


def recognise_server(received: bytes, is_over: bool) -> type[Events | Bare] | None:
    """Tell a server's dialect by its greeting, or None while that could still change.

    Only a greeting that we know, and nothing behind its mark, speaks for events: what people say on an original server
    may reach us in the same packet and end in anything. `is_over`: no more has come for SETTLE_S.
    """
    for words in LANGUAGES.values():
        marked = (words.greeting + MARK).encode()
        if received == marked:
            return Events
        if marked.startswith(received) and not is_over:
            return None
    return Bare


def is_stranger(received: bytes) -> bool:
    """Tell whether the first that a server says shows that it is no chat.

    Text protocols of the Internet (SSH, SMTP, FTP, …) end their first line in CRLF, binary ones are no UTF-8; the
    original's greeting has neither, whatever people say behind it.
    """
    if received.startswith(tuple(words.greeting.encode() for words in LANGUAGES.values())):
        return False
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        text = decoder.decode(received)
    except UnicodeDecodeError:
        return True
    return "\r\n" in text or "\0" in text
