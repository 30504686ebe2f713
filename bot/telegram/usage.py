"""How often the bot answered, was not sure and was called wrong: by day and by class, for /stats."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bot.inference.classifier import Prediction
from bot.inference.decoding import Reason
from bot.storage.key_values import KeyValueStore

DAYS = 7
"""Days that are shown, in UTC, today included."""


@dataclass(frozen=True)
class Day:
    day: str
    answered: int
    unsure: int
    wrong: int


@dataclass(frozen=True)
class ClassCounts:
    label: str
    named: int
    wrong: int
    """Of these, called wrong."""
    missed: int
    """Photos of another answer that people said this class of."""


class Statistics:
    """Counts in the key-values. Every method raises LedgerError."""

    def __init__(self, key_values: KeyValueStore) -> None:
        self._key_values = key_values

    async def add_answer(self, outcome: Prediction | Reason) -> None:
        names = ["answered", f"{_today()}:answered"]
        if isinstance(outcome, Prediction):
            names += ["unsure", f"{_today()}:unsure"] if outcome.unsure else [f"named:{outcome.label}"]
        await self._add(*names)

    async def add_verdict(self, label: str, right: bool) -> None:
        """Somebody has called an answer that named `label` right or wrong."""
        await (self._add("right") if right else self._add("wrong", f"{_today()}:wrong", f"wrong:{label}"))

    async def add_missed(self, label: str) -> None:
        """Somebody has said that a photo shows `label`, which the answer did not name."""
        await self._add(f"missed:{label}")

    async def add_none(self) -> None:
        """Somebody has said that a photo, called wrong, shows none of the classes."""
        await self._add("none")

    async def read_totals(self) -> dict[str, int]:
        """How many photos were `answered`, `unsure`, called `right`, `wrong` and `none` of the classes, ever."""
        names = ("answered", "unsure", "right", "wrong", "none")
        return dict(zip(names, await self._read(*names), strict=True))

    async def read_days(self) -> list[Day]:
        """The last DAYS days, the latest first; those without an answer are left out."""
        days = [_day(time.time() - back * 24 * 3600) for back in range(DAYS)]
        rows = [Day(day, *await self._read(f"{day}:answered", f"{day}:unsure", f"{day}:wrong")) for day in days]
        return [row for row in rows if row.answered]

    async def read_classes(self, labels: Sequence[str]) -> list[ClassCounts]:
        """Of classes that were named or missed, those that were named most often first."""
        rows = [
            ClassCounts(label, *await self._read(f"named:{label}", f"wrong:{label}", f"missed:{label}"))
            for label in labels
        ]
        return sorted((row for row in rows if row.named or row.missed), key=lambda row: row.named, reverse=True)

    async def _add(self, *names: str) -> None:
        await self._key_values.add(*(f"count:{name}" for name in names))

    async def _read(self, *names: str) -> list[int]:
        values = await asyncio.gather(*(self._key_values.get(f"count:{name}") for name in names))
        return [int(value or 0) for value in values]


def _today() -> str:
    return _day(time.time())


def _day(at: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(at))
