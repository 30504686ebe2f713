"""Every update that Telegram hands over is answered, and none twice if it can be helped, whatever befalls the process.

An update counts as done only when its handler is: `deliver` returns then, and only then may it be confirmed. What was
in work when the process died comes again. The part of a handler that can bring the process down is its crash_guard: the
ledger knows of it before it begins, so a photo that does so is known after three times.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial

from aiogram import Bot, Dispatcher
from aiogram.exceptions import (
    TelegramBadRequest,
    TelegramForbiddenError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramUnauthorizedError,
)
from aiogram.types import Update

from bot.backoff import backoff
from bot.delivery.retries import TRANSIENT
from bot.monitoring.metrics import Metrics
from bot.startup.memory import give_back_memory
from bot.storage.ledger import ANSWERED, Ledger, LedgerError, RetryLater
from bot.storage.pseudonyms import Pseudonymiser
from bot.texts.replies import Replies

ATTEMPTS = 3
"""An update that has failed, or brought the process down, as often is let go with an apology."""
QUEUED = 2
"""Updates that may be in work or wait for it, for each that can be in work, before no more are asked for."""
REST = 1.0
"""Seconds without work after which memory that is not needed is given back."""
FUTILE = (TelegramForbiddenError, TelegramBadRequest, TelegramNotFound)
"""Telegram refuses the answer for good: the bot is blocked, the chat or the message is gone."""

CrashGuard = Callable[[], AbstractAsyncContextManager[None]]
"""What a handler of type `(..., crash_guard: CrashGuard)` enters around work that can bring the process down."""


class ShuttingDown(RetryLater):
    """The process ends before the update is answered."""


log = logging.getLogger(__name__)


@dataclass
class Delivery:
    """Takes updates to the dispatcher: at most `at_once` at a time, `workers` of them under the crash guard."""

    bot: Bot
    dispatcher: Dispatcher
    ledger: Ledger
    replies: Replies
    metrics: Metrics
    pseudonymise: Pseudonymiser
    at_once: int
    workers: int

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(self.at_once)
        self._places = asyncio.Semaphore(self.workers)
        self._gate = asyncio.Lock()
        self._in_work: dict[str, asyncio.Task[None]] = {}
        self._begun: set[str] = set()
        self._room = asyncio.Event()
        self._room.set()

    @property
    def in_work(self) -> int:
        """Updates in work, or waiting for it."""
        return len(self._in_work)

    async def deliver(self, update: Update) -> None:
        """Return when the update needs nothing more; if it comes a second time meanwhile, with the first one.

        Raises RetryLater (ClaimedElsewhere, LedgerError, ShuttingDown), or TelegramUnauthorizedError if Telegram no
        longer knows the token.
        """
        key = self.pseudonymise(_identify(update))
        task = self._in_work.get(key)
        if task is None:
            task = self._in_work[key] = asyncio.create_task(self._deliver(update, key))
            task.add_done_callback(lambda _: self._forget(key))
            if self.in_work > QUEUED * self.at_once:
                self._room.clear()
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise ShuttingDown("the bot is going down") from None
            raise

    async def wait_for_room(self) -> None:
        """Return when few updates wait: more would do nothing but wait as well."""
        await self._room.wait()

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
        async with self._slots:
            self._begun.add(key)
            with self.metrics.in_work.track_inprogress():
                failures = await self.ledger.claim(key)
                if failures == ANSWERED:
                    self.metrics.duplicates.inc()
                    return
                try:
                    await self._work(update, key, failures)
                except BaseException:
                    await asyncio.shield(self.ledger.release(key))
                    raise
                await self._note(key)

    async def _work(self, update: Update, key: str, failures: int) -> None:
        """Return when the update needs nothing more."""
        try:
            while failures < ATTEMPTS:
                crash_guard: CrashGuard = partial(self._try, key, alone=failures > 0)
                try:
                    await self.dispatcher.feed_update(self.bot, update, crash_guard=crash_guard)
                    return
                except (RetryLater, TelegramUnauthorizedError, TelegramRetryAfter, *FUTILE, *TRANSIENT):
                    raise
                except Exception:  # whatever else a handler raises, it is tried again
                    failures += 1
                    log.exception("an update failed, attempt %d", failures)
                await self.ledger.record_failure(key)
                await asyncio.sleep(backoff(failures))
            log.error("an update failed %d times and is let go", failures)
            await self._apologise(update)
        except FUTILE as error:
            log.info("an answer could not be given: %s", error.message)
        except (TelegramRetryAfter, *TRANSIENT) as error:
            raise RetryLater(f"Telegram cannot be reached: {type(error).__name__}") from None

    @asynccontextmanager
    async def _try(self, key: str, alone: bool) -> AsyncIterator[None]:
        """Poison-message handling: what was in here when the process died is tried alone the next time."""
        wanted, taken = self.workers if alone else 1, 0
        try:
            async with self._gate:  # who waits for all places is not overtaken
                while taken < wanted:
                    await self._places.acquire()
                    taken += 1
            await self.ledger.record_failure(key)
            try:
                yield
            except Exception:
                await self.ledger.clear_failure(key)
                raise
            await self.ledger.clear_failure(key)  # not if it was broken off: what outlasts a SIGTERM stays a suspect
        finally:
            for _ in range(taken):
                self._places.release()

    async def _apologise(self, update: Update) -> None:
        self.metrics.refusals.labels("failed").inc()
        message = update.message
        if message is not None:
            language = message.from_user.language_code if message.from_user else None
            text = self.replies.text("bot", "failed", language)
            await message.reply(text, allow_sending_without_reply=True)

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
        if self.in_work <= QUEUED * self.at_once:
            self._room.set()
        if not self._in_work:
            asyncio.get_running_loop().call_later(REST, self._tidy_up)

    def _tidy_up(self) -> None:
        if not self._in_work:
            with suppress(AttributeError):  # a cache of aiogram's, which holds on to the last 128 updates
                Update.event_type.fget.cache_clear()  # type: ignore[attr-defined]
            give_back_memory()


async def _cancel(tasks: Collection[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _identify(update: Update) -> str:
    """A photo is known by its chat, message and file: after a quiet week Telegram's own numbers begin anew.

    An edited message with the same photo is the same, so that a new caption brings no new answer.
    """
    message = update.message or update.edited_message or update.channel_post
    if message is None:
        return f"update {update.update_id}"
    photo = message.photo[-1].file_unique_id if message.photo else ""
    return f"{message.chat.id}:{message.message_id}:{photo}"
