"""Updates by long polling, confirmed when they are answered."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator

from aiogram import Bot
from aiogram.exceptions import (
    AiogramError,
    TelegramConflictError,
    TelegramRetryAfter,
)

from bot.backoff import backoff
from bot.delivery.at_least_once import Delivery, ShuttingDown
from bot.delivery.lanes.waiting import KEPT, Policy
from bot.delivery.retries import UNKNOWN
from bot.delivery.session import RawUpdates
from bot.delivery.stopping import until
from bot.delivery.updates.identity import find_date
from bot.delivery.updates.incoming import Entry, Incoming
from bot.delivery.updates.parsing import find_number, parse
from bot.monitoring.health import Health
from bot.storage.ledger import LedgerError, RetryLater

LONG_POLL = 30
"""Seconds that Telegram holds a request until there is an update."""
PAUSE = 0.5
"""Least seconds between two requests with the same offset; Telegram answers with a single update below that."""
LONGEST_PAUSE = 1.5
"""The same where nothing has come for long. Telegram answers at once while an update is held, and wakes nobody."""
QUIET_SHARE = 40
"""Of the time in which nothing has come, a pause is no more than this part: after a minute it is the longest."""
CONFLICT_PAUSE = 5.0
CONFIRMING = 2.0
"""Of the seconds that the end may take, those that are kept for confirming; a quarter of them where they are few."""
LIMIT = 100
"""Updates that one request brings (Bot API: at most 100); as many are known at a time."""
HELD = LIMIT // 2
"""Updates from the first that is not answered on, above which those that wait are put down: the offset can move on."""

SHOWING = 10.0
"""Seconds from the first answer on, after which Telegram has shown all that it held when the bot started, also where
one answer brings little. What was put down then waits no longer for what may have been sent before it.
"""

log = logging.getLogger(__name__)


async def poll(
    delivery: Delivery,
    health: Health,
    allowed: list[str],
    seconds: float,
    is_token_wrong: Callable[[], bool] = lambda: True,
) -> None:
    """Deliver updates until the bot is stopped; then finish what is in work and confirm it, both within `seconds`.

    Raises TelegramUnauthorizedError or TelegramNotFound if Telegram does not know the token and `is_token_wrong`.
    Nothing else ends it.
    """
    bot, window, stopped = delivery.bot, _Window(delivery), health.stopped
    trouble = 0
    while not stopped.is_set():
        try:
            updates = await until(stopped, _ask(delivery, window, allowed, is_well=not trouble)) or []
            window.take(updates)
            del updates  # it would be kept until the next come
        except Exception as error:  # whatever Telegram answers, it is asked again
            if isinstance(error, UNKNOWN) and is_token_wrong():
                raise
            trouble += 1
            health.reception.note_failure(_explain(error))
            await until(stopped, _recover(bot, error, trouble))
            continue
        trouble = 0
        health.reception.note_success()
        await until(stopped, window.wait(window.pause))
        await until(stopped, delivery.wait_for_room())
        window.move()
        await window.put_down_held()
    ends_at = time.monotonic() + seconds
    await delivery.finish(seconds - min(CONFIRMING, seconds / 4))
    await window.wait(0)
    window.move()
    try:
        async with asyncio.timeout(ends_at - time.monotonic()):
            await _confirm(bot, window.offset)
    except TimeoutError:
        log.warning("the last answers could not be confirmed in time")


async def _ask(delivery: Delivery, window: _Window, allowed: list[str], is_well: bool) -> list[object]:
    """After a failure Telegram is to answer at once: else nobody would know for LONG_POLL seconds that it is well."""
    wait = LONG_POLL if is_well and delivery.backlog.is_all_shown and not window.is_open else 0
    request = RawUpdates(offset=window.offset, limit=LIMIT, timeout=wait, allowed_updates=allowed)
    updates = await delivery.bot(request, request_timeout=LONG_POLL + 15)
    if not isinstance(updates, list):
        raise TypeError("the updates are not a list")
    return updates


class _Window:
    """The updates that Telegram has shown and that are not all answered, in the order in which they came."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self.offset: int | None = None
        """The first update that is not answered, or the one behind the last: Telegram may forget what is before it."""
        self._updates: dict[tuple[int, int], tuple[Incoming, asyncio.Task[bool]]] = {}
        """By number, and how many with that number came before in the same answer."""
        self._news_at = time.monotonic()
        """When the last of them came."""
        self._first_at: float | None = None
        """When Telegram first answered."""

    @property
    def is_open(self) -> bool:
        """There is something in it."""
        return bool(self._updates)

    @property
    def pause(self) -> float:
        """Seconds until Telegram is asked again, if an update is held until then."""
        return min(LONGEST_PAUSE, max(PAUSE, (time.monotonic() - self._news_at) / QUIET_SHARE))

    def take(self, updates: list[object]) -> None:
        """Begin with those that are new. Raises ValueError if not one of them has a number."""
        numbers: Counter[int] = Counter()
        numbered = [(number, raw) for raw in updates if (number := find_number(raw)) is not None]
        if len(numbered) < len(updates):
            parse(None, self._delivery.bot, self._delivery.metrics)  # says so
            if not numbered:
                raise ValueError("no update has a number")
        self._first_at = self._first_at or time.monotonic()
        is_all = not numbered or time.monotonic() - self._first_at > SHOWING
        self._delivery.backlog.note_shown(math.inf if is_all else max(number for number, _ in numbered))
        news: dict[tuple[int, int], Incoming] = {}
        for number, raw in sorted(numbered, key=lambda pair: pair[0]):
            numbers[number] += 1
            key = (number, numbers[number])
            if key not in self._updates:
                self._news_at = time.monotonic()
                incoming = parse(raw, self._delivery.bot, self._delivery.metrics)
                assert incoming
                news[key] = incoming
        _note_lags(news.values())
        for key, incoming in news.items():
            self._updates[key] = incoming, asyncio.create_task(_deliver(self._delivery, incoming))

    async def wait(self, seconds: float) -> None:
        """Return when all are done, after `seconds` at the latest."""
        if self._updates:
            await asyncio.wait([task for _, task in self._updates.values()], timeout=seconds)

    def move(self) -> None:
        """Leave behind what is done in a row."""
        for key, (_, task) in list(self._updates.items()):
            if not task.done() or task.cancelled() or not task.result():
                return
            del self._updates[key]
            self.offset = key[0] + 1

    async def put_down_held(self) -> None:
        """Put down all that wait for others where HELD updates or more are in it, so that the offset moves on.

        Not the first alone: of a chat with many, the next one has its turn then, and would wait a second later.
        """
        if len(self._updates) <= HELD:
            return
        held = [(entry, task) for entry, task in self._find_entries() if entry.slot.is_waiting and not task.done()]
        put_down = []
        for entry, task in held:
            if entry.settled.done():
                continue
            try:
                await self._delivery.put_down(entry)
                put_down.append(task)
            except LedgerError as error:
                log.warning("%s", error)
                break
            except Exception:  # nothing that one update raises may end polling
                log.exception("an update could not be put down, and is waited for")
        if put_down:
            await asyncio.wait(put_down)
            self.move()

    def _find_entries(self) -> Iterator[tuple[Entry, asyncio.Task[bool]]]:
        for incoming, task in self._updates.values():
            if incoming.entry is not None:
                yield incoming.entry, task


