"""Donated photos in a folder."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import TypeVar

from bot.donations.donations import GIVEN, KEY
from bot.donations.store import PROBE, StoreError
from bot.errors import describe_os_error
from bot.whole_files import delete_stale, name_whole, remove_stale, write_beside

READS, PAUSE = 20, 0.05
"""How often, and after how many seconds, a file is read again that another process has just made."""

PART_NAME = re.compile(rf"(?:{GIVEN.pattern}|(?:{KEY}|{PROBE})\.)[0-9a-f]{{16}}(?:[0-9a-f]{{16}})?\.part")
"""The whole name of a part of these, also of earlier versions: the owner has files in these folders too."""

T = TypeVar("T")


class Folder:
    def __init__(self, folder: Path) -> None:
        self.where = str(folder)
        self._folder = folder

    async def write(self, name: str, data: bytes) -> None:
        await _run(lambda: _write(self._folder / name, data))

    async def list_photos(self) -> list[str]:
        return await _run(lambda: [str(file.relative_to(self._folder)) for file in _find_files(self._folder)])

    async def delete(self, names: list[str]) -> None:
        def work() -> None:
            for name in names:
                (self._folder / name).unlink(missing_ok=True)

        await _run(work)

    async def read(self, name: str) -> bytes | None:
        return await _run(lambda: _read(self._folder / name))

    async def create(self, name: str, data: bytes) -> bytes:
        return await _run(lambda: _create(self._folder / name, data))

    async def check(self) -> None:
        await self.write(PROBE, b"")
        await _run((self._folder / PROBE).unlink)


def _find_files(folder: Path) -> Iterator[Path]:
    """Without what processes that were killed have left, which is deleted where it can be."""
    remove_stale(folder, PART_NAME)
    for file in folder.glob("*/*"):
        if not delete_stale(file, PART_NAME):
            yield file


def _write(file: Path, data: bytes) -> None:
    with _write_beside(file, data) as part:
        part.replace(file)


def _read(file: Path) -> bytes | None:
    """It is empty for a moment where the file system has no links: see `name_whole`."""
    content = b""
    for _ in range(READS):
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            return None
        if content:
            break
        time.sleep(PAUSE)
    return content


def _create(file: Path, data: bytes) -> bytes:
    if not file.exists():
        with _write_beside(file, data) as part, suppress(FileExistsError):  # another process was first
            name_whole(part, file)
    return _read(file) or b""


def _write_beside(file: Path, data: bytes) -> AbstractContextManager[Path]:
    """A part whose name begins as that of `file`: /forget finds it by that."""
    file.parent.mkdir(parents=True, exist_ok=True)
    return write_beside(file, data, start=file.stem)


async def _run(work: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(work)
    except OSError as error:
        raise StoreError(describe_os_error(error, "the folder")) from error
    except ValueError as error:  # a class whose name no file can have
        raise StoreError(f"the folder cannot have a file of this name: {error}") from error
