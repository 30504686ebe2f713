"""What the folders that people keep photos in say of them: class, collection, side of the split.

    cat/1.jpg               a folder per class
    cat/2024/1.jpg          dates and parts belong to the class above them
    seed/cat/1.jpg          collections: every one has the same classes
    train/cat/1.jpg         the split: train/ and valid/ (as for fastai's GrandparentSplitter), test/ left alone

Anything else has two readings, and is refused until --class-folder says which. Bot and training share this.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from pathlib import Path

from bot.errors import LabelgramError
from bot.inference.contract import MAX_CLASSES
from bot.inference.names import clean_label, is_folder, is_skipped

CLASS_FOLDERS = ("auto", "first", "last")
"""Which folder names the class: as it fits, the one right below --data, or the one that holds the photos."""
TRAIN, VALID, TEST = "train", "valid", "test"
SIDES = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("valid", "val", "validation", "dev"), VALID),
    **dict.fromkeys(("test", "testing"), TEST),
}
"""Name of a folder in small letters -> side of the split."""
MONTHS = (
    "jan(uary)?|feb(ruary)?|mar(ch)?|apr(il)?|may|june?|july?|aug(ust)?"
    "|sept?(ember)?|oct(ober)?|nov(ember)?|dec(ember)?"
)
DATE = rf"(19|20)\d\d([-_. ]?(0?[1-9]|1[0-2]|({MONTHS}))([-_. ]?[0-3]?\d)?)?"
OTHER_DATE = rf"([0-3]?\d[-_. ])?([01]?\d[-_. ]|({MONTHS})[-_. ]?)(19|20)\d\d"
PART = r"(part|batch|set|chunk|shard|session|series|roll|fold|folder|album|day|week|camera|cam|no|nr)[-_. ]*\d+"
CAMERA = r"\d{3}[-_a-z]{5}"  # DCF, as cameras name folders: 100APPLE, 101_PANA
NUMBER = r"\d+"
DATES_AND_PARTS = rf"{DATE}|{OTHER_DATE}|{PART}|{CAMERA}"  # compiled when it is asked for: the bot's start is not
SHOWN = 6
"""Classes that a message names."""
OUTSIDER = "(outsider)"
"""The class behind all labels: pictures that show none of them. No label may have this name, in any capitals."""
MIN_PHOTOS = 5
"""Photos that a class needs at least to be trained on."""
Parts = tuple[str, ...]
"""Names of the folders from --data down to a photo."""


class FoldersError(LabelgramError):
    """Folders can be read in two ways, or in none; the message shows them and says what to do."""


@dataclass(frozen=True)
class Place:
    """What the folders say of the photos in one of them."""

    label: str
    collection: str = ""
    side: str = ""
    """TRAIN, VALID or TEST where the folders are the split; empty where they are not."""


def place_files(folder: Path, files: Iterable[Path], class_folder: str = CLASS_FOLDERS[0]) -> dict[Path, Place]:
    """What the folders say of each file below `folder`, without those that lie right in it.

    Without valid/ what lies in test/ is held out, if it has classes. A collection that is the only one has no name.
    Raises FoldersError.
    """
    inner = {path: path.parent.relative_to(folder).parts for path in files if folder in path.parent.parents}
    if not inner:
        return {}
    read_as = read_folders(set(inner.values()), class_folder)
    places = {path: read_as[parts] for path, parts in inner.items()}
    sides = {place.side for place in places.values() if place.label}
    if TEST in sides and VALID not in sides:
        places = {
            path: replace(place, side=VALID) if place.side == TEST and place.label else place
            for path, place in places.items()
        }
    if len({place.collection for place in places.values() if place.side != TEST}) == 1:
        places = {path: replace(place, collection="") for path, place in places.items()}
    return places


def read_folders(folders: Collection[Parts], class_folder: str = "auto") -> dict[Parts, Place]:
    """What each folder of photos says; `folders` are all that hold any, none of them empty.

    Raises FoldersError where the folders have more than one reading, showing them.
    """
    sides = _find_sides(folders)
    inner = {parts: _without_side(parts) if sides else parts for parts in folders}
    unsided = {parts for parts, rest in inner.items() if not rest}  # photos right in test/, whose class is unknown
    classes = {rest for rest in inner.values() if rest}
    rest = _without_common(classes) if class_folder == CLASS_FOLDERS[0] else {parts: parts for parts in classes}
    read = _READERS[class_folder](set(rest.values()))
    places = {}
    for parts in folders:
        side = sides.get(parts, "")
        places[parts] = Place("", side=side) if parts in unsided else replace(read[rest[inner[parts]]], side=side)
    return places


def find_empty_folders(folder: Path, files: Collection[Path]) -> Iterator[Path]:
    """Folders beside those of classes that hold none of the files. Raises OSError if one cannot be listed."""
    filled = {parent for path in files for parent in path.parents}
    for parent in {folder, *(path.parent.parent for path in files if folder in path.parent.parents)}:
        for path in parent.iterdir():
            name = path.name.casefold()
            if is_skipped(name) or name in SIDES or looks_like_part(name):
                continue
            if path not in filled and is_folder(path) and not path.is_symlink():
                yield path


def find_reserved(labels: Iterable[str]) -> str | None:
    """What is wrong where a class has the name OUTSIDER, and what to do."""
    reserved = next((label for label in labels if label.casefold() == OUTSIDER), None)
    return reserved and (
        f"the class {reserved} has the name that is kept for pictures of something else. "
        "Rename its folder, or give such pictures with --outsiders."
    )


def find_too_many(labels: Collection[str]) -> str | None:
    """What is wrong where there are more classes than a file of a model may name."""
    if len(labels) <= MAX_CLASSES:
        return None
    return f"there are {len(labels):,} classes; at most {MAX_CLASSES:,} can be trained on. Give a folder with fewer."


def find_few(counts: Mapping[str, int]) -> str | None:
    """What is wrong where a class has fewer than MIN_PHOTOS photos, and what to do. `counts` has those of each."""
    few = [f"{label} ({count})" for label, count in sorted(counts.items()) if count < MIN_PHOTOS]
    if not few:
        return None
    return f"fewer than {MIN_PHOTOS} photos in class {', '.join(few)}. Add photos or remove the folder."


def find_one_sided(sides: Mapping[str, Set[str]]) -> str | None:
    """What is wrong where a class is on one side of the split only, and what to do. `sides` has each one's labels."""
    for side, labels in sides.items():
        if missing := set().union(*sides.values()) - labels:
            return (
                f"the folder {side} holds no photo of class {', '.join(sorted(missing))}. "
                "Put photos of every class there, or put all photos of a class into one folder to have them split."
            )
    return None


