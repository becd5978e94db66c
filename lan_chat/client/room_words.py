"""The client's texts about the rooms of the LAN, in a window, in each language.

Pure data. `ClientWords` has them, too.
"""

from __future__ import annotations

from dataclasses import dataclass

from lan_chat.client import console_words
from lan_chat.client.console_words import ConsoleWords


@dataclass(frozen=True)
class RoomWords(ConsoleWords):
    """Every text about rooms, in one language; the code that shows it fills the `{}` fields."""

    rooms_title: str
    rooms_searching: str
    search_goes_on: str
    rooms_address: str
    ask_name: str
    enter_anyway: str
    you_are_here: str
    already_here: str
    leaving: str
    has_left: str
    named_host: str
    menu_rooms: str
    menu_phones: str
    phones_how: str
    phones_in_clear: str
    phones_wait: str
    phones_not_here: str
    phones_no_address: str
    help_dialog: str


ITALIAN = RoomWords(
    **vars(console_words.ITALIAN),
    rooms_title="Stanze in questa rete",
    rooms_searching="Ricerca delle stanze...",
    rooms_address="Un altro indirizzo",
    ask_name="Il tuo nome: ",
    search_goes_on="La ricerca continua. Se conosci l'indirizzo che il server mostra all'avvio, scrivilo qui sotto.",
    enter_anyway="Entra lo stesso",
    you_are_here="sei qui",
    already_here="Sei già in «{room}».",
    leaving="Quando entri in un'altra stanza, lasci «{room}».",
    has_left="Hai lasciato «{room}».",
    named_host="«{room}», {host}",
    menu_rooms="Un'altra stanza...",
    menu_phones="Codice QR per i telefoni...",
    phones_how="Inquadra il codice con un telefono collegato alla stessa rete, o scrivi l'indirizzo nel suo browser.",
    phones_in_clear="Chi entra da un browser non ha bisogno del codice della stanza, e quello che scrive e legge "
    "viaggia in chiaro.",
    phones_wait="Non si sa ancora se in questa stanza si entra con un telefono: prima scegli un nome.",
    phones_not_here="In questa stanza non si entra con un telefono: il server è originale, più vecchio, o avviato "
    "senza browser. Chi lo gestisce può riavviarlo con --web on.",
    phones_no_address="Un telefono non può entrare da qui: il browser non sa aprire l'indirizzo del server, o questo "
    "computer non è collegato a nessuna rete.",
    help_dialog="chiede in una finestra, non sulla console",
)


ENGLISH = RoomWords(
    **vars(console_words.ENGLISH),
    rooms_title="Rooms in this network",
    rooms_searching="Looking for rooms...",
    rooms_address="Another address",
    ask_name="Your name: ",
    search_goes_on="The search goes on. If you know the address that the server shows when it starts, enter it below.",
    enter_anyway="Enter anyway",
    you_are_here="you are here",
    already_here="You are in “{room}” already.",
    leaving="When you enter another room, you leave “{room}”.",
    has_left="You have left “{room}”.",
    named_host="“{room}”, {host}",
    menu_rooms="Another room...",
    menu_phones="QR code for phones...",
    phones_how="Point the camera of a phone in the same network at the code, or type the address in its browser.",
    phones_in_clear="Those who come in by a browser do not need the code of the room, and what they say and read "
    "travels in clear.",
    phones_wait="It is not known yet whether phones can come into this room: choose a name first.",
    phones_not_here="Phones cannot come into this room: the server is an original one, an older one, or was "
    "started without browsers. Its operator can start it again with --web on.",
    phones_no_address="No phone can come in from here: a browser cannot open the server's address, or this computer is "
    "connected to no network.",
    help_dialog="ask in a window, not on the console",
)
