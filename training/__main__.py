"""Train a classifier on folders of photos.

    python -m training --data DIR --out artifacts/NAME

DIR holds one folder of photos per class. Writes `artifacts/NAME.pkl`, for `python -m export`, and the folder
`artifacts/NAME-report/` with figures and pictures. On several GPUs, each with its share of every epoch:

    accelerate launch --multi_gpu --num_processes 2 -m training --data DIR --out artifacts/NAME
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

from fastai.torch_core import rank_distrib

from bot.inference.photo_files import show_path
from training.data.folders import CLASS_FOLDERS
from training.data.loading import load_photos
from training.data.photos import DataError, PhotoSet
from training.data.split import SKIPPED_FILE, write_skipped, write_split
from training.evaluation.subgroups import read_columns
from training.fitting.architectures import WeightsError
from training.fitting.checkpoint import CHECKPOINT_FILE, ResumeError
from training.fitting.distributed import alone
from training.fitting.learner import Trained, train
from training.recipe import AUGMENTATIONS, Recipe
from training.report.__main__ import add_options, describe_run, read_options, write_report
from training.runs import SPLIT_FILE

SHOWN_SKIPPED = 20
"""Skipped photos that are named on the screen."""


def main(arguments: list[str] | None = None) -> int:
    """The exit status. Of several processes only the first says anything."""
    options = _parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):  # a name that the terminal cannot show is no reason to stop
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    with contextlib.ExitStack() as stack:
        if rank_distrib():
            silence = stack.enter_context(Path(os.devnull).open("w", encoding="utf-8"))
            stack.enter_context(contextlib.redirect_stdout(silence))
        try:
            return _run(options)
        except (DataError, WeightsError, ResumeError) as error:
            _complain(str(error))
            return 2
        except KeyboardInterrupt as stop:
            _complain(f"stopped{stop}.")
            return 130


def _complain(text: str) -> None:
    if not rank_distrib():
        print(f"training: {show_path(text)}", file=sys.stderr)


def _run(options: argparse.Namespace) -> int:
    out: Path = options.out
    recipe = Recipe(**{field.name: getattr(options, field.name) for field in dataclasses.fields(Recipe)})
    print(f"reading the photos in {options.data}")
    photos = load_photos(options.data, recipe.split_seed, options.relabel, options.leave_out, options.class_folder)
    _describe(photos)
    read_columns((), options.data, options.by)  # so that a wrong --by is told of now
    report = out.with_name(f"{out.name}-report")
    report.mkdir(parents=True, exist_ok=True)
    checkpoint = report / CHECKPOINT_FILE
    if checkpoint.exists() and not options.resume:
        print(f"starting anew; --resume would go on with the training that was stopped ({checkpoint})")
    trained = train(photos.photos, recipe, report, options.resume)
    if rank_distrib():
        return 0
    with alone():
        if trained.interrupted:
            print("stopped: keeping the best epoch so far. The same command with --resume goes on instead.")
        trained.learner.export(Path(f"../{out.name}.pkl"))  # first, so that nothing after it can lose the training
        _report(trained, photos, recipe, options, report)
        if not trained.interrupted:
            checkpoint.unlink(missing_ok=True)
            checkpoint.with_suffix(".part").unlink(missing_ok=True)
    print(f"wrote {out}.pkl and {report}/")
    return 0


def _report(trained: Trained, photos: PhotoSet, recipe: Recipe, options: argparse.Namespace, folder: Path) -> None:
    """Everything that goes into the report's folder."""
    write_split(photos.photos, options.data, folder / SPLIT_FILE)
    write_skipped(photos.skipped, options.data, folder / SKIPPED_FILE)
    facts = describe_run(trained, photos, recipe, trained.seconds, options.data)
    metrics = write_report(trained.learner, photos.photos, facts, folder, read_options(options))
    print(
        f"accuracy {metrics['accuracy']:.2%} on {sum(photos.count(held_out=True).values())} held-out photos, "
        f"{metrics['neutral']['accuracy']:.2%} on copies of them whose size says nothing "
        f"(width and height alone: {metrics['size_only_accuracy']:.2%})"
    )


