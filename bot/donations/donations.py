"""Photos that people let the bot keep, as folders of classes that `python -m training --data` takes as they are."""

from __future__ import annotations

import hashlib

from bot.donations.store import Store
from bot.storage.key_values import KeyValueStore
from bot.storage.pseudonyms import Pseudonymiser

ENDINGS = ((b"\xff\xd8", "jpg"), (b"\x89PNG", "png"), (b"GIF8", "gif"), (b"BM", "bmp"), (b"RIFF", "webp"))
"""How a photo file starts, and what its name ends with."""


class Donations:
    """Off where there is no store. A file's name begins with a pseudonym of its giver, so that it can be deleted."""

    def __init__(self, store: Store | None, key_values: KeyValueStore, pseudonymise: Pseudonymiser) -> None:
        self._store = store
        self._key_values = key_values
        self._pseudonymise = pseudonymise

    @property
    def are_on(self) -> bool:
        return self._store is not None

    async def has_consent(self, person: int) -> bool:
        return self.are_on and await self._key_values.get(self._consent(person)) == "yes"

    async def set_consent(self, person: int, agreed: bool) -> None:
        await self._key_values.set(self._consent(person), "yes" if agreed else "no")

    async def keep(self, person: int, label: str, data: bytes) -> None:
        """Write a photo to those of its class; the same one again stays one. Raises StoreError."""
        assert self._store
        ending = next((ending for start, ending in ENDINGS if data.startswith(start)), "heic")
        name = f"{self._name(person)}-{hashlib.sha256(data).hexdigest()[:16]}.{ending}"
        await self._store.write(f"{label.replace('/', '_').lstrip('.') or '_'}/{name}", data)

    async def forget(self, person: int) -> int:
        """Take back the consent and delete all that a person gave; returns how many photos that were.

        Raises StoreError if they cannot be deleted now; the consent is taken back all the same.
        """
        await self._key_values.delete(self._consent(person))
        return await self._store.delete(f"{self._name(person)}-") if self._store else 0

    async def count(self) -> int:
        """Raises StoreError."""
        return await self._store.count() if self._store else 0

    def _name(self, person: int) -> str:
        return self._pseudonymise(f"giver {person}")[:16]

    def _consent(self, person: int) -> str:
        return f"consent:{self._pseudonymise(str(person))}"
