"""Where the updates of the backlog stand: what is known of each in memory, without its content."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from heapq import nsmallest
from itertools import islice

from bot.delivery.updates.identity import Lane

EACH = 3
"""Updates of a lane that are in work at a time: one is sent, the others are ready when it is."""

LaneName = tuple[int, Lane]


@dataclass(frozen=True)
class Place:
    """One update of the backlog."""

    person: str
    """The pseudonym of whose it is."""
    lane: LaneName | None
    """None: it has left its lane. It waits for no other, and no other waits for it."""
    number: int
    """Its `update_id`: lanes are in the order of these."""
    since: float
    """When it first came (by `time.monotonic`)."""
    due: float
    """When it is worth another try, on the same clock."""
    attempts: int
    """How often it has failed."""


class Places:
    """By the keys of their updates."""

    def __init__(self) -> None:
        self._places: dict[str, Place] = {}
        self._lanes: dict[LaneName | None, dict[str, Place]] = {}
        self._turns: dict[LaneName | None, int] = {}
        """When each lane was last chosen from, counted in choices."""
        self._choices = 0

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def get(self, key: str) -> Place | None:
        return self._places.get(key)

    def put(self, key: str, place: Place) -> None:
        self.discard(key)
        self._places[key] = place
        self._lanes.setdefault(place.lane, {})[key] = place

    def discard(self, key: str) -> None:
        """It may not be there."""
        if place := self._places.pop(key, None):
            lane = self._lanes[place.lane]
            del lane[key]
            if not lane:
                del self._lanes[place.lane]
                self._turns.pop(place.lane, None)

    def find_before(self, lane: LaneName, number: int) -> Iterator[str]:
        """Those of the lane that were sent before that number."""
        return (key for key, place in self._lanes.get(lane, {}).items() if place.number < number)

    def find_of(self, person: str, number: int) -> list[str]:
        """Those of the person that were sent before that number."""
        return [key for key, place in self._places.items() if place.person == person and place.number < number]

    def find_older(self, since: float) -> list[str]:
        """Those that came before that moment."""
        return [key for key, place in self._places.items() if place.since < since]

    def choose(self, now: float, in_work: Collection[str], most: int, shown: float) -> list[str]:
        """What to begin with, in order, so that `most` are in work: the first of each lane before the second of any.

        Lanes take turns: many that may be sent little keep no other waiting. One that is not due, or whose number is
        above `shown`, holds up those behind it in its lane.
        """
        found: list[tuple[int, int, int, str]] = []
        for lane, places in self._lanes.items():
            free = ((key, place) for key, place in places.items() if lane or place.due <= now)
            first = nsmallest(EACH if lane else most, free, key=lambda item: item[1].number)
            for index, (key, place) in enumerate(first):
                if key not in in_work and (place.due > now or place.number > shown):
                    break
                found.append((index, self._turns.get(lane, 0), place.number, key))
        chosen = list(islice((key for *_, key in sorted(found) if key not in in_work), max(0, most - len(in_work))))
        self._choices += 1
        self._turns.update((self._places[key].lane, self._choices) for key in chosen)
        return chosen
