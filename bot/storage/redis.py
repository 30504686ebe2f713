"""State in Redis, shared by any number of replicas. Needs requirements-redis.txt."""

from __future__ import annotations

import asyncio

from redis.asyncio import Redis
from redis.exceptions import RedisError

from bot.storage.rate_limits import Place, Rate
from bot.storage.redis_connection import PREFIX, explain_redis
from bot.storage.redis_ledger import RedisBacklog, RedisLedger
from bot.storage.state import State

# `MemoryRateLimiter`, with Redis' clock. KEYS: bucket. ARGV: per_second, burst, at_most, age. Whether the place is
# taken, and the seconds until it comes, as text. What piles up is as old as this one: the bucket is kept for as long.
RESERVE = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local since = now - ARGV[4]
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or since), since)
local wait = math.max(0, full_at - now - (ARGV[2] - 1) / ARGV[1])
if wait > tonumber(ARGV[3]) then return {0, string.format('%.6f', wait)} end
full_at = full_at + 1 / ARGV[1]
redis.call('SET', KEYS[1], string.format('%.6f', full_at), 'PX', math.ceil((full_at - since) * 1000) + 1)
return {1, string.format('%.6f', wait)}
"""
# KEYS: bucket. ARGV: seconds until it is full again.
HOLD = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local until_ = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now + ARGV[1])
redis.call('SET', KEYS[1], string.format('%.6f', until_), 'PX', math.ceil((until_ - now) * 1000) + 1)
"""


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


class RedisKeyValues:
    """`KeyValueStore`. Names carry the bot's number; those of earlier versions did not, and are read too."""

    def __init__(self, redis: Redis, bot: int) -> None:
        self._redis = redis
        self._bot = bot

    async def get(self, name: str) -> str | None:
        async with explain_redis():
            values = await self._redis.mget(self._name(name), _old_name(name))
        return next((str(value) for value in values if value is not None), None)

    async def set(self, name: str, value: str, life: float | None = None) -> None:
        async with explain_redis():
            await self._redis.set(self._name(name), value, px=None if life is None else int(life * 1000))

    async def delete(self, name: str) -> None:
        async with explain_redis():
            await self._redis.delete(self._name(name), _old_name(name))

    async def add(self, *names: str) -> None:
        async with explain_redis():
            old = await self._redis.mget(map(_old_name, names))
            async with self._redis.pipeline() as pipeline:
                for name, count in zip(names, old, strict=True):
                    pipeline.set(self._name(name), count or 0, nx=True)
                    pipeline.incr(self._name(name))
                await pipeline.execute()

    def _name(self, name: str) -> str:
        return f"{PREFIX}{self._bot}:note:{name}"


def _old_name(name: str) -> str:
    return f"{PREFIX}note:{name}"


class RedisRateLimiter:
    """Where Redis cannot be reached nothing is held back: Telegram's own limits are still there."""

    def __init__(self, redis: Redis) -> None:
        self._reserve = redis.register_script(RESERVE)
        self._hold = redis.register_script(HOLD)

    async def reserve(self, name: str, rate: Rate, at_most: float = 1e9, age: float = 0) -> Place:
        try:
            arguments = [rate.per_second, rate.burst, min(at_most, 1e9), age]
            taken, wait = await self._reserve([PREFIX + name], arguments)
        except (RedisError, OSError):
            return Place(True, 0.0)
        return Place(bool(taken), float(wait))

    async def hold(self, name: str, rate: Rate, seconds: float) -> None:
        try:
            await self._hold([PREFIX + name], [seconds + (rate.burst - 1) / rate.per_second])
        except (RedisError, OSError):
            await asyncio.sleep(min(seconds, 1.0))
