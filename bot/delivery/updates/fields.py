"""What Telegram calls the kinds of updates, the fields of a message and the types of chats."""

from __future__ import annotations

from typing import Any

from aiogram.enums import ChatType
from aiogram.types import Update

CHANNEL_POSTS = frozenset({"channel_post", "edited_channel_post"})
MESSAGES = frozenset({"message", "edited_message"}) | CHANNEL_POSTS
KINDS = MESSAGES | {"callback_query", "inline_query", "my_chat_member", "chat_member", "poll", "message_reaction"}
"""Names that metrics have for an update's kind. Others are counted together."""
PICTURES = ("photo", "live_photo", "document", "sticker", "animation", "video", "video_note")
"""Fields of a message that hold something to look at."""
SPOKEN = frozenset(
    {
        *("text", "document", "audio", "voice", "contact", "location", "venue", "poll", "dice", "game"),
        *("checklist", "rich_message", "invoice", "giveaway", "giveaway_winners"),
    }
)
"""Fields of a message that hold what a person says or forwards and that is no picture."""
HIDDEN_PICTURES = frozenset({"story", "paid_media"})
"""Fields for pictures that bots are not shown. What none of the three names is Telegram's own news, such as a pin."""
HIDDEN = {"type": "hidden_user", "date": 0, "sender_user_name": ""}
"""Takes the place of a `forward_origin` that cannot be parsed: the message stays a forwarded one."""
TYPES = frozenset(known.value for known in ChatType)
"""Of chats. aiogram takes any text for one."""


def has_event(update: Update) -> bool:
    """Whether it is of a kind that aiogram knows."""
    try:
        return update.event is not None
    except LookupError:
        return False


def find_type(chat: dict[str, Any], kind: str) -> str:
    """Where Telegram has no such type, the number tells it: those of groups and channels are negative."""
    told = chat.get("type")
    if isinstance(told, str) and told in TYPES:
        return told
    if kind in CHANNEL_POSTS:
        return ChatType.CHANNEL
    return ChatType.SUPERGROUP if str(chat["id"]).startswith("-") else ChatType.PRIVATE
