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

    # A room with a code.
    ask_code: str
    code_needed: str
    code_wrong: str
    code_form: str
    code_not_here: str
    code_unproved: str
    code_turned_away: str
    code_needs_python: str
    code_back: str
    help_code: str

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
    ask_code="Codice della stanza: ",
    code_needed="Questa stanza chiede un codice: è sullo schermo del server. Chiedilo, e scrivilo.",
    code_wrong="Il codice non è quello della stanza su {host}, porta {port}. Controllalo con chi ha avviato il server, "
    "e correggilo.",
    code_form="Un codice ha sedici lettere, come «baba-coco-didi-fofo». Controlla quello che hai scritto.",
    code_not_here="Il server su {host}, porta {port}, non usa un codice: altri potrebbero leggere quello che scrivi, e "
    "forse non è il server che cerchi. Con un codice la chat non si collega. Chiedi a chi ha avviato il server.",
    code_unproved="Il server su {host}, porta {port}, non dimostra di conoscere il codice: forse non è quello che "
    "cerchi. La chat non si collega. Controlla l'indirizzo, o chiedi a chi ha avviato il server.",
    code_turned_away="Il server su {host}, porta {port}, ora non lascia entrare da qui: la stanza è piena, o chi "
    "gestisce il server non lo permette. Riprova più tardi, o chiedi a chi lo ha avviato.",
    code_needs_python="Per una stanza con un codice serve Python 3.13 o successivo, e questo è {python}. Installalo, o "
    "usa il programma chat_client già pronto.",
    code_back="(Solo Invio per tornare alla domanda sul server.)",
    help_code="il codice della stanza; «-» lo chiede, perché altri su questo computer possono leggere i comandi",
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
    ask_code="Code of the room: ",
    code_needed="This room needs a code: it is on the screen of the server. Ask for it, and type it.",
    code_wrong="The code is not that of the room at {host}, port {port}. Check it with the person who runs the server, "
    "and correct it.",
    code_form="A code has sixteen letters, like “baba-coco-didi-fofo”. Check what you have typed.",
    code_not_here="The server at {host}, port {port}, does not use a code: others could read what you write, and it "
    "may not be the server that you want. With a code the chat does not connect. Ask the person who runs the server.",
    code_unproved="The server at {host}, port {port}, does not prove that it knows the code: it may not be the one "
    "that you want. The chat does not connect. Check the address, or ask the person who runs the server.",
    code_turned_away="The server at {host}, port {port}, lets nobody in from here now: the room is full, or its "
    "operator does not allow it. Try again later, or ask the person who runs it.",
    code_needs_python="A room with a code needs Python 3.13 or later, and this is {python}. Install it, or use the "
    "ready-made program chat_client.",
    code_back="(Enter alone to go back to the question about the server.)",
    help_code="the code of the room; “-” asks for it, as others on this computer can read command lines",
    help_description="The chat window. Asks for the host and the port that it was not given.",
    help_host="the server, also with the port as the server shows it: 192.168.1.20:53000",
    help_port="usually {default}",
    help_name="the name to ask for",
    help_find="list the rooms in this network, one a line, and exit",
    last_language="the last one used, at first Italian",
)
