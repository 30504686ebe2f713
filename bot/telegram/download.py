"""A file that Telegram holds -> its bytes, in memory and bounded."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from aiogram.exceptions import AiogramError, TelegramBadRequest
from aiogram.types import PhotoSize
from aiohttp import ClientError

from bot.backoff import backoff
from bot.delivery.slots import Cause, current_slot
from bot.inference.decoding import PhotoError, Reason, estimate_memory
from bot.monitoring.metrics import Metrics
from bot.telegram.budget import MemoryBudget

if TYPE_CHECKING:
    from aiogram import Bot
    from aiogram.types import Document, Sticker

MAX_BYTES = 20_000_000
"""Largest file that Telegram lets a bot fetch (Bot API, getFile)."""
TRIES = 8
TRY_SECONDS = 20.0


@asynccontextmanager
async def fetch(
    bot: Bot, file: PhotoSize | Document | Sticker, metrics: Metrics, budget: MemoryBudget
) -> AsyncIterator[bytes]:
    """A file's bytes, which may be decoded once for as long as the block lasts. Waits for room in `budget`.

    Raises PhotoError where `download` does.
    """
    if (file.file_size or 0) > MAX_BYTES:
        raise _too_many_bytes()
    async with AsyncExitStack() as held:
        async with current_slot().lent(Cause.DOWNLOAD):
            await held.enter_async_context(budget.files.hold(MAX_BYTES if file.file_size is None else file.file_size))
            data = await download(bot, file, metrics)
            is_small = isinstance(file, PhotoSize)  # made by Telegram, with at most 2560 pixels in width and height
            memory = 0 if is_small else await asyncio.to_thread(estimate_memory, data)
            await held.enter_async_context(budget.decoding.hold(memory))
        yield data


async def download(bot: Bot, file: PhotoSize | Document | Sticker, metrics: Metrics) -> bytes:
    """Fetch a file's bytes, in up to TRIES tries. Raises PhotoError if it is above MAX_BYTES or does not come."""
    if (file.file_size or 0) > MAX_BYTES:
        raise _too_many_bytes()
    for attempt in range(1, TRIES + 1):
        buffer = _BoundedBuffer()
        try:
            async with asyncio.timeout(TRY_SECONDS):
                path = (await bot.get_file(file.file_id)).file_path or ""
                if path.startswith("/"):  # of a Bot API server of one's own that runs with --local
                    return await asyncio.to_thread(_read_local, Path(path))
                await bot.download_file(path, buffer)
                return buffer.getvalue()
        except TelegramBadRequest as error:
            if "too big" in error.message:
                raise _too_many_bytes() from error
            failure = type(error).__name__
            break
        except (AiogramError, ClientError, TimeoutError, OSError) as error:
            # No text of the error, no cause: aiohttp's messages hold the file's address, and that holds the token.
            failure = type(error).__name__
        if attempt < TRIES:
            metrics.retries.labels("download", failure).inc()
            await asyncio.sleep(backoff(attempt))
    raise PhotoError(Reason.NOT_DELIVERED, f"the download failed: {failure}")


def _read_local(file: Path) -> bytes:
    """Raises PhotoError if it is not there or above MAX_BYTES."""
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
    except OSError as error:
        why = f"the Bot API server's file cannot be read here: {error.strerror}. Both need the same folder"
        raise PhotoError(Reason.NOT_DELIVERED, why) from error
    if len(data) > MAX_BYTES:
        raise _too_many_bytes()
    return data


class _BoundedBuffer(io.BytesIO):
    """Refuses to grow above MAX_BYTES, since a size announced by the sender may be missing or wrong."""

    def write(self, chunk: bytes) -> int:  # type: ignore[override]
        if self.tell() + len(chunk) > MAX_BYTES:
            raise _too_many_bytes()
        return super().write(chunk)


def _too_many_bytes() -> PhotoError:
    return PhotoError(Reason.TOO_MANY_BYTES, f"more than {MAX_BYTES // 1_000_000} MB")
