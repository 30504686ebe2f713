"""Whether classes can be trained on, and what a person should know of them before."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path

from bot.inference.class_folders import (
    TRAIN,
    VALID,
    Place,
    find_empty_folders,
    find_few,
    find_one_sided,
    find_reserved,
    find_too_many,
)
from bot.inference.contract import find_fault
from bot.inference.names import clean_label, lies_in, show_path
from bot.inference.photo_files import SUFFIXES
from training.data.photos import DataError, LabelledPhoto
from training.recipe import GENERATED, NO_OUTSIDERS

FEW_PHOTOS = 20
"""Photos of a class below which its figures say little."""
MAX_IMBALANCE = 10
"""Photos of the largest class for one of the smallest, above which the net leans to the large ones."""
SHOWN = 3
"""Examples that a note names."""


def check_places(out: Path, data: Path, outsiders: str = NO_OUTSIDERS) -> None:
    """Raise DataError where the report of `out` would lie among pictures: the next training would take its for some.

    `outsiders` is that of a recipe.
    """
    read = {"--data": data} | ({} if outsiders in (NO_OUTSIDERS, GENERATED) else {"--outsiders": Path(outsiders)})
    for option, folder in read.items():
        if lies_in(out.parent, folder):
            raise DataError(
                f"--out {out} lies in {option} {folder}: the next training would take the report's pictures for "
                "photos. Name a place outside of it, such as artifacts/NAME."
            )


def check_folders(
    folder: Path, files: Sequence[Path], photos: Sequence[LabelledPhoto], places: Mapping[Path, Place]
) -> None:
    """Raise DataError for a folder without photos, or whose name no class can have.

    `files` are those named like photos, `photos` the readable ones, with the labels of their folders.
    """
    labels = {photo.label for photo in photos}
    empty = {place.label for place in places.values() if place.label} - labels
    empty |= {clean_label(path.name) for path in find_empty_folders(folder, files)} - labels
    if empty:
        raise DataError(
            f"no photo can be read in class {', '.join(sorted(empty))}. Put photos there or remove the folder. "
            f"Photos end in {' '.join(sorted(SUFFIXES))}."
        )
    for photo in photos:
        if reason := find_fault(photo.label):  # else the export would say so, after hours of training
            raise DataError(f"{photo.path.parent} cannot name a class: the name {reason}. Rename the folder.")


def check_classes(folder: Path, photos: Sequence[LabelledPhoto]) -> None:
    """Raise DataError for classes that cannot be trained on. `photos` have the labels that they are trained with."""
    counts = Counter(photo.label for photo in photos)
    if trouble := find_too_many(counts) or find_reserved(counts):
        raise DataError(trouble)
    if len(counts) < 2:
        content = f"only the class {next(iter(counts))}" if counts else "no class folder with photos"
        raise DataError(
            f"{folder} holds {content}; a classifier needs two classes. "
            "Put each class's photos into a folder named for it."
        )
    if trouble := find_few(counts):
        raise DataError(trouble)


def check_sides(photos: Sequence[LabelledPhoto]) -> None:
    """Raise DataError for a class that is on one side only of the folders' split."""
    sides = {
        side: {photo.label for photo in photos if photo.held_out == held_out}
        for side, held_out in ((TRAIN, False), (VALID, True))
    }
    if trouble := find_one_sided(sides):
        raise DataError(trouble)


def describe(
    folder: Path,
    photos: Sequence[LabelledPhoto],
    alike: Sequence[tuple[Path, Path]],
    others: Mapping[str, int],
    left_alone: int,
) -> Iterator[str]:
    """What a person should know before the training, a line each.

    `alike` has each photo that looks like one of another label, with that one. `others` is the number of other files by
    their ending.
    """
    collections: defaultdict[str, set[str]] = defaultdict(set)
    for photo in photos:
        collections[photo.collection or "."].add(photo.label)
    if len(collections) > 1:
        same = " of the same classes" if len(set(map(frozenset, collections.values()))) == 1 else ""
        yield f"the photos come from {len(collections)} collections{same}: {show_path(', '.join(sorted(collections)))}"
    if left_alone:
        yield (
            f"{left_alone} photos in test/ are neither trained on nor held out; "
            "`python -m export verify` measures on them"
        )
    if others:
        endings = ", ".join(f"{show_path(ending) or 'no ending'} ({count})" for ending, count in sorted(others.items()))
        yield f"other files, not read: {endings}"
    renamed = {path.name: clean_label(path.name) for photo in photos for path in (photo.path.parent,)}
    for name, label in sorted(renamed.items()):
        if name != label and any(photo.label == label for photo in photos):
            yield f"the folder {show_path(name)} is class {label}"
    yield from _describe_same_names({photo.label for photo in photos})
    yield from _describe_sizes(Counter(photo.label for photo in photos))
    if alike:
        pairs = list(dict.fromkeys(tuple(sorted(pair)) for pair in alike))[:SHOWN]
        named = [" and ".join(_name(folder, path) for path in pair) for pair in pairs]
        yield (
            f"{len(alike)} photos look like one of another class, such as {'; '.join(named)}. "
            "Is one of their labels wrong?"
        )


def _describe_same_names(labels: Set[str]) -> Iterator[str]:
    """Classes that one person would call by one name, such as Cat and cat."""
    names: defaultdict[str, list[str]] = defaultdict(list)
    for label in sorted(labels):
        names[unicodedata.normalize("NFKC", label).casefold()].append(label)
    for alike in names.values():
        if len(alike) > 1:
            yield (
                f"{' and '.join(alike)} are {len(alike)} classes: their names differ only in capitals or in the form "
                "of letters. If they are one class, move its photos into one folder."
            )


def _describe_sizes(counts: Counter[str]) -> Iterator[str]:
    few = [f"{label} ({count})" for label, count in sorted(counts.items()) if count < FEW_PHOTOS]
    if few:
        more = f" and {len(few) - SHOWN} more" if len(few) > SHOWN else ""
        yield (
            f"fewer than {FEW_PHOTOS} photos in class {', '.join(few[:SHOWN])}{more}: "
            "the figures will say little. Add photos."
        )
    (most, largest), (least, smallest) = counts.most_common()[0], counts.most_common()[-1]
    if largest > MAX_IMBALANCE * smallest:
        yield (
            f"class {most} has {largest} photos and {least} {smallest}, more than {MAX_IMBALANCE} to 1: "
            f"the net will lean to {most}. Add photos of {least}."
        )


def _name(folder: Path, path: Path) -> str:
    return show_path(path.relative_to(folder).as_posix())
