"""Ledger and key-values in SQLite files, for one process."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from bot.storage.ledger import ANSWERED, KEPT, LedgerError

T = TypeVar("T")


class _SqliteFile:
    """A file of its own with one table, read and written on a thread of its own.

    A slow disk does not hold up the event loop. A commit survives kill -9; after a power cut the last ones may be gone.
    """

    def __init__(self, folder: Path, name: str, table: str) -> None:
        """Raises LedgerError if the file cannot be made, opened or written."""
        self._thread = ThreadPoolExecutor(1, name)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(folder / f"{name}.sqlite", isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.execute(f"CREATE TABLE IF NOT EXISTS {table} WITHOUT ROWID")
            self._delete_old()
        except (OSError, sqlite3.Error) as error:
            raise LedgerError(f"{folder} cannot hold the bot's state: {error}") from error

    async def close(self) -> None:
        await self._run(self._database.close)
        self._thread.shutdown()

    def _delete_old(self) -> None:
        """Take out the rows that nobody asks for any more."""

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except sqlite3.Error as error:
            raise LedgerError(f"the bot's state cannot be kept: {error}") from error


class SqliteLedger(_SqliteFile):
    """`Ledger` in the file `ledger.sqlite`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "ledger", "outcomes (key TEXT PRIMARY KEY, failures INTEGER, at INTEGER)")
        self._written = 0

    async def claim(self, key: str) -> int:
        return await self._run(lambda: self._read(key))

    async def record_failure(self, key: str) -> None:
        await self._run(lambda: self._write(key, self._read(key) + 1))

    async def clear_failure(self, key: str) -> None:
        await self._run(lambda: self._write(key, max(0, self._read(key) - 1)))

    async def release(self, key: str) -> None:
        """One process has nothing to release."""

    async def finish(self, key: str) -> None:
        await self._run(lambda: self._write(key, ANSWERED))

    async def check(self) -> None:
        await self.claim("")

    def _read(self, key: str) -> int:
        row = self._database.execute("SELECT failures FROM outcomes WHERE key = ?", (key,)).fetchone()
        return int(row[0]) if row else 0

    def _write(self, key: str, failures: int) -> None:
        self._database.execute("INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?)", (key, failures, int(time.time())))
        self._written += 1
        if self._written % 10_000 == 0:
            self._delete_old()

    def _delete_old(self) -> None:
        self._database.execute("DELETE FROM outcomes WHERE at < ?", (int(time.time()) - KEPT,))


class SqliteKeyValues(_SqliteFile):
    """`KeyValueStore` in the file `notes.sqlite`, as earlier versions named it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "notes", "notes (name TEXT PRIMARY KEY, value TEXT, until REAL)")

    async def get(self, name: str) -> str | None:
        return await self._run(lambda: self._read(name))

    async def set(self, name: str, value: str, life: float | None = None) -> None:
        until = None if life is None else time.time() + life
        await self._run(lambda: self._write(name, value, until))

    async def delete(self, name: str) -> None:
        await self._run(lambda: self._database.execute("DELETE FROM notes WHERE name = ?", (name,)))

    async def add(self, name: str) -> int:
        def count() -> int:
            number = int(self._read(name) or 0) + 1
            self._write(name, str(number), None)
            return number

        return await self._run(count)

    def _read(self, name: str) -> str | None:
        query = "SELECT value FROM notes WHERE name = ? AND (until IS NULL OR until > ?)"
        row = self._database.execute(query, (name, time.time())).fetchone()
        return str(row[0]) if row else None

    def _write(self, name: str, value: str, until: float | None) -> None:
        self._database.execute("INSERT OR REPLACE INTO notes VALUES (?, ?, ?)", (name, value, until))

    def _delete_old(self) -> None:
        self._database.execute("DELETE FROM notes WHERE until < ?", (time.time(),))
