"""What there is to look at in a message."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from aiogram.types import CallbackQuery, Document, ExternalReplyInfo, Message, PhotoSize, Sticker

from bot.delivery.updates.identity import find_sizes
from bot.inference.photo_files import SUFFIXES
from bot.inference.variants import smallest_covering

IMAGE_SUFFIXES = SUFFIXES | {".heic", ".heif", ".avif", ".jxl", ".tif", ".tiff"}
"""Endings of the names of images. Those that cannot be read are refused as such."""
NO_KIND = frozenset({"", "application/octet-stream", "binary/octet-stream"})
"""Mime types that say nothing: iPhones' "Send as file" has one of them."""
KIND_OF_FILE = re.compile(r"\.(?=.*[a-z])(?!(bin|dat|tmp|file|image)$)[a-z0-9]{1,5}")
"""Endings of names that say what a file is. The "33" of "at 10.15.33" does not, nor do a few that any file may have."""

SHOWN = 640
"""Pixels in width and height that a photo has, if it can, when it is fetched again to be shown or kept."""


@dataclass(frozen=True)
class Picture:
    """What there is to look at in a message."""

    file: PhotoSize | Document | Sticker
    identity: str
    """Telegram's `file_unique_id`: of a photo that of its largest variant, of what moves its own."""
    is_frame: bool = False
    """It is the first picture of something that moves."""


def find_picture(message: Message | ExternalReplyInfo | None, pixels: int) -> Picture | None:
    """The photo, image file, sticker or first frame in a message; of variants the smallest with `pixels` both ways."""
    if message is None:
        return None
    sizes, document, sticker = find_sizes(message), message.document, message.sticker
    if sizes:
        return Picture(smallest_covering(sizes, pixels), _largest(sizes).file_unique_id)
    if document and may_be_image(document):
        return Picture(document, document.file_unique_id)
    if sticker and not (sticker.is_animated or sticker.is_video):
        return Picture(sticker, sticker.file_unique_id)
    moving = message.animation or message.video or message.video_note or sticker
    return Picture(moving.thumbnail, moving.file_unique_id, is_frame=True) if moving and moving.thumbnail else None


def find_judged_picture(callback: CallbackQuery) -> Picture | None:
    """What the answer is a reply to that a button was pressed under, unless it was deleted."""
    answer = callback.message
    return find_picture(answer.reply_to_message, SHOWN) if isinstance(answer, Message) else None


def may_be_image(document: Document) -> bool:
    """Its type or its name says so. Where both say nothing its bytes decide, once they are fetched."""
    kind = (document.mime_type or "").lower()
    suffix = PurePosixPath((document.file_name or "").strip()).suffix.lower()
    if kind.startswith("image/") or suffix in IMAGE_SUFFIXES:
        return True
    return kind in NO_KIND and not KIND_OF_FILE.fullmatch(suffix)


def _largest(sizes: list[PhotoSize]) -> PhotoSize:
    return max(sizes, key=lambda size: size.width * size.height)
