"""The language that the bot speaks with a person: /language."""

from __future__ import annotations

from aiogram import Router
from aiogram.filters.callback_data import CallbackData
from aiogram.types import CallbackQuery, InlineKeyboardMarkup, Message

from bot.storage.key_values import KeyValueStore
from bot.telegram.filters import TextCommand
from bot.telegram.keyboards import make_button
from bot.telegram.people import is_person
from bot.telegram.questions import is_asked, replace_question
from bot.telegram.replying import send_answer
from bot.texts.replies import Replies

AUTOMATIC = "auto"


class Language(CallbackData, prefix="language"):
    """A language to choose."""

    tag: str
    """Of a catalogue, or AUTOMATIC."""


def make_router() -> Router:
    router = Router(name="language")
    router.message.register(cmd_language, TextCommand("language"))
    router.callback_query.register(choose_language, Language.filter())
    return router


async def cmd_language(message: Message, replies: Replies, language: str | None) -> None:
    if not is_person(message):  # a press tells who pressed, not in whose name the question was asked
        await send_answer(message, replies.text("donation", "person", language))
        return
    automatic = (replies.text("language", "automatic", language), AUTOMATIC)
    names = [(replies.text("language", "name", tag), tag) for tag in replies.languages]
    buttons = [make_button(text, Language(tag=tag)) for text, tag in (*names, automatic)]
    rows = [buttons[start : start + 3] for start in range(0, len(buttons), 3)]
    text = replies.text("language", "choose", language)
    await send_answer(message, text, reply_markup=InlineKeyboardMarkup(inline_keyboard=rows))


async def choose_language(
    callback: CallbackQuery,
    callback_data: Language,
    replies: Replies,
    key_values: KeyValueStore,
    language: str | None,
    language_key: str,
) -> None:
    if not await is_asked(callback, "language", replies, language):
        return
    tag = callback_data.tag
    if tag in replies.languages:
        await key_values.set(language_key, tag)
    else:
        await key_values.delete(language_key)
        tag = replies.resolve_language(callback.from_user.language_code)
    await replace_question(callback, replies.text("language", "chosen", tag))
