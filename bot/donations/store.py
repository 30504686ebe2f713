"""Where donated photos lie: in a folder, or in a bucket. Both have files named `class/giver-photo.jpg`."""

from __future__ import annotations

from typing import Protocol

from bot.errors import LabelgramError

PROBE = "labelgram-doctor"
"""Name of the file by which a store is checked: outside of the classes, so that none is made for it."""


class StoreError(LabelgramError):
    """Donated photos cannot be written, deleted or listed; the message says why."""


class Store(Protocol):
    """Every method raises StoreError if the store cannot be reached, or does not take what it is given."""

    where: str
    """What the owner calls it."""

    async def write(self, name: str, data: bytes) -> None:
        """Keep a file; one of the same name is replaced."""

    async def list_photos(self) -> list[str]:
        """The names of all photos, `class/file`; also of what ends with `whole_files.PART`, not whole."""

    async def delete(self, names: list[str]) -> None:
        """Delete files; those that are not there count as deleted."""

    async def read(self, name: str) -> bytes | None:
        """What a file holds, None if it is not there."""

    async def create(self, name: str, data: bytes) -> bytes:
        """Write a file that is not there yet; returns what it holds. Of processes that do so at once one wins."""

    async def check(self) -> None:
        """Write a file that means nothing, find it, and delete it."""
