"""What a host or a monitor asks of the process, over HTTP."""

from __future__ import annotations

import asyncio
import time

from aiogram import Bot
from aiogram.exceptions import AiogramError
from aiohttp import web

from bot.ledger import Ledger, LedgerError
from bot.metrics import Metrics
from bot.patience import Patience

FRESH = 5.0
"""Seconds for which Telegram counts as reachable after it has answered: who asks often must not make the bot ask."""
FAILED = 1.0
"""Seconds for which trouble is not looked into again."""
WAIT = 5.0
"""Seconds after which Telegram counts as out of reach."""


class Health:
    """`/healthz`: the process is alive. `/readyz`: it can answer photos; its model was loaded before anything else."""

    def __init__(self, bot: Bot, ledger: Ledger, patience: Patience) -> None:
        self._bot = bot
        self._ledger = ledger
        self._patience = patience
        self._asking = asyncio.Lock()
        self._failed_at = -FAILED
        self._trouble: str | None = None
        self.going_down = False

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/healthz", self._alive)
        app.router.add_get("/readyz", self._ready)

    async def _alive(self, request: web.Request) -> web.Response:
        return web.Response(text="alive\n")

    async def _ready(self, request: web.Request) -> web.Response:
        trouble = "going down" if self.going_down else await self._find_trouble()
        return web.Response(text=f"{trouble or 'ready'}\n", status=503 if trouble else 200)

    async def _find_trouble(self) -> str | None:
        async with self._asking:
            if time.monotonic() - self._failed_at < FAILED:
                return self._trouble
            try:
                await self._ledger.check()
                if time.monotonic() - self._patience.reached_at > FRESH:
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


def add_metrics(app: web.Application, metrics: Metrics) -> None:
    """`/metrics`, in Prometheus' text format."""

    async def expose(request: web.Request) -> web.Response:
        return web.Response(body=metrics.expose(), headers={"Content-Type": "text/plain; version=0.0.4"})

    app.router.add_get("/metrics", expose)
