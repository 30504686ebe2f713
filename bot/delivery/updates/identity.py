"""What an update is known by: across restarts, among a chat's other updates, and whose it is."""

from __future__ import annotations

from enum import Enum

from aiogram import Bot
from aiogram.enums import ChatType, MessageEntityType
from aiogram.types import ExternalReplyInfo, Message, PhotoSize, Update, User

from bot.texts.replies import COMMANDS, DONATING


class Lane(Enum):
    """Updates of one chat in one lane are answered in order. Lanes do not wait for each other."""

    PHOTO = "photo"
    TEXT = "text"
    PRESS = "press"
    EXPLANATION = "explanation"


EXPLANATION = "why"
"""What the data of the button begins with that asks for an explanation."""


def find_message(update: Update) -> Message | None:
    return update.message or update.edited_message or update.channel_post or update.edited_channel_post


async def identify(update: Update, bot: Bot) -> str:
    """A picture is known by its chat, message and file: after a quiet week Telegram's own numbers begin again.

    An edited message with the same picture is the same, so that a new caption brings no new answer. In a group, one
    that speaks to the bot is another than one that does not: an edit may add a mention or a command.
    """
    message = find_message(update)
    if message is None:
        return f"update {update.update_id}"
    number = message.message_id or f"update {update.update_id}"  # Telegram gives messages that pass no number but 0
    name = f"{message.chat.id}:{number}:{_find_file(message)}"
    entities = message.entities or message.caption_entities
    if (
        entities
        and message.chat.type not in (ChatType.PRIVATE, ChatType.CHANNEL)
        and speaks_to(message, await bot.me())
    ):
        name += ":mentioned"
    return name


def speaks_to(message: Message, me: User) -> bool:
    """Whether text or caption mention the bot, or a caption begins with a command of its own."""
    return _mentions(message, me) or _is_commanded(message, me)


def _mentions(message: Message, me: User) -> bool:
    text = message.text or message.caption or ""
    name = f"@{me.username}".lower()
    for entity in message.entities or message.caption_entities or ():
        if entity.type == MessageEntityType.TEXT_MENTION and entity.user and entity.user.id == me.id:
            return True
        if entity.type == MessageEntityType.MENTION and entity.extract_from(text).lower() == name:
            return True
    return False


def _is_commanded(message: Message, me: User) -> bool:
    """By /what, or by /what@name."""
    first = next(iter(message.caption_entities or ()), None)
    if first is None or first.type != MessageEntityType.BOT_COMMAND or first.offset != 0:
        return False
    command, _, name = first.extract_from(message.caption or "").removeprefix("/").partition("@")
    return name.lower() == (me.username or "").lower() if name else command.lower() in (*COMMANDS, *DONATING)


def find_lane(update: Update) -> tuple[int, Lane]:
    """The chat, or the person where there is no chat, and the lane there."""
    if press := update.callback_query:
        chat = press.message.chat.id if press.message else press.from_user.id
        return chat, Lane.EXPLANATION if (press.data or "").startswith(EXPLANATION) else Lane.PRESS
    message = find_message(update)
    if message is None:
        return 0, Lane.TEXT
    asked = message.reply_to_message or message.external_reply  # as of /what
    return message.chat.id, Lane.PHOTO if _find_file(message) or (asked and _find_file(asked)) else Lane.TEXT


def find_person(update: Update) -> int | None:
    """Whose update it is: /forget finds it by that."""
    if update.callback_query:
        return update.callback_query.from_user.id
    message = find_message(update)
    return message.from_user.id if message and message.from_user else None


def find_date(update: Update) -> float:
    """When Telegram got it (seconds since the epoch); 0 where it does not say so."""
    message = find_message(update)
    return (message.edit_date or message.date.timestamp()) if message else 0.0


def find_sizes(message: Message | ExternalReplyInfo) -> list[PhotoSize] | None:
    """The variants of a message's photo, or of the still that a live photo has."""
    return message.photo or (message.live_photo.photo if message.live_photo else None)


def _find_file(message: Message | ExternalReplyInfo) -> str:
    """The name of the file that there is to look at, the same for everybody; or nothing."""
    if sizes := find_sizes(message):
        return sizes[-1].file_unique_id
    file = message.document or message.sticker or message.animation or message.video or message.video_note
    return file.file_unique_id if file else ""
