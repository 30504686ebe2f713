"""Every update that Telegram hands over is answered, and none twice if it can be helped, whatever befalls the process.

An update counts as done only when its handler is: `deliver` returns then, and only then may it be confirmed. The ledger
notes each attempt before it begins. So an update that was in work when the process died comes again, and one that
brings the process down is known after three times.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiogram import Bot, Dispatcher
from aiogram.exceptions import (
    AiogramError,
    TelegramBadRequest,
    TelegramForbiddenError,
    TelegramNotFound,
    TelegramUnauthorizedError,
)
from aiogram.types import Update

from bot.ledger import ANSWERED, Ledger, LedgerError, Postponed, pseudonym
from bot.metrics import Metrics
from bot.patience import backoff
from bot.replies import Replies

ATTEMPTS = 3
"""An update that has failed, or brought the process down, as often is let go with an apology."""
FUTILE = (TelegramForbiddenError, TelegramBadRequest, TelegramNotFound)
"""Telegram refuses the answer for good: the bot is blocked, the chat or the message is gone."""


class GoingDown(Postponed):
    """The process ends before the update is answered."""


log = logging.getLogger(__name__)


@dataclass
class Delivery:
    """Takes updates to the dispatcher, at most `at_once` at a time."""

    bot: Bot
    dispatcher: Dispatcher
    ledger: Ledger
    replies: Replies
    metrics: Metrics
    at_once: int

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(self.at_once)
        self._gate = asyncio.Lock()
        self._in_work: dict[str, asyncio.Task[None]] = {}
        self._begun: set[str] = set()

    @property
    def in_work(self) -> int:
        """Updates in work, or waiting for it."""
        return len(self._in_work)

    async def deliver(self, update: Update) -> None:
        """Return when the update needs nothing more; if it comes a second time meanwhile, with the first one.

        Raises Postponed (Taken, LedgerError, GoingDown), or TelegramUnauthorizedError if the token is no longer good.
        """
        key = pseudonym(self.bot.token, _identify(update))
        task = self._in_work.get(key)
        if task is None:
            task = self._in_work[key] = asyncio.create_task(self._deliver(update, key))
            task.add_done_callback(lambda _: self._forget(key))
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise GoingDown("the bot is going down") from None
            raise

    async def finish(self, seconds: float) -> None:
        """Begin nothing more, and wait for what is in work. What is not done in time is broken off, and comes again."""
        waiting = [task for key, task in self._in_work.items() if key not in self._begun]
        await _cancel(waiting)
        if not self._in_work:
            return
        _, late = await asyncio.wait(self._in_work.values(), timeout=seconds)
        if late:
            log.warning("%d updates were not done in %.0f s; Telegram sends them again", len(late), seconds)
        await _cancel(late)

    async def _deliver(self, update: Update, key: str) -> None:
        self.metrics.updates.labels(update.event_type).inc()
        earlier = await self.ledger.look(key)
        if earlier == ANSWERED:
            self.metrics.duplicates.inc()
            return
        # What was in work when the process died is a suspect. It works alone, so that the innocent are not counted with
        # the culprit a second time.
        async with self._work(alone=earlier > 0):
            self._begun.add(key)
            while (attempt := await self.ledger.claim(key)) != ANSWERED:
                if await self._try(update, key, attempt):
                    await self._note(key)
                    return
                await asyncio.sleep(backoff(attempt))

    async def _try(self, update: Update, key: str, attempt: int) -> bool:
        """Does the update need nothing more?"""
        try:
            if attempt > ATTEMPTS:
                log.error("an update failed %d times and is let go", ATTEMPTS)
                await self._apologise(update)
            else:
                await self.dispatcher.feed_update(self.bot, update)
        except FUTILE as error:
            log.info("an answer could not be given: %s", error.message)
        except (asyncio.CancelledError, TelegramUnauthorizedError):
            await asyncio.shield(self.ledger.release(key))
            raise
        except Exception:  # whatever a handler raises, it is tried again
            log.exception("an update failed, attempt %d", attempt)
            return attempt > ATTEMPTS
        return True

    async def _apologise(self, update: Update) -> None:
        self.metrics.refusals.labels("failed").inc()
        message = update.message
        if message is None:
            return
        language = message.from_user.language_code if message.from_user else None
        try:
            await message.reply(self.replies.apologise(language), allow_sending_without_reply=True)
        except AiogramError as error:
            log.warning("not even an apology could be sent: %s", type(error).__name__)

    async def _note(self, key: str) -> None:
        """An answer that is out is out: trouble with the ledger must not have it given again."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await self.ledger.finish(key)
            except LedgerError as error:
                log.warning("an answer could not be noted: %s", error)
                await asyncio.sleep(backoff(attempt))
            else:
                return

    def _forget(self, key: str) -> None:
        del self._in_work[key]
        self._begun.discard(key)

    @asynccontextmanager
    async def _work(self, alone: bool) -> AsyncIterator[None]:
        """One of the slots, or all of them."""
        wanted, taken = self.at_once if alone else 1, 0
        try:
            async with self._gate:  # who waits for all is not overtaken
                while taken < wanted:
                    await self._slots.acquire()
                    taken += 1
            with self.metrics.in_work.track_inprogress():
                yield
        finally:
            for _ in range(taken):
                self._slots.release()


async def _cancel(tasks: Collection[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _identify(update: Update) -> str:
    """A photo is known by its chat and message: after a quiet week Telegram's own numbers begin anew."""
    message = update.message or update.channel_post
    return f"{message.chat.id}:{message.message_id}" if message else f"update {update.update_id}"
