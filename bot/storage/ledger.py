"""What became of each update: answered, or how often it failed. It outlives the process.

Telegram sends an update until it is confirmed, so an update may come twice, and one that brings the process down comes
for ever. The ledger tells both. It holds no more than a keyed hash of who sent what, a count and a time.
"""

from __future__ import annotations

from typing import Protocol

from bot.errors import LabelgramError

KEPT = 48 * 3600
"""Seconds for which an update is remembered. Telegram itself keeps what is not confirmed for 24 hours."""

ANSWERED = -1


class RetryLater(LabelgramError):  # noqa: N818  # no error: Telegram keeps the update
    """An update cannot be answered now, and must come again. The message says why."""


class LedgerError(RetryLater):
    """The ledger cannot be read or written."""


class ClaimedElsewhere(RetryLater):
    """Another process has the update in work."""


class Ledger(Protocol):
    """Keys are names of updates (`pseudonym`). Every method raises LedgerError if the ledger cannot be reached."""

    async def claim(self, key: str) -> int:
        """Take an update into work: how often it has failed, or ANSWERED. Raises ClaimedElsewhere."""

    async def record_failure(self, key: str) -> None:
        """Count a failure. Before what may bring the process down: afterwards might be too late."""

    async def clear_failure(self, key: str) -> None:
        """It has not failed: take one back."""

    async def release(self, key: str) -> None:
        """The update is out of work, and not answered."""

    async def finish(self, key: str) -> None:
        """The update needs nothing more."""

    async def check(self) -> None:
        """Raise LedgerError if the ledger cannot be reached."""

    async def close(self) -> None: ...
