"""The bot on Telegram: everything is made here once, passed in, and taken down on SIGINT or SIGTERM."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass

from aiogram import Bot
from aiogram.exceptions import AiogramError, TelegramBadRequest

from bot.connections import WRONG_TOKEN, make_bot, wait_for_state
from bot.delivery.at_least_once import REST, Delivery
from bot.delivery.backlog.backlog import Backlog
from bot.delivery.pacing import SendPacer
from bot.delivery.polling import poll
from bot.delivery.retries import UNKNOWN, RetryMiddleware
from bot.delivery.stopping import until
from bot.donations.backends import open_store
from bot.donations.donations import Donations
from bot.inference.classifier import Classifier
from bot.monitoring.health import Health
from bot.monitoring.metrics import Metrics
from bot.settings.settings import Settings
from bot.settings.values import SettingsError
from bot.startup.memory import settle_memory
from bot.startup.signals import call_at_end
from bot.storage.key_values import KeyValueStore
from bot.storage.ledger import LedgerError
from bot.storage.pseudonyms import Pseudonymiser
from bot.storage.state import State
from bot.telegram.dispatcher import Parts, build_dispatcher
from bot.telegram.middlewares import LanguageMiddleware, ThrottlingMiddleware
from bot.telegram.profile import publish_profile
from bot.texts.replies import Replies

PROFILE_SECONDS = 1.0
"""Seconds until menu and profile are filled, in forty requests: photos that are waiting come first."""
TIDIED_EVERY = 300.0
"""Seconds between two looks for what has outlived its time."""
LOOKED_EVERY = 900.0
"""Seconds between two looks for the webhook. A host that has silent services sleep, after ten minutes, still may."""
CLOSING = 0.5
"""Of the seconds that the end may take, those for closing connections and files."""
BACKGROUND_THREADS = 4
"""For what would keep the event loop waiting: three photos are looked at, a name is looked up. Each takes 200 kB."""

log = logging.getLogger(__name__)

# aiohttp's server is imported where one is started: a bot that polls does without.


async def run(
    settings: Settings, classifier: Classifier, replies: Replies, at_end: Callable[[], None] = lambda: None
) -> None:
    """Answer until SIGINT or SIGTERM, which call `at_end`.

    Raises SettingsError if Telegram does not know the token, or a setting fails.
    """
    stopped = asyncio.Event()

    def stop() -> None:
        if not stopped.is_set():
            at_end()
        stopped.set()

    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(BACKGROUND_THREADS))
    call_at_end(stop)
    async with AsyncExitStack() as stack:
        state = await until(stopped, wait_for_state(stack, settings, stopped))
        if state is None:
            return
        stack.push_async_callback(state.close)
        app = await _build(stack, settings, classifier, replies, state)
        health = Health(app.bot, state.ledger, lambda: app.retries.reached_at, stopped)
        await _serve_monitoring(stack, app, health)
        resuming = app.delivery.backlog.resume(app.delivery.deliver)
        for work in (_settle(app.delivery), _greet(app), resuming, _tidy(state)):
            stack.callback(asyncio.create_task(work).cancel)
        try:
            await (_listen(app, stack, health) if settings.webhook_url else _poll(app, health))
        except UNKNOWN as error:
            raise SettingsError(WRONG_TOKEN) from error


@dataclass(frozen=True)
class _App:
    """Everything that was made, for the tasks that use it."""

    settings: Settings
    bot: Bot
    parts: Parts
    delivery: Delivery
    retries: RetryMiddleware


async def _build(
    stack: AsyncExitStack, settings: Settings, classifier: Classifier, replies: Replies, state: State
) -> _App:
    """Make each part once; `stack` closes what has to be closed. Raises SettingsError."""
    assert settings.token
    metrics = Metrics()
    pseudonymise = Pseudonymiser(settings.token)
    donations = Donations(open_store(settings.donations), state.key_values, pseudonymise)
    bot = await stack.enter_async_context(make_bot(settings))
    backlog = Backlog(state.backlog, bot, metrics, pseudonymise)
    parts = Parts(classifier, replies, metrics, state.key_values, donations, pseudonymise, backlog)
    retries = RetryMiddleware(SendPacer(state.rate_limiter, pseudonymise), metrics)
    retries.is_token_known = await _is_token_known(state.key_values, pseudonymise)
    bot.session.middleware(retries)
    throttling = ThrottlingMiddleware(state.rate_limiter, replies, metrics, pseudonymise)
    delivery = Delivery(
        bot,
        build_dispatcher(parts, settings.owners, settings.channel_posts, throttling, settings.allowed),
        state.ledger,
        backlog,
        replies,
        LanguageMiddleware(state.key_values, pseudonymise).find_of,
        metrics,
        pseudonymise,
        at_once=settings.max_in_flight,
        workers=classifier.at_once + 1,  # one photo is decoded while others are in the net
    )
    return _App(settings, bot, parts, delivery, retries)


async def _serve_monitoring(stack: AsyncExitStack, app: _App, health: Health) -> None:
    if not app.settings.metrics_port:
        return
    from aiohttp import web

    from bot.monitoring.endpoints import add_health, add_metrics, listen

    site = web.Application()
    add_health(site, health.find_trouble)
    add_metrics(site, app.parts.metrics)
    await listen(stack, site, app.settings.metrics_host, app.settings.metrics_port, "METRICS_HOST and METRICS_PORT")


async def _poll(app: _App, health: Health) -> None:
    types, seconds = app.delivery.dispatcher.resolve_used_update_types(), _find_last_seconds(app.settings)
    await poll(app.delivery, health, types, seconds, lambda: app.retries.is_token_wrong)


async def _listen(app: _App, stack: AsyncExitStack, health: Health) -> None:
    from bot.delivery import webhook
    from bot.monitoring.endpoints import listen

    settings, url = app.settings, app.settings.webhook_url
    assert url
    secret = settings.webhook_secret or webhook.make_secret(app.parts.pseudonymise)
    await listen(
        stack, webhook.build_app(app.delivery, health, url, secret), settings.host, settings.port, "HOST and PORT"
    )
    registration = webhook.Registration(app.delivery, url, secret)
    try:
        await until(health.stopped, registration.make(lambda: app.retries.is_token_wrong))
    except TelegramBadRequest as error:
        raise SettingsError(f"Telegram does not take this WEBHOOK_URL: {error.message}.") from error
    health.find_webhook_trouble = registration.find_trouble
    stack.callback(asyncio.create_task(_look_regularly(health)).cancel)
    app.delivery.backlog.note_shown()
    await health.stopped.wait()
    await app.delivery.finish(_find_last_seconds(settings))


async def _look_regularly(health: Health) -> None:
    """Find out that the webhook was taken away, also where no host asks whether the bot is ready."""
    while True:
        await asyncio.sleep(LOOKED_EVERY)
        await health.find_trouble()


def _find_last_seconds(settings: Settings) -> float:
    """For which work may go on once the bot is stopped."""
    return max(0, settings.shutdown_seconds - CLOSING)


async def _greet(app: _App) -> None:
    """Say whose token it is, and fill menu and profile if they are not as they should be. No photo waits for that."""
    key_values, replies, donating = app.parts.key_values, app.parts.replies, app.parts.donations.are_on
    try:
        log.info("answering as @%s", (await app.bot.me()).username)
        await key_values.set("token", app.parts.pseudonymise("token"))
        await asyncio.sleep(PROFILE_SECONDS)
        wanted = f"{replies.digest} {donating}"
        if await key_values.get("introduced") != wanted and await publish_profile(app.bot, replies, donating):
            await key_values.set("introduced", wanted)
    except LedgerError as error:
        log.warning("the command menu could not be filled: %s", error)
    except UNKNOWN:
        log.debug("the token is refused, which ends the bot elsewhere, with a line that says so")
    except AiogramError as error:
        log.warning("the command menu could not be filled: %s", type(error).__name__)


async def _is_token_known(key_values: KeyValueStore, pseudonymise: Pseudonymiser) -> bool:
    """Whether the state says that Telegram has known this token; also if the state cannot be read now."""
    try:
        return await key_values.get("token") == pseudonymise("token")
    except LedgerError:
        return True


async def _tidy(state: State) -> None:
    """Delete what has outlived the time for which /privacy says that it is kept."""
    pause = REST
    while True:
        await asyncio.sleep(pause)
        pause = TIDIED_EVERY
        try:
            await state.tidy()
        except LedgerError as error:
            log.warning("%s", error)


async def _settle(delivery: Delivery) -> None:
    """Tidy up after the start, which takes a tenth of a second, when no photo waits for that."""
    await asyncio.sleep(REST)
    while delivery.in_work:
        await asyncio.sleep(REST)
    settle_memory()
