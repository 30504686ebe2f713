"""What a training run leaves behind, `NAME.pkl` and `NAME-report/`, read back."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastai.learner import Learner, load_learner

from training.data.photos import DataError, LabelledPhoto
from training.data.split import read_split
from training.evaluation.subgroups import Breakdown
from training.recipe import Recipe, read_fields

METRICS_FILE = "metrics.json"
SPLIT_FILE = "split.csv"
"""In the report: which photos were trained on and which held out."""


@dataclass(frozen=True)
class Run:
    """A trained learner with the facts and the photos of its training."""

    learner: Learner
    metrics: dict[str, Any]
    photos: list[LabelledPhoto]
    folder: Path
    """Where the photos are."""

    @property
    def recipe(self) -> Recipe:
        return read_recipe(self.metrics)

    @property
    def breakdown(self) -> Breakdown:
        """By what the report breaks figures down, beside what the photos themselves tell."""
        found = self.metrics["breakdown"]
        return Breakdown(tuple(found["columns"]), found["faces"])


def load_run(pickle: Path, data: Path | None) -> Run:
    """Load a run; `data` is the photos' folder if it is not where the training had it.

    Unpickling runs code that the file names: load only files of your own. Raises DataError if something is missing.
    """
    report = find_report(pickle)
    for needed in (pickle, report / METRICS_FILE, report / SPLIT_FILE):
        if not needed.is_file():
            raise DataError(f"{needed} is not there. `python -m training` writes NAME.pkl and NAME-report/.")
    learner = read_learner(pickle)
    metrics = read_metrics(report)
    folder = data or Path(metrics["data"])
    photos = read_split(folder, report / SPLIT_FILE)
    gone = [photo.path for photo in photos if not photo.path.is_file()]
    if gone:
        raise DataError(
            f"{len(gone)} photos of the training run are not there, the first is {gone[0]}. --data names their folder."
        )
    return Run(learner, metrics, photos, folder)


def find_report(pickle: Path) -> Path:
    """`NAME-report/` beside `NAME.pkl`."""
    return pickle.with_name(f"{pickle.stem}-report")


def read_learner(pickle: Path) -> Learner:
    """Unpickle a learner. Raises DataError if it is none of this version."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # fastai warns at every load that pickle runs code; the README says so
            return load_learner(pickle)
    except Exception as error:  # unpickling raises whatever the file makes it raise
        raise DataError(f"{pickle} is not a learner that this version can load: {error}") from error


def read_metrics(report: Path) -> dict[str, Any]:
    """The figures in a report. Raises OSError if it is not there."""
    metrics: dict[str, Any] = json.loads((report / METRICS_FILE).read_text(encoding="utf-8"))
    return metrics


def read_recipe(metrics: dict[str, Any]) -> Recipe:
    """The recipe in metrics.json, or in the metadata of a file."""
    return read_fields(metrics["recipe"])
