"""What an answer to the client's questions means."""

from __future__ import annotations

import protocol

DEFAULT_HOST = "127.0.0.1"
"""What no answer to the first question means: this computer."""


def parse_port(text: str) -> int | None:
    """Read a port that a client can connect to, 1 to 65535, or None where the text is no such number."""
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        return None
    port = int(text)
    return port if 1 <= port <= 65535 else None


def parse_port_answer(answer: str) -> int | None:
    """Read the answer to the second question: nothing means the default; None where it is no port."""
    return parse_port(answer) if answer.strip() else protocol.DEFAULT_PORT
