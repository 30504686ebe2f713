"""Who speaks to the bot, and of which picture: the manners of private chats, groups and channels."""

from __future__ import annotations

from typing import Any

from aiogram import Bot
from aiogram.enums import ChatType
from aiogram.filters import BaseFilter, Command
from aiogram.types import Message

from bot.delivery.updates.identity import mentions
from bot.telegram.pictures import may_be_image


class Addressed(BaseFilter):
    """In a private chat or a channel every message is for the bot; in a group one that mentions or replies to it."""

    async def __call__(self, message: Message, bot: Bot) -> bool:
        if message.chat.type in (ChatType.PRIVATE, ChatType.CHANNEL):
            return True
        me = await bot.me()
        replied = message.reply_to_message
        if replied and replied.from_user and replied.from_user.id == me.id:
            return True
        return mentions(message, me)


class LostPicture(BaseFilter):
    """The message had a picture that could not be parsed."""

    async def __call__(self, message: Message, lost_picture: bool = False) -> bool:
        return lost_picture


async def has_picture(message: Message) -> bool:
    """A filter for what may be looked at. No magic one: those aiogram takes to a thread and back, for every message."""
    image = message.document and may_be_image(message.document)
    return bool(message.photo or image or message.sticker or message.animation or message.video or message.video_note)


class TextCommand(Command):
    """A command that is a message of its own. aiogram's filter takes captions too: a photo with one is a photo."""

    async def __call__(self, message: Message, bot: Bot) -> bool | dict[str, Any]:
        return message.text is not None and await super().__call__(message, bot)
