"""The dispatcher: which handler takes which update. Telegram's updates and the preview's go through it alike."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field

from aiogram import Dispatcher

from bot.delivery.backlog.backlog import Backlog
from bot.donations.donations import Donations
from bot.inference.classifier import Classifier
from bot.monitoring.metrics import Metrics
from bot.storage.key_values import KeyValueStore
from bot.storage.pseudonyms import Pseudonymiser
from bot.telegram.access import AccessMiddleware
from bot.telegram.feedback import Feedback
from bot.telegram.handlers import commands, donations, explanations, feedback, language, owner, photos, unreadable
from bot.telegram.handlers.photos import PhotoAnswer
from bot.telegram.media.album_mentions import AlbumMentions
from bot.telegram.media.albums import Albums
from bot.telegram.media.budget import MemoryBudget
from bot.telegram.middlewares import (
    ExplanationMiddleware,
    LanguageMiddleware,
    ThrottlingMiddleware,
    install_middlewares,
)
from bot.telegram.presses import ShownButtons
from bot.telegram.usage import Statistics
from bot.texts.replies import Replies


@dataclass(frozen=True)
class Parts:
    """What handlers work with. Each was made once, by who starts the bot."""

    classifier: Classifier
    replies: Replies
    metrics: Metrics
    key_values: KeyValueStore
    donations: Donations
    pseudonymise: Pseudonymiser
    backlog: Backlog | None = None
    """Of updates that wait; the preview has none."""
    budget: MemoryBudget = field(default_factory=MemoryBudget)


def build_dispatcher(
    parts: Parts,
    owners: frozenset[int],
    channel_posts: bool,
    throttling: ThrottlingMiddleware | None = None,
    allowed: frozenset[int] = frozenset(),
) -> Dispatcher:
    """Without `throttling` everything that comes is answered. `channel_posts`: photos in channels are too.

    `allowed`: Telegram's numbers of the people and groups that are answered beside `owners`; empty: everybody is.
    """
    albums = Albums(parts.key_values, parts.replies, parts.pseudonymise)
    statistics = Statistics(parts.key_values)
    dispatcher = Dispatcher(
        disable_fsm=True,  # aiogram's memory of states, which nothing here has, would grow with every person
        classifier=parts.classifier,
        replies=parts.replies,
        metrics=parts.metrics,
        key_values=parts.key_values,
        donations=parts.donations,
        backlog=parts.backlog,
        statistics=statistics,
        budget=parts.budget,
        album_mentions=AlbumMentions(parts.key_values, parts.pseudonymise),
        feedback=Feedback(
            parts.classifier,
            parts.replies,
            parts.metrics,
            parts.key_values,
            parts.donations,
            parts.pseudonymise,
            parts.budget,
        ),
        answer=PhotoAnswer(parts.classifier, parts.replies, parts.metrics, statistics, albums, parts.budget),
        crash_guard=nullcontext,  # the preview delivers photos without a ledger, so it counts no crashes
    )
    language_of = LanguageMiddleware(parts.key_values, parts.pseudonymise)
    if allowed:
        access = AccessMiddleware(
            allowed | owners, parts.key_values, parts.replies, parts.metrics, parts.pseudonymise, language_of
        )
        dispatcher.update.outer_middleware(access)
    dispatcher.callback_query.outer_middleware(ShownButtons(parts.metrics))
    explaining = (
        ExplanationMiddleware(throttling.rate_limiter, parts.key_values, parts.replies, parts.pseudonymise)
        if throttling
        else None
    )
    install_middlewares(dispatcher, language_of, throttling, explaining)
    dispatcher.include_routers(
        unreadable.make_router(),
        commands.make_router(),
        photos.make_router(channel_posts),
        language.make_router(),
        donations.make_router(),
        owner.make_router(owners),
        explanations.make_router(),
        feedback.make_router(),
        commands.make_last_router(),
        feedback.make_last_router(),
    )
    return dispatcher
