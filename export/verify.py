"""Does the file say what the learner says: the same photo bytes through both, compared one by one."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import ImageOps

from bot.classifier import Classifier
from bot.photo import read

MIN_PHOTOS = 200
"""Photos that every export is checked on at least."""
MAX_DIFFERENCE = 1e-3
"""Largest difference in any probability between the learner and its float32 file."""
MAX_INT8_LOSS = 0.01
"""Share of the held-out photos that int8 may name worse than float32; one photo it always may."""


@dataclass(frozen=True)
class Photo:
    """A photo file to compare on: a name for messages, and its bytes."""

    name: str
    data: bytes


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


def classify(classifier: Classifier, photos: Sequence[Photo]) -> NDArray[np.float32]:
    """Probabilities from photo bytes through the bot's own classifier: float32 `[photos, classes]`."""
    rows = [list(classifier.classify(photo.data).probabilities.values()) for photo in photos]
    return np.array(rows, np.float32)


def compare(
    expected: NDArray[np.float32], found: NDArray[np.float32], photos: Sequence[Photo], labels: Sequence[str]
) -> Agreement:
    """Compare two sets of probabilities `[photos, classes]` of the same photos."""
    differences = np.abs(expected - found).max(axis=1)  # [photos]
    same = expected.argmax(1) == found.argmax(1)
    worst = int(np.argmax(differences + ~same))  # a difference is below 1, so another label weighs more
    before, after = expected[worst], found[worst]
    if same[worst]:
        one = other = int(np.abs(before - after).argmax())
    else:
        one, other = int(before.argmax()), int(after.argmax())
    change = f"{labels[one]} {before[one]:.4f} became {labels[other]} {after[other]:.4f}"
    return Agreement(len(photos), float(same.mean()), float(differences.max()), f"{photos[worst].name}: {change}")


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
    return Photo(f"{photo.name} (variant {number})", buffer.getvalue())
