"""Donated photos in a folder."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from bot.donations.store import PROBE, StoreError
from bot.errors import describe_os_error
from bot.whole_files import name_whole

READS, PAUSE = 20, 0.05
"""How often, and after how many seconds, a file is read again that another process has just made."""

T = TypeVar("T")


class Folder:
    def __init__(self, folder: Path) -> None:
        self.where = str(folder)
        self._folder = folder

    async def write(self, name: str, data: bytes) -> None:
        await _run(lambda: _write(self._folder / name, data))

    async def list_photos(self) -> list[str]:
        return await _run(lambda: [str(file.relative_to(self._folder)) for file in self._folder.glob("*/*")])

    async def delete(self, names: list[str]) -> None:
        def work() -> None:
            for name in names:
                (self._folder / name).unlink(missing_ok=True)

        await _run(work)

    async def create(self, name: str, data: bytes) -> bytes:
        return await _run(lambda: _create(self._folder / name, data))

    async def check(self) -> None:
        await self.write(PROBE, b"")
        await _run((self._folder / PROBE).unlink)


def _write(file: Path, data: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_bytes(data)
    part.replace(file)


def _create(file: Path, data: bytes) -> bytes:
    part = file.with_name(f"{file.name}.{uuid.uuid4().hex}.part")
    if not file.exists():
        _write_part(part, data)
        try:
            with suppress(FileExistsError):  # another process was first
                name_whole(part, file)
        finally:
            part.unlink(missing_ok=True)
    for _ in range(READS):
        if content := file.read_bytes():
            return content
        time.sleep(PAUSE)
    raise OSError(0, "is empty: delete it", str(file))


def _write_part(part: Path, data: bytes) -> None:
    part.parent.mkdir(parents=True, exist_ok=True)
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


async def _run(work: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(work)
    except OSError as error:
        raise StoreError(describe_os_error(error, "the folder")) from error
    except ValueError as error:  # a class whose name no file can have
        raise StoreError(f"the folder cannot have a file of this name: {error}") from error
