"""Parsing of the user's answers to the client's two questions, host and port.

Pure: no I/O, no state; for the console and for the connect dialog alike.
"""

from __future__ import annotations

import protocol

DEFAULT_HOST = "127.0.0.1"
"""The host where the user enters none: this computer."""


def parse_port(text: str) -> int | None:
    """Return the port that a text names, 1 to 65535; None where it names none."""
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        return None
    port = int(text)
    return port if 1 <= port <= 65535 else None


def parse_port_answer(answer: str) -> int | None:
    """Return the port that the user entered, the default port for an empty answer; None where it is no port."""
    return parse_port(answer) if answer.strip() else protocol.DEFAULT_PORT
