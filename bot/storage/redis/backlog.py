"""The backlog in Redis, which goes on from any of a bot's replicas."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from redis.asyncio import Redis

from bot.storage.backlog import PutDownUpdate
from bot.storage.ledger import KEPT
from bot.storage.redis.connection import PREFIX, explain_redis

# KEYS: backlog. ARGV: an update's key, its content. Returns whether it was there.
REPLACE = """
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
"""
# KEYS: forgotten. ARGV: a person and a number, KEPT.
FORGET = """
local now = tonumber(redis.call('TIME')[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
"""


class RedisBacklog:
    """`BacklogStore`: a hash of what was put down, for one bot; and by the time of `/forget`, who has sent it."""

    is_shared = True

    def __init__(self, redis: Redis, bot: int) -> None:
        self._name = f"{PREFIX}{bot}:backlog"
        self._forgotten = f"{PREFIX}{bot}:forgotten"
        self._replace = redis.register_script(REPLACE)
        self._forget = redis.register_script(FORGET)
        self._do: Any = redis.execute_command  # the client's own methods for hashes are typed for both its kinds

    async def put(self, update: PutDownUpdate) -> None:
        async with explain_redis():
            await self._do("HSET", self._name, update.key, json.dumps(asdict(update)))

    async def replace(self, update: PutDownUpdate) -> bool:
        async with explain_redis():
            return bool(await self._replace([self._name], [update.key, json.dumps(asdict(update))]))

    async def find_keys(self) -> list[str]:
        async with explain_redis():
            return list(await self._do("HKEYS", self._name))

    async def read(self, key: str) -> PutDownUpdate | None:
        async with explain_redis():
            value = await self._do("HGET", self._name, key)
        return PutDownUpdate(**json.loads(value)) if value else None

    async def delete(self, key: str) -> None:
        async with explain_redis():
            await self._do("HDEL", self._name, key)

    async def erase(self, keys: list[str]) -> None:
        if keys:
            async with explain_redis():
                await self._do("HDEL", self._name, *keys)

    async def count(self) -> int:
        async with explain_redis():
            return int(await self._do("HLEN", self._name))

    async def forget(self, person: str, number: int) -> None:
        async with explain_redis():
            await self._forget([self._forgotten], [f"{person} {number}", KEPT])

    async def find_forgotten(self) -> dict[str, int]:
        async with explain_redis():
            marks = await self._do("ZRANGE", self._forgotten, 0, -1)
        numbers: dict[str, int] = {}
        for person, _, number in (mark.partition(" ") for mark in marks):
            numbers[person] = max(int(number), numbers.get(person, 0))
        return numbers
