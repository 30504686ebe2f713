"""What a chat shows: the bot's texts, its replies, buttons and toasts."""

from __future__ import annotations

from typing import Any

import polib

from tests.support.paths import ROOT
from tests.support.telegram import Telegram

TEXTS = {file.stem: polib.pofile(str(file)) for file in (ROOT / "bot" / "texts").glob("*.po")}
"""The bot's catalogues, by language."""

MENTION = {"caption": "@test_bot", "caption_entities": [{"type": "mention", "offset": 0, "length": 9}]}
"""The caption of a photo that is meant for the bot, in a group."""


def command(word: str, field: str = "text") -> dict[str, Any]:
    """A message that is a command, or a `caption` that is one."""
    entities = [{"type": "bot_command", "offset": 0, "length": len(word.partition(" ")[0])}]
    return {field: word, "entities" if field == "text" else "caption_entities": entities}


def text(context: str, key: str, language: str = "en") -> str:
    """A text of the bot, as its catalogue has it."""
    return next(str(entry.msgstr) for entry in TEXTS[language] if (entry.msgctxt, entry.msgid) == (context, key))


def answer_to(telegram: Telegram, message: int) -> dict[str, Any]:
    """The bot's message that replies to `message`, as it stands now."""
    return next(
        reply
        for reply in list(telegram.messages.values())
        if reply.get("from", {}).get("is_bot") and (reply.get("reply_to_message") or {}).get("message_id") == message
    )


def buttons(message: dict[str, Any]) -> list[str]:
    """The callback data of the buttons under a message."""
    rows = message.get("reply_markup", {}).get("inline_keyboard", [])
    return [button["callback_data"] for row in rows for button in row]


def kinds(message: dict[str, Any]) -> list[str]:
    """What the callback data of the buttons under a message begins with."""
    return [data.partition(":")[0] for data in buttons(message)]


def press_button(telegram: Telegram, message: int, kind: str, number: int = 0, **presser: Any) -> None:
    """Press the button of a kind, the first one or that `number`, under the answer to `message`."""
    answer = answer_to(telegram, message)
    data = [data for data in buttons(answer) if data.partition(":")[0] == kind][number]
    telegram.press(answer["message_id"], data, **presser)


def toasts(telegram: Telegram) -> list[str]:
    """The texts that buttons were answered with, which a client shows for a moment."""
    return [
        fields["text"]
        for method, fields in list(telegram.calls)
        if method == "answerCallbackQuery" and "text" in fields
    ]
