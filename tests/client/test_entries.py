"""The entries of a conversation: links, names that are said, lines of a file."""

from __future__ import annotations

import re
import sys
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

import protocol
from lan_chat.client.entries import Entry, Kind, _folded, find_links, mentions, target_of

MAY_DAY = time.mktime((2024, 5, 1, 12, 34, 56, 0, 0, -1))
EMOJI = "\N{GRINNING FACE}"

names = st.text(min_size=1, max_size=12).map(protocol.parse_name).filter(bool)
texts = st.text(max_size=200).map(protocol.clean_text)


# --- as lines of a file -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["* Server", "*Ada", "** Ada"])
def test_a_saved_message_cannot_look_like_a_saved_notice(name: str) -> None:
    assert protocol.parse_name(name) == name
    notice = Entry(MAY_DAY, Kind.ANNOUNCEMENT, "la chat chiude", "Server").as_lines()
    message = Entry(MAY_DAY, Kind.MESSAGE, "la chat chiude", name).as_lines()
    assert notice == "2024-05-01 12:34:56 * Server: la chat chiude\n"
    assert not message.startswith("2024-05-01 12:34:56 *")


# --- links ------------------------------------------------------------------------------------------------------------

LINKS = [
    ("http://example.org", ["http://example.org"]),
    ("HTTPS://Example.ORG/A", ["HTTPS://Example.ORG/A"]),
    ("vedi http://a.it/x, poi https://b.it.", ["http://a.it/x", "https://b.it"]),
    ("(http://a.it/x)", ["http://a.it/x"]),
    ("„http://a.it“ »http://b.it« ‹http://c.it›", ["http://a.it", "http://b.it", "http://c.it"]),
    ("http://a.it، http://b.it؟ http://c.it।", ["http://a.it", "http://b.it", "http://c.it"]),
    ("〔http://a.it〕｛http://b.it｝", ["http://a.it", "http://b.it"]),
    ("http://a.it,http://b.it;https://c.it|http://d.it", ["http://a.it", "http://b.it", "https://c.it", "http://d.it"]),
    ("http://a.it/?x=1,2;3|4", ["http://a.it/?x=1,2;3|4"]),
    ("http://web.it/http://b.it", ["http://web.it/http://b.it"]),
    ("||http://a.it|| — http://b.it—", ["http://a.it", "http://b.it"]),
    *((f"{scheme}http", []) for scheme in ("javascript:", "file:///", "data:text/html,", "vbscript:", "smb://")),
    ("javascript://www.a.it/ file://www.a.it/x smb://a@b.it", []),
    ("http://a.it/wiki/X_(y)", ["http://a.it/wiki/X_(y)"]),
    ("(http://a.it/wiki/X_(y))", ["http://a.it/wiki/X_(y)"]),
    ("«http://a.it» “http://b.it” ‘http://c.it’", ["http://a.it", "http://b.it", "http://c.it"]),
    ("<http://a.it> \"http://b.it\" 'http://c.it'", ["http://a.it", "http://b.it", "http://c.it"]),
    ("http://a.it/?q=1&r=%20#s!", ["http://a.it/?q=1&r=%20#s"]),
    ("http://a.it//", ["http://a.it//"]),
    ("http://a.it/…", ["http://a.it/"]),
    ("http://a.it/è/中文", ["http://a.it/è/中文"]),
    ("http://[::1]:8000/", ["http://[::1]:8000/"]),
    ("uno\nhttp://a.it\ndue", ["http://a.it"]),
    ("http://", []),
    ("http://...", []),
    ("http://)))", []),
    ("javascript:alert(1) file:///etc ftp://a.it mailto:a@b.it", []),
    ("www.example.org", ["www.example.org"]),
    ("(www.example.org/a).", ["www.example.org/a"]),
    ("www. www.a wwww.example.org x@www.example.org/", ["x@www.example.org"]),
    ("scrivi a ada.rossi+x@posta.example.it, grazie", ["ada.rossi+x@posta.example.it"]),
    ("a@b @ada ada@ a@b..it foo@bar.1", []),
    (
        "http://[fd00::5] [http://[fd00::5]:8000/x] {http://a.it}",
        ["http://[fd00::5]", "http://[fd00::5]:8000/x", "http://a.it"],
    ),
    ("见 https://example.com/a。谢谢（http://b.it/c）", ["https://example.com/a", "http://b.it/c"]),
    ("http://a.it/\u200bx", ["http://a.it/"]),
    (
        "`http://a.it/x` **http://b.it** *http://c.it/* _http://d.it/_ ~~http://e.it~~",
        ["http://a.it/x", "http://b.it", "http://c.it/", "http://d.it/", "http://e.it"],
    ),
    ("http://a.it/x_ http://a.it/~ada", ["http://a.it/x_", "http://a.it/~ada"]),
    ("http://user@a.it/x", ["http://user@a.it/x"]),
]


