"""Whether the bot can answer photos."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from aiogram import Bot
from aiogram.exceptions import AiogramError

from bot.storage.ledger import Ledger, LedgerError

FRESH = 5.0
"""Seconds for which Telegram counts as reachable after it has answered: who asks often must not make the bot ask."""
FAILED = 1.0
"""Seconds for which trouble is not looked into again."""
FAILING = 10.0
"""Seconds of nothing but failed requests for updates, from which on they count. A connection breaks now and then, and
after a conflict nothing is asked for five."""
WAIT = 5.0
"""Seconds after which Telegram counts as out of reach."""


class Reception:
    """Whether Telegram hands updates over when it is asked for them. With a webhook nobody asks: see `Health`."""

    def __init__(self) -> None:
        self._failing_since: float | None = None
        self._why = ""

    def note_success(self) -> None:
        self._failing_since = None

    def note_failure(self, why: str) -> None:
        if self._failing_since is None:
            self._failing_since = time.monotonic()
        self._why = why

    @property
    def trouble(self) -> str | None:
        """Why no updates come, if requests have done nothing but fail for FAILING seconds."""
        since = self._failing_since
        return self._why if since is not None and time.monotonic() - since >= FAILING else None


class Health:
    """Looks for what keeps the bot from answering. Its model is there: it was loaded before anything else.

    `last_success` tells when Telegram last did what it was asked, on the clock of `time.monotonic`. The bot goes down
    once it is `stopped`.
    """

    def __init__(self, bot: Bot, ledger: Ledger, last_success: Callable[[], float], stopped: asyncio.Event) -> None:
        self.reception = Reception()
        self.find_webhook_trouble: Callable[[], Awaitable[str | None]] | None = None
        """Asks Telegram whether it brings updates to this bot's webhook, and if not, why. None: there is no webhook."""
        self._bot = bot
        self._ledger = ledger
        self._last_success = last_success
        self.stopped = stopped
        self._asking = asyncio.Lock()
        self._failed_at = -FAILED
        self._trouble: str | None = None
        self._webhook_trouble: str | None = None
        """As Telegram said when it was last asked."""

    async def find_trouble(self) -> str | None:
        """What the trouble is, None: no trouble. It may be asked for as often as one likes."""
        return "going down" if self.stopped.is_set() else await self._find_trouble()

    async def _find_trouble(self) -> str | None:
        async with self._asking:
            if time.monotonic() - self._failed_at < FAILED:
                return self._trouble
            try:
                await self._ledger.check()
                if self._webhook_trouble or time.monotonic() - self._last_success() > FRESH:
                    async with asyncio.timeout(WAIT):
                        await self._ask_telegram()
            except LedgerError:
                self._trouble = "the bot's state cannot be reached"
            except (AiogramError, TimeoutError):
                self._trouble = "Telegram cannot be reached"
            else:
                if not self._webhook_trouble:
                    return self.reception.trouble
                self._trouble = self._webhook_trouble
            self._failed_at = time.monotonic()
            return self._trouble

    async def _ask_telegram(self) -> None:
        if self.find_webhook_trouble:
            self._webhook_trouble = await self.find_webhook_trouble()
        else:
            await self._bot.get_me()
