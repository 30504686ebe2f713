"""Near-duplicates: photos that would leak what was trained on into what is held out."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from training.data.photos import DataError, LabelledPhoto

GROUPS_FILE = "groups.csv"
MAX_HASH_DISTANCE = 8
"""Bits of 64 in which the difference hashes of near-duplicates may differ. On 3,079 face photos whose
near-duplicates are known this finds 871 of 882 pairs and 409 others (pHash at 8 bits: 797 and 260)."""


def group_by_hash(hashes: NDArray[np.uint64], labels: Sequence[str]) -> list[str]:
    """Group photos of one label whose difference hashes differ in at most MAX_HASH_DISTANCE bits, transitively.

    `hashes` is uint64 `[photos]`; returns a group name per photo.
    """
    first, second = find_alike(hashes)
    same = np.array(labels)[first] == np.array(labels)[second]
    edges = first[same], second[same]
    graph = coo_array((np.ones(len(edges[0]), bool), edges), shape=(len(hashes), len(hashes)))
    return [f"h{component}" for component in connected_components(graph, directed=False)[1]]


def find_alike(hashes: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of photos that look alike, as two int64 `[pairs]` of their numbers, the smaller one first."""
    rows, columns = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for row, value in enumerate(hashes):
        near = np.flatnonzero(np.bitwise_count(hashes[row + 1 :] ^ value) <= MAX_HASH_DISTANCE) + row + 1
        rows.append(np.full(len(near), row))
        columns.append(near)
    return np.concatenate(rows), np.concatenate(columns)


def read_groups(folder: Path, photos: Sequence[LabelledPhoto]) -> list[str]:
    """The photos' groups by the folder's groups.csv. Raises DataError where it does not fit them."""
    with (folder / GROUPS_FILE).open(newline="", encoding="utf-8-sig", errors="surrogateescape") as handle:
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
