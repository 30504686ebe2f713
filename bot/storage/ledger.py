"""What became of each update: answered, or how often it failed. It outlives the process.

Telegram sends an update until it is confirmed, so an update may come twice, and one that brings the process down comes
for ever. The ledger tells both. It holds no more than a keyed hash of who sent what, a count and a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bot.errors import LabelgramError

KEPT = 48 * 3600
"""Seconds for which an update is remembered. Telegram itself keeps what is not confirmed for 24 hours."""
REFUSED = -1
"""What stands in the place of a count of failures: no failure is counted of what is refused."""


@dataclass(frozen=True)
class Claim:
    """What the ledger knows of an update that is taken into work."""

    failures: int = 0
    """How often it has failed, or brought the process down."""
    is_answered: bool = False
    is_known: bool = False
    """It was claimed before."""
    is_refused: bool = False
    """The rate limit has not let it in, and its sender is to be told."""

    @classmethod
    def read(cls, failures: int) -> Claim:
        """Of an update that was claimed before: its count, or REFUSED."""
        return cls(max(0, failures), is_known=True, is_refused=failures == REFUSED)


class RetryLater(LabelgramError):  # noqa: N818  # no error: Telegram keeps the update
    """An update cannot be answered now, and must come again. The message says why."""


class LedgerError(RetryLater):
    """The bot's state cannot be read or written now."""


class LedgerRefusedError(LedgerError):
    """The state is there, and does not take this bot as it is set up: waiting alone changes nothing."""


class ClaimedElsewhere(RetryLater):
    """Another process has the update in work."""


class Ledger(Protocol):
    """Keys are names of updates (`Pseudonymiser`). Every method raises LedgerError if the ledger cannot be reached."""

    async def claim(self, key: str) -> Claim:
        """Take an update into work, and note that it came. Raises ClaimedElsewhere."""

    async def record_failure(self, key: str) -> None:
        """Count a failure. Before what may bring the process down: afterwards might be too late."""

    async def clear_failure(self, key: str) -> None:
        """It has not failed: take one back, down to none."""

    async def refuse(self, key: str) -> None:
        """The rate limit has not let it in, and its sender is to be told: by whatever process it comes to next."""

    async def release(self, key: str) -> None:
        """The update is out of work, and not answered."""

    async def finish(self, key: str) -> None:
        """The update needs nothing more."""

    async def check(self) -> None:
        """Write something. Raises LedgerError if that fails."""
