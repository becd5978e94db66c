"""The client's texts for its user, in each language: questions, window, errors.

Pure data. The sentences of the wire are in `protocol.Words`, those of the list of rooms on a console and of the command
line in `ConsoleWords`, those of the other lists in `RoomWords`.
"""

from __future__ import annotations

from dataclasses import dataclass

from lan_chat.client import room_words
from lan_chat.client.room_words import RoomWords


@dataclass(frozen=True)
class ClientWords(RoomWords):
    """Every text of the client, in one language; the code that shows it fills the `{}` fields."""

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
    end_closing: str
    end_waiting: str
    end_staying: str
    end_save: str
    end_stay: str
    end_connect: str
    connection_error: str
    restart: str
    draft_too_long: str
    draft_too_many_lines: str
    draft_aside: str
    draft_not_drawn: str
    not_sent: str
    send_again: str
    discard: str
    day: str
    long_day: str
    weekdays: str
    months: str
    left_off: str
    you: str
    joined_few: str
    joined_many: str
    left_few: str
    left_many: str
    show_all: str
    sending: str
    new_messages: str
    new_message: str
    link_works: str
    link_state_broken: str
    link_ended: str
    you_are: str
    address: str
    placeholder_name: str
    people_address: str
    people_copy: str
    status_connected: str
    status_people: str
    status_muted: str
    status_quiet: str
    status_not_connected: str
    status_retrying: str
    status_waiting: str
    status_kept: str
    retry: str
    room_elsewhere: str
    go_there: str
    stay_here: str
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
    find_total: str
    menu_chat: str
    menu_edit: str
    menu_view: str
    menu_language: str
    menu_help: str
    menu_save: str
    menu_send_again: str
    menu_quit: str
    menu_undo: str
    menu_redo: str
    menu_cut: str
    menu_copy: str
    menu_paste: str
    menu_select_all: str
    menu_find: str
    link_not_opened: str
    menu_open_link: str
    menu_last_link: str
    menu_latest: str
    menu_focus: str
    menu_light: str
    menu_dark: str
    menu_system: str
    menu_larger: str
    menu_smaller: str
    menu_normal_size: str
    menu_people: str
    menu_sound: str
    menu_italian: str
    menu_english: str
    menu_keys: str
    menu_about: str
    key_find_back: str
    key_find_on: str
    key_page_up: str
    key_page_down: str
    key_send: str
    key_new_line: str
    key_complete: str
    key_older: str
    key_newer: str
    key_context_menu: str
    key_menu_bar: str
    about: str
    close: str
    unreachable_unknown: str
    unreachable_refused: str
    unreachable_silent: str
    unreachable_network: str
    unreachable_stranger: str
    bad_port: str

    # The rooms of the LAN.
    room_code: str
    room_moved: str
    room_open: str

    no_tkinter: str
    no_display: str
    press_enter: str


