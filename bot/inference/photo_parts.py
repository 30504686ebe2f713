"""The parts that a photo file consists of, walked without decoding: a few bytes of one part can cost seconds later."""

from __future__ import annotations

import re
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
SOI, EOI, SOS, TEM = b"\xd8", b"\xd9", b"\xda", b"\x01"
"""JPEG's markers for its start, its end, a scan, and private use (ITU T.81, table B.1)."""
END = b"\xff" + EOI
FILLING = b"\xa5\x5a" * 32
"""Bytes of a scan that say something else than a decoder takes for missing ones, which are zeros."""
MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])", re.DOTALL)
"""The next marker after a scan's data, in which FF is followed by 0 or by a restart's number.

A marker may begin with several FF, of which the last is found. A pattern that takes them all finds the same markers
fifteen times as slowly, and was half of decoding: re looks for one certain byte faster than for a repeated one."""


def find_excess(data: bytes) -> str | None:
    """What a JPEG or PNG file has too much of; None: nothing. What comes after its end does not count."""
    if data.startswith(b"\xff\xd8"):
        kinds, costly, most, name = _walk_jpeg(data), frozenset({SOS}), MAX_SCANS, "scans"
    elif data.startswith(b"\x89PNG\r\n\x1a\n"):
        kinds, costly, most, name = _walk_png(data), PACKED, MAX_PACKED, "packed texts and profiles"
    else:
        return None
    count = 0
    for number, kind in enumerate(kinds):
        count += kind in costly
        if count > most:
            return f"more than {most} {name}"
        if number > MAX_PARTS:
            return f"more than {MAX_PARTS:,} parts"
    return None


def has_end(data: bytes) -> bool:
    """False: it is a JPEG, and the marker of its end is missing."""
    return not data.startswith(b"\xff\xd8") or EOI in islice(_walk_jpeg(data), MAX_PARTS)


def _walk_jpeg(data: bytes) -> Iterator[bytes]:
    """Each marker's second byte, and the file's end. A camera may put a video behind that."""
    at = 2
    while found := MARKER.search(data, at):
        kind = found[1]
        yield kind
        if kind == EOI:
            return
        at = found.end()
        if kind not in (SOI, TEM):
            at += max(2, int.from_bytes(data[at : at + 2], "big"))


def _walk_png(data: bytes) -> Iterator[bytes]:
    """Each chunk's name up to the file's end."""
    at = 8
    while at + 8 <= len(data) and (name := data[at + 4 : at + 8]) != b"IEND":
        yield name
        at += 12 + int.from_bytes(data[at : at + 4], "big")
