"""The owner's figures: /stats."""

from __future__ import annotations

import logging

from aiogram import Router
from aiogram.filters import BaseFilter, Command
from aiogram.types import Message

from bot.donations.donations import Donations
from bot.donations.store import StoreError
from bot.storage.key_values import KeyValueStore
from bot.texts.replies import Replies

log = logging.getLogger(__name__)


def make_router(owners: frozenset[int]) -> Router:
    router = Router(name="owner")
    router.message.register(cmd_stats, Command("stats"), FromOwner(owners))
    return router


class FromOwner(BaseFilter):
    def __init__(self, owners: frozenset[int]) -> None:
        self._owners = owners

    async def __call__(self, message: Message) -> bool:
        return message.from_user is not None and message.from_user.id in self._owners


async def cmd_stats(
    message: Message, replies: Replies, key_values: KeyValueStore, donations: Donations, language: str | None
) -> None:
    counts = {name: await key_values.get(f"count:{name}") or "0" for name in ("answered", "right", "wrong")}
    try:
        kept = str(await donations.count())
    except StoreError as error:
        log.warning("donated photos could not be counted: %s", error)
        kept = "?"
    await message.answer(replies.text("owner", "stats", language).format(**counts, kept=kept))
