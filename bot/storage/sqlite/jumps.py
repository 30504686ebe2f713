"""The system's clock in; whether times in the state still tell how old something is."""

from __future__ import annotations

import math
import time

from bot.storage.ledger import KEPT


class Jumps:
    """The clock may be set forward while the process runs: nothing is as old then as it seems.

    A jump of less than a day does no harm: what the ledger notes is kept for a day longer than Telegram needs.
    """

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()
        self._over_at = -math.inf

    def are_over(self) -> bool:
        """Whether nothing of the state is from before a jump. To be asked regularly."""
        before, self._offset = self._offset, time.time() - time.monotonic()
        if self._offset - before > KEPT / 2:
            self._over_at = time.monotonic() + KEPT
        return time.monotonic() >= self._over_at
