"""The bot on Telegram: everything is made here, and taken down again on SIGINT or SIGTERM."""

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
from bot.delivery.polling import poll
from bot.delivery.retries import Patience, until
from bot.inference.classifier import Classifier
from bot.monitoring.health import Health
from bot.monitoring.metrics import Metrics
from bot.settings import Settings, SettingsError
from bot.startup.cgroups import settle_memory
from bot.storage.key_values import Notes, SqliteNotes
from bot.storage.ledger import Ledger, LedgerError, SqliteLedger
from bot.storage.rate_limits import FloodGuard, MemoryThrottle, Pacing, Throttle
from bot.telegram.dispatcher import build_dispatcher, introduce
from bot.texts.replies import Replies

WRONG_TOKEN = "BOT_TOKEN is not a token that Telegram knows. Ask @BotFather on Telegram for it (/token)."
REQUEST_SECONDS = 20.0
INTRODUCTION_SECONDS = 1.0
"""Seconds until menu and profile are filled, in forty requests: photos that are waiting come first."""
BACKGROUND_THREADS = 4
"""For what would keep the event loop waiting: three photos are looked at, a name is looked up. Each takes 200 kB."""

log = logging.getLogger(__name__)

# aiohttp's server is imported where one is started: a bot that polls does without.


async def answer(settings: Settings, classifier: Classifier, replies: Replies) -> None:
    """Answer until SIGINT or SIGTERM. Raises SettingsError if Telegram does not know the token, or a setting fails."""
    assert settings.token
    stopped = asyncio.Event()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(BACKGROUND_THREADS))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    metrics = Metrics()
    async with AsyncExitStack() as stack:
        try:
            ledger, notes, throttle = open_state(settings)
        except LedgerError as error:
            raise SettingsError(f"{error}. STATE_DIR names a folder that can be written.") from error
        stack.push_async_callback(ledger.close)
        stack.push_async_callback(notes.close)
        bot = await stack.enter_async_context(make_bot(settings))
        patience = Patience(Pacing(throttle, settings.token), metrics)
        bot.session.middleware(patience)
        dispatcher = build_dispatcher(classifier, replies, metrics, notes, settings)
        guard = FloodGuard(throttle, replies, metrics, settings.token)
        for observer in (dispatcher.message, dispatcher.edited_message, dispatcher.callback_query):
            observer.middleware(guard)  # not what passes by in a group: what the bot would answer
        workers = classifier.at_once + 1  # one photo is decoded while others are in the net
        delivery = Delivery(bot, dispatcher, ledger, replies, metrics, at_once=settings.max_in_flight, workers=workers)
        health = Health(bot, ledger, patience)
        if settings.metrics_port:
            from aiohttp import web

            from bot.monitoring.endpoints import add_health, add_metrics, listen

            app = web.Application()
            add_health(app, health)
            add_metrics(app, metrics)
            await listen(stack, app, settings.host, settings.metrics_port, "METRICS_PORT")
        receiver = _Receiver(settings, bot, delivery, health, stopped)
        settling = asyncio.create_task(_settle(delivery))
        stack.callback(settling.cancel)
        greeting = asyncio.create_task(_greet(bot, replies, notes, donating=settings.donations is not None))
        stack.callback(greeting.cancel)
        try:
            await (receiver.listen(stack) if settings.webhook_url else receiver.poll())
        except (TelegramUnauthorizedError, TelegramNotFound) as error:
            raise SettingsError(WRONG_TOKEN) from error


@dataclass
class _Receiver:
    """The two ways in which updates come."""

    settings: Settings
    bot: Bot
    delivery: Delivery
    health: Health
    stopped: asyncio.Event

    async def poll(self) -> None:
        await poll(self.bot, self.delivery, self.stopped, self._allowed, self.settings.shutdown_seconds)

    async def listen(self, stack: AsyncExitStack) -> None:
        from bot.delivery import webhook
        from bot.monitoring.endpoints import listen

        settings = self.settings
        assert settings.webhook_url
        secret = settings.webhook_secret or webhook.make_secret(self.bot.token)
        app = webhook.build_app(self.delivery, self.health, settings.webhook_url, secret)
        await listen(stack, app, settings.host, settings.port, "PORT")
        try:
            at_once = settings.max_in_flight
            await until(self.stopped, webhook.register(self.bot, settings.webhook_url, secret, at_once, self._allowed))
        except TelegramBadRequest as error:
            raise SettingsError(f"Telegram does not take this WEBHOOK_URL: {error.message}.") from error
        await self.stopped.wait()
        self.health.going_down = True
        await self.delivery.finish(settings.shutdown_seconds)

    @property
    def _allowed(self) -> list[str]:
        return self.delivery.dispatcher.resolve_used_update_types()


async def _greet(bot: Bot, replies: Replies, notes: Notes, donating: bool) -> None:
    """Say whose token it is, and fill menu and profile if they are not as they should be. No photo waits for that."""
    try:
        log.info("answering as @%s", (await bot.me()).username)
        await asyncio.sleep(INTRODUCTION_SECONDS)
        wanted = f"{replies.digest} {donating}"
        if await notes.get("introduced") != wanted:
            await introduce(bot, replies, donating)
            await notes.set("introduced", wanted)
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


def open_state(settings: Settings) -> tuple[Ledger, Notes, Throttle]:
    """Raises LedgerError, SettingsError."""
    if settings.redis_url is None:
        return SqliteLedger(settings.state_dir), SqliteNotes(settings.state_dir), MemoryThrottle()
    try:
        from bot.storage.redis import open_redis
    except ImportError as error:
        raise SettingsError("REDIS_URL is set: pip install -r requirements-redis.txt") from error
    return open_redis(settings.redis_url)
