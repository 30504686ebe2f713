"""Photos beside a file that knows their classes: which of them it learned from, held out, or never saw."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bot.inference.decoding import PhotoError, read
from bot.inference.names import clean_label, show_path
from bot.inference.photo_files import find_photos, read_photo
from export.metadata import TrainedOn, digest, read_list
from training.data.groups import GROUPS_FILE, compare_hashes, hash_photo, read_groups
from training.data.photos import DataError, LabelledPhoto


@dataclass(frozen=True)
class KnownPhotos:
    """Labelled photos, by the file's own list of those that it learned from and held out."""

    learned: list[LabelledPhoto]
    held_out: list[LabelledPhoto]
    new: list[LabelledPhoto]
    complete: bool
    """Every photo of the training run is there."""

    @property
    def trained_on(self) -> list[LabelledPhoto]:
        """Those of the training run on both sides of its split, in the order of their paths as training has them."""
        return sorted([*self.learned, *self.held_out], key=lambda photo: photo.path)


def find_known(folder: Path, labels: Sequence[str], trained_on: TrainedOn) -> KnownPhotos:
    """The photos in `folder`, by their bytes: a photo that was moved or renamed is known again.

    A photo's label is the name of the nearest folder above it that is a label. Raises DataError for photos without one.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}. --data names a folder with one folder of photos per class.")
    files = find_photos(folder)
    with ThreadPoolExecutor() as pool:
        looks = [look for look in pool.map(lambda file: _look(file, folder, labels), files) if look]
    # Training passes over photos that lie loose beside the folders of the classes.
    looks = [look for look in looks if look.photo.label or look.photo.path.parent != folder]
    if not looks:
        raise DataError(f"there is no photo that can be read in {folder}. --data names a folder of photos per class.")
    strange = sorted({look.photo.path.parent.name for look in looks if not look.photo.label})
    if strange:
        raise DataError(f"the model does not know {', '.join(strange)}, only {', '.join(labels)}.")
    learned, held_out = read_list(trained_on.learned), read_list(trained_on.held_out)
    groups = _find_groups(folder, looks)
    sides: dict[str, list[LabelledPhoto]] = {"learned": [], "held_out": [], "new": []}
    for look, group in zip(looks, groups, strict=True):
        side = "held_out" if look.name in held_out else "learned" if look.name in learned else "new"
        sides[side].append(replace(look.photo, group=group, held_out=side == "held_out"))
    names = {look.name for look in looks}
    return KnownPhotos(**sides, complete=bool(held_out) and held_out <= names and learned <= names)


@dataclass(frozen=True)
class _Look:
    photo: LabelledPhoto
    """Its label is empty if it has no label."""
    name: bytes
    """The digest of its file."""
    hashes: NDArray[np.uint64]
    """Of `hash_photo`."""


def _look(file: Path, folder: Path, labels: Sequence[str]) -> _Look | None:
    """None if it cannot be read."""
    try:
        data = read_photo(file)
        image = read(data)
    except (PhotoError, OSError) as error:
        print(f"skipped {show_path(file)}: {error}")
        return None
    above = [clean_label(name) for name in file.relative_to(folder).parts[:-1]]
    place = next((number for number in reversed(range(len(above))) if above[number] in labels), None)
    label = "" if place is None else above[place]
    collection = Path(*above[:place]).as_posix() if place else ""
    photo = LabelledPhoto(file, label, size=image.size, collection=collection)
    return _Look(photo, digest(data), hash_photo(image))


def _find_groups(folder: Path, looks: Sequence[_Look]) -> list[str]:
    """By groups.csv, where it has all photos, else by their looks: as training does."""
    photos = [look.photo for look in looks]
    labels = [photo.label for photo in photos]
    if (folder / GROUPS_FILE).is_file():
        try:
            return read_groups(folder, photos, labels)
        except DataError as error:
            print(f"near-duplicates are found by their looks: {show_path(str(error))}")
    return compare_hashes(np.array([look.hashes for look in looks]), labels).groups