def _describe(photos: PhotoSet) -> None:
    for skipped in photos.skipped[:SHOWN_SKIPPED]:
        print(f"skipped {show_path(skipped.path)}: {skipped.why}")
    if len(photos.skipped) > SHOWN_SKIPPED:
        print(f"skipped {len(photos.skipped) - SHOWN_SKIPPED} more; {SKIPPED_FILE} in the report lists all")
    for note in photos.notes:
        print(f"note: {note}")
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
        prog="python -m training",
        description="Train a classifier on folders of photos.",
        epilog="On several GPUs: accelerate launch --multi_gpu --num_processes N -m training ... "
        "Each process takes its share of every epoch, in batches of --batch-size photos.",
        allow_abbrev=False,
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="a folder of photos per class")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="artifacts/NAME", help="where NAME.pkl and NAME-report/ go"
    )
    parser.add_argument(
        "--relabel", type=Path, metavar="FILE.csv", help="the right labels (path,label) of photos in the wrong folder"
    )
    parser.add_argument(
        "--class-folder",
        choices=CLASS_FOLDERS,
        default=CLASS_FOLDERS[0],
        help="the folder that names a class: the first below --data, the last, or as it fits (%(default)s)",
    )
    parser.add_argument(
        "--leave-out",
        metavar="FOLDER",
        help="measure on this folder of the photos and train on the others; or on COLUMN=VALUE of groups.csv",
    )
    parser.add_argument(
        "--arch", default=default.arch, help="a net of torchvision, or efficientnet_lite0 (%(default)s)"
    )
    parser.add_argument(
        "--weights",
        default=default.weights,
        help="imagenet, none, or the file of a state dict in torchvision's form (%(default)s)",
    )
    parser.add_argument(
        "--epochs",
        type=_number(int, least=1),
        default=default.epochs,
        help="of as many photos as there are (%(default)s)",
    )
    parser.add_argument(
        "--size",
        type=_number(int, least=32),
        default=default.size,
        metavar="PX",
        help="of the photos in training (%(default)s, as the bot's)",
    )
    parser.add_argument(
        "--batch-size", type=_number(int, least=1), default=default.batch_size, help="photos (%(default)s)"
    )
    parser.add_argument(
        "--lr", type=_number(float, least=1e-9), help="highest learning rate (default: by the batch size)"
    )
    parser.add_argument(
        "--weight-decay", type=_number(float, least=0), default=default.weight_decay, help="AdamW's (%(default)s)"
    )
    parser.add_argument(
        "--dropout", type=_number(float, least=0, below=1), default=default.dropout, help="in the head (%(default)s)"
    )
    parser.add_argument(
        "--augment",
        choices=AUGMENTATIONS,
        default=default.augment,
        help="light: fastai's usual; strong: distance, low light, blur, compression and occlusion too (%(default)s)",
    )
    parser.add_argument(
        "--ema",
        type=_number(float, least=0, below=1),
        default=default.ema,
        metavar="DECAY",
        help="of the moving average of the weights that is kept; 0: the last weights (%(default)s)",
    )
    parser.add_argument(
        "--outsiders",
        default=default.outsiders,
        metavar="DIR",
        help="pictures of none of the classes, so that the bot can say that it does not know: none, generated, or a "
        "folder of photos per kind beside the generated ones (%(default)s)",
    )
    parser.add_argument(
        "--outsider-share",
        type=_number(float, least=0, below=1),
        default=default.outsider_share,
        metavar="SHARE",
        help="of such pictures in an epoch (%(default)s)",
    )
    parser.add_argument(
        "--unseen",
        type=lambda text: tuple(text.split(",")),
        default=default.unseen,
        metavar="KIND,...",
        help="kinds of outsiders to test on, not to train on (default: a third, drawn by lot)",
    )
    parser.add_argument("--seed", type=int, default=default.seed, help="of the training (%(default)s)")
    parser.add_argument("--split-seed", type=int, default=default.split_seed, help="of the split (%(default)s)")
    parser.add_argument("--resume", action="store_true", help="go on with a training that was stopped")
    add_options(parser)
    return parser


def _number(kind: Callable[[str], float], least: float, below: float = float("inf")) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = kind(text)
        if not value >= least:
            raise argparse.ArgumentTypeError(f"{text} is below {least:g}")
        if not value < below:
            raise argparse.ArgumentTypeError(f"{text} is not below {below:g}")
        return value

    return number


if __name__ == "__main__":
    sys.exit(main())
