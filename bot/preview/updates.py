"""What a person puts into the page -> the update that Telegram would send for it."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiogram.enums import ChatType
from aiogram.types import Chat, Document, Message, MessageEntity, PhotoSize, Update, User
from PIL import Image

from bot.photo import PhotoError, read

PERSON = 1
"""Telegram's number of the only user and of the private chat with them."""
BOXES = (90, 320, 800, 1280)
"""Telegram's variants of a photo fit into squares of these sides, in pixels (observed, not documented)."""
JPEG_QUALITY = 87


@dataclass(frozen=True)
class Incoming:
    """An update, and the files that it speaks of by their `file_id`."""

    update: Update
    files: dict[str, bytes] = field(default_factory=dict)


class Updates:
    """Numbers the messages of one preview."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def from_text(self, text: str, language: str | None) -> Incoming:
        command = text.split(maxsplit=1)[0] if text.startswith("/") else ""
        entities = [MessageEntity(type="bot_command", offset=0, length=len(command))] if command else None
        return Incoming(self._wrap(language, text=text, entities=entities))

    def from_file(self, data: bytes, name: str, mime_type: str, size: int, language: str | None) -> Incoming:
        """A photo in Telegram's variants if it can be read, else the file as it is. `size` is in bytes."""
        try:
            variants = list(make_variants(read(data)))
        except PhotoError:
            document = Document(
                file_id="file", file_unique_id="file", file_name=name, mime_type=mime_type, file_size=size
            )
            return Incoming(self._wrap(language, document=document), {"file": data})
        photo = [
            PhotoSize(file_id=str(box), file_unique_id=str(box), width=width, height=height, file_size=len(jpeg))
            for box, (width, height), jpeg in variants
        ]
        return Incoming(self._wrap(language, photo=photo), {str(box): jpeg for box, _, jpeg in variants})

    def _wrap(self, language: str | None, **content: Any) -> Update:
        number = next(self._numbers)
        message = Message(
            message_id=number,
            date=datetime.now(UTC),
            chat=Chat(id=PERSON, type=ChatType.PRIVATE),
            from_user=User(id=PERSON, is_bot=False, first_name="You", language_code=language),
            **content,
        )
        return Update(update_id=number, message=message)


def make_variants(photo: Image.Image) -> Iterator[tuple[int, tuple[int, int], bytes]]:
    """Telegram's JPEG variants of an RGB photo: box, width and height in pixels, bytes. None is enlarged."""
    for box in BOXES:
        variant = photo.copy()
        variant.thumbnail((box, box))
        buffer = io.BytesIO()
        variant.save(buffer, "JPEG", quality=JPEG_QUALITY)
        yield box, variant.size, buffer.getvalue()
        if variant.size == photo.size:
            return
