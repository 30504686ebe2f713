"""What a photo is like besides its label, so that figures can be broken down: is the net as good on every group?

Sizes, brightness and collection come from the photos; further traits from the columns of the set's `groups.csv`.
Skin tone and face scale are estimated on request, without a face detector: they compare groups, not people.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bot.inference.decoding import read
from bot.inference.names import clean_label
from training.data.groups import GROUPS_FILE, has_groups
from training.data.photos import DataError, LabelledPhoto
from training.data.tables import read_header, read_table
from training.evaluation.intervals import Share, count_share
from training.evaluation.skin_tone import find_skin, measure_centre

Traits = dict[str, list[str]]
"""Name of a trait -> its value for each photo."""

UNKNOWN = "unknown"
LOOK_SIDE = 256
"""Pixels of the longer side at which photos are analysed: means and shares of area need no more."""
MIN_GROUP = 50
"""Photos of a group that may be called the worst: below, chance alone moves its accuracy by ten points and more."""

SIZE, BRIGHTNESS, COLLECTION = "photo size", "brightness", "collection"
FACES, FACE_HEIGHT = "faces", "face_height"
"""Columns of groups.csv that are broken down by wherever they are there."""
SKIN_TONE, FACE_SCALE = "apparent skin tone (estimate)", "face scale (estimate)"
Bins = tuple[tuple[float, str], ...]
"""Lower edge of each bin and its name, in rising order."""
BINS: dict[str, Bins] = {
    SIZE: ((0, "under 128 px"), (128, "128 to 255 px"), (256, "256 to 511 px"), (512, "512 px and more")),
    BRIGHTNESS: ((0, "dark"), (85, "medium"), (170, "bright")),
    FACES: ((0, "none"), (1, "1"), (2, "2"), (3, "3 and more")),
    FACE_HEIGHT: ((0, "under 0.15"), (0.15, "0.15 to 0.3"), (0.3, "0.3 to 0.5"), (0.5, "0.5 and more")),
    # Individual typology angle in degrees (Chardon et al. 1991; "dark" split off by Del Bino and Bernerd 2013).
    SKIN_TONE: (
        (-180, "dark"),
        (-30, "brown"),
        (10, "tan"),
        (28, "intermediate"),
        (41, "light"),
        (55, "very light"),
    ),
    FACE_SCALE: (
        (0, "small: under 10 % skin"),
        (0.1, "medium: 10 to 30 % skin"),
        (0.3, "large: 30 % skin and more"),
    ),
}
MEANINGS = {
    SIZE: "the shorter side",
    BRIGHTNESS: "mean luma (BT.601): dark below 85 of 255, bright from 170",
    COLLECTION: "the folder of class folders that a photo comes from",
    FACES: "how many faces groups.csv gives",
    FACE_HEIGHT: "of the largest face, as a share of the photo's height, from groups.csv",
    SKIN_TONE: "individual typology angle (Chardon et al. 1991) of skin-coloured pixels in the middle of the photo; "
    "light and cameras move it, and it is no statement about a person",
    FACE_SCALE: "share of the photo that is skin-coloured: a stand-in, no face detector; masks and hands move it",
}
"""What a trait's values mean; a trait that is not here is a column of groups.csv."""


@dataclass(frozen=True)
class Breakdown:
    """What to break figures down by, beside what is known of every photo."""

    columns: tuple[str, ...] = ()
    """Of groups.csv."""
    faces: bool = False
    """Apparent skin tone and face scale: only where the photos show faces do they mean anything."""


NO_MORE = Breakdown()


@dataclass(frozen=True)
class Group:
    """The photos of one value of a trait, and how many of them the net gets right."""

    trait: str
    value: str
    right: Share
    recall: dict[str, Share]
    """Of the labels that occur in the group."""


