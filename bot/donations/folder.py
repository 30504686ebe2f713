"""Donated photos in a folder."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from bot.donations.store import PROBE, StoreError

T = TypeVar("T")


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
