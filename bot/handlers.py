"""What the bot does on each kind of message. Handlers fetch, classify and reply; they compute nothing."""

from __future__ import annotations

import asyncio
import logging
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field

from aiogram import Bot, Dispatcher, F, Router
from aiogram.enums import ChatAction, ChatType
from aiogram.exceptions import AiogramError
from aiogram.filters import Command, CommandStart
from aiogram.types import BotCommand, Document, Message, PhotoSize

from bot.classifier import Classifier
from bot.delivery import Trial
from bot.download import download, smallest_covering
from bot.metrics import Metrics, Stopwatch
from bot.photo import PhotoError, decode
from bot.replies import COMMANDS, Replies

TYPING_AFTER = 0.5
"""Seconds of work after which the chat shows that the bot is typing; most photos are answered before."""

TYPING_LASTS = 4.5
"""Seconds after which it is shown anew; Telegram takes it away after 5."""

log = logging.getLogger(__name__)


def build_dispatcher(classifier: Classifier, replies: Replies, metrics: Metrics) -> Dispatcher:
    """The dispatcher that Telegram's updates and the preview's go through alike."""
    router = Router()
    router.message.register(cmd_start, CommandStart())
    router.message.register(cmd_help, Command("help"))
    router.message.register(cmd_privacy, Command("privacy"))
    router.message.register(answer_photo, F.photo)
    router.message.register(answer_document, F.document.mime_type.startswith("image/"))
    router.message.register(hint, F.chat.type == ChatType.PRIVATE)
    answer = PhotoAnswer(classifier, replies, metrics)
    # Where photos are delivered without a ledger, as in the preview, nobody is on trial.
    dispatcher = Dispatcher(classifier=classifier, replies=replies, answer=answer, trial=nullcontext)
    dispatcher.include_router(router)
    return dispatcher


async def set_commands(bot: Bot, replies: Replies) -> None:
    """Fill the command menu, once for each language and once for everybody else."""
    for language in (None, *replies.languages):
        commands = [BotCommand(command=name, description=replies.command(name, language)) for name in COMMANDS]
        await bot.set_my_commands(commands, language_code=language)


async def cmd_start(message: Message, classifier: Classifier, replies: Replies) -> None:
    await message.answer(replies.greet(classifier.contract.labels, _language(message)))


async def cmd_help(message: Message, classifier: Classifier, replies: Replies) -> None:
    await message.answer(replies.help(classifier.contract.labels, _language(message)))


async def cmd_privacy(message: Message, replies: Replies) -> None:
    await message.answer(replies.explain_privacy(_language(message)))


async def answer_photo(message: Message, answer: PhotoAnswer, trial: Trial) -> None:
    assert message.photo
    await answer(message, smallest_covering(message.photo, answer.classifier.contract.preprocess.size), trial)


async def answer_document(message: Message, answer: PhotoAnswer, trial: Trial) -> None:
    assert message.document
    async with answer.one_by_one:
        await answer(message, message.document, trial)


async def hint(message: Message, replies: Replies) -> None:
    await message.answer(replies.hint(_language(message)))


@dataclass
class PhotoAnswer:
    """A photo's way: fetched, decoded, named, and the answer sent as a reply."""

    classifier: Classifier
    replies: Replies
    metrics: Metrics
    one_by_one: asyncio.Lock = field(default_factory=asyncio.Lock)
    """For images sent as files: up to 20 MB, and hundreds once decoded. Photos are small."""

    async def __call__(self, message: Message, file: PhotoSize | Document, trial: Trial) -> None:
        assert message.bot
        language = _language(message)
        stopwatch = Stopwatch()
        typing = asyncio.create_task(_show_typing(message.bot, message.chat.id))
        try:
            with stopwatch("download"):
                data = await download(message.bot, file, self.metrics)
            async with trial():
                with stopwatch("decode"):
                    pixels = await asyncio.to_thread(decode, data, self.classifier.contract.preprocess)
                with stopwatch("predict"):
                    prediction = await asyncio.to_thread(self.classifier.predict, pixels)
            text = self.replies.render(prediction, language)
            outcome = detail = "unsure" if prediction.unsure else "named"
        except PhotoError as error:
            text = self.replies.refuse(error.reason, language)
            outcome, detail = "refused", str(error)
            self.metrics.refusals.labels(error.reason.value).inc()
        finally:
            typing.cancel()
        with stopwatch("reply"):
            await message.reply(text, allow_sending_without_reply=True)
        self.metrics.count_photo(outcome, stopwatch)
        log.info("photo answered: %s", detail, extra={"stages": stopwatch})


async def _show_typing(bot: Bot, chat: int) -> None:
    """Until it is cancelled. Not aiogram's ChatActionSender, which on its way out waits for the call in flight."""
    await asyncio.sleep(TYPING_AFTER)
    with suppress(AiogramError):
        while True:
            await bot.send_chat_action(chat, ChatAction.TYPING)
            await asyncio.sleep(TYPING_LASTS)


def _language(message: Message) -> str | None:
    return message.from_user.language_code if message.from_user else None
