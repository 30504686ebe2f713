"""What a training run left behind, read back for the export."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastai.learner import Learner, load_learner

from training.photos import DataError, LabelledPhoto, read_split
from training.report import METRICS_FILE, SPLIT_FILE, read_metrics


class ExportError(Exception):
    """The net cannot be exported; the message says what is wrong and what to do. Nothing was written."""


@dataclass(frozen=True)
class Source:
    """A trained learner with the facts and the photos of its training."""

    learner: Learner
    metrics: dict[str, Any]
    photos: list[LabelledPhoto]

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in the order of the net's outputs."""
        return tuple(self.learner.dls.vocab)

    @property
    def held_out(self) -> list[LabelledPhoto]:
        return [photo for photo in self.photos if photo.held_out]

    @property
    def trained_on(self) -> list[LabelledPhoto]:
        return [photo for photo in self.photos if not photo.held_out]


def load(pickle: Path, data: Path | None) -> Source:
    """Load `NAME.pkl` and `NAME-report/`; `data` is the photos' folder if it is not where the training had it.

    Unpickling runs code that the file names: load only files of your own. Raises ExportError if something is missing.
    """
    report = pickle.with_name(f"{pickle.stem}-report")
    for needed in (pickle, report / METRICS_FILE, report / SPLIT_FILE):
        if not needed.is_file():
            raise ExportError(f"{needed} is not there. `python -m training` writes NAME.pkl and NAME-report/.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # fastai warns at every load that pickle runs code; the README says so
            learner = load_learner(pickle)
    except Exception as error:  # unpickling raises whatever the file makes it raise
        raise ExportError(f"{pickle} is not a learner that this version can load: {error}") from error
    metrics = read_metrics(report)
    try:
        photos = read_split(data or Path(metrics["data"]), report / SPLIT_FILE)
    except DataError as error:
        raise ExportError(str(error)) from error
    return Source(learner, metrics, photos)
