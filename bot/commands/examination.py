"""What `python -m bot doctor` looks at: all that the bot needs, and what to do where something is missing."""

from __future__ import annotations

import asyncio
import math
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from aiogram import Bot
from aiogram.exceptions import AiogramError, TelegramNotFound, TelegramUnauthorizedError
from aiohttp import ClientError, ClientSession, ClientTimeout

from bot.connections import WRONG_TOKEN, make_bot, make_session, open_state
from bot.donations.backends import open_store
from bot.donations.donations import Donations
from bot.donations.store import StoreError
from bot.inference.classifier import Classifier
from bot.inference.contract import ModelError
from bot.inference.decoding import HEIC, PhotoError
from bot.inference.names import is_folder, show_path
from bot.monitoring.endpoints import ALIVE, open_port
from bot.monitoring.metrics import Metrics
from bot.redaction import hide_secrets
from bot.settings.settings import Settings
from bot.settings.values import SettingsError
from bot.startup.cgroups import find_memory
from bot.storage.ledger import LedgerError
from bot.storage.pseudonyms import Pseudonymiser
from bot.telegram.media.budget import MemoryBudget
from bot.telegram.media.download import fetch
from bot.texts.catalogues import TextsError
from bot.texts.replies import Replies

NEEDS = 200_000_000
"""Bytes in which the bot (`python -m tests.measure.footprint`) has room for a large photo."""
SKEW = 60.0
"""Seconds by which clocks may differ: certificates and signed requests fail with much more."""
TIMEOUT = ClientTimeout(total=10)
NEARBY = ClientTimeout(total=2)
"""For an answer from this machine."""


@dataclass(frozen=True)
class Finding:
    good: bool
    what: str
    text: str
    """What is so, or what is wrong and what to do."""

    def __str__(self) -> str:
        return show_path(hide_secrets(f"{'ok ' if self.good else 'BAD'}  {self.what}: {self.text}"))


async def examine(settings: Settings) -> bool:
    """Print what is found, as it is found; returns whether all is well."""
    good = True
    for look in (
        _look_at_names,
        _look_at_model,
        _look_at_texts,
        _look_at_memory,
        _look_at_state,
        _look_at_donations,
        _look_at_clock,
        _look_at_access,
        _look_at_ports,
        _look_at_telegram,
    ):
        async for finding in look(settings):
            print(finding, flush=True)
            good = good and finding.good
    return good


async def _look_at_names(settings: Settings) -> AsyncIterator[Finding]:
    for name, ours in settings.misspelt.items():
        yield Finding(False, "settings", f"{name} is no setting, and does nothing. Is {ours} meant?")


async def _look_at_model(settings: Settings) -> AsyncIterator[Finding]:
    try:
        start = time.perf_counter()
        classifier = Classifier(settings.model, settings.threads)
    except ModelError as error:
        yield Finding(False, "model", str(error))
        return
    labels = classifier.contract.labels
    names = ", ".join(labels[:5]) + (f" and {len(labels) - 5} more" if len(labels) > 5 else "")
    seconds = time.perf_counter() - start
    yield Finding(True, "model", f"{settings.model}, {classifier.contract.arch}, loaded in {seconds:.1f} s: {names}")
    yield Finding(True, "formats", "HEIC too" if HEIC else "without HEIC (pip install -r requirements-heic.txt)")


async def _look_at_texts(settings: Settings) -> AsyncIterator[Finding]:
    try:
        languages = Replies(settings.replies_dir).languages
    except TextsError as error:
        yield Finding(False, "texts", str(error))
        return
    folder = settings.replies_dir
    more = "its own too" if is_folder(folder) else f"none of its own ({folder} is not there)"
    yield Finding(True, "texts", f"{', '.join(languages)}; {more}")


async def _look_at_memory(settings: Settings) -> AsyncIterator[Finding]:
    limit = find_memory()
    free = "the system does not tell how much" if limit == math.inf else f"{limit / 1e6:,.0f} MB"
    text = f"{free} may be used, {NEEDS / 1e6:.0f} MB are enough"
    yield Finding(limit >= NEEDS, "memory", text)


async def _look_at_state(settings: Settings) -> AsyncIterator[Finding]:
    where = "Redis" if settings.redis_url else str(settings.state_dir)
    try:
        state = await open_state(settings)
        try:
            await state.ledger.check()
        finally:
            await state.close()
    except (LedgerError, SettingsError) as error:
        yield Finding(False, "state", f"{error}")
        return
    yield Finding(True, "state", f"kept in {where}")
    if not settings.redis_url:
        free = shutil.disk_usage(settings.state_dir).free
        yield Finding(free > 50_000_000, "disk", f"{free / 1e6:,.0f} MB free where the state is, 50 MB are enough")


async def _look_at_donations(settings: Settings) -> AsyncIterator[Finding]:
    try:
        store = open_store(settings.donations)
        if store:
            await store.check()
            state = await open_state(settings)
            try:
                await Donations(store, state.key_values, Pseudonymiser(settings.token or "none")).check_key()
            finally:
                await state.close()
            yield Finding(True, "donations", f"can be written to and deleted from {store.where}")
    except (StoreError, SettingsError, LedgerError) as error:
        yield Finding(False, "donations", str(error))


async def _look_at_access(settings: Settings) -> AsyncIterator[Finding]:
    groups = sum(1 for number in settings.allowed if number < 0)
    people = len(settings.owners | settings.allowed) - groups
    limited = f"answered are only these of OWNER_IDS and ALLOWED_IDS: people {people}, groups {groups}"
    yield Finding(True, "access", limited if settings.allowed else "everybody is answered (ALLOWED_IDS is not set)")


async def _look_at_ports(settings: Settings) -> AsyncIterator[Finding]:
    """All at once, as the bot listens. One that a bot listens on already may be this one's own."""
    ports = [(settings.host, settings.port, "HOST and PORT")] if settings.webhook_url else []
    if settings.metrics_port:
        ports.append((settings.metrics_host, settings.metrics_port, "METRICS_HOST and METRICS_PORT"))
    async with AsyncExitStack() as stack:
        for host, port, names in ports:
            try:
                await open_port(stack, asyncio.Protocol, host, port, names)
            except SettingsError as error:
                if await _is_bot_there(host, port):
                    yield Finding(True, "port", f"a bot listens on port {port} of {host} already")
                else:
                    yield Finding(False, "port", str(error))
            else:
                yield Finding(True, "port", f"{port} of {host} is free")


async def _is_bot_there(host: str, port: int) -> bool:
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}/healthz"
    try:
        async with ClientSession(timeout=NEARBY) as session, session.get(address) as answer:
            return (await answer.content.read(100)) == ALIVE.encode()
    except (ClientError, TimeoutError, ValueError, OSError):
        return False


async def _look_at_clock(settings: Settings) -> AsyncIterator[Finding]:
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


async def _look_at_telegram(settings: Settings) -> AsyncIterator[Finding]:
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
