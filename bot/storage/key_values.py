"""What the bot remembers of people for longer than a photo: their language, their consent, and counts.

Names are pseudonyms: from a note nobody can tell whose it is without the token. Notes are kept until they are deleted;
those with a life end by themselves.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

from bot.storage.ledger import LedgerError

T = TypeVar("T")


class Notes(Protocol):
    """Every method raises LedgerError if the notes cannot be reached."""

    async def get(self, name: str) -> str | None: ...

    async def set(self, name: str, value: str, life: float | None = None) -> None:
        """Keep `value`, for `life` seconds or until it is deleted."""

    async def delete(self, name: str) -> None: ...

    async def add(self, name: str, number: int = 1) -> int:
        """Count on; returns the new count, which is kept as a note is."""

    async def close(self) -> None: ...


class SqliteNotes:
    """For one process: a file in `folder`."""

    def __init__(self, folder: Path) -> None:
        """Raises LedgerError if the file cannot be made, opened or written."""
        self._thread = ThreadPoolExecutor(1, "notes")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(folder / "notes.sqlite", isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT, until REAL) WITHOUT ROWID"
            )
            self._database.execute("DELETE FROM notes WHERE until < ?", (time.time(),))
        except (OSError, sqlite3.Error) as error:
            raise LedgerError(f"{folder} cannot hold the bot's state: {error}") from error

    async def get(self, name: str) -> str | None:
        return await self._run(lambda: self._read(name))

    async def set(self, name: str, value: str, life: float | None = None) -> None:
        until = None if life is None else time.time() + life
        await self._run(lambda: self._write(name, value, until))

    async def delete(self, name: str) -> None:
        await self._run(lambda: self._database.execute("DELETE FROM notes WHERE name = ?", (name,)))

    async def add(self, name: str, number: int = 1) -> int:
        def count() -> int:
            found = int(self._read(name) or 0) + number
            self._write(name, str(found), None)
            return found

        return await self._run(count)

    async def close(self) -> None:
        await self._run(self._database.close)
        self._thread.shutdown()

    def _read(self, name: str) -> str | None:
        query = "SELECT value FROM notes WHERE name = ? AND (until IS NULL OR until > ?)"
        row = self._database.execute(query, (name, time.time())).fetchone()
        return str(row[0]) if row else None

    def _write(self, name: str, value: str, until: float | None) -> None:
        self._database.execute("INSERT OR REPLACE INTO notes VALUES (?, ?, ?)", (name, value, until))

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except sqlite3.Error as error:
            raise LedgerError(f"the bot's state cannot be kept: {error}") from error


class MemoryNotes:
    """For the preview: gone when it ends."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    async def get(self, name: str) -> str | None:
        return self._values.get(name)

    async def set(self, name: str, value: str, life: float | None = None) -> None:
        self._values[name] = value

    async def delete(self, name: str) -> None:
        self._values.pop(name, None)

    async def add(self, name: str, number: int = 1) -> int:
        found = int(self._values.get(name, "0")) + number
        self._values[name] = str(found)
        return found

    async def close(self) -> None:
        """Nothing is open."""
