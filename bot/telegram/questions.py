"""Questions that have buttons, as /language's: whose they are, and what comes in their place."""

from __future__ import annotations

from contextlib import suppress

from aiogram.enums import ChatType
from aiogram.exceptions import TelegramBadRequest
from aiogram.types import CallbackQuery, Message

from bot.telegram.replying import show_toast
from bot.texts.limits import TOAST
from bot.texts.replies import Replies


async def is_asked(callback: CallbackQuery, context: str, replies: Replies, language: str | None) -> bool:
    """Whether the question was for who pressed; says so if it was not, by the texts of `context`.

    In a group it is a reply to the person who sent the command. Telegram shows neither of two that are old, and no
    command that was deleted.
    """
    question = callback.message
    if question is None or question.chat.type == ChatType.PRIVATE:
        return question is not None
    command = question.reply_to_message if isinstance(question, Message) else None
    if command is None or command.from_user is None:
        await show_toast(callback, replies.text("bot", "question-gone", language))
        return False
    if command.from_user.id != callback.from_user.id:
        await show_toast(callback, replies.text(context, "not-yours", language))
        return False
    return True


async def replace_question(callback: CallbackQuery, text: str) -> None:
    """Say the outcome, and put it in the place of the question. If that is deleted, the toast is all.

    One that is not shown loses its buttons alone: a forged press may name any message of the bot's.
    """
    await show_toast(callback, text if len(text) <= TOAST else f"{text[: TOAST - 1]}…")
    question = callback.message
    assert callback.bot
    with suppress(TelegramBadRequest):
        if isinstance(question, Message):
            await question.edit_text(text)
        elif question:
            await callback.bot.edit_message_reply_markup(chat_id=question.chat.id, message_id=question.message_id)
