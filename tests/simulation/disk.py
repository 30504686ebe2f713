"""What keeps state: SQLite on a disk that can be full, locked or damaged; and Redis' double, which can be away."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fakeredis
from redis.exceptions import ConnectionError as RedisConnectionError

READS = ("SELECT", "PRAGMA")
CODES = {
    "database or disk is full": sqlite3.SQLITE_FULL,
    "database is locked": sqlite3.SQLITE_BUSY,
    "disk I/O error": sqlite3.SQLITE_IOERR,
    "unable to open database file": sqlite3.SQLITE_CANTOPEN,
}
"""What SQLite says, and the code that comes with it."""
connect_sqlite = sqlite3.connect


class Disk:
    """The folder of the bot's state, and what is wrong with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.trouble: str | None = None
        """What SQLite says of everything that writes; None: the disk is well."""
        self.connections: list[sqlite3.Connection] = []

    def connect(self, database: Any, *arguments: Any, **options: Any) -> sqlite3.Connection:
        """In place of sqlite3.connect."""
        if self.trouble and not Path(database).exists():
            raise _explain("unable to open database file")
        connection: _Connection = connect_sqlite(database, *arguments, factory=_Connection, **options)
        connection.disk = self
        self.connections.append(connection)
        connection.execute("PRAGMA busy_timeout = 0")
        return connection

    def drop_connections(self) -> None:
        """The process is dead: what it had not committed is gone."""
        for connection in self.connections:
            connection.close()
        self.connections.clear()

    def damage(self, data: bytes) -> None:
        """Overwrite the start of every database."""
        for file in self.folder.glob("*.sqlite"):
            file.write_bytes(data + file.read_bytes()[len(data) :])
            for beside in self.folder.glob(f"{file.name}-*"):
                beside.unlink()


class _Connection(sqlite3.Connection):
    disk: Disk

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        trouble = self.disk.trouble
        if trouble and (trouble == "database is locked" or not sql.lstrip().upper().startswith(READS)):
            raise _explain(trouble)
        return super().execute(sql, *parameters)


def _explain(trouble: str) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(trouble)
    error.sqlite_errorcode = CODES[trouble]
    return error


class RedisServer:
    """One Redis for all processes. It runs the real Lua scripts."""

    def __init__(self, latency: Callable[[], float]) -> None:
        self.server = fakeredis.FakeServer()
        self.latency = latency
        self.is_away = False

    def forget(self) -> None:
        """FLUSHALL, or a restart without a disk."""
        with self.server.lock:
            for database in self.server.dbs.values():
                database.clear()

    def make_client(self) -> type[Any]:
        """What stands in for the class `redis.asyncio.Redis`."""
        state = self

        class Client(fakeredis.FakeAsyncRedis):
            @classmethod
            def from_url(cls, url: str, **options: Any) -> Client:  # type: ignore[override]
                return cls(server=state.server, decode_responses=options.get("decode_responses", False))

            async def execute_command(self, *arguments: Any, **options: Any) -> Any:
                await state.go_there()
                result = await super().execute_command(*arguments, **options)  # type: ignore[no-untyped-call]
                await state.go_there()
                return result

            def pipeline(self, *arguments: Any, **options: Any) -> Any:
                pipeline = super().pipeline(*arguments, **options)
                execute = pipeline.execute

                async def execute_slowly(*arguments: Any, **options: Any) -> Any:
                    await state.go_there()
                    result = await execute(*arguments, **options)
                    await state.go_there()
                    return result

                pipeline.execute = execute_slowly  # type: ignore[method-assign]
                return pipeline

        return Client

    async def go_there(self) -> None:
        await asyncio.sleep(self.latency())
        if self.is_away:
            raise RedisConnectionError("the simulated Redis is away")
