"""Pictures of none of the classes: a net that never saw one gives each of them a label, and is sure of it.

Some kinds are generated here, others come as photos, a folder per kind (`python -m training collect`).
A few kinds are kept out of training, to measure how often a picture of an unknown kind is turned away.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from bot.inference.decoding import PhotoError, read
from bot.inference.names import clean_label, is_folder, is_skipped, show_path
from bot.inference.photo_files import find_photos, read_photo
from training.data.generated import GENERATORS
from training.data.photos import DataError
from training.recipe import GENERATED, NO_OUTSIDERS

UNSEEN = 3
"""One kind in this many is kept out of training where the recipe names none."""
TEST_PICTURES = 100
"""Pictures of each unseen kind to test on, at most; as many are generated."""


@dataclass(frozen=True)
class Kind:
    """One kind of outsiders: generated ones, or the photos of a folder."""

    name: str
    files: tuple[Path, ...] = ()
    """None: generated."""

    def draw(self, rng: random.Random) -> Image.Image:
        """One picture of this kind."""
        if not self.files:
            return GENERATORS[self.name](rng)
        return read(rng.choice(self.files).read_bytes())

    def sample(self, count: int, seed: int) -> list[Image.Image]:
        """At most `count` different pictures, always the same ones for a seed."""
        rng = random.Random(f"{self.name} {seed}")
        if not self.files:
            return [self.draw(rng) for _ in range(count)]
        return [read(file.read_bytes()) for file in rng.sample(self.files, min(count, len(self.files)))]


def check_source(source: str) -> None:
    """Raises DataError where --outsiders names no folder."""
    if source not in {NO_OUTSIDERS, GENERATED} and not is_folder(source):
        raise DataError(
            f"there is no folder {source}. --outsiders takes none, generated, or a folder per kind of them."
        )


def find_kinds(source: str) -> list[Kind]:
    """The kinds at `source`: `none`, `generated`, or a folder whose kinds come on top of the generated ones.

    Raises DataError if the folder is not there or holds no photos, or if two kinds have one name.
    """
    check_source(source)
    if source == NO_OUTSIDERS:
        return []
    kinds = [Kind(name) for name in GENERATORS]
    if source == GENERATED:
        return kinds
    for folder in sorted(path for path in Path(source).iterdir() if is_folder(path) and not is_skipped(path.name)):
        name = clean_label(folder.name)
        files = tuple(file for file in find_photos(folder) if _readable(file))
        if files and name in GENERATORS:
            raise DataError(f"{folder} has the name of a generated kind. Rename it.")
        if files and name in {kind.name for kind in kinds}:
            raise DataError(f"{folder} is a second folder of the kind {name}. Move the photos into one, or rename it.")
        if files:
            kinds.append(Kind(name, files))
    if len(kinds) == len(GENERATORS):
        raise DataError(f"{source} holds no folder with photos. Put outsiders of one kind into a folder each.")
    return kinds


def part_kinds(kinds: Sequence[Kind], unseen: Sequence[str], seed: int) -> tuple[list[Kind], list[Kind]]:
    """The kinds to train on, and those kept out. Raises DataError if `unseen` names all, or none that is there.

    One that is not there is told of: a recipe names kinds of which somebody else has some.
    """
    names = [kind.name for kind in kinds]
    missing = sorted(set(unseen) - set(names))
    if kinds and missing and len(missing) < len(set(unseen)):
        print(f"note: there are no outsiders of the kind {', '.join(missing)}, so they are not measured")
    elif kinds and missing:
        raise DataError(f"there are no outsiders of the kind {', '.join(missing)}, only {', '.join(names)}.")
    if kinds and not set(names) - set(unseen):
        raise DataError("--unseen names all kinds of outsiders, none is left to train on. Leave some out.")
    kept_out = set(unseen) or set(random.Random(seed).sample(names, len(names) // UNSEEN))
    return [kind for kind in kinds if kind.name not in kept_out], [kind for kind in kinds if kind.name in kept_out]


def _readable(file: Path) -> bool:
    try:
        read(read_photo(file))
    except (PhotoError, OSError) as error:
        print(f"skipped {show_path(file)}: {error}")
        return False
    return True
