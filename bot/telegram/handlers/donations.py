"""Photos that a person lets the bot keep: /donate and /forget."""

from __future__ import annotations

import logging
from typing import Literal

from aiogram import Router
from aiogram.filters.callback_data import CallbackData
from aiogram.types import CallbackQuery, InlineKeyboardMarkup, Message

from bot.delivery.backlog.backlog import Backlog
from bot.donations.donations import Donations
from bot.donations.store import StoreError
from bot.storage.key_values import KeyValueStore
from bot.telegram.filters import TextCommand
from bot.telegram.keyboards import make_button
from bot.telegram.people import is_person
from bot.telegram.questions import is_asked, replace_question
from bot.telegram.replying import send_answer
from bot.texts.replies import Replies

log = logging.getLogger(__name__)


class Consent(CallbackData, prefix="donate"):
    """The answer to the question of /donate."""

    answer: Literal["yes", "no"]


def make_router() -> Router:
    router = Router(name="donations")
    router.message.register(cmd_donate, TextCommand("donate"))
    router.message.register(cmd_forget, TextCommand("forget"))
    router.callback_query.register(take_consent, Consent.filter())
    return router


async def cmd_donate(message: Message, replies: Replies, donations: Donations, language: str | None) -> None:
    if not donations.are_on:
        await send_answer(message, replies.text("donation", "off", language))
    elif not is_person(message):
        await send_answer(message, replies.text("donation", "person", language))
    else:
        buttons = [make_button(replies.text("button", word, language), Consent(answer=word)) for word in ("yes", "no")]
        text = replies.text("donation", "ask", language)
        await send_answer(message, text, reply_markup=InlineKeyboardMarkup(inline_keyboard=[buttons]))


async def take_consent(
    callback: CallbackQuery, callback_data: Consent, replies: Replies, donations: Donations, language: str | None
) -> None:
    if not await is_asked(callback, "donation", replies, language):
        return
    agreed = donations.are_on and callback_data.answer == "yes"
    await donations.set_consent(callback.from_user.id, agreed)
    await replace_question(callback, replies.text("donation", "agreed" if agreed else "declined", language))


async def cmd_forget(
    message: Message,
    replies: Replies,
    donations: Donations,
    backlog: Backlog | None,
    key_values: KeyValueStore,
    language: str | None,
    language_key: str,
) -> None:
    """Delete what a person let the bot keep, and what was put down of their photos that wait for an answer.

    The language that they chose goes too.
    """
    if message.from_user is None or not is_person(message):
        await send_answer(message, replies.text("donation", "person", language))
        return
    if backlog:
        await backlog.forget(message.from_user.id)
    await key_values.delete(language_key)
    try:
        count = await donations.forget(message.from_user.id)
    except StoreError as error:
        log.warning("donated photos could not be deleted: %s", error)
        await send_answer(message, replies.text("donation", "not-forgotten", language))
    else:
        await send_answer(message, replies.plural("donation", "forgotten", count, language))
