"""The buttons under an answer: why, right, wrong; and what becomes of a press."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from aiogram import F, Router
from aiogram.exceptions import AiogramError, TelegramBadRequest
from aiogram.types import (
    BufferedInputFile,
    CallbackQuery,
    InlineKeyboardMarkup,
    Message,
)

from bot.delivery.at_least_once import CrashGuard
from bot.donations.donations import Donations
from bot.donations.store import StoreError
from bot.inference.classifier import Classifier
from bot.inference.decoding import PhotoError
from bot.inference.explain import explain
from bot.monitoring.metrics import Metrics
from bot.telegram.download import download
from bot.telegram.keyboards import make_button, why_buttons
from bot.telegram.pictures import Picture, find_picture
from bot.telegram.statistics import Statistics
from bot.texts.replies import Replies

SHOWN = 640
"""Pixels in width and height that the picture of an explanation has, if the photo has them."""

MOST_CHOICES = 12
"""Classes that can be chosen from when an answer was wrong."""

log = logging.getLogger(__name__)


def make_router() -> Router:
    router = Router(name="buttons")
    router.callback_query.register(show_why, F.data == "why")
    router.callback_query.register(take_verdict, F.data.startswith("right:") | F.data.startswith("wrong:"))
    router.callback_query.register(take_label, F.data.startswith("is:"))
    return router


async def show_why(
    callback: CallbackQuery,
    classifier: Classifier,
    replies: Replies,
    metrics: Metrics,
    language: str | None,
    crash_guard: CrashGuard,
) -> None:
    """Send the photo back with the area coloured that speaks for the answer. It is fetched again by its id."""
    answer = callback.message
    if not classifier.explains:
        await _tell(callback, replies.text("why", "never", language))
        return
    picture = _find_photo(callback)
    if picture is None or not isinstance(answer, Message):
        await _tell(callback, replies.text("why", "gone", language))
        return
    await _tell(callback)  # ends the button's waiting
    assert callback.bot
    try:
        data = await download(callback.bot, picture.file, metrics)
        async with crash_guard():
            explanation = await asyncio.to_thread(explain, data, classifier)
    except PhotoError:
        await answer.reply(replies.text("why", "gone", language))
        return
    label = replies.name(explanation.prediction.label, language)
    if explanation.picture is None:
        await answer.reply(replies.text("why", "no-area", language).format(label=label))
        return
    caption = replies.text("why", "caption", language).format(label=label)
    await answer.reply_photo(BufferedInputFile(explanation.picture, "why.jpg"), caption=caption)


async def take_verdict(
    callback: CallbackQuery,
    classifier: Classifier,
    replies: Replies,
    metrics: Metrics,
    statistics: Statistics,
    donations: Donations,
    language: str | None,
) -> None:
    """Count it. Of who donates the photo is kept, with its right label: asked for, where it is not known."""
    assert callback.data
    verdict, _, number = callback.data.partition(":")
    labels = classifier.contract.labels
    index = int(number)
    if not 0 <= index < len(labels):
        return
    await statistics.add_verdict(labels[index], verdict == "right")
    await _take_away_buttons(callback, replies, language, classifier.explains)
    donates = await donations.has_consent(callback.from_user.id)
    if not donates:
        await _tell(callback, replies.text("verdict", "thanks", language))
        return
    others = [other for other in range(len(labels)) if other != index]
    if verdict == "right" or len(others) == 1:
        await _keep(callback, labels[index if verdict == "right" else others[0]], replies, metrics, donations, language)
    elif isinstance(callback.message, Message):
        choices = [
            [make_button(replies.name(labels[other], language), f"is:{other}")] for other in others[:MOST_CHOICES]
        ]
        keyboard = InlineKeyboardMarkup(inline_keyboard=choices)
        await _tell(callback)
        await callback.message.edit_reply_markup(reply_markup=keyboard)


async def take_label(
    callback: CallbackQuery,
    classifier: Classifier,
    replies: Replies,
    metrics: Metrics,
    donations: Donations,
    language: str | None,
) -> None:
    """What a photo shows that was named wrong."""
    assert callback.data
    index = int(callback.data.partition(":")[2])
    labels = classifier.contract.labels
    await _take_away_buttons(callback, replies, language, classifier.explains)
    if 0 <= index < len(labels) and await donations.has_consent(callback.from_user.id):
        await _keep(callback, labels[index], replies, metrics, donations, language)


async def _keep(
    callback: CallbackQuery, label: str, replies: Replies, metrics: Metrics, donations: Donations, language: str | None
) -> None:
    picture = _find_photo(callback)
    assert callback.bot
    try:
        data = await download(callback.bot, picture.file, metrics) if picture else None
    except PhotoError as error:
        log.info("a donated photo could not be fetched: %s", error)
        data = None
    if data is None:
        await _tell(callback, replies.text("why", "gone", language))
        return
    try:
        await donations.keep(callback.from_user.id, label, data)
    except StoreError as error:
        log.warning("a donated photo could not be kept: %s", error)
        await _tell(callback, replies.text("verdict", "not-kept", language))
    else:
        await _tell(callback, replies.text("verdict", "kept", language))


def _find_photo(callback: CallbackQuery) -> Picture | None:
    """The photo that the answer is a reply to, unless it was deleted."""
    answer = callback.message
    return find_picture(answer.reply_to_message, SHOWN) if isinstance(answer, Message) else None


async def _take_away_buttons(callback: CallbackQuery, replies: Replies, language: str | None, explains: bool) -> None:
    """So that nobody judges twice; the reason can still be asked for."""
    if isinstance(callback.message, Message):
        why = InlineKeyboardMarkup(inline_keyboard=why_buttons(replies, language, explains))
        with suppress(TelegramBadRequest):  # another press was quicker
            await callback.message.edit_reply_markup(reply_markup=why)


async def _tell(callback: CallbackQuery, text: str | None = None) -> None:
    """A line over the chat that goes by itself. Telegram takes it within seconds of the press only."""
    with suppress(AiogramError):
        await callback.answer(text)
