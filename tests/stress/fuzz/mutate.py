"""Real photos -> damaged ones. Every input is made from a seed and its number alone, so that it can be made again."""

from __future__ import annotations

import random
import re
import struct
from collections.abc import Callable
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

from PIL import Image

from tests.support.photos import animate, bmp, chunk, draw, encode, encode_heic, png

PHOTOS = 24
"""ClaimedElsewhere from the folder of photos, evenly over its sorted names."""
EXTREMES = (0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
Mutation = Callable[[random.Random, bytearray, bytes], bytearray]


def build_corpus(folder: Path | None) -> list[bytes]:
    """Photos of `folder` (drawn ones if it is None), each of them in another format in turn, and handmade files."""
    files = sorted(folder.rglob("*.jpg")) if folder else []
    originals = [file.read_bytes() for file in islice(files, 0, None, max(1, len(files) // PHOTOS))]
    photos = [Image.open(file).convert("RGB") for file in islice(files, 1, None, max(1, len(files) // PHOTOS))]
    for photo in photos:
        photo.thumbnail((320, 320))
    if not photos:
        photos = [_draw_clouds(number) for number in range(8)]
    variants = _VARIANTS * (1 + len(photos) // len(_VARIANTS))
    made = [variant(photos[number % len(photos)]) for number, variant in enumerate(variants)]
    return [*originals, *made, *_handmade()]


def _draw_clouds(number: int) -> Image.Image:
    clouds = Image.frombytes("RGB", (20, 15), random.Random(number).randbytes(20 * 15 * 3))
    return clouds.resize((160 + 7 * number, 120), Image.Resampling.BICUBIC)


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "camera"
    exif.get_ifd(0x8769)[0x9003] = "2026:01:01 00:00:00"
    return exif


def _gray16(photo: Image.Image) -> Image.Image:
    return photo.convert("L").convert("I").point(lambda level: level * 257).convert("I;16")


_VARIANTS: list[Callable[[Image.Image], bytes]] = [
    lambda photo: encode(photo, progressive=True, quality=70),
    lambda photo: encode(photo, exif=_exif(6), subsampling=0, comment=b"hello", icc_profile=bytes(3000)),
    lambda photo: encode(photo.convert("CMYK"), quality=50),
    lambda photo: encode(photo.convert("L"), restart_marker_rows=1),
    lambda photo: encode(photo, "MPO", save_all=True, append_images=[photo.resize((32, 24))]),
    lambda photo: encode(photo, "PNG", exif=_exif(3)),
    lambda photo: encode(photo.convert("RGBA"), "PNG", compress_level=0),
    lambda photo: encode(photo.quantize(64), "PNG", transparency=3),
    lambda photo: encode(photo.quantize(4), "PNG", bits=2),
    lambda photo: encode(_gray16(photo), "PNG"),
    lambda photo: encode(photo.convert("1"), "PNG"),
    lambda photo: encode(photo, "PNG", save_all=True, append_images=[photo.transpose(Image.Transpose.ROTATE_180)]),
    lambda photo: encode(photo, "WEBP", exif=_exif(8)),
    lambda photo: encode(photo, "WEBP", lossless=True, method=0),
    lambda photo: encode(photo.convert("RGBA").rotate(30), "WEBP", method=0),
    lambda photo: encode(photo, "WEBP", save_all=True, append_images=[photo.rotate(90)], method=0, xmp=b"<x/>"),
    lambda photo: encode(photo.quantize(128), "GIF", comment=b"hello"),
    lambda photo: encode(photo, "GIF", save_all=True, append_images=[photo.rotate(90)], transparency=0, disposal=2),
    lambda photo: encode(photo, "BMP"),
    lambda photo: encode(photo.quantize(16), "BMP"),
    lambda photo: encode(photo.convert("1"), "BMP"),
]


def _handmade() -> list[bytes]:
    heic = [encode_heic(draw())] if find_spec("pillow_heif") else []
    return [
        *heic,
        png((90, 70), interlaced=True),
        png((90, 70), bytes(8), kind=6, depth=16, before=chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<x/>")),
        png((64, 64), b"\x01", kind=3, before=chunk(b"PLTE", bytes(range(30))) + chunk(b"tRNS", b"\0\x80\xff")),
        bmp((50, 40), b"\x32\x00\x00\x00" * 40 + b"\0\1"),
        bmp((50, 40), b"\x2d\x01\0\5\x12\x34\x50\0\0\0" * 40 + b"\0\1", depth=4, compression=2),
        animate("PNG", default_image=True),
        b"%PDF-1.7\n" + encode(draw()),
    ]


def mutate(corpus: list[bytes], seed: int, number: int) -> bytes:
    """Input `number`: a photo of `corpus` with one to four mutations."""
    chance = random.Random(f"{seed}:{number}")
    data, other = bytearray(chance.choice(corpus)), chance.choice(corpus)
    for _ in range(chance.choice((1, 1, 2, 4))):
        data = chance.choice(_MUTATIONS)(chance, data, other) or bytearray(b"\0")
    return _mend(bytes(data)) if chance.random() < 0.7 else bytes(data)


def _place(chance: random.Random, data: bytearray) -> int:
    """Anywhere, but half of the times near the start, where the headers are."""
    return chance.randrange(min(len(data), chance.choice((64, 700, len(data), len(data)))))


def _flip(chance: random.Random, data: bytearray, other: bytes) -> bytearray:
    for _ in range(chance.randint(1, 12)):
        data[_place(chance, data)] ^= 1 << chance.randrange(8)
    return data


def _overwrite(chance: random.Random, data: bytearray, _: bytes) -> bytearray:
    at, length = _place(chance, data), chance.choice((1, 2, 8, 60, 500))
    run = chance.choice((chance.randbytes(length), bytes([chance.choice((0, 255, 0x55))]) * length))
    data[at : at + length] = run[: len(data) - at]
    return data


def _truncate(chance: random.Random, data: bytearray, _: bytes) -> bytearray:
    return data[: chance.randint(1, len(data))]


def _insert(chance: random.Random, data: bytearray, _: bytes) -> bytearray:
    at = _place(chance, data)
    data[at:at] = chance.randbytes(chance.choice((1, 3, 40, 1000)))
    return data


def _cut(chance: random.Random, data: bytearray, _: bytes) -> bytearray:
    at = _place(chance, data)
    del data[at : at + chance.choice((1, 3, 40, 1000))]
    return data


def _duplicate(chance: random.Random, data: bytearray, _: bytes) -> bytearray:
    at = _place(chance, data)
    block = data[at : at + chance.choice((1, 12, 80, 3000))]
    data[at:at] = block * chance.choice((1, 2, 30))
    return data


def _splice(chance: random.Random, data: bytearray, other: bytes) -> bytearray:
    return data[: _place(chance, data)] + other[chance.randrange(len(other)) :]


def _extreme(chance: random.Random, data: bytearray, _: bytes) -> bytearray:
    """A number at an end of its range, where a length or a count may be."""
    form = chance.choice(("<B", ">H", "<H", ">I", "<I"))
    size = struct.calcsize(form)
    value = chance.choice(EXTREMES) + chance.choice((-1, 0, 0, 1))
    at = _place(chance, data)
    data[at : at + size] = struct.pack(form, value % (1 << 8 * size))
    return data


def _resize(chance: random.Random, data: bytearray, _: bytes) -> bytearray:
    """Another width or height in the header."""
    fields = _size_fields(data)
    if fields:
        at, form = chance.choice(fields)
        most = min(1 << 8 * struct.calcsize(form), chance.choice((4, 600, 6_000, 70_000, 1 << 32)))
        data[at : at + struct.calcsize(form)] = struct.pack(form, chance.randrange(most))
    return data


def _size_fields(data: bytearray) -> list[tuple[int, str]]:
    """Where width and height are, and how they are written."""
    fields: list[tuple[int, str]] = []
    if data.startswith(b"\x89PNG"):
        fields = [(16, ">I"), (20, ">I")]
    elif data.startswith(b"GIF8"):
        fields = [(6, "<H"), (8, "<H"), *((found.start() + 5, "<H") for found in re.finditer(rb"\0,\0\0\0\0", data))]
    elif data.startswith(b"BM"):
        fields = [(18, "<I"), (22, "<I")]
    elif data.startswith(b"RIFF"):
        fields = [(24, "<H"), (27, "<H")] if data[12:16] == b"VP8X" else [(21, "<I"), (26, "<H"), (28, "<H")]
    elif data.startswith(b"\xff\xd8"):
        frames = [found.start() for found in re.finditer(rb"\xff[\xc0\xc2]\0[\x0b\x11\x14]\x08", data)]
        fields = [(at + offset, ">H") for at in frames for offset in (5, 7)]
    return [(at, form) for at, form in fields if at + struct.calcsize(form) <= len(data)]


def _shuffle(chance: random.Random, data: bytearray, other: bytes) -> bytearray:
    """One of the parts that the format consists of is dropped, doubled, moved, or comes from another file."""
    parts = _split(bytes(data))
    at, to = chance.randrange(len(parts)), chance.randrange(len(parts))
    match chance.randrange(5):
        case 0:
            del parts[at]
        case 1:
            parts[at:at] = [parts[at]] * chance.choice((1, 3, 50, 400))
        case 2:
            parts.insert(to, parts.pop(at))
        case 3:
            parts.insert(at, chance.choice(_split(other)))
        case _:
            part = bytearray(parts[at])
            if part:
                part[min(len(part) - 1, chance.choice((0, 3, 4, 8, 9)))] = chance.choice((0, 1, 0x7F, 0xFF))
            parts[at] = bytes(part)
    return bytearray(b"".join(parts))


def _split(data: bytes) -> list[bytes]:
    """A file's parts: PNG's chunks, JPEG's segments, RIFF's chunks, GIF's blocks. Joined they are the file again."""
    starts = [0]
    if data.startswith(b"\x89PNG"):
        starts += [found.start() - 4 for found in re.finditer(rb"(?<=[\0-\xff]{4})[A-Za-z][A-Z]{2}[A-Za-z]", data)]
    elif data.startswith(b"\xff\xd8"):
        starts += [found.start() for found in re.finditer(rb"\xff[\xc0-\xfe]", data)]
    elif data.startswith(b"RIFF"):
        starts += [found.start() for found in re.finditer(rb"VP8[ LX]|ALPH|ANIM|ANMF|EXIF|XMP |ICCP", data)]
    elif data.startswith(b"GIF8"):
        starts += [found.start() + 1 for found in re.finditer(rb"\0(?=[!,])", data)]
    else:
        starts += [at for at in (14, 18, 22, 26, 54, len(data) // 2) if at < len(data)]
    starts = sorted({start for start in starts if start >= 0})
    return [data[start:end] for start, end in zip(starts, [*starts[1:], len(data)], strict=True)]


def _mend(data: bytes) -> bytes:
    """Right checksums in a PNG and the right length in a WebP: behind wrong ones little would be reached."""
    if data.startswith(b"RIFF") and len(data) > 8:
        return data[:4] + struct.pack("<I", len(data) - 8) + data[8:]
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    mended, at = [data[:8]], 8
    while at + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        mended.append(chunk(data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return b"".join(mended)


_MUTATIONS: list[Mutation] = [
    *(_flip, _overwrite, _truncate, _insert, _cut, _duplicate, _splice, _extreme, _extreme, _resize, _shuffle, _shuffle)
]
