"""Photos, and questions about them."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass

from aiogram import F, Router
from aiogram.enums import ChatType
from aiogram.types import Message

from bot.delivery.attempts import CrashGuard
from bot.inference.classifier import Classifier, Prediction
from bot.inference.decoding import PhotoError, Reason, decode
from bot.monitoring.metrics import Metrics, Stopwatch
from bot.storage.ledger import LedgerError
from bot.telegram.filters import Addressed, TextCommand, has_picture, is_mentioned
from bot.telegram.keyboards import AboutAnswer, answer_buttons, make_digest
from bot.telegram.media.albums import Albums
from bot.telegram.media.budget import MemoryBudget
from bot.telegram.media.download import fetch
from bot.telegram.media.pictures import Picture, find_picture
from bot.telegram.people import is_own_photo
from bot.telegram.typing_indicator import show_typing
from bot.telegram.usage import Statistics
from bot.texts.replies import Replies

log = logging.getLogger(__name__)


def make_router(channel_posts: bool) -> Router:
    router = Router(name="photos")
    router.message.register(cmd_what, TextCommand("what"))
    router.message.register(answer_picture, has_picture, Addressed())
    in_group = ~(F.chat.type == ChatType.PRIVATE)
    router.message.register(cmd_what, F.text, F.reply_to_message | F.external_reply, in_group, is_mentioned)
    router.edited_message.register(answer_picture, has_picture, Addressed())
    if channel_posts:
        router.channel_post.register(answer_picture, has_picture)
        router.channel_post.register(cmd_what, TextCommand("what"))
    return router


async def cmd_what(
    message: Message, answer: PhotoAnswer, replies: Replies, language: str | None, crash_guard: CrashGuard
) -> None:
    """A reply to a photo that asks what it shows. The photo may be in another chat or topic."""
    picture = find_picture(message.reply_to_message or message.external_reply, answer.pixels)
    if picture:
        await answer(message.reply_to_message or message, picture, message, language, crash_guard)
    else:
        await message.reply(replies.text("bot", "what", language))


async def answer_picture(
    message: Message, answer: PhotoAnswer, replies: Replies, language: str | None, crash_guard: CrashGuard
) -> None:
    picture = find_picture(message, answer.pixels)
    if picture:
        await answer(message, picture, message, language, crash_guard)
    elif await answer.albums.claim_refusal(message):
        await message.reply(replies.text("bot", "no-picture", language))


@dataclass
class PhotoAnswer:
    """A photo's way: fetched, decoded, named, and the answer sent as a reply."""

    classifier: Classifier
    replies: Replies
    metrics: Metrics
    statistics: Statistics
    albums: Albums
    budget: MemoryBudget

    @property
    def pixels(self) -> int:
        """Width and height that a photo should have at least."""
        return self.classifier.contract.preprocess.size

    async def __call__(
        self, message: Message, picture: Picture, asker: Message, language: str | None, crash_guard: CrashGuard
    ) -> None:
        """Answer the `picture` in `message` with one reply, or a line of its album's.

        `asker` is the message that asks: `message` itself, or a reply to it. A photo in another chat has no `message`
        here but the one that asks. What goes wrong with the photo is told to its sender. What goes wrong with the
        sending is raised, so that it is tried again. Only what may bring the process down is under the crash guard.
        The answer comes before its count: a count that fails must not have the answer given again.
        """
        stopwatch = Stopwatch()
        outcome = await self._name(message, picture, crash_guard, stopwatch)
        with stopwatch("reply"):
            if message.media_group_id and asker is message:
                await self.albums.answer(message, outcome, language)
            else:
                await self._reply(message, picture, outcome, asker, language)
        await self._count(outcome, stopwatch)

    async def _name(
        self, message: Message, picture: Picture, crash_guard: CrashGuard, stopwatch: Stopwatch
    ) -> Prediction | Reason:
        """What the picture shows, or why that cannot be said."""
        assert message.bot
        typing = asyncio.create_task(show_typing(message.bot, message))
        try:
            async with AsyncExitStack() as stack:
                with stopwatch("download"):
                    photo = fetch(message.bot, picture.file, self.metrics, self.budget)
                    data = await stack.enter_async_context(photo)
                async with crash_guard():
                    return await asyncio.to_thread(self._look, data, stopwatch)
        except PhotoError as error:
            log.info("a photo is refused: %s", error)
            return error.reason
        finally:
            typing.cancel()

    async def _count(self, outcome: Prediction | Reason, stopwatch: Stopwatch) -> None:
        with suppress(LedgerError):
            await self.statistics.add_answer(outcome)
        if isinstance(outcome, Reason):
            self.metrics.refusals.labels(outcome.value).inc()
        kind = "refused" if isinstance(outcome, Reason) else "unsure" if outcome.unsure else "named"
        self.metrics.count_photo(kind, stopwatch)
        log.info("photo answered: %s", kind, extra={"stages": stopwatch})

    def _look(self, data: bytes, stopwatch: Stopwatch) -> Prediction:
        with stopwatch("decode"):
            pixels = decode(data, self.classifier.contract.preprocess)
        with stopwatch("predict"):
            return self.classifier.predict(pixels)

    async def _reply(
        self, message: Message, picture: Picture, outcome: Prediction | Reason, asker: Message, language: str | None
    ) -> None:
        if isinstance(outcome, Reason):
            await message.reply(self.replies.refuse(outcome, language))
            return
        text = self.replies.render(outcome, language)
        if picture.is_frame:
            text = f"{self.replies.text('bot', 'first-frame', language)} {text}"
        about = self._about(message, picture, outcome, asker)
        is_here = find_picture(message, self.pixels) is not None  # a press of a button brings no photo of another chat
        markup = answer_buttons(about, self.replies, language, self.classifier.explains) if is_here else None
        await message.reply(text, reply_markup=markup)

    def _about(self, message: Message, picture: Picture, prediction: Prediction, asker: Message) -> AboutAnswer | None:
        """What buttons to judge the answer by are given. None: it is no answer to judge, or somebody else's photo."""
        if prediction.unsure or asker.from_user is None or not is_own_photo(message, asker.from_user):
            return None
        labels = self.classifier.contract.labels
        return AboutAnswer(
            index=labels.index(prediction.label),
            digest=make_digest(labels, picture.identity),
            may_be_kept=asker is message,
        )
