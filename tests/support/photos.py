"""Photos for tests, drawn in code."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from PIL import Image

COLORS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220)}
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Passes of an interlaced PNG: first column and row, and the steps from there."""


def draw(color: str = "red", size: tuple[int, int] = (320, 240)) -> Image.Image:
    """A plain photo of one of COLORS."""
    return Image.new("RGB", size, COLORS[color])


def draw_corner(color: str = "red", size: tuple[int, int] = (320, 240)) -> Image.Image:
    """A dark photo whose lower right corner, 4/9 of it, is of one of COLORS."""
    photo = Image.new("RGB", size, (40, 40, 40))
    photo.paste(COLORS[color], (size[0] // 3, size[1] // 3, *size))
    return photo


def encode(image: Image.Image, form: str = "JPEG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def encode_heic(image: Image.Image, **options: Any) -> bytes:
    """Needs pillow_heif (requirements-heic.txt), and leaves Pillow as it is: nothing is registered."""
    buffer = io.BytesIO()
    import_module("pillow_heif").from_pillow(image).save(buffer, **options)
    return buffer.getvalue()


def animate(form: str, colors: Sequence[str] = ("red", "green", "blue"), **options: Any) -> bytes:
    first, *others = [draw(color) for color in colors]
    return encode(first, form, save_all=True, append_images=others, duration=100, **options)


def chunk(kind: bytes, data: bytes) -> bytes:
    """One of the parts that a PNG consists of."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    size: tuple[int, int],
    pixel: bytes = bytes(COLORS["red"]),
    *,
    kind: int = 2,
    depth: int = 8,
    interlaced: bool = False,
    before: bytes = b"",
    after: bytes = b"",
) -> bytes:
    """A plain PNG. One of 400 million pixels takes no memory, and no time: the same rows are packed once.

    `kind` is PNG's colour type (0 gray, 2 RGB, 3 palette, 4 gray and alpha, 6 RGBA), `pixel` whole bytes of it (of
    depth 1: eight pixels); `before` and `after` are chunks beside the picture's.
    """
    header = struct.pack(">IIBBBBB", *size, depth, kind, 0, 0, interlaced)
    packed, checksum = [b"\x78\xda"], 1
    for left, top, across, down in ADAM7 if interlaced else [(0, 0, 1, 1)]:
        pixels, rows = -(-(size[0] - left) // across), -(-(size[1] - top) // down)
        row = b"\0" + pixel * (pixels // 8 if depth == 1 else pixels)
        times, rest = divmod(rows, at_once := max(1, 1_000_000 // len(row)))
        for block, repeated in ((row * at_once, times), (row * rest, 1)):
            packed += [_deflate(block)] * repeated
            for _ in range(repeated):
                checksum = zlib.adler32(block, checksum)
    picture = chunk(b"IDAT", b"".join(packed) + b"\3\0" + struct.pack(">I", checksum))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before + picture + after + chunk(b"IEND", b"")


def _deflate(block: bytes) -> bytes:
    """Packed so that more blocks can follow, the same one included."""
    packer = zlib.compressobj(9, wbits=-15)
    return packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)


def bmp(size: tuple[int, int], data: bytes, *, depth: int = 8, compression: int = 1) -> bytes:
    """A BMP whose colour 0 is red and whose others are blue. `compression` 1 is by runs, 2 by runs of 4 bits."""
    red, blue = (bytes((*reversed(COLORS[color]), 0)) for color in ("red", "blue"))
    palette = red + blue * (2**depth - 1)
    start = 54 + len(palette)
    header = struct.pack("<IiiHHIIiiII", 40, *size, 1, depth, compression, len(data), 0, 0, 2**depth, 0)
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + header + palette + data
