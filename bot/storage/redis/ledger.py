"""The ledger in Redis, shared by any number of replicas."""

from __future__ import annotations

import asyncio
import uuid

from redis.asyncio import Redis
from redis.exceptions import RedisError

from bot.storage.ledger import KEPT, REFUSED, Claim, ClaimedElsewhere
from bot.storage.redis.connection import PREFIX, explain_redis

CLAIMED = 10
"""Seconds for which a claim holds without being renewed: what a dead replica had in work is free then."""
ANSWERED = "answered"

# KEYS: state, claim. ARGV: this replica, CLAIMED, KEPT. Returns what the state was (a count, REFUSED, ANSWERED, or nil)
# and who else has it in work, or "". Redis may have forgotten everything at any time.
CLAIM = """
local state = redis.call('GET', KEYS[1])
if state == 'answered' then return {state, ''} end
local owner = redis.call('GET', KEYS[2])
if owner and owner ~= ARGV[1] then return {state, owner} end
redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[2])
redis.call('SET', KEYS[1], state or '0', 'EX', ARGV[3])
return {state, ''}
"""
# KEYS: state. ARGV: failures to add, KEPT. Never below none, and never instead of an answer or a refusal.
ADD = """
local state = redis.call('GET', KEYS[1])
if state == 'answered' or state == '-1' then return end
local failures = math.max(0, (tonumber(state) or 0) + ARGV[1])
redis.call('SET', KEYS[1], string.format('%d', failures), 'EX', ARGV[2])
"""


class RedisLedger:
    """`Ledger`. A claim ends by itself where its owner has died; while the owner lives, a task renews its claims.

    The state of an update and the claim on it are two keys: the one is kept for KEPT seconds, the other for CLAIMED.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._replica = uuid.uuid4().hex
        self._claim = redis.register_script(CLAIM)
        self._add = redis.register_script(ADD)
        self._claims: set[str] = set()
        self._renewing: asyncio.Task[None] | None = None

    async def claim(self, key: str) -> Claim:
        if self._renewing is None:
            self._renewing = asyncio.create_task(self._renew())
        async with explain_redis():
            state, owner = await self._claim([_state(key), _claim(key)], [self._replica, CLAIMED, KEPT])
        if owner:
            raise ClaimedElsewhere("another replica has it in work")
        if state == ANSWERED:
            return Claim(is_answered=True, is_known=True)
        self._claims.add(key)
        return Claim() if state is None else Claim.read(int(state))

    async def record_failure(self, key: str) -> None:
        async with explain_redis():
            await self._add([_state(key)], [1, KEPT])

    async def clear_failure(self, key: str) -> None:
        async with explain_redis():
            await self._add([_state(key)], [-1, KEPT])

    async def refuse(self, key: str) -> None:
        async with explain_redis():
            await self._redis.set(_state(key), REFUSED, ex=KEPT)

    async def release(self, key: str) -> None:
        self._claims.discard(key)
        async with explain_redis():
            await self._redis.delete(_claim(key))

    async def finish(self, key: str) -> None:
        async with explain_redis():
            await self._redis.set(_state(key), ANSWERED, ex=KEPT)
        await self.release(key)

    async def check(self) -> None:
        async with explain_redis():
            await self._redis.set(f"{PREFIX}check", self._replica, ex=KEPT)

    async def close(self) -> None:
        """End the renewing of claims. The connection is not the ledger's own."""
        if self._renewing:
            self._renewing.cancel()

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(CLAIMED / 3)
            for key in list(self._claims):
                try:
                    await self._redis.set(_claim(key), self._replica, ex=CLAIMED)
                except (RedisError, OSError):
                    break
                if key not in self._claims:  # it was released meanwhile
                    await self._release_quietly(key)

    async def _release_quietly(self, key: str) -> None:
        try:
            await self._redis.delete(_claim(key))
        except (RedisError, OSError):
            return  # it ends by itself


def _state(key: str) -> str:
    return f"{PREFIX}update:{key}"


def _claim(key: str) -> str:
    return f"{PREFIX}claim:{key}"
