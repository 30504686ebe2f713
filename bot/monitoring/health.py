"""Whether the bot can answer photos."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from aiogram import Bot
from aiogram.exceptions import AiogramError

from bot.storage.ledger import Ledger, LedgerError

FRESH = 5.0
"""Seconds for which Telegram counts as reachable after it has answered: who asks often must not make the bot ask."""
FAILED = 1.0
"""Seconds for which trouble is not looked into again."""
WAIT = 5.0
"""Seconds after which Telegram counts as out of reach."""


class Health:
    """Looks for what keeps the bot from answering. Its model is there: it was loaded before anything else.

    `last_success` tells when Telegram last did what it was asked, on the clock of `time.monotonic`.
    """

    def __init__(self, bot: Bot, ledger: Ledger, last_success: Callable[[], float]) -> None:
        self._bot = bot
        self._ledger = ledger
        self._last_success = last_success
        self._asking = asyncio.Lock()
        self._failed_at = -FAILED
        self._trouble: str | None = None
        self.going_down = False

    async def find_trouble(self) -> str | None:
        """What the trouble is, None: no trouble. It may be asked for as often as one likes."""
        return "going down" if self.going_down else await self._find_trouble()

    async def _find_trouble(self) -> str | None:
        async with self._asking:
            if time.monotonic() - self._failed_at < FAILED:
                return self._trouble
            try:
                await self._ledger.check()
                if time.monotonic() - self._last_success() > FRESH:
                    async with asyncio.timeout(WAIT):
                        await self._bot.get_me()
            except LedgerError:
                self._trouble = "the bot's state cannot be reached"
            except (AiogramError, TimeoutError):
                self._trouble = "Telegram cannot be reached"
            else:
                return None
            self._failed_at = time.monotonic()
            return self._trouble
