"""What the bot says of itself: /start, /help, /privacy; and the hint."""

from __future__ import annotations

from aiogram import Router
from aiogram.types import Message

from bot.donations.donations import Donations
from bot.inference.classifier import Classifier
from bot.telegram.filters import TextCommand, is_spoken
from bot.telegram.handlers.photos import PhotoAnswer
from bot.telegram.replying import send_answer
from bot.texts.replies import Replies


def make_router() -> Router:
    router = Router(name="commands")
    router.message.register(cmd_start, TextCommand("start"))
    router.message.register(cmd_help, TextCommand("help"))
    router.message.register(cmd_privacy, TextCommand("privacy"))
    return router


def make_last_router() -> Router:
    """For what no other router takes."""
    router = Router(name="last")
    router.message.register(hint, is_spoken)
    return router


async def cmd_start(message: Message, classifier: Classifier, replies: Replies, language: str | None) -> None:
    await send_answer(message, replies.greet(classifier.contract.labels, language))


async def cmd_help(message: Message, classifier: Classifier, replies: Replies, language: str | None) -> None:
    await send_answer(message, replies.help(classifier.contract.labels, language))


async def cmd_privacy(message: Message, replies: Replies, donations: Donations, language: str | None) -> None:
    texts = [replies.text("bot", "privacy", language)]
    if donations.are_on:
        texts.append(replies.text("donation", "privacy", language))
    await send_answer(message, "\n\n".join(texts))


async def hint(message: Message, answer: PhotoAnswer, replies: Replies, language: str | None) -> None:
    if await answer.albums.claim_refusal(message):
        await send_answer(message, replies.text("bot", "hint", language))
