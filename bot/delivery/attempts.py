"""The attempts at one update, which the ledger counts: after three that failed it gets an apology.

The part of a handler that can bring the process down is its crash_guard: the ledger knows of it before it begins, so a
photo that does so is known after three times.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial

from aiogram import Bot, Dispatcher
from aiogram.exceptions import AiogramError, TelegramUnauthorizedError
from aiogram.types import Message, Update

from bot.backoff import backoff
from bot.delivery.lanes.waiting import Expired
from bot.delivery.retries import passes
from bot.delivery.updates.identity import find_message
from bot.delivery.updates.incoming import Entry
from bot.monitoring.metrics import Metrics
from bot.storage.ledger import Claim, Ledger, LedgerError, RetryLater
from bot.texts.replies import Replies

ATTEMPTS = 3
"""An update that has failed, or brought the process down, as often is let go with an apology."""

CrashGuard = Callable[[], AbstractAsyncContextManager[None]]
"""What a handler of type `(..., crash_guard: CrashGuard)` enters around work that can bring the process down."""

FindLanguage = Callable[[Message], Awaitable[str | None]]
"""The tag of the language to answer a message in. Raises LedgerError."""


log = logging.getLogger(__name__)


class Admission:
    """Whether the rate limit has let an update in: it is asked once, however often the update is tried.

    What was in work when the process died, and not refused, is let in. What waits for its album was not asked for yet.
    """

    def __init__(self, ledger: Ledger, key: str, claim: Claim, is_unasked: bool) -> None:
        self._ledger = ledger
        self._key = key
        self.is_refused = claim.is_refused
        """The rate limit has not let it in, and its sender is to be told."""
        self.is_granted = claim.is_known and not claim.is_refused and not is_unasked
        self.is_explained = self.is_granted
        """The rate of explanations has let it in."""

    async def refuse(self) -> None:
        """Note that its sender is to be told, before they are. Where that cannot be noted, they are told all the same.

        Others of the flood are over without an answer: nobody would be told if this one were let in the next time.
        """
        self.is_refused = True
        with suppress(LedgerError):
            await self._ledger.refuse(self._key)


@dataclass
class Attempts:
    """Calls the handlers of an update until it is answered; at most `workers` are under the crash guard at a time."""

    bot: Bot
    dispatcher: Dispatcher
    ledger: Ledger
    replies: Replies
    find_language: FindLanguage
    metrics: Metrics
    workers: int

    def __post_init__(self) -> None:
        self._places = asyncio.Semaphore(self.workers)
        self._gate = asyncio.Lock()
        self._answered: set[str] = set()
        """Keys of answers that the ledger could not be told of. None is lost while the process lives."""

    async def answer(self, entry: Entry) -> None:
        """Return when the update needs nothing more of its handler. Raises RetryLater."""
        if entry.key in self._answered or (claim := await self.ledger.claim(entry.key)).is_answered:
            self.metrics.duplicates.inc()
        else:
            if not claim.is_known:
                self.metrics.updates.labels(entry.incoming.kind).inc()
            try:
                await self._work(entry, claim)
            except BaseException:
                await asyncio.shield(self._release(entry.key))
                raise
            self._answered.add(entry.key)
        if entry.key in self._answered and await note(partial(self.ledger.finish, entry.key)):
            self._answered.discard(entry.key)

    async def _work(self, entry: Entry, claim: Claim) -> None:
        """Have the update answered, in ATTEMPTS attempts; what Telegram refuses for good is over. Raises RetryLater."""
        failures, admission = claim.failures, Admission(self.ledger, entry.key, claim, entry.incoming.is_unasked)
        try:
            while failures < ATTEMPTS:
                try:
                    await self.dispatcher.feed_update(
                        self.bot,
                        entry.update,
                        crash_guard=partial(self._guard, entry.key, alone=failures > 0),
                        admission=admission,
                        least_age=entry.incoming.lag and entry.incoming.lag + entry.slot.age,
                        is_cut=entry.incoming.is_cut,
                        lost_picture=entry.incoming.lost_picture,
                    )
                    return
                except (RetryLater, Expired, AiogramError):
                    raise
                except Exception:  # whatever else a handler raises, it is tried again
                    failures += 1
                    log.exception("an update failed, attempt %d", failures)
                await self.ledger.record_failure(entry.key)
                await asyncio.sleep(backoff(failures))
            log.error("an update failed %d times and is let go", failures)
            await self._apologise(entry.update)
        except Expired as reason:
            log.warning("an update is let go: %s", reason)
        except AiogramError as error:
            if passes(error) or isinstance(error, TelegramUnauthorizedError):
                raise RetryLater(f"Telegram cannot be reached: {type(error).__name__}") from None
            self.metrics.refused.labels(type(error).__name__).inc()
            log.info("an answer could not be given: %s", type(error).__name__)

    @asynccontextmanager
    async def _guard(self, key: str, alone: bool) -> AsyncIterator[None]:
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
        message = find_message(update)
        if message is not None:
            try:
                language = await self.find_language(message)
            except LedgerError:
                language = message.from_user.language_code if message.from_user else None
            text = self.replies.text("bot", "failed", language)
            await message.reply(text)
        self.metrics.refusals.labels("failed").inc()

    async def _release(self, key: str) -> None:
        with suppress(LedgerError):  # the claim ends by itself
            await self.ledger.release(key)


async def note(write: Callable[[], Awaitable[None]]) -> bool:
    """Whether the state could be told of an answer that is out: its trouble must not have it given again."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            await write()
        except LedgerError as error:
            log.warning("an answer could not be noted: %s", error)
            await asyncio.sleep(backoff(attempt))
        else:
            return True
    return False
