"""A slot is the right to compute or to send. Who waits gives it back: nobody waits for another's chat.

Code that may have to wait takes `current_slot()`, whatever update it works for. Without an update (the preview, the
start) that just waits.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from contextvars import ContextVar

from bot.delivery.lanes.lines import Line
from bot.delivery.lanes.waiting import GRACE, KEPT, PATIENCE, STAY, Cause, ChatHeld, Expired, Policy, PutDown, Waits


class Slot(Waits):
    """One update's place among those that compute or send. For one event loop."""

    is_patient = True

    def __init__(self, places: asyncio.Semaphore, policy: Policy, since: float, number: int, line: Line) -> None:
        """`since`: when the update first came (by `time.monotonic`). `number`: its own, for its place in `line`."""
        self.policy = policy
        self.since = since
        self.number = number
        self.passed = asyncio.Event()
        """Later updates of its lane need not wait for it."""
        self.has_left_lane = False
        """Later ones go first, now and whenever it is tried again."""
        self.is_broken_off = False
        """It comes again, in another process: later ones of its lane do too."""
        self.on_stall: Callable[[], None] | None = None
        """Called where later updates are let pass that a webhook brings."""
        self.is_behind: Callable[[], bool] = lambda: False
        """Whether earlier updates of its lane wait in the backlog."""
        self._places = places
        self._line = line
        self._has_had_turn = False
        self._has_place = False
        self._is_next = False
        """It waits for a place alone."""
        self._outside_since: float | None = time.monotonic()
        self._waited = 0.0
        self._left = asyncio.Event()
        """It is in the backlog: it ends where it next has to wait."""
        self._depth = 0
        line.join(self)

    @property
    def is_waiting(self) -> bool:
        """It has been outside for longer than GRACE, for others and not for a place: an answer may be out by then."""
        if self._outside_since is None or self._is_next:
            return False
        return time.monotonic() - self._outside_since >= GRACE

    @property
    def age(self) -> float:
        return time.monotonic() - self.since

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

    def end(self, comes_again: bool = False) -> None:
        """The update is out of work. One that a poller has, and that `comes_again`, keeps its place in the line."""
        self.give_back()
        if self.is_broken_off or (comes_again and self.policy is Policy.HOLD):
            return
        self._line.leave(self)
        self.passed.set()

    def break_off(self) -> None:
        """The process ends."""
        self.is_broken_off = not self.passed.is_set()
        self.passed.set()

    def leave(self) -> None:
        """It is in the backlog now, or forgotten: end it where it waits. What is on its way to Telegram goes on."""
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
            raise PutDown(seconds, cause)
        if self._waited > (STAY if self.policy is Policy.RESUME and cause is Cause.PACE else PATIENCE):
            if cause is Cause.DOWNLOAD:
                self.leave_lane()
            is_resent = self.policy is Policy.RESEND
            if self.policy is Policy.RESUME or cause is Cause.ALBUM or (is_resent and cause is Cause.DOWNLOAD):
                raise PutDown(seconds, cause)
            if is_resent:
                raise ChatHeld(seconds)
        if self._waited > GRACE or cause is Cause.ALBUM:  # nothing has begun
            self.give_back()
        until = time.monotonic() + seconds
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._left.wait()
        if self._left.is_set():
            raise PutDown(max(0.0, until - time.monotonic()), cause)
        if not self._depth:
            await self._take()

    async def turn(self) -> None:
        if self._has_had_turn:  # one that comes late, and waits for the same lock, may not be waited for
            return
        try:
            async with asyncio.timeout(STAY if self.policy is Policy.RESUME else None):
                while before := self._line.find_before(self):
                    if before.is_broken_off:
                        raise asyncio.CancelledError
                    self.give_back()
                    await self._unless_left(before.passed.wait())
        except TimeoutError:
            raise PutDown(0, Cause.TURN) from None
        self.step_aside()
        self._has_had_turn = True
        if not self._depth:
            await self._take()

    def step_aside(self) -> None:
        if not self._has_had_turn and (self._left.is_set() or self.is_behind()):
            raise PutDown(0, Cause.TURN)

    async def _take(self) -> None:
        if self._has_place:
            return
        self._is_next = True
        try:
            await self._places.acquire()
        finally:
            self._is_next = False
        self._has_place, self._outside_since = True, None

    def leave_lane(self) -> None:
        self.has_left_lane = True
        self.passed.set()

    def let_pass(self) -> None:
        """It is put down where Telegram would hold the chat's other updates for it, and goes on all the same."""
        self.leave_lane()
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
            raise PutDown(0, Cause.TURN)


_SLOT: ContextVar[Waits] = ContextVar("slot")
_NONE = Waits()


def current_slot() -> Waits:
    """That of the update that this task works for."""
    return _SLOT.get(_NONE)


@asynccontextmanager
async def hold_lock(lock: asyncio.Lock) -> AsyncIterator[None]:
    """Hold a lock around something that is sent. An update that waits for the lock gives its slot back.

    Otherwise those that wait could have all slots, and the one that has the lock would never get its own again.
    """
    slot = current_slot()
    await slot.turn()  # before the lock: an update before it in its lane may want the lock first
    async with AsyncExitStack() as stack:
        async with slot.lent(Cause.TURN, after=0):
            await stack.enter_async_context(lock)
        yield


def use_slot(slot: Slot) -> None:
    """`slot` is that of this task, and of those that it starts."""
    _SLOT.set(slot)
