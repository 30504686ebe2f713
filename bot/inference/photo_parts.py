"""The parts that a photo file consists of, walked without decoding: a few bytes of one part can cost seconds later."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice

MAX_PARTS = 250_000
"""Segments or chunks of one file. Files may have millions of tiny ones, on each of which a reader spends microseconds.
"""
MAX_SCANS = 40
"""Of a JPEG. A progressive one has ten; each goes over all pixels, and takes 65 bytes."""
MAX_PACKED, UNPACKED = 12, 4_000_000
"""Packed texts and profiles of a PNG: each takes a kilobyte, and so many bytes of memory when unpacked."""

PACKED = frozenset({b"iCCP", b"iTXt", b"zTXt"})
MAX_EXIF = 400
"""Blocks of EXIF in a JPEG: ordinary photos have one, and 20 MB take 320 of the largest. Pillow copies all that came
before for each, which makes a minute of many small ones."""
SOI, EOI, SOS, APP1 = b"\xd8", b"\xd9", b"\xda", b"\xe1"
"""JPEG's markers for its start, its end, a scan and metadata (ITU T.81, table B.1)."""
EXIF = b"Exif\0\0"
LENGTHLESS = frozenset({SOI, b"\xc8", *(bytes([kind]) for kind in range(0xF0, 0xFE))})
"""Markers that readers take for one without a segment: the start, and those kept for extensions."""
FRAMES = frozenset(bytes([kind]) for kind in range(0xC0, 0xD0)) - {b"\xc4", b"\xc8", b"\xcc"}
"""JPEG's markers for the list of the components, one for each way of coding."""
LOSSLESS = FRAMES - {b"\xc0", b"\xc1", b"\xc2", b"\xc9", b"\xca"} | {b"\xf7"}
"""Of these the ways of coding that no usual decoder reads: lossless, in steps of size, JPEG-LS (ITU T.87, C.1)."""
ARITHMETIC = frozenset(bytes([kind]) for kind in (0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF))
"""Ways of coding that libjpeg reads and nobody writes. Where such a scan's data end, it makes up the rest: 200 bytes
keep it busy for three seconds."""
ARITHMETIC_JPEG = "a JPEG of arithmetic coding"
END = b"\xff" + EOI
COEFFICIENTS = range(64)
"""Of a block of a JPEG."""
RESTARTS = range(0xD0, 0xD8)
"""Second bytes of the markers that a scan may have between its parts, one after another and from the first again."""
NOISES = (b"\xa5\x5a" * 32, b"\x5a\xa5" * 32)
"""Bytes of a scan that say something else than a decoder takes for missing ones, which are zeros. One of
them may look the same by chance, where rounding or white hides what it says: of two half as many cuts go unseen."""
SIGNATURE = re.compile(rb"\xff\xd8\xff.|\x89PNG\r\n\x1a\n.|GIF8[79]a.|RIFF.{4}WEBP.", re.DOTALL)
"""What a photo file begins with, and at least one byte more."""
MARKER = re.compile(rb"\xff([\xc0-\xcf\xd8-\xfe])")
"""The next marker that begins a segment. In a scan's data FF may be followed by 0 or by a restart's number.

FF with a reserved number has no length: decoders look for the next marker right behind it, where a scan may be.
A marker may begin with several FF, of which the last is found. A pattern that takes them all finds the same markers
fifteen times as slowly, and was half of decoding: re looks for one certain byte faster than for a repeated one."""


def find_excess(data: bytes) -> str | None:
    """What a JPEG, PNG or WebP file has too much of; None: nothing. What comes after its end does not count."""
    if data.startswith(b"\xff\xd8"):
        kinds, limits = _walk_costs(data), {SOS: (MAX_SCANS, "scans"), EXIF: (MAX_EXIF, "blocks of EXIF")}
    elif data.startswith(b"\x89PNG\r\n\x1a\n"):
        kinds, limits = _walk_png(data), dict.fromkeys(PACKED, (MAX_PACKED, "packed texts and profiles"))
    elif data.startswith(b"RIFF") and data.startswith(b"WEBP", 8):
        kinds, limits = _walk_webp(data), {}
    else:
        return None
    counts = Counter[str]()
    for number, kind in enumerate(kinds):
        if kind in limits:
            most, name = limits[kind]
            counts[name] += 1
            if counts[name] > most:
                return f"more than {most} {name}"
        if number > MAX_PARTS:
            return f"more than {MAX_PARTS:,} parts"
    return None


