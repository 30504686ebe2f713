"""Who speaks to the bot, and of which picture: the manners of private chats, groups and channels."""

from __future__ import annotations

from dataclasses import dataclass

from aiogram import Bot
from aiogram.enums import ChatType, MessageEntityType
from aiogram.filters import BaseFilter
from aiogram.types import Document, Message, PhotoSize, Sticker

from bot.telegram.download import smallest_covering


class Addressed(BaseFilter):
    """In a private chat or a channel every message is for the bot; in a group one that mentions or replies to it."""

    async def __call__(self, message: Message, bot: Bot) -> bool:
        if message.chat.type in (ChatType.PRIVATE, ChatType.CHANNEL):
            return True
        me = await bot.me()
        replied = message.reply_to_message
        if replied and replied.from_user and replied.from_user.id == me.id:
            return True
        text = message.text or message.caption or ""
        for entity in message.entities or message.caption_entities or ():
            if entity.type == MessageEntityType.TEXT_MENTION and entity.user and entity.user.id == me.id:
                return True
            if (
                entity.type == MessageEntityType.MENTION
                and entity.extract_from(text).lower() == f"@{me.username}".lower()
            ):
                return True
        return False


@dataclass(frozen=True)
class Picture:
    """What there is to look at in a message."""

    file: PhotoSize | Document | Sticker
    is_frame: bool = False
    """It is the first picture of something that moves."""


async def has_picture(message: Message) -> bool:
    """A filter for what may be looked at. No magic one: those aiogram takes to a thread and back, for every message."""
    image = message.document and (message.document.mime_type or "").startswith("image/")
    return bool(message.photo or image or message.sticker or message.animation or message.video or message.video_note)


def find_picture(message: Message | None, pixels: int) -> Picture | None:
    """The photo, image file, sticker or first frame in a message; of variants the smallest with `pixels` both ways."""
    match message:
        case Message(photo=[*sizes]) if sizes:
            return Picture(smallest_covering(sizes, pixels))
        case Message(document=Document(mime_type=str(kind)) as document) if kind.startswith("image/"):
            return Picture(document)
        case Message(sticker=Sticker(is_animated=False, is_video=False) as sticker):
            return Picture(sticker)
    if message is None:
        return None
    moving = message.animation or message.video or message.video_note or message.sticker
    return Picture(moving.thumbnail, is_frame=True) if moving and moving.thumbnail else None
