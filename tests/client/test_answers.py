"""Answers to the client's questions: what is a port."""

from __future__ import annotations

import pytest

from lan_chat.client.answers import parse_port


@pytest.mark.parametrize(
    ("text", "port"),
    [
        *(
            ("53000", 53000),
            (" 1\n", 1),
            ("65535", 65535),
            ("00080", 80),
            ("0", None),
            ("65536", None),
            ("99999", None),
        ),
        *(
            (text, None)
            for text in ("", " ", "-1", "+80", "80.0", "53_000", "0x50", "５３０００", "²", "http", "8" * 5000)
        ),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_port_is_a_number_from_1_to_65535(text: str, port: int | None) -> None:
    assert parse_port(text) == port
