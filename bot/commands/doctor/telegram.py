"""Telegram, and the way to it: network, clock, token, webhook, and files of a Bot API server of one's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from aiogram import Bot
from aiogram.exceptions import AiogramError, TelegramNotFound, TelegramUnauthorizedError
from aiohttp import ClientError, ClientTimeout

from bot.commands.doctor.finding import Finding
from bot.connections import WRONG_TOKEN, make_bot, make_session
from bot.inference.decoding import PhotoError
from bot.monitoring.metrics import Metrics
from bot.settings.settings import Settings
from bot.settings.values import SettingsError
from bot.telegram.media.budget import MemoryBudget
from bot.telegram.media.download import fetch

SKEW = 60.0
"""Seconds by which clocks may differ: certificates and signed requests fail with much more."""
TIMEOUT = ClientTimeout(total=10)


async def look_at_clock(settings: Settings) -> AsyncIterator[Finding]:
    address = settings.api_server or "https://api.telegram.org"
    try:
        async with make_session(settings) as session, session.open("HEAD", address, timeout=TIMEOUT) as answer:
            date = answer.headers.get("Date", "")
    except (ClientError, TimeoutError, OSError) as error:
        text = f"{address} cannot be reached ({type(error).__name__}). Is there a network, a proxy, a firewall?"
        yield Finding(False, "network", text)
        return
    except SettingsError as error:
        yield Finding(False, "network", str(error))
        return
    yield Finding(True, "network", f"{address} answers")
    try:
        skew = (datetime.now(UTC) - parsedate_to_datetime(date)).total_seconds()
    except (TypeError, ValueError, IndexError, OverflowError):  # no date, or nonsense
        yield Finding(True, "clock", "not compared: the server does not tell the time")
    else:
        text = f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} Telegram's"
        yield Finding(
            abs(skew) <= SKEW, "clock", text if abs(skew) <= SKEW else f"{text}: set it (timedatectl set-ntp true)"
        )


async def look_at_telegram(settings: Settings) -> AsyncIterator[Finding]:
    if settings.token is None:
        yield Finding(False, "token", "BOT_TOKEN is not set. Get a token from @BotFather on Telegram (/newbot).")
        return
    try:
        async with make_bot(settings) as bot, asyncio.timeout(30):
            me = await bot.me()
            yield Finding(True, "token", f"of @{me.username}")
            async for finding in _look_at_webhook(bot, settings):
                yield finding
            if settings.api_server:
                yield await _look_at_files(bot)
    except SettingsError as error:
        yield Finding(False, "token", str(error))
    except (TelegramUnauthorizedError, TelegramNotFound):
        yield Finding(False, "token", WRONG_TOKEN)
    except (AiogramError, TimeoutError) as error:
        yield Finding(False, "token", f"Telegram did not say whether it is good ({type(error).__name__}); try again.")


async def _look_at_webhook(bot: Bot, settings: Settings) -> AsyncIterator[Finding]:
    webhook = await bot.get_webhook_info()
    waiting = f"{webhook.pending_update_count} updates wait"
    if settings.webhook_url is None:
        text = (
            "none, the bot will poll"
            if not webhook.url
            else "one is set, and is taken away when the bot starts to poll"
        )
        yield Finding(True, "webhook", f"{text}; {waiting}")
    elif webhook.url != settings.webhook_url:
        other = "another address" if webhook.url else "none"
        yield Finding(True, "webhook", f"Telegram has {other} yet; the bot sets WEBHOOK_URL when it starts; {waiting}")
    elif webhook.last_error_message:
        at = (
            webhook.last_error_date.isoformat()
            if isinstance(webhook.last_error_date, datetime)
            else webhook.last_error_date
        )
        yield Finding(False, "webhook", f"Telegram could not deliver: {webhook.last_error_message} ({at}); {waiting}")
    else:
        yield Finding(True, "webhook", f"set as WEBHOOK_URL; {waiting}")


async def _look_at_files(bot: Bot) -> Finding:
    """Of a Bot API server of one's own: whether it hands files over, and how. The bot's own photo is tried."""
    photos = (await bot.get_user_profile_photos((await bot.me()).id, limit=1)).photos
    if not photos:
        return Finding(True, "files", "not tried: the bot has no profile photo. @BotFather sets one (/setuserpic)")
    photo = photos[0][0]
    path = (await bot.get_file(photo.file_id)).file_path or ""
    how = "read from its folder (--local)" if path.startswith("/") else "fetched from it over HTTP"
    try:
        async with fetch(bot, photo, Metrics(), MemoryBudget()):
            pass
    except PhotoError as error:
        todo = (
            "mount its folder here" if path.startswith("/") else "start it with --local, or serve its folder as /file/"
        )
        return Finding(False, "files", f"to be {how}, which fails ({error}): {todo}")
    return Finding(True, "files", how)
