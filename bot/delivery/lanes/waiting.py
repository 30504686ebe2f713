"""What work waits for, for how long, and what becomes of an update then.

Code that may have to wait calls `lent` around what the network does, `wait` instead of `asyncio.sleep`, and `turn`
before something is sent: on the slot of its update (`bot.delivery.lanes.slots.current_slot`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum

from bot.errors import LabelgramError
from bot.storage.ledger import RetryLater

GRACE = 0.5
"""Seconds of waiting after which the slot goes back."""
PATIENCE = 3.0
"""Seconds of waiting after which it is no short wait, and the policy decides."""
STAY = 20.0
"""The same for what is in the backlog, where it waits for its turn or pace: a group may be sent one in four seconds."""
KEPT = 24 * 3600.0
"""Seconds for which an update is worth an answer; Telegram keeps one as long."""


class Cause(Enum):
    """What is waited for."""

    CHAT = "chat"
    """The chat cannot be written to."""
    PACE = "pace"
    """The chat may not be written to yet, and it is known until when."""
    DOWNLOAD = "download"
    """The picture does not come."""
    TURN = "turn"
    """An earlier update of the same lane."""
    ALBUM = "album"
    """Another photo of its album."""


class Policy(Enum):
    """What becomes of an update that waits for longer than PATIENCE."""

    HOLD = "hold"
    """By polling: it stays unconfirmed and waits in memory until it is put down. For its album it is put down."""
    RESEND = "resend"
    """By webhook: Telegram sends it again. If only its picture does not come, it is put down."""
    RESUME = "resume"
    """From the backlog: it goes back there. For its turn, and its chat's pace, it waits up to STAY."""


class PutDown(RetryLater):
    """The update leaves the memory and goes on later, from the backlog."""

    def __init__(self, seconds: float, cause: Cause) -> None:
        super().__init__("it waits in the backlog")
        self.seconds = seconds
        """Least seconds until it is worth another try."""
        self.cause = cause


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

    number = 0
    """The update's own, its `update_id`."""

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
        """Return when those before it in its lane are answered, or are not waited for. Raises PutDown."""

    def step_aside(self) -> None:
        """Raises PutDown if its turn cannot come now: what it would begin with would have to be done again."""

    def let_pass(self) -> None:
        """Have later updates of its lane not wait for it, though it is not answered. It is not lost by that."""
