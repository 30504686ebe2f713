"""Rate limits in Redis, which all replicas keep together."""

from __future__ import annotations

import asyncio

from redis.asyncio import Redis
from redis.exceptions import RedisError

from bot.storage.rate_limits import Place, Rate
from bot.storage.redis.connection import PREFIX

# KEYS: bucket. It holds when it will be full, and when that was written: how long it takes does not change when the
# clock is set back.
READ = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local full_at, written_at = string.match(redis.call('GET', KEYS[1]) or '', '(%S+) (%S+)')
full_at = (tonumber(full_at) or 0) - math.max(0, (tonumber(written_at) or now) - now)
"""
# `MemoryRateLimiter`, with Redis' clock. KEYS: bucket. ARGV: per_second, burst, at_most, age. Whether the place is
# taken, and the seconds until it comes, as text. What piles up is as old as this one: the bucket is kept for as long.
RESERVE = f"""
{READ}
local since = now - ARGV[4]
full_at = math.max(full_at, since)
local wait = math.max(0, full_at - now - (ARGV[2] - 1) / ARGV[1])
if wait > tonumber(ARGV[3]) then return {{0, string.format('%.6f', wait)}} end
full_at = full_at + 1 / ARGV[1]
redis.call('SET', KEYS[1], string.format('%.6f %.6f', full_at, now), 'PX', math.ceil((full_at - since) * 1000) + 1)
return {{1, string.format('%.6f', wait)}}
"""
# KEYS: bucket. ARGV: seconds until it is full again.
HOLD = f"""
{READ}
full_at = math.max(full_at, now + ARGV[1])
redis.call('SET', KEYS[1], string.format('%.6f %.6f', full_at, now), 'PX', math.ceil((full_at - now) * 1000) + 1)
"""


class RedisRateLimiter:
    """Where Redis cannot be reached nothing is held back: Telegram's own limits are still there."""

    def __init__(self, redis: Redis) -> None:
        self._reserve = redis.register_script(RESERVE)
        self._hold = redis.register_script(HOLD)

    async def reserve(self, name: str, rate: Rate, at_most: float = 1e9, age: float = 0) -> Place:
        try:
            arguments = [rate.per_second, rate.burst, min(at_most, 1e9), age]
            taken, wait = await self._reserve([_name(name)], arguments)
        except (RedisError, OSError):
            return Place(True, 0.0)
        return Place(bool(taken), float(wait))

    async def hold(self, name: str, rate: Rate, seconds: float) -> None:
        try:
            await self._hold([_name(name)], [seconds + (rate.burst - 1) / rate.per_second])
        except (RedisError, OSError):
            await asyncio.sleep(min(seconds, 1.0))


def _name(name: str) -> str:
    """Not as earlier versions named them: a replica of those could not read what is in a bucket now."""
    return f"{PREFIX}rate:{name}"
