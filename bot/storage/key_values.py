"""What the bot remembers of people for longer than a photo: their language, their consent, and counts.

Names are pseudonyms: from a note nobody can tell whose it is without the token. Values are kept until they
are deleted; those with a life end by themselves.
"""

from __future__ import annotations

from typing import Protocol


class KeyValueStore(Protocol):
    """Every method raises LedgerError if the notes cannot be reached."""

    async def get(self, name: str) -> str | None: ...

    async def set(self, name: str, value: str, life: float | None = None) -> None:
        """Keep `value`, for `life` seconds or until it is deleted."""

    async def claim(self, name: str, value: str, life: float) -> str | None:
        """What is there. None: nothing was, and `value` is now, for `life` seconds. Of many at once one gets it."""

    async def delete(self, name: str) -> None:
        """Without a trace."""

    async def add(self, *names: str) -> None:
        """Count one more of each, in one transaction. The counts are kept until they are deleted."""
