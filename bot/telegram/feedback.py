"""What becomes of a verdict on an answer: it is counted once, and the photo kept where that is allowed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass

from aiogram.exceptions import TelegramBadRequest
from aiogram.types import CallbackQuery, InlineKeyboardButton, InlineKeyboardMarkup, Message

from bot.delivery.attempts import CrashGuard
from bot.donations.donations import Donations, Outcome
from bot.donations.metadata import WHOLE, strip_metadata
from bot.donations.store import StoreError
from bot.inference.classifier import Classifier
from bot.inference.decoding import PhotoError
from bot.monitoring.metrics import Metrics
from bot.storage.key_values import KeyValueStore
from bot.storage.pseudonyms import Pseudonymiser
from bot.telegram.keyboards import AboutAnswer, class_buttons, make_digest, why_buttons
from bot.telegram.media.budget import MemoryBudget
from bot.telegram.media.download import fetch
from bot.telegram.media.pictures import find_judged_picture
from bot.telegram.people import is_own_photo
from bot.telegram.replying import show_toast
from bot.texts.replies import Replies, rank

JUDGED = 48 * 3600.0
"""Seconds for which it is known by which press an answer was judged: a press that crosses it, or comes again, is not
counted. The buttons are gone by then."""
TEXTS = {Outcome.KEPT: "kept", Outcome.NO_CONSENT: "thanks", Outcome.FULL: "full"}

log = logging.getLogger(__name__)


@dataclass
class Feedback:
    """Everybody may judge an answer, and the first one's verdict counts.

    A photo is kept if who judges it has sent it themselves, to the bot, and has agreed to that with /donate.
    """

    classifier: Classifier
    replies: Replies
    metrics: Metrics
    key_values: KeyValueStore
    donations: Donations
    pseudonymise: Pseudonymiser
    budget: MemoryBudget

    @property
    def labels(self) -> Sequence[str]:
        return self.classifier.contract.labels

    async def check(self, callback: CallbackQuery, about: AboutAnswer, language: str | None) -> bool:
        """Whether the button is about these classes and the photo that is there now; says so if it is not."""
        picture = find_judged_picture(callback)
        if picture is None:
            await show_toast(callback, self.replies.text("why", "gone", language))
            return False
        if about.digest != make_digest(self.labels, picture.identity) or not 0 <= about.index < len(self.labels):
            await show_toast(callback, self.replies.text("verdict", "outdated", language))
            return False
        return True

    async def claim(self, callback: CallbackQuery, what: str, count: Callable[[], Awaitable[None]]) -> bool:
        """Whether this press is the one that tells `what` of its answer; if so it is counted, once.

        An update that comes again, after a crash, is the same press.
        """
        assert callback.message
        answer = self.pseudonymise(f"{callback.message.chat.id}:{callback.message.message_id}")
        name = f"judged:{what}:{answer}"
        press = self.pseudonymise(f"press {callback.id}")
        first = await self.key_values.claim(name, press, JUDGED)
        if first is None:
            await count()
        return first in (None, press)

    async def offer_classes(
        self, callback: CallbackQuery, about: AboutAnswer, page: int, language: str | None, crash_guard: CrashGuard
    ) -> None:
        """Put a page of classes below the answer, the likeliest first: the photo is looked at again to know."""
        ranking = [index for index in await self._rank(callback, crash_guard) if index != about.index]
        names = [self.replies.name(label, language) for label in self.labels]
        rows = class_buttons(about, page, ranking, names, self.replies.text("button", "none", language))
        await _edit_buttons(callback, [*rows, *why_buttons(self.replies, language, self.classifier.explains)])

    async def end(self, callback: CallbackQuery, language: str | None) -> None:
        """Take the buttons away, so that nobody judges twice; the reason can still be asked for."""
        await _edit_buttons(callback, why_buttons(self.replies, language, self.classifier.explains))

    async def keep(
        self, callback: CallbackQuery, about: AboutAnswer, label: str, language: str | None, crash_guard: CrashGuard
    ) -> None:
        """Keep the photo by `label` if that is allowed, and say what became of it."""
        key = await self._keep(callback, about, label, crash_guard)
        await show_toast(callback, self.replies.text("verdict", key, language))

    async def _keep(self, callback: CallbackQuery, about: AboutAnswer, label: str, crash_guard: CrashGuard) -> str:
        """The key of the text that says what became of it."""
        answer, person = callback.message, callback.from_user
        photo = answer.reply_to_message if isinstance(answer, Message) else None
        consent = await self.donations.find_consent(person.id)
        if consent is None or photo is None or not (about.may_be_kept and is_own_photo(photo, person)):
            return "thanks"
        try:
            async with self._fetch(callback, WHOLE) as data, crash_guard():
                stripped = await asyncio.to_thread(strip_metadata, data)
            async with self.budget.files.hold(len(stripped.content)):
                return TEXTS[await self.donations.keep(person.id, consent, label, stripped)]
        except (PhotoError, StoreError) as error:
            log.warning("a donated photo could not be kept: %s", error)
            return "not-kept"

    async def _rank(self, callback: CallbackQuery, crash_guard: CrashGuard) -> list[int]:
        """The numbers of all classes, the likeliest first; in the model's order if the photo cannot be read."""
        try:
            async with self._fetch(callback) as data, crash_guard():
                prediction = await asyncio.to_thread(self.classifier.classify, data)
        except PhotoError:
            return list(range(len(self.labels)))
        return [self.labels.index(label) for label, _ in rank(prediction)]

    def _fetch(self, callback: CallbackQuery, whole: int = 0) -> AbstractAsyncContextManager[bytes]:
        """The judged photo, fetched again by its id. `whole`: see `fetch`. Raises PhotoError."""
        picture = find_judged_picture(callback)
        assert picture
        assert callback.bot
        return fetch(callback.bot, picture.file, self.metrics, self.budget, whole)


async def _edit_buttons(callback: CallbackQuery, rows: list[list[InlineKeyboardButton]]) -> None:
    if isinstance(callback.message, Message):
        with suppress(TelegramBadRequest):  # another press was quicker
            markup = InlineKeyboardMarkup(inline_keyboard=rows) if rows else None
            await callback.message.edit_reply_markup(reply_markup=markup)
