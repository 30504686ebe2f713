"""A file that Telegram holds -> its bytes, in memory and bounded."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from aiogram.exceptions import AiogramError
from aiohttp import ClientError

from bot.photo import PhotoError, Reason

if TYPE_CHECKING:
    from aiogram import Bot
    from aiogram.types import Document, PhotoSize

MAX_BYTES = 20_000_000
"""Largest file that Telegram lets a bot fetch (Bot API, getFile)."""


def smallest_covering(sizes: Sequence[PhotoSize], pixels: int) -> PhotoSize:
    """The smallest of a photo's variants with at least `pixels` in width and height, else the largest one."""
    by_area = sorted(sizes, key=lambda size: size.width * size.height)
    return next((size for size in by_area if min(size.width, size.height) >= pixels), by_area[-1])


async def download(bot: Bot, file: PhotoSize | Document) -> bytes:
    """Fetch a file's bytes. Raises PhotoError if it is larger than MAX_BYTES or does not arrive whole."""
    if (file.file_size or 0) > MAX_BYTES:
        raise _too_many_bytes()
    buffer = _BoundedBuffer()
    try:
        await bot.download(file, buffer, timeout=30)
    except (AiogramError, ClientError, TimeoutError, OSError) as error:
        # `from None` and no text of the error: aiohttp's messages hold the file's address, and that holds the token.
        raise PhotoError(Reason.NOT_DELIVERED, f"the download failed: {type(error).__name__}") from None
    return buffer.getvalue()


class _BoundedBuffer(io.BytesIO):
    """Refuses to grow above MAX_BYTES, since a size announced by the sender may be missing or wrong."""

    def write(self, chunk: bytes) -> int:  # type: ignore[override]
        if self.tell() + len(chunk) > MAX_BYTES:
            raise _too_many_bytes()
        return super().write(chunk)


def _too_many_bytes() -> PhotoError:
    return PhotoError(Reason.TOO_MANY_BYTES, f"more than {MAX_BYTES // 1_000_000} MB")
