"""The command line of both programs, whose help and errors are in the language of the chat."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

import protocol
from lan_chat import __version__

ARGPARSE_ITALIAN = {
    "usage: ": "uso: ",
    "positional arguments:": "argomenti:",
    "options:": "opzioni:",
    "show this help message and exit": "mostra questo aiuto ed esce",
    "show program's version number and exit": "mostra la versione ed esce",
    "error: ": "errore: ",
    "unrecognized arguments: ": "argomenti sconosciuti: ",
    "expected one argument": "manca il valore",
    "the following arguments are required: ": "mancano: ",
    "ambiguous option: ": "opzione ambigua: ",
    "could match": "può essere",
    "invalid int value: ": "non è un numero intero: ",
    "invalid float value: ": "non è un numero: ",
    "invalid choice: ": "valore non previsto: ",
    "(choose from ": "(scegliere tra ",
    "ignored explicit argument ": "non prende un valore: ",
    "argument ": "argomento ",
}
"""What argparse says by itself, where it has no other way to be told."""
LANGUAGE_HELP = {
    "it": "la lingua (predefinita: {default})",
    "en": "the language (default: {default})",
}


class CommandLine(argparse.ArgumentParser):
    """An ArgumentParser that speaks the language of the chat, and has `--lang` and `--version`."""

    def __init__(self, description: str, language: str, default_language: str) -> None:
        self._language = language
        super().__init__(description=description)
        language_help = LANGUAGE_HELP[language].format(default=default_language)
        self.add_argument("--lang", choices=sorted(protocol.LANGUAGES), help=language_help)
        self.add_argument("--version", action="version", version=f"lan-chat {__version__}")

    def format_usage(self) -> str:
        return self._translate(super().format_usage())

    def format_help(self) -> str:
        return self._translate(super().format_help())

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(2, self._translate(f"{self.prog}: error: {message}\n"))

    def _translate(self, text: str) -> str:
        for english, italian in ARGPARSE_ITALIAN.items() if self._language == "it" else ():
            text = text.replace(english, italian)
        return text


def language_of(argv: Sequence[str] | None, default: str) -> str:
    """Return the language that a command line asks for, before it is read: its own errors are in that, too."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    for place, argument in enumerate(arguments):
        name, _, value = argument.partition("=")
        if name == "--lang":
            wanted = value or (arguments[place + 1] if place + 1 < len(arguments) else "")
            if wanted in protocol.LANGUAGES:
                return wanted
    return default
