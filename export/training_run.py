"""What the export needs of a training run beside the learner itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.photos import LabelledPhoto
from training.fitting.dataloaders import get_labels
from training.recipe import Recipe
from training.runs import METRICS_FILE, Run, find_report, load_run, read_metrics, read_recipe


class ExportError(Exception):
    """The net cannot be exported; the message says what is wrong and what to do. Nothing was written."""


@dataclass(frozen=True)
class Source(Run):
    """A training run, with its photos on both sides of the split and what it learned from."""

    earlier: dict[str, dict[str, Any]]
    """Names and recipes of the runs that it learned from or went on from, each after those that it needs itself; of a
    recipe what differs from the usual.
    """

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
    """`load_run`, and the recipes of earlier runs whose reports are still there. Raises DataError."""
    run = load_run(pickle, data)
    return Source(run.learner, run.metrics, run.photos, run.folder, _find_earlier(run.recipe))


def _find_earlier(recipe: Recipe) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for file in (recipe.teacher, recipe.weights if recipe.goes_on else None):
        report = find_report(Path(file)) if file else None
        if file and report and (report / METRICS_FILE).is_file():
            needed = read_recipe(read_metrics(report))
            found |= {**_find_earlier(needed), Path(file).stem: list_changes(needed)}
    return found


def list_changes(recipe: Recipe) -> dict[str, Any]:
    """The fields of a recipe that are not the usual ones."""
    usual = asdict(Recipe())
    return {name: value for name, value in asdict(recipe).items() if value != usual[name]}


def digest(photos: Iterable[LabelledPhoto], folder: Path) -> str:
    """A name for a set of photos below `folder`: the same 16 hexadecimal digits for the same paths."""
    paths = sorted(photo.path.relative_to(folder).as_posix() for photo in photos)
    return hashlib.sha256("\n".join(paths).encode()).hexdigest()[:16]
