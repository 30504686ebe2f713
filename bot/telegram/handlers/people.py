"""What people can ask of the bot about itself: its language, what it keeps, and the owner's figures."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiogram import BaseMiddleware, F, Router
from aiogram.filters import BaseFilter, Command
from aiogram.types import CallbackQuery, InlineKeyboardButton, InlineKeyboardMarkup, Message, TelegramObject, User

from bot.donations.donations import Donations
from bot.donations.store import StoreError
from bot.storage.key_values import Notes
from bot.storage.ledger import pseudonym
from bot.texts.replies import Replies

AUTOMATIC = "auto"

log = logging.getLogger(__name__)


class SpokenLanguage(BaseMiddleware):
    """Gives handlers `language`: what a person has chosen with /language, else that of their Telegram."""

    def __init__(self, notes: Notes, secret: str) -> None:
        self._notes = notes
        self._secret = secret

    async def __call__(
        self,
        handler: Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]],
        event: TelegramObject,
        data: dict[str, Any],
    ) -> Any:
        user: User | None = data.get("event_from_user")
        data["language"] = await self.find(user) if user else None
        data["language_note"] = self.note(user) if user else None
        return await handler(event, data)

    async def find(self, user: User) -> str | None:
        """The tag of the language to speak with them. Raises LedgerError."""
        return await self._notes.get(self.note(user)) or user.language_code

    def note(self, user: User) -> str:
        return f"language:{pseudonym(self._secret, str(user.id))}"


class FromOwner(BaseFilter):
    def __init__(self, owners: frozenset[int]) -> None:
        self._owners = owners

    async def __call__(self, message: Message) -> bool:
        return message.from_user is not None and message.from_user.id in self._owners


def make_router(owners: frozenset[int]) -> Router:
    router = Router(name="people")
    router.message.register(cmd_language, Command("language"))
    router.message.register(cmd_donate, Command("donate"))
    router.message.register(cmd_forget, Command("forget"))
    router.message.register(cmd_stats, Command("stats"), FromOwner(owners))
    router.callback_query.register(choose_language, F.data.startswith("language:"))
    router.callback_query.register(take_consent, F.data.startswith("donate:"))
    return router


async def cmd_language(message: Message, replies: Replies, language: str | None) -> None:
    automatic = (replies.say("language", "automatic", language), AUTOMATIC)
    names = [(replies.say("language", "name", tag), tag) for tag in replies.languages]
    buttons = [InlineKeyboardButton(text=text, callback_data=f"language:{tag}") for text, tag in (*names, automatic)]
    rows = [buttons[start : start + 3] for start in range(0, len(buttons), 3)]
    text = replies.say("language", "choose", language)
    await message.answer(text, reply_markup=InlineKeyboardMarkup(inline_keyboard=rows))


async def choose_language(callback: CallbackQuery, replies: Replies, notes: Notes, language_note: str) -> None:
    assert callback.data
    tag = callback.data.partition(":")[2]
    if tag in replies.languages:
        await notes.set(language_note, tag)
    else:
        await notes.delete(language_note)
        tag = replies.find(callback.from_user.language_code)
    await _replace(callback, replies.say("language", "chosen", tag))


async def cmd_donate(message: Message, replies: Replies, donations: Donations, language: str | None) -> None:
    if not donations.are_on:
        await message.answer(replies.say("donation", "off", language))
        return
    buttons = [
        InlineKeyboardButton(text=replies.say("button", answer, language), callback_data=f"donate:{answer}")
        for answer in ("yes", "no")
    ]
    text = replies.say("donation", "ask", language)
    await message.answer(text, reply_markup=InlineKeyboardMarkup(inline_keyboard=[buttons]))


async def take_consent(callback: CallbackQuery, replies: Replies, donations: Donations, language: str | None) -> None:
    agreed = donations.are_on and callback.data == "donate:yes"
    await donations.set_consent(callback.from_user.id, agreed)
    await _replace(callback, replies.say("donation", "agreed" if agreed else "declined", language))


async def cmd_forget(message: Message, replies: Replies, donations: Donations, language: str | None) -> None:
    try:
        count = await donations.forget(message.from_user.id) if message.from_user else 0
    except StoreError as error:
        log.warning("donated photos could not be deleted: %s", error)
        await message.answer(replies.say("donation", "not-forgotten", language))
    else:
        await message.answer(replies.count("donation", "forgotten", count, language))


async def cmd_stats(
    message: Message, replies: Replies, notes: Notes, donations: Donations, language: str | None
) -> None:
    counts = {name: await notes.get(f"count:{name}") or "0" for name in ("answered", "right", "wrong")}
    try:
        kept = str(await donations.count())
    except StoreError as error:
        log.warning("donated photos could not be counted: %s", error)
        kept = "?"
    await message.answer(replies.say("owner", "stats", language).format(**counts, kept=kept))


async def _replace(callback: CallbackQuery, text: str) -> None:
    """The question that the pressed button was under, by its outcome."""
    await callback.answer()
    if isinstance(callback.message, Message):
        await callback.message.edit_text(text)
