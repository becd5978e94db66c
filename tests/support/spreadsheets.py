"""What a spreadsheet makes of a table: LibreOffice itself, and its ways to cut a line, imitated."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
import unicodedata
from pathlib import Path

import pytest

SOFFICE = "soffice"
SOFFICE_DEADLINE_S = 120.0
SEPARATORS = (",", ";", "\t", "|", " ", ":", ".", "/", "-", "#", "_", "!", "\u00a0", "\u200b")
QUOTES = ('"', "'", None)
FORMULA_STARTS = ("=", "+", "-", "@", "%", "\t", "\r", "\u2212")
BLANKS = re.compile(
    '["\\s\u00ad\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2064\u2800\u3164\ufe0f\ufeff\uffa0]*'
)
"""What some reader may pass over before it looks whether a cell is a formula: blanks, quotation marks, no glyphs."""


def is_formula(cell: str) -> bool:
    """Whether some reader might take a cell for a formula."""
    rest = cell[BLANKS.match(cell).end() :]  # type: ignore[union-attr]
    return unicodedata.normalize("NFKC", rest[:1]).startswith(FORMULA_STARTS) or cell[:1] in ("\t", "\r", "\n")


def cells_of(text: str, separator: str, quote: str | None) -> list[str]:
    """Every cell, as a reader cuts a text that it reads line by line; without `quote`, quotation marks mean nothing."""
    quoting = {"quoting": csv.QUOTE_NONE} if quote is None else {"quotechar": quote}
    lines = text.splitlines()
    return [cell for line in lines for row in csv.reader([line], delimiter=separator, **quoting) for cell in row]


class Spreadsheet:
    """LibreOffice, without a window, with settings of its own."""

    def __init__(self, folder: Path) -> None:
        if shutil.which(SOFFICE) is None:
            pytest.skip("no LibreOffice, which the tests use on Linux (Debian: apt install libreoffice-calc-nogui)")
        self._folder = folder

    def read(self, tables: list[Path], separators: str, quote: str = '"') -> dict[str, tuple[list[str], list[str]]]:
        """The formulas in some tables, and the texts of their cells, by the name of the file.

        Formulas are computed, and blanks at both ends of a cell do not count.
        """
        cut = f"{'/'.join(str(ord(mark)) for mark in separators)},{ord(quote) if quote else ''}"
        command = [SOFFICE, f"-env:UserInstallation={(self._folder / 'settings').as_uri()}", "--headless"]
        command += [f"--infilter=CSV:{cut},76,1,,0,false,true,false,false,true,0,true", "--convert-to", "fods"]
        command += ["--outdir", str(self._folder), *map(str, tables)]
        subprocess.run(command, check=True, capture_output=True, timeout=SOFFICE_DEADLINE_S)
        found = {}
        for table in tables:
            sheet = (self._folder / table.with_suffix(".fods").name).read_text("utf-8").partition("<table:table ")[2]
            found[table.name] = (
                re.findall(r'table:formula="([^"]*)"', sheet),
                re.findall(r"<text:p>(.*?)</text:p>", sheet),
            )
        return found
