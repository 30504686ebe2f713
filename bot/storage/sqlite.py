"""Ledger, key-values and backlog in SQLite files, for one process."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from bot.storage.backlog import PutDownUpdate
from bot.storage.ledger import KEPT, Claim, LedgerError
from bot.storage.memory import MemoryRateLimiter
from bot.storage.sqlite_file import SqliteFile, now
from bot.storage.state import State

UPDATES = "updates (key, failures, answered, at)"
LEDGER = (
    "CREATE TABLE IF NOT EXISTS updates (key TEXT PRIMARY KEY, failures INTEGER, answered INTEGER, at INTEGER)"
    " WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS backlog (key TEXT PRIMARY KEY, person TEXT, bot INTEGER, content TEXT, since REAL,"
    " due REAL, attempts INTEGER) WITHOUT ROWID",
    # Versions before this one kept the outcomes in another table, where -1 failures meant an answer.
    "CREATE TABLE IF NOT EXISTS outcomes (key TEXT PRIMARY KEY, failures INTEGER, at INTEGER) WITHOUT ROWID",
    f"INSERT OR IGNORE INTO {UPDATES} SELECT key, max(failures, 0), failures < 0, at FROM outcomes",
    "DROP TABLE outcomes",
    "SELECT key, failures, answered, at FROM updates LIMIT 0",  # another version may have made the tables otherwise
    "SELECT key, person, bot, content, since, due, attempts FROM backlog LIMIT 0",
)
NOTES = (
    "CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT, until REAL) WITHOUT ROWID",
    "SELECT name, value, until FROM notes LIMIT 0",
)
PUT_DOWN = 25 * 3600
"""Seconds after which an update that was put down is deleted, if its own bot has not done so after a day."""


async def open_sqlite(folder: Path, bot: int) -> State:
    """The state of the bot with that number. Raises StateFolderError, LedgerError."""
    ledger = SqliteFile(folder, "ledger", LEDGER)
    notes = SqliteFile(folder, "notes", NOTES)  # as earlier versions named it
    backlog = SqliteBacklog(ledger, bot)

    async def tidy() -> None:
        await ledger.run(lambda database: database.execute("DELETE FROM updates WHERE at < ?", (now() - KEPT,)))
        await backlog.delete_old()
        await ledger.wipe()
        await notes.run(lambda database: database.execute("DELETE FROM notes WHERE until < ?", (now(),)))
        await notes.wipe()

    async def close() -> None:
        await ledger.close()
        await notes.close()

    try:
        await ledger.open()
        await notes.open()
    except BaseException:
        await close()
        raise
    return State(SqliteLedger(ledger), SqliteKeyValues(notes, bot), MemoryRateLimiter(), backlog, tidy, close)


class SqliteLedger:
    """`Ledger` for one process: nobody else can have an update in work."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    async def claim(self, key: str) -> Claim:
        def read(database: sqlite3.Connection) -> Claim:
            insert = f"INSERT INTO {UPDATES} VALUES (?, 0, 0, ?) ON CONFLICT DO NOTHING"
            if not database.execute(insert, (key, now())).rowcount:
                row = database.execute("SELECT failures, answered FROM updates WHERE key = ?", (key,)).fetchone()
                return Claim(row[0], bool(row[1]), is_known=True)
            return Claim()

        return await self._file.run(read)

    async def record_failure(self, key: str) -> None:
        await self._add(key, 1)

    async def clear_failure(self, key: str) -> None:
        await self._add(key, -1)

    async def release(self, key: str) -> None:
        """One process has nothing to release."""

    async def finish(self, key: str) -> None:
        statement = f"INSERT OR REPLACE INTO {UPDATES} VALUES (?, 0, 1, ?)"
        await self._file.run(lambda database: database.execute(statement, (key, now())))

    async def check(self) -> None:
        statement = f"INSERT OR REPLACE INTO {UPDATES} VALUES ('', 0, 0, ?)"
        await self._file.run(lambda database: database.execute(statement, (now(),)))

    async def _add(self, key: str, failures: int) -> None:
        statement = (
            f"INSERT INTO {UPDATES} VALUES (:key, max(:failures, 0), 0, :at)"
            " ON CONFLICT DO UPDATE SET failures = max(failures + :failures, 0), at = :at"
        )
        values = {"key": key, "failures": failures, "at": now()}
        await self._file.run(lambda database: database.execute(statement, values))


