"""The updates of one lane that are in memory stand in a line, in the order in which people sent them."""

from __future__ import annotations

import asyncio
from bisect import insort
from collections.abc import Collection
from typing import Protocol


class Standing(Protocol):
    """A slot, as the others of its line see it."""

    number: int
    passed: asyncio.Event
    is_broken_off: bool

    def break_off(self) -> None: ...


class Line:
    """The slots of one lane, by the numbers of their updates: one that comes late takes its own place all the same."""

    def __init__(self) -> None:
        self._slots: list[Standing] = []

    def join(self, slot: Standing) -> None:
        insort(self._slots, slot, key=lambda other: other.number)

    def leave(self, slot: Standing) -> None:
        """It may have left before."""
        if slot in self._slots:
            self._slots.remove(slot)

    def find_before(self, slot: Standing) -> Standing | None:
        """The last one before it that lets nobody pass."""
        earlier = self._slots[: self._slots.index(slot)]
        return next((other for other in reversed(earlier) if other.is_broken_off or not other.passed.is_set()), None)

    def break_off(self, goes_on: Collection[Standing]) -> None:
        """All but these are not answered by this process."""
        for slot in self._slots:
            if slot not in goes_on:
                slot.break_off()
