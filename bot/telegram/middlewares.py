"""What every message and every press of a button goes through before its handler."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from aiogram import BaseMiddleware, Dispatcher
from aiogram.enums import ChatType
from aiogram.types import CallbackQuery, Chat, Message, TelegramObject, User

from bot.delivery.attempts import Admission
from bot.delivery.lanes.waiting import KEPT
from bot.delivery.updates.identity import EXPLANATION
from bot.monitoring.metrics import Metrics
from bot.storage.key_values import KeyValueStore
from bot.storage.ledger import LedgerError
from bot.storage.pseudonyms import Pseudonymiser
from bot.storage.rate_limits import Rate, RateLimiter
from bot.telegram.people import name_sender
from bot.telegram.replying import show_toast
from bot.texts.replies import Replies

SENDER = Rate(per_second=1, burst=10)
"""Messages taken from one person. Not more than a chat may be sent at once: what has been taken is then answered
without waiting, and holds nobody else up (Telegram shows a poller 100 updates, and the next only when these are done).
"""

GROUP = Rate(per_second=15 / 60, burst=20)
"""Messages taken from all people of a group, or of a channel: as many as Telegram lets the bot answer in a minute. That
then takes so long. Limits are for floods."""

ALBUM = 10
"""Photos that an album has at most (Bot API, sendMediaGroup): each counts as such a part of a message."""

OVERTAKEN = 10.0
"""Seconds since it was sent, from which on a message may have been overtaken by later ones. A flood is not so old."""

REMEMBERED = 3600.0
"""Seconds for which it is counted what was let in of those. A pile is looked at within less."""

NOTICE = Rate(per_second=1 / 60, burst=1)
"""Times that a person is told to slow down."""


EXPLANATIONS = Rate(per_second=1 / 20, burst=3)
"""Explanations for one person: each is a net's work and a photo that is fetched and sent."""

EXPLAINED = 24 * 3600.0
"""Seconds for which it is known that an answer was explained."""


class ThrottlingMiddleware(BaseMiddleware):
    """Lets a person's messages, and presses of buttons, pass at the rate SENDER.

    For the rest of the messages there is one notice, and a toast for each of the presses.
    """

    def __init__(
        self, rate_limiter: RateLimiter, replies: Replies, metrics: Metrics, pseudonymise: Pseudonymiser
    ) -> None:
        self.rate_limiter = rate_limiter
        self._replies = replies
        self._metrics = metrics
        self._pseudonymise = pseudonymise

    async def __call__(
        self,
        handler: Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]],
        event: TelegramObject,
        data: dict[str, Any],
    ) -> Any:
        """Call the handler if the update is let in, which is asked once for each: an answer tried again is let in."""
        admission: Admission | None = data.get("admission")
        if admission and admission.is_granted:
            return await handler(event, data)
        is_refused = admission is not None and admission.is_refused
        user: User | None = data.get("event_from_user")
        chat: Chat | None = data.get("event_chat")
        message = event if isinstance(event, Message) else None
        name = self._pseudonymise(name_sender(user, chat, message))
        if not is_refused and await self._lets_in(name, message, data.get("least_age", 0.0)):
            if admission:
                admission.is_granted = True
            return await handler(event, data)
        if not is_refused:
            self._metrics.refusals.labels("flood").inc()
        slow_down = self._replies.text("bot", "slow-down", data.get("language"))
        if isinstance(event, CallbackQuery):  # its button waits for an answer
            await show_toast(event, slow_down)
        elif isinstance(event, Message) and (await self._has_place(f"notice:{name}", NOTICE) or is_refused):
            if admission and not is_refused:
                await admission.refuse()
            await event.reply(slow_down)
        return None

    async def _lets_in(self, name: str, message: Message | None, least_age: float) -> bool:
        """Whether there is room for a message; or for a press, which takes no place of its group's messages.

        A message is `least_age` seconds old by Telegram's dates alone: the own clock may be behind.
        """
        if message is None:
            return await self._has_place(f"presser:{name}", SENDER)
        chat, sent = message.chat, message.edit_date or message.date.timestamp()
        facts = message.media_group_id is not None, max(least_age, _find_age(sent)), sent
        if chat.type != ChatType.CHANNEL and not await self._has_place(f"sender:{name}", SENDER, *facts):
            return False  # a channel's posts have no sender
        if chat.type == ChatType.PRIVATE:
            return True
        return await self._has_place(f"group:{self._pseudonymise(str(chat.id))}", GROUP, *facts)

    async def _has_place(self, name: str, rate: Rate, is_part: bool = False, age: float = 0, sent: float = 0) -> bool:
        """Whether there is room in the bucket `name`, taken then; a photo of an album takes a part of a place.

        What was sent later may have been looked at before, in another chat or without a download: for the bucket this
        comes with it then. So of what is old, as many find room as its rate lets in of what was sent with it.
        """
        if is_part:  # the same bucket, in smaller places: it is full after as many seconds
            rate = Rate(rate.per_second * ALBUM, (rate.burst - 1) * ALBUM + 1)
        if (await self.rate_limiter.reserve(name, rate, at_most=0, age=age)).taken:
            return True
        if age < OVERTAKEN:
            return False
        part = int(sent * rate.per_second / rate.burst)  # by Telegram's date: the own clock may be behind
        rate = Rate(rate.burst / REMEMBERED, rate.burst)
        return (await self.rate_limiter.reserve(f"{name} {part}", rate, at_most=0)).taken


