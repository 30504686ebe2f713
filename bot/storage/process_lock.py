"""One process of a bot at a time has the folder of its state: two would both answer what Telegram sends again."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import time
from io import FileIO
from pathlib import Path

CHECKED_EVERY = 1.0
"""Seconds between two looks of the process that has the lock."""
WAIT = 3 * CHECKED_EVERY
"""Seconds that a process waits where there is a state and no lock: another process may be about to make it again."""
MISSES = 3
"""How often a file may have gone as soon as it was opened. Then its file system gives no lasting numbers to files."""

log = logging.getLogger(__name__)


class ProcessLock:
    """The system gives it back when the process ends, by kill -9 too. The file stays: only its lock counts.

    Each bot has a file of its own, since several may share a folder. Who deletes it while its process runs lets nobody
    in: `keep` makes it again.
    """

    def __init__(self, folder: Path, bot: int) -> None:
        self._path = folder / f"{bot}.lock"
        self._file: FileIO | None = None
        self._not_before = 0.0
        """On the clock of `time.monotonic`."""
        self._misses = 0

    def take(self) -> bool:
        """Whether no other process has it. Where files cannot be locked, nobody is kept out."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if not self._path.exists() and any(self._path.parent.glob("*.sqlite")):
                self._not_before = time.monotonic() + WAIT
            file = FileIO(self._path, "a")
        except OSError:  # then the state cannot be kept either, and its opening says why
            return True
        if time.monotonic() >= self._not_before and self._lock(file):
            self._file = file
            return True
        file.close()
        return False

    def keep(self) -> bool:
        """Take the lock again where its file has gone. False: another process has taken it meanwhile."""
        if self._misses == MISSES or (self._file and self._is_named(self._file)):
            return True
        try:
            self._path.touch()  # so that `take` does not wait
        except OSError:  # the folder has gone too
            return True
        self.release()
        return self.take()

    def release(self) -> None:
        if self._file:
            self._file.close()
            self._file = None

    def _lock(self, file: FileIO) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            log.warning("%s cannot be locked (%s): start one process of a bot only", self._path, error.strerror)
            return True
        if self._misses < MISSES and not self._is_named(file):
            self._misses += 1
            return False
        return True

    def _is_named(self, file: FileIO) -> bool:
        """Whether the lock's name leads to `file`, and not to nothing or to another file."""
        try:
            return os.path.samestat(os.fstat(file.fileno()), self._path.stat())
        except OSError as error:  # of a disk in trouble nothing is known
            return error.errno not in (errno.ENOENT, errno.ESTALE)
