"""Small pictures: that they are PNGs, smooth, and as large as asked for; the icon."""

from __future__ import annotations

import struct
import zlib

import pytest

from lan_chat.client.icon import ICON_SIZES, ICONS
from lan_chat.client.pictures import Layer, mark, person, pill, rounded
from tools.icon import draw


def pixels_of(data: bytes) -> list[list[tuple[int, ...]]]:
    """The pixels of a PNG as `png` writes it, row by row."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    place, parts = 8, {}
    while place < len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        kind, body = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        assert struct.unpack(">I", data[place + 8 + length : place + 12 + length]) == (zlib.crc32(kind + body),)
        parts[kind] = body
        place += 12 + length
    width, height = struct.unpack(">II", parts[b"IHDR"][:8])
    lines = zlib.decompress(parts[b"IDAT"])
    size = 1 + 4 * width
    assert len(lines) == size * height
    return [
        [tuple(lines[row * size + 1 + 4 * x : row * size + 5 + 4 * x]) for x in range(width)] for row in range(height)
    ]


@pytest.mark.parametrize("radius", [1, 8, 10, 16])
def test_a_rounded_square_is_clear_at_its_corners_and_has_its_edge_and_its_inside(radius: int) -> None:
    rows = pixels_of(rounded(radius, (Layer(0.0, "#ff0000"), Layer(1.0, "#0000ff")), (2, 2)))
    side = 2 * radius + 2
    assert len(rows) == len(rows[0]) == side
    middle = side // 2
    assert rows[0][middle] == rows[middle][0] == rows[-1][middle] == rows[middle][-1] == (255, 0, 0, 255)
    assert radius == 1 or rows[middle][middle] == (0, 0, 255, 255)
    assert rows[0][0][3] < 255
    assert rows == [row[::-1] for row in rows] == rows[::-1]


def test_a_disc_is_as_wide_as_two_radii() -> None:
    rows = pixels_of(rounded(10, (Layer(0.0, "#123456"),)))
    assert len(rows) == len(rows[0]) == 20
    assert rows[10][10] == (0x12, 0x34, 0x56, 255)
    assert rows[0][0][3] == 0
    covered = sum(pixel[3] for row in rows for pixel in row) / 255
    assert covered == pytest.approx(3.14159 * 100, rel=0.02)


def test_a_thumb_is_within_its_bounds() -> None:
    rows = pixels_of(pill((12, 36), 3, "#808080"))
    assert (len(rows[0]), len(rows)) == (12, 36)
    assert all(pixel[3] == 0 for row in rows for pixel in (*row[:3], *row[9:]))
    assert rows[18][6] == (128, 128, 128, 255)


def test_the_sign_for_people_has_a_head_and_shoulders() -> None:
    rows = pixels_of(person(16, "#000000"))
    opacity = [row[8][3] for row in rows]
    assert opacity[4] == opacity[12] == 255
    assert opacity[0] == 0


@pytest.mark.parametrize("is_dot", [False, True])
def test_a_mark_is_in_its_box_and_no_wider(is_dot: bool) -> None:
    rows = pixels_of(mark((40, 30), (10, 14), "#123456", is_dot))
    assert (len(rows), len(rows[0])) == (30, 40)
    inked = [(x, y) for y, row in enumerate(rows) for x, pixel in enumerate(row) if pixel[3]]
    assert inked
    assert all(10 <= x < 24 and 8 <= y < 22 for x, y in inked)


def test_the_icon_is_the_one_that_the_tool_draws() -> None:
    for size, data in zip(ICON_SIZES, ICONS, strict=True):
        assert pixels_of(data) == pixels_of(draw(size))
