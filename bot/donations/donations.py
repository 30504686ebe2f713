"""Photos that people let the bot keep, as folders of classes that `python -m training --data` takes as they are."""

from __future__ import annotations

import asyncio
import re
import secrets
from enum import Enum, auto
from weakref import WeakValueDictionary

from bot.donations.metadata import StrippedPhoto
from bot.donations.store import Store, StoreError
from bot.storage.key_values import KeyValueStore
from bot.storage.pseudonyms import Pseudonymiser
from bot.whole_files import PART

KEY = "labelgram-key"
"""Name of the file, outside of the classes, that the givers' pseudonyms are made with."""
KEY_BYTES = 32
MADE = "givers-key"
"""The note that there is a key: the photos of versions before it need none."""
GIVEN = re.compile(r"[0-9a-f]{16}-[0-9a-f]{16}\.")
"""What the names of kept photos begin with: the giver, and the photo's digest. Others are the owner's own."""
MOST_OF_ONE = 500
"""Photos that are kept of one person."""
MOST = 20_000
"""Photos that are kept in all. Of photos as Telegram makes them these are about 4 GB."""


class Outcome(Enum):
    """What became of a photo that was to be kept."""

    KEPT = auto()
    NO_CONSENT = auto()
    """There was none, or it was taken back meanwhile."""
    FULL = auto()
    """So many photos are kept of the person, or in all, that no more are."""


class Donations:
    """Off where there is no store. A file's name begins with a pseudonym of its giver, so that it can be deleted.

    The pseudonyms hang on a key of their own, which is made once and lies beside the photos: it lives as long as they
    do, and bots that share a store, replicas or one with a new token, know each other's givers. It is read each time:
    who takes the photos away takes it along.
    """

    def __init__(self, store: Store | None, key_values: KeyValueStore, pseudonymise: Pseudonymiser) -> None:
        """`pseudonymise` is the bot's own, from its token: earlier versions named givers by it."""
        self._store = store
        self._key_values = key_values
        self._pseudonymise = pseudonymise
        self._locks: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()  # by person, while somebody waits

    @property
    def are_on(self) -> bool:
        return self._store is not None

    async def find_consent(self, person: int) -> str | None:
        """A word that stands for the consent as it was given, if a person has given one. Another time it is another."""
        consent = await self._key_values.get(self._consent(person)) if self.are_on else None
        return consent if consent and consent.startswith("yes") else None

    async def set_consent(self, person: int, agreed: bool) -> None:
        await self._key_values.set(self._consent(person), f"yes {secrets.token_hex(8)}" if agreed else "no")

    async def keep(self, person: int, consent: str, label: str, photo: StrippedPhoto) -> Outcome:
        """Write a photo to those of its class, if `consent` still holds. The same one again stays one.

        Consent is asked right before and after the write, so that /forget in another process has its way too. Raises
        StoreError.
        """
        assert self._store
        async with self._lock(person):
            names = await self._store.list_photos()
            giver = _name_giver(await self._find_or_make_key(names), person)
            start = f"{giver}-{photo.digest[:16]}."
            name = f"{label.replace('/', '_').lstrip('.') or '_'}/{start}{photo.ending}"
            earlier = [other for other in names if _file(other).startswith(start)]
            if not earlier and (len(names) >= MOST or sum(_is_of(other, [giver]) for other in names) >= MOST_OF_ONE):
                return Outcome.FULL
            if await self.find_consent(person) != consent:
                return Outcome.NO_CONSENT
            await self._store.write(name, photo.content)
            if await self.find_consent(person) != consent:
                await self._store.delete([name])
                return Outcome.NO_CONSENT
            await self._store.delete([other for other in earlier if other != name])  # it had another label
            return Outcome.KEPT

    async def forget(self, person: int) -> int:
        """Take back the consent and delete all that a person gave; returns how many photos that were.

        Raises StoreError if they cannot be deleted now; the consent is taken back all the same.
        """
        await self._key_values.delete(self._consent(person))
        if self._store is None:
            return 0
        async with self._lock(person):
            names = await self._store.list_photos()
            key = await self._find_key(names)
            pseudonymisers = [self._pseudonymise, *([key] if key else [])]  # the first is that of earlier versions
            givers = [_name_giver(pseudonymise, person) for pseudonymise in pseudonymisers]
            own = [name for name in names if _is_of(name, givers)]
            await self._store.delete(own)
            return _count(own)

    async def count(self) -> int:
        """Raises StoreError."""
        return _count(await self._store.list_photos()) if self._store else 0

    async def check_key(self) -> None:
        """Raises StoreError if the givers of the photos that are there could not be told."""
        if self._store:
            await self._find_key(await self._store.list_photos())

    async def _find_or_make_key(self, names: list[str]) -> Pseudonymiser:
        """What new photos are named by. Raises StoreError."""
        assert self._store
        key = await self._find_key(names)
        if key is None:
            key = await self._read_key(await self._store.create(KEY, secrets.token_hex(KEY_BYTES).encode()))
        return key

    async def _find_key(self, names: list[str]) -> Pseudonymiser | None:
        """None before the first photo. Raises StoreError if the photos `names` have lost it, or it is damaged.

        `names` are listed before: another process makes the key before its first photo.
        """
        assert self._store
        content = await self._store.read(KEY)
        if content is not None:
            return await self._read_key(content)
        if any(GIVEN.match(_file(name)) for name in names) and await self._key_values.get(MADE):
            raise StoreError(self._tell_lost("missing"))
        return None

    async def _read_key(self, content: bytes) -> Pseudonymiser:
        """Take note that there is one, too. Raises StoreError."""
        if len(content) != 2 * KEY_BYTES or not content.isalnum():
            raise StoreError(self._tell_lost("damaged"))
        if await self._key_values.get(MADE) is None:
            await self._key_values.set(MADE, "yes")
        return Pseudonymiser(content.decode())

    def _tell_lost(self, how: str) -> str:
        assert self._store
        return f"{KEY} in {self._store.where} is {how}: put it back from a copy, or take it and all photos away"

    def _lock(self, person: int) -> asyncio.Lock:
        return self._locks.setdefault(person, asyncio.Lock())

    def _consent(self, person: int) -> str:
        return f"consent:{self._pseudonymise(str(person))}"


def _file(name: str) -> str:
    return name.rpartition("/")[2]


def _count(names: list[str]) -> int:
    return sum(not name.endswith(PART) for name in names)


def _name_giver(pseudonymise: Pseudonymiser, person: int) -> str:
    return pseudonymise(f"giver {person}")[:16]


def _is_of(name: str, givers: list[str]) -> bool:
    return _file(name).partition("-")[0] in givers
