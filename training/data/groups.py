"""Near-duplicates: photos that would leak what was trained on into what is held out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.data.photos import DataError, LabelledPhoto
from training.data.tables import read_table

GROUPS_FILE = "groups.csv"
COARSE, FINE = 8, 16
"""Width and height of the two difference hashes, in bits."""
MAX_COARSE_DISTANCE = 8
"""Bits of 64 in which the coarse hashes of near-duplicates may differ."""
MAX_FINE_DISTANCE = 0.3
"""Bits in which the fine hashes may differ, as a share of those set in either (Jaccard distance).

On 3,079 face photos whose 692 pairs of near-duplicates within a label are known, both limits together find 666 of them
and 16 others; the coarse one alone 685 and 179. On letters in 25 fonts, whose plain ground sets few bits, the coarse
one alone takes nearly all pictures of a letter for one."""


@dataclass(frozen=True)
class Likeness:
    """What comparing all photos tells."""

    groups: list[str]
    """A name per photo; photos of one label that look alike have the same."""
    across: list[tuple[int, int]]
    """For each photo that looks like one of another label: its number, and the other's."""


def hash_photo(photo: Image.Image) -> NDArray[np.uint64]:
    """The coarse and the fine difference hash (imagehash.dhash), uint64 `[5]`."""
    bits = [imagehash.dhash(photo, side).hash.ravel() for side in (COARSE, FINE)]
    return np.packbits(np.concatenate(bits)).view(np.uint64)


def compare_hashes(hashes: NDArray[np.uint64], labels: Sequence[str]) -> Likeness:
    """Group photos of one label that look alike, transitively. `hashes` are uint64 `[photos, 5]` of `hash_photo`."""
    numbers = np.unique(labels, return_inverse=True)[1]
    groups = np.arange(len(hashes))
    other: dict[int, int] = {}
    for row in range(len(hashes)):
        alike = row + 1 + find_alike(hashes[row], hashes[row + 1 :])
        same = numbers[alike] == numbers[row]
        merged = np.unique(groups[[row, *alike[same]]])
        if len(merged) > 1:
            groups[np.isin(groups, merged)] = merged[0]
        for column in alike[~same].tolist():
            other.setdefault(row, column)
            other.setdefault(column, row)
    return Likeness([f"h{group}" for group in groups], sorted(other.items()))


def join_copies(groups: Sequence[str], contents: Sequence[bytes]) -> list[str]:
    """Each photo's group, where groups with a photo of the same content are one: also copies in two classes."""
    joined: dict[str, str] = {}  # a group's name to that of the one it has become a part of
    first: dict[bytes, str] = {}

    def find(group: str) -> str:
        while (whole := joined.get(group, group)) != group:
            joined[group] = joined.get(whole, whole)  # the way is shorter the next time
            group = whole
        return group

    for group, content in zip(groups, contents, strict=True):
        other = find(first.setdefault(content, group))
        if find(group) != other:
            joined[find(group)] = other
    return [find(group) for group in groups]


def find_alike(photo: NDArray[np.uint64], others: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Numbers of those `others`, uint64 `[photos, 5]`, that look like `photo`, uint64 `[5]`."""
    near = np.flatnonzero(np.bitwise_count(others[:, 0] ^ photo[0]) <= MAX_COARSE_DISTANCE)
    differing = np.bitwise_count(others[near, 1:] ^ photo[1:]).sum(1)
    either = np.bitwise_count(others[near, 1:] | photo[1:]).sum(1)
    return near[differing <= MAX_FINE_DISTANCE * either]


def has_groups(folder: Path) -> bool:
    """Whether the folder has a groups.csv. Raises DataError for one that is no file, such as a pipe."""
    file = folder / GROUPS_FILE
    if not file.is_file() and os.path.lexists(file):
        raise DataError(
            f"{file} is no file: it is a pipe, a folder or a link to nowhere. Remove it, or put a file there."
        )
    return file.is_file()


def read_groups(folder: Path, photos: Sequence[LabelledPhoto], folder_labels: Sequence[str]) -> list[str]:
    """The photos' groups by the folder's groups.csv. Raises DataError where it does not fit them.

    `folder_labels` are the labels by their folders, which differ from the photos' own where --relabel corrected one.
    """
    rows: dict[str, dict[str, str]] = {}
    for row in read_table(folder / GROUPS_FILE, ("path", "label", "group"), folder):
        first = rows.setdefault(row["path"], row)
        if first["group"] != row["group"]:
            raise DataError(
                f"{GROUPS_FILE} has two lines for {row['path']}, with the groups {first['group']} and {row['group']}. "
                "Remove one of them."
            )
    groups = []
    for photo, folder_label in zip(photos, folder_labels, strict=True):
        path = photo.path.relative_to(folder).as_posix()
        if path not in rows or not rows[path]["group"]:
            raise DataError(f"{GROUPS_FILE} gives no group for {path}. Add a line for it or remove the file.")
        row = rows[path]
        if row["label"] not in (photo.label, folder_label):
            raise DataError(
                f"{GROUPS_FILE} calls {path} {row['label']}, its folder says {folder_label}. Make them agree."
            )
        groups.append(row["group"])
    return groups
