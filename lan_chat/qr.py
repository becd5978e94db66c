"""QR codes: a text in, a matrix of dark and light modules out. Pure; the rules and tables are ISO/IEC 18004:2015's.

Byte mode, error correction level M, versions 1 to 10: up to 213 characters, more than the address of any room has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby, pairwise

Matrix = list[list[bool]]
"""Rows of modules; True is dark."""
QUIET_ZONE = 4
"""How many light modules have to be around a code, on each side (section 6.3.8)."""

CORRECTION_BYTES = (10, 16, 26, 18, 24, 16, 18, 22, 22, 26)
"""Table 9, level M, by version: how many bytes of error correction each block has."""
BLOCKS = (
    *((16,), (28,), (44,), 2 * (32,), 2 * (43,), 4 * (27,), 4 * (31,)),
    *((38, 38, 39, 39), (36, 36, 36, 37, 37), (43, 43, 43, 43, 44)),
)
"""Table 9, level M, by version: how many bytes of data each block has."""
ALIGNMENT: tuple[tuple[int, ...], ...] = (
    (),
    (6, 18),
    (6, 22),
    (6, 26),
    (6, 30),
    (6, 34),
    (6, 22, 38),
    (6, 24, 42),
    (6, 26, 46),
    (6, 28, 50),
)
"""Annex E, by version: the rows and columns at which alignment patterns are centred."""
BYTE_MODE = 0b0100
"""Table 2."""
PADDING = (0xEC, 0x11)
"""Section 7.4.10."""
FIELD = 0x11D
"""The polynomial of the field of 256 elements that the error correction counts in (section 7.5.2)."""
FORMAT_GENERATOR, FORMAT_MASK = 0x537, 0x5412
"""Annex C. The format's five bits are the level, 00 for M, and the mask."""
VERSION_GENERATOR, FIRST_WITH_VERSION = 0x1F25, 7
"""Annex D, and the first version that is written into the code."""
MASKS: tuple[Callable[[int, int], int], ...] = (
    lambda row, column: (row + column) % 2,
    lambda row, column: row % 2,
    lambda row, column: column % 3,
    lambda row, column: (row + column) % 3,
    lambda row, column: (row // 2 + column // 3) % 2,
    lambda row, column: row * column % 2 + row * column % 3,
    lambda row, column: (row * column % 2 + row * column % 3) % 2,
    lambda row, column: ((row + column) % 2 + row * column % 3) % 2,
)
"""Table 10: a module of data is inverted where its mask gives 0."""
LIKE_A_FINDER = (True, False, True, True, True, False, True)
"""What a reader takes for a finder pattern, with four light modules before or behind it."""


def qr_code(text: str) -> Matrix:
    """Return the code of a text, without its quiet zone. Raises ValueError where the text is no short ASCII."""
    version, data = encode(text)
    return min((draw(version, data, mask) for mask in range(len(MASKS))), key=penalty)


def encode(text: str) -> tuple[int, bytes]:
    """Return the smallest version that holds a text, and the bytes that it is drawn as. Raises ValueError."""
    content = text.encode("ascii")
    for version, blocks in enumerate(BLOCKS, 1):
        length_bits = 8 if version < 10 else 16  # table 3
        capacity = sum(blocks)
        if 4 + length_bits + 8 * len(content) <= 8 * capacity:
            break
    else:
        raise ValueError(f"too long for a code: {len(content)} bytes")
    bits = f"{BYTE_MODE:04b}{len(content):0{length_bits}b}" + "".join(f"{byte:08b}" for byte in content)
    bits += "0" * min(4, 8 * capacity - len(bits))  # the terminator
    bits += "0" * (-len(bits) % 8)
    data = bytes(int(bits[start : start + 8], 2) for start in range(0, len(bits), 8))
    data += bytes(PADDING[number % 2] for number in range(capacity - len(data)))
    return version, interleave(data, blocks, CORRECTION_BYTES[version - 1])


def interleave(data: bytes, blocks: tuple[int, ...], correction_bytes: int) -> bytes:
    """Return the data's blocks, then their error correction, a byte of each block in turn (section 7.6)."""
    starts = [sum(blocks[:number]) for number in range(len(blocks))]
    parts = [data[start : start + length] for start, length in zip(starts, blocks, strict=True)]
    corrections = [correction_of(part, correction_bytes) for part in parts]
    in_turn = [part[place] for place in range(max(blocks)) for part in parts if place < len(part)]
    return bytes(in_turn) + bytes(byte for several in zip(*corrections, strict=True) for byte in several)


def correction_of(block: bytes, count: int) -> bytes:
    """Return the error correction of a block (Reed–Solomon): the remainder of a division of polynomials."""
    divisor, root = [1], 1
    for _ in range(count):  # times (x - root), for each power of 2 as the root
        shifted = [multiply(factor, root) for factor in divisor]
        divisor = [one ^ other for one, other in zip([*divisor, 0], [0, *shifted], strict=True)]
        root = multiply(root, 2)
    remainder = [*block, *[0] * count]
    for place in range(len(block)):
        factor = remainder[place]
        for offset, coefficient in enumerate(divisor):
            remainder[place + offset] ^= multiply(coefficient, factor)
    return bytes(remainder[len(block) :])


def multiply(one: int, other: int) -> int:
    """Return the product of two elements of the field."""
    product = 0
    for bit in range(7, -1, -1):
        product = (product << 1) ^ (product >> 7) * FIELD
        product ^= (other >> bit & 1) * one
    return product


def draw(version: int, data: bytes, mask: int) -> Matrix:
    """Return the code of a version with these bytes, under one of the masks."""
    fixed = fixed_modules(version)
    write_format(fixed, mask)
    bits = (bool(byte >> bit & 1) for byte in data for bit in range(7, -1, -1))
    for row, column in places_of_data(fixed):
        is_inverted = MASKS[mask](row, column) == 0
        fixed[row][column] = next(bits, False) != is_inverted  # what remains is as if it were 0
    return [[module is True for module in row] for row in fixed]


def fixed_modules(version: int) -> list[list[bool | None]]:
    """Return the modules that are the same in all codes of a version; None where there is data (section 6.3)."""
    size = 17 + 4 * version
    modules: list[list[bool | None]] = [[None] * size for _ in range(size)]
    for place in range(size):  # the timing patterns
        modules[6][place] = modules[place][6] = place % 2 == 0
    for row, column in ((3, 3), (3, size - 4), (size - 4, 3)):
        draw_squares(modules, row, column, radius=4, light=(2, 4))
    centres = ALIGNMENT[version - 1]
    for row in centres:
        for column in centres:
            if (row, column) not in ((6, 6), (6, centres[-1]), (centres[-1], 6)):  # where the finder patterns are
                draw_squares(modules, row, column, radius=2, light=(1,))
    if version >= FIRST_WITH_VERSION:
        bits = version << 12 | remainder_of(version << 12, VERSION_GENERATOR)
        for bit in range(18):
            row, column = bit // 3, size - 11 + bit % 3
            modules[row][column] = modules[column][row] = bool(bits >> bit & 1)
    write_format(modules, 0)  # their places are taken
    return modules


def draw_squares(
    modules: list[list[bool | None]], row: int, column: int, *, radius: int, light: tuple[int, ...]
) -> None:
    """Draw squares around a centre, dark but for those at some distances, as far as they are in the code."""
    size = len(modules)
    for down in range(max(-radius, -row), min(radius + 1, size - row)):
        for right in range(max(-radius, -column), min(radius + 1, size - column)):
            modules[row + down][column + right] = max(abs(down), abs(right)) not in light


def write_format(modules: list[list[bool | None]], mask: int) -> None:
    """Write the level and the mask, twice, and the module that is always dark (section 7.9)."""
    bits = (mask << 10 | remainder_of(mask << 10, FORMAT_GENERATOR)) ^ FORMAT_MASK
    around = [*range(6), 7, 8]  # past the timing pattern
    for bit in range(15):
        is_dark = bool(bits >> bit & 1)
        near = around[bit] if bit < 8 else around[14 - bit]
        if bit < 8:
            modules[near][8] = modules[8][-1 - bit] = is_dark
        else:
            modules[8][near] = modules[bit - 15][8] = is_dark
    modules[-8][8] = True


def remainder_of(bits: int, generator: int) -> int:
    """Return the remainder of a division of polynomials, whose factors are bits (a BCH code)."""
    while bits.bit_length() >= generator.bit_length():
        bits ^= generator << bits.bit_length() - generator.bit_length()
    return bits


def places_of_data(modules: list[list[bool | None]]) -> list[tuple[int, int]]:
    """Return the free modules in the order of the data: up and down in pairs of columns, from the right."""
    size, places = len(modules), []
    pairs = [*range(size - 1, 6, -2), *range(5, 0, -2)]  # the timing pattern's column is in none
    for number, right in enumerate(pairs):
        for row in range(size) if number % 2 else range(size - 1, -1, -1):
            places += [(row, column) for column in (right, right - 1) if modules[row][column] is None]
    return places


def penalty(code: Matrix) -> int:
    """Return how hard a code is to read (section 7.8.3)."""
    lines = [*code, *map(list, zip(*code, strict=True))]
    runs = sum(length - 2 for line in lines for length in runs_of(line) if length >= 5)
    blocks = sum(
        one[at] == one[at + 1] == two[at] == two[at + 1] for one, two in pairwise(code) for at in range(len(one) - 1)
    )
    finders = sum(map(count_finders, lines))
    share = 100 * sum(map(sum, code)) / len(code) ** 2
    return runs + 3 * blocks + 40 * finders + 10 * int(abs(share - 50) / 5)


def runs_of(line: list[bool]) -> Iterator[int]:
    """Yield how many modules in a row are alike."""
    return (len(list(run)) for _, run in groupby(line))


def count_finders(line: list[bool]) -> int:
    """Return how often a line looks like a finder pattern; the quiet zone counts as light."""
    margin = [False] * QUIET_ZONE
    framed = [*margin, *line, *margin]
    return sum(
        tuple(framed[at : at + 7]) == LIKE_A_FINDER and not (any(framed[at - 4 : at]) and any(framed[at + 7 : at + 11]))
        for at in range(4, len(line) - 2)
    )
