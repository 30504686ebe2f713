"""`--watch DIR`: photos that arrive in a folder, until Ctrl-C."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from bot.errors import LabelgramError
from bot.inference.photo_files import find_photos

PAUSE = 1.0
"""Seconds between two looks at the folder: it may be on a network, where no system call tells of new files."""


class WatchError(LabelgramError):
    """The folder cannot be watched; the message says why."""


def watch(folder: Path) -> Iterator[str]:
    """Paths of photos that are new in `folder` or below it, or were changed; each when it has stopped growing.

    What is there at the start is passed over. Raises WatchError if `folder` is not a folder.
    """
    if not folder.is_dir():
        raise WatchError(f"--watch {folder} is not a folder.")
    known = _look(folder)
    growing: dict[Path, tuple[int, int]] = {}
    while True:
        time.sleep(PAUSE)
        seen = _look(folder)
        for photo, state in seen.items():
            if known.get(photo) != state and growing.get(photo) == state:
                known[photo] = state
                yield str(photo)
        growing = seen


def _look(folder: Path) -> dict[Path, tuple[int, int]]:
    """Size in bytes and time of change in ns of each photo."""
    states = {}
    for photo in find_photos(folder):
        try:
            status = photo.stat()
        except OSError:  # deleted meanwhile, or a broken link
            continue
        states[photo] = status.st_size, status.st_mtime_ns
    return states
