"""All that outlives a request, opened together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.storage.backlog import BacklogStore
from bot.storage.key_values import KeyValueStore
from bot.storage.ledger import Ledger
from bot.storage.rate_limits import RateLimiter


@dataclass(frozen=True)
class State:
    """The stores of one bot: their keys carry its number, or come from its token."""

    ledger: Ledger
    key_values: KeyValueStore
    rate_limiter: RateLimiter
    backlog: BacklogStore
    tidy: Callable[[], Awaitable[None]]
    """Delete what has outlived its time. Raises LedgerError."""
    close: Callable[[], Awaitable[None]]
