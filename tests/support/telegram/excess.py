"""Why Telegram would refuse what a call carries: it is longer than the Bot API takes, or empty."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

MESSAGE, CAPTION, TOAST, COMMAND, DESCRIPTION, SHORT_DESCRIPTION = 4096, 1024, 200, 256, 512, 120
"""Letters."""
BUTTON = 100
"""Letters: the Bot API names no limit, and a phone shows fewer."""
DATA = 64
"""Bytes of what a press brings back."""


def find_excess(method: str, fields: dict[str, Any]) -> str | None:
    """In Telegram's words. None: it takes the call."""
    return next(_find(method, fields), None)


def _find(method: str, fields: dict[str, Any]) -> Iterator[str]:
    text = str(fields.get("text", ""))
    match method:
        case "sendMessage" | "editMessageText":
            if not text.strip():
                yield "message text is empty"
            if len(text) > MESSAGE:
                yield "message is too long"
        case "sendPhoto" if len(fields.get("caption", "")) > CAPTION:
            yield "message caption is too long"
        case "answerCallbackQuery" if len(text) > TOAST:
            yield "MESSAGE_TOO_LONG"
        case "setMyDescription" if len(fields.get("description", "")) > DESCRIPTION:
            yield "description is too long"
        case "setMyShortDescription" if len(fields.get("short_description", "")) > SHORT_DESCRIPTION:
            yield "short description is too long"
        case "setMyCommands":
            if not all(0 < len(command["description"]) <= COMMAND for command in json.loads(fields["commands"])):
                yield "BOT_COMMAND_DESCRIPTION_INVALID"
    for row in json.loads(fields.get("reply_markup", "{}")).get("inline_keyboard", []):
        for button in row:
            if not 0 < len(button["text"].strip()) <= BUTTON:
                yield "BUTTON_TEXT_INVALID"
            if len(button["callback_data"].encode()) > DATA:
                yield "BUTTON_DATA_INVALID"
