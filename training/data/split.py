"""Which photos are held out: folds that part no near-duplicates, and the file that remembers the split."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from fastai.data.transforms import RandomSplitter
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from training.data.groups import GROUPS_FILE, has_groups
from training.data.photos import DataError, LabelledPhoto, Skipped
from training.data.tables import read_table, write_table

FOLDS = 5
"""Folds where every class has enough groups of photos: one photo in five is held out."""
SKIPPED_FILE = "skipped.csv"
"""In the report: the photos that are not used, and why."""
COLUMNS = ("path", "label", "group", "width", "height", "split", "collection")
ENOUGH = 100
"""Photos of a collection that tell how good a net is on it: one in a hundred is a point."""
SEEDS = 20
"""Seeds that are tried until every class is in every fold's training photos."""


def assign_folds(photos: Sequence[LabelledPhoto], seed: int, most: int = FOLDS) -> NDArray[np.int64]:
    """Deal photos out to folds by group, each fold with its share of every label.

    Returns int64 `[photos]`: the fold, from 0, in which a photo is held out. There are as many folds as the class with
    the fewest groups has groups, `most` at most and two at least. Every label is trained on in every fold.
    Raises DataError for a label whose photos are all in one group.
    """
    labels = np.array([photo.label for photo in photos])
    groups = [photo.group for photo in photos]
    count = min(most, *count_groups(photos).values())
    if count < 2:
        few = [label for label, number in count_groups(photos).items() if number < 2]
        raise DataError(
            f"class {', '.join(few)} cannot be split: all photos of {'it' if len(few) == 1 else 'each'} are one group "
            f"of near-duplicates. Add photos that differ. A file in several groups of {GROUPS_FILE} makes them one."
        )
    for attempt in range(SEEDS):
        splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed + attempt)
        folds = np.zeros(len(photos), np.int64)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scikit-learn's word on classes with fewer photos than folds
            for number, (_, held_out) in enumerate(splitter.split(photos, labels, groups)):
                folds[held_out] = number
        if all(len(set(folds[labels == label])) > 1 for label in set(labels)):
            return folds
    raise DataError(
        "the classes cannot be split: their photos share too few groups. Add photos that differ, or correct groups.csv."
    )


def count_groups(photos: Sequence[LabelledPhoto]) -> dict[str, int]:
    """Groups of photos, which are near-duplicates of each other, per label."""
    groups: dict[str, set[str]] = defaultdict(set)
    for photo in photos:
        groups[photo.label].add(photo.group)
    return {label: len(groups[label]) for label in sorted(groups)}


def hold_out(photos: Sequence[LabelledPhoto], seed: int) -> list[LabelledPhoto]:
    """Hold the first fold out. Raises DataError as `assign_folds` does."""
    return [replace(photo, held_out=not fold) for photo, fold in zip(photos, assign_folds(photos, seed), strict=True)]


def leave_out(photos: Sequence[LabelledPhoto], folder: Path, choice: str) -> list[LabelledPhoto]:
    """Hold out the photos that `choice` names: a folder below `folder`, or COLUMN=VALUE of its groups.csv.

    Raises DataError if it names none or all of them, or leaves a class without photos to train on.
    """
    chosen = (
        {photo.path for photo in photos if photo.collection and photo.collection == choice}
        or _find_below(photos, folder, choice)
        or _find_by_column(photos, folder, choice)
    )
    if not chosen:
        tops = sorted({photo.path.relative_to(folder).parts[0] for photo in photos})
        raise DataError(
            f"--leave-out {choice} names no photos. It takes a folder, such as {', '.join(tops)}, "
            f"or COLUMN=VALUE of {GROUPS_FILE}."
        )
    split = [replace(photo, held_out=photo.path in chosen) for photo in photos]
    untrained = {photo.label for photo in split} - {photo.label for photo in split if not photo.held_out}
    if untrained:
        raise DataError(
            f"--leave-out {choice} leaves no photo of {', '.join(sorted(untrained))} to train on. "
            "Name a folder that holds part of every class."
        )
    return split


