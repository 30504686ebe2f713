"""An album gets one answer, which grows by a line for each of its photos.

Telegram sends the photos of an album as messages of their own and says nowhere how many there are; to a webhook it
sends the next one when the one before is taken in. So the first photo is answered at once, and the answer is edited:
seldom, since edits count as messages, and a group may be sent 20 a minute.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from aiogram.exceptions import TelegramBadRequest
from aiogram.types import Message

from bot.delivery.lanes.slots import current_slot, hold_lock
from bot.delivery.lanes.waiting import Cause
from bot.inference.classifier import Prediction
from bot.inference.decoding import Reason
from bot.storage.key_values import KeyValueStore
from bot.storage.ledger import ClaimedElsewhere, LedgerError
from bot.storage.pseudonyms import Pseudonymiser
from bot.texts.replies import Replies

LIFE = 3600.0
"""Seconds after which an album is over."""
BEGINNING = 90.0
"""Seconds after which an album's answer is begun by another replica, if the one that has begun it is dead.

One that lives may wait for its chat for 20, and for Telegram for 60.
"""
PAUSES = (1.0, 3.0, 6.0)
"""Seconds for which lines are gathered before the first edit, the second, and all later ones."""


@dataclass(eq=False)
class _Album:
    """One album, while a photo of it is in work."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: dict[str, str] = field(default_factory=dict)
    """Lines that are not in the answer yet, by message_id."""
    edit: asyncio.Event | None = None
    """The edit that gathers lines now: set when it is over, well or not."""


@dataclass
class _Answer:
    """What the key-values hold of an album."""

    answer: int | None = None
    """The message_id of the bot's message."""
    lines: dict[str, str] = field(default_factory=dict)
    """In it, by message_id of the photos."""
    edits: int = 0


class Albums:
    """The answers to albums; what was said of which photo is kept in the key-values, for the other photos' lines."""

    def __init__(self, key_values: KeyValueStore, replies: Replies, pseudonymise: Pseudonymiser) -> None:
        self._key_values = key_values
        self._replies = replies
        self._pseudonymise = pseudonymise
        self._albums: WeakValueDictionary[str, _Album] = WeakValueDictionary()
        self._unnoted: dict[str, _Answer] = {}
        """Those that are out, and that the key-values could not be told of: in one process no line is lost."""

    async def answer(self, message: Message, outcome: Prediction | Reason, language: str | None) -> None:
        """Return when the album's answer has the line of one of its photos.

        Photos of an album wait for one edit together. The one that began it makes it; if that fails, the next one
        tries. A photo that waits lets later ones pass, else there would never be two to gather.
        """
        name, number = self._name("album", message), str(message.message_id)
        line = self._replies.album_line(outcome, language)
        album = self._albums.setdefault(name, _Album())
        slot = current_slot()
        await slot.turn()
        album.waiting[number] = line
        async with hold_lock(album.lock):
            known = await self._read(name)
            if known.answer is None:
                await self._begin(name, album, message, language)
        if known.lines.get(number) == line:  # the update has come again
            album.waiting.pop(number, None)
        if number in album.waiting:
            slot.let_pass()
        while number in album.waiting:
            if album.edit:
                async with slot.lent(Cause.CHAT):
                    await album.edit.wait()
                continue
            album.edit = asyncio.Event()
            try:
                if slot.is_patient:
                    async with slot.lent(Cause.CHAT):
                        await asyncio.sleep(PAUSES[min(known.edits, len(PAUSES) - 1)])
                async with hold_lock(album.lock):
                    await self._publish(name, album, message, language)
            finally:
                album.edit.set()
                album.edit = None

    async def claim_refusal(self, message: Message) -> bool:
        """Whether it is to be said of `message` that there is no picture in it: of an album's messages once."""
        if message.media_group_id is None:
            return True
        await current_slot().turn()
        number = str(message.message_id)
        told = await self._key_values.claim(self._name("refused", message), number, LIFE)
        return told in (None, number)  # the same, where its update comes again

    async def _begin(self, name: str, album: _Album, message: Message, language: str | None) -> None:
        """Publish the first line, as one of the replicas that have photos of the album. Raises ClaimedElsewhere."""
        update, first = str(current_slot().number), self._name("first", message)  # an edited photo has two
        if await self._key_values.claim(first, update, BEGINNING) not in (None, update):
            raise ClaimedElsewhere("another photo of its album is answered first")
        try:
            await self._publish(name, album, message, language)
        except BaseException:
            with suppress(LedgerError):
                if await self._key_values.get(first) == update:
                    await self._key_values.delete(first)
            raise

    async def _publish(self, name: str, album: _Album, message: Message, language: str | None) -> None:
        """Have the answer hold all lines that wait. It is a new message if the first is missing or was deleted."""
        published = dict(album.waiting)
        found, latest = None, await self._read(name)
        while latest != found:  # another replica has published meanwhile
            found = latest
            lines = found.lines | published
            text = self._replies.render_album([lines[number] for number in sorted(lines, key=int)], language)
            if found.answer is not None and await self._edit(message, found.answer, text):
                answer, edits = found.answer, found.edits + 1
            else:
                sent = await message.reply(text)
                answer, edits = sent.message_id, found.edits
            with suppress(LedgerError):  # the answer is out, and must not be given again
                latest = await self._read(name)
        for number in published:
            album.waiting.pop(number, None)
        self._unnoted[name] = _Answer(answer, lines, edits)
        with suppress(LedgerError):
            await self._key_values.set(name, json.dumps(vars(self._unnoted[name])), LIFE)
            del self._unnoted[name]

    async def _edit(self, message: Message, answer: int, text: str) -> bool:
        """Whether the answer is still there, and has the text now."""
        assert message.bot
        try:
            await message.bot.edit_message_text(text, chat_id=message.chat.id, message_id=answer)
        except TelegramBadRequest as error:
            return "not modified" in error.message  # the line was there: the update came twice
        return True

    def _name(self, kind: str, message: Message) -> str:
        return f"{kind}:{self._pseudonymise(f'{message.chat.id}:{message.media_group_id}')}"

    async def _read(self, name: str) -> _Answer:
        noted = _Answer(**json.loads(await self._key_values.get(name) or "{}"))
        last = self._unnoted.get(name)
        return _Answer(last.answer, noted.lines | last.lines, max(noted.edits, last.edits)) if last else noted
