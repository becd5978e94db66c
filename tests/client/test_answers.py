"""Answers to the client's questions: what is a port, and what of all that a server shows is an address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lan_chat.client import words as client_words
from lan_chat.client.answers import Address, parse_address, parse_port, parse_port_answer
from lan_chat.server import words as server_words
from lan_chat.sockets import address_label
from tests.support.wire import anything_goes


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


HOSTS = ["192.168.1.20", "pc-7", "pc-7.local", "::1", "fe80::1%eth0", "fe80::a:b%12", "2001:db8::7", "porta", "caffè"]
INVISIBLE = ["", " ", "\t  ", "\u200b", "\ufeff", "\u202a", "\u00a0", "\u2066", "\u3000", "\r\n"]


@pytest.mark.parametrize("around", INVISIBLE, ids=ascii)
@pytest.mark.parametrize("host", HOSTS)
def test_whatever_a_program_shows_of_an_address_can_be_pasted(host: str, around: str) -> None:
    in_link = f"[{host}]" if ":" in host else host
    shown = [
        *(words.reach_line.format(host=host, port=53000) for words in server_words.LANGUAGES.values()),
        *(words.connecting.format(host=host, port=53000) for words in client_words.LANGUAGES.values()),
        *(words.status_connected.format(host=host, port=53000) for words in client_words.LANGUAGES.values()),
        *(words.last_server.format(host=host, port=53000) for words in client_words.LANGUAGES.values()),
        address_label((host, 53000)),
        f"http://{in_link}:53000",
        f"http://{in_link}:53000/",
        f"HTTP://{in_link}:53000/?a=1#b",
        f"Il browser: http://{in_link}:53000/",
        f"{in_link} PORTA: 53000",
        f"{host} 53000",
        f"{host}, 53000",
        f"{host}\u00a0porta\u00a053000.",
    ]
    for text in shown:
        assert parse_address(f"{around}{text}{around}") == Address(host, 53000), text
    assert parse_address(f"{around}{host}{around}") == parse_address(f"[{host}]") == Address(host)


@pytest.mark.parametrize(
    ("answer", "address"),
    [
        ("", Address("")),
        (" \ufeff\u200b\t", Address("")),
        ("127,0,0,1", Address("127.0.0.1")),
        ("127,0,0,1:53000", Address("127.0.0.1", 53000)),
        ("127,0,0,1,53000", Address("127.0.0.1", 53000)),
        ("192,168.1,20 porta 7", Address("192.168.1.20", 7)),
        ("127.0.0.1\u200b:\u200b53000", Address("127.0.0.1", 53000)),
        ("192.168.1.20,", Address("192.168.1.20")),
        ("192.168.1.20/24", Address("192.168.1.20")),
        ("http://pc-7/", Address("pc-7")),
        ("due parole", Address("due parole")),
        ("`192.168.1.20:53000`", Address("192.168.1.20", 53000)),
        ("“192.168.1.20 porta 7”", Address("192.168.1.20", 7)),
        ("<192.168.1.20>", Address("192.168.1.20")),
        ("192.168.1.20：７", Address("192.168.1.20", 7)),
        ("192.168.1.20 (porta 7)", Address("192.168.1.20", 7)),
        ("192.168.1.20 — porta 7", Address("192.168.1.20", 7)),
        ("192.168.1.20:7 (Wi-Fi)", Address("192.168.1.20", 7)),
        ("192.168.1.20;7", Address("192.168.1.20", 7)),
        ("192.168.1.20 10.0.0.1", Address("192.168.1.20")),
        ("IP: 192.168.1.20", Address("192.168.1.20")),
        ("nc 192.168.1.20 7", Address("192.168.1.20", 7)),
        ("python chat_client.py 192,168,1,20 7", Address("192.168.1.20", 7)),
        ("nc 192.168.1.20 99999", None),
        ("192.168.1.20.nip.io", Address("192.168.1.20.nip.io")),
        ("pc-192.168.1.20", Address("pc-192.168.1.20")),
        ("1.2.3.4.5", Address("1.2.3.4.5")),
        ("http://ada:x@192.168.1.20:7/", Address("192.168.1.20", 7)),
        ("http://[fe80::1%25eth0]:7/", Address("fe80::1%eth0", 7)),
        ("http://[fe80::1%25]:7/", Address("fe80::1%25", 7)),
        ("Gli altri:\n    10.0.0.7  porta 53000\n    fe80::1%2  porta 53000\n", Address("10.0.0.7", 53000)),
        ("airport 80", Address("airport", 80)),
        ("a:b", Address("a:b")),
        ("pc-7:0", None),
        ("pc-7:65536", None),
        ("pc-7 porta 99999999999999999999", None),
        ("\udcff", Address("\ufffd")),
    ],
    ids=ascii,
)
def test_an_answer_names_a_host_and_perhaps_a_port(answer: str, address: Address | None) -> None:
    assert parse_address(answer) == address


@pytest.mark.parametrize(
    "answer", ["53000", "porta 53000", "Port: 53000", ":53000", "\u200b53000\u00a0", "\ufeff53000"]
)
def test_a_port_can_be_pasted_as_it_is_shown(answer: str) -> None:
    assert parse_port_answer(answer) == 53000


def test_an_answer_of_nothing_visible_is_the_usual_port() -> None:
    assert parse_port_answer("\u200b \u00a0") == 53000


@anything_goes
@given(st.text() | st.text("0123456789.:[]%,/ porta-", max_size=40) | st.just("1" * 100_000) | st.just("[" * 100_000))
def test_no_answer_raises(answer: str) -> None:
    address = parse_address(answer)
    if address is not None:
        assert address.port is None or 1 <= address.port <= 65535
