"""What the bot loses by fetching a small variant of a photo instead of Telegram's largest.

    python -m export photo-sizes artifacts/NAME.onnx DIR

Every photo in DIR (a folder a class) above 320 px is scaled as Telegram does; for each rule of choice it prints on how
many photos the answer stays what it is on the largest variant, the accuracy, and the mean size of the download.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bot.errors import LabelgramError
from bot.inference.classifier import Classifier, Prediction
from bot.inference.decoding import PhotoError, read
from bot.inference.names import clean_label, show_path
from bot.inference.photo_files import find_photos, read_photo
from bot.inference.variants import BOXES, make_variants, smallest_covering
from export.commands import make_photo_sizes_parser

RULES = (10_000, 256, 224, 192, 160, 128)
"""Pixels that the chosen variant has at least in width and height; the first is above all: the largest variant."""


@dataclass(frozen=True)
class Choice:
    """One photo under one rule."""

    right: bool
    prediction: Prediction
    download: int
    """Bytes."""


def choose(photo: Path, classifier: Classifier) -> list[Choice]:
    """The photo's answers under each of RULES; none if it cannot be read or has only Telegram's smallest variants."""
    try:
        image = read(read_photo(photo))
    except (PhotoError, OSError) as error:
        print(f"skipped {show_path(photo)}: {error}", file=sys.stderr)
        return []
    if max(image.size) <= BOXES[1]:
        return []
    variants = list(make_variants(image))
    answers = {variant.box: classifier.classify(variant.jpeg) for variant in variants}
    chosen = [smallest_covering(variants, pixels) for pixels in RULES]
    return [
        Choice(answers[variant.box].label == clean_label(photo.parent.name), answers[variant.box], len(variant.jpeg))
        for variant in chosen
    ]


def describe(rows: list[list[Choice]]) -> Iterator[str]:
    """The table, from one row of choices per photo."""
    yield f"{len(rows)} photos above {BOXES[1]} px"
    yield f"{'at least':>8}  {'same label':>10}  {'largest change':>14}  {'accuracy':>8}  {'download':>8}"
    for rule, column in zip(RULES, zip(*rows, strict=True), strict=True):
        same = sum(row[0].prediction.label == choice.prediction.label for row, choice in zip(rows, column, strict=True))
        change = max(
            abs(row[0].prediction.probabilities[label] - choice.prediction.probabilities[label])
            for row, choice in zip(rows, column, strict=True)
            for label in choice.prediction.probabilities
        )
        accuracy = sum(choice.right for choice in column) / len(rows)
        kilobytes = sum(choice.download for choice in column) / len(rows) / 1000
        name = "largest" if rule == RULES[0] else f"{rule} px"
        yield f"{name:>8}  {same / len(rows):>10.2%}  {change:>14.3f}  {accuracy:>8.2%}  {kilobytes:>5.0f} kB"


def main(arguments: list[str]) -> int:
    """Exit status: 0 the table is printed, 1 there is nothing to print, 2 the file cannot be used."""
    options = make_photo_sizes_parser().parse_args(arguments)
    try:
        classifier = Classifier(options.model, threads=2)
        rows = [row for file in find_photos(options.photos) if (row := choose(file, classifier))]
    except LabelgramError as error:
        print(f"photo-sizes: {show_path(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    if not rows:
        print(f"photo-sizes: no photo above {BOXES[1]} px in {options.photos}", file=sys.stderr)
        return 1
    print(*describe(rows), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit("`python -m export.photo_sizes` has a new name: python -m export photo-sizes artifacts/NAME.onnx DIR")
