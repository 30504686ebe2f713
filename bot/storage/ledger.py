"""What became of each update: answered, or how often it failed. It outlives the process.

Telegram sends an update until it is confirmed, so an update may come twice, and one that brings the process down comes
for ever. The ledger tells both. It holds no more than a keyed hash of who sent what, a count and a time.
"""

from __future__ import annotations

import asyncio
import hmac
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

KEPT = 48 * 3600
"""Seconds for which an update is remembered. Telegram itself keeps what is not confirmed for 24 hours."""
ANSWERED = -1

T = TypeVar("T")


class Postponed(Exception):  # noqa: N818  # no error: Telegram keeps the update
    """An update cannot be answered now, and must come again. The message says why."""


class LedgerError(Postponed):
    """The ledger cannot be read or written."""


class Taken(Postponed):
    """Another process has the update in work."""


class Ledger(Protocol):
    """Keys are names of updates (`pseudonym`). Every method raises LedgerError if the ledger cannot be reached."""

    async def claim(self, key: str) -> int:
        """Take an update into work: how often it has failed, or ANSWERED. Raises Taken if another process has it."""

    async def suspect(self, key: str) -> None:
        """Count a failure. Before what may bring the process down: afterwards might be too late."""

    async def acquit(self, key: str) -> None:
        """It has not failed: take one back."""

    async def release(self, key: str) -> None:
        """The update is out of work, and not answered."""

    async def finish(self, key: str) -> None:
        """The update needs nothing more."""

    async def check(self) -> None:
        """Raise LedgerError if the ledger cannot be reached."""

    async def close(self) -> None: ...


def pseudonym(secret: str, name: str) -> str:
    """A name that stands for `name` and does not tell it: 128 bits of HMAC-SHA-256, in hexadecimal digits."""
    return hmac.digest(secret.encode(), name.encode(), "sha256").hex()[:32]


class SqliteLedger:
    """For one process: a file in `folder`. A commit survives kill -9; after a power cut the last ones may be gone."""

    def __init__(self, folder: Path) -> None:
        """Raises LedgerError if the file cannot be made, opened or written."""
        self._thread = ThreadPoolExecutor(1, "ledger")  # a slow disk must not hold up the event loop
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(folder / "ledger.sqlite", isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS outcomes (key TEXT PRIMARY KEY, failures INTEGER, at INTEGER) WITHOUT ROWID"
            )
            self._database.execute("DELETE FROM outcomes WHERE at < ?", (int(time.time()) - KEPT,))
        except (OSError, sqlite3.Error) as error:
            raise LedgerError(f"{folder} cannot hold the bot's state: {error}") from error
        self._written = 0

    async def claim(self, key: str) -> int:
        return await self._run(lambda: self._read(key))

    async def suspect(self, key: str) -> None:
        await self._run(lambda: self._write(key, self._read(key) + 1))

    async def acquit(self, key: str) -> None:
        await self._run(lambda: self._write(key, max(0, self._read(key) - 1)))

    async def release(self, key: str) -> None:
        """One process has nothing to release."""

    async def finish(self, key: str) -> None:
        await self._run(lambda: self._write(key, ANSWERED))

    async def check(self) -> None:
        await self.claim("")

    async def close(self) -> None:
        await self._run(self._database.close)
        self._thread.shutdown()

    def _read(self, key: str) -> int:
        row = self._database.execute("SELECT failures FROM outcomes WHERE key = ?", (key,)).fetchone()
        return int(row[0]) if row else 0

    def _write(self, key: str, failures: int) -> None:
        now = int(time.time())
        self._database.execute("INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?)", (key, failures, now))
        self._written += 1
        if self._written % 10_000 == 0:
            self._database.execute("DELETE FROM outcomes WHERE at < ?", (now - KEPT,))

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except sqlite3.Error as error:
            raise LedgerError(f"the bot's state cannot be kept: {error}") from error
