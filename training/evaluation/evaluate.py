"""Every figure about answers to photos whose labels are known: the same ones for the report, the card and `verify`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bot.inference.contract import Unsure
from training.data.photos import LabelledPhoto
from training.evaluation.answers import Answers, Ask
from training.evaluation.calibration import (
    Calibration,
    expected_calibration_error,
    measure_calibration,
    reliability,
)
from training.evaluation.intervals import Share, count_share
from training.evaluation.out_of_distribution import Rejection, measure_rejection
from training.evaluation.size_shortcut import PADDINGS, copy_at_size, copy_padded, draw_sizes, score_sizes
from training.evaluation.subgroups import (
    NO_MORE,
    Breakdown,
    Group,
    Traits,
    break_down,
    find_traits,
    find_worst,
)

SURE = 0.95
"""Probability from which on a wrong answer is one that a person would trust."""
MIN_PADDED, MAX_PADDED = 50, 500
"""Padded copies are made of a third of the judged photos, evenly drawn, but of so many at least and at most."""
HELD_OUT, FOLDS = "held-out photos", "folds"
"""Whom the judged photos are strange to: the net itself, or those of the folds that each of them was left out of."""


@dataclass(frozen=True)
class JudgedPhotos:
    """Photos with their labels, and all that is known of them without a net."""

    photos: list[LabelledPhoto]
    sizes: list[tuple[int, int]]
    """Width and height of each photo's neutral copy."""
    size_only_accuracy: float
    """Accuracy, 0 to 1, of a decision tree that sees width and height alone."""
    traits: Traits
    unseen: Mapping[str, list[bytes]] = field(default_factory=dict)
    """Pictures of something else, by kinds that were never trained on."""

    @property
    def groups(self) -> list[str]:
        return [photo.group for photo in self.photos]

    @cached_property
    def labels(self) -> list[str]:
        return [photo.label for photo in self.photos]

    def find_targets(self, labels: Sequence[str]) -> NDArray[np.int64]:
        """Each photo's number among the `labels`, `[photos]`."""
        return np.array([list(labels).index(label) for label in self.labels], np.int64)


def judge(
    photos: Sequence[LabelledPhoto],
    judged: Sequence[LabelledPhoto],
    folder: Path,
    seed: int,
    breakdown: Breakdown = NO_MORE,
) -> JudgedPhotos:
    """What is known of the `judged` among the photos below `folder`. Raises DataError where `find_traits` does."""
    sizes = dict(zip([photo.path for photo in photos], draw_sizes(photos, seed), strict=True))
    return JudgedPhotos(
        photos=list(judged),
        sizes=[sizes[photo.path] for photo in judged],
        size_only_accuracy=score_sizes(photos, seed),
        traits=find_traits(judged, folder, breakdown),
    )


@dataclass(frozen=True)
class JudgedModel:
    """A net or a file, and how its answers are read."""

    ask: Ask
    labels: tuple[str, ...]
    """In the order of its outputs."""
    rule: Unsure
    temperature: float
    """What its answers are made with."""
    judged_by: str = HELD_OUT
    """HELD_OUT or FOLDS."""


@dataclass(frozen=True)
class Scores:
    """How many photos are right; answers of "not sure" count by their best class."""

    right: Share
    recall: dict[str, Share]
    """Of the labels that occur."""
    precision: dict[str, float]
    unsure: Share
    """Photos that get no label."""
    wrong_and_sure: Share
    """Photos that get a wrong label with a probability of SURE or more."""


@dataclass(frozen=True)
class CollectionScores:
    scores: Scores
    calibration_error: float


@dataclass(frozen=True)
class PaddedScores:
    """Of photos in the middle of their own blurred surroundings."""

    scores: Scores
    unchanged: Share
    """Photos whose copy has the best class that the photo itself has."""


@dataclass(frozen=True)
class Evaluation:
    judged_by: str
    """HELD_OUT or FOLDS."""
    scores: Scores
    neutral: Scores
    """Of copies whose size says nothing of their label."""
    padded: dict[str, PaddedScores]
    """By how many times as wide and high the copy is."""
    size_only_accuracy: float
    calibration: Calibration
    rejection: Rejection | None
    """None: trained without pictures of something else."""
    groups: list[Group]
    worst_group: Group | None
    collections: dict[str, CollectionScores]
    """Empty where all photos are of one."""


def evaluate(model: JudgedModel, judged: JudgedPhotos, answers: Answers) -> Evaluation:
    """Count the model's answers to the photos, ask about their copies, and count those."""
    ask, labels, rule = model.ask, model.labels, model.rule
    targets = judged.find_targets(labels)
    copies = (copy_at_size(photo, size) for photo, size in zip(judged.photos, judged.sizes, strict=True))
    groups = break_down(answers.labels == targets, targets, labels, judged.traits)
    unseen = {} if np.isnan(answers.outsider).any() else judged.unseen
    return Evaluation(
        judged_by=model.judged_by,
        scores=score(answers, targets, rule, labels),
        neutral=score(ask(copies, judged.photos), targets, rule, labels),
        padded=_score_padded(model, judged, answers),
        size_only_accuracy=judged.size_only_accuracy,
        calibration=measure_calibration(answers, targets, judged.groups, model.temperature),
        rejection=measure_rejection({kind: ask(pictures) for kind, pictures in unseen.items()}, rule),
        groups=groups,
        worst_group=find_worst(groups),
        collections=_score_collections(model, judged, answers),
    )


def score(answers: Answers, targets: NDArray[np.int64], rule: Unsure, labels: Sequence[str]) -> Scores:
    """`targets` is the right class's number, `[photos]`."""
    right, best = answers.labels == targets, answers.probabilities.max(axis=1)
    return Scores(
        right=count_share(right),
        recall={
            label: count_share(right[targets == number])
            for number, label in enumerate(labels)
            if (targets == number).any()
        },
        precision={
            label: float(right[answers.labels == number].mean()) if (answers.labels == number).any() else 0.0
            for number, label in enumerate(labels)
        },
        unsure=count_share(answers.unsure(rule)),
        wrong_and_sure=count_share(~right & (best >= SURE) & ~answers.unsure(rule)),
    )


def _score_padded(model: JudgedModel, judged: JudgedPhotos, answers: Answers) -> dict[str, PaddedScores]:
    count = len(judged.photos)
    drawn = np.unique(np.linspace(0, count - 1, min(max(MIN_PADDED, count // 3), MAX_PADDED, count), dtype=int))
    photos, targets = [judged.photos[index] for index in drawn], judged.find_targets(model.labels)[drawn]
    padded = {}
    for factor in PADDINGS:
        copies = model.ask((copy_padded(photo, factor) for photo in photos), photos)
        unchanged = count_share(copies.labels == answers[drawn].labels)
        padded[f"{factor:g}"] = PaddedScores(score(copies, targets, model.rule, model.labels), unchanged)
    return padded


def _score_collections(model: JudgedModel, judged: JudgedPhotos, answers: Answers) -> dict[str, CollectionScores]:
    column, targets = np.array([photo.collection for photo in judged.photos]), judged.find_targets(model.labels)
    names = sorted(set(column.tolist()))
    scores = {}
    for name in names if len(names) > 1 else []:
        part, mine = answers[column == name], targets[column == name]
        error = expected_calibration_error(reliability(part.probabilities, mine))
        scores[name] = CollectionScores(score(part, mine, model.rule, model.labels), error)
    return scores
