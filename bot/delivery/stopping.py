"""Work that is broken off when the bot stops."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def until(stopped: asyncio.Event, work: Awaitable[T]) -> T | None:
    """The result of `work`, which is broken off when `stopped` is set: then None."""
    task, stop = asyncio.ensure_future(work), asyncio.ensure_future(stopped.wait())
    try:
        await asyncio.wait([task, stop], return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        for future in (task, stop):
            if not future.done():
                future.cancel()
                with suppress(asyncio.CancelledError):
                    await future


async def wait_for_all(tasks: Collection[asyncio.Task[None]], seconds: float) -> set[asyncio.Task[None]]:
    """Those of the tasks that have not ended after `seconds`."""
    return (await asyncio.wait(tasks, timeout=seconds))[1] if tasks else set()
