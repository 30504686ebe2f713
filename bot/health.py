"""What a host or a monitor asks of the process, over HTTP."""

from __future__ import annotations

import asyncio
import time

from aiogram import Bot
from aiogram.exceptions import AiogramError
from aiohttp import web

from bot.ledger import Ledger, LedgerError
from bot.metrics import Metrics

FRESH = 15.0
"""Seconds for which an answer about Telegram is good: whoever asks often must not make the bot ask often."""

WAIT = 5.0
"""Seconds after which Telegram counts as out of reach."""


class Health:
    """`/healthz`: the process is alive. `/readyz`: it can answer photos; its model was loaded before anything else."""

    def __init__(self, bot: Bot, ledger: Ledger) -> None:
        self._bot = bot
        self._ledger = ledger
        self._asked_at = -FRESH
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
        if time.monotonic() - self._asked_at < FRESH:
            return self._trouble
        self._asked_at = time.monotonic()
        try:
            async with asyncio.timeout(WAIT):
                await self._bot.get_me()
            await self._ledger.check()
        except (AiogramError, TimeoutError):
            self._trouble = "Telegram cannot be reached"
        except LedgerError:
            self._trouble = "the bot's state cannot be reached"
        else:
            self._trouble = None
        return self._trouble


def add_metrics(app: web.Application, metrics: Metrics) -> None:
    """`/metrics`, in Prometheus' text format."""

    async def expose(request: web.Request) -> web.Response:
        return web.Response(body=metrics.expose(), headers={"Content-Type": "text/plain; version=0.0.4"})

    app.router.add_get("/metrics", expose)
