"""What there is to look at in a message."""

from __future__ import annotations

from dataclasses import dataclass

from aiogram.types import Document, Message, PhotoSize, Sticker

from bot.inference.variants import smallest_covering


@dataclass(frozen=True)
class Picture:
    """What there is to look at in a message."""

    file: PhotoSize | Document | Sticker
    is_frame: bool = False
    """It is the first picture of something that moves."""


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
