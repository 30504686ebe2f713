"""A progress bar on a terminal: how many photos are done, and how long the rest will take."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence

WIDTH = 30
"""Characters of the bar."""
PAUSE = 0.1
"""Seconds between two drawings."""
FEW = 5
"""Photos for which no bar is worth drawing."""


class Progress:
    """The items of a sequence, one by one, with a bar on standard error where that is a terminal and output is not."""

    def __init__(self, items: Sequence[str]) -> None:
        self._items = items
        self._drawn_at = 0.0
        # Answers on the same screen show progress by themselves, and a bar would stand among them.
        self._is_shown = len(items) > FEW and sys.stderr.isatty() and not sys.stdout.isatty()

    def __iter__(self) -> Iterator[str]:
        start = time.monotonic()
        for done, item in enumerate(self._items):
            if self._is_shown and time.monotonic() - self._drawn_at > PAUSE:
                self._draw(done, time.monotonic() - start)
            yield item
        if self._is_shown:
            self._draw(len(self._items), time.monotonic() - start)
            print(file=sys.stderr)

    def _draw(self, done: int, seconds: float) -> None:
        self._drawn_at = time.monotonic()
        total = len(self._items)
        full = WIDTH * done // total
        left = f", {seconds / done * (total - done):.0f} s left" if 0 < done < total else ""
        print(f"\r[{'#' * full}{'.' * (WIDTH - full)}] {done}/{total}{left}\033[K", end="", file=sys.stderr, flush=True)
