"""The language that the bot speaks with a person: /language."""

from __future__ import annotations

from aiogram import F, Router
from aiogram.types import CallbackQuery, InlineKeyboardButton, InlineKeyboardMarkup, Message

from bot.storage.key_values import KeyValueStore
from bot.telegram.filters import TextCommand
from bot.telegram.keyboards import replace_question
from bot.telegram.replying import send_answer
from bot.texts.replies import Replies

AUTOMATIC = "auto"


def make_router() -> Router:
    router = Router(name="language")
    router.message.register(cmd_language, TextCommand("language"))
    router.callback_query.register(choose_language, F.data.startswith("language:"))
    return router


async def cmd_language(message: Message, replies: Replies, language: str | None) -> None:
    automatic = (replies.text("language", "automatic", language), AUTOMATIC)
    names = [(replies.text("language", "name", tag), tag) for tag in replies.languages]
    buttons = [InlineKeyboardButton(text=text, callback_data=f"language:{tag}") for text, tag in (*names, automatic)]
    rows = [buttons[start : start + 3] for start in range(0, len(buttons), 3)]
    text = replies.text("language", "choose", language)
    await send_answer(message, text, reply_markup=InlineKeyboardMarkup(inline_keyboard=rows))


async def choose_language(
    callback: CallbackQuery, replies: Replies, key_values: KeyValueStore, language_key: str
) -> None:
    assert callback.data
    tag = callback.data.partition(":")[2]
    if tag in replies.languages:
        await key_values.set(language_key, tag)
    else:
        await key_values.delete(language_key)
        tag = replies.resolve_language(callback.from_user.language_code)
    await replace_question(callback, replies.text("language", "chosen", tag))
