"""What a photo is like besides its label, so that figures can be broken down: is the net as good on every group?

Sizes, brightness and folder come from the photos; further traits from the columns of the set's `groups.csv`.
Skin tone and face scale are estimated on request, without a face detector: they compare groups, not people.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import binomtest
from skimage.color import rgb2lab, rgb2ycbcr

from bot.inference.decoding import read
from training.data.groups import GROUPS_FILE
from training.data.photos import DataError, LabelledPhoto

Traits = dict[str, list[str]]
"""Name of a trait -> its value for each photo."""

UNKNOWN = "unknown"
LOOK_SIDE = 256
"""Pixels of the longer side at which photos are analysed: means and shares of area need no more."""
CENTRE = 0.5
"""Share of width and height in the middle where a face is looked for."""
MIN_SKIN = 0.05
"""Share of the centre that skin must cover for a tone: the forehead above a mask is about that."""
MIN_GROUP = 50
"""Photos of a group that may be called the worst: below, chance alone moves its accuracy by ten points and more."""

SIZE, BRIGHTNESS, FOLDER = "photo size", "brightness", "folder"
SKIN_TONE, FACE_SCALE = "apparent skin tone (estimate)", "face scale (estimate)"
Bins = tuple[tuple[float, str], ...]
"""Lower edge of each bin and its name, in rising order."""
SIZES: Bins = ((0, "under 128 px"), (128, "128 to 255 px"), (256, "256 to 511 px"), (512, "512 px and more"))
LUMAS: Bins = ((0, "dark"), (85, "medium"), (170, "bright"))
ANGLES: Bins = (
    (-180, "dark"),
    (-30, "brown"),
    (10, "tan"),
    (28, "intermediate"),
    (41, "light"),
    (55, "very light"),
)
"""Individual typology angle in degrees (Chardon et al. 1991; "dark" as split off by Del Bino and Bernerd 2013)."""
SCALES: Bins = ((0, "small: under 10 % skin"), (0.1, "medium: 10 to 30 % skin"), (0.3, "large: 30 % skin and more"))
BINS = {SIZE: SIZES, BRIGHTNESS: LUMAS, SKIN_TONE: ANGLES, FACE_SCALE: SCALES}
MEANINGS = {
    SIZE: "the shorter side",
    BRIGHTNESS: "mean luma (BT.601): dark below 85 of 255, bright from 170",
    FOLDER: "the folder right below --data",
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
class Recall:
    photos: int
    recall: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Group:
    """The photos of one value of a trait, and how many of them the net names rightly."""

    trait: str
    value: str
    photos: int
    accuracy: float
    interval: tuple[float, float]
    """Wilson, 95 %."""
    recall: dict[str, Recall]
    """Of the labels that occur in the group."""


@dataclass(frozen=True)
class WorstGroup:
    trait: str
    value: str
    photos: int
    accuracy: float
    interval: tuple[float, float]
    gap: float
    """Points (hundredths) by which its accuracy lies below that of all photos."""


def find_traits(photos: Sequence[LabelledPhoto], folder: Path, breakdown: Breakdown = NO_MORE) -> Traits:
    """Traits of photos below `folder`. Raises DataError if groups.csv lacks a column."""
    traits = {SIZE: [_bin(min(photo.size), SIZES) for photo in photos]}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        looks = list(pool.map(lambda photo: _look(photo.path, breakdown.faces), photos))
    traits |= {name: [look[name] for look in looks] for name in looks[0]} if looks else {}
    parts = [photo.path.relative_to(folder).parts for photo in photos]
    tops = [part[0] if len(part) > 2 else "." for part in parts]  # TOP/LABEL/FILE
    if len(set(tops)) > 1:
        traits[FOLDER] = tops
    return traits | read_columns(photos, folder, breakdown.columns)


def read_columns(photos: Sequence[LabelledPhoto], folder: Path, columns: Sequence[str]) -> Traits:
    """The photos' values in columns of `groups.csv`; an empty one is unknown.

    Raises DataError if a column is not there: without photos, this checks the columns before a training.
    """
    if not columns:
        return {}
    file = folder / GROUPS_FILE
    if not file.is_file():
        raise DataError(f"there is no {file} with the column {columns[0]}. --by names a column of that file.")
    with file.open(newline="", encoding="utf-8-sig") as handle:
        reader = csv.DictReader(handle)
        known = [name for name in reader.fieldnames or [] if name != "path"]
        if "path" not in (reader.fieldnames or []):
            raise DataError(f"{GROUPS_FILE} has no column path.")
        for column in columns:
            if column not in known:
                raise DataError(f"{GROUPS_FILE} has no column {column}. --by takes one of {', '.join(known)}.")
        rows = {row["path"]: row for row in reader}
    names = [photo.path.relative_to(folder).as_posix() for photo in photos]
    return {column: [rows.get(name, {}).get(column) or UNKNOWN for name in names] for column in columns}


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
            recall = {}
            for number, label in enumerate(labels):
                its = right[mine & (targets == number)]
                if len(its):
                    recall[label] = Recall(len(its), float(its.mean()), wilson(int(its.sum()), len(its)))
            count, correct = int(mine.sum()), int(right[mine].sum())
            groups.append(Group(trait, value, count, correct / count, wilson(correct, count), recall))
    return groups


def find_worst(groups: Sequence[Group], accuracy: float) -> WorstGroup | None:
    """The group of at least MIN_GROUP photos that the net does worst on; `accuracy` is that on all photos."""
    large = [group for group in groups if group.photos >= MIN_GROUP]
    if not large:
        return None
    worst = min(large, key=lambda group: group.accuracy)
    gap = 100 * (accuracy - worst.accuracy)
    return WorstGroup(worst.trait, worst.value, worst.photos, worst.accuracy, worst.interval, gap)


def wilson(right: int, of: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share: it holds for small counts and for shares near 0 and 1."""
    interval = binomtest(right, of).proportion_ci(confidence_level=0.95, method="wilson")
    return float(interval.low), float(interval.high)


