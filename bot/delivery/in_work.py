"""The updates in work: who waits for whom of them, and who goes on later."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from weakref import WeakValueDictionary

from aiogram.types import Update

from bot.delivery.lanes.lines import Line
from bot.delivery.lanes.slots import Slot
from bot.delivery.lanes.waiting import Policy
from bot.delivery.updates.identity import Lane, find_lane
from bot.delivery.updates.incoming import Entry, Incoming


class InWork:
    """At most `at_once` of a kind compute or send at a time; of explanations one."""

    def __init__(self, at_once: int) -> None:
        self.entries: dict[str, Entry] = {}
        """By their keys."""
        self._places = {lane: asyncio.Semaphore(1 if lane is Lane.EXPLANATION else at_once) for lane in Lane}
        self._lines: WeakValueDictionary[tuple[int, Lane], Line] = WeakValueDictionary()
        """Those with slots."""

    @property
    def count(self) -> int:
        """Those in work, or on their way to it: those that wait for others than the bot do not count."""
        return sum(not (entry.is_begun and entry.slot.is_waiting) for entry in self.entries.values())

    def stand_in_line(self, incoming: Incoming, update: Update, policy: Policy) -> Slot:
        """The update's slot, in its place in its lane: it is waited for until the slot ends."""
        name = find_lane(update)
        line = self._lines.setdefault(name, Line())
        slot = Slot(self._places[name[1]], policy, incoming.since, incoming.number, line)
        if incoming.slot:
            incoming.slot.end()
        incoming.slot = slot
        if incoming.is_apart:
            slot.leave_lane()
        return slot

    def is_behind(self, entry: Entry, earlier: Iterable[str]) -> bool:
        """Whether one of its lane has its turn before it, but not now: `earlier` are those that are put down.

        One of those that is in work is waited for, unless it has just gone back.
        """
        if entry.slot.has_left_lane:
            return False
        for key in earlier:
            other = self.entries.get(key)
            if other is None or (other.slot.passed.is_set() and not other.slot.has_left_lane):
                return True
        return False

    def break_off(self) -> list[Entry]:
        """The process ends. Returns what waits for others, or for its first place: that is not answered any more."""
        waiting = [entry for entry in self.entries.values() if not entry.is_begun or entry.slot.is_waiting]
        goes_on = [entry.slot for entry in self.entries.values() if entry not in waiting]
        for line in self._lines.values():
            line.break_off(goes_on)
        return waiting

    def let_go(self, is_forgotten: Callable[[Entry], bool]) -> None:
        """What is forgotten ends where it waits. What is on its way to Telegram goes on."""
        for entry in self.entries.values():
            if is_forgotten(entry):
                entry.slot.leave()