@pytest.mark.parametrize(("text", "links"), LINKS)
def test_links_are_found_without_the_punctuation_around_them(text: str, links: list[str]) -> None:
    assert [text[start:end] for start, end in find_links(text)] == links


@given(st.lists(st.sampled_from(["http://", "https://", "a", ".", ")", "(", " ", "/", "»", "\n", "è", EMOJI, '"'])))
def test_links_are_in_order_apart_and_without_blanks(pieces: list[str]) -> None:
    text = "".join(pieces)
    end_before = 0
    for start, end in find_links(text):
        link = text[start:end]
        assert start >= end_before
        assert re.fullmatch(r"https?://\S+", link)
        assert link[-1] not in ".,»"
        end_before = end


# --- names that are said ----------------------------------------------------------------------------------------------

MENTIONS = [
    ("ciao Ada", "Ada", True),
    ("ADA!", "ada", True),
    ("(ada)", "Ada", True),
    ("Ada's", "Ada", True),
    ("Adalberto", "Ada", False),
    ("la Nevada", "Ada", False),
    ("Ada_2", "Ada", False),
    ("uso C++ e C", "C++", True),
    ("Ada Maria!", "Ada Maria", True),
    ("STRASSE", "Straße", True),
    ("", "Ada", False),
    ("ciao", "", False),
    ("a.b", "a+b", False),
    ("小明你好", "小明", True),
    ("你好小明", "小明", True),
    ("你好Ada谢谢", "Ada", True),
    ("민수야", "민수", True),
    ("ciao Niccolo\u0300!", "Niccolò", True),
    ("ciao Niccolò", "Niccolo\u0300", True),
    ("Niccolo\u0300", "Niccolo", False),
    ("ＡＤＡ", "Ada", True),
]


@pytest.mark.parametrize(("text", "name", "is_said"), MENTIONS)
def test_a_name_is_said_as_a_word_of_its_own(text: str, name: str, is_said: bool) -> None:
    assert mentions(text, name) == is_said


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("https://a.it", "https://a.it"),
        ("HTTP://A.it", "HTTP://A.it"),
        ("www.a.it/x", "http://www.a.it/x"),
        ("ada@a.it", "mailto:ada@a.it"),
        ("http://ada@a.it", "http://ada@a.it"),
    ],
)
def test_what_a_link_opens_has_a_scheme(link: str, target: str) -> None:
    assert target_of(link) == target


@pytest.mark.parametrize(
    "text",
    ["a" + "\u0301\u0323" * 8000, "http://a. " * 1638, "www." * 4000, "a." * 8000 + "@", "a@" * 8000, "a@b." * 4000],
)
def test_no_text_takes_long_to_look_through(text: str) -> None:
    find_links(text)
    mentions(text, "Niccolò")


def test_of_countless_marks_on_a_letter_only_the_first_are_compared() -> None:
    for mark in map(chr, range(sys.maxunicode + 1)):
        if all(map(unicodedata.combining, unicodedata.normalize("NFKD", mark))):
            assert len(_folded("a" + f"{mark}\u0301" * 1000 + "b")) < 100, ascii(mark)


@given(names, st.sampled_from([" ", "\n", "(", ", ", "«"]), st.sampled_from([" ", "\n", ")", ", ", "»", "?", ""]))
def test_every_name_can_be_said(name: str, before: str, after: str) -> None:
    assert mentions(f"ciao{before}{name}{after}", name)


# --- as lines of a file, whatever is in them --------------------------------------------------------------------------


@given(texts, names, st.sampled_from(Kind))
def test_what_is_saved_of_one_entry_can_be_told_from_the_next(text: str, name: str, kind: Kind) -> None:
    first, *rest = Entry(MAY_DAY, kind, text, name).as_lines().removesuffix("\n").split("\n")
    assert first.startswith("2024-05-01 12:34:56 ")
    assert first.startswith("2024-05-01 12:34:56 * ") == (kind is not Kind.MESSAGE)
    assert all(line.startswith("    ") for line in rest)
    assert "\n".join([first.partition(": ")[2], *(line[4:] for line in rest)]) == text
