"""Telegram and the network fail now and then: calls are tried again until they succeed, each chat by itself."""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections.abc import Awaitable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from aiogram.client.session.middlewares.base import BaseRequestMiddleware, NextRequestMiddlewareType
from aiogram.exceptions import (
    ClientDecodeError,
    TelegramEntityTooLarge,
    TelegramNetworkError,
    TelegramRetryAfter,
    TelegramServerError,
)
from aiogram.methods import GetUpdates, SendChatAction, TelegramMethod
from aiogram.methods.base import TelegramType

from bot.monitoring.metrics import Metrics
from bot.storage.rate_limits import Pacing

if TYPE_CHECKING:
    from aiogram import Bot
    from aiogram.methods import Response

TRANSIENT = (TelegramNetworkError, TelegramServerError, ClientDecodeError)
"""What goes by: no connection, 5xx, and pages of HTML that a gateway sends in Telegram's place."""
PATIENCE = 600.0
"""Seconds for which a call is tried."""
IMPATIENT = (GetUpdates, SendChatAction)
"""Methods that are left alone: one has a loop of its own, and a typing indicator is not worth a second try."""
LONGEST = 10.0
WORTH_A_LINE = 2
"""Attempts in a row that fail before the log says so."""

T = TypeVar("T")
log = logging.getLogger(__name__)


def backoff(attempt: int) -> float:
    """Seconds to wait after failed attempt 1, 2, 3...: up to 0.4, 0.6, 0.9... at most LONGEST, at random from half on.

    Half as much again, not twice as much: a run of failures is chance more often than an outage, and somebody waits.
    Jitter keeps those who failed together from coming back together.
    """
    return min(LONGEST, 0.4 * 1.5 ** min(attempt - 1, 20)) * random.uniform(0.5, 1)  # more would overflow in time


async def until(stopped: asyncio.Event, work: Awaitable[T]) -> T | None:
    """The result of `work`, which is broken off when `stopped` is set: then None."""
    task, stop = asyncio.ensure_future(work), asyncio.ensure_future(stopped.wait())
    try:
        await asyncio.wait([task, stop], return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        for one in (task, stop):
            if not one.done():
                one.cancel()
                with suppress(asyncio.CancelledError):
                    await one


class Patience(BaseRequestMiddleware):
    """Paces what goes to a chat, and tries again what has failed for a reason that goes by."""

    def __init__(self, pacing: Pacing, metrics: Metrics) -> None:
        self._pacing = pacing
        self._metrics = metrics
        self.reached_at = -math.inf
        """When Telegram last did what it was asked (time.monotonic)."""

    async def __call__(
        self, make_request: NextRequestMiddlewareType[TelegramType], bot: Bot, method: TelegramMethod[TelegramType]
    ) -> Response[TelegramType]:
        if type(method) in IMPATIENT:
            return await self._reach(make_request(bot, method))
        chat = getattr(method, "chat_id", None)
        deadline = time.monotonic() + PATIENCE
        attempt = 0
        while True:
            if isinstance(chat, int):
                await self._pacing.wait(chat)
            attempt += 1
            try:
                return await self._reach(make_request(bot, method))
            except TelegramEntityTooLarge:
                raise
            except TelegramRetryAfter as error:
                wait = float(error.retry_after)
                if isinstance(chat, int):  # the next pacing waits
                    await self._pacing.hold(chat, wait)
                    wait = 0
                failure: Exception = error
            except TRANSIENT as error:
                wait, failure = backoff(attempt), error
            if time.monotonic() + wait > deadline:
                raise failure
            kind = type(failure).__name__
            self._metrics.retries.labels(type(method).__name__, kind).inc()
            level = logging.DEBUG if attempt < WORTH_A_LINE else logging.WARNING
            what = f"{type(method).__name__}: {kind}"
            log.log(level, "Telegram cannot be reached or is in trouble (%s); trying again in %.1f s", what, wait)
            await asyncio.sleep(wait)

    async def _reach(self, request: Awaitable[T]) -> T:
        result = await request
        self.reached_at = time.monotonic()
        return result
