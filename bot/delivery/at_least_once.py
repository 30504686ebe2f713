"""Every update that Telegram hands over is answered, and none twice if it can be helped, whatever befalls the process.

An update counts as done only when its handler is: `deliver` returns then, and only then may it be confirmed. What was
in work when the process died comes again.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from aiogram import Bot, Dispatcher
from aiogram.exceptions import AiogramError
from aiogram.types import Update

from bot.delivery.attempts import Attempts, note
from bot.delivery.backlog import Backlog
from bot.delivery.slots import Slot, use_slot
from bot.delivery.stopping import cancel
from bot.delivery.updates.identity import Lane, find_lane, identify
from bot.delivery.updates.incoming import Entry, Incoming
from bot.delivery.waiting import Policy, PutDown
from bot.monitoring.metrics import Metrics
from bot.startup.memory import give_back_memory
from bot.storage.ledger import Ledger, LedgerError, RetryLater
from bot.storage.pseudonyms import Pseudonymiser
from bot.texts.replies import Replies

QUEUED = 2
"""Updates that may be in work or wait for it, for each that can be in work, before no more are asked for."""
ROOM_PAUSE = 0.1
"""Seconds after which room is looked for again: an update that begins to wait makes some, and nobody says so."""
REST = 1.0
"""Seconds without work after which memory that is not needed is given back."""


class ShuttingDown(RetryLater):
    """The process ends before the update is answered."""


log = logging.getLogger(__name__)


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
    _is_ending: bool = field(default=False, init=False)
    """Nothing more begins."""

    def __post_init__(self) -> None:
        self._slots = {lane: asyncio.Semaphore(1 if lane is Lane.EXPLANATION else self.at_once) for lane in Lane}
        self._attempts = Attempts(self.bot, self.dispatcher, self.ledger, self.replies, self.metrics, self.workers)
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
        if self._is_ending and key not in self._in_work:  # also what sleeps now and comes again: nobody waits for it
            raise ShuttingDown("the bot is going down")
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
        entry.settle()
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
        self._is_ending = True
        entries = self._in_work.values()
        await cancel([entry.task for entry in entries if not entry.is_begun or entry.slot.is_waiting])
        if not self._in_work:
            return
        _, late = await asyncio.wait([entry.task for entry in entries], timeout=seconds)
        if late:
            log.warning("%d updates were not done in %.0f s; Telegram sends them again", len(late), seconds)
        await cancel(late)

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
        entry.settled.add_done_callback(lambda done: done.cancelled() or done.exception())  # who asked may be gone
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
            entry.settle(reason)
        except Exception:  # nothing that one update raises may end anything else
            log.exception("an update failed, and is let go")
            entry.settle()
        else:
            entry.settle()
        finally:
            entry.slot.end()

    async def _deliver(self, entry: Entry) -> None:
        """Return when the update needs nothing more. Raises RetryLater."""
        await self._attempts.answer(entry)
        if entry.is_put_down:
            await note(partial(self.backlog.delete, entry.key))

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
