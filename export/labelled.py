"""Photos beside a file that knows their classes: which of them it learned from, held out, or never saw."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from bot.inference.decoding import PhotoError, read
from bot.inference.photo_files import find_photos, read_photo, show_path
from export.metadata import TrainedOn, digest, read_list
from training.data.groups import GROUPS_FILE, read_groups
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
    def everything(self) -> list[LabelledPhoto]:
        """In the order of their paths, as training has them."""
        return sorted([*self.learned, *self.held_out, *self.new], key=lambda photo: photo.path)


def find_known(folder: Path, labels: Sequence[str], trained_on: TrainedOn) -> KnownPhotos:
    """The photos in `folder`, by their bytes: a photo that was moved or renamed is known again.

    A photo's label is the name of the nearest folder above it that is a label. Raises DataError for photos without one.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}. --data names a folder with one folder of photos per class.")
    files = find_photos(folder)
    with ThreadPoolExecutor() as pool:
        looks = list(pool.map(lambda file: _look(file, folder, labels), files))
    photos = [look for look in looks if look]
    if not photos:
        raise DataError(f"there is no photo that can be read in {folder}. --data names a folder of photos per class.")
    strange = sorted({photo.path.parent.name for photo, _ in photos if not photo.label})
    if strange:
        raise DataError(f"the model does not know {', '.join(strange)}, only {', '.join(labels)}.")
    learned, held_out = read_list(trained_on.learned), read_list(trained_on.held_out)
    groups = _read_groups(folder, [photo for photo, _ in photos])
    sides: dict[str, list[LabelledPhoto]] = {"learned": [], "held_out": [], "new": []}
    for (photo, name), group in zip(photos, groups, strict=True):
        side = "held_out" if name in held_out else "learned" if name in learned else "new"
        sides[side].append(replace(photo, group=group, held_out=side == "held_out"))
    names = {name for _, name in photos}
    return KnownPhotos(**sides, complete=bool(held_out) and held_out <= names and learned <= names)


def _look(file: Path, folder: Path, labels: Sequence[str]) -> tuple[LabelledPhoto, bytes] | None:
    """The photo with its label, empty if there is none, and its digest; None if it cannot be read."""
    try:
        data = read_photo(file)
        size = read(data).size
    except (PhotoError, OSError) as error:
        print(f"skipped {show_path(file)}: {error}")
        return None
    above = file.relative_to(folder).parts[:-1]
    place = next((number for number in reversed(range(len(above))) if above[number] in labels), None)
    if place is None:
        return LabelledPhoto(file, "", size=size), digest(data)
    collection = Path(*above[:place]).as_posix() if place else ""
    return LabelledPhoto(file, above[place], size=size, collection=collection), digest(data)


def _read_groups(folder: Path, photos: Sequence[LabelledPhoto]) -> list[str]:
    """By groups.csv, where it has all of them; else each photo is a group of its own."""
    if (folder / GROUPS_FILE).is_file():
        try:
            return read_groups(folder, photos, [photo.label for photo in photos])
        except DataError as error:
            print(f"near-duplicates are not known: {error}")
    return [photo.path.as_posix() for photo in photos]