ITALIAN = ClientWords(
    **vars(room_words.ITALIAN),
    ask_host="Inserire il Server host: ",
    ask_port="Inserire la porta del server host: ",
    last_server="Con il solo Invio, come l'ultima volta: {host}, porta {port}.",
    connecting="Connessione a {host}, porta {port}...",
    connect="Connetti",
    cancel="Annulla",
    cancelled="Connessione annullata.",
    placeholder="Scrivi qui i tuoi messaggi.",
    send="Invio",
    people="Nella chat: {count}",
    disconnected="Il server si è disconnesso.",
    closing_soon="La finestra si chiuderà tra 5 secondi.",
    end_closing="La finestra si chiude tra {seconds} s.",
    end_waiting="La finestra aspetta che tu abbia finito.",
    end_staying="Non sei più collegato. Puoi ancora leggere, copiare e salvare.",
    end_save="Salva...",
    end_stay="Resta",
    end_connect="Connetti...",
    connection_error="ERRORE: Si è verificato un errore di connessione con il server.",
    restart="Chiudi la finestra e riavvia l'applicazione per collegarti di nuovo.",
    draft_too_long="Messaggio non inviato: è di {size} byte, {over} oltre il limite di {limit}. Il testo resta "
    "nel campo del messaggio.",
    draft_too_many_lines="Messaggio non inviato: è di {count} righe, e il limite è di {limit}. Il testo resta nel "
    "campo del messaggio.",
    draft_aside="Troppo lungo per un messaggio: {size} byte su {limit}, righe {count} su {lines}. Annulla ({undo}) per "
    "tornare a prima.",
    draft_not_drawn="Troppi simboli per mostrarli qui ({size} byte). Invio li manda, Annulla ({undo}) torna a prima.",
    not_sent="non inviato",
    send_again="Invia di nuovo",
    discard="Scarta",
    day="%d/%m/%Y",
    long_day="{weekday} {day} {month} {year}",
    weekdays="lunedì martedì mercoledì giovedì venerdì sabato domenica",
    months="gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    left_off="avevi letto fin qui",
    you="{name} (tu)",
    joined_few="{names} e {last} sono entrati",
    joined_many="{names} e altre {count} persone sono entrate",
    left_few="{names} e {last} sono usciti",
    left_many="{names} e altre {count} persone sono uscite",
    show_all="mostra tutto",
    sending="in invio",
    new_messages="{count} nuovi messaggi ↓",
    new_message="1 nuovo messaggio ↓",
    link_works="Connesso",
    link_state_broken="Interrotto",
    link_ended="Non connesso",
    you_are="Tu sei ",
    address="{host} · porta {port}",
    placeholder_name="Il tuo nome",
    people_address="Scrivi a {name}",
    people_copy="Copia il nome",
    status_connected="Connesso a {host}, porta {port}",
    status_people="persone nella chat: {count}",
    status_muted="silenziato dall'operatore",
    status_quiet="scrive solo l'operatore",
    status_not_connected="Non connesso a {host}, porta {port}",
    status_retrying="Collegamento interrotto con {host}, porta {port}: nuovo tentativo in corso...",
    status_waiting="Collegamento interrotto con {host}, porta {port}: nuovo tentativo tra {wait} s",
    status_kept="Quello che scrivi parte appena torna.",
    retry="Riprova ora",
    room_elsewhere="«{name}» ora risponde da {host}, porta {port}: vuoi andare lì? Se non sai perché, chiedi prima "
    "a chi gestisce il server.",
    go_there="Vai lì",
    stay_here="No",
    link_broken="Il collegamento si è interrotto. Quello che scrivi verrà inviato appena torna.",
    link_restored="Il collegamento è tornato.",
    gap="Messaggi e avvisi che mancano qui, di quando non eri collegato: {count}.",
    said_before="detto prima del tuo arrivo",
    settings_broken="Le impostazioni non erano leggibili e sono state reimpostate; il vecchio file è ora {file}.",
    saved="Conversazione salvata in {file}.",
    cannot_save="Non è possibile salvare in {file} ({error}). Scegli un'altra cartella o un altro nome.",
    text_files="File di testo",
    find="Trova:",
    find_count="{number} di {count}",
    find_nothing="nessun risultato",
    find_total="risultati: {count}",
    menu_chat="Chat",
    menu_edit="Modifica",
    menu_view="Visualizza",
    menu_language="Lingua",
    menu_help="Aiuto",
    menu_save="Salva la conversazione...",
    menu_send_again="Invia di nuovo ciò che non è partito",
    menu_quit="Esci",
    menu_undo="Annulla la modifica",
    menu_redo="Ripeti la modifica",
    menu_cut="Taglia",
    menu_copy="Copia",
    menu_paste="Incolla",
    menu_select_all="Seleziona tutto",
    menu_find="Trova...",
    link_not_opened="Nessun browser ha aperto {link}. Copialo, e incollalo nella barra degli indirizzi di un browser.",
    menu_open_link="Apri il link",
    menu_last_link="Apri l'ultimo link",
    menu_latest="Vai all'ultimo messaggio",
    menu_focus="Passa tra messaggio, conversazione ed elenco",
    menu_light="Chiaro",
    menu_dark="Scuro",
    menu_system="Come il sistema",
    menu_larger="Caratteri più grandi",
    menu_smaller="Caratteri più piccoli",
    menu_normal_size="Caratteri normali",
    menu_people="Elenco delle persone",
    menu_sound="Suono quando si fa il mio nome",
    menu_italian="Italiano",
    menu_english="English",
    menu_keys="Tasti",
    menu_about="Informazioni sulla chat",
    key_find_back="Trova il risultato precedente",
    key_find_on="Trova il risultato successivo",
    key_page_up="Scorri la conversazione all'indietro",
    key_page_down="Scorri la conversazione in avanti",
    key_send="Invia il messaggio",
    key_new_line="Vai a capo",
    key_complete="Completa un nome; di nuovo per il nome successivo",
    key_older="Riprendi un tuo messaggio precedente",
    key_newer="Torna verso il testo che stavi scrivendo",
    key_context_menu="Apri il menu contestuale",
    key_menu_bar="Apri la barra dei menu",
    about="Chat per la rete locale, versione {version}.\n\nPython {python}, Tk {tk}, {system}.\n"
    "Software libero, con licenza MIT.",
    close="Chiudi",
    unreachable_unknown="Il server «{host}» non esiste o non si trova. Controlla il nome o usa l'indirizzo IP che il "
    "server mostra all'avvio.",
    unreachable_refused="{host} non accetta connessioni sulla porta {port}. Controlla che il server sia avviato e che "
    "la porta sia giusta.",
    unreachable_silent="{host} non risponde sulla porta {port}. Controlla l'indirizzo, che i due computer siano sulla "
    "stessa rete e che il firewall del server permetta la connessione.",
    unreachable_network="Connessione a {host}, porta {port}, non riuscita ({error}). Controlla l'indirizzo e la rete "
    "di questo computer.",
    unreachable_stranger="Il programma su {host}, porta {port}, non è un server di chat. Controlla la porta.",
    bad_port="La porta deve essere un numero da 1 a 65535; premi Invio per la {default}.",
    room_code="con codice",
    room_moved="«{room}» ora risponde da {host}, porta {port}, e non più da {old}. Forse il suo indirizzo è cambiato, "
    "forse è un altro server con lo stesso nome. Vuoi entrare?",
    room_open="«{room}» chiedeva un codice, e ora non lo chiede più: forse è un altro server con lo stesso nome. "
    "Vuoi entrare?",
    no_tkinter="Manca tkinter, la libreria delle finestre. Installala e riprova: su Debian e Ubuntu «sudo apt install "
    "python3-tk», su Fedora «sudo dnf install python3-tkinter», su macOS con Homebrew «brew install python-tk».",
    no_display="Non è possibile aprire una finestra ({error}). Avvia il programma da una sessione grafica.",
    press_enter="Premi Invio per chiudere.",
)


