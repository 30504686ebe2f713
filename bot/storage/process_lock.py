"""One process of a bot at a time has the folder of its state: two would both answer what Telegram sends again."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import sqlite3
import stat
import time
from contextlib import closing
from io import FileIO
from pathlib import Path
from urllib.parse import quote

from bot.storage.sqlite.file import IN_USE, has_code

CHECKED_EVERY = 1.0
"""Seconds between two looks of the process that has the lock."""
WAIT = 3 * CHECKED_EVERY
"""Seconds that a process waits where there is a state and no lock: another process may be about to make it again."""
MISSES = 3
"""How often a file may have gone as soon as it was opened. Then its file system gives no lasting numbers to files."""

NO_WAIT: int = getattr(os, "O_NONBLOCK", 0)
"""Windows has no pipes among its files."""

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
        self._is_told = False
        """Whether the log says already that nobody is kept out, or why nothing else works either."""
        self.is_looking = False
        """Whether `take` waits though nobody has the lock: who has the state may be about to make it again."""

    def take(self) -> bool:
        """Whether no other process has it. Where there can be no lock, nobody is kept out, and the log says so."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError:  # then the state cannot be kept either, and its opening says why
            self._is_told = True
            return True
        try:
            is_there = self._path.exists()
            file = self._open()
        except OSError as error:
            self._tell(error)
            return True
        if not is_there and self._was_here():
            self._not_before = time.monotonic() + WAIT
        self.is_looking = time.monotonic() < self._not_before
        if self.is_looking:
            file.close()
            return False
        return self._lock_or_close(file)

    def keep(self) -> bool:
        """Take the lock again where its file has gone. False: another process has taken it meanwhile.

        Where that cannot be done the log says so once, and the next time it is tried again.
        """
        if self._misses == MISSES or (self._file and self._is_named(self._file)):
            return True
        try:
            file = self._open()
        except OSError as error:
            self._tell(error)
            return True
        self.release()
        return self._lock_or_close(file)

    def release(self) -> None:
        if self._file:
            self._file.close()
            self._file = None

    def _was_here(self) -> bool:
        """Whether the state has notes of this bot, or somebody writes to it.

        Another bot's notes say nothing: several may share the folder.
        """
        name = quote(os.fsencode((self._path.parent / "notes.sqlite").absolute().as_posix().lstrip("/")))
        try:
            with closing(sqlite3.connect(f"file:///{name}?mode=ro", timeout=0, uri=True)) as database:
                query = "SELECT 1 FROM notes WHERE name >= ? AND name < ? LIMIT 1"
                start, end = f"{self._path.stem}:", f"{self._path.stem};"  # the sign behind a colon
                return database.execute(query, (start, end)).fetchone() is not None
        except sqlite3.Error as error:  # not made yet, or damaged: that is told later
            return has_code(error, IN_USE)

    def _open(self) -> FileIO:
        """Raises OSError, also where something else has the name: to open a pipe could take for ever."""
        try:
            number = os.open(self._path, os.O_RDWR | os.O_CREAT | NO_WAIT, 0o666)
        except PermissionError as error:  # to read it is enough for a lock
            try:
                number = os.open(self._path, os.O_RDONLY | NO_WAIT)
            except OSError:
                raise error from None
        if not stat.S_ISREG(os.fstat(number).st_mode):
            os.close(number)
            raise OSError(errno.EINVAL, "it is no file")
        return FileIO(number, "r")

    def _tell(self, error: OSError) -> None:
        if not self._is_told:
            log.warning("%s cannot be locked (%s): start one process of a bot only", self._path, error.strerror)
        self._is_told = True

    def _lock_or_close(self, file: FileIO) -> bool:
        if self._lock(file):
            self._file = file
            return True
        file.close()
        return False

    def _lock(self, file: FileIO) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            self._tell(error)
            return True
        self._is_told = False
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
