"""The owner's figures: /stats."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from aiogram import Router
from aiogram.filters import BaseFilter
from aiogram.types import Message

from bot.donations.donations import Donations
from bot.donations.store import StoreError
from bot.inference.classifier import Classifier
from bot.telegram.filters import TextCommand
from bot.telegram.replying import send_answer
from bot.telegram.usage import ClassCounts, Day, Statistics
from bot.texts.limits import MESSAGE
from bot.texts.replies import Replies

MOST_CLASSES = 20
"""Classes that are shown, fewer where a message has no room for so many."""

log = logging.getLogger(__name__)


def make_router(owners: frozenset[int]) -> Router:
    router = Router(name="owner")
    router.message.register(cmd_stats, TextCommand("stats"), FromOwner(owners))
    return router


class FromOwner(BaseFilter):
    def __init__(self, owners: frozenset[int]) -> None:
        self._owners = owners

    async def __call__(self, message: Message) -> bool:
        return message.from_user is not None and message.from_user.id in self._owners


async def cmd_stats(
    message: Message,
    classifier: Classifier,
    replies: Replies,
    statistics: Statistics,
    donations: Donations,
    language: str | None,
) -> None:
    days = [_describe_day(day, replies, language) for day in await statistics.read_days()]
    classes = [
        _describe_class(counts, replies, language)
        for counts in (await statistics.read_classes(classifier.contract.labels))[:MOST_CLASSES]
    ]
    totals = await statistics.read_totals()
    try:
        donated = str(await donations.count())
    except StoreError as error:
        log.warning("donated photos could not be counted: %s", error)
        donated = "?"
    sums = replies.text("owner", "stats", language).format(
        **totals,
        unsure_share=_share(totals["unsure"], totals["answered"], replies, language),
        wrong_share=_share(totals["wrong"], totals["answered"], replies, language),
        kept=donated,
    )
    while len(text := _join(days, classes, [sums])) > MESSAGE and classes:
        classes.pop()
    await send_answer(message, text)


def _join(*parts: Sequence[str]) -> str:
    return "\n\n".join("\n".join(part) for part in parts if part)


def _describe_day(day: Day, replies: Replies, language: str | None) -> str:
    return replies.text("owner", "stats-day", language).format(
        day=day.day,
        answered=day.answered,
        unsure_share=_share(day.unsure, day.answered, replies, language),
        wrong_share=_share(day.wrong, day.answered, replies, language),
    )


def _describe_class(counts: ClassCounts, replies: Replies, language: str | None) -> str:
    return replies.text("owner", "stats-class", language).format(
        label=replies.name(counts.label, language),
        named=counts.named,
        wrong_share=_share(counts.wrong, counts.named, replies, language),
        missed=counts.missed,
    )


def _share(part: int, whole: int, replies: Replies, language: str | None) -> str:
    return replies.text("bot", "percent", language).format(number=round(100 * part / whole) if whole else 0)
