"""The bot on Telegram, by long polling."""

from __future__ import annotations

import asyncio
import logging
import signal

from aiogram import Bot, Dispatcher
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import PRODUCTION, TelegramAPIServer
from aiogram.exceptions import AiogramError, TelegramNotFound, TelegramUnauthorizedError
from aiogram.utils.token import TokenValidationError

from bot.handlers import set_commands
from bot.replies import Replies
from bot.settings import Settings, SettingsError

WRONG_TOKEN = "BOT_TOKEN is not a token that Telegram knows. Ask @BotFather on Telegram for it (/token)."
MAX_WAIT = 60.0
"""Longest wait in seconds between two tries to reach Telegram at the start."""

log = logging.getLogger(__name__)


async def poll(settings: Settings, dispatcher: Dispatcher, replies: Replies) -> None:
    """Answer until SIGINT or SIGTERM. Raises SettingsError if Telegram does not know the token."""
    assert settings.token
    server = TelegramAPIServer.from_base(settings.api_server) if settings.api_server else PRODUCTION
    try:
        bot = Bot(settings.token, session=AiohttpSession(api=server))
    except TokenValidationError as error:
        raise SettingsError(WRONG_TOKEN) from error
    async with bot:
        greeting = asyncio.create_task(_greet_telegram(bot, replies))
        for number in (signal.SIGINT, signal.SIGTERM):  # until start_polling sets its own
            asyncio.get_running_loop().add_signal_handler(number, greeting.cancel)
        try:
            await greeting
        except asyncio.CancelledError:
            return
        await dispatcher.start_polling(bot, tasks_concurrency_limit=settings.max_in_flight, close_bot_session=False)


async def _greet_telegram(bot: Bot, replies: Replies) -> None:
    """Check the token and fill the command menu; a network that is not there yet is waited for."""
    wait = 1.0
    while True:
        try:
            user = await bot.me()
            await set_commands(bot, replies)
        except (TelegramUnauthorizedError, TelegramNotFound) as error:
            raise SettingsError(WRONG_TOKEN) from error
        except AiogramError as error:
            log.warning("Telegram cannot be reached (%s); trying again in %.0f s", error, wait)
            await asyncio.sleep(wait)
            wait = min(2 * wait, MAX_WAIT)
        else:
            log.info("answering as @%s", user.username)
            return
