"""An album gets one answer, which grows by a line for each of its photos.

Telegram sends the photos of an album as messages of their own and says nowhere how many there are; to a webhook it
sends the next one when the one before is answered. So the first photo is answered at once, and the answer is edited.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from weakref import WeakValueDictionary

from aiogram.exceptions import TelegramBadRequest
from aiogram.types import Message

from bot.delivery.slots import current_slot
from bot.inference.classifier import Prediction
from bot.inference.decoding import Reason
from bot.storage.key_values import KeyValueStore
from bot.storage.ledger import LedgerError
from bot.storage.pseudonyms import Pseudonymiser
from bot.texts.replies import Replies

LIFE = 3600.0
"""Seconds after which an album is over."""


class Albums:
    """The answers to albums; what was said of which photo is kept in the key_values, for the other photos' lines."""

    def __init__(self, key_values: KeyValueStore, replies: Replies, pseudonymise: Pseudonymiser) -> None:
        self._key_values = key_values
        self._replies = replies
        self._pseudonymise = pseudonymise
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # each while somebody holds it

    async def answer(self, message: Message, found: Prediction | Reason, language: str | None) -> None:
        """Return when the album's answer has the photo's line."""
        name = f"album:{self._pseudonymise(f'{message.chat.id}:{message.media_group_id}')}"
        lock = self._locks.setdefault(name, asyncio.Lock())
        await current_slot().turn()  # before the lock: who has it is not waited for by the photo before
        async with lock:
            await self._add(name, message, found, language)

    async def _add(self, name: str, message: Message, found: Prediction | Reason, language: str | None) -> None:
        known = json.loads(await self._key_values.get(name) or "{}")
        lines: dict[str, str] = known.get("lines", {})
        lines[str(message.message_id)] = self._replies.album_line(found, language)
        text = self._replies.render_album([lines[number] for number in sorted(lines, key=int)], language)
        answer = known.get("answer")
        if answer is None or not await self._edit(message, answer, text):
            sent = await message.reply(text, allow_sending_without_reply=True)
            answer = sent.message_id
        with suppress(LedgerError):  # the answer is out: the next photo gets its own rather than this one a second
            await self._key_values.set(name, json.dumps({"answer": answer, "lines": lines}), LIFE)

    async def _edit(self, message: Message, answer: int, text: str) -> bool:
        """Whether the answer is still there, and has the text now."""
        assert message.bot
        try:
            await message.bot.edit_message_text(text, chat_id=message.chat.id, message_id=answer)
        except TelegramBadRequest as error:
            return "not modified" in error.message  # the line was there: the update came twice
        return True
