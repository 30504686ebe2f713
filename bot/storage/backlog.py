"""Updates that are put down: what is needed to answer them later, for a day at most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class PutDownUpdate:
    """An update without anything that its answer does not need: no photo, no name, no words."""

    key: str
    """The ledger's name of it."""
    person: str
    """The pseudonym of whose it is; empty where nobody is known."""
    update: str
    """JSON: file ids, chat, message."""
    since: float
    """When it first came (seconds since the epoch)."""
    due: float
    """When it is worth another try, on the same clock."""
    attempts: int
    """How often it has been put down."""


class BacklogStore(Protocol):
    """Every method raises LedgerError if the state cannot be reached."""

    async def put(self, update: PutDownUpdate) -> None:
        """Keep it durably; in the place of the one with its key, if there is one."""

    async def replace(self, update: PutDownUpdate) -> bool:
        """Keep it in the place of the one with its key; returns whether there is one, else nothing is kept."""

    async def find_due(self, now: float, limit: int) -> list[PutDownUpdate]:
        """Those that are due, the oldest first."""

    async def delete(self, key: str) -> None: ...

    async def forget(self, person: str, until: float) -> list[str]:
        """Delete a person's that came `until` then (seconds since the epoch), without a trace; returns their keys."""

    async def count(self) -> int: ...
