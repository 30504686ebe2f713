"""Key-values in Redis, shared by any number of replicas."""

from __future__ import annotations

from collections.abc import Iterable

from redis.asyncio import Redis

from bot.storage.redis.connection import PREFIX, explain_redis


class RedisKeyValues:
    """`KeyValueStore`. Names carry the bot's number; those of earlier versions did not, and are read too."""

    def __init__(self, redis: Redis, bot: int) -> None:
        self._redis = redis
        self._bot = bot

    async def get(self, name: str) -> str | None:
        async with explain_redis():
            return _first(await self._redis.mget(self._name(name), _old_name(name)))

    async def set(self, name: str, value: str, life: float | None = None) -> None:
        async with explain_redis():
            await self._redis.set(self._name(name), value, px=None if life is None else int(life * 1000))

    async def claim(self, name: str, value: str, life: float) -> str | None:
        async with explain_redis(), self._redis.pipeline() as transaction:
            transaction.mget(self._name(name), _old_name(name))
            transaction.set(self._name(name), value, px=int(life * 1000), nx=True)
            known, _ = await transaction.execute()
        return _first(known)

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


def _first(values: Iterable[object]) -> str | None:
    return next((str(value) for value in values if value is not None), None)


def _old_name(name: str) -> str:
    return f"{PREFIX}note:{name}"
