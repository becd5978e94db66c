"""What the server says besides the sentences of the wire: on its terminal, and as the operator."""

from __future__ import annotations

from dataclasses import dataclass

import protocol


@dataclass(frozen=True)
class ServerWords(protocol.Words):
    """All that the server says to people, in one language; `{}` fields are filled by whoever shows it."""

    recording_failed: str
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
    press_enter: str


ITALIAN = ServerWords(
    **vars(protocol.ITALIAN),
    recording_failed="La registrazione della chat si è interrotta: da ora nulla viene conservato.",
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
    press_enter="Premi Invio per chiudere.",
)


ENGLISH = ServerWords(
    **vars(protocol.ENGLISH),
    recording_failed="The recording of this chat has stopped: from now on nothing is kept.",
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
    press_enter="Press Enter to close.",
)

LANGUAGES = {"it": ITALIAN, "en": ENGLISH}

# The server's terminal speaks English in the original, whatever the language of the chat.
WAITING = "Waiting for connections..."
HAS_CONNECTED = "%s:%s has connected to the server."
HAS_LEFT = "%s:%s has left the server."
CLOSING = "CTRL+C pressed. Closing the server..."
CLOSING_OTHERWISE = "Closing the server..."
CLOSED = "Server successfully closed."