def find_skin(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which pixels are skin-coloured: RGB `[height, width, 3]` -> `[height, width]` (Chai and Ngan 1999).

    The rule is one of chrominance (BT.601, studio range) and leaves lightness free, so that it takes dark skin as well.
    It takes wood, sand and red hair for skin, too.
    """
    _, blue, red = np.moveaxis(rgb2ycbcr(pixels), -1, 0)
    skin: NDArray[np.bool_] = (blue >= 77) & (blue <= 127) & (red >= 133) & (red <= 173)
    return skin


def measure_angle(skin: NDArray[np.uint8]) -> float:
    """Individual typology angle in degrees of skin pixels, RGB `[pixels, 3]`: the higher, the lighter."""
    lightness, _, yellow = np.median(rgb2lab(skin), axis=0)
    return float(np.degrees(np.arctan2(lightness - 50, yellow)))


def name_skin_tone(pixels: NDArray[np.uint8]) -> str:
    """The bin of the skin in the middle of a photo, RGB `[height, width, 3]`, or UNKNOWN if there is too little."""
    height, width = (max(1, round(side * CENTRE)) for side in pixels.shape[:2])
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    centre = pixels[top : top + height, left : left + width]
    skin = find_skin(centre)
    return _bin(measure_angle(centre[skin]), ANGLES) if skin.mean() >= MIN_SKIN else UNKNOWN


def _look(path: Path, faces: bool) -> dict[str, str]:
    photo = read(path.read_bytes())
    photo.thumbnail((LOOK_SIDE, LOOK_SIDE), Image.Resampling.BILINEAR)
    seen = {BRIGHTNESS: _bin(float(np.asarray(photo.convert("L")).mean()), LUMAS)}
    if not faces:
        return seen
    pixels = np.asarray(photo)
    share = float(find_skin(pixels).mean())
    return seen | {SKIN_TONE: name_skin_tone(pixels), FACE_SCALE: _bin(share, SCALES) if share else UNKNOWN}


def _bin(value: float, bins: Bins) -> str:
    return next(name for edge, name in reversed(bins) if value >= edge)