def looks_like_part(name: str) -> bool:
    """Whether a folder of this name holds part of a class's photos: a date, a batch, a camera's own folder."""
    return re.fullmatch(DATES_AND_PARTS, name, re.IGNORECASE) is not None


def _find_sides(folders: Collection[Parts]) -> dict[Parts, str]:
    """The side of each folder if the folders are a split; else nothing."""
    marks = {parts: [SIDES[name.lower()] for name in parts if name.lower() in SIDES] for parts in folders}
    if any(len(sides) != 1 for sides in marks.values()):
        return {}
    sides = {parts: sides[0] for parts, sides in marks.items()}
    classless = {side for parts, side in sides.items() if len(parts) == 1}
    judged = {side for parts, side in sides.items() if len(parts) > 1}
    if TRAIN in classless or VALID in classless:
        raise FoldersError(
            f"photos lie right in {' and '.join(sorted(classless))}, which looks like a side of a split. "
            "Put the photos of each class into a folder of its own there, such as train/cat."
        )
    return sides if TRAIN in judged and len(judged | classless) > 1 else {}


def _without_side(parts: Parts) -> Parts:
    return tuple(name for name in parts if name.lower() not in SIDES)


def _without_common(folders: Collection[Parts]) -> dict[Parts, Parts]:
    """The folders without dates and parts at their end, and without the folder that they all lie in."""
    rest = {parts: _without_parts(parts, folders) for parts in folders}
    while all(len(parts) > 1 for parts in rest.values()) and len({parts[0] for parts in rest.values()}) == 1:
        rest = {folder: parts[1:] for folder, parts in rest.items()}
    while all(len(parts) > 1 for parts in rest.values()) and len({parts[-1] for parts in rest.values()}) == 1:
        rest = {folder: parts[:-1] for folder, parts in rest.items()}  # cat/images and dog/images
    return rest


def _without_parts(parts: Parts, folders: Collection[Parts]) -> Parts:
    while len(parts) > 1 and (looks_like_part(parts[-1]) or _is_number_of_part(parts, folders)):
        parts = parts[:-1]
    return parts


def _is_number_of_part(parts: Parts, folders: Collection[Parts]) -> bool:
    """Whether a number is that of a part (cat/2024/05, cat/1 beside dog/), not a class (mnist/7)."""
    if not re.fullmatch(NUMBER, parts[-1]):
        return False
    return looks_like_part(parts[-2]) or not _are_numbers(folders)


def _are_numbers(folders: Collection[Parts]) -> bool:
    return all(re.fullmatch(NUMBER, parts[-1]) for parts in folders)


def _find_leaves(folders: Iterable[Parts]) -> dict[Parts, set[str]]:
    """Parent -> the classes' names right below it."""
    leaves: dict[Parts, set[str]] = defaultdict(set)
    for parts in folders:
        leaves[parts[:-1]].add(clean_label(parts[-1]))
    return leaves


def _read_first(folders: Collection[Parts]) -> dict[Parts, Place]:
    return {parts: Place(clean_label(parts[0])) for parts in folders}


def _read_last(folders: Collection[Parts]) -> dict[Parts, Place]:
    return {parts: Place(clean_label(parts[-1]), "/".join(map(clean_label, parts[:-1]))) for parts in folders}


def _read_as_it_fits(folders: Collection[Parts]) -> dict[Parts, Place]:
    leaves = _find_leaves(folders)
    same = len({tuple(sorted(names)) for names in leaves.values()}) == 1
    if len(leaves) == 1 or (same and not _are_numbers(folders)):
        return _read_last(folders)
    first, last = ({place.label for place in read(folders).values()} for read in (_read_first, _read_last))
    raise FoldersError(
        "the folders have two readings. "
        f"The folder right below --data is the class: {_name(first)} (--class-folder first). "
        f"The folder that holds the photos is the class: {_name(last)} (--class-folder last). "
        "Say which, or move the photos into one folder per class."
    )


def _name(labels: set[str]) -> str:
    shown = ", ".join(sorted(labels)[:SHOWN])
    more = f" and {len(labels) - SHOWN} more" if len(labels) > SHOWN else ""
    return f"{shown}{more}"


_READERS = dict(zip(CLASS_FOLDERS, (_read_as_it_fits, _read_first, _read_last), strict=True))
