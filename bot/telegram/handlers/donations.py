"""Photos that a person lets the bot keep: /donate and /forget."""

from __future__ import annotations

import logging

from aiogram import F, Router
from aiogram.types import CallbackQuery, InlineKeyboardButton, InlineKeyboardMarkup, Message

from bot.donations.donations import Donations
from bot.donations.store import StoreError
from bot.telegram.filters import TextCommand
from bot.telegram.keyboards import replace_question
from bot.telegram.replying import send_answer
from bot.texts.replies import Replies

log = logging.getLogger(__name__)


def make_router() -> Router:
    router = Router(name="donations")
    router.message.register(cmd_donate, TextCommand("donate"))
    router.message.register(cmd_forget, TextCommand("forget"))
    router.callback_query.register(take_consent, F.data.startswith("donate:"))
    return router


async def cmd_donate(message: Message, replies: Replies, donations: Donations, language: str | None) -> None:
    if not donations.are_on:
        await send_answer(message, replies.text("donation", "off", language))
        return
    buttons = [
        InlineKeyboardButton(text=replies.text("button", answer, language), callback_data=f"donate:{answer}")
        for answer in ("yes", "no")
    ]
    text = replies.text("donation", "ask", language)
    await send_answer(message, text, reply_markup=InlineKeyboardMarkup(inline_keyboard=[buttons]))


async def take_consent(callback: CallbackQuery, replies: Replies, donations: Donations, language: str | None) -> None:
    agreed = donations.are_on and callback.data == "donate:yes"
    await donations.set_consent(callback.from_user.id, agreed)
    await replace_question(callback, replies.text("donation", "agreed" if agreed else "declined", language))


async def cmd_forget(message: Message, replies: Replies, donations: Donations, language: str | None) -> None:
    try:
        count = await donations.forget(message.from_user.id) if message.from_user else 0
    except StoreError as error:
        log.warning("donated photos could not be deleted: %s", error)
        await send_answer(message, replies.text("donation", "not-forgotten", language))
    else:
        await send_answer(message, replies.plural("donation", "forgotten", count, language))
