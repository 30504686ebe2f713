"""First hop: a photo's bytes -> the pixels that the net sees. The bytes may have been made to do harm."""

from __future__ import annotations

import io
import warnings
from enum import StrEnum
from importlib import import_module
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile

from bot.errors import LabelgramError
from bot.inference.contract import Preprocess
from bot.inference.flattening import LARGE, digest_pixels, load_flat
from bot.inference.photo_parts import (
    ARITHMETIC_JPEG,
    END,
    PACKED,
    UNPACKED,
    find_excess,
    find_unread_kind,
    has_all_scans,
    has_end,
    has_signature,
    make_fillings,
)

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
"""The formats that are opened, by Pillow's names; of the others that it knows some start other programs."""
HEIC = find_spec("pillow_heif") is not None
"""Whether HEIC is opened too: where requirements-heic.txt is installed."""
HEIC_STARTS = frozenset({b"ftypheic", b"ftypheix", b"ftypheim", b"ftypheis", b"ftypmif1"})

# Limits that keep the decoding of any one file below 180 MB. test_hostile_photos.py measures.
MAX_PIXELS = 25_000_000
"""Largest width x height that is decoded in full: 4 bytes a pixel, and above what phones' cameras save by default."""
MAX_PIXELS_JPEG = 50_000_000
"""Of JPEG, of which half, a quarter or an eighth of the size is decoded where that is enough."""
MAX_SAMPLES_JPEG = 75_000_000
"""In all channels: of a progressive JPEG all are held, 2 bytes each. 50 million pixels at 4:2:0, 25 at 4:4:4."""
MAX_PIXELS_ENDLESS = 12_500_000
"""Of a progressive JPEG without its end, which is decoded three times, each time in full: of 50 million that took 5 s.
"""
MAX_PIXELS_WEBP = 12_500_000
"""Of WebP, whose decoder holds two canvases and hands over a copy: 12 bytes a pixel."""
BYTES_RGB = 4
"""What a pixel of Pillow's RGB images takes, and of those with transparency."""
BYTES, BYTES_LARGE, BYTES_WEBP = 2 * BYTES_RGB, 6, 12
"""Memory that a pixel takes while it is decoded, but for JPEG's: two images, of which the second is the RGB one or the
upright one. Of more than LARGE pixels the second is smaller. WebP's decoder has a second canvas.
"""
MAX_PIXELS_RUNS = 5_000_000
"""Of a run-length encoded BMP, which Pillow unpacks pixel by pixel in Python."""
MAX_MEMORY = 160_000_000
"""Bytes that decoding may take, by the estimate from what the header says."""
MAX_SIDE = 65_535
"""Pixels, JPEG's own limit: a filter's weights for the squeezing of a row of millions take gigabytes."""
MAX_PIECES = 250_000
"""Reads of one file. Most formats allow millions of tiny pieces, over each of which Pillow spends microseconds."""
MOST_REFILLS = 16
"""Pieces that pixels are read in, where those of Pillow are smaller. Its JPEG decoder goes back to the first of many FF
each time, and has all pieces since then copied: of 20 MB that took 17 s.
"""
ENOUGH_JPEG = 240
"""Width and height that are enough of a JPEG: it holds its half, quarter and eighth, which are decoded sooner. Of
1280 x 960 that is the quarter: the net sees 224 x 224. Of 2,628 photos of 480 to 1280 pixels one label changed.
"""

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a photo upright, by EXIF orientation."""


class Reason(StrEnum):
    """Why there is no answer to a photo. Each has a text in every language."""

    UNREADABLE = "unreadable"
    UNSUPPORTED = "unsupported"
    """It is a photo in one of FORMATS, of a kind that few programs read."""
    DAMAGED = "damaged"
    TOO_MANY_PIXELS = "too-many-pixels"
    TOO_MANY_BYTES = "too-many-bytes"
    NOT_DELIVERED = "not-delivered"


class PhotoError(LabelgramError):
    """A photo cannot be answered. `reason` is for the user; the message is for logs and the command line."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def decode(data: bytes, preprocess: Preprocess) -> NDArray[np.uint8]:
    """Turn a photo file's bytes into the model's input.

    Returns uint8 `[size, size, 3]`, RGB. Raises PhotoError where `read` does.
    """
    return fit(read(data), preprocess)


