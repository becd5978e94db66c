"""The code of a room: how it is made, read back from what a person typed, and made into a key. Pure.

Four groups of consonant, vowel, consonant, vowel are easy to dictate, and 14 consonants and 5 vowels make 49
bits. `scrypt` makes each guess cost 0.1 s and 32 MiB.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import unicodedata

CONSONANTS = "bcdfgklmnprstv"
VOWELS = "aeiou"
GROUPS = 4
GROUP_LETTERS = 4
FORM = re.compile(f"([{CONSONANTS}][{VOWELS}]){{{GROUPS * GROUP_LETTERS // 2}}}")
ASK = "-"
"""What stands on a command line for a code that is asked for: others on this machine can read command lines."""
MAX_TYPED_CHARACTERS = 1000
"""How many characters of an answer are looked at."""
MINUS = "\u2212"

SALT = b"lan-chat"
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**15, 8, 1
SCRYPT_MAX_BYTES = 2**26
KEY_BYTES = 32


def make_code() -> str:
    """Return a new code, as people read it."""
    letters = [secrets.choice(VOWELS if at % 2 else CONSONANTS) for at in range(GROUPS * GROUP_LETTERS)]
    return format_code("".join(letters))


def parse_code(text: str) -> str | None:
    """Return the letters of the code that was typed, in lower case, or None where it has not the form of one.

    Case, blanks, punctuation and invisible characters do not matter, nor what stands before a colon: the server's own
    line can be pasted.
    """
    folded = unicodedata.normalize("NFKC", text[:MAX_TYPED_CHARACTERS]).casefold()
    letters = "".join(char for char in folded.rpartition(":")[2] if not _is_passed_over(char))
    return letters if FORM.fullmatch(letters) else None


def format_code(code: str) -> str:
    """Return a code as people read it: in groups, with hyphens."""
    return "-".join(code[at : at + GROUP_LETTERS] for at in range(0, len(code), GROUP_LETTERS))


def key_of(code: str) -> bytes:
    """Return the key that a code's 16 letters stand for. It takes 0.1 s, on purpose."""
    return hashlib.scrypt(
        code.encode("ascii"), salt=SALT, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P, maxmem=SCRYPT_MAX_BYTES, dklen=KEY_BYTES
    )


def _is_passed_over(char: str) -> bool:
    """Return whether a character is blank, punctuation that joins no letters, or cannot be seen."""
    category = unicodedata.category(char)
    return (category[0] in "ZCP" and category != "Pc") or category == "Mn" or char == MINUS
