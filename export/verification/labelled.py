"""Photos beside a file that knows their classes: which of them it learned from, held out, or never saw."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bot.inference.class_folders import CLASS_FOLDERS, FoldersError, Place, place_files
from bot.inference.decoding import PhotoError, read
from bot.inference.names import clean_label, show_path
from bot.inference.photo_files import find_photos, read_photo
from export.metadata import TrainedOn, digest, read_list
from training.data.groups import compare_hashes, has_groups, hash_photo, join_copies, read_groups
from training.data.photos import DataError, LabelledPhoto
from training.data.tables import correct_labels


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


def find_known(
    folder: Path,
    labels: Sequence[str],
    trained_on: TrainedOn,
    relabel: Path | None = None,
    class_folder: str = CLASS_FOLDERS[0],
) -> KnownPhotos:
    """The photos in `folder`, by their bytes: a photo that was moved or renamed is known again.

    A photo's label is the name of the nearest folder above it that is a label, unless `class_folder` says which folder
    it is; `relabel`, a CSV file, corrects some. Raises DataError for photos without one, and for held-out photos that
    the training knew by another.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}. --data names a folder with one folder of photos per class.")
    files = find_photos(folder)
    places = _place(folder, files, labels, class_folder)
    with ThreadPoolExecutor() as pool:
        looks = [look for look in pool.map(lambda file: _look(file, places[file]), files) if look]
    if not looks:
        raise DataError(f"there is no photo that can be read in {folder}. --data names a folder of photos per class.")
    # Training passes over photos that lie loose beside the folders of the classes.
    looks = [look for look in looks if look.photo.label or look.photo.path.parent != folder]
    if not looks:
        raise DataError(
            f"the photos in {folder} lie in no folder of a class. "
            "--data names a folder with one folder of photos per class."
        )
    if relabel:
        corrected = correct_labels([look.photo for look in looks], folder, relabel)
        looks = [replace(look, photo=photo) for look, photo in zip(looks, corrected, strict=True)]
    strange = sorted({look.photo.label or look.photo.path.parent.name for look in looks} - set(labels))
    if strange:
        raise DataError(f"the model does not know {', '.join(strange)}, only {', '.join(labels)}.")
    learned, held_out = read_list(trained_on.learned), read_list(trained_on.held_out)
    looks = _skip_both(looks, learned, held_out)
    told = {(name, label) for label, names in trained_on.held_out_labels.items() for name in read_list(names)}
    looks = _drop_copies(looks, held_out, told)
    _check_labels(looks, told)
    groups = _find_groups(folder, looks)
    sides: dict[str, list[LabelledPhoto]] = {"learned": [], "held_out": [], "new": []}
    for look, group in zip(looks, groups, strict=True):
        side = "held_out" if look.name in held_out else "learned" if look.name in learned else "new"
        sides[side].append(replace(look.photo, group=group, held_out=side == "held_out"))
    names = Counter(look.name for look in looks)
    return KnownPhotos(**sides, complete=bool(held_out) and held_out <= names and learned <= names)


def _place(folder: Path, files: Sequence[Path], labels: Sequence[str], class_folder: str) -> dict[Path, Place]:
    """What the folders say of each photo; the label is empty where they say none of `labels`. Raises DataError."""
    if class_folder == CLASS_FOLDERS[0]:
        return {file: _find_label(file.relative_to(folder), labels) for file in files}
    try:
        return dict.fromkeys(files, Place("")) | place_files(folder, files, class_folder)
    except FoldersError as error:
        raise DataError(str(error)) from error


def _find_label(file: Path, labels: Sequence[str]) -> Place:
    """By the nearest folder that is a label."""
    above = [clean_label(name) for name in file.parts[:-1]]
    place = next((number for number in reversed(range(len(above))) if above[number] in labels), None)
    if place is None:
        return Place("")
    return Place(above[place], Path(*above[:place]).as_posix() if place else "")


def _skip_both(looks: Sequence[_Look], learned: Counter[bytes], held_out: Counter[bytes]) -> list[_Look]:
    """Without photos that the model learned from in one class and held out in another: they would judge it."""
    both = learned.keys() & held_out.keys()
    rest = [look for look in looks if look.name not in both]
    if len(rest) < len(looks):
        print(f"skipped {len(looks) - len(rest)} photos that the training both learned from and held out")
    if not rest:
        raise DataError("the training both learned from all of these photos and held them out. Train again.")
    return rest


def _drop_copies(looks: Sequence[_Look], held_out: Counter[bytes], told: Set[tuple[bytes, str]]) -> list[_Look]:
    """Each held-out photo as often as it is in `held_out`: the training passes over a copy on the side it learns from.

    Those stay whose label is in `told`, and that lie where most of the held-out photos do.
    """
    copies: dict[bytes, list[_Look]] = defaultdict(list)
    for look in looks:
        if look.name in held_out:
            copies[look.name].append(look)
    places = Counter(look.photo.collection for same in copies.values() if len(same) == 1 for look in same)
    dropped = {
        look.photo.path
        for name, same in copies.items()
        for look in sorted(
            same, key=lambda look: ((look.name, look.photo.label) in told, places[look.photo.collection]), reverse=True
        )[held_out[name] :]
    }
    if dropped:
        print(f"further copies of held-out photos, which are not judged: {len(dropped)}")
    return [look for look in looks if look.photo.path not in dropped]


def _check_labels(looks: Sequence[_Look], told: Set[tuple[bytes, str]]) -> None:
    """Raises DataError where a held-out photo has another label than in training. Older files do not tell theirs.

    `told` are the held-out photos' digests and labels.
    """
    known = {name for name, _ in told}
    wrong = [look for look in looks if look.name in known and (look.name, look.photo.label) not in told]
    if wrong:
        raise DataError(
            f"the labels of {len(wrong)} held-out photos differ from the training's, the first is "
            f"{wrong[0].photo.path}. Give the --relabel and the --class-folder of the training."
        )


@dataclass(frozen=True)
class _Look:
    photo: LabelledPhoto
    """Its label is empty if it has no label."""
    name: bytes
    """The digest of its file."""
    hashes: NDArray[np.uint64]
    """Of `hash_photo`."""


def _look(file: Path, place: Place) -> _Look | None:
    """None if it cannot be read."""
    try:
        data = read_photo(file)
        image = read(data)
    except (PhotoError, OSError) as error:
        print(f"skipped {show_path(file)}: {error}")
        return None
    photo = LabelledPhoto(file, place.label, size=image.size, collection=place.collection)
    return _Look(photo, digest(data), hash_photo(image))


def _find_groups(folder: Path, looks: Sequence[_Look]) -> list[str]:
    """By groups.csv, where it has all photos, else by their looks, and copies together: as training does."""
    photos = [look.photo for look in looks]
    labels = [photo.label for photo in photos]
    groups: list[str] | None = None
    try:
        if has_groups(folder):
            groups = read_groups(folder, photos, labels)
    except DataError as error:
        print(f"near-duplicates are found by their looks: {show_path(str(error))}")
    if groups is None:
        groups = compare_hashes(np.array([look.hashes for look in looks]), labels).groups
    return join_copies(groups, [look.name for look in looks])
