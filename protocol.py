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

SOCKET_OPTIONS = (
    ("IPPROTO_TCP", "TCP_NODELAY", 1),  # small messages go out at once
    ("SOL_SOCKET", "SO_KEEPALIVE", 1),
    ("IPPROTO_TCP", "TCP_KEEPIDLE", 30),  # seconds; Linux, Windows 10 from 1709
    ("IPPROTO_TCP", "TCP_KEEPALIVE", 30),  # the same on macOS
    ("IPPROTO_TCP", "TCP_KEEPINTVL", 10),
    ("IPPROTO_TCP", "TCP_KEEPCNT", 3),
    ("IPPROTO_TCP", "TCP_USER_TIMEOUT", 60_000),  # milliseconds; Linux. Windows gives up by itself after about 20 s
)
"""What both sides set, where the system knows the name, so that a cable that was pulled is noticed in a minute: by
three keepalives without an answer, or by what was sent and not acknowledged."""

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
    """All that the two programs say to people, in one language; `{}` fields are filled by whoever shows it."""

    # The conversation, as the server writes it to bare and line peers and the client to its own user.
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
    recording_failed: str

    # The client's questions and its window.
    ask_host: str
    ask_port: str
    last_server: str
    connecting: str
    connect: str
    cancel: str
    cancelled: str
    placeholder: str
    send: str
    people: str
    disconnected: str
    closing_soon: str
    connection_error: str
    restart: str
    draft_too_long: str
    not_sent: str
    send_again: str
    discard: str
    day: str
    left_off: str
    new_messages: str
    new_message: str
    status_connected: str
    status_people: str
    status_not_connected: str
    status_retrying: str
    status_waiting: str
    retry: str
    link_broken: str
    link_restored: str
    gap: str
    said_before: str
    settings_broken: str
    saved: str
    cannot_save: str
    text_files: str
    find: str
    find_count: str
    find_nothing: str

    # The window's menus.
    menu_chat: str
    menu_edit: str
    menu_view: str
    menu_language: str
    menu_save: str
    menu_send_again: str
    menu_quit: str
    menu_cut: str
    menu_copy: str
    menu_paste: str
    menu_select_all: str
    menu_find: str
    menu_open_link: str
    menu_last_link: str
    menu_latest: str
    menu_focus: str
    menu_light: str
    menu_dark: str
    menu_larger: str
    menu_smaller: str
    menu_normal_size: str
    menu_people: str
    menu_sound: str

    # Why no server was reached.
    unreachable_unknown: str
    unreachable_refused: str
    unreachable_silent: str
    unreachable_network: str
    unreachable_stranger: str
    bad_port: str
    no_tkinter: str
    no_display: str
    press_enter: str

    # The server's terminal.
    reach_title: str
    reach_here: str
    reach_line: str
    port_in_use: str
    port_forbidden: str
    host_not_here: str
    cannot_listen: str
    cannot_log: str
    history_unusable: str
    history_failed: str
    history_in_use: str
    export_done: str
    cannot_export: str

    # The operator's console.
    operator_absent: str
    operator_help: str
    operator_unknown: str
    operator_usage: str
    operator_nobody: str
    operator_member: str
    operator_count: str
    operator_said: str
    operator_kicked: str
    operator_banned: str
    operator_unbanned: str
    operator_not_banned: str
    operator_muted: str
    operator_unmuted: str
    operator_quiet: str
    operator_not_quiet: str

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
    recording_failed="La registrazione della chat si è interrotta: da ora nulla viene conservato.",
    ask_host="Inserire il Server host: ",
    ask_port="Inserire la porta del server host: ",
    last_server="L'ultima volta: {host}, porta {port}.",
    connecting="Connessione a {host}, porta {port}...",
    connect="Connetti",
    cancel="Annulla",
    cancelled="Connessione annullata.",
    placeholder="Scrivi qui i tuoi messaggi.",
    send="Invio",
    people="Nella chat: {count}",
    disconnected="Il server si è disconnesso.",
    closing_soon="La finestra si chiuderà tra 5 secondi.",
    connection_error="ERRORE: Si è verificato un errore di connessione con il server.",
    restart="Chiudi la finestra e riavvia l'applicazione per collegarti di nuovo.",
    draft_too_long="Messaggio non inviato: è di {size} byte, {over} oltre il limite di {limit}. Il testo resta nella "
    "casella.",
    not_sent="non inviato",
    send_again="Invia di nuovo",
    discard="Scarta",
    day="%d/%m/%Y",
    left_off="eri arrivato qui",
    new_messages="{count} nuovi messaggi ↓",
    new_message="1 nuovo messaggio ↓",
    status_connected="Connesso a {host}, porta {port}",
    status_people="persone nella chat: {count}",
    status_not_connected="Non connesso a {host}, porta {port}",
    status_retrying="Collegamento interrotto con {host}, porta {port}: nuovo tentativo in corso...",
    status_waiting="Collegamento interrotto con {host}, porta {port}: nuovo tentativo tra {wait} s",
    retry="Riprova ora",
    link_broken="Il collegamento si è interrotto. Quello che scrivi parte appena torna.",
    link_restored="Il collegamento è tornato.",
    gap="Qui mancano {count} messaggi e avvisi, di quando non eri collegato.",
    said_before="detto prima del tuo arrivo",
    settings_broken="Le impostazioni non erano leggibili e ripartono da capo; il vecchio file è ora {file}.",
    saved="Conversazione salvata in {file}.",
    cannot_save="Non è possibile salvare in {file} ({error}). Scegli un'altra cartella o un altro nome.",
    text_files="File di testo",
    find="Trova:",
    find_count="{number} di {count}",
    find_nothing="nessun risultato",
    menu_chat="Chat",
    menu_edit="Modifica",
    menu_view="Visualizza",
    menu_language="Lingua",
    menu_save="Salva la conversazione...",
    menu_send_again="Invia di nuovo ciò che non è partito",
    menu_quit="Esci",
    menu_cut="Taglia",
    menu_copy="Copia",
    menu_paste="Incolla",
    menu_select_all="Seleziona tutto",
    menu_find="Trova...",
    menu_open_link="Apri il link",
    menu_last_link="Apri l'ultimo link",
    menu_latest="Vai all'ultimo messaggio",
    menu_focus="Passa a casella, conversazione, elenco",
    menu_light="Chiaro",
    menu_dark="Scuro",
    menu_larger="Caratteri più grandi",
    menu_smaller="Caratteri più piccoli",
    menu_normal_size="Caratteri normali",
    menu_people="Elenco delle persone",
    menu_sound="Suono quando si fa il mio nome",
    unreachable_unknown="Il server «{host}» non esiste o non si trova. Controlla il nome o usa l'indirizzo IP che il "
    "server mostra all'avvio.",
    unreachable_refused="{host} non accetta connessioni sulla porta {port}. Controlla che il server sia avviato e che "
    "la porta sia giusta.",
    unreachable_silent="{host} non risponde sulla porta {port}. Controlla l'indirizzo, che i due computer siano sulla "
    "stessa rete e che il firewall del server permetta la connessione.",
    unreachable_network="Connessione a {host}, porta {port}, non riuscita ({error}). Controlla l'indirizzo e la rete "
    "di questo computer.",
    unreachable_stranger="Su {host}, porta {port}, risponde un programma che non è una chat. Controlla la porta.",
    bad_port="La porta deve essere un numero da 1 a 65535; premi Invio per la {default}.",
    no_tkinter="Manca tkinter, la libreria delle finestre. Installala e riprova: su Debian e Ubuntu «sudo apt install "
    "python3-tk», su Fedora «sudo dnf install python3-tkinter», su macOS con Homebrew «brew install python-tk».",
    no_display="Non è possibile aprire una finestra ({error}). Avvia il programma da una sessione grafica.",
    press_enter="Premi Invio per chiudere.",
    reach_title="Gli altri computer della rete si collegano a:",
    reach_here="Solo questo computer può collegarsi, a:",
    reach_line="    {host}  porta {port}",
    port_in_use="La porta {port} è già in uso: forse il server è già avviato. Chiudilo o scegli un'altra porta con "
    "--port.",
    port_forbidden="Il sistema non permette di usare la porta {port}: scegline un'altra con --port.",
    host_not_here="{host} non è un indirizzo di questo computer: correggi --host o avvia senza.",
    cannot_listen="Non è possibile aprire la porta {port} ({error}).",
    cannot_log="Non è possibile scrivere il registro in {file} ({error}): correggi --log-file.",
    history_unusable="La registrazione in {file} non è possibile ({error}). La chat funziona senza: nulla viene "
    "conservato. Scegli un altro file con --history, o sposta questo.",
    history_failed="La registrazione in {file} si è interrotta ({error}). La chat continua senza: nulla viene "
    "conservato. Libera spazio o scegli un altro file con --history, e riavvia.",
    history_in_use="un altro server sta già registrando in questo file",
    export_done="{count} righe scritte in {file}.",
    cannot_export="Non è possibile esportare {source} in {file} ({error}).",
    operator_absent="senza collegamento",
    operator_help="Comandi: help · who · say TESTO · kick NOME [MOTIVO] · ban NOME|INDIRIZZO · unban NOME|INDIRIZZO · "
    "mute NOME|* · unmute NOME|* · stop",
    operator_unknown="Comando sconosciuto: {word}. Con help si vedono tutti.",
    operator_usage="Uso: {usage}",
    operator_nobody="Nella chat non c'è nessuno con il nome {name}.",
    operator_member="{name}  {address}  {dialect}  dalle {since}  messaggi: {said} ({rate} al minuto)  "
    "byte in attesa: {unsent}{muted}",
    operator_count="Nella chat: {count}. Connessioni: {connections}.",
    operator_said="Annunciato a {count}.",
    operator_kicked="{name} è stato allontanato.",
    operator_banned="{what} non può più entrare.",
    operator_unbanned="{what} può entrare di nuovo.",
    operator_not_banned="{what} non era escluso.",
    operator_muted="{name} non può più scrivere.",
    operator_unmuted="{name} può scrivere di nuovo.",
    operator_quiet="Ora scrive solo l'operatore, con say.",
    operator_not_quiet="Ora possono scrivere tutti.",
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
    recording_failed="The recording of this chat has stopped: from now on nothing is kept.",
    ask_host="Enter the server host: ",
    ask_port="Enter the port of the server host: ",
    last_server="Last time: {host}, port {port}.",
    connecting="Connecting to {host}, port {port}...",
    connect="Connect",
    cancel="Cancel",
    cancelled="Connecting was cancelled.",
    placeholder="Type your messages here.",
    send="Send",
    people="In the chat: {count}",
    disconnected="The server has disconnected.",
    closing_soon="The window will close in 5 seconds.",
    connection_error="ERROR: The connection with the server failed.",
    restart="Close the window and start the application again to reconnect.",
    draft_too_long="Message not sent: it has {size} bytes, {over} over the limit of {limit}. The text stays in the "
    "box.",
    not_sent="not sent",
    send_again="Send again",
    discard="Discard",
    day="%Y-%m-%d",
    left_off="you had read up to here",
    new_messages="{count} new messages ↓",
    new_message="1 new message ↓",
    status_connected="Connected to {host}, port {port}",
    status_people="people in the chat: {count}",
    status_not_connected="Not connected to {host}, port {port}",
    status_retrying="The link with {host}, port {port}, is broken: trying again...",
    status_waiting="The link with {host}, port {port}, is broken: next try in {wait} s",
    retry="Try now",
    link_broken="The link is broken. What you write goes out as soon as it is back.",
    link_restored="The link is back.",
    gap="{count} messages and notices are missing here, from while you were not connected.",
    said_before="said before you came",
    settings_broken="The settings could not be read and start afresh; the old file is now {file}.",
    saved="Conversation saved in {file}.",
    cannot_save="It cannot be saved in {file} ({error}). Choose another folder or another name.",
    text_files="Text files",
    find="Find:",
    find_count="{number} of {count}",
    find_nothing="nothing found",
    menu_chat="Chat",
    menu_edit="Edit",
    menu_view="View",
    menu_language="Language",
    menu_save="Save the conversation...",
    menu_send_again="Send again what was not sent",
    menu_quit="Quit",
    menu_cut="Cut",
    menu_copy="Copy",
    menu_paste="Paste",
    menu_select_all="Select all",
    menu_find="Find...",
    menu_open_link="Open the link",
    menu_last_link="Open the last link",
    menu_latest="Go to the latest message",
    menu_focus="Move between box, conversation, list",
    menu_light="Light",
    menu_dark="Dark",
    menu_larger="Larger text",
    menu_smaller="Smaller text",
    menu_normal_size="Normal text",
    menu_people="List of people",
    menu_sound="Sound when my name is said",
    unreachable_unknown="There is no server “{host}”, or it cannot be found. Check the name, or use the IP address "
    "that the server shows when it starts.",
    unreachable_refused="{host} does not accept connections on port {port}. Check that the server is running and that "
    "the port is right.",
    unreachable_silent="{host} does not answer on port {port}. Check the address, that both computers are on the same "
    "network, and that the server's firewall allows the connection.",
    unreachable_network="Connecting to {host}, port {port}, failed ({error}). Check the address and this computer's "
    "network.",
    unreachable_stranger="What answers at {host}, port {port}, is not a chat. Check the port.",
    bad_port="The port must be a number from 1 to 65535; press Enter for {default}.",
    no_tkinter="tkinter, the window library, is missing. Install it and try again: on Debian and Ubuntu “sudo apt "
    "install python3-tk”, on Fedora “sudo dnf install python3-tkinter”, on macOS with Homebrew “brew install "
    "python-tk”.",
    no_display="No window can be opened ({error}). Start the program from a graphical session.",
    press_enter="Press Enter to close.",
    reach_title="The other computers of the network connect to:",
    reach_here="Only this computer can connect, to:",
    reach_line="    {host}  port {port}",
    port_in_use="Port {port} is already in use: perhaps the server is already running. Close it, or choose another "
    "port with --port.",
    port_forbidden="The system does not allow the use of port {port}: choose another with --port.",
    host_not_here="{host} is not an address of this computer: correct --host, or start without it.",
    cannot_listen="Port {port} cannot be opened ({error}).",
    cannot_log="The log cannot be written to {file} ({error}): correct --log-file.",
    history_unusable="It is not possible to record in {file} ({error}). The chat works without: nothing is kept. "
    "Choose another file with --history, or move this one away.",
    history_failed="The recording in {file} has stopped ({error}). The chat goes on without: nothing is kept. Free "
    "some space, or choose another file with --history, and start again.",
    history_in_use="another server is recording in this file",
    export_done="{count} lines written to {file}.",
    cannot_export="{source} cannot be exported to {file} ({error}).",
    operator_absent="link broken",
    operator_help="Commands: help · who · say TEXT · kick NAME [REASON] · ban NAME|ADDRESS · unban NAME|ADDRESS · "
    "mute NAME|* · unmute NAME|* · stop",
    operator_unknown="Unknown command: {word}. With help you see them all.",
    operator_usage="Usage: {usage}",
    operator_nobody="There is nobody named {name} in the chat.",
    operator_member="{name}  {address}  {dialect}  since {since}  messages: {said} ({rate} a minute)  "
    "bytes waiting: {unsent}{muted}",
    operator_count="In the chat: {count}. Connections: {connections}.",
    operator_said="Announced to {count}.",
    operator_kicked="{name} was removed.",
    operator_banned="{what} cannot come in any more.",
    operator_unbanned="{what} can come in again.",
    operator_not_banned="{what} was not banned.",
    operator_muted="{name} cannot write any more.",
    operator_unmuted="{name} can write again.",
    operator_quiet="Now only the operator writes, with say.",
    operator_not_quiet="Now everybody can write.",
)

