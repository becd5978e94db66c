"""The server's sentences besides those on the wire: for its command line, its terminal and its log. No thread."""

from __future__ import annotations

from dataclasses import dataclass

from lan_chat.server import operator_words
from lan_chat.server.operator_words import OperatorWords
from protocol import Reason


@dataclass(frozen=True)
class ServerWords(OperatorWords):
    """All sentences of the server, in one language, with `{}` placeholders."""

    recording_failed: str
    record_lacks_its_end: str
    reach_title: str
    reach_here: str
    reach_nowhere: str
    reach_line: str
    reach_scope: str
    port_in_use: str
    port_forbidden: str
    host_not_here: str
    cannot_listen: str
    cannot_log: str
    history_unusable: str
    history_failed: str
    history_in_use: str
    history_linked: str
    history_replaced: str
    history_too_new: str
    history_not_ours: str
    history_damaged: str
    export_done: str
    cannot_export: str
    export_no_source: str
    export_source_is_no_file: str
    export_source_changes: str
    export_over_record: str
    export_to_folder: str
    export_to_device: str
    export_no_folder: str
    export_not_allowed: str
    press_enter: str

    # What an export is made of.
    table_separator: str
    heading_time: str
    heading_type: str
    heading_name: str
    heading_text: str
    heading_first_seen: str
    heading_last_seen: str
    heading_messages: str
    type_message: str
    type_announcement: str
    type_joined: str
    type_left: str

    # The log, as the operator reads it; `{why}` is one of the reasons below.
    lines_not_shown: str
    lines_not_logged: str
    log_joined: str
    log_resumed: str
    log_lost_link: str
    log_left: str
    log_name_refused: str
    log_message_refused: str
    log_token_refused: str
    log_slowed_down: str
    log_reads_too_slowly: str
    log_banned: str
    log_host_limit: str
    log_no_place_left: str
    log_left_out: str
    log_stranger: str
    log_turned_away_banned: str
    log_turned_away_full: str
    log_turned_away_host: str
    log_turned_away_no_thread: str
    log_accept_paused: str
    log_failure: str
    other_protocol: str

    # The limits of an address.
    limit_connections: str
    limit_talking: str
    limit_asking: str
    limit_connecting: str
    limit_guessing: str
    limit_places: str

    # Why a connection or a membership ended.
    why_quit: str
    why_ended: str
    why_failed: str
    why_superseded: str
    why_no_name: str
    why_stranger: str
    why_no_place: str
    why_no_code: str
    why_wrong_code: str
    why_not_secure: str
    why_not_back: str
    why_too_slow: str
    why_kicked: str
    why_banned: str
    why_server_stops: str
    why_server_failed: str

    # Why a name or a message was refused.
    why_taken: str
    why_invalid: str
    why_too_long: str
    why_too_many_lines: str
    why_empty: str
    why_malformed: str
    why_not_joined: str
    why_already_joined: str
    why_muted: str

    # The command line.
    help_description: str
    help_host: str
    help_port: str
    help_room: str
    help_hidden: str
    help_code: str
    help_max_clients: str
    help_max_per_host: str
    help_rate: str
    help_grace: str
    help_backlog: str
    help_greeting_wait: str
    help_history: str
    help_export: str
    help_attendance: str
    help_log_file: str
    help_log_level: str
    bad_port_option: str
    bad_room: str
    bad_limits: str
    bad_waits: str
    bad_memory: str
    export_needs_history: str
    attendance_needs_export: str

    def why_refused(self, reason: Reason) -> str:
        """Return why a name or a message was refused, for the log."""
        reasons = {
            Reason.TAKEN: self.why_taken,
            Reason.INVALID: self.why_invalid,
            Reason.BANNED: self.why_banned,
            Reason.TOO_LONG: self.why_too_long,
            Reason.TOO_MANY_LINES: self.why_too_many_lines,
            Reason.EMPTY: self.why_empty,
            Reason.MALFORMED: self.why_malformed,
            Reason.NOT_JOINED: self.why_not_joined,
            Reason.ALREADY_JOINED: self.why_already_joined,
            Reason.MUTED: self.why_muted,
        }
        return reasons.get(reason, reason.value)