ENGLISH = ClientWords(
    **vars(room_words.ENGLISH),
    ask_host="Enter the server host: ",
    ask_port="Enter the port of the server host: ",
    last_server="With Enter alone, as last time: {host}, port {port}.",
    connecting="Connecting to {host}, port {port}...",
    connect="Connect",
    cancel="Cancel",
    cancelled="Connecting was cancelled.",
    placeholder="Type your messages here.",
    send="Send",
    people="In the chat: {count}",
    disconnected="The server has disconnected.",
    closing_soon="The window will close in 5 seconds.",
    end_closing="The window closes in {seconds} s.",
    end_waiting="The window waits until you have finished.",
    end_staying="You are no longer connected. You can still read, copy and save.",
    end_save="Save...",
    end_stay="Stay",
    end_connect="Connect...",
    connection_error="ERROR: The connection with the server failed.",
    restart="Close the window and start the application again to reconnect.",
    draft_too_long="Message not sent: it has {size} bytes, {over} over the limit of {limit}. The text stays in the "
    "message input.",
    draft_too_many_lines="Message not sent: it has {count} lines, and the limit is {limit}. The text stays in the "
    "message input.",
    draft_aside="Too long for a message: {size} bytes of {limit}, lines {count} of {lines}. Undo ({undo}) to go back.",
    draft_not_drawn="Too many symbols to show here ({size} bytes). Enter sends them all, Undo ({undo}) goes back.",
    not_sent="not sent",
    send_again="Send again",
    discard="Discard",
    day="%Y-%m-%d",
    long_day="{weekday} {day} {month} {year}",
    weekdays="Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    months="January February March April May June July August September October November December",
    left_off="you had read up to here",
    you="{name} (you)",
    joined_few="{names} and {last} have joined",
    joined_many="{names} and {count} others have joined",
    left_few="{names} and {last} have left",
    left_many="{names} and {count} others have left",
    show_all="show all",
    sending="sending",
    new_messages="{count} new messages ↓",
    new_message="1 new message ↓",
    link_works="Connected",
    link_state_broken="Interrupted",
    link_ended="Not connected",
    you_are="You are ",
    address="{host} · port {port}",
    placeholder_name="Your name",
    people_address="Write to {name}",
    people_copy="Copy the name",
    status_connected="Connected to {host}, port {port}",
    status_people="people in the chat: {count}",
    status_muted="muted by the operator",
    status_quiet="only the operator writes",
    status_not_connected="Not connected to {host}, port {port}",
    status_retrying="The connection to {host}, port {port}, is broken: trying again...",
    status_waiting="The connection to {host}, port {port}, is broken: next try in {wait} s",
    status_kept="What you write is sent as soon as it is back.",
    retry="Try now",
    room_elsewhere="“{name}” is now at {host}, port {port}: go there? If you do not know why, first ask the person who "
    "runs the server.",
    go_there="Go there",
    stay_here="No",
    link_broken="The connection is broken. What you write will be sent as soon as it is back.",
    link_restored="The connection is back.",
    gap="Messages and notices missing here, from while you were not connected: {count}.",
    said_before="said before you came",
    settings_broken="The settings could not be read and were reset; the old file is now {file}.",
    saved="Conversation saved in {file}.",
    cannot_save="The conversation cannot be saved in {file} ({error}). Choose another folder or another name.",
    text_files="Text files",
    find="Find:",
    find_count="{number} of {count}",
    find_nothing="nothing found",
    find_total="found: {count}",
    menu_chat="Chat",
    menu_edit="Edit",
    menu_view="View",
    menu_language="Language",
    menu_help="Help",
    menu_save="Save the conversation...",
    menu_send_again="Send again what was not sent",
    menu_quit="Quit",
    menu_undo="Undo",
    menu_redo="Redo",
    menu_cut="Cut",
    menu_copy="Copy",
    menu_paste="Paste",
    menu_select_all="Select all",
    menu_find="Find...",
    link_not_opened="No browser has opened {link}. Copy it, and paste it into the address bar of a browser.",
    menu_open_link="Open the link",
    menu_last_link="Open the last link",
    menu_latest="Go to the latest message",
    menu_focus="Switch between message, conversation and list",
    menu_light="Light",
    menu_dark="Dark",
    menu_system="As the system",
    menu_larger="Larger text",
    menu_smaller="Smaller text",
    menu_normal_size="Normal text",
    menu_people="List of people",
    menu_sound="Sound when my name is said",
    menu_italian="Italiano",
    menu_english="English",
    menu_keys="Keys",
    menu_about="About the chat",
    key_find_back="Find the previous match",
    key_find_on="Find the next match",
    key_page_up="Scroll back in the conversation",
    key_page_down="Scroll forward in the conversation",
    key_send="Send the message",
    key_new_line="Begin a new line",
    key_complete="Complete a name; again for the next name",
    key_older="Take an earlier message of yours",
    key_newer="Go back towards what you were writing",
    key_context_menu="Open the context menu",
    key_menu_bar="Open the menu bar",
    about="Chat for the local network, version {version}.\n\nPython {python}, Tk {tk}, {system}.\n"
    "Free software, with the MIT licence.",
    close="Close",
    unreachable_unknown="There is no server “{host}”, or it cannot be found. Check the name, or use the IP address "
    "that the server shows when it starts.",
    unreachable_refused="{host} does not accept connections on port {port}. Check that the server is running and that "
    "the port is right.",
    unreachable_silent="{host} does not answer on port {port}. Check the address, that both computers are on the same "
    "network, and that the server's firewall allows the connection.",
    unreachable_network="Connecting to {host}, port {port}, failed ({error}). Check the address and this computer's "
    "network.",
    unreachable_stranger="The program at {host}, port {port}, is not a chat server. Check the port.",
    bad_port="The port must be a number from 1 to 65535; press Enter for {default}.",
    room_code="with a code",
    room_moved="“{room}” now answers from {host}, port {port}, and no longer from {old}. Perhaps its address has "
    "changed, perhaps it is another server of the same name. Do you want to enter?",
    room_open="“{room}” asked for a code, and no longer does: perhaps it is another server of the same name. "
    "Do you want to enter?",
    no_tkinter="tkinter, the window library, is missing. Install it and try again: on Debian and Ubuntu “sudo apt "
    "install python3-tk”, on Fedora “sudo dnf install python3-tkinter”, on macOS with Homebrew “brew install "
    "python-tk”.",
    no_display="No window can be opened ({error}). Start the program from a graphical session.",
    press_enter="Press Enter to close.",
)

LANGUAGES = {"it": ITALIAN, "en": ENGLISH}
