"""How long to wait before a failed call is tried again."""

from __future__ import annotations

import random

LONGEST = 10.0


def backoff(attempt: int) -> float:
    """Seconds to wait after failed attempt 1, 2, 3...: up to 0.4, 0.6, 0.9... at most LONGEST, at random from half on.

    Half as much again, not twice as much: a run of failures is chance more often than an outage, and somebody waits.
    Jitter keeps those who failed together from coming back together.
    """
    return min(LONGEST, 0.4 * 1.5 ** min(attempt - 1, 20)) * random.uniform(0.5, 1)  # more would overflow in time
