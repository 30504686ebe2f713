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

from bot.delivery.attempts import Attempts, FindLanguage, note
from bot.delivery.backlog.backlog import Backlog
from bot.delivery.in_work import InWork
from bot.delivery.lanes.slots import Slot, use_slot
from bot.delivery.lanes.waiting import Cause, Policy, PutDown
from bot.delivery.stopping import wait_for_all
from bot.delivery.updates.identity import identify
from bot.delivery.updates.incoming import Entry, Incoming
from bot.monitoring.metrics import Metrics
from bot.startup.memory import give_back_memory
from bot.storage.ledger import Ledger, LedgerError, RetryLater
from bot.storage.pseudonyms import Pseudonymiser
from bot.texts.replies import Replies

QUEUED, ROOM = 2, 50
"""Updates that may be in work or wait for it before no more are asked for: for each that can be in work, and at least.
A chat's pile of photos may have all places. Another's text has places of its own, but has to be asked for.
"""
ROOM_PAUSE = 0.1
"""Seconds after which room is looked for again: an update that begins to wait makes some, and nobody says so."""
REST = 1.0
"""Seconds without work after which memory that is not needed is given back."""
BREAKING_OFF = 0.2
"""Seconds for what is broken off at the end to give its claims back. A state that does not answer gets no more."""


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
    find_language: FindLanguage
    metrics: Metrics
    pseudonymise: Pseudonymiser
    at_once: int
    workers: int
    _is_ending: bool = field(default=False, init=False)
    """Nothing more begins."""

    def __post_init__(self) -> None:
        self._in_work = InWork(self.at_once)
        self._attempts = Attempts(
            self.bot, self.dispatcher, self.ledger, self.replies, self.find_language, self.metrics, self.workers
        )
        self._done = asyncio.Event()
        """Some update is."""
        self._stalled: set[asyncio.Task[None]] = set()
        self.backlog.let_go = lambda: self._in_work.let_go(self.backlog.is_forgotten)

    @property
    def in_work(self) -> int:
        """Updates in work, or on their way to it: those that wait for others than the bot do not count."""
        return self._in_work.count

    async def deliver(self, incoming: Incoming, policy: Policy) -> None:
        """Return when the update needs nothing more; if it comes a second time meanwhile, with the first one.

        Raises RetryLater: ClaimedElsewhere, LedgerError, ShuttingDown, or ChatHeld.
        """
        if incoming.update is None:
            return
        entry = await self._find_entry(incoming, incoming.update, policy)
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
        await self.backlog.put(entry, PutDown(0, Cause.TURN))
        entry.is_put_down = True
        if entry.is_answered:  # meanwhile
            await self.backlog.delete(entry.key)
        entry.settle()
        entry.slot.leave()

    async def wait_for_room(self) -> None:
        """Return when few updates wait for a slot: more would do nothing but wait as well."""
        while self.in_work > max(QUEUED * self.at_once, ROOM):
            self._done.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._done.wait(), ROOM_PAUSE)

    async def finish(self, seconds: float) -> None:
        """Begin nothing more, and end what computes or sends. What is not done in time is broken off, and comes again.

        What waits for others is broken off at once.
        """
        self._is_ending = True
        tasks = [entry.task for entry in self._in_work.entries.values()]
        for entry in self._in_work.break_off():
            entry.task.cancel()
        late = await wait_for_all(tasks, max(0, seconds - BREAKING_OFF))
        if late:
            log.warning("%d updates were not done in %.0f s; Telegram sends them again", len(late), seconds)
        for task in late:
            task.cancel()
        await wait_for_all(late, BREAKING_OFF)

    async def _find_entry(self, incoming: Incoming, update: Update, policy: Policy) -> Entry:
        """The work on an update, which may have begun before. Raises RetryLater.

        It takes its place in its line before anything is waited for: none that came later is before it.
        """
        slot = self._in_work.stand_in_line(incoming, update, policy)
        try:
            key = await self._identify(update)
            await self.backlog.load()
            if self._is_ending and key not in self._in_work.entries:  # also what sleeps now and comes again
                raise ShuttingDown("the bot is going down")
        except BaseException as error:
            slot.end(comes_again=isinstance(error, RetryLater))
            raise
        if entry := self._in_work.entries.get(key):
            slot.end()
            return entry
        return self._begin(incoming, update, key, slot)

    async def _identify(self, update: Update) -> str:
        try:
            return self.pseudonymise(await identify(update, self.bot))
        except AiogramError as error:
            raise RetryLater(f"Telegram cannot be reached: {type(error).__name__}") from None

    def _begin(self, incoming: Incoming, update: Update, key: str, slot: Slot) -> Entry:
        entry = Entry(key, incoming, update, slot, asyncio.get_running_loop().create_future(), self.backlog.holds(key))
        slot.is_behind = lambda: self._in_work.is_behind(entry, self.backlog.find_before(entry))
        slot.on_stall = lambda: self._put_down_stalled(entry)
        entry.settled.add_done_callback(lambda done: done.cancelled() or done.exception())  # who asked may be gone
        self._in_work.entries[key] = entry
        entry.task = asyncio.create_task(self._run(entry))
        entry.task.add_done_callback(lambda _: self._forget(entry))
        return entry

    async def _run(self, entry: Entry) -> None:
        """Work on an update, and settle it whatever comes. Raises nothing but CancelledError."""
        use_slot(entry.slot)
        comes_again = False
        try:
            try:
                if self.backlog.is_forgotten(entry):  # it was on its way, or comes again
                    raise PutDown(0, Cause.TURN)
                await entry.slot.begin()
                entry.is_begun = True
                with self.metrics.in_work.track_inprogress():
                    await self._deliver(entry)
            except PutDown as reason:
                if not await self.backlog.put(entry, reason):
                    await note(partial(self.ledger.finish, entry.key))
        except asyncio.CancelledError:
            entry.settled.cancel()
            raise
        except RetryLater as reason:
            comes_again = not entry.settled.done()
            entry.settle(reason)
        except Exception:  # nothing that one update raises may end anything else
            log.exception("an update failed, and is let go")
            entry.settle()
        else:
            entry.settle()
        finally:
            entry.slot.end(comes_again)

    async def _deliver(self, entry: Entry) -> None:
        """Return when the update needs nothing more. Raises RetryLater."""
        await self._attempts.answer(entry)
        entry.is_answered = True
        if entry.is_put_down or self.backlog.holds(entry.key):
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

    def _forget(self, entry: Entry) -> None:
        del self._in_work.entries[entry.key]
        self._done.set()
        if not entry.settled.done():  # cancelled before it began
            entry.slot.end()
            entry.settled.cancel()
        if not self._in_work.entries:
            asyncio.get_running_loop().call_later(REST, self._tidy_up)

    def _tidy_up(self) -> None:
        if not self._in_work.entries:
            with suppress(AttributeError):  # a cache of aiogram's, which holds on to the last 128 updates
                Update.event_type.fget.cache_clear()  # type: ignore[attr-defined]
            give_back_memory()
