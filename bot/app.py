"""The bot on Telegram: everything is made here once, passed in, and taken down on SIGINT or SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass

from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import PRODUCTION, TelegramAPIServer
from aiogram.exceptions import AiogramError, TelegramBadRequest, TelegramNotFound, TelegramUnauthorizedError
from aiogram.utils.token import TokenValidationError

from bot.delivery.at_least_once import REST, Delivery
from bot.delivery.pacing import SendPacer
from bot.delivery.polling import poll
from bot.delivery.retries import RetryMiddleware
from bot.delivery.stopping import until
from bot.donations.backends import open_store
from bot.donations.donations import Donations
from bot.inference.classifier import Classifier
from bot.monitoring.health import Health
from bot.monitoring.metrics import Metrics
from bot.settings import Settings, SettingsError
from bot.startup.memory import settle_memory
from bot.storage.key_values import KeyValueStore
from bot.storage.ledger import Ledger, LedgerError
from bot.storage.memory import MemoryRateLimiter
from bot.storage.pseudonyms import Pseudonymiser
from bot.storage.rate_limits import RateLimiter
from bot.storage.sqlite import SqliteKeyValues, SqliteLedger
from bot.telegram.dispatcher import Parts, build_dispatcher
from bot.telegram.middlewares import ThrottlingMiddleware
from bot.telegram.profile import publish_profile
from bot.texts.replies import Replies

WRONG_TOKEN = "BOT_TOKEN is not a token that Telegram knows. Ask @BotFather on Telegram for it (/token)."
REQUEST_SECONDS = 20.0
PROFILE_SECONDS = 1.0
"""Seconds until menu and profile are filled, in forty requests: photos that are waiting come first."""
BACKGROUND_THREADS = 4
"""For what would keep the event loop waiting: three photos are looked at, a name is looked up. Each takes 200 kB."""

log = logging.getLogger(__name__)

# aiohttp's server is imported where one is started: a bot that polls does without.


async def run(settings: Settings, classifier: Classifier, replies: Replies) -> None:
    """Answer until SIGINT or SIGTERM. Raises SettingsError if Telegram does not know the token, or a setting fails."""
    stopped = asyncio.Event()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(BACKGROUND_THREADS))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with AsyncExitStack() as stack:
        app = await _build(stack, settings, classifier, replies)
        await _serve_monitoring(stack, app)
        for work in (_settle(app.delivery), _greet(app)):
            stack.callback(asyncio.create_task(work).cancel)
        try:
            await (_listen(app, stack, stopped) if settings.webhook_url else _poll(app, stopped))
        except (TelegramUnauthorizedError, TelegramNotFound) as error:
            raise SettingsError(WRONG_TOKEN) from error


@dataclass(frozen=True)
class _App:
    """Everything that was made, for the tasks that use it."""

    settings: Settings
    bot: Bot
    parts: Parts
    delivery: Delivery
    health: Health

    @property
    def update_types(self) -> list[str]:
        return self.delivery.dispatcher.resolve_used_update_types()


async def _build(stack: AsyncExitStack, settings: Settings, classifier: Classifier, replies: Replies) -> _App:
    """Make each part once; `stack` closes what has to be closed. Raises SettingsError."""
    assert settings.token
    try:
        ledger, key_values, rate_limiter = open_state(settings)
    except LedgerError as error:
        raise SettingsError(f"{error}. STATE_DIR names a folder that can be written.") from error
    stack.push_async_callback(ledger.close)
    stack.push_async_callback(key_values.close)
    metrics = Metrics()
    pseudonymise = Pseudonymiser(settings.token)
    donations = Donations(open_store(settings.donations), key_values, pseudonymise)
    parts = Parts(classifier, replies, metrics, key_values, donations, pseudonymise)
    bot = await stack.enter_async_context(make_bot(settings))
    retries = RetryMiddleware(SendPacer(rate_limiter, pseudonymise), metrics)
    bot.session.middleware(retries)
    throttling = ThrottlingMiddleware(rate_limiter, replies, metrics, pseudonymise)
    delivery = Delivery(
        bot,
        build_dispatcher(parts, settings.owners, settings.channel_posts, throttling, settings.allowed),
        ledger,
        replies,
        metrics,
        pseudonymise,
        at_once=settings.max_in_flight,
        workers=classifier.at_once + 1,  # one photo is decoded while others are in the net
    )
    return _App(settings, bot, parts, delivery, Health(bot, ledger, lambda: retries.reached_at))


async def _serve_monitoring(stack: AsyncExitStack, app: _App) -> None:
    if not app.settings.metrics_port:
        return
    from aiohttp import web

    from bot.monitoring.endpoints import add_health, add_metrics, listen

    site = web.Application()
    add_health(site, app.health)
    add_metrics(site, app.parts.metrics)
    await listen(stack, site, app.settings.host, app.settings.metrics_port, "METRICS_PORT")


async def _poll(app: _App, stopped: asyncio.Event) -> None:
    await poll(app.bot, app.delivery, stopped, app.update_types, app.settings.shutdown_seconds)


async def _listen(app: _App, stack: AsyncExitStack, stopped: asyncio.Event) -> None:
    from bot.delivery import webhook
    from bot.monitoring.endpoints import listen

    settings, url = app.settings, app.settings.webhook_url
    assert url
    secret = settings.webhook_secret or webhook.make_secret(app.parts.pseudonymise)
    await listen(stack, webhook.build_app(app.delivery, app.health, url, secret), settings.host, settings.port, "PORT")
    try:
        await until(stopped, webhook.register(app.bot, url, secret, settings.max_in_flight, app.update_types))
    except TelegramBadRequest as error:
        raise SettingsError(f"Telegram does not take this WEBHOOK_URL: {error.message}.") from error
    await stopped.wait()
    app.health.going_down = True
    await app.delivery.finish(settings.shutdown_seconds)


async def _greet(app: _App) -> None:
    """Say whose token it is, and fill menu and profile if they are not as they should be. No photo waits for that."""
    key_values, replies, donating = app.parts.key_values, app.parts.replies, app.parts.donations.are_on
    try:
        log.info("answering as @%s", (await app.bot.me()).username)
        await asyncio.sleep(PROFILE_SECONDS)
        wanted = f"{replies.digest} {donating}"
        if await key_values.get("introduced") != wanted:
            await publish_profile(app.bot, replies, donating)
            await key_values.set("introduced", wanted)
    except LedgerError as error:
        log.warning("the command menu could not be filled: %s", error)
    except AiogramError as error:  # a wrong token ends the bot elsewhere
        log.warning("the command menu could not be filled: %s", type(error).__name__)


async def _settle(delivery: Delivery) -> None:
    """Tidy up after the start, which takes a tenth of a second, when no photo waits for that."""
    await asyncio.sleep(REST)
    while delivery.in_work:
        await asyncio.sleep(REST)
    settle_memory()


def make_bot(settings: Settings) -> Bot:
    """Raises SettingsError if the token has not the form of one."""
    assert settings.token
    server = TelegramAPIServer.from_base(settings.api_server) if settings.api_server else PRODUCTION
    try:
        return Bot(settings.token, session=AiohttpSession(api=server, timeout=REQUEST_SECONDS))
    except TokenValidationError as error:
        raise SettingsError(WRONG_TOKEN) from error


def open_state(settings: Settings) -> tuple[Ledger, KeyValueStore, RateLimiter]:
    """Raises LedgerError, SettingsError."""
    if settings.redis_url is None:
        return SqliteLedger(settings.state_dir), SqliteKeyValues(settings.state_dir), MemoryRateLimiter()
    try:
        from bot.storage.redis import open_redis
    except ImportError as error:
        raise SettingsError("REDIS_URL is set: pip install -r requirements-redis.txt") from error
    return open_redis(settings.redis_url)
