"""A file that Telegram holds -> its bytes, in memory and bounded."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from aiogram.exceptions import (
    AiogramError,
    TelegramBadRequest,
    TelegramRetryAfter,
    TelegramUnauthorizedError,
)
from aiogram.methods import GetFile
from aiogram.types import PhotoSize
from aiohttp import ClientError, ClientResponseError

from bot.backoff import backoff
from bot.delivery.lanes.slots import current_slot
from bot.delivery.lanes.waiting import Cause, Expired
from bot.delivery.retries import TRANSIENT
from bot.inference.decoding import PhotoError, Reason, estimate_memory, is_photo
from bot.monitoring.metrics import Metrics
from bot.telegram.media.budget import MemoryBudget

if TYPE_CHECKING:
    from aiogram import Bot
    from aiogram.types import Document, Sticker

MAX_BYTES = 20_000_000
"""Largest file that Telegram lets a bot fetch (Bot API, getFile)."""
PASSING = (408, 423, 425, 429)
"""Refusals of a file server that say no more than: not now."""
TRIES = 8
LONGEST = 3600.0
"""Seconds for which a file is waited for."""
LONGEST_PAGE = 300.0
"""The same where something else comes in its place: a gateway in trouble is soon well, and another file stays so."""
AGED_TRIES = 4
"""What is tried of an update older than that: it may have waited for its chat. A put-down one is tried as often."""
TRY_SECONDS = 20.0
PAGE_STARTS = (b"<", b"{", b"")
"""What a gateway's page in the place of a file starts with: HTML, JSON, or nothing."""


@asynccontextmanager
async def fetch(
    bot: Bot, file: PhotoSize | Document | Sticker, metrics: Metrics, budget: MemoryBudget, whole: int = 0
) -> AsyncIterator[bytes]:
    """A file's bytes, which may be decoded once for as long as the block lasts. Waits for room in `budget`.

    `whole`: as `read` takes it, for who decodes more of a photo than an answer needs.

    It is tried for as long as Telegram is in trouble; between two tries nothing of the budget is held, and the update's
    slot goes back. Raises PhotoError if the file is above MAX_BYTES, if Telegram refuses it TRIES times, does not
    bring it for LONGEST seconds or asks for a longer wait, or brings another one for LONGEST_PAGE; PutDown where the
    update is to wait elsewhere.
    """
    if (file.file_size or 0) > MAX_BYTES:
        raise _too_many_bytes()
    attempt = refusals = 0
    slot = current_slot()
    slot.step_aside()
    while True:
        attempt += 1
        async with AsyncExitStack() as held:
            try:
                async with slot.lent(Cause.DOWNLOAD):
                    size = MAX_BYTES if file.file_size is None else file.file_size
                    await held.enter_async_context(budget.files.hold(size))
                    data = await _fetch_once(bot, file)
                    is_small = isinstance(file, PhotoSize)  # made by Telegram, with at most 2560 pixels both ways
                    memory = 0 if is_small and not whole else await asyncio.to_thread(estimate_memory, data, whole)
                    await held.enter_async_context(budget.decoding.hold(memory))
            except _Refusal as error:
                refusal = error
            else:
                yield data
                return
        refusals += refusal.is_final or not slot.is_patient
        wait = refusal.retry_after or backoff(attempt)
        is_late = slot.age + wait > refusal.patience and (attempt >= AGED_TRIES or wait > TRY_SECONDS)
        if refusals >= TRIES or is_late:
            raise PhotoError(Reason.NOT_DELIVERED, f"the download failed: {refusal}")
        metrics.retries.labels("download", str(refusal)).inc()
        try:
            await slot.wait(wait, Cause.DOWNLOAD)
        except Expired as error:
            raise PhotoError(Reason.NOT_DELIVERED, f"the download failed: {refusal}") from error


class _Refusal(Exception):  # noqa: N818  # it is handled where it is raised
    """A file did not come. Only the error's name: aiohttp's messages hold the address, and that holds the token."""

    def __init__(self, error: Exception, is_final: bool, patience: float = LONGEST) -> None:
        super().__init__(type(error).__name__)
        self.retry_after = float(error.retry_after) if isinstance(error, TelegramRetryAfter) else 0.0
        """Seconds that Telegram asks for; 0: it names none."""
        self.patience = patience
        """Seconds after which it is no longer waited for."""
        self.is_final = is_final
        """It is not likely to come later either."""


async def _fetch_once(bot: Bot, file: PhotoSize | Document | Sticker) -> bytes:
    """Raises _Refusal, PhotoError."""
    buffer = _BoundedBuffer()
    try:
        async with asyncio.timeout(TRY_SECONDS):
            path = (await bot(GetFile(file_id=file.file_id))).file_path or ""
            if path.startswith("/"):  # of a Bot API server of one's own that runs with --local
                return await asyncio.to_thread(_read_local, Path(path))
            await bot.download_file(path, buffer)
        data = buffer.getvalue()
        if file.file_size not in (None, len(data)) and not await asyncio.to_thread(is_photo, data):
            raise _Refusal(_OtherFile(), data.lstrip()[:1] not in PAGE_STARTS, LONGEST_PAGE)
        return data
    except TelegramBadRequest as error:
        if "too big" in error.message:
            raise _too_many_bytes() from error
        if "temporarily" not in error.message:
            raise PhotoError(Reason.NOT_DELIVERED, "Telegram has no such file") from error
        raise _Refusal(error, is_final=False) from None
    except ClientResponseError as error:
        is_final = 400 <= error.status < 500 and error.status not in PASSING
        raise _Refusal(error, is_final) from None
    except (*TRANSIENT, TelegramRetryAfter, TelegramUnauthorizedError) as error:  # good tokens are refused for a time
        raise _Refusal(error, is_final=False) from None
    except AiogramError as error:
        raise _Refusal(error, is_final=True) from None
    except (ClientError, TimeoutError, OSError, ValueError) as error:
        raise _Refusal(error, is_final=False) from None


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


class _OtherFile(Exception):  # noqa: N818  # named in the metric of retries
    """What came is not the file: no photo, and not as long as Telegram said."""


class _BoundedBuffer(io.BytesIO):
    """Refuses to grow above MAX_BYTES, since a size announced by the sender may be missing or wrong."""

    def write(self, chunk: bytes) -> int:  # type: ignore[override]
        if self.tell() + len(chunk) > MAX_BYTES:
            raise _too_many_bytes()
        return super().write(chunk)


def _too_many_bytes() -> PhotoError:
    return PhotoError(Reason.TOO_MANY_BYTES, f"more than {MAX_BYTES // 1_000_000} MB")
