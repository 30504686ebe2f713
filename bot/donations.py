"""Photos that people let the bot keep, as folders of classes that `python -m training --data` takes as they are."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

from bot.ledger import pseudonym
from bot.notes import Notes

ENDINGS = ((b"\xff\xd8", "jpg"), (b"\x89PNG", "png"), (b"GIF8", "gif"), (b"BM", "bmp"), (b"RIFF", "webp"))
"""How a photo file starts, and what its name ends with."""


class Donations:
    """Off where there is no folder. A file's name begins with a pseudonym of its giver, so that it can be deleted."""

    def __init__(self, folder: Path | None, notes: Notes, secret: str) -> None:
        self._folder = folder
        self._notes = notes
        self._secret = secret

    @property
    def are_on(self) -> bool:
        return self._folder is not None

    async def has_consent(self, person: int) -> bool:
        return self.are_on and await self._notes.get(self._consent(person)) == "yes"

    async def set_consent(self, person: int, agreed: bool) -> None:
        await self._notes.set(self._consent(person), "yes" if agreed else "no")

    async def keep(self, person: int, label: str, data: bytes) -> None:
        """Write a photo into the folder of its class; the same one again stays one."""
        assert self._folder
        ending = next((ending for start, ending in ENDINGS if data.startswith(start)), "heic")
        name = f"{self._name(person)}-{hashlib.sha256(data).hexdigest()[:16]}.{ending}"
        file = self._folder / label.replace("/", "_").lstrip(".") / name

        def write() -> None:
            file.parent.mkdir(parents=True, exist_ok=True)
            part = file.with_suffix(".part")
            part.write_bytes(data)
            part.replace(file)

        await asyncio.to_thread(write)

    async def forget(self, person: int) -> int:
        """Take back the consent and delete all that a person gave; returns how many photos that were."""
        await self._notes.delete(self._consent(person))
        return await asyncio.to_thread(self._delete, f"{self._name(person)}-*")

    async def count(self) -> int:
        return await asyncio.to_thread(lambda: len(self._find("*")))

    def _find(self, pattern: str) -> list[Path]:
        return list(self._folder.glob(f"*/{pattern}")) if self._folder else []

    def _delete(self, pattern: str) -> int:
        files = self._find(pattern)
        for file in files:
            file.unlink(missing_ok=True)
        return len(files)

    def _name(self, person: int) -> str:
        return pseudonym(self._secret, f"giver {person}")[:16]

    def _consent(self, person: int) -> str:
        return f"consent:{pseudonym(self._secret, str(person))}"
