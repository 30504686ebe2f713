"""How good a recipe is on collections that it left out, and what follows of it for the net that is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bot.inference.contract import Unsure
from training.evaluation.answers import Answers
from training.evaluation.calibration import (
    choose_unsure,
    expected_calibration_error,
    fit_temperature,
    reliability,
)
from training.evaluation.evaluate import Scores, score
from training.evaluation.evidence import Location
from training.evaluation.left_out.runs import LeftOutRun
from training.evaluation.out_of_distribution import Rejection, measure_rejection
from training.evaluation.subgroups import FACE_HEIGHT, FACES, Group, Traits, break_down
from training.recipe import name_weights, read_fields

APART = ("unseen", "seed", "split_seed")
"""Fields of a recipe that do not make one net surer of itself than another."""
LENGTH = ("epochs", "ema")
"""Fields of a recipe that say how long a net is trained."""
SHORTEST = 0.5
"""The share of the file's epochs from which a shorter training's temperature and limits are the file's too."""
UNCERTAIN, STRANGE = 0.005, 0.025
"""Shares of the photos of left-out collections that get no label: see `choose_unsure`."""


@dataclass(frozen=True)
class LeftOutCollection:
    """Figures of one collection, by the net that never saw it."""

    scores: Scores
    calibration_error: float
    rejection: Rejection | None
    groups: list[Group]
    """By number and height of faces, where groups.csv has them."""
    location: Location | None = None
    """Where the evidence lies on the pairs of the collection."""


@dataclass(frozen=True)
class LeftOut:
    temperature: float
    """Fitted to the logits of all left-out collections."""
    rule: Unsure
    collections: dict[str, LeftOutCollection]
    recipes: dict[str, dict[str, Any]]
    """What each net was trained by."""

    def __post_init__(self) -> None:
        """Raises ValueError for a recipe with a field of another type."""
        for recipe in self.recipes.values():
            read_fields(recipe)

    def find_changes(self, recipe: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """The nets whose recipe is not `recipe`, with the fields that differ, but for what is no part of training."""
        whole = _fill(recipe)
        changes = {
            name: {
                field: value for field, value in _fill(own).items() if field not in APART and value != whole.get(field)
            }
            for name, own in self.recipes.items()
        }
        return {name: changed for name, changed in changes.items() if changed}

    def transfers(self, recipe: Mapping[str, Any]) -> bool:
        """Whether temperature and limits fit a net of `recipe`: nets of other recipes are not as sure of themselves.

        A training that is shorter, by half at most, is not another recipe.
        """
        return all(
            not changed.keys() - set(LENGTH)
            and read_fields(self.recipes[name]).epochs >= SHORTEST * read_fields(recipe).epochs
            for name, changed in self.find_changes(recipe).items()
        )

    @property
    def worst(self) -> str:
        """The collection of which the fewest photos are right."""
        return min(self.collections, key=lambda name: self.collections[name].scores.right.share)


def _fill(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe as files hold it, with the fields that its file leaves out."""
    return asdict(read_fields(recipe)) | name_weights(recipe)


def measure_left_out(runs: Sequence[LeftOutRun], traits: Mapping[str, Traits]) -> LeftOut | None:
    """Figures of all runs under one temperature and one rule, collections weighing alike; None without runs.

    `traits` are those of each collection's photos in their order, by the collection's name.
    """
    if not runs:
        return None
    least = max(len(run.photos) for run in runs)
    even = [np.resize(np.arange(len(run.photos)), least) for run in runs]  # a small collection's photos come again
    logits = [np.array([photo.logits for photo in run.photos], np.float32)[:, : len(run.labels)] for run in runs]
    pooled = np.concatenate([rows[index] for rows, index in zip(logits, even, strict=True)])
    targets = np.concatenate([run.find_targets()[index] for run, index in zip(runs, even, strict=True)])
    temperature = fit_temperature(pooled, targets)
    answers = {run.collection: run.answer(temperature) for run in runs}
    parts = [answers[run.collection][index] for run, index in zip(runs, even, strict=True)]
    everything = Answers(
        np.concatenate([part.probabilities for part in parts]), np.concatenate([part.outsider for part in parts])
    )
    rule = choose_unsure(everything, UNCERTAIN, STRANGE)
    collections = {
        run.collection: _measure(run, answers[run.collection], temperature, rule, traits.get(run.collection, {}))
        for run in runs
    }
    return LeftOut(temperature, rule, collections, {run.collection: name_weights(run.recipe) for run in runs})


def _measure(run: LeftOutRun, answers: Answers, temperature: float, rule: Unsure, traits: Traits) -> LeftOutCollection:
    targets = run.find_targets()
    shown = {name: values for name, values in traits.items() if name in (FACES, FACE_HEIGHT)}
    return LeftOutCollection(
        scores=score(answers, targets, rule, run.labels),
        calibration_error=expected_calibration_error(reliability(answers.probabilities, targets)),
        rejection=None
        if np.isnan(answers.outsider).any()
        else measure_rejection(run.answer_pictures(temperature), rule),
        groups=break_down(answers.labels == targets, targets, run.labels, shown),
        location=run.location,
    )
