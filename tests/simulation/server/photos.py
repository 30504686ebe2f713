"""Photos that tell what they show, and whose they are: a plain colour, with the person's number in its corner."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

from PIL import Image

from tests.support.photos import COLORS, encode

POISON = (200, 200, 40)
"""Brings the process down when it is looked at."""
CURSED = (200, 40, 200)
"""Raises when it is looked at."""
SIZE = (64, 48)
BITS = 8
SIDE = 8


@cache
def draw_photo(color: str, person: int) -> bytes:
    """A JPEG of one of COLORS, `poison`, `cursed`, or `damaged`; with the low bits of `person` in its upper row."""
    shade = {"poison": POISON, "cursed": CURSED, **COLORS}.get(color, COLORS["red"])
    image = Image.new("RGB", SIZE, shade)
    for bit in range(BITS):
        value = 255 if person >> bit & 1 else 0
        image.paste((value, value, value), (bit * SIDE, 0, (bit + 1) * SIDE, SIDE))
    data = encode(image, quality=90)
    return data[: len(data) // 2] if color == "damaged" else data


def read_person(file: Path) -> int:
    """The low bits of the number of the person whose photo it is."""
    image = Image.open(io.BytesIO(file.read_bytes())).convert("L").resize(SIZE)
    middle = SIDE // 2
    row = image.crop((0, middle, SIZE[0], middle + 1)).tobytes()
    return sum(1 << bit for bit in range(BITS) if row[bit * SIDE + middle] > 127)
