"""Draw the programs' icon: two people talk, one bubble over the other.

    python tools/icon.py FOLDER       # writes icon.ico and icon.png there

`build.spec` calls `write_icon`, so that no picture has to be kept. Standard library only. Not collected as a test.
"""

from __future__ import annotations

import struct
import sys
import zlib
from pathlib import Path

SIZES = (16, 20, 24, 32, 40, 48, 64, 128, 256)
"""What Windows shows on a task bar, a desktop and in a folder, at its usual magnifications."""
Colour = tuple[int, int, int]
BLUE: Colour = (37, 99, 200)
AMBER: Colour = (245, 170, 40)
WHITE: Colour = (255, 255, 255)


def is_in_bubble(x: float, y: float, left: float, top: float, right: float, bottom: float, tail: float) -> bool:
    """Return whether a point is in a speech bubble whose tail hangs down at `tail`. Shares of the icon's side."""
    radius = 0.12
    dx = max(left + radius - x, x - right + radius, 0.0)
    dy = max(top + radius - y, y - bottom + radius, 0.0)
    below = y - bottom
    return dx * dx + dy * dy <= radius * radius or (0 <= below < 0.14 and abs(x - tail) < 0.09 * (1 - below / 0.14))


def colour_at(x: float, y: float) -> Colour | None:
    """Return the drawing's colour at a point, from (0, 0) at the top left to (1, 1); None where there is nothing."""
    if is_in_bubble(x, y, 0.02, 0.06, 0.76, 0.54, tail=0.22):
        is_dot = min((x - centre) ** 2 for centre in (0.19, 0.39, 0.59)) + (y - 0.3) ** 2 <= 0.06**2
        return WHITE if is_dot else BLUE
    if is_in_bubble(x, y, -0.02, 0.02, 0.80, 0.58, tail=0.22):
        return None  # a gap, so that one bubble is before the other
    return AMBER if is_in_bubble(x, y, 0.3, 0.36, 0.98, 0.82, tail=0.78) else None


def draw(size: int) -> bytes:
    """Draw the icon as a PNG of so many pixels a side."""
    samples = 4 if size <= 64 else 2  # points across each pixel that are looked at, for smooth edges
    rows = []
    for row in range(size):
        pixels = bytearray(b"\0")  # no filter (PNG specification, section 9.2)
        for column in range(size):
            seen = [
                colour
                for sample in range(samples**2)
                if (colour := colour_at(*(
                    (place + (part + 0.5) / samples) / size
                    for place, part in zip((column, row), divmod(sample, samples), strict=True)
                )))
            ]  # fmt: skip
            pixels += bytes(sum(part) // len(seen) for part in zip(*seen, strict=True)) if seen else b"\0\0\0"
            pixels.append(255 * len(seen) // samples**2)
        rows.append(bytes(pixels))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", size, size, 8, 6, 0, 0, 0)  # 8 bits each of red, green, blue and opacity
    picture = zlib.compress(b"".join(rows), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", picture) + chunk(b"IEND", b"")


def write_icon(file: Path) -> None:
    """Write the icon as `.ico`, in all sizes, or as `.png`, in the largest."""
    if file.suffix == ".png":
        file.write_bytes(draw(SIZES[-1]))
        return
    pictures = [draw(size) for size in SIZES]
    offset = 6 + 16 * len(pictures)
    directory = struct.pack("<HHH", 0, 1, len(pictures))
    for size, picture in zip(SIZES, pictures, strict=True):
        # A side of 256 is written as 0; a picture may be a PNG since Windows Vista.
        directory += struct.pack("<BBBBHHII", size % 256, size % 256, 0, 0, 1, 32, len(picture), offset)
        offset += len(picture)
    file.write_bytes(directory + b"".join(pictures))


if __name__ == "__main__":
    for name in ("icon.ico", "icon.png"):
        write_icon(Path(sys.argv[1]) / name)
