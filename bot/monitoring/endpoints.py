"""What the bot answers over HTTP: a host's or a monitor's questions, and, in `bot.delivery.webhook`, Telegram."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from aiohttp import web

from bot.monitoring.connections import Door
from bot.monitoring.metrics import Metrics
from bot.settings.values import SettingsError

ALIVE = "alive\n"
CLOSING = 0.1
"""Seconds for answers that are on their way when the server ends; aiohttp may take them twice."""


def add_health(app: web.Application, find_trouble: Callable[[], Awaitable[str | None]]) -> None:
    """`/healthz`: the process is alive. `/readyz`: it can answer photos, or what `find_trouble` says."""

    async def alive(request: web.Request) -> web.Response:
        return web.Response(text=ALIVE)

    async def ready(request: web.Request) -> web.Response:
        trouble = await find_trouble()
        return web.Response(text=f"{trouble or 'ready'}\n", status=503 if trouble else 200)

    app.router.add_get("/healthz", alive)
    app.router.add_get("/readyz", ready)


def add_metrics(app: web.Application, metrics: Metrics) -> None:
    """`/metrics`, in Prometheus' text format."""

    async def expose(request: web.Request) -> web.Response:
        return web.Response(body=metrics.expose(), headers={"Content-Type": "text/plain; version=0.0.4"})

    app.router.add_get("/metrics", expose)


async def listen(stack: AsyncExitStack, app: web.Application, host: str, port: int, settings: str) -> None:
    """Serve `app` until `stack` is closed. Raises SettingsError, naming the address's `settings`, if that fails."""
    door = Door()
    app.middlewares.append(door.attend)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSING)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    assert runner.server
    await open_port(stack, door.make_factory(runner.server), host, port, settings)


async def open_port(
    stack: AsyncExitStack, factory: Callable[[], asyncio.Protocol], host: str, port: int, settings: str
) -> None:
    """Listen there until `stack` is closed. Raises SettingsError, naming the address's `settings`, if that fails."""
    try:
        server = await asyncio.get_running_loop().create_server(factory, host, port)
    except (OSError, OverflowError, UnicodeError) as error:
        raise SettingsError(f"cannot listen on port {port} of {host} ({error}). {settings} choose another.") from error
    stack.callback(server.close)
