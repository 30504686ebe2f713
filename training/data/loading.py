"""Folders of photos -> labelled, grouped and split, with nothing on both sides of the split."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import imagehash
import numpy as np
from fastai.data.transforms import get_image_files
from fastprogress.fastprogress import progress_bar

from bot.inference.decoding import PhotoError, read
from training.data.groups import GROUPS_FILE, group_by_hash, read_groups
from training.data.photos import DataError, LabelledPhoto, PhotoSet, Skipped
from training.data.split import count_naive_twins, hold_out

MIN_PHOTOS = 5
"""Photos a class needs at least."""


@dataclass(frozen=True)
class Look:
    """What one look at a photo tells."""

    hash: int
    """Difference hash, 64 bits."""
    size: tuple[int, int]
    """Width and height in pixels."""


def load_photos(folder: Path, seed: int, relabel: Path | None = None) -> PhotoSet:
    """Find, read, group and split the photos of `folder`; a photo's label is its parent folder's name.

    `relabel`, a CSV file (`path,label`, paths relative to `folder`), mends the labels of some.

    Every file is decoded once, with a progress bar, so that what cannot be read is known before any training.
    Raises DataError for a folder, class, group or mended label that cannot be used.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}. --data names a folder with one folder of photos per class.")
    found = [path for path in sorted(get_image_files(folder)) if not _hidden(path.relative_to(folder))]
    files = [path for path in found if path.parent != folder]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        looked = progress_bar(pool.map(_look, files), total=len(files), leave=False)
        outcomes = list(zip(files, looked, strict=True))
    skipped = [Skipped(path, "it lies in no class folder") for path in found if path.parent == folder]
    skipped += [Skipped(path, outcome) for path, outcome in outcomes if isinstance(outcome, str)]
    looks = {path: outcome for path, outcome in outcomes if isinstance(outcome, Look)}
    photos = [
        LabelledPhoto(path, path.parent.name, size=look.size, collection=_collection(path.relative_to(folder)))
        for path, look in looks.items()
    ]
    if relabel:
        photos = _relabel(photos, folder, relabel)
    _check_classes(folder, photos)

    if (folder / GROUPS_FILE).is_file():
        grouped_by, groups = GROUPS_FILE, read_groups(folder, photos)
    else:
        hashes = np.array([look.hash for look in looks.values()], np.uint64)
        grouped_by, groups = "perceptual hash", group_by_hash(hashes, [photo.label for photo in photos])
    photos = [replace(photo, group=group) for photo, group in zip(photos, groups, strict=True)]
    sizes = Counter(groups)
    twins, naive_held_out = count_naive_twins(groups, seed)
    return PhotoSet(
        photos=tuple(hold_out(photos, seed)),
        skipped=tuple(skipped),
        grouped_by=grouped_by,
        near_duplicates=sum(size for size in sizes.values() if size > 1),
        naive_twins=twins,
        naive_held_out=naive_held_out,
    )


def _collection(path: Path) -> str:
    return Path(*path.parts[:-2]).as_posix() if len(path.parts) > 2 else ""


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def _look(path: Path) -> Look | str:
    """What is to be known of a photo, or why it cannot be read."""
    try:
        photo = read(path.read_bytes())
        return Look(int(str(imagehash.dhash(photo)), 16), photo.size)
    except PhotoError as error:
        return str(error)
    except OSError as error:
        return error.strerror or str(error)


def _check_classes(folder: Path, photos: Sequence[LabelledPhoto]) -> None:
    counts = Counter(photo.label for photo in photos)
    leaves = [path for path in folder.rglob("*") if path.is_dir() and not _hidden(path.relative_to(folder))]
    leaves = [path for path in leaves if not any(child.is_dir() for child in path.iterdir())]
    empty = sorted({path.name for path in leaves} - counts.keys())
    if empty:
        raise DataError(f"no photo can be read in class {', '.join(empty)}. Put photos there or remove the folder.")
    if len(counts) < 2:
        raise DataError(
            f"{len(counts)} classes found in {folder}, two are the least. "
            "Put each class's photos into a folder named for it."
        )
    few = [f"{label} ({count})" for label, count in sorted(counts.items()) if count < MIN_PHOTOS]
    if few:
        raise DataError(f"fewer than {MIN_PHOTOS} photos in class {', '.join(few)}. Add photos or remove the folder.")


def _relabel(photos: Sequence[LabelledPhoto], folder: Path, file: Path) -> list[LabelledPhoto]:
    """The photos with the labels that `file` mends, in the same order."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle)
            if not {"path", "label"} <= set(reader.fieldnames or []):
                raise DataError(f"{file} needs the columns path and label, it has {reader.fieldnames}.")
            mended = {row["path"]: row["label"] for row in reader}
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read: {error}. --relabel takes a CSV file, path,label.") from error
    unknown = sorted(mended.keys() - {photo.path.relative_to(folder).as_posix() for photo in photos})
    if unknown:
        raise DataError(
            f"{file} mends the label of {len(unknown)} photos that are not in {folder}, the first is {unknown[0]}."
        )
    labels = sorted({photo.label for photo in photos})
    wrong = sorted(set(mended.values()) - set(labels))
    if wrong:
        raise DataError(f"{file} gives labels that no folder has: {', '.join(wrong)}. There are {', '.join(labels)}.")
    return [
        replace(photo, label=mended.get(photo.path.relative_to(folder).as_posix(), photo.label)) for photo in photos
    ]