def fit(image: Image.Image, preprocess: Preprocess) -> NDArray[np.uint8]:
    """Squish an upright RGB image, and cut its margin off: uint8 `[size, size, 3]`."""
    side, margin = preprocess.resize, (preprocess.resize - preprocess.size) // 2
    # Not one resize of the middle box: Pillow keeps a box in float32, and 5 % of photos came out a level off.
    squished = image.resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(squished.crop((margin, margin, margin + preprocess.size, margin + preprocess.size)))


def read(data: bytes, enough: int = ENOUGH_JPEG, whole: int = 0) -> Image.Image:
    """Decode a photo file's bytes to an upright RGB image: EXIF orientation applied, transparency on white.

    Of an animation the first frame counts. A JPEG comes smaller if it can with `enough` pixels in width and height,
    unless it has `whole` pixels or fewer; another photo as `load_flat` says. Raises PhotoError if the bytes are not a
    photo in one of FORMATS, are damaged, or hold more pixels than the limits above (known from the header, before any
    is decoded).
    """
    try:
        return _load(data, enough, whole) if has_end(data) else _load_without_end(data, enough, whole)
    except PhotoError:
        raise
    except (Image.DecompressionBombError, MemoryError) as error:
        detail = "no memory left" if isinstance(error, MemoryError) else "more pixels than any photo has"
        raise PhotoError(Reason.TOO_MANY_PIXELS, detail) from error
    except Exception as error:  # Pillow's readers raise a dozen types on damaged files; this is where they end.
        raise _explain(data, error) from error


def _explain(data: bytes, error: Exception) -> PhotoError:
    kind = find_unread_kind(data) or (str(error) if "Unsupported" in str(error) else None)  # of BMP Pillow says it
    if kind:
        return _make_unsupported(kind)
    if not isinstance(error, UnidentifiedImageError):
        return PhotoError(Reason.DAMAGED, f"the photo is damaged: {error}")
    if has_signature(data):
        return PhotoError(Reason.DAMAGED, "the photo is damaged: its header cannot be read")
    return PhotoError(Reason.UNREADABLE, f"not a photo in {', '.join(FORMATS)}")


def _make_unsupported(kind: str) -> PhotoError:
    return PhotoError(
        Reason.UNSUPPORTED, f"this kind of photo cannot be read ({kind}): save it as an ordinary JPEG or PNG"
    )


def _load(data: bytes, enough: int, whole: int) -> Image.Image:
    with _open(data) as file:
        _limit(file, enough, whole)
        image, turn = load_flat(file), _find_turn(file)
    del file  # and its pixels, where these are not the image's: turning makes a second one
    return image if turn is None else image.transpose(turn)


def _load_without_end(data: bytes, enough: int, whole: int) -> Image.Image:
    """A JPEG to which no more is missing than the marker of its end, as phones show it.

    If a part of its last scan is missing too, a decoder makes that up from what comes in its place.
    """
    with _open(data) as file:
        if "progressive" in file.info and file.width * file.height > MAX_PIXELS_ENDLESS:
            raise PhotoError(Reason.DAMAGED, "the photo is damaged: its end is missing")
    digests = set()
    for filling in make_fillings(data):
        image = _load(data.rstrip(b"\xff") + filling + END, enough, whole)
        digests.add(digest_pixels(image))
        if len(digests) > 1 or not has_all_scans(data):
            raise PhotoError(Reason.DAMAGED, "the photo is damaged: its end is missing")
    return image


