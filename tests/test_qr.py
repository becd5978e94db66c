"""QR codes, module by module as `segno` draws them, and as a reader reads them."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest
import segno
import segno.encoder

from lan_chat import qr

CHARACTERS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEF.:/[]-%_"


def texts() -> list[str]:
    """Addresses, and texts of each length about which a version ends, and of many between."""
    chosen = random.Random(7)
    capacities = [sum(blocks) - (2 if version < 10 else 3) for version, blocks in enumerate(qr.BLOCKS, 1)]
    lengths = {0, *range(1, 213, 9), *capacities, *(capacity + 1 for capacity in capacities[:-1])}
    made = ["".join(chosen.choices(CHARACTERS, k=length)) for length in sorted(lengths)]
    return ["http://192.168.1.20:53000/", "http://[fd00::1234:5678:9abc:def0]:53000/", *made]


@pytest.fixture(autouse=True)
def padding(monkeypatch: pytest.MonkeyPatch) -> None:
    """`segno` 1.6 adds a byte of 0 where nothing is to be filled up; readers pass over it, and 7.4.10 has none."""
    monkeypatch.setattr(segno.encoder, "write_padding_bits", lambda bits, _, length: bits.extend([0] * (-length % 8)))


@pytest.mark.parametrize("text", texts())
def test_a_code_is_segnos_module_by_module_under_each_mask(text: str) -> None:
    version, data = qr.encode(text)
    drawn = [qr.draw(version, data, mask) for mask in range(8)]
    for mask, code in enumerate(drawn):
        other = segno.make_qr(text, error="m", mode="byte", mask=mask, boost_error=False)
        assert other.version == version
        assert code == [[bool(module) for module in row] for row in other.matrix]
    assert qr.qr_code(text) == min(drawn, key=qr.penalty)


def test_what_is_hard_to_read_has_its_points() -> None:
    """Section 7.8.3, each rule by itself: what the others count is taken off."""
    assert qr.penalty([[True, False], [False, True]]) == 0
    assert qr.penalty([[True, True], [True, True]]) == 3 + 10 * 10
    stripes = [[column % 2 == 0 for column in range(6)] for _ in range(6)]
    assert qr.penalty(stripes) == 6 * (6 - 2)
    light = [False] * 4
    finder = list(qr.LIKE_A_FINDER)
    assert [qr.count_finders(line) for line in (finder, [*finder, *light], [True, *finder, True])] == [1, 1, 0]
    assert qr.count_finders([True, *finder, *light, *finder]) == 2


@pytest.mark.parametrize("text", ["x" * 214, "http://perché/", "a" * 3000])
def test_a_text_that_no_code_of_ours_holds_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        qr.qr_code(text)


@pytest.mark.skipif(not shutil.which("zbarimg"), reason="needs zbarimg")
def test_a_reader_reads_it(tmp_path: Path) -> None:
    for text in ("http://192.168.1.20:53000/", "http://[fd00::1234:5678:9abc:def0]:53000/", "x" * 100, "y" * 213):
        picture = tmp_path / "code.pbm"
        picture.write_text(bitmap(qr.qr_code(text)))
        command = ["zbarimg", "--quiet", "--raw", "--set", "disable", "--set", "qrcode.enable", str(picture)]
        read = subprocess.run(command, capture_output=True, text=True)
        assert read.stdout == f"{text}\n", read.stderr


def bitmap(code: qr.Matrix, scale: int = 4) -> str:
    """Return a code with its quiet zone as a picture (PBM)."""
    side = len(code) + 2 * qr.QUIET_ZONE
    rows = [[False] * side for _ in range(side)]
    for number, row in enumerate(code, qr.QUIET_ZONE):
        rows[number][qr.QUIET_ZONE : -qr.QUIET_ZONE] = row
    lines = ["".join(str(int(module)) * scale for module in row) for row in rows for _ in range(scale)]
    return "\n".join(["P1", f"{side * scale} {side * scale}", *lines, ""])
