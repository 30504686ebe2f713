"""First hop: a photo's bytes -> the pixels that the net sees."""

from __future__ import annotations

import io
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from bot.contract import Preprocess

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
"""The formats that are opened, by Pillow's names; of the others that it knows some start other programs."""
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp"})
"""Endings of file names taken for photos when a folder is read."""
MAX_PIXELS = 50_000_000
"""Largest width x height that is decoded: 150 MB as RGB, and above what phones' cameras send as a photo."""


class Reason(StrEnum):
    """Why there is no answer to a photo. Each has a text in every language."""

    UNREADABLE = "unreadable"
    DAMAGED = "damaged"
    TOO_MANY_PIXELS = "too-many-pixels"
    TOO_MANY_BYTES = "too-many-bytes"
    NOT_DELIVERED = "not-delivered"


class PhotoError(Exception):
    """A photo cannot be answered. `reason` is for the user; the message is for logs and the command line."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def find_photos(folder: Path) -> list[Path]:
    """The files in `folder` and below it that are named like photos, sorted."""
    return [file for file in sorted(folder.rglob("*")) if file.suffix.lower() in SUFFIXES]


def decode(data: bytes, preprocess: Preprocess) -> NDArray[np.uint8]:
    """Turn a photo file's bytes into the model's input.

    Returns uint8 `[size, size, 3]`, RGB. Raises PhotoError where `read` does.
    """
    side, margin = preprocess.resize, (preprocess.resize - preprocess.size) // 2
    # Not one resize of the middle box: Pillow keeps a box in float32, and 5 % of photos came out a level off.
    squished = read(data).resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(squished.crop((margin, margin, margin + preprocess.size, margin + preprocess.size)))


def read(data: bytes) -> Image.Image:
    """Decode a photo file's bytes to an upright RGB image: EXIF orientation applied, transparency on white.

    Of an animation the first frame counts. Raises PhotoError if the bytes are not a photo in one of FORMATS,
    are damaged, or hold more than MAX_PIXELS (known from the header, before any pixel is decoded).
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as file:
            width, height = file.size
            if width * height > MAX_PIXELS:
                raise _too_many_pixels(f"{width}x{height} pixels")
            file.load()
            ImageOps.exif_transpose(file, in_place=True)
            return _rgb(file)
    except PhotoError:
        raise
    except UnidentifiedImageError as error:
        raise PhotoError(Reason.UNREADABLE, f"not a photo in {', '.join(FORMATS)}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels(str(error)) from error
    except Exception as error:  # Pillow's readers raise a dozen types on damaged files; this is where they end.
        raise PhotoError(Reason.DAMAGED, f"the photo is damaged: {error}") from error


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and not image.has_transparency_data:
        return image  # not a copy: a photo of 50 million pixels takes 150 MB
    if image.mode.startswith("I"):  # 16 bits a pixel: Pillow's own conversion would clip everything above 255
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def _too_many_pixels(found: str) -> PhotoError:
    return PhotoError(Reason.TOO_MANY_PIXELS, f"{found}; at most {MAX_PIXELS // 1_000_000} million are read")
