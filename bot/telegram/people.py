"""Who somebody is on Telegram, where one number stands for many, and whose photo a photo is."""

from __future__ import annotations

from aiogram.types import Chat, Message, User

SHARED = frozenset({1087968824, 136817688, 777000})
"""Telegram's own numbers, under which write: all anonymous admins, all channels in groups, all linked channels."""


def is_person(message: Message) -> bool:
    """Whether somebody wrote this in their own name: no channel, no anonymous admin."""
    return message.from_user is not None and message.from_user.id not in SHARED and message.sender_chat is None


def is_own_photo(message: Message, person: User) -> bool:
    """Whether a photo is one that `person` has sent themselves: not forwarded, not by way of another bot."""
    return (
        is_person(message)
        and message.from_user is not None
        and message.from_user.id == person.id
        and message.forward_origin is None
        and message.via_bot is None
        and not message.is_automatic_forward
    )


def name_sender(user: User | None, chat: Chat | None, message: Message | None = None) -> str:
    """What tells senders apart. Who writes in the name of a chat is one sender for each chat that they write in."""
    sender = message.sender_chat if message else None
    if user and user.id not in SHARED and sender is None:
        return str(user.id)
    return f"{sender.id if sender else user.id if user else ''} in {chat.id if chat else ''}"
