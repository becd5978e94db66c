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


ITALIAN = WebWords(
    **vars(protocol.ITALIAN),
    dialect_web="web",
    web_away="web, assente",
    web_wrong_host="Questo server non risponde a questo nome: usa l'indirizzo che mostra quando si avvia.",
    web_foreign="Questa richiesta non viene dalla pagina della chat.",
    web_not_found="Qui non c'è niente: la chat è all'indirizzo senza niente dietro alla porta.",
    web_no_stream="La pagina non è collegata alla stanza: si ricollega da sola, o va ricaricata.",
    web_too_long="Il messaggio è troppo lungo.",
    web_too_slow="La richiesta non è arrivata intera in tempo.",
    web_bad_request="Il server non capisce questa richiesta.",
)
ENGLISH = WebWords(
    **vars(protocol.ENGLISH),
    dialect_web="web",
    web_away="web, away",
    web_wrong_host="This server does not answer to this name: use the address that it shows when it starts.",
    web_foreign="This request does not come from the chat's page.",
    web_not_found="There is nothing here: the chat is at the address with nothing behind the port.",
    web_no_stream="The page is not connected to the room: it reconnects by itself, or has to be loaded again.",
    web_too_long="The message is too long.",
    web_too_slow="The request did not arrive whole in time.",
    web_bad_request="The server does not understand this request.",
)
