"""What the stores in Redis share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.exceptions import (
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from bot.storage.ledger import LedgerError, LedgerRefusedError

PREFIX = "labelgram:"

WRONG_PASSWORD = (
    "Redis does not take this password, or wants one. "
    "REDIS_URL is redis://user:password@host:port/0, where the user may be empty."
)
FOR_GOOD = {
    AuthenticationError: WRONG_PASSWORD,
    AuthenticationWrongNumberOfArgsError: WRONG_PASSWORD,
    NoPermissionError: f"Redis does not let this user read and write keys {PREFIX}* (ACL SETUSER).",
}
FOR_NOW = {
    OutOfMemoryError: "Redis has no memory left. Raise its maxmemory, or delete what else it holds.",
    ReadOnlyError: "Redis takes no writes, since it is a replica. REDIS_URL names the one that takes them.",
    BusyLoadingError: "Redis is still loading its data.",
}


@asynccontextmanager
async def explain_redis() -> AsyncIterator[None]:
    """Redis' errors -> LedgerError, or LedgerRefusedError for what waiting does not change."""
    try:
        yield
    except (RedisError, OSError) as error:
        cause = error.__cause__  # at a Unix socket Redis' answer is within an error of the connection
        raise _explain(cause if isinstance(cause, RedisError) else error) from error


def _explain(error: RedisError | OSError) -> LedgerError:
    kind = type(error)
    if kind in FOR_GOOD:
        return LedgerRefusedError(FOR_GOOD[kind])
    if kind in FOR_NOW:
        return LedgerError(FOR_NOW[kind])
    if not isinstance(error, ResponseError):
        return LedgerError(f"Redis cannot be reached: {kind.__name__}")
    if "DB index" in str(error) or "SELECT" in str(error):
        return LedgerRefusedError("Redis has no such database. REDIS_URL ends with its number, most often /0.")
    code = str(error).partition(" ")[0]  # the rest may hold what was to be written
    return LedgerError(f"Redis refuses a command: {code} ({kind.__name__})")