def _note_lags(news: Collection[Incoming]) -> None:
    """Telegram's dates tell how old they are at least, whatever the own clock says."""
    dates = {incoming.number: find_date(incoming.update) for incoming in news if incoming.update}
    latest = max(dates.values(), default=0.0)
    for incoming in news:
        if date := dates.get(incoming.number):
            incoming.lag = min(latest - date, KEPT)


async def _deliver(delivery: Delivery, incoming: Incoming) -> bool:
    """Whether the update needs nothing more; if not, the process is ending. Raises nothing."""
    attempt = 0
    while True:
        try:
            await delivery.deliver(incoming, Policy.HOLD)
            return True
        except ShuttingDown:
            return False
        except RetryLater as reason:
            attempt += 1
            log.warning("an update has to wait: %s", reason)
            incoming.entry = None
            await asyncio.sleep(backoff(attempt))
        except Exception:  # what one update raises is over with it
            log.exception("an update failed, and is passed over")
            return True


def _explain(error: Exception) -> str:
    """Why no updates come, for who asks whether the bot is ready."""
    if isinstance(error, TelegramConflictError) and "webhook" not in error.message:
        return "another copy of this bot is polling"
    return "Telegram gives no updates"


async def _recover(bot: Bot, error: Exception, trouble: int) -> None:
    """Return when updates can be asked for again, after `trouble` failures in a row."""
    match error:
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
            await bot(RawUpdates(offset=offset, limit=1, timeout=0), request_timeout=5)
            return
        except AiogramError as error:
            log.warning("the last answers could not be confirmed: %s", type(error).__name__)
            await asyncio.sleep(backoff(attempt))
