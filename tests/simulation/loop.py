"""Virtual time: event loops whose clock jumps to the next timer, and the clock that several of them share.

Nothing here waits. A clock steps every loop that has work; where none has, it moves to the next moment at which
something happens. The same callbacks run in the same order each time, so a run depends on its seed alone.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import sys
import threading
from asyncio import events
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

START = 1_800_000_000.0
"""Seconds since 1970 at which every run begins."""
TICK = 1e-6
"""Seconds between two readings of the time of day."""

UNWINDINGS = 20
"""Awaits in the `finally` clauses of one task, at most."""


class Clock:
    """What the time is, what happens outside of the loops, and which loops there are."""

    def __init__(self) -> None:
        self.now = START
        self.loops: list[VirtualLoop] = []
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._stamps = 0.0

    def time(self) -> float:
        return self.now

    def stamp(self) -> float:
        """The time of day, which tells what came first from what came next."""
        self._stamps += TICK
        return self.now + self._stamps

    def after(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call `callback` in so many seconds, whatever becomes of the loops."""
        heapq.heappush(self._events, (self.now + seconds, next(self._numbers), callback))

    def run(self, until: float, done: Callable[[], bool] = lambda: False) -> None:
        """Let time go on until that moment, until `done` says so, or until nothing can happen any more."""
        while self.now < until:
            busy = [loop for loop in self.loops if loop.has_work]
            for loop in busy:
                loop.step()
            if not busy and (done() or not self._advance()):
                return

    def _advance(self) -> bool:
        """Move to the next event or timer. False: there is none."""
        timers = [when for loop in self.loops if (when := loop.next_timer) is not None]
        event = self._events[0][0] if self._events else None
        if event is not None and event <= min(timers, default=event):
            when, _, callback = heapq.heappop(self._events)
            self.now = max(self.now, when)
            callback()
            return True
        if timers:
            self.now = max(self.now, min(timers))
        return bool(timers)


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop without a selector: its clock steps it, and what it would wait for comes by callbacks."""

    _scheduled: list[asyncio.TimerHandle]  # of BaseEventLoop, where they have no public names
    _ready: deque[asyncio.Handle]
    _thread_id: int | None

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._selector = _NoSelector()
        self._clock_resolution = 1e-6  # a double cannot add less to START
        self._clock = clock
        self.is_dead = False
        self.numbers = itertools.count(1)
        """For the hashes of futures."""
        self.signals: dict[int, Callable[[], object]] = {}
        self._buried: set[asyncio.Task[Any]] = set()
        self.set_task_factory(self._make_task)
        clock.loops.append(self)

    def time(self) -> float:
        return self._clock.now

    @property
    def next_timer(self) -> float | None:
        return self._scheduled[0].when() if self._scheduled else None

    @property
    def has_work(self) -> bool:
        """Something can run now. A cancelled timer at the front counts: a step takes it away."""
        timers = self._scheduled
        return bool(self._ready or (timers and (timers[0].when() <= self.time() or timers[0].cancelled())))

    def step(self) -> None:
        """Run what is ready now, and what that makes ready, as `run_forever` does; no more once the process is dead."""
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(self._asyncgen_firstiter_hook, self._asyncgen_finalizer_hook)  # type: ignore[attr-defined]
        self._thread_id = threading.get_ident()
        events._set_running_loop(self)  # noqa: SLF001
        try:
            while self.has_work:
                self._collect_timers()
                for _ in range(len(self._ready)):
                    handle = self._ready.popleft()
                    if not handle.cancelled():
                        handle._run()  # noqa: SLF001
                    if self.is_dead:
                        return
        finally:
            self._thread_id = None
            events._set_running_loop(None)  # noqa: SLF001
            sys.set_asyncgen_hooks(*hooks)

    def _collect_timers(self) -> None:
        """Have those be ready whose time has come, and drop what is cancelled before them."""
        timers, now = self._scheduled, self.time()
        while timers and (timers[0].when() <= now or timers[0].cancelled()):
            timer = heapq.heappop(timers)
            timer._scheduled = False  # type: ignore[attr-defined]  # noqa: SLF001
            self._ready.append(timer)

    def discard(self) -> None:
        """Never step again, as a process that is dead: nothing of it is closed, and no `finally` runs."""
        if not self.is_dead:
            self.is_dead = True
            self._clock.loops.remove(self)

    def bury(self) -> None:
        """Unwind what a dead loop still holds, so that no `finally` of it runs later."""
        for _ in range(UNWINDINGS):  # unwinding makes tasks of its own
            tasks = [task for task in asyncio.all_tasks(self) if task not in self._buried]
            if not tasks:
                return
            self._buried.update(tasks)
            for task in tasks:
                _unwind(task.get_coro())

    def __del__(self) -> None:
        """A dead loop is not closed, and that is no fault."""

    def add_signal_handler(self, sig: int, callback: Callable[..., object], *args: Any) -> None:  # type: ignore[override]
        self.signals[sig] = lambda: callback(*args)

    def remove_signal_handler(self, sig: int) -> bool:
        return self.signals.pop(sig, None) is not None

    def create_future(self) -> asyncio.Future[Any]:
        return _Future(loop=self)

    def _make_task(self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        return _Task(coroutine, loop=loop, **options)

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nothing has to be woken."""


def _unwind(coroutine: Any) -> None:
    for _ in range(UNWINDINGS):
        with suppress(BaseException):
            coroutine.close()
            return


class _Numbered:
    """Sets of futures have the same order in every run: not by address."""

    get_loop: Callable[[], VirtualLoop]
    _number: int | None = None

    def __hash__(self) -> int:
        if self._number is None:  # few are ever asked
            self._number = next(self.get_loop().numbers)
        return self._number


class _Future(_Numbered, asyncio.Future[Any]):
    pass


class _Task(_Numbered, asyncio.Task[Any]):
    pass


class _NoSelector:
    def select(self, timeout: float | None) -> list[Any]:
        return []

    def close(self) -> None:
        """Nothing is open."""
