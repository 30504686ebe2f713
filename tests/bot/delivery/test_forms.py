"""What a request to Telegram sends, beside the form that aiogram itself would send."""

from __future__ import annotations

import asyncio

import pytest
from aiogram import Bot
from aiogram.client.default import DefaultBotProperties
from aiogram.enums import ParseMode
from aiogram.methods import SendMessage, TelegramMethod
from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup
from aiohttp import FormData

from bot.delivery.session import Session

KEYBOARD = InlineKeyboardMarkup(inline_keyboard=[[InlineKeyboardButton(text="Why?", callback_data="why")]])


@pytest.mark.parametrize(
    "method",
    [
        SendMessage(chat_id=-5, text="a & b = ü\n\N{GRINNING FACE}", reply_markup=KEYBOARD),
        SendMessage(chat_id="@name", text="x", disable_notification=False, message_thread_id=0),
        SendMessage(chat_id=1, text="x", parse_mode=None),
    ],
)
def test_a_form_has_the_fields_of_aiograms(method: TelegramMethod[object]) -> None:
    async def build() -> tuple[object, object]:
        bot, session = Bot("1:a", default=DefaultBotProperties(parse_mode=ParseMode.HTML)), Session()
        fields = session.build_form_data(bot, method)._fields
        form = FormData([(options["name"], value) for options, _, value in fields])
        return session._build_body(bot, method), form()._value  # noqa: SLF001

    ours, aiograms = asyncio.run(build())
    assert ours == aiograms
