"""A net and its report, whole before they take the places of earlier ones: nothing else loses those."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

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
