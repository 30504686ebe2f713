"""The variants in which Telegram keeps a photo, and the choice among them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from PIL import Image

BOXES = (90, 320, 800, 1280)
"""Telegram's variants of a photo fit into squares of these sides, in pixels (observed, not documented)."""
JPEG_QUALITY = 87


class Sized(Protocol):
    """What has a size in pixels: a Variant, or aiogram's PhotoSize."""

    @property
    def width(self) -> int: ...

    @property
    def height(self) -> int: ...


T = TypeVar("T", bound=Sized)


@dataclass(frozen=True)
class Variant:
    """One of Telegram's copies of a photo."""

    box: int
    """Which of BOXES it fits into."""
    width: int
    height: int
    jpeg: bytes


def make_variants(photo: Image.Image) -> Iterator[Variant]:
    """Telegram's JPEG variants of an RGB photo, smallest first. None is enlarged."""
    for box in BOXES:
        variant = photo.copy()
        variant.thumbnail((box, box))
        buffer = io.BytesIO()
        variant.save(buffer, "JPEG", quality=JPEG_QUALITY)
        yield Variant(box, *variant.size, buffer.getvalue())
        if variant.size == photo.size:
            return


def smallest_covering(variants: Sequence[T], pixels: int) -> T:
    """The smallest variant with at least `pixels` in width and height, else the largest one."""
    by_area = sorted(variants, key=lambda variant: variant.width * variant.height)
    return next((size for size in by_area if min(size.width, size.height) >= pixels), by_area[-1])
