"""What the preview's only chat holds, in memory and bounded, in the place of Telegram's servers."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from aiogram.types import Message

MESSAGES = 400
"""How many messages can still be edited, replied to and pressed buttons of."""
FILES = 20
"""Of how many messages the files can still be fetched."""
FILES_BYTES = 60_000_000
"""And how large these are together; the newest are always there."""


class Chat:
    """The newest messages by their numbers, the files of the newest by their `file_id`. For one thread."""

    def __init__(self) -> None:
        self.numbers = itertools.count(1)
        self._messages: dict[int, Message] = {}
        self._files: dict[int, Mapping[str, bytes]] = {}

    def keep(self, message: Message, files: Mapping[str, bytes] | None = None) -> None:
        """Add the message, or take it in the place of the one with its number."""
        self._messages[message.message_id] = message
        if len(self._messages) > MESSAGES:
            del self._messages[next(iter(self._messages))]
        if files:
            self._files[message.message_id] = files
            while len(self._files) > FILES or (self._size() > FILES_BYTES and len(self._files) > 1):
                del self._files[next(iter(self._files))]

    def find(self, number: int) -> Message | None:
        return self._messages.get(number)

    def find_file(self, file_id: str) -> bytes | None:
        return next((files[file_id] for files in self._files.values() if file_id in files), None)

    def _size(self) -> int:
        return sum(len(data) for files in self._files.values() for data in files.values())
