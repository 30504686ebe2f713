"""How much memory photos may take at a time: files that are fetched, and pixels that are decoded."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

FILES, SMALL_FILE = 25_000_000, 500_000
"""Bytes of files that are fetched, or wait to be decoded, and of one that need not wait. A file may have 20 MB."""
DECODING, SMALL_PHOTO = 150_000_000, 8_000_000
"""Bytes that decoding takes (`bot.inference.decoding`): of the largest photo, and of one that need not wait.

Telegram makes photos so small, and three of them are decoded at a time.
"""


class MemoryBudget:
    """Has those wait whose photos find no room. With the shipped model the process takes at most 300 MB."""

    def __init__(self, files: int = FILES, decoding: int = DECODING) -> None:
        self.files, self.decoding = _Share(files, SMALL_FILE), _Share(decoding, SMALL_PHOTO)


class _Share:
    """So many bytes, handed out in the order in which they are asked for."""

    def __init__(self, size: int, small: int) -> None:
        """Whoever asks for no more than `small` does not wait."""
        self._size = self._free = size
        self._small = small
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def hold(self, amount: int) -> AsyncIterator[None]:
        """`amount` bytes for as long as the block lasts; all there are for more than that."""
        amount = 0 if amount <= self._small else min(amount, self._size)
        await self._take(amount)
        try:
            yield
        finally:
            self._free += amount
            self._wake()

    async def _take(self, amount: int) -> None:
        if amount <= self._free and (not self._waiting or not amount):
            self._free -= amount
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((amount, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # the turn had come
                self._free += amount
            self._wake()
            raise

    def _wake(self) -> None:
        while self._waiting and (self._waiting[0][1].done() or self._waiting[0][0] <= self._free):
            amount, turn = self._waiting.popleft()
            if not turn.done():  # who gave up waiting is still in the queue
                self._free -= amount
                turn.set_result(None)
