"""Pictures that came in an update of another shape than the bot knows."""

from __future__ import annotations

from aiogram import Router
from aiogram.types import Message

from bot.telegram.filters import Addressed, LostPicture
from bot.texts.replies import Replies


def make_router() -> Router:
    router = Router(name="unreadable")
    for observer in (router.message, router.edited_message):
        observer.register(apologise, LostPicture(), Addressed())
    return router


async def apologise(message: Message, replies: Replies, language: str | None) -> None:
    await message.reply(replies.text("bot", "failed", language))
