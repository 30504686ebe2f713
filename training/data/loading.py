"""Folders of photos -> labelled, grouped and split, with nothing on both sides of the split."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bot.inference.class_folders import TEST, VALID, FoldersError, Place, place_files
from bot.inference.decoding import PhotoError, read
from bot.inference.photo_files import SUFFIXES, list_files, read_photo
from training.data.checks import check_classes, check_folders, check_sides, describe
from training.data.groups import GROUPS_FILE, compare_hashes, has_groups, hash_photo, join_copies, read_groups
from training.data.photos import DataError, LabelledPhoto, PhotoSet, Skipped
from training.data.split import count_naive_twins, hold_out, leave_out, part_from_held_out
from training.data.tables import correct_labels
from training.progress import follow


@dataclass(frozen=True)
class Look:
    """What one look at a photo tells."""

    hashes: NDArray[np.uint64]
    """Of `hash_photo`, uint64 `[5]`."""
    size: tuple[int, int]
    """Width and height in pixels."""
    content: bytes
    """The file's SHA-256."""


def check_folder(folder: Path) -> None:
    """Raises DataError where --data names no folder."""
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}. --data names a folder with one folder of photos per class.")


def load_photos(
    folder: Path,
    seed: int,
    relabel: Path | None = None,
    left_out: str | None = None,
    class_folder: str = "auto",
) -> PhotoSet:
    """Find, read, group and split the photos of `folder`; `class_folders.read_folders` says what each one shows.

    `relabel`, a CSV file (`path,label`, paths relative to `folder`), corrects the labels of some. `left_out`, a folder
    or COLUMN=VALUE of groups.csv, names the photos that are held out, in place of a share of all.

    Every file is decoded once, with a progress bar, so that what cannot be read is known before any training.
    Raises DataError for a folder, class, group or corrected label that cannot be used.
    """
    check_folder(folder)
    files, unlisted = list_files(folder)
    photo_files = [path for path in files if path.suffix.lower() in SUFFIXES]
    named = sorted([*photo_files, *unlisted])
    by_file, tables = has_groups(folder), {folder / GROUPS_FILE, relabel}
    others = Counter(path.suffix.lower() for path in set(files) - {*photo_files, *tables})
    places = _place(folder, named, class_folder)
    skipped = [Skipped(path, "it lies in no class folder") for path in named if path not in places]
    left_alone = [path for path, place in places.items() if place.side == TEST]
    looks, unreadable = _look_at_all([path for path in places if path not in set(left_alone)])
    photos = [
        LabelledPhoto(path, places[path].label, size=look.size, collection=places[path].collection)
        for path, look in looks.items()
    ]
    check_folders(folder, named, photos, places)
    folder_labels = [photo.label for photo in photos]
    if relabel:
        photos = correct_labels(photos, folder, relabel)
    check_classes(folder, photos)

    hashes = np.array([look.hashes for look in looks.values()])
    likeness = compare_hashes(hashes, [photo.label for photo in photos])
    groups = read_groups(folder, photos, folder_labels) if by_file else likeness.groups
    groups = join_copies(groups, [look.content for look in looks.values()])
    photos = [replace(photo, group=group) for photo, group in zip(photos, groups, strict=True)]
    alike = [(photos[number].path, photos[other].path) for number, other in likeness.across]
    split_by, photos = _split(photos, folder, seed, left_out, places)
    photos, parted = part_from_held_out(photos)
    sizes = Counter(groups)
    twins, naive_held_out = count_naive_twins(groups, seed)
    return PhotoSet(
        photos=tuple(photos),
        skipped=(*skipped, *unreadable, *parted),
        grouped_by=GROUPS_FILE if by_file else "perceptual hash",
        near_duplicates=sum(size for size in sizes.values() if size > 1),
        naive_twins=twins,
        naive_held_out=naive_held_out,
        split_by=split_by,
        relabel=relabel,
        class_folder=class_folder,
        notes=tuple(describe(folder, photos, alike, others, len(left_alone))),
    )


def find_collections(folder: Path, class_folder: str = "auto") -> dict[str, set[str]]:
    """The labels in each collection of `folder`, as its folders say; no photo is read. Raises DataError."""
    check_folder(folder)
    named = [path for path in list_files(folder)[0] if path.suffix.lower() in SUFFIXES]
    labels: defaultdict[str, set[str]] = defaultdict(set)
    for place in _place(folder, named, class_folder).values():
        if place.label:
            labels[place.collection].add(place.label)
    return dict(sorted(labels.items()))


def _place(folder: Path, files: Sequence[Path], class_folder: str) -> dict[Path, Place]:
    """What the folders say of each photo that lies in one. Raises DataError."""
    try:
        return place_files(folder, files, class_folder)
    except FoldersError as error:
        raise DataError(str(error)) from error


def _look_at_all(files: Sequence[Path]) -> tuple[dict[Path, Look], list[Skipped]]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        looked = follow(pool.map(_look, files), len(files))
        outcomes = list(zip(files, looked, strict=True))
    looks = {path: outcome for path, outcome in outcomes if isinstance(outcome, Look)}
    return looks, [Skipped(path, outcome) for path, outcome in outcomes if isinstance(outcome, str)]


def _look(path: Path) -> Look | str:
    """What is to be known of a photo, or why it cannot be read."""
    try:
        data = read_photo(path)
        photo = read(data)
        return Look(hash_photo(photo), photo.size, hashlib.sha256(data).digest())
    except PhotoError as error:
        return str(error)
    except OSError as error:
        return error.strerror or str(error)


def _split(
    photos: Sequence[LabelledPhoto], folder: Path, seed: int, left_out: str | None, places: Mapping[Path, Place]
) -> tuple[str, list[LabelledPhoto]]:
    """By what the photos are split, and the photos with their sides."""
    if left_out is not None:
        return f"leaving out {left_out}", leave_out(photos, folder, left_out)
    if any(places[photo.path].side == VALID for photo in photos):
        split = [replace(photo, held_out=places[photo.path].side == VALID) for photo in photos]
        check_sides(split)
        return "folders", split
    return "groups", hold_out(photos, seed)
