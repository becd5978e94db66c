"""The server's sentences for its operator: the banner, and the answers to commands. No thread."""

from __future__ import annotations

from dataclasses import dataclass

from lan_chat.server import web_words
from lan_chat.server.web_words import WebWords


@dataclass(frozen=True)
class OperatorWords(WebWords):
    """What the operator is told besides the log, in one language, with `{}` placeholders."""

    room_found: str
    room_hidden: str
    room_unfound: str
    room_code: str
    bad_code: str
    code_needs_python: str
    code_prompt: str
    code_not_given: str
    banner: str
    banner_end: str
    banner_console: str
    console_title: str
    operator_absent: str
    operator_help: str
    operator_unknown: str
    operator_usage: str
    operator_failed: str
    operator_nobody: str
    operator_nobody_yet: str
    operator_no_name: str
    operator_no_address: str
    operator_member: str
    operator_count: str
    operator_said: str
    operator_said_to_nobody: str
    operator_kicked: str
    operator_banned: str
    operator_already_banned: str
    operator_unbanned: str
    operator_not_banned: str
    operator_still_banned: str
    operator_bans: str
    operator_no_bans: str
    operator_muted: str
    operator_already_muted: str
    operator_unmuted: str
    operator_not_muted: str
    operator_quiet: str
    operator_already_quiet: str
    operator_not_quiet: str
    operator_not_quiet_but: str
    operator_was_not_quiet: str
    operator_still_quiet: str
    operator_mutes: str
    operator_no_mutes: str
    operator_everybody: str
    operator_is_muted: str
    dialect_events: str
    dialect_lines: str
    dialect_bare: str
    dialect_telnet: str

    # The arguments of the commands, as `operator_usage` shows them.
    usage_say: str
    usage_kick: str
    usage_ban: str
    usage_unban: str
    usage_mute: str


ITALIAN = OperatorWords(
    **vars(web_words.ITALIAN),
    room_found="La stanza si chiama {room}: chi apre il client la trova da solo.",
    room_hidden="La stanza si chiama {room}, e nessuno la trova da solo: agli altri serve l'indirizzo.",
    room_unfound="La stanza si chiama {room}, ma chi apre il client può non trovarla, e allora gli serve l'indirizzo: "
    "la porta UDP {port} non si può aprire ({error}). Chiudi il programma che la usa, e riavvia il server.",
    room_code="Codice della stanza, da dire a voce a chi deve entrare: {code}",
    bad_code="--code: un codice ha quattro gruppi di quattro lettere, come {example}; --code da solo ne crea uno",
    code_needs_python="--code richiede Python 3.13 o successivo, e questo è {version}: installalo da python.org, usa "
    "il programma chat_server già pronto, o avvia senza --code",
    code_prompt="Codice della stanza: ",
    code_not_given="Nessun codice: scrivilo quando viene chiesto, o avvia con --code da solo, che ne crea uno.",
    banner="Lascia aperta questa finestra: quando si chiude, la chat finisce per tutti.",
    banner_end="Per chiuderla: Ctrl+C.",
    banner_console="Per chiuderla: Ctrl+C, o scrivi stop. Per vedere tutti i comandi: scrivi help.",
    console_title="Chat  {address}",
    operator_absent="senza collegamento",
    operator_help="Comandi: {commands}",
    operator_unknown="Comando sconosciuto: {word}. Con help si vedono tutti.",
    operator_usage="Uso: {usage}",
    operator_failed="Il comando non è riuscito, per un errore interno ({error}).",
    operator_nobody="Nella chat non c'è nessuno con il nome {name}.",
    operator_nobody_yet="Nella chat non c'è e non c'è stato nessuno con il nome {name}. Per escludere comunque "
    'questo nome: ban "{name}"',
    operator_no_name="{name} non è un nome che qualcuno possa avere.",
    operator_no_address="{what} non è un indirizzo IP, e nella chat nessuno si chiama così. Un indirizzo è come "
    "192.168.1.23, una rete come 192.168.1.0/24.",
    operator_member="{name}  {address}  {dialect}  dalle {since}  messaggi: {said} ({rate} al minuto)  "
    "byte in attesa: {unsent}{muted}",
    operator_count="Nella chat: {count}. Connessioni: {connections}.",
    operator_said="Annunciato a {count}.",
    operator_said_to_nobody="Annunciato, ma nella chat non c'è nessuno.",
    operator_kicked="{name} è stato allontanato.",
    operator_banned="{what} non può più entrare.",
    operator_already_banned="{what} era già escluso.",
    operator_unbanned="{what} può entrare di nuovo.",
    operator_not_banned="{what} non era escluso.",
    operator_still_banned="{what} resta escluso: per riammetterlo, unban {other}",
    operator_bans="Esclusi: {count}. Con unban entrano di nuovo.",
    operator_no_bans="Nessuno è escluso.",
    operator_muted="{name} non può più scrivere.",
    operator_already_muted="{name} era già silenziato.",
    operator_unmuted="{name} può scrivere di nuovo.",
    operator_not_muted="{name} non era silenziato.",
    operator_quiet="Ora scrive solo l'operatore, con say.",
    operator_already_quiet="La chat era già silenziata: scrive solo l'operatore.",
    operator_not_quiet="Ora possono scrivere tutti.",
    operator_not_quiet_but="Ora possono scrivere tutti, tranne: {names}.",
    operator_was_not_quiet="La chat non era silenziata. Con mutes si vede chi non può scrivere.",
    operator_still_quiet="Per ora scrive solo l'operatore, e nemmeno {name}: con unmute * scrivono di nuovo tutti.",
    operator_mutes="Non possono scrivere: {count}. Con unmute scrivono di nuovo.",
    operator_no_mutes="Tutti possono scrivere.",
    operator_everybody="*  (tutti, tranne l'operatore)",
    operator_is_muted="non può scrivere",
    dialect_events="eventi",
    dialect_lines="righe",
    dialect_bare="originale",
    dialect_telnet="telnet",
    usage_say="TESTO",
    usage_kick="NOME [MOTIVO]",
    usage_ban="NOME|INDIRIZZO [MOTIVO]",
    usage_unban="NOME|INDIRIZZO",
    usage_mute="NOME|*",
)


