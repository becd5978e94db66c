"""The server's sentences for browsers, and for its operator about them. No thread."""

from __future__ import annotations

from dataclasses import dataclass

import protocol


@dataclass(frozen=True)
class WebWords(protocol.Words):
    """What a browser reads where there is no page, in one language."""

    dialect_web: str
    web_away: str
    web_wrong_host: str
    web_foreign: str
    web_not_found: str
    web_no_stream: str
    web_too_long: str
    web_too_slow: str
    web_bad_request: str

    # For the operator.
    web_title: str
    web_no_link: str
    web_in_clear: str
    web_is_off: str
    web_client: str
    qr_below: str
    qr_only_here: str
    qr_not_shown: str
    qr_too_small: str
    help_web: str
    help_web_name: str
    help_grace_web: str
    bad_web_name: str
    bad_grace_web: str


ITALIAN = WebWords(
    **vars(protocol.ITALIAN),
    dialect_web="web",
    web_away="web, assente",
    web_wrong_host="Questo server non risponde a questo nome: usa l'indirizzo che mostra quando si avvia.",
    web_foreign="Questa richiesta non viene dalla pagina della chat: apri quella, all'indirizzo che il server "
    "mostra quando si avvia.",
    web_not_found="Qui non c'è niente: la pagina della chat è all'indirizzo che il server mostra quando si avvia.",
    web_no_stream="La pagina non è collegata alla stanza: si ricollega da sola, o va ricaricata.",
    web_too_long="Il messaggio è troppo lungo: dividilo.",
    web_too_slow="La richiesta non è arrivata intera in tempo: riprova.",
    web_bad_request="Il server non capisce questa richiesta.",
    web_title="Con un browser, anche di un telefono collegato alla stessa rete, si entra da:",
    web_no_link="Nessun browser può entrare: questo computer ha solo indirizzi che un browser non sa aprire (fe80::). "
    "Collegalo a una rete con indirizzi IPv4, e riavvia il server.",
    web_in_clear="Attenzione: da un browser si entra senza il codice, e tutto ciò che vi si scrive e legge viaggia in "
    "chiaro, anche i messaggi degli altri. Senza --web on i browser restano fuori.",
    web_is_off="In questa stanza non si entra da un browser. Per permetterlo, riavvia il server con --web on.",
    web_client="Il client per Windows si scarica da {link}\n    SHA-256: {digest}",
    qr_below="Inquadra il codice con il telefono, collegato alla stessa rete, o scrivi nel browser: {link}",
    qr_only_here="Un telefono non può entrare: ora solo questo computer raggiunge la stanza, nel browser a {link}",
    qr_not_shown="Questo terminale non può mostrare un codice QR. Nel browser del telefono si scrive: {link}",
    qr_too_small="Il terminale è troppo piccolo per il codice QR, che vuole {columns} colonne e {rows} righe: "
    "ingrandiscilo e scrivi di nuovo qr, o scrivi nel browser del telefono: {link}",
    help_web="on: si entra anche da un browser, all'indirizzo http://INDIRIZZO:PORTA/; off: no (predefinito: on, e con "
    "--code off)",
    help_web_name="un altro nome di questo computer, sotto cui i browser possono chiedere la stanza",
    help_grace_web="come --grace, per chi è in un browser: i telefoni dormono (predefinito: {default})",
    bad_web_name="--web-name: un nome come chat.scuola.it, di lettere ASCII, cifre, punti e trattini, senza http:// e "
    "senza porta",
    bad_grace_web="--grace-web: da 0 a 86400",
)
ENGLISH = WebWords(
    **vars(protocol.ENGLISH),
    dialect_web="web",
    web_away="web, away",
    web_wrong_host="This server does not answer to this name: use the address that it shows when it starts.",
    web_foreign="This request does not come from the chat's page: open that one, at the address that the server "
    "shows when it starts.",
    web_not_found="There is nothing here: the chat's page is at the address that the server shows when it starts.",
    web_no_stream="The page is not connected to the room: it reconnects by itself, or has to be loaded again.",
    web_too_long="The message is too long: divide it.",
    web_too_slow="The request did not arrive whole in time: try again.",
    web_bad_request="The server does not understand this request.",
    web_title="With a browser, also on a phone in the same network, connect to:",
    web_no_link="No browser can come in: this computer has only addresses that no browser can open (fe80::). Connect "
    "it to a network with IPv4 addresses, and start the server again.",
    web_in_clear="Beware: a browser comes in without the code, and all that is said and read there travels in clear, "
    "also the messages of the others. Without --web on, browsers stay out.",
    web_is_off="Browsers cannot come into this room. To let them in, start the server again with --web on.",
    web_client="The client for Windows can be downloaded from {link}\n    SHA-256: {digest}",
    qr_below="Point the camera of a phone in the same network at the code, or type in its browser: {link}",
    qr_only_here="No phone can come in: only this computer reaches the room now, in its browser at {link}",
    qr_not_shown="This terminal cannot show a QR code. In the phone's browser, type: {link}",
    qr_too_small="The terminal is too small for the QR code, which needs {columns} columns and {rows} rows: make it "
    "larger and type qr again, or type in the phone's browser: {link}",
    help_web="on: browsers can come in, too, at http://ADDRESS:PORT/; off: they cannot (default: on, and off with "
    "--code)",
    help_web_name="one more name of this computer, by which browsers may ask for the room",
    help_grace_web="as --grace, for members in a browser: phones sleep (default: {default})",
    bad_web_name="--web-name: a name like chat.school.org, of ASCII letters, digits, dots and hyphens, without http:// "
    "and without a port",
    bad_grace_web="--grace-web: 0 to 86400",
)
