"""Telegram and the network fail now and then: calls are tried again until they succeed, each chat by itself."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable
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

from bot.delivery.pacing import SendPacer
from bot.monitoring.metrics import Metrics

if TYPE_CHECKING:
    from aiogram import Bot
    from aiogram.methods import Response
from bot.backoff import backoff

TRANSIENT = (TelegramNetworkError, TelegramServerError, ClientDecodeError)
"""What goes by: no connection, 5xx, and pages of HTML that a gateway sends in Telegram's place."""

PATIENCE = 600.0
"""Seconds for which a call is tried."""

IMPATIENT = (GetUpdates, SendChatAction)
"""Methods that are left alone: one has a loop of its own, and a typing indicator is not worth a second try."""

WORTH_A_LINE = 2
"""Attempts in a row that fail before the log says so."""

T = TypeVar("T")

log = logging.getLogger(__name__)


class RetryMiddleware(BaseRequestMiddleware):
    """Paces what goes to a chat, and tries again what has failed for a reason that goes by."""

    def __init__(self, pacing: SendPacer, metrics: Metrics) -> None:
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
