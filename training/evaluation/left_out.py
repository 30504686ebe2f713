"""How good a recipe is on photos of a collection that was left out of the training: what a stranger's photo meets.

One training without each collection gives that collection's logits (`LeftOutRun`, a JSON file each, in the report's
folder LEFT_OUT_FOLDER). All of them together give figures, a temperature and the limits of "not sure" (`LeftOut`).
These figures are of nets that are not in the exported file.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.inference.contract import Unsure
from training.data.photos import DataError, LabelledPhoto
from training.evaluation.answers import Answers, read_logits
from training.evaluation.calibration import (
    choose_unsure,
    expected_calibration_error,
    fit_temperature,
    reliability,
)
from training.evaluation.evaluate import Scores, score
from training.evaluation.evidence import Location
from training.evaluation.out_of_distribution import Rejection, measure_rejection
from training.evaluation.subgroups import FACE_HEIGHT, FACES, Group, Traits, break_down
from training.recipe import name_weights, read_fields
from training.records import from_json, read_file, to_json, write_file

LEFT_OUT_FOLDER = "left-out"
"""In the report's folder: one JSON file for each collection that was left out."""
APART = ("unseen", "seed", "split_seed")
"""Fields of a recipe that do not make one net surer of itself than another."""
LENGTH = ("epochs", "ema")
"""Fields of a recipe that say how long a net is trained."""
LONGEST, DIGITS = 200, 16
"""Bytes of a collection in a file's name, which has 255 at most, and digits that tell a shortened one from another."""
SHOWN = 3
"""Classes that a message names."""
SHORTEST = 0.5
"""The share of the file's epochs from which a shorter training's temperature and limits are the file's too."""
UNCERTAIN, STRANGE = 0.005, 0.025
"""Shares of the photos of left-out collections that get no label: see `choose_unsure`."""


@dataclass(frozen=True)
class PhotoLogits:
    path: str
    """Below the photos' folder."""
    label: str
    logits: list[float]


@dataclass(frozen=True)
class LeftOutRun:
    """What one net says of the collection that it never saw."""

    collection: str
    labels: list[str]
    """The classes, in the order of the net's first outputs."""
    recipe: dict[str, Any]
    photos: list[PhotoLogits]
    pictures: dict[str, list[list[float]]]
    """Logits of pictures of something else, by kinds that were never trained on."""
    location: Location | None = None
    """Where the evidence lies on the pairs of the collection."""

    def __post_init__(self) -> None:
        """Raises ValueError for a recipe with a field of another type."""
        read_fields(self.recipe)

    def find_targets(self) -> NDArray[np.int64]:
        return np.array([self.labels.index(photo.label) for photo in self.photos], np.int64)

    def answer(self, temperature: float) -> Answers:
        logits = np.array([photo.logits for photo in self.photos], np.float32)
        return read_logits(logits, len(self.labels), temperature)

    def answer_pictures(self, temperature: float) -> dict[str, Answers]:
        return {
            kind: read_logits(np.array(logits, np.float32), len(self.labels), temperature)
            for kind, logits in self.pictures.items()
        }


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


def make_run(
    collection: str,
    photos: Sequence[LabelledPhoto],
    logits: NDArray[np.float32],
    folder: Path,
    labels: Sequence[str],
) -> LeftOutRun:
    """What a net says, by logits float32 `[photos, outputs]`, of photos that were all kept out of its training.

    Recipe, pictures of something else and location are the caller's to add.
    """
    rows = [
        PhotoLogits(photo.path.relative_to(folder).as_posix(), photo.label, row.tolist())
        for photo, row in zip(photos, logits, strict=True)
    ]
    return LeftOutRun(collection, list(labels), {}, rows, {})


def write_run(run: LeftOutRun, report: Path) -> None:
    """Into the report of the recipe that is judged, in place of an earlier run of the same collection."""
    file = find_run(report, run.collection)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_file(to_json(run, 4), file)


def find_run(report: Path, collection: str) -> Path:
    """The file of a collection's run in a report, whether it is there or not."""
    return report / LEFT_OUT_FOLDER / f"{name_file(collection)}.json"


def name_file(collection: str) -> str:
    """A part of a file's name for a collection, whose name may be long or hold slashes: another one for each."""
    name = os.fsencode(collection.replace("%", "%25").replace("/", "%2F"))
    if len(name) <= LONGEST:
        return os.fsdecode(name)
    digest = hashlib.sha256(name).hexdigest()[:DIGITS]
    return f"{name[: LONGEST - DIGITS - 1].decode('utf-8', 'ignore')}-{digest}"


def read_runs(report: Path, labels: Sequence[str] | None = None) -> list[LeftOutRun]:
    """The runs in a report, in a list that may be empty.

    Raises DataError for a file of another form, or of other classes than `labels`, those of the report's net.
    """
    runs = []
    for file in sorted((report / LEFT_OUT_FOLDER).glob("*.json")):
        try:
            run = _check(from_json(LeftOutRun, read_file(file)))
        except ValueError as error:
            raise DataError(f"{file} holds no figures of a left-out collection: {error}. Remove it.") from error
        if labels is not None:
            _check_labels(run, labels, file)
        runs.append(run)
    return runs


def _check_labels(run: LeftOutRun, labels: Sequence[str], file: Path) -> None:
    """Raises DataError where the run's net knows other classes. Their order may differ."""
    differences = [
        f"{text} {', '.join(sorted(names)[:SHOWN])}{f' and {len(names) - SHOWN} more' if len(names) > SHOWN else ''}"
        for text, names in (("it lacks", {*labels} - {*run.labels}), ("it adds", {*run.labels} - {*labels}))
        if names
    ]
    if differences:
        raise DataError(
            f"{file} is of a net with other classes: {'; '.join(differences)}. "
            "Remove the file, or train that net again on photos of the same classes."
        )


def _check(run: LeftOutRun) -> LeftOutRun:
    """The run. Raises ValueError where its parts do not fit each other."""
    if not run.photos:
        raise ValueError("it has no photos")
    strange = {photo.label for photo in run.photos} - set(run.labels)
    if len(set(run.labels)) < len(run.labels):
        raise ValueError("it names a class twice")
    if strange:
        raise ValueError(f"it has no class {', '.join(sorted(strange))}")
    rows = [photo.logits for photo in run.photos] + [row for kind in run.pictures.values() for row in kind]
    lengths = {len(row) for row in rows}
    if len(lengths) > 1 or not lengths <= {len(run.labels), len(run.labels) + 1}:
        raise ValueError("its logits are not one for each class")
    return run


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
