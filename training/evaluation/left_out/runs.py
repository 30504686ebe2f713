"""What a net says of a collection that was left out of its training, as a JSON file in the report's folder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.photos import DataError, LabelledPhoto
from training.evaluation.answers import Answers, read_logits
from training.evaluation.evidence import Location
from training.recipe import read_fields
from training.records import from_json, read_file, to_json, write_file

LEFT_OUT_FOLDER = "left-out"
"""In the report's folder: one JSON file for each collection that was left out."""
LONGEST, DIGITS = 200, 16
"""Bytes of a collection in a file's name, which has 255 at most, and digits that tell a shortened one from another."""
SHOWN = 3
"""Classes that a message names."""


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
