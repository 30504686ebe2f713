"""Telegram and the network fail now and then: calls are tried again until they succeed, each chat by itself."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from aiogram.client.session.middlewares.base import BaseRequestMiddleware, NextRequestMiddlewareType
from aiogram.exceptions import (
    AiogramError,
    ClientDecodeError,
    TelegramEntityTooLarge,
    TelegramMigrateToChat,
    TelegramNetworkError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from aiogram.methods import AnswerCallbackQuery, GetFile, GetUpdates, Response, SendChatAction, TelegramMethod
from aiogram.methods.base import TelegramType
from aiogram.types import ReplyParameters

from bot.backoff import backoff
from bot.delivery.lanes.slots import current_slot
from bot.delivery.lanes.waiting import Cause, Waits
from bot.delivery.pacing import SendPacer
from bot.delivery.session import RawUpdates
from bot.monitoring.metrics import Metrics

if TYPE_CHECKING:
    from aiogram import Bot

TRANSIENT = (TelegramNetworkError, TelegramServerError, ClientDecodeError)
"""What passes: no connection, 5xx, and pages of HTML that a gateway sends in Telegram's place."""

AT_THE_START = 600.0
"""Seconds for which a call is tried that belongs to no update. One that does is tried for as long as its slot waits."""

UNKNOWN = (TelegramUnauthorizedError, TelegramNotFound)
"""What Telegram says to a token that it does not know; the latter where the token has not the form of one."""

BELIEVED_AFTER = 180.0
"""Seconds for which Telegram has to say that it does not know the token, once it has known it (telegram-bot-api issues
77 and 779: good tokens are refused for a time)."""

SINGLE = (GetUpdates, RawUpdates, GetFile, SendChatAction)
"""Methods that are tried once: polling and downloads have loops of their own, and a typing indicator is not worth a
second try."""

MIGRATIONS = 3
"""Chats that one call follows a group to."""

WORTH_A_LINE = 2
"""Attempts in a row that fail before the log says so."""

T = TypeVar("T")

log = logging.getLogger(__name__)


class RetryMiddleware(BaseRequestMiddleware):
    """Paces what goes to a chat, and tries again what has failed for a reason that passes."""

    def __init__(self, pacing: SendPacer, metrics: Metrics) -> None:
        self._pacing = pacing
        self._metrics = metrics
        self.reached_at = -math.inf
        """When Telegram last did what it was asked (time.monotonic)."""
        self.is_token_known = False
        """An earlier process has reached Telegram with this token."""
        self._unknown_since: float | None = None
        """Since when it has said nothing but that it does not know the token."""

    @property
    def is_token_wrong(self) -> bool:
        """A 401 counts at once where Telegram never knew the token, and after BELIEVED_AFTER where it did."""
        if self._unknown_since is None:
            return False
        was_known = self.is_token_known or self.reached_at > -math.inf
        return not was_known or time.monotonic() - self._unknown_since > BELIEVED_AFTER

    async def __call__(
        self, make_request: NextRequestMiddlewareType[TelegramType], bot: Bot, method: TelegramMethod[TelegramType]
    ) -> Response[TelegramType]:
        """Make the call until Telegram has carried it out or refused it for good.

        The update that it is made for waits for its turn in its lane, and gives its slot back while it waits. Raises
        TelegramAPIError for a refusal; PutDown, ChatHeld or Expired where the update is to wait elsewhere.
        """
        if isinstance(method, SINGLE):
            return await self._reach(make_request(bot, method))
        slot = current_slot()
        if isinstance(method, AnswerCallbackQuery):
            async with slot.lent(Cause.CHAT):
                return await self._answer_press(make_request(bot, method))  # type: ignore[arg-type]
        await slot.turn()
        async with slot.lent(Cause.CHAT):
            return await self._insist(make_request, bot, method, slot)

    async def _insist(
        self,
        make_request: NextRequestMiddlewareType[TelegramType],
        bot: Bot,
        method: TelegramMethod[TelegramType],
        slot: Waits,
    ) -> Response[TelegramType]:
        deadline = math.inf if slot.is_patient else time.monotonic() + AT_THE_START
        attempt = migrations = 0
        while True:
            chat = getattr(method, "chat_id", None)
            if isinstance(chat, int):
                while seconds := await self._pacing.wait(chat):
                    await slot.wait(seconds, Cause.PACE)
            attempt += 1
            try:
                return await self._reach(make_request(bot, method))
            except TelegramMigrateToChat as error:
                migrations += 1
                if migrations > MIGRATIONS:
                    raise
                method = _move(method, error.migrate_to_chat_id)
                continue
            except AiogramError as error:
                # An update outlives a 401: a good token is refused for a time.
                is_unknown = isinstance(error, TelegramUnauthorizedError)
                if not passes(error) and not (is_unknown and (slot.is_patient or not self.is_token_wrong)):
                    raise
                reason, failure = error, type(error).__name__
            wait = float(reason.retry_after) if isinstance(reason, TelegramRetryAfter) else backoff(attempt)
            if isinstance(reason, TelegramRetryAfter) and isinstance(chat, int):
                await self._pacing.hold(chat, wait)
                wait = 0  # the next pacing waits
            if time.monotonic() + wait > deadline:
                raise reason
            self._metrics.retries.labels(type(method).__name__, failure).inc()
            level = logging.DEBUG if attempt < WORTH_A_LINE else logging.WARNING
            what = f"{type(method).__name__}: {failure}"
            log.log(level, "Telegram cannot be reached or is in trouble (%s); trying again in %.1f s", what, wait)
            await slot.wait(wait, Cause.CHAT)

    async def _answer_press(self, request: Awaitable[T]) -> T:
        """Once: Telegram takes it within seconds of the press only, and what it says of it changes nothing."""
        try:
            return await self._reach(request)
        except AiogramError as error:
            log.debug("a press was not answered: %s", type(error).__name__)
            return cast(T, True)

    async def _reach(self, request: Awaitable[T]) -> T:
        try:
            result = await request
        except UNKNOWN:
            self._unknown_since = self._unknown_since or time.monotonic()
            raise
        self.reached_at, self._unknown_since = time.monotonic(), None
        return result


def _move(method: TelegramMethod[TelegramType], chat: int) -> TelegramMethod[TelegramType]:
    """The same call for the group that its group has become. What it replies to stays in the old one."""
    changes: dict[str, Any] = {"chat_id": chat}
    reply, old = getattr(method, "reply_parameters", None), getattr(method, "chat_id", None)
    if isinstance(reply, ReplyParameters) and reply.chat_id is None:
        changes["reply_parameters"] = reply.model_copy(update={"chat_id": old, "allow_sending_without_reply": True})
    return method.model_copy(update=changes)


def passes(error: AiogramError) -> bool:
    """Whether the call is worth another try."""
    return isinstance(error, (*TRANSIENT, TelegramRetryAfter)) and not isinstance(error, TelegramEntityTooLarge)
