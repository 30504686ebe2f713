"""What the export needs of a training run beside the learner itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.data.photos import LabelledPhoto
from training.fitting.dataloaders import get_labels
from training.runs import Run, load_run


class ExportError(Exception):
    """The net cannot be exported; the message says what is wrong and what to do. Nothing was written."""


@dataclass(frozen=True)
class Source(Run):
    """A training run, with its photos on both sides of the split."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in the order of the net's outputs; an outsider class behind them is not one."""
        return get_labels(self.learner.dls)

    @property
    def held_out(self) -> list[LabelledPhoto]:
        return [photo for photo in self.photos if photo.held_out]

    @property
    def targets(self) -> NDArray[np.int64]:
        """The class numbers of the held-out photos, `[photos]`."""
        return np.array([self.labels.index(photo.label) for photo in self.held_out])

    @property
    def trained_on(self) -> list[LabelledPhoto]:
        return [photo for photo in self.photos if not photo.held_out]


def load(pickle: Path, data: Path | None) -> Source:
    """`load_run`, for the export. Raises DataError."""
    run = load_run(pickle, data)
    return Source(run.learner, run.metrics, run.photos, run.folder)


def digest(photos: Iterable[LabelledPhoto], folder: Path) -> str:
    """A name for a set of photos below `folder`: the same 16 hexadecimal digits for the same paths."""
    paths = sorted(photo.path.relative_to(folder).as_posix() for photo in photos)
    return hashlib.sha256("\n".join(paths).encode()).hexdigest()[:16]
