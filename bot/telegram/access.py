"""Who may use the bot: ALLOWED_IDS."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from weakref import WeakValueDictionary

from aiogram import BaseMiddleware, Bot
from aiogram.enums import ChatType
from aiogram.types import CallbackQuery, Chat, TelegramObject, Update, User

from bot.delivery.lanes.slots import hold_lock
from bot.monitoring.metrics import Metrics
from bot.storage.key_values import KeyValueStore
from bot.storage.ledger import LedgerError
from bot.storage.pseudonyms import Pseudonymiser
from bot.telegram.middlewares import LanguageMiddleware
from bot.texts.replies import Replies

DAY = 24 * 3600.0


class AccessMiddleware(BaseMiddleware):
    """Lets updates of allowed people and groups pass, whatever they are. Others are told so once a day, in private."""

    def __init__(
        self,
        allowed: frozenset[int],
        key_values: KeyValueStore,
        replies: Replies,
        metrics: Metrics,
        pseudonymise: Pseudonymiser,
        languages: LanguageMiddleware,
    ) -> None:
        """`allowed`: Telegram's numbers of people and groups."""
        self._allowed = allowed
        self._key_values = key_values
        self._replies = replies
        self._metrics = metrics
        self._pseudonymise = pseudonymise
        self._languages = languages
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # by person, while somebody waits

    async def __call__(
        self,
        handler: Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]],
        event: TelegramObject,
        data: dict[str, Any],
    ) -> Any:
        user: User | None = data.get("event_from_user")
        chat: Chat | None = data.get("event_chat")
        if (user and user.id in self._allowed) or (chat and chat.id in self._allowed):
            return await handler(event, data)
        if user and chat and chat.type == ChatType.PRIVATE:
            press = event.callback_query if isinstance(event, Update) else None
            name = f"turned-away:{self._pseudonymise(str(user.id))}"
            lock = self._locks.setdefault(name, asyncio.Lock())
            async with hold_lock(lock):  # of messages that come together one is answered
                await self._turn_away(data["bot"], user, press, name)
        self._metrics.refusals.labels("not-allowed").inc()
        return None

    async def _turn_away(self, bot: Bot, user: User, press: CallbackQuery | None, name: str) -> None:
        if await self._key_values.get(name):
            return
        text = self._replies.text("bot", "not-allowed", await self._languages.find(user)).format(number=user.id)
        await (press.answer(text) if press else bot.send_message(user.id, text))
        with suppress(LedgerError):  # the text is out: it must not be sent again
            await self._key_values.set(name, "told", DAY)