def leave_source_out(photos: Sequence[LabelledPhoto]) -> tuple[str, list[LabelledPhoto]] | None:
    """Hold out a collection more, with what is near-duplicates of it: its name, and the photos in the same order.

    It has every label that is learned, and so have the others together. Of several it is the smallest with ENOUGH
    photos, so that most are left to learn from. None: there is no such collection.
    """
    learned = [photo for photo in photos if not photo.held_out]
    labels = {photo.label for photo in learned}
    whole: dict[str, list[LabelledPhoto]] = {}
    for source in sorted({photo.collection for photo in learned}):
        its_photos = [photo for photo in learned if photo.collection == source]
        groups = {photo.group for photo in its_photos}
        rest = [photo for photo in learned if photo.group not in groups]
        if {photo.label for photo in its_photos} == labels == {photo.label for photo in rest}:
            whole[source] = its_photos
    if not whole:
        return None
    enough = [source for source in whole if len(whole[source]) >= ENOUGH]
    source = min(enough, key=lambda name: len(whole[name])) if enough else max(whole, key=lambda name: len(whole[name]))
    groups = {photo.group for photo in whole[source]}
    return source, [replace(photo, held_out=photo.held_out or photo.group in groups) for photo in photos]


def part_from_held_out(photos: Sequence[LabelledPhoto]) -> tuple[list[LabelledPhoto], list[Skipped]]:
    """The photos without those to train on whose near-duplicates are held out, and the latter, with the reason.

    Raises DataError for a label that is left without photos to train on.
    """
    held_out = {photo.group for photo in photos if photo.held_out}
    parted = [photo for photo in photos if not photo.held_out and photo.group in held_out]
    rest = [photo for photo in photos if photo.held_out or photo.group not in held_out]
    gone = {photo.label for photo in parted} - {photo.label for photo in rest if not photo.held_out}
    if gone:
        raise DataError(
            f"class {sorted(gone)[0]} has no photos to train on: all are near-duplicates of held-out ones. "
            "Add photos that differ, or hold out others."
        )
    return rest, [Skipped(photo.path, "a near-duplicate of it is held out") for photo in parted]


def _find_below(photos: Sequence[LabelledPhoto], folder: Path, choice: str) -> set[Path]:
    """The photos below a folder, which is named as it is below `folder` or as it is from here."""
    places = {folder / choice, Path(choice)} - {folder}
    return {photo.path for photo in photos if places & set(photo.path.parents)}


def _find_by_column(photos: Sequence[LabelledPhoto], folder: Path, choice: str) -> set[Path]:
    column, equals, value = choice.partition("=")
    if not (equals and column and has_groups(folder)):
        return set()
    rows = read_table(folder / GROUPS_FILE, ("path", column), folder)
    chosen = {row["path"] for row in rows if row[column] == value}
    return {photo.path for photo in photos if photo.path.relative_to(folder).as_posix() in chosen}


def count_naive_twins(groups: Sequence[str], seed: int) -> tuple[int, int]:
    """Of fastai's RandomSplitter with the same seed: held-out photos with a twin in training, and all held out."""
    train, held_out = RandomSplitter(1 / FOLDS, seed=seed)(groups)
    trained = {groups[index] for index in train}
    return sum(groups[index] in trained for index in held_out), len(held_out)


def write_split(photos: Sequence[LabelledPhoto], folder: Path, file: Path) -> None:
    """Write the photos as CSV (COLUMNS), paths relative to `folder`."""
    rows = [
        (
            photo.path.relative_to(folder).as_posix(),
            *(photo.label, photo.group, *photo.size),
            "valid" if photo.held_out else "train",
            photo.collection,
        )
        for photo in photos
    ]
    write_table([COLUMNS, *rows], file)


def write_skipped(skipped: Sequence[Skipped], folder: Path, file: Path) -> None:
    """Write the photos that are not used, and why, as CSV (`path,why`), paths relative to `folder`."""
    rows = [(photo.path.relative_to(folder).as_posix(), photo.why) for photo in skipped]
    write_table([("path", "why"), *rows], file)


def read_split(folder: Path, file: Path) -> list[LabelledPhoto]:
    """Read what `write_split` wrote, with paths below `folder`; files of earlier versions have no collection.

    Raises DataError for a file that is damaged.
    """
    try:
        return [
            LabelledPhoto(
                path=folder / row["path"],
                label=row["label"],
                group=row["group"],
                size=(int(row["width"]), int(row["height"])),
                held_out=row["split"] == "valid",
                collection=row.get("collection", ""),
            )
            for row in read_table(file, COLUMNS[:-1])
        ]
    except ValueError as error:  # a width that is no number
        raise DataError(f"{file} is damaged: {error}. Train again.") from error
