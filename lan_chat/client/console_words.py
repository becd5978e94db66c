"""The client's sentences for the console: the rooms above the question, and the help of the command line. Pure data."""

from __future__ import annotations

from dataclasses import dataclass

import protocol


@dataclass(frozen=True)
class ConsoleWords(protocol.Words):
    """What is said on the console about rooms, and by the command line, in one language, with `{}` fields."""

    rooms_above: str
    room_row: str
    usual_room: str
    no_usual_room: str
    no_such_room: str
    no_rooms: str
    type_address: str
    yes_or_no: str

    # The command line.
    help_description: str
    help_host: str
    help_port: str
    help_name: str
    help_find: str
    last_language: str


ITALIAN = ConsoleWords(
    **vars(protocol.ITALIAN),
    rooms_above="Stanze in questa rete (scrivi un numero, o l'indirizzo di un altro server):",
    room_row="  {number}. {room}: {host}, porta {port}, persone nella chat: {count}",
    usual_room="Con il solo Invio: {room}, {host}, porta {port}.",
    no_usual_room="Il solo Invio qui non basta: scrivi il numero di una stanza, o un indirizzo.",
    no_such_room="Non c'è una stanza con il numero {number}.",
    no_rooms="Nessuna stanza trovata in questa rete. Può darsi che:\n"
    "  - il server non sia avviato, o sia in un'altra rete;\n"
    "  - questo Wi-Fi sia per ospiti, e non lasci comunicare i computer tra loro;\n"
    "  - il firewall del server non lasci passare UDP sulla porta {port}.",
    type_address="Scrivi l'indirizzo che il server mostra all'avvio.",
    yes_or_no="Scrivi sì per entrare, o solo Invio per tornare alla domanda: ",
    help_description="La finestra della chat. Chiede il server e la porta che non le sono stati dati.",
    help_host="il server, anche con la porta come lo mostra il server: 192.168.1.20:53000",
    help_port="di solito {default}",
    help_name="il nome da chiedere",
    help_find="elenca le stanze di questa rete, una per riga, ed esce",
    last_language="l'ultima usata, all'inizio italiano",
)


ENGLISH = ConsoleWords(
    **vars(protocol.ENGLISH),
    rooms_above="Rooms in this network (type a number, or the address of another server):",
    room_row="  {number}. {room}: {host}, port {port}, people in the chat: {count}",
    usual_room="With Enter alone: {room}, {host}, port {port}.",
    no_usual_room="Enter alone is not enough here: type the number of a room, or an address.",
    no_such_room="There is no room with the number {number}.",
    no_rooms="No room was found in this network. Perhaps:\n"
    "  - the server is not running, or is in another network;\n"
    "  - this Wi-Fi is for guests, and keeps its computers apart;\n"
    "  - the server's firewall does not let UDP through on port {port}.",
    type_address="Type the address that the server shows when it starts.",
    yes_or_no="Type yes to enter, or Enter alone to go back to the question: ",
    help_description="The chat window. Asks for the host and the port that it was not given.",
    help_host="the server, also with the port as the server shows it: 192.168.1.20:53000",
    help_port="usually {default}",
    help_name="the name to ask for",
    help_find="list the rooms in this network, one a line, and exit",
    last_language="the last one used, at first Italian",
)
