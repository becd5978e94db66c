"""What can be a name, and which names are the same."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given

from protocol import MAX_NAME_CHARACTERS, RESERVED_KEYS, name_key, parse_name
from tests.support.wire import anything_goes, valid_names


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("Ada", "Ada"),
        ("  Ada Lovelace ", "Ada Lovelace"),
        ("\u00a0Ada\u3000Lovelace\u3000", "Ada Lovelace"),
        ("Ａｄａ", "Ada"),
        ("Nicolo\u0300", "Nicolò"),
        ("李雷", "李雷"),
        ("😀", "😀"),
        ("x" * 32, "x" * 32),
        ("😀" * 32, "😀" * 32),
        ("o\u0300" * 32, "ò" * 32),
        (" " * 50 + "x" * 32, "x" * 32),
        ("{Ada}", "{Ada}"),
        ("quit", "quit"),
        ("a {quit}", "a {quit}"),
    ],
)
def test_a_name_is_taken_in_nfkc_and_trimmed(raw: str, name: str) -> None:
    assert parse_name(raw) == name


@pytest.mark.parametrize("raw", ["", " ", "\u3000 ", "x" * 33, "ﷺ" * 2, "x" * 10_000])
def test_a_name_has_1_to_32_characters(raw: str) -> None:
    assert parse_name(raw) is None


@pytest.mark.parametrize(
    "raw",
    [
        *("Ada\nBob", "Ada\n", "\nAda", "Ada\rBob", "Ada\tBob", "Ada\x0bBob", "Ada\x85Bob", "Ada\u2028Bob"),
        *("\x1b[31mAda", "Ada\x00", "Ada\x7f", "Ada\u202eBob", "Ada\u2066", "\ud800", "\ufeffAda"),
        *("Ada\u200b", "Ada\u200d", "Ada\u00ad", "\U000e0041"),
    ],
)
def test_a_name_is_all_printable(raw: str) -> None:
    assert parse_name(raw) is None


@pytest.mark.parametrize(
    "raw", ["Alice: ciao", "Alice:", ":", "Alice： ciao", "Alice︓ ciao", "Alice﹕", "⩴", "Alice⧴", "ꓮꓓꓮꓽ"]
)
def test_a_name_has_no_colon_however_it_is_written(raw: str) -> None:
    assert parse_name(raw) is None


@pytest.mark.parametrize("word", ["{quit}", "{end_conn}", "<quit>", "<end_conn>"])
@pytest.mark.parametrize("form", ["{}", " {} ", "\u3000{}"])
def test_a_name_is_no_control_word_however_it_is_written(word: str, form: str) -> None:
    wide = "".join(chr(ord(letter) + 0xFEE0) for letter in word)
    for written in (word, word.upper(), word.title(), wide, wide.upper()):
        assert parse_name(form.format(written)) is None, written


@pytest.mark.parametrize("raw", ["\u3164", "\u2800\u2800", "\u115f \u1160", "\uffa0", "\u034f", "\ufe0f"])
def test_a_name_has_something_to_see(raw: str) -> None:
    assert parse_name(raw) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada", "ADA"),
        ("Ada", "Ａｄａ"),
        ("Straße", "STRASSE"),
        ("fin", "ﬁn"),
        ("Hal", "ℋal"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("Nicolò", "NICOLO\u0300"),
        ("Ada Lovelace", " Ada\u00a0 \u3000Lovelace "),
        ("Ada", "A\u034fd\ufe0fa\u3164"),
        ("Nicolò", "Nicolo\u034f\u0300"),  # a letter without a shape between a letter and its accent
        ("Maria", "Mari\u0307a"),  # an i has its dot anyway
        ("Maria", "Mar\u0131\u0307a"),
        ("Maja", "Ma\u0237\u0307a"),
        ("Vịt", "Vi\u0307\u0323t"),
        ("Іван", "і\u0307ван"),
        ("İstanbul", "istanbul"),
    ],
)
def test_two_names_that_look_the_same_are_the_same(one: str, other: str) -> None:
    assert name_key(one) == name_key(other) != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [("Ada", "Ado"), ("Ada B", "AdaB"), ("Nicolò", "Nicolo"), ("Ada", "Ada1"), ("ė", "e"), ("Işık", "Işik")],
)
def test_two_names_that_differ_are_two(one: str, other: str) -> None:
    assert name_key(one) != name_key(other)


@anything_goes
@given(valid_names)
def test_a_name_keeps_its_rules_and_its_key_when_it_is_read_again(name: str) -> None:
    assert parse_name(name) == name
    assert 1 <= len(name) <= MAX_NAME_CHARACTERS
    assert ":" not in name
    assert len(name.splitlines()) == 1
    assert name_key(name.casefold()) == name_key(name) != ""


def test_nothing_that_unicode_calls_a_colon_follows_a_name() -> None:
    colons = [chr(code) for code in range(0x110000) if "COLON" in unicodedata.name(chr(code), "").split()]
    assert len(colons) > 15
    letters = {"\u02d1", "\U00010782"}  # half a triangular colon looks like a dot
    money = {"\u20a1"}
    assert {colon for colon in colons if parse_name(f"Ada{colon} ciao") is not None} == letters | money


@pytest.mark.parametrize("name", ["राम\u0903", "র\u0983", "ரஃ", "\u1000\u1038", "₡arlos"])
def test_a_sign_of_its_own_script_is_part_of_a_name(name: str) -> None:
    assert parse_name(name) == name


@pytest.mark.parametrize("raw", ["A" + "\u0363" * 5, "A" + "\u0363" * 31, "\u20ddA", "\ufe0f\u0301", "\u0903"])
def test_a_name_is_not_drawn_over_other_rows_and_begins_with_no_mark(raw: str) -> None:
    assert parse_name(raw) is None


@pytest.mark.parametrize("name", ["A" + "\u0363" * 4, "1\ufe0f\u20e3", "שָׁלוֹם", "กั้ง"])
def test_a_few_marks_are_part_of_a_name(name: str) -> None:
    assert parse_name(name) is not None


@pytest.mark.parametrize("raw", ["Server", "server", " SERVER ", "Ｓｅｒｖｅｒ", "Ser\u034fver"])
def test_nobody_bears_the_operators_name(raw: str) -> None:
    assert name_key(raw) in RESERVED_KEYS


@pytest.mark.parametrize("raw", ["S\u0435rver", "5erver", "Sérver", "\u0455\u0435rver"])
def test_nobody_bears_a_name_that_looks_like_the_operators(raw: str) -> None:
    assert parse_name(raw) is None


@pytest.mark.parametrize("name", ["Servera", "Server 2", "Il server di Ada", "Сервер", "* Server"])
def test_a_name_may_have_the_operators_in_it(name: str) -> None:
    assert parse_name(name) == name


@pytest.mark.parametrize(
    "raw",
    [
        *("192.168.1.5", "192.168.1.5 spam", "192.168.1.5.", "(192.168.1.5)", "@192.168.1.5", "192 . 168 . 1 . 5"),
        *("192。168。1。5", "1٫2٫3٫4", "192·168·1·5", "0x7f.0.0.1", "1.2.3.4/", "1.2.3.*", "10.0.0.0-9"),
        *("1.2.3.4 %x", "fra 1.2.3.4 e 1.2.3.5"),
    ],
)
def test_a_name_has_no_address_in_it_however_that_is_written(raw: str) -> None:
    assert parse_name(raw) is None


@pytest.mark.parametrize(
    "name",
    ["Ada 1.2", "v1.2.3.4", "10.1", "3,14", "0xC0FFEE", "27.11.2026 10.30", "06.12.34.56.78", "Win 10.0.19045.1"],
)
def test_a_name_may_have_numbers_in_it(name: str) -> None:
    assert parse_name(name) == name


@pytest.mark.parametrize("raw", ["*", "**", "\u066d", "\u2731", "\U0001031f", "* *"])
def test_a_name_is_not_the_star_that_means_everybody(raw: str) -> None:
    assert parse_name(raw) is None


@pytest.mark.parametrize("name", ["Eva \U0001fa77", "\U0001fae8", "\U0001f9d1\u200d\U0001faf0"])
def test_an_emoji_may_be_newer_than_python(name: str) -> None:
    assert parse_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "Ada ha abbandonato la Chat. Bo",
        "Ada si è unito alla chat! Bo",
        "Al HAS LEFT THE CHAT. Bo",
        "Ada si é unito alla chat!",
        "Ada sì e unito álla chat",
        "Ada has jo\u0300ined the chat",
        *(
            "Ada has joıned the chat",
            "Ada ha abbandonato ła Chat",
            "Ada ha abbandønato la Chat",
            "Ada has left the chαt",
        ),
        *("Ada h\u0430 abbandonato la Chat", "Ada ha abband0nato 1a Chat", "Ada ha abbandonato Ia Chat"),
        *("Ada h@ abbandonato la chat", "Ada si è unita alla chat!"),
        "Ada\ua789 ciao",
        *("Ada\ua6f4 ciao", "Ada\u1365 ciao", "Ada\u1361 ciao", "Ada\u2982 ciao", "Ada\u0c03 ciao", "Ada\u17c8 ciao"),
        "Ad\ufffd",
    ],
)
def test_a_name_that_reads_like_a_notice_or_a_message_is_none(name: str) -> None:
    assert parse_name(name) is None