ITALIAN = ServerWords(
    **vars(operator_words.ITALIAN),
    record_lacks_its_end="Il server si era chiuso senza preavviso: nella registrazione può mancare ciò che è stato "
    "detto subito prima.",
    recording_failed="La registrazione della chat si è interrotta: da ora nulla viene conservato.",
    reach_title="Gli altri computer della rete si collegano a:",
    reach_here="Solo questo computer può collegarsi, a:",
    reach_nowhere="Il server ascolta su tutti gli indirizzi, ma ora questo computer non è collegato a nessuna rete. "
    "Collegalo, e riavvia il server per leggere l'indirizzo da dare agli altri. Da questo stesso computer:",
    reach_line="    {host}  porta {port}",
    reach_scope="(Dopo % ogni computer mette la propria interfaccia di rete: il nome, o su Windows il numero.)",
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
    history_linked="il file ha un secondo nome (un hard link), con cui un altro server lo rovinerebbe: copialo",
    history_replaced="{file} è stato sostituito mentre il server era in funzione",
    history_too_new="il file è di una versione più recente del programma",
    history_not_ours="non è la registrazione di una chat",
    history_damaged="il file è danneggiato: {what}",
    export_done="{count} righe scritte in {file}.",
    cannot_export="Non è possibile esportare {source} in {file} ({error}).",
    export_no_source="la registrazione non c'è: correggi --history",
    export_source_is_no_file="la registrazione non è un file: correggi --history",
    export_source_changes="la registrazione cambia mentre viene copiata, e nella sua cartella non si può scrivere: "
    "riprova, o esporta dal computer che registra",
    export_over_record="la destinazione è uno dei file della registrazione: scegli un altro nome",
    export_to_folder="la destinazione è una cartella: aggiungi il nome di un file",
    export_to_device="la destinazione è un dispositivo e non un file: scegli un altro nome",
    export_no_folder="la cartella {folder} non c'è: creala, o scegline un'altra",
    export_not_allowed="lì non è permesso scrivere, o il file è aperto in un altro programma: chiudilo, o scegli un "
    "altro nome",
    press_enter="Premi Invio per chiudere.",
    table_separator=";",
    heading_time="ora",
    heading_type="tipo",
    heading_name="nome",
    heading_text="testo",
    heading_first_seen="prima presenza",
    heading_last_seen="ultima presenza",
    heading_messages="messaggi",
    type_message="messaggio",
    type_announcement="annuncio",
    type_joined="entrata",
    type_left="uscita",
    lines_not_shown="({count} righe non mostrate: il terminale era fermo.)",
    lines_not_logged="(qui mancano {count} righe: non è stato possibile scriverle.)",
    log_joined="{address} entra come {name}.",
    log_resumed="{address} è {name}, di nuovo collegato.",
    log_lost_link="{address} ha perso il collegamento; {name} può tornare.",
    log_left="{who} esce: {why}.",
    log_name_refused="{address}: nome rifiutato, {why}.",
    log_message_refused="{address}: messaggio rifiutato, {why}.",
    log_token_refused="{address}: ritorno rifiutato, il suo token non è noto.",
    log_slowed_down="{address} scrive troppo in fretta e viene rallentato.",
    log_reads_too_slowly="{address} riceve troppo lentamente: {unsent} byte in attesa.",
    log_banned="{what} è escluso dall'operatore.",
    log_host_limit="{host} ha raggiunto un limite: {limit}. Se dietro ci sono molte persone: --max-per-host 0.",
    log_no_place_left="Tutti i {count} posti per chi perde il collegamento sono occupati: i prossimi escono subito. "
    "--grace con meno secondi li libera prima.",
    log_left_out="(e altre {count} righe su questo indirizzo)",
    log_stranger="{address} non parla con una chat ({kind}).",
    log_turned_away_banned="{address} respinto: il suo indirizzo è escluso.",
    log_turned_away_full="{address} respinto: la chat è al completo.",
    log_turned_away_host="{address} respinto: troppi collegamenti dal suo indirizzo.",
    log_turned_away_no_thread="{address} respinto: il sistema non concede altri thread.",
    log_accept_paused="Nessuna nuova connessione per {pause:g} s ({error}).",
    log_failure="Un errore interno del server, nel thread {thread}; la chat continua:",
    other_protocol="altro",
    limit_connections="{count} collegamenti",
    limit_talking="i messaggi di tutti i suoi collegamenti insieme",
    limit_asking="le richieste di entrare",
    limit_connecting="i nuovi collegamenti",
    limit_guessing="i codici sbagliati",
    limit_places="{count} posti tenuti per chi ha perso il collegamento",
    why_quit="ha chiesto di uscire",
    why_ended="ha chiuso la connessione",
    why_failed="la connessione si è interrotta ({error})",
    why_superseded="è tornato con un'altra connessione",
    why_no_name="non ha scelto un nome in tempo",
    why_stranger="non è un programma di chat",
    why_no_place="la chat era al completo",
    why_no_code="si è collegato senza codice, e qui ne serve uno",
    why_wrong_code="ha il codice sbagliato",
    why_not_secure="la connessione cifrata non è riuscita ({error})",
    why_not_back="non è tornato in tempo",
    why_too_slow="riceveva troppo lentamente",
    why_kicked="allontanato dall'operatore",
    why_banned="escluso dall'operatore",
    why_server_stops="il server si chiude",
    why_server_failed="errore interno del server",
    why_taken="già assegnato",
    why_invalid="non valido",
    why_too_long="troppo lungo",
    why_too_many_lines="troppe righe",
    why_empty="vuoto",
    why_malformed="incomprensibile",
    why_not_joined="non ha ancora un nome",
    why_already_joined="ha già un nome",
    why_muted="senza permesso di scrivere",
    help_description="Il server della chat: una stanza per la rete locale. Ctrl+C lo chiude.",
    help_host="ascolta solo su questo indirizzo; :: per tutti, anche IPv6 (predefinito: tutti quelli IPv4)",
    help_port="la porta (predefinita: {default}; 0: una qualsiasi)",
    help_room="il nome della stanza, per chi la cerca (predefinito: quello di questo computer)",
    help_hidden="non dice a nessuno dov'è la stanza: agli altri serve l'indirizzo",
    help_code="entra solo chi sa questo codice, e in rete nessuno legge; senza CODE ne crea uno, con - lo chiede",
    help_max_clients="collegamenti contemporanei (predefinito: {default})",
    help_max_per_host="collegamenti da uno stesso indirizzo; 0: nessun limite per indirizzo (predefinito: {default})",
    help_rate="unità al secondo (messaggi, KiB, decine di righe) per ciascuno; 0: nessuno (predefinito: {default})",
    help_grace="secondi entro cui può tornare chi ha perso il collegamento; 0: nessuno (predefinito: {default})",
    help_backlog="messaggi precedenti mostrati a chi arriva (predefinito: {default})",
    help_greeting_wait="secondi in cui chi si collega può parlare per primo (predefinito: {default})",
    help_history="registra la stanza in questo file, e riprende da lì",
    help_export="scrive la registrazione come testo, o come CSV se il nome finisce in .csv, ed esce",
    help_attendance="con --export: chi c'era, e quando",
    help_log_file="scrive il registro anche in questo file, con l'ora",
    help_log_level="quanto dice il registro (predefinito: {default})",
    bad_port_option="--port: da 0 a 65535",
    bad_room="--room: serve un nome con almeno un carattere visibile",
    bad_limits="--max-clients: 1 o più; --rate: 0, oppure 0.01 o più",
    bad_waits="--max-per-host: 0 o più; --greeting-wait: da 0 a 10",
    bad_memory="--grace: da 0 a 86400; --backlog: da 0 a {backlog}",
    export_needs_history="--export e --attendance richiedono --history FILE",
    attendance_needs_export="--attendance richiede --export FILE",
)