def find_traits(photos: Sequence[LabelledPhoto], folder: Path, breakdown: Breakdown = NO_MORE) -> Traits:
    """Traits of photos below `folder`. Raises DataError if groups.csv lacks a column."""
    traits = {SIZE: [_bin(min(photo.size), SIZE) for photo in photos]}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        looks = list(pool.map(lambda photo: _look(photo.path, breakdown.faces), photos))
    traits |= {name: [look[name] for look in looks] for name in looks[0]} if looks else {}
    collections = [photo.collection for photo in photos]
    if len(set(collections)) > 1:
        traits[COLLECTION] = collections
    file = folder / GROUPS_FILE
    header = read_header(file) if has_groups(folder) else []
    present = [name for name in (FACES, FACE_HEIGHT) if name in header]
    columns = read_columns(photos, folder, [*dict.fromkeys([*breakdown.columns, *present])])
    return traits | {name: [_bin_text(value, name) for value in values] for name, values in columns.items()}


def read_columns(photos: Sequence[LabelledPhoto], folder: Path, columns: Sequence[str]) -> Traits:
    """The photos' values in columns of `groups.csv`; an empty one is unknown.

    Raises DataError if a column is not there: without photos, this checks the columns before a training.
    """
    if not columns:
        return {}
    file = folder / GROUPS_FILE
    if not has_groups(folder):
        raise DataError(f"there is no {file} with the column {columns[0]}. --by names a column of that file.")
    known = [name for name in read_header(file) if name != "path"]
    for column in columns:
        if column not in known:
            raise DataError(f"{GROUPS_FILE} has no column {column}. --by takes one of {', '.join(known)}.")
    rows = {row["path"]: row for row in read_table(file, ("path", *columns), folder)}
    names = [photo.path.relative_to(folder).as_posix() for photo in photos]
    cells = [rows.get(name, {}) for name in names]
    return {column: [clean_label(row.get(column, "")) or UNKNOWN for row in cells] for column in columns}


def break_down(
    right: NDArray[np.bool_], targets: NDArray[np.int64], labels: Sequence[str], traits: Mapping[str, Sequence[str]]
) -> list[Group]:
    """Figures for each value of each trait, from arrays `[photos]`: was the answer right, and the label's number."""
    groups = []
    for trait, values in traits.items():
        order = {name: place for place, (_, name) in enumerate(BINS.get(trait, ()))}
        column = np.array(values)
        for value in sorted(set(values), key=lambda value: (order.get(value, len(order)), value)):
            mine = column == value
            recall = {
                label: count_share(right[mine & (targets == number)])
                for number, label in enumerate(labels)
                if (mine & (targets == number)).any()
            }
            groups.append(Group(trait, value, count_share(right[mine]), recall))
    return groups


def find_worst(groups: Sequence[Group]) -> Group | None:
    """The group of at least MIN_GROUP photos that the net does worst on."""
    large = [group for group in groups if group.right.photos >= MIN_GROUP]
    return min(large, key=lambda group: group.right.share) if large else None


def name_skin_tone(pixels: NDArray[np.uint8]) -> str:
    """The bin of the skin in the middle of a photo, RGB `[height, width, 3]`, or UNKNOWN if there is too little."""
    angle = measure_centre(pixels)
    return UNKNOWN if angle is None else _bin(angle, SKIN_TONE)


def _look(path: Path, faces: bool) -> dict[str, str]:
    photo = read(path.read_bytes())
    photo.thumbnail((LOOK_SIDE, LOOK_SIDE), Image.Resampling.BILINEAR)
    seen = {BRIGHTNESS: _bin(float(np.asarray(photo.convert("L")).mean()), BRIGHTNESS)}
    if not faces:
        return seen
    pixels = np.asarray(photo)
    share = float(find_skin(pixels).mean())
    return seen | {SKIN_TONE: name_skin_tone(pixels), FACE_SCALE: _bin(share, FACE_SCALE) if share else UNKNOWN}


def _bin(value: float, trait: str) -> str:
    return next(name for edge, name in reversed(BINS[trait]) if value >= edge)


def _bin_text(text: str, trait: str) -> str:
    """The bin of a number written in groups.csv; any other text is a value of its own."""
    try:
        return _bin(float(text), trait) if trait in BINS else text
    except (ValueError, StopIteration):
        return text
