"""Presses of buttons: only those are believed that are under a message of the bot's."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiogram import BaseMiddleware
from aiogram.types import CallbackQuery, InaccessibleMessage, Message, TelegramObject

from bot.monitoring.metrics import Metrics

log = logging.getLogger(__name__)


class ShownButtons(BaseMiddleware):
    """Lets a press pass if the message it comes from is the bot's and has the button. A client may send any data.

    A message that is deleted or too old comes without its buttons; its handlers say that the photo is gone, or whom a
    question was for.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def __call__(
        self,
        handler: Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]],
        event: TelegramObject,
        data: dict[str, Any],
    ) -> Any:
        assert isinstance(event, CallbackQuery)
        message = event.message
        if isinstance(message, InaccessibleMessage) or (
            isinstance(message, Message) and _is_by(message, data["bot"].id) and event.data in _list_data(message)
        ):
            return await handler(event, data)
        self._metrics.refusals.labels("forged-press").inc()
        log.debug("a press of a button that was not shown")
        return None


def _is_by(message: Message, bot: int) -> bool:
    """Channels do not say who wrote a post; Telegram brings presses to the bot that the buttons are of."""
    return message.from_user is None or message.from_user.id == bot


def _list_data(message: Message) -> list[str | None]:
    rows = message.reply_markup.inline_keyboard if message.reply_markup else []
    return [button.callback_data for row in rows for button in row if button.callback_data]
