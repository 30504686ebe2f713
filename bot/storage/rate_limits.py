"""How much is let in from one sender, and how much is sent out to one chat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol


@dataclass(frozen=True)
class Rate:
    """A token bucket: `burst` at once, refilled by `per_second`."""

    per_second: float
    burst: int


class Place(NamedTuple):
    """The answer to a reservation."""

    taken: bool
    wait: float
    """Seconds until the place comes, taken or not."""


class RateLimiter(Protocol):
    """Rates by name. Names of people and chats are pseudonyms."""

    async def reserve(self, name: str, rate: Rate, at_most: float = float("inf"), age: float = 0) -> Place:
        """Take the next place, unless it comes in more than `at_most` seconds.

        What it is taken for happened `age` seconds ago: what piled up since, at the rate, finds room.
        """

    async def hold(self, name: str, rate: Rate, seconds: float) -> None:
        """Give no place for so long."""
