"""What the bot does on each kind of message. Handlers fetch, classify and reply; they compute nothing."""

from __future__ import annotations

import asyncio
import logging
import time

from aiogram import Bot, Dispatcher, F, Router
from aiogram.enums import ChatType
from aiogram.filters import Command, CommandStart
from aiogram.types import BotCommand, Document, Message, PhotoSize
from aiogram.utils.chat_action import ChatActionSender

from bot.classifier import Classifier
from bot.download import download, smallest_covering
from bot.photo import PhotoError
from bot.replies import COMMANDS, Replies

TYPING_AFTER = 0.5
"""Seconds of work after which the chat shows that the bot is typing; most photos are answered before."""

log = logging.getLogger(__name__)


def build_dispatcher(classifier: Classifier, replies: Replies) -> Dispatcher:
    """The dispatcher that Telegram's updates and the preview's go through alike."""
    router = Router()
    router.message.register(cmd_start, CommandStart())
    router.message.register(cmd_help, Command("help"))
    router.message.register(answer_photo, F.photo)
    router.message.register(answer_document, F.document.mime_type.startswith("image/"))
    router.message.register(hint, F.chat.type == ChatType.PRIVATE)
    dispatcher = Dispatcher(classifier=classifier, replies=replies)
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


async def answer_photo(message: Message, bot: Bot, classifier: Classifier, replies: Replies) -> None:
    assert message.photo
    size = smallest_covering(message.photo, classifier.contract.preprocess.size)
    await _answer(message, size, bot, classifier, replies)


async def answer_document(message: Message, bot: Bot, classifier: Classifier, replies: Replies) -> None:
    assert message.document
    await _answer(message, message.document, bot, classifier, replies)


async def hint(message: Message, replies: Replies) -> None:
    await message.answer(replies.hint(_language(message)))


async def _answer(
    message: Message, file: PhotoSize | Document, bot: Bot, classifier: Classifier, replies: Replies
) -> None:
    start = time.monotonic()
    language = _language(message)
    try:
        async with ChatActionSender.typing(bot=bot, chat_id=message.chat.id, initial_sleep=TYPING_AFTER):
            data = await download(bot, file)
            prediction = await asyncio.to_thread(classifier.classify, data)
        text = replies.render(prediction, language)
        outcome = "unsure" if prediction.unsure else "named"
    except PhotoError as error:
        text = replies.refuse(error.reason, language)
        outcome = str(error)
    await message.reply(text)
    log.info("photo answered in %.0f ms: %s", (time.monotonic() - start) * 1000, outcome)


def _language(message: Message) -> str | None:
    return message.from_user.language_code if message.from_user else None
