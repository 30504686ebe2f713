"""Updates that wait for longer than the memory should hold them: they are put down durably, and resumed when due."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
from dataclasses import replace
from typing import Protocol

from aiogram import Bot

from bot.delivery.slots import current_slot
from bot.delivery.updates.identity import find_person
from bot.delivery.updates.incoming import Entry, Incoming
from bot.delivery.updates.parsing import parse
from bot.delivery.updates.reduction import reduce_update
from bot.delivery.waiting import KEPT, Policy
from bot.monitoring.metrics import Metrics
from bot.storage.backlog import BacklogStore, PutDownUpdate
from bot.storage.ledger import LedgerError, RetryLater
from bot.storage.pseudonyms import Pseudonymiser

LOOK_EVERY = 1.0
"""Seconds between two looks for what is due."""
LOOK_ELSEWHERE = 10
"""Looks after which one is made though this process has put nothing down: a replica may have died."""
AT_A_TIME = 32
"""Updates from the backlog in work."""
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 300.0
"""Seconds until an update is tried again for the first time; they double up to the latter."""
FLAWS = ("is_cut", "lost_picture")
"""What is known of an update that could not be parsed as it came, and no longer shows in what is put down."""

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
        self._attempts: dict[str, int] = {}
        self._forgotten: dict[str, float] = {}
        """Until when (seconds since the epoch) what came is not kept: by the pseudonym of who has sent `/forget`."""
        self._resumed: dict[str, asyncio.Task[None]] = {}

    async def put(self, entry: Entry, seconds: float) -> None:
        """Keep an update durably, due in `seconds` or more, unless it is forgotten meanwhile. Raises LedgerError."""
        attempts = self._attempts.get(entry.key, 0) + 1
        pause = max(seconds, min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (attempts - 1)))
        person = find_person(entry.update)
        me = self._bot._me  # noqa: SLF001  # putting down waits for no network: `identify` has asked where it matters
        flaws = {name: getattr(entry.incoming, name) for name in FLAWS}
        row = PutDownUpdate(
            key=entry.key,
            person="" if person is None else self._name(person),
            update=json.dumps(reduce_update(entry.update, me) | flaws),
            since=entry.slot.since,
            due=time.time() + pause,
            attempts=attempts,
        )
        is_kept = row.since > self._forgotten.get(row.person, 0.0)
        if is_kept and entry.is_put_down:  # another process may have deleted it
            is_kept = await self._store.replace(row)
        elif is_kept:
            await self._store.put(row)
        if is_kept:
            self._attempts[entry.key] = attempts
        else:
            log.info("an update is let go: it is forgotten")
            self._attempts.pop(entry.key, None)

    async def delete(self, key: str) -> None:
        """An update is answered, or will never be. Raises LedgerError."""
        await self._store.delete(key)
        self._attempts.pop(key, None)

    async def forget(self, person: int) -> None:
        """Delete what a person's updates have left here; those in work are not put down any more. Raises LedgerError.

        Those that came after the update in work stay: what is sent after `/forget` is to be answered.
        """
        now, name = time.time(), self._name(person)
        until = math.nextafter(now - current_slot().age, 0)  # not `/forget` itself: its answer may have to wait
        self._forgotten = {other: at for other, at in self._forgotten.items() if now - at <= KEPT}
        self._forgotten[name] = max(until, self._forgotten.get(name, 0.0))
        for key in await self._store.forget(name, until):
            self._attempts.pop(key, None)

    async def resume(self, deliver: Deliver) -> None:
        """Answer what is due, until cancelled."""
        looks = 0
        try:
            while True:
                looks += 1
                if self._attempts or looks % LOOK_ELSEWHERE == 1:
                    await self._look(deliver)
                await asyncio.sleep(LOOK_EVERY)
        finally:
            for task in self._resumed.values():
                task.cancel()

    async def _look(self, deliver: Deliver) -> None:
        try:
            due = await self._store.find_due(time.time(), 2 * AT_A_TIME)
        except LedgerError as error:
            log.warning("%s", error)
            return
        for row in due:
            if row.key not in self._resumed and len(self._resumed) < AT_A_TIME:
                self._attempts[row.key] = row.attempts
                task = self._resumed[row.key] = asyncio.create_task(self._resume(row, deliver))
                task.add_done_callback(lambda _, key=row.key: self._resumed.pop(key))  # type: ignore[misc]

    async def _resume(self, row: PutDownUpdate, deliver: Deliver) -> None:
        """Whatever comes of it, the row goes on or goes away."""
        try:
            raw = json.loads(row.update)
            flaws = {name: raw.pop(name, False) for name in FLAWS}
            incoming = parse(raw, self._bot, self._metrics)
            if incoming is None or incoming.update is None or time.time() - row.since > KEPT:
                log.warning("an update was put down for a day, and is let go")
                await self.delete(row.key)
                return
            incoming = replace(incoming, since=row.since, **flaws)
            await deliver(incoming, Policy.RESUME)
        except RetryLater as reason:
            log.info("an update stays in the backlog: %s", reason)
            await asyncio.sleep(FIRST_PAUSE)
        except Exception:
            log.exception("an update in the backlog failed")
            await asyncio.sleep(FIRST_PAUSE)

    def _name(self, person: int) -> str:
        return self._pseudonymise(f"backlog {person}")
