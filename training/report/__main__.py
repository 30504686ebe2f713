"""A trained net -> the report: `metrics.json`, pictures, `suspects.csv`, and all of it on one page, `report.html`.

    python -m training report artifacts/NAME.pkl [--data DIR] [--by COLUMN]... [--faces]

makes the report of a training run again, from the learner and its `NAME-report/`. The net is run once over all photos
and once over neutral copies of the held-out ones; every figure is of held-out photos.
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from fastai.learner import Learner
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.metrics import precision_recall_fscore_support

from training.data.photos import DataError, LabelledPhoto, PhotoSet
from training.evaluation.calibration import calibration_facts
from training.evaluation.grad_cam import Answer, find_suspects, give_answers
from training.evaluation.out_of_distribution import measure_rejection
from training.evaluation.size_shortcut import copy_held_out, score_sizes
from training.evaluation.subgroups import (
    FOLDER,
    NO_MORE,
    Breakdown,
    break_down,
    find_traits,
    find_worst,
    read_columns,
    wilson,
)
from training.fitting.dataloaders import draw_views, get_labels
from training.fitting.learner import Trained, compute_logits
from training.recipe import Recipe
from training.report.page import Suspect, make_page
from training.report.plots import draw_thumbnail, write_pictures, write_views
from training.runs import METRICS_FILE, find_report, load_run, read_recipe

PAGE_FILE = "report.html"
SUSPECTS_FILE = "suspects.csv"
SHOWN_SUSPECTS = 12
PART = 256
"""Photos whose files are in memory at a time."""
PACKAGES = ("fastai", "torch", "torchvision", "pillow", "numpy")
VIEWS = 16
"""Training photos that are shown as the net sees them."""
RUN_FACTS = ("photos", "skipped", "split", "recipe", "interrupted", "history", "seconds", "versions", "data")
"""Of metrics.json: what is known of a training run and cannot be measured again."""


def describe_run(trained: Trained, photos: PhotoSet, recipe: Recipe, seconds: float, data: Path) -> dict[str, Any]:
    """The RUN_FACTS: everything needed to make the net again."""
    return {
        "photos": {"train": photos.count(held_out=False), "valid": photos.count(held_out=True)},
        "skipped": len(photos.skipped),
        "split": {
            "grouped_by": photos.grouped_by,
            "near_duplicates": photos.near_duplicates,
            "naive_twins": photos.naive_twins,
            "naive_held_out": photos.naive_held_out,
        },
        "recipe": asdict(recipe),
        "interrupted": trained.interrupted,
        "history": [asdict(epoch) for epoch in trained.history],
        "seconds": round(seconds, 1),
        "versions": {"python": platform.python_version(), **{package: version(package) for package in PACKAGES}},
        "data": data.as_posix(),
    }


def write_report(
    learner: Learner,
    photos: Sequence[LabelledPhoto],
    facts: dict[str, Any],
    folder: Path,
    breakdown: Breakdown = NO_MORE,
) -> dict[str, Any]:
    """Measure the net and write the whole report into `folder`; returns what `metrics.json` holds.

    `facts` are the RUN_FACTS, or a whole `metrics.json` from before. Raises DataError for a column that is not there.
    """
    read_columns((), Path(facts["data"]), breakdown.columns)  # a wrong one is named before the net is run
    labels = get_labels(learner.dls)
    logits = _compute_all(learner, photos)[:, : len(labels)]
    metrics = measure(learner, photos, logits, facts, breakdown)
    write_metrics(metrics, folder)
    probabilities = softmax(logits / np.float32(metrics["calibration"]["temperature"]), axis=1)
    answers = give_answers(photos, probabilities, labels)
    suspects = _describe_suspects(find_suspects(answers), Path(facts["data"]))
    _write_suspects(suspects, folder / SUSPECTS_FILE)
    if len(learner.dls.train_ds):  # a learner that was loaded has none: their picture stays
        views, shown = draw_views(photos, read_recipe(facts), VIEWS)
        write_views(views.numpy(), shown, folder / "training-photos.png")
    write_pictures(learner, [answer for answer in answers if answer.photo.held_out], metrics, folder)
    pictures = {file.name: file.read_bytes() for file in folder.glob("*.png")}
    page = make_page(folder.name.removesuffix("-report"), metrics, pictures, suspects)
    (folder / PAGE_FILE).write_text(page, encoding="utf-8")
    return metrics


def measure(
    learner: Learner,
    photos: Sequence[LabelledPhoto],
    logits: NDArray[np.float32],
    facts: dict[str, Any],
    breakdown: Breakdown,
) -> dict[str, Any]:
    """Figures on the held-out photos, beside the facts of the run; `logits` are float32 `[photos, labels]`.

    Accuracy is given on the photos as they are and on neutral copies (`evaluation.size_shortcut`), beside what width
    and height alone tell. `rejection` is None without outsiders.
    """
    labels, recipe = get_labels(learner.dls), read_recipe(facts)
    held_out = [photo for photo in photos if photo.held_out]
    seen = logits[[photo.held_out for photo in photos]]  # [held-out photos, labels]
    targets = np.array([labels.index(photo.label) for photo in held_out])
    traits = find_traits(held_out, Path(facts["data"]), breakdown)
    as_is = _score(seen.argmax(1), targets, labels)
    groups = break_down(seen.argmax(1) == targets, targets, labels, traits)
    worst = find_worst(groups, as_is["accuracy"])
    copies = compute_logits(learner, copy_held_out(photos, recipe.split_seed))[:, : len(labels)]
    metrics = {
        **as_is,
        "error_rate": 1 - as_is["accuracy"],
        "neutral": _score(copies.argmax(1), targets, labels),
        "size_only_accuracy": score_sizes(photos, recipe.split_seed),
        "calibration": calibration_facts(seen, targets, [photo.group for photo in held_out]),
        "rejection": _measure_rejection(learner, photos, recipe, facts.get("rejection")),
        "groups": [asdict(group) for group in groups],
        "worst_group": asdict(worst) if worst else None,
        "breakdown": asdict(breakdown),
    }
    folders = [group for group in groups if group.trait == FOLDER]
    if folders:
        keys = ("photos", "accuracy", "interval")
        metrics["by_folder"] = {group.value: {key: getattr(group, key) for key in keys} for group in folders}
    return metrics | {key: facts[key] for key in RUN_FACTS}


def write_metrics(metrics: dict[str, Any], folder: Path) -> None:
    (folder / METRICS_FILE).write_text(json.dumps(metrics, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _compute_all(learner: Learner, photos: Sequence[LabelledPhoto]) -> NDArray[np.float32]:
    """Logits of all photos, float32 `[photos, outputs]`."""
    parts = [photos[start : start + PART] for start in range(0, len(photos), PART)]
    return np.concatenate([compute_logits(learner, [photo.path.read_bytes() for photo in part]) for part in parts])


def _measure_rejection(
    learner: Learner, photos: Sequence[LabelledPhoto], recipe: Recipe, before: dict[str, Any] | None
) -> dict[str, Any] | None:
    """Measured now, or what was measured before if the folder of outsiders is not there any more."""
    try:
        return measure_rejection(learner, photos, recipe)
    except DataError as error:
        print(f"pictures of other things are not measured again: {error}")
        return before


def _score(predicted: NDArray[np.int64], targets: NDArray[np.int64], labels: Sequence[str]) -> dict[str, Any]:
    precision, recall, _, _ = precision_recall_fscore_support(
        targets, predicted, labels=range(len(labels)), zero_division=0.0
    )
    right = predicted == targets
    return {
        "accuracy": float(right.mean()),
        "interval": wilson(int(right.sum()), len(right)),
        "recall": dict(zip(labels, map(float, recall), strict=True)),
        "precision": dict(zip(labels, map(float, precision), strict=True)),
    }


def _describe_suspects(answers: Sequence[Answer], data: Path) -> list[Suspect]:
    return [
        Suspect(
            path=answer.photo.path.relative_to(data).as_posix(),
            label=answer.photo.label,
            predicted=answer.predicted,
            probability=answer.probability,
            split="valid" if answer.photo.held_out else "train",
            picture=draw_thumbnail(answer.photo) if number < SHOWN_SUSPECTS else None,
        )
        for number, answer in enumerate(answers)
    ]


def _write_suspects(suspects: Sequence[Suspect], file: Path) -> None:
    with file.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(["path", "label", "predicted", "probability", "split"])
        for one in suspects:
            writer.writerow([one.path, one.label, one.predicted, f"{one.probability:.4f}", one.split])


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        _run(options.pickle, options.data, read_options(options))
    except DataError as error:
        print(f"report: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("report: stopped. The same command makes it anew.", file=sys.stderr)
        return 130
    return 0


def _run(pickle: Path, data: Path | None, breakdown: Breakdown) -> None:
    run, folder = load_run(pickle, data), find_report(pickle)
    if breakdown == NO_MORE and "breakdown" in run.metrics:
        breakdown = run.breakdown  # as the training was told to
    print(f"measuring on {sum(photo.held_out for photo in run.photos)} held-out photos")
    facts = run.metrics | {"data": run.folder.as_posix()}
    metrics = write_report(run.learner, run.photos, facts, folder, breakdown)
    print(f"accuracy {metrics['accuracy']:.2%}, on neutral copies {metrics['neutral']['accuracy']:.2%}")
    print(f"wrote {folder}/, to be read in {folder / PAGE_FILE}")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the breakdown, for this command and for `python -m training`."""
    parser.add_argument(
        "--by",
        action="append",
        default=[],
        metavar="COLUMN",
        help="a column of groups.csv to break figures down by; may be given several times",
    )
    parser.add_argument(
        "--faces", action="store_true", help="break figures down by apparent skin tone and face scale, both estimated"
    )


def read_options(options: argparse.Namespace) -> Breakdown:
    """What was given for `add_options`."""
    return Breakdown(tuple(options.by), options.faces)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training report",
        description="Make the report of a training again.",
        allow_abbrev=False,
    )
    parser.add_argument("pickle", type=Path, metavar="artifacts/NAME.pkl", help="what `python -m training` wrote")
    parser.add_argument("--data", type=Path, metavar="DIR", help="the photos, if they are not where they were")
    add_options(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
