"""Updates by long polling, confirmed when they are answered."""

from __future__ import annotations

import asyncio
import logging

from aiogram import Bot
from aiogram.exceptions import (
    AiogramError,
    TelegramConflictError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramUnauthorizedError,
)
from aiogram.types import Update

from bot.backoff import backoff
from bot.delivery.at_least_once import Delivery, ShuttingDown
from bot.delivery.stopping import until
from bot.storage.ledger import RetryLater

LONG_POLL = 30
"""Seconds that Telegram holds a request until there is an update."""
PAUSE = 0.5
"""Least seconds between two requests with the same offset; Telegram answers with a single update below that."""
CONFLICT_PAUSE = 5.0
LIMIT = 100
"""Updates that one request brings (Bot API: at most 100); as many are known at a time."""

log = logging.getLogger(__name__)


async def poll(bot: Bot, delivery: Delivery, stopped: asyncio.Event, allowed: list[str], seconds: float) -> None:
    """Deliver updates until `stopped`; then finish what is in work within `seconds`, and confirm it.

    Raises TelegramUnauthorizedError or TelegramNotFound if the token is none, or no longer good.
    """
    window = _Window(delivery)
    trouble = 0
    while not stopped.is_set():
        idle = not window.tasks
        request = bot.get_updates(
            offset=window.offset,
            limit=LIMIT,
            timeout=LONG_POLL if idle else 0,
            allowed_updates=allowed,
            request_timeout=LONG_POLL + 15,
        )
        try:
            window.take(await until(stopped, request) or [])  # a name would keep them till the next come
        except AiogramError as error:
            trouble += 1
            await until(stopped, _recover(bot, error, trouble))
            continue
        trouble = 0
        await until(stopped, window.wait(PAUSE))
        await until(stopped, delivery.wait_for_room())
        window.move()
    await delivery.finish(seconds)
    await window.wait(0)
    window.move()
    await _confirm(bot, window.offset)


class _Window:
    """The updates that Telegram has shown and that are not all answered, in the order in which they came."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self.offset: int | None = None
        """The first update that is not answered, or the one behind the last: Telegram may forget what is before it."""
        self.tasks: dict[int, asyncio.Task[None]] = {}

    def take(self, updates: list[Update]) -> None:
        for update in updates:
            if update.update_id not in self.tasks:
                self.tasks[update.update_id] = asyncio.create_task(_deliver(self._delivery, update))

    async def wait(self, seconds: float) -> None:
        """Return when all are done, after `seconds` at the latest."""
        if self.tasks:
            await asyncio.wait(self.tasks.values(), timeout=seconds)

    def move(self) -> None:
        """Leave behind what is done in a row."""
        for number, task in list(self.tasks.items()):
            if not task.done() or task.cancelled() or isinstance(task.exception(), ShuttingDown):
                return
            task.result()
            del self.tasks[number]
            self.offset = number + 1


async def _deliver(delivery: Delivery, update: Update) -> None:
    attempt = 0
    while True:
        try:
            return await delivery.deliver(update)
        except ShuttingDown:
            raise
        except RetryLater as reason:
            attempt += 1
            log.warning("an update has to wait: %s", reason)
            await asyncio.sleep(backoff(attempt))


async def _recover(bot: Bot, error: AiogramError, trouble: int) -> None:
    """Return when updates can be asked for again, after `trouble` failures in a row. Raises what does not go by."""
    match error:
        case TelegramUnauthorizedError() | TelegramNotFound():  # the latter where the token has the form of none
            raise error
        case TelegramConflictError() if "webhook" in error.message:
            log.info("the bot had a webhook; it is taken away, since there is no WEBHOOK_URL")
            try:
                await bot.delete_webhook(drop_pending_updates=False)
            except AiogramError as failure:
                log.warning("that failed: %s", type(failure).__name__)
                await asyncio.sleep(backoff(trouble))
        case TelegramConflictError():
            log.warning("another copy of this bot is polling (%s); going on when it has stopped", error.message)
            await asyncio.sleep(CONFLICT_PAUSE)
        case TelegramRetryAfter():
            await asyncio.sleep(error.retry_after)
        case _:
            wait = backoff(trouble)
            log.warning("no updates: %s; trying again in %.1f s", type(error).__name__, wait)
            await asyncio.sleep(wait)


async def _confirm(bot: Bot, offset: int | None) -> None:
    """Tell Telegram what is answered, so that the next process does not get it again."""
    if offset is None:
        return
    for attempt in range(1, 4):
        try:
            await bot.get_updates(offset=offset, limit=1, timeout=0, request_timeout=5)
            return
        except AiogramError as error:
            log.warning("the last answers could not be confirmed: %s", type(error).__name__)
            await asyncio.sleep(backoff(attempt))
