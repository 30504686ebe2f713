"""Key-values in a SQLite file."""

from __future__ import annotations

import sqlite3
import time

from bot.storage.sqlite.file import SqliteFile

NOTES = (
    "CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT, until REAL) WITHOUT ROWID",
    "SELECT name, value, until FROM notes LIMIT 0",
)

JUMP = 60.0
"""Seconds by which the clock is ahead of what passed since the start, from which on that counts as set forward."""


class SqliteKeyValues:
    """`KeyValueStore`. Names carry the bot's number; those of earlier versions did not, and count too."""

    def __init__(self, file: SqliteFile, bot: int) -> None:
        self._file = file
        self._bot = bot
        self._began = time.time() - time.monotonic()

    async def get(self, name: str) -> str | None:
        return await self._file.run(lambda database: self._read(database, name))

    async def set(self, name: str, value: str, life: float | None = None) -> None:
        until = None if life is None else self._find_end(life)
        await self._file.run(lambda database: self._write(database, name, value, until))

    async def claim(self, name: str, value: str, life: float) -> str | None:
        def read_or_write(database: sqlite3.Connection) -> str | None:
            known = self._read(database, name)
            if known is None:
                self._write(database, name, value, self._find_end(life))
            return known

        return await self._file.run(read_or_write)

    async def delete(self, name: str) -> None:
        statement = "DELETE FROM notes WHERE name IN (?, ?)"
        await self._file.run(lambda database: database.execute(statement, (self._prefix(name), name)))
        await self._file.wipe()

    async def add(self, *names: str) -> None:
        statement = (
            "INSERT INTO notes (name, value, until)"
            " VALUES (:name, coalesce((SELECT value FROM notes WHERE name = :old_name), 0) + 1, NULL)"
            " ON CONFLICT DO UPDATE SET value = value + 1"
        )
        rows = [{"name": self._prefix(name), "old_name": name} for name in names]

        def count(database: sqlite3.Connection) -> None:
            with database:  # commits, or rolls back
                database.execute("BEGIN")
                database.executemany(statement, rows)

        await self._file.run(count)

    async def delete_old(self) -> None:
        """Those whose life is over, of all bots. To be asked regularly. Raises LedgerError."""

        def delete(database: sqlite3.Connection) -> None:
            wall = time.time()
            if (ahead := wall - self._now()) > JUMP:
                database.execute("UPDATE notes SET until = until + ? WHERE until < ?", (ahead, wall))
                self._began += ahead
            database.execute("DELETE FROM notes WHERE until < ?", (self._now(),))

        await self._file.run(delete)
        await self._file.wipe()

    def _now(self) -> float:
        """Seconds since the epoch. A clock that is set forward makes no note older: `delete_old` moves their ends."""
        return self._began + time.monotonic()

    def _find_end(self, life: float) -> float:
        """For this process, and for the next one, which may know better what time it is."""
        return max(self._now(), time.time()) + life

    def _prefix(self, name: str) -> str:
        return f"{self._bot}:{name}"

    def _read(self, database: sqlite3.Connection, name: str) -> str | None:
        query = (
            "SELECT value FROM notes WHERE name IN (:name, :old_name) AND (until IS NULL OR until > :now)"
            " ORDER BY name = :name DESC LIMIT 1"
        )
        values = {"name": self._prefix(name), "old_name": name, "now": self._now()}
        row = database.execute(query, values).fetchone()
        return str(row[0]) if row else None

    def _write(self, database: sqlite3.Connection, name: str, value: str, until: float | None) -> None:
        statement = "INSERT OR REPLACE INTO notes (name, value, until) VALUES (?, ?, ?)"
        database.execute(statement, (self._prefix(name), value, until))