class ExplanationMiddleware(BaseMiddleware):
    """Lets a person's presses of "Why?" pass at the rate EXPLANATIONS, until the answer is explained."""

    def __init__(
        self, rate_limiter: RateLimiter, key_values: KeyValueStore, replies: Replies, pseudonymise: Pseudonymiser
    ) -> None:
        self._rate_limiter = rate_limiter
        self._key_values = key_values
        self._replies = replies
        self._pseudonymise = pseudonymise

    async def __call__(
        self,
        handler: Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]],
        event: TelegramObject,
        data: dict[str, Any],
    ) -> Any:
        if not isinstance(event, CallbackQuery) or not (event.data or "").startswith(EXPLANATION):
            return await handler(event, data)
        chat, number = (event.message.chat.id, event.message.message_id) if event.message else (0, 0)
        given = f"explained:{self._pseudonymise(f'{chat}:{number}')}"
        if await self._key_values.get(given):
            await show_toast(event)
        elif not await self._has_place(event.from_user, data):
            await show_toast(event, self._replies.text("bot", "slow-down", data.get("language")))
        elif await handler(event, data):
            with suppress(LedgerError):  # the explanation is out: it must not be given again
                await self._key_values.set(given, "yes", EXPLAINED)
        return None

    async def _has_place(self, person: User, data: dict[str, Any]) -> bool:
        """Asked once for each press, as the rate SENDER is."""
        admission: Admission | None = data.get("admission")
        if admission and admission.is_explained:
            return True
        name = f"explanations:{self._pseudonymise(str(person.id))}"
        taken = (await self._rate_limiter.reserve(name, EXPLANATIONS, at_most=0)).taken
        if admission:
            admission.is_explained = taken
        return taken


class LanguageMiddleware(BaseMiddleware):
    """Gives handlers `language`: what a person has chosen with /language, else that of their Telegram."""

    def __init__(self, key_values: KeyValueStore, pseudonymise: Pseudonymiser) -> None:
        self._key_values = key_values
        self._pseudonymise = pseudonymise

    async def __call__(
        self,
        handler: Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]],
        event: TelegramObject,
        data: dict[str, Any],
    ) -> Any:
        user: User | None = data.get("event_from_user")
        message = event if isinstance(event, Message) else None
        name = self._name(name_sender(user, data.get("event_chat"), message)) if user else None
        data["language"] = await self._find(name, user) if user and name else None
        data["language_key"] = name
        return await handler(event, data)

    async def find(self, user: User) -> str | None:
        """The tag of the language to speak with a person. Raises LedgerError."""
        return await self._find(self._name(str(user.id)), user)

    async def find_of(self, message: Message) -> str | None:
        """That of the language to answer a message in. Raises LedgerError."""
        user = message.from_user
        return await self._find(self._name(name_sender(user, message.chat, message)), user) if user else None

    async def _find(self, name: str, user: User) -> str | None:
        return await self._key_values.get(name) or user.language_code

    def _name(self, sender: str) -> str:
        return f"language:{self._pseudonymise(sender)}"


def _find_age(sent: float) -> float:
    """Seconds since a person sent or edited a message: what was sent while the bot was away does not come as a flood.

    0 where the clocks cannot both be right. Telegram's dates are whole seconds, rounded down.
    """
    age = time.time() - sent - 1
    return min(age, KEPT) if 0 < age < 2 * KEPT else 0.0


def install_middlewares(
    dispatcher: Dispatcher,
    language: LanguageMiddleware,
    throttling: ThrottlingMiddleware | None,
    explanations: ExplanationMiddleware | None,
) -> None:
    """The language is found before filters are asked; only what the bot would answer is throttled."""
    answered = (dispatcher.message, dispatcher.edited_message, dispatcher.callback_query)
    for observer in (*answered, dispatcher.channel_post):
        observer.outer_middleware(language)
        if throttling:
            observer.middleware(throttling)
    if explanations:
        dispatcher.callback_query.middleware(explanations)
