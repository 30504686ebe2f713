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
    """How often it has failed."""


class BacklogStore(Protocol):
    """Every method raises LedgerError if the state cannot be reached."""

    is_shared: bool
    """Other processes may have it too."""

    async def put(self, update: PutDownUpdate) -> None:
        """Keep it durably; in the place of the one with its key, if there is one."""

    async def replace(self, update: PutDownUpdate) -> bool:
        """Keep it in the place of the one with its key; returns whether there is one, else nothing is kept."""

    async def find_keys(self) -> list[str]:
        """Of all that are there."""

    async def read(self, key: str) -> PutDownUpdate | None: ...

    async def delete(self, key: str) -> None: ...

    async def erase(self, keys: list[str]) -> None:
        """Delete them without a trace, and what is left of others that were deleted."""

    async def count(self) -> int: ...

    async def forget(self, person: str, number: int) -> None:
        """Note durably that nothing is answered that the person sent before that number."""

    async def find_forgotten(self) -> dict[str, int]:
        """Such numbers of the last days, by person."""
