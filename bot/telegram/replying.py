"""Where an answer goes."""

from __future__ import annotations

from contextlib import suppress

from aiogram.enums import ChatType
from aiogram.exceptions import AiogramError
from aiogram.types import CallbackQuery, InlineKeyboardMarkup, Message


async def send_answer(message: Message, text: str, reply_markup: InlineKeyboardMarkup | None = None) -> Message:
    """Answer a message where it was written.

    In a group as a reply: the comments on a channel's post are such a thread, which Telegram gives a number but which
    is no topic that a message could be sent to.
    """
    if message.chat.type == ChatType.PRIVATE:
        return await message.answer(text, reply_markup=reply_markup)
    return await message.reply(text, reply_markup=reply_markup)


async def show_toast(callback: CallbackQuery, text: str | None = None) -> None:
    """A line over the chat that disappears by itself. Telegram takes it within seconds of the press only."""
    with suppress(AiogramError):
        await callback.answer(text)
