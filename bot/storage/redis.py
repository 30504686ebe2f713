"""Ledger, notes and throttle in Redis, shared by any number of replicas. Needs requirements-redis.txt."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis
from redis.exceptions import RedisError

from bot.storage.key_values import KeyValueStore
from bot.storage.ledger import ANSWERED, KEPT, ClaimedElsewhere, Ledger, LedgerError
from bot.storage.rate_limits import Rate, RateLimiter

CLAIMED = 10
"""Seconds for which a claim holds without being renewed: what a dead replica had in work is free then."""
PREFIX = "labelgram:"
TAKEN = -2

# KEYS: count, claim. ARGV: this replica, CLAIMED. How often it has failed, -1 if answered, -2 if taken.
CLAIM = """
local failures = tonumber(redis.call('GET', KEYS[1]) or 0)
if failures == -1 then return -1 end
local owner = redis.call('GET', KEYS[2])
if owner and owner ~= ARGV[1] then return -2 end
redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[2])
return failures
"""
# `MemoryRateLimiter`, with Redis' clock. KEYS: bucket. ARGV: per_second, burst, at_most. Seconds as text, or nil.
RESERVE = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local wait = math.max(0, full_at - now - (ARGV[2] - 1) / ARGV[1])
if wait > tonumber(ARGV[3]) then return nil end
full_at = full_at + 1 / ARGV[1]
redis.call('SET', KEYS[1], string.format('%.6f', full_at), 'PX', math.ceil((full_at - now) * 1000) + 1)
return string.format('%.6f', wait)
"""
# KEYS: bucket. ARGV: seconds until it is full again.
HOLD = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local until_ = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now + ARGV[1])
redis.call('SET', KEYS[1], string.format('%.6f', until_), 'PX', math.ceil((until_ - now) * 1000) + 1)
"""


def open_redis(url: str) -> tuple[Ledger, KeyValueStore, RateLimiter]:
    """Raises LedgerError if `url` is none that Redis' client understands; it is reached when it is first asked."""
    try:
        redis = Redis.from_url(url, decode_responses=True, socket_timeout=5, socket_connect_timeout=5)
    except ValueError as error:
        raise LedgerError(f"REDIS_URL: {error}") from error
    return RedisLedger(redis), RedisKeyValues(redis), RedisRateLimiter(redis)


class RedisLedger:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._replica = uuid.uuid4().hex
        self._claim = redis.register_script(CLAIM)
        self._claims: set[str] = set()
        self._renewing: asyncio.Task[None] | None = None

    async def claim(self, key: str) -> int:
        if self._renewing is None:
            self._renewing = asyncio.create_task(self._renew())
        async with _explained():
            failures = int(await self._claim([_count(key), _claim(key)], [self._replica, CLAIMED]))
        if failures == TAKEN:
            raise ClaimedElsewhere("another replica has it in work")
        if failures != ANSWERED:
            self._claims.add(key)
        return failures

    async def record_failure(self, key: str) -> None:
        await self._add(key, 1)

    async def clear_failure(self, key: str) -> None:
        await self._add(key, -1)

    async def release(self, key: str) -> None:
        async with _explained():
            await self._let_go(key)

    async def finish(self, key: str) -> None:
        async with _explained():
            await self._redis.set(_count(key), ANSWERED, ex=KEPT)
            await self._let_go(key)

    async def check(self) -> None:
        async with _explained():
            await self._redis.exists(PREFIX)

    async def close(self) -> None:
        if self._renewing:
            self._renewing.cancel()
        await self._redis.aclose()

    async def _add(self, key: str, failures: int) -> None:
        async with _explained(), self._redis.pipeline() as pipeline:
            pipeline.incrby(_count(key), failures)
            pipeline.expire(_count(key), KEPT)
            await pipeline.execute()

    async def _let_go(self, key: str) -> None:
        self._claims.discard(key)
        await self._redis.delete(_claim(key))

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(CLAIMED / 3)
            for key in list(self._claims):
                try:
                    await self._redis.expire(_claim(key), CLAIMED)
                except RedisError:
                    break


class RedisKeyValues:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def get(self, name: str) -> str | None:
        async with _explained():
            value = await self._redis.get(_note(name))
            return None if value is None else str(value)

    async def set(self, name: str, value: str, life: float | None = None) -> None:
        async with _explained():
            await self._redis.set(_note(name), value, px=None if life is None else int(life * 1000))

    async def delete(self, name: str) -> None:
        async with _explained():
            await self._redis.delete(_note(name))

    async def add(self, name: str) -> int:
        async with _explained():
            return int(await self._redis.incr(_note(name)))

    async def close(self) -> None:
        """The connection is the ledger's."""


class RedisRateLimiter:
    """Where Redis cannot be reached nothing is held back: Telegram's own limits are still there."""

    def __init__(self, redis: Redis) -> None:
        self._reserve = redis.register_script(RESERVE)
        self._hold = redis.register_script(HOLD)

    async def reserve(self, name: str, rate: Rate, at_most: float = 1e9) -> float | None:
        try:
            wait = await self._reserve([PREFIX + name], [rate.per_second, rate.burst, min(at_most, 1e9)])
        except RedisError:
            return 0.0
        return None if wait is None else float(wait)

    async def hold(self, name: str, rate: Rate, seconds: float) -> None:
        try:
            await self._hold([PREFIX + name], [seconds + (rate.burst - 1) / rate.per_second])
        except RedisError:
            await asyncio.sleep(seconds)


def _count(key: str) -> str:
    return f"{PREFIX}failures:{key}"


def _note(name: str) -> str:
    return f"{PREFIX}note:{name}"


def _claim(key: str) -> str:
    return f"{PREFIX}claim:{key}"


@asynccontextmanager
async def _explained() -> AsyncIterator[None]:
    try:
        yield
    except RedisError as error:
        raise LedgerError(f"Redis cannot be reached: {type(error).__name__}") from error
