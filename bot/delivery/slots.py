"""A slot is the right to compute or to send. Who waits gives it back: nobody waits for another's chat.

Code that may have to wait takes `current_slot()`, whatever update it works for: `lent` around what the network does,
`wait` instead of `asyncio.sleep`, `turn` before something is sent. Without an update (the preview, the start) these
wait and do nothing else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from enum import Enum

from bot.errors import LabelgramError
from bot.storage.ledger import RetryLater

GRACE = 0.5
"""Seconds of waiting after which the slot goes back."""
PATIENCE = 3.0
"""Seconds of waiting after which it is no short wait, and the policy decides."""
LONGEST_TURN = 60.0
"""Seconds that an answer waits for the one before it in its lane, at most."""
KEPT = 24 * 3600.0
"""Seconds for which an update is worth an answer; Telegram keeps one as long."""


class Cause(Enum):
    """What is waited for."""

    CHAT = "chat"
    """The chat cannot be written to."""
    DOWNLOAD = "download"
    """The picture does not come."""
    TURN = "turn"
    """An earlier update of the same lane."""


class Policy(Enum):
    """What becomes of an update that waits for longer than PATIENCE."""

    HOLD = "hold"
    """By polling: it stays unconfirmed and waits in memory until it is put down."""
    RESEND = "resend"
    """By webhook: Telegram sends it again. If only its picture does not come, it is put down."""
    RESUME = "resume"
    """From the backlog: it goes back there."""


class PutDown(RetryLater):
    """The update leaves the memory and goes on later, from the backlog."""

    def __init__(self, seconds: float) -> None:
        super().__init__("it waits in the backlog")
        self.seconds = seconds
        """Least seconds until it is worth another try."""


class ChatHeld(RetryLater):
    """The chat cannot be written to: the update has to come again."""

    def __init__(self, seconds: float) -> None:
        super().__init__("its chat cannot be written to")
        self.seconds = seconds
        """Least seconds until it is worth another try."""


class Expired(LabelgramError):  # noqa: N818  # no error: nobody waits for the answer any more
    """The update is too old to be answered."""


class Waits:
    """What is done outside of any update: it just waits."""

    is_patient = False
    """It may wait for as long as it takes."""

    @property
    def age(self) -> float:
        """Seconds since the update first came."""
        return 0.0

    @asynccontextmanager
    async def lent(self, cause: Cause, after: float = GRACE) -> AsyncIterator[None]:
        """Around what waits for others: the place goes back `after` seconds, and is taken again at the end."""
        yield

    async def wait(self, seconds: float, cause: Cause) -> None:
        """Sleep. Raises PutDown, ChatHeld or Expired if the update is to wait elsewhere, or no longer."""
        await asyncio.sleep(seconds)

    async def turn(self) -> None:
        """Return when the update before it in its lane is answered, or is not waited for. Raises PutDown."""

    def let_pass(self) -> None:
        """Have later updates of its lane not wait for it, though it is not answered. It is not lost by that."""


class Slot(Waits):
    """One update's place among those that compute or send. For one event loop."""

    is_patient = True

    def __init__(
        self,
        places: asyncio.Semaphore,
        policy: Policy,
        since: float,
        predecessor: Slot | None,
    ) -> None:
        """`since`: when the update first came (epoch). `predecessor`: the one before it in its lane."""
        self.policy = policy
        self.since = since
        self.passed = asyncio.Event()
        """Later updates of its lane need not wait for it."""
        self.on_stall: Callable[[], None] | None = None
        """Called where later updates are let pass that a webhook brings."""
        self._places = places
        self._predecessor = predecessor
        self._has_place = False
        self._outside_since: float | None = time.monotonic()
        self._waited = 0.0
        self._left = asyncio.Event()
        """It is in the backlog: it ends where it next has to wait."""
        self._depth = 0

    @property
    def is_outside(self) -> bool:
        """It neither computes nor sends."""
        return self._outside_since is not None

    @property
    def is_waiting(self) -> bool:
        """It has been outside for longer than GRACE."""
        return self._outside_since is not None and time.monotonic() - self._outside_since >= GRACE

    @property
    def age(self) -> float:
        return time.time() - self.since

    async def begin(self) -> None:
        """Wait for the first place. Raises PutDown if the update is put down meanwhile."""
        if self._places.locked():
            await self._unless_left(self._take())
        else:
            await self._take()

    def give_back(self) -> None:
        if self._has_place:
            self._has_place, self._outside_since = False, time.monotonic()
            self._places.release()

    def end(self) -> None:
        """The update is out of work."""
        self.give_back()
        self.passed.set()
        self._predecessor = None

    def leave(self) -> None:
        """It is in the backlog now: end it where it waits. What is on its way over the network goes on."""
        self.passed.set()
        self._left.set()

    @asynccontextmanager
    async def lent(self, cause: Cause, after: float = GRACE) -> AsyncIterator[None]:
        if self._depth:  # a call within a download
            yield
            return
        loop = asyncio.get_running_loop()
        timers = [loop.call_later(after, self.give_back)]
        if cause is Cause.DOWNLOAD:
            timers.append(loop.call_later(PATIENCE, self.let_pass))
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            for timer in timers:
                timer.cancel()
        await self._take()

    async def wait(self, seconds: float, cause: Cause) -> None:
        if self.age + seconds > KEPT:
            raise Expired("its answer could not be sent for a day")
        self._waited += seconds
        if self._left.is_set():
            raise PutDown(seconds)
        if self._waited > PATIENCE:
            if self.policy is Policy.RESUME or (self.policy is Policy.RESEND and cause is Cause.DOWNLOAD):
                raise PutDown(seconds)
            if self.policy is Policy.RESEND:
                raise ChatHeld(seconds)
            if cause is Cause.DOWNLOAD:
                self.passed.set()
        if self._waited > GRACE:
            self.give_back()
        until = time.monotonic() + seconds
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._left.wait()
        if self._left.is_set():
            raise PutDown(max(0.0, until - time.monotonic()))
        if not self._depth:
            await self._take()

    async def turn(self) -> None:
        before, self._predecessor = self._predecessor, None
        if before is None or before.passed.is_set():
            return
        self.give_back()
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_TURN):
                await self._unless_left(before.passed.wait())
        if not self._depth:
            await self._take()

    async def _take(self) -> None:
        if not self._has_place:
            await self._places.acquire()
            self._has_place, self._outside_since = True, None

    def let_pass(self) -> None:
        """It is put down where Telegram would hold the chat's other updates for it, and goes on all the same."""
        self.passed.set()
        if self.policy is Policy.RESEND and self.on_stall:
            self.on_stall()

    async def _unless_left(self, work: Awaitable[object]) -> None:
        """Return when `work` is done. Raises PutDown if the update is put down first."""
        task, left = asyncio.ensure_future(work), asyncio.ensure_future(self._left.wait())
        try:
            await asyncio.wait([task, left], return_when=asyncio.FIRST_COMPLETED)
        finally:
            left.cancel()
            if not task.done():
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        if task.cancelled():
            raise PutDown(0)


_SLOT: ContextVar[Waits] = ContextVar("slot")
_NONE = Waits()


def current_slot() -> Waits:
    """That of the update that this task works for."""
    return _SLOT.get(_NONE)


def use_slot(slot: Slot) -> None:
    """`slot` is that of this task, and of those that it starts."""
    _SLOT.set(slot)
