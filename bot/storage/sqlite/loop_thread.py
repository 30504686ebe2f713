"""One thread that does jobs in order for an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any

Job = Callable[[], Any]


class LoopThread(Executor):
    """An executor for `loop.run_in_executor`, at a third of the cost of a pool of one thread.

    A job's result goes into a future of the event loop's, with nothing in between. A job that is cancelled is done all
    the same.
    """

    def __init__(self, name: str) -> None:
        """The thread starts with the first job, and ends with the process if `shutdown` does not end it before."""
        self._jobs: SimpleQueue[tuple[asyncio.Future[Any], Job] | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name=name, daemon=True)

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """To be called in the event loop, which takes this future as it is."""
        if self._thread.ident is None:
            self._thread.start()
        future = asyncio.get_running_loop().create_future()
        self._jobs.put((future, partial(function, *arguments)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Return when all jobs are done."""
        self._jobs.put(None)
        if wait and self._thread.ident is not None:
            self._thread.join()

    def _work(self) -> None:
        for future, job in iter(self._jobs.get, None):
            settle = partial(_settle, future, *_run(job))
            with suppress(RuntimeError):  # the event loop has ended: nobody waits for the result
                future.get_loop().call_soon_threadsafe(settle)
            del future, job, settle  # else they would be kept until the next job


def _run(job: Job) -> tuple[Any, BaseException | None]:
    try:
        return job(), None
    except BaseException as error:
        return None, error


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error:
        future.set_exception(error)
    else:
        future.set_result(result)
