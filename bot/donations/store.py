"""Where donated photos lie: in a folder, or in a bucket. Both have files named `class/giver-photo.jpg`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from bot.settings import BucketSettings, SettingsError

PROBE = "labelgram-doctor"
"""Name of the file by which a store is checked: outside of the classes, so that none is made for it."""

T = TypeVar("T")


class StoreError(Exception):
    """Donated photos cannot be written, deleted or counted; the message says why."""


class Store(Protocol):
    """Every method raises StoreError if the store cannot be reached, or does not take what it is given."""

    where: str
    """What the owner calls it."""

    async def write(self, name: str, data: bytes) -> None:
        """Keep a file; one of the same name is replaced."""

    async def delete(self, start: str) -> int:
        """Delete the files of all classes whose own names begin with `start`; returns how many that were."""

    async def count(self) -> int: ...

    async def check(self) -> None:
        """Write a file that means nothing, find it, and delete it."""


def open_store(place: Path | BucketSettings | None) -> Store | None:
    """None where none is wanted. The store is reached when it is first asked. Raises SettingsError."""
    if not isinstance(place, BucketSettings):
        return Folder(place) if place else None
    try:
        from bot.donations.s3 import Bucket
    except ImportError as error:
        raise SettingsError("DONATIONS_DIR is a bucket: pip install -r requirements-s3.txt") from error
    return Bucket(place)


class Folder:
    def __init__(self, folder: Path) -> None:
        self.where = str(folder)
        self._folder = folder

    async def write(self, name: str, data: bytes) -> None:
        file = self._folder / name

        def work() -> None:
            file.parent.mkdir(parents=True, exist_ok=True)
            part = file.with_suffix(".part")
            part.write_bytes(data)
            part.replace(file)

        await _run(work)

    async def delete(self, start: str) -> int:
        def work() -> int:
            files = list(self._folder.glob(f"*/{start}*"))
            for file in files:
                file.unlink(missing_ok=True)
            return len(files)

        return await _run(work)

    async def count(self) -> int:
        return await _run(lambda: sum(1 for _ in self._folder.glob("*/*")))

    async def check(self) -> None:
        await self.write(PROBE, b"")
        await _run((self._folder / PROBE).unlink)


async def _run(work: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(work)
    except OSError as error:
        raise StoreError(f"{error.filename or 'the folder'}: {error.strerror}") from error
