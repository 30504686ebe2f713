"""Who waits for an answer sees in the chat that the bot is typing."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from aiogram import Bot
from aiogram.enums import ChatAction
from aiogram.exceptions import AiogramError
from aiogram.types import Message

TYPING_AFTER = 1.0
"""Seconds of work after which the chat shows that the bot is typing. So long a wait does not break a person's flow of
thought (R. B. Miller, 1968), and most photos are answered before."""

TYPING_LASTS = 4.5
"""Seconds after which it is shown again; Telegram takes it away after 5."""

TYPING_SHOWN = 6
"""Times that it is shown: a picture that stalls for longer does not come soon."""


async def show_typing(bot: Bot, message: Message) -> None:
    """Until it is cancelled, or TYPING_SHOWN times. aiogram's ChatActionSender would wait for the call in flight."""
    topic = message.message_thread_id if message.is_topic_message else None
    await asyncio.sleep(TYPING_AFTER)
    with suppress(AiogramError):
        for _ in range(TYPING_SHOWN):
            await bot.send_chat_action(message.chat.id, ChatAction.TYPING, message_thread_id=topic)
            await asyncio.sleep(TYPING_LASTS)
