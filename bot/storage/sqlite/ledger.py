"""The ledger in a SQLite file."""

from __future__ import annotations

import sqlite3

from bot.storage.ledger import REFUSED, Claim
from bot.storage.sqlite.file import SqliteFile, now

UPDATES = "updates (key, failures, answered, at)"
LEDGER = (
    "CREATE TABLE IF NOT EXISTS updates (key TEXT PRIMARY KEY, failures INTEGER, answered INTEGER, at INTEGER)"
    " WITHOUT ROWID",
    # Versions before this one kept the outcomes in another table, where -1 failures meant an answer.
    "CREATE TABLE IF NOT EXISTS outcomes (key TEXT PRIMARY KEY, failures INTEGER, at INTEGER) WITHOUT ROWID",
    f"INSERT OR IGNORE INTO {UPDATES} SELECT key, max(failures, 0), failures < 0, at FROM outcomes",
    "DROP TABLE outcomes",
    "SELECT key, failures, answered, at FROM updates LIMIT 0",  # another version may have made the table otherwise
)


class SqliteLedger:
    """`Ledger` for one process: nobody else can have an update in work."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    async def claim(self, key: str) -> Claim:
        def read(database: sqlite3.Connection) -> Claim:
            insert = f"INSERT INTO {UPDATES} VALUES (?, 0, 0, ?) ON CONFLICT DO NOTHING"
            if not database.execute(insert, (key, now())).rowcount:
                row = database.execute("SELECT failures, answered FROM updates WHERE key = ?", (key,)).fetchone()
                return Claim(is_answered=True, is_known=True) if row[1] else Claim.read(row[0])
            return Claim()

        return await self._file.run(read)

    async def record_failure(self, key: str) -> None:
        await self._add(key, 1)

    async def clear_failure(self, key: str) -> None:
        await self._add(key, -1)

    async def refuse(self, key: str) -> None:
        await self._set(key, REFUSED)

    async def release(self, key: str) -> None:
        """One process has nothing to release."""

    async def finish(self, key: str) -> None:
        await self._set(key, is_answered=True)

    async def check(self) -> None:
        await self._set("")

    async def _set(self, key: str, failures: int = 0, is_answered: bool = False) -> None:
        statement = f"INSERT OR REPLACE INTO {UPDATES} VALUES (?, ?, ?, ?)"
        await self._file.run(lambda database: database.execute(statement, (key, failures, is_answered, now())))

    async def _add(self, key: str, failures: int) -> None:
        statement = (
            f"INSERT INTO {UPDATES} VALUES (:key, max(:failures, 0), 0, :at)"
            " ON CONFLICT DO UPDATE SET failures = max(failures + :failures, 0), at = :at WHERE failures != :refused"
        )
        values = {"key": key, "failures": failures, "at": now(), "refused": REFUSED}
        await self._file.run(lambda database: database.execute(statement, values))
