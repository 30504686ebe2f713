"""One process of a bot at a time has the folder of its state: two would both answer what Telegram sends again."""

from __future__ import annotations

import fcntl
import logging
from io import FileIO
from pathlib import Path

log = logging.getLogger(__name__)


class ProcessLock:
    """The system gives it back when the process ends, by kill -9 too. The file stays: only its lock counts."""

    def __init__(self, folder: Path, bot: int) -> None:
        self._path = folder / f"{bot}.lock"
        self._file: FileIO | None = None

    def take(self) -> bool:
        """Whether no other process has it. Where files cannot be locked, nobody is kept out."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = FileIO(self._path, "a")
        except OSError:  # then the state cannot be kept either, and its opening says why
            return True
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        except OSError as error:
            log.warning("%s cannot be locked (%s): start one process of a bot only", self._path, error.strerror)
        self._file = file
        return True

    def release(self) -> None:
        if self._file:
            self._file.close()