def has_signature(data: bytes) -> bool:
    """Whether a file begins as a photo does, be it damaged. BMP's two letters say too little."""
    return SIGNATURE.match(data) is not None


def find_unread_kind(data: bytes) -> str | None:
    """The kind of a JPEG that no usual decoder reads, as its frame says (ITU T.81, B.2.2). None: its kind is read."""
    if not data.startswith(b"\xff\xd8"):
        return None
    for kind, at in islice(_walk_segments(data), MAX_PARTS):
        if kind in FRAMES or kind in LOSSLESS:
            bits, height, components = data[at + 2 : at + 3], data[at + 3 : at + 5], data[at + 7 : at + 8]
            if kind in ARITHMETIC or kind in LOSSLESS:
                return ARITHMETIC_JPEG if kind in ARITHMETIC else "a lossless or hierarchical JPEG"
            if bits not in (b"\x08", b""):
                return f"a JPEG with {bits[0]} bits a sample"
            if height == b"\0\0":
                return "a JPEG that does not give its height at its start"
            return f"a JPEG with {components[0]} channels" if components not in (b"\1", b"\3", b"\4", b"") else None
    return None


def has_end(data: bytes) -> bool:
    """False: it is a JPEG, and the marker of its end is missing."""
    return not data.startswith(b"\xff\xd8") or EOI in islice(_walk_jpeg(data), MAX_PARTS)


def has_all_scans(data: bytes) -> bool:
    """Whether a JPEG's scans bring each coefficient of each component to its last bit (ITU T.81, B.2.3 and G.1.1)."""
    missing: set[tuple[int, int]] = set()
    for kind, at in islice(_walk_segments(data), MAX_PARTS):
        length = int.from_bytes(data[at : at + 2], "big")
        segment = data[at : at + length]
        if len(segment) < length:
            return False
        if kind in FRAMES:
            missing = {(component, number) for component in segment[8::3] for number in COEFFICIENTS}
        elif kind == SOS:
            components, (first, last, bits) = segment[3:-3:2], segment[-3:]
            if bits & 0x0F == 0:  # how many of the last bits come in a later scan
                missing -= {(component, number) for component in components for number in range(first, last + 1)}
    return not missing


def make_fillings(data: bytes) -> list[bytes]:
    """What a JPEG's last scan may go on with: nothing, or noise for the part that it is in and for the next one."""
    at = data.rfind(b"\xff" + SOS)
    restarts = sum(data.count(bytes([0xFF, restart]), at) for restart in RESTARTS)
    restart = bytes([0xFF, RESTARTS[restarts % len(RESTARTS)]])
    return [b"", *(noise + restart + noise for noise in NOISES)]


def _walk_jpeg(data: bytes) -> Iterator[bytes]:
    """Each marker's second byte."""
    return (kind for kind, _ in _walk_segments(data))


def _walk_costs(data: bytes) -> Iterator[bytes]:
    """The same, but EXIF for metadata that is that."""
    return (EXIF if kind == APP1 and data.startswith(EXIF, at + 2) else kind for kind, at in _walk_segments(data))


def _walk_segments(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Each marker's second byte, and where its segment is, up to the file's end. A camera may put a video behind it."""
    at, is_framed = 2, False
    while found := MARKER.search(data, at):
        kind, at = found[1], found.end()
        is_framed = is_framed or kind in FRAMES or kind in LOSSLESS
        if kind == EOI and not is_framed:  # of tables alone: readers go on to the next picture
            continue
        yield kind, at
        if kind == EOI:
            return
        if kind not in LENGTHLESS:
            at += max(2, int.from_bytes(data[at : at + 2], "big"))


def _walk_png(data: bytes) -> Iterator[bytes]:
    """Each chunk's name up to the file's end."""
    at = 8
    while at + 8 <= len(data) and (name := data[at + 4 : at + 8]) != b"IEND":
        yield name
        at += 12 + int.from_bytes(data[at : at + 4], "big")


def _walk_webp(data: bytes) -> Iterator[bytes]:
    """The name of each chunk of the file, for which its reader takes 48 bytes, and not of those within a frame."""
    at, end = 12, min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    while at + 8 <= end:
        yield data[at : at + 4]
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + size + size % 2
