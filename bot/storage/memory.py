"""Key-values and rate limits in memory: gone when the process ends."""

from __future__ import annotations

import time

from bot.storage.rate_limits import Place, Rate


class MemoryKeyValues:
    """For the preview: gone when it ends."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    async def get(self, name: str) -> str | None:
        return self._values.get(name)

    async def set(self, name: str, value: str, life: float | None = None) -> None:
        self._values[name] = value

    async def claim(self, name: str, value: str, life: float) -> str | None:
        known = self._values.get(name)
        self._values.setdefault(name, value)
        return known

    async def delete(self, name: str) -> None:
        self._values.pop(name, None)

    async def add(self, *names: str) -> None:
        for name in names:
            self._values[name] = str(int(self._values.get(name, "0")) + 1)

    async def close(self) -> None:
        """Nothing is open."""


PRUNED = 10_000
"""Buckets after which full ones are forgotten."""


class MemoryRateLimiter:
    """For one process.

    The generic cell rate algorithm (ITU-T I.371): the only thing kept is when the bucket will be full again.
    """

    def __init__(self) -> None:
        self._full_at: dict[str, float] = {}

    async def reserve(self, name: str, rate: Rate, at_most: float = float("inf"), age: float = 0) -> Place:
        now = time.monotonic()
        full_at = max(self._full_at.get(name, now - age), now - age)
        wait = max(0.0, full_at - now - (rate.burst - 1) / rate.per_second)
        if wait > at_most:
            return Place(False, wait)
        self._full_at[name] = full_at + 1 / rate.per_second
        if len(self._full_at) > PRUNED:
            self._full_at = {name: at for name, at in self._full_at.items() if at > now - age}
        return Place(True, wait)

    async def hold(self, name: str, rate: Rate, seconds: float) -> None:
        until = time.monotonic() + seconds + (rate.burst - 1) / rate.per_second
        self._full_at[name] = max(self._full_at.get(name, until), until)
