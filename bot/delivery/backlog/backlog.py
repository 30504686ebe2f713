"""Updates that wait for longer than the memory should hold them: they are put down durably, and resumed when due."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Protocol

from aiogram import Bot

from bot.delivery.backlog.places import Place, Places
from bot.delivery.backlog.rows import make_row, read_row
from bot.delivery.lanes.slots import current_slot
from bot.delivery.lanes.waiting import KEPT, Cause, Policy, PutDown
from bot.delivery.updates.identity import find_lane, find_person
from bot.delivery.updates.incoming import Entry, Incoming
from bot.monitoring.metrics import Metrics
from bot.storage.backlog import BacklogStore, PutDownUpdate
from bot.storage.ledger import LedgerError, RetryLater
from bot.storage.pseudonyms import Pseudonymiser

LOOK_EVERY = 1.0
"""Seconds between two looks for what is due."""
LOOK_ELSEWHERE = 10
"""Looks after which the state is asked what it holds: a replica may have put something down, or answered it."""
AT_A_TIME = 64
"""Updates from the backlog in work."""
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 300.0
"""Seconds until an update that failed is tried again for the first time; they double up to the latter."""

log = logging.getLogger(__name__)


class Deliver(Protocol):
    """`Delivery.deliver`."""

    async def __call__(self, incoming: Incoming, policy: Policy) -> None: ...


class Backlog:
    """What is put down: file ids, chat, message; deleted when it is answered, after a day at the latest."""

    def __init__(self, store: BacklogStore, bot: Bot, metrics: Metrics, pseudonymise: Pseudonymiser) -> None:
        self._store = store
        self._bot = bot
        self._metrics = metrics
        self._pseudonymise = pseudonymise
        self.let_go: Callable[[], None] = lambda: None
        """Called when `is_forgotten` may have another answer for what is in work."""
        self._places = Places()
        self._is_loaded = False
        self._loading = asyncio.Lock()
        self._changed: set[str] = set()
        """Keys that were put or deleted since the state was last asked what it holds."""
        self._forgotten: dict[str, tuple[int, float]] = {}
        """By the pseudonym of who has sent `/forget`: before which number nothing is kept, and since when that is
        known (by `time.monotonic`)."""
        self._resumed: dict[str, asyncio.Task[None]] = {}
        self._shown = -math.inf

    @property
    def is_all_shown(self) -> bool:
        """Telegram holds nothing that was sent before what is here."""
        return self._shown == math.inf

    def note_shown(self, number: float = math.inf) -> None:
        """Telegram has shown what it holds up to that number; without one, all. What is behind it is not begun with.

        After a kill it holds what was in work, which may come before all that is here.
        """
        self._shown = max(self._shown, number)

    async def load(self) -> None:
        """Learn what is put down, if that is not known. Raises LedgerError."""
        if not self._is_loaded:
            await self._ask()

    def holds(self, key: str) -> bool:
        return self._places.get(key) is not None

    def find_before(self, entry: Entry) -> Iterator[str]:
        """The keys of those in its lane that were sent before it."""
        return self._places.find_before(find_lane(entry.update), entry.incoming.number)

    def is_forgotten(self, entry: Entry) -> bool:
        """Whether who has sent it has sent `/forget` behind it."""
        person = find_person(entry.update) if self._forgotten else None
        return person is not None and entry.incoming.number < self._forgotten.get(self._name(person), (0, 0.0))[0]

    async def put(self, entry: Entry, reason: PutDown) -> bool:
        """Keep an update durably, and try it again when `reason` says, later each time that it fails.

        Returns whether it is kept: not if it is forgotten, or answered elsewhere. Raises LedgerError.
        """
        known = self._places.get(entry.key)
        attempts, pause = known.attempts if known else 0, reason.seconds
        if reason.cause in (Cause.CHAT, Cause.DOWNLOAD):
            attempts += 1
            pause = max(pause, min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (attempts - 1)))
        person = find_person(entry.update)
        me = self._bot._me  # noqa: SLF001  # putting down waits for no network: `identify` has asked where it matters
        entry.incoming.is_apart = entry.slot.has_left_lane
        entry.incoming.is_unasked = reason.cause is Cause.ALBUM
        if known:  # an edited photo keeps its place
            entry.incoming.number = min(known.number, entry.incoming.number)
            entry.slot.since = min(known.since, entry.slot.since)
        name = "" if person is None else self._name(person)
        row = make_row(entry, me, name, pause, attempts)
        is_kept = not self.is_forgotten(entry)
        if is_kept and entry.is_put_down:  # another process may have deleted it
            is_kept = await self._store.replace(row)
        elif is_kept:
            await self._store.put(row)
        if is_kept:
            self._note(row, entry.incoming, entry.slot.since, pause)
        else:
            log.info("an update is let go: it is forgotten")
            await self.delete(entry.key)  # a replica may have put it down before it knew that
        return is_kept

    async def delete(self, key: str) -> None:
        """An update is answered, or will never be. Raises LedgerError."""
        await self._store.delete(key)
        self._discard(key)

    async def forget(self, person: int) -> None:
        """Delete what a person's updates have left here, and let go of those in work. Raises LedgerError.

        That is what was sent before the update in work, by its number: when it came says nothing after a restart.
        Replicas, and the next process, learn of it by the state.
        """
        name, number = self._name(person), current_slot().number
        await self._store.forget(name, number)
        await self._ask()
        keys = self._places.find_of(name, number)
        await self._store.erase(keys)
        for key in keys:
            self._discard(key)

    async def resume(self, deliver: Deliver) -> None:
        """Answer what is due, until cancelled."""
        looks = 0
        try:
            while True:
                try:
                    if looks % LOOK_ELSEWHERE == 0:
                        await self._ask()
                    elif self._store.is_shared:
                        await self._learn_forgotten()
                    await self._look(deliver)
                except LedgerError as error:
                    log.warning("%s", error)
                looks += 1
                await asyncio.sleep(LOOK_EVERY)
        finally:
            for task in self._resumed.values():
                task.cancel()

    async def _look(self, deliver: Deliver) -> None:
        """Begin with what is due, in order, and let go of what is too old. Raises LedgerError."""
        for key in self._places.find_older(time.monotonic() - KEPT):
            if key not in self._resumed:
                log.warning("an update was put down for a day, and is let go")
                await self.delete(key)
        for key in self._places.choose(time.monotonic(), self._resumed, AT_A_TIME, self._shown):
            row = await self._store.read(key)
            if row is None:  # another process has answered it
                self._discard(key)
                continue
            task = self._resumed[key] = asyncio.create_task(self._resume(row, deliver))
            task.add_done_callback(lambda _, key=key: self._resumed.pop(key))  # type: ignore[misc]

    async def _resume(self, row: PutDownUpdate, deliver: Deliver) -> None:
        """Whatever comes of it, the row goes on or goes away."""
        try:
            if incoming := await self._read(row):
                if place := self._places.get(row.key):
                    incoming.since = place.since
                await deliver(incoming, Policy.RESUME)
        except RetryLater as reason:
            log.info("an update stays in the backlog: %s", reason)
            self._defer(row.key)
        except Exception:
            log.exception("an update in the backlog failed")
            self._defer(row.key)

    async def _ask(self) -> None:
        """Learn which updates the state holds, and who has sent `/forget`. Raises LedgerError."""
        async with self._loading:
            self._changed.clear()
            keys = set(await self._store.find_keys())
            for key in keys - set(self._places):
                row = await self._store.read(key)
                if row and key not in self._changed and (incoming := await self._read(row)):
                    pause = row.due - time.time()  # a longer one comes of a clock that was set
                    self._note(row, incoming, incoming.since, pause if pause <= LONGEST_PAUSE else 0.0)
            for key in set(self._places) - keys - self._changed:
                self._discard(key)
            await self._learn_forgotten()
            self._is_loaded = True

    async def _learn_forgotten(self) -> None:
        """Let go of what is in work of who has sent `/forget`, here or elsewhere. Raises LedgerError."""
        numbers, now = await self._store.find_forgotten(), time.monotonic()
        known = {name: mark for name, mark in self._forgotten.items() if now - mark[1] <= KEPT}  # numbers begin again
        news = {name: (number, now) for name, number in numbers.items() if number > known.get(name, (0, 0.0))[0]}
        self._forgotten = known | news
        if news:
            self.let_go()

    async def _read(self, row: PutDownUpdate) -> Incoming | None:
        """None: it is let go. Raises LedgerError."""
        incoming = read_row(row, self._bot, self._metrics)
        if incoming is None:
            log.error("an update that was put down cannot be read, and is let go")
            await self.delete(row.key)
        return incoming

    def _note(self, row: PutDownUpdate, incoming: Incoming, since: float, pause: float) -> None:
        assert incoming.update
        lane = None if incoming.is_apart else find_lane(incoming.update)
        due = time.monotonic() + pause
        self._places.put(row.key, Place(row.person, lane, incoming.number, since, due, row.attempts))
        self._changed.add(row.key)

    def _discard(self, key: str) -> None:
        self._places.discard(key)
        self._changed.add(key)

    def _defer(self, key: str) -> None:
        if place := self._places.get(key):
            self._places.put(key, replace(place, due=time.monotonic() + FIRST_PAUSE))

    def _name(self, person: int) -> str:
        return self._pseudonymise(f"backlog {person}")
