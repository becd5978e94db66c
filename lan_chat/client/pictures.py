"""Small pictures, as PNG data: rounded corners, discs and signs, at the screen's own scale.

Pure: no tkinter. They have smooth edges and an opacity of their own, which Tk's canvas does not draw.
"""

from __future__ import annotations

import functools
import itertools
import math
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

Pixel = tuple[int, int, int, int]
"""Red, green, blue and opacity."""


@dataclass(frozen=True)
class Layer:
    """What is in a shape from `inset` pixels within its edge on; the layers of a shape lie on each other."""

    inset: float
    colour: str


@functools.lru_cache(maxsize=512)
def rounded(radius: int, layers: tuple[Layer, ...], middle: tuple[int, int] = (0, 0)) -> bytes:
    """Return a rectangle with round corners, and so much between them in width and height; without it, a disc.

    Tk repeats what is between the corners, which is slow if it is small: each time it reads the screen.
    """
    quadrant = [
        [_blend(math.hypot(radius - x - 0.5, radius - y - 0.5) - radius, layers) for x in range(radius)]
        for y in range(radius)
    ]
    edge = [_blend(-0.5 - x, layers) for x in range(radius)]  # from the middle of a side inwards
    width, height = middle
    rows = [_line(row) + _line(edge[y : y + 1]) * width + _line(row[::-1]) for y, row in enumerate(quadrant)]
    straight = _line(edge) + _line(edge[-1:]) * width + _line(edge[::-1])
    return png([*rows, *[straight] * height, *rows[::-1]])


@functools.lru_cache(maxsize=64)
def pill(size: tuple[int, int], inset: int, colour: str) -> bytes:
    """Return an upright bar with round ends, `inset` pixels within a width and height: the thumb of a scrollbar."""
    width, height = size
    radius, layers, end = (width - 2 * inset) / 2, (Layer(0.0, colour),), width // 2

    def line(y: float) -> bytes:
        above = max(inset + radius - y, 0.0)
        return _line([_blend(math.hypot(x + 0.5 - width / 2, above) - radius, layers) for x in range(width)])

    rows = [line(y + 0.5) for y in range(end)]
    return png([*rows, *[line(height / 2)] * (height - 2 * end), *rows[::-1]])


@functools.lru_cache(maxsize=32)
def person(side: int, colour: str) -> bytes:
    """Return the sign for people: a head above shoulders."""

    def distance(x: float, y: float) -> float:
        x, y = x / side, y / side
        head = math.hypot(x - 0.5, y - 0.28) - 0.2
        shoulders = max(math.hypot(x - 0.5, (y - 0.95) * 0.95) - 0.4, y - 0.95)
        return min(head, shoulders) * side

    return drawn((side, side), distance, colour)


@functools.lru_cache(maxsize=32)
def lock(side: int, colour: str) -> bytes:
    """Return the sign for a code: a closed padlock."""

    def distance(x: float, y: float) -> float:
        x, y = abs(x / side - 0.5), y / side
        body = max(x - 0.36, abs(y - 0.7) - 0.26)
        shackle = abs(math.hypot(x, min(0.0, y - 0.32)) - 0.21) - 0.055
        return min(body, max(shackle, y - 0.5)) * side

    return drawn((side, side), distance, colour)


@functools.lru_cache(maxsize=32)
def mark(size: tuple[int, int], box: tuple[int, int], colour: str, is_dot: bool) -> bytes:
    """Return a tick, or a dot: in the middle of a picture's height, in a box from `box[0]` on and `box[1]` wide."""
    left, side = box
    top = (size[1] - side) / 2
    corners = ((0.14, 0.54), (0.40, 0.78), (0.86, 0.24))

    def distance(x: float, y: float) -> float:
        x, y = (x - left) / side, (y - top) / side
        if is_dot:
            return (math.hypot(x - 0.5, y - 0.5) - 0.24) * side
        return (min(_to_segment((x, y), *ends) for ends in itertools.pairwise(corners)) - 0.075) * side

    return drawn(size, distance, colour)


def drawn(size: tuple[int, int], distance: Callable[[float, float], float], colour: str) -> bytes:
    """Return a shape in one colour; `distance`: of a point to its edge, negative inside."""
    width, height = size
    layers = (Layer(0.0, colour),)
    return png([_line([_blend(distance(x + 0.5, y + 0.5), layers) for x in range(width)]) for y in range(height)])


def png(rows: list[bytes]) -> bytes:
    """Return a picture as a PNG (PNG specification, third edition); a row has four bytes for each pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", len(rows[0]) // 4, len(rows), 8, 6, 0, 0, 0)  # 8 bits each, with opacity
    lines = b"".join(b"\0" + row for row in rows)  # 0: no filter
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines, 1)) + chunk(b"IEND", b"")


def _to_segment(point: tuple[float, float], start: tuple[float, float], end: tuple[float, float]) -> float:
    """Return the distance of a point to a straight line between two others."""
    x, y = end[0] - start[0], end[1] - start[1]
    along = ((point[0] - start[0]) * x + (point[1] - start[1]) * y) / (x * x + y * y)
    along = min(1.0, max(0.0, along))
    return math.hypot(point[0] - start[0] - along * x, point[1] - start[1] - along * y)


def _line(row: list[Pixel]) -> bytes:
    return b"".join(map(bytes, row))


def _blend(distance: float, layers: tuple[Layer, ...]) -> Pixel:
    """Return the pixel at a distance from the edge, negative inside: smooth over one pixel at each layer's edge."""
    red: float
    green: float
    blue: float
    red, green, blue = _parts(layers[0].colour)
    for layer in layers[1:]:
        share = min(1.0, max(0.0, 0.5 - distance - layer.inset))
        if share:
            new_red, new_green, new_blue = _parts(layer.colour)
            red += (new_red - red) * share
            green += (new_green - green) * share
            blue += (new_blue - blue) * share
    opacity = min(1.0, max(0.0, 0.5 - distance - layers[0].inset))
    return round(red), round(green), round(blue), round(255 * opacity)


@functools.lru_cache(maxsize=128)
def _parts(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
