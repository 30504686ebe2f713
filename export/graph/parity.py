"""Does the file say what the learner says, and int8 what float32 says: the same photos through both."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ImageOps
from scipy.special import softmax

from bot.inference.classifier import Classifier
from bot.inference.decoding import PhotoError, decode, read
from bot.inference.names import show_path
from bot.inference.photo_files import find_photos, read_photo
from export.training_run import ExportError
from training.evaluation.answers import Answers, read_predictions
from training.evaluation.intervals import chance_of_loss
from training.report.figures import PREPROCESS

MAX_DIFFERENCE = 1e-3
"""Largest difference in any probability between the learner and its float32 file."""
MAX_EVIDENCE_ERROR = 1e-4
"""Largest difference between a probability and what the evidence adds up to, in any file."""
MAX_INT8_LOSS = 0.003
"""Share of the judged photos that int8 may name worse than float32."""
CHANCE = 0.05
"""A loss that chance alone explains with this probability or more is no reason to refuse int8."""
MIN_INT8_AGREEMENT = 0.995
"""Share of the photos that int8 should name as float32 does: below, the export says so. It is no reason to refuse,
since a net of many classes that has barely learned has near ties everywhere."""


@dataclass(frozen=True)
class Photo:
    """A photo file to compare on: a name for messages, its bytes, and what the bot's decoding makes of them."""

    name: str
    data: bytes
    pixels: NDArray[np.uint8]
    """`[224, 224, 3]`"""


@dataclass(frozen=True)
class Agreement:
    """How far two classifiers agree on the same photos."""

    photos: int
    labels: float
    """Share of photos on which both name the same class, 0 to 1."""
    difference: float
    """Largest difference in any probability of any photo."""
    worst: str
    """The photo to look at, and how it differs: one that is named differently, else the largest difference."""

    def __str__(self) -> str:
        return (
            f"same label on {self.labels:.2%} of {self.photos} photos, probabilities within {self.difference:.2g}, "
            f"most on {self.worst}"
        )


def compare(expected: Answers, found: Answers, photos: Sequence[str], labels: Sequence[str]) -> Agreement:
    """Compare two classifiers' answers to the same photos; `photos` and `labels` are names."""
    differences = np.abs(expected.numbers - found.numbers).max(axis=1)  # [photos]
    same = expected.labels == found.labels
    worst = int(np.argmax(differences + ~same))  # a difference is below 1, so another label weighs more
    before, after, names = expected.numbers[worst], found.numbers[worst], (*labels, "outsider")
    if same[worst]:
        old = new = int(np.abs(before - after).argmax())
    else:
        old, new = int(expected.labels[worst]), int(found.labels[worst])
    change = f"{names[old]} {before[old]:.4f} became {names[new]} {after[new]:.4f}"
    return Agreement(len(photos), float(same.mean()), float(differences.max()), f"{show_path(photos[worst])}: {change}")


def loses_more_than_chance(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> bool:
    """Whether int8 names more photos worse than it may, from right answers `[photos]`, and not by chance."""
    lost = int(before.sum()) - int(after.sum())
    return lost > MAX_INT8_LOSS * len(before) and chance_of_loss(before, after) < CHANCE


@dataclass(frozen=True)
class Evidence:
    """What a file's output `evidence` says of some photos."""

    cells: NDArray[np.float32]
    """`[photos, classes, rows, columns]`"""
    error: float
    """Largest difference between a probability and the softmax of the evidence's sum over the cells."""


def ask(classifier: Classifier, pixels: Sequence[NDArray[np.uint8]]) -> tuple[Answers, Evidence | None]:
    """What a file says of photos, uint8 `[224, 224, 3]` each, and its evidence; None: it has no such output.

    The net runs once for both.
    """
    labels = classifier.contract.labels
    if not classifier.explains:
        return read_predictions([classifier.predict(photo) for photo in pixels], labels), None
    said = [classifier.explain(photo) for photo in pixels]
    answers = read_predictions([prediction for prediction, _ in said], labels)
    cells = np.stack([rows for _, rows in said])
    error = np.abs(softmax(cells.sum(axis=(2, 3)), axis=1) - answers.probabilities).max()
    return answers, Evidence(cells, float(error))


def compare_evidence(before: Evidence, after: Evidence) -> tuple[float, float]:
    """How far two maps of each photo's best class are apart.

    Returns the mean over the photos of their distance as a share of the first one, both summed without signs, and the
    share of photos whose strongest cell is the same.
    """
    best = before.cells.sum(axis=(2, 3)).argmax(axis=1)
    first, second = (maps.cells[np.arange(len(best)), best].reshape(len(best), -1) for maps in (before, after))
    apart = np.abs(first - second).sum(axis=1) / np.maximum(np.abs(first).sum(axis=1), np.finfo(np.float32).tiny)
    return float(apart.mean()), float((first.argmax(axis=1) == second.argmax(axis=1)).mean())


def read_folder(folder: Path) -> Iterator[Photo]:
    """The photos in a folder; those that cannot be read are named. Raises ExportError without photos."""
    files = find_photos(folder)
    if not files:
        raise ExportError(f"there is no photo in {folder}. --photos names a folder of photos to check on.")
    for file in files:
        try:
            yield read_file(file)
        except ExportError as error:
            print(f"skipped {show_path(str(error))}")


def read_file(path: Path) -> Photo:
    """Raises ExportError if it cannot be read."""
    try:
        return make_photo(str(path), read_photo(path))
    except (PhotoError, OSError) as error:
        raise ExportError(f"{path}: {error}") from error


def top_up(photos: Sequence[Photo], count: int) -> list[Photo]:
    """The photos, and as many variants of them (mirrored, margins cut off) as bring them to `count`."""
    variants = [_vary(photos[index % len(photos)], index // len(photos)) for index in range(len(photos), count)]
    return [*photos, *variants]


def _vary(photo: Photo, number: int) -> Photo:
    """The `number`th variant (from 1 on): every second one is mirrored, each loses 2 % more of its margins."""
    image = read(photo.data)
    image = ImageOps.mirror(image) if number % 2 else image
    share = min(0.02 * number, 0.4)
    width, height = image.size
    left, top = int(width * share), int(height * share)
    buffer = io.BytesIO()
    image.crop((left, top, width - left, height - top)).save(buffer, "PNG")
    return make_photo(f"{photo.name} (variant {number})", buffer.getvalue())


def make_photo(name: str, data: bytes) -> Photo:
    """Raises PhotoError if it cannot be read."""
    return Photo(name, data, decode(data, PREPROCESS))
