"""A photo file's bytes -> a file with its pixels, upright, and nothing else: no place, no camera, no names."""

from __future__ import annotations

import io

from bot.inference.decoding import read
from bot.inference.flattening import LARGE

QUALITY = 95
"""Of a JPEG that was one before; the colours have the photo's full resolution."""
JPEG = b"\xff\xd8"


def strip_metadata(data: bytes) -> tuple[bytes, str]:
    """The new file's bytes and what its name ends with: a JPEG stays one, all else becomes a PNG, pixel by pixel.

    Of an animation the first frame is kept, and a photo of more than LARGE pixels comes smaller. Raises PhotoError as
    `read` does.
    """
    image = read(data, whole=LARGE)
    image.info.clear()  # Pillow would write comments and colour profiles of the file that was read
    buffer = io.BytesIO()
    if data.startswith(JPEG):
        image.save(buffer, "JPEG", quality=QUALITY, subsampling="4:4:4")
        return buffer.getvalue(), "jpg"
    image.save(buffer, "PNG")
    return buffer.getvalue(), "png"
