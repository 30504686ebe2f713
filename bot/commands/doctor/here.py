"""What the bot needs beside Telegram: its model, texts, memory, state, ports, and a place for donated photos."""

from __future__ import annotations

import asyncio
import math
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress

from aiohttp import ClientError, ClientSession, ClientTimeout

from bot.commands.doctor.finding import Finding
from bot.connections import open_state
from bot.donations.backends import open_store
from bot.donations.donations import Donations
from bot.donations.store import StoreError
from bot.inference.classifier import Classifier
from bot.inference.contract import ModelError
from bot.inference.decoding import HEIC
from bot.inference.names import is_folder
from bot.monitoring.endpoints import ALIVE, open_port
from bot.settings.settings import Settings
from bot.settings.values import SettingsError
from bot.startup.cgroups import find_memory
from bot.storage.ledger import LedgerError
from bot.storage.pseudonyms import Pseudonymiser
from bot.texts.catalogues import TextsError
from bot.texts.replies import Replies

NEEDS = 200_000_000
"""Bytes in which the bot (`python -m tests.measure.footprint`) has room for a large photo."""
NEARBY = ClientTimeout(total=2)
"""For an answer from this machine."""


async def look_at_names(settings: Settings) -> AsyncIterator[Finding]:
    for name, ours in settings.misspelt.items():
        yield Finding(False, "settings", f"{name} is no setting, and does nothing. Is {ours} meant?")


async def look_at_model(settings: Settings) -> AsyncIterator[Finding]:
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


async def look_at_texts(settings: Settings) -> AsyncIterator[Finding]:
    try:
        replies = Replies(settings.replies_dir)
    except TextsError as error:
        yield Finding(False, "texts", str(error))
        return
    folder = settings.replies_dir
    more = "its own too" if is_folder(folder) else f"none of its own ({folder} is not there)"
    yield Finding(True, "texts", f"{', '.join(replies.languages)}; {more}")
    with suppress(ModelError):  # told of already
        for unused in replies.find_unused(Classifier(settings.model, settings.threads).contract.labels):
            yield Finding(False, "texts", unused)


async def look_at_memory(settings: Settings) -> AsyncIterator[Finding]:
    limit = find_memory()
    free = "the system does not tell how much" if limit == math.inf else f"{limit / 1e6:,.0f} MB"
    text = f"{free} may be used, {NEEDS / 1e6:.0f} MB are enough"
    yield Finding(limit >= NEEDS, "memory", text)


async def look_at_state(settings: Settings) -> AsyncIterator[Finding]:
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


async def look_at_donations(settings: Settings) -> AsyncIterator[Finding]:
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


async def look_at_access(settings: Settings) -> AsyncIterator[Finding]:
    groups = sum(1 for number in settings.allowed if number < 0)
    people = len(settings.owners | settings.allowed) - groups
    limited = f"answered are only these of OWNER_IDS and ALLOWED_IDS: people {people}, groups {groups}"
    yield Finding(True, "access", limited if settings.allowed else "everybody is answered (ALLOWED_IDS is not set)")


async def look_at_ports(settings: Settings) -> AsyncIterator[Finding]:
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
