"""The buttons "Right" and "Wrong" under an answer, and the classes to choose from when it was wrong.

The toast comes before the buttons go: Telegram takes it within seconds, and those may have to wait for their chat.
"""

from __future__ import annotations

from functools import partial

from aiogram import Router
from aiogram.types import CallbackQuery

from bot.delivery.attempts import CrashGuard
from bot.telegram.feedback import Feedback
from bot.telegram.keyboards import Is, NoneOfThese, Page, Right, Wrong
from bot.telegram.replying import show_toast
from bot.telegram.usage import Statistics
from bot.texts.replies import Replies


def make_router() -> Router:
    router = Router(name="feedback")
    router.callback_query.register(take_right, Right.filter())
    router.callback_query.register(take_wrong, Wrong.filter())
    router.callback_query.register(turn_page, Page.filter())
    router.callback_query.register(take_label, Is.filter())
    router.callback_query.register(take_none, NoneOfThese.filter())
    return router


def make_last_router() -> Router:
    """For buttons that no other router knows: those of an earlier version."""
    router = Router(name="outdated buttons")
    router.callback_query.register(tell_outdated)
    return router


async def take_right(
    callback: CallbackQuery,
    callback_data: Right,
    feedback: Feedback,
    statistics: Statistics,
    replies: Replies,
    language: str | None,
    crash_guard: CrashGuard,
) -> None:
    """Count it, and keep the photo by the class that was named."""
    if not await feedback.check(callback, callback_data, language):
        return
    label = feedback.labels[callback_data.index]
    if await feedback.claim(callback, "verdict", partial(statistics.add_verdict, label, right=True)):
        await feedback.keep(callback, callback_data, label, language, crash_guard)
        await feedback.end(callback, language)
    else:
        await show_toast(callback, replies.text("verdict", "judged", language))


async def take_wrong(
    callback: CallbackQuery,
    callback_data: Wrong,
    feedback: Feedback,
    statistics: Statistics,
    replies: Replies,
    language: str | None,
    crash_guard: CrashGuard,
) -> None:
    """Count it, and ask what the photo shows."""
    if not await feedback.check(callback, callback_data, language):
        return
    label = feedback.labels[callback_data.index]
    if await feedback.claim(callback, "verdict", partial(statistics.add_verdict, label, right=False)):
        await show_toast(callback, replies.text("verdict", "which", language))
        await feedback.offer_classes(callback, callback_data, 0, language, crash_guard)
    else:
        await show_toast(callback, replies.text("verdict", "judged", language))


async def turn_page(
    callback: CallbackQuery, callback_data: Page, feedback: Feedback, language: str | None, crash_guard: CrashGuard
) -> None:
    if await feedback.check(callback, callback_data, language):
        await show_toast(callback)
        await feedback.offer_classes(callback, callback_data, callback_data.page, language, crash_guard)


async def take_label(
    callback: CallbackQuery,
    callback_data: Is,
    feedback: Feedback,
    statistics: Statistics,
    replies: Replies,
    language: str | None,
    crash_guard: CrashGuard,
) -> None:
    """What a photo shows that was named wrong."""
    if not await feedback.check(callback, callback_data, language):
        return
    label = feedback.labels[callback_data.chosen]
    if await feedback.claim(callback, "label", partial(statistics.add_missed, label)):
        await feedback.keep(callback, callback_data, label, language, crash_guard)
        await feedback.end(callback, language)
    else:
        await show_toast(callback, replies.text("verdict", "judged", language))


async def take_none(
    callback: CallbackQuery,
    callback_data: NoneOfThese,
    feedback: Feedback,
    statistics: Statistics,
    replies: Replies,
    language: str | None,
) -> None:
    """It shows none of the classes: that is counted, and no class can keep the photo."""
    if not await feedback.check(callback, callback_data, language):
        return
    is_first = await feedback.claim(callback, "label", statistics.add_none)
    await show_toast(callback, replies.text("verdict", "thanks" if is_first else "judged", language))
    if is_first:
        await feedback.end(callback, language)


async def tell_outdated(callback: CallbackQuery, replies: Replies, language: str | None) -> None:
    await show_toast(callback, replies.text("verdict", "outdated", language))
