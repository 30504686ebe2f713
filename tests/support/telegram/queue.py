"""Updates that wait for the bot: getUpdates with its offsets, or the webhook."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from tests.support.telegram.webhook import Couriers


class Conflict(Exception):  # noqa: N818
    """Telegram's word for two who ask for the updates of one bot."""


class UpdateQueue:
    """An update is kept until a getUpdates with a higher offset confirms it, or the webhook answers it with 2xx.

    A second poller ends the first one's request with a conflict. All but `put` belong to the event loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, is_impatient: Callable[[], bool]) -> None:
        self.updates: dict[int, Any] = {}
        """Those that wait, by their update_id: a message's is its message_id."""
        self.couriers = Couriers(self.updates, is_impatient)
        self.polled_at = 0.0
        """When getUpdates was called last, on time.monotonic's clock."""
        self._loop = loop
        self._poll: asyncio.Future[str | None] | None = None
        """The getUpdates that waits; its result is a conflict, or None for updates."""

    def put(self, number: int, update: dict[str, Any]) -> None:
        """From any thread."""
        self.put_raw(number, update | {"update_id": number})

    def put_raw(self, number: int, update: Any) -> None:
        """Anything at all, in the place of the update with this number."""
        self.updates[number] = update
        self._loop.call_soon_threadsafe(self._announce)

    async def get(self, offset: int, limit: int, seconds: float) -> list[Any]:
        """What getUpdates answers. Raises Conflict."""
        if self.couriers.webhook:
            active = "can't use getUpdates method while webhook is active"
            raise Conflict(f"{active}; use deleteWebhook to delete the webhook first")
        self.polled_at = time.monotonic()
        self.end_poll("terminated by other getUpdates request")
        for number in [number for number in list(self.updates) if number < offset]:
            del self.updates[number]
        if not self.updates:
            self._poll = mine = self._loop.create_future()
            await asyncio.wait([mine], timeout=seconds)
            if mine.done() and mine.result():
                raise Conflict(mine.result())
        return [self.updates[number] for number in sorted(self.updates)[:limit]]

    def register(self, webhook: dict[str, Any] | None) -> None:
        """Bring updates to this webhook from now on; None: keep them for getUpdates."""
        if webhook:
            self.end_poll("terminated by setWebhook request")
        self.couriers.register(webhook)

    def end_poll(self, conflict: str | None) -> None:
        if self._poll and not self._poll.done():
            self._poll.set_result(conflict)

    def _announce(self) -> None:
        if self.couriers.webhook:
            self.couriers.call()
        else:
            self.end_poll(None)
