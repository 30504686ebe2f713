"""The buttons under an answer, and what a pressed button leaves."""

from __future__ import annotations

from aiogram.types import (
    CallbackQuery,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    Message,
)

from bot.texts.replies import Replies


def answer_buttons(index: int, replies: Replies, language: str | None, explains: bool) -> InlineKeyboardMarkup:
    """Under an answer that names class number `index`, of a model that `explains` or not."""
    rows = [
        *why_buttons(replies, language, explains),
        [
            make_button(replies.text("button", "right", language), f"right:{index}"),
            make_button(replies.text("button", "wrong", language), f"wrong:{index}"),
        ],
    ]
    return InlineKeyboardMarkup(inline_keyboard=rows)


def why_buttons(replies: Replies, language: str | None, explains: bool) -> list[list[InlineKeyboardButton]]:
    return [[make_button(replies.text("button", "why", language), "why")]] if explains else []


def make_button(text: str, data: str) -> InlineKeyboardButton:
    return InlineKeyboardButton(text=text, callback_data=data)


async def replace_question(callback: CallbackQuery, text: str) -> None:
    """Put the outcome in the place of the question that the pressed button was under."""
    await callback.answer()
    if isinstance(callback.message, Message):
        await callback.message.edit_text(text)
