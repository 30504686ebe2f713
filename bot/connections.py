"""What the bot holds on to outside of itself: Telegram, and the state that outlives the process."""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import AsyncExitStack
from pathlib import Path

from aiogram import Bot
from aiogram.client.default import DefaultBotProperties
from aiogram.utils.token import TokenValidationError

from bot.backoff import backoff
from bot.delivery.session import ApiServer, Session
from bot.monitoring.waiting_room import WaitingRoom
from bot.settings.settings import Settings
from bot.settings.values import SettingsError
from bot.storage.ledger import LedgerError, LedgerRefusedError
from bot.storage.process_lock import CHECKED_EVERY, WAIT, ProcessLock
from bot.storage.sqlite.file import StateFolderError
from bot.storage.sqlite.state import open_sqlite
from bot.storage.state import State

WRONG_TOKEN = "BOT_TOKEN is not a token that Telegram knows. Ask @BotFather on Telegram for it (/token)."
TELEGRAM = "https://api.telegram.org"
TOKEN = re.compile(r"[0-9]{1,16}:[A-Za-z0-9_-]+")
"""Its form: other signs would change the address that is asked."""
REQUEST_SECONDS = 20.0
DEFAULTS = DefaultBotProperties(allow_sending_without_reply=True)
"""An answer comes though the photo was deleted. Telegram reads it within `reply_parameters`, where aiogram puts it."""
LOCK_PAUSE = 0.3
"""Seconds between two looks whether the process before has ended."""

log = logging.getLogger(__name__)


def make_bot(settings: Settings) -> Bot:
    """Raises SettingsError if the token has not the form of one."""
    assert settings.token
    try:
        return Bot(settings.token, session=make_session(settings), default=DEFAULTS)
    except TokenValidationError as error:
        raise SettingsError(WRONG_TOKEN) from error


def make_session(settings: Settings) -> Session:
    """The way to Telegram. Raises SettingsError if a SOCKS proxy is set and its package is not installed."""
    server = ApiServer.from_base(settings.api_server or TELEGRAM)
    try:
        return Session(api=server, timeout=REQUEST_SECONDS, through=settings.proxy)
    except ImportError as error:
        raise SettingsError("TELEGRAM_PROXY is socks5://: pip install -r requirements-proxy.txt") from error


async def open_state(settings: Settings) -> State:
    """Raises SettingsError if the state can never be kept so, LedgerError if it cannot be kept now."""
    number = bot_number(settings.token) if settings.token else 0  # the doctor looks at it without a token too
    if settings.redis_url is None:
        try:
            return await open_sqlite(settings.state_dir, number)
        except StateFolderError as error:
            raise SettingsError(str(error)) from error
    try:
        from bot.storage.redis.state import open_redis
    except ImportError as error:
        raise SettingsError("REDIS_URL is set: pip install -r requirements-redis.txt") from error
    try:
        return open_redis(settings.redis_url, number)
    except ValueError as error:
        raise SettingsError(f"REDIS_URL is not an address of Redis: {type(error).__name__}.") from error


async def wait_for_state(stack: AsyncExitStack, settings: Settings, stopped: asyncio.Event) -> State:
    """Another process of the bot, a locked database and a full disk are waited for. Raises SettingsError.

    `stopped` is set if another process takes the state later on.
    """
    async with WaitingRoom(_find_addresses(settings)) as room:
        if settings.redis_url is None and settings.token:
            lock = ProcessLock(settings.state_dir, bot_number(settings.token))
            stack.callback(lock.release)
            await _wait_for_lock(lock, settings.state_dir, room)
            stack.callback(asyncio.create_task(_keep_lock(lock, stopped)).cancel)
        attempt = 0
        while True:
            try:
                state = await open_state(settings)
                if settings.redis_url:
                    await _refuse_wrong_redis(state)
                return state
            except LedgerError as error:
                attempt += 1
                log.warning("the bot waits until its state can be kept: %s", error)
                await room.tell("the bot's state cannot be kept")
                await asyncio.sleep(backoff(attempt))


def _find_addresses(settings: Settings) -> list[tuple[str, int]]:
    """Where the bot will listen, and says until then that it is alive."""
    webhook = [(settings.host, settings.port)] if settings.webhook_url else []
    return webhook + ([(settings.metrics_host, settings.metrics_port)] if settings.metrics_port else [])


async def _wait_for_lock(lock: ProcessLock, folder: Path, room: WaitingRoom) -> None:
    told = None
    while not lock.take():
        if told != lock.is_looking:
            told = lock.is_looking
            if told:
                log.warning("the bot looks for %.0f s whether another process of it has its state in %s", WAIT, folder)
                await room.tell("another process of the bot may have its state")
            else:
                log.warning("the bot waits: another process of it has its state in %s, and must end first", folder)
                await room.tell("another process of the bot has its state")
        await asyncio.sleep(LOCK_PAUSE)


async def _keep_lock(lock: ProcessLock, stopped: asyncio.Event) -> None:
    while lock.keep():
        await asyncio.sleep(CHECKED_EVERY)
    log.error("another process of the bot has taken its state, and this one ends: its lock was deleted")
    stopped.set()


async def _refuse_wrong_redis(state: State) -> None:
    """Raises SettingsError for what waiting does not change. All else is waited for by each update."""
    try:
        await state.ledger.check()
    except LedgerRefusedError as error:
        await state.close()
        raise SettingsError(str(error)) from error
    except LedgerError as error:
        log.warning("the bot's state cannot be kept now: %s", error)
    except BaseException:  # the bot is stopped
        await state.close()
        raise


def bot_number(token: str) -> int:
    """The bot's own number, the first part of its token. Raises SettingsError if the token has not the form of one."""
    if not TOKEN.fullmatch(token):
        raise SettingsError(WRONG_TOKEN)
    return int(token.partition(":")[0])
