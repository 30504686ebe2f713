"""Does the file say what the learner says: the same photo bytes through both, compared one by one."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import ImageOps

from bot.inference.decoding import read
from export.metrics import Answers

MIN_PHOTOS = 200
"""Photos that every export is checked on at least."""
MAX_DIFFERENCE = 1e-3
"""Largest difference in any probability between the learner and its float32 file."""
MAX_INT8_LOSS = 0.003
"""Share of the held-out photos that int8 may name worse than float32; one photo it always may."""
MIN_INT8_AGREEMENT = 0.995
"""Share of the photos that int8 should name as float32 does: below, the export says so. It is no reason to refuse,
since a net of many classes that has barely learned has near ties everywhere."""


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


def compare(expected: Answers, found: Answers, photos: Sequence[Photo], labels: Sequence[str]) -> Agreement:
    """Compare two classifiers' answers to the same photos; `labels` are the classes' names."""
    differences = np.abs(expected.numbers - found.numbers).max(axis=1)  # [photos]
    same = expected.labels == found.labels
    worst = int(np.argmax(differences + ~same))  # a difference is below 1, so another label weighs more
    before, after, names = expected.numbers[worst], found.numbers[worst], (*labels, "outsider")
    if same[worst]:
        one = other = int(np.abs(before - after).argmax())
    else:
        one, other = int(expected.labels[worst]), int(found.labels[worst])
    change = f"{names[one]} {before[one]:.4f} became {names[other]} {after[other]:.4f}"
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