ENGLISH = OperatorWords(
    **vars(web_words.ENGLISH),
    room_found="The room is called {room}: who opens the client finds it by itself.",
    room_hidden="The room is called {room}, and nobody finds it by themselves: the others need the address.",
    room_unfound="The room is called {room}, but who opens the client may not find it, and needs the address then: UDP "
    "port {port} cannot be opened ({error}). Close the program that uses it, and start the server again.",
    room_code="The code of the room, to be told to those who may come in: {code}",
    bad_code="--code: a code has four groups of four letters, like {example}; --code alone makes one",
    code_needs_python="--code needs Python 3.13 or later, and this is {version}: install it from python.org, use the "
    "ready-made program chat_server, or start without --code",
    code_prompt="Code of the room: ",
    code_not_given="No code: type it when you are asked, or start with --code alone, which makes one.",
    banner="Leave this window open: when it closes, the chat ends for everybody.",
    banner_end="To close it: Ctrl+C.",
    banner_console="To close it: Ctrl+C, or type stop. To see all commands: type help.",
    console_title="Chat  {address}",
    operator_absent="link broken",
    operator_help="Commands: {commands}",
    operator_unknown="Unknown command: {word}. With help you see them all.",
    operator_usage="Usage: {usage}",
    operator_failed="The command failed, by an internal error ({error}).",
    operator_nobody="There is nobody named {name} in the chat.",
    operator_nobody_yet="There is, and was, nobody named {name} in the chat. To ban this name nevertheless: "
    'ban "{name}"',
    operator_no_name="{name} is not a name that anybody can have.",
    operator_no_address="{what} is not an IP address, and nobody in the chat has that name. An address is like "
    "192.168.1.23, a network like 192.168.1.0/24.",
    operator_member="{name}  {address}  {dialect}  since {since}  messages: {said} ({rate} a minute)  "
    "bytes waiting: {unsent}{muted}",
    operator_count="In the chat: {count}. Connections: {connections}.",
    operator_said="Announced to {count}.",
    operator_said_to_nobody="Announced, but there is nobody in the chat.",
    operator_kicked="{name} was removed.",
    operator_banned="{what} cannot come in any more.",
    operator_already_banned="{what} was banned already.",
    operator_unbanned="{what} can come in again.",
    operator_not_banned="{what} was not banned.",
    operator_still_banned="{what} stays banned: to let it in, unban {other}",
    operator_bans="Banned: {count}. With unban they can come in again.",
    operator_no_bans="Nobody is banned.",
    operator_muted="{name} cannot write any more.",
    operator_already_muted="{name} was muted already.",
    operator_unmuted="{name} can write again.",
    operator_not_muted="{name} was not muted.",
    operator_quiet="Now only the operator writes, with say.",
    operator_already_quiet="The chat was muted already: only the operator writes.",
    operator_not_quiet="Now everybody can write.",
    operator_not_quiet_but="Now everybody can write, but: {names}.",
    operator_was_not_quiet="The chat was not muted. With mutes you see who is.",
    operator_still_quiet="For now only the operator writes, so {name} cannot: with unmute * everybody can write again.",
    operator_mutes="Muted: {count}. With unmute they can write again.",
    operator_no_mutes="Everybody can write.",
    operator_everybody="*  (everybody but the operator)",
    operator_is_muted="muted",
    dialect_events="events",
    dialect_lines="lines",
    dialect_bare="bare",
    dialect_telnet="telnet",
    usage_say="TEXT",
    usage_kick="NAME [REASON]",
    usage_ban="NAME|ADDRESS [REASON]",
    usage_unban="NAME|ADDRESS",
    usage_mute="NAME|*",
)
