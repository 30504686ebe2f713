"""In a group an album is meant as a whole if one of its photos mentions the bot, whichever that is."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from aiogram.types import Message

from bot.storage.key_values import KeyValueStore
from bot.storage.pseudonyms import Pseudonymiser

LIFE = 3600.0
"""Seconds for which later photos of a mentioned album are meant too."""
WAIT = 60.0
"""Seconds for which photos are remembered, in memory alone, that came before the one with the mention. Once that is
there they are remembered until they are answered, LIFE at most."""
MOST = 100
"""Albums whose photos are remembered."""


@dataclass
class _Passed:
    """Photos of an album that did not mention the bot."""

    until: float = field(default_factory=lambda: time.monotonic() + WAIT)
    messages: dict[int, Message] = field(default_factory=dict)


class AlbumMentions:
    """Telegram brings an album's photos one by one, and groups tell a bot of all of them only if they let it read.

    A photo is remembered before it asks whether its album is meant, and an album is marked before its photos are
    looked for: of two that come at once, one sees the other.
    """

    def __init__(self, key_values: KeyValueStore, pseudonymise: Pseudonymiser) -> None:
        self._key_values = key_values
        self._pseudonymise = pseudonymise
        self._passed: dict[str, _Passed] = {}

    async def mark(self, message: Message) -> None:
        """The album of `message` is meant. Raises LedgerError."""
        await self._key_values.set(self._name(message), "yes", LIFE)

    async def is_meant(self, message: Message) -> bool:
        """Whether another photo of the album has mentioned the bot; if not, `message` is remembered."""
        name = self._name(message)
        self._passed.setdefault(name, _Passed()).messages[message.message_id] = message
        over = [other for other, passed in self._passed.items() if passed.until < time.monotonic()]
        for other in over or list(self._passed)[:-MOST]:
            del self._passed[other]
        return await self._key_values.get(name) is not None

    def find_passed(self, message: Message) -> dict[int, Message]:
        """The other photos, by message_id, that came before the album of `message` was known to be meant.

        Whoever has answered one takes it out: if `message` has to wait, its update comes again for the rest.
        """
        if message.media_group_id is None:
            return {}
        passed = self._passed.get(self._name(message))
        if passed is None or passed.until < time.monotonic():
            return {}
        passed.until = time.monotonic() + LIFE
        passed.messages.pop(message.message_id, None)
        return passed.messages

    def _name(self, message: Message) -> str:
        return f"meant:{self._pseudonymise(f'{message.chat.id}:{message.media_group_id}')}"
