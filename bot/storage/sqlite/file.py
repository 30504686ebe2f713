"""A SQLite file that is read and written on a thread of its own, and begun again where it is damaged."""

from __future__ import annotations

import asyncio
import errno
import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from bot.errors import LabelgramError, explain_os_error
from bot.storage.ledger import LedgerError
from bot.storage.sqlite.loop_thread import LoopThread

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
IN_USE = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
PASSING = (
    *(*IN_USE, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM),
    sqlite3.SQLITE_CANTOPEN,  # what lies in the settings shows before: see `_open`
)
"""Another process holds the file, or the disk is full: it can be waited for."""
PASSING_ERRNOS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.EINTR}
)
"""The same, where the system says it."""
VERSION = 0
"""Of the tables (PRAGMA user_version). One that adds a column to them need not raise it: earlier versions work on."""
ENDINGS = ("", "-wal", "-shm", "-journal")

log = logging.getLogger(__name__)


class StateFolderError(LabelgramError):
    """The folder of the bot's state cannot be used, and waiting does not help. Only the start finds that."""


class SqliteFile:
    """A slow disk does not hold up the event loop. A commit survives kill -9; after a power cut the last may be gone.

    The file is opened when it is first used.
    """

    def __init__(self, folder: Path, name: str, schema: Sequence[str]) -> None:
        """`schema`: statements that are run at each opening."""
        self.path = folder / f"{name}.sqlite"
        self._schema = schema
        self._thread = LoopThread(name)
        self._connection: sqlite3.Connection | None = None

    async def open(self) -> None:
        """Raises StateFolderError if the file cannot be used at all, LedgerError if it cannot be used now."""
        await self._run_on_thread(lambda database: None)

    async def run(self, work: Work[T]) -> T:
        """The result of `work`, done on the file's thread. Raises LedgerError.

        Where the folder has become useless, photos wait: a dying disk may be replaced.
        """
        try:
            return await self._run_on_thread(work)
        except StateFolderError as error:
            raise LedgerError(str(error)) from error

    async def _run_on_thread(self, work: Work[T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, work)
        except (sqlite3.Error, OSError) as error:
            raise LedgerError(f"the bot's state in {self.path.parent} cannot be kept now: {error}") from error

    async def wipe(self) -> None:
        """Take what was deleted off the disk. Raises LedgerError.

        SQLite overwrites it in the file, but keeps it in the log of changes for as long as it likes. While another
        program reads the file, the log stays: then a later call empties it.
        """
        await self.run(_empty_log)

    async def wipe_thoroughly(self) -> None:
        """Take copies away too that SQLite leaves where it moves rows: write the file again. Raises LedgerError."""

        def write_again(database: sqlite3.Connection) -> None:
            database.execute("VACUUM")
            _empty_log(database)

        await self.run(write_again)

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    def _run(self, work: Work[T]) -> T:
        try:
            return work(self._connect())
        except sqlite3.DatabaseError as error:
            if not has_code(error, DAMAGED):
                raise
            self._set_aside(error)
            return work(self._connect())

    def _connect(self) -> sqlite3.Connection:
        if self._connection is None:
            try:
                self._connection = self._open()
            except OSError as error:
                if error.errno in PASSING_ERRNOS:
                    raise
                raise self._explain(explain_os_error(error)) from error
            except sqlite3.OperationalError as error:
                if has_code(error, PASSING):
                    raise
                if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
                    raise self._explain(str(error)) from error
                if "column" in str(error):  # one is missing, or is another
                    raise self._explain_version(str(error)) from error
                self._set_aside(error)
                self._connection = self._open()
        return self._connection

    def _explain(self, why: str) -> StateFolderError:
        text = f"{self.path.parent} cannot hold the bot's state: {why}. STATE_DIR names a folder that can be written."
        return StateFolderError(text)

    def _explain_version(self, why: str) -> StateFolderError:
        """It is not begun again: what was answered would be answered a second time."""
        text = f"{self.path} is of another version of Labelgram ({why})."
        return StateFolderError(f"{text} Start that version, or name another folder in STATE_DIR.")

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.open("ab").close()  # the system says why that fails; SQLite would only say that it does
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        try:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > VERSION:
                raise self._explain_version(f"its tables have the number {version}, this one knows {VERSION}")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("PRAGMA temp_store = MEMORY")  # VACUUM copies the file
            for statement in self._schema:
                connection.execute(statement)
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_aside(self, error: sqlite3.Error) -> None:
        self._close()
        aside = self.path.with_name(f"{self.path.name}.damaged-{datetime.now():%Y-%m-%dT%H%M%S}")
        for ending in ENDINGS:
            with suppress(FileNotFoundError):
                self.path.with_name(self.path.name + ending).rename(aside.with_name(aside.name + ending))
        log.error("%s is damaged (%s): it is now %s, and an empty one takes its place", self.path, error, aside.name)

    def _close(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None


def _empty_log(database: sqlite3.Connection) -> None:
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def now() -> int:
    """Seconds since the epoch."""
    return int(time.time())


def has_code(error: sqlite3.Error, codes: Sequence[int]) -> bool:
    """Whether it is one of SQLite's primary result codes."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in codes
