"""Every update that Telegram hands over is answered, and none twice if it can be helped, whatever befalls the process.

An update counts as done only when its handler is: `deliver` returns then, and only then may it be confirmed. What was
in work when the process died comes again. The part of a handler that can bring the process down is its crash_guard: the
ledger knows of it before it begins, so a photo that does so is known after three times.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

from aiogram import Bot, Dispatcher
from aiogram.exceptions import AiogramError, TelegramUnauthorizedError
from aiogram.types import Update

from bot.backoff import backoff
from bot.delivery.backlog import Backlog
from bot.delivery.retries import passes
from bot.delivery.slots import Expired, Policy, PutDown, Slot, use_slot
from bot.delivery.updates.identity import Lane, find_lane, find_message, identify
from bot.delivery.updates.incoming import Entry, Incoming
from bot.monitoring.metrics import Metrics
from bot.startup.memory import give_back_memory
from bot.storage.ledger import Claim, Ledger, LedgerError, RetryLater
from bot.storage.pseudonyms import Pseudonymiser
from bot.texts.replies import Replies

ATTEMPTS = 3
"""An update that has failed, or brought the process down, as often is let go with an apology."""
QUEUED = 2
"""Updates that may be in work or wait for it, for each that can be in work, before no more are asked for."""
ROOM_PAUSE = 0.1
"""Seconds after which room is looked for again: an update that begins to wait makes some, and nobody says so."""
REST = 1.0
"""Seconds without work after which memory that is not needed is given back."""

CrashGuard = Callable[[], AbstractAsyncContextManager[None]]
"""What a handler of type `(..., crash_guard: CrashGuard)` enters around work that can bring the process down."""


class ShuttingDown(RetryLater):
    """The process ends before the update is answered."""


log = logging.getLogger(__name__)


@dataclass
class Admission:
    """Whether the rate limit has let an update in: it is asked once, however often the update is tried."""

    is_granted: bool
    is_explained: bool
    """The rate of explanations has let it in."""


@dataclass
class Delivery:
    """Takes updates to the dispatcher: at most `at_once` of a kind at a time, `workers` under the crash guard."""

    bot: Bot
    dispatcher: Dispatcher
    ledger: Ledger
    backlog: Backlog
    replies: Replies
    metrics: Metrics
    pseudonymise: Pseudonymiser
    at_once: int
    workers: int
    _in_work: dict[str, Entry] = field(default_factory=dict, init=False)
    _last: dict[tuple[int, Lane], Slot] = field(default_factory=dict, init=False)
    """Of each lane in which there is something."""

    def __post_init__(self) -> None:
        self._slots = {lane: asyncio.Semaphore(1 if lane is Lane.EXPLANATION else self.at_once) for lane in Lane}
        self._places = asyncio.Semaphore(self.workers)
        self._gate = asyncio.Lock()
        self._done = asyncio.Event()
        """Some update is."""
        self._stalled: set[asyncio.Task[None]] = set()

    @property
    def in_work(self) -> int:
        """Updates in work, or on their way to it: those that wait for others than the bot do not count."""
        return sum(not (entry.is_begun and entry.slot.is_waiting) for entry in self._in_work.values())

    async def deliver(self, incoming: Incoming, policy: Policy) -> None:
        """Return when the update needs nothing more; if it comes a second time meanwhile, with the first one.

        Raises RetryLater: ClaimedElsewhere, LedgerError, ShuttingDown, or ChatHeld.
        """
        if incoming.update is None:
            return
        try:
            key = self.pseudonymise(await identify(incoming.update, self.bot))
        except AiogramError as error:
            raise RetryLater(f"Telegram cannot be reached: {type(error).__name__}") from None
        entry = self._in_work.get(key) or self._begin(incoming, incoming.update, key, policy)
        incoming.entry = entry
        try:
            await asyncio.shield(entry.settled)
        except asyncio.CancelledError:
            if entry.settled.cancelled():
                raise ShuttingDown("the bot is going down") from None
            raise

    async def put_down(self, entry: Entry) -> None:
        """Take an update out of the memory: it goes on from the backlog, and its offset may move on.

        What is on its way over the network goes on all the same. Raises LedgerError.
        """
        await self.backlog.put(entry, 0)
        entry.is_put_down = True
        if entry.key not in self._in_work:  # answered meanwhile
            await self.backlog.delete(entry.key)
        _settle(entry)
        entry.slot.leave()

    async def wait_for_room(self) -> None:
        """Return when few updates wait for a slot: more would do nothing but wait as well."""
        while self.in_work > QUEUED * self.at_once:
            self._done.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._done.wait(), ROOM_PAUSE)

    async def finish(self, seconds: float) -> None:
        """Begin nothing more, and end what computes or sends. What is not done in time is broken off, and comes again.

        What waits for others is broken off at once.
        """
        entries = self._in_work.values()
        await _cancel([entry.task for entry in entries if not entry.is_begun or entry.slot.is_waiting])
        if not self._in_work:
            return
        _, late = await asyncio.wait([entry.task for entry in entries], timeout=seconds)
        if late:
            log.warning("%d updates were not done in %.0f s; Telegram sends them again", len(late), seconds)
        await _cancel(late)

    def _begin(self, incoming: Incoming, update: Update, key: str, policy: Policy) -> Entry:
        lane = find_lane(update)
        entry = Entry(
            key=key,
            incoming=incoming,
            update=update,
            slot=Slot(self._slots[lane[1]], policy, incoming.since, self._last.get(lane)),
            settled=asyncio.get_running_loop().create_future(),
            is_put_down=policy is Policy.RESUME,
        )
        entry.slot.on_stall = lambda: self._put_down_stalled(entry)
        entry.settled.add_done_callback(
            lambda future: future.cancelled() or future.exception()
        )  # who asked may be gone
        self._in_work[key], self._last[lane] = entry, entry.slot
        entry.task = asyncio.create_task(self._run(entry))
        entry.task.add_done_callback(lambda _: self._forget(entry, lane))
        return entry

    async def _run(self, entry: Entry) -> None:
        """Work on an update, and settle it whatever comes. Raises nothing but CancelledError."""
        use_slot(entry.slot)
        self.metrics.updates.labels(entry.incoming.kind).inc()
        try:
            try:
                await entry.slot.begin()
                entry.is_begun = True
                with self.metrics.in_work.track_inprogress():
                    await self._deliver(entry)
            except PutDown as reason:
                await self.backlog.put(entry, reason.seconds)
        except asyncio.CancelledError:
            entry.settled.cancel()
            raise
        except RetryLater as reason:
            _settle(entry, reason)
        except Exception:  # nothing that one update raises may end anything else
            log.exception("an update failed, and is let go")
            _settle(entry)
        else:
            _settle(entry)
        finally:
            entry.slot.end()

    async def _deliver(self, entry: Entry) -> None:
        """Return when the update needs nothing more. Raises RetryLater."""
        claim = await self.ledger.claim(entry.key)
        if claim.is_answered:
            self.metrics.duplicates.inc()
        else:
            try:
                await self._work(entry, claim)
            except BaseException:
                await asyncio.shield(self._release(entry.key))
                raise
            await self._note(partial(self.ledger.finish, entry.key))
        if entry.is_put_down:
            await self._note(partial(self.backlog.delete, entry.key))

    async def _work(self, entry: Entry, claim: Claim) -> None:
        """Have the update answered, in ATTEMPTS attempts; what Telegram refuses for good is over. Raises RetryLater."""
        failures, admission = claim.failures, Admission(claim.is_known, claim.is_known)
        try:
            while failures < ATTEMPTS:
                try:
                    await self.dispatcher.feed_update(
                        self.bot,
                        entry.update,
                        crash_guard=partial(self._try, entry.key, alone=failures > 0),
                        admission=admission,
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
        message = find_message(update)
        if message is not None:
            language = message.from_user.language_code if message.from_user else None
            text = self.replies.text("bot", "failed", language)
            await message.reply(text, allow_sending_without_reply=True)

    async def _note(self, write: Callable[[], Awaitable[None]]) -> None:
        """An answer that is out is out: trouble with the state must not have it given again."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await write()
            except LedgerError as error:
                log.warning("an answer could not be noted: %s", error)
                await asyncio.sleep(backoff(attempt))
            else:
                return

    async def _release(self, key: str) -> None:
        with suppress(LedgerError):  # the claim ends by itself
            await self.ledger.release(key)

    def _put_down_stalled(self, entry: Entry) -> None:
        """Where Telegram holds a chat's other updates until this one is settled."""

        async def put_down() -> None:
            try:
                await self.put_down(entry)
            except LedgerError as error:  # then Telegram holds them
                log.warning("%s", error)

        task = asyncio.create_task(put_down())
        self._stalled.add(task)
        task.add_done_callback(self._stalled.discard)

    def _forget(self, entry: Entry, lane: tuple[int, Lane]) -> None:
        del self._in_work[entry.key]
        self._done.set()
        if self._last.get(lane) is entry.slot:
            del self._last[lane]
        if not entry.settled.done():  # cancelled before it began
            entry.settled.cancel()
        if not self._in_work:
            asyncio.get_running_loop().call_later(REST, self._tidy_up)

    def _tidy_up(self) -> None:
        if not self._in_work:
            with suppress(AttributeError):  # a cache of aiogram's, which holds on to the last 128 updates
                Update.event_type.fget.cache_clear()  # type: ignore[attr-defined]
            give_back_memory()


def _settle(entry: Entry, reason: RetryLater | None = None) -> None:
    if entry.settled.done():
        return
    if reason is None:
        entry.settled.set_result(None)
    else:
        entry.settled.set_exception(reason)


async def _cancel(tasks: Collection[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
