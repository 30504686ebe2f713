"""Who speaks to the bot, and of which picture: the manners of private chats, groups and channels."""

from __future__ import annotations

from typing import Any

from aiogram import Bot
from aiogram.enums import ChatType
from aiogram.filters import BaseFilter, Command
from aiogram.types import Message, User

from bot.delivery.updates.fields import SPOKEN
from bot.delivery.updates.identity import speaks_to
from bot.telegram.media.album_mentions import AlbumMentions
from bot.telegram.media.pictures import may_be_image


class Addressed(BaseFilter):
    """In a private chat or a channel every message is for the bot; in a group one that mentions or replies to it.

    A photo with a command of the bot's as its caption is too, and so are all photos of an album with one that is.
    """

    async def __call__(self, message: Message, bot: Bot, album_mentions: AlbumMentions) -> bool:
        if message.chat.type in (ChatType.PRIVATE, ChatType.CHANNEL):
            return True
        me = await bot.me()
        is_addressed = _is_reply_to(message, me) or speaks_to(message, me)
        if message.media_group_id is None:
            return is_addressed
        if is_addressed:
            await album_mentions.mark(message)
            return True
        return await album_mentions.is_meant(message)


def _is_reply_to(message: Message, me: User) -> bool:
    """Not in a topic that the bot has made: there every message is a reply to the topic's first."""
    replied = message.reply_to_message
    return bool(replied and replied.from_user and replied.from_user.id == me.id and not replied.forum_topic_created)


class LostPicture(BaseFilter):
    """The message had a picture that could not be parsed."""

    async def __call__(self, message: Message, lost_picture: bool = False) -> bool:
        return lost_picture


async def has_picture(message: Message) -> bool:
    """A filter for what may be looked at. No magic one: those aiogram takes to a thread and back, for every message."""
    image = message.document and may_be_image(message.document)
    moving = message.animation or message.video or message.video_note
    shown = message.photo or message.live_photo or message.sticker or message.story or message.paid_media
    return bool(shown or image or moving)


async def is_spoken(message: Message, is_cut: bool = False) -> bool:
    """A filter for what a person says to the bot in a private chat, also where it could not be parsed as a whole."""
    return message.chat.type == ChatType.PRIVATE and (message.content_type in SPOKEN or is_cut)


async def is_mentioned(message: Message, bot: Bot) -> bool:
    """A filter for words that name the bot. In a group a mere reply to it, such as thanks, asks for nothing."""
    return speaks_to(message, await bot.me())


class TextCommand(Command):
    """A command that is a message of its own, in small letters or not, since phones' keyboards begin with a large one.

    aiogram's filter takes captions too: a photo with one is a photo.
    """

    def __init__(self, command: str) -> None:
        super().__init__(command, ignore_case=True)

    async def __call__(self, message: Message, bot: Bot) -> bool | dict[str, Any]:
        return message.text is not None and await super().__call__(message, bot)
