"""State in two SQLite files, for one process."""

from __future__ import annotations

from pathlib import Path

from bot.storage.ledger import KEPT
from bot.storage.memory import MemoryRateLimiter
from bot.storage.sqlite.backlog import BACKLOG, SqliteBacklog
from bot.storage.sqlite.file import SqliteFile, now
from bot.storage.sqlite.jumps import Jumps
from bot.storage.sqlite.key_values import NOTES, SqliteKeyValues
from bot.storage.sqlite.ledger import LEDGER, SqliteLedger
from bot.storage.state import State


async def open_sqlite(folder: Path, bot: int) -> State:
    """The state of the bot with that number. Raises StateFolderError, LedgerError."""
    ledger = SqliteFile(folder, "ledger", (*LEDGER, *BACKLOG))
    notes = SqliteFile(folder, "notes", NOTES)  # as earlier versions named it
    backlog = SqliteBacklog(ledger, bot)
    key_values = SqliteKeyValues(notes, bot)
    jumps = Jumps()

    async def tidy() -> None:
        if not jumps.are_over():
            return
        await ledger.run(lambda database: database.execute("DELETE FROM updates WHERE at < ?", (now() - KEPT,)))
        await backlog.delete_old()
        await ledger.wipe()
        await key_values.delete_old()

    async def close() -> None:
        await ledger.close()
        await notes.close()

    try:
        await ledger.open()
        await notes.open()
    except BaseException:
        await close()
        raise
    return State(SqliteLedger(ledger), key_values, MemoryRateLimiter(), backlog, tidy, close)
