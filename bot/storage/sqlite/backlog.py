"""The backlog in a SQLite file."""

from __future__ import annotations

from bot.storage.backlog import PutDownUpdate
from bot.storage.ledger import KEPT, LedgerError
from bot.storage.sqlite.file import SqliteFile, now

BACKLOG = (
    "CREATE TABLE IF NOT EXISTS backlog (key TEXT PRIMARY KEY, person TEXT, bot INTEGER, content TEXT, since REAL,"
    " due REAL, attempts INTEGER) WITHOUT ROWID",
    "SELECT key, person, bot, content, since, due, attempts FROM backlog LIMIT 0",  # as the ledger's
    "CREATE TABLE IF NOT EXISTS forgotten (person TEXT PRIMARY KEY, number INTEGER, at INTEGER) WITHOUT ROWID",
    "SELECT person, number, at FROM forgotten LIMIT 0",
)
PUT_DOWN = 25 * 3600
"""Seconds after which an update that was put down is deleted, if its own bot has not done so after a day."""


class SqliteBacklog:
    """`BacklogStore`, in the ledger's file."""

    is_shared = False

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
        """Of who has sent `/forget`, and of other bots that the file has had. Raises LedgerError.

        A running bot deletes its own updates: it knows how old they are, also where the clock was set.
        """
        forgotten, forgotten_before = "DELETE FROM forgotten WHERE at < ?", (now() - KEPT,)
        await self._file.run(lambda database: database.execute(forgotten, forgotten_before))
        statement, values = "DELETE FROM backlog WHERE since < ? AND bot != ?", (now() - PUT_DOWN, self._bot)
        if await self._file.run(lambda database: database.execute(statement, values).rowcount):
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

    async def forget(self, person: str, number: int) -> None:
        statement = (
            "INSERT INTO forgotten (person, number, at) VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET number = max(number, excluded.number), at = excluded.at"
        )
        await self._file.run(lambda database: database.execute(statement, (person, number, now())))

    async def find_forgotten(self) -> dict[str, int]:
        query = "SELECT person, number FROM forgotten"
        return await self._file.run(lambda database: dict(database.execute(query).fetchall()))
