"""Train a classifier on folders of photos.

    python -m training --data DIR --out artifacts/NAME

DIR holds one folder of photos per class. Writes `artifacts/NAME.pkl`, for `python -m export`, and the folder
`artifacts/NAME-report/` with figures and pictures.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from training.learner import Recipe, WeightsError, train
from training.photos import DataError, PhotoSet, load_photos, write_split
from training.report import SPLIT_FILE, measure, write_metrics, write_pictures


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    recipe = Recipe(
        arch=options.arch,
        weights=options.weights,
        epochs=options.epochs,
        start_epochs=options.start_epochs,
        start_size=options.start_size,
        batch_size=options.batch_size,
        lr=options.lr,
        seed=options.seed,
    )
    try:
        return _run(options.data, options.out, recipe)
    except (DataError, WeightsError) as error:
        print(f"training: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print(f"training: stopped{stop}.", file=sys.stderr)
        return 130


def _run(data: Path, out: Path, recipe: Recipe) -> int:
    print(f"reading the photos in {data}")
    photos = load_photos(data, recipe.seed)
    _describe(photos)
    report = out.with_name(f"{out.name}-report")
    report.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    trained = train(photos.photos, recipe, report)
    seconds = time.monotonic() - start
    if trained.interrupted:
        print("stopped: keeping the best epoch so far")
    trained.learner.export(Path(f"../{out.name}.pkl"))  # first of all, so that nothing after it can lose the training
    metrics = measure(trained, photos, recipe, seconds) | {"data": data.as_posix()}
    write_split(photos, data, report / SPLIT_FILE)
    write_metrics(metrics, report)
    write_pictures(trained, report)
    print(
        f"accuracy {metrics['accuracy']:.2%} on {sum(photos.count(held_out=True).values())} held-out photos, "
        f"{metrics['neutral']['accuracy']:.2%} on copies of them whose size says nothing "
        f"(width and height alone: {metrics['size_only_accuracy']:.2%})"
    )
    print(f"wrote {out}.pkl and {report}/")
    return 0


def _describe(photos: PhotoSet) -> None:
    for skipped in photos.skipped:
        print(f"skipped {skipped.path}: {skipped.why}")
    for label in photos.labels:
        print(f"{label}: {photos.count(False)[label]} to train on, {photos.count(True)[label]} held out")
    print(
        f"{photos.near_duplicates} photos are near-duplicates of another, by {photos.grouped_by}; "
        "this split parts none of them.\n"
        f"A naive random split would have tested on {photos.naive_twins} of {photos.naive_held_out} held-out photos "
        f"({photos.naive_twins / photos.naive_held_out:.0%}) whose near-duplicate it had trained on."
    )


def _parser() -> argparse.ArgumentParser:
    default = Recipe()
    parser = argparse.ArgumentParser(
        prog="python -m training", description="Train a classifier on folders of photos.", allow_abbrev=False
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="a folder of photos per class")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="artifacts/NAME", help="where NAME.pkl and NAME-report/ go"
    )
    parser.add_argument("--arch", default=default.arch, help="a net of torchvision (%(default)s)")
    parser.add_argument(
        "--weights", default=default.weights, help="imagenet, none, or the path of a state dict (%(default)s)"
    )
    parser.add_argument(
        "--epochs", type=_number(int, least=1), default=default.epochs, help="at full size (%(default)s)"
    )
    parser.add_argument(
        "--start-epochs",
        type=_number(int, least=0),
        default=default.start_epochs,
        help="before them, on small photos (%(default)s)",
    )
    parser.add_argument(
        "--start-size",
        type=_number(int, least=1),
        default=default.start_size,
        metavar="PX",
        help="of the small photos (%(default)s)",
    )
    parser.add_argument(
        "--batch-size", type=_number(int, least=1), default=default.batch_size, help="photos (%(default)s)"
    )
    parser.add_argument(
        "--lr", type=_number(float, least=1e-9), help="highest learning rate (default: the learning-rate finder's)"
    )
    parser.add_argument("--seed", type=int, default=default.seed, help="of the split and the training (%(default)s)")
    return parser


def _number(kind: Callable[[str], float], least: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = kind(text)
        if not value >= least:
            raise argparse.ArgumentTypeError(f"{text} is below {least:g}")
        return value

    return number


if __name__ == "__main__":
    sys.exit(main())