class SqliteKeyValues:
    """`KeyValueStore`. Names carry the bot's number; those of earlier versions did not, and count too."""

    def __init__(self, file: SqliteFile, bot: int) -> None:
        self._file = file
        self._bot = bot

    async def get(self, name: str) -> str | None:
        return await self._file.run(lambda database: self._read(database, name))

    async def set(self, name: str, value: str, life: float | None = None) -> None:
        until = None if life is None else time.time() + life
        await self._file.run(lambda database: self._write(database, name, value, until))

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

    def _prefix(self, name: str) -> str:
        return f"{self._bot}:{name}"

    def _read(self, database: sqlite3.Connection, name: str) -> str | None:
        query = (
            "SELECT value FROM notes WHERE name IN (:name, :old_name) AND (until IS NULL OR until > :now)"
            " ORDER BY name = :name DESC LIMIT 1"
        )
        values = {"name": self._prefix(name), "old_name": name, "now": time.time()}
        row = database.execute(query, values).fetchone()
        return str(row[0]) if row else None

    def _write(self, database: sqlite3.Connection, name: str, value: str, until: float | None) -> None:
        statement = "INSERT OR REPLACE INTO notes (name, value, until) VALUES (?, ?, ?)"
        database.execute(statement, (self._prefix(name), value, until))


class SqliteBacklog:
    """`BacklogStore`, in the ledger's file."""

    def __init__(self, file: SqliteFile, bot: int) -> None:
        self._file = file
        self._bot = bot
        self._has_traces = True
        """Something was deleted since the file was written again, perhaps by an earlier process."""

    async def put(self, update: PutDownUpdate) -> None:
        row = (update.key, update.person, self._bot, update.update, update.since, update.due, update.attempts)
        columns = "key, person, bot, content, since, due, attempts"
        statement = f"INSERT OR REPLACE INTO backlog ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)"
        await self._file.run(lambda database: database.execute(statement, row))

    async def replace(self, update: PutDownUpdate) -> bool:
        statement = "UPDATE backlog SET content = ?, due = ?, attempts = ? WHERE key = ?"
        row = (update.update, update.due, update.attempts, update.key)
        return await self._file.run(lambda database: database.execute(statement, row).rowcount > 0)

    async def find_keys(self) -> list[str]:
        query = "SELECT key FROM backlog WHERE bot = ?"
        rows = await self._file.run(lambda database: database.execute(query, (self._bot,)).fetchall())
        return [row[0] for row in rows]

    async def read(self, key: str) -> PutDownUpdate | None:
        query = "SELECT key, person, content, since, due, attempts FROM backlog WHERE key = ?"
        row = await self._file.run(lambda database: database.execute(query, (key,)).fetchone())
        return PutDownUpdate(*row) if row else None

    async def delete(self, key: str) -> None:
        self._has_traces = True
        await self._file.run(lambda database: database.execute("DELETE FROM backlog WHERE key = ?", (key,)))

    async def delete_old(self) -> None:
        """Of all bots: the file may have had another. Raises LedgerError."""
        statement, value = "DELETE FROM backlog WHERE since < ?", (now() - PUT_DOWN,)
        if await self._file.run(lambda database: database.execute(statement, value).rowcount):
            self._has_traces = True

    async def erase(self, keys: list[str]) -> None:
        rows = [(key,) for key in keys]
        await self._file.run(lambda database: database.executemany("DELETE FROM backlog WHERE key = ?", rows))
        if keys or self._has_traces:
            self._has_traces = False
            try:
                await self._file.wipe_thoroughly()
            except LedgerError:
                self._has_traces = True
                raise

    async def count(self) -> int:
        query = "SELECT count(*) FROM backlog WHERE bot = ?"
        return await self._file.run(lambda database: int(database.execute(query, (self._bot,)).fetchone()[0]))
