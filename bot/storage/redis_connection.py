"""What the stores in Redis share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.exceptions import RedisError

from bot.storage.ledger import LedgerError

PREFIX = "labelgram:"


@asynccontextmanager
async def explain_redis() -> AsyncIterator[None]:
    """Redis' errors -> LedgerError."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise LedgerError(f"Redis cannot be reached: {type(error).__name__}") from error
