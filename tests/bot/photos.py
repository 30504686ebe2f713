"""Photos for tests, drawn in code."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image

COLORS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220)}


def draw(color: str = "red", size: tuple[int, int] = (320, 240)) -> Image.Image:
    """A plain photo of one of COLORS."""
    return Image.new("RGB", size, COLORS[color])


def encode(image: Image.Image, form: str = "JPEG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()
