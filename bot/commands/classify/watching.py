"""`--watch DIR`: photos that arrive in a folder, until Ctrl-C."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from bot.errors import LabelgramError
from bot.inference.names import is_folder
from bot.inference.photo_files import find_photos

PAUSE = 1.0
"""Seconds between two looks at the folder: it may be on a network, where no system call tells of new files."""

States = dict[Path, tuple[int, int]]
"""Size in bytes and time of change in ns of each photo."""


class WatchError(LabelgramError):
    """The folder cannot be watched; the message says why."""


def watch(folder: Path) -> Iterator[str]:
    """Paths of photos that are new in `folder` or below it, or were changed; each when it has stopped growing.

    What is there when this is called is passed over. Raises WatchError if `folder` is not a folder, also later.
    """
    return _wait_for_photos(folder, _look(folder))


def _wait_for_photos(folder: Path, known: States) -> Iterator[str]:
    growing: States = {}
    while True:
        time.sleep(PAUSE)
        seen = _look(folder)
        for photo, state in seen.items():
            if known.get(photo) != state and growing.get(photo) == state:
                known[photo] = state
                yield str(photo)
        growing = seen
        known = {photo: state for photo, state in known.items() if photo in seen or not _is_gone(photo)}


def _is_gone(photo: Path) -> bool:
    """Whether it was deleted, so that it is new when it comes back: not if its folder cannot be seen for a moment."""
    return is_folder(photo.parent) and not os.path.lexists(photo)


def _look(folder: Path) -> States:
    try:
        os.listdir(folder)  # noqa: PTH208  # where that fails, the system says why
        photos = find_photos(folder)
    except OSError as error:
        raise WatchError(f"--watch {folder}: {error.strerror}. Name a folder that is there.") from error
    states = {}
    for photo in photos:
        try:
            status = photo.stat()
        except OSError:  # deleted meanwhile, or a broken link
            continue
        states[photo] = status.st_size, status.st_mtime_ns
    return states
