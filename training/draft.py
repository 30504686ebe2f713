"""A net and its report, whole before they take the places of earlier ones: nothing else loses those."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from training.data.photos import DataError
from training.evaluation.left_out.runs import LEFT_OUT_FOLDER
from training.runs import METRICS_FILE, find_report
from training.whole_files import PART, name_part, replace_together


@dataclass(frozen=True)
class Draft:
    """Where a run is written that is to be `pickle` and its report."""

    pickle: Path

    @property
    def net(self) -> Path:
        return name_part(self.pickle)

    @property
    def report(self) -> Path:
        """A folder in the report's, which may be on another disk than the net."""
        report = find_report(self.pickle)
        return report / f"{report.name}{PART}"

    def take_places(self) -> None:
        """Net and report become `pickle` and its report together. Raises OSError.

        What a kill leaves in between is refused by `load_run`: the figures come first, and name a net that comes last.
        """
        report = find_report(self.pickle)
        files = [file for file in self.report.rglob("*") if file.is_file()]
        files.sort(key=lambda file: file.name != METRICS_FILE)
        places = {file: report / file.relative_to(self.report) for file in files}
        others = set(report.glob("*.png")) - set(places.values())  # pictures of an earlier net
        for place in places.values():
            place.parent.mkdir(exist_ok=True)
        replace_together(places | {self.net: self.pickle})
        for picture in others:
            picture.unlink()

    def delete(self) -> None:
        self.net.unlink(missing_ok=True)
        shutil.rmtree(self.report, ignore_errors=True)


@contextlib.contextmanager
def write_draft(pickle: Path) -> Iterator[Draft]:
    """A draft with the report's figures of left-out collections; it is gone when the block ends. Raises OSError."""
    draft = Draft(pickle)
    draft.delete()  # that of a process that was killed
    draft.report.mkdir(parents=True)
    left_out = find_report(pickle) / LEFT_OUT_FOLDER
    try:
        if left_out.is_dir():
            shutil.copytree(left_out, draft.report / LEFT_OUT_FOLDER)
        yield draft
    finally:
        draft.delete()


@contextlib.contextmanager
def keep_others_out(report: Path) -> Iterator[None]:
    """No other process writes into the folder within the block: each would delete what the other has begun.

    The system gives the lock back when the process ends, by kill -9 too. Where the disk knows no locks, nobody is kept
    out. Raises DataError where another process has it, OSError without the folder.
    """
    folder = os.open(report, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise DataError(
                    f"another training or report is writing {report}. Wait for its end, or give another --out."
                ) from error
        yield
    finally:
        os.close(folder)
