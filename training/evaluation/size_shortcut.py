"""Copies of photos in another frame, which should change no answer: neutral sizes, and wider surroundings.

    python -m training neutral --data DIR --out DIR [--class-folder first]

In many data sets the classes were collected in different ways, and a photo's size alone gives its label away. Each
neutral copy is squished to the size of a photo drawn from the whole set without looking at labels, and all are JPEGs of
one quality. A padded copy is the photo in the middle of its own blurred surroundings. A net that scores worse on the
copies was looking at the frame, not at what is in it.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.tree import DecisionTreeClassifier

from bot.errors import LabelgramError
from bot.inference.decoding import read
from bot.inference.names import lies_in, show_path
from training.commands import make_neutral_parser
from training.data.groups import GROUPS_FILE
from training.data.loading import load_photos
from training.data.photos import DataError, LabelledPhoto
from training.data.tables import write_table
from training.progress import follow
from training.whole_files import name_part

JPEG_QUALITY = 90
MAX_NAME = 255
"""Bytes of a file's name, on most systems."""
FOLDS = 5
PADDINGS = (1.5, 2.0, 3.0)
"""Widths and heights of the padded copies, in those of the photo."""
PADDED_SIDE = 768
"""Pixels of a padded copy's longer side at most: three times what the net sees."""


def draw_sizes(photos: Sequence[LabelledPhoto], seed: int) -> list[tuple[int, int]]:
    """A size for each photo, width and height in pixels: the photos' own, shuffled without looking at labels."""
    return [photos[index].size for index in np.random.default_rng(seed).permutation(len(photos))]


def copy_at_size(photo: LabelledPhoto, size: tuple[int, int]) -> bytes:
    """The photo squished to `size`, width and height in pixels, as JPEG."""
    buffer = io.BytesIO()
    read(photo.path.read_bytes()).resize(size, Image.Resampling.LANCZOS).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def copy_padded(photo: LabelledPhoto, factor: float) -> bytes:
    """The photo, as JPEG, in the middle of its own blurred picture, `factor` times as wide and high as itself."""
    image = read(photo.path.read_bytes())
    image.thumbnail((PADDED_SIDE / factor, PADDED_SIDE / factor))
    width, height = (max(1, round(side * factor)) for side in image.size)
    ground = image.resize((width, height), Image.Resampling.BILINEAR)
    ground = ground.filter(ImageFilter.GaussianBlur(max(width, height) / 20))
    ground.paste(image, ((width - image.width) // 2, (height - image.height) // 2))
    ground.save(buffer := io.BytesIO(), "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def score_sizes(photos: Sequence[LabelledPhoto], seed: int) -> float:
    """Share of all photos, 0 to 1, that a decision tree names right which sees nothing of them but width and height.

    Cross-validated in FOLDS folds that part no near-duplicates. Where a label has too few photos for folds, the share
    of the commonest label.
    """
    sizes, labels = [photo.size for photo in photos], [photo.label for photo in photos]
    groups = {label: {photo.group for photo in photos if photo.label == label} for label in set(labels)}
    if min(map(len, groups.values())) < FOLDS or len(groups) < 2:
        return max(Counter(labels).values()) / len(labels)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    tree = DecisionTreeClassifier(min_samples_leaf=5, random_state=seed)
    told = cross_val_predict(tree, sizes, labels, groups=[photo.group for photo in photos], cv=folds)
    return float(np.mean(told == np.array(labels)))


def main(arguments: list[str]) -> int:
    options = make_neutral_parser().parse_args(arguments)
    try:
        _run(options.data, options.out, options.seed, options.class_folder)
    except LabelgramError as error:
        print(f"neutral: {show_path(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"neutral: stopped before the end. {show_path(options.out)} is not there: start again.", file=sys.stderr)
        return 130
    return 0


def _run(data: Path, out: Path, seed: int, class_folder: str) -> None:
    """Raises DataError, PhotoError, OSError. `out` is there only when it is whole."""
    if os.path.lexists(out):
        raise DataError(f"{out} is there already. --out names a new folder.")
    if data.is_dir() and lies_in(out, data):
        raise DataError(f"{out} lies in {data}: the copies would be photos of it too. --out names another place.")
    photos = load_photos(data, seed, class_folder=class_folder).photos
    part = name_part(out)
    shutil.rmtree(part, ignore_errors=True)  # of a run that was killed
    copies = []
    try:
        for photo, size in zip(follow(photos, len(photos)), draw_sizes(photos, seed), strict=True):
            copy = part / _name_copy(photo.path.relative_to(data))
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(copy_at_size(photo, size))
            copies.append(LabelledPhoto(copy, photo.label, photo.group, size))
        rows = [(copy.path.relative_to(part).as_posix(), copy.label, copy.group) for copy in copies]
        write_table([("path", "label", "group"), *rows], part / GROUPS_FILE)
        telling, told = score_sizes(photos, seed), score_sizes(copies, seed)
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    print(
        f"{len(copies)} copies are in {show_path(out)}. Width and height alone tell the label of "
        f"{telling:.1%} of the photos and {told:.1%} of the copies."
    )


def _name_copy(photo: Path) -> Path:
    """NAME.jpg; of a name too long for that, its digest."""
    name = f"{photo.name}.jpg"
    if len(os.fsencode(name)) > MAX_NAME:
        name = f"{hashlib.sha256(os.fsencode(photo.name)).hexdigest()}.jpg"
    return photo.with_name(name)
