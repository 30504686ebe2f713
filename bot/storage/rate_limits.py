"""How much is let in from one sender, and how much is sent out to one chat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Rate:
    """A token bucket: `burst` at once, refilled by `per_second`."""

    per_second: float
    burst: int


class RateLimiter(Protocol):
    """Rates by name. Names of people and chats are pseudonyms."""

    async def reserve(self, name: str, rate: Rate, at_most: float = float("inf")) -> float | None:
        """Take the next place: the seconds until it comes. None, and nothing taken, if that is above `at_most`."""

    async def hold(self, name: str, rate: Rate, seconds: float) -> None:
        """Give no place for so long."""
