"""Rate limits in Redis, which all replicas keep together."""

from __future__ import annotations

import asyncio

from redis.asyncio import Redis
from redis.exceptions import RedisError

from bot.storage.rate_limits import Place, Rate
from bot.storage.redis.connection import PREFIX

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