LANGUAGES = {"it": ITALIAN, "en": ENGLISH}
DEFAULT_LANGUAGE = "it"

# The server's terminal speaks English in the original, whatever the language of the chat.
WAITING = "Waiting for connections..."
HAS_CONNECTED = "%s:%s has connected to the server."
HAS_LEFT = "%s:%s has left the server."
CLOSING = "CTRL+C pressed. Closing the server..."
CLOSING_OTHERWISE = "Closing the server..."
CLOSED = "Server successfully closed."


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


def parse_port(text: str) -> int | None:
    """Read a port that a client can connect to, 1 to 65535, or None where the text is no such number."""
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        return None
    port = int(text)
    return port if 1 <= port <= 65535 else None


def cost(event: Event | None) -> int:
    """Tell for how many messages an event counts: one, and one more for each further line and each KiB of text.

    To bare and line peers a line is a message of its own, with the name in front.
    """
    return 1 + event.text.count("\n") + len(event.text) // 1024 if isinstance(event, Say) else 1


class Allowance:
    """How much somebody may say: `rate` messages a second, and `burst` at once after a silence (a token bucket)."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._left = float(burst)
        self._filled_at: float | None = None

    def take(self, wanted: int, now: float) -> float:
        """Take `wanted` messages, but never more than a burst, and tell in how many seconds they may go.

        `now` is in seconds on any clock that never goes back. A rate of 0 means no limit.
        """
        if not self._rate:
            return 0.0
        if self._filled_at is not None:
            self._left = min(self._burst, self._left + (now - self._filled_at) * self._rate)
        self._filled_at = now
        self._left -= min(wanted, self._burst)
        return max(0.0, -self._left / self._rate)


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