def estimate_memory(data: bytes, whole: int = 0) -> int:
    """Bytes that decoding a photo file's bytes takes at most, beside these. 0 if it will be refused.

    `whole`: as `read` takes it. Of two images the second may as well be the photo's new file.
    """
    try:
        with _open(data) as file:
            return _limit(file, whole=whole) + UNPACKED * sum(map(data.count, PACKED))
    except Exception:  # decoding meets the same, and says what it is
        return 0


def is_photo(data: bytes) -> bool:
    """Whether a file's first bytes are those of a photo in one of FORMATS, be it damaged."""
    if has_signature(data):
        return True
    try:
        with _open(data):
            return True
    except Exception as error:  # Pillow's readers raise a dozen types on damaged files
        return not isinstance(error, UnidentifiedImageError)


class _Pieces(io.BytesIO):
    """A file that is not read in more than MAX_PIECES pieces."""

    left = MAX_PIECES

    def read(self, size: int | None = -1, /) -> bytes:
        self.left -= 1
        if self.left < 0:
            raise PhotoError(Reason.DAMAGED, f"the file has more than {MAX_PIECES} pieces")
        return super().read(size)


def _open(data: bytes) -> ImageFile:
    # Pillow warns of damaged metadata, and of sizes that `_limit` judges. No answer depends on how warnings are taken.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    if HEIC and data[4:12] in HEIC_STARTS:
        heif = import_module("pillow_heif")
        heif.options.DECODE_THREADS = 1
        file: ImageFile = heif.HeifImageFile(io.BytesIO(data))
        return file
    if find_unread_kind(data) == ARITHMETIC_JPEG:
        raise _make_unsupported(ARITHMETIC_JPEG)
    if excess := find_excess(data):
        raise PhotoError(Reason.DAMAGED, f"the file has {excess}")
    photo = Image.open(_Pieces(data), formats=FORMATS)
    photo.decodermaxblock = max(photo.decodermaxblock, len(data) // MOST_REFILLS)
    return photo


def _limit(file: ImageFile, enough: int = ENOUGH_JPEG, whole: int = 0) -> int:
    """Refuse what takes too much memory, and have a JPEG of more than `whole` pixels decoded smaller, not yet.

    Returns the bytes that decoding takes at most.
    """
    width, height = file.size
    limit = MAX_PIXELS_WEBP if file.format == "WEBP" else MAX_PIXELS
    coefficients = 0
    if file.tile and file.tile[0].codec_name == "bmp_rle":
        limit = MAX_PIXELS_RUNS
    if isinstance(file, JpegImageFile):
        channels = [across * down for _, across, down, _ in file.layer]  # how finely each is sampled
        if width * height > whole:
            file.draft(None, (enough, enough))
        limit = MAX_PIXELS if file.size == (width, height) else MAX_PIXELS_JPEG
        limit = min(limit, MAX_SAMPLES_JPEG * max(channels) // sum(channels))
        coefficients = 2 * width * height * sum(channels) // max(channels)
    pixels = file.width * file.height
    each = BYTES_WEBP if file.format == "WEBP" else BYTES if pixels <= LARGE else BYTES_LARGE
    memory = max(each * pixels, BYTES_RGB * pixels + coefficients)
    if width * height > limit or max(width, height) > MAX_SIDE or memory > MAX_MEMORY:
        if max(width, height) > MAX_SIDE:
            most = f"{MAX_SIDE:,} in width and height are read"
        elif width * height > limit:
            most = f"{limit / 1_000_000:g} million are read"
        else:
            most = f"as many are read as take {MAX_MEMORY // 1_000_000} MB to decode"
        raise PhotoError(Reason.TOO_MANY_PIXELS, f"{width}x{height} pixels; of this kind at most {most}")
    return memory


def _find_turn(file: ImageFile) -> Image.Transpose | None:
    try:
        return TURNS.get(file.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # as many types as there are ways to damage an EXIF block; the pixels are whole
        return None
