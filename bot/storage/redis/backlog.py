"""The backlog in Redis, which goes on from any of a bot's replicas."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from redis.asyncio import Redis

from bot.storage.backlog import PutDownUpdate
from bot.storage.redis.connection import PREFIX, explain_redis

# KEYS: backlog. ARGV: an update's key, its content. Returns whether it was there.
REPLACE = """
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
"""


class RedisBacklog:
    """`BacklogStore`: a hash of what was put down, for one bot."""

    def __init__(self, redis: Redis, bot: int) -> None:
        self._name = f"{PREFIX}{bot}:backlog"
        self._replace = redis.register_script(REPLACE)
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