ENGLISH = ServerWords(
    **vars(operator_words.ENGLISH),
    record_lacks_its_end="The server had ended without a warning: what was said just before may be missing in the "
    "recording.",
    recording_failed="The recording of this chat has stopped: from now on nothing is kept.",
    reach_title="The other computers of the network connect to:",
    reach_here="Only this computer can connect, to:",
    reach_nowhere="The server listens on all addresses, but this computer is connected to no network now. Connect it, "
    "and start the server again to see the address to give to the others. From this computer itself:",
    reach_line="    {host}  port {port}",
    reach_scope="(After % each computer puts its own network interface: its name, or on Windows its number.)",
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
    history_linked="the file has a second name (a hard link), under which another server would damage it: copy it",
    history_replaced="{file} was replaced while the server was running",
    history_too_new="the file was made by a newer version of the program",
    history_not_ours="it is not the record of a chat",
    history_damaged="the file is damaged: {what}",
    export_done="{count} lines written to {file}.",
    cannot_export="{source} cannot be exported to {file} ({error}).",
    export_no_source="there is no such record: correct --history",
    export_source_is_no_file="the record is not a file: correct --history",
    export_source_changes="the record changes while it is copied, and its folder cannot be written to: try again, or "
    "export on the computer that records",
    export_over_record="the target is one of the record's own files: choose another name",
    export_to_folder="the target is a folder: add the name of a file",
    export_to_device="the target is a device and not a file: choose another name",
    export_no_folder="there is no folder {folder}: make it, or choose another",
    export_not_allowed="it is not allowed to write there, or another program has the file open: close it, or choose "
    "another name",
    press_enter="Press Enter to close.",
    table_separator=",",
    heading_time="time",
    heading_type="type",
    heading_name="name",
    heading_text="text",
    heading_first_seen="first seen",
    heading_last_seen="last seen",
    heading_messages="messages",
    type_message="message",
    type_announcement="announcement",
    type_joined="joined",
    type_left="left",
    lines_not_shown="({count} lines were not shown: the terminal was blocked.)",
    lines_not_logged="({count} lines are missing here: they could not be written.)",
    log_joined="{address} joins as {name}.",
    log_resumed="{address} is {name}, connected again.",
    log_lost_link="{address} has lost its link; {name} may come back.",
    log_left="{who} leaves: {why}.",
    log_name_refused="{address} was refused a name: {why}.",
    log_message_refused="{address} was refused a message: {why}.",
    log_token_refused="{address} could not come back: its token is unknown.",
    log_slowed_down="{address} talks too fast, and is slowed down.",
    log_reads_too_slowly="{address} reads too slowly: {unsent} bytes are waiting for it.",
    log_banned="{what} is banned by the operator.",
    log_host_limit="{host} has met a limit: {limit}. If many people are behind it, --max-per-host 0 lifts it.",
    log_no_place_left="All {count} places for members whose link broke are taken: the next ones leave at once. "
    "--grace with fewer seconds frees them sooner.",
    log_left_out="(and {count} more lines about this address)",
    log_stranger="{address} does not speak to a chat ({kind}).",
    log_turned_away_banned="{address} was turned away: its address is banned.",
    log_turned_away_full="{address} was turned away: the chat is full.",
    log_turned_away_host="{address} was turned away: too many connections from its address.",
    log_turned_away_no_thread="{address} was turned away: the system has no thread left.",
    log_accept_paused="No new connections for {pause:g} s ({error}).",
    log_failure="An internal error of the server, in the thread {thread}; the chat goes on:",
    other_protocol="other",
    limit_connections="{count} connections",
    limit_talking="the messages of all its connections together",
    limit_asking="requests to be let in",
    limit_connecting="new connections",
    limit_guessing="wrong codes",
    limit_places="{count} places held for members whose link broke",
    why_quit="it quit",
    why_ended="it closed the connection",
    why_failed="the connection failed ({error})",
    why_superseded="its member came back on another connection",
    why_no_name="it chose no name in time",
    why_stranger="it is no chat program",
    why_no_place="the chat was full",
    why_no_code="it connected without a code, and this room needs one",
    why_wrong_code="it has the wrong code",
    why_not_secure="the encrypted connection failed ({error})",
    why_not_back="it did not come back in time",
    why_too_slow="it read too slowly",
    why_kicked="kicked by the operator",
    why_banned="banned by the operator",
    why_server_stops="the server stops",
    why_server_failed="an internal error of the server",
    why_taken="already taken",
    why_invalid="not valid",
    why_too_long="too long",
    why_too_many_lines="too many lines",
    why_empty="empty",
    why_malformed="not understood",
    why_not_joined="it has no name yet",
    why_already_joined="it has a name already",
    why_muted="muted by the operator",
    help_description="The chat server: one room for a local network. Ctrl+C closes it.",
    help_host="listen on this address only; :: for all, IPv6 too (default: all of IPv4)",
    help_port="the port (default: {default}; 0: any)",
    help_room="the room's name, for those who look for it (default: this computer's)",
    help_hidden="tell nobody where the room is: the others need the address",
    help_code="only those who know this code come in, and nobody else can read; without CODE makes one, with - asks",
    help_max_clients="connections at the same time (default: {default})",
    help_max_per_host="connections from one address; 0: no limits for an address (default: {default})",
    help_rate="units a second (messages, KiB or tens of lines) for each; 0: no limit (default: {default})",
    help_grace="seconds that a member whose link broke may take to come back; 0: none (default: {default})",
    help_backlog="messages said before that a newcomer is shown (default: {default})",
    help_greeting_wait="seconds that a client has to speak first before it is greeted (default: {default})",
    help_history="record the room in this file, and go on from it",
    help_export="write the history as text, or as CSV to a name in .csv, and exit",
    help_attendance="with --export: who was there, and when",
    help_log_file="write the log to this file too, with the time",
    help_log_level="how much the log says (default: {default})",
    bad_port_option="--port: 0 to 65535",
    bad_room="--room: a name needs at least one visible character",
    bad_limits="--max-clients: 1 or more; --rate: 0, or 0.01 or more",
    bad_waits="--max-per-host: 0 or more; --greeting-wait: 0 to 10",
    bad_memory="--grace: 0 to 86400; --backlog: 0 to {backlog}",
    export_needs_history="--export and --attendance need --history FILE",
    attendance_needs_export="--attendance needs --export FILE",
)

LANGUAGES = {"it": ITALIAN, "en": ENGLISH}

# The original's own sentences on its terminal: English, whatever the language of the chat.
WAITING = "Waiting for connections..."
HAS_CONNECTED = "%s:%s has connected to the server."
HAS_LEFT = "%s:%s has left the server."
CLOSING = "CTRL+C pressed. Closing the server..."
CLOSING_OTHERWISE = "Closing the server..."
CLOSED = "Server successfully closed."
