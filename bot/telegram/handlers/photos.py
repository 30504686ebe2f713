"""Photos, and questions about them."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, field

from aiogram import Bot, F, Router
from aiogram.enums import ChatAction, ChatType
from aiogram.exceptions import AiogramError
from aiogram.types import Document, Message

from bot.delivery.at_least_once import CrashGuard
from bot.inference.classifier import Classifier, Prediction
from bot.inference.decoding import PhotoError, Reason, decode
from bot.monitoring.metrics import Metrics, Stopwatch
from bot.storage.ledger import LedgerError
from bot.telegram.albums import Albums
from bot.telegram.download import download
from bot.telegram.filters import Addressed, TextCommand, has_picture
from bot.telegram.keyboards import answer_buttons
from bot.telegram.pictures import Picture, find_picture
from bot.telegram.statistics import Statistics
from bot.texts.replies import Replies

TYPING_AFTER = 1.0
"""Seconds of work after which the chat shows that the bot is typing. So long a wait does not break a person's flow of
thought (R. B. Miller, 1968), and most photos are answered before."""

TYPING_LASTS = 4.5
"""Seconds after which it is shown anew; Telegram takes it away after 5."""

log = logging.getLogger(__name__)


def make_router(channel_posts: bool) -> Router:
    router = Router(name="photos")
    router.message.register(cmd_what, TextCommand("what"))
    router.message.register(answer_picture, has_picture, Addressed())
    router.message.register(cmd_what, F.text, F.reply_to_message, ~(F.chat.type == ChatType.PRIVATE), Addressed())
    router.edited_message.register(answer_picture, has_picture, Addressed())
    if channel_posts:
        router.channel_post.register(answer_picture, has_picture)
    return router


async def cmd_what(
    message: Message, answer: PhotoAnswer, replies: Replies, language: str | None, crash_guard: CrashGuard
) -> None:
    """A reply to a photo, in a group for example, that asks what it shows."""
    asked = message.reply_to_message
    picture = find_picture(asked, answer.pixels)
    if asked and picture:
        await answer(asked, picture, language, crash_guard)
    else:
        await message.reply(replies.text("bot", "what", language))


async def answer_picture(
    message: Message, answer: PhotoAnswer, replies: Replies, language: str | None, crash_guard: CrashGuard
) -> None:
    picture = find_picture(message, answer.pixels)
    if picture is None:
        await message.reply(replies.text("bot", "no-picture", language))
    elif isinstance(picture.file, Document):
        async with answer.one_by_one:
            await answer(message, picture, language, crash_guard)
    else:
        await answer(message, picture, language, crash_guard)


@dataclass
class PhotoAnswer:
    """A photo's way: fetched, decoded, named, and the answer sent as a reply."""

    classifier: Classifier
    replies: Replies
    metrics: Metrics
    statistics: Statistics
    albums: Albums
    one_by_one: asyncio.Lock = field(default_factory=asyncio.Lock)
    """For images sent as files: up to 20 MB, and hundreds once decoded. Photos are small."""

    @property
    def pixels(self) -> int:
        """Width and height that a photo should have at least."""
        return self.classifier.contract.preprocess.size

    async def __call__(self, message: Message, picture: Picture, language: str | None, crash_guard: CrashGuard) -> None:
        assert message.bot
        stopwatch = Stopwatch()
        typing = asyncio.create_task(_show_typing(message.bot, message.chat.id))
        found: Prediction | Reason
        try:
            with stopwatch("download"):
                data = await download(message.bot, picture.file, self.metrics)
            async with crash_guard():
                found = await asyncio.to_thread(self._look, data, stopwatch)
            outcome = detail = "unsure" if found.unsure else "named"
        except PhotoError as error:
            found = error.reason
            outcome, detail = "refused", str(error)
            self.metrics.refusals.labels(found.value).inc()
        finally:
            typing.cancel()
        with stopwatch("reply"):
            await self._reply(message, found, picture.is_frame, language)
        with suppress(LedgerError):  # the answer is out: trouble with a count must not have it given again
            await self.statistics.add_answer(found)
        self.metrics.count_photo(outcome, stopwatch)
        log.info("photo answered: %s", detail, extra={"stages": stopwatch})

    def _look(self, data: bytes, stopwatch: Stopwatch) -> Prediction:
        with stopwatch("decode"):
            pixels = decode(data, self.classifier.contract.preprocess)
        with stopwatch("predict"):
            return self.classifier.predict(pixels)

    async def _reply(self, message: Message, found: Prediction | Reason, is_frame: bool, language: str | None) -> None:
        if message.media_group_id:
            await self.albums.answer(message, found, language)
        elif isinstance(found, Reason):
            await message.reply(self.replies.refuse(found, language), allow_sending_without_reply=True)
        else:
            text = self.replies.render(found, language)
            if is_frame:
                text = f"{self.replies.text('bot', 'first-frame', language)} {text}"
            index = self.classifier.contract.labels.index(found.label)
            explains = self.classifier.explains
            markup = None if found.unsure else answer_buttons(index, self.replies, language, explains)
            await message.reply(text, reply_markup=markup, allow_sending_without_reply=True)


async def _show_typing(bot: Bot, chat: int) -> None:
    """Until it is cancelled. Not aiogram's ChatActionSender, which on its way out waits for the call in flight."""
    await asyncio.sleep(TYPING_AFTER)
    with suppress(AiogramError):
        while True:
            await bot.send_chat_action(chat, ChatAction.TYPING)
            await asyncio.sleep(TYPING_LASTS)
