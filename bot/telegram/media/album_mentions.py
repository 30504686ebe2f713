"""In a group an album is meant as a whole if one of its photos mentions the bot, whichever that is."""

from __future__ import annotations

from aiogram.types import Message

from bot.delivery.lanes.slots import current_slot
from bot.delivery.lanes.waiting import Cause
from bot.storage.key_values import KeyValueStore
from bot.storage.pseudonyms import Pseudonymiser

LIFE = 3600.0
"""Seconds for which later photos of a mentioned album are meant too."""
WAIT = 600.0
"""Seconds for which a photo waits for the one with the mention. That may be on its way to a process that is gone, for
a minute, or behind what its chat holds up."""
FIRST_PAUSE, SHARE, LONGEST_PAUSE = 0.1, 0.5, 20.0
"""Seconds until it is looked for again at first; later it is this share of the time that it has been waited for."""


class AlbumMentions:
    """Telegram brings an album's photos one by one, and groups tell a bot of all of them only if they let it read.

    A photo without a mention waits as an update that is not answered: so it comes again after a kill. It waits in
    memory for as long as albums take to come, and then in the backlog. Any replica may meet the mention.
    """

    def __init__(self, key_values: KeyValueStore, pseudonymise: Pseudonymiser) -> None:
        self._key_values = key_values
        self._pseudonymise = pseudonymise

    async def mark(self, message: Message) -> None:
        """The album of `message` is meant. Raises LedgerError."""
        await self._key_values.set(self._name(message), "yes", LIFE)

    async def is_meant(self, message: Message) -> bool:
        """Return when another photo of the album has mentioned the bot, or none has within WAIT. Raises RetryLater."""
        slot = current_slot()
        if await self._is_marked(message):
            return True
        slot.let_pass()
        while slot.is_patient and slot.age <= WAIT:
            pause = min(SHARE * slot.age, LONGEST_PAUSE, WAIT - slot.age)
            await slot.wait(max(FIRST_PAUSE, pause), Cause.ALBUM)
            if await self._is_marked(message):
                return True
        return False

    async def _is_marked(self, message: Message) -> bool:
        return await self._key_values.get(self._name(message)) is not None

    def _name(self, message: Message) -> str:
        return f"meant:{self._pseudonymise(f'{message.chat.id}:{message.media_group_id}')}"
