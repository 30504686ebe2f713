"""What training knows of a photo: where it lies, what it shows, and which side of the split it is on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bot.errors import LabelgramError


class DataError(LabelgramError):
    """The photos cannot be trained on; the message says what is wrong and what to do."""


@dataclass(frozen=True)
class LabelledPhoto:
    path: Path
    label: str
    group: str = ""
    """Photos of one group are near-duplicates and stay on one side of the split."""
    size: tuple[int, int] = (0, 0)
    """Width and height in pixels."""
    held_out: bool = False
    collection: str = ""
    """The folder of class folders that it comes from: `seed` of `seed/cat/1.jpg`; empty if there is only one."""


@dataclass(frozen=True)
class Skipped:
    path: Path
    why: str


@dataclass(frozen=True)
class PhotoSet:
    """All photos of one training run, grouped and split."""

    photos: tuple[LabelledPhoto, ...]
    skipped: tuple[Skipped, ...]
    grouped_by: str
    """Where the groups come from: `groups.csv` or `perceptual hash`."""
    near_duplicates: int
    """Photos that have at least one near-duplicate in the set."""
    naive_twins: int
    """Photos that a naive random split would hold out although a near-duplicate is trained on."""
    naive_held_out: int
    """Photos that the naive random split holds out in all."""
    split_by: str = "groups"
    """What decides which photos are held out: `groups`, `folders` (train/ and valid/), or `leaving out NAME`."""
    relabel: Path | None = None
    """The file of corrected labels."""
    class_folder: str = "auto"
    """What was told of the folders that name classes: see `class_folders.read_folders`."""
    notes: tuple[str, ...] = ()
    """What a person should know of the photos before the training."""

    @property
    def labels(self) -> list[str]:
        return sorted({photo.label for photo in self.photos})

    @property
    def collections(self) -> list[str]:
        """The collections that the photos come from; one empty name if there is only one."""
        return sorted({photo.collection for photo in self.photos})

    def count(self, held_out: bool) -> dict[str, int]:
        """Photos per label on one side of the split."""
        counts = Counter(photo.label for photo in self.photos if photo.held_out == held_out)
        return {label: counts[label] for label in self.labels}


def draw_evenly(photos: Sequence[LabelledPhoto], count: int) -> list[LabelledPhoto]:
    """At most `count` of the photos, as far apart in their order as can be: in it the labels follow each other."""
    return [photos[number] for number in np.linspace(0, len(photos) - 1, min(count, len(photos)), dtype=int)]
