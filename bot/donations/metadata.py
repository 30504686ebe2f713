"""A photo file's bytes -> a file with its pixels, upright, and nothing else: no place, no camera, no names."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass

from bot.inference.decoding import read
from bot.inference.flattening import LARGE

QUALITY = 95
"""Of a JPEG that was one before; the colours have the photo's full resolution."""
JPEG = b"\xff\xd8"
WHOLE = LARGE
"""Pixels above which a photo comes smaller."""


@dataclass(frozen=True)
class StrippedPhoto:
    content: bytes
    """The new file."""
    ending: str
    """What its name ends with: "jpg" or "png"."""
    digest: str
    """SHA-256 of the file that it was made from, in hexadecimal digits: by it the same photo is known again."""


def strip_metadata(data: bytes) -> StrippedPhoto:
    """A JPEG stays one, all else becomes a PNG, pixel by pixel.

    Of an animation the first frame is kept, and a photo of more than WHOLE pixels comes smaller. It takes as much
    memory as `estimate_memory` says with WHOLE. Raises PhotoError as `read` does.
    """
    content, ending = _write(data)
    return StrippedPhoto(content, ending, hashlib.sha256(data).hexdigest())


def _write(data: bytes) -> tuple[bytes, str]:
    image = read(data, whole=WHOLE)
    image.info.clear()  # Pillow would write comments and colour profiles of the file that was read
    buffer = io.BytesIO()
    if data.startswith(JPEG):
        image.save(buffer, "JPEG", quality=QUALITY, subsampling="4:4:4")
        return buffer.getvalue(), "jpg"
    image.save(buffer, "PNG")
    return buffer.getvalue(), "png"
