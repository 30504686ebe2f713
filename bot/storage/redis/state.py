"""State in Redis, shared by any number of replicas. Needs requirements-redis.txt."""

from __future__ import annotations

from redis.asyncio import Redis
from redis.exceptions import RedisError

from bot.storage.redis.backlog import RedisBacklog
from bot.storage.redis.key_values import RedisKeyValues
from bot.storage.redis.ledger import RedisLedger
from bot.storage.redis.rate_limits import RedisRateLimiter
from bot.storage.state import State


def open_redis(url: str, bot: int) -> State:
    """The state of the bot with that number; Redis is reached when it is first asked.

    Raises ValueError if Redis' client does not understand `url`.
    """
    redis = Redis.from_url(url, decode_responses=True, socket_timeout=5, socket_connect_timeout=5)
    try:
        pool = redis.connection_pool
        pool.connection_class(**pool.connection_kwargs)  # not connected: it only reads the options in `url`
    except (TypeError, RedisError) as error:
        raise ValueError("an option that Redis' client does not know") from error
    ledger = RedisLedger(redis)

    async def tidy() -> None:
        """Redis does so by itself, but for what is put down: its own bot does that."""

    async def close() -> None:
        await ledger.close()
        await redis.aclose()

    return State(ledger, RedisKeyValues(redis, bot), RedisRateLimiter(redis), RedisBacklog(redis, bot), tidy, close)
