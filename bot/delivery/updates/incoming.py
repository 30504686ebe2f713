"""An update as it came in, and its work."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from aiogram.types import Update

from bot.delivery.lanes.slots import Slot
from bot.storage.ledger import RetryLater


@dataclass(eq=False)
class Incoming:
    """An update as it came in."""

    number: int
    """Its `update_id`."""
    kind: str
    """Its name in metrics."""
    update: Update | None
    """None: there is nothing in it that the bot could answer."""
    is_cut: bool = False
    """A part of what a person said in it could not be parsed, and is left out."""
    lost_picture: bool = False
    """It had a picture, and that could not be parsed."""
    is_apart: bool = False
    """It was put down because its picture did not arrive: it no longer has a place in its lane."""
    is_unasked: bool = False
    """It was put down before the rate limit was asked."""
    lag: float = 0.0
    """Seconds that Telegram got it before the last of those that came with it. The own clock may be behind both."""
    since: float = field(default_factory=lambda: time.monotonic())  # noqa: PLW0108  # the clock of a simulation
    """When it first came (by `time.monotonic`, which nobody sets)."""
    slot: Slot | None = field(default=None, repr=False)
    """Its place in its line, which it keeps from one try to the next."""
    entry: Entry | None = field(default=None, repr=False)
    """Its work, once `Delivery` has begun with it."""


@dataclass(eq=False)
class Entry:
    """An update in work."""

    key: str
    """The ledger's name of it."""
    incoming: Incoming
    update: Update
    slot: Slot
    settled: asyncio.Future[None]
    """Done when the update needs nothing more of who brought it."""
    is_put_down: bool = False
    """The backlog has it."""
    is_begun: bool = False
    """It has had a slot."""
    is_answered: bool = False
    """It needs nothing more, but to be deleted where it was put down."""
    task: asyncio.Task[None] = field(init=False, repr=False)

    def settle(self, reason: RetryLater | None = None) -> None:
        """Tell who brought it that it needs nothing more, or why it must come again. The first time counts."""
        if self.settled.done():
            return
        if reason is None:
            self.settled.set_result(None)
        else:
            self.settled.set_exception(reason)
