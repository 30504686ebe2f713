"""The button "Why?" under an answer."""

from __future__ import annotations

import asyncio

from aiogram import Router
from aiogram.exceptions import TelegramBadRequest
from aiogram.types import BufferedInputFile, CallbackQuery, Message

from bot.delivery.attempts import CrashGuard
from bot.inference.classifier import Classifier
from bot.inference.decoding import PhotoError
from bot.inference.explain import explain
from bot.monitoring.metrics import Metrics
from bot.telegram.keyboards import Why
from bot.telegram.media.budget import MemoryBudget
from bot.telegram.media.download import fetch
from bot.telegram.media.pictures import find_judged_picture
from bot.telegram.replying import show_toast
from bot.texts.replies import Replies


def make_router() -> Router:
    router = Router(name="explanations")
    router.callback_query.register(show_why, Why.filter())
    return router


async def show_why(
    callback: CallbackQuery,
    classifier: Classifier,
    replies: Replies,
    metrics: Metrics,
    budget: MemoryBudget,
    language: str | None,
    crash_guard: CrashGuard,
) -> bool:
    """Send the photo back with the area coloured that speaks for the answer. It is fetched again by its id.

    Returns whether the answer is explained now. If not, it may be asked for again.
    """
    answer = callback.message
    if not classifier.explains:
        await show_toast(callback, replies.text("why", "never", language))
        return False
    picture = find_judged_picture(callback)
    if picture is None or not isinstance(answer, Message):
        await show_toast(callback, replies.text("why", "gone", language))
        return False
    await show_toast(callback)  # ends the button's waiting
    assert callback.bot
    try:
        async with fetch(callback.bot, picture.file, metrics, budget) as data, crash_guard():
            explanation = await asyncio.to_thread(explain, data, classifier)
    except PhotoError:
        await answer.reply(replies.text("why", "gone", language))
        return False
    label = replies.name(explanation.prediction.label, language)
    if explanation.picture is None:
        await answer.reply(replies.text("why", "no-area", language).format(label=label))
        return True
    caption = replies.text("why", "caption", language).format(label=label)
    try:
        await answer.reply_photo(BufferedInputFile(explanation.picture, "why.jpg"), caption=caption)
    except TelegramBadRequest as error:
        if "not enough rights" not in error.message and "FORBIDDEN" not in error.message:
            raise
        await answer.reply(replies.text("why", "no-rights", language))
        return False
    return True
