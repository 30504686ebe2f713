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
from fastai.data.transforms import RandomSplitter, get_image_files
from fastprogress.fastprogress import progress_bar
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedGroupKFold

from bot.inference.decoding import PhotoError, read

GROUPS_FILE = "groups.csv"
MIN_PHOTOS = 10
"""Photos a class needs at least: two of them are held out, and figures on fewer mean nothing."""
HELD_OUT = 5
"""One photo in this many is held out for validation."""
MAX_HASH_DISTANCE = 8
"""Bits of 64 in which the difference hashes of near-duplicates may differ. On 3,079 face photos whose
near-duplicates are known this finds 871 of 882 pairs and 409 others (pHash at 8 bits: 797 and 260)."""


@dataclass(frozen=True)
class Look:
    """What one look at a photo tells."""

    hash: int
    """Difference hash, 64 bits."""
    size: tuple[int, int]
    """Width and height in pixels."""


class DataError(Exception):
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

    @property
    def labels(self) -> list[str]:
        return sorted({photo.label for photo in self.photos})

    def count(self, held_out: bool) -> dict[str, int]:
        """Photos per label on one side of the split."""
        counts = Counter(photo.label for photo in self.photos if photo.held_out == held_out)
        return {label: counts[label] for label in self.labels}


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
    photos = [LabelledPhoto(path, path.parent.name, size=look.size) for path, look in looks.items()]
    if relabel:
        photos = _relabel(photos, folder, relabel)
    _check_classes(folder, photos)

    if (folder / GROUPS_FILE).is_file():
        grouped_by, groups = GROUPS_FILE, _groups_from_csv(folder, photos)
    else:
        hashes = np.array([look.hash for look in looks.values()], np.uint64)
        grouped_by, groups = "perceptual hash", group_by_hash(hashes)
    photos = [replace(photo, group=group) for photo, group in zip(photos, groups, strict=True)]
    sizes = Counter(groups)
    twins, naive_held_out = _naive_twins(groups, seed)
    return PhotoSet(
        photos=tuple(_split(photos, seed)),
        skipped=tuple(skipped),
        grouped_by=grouped_by,
        near_duplicates=sum(size for size in sizes.values() if size > 1),
        naive_twins=twins,
        naive_held_out=naive_held_out,
    )


def group_by_hash(hashes: NDArray[np.uint64]) -> list[str]:
    """Group photos whose 64-bit difference hashes differ in at most MAX_HASH_DISTANCE bits, transitively.

    `hashes` is uint64 `[photos]`; returns a group name per photo.
    """
    rows, columns = [], []
    for row, one in enumerate(hashes):
        near = np.flatnonzero(np.bitwise_count(hashes[row + 1 :] ^ one) <= MAX_HASH_DISTANCE) + row + 1
        rows.append(np.full(len(near), row))
        columns.append(near)
    edges = np.concatenate(rows), np.concatenate(columns)
    graph = coo_array((np.ones(len(edges[0]), bool), edges), shape=(len(hashes), len(hashes)))
    return [f"h{component}" for component in connected_components(graph, directed=False)[1]]


def write_split(photos: PhotoSet, folder: Path, file: Path) -> None:
    """Write the photos as CSV (`path,label,group,width,height,split`), paths relative to `folder`."""
    with file.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(["path", "label", "group", "width", "height", "split"])
        for photo in photos.photos:
            path = photo.path.relative_to(folder).as_posix()
            writer.writerow([path, photo.label, photo.group, *photo.size, "valid" if photo.held_out else "train"])


def read_split(folder: Path, file: Path) -> list[LabelledPhoto]:
    """Read what `write_split` wrote, with paths below `folder`."""
    with file.open(newline="", encoding="utf-8") as handle:
        return [
            LabelledPhoto(
                path=folder / row["path"],
                label=row["label"],
                group=row["group"],
                size=(int(row["width"]), int(row["height"])),
                held_out=row["split"] == "valid",
            )
            for row in csv.DictReader(handle)
        ]


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


def _groups_from_csv(folder: Path, photos: Sequence[LabelledPhoto]) -> list[str]:
    with (folder / GROUPS_FILE).open(newline="", encoding="utf-8-sig") as handle:
        reader = csv.DictReader(handle)
        if not {"path", "label", "group"} <= set(reader.fieldnames or []):
            raise DataError(f"{GROUPS_FILE} needs the columns path, label and group, it has {reader.fieldnames}.")
        rows = {row["path"]: row for row in reader}
    groups = []
    for photo in photos:
        path = photo.path.relative_to(folder).as_posix()
        row = rows.get(path)
        if row is None or not row["group"]:
            raise DataError(f"{GROUPS_FILE} gives no group for {path}. Add a line for it or remove the file.")
        if row["label"] not in (photo.label, photo.path.parent.name):  # they differ where --relabel mended one
            raise DataError(
                f"{GROUPS_FILE} calls {path} {row['label']}, its folder says {photo.path.parent.name}. Make them agree."
            )
        groups.append(row["group"])
    return groups


def _naive_twins(groups: Sequence[str], seed: int) -> tuple[int, int]:
    """Of fastai's RandomSplitter with the same seed: held-out photos with a twin in training, and all held out."""
    train, held_out = RandomSplitter(1 / HELD_OUT, seed=seed)(groups)
    trained = {groups[index] for index in train}
    return sum(groups[index] in trained for index in held_out), len(held_out)


def _split(photos: Sequence[LabelledPhoto], seed: int) -> list[LabelledPhoto]:
    labels = [photo.label for photo in photos]
    groups = [photo.group for photo in photos]
    if len(set(groups)) < HELD_OUT:
        raise DataError(
            f"the photos are near-duplicates of only {len(set(groups))} different ones. Add photos that differ."
        )
    folds = StratifiedGroupKFold(HELD_OUT, shuffle=True, random_state=seed)
    held_out = set(next(folds.split(photos, labels, groups))[1].tolist())
    split = [replace(photo, held_out=index in held_out) for index, photo in enumerate(photos)]
    for label in sorted(set(labels)):
        sides = {photo.held_out for photo in split if photo.label == label}
        if len(sides) < 2:
            raise DataError(
                f"class {label} cannot be split: nearly all of its photos are near-duplicates of each other. "
                "Add photos that differ."
            )
    return split
