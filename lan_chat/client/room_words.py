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
    help_dialog="ask in a window, not on the console",
)
