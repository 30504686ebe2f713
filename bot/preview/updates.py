"""What a person does in the page -> the update that Telegram would send for it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from aiogram.enums import ChatType
from aiogram.types import (
    CallbackQuery,
    Document,
    InaccessibleMessage,
    Message,
    MessageEntity,
    PhotoSize,
    Update,
    User,
)
from aiogram.types import Chat as TelegramChat

from bot.inference.decoding import PhotoError, read
from bot.inference.variants import Variant, make_variants
from bot.preview.chat import Chat
from bot.preview.forms import File

PERSON = 1
"""Telegram's number of the only user and of the private chat with them."""
CHAT = TelegramChat(id=PERSON, type=ChatType.PRIVATE)


class Updates:
    """Numbers what the person does and keeps it in the chat."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat

    def from_text(self, text: str, reply_to: int | None, language: str | None) -> Update:
        """`reply_to` is the number of a message; one that is no longer kept is not replied to, as on Telegram."""
        asked = self._chat.find(reply_to) if reply_to else None
        command = text.split(maxsplit=1)[0] if text.startswith("/") else ""
        entities = [MessageEntity(type="bot_command", offset=0, length=len(command))] if command else None
        content: dict[str, Any] = {"text": text, "entities": entities}
        if asked:
            content["reply_to_message"] = asked.model_copy(update={"reply_to_message": None})
        return self._wrap(next(self._chat.numbers), language, **content)

    def from_file(self, file: File, variants: list[Variant], album: str | None, language: str | None) -> Update:
        """A photo in its variants or, if it has none, the file as it is; with others in an `album` if that is named."""
        number = next(self._chat.numbers)
        files = {f"{number}-{variant.box}": variant.jpeg for variant in variants} or {f"{number}-file": file.data}
        content: dict[str, Any]
        if variants:
            content = {
                "photo": [
                    PhotoSize(
                        file_id=name,
                        file_unique_id=name,
                        width=variant.width,
                        height=variant.height,
                        file_size=len(variant.jpeg),
                    )
                    for name, variant in zip(files, variants, strict=True)
                ]
            }
        else:
            (name,) = files
            content = {
                "document": Document(
                    file_id=name, file_unique_id=name, file_name=file.name, mime_type=file.kind, file_size=file.size
                )
            }
        return self._wrap(number, language, files, media_group_id=album, **content)

    def from_press(self, number: int, data: str, language: str | None) -> Update:
        """A button of message `number`. One that is no longer kept is what Telegram calls inaccessible."""
        identity = next(self._chat.numbers)
        callback = CallbackQuery(
            id=str(identity),
            from_user=person(language),
            chat_instance=str(PERSON),
            message=self._chat.find(number) or InaccessibleMessage(chat=CHAT, message_id=number),
            data=data,
        )
        return Update(update_id=identity, callback_query=callback)

    def _wrap(
        self, number: int, language: str | None, files: Mapping[str, bytes] | None = None, **content: Any
    ) -> Update:
        message = Message(message_id=number, date=datetime.now(UTC), chat=CHAT, from_user=person(language), **content)
        self._chat.keep(message, files)
        return Update(update_id=number, message=message)


def person(language: str | None) -> User:
    return User(id=PERSON, is_bot=False, first_name="You", language_code=language)


def read_variants(data: bytes) -> list[Variant]:
    """Of a photo file's bytes; none if they cannot be read."""
    try:
        return list(make_variants(read(data)))
    except PhotoError:
        return []
